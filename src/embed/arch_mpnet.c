/*
 * arch_mpnet.c
 *		MPNet (arXiv 2004.09297): BERT without token types, with a learned
 *		position from behind the padding's and one relative bias of the scores
 *		that all layers share.
 */
#include "postgres.h"

#include "embed/arch_parts.h"

/* Fixed in the original, whatever the configuration says. */
#define BUCKETS			32
#define MAX_DISTANCE	128

static const VsLayerNames names = {
	.layer = "encoder.layer.%d.",
	.q = "attention.attn.q",
	.k = "attention.attn.k",
	.v = "attention.attn.v",
	.out = "attention.attn.o",
	.attention_norm = "attention.LayerNorm",
	.up = "intermediate.dense",
	.down = "output.dense",
	.ffn_norm = "output.LayerNorm",
};

static void
configure(const VsModelFiles *files, VsModelConfig *config)
{
	const VsJson *json = files->config;
	int			buckets;

	vs_arch_configure_bert_like(json, config);
	buckets = vs_json_int(VS_ARCH_CONFIG_FILE, json,
						  "relative_attention_num_buckets",
						  1, PG_INT16_MAX, BUCKETS);
	if (buckets != BUCKETS)
		vs_arch_unsupported(VS_ARCH_CONFIG_FILE,
							"relative_attention_num_buckets",
							psprintf("%d", buckets));
	config->position_kind = VS_POSITION_RELATIVE;
	config->position_offset = 1 +
		vs_json_int(VS_ARCH_CONFIG_FILE, json, "pad_token_id",
					0, VS_MODEL_MAX_VOCAB - 1, 1);
	config->relative_buckets = BUCKETS;
	config->relative_max_distance = MAX_DISTANCE;
}

static List *
tensors(const VsModelConfig *config)
{
	List	   *specs = NIL;

	vs_arch_add_embeddings(&specs, config);
	vs_arch_add(&specs, VS_ROLE_RELATIVE_BIAS, 0, VS_TENSOR_VECTOR,
				BUCKETS, config->heads,
				"encoder.relative_attention_bias.weight");
	vs_arch_add_layers(&specs, config, &names);
	return specs;
}

const VsArch vs_arch_mpnet = {
	.name = "mpnet",
	.model_types = "mpnet",
	.prefixes = "|mpnet.|model.",
	.configure = configure,
	.tensors = tensors,
};
