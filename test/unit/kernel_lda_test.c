/*
 * kernel_lda_test.c
 *		Tests of the loops of topic models, printed as TAP.
 *
 * Sampling draws the same topics on every level, so that is compared bit for
 * bit; what it draws is compared with the distribution it should draw from,
 * computed here in double.  Fold-in is compared with itself in double.
 * Documents end at the end of their memory, where ASan looks.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "random.h"
#include "tap.h"

#define WORDS		60
#define DOCS		40

typedef struct Corpus
{
	size_t		tokens;
	VsLdaDoc	docs[DOCS];
	uint32_t   *words;
	uint16_t   *topics;
}			Corpus;

static void *
take_rows(size_t rows, int stride)
{
	size_t		bytes = rows * (size_t) stride * sizeof(float);
	void	   *p;

	if (posix_memalign(&p, VS_LDA_ALIGN, bytes) != 0)
	{
		printf("Bail out! no memory\n");
		exit(1);
	}
	memset(p, 0, bytes);
	return p;
}

/* Documents of 0 to 30 tokens. */
static Corpus
new_corpus(void)
{
	Corpus		c = {0};

	for (int d = 0; d < DOCS; d++)
	{
		c.docs[d].key = random_bits();
		c.docs[d].start = c.tokens;
		c.docs[d].length = random_bits() % 31;
		c.tokens += c.docs[d].length;
	}
	c.words = malloc(sizeof(uint32_t) * (c.tokens + VS_LDA_WORD_PAD));
	c.topics = malloc(sizeof(uint16_t) * c.tokens);
	for (size_t i = 0; i < c.tokens + VS_LDA_WORD_PAD; i++)
		c.words[i] = random_bits() % WORDS;
	return c;
}

static void
free_corpus(Corpus * c)
{
	free(c->words);
	free(c->topics);
}

static VsLdaSampler
new_sampler(int topics, float beta)
{
	int			stride = VS_LDA_STRIDE(topics);
	float	   *alpha = take_rows(1, stride);
	VsLdaSampler s = {
		.topics = topics,
		.stride = stride,
		.beta = beta,
		.beta_sum = (double) beta * WORDS,
		.alpha = alpha,
		.word_topic = take_rows(WORDS, stride),
		.topic = calloc(topics, sizeof(double)),
		.inverse = take_rows(1, stride),
		.doc = take_rows(1, stride),
		.weight = take_rows(1, stride),
		.sums = take_rows(1, stride),
	};

	for (int k = 0; k < topics; k++)
	{
		alpha[k] = 0.1f + 0.05f * (k % 7);
		s.inverse[k] = (float) (1 / s.beta_sum);
	}
	return s;
}

static void
free_sampler(VsLdaSampler *s)
{
	free((void *) s->alpha);
	free(s->word_topic);
	free(s->topic);
	free(s->inverse);
	free(s->doc);
	free(s->weight);
	free(s->sums);
}

static void
run(const VsKernels *k, VsLdaSampler *s, Corpus * c)
{
	k->lda.sweep(s, true, 5, DOCS, c->docs, c->words, c->topics);
	for (int i = 0; i < 4; i++)
		k->lda.sweep(s, false, 100 + i, DOCS, c->docs, c->words, c->topics);
}

/* Counts are those of the tokens, and what is between calls is clean. */
static void
check_counts(const VsLdaSampler *s, const Corpus * c)
{
	float	   *count = take_rows(WORDS, s->stride);

	for (size_t i = 0; i < c->tokens; i++)
	{
		if (c->topics[i] >= s->topics)
			fail("topic %d of %d", c->topics[i], s->topics);
		else
			count[c->words[i] * s->stride + c->topics[i]]++;
	}
	if (memcmp(count, s->word_topic, sizeof(float) * WORDS * s->stride) != 0)
		fail("counts are not those of the tokens");
	for (int k = 0; k < s->topics; k++)
	{
		double		sum = 0;

		for (int w = 0; w < WORDS; w++)
			sum += count[w * s->stride + k];
		if (sum != s->topic[k])
			fail("topic %d has %g tokens, not %g", k, s->topic[k], sum);
		if (s->inverse[k] != 1 / (float) (sum + s->beta_sum))
			fail("the inverse of topic %d is stale", k);
	}
	for (int k = 0; k < s->stride; k++)
		if (s->doc[k] != 0)
			fail("doc is not clean");
	free(count);
}

static const VsKernels *
level(int i)
{
	return vs_kernel_level_name(i) ? vs_kernel_level(vs_kernel_level_name(i)) : NULL;
}

static void
test_same_draws(void)
{
	static const int sizes[] = {2, 3, 15, 16, 17, 50, 64, 200, 333};

	for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++)
	{
		Corpus		c = new_corpus();
		VsLdaSampler scalar = new_sampler(sizes[n], 0.05f);
		uint16_t   *topics = malloc(sizeof(uint16_t) * c.tokens);

		run(vs_kernel_level("scalar"), &scalar, &c);
		check_counts(&scalar, &c);
		memcpy(topics, c.topics, sizeof(uint16_t) * c.tokens);
		for (int i = 0; vs_kernel_level_name(i); i++)
		{
			VsLdaSampler other = new_sampler(sizes[n], 0.05f);

			subject = vs_kernel_level_name(i);
			if (level(i))
			{
				run(level(i), &other, &c);
				check_counts(&other, &c);
				if (memcmp(topics, c.topics, sizeof(uint16_t) * c.tokens) != 0)
					fail("other topics than scalar");
			}
			free_sampler(&other);
		}
		subject = "";
		free(topics);
		free_sampler(&scalar);
		free_corpus(&c);
		end_test("%d topics: every level draws the same", sizes[n]);
	}
}

/*
 * One token, drawn again and again from the same state: how often each topic
 * comes is compared with its probability.
 */
static void
test_distribution(int topics)
{
	enum
	{
		DRAWS = 200000
	};
	Corpus		c = new_corpus();
	VsLdaSampler s = new_sampler(topics, 0.1f);
	const VsKernels *best = vs_kernels;
	double	   *p = calloc(topics, sizeof(double));
	double	   *seen = calloc(topics, sizeof(double));
	double		total = 0;
	double		chi2 = 0;
	uint32_t	words[4] = {0};
	uint16_t	topic[2];

	run(best, &s, &c);
	words[0] = 7;
	words[1] = 9;
	for (int k = 0; k < topics; k++)
	{
		/* the document has one other token, of topic 1 */
		p[k] = ((k == 1) + s.alpha[k]) *
			(s.word_topic[7 * s.stride + k] + s.beta) /
			(s.topic[k] + (k == 1) + s.beta_sum);
		total += p[k];
	}
	s.word_topic[9 * s.stride + 1]++;
	s.topic[1]++;
	s.inverse[1] = 1 / (float) (s.topic[1] + s.beta_sum);
	for (int i = 0; i < DRAWS; i++)
	{
		/* two tokens; the first one is drawn from the state without it */
		VsLdaDoc	doc = {.key = random_bits(),.length = 2};
		VsLdaSampler copy = s;

		topic[0] = (uint16_t) (i % topics);
		topic[1] = 1;
		s.word_topic[7 * s.stride + topic[0]]++;
		s.topic[topic[0]]++;
		s.inverse[topic[0]] = 1 / (float) (s.topic[topic[0]] + s.beta_sum);
		best->lda.sweep(&copy, false, 1, 1, &doc, words, topic);
		seen[topic[0]]++;
		s.word_topic[7 * s.stride + topic[0]]--;
		s.topic[topic[0]]--;
		s.inverse[topic[0]] = 1 / (float) (s.topic[topic[0]] + s.beta_sum);
		s.word_topic[9 * s.stride + topic[1]]--;
		s.word_topic[9 * s.stride + 1]++;
		s.topic[topic[1]]--;
		s.topic[1]++;
		s.inverse[topic[1]] = 1 / (float) (s.topic[topic[1]] + s.beta_sum);
		s.inverse[1] = 1 / (float) (s.topic[1] + s.beta_sum);
	}
	for (int k = 0; k < topics; k++)
	{
		double		expected = DRAWS * p[k] / total;

		chi2 += (seen[k] - expected) * (seen[k] - expected) / expected;
	}
	/* five standard deviations above the mean of chi-squared */
	if (chi2 > topics - 1 + 5 * sqrt(2.0 * (topics - 1)))
		fail("chi-squared %.1f of %d topics", chi2, topics);
	free(p);
	free(seen);
	free_sampler(&s);
	free_corpus(&c);
	end_test("%d topics: draws follow their distribution", topics);
}

/* Fold-in as it is defined, in double. */
static double
fold(int topics, const float *alpha, int n, const float *const *rows,
	 const float *counts, int iterations, double *theta)
{
	double		tokens = 0;
	double		prior = 0;
	double		sum = 0;

	for (int w = 0; w < n; w++)
		tokens += counts[w];
	for (int k = 0; k < topics; k++)
		prior += alpha[k];
	for (int k = 0; k < topics; k++)
		theta[k] = alpha[k] * (1 + tokens / prior);
	for (int i = 0; i < iterations; i++)
	{
		double	   *next = calloc(topics, sizeof(double));

		for (int w = 0; w < n; w++)
		{
			double		p = 0;

			for (int k = 0; k < topics; k++)
				p += theta[k] * rows[w][k];
			for (int k = 0; p > 0 && k < topics; k++)
				next[k] += counts[w] * rows[w][k] / p;
		}
		for (int k = 0; k < topics; k++)
			theta[k] = alpha[k] + theta[k] * next[k];
		free(next);
	}
	for (int k = 0; k < topics; k++)
		sum += theta[k];
	return sum;
}

static void
test_fold(int topics, int n)
{
	int			stride = VS_LDA_STRIDE(topics);
	float	   *phi = take_rows(n + 1, stride);
	float	   *alpha = take_rows(1, stride);
	float	   *theta = take_rows(1, stride);
	float	   *ratios = malloc(sizeof(float) * (n + 1));
	double	   *expected = calloc(topics, sizeof(double));
	const float **rows = malloc(sizeof(float *) * (n + 1));
	float	   *counts = malloc(sizeof(float) * (n + 1));
	double		sum;

	for (int w = 0; w < n; w++)
	{
		rows[w] = phi + w * stride;
		counts[w] = (float) (1 + random_bits() % 4);
		for (int k = 0; k < topics; k++)
			phi[w * stride + k] = random_bits() % 3 ? 1e-6f : fabsf(random_float());
	}
	/* a word that no topic makes */
	if (n > 2)
		memset(phi, 0, sizeof(float) * stride);
	for (int k = 0; k < topics; k++)
		alpha[k] = 0.05f + 0.01f * (k % 5);
	sum = fold(topics, alpha, n, rows, counts, 30, expected);
	for (int i = 0; vs_kernel_level_name(i); i++)
	{
		float		total;

		subject = vs_kernel_level_name(i);
		if (!level(i))
			continue;
		total = level(i)->lda.fold(stride, alpha, n, rows, counts, 0, 30,
								   theta, ratios);
		if (fabs(total - sum) > 1e-5 * sum)
			fail("sum %g, not %g", total, sum);
		for (int k = 0; k < topics; k++)
			if (fabs(theta[k] - expected[k]) > 1e-4 * (sum / topics + expected[k]))
				fail("theta[%d] is %g, not %g", k, theta[k], expected[k]);
		for (int k = topics; k < stride; k++)
			if (theta[k] != 0)
				fail("theta is not zero behind the topics");
	}
	subject = "";
	free(phi);
	free(alpha);
	free(theta);
	free(ratios);
	free(expected);
	free(rows);
	free(counts);
	end_test("fold-in of %d words, %d topics", n, topics);
}

int
main(void)
{
	vs_kernel_init();
	test_same_draws();
	test_distribution(2);
	test_distribution(20);
	test_distribution(90);
	test_fold(2, 3);
	test_fold(50, 0);
	test_fold(50, 1);
	test_fold(50, 20);
	test_fold(200, 40);
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
