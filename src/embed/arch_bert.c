/*
 * arch_bert.c
 *		BERT (arXiv 1810.04805) and what is made like it: MiniLM, BGE, E5, GTE.
 */
#include "postgres.h"

#include "embed/arch_parts.h"

static const VsLayerNames names = {
	.layer = "encoder.layer.%d.",
	.q = "attention.self.query",
	.k = "attention.self.key",
	.v = "attention.self.value",
	.out = "attention.output.dense",
	.attention_norm = "attention.output.LayerNorm",
	.up = "intermediate.dense",
	.down = "output.dense",
	.ffn_norm = "output.LayerNorm",
};

static void
configure(const VsModelFiles *files, VsModelConfig *config)
{
	vs_arch_configure_bert_like(files->config, config);
	config->has_types = vs_json_int(VS_ARCH_CONFIG_FILE, files->config,
									"type_vocab_size", 0, PG_INT16_MAX, 2) > 0;
}

static List *
tensors(const VsModelConfig *config)
{
	return vs_arch_plain_tensors(config, &names);
}

const VsArch vs_arch_bert = {
	.name = "bert",
	.model_types = "bert",
	.prefixes = "|bert.|model.",
	.configure = configure,
	.tensors = tensors,
};
