/*
 * hnsw_revmap.c
 *		The revmap: which node holds a heap row.
 *
 * A page of the revmap covers revmap_span successive heap blocks and holds an
 * entry for each of their indexed rows, in no order; where they do not fit,
 * pages of VS_SPACE_REVMAP_MORE continue it.  VACUUM finds the dead rows here
 * without touching the nodes of the living, and a filter's bitmap of heap
 * rows becomes a set of nodes.
 *
 * Every heap TID that a node holds is in the revmap: it enters in the same
 * WAL record as it enters the node, and leaves after it left the node.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw.h"

#define REVMAP_PAGE(page)	((VsHnswRevmapPage *) vs_hnsw_page_data(page))

/*
 * Heap blocks a revmap page should cover so that it is about three quarters
 * full: from the rows the heap has, or else from the size of a row.
 */
uint32
vs_hnsw_revmap_span(Relation heap, const VsHnswLayout *layout)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(heap);
	double		rows = heap->rd_rel->reltuples;
	Size		inline_width = layout->dims * sizeof(float4) + 8;
	double		width = inline_width > TOAST_TUPLE_THRESHOLD ?
	TOAST_POINTER_SIZE : inline_width;
	double		per_block = (BLCKSZ - SizeOfPageHeaderData) /
	(width + SizeofHeapTupleHeader + sizeof(ItemIdData) + 16);

	if (blocks > 0 && rows > 0)
		per_block = Max(1.0, rows / blocks);
	return (uint32) Max(1, 0.75 * vs_hnsw_entries_per_page(layout) / per_block);
}

/* Continuations form a list; a list longer than all of them has no end. */
static void
check_progress(VsHnsw *ix, uint32 *steps)
{
	CHECK_FOR_INTERRUPTS();
	if ((*steps)++ > ix->meta->space[VS_SPACE_REVMAP_MORE].pages)
		vs_hnsw_refresh(ix);
	if (*steps > ix->meta->space[VS_SPACE_REVMAP_MORE].pages + 1)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("revmap of index \"%s\" has a list without end",
						RelationGetRelationName(ix->rel)),
				 errhint("REINDEX it.")));
}

/*
 * Find a page with room for one more entry of a heap block, making one if
 * there is none.  Room can be gone again when the change comes, which
 * vs_hnsw_revmap_add tells.  Hold no buffer lock.
 */
VsHnswRevmapPlace
vs_hnsw_revmap_room(VsHnsw *ix, BlockNumber block)
{
	VsHnswRevmapPlace place;
	uint32		home = block / ix->meta->revmap_span;
	uint32		steps = 0;

	vs_hnsw_reserve(ix, VS_SPACE_REVMAP, home + 1);
	place.block = (uint16) (block % ix->meta->revmap_span);
	place.space = VS_SPACE_REVMAP;
	place.page_no = home;
	for (;;)
	{
		Buffer		buffer = vs_hnsw_read_page(ix, place.space, place.page_no);
		uint32		more;
		bool		full;
		VsHnswChange change;
		VsHnswRevmapPage *last;

		more = REVMAP_PAGE(BufferGetPage(buffer))->more;
		full = REVMAP_PAGE(BufferGetPage(buffer))->count ==
			vs_hnsw_entries_per_page(ix->layout);
		UnlockReleaseBuffer(buffer);
		if (!full)
			return place;

		if (more == VS_HNSW_INVALID_ID)
		{
			vs_hnsw_reserve_id(ix, VS_SPACE_REVMAP_MORE);
			vs_hnsw_change_begin(&change, ix);
			more = vs_hnsw_change_new_id(&change, VS_SPACE_REVMAP_MORE);
			if (more == VS_HNSW_INVALID_ID)
			{
				vs_hnsw_change_abort(&change);
				continue;
			}
			last = REVMAP_PAGE(vs_hnsw_change_page(&change, place.space,
												   place.page_no));
			if (last->more != VS_HNSW_INVALID_ID)
			{
				vs_hnsw_change_abort(&change);
				continue;
			}
			last->more = more;
			vs_hnsw_change_commit(&change);
		}
		place.space = VS_SPACE_REVMAP_MORE;
		place.page_no = more;
		check_progress(ix, &steps);
	}
}

/*
 * Add an entry as part of a change.  Returns false, without having changed
 * anything, if the page filled up meanwhile.
 */
bool
vs_hnsw_revmap_add(VsHnswChange *change, const VsHnswRevmapPlace *place,
				   const ItemPointerData *tid, uint32 node, const char *columns)
{
	const VsHnswLayout *layout = change->ix->layout;
	VsHnswRevmapPage *page = REVMAP_PAGE(vs_hnsw_change_page(change, place->space,
															 place->page_no));
	VsHnswRevmapEntry *entry;

	if (page->count == vs_hnsw_entries_per_page(layout))
		return false;
	entry = vs_hnsw_entry_at(layout, page, page->count++);
	entry->block = place->block;
	entry->offset = ItemPointerGetOffsetNumber(tid);
	entry->node = node;
	memcpy(vs_entry_columns(entry), columns, layout->column_bytes);
	if (page->sorted + 1 == page->count &&
		(page->sorted == 0 ||
		 vs_entry_key(vs_hnsw_entry_at(layout, page, page->sorted - 1)) <
		 vs_entry_key(entry)))
		page->sorted++;
	return true;
}

/*
 * Reading: go to a page of the revmap, which must exist, and those that continue
 * it.
 */
void
vs_hnsw_revmap_seek(VsHnswRevmapCursor *cursor, VsHnsw *ix, uint32 home)
{
	cursor->ix = ix;
	cursor->space = VS_SPACE_REVMAP;
	cursor->page_no = home;
	cursor->steps = 0;
}

/*
 * The next page, which is share-locked until it is unlocked, or NULL.  An entry
 * added between two pages may be missed.
 */
const VsHnswRevmapPage *
vs_hnsw_revmap_lock(VsHnswRevmapCursor *cursor)
{
	const VsHnswRevmapPage *page;

	if (cursor->page_no == VS_HNSW_INVALID_ID)
		return NULL;
	check_progress(cursor->ix, &cursor->steps);
	cursor->buffer = vs_hnsw_read_page(cursor->ix, cursor->space, cursor->page_no);
	page = REVMAP_PAGE(BufferGetPage(cursor->buffer));
	cursor->space = VS_SPACE_REVMAP_MORE;
	cursor->page_no = page->more;
	return page;
}

void
vs_hnsw_revmap_unlock(VsHnswRevmapCursor *cursor)
{
	UnlockReleaseBuffer(cursor->buffer);
}

/*
 * Call visit, which may lock what it likes, for every entry of the revmap.  An
 * entry added meanwhile may be missed.
 */
void
vs_hnsw_revmap_walk(VsHnsw *ix, VsHnswRevmapVisit visit, void *arg)
{
	VsHnswRevmapCursor cursor;
	const VsHnswRevmapPage *page;
	VsHnswRevmapPage *copy = palloc(BLCKSZ);
	uint32		pages;

	vs_hnsw_refresh(ix);
	pages = ix->meta->space[VS_SPACE_REVMAP].pages;
	for (uint32 home = 0; home < pages; home++)
	{
		vs_hnsw_revmap_seek(&cursor, ix, home);
		while ((page = vs_hnsw_revmap_lock(&cursor)) != NULL)
		{
			memcpy(copy, page, VS_HNSW_PAGE_SPACE);
			vs_hnsw_revmap_unlock(&cursor);
			vs_vacuum_delay_point();
			for (uint32 i = 0; i < copy->count; i++)
			{
				const VsHnswRevmapEntry *entry = vs_hnsw_entry_at(ix->layout, copy, i);
				ItemPointerData tid;

				ItemPointerSet(&tid, home * ix->meta->revmap_span + entry->block,
							   entry->offset);
				visit(&tid, entry->node, arg);
			}
		}
	}
	pfree(copy);
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

static bool
is_dead(const ItemPointerData *tid, const ItemPointerData *dead, Size ndead)
{
	return bsearch(tid, dead, ndead, sizeof(*dead), compare_tids) != NULL;
}

/* Drop the entries of one page whose rows are dead; logs only if there are. */
static uint32
remove_from_page(VsHnsw *ix, VsHnswSpace space, uint32 page_no, uint32 home,
				 const ItemPointerData *dead, Size ndead)
{
	VsHnswChange change;
	VsHnswRevmapPage *page;
	uint16		kept = 0;
	uint16		sorted = 0;
	uint32		more;
	bool		changed;

	vs_hnsw_change_begin(&change, ix);
	page = REVMAP_PAGE(vs_hnsw_change_page(&change, space, page_no));
	for (uint32 i = 0; i < page->count; i++)
	{
		const VsHnswRevmapEntry *entry = vs_hnsw_entry_at(ix->layout, page, i);
		ItemPointerData tid;

		ItemPointerSet(&tid, home * ix->meta->revmap_span + entry->block,
					   entry->offset);
		if (is_dead(&tid, dead, ndead))
			continue;
		memmove(vs_hnsw_entry_at(ix->layout, page, kept), entry,
				vs_hnsw_entry_size(ix->layout));
		kept++;
		sorted += i < page->sorted;
	}
	changed = kept < page->count;
	page->count = kept;
	page->sorted = sorted;
	more = page->more;
	if (changed)
		vs_hnsw_change_commit(&change);
	else
		vs_hnsw_change_abort(&change);
	return more;
}

/*
 * Drop the entries of dead rows, which get sorted.  Visits only the pages of
 * the heap blocks they are in.
 */
void
vs_hnsw_revmap_remove(VsHnsw *ix, ItemPointerData *dead, Size ndead)
{
	Size		at = 0;

	qsort(dead, ndead, sizeof(*dead), compare_tids);
	while (at < ndead)
	{
		uint32		home = ItemPointerGetBlockNumber(&dead[at]) / ix->meta->revmap_span;
		Size		end = at;
		uint32		steps = 0;
		uint32		more;

		while (end < ndead &&
			   ItemPointerGetBlockNumber(&dead[end]) / ix->meta->revmap_span == home)
			end++;
		more = remove_from_page(ix, VS_SPACE_REVMAP, home, home,
								dead + at, end - at);
		while (more != VS_HNSW_INVALID_ID)
		{
			vs_vacuum_delay_point();
			check_progress(ix, &steps);
			more = remove_from_page(ix, VS_SPACE_REVMAP_MORE, more, home,
									dead + at, end - at);
		}
		at = end;
	}
}
