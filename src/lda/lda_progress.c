/*
 * lda_progress.c
 *		How far trainings are.
 *
 * A training is one transaction, so no table can tell others of it.  A few
 * places in shared memory do.  They are made when first wanted, from the
 * memory that the server keeps for such needs of libraries that were not
 * loaded at its start; the prewarm of its contrib does the same.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lda/lda_progress.h"
#include "support/extension.h"

#define PLACES			32
#define NOTICE_EVERY	5000	/* ms */
#define LOOK_EVERY		256		/* updates to a look at the clock */

typedef struct Place
{
	int			pid;			/* 0: free */
	Oid			database;
	Oid			role;
	char		model[4 * 64];	/* in the encoding of its database */
	const char *phase;
	char		phase_name[32];
	int64		done;
	int64		total;
	TimestampTz started;
} Place;

typedef struct Places
{
	LWLock		lock;
	Place		place[PLACES];
} Places;

/* Columns of lda_progress_rows. */
enum
{
	COLUMN_PID = 1,
	COLUMN_MODEL,
	COLUMN_PHASE,
	COLUMN_DONE,
	COLUMN_TOTAL,
	COLUMN_STARTED,
	COLUMNS = COLUMN_STARTED
};

static Places *places;
static Place *mine;				/* in shared memory, or NULL */
static Place told;				/* what was told last */
static TimestampTz noticed;
static int	updates;

static void
find_places(void)
{
	bool		found;

	if (places != NULL)
		return;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	places = ShmemInitStruct("vecsearch lda progress", sizeof(Places), &found);
	if (!found)
	{
		memset(places, 0, sizeof(Places));
		LWLockInitialize(&places->lock, LWLockNewTrancheId());
	}
	LWLockRelease(AddinShmemInitLock);
	LWLockRegisterTranche(places->lock.tranche, "vecsearch_lda_progress");
}

/* A place that is free, or was left by a process that is no more. */
static Place *
free_place(void)
{
	for (int i = 0; i < PLACES; i++)
	{
		Place	   *p = &places->place[i];

		if (p->pid == 0 || p->pid == MyProcPid || BackendPidGetProc(p->pid) == NULL)
			return p;
	}
	return NULL;
}

/* A session that ends in the middle of a training leaves no place behind. */
static void
leave_place(int code, Datum arg)
{
	vs_lda_progress_end();
}

void
vs_lda_progress_begin(const char *model)
{
	static bool registered;

	find_places();
	if (!registered)
		before_shmem_exit(leave_place, (Datum) 0);
	registered = true;
	memset(&told, 0, sizeof(told));
	told.pid = MyProcPid;
	told.database = MyDatabaseId;
	told.role = GetUserId();
	told.started = noticed = GetCurrentTimestamp();
	updates = 0;
	strlcpy(told.model, model, sizeof(told.model));
	LWLockAcquire(&places->lock, LW_EXCLUSIVE);
	mine = free_place();
	if (mine != NULL)
		*mine = told;
	LWLockRelease(&places->lock);
}

static void
tell(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (mine != NULL)
	{
		LWLockAcquire(&places->lock, LW_EXCLUSIVE);
		*mine = told;
		LWLockRelease(&places->lock);
	}
	if (now - noticed < NOTICE_EVERY * INT64CONST(1000))
		return;
	noticed = now;
	if (told.total > 0)
		ereport(NOTICE,
				(errmsg("%s: " INT64_FORMAT " of " INT64_FORMAT " after %.0f s",
						told.phase_name, told.done, told.total,
						(now - told.started) / 1e6)));
	else
		ereport(NOTICE,
				(errmsg("%s: " INT64_FORMAT " after %.0f s", told.phase_name,
						told.done, (now - told.started) / 1e6)));
}

void
vs_lda_progress_update(const char *phase, int64 done, int64 total)
{
	bool		look = phase != told.phase || total > 0 ||
	updates++ % LOOK_EVERY == 0;

	if (phase != told.phase)
		strlcpy(told.phase_name, phase, sizeof(told.phase_name));
	told.phase = phase;
	told.done = done;
	told.total = total;
	if (look)
		tell();
}

void
vs_lda_progress_end(void)
{
	if (mine == NULL)
		return;
	LWLockAcquire(&places->lock, LW_EXCLUSIVE);
	mine->pid = 0;
	LWLockRelease(&places->lock);
	mine = NULL;
}

/* As in pg_stat_activity. */
static bool
may_see(const Place *p)
{
	return p->pid != 0 && p->database == MyDatabaseId &&
		(has_privs_of_role(GetUserId(), p->role) ||
		 has_privs_of_role(GetUserId(), VS_ROLE_READ_ALL_STATS));
}

PG_FUNCTION_INFO_V1(vs_lda_progress_rows);
Datum
vs_lda_progress_rows(PG_FUNCTION_ARGS)
{
	Place		copy[PLACES];
	TupleDesc	desc;
	Tuplestorestate *rows = vs_rows_begin(fcinfo, &desc);

	find_places();
	LWLockAcquire(&places->lock, LW_SHARED);
	memcpy(copy, places->place, sizeof(copy));
	LWLockRelease(&places->lock);
	for (int i = 0; i < PLACES; i++)
	{
		Datum		values[COLUMNS];
		bool		nulls[COLUMNS] = {false};

		if (!may_see(&copy[i]) || BackendPidGetProc(copy[i].pid) == NULL)
			continue;
		values[COLUMN_PID - 1] = Int32GetDatum(copy[i].pid);
		values[COLUMN_MODEL - 1] = CStringGetTextDatum(copy[i].model);
		values[COLUMN_PHASE - 1] = CStringGetTextDatum(copy[i].phase_name);
		values[COLUMN_DONE - 1] = Int64GetDatum(copy[i].done);
		values[COLUMN_TOTAL - 1] = Int64GetDatum(copy[i].total);
		nulls[COLUMN_TOTAL - 1] = copy[i].total == 0;
		values[COLUMN_STARTED - 1] = TimestampTzGetDatum(copy[i].started);
		tuplestore_putvalues(rows, desc, values, nulls);
	}
	return (Datum) 0;
}
