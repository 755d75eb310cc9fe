/*
 * lda_topics.c
 *		What a topic is about: pure functions over the model in memory.
 */
#include "postgres.h"

#include <math.h>

#include "lda/lda_topics.h"

/* ------------------------------------------------------------------------
 * The best few of many
 * ------------------------------------------------------------------------ */

static inline bool
is_worse(VsLdaRanked a, VsLdaRanked b)
{
	return a.score < b.score || (a.score == b.score && a.index > b.index);
}

void
vs_lda_top_init(VsLdaTop *top, int room)
{
	Assert(room >= 0);
	top->room = room;
	top->count = 0;
	top->heap = palloc(Max(room, 1) * sizeof(VsLdaRanked));
}

static void
move_up(VsLdaTop *top, int at)
{
	VsLdaRanked moved = top->heap[at];

	while (at > 0 && is_worse(moved, top->heap[(at - 1) / 2]))
	{
		top->heap[at] = top->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	top->heap[at] = moved;
}

static void
move_down(VsLdaTop *top, int at)
{
	VsLdaRanked moved = top->heap[at];

	for (int child; (child = 2 * at + 1) < top->count; at = child)
	{
		if (child + 1 < top->count &&
			is_worse(top->heap[child + 1], top->heap[child]))
			child++;
		if (!is_worse(top->heap[child], moved))
			break;
		top->heap[at] = top->heap[child];
	}
	top->heap[at] = moved;
}

void
vs_lda_top_push(VsLdaTop *top, int index, double score)
{
	VsLdaRanked offered = {isnan(score) ? -INFINITY : score, index};

	if (top->count < top->room)
	{
		top->heap[top->count] = offered;
		move_up(top, top->count++);
	}
	else if (top->room > 0 && is_worse(top->heap[0], offered))
	{
		top->heap[0] = offered;
		move_down(top, 0);
	}
}

int
vs_lda_top_take(VsLdaTop *top, int *indexes)
{
	int			n = top->count;

	while (top->count > 0)
	{
		indexes[--top->count] = top->heap[0].index;
		top->heap[0] = top->heap[top->count];
		if (top->count > 0)
			move_down(top, 0);
	}
	return n;
}

/* ------------------------------------------------------------------------
 * Topics
 * ------------------------------------------------------------------------ */

static inline const float *
row_of(const VsLdaModel *model, int word)
{
	Assert(word >= 0 && word < model->words);
	return model->phi + (Size) word * model->stride;
}

double
vs_lda_topic_share(const VsLdaModel *model, int topic)
{
	Assert(topic >= 0 && topic < model->topics);
	return model->tokens > 0 ? model->topic[topic].tokens / model->tokens : 0;
}

double
vs_lda_word_share(const VsLdaModel *model, int word)
{
	return model->tokens > 0 ? model->word[word].tokens / model->tokens : 0;
}

double
vs_lda_relevance(const VsLdaModel *model, int word, int topic, double lambda)
{
	double		phi = row_of(model, word)[topic];
	double		share = lambda == 1 ? 1 : vs_lda_word_share(model, word);

	if (!(phi > 0 && share > 0))
		return -INFINITY;
	return log(phi) - (1 - lambda) * log(share);
}

int
vs_lda_top_words(const VsLdaModel *model, int topic, double lambda,
				 int n, int *words)
{
	VsLdaTop	top;

	vs_lda_top_init(&top, Min(n, model->words));
	for (int w = 0; w < model->words; w++)
		vs_lda_top_offer(&top, w, lambda == 1 ? row_of(model, w)[topic] :
						 vs_lda_relevance(model, w, topic, lambda));
	n = vs_lda_top_take(&top, words);
	pfree(top.heap);
	return n;
}

double
vs_lda_exclusivity(const VsLdaModel *model, int topic,
				   const int *words, int n)
{
	int			counted = 0;
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		const float *row = row_of(model, words[i]);
		double		all = 0;

		for (int k = 0; k < model->topics; k++)
			all += row[k];
		if (all > 0)
		{
			sum += row[topic] / all;
			counted++;
		}
	}
	return counted > 0 ? sum / counted : NAN;
}

/* ------------------------------------------------------------------------
 * Words
 * ------------------------------------------------------------------------ */

void
vs_lda_word_topics(const VsLdaModel *model, int word, double *p)
{
	const float *row = row_of(model, word);
	double		sum = 0;

	for (int k = 0; k < model->topics; k++)
		sum += p[k] = row[k] * vs_lda_topic_share(model, k);
	for (int k = 0; k < model->topics; k++)
		p[k] = sum > 0 ? p[k] / sum : 0;
}

double
vs_lda_saliency(const VsLdaModel *model, int word)
{
	const float *row = row_of(model, word);
	double		sum = 0;
	double		divergence = 0;

	for (int k = 0; k < model->topics; k++)
		sum += row[k] * vs_lda_topic_share(model, k);
	if (!(sum > 0))
		return 0;

	/* p(topic | word) / p(topic) is phi / sum */
	for (int k = 0; k < model->topics; k++)
	{
		double		ratio = row[k] / sum;
		double		share = vs_lda_topic_share(model, k);

		if (ratio > 0 && share > 0)
			divergence += share * ratio * log(ratio);
	}
	return vs_lda_word_share(model, word) * Max(divergence, 0);
}
