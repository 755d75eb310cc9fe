/*
 * lda_hyper.c
 *		The hyper-parameters alpha (one for each topic) and beta, learned from
 *		the counts by T. Minka's fixed point ("Estimating a Dirichlet
 *		distribution", 2000, equation 55).
 *
 * What it needs of the documents is how often a topic has n tokens of a
 * document, for each topic and n, and how many documents have n tokens (H.
 * Wallach, "Structured topic models for language", 2008, section 2.3).  Small n
 * are counted in tables, larger ones are listed.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "lda/lda_sampler.h"

#define TABLE_MAX		256
#define ROUNDS			10		/* of the fixed point */

/*
 * A topic's alpha does not become less: one that has no tokens at a time
 * could never get any again.
 */
#define LEAST_ALPHA		1e-5
#define MOST_ALPHA		1e4
#define LEAST_BETA		1e-5
#define MOST_BETA		1e2

/* A number above TABLE_MAX of a topic (or of a document: topic -1). */
typedef struct LargeCount
{
	int32		topic;
	uint32		n;
} LargeCount;

struct VsLdaHistogram
{
	int			topics;
	uint32	   *table;			/* [topics][TABLE_MAX + 1] */
	uint32		lengths[TABLE_MAX + 1];
	LargeCount *large;
	Size		nlarge;
	Size		room;
	uint32	   *doc;			/* [topics]: zeros between documents */
	MemoryContext context;
};

VsLdaHistogram *
vs_lda_histogram_new(int topics)
{
	VsLdaHistogram *h = palloc0(sizeof(VsLdaHistogram));

	h->topics = topics;
	h->context = CurrentMemoryContext;
	h->table = palloc_extended(sizeof(uint32) * topics * (TABLE_MAX + 1),
							   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	h->doc = palloc0(sizeof(uint32) * topics);
	return h;
}

static void
add_large(VsLdaHistogram *h, int topic, uint64 n)
{
	if (h->nlarge == h->room)
	{
		h->room = Max(h->room * 2, 1024);
		h->large = h->large == NULL ?
			MemoryContextAllocHuge(h->context, sizeof(LargeCount) * h->room) :
			repalloc_huge(h->large, sizeof(LargeCount) * h->room);
	}
	h->large[h->nlarge].topic = topic;
	h->large[h->nlarge++].n = (uint32) n;
}

static void
add_document(VsLdaHistogram *h, const uint16_t *topics, uint64 n)
{
	for (uint64 i = 0; i < n; i++)
		h->doc[topics[i]]++;
	for (uint64 i = 0; i < n; i++)
	{
		uint32		count = h->doc[topics[i]];

		if (count > TABLE_MAX)
			add_large(h, topics[i], count);
		else if (count > 0)
			h->table[(Size) topics[i] * (TABLE_MAX + 1) + count]++;
		h->doc[topics[i]] = 0;
	}
	if (n > TABLE_MAX)
		add_large(h, -1, n);
	else
		h->lengths[n]++;
}

void
vs_lda_histogram_add(VsLdaHistogram *h, const VsLdaWindow *w)
{
	for (size_t d = 0; d < w->ndocs; d++)
		add_document(h, w->topics + w->docs[d].start, w->docs[d].length);
}

/* Asymptotic series, after a step to where it is right to 1e-12. */
static double
digamma(double x)
{
	double		shift = 0;
	double		f;

	for (; x < 8; x += 1)
		shift -= 1 / x;
	f = 1 / (x * x);
	return shift + log(x) - 0.5 / x -
		f * (1.0 / 12 - f * (1.0 / 120 - f * (1.0 / 252 - f * (1.0 / 240 - f / 132))));
}

/* sum over counts n of table[n] * (digamma(n + a) - digamma(a)) */
static double
table_sum(const uint32 *table, double a)
{
	double		sum = 0;
	double		difference = 0;

	for (int n = 1; n <= TABLE_MAX; n++)
	{
		difference += 1 / (n - 1 + a);
		sum += table[n] * difference;
	}
	return sum;
}

static void
alpha_round(const VsLdaHistogram *h, double *alpha, double *up)
{
	double		sum = 0;
	double		down;

	for (int k = 0; k < h->topics; k++)
		sum += alpha[k];
	down = table_sum(h->lengths, sum);
	for (int k = 0; k < h->topics; k++)
		up[k] = table_sum(h->table + (Size) k * (TABLE_MAX + 1), alpha[k]);
	for (Size i = 0; i < h->nlarge; i++)
	{
		int			k = h->large[i].topic;
		double		a = k < 0 ? sum : alpha[k];
		double		difference = digamma(h->large[i].n + a) - digamma(a);

		if (k < 0)
			down += difference;
		else
			up[k] += difference;
	}
	if (!(down > 0))
		return;
	for (int k = 0; k < h->topics; k++)
		alpha[k] = Min(Max(alpha[k] * up[k] / down, LEAST_ALPHA), MOST_ALPHA);
}

void
vs_lda_histogram_alpha(VsLdaHistogram *h, double *alpha)
{
	double	   *up = palloc(sizeof(double) * h->topics);

	for (int i = 0; i < ROUNDS; i++)
		alpha_round(h, alpha, up);
	memset(h->table, 0, sizeof(uint32) * h->topics * (TABLE_MAX + 1));
	memset(h->lengths, 0, sizeof(h->lengths));
	h->nlarge = 0;
	pfree(up);
}

double
vs_lda_learn_beta(int topics, int words, int stride, const float *word_topic,
				  const double *topic, double beta)
{
	uint32		table[TABLE_MAX + 1] = {0};
	double		sum_beta;

	for (int w = 0; w < words; w++)
		for (int k = 0; k < topics; k++)
		{
			float		n = word_topic[(Size) w * stride + k];

			if (n > 0 && n <= TABLE_MAX)
				table[(int) n]++;
		}
	for (int i = 0; i < ROUNDS; i++)
	{
		double		up = table_sum(table, beta);
		double		down = 0;

		/* the few large counts */
		for (int w = 0; w < words; w++)
			for (int k = 0; k < topics; k++)
			{
				float		n = word_topic[(Size) w * stride + k];

				if (n > TABLE_MAX)
					up += digamma(n + beta) - digamma(beta);
			}
		sum_beta = beta * words;
		for (int k = 0; k < topics; k++)
			down += digamma(topic[k] + sum_beta) - digamma(sum_beta);
		if (!(down > 0))
			break;
		beta = Min(Max(beta * up / (down * words), LEAST_BETA), MOST_BETA);
	}
	return beta;
}
