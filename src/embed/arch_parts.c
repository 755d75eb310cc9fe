/*
 * arch_parts.c
 *		What the architectures share: reading config.json, listing tensors.
 */
#include "postgres.h"

#include "embed/arch_parts.h"

/* ------------------------------------------------------------------------
 * Reading config.json
 * ------------------------------------------------------------------------ */

int
vs_arch_int(const VsJson *config, const char *key, int min, int max)
{
	if (vs_json_find(config, key) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" has no \"%s\"",
						VS_ARCH_CONFIG_FILE, key)));
	return vs_json_int(VS_ARCH_CONFIG_FILE, config, key, min, max, min);
}

void
vs_arch_require_bool(const VsJson *config, const char *key, bool required,
					 bool absent)
{
	if (vs_json_bool(VS_ARCH_CONFIG_FILE, config, key, absent) != required)
		vs_arch_unsupported(VS_ARCH_CONFIG_FILE, key,
							required ? "false" : "true");
}

void
vs_arch_require_absent(const VsJson *config, const char *key)
{
	if (vs_json_find(config, key) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" in model file \"%s\" is not supported",
						key, VS_ARCH_CONFIG_FILE)));
}

void
vs_arch_unsupported(const char *file, const char *key, const char *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s \"%s\" in model file \"%s\" is not supported",
					key, value, file)));
	pg_unreachable();
}

/* One spelling of an activation in config.json or, for stages, of its class. */
typedef struct ActivationName
{
	const char *name;
	VsActivation activation;
} ActivationName;

static const ActivationName activation_names[] = {
	{"gelu", VS_ACT_GELU},
	{"gelu_python", VS_ACT_GELU},
	{"gelu_new", VS_ACT_GELU_TANH},
	{"gelu_fast", VS_ACT_GELU_TANH},
	{"gelu_accurate", VS_ACT_GELU_TANH},
	{"gelu_pytorch_tanh", VS_ACT_GELU_TANH},
	{"relu", VS_ACT_RELU},
	{"silu", VS_ACT_SILU},
	{"swish", VS_ACT_SILU},
	{"tanh", VS_ACT_TANH},
	{"quick_gelu", VS_ACT_QUICK_GELU},
	{"linear", VS_ACT_NONE},
	{"identity", VS_ACT_NONE},
	{"torch.nn.modules.linear.Identity", VS_ACT_NONE},
	{"torch.nn.modules.activation.Tanh", VS_ACT_TANH},
	{"torch.nn.modules.activation.ReLU", VS_ACT_RELU},
	{"torch.nn.modules.activation.GELU", VS_ACT_GELU},
	{"torch.nn.modules.activation.SiLU", VS_ACT_SILU},
};

VsActivation
vs_arch_activation(const char *file, const char *name)
{
	for (int i = 0; i < (int) lengthof(activation_names); i++)
	{
		if (strcmp(activation_names[i].name, name) == 0)
			return activation_names[i].activation;
	}
	vs_arch_unsupported(file, "activation", name);
}

void
vs_arch_configure_bert_like(const VsJson *json, VsModelConfig *config)
{
	const char *file = VS_ARCH_CONFIG_FILE;
	const char *act = vs_json_string(file, json, "hidden_act");
	const char *positions = vs_json_string(file, json, "position_embedding_type");

	config->vocab = vs_arch_int(json, "vocab_size", 1, VS_MODEL_MAX_VOCAB);
	config->width = vs_arch_int(json, "hidden_size", 1, VS_MODEL_MAX_WIDTH);
	config->embed_width = config->width;
	config->layers = vs_arch_int(json, "num_hidden_layers", 0,
								 VS_MODEL_MAX_LAYERS);
	config->heads = vs_arch_int(json, "num_attention_heads", 1,
								VS_MODEL_MAX_HEADS);
	config->ffn_width = vs_arch_int(json, "intermediate_size", 1,
									VS_MODEL_MAX_FFN);
	config->activation = vs_arch_activation(file, act ? act : "gelu");
	config->norm_eps = vs_json_number(file, json, "layer_norm_eps", 0, 1, 1e-12);
	config->embed_norm = true;
	config->linear_bias = true;

	if (positions != NULL && strcmp(positions, "absolute") != 0)
		vs_arch_unsupported(file, "position_embedding_type", positions);
	vs_arch_require_bool(json, "is_decoder", false, false);
	vs_arch_require_bool(json, "add_cross_attention", false, false);
	config->position_kind = VS_POSITION_LEARNED;
	config->position_rows = vs_arch_int(json, "max_position_embeddings", 1,
										VS_MODEL_MAX_POSITIONS);
}

/* ------------------------------------------------------------------------
 * Listing tensors
 * ------------------------------------------------------------------------ */

VsTensorSpec *
vs_arch_add(List **specs, VsRole role, int index, VsTensorKind kind,
			int rows, int cols, const char *name)
{
	VsTensorSpec *spec = palloc0(sizeof(VsTensorSpec));

	spec->role = role;
	spec->index = index;
	spec->kind = kind;
	spec->rows = rows;
	spec->cols = cols;
	spec->nparts = 1;
	spec->name[0] = name;
	spec->part_rows[0] = rows;
	*specs = lappend(*specs, spec);
	return spec;
}

/* The role of a bias follows that of its weight. */
#define BIAS_OF(role)	((VsRole) ((role) + 1))

void
vs_arch_add_norm(List **specs, const VsModelConfig *config, VsRole weight_role,
				 int index, int width, const char *name)
{
	/* files from TensorFlow's days say gamma and beta */
	vs_arch_add(specs, weight_role, index, VS_TENSOR_VECTOR, 1, width,
				psprintf("%s.weight|%s.gamma", name, name));
	if (config->norm_kind == VS_NORM_LAYER)
		vs_arch_add(specs, BIAS_OF(weight_role), index, VS_TENSOR_VECTOR, 1,
					width, psprintf("%s.bias|%s.beta", name, name));
}

/* Weight and bias of a linear layer with n outputs in nparts equal parts. */
static void
add_linear(List **specs, const VsModelConfig *config, VsRole weight_role,
		   int index, int n, int k, const char *prefix,
		   const char *const *names, int nparts)
{
	VsTensorSpec *weight = vs_arch_add(specs, weight_role, index,
									   VS_TENSOR_LINEAR, n, k, NULL);
	VsTensorSpec *bias = NULL;

	if (config->linear_bias)
		bias = vs_arch_add(specs, BIAS_OF(weight_role), index,
						   VS_TENSOR_VECTOR, 1, n, NULL);
	weight->nparts = nparts;
	for (int i = 0; i < nparts; i++)
	{
		weight->name[i] = psprintf("%s%s.weight", prefix, names[i]);
		weight->part_rows[i] = n / nparts;
	}
	if (bias == NULL)
		return;
	bias->nparts = nparts;
	for (int i = 0; i < nparts; i++)
	{
		bias->name[i] = psprintf("%s%s.bias", prefix, names[i]);
		bias->part_rows[i] = nparts == 1 ? 1 : n / nparts;
	}
}

void
vs_arch_add_embeddings(List **specs, const VsModelConfig *config)
{
	int			width = config->embed_width;

	vs_arch_add(specs, VS_ROLE_WORD, 0, VS_TENSOR_TABLE, config->vocab, width,
				"embeddings.word_embeddings.weight");
	if (config->position_rows > 0)
		vs_arch_add(specs, VS_ROLE_POSITION, 0, VS_TENSOR_TABLE,
					config->position_rows, width,
					"embeddings.position_embeddings.weight");
	if (config->has_types)
		vs_arch_add(specs, VS_ROLE_TYPE, 0, VS_TENSOR_VECTOR, 1, width,
					"embeddings.token_type_embeddings.weight")->first_rows = true;
	if (config->embed_norm)
		vs_arch_add_norm(specs, config, VS_ROLE_EMBED_NORM_WEIGHT, 0, width,
						 "embeddings.LayerNorm");
}

/* The tensors of layer l, whose input is in wide. */
static void
add_layer(List **specs, const VsModelConfig *config, const VsLayerNames *names,
		  int l, int in)
{
	char	   *prefix = psprintf(names->layer, l);
	int			width = config->width;
	int			inner = config->heads *
	(config->head_dim > 0 ? config->head_dim : in / config->heads);
	const char *qkv[] = {names->q, names->k, names->v};

	add_linear(specs, config, VS_ROLE_QKV_WEIGHT, l, 3 * inner, in, prefix,
			   qkv, names->k ? 3 : 1);
	add_linear(specs, config, VS_ROLE_OUT_WEIGHT, l, width, inner, prefix,
			   &names->out, 1);
	if (in != width)
		add_linear(specs, config, VS_ROLE_RESIDUAL_WEIGHT, l, width, in, prefix,
				   &names->residual, 1);
	vs_arch_add_norm(specs, config, VS_ROLE_ATTENTION_NORM_WEIGHT, l,
					 config->pre_norm ? in : width,
					 psprintf("%s%s", prefix, names->attention_norm));
	add_linear(specs, config, VS_ROLE_UP_WEIGHT, l, config->ffn_width, width,
			   prefix, &names->up, 1);
	if (config->ffn_gated)
		add_linear(specs, config, VS_ROLE_GATE_WEIGHT, l, config->ffn_width,
				   width, prefix, &names->gate, 1);
	add_linear(specs, config, VS_ROLE_DOWN_WEIGHT, l, width, config->ffn_width,
			   prefix, &names->down, 1);
	vs_arch_add_norm(specs, config, VS_ROLE_FFN_NORM_WEIGHT, l, width,
					 psprintf("%s%s", prefix, names->ffn_norm));
}

void
vs_arch_add_layers(List **specs, const VsModelConfig *config,
				   const VsLayerNames *names)
{
	for (int l = 0; l < config->layers; l++)
		add_layer(specs, config, names, l,
				  l == 0 ? config->embed_width : config->width);
}

List *
vs_arch_plain_tensors(const VsModelConfig *config, const VsLayerNames *names)
{
	List	   *specs = NIL;

	vs_arch_add_embeddings(&specs, config);
	vs_arch_add_layers(&specs, config, names);
	return specs;
}
