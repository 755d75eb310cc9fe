/*
 * kernel_lda_neon.c
 *		The loops of topic models for NEON: a vector is four registers.
 */
#include "kernel/kernel_lda_isa.h"

#ifdef VS_HAVE_NEON

#include <arm_neon.h>

#define SWEEP			sweep
#define FOLD			fold
#define TARGET			static
#define INLINE			VS_ALWAYS_INLINE

typedef struct Quads
{
	float32x4_t q[4];
}			Quads;

#define V				Quads
#define FOR_QUADS		for (int i = 0; i < 4; i++)

INLINE		Quads
v_set1(float f)
{
	Quads		r;

	FOR_QUADS	r.q[i] = vdupq_n_f32(f);

	return r;
}

INLINE		Quads
v_load(const float *p)
{
	Quads		r;

	FOR_QUADS	r.q[i] = vld1q_f32(p + 4 * i);

	return r;
}

INLINE void
v_store(float *p, Quads x)
{
	FOR_QUADS	vst1q_f32(p + 4 * i, x.q[i]);
}

INLINE		Quads
v_add(Quads x, Quads y)
{
	FOR_QUADS	x.q[i] = vaddq_f32(x.q[i], y.q[i]);

	return x;
}

INLINE		Quads
v_sub(Quads x, Quads y)
{
	FOR_QUADS	x.q[i] = vsubq_f32(x.q[i], y.q[i]);

	return x;
}

INLINE		Quads
v_mul(Quads x, Quads y)
{
	FOR_QUADS	x.q[i] = vmulq_f32(x.q[i], y.q[i]);

	return x;
}

INLINE		Quads
v_fma(Quads x, Quads y, Quads z)
{
	FOR_QUADS	z.q[i] = vfmaq_f32(z.q[i], x.q[i], y.q[i]);

	return z;
}

INLINE		Quads
v_abs(Quads x)
{
	FOR_QUADS	x.q[i] = vabsq_f32(x.q[i]);

	return x;
}

INLINE		Quads
v_put(Quads x, int lane, float f)
{
	static const uint32_t numbers[4] = {0, 1, 2, 3};
	uint32x4_t	number = vld1q_u32(numbers);

	FOR_QUADS	x.q[i] = vbslq_f32(vceqq_u32(number,
											 vdupq_n_u32((uint32_t) (lane - 4 * i))),
								   vdupq_n_f32(f), x.q[i]);

	return x;
}

INLINE		Quads
v_quad_prefix(Quads x)
{
	float32x4_t zero = vdupq_n_f32(0);

	FOR_QUADS	x.q[i] = vaddq_f32(x.q[i], vextq_f32(zero, x.q[i], 3));
	FOR_QUADS	x.q[i] = vaddq_f32(x.q[i], vextq_f32(zero, x.q[i], 2));

	return x;
}

INLINE		Quads
v_quad_last(Quads x)
{
	FOR_QUADS	x.q[i] = vdupq_laneq_f32(x.q[i], 3);

	return x;
}

INLINE		Quads
up_quads(Quads x, int n)
{
	Quads		r = v_set1(0);

	for (int i = n; i < 4; i++)
		r.q[i] = x.q[i - n];
	return r;
}

INLINE float
v_sum(Quads x)
{
	return vaddvq_f32(vaddq_f32(vaddq_f32(x.q[0], x.q[1]),
								vaddq_f32(x.q[2], x.q[3])));
}

INLINE int
v_count_le(Quads x, float f)
{
	uint32x4_t	count = vdupq_n_u32(0);
	float32x4_t limit = vdupq_n_f32(f);

	/* the last lane does not count */
	x.q[3] = vsetq_lane_f32(__builtin_inff(), x.q[3], 3);
	FOR_QUADS	count = vsubq_u32(count, vcleq_f32(x.q[i], limit));

	return (int) vaddvq_u32(count);
}

#define v_zero()			v_set1(0)
#define v_only(lane, f)		v_put(v_set1(0), lane, f)
#define v_up_quads1(x)		up_quads(x, 1)
#define v_up_quads2(x)		up_quads(x, 2)

#include "kernel/kernel_lda_body.h"

void
vs_kernel_lda_neon(VsLdaKernels *lda)
{
	lda->sweep = sweep;
	lda->fold = fold;
}

#endif							/* VS_HAVE_NEON */
