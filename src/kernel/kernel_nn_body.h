/*
 * kernel_nn_body.h
 *		The loops of an encoder on vectors: included once by the file of each
 *		instruction set, which has defined before
 *
 *		TARGET, INLINE		attributes of functions, and of those to be inlined
 *		V, VW				a vector of VW floats; VW divides VS_NN_PANEL
 *		TILE_ROWS_1..3		most rows of a tile of 1..3 panels; 0 if there are
 *							no such tiles
 *		v_zero() v_set1(f) v_load(p) v_store(p, x)
 *		v_load_few(p, n) v_store_few(p, n, x) v_keep(n, x)
 *							the first n < VW lanes, others zero or left alone
 *		v_load_half(p) v_load_bfloat(p) v_load_int8(p)
 *							VW numbers, unaligned
 *		v_add v_sub v_mul v_div
 *		v_fma(a, b, c) v_fnma(a, b, c)
 *							c + a b and c - a b, rounded once
 *		v_max(a, b) v_min(a, b)
 *							b where either is a NaN, or a NaN
 *		v_abs(x) v_round(x) to the nearest integer
 *		v_scale(x, n)		x 2^n for normal results; n an integral float
 *		v_if_less(a, b, x, y)	a < b ? x : y
 *		v_sum(x) v_most(x)	over the lanes, in a fixed order
 *
 * Sums of a linear layer are fused multiply-adds, k ascending, into one
 * accumulator per output: blocks of k only put it aside in between.  What is
 * done to a sum does not depend on where in a tile it was made.  Products that
 * are added are fused by hand here, so that nothing is left for the compiler
 * to fuse in one place and not in another.
 */
#include <float.h>
#include <math.h>

#define PANEL_VECS	(VS_NN_PANEL / VW)

/* Elementary functions */

/*
 * exp(x), x limited to what has a normal result: 2^n exp(r) with |r| <=
 * ln(2)/2, ln 2 in two parts.  Before rounding, the polynomial's error is 8e-9.
 */
INLINE		V
v_exp(V x)
{
	V			n;
	V			r;
	V			p;

	x = v_min(v_set1(88.37f), v_max(v_set1(-87.3f), x));
	n = v_round(v_mul(x, v_set1(1.44269504f)));
	r = v_fnma(n, v_set1(0.693359375f), x);
	r = v_fnma(n, v_set1(-2.12194440e-4f), r);
	p = v_fma(v_set1(1.3941120e-3f), r, v_set1(8.3631799e-3f));
	p = v_fma(p, r, v_set1(4.1666374e-2f));
	p = v_fma(p, r, v_set1(1.6666576e-1f));
	p = v_fma(p, r, v_set1(0.5f));
	p = v_fma(p, v_mul(r, r), v_add(r, v_set1(1.0f)));
	return v_scale(p, n);
}

/*
 * x/2 (1 + erf(x / sqrt 2)) = max(x, 0) - |x|/2 erfc(u), u = |x| / sqrt 2, and
 * erfc(u) = exp(-u^2) t P(t), t = 1 / (1 + 0.39 u), P fitted by us for the
 * least absolute error (1.3e-8) of the whole.
 */
INLINE		V
v_gelu(V x)
{
	V			half = v_mul(v_abs(x), v_set1(0.5f));
	V			u = v_mul(v_abs(x), v_set1(0.70710678f));
	V			t = v_div(v_set1(1.0f), v_fma(u, v_set1(0.39f), v_set1(1.0f)));
	V			p;

	p = v_fma(v_set1(-2.2537670e-1f), t, v_set1(8.7807274e-1f));
	p = v_fma(p, t, v_set1(-6.2182832e-1f));
	p = v_fma(p, t, v_set1(6.3891637e-1f));
	p = v_fma(p, t, v_set1(9.5530875e-2f));
	p = v_fma(p, t, v_set1(2.3468515e-1f));
	p = v_mul(v_mul(p, t), half);
	return v_fnma(p, v_exp(v_fnma(u, u, v_zero())), v_max(v_zero(), x));
}

/* x / (1 + exp(-y)) */
INLINE		V
v_gate(V x, V y)
{
	return v_div(x, v_add(v_set1(1.0f), v_exp(v_sub(v_zero(), y))));
}

/* Near 0 an odd polynomial, so that small results are right to the last bits. */
INLINE		V
v_tanh(V x)
{
	V			square = v_mul(x, x);
	V			far = v_sub(v_set1(1.0f),
							v_div(v_set1(2.0f),
								  v_add(v_exp(v_add(x, x)), v_set1(1.0f))));
	V			p;

	p = v_fma(v_set1(-6.1127627e-3f), square, v_set1(2.1009786e-2f));
	p = v_fma(p, square, v_set1(-5.3854007e-2f));
	p = v_fma(p, square, v_set1(1.3332795e-1f));
	p = v_fma(p, square, v_set1(-3.3333328e-1f));
	p = v_fma(v_mul(p, square), x, x);
	return v_if_less(v_abs(x), v_set1(0.625f), p, far);
}

/* sqrt(2/pi) (x + 0.044715 x^3), twice: gelu_tanh is x / (1 + exp(-that)) */
INLINE		V
v_gelu_tanh(V x)
{
	V			p = v_fma(v_mul(x, x), v_set1(0.071354816f),
						  v_set1(1.5957691f));

	return v_gate(x, v_mul(x, p));
}

/*
 * Largest errors against double, measured by kernel_nn_test over |x| <= 100 on
 * AVX2 and AVX-512: tanh 1.8e-7; relative to max(|x|, 1): gelu 0.8e-7,
 * gelu_tanh 1.2e-7, silu and quick_gelu 1.1e-7.
 */
INLINE		V
v_activate(VsActivation act, V x)
{
	switch (act)
	{
		case VS_ACT_NONE:
			break;
		case VS_ACT_RELU:
			return v_max(v_zero(), x);
		case VS_ACT_GELU:
			return v_gelu(x);
		case VS_ACT_GELU_TANH:
			return v_gelu_tanh(x);
		case VS_ACT_SILU:
			return v_gate(x, x);
		case VS_ACT_TANH:
			return v_tanh(x);
		case VS_ACT_QUICK_GELU:
			return v_gate(x, v_mul(x, v_set1(1.702f)));
	}
	return x;
}

/* count <= VW floats */
INLINE		V
v_load_part(const float *p, int count)
{
	return count >= VW ? v_load(p) : v_load_few(p, count);
}

INLINE void
v_store_part(float *p, int count, V x)
{
	if (count >= VW)
		v_store(p, x);
	else
		v_store_few(p, count, x);
}

/* Calls call(act) with a constant. */
#define for_activation(act, call) \
	switch (act) \
	{ \
		case VS_ACT_NONE: call(VS_ACT_NONE); break; \
		case VS_ACT_RELU: call(VS_ACT_RELU); break; \
		case VS_ACT_GELU: call(VS_ACT_GELU); break; \
		case VS_ACT_GELU_TANH: call(VS_ACT_GELU_TANH); break; \
		case VS_ACT_SILU: call(VS_ACT_SILU); break; \
		case VS_ACT_TANH: call(VS_ACT_TANH); break; \
		case VS_ACT_QUICK_GELU: call(VS_ACT_QUICK_GELU); break; \
	}

INLINE void
activate_as(VsActivation act, int n, float *x)
{
	for (int i = 0; i < n; i += VW)
		v_store_part(x + i, n - i,
					 v_activate(act, v_load_part(x + i, n - i)));
}

TARGET static void
activate(VsActivation act, int n, float *x)
{
#define call(constant)	activate_as(constant, n, x)
	for_activation(act, call);
#undef call
}

/* Tiles */

/*
 * A tile is rows x panels sums, kept in registers over a block of k.  Of the
 * panels, the part of the block begins at b, b + panel_bytes, ...; rows of a
 * are NN_BLOCK floats apart.  Sums come from c and go there, ldc floats from
 * row to row; the first block starts from zero.
 *
 * Meanwhile the memory that is wanted next is brought nearer: of each panel
 * prefetch_step bytes for each k, from prefetch on.
 */
typedef struct Tile
{
	const void *b;
	size_t		panel_bytes;
	const char *prefetch;
	size_t		prefetch_panel;
	size_t		prefetch_step;
	const float *a;
	int			k;
	bool		first;
	float	   *c;
	size_t		ldc;
} Tile;

typedef void (*TileFunction) (const Tile *tile);

#define TILE_ROWS_MAX	8

/* The accumulators have names: gcc would keep an array of them in memory. */
#define each_row(x)		x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7)
#define each_vec(x, r) \
	x(r, 0) x(r, 1) x(r, 2) x(r, 3) x(r, 4) x(r, 5) x(r, 6) x(r, 7)

/* VW numbers of a format as floats. */
INLINE		V
v_load_number(VsWeightFormat format, const void *p)
{
	switch (format)
	{
		case VS_WEIGHT_FLOAT32:
			return v_load(p);
		case VS_WEIGHT_FLOAT16:
			return v_load_half(p);
		case VS_WEIGHT_BFLOAT16:
			return v_load_bfloat(p);
		case VS_WEIGHT_INT8:
			break;
	}
	return v_load_int8(p);
}

/* rows, panels and format are constants: what a tile has not falls away. */
INLINE void
run_tile(const int rows, const int panels, const VsWeightFormat format,
		 const Tile *tile)
{
	const int	vecs = panels * PANEL_VECS;
	const size_t width = VS_WEIGHT_WIDTH(format);
	const size_t panel_bytes = tile->panel_bytes;
	const size_t prefetch_panel = tile->prefetch_panel;
	const size_t prefetch_step = tile->prefetch_step;
	const char *b = tile->b;
	const char *prefetch = tile->prefetch;
	const float *a = tile->a;
	const float *end = a + tile->k;
	const size_t ldc = tile->ldc;
	float	   *c = tile->c;

#define declare(r, j)	V c##r##j = v_zero();
#define declare_row(r)	each_vec(declare, r)
	each_row(declare_row)
#undef declare_row
#undef declare

#define load(r, j) \
	if (r < rows && j < vecs) \
		c##r##j = v_load(c + r * ldc + j * VW);
#define load_row(r)		each_vec(load, r)
		if (!tile->first)
	{
		each_row(load_row)
	}
#undef load_row
#undef load

	for (; a < end; a++)
	{
#define weight(r, j) \
		const V		b##j = j < vecs ? \
			v_load_number(format, b + j / PANEL_VECS * panel_bytes + \
						  j % PANEL_VECS * VW * width) : v_zero();
		each_vec(weight,)
#undef weight
			__builtin_prefetch(prefetch, 0, 2);
		if (panels > 1)
			__builtin_prefetch(prefetch + prefetch_panel, 0, 2);
		if (panels > 2)
			__builtin_prefetch(prefetch + 2 * prefetch_panel, 0, 2);
#define add(r, j) \
			if (j < vecs) \
				c##r##j = v_fma(factor, b##j, c##r##j);
#define add_row(r) \
		if (r < rows) \
		{ \
			const V		factor = v_set1(a[r * NN_BLOCK]); \
			each_vec(add, r) \
		}
		each_row(add_row)
#undef add_row
#undef add
			b += VS_NN_PANEL * width;
		prefetch += prefetch_step;
	}

#define store(r, j) \
	if (r < rows && j < vecs) \
		v_store(c + r * ldc + j * VW, c##r##j);
#define store_row(r)	each_vec(store, r)
	each_row(store_row)
#undef store_row
#undef store
}

#define tile_function(rows, panels, name, format) \
TARGET static void \
tile_##name##_##panels##_##rows(const Tile *tile) \
{ \
	run_tile(rows <= TILE_ROWS_##panels ? rows : 0, panels, format, tile); \
}
#define tile_functions(panels, name, format) \
	tile_function(1, panels, name, format) \
	tile_function(2, panels, name, format) \
	tile_function(3, panels, name, format) \
	tile_function(4, panels, name, format) \
	tile_function(5, panels, name, format) \
	tile_function(6, panels, name, format) \
	tile_function(7, panels, name, format) \
	tile_function(8, panels, name, format)
#define tile_format(name, format) \
	tile_functions(1, name, format) \
	tile_functions(2, name, format) \
	tile_functions(3, name, format)

tile_format(float32, VS_WEIGHT_FLOAT32)
tile_format(float16, VS_WEIGHT_FLOAT16)
tile_format(bfloat16, VS_WEIGHT_BFLOAT16)
tile_format(int8, VS_WEIGHT_INT8)

#define tile_list(panels, name) \
	{ \
		tile_##name##_##panels##_1, tile_##name##_##panels##_2, \
		tile_##name##_##panels##_3, tile_##name##_##panels##_4, \
		tile_##name##_##panels##_5, tile_##name##_##panels##_6, \
		tile_##name##_##panels##_7, tile_##name##_##panels##_8 \
	}
#define tile_lists(name) \
	{tile_list(1, name), tile_list(2, name), tile_list(3, name)}

/* By format, panels - 1, rows - 1. */
static const TileFunction tiles[VS_WEIGHT_FORMAT_COUNT][3][TILE_ROWS_MAX] = {
	tile_lists(float32),
	tile_lists(float16),
	tile_lists(bfloat16),
	tile_lists(int8),
};

/* Panels of the next tile, of those left, for tiles of that many rows. */
static int
tile_panels(int rows, int left)
{
	if (rows <= TILE_ROWS_3 && left >= 3 && left != 4)
		return 3;
	if (rows <= TILE_ROWS_2 && left >= 2)
		return 2;
	return 1;
}

/* Linear layers */

/* From this many row blocks on, weights are turned into floats just once. */
#define EXPAND_BLOCKS	3

/* A chunk of rows going through a layer. */
typedef struct Chunk
{
	const VsLinear *layer;
	int			rows;
	int			blocks;			/* of at most TILE_ROWS_1 rows */
	int			tile_rows;		/* rows of the largest block */
	float	   *a;				/* the rows of x, in blocks of NN_BLOCK of k */
	float	   *c;				/* sums, NN_GROUP a row */
	float	   *expanded;		/* a block of a group's panels as floats */
} Chunk;

TARGET static void
copy_rows(const Chunk *chunk, const float *x, size_t ldx)
{
	float	   *a = chunk->a;

	for (int first = 0; first < chunk->layer->k; first += NN_BLOCK)
	{
		int			left = chunk->layer->k - first;
		int			n = left < NN_BLOCK ? left : NN_BLOCK;

		for (int i = 0; i < chunk->rows; i++, a += NN_BLOCK)
			memcpy(a, x + i * ldx + first, n * sizeof(float));
	}
}

INLINE void
expand_as(VsWeightFormat format, int count, const char *from, float *to)
{
	for (int i = 0; i < count; i += VW)
		v_store(to + i, v_load_number(format,
									  from + (size_t) i * VS_WEIGHT_WIDTH(format)));
}

/* count numbers, a multiple of VS_NN_PANEL */
TARGET static void
expand(VsWeightFormat format, int count, const char *from, float *to)
{
	switch (format)
	{
		case VS_WEIGHT_FLOAT32:
			expand_as(VS_WEIGHT_FLOAT32, count, from, to);
			break;
		case VS_WEIGHT_FLOAT16:
			expand_as(VS_WEIGHT_FLOAT16, count, from, to);
			break;
		case VS_WEIGHT_BFLOAT16:
			expand_as(VS_WEIGHT_BFLOAT16, count, from, to);
			break;
		case VS_WEIGHT_INT8:
			expand_as(VS_WEIGHT_INT8, count, from, to);
			break;
	}
}

/*
 * The sums of a chunk over one block of k, for the panels from first_panel
 * on.  What is prefetched is what comes next: the panels' next block, or the
 * first block of the panels after them.
 */
TARGET static void
add_block(const Chunk *chunk, int first_panel, int panels, int first_k)
{
	const VsLinear *layer = chunk->layer;
	const size_t row_bytes = VS_NN_PANEL * VS_WEIGHT_WIDTH(layer->format);
	const size_t panel_bytes = row_bytes * layer->k;
	const char *group = (const char *) layer->packed +
	first_panel * panel_bytes;
	const int	left = layer->k - first_k;
	const int	n = left < NN_BLOCK ? left : NN_BLOCK;
	const char *next = left > n ? group + (first_k + n) * row_bytes :
	first_panel + 2 * panels <= (int) VS_NN_PANELS(layer->n) ?
	group + panels * panel_bytes : group;
	VsWeightFormat format = layer->format;
	Tile		tile;

	tile.b = group + first_k * row_bytes;
	tile.panel_bytes = panel_bytes;
	tile.prefetch_panel = panel_bytes;
	tile.prefetch_step = (row_bytes + chunk->blocks - 1) / chunk->blocks;
	tile.k = n;
	tile.first = first_k == 0;
	tile.ldc = NN_GROUP;

	if (format != VS_WEIGHT_FLOAT32 && chunk->blocks >= EXPAND_BLOCKS)
	{
		for (int p = 0; p < panels; p++)
			expand(format, n * VS_NN_PANEL,
				   (const char *) tile.b + p * panel_bytes,
				   chunk->expanded + p * NN_BLOCK * VS_NN_PANEL);
		tile.b = chunk->expanded;
		tile.panel_bytes = NN_BLOCK * VS_NN_PANEL * sizeof(float);
		format = VS_WEIGHT_FLOAT32;
	}
	for (int i = 0; i < chunk->blocks; i++)
	{
		int			row = chunk->rows * i / chunk->blocks;
		int			rows = chunk->rows * (i + 1) / chunk->blocks - row;

		tile.a = chunk->a + (size_t) first_k * chunk->rows +
			(size_t) row * NN_BLOCK;
		tile.c = chunk->c + (size_t) row * NN_GROUP;
		tile.prefetch = next + i * tile.prefetch_step * n;
		tiles[format][panels - 1][rows - 1] (&tile);
	}
}

/* Where the sums of a group go: to count outputs of each row of out. */
typedef struct Finish
{
	int			rows;
	int			count;
	const float *sums;			/* NN_GROUP floats a row */
	const float *scales;		/* of whole panels, or NULL */
	const float *bias;			/* of count outputs, or NULL */
	VsCombine	combine;
	float	   *out;
	size_t		ldo;
} Finish;

INLINE void
finish_vec(VsActivation act, const Finish *f, int row, int j, int count)
{
	float	   *out = f->out + row * f->ldo + j;
	V			r = v_load(f->sums + row * NN_GROUP + j);
	V			bias = f->bias ? v_load_part(f->bias + j, count) : v_zero();

	r = f->scales ? v_fma(r, v_load(f->scales + j), bias) : v_add(r, bias);
	r = v_activate(act, r);
	if (f->combine == VS_COMBINE_ADD)
		r = v_add(v_load_part(out, count), r);
	else if (f->combine == VS_COMBINE_MUL)
		r = v_mul(v_load_part(out, count), r);
	v_store_part(out, count, r);
}

INLINE void
finish_as(VsActivation act, const Finish *f)
{
	for (int row = 0; row < f->rows; row++)
	{
		int			j = 0;

		for (; j + VW <= f->count; j += VW)
			finish_vec(act, f, row, j, VW);
		if (j < f->count)
			finish_vec(act, f, row, j, f->count - j);
	}
}

TARGET static void
finish(VsActivation act, const Finish *f)
{
#define call(constant)	finish_as(constant, f)
	for_activation(act, call);
#undef call
}

TARGET static void
linear(const VsLinear *layer, int m, const float *x, size_t ldx,
	   VsActivation act, VsCombine combine, float *out, size_t ldo,
	   void *scratch)
{
	const int	most = nn_chunk_rows(layer->k);
	const int	panels = (int) VS_NN_PANELS(layer->n);
	const int	chunks = (m + most - 1) / most;
	Chunk		chunk;

	chunk.layer = layer;
	chunk.c = scratch;
	chunk.expanded = chunk.c + NN_CHUNK_ROWS_MAX * NN_GROUP;
	chunk.a = chunk.expanded + NN_BLOCK * NN_GROUP;

	for (int i = 0; i < chunks; i++)
	{
		size_t		row = (size_t) m * i / chunks;

		chunk.rows = (int) ((size_t) m * (i + 1) / chunks - row);
		chunk.blocks = (chunk.rows + TILE_ROWS_1 - 1) / TILE_ROWS_1;
		chunk.tile_rows = (chunk.rows + chunk.blocks - 1) / chunk.blocks;
		copy_rows(&chunk, x + row * ldx, ldx);

		for (int p = 0, width; p < panels; p += width)
		{
			int			first = p * VS_NN_PANEL;
			Finish		f;

			width = tile_panels(chunk.tile_rows, panels - p);
			for (int k = 0; k < layer->k; k += NN_BLOCK)
				add_block(&chunk, p, width, k);

			f.rows = chunk.rows;
			f.count = layer->n - first < width * VS_NN_PANEL ?
				layer->n - first : width * VS_NN_PANEL;
			f.sums = chunk.c;
			f.scales = layer->format == VS_WEIGHT_INT8 ?
				nn_scales(layer) + first : NULL;
			f.bias = layer->bias ? layer->bias + first : NULL;
			f.combine = combine;
			f.out = out + row * ldo + first;
			f.ldo = ldo;
			finish(act, &f);
		}
	}
}

/* Softmax */

TARGET static float
largest(int n, const float *x, float most)
{
	V			v = v_set1(most);
	int			i = 0;

	for (; i + VW <= n; i += VW)
		v = v_max(v_load(x + i), v);
	most = v_most(v);
	for (; i < n; i++)
		most = x[i] > most ? x[i] : most;
	return most;
}

/* exp(x - most), and zero where that is too small for a normal float */
INLINE		V
v_exp_below(V x, V most)
{
	V			d = v_sub(x, most);

	return v_if_less(d, v_set1(-87.3f), v_zero(), v_exp(d));
}

/* x becomes exp(x - most); returns the sum. */
TARGET static float
exp_row(int n, float *x, float most)
{
	const		V shift = v_set1(most);
	V			sum = v_zero();
	int			i = 0;

	for (; i + VW <= n; i += VW)
	{
		V			e = v_exp_below(v_load(x + i), shift);

		v_store(x + i, e);
		sum = v_add(sum, e);
	}
	if (i < n)
	{
		V			e = v_exp_below(v_load_few(x + i, n - i), shift);

		v_store_few(x + i, n - i, e);
		sum = v_add(sum, v_keep(n - i, e));
	}
	return v_sum(sum);
}

TARGET static void
scale_floats(int n, float *x, float factor)
{
	for (int i = 0; i < n; i += VW)
		v_store_part(x + i, n - i,
					 v_mul(v_load_part(x + i, n - i), v_set1(factor)));
}

TARGET static void
softmax(int n, float *x)
{
	float		sum = exp_row(n, x, largest(n, x, -FLT_MAX));

	scale_floats(n, x, 1.0f / sum);
}

/* Attention */

/*
 * Keys are taken in blocks, and of queries as many rows as a tile has.  A
 * block of keys makes panels as a weight does, with the keys for outputs; so
 * do its values.  Where there are several blocks, the result so far is scaled
 * down whenever a block has a larger score (arXiv 1805.02867).
 *
 * Rows of NN_BLOCK floats, which tiles want, come in pieces: element i of row
 * r is piece[(i / NN_BLOCK * NN_QUERIES + r) * NN_BLOCK + i % NN_BLOCK].
 */
typedef struct Head
{
	const VsAttention *a;
	int			head;
	int			key_block;		/* keys at a time */
	int			wide;			/* head_dim in whole panels */
	int			first_key;
	int			keys;			/* of the block at work */
	float	   *most;			/* of each query, so far */
	float	   *sum;
	float	   *key_panels;		/* [panel][head_dim][VS_NN_PANEL] */
	float	   *value_panels;	/* [panel][keys][VS_NN_PANEL] */
	float	   *query;			/* pieces of rows */
	float	   *scores;			/* pieces of rows */
	float	   *result;			/* NN_QUERIES rows of wide */
} Head;

typedef float Four __attribute__((vector_size(16), aligned(4)));

/* Of clang and gcc since 12; what older ones call it, clang does not know. */
#if defined(__clang__) || __GNUC__ >= 12
#define shuffle_4(a, b, ...)	__builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int FourPlaces __attribute__((vector_size(16)));
#define shuffle_4(a, b, ...)	__builtin_shuffle(a, b, (FourPlaces) {__VA_ARGS__})
#endif

/* 4 x 4 floats, turned; rows ld floats apart. */
INLINE void
transpose_4(const float *from, size_t ld, float *to)
{
	Four		r0,
				r1,
				r2,
				r3,
				a,
				b,
				c,
				d;

	memcpy(&r0, from, sizeof(r0));
	memcpy(&r1, from + ld, sizeof(r1));
	memcpy(&r2, from + 2 * ld, sizeof(r2));
	memcpy(&r3, from + 3 * ld, sizeof(r3));
	a = shuffle_4(r0, r1, 0, 4, 1, 5);
	b = shuffle_4(r2, r3, 0, 4, 1, 5);
	c = shuffle_4(r0, r1, 2, 6, 3, 7);
	d = shuffle_4(r2, r3, 2, 6, 3, 7);
	r0 = shuffle_4(a, b, 0, 1, 4, 5);
	r1 = shuffle_4(a, b, 2, 3, 6, 7);
	r2 = shuffle_4(c, d, 0, 1, 4, 5);
	r3 = shuffle_4(c, d, 2, 3, 6, 7);
	memcpy(to, &r0, sizeof(r0));
	memcpy(to + VS_NN_PANEL, &r1, sizeof(r1));
	memcpy(to + 2 * VS_NN_PANEL, &r2, sizeof(r2));
	memcpy(to + 3 * VS_NN_PANEL, &r3, sizeof(r3));
}

/* Keys past the last one are left as they are: nobody looks at their scores. */
TARGET static void
pack_keys(const Head *h)
{
	const int	dim = h->a->head_dim;
	const size_t stride = h->a->stride;

	for (int j = 0; j < h->keys; j += 4)
	{
		const float *from = h->a->k + (h->first_key + j) * stride +
		(size_t) h->head * dim;
		float	   *to = h->key_panels +
		(size_t) (j / VS_NN_PANEL) * VS_NN_PANEL * dim + j % VS_NN_PANEL;
		int			few = h->keys - j < 4 ? h->keys - j : 4;
		int			i = 0;

		for (; few == 4 && i + 4 <= dim; i += 4)
			transpose_4(from + i, stride, to + i * VS_NN_PANEL);
		for (; i < dim; i++)
			for (int r = 0; r < few; r++)
				to[i * VS_NN_PANEL + r] = from[r * stride + i];
	}
}

TARGET static void
pack_values(const Head *h)
{
	const int	dim = h->a->head_dim;

	for (int first = 0; first < dim; first += VS_NN_PANEL)
	{
		const float *from = h->a->v + h->first_key * h->a->stride +
		(size_t) h->head * dim + first;
		float	   *to = h->value_panels + (size_t) first * h->keys;
		int			n = dim - first < VS_NN_PANEL ? dim - first : VS_NN_PANEL;

		for (int j = 0; j < h->keys; j++, to += VS_NN_PANEL)
			if (n == VS_NN_PANEL)
				memcpy(to, from + j * h->a->stride, VS_NN_PANEL * sizeof(float));
			else
			{
				memset(to, 0, VS_NN_PANEL * sizeof(float));
				memcpy(to, from + j * h->a->stride, n * sizeof(float));
			}
	}
}

/* The queries, with the scale that scores want. */
TARGET static void
copy_queries(const Head *h, int first, int rows)
{
	const int	dim = h->a->head_dim;
	const		V scale = v_set1(h->a->scale);

	for (int r = 0; r < rows; r++)
	{
		const float *from = h->a->q + (first + r) * h->a->stride +
		(size_t) h->head * dim;

		for (int i = 0; i < dim; i += VW)
		{
			float	   *to = h->query +
			(i / NN_BLOCK * NN_QUERIES + r) * NN_BLOCK + i % NN_BLOCK;

			v_store(to, v_mul(v_load_part(from + i, dim - i), scale));
		}
	}
}

/*
 * Product of pieces of rows, k numbers each, with panels of k rows; panel p
 * of the result goes to out + p * VS_NN_PANEL if split is false, else to its
 * place among pieces of rows.
 */
TARGET static void
multiply_pieces(int rows, int k, const float *a, int panels, const float *b,
				float *out, size_t ldc, bool split)
{
	const int	per_piece = NN_BLOCK / VS_NN_PANEL;
	Tile		tile;

	tile.panel_bytes = (size_t) k * VS_NN_PANEL * sizeof(float);
	tile.prefetch_panel = 0;
	tile.prefetch_step = 0;
	tile.ldc = ldc;
	for (int p = 0, width; p < panels; p += width)
	{
		const float *group = b + (size_t) p * VS_NN_PANEL * k;

		width = tile_panels(rows, panels - p);
		tile.c = out + (size_t) p * VS_NN_PANEL;
		if (split)
		{
			if (width > per_piece - p % per_piece)
				width = 1;
			tile.c = out + (p / per_piece * NN_QUERIES * per_piece +
							p % per_piece) * VS_NN_PANEL;
		}
		for (int i = 0; i < k; i += NN_BLOCK)
		{
			tile.b = group + (size_t) i * VS_NN_PANEL;
			tile.prefetch = tile.b;
			tile.a = a + (size_t) i * NN_QUERIES;
			tile.k = k - i < NN_BLOCK ? k - i : NN_BLOCK;
			tile.first = i == 0;
			tiles[VS_WEIGHT_FLOAT32][width - 1][rows - 1] (&tile);
		}
	}
}

TARGET static void
add_floats(int n, const float *x, float *out)
{
	for (int i = 0; i < n; i += VW)
		v_store_part(out + i, n - i, v_add(v_load_part(out + i, n - i),
										   v_load_part(x + i, n - i)));
}

/*
 * The scores of one query become exp(score - largest so far).  Returns the
 * factor by which what came before is to be scaled.
 */
TARGET static float
weigh_scores(const Head *h, int query, float *scores)
{
	const VsAttention *a = h->a;
	const bool	first = h->first_key == 0;
	const size_t piece = NN_QUERIES * NN_BLOCK;
	float		most = first ? -FLT_MAX : h->most[query];
	float		sum = 0.0f;
	float		before;

#define for_pieces(statement) \
	for (int i = 0; i < h->keys; i += NN_BLOCK) \
	{ \
		const int	n = h->keys - i < NN_BLOCK ? h->keys - i : NN_BLOCK; \
		float	   *s = scores + (size_t) (i / NN_BLOCK) * piece; \
		statement; \
	}

	if (a->bias)
	{
		const float *bias = a->bias + h->head * a->bias_stride +
		(a->tokens - 1 + h->first_key - query);

		for_pieces(add_floats(n, bias + i, s));
	}
	for_pieces(most = largest(n, s, most));
	for_pieces(sum += exp_row(n, s, most));
#undef for_pieces

	before = first ? 0.0f : h->most[query] - most;
	exp_row(1, &before, 0.0f);
	h->sum[query] = first ? sum : fmaf(h->sum[query], before, sum);
	h->most[query] = most;
	return before;
}

/* out = (out * before + result) * after; out is not read at the first block */
TARGET static void
add_result(const Head *h, int query, const float *result, float before)
{
	const int	dim = h->a->head_dim;
	const bool	first = h->first_key == 0;
	const bool	last = h->first_key + h->keys == h->a->tokens;
	const		V scale = v_set1(before);
	const		V after = v_set1(last ? 1.0f / h->sum[query] : 1.0f);
	float	   *out = h->a->out + query * h->a->out_stride +
	(size_t) h->head * dim;

	for (int i = 0; i < dim; i += VW)
	{
		V			r = v_load(result + i);

		if (!first)
			r = v_fma(v_load_part(out + i, dim - i), scale, r);
		v_store_part(out + i, dim - i, v_mul(r, after));
	}
}

TARGET static void
attend(const Head *h)
{
	const VsAttention *a = h->a;

	pack_keys(h);
	pack_values(h);
	for (int query = 0; query < a->tokens; query += TILE_ROWS_1)
	{
		int			left = a->tokens - query;
		int			rows = left < TILE_ROWS_1 ? left : TILE_ROWS_1;
		float		before[TILE_ROWS_1];

		copy_queries(h, query, rows);
		multiply_pieces(rows, a->head_dim, h->query,
						(int) VS_NN_PANELS(h->keys), h->key_panels,
						h->scores, NN_BLOCK, true);
		for (int r = 0; r < rows; r++)
			before[r] = weigh_scores(h, query + r, h->scores + r * NN_BLOCK);
		multiply_pieces(rows, h->keys, h->scores, h->wide / VS_NN_PANEL,
						h->value_panels, h->result, h->wide, false);
		for (int r = 0; r < rows; r++)
			add_result(h, query + r, h->result + (size_t) r * h->wide,
					   before[r]);
	}
}

TARGET static void
attention(const VsAttention *a, int first_head, int heads, void *scratch)
{
	const size_t rows = (size_t) (a->tokens + VS_NN_PANEL - 1) /
	VS_NN_PANEL * VS_NN_PANEL;
	Head		h;

	h.a = a;
	h.key_block = nn_key_block(a->tokens, a->head_dim);
	h.wide = (int) VS_NN_PANELS(a->head_dim) * VS_NN_PANEL;
	h.key_panels = scratch;
	h.value_panels = h.key_panels + (size_t) h.key_block * a->head_dim;
	h.query = h.value_panels + (size_t) h.key_block * h.wide;
	h.scores = h.query + NN_QUERIES * nn_padded_k(a->head_dim);
	h.result = h.scores + NN_QUERIES * nn_padded_k(h.key_block);
	h.most = h.result + (size_t) NN_QUERIES * h.wide;
	h.sum = h.most + rows;

	for (h.head = first_head; h.head < first_head + heads; h.head++)
		for (int key = 0; key < a->tokens; key += h.key_block)
		{
			h.first_key = key;
			h.keys = a->tokens - key < h.key_block ?
				a->tokens - key : h.key_block;
			attend(&h);
		}
}

/* Norms */

/* Sums of x - center and of its square over a row. */
typedef struct Moments
{
	float		sum;
	float		squares;
} Moments;

INLINE Moments
moments(int n, const float *x, float center)
{
	const		V shift = v_set1(center);
	V			sum0 = v_zero();
	V			sum1 = v_zero();
	V			squares0 = v_zero();
	V			squares1 = v_zero();
	Moments		m;
	int			i = 0;

	for (; i + 2 * VW <= n; i += 2 * VW)
	{
		V			d0 = v_sub(v_load(x + i), shift);
		V			d1 = v_sub(v_load(x + i + VW), shift);

		sum0 = v_add(sum0, d0);
		sum1 = v_add(sum1, d1);
		squares0 = v_fma(d0, d0, squares0);
		squares1 = v_fma(d1, d1, squares1);
	}
	for (; i < n; i += VW)
	{
		V			d = v_sub(v_load_part(x + i, n - i), shift);

		if (n - i < VW)
			d = v_keep(n - i, d);
		sum0 = v_add(sum0, d);
		squares0 = v_fma(d, d, squares0);
	}
	m.sum = v_sum(v_add(sum0, sum1));
	m.squares = v_sum(v_add(squares0, squares1));
	return m;
}

/* out = ((x - center) - rest) * factor * weight + bias */
INLINE void
scale_row(int n, const float *x, float center, float rest, float factor,
		  const float *weight, const float *bias, float *out)
{
	for (int i = 0; i < n; i += VW)
	{
		const int	count = n - i;
		V			v = v_sub(v_load_part(x + i, count), v_set1(center));

		v = v_mul(v_sub(v, v_set1(rest)), v_set1(factor));
		v = v_fma(v, weight ? v_load_part(weight + i, count) : v_set1(1.0f),
				  bias ? v_load_part(bias + i, count) : v_zero());
		v_store_part(out + i, count, v);
	}
}

/*
 * The mean is taken twice, the second time of what the first one leaves: a
 * row of equal numbers has a variance of zero, and eps may be as small as
 * 1e-12.
 */
TARGET static void
layer_norm(int m, int n, const float *x, size_t ldx, float eps,
		   const float *weight, const float *bias, float *out, size_t ldo)
{
	for (int i = 0; i < m; i++)
	{
		const float *row = x + i * ldx;
		float		center = moments(n, row, 0.0f).sum / (float) n;
		Moments		left = moments(n, row, center);
		double		rest = (double) left.sum / n;
		double		variance = (double) left.squares / n - rest * rest;

		if (variance < 0.0)
			variance = 0.0;
		scale_row(n, row, center, (float) rest,
				  (float) (1.0 / sqrt(variance + eps)), weight, bias,
				  out + i * ldo);
	}
}

TARGET static void
rms_norm(int m, int n, const float *x, size_t ldx, float eps,
		 const float *weight, float *out, size_t ldo)
{
	for (int i = 0; i < m; i++)
	{
		const float *row = x + i * ldx;
		double		square = (double) moments(n, row, 0.0f).squares / n;

		scale_row(n, row, 0.0f, 0.0f, (float) (1.0 / sqrt(square + eps)),
				  weight, NULL, out + i * ldo);
	}
}

/* Positions and tables */

TARGET static void
rotate(int heads, int dim, const float *cos_sin, float *x)
{
	const int	half = dim / 2;

	for (int h = 0; h < heads; h++, x += dim)
		for (int i = 0; i < half; i += VW)
		{
			const int	count = half - i;
			V			a = v_load_part(x + i, count);
			V			b = v_load_part(x + half + i, count);
			V			c = v_load_part(cos_sin + i, count);
			V			s = v_load_part(cos_sin + half + i, count);

			v_store_part(x + i, count, v_fnma(b, s, v_mul(a, c)));
			v_store_part(x + half + i, count, v_fma(a, s, v_mul(b, c)));
		}
}

/* The last numbers of a row, which are no whole vector, go through a copy. */
INLINE void
row_add_as(VsWeightFormat format, int n, const void *row, float scale,
		   float *out)
{
	const size_t width = VS_WEIGHT_WIDTH(format);
	const char *p = row;
	float		few[VW];
	int			i = 0;

	for (; i + VW <= n; i += VW, p += VW * width)
		v_store(out + i, v_fma(v_load_number(format, p), v_set1(scale),
							   v_load(out + i)));
	if (i < n)
	{
		memset(few, 0, sizeof(few));
		memcpy(few, p, (n - i) * width);
		v_store_few(out + i, n - i,
					v_fma(v_load_number(format, few), v_set1(scale),
						  v_load_few(out + i, n - i)));
	}
}

#define row_add_function(name, format) \
TARGET static void \
row_add_##name(int n, const void *row, float scale, float *out) \
{ \
	row_add_as(format, n, row, scale, out); \
}

row_add_function(float32, VS_WEIGHT_FLOAT32)
row_add_function(float16, VS_WEIGHT_FLOAT16)
row_add_function(bfloat16, VS_WEIGHT_BFLOAT16)
row_add_function(int8, VS_WEIGHT_INT8)

static void
fill_table(VsNnKernels *nn)
{
	nn->linear = linear;
	nn->attention = attention;
	nn->layer_norm = layer_norm;
	nn->rms_norm = rms_norm;
	nn->activate = activate;
	nn->softmax = softmax;
	nn->rotate = rotate;
	nn->row_add[VS_WEIGHT_FLOAT32] = row_add_float32;
	nn->row_add[VS_WEIGHT_FLOAT16] = row_add_float16;
	nn->row_add[VS_WEIGHT_BFLOAT16] = row_add_bfloat16;
	nn->row_add[VS_WEIGHT_INT8] = row_add_int8;
}
