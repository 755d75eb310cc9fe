/*
 * filter_clause.c
 *		Conditions on filter columns that the planner keeps from ordered scans.
 *
 * Up to 16 the server does not combine column = ANY (array) on a column behind
 * the first one with an order, and up to 15 it knows a boolean column that stands
 * for itself only in btree and hash indexes.  The executor has no trouble with
 * either, so they are added to the path here.
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "filter/filter.h"

/* Is it a comparison of the column with any element of a constant array? */
static bool
is_any_of_column(const ScalarArrayOpExpr *any, IndexOptInfo *index, int column)
{
	Oid			collation = index->indexcollations[column];
	Node	   *array = lsecond(any->args);

	return any->useOr && op_in_opfamily(any->opno, index->opfamily[column]) &&
		match_index_to_operand(linitial(any->args), column, index) &&
		(!OidIsValid(collation) || collation == any->inputcollid) &&
		!contain_var_clause(array) && !contain_volatile_functions(array);
}

/* column = true, or false, for a condition that is the column or its negation. */
static Expr *
boolean_condition(Expr *clause, IndexOptInfo *index, int column)
{
	Node	   *operand = (Node *) clause;
	bool		value = true;

	if (IsA(clause, BoolExpr) && ((BoolExpr *) clause)->boolop == NOT_EXPR)
	{
		operand = linitial(((BoolExpr *) clause)->args);
		value = false;
	}
	if (exprType(operand) != BOOLOID ||
		!op_in_opfamily(BooleanEqualOperator, index->opfamily[column]) ||
		!match_index_to_operand(operand, column, index))
		return NULL;
	return make_opclause(BooleanEqualOperator, BOOLOID, false, (Expr *) operand,
						 (Expr *) makeBoolConst(value, false), InvalidOid,
						 InvalidOid);
}

/* The condition as the index can check it on one of its columns, or NULL. */
static IndexClause *
clause_for_column(PlannerInfo *root, RestrictInfo *info, IndexOptInfo *index,
				  int column)
{
	IndexClause *clause;
	RestrictInfo *qual = NULL;

	if (IsA(info->clause, ScalarArrayOpExpr))
	{
		if (is_any_of_column((ScalarArrayOpExpr *) info->clause, index, column))
			qual = info;
	}
	else
	{
		Expr	   *condition = boolean_condition(info->clause, index, column);

		if (condition != NULL)
			qual = vs_make_restrictinfo(root, condition);
	}
	if (qual == NULL)
		return NULL;
	clause = makeNode(IndexClause);
	clause->rinfo = info;
	clause->indexquals = list_make1(qual);
	clause->lossy = false;
	clause->indexcol = column;
	clause->indexcols = NIL;
	return clause;
}

static bool
is_used(const IndexPath *path, const RestrictInfo *info)
{
	ListCell   *cell;

	foreach(cell, path->indexclauses)
		if (lfirst_node(IndexClause, cell)->rinfo == info)
		return true;
	return false;
}

/* Those of the table's conditions that can be added for one column. */
static List *
missing_clauses(PlannerInfo *root, const IndexPath *path, int column)
{
	IndexOptInfo *index = path->indexinfo;
	List	   *clauses = NIL;
	ListCell   *cell;

	foreach(cell, index->indrestrictinfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, cell);
		IndexClause *clause;

		if (info->pseudoconstant || is_used(path, info) ||
			!restriction_is_securely_promotable(info, index->rel))
			continue;
		clause = clause_for_column(root, info, index, column);
		if (clause != NULL)
			clauses = lappend(clauses, clause);
	}
	return clauses;
}

IndexPath *
vs_filter_add_clauses(PlannerInfo *root, IndexPath *path)
{
	IndexOptInfo *index = path->indexinfo;
	List	   *clauses = NIL;
	IndexPath  *copy;

	for (int column = 0; column < index->nkeycolumns; column++)
	{
		ListCell   *cell;

		foreach(cell, path->indexclauses)
			if (lfirst_node(IndexClause, cell)->indexcol == column)
			clauses = lappend(clauses, lfirst(cell));
		if (column > 0)
			clauses = list_concat(clauses, missing_clauses(root, path, column));
	}
	if (list_length(clauses) == list_length(path->indexclauses))
		return path;
	copy = makeNode(IndexPath);
	memcpy(copy, path, sizeof(IndexPath));
	copy->indexclauses = clauses;
	cost_index(copy, root, 1, false);
	return copy;
}
