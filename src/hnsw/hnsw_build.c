/*
 * hnsw_build.c
 *		Builds an index from the rows of a table.
 *
 * The graph is made in memory, over arrays indexed by node id: rows in the
 * self codec (float16 where that would be int8), links with their distances.
 * Then link codes are computed and the pages written in the order of their
 * spaces, and logged in bulk.
 *
 * When maintenance_work_mem is used up, what there is is written and logged,
 * and the remaining rows are inserted one by one.
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_heap.h"

typedef struct BuildNode
{
	float		scale;			/* of its row in memory */
	float		err;
	uint32		twins;			/* first of the further heap rows, or invalid */
	ItemPointerData tid;
	uint8		level;
	uint8		nlinks[VS_HNSW_LEVELS];
} BuildNode;

/* A further heap row of a node. */
typedef struct BuildTwin
{
	uint32		next;
	ItemPointerData tid;
} BuildTwin;

typedef struct Build
{
	Relation	heap;
	Relation	index;
	IndexInfo  *info;
	VsHnsw		ix;
	VsHnswMeta	meta;
	VsCodec		codec;			/* of rows in memory */
	int			row_size;		/* the same */
	double		index_tuples;

	/* the graph */
	uint32		n;
	uint32		room;
	BuildNode  *nodes;
	char	   *rows;
	uint32	   *ids;			/* degree for each node */
	float	   *distances;		/* of the links */
	uint8	   *fillers;		/* links that the selection rule refused */
	BuildTwin  *twins;
	uint32		ntwins;
	uint32		twins_room;

	/* the search */
	uint16	   *seen;			/* epoch of the last visit of each node */
	uint16		epoch;
	VsHnswCandidate *frontier;
	int			frontier_room;
	VsHnswCandidate *window;
	int			nwindow;
	VsHnswNeighbor *neighbors;	/* of the row on its way in */
	VsHnswValue *value;
	float	   *scratch;
	MemoryContext context;
	MemoryContext row_context;

	/* after the graph was written */
	VsHnsw	   *written;
} Build;

/* ------------------------------------------------------------------------
 * The graph in memory
 * ------------------------------------------------------------------------ */

static inline const char *
row_of(const Build *build, uint32 id)
{
	return build->rows + (Size) id * build->row_size;
}

static inline float
distance_to(const Build *build, const float *x, uint32 id)
{
	return vs_hnsw_distance(&build->meta.layout, build->codec, x,
							row_of(build, id), build->nodes[id].scale);
}

static inline Size
first_link(const Build *build, uint32 id, int level)
{
	return (Size) id * build->meta.layout.degree +
		vs_hnsw_links_start(&build->meta.layout, level);
}

/* Bytes that one more node takes, its place in the revmap included. */
static Size
bytes_per_node(const Build *build)
{
	return build->row_size + sizeof(BuildNode) + sizeof(uint16) +
		build->meta.layout.degree * (sizeof(uint32) + sizeof(float) + 1) +
		sizeof(BuildTwin) + sizeof(uint32);
}

static void *
alloc_huge(Build *build, Size count, Size size)
{
	return MemoryContextAllocHuge(build->context, Max(count, 1) * size);
}

/*
 * Take address space for as many nodes as fit the memory or the heap may
 * have; the memory itself comes as it is touched.
 */
static void
alloc_graph(Build *build)
{
	Size		limit = (Size) maintenance_work_mem * 1024;
	double		most = (double) RelationGetNumberOfBlocks(build->heap) *
	MaxHeapTuplesPerPage;
	Size		room = limit / bytes_per_node(build);
	int			degree = build->meta.layout.degree;
	int			ef = build->meta.ef_construction;

	room = Min(room, (Size) most + 1);
	room = Min(room, VS_HNSW_INVALID_ID - 1);
	build->room = (uint32) Max(room, 1);
	build->nodes = alloc_huge(build, room, sizeof(BuildNode));
	build->rows = alloc_huge(build, room, build->row_size);
	build->ids = alloc_huge(build, room * degree, sizeof(uint32));
	build->distances = alloc_huge(build, room * degree, sizeof(float));
	build->fillers = alloc_huge(build, room * degree, 1);
	build->seen = alloc_huge(build, room, sizeof(uint16));
	build->twins_room = 64;
	build->twins = alloc_huge(build, build->twins_room, sizeof(BuildTwin));
	build->frontier_room = 1024;
	build->frontier = alloc_huge(build, build->frontier_room,
								 sizeof(VsHnswCandidate));
	build->window = alloc_huge(build, ef + 1, sizeof(VsHnswCandidate));
	build->neighbors = alloc_huge(build, ef + 1, sizeof(VsHnswNeighbor));
}

static void
start_epoch(Build *build)
{
	if (++build->epoch == 0)
	{
		memset(build->seen, 0, build->n * sizeof(uint16));
		build->epoch = 1;
	}
}

static inline void
prefetch_row(const Build *build, uint32 id)
{
	const char *row = row_of(build, id);

	for (int at = 0; at < build->row_size; at += 64)
		__builtin_prefetch(row + at);
}

/*
 * Best-first search on a level from what the window holds; leaves there the
 * ef nearest that it found.
 */
static void
search_level(Build *build, const float *x, int level, int ef)
{
	int			nfrontier = 0;
	uint32		fresh[UINT8_MAX + 1];

	start_epoch(build);
	for (int i = 0; i < build->nwindow; i++)
	{
		build->seen[build->window[i].id] = build->epoch;
		vs_min_heap_push(build->frontier, &nfrontier, build->window[i]);
	}
	for (int i = 1, n = 0; i <= build->nwindow; i++)
	{
		VsHnswCandidate c = build->window[i - 1];

		vs_max_heap_push(build->window, &n, c);
	}

	while (nfrontier > 0)
	{
		VsHnswCandidate c = vs_min_heap_pop(build->frontier, &nfrontier);
		Size		first = first_link(build, c.id, level);
		int			nlinks = build->nodes[c.id].nlinks[level];
		int			nfresh = 0;

		if (build->nwindow >= ef && c.distance > build->window[0].distance)
			break;
		for (int i = 0; i < nlinks; i++)
		{
			uint32		id = build->ids[first + i];

			if (build->seen[id] == build->epoch)
				continue;
			build->seen[id] = build->epoch;
			prefetch_row(build, id);
			fresh[nfresh++] = id;
		}
		if (nfrontier + nfresh > build->frontier_room)
		{
			build->frontier_room *= 2;
			build->frontier = repalloc_huge(build->frontier,
											build->frontier_room * sizeof(VsHnswCandidate));
		}
		for (int i = 0; i < nfresh; i++)
		{
			VsHnswCandidate next = {distance_to(build, x, fresh[i]), fresh[i]};

			if (build->nwindow < ef)
				vs_max_heap_push(build->window, &build->nwindow, next);
			else if (vs_nearer(&next, &build->window[0]))
				vs_max_heap_replace(build->window, build->nwindow, next);
			else
				continue;
			vs_min_heap_push(build->frontier, &nfrontier, next);
			__builtin_prefetch(&build->ids[first_link(build, next.id, level)]);
		}
	}
}

/* ------------------------------------------------------------------------
 * Linking in memory
 * ------------------------------------------------------------------------ */

static void
put_link(Build *build, Size at, uint32 id, float distance, bool filler)
{
	build->ids[at] = id;
	build->distances[at] = distance;
	build->fillers[at] = filler;
}

/*
 * Index of the farthest link of a level that is no nearer than the given
 * distance, among the fillers or among all; -1 if there is none.
 */
static int
farthest_link(const Build *build, Size first, int n, bool fillers, float than)
{
	int			farthest = -1;

	for (int i = 0; i < n; i++)
	{
		if (fillers && !build->fillers[first + i])
			continue;
		if (build->distances[first + i] >= than)
		{
			than = build->distances[first + i];
			farthest = i;
		}
	}
	return farthest;
}

/*
 * Offer a full level of node c the new node, whose vector is x.  Links that
 * the new one shadows, and the new one if it is shadowed, become fillers; the
 * farthest filler goes, or without any the farthest link.  This is the
 * selection rule applied to one newcomer.
 */
static void
offer_link(Build *build, Size first, int n, uint32 id, float distance,
		   const float *x)
{
	bool		shadowed = false;
	bool		fillers = false;
	int			victim;

	for (int i = 0; i < n; i++)
		prefetch_row(build, build->ids[first + i]);
	for (int i = 0; i < n; i++)
	{
		float		between = distance_to(build, x, build->ids[first + i]);
		float		theirs = build->distances[first + i];

		if (theirs <= distance)
			shadowed = shadowed || (between < distance && !build->fillers[first + i]);
		else if (between < theirs)
			build->fillers[first + i] = true;
		fillers = fillers || build->fillers[first + i];
	}
	fillers = fillers || shadowed;

	/* the newcomer competes if it is of the kind that must go */
	victim = farthest_link(build, first, n, fillers,
						   shadowed == fillers ? distance : -INFINITY);
	if (victim >= 0)
		put_link(build, first + victim, id, distance, shadowed);
}

/* Make node c point to the new node if it should. */
static void
link_back(Build *build, uint32 c, int level, uint32 id, float distance,
		  const float *x)
{
	BuildNode  *node = &build->nodes[c];
	Size		first = first_link(build, c, level);
	int			n = node->nlinks[level];

	if (n < vs_hnsw_links_room(&build->meta.layout, node->level, level))
	{
		put_link(build, first + n, id, distance, false);
		node->nlinks[level]++;
	}
	else
		offer_link(build, first, n, id, distance, x);
}

/* Turn the window into candidates for neighbors, sorted. */
static int
window_to_neighbors(Build *build)
{
	int			n = 0;

	for (int i = 0; i < build->nwindow; i++)
	{
		VsHnswNeighbor *neighbor = &build->neighbors[n++];

		neighbor->id = build->window[i].id;
		neighbor->distance = build->window[i].distance;
		neighbor->row = row_of(build, neighbor->id);
		neighbor->scale = build->nodes[neighbor->id].scale;
	}
	vs_hnsw_sort_neighbors(build->neighbors, n);
	return n;
}

/* Link the new node on a level with the best of the window. */
static void
link_level(Build *build, uint32 id, int level, const float *x)
{
	const VsHnswLayout *layout = &build->meta.layout;
	BuildNode  *node = &build->nodes[id];
	int			room = vs_hnsw_links_room(layout, node->level, level);
	int			n = window_to_neighbors(build);
	Size		first = first_link(build, id, level);
	float		last = -INFINITY;
	bool		filler = false;

	n = vs_hnsw_select(layout, build->codec, build->neighbors, n, room,
					   build->scratch);
	for (int i = 0; i < n; i++)
	{
		/* the refused come after the kept and start again from near */
		filler = filler || build->neighbors[i].distance < last;
		last = build->neighbors[i].distance;
		put_link(build, first + i, build->neighbors[i].id, last, filler);
	}
	node->nlinks[level] = n;
	for (int i = 0; i < n; i++)
		link_back(build, build->neighbors[i].id, level, id,
				  build->neighbors[i].distance, x);
}

/* The node in the window that has the same row as the new one, or invalid. */
static uint32
find_twin(const Build *build, uint32 id)
{
	for (int i = 0; i < build->nwindow; i++)
	{
		uint32		other = build->window[i].id;

		if (build->nodes[other].scale == build->nodes[id].scale &&
			memcmp(row_of(build, other), row_of(build, id), build->row_size) == 0)
			return other;
	}
	return VS_HNSW_INVALID_ID;
}

static void
add_twin(Build *build, uint32 id, const BuildNode *twin)
{
	BuildTwin  *entry;

	if (build->ntwins == build->twins_room)
	{
		build->twins_room *= 2;
		build->twins = repalloc_huge(build->twins,
									 (Size) build->twins_room * sizeof(BuildTwin));
	}
	entry = &build->twins[build->ntwins];
	entry->tid = twin->tid;
	entry->next = build->nodes[id].twins;
	build->nodes[id].twins = build->ntwins++;
	build->nodes[id].err = Max(build->nodes[id].err, twin->err);
}

/* Put the row of the node that comes next where the search can see it. */
static void
fill_node(Build *build, const ItemPointerData *tid)
{
	uint32		id = build->n;
	BuildNode  *node = &build->nodes[id];
	float		err[2];

	memset(node, 0, sizeof(*node));
	node->tid = *tid;
	node->twins = VS_HNSW_INVALID_ID;
	node->level = vs_hnsw_level_of(&build->ix, tid);
	vs_codec_encode(build->codec, build->meta.layout.dims, build->value->x,
					build->rows + (Size) id * build->row_size,
					&node->scale, err);
	node->err = build->meta.layout.metric == VS_METRIC_L1 ? err[1] : err[0];
	build->seen[id] = 0;
}

/* Add the loaded value to the graph. */
static void
add_to_graph(Build *build, const ItemPointerData *tid)
{
	const float *x = build->value->x;
	uint32		id = build->n;
	BuildNode  *node = &build->nodes[id];
	uint32		twin;
	int			top;

	fill_node(build, tid);
	if (build->meta.entry == VS_HNSW_INVALID_ID)
	{
		build->meta.entry = id;
		build->meta.entry_level = node->level;
		build->n++;
		return;
	}

	build->window[0].id = build->meta.entry;
	build->window[0].distance = distance_to(build, x, build->meta.entry);
	build->nwindow = 1;
	for (int level = build->meta.entry_level; level > node->level; level--)
		search_level(build, x, level, 1);

	top = Min((int) build->meta.entry_level, node->level);
	for (int level = top; level >= 0; level--)
	{
		search_level(build, x, level, build->meta.ef_construction);

		/* once others point to the new node, it has to stay one */
		twin = level == top ? find_twin(build, id) : VS_HNSW_INVALID_ID;
		if (twin != VS_HNSW_INVALID_ID)
		{
			add_twin(build, twin, node);
			return;
		}
		link_level(build, id, level, x);
	}
	if (node->level > (int) build->meta.entry_level)
	{
		build->meta.entry = id;
		build->meta.entry_level = node->level;
	}
	build->n++;
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------ */

/* Writes the pages of one space, one after the other. */
typedef struct PageWriter
{
	Build	   *build;
	VsHnswSpace space;
	BufferAccessStrategy strategy;
	Buffer		buffer;			/* of the page being filled */
} PageWriter;

static void
finish_page(PageWriter *writer)
{
	if (BufferIsValid(writer->buffer))
	{
		MarkBufferDirty(writer->buffer);
		UnlockReleaseBuffer(writer->buffer);
	}
	writer->buffer = InvalidBuffer;
}

/* Start the next page of the space; returns its content. */
static char *
next_page(PageWriter *writer)
{
	VsHnswMeta *meta = &writer->build->meta;
	VsHnswSpaceInfo *info = &meta->space[writer->space];

	finish_page(writer);
	CHECK_FOR_INTERRUPTS();
	writer->buffer = ReadBufferExtended(writer->build->index, MAIN_FORKNUM,
										P_NEW, RBM_NORMAL, writer->strategy);
	LockBuffer(writer->buffer, BUFFER_LOCK_EXCLUSIVE);
	if (info->pages == 0)
	{
		info->extents = 1;
		meta->extent[writer->space][0].first = 0;
		meta->extent[writer->space][0].start = BufferGetBlockNumber(writer->buffer);
	}
	vs_hnsw_page_init(BufferGetPage(writer->buffer), writer->space, info->pages);
	info->pages++;
	return vs_hnsw_page_data(BufferGetPage(writer->buffer));
}

/* Scratch of write_slot. */
typedef struct SlotScratch
{
	VsHnswValue value;			/* the self row as it is stored */
	float	   *self;
	float	   *other;
	float	   *residual;
} SlotScratch;

/* The self row of a node in the index's codec. */
static void
stored_row(Build *build, uint32 id, SlotScratch *scratch)
{
	const VsHnswLayout *layout = &build->meta.layout;
	const BuildNode *node = &build->nodes[id];
	float		err[2];

	vs_kernels->row_decode[build->codec] (layout->dims, row_of(build, id),
										  node->scale, scratch->self);
	vs_codec_encode((VsCodec) layout->codec, layout->dims, scratch->self,
					scratch->value.row, &scratch->value.scale, err);
	scratch->value.err = node->err +
		(layout->metric == VS_METRIC_L1 ? err[1] : err[0]);
	vs_kernels->row_decode[layout->codec] (layout->dims, scratch->value.row,
										   scratch->value.scale, scratch->self);
}

static void
write_slot(Build *build, uint32 id, VsHnswSlot *slot, SlotScratch *scratch)
{
	const VsHnswLayout *layout = &build->meta.layout;
	const BuildNode *node = &build->nodes[id];

	stored_row(build, id, scratch);
	vs_hnsw_slot_init(&build->ix, slot, node->level, &scratch->value, &node->tid);
	for (int level = 0; level <= node->level; level++)
	{
		Size		first = first_link(build, id, level);
		int			start = vs_hnsw_links_start(layout, level);

		for (int i = 0; i < node->nlinks[level]; i++)
			prefetch_row(build, build->ids[first + i]);
		for (int i = 0; i < node->nlinks[level]; i++)
		{
			uint32		other = build->ids[first + i];

			vs_kernels->row_decode[build->codec] (layout->dims,
												  row_of(build, other),
												  build->nodes[other].scale,
												  scratch->other);
			vs_hnsw_set_link(&build->ix, slot, start + i, other, scratch->self,
							 scratch->other, scratch->residual);
		}
		slot->nlinks[level] = node->nlinks[level];
	}
}

static void
write_nodes(Build *build)
{
	const VsHnswLayout *layout = &build->meta.layout;
	PageWriter	writer = {build, VS_SPACE_NODE,
	GetAccessStrategy(BAS_BULKWRITE), InvalidBuffer};
	SlotScratch scratch;
	char	   *page = NULL;
	uint32		cell = 0;

	scratch.value.row = palloc0(layout->row_size);
	scratch.self = palloc(sizeof(float) * layout->dims);
	scratch.other = palloc(sizeof(float) * layout->dims);
	scratch.residual = palloc(sizeof(float) * layout->dims);
	for (uint32 id = 0; id < build->n; id++)
	{
		VsHnswSlot *slot;

		if (id % layout->per_page == 0)
		{
			page = next_page(&writer);
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, id);
		}
		slot = (VsHnswSlot *) (page + (id % layout->per_page) * layout->slot_size);
		write_slot(build, id, slot, &scratch);
		for (uint32 twin = build->nodes[id].twins;
			 twin != VS_HNSW_INVALID_ID; twin = build->twins[twin].next)
		{
			if (slot->cells == VS_HNSW_INVALID_ID)
				slot->cells = cell;
			cell++;
		}
	}
	finish_page(&writer);
	build->meta.space[VS_SPACE_NODE].next_id = build->n;
}

/* Cells stand in the order of their nodes, each node's one after the other. */
static void
write_cells(Build *build)
{
	PageWriter	writer = {build, VS_SPACE_CELL,
	GetAccessStrategy(BAS_BULKWRITE), InvalidBuffer};
	char	   *page = NULL;
	uint32		cell_id = 0;

	for (uint32 id = 0; id < build->n; id++)
	{
		uint32		twin = build->nodes[id].twins;

		while (twin != VS_HNSW_INVALID_ID)
		{
			VsHnswCell *cell;

			if (cell_id % VS_HNSW_CELLS_PER_PAGE == 0)
				page = next_page(&writer);
			cell = (VsHnswCell *) page + cell_id % VS_HNSW_CELLS_PER_PAGE;
			cell->tid = build->twins[twin].tid;
			twin = build->twins[twin].next;
			cell_id++;
			cell->next = twin != VS_HNSW_INVALID_ID ? cell_id : VS_HNSW_INVALID_ID;
		}
	}
	finish_page(&writer);
	build->meta.space[VS_SPACE_CELL].next_id = cell_id;
}

/* A heap row and its node. */
typedef struct RowPlace
{
	ItemPointerData tid;
	uint32		node;
} RowPlace;

static int
compare_places(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) &((const RowPlace *) a)->tid,
							  (ItemPointer) &((const RowPlace *) b)->tid);
}

/* All rows of the graph, sorted by TID. */
static RowPlace *
sorted_rows(Build *build, Size *count)
{
	Size		n = (Size) build->n + build->ntwins;
	RowPlace   *rows = alloc_huge(build, n, sizeof(RowPlace));
	bool		sorted = true;
	Size		at = 0;

	for (uint32 id = 0; id < build->n; id++)
	{
		rows[at].tid = build->nodes[id].tid;
		rows[at++].node = id;
		for (uint32 twin = build->nodes[id].twins;
			 twin != VS_HNSW_INVALID_ID; twin = build->twins[twin].next)
		{
			rows[at].tid = build->twins[twin].tid;
			rows[at++].node = id;
		}
	}
	for (Size i = 1; i < n && sorted; i++)
		sorted = compare_places(&rows[i - 1], &rows[i]) < 0;
	if (!sorted)
		qsort(rows, n, sizeof(RowPlace), compare_places);
	*count = n;
	return rows;
}

static uint32
home_of(const Build *build, const RowPlace *row)
{
	return ItemPointerGetBlockNumber(&row->tid) / build->meta.revmap_span;
}

static void
fill_revmap_page(Build *build, VsHnswRevmapPage *page, const RowPlace *rows,
				 Size n)
{
	page->count = (uint32) n;
	for (Size i = 0; i < n; i++)
	{
		page->entry[i].block = (uint16)
			(ItemPointerGetBlockNumber(&rows[i].tid) % build->meta.revmap_span);
		page->entry[i].offset = ItemPointerGetOffsetNumber(&rows[i].tid);
		page->entry[i].node = rows[i].node;
	}
}

/*
 * Write the revmap's home pages, or, with continuations, the pages that hold
 * what did not fit those.
 */
static void
write_revmap(Build *build, const RowPlace *rows, Size nrows, bool continuations)
{
	PageWriter	writer = {build,
		continuations ? VS_SPACE_REVMAP_MORE : VS_SPACE_REVMAP,
	GetAccessStrategy(BAS_BULKWRITE), InvalidBuffer};
	uint32		more = 0;
	Size		at = 0;

	for (uint32 home = 0; at < nrows; home++)
	{
		VsHnswRevmapPage *page = NULL;
		Size		end = at;

		while (end < nrows && home_of(build, &rows[end]) == home)
			end++;
		for (bool first = true; first || at < end; first = false)
		{
			Size		n = Min(end - at, VS_HNSW_REVMAP_PER_PAGE);

			if (first != continuations)
			{
				page = (VsHnswRevmapPage *) next_page(&writer);
				fill_revmap_page(build, page, rows + at, n);
			}
			at += n;
			if (at < end)
			{
				if (first != continuations)
					page->more = more;
				more++;
			}
		}
	}
	finish_page(&writer);
	if (continuations)
		build->meta.space[VS_SPACE_REVMAP_MORE].next_id = more;
}

/* Write and log the whole index, and let go of the graph. */
static void
write_graph(Build *build)
{
	RowPlace   *rows;
	Size		nrows;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, VS_HNSW_PHASE_WRITE);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, build->n);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);
	vs_hnsw_write_metapage(build->index, MAIN_FORKNUM, &build->meta);
	write_nodes(build);
	write_cells(build);
	rows = sorted_rows(build, &nrows);
	write_revmap(build, rows, nrows, false);
	write_revmap(build, rows, nrows, true);
	vs_hnsw_write_metapage(build->index, MAIN_FORKNUM, &build->meta);

	if (RelationNeedsWAL(build->index))
	{
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, VS_HNSW_PHASE_LOG);
		log_newpage_range(build->index, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(build->index), true);
	}
	MemoryContextReset(build->context);
}

/* ------------------------------------------------------------------------
 * The build
 * ------------------------------------------------------------------------ */

/* What an index on this column can be like; errors if there is none. */
static void
plan_meta(Build *build)
{
	const VsMetric *metric = vs_hnsw_metric(build->index);
	int			dims = TupleDescAttr(RelationGetDescr(build->index), 0)->atttypmod;
	int			m = vs_hnsw_option_m(build->index);
	int			ef_construction = vs_hnsw_option_ef_construction(build->index);
	VsHnswLayout layout;

	if (dims < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column does not have dimensions"),
				 errhint("Give the column's type its dimensions, as in %s(100).",
						 metric->type_name)));
	if (dims > metric->max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column cannot have more than %d dimensions for hnsw index",
						metric->max_dims)));
	if (ef_construction < 2 * m)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ef_construction must be greater than or equal to 2 * m")));
	if (!vs_hnsw_plan_layout(dims, metric->kind, m, 0, VS_HNSW_PAGE_SPACE, &layout))
		elog(ERROR, "no page layout for %d dimensions", dims);

	vs_hnsw_meta_init(&build->meta, &layout, m, ef_construction,
					  vs_hnsw_revmap_span(build->heap, dims));
	build->ix.rel = build->index;
	build->ix.metric = metric;
	build->ix.meta = &build->meta;
	build->ix.layout = &build->meta.layout;
	if (layout.rotated)
	{
		float	   *signs = palloc(VS_ROTATE_SIGNS(dims));

		vs_rotate_signs(dims, build->meta.seed, signs);
		build->ix.signs = signs;
	}
}

/* The graph has taken all the memory it may: go on with single insertions. */
static void
switch_to_insertions(Build *build)
{
	ereport(NOTICE,
			(errmsg("hnsw graph no longer fits into maintenance_work_mem after %u tuples",
					build->n),
			 errdetail("Building will take significantly more time."),
			 errhint("Increase maintenance_work_mem to speed up builds.")));
	write_graph(build);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, VS_HNSW_PHASE_INSERT);
	build->written = vs_hnsw_open(build->index);
}

static void
build_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
			   bool alive, void *state)
{
	Build	   *build = (Build *) state;
	MemoryContext old;

	if (isnull[0])
		return;
	if (build->written == NULL &&
		(build->n == build->room || build->ntwins == build->room))
		switch_to_insertions(build);

	old = MemoryContextSwitchTo(build->row_context);
	if (vs_hnsw_value_load(&build->ix, vs_hnsw_detoast(&build->ix, values[0]),
						   build->value))
	{
		if (build->written)
			vs_hnsw_insert_row(build->written, build->value, tid);
		else
			add_to_graph(build, tid);
		build->index_tuples++;
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
									 (int64) build->index_tuples);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);
}

IndexBuildResult *
vs_hnsw_build(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	Build	   *build = palloc0(sizeof(Build));
	const VsHnswLayout *layout = &build->meta.layout;

	build->heap = heap;
	build->index = index;
	build->info = info;
	plan_meta(build);

	build->codec = layout->codec == VS_CODEC_INT8 ? VS_CODEC_FLOAT16 :
		(VsCodec) layout->codec;
	build->row_size = layout->dims * VS_CODEC_WIDTH(build->codec);
	build->value = vs_hnsw_value_new(&build->ix);
	build->scratch = palloc(sizeof(float) * layout->dims);
	build->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build",
										   ALLOCSET_DEFAULT_SIZES);
	build->row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "hnsw build row",
											   ALLOCSET_DEFAULT_SIZES);
	alloc_graph(build);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, VS_HNSW_PHASE_LOAD);
	result->heap_tuples = table_index_build_scan(heap, index, info, true, true,
												 build_callback, build, NULL);
	if (build->written == NULL)
		write_graph(build);
	result->index_tuples = build->index_tuples;

	MemoryContextDelete(build->row_context);
	MemoryContextDelete(build->context);
	return result;
}

/* The init fork of an unlogged index: an index without rows. */
void
vs_hnsw_buildempty(Relation index)
{
	Build		build = {.index = index};

	build.heap = table_open(index->rd_index->indrelid, NoLock);
	plan_meta(&build);
	vs_hnsw_write_metapage(index, INIT_FORKNUM, &build.meta);
	table_close(build.heap, NoLock);
}
