/*
 * encoder.h
 *		The forward pass: token ids to vectors.
 */
#ifndef VS_EMBED_ENCODER_H
#define VS_EMBED_ENCODER_H

#include "embed/model.h"

/* One text of a batch. */
typedef struct VsEncoderInput
{
	const int32 *ids;
	int			count;			/* 0 .. max_tokens of the model */
	int			skip;			/* first tokens that pooling leaves out */
} VsEncoderInput;

/*
 * out [n, config.dim] from n texts, in their order.  Texts are run together,
 * without padding, as many at a time as batch_tokens allows (one at least); a
 * text's result does not depend on its company.  Memory is taken from the
 * current context and given back.  Checks for interrupts, at least every 50 ms
 * or so.  A result that is not finite is ERRCODE_DATA_CORRUPTED.
 */
extern void vs_encode(const VsModel *model, int n, const VsEncoderInput *inputs,
					  int batch_tokens, float *out);

/*
 * Cut a result to its first dim numbers and give it length 1 again
 * (Matryoshka representations, arXiv 2205.13147), in place.
 */
extern void vs_encoder_cut(const VsModelConfig *config, float *x, int dim);

#endif							/* VS_EMBED_ENCODER_H */
