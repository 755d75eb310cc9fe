/*
 * kernel_neon.c
 *		The loops for 64-bit ARM, with the instructions every such processor
 *		has (no dot product extension).
 *
 * Float sums: four accumulators of 4 lanes, fused multiply-add; a last block
 * of fewer than 4 elements is copied to a zeroed buffer first.  No load or
 * store needs alignment beyond the element's.
 *
 * fht, code_l1 and code_encode stay scalar.
 */
#include "kernel/kernel_isa.h"

#ifdef VS_HAVE_NEON

#include <arm_neon.h>

#define INLINE	VS_ALWAYS_INLINE

/* Loads of count <= 4 elements; count is a constant but at the end. */
INLINE float32x4_t
load_floats(const float *a, int count)
{
	float		few[4] = {0};

	if (count == 4)
		return vld1q_f32(a);
	for (int i = 0; i < count; i++)
		few[i] = a[i];
	return vld1q_f32(few);
}

INLINE float32x4_t
load_halves(const uint16_t *row, int count)
{
	uint16_t	few[4] = {0};

	if (count == 4)
		return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(row)));
	for (int i = 0; i < count; i++)
		few[i] = row[i];
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(few)));
}

INLINE float32x4_t
load_bytes(const int8_t *row, int count)
{
	int8_t		few[8] = {0};

	if (count == 4)
		memcpy(few, row, 4);
	else
		for (int i = 0; i < count; i++)
			few[i] = row[i];
	return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(few)))));
}

INLINE float32x4_t
load_row(VsCodec codec, const void *row, int i, int count)
{
	if (codec == VS_CODEC_FLOAT32)
		return load_floats((const float *) row + i, count);
	if (codec == VS_CODEC_FLOAT16)
		return load_halves((const uint16_t *) row + i, count);
	return load_bytes((const int8_t *) row + i, count);
}

INLINE void
store_floats(float *a, int count, float32x4_t x)
{
	float		few[4];

	if (count == 4)
	{
		vst1q_f32(a, x);
		return;
	}
	vst1q_f32(few, x);
	for (int i = 0; i < count; i++)
		a[i] = few[i];
}

/* Four accumulators, so that additions need not wait for one another. */
typedef struct Sums
{
	float32x4_t s0;
	float32x4_t s1;
	float32x4_t s2;
	float32x4_t s3;
} Sums;

INLINE Sums
no_sums(void)
{
	float32x4_t zero = vdupq_n_f32(0.0f);
	Sums		s = {zero, zero, zero, zero};

	return s;
}

INLINE float
total(const Sums *s)
{
	return vaddvq_f32(vaddq_f32(vaddq_f32(s->s0, s->s1),
								vaddq_f32(s->s2, s->s3)));
}

/*
 * Runs step(i, s0, 4), step(i + 4, s1, 4), ... over 0 .. n-1, where step's
 * second argument names the accumulator and its third is the element count.
 */
#define for_blocks(n, step) \
	do { \
		int			i = 0; \
		for (; i + 16 <= (n); i += 16) \
		{ \
			step(i, s0, 4); \
			step(i + 4, s1, 4); \
			step(i + 8, s2, 4); \
			step(i + 12, s3, 4); \
		} \
		for (; i + 4 <= (n); i += 4) \
			step(i, s0, 4); \
		if (i < (n)) \
		{ \
			const int	count = (n) - i; \
			step(i, s1, count); \
		} \
	} while (0)

/* Distances */

static float
l2sq(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, count) do { \
		const float32x4_t d = vsubq_f32(load_floats(a + (at), count), \
										load_floats(b + (at), count)); \
		sums.s = vfmaq_f32(sums.s, d, d); \
	} while (0)
	for_blocks(n, step);
#undef step
	return total(&sums);
}

static float
dot(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, count) \
	sums.s = vfmaq_f32(sums.s, load_floats(a + (at), count), \
					   load_floats(b + (at), count))
	for_blocks(n, step);
#undef step
	return total(&sums);
}

static float
l1(int n, const float *a, const float *b)
{
	Sums		sums = no_sums();

#define step(at, s, count) \
	sums.s = vaddq_f32(sums.s, vabdq_f32(load_floats(a + (at), count), \
										 load_floats(b + (at), count)))
	for_blocks(n, step);
#undef step
	return total(&sums);
}

static void
cosine(int n, const float *a, const float *b, float *sums)
{
	Sums		ab = no_sums();
	Sums		aa = no_sums();
	Sums		bb = no_sums();

#define step(at, s, count) do { \
		const float32x4_t x = load_floats(a + (at), count); \
		const float32x4_t y = load_floats(b + (at), count); \
		ab.s = vfmaq_f32(ab.s, x, y); \
		aa.s = vfmaq_f32(aa.s, x, x); \
		bb.s = vfmaq_f32(bb.s, y, y); \
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
	float32x4_t scales = vdupq_n_f32(scale);
	Sums		sums = no_sums();

#define step(at, s, count) do { \
		const float32x4_t d = vfmsq_f32(load_floats(q + (at), count), scales, \
										load_row(codec, row, at, count)); \
		sums.s = vfmaq_f32(sums.s, d, d); \
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
	sums.s = vfmaq_f32(sums.s, load_row(codec, row, at, count), \
					   load_floats(q + (at), count))
	for_blocks(n, step);
#undef step
	return total(&sums) * scale;
}

INLINE float
row_l1(VsCodec codec, int n, const float *q, const void *row, float scale)
{
	float32x4_t scales = vdupq_n_f32(scale);
	Sums		sums = no_sums();

#define step(at, s, count) \
	sums.s = vaddq_f32(sums.s, \
					   vabsq_f32(vfmsq_f32(load_floats(q + (at), count), \
										   scales, \
										   load_row(codec, row, at, count))))
	for_blocks(n, step);
#undef step
	return total(&sums);
}

INLINE void
row_decode(VsCodec codec, int n, const void *row, float scale, float *out)
{
	float32x4_t scales = vdupq_n_f32(scale);
	int			i = 0;

	for (; i + 4 <= n; i += 4)
		vst1q_f32(out + i, vmulq_f32(scales, load_row(codec, row, i, 4)));
	if (i < n)
		store_floats(out + i, n - i,
					 vmulq_f32(scales, load_row(codec, row, i, n - i)));
}

#define ROW_FUNCTIONS(name, codec) \
static float \
row_l2sq_##name(int n, const float *q, const void *row, float scale) \
{ \
	return row_l2sq(codec, n, q, row, scale); \
} \
static float \
row_dot_##name(int n, const float *q, const void *row, float scale) \
{ \
	return row_dot(codec, n, q, row, scale); \
} \
static float \
row_l1_##name(int n, const float *q, const void *row, float scale) \
{ \
	return row_l1(codec, n, q, row, scale); \
} \
static void \
row_decode_##name(int n, const void *row, float scale, float *out) \
{ \
	row_decode(codec, n, row, scale, out); \
}

ROW_FUNCTIONS(float32, VS_CODEC_FLOAT32)
ROW_FUNCTIONS(float16, VS_CODEC_FLOAT16)
ROW_FUNCTIONS(int8, VS_CODEC_INT8)

static void
floats_to_half(int n, const float *src, uint16_t *dst)
{
	int			i = 0;

	for (; i + 4 <= n; i += 4)
		vst1_u16(dst + i,
				 vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(src + i))));
	for (; i < n; i++)
		dst[i] = float_to_half(src[i]);
}

/* The search's query side */

static float
residual(int n, const float *q, const float *v, float *p, float *maxabs)
{
	Sums		sums = no_sums();
	Sums		most = no_sums();

#define step(at, s, count) do { \
		const float32x4_t d = vsubq_f32(load_floats(q + (at), count), \
										load_floats(v + (at), count)); \
		store_floats(p + (at), count, d); \
		sums.s = vfmaq_f32(sums.s, d, d); \
		most.s = vmaxq_f32(most.s, vabsq_f32(d)); \
	} while (0)
	for_blocks(n, step);
#undef step
	*maxabs = vmaxvq_f32(vmaxq_f32(vmaxq_f32(most.s0, most.s1),
								   vmaxq_f32(most.s2, most.s3)));
	return total(&sums);
}

/* maxnm takes the number of a number and a NaN, so that becomes -127. */
INLINE int32x4_t
quantize_4(float32x4_t x)
{
	x = vmaxnmq_f32(x, vdupq_n_f32(-127.0f));
	return vcvtnq_s32_f32(vminq_f32(x, vdupq_n_f32(127.0f)));
}

static int32_t
quantize_planes(int n, int b, const float *src, float inv_scale, int8_t *dst)
{
	int32x4_t	sums = vdupq_n_s32(0);
	int32_t		sum = 0;
	int			stride = VS_CODE_STRIDE(n, b);
	int			span = VS_PLANE_SPAN(stride);

	for (int k = 0; k < VS_CODE_PLANES(b); k++, dst += span)
	{
		const float *from = src + k * stride;
		int			len = plane_len(n, stride, k);
		int			j = 0;

		for (; j + 8 <= len; j += 8)
		{
			int32x4_t	lo = quantize_4(vmulq_n_f32(vld1q_f32(from + j),
													inv_scale));
			int32x4_t	hi = quantize_4(vmulq_n_f32(vld1q_f32(from + j + 4),
													inv_scale));

			sums = vaddq_s32(sums, vaddq_s32(lo, hi));
			vst1_s8(dst + j, vmovn_s16(vcombine_s16(vmovn_s32(lo),
													vmovn_s32(hi))));
		}
		for (; j < len; j++)
		{
			float32x4_t x = vdupq_n_f32(from[j] * inv_scale);

			dst[j] = (int8_t) vgetq_lane_s32(quantize_4(x), 0);
			sum += dst[j];
		}
		memset(dst + len, 0, span - len);
	}
	return sum + vaddvq_s32(sums);
}

/* Products of 16 elements fit 16 bits, sums of two products too. */
INLINE int32_t
int8_dot(int n, const int8_t *a, const int8_t *row)
{
	int32x4_t	sums = vdupq_n_s32(0);
	int32_t		sum;
	int			i = 0;

	for (; i + 16 <= n; i += 16)
	{
		const int8x16_t x = vld1q_s8(a + i);
		const int8x16_t y = vld1q_s8(row + i);

		sums = vpadalq_s16(sums, vmlal_s8(vmull_s8(vget_low_s8(x), vget_low_s8(y)),
										  vget_high_s8(x), vget_high_s8(y)));
	}
	sum = vaddvq_s32(sums);
	for (; i < n; i++)
		sum += a[i] * row[i];
	return sum;
}

static void
int8_dots(int n, const int8_t *a, int nrows, const int8_t *const *rows,
		  int32_t *out)
{
	for (int l = 0; l < nrows; l++)
		out[l] = int8_dot(n, a, rows[l]);
}

/*
 * Link codes against an 8-bit query, 16 bytes at a time.
 *
 * Range: with |q| <= 127, one block adds to a 16-bit lane at most
 * 8 planes * 2 bytes * 127 * 1 = 2032, 4 * 2 * 127 * 3 = 3048 and
 * 2 * 2 * 127 * 15 = 7620 for 1, 2 and 4 bits.  BLOCKS_IN_16_BITS of them fit.
 */
#define BLOCKS_IN_16_BITS(b)	(16 / (b))

INLINE void
code_dot(int b, int n, int nlinks, const uint8_t *codes, const int8_t *q,
		 int32_t *out)
{
	const int	stride = VS_CODE_STRIDE(n, b);
	const int	span = VS_PLANE_SPAN(stride);
	const uint8x16_t cell = vdupq_n_u8((uint8_t) ((1 << b) - 1));

	for (int l = 0; l < nlinks; l++, codes += stride)
	{
		int32x4_t	sum = vdupq_n_s32(0);

		for (int j = 0; j < stride;)
		{
			const int	left = stride - j;
			const int	end = left <= 16 * BLOCKS_IN_16_BITS(b) ? stride :
			j + 16 * BLOCKS_IN_16_BITS(b);
			int16x8_t	s0 = vdupq_n_s16(0);
			int16x8_t	s1 = s0;

			for (; j < end; j += 16)
			{
				const uint8x16_t x = vld1q_u8(codes + j);

				for (int k = 0; k < VS_CODE_PLANES(b); k++)
				{
					const int8x16_t down = vdupq_n_s8((int8_t) (-k * b));
					const int8x16_t c =
					vreinterpretq_s8_u8(vandq_u8(vshlq_u8(x, down), cell));
					const int8x16_t y = vld1q_s8(q + k * span + j);

					s0 = vmlal_s8(s0, vget_low_s8(c), vget_low_s8(y));
					s1 = vmlal_high_s8(s1, c, y);
				}
			}
			sum = vpadalq_s16(vpadalq_s16(sum, s0), s1);
		}
		out[l] = vaddvq_s32(sum);
	}
}

#define CODE_FUNCTIONS(b) \
static void \
code_dot_##b(int n, int nlinks, const uint8_t *codes, const int8_t *q, \
			 int32_t *out) \
{ \
	code_dot(b, n, nlinks, codes, q, out); \
}

CODE_FUNCTIONS(1)
CODE_FUNCTIONS(2)
CODE_FUNCTIONS(4)

/* Distributions */

#define TARGET
#define V				float32x4_t
#define VI				uint32x4_t
#define VW				4
#define D				float64x2_t
#define DI				uint64x2_t
#define DW				2
#define V_ALL			4
#define v_few(n)		(n)
#define v_total(x)		vaddvq_f32(x)
#define d_total(x)		vaddvq_f64(x)
#define d_sqrt(x)		vsqrtq_f64(x)
#define d_load(p, n)	vcvt_f64_f32(vget_low_f32(load_floats(p, n)))

#include "kernel/kernel_distribution_body.h"

void
vs_kernel_neon(VsKernels *k)
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
	k->quantize_planes = quantize_planes;
	k->int8_dots = int8_dots;
	k->code_dot[VS_BITS_INDEX(1)] = code_dot_1;
	k->code_dot[VS_BITS_INDEX(2)] = code_dot_2;
	k->code_dot[VS_BITS_INDEX(4)] = code_dot_4;
}

#endif							/* VS_HAVE_NEON */
