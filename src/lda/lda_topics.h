/*
 * lda_topics.h
 *		What a topic is about: its words by relevance, how much it has them
 *		for itself, and how much a word says of the topic.
 */
#ifndef VS_LDA_LDA_TOPICS_H
#define VS_LDA_LDA_TOPICS_H

#include "lda/lda_model.h"

/* A topic is described by as many words, unless more are asked for. */
#define VS_LDA_TOP_WORDS	10

typedef struct VsLdaRanked
{
	double		score;
	int			index;
} VsLdaRanked;

/*
 * The best of what it was offered, at most room of them; equal scores rank by
 * index, and scores that are not numbers come last.  A heap whose root is the
 * worst of those kept.
 */
typedef struct VsLdaTop
{
	int			room;
	int			count;
	VsLdaRanked *heap;			/* [room] */
} VsLdaTop;

extern void vs_lda_top_init(VsLdaTop *top, int room);
extern void vs_lda_top_push(VsLdaTop *top, int index, double score);

/* Write the indexes, best first, and return their number; empties the heap. */
extern int	vs_lda_top_take(VsLdaTop *top, int *indexes);

/* Most of what is offered to a full heap is worse than all it has. */
static inline void
vs_lda_top_offer(VsLdaTop *top, int index, double score)
{
	if (top->count < top->room || !(score < top->heap[0].score))
		vs_lda_top_push(top, index, score);
}

/* Of all tokens of the training documents; 0 if there were none. */
extern double vs_lda_topic_share(const VsLdaModel *model, int topic);
extern double vs_lda_word_share(const VsLdaModel *model, int word);

/*
 * The relevance of a word to a topic (Sievert and Shirley 2014),
 *		lambda log phi + (1 - lambda) log(phi / p(word)).
 * -Infinity where a probability that counts is 0.
 */
extern double vs_lda_relevance(const VsLdaModel *model, int word, int topic,
							   double lambda);

/*
 * The n words of most relevance to a topic, best first; equal ones by index.
 * Returns their number: n, or that of all words.  Takes a logarithm or two for
 * each word of the model, none where lambda is 1.
 */
extern int	vs_lda_top_words(const VsLdaModel *model, int topic, double lambda,
							 int n, int *words);

/*
 * How much the topic has these words, as a rule its VS_LDA_TOP_WORDS most
 * probable ones, for itself: the mean of phi[word][topic] as a share of its sum
 * over all topics.  NaN if no topic has them.
 */
extern double vs_lda_exclusivity(const VsLdaModel *model, int topic,
								 const int *words, int n);

/*
 * p(topic | word) for all topics, from phi and the shares of topics; all zero
 * where no topic has the word.
 */
extern void vs_lda_word_topics(const VsLdaModel *model, int word, double *p);

/*
 * p(word) times what the word says of the topic (Chuang et al. 2012), the
 * divergence of p(topic | word) from p(topic), in nats.
 */
extern double vs_lda_saliency(const VsLdaModel *model, int word);

#endif							/* VS_LDA_LDA_TOPICS_H */
