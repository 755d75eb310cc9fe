/*
 * hnsw_build_graph.c
 *		The graph in memory: the search for a new row's neighbors, and links.
 *
 * A row is first searched for on all its levels, then its node is written
 * whole, and then its neighbors are made to point to it.  Others may work at
 * the graph at the same time: who reads links takes no lock, who writes those
 * of a node holds the node's lock.  An id is written before the count that
 * covers it, and a node before any id that leads to it.  An id that a process
 * has no address for, as it is too new, is overlooked.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "compat.h"
#include "hnsw/hnsw_build.h"
#include "hnsw/hnsw_heap.h"
#include "support/memory.h"

/* Most links of a node. */
#define MAX_LINKS		UINT8_MAX

/*
 * How many nodes' links are followed at a time: more rows are on their way to
 * the cache at once, and nearly all of the beam is followed in the end.
 */
#define FOLLOW			4
#define MAX_FRESH		(FOLLOW * MAX_LINKS)

/* Mark in the id of a node of the beam whose links were followed. */
#define FOLLOWED		((uint32) 1 << 31)

/* Lines of a row that are asked for before it is read. */
#define PREFETCH_LINES	8

/*
 * Where the square of a coarse distance is less than this many times the
 * squares of both scales, rounding may matter, and the exact rows are asked.
 * A row is off by up to half a scale in each dimension, one scale / sqrt(12)
 * in the mean, so the distance of two is off by sqrt((s_a^2 + s_b^2) / 12);
 * that is one percent of the distance here.
 */
#define COARSE_LIMIT	833

/* ------------------------------------------------------------------------
 * Distances
 * ------------------------------------------------------------------------ */

/* The square of a row's norm. */
static float
square_of(const VsBuildGraph *graph, const int8_t *bytes, float scale)
{
	int32_t		sum;

	vs_kernels->int8_dots(graph->layout->dims, bytes, 1, &bytes, &sum);
	return scale * scale * (float) sum;
}

/*
 * Make a probe of a value's self row, so that equal rows make equal probes.
 * It is good until the next one.
 */
static void
probe_value(VsBuildGraph *graph, const VsHnswValue *value, VsBuildProbe *probe)
{
	const VsHnswLayout *layout = graph->layout;
	int			dims = layout->dims;
	float		unused[2];

	vs_kernels->row_decode[layout->codec] (dims, value->row, value->scale,
										   graph->self);
	probe->id = VS_HNSW_INVALID_ID;
	probe->x = graph->self;
	probe->scale = value->scale;
	probe->norm = 0;
	probe->bytes = NULL;
	if (!graph->plan->coarse)
		return;

	probe->bytes = value->row;
	if (graph->plan->far_row)
	{
		vs_kernels->residual(dims, graph->self, graph->center, graph->centered,
							 &unused[0]);
		vs_codec_encode(VS_CODEC_INT8, dims, graph->centered, graph->bytes,
						&probe->scale, unused);
		probe->bytes = graph->bytes;
	}
	if (layout->metric != VS_METRIC_IP)
		probe->norm = square_of(graph, probe->bytes, probe->scale);
	else if (graph->plan->far_row)
		probe->norm = -vs_kernels->dot(dims, graph->center, graph->centered) -
			vs_kernels->dot(dims, graph->center, graph->center) / 2;
}

/* Make a probe of a node. */
static void
probe_node(const VsBuildGraph *graph, uint32 id, VsBuildProbe *probe)
{
	const VsBuildNear *near = vs_build_near(graph, id);

	probe->id = id;
	probe->x = NULL;
	probe->bytes = (const int8_t *) vs_build_row(graph, id);
	probe->scale = near->scale;
	probe->norm = near->norm;
}

static float
exact_distance(const VsBuildGraph *graph, VsBuildProbe *probe, uint32 id)
{
	VsCodec		codec = (VsCodec) graph->layout->codec;
	const char *row;
	float		scale;

	if (probe->x == NULL)
	{
		row = vs_build_exact_row(graph, probe->id, &scale);
		vs_kernels->row_decode[codec] (graph->layout->dims, row, scale,
									   graph->decoded);
		probe->x = graph->decoded;
	}
	row = vs_build_exact_row(graph, id, &scale);
	return vs_hnsw_distance(graph->layout, codec, probe->x, row, scale);
}

/* Distances between a probe and at most MAX_FRESH nodes. */
static void
price_coarse(const VsBuildGraph *graph, VsBuildProbe *probe, int n,
			 const uint32 *ids, float *distances)
{
	const int8_t **rows = graph->rows;
	int32_t		dots[MAX_FRESH];
	float		weight = graph->plan->dot_weight * probe->scale;
	float		limit = graph->plan->far_row &&
	graph->layout->metric != VS_METRIC_IP ? COARSE_LIMIT : 0;

	for (int i = 0; i < n; i++)
		rows[i] = (const int8_t *) vs_build_row(graph, ids[i]);
	vs_kernels->int8_dots(graph->layout->dims, probe->bytes, n, rows, dots);
	for (int i = 0; i < n; i++)
	{
		const VsBuildNear *near = (const VsBuildNear *)
		((const char *) rows[i] + graph->plan->near_head);
		float		d = probe->norm + near->norm -
		weight * near->scale * (float) dots[i];

		if (d < limit * (probe->scale * probe->scale + near->scale * near->scale))
			d = exact_distance(graph, probe, ids[i]);
		distances[i] = isnan(d) ? INFINITY : d;
	}
}

static void
price(const VsBuildGraph *graph, VsBuildProbe *probe, int n,
	  const uint32 *ids, float *distances)
{
	if (graph->plan->coarse)
	{
		price_coarse(graph, probe, n, ids, distances);
		return;
	}
	for (int i = 0; i < n; i++)
		distances[i] = exact_distance(graph, probe, ids[i]);
}

static inline void
prefetch_row(const VsBuildGraph *graph, uint32 id)
{
	const char *row = vs_build_row(graph, id);
	Size		end = Min(graph->plan->near_head + sizeof(float) * 2,
						  PREFETCH_LINES * 64);

	for (Size at = 0; at < end; at += 64)
		__builtin_prefetch(row + at);
}

static inline void
prefetch_links(const VsBuildGraph *graph, uint32 id)
{
	const char *row = vs_build_row(graph, id);

	for (Size at = graph->plan->near_head; at < graph->plan->near_size; at += 64)
		__builtin_prefetch(row + at);
}

/* ------------------------------------------------------------------------
 * Distances that were computed
 * ------------------------------------------------------------------------ */

static inline uint32
price_hash(uint32 id)
{
	return (id * 0x9E3779B1u) >> 7;
}

/* The slot of a node, or the free one where it belongs. */
static inline VsBuildPrice *
find_price(const VsBuildPrices *prices, uint32 id)
{
	uint32		at = price_hash(id) & (prices->size - 1);

	while ((prices->slot[at].id != id) &
		   (prices->slot[at].id != VS_HNSW_INVALID_ID))
		at = (at + 1) & (prices->size - 1);
	return &prices->slot[at];
}

static void
forget_prices(VsBuildPrices *prices)
{
	memset(prices->slot, 0xFF, sizeof(VsBuildPrice) * prices->size);
	prices->used = 0;
}

static void
put_price(VsBuildPrices *prices, uint32 id, float distance)
{
	VsBuildPrice *slot = find_price(prices, id);

	prices->used += slot->id == VS_HNSW_INVALID_ID;
	slot->id = id;
	slot->distance = distance;
}

static void
take_prices_room(VsBuildGraph *graph, uint32 size)
{
	graph->prices.size = size;
	graph->prices.slot = MemoryContextAllocExtended(graph->context,
													sizeof(VsBuildPrice) * size,
													MCXT_ALLOC_HUGE);
	forget_prices(&graph->prices);
}

/* Make room for the links that come next; half of the slots stay free. */
static void
reserve_prices(VsBuildGraph *graph)
{
	VsBuildPrices old = graph->prices;

	if (old.used + MAX_FRESH < old.size / 2)
		return;
	take_prices_room(graph, old.size * 2);
	for (uint32 i = 0; i < old.size; i++)
	{
		if (old.slot[i].id != VS_HNSW_INVALID_ID)
			put_price(&graph->prices, old.slot[i].id, old.slot[i].distance);
	}
	pfree(old.slot);
}

/* ------------------------------------------------------------------------
 * Search
 * ------------------------------------------------------------------------ */

/* Read the links of a level; returns how many. */
static inline int
read_links(const VsBuildGraph *graph, uint32 id, int level, const uint32 **ids)
{
	const VsBuildNear *near = vs_build_near(graph, id);
	int			n = *(const volatile uint8 *) &near->nlinks[level];

	pg_read_barrier();
	*ids = near->ids + vs_hnsw_links_start(graph->layout, level);
	return n;
}

/* Go to the nearest node of a level that steps to ever nearer ones reach. */
static void
descend_level(VsBuildGraph *graph, VsBuildProbe *probe, int level,
			  VsHnswCandidate *at)
{
	float		distances[MAX_LINKS];
	uint32		ids[MAX_LINKS];
	uint32		from;

	do
	{
		const uint32 *links;
		int			nlinks = read_links(graph, at->id, level, &links);
		int			n = 0;

		for (int i = 0; i < nlinks; i++)
		{
			ids[n] = *(const volatile uint32 *) &links[i];
			if (ids[n] < graph->nodes.room)
				prefetch_row(graph, ids[n++]);
		}
		price(graph, probe, n, ids, distances);
		from = at->id;
		for (int i = 0; i < n; i++)
		{
			VsHnswCandidate next = {distances[i], ids[i]};

			if (vs_nearer(&next, at))
				*at = next;
		}
	} while (at->id != from);
}

/*
 * The links of a node that were not met yet, in ids; they are noted as met,
 * their prices in slots.  Rows are on their way to the cache.
 */
static int
gather_links(VsBuildGraph *graph, uint32 id, int level, uint32 *ids,
			 VsBuildPrice **slots)
{
	const uint32 *links;
	int			nlinks = read_links(graph, id, level, &links);
	int			n = 0;

	for (int i = 0; i < nlinks; i++)
	{
		uint32		other = *(const volatile uint32 *) &links[i];
		VsBuildPrice *slot;

		if (other >= graph->nodes.room)
			continue;

		/*
		 * Half of the links were met already, which no processor foresees: no
		 * branch depends on it.
		 */
		slot = find_price(&graph->prices, other);
		ids[n] = other;
		slots[n] = slot;
		n += slot->id != other;
		slot->id = other;
	}
	for (int i = 0; i < n; i++)
		prefetch_row(graph, ids[i]);
	graph->prices.used += n;
	return n;
}

/* Put a node into the beam; returns its place, ef if it is too far. */
static inline int
put_into_beam(VsBuildGraph *graph, VsHnswCandidate c)
{
	VsHnswCandidate *beam = graph->beam;
	int			low = 0;
	int			high = graph->nbeam;

	if (graph->nbeam == graph->ef)
	{
		if (c.distance >= beam[graph->nbeam - 1].distance)
			return graph->ef;
		graph->nbeam--;
	}
	high = graph->nbeam;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (beam[middle].distance <= c.distance)
			low = middle + 1;
		else
			high = middle;
	}
	memmove(&beam[low + 1], &beam[low],
			sizeof(VsHnswCandidate) * (graph->nbeam - low));
	beam[low] = c;
	graph->nbeam++;
	return low;
}

/*
 * Best-first search on a level from what the beam holds; leaves there the ef
 * nearest that it found.
 */
static void
search_level(VsBuildGraph *graph, VsBuildProbe *probe, int level)
{
	int			next = 0;

	forget_prices(&graph->prices);
	for (int i = 0; i < graph->nbeam; i++)
		put_price(&graph->prices, graph->beam[i].id, graph->beam[i].distance);

	while (next < graph->nbeam)
	{
		uint32		ids[MAX_FRESH];
		float		distances[MAX_FRESH];
		VsBuildPrice *slots[MAX_FRESH];
		int			followed = 0;
		int			nearest;
		int			n = 0;

		reserve_prices(graph);
		for (; next < graph->nbeam && followed < FOLLOW; next++)
		{
			if (graph->beam[next].id & FOLLOWED)
				continue;
			n += gather_links(graph, graph->beam[next].id, level, ids + n,
							  slots + n);
			graph->beam[next].id |= FOLLOWED;
			followed++;
		}
		nearest = next;
		price(graph, probe, n, ids, distances);
		for (int i = 0; i < n; i++)
		{
			VsHnswCandidate c = {distances[i], ids[i]};
			int			place;

			slots[i]->distance = c.distance;
			place = put_into_beam(graph, c);
			if (place == graph->ef)
				continue;
			nearest = Min(nearest, place);
			prefetch_links(graph, c.id);
		}
		next = nearest;
	}
	for (int i = 0; i < graph->nbeam; i++)
		graph->beam[i].id &= ~FOLLOWED;
}

/* ------------------------------------------------------------------------
 * Neighbors
 * ------------------------------------------------------------------------ */

/*
 * Is some node of ids clearly nearer to node c than c is to the new one?  With
 * the plain rule, VS_HNSW_SHADOW 1, recall on GloVe is .005 lower at equal width
 * of the walk.  A full level's links must be taken by the plain rule: with this
 * one for both, far links fill the places, and recall at large widths falls.
 */
static bool
is_shadowed(const VsBuildGraph *graph, const VsHnswCandidate *c,
			const uint32 *ids, int n)
{
	const int	step = 8;
	const float shadow = vs_hnsw_shadow(graph->layout);
	float		distances[8];
	VsBuildProbe probe;

	probe_node(graph, c->id, &probe);
	for (int from = 0; from < n; from += step)
	{
		int			count = Min(step, n - from);

		price(graph, &probe, count, ids + from, distances);
		for (int i = 0; i < count; i++)
		{
			if (distances[i] * shadow < c->distance)
				return true;
		}
	}
	return false;
}

/*
 * Choose the links of a new node on a level from the beam, by the selection
 * rule (see hnsw_graph.c): the kept, then the nearest of the refused.
 */
static void
choose_links(VsBuildGraph *graph, int level, int room)
{
	VsBuildLink *link = graph->chosen[level];
	uint32		kept[MAX_LINKS];
	int			refused[MAX_LINKS];
	int			nkept = 0;
	int			nrefused = 0;

	for (int i = 0; i < graph->nbeam && nkept < room; i++)
	{
		const VsHnswCandidate *c = &graph->beam[i];

		if (!is_shadowed(graph, c, kept, nkept))
		{
			link[nkept] = (VsBuildLink)
			{
				c->id, c->distance, false
			};
			kept[nkept++] = c->id;
		}
		else if (nrefused < room)
			refused[nrefused++] = i;
	}
	graph->nchosen[level] = nkept;
	for (int i = 0; i < nrefused && graph->nchosen[level] < room; i++)
	{
		const VsHnswCandidate *c = &graph->beam[refused[i]];

		link[graph->nchosen[level]++] = (VsBuildLink)
		{
			c->id, c->distance, true
		};
	}
}

/* ------------------------------------------------------------------------
 * Links back
 * ------------------------------------------------------------------------ */

/* The distance between the new row and a link: the search mostly knows it. */
static float
distance_to_link(VsBuildGraph *graph, VsBuildProbe *probe, uint32 id)
{
	const VsBuildPrice *slot = find_price(&graph->prices, id);
	float		distance;

	if (slot->id == id)
		return slot->distance;
	if (id >= graph->nodes.room)
		vs_build_refresh(graph, &graph->nodes);
	price(graph, probe, 1, &id, &distance);
	return distance;
}

/*
 * Index of the farthest link that is no nearer than the given distance, among
 * the fillers or among all; -1 if there is none.
 */
static int
farthest_link(const float *distances, const uint8 *fillers, int n,
			  bool only_fillers, float than)
{
	int			farthest = -1;

	for (int i = 0; i < n; i++)
	{
		if (only_fillers && !fillers[i])
			continue;
		if (distances[i] >= than)
		{
			than = distances[i];
			farthest = i;
		}
	}
	return farthest;
}

/*
 * Which link of a full level goes for the new one, or -1.  Links that the new
 * one shadows, and the new one if it is shadowed, become fillers; the farthest
 * filler goes, or without any the farthest link.  This is the selection rule
 * applied to one newcomer.
 */
static int
place_in_full_level(VsBuildGraph *graph, VsBuildProbe *probe,
					const uint32 *ids, const float *distances, uint8 *fillers,
					int n, VsBuildLink *link)
{
	bool		any = false;

	link->filler = false;
	for (int i = 0; i < n; i++)
	{
		float		between = distance_to_link(graph, probe, ids[i]);
		float		theirs = distances[i];

		if (theirs <= link->distance)
			link->filler = link->filler ||
				(between < link->distance && !fillers[i]);
		else if (between < theirs)
			fillers[i] = true;
		any = any || fillers[i];
	}
	any = any || link->filler;

	/* the newcomer competes if it is of the kind that must go */
	return farthest_link(distances, fillers, n, any,
						 link->filler == any ? link->distance : -INFINITY);
}

/* Make node c point to the new node, if it should. */
static void
link_back(VsBuildGraph *graph, VsBuildProbe *probe, uint32 c, int level,
		  uint32 id, float distance)
{
	LWLock	   *lock = &graph->shared->node_lock[c % VS_BUILD_NODE_LOCKS].lock;
	VsBuildNear *near = vs_build_near(graph, c);
	VsBuildFar *far = vs_build_far(graph, c);
	int			start = vs_hnsw_links_start(graph->layout, level);
	uint32	   *ids = near->ids + start;
	float	   *distances = far->distances + start;
	uint8	   *fillers = vs_build_fillers(graph, far) + start;
	VsBuildLink link = {id, distance, false};
	int			place;

	vs_build_lock(graph, lock);
	place = near->nlinks[level];
	if (place == vs_hnsw_links_room(graph->layout, far->level, level))
		place = place_in_full_level(graph, probe, ids, distances, fillers,
									place, &link);
	if (place >= 0)
	{
		ids[place] = id;
		distances[place] = distance;
		fillers[place] = link.filler;
		if (place == near->nlinks[level])
		{
			pg_write_barrier();
			near->nlinks[level]++;
		}
	}
	vs_build_unlock(graph, lock);
}

static void
link_neighbors(VsBuildGraph *graph, VsBuildProbe *probe, uint32 id, int top)
{
	for (int level = top; level >= 0; level--)
	{
		const VsBuildLink *chosen = graph->chosen[level];

		for (int i = 0; i < graph->nchosen[level]; i++)
		{
			__builtin_prefetch(vs_build_far(graph, chosen[i].id)->distances);
			__builtin_prefetch((char *) vs_build_far(graph, chosen[i].id)->distances + 64);
			__builtin_prefetch(vs_build_near(graph, chosen[i].id));
		}
		for (int i = 0; i < graph->nchosen[level]; i++)
			link_back(graph, probe, chosen[i].id, level, id,
					  chosen[i].distance);
	}
}

/* ------------------------------------------------------------------------
 * New rows
 * ------------------------------------------------------------------------ */

/* Has the node the same row as the value, which the probe is made of? */
static bool
is_twin(const VsBuildGraph *graph, uint32 id, const VsHnswValue *value,
		const VsBuildProbe *probe)
{
	const VsBuildNear *near = vs_build_near(graph, id);
	const char *row;
	float		scale;

	if (near->scale != probe->scale || near->norm != probe->norm)
		return false;
	row = vs_build_exact_row(graph, id, &scale);
	return scale == value->scale &&
		memcmp(row, value->row, graph->layout->row_size) == 0;
}

/* A node in the beam that has the same row as the value, or invalid. */
static uint32
find_twin(const VsBuildGraph *graph, const VsHnswValue *value,
		  const VsBuildProbe *probe)
{
	for (int i = 0; i < graph->nbeam; i++)
	{
		if (is_twin(graph, graph->beam[i].id, value, probe))
			return graph->beam[i].id;
	}
	return VS_HNSW_INVALID_ID;
}

/* Give a node one more heap row; returns false if there is no memory. */
static bool
add_twin(VsBuildGraph *graph, uint32 id, const VsHnswValue *value,
		 const ItemPointerData *tid)
{
	LWLock	   *lock = &graph->shared->node_lock[id % VS_BUILD_NODE_LOCKS].lock;
	VsBuildFar *far = vs_build_far(graph, id);
	uint32		twin = vs_build_take(graph, &graph->twins);

	if (twin == VS_HNSW_INVALID_ID)
		return false;
	vs_build_lock(graph, lock);
	vs_build_twin(graph, twin)->tid = *tid;
	memcpy(vs_build_twin(graph, twin)->columns, value->columns,
		   graph->layout->column_bytes);
	vs_build_twin(graph, twin)->next = far->twins;
	far->twins = twin;
	far->err = Max(far->err, value->err);
	vs_build_unlock(graph, lock);
	return true;
}

/* Write a new node with its links; nobody knows it yet. */
static void
fill_node(VsBuildGraph *graph, uint32 id, const VsHnswValue *value,
		  const VsBuildProbe *probe, const ItemPointerData *tid, int level,
		  int top)
{
	const VsBuildPlan *plan = graph->plan;
	VsBuildNear *near = vs_build_near(graph, id);
	VsBuildFar *far = vs_build_far(graph, id);

	memset(near, 0, offsetof(VsBuildNear, ids));
	near->scale = probe->scale;
	near->norm = probe->norm;
	if (plan->coarse)
		memcpy(vs_build_row(graph, id), probe->bytes, graph->layout->dims);
	else
		memcpy(vs_build_row(graph, id), value->row, graph->layout->row_size);

	memset(far, 0, offsetof(VsBuildFar, distances));
	far->err = value->err;
	far->scale = value->scale;
	far->twins = VS_HNSW_INVALID_ID;
	far->tid = *tid;
	far->level = level;
	if (plan->far_row)
		memcpy((char *) far + plan->far_row_at, value->row,
			   graph->layout->row_size);
	memcpy(vs_build_columns(graph, far), value->columns,
		   graph->layout->column_bytes);

	for (int l = 0; l <= top; l++)
	{
		int			start = vs_hnsw_links_start(graph->layout, l);

		for (int i = 0; i < graph->nchosen[l]; i++)
		{
			const VsBuildLink *link = &graph->chosen[l][i];

			near->ids[start + i] = link->id;
			far->distances[start + i] = link->distance;
			vs_build_fillers(graph, far)[start + i] = link->filler;
		}
		near->nlinks[l] = graph->nchosen[l];
	}
}

/*
 * Search for the neighbors of a value on the levels up to top, from the entry
 * down.  Returns the node that has the same row, or the invalid id.
 */
static uint32
find_links(VsBuildGraph *graph, const VsHnswValue *value, VsBuildProbe *probe,
		   uint64 entry, int level, int top)
{
	VsHnswCandidate at = {0, VS_BUILD_ENTRY_ID(entry)};

	if (at.id >= graph->nodes.room)
		vs_build_refresh(graph, &graph->nodes);
	price(graph, probe, 1, &at.id, &at.distance);
	for (int l = VS_BUILD_ENTRY_LEVEL(entry); l > top; l--)
		descend_level(graph, probe, l, &at);

	graph->beam[0] = at;
	graph->nbeam = 1;
	for (int l = top; l >= 0; l--)
	{
		uint32		twin;

		search_level(graph, probe, l);
		twin = l == top ? find_twin(graph, value, probe) : VS_HNSW_INVALID_ID;
		if (twin != VS_HNSW_INVALID_ID)
			return twin;
		choose_links(graph, l, vs_hnsw_links_room(graph->layout, level, l));
	}
	return VS_HNSW_INVALID_ID;
}

/*
 * Add a row while the entry's lock is held, if the new node is higher than the
 * entry.  The same contract as below.
 */
static bool
add_below(VsBuildGraph *graph, const VsHnswValue *value,
		  const ItemPointerData *tid, uint64 entry, int level)
{
	VsBuildShared *shared = graph->shared;
	bool		first = VS_BUILD_ENTRY_ID(entry) == VS_HNSW_INVALID_ID;
	int			top = first ? -1 : Min(VS_BUILD_ENTRY_LEVEL(entry), level);
	VsBuildProbe probe;
	uint32		twin = VS_HNSW_INVALID_ID;
	uint32		id;

	if (first && graph->plan->far_row)
		memcpy(graph->center, value->x,
			   sizeof(float) * graph->layout->dims);
	probe_value(graph, value, &probe);
	if (!first)
		twin = find_links(graph, value, &probe, entry, level, top);
	if (twin != VS_HNSW_INVALID_ID)
		return add_twin(graph, twin, value, tid);

	id = vs_build_take(graph, &graph->nodes);
	if (id == VS_HNSW_INVALID_ID)
		return false;
	fill_node(graph, id, value, &probe, tid, level, top);
	pg_write_barrier();
	link_neighbors(graph, &probe, id, top);
	if (first || level > VS_BUILD_ENTRY_LEVEL(entry))
		pg_atomic_write_u64(&shared->entry, VS_BUILD_ENTRY(id, level));
	return true;
}

/*
 * Add a row to the graph.  Returns false, and does nothing, if there is no
 * memory for it.  Takes and releases locks of the build.
 */
bool
vs_build_graph_add(VsBuildGraph *graph, const VsHnswValue *value,
				   const ItemPointerData *tid)
{
	VsBuildShared *shared = graph->shared;
	int			level = vs_hnsw_level_of(graph->ix, tid);
	uint64		entry = pg_atomic_read_u64(&shared->entry);
	bool		added;

	vs_build_refresh(graph, &graph->nodes);
	if (VS_BUILD_ENTRY_ID(entry) != VS_HNSW_INVALID_ID &&
		level <= VS_BUILD_ENTRY_LEVEL(entry))
	{
		pg_read_barrier();
		return add_below(graph, value, tid, entry, level);
	}

	vs_build_lock(graph, &shared->entry_lock);
	entry = pg_atomic_read_u64(&shared->entry);
	added = add_below(graph, value, tid, entry, level);
	vs_build_unlock(graph, &shared->entry_lock);
	return added;
}

VsBuildGraph *
vs_build_graph_open(VsHnsw *ix, VsBuildShared *shared)
{
	VsBuildGraph *graph = palloc0(sizeof(VsBuildGraph));
	int			dims = ix->layout->dims;

	graph->ix = ix;
	graph->layout = ix->layout;
	graph->plan = &shared->plan;
	graph->shared = shared;
	graph->context = CurrentMemoryContext;
	graph->center = (float *) ((char *) shared + shared->center);
	graph->ef = ix->meta->ef_construction;
	graph->beam = palloc(sizeof(VsHnswCandidate) * (graph->ef + 1));
	for (int level = 0; level < VS_HNSW_LEVELS; level++)
		graph->chosen[level] = palloc(sizeof(VsBuildLink) * MAX_LINKS);
	graph->centered = palloc(sizeof(float) * dims);
	graph->bytes = vs_memory_aligned(CurrentMemoryContext, dims, 0);
	graph->self = palloc(sizeof(float) * dims);
	graph->rows = palloc(sizeof(int8_t *) * MAX_FRESH);
	graph->decoded = palloc(sizeof(float) * dims);
	take_prices_room(graph, 4096);
	vs_build_open_chunks(graph);
	return graph;
}
