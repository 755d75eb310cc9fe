/*
 * embed_column.c
 *		Which model's vectors a column holds.
 *
 * Noted by relation, name and number of the column.  The name counts, since a
 * restored table has other numbers; the number tells of a column that was
 * renamed, or dropped and made again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "embed/embed.h"

enum
{
	COLUMN_RELATION = 1,
	COLUMN_NUMBER,
	COLUMN_NAME,
	COLUMN_MODEL,
	COLUMN_HASH,
	COLUMN_DIMENSIONS,
	COLUMN_COLUMNS = COLUMN_DIMENSIONS
};

/* What a column holds. */
typedef struct Held
{
	char	   *model;			/* its name then */
	char		hash[VS_MODEL_HASH_LEN + 1];
	int			dim;
} Held;

int
vs_embed_column_number(Relation rel, const char *name)
{
	AttrNumber	number = get_attnum(RelationGetRelid(rel), name);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, RelationGetRelationName(rel))));
	return number;
}

void
vs_embed_check_source(Relation rel, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel),
												column - 1);
	char		category;
	bool		preferred;

	get_type_category_preferred(getBaseType(attribute->atttypid), &category,
								&preferred);
	if (category != TYPCATEGORY_STRING)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s, which is not text",
						NameStr(attribute->attname),
						format_type_be(attribute->atttypid)),
				 errhint("The source of embeddings is a column of type text, varchar or the like.")));
}

static const char *
column_name(Relation rel, int column)
{
	return NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname);
}

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------ */

/* Whether a number is that of a column that was dropped. */
static bool
is_dropped(TupleDesc columns, int number)
{
	return number >= 1 && number <= columns->natts &&
		TupleDescAttr(columns, number - 1)->attisdropped;
}

static bool
has_name(TupleDesc columns, const char *name)
{
	for (int i = 0; i < columns->natts; i++)
		if (!TupleDescAttr(columns, i)->attisdropped &&
			strcmp(NameStr(TupleDescAttr(columns, i)->attname), name) == 0)
			return true;
	return false;
}

/* Whether a row with this name and number is about the column. */
static bool
is_about(TupleDesc columns, const char *name, int number, int column)
{
	if (strcmp(name, NameStr(TupleDescAttr(columns,
										   column - 1)->attname)) == 0)
		return !is_dropped(columns, number);
	return number == column && !has_name(columns, name);
}

/* The row about a column: what it says, or with remove, delete it. */
static bool
find_row(Relation table, Relation rel, int column, bool remove, Held *held)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key, COLUMN_RELATION, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(table, InvalidOid, false, NULL, 1, &key);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Datum		values[COLUMN_COLUMNS];
		bool		nulls[COLUMN_COLUMNS];
		char	   *name;
		bool		same_name;

		heap_deform_tuple(tuple, RelationGetDescr(table), values, nulls);
		name = TextDatumGetCString(values[COLUMN_NAME - 1]);
		same_name = strcmp(name, column_name(rel, column)) == 0;
		if (is_about(RelationGetDescr(rel), name,
					 DatumGetInt16(values[COLUMN_NUMBER - 1]), column))
		{
			found = true;
			if (held != NULL)
			{
				held->model = TextDatumGetCString(values[COLUMN_MODEL - 1]);
				strlcpy(held->hash,
						TextDatumGetCString(values[COLUMN_HASH - 1]),
						sizeof(held->hash));
				held->dim = DatumGetInt32(values[COLUMN_DIMENSIONS - 1]);
			}
		}
		else if (!same_name)
			continue;
		if (remove)
			CatalogTupleDelete(table, &tuple->t_self);
	}
	systable_endscan(scan);
	return found;
}

static bool
is_held(Oid schema, Relation rel, int column, Held *held)
{
	Relation	table = vs_embed_open(schema, "vecsearch_column",
									  AccessShareLock);
	bool		found = find_row(table, rel, column, false, held);

	table_close(table, AccessShareLock);
	return found;
}

static void
insert_row(Relation table, Relation rel, int column, const VsEmbedPlan *plan)
{
	Datum		values[COLUMN_COLUMNS];
	bool		nulls[COLUMN_COLUMNS] = {false};
	char	   *name = pnstrdup(plan->pinned, strcspn(plan->pinned, "@"));

	/* a row about a column of this name that is gone must make place */
	find_row(table, rel, column, true, NULL);
	CommandCounterIncrement();
	values[COLUMN_RELATION - 1] = ObjectIdGetDatum(RelationGetRelid(rel));
	values[COLUMN_NUMBER - 1] = Int16GetDatum(column);
	values[COLUMN_NAME - 1] = CStringGetTextDatum(column_name(rel, column));
	values[COLUMN_MODEL - 1] = CStringGetTextDatum(name);
	values[COLUMN_HASH - 1] = CStringGetTextDatum(plan->hash);
	values[COLUMN_DIMENSIONS - 1] = Int32GetDatum(plan->dim);
	CatalogTupleInsert(table, heap_form_tuple(RelationGetDescr(table), values,
											  nulls));
	vs_embed_changed(table);
}

/* Delete rows of tables that are gone. */
static void
delete_stale(Relation table)
{
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, NULL, 0,
										  NULL);
	HeapTuple	tuple;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(heap_getattr(tuple,
														  COLUMN_RELATION,
														  RelationGetDescr(table), &isnull));

		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) &&
			vs_embed_try_lock(table, relid))
			CatalogTupleDelete(table, &tuple->t_self);
	}
	systable_endscan(scan);
}

/* ------------------------------------------------------------------------
 * Claims
 * ------------------------------------------------------------------------ */

/* The column can hold vectors of this dimension. */
static void
check_target(Oid schema, Relation rel, int column, int dim)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel),
												column - 1);
	int32		typmod = attribute->atttypmod;

	if (getBaseTypeAndTypmod(attribute->atttypid,
							 &typmod) != vs_extension_vector_type(schema))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is of type %s, not vector",
						NameStr(attribute->attname),
						format_type_be(attribute->atttypid))));
	if (attribute->attgenerated)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column \"%s\" is generated",
						NameStr(attribute->attname))));
	if (typmod > 0 && typmod != dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" holds vectors of %d dimensions, these would have %d",
						NameStr(attribute->attname), typmod, dim)));
}

static void
check_held(Relation rel, int column, const Held *held, const VsEmbedPlan *plan)
{
	const char *name = column_name(rel, column);

	if (strcmp(held->hash, plan->hash) == 0 && held->dim == plan->dim)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of relation \"%s\" holds vectors of another embedding model or dimension",
					name, RelationGetRelationName(rel)),
			 errdetail("It holds those of %s@%.*s with %d dimensions, these would be of %.*s with %d.",
					   held->model, VS_EMBED_PIN_DIGITS, held->hash, held->dim,
					   (int) strcspn(plan->pinned,
									 "@") + 1 + VS_EMBED_PIN_DIGITS, plan->pinned,
					   plan->dim),
			 errhint("Use another column; or empty this one and call embedding_column_reset.")));
}

void
vs_embed_column_claim(Oid schema, Relation rel, int column,
					  const VsEmbedPlan *plan)
{
	Held		held;
	Relation	table;

	check_target(schema, rel, column, plan->dim);
	if (is_held(schema, rel, column, &held))
	{
		check_held(rel, column, &held, plan);
		return;
	}

	/* one at a time notes columns of a table; who waited looks again */
	table = vs_embed_open(schema, "vecsearch_column", RowExclusiveLock);
	LockDatabaseObject(RelationGetRelid(table), RelationGetRelid(rel), 0,
					   ExclusiveLock);
	if (find_row(table, rel, column, false, &held))
		check_held(rel, column, &held, plan);
	else
	{
		delete_stale(table);
		insert_row(table, rel, column, plan);
	}
	table_close(table, NoLock);
}

/* ------------------------------------------------------------------------
 * SQL functions
 * ------------------------------------------------------------------------ */

/* The relation of argument 0, of which the current user must be the owner. */
static Relation
owned_relation(FunctionCallInfo fcinfo)
{
	Oid			relid = PG_GETARG_OID(0);

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!vs_owns_relation(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of relation \"%s\"",
						get_rel_name(relid))));
	return relation_open(relid, AccessShareLock);
}

PG_FUNCTION_INFO_V1(vs_embedding_column_set);
Datum
vs_embedding_column_set(PG_FUNCTION_ARGS)
{
	Oid			schema = vs_extension_schema(fcinfo);
	Relation	rel,
				table;
	VsEmbedPlan plan;
	int			column;
	int			dimensions = 0;
	int32		typmod;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation, column and model must not be null")));
	PreventCommandIfReadOnly("embedding_column_set()");
	rel = owned_relation(fcinfo);
	column = vs_embed_column_number(rel,
									text_to_cstring(PG_GETARG_TEXT_PP(1)));
	typmod = TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypmod;
	getBaseTypeAndTypmod(TupleDescAttr(RelationGetDescr(rel),
									   column - 1)->atttypid, &typmod);
	if (!PG_ARGISNULL(3))
		dimensions = PG_GETARG_INT32(3) == 0 ? -1 : PG_GETARG_INT32(3);
	else if (typmod > 0)
		dimensions = typmod;
	vs_embed_plan(schema, text_to_cstring(PG_GETARG_TEXT_PP(2)), NULL, "",
				  dimensions, &plan);
	check_target(schema, rel, column, plan.dim);

	table = vs_embed_open(schema, "vecsearch_column", RowExclusiveLock);
	LockDatabaseObject(RelationGetRelid(table), RelationGetRelid(rel), 0,
					   ExclusiveLock);
	delete_stale(table);
	insert_row(table, rel, column, &plan);
	table_close(table, NoLock);
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(vs_embedding_column_reset);
Datum
vs_embedding_column_reset(PG_FUNCTION_ARGS)
{
	Oid			schema = vs_extension_schema(fcinfo);
	Relation	rel,
				table;
	int			column;
	bool		found;

	PreventCommandIfReadOnly("embedding_column_reset()");
	rel = owned_relation(fcinfo);
	column = vs_embed_column_number(rel,
									text_to_cstring(PG_GETARG_TEXT_PP(1)));
	table = vs_embed_open(schema, "vecsearch_column", RowExclusiveLock);
	LockDatabaseObject(RelationGetRelid(table), RelationGetRelid(rel), 0,
					   ExclusiveLock);
	found = find_row(table, rel, column, true, NULL);
	vs_embed_changed(table);
	table_close(table, NoLock);
	relation_close(rel, NoLock);
	PG_RETURN_BOOL(found);
}

/* A plan for questions to a column. */
static void
like_plan(Oid schema, Oid relid, const char *column_name, const char *task,
		  const char *instruction, VsEmbedPlan *plan)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	Held		held;
	const VsEmbedModel *model;
	char	   *name;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!is_held(schema, rel, vs_embed_column_number(rel, column_name), &held))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("it is not known which embedding model column \"%s\" of relation \"%s\" holds vectors of",
						column_name, RelationGetRelationName(rel)),
				 errhint("embed_table and embed_trigger note it; or tell it with embedding_column_set.")));
	relation_close(rel, AccessShareLock);

	model = vs_embed_find(schema, held.model);
	if (model != NULL && strcmp(model->hash, held.hash) == 0)
		name = held.model;
	else
		name = vs_embed_name_of_hash(schema, held.hash);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("embedding model \"%s\", which column \"%s\" holds vectors of, is not registered",
						psprintf("%s@%.*s", held.model, VS_EMBED_PIN_DIGITS,
								 held.hash), column_name)));
	vs_embed_plan(schema, psprintf("%s@%s", name, held.hash), task,
				  instruction, held.dim, plan);
}

PG_FUNCTION_INFO_V1(vs_embed_like);
Datum
vs_embed_like(PG_FUNCTION_ARGS)
{
	VsEmbedMemo *memo = fcinfo->flinfo->fn_extra;
	VsEmbedPlan plan;
	text	   *input;
	Datum		vector;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation and column must not be null")));
	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	input = PG_GETARG_TEXT_PP(2);
	like_plan(vs_extension_schema(fcinfo), PG_GETARG_OID(0),
			  text_to_cstring(PG_GETARG_TEXT_PP(1)),
			  vs_arg_text(fcinfo, 3),
			  vs_arg_text(fcinfo, 4),
			  &plan);
	vector = vs_embed_one(&memo, fcinfo->flinfo->fn_mcxt, &plan,
						  VARDATA_ANY(input), VARSIZE_ANY_EXHDR(input));
	fcinfo->flinfo->fn_extra = memo;
	PG_RETURN_DATUM(vector);
}
