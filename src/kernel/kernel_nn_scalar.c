/*
 * kernel_nn_scalar.c
 *		The loops of an encoder in plain C: the definition of what the others
 *		compute.
 *
 * A linear layer adds each output's terms in float, k ascending, as all
 * levels do.  Other sums are taken in double: what the others are measured by
 * had better be right.
 */
#include "kernel/kernel_nn_isa.h"

#include <math.h>

/* Number i of a row in a format, without its scale. */
VS_ALWAYS_INLINE float
number(VsWeightFormat format, const void *row, size_t i)
{
	switch (format)
	{
		case VS_WEIGHT_FLOAT32:
			return ((const float *) row)[i];
		case VS_WEIGHT_FLOAT16:
			return half_to_float(((const uint16_t *) row)[i]);
		case VS_WEIGHT_BFLOAT16:
			return vs_bfloat_to_float(((const uint16_t *) row)[i]);
		default:
			return ((const int8_t *) row)[i];
	}
}

/* Activations */

static float
activation(VsActivation act, float x)
{
	double		d = x;

	switch (act)
	{
		case VS_ACT_NONE:
			break;
		case VS_ACT_RELU:
			return x < 0.0f ? 0.0f : x;
		case VS_ACT_GELU:
			return (float) (0.5 * d * erfc(-0.70710678118654752440 * d));
		case VS_ACT_GELU_TANH:
			return (float) (0.5 * d * (1.0 + tanh(0.79788456080286535588 *
												  (d + 0.044715 * d * d * d))));
		case VS_ACT_SILU:
			return (float) (d / (1.0 + exp(-d)));
		case VS_ACT_TANH:
			return (float) tanh(d);
		case VS_ACT_QUICK_GELU:
			return (float) (d / (1.0 + exp(-1.702 * d)));
	}
	return x;
}

void
vs_nn_scalar_activate(VsActivation act, int n, float *x)
{
	for (int i = 0; i < n; i++)
		x[i] = activation(act, x[i]);
}

/* Linear layers */

/* The sums of one row of x for one panel. */
VS_ALWAYS_INLINE void
panel_sums(VsWeightFormat format, int k, const float *x, const void *panel,
		   float *sums)
{
	float		s[VS_NN_PANEL] = {0};

	for (int i = 0; i < k; i++)
		for (int j = 0; j < VS_NN_PANEL; j++)
			s[j] += x[i] * number(format, panel, (size_t) i * VS_NN_PANEL + j);
	memcpy(sums, s, sizeof(s));
}

static void
row_sums(VsWeightFormat format, int k, const float *x, const void *panel,
		 float *sums)
{
	switch (format)
	{
		case VS_WEIGHT_FLOAT32:
			panel_sums(VS_WEIGHT_FLOAT32, k, x, panel, sums);
			break;
		case VS_WEIGHT_FLOAT16:
			panel_sums(VS_WEIGHT_FLOAT16, k, x, panel, sums);
			break;
		case VS_WEIGHT_BFLOAT16:
			panel_sums(VS_WEIGHT_BFLOAT16, k, x, panel, sums);
			break;
		case VS_WEIGHT_INT8:
			panel_sums(VS_WEIGHT_INT8, k, x, panel, sums);
			break;
	}
}

static void
combine_one(VsCombine combine, float *out, float r)
{
	switch (combine)
	{
		case VS_COMBINE_SET:
			*out = r;
			break;
		case VS_COMBINE_ADD:
			*out += r;
			break;
		case VS_COMBINE_MUL:
			*out *= r;
			break;
	}
}

void
vs_nn_scalar_linear(const VsLinear *layer, int m, const float *x, size_t ldx,
					VsActivation act, VsCombine combine, float *out,
					size_t ldo, void *scratch)
{
	const size_t panel_bytes = (size_t) layer->k * VS_NN_PANEL *
	VS_WEIGHT_WIDTH(layer->format);
	const float *scales = layer->format == VS_WEIGHT_INT8 ?
	nn_scales(layer) : NULL;

	(void) scratch;
	for (int first = 0; first < layer->n; first += VS_NN_PANEL)
	{
		const char *panel = (const char *) layer->packed +
		first / VS_NN_PANEL * panel_bytes;

		for (int i = 0; i < m; i++)
		{
			float		sums[VS_NN_PANEL];

			row_sums(layer->format, layer->k, x + i * ldx, panel, sums);
			for (int j = 0; j < VS_NN_PANEL && first + j < layer->n; j++)
			{
				float		r = sums[j];

				if (scales)
					r *= scales[first + j];
				if (layer->bias)
					r += layer->bias[first + j];
				combine_one(combine, out + i * ldo + first + j,
							activation(act, r));
			}
		}
	}
}

/* Softmax and attention */

/* x becomes exp(x - max); returns the sum. */
static double
exp_from_max(int n, float *x)
{
	float		most = -INFINITY;
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
		most = x[i] > most ? x[i] : most;
	for (int i = 0; i < n; i++)
	{
		x[i] = (float) exp((double) x[i] - most);
		sum += x[i];
	}
	return sum;
}

void
vs_nn_scalar_softmax(int n, float *x)
{
	double		sum = exp_from_max(n, x);

	for (int i = 0; i < n; i++)
		x[i] = (float) (x[i] / sum);
}

/* One row of one head; scores has room for one row. */
static void
attend(const VsAttention *a, int head, int row, float *scores)
{
	const size_t column = (size_t) head * a->head_dim;
	const float *q = a->q + row * a->stride + column;
	float	   *out = a->out + row * a->out_stride + column;
	double		sum;

	for (int j = 0; j < a->tokens; j++)
	{
		const float *k = a->k + j * a->stride + column;
		double		s = 0.0;

		for (int i = 0; i < a->head_dim; i++)
			s += (double) q[i] * k[i];
		s *= a->scale;
		if (a->bias)
			s += a->bias[head * a->bias_stride + (a->tokens - 1 + j - row)];
		scores[j] = (float) s;
	}
	sum = exp_from_max(a->tokens, scores);
	for (int i = 0; i < a->head_dim; i++)
	{
		double		s = 0.0;

		for (int j = 0; j < a->tokens; j++)
			s += (double) scores[j] * a->v[j * a->stride + column + i];
		out[i] = (float) (s / sum);
	}
}

void
vs_nn_scalar_attention(const VsAttention *a, int first_head, int heads,
					   void *scratch)
{
	for (int head = first_head; head < first_head + heads; head++)
		for (int row = 0; row < a->tokens; row++)
			attend(a, head, row, scratch);
}

/* Norms */

/* The mean of the squares of x - center. */
static double
mean_square(int n, const float *x, double center)
{
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
		sum += (x[i] - center) * (x[i] - center);
	return sum / n;
}

static double
mean(int n, const float *x)
{
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
		sum += x[i];
	return sum / n;
}

static void
scale_row(int n, const float *x, double center, double factor,
		  const float *weight, const float *bias, float *out)
{
	for (int i = 0; i < n; i++)
		out[i] = (float) ((x[i] - center) * factor *
						  (weight ? weight[i] : 1.0) + (bias ? bias[i] : 0.0));
}

void
vs_nn_scalar_layer_norm(int m, int n, const float *x, size_t ldx, float eps,
						const float *weight, const float *bias,
						float *out, size_t ldo)
{
	for (int i = 0; i < m; i++)
	{
		const float *row = x + i * ldx;
		double		center = mean(n, row);
		double		factor = 1.0 / sqrt(mean_square(n, row, center) + eps);

		scale_row(n, row, center, factor, weight, bias, out + i * ldo);
	}
}

void
vs_nn_scalar_rms_norm(int m, int n, const float *x, size_t ldx, float eps,
					  const float *weight, float *out, size_t ldo)
{
	for (int i = 0; i < m; i++)
	{
		const float *row = x + i * ldx;
		double		factor = 1.0 / sqrt(mean_square(n, row, 0.0) + eps);

		scale_row(n, row, 0.0, factor, weight, NULL, out + i * ldo);
	}
}

/* Positions and tables */

void
vs_nn_scalar_rotate(int heads, int dim, const float *cos_sin, float *x)
{
	const int	half = dim / 2;

	for (int h = 0; h < heads; h++, x += dim)
		for (int i = 0; i < half; i++)
		{
			float		a = x[i];
			float		b = x[half + i];
			float		c = cos_sin[i];
			float		s = cos_sin[half + i];

			x[i] = a * c - b * s;
			x[half + i] = b * c + a * s;
		}
}

#define ROW_ADD(name, format) \
void \
vs_nn_scalar_row_add_##name(int n, const void *row, float scale, float *out) \
{ \
	for (int i = 0; i < n; i++) \
		out[i] += scale * number(format, row, i); \
}

ROW_ADD(float32, VS_WEIGHT_FLOAT32)
ROW_ADD(float16, VS_WEIGHT_FLOAT16)
ROW_ADD(bfloat16, VS_WEIGHT_BFLOAT16)
ROW_ADD(int8, VS_WEIGHT_INT8)
