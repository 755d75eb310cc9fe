/*
 * hnsw_build.c
 *		Builds an index from the rows of a table.
 *
 * Every process of a build scans its share of the table and adds the rows to
 * the graph in memory.  Then the leader decides which pages there will be,
 * all write and log pages of nodes, and the leader the others.  What the
 * leader does alone stands between two phases of a barrier.
 *
 * When there is no more memory, that is done at once, and the remaining rows
 * are inserted one by one, by all processes.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw_build.h"

/* ------------------------------------------------------------------------
 * Plans
 * ------------------------------------------------------------------------ */

/* What an index on this column can be like; errors if there is none. */
void
vs_build_plan_meta(Relation heap, Relation index, VsHnswMeta *meta)
{
	VsHnswColumns *columns = vs_hnsw_columns(index);
	const VsMetric *metric = vs_hnsw_metric(index);
	int			dims = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
	int			m = vs_hnsw_option_m(index);
	int			ef_construction = vs_hnsw_option_ef_construction(index);
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
	if (!vs_hnsw_plan_layout(dims, metric->kind, m, columns->bytes,
							 VS_HNSW_PAGE_SPACE, &layout))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("no room for %d filter columns of %d bytes beside %d dimensions in a page",
						columns->n, columns->bytes, dims)));
	vs_hnsw_meta_init(meta, &layout, m, ef_construction,
					  vs_hnsw_revmap_span(heap, &layout));
	pfree(columns);
}

/* ------------------------------------------------------------------------
 * A process
 * ------------------------------------------------------------------------ */

/* Make a process ready for work at a graph. */
void
vs_build_open(VsBuild *build, Relation heap, Relation index, IndexInfo *info,
			  VsBuildShared *shared)
{
	const VsHnswLayout *layout = &shared->meta.layout;
	MemoryContext old;

	memset(build, 0, sizeof(*build));
	build->heap = heap;
	build->index = index;
	build->info = info;
	build->shared = shared;
	build->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw build",
										   ALLOCSET_DEFAULT_SIZES);
	build->row_context = AllocSetContextCreate(build->context,
											   "hnsw build row",
											   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(build->context);
	build->ix.rel = index;
	build->ix.metric = vs_hnsw_metric(index);
	build->ix.columns = vs_hnsw_columns(index);
	build->ix.meta = &shared->meta;
	build->ix.layout = layout;
	if (layout->rotated)
	{
		float	   *signs = palloc(VS_ROTATE_SIGNS(layout->dims));

		vs_rotate_signs(layout->dims, shared->meta.seed, signs);
		build->ix.signs = signs;
	}
	build->value = vs_hnsw_value_new(&build->ix);
	build->graph = vs_build_graph_open(&build->ix, shared);
	MemoryContextSwitchTo(old);
}

static void
arrive(VsBuild *build)
{
	if (build->shared->parallel)
		BarrierArriveAndWait(&build->shared->barrier, PG_WAIT_EXTENSION);
}

static void
tell_that_memory_ended(VsBuildShared *shared)
{
	ereport(NOTICE,
			(errmsg("hnsw graph no longer fits into %s after %u tuples",
					shared->short_of_shared ? "shared memory" :
					"maintenance_work_mem",
					pg_atomic_read_u32(&shared->nodes.used)),
			 errdetail("Building will take significantly more time."),
			 shared->short_of_shared ?
			 errhint("Give the machine more shared memory, or set max_parallel_maintenance_workers to 0.") :
			 errhint("Increase maintenance_work_mem to speed up builds.")));
}

static void
tell_phase(int phase, double tuples)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 (int64) tuples);
}

/* Leave the graph, which is written. */
static void
close_graph(VsBuild *build)
{
	MemoryContext old = MemoryContextSwitchTo(build->context);

	vs_build_close_chunks(build->graph);
	build->graph = NULL;
	build->written = vs_hnsw_open(build->index);
	MemoryContextSwitchTo(old);
	if (build->leader && build->shared->full)
		tell_phase(VS_HNSW_PHASE_INSERT, build->shared->plan.rows);
}

/*
 * Write the index, together with all other processes: to be called once, when
 * this process has no more rows or no more memory.  phase is what the barrier
 * was in when the process came.
 */
void
vs_build_finish(VsBuild *build, VsBuildPhase phase)
{
	if (phase == VS_BUILD_LOAD)
		arrive(build);
	if (phase <= VS_BUILD_PREPARE)
	{
		if (build->leader)
		{
			if (build->shared->full)
				tell_that_memory_ended(build->shared);
			vs_build_prepare_pages(build);
		}
		arrive(build);
	}
	if (phase <= VS_BUILD_WRITE)
	{
		vs_build_write_nodes(build);
		arrive(build);
	}
	if (phase <= VS_BUILD_FINISH)
	{
		if (build->leader)
			vs_build_write_rest(build);
		arrive(build);
	}
	close_graph(build);
}

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------ */

/*
 * Insert a row into the written index.  Processes of one build do not exclude
 * each other by the server's locks, so that a node that may become the entry
 * needs ours, too.
 */
static void
insert_row(VsBuild *build, const ItemPointerData *tid)
{
	VsBuildShared *shared = build->shared;
	bool		high = shared->parallel &&
	vs_hnsw_level_of(&build->ix, tid) > (int) build->written->meta->entry_level;

	if (high)
		LWLockAcquire(&shared->entry_lock, LW_EXCLUSIVE);
	vs_hnsw_insert_row(build->written, build->value, tid);
	if (high)
		LWLockRelease(&shared->entry_lock);
}

static void
add_row(VsBuild *build, const ItemPointerData *tid)
{
	if (build->written == NULL &&
		!vs_build_graph_add(build->graph, build->value, tid))
		vs_build_finish(build, VS_BUILD_LOAD);
	if (build->written != NULL)
		insert_row(build, tid);
}

static void
build_callback(Relation index, ItemPointer tid, Datum *values, bool *isnull,
			   bool alive, void *state)
{
	VsBuild    *build = (VsBuild *) state;
	VsBuildShared *shared = build->shared;
	MemoryContext old;
	uint64		done;

	if (build->written == NULL && *(volatile bool *) &shared->full)
		vs_build_finish(build, VS_BUILD_LOAD);

	old = MemoryContextSwitchTo(build->row_context);
	if (vs_hnsw_row_load(&build->ix, values, isnull, build->value))
	{
		add_row(build, tid);
		done = pg_atomic_add_fetch_u64(&shared->index_tuples, 1);
		if (build->leader)
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
										 (int64) done);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);
}

/*
 * Work at the rows of a scan, or of the whole table if it is NULL.  Returns
 * the number of heap rows that were seen.
 */
double
vs_build_scan(VsBuild *build, TableScanDesc scan, bool progress)
{
	return table_index_build_scan(build->heap, build->index, build->info,
								  true, progress, build_callback, build, scan);
}

/* ------------------------------------------------------------------------
 * The build
 * ------------------------------------------------------------------------ */

/* How many rows there may be, from the size of the table. */
static double
expected_rows(Relation heap)
{
	BlockNumber pages;
	double		tuples;
	double		allvisible;

	estimate_rel_size(heap, NULL, &pages, &tuples, &allvisible);
	return tuples;
}

/* Build with this process alone. */
static void
build_alone(Relation heap, Relation index, IndexInfo *info,
			const VsHnswMeta *meta, const VsBuildPlan *plan,
			IndexBuildResult *result)
{
	VsBuildShared *shared =
	palloc(vs_build_shared_size(plan, meta->layout.dims));
	VsBuild		build;

	vs_build_shared_init(shared, meta, plan, false);
	vs_build_open(&build, heap, index, info, shared);
	build.leader = true;
	result->heap_tuples = vs_build_scan(&build, NULL, true);
	if (build.written == NULL)
		vs_build_finish(&build, VS_BUILD_LOAD);
	result->index_tuples = pg_atomic_read_u64(&shared->index_tuples);
	MemoryContextDelete(build.context);
	pfree(shared);
}

IndexBuildResult *
vs_hnsw_build(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc0(sizeof(IndexBuildResult));
	VsHnswMeta *meta = palloc(sizeof(VsHnswMeta));
	VsBuildPlan plan;

	vs_build_plan_meta(heap, index, meta);
	vs_build_plan(&meta->layout, (Size) maintenance_work_mem * 1024,
				  expected_rows(heap), &plan);
	tell_phase(VS_HNSW_PHASE_LOAD, plan.rows);
	if (!vs_build_parallel(heap, index, info, meta, &plan, result))
		build_alone(heap, index, info, meta, &plan, result);
	pfree(meta);
	return result;
}

/* The init fork of an unlogged index: an index without rows. */
void
vs_hnsw_buildempty(Relation index)
{
	Relation	heap = table_open(index->rd_index->indrelid, NoLock);
	VsHnswMeta *meta = palloc(sizeof(VsHnswMeta));

	vs_build_plan_meta(heap, index, meta);
	vs_hnsw_write_metapage(index, INIT_FORKNUM, meta);
	pfree(meta);
	table_close(heap, NoLock);
}
