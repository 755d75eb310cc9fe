/*
 * kernel_test.c
 *		Tests of src/kernel, printed as TAP.
 *
 * The scalar loops are compared with their definition, computed here in double
 * or in integers; the other levels with the scalar loops, at every length from
 * 0 to 257 and with operands that begin 0 to 3 elements into their memory.
 * Every array ends exactly at the end of its memory, plus VS_CODE_PAD bytes
 * where the interface grants them.  The comparisons run twice: on memory from
 * malloc, where ASan sees a read too far, and on memory that ends at a page
 * that cannot be touched, as ASan does not see into all intrinsics.
 *
 * Tolerance: a sum of n terms in at least 16 partial sums takes part in at
 * most n / 16 + 4 additions, and a term comes from at most 3 more roundings,
 * each of relative size 2^-24.  So a sum is within (n / 16 + 7) 2^-24 of the
 * sum of the terms' magnitudes, and two such sums within twice that of each
 * other.  Everything without a sum must be equal to the last bit.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "random.h"
#include "tap.h"

#define MAX_LEN		257

static const int bits_list[VS_BITS_COUNT] = {1, 2, 4};
static const VsKernels *scalar;

/* Random numbers, the same in every run */

static float
random_gauss(void)
{
	float		s = 0.0f;

	for (int i = 0; i < 12; i++)
		s += random_float();
	return s / 2.0f;
}

/* Memory */

#define SLOT_COUNT	8
#define SLOT_BYTES	65536

static bool guarded;
static void *slots[SLOT_COUNT];

static void
map_slots(void)
{
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);

	for (int i = 0; i < SLOT_COUNT; i++)
	{
		char	   *p = mmap(NULL, SLOT_BYTES + page, PROT_READ | PROT_WRITE,
							 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || mprotect(p + SLOT_BYTES, page, PROT_NONE) != 0)
		{
			printf("Bail out! no memory\n");
			exit(1);
		}
		slots[i] = p;
	}
}

/* bytes of memory whose end is watched, until the slot is released */
static void *
take(int slot, size_t bytes)
{
	void	   *p;

	if (guarded)
		return (char *) slots[slot] + SLOT_BYTES - bytes;
	p = malloc(bytes > 0 ? bytes : 1);
	if (!p)
	{
		printf("Bail out! no memory\n");
		exit(1);
	}
	return bytes > 0 ? p : (void *) ((char *) p + 1);
}

static void
release(void *p, size_t bytes)
{
	if (!guarded)
		free(bytes > 0 ? p : (void *) ((char *) p - 1));
}

/* Comparison */

/* got is within the tolerance of a sum of n terms of this magnitude. */
static void
expect_near(const char *what, int n, int offset, double got, double want,
			double magnitude, bool want_exact)
{
	double		tolerance = (n / 16 + 7) * 0x1p-24 * magnitude;

	if (!want_exact)
		tolerance *= 2.0;
	if (!(fabs(got - want) <= tolerance))
		fail("%s n=%d offset=%d: got %.9g, want %.9g +- %.3g", what, n, offset,
			 got, want, tolerance);
}

static void
expect_same(const char *what, int n, int offset, const void *got,
			const void *want, size_t bytes)
{
	if (bytes > 0 && memcmp(got, want, bytes) != 0)
		fail("%s n=%d offset=%d: bytes differ", what, n, offset);
}

/* Element i of a row, without its scale. */
static double
row_value(int codec, const void *row, int i)
{
	switch (codec)
	{
		case VS_CODEC_FLOAT32:
			return ((const float *) row)[i];
		case VS_CODEC_FLOAT16:
			return vs_half_to_float(((const uint16_t *) row)[i]);
		default:
			return ((const int8_t *) row)[i];
	}
}

static int
cell_of(int n, int b, const uint8_t *code, int i)
{
	int			stride = VS_CODE_STRIDE(n, b);

	return code[i % stride] >> (i / stride * b) & ((1 << b) - 1);
}

/* Distances between floats */

static void
check_distances(const VsKernels *k, int n, int offset)
{
	bool		exact = k == scalar;
	size_t		bytes = (n + offset) * sizeof(float);
	float	   *a_memory = take(0, bytes);
	float	   *b_memory = take(1, bytes);
	float	   *p_memory = take(2, bytes);
	float	   *a = a_memory + offset;
	float	   *b = b_memory + offset;
	float	   *p = p_memory + offset;
	double		squares = 0,
				products = 0,
				product_size = 0,
				differences = 0,
				aa = 0,
				bb = 0,
				most = 0;
	float		sums[3];
	float		scalar_sums[3];
	float		maxabs = -1;

	for (int i = 0; i < n; i++)
	{
		double		d;

		a[i] = random_gauss();
		b[i] = random_gauss();
		d = (double) (float) (a[i] - b[i]);
		squares += d * d;
		products += (double) a[i] * b[i];
		product_size += fabs((double) a[i] * b[i]);
		differences += fabs(d);
		aa += (double) a[i] * a[i];
		bb += (double) b[i] * b[i];
		most = fabs(d) > most ? fabs(d) : most;
	}

	expect_near("l2sq", n, offset, k->l2sq(n, a, b),
				exact ? squares : scalar->l2sq(n, a, b), squares, exact);
	expect_near("dot", n, offset, k->dot(n, a, b),
				exact ? products : scalar->dot(n, a, b), product_size, exact);
	expect_near("l1", n, offset, k->l1(n, a, b),
				exact ? differences : scalar->l1(n, a, b), differences, exact);

	k->cosine(n, a, b, sums);
	scalar->cosine(n, a, b, scalar_sums);
	expect_near("cosine ab", n, offset, sums[0],
				exact ? products : scalar_sums[0], product_size, exact);
	expect_near("cosine aa", n, offset, sums[1],
				exact ? aa : scalar_sums[1], aa, exact);
	expect_near("cosine bb", n, offset, sums[2],
				exact ? bb : scalar_sums[2], bb, exact);

	expect_near("residual", n, offset, k->residual(n, a, b, p, &maxabs),
				squares, squares, exact);
	if (maxabs != (float) most)
		fail("residual n=%d offset=%d: largest %g, want %g", n, offset, maxabs,
			 most);
	for (int i = 0; i < n; i++)
		if (p[i] != a[i] - b[i])
			fail("residual n=%d offset=%d: element %d", n, offset, i);

	release(a_memory, bytes);
	release(b_memory, bytes);
	release(p_memory, bytes);
}

/* Distances between floats and a row */

static void
check_rows(const VsKernels *k, int codec, int n, int offset)
{
	bool		exact = k == scalar;
	size_t		width = VS_CODEC_WIDTH(codec);
	size_t		q_bytes = (n + offset) * sizeof(float);
	size_t		row_bytes = (n + offset) * width;
	float	   *q_memory = take(0, q_bytes);
	char	   *row_memory = take(1, row_bytes);
	float	   *out_memory = take(2, q_bytes);
	float	   *q = q_memory + offset;
	char	   *row = row_memory + offset * width;
	float	   *out = out_memory + offset;
	static const float scales[VS_CODEC_COUNT] = {1.0f, 4.0f, 0.0123f};
	float		scale = scales[codec];
	double		squares = 0,
				square_size = 0,
				products = 0,
				product_size = 0,
				differences = 0,
				difference_size = 0;

	for (int i = 0; i < n; i++)
	{
		float		x = random_float();
		double		v;

		q[i] = random_gauss();
		if (codec == VS_CODEC_FLOAT32)
			((float *) row)[i] = x;
		else if (codec == VS_CODEC_FLOAT16)
			((uint16_t *) row)[i] = vs_float_to_half(x);
		else
			((int8_t *) row)[i] = (int8_t) (x * 127.5f);
		v = row_value(codec, row, i) * scale;
		squares += (q[i] - v) * (q[i] - v);
		products += q[i] * v;
		product_size += fabs(q[i] * v);
		differences += fabs(q[i] - v);
		/* scale * v may be rounded before the difference is taken */
		square_size += (fabs(q[i]) + fabs(v)) * (fabs(q[i]) + fabs(v));
		difference_size += fabs(q[i]) + fabs(v);
	}

	expect_near("row_l2sq", n, offset, k->row_l2sq[codec] (n, q, row, scale),
				exact ? squares : scalar->row_l2sq[codec] (n, q, row, scale),
				square_size, exact);
	expect_near("row_dot", n, offset, k->row_dot[codec] (n, q, row, scale),
				exact ? products : scalar->row_dot[codec] (n, q, row, scale),
				product_size, exact);
	expect_near("row_l1", n, offset, k->row_l1[codec] (n, q, row, scale),
				exact ? differences : scalar->row_l1[codec] (n, q, row, scale),
				difference_size, exact);
	k->row_decode[codec] (n, row, scale, out);
	for (int i = 0; i < n; i++)
		if (out[i] != (float) (row_value(codec, row, i) * scale))
			fail("row_decode n=%d offset=%d: element %d", n, offset, i);

	release(q_memory, q_bytes);
	release(row_memory, row_bytes);
	release(out_memory, q_bytes);
}

/* Distributions */

/* The Jensen-Shannon divergence of two shares, from its definition. */
static double
divergence(long double u, long double w)
{
	long double m = (u + w) / 2;
	long double t;
	long double sum = 0;

	if (u == w)
		return 0;
	t = (u - w) / (u + w);
	if (fabsl(t) > 0.1L)
		return (double) ((u > 0 ? u * log2l(u / m) : 0) +
						 (w > 0 ? w * log2l(w / m) : 0)) / 2;

	/* where that cancels: m t^2 sum t^2k / ((2k+1) (2k+2)) / ln 2 */
	for (int k = 20; k >= 0; k--)
		sum = sum * t * t + 1 / ((2 * k + 1) * (2 * k + 2.0L));
	return (double) (m * t * t * sum / logl(2));
}

/* Shares with zeros among them, and one that is like or unlike another. */
static float
random_share(void)
{
	float		x = fabsf(random_float());

	return random_bits() % 4 ? x * x * x : 0.0f;
}

static float
other_share(float x)
{
	switch (random_bits() % 4)
	{
		case 0:
			return x;
		case 1:
			return x * (1.0f + random_float() * 1e-4f);
		case 2:
			return x * 1e-12f;
		default:
			return random_share();
	}
}

static void
expect_close(const char *what, int n, int offset, double got, double want,
			 double tolerance)
{
	if (!(fabs(got - want) <= tolerance * want))
		fail("%s n=%d offset=%d: got %.17g, want %.17g", what, n, offset, got,
			 want);
}

static void
check_distributions(const VsKernels *k, int n, int offset)
{
	const double scale_a = 0.7;
	const double scale_b = 0.7 * 1.25;
	size_t		bytes = (n + offset) * sizeof(float);
	float	   *a_memory = take(0, bytes);
	float	   *b_memory = take(1, bytes);
	float	   *a = a_memory + offset;
	float	   *b = b_memory + offset;
	double		roots = 0;
	double		bits = 0;

	for (int i = 0; i < n; i++)
	{
		long double d;

		a[i] = random_share();
		b[i] = other_share(a[i]) * 0.8f;
		d = sqrtl(a[i] * scale_a) - sqrtl(b[i] * scale_b);
		roots += (double) (d * d);
		bits += divergence(a[i] * scale_a, b[i] * scale_b);
	}
	expect_close("root_l2sq", n, offset,
				 k->root_l2sq(n, a, b, scale_a, scale_b), roots, 1e-7);
	expect_close("jensen_shannon", n, offset,
				 k->jensen_shannon(n, a, b, scale_a, scale_b), bits, 1e-7);
	if (k->root_l2sq(n, a, a, scale_a, scale_a) != 0 ||
		k->jensen_shannon(n, a, a, scale_a, scale_a) != 0)
		fail("n=%d offset=%d: not 0 between equals", n, offset);

	/* what an index relies on for its bounds, up to the rounding of both */
	if (roots / 2 > bits * (1 + 1e-10) ||
		bits > roots / 2 * 1.4426950408889634 * (1 + 1e-10))
		fail("n=%d offset=%d: divergence %g, half of squares %g", n, offset,
			 bits, roots / 2);
	release(a_memory, bytes);
	release(b_memory, bytes);
}

static void
check_root_rows(const VsKernels *k, int codec, int n, int offset)
{
	static const float scales[VS_CODEC_COUNT] = {1.0f, 0.5f, 0.0061f};
	size_t		width = VS_CODEC_WIDTH(codec);
	size_t		q_bytes = (n + offset) * sizeof(float);
	size_t		row_bytes = (n + offset) * width;
	float	   *q_memory = take(0, q_bytes);
	char	   *row_memory = take(1, row_bytes);
	float	   *q = q_memory + offset;
	char	   *row = row_memory + offset * width;
	double		bits = 0;
	float		got;

	for (int i = 0; i < n; i++)
	{
		float		x = random_share();
		float		y;

		if (codec == VS_CODEC_FLOAT32)
			((float *) row)[i] = x;
		else if (codec == VS_CODEC_FLOAT16)
			((uint16_t *) row)[i] = vs_float_to_half(x);
		else
			((int8_t *) row)[i] = (int8_t) (x * 127.5f);
		y = (float) row_value(codec, row, i) * scales[codec];
		q[i] = other_share(y);
		bits += divergence((long double) q[i] * q[i], (long double) y * y);
	}

	/*
	 * Each term is right to 1e-6.  The product with the scale may not have
	 * been rounded, of which a difference of roots may be made up.
	 */
	got = k->row_jensen_shannon[codec] (n, q, row, scales[codec]);
	if (!(fabs(got - bits) <= 2e-6 * bits + n * 1e-14))
		fail("row_jensen_shannon n=%d offset=%d: got %.9g, want %.9g", n,
			 offset, got, bits);
	release(q_memory, q_bytes);
	release(row_memory, row_bytes);
}

static void
check_float_to_half(const VsKernels *k, int n, int offset)
{
	size_t		src_bytes = (n + offset) * sizeof(float);
	size_t		dst_bytes = (n + offset) * sizeof(uint16_t);
	float	   *src = take(0, src_bytes);
	uint16_t   *dst = take(1, dst_bytes);

	for (int i = 0; i < n; i++)
		src[offset + i] = random_gauss() * (i % 2 ? 1e-6f : 3.0f);
	k->float_to_half(n, src + offset, dst + offset);
	for (int i = 0; i < n; i++)
		if (dst[offset + i] != vs_float_to_half(src[offset + i]))
			fail("float_to_half n=%d offset=%d: element %d", n, offset, i);
	release(src, src_bytes);
	release(dst, dst_bytes);
}

/* Transform */

/* Powers of two only; each output is a sum of n terms of x's magnitude. */
static void
check_fht(const VsKernels *k, int n, int offset)
{
	size_t		bytes = (n + offset) * sizeof(float);
	float	   *memory = take(0, bytes);
	float	   *x = memory + offset;
	double	   *y = malloc((n + 1) * sizeof(double));
	double		norm = 0;

	for (int i = 0; i < n; i++)
	{
		x[i] = random_gauss();
		y[i] = x[i];
		norm += y[i] * y[i];
	}
	for (int half = 1; half < n; half *= 2)
		for (int i = 0; i < n; i++)
			if (!(i & half))
			{
				double		a = y[i];
				double		b = y[i + half];

				y[i] = a + b;
				y[i + half] = a - b;
			}
	k->fht(n, x);
	for (int i = 0; i < n; i++)
		expect_near("fht", n, offset, x[i], y[i] / sqrt(n), sqrt(norm), false);
	free(y);
	release(memory, bytes);
}

/* Quantized query */

static float
quantize_case(int i)
{
	switch (random_bits() % 8)
	{
		case 0:
			return (float) (i % 300 - 150) + 0.5f;	/* halfway */
		case 1:
			return (float) (i % 300 - 150);
		case 2:
			return i % 5 == 0 ? INFINITY : i % 5 == 1 ? -INFINITY :
				i % 5 == 2 ? NAN : i % 5 == 3 ? FLT_MAX : -FLT_MAX;
		default:
			return random_gauss() * 60.0f;
	}
}

static void
check_quantize(const VsKernels *k, int b, int n, int offset, float inv_scale)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			span = VS_PLANE_SPAN(stride);
	size_t		src_bytes = (n + offset) * sizeof(float);
	size_t		dst_bytes = VS_PLANES_LEN(n, b);
	float	   *memory = take(0, src_bytes);
	float	   *src = memory + offset;
	int8_t	   *dst = take(1, dst_bytes);
	int8_t	   *want = calloc(dst_bytes + 1, 1);
	int32_t		want_sum = 0;
	int32_t		sum;

	for (int i = 0; i < n; i++)
	{
		float		x;

		src[i] = quantize_case(i);
		x = src[i] * inv_scale;
		x = x > -127.0f ? x : -127.0f;
		x = x < 127.0f ? x : 127.0f;
		want[i / stride * span + i % stride] = (int8_t) nearbyintf(x);
		want_sum += (int8_t) nearbyintf(x);
	}
	if (dst_bytes > 0)
		memset(dst, 0x55, dst_bytes);
	sum = k->quantize_planes(n, b, src, inv_scale, dst);
	if (sum != want_sum)
		fail("quantize_planes b=%d n=%d: sum %d, want %d", b, n, sum, want_sum);
	expect_same("quantize_planes", n, offset, dst, want, dst_bytes);
	free(want);
	release(memory, src_bytes);
	release(dst, dst_bytes);
}

/* Link codes */

typedef enum Filling
{
	FILL_RANDOM,
	FILL_HIGHEST,
	FILL_LOWEST,
	FILL_COUNT
} Filling;

static void
fill_codes(int n, int b, int nlinks, uint8_t *codes, Filling filling)
{
	int			stride = VS_CODE_STRIDE(n, b);
	size_t		bytes = (size_t) stride * nlinks;

	for (size_t i = 0; i < bytes + VS_CODE_PAD; i++)
		codes[i] = filling == FILL_RANDOM || i >= bytes ?
			(uint8_t) random_bits() : 0xFF;
	/* bits of dimensions past n are zero */
	for (int l = 0; l < nlinks; l++)
		for (int i = n; i < stride * VS_CODE_PLANES(b); i++)
			codes[l * stride + i % stride] &=
				(uint8_t) ~(((1 << b) - 1) << (i / stride * b));
}

static void
check_code_dot(const VsKernels *k, int b, int n, int nlinks, int offset,
			   Filling filling)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			span = VS_PLANE_SPAN(stride);
	size_t		code_bytes = offset + (size_t) stride * nlinks + VS_CODE_PAD;
	size_t		q_bytes = VS_PLANES_LEN(n, b);
	size_t		out_bytes = nlinks * sizeof(int32_t);
	uint8_t    *memory = take(0, code_bytes);
	uint8_t    *codes = memory + offset;
	int8_t	   *q = take(1, q_bytes);
	int32_t    *out = take(2, out_bytes);

	fill_codes(n, b, nlinks, codes, filling);
	if (q_bytes > 0)
		memset(q, 0, q_bytes);
	for (int i = 0; i < n; i++)
		q[i / stride * span + i % stride] =
			filling == FILL_HIGHEST ? 127 : filling == FILL_LOWEST ? -127 :
			(int8_t) ((int) (random_bits() % 255) - 127);
	k->code_dot[VS_BITS_INDEX(b)] (n, nlinks, codes, q, out);
	for (int l = 0; l < nlinks; l++)
	{
		int32_t		want = 0;

		for (int i = 0; i < n; i++)
			want += cell_of(n, b, codes + (size_t) l * stride, i) *
				q[i / stride * span + i % stride];
		if (out[l] != want)
			fail("code_dot b=%d n=%d offset=%d: link %d of %d: %d, want %d",
				 b, n, offset, l, nlinks, out[l], want);
	}
	release(memory, code_bytes);
	release(q, q_bytes);
	release(out, out_bytes);
}

static void
check_int8_dots(const VsKernels *k, int n, int nrows, int offset,
				Filling filling)
{
	size_t		row_bytes = (size_t) offset + n;
	size_t		out_bytes = nrows * sizeof(int32_t);
	int8_t	   *a = take(0, row_bytes);
	int8_t	   *memory = take(1, row_bytes * nrows);
	int32_t    *out = take(2, out_bytes);
	const int8_t *rows[80];

	for (size_t i = 0; i < row_bytes; i++)
		a[i] = filling == FILL_HIGHEST ? 127 : filling == FILL_LOWEST ? -127 :
			(int8_t) ((int) (random_bits() % 255) - 127);
	for (size_t i = 0; i < row_bytes * nrows; i++)
		memory[i] = filling == FILL_RANDOM ?
			(int8_t) ((int) (random_bits() % 255) - 127) : 127;
	for (int l = 0; l < nrows; l++)
		rows[l] = memory + l * row_bytes + offset;
	k->int8_dots(n, a + offset, nrows, rows, out);
	for (int l = 0; l < nrows; l++)
	{
		int32_t		want = 0;

		for (int i = 0; i < n; i++)
			want += a[offset + i] * rows[l][i];
		if (out[l] != want)
			fail("int8_dots n=%d offset=%d: row %d of %d: %d, want %d",
				 n, offset, l, nrows, out[l], want);
	}
	release(a, row_bytes);
	release(memory, row_bytes * nrows);
	release(out, out_bytes);
}

static void
check_code_l1(const VsKernels *k, int b, int n, int nlinks, int offset)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			top = (1 << b) - 1;
	size_t		code_bytes = offset + (size_t) stride * nlinks + VS_CODE_PAD;
	size_t		p_bytes = (n + offset) * sizeof(float);
	size_t		t_bytes = nlinks * sizeof(float);
	uint8_t    *code_memory = take(0, code_bytes);
	float	   *p_memory = take(1, p_bytes);
	float	   *t = take(2, t_bytes);
	float	   *out = take(3, t_bytes);
	float	   *scalar_out = malloc(t_bytes + 1);
	uint8_t    *codes = code_memory + offset;
	float	   *p = p_memory + offset;

	fill_codes(n, b, nlinks, codes, FILL_RANDOM);
	for (int i = 0; i < n; i++)
		p[i] = random_gauss();
	for (int l = 0; l < nlinks; l++)
		t[l] = fabsf(random_float());
	k->code_l1[VS_BITS_INDEX(b)] (n, nlinks, codes, p, t, out);
	scalar->code_l1[VS_BITS_INDEX(b)] (n, nlinks, codes, p, t, scalar_out);
	for (int l = 0; l < nlinks; l++)
	{
		double		want = 0;
		double		size = 0;

		for (int i = 0; i < n; i++)
		{
			int			cell = cell_of(n, b, codes + (size_t) l * stride, i);
			double		v = (double) t[l] * (2 * cell - top);

			want += fabs(p[i] - v);
			size += fabs(p[i]) + fabs(v);
		}
		expect_near("code_l1", n, offset, out[l],
					k == scalar ? want : scalar_out[l], size, k == scalar);
	}
	free(scalar_out);
	release(code_memory, code_bytes);
	release(p_memory, p_bytes);
	release(t, t_bytes);
	release(out, t_bytes);
}

/* The levels of a code again, laid out in planes. */
static void
check_code_planes(int n, int b, const uint8_t *code, const float *levels)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			len = VS_PLANES_LEN(n, b);
	int8_t	   *planes = malloc((size_t) len + 1);
	int			got = vs_code_planes(n, b, code, planes);
	int			sum = 0;

	for (int i = 0; i < n; i++)
	{
		int8_t	   *at = &planes[i / stride * VS_PLANE_SPAN(stride) + i % stride];

		if (*at != levels[i])
			fail("code_planes b=%d n=%d: element %d", b, n, i);
		*at = 0;
		sum += (int) levels[i];
	}
	for (int i = 0; i < len; i++)
		if (planes[i] != 0)
			fail("code_planes b=%d n=%d: gap at %d", b, n, i);
	if (got != sum)
		fail("code_planes b=%d n=%d: sum %d, want %d", b, n, got, sum);
	free(planes);
}

static void
check_code_encode(const VsKernels *k, int b, int n, int offset)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			half = 1 << (b - 1);
	size_t		r_bytes = (n + offset) * sizeof(float);
	size_t		code_bytes = stride;
	float	   *memory = take(0, r_bytes);
	float	   *r = memory + offset;
	uint8_t    *code = take(1, code_bytes);
	uint8_t    *want = calloc(code_bytes + 1, 1);
	float	   *levels = malloc((n + 1) * sizeof(float));
	float		inv_delta = 1.7f;
	double		sum = 0;
	double		size = 0;
	float		got;

	for (int i = 0; i < n; i++)
	{
		int			cell;

		/* some exactly on the boundary of two cells, some just below */
		r[i] = random_bits() % 4 ? random_gauss() * 2.0f / (float) half :
			random_bits() % 2 ? 0.0f : -0x1p-140f;
		cell = (int) floorf(r[i] * inv_delta) + half;
		cell = cell < 0 ? 0 : cell > 2 * half - 1 ? 2 * half - 1 : cell;
		want[i % stride] |= (uint8_t) (cell << (i / stride * b));
		sum += (double) (2 * cell - (2 * half - 1)) * r[i];
		size += fabs((double) (2 * cell - (2 * half - 1)) * r[i]);
	}
	got = k->code_encode[VS_BITS_INDEX(b)] (n, r, inv_delta, code);
	expect_same("code_encode", n, offset, code, want, code_bytes);
	expect_near("code_encode", n, offset, got, sum, size, false);
	vs_code_decode(n, b, code, levels);
	for (int i = 0; i < n; i++)
		if (levels[i] != (float) (2 * cell_of(n, b, code, i) - (2 * half - 1)))
			fail("code_decode b=%d n=%d: element %d", b, n, i);
	check_code_planes(n, b, code, levels);
	free(levels);
	free(want);
	release(memory, r_bytes);
	release(code, code_bytes);
}

/* Values that no correct caller passes must still not be undefined. */
static void
check_code_encode_extremes(const VsKernels *k, int b)
{
	const float odd[] = {INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, 0.0f};
	const float deltas[] = {1.0f, INFINITY, 0.0f, FLT_MAX};
	float		r[48];
	uint8_t		code[48];
	uint8_t		want[48];

	for (int i = 0; i < 48; i++)
		r[i] = odd[i % 6];
	for (int i = 0; i < 4; i++)
	{
		(void) k->code_encode[VS_BITS_INDEX(b)] (48, r, deltas[i], code);
		(void) scalar->code_encode[VS_BITS_INDEX(b)] (48, r, deltas[i], want);
		expect_same("code_encode extremes", 48, 0, code, want,
					VS_CODE_STRIDE(48, b));
	}
}

/* Everything above, for one level */

#define for_lengths(check) \
	do { \
		for (int n = 0; n <= MAX_LEN; n++) \
			for (int offset = 0; offset <= 3; offset++) \
				check; \
	} while (0)

static void
test_level(const VsKernels *k)
{
	const char *codec_names[] = {"float32", "float16", "int8"};
	const char *where = guarded ? "guarded" : "malloc";

	for_lengths(check_distances(k, n, offset));
	end_test("%s %s: distances, residual", k->name, where);
	for (int codec = 0; codec < VS_CODEC_COUNT; codec++)
	{
		for_lengths(check_rows(k, codec, n, offset));
		end_test("%s %s: %s rows", k->name, where, codec_names[codec]);
	}
	for_lengths(check_distributions(k, n, offset));
	end_test("%s %s: distributions", k->name, where);
	for (int codec = 0; codec < VS_CODEC_COUNT; codec++)
	{
		for_lengths(check_root_rows(k, codec, n, offset));
		end_test("%s %s: %s rows of roots", k->name, where,
				 codec_names[codec]);
	}
	for_lengths(check_float_to_half(k, n, offset));
	end_test("%s %s: float_to_half", k->name, where);
	check_fht(k, 0, 0);
	for (int n = 1; n <= 4096; n *= 2)
		for (int offset = 0; offset <= 3; offset++)
			check_fht(k, n, offset);
	end_test("%s %s: fht", k->name, where);

	for_lengths(check_int8_dots(k, n, offset + n % 9, offset, FILL_RANDOM));
	for (int nrows = 0; nrows <= 67; nrows++)
		check_int8_dots(k, 100, nrows, 1, FILL_RANDOM);
	for (int filling = 0; filling < FILL_COUNT; filling++)
		check_int8_dots(k, 16000, 3, 0, filling);
	end_test("%s %s: int8_dots", k->name, where);

	for (int i = 0; i < VS_BITS_COUNT; i++)
	{
		int			b = bits_list[i];

		for_lengths(check_quantize(k, b, n, offset, 1.0f));
		for_lengths(check_quantize(k, b, n, offset, INFINITY));
		check_quantize(k, b, 1536, 1, 0.5f);
		end_test("%s %s: quantize_planes, %d bits", k->name, where, b);

		for_lengths(check_code_dot(k, b, n, offset + n % 9, offset,
								   FILL_RANDOM));
		for (int nlinks = 0; nlinks <= 67; nlinks++)
		{
			check_code_dot(k, b, 100, nlinks, 0, FILL_RANDOM);
			check_code_dot(k, b, 300, nlinks, 1, FILL_RANDOM);
		}
		end_test("%s %s: code_dot, %d bits", k->name, where, b);

		/* long sums of the largest terms: no intermediate overflows */
		for (int filling = 0; filling < FILL_COUNT; filling++)
		{
			check_code_dot(k, b, 384, 32, 0, filling);
			check_code_dot(k, b, 768, 17, 0, filling);
			check_code_dot(k, b, 1536, 9, 0, filling);
			check_code_dot(k, b, 2000, 6, 0, filling);
			check_code_dot(k, b, 4096, 5, 0, filling);
			check_code_dot(k, b, 16000, 5, 0, filling);
		}
		end_test("%s %s: code_dot range, %d bits", k->name, where, b);

		for_lengths(check_code_l1(k, b, n, 1 + n % 3, offset));
		end_test("%s %s: code_l1, %d bits", k->name, where, b);
		for_lengths(check_code_encode(k, b, n, offset));
		check_code_encode(k, b, 1536, 1);
		check_code_encode_extremes(k, b);
		end_test("%s %s: code_encode, %d bits", k->name, where, b);
	}
}

/* Number formats */

/* A half's value from its definition. */
static float
half_value(int h)
{
	int			exponent = h >> 10 & 0x1F;
	int			mantissa = h & 0x3FF;
	float		magnitude;

	if (exponent == 31)
		magnitude = mantissa ? NAN : INFINITY;
	else if (exponent == 0)
		magnitude = ldexpf((float) mantissa, -24);
	else
		magnitude = ldexpf((float) (mantissa + 1024), exponent - 25);
	return h & 0x8000 ? -magnitude : magnitude;
}

static void
expect_half(const VsKernels *k, float f, int want)
{
	uint16_t	h[16];
	float		x[16];

	for (int i = 0; i < 16; i++)
		x[i] = f;
	k->float_to_half(16, x, h);
	if (vs_float_to_half(f) != want || h[0] != want || h[15] != want)
		fail("half of %a: %04x and %04x, want %04x", f, vs_float_to_half(f),
			 h[0], want);
}

static void
test_half(const VsKernels *k)
{
	uint16_t   *halves = malloc(65536 * sizeof(uint16_t));
	uint16_t   *back = malloc(65536 * sizeof(uint16_t));
	float	   *floats = malloc(65536 * sizeof(float));

	for (int h = 0; h < 65536; h++)
		halves[h] = (uint16_t) h;
	k->row_decode[VS_CODEC_FLOAT16] (65536, halves, 1.0f, floats);
	k->float_to_half(65536, floats, back);
	for (int h = 0; h < 65536; h++)
	{
		float		want = half_value(h);
		float		one = vs_half_to_float((uint16_t) h);
		bool		is_nan = isnan(want);

		if (is_nan ? !isnan(floats[h]) || !isnan(one) :
			memcmp(&floats[h], &want, 4) != 0 || memcmp(&one, &want, 4) != 0)
			fail("half %04x is %a and %a, want %a", h, floats[h], one, want);
		if (is_nan ? !isnan(half_value(back[h])) ||
			!isnan(half_value(vs_float_to_half(one))) :
			back[h] != h || vs_float_to_half(one) != h)
			fail("half %04x comes back as %04x", h, back[h]);
	}
	end_test("%s: all halves there and back", k->name);

	for (int h = 0; h <= 0x7BFF; h++)
	{
		float		low = half_value(h);
		float		high = h == 0x7BFF ? 65536.0f : half_value(h + 1);
		float		middle = (low + high) / 2.0f;	/* exact */

		for (int sign = 0; sign <= 0x8000; sign += 0x8000)
		{
			float		s = sign ? -1.0f : 1.0f;

			expect_half(k, s * middle, sign | (h + (h & 1)));
			expect_half(k, s * nextafterf(middle, 0.0f), sign | h);
			expect_half(k, s * nextafterf(middle, INFINITY), sign | (h + 1));
		}
	}
	expect_half(k, FLT_MAX, 0x7C00);
	expect_half(k, -FLT_MAX, 0xFC00);
	expect_half(k, 0x1p-149f, 0x0000);
	expect_half(k, -0x1p-149f, 0x8000);
	end_test("%s: rounding to half", k->name);

	free(halves);
	free(back);
	free(floats);
}

static void
expect_bfloat(float f, int want)
{
	uint16_t	got = vs_float_to_bfloat(f);

	if (got != want)
		fail("bfloat of %a: %04x, want %04x", f, got, want);
}

static void
test_bfloat(void)
{
	for (int h = 0; h < 65536; h++)
	{
		float		f = vs_bfloat_to_float((uint16_t) h);

		if (isnan(f))
		{
			if (!isnan(vs_bfloat_to_float(vs_float_to_bfloat(f))))
				fail("bfloat %04x: a NaN becomes a number", h);
		}
		else
			expect_bfloat(f, h);
	}
	for (int h = 0; h < 0x7F7F; h++)
	{
		float		low = vs_bfloat_to_float((uint16_t) h);
		float		high = vs_bfloat_to_float((uint16_t) (h + 1));
		float		middle = low + (high - low) / 2.0f;

		expect_bfloat(middle, h + (h & 1));
		expect_bfloat(-middle, 0x8000 | (h + (h & 1)));
		expect_bfloat(nextafterf(middle, 0.0f), h);
		expect_bfloat(nextafterf(middle, INFINITY), h + 1);
	}
	expect_bfloat(FLT_MAX, 0x7F7F);
	expect_bfloat(-FLT_MAX, 0xFF7F);
	expect_bfloat(INFINITY, 0x7F80);
	end_test("bfloat there and back, and rounding");
}

static void
check_codec(VsCodec codec, int n, float size, bool mixed)
{
	float	   *src = malloc((n + 1) * sizeof(float));
	float	   *back = malloc((n + 1) * sizeof(float));
	size_t		row_bytes = (size_t) n * VS_CODEC_WIDTH(codec);
	char	   *row = take(0, row_bytes);
	float		scale = -1;
	float		err[2] = {-1, -1};
	double		l2 = 0,
				l1 = 0;
	float		most = 0;

	for (int i = 0; i < n; i++)
	{
		src[i] = random_float() * size;
		if (mixed && i % 3 == 1)
			src[i] *= 1e-20f;
		if (mixed && i % 3 == 2)
			src[i] = random_bits() % 2 ? size : -size;
		most = fabsf(src[i]) > most ? fabsf(src[i]) : most;
	}
	vs_codec_encode(codec, n, src, row, &scale, err);
	scalar->row_decode[codec] (n, row, scale, back);
	for (int i = 0; i < n; i++)
	{
		double		d = (double) src[i] - back[i];

		if (!isfinite(back[i]))
			fail("codec %d n=%d size=%g: element %d is not finite", codec, n,
				 size, i);
		l2 += d * d;
		l1 += fabs(d);
	}
	l2 = sqrt(l2);
	if (!(l2 <= err[0]) || !(l1 <= err[1]))
		fail("codec %d n=%d size=%g: errors %g %g above %g %g", codec, n, size,
			 l2, l1, err[0], err[1]);

	/*
	 * A bound may be above by float rounding, and by the rounding of the
	 * decoded value, one 2^-24th of the largest element for each.
	 */
	if (err[0] > l2 * 1.001 + sqrt(n) * (most * 0x1p-23 + 0x1p-149) ||
		(err[1] > l1 * 1.001 + n * (most * 0x1p-23 + 0x1p-149) &&
		 l1 < 0.999 * FLT_MAX))
		fail("codec %d n=%d size=%g: errors %g %g far below %g %g", codec, n,
			 size, l2, l1, err[0], err[1]);
	/* no element is off by more than a rounding to the codec's unit */
	if (codec == VS_CODEC_INT8 &&
		l1 > n * (double) most * (0.501 / 127 + 1e-6) + n * 0x1p-149)
		fail("codec int8 n=%d size=%g: mean error %g", n, size, l1 / n);

	if (most == 0 ? scale != 1 : !(scale > 0) || !isfinite(scale))
		fail("codec %d n=%d size=%g: scale %g", codec, n, size, scale);
	if (codec == VS_CODEC_FLOAT32 && (scale != 1 || l1 != 0 || err[0] != 0))
		fail("float32 is not exact");
	if (codec == VS_CODEC_FLOAT16 && most > 0)
	{
		double		top = (double) most / scale;

		if (top < 0.5 || top >= (scale < 0x1p127f ? 1.0 : 2.0))
			fail("float16 n=%d size=%g: %g times the scale", n, size, top);
	}
	free(src);
	free(back);
	release(row, row_bytes);
}

static void
test_codecs(void)
{
	const float sizes[] = {1.0f, 0.0f, 1e38f, FLT_MAX, FLT_MIN, 1e-36f,
	1e-40f, 1e-43f, 0x1p-149f, 3.7f, 1e10f};
	const char *names[] = {"float32", "float16", "int8"};

	for (int codec = 0; codec < VS_CODEC_COUNT; codec++)
	{
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (int mixed = 0; mixed <= 1; mixed++)
			{
				for (int n = 0; n <= 40; n++)
					check_codec(codec, n, sizes[i], mixed);
				check_codec(codec, 1536, sizes[i], mixed);
			}
		end_test("codec %s: error bounds and scale", names[codec]);
	}
}

/* Rotation */

static double
inner(int n, const float *a, const float *b)
{
	double		s = 0;

	for (int i = 0; i < n; i++)
		s += (double) a[i] * b[i];
	return s;
}

/* The rounds backwards: both the transform and the flip undo themselves. */
static void
rotate_back(int n, const float *signs, float *x)
{
	int			window = 1;

	if (n < VS_ROTATE_MIN)
		return;
	while (window * 2 <= n)
		window *= 2;
	for (int round = VS_ROTATE_ROUNDS - 1; round >= 0; round--)
	{
		scalar->fht(window, round % 2 ? x + n - window : x);
		for (int i = 0; i < n; i++)
			x[i] *= signs[round * n + i];
	}
}

static void
check_rotation(int n)
{
	size_t		bytes = n * sizeof(float);
	float	   *signs = take(0, VS_ROTATE_SIGNS(n));
	float	   *x = take(1, bytes);
	float	   *y = take(2, bytes);
	float	   *x0 = malloc(bytes + 1);
	float	   *y0 = malloc(bytes + 1);
	double		size;
	double		tolerance;

	vs_rotate_signs(n, 42, signs);
	for (int i = 0; i < n; i++)
	{
		x[i] = x0[i] = random_gauss();
		y[i] = y0[i] = random_gauss();
	}

	/* each round has log2(n) additions and a product for each element */
	tolerance = VS_ROTATE_ROUNDS * (log2(n) + 2) * 0x1p-23;
	size = sqrt(inner(n, x, x) * inner(n, y, y));

	vs_rotate(n, signs, x);
	vs_rotate(n, signs, y);
	if (fabs(inner(n, x, x) - inner(n, x0, x0)) >
		tolerance * inner(n, x0, x0))
		fail("n=%d: norm not kept", n);
	if (fabs(inner(n, x, y) - inner(n, x0, y0)) > tolerance * size)
		fail("n=%d: inner product not kept", n);
	if (n >= VS_ROTATE_MIN ? memcmp(x, x0, bytes) == 0 :
		memcmp(x, x0, bytes) != 0)
		fail("n=%d: identity or not", n);
	rotate_back(n, signs, x);
	for (int i = 0; i < n; i++)
		if (fabs(x[i] - x0[i]) > 2 * tolerance * sqrt(inner(n, x0, x0)))
			fail("n=%d: element %d does not come back", n, i);

	/* a vector with one element is spread over many */
	if (n >= 100)
		for (int i = 0; i < n; i += n / 10)
		{
			memset(x, 0, bytes);
			x[i] = 1.0f;
			vs_rotate(n, signs, x);
			for (int j = 0; j < n; j++)
				if (fabsf(x[j]) > 6.0f / sqrtf((float) n))
					fail("n=%d: axis %d has %g at %d", n, i, x[j], j);
		}

	free(x0);
	free(y0);
	release(signs, VS_ROTATE_SIGNS(n));
	release(x, bytes);
	release(y, bytes);
}

static void
test_rotation(const VsKernels *k)
{
	const VsKernels *before = vs_kernels;

	vs_kernels = k;
	for (int n = 1; n <= MAX_LEN; n++)
		check_rotation(n);
	check_rotation(384);
	check_rotation(768);
	check_rotation(1536);
	vs_kernels = before;
	end_test("%s: rotation is an isometry and has an inverse", k->name);
}

/* Index files depend on the signs: they are the same for ever. */
static void
test_signs(void)
{
	float		signs[VS_ROTATE_ROUNDS * 40];
	char		text[65];

	vs_rotate_signs(40, 42, signs);
	for (int i = 0; i < 64; i++)
		text[i] = signs[i] < 0 ? '-' : '+';
	text[64] = 0;
	if (strcmp(text, "-+-+-++-+---+--+--+-+-------+-++"
			   "+--++-+++-++--++---+-+---+----+-") != 0)
		fail("signs are %s", text);
	for (int i = 0; i < VS_ROTATE_ROUNDS * 40; i++)
		if (fabsf(signs[i]) != 1.0f)
			fail("sign %d is %g", i, signs[i]);
	end_test("rotation signs are those of the first release");
}

/* Estimates */

/*
 * Mean relative error of |q-o|^2 estimated from the code of r = o - v, over
 * random normal q, v and o.  The part of <p,r> that a code loses is |p||r|
 * times the tangent of the angle between r and its code, over sqrt(n), times a
 * number of variance near 1.  With the angle of a normal source cut into 2, 4
 * or 16 levels that makes 1.05, 0.51 and 0.14 over sqrt(n).  The limits are a
 * quarter above.
 */
static double
estimate_error(const VsKernels *k, int b, int n, int trials)
{
	const float c = b == 4 ? 0.335f : 1.0f;
	int			stride = VS_CODE_STRIDE(n, b);
	float	   *q = malloc(n * sizeof(float));
	float	   *v = malloc(n * sizeof(float));
	float	   *o = malloc(n * sizeof(float));
	float	   *p = malloc(n * sizeof(float));
	float	   *r = malloc(n * sizeof(float));
	uint8_t    *code = malloc(stride + VS_CODE_PAD);
	int8_t	   *planes = malloc(VS_PLANES_LEN(n, b));
	double		error = 0;

	memset(code, 0xFF, stride + VS_CODE_PAD);
	for (int trial = 0; trial < trials; trial++)
	{
		float		pp,
					rr,
					maxabs,
					unused,
					ur,
					f,
					pu,
					truth;
		int32_t		sum;
		int32_t		cells;

		for (int i = 0; i < n; i++)
		{
			q[i] = random_gauss();
			v[i] = random_gauss();
			o[i] = random_gauss();
		}
		rr = k->residual(n, o, v, r, &unused);
		ur = k->code_encode[VS_BITS_INDEX(b)] (n, r, 1.0f / (c * sqrtf(rr / (float) n)), code);
		f = rr / ur;

		pp = k->residual(n, q, v, p, &maxabs);
		sum = k->quantize_planes(n, b, p, 127.0f / maxabs, planes);
		k->code_dot[VS_BITS_INDEX(b)] (n, 1, code, planes, &cells);
		pu = (float) (2 * cells - ((1 << b) - 1) * sum) * maxabs / 127.0f;

		truth = k->l2sq(n, q, o);
		error += fabs(pp + rr - 2 * f * pu - truth) / truth;
	}
	free(q);
	free(v);
	free(o);
	free(p);
	free(r);
	free(code);
	free(planes);
	return error / trials;
}

static void
test_estimates(const VsKernels *k)
{
	const int	dims[] = {32, 64, 100, 384, 768, 1536};
	const double limits[VS_BITS_COUNT] = {1.31, 0.64, 0.18};

	for (int i = 0; i < VS_BITS_COUNT; i++)
	{
		for (int j = 0; j < 6; j++)
		{
			int			n = dims[j];
			double		error = estimate_error(k, bits_list[i], n, 400);

			if (!(error < limits[i] / sqrt(n)))
				fail("n=%d: mean relative error %.4f, limit %.4f", n, error,
					 limits[i] / sqrt(n));
		}
		end_test("%s: distance estimates from %d bits", k->name, bits_list[i]);
	}
}

static void
test_dispatch(void)
{
	if (strcmp(vs_kernels->name, "scalar") != 0)
		fail("%s before vs_kernel_init", vs_kernels->name);
	vs_kernel_init();
	if (vs_kernel_level("scalar") == NULL || vs_kernel_level("none") != NULL)
		fail("level names");
	for (int i = 0; vs_kernel_level_name(i); i++)
	{
		const VsKernels *k = vs_kernel_level(vs_kernel_level_name(i));

		if (k && strcmp(k->name, vs_kernel_level_name(i)) != 0)
			fail("level %s is called %s", vs_kernel_level_name(i), k->name);
	}
	if (vs_kernel_level_name(-1) != NULL ||
		vs_kernel_level(vs_kernels->name) != vs_kernels)
		fail("the level in use");
	vs_kernel_init();
	end_test("dispatch, now at %s", vs_kernels->name);
}

int
main(void)
{
	test_dispatch();
	scalar = vs_kernel_level("scalar");
	map_slots();

	test_bfloat();
	test_codecs();
	test_signs();
	for (int i = 0; vs_kernel_level_name(i); i++)
	{
		const VsKernels *k = vs_kernel_level(vs_kernel_level_name(i));

		if (!k)
		{
			printf("# no %s here\n", vs_kernel_level_name(i));
			continue;
		}
		for (int g = 0; g <= 1; g++)
		{
			guarded = g;
			test_level(k);
		}
		guarded = false;
		test_half(k);
		test_rotation(k);
		test_estimates(k);
	}
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
