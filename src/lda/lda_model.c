/*
 * lda_model.c
 *		A topic model in memory.
 */
#include "postgres.h"

#include <math.h>

#include "storage/shmem.h"
#include "utils/memutils.h"

#include "kernel/kernel_lda.h"
#include "lda/lda.h"
#include "support/memory.h"

VsLdaLoaded *
vs_lda_loaded_new(MemoryContext context, const char *name, int topics,
				  int words)
{
	VsLdaLoaded *loaded = MemoryContextAllocZero(context, sizeof(VsLdaLoaded));
	VsLdaModel *model = MemoryContextAllocZero(context, sizeof(VsLdaModel));
	Size		row;

	loaded->model = model;
	loaded->record.name = MemoryContextStrdup(context, name);
	model->context = context;
	model->name = loaded->record.name;
	model->topics = topics;
	model->words = words;
	model->stride = VS_LDA_STRIDE(topics);
	row = sizeof(float) * model->stride;
	model->topic = MemoryContextAllocZero(context,
										  sizeof(VsLdaTopic) * topics);
	model->word = MemoryContextAllocExtended(context, sizeof(VsLdaWord) * Max(words, 1),
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	model->phi = vs_memory_aligned(context, mul_size(row, words), 0);
	model->alpha = vs_memory_aligned(context, row, MCXT_ALLOC_ZERO);
	loaded->theta = vs_memory_aligned(context, row, MCXT_ALLOC_ZERO);
	loaded->place = MemoryContextAllocExtended(context, sizeof(uint32) * Max(words, 1),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	loaded->vocabulary = vs_lda_vocabulary_new(context, words);
	return loaded;
}

float *
vs_lda_model_row(const VsLdaModel *model, int word)
{
	return memset(model->phi + (Size) word * model->stride, 0,
				  sizeof(float) * model->stride);
}

float *
vs_lda_model_inverse(const VsLdaModel *model)
{
	float	   *inverse = vs_memory_aligned(CurrentMemoryContext,
											sizeof(float) * model->stride,
											MCXT_ALLOC_ZERO);

	for (int k = 0; k < model->topics; k++)
		inverse[k] = (float) (1 / (model->topic[k].tokens +
								   model->beta * model->words));
	return inverse;
}

void
vs_lda_model_normalize(const VsLdaModel *model, const float *inverse,
					   float *row)
{
	float		beta = (float) model->beta;

	/* zeros behind the topics stay */
	for (int k = 0; k < model->stride; k++)
		row[k] = (row[k] + beta) * inverse[k];
}
