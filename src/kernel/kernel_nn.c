/*
 * kernel_nn.c
 *		What the loops of an encoder need beforehand: packing of weights, and
 *		the sizes of things.
 */
#include "kernel/kernel_nn_isa.h"

#include <math.h>

#define HALF_MAX	65504.0f

size_t
vs_nn_packed_size(VsWeightFormat format, int n, int k)
{
	size_t		outputs = VS_NN_PANELS(n) * VS_NN_PANEL;
	size_t		size = outputs * (size_t) k * VS_WEIGHT_WIDTH(format);

	if (format == VS_WEIGHT_INT8)
		size += outputs * sizeof(float);
	return size;
}

/* The scale that makes the largest weight 127. */
static float
int8_scale(int k, const float *w)
{
	float		most = 0.0f;

	for (int i = 0; i < k; i++)
		most = fabsf(w[i]) > most ? fabsf(w[i]) : most;
	/* a scale too small to divide by counts as a row of zeros */
	return most / 127.0f >= 0x1p-126f ? most / 127.0f : 1.0f;
}

/* Store one weight at its place among those of the format. */
static inline void
store_weight(VsWeightFormat format, void *packed, size_t i, float w,
			 float scale)
{
	switch (format)
	{
		case VS_WEIGHT_FLOAT32:
			((float *) packed)[i] = w;
			break;
		case VS_WEIGHT_FLOAT16:
			w = w > HALF_MAX ? HALF_MAX : w < -HALF_MAX ? -HALF_MAX : w;
			((uint16_t *) packed)[i] = float_to_half(w);
			break;
		case VS_WEIGHT_BFLOAT16:
			((uint16_t *) packed)[i] = vs_float_to_bfloat(w);
			break;
		case VS_WEIGHT_INT8:
			((int8_t *) packed)[i] = (int8_t) round_to_int(w / scale);
			break;
	}
}

void
vs_nn_pack(VsWeightFormat format, int n, int k, int first, int rows,
		   const float *w, void *packed)
{
	size_t		outputs = VS_NN_PANELS(n) * VS_NN_PANEL;
	float	   *scales = (float *) ((char *) packed + outputs * k);
	int			filled = (int) VS_NN_PANELS(rows) * VS_NN_PANEL;

	for (int r = 0; r < filled; r++)
	{
		const float *row = w + (size_t) r * k;
		int			o = first + r;
		size_t		place = (size_t) (o / VS_NN_PANEL) * VS_NN_PANEL * k +
		o % VS_NN_PANEL;
		float		scale = 1.0f;

		if (format == VS_WEIGHT_INT8)
		{
			if (r < rows)
				scale = int8_scale(k, row);
			scales[o] = scale;
		}
		for (int i = 0; i < k; i++)
			store_weight(format, packed, place + (size_t) i * VS_NN_PANEL,
						 r < rows ? row[i] : 0.0f, scale);
	}
}

size_t
vs_nn_linear_scratch(int k)
{
	size_t		copy = NN_CHUNK_ROWS_MIN * nn_padded_k(k);

	/* a layer with a smaller K may take more rows at a time */
	if (copy < NN_CHUNK_FLOATS)
		copy = NN_CHUNK_FLOATS;
	return (copy +
			(size_t) NN_CHUNK_ROWS_MAX * NN_GROUP +
			(size_t) NN_BLOCK * NN_GROUP) * sizeof(float);
}

size_t
vs_nn_attention_scratch(int tokens, int head_dim)
{
	size_t		keys = (size_t) nn_key_block(tokens, head_dim);
	size_t		wide = VS_NN_PANELS(head_dim) * VS_NN_PANEL;
	size_t		padded_keys = (keys + NN_BLOCK - 1) / NN_BLOCK * NN_BLOCK;

	return (2 * (size_t) (tokens + VS_NN_PANEL) +	/* maxima and sums */
			keys * head_dim + VS_NN_PANEL + /* keys */
			keys * wide +		/* values */
			NN_QUERIES * (nn_padded_k(head_dim) + padded_keys + wide)) *
		sizeof(float);
}
