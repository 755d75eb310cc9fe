/*
 * kernel_lda.h
 *		Loops of topic models: collapsed Gibbs sampling, and fold-in of a
 *		document with the topics fixed.
 *
 * Pure C like kernel.h, and dispatched with it.  No function allocates.
 *
 * K counts topics, V words.  A row holds one number for each topic and is
 * padded to a multiple of VS_LDA_LANES floats (the stride) and aligned to
 * VS_LDA_ALIGN bytes; what is behind the topics is zero, where not said
 * otherwise.
 *
 * All versions of sweep draw the same topics, bit for bit: sums run in
 * VS_LDA_LANES lanes on every processor, with fused multiply-adds, and no
 * expression is one that a compiler could contract.
 */
#ifndef VS_KERNEL_KERNEL_LDA_H
#define VS_KERNEL_KERNEL_LDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_LDA_ALIGN		64
#define VS_LDA_LANES		16
#define VS_LDA_STRIDE(topics) \
	(((topics) + VS_LDA_LANES - 1) / VS_LDA_LANES * VS_LDA_LANES)

/* How many words behind the last one sweep may read. */
#define VS_LDA_WORD_PAD		2

/* A document: its tokens are words[start .. start + length - 1]. */
typedef struct VsLdaDoc
{
	uint64_t	key;			/* its random numbers come from this */
	uint64_t	start;
	uint64_t	length;
} VsLdaDoc;

/*
 * Counts of a sampler, and room to work in.  Counts are whole numbers held as
 * floats, exact below 2^24, over a base that need not be whole.
 */
typedef struct VsLdaSampler
{
	int			topics;			/* K */
	int			stride;
	float		beta;
	double		beta_sum;		/* V * beta */
	const float *alpha;			/* [stride] */
	float	   *word_topic;		/* [V][stride]: tokens of a word in a topic */
	double	   *topic;			/* [K]: tokens in a topic */
	float	   *inverse;		/* [stride]: 1 / (topic + beta_sum) */
	float	   *doc;			/* [stride]: zeros between calls */
	float	   *weight;			/* [stride]: scratch */
	float	   *sums;			/* [stride]: scratch */
} VsLdaSampler;

typedef struct VsLdaKernels
{
	/*
	 * Draw a topic for each token of ndocs documents, one after the other,
	 * from its distribution given all other tokens (T. Griffiths, M.
	 * Steyvers, PNAS 101, 2004, equation 5, with alpha by topic):
	 *
	 * p(k) ~ (doc[k] + alpha[k]) * (word_topic[w][k] + beta) / (topic[k] + V
	 * beta)
	 *
	 * Fresh tokens have no topic yet, and count from when theirs is drawn.
	 * Random numbers depend on seed, the document's key and the token's place
	 * only.
	 */
	void		(*sweep) (const VsLdaSampler *s, bool fresh, uint64_t seed,
						  size_t ndocs, const VsLdaDoc *docs,
						  const uint32_t *words, uint16_t *topics);

	/*
	 * The topics of a document of n distinct words, with p(word | topic)
	 * fixed: theta[k] = alpha[k] + sum_w counts[w] p(k | w), by fixed-point
	 * iteration from the prior until the L1 change of theta is below
	 * tolerance * (tokens + sum of alpha) or iterations are used up.  rows[w]
	 * is the word's row of p(word | topic); ratios is scratch for n floats.
	 * Returns the sum of theta.
	 */
	float		(*fold) (int stride, const float *alpha, int n,
						 const float *const *rows, const float *counts,
						 float tolerance, int iterations,
						 float *theta, float *ratios);
} VsLdaKernels;

/*
 * Add to sum what each part differs from it by, and make the parts equal to it
 * again: n numbers each.
 */
extern void vs_lda_merge(size_t n, int parts, float *const *part, float *sum);

/* A bijection of 64 bits that looks random (the finalizer of splitmix64). */
static inline uint64_t
vs_lda_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
	x = (x ^ x >> 27) * 0x94D049BB133111EBu;
	return x ^ x >> 31;
}

/* What is added between two calls of vs_lda_mix for a stream of numbers. */
#define VS_LDA_GOLDEN		UINT64_C(0x9E3779B97F4A7C15)

#endif							/* VS_KERNEL_KERNEL_LDA_H */
