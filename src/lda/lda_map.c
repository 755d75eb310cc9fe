/*
 * lda_map.c
 *		Topics as points of a plane: classical scaling (Torgerson 1952) of the
 *		Jensen-Shannon distances between their distributions over words.
 *
 * DIVERGENCES.  For two topics with probabilities p and q of a word,
 *
 *		JS = sum over words of g(p, q),
 *		g(p, q) = (p log p + q log q - (p + q) log((p + q) / 2)) / 2
 *
 * which takes a logarithm for each pair and word: K * K * V of them.  But most
 * words of most topics have no more than the prior gives them, the smallest
 * probability of the topic, and g(cp, cq) = c g(p, q): words in which the
 * ratio of p to q is the same can be summed beforehand, and nothing is lost.
 * So each topic k has a set S(k) of the words that it has more of than the
 * least; a pair is summed over the union of its two sets, and all else is
 * taken as one word.  That is exact, and costs K times the sizes of all sets.
 *
 * Where this is still too much, a set is limited to the topic's most probable
 * words.  Taking words together can only lower a divergence, and by no more
 * than log 2 times the part of the pair that was taken together.
 *
 * Sets are given by a probability that their words exceed.  Going through phi
 * by rows, a word w of S(k) adds to all pairs (k, j); where w is of S(j) too
 * it will be met again for (j, k), so each adds a half.
 *
 * SCALING.  The square root of JS is a distance of points in a Hilbert space
 * (Fuglede and Topsoe 2004), so the centred matrix has no negative eigenvalues
 * but by rounding, or by taking words together, and plain orthogonal iteration
 * finds the largest.  Topics are often about as far from one another as can
 * be; then many eigenvalues are nearly equal, and any plane in their space is
 * as good a picture as any other.  Therefore what has to converge is the part
 * of the distances that is shown, not the vectors.  The start is fixed, so
 * that the same model gives the same picture.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "lda/lda_map.h"
#include "lda/lda_topics.h"

/*
 * How many terms g may be computed, about; some seconds.  A topic keeps at
 * least LEAST_WORDS words.
 */
#define MOST_TERMS		INT64CONST(500000000)
#define LEAST_WORDS		100

/* A word at up to so many times the least probability counts as at it. */
#define NEARLY_LEAST	1.0001f

/* Vectors iterated together: the more, the faster the first two converge. */
#define BLOCK			8
#define MOST_ROUNDS		300
#define ENOUGH			1e-9

typedef double VsLdaSquare[BLOCK][BLOCK];

/* ------------------------------------------------------------------------
 * Divergences
 * ------------------------------------------------------------------------ */

static inline double
x_log_x(double x)
{
	return x > 0 ? x * log(x) : 0;
}

static inline double
divergence_term(double p, double q)
{
	double		sum = p + q;

	return sum > 0 ? (x_log_x(p) + x_log_x(q) - sum * log(sum / 2)) / 2 : 0;
}

/* Where a set of the words above the n-th begins. */
static float
cut_after(const VsLdaModel *model, int topic, int n)
{
	VsLdaTop	top;
	float		cut;

	vs_lda_top_init(&top, n);
	for (int w = 0; w < model->words; w++)
		vs_lda_top_offer(&top, w,
						 model->phi[(Size) w * model->stride + topic]);
	cut = top.heap[0].score;
	pfree(top.heap);
	return cut;
}

/* Find cut, [K]: the words that exceed it are the set of a topic. */
static void
choose_sets(const VsLdaModel *model, int most_words, float *cut)
{
	int		   *size = palloc0(model->topics * sizeof(int));

	for (int k = 0; k < model->topics; k++)
		cut[k] = INFINITY;
	for (int w = 0; w < model->words; w++)
		for (int k = 0; k < model->topics; k++)
			cut[k] = Min(cut[k], model->phi[(Size) w * model->stride + k]);
	for (int k = 0; k < model->topics; k++)
		cut[k] *= NEARLY_LEAST;
	for (int w = 0; w < model->words; w++)
		for (int k = 0; k < model->topics; k++)
			size[k] += model->phi[(Size) w * model->stride + k] > cut[k];
	for (int k = 0; k < model->topics; k++)
	{
		CHECK_FOR_INTERRUPTS();
		if (size[k] > most_words)
			cut[k] = Max(cut[k], cut_after(model, k, most_words));
	}
	pfree(size);
}

void
vs_lda_divergences(const VsLdaModel *model, int most_words, double *square)
{
	int			topics = model->topics;
	Size		cells = (Size) topics * topics;
	float	   *cut = palloc(topics * sizeof(float));
	double	   *entropy = palloc(topics * sizeof(double));

	/* of the part of k that is not in S(k), and in the sets of others only */
	double	   *rest = palloc0(topics * sizeof(double));
	double	   *elsewhere = MemoryContextAllocHuge(CurrentMemoryContext,
												   cells * sizeof(double));

	Assert(most_words > 0);
	choose_sets(model, most_words, cut);
	for (Size i = 0; i < cells; i++)
		square[i] = elsewhere[i] = 0;

	for (int w = 0; w < model->words; w++)
	{
		const float *row = model->phi + (Size) w * model->stride;
		bool		is_first = true;

		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < topics; k++)
		{
			double		p = row[k];

			if (!(row[k] > cut[k]))
			{
				rest[k] += p;
				continue;
			}
			if (is_first)
				for (int j = 0; j < topics; j++)
					entropy[j] = x_log_x(row[j]);
			is_first = false;

			/* most time is spent here */
			for (int j = 0; j < topics; j++)
			{
				bool		is_shared = row[j] > cut[j];
				double		sum = p + row[j];
				double		term = entropy[k] + entropy[j] - sum * log(sum / 2);

				square[(Size) k * topics + j] += is_shared ? term / 4 : term / 2;
				elsewhere[(Size) k * topics + j] += is_shared ? 0 : row[j];
			}
		}
	}

	for (int k = 0; k < topics; k++)
	{
		square[(Size) k * topics + k] = 0;
		for (int j = 0; j < k; j++)
		{
			Size		kj = (Size) k * topics + j;
			Size		jk = (Size) j * topics + k;
			double		sum = square[kj] + square[jk] +
			divergence_term(Max(rest[k] - elsewhere[jk], 0),
							Max(rest[j] - elsewhere[kj], 0));

			square[kj] = square[jk] = Max(sum, 0);
		}
	}
	pfree(cut);
	pfree(entropy);
	pfree(rest);
	pfree(elsewhere);
}

/* ------------------------------------------------------------------------
 * Scaling
 * ------------------------------------------------------------------------ */

/* -1/2 J D J, with J = 1 - 1/n; returns its trace. */
static double
center(double *square, int n)
{
	double	   *mean = palloc(n * sizeof(double));
	double		grand = 0;
	double		trace = 0;

	for (int i = 0; i < n; i++)
	{
		mean[i] = 0;
		for (int j = 0; j < n; j++)
			mean[i] += square[(Size) i * n + j];
		grand += mean[i] /= n;
	}
	grand /= n;
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < n; j++)
			square[(Size) i * n + j] =
				-(square[(Size) i * n + j] - mean[i] - mean[j] + grand) / 2;
		trace += square[(Size) i * n + i];
	}
	pfree(mean);
	return trace;
}

/* Make columns orthonormal; one that depends on those before is cleared. */
static void
orthonormalize(double (*q)[BLOCK], int n)
{
	for (int c = 0; c < BLOCK; c++)
	{
		double		before = 0;
		double		after = 0;

		for (int i = 0; i < n; i++)
			before += q[i][c] * q[i][c];

		/* twice is enough (Giraud et al. 2005) */
		for (int pass = 0; pass < 2; pass++)
			for (int d = 0; d < c; d++)
			{
				double		dot = 0;

				for (int i = 0; i < n; i++)
					dot += q[i][c] * q[i][d];
				for (int i = 0; i < n; i++)
					q[i][c] -= dot * q[i][d];
			}
		for (int i = 0; i < n; i++)
			after += q[i][c] * q[i][c];

		after = after > 1e-24 * before && after > 0 ? 1 / sqrt(after) : 0;
		for (int i = 0; i < n; i++)
			q[i][c] *= after;
	}
}

/* One rotation of Jacobi's: h[a][b] becomes 0, v keeps the product. */
static void
rotate(VsLdaSquare h, VsLdaSquare v, int a, int b)
{
	double		theta = (h[b][b] - h[a][a]) / (2 * h[a][b]);
	double		t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
	double		c = 1 / sqrt(t * t + 1);
	double		s = t * c;

	for (int i = 0; i < BLOCK; i++)
	{
		double		x = h[i][a];
		double		y = h[i][b];

		h[i][a] = c * x - s * y;
		h[i][b] = s * x + c * y;
	}
	for (int i = 0; i < BLOCK; i++)
	{
		double		x = h[a][i];
		double		y = h[b][i];

		h[a][i] = c * x - s * y;
		h[b][i] = s * x + c * y;

		x = v[i][a];
		y = v[i][b];
		v[i][a] = c * x - s * y;
		v[i][b] = s * x + c * y;
	}
}

/*
 * Eigenvalues of h, largest first, and its eigenvectors as columns of v.
 * Clears what is not on the diagonal of h.
 */
static void
diagonalize(VsLdaSquare h, VsLdaSquare v, double *value)
{
	int			order[BLOCK];
	VsLdaSquare found;

	for (int i = 0; i < BLOCK; i++)
		for (int j = 0; j < BLOCK; j++)
			found[i][j] = i == j;
	for (int sweep = 0; sweep < 30; sweep++)
		for (int a = 0; a < BLOCK; a++)
			for (int b = a + 1; b < BLOCK; b++)
				if (fabs(h[a][b]) > 1e-300)
					rotate(h, found, a, b);

	for (int i = 0; i < BLOCK; i++)
	{
		int			at = i;

		while (at > 0 && h[order[at - 1]][order[at - 1]] < h[i][i])
		{
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
	}
	for (int j = 0; j < BLOCK; j++)
	{
		value[j] = h[order[j]][order[j]];
		for (int i = 0; i < BLOCK; i++)
			v[i][j] = found[i][order[j]];
	}
}

/* q times v, in place */
static void
turn(double (*q)[BLOCK], int n, VsLdaSquare v)
{
	for (int i = 0; i < n; i++)
	{
		double		row[BLOCK] = {0};

		for (int c = 0; c < BLOCK; c++)
			for (int d = 0; d < BLOCK; d++)
				row[d] += q[i][c] * v[c][d];
		memcpy(q[i], row, sizeof(row));
	}
}

/* The largest eigenvalues of b, and their vectors as columns of q. */
static void
largest_eigenvectors(const double *b, int n, double (*q)[BLOCK], double *value)
{
	double		(*product)[BLOCK] = palloc(n * sizeof(*product));
	uint64		state = 1;
	double		shown = 0;

	for (int i = 0; i < n; i++)
		for (int c = 0; c < BLOCK; c++)
		{
			state = state * UINT64CONST(6364136223846793005) +
				UINT64CONST(1442695040888963407);
			q[i][c] = (double) (state >> 33) / (UINT64CONST(1) << 31) - 0.5;
		}

	for (int round = 0; round < MOST_ROUNDS; round++)
	{
		double		before = shown;
		VsLdaSquare h = {{0}};
		VsLdaSquare v;

		orthonormalize(q, n);
		for (int i = 0; i < n; i++)
		{
			double		row[BLOCK] = {0};

			CHECK_FOR_INTERRUPTS();
			for (int j = 0; j < n; j++)
				for (int c = 0; c < BLOCK; c++)
					row[c] += b[(Size) i * n + j] * q[j][c];
			for (int c = 0; c < BLOCK; c++)
				for (int d = 0; d < BLOCK; d++)
					h[c][d] += q[i][c] * row[d];
			memcpy(product[i], row, sizeof(row));
		}
		diagonalize(h, v, value);
		turn(q, n, v);
		shown = value[0] + value[1];
		if (fabs(shown - before) <= ENOUGH * fabs(shown))
			break;
		if (round < MOST_ROUNDS - 1)
		{
			turn(product, n, v);
			memcpy(q, product, n * sizeof(*product));
		}
	}
	pfree(product);
}

/* An eigenvector has no sign: the first topic that shows one gets plus. */
static void
fix_sign(double *x, int n)
{
	double		largest = 0;
	int			first = 0;

	for (int i = 0; i < n; i++)
		largest = Max(largest, fabs(x[i]));
	while (first < n && !(fabs(x[first]) > largest / 1000))
		first++;
	if (first < n && x[first] < 0)
		for (int i = 0; i < n; i++)
			x[i] = -x[i];
}

void
vs_lda_scale(double *square, int n, VsLdaMap *map)
{
	double	   *axes[2];
	double		trace = center(square, n);
	double		value[BLOCK] = {0};
	double		(*q)[BLOCK] = palloc0(n * sizeof(*q));

	/* points that are all the same have nothing but rounding between them */
	if (trace > 1e-12 * n)
		largest_eigenvectors(square, n, q, value);
	else
		trace = 0;

	axes[0] = map->x = palloc(n * sizeof(double));
	axes[1] = map->y = palloc(n * sizeof(double));
	for (int a = 0; a < 2; a++)
	{
		bool		is_flat = !(value[a] > 1e-12 * trace);

		for (int i = 0; i < n; i++)
			axes[a][i] = is_flat ? 0 : sqrt(value[a]) * q[i][a];
		map->explained[a] = is_flat ? 0 : value[a] / trace;
		fix_sign(axes[a], n);
	}
	pfree(q);
}

void
vs_lda_map(const VsLdaModel *model, VsLdaMap *map)
{
	Size		cells = (Size) model->topics * model->topics;
	double	   *square = MemoryContextAllocHuge(CurrentMemoryContext,
												cells * sizeof(double));
	int64		words = Max(MOST_TERMS / (int64) cells, LEAST_WORDS);

	vs_lda_divergences(model, Max(Min(words, model->words), 1), square);
	vs_lda_scale(square, model->topics, map);
	pfree(square);
}
