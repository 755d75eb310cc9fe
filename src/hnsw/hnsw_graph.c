/*
 * hnsw_graph.c
 *		Which neighbors a node keeps.
 *
 * The rule is the heuristic of the HNSW paper (arXiv 1603.09320, algorithm 4):
 * going from near to far, a candidate is kept if it is nearer to the node than
 * to every neighbor kept so far; places that are left go to the nearest of the
 * refused.
 */
#include "postgres.h"

#include <math.h>

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
	int			nrefused = 0;
	int			kept = 0;

	for (int i = 0; i < n && kept < want; i++)
	{
		VsHnswNeighbor c = neighbor[i];
		bool		keep = true;

		vs_kernels->row_decode[codec] (layout->dims, c.row, c.scale, scratch);
		for (int j = 0; j < kept && keep; j++)
			keep = vs_hnsw_distance(layout, codec, scratch, neighbor[j].row,
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
 * The links of one level of a node, and a new one at the end, as far as their
 * codes tell: distances to the node and between one another.
 */
typedef struct CodedLinks
{
	const VsHnswLayout *layout;
	int			n;
	float	   *level;			/* n rows of code_dims */
	float		base[UINT8_MAX + 1];
	float		factor[UINT8_MAX + 1];
} CodedLinks;

/* Distance of a link to the node, up to a shift that all links share. */
static float
coded_distance(const CodedLinks *links, int i)
{
	int			dims = links->layout->code_dims;
	const float *u = links->level + (Size) i * dims;
	float		sum = 0;

	if (links->layout->metric != VS_METRIC_L1)
		return links->base[i];
	for (int d = 0; d < dims; d++)
		sum += fabsf(u[d]);
	return sum * links->factor[i];
}

/* The same between two links. */
static float
coded_pair_distance(const CodedLinks *links, int i, int j)
{
	int			dims = links->layout->code_dims;
	const float *u = links->level + (Size) i * dims;
	const float *w = links->level + (Size) j * dims;
	float		dot;
	float		sum = 0;

	if (links->layout->metric == VS_METRIC_L1)
	{
		for (int d = 0; d < dims; d++)
			sum += fabsf(u[d] * links->factor[i] - w[d] * links->factor[j]);
		return sum;
	}
	dot = links->factor[i] * links->factor[j] * vs_kernels->dot(dims, u, w);
	if (links->layout->metric == VS_METRIC_IP)
		return links->base[i] + links->base[j] - dot;
	return links->base[i] + links->base[j] - 2 * dot;
}

/* Which of the links the selection rule would drop: the last in its order. */
static int
weakest_link(const CodedLinks *links)
{
	int			order[UINT8_MAX + 1];
	float		distance[UINT8_MAX + 1];
	int			kept[UINT8_MAX + 1];
	int			nkept = 0;
	int			weakest = -1;

	for (int i = 0; i < links->n; i++)
	{
		float		d = coded_distance(links, i);
		int			at = i;

		for (; at > 0 && distance[order[at - 1]] > d; at--)
			order[at] = order[at - 1];
		order[at] = i;
		distance[i] = d;
	}
	for (int i = 0; i < links->n; i++)
	{
		int			c = order[i];
		bool		keep = true;

		for (int j = 0; j < nkept && keep; j++)
			keep = coded_pair_distance(links, c, kept[j]) >= distance[c];
		if (keep)
			kept[nkept++] = c;
		else
			weakest = c;		/* the farthest of the refused */
	}
	return weakest >= 0 ? weakest : order[links->n - 1];
}

/* Take one link of a slot into the comparison. */
static void
take_link(CodedLinks *links, const VsHnswSlot *slot, int place)
{
	const VsHnswLayout *layout = links->layout;
	int			i = links->n++;

	vs_code_decode(layout->code_dims, layout->bits,
				   vs_slot_code(layout, slot, place),
				   links->level + (Size) i * layout->code_dims);
	links->base[i] = vs_bfloat_to_float(vs_slot_bases(layout, slot)[place]);
	links->factor[i] = vs_bfloat_to_float(vs_slot_factors(layout, slot)[place]);
}

/*
 * Which place of a full level the new link should take: that of the weakest
 * link, or -1 if it is itself the weakest.  The new link is tried in a copy of
 * the slot, at the place of the farthest.
 */
static int
place_in_full_level(VsHnsw *ix, const VsHnswSlot *slot, int start, int n,
					uint32 new_id, const float *self, const float *other,
					float *scratch)
{
	const VsHnswLayout *layout = ix->layout;
	VsHnswSlot *trial = palloc(layout->slot_size + VS_CODE_PAD);
	CodedLinks	links = {.layout = layout};
	int			weakest;

	links.level = palloc(sizeof(float) * layout->code_dims * (n + 1));
	for (int i = 0; i < n; i++)
		take_link(&links, slot, start + i);
	memcpy(trial, slot, layout->slot_size);
	vs_hnsw_set_link(ix, trial, start, new_id, self, other, scratch);
	take_link(&links, trial, start);

	weakest = weakest_link(&links);
	pfree(links.level);
	pfree(trial);
	return weakest == n ? -1 : start + weakest;
}

/* Place of the farthest link of a level. */
static int
farthest_place(const VsHnswLayout *layout, const VsHnswSlot *slot, int start,
			   int n)
{
	const uint16 *base = vs_slot_bases(layout, slot);
	const uint16 *factor = vs_slot_factors(layout, slot);
	int			farthest = start;

	for (int i = start + 1; i < start + n; i++)
	{
		if (layout->metric == VS_METRIC_L1 ?
			vs_bfloat_to_float(factor[i]) > vs_bfloat_to_float(factor[farthest]) :
			vs_bfloat_to_float(base[i]) > vs_bfloat_to_float(base[farthest]))
			farthest = i;
	}
	return farthest;
}

/*
 * Let node id point to new_id, whose decoded row is other, if it is a living
 * node of the level and the selection rule keeps the link; with force, in any
 * case.  Returns whether it points there now.
 *
 * The code is computed against the row that the slot has under the lock, so it
 * is right even if the slot was reused since the caller chose it.
 */
bool
vs_hnsw_add_backlink(VsHnsw *ix, uint32 id, int level, uint32 new_id,
					 const float *other, bool force)
{
	const VsHnswLayout *layout = ix->layout;
	VsHnswChange change;
	VsHnswSlot *slot;
	float	   *self = palloc(sizeof(float) * layout->dims);
	float	   *scratch = palloc(sizeof(float) * layout->dims);
	int			start;
	int			n;
	int			place = -1;

	vs_hnsw_change_begin(&change, ix);
	slot = vs_hnsw_change_slot(&change, id);
	if (slot->state == VS_NODE_LIVE && slot->level >= level && id != new_id)
	{
		start = vs_hnsw_links_start(layout, level);
		n = slot->nlinks[level];
		vs_kernels->row_decode[layout->codec] (layout->dims,
											   vs_slot_row(layout, slot),
											   slot->scale, self);
		if (n < vs_hnsw_links_room(layout, slot->level, level))
		{
			place = start + n;
			slot->nlinks[level]++;
		}
		else
		{
			place = place_in_full_level(ix, slot, start, n, new_id, self,
										other, scratch);
			if (place < 0 && force)
				place = farthest_place(layout, slot, start, n);
		}
	}
	if (place >= 0)
	{
		vs_hnsw_set_link(ix, slot, place, new_id, self, other, scratch);
		vs_hnsw_change_commit(&change);
	}
	else
		vs_hnsw_change_abort(&change);
	pfree(self);
	pfree(scratch);
	return place >= 0;
}
