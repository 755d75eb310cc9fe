/*
 * kernel_lda_scalar.c
 *		The loops of topic models, in plain C: their definition.
 */
#include "kernel/kernel_lda_isa.h"

#include <math.h>

#define SWEEP			vs_lda_scalar_sweep
#define FOLD			vs_lda_scalar_fold
#define TARGET
#define INLINE			VS_ALWAYS_INLINE

typedef struct Lanes
{
	float		x[VS_LDA_LANES];
}			Lanes;

#define V				Lanes
#define FOR_LANES		for (int l = 0; l < VS_LDA_LANES; l++)

static inline Lanes
v_set1(float f)
{
	Lanes		r;

	FOR_LANES	r.x[l] = f;

	return r;
}

static inline Lanes
v_load(const float *p)
{
	Lanes		r;

	memcpy(r.x, p, sizeof(r.x));
	return r;
}

static inline void
v_store(float *p, Lanes a)
{
	memcpy(p, a.x, sizeof(a.x));
}

static inline Lanes
v_add(Lanes a, Lanes b)
{
	FOR_LANES	a.x[l] += b.x[l];

	return a;
}

static inline Lanes
v_sub(Lanes a, Lanes b)
{
	FOR_LANES	a.x[l] -= b.x[l];

	return a;
}

static inline Lanes
v_mul(Lanes a, Lanes b)
{
	FOR_LANES	a.x[l] *= b.x[l];

	return a;
}

static inline Lanes
v_fma(Lanes a, Lanes b, Lanes c)
{
	FOR_LANES	c.x[l] = fmaf(a.x[l], b.x[l], c.x[l]);

	return c;
}

static inline Lanes
v_abs(Lanes a)
{
	FOR_LANES	a.x[l] = fabsf(a.x[l]);

	return a;
}

static inline Lanes
v_put(Lanes a, int lane, float f)
{
	a.x[lane] = f;
	return a;
}

static inline Lanes
v_quad_prefix(Lanes a)
{
	for (int q = 0; q < VS_LDA_LANES; q += 4)
	{
		float		x01 = a.x[q] + a.x[q + 1];
		float		x12 = a.x[q + 1] + a.x[q + 2];
		float		x23 = a.x[q + 2] + a.x[q + 3];

		a.x[q + 1] = x01;
		a.x[q + 2] = x12 + a.x[q];
		a.x[q + 3] = x23 + x01;
	}
	return a;
}

static inline Lanes
v_quad_last(Lanes a)
{
	FOR_LANES	a.x[l] = a.x[l | 3];

	return a;
}

static inline Lanes
up_quads(Lanes a, int n)
{
	Lanes		r = v_set1(0);

	memcpy(r.x + 4 * n, a.x, sizeof(float) * (VS_LDA_LANES - 4 * n));
	return r;
}

static inline float
v_sum(Lanes a)
{
	float		sum = 0;

	FOR_LANES	sum +=a.x[l];

	return sum;
}

static inline int
v_count_le(Lanes a, float f)
{
	int			n = 0;

	for (int l = 0; l < VS_LDA_LANES - 1; l++)
		n += a.x[l] <= f;
	return n;
}

#define v_zero()			v_set1(0)
#define v_only(lane, f)		v_put(v_set1(0), lane, f)
#define v_up_quads1(a)		up_quads(a, 1)
#define v_up_quads2(a)		up_quads(a, 2)

#include "kernel/kernel_lda_body.h"
