/*
 * lda_sampler.h
 *		Training: counts, sweeps over the corpus, hyper-parameters.
 */
#ifndef VS_LDA_LDA_SAMPLER_H
#define VS_LDA_LDA_SAMPLER_H

#include "lda/lda_corpus.h"

typedef struct VsLdaSettings
{
	int			topics;
	double		alpha;			/* of each topic; or 0: learn it */
	double		beta;			/* or 0: the default */
	bool		optimize_beta;	/* learn it */
	int			iterations;		/* sweeps */
	int			optimize_interval;	/* sweeps between looks at what is
									 * learned; 0: never */
	uint64		seed;
	int			workers;		/* processes, this one included */
	bool		online;			/* every window once, with all its sweeps */
	Size		memory;			/* bytes */
} VsLdaSettings;

/* What a training makes. */
typedef struct VsLdaResult
{
	int			topics;
	int			words;
	float	   *counts;			/* [V][stride]: tokens of a word in a topic;
								 * until vs_lda_train_end */
	double	   *tokens;			/* [topics] */
	double	   *alpha;			/* [topics] */
	double		beta;
	int			processes;		/* that worked, this one included */
	struct VsLdaTeam *team;		/* has the memory of the corpus's window */
} VsLdaResult;

/*
 * Train on a corpus whose vocabulary has been chosen, in the current memory
 * context.  base is the model to go on from, or NULL: its counts stay as they
 * are under those of the corpus, and its alpha and beta are kept.  Errors:
 * more memory needed than settings have.
 */
extern VsLdaResult vs_lda_train(VsLdaCorpus *corpus,
								const VsLdaSettings *settings,
								const VsLdaModel *base);
extern void vs_lda_train_end(VsLdaResult *result);

/* lda_hyper.c */

/* How often a topic has how many tokens of a document, and how long those are. */
typedef struct VsLdaHistogram VsLdaHistogram;

extern VsLdaHistogram *vs_lda_histogram_new(int topics);
extern void vs_lda_histogram_add(VsLdaHistogram *h, const VsLdaWindow *w);

/* Make alpha [topics] more likely, and forget what was added. */
extern void vs_lda_histogram_alpha(VsLdaHistogram *h, double *alpha);

/* A more likely beta, from the counts. */
extern double vs_lda_learn_beta(int topics, int words, int stride,
								const float *word_topic, const double *topic,
								double beta);

/* lda_parallel.c */

/*
 * Processes that sweep together.  Documents of the window are parted into
 * as many runs as there were workers wanted, whoever there is: each run is
 * sampled on a copy of the counts, and the differences are added up (D. Newman
 * et al., JMLR 10, 2009: AD-LDA).  So the result depends on the number that
 * was wanted alone.
 */
typedef struct VsLdaTeam VsLdaTeam;

#define VS_LDA_MAX_PARTS	64

/* Memory beside that of the window, in bytes. */
extern Size vs_lda_team_size(int topics, int words, int parts);

/*
 * A team, with memory for counts and for a window.  It may end up in parallel
 * mode, until vs_lda_team_end, which frees the memory: it is of the team.
 */
extern VsLdaTeam *vs_lda_team_new(int topics, int words, int parts,
								  Size window_bytes, void **window);

/* The counts that a sweep goes by and changes; alpha is written by the user. */
extern VsLdaSampler *vs_lda_team_counts(VsLdaTeam *team);
extern float *vs_lda_team_alpha(VsLdaTeam *team);

/* Beta, or the tokens of topics, were changed. */
extern void vs_lda_team_refresh(VsLdaTeam *team, double beta);

/* Sweep the documents from first to the one before last. */
extern void vs_lda_team_sweep(VsLdaTeam *team, const VsLdaWindow *w,
							  size_t first, size_t last, bool fresh,
							  uint64 seed);
extern int	vs_lda_team_processes(const VsLdaTeam *team);
extern void vs_lda_team_end(VsLdaTeam *team);

#endif							/* VS_LDA_LDA_SAMPLER_H */
