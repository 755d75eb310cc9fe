/*
 * hnsw_graph.c
 *		Which neighbors a node keeps.
 *
 * The rule is the heuristic of the HNSW paper (arXiv 1603.09320, algorithm 4):
 * going from near to far, a candidate is kept if it is nearer to the node than
 * to every neighbor kept so far, or not clearly farther (VS_HNSW_SHADOW); places
 * that are left go to the nearest of the refused.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "compat.h"
#include "hnsw/hnsw.h"

static int
compare_neighbors(const void *a, const void *b)
{
	const VsHnswNeighbor *x = a;
	const VsHnswNeighbor *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Nearest first, ties by id. */
void
vs_hnsw_sort_neighbors(VsHnswNeighbor *neighbor, int n)
{
	qsort(neighbor, n, sizeof(*neighbor), compare_neighbors);
}

/*
 * Choose at most want of n candidates that are sorted by distance, and move
 * them to the front: first the kept ones, then the refused that fill up, each
 * group by distance.  scratch has room for a decoded row.  Returns how many.
 */
int
vs_hnsw_select(const VsHnswLayout *layout, VsCodec codec,
			   VsHnswNeighbor *neighbor, int n, int want, float *scratch)
{
	VsHnswNeighbor *refused = palloc(sizeof(VsHnswNeighbor) * n);
	float		shadow = vs_hnsw_shadow(layout);
	int			nrefused = 0;
	int			kept = 0;

	for (int i = 0; i < n && kept < want; i++)
	{
		VsHnswNeighbor c = neighbor[i];
		bool		keep = true;

		vs_kernels->row_decode[codec] (layout->dims, c.row, c.scale, scratch);
		for (int j = 0; j < kept && keep; j++)
			keep = shadow * vs_hnsw_distance(layout, codec, scratch,
											 neighbor[j].row,
											 neighbor[j].scale) >= c.distance;
		if (keep)
			neighbor[kept++] = c;
		else
			refused[nrefused++] = c;
	}
	for (int i = 0; i < nrefused && kept < want; i++)
		neighbor[kept++] = refused[i];
	pfree(refused);
	return kept;
}

/* ------------------------------------------------------------------------
 * Links of a node on a page
 * ------------------------------------------------------------------------ */

/*
 * A new link of a level of a node, with a copy of the node as it was when we
 * looked.  The links of the level and, as the last, the new one are compared
 * as far as their codes tell.
 */
typedef struct NewLink
{
	VsHnsw	   *ix;
	int			level;
	uint32		node;			/* who gets the link */
	VsHnswSlot *slot;			/* copy of its slot */
	VsHnswSlot *image;			/* the new link, at place 0; no node */
	int			start;			/* the level's first place */
	uint8		n;				/* links of the level */
	float	   *self;			/* the node's row, decoded */
	float	   *scratch;		/* a row */
	int8_t	   *planes;			/* levels of a link for code_dot */
	float		base[UINT8_MAX + 1];
	float		factor[UINT8_MAX + 1];
	float		distance[UINT8_MAX + 1];	/* to the node, up to a shift that
											 * all links share */
} NewLink;

static const uint8 *
link_code(const NewLink *link, int i)
{
	return i < link->n ?
		vs_slot_code(link->ix->layout, link->slot, link->start + i) :
		vs_slot_code(link->ix->layout, link->image, 0);
}

/* Distances of all links to a point that differs from the node by p, for L1. */
static void
l1_distances(const NewLink *link, const float *p, float *out)
{
	const VsHnswLayout *layout = link->ix->layout;
	int			dims = layout->code_dims;
	int			table = VS_BITS_INDEX(layout->bits);

	vs_kernels->code_l1[table] (dims, link->n, link_code(link, 0), p,
								link->factor, out);
	vs_kernels->code_l1[table] (dims, 1, link_code(link, link->n), p,
								link->factor + link->n, out + link->n);
}

/* Distances of all links to one of them. */
static void
distances_to(const NewLink *link, int to, float *out)
{
	const VsHnswLayout *layout = link->ix->layout;
	int			dims = layout->code_dims;
	int			table = VS_BITS_INDEX(layout->bits);
	float		twice = layout->metric == VS_METRIC_IP ? 1 : 2;
	int32		level_sum;
	int32_t		dots[UINT8_MAX + 1];

	if (layout->metric == VS_METRIC_L1)
	{
		vs_code_decode(dims, layout->bits, link_code(link, to), link->scratch);
		for (int i = 0; i < dims; i++)
			link->scratch[i] *= link->factor[to];
		l1_distances(link, link->scratch, out);
		return;
	}
	level_sum = vs_code_planes(dims, layout->bits, link_code(link, to),
							   link->planes) * ((1 << layout->bits) - 1);
	vs_kernels->code_dot[table] (dims, link->n, link_code(link, 0),
								 link->planes, dots);
	vs_kernels->code_dot[table] (dims, 1, link_code(link, link->n),
								 link->planes, dots + link->n);
	for (int i = 0; i <= link->n; i++)
		out[i] = link->base[i] + link->base[to] - twice *
			(link->factor[i] * link->factor[to] * (2 * dots[i] - level_sum));
}

/* Read the numbers of one link. */
static void
take_numbers(NewLink *link, int i, const VsHnswSlot *slot, int place)
{
	const VsHnswLayout *layout = link->ix->layout;

	link->base[i] = vs_bfloat_to_float(vs_slot_bases(layout, slot)[place]);
	link->factor[i] = vs_bfloat_to_float(vs_slot_factors(layout, slot)[place]);
}

/* Distances of all links, the new one too, to the node. */
static void
distances_to_node(NewLink *link)
{
	for (int i = 0; i < link->n; i++)
		take_numbers(link, i, link->slot, link->start + i);
	take_numbers(link, link->n, link->image, 0);
	if (link->ix->layout->metric == VS_METRIC_L1)
	{
		memset(link->scratch, 0, sizeof(float) * link->ix->layout->code_dims);
		l1_distances(link, link->scratch, link->distance);
	}
	else
		memcpy(link->distance, link->base, (link->n + 1) * sizeof(float));
}

/* The links in order, nearest first. */
static void
sort_links(const NewLink *link, int *order)
{
	for (int i = 0; i <= link->n; i++)
	{
		int			at = i;

		for (; at > 0 && link->distance[order[at - 1]] > link->distance[i]; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

/*
 * Which of the links the selection rule would drop: the last in its order,
 * which is the farthest of the refused.
 */
static int
weakest_link(const NewLink *link)
{
	int			order[UINT8_MAX + 1];
	bool		refused[UINT8_MAX + 1] = {false};
	float		to_kept[UINT8_MAX + 1];
	float		shadow = vs_hnsw_shadow(link->ix->layout);
	int			weakest;

	sort_links(link, order);
	weakest = order[link->n];
	for (int at = 0; at < link->n; at++)
	{
		if (refused[order[at]])
			continue;
		distances_to(link, order[at], to_kept);
		for (int i = at + 1; i <= link->n; i++)
			if (!(shadow * to_kept[order[i]] >= link->distance[order[i]]))
				refused[order[i]] = true;
	}
	for (int at = 0; at <= link->n; at++)
		if (refused[order[at]])
			weakest = order[at];
	return weakest;
}

/* Copy a node that is to get a link, or return false if it is none. */
static bool
look_at_node(NewLink *link)
{
	const VsHnswLayout *layout = link->ix->layout;
	Buffer		buffer;

	memcpy(link->slot, vs_hnsw_read_slot(link->ix, link->node, &buffer),
		   layout->slot_size);
	UnlockReleaseBuffer(buffer);
	if (link->slot->state != VS_NODE_LIVE || link->slot->level < link->level)
		return false;
	link->n = link->slot->nlinks[link->level];
	vs_kernels->row_decode[layout->codec] (layout->dims,
										   vs_slot_row(layout, link->slot),
										   link->slot->scale, link->self);
	return true;
}

/*
 * Which of the level's places the new link takes: the next, or if there is none
 * that of the weakest link; -1 if it is itself the weakest.  With force it
 * then takes that of the farthest.
 */
static int
place_of(NewLink *link, bool force)
{
	int			place = link->n;

	if (link->n < vs_hnsw_links_room(link->ix->layout, link->slot->level,
									 link->level))
		return place;
	distances_to_node(link);
	place = weakest_link(link);
	if (place < link->n)
		return place;
	if (!force)
		return -1;
	place = 0;
	for (int i = 1; i < link->n; i++)
		if (link->distance[i] > link->distance[place])
			place = i;
	return place;
}

/* Write the link, unless the node or the level has changed meanwhile. */
static bool
write_link(const NewLink *link, int place)
{
	const VsHnswLayout *layout = link->ix->layout;
	VsHnswChange change;
	VsHnswSlot *slot;

	vs_hnsw_change_begin(&change, link->ix);
	slot = vs_hnsw_change_slot(&change, link->node);
	if (slot->state != VS_NODE_LIVE ||
		!vs_hnsw_same_links(layout, slot, link->slot, link->level))
	{
		vs_hnsw_change_abort(&change);
		return false;
	}
	vs_hnsw_copy_link(layout, slot, link->start + place, link->image, 0);
	slot->nlinks[link->level] = Max(link->n, place + 1);
	vs_hnsw_change_commit(&change);
	return true;
}

/*
 * Let node id point to new_id, whose decoded row is other, if it is a living
 * node of the level and the selection rule keeps the link; with force, in any
 * case.  Returns whether it points there now.
 *
 * What to do is decided from a copy of the node, so that the lock is held
 * for the writing alone, and the page of a node that refuses is not touched.
 */
bool
vs_hnsw_add_backlink(VsHnsw *ix, uint32 id, int level, uint32 new_id,
					 const float *other, bool force)
{
	const VsHnswLayout *layout = ix->layout;
	NewLink    *link;
	int			place = -1;
	bool		written = false;

	if (id == new_id)
		return false;
	link = palloc(sizeof(NewLink));
	link->ix = ix;
	link->level = level;
	link->node = id;
	link->slot = palloc(layout->slot_size + VS_CODE_PAD);
	link->image = palloc(layout->slot_size + VS_CODE_PAD);
	link->start = vs_hnsw_links_start(layout, level);
	link->self = palloc(sizeof(float) * layout->dims);
	link->scratch = palloc(sizeof(float) * layout->dims);
	link->planes = palloc(VS_PLANES_LEN(layout->code_dims, layout->bits));

	while (!written && look_at_node(link))
	{
		CHECK_FOR_INTERRUPTS();
		vs_hnsw_set_link(ix, link->image, 0, new_id, link->self, other,
						 link->scratch);
		place = place_of(link, force);
		if (place < 0)
			break;
		written = write_link(link, place);
	}
	pfree(link->planes);
	pfree(link->scratch);
	pfree(link->self);
	pfree(link->image);
	pfree(link->slot);
	pfree(link);
	return written;
}
