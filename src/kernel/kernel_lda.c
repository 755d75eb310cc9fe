/*
 * kernel_lda.c
 *		What topic models need in one version only: the compiler's own vectors
 *		are enough for loops that wait for memory.
 */
#include "kernel/kernel_lda.h"

/* So many floats of all arrays are in the first-level cache at a time. */
#define MERGE_BLOCK		512

void
vs_lda_merge(size_t n, int parts, float *const *part, float *sum)
{
	float		change[MERGE_BLOCK];

	for (size_t from = 0; from < n; from += MERGE_BLOCK)
	{
		size_t		m = n - from < MERGE_BLOCK ? n - from : MERGE_BLOCK;

		for (size_t i = 0; i < m; i++)
			change[i] = 0;
		for (int p = 0; p < parts; p++)
			for (size_t i = 0; i < m; i++)
				change[i] += part[p][from + i] - sum[from + i];
		for (size_t i = 0; i < m; i++)
			sum[from + i] += change[i];
		for (int p = 0; p < parts; p++)
			for (size_t i = 0; i < m; i++)
				part[p][from + i] = sum[from + i];
	}
}
