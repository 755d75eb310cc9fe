/*
 * hnsw_insert.c
 *		Insertion of one row.
 *
 * A row whose vector has the self row of a node already joins that node.
 * Otherwise a new node is written whole, with its links and its revmap entry
 * in one WAL record, and then its neighbors are made to point to it, one
 * record each.  What a crash leaves in between is a node that few point to,
 * whose row is dead; VACUUM takes it away.
 */
#include "postgres.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw.h"

/* A row on its way into the index. */
typedef struct Insertion
{
	VsHnsw	   *ix;
	const VsHnswValue *value;
	const ItemPointerData *tid;
	float	   *self;			/* the value's row, decoded */
	float	   *other;			/* scratch: a neighbor's row */
	float	   *scratch;
	int			level;
	uint32		id;				/* once the node is written */
	bool		seek_twin;		/* look for a node to join? */
	VsHnswNeighbor *chosen[VS_HNSW_LEVELS];
	int			nchosen[VS_HNSW_LEVELS];
} Insertion;

/* ------------------------------------------------------------------------
 * Rows that join a node
 * ------------------------------------------------------------------------ */

/* Is the node's row, once it is decoded, that of the value? */
static bool
same_row(Insertion *ins, const VsHnswSlot *slot)
{
	const VsHnswLayout *layout = ins->ix->layout;
	float		maxabs;

	vs_kernels->row_decode[layout->codec] (layout->dims,
										   vs_slot_row(layout, slot),
										   slot->scale, ins->other);
	(void) vs_kernels->residual(layout->dims, ins->self, ins->other,
								ins->scratch, &maxabs);
	return maxabs == 0;
}

/*
 * Add the TID to a node with the same row.  Returns false if the node is not
 * there any more.
 */
static bool
join_node(Insertion *ins, uint32 id)
{
	VsHnsw	   *ix = ins->ix;

	for (;;)
	{
		VsHnswRevmapPlace place =
		vs_hnsw_revmap_room(ix, ItemPointerGetBlockNumber(ins->tid));
		VsHnswChange change;
		uint32		cell_id;
		VsHnswCell *cell;
		VsHnswSlot *slot;

		vs_hnsw_reserve_id(ix, VS_SPACE_CELL);
		vs_hnsw_change_begin(&change, ix);
		(void) vs_hnsw_change_meta(&change);
		slot = vs_hnsw_change_slot(&change, id);
		if (slot->state != VS_NODE_LIVE || !same_row(ins, slot))
		{
			vs_hnsw_change_abort(&change);
			return false;
		}
		cell_id = vs_hnsw_change_new_id(&change, VS_SPACE_CELL);
		if (cell_id == VS_HNSW_INVALID_ID ||
			!vs_hnsw_revmap_add(&change, &place, ins->tid, id,
								ins->value->columns))
		{
			vs_hnsw_change_abort(&change);
			continue;
		}
		cell = vs_hnsw_change_cell(&change, cell_id);
		cell->tid = *ins->tid;
		memcpy(vs_cell_columns(cell), ins->value->columns, ix->layout->column_bytes);
		cell->next = slot->cells;
		slot->cells = cell_id;
		slot->err = Max(slot->err, ins->value->err);
		vs_hnsw_change_commit(&change);
		return true;
	}
}

/* ------------------------------------------------------------------------
 * Rows that become a node
 * ------------------------------------------------------------------------ */

/* Choose the neighbors of one level from what the walk found there. */
static void
choose_neighbors(Insertion *ins, VsHnswWalk *walk, int level)
{
	VsHnsw	   *ix = ins->ix;
	const VsHnswLayout *layout = ix->layout;
	VsHnswNeighbor *neighbor = palloc(sizeof(VsHnswNeighbor) * Max(walk->nwindow, 1));
	int			n = 0;
	char	   *rows;

	for (int i = 0; i < walk->nwindow; i++)
	{
		const VsHnswFound *found = &walk->found[walk->window[i].id];

		if (!found->live || found->id == ins->id)
			continue;
		neighbor[n].id = found->id;
		neighbor[n].distance = found->distance;
		neighbor[n].row = walk->rows + (Size) walk->window[i].id * layout->row_size;
		neighbor[n].scale = found->scale;
		n++;
	}
	vs_hnsw_sort_neighbors(neighbor, n);
	n = vs_hnsw_select(layout, (VsCodec) layout->codec, neighbor, n,
					   vs_hnsw_links_room(layout, ins->level, level),
					   ins->scratch);

	/* the walk's rows are those of one level */
	rows = palloc((Size) Max(n, 1) * layout->row_size);
	for (int i = 0; i < n; i++)
		neighbor[i].row = memcpy(rows + (Size) i * layout->row_size,
								 neighbor[i].row, layout->row_size);
	ins->chosen[level] = neighbor;
	ins->nchosen[level] = n;
}

/*
 * Find neighbors on every level of the new node.  Returns the node to join or
 * the invalid id; *top gets the entry's level, -1 without an entry.
 */
static uint32
find_neighbors(Insertion *ins, int *top)
{
	VsHnsw	   *ix = ins->ix;
	VsHnswWalk *walk = vs_hnsw_walk_new(ix, ins->self);
	int			ef = ix->meta->ef_construction;

	memset(ins->nchosen, 0, sizeof(ins->nchosen));
	walk->seek_twin = ins->seek_twin;
	*top = vs_hnsw_walk_descend(walk, ins->level);
	walk->keep_rows = true;
	for (int level = Min(*top, ins->level); level >= 0; level--)
	{
		vs_hnsw_walk_set_ef(walk, ef);
		vs_hnsw_walk_run(walk);
		if (walk->twin != VS_HNSW_INVALID_ID)
			break;
		choose_neighbors(ins, walk, level);
		if (level > 0)
			vs_hnsw_walk_step_down(walk, ef);
	}
	return walk->twin;
}

/* Fill the links of the new slot, which nobody points to yet. */
static void
link_slot(Insertion *ins, VsHnswSlot *slot)
{
	const VsHnswLayout *layout = ins->ix->layout;

	for (int level = 0; level <= ins->level; level++)
	{
		int			start = vs_hnsw_links_start(layout, level);

		for (int i = 0; i < ins->nchosen[level]; i++)
		{
			const VsHnswNeighbor *neighbor = &ins->chosen[level][i];

			vs_kernels->row_decode[layout->codec] (layout->dims, neighbor->row,
												   neighbor->scale, ins->other);
			vs_hnsw_set_link(ins->ix, slot, start + i, neighbor->id, ins->self,
							 ins->other, ins->scratch);
		}
		slot->nlinks[level] = ins->nchosen[level];
	}
}

/* Write the new node. */
static void
write_node(Insertion *ins)
{
	VsHnsw	   *ix = ins->ix;
	VsHnswSlot *image = palloc0(ix->layout->slot_size + VS_CODE_PAD);

	vs_hnsw_slot_init(ix, image, ins->level, ins->value, ins->tid);
	link_slot(ins, image);
	for (;;)
	{
		VsHnswRevmapPlace place =
		vs_hnsw_revmap_room(ix, ItemPointerGetBlockNumber(ins->tid));
		VsHnswChange change;
		VsHnswSlot *slot;
		uint32		id;

		vs_hnsw_reserve_id(ix, VS_SPACE_NODE);
		vs_hnsw_change_begin(&change, ix);
		id = vs_hnsw_change_new_id(&change, VS_SPACE_NODE);
		if (id == VS_HNSW_INVALID_ID)
		{
			vs_hnsw_change_abort(&change);
			continue;
		}
		slot = vs_hnsw_change_slot(&change, id);
		if (!vs_hnsw_revmap_add(&change, &place, ins->tid, id,
								ins->value->columns))
		{
			vs_hnsw_change_abort(&change);
			continue;
		}
		image->generation = slot->generation + 1;
		memcpy(slot, image, ix->layout->slot_size);
		vs_hnsw_change_commit(&change);
		pfree(image);
		ins->id = id;
		return;
	}
}

/*
 * Make the chosen neighbors point to the new node, on each level at most m of
 * them.  Returns whether any does on level 0.
 */
static bool
link_neighbors(Insertion *ins)
{
	bool		linked = false;

	for (int level = ins->level; level >= 0; level--)
	{
		int			n = Min(ins->nchosen[level], ins->ix->meta->m);

		for (int i = 0; i < n; i++)
		{
			CHECK_FOR_INTERRUPTS();
			if (vs_hnsw_add_backlink(ins->ix, ins->chosen[level][i].id, level,
									 ins->id, ins->self, false) && level == 0)
				linked = true;
		}
	}
	for (int i = 0; i < ins->nchosen[0] && !linked; i++)
		linked = vs_hnsw_add_backlink(ins->ix, ins->chosen[0][i].id, 0,
									  ins->id, ins->self, true);
	return linked;
}

/* Let walks start at the new node.  The entry lock is held. */
static void
set_entry(VsHnsw *ix, uint32 id, int level)
{
	VsHnswChange change;
	VsHnswMeta *meta;

	vs_hnsw_change_begin(&change, ix);
	meta = vs_hnsw_change_meta(&change);
	meta->entry = id;
	meta->entry_level = level;
	vs_hnsw_change_commit(&change);
}

/*
 * Insert a row.  A new node that is higher than the entry, or that finds no
 * living node at all, becomes the entry; that is decided under the entry lock,
 * with the neighbors found under it.
 *
 * The search is repeated if all the neighbors it found died before they could
 * be made to point to the new node.
 */
void
vs_hnsw_insert_row(VsHnsw *ix, const VsHnswValue *value,
				   const ItemPointerData *tid)
{
	Insertion	ins = {.ix = ix,.value = value,.tid = tid};
	int			dims = ix->layout->dims;
	bool		locked = false;
	bool		done = false;

	ins.self = palloc(sizeof(float) * dims);
	ins.other = palloc(sizeof(float) * dims);
	ins.scratch = palloc(sizeof(float) * dims);
	ins.id = VS_HNSW_INVALID_ID;
	ins.seek_twin = true;
	ins.level = vs_hnsw_level_of(ix, tid);
	vs_kernels->row_decode[ix->layout->codec] (dims, value->row, value->scale,
											   ins.self);
	while (!done)
	{
		int			top;
		uint32		twin;
		bool		leads;

		CHECK_FOR_INTERRUPTS();
		vs_hnsw_refresh(ix);
		twin = find_neighbors(&ins, &top);
		leads = ins.level > top || ins.nchosen[0] == 0;
		if (twin != VS_HNSW_INVALID_ID)
			ins.seek_twin = done = join_node(&ins, twin);
		else if (leads && !locked)
		{
			LockPage(ix->rel, VS_HNSW_ENTRY_LOCK, ExclusiveLock);
			locked = true;
		}
		else
		{
			if (ins.id == VS_HNSW_INVALID_ID)
				write_node(&ins);
			ins.seek_twin = false;
			done = link_neighbors(&ins) || leads;
			if (done && leads)
				set_entry(ix, ins.id, ins.level);
		}
	}
	if (locked)
		UnlockPage(ix->rel, VS_HNSW_ENTRY_LOCK, ExclusiveLock);
}

/* What an executor's run of insertions keeps. */
typedef struct InsertCache
{
	VsHnsw	   *ix;
	VsHnswValue *value;
	MemoryContext row_context;
} InsertCache;

bool
vs_hnsw_aminsert(Relation index, Datum *values, bool *isnull, ItemPointer tid,
				 Relation heap, IndexUniqueCheck check_unique,
				 VS_INDEX_UNCHANGED_ARG IndexInfo *info)
{
	InsertCache *cache = (InsertCache *) info->ii_AmCache;
	MemoryContext old;

	if (isnull[0])
		return false;

	old = MemoryContextSwitchTo(info->ii_Context);
	if (cache == NULL)
	{
		cache = palloc(sizeof(InsertCache));
		cache->ix = vs_hnsw_open(index);
		cache->value = vs_hnsw_value_new(cache->ix);
		cache->row_context = AllocSetContextCreate(CurrentMemoryContext,
												   "hnsw insert",
												   ALLOCSET_DEFAULT_SIZES);
		info->ii_AmCache = cache;
	}
	MemoryContextSwitchTo(cache->row_context);
	if (vs_hnsw_row_load(cache->ix, values, isnull, cache->value))
		vs_hnsw_insert_row(cache->ix, cache->value, tid);
	MemoryContextSwitchTo(old);
	MemoryContextReset(cache->row_context);
	return false;
}
