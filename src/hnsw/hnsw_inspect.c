/*
 * hnsw_inspect.c
 *		What the functions that look after an index share: opening it for one
 *		who may, reading its pages, returning a row.
 *
 * Pages are read with a ring of buffers, as the server's own functions of the
 * kind do, so that a look at a large index leaves the cache as it was.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "compat.h"
#include "hnsw/hnsw_inspect.h"

/* The table of what must be an index. */
static Oid
table_of(Oid index)
{
	const char *name = get_rel_name(index);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index with OID %u does not exist", index)));
	switch (get_rel_relkind(index))
	{
		case RELKIND_INDEX:
			return IndexGetRelation(index, false);
		case RELKIND_PARTITIONED_INDEX:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is a partitioned index", name),
					 errhint("Name the index of one partition.")));
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not an index", name)));
	}
	return InvalidOid;			/* keep the compiler quiet */
}

/* Stop who may not use the index of a table so. */
static void
check_rights(Oid heap, VsHnswUse use)
{
	Oid			user = GetUserId();
	bool		may;

	if (use == VS_USE_MAINTAIN)
		may = vs_may_maintain(heap, user);
	else
		may = pg_class_aclcheck(heap, user, ACL_SELECT) == ACLCHECK_OK;
	if (use == VS_USE_STATISTICS && !may)
		may = vs_owns_relation(heap, user) ||
			has_privs_of_role(user, VS_ROLE_STAT_SCAN_TABLES);
	if (!may)
		aclcheck_error(use == VS_USE_MAINTAIN ? ACLCHECK_NOT_OWNER : ACLCHECK_NO_PRIV,
					   get_relkind_objtype(get_rel_relkind(heap)),
					   get_rel_name(heap));
	if (use == VS_USE_ROWS && check_enable_rls(heap, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row-level security of table \"%s\" may hide rows from you",
						get_rel_name(heap)),
				 errdetail("The function needs all of them.")));
}

/* Stop at what is no hnsw index, or cannot be read now. */
static void
check_index(Relation rel)
{
	const char *name = RelationGetRelationName(rel);

	if (rel->rd_indam->ambeginscan != vs_hnsw_beginscan)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an hnsw index of vecsearch", name)));
	if (RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" is a temporary index of another session", name)));
	if (!rel->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid", name),
				 errhint("Its CREATE INDEX CONCURRENTLY has not ended, or failed.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED &&
		RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("unlogged index \"%s\" cannot be read during recovery",
						name)));
}

VsHnswInspect *
vs_hnsw_inspect_open(Oid index, VsHnswUse use)
{
	VsHnswInspect *inspect = palloc0(sizeof(VsHnswInspect));
	Oid			heap = table_of(index);

	check_rights(heap, use);
	inspect->lock = use == VS_USE_MAINTAIN && !RecoveryInProgress() ?
		ShareUpdateExclusiveLock : AccessShareLock;
	inspect->heap = table_open(heap, inspect->lock);
	inspect->rel = index_open(index, AccessShareLock);
	if (inspect->rel->rd_index->indrelid != heap)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index with OID %u does not exist any more", index)));
	check_index(inspect->rel);
	inspect->ix = vs_hnsw_open(inspect->rel);
	inspect->strategy = GetAccessStrategy(BAS_BULKREAD);
	return inspect;
}

void
vs_hnsw_inspect_as_owner(VsHnswInspect *inspect)
{
	GetUserIdAndSecContext(&inspect->user, &inspect->security);
	SetUserIdAndSecContext(inspect->heap->rd_rel->relowner,
						   inspect->security | SECURITY_RESTRICTED_OPERATION);
	inspect->guc_level = NewGUCNestLevel();
	vs_restrict_search_path();
}

void
vs_hnsw_inspect_close(VsHnswInspect *inspect)
{
	if (inspect->guc_level != 0)
	{
		AtEOXact_GUC(false, inspect->guc_level);
		SetUserIdAndSecContext(inspect->user, inspect->security);
	}
	FreeAccessStrategy(inspect->strategy);
	index_close(inspect->rel, NoLock);
	table_close(inspect->heap, inspect->lock == ShareUpdateExclusiveLock ?
				inspect->lock : NoLock);
}

Page
vs_hnsw_inspect_page(VsHnswInspect *inspect, VsHnswSpace space, uint32 page_no)
{
	Page		page = (Page) inspect->page.data;

	CHECK_FOR_INTERRUPTS();
	inspect->block = vs_hnsw_copy_page(inspect->ix, space, page_no,
									   inspect->strategy, page);
	return page;
}

Datum
vs_hnsw_inspect_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

uint8 *
vs_bits_new(uint32 n)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, n / 8 + 1,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}
