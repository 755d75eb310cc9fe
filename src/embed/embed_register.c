/*
 * embed_register.c
 *		The SQL functions that change the catalog of models: registration,
 *		tasks and rights.
 *
 * Each holds ShareRowExclusiveLock on the table of models to the end of the
 * transaction, so one transaction at a time changes the catalog or the files.
 * Readers are not kept waiting.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "compat.h"
#include "embed/embed.h"

static const char *const storage_names[VS_WEIGHT_FORMAT_COUNT] = {
	[VS_WEIGHT_FLOAT32] = "float32",
	[VS_WEIGHT_FLOAT16] = "float16",
	[VS_WEIGHT_BFLOAT16] = "bfloat16",
	[VS_WEIGHT_INT8] = "int8",
};

/* ------------------------------------------------------------------------
 * Arguments
 * ------------------------------------------------------------------------ */

static int
storage_by_name(const char *name)
{
	if (name == NULL)
		return VS_WEIGHT_AS_IS;
	for (int i = 0; i < VS_WEIGHT_FORMAT_COUNT; i++)
		if (strcmp(storage_names[i], name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("storage \"%s\" is not known", name),
			 errhint("It is one of float32, float16, bfloat16 and int8, or null for what the files have.")));
}

/* The directory that may be read, or an error; the path is not touched. */
static char *
check_directory(char *directory)
{
	if (!has_privs_of_role(GetUserId(), VS_ROLE_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to register an embedding model"),
				 errdetail("Only superusers and members of pg_read_server_files may: it reads files of the server.")));
	canonicalize_path(directory);
	if (!is_absolute_path(directory))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the directory of a model must be an absolute path")));
	return directory;
}

static const VsEmbedModel *
find_model(Oid schema, const char *name)
{
	const VsEmbedModel *model = vs_embed_find(schema, name);

	if (model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("embedding model \"%s\" is not registered", name),
				 errhint("The view embedding_models lists those that are.")));
	return model;
}

static const VsEmbedModel *
find_owned_model(Oid schema, const char *name)
{
	const VsEmbedModel *model = find_model(schema, name);

	if (!vs_rights_may_change(&model->rights))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of embedding model \"%s\"",
						model->name)));
	return model;
}

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------ */

/* Change one field of a model's row. */
static void
update_model(Relation table, const char *name, int column, Datum value,
			 bool isnull)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple,
				changed;
	Datum		values[VS_MODEL_COLUMNS] = {0};
	bool		nulls[VS_MODEL_COLUMNS] = {false};
	bool		replace[VS_MODEL_COLUMNS] = {false};

	ScanKeyInit(&key, VS_MODEL_NAME, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	scan = systable_beginscan(table, InvalidOid, false, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "embedding model \"%s\" has no row", name);
	values[column - 1] = value;
	nulls[column - 1] = isnull;
	replace[column - 1] = true;
	changed = heap_modify_tuple(tuple, RelationGetDescr(table), values, nulls,
								replace);
	CatalogTupleUpdate(table, &changed->t_self, changed);
	systable_endscan(scan);
	vs_embed_changed(table);
}

/* Delete the rows whose column has the value (of task too, unless NULL). */
static int
delete_rows(Relation table, int column, const char *value, const char *task)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	int			count = 0;

	ScanKeyInit(&keys[0], column, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(value));
	if (task != NULL)
		ScanKeyInit(&keys[1], VS_TASK_NAME, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(task));
	scan = systable_beginscan(table, InvalidOid, false, NULL, task != NULL ?
							  2 : 1, keys);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		CatalogTupleDelete(table, &tuple->t_self);
		count++;
	}
	systable_endscan(scan);
	return count;
}

/* include: -1 as the model has it, else 0 or 1 */
static void
insert_task(Relation tasks, const char *model, const char *task,
			const char *prompt, int include)
{
	Datum		values[VS_TASK_COLUMNS];
	bool		nulls[VS_TASK_COLUMNS] = {false};

	values[VS_TASK_MODEL - 1] = CStringGetTextDatum(model);
	values[VS_TASK_NAME - 1] = CStringGetTextDatum(task);
	values[VS_TASK_PROMPT - 1] = CStringGetTextDatum(prompt);
	values[VS_TASK_INCLUDE - 1] = BoolGetDatum(include > 0);
	nulls[VS_TASK_INCLUDE - 1] = include < 0;
	CatalogTupleInsert(tasks, heap_form_tuple(RelationGetDescr(tasks), values,
											  nulls));
}

/* A string of the model's files (UTF-8) in the database's encoding. */
static char *
from_utf8(const char *s)
{
	return pg_any_to_server(s, strlen(s), PG_UTF8);
}

static void
insert_model(Oid schema, Relation table, const char *name,
			 const VsModelInfo *info)
{
	Relation	tasks = vs_embed_open(schema, "vecsearch_task",
									  RowExclusiveLock);
	VsRights	rights = vs_rights_new();
	Datum		values[VS_MODEL_COLUMNS];
	bool		nulls[VS_MODEL_COLUMNS] = {false};
	ListCell   *cell;

	values[VS_MODEL_NAME - 1] = CStringGetTextDatum(name);
	values[VS_MODEL_HASH - 1] = CStringGetTextDatum(info->hash);
	values[VS_MODEL_ARCHITECTURE - 1] = CStringGetTextDatum(info->config.arch);
	values[VS_MODEL_DIMENSIONS - 1] = Int32GetDatum(info->config.dim);
	values[VS_MODEL_MAX_TOKENS - 1] = Int32GetDatum(info->config.max_tokens);
	values[VS_MODEL_POOLING - 1] =
		CStringGetTextDatum(vs_arch_pooling_name(info->config.pooling));
	values[VS_MODEL_STORAGE - 1] = CStringGetTextDatum(storage_names[info->format]);
	values[VS_MODEL_BYTES - 1] = Int64GetDatum(info->bytes);
	nulls[VS_MODEL_DEFAULT_TASK - 1] = info->default_task == NULL;
	values[VS_MODEL_DEFAULT_TASK - 1] = info->default_task == NULL ?
		(Datum) 0 :
		CStringGetTextDatum(from_utf8(info->default_task));
	values[VS_MODEL_OWNER - 1] = ObjectIdGetDatum(rights.owner);
	values[VS_MODEL_USERS - 1] = PointerGetDatum(vs_rights_users(&rights));
	CatalogTupleInsert(table, heap_form_tuple(RelationGetDescr(table), values,
											  nulls));

	/* left over from a model of this name that was removed by hand */
	delete_rows(tasks, VS_TASK_MODEL, name, NULL);
	foreach(cell, info->prompts)
	{
		const VsPrompt *prompt = lfirst(cell);

		insert_task(tasks, name, from_utf8(prompt->task),
					from_utf8(prompt->text), -1);
	}
	table_close(tasks, NoLock);
	vs_embed_changed(table);
}

/* ------------------------------------------------------------------------
 * Registration
 * ------------------------------------------------------------------------ */

/* The name is taken: all is well if by the same files. */
static void
check_same(const VsEmbedModel *model, const char *hash)
{
	if (strcmp(model->hash, hash) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("embedding model \"%s\" is registered from other files or in another storage", model->name),
				 errdetail("It is %.*s, these are %.*s.", VS_EMBED_PIN_DIGITS,
						   model->hash,
						   VS_EMBED_PIN_DIGITS, hash),
				 errhint("Use another name, or drop it first: embedding_model_drop.")));
}

/*
 * On a standby: rows come from the primary, files do not.  The file is made
 * if it is that of a row.
 */
static void
restore_file(Oid schema, const char *name, const char *directory, int format,
			 VsModelInfo *info)
{
	bool		known;

	find_model(schema, name);
	vs_model_build(directory, format, info);
	known = vs_embed_hash_known(schema, info->hash);
	if (!known)
		(void) unlink(vs_model_path(info->hash));
	check_same(find_model(schema, name), info->hash);
}

PG_FUNCTION_INFO_V1(vs_embedding_model_register);
Datum
vs_embedding_model_register(PG_FUNCTION_ARGS)
{
	Oid			schema = vs_extension_schema(fcinfo);
	char	   *name = vs_arg_required_text(fcinfo, 0,
											"the name of an embedding model");
	char	   *directory = vs_arg_required_text(fcinfo, 1,
												 "the directory of an embedding model");
	int			format = storage_by_name(vs_arg_text(fcinfo, 2));
	VsModelInfo info;
	Relation	table;
	const VsEmbedModel *model;

	vs_check_name("an embedding model", name);
	directory = check_directory(directory);
	if (RecoveryInProgress())
	{
		restore_file(schema, name, directory, format, &info);
		PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s@%.*s", name,
												  VS_EMBED_PIN_DIGITS, info.hash)));
	}
	PreventCommandIfReadOnly("embedding_model_register()");

	table = vs_embed_open(schema, "vecsearch_model", ShareRowExclusiveLock);
	vs_embed_file_sweep(schema);
	vs_model_build(directory, format, &info);
	vs_embed_file_touch(schema, info.hash);
	if (info.config.dim > VS_VECTOR_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the model gives vectors of %d dimensions, the type vector holds %d at most",
						info.config.dim, VS_VECTOR_MAX_DIM)));
	model = vs_embed_find(schema, name);
	if (model != NULL)
		check_same(model, info.hash);
	else
		insert_model(schema, table, name, &info);

	/* a damaged file that was mapped may have been replaced */
	vs_model_forget(info.hash);
	table_close(table, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s@%.*s", name,
											  VS_EMBED_PIN_DIGITS, info.hash)));
}

PG_FUNCTION_INFO_V1(vs_embedding_model_drop);
Datum
vs_embedding_model_drop(PG_FUNCTION_ARGS)
{
	Oid			schema = vs_extension_schema(fcinfo);
	char	   *name = vs_arg_required_text(fcinfo, 0,
											"the name of an embedding model");
	Relation	table,
				tasks;
	const VsEmbedModel *model;

	PreventCommandIfReadOnly("embedding_model_drop()");
	find_owned_model(schema, name);
	table = vs_embed_open(schema, "vecsearch_model", ShareRowExclusiveLock);
	tasks = vs_embed_open(schema, "vecsearch_task", RowExclusiveLock);
	model = find_owned_model(schema, name);
	name = pstrdup(model->name);
	vs_embed_file_touch(schema, pstrdup(model->hash));
	delete_rows(tasks, VS_TASK_MODEL, name, NULL);
	delete_rows(table, VS_MODEL_NAME, name, NULL);
	vs_embed_changed(table);
	vs_embed_file_sweep(schema);
	table_close(tasks, NoLock);
	table_close(table, NoLock);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(vs_embedding_model_available);
Datum
vs_embedding_model_available(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const VsEmbedModel *model = vs_embed_find(vs_extension_schema(fcinfo), name);
	struct stat status;

	PG_RETURN_BOOL(model != NULL && stat(vs_model_path(model->hash),
										 &status) == 0 &&
				   S_ISREG(status.st_mode) &&
				   (int64) status.st_size == model->bytes);
}

/* ------------------------------------------------------------------------
 * Tasks
 * ------------------------------------------------------------------------ */

/*
 * Lock the catalog for a change of a model by its owner.  *name becomes the
 * model's own.
 */
static Relation
lock_for_change(Oid schema, char **name, const char *function)
{
	Relation	table;

	PreventCommandIfReadOnly(function);
	find_owned_model(schema, *name);
	table = vs_embed_open(schema, "vecsearch_model", ShareRowExclusiveLock);
	*name = pstrdup(find_owned_model(schema, *name)->name);
	return table;
}

static bool
has_task(Oid schema, const char *model, const char *task)
{
	const VsEmbedModel *entry = find_model(schema, model);

	for (int i = 0; i < entry->ntasks; i++)
		if (strcmp(entry->tasks[i].name, task) == 0)
			return true;
	return false;
}

static VS_NORETURN void
no_task(const char *model, const char *task)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("embedding model \"%s\" has no task \"%s\"", model,
					task)));
}

PG_FUNCTION_INFO_V1(vs_embedding_task_set);
Datum
vs_embedding_task_set(PG_FUNCTION_ARGS)
{
	Oid			schema = vs_extension_schema(fcinfo);
	char	   *name = vs_arg_required_text(fcinfo, 0,
											"the name of an embedding model");
	char	   *task = vs_arg_required_text(fcinfo, 1, "the name of a task");
	char	   *prompt = vs_arg_required_text(fcinfo, 2, "the prompt of a task");
	int			include = PG_ARGISNULL(3) ? -1 : PG_GETARG_BOOL(3) ? 1 : 0;
	Relation	table,
				tasks;

	if (task[0] == '\0' || pg_mbstrlen(task) > VS_MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of a task has 1 to %d characters",
						VS_MAX_NAME)));
	table = lock_for_change(schema, &name, "embedding_task_set()");
	tasks = vs_embed_open(schema, "vecsearch_task", RowExclusiveLock);
	delete_rows(tasks, VS_TASK_MODEL, name, task);

	/* the deletion has to be seen before the unique index is asked */
	CommandCounterIncrement();
	insert_task(tasks, name, task, prompt, include);
	vs_embed_changed(table);
	table_close(tasks, NoLock);
	table_close(table, NoLock);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(vs_embedding_task_drop);
Datum
vs_embedding_task_drop(PG_FUNCTION_ARGS)
{
	Oid			schema = vs_extension_schema(fcinfo);
	char	   *name = vs_arg_required_text(fcinfo, 0,
											"the name of an embedding model");
	char	   *task = vs_arg_required_text(fcinfo, 1, "the name of a task");
	Relation	table = lock_for_change(schema, &name,
										"embedding_task_drop()");
	Relation	tasks = vs_embed_open(schema, "vecsearch_task",
									  RowExclusiveLock);
	const VsEmbedModel *model;

	if (delete_rows(tasks, VS_TASK_MODEL, name, task) == 0)
		no_task(name, task);
	model = find_model(schema, name);
	if (model->default_task != NULL && strcmp(model->default_task, task) == 0)
		update_model(table, name, VS_MODEL_DEFAULT_TASK, (Datum) 0, true);
	vs_embed_changed(table);
	table_close(tasks, NoLock);
	table_close(table, NoLock);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(vs_embedding_task_default);
Datum
vs_embedding_task_default(PG_FUNCTION_ARGS)
{
	Oid			schema = vs_extension_schema(fcinfo);
	char	   *name = vs_arg_required_text(fcinfo, 0,
											"the name of an embedding model");
	Relation	table = lock_for_change(schema, &name,
										"embedding_task_default()");

	if (PG_ARGISNULL(1))
		update_model(table, name, VS_MODEL_DEFAULT_TASK, (Datum) 0, true);
	else
	{
		char	   *task = text_to_cstring(PG_GETARG_TEXT_PP(1));

		if (!has_task(schema, name, task))
			no_task(name, task);
		update_model(table, name, VS_MODEL_DEFAULT_TASK,
					 CStringGetTextDatum(task), false);
	}
	table_close(table, NoLock);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * Rights
 * ------------------------------------------------------------------------ */

/* Let a role use a model, or no longer. */
static void
set_user(FunctionCallInfo fcinfo, bool allow, const char *function)
{
	Oid			schema = vs_extension_schema(fcinfo);
	char	   *name = vs_arg_required_text(fcinfo, 0,
											"the name of an embedding model");
	char	   *role = vs_arg_required_text(fcinfo, 1, "the name of a role");
	Relation	table = lock_for_change(schema, &name, function);
	VsRights	rights = vs_rights_change(&find_model(schema, name)->rights,
										  role, allow);

	update_model(table, name, VS_MODEL_USERS,
				 PointerGetDatum(vs_rights_users(&rights)), false);
	table_close(table, NoLock);
}

PG_FUNCTION_INFO_V1(vs_embedding_model_grant);
Datum
vs_embedding_model_grant(PG_FUNCTION_ARGS)
{
	set_user(fcinfo, true, "embedding_model_grant()");
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(vs_embedding_model_revoke);
Datum
vs_embedding_model_revoke(PG_FUNCTION_ARGS)
{
	set_user(fcinfo, false, "embedding_model_revoke()");
	PG_RETURN_VOID();
}
