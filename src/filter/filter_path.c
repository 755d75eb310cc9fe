/*
 * filter_path.c
 *		Offers filtered scans to the planner.
 *
 * For a table with an ordered scan of an hnsw index and conditions, the server
 * is asked which bitmap of index scans it would take for the conditions, and a
 * path is added that has both.  It returns what the index scan returns, which
 * checks all conditions itself; so the bitmap may hold too many rows.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "filter/filter.h"
#include "hnsw/hnsw.h"
#include "vecsearch.h"

bool		vs_filter_enabled = true;

static set_rel_pathlist_hook_type next_hook;

/* ------------------------------------------------------------------------
 * From path to plan
 * ------------------------------------------------------------------------ */

/*
 * A part's plan without the Result that checks conditions of no column: there is
 * one over the whole node, too.
 */
static Plan *
without_gate(Plan *plan)
{
	return IsA(plan, Result) ? outerPlan(plan) : plan;
}

/* plans are an index scan and perhaps a bitmap heap scan, whose bitmap is taken. */
static Plan *
plan_path(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist,
		  List *clauses, List *plans)
{
	Plan	   *rows = without_gate(linitial(plans));
	Plan	   *bitmap = list_length(plans) > 1 ?
	outerPlan(without_gate(lsecond(plans))) : NULL;
	CustomScan *scan = vs_filter_make_scan(rows, bitmap,
										   linitial(path->custom_private),
										   lsecond(path->custom_private));

	scan->flags = path->flags;
	scan->scan.scanrelid = rel->relid;
	scan->scan.plan.targetlist = tlist;

	/* a copy of the child's, for tlist may be replaced later */
	scan->custom_scan_tlist = copyObject(rows->targetlist);
	return &scan->scan.plan;
}

static const CustomPathMethods path_methods = {
	.CustomName = "FilteredVectorScan",
	.PlanCustomPath = plan_path,
};

/* ------------------------------------------------------------------------
 * The parts
 * ------------------------------------------------------------------------ */

/* The cheapest ordered scan of an hnsw index, or NULL. */
static IndexPath *
find_ordered_scan(const RelOptInfo *rel)
{
	IndexPath  *best = NULL;
	ListCell   *cell;

	foreach(cell, rel->pathlist)
	{
		IndexPath  *path = lfirst(cell);

		if (IsA(path, IndexPath) && path->path.pathtype == T_IndexScan &&
			vs_hnsw_is_ours(path->indexinfo) && path->indexorderbys != NIL &&
			path->path.param_info == NULL &&
			(best == NULL || path->path.total_cost < best->path.total_cost))
			best = path;
	}
	return best;
}

/* The cheapest bitmap heap scan among paths, or NULL. */
static BitmapHeapPath *
find_bitmap_scan(List *paths)
{
	BitmapHeapPath *best = NULL;
	ListCell   *cell;

	foreach(cell, paths)
	{
		BitmapHeapPath *path = lfirst(cell);

		if (IsA(path, BitmapHeapPath) && path->path.param_info == NULL &&
			(best == NULL || path->path.total_cost < best->path.total_cost))
			best = path;
	}
	return best;
}

/*
 * Have the server plan a bitmap for the conditions of the table.  It does so
 * as it would anyway, but with nothing in its place.
 */
static BitmapHeapPath *
plan_bitmap(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *pathlist = rel->pathlist;
	List	   *partial_pathlist = rel->partial_pathlist;
	bool		consider_parallel = rel->consider_parallel;
	bool		indexscan = enable_indexscan;
	bool		indexonlyscan = enable_indexonlyscan;
	BitmapHeapPath *path = NULL;

	PG_TRY();
	{
		rel->pathlist = rel->partial_pathlist = NIL;
		rel->consider_parallel = false;
		enable_indexscan = enable_indexonlyscan = false;
		create_index_paths(root, rel);
		path = find_bitmap_scan(rel->pathlist);
	}
	PG_FINALLY();
	{
		rel->pathlist = pathlist;
		rel->partial_pathlist = partial_pathlist;
		rel->consider_parallel = consider_parallel;
		enable_indexscan = indexscan;
		enable_indexonlyscan = indexonlyscan;
	}
	PG_END_TRY();
	return path;
}

/* ------------------------------------------------------------------------
 * Costs
 * ------------------------------------------------------------------------ */

/* How many rows the index scans of a bitmap return in all. */
static double
rows_of_bitmap(const Path *path, double tuples)
{
	double		rows = 0;
	List	   *parts = NIL;
	ListCell   *cell;

	if (IsA(path, IndexPath))
		return ((const IndexPath *) path)->indexselectivity * tuples;
	if (IsA(path, BitmapAndPath))
		parts = ((const BitmapAndPath *) path)->bitmapquals;
	else if (IsA(path, BitmapOrPath))
		parts = ((const BitmapOrPath *) path)->bitmapquals;
	foreach(cell, parts)
		rows += rows_of_bitmap(lfirst(cell), tuples);
	return rows;
}

/* Time to search among so many matches of the tuples when they are known. */
static double
time_of_search(double tuples, double matches)
{
	return Min(VS_TIME_OF_LOOK * matches,
			   vs_hnsw_guided_visits(tuples, matches, vs_hnsw_ef_search));
}

/*
 * Does the bitmap pay, for a query that wants so many rows?  candidates: rows
 * whose filter columns satisfy the index's conditions; matches: those of them
 * that are in the bitmap, too.
 *
 * That is not decided by the planner's costs, which are wrong by a factor of ten
 * here: they think that each row is read from the disk.
 */
static bool
bitmap_pays(const RelOptInfo *rel, double tuples, double bitmap_rows,
			double matches, double candidates, double wanted)
{
	double		passing = Max(1, rel->rows);
	double		eager = VS_TIME_OF_BITMAP_ROW * bitmap_rows +
	time_of_search(tuples, matches) +
	VS_TIME_OF_ROW * wanted * Max(1, matches / passing);
	double		walk = vs_hnsw_guided_visits(tuples, candidates, vs_hnsw_ef_search);
	double		plain = Min(walk, VS_TIME_OF_ENTRY * tuples +
							time_of_search(tuples, candidates)) +
	VS_TIME_OF_ROW * wanted * Max(1, candidates / passing);

	return eager < plain;
}

/*
 * What a path costs that makes the bitmap, of so many rows, at once.  Where fewer
 * rows than are wanted are thought to pass, the conditions are mostly not as rare
 * as that, such as those of places.
 */
#define ROWS_TO_FIND_ONE	4

static void
cost_eager(Path *path, const IndexPath *ordered, Cost bitmap_cost, double matches,
		   double wanted)
{
	const IndexOptInfo *index = ordered->indexinfo;
	double		rows = path->rows < wanted ? Min(matches, ROWS_TO_FIND_ONE * wanted) :
	matches;
	Cost		a_row = (ordered->path.total_cost - ordered->path.startup_cost) /
	Max(1, index->tuples);

	path->startup_cost = bitmap_cost +
		vs_hnsw_filtered_search_cost(index, matches);
	path->total_cost = path->startup_cost + rows * a_row;
}

/* A little cheaper than the index scan alone: it does the same, and is safer. */
#define LAZY_DISCOUNT	(1 - 1e-6)

/* How many rows the query may want. */
static double
wanted_rows(const PlannerInfo *root)
{
	return root->limit_tuples > 0 ? root->limit_tuples : vs_hnsw_ef_search;
}

/*
 * Set the costs, whether to make the bitmap, if any, at once, and how many rows
 * its index scans are thought to return.
 */
static void
cost_path(PlannerInfo *root, Path *path, const IndexPath *ordered,
		  Path *bitmap, bool *eager, double *bitmap_rows)
{
	double		tuples = Max(1, ordered->indexinfo->tuples);
	double		candidates = Max(1, ordered->indexselectivity *
								 Max(1, path->parent->tuples));
	double		matches;
	Cost		bitmap_cost;
	Selectivity share;

	*eager = false;
	*bitmap_rows = 0;
	path->startup_cost = ordered->path.startup_cost * LAZY_DISCOUNT;
	path->total_cost = ordered->path.total_cost * LAZY_DISCOUNT;
	if (bitmap == NULL)
		return;
	cost_bitmap_tree_node(bitmap, &bitmap_cost, &share);
	matches = Max(path->parent->rows, share * candidates);
	*bitmap_rows = rows_of_bitmap(bitmap, tuples);
	if (vs_hnsw_filter_strategy == VS_FILTER_AUTO &&
		bitmap_pays(path->parent, tuples, *bitmap_rows, matches, candidates,
					wanted_rows(root)))
	{
		*eager = true;
		cost_eager(path, ordered, bitmap_cost, matches, wanted_rows(root));
	}
}

/* What a path costs that is there for its radius, and how many rows it has. */
static void
cost_radius(PlannerInfo *root, Path *path, const IndexPath *ordered, Expr *radius)
{
	double		share = vs_filter_share_within(root, ordered, radius);

	path->rows = Max(1, Min(path->rows, share * ordered->indexinfo->tuples));
	path->pathkeys = NIL;
	path->startup_cost = ordered->path.startup_cost;
	path->total_cost = path->startup_cost +
		share * (ordered->path.total_cost - path->startup_cost);
}

/* ------------------------------------------------------------------------
 * The hook
 * ------------------------------------------------------------------------ */

/* Flat copies, because the planner edits the paths of a plan in place. */
static Path *
copy_path(const void *path, Size size)
{
	Path	   *copy = palloc(size);

	memcpy(copy, path, size);
	return copy;
}

/* A number of rows for the plan. */
static Node *
estimate_node(double rows)
{
	return (Node *) makeInteger((int) Min(rows, INT_MAX));
}

/* The parts of a path that is offered. */
static CustomPath *
make_path(RelOptInfo *rel, IndexPath *ordered, BitmapHeapPath *bitmap)
{
	CustomPath *path = makeNode(CustomPath);

	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.pathkeys = ordered->path.pathkeys;
	path->path.rows = ordered->path.rows;
	path->path.parallel_safe = ordered->path.parallel_safe;
	vs_inherit_disabled(&path->path, &ordered->path);
	path->flags = VS_CUSTOMPATH_PROJECTS;
	path->methods = &path_methods;
	path->custom_paths = list_make1(copy_path(ordered, sizeof(IndexPath)));
	if (bitmap != NULL)
		path->custom_paths = lappend(path->custom_paths,
									 copy_path(bitmap, sizeof(BitmapHeapPath)));
	return path;
}

/* What the path's plan has to know; see vs_filter_make_scan. */
static List *
about_plan(const PlannerInfo *root, const RelOptInfo *rel, bool eager,
		   double bitmap_rows, Expr *radius)
{
	return list_make2(list_make4(makeInteger(eager),
								 estimate_node(bitmap_rows),
								 estimate_node(wanted_rows(root)),
								 estimate_node(rel->rows)),
					  radius);
}

/* Does the index check all conditions of the table by itself? */
static bool
checks_all(const RelOptInfo *rel, const IndexPath *ordered)
{
	return list_length(ordered->indexclauses) == list_length(rel->baserestrictinfo);
}

/*
 * Beside an ordered scan of ours.  Where its filter columns tell all, a bitmap for
 * later would only tell it again.
 */
static void
offer_filtered_scan(PlannerInfo *root, RelOptInfo *rel, IndexPath *ordered)
{
	BitmapHeapPath *bitmap = plan_bitmap(root, rel);
	Expr	   *radius;
	CustomPath *path;
	bool		eager;
	double		bitmap_rows;

	ordered = vs_filter_add_clauses(root, ordered);
	radius = vs_filter_find_radius(rel, ordered);
	if (bitmap == NULL && radius == NULL && ordered->indexclauses == NIL)
		return;
	path = make_path(rel, ordered, bitmap);
	cost_path(root, &path->path, ordered,
			  bitmap != NULL ? bitmap->bitmapqual : NULL, &eager, &bitmap_rows);
	if (!eager && checks_all(rel, ordered))
		path->custom_paths = list_make1(linitial(path->custom_paths));
	path->custom_private = about_plan(root, rel, eager, bitmap_rows, radius);
	add_path(rel, &path->path);
}

/*
 * Where a condition bounds a distance, and no order asks for it: for SELECT only,
 * since as any search of the graph it may miss a row.
 */
static void
offer_radius_scan(PlannerInfo *root, RelOptInfo *rel)
{
	IndexPath  *ordered = vs_filter_radius_scan(root, rel);
	CustomPath *path;
	Expr	   *radius;

	if (ordered == NULL)
		return;
	radius = vs_filter_find_radius(rel, ordered);
	ordered = vs_filter_add_clauses(root, ordered);
	path = make_path(rel, ordered, NULL);
	cost_radius(root, &path->path, ordered, radius);
	path->custom_private = about_plan(root, rel, false, 0, radius);
	add_path(rel, &path->path);
}

static void
add_filtered_scan(PlannerInfo *root, RelOptInfo *rel, Index rti,
				  RangeTblEntry *rte)
{
	IndexPath  *ordered;

	if (next_hook != NULL)
		next_hook(root, rel, rti, rte);
	if (!vs_filter_enabled || !enable_indexscan || !enable_bitmapscan ||
		rte->rtekind != RTE_RELATION || rte->inh ||
		rel->baserestrictinfo == NIL)
		return;
	ordered = find_ordered_scan(rel);
	if (ordered != NULL)
		offer_filtered_scan(root, rel, ordered);
	else if (root->parse->commandType == CMD_SELECT)
		offer_radius_scan(root, rel);
}

void
vs_filter_init(void)
{
	DefineCustomBoolVariable("vecsearch.enable_filtered_scan",
							 "Enables the planner's use of filtered scans of hnsw indexes.",
							 "They take a bitmap of the rows that satisfy the other conditions from other indexes.",
							 &vs_filter_enabled, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	vs_filter_register_scan();
	next_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = add_filtered_scan;
}
