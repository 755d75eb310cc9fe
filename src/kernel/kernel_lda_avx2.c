/*
 * kernel_lda_avx2.c
 *		The loops of topic models for AVX2: a vector is two registers.
 */
#include "kernel/kernel_lda_isa.h"

#ifdef VS_HAVE_X86

#include <immintrin.h>

#define SWEEP			sweep
#define FOLD			fold
#define TARGET \
	__attribute__((target("avx2,fma,bmi,bmi2,popcnt"))) static
#define INLINE			VS_ALWAYS_INLINE \
	__attribute__((target("avx2,fma,bmi,bmi2,popcnt")))

typedef struct Pair
{
	__m256		a;				/* lanes 0 to 7 */
	__m256		b;				/* 8 to 15 */
}			Pair;

#define V				Pair
#define pair(x, y)		((Pair) {x, y})
#define v_zero()		pair(_mm256_setzero_ps(), _mm256_setzero_ps())
#define v_set1(f)		pair(_mm256_set1_ps(f), _mm256_set1_ps(f))
#define v_load(p)		pair(_mm256_loadu_ps(p), _mm256_loadu_ps((p) + 8))

INLINE void
v_store(float *p, Pair x)
{
	_mm256_storeu_ps(p, x.a);
	_mm256_storeu_ps(p + 8, x.b);
}

INLINE		Pair
v_add(Pair x, Pair y)
{
	return pair(_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b));
}

INLINE		Pair
v_sub(Pair x, Pair y)
{
	return pair(_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b));
}

INLINE		Pair
v_mul(Pair x, Pair y)
{
	return pair(_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b));
}

INLINE		Pair
v_fma(Pair x, Pair y, Pair z)
{
	return pair(_mm256_fmadd_ps(x.a, y.a, z.a),
				_mm256_fmadd_ps(x.b, y.b, z.b));
}

INLINE		Pair
v_abs(Pair x)
{
	__m256		sign = _mm256_set1_ps(-0.0f);

	return pair(_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b));
}

INLINE float
v_sum(Pair x)
{
	__m256		all = _mm256_add_ps(x.a, x.b);
	__m128		quad = _mm_add_ps(_mm256_castps256_ps128(all),
								  _mm256_extractf128_ps(all, 1));

	quad = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
	return _mm_cvtss_f32(_mm_add_ss(quad, _mm_movehdup_ps(quad)));
}

/* All bits of one lane of eight; lane may be none of them. */
INLINE __m256
lane_mask(int lane)
{
	__m256i		number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

	return _mm256_castsi256_ps(_mm256_cmpeq_epi32(number,
												  _mm256_set1_epi32(lane)));
}

INLINE		Pair
v_put(Pair x, int lane, float f)
{
	__m256		value = _mm256_set1_ps(f);

	return pair(_mm256_blendv_ps(x.a, value, lane_mask(lane)),
				_mm256_blendv_ps(x.b, value, lane_mask(lane - 8)));
}

#define v_only(lane, f)		v_put(v_zero(), lane, f)

/* in each quad, n bytes up, zeros in */
#define up_in_quads(x, n) \
	_mm256_castsi256_ps(_mm256_slli_si256(_mm256_castps_si256(x), n))

INLINE		Pair
v_quad_prefix(Pair x)
{
	x = v_add(x, pair(up_in_quads(x.a, 4), up_in_quads(x.b, 4)));
	return v_add(x, pair(up_in_quads(x.a, 8), up_in_quads(x.b, 8)));
}

#define v_quad_last(x) \
	pair(_mm256_shuffle_ps((x).a, (x).a, 0xFF), \
		 _mm256_shuffle_ps((x).b, (x).b, 0xFF))

/* the lower quad of x in the upper half, the upper quad of y in the lower */
#define v_up_quads1(x) \
	pair(_mm256_permute2f128_ps((x).a, (x).a, 0x08), \
		 _mm256_permute2f128_ps((x).a, (x).b, 0x21))
#define v_up_quads2(x)		pair(_mm256_setzero_ps(), (x).a)

#define mask_le(x, f) \
	_mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_set1_ps(f), _CMP_LE_OQ))

INLINE int
v_count_le(Pair x, float f)
{
	return __builtin_popcount(mask_le(x.a, f) | (mask_le(x.b, f) & 0x7F) << 8);
}

#include "kernel/kernel_lda_body.h"

void
vs_kernel_lda_avx2(VsLdaKernels *lda)
{
	lda->sweep = sweep;
	lda->fold = fold;
}

#endif							/* VS_HAVE_X86 */
