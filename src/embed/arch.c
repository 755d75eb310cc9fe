/*
 * arch.c
 *		The table of architectures, and what a configuration must keep to.
 */
#include "postgres.h"

#include <math.h>

#include "embed/arch_parts.h"

static const VsArch *const archs[] = {
	&vs_arch_bert,
	&vs_arch_distilbert,
	&vs_arch_mpnet,
	&vs_arch_nomic_bert,
	&vs_arch_roberta,
	&vs_arch_t5,
	&vs_arch_use_lite,
};

/* Whether a list "a|b|c" has the word. */
static bool
list_has(const char *list, const char *word)
{
	size_t		len = strlen(word);

	if (strchr(word, '|') != NULL)
		return false;
	for (const char *p = list; p != NULL; p = strchr(p, '|'))
	{
		if (*p == '|')
			p++;
		if (strncmp(p, word, len) == 0 && (p[len] == '|' || p[len] == '\0'))
			return true;
	}
	return false;
}

static const VsArch *
arch_of_model_type(const char *type)
{
	char	   *known = pstrdup("");

	for (int i = 0; i < (int) lengthof(archs); i++)
	{
		if (list_has(archs[i]->model_types, type))
			return archs[i];
		known = psprintf("%s%s%s", known, i ? "|" : "", archs[i]->model_types);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("model type \"%s\" is not supported", type),
			 errdetail("Supported are %s.", known)));
	pg_unreachable();
}

/* NULL if no architecture has the name. */
static const VsArch *
arch_of_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(archs); i++)
	{
		if (strcmp(archs[i]->name, name) == 0)
			return archs[i];
	}
	return NULL;
}

static const VsArch *
arch_of_config(const VsModelConfig *config)
{
	const VsArch *arch = arch_of_name(config->arch);

	if (arch == NULL)
		elog(ERROR, "unknown architecture \"%s\"", config->arch);
	return arch;
}

void
vs_arch_configure(const VsModelFiles *files, VsModelConfig *config)
{
	const char *type = vs_json_string(VS_ARCH_CONFIG_FILE, files->config,
									  "model_type");
	const VsArch *arch;

	if (type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" has no \"%s\"",
						VS_ARCH_CONFIG_FILE, "model_type")));
	arch = arch_of_model_type(type);
	memset(config, 0, sizeof(VsModelConfig));
	strlcpy(config->arch, arch->name, sizeof(config->arch));
	config->embed_scale = 1.0f;
	arch->configure(files, config);
	vs_arch_configure_stages(files, config);
	vs_arch_check(VS_ARCH_CONFIG_FILE, config);
}

List *
vs_arch_tensors(const VsModelConfig *config, const VsModelFiles *files)
{
	List	   *specs = arch_of_config(config)->tensors(config);

	vs_arch_add_stages(&specs, config, files);
	return specs;
}

const char *
vs_arch_prefixes(const VsModelConfig *config)
{
	return arch_of_config(config)->prefixes;
}

/* ------------------------------------------------------------------------
 * Checks
 * ------------------------------------------------------------------------ */

/* An error that names the field unless ok. */
static void
require(bool ok, const char *file, const char *field)
{
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" has an impossible %s", file, field)));
}

static bool
within(int x, int min, int max)
{
	return x >= min && x <= max;
}

/* Finite, and within min..max. */
static bool
within_float(float x, float min, float max)
{
	return x >= min && x <= max;
}

static bool
is_flag(int x)
{
	return x == 0 || x == 1;
}

/* The heads of a layer whose input is width wide. */
static bool
heads_fit(const VsModelConfig *config, int width)
{
	int			dim = config->head_dim;

	if (dim == 0)
	{
		if (width % config->heads != 0)
			return false;
		dim = width / config->heads;
	}
	return dim <= VS_MODEL_MAX_WIDTH &&
		dim * config->heads <= VS_MODEL_MAX_FFN &&
		(config->position_kind != VS_POSITION_ROTARY || dim % 2 == 0);
}

static void
check_positions(const char *file, const VsModelConfig *config)
{
	require(within(config->position_kind,
				   VS_POSITION_NONE, VS_POSITION_RELATIVE),
			file, "kind of positions");
	require(within(config->position_rows, 0, VS_MODEL_MAX_POSITIONS) &&
			(config->position_kind != VS_POSITION_LEARNED ||
			 config->position_rows > 0),
			file, "number of positions");
	require(within(config->max_tokens, 1, VS_MODEL_MAX_POSITIONS) &&
			within(config->position_offset, 0, VS_MODEL_MAX_VOCAB) &&
			(config->position_rows == 0 ||
			 config->max_tokens <=
			 config->position_rows - config->position_offset),
			file, "length of texts");
	if (config->position_kind == VS_POSITION_RELATIVE)
	{
		int			buckets = config->relative_buckets;

		require(within(buckets, 4, PG_INT16_MAX) && buckets % 4 == 0,
				file, "number of position buckets");
		require(within(config->relative_max_distance, buckets / 4 + 1,
					   VS_MODEL_MAX_POSITIONS),
				file, "distance of position buckets");
	}
	if (config->position_kind == VS_POSITION_ROTARY)
		require(within_float(config->rotary_base, 1, 1e12f),
				file, "base of rotary positions");
	if (config->position_kind == VS_POSITION_SINUSOID)
		require(config->embed_width % 2 == 0 && config->embed_width >= 4,
				file, "width of embeddings");
}

static void
check_encoder(const char *file, const VsModelConfig *config)
{
	require(within(config->layers, 0, VS_MODEL_MAX_LAYERS),
			file, "number of layers");
	require(within(config->vocab, 1, VS_MODEL_MAX_VOCAB),
			file, "size of the vocabulary");
	require(within(config->embed_width, 1, VS_MODEL_MAX_WIDTH),
			file, "width of embeddings");
	require(within(config->width, 1, VS_MODEL_MAX_WIDTH) &&
			(config->layers > 0 || config->width == config->embed_width),
			file, "width of layers");
	require(within(config->ffn_width, 1, VS_MODEL_MAX_FFN),
			file, "width of the feed-forward part");
	require(within(config->heads, 1, VS_MODEL_MAX_HEADS) &&
			within(config->head_dim, 0, VS_MODEL_MAX_WIDTH) &&
			heads_fit(config, config->embed_width) &&
			heads_fit(config, config->width),
			file, "number of attention heads");
	require(within(config->norm_kind, VS_NORM_LAYER, VS_NORM_RMS) &&
			within_float(config->norm_eps, 0, 1),
			file, "kind of norm");
	require(within(config->activation, 0, VS_ACT_COUNT - 1),
			file, "activation");
	require(is_flag(config->has_types) && is_flag(config->pre_norm) &&
			is_flag(config->embed_norm) && is_flag(config->final_norm) &&
			is_flag(config->ffn_gated) && is_flag(config->linear_bias),
			file, "form of layers");
	require(within_float(config->embed_scale, 0, 1e6f) &&
			within_float(config->attention_scale, 0, 1e6f),
			file, "scale");
}

static void
check_stages(const char *file, const VsModelConfig *config)
{
	int			width;

	require(within(config->pooling, 1, 2 * VS_POOL_LAST_TOKEN - 1),
			file, "pooling");
	require(is_flag(config->lower_case) && is_flag(config->matryoshka_norm) &&
			within(config->prompt_in_pooling, -1, 1),
			file, "use of texts");
	require(within(config->stage_count, 0, VS_MODEL_MAX_STAGES),
			file, "number of stages");
	width = vs_arch_pooled_width(config);
	for (int i = 0; i < config->stage_count; i++)
	{
		const VsStage *stage = &config->stages[i];

		require(within(stage->kind, VS_STAGE_DENSE, VS_STAGE_NORMALIZE) &&
				within(stage->activation, 0, VS_ACT_COUNT - 1) &&
				is_flag(stage->has_bias) && within_float(stage->eps, 0, 1),
				file, "stage");
		require(stage->in == width &&
				(stage->kind == VS_STAGE_DENSE ?
				 within(stage->out, 1, VS_MODEL_MAX_WIDTH) :
				 stage->out == width),
				file, "width of a stage");
		width = stage->out;
	}
	require(config->dim == width, file, "dimension");
}

void
vs_arch_check(const char *file, const VsModelConfig *config)
{
	require(memchr(config->arch, '\0', sizeof(config->arch)) != NULL &&
			arch_of_name(config->arch) != NULL,
			file, "architecture");
	check_encoder(file, config);
	check_positions(file, config);
	check_stages(file, config);
}
