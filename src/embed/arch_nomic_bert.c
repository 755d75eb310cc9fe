/*
 * arch_nomic_bert.c
 *		NomicBERT (arXiv 2402.01613): BERT with rotary positions and a gated
 *		FFN without biases.
 */
#include "postgres.h"

#include "embed/arch_parts.h"

static const VsLayerNames names = {
	.layer = "encoder.layers.%d.",
	.q = "attn.Wqkv",
	.out = "attn.out_proj",
	.attention_norm = "norm1",
	.up = "mlp.fc11",
	.gate = "mlp.fc12",
	.down = "mlp.fc2",
	.ffn_norm = "norm2",
};

/* What the configuration can say and the forward pass does not do. */
static void
refuse_unsupported(const VsJson *json)
{
	const char *act = vs_json_string(VS_ARCH_CONFIG_FILE, json,
									 "activation_function");
	double		fraction = vs_json_number(VS_ARCH_CONFIG_FILE, json,
										  "rotary_emb_fraction", 0, 1, 0);

	if (act == NULL || strcmp(act, "swiglu") != 0)
		vs_arch_unsupported(VS_ARCH_CONFIG_FILE, "activation_function",
							act ? act : "gelu");
	if (fraction != 1.0)
		vs_arch_unsupported(VS_ARCH_CONFIG_FILE, "rotary_emb_fraction",
							psprintf("%g", fraction));
	vs_arch_require_bool(json, "rotary_emb_interleaved", false, false);
	vs_arch_require_bool(json, "prenorm", false, true);
	vs_arch_require_bool(json, "causal", false, false);
	vs_arch_require_bool(json, "parallel_block", false, false);
	vs_arch_require_bool(json, "use_rms_norm", false, false);
	vs_arch_require_absent(json, "rotary_emb_scale_base");
	vs_arch_require_absent(json, "rotary_scaling_factor");
}

static void
configure(const VsModelFiles *files, VsModelConfig *config)
{
	const char *file = VS_ARCH_CONFIG_FILE;
	const VsJson *json = files->config;
	bool		bias = vs_json_bool(file, json, "qkv_proj_bias", true);

	refuse_unsupported(json);
	vs_arch_require_bool(json, "mlp_fc1_bias", bias, true);
	vs_arch_require_bool(json, "mlp_fc2_bias", bias, true);
	config->linear_bias = bias;

	config->vocab = vs_arch_int(json, "vocab_size", 1, VS_MODEL_MAX_VOCAB);
	config->width = vs_arch_int(json, "n_embd", 1, VS_MODEL_MAX_WIDTH);
	config->embed_width = config->width;
	config->layers = vs_arch_int(json, "n_layer", 0, VS_MODEL_MAX_LAYERS);
	config->heads = vs_arch_int(json, "n_head", 1, VS_MODEL_MAX_HEADS);
	config->ffn_width = vs_arch_int(json, "n_inner", 1, VS_MODEL_MAX_FFN);
	config->ffn_gated = true;
	config->activation = VS_ACT_SILU;
	config->has_types = vs_json_int(file, json, "type_vocab_size",
									0, PG_INT16_MAX, 0) > 0;
	config->embed_norm = true;
	config->norm_eps = vs_json_number(file, json, "layer_norm_epsilon",
									  0, 1, 1e-12);
	config->position_kind = VS_POSITION_ROTARY;
	config->rotary_base = vs_json_number(file, json, "rotary_emb_base",
										 1, 1e12, 10000);
	config->max_tokens = vs_arch_int(json, "n_positions", 1,
									 VS_MODEL_MAX_POSITIONS);
}

static List *
tensors(const VsModelConfig *config)
{
	VsModelConfig tables = *config;
	List	   *specs = NIL;

	/* the norm of the embeddings has a name of its own */
	tables.embed_norm = false;
	vs_arch_add_embeddings(&specs, &tables);
	vs_arch_add_norm(&specs, config, VS_ROLE_EMBED_NORM_WEIGHT, 0,
					 config->embed_width, "emb_ln");
	vs_arch_add_layers(&specs, config, &names);
	return specs;
}

const VsArch vs_arch_nomic_bert = {
	.name = "nomic_bert",
	.model_types = "nomic_bert",
	.prefixes = "|bert.|model.",
	.configure = configure,
	.tensors = tensors,
};
