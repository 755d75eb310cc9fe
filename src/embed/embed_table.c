/*
 * embed_table.c
 *		The procedure that fills a column of embeddings.
 *
 * A pass goes through the table once.  The processes at work claim ranges of
 * its blocks from a shared counter.  A process collects rows whose target is
 * NULL until it has a batch, encodes them, updates them and commits.  Nothing
 * is locked while it encodes: a row that was changed meanwhile no longer
 * matches (its target is not NULL any more, or its text has another hash) and
 * is left to the next pass.  Passes are repeated until nothing is left, or
 * one brought nothing.
 *
 * The calling session works like the others, the leader; the others are
 * background workers (embed_worker.c), which run as the same user, with the
 * same settings.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "embed/embed.h"
#include "embed/embed_job.h"

#define MAX_BATCH		100000
#define MAX_WORKERS		1024
#define MAX_PASSES		20
#define NOTICE_EVERY	5000	/* ms */

/* Columns of vecsearch_progress. */
enum
{
	PROGRESS_PID = 1,
	PROGRESS_LEADER,
	PROGRESS_RELATION,
	PROGRESS_SOURCE,
	PROGRESS_TARGET,
	PROGRESS_MODEL,
	PROGRESS_DONE,
	PROGRESS_TOTAL,
	PROGRESS_STARTED,
	PROGRESS_COLUMNS = PROGRESS_STARTED
};

/* A row to be filled. */
typedef struct EmbedRow
{
	ItemPointerData tid;
	uint64		text_hash;
} EmbedRow;

/* One process at work. */
typedef struct Work
{
	VsEmbedJob *job;
	bool		leader;
	SPIPlanPtr	select;
	SPIPlanPtr	update;
	MemoryContext home;			/* outlives all transactions */
	MemoryContext context;		/* of a collection of rows; reset after it */
	int			n;
	int			room;
	EmbedRow   *items;
	VsEncoderInput *inputs;
	int64		slice_tokens;	/* to be encoded between looks at the clock */
	int64		rows_done;		/* by this process, in all passes */
	TimestampTz noticed;		/* when the last NOTICE was sent */
} Work;

static void collect(Work *work, const VsEmbedPlan *plan, uint64 first);
static void encode_and_update(Work *work, int first, int n);

/* ------------------------------------------------------------------------
 * Progress
 * ------------------------------------------------------------------------ */

/*
 * Delete the rows of this session; with others, also those of sessions that
 * are no more.
 */
static void
delete_progress(Oid schema, bool others)
{
	Relation	table = vs_embed_open(schema, "vecsearch_progress",
									  RowExclusiveLock);
	SysScanDesc scan;
	HeapTuple	tuple;

	/* one session at a time cleans up for others */
	others = others && vs_embed_try_lock(table, InvalidOid);
	scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		bool		isnull;
		int			leader = DatumGetInt32(heap_getattr(tuple, PROGRESS_LEADER,
														RelationGetDescr(table), &isnull));

		if (leader == MyProcPid || (others &&
									BackendPidGetProc(leader) == NULL))
			CatalogTupleDelete(table, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(table, NoLock);
}

/* Write the row of this process, in the transaction of its batch. */
static void
write_progress(Work *work)
{
	VsEmbedJob *job = work->job;
	Relation	table = vs_embed_open(job->schema, "vecsearch_progress",
									  RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	old,
				tuple;
	const char *pinned = VS_EMBED_JOB_STRING(job, pinned);
	Datum		values[PROGRESS_COLUMNS];
	bool		nulls[PROGRESS_COLUMNS] = {false};

	values[PROGRESS_PID - 1] = Int32GetDatum(MyProcPid);
	values[PROGRESS_LEADER - 1] = Int32GetDatum(job->leader_pid);
	values[PROGRESS_RELATION - 1] = ObjectIdGetDatum(job->relation);
	values[PROGRESS_SOURCE - 1] =
		CStringGetTextDatum(VS_EMBED_JOB_STRING(job, source));
	values[PROGRESS_TARGET - 1] =
		CStringGetTextDatum(VS_EMBED_JOB_STRING(job, target));
	values[PROGRESS_MODEL - 1] =
		CStringGetTextDatum(pnstrdup(pinned, strcspn(pinned, "@")));
	values[PROGRESS_DONE - 1] = Int64GetDatum(work->rows_done);
	values[PROGRESS_TOTAL - 1] = Int64GetDatum(job->total);
	values[PROGRESS_STARTED - 1] = TimestampTzGetDatum(job->started);
	tuple = heap_form_tuple(RelationGetDescr(table), values, nulls);

	ScanKeyInit(&key, PROGRESS_PID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(MyProcPid));
	scan = systable_beginscan(table, InvalidOid, false, NULL, 1, &key);
	old = systable_getnext(scan);
	if (HeapTupleIsValid(old))
		CatalogTupleUpdate(table, &old->t_self, tuple);
	else
		CatalogTupleInsert(table, tuple);
	systable_endscan(scan);
	table_close(table, NoLock);
	CommandCounterIncrement();
}

/* The leader tells the user, every few seconds. */
static void
notice_progress(Work *work, int64 in_batch)
{
	TimestampTz now = GetCurrentTimestamp();
	VsEmbedJob *job = work->job;
	double		seconds,
				speed;
	int64		done;

	if (!work->leader || !TimestampDifferenceExceeds(work->noticed, now,
													 NOTICE_EVERY))
		return;
	work->noticed = now;
	done = (int64) pg_atomic_read_u64(&job->done) + in_batch;
	seconds = (now - job->started) / 1e6;
	speed = done / seconds;
	ereport(NOTICE,
			(errmsg("embedded " INT64_FORMAT " of " INT64_FORMAT " rows, %.0f rows/s, %.0f s left",
					done, Max(job->total, done), speed,
					speed > 0 ? Max(job->total - done, 0) / speed : 0)));
}

/* ------------------------------------------------------------------------
 * Transactions and statements
 * ------------------------------------------------------------------------ */

/* Commit, and go on in a new transaction. */
static void
next_transaction(Work *work)
{
	MemoryContextSwitchTo(work->home);
	PopActiveSnapshot();
	if (work->leader)
	{
		SPI_commit();
		SPI_start_transaction();
	}
	else
	{
		SPI_finish();
		CommitTransactionCommand();
		StartTransactionCommand();
		SPI_connect();
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(work->home);
}

/* The name of the table, for SQL. */
static char *
quoted_table(VsEmbedJob *job)
{
	char	   *name = get_rel_name(job->relation);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the table was dropped while it was embedded")));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(job->relation)), name);
}

static SPIPlanPtr
prepare(Work *work, const char *sql, int nargs, Oid *types, int options)
{
	MemoryContext old = CurrentMemoryContext;
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, nargs, types, options);

	MemoryContextSwitchTo(old);
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement: %s",
			 SPI_result_code_string(SPI_result));
	if (!work->leader && SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep a statement");
	return plan;
}

/* SPI changes the memory context; this does not. */
static void
execute(SPIPlanPtr plan, Datum *values, int expected)
{
	MemoryContext old = CurrentMemoryContext;
	int			result = SPI_execute_plan(plan, values, NULL, false, 0);

	MemoryContextSwitchTo(old);
	if (result != expected)
		elog(ERROR, "could not execute a statement: %s",
			 SPI_result_code_string(result));
}

static void
prepare_statements(Work *work)
{
	VsEmbedJob *job = work->job;
	const char *table = quoted_table(job);
	const char *source = quote_identifier(VS_EMBED_JOB_STRING(job, source));
	const char *target = quote_identifier(VS_EMBED_JOB_STRING(job, target));
	const char *range = "ctid OPERATOR(pg_catalog.>=) $1 AND ctid OPERATOR(pg_catalog.<) $2";
	const char *set = "ctid OPERATOR(pg_catalog.=) ANY ($1)";
	Oid			select_types[2] = {VS_HAVE_TID_RANGE ? TIDOID : TIDARRAYOID,
	TIDOID};
	Oid			update_types[3] = {TIDOID, vs_extension_vector_type(job->schema),
	INT8OID};

	/* planned for the range in hand: as a range of addresses, that is */
	work->select = prepare(work,
						   psprintf("SELECT ctid, %s::pg_catalog.text FROM ONLY %s WHERE %s AND %s IS NULL AND %s IS NOT NULL",
									source, table, VS_HAVE_TID_RANGE ? range :
									set, target, source),
						   VS_HAVE_TID_RANGE ? 2 : 1, select_types,
						   CURSOR_OPT_CUSTOM_PLAN);
	work->update = prepare(work,
						   psprintf("UPDATE ONLY %s SET %s = $2 WHERE ctid OPERATOR(pg_catalog.=) $1 AND %s IS NULL AND pg_catalog.hashtextextended(%s::pg_catalog.text COLLATE pg_catalog.\"C\", 0) OPERATOR(pg_catalog.=) $3",
									table, target, target, source),
						   3, update_types, 0);
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------ */

static void
check_stop(Work *work)
{
	CHECK_FOR_INTERRUPTS();
	if (!work->leader && pg_atomic_read_u32(&work->job->stop) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("embed_table was stopped")));
	if (work->leader)
		vs_embed_job_check(work->job);
}

/* The plan of the job, in the current memory context; checks the right again. */
static void
job_plan(VsEmbedJob *job, VsEmbedPlan *plan)
{
	vs_embed_plan_pinned(job->schema, VS_EMBED_JOB_STRING(job, pinned),
						 VS_EMBED_JOB_STRING(job, prompt),
						 job->pooled, job->dimensions, plan);
}

/*
 * Collect rows until they make a batch, or more where they are dense.  False
 * at the end of the pass.
 */
static bool
collect_batch(Work *work)
{
	VsEmbedJob *job = work->job;
	VsEmbedPlan plan;

	check_stop(work);
	job_plan(job, &plan);
	work->n = 0;
	work->room = 0;
	while (work->n < job->batch)
	{
		uint64		first = pg_atomic_fetch_add_u64(&job->next, job->claim);

		if (first >= job->blocks)
			return false;
		collect(work, &plan, first);
		check_stop(work);
		notice_progress(work, 0);
	}
	return true;
}

/*
 * Work until the pass is through.  Called in a transaction, connected to SPI;
 * so again at the end.  The rows of a collection are divided into
 * transactions of about equal size.
 */
static void
work_pass(Work *work)
{
	bool		more = true;

	while (more)
	{
		int			parts,
					size;

		MemoryContextSwitchTo(work->context);
		more = collect_batch(work);
		parts = Max((work->n + work->job->batch - 1) / work->job->batch, 1);
		size = (work->n + parts - 1) / parts;
		for (int first = 0; first < work->n; first += size)
		{
			encode_and_update(work, first, Min(size, work->n - first));
			next_transaction(work);
			MemoryContextSwitchTo(work->context);
			check_stop(work);
		}
		MemoryContextSwitchTo(work->home);
		MemoryContextReset(work->context);
	}
}

static Datum
tid_datum(BlockNumber block, OffsetNumber offset)
{
	ItemPointer tid = palloc(sizeof(ItemPointerData));

	ItemPointerSet(tid, block, offset);
	return PointerGetDatum(tid);
}

/* All addresses that rows in a range of blocks can have, as an array. */
static Datum
tid_array(BlockNumber first, BlockNumber end)
{
	int			n = 0;
	Datum	   *elements = palloc(sizeof(Datum) * (end - first) * MaxHeapTuplesPerPage);

	for (BlockNumber block = first; block < end; block++)
		for (int offset = 1; offset <= MaxHeapTuplesPerPage; offset++)
			elements[n++] = tid_datum(block, offset);
	return PointerGetDatum(construct_array(elements, n, TIDOID,
										   sizeof(ItemPointerData), false, TYPALIGN_SHORT));
}

static void
add_item(Work *work, const VsModel *model, const VsEmbedPlan *plan,
		 ItemPointer tid, struct varlena *source)
{
	if (work->n == work->room)
	{
		int			room = Max(work->room * 2, work->job->batch);

		work->items = work->room == 0 ? palloc(sizeof(EmbedRow) * room) :
			repalloc_huge(work->items, sizeof(EmbedRow) * room);
		work->inputs = work->room == 0 ?
			palloc(sizeof(VsEncoderInput) * room) :
			repalloc_huge(work->inputs, sizeof(VsEncoderInput) * room);
		work->room = room;
	}
	work->items[work->n].tid = *tid;
	work->items[work->n].text_hash =
		DatumGetUInt64(hash_any_extended((unsigned char *) VARDATA_ANY(source),
										 VARSIZE_ANY_EXHDR(source), 0));
	vs_embed_tokenize(model, plan, VARDATA_ANY(source),
					  VARSIZE_ANY_EXHDR(source), &work->inputs[work->n]);
	work->n++;
}

/*
 * Take the rows of a claim that are to be filled: their addresses, and the
 * tokens of their texts.
 */
static void
collect(Work *work, const VsEmbedPlan *plan, uint64 first)
{
	VsEmbedJob *job = work->job;
	BlockNumber end = (BlockNumber) Min(first + job->claim,
										(uint64) job->blocks);
	Datum		values[2];
	const VsModel *model;

	if (VS_HAVE_TID_RANGE)
	{
		values[0] = tid_datum((BlockNumber) first, 0);
		values[1] = tid_datum(end, 0);
	}
	else
		values[0] = tid_array((BlockNumber) first, end);
	execute(work->select, values, SPI_OK_SELECT);

	model = vs_model_get(plan->hash);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;
		Datum		tid = SPI_getbinval(row, SPI_tuptable->tupdesc, 1,
										&isnull);
		Datum		value = SPI_getbinval(row, SPI_tuptable->tupdesc, 2,
										  &isnull);
		text	   *source;

		if (isnull)
			continue;
		source = DatumGetTextPP(value);
		add_item(work, model, plan, (ItemPointer) DatumGetPointer(tid),
				 source);
		if ((Pointer) source != DatumGetPointer(value))
			pfree(source);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Vectors of n texts.  Encodes for about half a second at a time, so that
 * there is time for a notice.
 */
static void
encode(Work *work, const VsEmbedPlan *plan, int n,
	   const VsEncoderInput *inputs, Datum *vectors)
{
	const VsModel *model = vs_model_get(plan->hash);

	for (int first = 0, end; first < n; first = end)
	{
		int64		tokens = 0;
		TimestampTz start = GetCurrentTimestamp();

		for (end = first; end < n; end++)
		{
			tokens += inputs[end].count;
			if (tokens > work->slice_tokens && end > first)
				break;
		}
		vs_embed_encode(model, plan, end - first, inputs + first,
						vectors + first);
		if (end < n && !TimestampDifferenceExceeds(start,
												   GetCurrentTimestamp(), 500))
			work->slice_tokens *= 2;
		check_stop(work);
		notice_progress(work, end);
	}
}

static void
encode_and_update(Work *work, int first, int n)
{
	Datum	   *vectors = MemoryContextAllocHuge(work->context,
												 sizeof(Datum) * n);
	VsEmbedPlan plan;
	int64		done = 0;

	job_plan(work->job, &plan);
	encode(work, &plan, n, work->inputs + first, vectors);
	for (int i = 0; i < n; i++)
	{
		EmbedRow   *item = &work->items[first + i];
		Datum		values[3] = {PointerGetDatum(&item->tid), vectors[i],
		Int64GetDatum((int64) item->text_hash)};

		execute(work->update, values, SPI_OK_UPDATE);
		done += SPI_processed;
		pfree(DatumGetPointer(vectors[i]));
	}
	pfree(vectors);
	work->rows_done += done;
	write_progress(work);
	pg_atomic_fetch_add_u64(&work->job->done, done);
}

/* ------------------------------------------------------------------------
 * A worker's part
 * ------------------------------------------------------------------------ */

static void
init_work(Work *work, VsEmbedJob *job, bool leader, MemoryContext home)
{
	memset(work, 0, sizeof(*work));
	work->job = job;
	work->leader = leader;
	work->home = home;
	work->context = AllocSetContextCreate(home, "embed_table batch",
										  ALLOCSET_DEFAULT_SIZES);
	work->slice_tokens = vs_embed_batch_tokens;
	work->noticed = GetCurrentTimestamp();
}

void
vs_embed_job_work(VsEmbedJob *job)
{
	Work		work;

	init_work(&work, job, false, TopMemoryContext);
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	prepare_statements(&work);
	work_pass(&work);
	PopActiveSnapshot();
	SPI_finish();
	CommitTransactionCommand();
}

/* ------------------------------------------------------------------------
 * The leader's part
 * ------------------------------------------------------------------------ */

/* Arguments of the procedure. */
typedef struct Call
{
	Oid			schema;
	Oid			relation;
	char	   *source;
	char	   *target;
	char	   *task;
	char	   *model;
	char	   *instruction;
	int			dimensions;
	int			batch;
	int			workers;
} Call;

static int
ranged_int(FunctionCallInfo fcinfo, int n, const char *what, int max)
{
	int			value = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);

	if (value < 1 || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 1 and %d", what, max)));
	return value;
}

static void
read_call(FunctionCallInfo fcinfo, Call *call)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation, source and target must not be null")));
	call->schema = vs_extension_schema(fcinfo);
	call->relation = PG_GETARG_OID(0);
	call->source = vs_arg_text(fcinfo, 1);
	call->target = vs_arg_text(fcinfo, 2);
	call->task = vs_arg_text(fcinfo, 3);
	call->model = vs_arg_text(fcinfo, 4);
	call->instruction = vs_arg_text(fcinfo, 5);
	call->dimensions = PG_ARGISNULL(6) ? 0 : PG_GETARG_INT32(6) == 0 ? -1 :
		PG_GETARG_INT32(6);
	call->batch = ranged_int(fcinfo, 7, "batch", MAX_BATCH);
	call->workers = ranged_int(fcinfo, 8, "workers", MAX_WORKERS);
}

static void
require_outside_transaction(FunctionCallInfo fcinfo)
{
	CallContext *context = (CallContext *) fcinfo->context;

	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("embed_table cannot run inside a transaction block"),
				 errdetail("It commits after each batch.")));
}

static bool
may(Oid relid, int column, AclMode mode)
{
	return pg_class_aclcheck(relid, GetUserId(), mode) == ACLCHECK_OK ||
		pg_attribute_aclcheck(relid, column, GetUserId(), mode) == ACLCHECK_OK;
}

/*
 * The user may read the source and change the target.  Each statement checks
 * that again; here it is for the note of what the column holds.
 */
static void
check_rights(Relation rel, int source, int target)
{
	Oid			relid = RelationGetRelid(rel);

	if (may(relid, source, ACL_SELECT) && may(relid, target, ACL_UPDATE))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s",
					RelationGetRelationName(rel)),
			 errdetail("embed_table needs SELECT on the source and UPDATE on the target.")));
}

/* Check what is to be done; makes the plan, and notes whose vectors come. */
static void
open_call(const Call *call, VsEmbedPlan *plan)
{
	Relation	rel = try_relation_open(call->relation, AccessShareLock);
	int			source,
				target;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist",
						call->relation)));
	if (rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an ordinary table",
						RelationGetRelationName(rel)),
				 rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ?
				 errhint("Call embed_table for each of its partitions.") : 0));
	source = vs_embed_column_number(rel, call->source);
	target = vs_embed_column_number(rel, call->target);
	check_rights(rel, source, target);
	vs_embed_check_source(rel, source);
	vs_embed_plan(call->schema, call->model, call->task, call->instruction,
				  call->dimensions, plan);
	vs_embed_column_claim(call->schema, rel, target, plan);
	relation_close(rel, NoLock);
}

/* How many rows are to be filled. */
static int64
count_rows(VsEmbedJob *job)
{
	MemoryContext old = CurrentMemoryContext;
	bool		isnull;

	if (SPI_execute(psprintf("SELECT pg_catalog.count(*) FROM ONLY %s WHERE %s IS NULL AND %s IS NOT NULL",
							 quoted_table(job),
							 quote_identifier(VS_EMBED_JOB_STRING(job,
																  target)),
							 quote_identifier(VS_EMBED_JOB_STRING(job,
																  source))),
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count rows");
	MemoryContextSwitchTo(old);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * Begin a pass through the table as it is now.  A claim is about a batch, if
 * all rows of its blocks are to be filled; smaller if there is little to do,
 * so that all processes get some of it.
 */
static void
begin_pass(VsEmbedJob *job, int64 rows, int processes)
{
	Relation	rel = try_relation_open(job->relation, AccessShareLock);
	double		density;
	int64		batch = Min(job->batch, Max(rows / (4 * processes), 1));

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the table was dropped while it was embedded")));
	job->blocks = RelationGetNumberOfBlocks(rel);
	relation_close(rel, AccessShareLock);
	density = job->blocks > 0 ? (double) rows / job->blocks : 1;
	job->claim = (uint32) Max(1, Min(batch / 4 / Max(density, 0.01),
									 VS_HAVE_TID_RANGE ? 1024 : 16));
	pg_atomic_write_u64(&job->next, 0);
}

static VsEmbedCrew *
new_crew(const Call *call, const VsEmbedPlan *plan)
{
	const char *strings[] = {plan->pinned, plan->prompt, call->source,
	call->target};
	VsEmbedCrew *crew = vs_embed_crew_new(strings, call->workers > 1);
	VsEmbedJob *job = vs_embed_crew_job(crew);

	job->schema = call->schema;
	job->relation = call->relation;
	job->pooled = plan->pooled;
	job->dimensions = plan->dim;
	job->batch = call->batch;
	job->started = GetCurrentTimestamp();
	return crew;
}

/* All passes. */
static void
run_passes(Work *work, VsEmbedCrew *crew, const Call *call)
{
	VsEmbedJob *job = work->job;
	int64		rows = count_rows(job);
	int			pass = 0;

	job->total = rows;
	prepare_statements(work);
	while (rows > 0)
	{
		uint64		before = pg_atomic_read_u64(&job->done);
		bool		alone = pass > 0 &&
		rows < (int64) job->batch * call->workers;

		begin_pass(job, rows, call->workers);
		write_progress(work);
		next_transaction(work);
		if (!alone)
			vs_embed_crew_start(crew, call->workers - 1);
		work_pass(work);
		vs_embed_crew_wait(crew);
		vs_embed_job_check(job);
		rows = count_rows(job);
		if (pg_atomic_read_u64(&job->done) == before || ++pass == MAX_PASSES)
			break;
	}
	if (rows > 0)
		ereport(WARNING,
				(errmsg(INT64_FORMAT " rows were not embedded", rows),
				 errdetail("They were changed all the time, or a trigger or a policy keeps them from being updated.")));
}

static void
last_notice(VsEmbedJob *job)
{
	int64		done = (int64) pg_atomic_read_u64(&job->done);
	double		seconds = (GetCurrentTimestamp() - job->started) / 1e6;

	ereport(NOTICE,
			(errmsg("embedded " INT64_FORMAT " rows in %.1f s, %.0f rows/s",
					done, seconds, seconds > 0 ? done / seconds : 0)));
}

/* Mark this session as one whose rows of progress are to be seen. */
static void
lock_progress(Oid schema, LockRelId *lock)
{
	Relation	table = vs_embed_open(schema, "vecsearch_progress",
									  RowExclusiveLock);

	*lock = table->rd_lockInfo.lockRelId;
	LockRelationIdForSession(lock, RowShareLock);
	table_close(table, NoLock);
}

PG_FUNCTION_INFO_V1(vs_embed_table);
Datum
vs_embed_table(PG_FUNCTION_ARGS)
{
	Call		call;
	VsEmbedPlan plan;
	VsEmbedCrew *crew;
	Work		work;
	LockRelId	lock;
	MemoryContext context,
				old;

	require_outside_transaction(fcinfo);
	PreventCommandIfReadOnly("embed_table()");
	context = AllocSetContextCreate(PortalContext, "embed_table",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	read_call(fcinfo, &call);
	open_call(&call, &plan);
	crew = new_crew(&call, &plan);
	init_work(&work, vs_embed_crew_job(crew), true, context);

	PG_TRY();
	{
		if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		MemoryContextSwitchTo(context);
		PushActiveSnapshot(GetTransactionSnapshot());
		lock_progress(call.schema, &lock);
		delete_progress(call.schema, true);
		run_passes(&work, crew, &call);
		delete_progress(call.schema, false);
		PopActiveSnapshot();
		UnlockRelationIdForSession(&lock, RowShareLock);
		last_notice(work.job);
		SPI_finish();
	}
	PG_FINALLY();
	{
		vs_embed_crew_end(crew);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
