/*
 * hnsw_layout.c
 *		The layout planner.
 *
 * The price of a hop is a page access, so a slot must hold everything that the
 * walk needs at its node, and a page as many slots as precision allows.  The
 * planner first takes the leanest slot that is good enough, which decides how
 * many slots share a page, and then spends the rest of the page: on links, on
 * the format of the self row, on code bits, in this order.
 */
#include <string.h>

#include "hnsw/hnsw_layout.h"

#define ALIGN4(x)	(((x) + 3) & ~3)
#define ALIGN8(x)	(((x) + 7) & ~7)

#define MAX_UPPER_DEGREE	16

/* The leanest acceptable choice for some dimensions. */
typedef struct Floor
{
	int			max_dims;		/* applies up to here */
	VsCodec		codec;
	int			bits;
	int			bits_l1;		/* L1 has no angle to lean on: more bits */
} Floor;

static const Floor floors[] = {
	{16, VS_CODEC_FLOAT32, 4, 4},
	{64, VS_CODEC_FLOAT16, 4, 4},
	{255, VS_CODEC_FLOAT16, 2, 4},
	{511, VS_CODEC_FLOAT16, 1, 2},
	{65535, VS_CODEC_INT8, 1, 1},
};

/*
 * From here on an int8 row and seven eighths of the links are good enough where
 * the page then holds one slot more than the one or several it would hold.  At
 * 384 dimensions it then holds 4, and walks are as fast as with 3 and float16
 * rows (README).
 */
#define LEAN_MIN	256

static const Floor *
floor_for(int dims)
{
	const Floor *f = floors;

	while (dims > f->max_dims)
		f++;
	return f;
}

/*
 * A rotation spreads what a code loses over all dimensions, and keeps norms
 * and inner products.  The divergence of a node is not one of these, but its
 * links are priced by them.
 */
static VsHnswRotated
what_to_rotate(int dims, VsMetricKind metric)
{
	if (metric == VS_METRIC_L1 || dims < VS_ROTATE_MIN)
		return VS_ROTATED_NOTHING;
	return metric == VS_METRIC_JENSEN_SHANNON ? VS_ROTATED_CODES :
		VS_ROTATED_ALL;
}

/* Arrange a slot with the given number of links; returns its size. */
static int
arrange_slot(VsHnswLayout *layout, int degree)
{
	int			at = VS_HNSW_SLOT_HEADER + layout->column_bytes;
	int			tail = degree * 8 < VS_CODE_PAD ? VS_CODE_PAD : degree * 8;

	layout->degree = (uint8_t) degree;
	layout->row_size = (uint16_t) (layout->dims * VS_CODEC_WIDTH(layout->codec));
	layout->self_at = (uint16_t) at;
	at += layout->row_size;
	layout->codes_at = (uint16_t) at;
	at = ALIGN4(at + degree * layout->code_size);
	layout->ids_at = (uint16_t) at;
	layout->base_at = (uint16_t) (at + degree * 4);
	layout->factor_at = (uint16_t) (at + degree * 6);
	return ALIGN8(at + tail);
}

static int
slot_bytes(const VsHnswLayout *layout, int degree)
{
	VsHnswLayout tried = *layout;

	return arrange_slot(&tried, degree);
}

static void
set_bits(VsHnswLayout *layout, int bits)
{
	layout->bits = (uint8_t) bits;
	layout->code_size = (uint16_t) VS_CODE_STRIDE(layout->code_dims, bits);
}

/* Most links (at most want) so that count slots fit the page. */
static int
fit_degree(const VsHnswLayout *layout, int want, int count, int page_space)
{
	int			degree = want;

	while (degree > 0 && slot_bytes(layout, degree) * count > page_space)
		degree--;
	return degree;
}

/* Share the links among the levels; level 0 keeps a quarter, at least one. */
static void
divide_levels(VsHnswLayout *layout, int m)
{
	int			upper = m / 2;
	int			lowest = layout->degree / 4 > 0 ? layout->degree / 4 : 1;

	upper = upper > MAX_UPPER_DEGREE ? MAX_UPPER_DEGREE : upper;
	upper = upper > layout->degree / 4 ? layout->degree / 4 : upper;
	layout->upper_degree = (uint8_t) (upper < 1 ? 1 : upper);
	layout->max_level =
		(uint8_t) ((layout->degree - lowest) / layout->upper_degree);
	if (layout->max_level > VS_HNSW_LEVELS - 1)
		layout->max_level = VS_HNSW_LEVELS - 1;
}

bool
vs_hnsw_plan_layout(int dims, VsMetricKind metric, int m, int column_bytes,
					int page_space, VsHnswLayout *layout)
{
	const Floor *least = floor_for(dims);
	int			want = 2 * m;
	int			enough = want - want / 16;
	int			degree;
	int			count;
	VsHnswLayout lean;
	VsHnswLayout better;

	memset(layout, 0, sizeof(*layout));
	layout->dims = (uint16_t) dims;
	layout->metric = (uint8_t) metric;
	layout->rotated = (uint8_t) what_to_rotate(dims, metric);
	layout->column_bytes = (uint16_t) column_bytes;
	layout->codec = (uint8_t) least->codec;
	layout->code_dims = (uint16_t) dims;
	set_bits(layout, metric == VS_METRIC_L1 ? least->bits_l1 : least->bits);

	lean = *layout;
	lean.codec = VS_CODEC_INT8;
	if (dims >= LEAN_MIN && slot_bytes(layout, enough) <= page_space &&
		page_space / slot_bytes(&lean, want - want / 8) >
		page_space / slot_bytes(layout, enough))
	{
		*layout = lean;
		enough = want - want / 8;
	}

	/*
	 * Where even one slot with enough links is too large, first give up code
	 * bits, then code only the leading part of the rotated dimensions, at
	 * most half of them, then take fewer links.
	 */
	while (slot_bytes(layout, enough) > page_space && layout->bits > 1)
		set_bits(layout, layout->bits / 2);
	while (slot_bytes(layout, enough) > page_space && layout->rotated &&
		   layout->code_dims > dims / 2 + 64)
	{
		layout->code_dims -= 64;
		set_bits(layout, layout->bits);
	}
	degree = fit_degree(layout, enough, 1, page_space);
	if (degree < 2)
		return false;

	/* Slots a page; links, self row and bits that cost none of them. */
	count = page_space / slot_bytes(layout, degree);
	degree = fit_degree(layout, want, count, page_space);

	for (better = *layout; better.codec > VS_CODEC_FLOAT32;)
	{
		better.codec--;
		if (slot_bytes(&better, degree) * count > page_space)
			break;
		*layout = better;
	}
	for (better = *layout; better.bits < 4;)
	{
		set_bits(&better, better.bits * 2);
		if (slot_bytes(&better, degree) * count > page_space)
			break;
		*layout = better;
	}

	layout->slot_size = (uint16_t) arrange_slot(layout, degree);
	layout->per_page = (uint16_t) (page_space / layout->slot_size);
	divide_levels(layout, m);
	return true;
}

bool
vs_hnsw_layout_is_sound(const VsHnswLayout *layout, int page_space)
{
	VsHnswLayout again = *layout;

	if (layout->metric < VS_METRIC_L2 ||
		layout->metric > VS_METRIC_JENSEN_SHANNON ||
		layout->codec >= VS_CODEC_COUNT ||
		(layout->bits != 1 && layout->bits != 2 && layout->bits != 4) ||
		layout->dims == 0 || layout->code_dims == 0 ||
		layout->code_dims > layout->dims || layout->degree == 0 ||
		layout->max_level >= VS_HNSW_LEVELS || layout->per_page == 0 ||
		layout->max_level * layout->upper_degree >= layout->degree ||
		layout->column_bytes % 4 != 0)
		return false;

	/* The rest follows from these, and must fit the page. */
	set_bits(&again, layout->bits);
	return arrange_slot(&again, layout->degree) == layout->slot_size &&
		memcmp(&again, layout, sizeof(again)) == 0 &&
		layout->slot_size * layout->per_page <= page_space;
}
