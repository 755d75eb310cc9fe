/*
 * model.h
 *		Model files: made from a directory at registration, then only mapped.
 *
 * A model file is one file under the data directory that holds all of a model
 * in the form it is used: configuration, compiled tokenizer, weights as the
 * kernels want them.  It is named by the hash of what it was made from and
 * never changed, so that all backends can map it.  See README.md, "Model
 * files".
 */
#ifndef VS_EMBED_MODEL_H
#define VS_EMBED_MODEL_H

#include "embed/arch.h"
#include "embed/tokenizer.h"
#include "kernel/kernel_nn.h"

/* What weights are stored as; -1 in a request: as the files have them. */
#define VS_WEIGHT_AS_IS		(-1)

#define VS_MODEL_HASH_LEN	64	/* hexadecimal digits of SHA-256 */

/* What the registration learns of a model. */
typedef struct VsModelInfo
{
	char		hash[VS_MODEL_HASH_LEN + 1];	/* of the contents of all
												 * files used and the wanted
												 * format */
	VsModelConfig config;
	VsWeightFormat format;
	int64		bytes;			/* of the model file */
	List	   *prompts;		/* of VsPrompt */
	const char *default_task;	/* or NULL */
} VsModelInfo;

/* model_build.c */

/*
 * Read a model directory (an absolute or data-directory-relative path, whose
 * use the caller has allowed), check all of it, and write the model file,
 * unless it is there already and sound.  Fills in *info in the current memory
 * context.  Checks for interrupts.  On error nothing but perhaps a temporary
 * file, which the next build removes, is left.
 */
extern void vs_model_build(const char *directory, int format, VsModelInfo *info);

/* model.c */

/* Path of the model file of this database for a hash, relative to the data
 * directory: "vecsearch_models/DATABASE OID/HASH". */
extern char *vs_model_path(const char *hash);

/* A table of rows, for look-up. */
typedef struct VsTable
{
	int			rows;
	int			cols;
	VsWeightFormat format;
	const char *data;
	const float *scales;		/* int8: of each row; else NULL */
} VsTable;

typedef struct VsNorm
{
	const float *weight;
	const float *bias;			/* NULL for an RMS norm */
} VsNorm;

typedef struct VsLayer
{
	VsLinear	qkv;
	VsLinear	out;
	VsLinear	residual;		/* packed is NULL where there is none */
	VsLinear	up;
	VsLinear	gate;			/* packed is NULL where there is none */
	VsLinear	down;
	VsNorm		attention_norm;
	VsNorm		ffn_norm;
} VsLayer;

typedef struct VsStageWeights
{
	VsLinear	dense;
	VsNorm		norm;
} VsStageWeights;

/* A mapped model.  Everything in it is read-only and checked. */
typedef struct VsModel
{
	char		hash[VS_MODEL_HASH_LEN + 1];
	VsModelConfig config;
	VsTokenizer *tokenizer;
	VsTable		word;
	VsTable		position;
	const float *type;			/* [embed_width], or NULL */
	const float *relative_bias; /* [buckets, heads], or NULL */
	VsNorm		embed_norm;
	VsNorm		final_norm;
	VsLayer    *layers;
	VsStageWeights stages[VS_MODEL_MAX_STAGES];
	const char *map;			/* the whole file */
	Size		map_size;
	MemoryContext context;		/* all of the above but the map */
} VsModel;

/*
 * The model of a hash, mapped.  Kept for the backend's life among at most
 * VS_MODEL_CACHE others; the pointer is good until the next vs_model_get or
 * vs_model_forget, which may unmap another.  A missing file is
 * ERRCODE_UNDEFINED_FILE and names the hash; a damaged one
 * ERRCODE_DATA_CORRUPTED.
 */
#define VS_MODEL_CACHE		8
extern VsModel *vs_model_get(const char *hash);

/* Map and check a file that vs_model_get does not know: for the build. */
extern VsModel *vs_model_open(const char *path, const char *hash);
extern void vs_model_close(VsModel *model);

/* Unmap a model if it is mapped. */
extern void vs_model_forget(const char *hash);

#endif							/* VS_EMBED_MODEL_H */
