/*
 * kernel_nn_avx512.c
 *		The loops of an encoder for AVX-512: tiles of 8 rows x 48 outputs.
 *
 * 24 of the 32 registers hold sums; 3 loads of weights and 8 of x feed 24
 * multiply-adds.
 */
#include "kernel/kernel_nn_isa.h"

#ifdef VS_HAVE_X86

#include <immintrin.h>

#define TARGET \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq," \
						  "avx2,fma,f16c,bmi,bmi2,popcnt")))
#define INLINE	VS_ALWAYS_INLINE TARGET

#define V				__m512
#define VW				16
#define TILE_ROWS_1		8
#define TILE_ROWS_2		8
#define TILE_ROWS_3		8

#define first_lanes(n)	((__mmask16) ((1u << (n)) - 1))

#define v_zero()				_mm512_setzero_ps()
#define v_set1(f)				_mm512_set1_ps(f)
#define v_load(p)				_mm512_loadu_ps(p)
#define v_store(p, x)			_mm512_storeu_ps(p, x)
#define v_load_few(p, n)		_mm512_maskz_loadu_ps(first_lanes(n), p)
#define v_store_few(p, n, x)	_mm512_mask_storeu_ps(p, first_lanes(n), x)
#define v_keep(n, x)			_mm512_maskz_mov_ps(first_lanes(n), x)
#define v_load_half(p)			_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (p)))
#define v_load_bfloat(p) \
	_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) (p))), 16))
#define v_load_int8(p) \
	_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *) (p))))
#define v_add(a, b)				_mm512_add_ps(a, b)
#define v_sub(a, b)				_mm512_sub_ps(a, b)
#define v_mul(a, b)				_mm512_mul_ps(a, b)
#define v_div(a, b)				_mm512_div_ps(a, b)
#define v_fma(a, b, c)			_mm512_fmadd_ps(a, b, c)
#define v_fnma(a, b, c)			_mm512_fnmadd_ps(a, b, c)
#define v_max(a, b)				_mm512_max_ps(a, b)
#define v_min(a, b)				_mm512_min_ps(a, b)
#define v_abs(x)				_mm512_abs_ps(x)
#define v_round(x)				_mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_scale(x, n)			_mm512_scalef_ps(x, n)
#define v_if_less(a, b, x, y) \
	_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x)
#define v_sum(x)				_mm512_reduce_add_ps(x)
#define v_most(x)				_mm512_reduce_max_ps(x)

#include "kernel/kernel_nn_body.h"

void
vs_kernel_nn_avx512(VsNnKernels *nn)
{
	fill_table(nn);
}

#endif							/* VS_HAVE_X86 */
