/*
 * truth.c
 *		The exact answers of a benchmark: for each query the numbers of the K
 *		nearest rows, nearest first.
 *
 * usage: truth METRIC BASE.fvecs QUERY.fvecs K OUT.ivecs
 */
#include <math.h>
#include <string.h>

#include "vecs.h"

typedef enum
{
	METRIC_COSINE, METRIC_L2, METRIC_IP
} Metric;

/* The smaller, the nearer; float sums, for speed the compiler may reorder. */
static float
distance(Metric metric, const float *a, const float *b, size_t dim)
{
	float		sum = 0;

	if (metric == METRIC_L2)
	{
		for (size_t i = 0; i < dim; i++)
			sum += (a[i] - b[i]) * (a[i] - b[i]);
		return sum;
	}
	for (size_t i = 0; i < dim; i++)
		sum += a[i] * b[i];
	return -sum;
}

static void
normalize(VsRows *rows)
{
	for (size_t r = 0; r < rows->n; r++)
	{
		float	   *v = rows->f + r * rows->dim;
		double		sum = 0;

		for (size_t i = 0; i < rows->dim; i++)
			sum += (double) v[i] * v[i];
		for (size_t i = 0; i < rows->dim && sum > 0; i++)
			v[i] = (float) (v[i] / sqrt(sum));
	}
}

int
main(int argc, char **argv)
{
	Metric		metric;
	VsRows		base;
	VsRows		query;
	int32_t		k;
	FILE	   *out;
	float	   *best;
	int32_t    *best_id;

	if (argc != 6)
	{
		fprintf(stderr, "usage: truth cosine|l2|ip BASE QUERY K OUT\n");
		return 2;
	}
	metric = strcmp(argv[1], "l2") == 0 ? METRIC_L2 :
		strcmp(argv[1], "ip") == 0 ? METRIC_IP : METRIC_COSINE;
	base = read_rows(argv[2]);
	query = read_rows(argv[3]);
	k = atoi(argv[4]);
	out = fopen(argv[5], "wb");
	best = malloc(sizeof(float) * (size_t) k);
	best_id = malloc(sizeof(int32_t) * (size_t) k);
	if (out == NULL || best == NULL || best_id == NULL || base.dim != query.dim)
	{
		fprintf(stderr, "truth: bad arguments\n");
		return 1;
	}
	if (metric == METRIC_COSINE)
	{
		normalize(&base);
		normalize(&query);
	}

	for (size_t q = 0; q < query.n; q++)
	{
		const float *vq = query.f + q * query.dim;
		int32_t		found = 0;

		for (size_t r = 0; r < base.n; r++)
		{
			float		d = distance(metric, vq, base.f + r * base.dim, base.dim);
			int32_t		at;

			if (found == k && d >= best[k - 1])
				continue;
			at = found < k ? found++ : k - 1;
			for (; at > 0 && best[at - 1] > d; at--)
			{
				best[at] = best[at - 1];
				best_id[at] = best_id[at - 1];
			}
			best[at] = d;
			best_id[at] = (int32_t) r;
		}
		fwrite(&k, 4, 1, out);
		fwrite(best_id, 4, (size_t) k, out);
	}
	return fclose(out) == 0 ? 0 : 1;
}
