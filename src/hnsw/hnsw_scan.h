/*
 * hnsw_scan.h
 *		The state of an index scan, shared by hnsw_scan.c and hnsw_filter.c.
 */
#ifndef VS_HNSW_HNSW_SCAN_H
#define VS_HNSW_HNSW_SCAN_H

#include "hnsw/hnsw.h"

/* A node to hand out. */
typedef struct VsHnswScanItem
{
	double		bound;			/* on the distance that SQL computes, or
								 * without reranking that of the index's row */
	int			index;			/* into the walk's found */
} VsHnswScanItem;

typedef struct VsHnswScan
{
	VsHnsw	   *ix;
	MemoryContext context;		/* of one scan; reset by rescan */
	VsHnswWalk *walk;
	VsHnswValue *query;
	double		query_norm;
	bool		rerank;			/* is the order to be that of the table's
								 * rows? */
	bool		no_order;		/* NULL or unplaceable query: all rows tie */

	VsHnswScanItem *batch;		/* ascending by bound */
	int			nbatch;
	int			at;
	VsHnswScanItem *late;		/* held back in strict order */
	int			nlate;
	int			late_room;
	double		last_bound;
	uint32		swept;			/* ids below were swept */
	int			max_nodes;		/* how many may be visited in all, or 0 */

	VsHnswPredicate *predicate; /* what the index's columns have to satisfy,
								 * or NULL; of this search */
	VsHnswFilter *filter;		/* or NULL; of the caller, or: */
	VsHnswFilter own;			/* if there is only a predicate */
	bool		starved;		/* do too few rows satisfy the predicate? */
	uint32	   *given;			/* nodes handed out before the set was in use */
	int			ngiven;
	int			given_room;
	bool		filtering;		/* is the set in use? */
	VsHnswNodeSet left;			/* nodes of it that were not handed out */
	bool		exact;			/* look at all nodes that are left? */
	double		width;			/* of the last exact search */
	bool		held_back;		/* did the last exact search leave out what
								 * comes too late? */
	bool		late_only;		/* are only those left that come too late? */
	bool		ended;			/* are there no more batches? */

	ItemPointerData *tids;		/* further rows of the node last handed out */
	int			ntids;
	int			tids_room;
	double		tids_bound;

	VsHnswScanStats stats;		/* but for the walk's work */
} VsHnswScan;

/* hnsw_scan.c */
extern double vs_hnsw_lower_bound(const VsHnswScan *state,
								  const VsHnswFound *found);
extern double vs_hnsw_scan_key(const VsHnswScan *state,
							   const VsHnswFound *found);
extern void vs_hnsw_scan_load_query(VsHnswScan *state, Datum query, bool isnull);
extern void vs_hnsw_scan_new_walk(VsHnswScan *state);
extern void vs_hnsw_scan_start_walk(VsHnswScan *state,
									const VsHnswNodeSet *allowed);
extern double vs_hnsw_scan_max_nodes(void);
extern void vs_hnsw_scan_set_limits(VsHnswScan *state, double most);
extern bool vs_hnsw_scan_is_at_limit(const VsHnswScan *state);
extern void vs_hnsw_scan_widen(VsHnswScan *state);
extern void vs_hnsw_batch_from_window(VsHnswScan *state, bool strict);

/* hnsw_filter.c: scans of some nodes only */
extern void vs_hnsw_filter_try_walk(VsHnswScan *state);
extern bool vs_hnsw_filter_is_wanted(const VsHnswScan *state);
extern void vs_hnsw_filter_start(VsHnswScan *state);
extern bool vs_hnsw_filter_next(VsHnswScan *state, bool strict);
extern bool vs_hnsw_filter_is_beyond(VsHnswScan *state);
extern void vs_hnsw_filter_take(VsHnswScan *state, uint32 id);

#endif							/* VS_HNSW_HNSW_SCAN_H */
