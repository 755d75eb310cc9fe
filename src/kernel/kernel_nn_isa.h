/*
 * kernel_nn_isa.h
 *		Private to src/kernel: what the files kernel_nn*.c share.
 *
 * kernel_nn_scalar.c is the definition.  kernel_nn_body.h is the one fast
 * version, which the file of each instruction set includes after having
 * defined its vectors.
 */
#ifndef VS_KERNEL_KERNEL_NN_ISA_H
#define VS_KERNEL_KERNEL_NN_ISA_H

#include "kernel/kernel_isa.h"

/*
 * Scratch of a linear layer.  K is worked through in blocks of at most
 * NN_BLOCK, of which rows of x are copied in chunks of nn_chunk_rows, and
 * outputs in groups of at most NN_GROUP.
 */
#define NN_BLOCK			192
#define NN_GROUP			(3 * VS_NN_PANEL)
#define NN_CHUNK_FLOATS		(192 * 1024)
#define NN_CHUNK_ROWS_MIN	48
#define NN_CHUNK_ROWS_MAX	240

/* K filled up to whole blocks. */
static inline size_t
nn_padded_k(int k)
{
	return ((size_t) k + NN_BLOCK - 1) / NN_BLOCK * NN_BLOCK;
}

static inline int
nn_chunk_rows(int k)
{
	size_t		rows = NN_CHUNK_FLOATS / (nn_padded_k(k) + 1);

	return rows < NN_CHUNK_ROWS_MIN ? NN_CHUNK_ROWS_MIN :
		rows > NN_CHUNK_ROWS_MAX ? NN_CHUNK_ROWS_MAX :
		(int) (rows / 24 * 24);
}

/*
 * Attention looks at blocks of at most this many keys: a multiple of NN_GROUP
 * that keeps a block of keys and values in the second-level cache, and the
 * scores of NN_QUERIES rows in the first.
 */
#define NN_KEYS_MAX			(3 * NN_BLOCK)
#define NN_QUERIES			8

static inline int
nn_key_block(int tokens, int head_dim)
{
	int			most = head_dim <= 128 ? NN_KEYS_MAX :
	head_dim <= 512 ? NN_BLOCK : NN_GROUP;
	int			wanted = (tokens + VS_NN_PANEL - 1) / VS_NN_PANEL * VS_NN_PANEL;

	return wanted < most ? wanted : most;
}

/* The scales that follow the panels in the format int8. */
static inline const float *
nn_scales(const VsLinear *layer)
{
	return (const float *) ((const char *) layer->packed +
							VS_NN_PANELS(layer->n) * VS_NN_PANEL * layer->k);
}

/* kernel_nn_scalar.c */
extern void vs_nn_scalar_linear(const VsLinear *layer, int m, const float *x,
								size_t ldx, VsActivation act,
								VsCombine combine, float *out, size_t ldo,
								void *scratch);
extern void vs_nn_scalar_attention(const VsAttention *a, int first_head,
								   int heads, void *scratch);
extern void vs_nn_scalar_layer_norm(int m, int n, const float *x, size_t ldx,
									float eps, const float *weight,
									const float *bias, float *out, size_t ldo);
extern void vs_nn_scalar_rms_norm(int m, int n, const float *x, size_t ldx,
								  float eps, const float *weight,
								  float *out, size_t ldo);
extern void vs_nn_scalar_activate(VsActivation act, int n, float *x);
extern void vs_nn_scalar_softmax(int n, float *x);
extern void vs_nn_scalar_rotate(int heads, int dim, const float *cos_sin,
								float *x);
extern void vs_nn_scalar_row_add_float32(int n, const void *row, float scale,
										 float *out);
extern void vs_nn_scalar_row_add_float16(int n, const void *row, float scale,
										 float *out);
extern void vs_nn_scalar_row_add_bfloat16(int n, const void *row, float scale,
										  float *out);
extern void vs_nn_scalar_row_add_int8(int n, const void *row, float scale,
									  float *out);

/* Each instruction set's entry, as in kernel_isa.h. */
#ifdef VS_HAVE_X86
extern void vs_kernel_nn_avx2(VsNnKernels *nn); /* kernel_nn_avx2.c */
extern void vs_kernel_nn_avx512(VsNnKernels *nn);	/* kernel_nn_avx512.c */
#endif
#ifdef VS_HAVE_NEON
extern void vs_kernel_nn_neon(VsNnKernels *nn); /* kernel_nn_neon.c */
#endif

#endif							/* VS_KERNEL_KERNEL_NN_ISA_H */
