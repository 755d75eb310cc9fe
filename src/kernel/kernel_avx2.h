/*
 * kernel_avx2.h
 *		Private to src/kernel: what the files for AVX2 share.
 */
#ifndef VS_KERNEL_KERNEL_AVX2_H
#define VS_KERNEL_KERNEL_AVX2_H

#include <immintrin.h>

#include "kernel/kernel_isa.h"

#define TARGET	__attribute__((target("avx2,fma,f16c,bmi,bmi2,popcnt")))
#define INLINE	VS_ALWAYS_INLINE TARGET

/* A sliding window: 8 ints from [8 - count]. */
static const int32_t lane_window[16] = {
	-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0
};

/* All bits of the first count lanes, 0 to 8. */
INLINE __m256i
first_lanes(int count)
{
	return _mm256_loadu_si256((const __m256i *) (lane_window + 8 - count));
}

/* Sum and maximum of the lanes. */
INLINE float
lanes_sum(__m256 x)
{
	__m128		s = _mm_add_ps(_mm256_castps256_ps128(x),
							   _mm256_extractf128_ps(x, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

INLINE float
lanes_max(__m256 x)
{
	__m128		s = _mm_max_ps(_mm256_castps256_ps128(x),
							   _mm256_extractf128_ps(x, 1));

	s = _mm_max_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#endif							/* VS_KERNEL_KERNEL_AVX2_H */
