/*
 * hnsw_validate.c
 *		Checks an operator class of the access method (amvalidate).
 *
 * There are two kinds: of vectors, with a metric and an operator to order by,
 * and of filter columns, with a column type and operators to search with.
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

/*
 * The only support function: metric(internal) or column_type(internal), which
 * return internal.  *number tells which.
 */
static bool
check_functions(const char *name, CatCList *functions, Oid type, int *number)
{
	bool		valid = true;

	*number = 0;
	for (int i = 0; i < functions->n_members; i++)
	{
		Form_pg_amproc form = (Form_pg_amproc)
		GETSTRUCT(&functions->members[i]->tuple);

		if (form->amproclefttype != type)
			continue;
		if ((form->amprocnum != VS_HNSW_METRIC_PROC &&
			 form->amprocnum != VS_HNSW_COLUMN_PROC) || *number != 0)
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
			*number = form->amprocnum;
	}
	if (*number == 0)
	{
		COMPLAIN("operator class \"%s\" of access method hnsw is missing support function %d or %d",
				 name, VS_HNSW_METRIC_PROC, VS_HNSW_COLUMN_PROC);
		valid = false;
	}
	return valid;
}

/* Can the operator be one of a vector's class, to order by a float8? */
static bool
check_order(const char *name, const FormData_pg_amop * form)
{
	if (form->amopstrategy != 1 || form->amoppurpose != AMOP_ORDER)
	{
		COMPLAIN("operator class \"%s\" of access method hnsw contains operator %s with invalid strategy or purpose",
				 name, format_operator(form->amopopr));
		return false;
	}
	if (!check_amop_signature(form->amopopr, FLOAT8OID, form->amoplefttype,
							  form->amoprighttype) ||
		!opfamily_can_sort_type(form->amopsortfamily, FLOAT8OID))
	{
		COMPLAIN("operator class \"%s\" of access method hnsw contains operator %s that does not order by double precision",
				 name, format_operator(form->amopopr));
		return false;
	}
	return true;
}

/* Can the operator be one of a filter column's class? */
static bool
check_search(const char *name, const FormData_pg_amop * form)
{
	if (form->amopstrategy < 1 || form->amopstrategy > VS_HNSW_CONTAIN ||
		form->amoppurpose != AMOP_SEARCH ||
		!check_amop_signature(form->amopopr, BOOLOID, form->amoplefttype,
							  form->amoprighttype))
	{
		COMPLAIN("operator class \"%s\" of access method hnsw contains operator %s that does not search",
				 name, format_operator(form->amopopr));
		return false;
	}
	return true;
}

static bool
check_operators(const char *name, CatCList *operators, Oid type, bool is_vector)
{
	bool		valid = true;
	int			n = 0;

	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop form = (Form_pg_amop)
		GETSTRUCT(&operators->members[i]->tuple);

		if (form->amoplefttype != type)
			continue;
		if (!(is_vector ? check_order(name, form) : check_search(name, form)))
			valid = false;
		n++;
	}
	if (n == 0)
	{
		COMPLAIN("operator class \"%s\" of access method hnsw is missing its %s",
				 name, is_vector ? "ordering operator" : "operators");
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
	int			number;
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	form = (Form_pg_opclass) GETSTRUCT(tuple);
	name = NameStr(form->opcname);
	functions = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(form->opcfamily));
	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(form->opcfamily));

	valid = check_functions(name, functions, form->opcintype, &number);
	valid = check_operators(name, operators, form->opcintype,
							number != VS_HNSW_COLUMN_PROC) && valid;

	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(tuple);
	return valid;
}
