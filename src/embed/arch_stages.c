/*
 * arch_stages.c
 *		What follows the encoder, as the side files of sentence-transformers
 *		say it: pooling, stages, prompts and the longest text.
 *
 * Where the files leave something open, it is what that library does: a plain
 * model without modules.json has mean pooling and no normalisation, a Dense
 * module without activation has tanh.
 */
#include "postgres.h"

#include <float.h>

#include "embed/arch_parts.h"

#define POOLING_COUNT	6

/* Width that any stage may have: all six poolings of the widest model. */
#define MAX_STAGE_WIDTH		(POOLING_COUNT * VS_MODEL_MAX_WIDTH)

/* What PyTorch's LayerNorm has if nothing is said. */
#define STAGE_NORM_EPS		1e-5f

/* ------------------------------------------------------------------------
 * Pooling
 * ------------------------------------------------------------------------ */

typedef struct PoolingName
{
	VsPooling	pooling;
	const char *name;			/* for people, and "pooling_mode" */
	const char *flag;			/* older files: a switch for each */
} PoolingName;

/* In the order in which the parts of a vector stand. */
static const PoolingName pooling_names[POOLING_COUNT] = {
	{VS_POOL_CLS, "cls", "pooling_mode_cls_token"},
	{VS_POOL_MAX, "max", "pooling_mode_max_tokens"},
	{VS_POOL_MEAN, "mean", "pooling_mode_mean_tokens"},
	{VS_POOL_MEAN_SQRT_LEN, "mean_sqrt_len", "pooling_mode_mean_sqrt_len_tokens"},
	{VS_POOL_WEIGHTED_MEAN, "weightedmean", "pooling_mode_weightedmean_tokens"},
	{VS_POOL_LAST_TOKEN, "lasttoken", "pooling_mode_lasttoken"},
};

const char *
vs_arch_pooling_name(int pooling)
{
	char	   *name = pstrdup("");

	for (int i = 0; i < POOLING_COUNT; i++)
	{
		if (pooling & pooling_names[i].pooling)
			name = psprintf("%s%s%s", name, *name ? "+" : "",
							pooling_names[i].name);
	}
	return name;
}

int
vs_arch_pooled_width(const VsModelConfig *config)
{
	int			parts = 0;

	for (int i = 0; i < POOLING_COUNT; i++)
		parts += (config->pooling & pooling_names[i].pooling) != 0;
	return parts * config->width;
}

/* One name of "pooling_mode"; the library also says "..._tokens". */
static VsPooling
pooling_of_name(const char *file, const char *name)
{
	for (int i = 0; i < POOLING_COUNT; i++)
	{
		if (strcmp(name, pooling_names[i].name) == 0 ||
			strcmp(name, pooling_names[i].flag + strlen("pooling_mode_")) == 0)
			return pooling_names[i].pooling;
	}
	vs_arch_unsupported(file, "pooling_mode", name);
}

/* "pooling_mode": one name, or a list of them. */
static int
pooling_of_mode(const char *file, const VsJson *mode)
{
	int			pooling = 0;

	if (mode->kind == VS_JSON_STRING)
		return pooling_of_name(file, mode->u.string);
	if (mode->kind == VS_JSON_ARRAY)
	{
		for (uint32 i = 0; i < mode->count; i++)
		{
			if (mode->u.items[i].kind == VS_JSON_STRING)
				pooling |= pooling_of_name(file, mode->u.items[i].u.string);
			else
				vs_arch_unsupported(file, "pooling_mode",
									"a list of others than names");
		}
		return pooling;
	}
	vs_arch_unsupported(file, "pooling_mode", "neither name nor list");
}

static void
configure_pooling(const char *file, const VsJson *json, VsModelConfig *config)
{
	const VsJson *mode = vs_json_find(json, "pooling_mode");
	int			width = vs_json_int(file, json, "word_embedding_dimension",
									1, VS_MODEL_MAX_WIDTH, config->width);

	width = vs_json_int(file, json, "embedding_dimension",
						1, VS_MODEL_MAX_WIDTH, width);
	if (width != config->width)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("pooling in model file \"%s\" expects %d dimensions",
						file, width),
				 errdetail("The encoder has %d.", config->width)));
	config->pooling = mode ? pooling_of_mode(file, mode) : 0;
	for (int i = 0; mode == NULL && i < POOLING_COUNT; i++)
	{
		if (vs_json_bool(file, json, pooling_names[i].flag,
						 pooling_names[i].pooling == VS_POOL_MEAN))
			config->pooling |= pooling_names[i].pooling;
	}
	if (config->pooling == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" names no way of pooling", file)));
	if (vs_json_find(json, "include_prompt") != NULL)
		config->prompt_in_pooling = vs_json_bool(file, json, "include_prompt",
												 true);
}

/* ------------------------------------------------------------------------
 * Stages
 * ------------------------------------------------------------------------ */

typedef struct StageName
{
	VsStageKind kind;
	const char *type;			/* last word of the module's type */
} StageName;

static const StageName stage_names[] = {
	{VS_STAGE_DENSE, "Dense"},
	{VS_STAGE_LAYER_NORM, "LayerNorm"},
	{VS_STAGE_NORMALIZE, "Normalize"},
};

static VsStageKind
stage_kind(const char *type)
{
	for (int i = 0; i < (int) lengthof(stage_names); i++)
	{
		if (strcmp(type, stage_names[i].type) == 0)
			return stage_names[i].kind;
	}
	vs_arch_unsupported("modules.json", "module", type);
}

static char *
folder_config_file(const VsModelFolder *folder)
{
	return psprintf("%s/config.json", folder->path);
}

static void
require_config(const VsModelFolder *folder)
{
	if (folder->config == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" is missing",
						folder_config_file(folder))));
}

/* A number that must be the width of what comes in. */
static void
check_stage_width(const char *file, const VsJson *json, const char *key,
				  int width)
{
	int			got = vs_json_int(file, json, key, 1, MAX_STAGE_WIDTH, width);

	if (got != width)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" in model file \"%s\" is %d",
						key, file, got),
				 errdetail("What comes before it gives %d.", width)));
}

static void
configure_dense(const VsModelFolder *folder, VsStage *stage)
{
	char	   *file = folder_config_file(folder);
	const char *activation;

	require_config(folder);
	check_stage_width(file, folder->config, "in_features", stage->in);
	stage->out = vs_json_int(file, folder->config, "out_features",
							 1, VS_MODEL_MAX_WIDTH, stage->in);
	stage->has_bias = vs_json_bool(file, folder->config, "bias", true);
	activation = vs_json_string(file, folder->config, "activation_function");
	stage->activation = activation ? vs_arch_activation(file, activation) :
		VS_ACT_TANH;
}

/* Append the stage of a folder; width is that of what comes in. */
static void
configure_stage(const VsModelFolder *folder, VsModelConfig *config, int width)
{
	VsStageKind kind = stage_kind(folder->type);
	VsStage    *stage;

	if (config->stage_count == VS_MODEL_MAX_STAGES)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model file \"%s\" has more than %d stages after pooling",
						"modules.json", VS_MODEL_MAX_STAGES)));
	stage = &config->stages[config->stage_count++];
	stage->kind = kind;
	stage->in = stage->out = width;
	if (kind == VS_STAGE_DENSE)
		configure_dense(folder, stage);
	else if (kind == VS_STAGE_LAYER_NORM)
	{
		require_config(folder);
		check_stage_width(folder_config_file(folder), folder->config,
						  "dimension", width);
		stage->has_bias = true;
		stage->eps = STAGE_NORM_EPS;
	}
}

/* The folders of modules.json: Transformer, Pooling, then the stages. */
static void
configure_modules(const List *folders, VsModelConfig *config)
{
	static const char *const first[] = {"Transformer", "Pooling"};
	int			i = 0;
	ListCell   *cell;

	config->pooling = VS_POOL_MEAN;
	config->dim = config->width;
	foreach(cell, folders)
	{
		const VsModelFolder *folder = lfirst(cell);

		if (i < (int) lengthof(first))
		{
			if (strcmp(folder->type, first[i]) != 0)
				vs_arch_unsupported("modules.json",
									i == 0 ? "first module" : "second module",
									folder->type);
			if (i++ == 0)
				continue;
			require_config(folder);
			configure_pooling(folder_config_file(folder), folder->config, config);
			config->dim = vs_arch_pooled_width(config);
			continue;
		}
		configure_stage(folder, config, config->dim);
		config->dim = config->stages[config->stage_count - 1].out;
	}
	if (i == 1)
		vs_arch_unsupported("modules.json", "module list", "Transformer alone");
}

void
vs_arch_add_stages(List **specs, const VsModelConfig *config,
				   const VsModelFiles *files)
{
	for (int i = 0; i < config->stage_count; i++)
	{
		const VsStage *stage = &config->stages[i];

		/* behind Transformer and Pooling */
		const VsModelFolder *folder = list_nth(files->folders, i + 2);
		bool		dense = stage->kind == VS_STAGE_DENSE;
		VsTensorSpec *spec;

		if (stage->kind == VS_STAGE_NORMALIZE)
			continue;
		spec = vs_arch_add(specs, VS_ROLE_STAGE_WEIGHT, i,
						   dense ? VS_TENSOR_LINEAR : VS_TENSOR_VECTOR,
						   dense ? stage->out : 1, stage->in,
						   dense ? "linear.weight" : "norm.weight");
		spec->folder = folder->path;
		if (!stage->has_bias)
			continue;
		spec = vs_arch_add(specs, VS_ROLE_STAGE_BIAS, i, VS_TENSOR_VECTOR,
						   1, stage->out,
						   dense ? "linear.bias" : "norm.bias");
		spec->folder = folder->path;
	}
}

/* ------------------------------------------------------------------------
 * Length of texts and prompts
 * ------------------------------------------------------------------------ */

/* The most tokens that the position part of the encoder can take. */
static int
position_limit(const VsModelConfig *config)
{
	if (config->position_rows > 0)
		return config->position_rows - config->position_offset;
	if (config->position_kind == VS_POSITION_RELATIVE)
		return VS_MODEL_MAX_POSITIONS;
	return config->max_tokens;
}

static void
configure_max_tokens(const VsModelFiles *files, VsModelConfig *config)
{
	int			limit = position_limit(config);
	int			tokens = config->max_tokens > 0 ? config->max_tokens : limit;

	if (limit < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" leaves no position for a token",
						VS_ARCH_CONFIG_FILE)));

	/* "no limit" is a number of thirty digits there */
	if (files->tokenizer_config)
		tokens = Min(tokens, vs_json_number("tokenizer_config.json",
											files->tokenizer_config,
											"model_max_length",
											1, DBL_MAX, tokens));
	if (files->sentence_bert)
		tokens = vs_json_int("sentence_bert_config.json", files->sentence_bert,
							 "max_seq_length", 1, PG_INT32_MAX, tokens);
	config->max_tokens = Min(tokens, limit);
}

void
vs_arch_configure_stages(const VsModelFiles *files, VsModelConfig *config)
{
	configure_max_tokens(files, config);
	config->prompt_in_pooling = -1;
	configure_modules(files->folders, config);
	if (files->sentence_bert)
		config->lower_case = vs_json_bool("sentence_bert_config.json",
										  files->sentence_bert,
										  "do_lower_case", false);

	/*
	 * A key of our own.  Models such as Nomic v1.5 want a layer norm without
	 * weights before their vectors are cut, but say so in prose only.
	 */
	if (files->sentence_transformers)
		config->matryoshka_norm =
			vs_json_bool("config_sentence_transformers.json",
						 files->sentence_transformers,
						 "matryoshka_layer_norm", false);
}

List *
vs_arch_prompts(const VsModelFiles *files, const char **default_task)
{
	static const char *const file = "config_sentence_transformers.json";
	const VsJson *json = files->sentence_transformers;
	const VsJson *object = json ? vs_json_object(file, json, "prompts") : NULL;
	List	   *prompts = NIL;
	bool		found = false;

	*default_task = NULL;
	if (json)
		*default_task = vs_json_string(file, json, "default_prompt_name");
	for (uint32 i = 0; object != NULL && i < object->count; i++)
	{
		const VsJson *member = &object->u.items[i];
		VsPrompt   *prompt = palloc(sizeof(VsPrompt));

		/* a task that may have a prompt, but has none */
		if (member->kind == VS_JSON_NULL)
			continue;
		prompt->task = member->key;
		prompt->text = vs_json_string(file, object, member->key);
		if (*default_task && strcmp(*default_task, member->key) == 0)
			found = true;
		prompts = lappend(prompts, prompt);
	}
	if (*default_task && !found)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("default prompt \"%s\" is not among the prompts of model file \"%s\"",
						*default_task, file)));
	return prompts;
}
