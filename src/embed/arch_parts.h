/*
 * arch_parts.h
 *		What the architectures share: private to arch*.c.
 */
#ifndef VS_EMBED_ARCH_PARTS_H
#define VS_EMBED_ARCH_PARTS_H

#include "compat.h"
#include "embed/arch.h"

/* The file that configure() reads, for messages. */
#define VS_ARCH_CONFIG_FILE	"config.json"

/* One in each arch_*.c; all are listed in arch.c. */
extern const VsArch vs_arch_bert;
extern const VsArch vs_arch_distilbert;
extern const VsArch vs_arch_mpnet;
extern const VsArch vs_arch_nomic_bert;
extern const VsArch vs_arch_roberta;
extern const VsArch vs_arch_t5;
extern const VsArch vs_arch_use_lite;

/*
 * Names of the tensors of one layer, behind its prefix and without ".weight"
 * and ".bias".  NULL for what the architecture does not have.  Queries, keys
 * and values are three tensors, or one where k and v are NULL.
 */
typedef struct VsLayerNames
{
	const char *layer;			/* format with the layer's number */
	const char *q;
	const char *k;
	const char *v;
	const char *out;
	const char *residual;
	const char *attention_norm;
	const char *up;
	const char *gate;
	const char *down;
	const char *ffn_norm;
} VsLayerNames;

/* arch_parts.c */

/* A number of config.json that must be there, and within min..max. */
extern int	vs_arch_int(const VsJson *config, const char *key, int min, int max);

/* An error if a switch of config.json has not the one value implemented. */
extern void vs_arch_require_bool(const VsJson *config, const char *key,
								 bool required, bool absent);

/* An error if a member of config.json is there. */
extern void vs_arch_require_absent(const VsJson *config, const char *key);

/* Say that this value of a key is not implemented. */
extern VS_NORETURN void vs_arch_unsupported(const char *file, const char *key,
											const char *value);

/* The members that BERT and its kin name alike: widths, layers, activation. */
extern void vs_arch_configure_bert_like(const VsJson *json, VsModelConfig *config);

/* Append a tensor of one part and give it, for further parts. */
extern VsTensorSpec *vs_arch_add(List **specs, VsRole role, int index,
								 VsTensorKind kind, int rows, int cols,
								 const char *name);

/* Append weight and, if there is one, bias of a norm or a linear layer. */
extern void vs_arch_add_norm(List **specs, const VsModelConfig *config,
							 VsRole weight_role, int index, int width,
							 const char *name);

/*
 * Append the tables of word, position and type and the norm of their sum, as
 * BERT names them; the position and type tables only if the model has them.
 */
extern void vs_arch_add_embeddings(List **specs, const VsModelConfig *config);

/* Append all tensors of all layers. */
extern void vs_arch_add_layers(List **specs, const VsModelConfig *config,
							   const VsLayerNames *names);

/* The tensors of a model that has these two and nothing else. */
extern List *vs_arch_plain_tensors(const VsModelConfig *config,
								   const VsLayerNames *names);

/* arch_stages.c */

/*
 * Everything behind the encoder: pooling, stages, prompts, the longest text.
 * config holds the encoder's part; its max_tokens is the most that positions
 * allow.
 */
extern void vs_arch_configure_stages(const VsModelFiles *files, VsModelConfig *config);

/* Append the tensors of all stages. */
extern void vs_arch_add_stages(List **specs, const VsModelConfig *config,
							   const VsModelFiles *files);

/* Width of what pooling makes. */
extern int	vs_arch_pooled_width(const VsModelConfig *config);

#endif							/* VS_EMBED_ARCH_PARTS_H */
