/*
 * hnsw_inspect.h
 *		What the functions that look after an index share.
 */
#ifndef VS_HNSW_HNSW_INSPECT_H
#define VS_HNSW_HNSW_INSPECT_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "storage/lockdefs.h"

#include "hnsw/hnsw.h"

/* What a function may do to an index, and who may therefore call it. */
typedef enum VsHnswUse
{
	VS_USE_STATISTICS,			/* SELECT on the table, its owner, or
								 * pg_stat_scan_tables */
	VS_USE_ROWS,				/* SELECT on the table, without row-level
								 * security */
	VS_USE_MAINTAIN,			/* its owner or who may run VACUUM on it;
								 * keeps VACUUM out */
} VsHnswUse;

/* An index that is being looked at, and its table. */
typedef struct VsHnswInspect
{
	Relation	heap;
	Relation	rel;
	LOCKMODE	lock;			/* on the table */
	VsHnsw	   *ix;
	BufferAccessStrategy strategy;	/* for reading it whole */
	PGAlignedBlock page;		/* copy of the page read last */
	BlockNumber block;			/* where that is */

	/* how things were, while we act as the table's owner */
	Oid			user;
	int			security;
	int			guc_level;		/* or 0 */
} VsHnswInspect;

/*
 * Open an index and its table for a function that was given its OID; in the
 * current memory context.  Errors: what is no valid hnsw index, or may not be
 * used so.  A standby takes no lock that keeps VACUUM out.
 */
extern VsHnswInspect *vs_hnsw_inspect_open(Oid index, VsHnswUse use);

/*
 * Be the table's owner, with no right to change the session, as expressions
 * and predicates of an index are run; until the end.
 */
extern void vs_hnsw_inspect_as_owner(VsHnswInspect *inspect);

/* Close it.  Only a lock that keeps VACUUM out is given back. */
extern void vs_hnsw_inspect_close(VsHnswInspect *inspect);

/* Copy a page into inspect->page. */
extern Page vs_hnsw_inspect_page(VsHnswInspect *inspect, VsHnswSpace space,
								 uint32 page_no);

/* The row that a function with OUT parameters returns. */
extern Datum vs_hnsw_inspect_row(FunctionCallInfo fcinfo, Datum *values,
								 bool *nulls);

/* Sets of ids below n, which are empty at first. */
extern uint8 *vs_bits_new(uint32 n);

static inline bool
vs_bits_has(const uint8 *bits, uint32 i)
{
	return (bits[i / 8] & (1 << (i % 8))) != 0;
}

static inline void
vs_bits_add(uint8 *bits, uint32 i)
{
	bits[i / 8] |= 1 << (i % 8);
}

/* hnsw_reach.c: which nodes links lead to */

/*
 * Called for every node below the bound that is not free, once: first for
 * those that links lead to from the entry, then for the others.  May not call
 * vs_hnsw_inspect_page.
 */
typedef void (*VsHnswReachVisit) (uint32 id, const VsHnswSlot *slot,
								  bool reached, void *arg);

extern void vs_hnsw_reach(VsHnswInspect *inspect, uint32 nodes,
						  VsHnswReachVisit visit, void *arg);

#endif							/* VS_HNSW_HNSW_INSPECT_H */
