/*
 * embed_job.h
 *		What the processes of one embed_table share.
 */
#ifndef VS_EMBED_EMBED_JOB_H
#define VS_EMBED_EMBED_JOB_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/block.h"
#include "storage/spin.h"

/*
 * In shared memory, unless the leader is alone.  Strings follow it, and are
 * named by their distance from it.
 */
typedef struct VsEmbedJob
{
	Oid			database;
	Oid			login_role;		/* of the leader's session */
	Oid			role;			/* its current user */
	Oid			schema;			/* of the extension */
	Oid			relation;
	int			leader_pid;
	Size		pinned;			/* the model */
	Size		prompt;
	Size		source;			/* names of columns */
	Size		target;
	Size		settings;		/* of the leader, serialized */
	bool		pooled;
	int			dimensions;
	int			batch;			/* rows to a transaction */
	TimestampTz started;
	int64		total;			/* rows to be filled, at the start */

	/* of a pass; set while there are no workers */
	BlockNumber blocks;			/* of the table */
	uint32		claim;			/* how many to take at a time */
	pg_atomic_uint64 next;		/* block to be claimed next */

	pg_atomic_uint64 done;		/* rows filled, in all passes */
	pg_atomic_uint32 stop;		/* workers shall give up */

	/* the first error of a worker */
	slock_t		mutex;
	bool		failed;
	int			sqlstate;
	char		message[1024];
	char		detail[1024];
	char		hint[512];
} VsEmbedJob;

#define VS_EMBED_JOB_STRING(job, field)	((char *) (job) + (job)->field)

/* The job of a leader, with its workers. */
typedef struct VsEmbedCrew VsEmbedCrew;

/* embed_worker.c */

/*
 * A crew with a job, in the current memory context, which must outlive
 * transactions.  strings are pinned, prompt, source and target.
 */
extern VsEmbedCrew *vs_embed_crew_new(const char *const *strings, bool shared);
extern VsEmbedJob *vs_embed_crew_job(VsEmbedCrew *crew);

/* Start up to n workers; a notice if there are fewer. */
extern void vs_embed_crew_start(VsEmbedCrew *crew, int n);

/* Wait until all have ended. */
extern void vs_embed_crew_wait(VsEmbedCrew *crew);

/* Stop those that work, and free the shared memory. */
extern void vs_embed_crew_end(VsEmbedCrew *crew);

/* In the leader: raise the error of a worker, if there was one. */
extern void vs_embed_job_check(VsEmbedJob *job);

/* Where a worker begins. */
extern PGDLLEXPORT void vs_embed_worker_main(Datum arg);

/* embed_table.c */

/* A worker's part: work until the pass is through. */
extern void vs_embed_job_work(VsEmbedJob *job);

#endif							/* VS_EMBED_EMBED_JOB_H */
