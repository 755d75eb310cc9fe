/*
 * kernel_nn_test.c
 *		Tests of the loops of an encoder, printed as TAP.
 *
 * The scalar loops are compared with their definition, computed here in
 * double; the other levels with both.  Every array ends at the end of its
 * memory, where ASan looks; between the rows of results lie bytes that must
 * not change, as do some before and after them.  Operands begin at odd
 * multiples of 4 bytes.
 *
 * Tolerance: a linear layer has one float accumulator for each output, so a
 * sum of k terms is off by at most k 2^-24 of the sum of their magnitudes,
 * and by far less on random data.  Everything else has sums in several parts
 * and functions right to 2e-7.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "random.h"
#include "tap.h"

#define SPACE		5			/* floats between rows and round arrays */
#define UNTOUCHED	-1234.5f

static const char *const format_names[VS_WEIGHT_FORMAT_COUNT] = {
	"float32", "float16", "bfloat16", "int8"
};

/* Memory */

static void *
take(size_t bytes)
{
	void	   *p = malloc(bytes > 0 ? bytes : 1);

	if (!p)
	{
		printf("Bail out! no memory\n");
		exit(1);
	}
	return p;
}

/* Memory aligned as packed weights and scratch must be, and not zero. */
static void *
take_aligned(size_t bytes)
{
	void	   *p;

	if (posix_memalign(&p, VS_NN_ALIGN, bytes > 0 ? bytes : 1) != 0)
	{
		printf("Bail out! no memory\n");
		exit(1);
	}
	memset(p, 0xFF, bytes);
	return p;
}

static float *
random_floats(size_t n, float size)
{
	float	   *x = take(n * sizeof(float));

	for (size_t i = 0; i < n; i++)
		x[i] = random_float() * size;
	return x;
}

/*
 * Rows of results: between and round them are numbers that must stay.  The
 * distance between rows is ld.
 */
typedef struct Rows
{
	int			m;
	int			n;
	size_t		ld;
	float	   *memory;
	float	   *x;
} Rows;

static Rows
take_rows(int m, int n, float size)
{
	Rows		r = {.m = m,.n = n,.ld = n + SPACE};
	size_t		total = SPACE + m * r.ld;

	r.memory = take(total * sizeof(float));
	r.x = r.memory + SPACE;
	for (size_t i = 0; i < total; i++)
		r.memory[i] = UNTOUCHED;
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
			r.x[i * r.ld + j] = random_float() * size;
	return r;
}

static Rows
copy_rows(const Rows *from)
{
	Rows		r = *from;
	size_t		bytes = (SPACE + r.m * r.ld) * sizeof(float);

	r.memory = take(bytes);
	r.x = r.memory + SPACE;
	memcpy(r.memory, from->memory, bytes);
	return r;
}

static void
check_spaces(const char *what, const Rows *r)
{
	for (int i = -1; i < r->m; i++)
		for (int j = 0; j < SPACE; j++)
			if (r->x[(ptrdiff_t) (i + 1) * (ptrdiff_t) r->ld - SPACE + j] != UNTOUCHED)
				fail("%s m=%d n=%d: wrote after row %d", what, r->m, r->n, i);
}

static void
expect_near(const char *what, int i, double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail("%s [%d]: got %.9g, want %.9g +- %.3g", what, i, got, want,
			 tolerance);
}

static double
true_activation(VsActivation act, double x)
{
	switch (act)
	{
		case VS_ACT_NONE:
			return x;
		case VS_ACT_RELU:
			return x > 0 ? x : 0;
		case VS_ACT_GELU:
			return 0.5 * x * erfc(-x / sqrt(2.0));
		case VS_ACT_GELU_TANH:
			return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
		case VS_ACT_SILU:
			return x / (1.0 + exp(-x));
		case VS_ACT_TANH:
			return tanh(x);
		case VS_ACT_QUICK_GELU:
			return x / (1.0 + exp(-1.702 * x));
	}
	return NAN;
}

/* Packing */

/* Weight [o][i] as it comes out of packed memory. */
static double
packed_weight(const VsLinear *layer, int o, int i)
{
	size_t		place = ((size_t) (o / VS_NN_PANEL) * layer->k + i) *
	VS_NN_PANEL + o % VS_NN_PANEL;
	const float *scales = (const float *) ((const char *) layer->packed +
										   VS_NN_PANELS(layer->n) *
										   VS_NN_PANEL * layer->k);

	switch (layer->format)
	{
		case VS_WEIGHT_FLOAT32:
			return ((const float *) layer->packed)[place];
		case VS_WEIGHT_FLOAT16:
			return vs_half_to_float(((const uint16_t *) layer->packed)[place]);
		case VS_WEIGHT_BFLOAT16:
			return vs_bfloat_to_float(((const uint16_t *) layer->packed)[place]);
		case VS_WEIGHT_INT8:
			break;
	}
	return (double) ((const int8_t *) layer->packed)[place] * scales[o];
}

/* A layer of random weights, packed in two parts. */
static VsLinear
make_layer(VsWeightFormat format, int n, int k, bool with_bias, float *w)
{
	VsLinear	layer = {n, k, format, NULL, NULL};
	int			part = n / 2 / VS_NN_PANEL * VS_NN_PANEL;
	void	   *packed = take_aligned(vs_nn_packed_size(format, n, k));

	vs_nn_pack(format, n, k, part, n - part, w + (size_t) part * k, packed);
	if (part > 0)
		vs_nn_pack(format, n, k, 0, part, w, packed);
	layer.packed = packed;
	layer.bias = with_bias ? random_floats(n, 1.0f) : NULL;
	return layer;
}

static void
drop_layer(VsLinear *layer)
{
	free((void *) layer->packed);
	free((void *) layer->bias);
}

static void
test_pack(void)
{
	static const int sizes[][2] = {{1, 1}, {16, 8}, {17, 5}, {50, 33}};
	static const double units[VS_WEIGHT_FORMAT_COUNT] = {
		0, 0x1p-11, 0x1p-8, 0.5 / 127 * 1.0001
	};

	for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
	{
		for (int s = 0; s < 4; s++)
		{
			int			n = sizes[s][0];
			int			k = sizes[s][1];
			float	   *w = random_floats((size_t) n * k, 1.0f);
			VsLinear	layer = make_layer(f, n, k, false, w);

			for (int o = 0; o < (int) VS_NN_PANELS(n) * VS_NN_PANEL; o++)
			{
				double		most = 0;

				for (int i = 0; i < k && o < n; i++)
					most = fmax(most, fabs(w[(size_t) o * k + i]));
				for (int i = 0; i < k; i++)
					expect_near("weight", o,
								packed_weight(&layer, o, i),
								o < n ? w[(size_t) o * k + i] : 0,
								units[f] * most);
			}
			drop_layer(&layer);
			free(w);
		}
		end_test("packing as %s", format_names[f]);
	}

	{
		static const float odd[4] = {1e9f, -1e9f, 0x1p-140f, 0.0f};
		static const float tiny[2] = {0x1p-149f, -0x1p-140f};
		VsLinear	layer = {2, 2, VS_WEIGHT_FLOAT16, NULL, NULL};
		void	   *packed = take_aligned(vs_nn_packed_size(VS_WEIGHT_INT8, 2, 2));

		layer.packed = packed;
		vs_nn_pack(VS_WEIGHT_FLOAT16, 2, 2, 0, 2, odd, packed);
		if (packed_weight(&layer, 0, 0) != 65504 ||
			packed_weight(&layer, 0, 1) != -65504 ||
			packed_weight(&layer, 1, 0) != 0)
			fail("halves are not limited");
		layer.format = VS_WEIGHT_INT8;
		vs_nn_pack(VS_WEIGHT_INT8, 2, 2, 0, 2, odd, packed);
		expect_near("largest", 0, packed_weight(&layer, 0, 0), 1e9, 100);
		expect_near("row of zeros", 1, packed_weight(&layer, 1, 0), 0, 1e-30);
		layer.n = 1;
		vs_nn_pack(VS_WEIGHT_INT8, 1, 2, 0, 1, tiny, packed);
		expect_near("tiny", 0, packed_weight(&layer, 0, 0), 0, 1e-30);
		free(packed);
		end_test("packing of very large and small weights");
	}
}

/* Linear layers */

/* before is what out held; every number of out is compared. */
static void
check_linear(const VsLinear *layer, const Rows *x, VsActivation act,
			 VsCombine combine, const Rows *before, const Rows *out)
{
	for (int o = 0; o < layer->n; o++)
	{
		double	   *w = take(layer->k * sizeof(double));

		for (int i = 0; i < layer->k; i++)
			w[i] = packed_weight(layer, o, i);
		for (int r = 0; r < x->m; r++)
		{
			const float *row = x->x + r * x->ld;
			double		sum = layer->bias ? layer->bias[o] : 0;
			double		size = fabs(sum) + 1;
			double		old = before->x[r * before->ld + o];

			for (int i = 0; i < layer->k; i++)
			{
				sum += row[i] * w[i];
				size += fabs(row[i] * w[i]);
			}
			sum = true_activation(act, sum);
			if (combine == VS_COMBINE_ADD)
				sum += old;
			else if (combine == VS_COMBINE_MUL)
				sum *= old;
			expect_near("output", o, out->x[r * out->ld + o], sum,
						size * (2 + sqrt(layer->k)) * 0x1p-23);
		}
		free(w);
	}
	check_spaces("linear", out);
}

/* All of a batch, then each of its rows alone: the same bits. */
static void
run_linear(const VsKernels *level, const VsLinear *layer, int m,
		   VsActivation act, VsCombine combine)
{
	void	   *scratch = take_aligned(vs_nn_linear_scratch(layer->k));
	Rows		x = take_rows(m, layer->k, 1.0f);
	Rows		before = take_rows(m, layer->n, 1.0f);
	Rows		out = copy_rows(&before);
	Rows		single = copy_rows(&before);

	level->nn.linear(layer, m, x.x, x.ld, act, combine, out.x, out.ld,
					 scratch);
	check_linear(layer, &x, act, combine, &before, &out);
	for (int i = 0; i < m; i++)
		level->nn.linear(layer, 1, x.x + i * x.ld, 1, act, combine,
						 single.x + i * single.ld, 1, scratch);
	if (memcmp(out.memory, single.memory, (SPACE + m * out.ld) * sizeof(float)) != 0)
		fail("m=%d: rows alone differ from those of a batch", m);
	free(x.memory);
	free(before.memory);
	free(out.memory);
	free(single.memory);
	free(scratch);
}

static void
test_linear(const VsKernels *level)
{
	static const int sizes[][2] = {
		{1, 1}, {15, 7}, {16, 16}, {17, 3}, {33, 192}, {48, 193}, {50, 40},
		{64, 31}, {81, 400}, {100, 2}
	};
	static const int counts[] = {33, 49, 100, 250};

	for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
	{
		for (int s = 0; s < 10; s++)
		{
			int			n = sizes[s][0];
			int			k = sizes[s][1];
			float	   *w = random_floats((size_t) n * k, 1.0f);
			VsLinear	layer = make_layer(f, n, k, s % 3 != 0, w);

			/* 20 row counts go with every size, the large ones with few */
			for (int m = 0; m <= 20; m++)
				if ((size_t) n * k < 8000 || m % 3 == s % 3)
					run_linear(level, &layer, m, (m + s) % VS_ACT_COUNT,
							   (m + s + f) % 3);
			if (s == 6 || s == 7)
				run_linear(level, &layer, counts[f], VS_ACT_GELU,
						   VS_COMBINE_ADD);
			if (s == 9)
				run_linear(level, &layer, 250, VS_ACT_NONE, VS_COMBINE_SET);
			drop_layer(&layer);
			free(w);
		}
		end_test("%s: linear layers of %s, rows alone and together",
				 level->name, format_names[f]);
	}
}

/* Every activation with every combination. */
static void
test_epilogues(const VsKernels *level)
{
	float	   *w = random_floats(23 * 19, 1.0f);

	for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
	{
		VsLinear	layer = make_layer(f, 23, 19, f % 2 == 0, w);

		for (int act = 0; act < VS_ACT_COUNT; act++)
			for (int combine = 0; combine < 3; combine++)
				run_linear(level, &layer, 7, act, combine);
		drop_layer(&layer);
	}
	free(w);
	end_test("%s: activations and combinations", level->name);
}

/* Attention */

static double
true_score(const VsAttention *a, int head, int i, int j)
{
	double		s = 0;

	for (int d = 0; d < a->head_dim; d++)
		s += (double) a->q[i * a->stride + (size_t) head * a->head_dim + d] *
			a->k[j * a->stride + (size_t) head * a->head_dim + d];
	s *= a->scale;
	if (a->bias)
		s += a->bias[head * a->bias_stride + (a->tokens - 1 + j - i)];
	return s;
}

/*
 * The scores of numbers of this size are squares of it; their rounding is what
 * the results are off by.
 */
static void
check_attention(const VsAttention *a, int first_head, int heads, float size)
{
	double	   *p = take(a->tokens * sizeof(double));
	int			step = a->tokens > 200 ? 37 : 1;

	for (int h = first_head; h < first_head + heads; h++)
		for (int i = 0; i < a->tokens; i += step)
		{
			double		most = -INFINITY;
			double		sum = 0;

			for (int j = 0; j < a->tokens; j++)
			{
				p[j] = true_score(a, h, i, j);
				most = fmax(most, p[j]);
			}
			for (int j = 0; j < a->tokens; j++)
				sum += p[j] = exp(p[j] - most);
			for (int d = 0; d < a->head_dim; d++)
			{
				size_t		column = (size_t) h * a->head_dim + d;
				double		want = 0;

				for (int j = 0; j < a->tokens; j++)
					want += p[j] / sum * a->v[j * a->stride + column];
				expect_near("attention", i, a->out[i * a->out_stride + column],
							want, 2e-6 * size * fmax(size, 1.0));
			}
		}
	free(p);
}

static void
run_attention(const VsKernels *level, int tokens, int heads, int head_dim,
			  bool with_bias, float size)
{
	Rows		qkv = take_rows(tokens, 3 * heads * head_dim, size);
	Rows		out = take_rows(tokens, heads * head_dim, 1.0f);
	size_t		bias_stride = 2 * (size_t) tokens + 2;
	float	   *bias = random_floats(heads * bias_stride, 3.0f);
	void	   *scratch = take_aligned(vs_nn_attention_scratch(tokens, head_dim));
	VsAttention a = {
		.tokens = tokens,
		.heads = heads,
		.head_dim = head_dim,
		.scale = 1.0f / sqrtf((float) head_dim),
		.q = qkv.x,
		.k = qkv.x + heads * head_dim,
		.v = qkv.x + 2 * heads * head_dim,
		.stride = qkv.ld,
		.bias = with_bias ? bias : NULL,
		.bias_stride = bias_stride,
		.out = out.x,
		.out_stride = out.ld,
	};

	level->nn.attention(&a, 0, 1, scratch);
	if (heads > 1)
		level->nn.attention(&a, 1, heads - 1, scratch);
	check_attention(&a, 0, heads, size);
	check_spaces("attention", &out);
	free(qkv.memory);
	free(out.memory);
	free(bias);
	free(scratch);
}

static void
test_attention(const VsKernels *level)
{
	static const int dims[] = {1, 8, 12, 32, 64, 80, 200, 600};

	for (int d = 0; d < 8; d++)
		for (int tokens = 1; tokens <= 70; tokens += tokens < 20 ? 1 : 7)
			if (dims[d] < 80 || tokens % 5 == 1)
				run_attention(level, tokens, 1 + d % 2, dims[d],
							  (tokens + d) % 2 == 1, tokens % 3 ? 1.0f : 4.0f);
	end_test("%s: attention", level->name);

	run_attention(level, 191, 1, 16, true, 2.0f);
	run_attention(level, 193, 1, 16, false, 2.0f);
	run_attention(level, 400, 1, 20, true, 2.0f);
	run_attention(level, 577, 1, 4, true, 4.0f);
	run_attention(level, 1300, 1, 12, false, 4.0f);
	run_attention(level, 250, 1, 520, true, 2.0f);
	end_test("%s: attention over several blocks of keys", level->name);
}

/* Norms */

static void
check_norm(const VsKernels *level, bool rms, const Rows *x, float eps,
		   const float *weight, const float *bias, double tolerance)
{
	Rows		out = take_rows(x->m, x->n, 1.0f);
	Rows		same = copy_rows(x);

	if (rms)
	{
		level->nn.rms_norm(x->m, x->n, x->x, x->ld, eps, weight, out.x, out.ld);
		level->nn.rms_norm(x->m, x->n, same.x, same.ld, eps, weight,
						   same.x, same.ld);
	}
	else
	{
		level->nn.layer_norm(x->m, x->n, x->x, x->ld, eps, weight, bias,
							 out.x, out.ld);
		level->nn.layer_norm(x->m, x->n, same.x, same.ld, eps, weight, bias,
							 same.x, same.ld);
	}
	for (int r = 0; r < x->m; r++)
	{
		const float *row = x->x + r * x->ld;
		double		mean = 0;
		double		square = 0;

		for (int i = 0; i < x->n && !rms; i++)
			mean += row[i];
		mean /= x->n;
		for (int i = 0; i < x->n; i++)
			square += (row[i] - mean) * (row[i] - mean);
		square = sqrt(square / x->n + eps);
		for (int i = 0; i < x->n; i++)
			expect_near(rms ? "rms norm" : "layer norm", i,
						out.x[r * out.ld + i],
						(row[i] - mean) / square * (weight ? weight[i] : 1) +
						(bias && !rms ? bias[i] : 0), tolerance);
		if (memcmp(out.x + r * out.ld, same.x + r * same.ld,
				   x->n * sizeof(float)) != 0)
			fail("in place n=%d: row %d differs", x->n, r);
	}
	check_spaces("norm", &out);
	check_spaces("norm", &same);
	free(out.memory);
	free(same.memory);
}

static void
test_norms(const VsKernels *level)
{
	for (int n = 1; n <= 130; n++)
	{
		Rows		x = take_rows(n % 4, n, 3.0f);
		float	   *weight = random_floats(n, 1.0f);
		float	   *bias = random_floats(n, 1.0f);
		Rows		constant = take_rows(1, n, 0.0f);

		for (int rms = 0; rms <= 1; rms++)
		{
			/* two numbers may be close to one another */
			double		tolerance = n < 4 ? 1e-4 : 4e-6;

			check_norm(level, rms, &x, 1e-6f, weight, bias, tolerance);
			check_norm(level, rms, &x, 1e-12f, NULL, NULL, tolerance);
			check_norm(level, rms, &x, 1e-5f, NULL, bias, tolerance);
		}
		for (int i = 0; i < n; i++)
			constant.x[i] = 3.3f + (float) n;
		check_norm(level, false, &constant, 1e-12f, weight, bias, 1e-5);
		check_norm(level, true, &constant, 1e-12f, weight, NULL, 1e-5);
		for (int i = 0; i < n; i++)
			constant.x[i] = 0.0f;
		check_norm(level, false, &constant, 1e-12f, weight, bias, 1e-6);
		check_norm(level, true, &constant, 1e-6f, weight, NULL, 1e-6);
		free(x.memory);
		free(constant.memory);
		free(weight);
		free(bias);
	}
	end_test("%s: norms", level->name);
}

/* Elementary functions */

static void
test_activations(const VsKernels *level)
{
	static const char *const names[VS_ACT_COUNT] = {
		"none", "relu", "gelu", "gelu_tanh", "silu", "tanh", "quick_gelu"
	};

	for (int act = 0; act < VS_ACT_COUNT; act++)
	{
		const int	n = 40001;
		float	   *x = take(n * sizeof(float));
		float	   *y = take(n * sizeof(float));
		double		worst = 0;

		for (int i = 0; i < n; i++)
			x[i] = i % 4 == 3 ? random_float() * 100.0f :
				(float) (i - n / 2) * 0.001f;
		memcpy(y, x, n * sizeof(float));
		level->nn.activate(act, n, y);
		for (int i = 0; i < n; i++)
		{
			double		want = true_activation(act, x[i]);
			double		error = fabs(y[i] - want) /
			(act == VS_ACT_TANH ? 1.0 : fmax(fabs(x[i]), 1.0));

			worst = fmax(worst, error);
			if (!(error <= 2e-7))
				fail("%s(%.9g): got %.9g, want %.9g", names[act], x[i], y[i],
					 want);
		}
		for (int m = 0; m <= 70; m++)
		{
			Rows		r = take_rows(1, m, 5.0f);
			Rows		before = copy_rows(&r);

			level->nn.activate(act, m, r.x);
			for (int i = 0; i < m; i++)
				expect_near(names[act], i, r.x[i],
							true_activation(act, before.x[i]), 1e-6);
			check_spaces("activate", &r);
			free(r.memory);
			free(before.memory);
		}
		free(x);
		free(y);
		end_test("%s: %s, largest error %.2g", level->name, names[act], worst);
	}
}

static void
test_softmax(const VsKernels *level)
{
	for (int n = 1; n <= 300; n += n < 70 ? 1 : 23)
		for (float size = 0.1f; size < 1000.0f; size *= 10.0f)
		{
			Rows		x = take_rows(1, n, size);
			Rows		y = copy_rows(&x);
			double		most = -INFINITY;
			double		sum = 0;

			level->nn.softmax(n, y.x);
			for (int i = 0; i < n; i++)
				most = fmax(most, x.x[i]);
			for (int i = 0; i < n; i++)
				sum += exp(x.x[i] - most);
			for (int i = 0; i < n; i++)
				expect_near("softmax", i, y.x[i], exp(x.x[i] - most) / sum,
							5e-7);
			check_spaces("softmax", &y);
			free(x.memory);
			free(y.memory);
		}
	end_test("%s: softmax", level->name);
}

/* Positions and tables */

static void
test_rotate(const VsKernels *level)
{
	for (int dim = 2; dim <= 130; dim += 2)
	{
		const int	heads = 1 + dim % 3;
		Rows		x = take_rows(1, heads * dim, 1.0f);
		Rows		y = copy_rows(&x);
		float	   *cos_sin = take(dim * sizeof(float));

		for (int i = 0; i < dim / 2; i++)
		{
			cos_sin[i] = (float) cos(i * 0.37 + 1);
			cos_sin[dim / 2 + i] = (float) sin(i * 0.37 + 1);
		}
		level->nn.rotate(heads, dim, cos_sin, y.x);
		for (int h = 0; h < heads; h++)
			for (int i = 0; i < dim / 2; i++)
			{
				double		a = x.x[h * dim + i];
				double		b = x.x[h * dim + dim / 2 + i];
				double		c = cos_sin[i];
				double		s = cos_sin[dim / 2 + i];

				expect_near("rotate", i, y.x[h * dim + i], a * c - b * s, 3e-7);
				expect_near("rotate", i, y.x[h * dim + dim / 2 + i],
							b * c + a * s, 3e-7);
			}
		check_spaces("rotate", &y);
		free(x.memory);
		free(y.memory);
		free(cos_sin);
	}
	end_test("%s: rotary positions", level->name);
}

static void
test_row_add(const VsKernels *level)
{
	for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
		for (int n = 0; n <= 70; n++)
		{
			Rows		x = take_rows(1, n, 1.0f);
			Rows		y = copy_rows(&x);
			size_t		width = VS_WEIGHT_WIDTH(f);
			char	   *row = take(n * width);
			const float scale = f == VS_WEIGHT_INT8 ? 0.01f : 2.0f;

			for (int i = 0; i < n; i++)
			{
				float		v = random_float();
				double		stored = v;
				uint16_t	h = f == VS_WEIGHT_FLOAT16 ? vs_float_to_half(v) :
				vs_float_to_bfloat(v);
				int8_t		b = (int8_t) (v * 127.0f);

				if (f == VS_WEIGHT_FLOAT32)
					memcpy(row + i * width, &v, width);
				else if (f == VS_WEIGHT_INT8)
					memcpy(row + i * width, &b, width);
				else
					memcpy(row + i * width, &h, width);
				if (f == VS_WEIGHT_INT8)
					stored = b;
				else if (f == VS_WEIGHT_FLOAT16)
					stored = vs_half_to_float(h);
				else if (f == VS_WEIGHT_BFLOAT16)
					stored = vs_bfloat_to_float(h);
				/* the sum that is wanted takes the place of x */
				x.x[i] = (float) (x.x[i] + scale * stored);
			}
			level->nn.row_add[f] (n, row, scale, y.x);
			for (int i = 0; i < n; i++)
				expect_near(format_names[f], i, y.x[i], x.x[i], 5e-7);
			check_spaces("row_add", &y);
			free(x.memory);
			free(y.memory);
			free(row);
		}
	end_test("%s: rows of tables", level->name);
}

/* Numbers that are none */

static void
expect_nan(const char *what, int n, const float *x)
{
	for (int i = 0; i < n; i++)
		if (!isnan(x[i]))
			fail("%s [%d]: %g where a NaN went in", what, i, x[i]);
}

/* A NaN or infinity in one row ends in that row, and does not get lost. */
static void
test_nan(const VsKernels *level)
{
	static const float odd[] = {NAN, INFINITY, -INFINITY};
	float	   *w = random_floats(40 * 40, 1.0f);
	VsLinear	layer = make_layer(VS_WEIGHT_FLOAT16, 40, 40, true, w);

	for (int o = 0; o < 3; o++)
	{
		Rows		x = take_rows(9, 40, 1.0f);
		Rows		clean = copy_rows(&x);
		Rows		out = take_rows(9, 40, 1.0f);
		Rows		clean_out = copy_rows(&out);
		void	   *scratch = take_aligned(vs_nn_linear_scratch(40) +
										   vs_nn_attention_scratch(9, 40));
		VsAttention a = {9, 1, 40, 0.1f, x.x, x.x, x.x, x.ld, NULL, 0, out.x,
		out.ld};

		x.x[4 * x.ld + 7] = odd[o];
		for (int act = 0; act < VS_ACT_COUNT; act++)
		{
			level->nn.linear(&layer, 9, x.x, x.ld, act, VS_COMBINE_SET,
							 out.x, out.ld, scratch);
			level->nn.linear(&layer, 9, clean.x, clean.ld, act,
							 VS_COMBINE_SET, clean_out.x, clean_out.ld,
							 scratch);
			if (o == 0)
				expect_nan("linear", 40, out.x + 4 * out.ld);
			for (int i = 0; i < 9; i++)
				if (i != 4 && memcmp(out.x + i * out.ld, clean_out.x + i * out.ld,
									 40 * sizeof(float)) != 0)
					fail("row %d has changed", i);
		}
		level->nn.attention(&a, 0, 1, scratch);
		if (o == 0)
			for (int i = 0; i < 9; i++)
				expect_nan("attention", 40, out.x + i * out.ld);
		level->nn.layer_norm(9, 40, x.x, x.ld, 1e-6f, NULL, NULL, out.x, out.ld);
		expect_nan("layer norm", 40, out.x + 4 * out.ld);
		level->nn.rms_norm(9, 40, x.x, x.ld, 1e-6f, NULL, out.x, out.ld);
		if (o == 0)
			expect_nan("rms norm", 40, out.x + 4 * out.ld);
		level->nn.softmax(40, x.x + 4 * x.ld);
		if (o < 2)
			expect_nan("softmax", 1, x.x + 4 * x.ld + 7);
		free(x.memory);
		free(clean.memory);
		free(out.memory);
		free(clean_out.memory);
		free(scratch);
	}
	drop_layer(&layer);
	free(w);
	end_test("%s: NaN and infinity", level->name);
}

/* Levels agree with scalar much closer than with the truth. */
static void
test_same_sums(const VsKernels *level)
{
	const VsKernels *scalar = vs_kernel_level("scalar");

	for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
	{
		float	   *w = random_floats(50 * 300, 1.0f);
		VsLinear	layer = make_layer(f, 50, 300, true, w);
		Rows		x = take_rows(20, 300, 1.0f);
		Rows		out = take_rows(20, 50, 1.0f);
		Rows		want = copy_rows(&out);
		void	   *scratch = take_aligned(vs_nn_linear_scratch(300));

		level->nn.linear(&layer, 20, x.x, x.ld, VS_ACT_NONE, VS_COMBINE_SET,
						 out.x, out.ld, scratch);
		scalar->nn.linear(&layer, 20, x.x, x.ld, VS_ACT_NONE, VS_COMBINE_SET,
						  want.x, want.ld, scratch);
		for (int i = 0; i < 20; i++)
			for (int j = 0; j < 50; j++)
				expect_near(format_names[f], j, out.x[i * out.ld + j],
							want.x[i * want.ld + j], 300 * 0x1p-22);
		drop_layer(&layer);
		free(w);
		free(x.memory);
		free(out.memory);
		free(want.memory);
		free(scratch);
	}
	end_test("%s: sums as the scalar level has them", level->name);
}

int
main(void)
{
	vs_kernel_init();
	test_pack();
	for (int i = 0; vs_kernel_level_name(i); i++)
	{
		const VsKernels *level = vs_kernel_level(vs_kernel_level_name(i));

		if (!level)
		{
			printf("# no %s here\n", vs_kernel_level_name(i));
			continue;
		}
		subject = level->name;
		test_linear(level);
		test_epilogues(level);
		test_same_sums(level);
		test_attention(level);
		test_norms(level);
		test_activations(level);
		test_softmax(level);
		test_rotate(level);
		test_row_add(level);
		test_nan(level);
	}
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
