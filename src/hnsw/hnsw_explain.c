/*
 * hnsw_explain.c
 *		What a scan did: hnsw_last_scan, and lines of EXPLAIN (ANALYZE) where the
 *		server lets us add them.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw_inspect.h"

#ifdef VS_HAVE_EXPLAIN_HOOK
#include "commands/explain.h"
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* Columns of hnsw_last_scan. */
enum
{
	COLUMN_INDEX,
	COLUMN_EF_SEARCH,
	COLUMN_SEARCHES,
	COLUMN_HOPS,
	COLUMN_UPPER_HOPS,
	COLUMN_LINKS,
	COLUMN_BLOCKS_HIT,
	COLUMN_BLOCKS_READ,
	COLUMN_BATCHES,
	COLUMN_ROWS,
	COLUMN_MEMORY,
	COLUMN_ENDED,
	COLUMNS
};

static const char *
name_of_end(VsHnswScanEnd end)
{
	switch (end)
	{
		case VS_SCAN_ASKED_NO_MORE:
			return "enough";
		case VS_SCAN_EXHAUSTED:
			return "exhausted";
		case VS_SCAN_RADIUS:
			return "radius";
		case VS_SCAN_FIRST_WINDOW:
			return "first window";
		case VS_SCAN_MAX_TUPLES:
			return "max_scan_tuples";
		case VS_SCAN_MEMORY:
			return "memory";
	}
	return "unknown";
}

PG_FUNCTION_INFO_V1(vs_hnsw_last_scan_row);
Datum
vs_hnsw_last_scan_row(PG_FUNCTION_ARGS)
{
	const VsHnswScanStats *stats = &vs_hnsw_last_scan;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	if (stats->searches == 0)
		memset(nulls, true, sizeof(nulls));
	values[COLUMN_INDEX] = ObjectIdGetDatum(stats->index);
	values[COLUMN_EF_SEARCH] = Int32GetDatum(stats->ef_search);
	values[COLUMN_SEARCHES] = Int64GetDatum(stats->searches);
	values[COLUMN_HOPS] = Int64GetDatum(stats->work.hops);
	values[COLUMN_UPPER_HOPS] = Int64GetDatum(stats->work.upper_hops);
	values[COLUMN_LINKS] = Int64GetDatum(stats->work.links);
	values[COLUMN_BLOCKS_HIT] = Int64GetDatum(stats->blocks_hit);
	values[COLUMN_BLOCKS_READ] = Int64GetDatum(stats->blocks_read);
	values[COLUMN_BATCHES] = Int64GetDatum(stats->batches);
	values[COLUMN_ROWS] = Int64GetDatum(stats->rows);
	values[COLUMN_MEMORY] = Int64GetDatum((int64) stats->memory);
	values[COLUMN_ENDED] = CStringGetTextDatum(name_of_end(stats->end));
	return vs_hnsw_inspect_row(fcinfo, values, nulls);
}

#ifdef VS_HAVE_EXPLAIN_HOOK

static explain_per_node_hook_type next_hook;

/* One line of what a scan did, or properties in the other formats. */
static void
explain_scan(const VsHnswScanStats *stats, ExplainState *es)
{
	if (es->format != EXPLAIN_FORMAT_TEXT)
	{
		ExplainPropertyInteger("HNSW Hops", NULL, stats->work.hops, es);
		ExplainPropertyInteger("HNSW Upper Hops", NULL, stats->work.upper_hops, es);
		ExplainPropertyInteger("HNSW Links", NULL, stats->work.links, es);
		ExplainPropertyInteger("HNSW Blocks Hit", NULL, stats->blocks_hit, es);
		ExplainPropertyInteger("HNSW Blocks Read", NULL, stats->blocks_read, es);
		ExplainPropertyInteger("HNSW Batches", NULL, stats->batches, es);
		ExplainPropertyInteger("HNSW Memory", "B", (int64) stats->memory, es);
		ExplainPropertyText("HNSW Ended", name_of_end(stats->end), es);
		return;
	}
	ExplainIndentText(es);
	appendStringInfo(es->str,
					 "HNSW: hops=" INT64_FORMAT "+" INT64_FORMAT " links=" INT64_FORMAT
					 " hit=" INT64_FORMAT " read=" INT64_FORMAT " batches=" INT64_FORMAT
					 " memory=%zukB ended=%s\n",
					 stats->work.upper_hops, stats->work.hops, stats->work.links,
					 stats->blocks_hit, stats->blocks_read, stats->batches,
					 (stats->memory + 1023) / 1024, name_of_end(stats->end));
}

/* Is this an executed scan of an index of ours? */
static bool
is_our_scan(PlanState *planstate)
{
	IndexScanState *scan = (IndexScanState *) planstate;

	return IsA(planstate, IndexScanState) && scan->iss_ScanDesc != NULL &&
		scan->iss_RelationDesc->rd_indam->ambeginscan == vs_hnsw_beginscan;
}

static void
explain_node(PlanState *planstate, List *ancestors, const char *relationship,
			 const char *plan_name, ExplainState *es)
{
	if (next_hook != NULL)
		next_hook(planstate, ancestors, relationship, plan_name, es);
	if (es->analyze && is_our_scan(planstate))
	{
		VsHnswScanStats stats =
		vs_hnsw_scan_stats(((IndexScanState *) planstate)->iss_ScanDesc);

		if (stats.searches > 0)
			explain_scan(&stats, es);
	}
}

void
vs_hnsw_explain_init(void)
{
	next_hook = explain_per_node_hook;
	explain_per_node_hook = explain_node;
}

#else

void
vs_hnsw_explain_init(void)
{
}

#endif							/* VS_HAVE_EXPLAIN_HOOK */
