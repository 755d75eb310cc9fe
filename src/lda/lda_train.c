/*
 * lda_train.c
 *		The SQL functions lda_train and lda_update.
 *
 * All is one transaction: the tables are written at the very end, so whatever
 * goes wrong before leaves nothing behind.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/namespace.h"
#include "catalog/pg_ts_config.h"
#include "access/table.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tsearch/ts_cache.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "compat.h"
#include "lda/lda.h"
#include "lda/lda_progress.h"
#include "lda/lda_topics.h"

#define MAX_ITERATIONS		100000
#define MAX_VOCABULARY		10000000
#define MAX_HYPER			1e4

/* Sweeps of a training that does not name them: so many tokens in all. */
#define AUTO_TOKENS			INT64CONST(50000000)
#define LEAST_ITERATIONS	100
#define MOST_ITERATIONS		500
#define ONLINE_ITERATIONS	20

/* What a call asks for. */
typedef struct Call
{
	Oid			schema;
	char	   *name;
	char	   *config;			/* name of that of collect */
	const char *method;
	VsLdaCollectOptions collect;
	VsLdaSettings settings;
	TimestampTz started;
} Call;

static const char *const methods[] = {"gibbs", "online"};

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------ */

static VS_NORETURN void
out_of_range(const char *what, const char *range)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must be %s", what, range)));
}

static void
not_null(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
}

static int
int_arg(FunctionCallInfo fcinfo, int n, const char *what, int min, int max)
{
	int			value;

	not_null(fcinfo, n, what);
	value = PG_GETARG_INT32(n);
	if (value < min || value > max)
		out_of_range(what, psprintf("between %d and %d", min, max));
	return value;
}

/* A share: 0 <= it < 1, or up to and with 1. */
static double
share_arg(FunctionCallInfo fcinfo, int n, const char *what, bool with_one)
{
	double		value;

	not_null(fcinfo, n, what);
	value = PG_GETARG_FLOAT8(n);
	if (with_one ? !(value > 0 && value <= 1) : !(value >= 0 && value < 1))
		out_of_range(what, with_one ? "more than 0 and at most 1" :
					 "at least 0 and less than 1");
	return value;
}

/* A hyper-parameter; 0 if it is not given. */
static double
hyper_arg(FunctionCallInfo fcinfo, int n, const char *what)
{
	double		value;

	if (PG_ARGISNULL(n))
		return 0;
	value = PG_GETARG_FLOAT8(n);
	if (!(value >= 1e-6 && value <= MAX_HYPER))
		out_of_range(what, psprintf("between 1e-6 and %g, or null",
									MAX_HYPER));
	return value;
}

static const char *
method_arg(FunctionCallInfo fcinfo, int n)
{
	char	   *name = vs_arg_required_text(fcinfo, n, "method");

	for (Size i = 0; i < lengthof(methods); i++)
		if (strcmp(methods[i], name) == 0)
			return methods[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("method \"%s\" is not known", name),
			 errhint("It is gibbs or online.")));
}

/* The name of a text search configuration, as regconfig reads it. */
static char *
config_name(Oid config)
{
	HeapTuple	tuple = SearchSysCache1(TSCONFIGOID, ObjectIdGetDatum(config));
	Form_pg_ts_config row;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("text search configuration with OID %u does not exist",
						config)));
	row = (Form_pg_ts_config) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(row->cfgnamespace),
									  NameStr(row->cfgname));
	ReleaseSysCache(tuple);
	return name;
}

static Size
memory_setting(void)
{
	return (Size) maintenance_work_mem * 1024;
}

static void
begin_call(FunctionCallInfo fcinfo, Call *call, const char *function)
{
	PreventCommandIfReadOnly(function);
	memset(call, 0, sizeof(*call));
	call->started = GetCurrentTimestamp();
	call->schema = vs_extension_schema(fcinfo);
	call->name = vs_arg_required_text(fcinfo, 0, "the name of a topic model");
	call->collect.documents = vs_arg_required_text(fcinfo, 1,
												   "the query of documents");
	call->collect.memory = call->settings.memory = memory_setting();
}

static void
read_train_call(FunctionCallInfo fcinfo, Call *call)
{
	begin_call(fcinfo, call, "lda_train()");
	vs_check_name("a topic model", call->name);
	call->settings.topics = int_arg(fcinfo, 2, "num_topics", 2,
									VS_LDA_MAX_TOPICS);
	call->settings.alpha = hyper_arg(fcinfo, 3, "alpha");
	call->settings.beta = hyper_arg(fcinfo, 4, "beta");
	call->method = method_arg(fcinfo, 14);
	not_null(fcinfo, 15, "optimize_beta");
	call->settings.optimize_beta = PG_GETARG_BOOL(15);
	call->settings.online = strcmp(call->method, "online") == 0;
	if (!PG_ARGISNULL(5))
		call->settings.iterations = int_arg(fcinfo, 5, "iterations", 1,
											MAX_ITERATIONS);
	call->settings.optimize_interval = int_arg(fcinfo, 6, "optimize_interval",
											   0, MAX_ITERATIONS);
	not_null(fcinfo, 7, "seed");
	call->settings.seed = vs_lda_mix((uint64) PG_GETARG_INT64(7) +
									 VS_LDA_GOLDEN);
	call->collect.seed = call->settings.seed;
	call->settings.workers = int_arg(fcinfo, 8, "workers", 1, VS_LDA_MAX_PARTS);
	call->collect.held_out = share_arg(fcinfo, 9, "held_out", false);
	call->collect.min_df = int_arg(fcinfo, 10, "min_df", 1, PG_INT32_MAX);
	call->collect.max_df = share_arg(fcinfo, 11, "max_df", true);
	call->collect.vocabulary_size = int_arg(fcinfo, 12, "vocabulary_size", 2,
											MAX_VOCABULARY);
	call->collect.config = PG_ARGISNULL(13) ? getTSCurrentConfig(true) :
		PG_GETARG_OID(13);
	call->config = config_name(call->collect.config);
}

static VS_NORETURN void
model_exists(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("topic model \"%s\" already exists", name),
			 errhint("Drop it first (lda_drop), or teach it more documents (lda_update).")));
}

/* ------------------------------------------------------------------------
 * From counts to a model
 * ------------------------------------------------------------------------ */

typedef struct TopicOrder
{
	double		tokens;
	int			topic;
} TopicOrder;

static int
compare_topics(const void *a, const void *b)
{
	const TopicOrder *x = a;
	const TopicOrder *y = b;

	if (x->tokens != y->tokens)
		return x->tokens > y->tokens ? -1 : 1;
	return x->topic - y->topic;
}

/* Topics by falling share, or as they are. */
static TopicOrder *
order_topics(const VsLdaResult *result, bool sorted)
{
	TopicOrder *order = palloc(sizeof(TopicOrder) * result->topics);

	for (int k = 0; k < result->topics; k++)
	{
		order[k].tokens = result->tokens[k];
		order[k].topic = k;
	}
	if (sorted)
		qsort(order, result->topics, sizeof(TopicOrder), compare_topics);
	return order;
}

/* The counts of a training, into phi. */
static void
fill_counts(VsLdaModel *model, const VsLdaResult *result,
			const TopicOrder *order)
{
	for (int w = 0; w < model->words; w++)
	{
		const float *from = result->counts + (Size) w * model->stride;
		float	   *to = vs_lda_model_row(model, w);

		for (int k = 0; k < model->topics; k++)
			to[k] = from[order[k].topic];
	}
}

/* A model without its phi. */
static VsLdaLoaded *
make_model(const Call *call, const VsLdaCorpus *corpus,
		   const VsLdaResult *result, const TopicOrder *order,
		   const VsLdaModel *base)
{
	VsLdaLoaded *loaded = vs_lda_loaded_new(CurrentMemoryContext, call->name,
											result->topics, result->words);
	VsLdaModel *model = loaded->model;

	model->beta = result->beta;
	for (int k = 0; k < model->topics; k++)
	{
		model->topic[k].tokens = order[k].tokens;
		model->topic[k].alpha = model->alpha[k] =
			(float) result->alpha[order[k].topic];
		model->topic[k].coherence = base != NULL ?
			base->topic[k].coherence : NAN;
		model->tokens += order[k].tokens;
	}
	for (int w = 0; w < model->words; w++)
	{
		model->word[w] = corpus->word[w];
		if (base != NULL && w < base->words)
		{
			model->word[w].documents += base->word[w].documents;
			model->word[w].tokens += base->word[w].tokens;
		}
	}
	return loaded;
}

/* Perplexity of what was held out. */
static double
held_out_perplexity(VsLdaLoaded *loaded, VsLdaCorpus *corpus)
{
	VsLdaCompletion completion = {0};
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "lda held out",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	uint64		key;
	int			n;
	uint32	   *words;

	while (vs_lda_corpus_held(corpus, &key, &n, &words))
	{
		vs_lda_complete(&completion, loaded, key, n, words);
		MemoryContextReset(scratch);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return vs_lda_completion_perplexity(&completion);
}

/*
 * What is told of a model, by the probabilities that its counts give.  The
 * documents of an update need not have the words of all topics, so the
 * coherence of its base stays.
 */
static void
judge(VsLdaLoaded *loaded, VsLdaCorpus *corpus, const VsLdaModel *base)
{
	VsLdaModel *model = loaded->model;
	float	   *inverse = vs_lda_model_inverse(model);

	vs_lda_progress_update("judging", 0, 0);
	for (int w = 0; w < model->words; w++)
		vs_lda_model_normalize(model, inverse,
							   model->phi + (Size) w * model->stride);
	if (base == NULL)
		vs_lda_corpus_coherence(model, corpus);
	loaded->record.perplexity = held_out_perplexity(loaded, corpus);
}

/* Train, judge, and make a model with counts in phi of what came out. */
static VsLdaLoaded *
train_and_judge(const Call *call, VsLdaCorpus *corpus, const VsLdaModel *base,
				int *processes)
{
	VsLdaResult result = vs_lda_train(corpus, &call->settings, base);
	TopicOrder *order = order_topics(&result, base == NULL);
	VsLdaLoaded *loaded = make_model(call, corpus, &result, order, base);

	fill_counts(loaded->model, &result, order);
	judge(loaded, corpus, base);
	fill_counts(loaded->model, &result, order);
	*processes = result.processes;
	vs_lda_train_end(&result);
	return loaded;
}

static void
fill_record(const Call *call, const VsLdaCorpus *corpus, VsLdaRecord *record)
{
	record->method = pstrdup(call->method);
	record->iterations = call->settings.iterations;
	record->documents = corpus->trained;
	record->held_out = call->collect.held_out;
	record->trained = GetCurrentTimestamp();
	record->seconds = (record->trained - call->started) / 1e6;
}

/* ------------------------------------------------------------------------
 * Training
 * ------------------------------------------------------------------------ */

static void
check_vocabulary(const Call *call, const VsLdaCorpus *corpus)
{
	if (corpus->words == 0 || corpus->tokens == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the vocabulary is empty"),
				 errdetail("Of " INT64_FORMAT " documents and " INT64_FORMAT " different words, no word is in at least " INT64_FORMAT " and at most %.0f documents.",
						   corpus->documents, corpus->rejected,
						   call->collect.min_df,
						   floor(call->collect.max_df * corpus->documents)),
				 errhint("Lower min_df or raise max_df.")));
	if (corpus->words < call->settings.topics)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are more topics than words"),
				 errdetail("%d topics were asked for; the vocabulary has %d words.",
						   call->settings.topics, corpus->words),
				 errhint("Ask for fewer topics, or lower min_df.")));
	if (corpus->forgotten > 0)
		ereport(NOTICE,
				(errmsg(INT64_FORMAT " rare words were forgotten while documents were read",
						corpus->forgotten),
				 errhint("Raise maintenance_work_mem to count all of them.")));
}

/* A word with more tokens could not be counted one by one. */
static void
check_counts(const VsLdaCorpus *corpus, const VsLdaModel *base)
{
	for (int w = 0; w < corpus->words; w++)
	{
		int64		tokens = corpus->word[w].tokens;

		if (base != NULL && w < base->words)
			tokens += base->word[w].tokens;
		if (tokens >= 1 << 24)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("word \"%s\" has too many tokens",
							corpus->word[w].text),
					 errdetail("It has " INT64_FORMAT "; the limit is %d.",
							   tokens, (1 << 24) - 1),
					 errhint("Lower max_df, or make it a stop word.")));
	}
}

static Datum
train_result(FunctionCallInfo fcinfo, const VsLdaLoaded *loaded,
			 const VsLdaCorpus *corpus, int processes)
{
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int32GetDatum(loaded->model->topics);
	values[1] = Int32GetDatum(loaded->model->words);
	values[2] = Int64GetDatum(corpus->trained);
	values[3] = Int64GetDatum(corpus->tokens);
	values[4] = Int64GetDatum(corpus->rejected);
	values[5] = Int64GetDatum(corpus->rejected_tokens);
	values[6] = Float8GetDatum(loaded->record.perplexity);
	nulls[6] = isnan(loaded->record.perplexity);
	values[7] = Int32GetDatum(processes);
	values[8] = Float8GetDatum(loaded->record.seconds);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}

/* Sweeps if none are given: the smaller the corpus, the more. */
static int
default_iterations(bool online, int64 tokens)
{
	if (online)
		return ONLINE_ITERATIONS;
	return (int) Min(Max(AUTO_TOKENS / tokens, LEAST_ITERATIONS),
					 MOST_ITERATIONS);
}

static Datum
train(FunctionCallInfo fcinfo, Call *call)
{
	VsLdaCorpus *corpus;
	VsLdaLoaded *loaded;
	int			processes;
	Relation	models;

	if (vs_lda_exists(call->schema, call->name))
		model_exists(call->name);
	corpus = vs_lda_corpus_collect(&call->collect, NULL);
	vs_lda_corpus_choose(corpus, true);
	check_vocabulary(call, corpus);
	check_counts(corpus, NULL);
	if (call->settings.iterations == 0)
		call->settings.iterations = default_iterations(call->settings.online,
													   corpus->tokens);
	loaded = train_and_judge(call, corpus, NULL, &processes);
	fill_record(call, corpus, &loaded->record);
	loaded->record.rights = vs_rights_new();
	loaded->record.config = call->config;
	loaded->record.seed = PG_GETARG_INT64(7);
	vs_lda_progress_update("writing", 0, 0);
	models = vs_lda_lock_model(call->schema, call->name);
	if (vs_lda_exists(call->schema, call->name))
		model_exists(call->name);
	vs_lda_write(call->schema, models, loaded);
	table_close(models, NoLock);
	vs_lda_corpus_end(corpus);
	return train_result(fcinfo, loaded, corpus, processes);
}

/* Do what is asked for, and tell others of it meanwhile. */
static Datum
run(FunctionCallInfo fcinfo, Call *call,
	Datum (*work) (FunctionCallInfo fcinfo, Call *call))
{
	volatile Datum result;

	vs_lda_progress_begin(call->name);
	PG_TRY();
	{
		result = work(fcinfo, call);
	}
	PG_FINALLY();
	{
		vs_lda_progress_end();
	}
	PG_END_TRY();
	return result;
}

PG_FUNCTION_INFO_V1(vs_lda_train_model);
Datum
vs_lda_train_model(PG_FUNCTION_ARGS)
{
	Call		call;

	read_train_call(fcinfo, &call);
	return run(fcinfo, &call, train);
}

/* ------------------------------------------------------------------------
 * Update
 * ------------------------------------------------------------------------ */

/*
 * The model that is taught, with counts.  It is locked: of two updates at once
 * each would lose what the other learned.
 */
static VsLdaLoaded *
load_base(const Call *call)
{
	VsLdaLoaded *base = vs_lda_load(call->schema, call->name, true);

	if (base == NULL)
		vs_lda_no_model(call->name);
	if (!vs_rights_may_change(&base->record.rights))
		vs_lda_not_owner(call->name);
	return base;
}

static void
read_update_call(FunctionCallInfo fcinfo, Call *call)
{
	begin_call(fcinfo, call, "lda_update()");
	call->method = "update";
	call->settings.iterations = int_arg(fcinfo, 2, "iterations", 1,
										MAX_ITERATIONS);
	call->settings.online = true;
	not_null(fcinfo, 3, "seed");
	call->settings.seed = call->collect.seed =
		vs_lda_mix((uint64) PG_GETARG_INT64(3) + VS_LDA_GOLDEN);
	call->settings.workers = int_arg(fcinfo, 4, "workers", 1, VS_LDA_MAX_PARTS);
	not_null(fcinfo, 5, "new_words");
	call->collect.min_df = int_arg(fcinfo, 6, "min_df", 1, PG_INT32_MAX);
	call->collect.max_df = 1;
	call->collect.vocabulary_size = MAX_VOCABULARY;
}

static Datum
update(FunctionCallInfo fcinfo, Call *call)
{
	Relation	models = vs_lda_lock_model(call->schema, call->name);
	VsLdaLoaded *base = load_base(call);
	VsLdaCorpus *corpus;
	VsLdaLoaded *loaded;
	int			processes;

	call->collect.config = vs_lda_config(base);
	call->settings.topics = base->model->topics;
	corpus = vs_lda_corpus_collect(&call->collect, base->model);
	vs_lda_corpus_choose(corpus, PG_GETARG_BOOL(5));
	if (corpus->tokens == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the documents have no words of the model"),
				 errdetail("They have " INT64_FORMAT " other words, of which none is added.",
						   corpus->rejected),
				 errhint("Words in at least min_df documents are added, unless new_words is false.")));
	check_counts(corpus, base->model);
	loaded = train_and_judge(call, corpus, base->model, &processes);
	fill_record(call, corpus, &loaded->record);
	loaded->record.documents += base->record.documents;
	loaded->record.rights = base->record.rights;
	loaded->record.config = base->record.config;
	loaded->record.seed = base->record.seed;
	vs_lda_progress_update("writing", 0, 0);
	vs_lda_remove(call->schema, models, call->name);
	vs_lda_write(call->schema, models, loaded);
	table_close(models, NoLock);
	vs_lda_corpus_end(corpus);
	return train_result(fcinfo, loaded, corpus, processes);
}

PG_FUNCTION_INFO_V1(vs_lda_update);
Datum
vs_lda_update(PG_FUNCTION_ARGS)
{
	Call		call;

	read_update_call(fcinfo, &call);
	return run(fcinfo, &call, update);
}
