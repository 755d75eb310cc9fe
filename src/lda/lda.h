/*
 * lda.h
 *		Topic models in SQL: what the files of this folder that talk to the
 *		server share.
 */
#ifndef VS_LDA_LDA_H
#define VS_LDA_LDA_H

#include "fmgr.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lda/lda_corpus.h"
#include "lda/lda_model.h"
#include "lda/lda_sampler.h"
#include "lda/lda_vocabulary.h"
#include "support/extension.h"
#include "support/rights.h"

#define VS_LDA_MAX_TOPICS	10000

/* Digits of a model's version: a hash of all it holds. */
#define VS_LDA_VERSION_LEN	16

/* lda_catalog.c */

/* A row of the table of models, but for what VsLdaModel has. */
typedef struct VsLdaRecord
{
	char	   *name;
	char		version[VS_LDA_VERSION_LEN + 1];
	VsRights	rights;
	char	   *config;			/* text search configuration, quoted */
	char	   *method;
	int64		seed;
	int			iterations;
	int64		documents;		/* trained on */
	double		held_out;		/* share */
	double		perplexity;		/* of the held-out documents, or NaN */
	double		seconds;
	TimestampTz trained;
} VsLdaRecord;

/* A model that was loaded. */
typedef struct VsLdaLoaded
{
	VsLdaRecord record;
	VsLdaModel *model;
	VsLdaVocabulary *vocabulary;
	uint32	   *place;			/* [V]: zeros between documents */
	bool		in_use;			/* by a document; or it ended in an error */
	float	   *theta;			/* [stride] */
} VsLdaLoaded;

extern void vs_lda_catalog_init(void);

/*
 * A model by its name or name@version, which the current user may use, from
 * the cache of this backend if it has not changed.  Good until the next call.
 * Errors: no such model, no right.
 */
extern VsLdaLoaded *vs_lda_use(Oid schema, const char *name, int len);

/*
 * A model read from its tables, in a memory context of its own below the
 * current one, or NULL.  With raw, phi has counts instead of probabilities.
 */
extern VsLdaLoaded *vs_lda_load(Oid schema, const char *name, bool raw);

/*
 * The table of models, with one name locked against other changes to the end
 * of the transaction; and whether a name is in it.
 */
extern Relation vs_lda_lock_model(Oid schema, const char *name);
extern bool vs_lda_exists(Oid schema, const char *name);

/* Write a model, of which counts are in phi, and computes its version. */
extern void vs_lda_write(Oid schema, Relation models, VsLdaLoaded *loaded);

/* Replace one, or remove it. */
extern void vs_lda_remove(Oid schema, Relation models, const char *name);

/* The text search configuration of a model. */
extern Oid	vs_lda_config(const VsLdaLoaded *loaded);

/* "model NAME does not exist", and "must be owner of" it. */
extern VS_NORETURN void vs_lda_no_model(const char *name);
extern VS_NORETURN void vs_lda_not_owner(const char *name);

/* lda_model.c */

/* A model without words; what is in phi is not said. */
extern VsLdaLoaded *vs_lda_loaded_new(MemoryContext context, const char *name,
									  int topics, int words);

/* A word's row of phi, after having filled it with zeros. */
extern float *vs_lda_model_row(const VsLdaModel *model, int word);

/* Turn the counts in a row into probabilities; with what vs_lda_model_inverse
 * made of the topics. */
extern float *vs_lda_model_inverse(const VsLdaModel *model);
extern void vs_lda_model_normalize(const VsLdaModel *model,
								   const float *inverse, float *row);

/* lda_infer.c */

/* A document as words of a model. */
typedef struct VsLdaBag
{
	VsLdaLoaded *loaded;
	int			n;				/* distinct words */
	int			room;
	uint32	   *words;
	float	   *counts;
	int64		known;			/* tokens */
	int64		unknown;
	void		(*tell_unknown) (void *arg, const char *text, int len);
	void	   *arg;
} VsLdaBag;

/* One bag of a model at a time, between init and reset. */
extern void vs_lda_bag_init(VsLdaBag *bag, VsLdaLoaded *loaded);
extern void vs_lda_bag_add(VsLdaBag *bag, uint32 word, float count);
extern void vs_lda_bag_reset(VsLdaBag *bag);

/* A VsLdaSink. */
extern void vs_lda_bag_word(void *bag, const char *text, int len, int64 count);

/* theta [K] of loaded, not divided by its sum, which is returned. */
extern float vs_lda_infer(VsLdaBag *bag);

/* lda_quality.c */

/* Document completion, so far. */
typedef struct VsLdaCompletion
{
	double		log_likelihood;
	int64		tokens;			/* scored */
} VsLdaCompletion;

/* Add a document: tokens as words of the model, one after the other. */
extern void vs_lda_complete(VsLdaCompletion *c, VsLdaLoaded *loaded,
							uint64 key, int n, const uint32 *words);

/* NaN if nothing was scored. */
extern double vs_lda_completion_perplexity(const VsLdaCompletion *c);

/* The coherence of each topic over the documents of a training. */
extern void vs_lda_corpus_coherence(VsLdaModel *model, VsLdaCorpus *corpus);

#endif							/* VS_LDA_LDA_H */
