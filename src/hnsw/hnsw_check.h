/*
 * hnsw_check.h
 *		The two halves of hnsw_check.
 */
#ifndef VS_HNSW_HNSW_CHECK_H
#define VS_HNSW_HNSW_CHECK_H

#include "hnsw/hnsw_inspect.h"

/*
 * Check that every row of the table that belongs in the index has an entry in
 * the revmap, and tell how many nodes no link leads to.  The revmap must have
 * been compared with the nodes; VACUUM must be kept out.
 */
extern void vs_hnsw_check_heap(VsHnswInspect *inspect);

#endif							/* VS_HNSW_HNSW_CHECK_H */
