/*
 * kernel_avx2.c
 *		The loops for AVX2 with FMA and F16C.
 *
 * Float sums: four accumulators of 8 lanes, fused multiply-add; then whole
 * blocks of 8, then a last block whose missing elements are not read and
 * count as zero.  No load or store needs alignment.
 */
#include "kernel/kernel_isa.h"

#ifdef VS_HAVE_X86

#include <math.h>

#include "kernel/kernel_avx2.h"

/* A sliding window: 16 bytes from [skip]. */
static const int8_t byte_window[32] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1
};

INLINE int
limit_8(int count)
{
	return count < 0 ? 0 : count > 8 ? 8 : count;
}

/* The first count of 8 lanes. */
/* Loads of count <= 8 elements as floats; count is a constant but at the end. */
INLINE __m256
load_floats(const float *a, int count)
{
	return count == 8 ? _mm256_loadu_ps(a) :
		_mm256_maskload_ps(a, first_lanes(count));
}

/*
 * 16 bytes ending at the row's end are read and moved down where that does
 * not begin before the row.
 */
INLINE __m128i
load_halves(const uint16_t *row, int i, int count)
{
	uint16_t	few[8] = {0};

	if (count == 8)
		return _mm_loadu_si128((const __m128i *) (row + i));
	if (i + count >= 8)
		return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *) (row + i + count - 8)),
								_mm_loadu_si128((const __m128i *) (byte_window + 2 * (8 - count))));
	for (int j = 0; j < count; j++)
		few[j] = row[i + j];
	return _mm_loadu_si128((const __m128i *) few);
}

INLINE __m128i
load_bytes(const int8_t *row, int i, int count)
{
	uint64_t	bytes = 0;

	if (count == 8)
		memcpy(&bytes, row + i, 8);
	else if (i + count >= 8)
	{
		memcpy(&bytes, row + i + count - 8, 8);
		bytes >>= 8 * (8 - count);
	}
	else
		for (int j = 0; j < count; j++)
			bytes |= (uint64_t) (uint8_t) row[i + j] << (8 * j);
	return _mm_cvtsi64_si128((long long) bytes);
}

INLINE __m256
load_row(VsCodec codec, const void *row, int i, int count)
{
	if (codec == VS_CODEC_FLOAT32)
		return load_floats((const float *) row + i, count);
	if (codec == VS_CODEC_FLOAT16)
		return _mm256_cvtph_ps(load_halves(row, i, count));
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_bytes(row, i, count)));
}

INLINE void
store_floats(float *a, int count, __m256 x)
{
	if (count == 8)
		_mm256_storeu_ps(a, x);
	else
		_mm256_maskstore_ps(a, first_lanes(count), x);
}

INLINE __m256
magnitude(__m256 x)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

/* Four accumulators, so that additions need not wait for one another. */
typedef struct Sums
{
	__m256		s0;
	__m256		s1;
	__m256		s2;
	__m256		s3;
} Sums;

INLINE Sums
no_sums(void)
{
	__m256		zero = _mm256_setzero_ps();
	Sums		s = {zero, zero, zero, zero};

	return s;
}

INLINE float
total(const Sums *s)
{
	return lanes_sum(_mm256_add_ps(_mm256_add_ps(s->s0, s->s1),
								   _mm256_add_ps(s->s2, s->s3)));
}

/*
 * Runs step(i, s0, 8), step(i + 8, s1, 8), ... over 0 .. n-1, where step's
 * second argument names the accumulator and its third is the element count.
 */
#define for_blocks(n, step) \
	do { \
		int			i = 0; \
		for (; i + 32 <= (n); i += 32) \
		{ \
			step(i, s0, 8); \
			step(i + 8, s1, 8); \
			step(i + 16, s2, 8); \
			step(i + 24, s3, 8); \
		} \
		if (i + 16 <= (n)) \
		{ \
			step(i, s0, 8); \
			step(i + 8, s1, 8); \
			i += 16; \
		} \
		if (i + 8 <= (n)) \
		{ \
			step(i, s2, 8); \
			i += 8; \
		} \
		if (i < (n)) \
		{ \
			const int	count = (n) - i; \
			step(i, s3, count); \
		} \
	} while (0)

/* Distances */

TARGET static float
l2sq(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, count) do { \
		const __m256 d = _mm256_sub_ps(load_floats(a + (at), count), \
									   load_floats(b + (at), count)); \
		sums.s = _mm256_fmadd_ps(d, d, sums.s); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

TARGET static float
dot(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, count) \
	sums.s = _mm256_fmadd_ps(load_floats(a + (at), count), \
							 load_floats(b + (at), count), sums.s)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

TARGET static float
l1(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, count) do { \
		const __m256 d = _mm256_sub_ps(load_floats(a + (at), count), \
									   load_floats(b + (at), count)); \
		sums.s = _mm256_add_ps(sums.s, magnitude(d)); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

TARGET static void
cosine(int n, const float *a, const float *b, float *sums)
{
	Sums		ab = no_sums();
	Sums		aa = no_sums();
	Sums		bb = no_sums();

#define step(at, s, count) do { \
		const __m256 x = load_floats(a + (at), count); \
		const __m256 y = load_floats(b + (at), count); \
		ab.s = _mm256_fmadd_ps(x, y, ab.s); \
		aa.s = _mm256_fmadd_ps(x, x, aa.s); \
		bb.s = _mm256_fmadd_ps(y, y, bb.s); \
	} while (0)
	for_blocks(n, step);
#undef step
	sums[0] = total(&ab);
	sums[1] = total(&aa);
	sums[2] = total(&bb);
}

/* Rows: the scale is fused into the difference. */

INLINE float
row_l2sq(VsCodec codec, int n, const float *q, const void *row, float scale)
{
	__m256		scales = _mm256_set1_ps(scale);
	Sums		sums = no_sums();

#define step(at, s, count) do { \
		const __m256 d = _mm256_fnmadd_ps(scales, \
										  load_row(codec, row, at, count), \
										  load_floats(q + (at), count)); \
		sums.s = _mm256_fmadd_ps(d, d, sums.s); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

INLINE float
row_dot(VsCodec codec, int n, const float *q, const void *row, float scale)
{
	Sums		sums = no_sums();

#define step(at, s, count) \
	sums.s = _mm256_fmadd_ps(load_row(codec, row, at, count), \
							 load_floats(q + (at), count), sums.s)
	for_blocks(n, step);
#undef step
	return total(&sums) * scale;
}

INLINE float
row_l1(VsCodec codec, int n, const float *q, const void *row, float scale)
{
	__m256		scales = _mm256_set1_ps(scale);
	Sums		sums = no_sums();

#define step(at, s, count) do { \
		const __m256 d = _mm256_fnmadd_ps(scales, \
										  load_row(codec, row, at, count), \
										  load_floats(q + (at), count)); \
		sums.s = _mm256_add_ps(sums.s, magnitude(d)); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

INLINE void
row_decode(VsCodec codec, int n, const void *row, float scale, float *out)
{
	__m256		scales = _mm256_set1_ps(scale);
	int			i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(out + i,
						 _mm256_mul_ps(scales, load_row(codec, row, i, 8)));
	if (i < n)
		store_floats(out + i, n - i,
					 _mm256_mul_ps(scales, load_row(codec, row, i, n - i)));
}

#define ROW_FUNCTIONS(name, codec) \
TARGET static float \
row_l2sq_##name(int n, const float *q, const void *row, float scale) \
{ \
	return row_l2sq(codec, n, q, row, scale); \
} \
TARGET static float \
row_dot_##name(int n, const float *q, const void *row, float scale) \
{ \
	return row_dot(codec, n, q, row, scale); \
} \
TARGET static float \
row_l1_##name(int n, const float *q, const void *row, float scale) \
{ \
	return row_l1(codec, n, q, row, scale); \
} \
TARGET static void \
row_decode_##name(int n, const void *row, float scale, float *out) \
{ \
	row_decode(codec, n, row, scale, out); \
}

ROW_FUNCTIONS(float32, VS_CODEC_FLOAT32)
ROW_FUNCTIONS(float16, VS_CODEC_FLOAT16)
ROW_FUNCTIONS(int8, VS_CODEC_INT8)

/* The last 8 are converted again rather than fewer. */
TARGET static void
floats_to_half(int n, const float *src, uint16_t *dst)
{
	if (n < 8)
	{
		for (int i = 0; i < n; i++)
			dst[i] = float_to_half(src[i]);
		return;
	}
	for (int i = 0; i < n; i += 8)
	{
		int			at = i + 8 <= n ? i : n - 8;

		_mm_storeu_si128((__m128i *) (dst + at),
						 _mm256_cvtps_ph(_mm256_loadu_ps(src + at),
										 _MM_FROUND_TO_NEAREST_INT));
	}
}

/* The search's query side */

TARGET static float
residual(int n, const float *q, const float *v, float *p, float *maxabs)
{
	Sums		sums = no_sums();
	Sums		most = no_sums();

#define step(at, s, count) do { \
		const __m256 d = _mm256_sub_ps(load_floats(q + (at), count), \
									   load_floats(v + (at), count)); \
		store_floats(p + (at), count, d); \
		sums.s = _mm256_fmadd_ps(d, d, sums.s); \
		most.s = _mm256_max_ps(most.s, magnitude(d)); \
	} while (0)
	for_blocks(n, step);
#undef step
	*maxabs = lanes_max(_mm256_max_ps(_mm256_max_ps(most.s0, most.s1),
									  _mm256_max_ps(most.s2, most.s3)));
	return total(&sums);
}

/*
 * The three butterflies within 8 elements.  Each adds to every lane, or to
 * its negative where the lane is the second of its pair, the pair's other.
 */
INLINE __m256
fht_8(__m256 x)
{
	const __m256 minus_1 = _mm256_setr_ps(0.0f, -0.0f, 0.0f, -0.0f,
										  0.0f, -0.0f, 0.0f, -0.0f);
	const __m256 minus_2 = _mm256_setr_ps(0.0f, 0.0f, -0.0f, -0.0f,
										  0.0f, 0.0f, -0.0f, -0.0f);
	const __m256 minus_4 = _mm256_setr_ps(0.0f, 0.0f, 0.0f, 0.0f,
										  -0.0f, -0.0f, -0.0f, -0.0f);

	x = _mm256_add_ps(_mm256_permute_ps(x, 0xB1), _mm256_xor_ps(x, minus_1));
	x = _mm256_add_ps(_mm256_permute_ps(x, 0x4E), _mm256_xor_ps(x, minus_2));
	return _mm256_add_ps(_mm256_permute2f128_ps(x, x, 0x01),
						 _mm256_xor_ps(x, minus_4));
}

/* Later butterflies go two levels at a time, to load and store half as often. */
TARGET static void
fht(int n, float *x)
{
	float		scale = n > 0 ? 1.0f / sqrtf((float) n) : 0.0f;
	int			half = 8;

	if (n < 8)
	{
		vs_kernel_scalar.fht(n, x);
		return;
	}
	for (int i = 0; i < n; i += 8)
		_mm256_storeu_ps(x + i, fht_8(_mm256_mul_ps(_mm256_loadu_ps(x + i),
													_mm256_set1_ps(scale))));
	for (; 4 * half <= n; half *= 4)
		for (int i = 0; i < n; i += 4 * half)
			for (int j = i; j < i + half; j += 8)
			{
				__m256		a = _mm256_loadu_ps(x + j);
				__m256		b = _mm256_loadu_ps(x + j + half);
				__m256		c = _mm256_loadu_ps(x + j + 2 * half);
				__m256		d = _mm256_loadu_ps(x + j + 3 * half);
				__m256		ab = _mm256_add_ps(a, b);
				__m256		cd = _mm256_add_ps(c, d);

				a = _mm256_sub_ps(a, b);
				c = _mm256_sub_ps(c, d);
				_mm256_storeu_ps(x + j, _mm256_add_ps(ab, cd));
				_mm256_storeu_ps(x + j + half, _mm256_add_ps(a, c));
				_mm256_storeu_ps(x + j + 2 * half, _mm256_sub_ps(ab, cd));
				_mm256_storeu_ps(x + j + 3 * half, _mm256_sub_ps(a, c));
			}
	if (half < n)
		for (int j = 0; j < half; j += 8)
		{
			__m256		a = _mm256_loadu_ps(x + j);
			__m256		b = _mm256_loadu_ps(x + j + half);

			_mm256_storeu_ps(x + j, _mm256_add_ps(a, b));
			_mm256_storeu_ps(x + j + half, _mm256_sub_ps(a, b));
		}
}

/*
 * max takes its second operand for a NaN, so that becomes -127; the mask
 * comes after the product because 0 times an infinite inv_scale is NaN.
 */
INLINE __m256i
quantize_8(const float *src, int count, __m256 scales)
{
	__m256		x = _mm256_mul_ps(load_floats(src, count), scales);

	if (count < 8)
		x = _mm256_and_ps(x, _mm256_castsi256_ps(first_lanes(count)));
	x = _mm256_max_ps(x, _mm256_set1_ps(-127.0f));
	x = _mm256_min_ps(x, _mm256_set1_ps(127.0f));
	return _mm256_cvtps_epi32(x);
}

TARGET static int32_t
quantize_planes(int n, int b, const float *src, float inv_scale, int8_t *dst)
{
	const __m256 scales = _mm256_set1_ps(inv_scale);
	const __m256i unmix = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256i		sum = _mm256_setzero_si256();
	__m128i		sum_128;
	int			stride = VS_CODE_STRIDE(n, b);
	int			span = VS_PLANE_SPAN(stride);

	for (int k = 0; k < VS_CODE_PLANES(b); k++, dst += span)
	{
		int			len = plane_len(n, stride, k);

		for (int j = 0; j < span; j += 32)
		{
			const float *from = src + k * stride + j;
			int			left = len - j;
			__m256i		c0;
			__m256i		c1;
			__m256i		c2;
			__m256i		c3;

			if (left >= 32)
			{
				c0 = quantize_8(from, 8, scales);
				c1 = quantize_8(from + 8, 8, scales);
				c2 = quantize_8(from + 16, 8, scales);
				c3 = quantize_8(from + 24, 8, scales);
			}
			else if (left <= 0)
			{
				_mm256_storeu_si256((__m256i *) (dst + j),
									_mm256_setzero_si256());
				continue;
			}
			else
			{
				c0 = quantize_8(from, limit_8(left), scales);
				c1 = quantize_8(from + 8, limit_8(left - 8), scales);
				c2 = quantize_8(from + 16, limit_8(left - 16), scales);
				c3 = quantize_8(from + 24, limit_8(left - 24), scales);
			}
			sum = _mm256_add_epi32(sum,
								   _mm256_add_epi32(_mm256_add_epi32(c0, c1),
													_mm256_add_epi32(c2, c3)));
			/* packing works within 128-bit lanes: four bytes of each, mixed */
			c0 = _mm256_packs_epi16(_mm256_packs_epi32(c0, c1),
									_mm256_packs_epi32(c2, c3));
			_mm256_storeu_si256((__m256i *) (dst + j),
								_mm256_permutevar8x32_epi32(c0, unmix));
		}
	}
	sum_128 = _mm_add_epi32(_mm256_castsi256_si128(sum),
							_mm256_extracti128_si256(sum, 1));
	sum_128 = _mm_add_epi32(sum_128, _mm_shuffle_epi32(sum_128, 0x4E));
	sum_128 = _mm_add_epi32(sum_128, _mm_shuffle_epi32(sum_128, 0xB1));
	return _mm_cvtsi128_si32(sum_128);
}

/*
 * Link codes against an 8-bit query, 32 bytes at a time.
 *
 * Products of cells and query bytes are added in pairs to 16 bits.  A cell
 * need not be shifted to bit 0 first: left at bit w its product is 2^w times
 * too large, exactly, and the right shift of a sum of such products is exact
 * too.  So x serves the planes of its low half-bytes and x >> 4 those of the
 * high ones; what the shift of 16-bit lanes carries across bytes is masked
 * off.
 *
 * Range: with |q| <= 127, one block's sum of a 16-bit lane is at most
 * 8 planes * 2 bytes * 127 * 1 = 2032, 4 * 2 * 127 * 3 = 3048 and
 * 2 * 2 * 127 * 15 = 7620 for 1, 2 and 4 bits; no intermediate is larger than
 * twice that.  BLOCKS_IN_16_BITS of them fit.
 */
#define BLOCKS_IN_16_BITS(b)	(16 / (b))

INLINE __m256i
multiply_cells(__m256i x, int bits, const int8_t *q)
{
	return _mm256_maddubs_epi16(_mm256_and_si256(x, _mm256_set1_epi8((char) bits)),
								_mm256_loadu_si256((const __m256i *) q));
}

/* Two planes whose cells stand at the same bit of the half-bytes. */
INLINE __m256i
multiply_both(__m256i lo, __m256i hi, int bits, const int8_t *q_lo,
			  const int8_t *q_hi)
{
	return _mm256_add_epi16(multiply_cells(lo, bits, q_lo),
							multiply_cells(hi, bits, q_hi));
}

/* 16-bit sums of one block; q is the block's part of plane 0. */
INLINE __m256i
multiply_block(int b, const uint8_t *code, const int8_t *q, int span)
{
	const __m256i lo = _mm256_loadu_si256((const __m256i *) code);
	const __m256i hi = _mm256_srli_epi16(lo, 4);
	__m256i		s;

	if (b == 4)
		return multiply_both(lo, hi, 0x0F, q, q + span);
	if (b == 2)
	{
		s = multiply_both(lo, hi, 0x0C, q + span, q + 3 * span);
		return _mm256_add_epi16(_mm256_srai_epi16(s, 2),
								multiply_both(lo, hi, 0x03, q, q + 2 * span));
	}
	s = multiply_both(lo, hi, 0x08, q + 3 * span, q + 7 * span);
	s = _mm256_add_epi16(_mm256_srai_epi16(s, 1),
						 multiply_both(lo, hi, 0x04, q + 2 * span, q + 6 * span));
	s = _mm256_add_epi16(_mm256_srai_epi16(s, 1),
						 multiply_both(lo, hi, 0x02, q + span, q + 5 * span));
	return _mm256_add_epi16(_mm256_srai_epi16(s, 1),
							multiply_both(lo, hi, 0x01, q, q + 4 * span));
}

INLINE __m256i
widen(__m256i s)
{
	return _mm256_madd_epi16(s, _mm256_set1_epi16(1));
}

/* The lane sums of a, b, c, d. */
INLINE __m128i
add_across_4(__m256i a, __m256i b, __m256i c, __m256i d)
{
	__m256i		ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b),
									  _mm256_unpackhi_epi32(a, b));
	__m256i		cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d),
									  _mm256_unpackhi_epi32(c, d));
	__m256i		abcd = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd),
										_mm256_unpackhi_epi64(ab, cd));

	return _mm_add_epi32(_mm256_castsi256_si128(abcd),
						 _mm256_extracti128_si256(abcd, 1));
}

/* 32 bytes from [skip]: the last skip of them are all ones. */
static const int8_t tail_window[64] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1
};

/* |a| times a row with the signs of a: pairs of products fit 16 bits. */
INLINE __m256i
add_products(__m256i sum, __m256i a, const int8_t *row)
{
	const __m256i r = _mm256_loadu_si256((const __m256i *) row);
	const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a),
											   _mm256_sign_epi8(r, a));

	return _mm256_add_epi32(sum, widen(pairs));
}

/*
 * One row.  A remainder below 32 is read together with what stands before it,
 * which a mask takes out; fewer than 32 elements in all are copied.
 */
INLINE __m256i
int8_products(int n, const int8_t *a, const int8_t *row)
{
	__m256i		sum = _mm256_setzero_si256();
	int			i = 0;

	for (; i + 32 <= n; i += 32)
		sum = add_products(sum, _mm256_loadu_si256((const __m256i *) (a + i)),
						   row + i);
	if (i < n && n >= 32)
	{
		const __m256i mask = _mm256_loadu_si256((const __m256i *) (tail_window + n - i));

		sum = add_products(sum, _mm256_and_si256(mask,
												 _mm256_loadu_si256((const __m256i *) (a + n - 32))),
						   row + n - 32);
	}
	else if (i < n)
	{
		int8_t		few[2][32] = {{0}};

		memcpy(few[0], a, n);
		memcpy(few[1], row, n);
		sum = add_products(sum, _mm256_loadu_si256((const __m256i *) few[0]),
						   few[1]);
	}
	return sum;
}

TARGET static void
int8_dots(int n, const int8_t *a, int nrows, const int8_t *const *rows,
		  int32_t *out)
{
	for (int l = 0; l < nrows; l += 4)
	{
		/* The last group repeats its last row to fill up. */
		const int	last = nrows - 1 - l < 3 ? nrows - 1 - l : 3;
		__m256i		sum[4];

		for (int k = 0; k < 4; k++)
			sum[k] = int8_products(n, a, rows[l + (k < last ? k : last)]);
		_mm_maskstore_epi32(out + l,
							_mm256_castsi256_si128(first_lanes(last + 1)),
							add_across_4(sum[0], sum[1], sum[2], sum[3]));
	}
}

/* Four links at a time. */
INLINE void
code_dot(int b, int n, int nlinks, const uint8_t *codes, const int8_t *q,
		 int32_t *out)
{
	const int	stride = VS_CODE_STRIDE(n, b);
	const int	span = VS_PLANE_SPAN(stride);

	for (int l = 0; l < nlinks; l += 4)
	{
		/* The last group repeats its last link to fill up. */
		const int	last = nlinks - 1 - l < 3 ? nlinks - 1 - l : 3;
		const uint8_t *c0 = codes + (size_t) l * stride;
		const uint8_t *c1 = c0 + (last < 1 ? last : 1) * stride;
		const uint8_t *c2 = c0 + (last < 2 ? last : 2) * stride;
		const uint8_t *c3 = c0 + last * stride;
		__m256i		s0 = _mm256_setzero_si256();
		__m256i		s1 = s0;
		__m256i		s2 = s0;
		__m256i		s3 = s0;
		__m128i		sums;

		for (int j = 0; j < stride;)
		{
			const int	left = stride - j;
			const int	end = left <= 32 * BLOCKS_IN_16_BITS(b) ? stride :
			j + 32 * BLOCKS_IN_16_BITS(b);
			__m256i		w0 = multiply_block(b, c0 + j, q + j, span);
			__m256i		w1 = multiply_block(b, c1 + j, q + j, span);
			__m256i		w2 = multiply_block(b, c2 + j, q + j, span);
			__m256i		w3 = multiply_block(b, c3 + j, q + j, span);

			for (j += 32; j < end; j += 32)
			{
				w0 = _mm256_add_epi16(w0, multiply_block(b, c0 + j, q + j, span));
				w1 = _mm256_add_epi16(w1, multiply_block(b, c1 + j, q + j, span));
				w2 = _mm256_add_epi16(w2, multiply_block(b, c2 + j, q + j, span));
				w3 = _mm256_add_epi16(w3, multiply_block(b, c3 + j, q + j, span));
			}
			s0 = _mm256_add_epi32(s0, widen(w0));
			s1 = _mm256_add_epi32(s1, widen(w1));
			s2 = _mm256_add_epi32(s2, widen(w2));
			s3 = _mm256_add_epi32(s3, widen(w3));
		}

		sums = add_across_4(s0, s1, s2, s3);
		if (last == 3)
			_mm_storeu_si128((__m128i *) (out + l), sums);
		else
			_mm_maskstore_epi32(out + l,
								_mm256_castsi256_si128(first_lanes(last + 1)),
								sums);
	}
}

/*
 * Link codes against a float query.  A lookup takes three bits of an index:
 * with a table that repeats with a period of 2^b, what stands above a cell of
 * one or two bits does not matter.  Four bits are computed instead.
 */
INLINE void
code_l1(int b, int n, int nlinks, const uint8_t *codes, const float *p,
		const float *t, float *out)
{
	const int	stride = VS_CODE_STRIDE(n, b);
	const int	top = (1 << b) - 1;
	const __m256i cell = _mm256_and_si256(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
										  _mm256_set1_epi32(top));
	const __m256 level =
	_mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_slli_epi32(cell, 1),
										_mm256_set1_epi32(top)));

	for (int l = 0; l < nlinks; l++, codes += stride)
	{
		const __m256 scales = _mm256_set1_ps(t[l]);
		const __m256 value = _mm256_mul_ps(level, scales);
		Sums		sums = no_sums();

		for (int j = 0; j < stride; j += 8)
		{
			__m256i		x = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) (codes + j)));

			for (int k = 0; k < VS_CODE_PLANES(b); k++)
			{
				const int	count = limit_8(plane_len(n, stride, k) - j);
				__m256		d;

				if (b == 4)
				{
					d = _mm256_cvtepi32_ps(_mm256_and_si256(x, _mm256_set1_epi32(top)));
					d = _mm256_sub_ps(_mm256_add_ps(d, d),
									  _mm256_set1_ps((float) top));
					d = _mm256_mul_ps(d, scales);
				}
				else
					d = _mm256_permutevar8x32_ps(value, x);
				d = _mm256_sub_ps(load_floats(p + k * stride + j, count), d);
				if (count < 8)
					d = _mm256_and_ps(d, _mm256_castsi256_ps(first_lanes(count)));
				x = _mm256_srli_epi32(x, b);
				if (k % 2 == 0)
					sums.s0 = _mm256_add_ps(sums.s0, magnitude(d));
				else
					sums.s1 = _mm256_add_ps(sums.s1, magnitude(d));
			}
		}
		out[l] = total(&sums);
	}
}

/*
 * The product, its limits and floor are computed as in the scalar version, so
 * the bytes are the same; only the sum is reassociated.
 */
INLINE float
code_encode(int b, int n, const float *r, float inv_delta, uint8_t *code)
{
	const int	stride = VS_CODE_STRIDE(n, b);
	const int	half = 1 << (b - 1);
	const __m256 lowest = _mm256_set1_ps((float) -half);
	const __m256 highest = _mm256_set1_ps((float) half - 0.5f);
	const __m256 deltas = _mm256_set1_ps(inv_delta);
	__m256		sum = _mm256_setzero_ps();

	for (int j = 0; j < stride; j += 8)
	{
		__m256i		cells = _mm256_setzero_si256();
		__m128i		bytes;

		for (int k = 0; k < VS_CODE_PLANES(b); k++)
		{
			const int	count = limit_8(plane_len(n, stride, k) - j);
			__m256		value = load_floats(r + k * stride + j, count);
			__m256		x = _mm256_mul_ps(value, deltas);
			__m256i		c;

			x = _mm256_min_ps(_mm256_max_ps(x, lowest), highest);
			x = _mm256_floor_ps(x);
			sum = _mm256_fmadd_ps(_mm256_fmadd_ps(x, _mm256_set1_ps(2.0f),
												  _mm256_set1_ps(1.0f)),
								  value, sum);
			c = _mm256_add_epi32(_mm256_cvtps_epi32(x),
								 _mm256_set1_epi32(half));
			c = _mm256_and_si256(c, first_lanes(count));
			c = _mm256_sll_epi32(c, _mm_cvtsi32_si128(k * b));
			cells = _mm256_or_si256(cells, c);
		}
		bytes = _mm_packus_epi32(_mm256_castsi256_si128(cells),
								 _mm256_extracti128_si256(cells, 1));
		bytes = _mm_packus_epi16(bytes, bytes);
		if (stride - j >= 8)
			_mm_storel_epi64((__m128i *) (code + j), bytes);
		else
		{
			uint64_t	last = (uint64_t) _mm_cvtsi128_si64(bytes);

			for (int i = j; i < stride; i++, last >>= 8)
				code[i] = (uint8_t) last;
		}
	}
	return lanes_sum(sum);
}

#define CODE_FUNCTIONS(b) \
TARGET static void \
code_dot_##b(int n, int nlinks, const uint8_t *codes, const int8_t *q, \
			 int32_t *out) \
{ \
	code_dot(b, n, nlinks, codes, q, out); \
} \
TARGET static void \
code_l1_##b(int n, int nlinks, const uint8_t *codes, const float *p, \
			const float *t, float *out) \
{ \
	code_l1(b, n, nlinks, codes, p, t, out); \
} \
TARGET static float \
code_encode_##b(int n, const float *r, float inv_delta, uint8_t *code) \
{ \
	return code_encode(b, n, r, inv_delta, code); \
}

CODE_FUNCTIONS(1)
CODE_FUNCTIONS(2)
CODE_FUNCTIONS(4)

/* Distributions */

typedef uint32_t UInts __attribute__((vector_size(32)));
typedef uint64_t ULongs __attribute__((vector_size(32)));

#define V				__m256
#define VI				UInts
#define VW				8
#define D				__m256d
#define DI				ULongs
#define DW				4
#define V_ALL			8
#define v_few(n)		(n)
#define v_total(x)		lanes_sum(x)
#define d_sqrt(x)		_mm256_sqrt_pd(x)
#define d_load(p, n) \
	_mm256_cvtps_pd(_mm256_castps256_ps128(load_floats(p, n)))

INLINE double
d_total(__m256d x)
{
	__m128d		s = _mm_add_pd(_mm256_castpd256_pd128(x),
							   _mm256_extractf128_pd(x, 1));

	return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

#include "kernel/kernel_distribution_body.h"

void
vs_kernel_avx2(VsKernels *k)
{
	fill_distribution_entries(k);
	k->l2sq = l2sq;
	k->dot = dot;
	k->l1 = l1;
	k->cosine = cosine;
	k->row_l2sq[VS_CODEC_FLOAT32] = row_l2sq_float32;
	k->row_l2sq[VS_CODEC_FLOAT16] = row_l2sq_float16;
	k->row_l2sq[VS_CODEC_INT8] = row_l2sq_int8;
	k->row_dot[VS_CODEC_FLOAT32] = row_dot_float32;
	k->row_dot[VS_CODEC_FLOAT16] = row_dot_float16;
	k->row_dot[VS_CODEC_INT8] = row_dot_int8;
	k->row_l1[VS_CODEC_FLOAT32] = row_l1_float32;
	k->row_l1[VS_CODEC_FLOAT16] = row_l1_float16;
	k->row_l1[VS_CODEC_INT8] = row_l1_int8;
	k->row_decode[VS_CODEC_FLOAT32] = row_decode_float32;
	k->row_decode[VS_CODEC_FLOAT16] = row_decode_float16;
	k->row_decode[VS_CODEC_INT8] = row_decode_int8;
	k->float_to_half = floats_to_half;
	k->residual = residual;
	k->fht = fht;
	k->quantize_planes = quantize_planes;
	k->int8_dots = int8_dots;
	k->code_dot[VS_BITS_INDEX(1)] = code_dot_1;
	k->code_dot[VS_BITS_INDEX(2)] = code_dot_2;
	k->code_dot[VS_BITS_INDEX(4)] = code_dot_4;
	k->code_l1[VS_BITS_INDEX(1)] = code_l1_1;
	k->code_l1[VS_BITS_INDEX(2)] = code_l1_2;
	k->code_l1[VS_BITS_INDEX(4)] = code_l1_4;
	k->code_encode[VS_BITS_INDEX(1)] = code_encode_1;
	k->code_encode[VS_BITS_INDEX(2)] = code_encode_2;
	k->code_encode[VS_BITS_INDEX(4)] = code_encode_4;
}

#endif							/* VS_HAVE_X86 */
