/*
 * hnsw_vacuum.c
 *		Removal of dead rows (ambulkdelete) and repair of the graph.
 *
 * Four passes, each of which leaves a sound index behind:
 *
 * 1. The revmap tells which heap rows are indexed; the dead ones are noted.
 * 2. Their TIDs leave their nodes, then the revmap.  A node without TIDs is
 *	  dead: walks still pass over it, and it is on the dead list.
 * 3. Living nodes that point to dead ones get other neighbors, found through
 *	  the links of the dead.
 * 4. Dead nodes are freed.
 *
 * Whatever still refers to a freed or reused slot does no harm: who arrives
 * there sees what the slot is now, and takes the distance from its row.
 */
#include "postgres.h"

#include "access/genam.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw.h"

typedef struct DeadRow
{
	uint32		node;
	ItemPointerData tid;
} DeadRow;

typedef struct Vacuum
{
	VsHnsw	   *ix;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;

	DeadRow    *rows;			/* dead heap rows of this call */
	Size		nrows;
	Size		room;

	uint32	   *dead;			/* dead nodes, in the order of the dead list */
	uint32		ndead;
	uint8	   *is_dead;		/* the same as bits */
	uint32		nodes;			/* ids that the bits cover */
	MemoryContext node_context; /* reset for each node repaired */
} Vacuum;

/* ------------------------------------------------------------------------
 * Pass 1: which rows are dead
 * ------------------------------------------------------------------------ */

static void
judge_row(const ItemPointerData *tid, uint32 node, void *arg)
{
	Vacuum	   *vacuum = (Vacuum *) arg;
	DeadRow    *row;

	if (!vacuum->callback((ItemPointer) tid, vacuum->callback_state))
	{
		vacuum->stats->num_index_tuples++;
		return;
	}
	if (vacuum->nrows == vacuum->room)
	{
		vacuum->room *= 2;
		vacuum->rows = repalloc_huge(vacuum->rows,
									 vacuum->room * sizeof(DeadRow));
	}
	row = &vacuum->rows[vacuum->nrows++];
	row->tid = *tid;
	row->node = node;
}

/* ------------------------------------------------------------------------
 * Pass 2: TIDs leave their nodes
 * ------------------------------------------------------------------------ */

static int
compare_rows(const void *a, const void *b)
{
	const DeadRow *x = a;
	const DeadRow *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return ItemPointerCompare((ItemPointer) &x->tid, (ItemPointer) &y->tid);
}

/* Is the TID among the dead rows of one node, which are sorted? */
static bool
row_is_dead(const ItemPointerData *tid, const DeadRow *rows, Size nrows)
{
	Size		low = 0;
	Size		high = nrows;

	while (low < high)
	{
		Size		middle = (low + high) / 2;
		int			order = ItemPointerCompare((ItemPointer) tid,
											   (ItemPointer) &rows[middle].tid);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* Put a cell, which is in the change, on the free list; returns its next. */
static uint32
free_cell(VsHnswChange *change, uint32 id)
{
	VsHnswSpaceInfo *cells = &vs_hnsw_change_meta(change)->space[VS_SPACE_CELL];
	VsHnswCell *cell = vs_hnsw_change_cell(change, id);
	uint32		next = cell->next;

	cell->next = cells->free_head;
	ItemPointerSetInvalid(&cell->tid);
	cells->free_head = id;
	return next;
}

/*
 * Replace the first TID of a node while it is dead, by that of its first
 * cell; a node without cells becomes dead.
 */
static void
drop_first_tid(Vacuum *vacuum, uint32 id, const DeadRow *rows, Size nrows)
{
	for (;;)
	{
		VsHnswChange change;
		VsHnswMeta *meta;
		VsHnswSlot *slot;

		vs_hnsw_change_begin(&change, vacuum->ix);
		meta = vs_hnsw_change_meta(&change);
		slot = vs_hnsw_change_slot(&change, id);
		if (slot->state != VS_NODE_LIVE || !row_is_dead(&slot->tid, rows, nrows))
		{
			vs_hnsw_change_abort(&change);
			return;
		}
		if (slot->cells != VS_HNSW_INVALID_ID)
		{
			const VsHnswCell *cell = vs_hnsw_change_cell(&change, slot->cells);

			slot->tid = cell->tid;
			memcpy(vs_slot_columns(slot), vs_cell_columns(cell),
				   vacuum->ix->layout->column_bytes);
			slot->cells = free_cell(&change, slot->cells);
		}
		else
		{
			ItemPointerSetInvalid(&slot->tid);
			slot->state = VS_NODE_DEAD;
			slot->next = meta->dead_head;
			meta->dead_head = id;
		}
		vs_hnsw_change_commit(&change);
	}
}

/* Read a cell without the node's lock: only VACUUM takes cells out. */
static VsHnswCell
peek_cell(VsHnsw *ix, uint32 id)
{
	Buffer		buffer = vs_hnsw_read_page(ix, VS_SPACE_CELL,
										   id / vs_hnsw_cells_per_page(ix->layout));
	VsHnswCell	cell = *vs_hnsw_cell_at(ix, BufferGetPage(buffer), id);

	UnlockReleaseBuffer(buffer);
	return cell;
}

/*
 * Find the cell before another in a list, from a given cell on.  The list is
 * longer than it was, but the cell is in it.
 */
static uint32
cell_before(VsHnsw *ix, uint32 from, uint32 id)
{
	uint32		next = peek_cell(ix, from).next;

	while (next != id)
	{
		CHECK_FOR_INTERRUPTS();
		if (next == VS_HNSW_INVALID_ID)
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("cell %u of index \"%s\" is not in its list",
							id, RelationGetRelationName(ix->rel)),
					 errhint("REINDEX it.")));
		from = next;
		next = peek_cell(ix, from).next;
	}
	return from;
}

/*
 * Take the dead cells out of a node's list.  New cells come in only at its
 * head, so the place reached stays good between the changes.
 */
static void
drop_cells(Vacuum *vacuum, uint32 id, const DeadRow *rows, Size nrows)
{
	VsHnsw	   *ix = vacuum->ix;
	Buffer		buffer;
	uint32		before = VS_HNSW_INVALID_ID;	/* the slot itself */
	uint32		at = vs_hnsw_read_slot(ix, id, &buffer)->cells;
	uint32		seen = 0;

	UnlockReleaseBuffer(buffer);
	while (at != VS_HNSW_INVALID_ID)
	{
		VsHnswCell	cell = peek_cell(ix, at);
		VsHnswChange change;
		VsHnswSlot *slot;
		uint32	   *link;

		vs_vacuum_delay_point();
		if (seen++ > vs_hnsw_max_cells(ix))
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("list of heap rows of node %u of index \"%s\" has no end",
							id, RelationGetRelationName(ix->rel)),
					 errhint("REINDEX it.")));
		if (!row_is_dead(&cell.tid, rows, nrows))
		{
			before = at;
			at = cell.next;
			continue;
		}
		vs_hnsw_change_begin(&change, ix);
		(void) vs_hnsw_change_meta(&change);
		slot = vs_hnsw_change_slot(&change, id);
		link = before == VS_HNSW_INVALID_ID ? &slot->cells :
			&vs_hnsw_change_cell(&change, before)->next;
		if (*link != at)
		{
			/* a new cell came in before it */
			uint32		newcomer = *link;

			vs_hnsw_change_abort(&change);
			before = cell_before(ix, newcomer, at);
			continue;
		}
		*link = free_cell(&change, at);
		at = *link;
		vs_hnsw_change_commit(&change);
	}
}

static void
drop_rows(Vacuum *vacuum)
{
	ItemPointerData *tids;

	if (vacuum->nrows == 0)
		return;
	qsort(vacuum->rows, vacuum->nrows, sizeof(DeadRow), compare_rows);
	for (Size at = 0, end; at < vacuum->nrows; at = end)
	{
		const DeadRow *rows = vacuum->rows + at;

		vs_vacuum_delay_point();
		for (end = at + 1; end < vacuum->nrows; end++)
			if (vacuum->rows[end].node != rows->node)
				break;
		drop_first_tid(vacuum, rows->node, rows, end - at);
		drop_cells(vacuum, rows->node, rows, end - at);
	}

	tids = MemoryContextAllocHuge(CurrentMemoryContext,
								  vacuum->nrows * sizeof(ItemPointerData));
	for (Size i = 0; i < vacuum->nrows; i++)
		tids[i] = vacuum->rows[i].tid;
	vs_hnsw_revmap_remove(vacuum->ix, tids, vacuum->nrows);
	pfree(tids);
	vacuum->stats->tuples_removed += vacuum->nrows;
}

/* ------------------------------------------------------------------------
 * Pass 3: the living get other neighbors
 * ------------------------------------------------------------------------ */

static inline bool
node_is_dead(const Vacuum *vacuum, uint32 id)
{
	return id < vacuum->nodes && (vacuum->is_dead[id / 8] & (1 << (id % 8)));
}

/* Collect the dead list. */
static void
collect_dead(Vacuum *vacuum)
{
	VsHnsw	   *ix = vacuum->ix;
	uint32		room = 1024;

	vs_hnsw_refresh(ix);
	vacuum->ndead = 0;
	vacuum->nodes = ix->meta->space[VS_SPACE_NODE].next_id;
	vacuum->dead = palloc(room * sizeof(uint32));
	vacuum->is_dead =
		MemoryContextAllocExtended(CurrentMemoryContext, vacuum->nodes / 8 + 1,
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 id = ix->meta->dead_head; id != VS_HNSW_INVALID_ID;)
	{
		Buffer		buffer;
		VsHnswSlot *slot;

		vs_vacuum_delay_point();
		slot = vs_hnsw_read_slot(ix, id, &buffer);
		if (slot->state != VS_NODE_DEAD || node_is_dead(vacuum, id))
			vs_hnsw_damaged(ix, BufferGetBlockNumber(buffer),
							"The list of dead nodes is broken.");
		if (vacuum->ndead == room)
		{
			room *= 2;
			vacuum->dead = repalloc_huge(vacuum->dead, (Size) room * sizeof(uint32));
		}
		vacuum->dead[vacuum->ndead++] = id;
		vacuum->is_dead[id / 8] |= 1 << (id % 8);
		id = slot->next;
		UnlockReleaseBuffer(buffer);
	}
}

/* The living node of the highest level. */
static uint32
highest_node(Vacuum *vacuum, uint32 *level)
{
	VsHnsw	   *ix = vacuum->ix;
	uint32		best = VS_HNSW_INVALID_ID;

	for (uint32 id = 0; id < vacuum->nodes; id++)
	{
		Buffer		buffer;
		VsHnswSlot *slot;

		vs_vacuum_delay_point();
		slot = vs_hnsw_read_slot(ix, id, &buffer);
		if (slot->state == VS_NODE_LIVE &&
			(best == VS_HNSW_INVALID_ID || slot->level > *level))
		{
			best = id;
			*level = slot->level;
		}
		UnlockReleaseBuffer(buffer);
		if (best != VS_HNSW_INVALID_ID && *level == ix->layout->max_level)
			break;
	}
	return best;
}

/* If walks start at a dead node, let them start at another. */
static void
replace_entry(Vacuum *vacuum)
{
	VsHnsw	   *ix = vacuum->ix;

	LockPage(ix->rel, VS_HNSW_ENTRY_LOCK, ExclusiveLock);
	vs_hnsw_refresh(ix);
	if (node_is_dead(vacuum, ix->meta->entry))
	{
		uint32		level = 0;
		uint32		id;
		VsHnswChange change;
		VsHnswMeta *meta;

		vacuum->nodes = Min(vacuum->nodes, ix->meta->space[VS_SPACE_NODE].next_id);
		id = highest_node(vacuum, &level);
		vs_hnsw_change_begin(&change, ix);
		meta = vs_hnsw_change_meta(&change);
		meta->entry = id;
		meta->entry_level = level;
		vs_hnsw_change_commit(&change);
	}
	UnlockPage(ix->rel, VS_HNSW_ENTRY_LOCK, ExclusiveLock);
}

/* A node whose links are being replaced, on one level. */
typedef struct Repair
{
	Vacuum	   *vacuum;
	uint32		id;
	int			level;
	const VsHnswSlot *slot;		/* copy */
	float	   *self;
	VsHnswNeighbor *candidates;
	int			n;
	int			room;
} Repair;

/* Take a node into the candidates if it lives, is new and is of the level. */
static void
add_candidate(Repair *repair, uint32 id)
{
	VsHnsw	   *ix = repair->vacuum->ix;
	const VsHnswLayout *layout = ix->layout;
	Buffer		buffer;
	VsHnswSlot *slot;

	if (id == repair->id || repair->n == repair->room ||
		node_is_dead(repair->vacuum, id))
		return;
	for (int i = 0; i < repair->n; i++)
		if (repair->candidates[i].id == id)
			return;
	slot = vs_hnsw_read_slot(ix, id, &buffer);
	if (slot->state == VS_NODE_LIVE && slot->level >= repair->level)
	{
		VsHnswNeighbor *c = &repair->candidates[repair->n++];

		c->id = id;
		c->row = memcpy(palloc(layout->row_size), vs_slot_row(layout, slot),
						layout->row_size);
		c->scale = slot->scale;
		c->distance = vs_hnsw_distance(layout, (VsCodec) layout->codec,
									   repair->self, c->row, c->scale);
	}
	UnlockReleaseBuffer(buffer);
}

/* The links of a level of a node, copied; returns how many. */
static int
copy_links(VsHnsw *ix, uint32 id, int level, uint32 *ids)
{
	Buffer		buffer;
	VsHnswSlot *slot = vs_hnsw_read_slot(ix, id, &buffer);
	int			n = 0;

	if (slot->state != VS_NODE_FREE && slot->level >= level)
	{
		n = slot->nlinks[level];
		memcpy(ids, vs_slot_ids(ix->layout, slot) +
			   vs_hnsw_links_start(ix->layout, level), n * sizeof(uint32));
	}
	UnlockReleaseBuffer(buffer);
	return n;
}

/* Candidates from a search of their own, where the neighborhood has died. */
static void
add_candidates_by_walk(Repair *repair)
{
	VsHnsw	   *ix = repair->vacuum->ix;
	VsHnswWalk *walk = vs_hnsw_walk_new(ix, repair->self);

	vs_hnsw_refresh(ix);
	if (vs_hnsw_walk_descend(walk, repair->level) < repair->level)
		return;
	vs_hnsw_walk_set_ef(walk, ix->meta->ef_construction);
	vs_hnsw_walk_run(walk);
	for (int i = 0; i < walk->nwindow; i++)
		add_candidate(repair, walk->found[walk->window[i].id].id);
}

/*
 * Write the chosen links, unless the level has changed since it was copied.
 */
static bool
write_links(Repair *repair, int n)
{
	VsHnsw	   *ix = repair->vacuum->ix;
	const VsHnswLayout *layout = ix->layout;
	int			start = vs_hnsw_links_start(layout, repair->level);
	float	   *other = palloc(sizeof(float) * layout->dims);
	float	   *scratch = palloc(sizeof(float) * layout->dims);
	VsHnswChange change;
	VsHnswSlot *slot;

	vs_hnsw_change_begin(&change, ix);
	slot = vs_hnsw_change_slot(&change, repair->id);
	if (!vs_hnsw_same_links(layout, slot, repair->slot, repair->level))
	{
		vs_hnsw_change_abort(&change);
		return false;
	}
	for (int i = 0; i < n; i++)
	{
		const VsHnswNeighbor *c = &repair->candidates[i];

		vs_kernels->row_decode[layout->codec] (layout->dims, c->row, c->scale,
											   other);
		vs_hnsw_set_link(ix, slot, start + i, c->id, repair->self, other,
						 scratch);
	}
	slot->nlinks[repair->level] = n;
	vs_hnsw_change_commit(&change);
	return true;
}

/*
 * Replace the dead links of a level: choose among the living links, the
 * living links of the dead ones and, if these are few, the result of a walk.
 */
static bool
repair_level(Repair *repair, const VsHnswSlot *slot)
{
	VsHnsw	   *ix = repair->vacuum->ix;
	const VsHnswLayout *layout = ix->layout;
	int			room = vs_hnsw_links_room(layout, slot->level, repair->level);
	const uint32 *links = vs_slot_ids(layout, slot) +
	vs_hnsw_links_start(layout, repair->level);
	int			nlinks = slot->nlinks[repair->level];
	int			ndead = 0;
	uint32		theirs[UINT8_MAX + 1];
	float	   *scratch;
	int			n;

	for (int i = 0; i < nlinks; i++)
		ndead += node_is_dead(repair->vacuum, links[i]);
	if (ndead == 0)
		return true;

	scratch = palloc(sizeof(float) * layout->dims);
	repair->slot = slot;
	repair->n = 0;
	repair->room = 4 * room + ix->meta->ef_construction;
	repair->candidates = palloc(sizeof(VsHnswNeighbor) * repair->room);
	for (int i = 0; i < nlinks; i++)
		add_candidate(repair, links[i]);
	for (int i = 0; i < nlinks && repair->n < 4 * room; i++)
	{
		if (!node_is_dead(repair->vacuum, links[i]))
			continue;
		n = copy_links(ix, links[i], repair->level, theirs);
		for (int j = 0; j < n && repair->n < 4 * room; j++)
			add_candidate(repair, theirs[j]);
	}
	if (repair->n < room)
		add_candidates_by_walk(repair);

	vs_hnsw_sort_neighbors(repair->candidates, repair->n);
	n = vs_hnsw_select(layout, (VsCodec) layout->codec, repair->candidates,
					   repair->n, room, scratch);
	return write_links(repair, n);
}

/* Replace the dead links of a node on all its levels. */
static void
repair_node(Vacuum *vacuum, uint32 id)
{
	VsHnsw	   *ix = vacuum->ix;
	const VsHnswLayout *layout = ix->layout;
	MemoryContext old = MemoryContextSwitchTo(vacuum->node_context);
	VsHnswSlot *copy = palloc(layout->slot_size + VS_CODE_PAD);
	Repair		repair = {.vacuum = vacuum,.id = id};

	repair.self = palloc(sizeof(float) * layout->dims);
	for (int level = 0; level < VS_HNSW_LEVELS; level++)
	{
		bool		done = false;

		while (!done)
		{
			Buffer		buffer;

			vs_vacuum_delay_point();
			memcpy(copy, vs_hnsw_read_slot(ix, id, &buffer), layout->slot_size);
			UnlockReleaseBuffer(buffer);
			if (copy->state != VS_NODE_LIVE || copy->level < level)
				break;
			vs_kernels->row_decode[layout->codec] (layout->dims,
												   vs_slot_row(layout, copy),
												   copy->scale, repair.self);
			repair.level = level;
			done = repair_level(&repair, copy);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(vacuum->node_context);
}

/*
 * Repair the nodes that point to dead ones.  Most links are mutual, so for a
 * few dead the nodes they point to are looked at; what that misses is stale
 * and harmless.  For many, all nodes are read.
 */
static void
repair_graph(Vacuum *vacuum)
{
	VsHnsw	   *ix = vacuum->ix;
	uint32		pages = vacuum->nodes / ix->layout->per_page + 1;
	uint32		ids[UINT8_MAX + 1];

	if ((uint64) vacuum->ndead * ix->layout->degree >= pages)
	{
		for (uint32 id = 0; id < vacuum->nodes; id++)
			if (!node_is_dead(vacuum, id))
				repair_node(vacuum, id);
		return;
	}
	for (uint32 i = 0; i < vacuum->ndead; i++)
		for (int level = 0; level < VS_HNSW_LEVELS; level++)
		{
			int			n = copy_links(ix, vacuum->dead[i], level, ids);

			for (int j = 0; j < n; j++)
				if (!node_is_dead(vacuum, ids[j]))
					repair_node(vacuum, ids[j]);
		}
}

/* ------------------------------------------------------------------------
 * Pass 4: dead nodes are freed
 * ------------------------------------------------------------------------ */

/* Move the head of the dead list to the free list, as often as it was read. */
static void
free_dead(Vacuum *vacuum)
{
	for (uint32 i = 0; i < vacuum->ndead; i++)
	{
		VsHnswChange change;
		VsHnswMeta *meta;
		VsHnswSlot *slot;

		vs_vacuum_delay_point();
		vs_hnsw_change_begin(&change, vacuum->ix);
		meta = vs_hnsw_change_meta(&change);
		Assert(meta->dead_head == vacuum->dead[i]);
		slot = vs_hnsw_change_slot(&change, vacuum->dead[i]);
		meta->dead_head = slot->next;
		slot->state = VS_NODE_FREE;
		slot->next = meta->space[VS_SPACE_NODE].free_head;
		meta->space[VS_SPACE_NODE].free_head = vacuum->dead[i];
		vs_hnsw_change_commit(&change);
	}
}

/* Passes 3 and 4 for all that is on the dead list, from earlier runs too. */
static void
remove_dead_nodes(Vacuum *vacuum)
{
	collect_dead(vacuum);
	if (vacuum->ndead > 0)
	{
		vacuum->node_context = AllocSetContextCreate(CurrentMemoryContext,
													 "hnsw repair",
													 ALLOCSET_DEFAULT_SIZES);
		replace_entry(vacuum);
		repair_graph(vacuum);
		free_dead(vacuum);
		MemoryContextDelete(vacuum->node_context);
	}
	pfree(vacuum->dead);
	pfree(vacuum->is_dead);
}

/* ------------------------------------------------------------------------
 * Entry points
 * ------------------------------------------------------------------------ */

IndexBulkDeleteResult *
vs_hnsw_bulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				   IndexBulkDeleteCallback callback, void *callback_state)
{
	Vacuum		vacuum = {.callback = callback,.callback_state = callback_state};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;

	old = MemoryContextSwitchTo(context);
	vacuum.ix = vs_hnsw_open(info->index);
	vacuum.stats = stats;
	vacuum.room = 1024;
	vacuum.rows = palloc(vacuum.room * sizeof(DeadRow));
	vs_hnsw_revmap_walk(vacuum.ix, judge_row, &vacuum);
	drop_rows(&vacuum);
	remove_dead_nodes(&vacuum);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}

IndexBulkDeleteResult *
vs_hnsw_vacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only)
		return stats;

	/*
	 * Without a bulk delete there is nothing to remove, but what a cancelled
	 * VACUUM left dead: the next bulk delete sees to that.
	 */
	if (stats == NULL)
	{
		stats = palloc0(sizeof(IndexBulkDeleteResult));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = true;
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	return stats;
}
