/*
 * kernel_avx512.c
 *		The loops for AVX-512 with F, BW, VL, DQ and VNNI.
 *
 * Float sums: four accumulators of 16 lanes, fused multiply-add, and a last
 * step of four masked loads that covers any remainder below 64.  Masked-off
 * elements are neither read nor written and count as zero.  No load or store
 * needs alignment.
 */
#include "kernel/kernel_isa.h"

#ifdef VS_HAVE_X86

#include <immintrin.h>
#include <math.h>

#define TARGET \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni," \
						  "avx2,fma,f16c,bmi,bmi2,popcnt")))
#define INLINE	VS_ALWAYS_INLINE TARGET

/* The lowest count bits; none or all 16 if count is out of range. */
INLINE __mmask16
first_lanes(int count)
{
	return count <= 0 ? 0 : count >= 16 ? 0xFFFF :
		(__mmask16) ((1u << count) - 1);
}

/* Loads of 16 elements as floats; mask is a constant 0xFFFF but at the end. */
INLINE __m512
load_floats(const float *a, __mmask16 mask)
{
	return _mm512_maskz_loadu_ps(mask, a);
}

INLINE __m512
load_row(VsCodec codec, const void *row, int i, __mmask16 mask)
{
	if (codec == VS_CODEC_FLOAT32)
		return load_floats((const float *) row + i, mask);
	if (codec == VS_CODEC_FLOAT16)
		return _mm512_maskz_cvtph_ps(mask,
									 _mm256_maskz_loadu_epi16(mask, (const uint16_t *) row + i));
	return _mm512_maskz_cvtepi32_ps(mask,
									_mm512_maskz_cvtepi8_epi32(mask,
															   _mm_maskz_loadu_epi8(mask, (const int8_t *) row + i)));
}

/* Four accumulators, so that additions need not wait for one another. */
typedef struct Sums
{
	__m512		s0;
	__m512		s1;
	__m512		s2;
	__m512		s3;
} Sums;

INLINE Sums
no_sums(void)
{
	__m512		zero = _mm512_setzero_ps();
	Sums		s = {zero, zero, zero, zero};

	return s;
}

INLINE float
total(const Sums *s)
{
	return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s->s0, s->s1),
											  _mm512_add_ps(s->s2, s->s3)));
}

/*
 * Runs step(i, s0, mask), step(i + 16, s1, mask), ... over 0 .. n-1, where
 * step's second argument names the accumulator.
 */
#define for_blocks(n, step) \
	do { \
		int			i = 0; \
		for (; i + 64 <= (n); i += 64) \
		{ \
			step(i, s0, 0xFFFF); \
			step(i + 16, s1, 0xFFFF); \
			step(i + 32, s2, 0xFFFF); \
			step(i + 48, s3, 0xFFFF); \
		} \
		if (i < (n)) \
		{ \
			const uint64_t rest = (UINT64_C(1) << ((n) - i)) - 1; \
			step(i, s0, (__mmask16) rest); \
			step(i + 16, s1, (__mmask16) (rest >> 16)); \
			step(i + 32, s2, (__mmask16) (rest >> 32)); \
			step(i + 48, s3, (__mmask16) (rest >> 48)); \
		} \
	} while (0)

/* Distances */

TARGET static float
l2sq(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, mask) do { \
		const __m512 d = _mm512_sub_ps(load_floats(a + (at), mask), \
									   load_floats(b + (at), mask)); \
		sums.s = _mm512_fmadd_ps(d, d, sums.s); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

TARGET static float
dot(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, mask) \
	sums.s = _mm512_fmadd_ps(load_floats(a + (at), mask), \
							 load_floats(b + (at), mask), sums.s)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

TARGET static float
l1(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, mask) do { \
		const __m512 d = _mm512_sub_ps(load_floats(a + (at), mask), \
									   load_floats(b + (at), mask)); \
		sums.s = _mm512_add_ps(sums.s, _mm512_abs_ps(d)); \
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

#define step(at, s, mask) do { \
		const __m512 x = load_floats(a + (at), mask); \
		const __m512 y = load_floats(b + (at), mask); \
		ab.s = _mm512_fmadd_ps(x, y, ab.s); \
		aa.s = _mm512_fmadd_ps(x, x, aa.s); \
		bb.s = _mm512_fmadd_ps(y, y, bb.s); \
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
	__m512		scales = _mm512_set1_ps(scale);
	Sums		sums = no_sums();

#define step(at, s, mask) do { \
		const __m512 d = _mm512_fnmadd_ps(scales, \
										  load_row(codec, row, at, mask), \
										  load_floats(q + (at), mask)); \
		sums.s = _mm512_fmadd_ps(d, d, sums.s); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

INLINE float
row_dot(VsCodec codec, int n, const float *q, const void *row, float scale)
{
	Sums		sums = no_sums();

#define step(at, s, mask) \
	sums.s = _mm512_fmadd_ps(load_row(codec, row, at, mask), \
							 load_floats(q + (at), mask), sums.s)
	for_blocks(n, step);
#undef step
	return total(&sums) * scale;
}

INLINE float
row_l1(VsCodec codec, int n, const float *q, const void *row, float scale)
{
	__m512		scales = _mm512_set1_ps(scale);
	Sums		sums = no_sums();

#define step(at, s, mask) do { \
		const __m512 d = _mm512_fnmadd_ps(scales, \
										  load_row(codec, row, at, mask), \
										  load_floats(q + (at), mask)); \
		sums.s = _mm512_add_ps(sums.s, _mm512_abs_ps(d)); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

INLINE void
row_decode(VsCodec codec, int n, const void *row, float scale, float *out)
{
	__m512		scales = _mm512_set1_ps(scale);

	for (int i = 0; i < n; i += 16)
	{
		__mmask16	mask = first_lanes(n - i);

		_mm512_mask_storeu_ps(out + i, mask,
							  _mm512_mul_ps(scales,
											load_row(codec, row, i, mask)));
	}
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

TARGET static void
floats_to_half(int n, const float *src, uint16_t *dst)
{
	for (int i = 0; i < n; i += 16)
	{
		__mmask16	mask = first_lanes(n - i);
		__m512		x = load_floats(src + i, mask);

		_mm256_mask_storeu_epi16(dst + i, mask,
								 _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
	}
}

/* The search's query side */

TARGET static float
residual(int n, const float *q, const float *v, float *p, float *maxabs)
{
	Sums		sums = no_sums();
	Sums		most = no_sums();

#define step(at, s, mask) do { \
		const __m512 d = _mm512_sub_ps(load_floats(q + (at), mask), \
									   load_floats(v + (at), mask)); \
		_mm512_mask_storeu_ps(p + (at), mask, d); \
		sums.s = _mm512_fmadd_ps(d, d, sums.s); \
		most.s = _mm512_max_ps(most.s, _mm512_abs_ps(d)); \
	} while (0)
	for_blocks(n, step);
#undef step
	most.s0 = _mm512_max_ps(_mm512_max_ps(most.s0, most.s1),
							_mm512_max_ps(most.s2, most.s3));
	*maxabs = _mm512_reduce_max_ps(most.s0);
	return total(&sums);
}

/*
 * The four butterflies within 16 elements.  Each adds to every lane, or to
 * its negative where the lane is the second of its pair, the pair's other.
 */
INLINE __m512
fht_16(__m512 x)
{
	const __m512i minus = _mm512_set1_epi32((int) 0x80000000);

#define butterfly(mask, other) \
	_mm512_add_ps(other, \
				  _mm512_castsi512_ps(_mm512_mask_xor_epi32(_mm512_castps_si512(x), mask, \
															_mm512_castps_si512(x), minus)))
	x = butterfly(0xAAAA, _mm512_permute_ps(x, 0xB1));
	x = butterfly(0xCCCC, _mm512_permute_ps(x, 0x4E));
	x = butterfly(0xF0F0, _mm512_shuffle_f32x4(x, x, 0xB1));
	x = butterfly(0xFF00, _mm512_shuffle_f32x4(x, x, 0x4E));
#undef butterfly
	return x;
}

/* Later butterflies go two levels at a time, to load and store half as often. */
TARGET static void
fht(int n, float *x)
{
	float		scale = n > 0 ? 1.0f / sqrtf((float) n) : 0.0f;
	int			half = 16;

	if (n < 16)
	{
		vs_kernel_scalar.fht(n, x);
		return;
	}
	for (int i = 0; i < n; i += 16)
		_mm512_storeu_ps(x + i, fht_16(_mm512_mul_ps(_mm512_loadu_ps(x + i),
													 _mm512_set1_ps(scale))));
	for (; 4 * half <= n; half *= 4)
		for (int i = 0; i < n; i += 4 * half)
			for (int j = i; j < i + half; j += 16)
			{
				__m512		a = _mm512_loadu_ps(x + j);
				__m512		b = _mm512_loadu_ps(x + j + half);
				__m512		c = _mm512_loadu_ps(x + j + 2 * half);
				__m512		d = _mm512_loadu_ps(x + j + 3 * half);
				__m512		ab = _mm512_add_ps(a, b);
				__m512		cd = _mm512_add_ps(c, d);

				a = _mm512_sub_ps(a, b);
				c = _mm512_sub_ps(c, d);
				_mm512_storeu_ps(x + j, _mm512_add_ps(ab, cd));
				_mm512_storeu_ps(x + j + half, _mm512_add_ps(a, c));
				_mm512_storeu_ps(x + j + 2 * half, _mm512_sub_ps(ab, cd));
				_mm512_storeu_ps(x + j + 3 * half, _mm512_sub_ps(a, c));
			}
	if (half < n)
		for (int j = 0; j < half; j += 16)
		{
			__m512		a = _mm512_loadu_ps(x + j);
			__m512		b = _mm512_loadu_ps(x + j + half);

			_mm512_storeu_ps(x + j, _mm512_add_ps(a, b));
			_mm512_storeu_ps(x + j + half, _mm512_sub_ps(a, b));
		}
}

/*
 * max takes its second operand for a NaN, so that becomes -127.  A plane's
 * last 64 bytes are cleared beforehand.
 */
TARGET static int32_t
quantize_planes(int n, int b, const float *src, float inv_scale, int8_t *dst)
{
	const __m512 scales = _mm512_set1_ps(inv_scale);
	const __m512 lowest = _mm512_set1_ps(-127.0f);
	const __m512 highest = _mm512_set1_ps(127.0f);
	__m512i		sum = _mm512_setzero_si512();
	int			stride = VS_CODE_STRIDE(n, b);
	int			span = VS_PLANE_SPAN(stride);

	for (int k = 0; k < VS_CODE_PLANES(b); k++, dst += span)
	{
		int			len = plane_len(n, stride, k);

		if (span > 0)
			_mm512_storeu_si512(dst + span - 64, _mm512_setzero_si512());
		for (int j = 0; j < len; j += 16)
		{
			__mmask16	mask = first_lanes(len - j);
			__m512		x = load_floats(src + k * stride + j, mask);
			__m512i		c;

			x = _mm512_maskz_mul_ps(mask, x, scales);
			x = _mm512_min_ps(_mm512_max_ps(x, lowest), highest);
			c = _mm512_cvtps_epi32(x);
			sum = _mm512_add_epi32(sum, c);
			_mm_storeu_si128((__m128i *) (dst + j), _mm512_cvtepi32_epi8(c));
		}
	}
	return _mm512_reduce_add_epi32(sum);
}

/*
 * Link codes against an 8-bit query.
 *
 * A cell need not be shifted to bit 0 to be multiplied: the dot product of
 * cells left at bit w is 2^w times too large, and exact.  So a block x of 64
 * bytes serves the planes of its low half-bytes, x >> 4 those of its high
 * ones, with one accumulator for each bit position within a half-byte.  The
 * bits that the shift of 16-bit lanes carries across bytes are masked off.
 */
typedef struct CellSums
{
	__m512i		bit0;
	__m512i		bit1;
	__m512i		bit2;
	__m512i		bit3;
} CellSums;

INLINE CellSums
no_cell_sums(void)
{
	__m512i		zero = _mm512_setzero_si512();
	CellSums	s = {zero, zero, zero, zero};

	return s;
}

/*
 * Add one block's products.  q_plane(k) is the block's part of plane k.
 * Unused accumulators cost nothing: b is a constant.
 */
#define add_block(b, sums, codes, q_plane) \
	do { \
		const __m512i lo = (codes); \
		const __m512i hi = _mm512_srli_epi16(lo, 4); \
		if ((b) == 1) \
		{ \
			add_cells(sums.bit0, lo, 0x01, q_plane(0)); \
			add_cells(sums.bit1, lo, 0x02, q_plane(1)); \
			add_cells(sums.bit2, lo, 0x04, q_plane(2)); \
			add_cells(sums.bit3, lo, 0x08, q_plane(3)); \
			add_cells(sums.bit0, hi, 0x01, q_plane(4)); \
			add_cells(sums.bit1, hi, 0x02, q_plane(5)); \
			add_cells(sums.bit2, hi, 0x04, q_plane(6)); \
			add_cells(sums.bit3, hi, 0x08, q_plane(7)); \
		} \
		else if ((b) == 2) \
		{ \
			add_cells(sums.bit0, lo, 0x03, q_plane(0)); \
			add_cells(sums.bit2, lo, 0x0C, q_plane(1)); \
			add_cells(sums.bit0, hi, 0x03, q_plane(2)); \
			add_cells(sums.bit2, hi, 0x0C, q_plane(3)); \
		} \
		else \
		{ \
			add_cells(sums.bit0, lo, 0x0F, q_plane(0)); \
			add_cells(sums.bit0, hi, 0x0F, q_plane(1)); \
		} \
	} while (0)

#define add_cells(sum, x, bits, q) \
	sum = _mm512_dpbusd_epi32(sum, \
							  _mm512_and_si512(x, _mm512_set1_epi8(bits)), q)

INLINE __m512i
merge_cell_sums(int b, const CellSums *s)
{
	if (b == 1)
		return _mm512_add_epi32(_mm512_add_epi32(s->bit0,
												 _mm512_srai_epi32(s->bit1, 1)),
								_mm512_add_epi32(_mm512_srai_epi32(s->bit2, 2),
												 _mm512_srai_epi32(s->bit3, 3)));
	if (b == 2)
		return _mm512_add_epi32(s->bit0, _mm512_srai_epi32(s->bit2, 2));
	return s->bit0;
}

/* Within each 128-bit lane: the lane sums of a, b, c, d. */
INLINE __m512i
add_across_4(__m512i a, __m512i b, __m512i c, __m512i d)
{
	__m512i		ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b),
									  _mm512_unpackhi_epi32(a, b));
	__m512i		cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d),
									  _mm512_unpackhi_epi32(c, d));

	return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd),
							_mm512_unpackhi_epi64(ab, cd));
}

/* The sums of four registers, in the order of the arguments. */
INLINE __m128i
sums_of_4(__m512i a, __m512i b, __m512i c, __m512i d)
{
	__m512i		sums = add_across_4(a, b, c, d);
	__m256i		half = _mm256_add_epi32(_mm512_castsi512_si256(sums),
										_mm512_extracti64x4_epi64(sums, 1));

	return _mm_add_epi32(_mm256_castsi256_si128(half),
						 _mm256_extracti128_si256(half, 1));
}

/* Four links at a time, any stride. */
INLINE void
code_dot_wide(int b, int stride, int nlinks, const uint8_t *codes,
			  const int8_t *q, int32_t *out)
{
	const int	span = VS_PLANE_SPAN(stride);

	for (int l = 0; l < nlinks; l += 4)
	{
		/* The last group repeats its last link to fill up. */
		const int	last = nlinks - 1 - l < 3 ? nlinks - 1 - l : 3;
		const uint8_t *c0 = codes + (size_t) l * stride;
		const uint8_t *c1 = c0 + (last < 1 ? last : 1) * stride;
		const uint8_t *c2 = c0 + (last < 2 ? last : 2) * stride;
		const uint8_t *c3 = c0 + last * stride;
		CellSums	s0 = no_cell_sums();
		CellSums	s1 = no_cell_sums();
		CellSums	s2 = no_cell_sums();
		CellSums	s3 = no_cell_sums();

#define q_plane(k) _mm512_loadu_si512(q + (k) * span + j)
		for (int j = 0; j < stride; j += 64)
		{
			add_block(b, s0, _mm512_loadu_si512(c0 + j), q_plane);
			add_block(b, s1, _mm512_loadu_si512(c1 + j), q_plane);
			add_block(b, s2, _mm512_loadu_si512(c2 + j), q_plane);
			add_block(b, s3, _mm512_loadu_si512(c3 + j), q_plane);
		}
#undef q_plane
		_mm_mask_storeu_epi32(out + l, first_lanes(nlinks - l) & 0x0F,
							  sums_of_4(merge_cell_sums(b, &s0),
										merge_cell_sums(b, &s1),
										merge_cell_sums(b, &s2),
										merge_cell_sums(b, &s3)));
	}
}

/*
 * Four rows at a time.  The instruction multiplies unsigned by signed bytes:
 * a + 128 takes the place of a, and 128 times the row is taken off again.
 */
TARGET static void
int8_dots(int n, const int8_t *a, int nrows, const int8_t *const *rows,
		  int32_t *out)
{
	const __m512i high = _mm512_set1_epi8((char) 0x80);

	for (int l = 0; l < nrows; l += 4)
	{
		/* The last group repeats its last row to fill up. */
		const int	last = nrows - 1 - l < 3 ? nrows - 1 - l : 3;
		const int8_t *row[4];
		__m512i		sum[4];
		__m512i		excess[4];

		for (int k = 0; k < 4; k++)
		{
			row[k] = rows[l + (k < last ? k : last)];
			sum[k] = excess[k] = _mm512_setzero_si512();
		}
		for (int i = 0; i < n; i += 64)
		{
			const __mmask64 mask = n - i >= 64 ? ~(__mmask64) 0 :
			((__mmask64) 1 << (n - i)) - 1;
			const __m512i q = _mm512_xor_si512(high, _mm512_maskz_loadu_epi8(mask, a + i));

			for (int k = 0; k < 4; k++)
			{
				const __m512i r = _mm512_maskz_loadu_epi8(mask, row[k] + i);

				sum[k] = _mm512_dpbusd_epi32(sum[k], q, r);
				excess[k] = _mm512_dpbusd_epi32(excess[k], high, r);
			}
		}
		for (int k = 0; k < 4; k++)
			sum[k] = _mm512_sub_epi32(sum[k], excess[k]);
		_mm_mask_storeu_epi32(out + l, first_lanes(nrows - l) & 0x0F,
							  sums_of_4(sum[0], sum[1], sum[2], sum[3]));
	}
}

/* The codes of two links of at most 32 bytes in the halves of one register. */
INLINE __m512i
load_pair(const uint8_t *a, const uint8_t *b)
{
	return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *) a)),
							  _mm256_loadu_si256((const __m256i *) b), 1);
}

/* Eight links at a time, for a stride of at most 32 bytes. */
INLINE void
code_dot_narrow(int b, int stride, int nlinks, const uint8_t *codes,
				const int8_t *q, int32_t *out)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);

#define q_twice(k) \
	_mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *) (q + (k) * 64)))
	const __m512i q0 = q_twice(0);
	const __m512i q1 = q_twice(1);
	const __m512i q2 = b <= 2 ? q_twice(2) : q0;
	const __m512i q3 = b <= 2 ? q_twice(3) : q0;
	const __m512i q4 = b == 1 ? q_twice(4) : q0;
	const __m512i q5 = b == 1 ? q_twice(5) : q0;
	const __m512i q6 = b == 1 ? q_twice(6) : q0;
	const __m512i q7 = b == 1 ? q_twice(7) : q0;
#undef q_twice

	for (int l = 0; l < nlinks; l += 8)
	{
		const uint8_t *c = codes + (size_t) l * stride;
		const int	left = nlinks - l;
		CellSums	s0 = no_cell_sums();
		CellSums	s1 = no_cell_sums();
		CellSums	s2 = no_cell_sums();
		CellSums	s3 = no_cell_sums();
		__m512i		sums;
		__m256i		sums_256;

#define q_plane(k) q##k
		/* The last group repeats its last link to fill up. */
#define link(i) (c + ((i) < left ? (i) : left - 1) * stride)
		add_block(b, s0, load_pair(link(0), link(1)), q_plane);
		add_block(b, s1, load_pair(link(2), link(3)), q_plane);
		add_block(b, s2, load_pair(link(4), link(5)), q_plane);
		add_block(b, s3, load_pair(link(6), link(7)), q_plane);
#undef link
#undef q_plane
		sums = add_across_4(merge_cell_sums(b, &s0), merge_cell_sums(b, &s1),
							merge_cell_sums(b, &s2), merge_cell_sums(b, &s3));
		/* lanes 0 and 1 are of the links 0 2 4 6, 2 and 3 of 1 3 5 7 */
		sums = _mm512_add_epi32(sums, _mm512_shuffle_i32x4(sums, sums, 0xB1));
		sums = _mm512_shuffle_i32x4(sums, sums, 0x08);
		sums_256 = _mm256_permutevar8x32_epi32(_mm512_castsi512_si256(sums),
											   order);
		_mm256_mask_storeu_epi32(out + l, (__mmask8) first_lanes(left),
								 sums_256);
	}
}

INLINE void
code_dot(int b, int n, int nlinks, const uint8_t *codes, const int8_t *q,
		 int32_t *out)
{
	const int	stride = VS_CODE_STRIDE(n, b);

	if (stride == 0)
		memset(out, 0, nlinks * sizeof(*out));
	else if (stride <= 32)
		code_dot_narrow(b, stride, nlinks, codes, q, out);
	else
		code_dot_wide(b, stride, nlinks, codes, q, out);
}

/*
 * Link codes against a float query.  The cell selects t * level out of 16
 * lanes; as the selection looks at four bits, the lanes repeat with a period
 * of 2^b and whatever stands above the cell does not matter.
 */
INLINE void
code_l1(int b, int n, int nlinks, const uint8_t *codes, const float *p,
		const float *t, float *out)
{
	const int	stride = VS_CODE_STRIDE(n, b);
	const int	top = (1 << b) - 1;
	const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7,
										   8, 9, 10, 11, 12, 13, 14, 15);
	const __m512i cell = _mm512_and_si512(lane, _mm512_set1_epi32(top));
	const __m512 level =
	_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_slli_epi32(cell, 1),
										_mm512_set1_epi32(top)));

	for (int l = 0; l < nlinks; l++, codes += stride)
	{
		const __m512 value = _mm512_mul_ps(level, _mm512_set1_ps(t[l]));
		Sums		sums = no_sums();

		for (int j = 0; j < stride; j += 16)
		{
			__m512i		x = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) (codes + j)));

#define step(k, s) \
			if ((k) < VS_CODE_PLANES(b)) \
			{ \
				const __mmask16 mask = \
					first_lanes(plane_len(n, stride, k) - j); \
				const __m512 d = _mm512_maskz_sub_ps(mask, \
													 load_floats(p + (k) * stride + j, mask), \
													 _mm512_permutexvar_ps(_mm512_srli_epi32(x, (k) * b), value)); \
				sums.s = _mm512_add_ps(sums.s, _mm512_abs_ps(d)); \
			}
			step(0, s0);
			step(1, s1);
			step(2, s2);
			step(3, s3);
			step(4, s0);
			step(5, s1);
			step(6, s2);
			step(7, s3);
#undef step
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
	const __m512 lowest = _mm512_set1_ps((float) -half);
	const __m512 highest = _mm512_set1_ps((float) half - 0.5f);
	const __m512 deltas = _mm512_set1_ps(inv_delta);
	__m512		sum = _mm512_setzero_ps();

	for (int j = 0; j < stride; j += 16)
	{
		__m512i		cells = _mm512_setzero_si512();

		for (int k = 0; k < VS_CODE_PLANES(b); k++)
		{
			__mmask16	mask = first_lanes(plane_len(n, stride, k) - j);
			__m512		value = load_floats(r + k * stride + j, mask);
			__m512		x = _mm512_mul_ps(value, deltas);
			__m512i		c;

			x = _mm512_min_ps(_mm512_max_ps(x, lowest), highest);
			x = _mm512_floor_ps(x);
			sum = _mm512_fmadd_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(2.0f),
												  _mm512_set1_ps(1.0f)),
								  value, sum);
			c = _mm512_add_epi32(_mm512_cvtps_epi32(x),
								 _mm512_set1_epi32(half));
			c = _mm512_sll_epi32(c, _mm_cvtsi32_si128(k * b));
			cells = _mm512_mask_or_epi32(cells, mask, cells, c);
		}
		_mm_mask_storeu_epi8(code + j, first_lanes(stride - j),
							 _mm512_cvtepi32_epi8(cells));
	}
	return _mm512_reduce_add_ps(sum);
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

typedef uint32_t UInts __attribute__((vector_size(64)));
typedef uint64_t ULongs __attribute__((vector_size(64)));

#define V				__m512
#define VI				UInts
#define VW				16
#define D				__m512d
#define DI				ULongs
#define DW				8
#define V_ALL			0xFFFF
#define v_few(n)		first_lanes(n)
#define v_total(x)		_mm512_reduce_add_ps(x)
#define d_total(x)		_mm512_reduce_add_pd(x)
#define d_sqrt(x)		_mm512_sqrt_pd(x)
#define d_load(p, n) \
	_mm512_cvtps_pd(_mm512_castps512_ps256(load_floats(p, first_lanes(n))))

#include "kernel/kernel_distribution_body.h"

void
vs_kernel_avx512(VsKernels *k)
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
