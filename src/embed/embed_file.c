/*
 * embed_file.c
 *		When files of models go.
 *
 * A file is there before the first row that names it, and goes after the last
 * one.  Rows are transactional, files are not: what a transaction has touched
 * is looked at when it ends.  All that touch hold ShareRowExclusiveLock on
 * the table of models until then.  What a crash leaves behind is found by the
 * next sweep.
 */
#include "postgres.h"

#include <limits.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "embed/embed.h"

/* A hash whose rows the transaction changes. */
typedef struct Touched
{
	struct Touched *next;
	char	   *path;
	Oid			schema;
	SubTransactionId sub;		/* that did it first */
	bool		before;			/* there was a row before */
	bool		after;			/* there will be one after; set before commit */
	char		hash[VS_MODEL_HASH_LEN + 1];
} Touched;

/* In TopTransactionContext. */
static Touched *touched;

void
vs_embed_file_touch(Oid schema, const char *hash)
{
	Touched    *t;
	MemoryContext old;

	for (t = touched; t != NULL; t = t->next)
		if (strcmp(t->hash, hash) == 0)
			return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	t = palloc0(sizeof(Touched));
	t->path = vs_model_path(hash);
	MemoryContextSwitchTo(old);
	t->schema = schema;
	t->sub = GetCurrentSubTransactionId();
	t->before = vs_embed_hash_known(schema, hash);
	strlcpy(t->hash, hash, sizeof(t->hash));
	t->next = touched;
	touched = t;
}

/* No error may be raised any more where this is called. */
static void
remove_file(const char *path)
{
	if (unlink(path) != 0 && errno != ENOENT)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path)));
}

static void
before_commit(void)
{
	for (Touched *t = touched; t != NULL; t = t->next)
		t->after = OidIsValid(get_relname_relid("vecsearch_model",
												t->schema)) &&
			vs_embed_hash_known(t->schema, t->hash);
}

static void
at_end(XactEvent event, void *arg)
{
	if (touched == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			before_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has registered or dropped an embedding model")));
			break;
		case XACT_EVENT_COMMIT:
			for (Touched *t = touched; t != NULL; t = t->next)
				if (!t->after)
					remove_file(t->path);
			touched = NULL;
			break;
		case XACT_EVENT_ABORT:
			for (Touched *t = touched; t != NULL; t = t->next)
				if (!t->before)
					remove_file(t->path);
			touched = NULL;
			break;
		default:
			break;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId sub,
					  SubTransactionId parent, void *arg)
{
	Touched   **link = &touched;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (*link != NULL)
	{
		Touched    *t = *link;

		if (t->sub == sub && event == SUBXACT_EVENT_ABORT_SUB)
		{
			if (!t->before)
				remove_file(t->path);
			*link = t->next;
			continue;
		}
		if (t->sub == sub)
			t->sub = parent;
		link = &t->next;
	}
}

void
vs_embed_file_init(void)
{
	RegisterXactCallback(at_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

/* ------------------------------------------------------------------------
 * Sweep
 * ------------------------------------------------------------------------ */

static bool
is_hash(const char *name)
{
	return strlen(name) == VS_MODEL_HASH_LEN &&
		strspn(name, "0123456789abcdef") == VS_MODEL_HASH_LEN;
}

static bool
is_touched(const char *hash)
{
	for (Touched *t = touched; t != NULL; t = t->next)
		if (strcmp(t->hash, hash) == 0)
			return true;
	return false;
}

/* The folder of a file, or of a folder. */
static char *
parent_of(const char *path)
{
	char	   *parent = pstrdup(path);

	get_parent_directory(parent);
	return parent;
}

/* Files of this database. */
static void
sweep_files(Oid schema, const char *folder)
{
	DIR		   *dir = AllocateDir(folder);
	struct dirent *entry;

	if (dir == NULL)
		return;					/* no model was ever registered */
	while ((entry = ReadDirExtended(dir, folder, LOG)) != NULL)
	{
		char	   *path;

		if (!is_hash(entry->d_name) || is_touched(entry->d_name) ||
			vs_embed_hash_known(schema, entry->d_name))
			continue;
		path = psprintf("%s/%s", folder, entry->d_name);
		remove_file(path);
		pfree(path);
	}
	FreeDir(dir);
}

/* Folders of databases that are gone. */
static void
sweep_folders(const char *root)
{
	DIR		   *dir = AllocateDir(root);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = ReadDirExtended(dir, root, LOG)) != NULL)
	{
		char	   *end;
		unsigned long oid = strtoul(entry->d_name, &end, 10);
		char	   *path;

		if (end == entry->d_name || *end != '\0' || oid == 0 ||
			oid > OID_MAX ||
			SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum((Oid) oid)))
			continue;
		path = psprintf("%s/%s", root, entry->d_name);
		rmtree(path, true);
		pfree(path);
	}
	FreeDir(dir);
}

void
vs_embed_file_sweep(Oid schema)
{
	char	   *folder;

	/* any name will do to learn the folder's */
	folder = parent_of(vs_model_path("0"));
	sweep_files(schema, folder);
	sweep_folders(parent_of(folder));
}
