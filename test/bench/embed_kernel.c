/*
 * embed_kernel.c
 *		Speed of the loops of an encoder, on one core.
 *
 * embed_kernel [LEVEL...]
 *		By default all levels but scalar.  Prints tab-separated lines
 *
 *		peak LEVEL GFLOP/S
 *			multiply-adds in registers, in vectors of the level's width
 *		linear LEVEL FORMAT N K M GFLOP/S PERCENT-OF-PEAK
 *			one layer with bias, over LAYERS distinct copies in turn, as in a
 *			model: weights come from the last-level cache or from memory
 *		encoder LEVEL FORMAT MODEL TEXTS x TOKENS MS TOKENS/S
 *			a whole BERT with random weights: attention, norms and GELU
 *
 * Each figure is the best of several passes, and the peak is measured again
 * next to each: other work on the machine, and its clock, move both.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/kernel.h"

#define LAYERS		12
#define PASSES		5
#define SECONDS		0.3			/* least time of a pass of a layer */

static const char *const format_names[VS_WEIGHT_FORMAT_COUNT] = {
	"float32", "float16", "bfloat16", "int8"
};

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void *
take(size_t bytes)
{
	void	   *p = aligned_alloc(VS_NN_ALIGN,
								  (bytes + VS_NN_ALIGN) / VS_NN_ALIGN * VS_NN_ALIGN);

	if (!p)
	{
		fprintf(stderr, "embed_kernel: no memory\n");
		exit(1);
	}
	memset(p, 0, bytes);
	return p;
}

/* In (-1, 1), the same in every run. */
static float
random_float(void)
{
	static uint64_t state = 1;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (float) ((int32_t) (state >> 40) - (1 << 23)) * 0x1p-23f;
}

static float *
random_floats(size_t n, float size)
{
	float	   *x = take(n * sizeof(float));

	for (size_t i = 0; i < n; i++)
		x[i] = random_float() * size;
	return x;
}

/* The peak */

/*
 * 12 chains of multiply-adds, more than any processor has under way.  The
 * sums are named for the compiler to keep them in registers, and end in
 * peak_sink for it to keep them at all.
 */
static volatile float peak_sink;

#define PEAK_STEPS	1000000

#define peak_function(name, attributes, bytes) \
typedef float name##_vector __attribute__((vector_size(bytes))); \
attributes static double \
name(void) \
{ \
	name##_vector one = {0}; \
	name##_vector a, b, c, d, e, f, g, h, i, j, k, l, sum; \
	double		start; \
	double		spent; \
\
	one += 1.0f + 0x1p-23f; \
	a = b = c = d = e = f = g = h = i = j = k = l = one; \
	start = seconds(); \
	for (int n = 0; n < PEAK_STEPS; n++) \
	{ \
		a = a * one + one; b = b * one + one; c = c * one + one; \
		d = d * one + one; e = e * one + one; f = f * one + one; \
		g = g * one + one; h = h * one + one; i = i * one + one; \
		j = j * one + one; k = k * one + one; l = l * one + one; \
		/* the loop shall not be merged with another */ \
		__asm__ volatile("":"+" PEAK_REGISTER (a), "+" PEAK_REGISTER (b), \
						 "+" PEAK_REGISTER (c), "+" PEAK_REGISTER (d), \
						 "+" PEAK_REGISTER (e), "+" PEAK_REGISTER (f), \
						 "+" PEAK_REGISTER (g), "+" PEAK_REGISTER (h), \
						 "+" PEAK_REGISTER (i), "+" PEAK_REGISTER (j), \
						 "+" PEAK_REGISTER (k), "+" PEAK_REGISTER (l)); \
	} \
	spent = seconds() - start; \
	sum = a + b + c + d + e + f + g + h + i + j + k + l; \
	peak_sink = sum[0]; \
	return 2.0 * 12 * PEAK_STEPS * (bytes / 4) / spent * 1e-9; \
}

#if defined(__x86_64__)
#define PEAK_REGISTER "v"
peak_function(peak_avx512, __attribute__((target("avx512f,fma"))), 64)
peak_function(peak_avx2, __attribute__((target("avx2,fma"))), 32)
peak_function(peak_base,, 16)
#else
#define PEAK_REGISTER "w"
peak_function(peak_base,, 16)
#endif

/* GFLOP/s of a level, at best. */
static double
peak(const VsKernels *level)
{
	double		best = 0;

	for (int i = 0; i < 20; i++)
	{
		double		now;

#if defined(__x86_64__)
		if (strcmp(level->name, "avx512") == 0)
			now = peak_avx512();
		else if (strcmp(level->name, "avx2") == 0)
			now = peak_avx2();
		else
#endif
			now = peak_base();
		best = now > best ? now : best;
	}
	return best;
}

/* Layers */

static VsLinear
make_linear(VsWeightFormat format, int n, int k)
{
	VsLinear	layer = {n, k, format, NULL, NULL};
	float	   *w = random_floats((size_t) n * k, 0.05f);
	void	   *packed = take(vs_nn_packed_size(format, n, k));

	vs_nn_pack(format, n, k, 0, n, w, packed);
	free(w);
	layer.packed = packed;
	layer.bias = random_floats(n, 0.1f);
	return layer;
}

static void
drop_linear(VsLinear *layer)
{
	free((void *) layer->packed);
	free((void *) layer->bias);
}

static void
time_linear(const VsKernels *level, VsWeightFormat format, int n, int k, int m)
{
	VsLinear	layers[LAYERS];
	float	   *x = random_floats((size_t) m * k, 1.0f);
	float	   *out = take((size_t) m * n * sizeof(float));
	void	   *scratch = take(vs_nn_linear_scratch(k));
	double		flops = 2.0 * m * n * k * LAYERS;
	double		best = 0;
	double		most = 0;

	for (int i = 0; i < LAYERS; i++)
		layers[i] = make_linear(format, n, k);
	for (int pass = 0; pass < PASSES; pass++)
	{
		double		top = peak(level);
		double		start = seconds();
		double		spent;
		double		speed;
		int			rounds = 0;

		do
		{
			double		round = seconds();

			for (int i = 0; i < LAYERS; i++)
				level->nn.linear(&layers[i], m, x, k, VS_ACT_NONE,
								 VS_COMBINE_SET, out, n, scratch);
			speed = flops / (seconds() - round) * 1e-9;
			best = speed > best ? speed : best;
			rounds++;
			spent = seconds() - start;
		} while (spent < SECONDS);
		most = top > most ? top : most;
	}
	printf("linear\t%s\t%s\t%d\t%d\t%d\t%.1f\t%.1f\n", level->name,
		   format_names[format], n, k, m, best, 100.0 * best / most);
	fflush(stdout);
	for (int i = 0; i < LAYERS; i++)
		drop_linear(&layers[i]);
	free(x);
	free(out);
	free(scratch);
}

/* Encoders */

typedef struct Shape
{
	const char *name;
	int			layers;
	int			width;
	int			heads;
	int			ffn;
} Shape;

static const Shape shapes[] = {
	{"bert-base", 12, 768, 12, 3072},
	{"minilm", 6, 384, 12, 1536},
};

typedef struct Layer
{
	VsLinear	qkv;
	VsLinear	out;
	VsLinear	up;
	VsLinear	down;
} Layer;

typedef struct Encoder
{
	const Shape *shape;
	Layer		layers[LAYERS];
	float	   *norm_weight;
	float	   *norm_bias;
} Encoder;

static Encoder
make_encoder(const Shape *shape, VsWeightFormat format)
{
	Encoder		e = {.shape = shape};
	int			h = shape->width;

	for (int i = 0; i < shape->layers; i++)
	{
		e.layers[i].qkv = make_linear(format, 3 * h, h);
		e.layers[i].out = make_linear(format, h, h);
		e.layers[i].up = make_linear(format, shape->ffn, h);
		e.layers[i].down = make_linear(format, h, shape->ffn);
	}
	e.norm_weight = random_floats(h, 1.0f);
	e.norm_bias = random_floats(h, 0.1f);
	return e;
}

static void
drop_encoder(Encoder *e)
{
	for (int i = 0; i < e->shape->layers; i++)
	{
		drop_linear(&e->layers[i].qkv);
		drop_linear(&e->layers[i].out);
		drop_linear(&e->layers[i].up);
		drop_linear(&e->layers[i].down);
	}
	free(e->norm_weight);
	free(e->norm_bias);
}

typedef struct Workspace
{
	float	   *x;
	float	   *wide;			/* queries, keys, values; then the FFN */
	float	   *context;
	void	   *linear;
	void	   *attention;
} Workspace;

/* One pass over texts of equal length, rows one below another. */
static void
encode(const VsNnKernels *nn, const Encoder *e, int texts, int tokens,
	   const Workspace *w)
{
	const int	h = e->shape->width;
	const int	m = texts * tokens;

	for (int i = 0; i < e->shape->layers; i++)
	{
		const Layer *layer = &e->layers[i];

		nn->linear(&layer->qkv, m, w->x, h, VS_ACT_NONE, VS_COMBINE_SET,
				   w->wide, 3 * h, w->linear);
		for (int t = 0; t < texts; t++)
		{
			const float *q = w->wide + (size_t) t * tokens * 3 * h;
			VsAttention a = {
				.tokens = tokens,
				.heads = e->shape->heads,
				.head_dim = h / e->shape->heads,
				.scale = 0.125f,
				.q = q,
				.k = q + h,
				.v = q + 2 * h,
				.stride = 3 * h,
				.out = w->context + (size_t) t * tokens * h,
				.out_stride = h,
			};

			nn->attention(&a, 0, a.heads, w->attention);
		}
		nn->linear(&layer->out, m, w->context, h, VS_ACT_NONE, VS_COMBINE_ADD,
				   w->x, h, w->linear);
		nn->layer_norm(m, h, w->x, h, 1e-12f, e->norm_weight, e->norm_bias,
					   w->x, h);
		nn->linear(&layer->up, m, w->x, h, VS_ACT_GELU, VS_COMBINE_SET,
				   w->wide, e->shape->ffn, w->linear);
		nn->linear(&layer->down, m, w->wide, e->shape->ffn, VS_ACT_NONE,
				   VS_COMBINE_ADD, w->x, h, w->linear);
		nn->layer_norm(m, h, w->x, h, 1e-12f, e->norm_weight, e->norm_bias,
					   w->x, h);
	}
}

static void
time_encoder(const VsKernels *level, const Encoder *e, VsWeightFormat format,
			 int texts, int tokens)
{
	const Shape *shape = e->shape;
	size_t		m = (size_t) texts * tokens;
	Workspace	w;
	double		best = 1e9;
	double		total = 0;

	w.x = random_floats(m * shape->width, 1.0f);
	w.wide = take(m * shape->ffn * sizeof(float));
	w.context = take(m * shape->width * sizeof(float));
	w.linear = take(vs_nn_linear_scratch(shape->ffn));
	w.attention = take(vs_nn_attention_scratch(tokens,
											   shape->width / shape->heads));
	for (int pass = 0; pass < PASSES || total < 4 * SECONDS; pass++)
	{
		double		start = seconds();
		double		spent;

		encode(&level->nn, e, texts, tokens, &w);
		spent = seconds() - start;
		best = spent < best ? spent : best;
		total += spent;
	}
	printf("encoder\t%s\t%s\t%s\t%dx%d\t%.3f\t%.0f\n", level->name,
		   format_names[format], shape->name, texts, tokens, best * 1e3,
		   (double) m / best);
	fflush(stdout);
	free(w.x);
	free(w.wide);
	free(w.context);
	free(w.linear);
	free(w.attention);
}

static void
time_level(const VsKernels *level)
{
	static const int widths[][2] = {
		{768, 768}, {2304, 768}, {3072, 768}, {768, 3072}
	};
	static const int rows[] = {1, 4, 16, 64, 256};
	static const int batches[][2] = {{1, 16}, {8, 16}, {1, 64}, {1, 256}};

	printf("peak\t%s\t%.1f\n", level->name, peak(level));
	for (int s = 0; s < 2; s++)
		for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
		{
			Encoder		e = make_encoder(&shapes[s], f);

			for (int i = 0; i < 4; i++)
				time_encoder(level, &e, f, batches[i][0], batches[i][1]);
			drop_encoder(&e);
		}
	for (int f = 0; f < VS_WEIGHT_FORMAT_COUNT; f++)
		for (int i = 0; i < 4; i++)
			for (int j = 0; j < 5; j++)
				time_linear(level, f, widths[i][0], widths[i][1], rows[j]);
}

int
main(int argc, char **argv)
{
	const char *name;

	vs_kernel_init();
	for (int i = 1; i < argc; i++)
	{
		if (!vs_kernel_level(argv[i]))
		{
			fprintf(stderr, "embed_kernel: no level %s here\n", argv[i]);
			return 1;
		}
		time_level(vs_kernel_level(argv[i]));
	}
	for (int i = 1; argc < 2 && (name = vs_kernel_level_name(i)); i++)
		if (vs_kernel_level(name))
			time_level(vs_kernel_level(name));
	return 0;
}
