/*
 * lda_model.h
 *		A topic model in memory, ready for inference.
 */
#ifndef VS_LDA_LDA_MODEL_H
#define VS_LDA_LDA_MODEL_H

#include "utils/palloc.h"

/* What is known of a topic; topics are in order of their share at training. */
typedef struct VsLdaTopic
{
	float		alpha;			/* of the prior of documents */
	double		tokens;			/* of the training documents, in the topic */
	double		coherence;		/* NPMI of its ten top words over the
								 * documents of lda_train, or NaN */
} VsLdaTopic;

typedef struct VsLdaWord
{
	const char *text;			/* in the database's encoding */
	int			len;
	int64		documents;		/* training documents that have it */
	int64		tokens;			/* of the training documents */
} VsLdaWord;

/*
 * All in one memory context.  p(word | topic) is word-major, so that a
 * document touches the rows of its own words only; rows are padded with zeros
 * to a multiple of VS_LDA_LANES floats and aligned to 64 bytes.
 */
typedef struct VsLdaModel
{
	MemoryContext context;
	char	   *name;
	int			topics;			/* K */
	int			words;			/* V */
	int			stride;			/* floats from a word's row to the next */
	double		beta;			/* of the prior of topics */
	double		tokens;			/* sum over topics */
	VsLdaTopic *topic;			/* [K] */
	VsLdaWord  *word;			/* [V] */
	float	   *phi;			/* [V][stride]: p(word | topic) */
	float	   *alpha;			/* [stride], zeros behind K */
} VsLdaModel;

#endif							/* VS_LDA_LDA_MODEL_H */
