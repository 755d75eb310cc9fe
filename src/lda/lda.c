/*
 * lda.c
 *		The SQL functions that ask a topic model.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "lda/lda.h"
#include "lda/lda_document.h"
#include "lda/lda_report.h"
#include "lda/lda_topics.h"
#include "type/vector.h"
#include "vecsearch.h"

#define MAX_TOP_WORDS	10000000

void
vs_lda_init(void)
{
	vs_lda_catalog_init();
}

/* What stands for a document among the arguments, from number 1 on. */
typedef enum DocumentArgs
{
	ARGS_NONE,
	ARGS_TEXT,
	ARGS_TSVECTOR,
	ARGS_ARRAYS,
} DocumentArgs;

/* What a function remembers from call to call. */
typedef struct LdaCall
{
	Oid			schema;
	DocumentArgs document;
	Oid			config;			/* of a model, by its name as in record */
	char	   *config_name;
} LdaCall;

/* One C function serves all forms of a document: its arguments tell which. */
static DocumentArgs
document_args(FunctionCallInfo fcinfo)
{
	Oid		   *types;
	int			n;

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &n);
	if (n < 2)
		return ARGS_NONE;
	return types[1] == TEXTOID ? ARGS_TEXT :
		types[1] == TSVECTOROID ? ARGS_TSVECTOR : ARGS_ARRAYS;
}

static LdaCall *
lda_call(FunctionCallInfo fcinfo)
{
	LdaCall    *call = fcinfo->flinfo->fn_extra;

	if (call != NULL)
		return call;
	call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(LdaCall));
	call->schema = vs_extension_schema(fcinfo);
	call->document = document_args(fcinfo);
	fcinfo->flinfo->fn_extra = call;

	/* a statement sees what others did before it */
	AcceptInvalidationMessages();
	return call;
}

/* The model that argument 0 names. */
static VsLdaLoaded *
model_arg(FunctionCallInfo fcinfo)
{
	text	   *name = PG_GETARG_TEXT_PP(0);

	return vs_lda_use(lda_call(fcinfo)->schema, VARDATA_ANY(name),
					  VARSIZE_ANY_EXHDR(name));
}

static int
topic_arg(const VsLdaModel *model, int topic)
{
	if (topic < 1 || topic > model->topics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic model \"%s\" has no topic %d", model->name,
						topic),
				 errdetail("Its topics are 1 to %d.", model->topics)));
	return topic - 1;
}

static Oid
call_config(LdaCall *call, const VsLdaLoaded *loaded, MemoryContext context)
{
	const char *name = loaded->record.config;

	if (call->config_name == NULL || strcmp(call->config_name, name) != 0)
	{
		call->config = vs_lda_config(loaded);
		call->config_name = MemoryContextStrdup(context, name);
	}
	return call->config;
}

/* ------------------------------------------------------------------------
 * Topics of a document
 * ------------------------------------------------------------------------ */

static void
read_document(FunctionCallInfo fcinfo, VsLdaBag *bag)
{
	LdaCall    *call = lda_call(fcinfo);

	if (call->document == ARGS_TEXT)
	{
		text	   *t = PG_GETARG_TEXT_PP(1);
		Oid			config = call_config(call, bag->loaded,
										 fcinfo->flinfo->fn_mcxt);

		vs_lda_words_of_text(config, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t),
							 vs_lda_bag_word, bag);
	}
	else if (call->document == ARGS_TSVECTOR)
		vs_lda_words_of_tsvector(PG_GETARG_TSVECTOR(1), vs_lda_bag_word, bag);
	else
		vs_lda_words_of_arrays(PG_GETARG_ARRAYTYPE_P(1),
							   PG_GETARG_ARRAYTYPE_P(2), vs_lda_bag_word,
							   bag);
}

/*
 * The topics of the document among the arguments: theta of the model, not
 * divided by its sum, which is returned.
 */
static float
infer_args(FunctionCallInfo fcinfo, VsLdaLoaded *loaded)
{
	VsLdaBag	bag;
	float		sum;

	vs_lda_bag_init(&bag, loaded);
	read_document(fcinfo, &bag);
	sum = vs_lda_infer(&bag);
	vs_lda_bag_reset(&bag);
	return sum;
}

PG_FUNCTION_INFO_V1(vs_lda_topics);
Datum
vs_lda_topics(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = model_arg(fcinfo);
	float		sum = infer_args(fcinfo, loaded);
	VsVector   *theta = vs_vector_new(loaded->model->topics);

	for (int k = 0; k < loaded->model->topics; k++)
		theta->x[k] = loaded->theta[k] / sum;
	PG_RETURN_VSVECTOR_P(theta);
}

/* The immutable form takes a version: a model that was changed is an error. */
PG_FUNCTION_INFO_V1(vs_lda_topics_pinned);
Datum
vs_lda_topics_pinned(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);

	if (memchr(VARDATA_ANY(name), '@', VARSIZE_ANY_EXHDR(name)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a pinned topic model",
						text_to_cstring(name)),
				 errhint("The column pinned of the view lda_models has name@version.")));
	return vs_lda_topics(fcinfo);
}

static ArrayType *
word_array(const VsLdaModel *model, const int *words, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(model->word[words[i]].text,
															   model->word[words[i]].len));
	return construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT);
}

static Datum
make_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}

PG_FUNCTION_INFO_V1(vs_lda_dominant_topic);
Datum
vs_lda_dominant_topic(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = model_arg(fcinfo);
	float		sum = infer_args(fcinfo, loaded);
	int			best = 0;
	int			words[VS_LDA_TOP_WORDS];
	int			n;
	Datum		values[3];
	bool		nulls[3] = {false};

	for (int k = 1; k < loaded->model->topics; k++)
		if (loaded->theta[k] > loaded->theta[best])
			best = k;
	values[0] = Int32GetDatum(best + 1);
	values[1] = Float8GetDatum((double) loaded->theta[best] / sum);
	n = vs_lda_top_words(loaded->model, best, 1, VS_LDA_TOP_WORDS, words);
	values[2] = PointerGetDatum(word_array(loaded->model, words, n));
	return make_row(fcinfo, values, nulls);
}

/* ------------------------------------------------------------------------
 * Words that are not known
 * ------------------------------------------------------------------------ */

/* Words that were met, each once. */
typedef struct UnknownWords
{
	VsLdaVocabulary *seen;
	ArrayBuildState *array;
} UnknownWords;

static void
note_unknown(void *arg, const char *text, int len)
{
	UnknownWords *unknown = arg;

	if (vs_lda_vocabulary_find(unknown->seen, text, len) >= 0)
		return;
	vs_lda_vocabulary_count(unknown->seen, text, len, 0, 0);
	unknown->array = accumArrayResult(unknown->array,
									  PointerGetDatum(cstring_to_text_with_len(text, len)),
									  false, TEXTOID, CurrentMemoryContext);
}

PG_FUNCTION_INFO_V1(vs_lda_coverage);
Datum
vs_lda_coverage(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = model_arg(fcinfo);
	UnknownWords unknown = {0};
	VsLdaBag	bag;
	Datum		values[3];
	bool		nulls[3] = {false};

	unknown.seen = vs_lda_vocabulary_new(CurrentMemoryContext, 64);
	vs_lda_bag_init(&bag, loaded);
	bag.tell_unknown = note_unknown;
	bag.arg = &unknown;
	read_document(fcinfo, &bag);
	vs_lda_bag_reset(&bag);
	values[0] = Int64GetDatum(bag.known);
	values[1] = Int64GetDatum(bag.unknown);
	values[2] = unknown.array != NULL ?
		makeArrayResult(unknown.array, CurrentMemoryContext) :
		PointerGetDatum(construct_empty_array(TEXTOID));
	return make_row(fcinfo, values, nulls);
}

/* ------------------------------------------------------------------------
 * Topics of a model
 * ------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(vs_lda_top_words_rows);
Datum
vs_lda_top_words_rows(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = model_arg(fcinfo);
	const VsLdaModel *model = loaded->model;
	int			topic = topic_arg(model, PG_GETARG_INT32(1));
	int			wanted = PG_GETARG_INT32(2);
	double		lambda = PG_GETARG_FLOAT8(3);
	int		   *words;
	int			n;
	TupleDesc	desc;
	Tuplestorestate *rows;

	if (wanted < 1 || wanted > MAX_TOP_WORDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of words must be between 1 and %d",
						MAX_TOP_WORDS)));
	if (!(lambda >= 0 && lambda <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lambda must be between 0 and 1")));
	words = palloc(sizeof(int) * Min(wanted, model->words));
	n = vs_lda_top_words(model, topic, lambda, Min(wanted, model->words),
						 words);
	rows = vs_rows_begin(fcinfo, &desc);
	for (int i = 0; i < n; i++)
	{
		const VsLdaWord *word = &model->word[words[i]];
		double		relevance = vs_lda_relevance(model, words[i], topic, lambda);
		Datum		values[] = {
			PointerGetDatum(cstring_to_text_with_len(word->text, word->len)),
			Float8GetDatum(model->phi[(Size) words[i] * model->stride + topic]),
			Float8GetDatum(relevance),
		};
		bool		nulls[3] = {false};

		tuplestore_putvalues(rows, desc, values, nulls);
	}
	return (Datum) 0;
}

/* Of the top words, the share that no other topic has among its own. */
static double
unique_share(const VsLdaModel *model, const int *uses, const int *words, int n)
{
	int			unique = 0;

	for (int i = 0; i < n; i++)
		unique += uses[words[i]] == 1;
	return (double) unique / n;
}

PG_FUNCTION_INFO_V1(vs_lda_topic_info);
Datum
vs_lda_topic_info(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = model_arg(fcinfo);
	const VsLdaModel *model = loaded->model;
	int			n = Min(VS_LDA_TOP_WORDS, model->words);
	int		   *top = palloc(sizeof(int) * n * model->topics);
	int		   *uses = palloc_extended(sizeof(int) * model->words,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	TupleDesc	desc;
	Tuplestorestate *rows = vs_rows_begin(fcinfo, &desc);

	for (int k = 0; k < model->topics; k++)
	{
		vs_lda_top_words(model, k, 1, n, top + k * n);
		for (int i = 0; i < n; i++)
			uses[top[k * n + i]]++;
	}
	for (int k = 0; k < model->topics; k++)
	{
		const VsLdaTopic *topic = &model->topic[k];
		const int  *words = top + k * n;
		Datum		values[] = {
			Int32GetDatum(k + 1),
			Float8GetDatum(vs_lda_topic_share(model, k)),
			Float8GetDatum(topic->tokens),
			Float8GetDatum(topic->alpha),
			Float8GetDatum(topic->coherence),
			Float8GetDatum(vs_lda_exclusivity(model, k, words, n)),
			Float8GetDatum(unique_share(model, uses, words, n)),
			PointerGetDatum(word_array(model, words, n)),
		};
		bool		nulls[8] = {false};

		nulls[4] = isnan(topic->coherence);
		tuplestore_putvalues(rows, desc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(vs_lda_report_page);
Datum
vs_lda_report_page(PG_FUNCTION_ARGS)
{
	VsLdaLoaded *loaded = model_arg(fcinfo);
	StringInfoData page;

	initStringInfo(&page);
	vs_lda_report(&page, loaded->model);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(page.data, page.len));
}
