/*
 * kernel_nn.h
 *		Loops of a transformer encoder: linear layers, attention, norms.
 *
 * Pure C like kernel.h, and dispatched with it: the entries are part of
 * VsKernels.  No function allocates; where scratch memory is wanted, its size
 * is told here and the caller gives it, aligned to VS_NN_ALIGN.
 *
 * Arrays are row-major.  M counts rows (tokens), K inputs, N outputs.
 *
 * The order in which the terms of a sum are added depends on the widths of
 * the layer alone, never on M nor on a row's place among the M: a text's
 * result is the same, bit for bit, alone and in any batch.
 */
#ifndef VS_KERNEL_KERNEL_NN_H
#define VS_KERNEL_KERNEL_NN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_NN_ALIGN		64

/* How the numbers of a weight are stored.  In files: never renumber. */
typedef enum VsWeightFormat
{
	VS_WEIGHT_FLOAT32 = 0,
	VS_WEIGHT_FLOAT16 = 1,		/* IEEE half */
	VS_WEIGHT_BFLOAT16 = 2,		/* upper half of a float32 */
	VS_WEIGHT_INT8 = 3,			/* -127..127 times one scale per output row */
} VsWeightFormat;

#define VS_WEIGHT_FORMAT_COUNT	4

/* Bytes of one number, by format. */
#define VS_WEIGHT_WIDTH(format) \
	((format) == VS_WEIGHT_FLOAT32 ? 4 : (format) == VS_WEIGHT_INT8 ? 1 : 2)

/* In files: never renumber. */
typedef enum VsActivation
{
	VS_ACT_NONE = 0,
	VS_ACT_RELU = 1,
	VS_ACT_GELU = 2,			/* x/2 (1 + erf(x/sqrt 2)) */
	VS_ACT_GELU_TANH = 3,		/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715
								 * x^3))) */
	VS_ACT_SILU = 4,			/* x / (1 + exp(-x)) */
	VS_ACT_TANH = 5,
	VS_ACT_QUICK_GELU = 6,		/* x / (1 + exp(-1.702 x)) */
} VsActivation;

#define VS_ACT_COUNT	7

/* What becomes of the result r of a linear layer. */
typedef enum VsCombine
{
	VS_COMBINE_SET,				/* out = r */
	VS_COMBINE_ADD,				/* out += r: a residual */
	VS_COMBINE_MUL,				/* out *= r: a gate */
} VsCombine;

/*
 * Packed weights: W [N,K] is cut into panels of VS_NN_PANEL outputs, the last
 * one filled up with zeros.  A panel holds for each k in turn the weights of
 * its outputs, W[first .. first + VS_NN_PANEL - 1][k].  In the format int8
 * the panels are followed by VS_NN_PANEL float32 scales for each panel.  The
 * layout is that of files, and the same on every processor (little endian).
 */
#define VS_NN_PANEL		16
#define VS_NN_PANELS(n)	(((size_t) (n) + VS_NN_PANEL - 1) / VS_NN_PANEL)

/* Bytes of packed weights. */
extern size_t vs_nn_packed_size(VsWeightFormat format, int n, int k);

/*
 * Pack the rows first .. first + rows - 1 of W, of which w (rows x k floats,
 * all finite) is a copy, into packed.  first is a multiple of VS_NN_PANEL, and
 * so is rows unless these are the last.  Numbers are rounded to nearest even;
 * float16 limits them to the largest finite half.
 */
extern void vs_nn_pack(VsWeightFormat format, int n, int k, int first, int rows,
					   const float *w, void *packed);

/* A linear layer: x [M,K] -> act(x W^T + bias) [M,N]. */
typedef struct VsLinear
{
	int			n;
	int			k;
	VsWeightFormat format;
	const void *packed;			/* aligned to VS_NN_ALIGN */
	const float *bias;			/* [N], or NULL */
} VsLinear;

/* Scratch of vs_nn_linear for any layer whose K is at most k and any M. */
extern size_t vs_nn_linear_scratch(int k);

/*
 * Self-attention of one text: out[i] = sum_j softmax_j(scale q_i.k_j + b_ij) v_j
 * for each head.  q, k and v point at the first row of the text; head h uses
 * the elements h * head_dim .. of a row.
 */
typedef struct VsAttention
{
	int			tokens;
	int			heads;
	int			head_dim;
	float		scale;
	const float *q;
	const float *k;
	const float *v;
	size_t		stride;			/* floats from a row of q, k or v to the next */

	/*
	 * Bias that depends on j - i alone: b_ij = bias[h * bias_stride + tokens
	 * - 1 + j - i]; or NULL
	 */
	const float *bias;
	size_t		bias_stride;	/* at least 2 * tokens - 1 */
	float	   *out;			/* [tokens, heads * head_dim] */
	size_t		out_stride;
} VsAttention;

extern size_t vs_nn_attention_scratch(int tokens, int head_dim);

/* The entries of VsKernels; see kernel.h on levels. */
typedef struct VsNnKernels
{
	/*
	 * out (M rows of N, ldo floats apart) from x (M rows of K, ldx floats
	 * apart); x and out do not overlap.  act is applied to the sum with the
	 * bias, before the combination with what is in out.
	 */
	void		(*linear) (const VsLinear *layer, int m, const float *x, size_t ldx,
						   VsActivation act, VsCombine combine,
						   float *out, size_t ldo, void *scratch);

	/* the heads first_head .. first_head + heads - 1 of a */
	void		(*attention) (const VsAttention *a, int first_head, int heads, void *scratch);

	/*
	 * Each of m rows of n floats: (x - mean) / sqrt(var + eps) * weight +
	 * bias, var the population variance, weight and bias possibly NULL (1 and
	 * 0). x and out may be the same, with the same distance of rows.
	 */
	void		(*layer_norm) (int m, int n, const float *x, size_t ldx, float eps,
							   const float *weight, const float *bias,
							   float *out, size_t ldo);

	/* the same with x / sqrt(mean of squares + eps) * weight */
	void		(*rms_norm) (int m, int n, const float *x, size_t ldx, float eps,
							 const float *weight, float *out, size_t ldo);

	/* x[i] = act(x[i]) */
	void		(*activate) (VsActivation act, int n, float *x);

	/* x becomes exp(x - max) / sum */
	void		(*softmax) (int n, float *x);

	/*
	 * Rotary positions (arXiv 2104.09864, halves, not interleaved) on one row
	 * of heads * dim floats: with c = cos_sin[i], s = cos_sin[dim / 2 + i],
	 * the pair (x[i], x[i + dim/2]) of each head becomes (x c - y s, y c + x
	 * s).
	 */
	void		(*rotate) (int heads, int dim, const float *cos_sin, float *x);

	/* out[i] += scale * row[i], a row of n numbers stored in the format */
	void		(*row_add[VS_WEIGHT_FORMAT_COUNT]) (int n, const void *row, float scale, float *out);
} VsNnKernels;

#endif							/* VS_KERNEL_KERNEL_NN_H */
