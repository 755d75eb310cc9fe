/*
 * hnsw_layout.h
 *		The layout planner: how a slot is made and how many fill a page.
 *
 * Pure C.  One function from (dimensions, metric, m, page size) to the layout;
 * its answer is stored in the metapage, so that a later planner may choose
 * otherwise without touching existing indexes.
 */
#ifndef VS_HNSW_LAYOUT_H
#define VS_HNSW_LAYOUT_H

#include "kernel/kernel.h"

/*
 * A slot, from its start:
 *
 *		header | filter columns | self row | codes[degree] | ids[degree] |
 *		base[degree] | factor[degree]
 *
 * Codes stand before the other link arrays so that VS_CODE_PAD bytes can
 * always be read behind the last code.
 *
 * All levels of a node share the slot's links.  With u = upper_degree, a node
 * of level L keeps the links of level l (1 .. L) in the places
 * degree - l*u .. degree - (l-1)*u - 1, and those of level 0 in the places
 * below degree - L*u.
 */
#define VS_HNSW_LEVELS			4	/* levels 0 .. 3 */

/* What is kept in a slot in rotated form. */
typedef enum VsHnswRotated
{
	VS_ROTATED_NOTHING = 0,
	VS_ROTATED_ALL = 1,			/* rows, and so the residuals in codes */
	VS_ROTATED_CODES = 2,		/* only the residuals in codes */
} VsHnswRotated;

typedef struct VsHnswLayout
{
	uint16_t	dims;
	uint16_t	code_dims;		/* leading rotated dimensions that are coded */
	uint8_t		metric;			/* VsMetricKind */
	uint8_t		codec;			/* VsCodec of self rows */
	uint8_t		bits;			/* code bits a coded dimension */
	uint8_t		rotated;		/* VsHnswRotated */
	uint8_t		degree;			/* links a slot can hold */
	uint8_t		upper_degree;	/* of these, for each level above 0 */
	uint8_t		max_level;
	uint8_t		unused;
	uint16_t	column_bytes;	/* of the image of filter columns, multiple of
								 * 4; behind the header */
	uint16_t	code_size;		/* bytes of one link code */
	uint16_t	row_size;		/* bytes of a self row */
	uint16_t	slot_size;		/* bytes, multiple of 8 */
	uint16_t	per_page;		/* slots in one page */
	uint16_t	self_at;		/* offset of the self row */
	uint16_t	codes_at;		/* offset of the codes */
	uint16_t	ids_at;			/* offset of the ids (uint32) */
	uint16_t	base_at;		/* offset of the bases (bfloat16) */
	uint16_t	factor_at;		/* offset of the factors (bfloat16) */
} VsHnswLayout;

/* First place and number of places of a level's links in a node of level L. */
static inline int
vs_hnsw_links_start(const VsHnswLayout *layout, int level)
{
	return level == 0 ? 0 : layout->degree - level * layout->upper_degree;
}

static inline int
vs_hnsw_links_room(const VsHnswLayout *layout, int node_level, int level)
{
	return level > 0 ? layout->upper_degree :
		layout->degree - node_level * layout->upper_degree;
}

/* Bytes of the fixed part of a slot; VsHnswSlot in hnsw_page.h. */
#define VS_HNSW_SLOT_HEADER		32

/*
 * Plan the layout for rows of dims dimensions (1 .. 16000), m links (2 .. 100),
 * column_bytes of filter columns and page_space bytes for slots in a page.
 *
 * Returns false when not even a slot with the fewest links fits a page.
 */
extern bool vs_hnsw_plan_layout(int dims, VsMetricKind metric, int m,
								int column_bytes, int page_space,
								VsHnswLayout *layout);

/*
 * Can this be a layout that the planner made for such a page?  For layouts read
 * from disk: a sound one leads nobody out of a page or a table.
 */
extern bool vs_hnsw_layout_is_sound(const VsHnswLayout *layout, int page_space);

#endif							/* VS_HNSW_LAYOUT_H */
