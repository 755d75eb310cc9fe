/*
 * arch_use_lite.c
 *		The lite Universal Sentence Encoder (arXiv 1803.11175) as tfjs runs it:
 *		pre-norm layers, of which the first widens, and sinusoid positions.
 *		Its files are made by test/model.
 */
#include "postgres.h"

#include "embed/arch_parts.h"

static const VsLayerNames names = {
	.layer = "encoder.layer.%d.",
	.q = "attention.qkv",
	.out = "attention.out",
	.residual = "residual",
	.attention_norm = "ln1",
	.up = "ffn.up",
	.down = "ffn.down",
	.ffn_norm = "ln2",
};

static void
configure(const VsModelFiles *files, VsModelConfig *config)
{
	const char *file = VS_ARCH_CONFIG_FILE;
	const VsJson *json = files->config;
	const char *act = vs_json_string(file, json, "hidden_act");

	config->vocab = vs_arch_int(json, "vocab_size", 1, VS_MODEL_MAX_VOCAB);
	config->embed_width = vs_arch_int(json, "embedding_size", 4,
									  VS_MODEL_MAX_WIDTH);
	config->width = vs_arch_int(json, "hidden_size", 1, VS_MODEL_MAX_WIDTH);
	config->layers = vs_arch_int(json, "num_hidden_layers", 1,
								 VS_MODEL_MAX_LAYERS);
	config->heads = vs_arch_int(json, "num_attention_heads", 1,
								VS_MODEL_MAX_HEADS);
	config->ffn_width = vs_arch_int(json, "intermediate_size", 1,
									VS_MODEL_MAX_FFN);
	config->activation = vs_arch_activation(file, act ? act : "relu");
	config->norm_eps = vs_json_number(file, json, "layer_norm_eps", 0, 1, 1e-6);
	config->pre_norm = true;
	config->linear_bias = true;
	config->embed_scale = 2.0f; /* the graph adds the embedding twice */
	config->position_kind = VS_POSITION_SINUSOID;
	config->max_tokens = vs_arch_int(json, "max_position_embeddings", 1,
									 VS_MODEL_MAX_POSITIONS);
}

static List *
tensors(const VsModelConfig *config)
{
	return vs_arch_plain_tensors(config, &names);
}

const VsArch vs_arch_use_lite = {
	.name = "use_lite",
	.model_types = "use_lite",
	.prefixes = "",
	.configure = configure,
	.tensors = tensors,
};
