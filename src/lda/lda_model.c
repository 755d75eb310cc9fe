/*
 * lda_model.c
 *		A topic model in memory.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "kernel/kernel_lda.h"
#include "lda/lda.h"

/* Aligned zeros in a context, of any size. */
static void *
aligned_zeros(MemoryContext context, Size bytes)
{
	char	   *p = MemoryContextAllocExtended(context, bytes + VS_LDA_ALIGN,
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	return (void *) TYPEALIGN(VS_LDA_ALIGN, p);
}

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
	model->phi = aligned_zeros(context, mul_size(row, words));
	model->alpha = aligned_zeros(context, row);
	loaded->theta = aligned_zeros(context, row);
	loaded->next = aligned_zeros(context, row);
	loaded->place = MemoryContextAllocExtended(context, sizeof(uint32) * Max(words, 1),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	loaded->vocabulary = vs_lda_vocabulary_new(context, words);
	return loaded;
}

void
vs_lda_model_normalize(VsLdaModel *model)
{
	float	   *inverse = aligned_zeros(CurrentMemoryContext,
										sizeof(float) * model->stride);
	float		beta = (float) model->beta;

	for (int k = 0; k < model->topics; k++)
		inverse[k] = (float) (1 / (model->topic[k].tokens +
								   model->beta * model->words));
	for (int w = 0; w < model->words; w++)
	{
		float	   *row = model->phi + (Size) w * model->stride;

		/* zeros behind the topics stay */
		for (int k = 0; k < model->stride; k++)
			row[k] = (row[k] + beta) * inverse[k];
	}
}
