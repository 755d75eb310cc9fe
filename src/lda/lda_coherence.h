/*
 * lda_coherence.h
 *		Topic coherence: do the top words of a topic occur together?
 */
#ifndef VS_LDA_LDA_COHERENCE_H
#define VS_LDA_LDA_COHERENCE_H

#include "utils/palloc.h"

typedef enum VsLdaMeasure
{
	VS_LDA_U_MASS,				/* over documents */
	VS_LDA_C_NPMI,				/* over windows of 10 words */
	VS_LDA_C_V,					/* over windows of 110 words */
	VS_LDA_NPMI					/* that of c_npmi, over documents */
} VsLdaMeasure;

typedef struct VsLdaCoherence VsLdaCoherence;

/*
 * top_words[topics][top_n] are ids of words below vocabulary, best first, each
 * at most once in a topic; -1 is no word, and those after it are looked at.
 * The array need not live on.
 */
extern VsLdaCoherence *vs_lda_coherence_begin(MemoryContext context,
											  VsLdaMeasure measure,
											  int topics, int top_n,
											  const int *top_words,
											  int vocabulary);

/*
 * A document: ids of its n words in the order of the text.  A word that is not
 * in the vocabulary is -1 and keeps its place.
 */
extern void vs_lda_coherence_add(VsLdaCoherence *coherence,
								 int n, const int *ids);

/* The coherence of each topic, into per_topic[topics].  Frees the state. */
extern void vs_lda_coherence_end(VsLdaCoherence *coherence,
								 double *per_topic);

#endif							/* VS_LDA_LDA_COHERENCE_H */
