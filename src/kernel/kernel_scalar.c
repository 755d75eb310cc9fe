/*
 * kernel_scalar.c
 *		Every loop in plain C: the definition of what the others compute.
 *
 * Sums run in LANES independent partial sums, added pairwise at the end.  The
 * error of a sum then grows with n / LANES, and the compiler may keep the
 * partial sums in vector registers without licence to reorder anything.
 */
#include "kernel/kernel_lda_isa.h"
#include "kernel/kernel_nn_isa.h"

#include <math.h>

#define LANES	16

/*
 * for_lanes runs its statement for all i in 0 .. n-1, where j is the partial
 * sum that element i belongs to.
 */
#define for_lanes(n, statement) \
	do { \
		int			base = 0; \
		for (; base + LANES <= (n); base += LANES) \
			for (int j = 0; j < LANES; j++) \
			{ \
				const int	i = base + j; \
				statement; \
			} \
		for (int j = 0; j < (n) - base; j++) \
		{ \
			const int	i = base + j; \
			statement; \
		} \
	} while (0)

static float
lanes_sum(float *s)
{
	for (int width = LANES / 2; width > 0; width /= 2)
		for (int j = 0; j < width; j++)
			s[j] += s[j + width];
	return s[0];
}

static inline float
square(float x)
{
	return x * x;
}

static inline float
larger(float a, float b)
{
	return a > b ? a : b;
}

/* Distances */

static float
l2sq(int n, const float *a, const float *b)
{
	float		s[LANES] = {0};

	for_lanes(n, s[j] += square(a[i] - b[i]));
	return lanes_sum(s);
}

static float
dot(int n, const float *a, const float *b)
{
	float		s[LANES] = {0};

	for_lanes(n, s[j] += a[i] * b[i]);
	return lanes_sum(s);
}

static float
l1(int n, const float *a, const float *b)
{
	float		s[LANES] = {0};

	for_lanes(n, s[j] += fabsf(a[i] - b[i]));
	return lanes_sum(s);
}

static void
cosine(int n, const float *a, const float *b, float *sums)
{
	float		ab[LANES] = {0};
	float		aa[LANES] = {0};
	float		bb[LANES] = {0};

	for_lanes(n, (ab[j] += a[i] * b[i],
				  aa[j] += a[i] * a[i],
				  bb[j] += b[i] * b[i]));
	sums[0] = lanes_sum(ab);
	sums[1] = lanes_sum(aa);
	sums[2] = lanes_sum(bb);
}

/* Distributions */

/*
 * The Jensen-Shannon divergence of two shares, in bits: the mean of
 * u log2(2u / (u+w)) and w log2(2w / (u+w)).  With t = (u-w) / (u+w) that is
 * (u+w)/4 times (1+t) log2(1+t) + (1-t) log2(1-t), whose terms nearly cancel
 * where t is small: there it is taken from log(1 - t^2) + 2t atanh(t).
 * The difference u - w is given, as the caller may know it better.
 */
static inline double
divergence(double u, double w, double difference)
{
	double		sum = u + w;
	double		t = fabs(difference) / sum;
	double		g;

	if (sum == 0.0 || t == 0.0)
		return 0.0;
	if (t < 0.5)
		g = (log1p(-t * t) + 2.0 * t * atanh(t)) * M_LOG2E;
	else
	{
		double		b = 2.0 * (u > w ? u : w) / sum;
		double		a = 2.0 * (u > w ? w : u) / sum;

		g = b * log2(b) + (a > 0.0 ? a * log2(a) : 0.0);
	}
	return 0.25 * sum * g;
}

static double
jensen_shannon(int n, const float *a, const float *b, double scale_a,
			   double scale_b)
{
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
	{
		double		u = a[i] * scale_a;
		double		w = b[i] * scale_b;

		sum += divergence(u, w, u - w);
	}
	return sum;
}

static double
root_l2sq(int n, const float *a, const float *b, double scale_a,
		  double scale_b)
{
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
	{
		double		d = sqrt(a[i] * scale_a) - sqrt(b[i] * scale_b);

		sum += d * d;
	}
	return sum;
}

/* Between the squares of x and y. */
static inline float
root_divergence(double x, double y)
{
	return (float) divergence(x * x, y * y, (x - y) * (x + y));
}

/*
 * Rows.  The functions of one codec differ only in the element's type and in
 * how it reads as a number; row_dot multiplies by the scale once, at the end.
 */
#define ROW_FUNCTIONS(name, element, value) \
static float \
row_l2sq_##name(int n, const float *q, const void *row, float scale) \
{ \
	const element *v = row; \
	float		s[LANES] = {0}; \
	for_lanes(n, s[j] += square(q[i] - scale * value(v[i]))); \
	return lanes_sum(s); \
} \
static float \
row_dot_##name(int n, const float *q, const void *row, float scale) \
{ \
	const element *v = row; \
	float		s[LANES] = {0}; \
	for_lanes(n, s[j] += q[i] * value(v[i])); \
	return lanes_sum(s) * scale; \
} \
static float \
row_l1_##name(int n, const float *q, const void *row, float scale) \
{ \
	const element *v = row; \
	float		s[LANES] = {0}; \
	for_lanes(n, s[j] += fabsf(q[i] - scale * value(v[i]))); \
	return lanes_sum(s); \
} \
static float \
row_jensen_shannon_##name(int n, const float *q, const void *row, float scale) \
{ \
	const element *v = row; \
	float		s[LANES] = {0}; \
	for_lanes(n, s[j] += root_divergence(q[i], scale * value(v[i]))); \
	return lanes_sum(s); \
} \
static void \
row_decode_##name(int n, const void *row, float scale, float *out) \
{ \
	const element *v = row; \
	for (int i = 0; i < n; i++) \
		out[i] = scale * value(v[i]); \
}

ROW_FUNCTIONS(float32, float, (float))
ROW_FUNCTIONS(float16, uint16_t, half_to_float)
ROW_FUNCTIONS(int8, int8_t, (float))

static void
floats_to_half(int n, const float *src, uint16_t *dst)
{
	for (int i = 0; i < n; i++)
		dst[i] = float_to_half(src[i]);
}

/* The search's query side */

static float
residual(int n, const float *q, const float *v, float *p, float *maxabs)
{
	float		s[LANES] = {0};
	float		m[LANES] = {0};

	for_lanes(n, (p[i] = q[i] - v[i],
				  s[j] += square(p[i]),
				  m[j] = larger(fabsf(p[i]), m[j])));
	for (int j = 1; j < LANES; j++)
		m[0] = m[j] > m[0] ? m[j] : m[0];
	*maxabs = m[0];
	return lanes_sum(s);
}

/* Scaled first, so that no intermediate exceeds the norm of x. */
static void
fht(int n, float *x)
{
	float		scale = n > 0 ? 1.0f / sqrtf((float) n) : 0.0f;

	for (int i = 0; i < n; i++)
		x[i] *= scale;
	for (int half = 1; half < n; half *= 2)
		for (int i = 0; i < n; i += 2 * half)
			for (int j = i; j < i + half; j++)
			{
				float		a = x[j];
				float		b = x[j + half];

				x[j] = a + b;
				x[j + half] = a - b;
			}
}

static int32_t
quantize_planes(int n, int b, const float *src, float inv_scale, int8_t *dst)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			span = VS_PLANE_SPAN(stride);
	int32_t		sum = 0;

	for (int k = 0; k < VS_CODE_PLANES(b); k++)
	{
		int8_t	   *to = dst + k * span;
		int			len = plane_len(n, stride, k);

		memset(to + len, 0, span - len);
		for (int j = 0; j < len; j++)
		{
			float		x = src[k * stride + j] * inv_scale;
			int32_t		c;

			x = x > -127.0f ? x : -127.0f;	/* NaN too */
			x = x < 127.0f ? x : 127.0f;
			c = round_to_int(x);
			to[j] = (int8_t) c;
			sum += c;
		}
	}
	return sum;
}

static void
int8_dots(int n, const int8_t *a, int nrows, const int8_t *const *rows,
		  int32_t *out)
{
	for (int l = 0; l < nrows; l++)
	{
		int32_t		sum = 0;

		for (int i = 0; i < n; i++)
			sum += a[i] * rows[l][i];
		out[l] = sum;
	}
}

/* Link codes */

VS_ALWAYS_INLINE void
code_dot(int b, int n, int nlinks, const uint8_t *codes, const int8_t *q,
		 int32_t *out)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			span = VS_PLANE_SPAN(stride);

	for (int l = 0; l < nlinks; l++, codes += stride)
	{
		int32_t		sum = 0;

		for (int k = 0; k < VS_CODE_PLANES(b); k++)
			for (int j = 0; j < stride; j++)
				sum += (codes[j] >> (k * b) & ((1 << b) - 1)) *
					q[k * span + j];
		out[l] = sum;
	}
}

VS_ALWAYS_INLINE void
code_l1(int b, int n, int nlinks, const uint8_t *codes, const float *p,
		const float *t, float *out)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			top = (1 << b) - 1;

	for (int l = 0; l < nlinks; l++, codes += stride)
	{
		float		s[LANES] = {0};
		float		value[16];

		for (int c = 0; c <= top; c++)
			value[c] = t[l] * (float) (2 * c - top);
		for (int k = 0; k < VS_CODE_PLANES(b); k++)
			for_lanes(plane_len(n, stride, k),
					  s[j] += fabsf(p[k * stride + i] -
									value[codes[i] >> (k * b) & top]));
		out[l] = lanes_sum(s);
	}
}

/*
 * Cell of a value, counted from the middle: clamped before the conversion, so
 * that any float, and NaN too, has a cell.
 */
static inline int
cell_of(float x, int half)
{
	float		lowest = (float) -half;
	float		highest = (float) half - 0.5f;
	int			c;

	x = x > lowest ? x : lowest;
	x = x < highest ? x : highest;
	c = (int) x;
	return c - ((float) c > x); /* floor */
}

VS_ALWAYS_INLINE float
code_encode(int b, int n, const float *r, float inv_delta, uint8_t *code)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			half = 1 << (b - 1);
	float		s[LANES] = {0};

	memset(code, 0, stride);
	for (int k = 0; k < VS_CODE_PLANES(b); k++)
	{
		const float *value = r + k * stride;
		int			len = plane_len(n, stride, k);

		for (int i = 0; i < len; i++)
		{
			int			c = cell_of(value[i] * inv_delta, half);

			code[i] |= (uint8_t) ((c + half) << (k * b));
			s[i % LANES] += (float) (2 * c + 1) * value[i];
		}
	}
	return lanes_sum(s);
}

#define CODE_FUNCTIONS(b) \
static void \
code_dot_##b(int n, int nlinks, const uint8_t *codes, const int8_t *q, \
			 int32_t *out) \
{ \
	code_dot(b, n, nlinks, codes, q, out); \
} \
static void \
code_l1_##b(int n, int nlinks, const uint8_t *codes, const float *p, \
			const float *t, float *out) \
{ \
	code_l1(b, n, nlinks, codes, p, t, out); \
} \
static float \
code_encode_##b(int n, const float *r, float inv_delta, uint8_t *code) \
{ \
	return code_encode(b, n, r, inv_delta, code); \
}

CODE_FUNCTIONS(1)
CODE_FUNCTIONS(2)
CODE_FUNCTIONS(4)

const VsKernels vs_kernel_scalar = {
	.name = "scalar",
	.l2sq = l2sq,
	.dot = dot,
	.l1 = l1,
	.cosine = cosine,
	.row_l2sq = {row_l2sq_float32, row_l2sq_float16, row_l2sq_int8},
	.row_dot = {row_dot_float32, row_dot_float16, row_dot_int8},
	.row_l1 = {row_l1_float32, row_l1_float16, row_l1_int8},
	.root_l2sq = root_l2sq,
	.jensen_shannon = jensen_shannon,
	.row_jensen_shannon = {row_jensen_shannon_float32,
	row_jensen_shannon_float16, row_jensen_shannon_int8},
	.row_decode = {row_decode_float32, row_decode_float16, row_decode_int8},
	.float_to_half = floats_to_half,
	.residual = residual,
	.fht = fht,
	.quantize_planes = quantize_planes,
	.code_dot = {code_dot_1, code_dot_2, code_dot_4},
	.code_l1 = {code_l1_1, code_l1_2, code_l1_4},
	.code_encode = {code_encode_1, code_encode_2, code_encode_4},
	.int8_dots = int8_dots,
	.nn = {
		.linear = vs_nn_scalar_linear,
		.attention = vs_nn_scalar_attention,
		.layer_norm = vs_nn_scalar_layer_norm,
		.rms_norm = vs_nn_scalar_rms_norm,
		.activate = vs_nn_scalar_activate,
		.softmax = vs_nn_scalar_softmax,
		.rotate = vs_nn_scalar_rotate,
		.row_add = {vs_nn_scalar_row_add_float32, vs_nn_scalar_row_add_float16,
		vs_nn_scalar_row_add_bfloat16, vs_nn_scalar_row_add_int8},
	},
	.lda = {
		.sweep = vs_lda_scalar_sweep,
		.fold = vs_lda_scalar_fold,
	},
};
