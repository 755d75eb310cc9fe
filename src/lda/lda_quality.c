/*
 * lda_quality.c
 *		How good a topic model is: perplexity of documents it has not seen, and
 *		coherence of its topics.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "lda/lda.h"
#include "lda/lda_coherence.h"
#include "lda/lda_document.h"
#include "lda/lda_topics.h"

#define MAX_TOP_WORDS	1000

/* ------------------------------------------------------------------------
 * Perplexity by document completion (H. Wallach et al., "Evaluation methods
 * for topic models", 2009, section 5.1, estimated): topics from a random half
 * of a document's tokens, the other half is scored.
 * ------------------------------------------------------------------------ */

void
vs_lda_complete(VsLdaCompletion *c, VsLdaLoaded *loaded, uint64 key, int n,
				const uint32 *words)
{
	const VsLdaModel *model = loaded->model;
	VsLdaBag	bag;
	uint64		random = vs_lda_mix(key);
	float		sum;

	vs_lda_bag_init(&bag, loaded);
	for (int i = 0; i < n; i++)
		if (vs_lda_mix(random + i * VS_LDA_GOLDEN) >> 63 == 0)
			vs_lda_bag_add(&bag, words[i], 1);
	sum = vs_lda_infer(&bag);
	for (int i = 0; i < n; i++)
	{
		const float *row = model->phi + (Size) words[i] * model->stride;
		double		p = 0;

		if (vs_lda_mix(random + i * VS_LDA_GOLDEN) >> 63 == 0)
			continue;
		for (int k = 0; k < model->topics; k++)
			p += (double) loaded->theta[k] * row[k];
		c->log_likelihood += log(p / sum);
		c->tokens++;
	}
	vs_lda_bag_reset(&bag);
	pfree(bag.words);
	pfree(bag.counts);
}

double
vs_lda_completion_perplexity(const VsLdaCompletion *c)
{
	return c->tokens > 0 ? exp(-c->log_likelihood / c->tokens) : NAN;
}

/* The words of a document by number, -1 for those the model does not have. */
typedef struct WordList
{
	const VsLdaLoaded *loaded;
	bool		with_unknown;
	int			n;
	int			room;
	int		   *words;
} WordList;

static void
list_word(void *arg, const char *text, int len, int64 count)
{
	WordList   *list = arg;
	int			word = (int) vs_lda_vocabulary_find(list->loaded->vocabulary,
													text, len);

	if (word < 0 && !list->with_unknown)
		return;
	if (list->n + count > list->room)
	{
		list->room = (int) Max(list->room * (int64) 2, list->n + count);
		list->words = repalloc_huge(list->words, sizeof(int) * list->room);
	}
	for (int64 i = 0; i < count; i++)
		list->words[list->n++] = word;
}

static WordList
new_list(const VsLdaLoaded *loaded, bool with_unknown)
{
	WordList	list = {.loaded = loaded,.with_unknown = with_unknown,
	.room = 1024};

	list.words = palloc(sizeof(int) * list.room);
	return list;
}

static VsLdaLoaded *
load_usable(FunctionCallInfo fcinfo)
{
	char	   *name = vs_arg_required_text(fcinfo, 0,
											"the name of a topic model");
	Oid			schema = vs_extension_schema(fcinfo);

	/*
	 * The query of documents may use and so replace what is cached: a copy of
	 * our own does not change.
	 */
	(void) vs_lda_use(schema, name, strlen(name));
	return vs_lda_load(schema, pnstrdup(name, strcspn(name, "@")), false);
}

PG_FUNCTION_INFO_V1(vs_lda_perplexity);
Datum
vs_lda_perplexity(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = load_usable(fcinfo);
	char	   *query = vs_arg_required_text(fcinfo, 1,
											 "the query of documents");
	VsLdaCompletion completion = {0};
	WordList	list;
	VsLdaDocuments *documents;
	uint64		key;
	double		perplexity;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	list = new_list(loaded, false);
	documents = vs_lda_documents_open(query, vs_lda_config(loaded));
	while (vs_lda_documents_next(documents, list_word, &list, &key))
	{
		vs_lda_complete(&completion, loaded, key, list.n,
						(uint32 *) list.words);
		list.n = 0;
	}
	vs_lda_documents_close(documents);
	SPI_finish();
	perplexity = vs_lda_completion_perplexity(&completion);
	if (isnan(perplexity))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to compute the perplexity of"),
				 errdetail("The documents have no words of the model that could be scored.")));
	PG_RETURN_FLOAT8(perplexity);
}

/* ------------------------------------------------------------------------
 * Coherence
 * ------------------------------------------------------------------------ */

static VsLdaMeasure
measure_by_name(const char *name)
{
	if (strcmp(name, "u_mass") == 0)
		return VS_LDA_U_MASS;
	if (strcmp(name, "c_npmi") == 0)
		return VS_LDA_C_NPMI;
	if (strcmp(name, "c_v") == 0)
		return VS_LDA_C_V;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("measure \"%s\" is not known", name),
			 errhint("It is one of u_mass, c_npmi and c_v.")));
}

/* The n top words of each topic, -1 where there are fewer. */
static int *
all_top_words(const VsLdaModel *model, int n)
{
	int		   *words = palloc_extended(sizeof(int) * n * model->topics,
										MCXT_ALLOC_HUGE);

	for (int k = 0; k < model->topics; k++)
	{
		int			found = vs_lda_top_words(model, k, 1, n, words + (Size) k * n);

		for (int i = found; i < n; i++)
			words[(Size) k * n + i] = -1;
	}
	return words;
}

/* The coherence of all topics over the documents of a query. */
static double *
query_coherence(const VsLdaLoaded *loaded, const char *query,
				VsLdaMeasure measure, int top_words)
{
	const VsLdaModel *model = loaded->model;
	double	   *result = palloc(sizeof(double) * model->topics);
	VsLdaCoherence *coherence =
	vs_lda_coherence_begin(CurrentMemoryContext, measure, model->topics,
						   top_words, all_top_words(model, top_words),
						   model->words);
	WordList	list;
	VsLdaDocuments *documents;
	uint64		key;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	list = new_list(loaded, true);
	documents = vs_lda_documents_open(query, vs_lda_config(loaded));
	if (measure != VS_LDA_U_MASS && !vs_lda_documents_ordered(documents))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this measure needs the order of words"),
				 errdetail("The query of documents returns words and counts."),
				 errhint("Return texts, or use the measure u_mass.")));
	while (vs_lda_documents_next(documents, list_word, &list, &key))
	{
		vs_lda_coherence_add(coherence, list.n, list.words);
		list.n = 0;
	}
	vs_lda_documents_close(documents);
	SPI_finish();
	vs_lda_coherence_end(coherence, result);
	return result;
}

PG_FUNCTION_INFO_V1(vs_lda_coherence);
Datum
vs_lda_coherence(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = load_usable(fcinfo);
	char	   *query = vs_arg_required_text(fcinfo, 1,
											 "the query of documents");
	char	   *measure = vs_arg_required_text(fcinfo, 2, "the measure");
	int			top_words = PG_ARGISNULL(3) ? VS_LDA_TOP_WORDS :
	PG_GETARG_INT32(3);
	double	   *coherence;
	TupleDesc	desc;
	Tuplestorestate *rows;

	if (top_words < 2 || top_words > MAX_TOP_WORDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("top_words must be between 2 and %d", MAX_TOP_WORDS)));
	coherence = query_coherence(loaded, query, measure_by_name(measure),
								top_words);
	rows = vs_rows_begin(fcinfo, &desc);
	for (int k = 0; k < loaded->model->topics; k++)
	{
		Datum		values[] = {Int32GetDatum(k + 1),
		Float8GetDatum(coherence[k])};
		bool		nulls[] = {false, isnan(coherence[k])};

		tuplestore_putvalues(rows, desc, values, nulls);
	}
	return (Datum) 0;
}

void
vs_lda_corpus_coherence(VsLdaModel *model, VsLdaCorpus *corpus)
{
	double	   *result = palloc(sizeof(double) * model->topics);
	VsLdaCoherence *coherence =
	vs_lda_coherence_begin(CurrentMemoryContext, VS_LDA_NPMI,
						   model->topics, VS_LDA_TOP_WORDS,
						   all_top_words(model, VS_LDA_TOP_WORDS),
						   model->words);

	for (int i = 0; i < corpus->windows; i++)
	{
		const VsLdaWindow *w = &corpus->window;

		vs_lda_corpus_go(corpus, i);
		for (size_t d = 0; d < w->ndocs; d++)
			vs_lda_coherence_add(coherence, (int) w->docs[d].length,
								 (const int *) w->words + w->docs[d].start);
	}
	vs_lda_coherence_end(coherence, result);
	for (int k = 0; k < model->topics; k++)
		model->topic[k].coherence = result[k];
	pfree(result);
}
