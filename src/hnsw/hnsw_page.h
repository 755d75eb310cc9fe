/*
 * hnsw_page.h
 *		What an hnsw index looks like on disk.
 *
 * Block 0 is the metapage.  All other pages belong to one of four spaces; the
 * pages of a space are numbered densely from 0, and the extents in the
 * metapage tell the block of each.  The README of this folder has the whole
 * picture.
 */
#ifndef VS_HNSW_HNSW_PAGE_H
#define VS_HNSW_HNSW_PAGE_H

#include "storage/block.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"

#include "hnsw/hnsw_layout.h"

#define VS_HNSW_METAPAGE		0
#define VS_HNSW_MAGIC			0x56534857	/* "VSHW" */
#define VS_HNSW_VERSION			1

#define VS_HNSW_INVALID_ID		((uint32) 0xFFFFFFFF)

typedef enum VsHnswSpace
{
	VS_SPACE_NODE = 0,			/* slots of nodes */
	VS_SPACE_CELL = 1,			/* further heap TIDs of nodes */
	VS_SPACE_REVMAP = 2,		/* heap block -> nodes */
	VS_SPACE_REVMAP_MORE = 3,	/* continuation pages of the revmap */
} VsHnswSpace;

#define VS_SPACE_COUNT			4

/*
 * Behind the page header of every page.  It stands there, not in the special
 * space, so that a look at it costs no cache line of its own.
 */
typedef struct VsHnswPageHead
{
	uint32		page_no;		/* number within its space */
	uint16		space;			/* VsHnswSpace, or VS_HNSW_META_SPACE */
	uint16		page_id;		/* VS_HNSW_PAGE_ID */
} VsHnswPageHead;

StaticAssertDecl(sizeof(VsHnswPageHead) == 8, "page head");

#define VS_HNSW_META_SPACE		0xFFFF
#define VS_HNSW_PAGE_ID			0xFF8D

/* Where the data of a page begins, and how many bytes it has. */
#define VS_HNSW_PAGE_DATA_AT \
	(MAXALIGN(SizeOfPageHeaderData) + sizeof(VsHnswPageHead))
#define VS_HNSW_PAGE_SPACE		(BLCKSZ - VS_HNSW_PAGE_DATA_AT)

static inline VsHnswPageHead *
vs_hnsw_page_head(Page page)
{
	return (VsHnswPageHead *) PageGetContents(page);
}

static inline char *
vs_hnsw_page_data(Page page)
{
	return (char *) page + VS_HNSW_PAGE_DATA_AT;
}

/* A run of pages of one space. */
typedef struct VsHnswExtent
{
	uint32		first;			/* number of its first page in the space */
	BlockNumber start;			/* block of that page */
} VsHnswExtent;

/*
 * Extents that adjoin are one, and others grow with the space, so that these
 * are enough for the largest relation.
 */
#define VS_HNSW_MAX_EXTENTS		200

typedef struct VsHnswSpaceInfo
{
	uint32		pages;			/* pages in all extents */
	uint32		next_id;		/* ids below were given out once */
	uint32		free_head;		/* first free id, linked through the items */
	uint32		extents;		/* used entries of the directory */
} VsHnswSpaceInfo;

typedef struct VsHnswMeta
{
	uint32		magic;
	uint32		version;

	/* fixed when the index is made */
	VsHnswLayout layout;
	uint16		m;
	uint16		ef_construction;
	uint32		revmap_span;	/* heap blocks of one revmap page */
	uint64		seed;			/* of the rotation and the levels */

	/* changing */
	uint32		entry;			/* node where a walk starts, or invalid */
	uint32		entry_level;	/* its level */
	uint32		dead_head;		/* emptied nodes not yet unlinked */
	uint32		unused;
	VsHnswSpaceInfo space[VS_SPACE_COUNT];
	VsHnswExtent extent[VS_SPACE_COUNT][VS_HNSW_MAX_EXTENTS];
} VsHnswMeta;

StaticAssertDecl(sizeof(VsHnswMeta) <= VS_HNSW_PAGE_SPACE, "metapage");

/* Life of a node. */
typedef enum VsHnswState
{
	VS_NODE_FREE = 0,			/* not in the graph; on the free list */
	VS_NODE_LIVE = 1,
	VS_NODE_DEAD = 2,			/* no heap TIDs; walked over, on the dead list */
} VsHnswState;

/* Head of a slot; the rest is found through VsHnswLayout. */
typedef struct VsHnswSlot
{
	uint8		state;			/* VsHnswState */
	uint8		level;			/* highest level of the node */
	uint16		generation;		/* counts the lives of this slot */
	uint8		nlinks[VS_HNSW_LEVELS];
	uint32		next;			/* next in the free or dead list */
	uint32		cells;			/* first cell of further TIDs, or invalid */
	float4		scale;			/* of the self row */
	float4		err;			/* bound on |vector - self row| in the
								 * metric's norm, for every row of the node */
	ItemPointerData tid;		/* heap row; valid if and only if live */
	uint16		unused;
} VsHnswSlot;

StaticAssertDecl(sizeof(VsHnswSlot) == VS_HNSW_SLOT_HEADER, "slot header");

/* One further heap TID of a node; the image of its filter columns follows. */
typedef struct VsHnswCell
{
	uint32		next;			/* next cell of the node or of the free list */
	ItemPointerData tid;
	uint16		unused;
} VsHnswCell;

StaticAssertDecl(sizeof(VsHnswCell) == 12, "cell");

static inline Size
vs_hnsw_cell_size(const VsHnswLayout *layout)
{
	return sizeof(VsHnswCell) + layout->column_bytes;
}

static inline uint32
vs_hnsw_cells_per_page(const VsHnswLayout *layout)
{
	return VS_HNSW_PAGE_SPACE / vs_hnsw_cell_size(layout);
}

/* A cell in the data of its page. */
static inline VsHnswCell *
vs_hnsw_cell_in(const VsHnswLayout *layout, char *data, uint32 id)
{
	return (VsHnswCell *) (data + id % vs_hnsw_cells_per_page(layout) *
						   vs_hnsw_cell_size(layout));
}

/* Which node a heap row belongs to; the image of its filter columns follows. */
typedef struct VsHnswRevmapEntry
{
	uint16		block;			/* heap block - first block of the page */
	uint16		offset;			/* line pointer */
	uint32		node;
} VsHnswRevmapEntry;

StaticAssertDecl(sizeof(VsHnswRevmapEntry) == 8, "revmap entry");

typedef struct VsHnswRevmapPage
{
	uint32		more;			/* page of VS_SPACE_REVMAP_MORE, or invalid */
	uint16		count;
	uint16		sorted;			/* so many, from the first on, are by block
								 * and offset */
	char		entries[FLEXIBLE_ARRAY_MEMBER];
} VsHnswRevmapPage;

static inline Size
vs_hnsw_entry_size(const VsHnswLayout *layout)
{
	return sizeof(VsHnswRevmapEntry) + layout->column_bytes;
}

static inline uint32
vs_hnsw_entries_per_page(const VsHnswLayout *layout)
{
	return (VS_HNSW_PAGE_SPACE - offsetof(VsHnswRevmapPage, entries)) /
		vs_hnsw_entry_size(layout);
}

static inline VsHnswRevmapEntry *
vs_hnsw_entry_at(const VsHnswLayout *layout, const VsHnswRevmapPage *page, uint32 i)
{
	return (VsHnswRevmapEntry *)
		((char *) page->entries + i * vs_hnsw_entry_size(layout));
}

/* By what entries of one page are sorted: block, then offset. */
static inline uint32
vs_entry_key(const VsHnswRevmapEntry *entry)
{
	return (uint32) entry->block << 16 | entry->offset;
}

/* Images of filter columns. */
static inline char *
vs_entry_columns(const VsHnswRevmapEntry *entry)
{
	return (char *) (entry + 1);
}

static inline char *
vs_cell_columns(const VsHnswCell *cell)
{
	return (char *) (cell + 1);
}

static inline char *
vs_slot_columns(const VsHnswSlot *slot)
{
	return (char *) (slot + 1);
}

/* Parts of a slot. */
static inline void *
vs_slot_row(const VsHnswLayout *layout, const VsHnswSlot *slot)
{
	return (char *) slot + layout->self_at;
}

static inline uint8 *
vs_slot_code(const VsHnswLayout *layout, const VsHnswSlot *slot, int place)
{
	return (uint8 *) slot + layout->codes_at + place * layout->code_size;
}

static inline uint32 *
vs_slot_ids(const VsHnswLayout *layout, const VsHnswSlot *slot)
{
	return (uint32 *) ((char *) slot + layout->ids_at);
}

static inline uint16 *
vs_slot_bases(const VsHnswLayout *layout, const VsHnswSlot *slot)
{
	return (uint16 *) ((char *) slot + layout->base_at);
}

static inline uint16 *
vs_slot_factors(const VsHnswLayout *layout, const VsHnswSlot *slot)
{
	return (uint16 *) ((char *) slot + layout->factor_at);
}

#endif							/* VS_HNSW_HNSW_PAGE_H */
