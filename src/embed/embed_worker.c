/*
 * embed_worker.c
 *		Background workers of embed_table.
 *
 * A worker is started for one pass.  It counts as a parallel worker, so that
 * max_parallel_workers limits what users can have of them.  It connects as the
 * leader's user, takes over the leader's settings and role, works, and ends.
 * Its error is left in the job, for the leader to raise.  When the leader lets
 * go of the shared memory, be it by an error or its end, the workers stop.
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "compat.h"
#include "embed/embed.h"
#include "embed/embed_job.h"

struct VsEmbedCrew
{
	MemoryContext context;
	dsm_segment *segment;		/* NULL if the leader is alone */
	VsEmbedJob *job;
	int			count;
	BackgroundWorkerHandle **workers;
	bool		told;			/* that there are fewer than wanted */
};

/* ------------------------------------------------------------------------
 * The leader's side
 * ------------------------------------------------------------------------ */

/* Workers must not go on without the leader. */
static void
stop_workers(dsm_segment *segment, Datum job)
{
	pg_atomic_write_u32(&((VsEmbedJob *) DatumGetPointer(job))->stop, 1);
}

static Size
add_string(VsEmbedJob *job, Size *end, const char *s)
{
	Size		at = *end;

	strcpy((char *) job + at, s);
	*end += strlen(s) + 1;
	return at;
}

VsEmbedCrew *
vs_embed_crew_new(const char *const *strings, bool shared)
{
	VsEmbedCrew *crew = palloc0(sizeof(VsEmbedCrew));
	Size		settings_size = EstimateGUCStateSpace();
	Size		end = sizeof(VsEmbedJob);
	Size		size;
	VsEmbedJob *job;

	size = MAXALIGN(end + strlen(strings[0]) + strlen(strings[1]) +
					strlen(strings[2]) + strlen(strings[3]) + 4) + settings_size;
	crew->context = CurrentMemoryContext;
	if (shared)
	{
		crew->segment = dsm_create(size, 0);
		dsm_pin_mapping(crew->segment);
		job = dsm_segment_address(crew->segment);
	}
	else
		job = palloc(size);
	memset(job, 0, sizeof(*job));
	crew->job = job;
	job->pinned = add_string(job, &end, strings[0]);
	job->prompt = add_string(job, &end, strings[1]);
	job->source = add_string(job, &end, strings[2]);
	job->target = add_string(job, &end, strings[3]);
	job->settings = MAXALIGN(end);
	SerializeGUCState(settings_size, VS_EMBED_JOB_STRING(job, settings));
	job->database = MyDatabaseId;
	job->login_role = MyProc->roleId;
	job->role = GetUserId();
	job->leader_pid = MyProcPid;
	pg_atomic_init_u64(&job->next, 0);
	pg_atomic_init_u64(&job->done, 0);
	pg_atomic_init_u32(&job->stop, 0);
	SpinLockInit(&job->mutex);
	if (shared)
		on_dsm_detach(crew->segment, stop_workers, PointerGetDatum(job));
	return crew;
}

VsEmbedJob *
vs_embed_crew_job(VsEmbedCrew *crew)
{
	return crew->job;
}

static bool
start_worker(VsEmbedCrew *crew)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "embed_table worker for PID %d",
			 MyProcPid);
	snprintf(worker.bgw_type, BGW_MAXLEN, "embed_table worker");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION |
		BGWORKER_CLASS_PARALLEL;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "vecsearch",
			sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "vs_embed_worker_main",
			sizeof(worker.bgw_function_name));
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(crew->segment));
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker,
										   &crew->workers[crew->count]);
}

void
vs_embed_crew_start(VsEmbedCrew *crew, int n)
{
	MemoryContext old = MemoryContextSwitchTo(crew->context);

	crew->workers = palloc(sizeof(BackgroundWorkerHandle *) * Max(n, 1));
	while (crew->count < n && start_worker(crew))
		crew->count++;
	MemoryContextSwitchTo(old);
	if (crew->count < n && !crew->told)
	{
		crew->told = true;
		ereport(NOTICE,
				(errmsg("embed_table works with %d of %d processes",
						crew->count + 1, n + 1),
				 errhint("The settings max_worker_processes and max_parallel_workers limit them.")));
	}
}

void
vs_embed_crew_wait(VsEmbedCrew *crew)
{
	while (crew->count > 0)
	{
		if (WaitForBackgroundWorkerShutdown(crew->workers[crew->count - 1]) == BGWH_POSTMASTER_DIED)
			ereport(FATAL,
					(errcode(ERRCODE_ADMIN_SHUTDOWN),
					 errmsg("postmaster exited during embed_table")));
		crew->count--;
	}
}

void
vs_embed_crew_end(VsEmbedCrew *crew)
{
	if (crew->segment == NULL)
		return;
	pg_atomic_write_u32(&crew->job->stop, 1);
	for (int i = 0; i < crew->count; i++)
		TerminateBackgroundWorker(crew->workers[i]);

	/* after a cancel, another one must not leave workers behind */
	HOLD_INTERRUPTS();
	while (crew->count > 0)
		WaitForBackgroundWorkerShutdown(crew->workers[--crew->count]);
	RESUME_INTERRUPTS();
	dsm_detach(crew->segment);
	crew->segment = NULL;
}

void
vs_embed_job_check(VsEmbedJob *job)
{
	bool		failed;

	SpinLockAcquire(&job->mutex);
	failed = job->failed;
	SpinLockRelease(&job->mutex);
	if (failed)
		ereport(ERROR,
				(errcode(job->sqlstate),
				 errmsg_internal("%s", job->message),
				 job->detail[0] != '\0' ? errdetail_internal("%s",
															 job->detail) : 0,
				 job->hint[0] != '\0' ? errhint("%s", job->hint) : 0,
				 errcontext("background worker of embed_table")));
}

/* ------------------------------------------------------------------------
 * The worker's side
 * ------------------------------------------------------------------------ */

static void
copy_message(char *to, Size size, const char *from)
{
	int			n = from == NULL ? 0 : pg_mbcliplen(from, strlen(from),
													size - 1);

	if (n > 0)
		memcpy(to, from, n);
	to[n] = '\0';
}

/* Leave an error for the leader, and let the others stop. */
static void
leave_error(VsEmbedJob *job, const ErrorData *error)
{
	char		message[sizeof(job->message)];
	char		detail[sizeof(job->detail)];
	char		hint[sizeof(job->hint)];

	copy_message(message, sizeof(message), error->message);
	copy_message(detail, sizeof(detail), error->detail);
	copy_message(hint, sizeof(hint), error->hint);
	SpinLockAcquire(&job->mutex);
	if (!job->failed)
	{
		memcpy(job->message, message, sizeof(message));
		memcpy(job->detail, detail, sizeof(detail));
		memcpy(job->hint, hint, sizeof(hint));
		job->sqlstate = error->sqlerrcode;
		job->failed = true;
	}
	SpinLockRelease(&job->mutex);
	pg_atomic_write_u32(&job->stop, 1);
}

/* Become the user of the leader, with the leader's settings. */
static void
take_over(VsEmbedJob *job)
{
	StartTransactionCommand();
	RestoreGUCState(VS_EMBED_JOB_STRING(job, settings));
	CommitTransactionCommand();
	StartTransactionCommand();
	SetCurrentRoleId(job->role, superuser_arg(job->role));
	CommitTransactionCommand();
}

void
vs_embed_worker_main(Datum arg)
{
	dsm_segment *segment;
	VsEmbedJob *job;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	segment = dsm_attach(DatumGetUInt32(arg));
	if (segment == NULL)
		return;					/* the leader is gone */
	job = dsm_segment_address(segment);
	BackgroundWorkerInitializeConnectionByOid(job->database, job->login_role,
											  0);

	PG_TRY();
	{
		take_over(job);
		pgstat_report_activity(STATE_RUNNING, psprintf("embed_table of PID %d",
													   job->leader_pid));
		vs_embed_job_work(job);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		FlushErrorState();
		if (pg_atomic_read_u32(&job->stop) == 0)
			leave_error(job, error);
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	dsm_detach(segment);
}
