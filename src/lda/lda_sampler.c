/*
 * lda_sampler.c
 *		Training: in which order documents are sampled, how often, and what is
 *		learned and averaged on the way.  The README tells why.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "lda/lda_progress.h"
#include "lda/lda_sampler.h"

/* What is taken if nothing is given: alpha only to begin with. */
#define FIRST_ALPHA_SUM		5.0
#define DEFAULT_BETA(topics)	(0.35 / sqrt(topics))

/*
 * The share of the sweeps before the first look at the hyper-parameters.
 * While alpha is large documents have many topics, and topics can still move.
 */
#define BURN_IN				0.4

/* The last quarter of the sweeps is averaged, every second one of them. */
#define AVERAGE_PART		4
#define AVERAGE_EVERY		2

/* Tokens of a window of an online training, at most. */
#define ONLINE_TOKENS		(1024 * 1024)

/* With so many sweeps and more, stages have all of theirs. */
#define FULL_STAGES			100

/* Growing prefixes of the first window, in percent of it, and their sweeps. */
static const struct
{
	int			percent;
	int			sweeps;
}			stages[] = {
	{1, 120}, {2, 120}, {4, 100}, {8, 80}, {16, 48}, {32, 32}
};

typedef struct Training
{
	VsLdaCorpus *corpus;
	const VsLdaSettings *settings;
	const VsLdaModel *base;
	VsLdaTeam  *team;
	VsLdaSampler *counts;
	double	   *alpha;			/* [topics] */
	double		beta;
	uint64		seed;			/* of the next sweep, before mixing */
	int64		sweeps_done;	/* in terms of the corpus, for progress */
	int			sweeps_total;
	VsLdaHistogram *histogram;	/* if alpha is learned */
	float	   *average;		/* sum over samples, or NULL */
	double	   *average_tokens;
	int			samples;
} Training;

static void
set_alpha(Training *t)
{
	float	   *alpha = vs_lda_team_alpha(t->team);

	for (int k = 0; k < t->settings->topics; k++)
		alpha[k] = (float) t->alpha[k];
}

static void
sweep(Training *t, size_t first, size_t last, bool fresh)
{
	vs_lda_team_sweep(t->team, &t->corpus->window, first, last, fresh,
					  vs_lda_mix(t->seed++ * VS_LDA_GOLDEN));
}

static void
tell_sweeps(Training *t)
{
	vs_lda_progress_update("sampling, sweeps", t->sweeps_done,
						   t->sweeps_total);
}

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------ */

static bool
averages(const VsLdaSettings *settings, const VsLdaModel *base)
{
	return !settings->online && base == NULL &&
		settings->iterations >= 2 * AVERAGE_PART;
}

/* Bytes of one number for each word and topic. */
static Size
matrix_size(const VsLdaSettings *s, int words)
{
	return mul_size(sizeof(float) * VS_LDA_STRIDE(s->topics), words);
}

/*
 * Bytes beside the window: the team's counts, their sum over samples, the
 * model that comes out, and the one that went in.
 */
static Size
fixed_memory(const VsLdaCorpus *corpus, const VsLdaSettings *settings,
			 bool average, const VsLdaModel *base)
{
	Size		bytes = add_size(vs_lda_team_size(settings->topics, corpus->words,
												  settings->workers),
								 mul_size(matrix_size(settings, corpus->words),
										  average ? 2 : 1));

	return base == NULL ? bytes :
		add_size(bytes, matrix_size(settings, base->words));
}

/* How much memory the window gets. */
static Size
window_memory(const VsLdaCorpus *corpus, const VsLdaSettings *settings,
			  bool average, const VsLdaModel *base)
{
	Size		fixed = fixed_memory(corpus, settings, average, base);
	Size		least = add_size(fixed, vs_lda_corpus_least(corpus));
	Size		wanted = vs_lda_corpus_size(corpus);
	Size		room;

	if (least > settings->memory)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("training needs at least %zu MB of memory",
						least / (1024 * 1024) + 1),
				 errdetail("That is for %d topics, %d words and %d workers; maintenance_work_mem is %zu MB.",
						   settings->topics, corpus->words, settings->workers,
						   settings->memory / (1024 * 1024)),
				 errhint("Raise maintenance_work_mem, or ask for fewer topics, words (vocabulary_size, min_df) or workers.")));
	if (settings->online)
		wanted = Min(wanted, ONLINE_TOKENS * (sizeof(uint32) + sizeof(uint16)) +
					 vs_lda_corpus_least(corpus));
	room = settings->memory - fixed;
	if (wanted <= room)
		return wanted;

	/* not all fits, then: the sort has to fit beside the window, too */
	room -= Min(room, vs_lda_corpus_in_use(corpus));
	return Max(room, vs_lda_corpus_least(corpus));
}

/* ------------------------------------------------------------------------
 * Hyper-parameters, averages
 * ------------------------------------------------------------------------ */

static void
begin_hyper(Training *t)
{
	const VsLdaSettings *s = t->settings;
	int			topics = s->topics;

	t->alpha = palloc(sizeof(double) * topics);
	for (int k = 0; k < topics; k++)
		t->alpha[k] = t->base != NULL ? t->base->topic[k].alpha :
			s->alpha > 0 ? s->alpha : FIRST_ALPHA_SUM / topics;
	t->beta = t->base != NULL ? t->base->beta : s->beta > 0 ? s->beta :
		DEFAULT_BETA(topics);
	if (t->base == NULL && s->optimize_interval > 0 && s->alpha == 0)
		t->histogram = vs_lda_histogram_new(topics);
	set_alpha(t);
	vs_lda_team_refresh(t->team, t->beta);
}

/* Whether hyper-parameters are learned after a sweep (numbered from 1). */
static bool
learns_after(const Training *t, int sweep)
{
	return t->settings->optimize_interval > 0 && t->base == NULL &&
		sweep >= BURN_IN * t->settings->iterations &&
		sweep < t->settings->iterations &&
		sweep % t->settings->optimize_interval == 0;
}

static void
learn(Training *t)
{
	const VsLdaSampler *c = t->counts;

	if (t->histogram != NULL)
		vs_lda_histogram_alpha(t->histogram, t->alpha);
	if (t->settings->optimize_beta)
		t->beta = vs_lda_learn_beta(c->topics, t->corpus->words, c->stride,
									c->word_topic, c->topic, t->beta);
	set_alpha(t);
	vs_lda_team_refresh(t->team, t->beta);
}

static void
add_sample(Training *t)
{
	const VsLdaSampler *c = t->counts;
	Size		size = (Size) t->corpus->words * c->stride;

	for (Size i = 0; i < size; i++)
		t->average[i] += c->word_topic[i];
	for (int k = 0; k < c->topics; k++)
		t->average_tokens[k] += c->topic[k];
	t->samples++;
}

static bool
is_sample(const Training *t, int sweep)
{
	int			from_end = t->settings->iterations - sweep;

	return t->average != NULL &&
		from_end < t->settings->iterations / AVERAGE_PART &&
		from_end % AVERAGE_EVERY == 0;
}

/* ------------------------------------------------------------------------
 * Sweeps
 * ------------------------------------------------------------------------ */

/* A training of few sweeps is wanted quickly: its stages have fewer, too. */
static int
stage_sweeps(const Training *t, int sweeps)
{
	int			of_full = Min(t->settings->iterations, FULL_STAGES);

	return (sweeps * of_full + FULL_STAGES - 1) / FULL_STAGES;
}

/*
 * Give the documents of the window their first topics: in a growing prefix
 * that is swept in between, then in all.
 */
static void
staged_start(Training *t)
{
	size_t		all = t->corpus->window.ndocs;
	size_t		done = 0;

	for (Size g = 0; g < lengthof(stages); g++)
	{
		size_t		to = all * stages[g].percent / 100;

		sweep(t, done, to, true);
		for (int i = 0; to > 0 && i < stage_sweeps(t, stages[g].sweeps); i++)
			sweep(t, 0, to, false);
		done = to;
		tell_sweeps(t);
	}
	sweep(t, done, all, true);
}

static void
start_window(Training *t, int window)
{
	vs_lda_corpus_go(t->corpus, window);
	if (window == 0 && t->base == NULL)
		staged_start(t);
	else
		sweep(t, 0, t->corpus->window.ndocs, true);
}

static void
sweep_window(Training *t, int sweep_number)
{
	sweep(t, 0, t->corpus->window.ndocs, false);
	if (t->histogram != NULL && learns_after(t, sweep_number))
		vs_lda_histogram_add(t->histogram, &t->corpus->window);
}

/* The reference: all documents again and again. */
static void
train_all(Training *t)
{
	for (int w = 0; w < t->corpus->windows; w++)
		start_window(t, w);
	for (int i = 1; i <= t->settings->iterations; i++)
	{
		for (int w = 0; w < t->corpus->windows; w++)
		{
			vs_lda_corpus_go(t->corpus, w);
			sweep_window(t, i);
		}
		if (learns_after(t, i))
			learn(t);
		if (is_sample(t, i))
			add_sample(t);
		t->sweeps_done = i;
		tell_sweeps(t);
	}
}

/* Each window once, with all its sweeps; what came before is fixed. */
static void
train_online(Training *t)
{
	for (int w = 0; w < t->corpus->windows; w++)
	{
		start_window(t, w);
		for (int i = 1; i <= t->settings->iterations; i++)
		{
			sweep_window(t, i);
			if (learns_after(t, i))
				learn(t);
			t->sweeps_done++;
			tell_sweeps(t);
		}
	}
}

/* The base's counts, for the words it has; they are in its phi. */
static void
begin_counts(Training *t)
{
	VsLdaSampler *c = t->counts;

	if (t->base == NULL)
		return;
	for (int w = 0; w < t->base->words; w++)
		memcpy(c->word_topic + (Size) w * c->stride,
			   t->base->phi + (Size) w * c->stride,
			   sizeof(float) * c->stride);
	for (int k = 0; k < c->topics; k++)
		c->topic[k] = t->base->topic[k].tokens;
}

static VsLdaResult
finish(Training *t)
{
	const VsLdaSampler *c = t->counts;
	Size		size = (Size) t->corpus->words * c->stride;
	VsLdaResult result = {
		.topics = c->topics,
		.words = t->corpus->words,
		.alpha = t->alpha,
		.beta = t->beta,
		.processes = vs_lda_team_processes(t->team),
		.team = t->team,
	};

	result.tokens = palloc(sizeof(double) * c->topics);
	for (Size i = 0; t->samples > 0 && i < size; i++)
		t->average[i] /= t->samples;
	result.counts = t->samples > 0 ? t->average : c->word_topic;
	for (int k = 0; k < c->topics; k++)
		result.tokens[k] = t->samples > 0 ?
			t->average_tokens[k] / t->samples : c->topic[k];
	return result;
}

VsLdaResult
vs_lda_train(VsLdaCorpus *corpus, const VsLdaSettings *settings,
			 const VsLdaModel *base)
{
	Training	t = {
		.corpus = corpus,
		.settings = settings,
		.base = base,
		.seed = settings->seed,
	};
	bool		average = averages(settings, base);
	Size		window_bytes = window_memory(corpus, settings, average, base);
	void	   *window;

	t.team = vs_lda_team_new(settings->topics, corpus->words,
							 settings->workers, window_bytes, &window);
	t.counts = vs_lda_team_counts(t.team);
	if (average)
	{
		t.average = palloc_extended(matrix_size(settings, corpus->words),
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		t.average_tokens = palloc0(sizeof(double) * settings->topics);
	}
	vs_lda_corpus_lay(corpus, window, window_bytes);
	t.sweeps_total = settings->iterations *
		(settings->online ? corpus->windows : 1);
	begin_counts(&t);
	begin_hyper(&t);
	if (settings->online)
		train_online(&t);
	else
		train_all(&t);
	return finish(&t);
}

void
vs_lda_train_end(VsLdaResult *result)
{
	vs_lda_team_end(result->team);
	result->team = NULL;
}
