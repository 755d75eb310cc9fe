/*
 * hnsw_build_parallel.c
 *		The leader and the workers of a parallel build.
 *
 * As in the server's own parallel builds, all processes take part in one
 * parallel scan of the table, the leader too.  What they share is VsBuildShared
 * and the chunks of the graph; hnsw_build.c has what each of them does.
 *
 * A process that fails ends the build: a worker's error becomes the leader's,
 * and the server ends the workers of a leader that fails.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "hnsw/hnsw_build.h"
#include "support/shared.h"

#define KEY_SHARED			UINT64CONST(0x7665636842000001)
#define KEY_SCAN			UINT64CONST(0x7665636842000002)
#define KEY_QUERY			UINT64CONST(0x7665636842000003)
#define KEY_WAL_USAGE		UINT64CONST(0x7665636842000004)
#define KEY_BUFFER_USAGE	UINT64CONST(0x7665636842000005)

/* The leader's side. */
typedef struct Team
{
	ParallelContext *context;
	Snapshot	snapshot;
	VsBuildShared *shared;
	ParallelTableScanDesc scan;
	WalUsage   *wal_usage;
	BufferUsage *buffer_usage;
} Team;

/* ------------------------------------------------------------------------
 * The leader
 * ------------------------------------------------------------------------ */

/*
 * Is there as much shared memory as the graph is likely to take?  Says so if
 * not.
 */
static bool
can_share(Relation index, const VsBuildPlan *plan, Size fixed)
{
	Size		likely = Min(vs_build_plan_memory(plan, plan->rows),
							 plan->budget) + fixed;

	if (vs_shared_memory_free() >= likely &&
		vs_shared_memory_is_there(Min(likely, plan->budget / 64 + fixed)))
		return true;
	ereport(NOTICE,
			(errmsg("building index \"%s\" without parallel workers",
					RelationGetRelationName(index)),
			 errdetail("The graph of about %.0f rows takes %zu MB of shared memory, which is not free.",
					   plan->rows, likely / (1024 * 1024)),
			 errhint("Give the machine more shared memory (/dev/shm on Linux).")));
	return false;
}

static void *
add_part(Team *team, uint64 key, Size size)
{
	void	   *part = shm_toc_allocate(team->context->toc, size);

	shm_toc_insert(team->context->toc, key, part);
	return part;
}

static void
estimate_part(Team *team, Size size)
{
	shm_toc_estimate_chunk(&team->context->estimator, size);
	shm_toc_estimate_keys(&team->context->estimator, 1);
}

static const char *
query_text(void)
{
	return debug_query_string ? debug_query_string : "";
}

/* Enter parallel mode and make what is shared. */
static void
begin_team(Team *team, Relation heap, int workers, bool concurrent,
		   const VsHnswMeta *meta, const VsBuildPlan *plan)
{
	Size		size = vs_build_shared_size(plan, meta->layout.dims);
	Size		text = strlen(query_text()) + 1;

	EnterParallelMode();
	team->context = CreateParallelContext("vecsearch", "vs_hnsw_build_worker_main",
										  workers);
	team->snapshot = concurrent ?
		RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;

	estimate_part(team, size);
	estimate_part(team, table_parallelscan_estimate(heap, team->snapshot));
	estimate_part(team, text);
	estimate_part(team, mul_size(sizeof(WalUsage), workers));
	estimate_part(team, mul_size(sizeof(BufferUsage), workers));
	InitializeParallelDSM(team->context);

	team->shared = add_part(team, KEY_SHARED, size);
	vs_build_shared_init(team->shared, meta, plan, true);
	team->shared->heap = RelationGetRelid(heap);
	team->shared->concurrent = concurrent;
	team->scan = add_part(team, KEY_SCAN,
						  table_parallelscan_estimate(heap, team->snapshot));
	table_parallelscan_initialize(heap, team->scan, team->snapshot);
	memcpy(add_part(team, KEY_QUERY, text), query_text(), text);
	team->wal_usage = add_part(team, KEY_WAL_USAGE,
							   mul_size(sizeof(WalUsage), workers));
	team->buffer_usage = add_part(team, KEY_BUFFER_USAGE,
								  mul_size(sizeof(BufferUsage), workers));
}

static void
end_team(Team *team)
{
	for (int i = 0; i < team->context->nworkers_launched; i++)
		InstrAccumParallelQuery(&team->buffer_usage[i], &team->wal_usage[i]);
	if (IsMVCCSnapshot(team->snapshot))
		UnregisterSnapshot(team->snapshot);
	DestroyParallelContext(team->context);
	ExitParallelMode();
}

/*
 * Build with parallel workers.  Returns false, and has done nothing, if there
 * should or can be none.
 */
bool
vs_build_parallel(Relation heap, Relation index, IndexInfo *info,
				  const VsHnswMeta *meta, const VsBuildPlan *plan,
				  IndexBuildResult *result)
{
	int			workers = vs_build_workers(heap, index, info);
	Team		team;
	VsBuild		build;
	VsBuildShared *shared;

	if (workers == 0 ||
		!can_share(index, plan, vs_build_shared_size(plan, meta->layout.dims)))
		return false;

	begin_team(&team, heap, workers, info->ii_Concurrent, meta, plan);
	shared = team.shared;
	shared->index = RelationGetRelid(index);
	BarrierAttach(&shared->barrier);
	LaunchParallelWorkers(team.context);

	vs_build_open(&build, heap, index, info, shared);
	build.leader = true;
	result->heap_tuples =
		vs_build_scan(&build, table_beginscan_parallel(heap, team.scan), true);
	if (build.written == NULL)
		vs_build_finish(&build, VS_BUILD_LOAD);
	BarrierDetach(&shared->barrier);
	WaitForParallelWorkersToFinish(team.context);

	result->heap_tuples += pg_atomic_read_u64(&shared->heap_tuples);
	result->index_tuples = pg_atomic_read_u64(&shared->index_tuples);
	info->ii_BrokenHotChain = info->ii_BrokenHotChain || shared->broken_hot_chain;
	MemoryContextDelete(build.context);
	end_team(&team);
	return true;
}

/* ------------------------------------------------------------------------
 * A worker
 * ------------------------------------------------------------------------ */

/* Work at the graph from the phase on in which the worker came. */
static void
work(VsBuildShared *shared, ParallelTableScanDesc scan, Relation heap,
	 Relation index, VsBuildPhase phase)
{
	IndexInfo  *info = BuildIndexInfo(index);
	VsBuild		build;
	double		heap_tuples;

	info->ii_Concurrent = shared->concurrent;
	vs_build_open(&build, heap, index, info, shared);
	if (phase != VS_BUILD_LOAD)
		vs_build_finish(&build, phase);
	heap_tuples = vs_build_scan(&build, table_beginscan_parallel(heap, scan),
								false);
	if (build.written == NULL)
		vs_build_finish(&build, VS_BUILD_LOAD);
	pg_atomic_fetch_add_u64(&shared->heap_tuples, (int64) heap_tuples);
	if (info->ii_BrokenHotChain)
		shared->broken_hot_chain = true;
	MemoryContextDelete(build.context);
}

extern PGDLLEXPORT void vs_hnsw_build_worker_main(dsm_segment *segment, shm_toc *toc);

void
vs_hnsw_build_worker_main(dsm_segment *segment, shm_toc *toc)
{
	VsBuildShared *shared = shm_toc_lookup(toc, KEY_SHARED, false);
	WalUsage   *wal_usage = shm_toc_lookup(toc, KEY_WAL_USAGE, false);
	BufferUsage *buffer_usage = shm_toc_lookup(toc, KEY_BUFFER_USAGE, false);
	LOCKMODE	heap_lock = shared->concurrent ? ShareUpdateExclusiveLock :
	ShareLock;
	LOCKMODE	index_lock = shared->concurrent ? RowExclusiveLock :
	AccessExclusiveLock;
	int			phase = BarrierAttach(&shared->barrier);
	Relation	heap;
	Relation	index;

	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, false);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	(void) vs_shared_lock_tranche();
	InstrStartParallelQuery();

	heap = table_open(shared->heap, heap_lock);
	index = index_open(shared->index, index_lock);
	work(shared, shm_toc_lookup(toc, KEY_SCAN, false), heap, index,
		 (VsBuildPhase) Min(phase, VS_BUILD_WRITTEN));
	index_close(index, index_lock);
	table_close(heap, heap_lock);

	InstrEndParallelQuery(&buffer_usage[ParallelWorkerNumber],
						  &wal_usage[ParallelWorkerNumber]);
	BarrierDetach(&shared->barrier);
}
