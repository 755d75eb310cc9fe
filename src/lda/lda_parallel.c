/*
 * lda_parallel.c
 *		Processes that sweep together.
 *
 * The workers are the server's parallel workers.  They wait at a barrier,
 * which divides time into phases: odd ones, in which a command of the leader
 * is worked at, and even ones, in which the leader writes the next command.
 * The parts of a command are claimed from a counter, so it does not matter how
 * many processes there are, nor when a worker joins.  Only the leader fails
 * (memory, cancelled); the server then ends its workers.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/barrier.h"
#include "storage/dsm.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "kernel/kernel.h"
#include "lda/lda_sampler.h"
#include "support/memory.h"
#include "support/shared.h"

/* Tokens between two looks at interrupts. */
#define CHUNK_TOKENS	100000

/* A sweep over fewer tokens for each word is not parted. */
#define SMALL_SWEEP		8

/* Parts that merging is claimed in. */
#define MERGE_PARTS		64

#define KEY_TEAM		UINT64CONST(0x7665636C64610001)

typedef enum Command
{
	COMMAND_SWEEP,
	COMMAND_MERGE,
	COMMAND_END,
} Command;

/*
 * What the processes share; in the leader's memory if it is alone.  Behind it
 * come alpha, the counts of the team, those of each part, and the window.
 */
typedef struct Shared
{
	Barrier		barrier;
	pg_atomic_uint32 next;		/* part to be claimed */

	/* fixed */
	int			topics;
	int			words;
	int			stride;
	int			parts;			/* of the documents */

	/* the command; written in even phases */
	bool		stale;			/* the parts' counts are not those of the team */
	Command		command;
	bool		fresh;
	uint64		seed;
	float		beta;
	double		beta_sum;
	Size		first;			/* documents */
	Size		last;
	Size		docs;			/* the window, as distances from here */
	Size		doc_words;
	Size		doc_topics;
} Shared;

struct VsLdaTeam
{
	Shared	   *shared;
	VsLdaSampler counts;		/* of the team; with scratch of this process */
	VsLdaSampler *part;			/* counts of each part; the same scratch */
	ParallelContext *context;	/* NULL if alone */
	MemoryContext memory;
	int			processes;
};

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------ */

#define ALIGNED(bytes)	TYPEALIGN(VS_LDA_ALIGN, bytes)

/* Bytes of word_topic, topic and inverse. */
static Size
counts_size(int topics, int words)
{
	int			stride = VS_LDA_STRIDE(topics);

	return add_size(ALIGNED(mul_size(sizeof(float) * stride, words)),
					ALIGNED(sizeof(double) * topics) +
					ALIGNED(sizeof(float) * stride));
}

/* With one part there are no copies. */
static int
copies_of(int parts)
{
	return parts > 1 ? parts : 0;
}

static Size
shared_size(int topics, int words, int parts)
{
	return add_size(ALIGNED(sizeof(Shared)) +
					ALIGNED(sizeof(float) * VS_LDA_STRIDE(topics)),
					mul_size(counts_size(topics, words),
							 1 + copies_of(parts)));
}

Size
vs_lda_team_size(int topics, int words, int parts)
{
	return shared_size(topics, words, parts);
}

static float *
zero_row(const Shared *shared)
{
	return vs_memory_aligned(CurrentMemoryContext,
							 sizeof(float) * shared->stride,
							 MCXT_ALLOC_ZERO);
}

/* Point a sampler at counts in shared memory; returns what is behind them. */
static char *
place_counts(const Shared *shared, VsLdaSampler *s, char *at)
{
	s->topics = shared->topics;
	s->stride = shared->stride;
	s->word_topic = (float *) at;
	at += ALIGNED(sizeof(float) * shared->stride * shared->words);
	s->topic = (double *) at;
	at += ALIGNED(sizeof(double) * shared->topics);
	s->inverse = (float *) at;
	return at + ALIGNED(sizeof(float) * shared->stride);
}

/* A process's view of the shared memory. */
static void
open_team(VsLdaTeam *team, Shared *shared)
{
	char	   *at = (char *) shared + ALIGNED(sizeof(Shared));

	team->shared = shared;
	team->memory = CurrentMemoryContext;
	team->counts.alpha = (float *) at;
	team->counts.doc = zero_row(shared);
	team->counts.weight = zero_row(shared);
	team->counts.sums = zero_row(shared);
	team->part = palloc(sizeof(VsLdaSampler) * shared->parts);
	at += ALIGNED(sizeof(float) * shared->stride);
	at = place_counts(shared, &team->counts, at);
	for (int p = 0; p < shared->parts; p++)
	{
		team->part[p] = team->counts;
		if (copies_of(shared->parts) > 0)
			at = place_counts(shared, &team->part[p], at);
	}
}

/* ------------------------------------------------------------------------
 * Work, in any process
 * ------------------------------------------------------------------------ */

static void
copy_counts(const Shared *shared, const VsLdaSampler *from,
			VsLdaSampler *to)
{
	if (shared->stale)
		memcpy(to->word_topic, from->word_topic,
			   sizeof(float) * shared->stride * shared->words);
	memcpy(to->topic, from->topic, sizeof(double) * shared->topics);
	memcpy(to->inverse, from->inverse, sizeof(float) * shared->stride);
}

/* The first document of a part: parts have about as many tokens. */
static Size
part_start(const Shared *shared, const VsLdaDoc *docs, int part)
{
	Size		low = shared->first;
	Size		high = shared->last;
	uint64		start;
	uint64		tokens;

	if (part == 0 || low == high)
		return low;
	if (part == shared->parts)
		return high;
	start = docs[low].start;
	tokens = docs[high - 1].start + docs[high - 1].length - start;
	start += tokens / shared->parts * part;
	while (low < high)
	{
		Size		middle = (low + high) / 2;

		if (docs[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Sweep documents on some counts. */
static void
sweep_documents(VsLdaTeam *team, VsLdaSampler *s, Size from, Size end)
{
	Shared	   *shared = team->shared;
	const VsLdaDoc *docs = (VsLdaDoc *) ((char *) shared + shared->docs);
	const uint32_t *words = (uint32_t *) ((char *) shared + shared->doc_words);
	uint16_t   *topics = (uint16_t *) ((char *) shared + shared->doc_topics);

	s->beta = shared->beta;
	s->beta_sum = shared->beta_sum;
	while (from < end)
	{
		Size		to = from;
		uint64		tokens = 0;

		while (to < end && tokens < CHUNK_TOKENS)
			tokens += docs[to++].length;
		vs_kernels->lda.sweep(s, shared->fresh, shared->seed, to - from,
							  docs + from, words, topics);
		from = to;
		CHECK_FOR_INTERRUPTS();
	}
}

static void
sweep_part(VsLdaTeam *team, int part)
{
	Shared	   *shared = team->shared;
	const VsLdaDoc *docs = (VsLdaDoc *) ((char *) shared + shared->docs);

	copy_counts(shared, &team->counts, &team->part[part]);
	sweep_documents(team, &team->part[part], part_start(shared, docs, part),
					part_start(shared, docs, part + 1));
}

/*
 * Add the differences of the parts to the counts of some words; the parts then
 * have all of them, too.
 */
static void
merge_part(VsLdaTeam *team, int part)
{
	const Shared *shared = team->shared;
	Size		size = (Size) shared->words * shared->stride;
	Size		from = size / MERGE_PARTS * part;
	Size		to = part == MERGE_PARTS - 1 ? size :
	size / MERGE_PARTS * (part + 1);
	float	   *counts[VS_LDA_MAX_PARTS];

	for (int p = 0; p < shared->parts; p++)
		counts[p] = team->part[p].word_topic + from;
	vs_lda_merge(to - from, shared->parts, counts,
				 team->counts.word_topic + from);
}

static void
work_at_command(VsLdaTeam *team)
{
	Shared	   *shared = team->shared;
	uint32		parts = shared->command == COMMAND_SWEEP ? shared->parts :
	MERGE_PARTS;
	uint32		part;

	while ((part = pg_atomic_fetch_add_u32(&shared->next, 1)) < parts)
	{
		if (shared->command == COMMAND_SWEEP)
			sweep_part(team, part);
		else
			merge_part(team, part);
	}
}

/* ------------------------------------------------------------------------
 * The leader
 * ------------------------------------------------------------------------ */

static void
arrive(Shared *shared)
{
	BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
}

/* Have a command worked at, by all there are. */
static void
run_command(VsLdaTeam *team, Command command)
{
	Shared	   *shared = team->shared;

	shared->command = command;
	pg_atomic_write_u32(&shared->next, 0);
	if (team->context != NULL)
		arrive(shared);
	if (command == COMMAND_END)
		return;
	work_at_command(team);
	if (team->context != NULL)
		arrive(shared);
}

static Shared *
init_shared(void *memory, int topics, int words, int parts, Size bytes)
{
	Shared	   *shared = (Shared *) TYPEALIGN(VS_LDA_ALIGN, memory);

	memset(shared, 0, bytes);
	BarrierInit(&shared->barrier, 0);
	pg_atomic_init_u32(&shared->next, 0);
	shared->topics = topics;
	shared->words = words;
	shared->stride = VS_LDA_STRIDE(topics);
	shared->parts = parts;
	shared->stale = true;
	return shared;
}

/* Shared memory and workers; NULL if there are none to be had. */
static void *
begin_parallel(VsLdaTeam *team, int workers, Size bytes)
{
	void	   *memory;

	if (!vs_shared_memory_is_there(bytes))
		return NULL;
	EnterParallelMode();
	team->context = CreateParallelContext("vecsearch", "vs_lda_worker_main",
										  workers);
	shm_toc_estimate_chunk(&team->context->estimator, bytes);
	shm_toc_estimate_keys(&team->context->estimator, 1);
	InitializeParallelDSM(team->context);
	memory = shm_toc_allocate(team->context->toc, bytes);
	shm_toc_insert(team->context->toc, KEY_TEAM, memory);
	return memory;
}

static void
start_workers(VsLdaTeam *team)
{
	BarrierAttach(&team->shared->barrier);
	LaunchParallelWorkers(team->context);
	WaitForParallelWorkersToAttach(team->context);
	team->processes = 1 + team->context->nworkers_launched;
}

VsLdaTeam *
vs_lda_team_new(int topics, int words, int parts, Size window_bytes,
				void **window)
{
	VsLdaTeam  *team = palloc0(sizeof(VsLdaTeam));
	int			workers = Min(parts, max_parallel_workers + 1) - 1;
	Size		size = shared_size(topics, words, parts);
	Size		bytes = add_size(size, window_bytes) + 2 * VS_LDA_ALIGN;
	void	   *memory = NULL;

	team->processes = 1;
	if (workers > 0)
		memory = begin_parallel(team, workers, bytes);
	if (memory == NULL)
		memory = vs_memory_aligned(CurrentMemoryContext, bytes, 0);
	open_team(team, init_shared(memory, topics, words, parts, size));
	if (team->context != NULL)
		start_workers(team);
	if (team->processes < parts)
		ereport(NOTICE,
				(errmsg("lda_train works with %d of %d processes",
						team->processes, parts),
				 errhint("The settings max_worker_processes and max_parallel_workers limit them, and the shared memory of the machine.")));
	*window = (char *) team->shared + size;
	return team;
}

VsLdaSampler *
vs_lda_team_counts(VsLdaTeam *team)
{
	return &team->counts;
}

float *
vs_lda_team_alpha(VsLdaTeam *team)
{
	return unconstify(float *, team->counts.alpha);
}

int
vs_lda_team_processes(const VsLdaTeam *team)
{
	return team->processes;
}

void
vs_lda_team_refresh(VsLdaTeam *team, double beta)
{
	Shared	   *shared = team->shared;
	VsLdaSampler *s = &team->counts;

	shared->beta = (float) beta;
	shared->beta_sum = (double) shared->beta * shared->words;
	for (int k = 0; k < shared->topics; k++)
		s->inverse[k] = 1 / (float) (s->topic[k] + shared->beta_sum);
}

/* The tokens of topics after a sweep of several parts. */
static void
merge_topics(VsLdaTeam *team)
{
	VsLdaSampler *s = &team->counts;

	for (int k = 0; k < s->topics; k++)
	{
		double		change = 0;

		for (int p = 0; p < team->shared->parts; p++)
			change += team->part[p].topic[k] - s->topic[k];
		s->topic[k] += change;
		s->inverse[k] = 1 / (float) (s->topic[k] + team->shared->beta_sum);
	}
}

/* Few tokens cost less than to copy the counts and to merge them. */
static bool
is_small(const Shared *shared, const VsLdaWindow *w, Size first, Size last)
{
	return first == last ||
		w->docs[last - 1].start + w->docs[last - 1].length -
		w->docs[first].start < SMALL_SWEEP * (uint64) shared->words;
}

void
vs_lda_team_sweep(VsLdaTeam *team, const VsLdaWindow *w, size_t first,
				  size_t last, bool fresh, uint64 seed)
{
	Shared	   *shared = team->shared;

	shared->fresh = fresh;
	shared->seed = seed;
	shared->first = first;
	shared->last = last;
	shared->docs = (char *) w->docs - (char *) shared;
	shared->doc_words = (char *) w->words - (char *) shared;
	shared->doc_topics = (char *) w->topics - (char *) shared;
	if (shared->parts == 1 || is_small(shared, w, first, last))
	{
		sweep_documents(team, &team->counts, first, last);
		shared->stale = true;
		return;
	}
	run_command(team, COMMAND_SWEEP);
	run_command(team, COMMAND_MERGE);
	shared->stale = false;
	merge_topics(team);
}

void
vs_lda_team_end(VsLdaTeam *team)
{
	if (team->context != NULL)
	{
		run_command(team, COMMAND_END);
		BarrierDetach(&team->shared->barrier);
		WaitForParallelWorkersToFinish(team->context);
		DestroyParallelContext(team->context);
		ExitParallelMode();
		team->context = NULL;
	}
	team->shared = NULL;
}

/* ------------------------------------------------------------------------
 * A worker
 * ------------------------------------------------------------------------ */

extern PGDLLEXPORT void vs_lda_worker_main(dsm_segment *segment, shm_toc *toc);

void
vs_lda_worker_main(dsm_segment *segment, shm_toc *toc)
{
	void	   *memory = shm_toc_lookup(toc, KEY_TEAM, false);
	Shared	   *shared = (Shared *) TYPEALIGN(VS_LDA_ALIGN, memory);
	VsLdaTeam	team = {0};

	open_team(&team, shared);

	/* it may come while a command is worked at, or in between */
	if (BarrierAttach(&shared->barrier) % 2 == 0)
		arrive(shared);
	while (shared->command != COMMAND_END)
	{
		work_at_command(&team);
		arrive(shared);
		arrive(shared);
	}
	BarrierDetach(&shared->barrier);
}
