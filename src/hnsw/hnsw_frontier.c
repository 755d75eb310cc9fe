/*
 * hnsw_frontier.c
 *		The rarer operations of a frontier.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/memutils.h"

#include "compat.h"
#include "hnsw/hnsw_frontier.h"

/* How many places for the others there are at first, and must be allowed. */
#define FAR_ROOM		1024
#define LEAST_FAR_MOST	(4 * FAR_ROOM)

/*
 * How many candidates are kept sorted: enough for a window of ef, so that the
 * others are looked through only when a scan goes on.
 */
#define NEAR_MOST(ef)	(2 * (ef) + 32)

/* Popped places are used again when this many are left behind. */
#define NEAR_SLACK		1024

void
vs_frontier_init(VsHnswFrontier *frontier, MemoryContext context)
{
	frontier->near_room = NEAR_MOST(0) + NEAR_SLACK;
	frontier->near = MemoryContextAlloc(context, frontier->near_room *
										sizeof(VsHnswKey));
	frontier->far_room = FAR_ROOM;
	frontier->far = MemoryContextAlloc(context, frontier->far_room *
									   sizeof(VsHnswKey));
	frontier->far_most = LEAST_FAR_MOST;
	frontier->most = NEAR_MOST(0);
	vs_frontier_clear(frontier);
}

void
vs_frontier_clear(VsHnswFrontier *frontier)
{
	frontier->first = frontier->end = frontier->nfar = 0;
	frontier->limit = VS_HNSW_LAST_KEY;
}

/* Fit it to a width of the window. */
void
vs_frontier_set_ef(VsHnswFrontier *frontier, int ef)
{
	frontier->most = NEAR_MOST(ef);
	if (frontier->near_room < frontier->most + NEAR_SLACK / 2)
		vs_frontier_reserve_slow(frontier, 0);
}

/* How much memory the candidates behind the limit may take. */
void
vs_frontier_set_memory(VsHnswFrontier *frontier, Size bytes)
{
	frontier->far_most = (int) Min(Max(bytes / sizeof(VsHnswKey), LEAST_FAR_MOST),
								   INT_MAX / 2);
}

static inline void
swap_keys(VsHnswKey *a, VsHnswKey *b)
{
	VsHnswKey	key = *a;

	*a = *b;
	*b = key;
}

/* The middle one of three keys. */
static inline VsHnswKey
middle_key(VsHnswKey a, VsHnswKey b, VsHnswKey c)
{
	return Max(Min(a, b), Min(Max(a, b), c));
}

/*
 * Reorder so that the k nearest of n candidates come first (quickselect).  The
 * partition moves every candidate without asking, so that no branch depends on
 * the data: half of such branches would be mispredicted.
 */
static void
nearest_first(VsHnswKey *key, int n, int k)
{
	while (n > 1 && k > 0 && k < n)
	{
		VsHnswKey	pivot = middle_key(key[0], key[n / 2], key[n - 1]);
		int			nearer = 0;
		int			equal;

		for (int i = 0; i < n; i++)
		{
			bool		before = key[i] < pivot;

			swap_keys(&key[i], &key[nearer]);
			nearer += before;
		}
		equal = nearer;
		for (int i = nearer; i < n; i++)
			if (key[i] == pivot)
				swap_keys(&key[i], &key[equal++]);

		if (k < nearer)
			n = nearer;
		else if (k <= equal)
			return;
		else
		{
			key += equal;
			n -= equal;
			k -= equal;
		}
	}
}

/* Make room for n more behind the limit, n far below LEAST_FAR_MOST. */
static void
reserve_far(VsHnswFrontier *frontier, int n)
{
	if (frontier->nfar + n <= frontier->far_room)
		return;
	if (frontier->far_room < frontier->far_most)
	{
		frontier->far_room = frontier->far_room > frontier->far_most / 2 ?
			frontier->far_most : 2 * frontier->far_room;
		frontier->far = repalloc_huge(frontier->far, (Size) frontier->far_room *
									  sizeof(VsHnswKey));
	}
	if (frontier->nfar + n > frontier->far_room)
	{
		nearest_first(frontier->far, frontier->nfar, frontier->far_room / 2);
		frontier->nfar = frontier->far_room / 2;
	}
}

void
vs_frontier_reserve_slow(VsHnswFrontier *frontier, int n)
{
	int			live = frontier->end - frontier->first;

	reserve_far(frontier, n);
	memmove(frontier->near, frontier->near + frontier->first,
			live * sizeof(VsHnswKey));
	frontier->first = 0;
	frontier->end = live;
	if (Max(live, frontier->most) + n + NEAR_SLACK / 2 > frontier->near_room)
	{
		frontier->near_room = Max(live, frontier->most) + n + NEAR_SLACK;
		frontier->near = repalloc_huge(frontier->near, (Size) frontier->near_room *
									   sizeof(VsHnswKey));
	}
}

static int
compare_keys(const void *a, const void *b)
{
	VsHnswKey	x = *(const VsHnswKey *) a;
	VsHnswKey	y = *(const VsHnswKey *) b;

	return x < y ? -1 : x > y;
}

/* Bring the nearest of those behind the limit into the empty sorted array. */
void
vs_frontier_refill(VsHnswFrontier *frontier)
{
	int			n = Min(frontier->nfar, frontier->most);

	Assert(frontier->first == frontier->end);
	frontier->first = 0;
	frontier->end = n;
	if (n < frontier->nfar)
		nearest_first(frontier->far, frontier->nfar, n);
	memcpy(frontier->near, frontier->far, n * sizeof(VsHnswKey));
	qsort(frontier->near, n, sizeof(VsHnswKey), compare_keys);

	frontier->nfar -= n;
	memmove(frontier->far, frontier->far + n, frontier->nfar * sizeof(VsHnswKey));
	frontier->limit = frontier->nfar > 0 ? frontier->near[n - 1] + 1 :
		VS_HNSW_LAST_KEY;
}

/* Bytes in use. */
Size
vs_frontier_memory(const VsHnswFrontier *frontier)
{
	return ((Size) frontier->near_room + frontier->nfar) * sizeof(VsHnswKey);
}
