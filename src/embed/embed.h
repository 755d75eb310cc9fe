/*
 * embed.h
 *		Embeddings in SQL: what the files of this folder that talk to the
 *		server share.
 *
 * The catalog is a few tables of the extension.  They are found through the
 * schema of the function that was called, never through search_path, and are
 * read and written directly, without SQL: no code of users runs.
 */
#ifndef VS_EMBED_EMBED_H
#define VS_EMBED_EMBED_H

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "support/extension.h"
#include "support/rights.h"
#include "embed/encoder.h"
#include "embed/model.h"
#include "type/vector.h"

/* Digits of the hash in a pinned name, name@hash; a user may give more. */
#define VS_EMBED_PIN_DIGITS		16

/* Settings */
extern bool vs_embed_truncate;
extern int	vs_embed_batch_tokens;
extern const char *vs_embed_default_model(void);	/* "" for none */

typedef struct VsEmbedTask
{
	char	   *name;
	char	   *prompt;
	bool		include_said;	/* else as the model has it */
	bool		include;		/* prompt takes part in pooling */
} VsEmbedTask;

/* A row of the table of models, with its tasks; in the database's encoding. */
typedef struct VsEmbedModel
{
	char	   *name;
	char		hash[VS_MODEL_HASH_LEN + 1];
	int			dim;
	int			max_tokens;
	int64		bytes;
	VsRights	rights;
	char	   *default_task;	/* or NULL */
	int			ntasks;
	VsEmbedTask *tasks;			/* by name */
} VsEmbedModel;

/* What is to be done with a text.  Strings are UTF-8. */
typedef struct VsEmbedPlan
{
	char	   *pinned;			/* name@hash, with all digits */
	char		hash[VS_MODEL_HASH_LEN + 1];
	char	   *prompt;			/* "" for none */
	bool		pooled;			/* the prompt takes part in pooling */
	int			skip;			/* first tokens that pooling leaves out */
	int			dim;			/* of the result */
} VsEmbedPlan;

/* embed.c */

/*
 * A plan in the current memory context.  Errors: no such model or task, no
 * right to use it, dimensions out of range.  model, task and instruction may
 * be NULL; dimensions is 0 if not given.
 */
extern void vs_embed_plan(Oid schema, const char *model, const char *task,
						  const char *instruction, int dimensions,
						  VsEmbedPlan *plan);

/* The same of a model name@hash and a prompt (UTF-8). */
extern void vs_embed_plan_pinned(Oid schema, const char *pinned,
								 const char *prompt,
								 bool pooled, int dimensions,
								 VsEmbedPlan *plan);

/*
 * The tokens of a text (database's encoding) in the current memory context.
 * model is that of the plan, got after any other code may have run.
 */
extern void vs_embed_tokenize(const VsModel *model, const VsEmbedPlan *plan,
							  const char *text, int len, VsEncoderInput *out);

/* Vectors (n Datums) of n texts, in the current memory context. */
extern void vs_embed_encode(const VsModel *model, const VsEmbedPlan *plan,
							int n, const VsEncoderInput *inputs,
							Datum *vectors);

/* Memory of a function's caller for one value after the other (trigger). */
typedef struct VsEmbedMemo VsEmbedMemo;

/*
 * The vector of a text by a plan.  *memo keeps the last one in context, and
 * with it answers the same question again; it begins as NULL.  The result is
 * in the current memory context.
 */
extern Datum vs_embed_one(VsEmbedMemo **memo, MemoryContext context,
						  const VsEmbedPlan *plan, const char *text, int len);

/* embed_catalog.c */

/* Columns of the tables. */
enum
{
	VS_MODEL_NAME = 1,
	VS_MODEL_HASH,
	VS_MODEL_ARCHITECTURE,
	VS_MODEL_DIMENSIONS,
	VS_MODEL_MAX_TOKENS,
	VS_MODEL_POOLING,
	VS_MODEL_STORAGE,
	VS_MODEL_BYTES,
	VS_MODEL_DEFAULT_TASK,
	VS_MODEL_OWNER,
	VS_MODEL_USERS,
	VS_MODEL_COLUMNS = VS_MODEL_USERS
};

enum
{
	VS_TASK_MODEL = 1,
	VS_TASK_NAME,
	VS_TASK_PROMPT,
	VS_TASK_INCLUDE,
	VS_TASK_COLUMNS = VS_TASK_INCLUDE
};

extern void vs_embed_catalog_init(void);

/* A table of the extension, opened. */
extern Relation vs_embed_open(Oid schema, const char *name, LOCKMODE lock);

/*
 * Lock an object that rows of a table are about, to the end of the
 * transaction, unless another has it.
 */
extern bool vs_embed_try_lock(Relation table, Oid object);

/* Changes whenever anything in the catalog may have changed. */
extern uint64 vs_embed_generation(void);

/* A change of the table was made: tell all backends, and see it ourselves. */
extern void vs_embed_changed(Relation table);

/*
 * A model by its name or its pinned name, or NULL.  The result is good until
 * the next call; it may unmap models.
 */
extern const VsEmbedModel *vs_embed_find(Oid schema, const char *name);

/* The same; the model must exist and the current user have the right to it. */
extern const VsEmbedModel *vs_embed_find_usable(Oid schema, const char *name);
extern bool vs_embed_may_use(const VsEmbedModel *model);

/* Whether any model has the hash; the name of one that the user may use. */
extern bool vs_embed_hash_known(Oid schema, const char *hash);
extern char *vs_embed_name_of_hash(Oid schema, const char *hash);

/* embed_file.c */

extern void vs_embed_file_init(void);

/*
 * Call before a row with this hash comes or goes, with the table of models
 * locked until the end of the transaction: when that ends, the file goes if
 * no row has the hash.
 */
extern void vs_embed_file_touch(Oid schema, const char *hash);

/* Remove files of models that no row has, and of databases that are gone. */
extern void vs_embed_file_sweep(Oid schema);

/* embed_column.c */

/*
 * A column is about to be filled with vectors of a plan: it must be of type
 * vector, fit their dimension, and not hold those of another model.  Notes
 * whose vectors it holds if nobody did.
 */
extern void vs_embed_column_claim(Oid schema, Relation rel, int column,
								  const VsEmbedPlan *plan);

/* The number of a column by its name, which must exist. */
extern int	vs_embed_column_number(Relation rel, const char *name);

/* Texts can be taken from it. */
extern void vs_embed_check_source(Relation rel, int column);

#endif							/* VS_EMBED_EMBED_H */
