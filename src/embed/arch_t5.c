/*
 * arch_t5.c
 *		The encoder of T5 (arXiv 1910.10683; v1.1 and mT5 with a gated FFN),
 *		as INSTRUCTOR, GTR and sentence-T5 use it.
 */
#include "postgres.h"

#include "embed/arch_parts.h"

#define GATED	"gated-"

/* How long texts are where nothing says it; positions set no limit. */
#define DEFAULT_TOKENS	512

static const VsLayerNames names = {
	.layer = "encoder.block.%d.layer.",
	.q = "0.SelfAttention.q",
	.k = "0.SelfAttention.k",
	.v = "0.SelfAttention.v",
	.out = "0.SelfAttention.o",
	.attention_norm = "0.layer_norm",
	.up = "1.DenseReluDense.wi",
	.down = "1.DenseReluDense.wo",
	.ffn_norm = "1.layer_norm",
};

/* Of v1.1: the activation is that of wi_0. */
static const VsLayerNames gated_names = {
	.layer = "encoder.block.%d.layer.",
	.q = "0.SelfAttention.q",
	.k = "0.SelfAttention.k",
	.v = "0.SelfAttention.v",
	.out = "0.SelfAttention.o",
	.attention_norm = "0.layer_norm",
	.up = "1.DenseReluDense.wi_1",
	.gate = "1.DenseReluDense.wi_0",
	.down = "1.DenseReluDense.wo",
	.ffn_norm = "1.layer_norm",
};

/* "relu", or "gated-gelu", which means the form with tanh. */
static void
configure_ffn(const char *projection, VsModelConfig *config)
{
	config->ffn_gated = strncmp(projection, GATED, strlen(GATED)) == 0;
	if (strcmp(projection, GATED "gelu") == 0)
		config->activation = VS_ACT_GELU_TANH;
	else
		config->activation =
			vs_arch_activation(VS_ARCH_CONFIG_FILE, projection +
							   (config->ffn_gated ? strlen(GATED) : 0));
}

static void
configure(const VsModelFiles *files, VsModelConfig *config)
{
	const char *file = VS_ARCH_CONFIG_FILE;
	const VsJson *json = files->config;
	const char *projection = vs_json_string(file, json, "feed_forward_proj");

	config->vocab = vs_arch_int(json, "vocab_size", 1, VS_MODEL_MAX_VOCAB);
	config->width = vs_arch_int(json, "d_model", 1, VS_MODEL_MAX_WIDTH);
	config->embed_width = config->width;
	config->layers = vs_arch_int(json, "num_layers", 0, VS_MODEL_MAX_LAYERS);
	config->heads = vs_arch_int(json, "num_heads", 1, VS_MODEL_MAX_HEADS);
	config->head_dim = vs_arch_int(json, "d_kv", 1, VS_MODEL_MAX_WIDTH);
	config->ffn_width = vs_arch_int(json, "d_ff", 1, VS_MODEL_MAX_FFN);
	configure_ffn(projection ? projection : "relu", config);

	config->norm_kind = VS_NORM_RMS;
	config->norm_eps = vs_json_number(file, json, "layer_norm_epsilon",
									  0, 1, 1e-6);
	config->pre_norm = true;
	config->final_norm = true;
	config->attention_scale = 1.0f;

	config->position_kind = VS_POSITION_RELATIVE;
	config->relative_buckets =
		vs_json_int(file, json, "relative_attention_num_buckets",
					4, PG_INT16_MAX, 32);
	config->relative_max_distance =
		vs_json_int(file, json, "relative_attention_max_distance",
					2, VS_MODEL_MAX_POSITIONS, 128);
	config->max_tokens = vs_json_int(file, json, "n_positions", 1,
									 VS_MODEL_MAX_POSITIONS, DEFAULT_TOKENS);
}

static List *
tensors(const VsModelConfig *config)
{
	List	   *specs = NIL;

	vs_arch_add(&specs, VS_ROLE_WORD, 0, VS_TENSOR_TABLE,
				config->vocab, config->embed_width,
				"shared.weight|encoder.embed_tokens.weight");
	if (config->layers > 0)
		vs_arch_add(&specs, VS_ROLE_RELATIVE_BIAS, 0, VS_TENSOR_VECTOR,
					config->relative_buckets, config->heads,
					"encoder.block.0.layer.0.SelfAttention."
					"relative_attention_bias.weight");
	vs_arch_add_layers(&specs, config,
					   config->ffn_gated ? &gated_names : &names);
	vs_arch_add_norm(&specs, config, VS_ROLE_FINAL_NORM_WEIGHT, 0,
					 config->width, "encoder.final_layer_norm");
	return specs;
}

const VsArch vs_arch_t5 = {
	.name = "t5",
	.model_types = "t5|mt5",
	.prefixes = "|model.|transformer.",
	.configure = configure,
	.tensors = tensors,
};
