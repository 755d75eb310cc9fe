/*
 * lda_infer.c
 *		The topics of a document, with those of a model fixed.
 */
#include "postgres.h"

#include "kernel/kernel.h"
#include "lda/lda.h"

/* Fold-in ends when theta changes by less than this share of it. */
#define TOLERANCE	3e-4f
#define ITERATIONS	200

/* Distinct words of a document that needs no memory. */
#define FEW			128

void
vs_lda_bag_init(VsLdaBag *bag, VsLdaLoaded *loaded)
{
	/* the last one was left by an error */
	if (loaded->in_use)
		memset(loaded->place, 0, sizeof(uint32) * loaded->model->words);
	loaded->in_use = true;
	memset(bag, 0, sizeof(*bag));
	bag->loaded = loaded;
	bag->room = 64;
	bag->words = palloc(sizeof(uint32) * bag->room);
	bag->counts = palloc(sizeof(float) * bag->room);
}

/* Where a word is in a bag is noted in the model: 0 if it is not. */
void
vs_lda_bag_add(VsLdaBag *bag, uint32 word, float count)
{
	uint32	   *place = &bag->loaded->place[word];

	if (*place > 0)
	{
		bag->counts[*place - 1] += count;
		return;
	}
	if (bag->n == bag->room)
	{
		bag->room *= 2;
		bag->words = repalloc_huge(bag->words, sizeof(uint32) * bag->room);
		bag->counts = repalloc_huge(bag->counts, sizeof(float) * bag->room);
	}
	bag->words[bag->n] = word;
	bag->counts[bag->n] = count;
	*place = ++bag->n;
}

void
vs_lda_bag_reset(VsLdaBag *bag)
{
	for (int i = 0; i < bag->n; i++)
		bag->loaded->place[bag->words[i]] = 0;
	bag->n = 0;
	bag->loaded->in_use = false;
}

void
vs_lda_bag_word(void *arg, const char *text, int len, int64 count)
{
	VsLdaBag   *bag = arg;
	int64		word = vs_lda_vocabulary_find(bag->loaded->vocabulary, text,
											  len);

	if (word >= 0)
	{
		bag->known += count;
		vs_lda_bag_add(bag, (uint32) word, (float) count);
		return;
	}
	bag->unknown += count;
	if (bag->tell_unknown != NULL)
		bag->tell_unknown(bag->arg, text, len);
}

float
vs_lda_infer(VsLdaBag *bag)
{
	VsLdaLoaded *loaded = bag->loaded;
	const VsLdaModel *model = loaded->model;
	const float *few_rows[FEW];
	float		few_ratios[FEW];
	const float **rows = few_rows;
	float	   *ratios = few_ratios;
	float		sum;

	if (bag->n > FEW)
	{
		rows = palloc_extended(sizeof(float *) * bag->n, MCXT_ALLOC_HUGE);
		ratios = palloc_extended(sizeof(float) * bag->n, MCXT_ALLOC_HUGE);
	}
	for (int i = 0; i < bag->n; i++)
		rows[i] = model->phi + (Size) bag->words[i] * model->stride;
	sum = vs_kernels->lda.fold(model->stride, model->alpha, bag->n, rows,
							   bag->counts, TOLERANCE, ITERATIONS,
							   loaded->theta, ratios);
	if (bag->n > FEW)
	{
		pfree(rows);
		pfree(ratios);
	}
	return sum;
}
