/*
 * hnsw_check_heap.c
 *		hnsw_check, second half: is all of the table in the index?
 *
 * The table is read in the order of its blocks, as for a build, with the rows
 * that a snapshot sees.  The revmap has them in the same order, but for those
 * of one home page; these are sorted, one home at a time.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "hnsw/hnsw_check.h"

/* What the revmap says of a row. */
typedef struct HeapEntry
{
	uint32		key;			/* block within the home, line pointer */
	uint32		number;			/* of its image */
} HeapEntry;

typedef struct HeapCheck
{
	VsHnswInspect *inspect;
	float	   *x;				/* scratch: a vector */
	int64		home;			/* page of the revmap whose entries are below,
								 * or -1 */
	HeapEntry  *entries;
	uint32		nentries;
	uint32		room;
	char	   *images;			/* of the entries' filter columns */
	char	   *image;			/* scratch: that of a row */
	MemoryContext row_context;
} HeapCheck;

static int
compare_entries(const void *a, const void *b)
{
	uint32		x = ((const HeapEntry *) a)->key;
	uint32		y = ((const HeapEntry *) b)->key;

	return x < y ? -1 : x > y;
}

static uint32
entry_key(uint32 block, uint32 offset)
{
	return block << 16 | offset;
}

static void
make_room(HeapCheck *check, uint32 entries)
{
	Size		bytes = check->inspect->ix->layout->column_bytes;

	if (entries <= check->room)
		return;
	check->room = 2 * entries;
	check->entries = repalloc_huge(check->entries, check->room * sizeof(HeapEntry));
	check->images = repalloc_huge(check->images, Max(check->room * bytes, 1));
}

/* Take the entries of a home page and its continuations, sorted. */
static void
load_home(HeapCheck *check, uint32 home)
{
	VsHnsw	   *ix = check->inspect->ix;
	Size		bytes = ix->layout->column_bytes;
	VsHnswSpace space = VS_SPACE_REVMAP;
	uint32		page_no = home;

	check->home = home;
	check->nentries = 0;
	if (home >= ix->meta->space[VS_SPACE_REVMAP].pages)
		return;
	while (page_no != VS_HNSW_INVALID_ID)
	{
		Page		page = vs_hnsw_inspect_page(check->inspect, space, page_no);
		const VsHnswRevmapPage *map = (VsHnswRevmapPage *) vs_hnsw_page_data(page);

		make_room(check, check->nentries + map->count);
		for (uint32 i = 0; i < map->count; i++)
		{
			const VsHnswRevmapEntry *entry = vs_hnsw_entry_at(ix->layout, map, i);

			HeapEntry  *to = &check->entries[check->nentries];

			memcpy(check->images + (Size) check->nentries * bytes,
				   vs_entry_columns(entry), bytes);
			to->key = entry_key(entry->block, entry->offset);
			to->number = check->nentries++;
		}
		space = VS_SPACE_REVMAP_MORE;
		page_no = map->more;
	}
	qsort(check->entries, check->nentries, sizeof(HeapEntry), compare_entries);
}

/* Has the index a place for the vector? */
static bool
belongs_in_index(HeapCheck *check, Datum value)
{
	VsHnsw	   *ix = check->inspect->ix;
	const struct varlena *datum = vs_hnsw_detoast(ix, value);
	bool		has_place = ix->metric->load(datum, check->x);

	if ((Pointer) datum != DatumGetPointer(value))
		pfree((Pointer) datum);
	return has_place;
}

/* Are the filter columns those of the row? */
static void
check_columns(HeapCheck *check, const HeapEntry *entry, ItemPointer tid,
			  const Datum *values, const bool *isnull)
{
	const VsHnswColumns *columns = check->inspect->ix->columns;
	MemoryContext old = MemoryContextSwitchTo(check->row_context);

	vs_hnsw_image_make(columns, values, isnull, check->image);
	MemoryContextSwitchTo(old);
	MemoryContextReset(check->row_context);
	if (memcmp(check->image, check->images + (Size) entry->number * columns->bytes,
			   columns->bytes) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has other filter columns of heap row (%u,%u) than table \"%s\"",
						RelationGetRelationName(check->inspect->rel),
						ItemPointerGetBlockNumber(tid),
						ItemPointerGetOffsetNumber(tid),
						RelationGetRelationName(check->inspect->heap)),
				 errhint("REINDEX it.")));
}

/* Callback of the table's scan: a row that is visible and passes predicates. */
static void
check_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		  bool alive, void *arg)
{
	HeapCheck  *check = (HeapCheck *) arg;
	uint32		span = check->inspect->ix->meta->revmap_span;
	BlockNumber block = ItemPointerGetBlockNumber(tid);
	HeapEntry	row = {entry_key(block % span, ItemPointerGetOffsetNumber(tid)), 0};
	const HeapEntry *entry;

	CHECK_FOR_INTERRUPTS();
	if (isnull[0] || !belongs_in_index(check, values[0]))
		return;
	if (check->home != block / span)
		load_home(check, block / span);
	entry = bsearch(&row, check->entries, check->nentries, sizeof(HeapEntry),
					compare_entries);
	if (entry == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("heap row (%u,%u) of table \"%s\" is not in index \"%s\"",
						block, ItemPointerGetOffsetNumber(tid),
						RelationGetRelationName(check->inspect->heap),
						RelationGetRelationName(index)),
				 errhint("REINDEX it.")));
	check_columns(check, entry, tid, values, isnull);
}

/* An old snapshot may see rows that the index was made without. */
static void
check_snapshot(Relation rel, Snapshot snapshot)
{
	if (IsolationUsesXactSnapshot() && rel->rd_index->indcheckxmin &&
		!TransactionIdPrecedes(HeapTupleHeaderGetXmin(rel->rd_indextuple->t_data),
							   snapshot->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("index \"%s\" cannot be checked against the snapshot of this transaction",
						RelationGetRelationName(rel))));
}

static void
check_table(VsHnswInspect *inspect)
{
	HeapCheck	check = {.inspect = inspect,.home = -1,.room = 0};
	IndexInfo  *info = BuildIndexInfo(inspect->rel);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());

	check_snapshot(inspect->rel, snapshot);
	check.x = palloc(sizeof(float) * inspect->ix->layout->dims);
	check.entries = palloc(sizeof(HeapEntry));
	check.images = palloc(1);
	check.image = palloc(inspect->ix->layout->column_bytes);
	check.row_context = AllocSetContextCreate(CurrentMemoryContext, "hnsw check row",
											  ALLOCSET_DEFAULT_SIZES);
	info->ii_Concurrent = true; /* by the scan's snapshot */
	vs_hnsw_refresh(inspect->ix);
	(void) table_index_build_scan(inspect->heap, inspect->rel, info, false,
								  false, check_row, &check,
								  table_beginscan_strat(inspect->heap, snapshot,
														0, NULL, true, false));
	UnregisterSnapshot(snapshot);
	pfree(check.x);
	pfree(check.entries);
	pfree(check.images);
	pfree(check.image);
	MemoryContextDelete(check.row_context);
}

/* How many nodes no link leads to. */
typedef struct Unreached
{
	int64		nodes;
	int64		unreached;
} Unreached;

static void
count_unreached(uint32 id, const VsHnswSlot *slot, bool reached, void *arg)
{
	Unreached  *count = (Unreached *) arg;

	if (slot->state != VS_NODE_LIVE)
		return;
	count->nodes++;
	count->unreached += !reached;
}

void
vs_hnsw_check_heap(VsHnswInspect *inspect)
{
	Unreached	count = {0, 0};

	vs_hnsw_inspect_as_owner(inspect);
	check_table(inspect);
	vs_hnsw_reach(inspect, inspect->ix->meta->space[VS_SPACE_NODE].next_id,
				  count_unreached, &count);
	if (count.unreached > 0)
		ereport(NOTICE,
				(errmsg("no links lead to " INT64_FORMAT " of " INT64_FORMAT " nodes of index \"%s\"",
						count.unreached, count.nodes,
						RelationGetRelationName(inspect->rel)),
				 errdetail("A scan returns their rows after all others.")));
}
