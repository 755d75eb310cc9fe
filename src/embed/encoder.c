/*
 * encoder.c
 *		The forward pass: token ids to vectors.
 *
 * One pass serves all architectures; VsModelConfig says what is in it.  The
 * tokens of many texts are rows below one another ("ragged", no padding), so
 * that the linear layers see one tall matrix; only attention, positions and
 * pooling know where a text begins.  No kernel's result depends on the number
 * of rows, so a text's result does not depend on its company.
 *
 * A layer is done in two sweeps over the rows: queries, keys and values of
 * all; then, after attention, everything else for one slice of rows after the
 * other, while the slice is in the cache.  A slice is small enough for
 * interrupts to be looked at often.
 *
 * All memory is one arena, whose size follows from the largest batch.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "embed/encoder.h"
#include "kernel/kernel.h"

/*
 * Multiply-adds that may pass without a look at interrupts: some 30 ms; and
 * rows of a slice, at most and at least.
 */
#define MAX_QUIET_WORK	INT64CONST(1250000000)
#define MAX_SLICE		512
#define MIN_SLICE		16

/* Keeps the width 0 out of the norm of a zero vector. */
#define MIN_NORM		1e-12

/* What PyTorch's layer_norm has if nothing is said. */
#define CUT_NORM_EPS	1e-5f

/* The texts that are run together, and where everything is. */
typedef struct Batch
{
	const VsModel *model;
	const VsNnKernels *nn;

	/* unchanging; the most of any batch */
	int			max_rows;
	int			max_texts;
	int			longest;		/* tokens of the longest text */
	int			slice;			/* rows that are done at a time */
	int			wide;			/* of a row of x and y */
	int			max_inner;		/* of a row of the attention's result */
	int			max_pooled;		/* of a pooled vector, after any stage */

	/* arena */
	float	   *x;				/* [rows, wide] hidden states */
	float	   *y;				/* [rows, wide] their norm; pre-norm only */
	float	   *qkv;			/* [rows, 3 * inner]; then the FFN of a slice */
	float	   *context;		/* [rows, inner] what attention gives */
	float	   *positions;		/* [longest, ..] sinusoids or rotations */
	float	   *bias;			/* [heads, 2 * longest - 1] of the scores */
	float	   *pooled[2];		/* [texts, max_pooled] */
	void	   *scratch;		/* of the kernels */

	/* the batch at hand */
	const VsEncoderInput *texts;
	int			ntexts;
	int			rows;			/* their tokens */
} Batch;

/* Memory is handed out twice: first to add up sizes, then for good. */
typedef struct Arena
{
	char	   *base;			/* NULL in the first round */
	Size		used;
} Arena;

static void plan_batches(Batch *b, int n, const VsEncoderInput *inputs,
						 int batch_tokens);
static void plan_widths(Batch *b);
static char *make_arena(Batch *b);
static int	next_batch(int n, const VsEncoderInput *inputs, int at,
					   int batch_tokens, int *rows);
static void fill_position_tables(Batch *b);
static void run_batch(Batch *b, float *out);

void
vs_encode(const VsModel *model, int n, const VsEncoderInput *inputs,
		  int batch_tokens, float *out)
{
	Batch		b = {.model = model,.nn = &vs_kernels->nn};
	char	   *arena;

	if (n <= 0)
		return;
	plan_batches(&b, n, inputs, batch_tokens);
	plan_widths(&b);
	arena = make_arena(&b);
	fill_position_tables(&b);
	for (int at = 0; at < n; at += b.ntexts)
	{
		b.texts = inputs + at;
		b.ntexts = next_batch(n, inputs, at, batch_tokens, &b.rows);
		run_batch(&b, out + (Size) at * model->config.dim);
	}
	pfree(arena);
}

void
vs_encoder_cut(const VsModelConfig *config, float *x, int dim)
{
	double		sum = 0;

	Assert(dim >= 1 && dim <= config->dim);
	if (config->matryoshka_norm)
		vs_kernels->nn.layer_norm(1, config->dim, x, config->dim, CUT_NORM_EPS,
								  NULL, NULL, x, config->dim);
	for (int i = 0; i < dim; i++)
		sum += (double) x[i] * x[i];
	sum = Max(sqrt(sum), MIN_NORM);
	for (int i = 0; i < dim; i++)
		x[i] = (float) (x[i] / sum);
}

/* ------------------------------------------------------------------------
 * Batches and memory
 * ------------------------------------------------------------------------ */

/*
 * How many texts from at on make the next batch, and their rows.  A text
 * without tokens counts as one, so that texts are limited too.
 */
static int
next_batch(int n, const VsEncoderInput *inputs, int at, int batch_tokens,
		   int *rows)
{
	int			taken = 0;
	int64		cost = 0;

	*rows = 0;
	while (at + taken < n)
	{
		int			count = inputs[at + taken].count;

		cost += Max(count, 1);
		if (taken > 0 && cost > batch_tokens)
			break;
		*rows += count;
		taken++;
	}
	return taken;
}

/* Nothing that the tokenizer gave is believed. */
static void
check_input(const VsModel *model, const VsEncoderInput *input)
{
	if (input->count < 0 || input->count > model->config.max_tokens)
		elog(ERROR, "text of %d tokens for a model that takes %d",
			 input->count, model->config.max_tokens);
	for (int i = 0; i < input->count; i++)
	{
		if (input->ids[i] < 0 || input->ids[i] >= model->word.rows)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("token %d is not in the vocabulary of model %s",
							input->ids[i], model->hash)));
	}
}

/* Check all texts, and find the most that a batch will have of everything. */
static void
plan_batches(Batch *b, int n, const VsEncoderInput *inputs, int batch_tokens)
{
	int			taken;

	for (int at = 0; at < n; at += taken)
	{
		int			rows;

		CHECK_FOR_INTERRUPTS();
		taken = next_batch(n, inputs, at, batch_tokens, &rows);
		b->max_rows = Max(b->max_rows, rows);
		b->max_texts = Max(b->max_texts, taken);
		for (int i = at; i < at + taken; i++)
		{
			check_input(b->model, &inputs[i]);
			b->longest = Max(b->longest, inputs[i].count);
		}
	}
}

/* Width of the input of layer l. */
static int
layer_input(const VsModelConfig *config, int l)
{
	return l == 0 ? config->embed_width : config->width;
}

/* Width of one head of layer l. */
static int
layer_head_dim(const VsModelConfig *config, int l)
{
	return config->head_dim > 0 ? config->head_dim :
		layer_input(config, l) / config->heads;
}

/* The most inputs that any linear layer has. */
static int
most_inputs(const Batch *b)
{
	return Max(Max(b->wide, b->max_inner),
			   Max(b->model->config.ffn_width, b->max_pooled));
}

static int
pooled_width(const VsModelConfig *config)
{
	return config->stage_count > 0 ? config->stages[0].in : config->dim;
}

static void
plan_widths(Batch *b)
{
	const VsModelConfig *config = &b->model->config;
	int64		work;

	b->wide = Max(config->embed_width, config->width);
	b->max_inner = 0;
	for (int l = 0; l < config->layers; l++)
		b->max_inner = Max(b->max_inner,
						   config->heads * layer_head_dim(config, l));
	b->max_pooled = pooled_width(config);
	for (int i = 0; i < config->stage_count; i++)
		b->max_pooled = Max(b->max_pooled, config->stages[i].out);
	work = (int64) b->wide * Max(config->ffn_width, 3 * b->max_inner);
	b->slice = (int) Min(MAX_SLICE, Max(MIN_SLICE, MAX_QUIET_WORK / work));
}

/* Take memory for count rows of width floats. */
static void *
take(Arena *arena, Size count, Size width)
{
	Size		size = mul_size(mul_size(count, width), sizeof(float));
	char	   *p = arena->base ? arena->base + arena->used : NULL;

	arena->used = add_size(arena->used, TYPEALIGN(VS_NN_ALIGN, size));
	return p;
}

/* Take memory of so many bytes. */
static void *
take_bytes(Arena *arena, Size size)
{
	return take(arena, (size + sizeof(float) - 1) / sizeof(float), 1);
}

/* Bytes of scratch for any kernel that is called. */
static Size
scratch_size(const Batch *b)
{
	const VsModelConfig *config = &b->model->config;
	Size		size = vs_nn_linear_scratch(most_inputs(b));

	for (int l = 0; l < Min(config->layers, 2); l++)
		size = Max(size, vs_nn_attention_scratch(b->longest,
												 layer_head_dim(config, l)));
	return size;
}

static void
lay_out(Batch *b, Arena *arena)
{
	const VsModelConfig *config = &b->model->config;
	Size		rows = b->max_rows;
	Size		ffn = (Size) Min(b->slice, b->max_rows) * config->ffn_width;

	b->x = take(arena, rows, b->wide);
	b->y = take(arena, config->pre_norm || config->embed_width != config->width ?
				rows : 0, b->wide);
	b->qkv = take(arena, Max(rows * 3 * b->max_inner, ffn), 1);
	b->context = take(arena, rows, b->max_inner);
	b->positions = take(arena, b->longest,
						config->position_kind == VS_POSITION_SINUSOID ?
						config->embed_width :
						config->position_kind == VS_POSITION_ROTARY ?
						layer_head_dim(config, 0) : 0);
	b->bias = take(arena, config->position_kind == VS_POSITION_RELATIVE ?
				   config->heads : 0, 2 * (Size) b->longest);
	for (int i = 0; i < 2; i++)
		b->pooled[i] = take(arena, b->max_texts, b->max_pooled);
	b->scratch = take_bytes(arena, scratch_size(b));
}

/* Allocate the arena and set all pointers; result is to be freed. */
static char *
make_arena(Batch *b)
{
	Arena		arena = {NULL, 0};
	char	   *memory;

	lay_out(b, &arena);
	memory = MemoryContextAllocHuge(CurrentMemoryContext,
									arena.used + VS_NN_ALIGN);
	arena.base = (char *) TYPEALIGN(VS_NN_ALIGN, memory);
	arena.used = 0;
	lay_out(b, &arena);
	return memory;
}

/* ------------------------------------------------------------------------
 * Positions
 * ------------------------------------------------------------------------ */

/*
 * Row p of the table (width 2 * half) from the angles p * frequency[i]: in
 * its halves the cosines at cos_at and the sines at sin_at.  Angles are added
 * up in double, which loses less than 1e-11 over all positions there can be.
 */
static void
fill_angles(Batch *b, int half, const double *frequency, int cos_at, int sin_at)
{
	for (int i = 0; i < half; i++)
	{
		double		step_cos = cos(frequency[i]);
		double		step_sin = sin(frequency[i]);
		double		c = 1;
		double		s = 0;

		for (int p = 0; p < b->longest; p++)
		{
			float	   *row = b->positions + (Size) p * 2 * half;
			double		next = c * step_cos - s * step_sin;

			row[cos_at + i] = (float) c;
			row[sin_at + i] = (float) s;
			s = s * step_cos + c * step_sin;
			c = next;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* The distance at which buckets end, as T5's code computes it. */
static int
bucket(int distance, int buckets, int max_distance)
{
	int			half = buckets / 2; /* for each direction */
	int			exact = half / 2;
	int			base = distance > 0 ? half : 0;
	double		log_part;

	distance = abs(distance);
	if (distance < exact)
		return base + distance;

	/*
	 * That code takes the logarithms in float32, where powers of two come out
	 * whole; here they may fall short by the last bit.
	 */
	log_part = log((double) distance / exact) /
		log((double) max_distance / exact) * (half - exact) + 1e-9;
	return base + Min(half - 1, exact + (int) Min(log_part, half));
}

/* The bias of all distances (key - query) of the longest text, by head. */
static void
fill_relative_bias(Batch *b)
{
	const VsModelConfig *config = &b->model->config;
	int			last = b->longest - 1;

	if (b->model->relative_bias == NULL)
		return;
	for (int distance = -last; distance <= last; distance++)
	{
		const float *from = b->model->relative_bias + (Size) config->heads *
		bucket(distance, config->relative_buckets,
			   config->relative_max_distance);

		for (int h = 0; h < config->heads; h++)
			b->bias[(Size) h * 2 * b->longest + last + distance] = from[h];
	}
}

/* All that depends on positions alone. */
static void
fill_position_tables(Batch *b)
{
	const VsModelConfig *config = &b->model->config;
	double	   *frequency;
	int			half;

	switch (config->position_kind)
	{
		case VS_POSITION_SINUSOID:
			half = config->embed_width / 2;
			frequency = palloc(sizeof(double) * half);
			for (int i = 0; i < half; i++)
				frequency[i] = exp(-i * log(10000.0) / (half - 1));
			fill_angles(b, half, frequency, half, 0);
			pfree(frequency);
			break;
		case VS_POSITION_ROTARY:
			half = layer_head_dim(config, 0) / 2;
			frequency = palloc(sizeof(double) * half);
			for (int i = 0; i < half; i++)
				frequency[i] = pow(config->rotary_base, -(double) i / half);
			fill_angles(b, half, frequency, 0, half);
			pfree(frequency);
			break;
		case VS_POSITION_RELATIVE:
			fill_relative_bias(b);
			break;
		default:
			break;
	}
}

/* ------------------------------------------------------------------------
 * The layers
 * ------------------------------------------------------------------------ */

/* out += factor * row i of the table */
static void
add_row(const Batch *b, const VsTable *table, int i, float factor, float *out)
{
	const char *row = table->data +
	(Size) i * table->cols * VS_WEIGHT_WIDTH(table->format);

	if (table->scales)
		factor *= table->scales[i];
	b->nn->row_add[table->format] (table->cols, row, factor, out);
}

/* m rows of width floats are normed, in place if out is x. */
static void
norm(const Batch *b, int m, int width, const float *x, const VsNorm *with,
	 float *out)
{
	const VsModelConfig *config = &b->model->config;

	if (config->norm_kind == VS_NORM_RMS)
		b->nn->rms_norm(m, width, x, width, config->norm_eps, with->weight,
						out, width);
	else
		b->nn->layer_norm(m, width, x, width, config->norm_eps, with->weight,
						  with->bias, out, width);
}

/* A linear layer on a slice of rows without gaps. */
static void
linear(const Batch *b, const VsLinear *layer, int m, const float *x,
	   VsActivation act, VsCombine combine, float *out)
{
	CHECK_FOR_INTERRUPTS();
	b->nn->linear(layer, m, x, layer->k, act, combine, out, layer->n,
				  b->scratch);
}

/* x from the ids: sum of word, position and type, normed if there is one. */
static void
embed(Batch *b)
{
	const VsModel *model = b->model;
	const VsModelConfig *config = &model->config;
	int			width = config->embed_width;
	float	   *x = b->x;
	const float *sinusoid = config->position_kind == VS_POSITION_SINUSOID ?
	b->positions : NULL;
	void		(*add) (int n, const void *row, float scale, float *out) =
	b->nn->row_add[VS_WEIGHT_FLOAT32];

	memset(x, 0, sizeof(float) * b->rows * width);
	for (int t = 0; t < b->ntexts; t++)
	{
		const VsEncoderInput *text = &b->texts[t];

		CHECK_FOR_INTERRUPTS();
		for (int p = 0; p < text->count; p++, x += width)
		{
			add_row(b, &model->word, text->ids[p], config->embed_scale, x);
			if (config->position_rows > 0)
				add_row(b, &model->position, config->position_offset + p,
						1.0f, x);
			if (sinusoid)
				add(width, sinusoid + (Size) p * width, 1.0f, x);
			if (config->has_types)
				add(width, model->type, 1.0f, x);
		}
	}
	if (config->embed_norm)
		norm(b, b->rows, width, b->x, &model->embed_norm, b->x);
}

/* Turn queries and keys by their positions. */
static void
rotate(Batch *b, int head_dim)
{
	int			heads = b->model->config.heads;
	Size		stride = 3 * (Size) heads * head_dim;
	float	   *row = b->qkv;

	for (int t = 0; t < b->ntexts; t++)
	{
		for (int p = 0; p < b->texts[t].count; p++, row += stride)
			b->nn->rotate(2 * heads, head_dim,
						  b->positions + (Size) p * head_dim, row);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Attention of one text, whose rows begin at first. */
static void
attend_text(Batch *b, int first, int tokens, int head_dim)
{
	const VsModelConfig *config = &b->model->config;
	int			inner = config->heads * head_dim;
	int64		work = 2 * (int64) tokens * tokens * head_dim;
	int			group = (int) Max(1, Min(config->heads,
										 MAX_QUIET_WORK / 2 / work));
	VsAttention a = {
		.tokens = tokens,
		.heads = config->heads,
		.head_dim = head_dim,
		.scale = config->attention_scale,
		.stride = 3 * (size_t) inner,
		.out = b->context + (Size) first * inner,
		.out_stride = inner,
	};

	if (a.scale == 0.0f)
		a.scale = (float) (1.0 / sqrt(head_dim));
	a.q = b->qkv + first * a.stride;
	a.k = a.q + inner;
	a.v = a.k + inner;
	if (config->position_kind == VS_POSITION_RELATIVE)
	{
		/* distance 0 is where the longest text has it */
		a.bias = b->bias + b->longest - tokens;
		a.bias_stride = 2 * (size_t) b->longest;
	}
	for (int h = 0; h < config->heads; h += group)
	{
		CHECK_FOR_INTERRUPTS();
		b->nn->attention(&a, h, Min(group, config->heads - h), b->scratch);
	}
}

/* context from x: norm, queries, keys and values, attention. */
static void
attend(Batch *b, int l)
{
	const VsModelConfig *config = &b->model->config;
	const VsLayer *layer = &b->model->layers[l];
	int			in = layer_input(config, l);
	int			head_dim = layer_head_dim(config, l);
	int			first = 0;

	for (int at = 0; at < b->rows; at += b->slice)
	{
		int			m = Min(b->slice, b->rows - at);
		float	   *x = b->x + (Size) at * in;

		if (config->pre_norm)
		{
			float	   *y = b->y + (Size) at * in;

			norm(b, m, in, x, &layer->attention_norm, y);
			x = y;
		}
		linear(b, &layer->qkv, m, x, VS_ACT_NONE, VS_COMBINE_SET,
			   b->qkv + (Size) at * layer->qkv.n);
	}
	if (config->position_kind == VS_POSITION_ROTARY)
		rotate(b, head_dim);
	for (int t = 0; t < b->ntexts; t++)
	{
		if (b->texts[t].count > 0)
			attend_text(b, first, b->texts[t].count, head_dim);
		first += b->texts[t].count;
	}
}

/* The feed-forward part of m rows, added to x; y has room for their norm. */
static void
feed_forward(Batch *b, const VsLayer *layer, int m, float *x, float *y)
{
	const VsModelConfig *config = &b->model->config;
	VsActivation act = config->activation;
	const float *from = x;
	float	   *hidden = b->qkv;	/* not needed any more */

	if (config->pre_norm)
	{
		norm(b, m, config->width, x, &layer->ffn_norm, y);
		from = y;
	}
	if (config->ffn_gated)
	{
		linear(b, &layer->gate, m, from, act, VS_COMBINE_SET, hidden);
		linear(b, &layer->up, m, from, VS_ACT_NONE, VS_COMBINE_MUL, hidden);
	}
	else
		linear(b, &layer->up, m, from, act, VS_COMBINE_SET, hidden);
	linear(b, &layer->down, m, hidden, VS_ACT_NONE, VS_COMBINE_ADD, x);
	if (!config->pre_norm)
		norm(b, m, config->width, x, &layer->ffn_norm, x);
}

/*
 * x + its projected context: in x, or, if the layer changes the width, in y,
 * which then becomes x.
 */
static void
run_layer(Batch *b, int l)
{
	const VsModelConfig *config = &b->model->config;
	const VsLayer *layer = &b->model->layers[l];
	int			width = config->width;
	bool		widens = layer->residual.packed != NULL;
	float	   *x = b->x;
	float	   *y = b->y;

	attend(b, l);
	if (widens)
	{
		for (int at = 0; at < b->rows; at += b->slice)
			linear(b, &layer->residual, Min(b->slice, b->rows - at),
				   x + (Size) at * layer->residual.k,
				   VS_ACT_NONE, VS_COMBINE_SET, y + (Size) at * width);
		x = b->y;
		y = b->x;
		b->x = x;
		b->y = y;
	}
	for (int at = 0; at < b->rows; at += b->slice)
	{
		int			m = Min(b->slice, b->rows - at);
		float	   *rows = x + (Size) at * width;

		linear(b, &layer->out, m, b->context + (Size) at * layer->out.k,
			   VS_ACT_NONE, VS_COMBINE_ADD, rows);
		if (!config->pre_norm)
			norm(b, m, width, rows, &layer->attention_norm, rows);
		feed_forward(b, layer, m, rows, y ? y + (Size) at * width : NULL);
	}
}

/* ------------------------------------------------------------------------
 * Pooling and what follows
 * ------------------------------------------------------------------------ */

/* out = sum of the rows first .. count - 1, times their number if weighted */
static void
sum_rows(const Batch *b, const float *x, int first, int count, bool weighted,
		 float *out)
{
	int			width = b->model->config.width;

	memset(out, 0, sizeof(float) * width);
	for (int i = first; i < count; i++)
		b->nn->row_add[VS_WEIGHT_FLOAT32] (width, x + (Size) i * width,
										   weighted ? i + 1.0f : 1.0f, out);
}

static void
divide(int n, float *x, double by)
{
	for (int i = 0; i < n; i++)
		x[i] = (float) (x[i] / by);
}

/* One way of pooling rows first .. count - 1 (one at least). */
static void
pool_one(const Batch *b, VsPooling pooling, const float *x, int first,
		 int count, float *out)
{
	int			width = b->model->config.width;
	int			n = count - first;

	switch (pooling)
	{
		case VS_POOL_CLS:
			/* that of the first token even if it belongs to a prompt */
			memcpy(out, x, sizeof(float) * width);
			break;
		case VS_POOL_MAX:
			memcpy(out, x + (Size) first * width, sizeof(float) * width);
			for (int i = first + 1; i < count; i++)
			{
				for (int j = 0; j < width; j++)
					out[j] = Max(out[j], x[(Size) i * width + j]);
			}
			break;
		case VS_POOL_MEAN:
			sum_rows(b, x, first, count, false, out);
			divide(width, out, n);
			break;
		case VS_POOL_MEAN_SQRT_LEN:
			sum_rows(b, x, first, count, false, out);
			divide(width, out, sqrt(n));
			break;
		case VS_POOL_WEIGHTED_MEAN:
			sum_rows(b, x, first, count, true, out);
			/* the sum of first + 1 .. count */
			divide(width, out, (double) n * (first + 1 + count) / 2);
			break;
		case VS_POOL_LAST_TOKEN:
			memcpy(out, x + (Size) (count - 1) * width, sizeof(float) * width);
			break;
	}
}

/* Pool all texts into pooled[0], whose rows are pooled_width() wide. */
static void
pool(Batch *b)
{
	const VsModelConfig *config = &b->model->config;
	const float *x = b->x;
	float	   *out = b->pooled[0];

	memset(out, 0, sizeof(float) * b->ntexts * pooled_width(config));
	for (int t = 0; t < b->ntexts; t++)
	{
		const VsEncoderInput *text = &b->texts[t];
		int			skip = Max(text->skip, 0);

		CHECK_FOR_INTERRUPTS();
		for (int pooling = VS_POOL_CLS; pooling <= VS_POOL_LAST_TOKEN;
			 pooling <<= 1)
		{
			if ((config->pooling & pooling) == 0)
				continue;
			if (skip < text->count)
				pool_one(b, pooling, x, skip, text->count, out);
			out += config->width;
		}
		x += (Size) text->count * config->width;
	}
}

/* To length 1. */
static void
normalize(int n, float *x)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) x[i] * x[i];
	divide(n, x, Max(sqrt(sum), MIN_NORM));
}

/* Run a stage on all pooled vectors in from; gives where its result is. */
static float *
run_stage(Batch *b, int i, float *from, float *spare)
{
	const VsStage *stage = &b->model->config.stages[i];
	const VsStageWeights *weights = &b->model->stages[i];

	switch (stage->kind)
	{
		case VS_STAGE_DENSE:
			for (int at = 0; at < b->ntexts; at += MIN_SLICE)
				linear(b, &weights->dense, Min(MIN_SLICE, b->ntexts - at),
					   from + (Size) at * stage->in, stage->activation,
					   VS_COMBINE_SET, spare + (Size) at * stage->out);
			return spare;
		case VS_STAGE_LAYER_NORM:
			b->nn->layer_norm(b->ntexts, stage->in, from, stage->in, stage->eps,
							  weights->norm.weight, weights->norm.bias,
							  from, stage->in);
			return from;
		case VS_STAGE_NORMALIZE:
			for (int t = 0; t < b->ntexts; t++)
				normalize(stage->in, from + (Size) t * stage->in);
			return from;
	}
	elog(ERROR, "unknown stage %d", stage->kind);
}

static void
check_finite(const Batch *b, const float *x, Size n)
{
	for (Size i = 0; i < n; i++)
	{
		if (!isfinite(x[i]))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("model %s gives a vector that is not finite",
							b->model->hash)));
	}
}

/* out [ntexts, dim] from the texts of the batch. */
static void
run_batch(Batch *b, float *out)
{
	const VsModelConfig *config = &b->model->config;
	Size		size = (Size) b->ntexts * config->dim;
	float	   *from;

	embed(b);
	for (int l = 0; l < config->layers; l++)
		run_layer(b, l);
	if (config->final_norm)
		norm(b, b->rows, config->width, b->x, &b->model->final_norm, b->x);
	pool(b);
	from = b->pooled[0];
	for (int i = 0; i < config->stage_count; i++)
		from = run_stage(b, i, from,
						 from == b->pooled[0] ? b->pooled[1] : b->pooled[0]);
	check_finite(b, from, size);
	memcpy(out, from, sizeof(float) * size);
}
