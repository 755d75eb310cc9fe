/*
 * arch_roberta.c
 *		RoBERTa (arXiv 1907.11692), XLM-R (1911.02116), CamemBERT (1911.03894):
 *		BERT whose positions begin behind the one of the padding.
 */
#include "postgres.h"

#include "embed/arch_parts.h"

static void
configure(const VsModelFiles *files, VsModelConfig *config)
{
	const char *file = VS_ARCH_CONFIG_FILE;

	vs_arch_bert.configure(files, config);
	config->norm_eps = vs_json_number(file, files->config, "layer_norm_eps",
									  0, 1, 1e-5);
	config->position_offset = 1 + vs_json_int(file, files->config,
											  "pad_token_id", 0,
											  VS_MODEL_MAX_VOCAB - 1, 1);
}

static List *
tensors(const VsModelConfig *config)
{
	return vs_arch_bert.tensors(config);
}

const VsArch vs_arch_roberta = {
	.name = "roberta",
	.model_types = "roberta|xlm-roberta|camembert",
	.prefixes = "|roberta.|model.",
	.configure = configure,
	.tensors = tensors,
};
