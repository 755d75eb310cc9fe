/*
 * hnsw_walk.c
 *		The walk: best-first search over the graph on pages.
 *
 * One visit is one page.  At a node the walk computes the distance to the
 * node's own row and prices all its links of the level at once from the codes
 * beside them, so that a neighbor costs a page only when it is visited.  The
 * frontier holds priced nodes, the window the best visited ones; the walk ends
 * when the nearest of the frontier is farther than the worst of a full window.
 *
 * Nodes enter the frontier once for every link that leads to them; whether a
 * node was visited is asked only when it is its turn.
 *
 * Both heaps order by distance, ties by id, so that answers are repeatable.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "compat.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_heap.h"

/* How many nodes are on their way from memory into the cache during a walk. */
#define STOPS_AHEAD			2

/* How many more are asked for while one comes from disk, which takes longer. */
#define MORE_FROM_DISK		6

/* ------------------------------------------------------------------------
 * A set of ids
 * ------------------------------------------------------------------------ */

#define IDSET_MIN_SIZE	1024

/* A larger one is not worth clearing for the next walk. */
#define IDSET_MAX_KEPT	16384

static inline uint32
idset_hash(uint32 id)
{
	return id * 2654435769u;
}

static void
idset_clear(VsHnswIdSet *set)
{
	memset(set->ids, 0xFF, set->size * sizeof(uint32));
	set->used = 0;
}

static void
idset_init(VsHnswIdSet *set, MemoryContext context)
{
	set->size = IDSET_MIN_SIZE;
	set->ids = MemoryContextAlloc(context, set->size * sizeof(uint32));
	idset_clear(set);
}

/* Place of an id, or the empty place where it belongs. */
static inline uint32
idset_place(const VsHnswIdSet *set, uint32 id)
{
	uint32		mask = set->size - 1;
	uint32		at = (idset_hash(id) >> 7) & mask;

	while (set->ids[at] != id && set->ids[at] != VS_HNSW_INVALID_ID)
		at = (at + 1) & mask;
	return at;
}

static void
idset_grow(VsHnswIdSet *set)
{
	VsHnswIdSet larger = {.size = set->size * 2};

	larger.ids = MemoryContextAllocHuge(GetMemoryChunkContext(set->ids),
										(Size) larger.size * sizeof(uint32));
	idset_clear(&larger);
	for (uint32 i = 0; i < set->size; i++)
		if (set->ids[i] != VS_HNSW_INVALID_ID)
			larger.ids[idset_place(&larger, set->ids[i])] = set->ids[i];
	larger.used = set->used;
	pfree(set->ids);
	*set = larger;
}

/* Add an id; returns false if it was there. */
static inline bool
idset_add(VsHnswIdSet *set, uint32 id)
{
	uint32		at = idset_place(set, id);

	if (set->ids[at] == id)
		return false;
	set->ids[at] = id;
	if (++set->used > set->size / 2)
		idset_grow(set);
	return true;
}

static inline bool
idset_has(const VsHnswIdSet *set, uint32 id)
{
	return set->ids[idset_place(set, id)] == id;
}

/* Make room for more candidates in one of the walk's arrays. */
static inline VsHnswCandidate *
grow_candidates(VsHnswCandidate *array, int *room, int need)
{
	if (likely(need <= *room))
		return array;
	while (*room < need)
		*room *= 2;
	return repalloc_huge(array, (Size) *room * sizeof(VsHnswCandidate));
}

/* ------------------------------------------------------------------------
 * The walk
 * ------------------------------------------------------------------------ */

/*
 * The last walk that ended, kept for the next: its arrays have the right size,
 * and memory that is new to the process costs a page fault each 4 kB, which
 * can take longer than the walk.
 */
static VsHnswWalk *spare_walk;

#define MAX_SPARE_MEMORY	(4 * 1024 * 1024)

static VsHnswWalk *
create_walk(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "hnsw walk",
												  ALLOCSET_DEFAULT_SIZES);
	VsHnswWalk *walk = MemoryContextAllocZero(context, sizeof(VsHnswWalk));

	walk->context = context;
	idset_init(&walk->visited, context);
	vs_frontier_init(&walk->frontier, context);
	walk->found_room = 256;
	walk->found = MemoryContextAlloc(context,
									 walk->found_room * sizeof(VsHnswFound));
	walk->window_room = 64;
	walk->window = MemoryContextAlloc(context, walk->window_room *
									  sizeof(VsHnswCandidate));
	walk->loser_room = 64;
	walk->losers = MemoryContextAlloc(context, walk->loser_room *
									  sizeof(VsHnswCandidate));
	return walk;
}

/* Keep a walk that ended, or free it: callback of its user's context. */
static void
release_walk(void *arg)
{
	VsHnswWalk *walk = (VsHnswWalk *) arg;

	if (spare_walk == NULL &&
		MemoryContextMemAllocated(walk->context, false) <= MAX_SPARE_MEMORY)
		spare_walk = walk;
	else
		MemoryContextDelete(walk->context);
}

/* q in the form in which codes have differences from it. */
static const float *
coded_query(VsHnsw *ix, const float *q)
{
	int			dims = ix->layout->dims;
	float	   *rotated;

	if (ix->layout->rotated != VS_ROTATED_CODES)
		return q;
	rotated = palloc(dims * sizeof(float));
	memcpy(rotated, q, dims * sizeof(float));
	vs_rotate(dims, ix->signs, rotated);
	return rotated;
}

/*
 * A walk towards q, which must stay, that has seen nothing yet.  It ends with
 * the current memory context.
 */
VsHnswWalk *
vs_hnsw_walk_new(VsHnsw *ix, const float *q)
{
	const VsHnswLayout *layout = ix->layout;
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));
	float	   *v = palloc(layout->dims * sizeof(float));
	float	   *p = palloc(layout->dims * sizeof(float));
	int8_t	   *planes = palloc(VS_PLANES_LEN(layout->code_dims, layout->bits));
	VsHnswWalk *walk = spare_walk != NULL ? spare_walk : create_walk();

	spare_walk = NULL;
	callback->func = release_walk;
	callback->arg = walk;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);

	walk->ix = ix;
	walk->q = q;
	walk->coded_q = coded_query(ix, q);
	walk->v = v;
	walk->p = p;
	walk->planes = planes;
	walk->keep_rows = false;
	walk->allowed = NULL;
	walk->predicate = NULL;
	memset(&walk->work, 0, sizeof(walk->work));
	walk->seek_twin = false;
	walk->twin = VS_HNSW_INVALID_ID;
	vs_hnsw_walk_set_limits(walk, INT_MAX / 2, MaxAllocHugeSize);
	vs_hnsw_walk_reset(walk, 0, VS_HNSW_UPPER_EF);
	return walk;
}

/*
 * A walk whose window takes few nodes has no limit for its candidates for long,
 * and the sorted ones are used up often: there are this many times as many then.
 */
#define SORTED_FACTOR	6

/* Set the width of the window, which is empty or not full. */
void
vs_hnsw_walk_set_ef(VsHnswWalk *walk, int ef)
{
	walk->ef = ef;
	walk->window = grow_candidates(walk->window, &walk->window_room, ef + 1);
	vs_frontier_set_ef(&walk->frontier,
					   walk->allowed != NULL || walk->predicate != NULL ?
					   SORTED_FACTOR * ef : ef);
}

/* Forget what was found and start afresh on a level. */
void
vs_hnsw_walk_reset(VsHnswWalk *walk, int level, int ef)
{
	walk->level = level;
	walk->nfound = walk->nwindow = walk->nlosers = 0;
	walk->max_err = walk->max_residual = 0;
	vs_frontier_clear(&walk->frontier);
	vs_hnsw_walk_set_ef(walk, ef);
	if (walk->visited.size > IDSET_MAX_KEPT)
	{
		pfree(walk->visited.ids);
		idset_init(&walk->visited, walk->context);
	}
	idset_clear(&walk->visited);
}

/* Put a node into the frontier. */
void
vs_hnsw_walk_seed(VsHnswWalk *walk, uint32 id, float distance)
{
	vs_frontier_reserve(&walk->frontier, 2);
	vs_frontier_push(&walk->frontier, vs_hnsw_key(distance, id));
}

/*
 * What one unit of |q - v|^2 = sumsq is worth for a node at distance d, where
 * distances follow such squares.  Codes are of vectors of roots, where the
 * divergence is between 1/2 and 1/(2 ln 2) of the square; how much it is on
 * the way to a node, it is about to that node's neighbors too.
 */
static float
worth_of_square(const VsHnswLayout *layout, float d, float sumsq)
{
	if (layout->metric != VS_METRIC_JENSEN_SHANNON)
		return 1;
	return sumsq > 0 ? Min(Max(d / sumsq, 0.5f), 0.7213475f) : 0.7213475f;
}

/*
 * Price n links of a slot, from the given place on, for a node at distance d.
 * walk->p is q - v and maxabs its largest magnitude; worth as above.
 */
static void
price_links(VsHnswWalk *walk, const VsHnswSlot *slot, int start, int n,
			float d, float maxabs, float worth, float *price)
{
	const VsHnswLayout *layout = walk->ix->layout;
	int			table = VS_BITS_INDEX(layout->bits);
	const uint8 *codes = vs_slot_code(layout, slot, start);
	const uint16 *base = vs_slot_bases(layout, slot) + start;
	const uint16 *factor = vs_slot_factors(layout, slot) + start;
	float		level_sum;
	float		inverse;
	float		scale;
	int32		sum;
	int32_t		dots[UINT8_MAX + 1];

	if (layout->metric == VS_METRIC_L1)
	{
		float		t[UINT8_MAX + 1];

		for (int i = 0; i < n; i++)
			t[i] = vs_bfloat_to_float(factor[i]);
		vs_kernels->code_l1[table] (layout->code_dims, n, codes, walk->p, t, price);
		return;
	}

	inverse = maxabs > 0 ? 127 / maxabs : 0;
	if (!isfinite(inverse))
		inverse = 0;
	scale = maxabs / 127;
	sum = vs_kernels->quantize_planes(layout->code_dims, layout->bits,
									  walk->p, inverse, walk->planes);
	vs_kernels->code_dot[table] (layout->code_dims, n, codes, walk->planes, dots);
	level_sum = (float) (((1 << layout->bits) - 1) * sum);
	if (layout->metric != VS_METRIC_IP)
		scale *= 2;
	for (int i = 0; i < n; i++)
		price[i] = d + worth *
			(vs_bfloat_to_float(base[i]) -
			 vs_bfloat_to_float(factor[i]) * scale * (2.0f * dots[i] - level_sum));
}

/* Make room for the rows of visited nodes. */
static void
reserve_rows(VsHnswWalk *walk, Size size)
{
	if (walk->rows == NULL)
		walk->rows = MemoryContextAllocHuge(walk->context, size);
	else if (walk->rows_size < size)
		walk->rows = repalloc_huge(walk->rows, size);
	else
		return;
	walk->rows_size = size;
}

/* What is to be known of a visited node. */
static void
fill_found(VsHnswFound *found, uint32 id, const VsHnswSlot *slot, float d,
		   float residual)
{
	found->id = id;
	found->distance = d;
	found->residual = residual;
	found->err = slot->err;
	found->scale = slot->scale;
	found->generation = slot->generation;
	found->live = slot->state == VS_NODE_LIVE;
	found->more_tids = slot->cells != VS_HNSW_INVALID_ID;
	found->tid = slot->tid;
}

/* Make room for one more visited node. */
static void
reserve_found(VsHnswWalk *walk)
{
	if (walk->nfound < walk->found_room)
		return;
	walk->found_room *= 2;
	walk->found = repalloc_huge(walk->found, (Size) walk->found_room *
								sizeof(VsHnswFound));
}

/* Note a visited node, and its row if rows are kept. */
static void
add_found(VsHnswWalk *walk, uint32 id, const VsHnswSlot *slot, float d,
		  float residual)
{
	int			row_size = walk->ix->layout->row_size;

	reserve_found(walk);
	if (walk->keep_rows)
	{
		reserve_rows(walk, (Size) walk->found_room * row_size);
		memcpy(walk->rows + (Size) walk->nfound * row_size,
			   vs_slot_row(walk->ix->layout, slot), row_size);
	}
	fill_found(&walk->found[walk->nfound], id, slot, d, residual);
}

/*
 * Let priced links into the frontier.  They are sorted out by its limit without
 * a branch, for most lie beyond; those within are often nodes visited already.
 */
static void
add_candidates(VsHnswWalk *walk, const uint32 *ids, const float *price, int n)
{
	VsHnswFrontier *frontier = &walk->frontier;
	VsHnswKey	within[UINT8_MAX + 1];
	VsHnswKey  *far;
	int			nwithin = 0;
	int			nfar = 0;

	vs_frontier_reserve(frontier, 2 * n);
	far = frontier->far + frontier->nfar;
	for (int i = 0; i < n; i++)
	{
		float		distance = isnan(price[i]) ? INFINITY : price[i];
		VsHnswKey	key = vs_hnsw_key(distance, ids[i]);
		bool		is_within = key < frontier->limit;

		within[nwithin] = key;
		nwithin += is_within;
		far[nfar] = key;
		nfar += !is_within;
	}
	frontier->nfar += nfar;
	for (int i = 0; i < nwithin; i++)
		if (!idset_has(&walk->visited, vs_hnsw_key_id(within[i])))
			vs_frontier_push(frontier, within[i]);
}

/* Let a visited node into the window; who has to leave is put aside. */
static void
add_to_window(VsHnswWalk *walk, VsHnswCandidate c)
{
	VsHnswCandidate loser = c;

	if (walk->nwindow < walk->ef)
	{
		vs_max_heap_push(walk->window, &walk->nwindow, c);
		return;
	}
	if (vs_nearer(&c, &walk->window[0]))
	{
		loser = walk->window[0];
		vs_max_heap_replace(walk->window, walk->nwindow, c);
	}
	walk->losers = grow_candidates(walk->losers, &walk->loser_room,
								   walk->nlosers + 1);
	walk->losers[walk->nlosers++] = loser;
}

/*
 * Distance to a node's row v.  Leaves q - v, as codes have it, in walk->p, the
 * sum of its squares in *sumsq and its largest magnitude in *maxabs.
 */
static float
arrive(VsHnswWalk *walk, const VsHnswSlot *slot, float *sumsq, float *maxabs)
{
	const VsHnswLayout *layout = walk->ix->layout;
	int			dims = layout->dims;
	const float *v = vs_slot_row(layout, slot);
	float		d = 0;

	if (layout->codec != VS_CODEC_FLOAT32 ||
		layout->rotated == VS_ROTATED_CODES)
	{
		vs_kernels->row_decode[layout->codec] (dims, v, slot->scale, walk->v);
		v = walk->v;
	}
	if (layout->metric == VS_METRIC_IP)
		d = -vs_kernels->dot(dims, walk->q, v);
	else if (layout->metric == VS_METRIC_L1)
		d = vs_kernels->l1(dims, walk->q, v);
	else if (layout->metric == VS_METRIC_JENSEN_SHANNON)
		d = vs_kernels->row_jensen_shannon[VS_CODEC_FLOAT32] (dims, walk->q, v, 1);

	if (layout->rotated == VS_ROTATED_CODES)
		vs_rotate(dims, walk->ix->signs, walk->v);
	*sumsq = vs_kernels->residual(dims, walk->coded_q, v, walk->p, maxabs);
	if (layout->metric == VS_METRIC_L2 || layout->metric == VS_METRIC_COSINE)
		d = *sumsq;
	return unlikely(isnan(d)) ? INFINITY : d;
}

/*
 * May the window take a node?  Of one that has several rows only the first one's
 * image is at hand, and any may satisfy the predicate.
 */
static bool
is_wanted(const VsHnswWalk *walk, uint32 id, const VsHnswSlot *slot)
{
	if (walk->level > 0)
		return true;
	if (slot->state != VS_NODE_LIVE)
		return false;
	if (walk->allowed != NULL)
		return vs_nodeset_has(walk->allowed, id);
	return walk->predicate == NULL || slot->cells != VS_HNSW_INVALID_ID ||
		vs_hnsw_predicate_holds(walk->predicate, vs_slot_columns(slot));
}

/*
 * Visit a node that is in the visited set now: read its page, note it, price
 * its links.  Returns false if it is no node of this level any more.
 */
static bool
visit(VsHnswWalk *walk, uint32 id)
{
	const VsHnswLayout *layout = walk->ix->layout;
	Buffer		buffer;
	VsHnswSlot *slot;
	float		maxabs;
	float		sumsq;
	float		d;
	float		price[UINT8_MAX + 1];
	uint32		ids[UINT8_MAX + 1];
	bool		wanted;
	int			start;
	int			n;

	slot = vs_hnsw_read_slot(walk->ix, id, &buffer);
	if (slot->state == VS_NODE_FREE || slot->level < walk->level)
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}

	d = arrive(walk, slot, &sumsq, &maxabs);
	start = vs_hnsw_links_start(layout, walk->level);
	n = slot->nlinks[walk->level];
	price_links(walk, slot, start, n, d, maxabs,
				worth_of_square(layout, d, sumsq), price);
	memcpy(ids, vs_slot_ids(layout, slot) + start, n * sizeof(uint32));
	add_found(walk, id, slot, d, sqrtf(sumsq));
	wanted = is_wanted(walk, id, slot);
	UnlockReleaseBuffer(buffer);

	if (wanted)
	{
		VsHnswCandidate c = {d, (uint32) walk->nfound};

		add_to_window(walk, c);
	}
	if (walk->seek_twin && maxabs == 0 && walk->found[walk->nfound].live)
		walk->twin = id;
	walk->nfound++;
	*(walk->level > 0 ? &walk->work.upper_hops : &walk->work.hops) += 1;
	walk->work.links += n;
	add_candidates(walk, ids, price, n);
	return true;
}

/* Visit a node unless it was; see above. */
bool
vs_hnsw_walk_visit(VsHnswWalk *walk, uint32 id)
{
	return idset_add(&walk->visited, id) && visit(walk, id);
}

/*
 * Look at a node without walking from it.  Returns false if it does not live.
 */
bool
vs_hnsw_walk_look(VsHnswWalk *walk, uint32 id, VsHnswFound *found)
{
	Buffer		buffer;
	VsHnswSlot *slot = vs_hnsw_read_slot(walk->ix, id, &buffer);
	bool		live = slot->state == VS_NODE_LIVE;
	float		maxabs;
	float		sumsq;

	if (live)
	{
		float		d = arrive(walk, slot, &sumsq, &maxabs);

		fill_found(found, id, slot, d, sqrtf(sumsq));
		walk->max_err = Max(walk->max_err, found->err);
		walk->max_residual = Max(walk->max_residual, found->residual);
	}
	UnlockReleaseBuffer(buffer);
	return live;
}

/*
 * Let a node into the window, if it is nearer than the worst, which is then
 * forgotten: only nodes of the window are in found.
 */
void
vs_hnsw_walk_offer(VsHnswWalk *walk, const VsHnswFound *found)
{
	VsHnswCandidate c = {found->distance, (uint32) walk->nfound};

	if (walk->nwindow < walk->ef)
	{
		reserve_found(walk);
		walk->found[walk->nfound++] = *found;
		vs_max_heap_push(walk->window, &walk->nwindow, c);
	}
	else if (c.distance < walk->window[0].distance)
	{
		c.id = walk->window[0].id;
		walk->found[c.id] = *found;
		vs_max_heap_replace(walk->window, walk->nwindow, c);
	}
}

/* The first key that a full window does not want any more. */
static inline VsHnswKey
first_unwanted(const VsHnswWalk *walk)
{
	if (walk->nwindow < walk->ef)
		return VS_HNSW_LAST_KEY;
	return vs_hnsw_key(walk->window[0].distance, VS_HNSW_INVALID_ID) + 1;
}

/*
 * Start to load a node; if it comes from disk, those too that are likely to be
 * visited soon after it.  Where the walk goes does not depend on that.
 */
static void
start_to_load(VsHnswWalk *walk, uint32 id)
{
	const VsHnswFrontier *frontier = &walk->frontier;
	int			end = Min(frontier->end, frontier->first + MORE_FROM_DISK);

	if (!vs_hnsw_prefetch_slot(walk->ix, id))
		return;
	for (int i = frontier->first; i < end; i++)
		(void) vs_hnsw_prefetch_slot(walk->ix, vs_hnsw_key_id(frontier->near[i]));
}

/*
 * Take the nearest node of the frontier that was not visited, and start to
 * load it.  Returns false if there is none that the window wants.
 */
static bool
next_stop(VsHnswWalk *walk, uint32 *id)
{
	VsHnswFrontier *frontier = &walk->frontier;
	VsHnswKey	key;

	for (;;)
	{
		while (vs_frontier_pop(frontier, &key))
		{
			*id = vs_hnsw_key_id(key);
			if (idset_add(&walk->visited, *id))
			{
				start_to_load(walk, *id);
				return true;
			}
		}
		if (frontier->nfar == 0 || frontier->limit >= first_unwanted(walk))
			return false;
		vs_frontier_refill(frontier);
		vs_frontier_lower_limit(frontier, first_unwanted(walk));
	}
}

/*
 * Walk until the window holds the best that the width allows, the frontier is
 * empty, max_found nodes were visited or the twin that was sought is found.
 *
 * A node takes longer to come than to look at.  So the next stops are chosen,
 * and on their way, while one is visited; that its links may lead to something
 * nearer costs few visits.
 */
void
vs_hnsw_walk_run(VsHnswWalk *walk)
{
	uint32		stops[STOPS_AHEAD];
	int			n = 0;

	while (walk->twin == VS_HNSW_INVALID_ID)
	{
		while (n < STOPS_AHEAD && walk->nfound + n < walk->max_found &&
			   next_stop(walk, &stops[n]))
			n++;
		if (n == 0)
			return;
		CHECK_FOR_INTERRUPTS();
		visit(walk, stops[0]);
		vs_frontier_lower_limit(&walk->frontier, first_unwanted(walk));
		n--;
		for (int i = 0; i < n; i++)
			stops[i] = stops[i + 1];
	}
}

/* After the window was taken out: let those in that it had no place for. */
void
vs_hnsw_walk_widen(VsHnswWalk *walk)
{
	int			nlosers = walk->nlosers;

	Assert(walk->nwindow == 0);
	walk->nlosers = 0;
	for (int i = 0; i < nlosers; i++)
		add_to_window(walk, walk->losers[i]);
}

/* Take the window out, nearest first; returns how many. */
int
vs_hnsw_walk_take_window(VsHnswWalk *walk, VsHnswCandidate *out)
{
	int			n = walk->nwindow;

	while (walk->nwindow > 0)
	{
		VsHnswCandidate last = walk->window[walk->nwindow - 1];

		out[walk->nwindow - 1] = walk->window[0];
		walk->nwindow--;
		if (walk->nwindow > 0)
			vs_max_heap_replace(walk->window, walk->nwindow, last);
	}
	return n;
}

/* Go on to the level below, from the nodes that the window holds. */
void
vs_hnsw_walk_step_down(VsHnswWalk *walk, int ef)
{
	VsHnswCandidate *seeds = palloc(sizeof(VsHnswCandidate) *
									Max(walk->nwindow, 1));
	int			n = vs_hnsw_walk_take_window(walk, seeds);

	for (int i = 0; i < n; i++)
		seeds[i].id = walk->found[seeds[i].id].id;
	vs_hnsw_walk_reset(walk, walk->level - 1, ef);
	for (int i = 0; i < n; i++)
		vs_hnsw_walk_seed(walk, seeds[i].id, seeds[i].distance);
	pfree(seeds);
}

/*
 * Walk from the entry node down to a level and seed the walk there; its width
 * must be set anew by the caller before it runs (walk->ef is VS_HNSW_UPPER_EF).
 * Returns the entry's level, or -1 if the index has no node.
 *
 * VACUUM may free the entry node between our reading of the metapage and of
 * the node; then the metapage has a new one.
 */
int
vs_hnsw_walk_descend(VsHnswWalk *walk, int to_level)
{
	VsHnsw	   *ix = walk->ix;
	int			top;

	for (;;)
	{
		uint32		entry = ix->meta->entry;

		if (entry == VS_HNSW_INVALID_ID)
			return -1;
		top = Min((int) ix->meta->entry_level, ix->layout->max_level);
		vs_hnsw_walk_reset(walk, top, VS_HNSW_UPPER_EF);
		if (vs_hnsw_walk_visit(walk, entry))
			break;
		vs_hnsw_refresh(ix);
		if (ix->meta->entry == entry)
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("entry node of index \"%s\" is not in the graph",
							RelationGetRelationName(ix->rel)),
					 errhint("REINDEX it.")));
	}

	if (top <= to_level)
	{
		float		d = walk->found[0].distance;
		uint32		entry = walk->found[0].id;

		vs_hnsw_walk_reset(walk, Min(top, to_level), VS_HNSW_UPPER_EF);
		vs_hnsw_walk_seed(walk, entry, d);
		return top;
	}
	for (int level = top; level > to_level; level--)
	{
		vs_hnsw_walk_run(walk);
		vs_hnsw_walk_step_down(walk, VS_HNSW_UPPER_EF);
	}
	return top;
}

/* Has the walk nowhere left to go? */
bool
vs_hnsw_walk_is_exhausted(const VsHnswWalk *walk)
{
	return vs_frontier_is_empty(&walk->frontier);
}

/*
 * From now on visit so many nodes in all, at most, and keep candidates in about
 * so many bytes.
 */
void
vs_hnsw_walk_set_limits(VsHnswWalk *walk, int max_found, Size frontier)
{
	walk->max_found = max_found;
	vs_frontier_set_memory(&walk->frontier, frontier);
}

/* Bytes that the walk holds. */
Size
vs_hnsw_walk_memory(const VsHnswWalk *walk)
{
	return MemoryContextMemAllocated(walk->context, true);
}
