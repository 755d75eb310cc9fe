/*
 * hnsw_check.c
 *		hnsw_check: does an index keep to what the README of this folder says?
 *
 * VACUUM is kept out by a lock on the table.  What others may then do to the
 * index meanwhile is to insert: ids are given out, items leave the free lists,
 * rows enter a node and the revmap at once, and nothing is ever taken away.
 * The steps come in an order in which that can not look like damage:
 *
 * 1. The directory: its extents lie in the file, apart from each other.
 * 2. Every page, by itself: its kind, and the fields of what it holds.
 * 3. The lists of free nodes, dead nodes and free cells.  What is met free
 *	  later on must have been on them.
 * 4. Rows: the revmap is read before the nodes, so that what it says is in a
 *	  node must be there; what only the node has is looked up afresh.
 * 5. Cells: each is on the free list or one node's.
 * 6. The entry.
 *
 * A standby can not keep VACUUM out; there, only steps 1 and 2 are taken.
 *
 * No damage, for they happen: links to free and reused slots; two links to one
 * node; a revmap entry that an interrupted VACUUM left behind, if no snapshot
 * can see its row; an entry node that an interrupted VACUUM left dead.
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "hnsw/hnsw_check.h"

/* A heap row and the node it belongs to. */
typedef struct CheckRow
{
	uint32		node;
	ItemPointerData tid;
} CheckRow;

typedef struct CheckRows
{
	CheckRow   *rows;
	Size		n;
	Size		room;
} CheckRows;

typedef struct Check
{
	VsHnswInspect *inspect;
	VsHnsw	   *ix;

	/* ids that were given out when the lists were read */
	uint32		nodes;
	uint32		cells;
	uint8	   *listed_nodes;	/* on the list of free or of dead nodes */
	uint8	   *listed_cells;	/* on the list of free cells */
	uint8	   *used_cells;		/* on a node's list */

	/* step 4, for a range of nodes at a time */
	uint32		first_node;
	uint32		end_node;
	int64		entries;		/* of the revmap */
	CheckRows	revmap;			/* what it says of the range */
	CheckRows	node;			/* rows of one node */
} Check;

/* Report damage of an item in the page that was read last. */
static void damaged(Check *check, const char *format,...)
			__attribute__((format(printf, 2, 3)));

static void
damaged(Check *check, const char *format,...)
{
	char		what[256];
	va_list		args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	vs_hnsw_damaged(check->ix, check->inspect->block, what);
}

/* Was an id given out by now?  For ids that were read before. */
static bool
is_given_out(Check *check, VsHnswSpace space, uint32 id)
{
	const VsHnswSpaceInfo *info = &check->ix->meta->space[space];

	if (id >= info->next_id)
		vs_hnsw_refresh(check->ix);
	return id < info->next_id;
}

/* The same, or none. */
static bool
is_end_or_given_out(Check *check, VsHnswSpace space, uint32 id)
{
	return id == VS_HNSW_INVALID_ID || is_given_out(check, space, id);
}

/* ------------------------------------------------------------------------
 * Step 1: the directory
 * ------------------------------------------------------------------------ */

/* Blocks of an extent. */
typedef struct Run
{
	int64		start;
	int64		end;
} Run;

static int
compare_runs(const void *a, const void *b)
{
	const Run  *x = a;
	const Run  *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The runs of a space, whose extents must follow each other. */
static int
runs_of_space(Check *check, VsHnswSpace space, Run *runs)
{
	const VsHnswMeta *meta = check->ix->meta;
	const VsHnswSpaceInfo *info = &meta->space[space];
	const VsHnswExtent *extent = meta->extent[space];

	if ((info->extents == 0) != (info->pages == 0))
		damaged(check, "Space %d has %u pages in %u extents.", space,
				info->pages, info->extents);
	for (uint32 i = 0; i < info->extents; i++)
	{
		uint32		end = i + 1 < info->extents ? extent[i + 1].first : info->pages;

		if ((i == 0 && extent[i].first != 0) || end <= extent[i].first)
			damaged(check, "Extent %u of space %d has no pages.", i, space);
		runs[i].start = extent[i].start;
		runs[i].end = (int64) extent[i].start + end - extent[i].first;
	}
	return (int) info->extents;
}

/* Ids must have a page, and lists must begin at an id. */
static void
check_space(Check *check, VsHnswSpace space)
{
	const VsHnswSpaceInfo *info = &check->ix->meta->space[space];
	uint64		room = (uint64) info->pages * vs_hnsw_items_per_page(check->ix, space);

	if (info->next_id > room)
		damaged(check, "%u items of space %d do not fit into its %u pages.",
				info->next_id, space, info->pages);
	if (info->free_head != VS_HNSW_INVALID_ID && info->free_head >= info->next_id)
		damaged(check, "The free list of space %d begins at %u, which is no item of it.",
				space, info->free_head);
}

static void
check_directory(Check *check)
{
	const VsHnswMeta *meta = check->ix->meta;
	int64		blocks = RelationGetNumberOfBlocks(check->ix->rel);
	Run		   *runs = palloc(sizeof(Run) * VS_SPACE_COUNT * VS_HNSW_MAX_EXTENTS);
	int64		end = VS_HNSW_METAPAGE + 1;
	int			n = 0;

	check->inspect->block = VS_HNSW_METAPAGE;
	for (int space = 0; space < VS_SPACE_COUNT; space++)
	{
		n += runs_of_space(check, space, runs + n);
		check_space(check, space);
	}
	qsort(runs, n, sizeof(Run), compare_runs);
	for (int i = 0; i < n; i++)
	{
		if (runs[i].start < end)
			damaged(check, "Block " INT64_FORMAT " is in two places of the directory.",
					runs[i].start);
		end = runs[i].end;
	}
	if (end > blocks)
		damaged(check, "The directory goes on to block " INT64_FORMAT " in a file of " INT64_FORMAT " blocks.",
				end - 1, blocks);
	if (meta->layout.metric != check->ix->metric->kind)
		damaged(check, "The metapage is of another distance than the operator class.");
	pfree(runs);
}

/* ------------------------------------------------------------------------
 * Step 2: pages by themselves
 * ------------------------------------------------------------------------ */

/* A heap row's address must be one. */
static bool
is_row(const ItemPointerData *tid)
{
	return ItemPointerIsValid(tid) &&
		ItemPointerGetBlockNumberNoCheck(tid) != InvalidBlockNumber;
}

static void
check_links(Check *check, uint32 id, const VsHnswSlot *slot, int level)
{
	const VsHnswLayout *layout = check->ix->layout;
	int			start = vs_hnsw_links_start(layout, level);

	if (level > slot->level && slot->nlinks[level] > 0)
		damaged(check, "Node %u has links of level %d, above its own.", id, level);
	for (int i = start; i < start + slot->nlinks[level]; i++)
	{
		uint32		to = vs_slot_ids(layout, slot)[i];

		if (!is_given_out(check, VS_SPACE_NODE, to))
			damaged(check, "Node %u has a link to node %u, which does not exist.", id, to);
		if (isnan(vs_bfloat_to_float(vs_slot_bases(layout, slot)[i])) ||
			isnan(vs_bfloat_to_float(vs_slot_factors(layout, slot)[i])))
			damaged(check, "Node %u has a link to node %u that has no price.", id, to);
	}
}

static void
check_slot(Check *check, uint32 id, const VsHnswSlot *slot)
{
	bool		lives = slot->state == VS_NODE_LIVE;

	if (lives ? !is_row(&slot->tid) : ItemPointerIsValid(&slot->tid))
		damaged(check, lives ? "Node %u lives without a heap row." :
				"Node %u has a heap row and does not live.", id);
	if (!lives && slot->cells != VS_HNSW_INVALID_ID)
		damaged(check, "Node %u has cells and does not live.", id);
	if (lives && slot->next != VS_HNSW_INVALID_ID)
		damaged(check, "Node %u lives and is part of a list.", id);
	if (!is_end_or_given_out(check, VS_SPACE_NODE, slot->next))
		damaged(check, "Node %u is followed by node %u, which does not exist.",
				id, slot->next);
	if (!is_end_or_given_out(check, VS_SPACE_CELL, slot->cells))
		damaged(check, "Node %u has cell %u, which does not exist.", id, slot->cells);
	if (slot->err < 0 || !isfinite(slot->scale) || slot->scale < 0)
		damaged(check, "Node %u has a row of scale %g and error %g.", id,
				slot->scale, slot->err);
	for (int level = 0; level < VS_HNSW_LEVELS; level++)
		check_links(check, id, slot, level);
}

static void
check_node_page(Check *check, Page page, uint32 page_no)
{
	uint32		per_page = check->ix->layout->per_page;

	for (uint32 id = page_no * per_page; id < (page_no + 1) * per_page; id++)
		if (id < check->nodes)
			check_slot(check, id, vs_hnsw_slot_at(check->ix, page, id));
}

static void
check_cell_page(Check *check, Page page, uint32 page_no)
{
	uint32		per_page = vs_hnsw_cells_per_page(check->ix->layout);
	uint32		first = page_no * per_page;

	for (uint32 id = first; id < first + per_page; id++)
	{
		const VsHnswCell *cell = vs_hnsw_cell_at(check->ix, page, id);

		if (id >= check->cells)
			break;
		if (ItemPointerIsValid(&cell->tid) && !is_row(&cell->tid))
			damaged(check, "Cell %u has an impossible heap row.", id);
		if (!is_end_or_given_out(check, VS_SPACE_CELL, cell->next))
			damaged(check, "Cell %u is followed by cell %u, which does not exist.",
					id, cell->next);
	}
}

static void
check_revmap_page(Check *check, Page page)
{
	const VsHnswRevmapPage *map = (VsHnswRevmapPage *) vs_hnsw_page_data(page);

	check->entries += map->count;
	for (uint32 i = 0; i < map->count; i++)
	{
		const VsHnswRevmapEntry *entry = vs_hnsw_entry_at(check->ix->layout, map, i);

		if (entry->block >= check->ix->meta->revmap_span ||
			!OffsetNumberIsValid(entry->offset))
			damaged(check, "Entry %u of the revmap's page is of an impossible heap row.", i);
		if (!is_given_out(check, VS_SPACE_NODE, entry->node))
			damaged(check, "Entry %u of the revmap's page is of node %u, which does not exist.",
					i, entry->node);
		if (i > 0 && i < map->sorted &&
			vs_entry_key(vs_hnsw_entry_at(check->ix->layout, map, i - 1)) >=
			vs_entry_key(entry))
			damaged(check, "Entry %u of the revmap's page is out of order.", i);
	}
	if (!is_end_or_given_out(check, VS_SPACE_REVMAP_MORE, map->more))
		damaged(check, "The revmap goes on in page %u, which does not exist.",
				map->more);
}

static void
check_pages(Check *check, VsHnswSpace space)
{
	uint32		pages = check->ix->meta->space[space].pages;

	for (uint32 page_no = 0; page_no < pages; page_no++)
	{
		Page		page = vs_hnsw_inspect_page(check->inspect, space, page_no);

		switch (space)
		{
			case VS_SPACE_NODE:
				check_node_page(check, page, page_no);
				break;
			case VS_SPACE_CELL:
				check_cell_page(check, page, page_no);
				break;
			case VS_SPACE_REVMAP:
			case VS_SPACE_REVMAP_MORE:
				check_revmap_page(check, page);
				break;
		}
	}
}

/* ------------------------------------------------------------------------
 * Step 3: lists
 * ------------------------------------------------------------------------ */

typedef enum ListKind
{
	LIST_FREE_NODES,
	LIST_DEAD_NODES,
	LIST_FREE_CELLS,
} ListKind;

static const char *const list_name[] = {
	"free nodes", "dead nodes", "free cells"
};

static uint32
head_of_list(Check *check, ListKind kind)
{
	const VsHnswMeta *meta = check->ix->meta;

	vs_hnsw_refresh(check->ix);
	if (kind == LIST_DEAD_NODES)
		return meta->dead_head;
	return meta->space[kind == LIST_FREE_CELLS ? VS_SPACE_CELL : VS_SPACE_NODE].free_head;
}

/* Head of the slot of a node, in inspect->page. */
static const VsHnswSlot *
read_slot(Check *check, uint32 id)
{
	Page		page = vs_hnsw_inspect_page(check->inspect, VS_SPACE_NODE,
											id / check->ix->layout->per_page);

	return vs_hnsw_slot_at(check->ix, page, id);
}

static const VsHnswCell *
read_cell(Check *check, uint32 id)
{
	Page		page = vs_hnsw_inspect_page(check->inspect, VS_SPACE_CELL,
											id / vs_hnsw_cells_per_page(check->ix->layout));

	return vs_hnsw_cell_at(check->ix, page, id);
}

/* Does an item look as if it were on the list?  *next gets what follows it. */
static bool
looks_listed(Check *check, ListKind kind, uint32 id, uint32 *next)
{
	if (kind == LIST_FREE_CELLS)
	{
		const VsHnswCell *cell = read_cell(check, id);

		*next = cell->next;
		return !ItemPointerIsValid(&cell->tid);
	}
	else
	{
		const VsHnswSlot *slot = read_slot(check, id);

		*next = slot->next;
		return slot->state == (kind == LIST_DEAD_NODES ? VS_NODE_DEAD : VS_NODE_FREE);
	}
}

/*
 * Walk a list and note its items.  Who takes from a free list meanwhile takes
 * its head: an item that is not free any more, and those before it, are gone,
 * and the walk goes on at the head.
 */
static void
check_list(Check *check, ListKind kind)
{
	uint32		n = kind == LIST_FREE_CELLS ? check->cells : check->nodes;
	uint8	   *listed = kind == LIST_FREE_CELLS ? check->listed_cells :
	check->listed_nodes;
	uint32		id;

	check->inspect->block = VS_HNSW_METAPAGE;
	id = head_of_list(check, kind);
	while (id != VS_HNSW_INVALID_ID)
	{
		uint32		next;

		if (id >= n)
			damaged(check, "The list of %s leads to %u, which is no item.",
					list_name[kind], id);
		if (vs_bits_has(listed, id))
			damaged(check, "The list of %s leads to %u, which is on a list already.",
					list_name[kind], id);
		if (!looks_listed(check, kind, id, &next))
		{
			uint32		head = head_of_list(check, kind);

			if (kind == LIST_DEAD_NODES || head == id ||
				(head < n && vs_bits_has(listed, head)))
				damaged(check, "The list of %s leads to %u, which is of another kind.",
						list_name[kind], id);
			id = head;
			continue;
		}
		vs_bits_add(listed, id);
		id = next;
	}
}

/* ------------------------------------------------------------------------
 * Step 4: rows
 * ------------------------------------------------------------------------ */

static void
add_row(CheckRows *rows, uint32 node, const ItemPointerData *tid)
{
	if (rows->n == rows->room)
	{
		rows->room = Max(1024, rows->room * 2);
		rows->rows = rows->rows == NULL ?
			MemoryContextAllocHuge(CurrentMemoryContext, rows->room * sizeof(CheckRow)) :
			repalloc_huge(rows->rows, rows->room * sizeof(CheckRow));
	}
	rows->rows[rows->n].node = node;
	rows->rows[rows->n].tid = *tid;
	rows->n++;
}

static int
compare_rows(const void *a, const void *b)
{
	const CheckRow *x = a;
	const CheckRow *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return ItemPointerCompare((ItemPointer) &x->tid, (ItemPointer) &y->tid);
}

/* Sort rows, which must differ. */
static void
sort_rows(Check *check, CheckRows *rows, const char *where)
{
	if (rows->n == 0)
		return;
	qsort(rows->rows, rows->n, sizeof(CheckRow), compare_rows);
	for (Size i = 1; i < rows->n; i++)
		if (compare_rows(&rows->rows[i - 1], &rows->rows[i]) == 0)
			damaged(check, "Heap row (%u,%u) of node %u is twice in %s.",
					ItemPointerGetBlockNumber(&rows->rows[i].tid),
					ItemPointerGetOffsetNumber(&rows->rows[i].tid),
					rows->rows[i].node, where);
}

static void
take_entry(const ItemPointerData *tid, uint32 node, void *arg)
{
	Check	   *check = (Check *) arg;

	if (node >= check->first_node && node < check->end_node)
		add_row(&check->revmap, node, tid);
}

/* Collect the rows of a node; its cells only become more meanwhile. */
static void
take_node_rows(Check *check, uint32 id, const VsHnswSlot *slot)
{
	uint32		cell_id = slot->cells;

	check->node.n = 0;
	if (slot->state != VS_NODE_LIVE)
		return;
	add_row(&check->node, id, &slot->tid);
	while (cell_id != VS_HNSW_INVALID_ID)
	{
		const VsHnswCell *cell;

		/* cells given out since the lists were read are not followed up */
		if (cell_id < check->cells)
		{
			if (vs_bits_has(check->used_cells, cell_id))
				damaged(check, "Cell %u of node %u is in a list already.", cell_id, id);
			vs_bits_add(check->used_cells, cell_id);
		}
		else if (check->node.n > vs_hnsw_max_cells(check->ix))
			damaged(check, "The list of cells of node %u has no end.", id);
		cell = read_cell(check, cell_id);
		if (!is_row(&cell->tid))
			damaged(check, "Cell %u of node %u has no heap row.", cell_id, id);
		add_row(&check->node, id, &cell->tid);
		cell_id = cell->next;
	}
}

/* Has the revmap an entry of the row and node now? */
static bool
revmap_has(Check *check, const CheckRow *row)
{
	VsHnsw	   *ix = check->ix;
	uint32		block = ItemPointerGetBlockNumber(&row->tid);
	VsHnswSpace space = VS_SPACE_REVMAP;
	uint32		page_no = block / ix->meta->revmap_span;

	vs_hnsw_refresh(ix);
	if (page_no >= ix->meta->space[VS_SPACE_REVMAP].pages)
		return false;
	while (page_no != VS_HNSW_INVALID_ID)
	{
		Page		page = vs_hnsw_inspect_page(check->inspect, space, page_no);
		const VsHnswRevmapPage *map = (VsHnswRevmapPage *) vs_hnsw_page_data(page);

		for (uint32 i = 0; i < map->count; i++)
		{
			const VsHnswRevmapEntry *entry = vs_hnsw_entry_at(ix->layout, map, i);

			if (entry->block == block % ix->meta->revmap_span &&
				entry->offset == ItemPointerGetOffsetNumber(&row->tid) &&
				entry->node == row->node)
				return true;
		}
		space = VS_SPACE_REVMAP_MORE;
		page_no = map->more;
	}
	return false;
}

/* Can the current snapshot see a row of the table? */
static bool
row_is_visible(Check *check, const CheckRow *row)
{
	ItemPointerData tid = row->tid;
	Relation	heap = check->inspect->heap;

	return ItemPointerGetBlockNumber(&tid) < RelationGetNumberOfBlocks(heap) &&
		table_index_fetch_tuple_check(heap, &tid, GetActiveSnapshot(), NULL);
}

/* Compare what the revmap says of a node, n sorted rows, with what it has. */
static void
compare_node(Check *check, uint32 id, const CheckRow *said, Size n)
{
	CheckRows  *has = &check->node;
	BlockNumber block = check->inspect->block;
	Size		at = 0;

	sort_rows(check, has, "the node");
	for (Size i = 0; i < n || at < has->n;)
	{
		int			order = i == n ? 1 : at == has->n ? -1 :
		compare_rows(&said[i], &has->rows[at]);
		const CheckRow *row = order < 0 ? &said[i] : &has->rows[at];

		if (order < 0 && row_is_visible(check, row))
			damaged(check, "Heap row (%u,%u) is in the revmap but not in its node %u.",
					ItemPointerGetBlockNumber(&row->tid),
					ItemPointerGetOffsetNumber(&row->tid), id);
		if (order > 0 && !revmap_has(check, row))
		{
			check->inspect->block = block;
			damaged(check, "Heap row (%u,%u) of node %u is not in the revmap.",
					ItemPointerGetBlockNumber(&row->tid),
					ItemPointerGetOffsetNumber(&row->tid), id);
		}
		i += order <= 0;
		at += order >= 0;
	}
}

/* Check the nodes of a page, from a copy: reading cells takes its place. */
static void
check_page_rows(Check *check, uint32 page_no, Page copy, Size *at)
{
	uint32		per_page = check->ix->layout->per_page;
	uint32		first = page_no * per_page;

	memcpy(copy, vs_hnsw_inspect_page(check->inspect, VS_SPACE_NODE, page_no),
		   BLCKSZ);
	for (uint32 id = first; id < Min(first + per_page, check->end_node); id++)
	{
		const VsHnswSlot *slot = vs_hnsw_slot_at(check->ix, copy, id);
		Size		start = *at;

		if (slot->state != VS_NODE_LIVE && !vs_bits_has(check->listed_nodes, id))
			damaged(check, "Node %u does not live and is on no list.", id);
		while (*at < check->revmap.n && check->revmap.rows[*at].node == id)
			(*at)++;
		take_node_rows(check, id, slot);
		compare_node(check, id, check->revmap.rows + start, *at - start);
	}
}

/*
 * Check that rows are in nodes as the revmap says.  Nodes are taken in ranges
 * so that the rows of one fit the memory for maintenance.
 */
static void
check_rows(Check *check)
{
	uint32		per_page = check->ix->layout->per_page;
	double		memory = (double) check->entries * sizeof(CheckRow);
	int64		parts = 1 + (int64) (memory / (maintenance_work_mem * 1024.0));
	uint32		pages = (check->nodes + per_page - 1) / per_page;
	uint32		step = pages / parts + 1;
	Page		copy = palloc(BLCKSZ);

	for (uint32 page_no = 0; page_no < pages;)
	{
		uint32		end = Min(page_no + step, pages);
		Size		at = 0;

		check->first_node = page_no * per_page;
		check->end_node = Min(end * per_page, check->nodes);
		check->revmap.n = 0;
		vs_hnsw_revmap_walk(check->ix, take_entry, check);
		check->inspect->block = VS_HNSW_METAPAGE;
		sort_rows(check, &check->revmap, "the revmap");
		for (; page_no < end; page_no++)
			check_page_rows(check, page_no, copy, &at);
	}
	pfree(copy);
}

/* ------------------------------------------------------------------------
 * Steps 5 and 6: cells and the entry
 * ------------------------------------------------------------------------ */

static void
check_cells(Check *check)
{
	for (uint32 id = 0; id < check->cells; id++)
		if (!vs_bits_has(check->listed_cells, id) &&
			!vs_bits_has(check->used_cells, id))
		{
			(void) read_cell(check, id);
			damaged(check, "Cell %u is on no list.", id);
		}
}

static void
check_entry(Check *check)
{
	const VsHnswMeta *meta = check->ix->meta;
	const VsHnswSlot *slot;

	vs_hnsw_refresh(check->ix);
	if (meta->entry == VS_HNSW_INVALID_ID)
		return;
	check->inspect->block = VS_HNSW_METAPAGE;
	if (!is_given_out(check, VS_SPACE_NODE, meta->entry))
		damaged(check, "The entry is node %u, which does not exist.", meta->entry);
	slot = read_slot(check, meta->entry);
	if (slot->state == VS_NODE_FREE || slot->level != meta->entry_level)
		damaged(check, "Node %u is the entry on level %u and has level %u and state %u.",
				meta->entry, meta->entry_level, slot->level, slot->state);
}

/* Steps 3 to 6. */
static void
check_lists_and_rows(Check *check)
{
	check->listed_nodes = vs_bits_new(check->nodes);
	check->listed_cells = vs_bits_new(check->cells);
	check->used_cells = vs_bits_new(check->cells);
	check_list(check, LIST_FREE_NODES);
	check_list(check, LIST_DEAD_NODES);
	check_list(check, LIST_FREE_CELLS);
	check_rows(check);
	check_cells(check);
	check_entry(check);
}

PG_FUNCTION_INFO_V1(vs_hnsw_check);
Datum
vs_hnsw_check(PG_FUNCTION_ARGS)
{
	VsHnswInspect *inspect = vs_hnsw_inspect_open(PG_GETARG_OID(0),
												  VS_USE_MAINTAIN);
	Check		check = {.inspect = inspect,.ix = inspect->ix};
	const VsHnswMeta *meta = inspect->ix->meta;

	check.nodes = meta->space[VS_SPACE_NODE].next_id;
	check.cells = meta->space[VS_SPACE_CELL].next_id;
	check_directory(&check);
	for (int space = 0; space < VS_SPACE_COUNT; space++)
		check_pages(&check, space);
	if (RecoveryInProgress())
		ereport(NOTICE,
				(errmsg("during recovery only the pages by themselves are checked")));
	else
	{
		check_lists_and_rows(&check);
		if (PG_GETARG_BOOL(1))
			vs_hnsw_check_heap(inspect);
	}
	vs_hnsw_inspect_close(inspect);
	PG_RETURN_VOID();
}
