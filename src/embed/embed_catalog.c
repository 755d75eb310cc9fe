/*
 * embed_catalog.c
 *		Look-up of models, with a cache, and the right to use them.
 *
 * The cache lives as long as the backend.  A change of the catalog reaches it
 * as an invalidation of the changed table's relcache entry: everything is
 * forgotten then, and read again when it is asked for.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "embed/embed.h"

static MemoryContext cache;		/* of the list below */
static List *models;			/* of VsEmbedModel */
static bool stale;				/* they must be read again */
static uint64 generation;

/* Tables whose changes matter; those of tasks are told as ones of models. */
static Oid	model_table;
static Oid	column_table;

static void
table_changed(Datum arg, Oid relid)
{
	if (relid != InvalidOid && relid != model_table && relid != column_table)
		return;
	stale = true;
	generation++;
}

void
vs_embed_catalog_init(void)
{
	CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
}

Relation
vs_embed_open(Oid schema, const char *name, LOCKMODE lock)
{
	Relation	table = vs_extension_open(schema, name, lock);

	if (strcmp(name, "vecsearch_model") == 0)
		model_table = RelationGetRelid(table);
	else if (strcmp(name, "vecsearch_column") == 0)
		column_table = RelationGetRelid(table);
	return table;
}

bool
vs_embed_try_lock(Relation table, Oid object)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationGetRelid(table), object, 0);
	return LockAcquire(&tag, ExclusiveLock, false,
					   true) != LOCKACQUIRE_NOT_AVAIL;
}

uint64
vs_embed_generation(void)
{
	return generation;
}

void
vs_embed_changed(Relation table)
{
	CacheInvalidateRelcacheByRelid(RelationGetRelid(table));
	CommandCounterIncrement();
}

/* ------------------------------------------------------------------------
 * Reading rows
 * ------------------------------------------------------------------------ */

/* One row's fields, by number of the column. */
typedef struct Row
{
	Datum		values[VS_MODEL_COLUMNS];
	bool		nulls[VS_MODEL_COLUMNS];
} Row;

#define ROW_TEXT(row, column)	TextDatumGetCString((row)->values[(column) - 1])

static SysScanDesc
scan_by(Relation table, int column, const char *value, ScanKeyData *key)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(value));
	return systable_beginscan(table, InvalidOid, false, NULL, 1, key);
}

static int
compare_tasks(const void *a, const void *b)
{
	return strcmp(((const VsEmbedTask *) a)->name,
				  ((const VsEmbedTask *) b)->name);
}

static void
read_tasks(Oid schema, VsEmbedModel *model)
{
	Relation	table = vs_embed_open(schema, "vecsearch_task",
									  AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan = scan_by(table, VS_TASK_MODEL, model->name, &key);
	HeapTuple	tuple;
	int			room = 8;

	model->tasks = palloc(sizeof(VsEmbedTask) * room);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Row			row;
		VsEmbedTask *task;

		heap_deform_tuple(tuple, RelationGetDescr(table), row.values,
						  row.nulls);
		if (model->ntasks == room)
			model->tasks = repalloc(model->tasks,
									sizeof(VsEmbedTask) * (room *= 2));
		task = &model->tasks[model->ntasks++];
		task->name = ROW_TEXT(&row, VS_TASK_NAME);
		task->prompt = ROW_TEXT(&row, VS_TASK_PROMPT);
		task->include_said = !row.nulls[VS_TASK_INCLUDE - 1];
		task->include = task->include_said &&
			DatumGetBool(row.values[VS_TASK_INCLUDE - 1]);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	qsort(model->tasks, model->ntasks, sizeof(VsEmbedTask), compare_tasks);
}

/* A model with its tasks, in the current memory context; NULL if none. */
static VsEmbedModel *
read_model(Oid schema, const char *name)
{
	Relation	table = vs_embed_open(schema, "vecsearch_model",
									  AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan = scan_by(table, VS_MODEL_NAME, name, &key);
	HeapTuple	tuple = systable_getnext(scan);
	VsEmbedModel *model = NULL;

	if (HeapTupleIsValid(tuple))
	{
		Row			row;

		heap_deform_tuple(tuple, RelationGetDescr(table), row.values,
						  row.nulls);
		model = palloc0(sizeof(VsEmbedModel));
		model->name = ROW_TEXT(&row, VS_MODEL_NAME);
		strlcpy(model->hash, ROW_TEXT(&row, VS_MODEL_HASH),
				sizeof(model->hash));
		model->dim = DatumGetInt32(row.values[VS_MODEL_DIMENSIONS - 1]);
		model->max_tokens = DatumGetInt32(row.values[VS_MODEL_MAX_TOKENS - 1]);
		model->bytes = DatumGetInt64(row.values[VS_MODEL_BYTES - 1]);
		model->rights = vs_rights_read(row.values[VS_MODEL_OWNER - 1],
									   row.values[VS_MODEL_USERS - 1]);
		if (!row.nulls[VS_MODEL_DEFAULT_TASK - 1])
			model->default_task = ROW_TEXT(&row, VS_MODEL_DEFAULT_TASK);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	if (model != NULL)
		read_tasks(schema, model);
	return model;
}

/*
 * The first row with this hash for which test (or NULL) is true: its name.
 */
static char *
scan_hash(Oid schema, const char *hash,
		  bool (*test) (const VsEmbedModel *model))
{
	Relation	table = vs_embed_open(schema, "vecsearch_model",
									  AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan = scan_by(table, VS_MODEL_HASH, hash, &key);
	HeapTuple	tuple;
	char	   *name = NULL;

	while (name == NULL && (tuple = systable_getnext(scan)) != NULL)
	{
		Row			row;
		VsEmbedModel model = {0};

		heap_deform_tuple(tuple, RelationGetDescr(table), row.values,
						  row.nulls);
		model.rights = vs_rights_read(row.values[VS_MODEL_OWNER - 1],
									  row.values[VS_MODEL_USERS - 1]);
		if (test == NULL || test(&model))
			name = ROW_TEXT(&row, VS_MODEL_NAME);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return name;
}

bool
vs_embed_hash_known(Oid schema, const char *hash)
{
	return scan_hash(schema, hash, NULL) != NULL;
}

char *
vs_embed_name_of_hash(Oid schema, const char *hash)
{
	return scan_hash(schema, hash, vs_embed_may_use);
}

/* ------------------------------------------------------------------------
 * The cache
 * ------------------------------------------------------------------------ */

/*
 * Empty the cache.  Models that are no more are unmapped, so that their disk
 * space is freed.
 */
static void
empty_cache(Oid schema)
{
	List	   *hashes = NIL;
	ListCell   *cell;

	foreach(cell, models)
		hashes = lappend(hashes,
						 pstrdup(((VsEmbedModel *) lfirst(cell))->hash));
	models = NIL;
	if (cache != NULL)
		MemoryContextReset(cache);
	stale = false;
	foreach(cell, hashes)
	{
		if (!vs_embed_hash_known(schema, lfirst(cell)))
			vs_model_forget(lfirst(cell));
	}
	list_free_deep(hashes);
}

static const VsEmbedModel *
cached_model(Oid schema, const char *name)
{
	ListCell   *cell;
	VsEmbedModel *model;
	MemoryContext old;

	if (stale)
		empty_cache(schema);
	foreach(cell, models)
	{
		model = lfirst(cell);
		if (strcmp(model->name, name) == 0)
			return model;
	}
	if (cache == NULL)
		cache = AllocSetContextCreate(CacheMemoryContext, "vecsearch models",
									  ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cache);
	model = read_model(schema, name);
	if (model != NULL)
		models = lappend(models, model);
	MemoryContextSwitchTo(old);
	return model;
}

/* The digits behind the @ begin the hash, and are enough of them. */
static bool
pin_matches(const char *digits, const char *hash)
{
	Size		n = strlen(digits);

	return n >= VS_EMBED_PIN_DIGITS && n <= VS_MODEL_HASH_LEN &&
		strncmp(digits, hash, n) == 0;
}

const VsEmbedModel *
vs_embed_find(Oid schema, const char *name)
{
	const char *at = strchr(name, '@');
	const VsEmbedModel *model;
	char	   *bare;

	if (at == NULL)
		return cached_model(schema, name);
	bare = pnstrdup(name, at - name);
	model = cached_model(schema, bare);
	pfree(bare);
	return model != NULL && pin_matches(at + 1, model->hash) ? model : NULL;
}

bool
vs_embed_may_use(const VsEmbedModel *model)
{
	return vs_rights_may_use(&model->rights);
}

/* Complain that there is no such model, as helpfully as may be. */
static VS_NORETURN void
not_found(Oid schema, const char *name)
{
	const char *at = strchr(name, '@');
	const VsEmbedModel *model;

	if (at == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("embedding model \"%s\" is not registered", name),
				 errhint("The view embedding_models lists those that are.")));
	model = cached_model(schema, pnstrdup(name, at - name));
	if (strlen(at + 1) < VS_EMBED_PIN_DIGITS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a pinned model", name),
				 errdetail("It takes at least %d digits of the hash behind the @.", VS_EMBED_PIN_DIGITS),
				 errhint("The column pinned of the view embedding_models has it.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("embedding model \"%s\" is not registered", name),
			 model != NULL
			 ? errdetail("Under this name it is %s@%.*s.", model->name,
						 VS_EMBED_PIN_DIGITS, model->hash) : 0,
			 errhint("Register the files that it was made from under this name.")));
}

const VsEmbedModel *
vs_embed_find_usable(Oid schema, const char *name)
{
	const VsEmbedModel *model = vs_embed_find(schema, name);

	if (model == NULL)
		not_found(schema, name);
	if (!vs_embed_may_use(model))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for embedding model \"%s\"",
						model->name),
				 errhint("Its owner can allow it: embedding_model_grant.")));
	return model;
}
