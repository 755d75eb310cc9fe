/*
 * hnsw_slot.c
 *		Values, self rows and link codes: how a slot is filled.
 *
 * A link code is centred on the node that holds it.  For neighbor o of node v
 * it keeps the residual r = o - v as levels u of a few bits a dimension with
 * the factor f = |r|^2 / <u,r>, so that for any vector p, f <u,p> estimates
 * <r,p> without bias (RaBitQ, arXiv 2405.12497, here with the node in place
 * of a cluster's centre).  README, "Link codes", has the formulas.
 */
#include "postgres.h"

#include <math.h>

#include "access/itup.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw.h"

/* The index's vector, not toasted, of the right number of dimensions. */
const struct varlena *
vs_hnsw_detoast(VsHnsw *ix, Datum value)
{
	const struct varlena *datum = PG_DETOAST_DATUM(value);
	int			dims = ix->metric->dims(datum);

	if (dims != ix->layout->dims)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different %s dimensions %d and %d",
						ix->metric->type_name, ix->layout->dims, dims)));
	return datum;
}

VsHnswValue *
vs_hnsw_value_new(VsHnsw *ix)
{
	VsHnswValue *value = palloc(sizeof(VsHnswValue));

	value->x = palloc(sizeof(float) * ix->layout->dims);
	value->row = palloc0(ix->layout->row_size);
	value->columns = palloc0(ix->layout->column_bytes);
	value->scale = 1;
	value->err = 0;
	return value;
}

/*
 * Bring a vector into the index's form.  Returns false if it has no place in
 * the index (a zero vector by cosine); value->x is then all zeros.
 */
bool
vs_hnsw_value_load(VsHnsw *ix, const struct varlena *datum, VsHnswValue *value)
{
	const VsHnswLayout *layout = ix->layout;
	float		err[2];
	bool		has_place = ix->metric->load(datum, value->x);

	if (layout->rotated == VS_ROTATED_ALL)
		vs_rotate(layout->dims, ix->signs, value->x);
	vs_codec_encode((VsCodec) layout->codec, layout->dims, value->x,
					value->row, &value->scale, err);
	value->err = ix->metric->kind == VS_METRIC_L1 ? err[1] : err[0];
	return has_place;
}

/*
 * Bring a row's columns, the vector first, into the index's form.  Returns false
 * if it has no place in the index.  May leave garbage in the memory context.
 */
bool
vs_hnsw_row_load(VsHnsw *ix, const Datum *values, const bool *isnull,
				 VsHnswValue *value)
{
	if (isnull[0] ||
		!vs_hnsw_value_load(ix, vs_hnsw_detoast(ix, values[0]), value))
		return false;
	vs_hnsw_image_make(ix->columns, values, isnull, value->columns);
	return true;
}

static uint64
mix64(uint64 x)
{
	x += UINT64CONST(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/*
 * Level of the node of a heap row: geometric, one node in sixteen goes on to
 * the next level.  A function of the row's place, so that equal builds give
 * equal indexes.
 */
int
vs_hnsw_level_of(VsHnsw *ix, const ItemPointerData *tid)
{
	uint64		bits = mix64(ix->meta->seed ^
							 ((uint64) ItemPointerGetBlockNumber(tid) << 16) ^
							 ItemPointerGetOffsetNumber(tid));
	int			level = 0;

	while (level < ix->layout->max_level && (bits & 15) == 0)
	{
		level++;
		bits >>= 4;
	}
	return level;
}

/*
 * Internal distance between a vector and a row: what the graph is ordered by.
 * Squared for L2, cosine (of unit vectors) and Jensen-Shannon; never NaN.
 */
float
vs_hnsw_distance(const VsHnswLayout *layout, VsCodec codec, const float *x,
				 const void *row, float scale)
{
	float		d;

	switch (layout->metric)
	{
		case VS_METRIC_IP:
			d = -vs_kernels->row_dot[codec] (layout->dims, x, row, scale);
			break;
		case VS_METRIC_L1:
			d = vs_kernels->row_l1[codec] (layout->dims, x, row, scale);
			break;
		case VS_METRIC_JENSEN_SHANNON:
			d = vs_kernels->row_jensen_shannon[codec] (layout->dims, x, row,
													   scale);
			break;
		default:
			d = vs_kernels->row_l2sq[codec] (layout->dims, x, row, scale);
			break;
	}
	return isnan(d) ? INFINITY : d;
}

/* Make a live node without links of a free or new slot. */
void
vs_hnsw_slot_init(VsHnsw *ix, VsHnswSlot *slot, int level,
				  const VsHnswValue *value, const ItemPointerData *tid)
{
	uint16		generation = slot->generation;

	memset(slot, 0, ix->layout->slot_size);
	slot->state = VS_NODE_LIVE;
	slot->level = level;
	slot->generation = generation + 1;
	slot->next = VS_HNSW_INVALID_ID;
	slot->cells = VS_HNSW_INVALID_ID;
	slot->scale = value->scale;
	slot->err = value->err;
	slot->tid = *tid;
	memcpy(vs_slot_columns(slot), value->columns, ix->layout->column_bytes);
	memcpy(vs_slot_row(ix->layout, slot), value->row, ix->layout->row_size);
}

/* Width of a quantiser's cell for unit-variance values, by bits. */
static float
cell_width(int bits)
{
	return bits == 4 ? 0.335f : 0.996f;
}

/*
 * Write the link at a place: id, code and factors of the neighbor.  self and
 * other are the decoded rows; scratch has room for a row.
 */
void
vs_hnsw_set_link(const VsHnsw *ix, VsHnswSlot *slot, int place, uint32 id,
				 const float *self, const float *other, float *scratch)
{
	const VsHnswLayout *layout = ix->layout;
	float	   *r = scratch;
	uint8	   *code = vs_slot_code(layout, slot, place);
	float		maxabs;
	float		sumsq;
	float		rms;
	float		inverse;
	float		level_dot;
	float		base;
	float		factor;

	sumsq = vs_kernels->residual(layout->dims, other, self, r, &maxabs);
	if (layout->rotated == VS_ROTATED_CODES)
		vs_rotate(layout->dims, ix->signs, r);
	rms = sqrtf(vs_kernels->dot(layout->code_dims, r, r) / layout->code_dims);
	inverse = 1 / (rms * cell_width(layout->bits));
	level_dot = vs_kernels->code_encode[VS_BITS_INDEX(layout->bits)]
		(layout->code_dims, r, isfinite(inverse) ? inverse : 0, code);

	base = layout->metric == VS_METRIC_IP ?
		-vs_kernels->dot(layout->dims, self, r) : sumsq;
	factor = level_dot > 0 ? sumsq / level_dot : 0;
	if (layout->metric == VS_METRIC_L1)
		factor = layout->bits == 1 ? level_dot / layout->code_dims :
			rms * cell_width(layout->bits) / 2;

	vs_slot_ids(layout, slot)[place] = id;
	vs_slot_bases(layout, slot)[place] = vs_float_to_bfloat(isnan(base) ? 0 : base);
	vs_slot_factors(layout, slot)[place] =
		vs_float_to_bfloat(isfinite(factor) ? factor : 0);
}

/* Is it still the node that was copied, with the same links of the level? */
bool
vs_hnsw_same_links(const VsHnswLayout *layout, const VsHnswSlot *slot,
				   const VsHnswSlot *copy, int level)
{
	int			start = vs_hnsw_links_start(layout, level);

	return slot->generation == copy->generation &&
		slot->nlinks[level] == copy->nlinks[level] &&
		memcmp(vs_slot_ids(layout, slot) + start,
			   vs_slot_ids(layout, copy) + start,
			   slot->nlinks[level] * sizeof(uint32)) == 0;
}

/* Copy a link from a place of one slot to a place of another. */
void
vs_hnsw_copy_link(const VsHnswLayout *layout, VsHnswSlot *to, int to_place,
				  const VsHnswSlot *from, int from_place)
{
	memcpy(vs_slot_code(layout, to, to_place),
		   vs_slot_code(layout, from, from_place), layout->code_size);
	vs_slot_ids(layout, to)[to_place] = vs_slot_ids(layout, from)[from_place];
	vs_slot_bases(layout, to)[to_place] = vs_slot_bases(layout, from)[from_place];
	vs_slot_factors(layout, to)[to_place] = vs_slot_factors(layout, from)[from_place];
}
