/*
 * arch_distilbert.c
 *		DistilBERT (arXiv 1910.01108).
 */
#include "postgres.h"

#include "embed/arch_parts.h"

static const VsLayerNames names = {
	.layer = "transformer.layer.%d.",
	.q = "attention.q_lin",
	.k = "attention.k_lin",
	.v = "attention.v_lin",
	.out = "attention.out_lin",
	.attention_norm = "sa_layer_norm",
	.up = "ffn.lin1",
	.down = "ffn.lin2",
	.ffn_norm = "output_layer_norm",
};

/* Sinusoidal positions are in the file as a table like learned ones. */
static void
configure(const VsModelFiles *files, VsModelConfig *config)
{
	const VsJson *json = files->config;
	const char *act = vs_json_string(VS_ARCH_CONFIG_FILE, json, "activation");

	config->vocab = vs_arch_int(json, "vocab_size", 1, VS_MODEL_MAX_VOCAB);
	config->width = vs_arch_int(json, "dim", 1, VS_MODEL_MAX_WIDTH);
	config->embed_width = config->width;
	config->layers = vs_arch_int(json, "n_layers", 0, VS_MODEL_MAX_LAYERS);
	config->heads = vs_arch_int(json, "n_heads", 1, VS_MODEL_MAX_HEADS);
	config->ffn_width = vs_arch_int(json, "hidden_dim", 1, VS_MODEL_MAX_FFN);
	config->activation = vs_arch_activation(VS_ARCH_CONFIG_FILE,
											act ? act : "gelu");
	config->norm_eps = 1e-12f;
	config->embed_norm = true;
	config->linear_bias = true;
	config->position_kind = VS_POSITION_LEARNED;
	config->position_rows = vs_arch_int(json, "max_position_embeddings", 1,
										VS_MODEL_MAX_POSITIONS);
}

static List *
tensors(const VsModelConfig *config)
{
	return vs_arch_plain_tensors(config, &names);
}

const VsArch vs_arch_distilbert = {
	.name = "distilbert",
	.model_types = "distilbert",
	.prefixes = "|distilbert.|model.",
	.configure = configure,
	.tensors = tensors,
};
