/*
 * hnsw_frontier.h
 *		Where a walk may go next: candidates by distance.
 *
 * The nearest are in a sorted array, all others lie unsorted behind a limit:
 * most are never asked for.  A candidate is one number, its distance in the
 * upper half and its id in the lower, so that one comparison orders both.
 */
#ifndef VS_HNSW_HNSW_FRONTIER_H
#define VS_HNSW_HNSW_FRONTIER_H

#include "utils/palloc.h"

#include "hnsw/hnsw_key.h"

typedef struct VsHnswFrontier
{
	VsHnswKey  *near;			/* ascending; all below limit */
	int			first;			/* those before are gone */
	int			end;
	int			most;			/* how many may be in it */
	int			near_room;
	VsHnswKey	limit;
	VsHnswKey  *far;			/* none is below limit */
	int			nfar;
	int			far_room;
	int			far_most;		/* beyond that the farthest are forgotten */
} VsHnswFrontier;

extern void vs_frontier_init(VsHnswFrontier *frontier, MemoryContext context);
extern void vs_frontier_set_ef(VsHnswFrontier *frontier, int ef);
extern void vs_frontier_set_memory(VsHnswFrontier *frontier, Size bytes);
extern void vs_frontier_clear(VsHnswFrontier *frontier);
extern void vs_frontier_reserve_slow(VsHnswFrontier *frontier, int n);
extern void vs_frontier_refill(VsHnswFrontier *frontier);
extern Size vs_frontier_memory(const VsHnswFrontier *frontier);

static inline bool
vs_frontier_is_empty(const VsHnswFrontier *frontier)
{
	return frontier->first == frontier->end && frontier->nfar == 0;
}

/* Make room for n more candidates. */
static inline void
vs_frontier_reserve(VsHnswFrontier *frontier, int n)
{
	/* a push beyond the limit, and one that drives another out, take one */
	if (unlikely(frontier->nfar + n > frontier->far_room ||
				 frontier->end + n > frontier->near_room))
		vs_frontier_reserve_slow(frontier, n);
}

/* Add a candidate; room must have been made. */
static inline void
vs_frontier_push(VsHnswFrontier *frontier, VsHnswKey key)
{
	VsHnswKey  *near = frontier->near;
	int			at = frontier->first;
	int			n = frontier->end - frontier->first;

	if (key >= frontier->limit)
	{
		frontier->far[frontier->nfar++] = key;
		return;
	}
	while (n > 0)
	{
		int			half = n / 2;
		bool		behind = near[at + half] < key;

		at = behind ? at + half + 1 : at;
		n = behind ? n - half - 1 : half;
	}
	memmove(near + at + 1, near + at, (frontier->end - at) * sizeof(VsHnswKey));
	near[at] = key;
	if (++frontier->end - frontier->first > frontier->most)
	{
		frontier->limit = near[--frontier->end];
		frontier->far[frontier->nfar++] = frontier->limit;
	}
}

/*
 * Candidates from this key on are not wanted now: they go behind the limit.
 * Room for as many must have been made (vs_frontier_reserve of 0 does).
 */
static inline void
vs_frontier_lower_limit(VsHnswFrontier *frontier, VsHnswKey limit)
{
	if (limit >= frontier->limit)
		return;
	frontier->limit = limit;
	while (frontier->end > frontier->first &&
		   frontier->near[frontier->end - 1] >= limit)
	{
		vs_frontier_reserve(frontier, 1);
		frontier->far[frontier->nfar++] = frontier->near[--frontier->end];
	}
}

/* Take the nearest candidate below the limit; false if there is none. */
static inline bool
vs_frontier_pop(VsHnswFrontier *frontier, VsHnswKey *key)
{
	if (frontier->first == frontier->end)
		return false;
	*key = frontier->near[frontier->first++];
	return true;
}

#endif							/* VS_HNSW_HNSW_FRONTIER_H */
