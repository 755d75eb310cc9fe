/*
 * arch.h
 *		Architectures: how a Hugging Face config.json describes an encoder.
 *
 * All architectures here are transformer encoders that one forward pass
 * (encoder.c) runs.  An architecture turns its config.json into a
 * VsModelConfig and lists the tensors it takes from the weight files and the
 * roles they play; nothing else knows it by name.
 */
#ifndef VS_EMBED_ARCH_H
#define VS_EMBED_ARCH_H

#include "nodes/pg_list.h"

#include "embed/embed_json.h"
#include "kernel/kernel_nn.h"

/* Limits of every model. */
#define VS_MODEL_MAX_LAYERS		96
#define VS_MODEL_MAX_WIDTH		8192
#define VS_MODEL_MAX_FFN		65536
#define VS_MODEL_MAX_VOCAB		2000000
#define VS_MODEL_MAX_POSITIONS	131072
#define VS_MODEL_MAX_HEADS		256
#define VS_MODEL_MAX_STAGES		8

/* The numbers of all enums below are in model files: never renumber. */

typedef enum VsPositionKind
{
	VS_POSITION_NONE = 0,		/* or in the attention only */
	VS_POSITION_LEARNED = 1,	/* a table, from row position_offset on */
	VS_POSITION_SINUSOID = 2,	/* USE-lite: sin in the first half, cos in the
								 * second */
	VS_POSITION_ROTARY = 3,
	VS_POSITION_RELATIVE = 4,	/* T5, MPNet: a bias of the scores by bucket */
} VsPositionKind;

typedef enum VsNormKind
{
	VS_NORM_LAYER = 0,
	VS_NORM_RMS = 1,
} VsNormKind;

typedef enum VsPooling
{
	VS_POOL_CLS = 1 << 0,
	VS_POOL_MAX = 1 << 1,
	VS_POOL_MEAN = 1 << 2,
	VS_POOL_MEAN_SQRT_LEN = 1 << 3,
	VS_POOL_WEIGHTED_MEAN = 1 << 4,
	VS_POOL_LAST_TOKEN = 1 << 5,
} VsPooling;

/* What comes after pooling, in the order of modules.json. */
typedef enum VsStageKind
{
	VS_STAGE_DENSE = 1,			/* roles STAGE_WEIGHT, STAGE_BIAS */
	VS_STAGE_LAYER_NORM = 2,	/* roles STAGE_WEIGHT, STAGE_BIAS as vectors */
	VS_STAGE_NORMALIZE = 3,		/* to length 1 */
} VsStageKind;

typedef struct VsStage
{
	int32		kind;
	int32		in;				/* width of what goes in, and comes out */
	int32		out;
	int32		activation;		/* VsActivation, of a dense stage */
	int32		has_bias;
	float		eps;			/* of a norm */
} VsStage;

/*
 * All that the forward pass must know.  Part of the model file as it is:
 * fixed-size fields only, no pointers.
 */
typedef struct VsModelConfig
{
	char		arch[32];		/* name of the architecture */

	/* the encoder */
	int32		layers;
	int32		embed_width;	/* of the word table and into layer 0 */
	int32		width;			/* out of every layer */
	int32		heads;
	int32		head_dim;		/* 0: a layer's input width / heads */
	int32		ffn_width;
	int32		vocab;			/* rows of the word table */
	int32		position_kind;	/* VsPositionKind */
	int32		position_rows;	/* of a learned table */
	int32		position_offset;	/* row of the first token's position */
	int32		has_types;		/* row 0 of a token type table is added */
	int32		norm_kind;		/* VsNormKind */
	int32		pre_norm;		/* norm before attention and FFN, not after */
	int32		embed_norm;		/* norm after the sum of embeddings */
	int32		final_norm;		/* norm after the last layer */
	int32		activation;		/* VsActivation of the FFN */
	int32		ffn_gated;		/* FFN is down(act(gate(x)) * up(x)) */
	int32		linear_bias;	/* linear layers have biases */
	int32		relative_buckets;
	int32		relative_max_distance;
	float		norm_eps;
	float		embed_scale;	/* factor of the word embedding; 2 in USE-lite */
	float		attention_scale;	/* 0: 1 / sqrt(head_dim) */
	float		rotary_base;

	/* from tokens to a vector */
	int32		max_tokens;		/* special tokens included */
	int32		lower_case;		/* sentence_bert_config: do_lower_case */
	int32		pooling;		/* set of VsPooling */
	int32		prompt_in_pooling;	/* include_prompt: 1 or 0; -1: not said */
	int32		matryoshka_norm;	/* Nomic v1.5: layer norm before cutting */
	int32		stage_count;
	VsStage		stages[VS_MODEL_MAX_STAGES];
	int32		dim;			/* of the result */
} VsModelConfig;

/*
 * What a tensor is for.  l: one per layer; s: one per stage.  Linear layers
 * are [out, in].
 */
typedef enum VsRole
{
	VS_ROLE_WORD = 1,			/* table [vocab, embed_width] */
	VS_ROLE_POSITION = 2,		/* table [position_rows, embed_width] */
	VS_ROLE_TYPE = 3,			/* vector: row 0 of the type table */
	VS_ROLE_EMBED_NORM_WEIGHT = 4,
	VS_ROLE_EMBED_NORM_BIAS = 5,
	VS_ROLE_RELATIVE_BIAS = 6,	/* vector: [buckets, heads] */
	VS_ROLE_FINAL_NORM_WEIGHT = 7,
	VS_ROLE_FINAL_NORM_BIAS = 8,
	VS_ROLE_QKV_WEIGHT = 10,	/* l: queries, keys, values below one another */
	VS_ROLE_QKV_BIAS = 11,
	VS_ROLE_OUT_WEIGHT = 12,	/* l: of the attention */
	VS_ROLE_OUT_BIAS = 13,
	VS_ROLE_RESIDUAL_WEIGHT = 14,	/* l: where in and out widths differ */
	VS_ROLE_RESIDUAL_BIAS = 15,
	VS_ROLE_ATTENTION_NORM_WEIGHT = 16,
	VS_ROLE_ATTENTION_NORM_BIAS = 17,
	VS_ROLE_UP_WEIGHT = 18,		/* l: FFN, first */
	VS_ROLE_UP_BIAS = 19,
	VS_ROLE_GATE_WEIGHT = 20,	/* l: FFN, what goes through the activation */
	VS_ROLE_GATE_BIAS = 21,
	VS_ROLE_DOWN_WEIGHT = 22,
	VS_ROLE_DOWN_BIAS = 23,
	VS_ROLE_FFN_NORM_WEIGHT = 24,
	VS_ROLE_FFN_NORM_BIAS = 25,
	VS_ROLE_STAGE_WEIGHT = 30,	/* s */
	VS_ROLE_STAGE_BIAS = 31,
} VsRole;

#define VS_ROLE_COUNT	32

/* How a tensor is stored in the model file. */
typedef enum VsTensorKind
{
	VS_TENSOR_VECTOR = 0,		/* float32 always */
	VS_TENSOR_TABLE = 1,		/* rows one after another, in the chosen
								 * format; int8: the float32 scales of all
								 * rows follow */
	VS_TENSOR_LINEAR = 2,		/* packed, see kernel_nn.h, in the chosen
								 * format */
} VsTensorKind;

#define VS_SPEC_MAX_PARTS	3

/*
 * A tensor the model needs.  Its parts, in this order, make up its rows.  A
 * name may give several spellings, "a.weight|a.gamma".  A vector is rows 1,
 * cols n; its source may be a tensor [n], or the first row(s) of a larger one
 * where first_rows is set (VS_ROLE_TYPE).
 */
typedef struct VsTensorSpec
{
	VsRole		role;
	int			index;			/* layer or stage, else 0 */
	VsTensorKind kind;
	int			rows;
	int			cols;
	bool		first_rows;		/* the source may have more rows */
	int			nparts;
	const char *name[VS_SPEC_MAX_PARTS];
	int			part_rows[VS_SPEC_MAX_PARTS];
	const char *folder;			/* NULL, or of a stage: its own weight file */
} VsTensorSpec;

/* A prompt that comes with the model. */
typedef struct VsPrompt
{
	const char *task;
	const char *text;
} VsPrompt;

/* A model's JSON files, as trees; NULL where there is no such file. */
typedef struct VsModelFiles
{
	const char *directory;
	const VsJson *config;		/* config.json: required */
	const VsJson *tokenizer;	/* tokenizer.json: required */
	const VsJson *tokenizer_config;
	const VsJson *modules;
	const VsJson *sentence_bert;
	const VsJson *sentence_transformers;
	List	   *folders;		/* of VsModelFolder, in the order of
								 * modules.json */
} VsModelFiles;

/* The folder of one stage of modules.json, with its config.json (or NULL). */
typedef struct VsModelFolder
{
	const char *type;			/* last word of the type: Pooling, Dense, ... */
	const char *path;			/* "" for the Transformer in the directory
								 * itself */
	const VsJson *config;
} VsModelFolder;

typedef struct VsArch
{
	const char *name;
	const char *model_types;	/* of config.json, "bert" or
								 * "roberta|xlm-roberta" */
	const char *prefixes;		/* of tensor names, to be tried in this order,
								 * "|bert.|model." (the first one is empty) */

	/*
	 * Fill in the encoder's part, from config.json; sets defaults for the
	 * rest.
	 */
	void		(*configure) (const VsModelFiles *files, VsModelConfig *config);

	/* Append a palloc'd VsTensorSpec for every tensor but the stages'. */
	List	   *(*tensors) (const VsModelConfig *config);
} VsArch;

/* arch.c */

/*
 * The configuration of a model from all its files; checks every number
 * against the limits above.  A model type, module, pooling or activation that
 * is not known is an ERRCODE_FEATURE_NOT_SUPPORTED error that names it.
 */
extern void vs_arch_configure(const VsModelFiles *files, VsModelConfig *config);

/* All tensors of a configured model, stages included: List of VsTensorSpec. */
extern List *vs_arch_tensors(const VsModelConfig *config, const VsModelFiles *files);

/* The prefixes to try, as VsArch has them. */
extern const char *vs_arch_prefixes(const VsModelConfig *config);

/* Prompts of config_sentence_transformers.json: List of VsPrompt; and the
 * default prompt's name, or NULL. */
extern List *vs_arch_prompts(const VsModelFiles *files, const char **default_task);

/* Names for people: "cls+mean", "gelu"; result is static or palloc'd. */
extern const char *vs_arch_pooling_name(int pooling);

/* An activation by its name in config files; file and name are for messages. */
extern VsActivation vs_arch_activation(const char *file, const char *name);

/*
 * A config as read from a model file: check all limits again, so that no
 * later code must (a damaged file gives an error here).
 */
extern void vs_arch_check(const char *file, const VsModelConfig *config);

#endif							/* VS_EMBED_ARCH_H */
