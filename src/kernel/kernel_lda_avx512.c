/*
 * kernel_lda_avx512.c
 *		The loops of topic models for AVX-512.
 */
#include "kernel/kernel_lda_isa.h"

#ifdef VS_HAVE_X86

#include <immintrin.h>

#define SWEEP			sweep
#define FOLD			fold
#define TARGET \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq," \
						  "avx2,fma,bmi,bmi2,popcnt"))) static
#define INLINE			VS_ALWAYS_INLINE \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq," \
						  "avx2,fma,bmi,bmi2,popcnt")))

#define V				__m512
#define v_zero()		_mm512_setzero_ps()
#define v_set1(f)		_mm512_set1_ps(f)
#define v_load(p)		_mm512_loadu_ps(p)
#define v_store(p, x)	_mm512_storeu_ps(p, x)
#define v_add(a, b)		_mm512_add_ps(a, b)
#define v_sub(a, b)		_mm512_sub_ps(a, b)
#define v_mul(a, b)		_mm512_mul_ps(a, b)
#define v_fma(a, b, c)	_mm512_fmadd_ps(a, b, c)
#define v_abs(a)		_mm512_abs_ps(a)
#define v_sum(a)		_mm512_reduce_add_ps(a)

#define in_lane(lane)			((__mmask16) (1u << (lane)))
#define v_only(lane, f)			_mm512_maskz_mov_ps(in_lane(lane), v_set1(f))
#define v_put(x, lane, f)		_mm512_mask_mov_ps(x, in_lane(lane), v_set1(f))
#define v_quad_last(x)			_mm512_shuffle_ps(x, x, 0xFF)
#define v_up_quads1(x)			up_lanes(x, 12)
#define v_up_quads2(x)			up_lanes(x, 8)
#define v_count_le(x, f) \
	__builtin_popcount(_mm512_cmp_ps_mask(x, v_set1(f), _CMP_LE_OQ) & 0x7FFF)

/* 16 - n lanes up, zeros in */
#define up_lanes(x, n) \
	_mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(x), \
											_mm512_setzero_si512(), n))

/* in each quad, n bytes up, zeros in */
#define up_in_quads(x, n) \
	_mm512_castsi512_ps(_mm512_bslli_epi128(_mm512_castps_si512(x), n))

INLINE		V
v_quad_prefix(V x)
{
	x = v_add(x, up_in_quads(x, 4));
	return v_add(x, up_in_quads(x, 8));
}

#include "kernel/kernel_lda_body.h"

void
vs_kernel_lda_avx512(VsLdaKernels *lda)
{
	lda->sweep = sweep;
	lda->fold = fold;
}

#endif							/* VS_HAVE_X86 */
