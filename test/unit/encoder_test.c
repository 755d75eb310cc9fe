/*
 * encoder_test.c
 *		Tests of the forward pass, printed as TAP.
 *
 * Small models with random weights, one for each thing that a configuration
 * can say, are run at every level of the kernels and compared with the same
 * formulas in double, written here as plainly as can be: one text at a time,
 * one number after another.  The weights of the reference are those that the
 * format can hold, so only the arithmetic differs.
 */
#include "postgres.h"

#include <math.h>

#include "embed/encoder.h"
#include "kernel/kernel.h"
#include "random.h"
#include "server_stub.h"
#include "tap.h"

/* Of numbers of size 1, after two layers. */
#define TOLERANCE	2e-5

/* ------------------------------------------------------------------------
 * Models
 * ------------------------------------------------------------------------ */

/* A matrix [n, k] and what is added to its products; or a table. */
typedef struct Matrix
{
	int			n;
	int			k;
	double	   *w;
	double	   *b;				/* or NULL */
} Matrix;

typedef struct Layer
{
	Matrix		qkv;
	Matrix		out;
	Matrix		residual;
	Matrix		up;
	Matrix		gate;
	Matrix		down;
	Matrix		attention_norm; /* w and b of width k */
	Matrix		ffn_norm;
} Layer;

/* The weights of a VsModel as doubles. */
typedef struct Reference
{
	Matrix		word;
	Matrix		position;
	Matrix		type;
	Matrix		relative;
	Matrix		embed_norm;
	Matrix		final_norm;
	Layer		layers[4];
	Matrix		stages[VS_MODEL_MAX_STAGES];
} Reference;

static VsModel model;
static Reference reference;
static VsWeightFormat format;

/* Rows of floats as the format holds them, in place. */
static void
round_row(int k, float *w)
{
	float		most = 0;

	for (int i = 0; i < k; i++)
	{
		most = fmaxf(most, fabsf(w[i]));
		if (format == VS_WEIGHT_FLOAT16)
			w[i] = vs_half_to_float(vs_float_to_half(w[i]));
		else if (format == VS_WEIGHT_BFLOAT16)
			w[i] = vs_bfloat_to_float(vs_float_to_bfloat(w[i]));
	}
	for (int i = 0; format == VS_WEIGHT_INT8 && i < k; i++)
		w[i] = rintf(w[i] / (most / 127)) * (most / 127);
}

static double *
to_double(size_t n, const float *x)
{
	double	   *y = palloc(sizeof(double) * n);

	for (size_t i = 0; i < n; i++)
		y[i] = x[i];
	return y;
}

static float *
random_vector(int n, float mean, float scale)
{
	float	   *x = palloc(sizeof(float) * n);

	for (int i = 0; i < n; i++)
		x[i] = mean + scale * random_float();
	return x;
}

/* n rows of k numbers that the format can hold. */
static float *
random_rows(int n, int k, float scale)
{
	float	   *w = random_vector(n * k, 0, scale);

	for (int i = 0; i < n; i++)
		round_row(k, w + i * k);
	return w;
}

static VsLinear
make_linear(int n, int k, bool bias, Matrix *m)
{
	VsLinear	layer = {.n = n,.k = k,.format = format};
	float	   *w = random_rows(n, k, 3.0f / sqrtf(k));
	char	   *packed = palloc(vs_nn_packed_size(format, n, k) + VS_NN_ALIGN);

	packed = (char *) TYPEALIGN(VS_NN_ALIGN, packed);
	vs_nn_pack(format, n, k, 0, n, w, packed);
	layer.packed = packed;
	*m = (Matrix)
	{
		n, k, to_double(n * k, w), NULL
	};
	if (bias)
	{
		layer.bias = random_vector(n, 0, 0.5f);
		m->b = to_double(n, layer.bias);
	}
	return layer;
}

static VsTable
make_table(int n, int k, Matrix *m)
{
	VsTable		table = {.rows = n,.cols = k,.format = format};
	float	   *w = random_rows(n, k, 1.0f);
	char	   *data = palloc(n * k * VS_WEIGHT_WIDTH(format));
	float	   *scales = palloc(sizeof(float) * n);

	for (int i = 0; i < n * k; i++)
	{
		float	   *scale = &scales[i / k];

		if (i % k == 0)
		{
			*scale = 0;
			for (int j = i; j < i + k; j++)
				*scale = fmaxf(*scale, fabsf(w[j]) / 127);
		}
		switch (format)
		{
			case VS_WEIGHT_FLOAT32:
				((float *) data)[i] = w[i];
				break;
			case VS_WEIGHT_FLOAT16:
				((uint16_t *) data)[i] = vs_float_to_half(w[i]);
				break;
			case VS_WEIGHT_BFLOAT16:
				((uint16_t *) data)[i] = vs_float_to_bfloat(w[i]);
				break;
			case VS_WEIGHT_INT8:
				((int8_t *) data)[i] = (int8_t) rintf(w[i] / *scale);
				break;
		}
	}
	*m = (Matrix)
	{
		n, k, to_double(n * k, w), NULL
	};
	table.data = data;
	table.scales = format == VS_WEIGHT_INT8 ? scales : NULL;
	return table;
}

static VsNorm
make_norm(int k, bool bias, Matrix *m)
{
	VsNorm		norm = {random_vector(k, 1, 0.5f), NULL};

	*m = (Matrix)
	{
		1, k, to_double(k, norm.weight), NULL
	};
	if (bias)
	{
		norm.bias = random_vector(k, 0, 0.5f);
		m->b = to_double(k, norm.bias);
	}
	return norm;
}

static void
make_layer(const VsModelConfig *c, int in, VsLayer *to, Layer *ref)
{
	int			inner = c->heads * (c->head_dim ? c->head_dim : in / c->heads);
	bool		bias = c->linear_bias;
	bool		norm_bias = c->norm_kind == VS_NORM_LAYER;

	memset(to, 0, sizeof(*to));
	memset(ref, 0, sizeof(*ref));
	to->qkv = make_linear(3 * inner, in, bias, &ref->qkv);
	to->out = make_linear(c->width, inner, bias, &ref->out);
	if (in != c->width)
		to->residual = make_linear(c->width, in, bias, &ref->residual);
	to->up = make_linear(c->ffn_width, c->width, bias, &ref->up);
	if (c->ffn_gated)
		to->gate = make_linear(c->ffn_width, c->width, bias, &ref->gate);
	to->down = make_linear(c->width, c->ffn_width, bias, &ref->down);
	to->attention_norm = make_norm(c->pre_norm ? in : c->width, norm_bias,
								   &ref->attention_norm);
	to->ffn_norm = make_norm(c->width, norm_bias, &ref->ffn_norm);
}

/* model and reference for the configuration. */
static void
make_model(const VsModelConfig *c)
{
	bool		norm_bias = c->norm_kind == VS_NORM_LAYER;

	random_state = 1;
	memset(&model, 0, sizeof(model));
	memset(&reference, 0, sizeof(reference));
	strcpy(model.hash, "0123");
	model.config = *c;
	model.word = make_table(c->vocab, c->embed_width, &reference.word);
	if (c->position_rows > 0)
		model.position = make_table(c->position_rows, c->embed_width,
									&reference.position);
	if (c->has_types)
	{
		model.type = random_vector(c->embed_width, 0, 1);
		reference.type.w = to_double(c->embed_width, model.type);
	}
	if (c->relative_buckets > 0)
	{
		int			n = c->relative_buckets * c->heads;

		model.relative_bias = random_vector(n, 0, 2);
		reference.relative.w = to_double(n, model.relative_bias);
	}
	if (c->embed_norm)
		model.embed_norm = make_norm(c->embed_width, norm_bias, &reference.embed_norm);
	if (c->final_norm)
		model.final_norm = make_norm(c->width, norm_bias, &reference.final_norm);
	model.layers = palloc(sizeof(VsLayer) * (c->layers + 1));
	for (int l = 0; l < c->layers; l++)
		make_layer(c, l == 0 ? c->embed_width : c->width, &model.layers[l],
				   &reference.layers[l]);
	for (int i = 0; i < c->stage_count; i++)
	{
		const VsStage *s = &c->stages[i];

		if (s->kind == VS_STAGE_DENSE)
			model.stages[i].dense = make_linear(s->out, s->in, s->has_bias,
												&reference.stages[i]);
		else if (s->kind == VS_STAGE_LAYER_NORM)
			model.stages[i].norm = make_norm(s->in, true, &reference.stages[i]);
	}
}

/* ------------------------------------------------------------------------
 * The reference
 * ------------------------------------------------------------------------ */

static double
ref_act(VsActivation act, double x)
{
	switch (act)
	{
		case VS_ACT_NONE:
			return x;
		case VS_ACT_RELU:
			return x > 0 ? x : 0;
		case VS_ACT_GELU:
			return x / 2 * (1 + erf(x / sqrt(2)));
		case VS_ACT_GELU_TANH:
			return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
		case VS_ACT_SILU:
			return x / (1 + exp(-x));
		case VS_ACT_TANH:
			return tanh(x);
		case VS_ACT_QUICK_GELU:
			return x / (1 + exp(-1.702 * x));
	}
	return x;
}

/* Rows x [n, m->k] times the matrix. */
static double *
ref_linear(int n, const double *x, const Matrix *m)
{
	double	   *y = palloc(sizeof(double) * n * m->n);

	for (int i = 0; i < n; i++)
	{
		for (int o = 0; o < m->n; o++)
		{
			double		sum = m->b ? m->b[o] : 0;

			for (int j = 0; j < m->k; j++)
				sum += x[i * m->k + j] * m->w[o * m->k + j];
			y[i * m->n + o] = sum;
		}
	}
	return y;
}

static double *
ref_norm(int n, const double *x, const Matrix *m, VsNormKind kind, double eps)
{
	int			k = m->k;
	double	   *y = palloc(sizeof(double) * n * k);

	for (int i = 0; i < n; i++)
	{
		const double *row = x + i * k;
		double		mean = 0;
		double		var = 0;

		for (int j = 0; j < k && kind == VS_NORM_LAYER; j++)
			mean += row[j] / k;
		for (int j = 0; j < k; j++)
			var += (row[j] - mean) * (row[j] - mean) / k;
		for (int j = 0; j < k; j++)
			y[i * k + j] = (row[j] - mean) / sqrt(var + eps) * m->w[j] +
				(m->b ? m->b[j] : 0);
	}
	return y;
}

/* By the list of distances at which the next bucket begins. */
static int
ref_bucket(int distance)
{
	static const int steps[] = {8, 12, 16, 23, 32, 46, 64, 91};
	int			a = abs(distance);
	int			at = a < 8 ? a : 7;

	for (int i = 0; i < 8; i++)
		at += a >= steps[i];
	return at + (distance > 0 ? 16 : 0);
}

/* Turn one head of a row at position p. */
static void
ref_rotate(int dim, double base, int p, double *x)
{
	for (int i = 0; i < dim / 2; i++)
	{
		double		angle = p * pow(base, -2.0 * i / dim);
		double		a = x[i];
		double		b = x[i + dim / 2];

		x[i] = a * cos(angle) - b * sin(angle);
		x[i + dim / 2] = b * cos(angle) + a * sin(angle);
	}
}

static double *
ref_attention(int n, int dim, double *qkv)
{
	const VsModelConfig *c = &model.config;
	int			inner = c->heads * dim;
	double		scale = c->attention_scale > 0 ? c->attention_scale : 1 / sqrt(dim);
	double	   *y = palloc0(sizeof(double) * n * inner);
	double	   *p = palloc(sizeof(double) * n);

	for (int i = 0; i < n && c->position_kind == VS_POSITION_ROTARY; i++)
	{
		for (int h = 0; h < 2 * c->heads; h++)
			ref_rotate(dim, c->rotary_base, i, qkv + i * 3 * inner + h * dim);
	}
	for (int h = 0; h < c->heads; h++)
	{
		for (int i = 0; i < n; i++)
		{
			double	   *q = qkv + i * 3 * inner + h * dim;
			double		sum = 0;

			for (int j = 0; j < n; j++)
			{
				double	   *k = qkv + j * 3 * inner + inner + h * dim;

				p[j] = 0;
				for (int d = 0; d < dim; d++)
					p[j] += scale * q[d] * k[d];
				if (c->position_kind == VS_POSITION_RELATIVE)
					p[j] += reference.relative.w[ref_bucket(j - i) * c->heads + h];
				p[j] = exp(p[j]);
				sum += p[j];
			}
			for (int j = 0; j < n; j++)
			{
				double	   *v = qkv + j * 3 * inner + 2 * inner + h * dim;

				for (int d = 0; d < dim; d++)
					y[i * inner + h * dim + d] += p[j] / sum * v[d];
			}
		}
	}
	return y;
}

static void
ref_add(int n, double *x, const double *y)
{
	for (int i = 0; i < n; i++)
		x[i] += y[i];
}

static double *
ref_layer(int n, int l, double *x)
{
	const VsModelConfig *c = &model.config;
	const Layer *w = &reference.layers[l];
	double	   *in = x;
	double	   *y;
	double	   *g;

	if (c->pre_norm)
		in = ref_norm(n, x, &w->attention_norm, c->norm_kind, c->norm_eps);
	y = ref_attention(n, w->qkv.n / 3 / c->heads, ref_linear(n, in, &w->qkv));
	y = ref_linear(n, y, &w->out);
	if (w->residual.w)
		x = ref_linear(n, x, &w->residual);
	ref_add(n * c->width, x, y);
	if (!c->pre_norm)
		x = ref_norm(n, x, &w->attention_norm, c->norm_kind, c->norm_eps);

	in = x;
	if (c->pre_norm)
		in = ref_norm(n, x, &w->ffn_norm, c->norm_kind, c->norm_eps);
	y = ref_linear(n, in, &w->up);
	g = c->ffn_gated ? ref_linear(n, in, &w->gate) : y;
	for (int i = 0; i < n * c->ffn_width; i++)
		y[i] = c->ffn_gated ? ref_act(c->activation, g[i]) * y[i] :
			ref_act(c->activation, y[i]);
	ref_add(n * c->width, x, ref_linear(n, y, &w->down));
	if (!c->pre_norm)
		x = ref_norm(n, x, &w->ffn_norm, c->norm_kind, c->norm_eps);
	return x;
}

static double *
ref_embed(const VsEncoderInput *text)
{
	const VsModelConfig *c = &model.config;
	int			k = c->embed_width;
	double	   *x = palloc0(sizeof(double) * (text->count * k + 1));

	for (int p = 0; p < text->count; p++)
	{
		for (int i = 0; i < k; i++)
		{
			double	   *to = &x[p * k + i];

			*to = c->embed_scale * reference.word.w[text->ids[p] * k + i];
			if (c->position_rows > 0)
				*to += reference.position.w[(p + c->position_offset) * k + i];
			if (c->has_types)
				*to += reference.type.w[i];
			if (c->position_kind == VS_POSITION_SINUSOID)
			{
				double		angle = p * pow(10000, -(double) (i % (k / 2)) / (k / 2 - 1));

				*to += i < k / 2 ? sin(angle) : cos(angle);
			}
		}
	}
	if (c->embed_norm)
		x = ref_norm(text->count, x, &reference.embed_norm, c->norm_kind, c->norm_eps);
	return x;
}

/* One number of one kind of pooling. */
static double
ref_pool(VsPooling pooling, const double *x, int width, int i, int skip, int n)
{
	double		sum = 0;
	double		weights = 0;
	double		most = -INFINITY;

	for (int p = skip; p < n; p++)
	{
		double		weight = pooling == VS_POOL_WEIGHTED_MEAN ? p + 1 : 1;

		sum += weight * x[p * width + i];
		weights += weight;
		most = fmax(most, x[p * width + i]);
	}
	switch (pooling)
	{
		case VS_POOL_CLS:
			return x[i];
		case VS_POOL_LAST_TOKEN:
			return x[(n - 1) * width + i];
		case VS_POOL_MAX:
			return most;
		case VS_POOL_MEAN_SQRT_LEN:
			return sum / sqrt(weights);
		default:
			return sum / weights;
	}
}

static double *
ref_stage(const VsStage *s, const Matrix *m, double *x)
{
	double		sum = 0;

	switch (s->kind)
	{
		case VS_STAGE_DENSE:
			x = ref_linear(1, x, m);
			for (int i = 0; i < s->out; i++)
				x[i] = ref_act(s->activation, x[i]);
			break;
		case VS_STAGE_LAYER_NORM:
			x = ref_norm(1, x, m, VS_NORM_LAYER, s->eps);
			break;
		case VS_STAGE_NORMALIZE:
			for (int i = 0; i < s->in; i++)
				sum += x[i] * x[i];
			for (int i = 0; i < s->in && sum > 0; i++)
				x[i] /= sqrt(sum);
			break;
	}
	return x;
}

/* The vector of one text. */
static double *
ref_encode(const VsEncoderInput *text)
{
	const VsModelConfig *c = &model.config;
	double	   *x = ref_embed(text);
	double	   *y = palloc0(sizeof(double) * 6 * c->width);
	int			at = 0;

	for (int l = 0; l < c->layers; l++)
		x = ref_layer(text->count, l, x);
	if (c->final_norm)
		x = ref_norm(text->count, x, &reference.final_norm, c->norm_kind, c->norm_eps);
	for (int p = VS_POOL_CLS; p <= VS_POOL_LAST_TOKEN; p *= 2)
	{
		for (int i = 0; (c->pooling & p) && i < c->width; i++, at++)
			y[at] = text->skip >= text->count ? 0 :
				ref_pool(p, x, c->width, i, text->skip, text->count);
	}
	for (int i = 0; i < c->stage_count; i++)
		y = ref_stage(&c->stages[i], &reference.stages[i], y);
	return y;
}

/* ------------------------------------------------------------------------
 * Configurations
 * ------------------------------------------------------------------------ */

#define MAX_TOKENS	140

/* BERT, small. */
static VsModelConfig
base_config(void)
{
	VsModelConfig c = {
		.arch = "bert",.layers = 2,.embed_width = 24,.width = 24,
		.heads = 3,.ffn_width = 40,.vocab = 50,
		.position_kind = VS_POSITION_LEARNED,.position_rows = 150,
		.has_types = true,.embed_norm = true,
		.activation = VS_ACT_GELU,.linear_bias = true,
		.norm_eps = 1e-5f,.embed_scale = 1,.max_tokens = MAX_TOKENS,
		.pooling = VS_POOL_MEAN,.dim = 24,
	};

	return c;
}

static void
no_change(VsModelConfig *c)
{
}

static void
no_layers(VsModelConfig *c)
{
	c->layers = 0;
}

static void
roberta(VsModelConfig *c)
{
	c->position_offset = 2;
	c->activation = VS_ACT_RELU;
}

static void
no_types(VsModelConfig *c)
{
	c->has_types = false;
	c->activation = VS_ACT_QUICK_GELU;
}

static void
mpnet(VsModelConfig *c)
{
	c->has_types = false;
	c->position_kind = VS_POSITION_RELATIVE;
	c->position_offset = 2;
	c->relative_buckets = 32;
	c->relative_max_distance = 128;
}

static void
t5(VsModelConfig *c)
{
	mpnet(c);
	c->position_offset = c->position_rows = 0;
	c->head_dim = 10;
	c->norm_kind = VS_NORM_RMS;
	c->embed_norm = c->linear_bias = false;
	c->pre_norm = c->final_norm = true;
	c->activation = VS_ACT_RELU;
	c->attention_scale = 0.5f;
}

static void
t5_gated(VsModelConfig *c)
{
	t5(c);
	c->ffn_gated = true;
	c->activation = VS_ACT_GELU_TANH;
}

static void
nomic(VsModelConfig *c)
{
	c->position_kind = VS_POSITION_ROTARY;
	c->position_rows = 0;
	c->rotary_base = 1000;
	c->ffn_gated = true;
	c->linear_bias = false;
	c->activation = VS_ACT_SILU;
}

/* Layer 0 widens. */
static void
use_lite(VsModelConfig *c)
{
	c->embed_width = 20;
	c->heads = 4;
	c->position_kind = VS_POSITION_SINUSOID;
	c->position_rows = 0;
	c->has_types = c->embed_norm = false;
	c->pre_norm = true;
	c->activation = VS_ACT_RELU;
	c->embed_scale = 2;
	c->final_norm = true;
}

static void
narrows(VsModelConfig *c)
{
	c->embed_width = 36;
}

/* What a slice of rows must not change. */
static void
wide_ffn(VsModelConfig *c)
{
	c->ffn_width = 1100;
	c->layers = 1;
}

static void
all_poolings(VsModelConfig *c)
{
	c->pooling = 2 * VS_POOL_LAST_TOKEN - 1;
	c->dim = 6 * 24;
}

static void
two_poolings(VsModelConfig *c)
{
	c->pooling = VS_POOL_CLS | VS_POOL_WEIGHTED_MEAN;
	c->dim = 2 * 24;
}

static void
stages(VsModelConfig *c)
{
	two_poolings(c);
	c->stage_count = 4;
	c->stages[0] = (VsStage)
	{
		VS_STAGE_DENSE, 48, 70, VS_ACT_TANH, true, 0
	};
	c->stages[1] = (VsStage)
	{
		VS_STAGE_LAYER_NORM, 70, 70, 0, true, 1e-5f
	};
	c->stages[2] = (VsStage)
	{
		VS_STAGE_DENSE, 70, 9, VS_ACT_NONE, false, 0
	};
	c->stages[3] = (VsStage)
	{
		VS_STAGE_NORMALIZE, 9, 9, 0, false, 0
	};
	c->dim = 9;
}

static const struct
{
	const char *name;
	void		(*change) (VsModelConfig *c);
}			variants[] = {
	{"BERT", no_change},
	{"no layers", no_layers},
	{"positions with an offset", roberta},
	{"no token types", no_types},
	{"learned and relative positions", mpnet},
	{"RMS norm before, relative positions, own head width", t5},
	{"the same with a gate", t5_gated},
	{"rotary positions, gate", nomic},
	{"sinusoids, a widening first layer", use_lite},
	{"a narrowing first layer, norm after", narrows},
	{"a wide FFN", wide_ffn},
	{"all poolings", all_poolings},
	{"two poolings", two_poolings},
	{"stages", stages},
};

/* ------------------------------------------------------------------------
 * Tests
 * ------------------------------------------------------------------------ */

#define TEXTS	9

static int32 ids[TEXTS][MAX_TOKENS];
static VsEncoderInput texts[TEXTS];

static void
make_texts(void)
{
	static const int counts[TEXTS] = {7, 0, 1, 33, MAX_TOKENS, 2, 100, 12, 5};
	static const int skips[TEXTS] = {0, 0, 0, 5, 0, 0, 99, 12, 9};

	for (int t = 0; t < TEXTS; t++)
	{
		texts[t] = (VsEncoderInput)
		{
			ids[t], counts[t], skips[t]
		};
		for (int i = 0; i < counts[t]; i++)
			ids[t][i] = (int32) (random_bits() >> 40) % 50;
	}
}

static void
check_vector(int t, const float *got)
{
	double	   *want = ref_encode(&texts[t]);

	for (int i = 0; i < model.config.dim; i++)
	{
		if (!(fabs(got[i] - want[i]) <= TOLERANCE * fmax(1, fabs(want[i]))))
			fail("text %d, number %d: %g, expected %g", t, i, got[i], want[i]);
	}
}

/* All texts alone and in company, against the reference and one another. */
static void
run_variant(void *arg)
{
	static const int batch_tokens[] = {1, 50, 200, 100000};
	int			dim = model.config.dim;
	float	   *alone = palloc(sizeof(float) * TEXTS * dim);

	for (int t = 0; t < TEXTS; t++)
	{
		vs_encode(&model, 1, &texts[t], 1, alone + t * dim);
		check_vector(t, alone + t * dim);
	}
	for (int i = 0; i < (int) lengthof(batch_tokens); i++)
	{
		float	   *together = palloc(sizeof(float) * TEXTS * dim);

		vs_encode(&model, TEXTS, texts, batch_tokens[i], together);
		if (memcmp(alone, together, sizeof(float) * TEXTS * dim) != 0)
			fail("in batches of %d tokens the result differs", batch_tokens[i]);
	}
}

static void
test_variants(const char *level)
{
	static const char *const names[] = {"float32", "float16", "bfloat16", "int8"};

	for (int v = 0; v < (int) lengthof(variants); v++)
	{
		for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
		{
			VsModelConfig c = base_config();

			format = f;
			subject = names[f];
			variants[v].change(&c);
			vs_arch_check("test", &c);
			make_model(&c);
			if (!stub_expect(0, "", run_variant, NULL))
				fail("error");
			stub_reset();
		}
		subject = "";
		end_test("%s: %s", level, variants[v].name);
	}
	format = VS_WEIGHT_FLOAT32;
}

/* A position that is 0 turns nothing: one token, whatever the base. */
static void
run_rotary(void *arg)
{
	float		out[3][24];

	for (int i = 0; i < 3; i++)
	{
		VsModelConfig c = base_config();

		nomic(&c);
		if (i == 0)
			c.position_kind = VS_POSITION_NONE;
		c.rotary_base = i == 1 ? 10 : 10000;
		make_model(&c);
		vs_encode(&model, 1, &texts[2], 1, out[i]);
	}
	if (memcmp(out[0], out[1], sizeof(out[0])) != 0 ||
		memcmp(out[0], out[2], sizeof(out[0])) != 0)
		fail("the base matters");
}

/* Slices of 512 rows and less give what one text gives alone. */
static void
run_slices(void *arg)
{
	enum
	{
		MANY = 1300
	};
	VsEncoderInput *many = palloc(sizeof(VsEncoderInput) * MANY);
	float	   *out = palloc(sizeof(float) * MANY * 24);
	float		alone[24];
	VsModelConfig c = base_config();

	make_model(&c);
	for (int i = 0; i < MANY; i++)
		many[i] = texts[i % TEXTS];
	vs_encode(&model, MANY, many, 20000, out);
	for (int i = 0; i < MANY; i += 41)
	{
		vs_encode(&model, 1, &many[i], 1, alone);
		if (memcmp(alone, out + i * 24, sizeof(alone)) != 0)
			fail("text %d differs", i);
	}
}

static void
run_cut(void *arg)
{
	VsModelConfig c = base_config();
	float		x[24];
	float		y[24];
	double		mean = 0;
	double		var = 0;
	double		sum = 0;

	for (int i = 0; i < 24; i++)
	{
		x[i] = y[i] = random_float();
		mean += x[i] / 24;
	}
	vs_encoder_cut(&c, x, 10);
	for (int i = 0; i < 10; i++)
		sum += (double) y[i] * y[i];
	for (int i = 0; i < 10; i++)
	{
		if (fabs(x[i] - y[i] / sqrt(sum)) > 1e-6)
			fail("cut: number %d is %g", i, x[i]);
	}

	c.matryoshka_norm = true;
	memcpy(x, y, sizeof(x));
	vs_encoder_cut(&c, x, 10);
	for (int i = 0; i < 24; i++)
		var += (y[i] - mean) * (y[i] - mean) / 24;
	sum = 0;
	for (int i = 0; i < 10; i++)
		sum += (y[i] - mean) * (y[i] - mean) / (var + 1e-5);
	for (int i = 0; i < 10; i++)
	{
		if (fabs(x[i] - (y[i] - mean) / sqrt((var + 1e-5) * sum)) > 1e-6)
			fail("norm and cut: number %d is %g", i, x[i]);
	}

	memset(x, 0, sizeof(x));
	vs_encoder_cut(&c, x, 10);
	for (int i = 0; i < 10; i++)
	{
		if (x[i] != 0)
			fail("zeros are not zeros");
	}
}

/* Errors */

static void
run_one(void *arg)
{
	float	   *out = palloc(sizeof(float) * model.config.dim);

	vs_encode(&model, 1, arg, 100, out);
}

static void
test_errors(void)
{
	VsModelConfig c = base_config();
	int32		bad_ids[] = {3, 50};
	VsEncoderInput text = {bad_ids, 2, 0};

	make_model(&c);
	if (!stub_expect(ERRCODE_DATA_CORRUPTED, "token 50 is not in", run_one, &text))
		fail("id too large");
	bad_ids[1] = -1;
	if (!stub_expect(ERRCODE_DATA_CORRUPTED, "token -1 is not in", run_one, &text))
		fail("negative id");
	text.count = MAX_TOKENS + 1;
	if (!stub_expect(ERRCODE_INTERNAL_ERROR, "text of 141 tokens", run_one, &text))
		fail("too many tokens");
	text.count = -1;
	if (!stub_expect(ERRCODE_INTERNAL_ERROR, "text of -1 tokens", run_one, &text))
		fail("fewer than no tokens");
	end_test("ids and numbers of tokens are checked");

	stub_interrupt();
	if (!stub_expect(ERRCODE_QUERY_CANCELED, "", run_one, &texts[0]))
		fail("no interrupt");
	end_test("it can be interrupted");

	c.final_norm = c.embed_norm = false;
	c.layers = 0;
	c.pooling = VS_POOL_MEAN;
	make_model(&c);
	for (int i = 0; i < 50 * 24; i++)
		((float *) model.word.data)[i] = 3e38f;
	if (!stub_expect(ERRCODE_DATA_CORRUPTED, "not finite", run_one, &texts[0]))
		fail("infinity passed");
	end_test("what is not finite is an error");
	stub_reset();
}

static void
test_function(void (*body) (void *arg), const char *name)
{
	if (!stub_expect(0, "", body, NULL))
		fail("error");
	stub_reset();
	end_test("%s", name);
}

int
main(void)
{
	const char *name;

	make_texts();
	for (int i = 0; (name = vs_kernel_level_name(i)) != NULL; i++)
	{
		vs_kernels = vs_kernel_level(name);
		if (vs_kernels != NULL)
			test_variants(name);
	}
	vs_kernel_init();
	test_function(run_rotary, "rotation at position 0 changes nothing");
	test_function(run_slices, "many texts");
	test_function(run_cut, "vectors are cut and get length 1");
	test_errors();
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
