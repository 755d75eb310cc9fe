/*
 * kernel_nn_avx2.c
 *		The loops of an encoder for AVX2 with FMA and F16C: tiles of 6 rows x
 *		16 outputs.
 *
 * 12 of the 16 registers hold sums.  With 3 rows or fewer a tile is 32 or 48
 * outputs wide, lest each sum wait for its last addition.
 */
#include "kernel/kernel_nn_isa.h"

#ifdef VS_HAVE_X86

#include "kernel/kernel_avx2.h"

#define V				__m256
#define VW				8
#define TILE_ROWS_1		6
#define TILE_ROWS_2		3
#define TILE_ROWS_3		1

#define v_zero()				_mm256_setzero_ps()
#define v_set1(f)				_mm256_set1_ps(f)
#define v_load(p)				_mm256_loadu_ps((const float *) (p))
#define v_store(p, x)			_mm256_storeu_ps(p, x)
#define v_load_few(p, n)		_mm256_maskload_ps(p, first_lanes(n))
#define v_store_few(p, n, x)	_mm256_maskstore_ps(p, first_lanes(n), x)
#define v_keep(n, x)			_mm256_and_ps(_mm256_castsi256_ps(first_lanes(n)), x)
#define v_load_half(p)			_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) (p)))
#define v_load_bfloat(p) \
	_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *) (p))), 16))
#define v_load_int8(p) \
	_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) (p))))
#define v_add(a, b)				_mm256_add_ps(a, b)
#define v_sub(a, b)				_mm256_sub_ps(a, b)
#define v_mul(a, b)				_mm256_mul_ps(a, b)
#define v_div(a, b)				_mm256_div_ps(a, b)
#define v_fma(a, b, c)			_mm256_fmadd_ps(a, b, c)
#define v_fnma(a, b, c)			_mm256_fnmadd_ps(a, b, c)
#define v_max(a, b)				_mm256_max_ps(a, b)
#define v_min(a, b)				_mm256_min_ps(a, b)
#define v_abs(x)				_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x)
#define v_round(x)				_mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_if_less(a, b, x, y)	_mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ))

/* The integer is added to the exponent. */
INLINE		V
v_scale(V x, V n)
{
	return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x),
												_mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}

#define v_sum(x)				lanes_sum(x)
#define v_most(x)				lanes_max(x)

#include "kernel/kernel_nn_body.h"

void
vs_kernel_nn_avx2(VsNnKernels *nn)
{
	fill_table(nn);
}

#endif							/* VS_HAVE_X86 */
