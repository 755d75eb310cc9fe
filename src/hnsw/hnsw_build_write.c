/*
 * hnsw_build_write.c
 *		Writes a graph in memory to the pages of an index.
 *
 * The leader counts the pages of each space and extends the index by all of
 * them.  Pages are then filled in any order, in the buffer pool, and logged in
 * runs as they are done, while they are still there.
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw_build.h"

/* Pages of nodes that a process claims, and that are logged, at a time. */
#define RUN_PAGES		32

/* ------------------------------------------------------------------------
 * Pages
 * ------------------------------------------------------------------------ */

/* Writes pages of one space, one after the other. */
typedef struct PageWriter
{
	VsBuild    *build;
	VsHnswSpace space;
	BufferAccessStrategy strategy;
	uint32		page_no;		/* the next */
	uint32		unlogged;		/* pages before it that are not logged */
	Buffer		buffer;			/* of the page being filled */
} PageWriter;

static PageWriter
begin_pages(VsBuild *build, VsHnswSpace space, uint32 page_no)
{
	PageWriter	writer = {build, space, NULL, page_no, 0, InvalidBuffer};

	writer.strategy = GetAccessStrategy(BAS_BULKWRITE);
	return writer;
}

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

static BlockNumber
block_of(const PageWriter *writer, uint32 page_no)
{
	return writer->build->shared->meta.extent[writer->space][0].start + page_no;
}

static void
log_pages(PageWriter *writer)
{
	Relation	index = writer->build->index;

	finish_page(writer);
	if (writer->unlogged > 0 && RelationNeedsWAL(index))
		log_newpage_range(index, MAIN_FORKNUM,
						  block_of(writer, writer->page_no - writer->unlogged),
						  block_of(writer, writer->page_no), true);
	writer->unlogged = 0;
}

/* Start the next page of the space; returns its content. */
static char *
next_page(PageWriter *writer)
{
	Page		page;

	finish_page(writer);
	if (writer->unlogged == RUN_PAGES)
		log_pages(writer);
	CHECK_FOR_INTERRUPTS();
	writer->buffer = ReadBufferExtended(writer->build->index, MAIN_FORKNUM,
										block_of(writer, writer->page_no),
										RBM_ZERO_AND_LOCK, writer->strategy);
	page = BufferGetPage(writer->buffer);
	vs_hnsw_page_init(page, writer->space, writer->page_no);
	writer->page_no++;
	writer->unlogged++;
	return vs_hnsw_page_data(page);
}

static void
end_pages(PageWriter *writer)
{
	log_pages(writer);
	FreeAccessStrategy(writer->strategy);
}

/* Give a space its pages, behind those of the spaces before. */
static BlockNumber
plan_space(VsHnswMeta *meta, VsHnswSpace space, uint32 pages, uint32 items,
		   BlockNumber start)
{
	meta->space[space].pages = pages;
	meta->space[space].next_id = items;
	if (pages > 0)
	{
		meta->space[space].extents = 1;
		meta->extent[space][0].first = 0;
		meta->extent[space][0].start = start;
	}
	return start + pages;
}

/* ------------------------------------------------------------------------
 * Rows of the revmap
 * ------------------------------------------------------------------------ */

static int
compare_places(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) &((const VsBuildPlace *) a)->tid,
							  (ItemPointer) &((const VsBuildPlace *) b)->tid);
}

/* All rows of the graph, sorted by TID. */
static void
sort_places(VsBuild *build)
{
	const VsBuildGraph *graph = build->graph;
	uint32		nodes = pg_atomic_read_u32(&build->shared->nodes.used);
	Size		n = (Size) nodes +
	pg_atomic_read_u32(&build->shared->twins.used);
	VsBuildPlace *places = MemoryContextAllocHuge(build->context,
												  Max(n, 1) * sizeof(VsBuildPlace));
	bool		sorted = true;
	Size		at = 0;

	for (uint32 id = 0; id < nodes; id++)
	{
		const VsBuildFar *far = vs_build_far(graph, id);

		places[at++] = (VsBuildPlace)
		{
			far->tid, id, VS_HNSW_INVALID_ID
		};
		for (uint32 twin = far->twins; twin != VS_HNSW_INVALID_ID;
			 twin = vs_build_twin(graph, twin)->next)
			places[at++] = (VsBuildPlace)
		{
			vs_build_twin(graph, twin)->tid, id, twin
		};
	}
	for (Size i = 1; i < n && sorted; i++)
		sorted = compare_places(&places[i - 1], &places[i]) < 0;
	if (!sorted)
		qsort(places, n, sizeof(VsBuildPlace), compare_places);
	build->places = places;
	build->nplaces = n;
}

static uint32
home_of(const VsBuild *build, const VsBuildPlace *place)
{
	return ItemPointerGetBlockNumber(&place->tid) /
		build->shared->meta.revmap_span;
}

static const char *
columns_of(const VsBuildGraph *graph, const VsBuildPlace *place)
{
	if (place->twin != VS_HNSW_INVALID_ID)
		return vs_build_twin(graph, place->twin)->columns;
	return vs_build_columns(graph, vs_build_far(graph, place->node));
}

static void
fill_revmap_page(VsBuild *build, VsHnswRevmapPage *page,
				 const VsBuildPlace *places, Size n)
{
	const VsHnswMeta *meta = &build->shared->meta;

	page->count = page->sorted = (uint16) n;
	for (Size i = 0; i < n; i++)
	{
		VsHnswRevmapEntry *entry = vs_hnsw_entry_at(&meta->layout, page, i);

		entry->block = (uint16) (ItemPointerGetBlockNumber(&places[i].tid) %
								 meta->revmap_span);
		entry->offset = ItemPointerGetOffsetNumber(&places[i].tid);
		entry->node = places[i].node;
		memcpy(vs_entry_columns(entry), columns_of(build->graph, &places[i]),
			   meta->layout.column_bytes);
	}
}

/*
 * Go over the revmap's home pages, or, with continuations, over the pages that
 * hold what did not fit those.  Writes them, if there is a writer, and returns
 * how many there are.
 */
static uint32
write_revmap(VsBuild *build, bool continuations, PageWriter *writer)
{
	uint32		pages = 0;
	uint32		more = 0;
	Size		at = 0;

	for (uint32 home = 0; at < build->nplaces; home++)
	{
		VsHnswRevmapPage *page = NULL;
		Size		end = at;

		while (end < build->nplaces &&
			   home_of(build, &build->places[end]) == home)
			end++;
		for (bool first = true; first || at < end; first = false)
		{
			Size		n = Min(end - at,
								vs_hnsw_entries_per_page(build->graph->layout));
			bool		wanted = first != continuations;

			pages += wanted;
			if (wanted && writer != NULL)
			{
				page = (VsHnswRevmapPage *) next_page(writer);
				fill_revmap_page(build, page, build->places + at, n);
			}
			at += n;
			if (at < end)
			{
				if (wanted && writer != NULL)
					page->more = more;
				more++;
			}
		}
	}
	return pages;
}

/* ------------------------------------------------------------------------
 * Cells
 * ------------------------------------------------------------------------ */

/*
 * Cells stand in the order of their nodes, each node's one after the other.
 * From here on VsBuildFar.twins is the node's first cell.
 */
static void
write_cells(VsBuild *build)
{
	const VsBuildGraph *graph = build->graph;
	uint32		nodes = pg_atomic_read_u32(&build->shared->nodes.used);
	PageWriter	writer = begin_pages(build, VS_SPACE_CELL, 0);
	const VsHnswLayout *layout = graph->layout;
	char	   *page = NULL;
	uint32		cell_id = 0;

	for (uint32 id = 0; id < nodes; id++)
	{
		VsBuildFar *far = vs_build_far(graph, id);
		uint32		twin = far->twins;

		if (twin != VS_HNSW_INVALID_ID)
			far->twins = cell_id;
		while (twin != VS_HNSW_INVALID_ID)
		{
			VsHnswCell *cell;

			if (cell_id % vs_hnsw_cells_per_page(layout) == 0)
				page = next_page(&writer);
			cell = vs_hnsw_cell_in(layout, page, cell_id);
			cell->tid = vs_build_twin(graph, twin)->tid;
			memcpy(vs_cell_columns(cell), vs_build_twin(graph, twin)->columns,
				   layout->column_bytes);
			twin = vs_build_twin(graph, twin)->next;
			cell_id++;
			cell->next = twin != VS_HNSW_INVALID_ID ? cell_id : VS_HNSW_INVALID_ID;
		}
	}
	end_pages(&writer);
}

/* ------------------------------------------------------------------------
 * Nodes
 * ------------------------------------------------------------------------ */

/* Scratch of write_slot: decoded rows. */
typedef struct SlotScratch
{
	float	   *self;
	float	   *other;
	float	   *residual;
} SlotScratch;

/* Decode a node's row; returns it as it is stored. */
static const char *
decode_row(const VsBuildGraph *graph, uint32 id, float *scale, float *out)
{
	const VsHnswLayout *layout = graph->layout;
	const char *row = vs_build_exact_row(graph, id, scale);

	vs_kernels->row_decode[layout->codec] (layout->dims, row, *scale, out);
	return row;
}

static void
prefetch_exact_row(const VsBuildGraph *graph, uint32 id)
{
	float		scale;
	const char *row = vs_build_exact_row(graph, id, &scale);

	for (int at = 0; at < graph->layout->row_size; at += 64)
		__builtin_prefetch(row + at);
}

static void
write_slot(VsBuild *build, uint32 id, VsHnswSlot *slot, SlotScratch *scratch)
{
	const VsBuildGraph *graph = build->graph;
	const VsHnswLayout *layout = graph->layout;
	const VsBuildNear *near = vs_build_near(graph, id);
	VsBuildFar *far = vs_build_far(graph, id);
	VsHnswValue value = {.err = far->err,.columns = vs_build_columns(graph, far)};

	value.row = unconstify(char *, decode_row(graph, id, &value.scale,
											  scratch->self));
	vs_hnsw_slot_init(&build->ix, slot, far->level, &value, &far->tid);
	slot->cells = far->twins;
	for (int level = 0; level <= far->level; level++)
	{
		int			start = vs_hnsw_links_start(layout, level);
		const uint32 *ids = near->ids + start;

		for (int i = 0; i < near->nlinks[level]; i++)
			prefetch_exact_row(graph, ids[i]);
		for (int i = 0; i < near->nlinks[level]; i++)
		{
			float		scale;

			(void) decode_row(graph, ids[i], &scale, scratch->other);
			vs_hnsw_set_link(&build->ix, slot, start + i, ids[i],
							 scratch->self, scratch->other, scratch->residual);
		}
		slot->nlinks[level] = near->nlinks[level];
	}
}

static void
write_node_pages(VsBuild *build, PageWriter *writer, uint32 pages,
				 SlotScratch *scratch)
{
	const VsHnswLayout *layout = build->graph->layout;
	uint32		nodes = pg_atomic_read_u32(&build->shared->nodes.used);

	for (uint32 i = 0; i < pages; i++)
	{
		uint32		first = writer->page_no * layout->per_page;
		char	   *page = next_page(writer);

		for (uint32 k = 0; k < layout->per_page && first + k < nodes; k++)
			write_slot(build, first + k,
					   (VsHnswSlot *) (page + k * layout->slot_size), scratch);
	}
}

/* Write pages of nodes until all are claimed. */
void
vs_build_write_nodes(VsBuild *build)
{
	VsBuildShared *shared = build->shared;
	const VsHnswLayout *layout = build->graph->layout;
	uint32		pages = shared->meta.space[VS_SPACE_NODE].pages;
	PageWriter	writer = begin_pages(build, VS_SPACE_NODE, 0);
	SlotScratch scratch;
	uint32		first;

	vs_build_refresh(build->graph, &build->graph->nodes);
	scratch.self = palloc(sizeof(float) * layout->dims);
	scratch.other = palloc(sizeof(float) * layout->dims);
	scratch.residual = palloc(sizeof(float) * layout->dims);
	while ((first = pg_atomic_fetch_add_u32(&shared->next_page, RUN_PAGES)) < pages)
	{
		if (build->leader)
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
										 (int64) first * layout->per_page);
		writer.page_no = first;
		write_node_pages(build, &writer, Min(RUN_PAGES, pages - first),
						 &scratch);
		log_pages(&writer);
	}
	end_pages(&writer);
	pfree(scratch.self);
	pfree(scratch.other);
	pfree(scratch.residual);
}

/* ------------------------------------------------------------------------
 * The leader
 * ------------------------------------------------------------------------ */

static uint32
pages_for(uint32 items, uint32 per_page)
{
	return items / per_page + (items % per_page > 0);
}

/* Make the index so many blocks large. */
static void
extend_index(VsBuild *build, BlockNumber blocks)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKWRITE);

	for (BlockNumber block = RelationGetNumberOfBlocks(build->index);
		 block < blocks; block++)
	{
		CHECK_FOR_INTERRUPTS();
		ReleaseBuffer(ReadBufferExtended(build->index, MAIN_FORKNUM, P_NEW,
										 RBM_NORMAL, strategy));
	}
	FreeAccessStrategy(strategy);
}

/* Count the pages that there will be, and take them. */
void
vs_build_prepare_pages(VsBuild *build)
{
	VsBuildShared *shared = build->shared;
	VsHnswMeta *meta = &shared->meta;
	uint32		nodes = pg_atomic_read_u32(&shared->nodes.used);
	uint32		twins = pg_atomic_read_u32(&shared->twins.used);
	uint64		entry = pg_atomic_read_u64(&shared->entry);
	BlockNumber end = VS_HNSW_METAPAGE + 1;
	uint32		revmap;
	uint32		more;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, VS_HNSW_PHASE_WRITE);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, nodes);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);
	vs_build_refresh(build->graph, &build->graph->nodes);
	vs_build_refresh(build->graph, &build->graph->twins);
	sort_places(build);
	revmap = write_revmap(build, false, NULL);
	more = write_revmap(build, true, NULL);

	meta->entry = VS_BUILD_ENTRY_ID(entry);
	meta->entry_level = VS_BUILD_ENTRY_LEVEL(entry);
	end = plan_space(meta, VS_SPACE_NODE,
					 pages_for(nodes, meta->layout.per_page), nodes, end);
	end = plan_space(meta, VS_SPACE_CELL,
					 pages_for(twins, vs_hnsw_cells_per_page(&meta->layout)), twins, end);
	end = plan_space(meta, VS_SPACE_REVMAP, revmap, 0, end);
	end = plan_space(meta, VS_SPACE_REVMAP_MORE, more, more, end);

	vs_hnsw_write_metapage(build->index, MAIN_FORKNUM, meta);
	extend_index(build, end);
	write_cells(build);
}

/* Write what is not nodes. */
void
vs_build_write_rest(VsBuild *build)
{
	PageWriter	homes = begin_pages(build, VS_SPACE_REVMAP, 0);
	PageWriter	more = begin_pages(build, VS_SPACE_REVMAP_MORE, 0);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 pg_atomic_read_u32(&build->shared->nodes.used));
	(void) write_revmap(build, false, &homes);
	end_pages(&homes);
	(void) write_revmap(build, true, &more);
	end_pages(&more);
	pfree(build->places);
	vs_hnsw_write_metapage(build->index, MAIN_FORKNUM, &build->shared->meta);
	if (RelationNeedsWAL(build->index))
		log_newpage_range(build->index, MAIN_FORKNUM, VS_HNSW_METAPAGE,
						  VS_HNSW_METAPAGE + 1, true);
}
