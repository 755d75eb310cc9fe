/*
 * kernel.h
 *		Loops over arrays: distances, number formats, the rotation, link codes,
 *		those of an encoder (kernel_nn.h) and of topic models (kernel_lda.h).
 *
 * Pure C: no server header, no allocation, no error path.  The caller owns
 * all memory and gives all lengths.  The scalar version of every loop is its
 * definition; the versions for one instruction set may only reassociate sums
 * and use fused multiply-add.
 *
 * A loop may be called with n = 0 and with pointers of any alignment that is
 * legal for the element type.
 */
#ifndef VS_KERNEL_KERNEL_H
#define VS_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernel_lda.h"
#include "kernel/kernel_nn.h"

/* How a vector is stored in a row: element format, one scale per row. */
typedef enum VsCodec
{
	VS_CODEC_FLOAT32 = 0,		/* exact; the scale is 1 */
	VS_CODEC_FLOAT16 = 1,		/* IEEE half times a power of two */
	VS_CODEC_INT8 = 2,			/* -127..127 times the scale */
} VsCodec;

#define VS_CODEC_COUNT		3

/* The distances an index can be ordered by. */
typedef enum VsMetricKind
{
	VS_METRIC_L2 = 1,			/* Euclidean */
	VS_METRIC_IP = 2,			/* negative inner product */
	VS_METRIC_COSINE = 3,		/* 1 - cosine similarity */
	VS_METRIC_L1 = 4,			/* taxicab */
	VS_METRIC_JENSEN_SHANNON = 5,	/* between distributions given as roots */
} VsMetricKind;

/* Bytes of one element, by codec. */
#define VS_CODEC_WIDTH(codec) \
	((codec) == VS_CODEC_FLOAT32 ? 4 : (codec) == VS_CODEC_FLOAT16 ? 2 : 1)

/*
 * Link codes.  With b bits a dimension (b is 1, 2 or 4) a dimension has the
 * cell c in 0 .. 2^b - 1, which stands for the level u = 2c - (2^b - 1).
 *
 * A code of n dimensions takes stride = VS_CODE_STRIDE(n, b) bytes.  It is
 * stored in planes: byte j holds the cells of the dimensions j, j + stride,
 * j + 2 stride, ..., the k-th of them in the bits k*b .. k*b + b - 1.  Bits
 * of dimensions >= n are zero.  Codes of several links follow one another
 * without a gap, and VS_CODE_PAD bytes after the last one must be readable
 * (their content does not matter).
 *
 * The other operand of a code is laid out in the same planes: plane k starts
 * at element k * VS_PLANE_SPAN(stride) and holds the dimensions k*stride ..
 * k*stride + stride - 1, followed by zeros up to the next plane.
 */
#define VS_CODE_PAD				64
#define VS_CODE_PLANES(b)		(8 / (b))
#define VS_CODE_STRIDE(n, b)	(((n) + VS_CODE_PLANES(b) - 1) / VS_CODE_PLANES(b))
#define VS_PLANE_SPAN(stride)	(((stride) + 63) & ~63)
#define VS_PLANES_LEN(n, b) \
	(VS_CODE_PLANES(b) * VS_PLANE_SPAN(VS_CODE_STRIDE(n, b)))

/* Index of the tables below by bits: 1 -> 0, 2 -> 1, 4 -> 2. */
#define VS_BITS_INDEX(b)		((b) >> 1)
#define VS_BITS_COUNT			3

typedef struct VsKernels
{
	const char *name;			/* scalar, avx2, avx512, neon */

	/* sum (a-b)^2;  sum a*b;  sum |a-b| */
	float		(*l2sq) (int n, const float *a, const float *b);
	float		(*dot) (int n, const float *a, const float *b);
	float		(*l1) (int n, const float *a, const float *b);

	/* sum a*b, sum a*a and sum b*b in one pass, into sums[0..2] */
	void		(*cosine) (int n, const float *a, const float *b, float *sums);

	/*
	 * The same between a float32 query and a stored row, whose element i is
	 * scale * row[i] in the row's codec; and the row as float32.
	 */
	float		(*row_l2sq[VS_CODEC_COUNT]) (int n, const float *q, const void *row, float scale);
	float		(*row_dot[VS_CODEC_COUNT]) (int n, const float *q, const void *row, float scale);
	float		(*row_l1[VS_CODEC_COUNT]) (int n, const float *q, const void *row, float scale);
	void		(*row_decode[VS_CODEC_COUNT]) (int n, const void *row, float scale, float *out);

	/*
	 * Between two distributions, whose shares are scale_a * a[i] and scale_b *
	 * b[i], none of them negative: sum (sqrt(p) - sqrt(q))^2, which is twice
	 * the square of the Hellinger distance, and the Jensen-Shannon divergence
	 * in bits.  Everything in double; 0 if all shares are equal.
	 */
	double		(*root_l2sq) (int n, const float *a, const float *b, double scale_a, double scale_b);
	double		(*jensen_shannon) (int n, const float *a, const float *b, double scale_a, double scale_b);

	/*
	 * The divergence in float32, between a query and a row whose elements are
	 * the roots of shares.
	 */
	float		(*row_jensen_shannon[VS_CODEC_COUNT]) (int n, const float *q, const void *row, float scale);

	/* float32 to IEEE half, round to nearest even, overflow to infinity */
	void		(*float_to_half) (int n, const float *src, uint16_t *dst);

	/* p = q - v; returns sum p^2, and max |p| in *maxabs */
	float		(*residual) (int n, const float *q, const float *v, float *p, float *maxabs);

	/*
	 * Orthonormal fast Walsh-Hadamard transform in place (Hadamard order,
	 * scaled by 1/sqrt(n)); n is a power of two, or 0.
	 */
	void		(*fht) (int n, float *x);

	/*
	 * dst[i] = round(src[i] * inv_scale) to nearest even, limited to
	 * -127..127, laid out in planes for b bits; gaps between planes become
	 * zero. Returns the sum of all dst.  dst has VS_PLANES_LEN(n, b)
	 * elements.
	 */
	int32_t		(*quantize_planes) (int n, int b, const float *src, float inv_scale, int8_t *dst);

	/*
	 * out[l] = sum over dimensions of cell * q for each of nlinks codes. q as
	 * made by quantize_planes for the same b.  (The level's sum is 2 * out[l]
	 * - (2^b - 1) * sum of q.)
	 */
	void		(*code_dot[VS_BITS_COUNT]) (int n, int nlinks, const uint8_t *codes, const int8_t *q, int32_t *out);

	/*
	 * out[l] = sum over dimensions of |p - t[l] * level| for each of nlinks
	 * codes; p is a plain float32 array of n elements (no planes).
	 */
	void		(*code_l1[VS_BITS_COUNT]) (int n, int nlinks, const uint8_t *codes, const float *p, const float *t, float *out);

	/*
	 * Write the code of r: cell = floor(r[i] * inv_delta) + 2^(b-1), limited
	 * to 0 .. 2^b - 1.  Returns sum level * r.  Writes exactly the stride.
	 */
	float		(*code_encode[VS_BITS_COUNT]) (int n, const float *r, float inv_delta, uint8_t *code);

	/*
	 * out[l] = sum a[i] * rows[l][i] for each of nrows rows; all elements are
	 * in -127..127 and n is at most 16,000, so that no sum overflows.
	 */
	void		(*int8_dots) (int n, const int8_t *a, int nrows, const int8_t *const *rows, int32_t *out);

	/* what an encoder runs */
	VsNnKernels nn;

	/* what topic models run */
	VsLdaKernels lda;
} VsKernels;

/* The table in use; set by vs_kernel_init, never NULL (scalar before). */
extern const VsKernels *vs_kernels;

/* kernel.c */

/* Choose the best level this processor has.  Idempotent. */
extern void vs_kernel_init(void);

/*
 * Table of a level by name ("scalar", "avx2", "avx512", "neon"), or NULL if
 * this build or this processor does not have it.
 */
extern const VsKernels *vs_kernel_level(const char *name);

/* Name of the i-th level known anywhere, best last, or NULL past the end. */
extern const char *vs_kernel_level_name(int i);

/* kernel_codec.c: things with one version only, no hot loop */

/* One value; round to nearest even. */
extern uint16_t vs_float_to_half(float f);
extern float vs_half_to_float(uint16_t h);

/* bfloat16: the upper half of a float32, rounded to nearest even; a finite
 * value that would round to infinity becomes the largest finite one. */
extern uint16_t vs_float_to_bfloat(float f);
static inline float
vs_bfloat_to_float(uint16_t b)
{
	union
	{
		uint32_t	u;
		float		f;
	}			x;

	x.u = (uint32_t) b << 16;
	return x.f;
}

/*
 * Store src in a row of the codec (n * VS_CODEC_WIDTH bytes).  *scale is
 * chosen here: 1 for float32, a power of two that makes the largest magnitude
 * lie in [0.5, 1) for float16 (1 for all zeros), max/127 for int8 (1 for all
 * zeros).  src must be finite.  err[0] is the L2 norm of the difference between
 * src and the decoded row and err[1] its L1 norm, both rounded up (a true
 * upper bound, computed in double).
 */
extern void vs_codec_encode(VsCodec codec, int n, const float *src, void *row, float *scale, float err[2]);

/* Levels of one code as floats, in the order of the dimensions. */
extern void vs_code_decode(int n, int b, const uint8_t *code, float *levels);

/* The same as the other operand of code_dot; returns the sum of the levels. */
extern int32_t vs_code_planes(int n, int b, const uint8_t *code, int8_t *planes);

/* kernel_rotate.c */

/*
 * A fixed pseudo-random rotation of n dimensions: VS_ROTATE_ROUNDS times a
 * flip of signs (bits of splitmix64 of seed) and a Hadamard transform over the
 * first (even rounds) or last (odd rounds) 2^k elements, 2^k the largest power
 * of two <= n.  Below VS_ROTATE_MIN dimensions it is the identity.  Norms and
 * inner products are kept up to float32 rounding.
 */
#define VS_ROTATE_ROUNDS	4
#define VS_ROTATE_MIN		17

/* Bytes of the sign table for n dimensions. */
#define VS_ROTATE_SIGNS(n)	((size_t) VS_ROTATE_ROUNDS * (n) * sizeof(float))

/* Fill signs (VS_ROTATE_SIGNS(n) bytes of +1 and -1) from the seed. */
extern void vs_rotate_signs(int n, uint64_t seed, float *signs);

/* Rotate x in place. */
extern void vs_rotate(int n, const float *signs, float *x);

#endif							/* VS_KERNEL_KERNEL_H */
