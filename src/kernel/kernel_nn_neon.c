/*
 * kernel_nn_neon.c
 *		The loops of an encoder for 64-bit ARM: tiles of 6 rows x 16 outputs.
 *
 * 24 of the 32 registers hold sums.
 */
#include "kernel/kernel_nn_isa.h"

#ifdef VS_HAVE_NEON

#include <arm_neon.h>

#define TARGET
#define INLINE	VS_ALWAYS_INLINE

#define V				float32x4_t
#define VW				4
#define TILE_ROWS_1		6
#define TILE_ROWS_2		3
#define TILE_ROWS_3		0

INLINE		V
v_load_few(const float *p, int n)
{
	float		few[4] = {0};

	memcpy(few, p, n * sizeof(float));
	return vld1q_f32(few);
}

INLINE void
v_store_few(float *p, int n, V x)
{
	float		few[4];

	vst1q_f32(few, x);
	memcpy(p, few, n * sizeof(float));
}

INLINE		V
v_keep(int n, V x)
{
	float		few[4];

	vst1q_f32(few, x);
	return v_load_few(few, n);
}

INLINE		V
v_load_int8(const void *p)
{
	int32_t		four;

	memcpy(&four, p, sizeof(four));
	return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four))))));
}

#define v_zero()				vdupq_n_f32(0.0f)
#define v_set1(f)				vdupq_n_f32(f)
#define v_load(p)				vld1q_f32((const float *) (p))
#define v_store(p, x)			vst1q_f32(p, x)
#define v_load_half(p) \
	vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *) (p))))
#define v_load_bfloat(p) \
	vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *) (p)), 16))
#define v_add(a, b)				vaddq_f32(a, b)
#define v_sub(a, b)				vsubq_f32(a, b)
#define v_mul(a, b)				vmulq_f32(a, b)
#define v_div(a, b)				vdivq_f32(a, b)
#define v_fma(a, b, c)			vfmaq_f32(c, a, b)
#define v_fnma(a, b, c)			vfmsq_f32(c, a, b)
#define v_max(a, b)				vmaxq_f32(a, b)
#define v_min(a, b)				vminq_f32(a, b)
#define v_abs(x)				vabsq_f32(x)
#define v_round(x)				vrndnq_f32(x)
#define v_scale(x, n) \
	vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), vshlq_n_s32(vcvtq_s32_f32(n), 23)))
#define v_if_less(a, b, x, y)	vbslq_f32(vcltq_f32(a, b), x, y)
#define v_sum(x)				vaddvq_f32(x)
#define v_most(x)				vmaxvq_f32(x)

#include "kernel/kernel_nn_body.h"

void
vs_kernel_nn_neon(VsNnKernels *nn)
{
	fill_table(nn);
}

#endif							/* VS_HAVE_NEON */
