/*
 * filter_node.c
 *		Runs filtered scans: a custom scan over an index scan and a bitmap.
 *
 * The index scan is the server's own node with all its conditions.  Before its
 * first row, its scan is opened here and told of the bitmap, which the access
 * method asks for when it wants it (hnsw_filter.h).
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "filter/filter.h"
#include "hnsw/hnsw.h"

#ifdef VS_HAVE_EXPLAIN_HOOK
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

typedef struct FilteredScan
{
	CustomScanState css;
	IndexScanState *rows;
	PlanState  *bitmap;			/* or NULL */
	ExprState  *radius;			/* or NULL */
	VsHnswFilter filter;
	bool		bitmap_ran;		/* was the bitmap made before? */
	bool		opened;			/* does the index scan know of the filter? */
	bool		begun;			/* is the radius of this search known? */
} FilteredScan;

/* Callback of the access method. */
static TIDBitmap *
make_bitmap(void *arg)
{
	FilteredScan *scan = arg;
	TIDBitmap  *bitmap;

	if (scan->bitmap_ran && scan->bitmap->chgParam == NULL)
		ExecReScan(scan->bitmap);
	scan->bitmap_ran = true;
	bitmap = (TIDBitmap *) MultiExecProcNode(scan->bitmap);
	if (bitmap == NULL || !IsA(bitmap, TIDBitmap))
		elog(ERROR, "unrecognized result from subplan");
	return bitmap;
}

static void
begin_scan(CustomScanState *css, EState *estate, int eflags)
{
	FilteredScan *scan = (FilteredScan *) css;
	CustomScan *plan = (CustomScan *) css->ss.ps.plan;

	scan->rows = castNode(IndexScanState,
						  ExecInitNode(linitial(plan->custom_plans), estate, eflags));
	css->custom_ps = list_make1(scan->rows);
	if (list_length(plan->custom_plans) > 1)
	{
		scan->bitmap = ExecInitNode(lsecond(plan->custom_plans), estate, eflags);
		css->custom_ps = lappend(css->custom_ps, scan->bitmap);
		scan->filter.make = make_bitmap;
	}
	if (plan->custom_exprs != NIL)
		scan->radius = ExecInitExpr(linitial(plan->custom_exprs), &css->ss.ps);

	/* rows are those of the index scan, in whatever slot it has them */
	css->ss.ps.scanopsfixed = css->ss.ps.resultopsfixed = false;
	ExecAssignScanProjectionInfoWithVarno(&css->ss, INDEX_VAR);

	scan->filter.arg = scan;
	scan->filter.eager = intVal(linitial(plan->custom_private)) != 0;
	scan->filter.expected = intVal(lsecond(plan->custom_private));
	scan->filter.wanted = intVal(lthird(plan->custom_private));
	scan->filter.passing = intVal(lfourth(plan->custom_private));
	scan->filter.forced = (VsHnswStrategy) vs_hnsw_filter_strategy;
	scan->filter.context = AllocSetContextCreate(estate->es_query_cxt,
												 "filtered scan",
												 ALLOCSET_DEFAULT_SIZES);
}

/* Open the index scan's scan, as it would itself, and tell it of the filter. */
static void
open_scan(FilteredScan *scan)
{
	IndexScanState *rows = scan->rows;

	if (rows->iss_ScanDesc == NULL)
	{
		rows->iss_ScanDesc = vs_begin_scan_of_node(rows);
		if (rows->iss_NumRuntimeKeys == 0 || rows->iss_RuntimeKeysReady)
			index_rescan(rows->iss_ScanDesc,
						 rows->iss_ScanKeys, rows->iss_NumScanKeys,
						 rows->iss_OrderByKeys, rows->iss_NumOrderByKeys);
	}
	vs_hnsw_scan_set_filter(rows->iss_ScanDesc, &scan->filter);
	scan->opened = true;
}

/*
 * The distance beyond which no row passes: none at all if it is NULL, and all if
 * it is NaN, which no distance is above.
 */
static double
find_radius(FilteredScan *scan)
{
	bool		isnull;
	Datum		value;

	if (scan->radius == NULL)
		return get_float8_infinity();
	value = ExecEvalExprSwitchContext(scan->radius,
									  scan->css.ss.ps.ps_ExprContext, &isnull);
	if (isnull)
		return -get_float8_infinity();
	return isnan(DatumGetFloat8(value)) ? get_float8_infinity() :
		DatumGetFloat8(value);
}

static TupleTableSlot *
next_row(CustomScanState *css)
{
	FilteredScan *scan = (FilteredScan *) css;
	ExprContext *econtext = css->ss.ps.ps_ExprContext;
	TupleTableSlot *slot;

	/* a recheck of EvalPlanQual has its one row already */
	if (!scan->opened && css->ss.ps.state->es_epq_active == NULL)
		open_scan(scan);
	if (!scan->begun)
		scan->filter.radius = find_radius(scan);
	scan->begun = true;
	slot = ExecProcNode(&scan->rows->ss.ps);
	if (TupIsNull(slot))
		return slot;
	scan->filter.passed++;
	if (css->ss.ps.ps_ProjInfo == NULL)
		return slot;
	ResetExprContext(econtext);
	econtext->ecxt_scantuple = slot;
	return ExecProject(css->ss.ps.ps_ProjInfo);
}

static void
rescan(CustomScanState *css)
{
	FilteredScan *scan = (FilteredScan *) css;
	Bitmapset  *changed = css->ss.ps.chgParam;

	if (changed != NULL)
	{
		UpdateChangedParamSet(&scan->rows->ss.ps, changed);
		if (scan->bitmap != NULL)
			UpdateChangedParamSet(scan->bitmap, changed);
	}
	if (scan->bitmap != NULL && scan->bitmap->chgParam != NULL)
		vs_hnsw_filter_drop_set(&scan->filter);
	scan->begun = false;
	if (scan->rows->ss.ps.chgParam == NULL)
		ExecReScan(&scan->rows->ss.ps);
}

static void
end_scan(CustomScanState *css)
{
	FilteredScan *scan = (FilteredScan *) css;

	ExecEndNode(&scan->rows->ss.ps);
	if (scan->bitmap != NULL)
		ExecEndNode(scan->bitmap);
	MemoryContextDelete(scan->filter.context);
}

/* ------------------------------------------------------------------------
 * EXPLAIN
 * ------------------------------------------------------------------------ */

/* The strategies that were followed, in their order. */
static const char *
name_of_strategy(const VsHnswFilterStats *stats)
{
	StringInfoData name;

	initStringInfo(&name);
	if (stats->plain)
		appendStringInfoString(&name, "plain");
	if (stats->guided)
		appendStringInfo(&name, "%sguided", name.len > 0 ? ", " : "");
	if (stats->exact)
		appendStringInfo(&name, "%sexact", name.len > 0 ? ", " : "");
	return name.len > 0 ? name.data : "none";
}

static void
explain_run(const FilteredScan *scan, ExplainState *es)
{
	const VsHnswFilterStats *stats = &scan->filter.stats;
	VsHnswScanStats walked = vs_hnsw_scan_stats(scan->rows->iss_ScanDesc);

	ExplainPropertyText("Strategy", name_of_strategy(stats), es);
	if (scan->bitmap != NULL)
		ExplainPropertyInteger("Bitmaps Built", NULL, stats->bitmaps, es);
	if (stats->sets > 0)
		ExplainPropertyInteger("Nodes Matching", NULL, stats->matches, es);
	ExplainPropertyInteger("Nodes Visited", NULL, walked.work.hops, es);
	ExplainPropertyInteger("Nodes Compared", NULL, stats->looks, es);
	ExplainPropertyInteger("Index Pages Used", NULL,
						   walked.blocks_hit + walked.blocks_read, es);
	if (stats->exact && stats->guided)
		ExplainPropertyText("Fallback", "the walk used up its budget or its links", es);
	if (scan->radius != NULL)
		ExplainPropertyText("Ended", stats->beyond ? "at the radius" : "before the radius", es);
}

static void
explain_scan(CustomScanState *css, List *ancestors, ExplainState *es)
{
	const FilteredScan *scan = (const FilteredScan *) css;

	if (scan->bitmap != NULL)
		ExplainPropertyText("Bitmap", scan->filter.eager ? "at once" :
							"if few rows pass", es);
	if (es->analyze && scan->rows->iss_ScanDesc != NULL)
		explain_run(scan, es);
}

/* ------------------------------------------------------------------------
 * Making one
 * ------------------------------------------------------------------------ */

static const CustomExecMethods exec_methods = {
	.CustomName = "FilteredVectorScan",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = next_row,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain_scan,
};

static Node *
create_state(CustomScan *plan)
{
	FilteredScan *scan = palloc0(sizeof(FilteredScan));

	NodeSetTag(scan, T_CustomScanState);
	scan->css.methods = &exec_methods;
	return (Node *) scan;
}

static const CustomScanMethods scan_methods = {
	.CustomName = "FilteredVectorScan",
	.CreateCustomScanState = create_state,
};

void
vs_filter_register_scan(void)
{
	RegisterCustomScanMethods(&scan_methods);
}

CustomScan *
vs_filter_make_scan(Plan *rows, Plan *bitmap, List *estimates, Expr *radius)
{
	CustomScan *scan = makeNode(CustomScan);

	scan->methods = &scan_methods;
	scan->custom_plans = list_make1(rows);
	if (bitmap != NULL)
		scan->custom_plans = lappend(scan->custom_plans, bitmap);
	if (radius != NULL)
		scan->custom_exprs = list_make1(radius);
	scan->custom_private = estimates;
	return scan;
}
