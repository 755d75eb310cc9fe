/*
 * embed.c
 *		The SQL functions that embed texts, and the settings.
 *
 * What a call asks for (model, task, instruction) becomes a plan: the hash of
 * a model file, a prompt and a dimension.  The plan is kept from call to call
 * and made anew when the arguments or the catalog change.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "embed/embed.h"
#include "vecsearch.h"

bool		vs_embed_truncate;
int			vs_embed_batch_tokens;
static char *default_model;

/* Texts of an array are encoded this many batches at a time. */
#define SLICE_BATCHES	8

struct VsEmbedMemo
{
	char		hash[VS_MODEL_HASH_LEN + 1];
	char	   *prompt;
	bool		pooled;
	int			dim;
	char	   *text;			/* NULL: nothing is remembered */
	int			len;
	VsVector   *vector;
};

/* Longer texts are not remembered. */
#define MEMO_MAX_TEXT	(1024 * 1024)

/* Arguments that make up a plan. */
typedef struct EmbedArgs
{
	char	   *model;
	char	   *task;			/* of the pinned form: the prompt */
	char	   *instruction;
	bool		pinned;
	bool		pooled;			/* of the pinned form */
	int			dimensions;
} EmbedArgs;

/* What a function keeps from call to call, in fn_extra. */
typedef struct EmbedCall
{
	Oid			schema;
	MemoryContext context;		/* of plan and args */
	bool		planned;
	uint64		generation;		/* of the catalog, when planned */
	Oid			user;
	EmbedArgs	args;
	VsEmbedPlan plan;
	VsEmbedMemo *memo;
} EmbedCall;

static EmbedCall *embed_call(FunctionCallInfo fcinfo, const EmbedArgs *args);
static void common_args(FunctionCallInfo fcinfo, bool dimensions,
						EmbedArgs *args);
static Datum embed_array(const VsEmbedPlan *plan, ArrayType *texts,
						 Oid vector_type);

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------ */

PG_FUNCTION_INFO_V1(vs_embed);
Datum
vs_embed(PG_FUNCTION_ARGS)
{
	EmbedArgs	args;
	EmbedCall  *call;
	text	   *input;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	input = PG_GETARG_TEXT_PP(0);
	common_args(fcinfo, true, &args);
	call = embed_call(fcinfo, &args);
	PG_RETURN_DATUM(vs_embed_one(&call->memo, fcinfo->flinfo->fn_mcxt,
								 &call->plan,
								 VARDATA_ANY(input),
								 VARSIZE_ANY_EXHDR(input)));
}

PG_FUNCTION_INFO_V1(vs_embed_array);
Datum
vs_embed_array(PG_FUNCTION_ARGS)
{
	EmbedArgs	args;
	EmbedCall  *call;
	ArrayType  *texts;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	texts = PG_GETARG_ARRAYTYPE_P(0);
	common_args(fcinfo, true, &args);
	call = embed_call(fcinfo, &args);
	PG_RETURN_DATUM(embed_array(&call->plan, texts,
								vs_extension_vector_type(call->schema)));
}

PG_FUNCTION_INFO_V1(vs_embed_pinned);
Datum
vs_embed_pinned(PG_FUNCTION_ARGS)
{
	EmbedArgs	args = {.pinned = true};
	EmbedCall  *call;
	text	   *input;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	input = PG_GETARG_TEXT_PP(0);
	args.model = vs_arg_text(fcinfo, 1);
	args.task = vs_arg_text(fcinfo, 2);
	args.pooled = PG_ARGISNULL(3) || PG_GETARG_BOOL(3);
	args.dimensions = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4);
	if (!PG_ARGISNULL(4) && args.dimensions == 0)
		args.dimensions = -1;
	if (args.model == NULL || strchr(args.model, '@') == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("embed_pinned needs a pinned model, name@hash"),
				 errhint("The column pinned of the view embedding_models has it.")));
	call = embed_call(fcinfo, &args);
	PG_RETURN_DATUM(vs_embed_one(&call->memo, fcinfo->flinfo->fn_mcxt,
								 &call->plan,
								 VARDATA_ANY(input),
								 VARSIZE_ANY_EXHDR(input)));
}

/* The rows of embed_tokens, while they are handed out. */
typedef struct TokenRows
{
	VsEmbedPlan plan;
	VsEncoderInput input;
} TokenRows;

/*
 * A piece (UTF-8) in the database's encoding.  Where that is not UTF-8, which
 * pieces such as U+2581 need, all but ASCII is written as \uXXXX.
 */
static char *
piece_text(const char *piece, int len)
{
	StringInfoData text;

	if (GetDatabaseEncoding() == PG_UTF8)
	{
		char	   *copy = pnstrdup(piece, len);

		return pg_any_to_server(copy, len, PG_UTF8);
	}
	pg_verify_mbstr(PG_UTF8, piece, len, false);
	initStringInfo(&text);
	for (int i = 0; i < len; i += pg_utf_mblen((const unsigned char *) piece + i))
	{
		pg_wchar	c = utf8_to_unicode((const unsigned char *) piece + i);

		if (c < 0x80)
			appendStringInfoChar(&text, (char) c);
		else
			appendStringInfo(&text, c > 0xFFFF ? "\\U%08X" : "\\u%04X", c);
	}
	return text.data;
}

/* The piece of a token as text; NULL if it has none. */
static Datum
token_piece(const VsEmbedPlan *plan, int32 id, bool *isnull)
{
	const VsModel *model = vs_model_get(plan->hash);
	int			len;
	const char *piece = vs_tokenizer_piece(model->tokenizer, id, &len);

	*isnull = piece == NULL;
	return piece == NULL ? (Datum) 0 : CStringGetTextDatum(piece_text(piece,
																	  len));
}

PG_FUNCTION_INFO_V1(vs_embed_tokens);
Datum
vs_embed_tokens(PG_FUNCTION_ARGS)
{
	FuncCallContext *calls;
	TokenRows  *rows;

	if (SRF_IS_FIRSTCALL())
	{
		EmbedArgs	args;
		MemoryContext old;
		text	   *input;

		calls = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(calls->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL,
								 &calls->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "embed_tokens must return rows");
		calls->tuple_desc = BlessTupleDesc(calls->tuple_desc);
		rows = palloc0(sizeof(TokenRows));
		calls->user_fctx = rows;
		if (!PG_ARGISNULL(0))
		{
			input = PG_GETARG_TEXT_PP(0);
			common_args(fcinfo, false, &args);
			vs_embed_plan(vs_extension_schema(fcinfo), args.model, args.task,
						  args.instruction, 0, &rows->plan);
			vs_embed_tokenize(vs_model_get(rows->plan.hash), &rows->plan,
							  VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input),
							  &rows->input);
			calls->max_calls = rows->input.count;
		}
		MemoryContextSwitchTo(old);
	}

	calls = SRF_PERCALL_SETUP();
	rows = calls->user_fctx;
	if (calls->call_cntr < calls->max_calls)
	{
		int			i = (int) calls->call_cntr;
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = Int32GetDatum(rows->input.ids[i]);
		values[2] = token_piece(&rows->plan, rows->input.ids[i], &nulls[2]);
		values[3] = BoolGetDatum(i >= rows->input.skip);
		SRF_RETURN_NEXT(calls,
						HeapTupleGetDatum(heap_form_tuple(calls->tuple_desc, values,
														  nulls)));
	}
	SRF_RETURN_DONE(calls);
}

/* ------------------------------------------------------------------------
 * Plans
 * ------------------------------------------------------------------------ */

/* White space of Unicode at the start of n > 0 bytes of UTF-8: its length. */
static int
space_length(const char *s, Size n)
{
	const unsigned char *u = (const unsigned char *) s;

	if (u[0] == ' ' || (u[0] >= 0x09 && u[0] <= 0x0D) || (u[0] >= 0x1C &&
														  u[0] <= 0x1F))
		return 1;
	if (n >= 2 && u[0] == 0xC2 && (u[1] == 0x85 || u[1] == 0xA0))
		return 2;
	if (n < 3)
		return 0;
	if (u[0] == 0xE1 && u[1] == 0x9A && u[2] == 0x80)	/* U+1680 */
		return 3;
	if (u[0] == 0xE2 && u[1] == 0x80 &&
		((u[2] >= 0x80 && u[2] <= 0x8A) || u[2] == 0xA8 || u[2] == 0xA9 ||
		 u[2] == 0xAF))
		return 3;				/* U+2000 to 200A, 2028, 2029, 202F */
	if (u[0] == 0xE2 && u[1] == 0x81 && u[2] == 0x9F)	/* U+205F */
		return 3;
	if (u[0] == 0xE3 && u[1] == 0x80 && u[2] == 0x80)	/* U+3000 */
		return 3;
	return 0;
}

/* Move *s and *n past white space at both ends. */
static void
strip(const char **s, Size *n)
{
	int			step;

	while (*n > 0 && (step = space_length(*s, *n)) > 0)
	{
		*s += step;
		*n -= step;
	}
	for (;;)
	{
		for (step = 1; step <= 3; step++)
			if ((Size) step <= *n && space_length(*s + *n - step,
												  step) == step)
				break;
		if (step > 3)
			break;
		*n -= step;
	}
}

/*
 * Number of tokens of a prompt that stays out of pooling: its own with the
 * special ones before it, not those behind it.
 */
static int
prompt_tokens(const VsModel *model, const char *prompt)
{
	VsTokens	tokens;
	int			before,
				after;

	vs_tokenize(model->tokenizer, prompt, strlen(prompt),
				model->config.max_tokens, &tokens);
	vs_tokenizer_specials(model->tokenizer, &before, &after);
	pfree(tokens.ids);
	return Max(tokens.count - after, 0);
}

/* Fill in a plan once the prompt is known. */
static void
finish_plan(const VsEmbedModel *entry, const char *prompt, bool pooled,
			int dimensions, VsEmbedPlan *plan)
{
	const VsModel *model;
	const char *stripped = prompt;
	Size		len = strlen(prompt);

	if (dimensions < 0 || dimensions > entry->dim)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions must be between 1 and %d with the embedding model \"%s\"",
						entry->dim, entry->name)));
	plan->pinned = psprintf("%s@%s", entry->name, entry->hash);
	strlcpy(plan->hash, entry->hash, sizeof(plan->hash));
	plan->dim = dimensions == 0 ? entry->dim : dimensions;
	if (!pooled)
		strip(&stripped, &len);
	plan->prompt = pnstrdup(stripped, len);
	plan->pooled = pooled || len == 0;
	plan->skip = 0;

	model = vs_model_get(plan->hash);
	if (model->config.dim < plan->dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("embedding model \"%s\" has %d dimensions, its file %d",
						plan->pinned, plan->dim, model->config.dim)));
	if (!plan->pooled)
		plan->skip = prompt_tokens(model, plan->prompt);
}

/* For messages: the tasks of a model. */
static char *
task_names(const VsEmbedModel *model)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < model->ntasks; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 model->tasks[i].name);
	return names.data;
}

static const VsEmbedTask *
find_task(const VsEmbedModel *model, const char *name)
{
	for (int i = 0; i < model->ntasks; i++)
		if (strcmp(model->tasks[i].name, name) == 0)
			return &model->tasks[i];
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("embedding model \"%s\" has no task \"%s\"", model->name,
					name),
			 model->ntasks > 0
			 ? errdetail("Its tasks are: %s.", task_names(model))
			 : errdetail("It has no tasks."),
			 errhint("embedding_task_set makes one.")));
}

/* A string of ours as UTF-8, palloc'd; checked if the database checks nothing. */
static char *
to_utf8(const char *s)
{
	char	   *converted = pg_server_to_any(s, strlen(s), PG_UTF8);

	return converted == s ? pstrdup(s) : converted;
}

void
vs_embed_plan(Oid schema, const char *model, const char *task,
			  const char *instruction, int dimensions, VsEmbedPlan *plan)
{
	const VsEmbedModel *entry;
	const VsEmbedTask *found = NULL;
	bool		said = false;
	bool		pooled = false;
	char	   *prompt;

	if (task != NULL && instruction != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task and instruction exclude each other"),
				 errhint("A task is the name of a prompt, an instruction is the prompt itself.")));
	if (model == NULL)
		model = vs_embed_default_model();
	if (model[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no embedding model is given"),
				 errhint("Name one in the argument model or in the setting vecsearch.embedding_model; embedding_model_register registers one, the view embedding_models lists them.")));
	entry = vs_embed_find_usable(schema, model);

	if (instruction != NULL)
		prompt = to_utf8(instruction);
	else
	{
		if (task == NULL)
			task = entry->default_task;
		if (task != NULL)
			found = find_task(entry, task);
		prompt = to_utf8(found != NULL ? found->prompt : "");
		if (found != NULL)
		{
			said = found->include_said;
			pooled = found->include;
		}
	}
	if (!said)
	{
		char		hash[VS_MODEL_HASH_LEN + 1];
		int			included;

		strlcpy(hash, entry->hash, sizeof(hash));
		included = vs_model_get(hash)->config.prompt_in_pooling;
		pooled = instruction != NULL ? included > 0 : included != 0;
	}
	finish_plan(entry, prompt, pooled, dimensions, plan);
	pfree(prompt);
}

void
vs_embed_plan_pinned(Oid schema, const char *pinned, const char *prompt,
					 bool pooled, int dimensions, VsEmbedPlan *plan)
{
	finish_plan(vs_embed_find_usable(schema, pinned), prompt, pooled,
				dimensions, plan);
}

/* ------------------------------------------------------------------------
 * From texts to vectors
 * ------------------------------------------------------------------------ */

void
vs_embed_tokenize(const VsModel *model, const VsEmbedPlan *plan,
				  const char *text, int len, VsEncoderInput *out)
{
	char	   *converted = pg_server_to_any(text, len, PG_UTF8);
	const char *body = converted;
	Size		body_len = converted == text ? (Size) len : strlen(converted);
	char	   *joined = NULL;
	VsTokens	tokens;

	if (!plan->pooled)
		strip(&body, &body_len);
	if (plan->prompt[0] != '\0')
	{
		Size		prompt_len = strlen(plan->prompt);

		joined = palloc(prompt_len + body_len);
		memcpy(joined, plan->prompt, prompt_len);
		memcpy(joined + prompt_len, body, body_len);
		body = joined;
		body_len += prompt_len;
	}
	vs_tokenize(model->tokenizer, body, body_len, model->config.max_tokens,
				&tokens);
	if (tokens.truncated && !vs_embed_truncate)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("text has more than %d tokens",
						model->config.max_tokens),
				 errdetail("The embedding model takes no more, and vecsearch.embedding_truncate is off.")));
	if (joined != NULL)
		pfree(joined);
	if (converted != text)
		pfree(converted);
	out->ids = tokens.ids;
	out->count = tokens.count;
	out->skip = Min(plan->skip, tokens.count);
}

void
vs_embed_encode(const VsModel *model, const VsEmbedPlan *plan,
				int n, const VsEncoderInput *inputs, Datum *vectors)
{
	int			full = model->config.dim;
	float	   *out = MemoryContextAllocHuge(CurrentMemoryContext,
											 sizeof(float) * full * Max(n, 1));

	vs_encode(model, n, inputs, vs_embed_batch_tokens, out);
	for (int i = 0; i < n; i++)
	{
		float	   *x = out + (Size) i * full;
		VsVector   *vector = vs_vector_new(plan->dim);

		if (plan->dim < full)
			vs_encoder_cut(&model->config, x, plan->dim);
		memcpy(vector->x, x, sizeof(float) * plan->dim);
		vectors[i] = PointerGetDatum(vector);
	}
	pfree(out);
}

static bool
remembered(const VsEmbedMemo *memo, const VsEmbedPlan *plan, const char *text,
		   int len)
{
	return memo->text != NULL && memo->len == len &&
		memcmp(memo->text, text, len) == 0 &&
		memo->dim == plan->dim && memo->pooled == plan->pooled &&
		strcmp(memo->hash, plan->hash) == 0 &&
		strcmp(memo->prompt, plan->prompt) == 0;
}

static void
forget(VsEmbedMemo *memo)
{
	if (memo->text == NULL)
		return;
	pfree(memo->text);
	pfree(memo->prompt);
	pfree(memo->vector);
	memo->text = NULL;
}

static void
remember(VsEmbedMemo *memo, MemoryContext context, const VsEmbedPlan *plan,
		 const char *text, int len, Datum vector)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	forget(memo);
	memo->prompt = pstrdup(plan->prompt);
	memo->vector = palloc(VS_VECTOR_SIZE(plan->dim));
	memcpy(memo->vector, DatumGetPointer(vector), VS_VECTOR_SIZE(plan->dim));
	strlcpy(memo->hash, plan->hash, sizeof(memo->hash));
	memo->pooled = plan->pooled;
	memo->dim = plan->dim;
	memo->text = pnstrdup(text, len);
	memo->len = len;
	MemoryContextSwitchTo(old);
}

Datum
vs_embed_one(VsEmbedMemo **memo, MemoryContext context,
			 const VsEmbedPlan *plan,
			 const char *text, int len)
{
	const VsModel *model;
	VsEncoderInput input;
	Datum		vector;

	if (*memo == NULL)
		*memo = MemoryContextAllocZero(context, sizeof(VsEmbedMemo));
	if (remembered(*memo, plan, text, len) && vs_embed_truncate)
	{
		VsVector   *copy = palloc(VS_VECTOR_SIZE(plan->dim));

		memcpy(copy, (*memo)->vector, VS_VECTOR_SIZE(plan->dim));
		return PointerGetDatum(copy);
	}
	model = vs_model_get(plan->hash);
	vs_embed_tokenize(model, plan, text, len, &input);
	vs_embed_encode(model, plan, 1, &input, &vector);
	pfree(unconstify(int32 *, input.ids));
	if (len <= MEMO_MAX_TEXT)
		remember(*memo, context, plan, text, len, vector);
	return vector;
}

/*
 * Encode the n texts of inputs into the elements of vectors that at names,
 * and give the tokens back.
 */
static void
encode_slice(const VsModel *model, const VsEmbedPlan *plan, int n,
			 VsEncoderInput *inputs, const int *at, Datum *vectors)
{
	Datum	   *slice = palloc(sizeof(Datum) * Max(n, 1));

	vs_embed_encode(model, plan, n, inputs, slice);
	for (int i = 0; i < n; i++)
	{
		vectors[at[i]] = slice[i];
		pfree(unconstify(int32 *, inputs[i].ids));
	}
	pfree(slice);
}

/* An array of the same shape; what is NULL stays so. */
static Datum
embed_array(const VsEmbedPlan *plan, ArrayType *texts, Oid vector_type)
{
	const VsModel *model;
	Datum	   *elements;
	bool	   *nulls;
	int			count,
				n = 0;
	int64		tokens = 0;
	VsEncoderInput *inputs;
	int		   *at;

	deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &nulls, &count);
	if ((Size) count * VS_VECTOR_SIZE(plan->dim) > MaxAllocSize / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("array of %d texts is too large to be embedded at once", count)));
	inputs = palloc(sizeof(VsEncoderInput) * Max(count, 1));
	at = palloc(sizeof(int) * Max(count, 1));

	model = vs_model_get(plan->hash);
	for (int i = 0; i < count; i++)
	{
		text	   *element;

		if (nulls[i])
			continue;
		element = DatumGetTextPP(elements[i]);
		vs_embed_tokenize(model, plan, VARDATA_ANY(element),
						  VARSIZE_ANY_EXHDR(element), &inputs[n]);
		tokens += inputs[n].count;
		at[n++] = i;
		if (tokens >= (int64) vs_embed_batch_tokens * SLICE_BATCHES)
		{
			encode_slice(model, plan, n, inputs, at, elements);
			n = 0;
			tokens = 0;
		}
	}
	encode_slice(model, plan, n, inputs, at, elements);
	return PointerGetDatum(construct_md_array(elements, nulls, ARR_NDIM(texts),
											  ARR_DIMS(texts),
											  ARR_LBOUND(texts), vector_type,
											  -1, false, TYPALIGN_INT));
}

/* ------------------------------------------------------------------------
 * Arguments, and plans kept from call to call
 * ------------------------------------------------------------------------ */

/* The arguments after the input: task, model, instruction, dimensions. */
static void
common_args(FunctionCallInfo fcinfo, bool dimensions, EmbedArgs *args)
{
	memset(args, 0, sizeof(*args));
	args->task = vs_arg_text(fcinfo, 1);
	args->model = vs_arg_text(fcinfo, 2);
	args->instruction = vs_arg_text(fcinfo, 3);
	if (dimensions && !PG_ARGISNULL(4))
		args->dimensions = PG_GETARG_INT32(4) == 0 ? -1 : PG_GETARG_INT32(4);
}

static bool
same_string(const char *a, const char *b)
{
	return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool
same_args(const EmbedArgs *a, const EmbedArgs *b)
{
	return same_string(a->model, b->model) && same_string(a->task, b->task) &&
		same_string(a->instruction, b->instruction) &&
		a->pinned == b->pinned && a->pooled == b->pooled &&
		a->dimensions == b->dimensions;
}

static char *
copy_string(const char *s)
{
	return s == NULL ? NULL : pstrdup(s);
}

/* The plan of args in the state of the function, made if need be. */
static EmbedCall *
embed_call(FunctionCallInfo fcinfo, const EmbedArgs *args)
{
	EmbedCall  *call = fcinfo->flinfo->fn_extra;
	EmbedArgs	wanted = *args;
	MemoryContext old;

	if (call == NULL)
	{
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
									  sizeof(EmbedCall));
		call->schema = vs_extension_schema(fcinfo);
		call->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
											  "embed call",
											  ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = call;

		/* a statement sees what others did before it */
		AcceptInvalidationMessages();
	}
	if (wanted.model == NULL)
		wanted.model = default_model;
	if (call->planned && call->generation == vs_embed_generation() &&
		call->user == GetUserId() && same_args(&call->args, &wanted))
		return call;

	call->planned = false;
	MemoryContextReset(call->context);
	old = MemoryContextSwitchTo(call->context);
	call->generation = vs_embed_generation();
	call->user = GetUserId();
	call->args = wanted;
	call->args.model = copy_string(wanted.model);
	call->args.task = copy_string(wanted.task);
	call->args.instruction = copy_string(wanted.instruction);
	if (wanted.pinned)
	{
		char	   *prompt = to_utf8(wanted.task != NULL ? wanted.task : "");

		vs_embed_plan_pinned(call->schema, wanted.model, prompt, wanted.pooled,
							 wanted.dimensions, &call->plan);
	}
	else
		vs_embed_plan(call->schema, wanted.model, wanted.task,
					  wanted.instruction,
					  wanted.dimensions, &call->plan);
	MemoryContextSwitchTo(old);
	call->planned = true;
	return call;
}

/* ------------------------------------------------------------------------
 * Settings
 * ------------------------------------------------------------------------ */

const char *
vs_embed_default_model(void)
{
	return default_model != NULL ? default_model : "";
}

void
vs_embed_init(void)
{
	DefineCustomStringVariable("vecsearch.embedding_model",
							   "Sets the model of embed() where none is named.",
							   "A name of the view embedding_models.",
							   &default_model, "", PGC_USERSET, 0, NULL, NULL,
							   NULL);
	DefineCustomBoolVariable("vecsearch.embedding_truncate",
							 "Cuts texts that have more tokens than the model takes.",
							 "If off, such a text is an error.",
							 &vs_embed_truncate, true, PGC_USERSET, 0, NULL,
							 NULL, NULL);
	DefineCustomIntVariable("vecsearch.embedding_batch_tokens",
							"Sets how many tokens of several texts are encoded together.",
							"More takes more memory; 2,048 is about as fast as it gets.",
							&vs_embed_batch_tokens, 2048, 64, 65536,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	vs_embed_catalog_init();
	vs_embed_file_init();
}
