/*
 * kernel_rotate.c
 *		The fixed pseudo-random rotation.
 *
 * Index files depend on it: neither the order in which sign bits are drawn nor
 * the windows of the transforms may change.
 */
#include "kernel/kernel_isa.h"

static uint64_t
splitmix64(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* Bits are taken from the lowest up; a set bit is a minus sign. */
void
vs_rotate_signs(int n, uint64_t seed, float *signs)
{
	uint64_t	bits = 0;

	for (int i = 0; i < VS_ROTATE_ROUNDS * n; i++)
	{
		if (i % 64 == 0)
			bits = splitmix64(&seed);
		signs[i] = bits & 1 ? -1.0f : 1.0f;
		bits >>= 1;
	}
}

/* Blocks of a fixed length, which the compiler turns into vector code. */
static void
flip_signs(int n, const float *restrict signs, float *restrict x)
{
	int			i = 0;

	for (; i + 16 <= n; i += 16)
		for (int j = i; j < i + 16; j++)
			x[j] *= signs[j];
	for (; i < n; i++)
		x[i] *= signs[i];
}

void
vs_rotate(int n, const float *signs, float *x)
{
	const VsKernels *k = vs_kernels;
	int			window = 1;

	if (n < VS_ROTATE_MIN)
		return;
	while (window <= n / 2)
		window *= 2;
	for (int round = 0; round < VS_ROTATE_ROUNDS; round++, signs += n)
	{
		flip_signs(n, signs, x);
		k->fht(window, round % 2 == 0 ? x : x + (n - window));
	}
}
