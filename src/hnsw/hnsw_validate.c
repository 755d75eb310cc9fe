/*
 * hnsw_validate.c
 *		Checks an operator class of the access method (amvalidate).
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "compat.h"
#include "hnsw/hnsw.h"

/* Say what is wrong, as the server's own validators do. */
#define COMPLAIN(...) \
	ereport(INFO, \
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION), errmsg(__VA_ARGS__)))

/* The only support function: metric(internal) returns internal. */
static bool
check_functions(const char *name, CatCList *functions, Oid type)
{
	bool		valid = true;
	bool		has_metric = false;

	for (int i = 0; i < functions->n_members; i++)
	{
		Form_pg_amproc form = (Form_pg_amproc)
		GETSTRUCT(&functions->members[i]->tuple);

		if (form->amproclefttype != type)
			continue;
		if (form->amprocnum != VS_HNSW_METRIC_PROC)
		{
			COMPLAIN("operator class \"%s\" of access method hnsw contains function %s with invalid support number %d",
					 name, format_procedure(form->amproc), form->amprocnum);
			valid = false;
		}
		else if (!check_amproc_signature(form->amproc, INTERNALOID, true, 1, 1,
										 INTERNALOID))
		{
			COMPLAIN("operator class \"%s\" of access method hnsw contains function %s with wrong signature for support number %d",
					 name, format_procedure(form->amproc), form->amprocnum);
			valid = false;
		}
		else
			has_metric = true;
	}
	if (!has_metric)
	{
		COMPLAIN("operator class \"%s\" of access method hnsw is missing support function %d",
				 name, VS_HNSW_METRIC_PROC);
		valid = false;
	}
	return valid;
}

/* The only kind of operator: strategy 1, for ordering by a float8. */
static bool
check_operators(const char *name, CatCList *operators, Oid type)
{
	bool		valid = true;
	bool		has_order = false;

	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop form = (Form_pg_amop)
		GETSTRUCT(&operators->members[i]->tuple);

		if (form->amoplefttype != type)
			continue;
		if (form->amopstrategy != 1 || form->amoppurpose != AMOP_ORDER)
		{
			COMPLAIN("operator class \"%s\" of access method hnsw contains operator %s with invalid strategy or purpose",
					 name, format_operator(form->amopopr));
			valid = false;
		}
		else if (!check_amop_signature(form->amopopr, FLOAT8OID,
									   form->amoplefttype,
									   form->amoprighttype) ||
				 !opfamily_can_sort_type(form->amopsortfamily, FLOAT8OID))
		{
			COMPLAIN("operator class \"%s\" of access method hnsw contains operator %s that does not order by double precision",
					 name, format_operator(form->amopopr));
			valid = false;
		}
		else
			has_order = true;
	}
	if (!has_order)
	{
		COMPLAIN("operator class \"%s\" of access method hnsw is missing its ordering operator",
				 name);
		valid = false;
	}
	return valid;
}

bool
vs_hnsw_validate(Oid opclass)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Form_pg_opclass form;
	CatCList   *functions;
	CatCList   *operators;
	const char *name;
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	form = (Form_pg_opclass) GETSTRUCT(tuple);
	name = NameStr(form->opcname);
	functions = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(form->opcfamily));
	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(form->opcfamily));

	valid = check_functions(name, functions, form->opcintype);
	valid = check_operators(name, operators, form->opcintype) && valid;

	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(tuple);
	return valid;
}
