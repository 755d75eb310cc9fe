/*
 * filter_radius.c
 *		Bounds on the distance: where an ordered scan may end.
 *
 * WHERE column <operator> constant < radius is a bound for a scan that is ordered
 * by the same distance, and without ORDER BY a reason to make one.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/stratnum.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "compat.h"
#include "filter/filter.h"
#include "hnsw/hnsw.h"

/* btree float_ops: no header of the server names it */
#define VS_FLOAT_BTREE_FAM	1970

/* Is it the distance by which a scan is ordered, whose column is on the left? */
static bool
is_distance(const Node *expr, const Node *distance)
{
	const OpExpr *e = (const OpExpr *) expr;
	const OpExpr *d = (const OpExpr *) distance;

	if (equal(expr, distance))
		return true;
	return IsA(expr, OpExpr) && IsA(distance, OpExpr) &&
		list_length(e->args) == 2 &&
		get_commutator(e->opno) == d->opno &&
		equal(linitial(e->args), lsecond(d->args)) &&
		equal(lsecond(e->args), linitial(d->args));
}

/* The upper bound that a condition sets for a distance, or NULL. */
static Expr *
bound_of(Node *clause, const Node *distance)
{
	OpExpr	   *op = (OpExpr *) clause;
	Node	   *bound;
	int			strategy;

	if (!IsA(clause, OpExpr) || list_length(op->args) != 2)
		return NULL;
	strategy = get_op_opfamily_strategy(op->opno, VS_FLOAT_BTREE_FAM);
	if ((strategy == BTLessStrategyNumber ||
		 strategy == BTLessEqualStrategyNumber) &&
		is_distance(linitial(op->args), distance))
		bound = lsecond(op->args);
	else if ((strategy == BTGreaterStrategyNumber ||
			  strategy == BTGreaterEqualStrategyNumber) &&
			 is_distance(lsecond(op->args), distance))
		bound = linitial(op->args);
	else
		return NULL;
	if (exprType(bound) != FLOAT8OID || contain_var_clause(bound) ||
		contain_volatile_functions(bound))
		return NULL;
	return (Expr *) bound;
}

Expr *
vs_filter_find_radius(const RelOptInfo *rel, const IndexPath *ordered)
{
	ListCell   *cell;

	foreach(cell, rel->baserestrictinfo)
	{
		RestrictInfo *info = lfirst_node(RestrictInfo, cell);
		Expr	   *radius = bound_of((Node *) info->clause,
									  linitial(ordered->indexorderbys));

		if (radius != NULL)
			return radius;
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * Without ORDER BY
 * ------------------------------------------------------------------------ */

/* Can the index's rows be ordered by the distance?  Its column is on the left. */
static bool
is_distance_of_index(const OpExpr *distance, IndexOptInfo *index)
{
	return IsA(distance, OpExpr) && list_length(distance->args) == 2 &&
		OidIsValid(get_op_opfamily_sortfamily(distance->opno, index->opfamily[0])) &&
		match_index_to_operand(linitial(distance->args), 0, index) &&
		!contain_var_clause(lsecond(distance->args)) &&
		!contain_volatile_functions(lsecond(distance->args));
}

/* The same distance with its operands in the other order, or NULL. */
static OpExpr *
commute(const OpExpr *distance)
{
	OpExpr	   *other;

	if (!IsA(distance, OpExpr) || list_length(distance->args) != 2 ||
		!OidIsValid(get_commutator(distance->opno)))
		return NULL;
	other = copyObject(unconstify(OpExpr *, distance));
	other->opno = get_commutator(distance->opno);
	other->opfuncid = InvalidOid;
	set_opfuncid(other);
	other->args = list_make2(lsecond(distance->args), linitial(distance->args));
	return other;
}

/* The distance that a condition bounds, as the index orders by it, or NULL. */
static OpExpr *
bounded_distance(Expr *clause, IndexOptInfo *index)
{
	ListCell   *cell;

	if (!IsA(clause, OpExpr))
		return NULL;
	foreach(cell, ((OpExpr *) clause)->args)
	{
		OpExpr	   *distance = lfirst(cell);

		if (bound_of((Node *) clause, (Node *) distance) == NULL)
			continue;
		if (is_distance_of_index(distance, index))
			return distance;
		distance = commute(distance);
		if (distance != NULL && is_distance_of_index(distance, index))
			return distance;
	}
	return NULL;
}

/* The order of rows by a distance. */
static PathKey *
order_by(PlannerInfo *root, OpExpr *distance)
{
	EquivalenceClass *class =
	vs_get_eclass_for_sort_expr(root, (Expr *) distance,
								get_mergejoin_opfamilies(lookup_type_cache(FLOAT8OID, TYPECACHE_EQ_OPR)->eq_opr),
								FLOAT8OID);

	return make_canonical_pathkey(root, class, VS_FLOAT_BTREE_FAM,
								  BTLessStrategyNumber, false);
}

IndexPath *
vs_filter_radius_scan(PlannerInfo *root, RelOptInfo *rel)
{
	ListCell   *i;
	ListCell   *c;

	foreach(i, rel->indexlist)
	{
		IndexOptInfo *index = lfirst(i);

		if (!vs_hnsw_is_ours(index) || index->hypothetical ||
			(index->indpred != NIL && !index->predOK))
			continue;
		foreach(c, rel->baserestrictinfo)
		{
			RestrictInfo *info = lfirst_node(RestrictInfo, c);
			OpExpr	   *distance = bounded_distance(info->clause, index);

			if (distance != NULL)
				return create_index_path(root, index, NIL, list_make1(distance),
										 list_make1_int(0),
										 list_make1(order_by(root, distance)),
										 ForwardScanDirection, false, NULL, 1, false);
		}
	}
	return NULL;
}

/* The value of an expression as far as it is known, or false. */
static bool
known_value(PlannerInfo *root, Node *expr, Datum *value)
{
	Node	   *known = estimate_expression_value(root, expr);

	if (!IsA(known, Const) || ((Const *) known)->constisnull)
		return false;
	*value = ((Const *) known)->constvalue;
	return true;
}

/* Share of rows within a radius that is not known. */
#define DEFAULT_SHARE	0.005

double
vs_filter_share_within(PlannerInfo *root, const IndexPath *ordered, Expr *radius)
{
	OpExpr	   *distance = linitial(ordered->indexorderbys);
	Relation	index;
	double		share;
	Datum		query;
	Datum		bound;

	if (!known_value(root, lsecond(distance->args), &query) ||
		!known_value(root, (Node *) radius, &bound))
		return DEFAULT_SHARE;
	index = index_open(ordered->indexinfo->indexoid, NoLock);
	share = vs_hnsw_share_within(index, query, DatumGetFloat8(bound));
	index_close(index, NoLock);
	return share;
}
