/*
 * hnsw.c
 *		The access method's handler, options and settings.
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/reloptions.h"
#include "commands/progress.h"
#include "commands/vacuum.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw.h"
#include "vecsearch.h"

int			vs_hnsw_ef_search;
int			vs_hnsw_iterative_scan;
int			vs_hnsw_max_scan_tuples;
double		vs_hnsw_scan_mem_multiplier;
bool		vs_hnsw_rerank = true;
int			vs_hnsw_filter_strategy = VS_FILTER_AUTO;

static relopt_kind options_kind;

static const struct config_enum_entry iterative_choices[] = {
	{"off", VS_ITERATIVE_OFF, false},
	{"relaxed_order", VS_ITERATIVE_RELAXED, false},
	{"strict_order", VS_ITERATIVE_STRICT, false},
	{NULL, 0, false}
};

static const struct config_enum_entry strategy_choices[] = {
	{"auto", VS_FILTER_AUTO, false},
	{"plain", VS_FILTER_PLAIN, false},
	{"guided", VS_FILTER_GUIDED, false},
	{"exact", VS_FILTER_EXACT, false},
	{NULL, 0, false}
};

/* Has some library defined a setting, other than by SET before it loads? */
static bool
is_defined(const char *name)
{
	return GetConfigOption(name, true, false) != NULL &&
		(GetConfigOptionFlags(name, true) & GUC_CUSTOM_PLACEHOLDER) == 0;
}

/*
 * Settings and storage parameters.  The hnsw.* names belong to pgvector's
 * clients; where another library has defined them in this backend, ours can
 * not be, and the defaults hold.
 */
static void
define_settings(void)
{
	vs_hnsw_ef_search = 40;
	vs_hnsw_iterative_scan = VS_ITERATIVE_STRICT;
	vs_hnsw_max_scan_tuples = 20000;
	vs_hnsw_scan_mem_multiplier = 1;
	if (is_defined("hnsw.ef_search"))
		return;

	DefineCustomIntVariable("hnsw.ef_search",
							"Sets how many nearest nodes an index scan keeps while it searches.",
							"Higher values find more of the true neighbors and take longer.",
							&vs_hnsw_ef_search, 40, 1, 1000,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("hnsw.iterative_scan",
							 "Sets how an index scan goes on when the executor wants more rows.",
							 "strict_order returns rows by distance, relaxed_order as they are found, off ends the scan.",
							 &vs_hnsw_iterative_scan, VS_ITERATIVE_STRICT,
							 iterative_choices,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("hnsw.max_scan_tuples",
							"Sets how many nodes an index scan may visit to find more rows.",
							NULL,
							&vs_hnsw_max_scan_tuples, 20000, 1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("hnsw.scan_mem_multiplier",
							 "Sets the multiple of work_mem that an index scan may use to find more rows.",
							 NULL,
							 &vs_hnsw_scan_mem_multiplier, 1, 1, 1000,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	vs_reserve_guc_prefix("hnsw");
}

void
vs_hnsw_init(void)
{
	options_kind = add_reloption_kind();
	add_int_reloption(options_kind, "m",
					  "Links a node gets to its neighbors; twice as many on level 0",
					  VS_HNSW_DEFAULT_M, VS_HNSW_MIN_M, VS_HNSW_MAX_M,
					  AccessExclusiveLock);
	add_int_reloption(options_kind, "ef_construction",
					  "Width of the search for neighbors",
					  VS_HNSW_DEFAULT_EF_CONSTRUCTION,
					  VS_HNSW_MIN_EF_CONSTRUCTION,
					  VS_HNSW_MAX_EF_CONSTRUCTION,
					  AccessExclusiveLock);
	define_settings();
	DefineCustomBoolVariable("vecsearch.rerank",
							 "Orders the rows of an hnsw index scan by the vectors of the table.",
							 "If off, the order is that of the shorter vectors in the index, which saves reading those of the table.",
							 &vs_hnsw_rerank, true,
							 PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomEnumVariable("vecsearch.filter_strategy",
							 "Forces how filtered scans of hnsw indexes search.",
							 "For tests: auto chooses by the number of rows that match.",
							 &vs_hnsw_filter_strategy, VS_FILTER_AUTO,
							 strategy_choices,
							 PGC_USERSET, GUC_EXPLAIN | GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);
	vs_hnsw_explain_init();
}

int
vs_hnsw_option_m(Relation rel)
{
	const VsHnswOptions *options = (const VsHnswOptions *) rel->rd_options;

	return options ? options->m : VS_HNSW_DEFAULT_M;
}

int
vs_hnsw_option_ef_construction(Relation rel)
{
	const VsHnswOptions *options = (const VsHnswOptions *) rel->rd_options;

	return options ? options->ef_construction : VS_HNSW_DEFAULT_EF_CONSTRUCTION;
}

/* The metric of the index's operator class. */
const VsMetric *
vs_hnsw_metric(Relation rel)
{
	FmgrInfo   *support = index_getprocinfo(rel, 1, VS_HNSW_METRIC_PROC);

	return (const VsMetric *) DatumGetPointer(FunctionCall1(support,
															PointerGetDatum(NULL)));
}

static bytea *
hnsw_options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt table[] = {
		{.optname = "m",.opttype = RELOPT_TYPE_INT,
		.offset = offsetof(VsHnswOptions, m)},
		{.optname = "ef_construction",.opttype = RELOPT_TYPE_INT,
		.offset = offsetof(VsHnswOptions, ef_construction)},
	};

	return (bytea *) build_reloptions(reloptions, validate, options_kind,
									  sizeof(VsHnswOptions), table,
									  lengthof(table));
}

static char *
hnsw_buildphasename(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case VS_HNSW_PHASE_LOAD:
			return "loading tuples";
		case VS_HNSW_PHASE_WRITE:
			return "writing pages";
		case VS_HNSW_PHASE_INSERT:
			return "inserting tuples";
		default:
			return NULL;
	}
}

PG_FUNCTION_INFO_V1(vs_hnswhandler);
Datum
vs_hnswhandler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = 0;
	am->amsupport = 2;
	am->amcanorderbyop = true;
	am->amcanmulticol = true;
	am->amoptionalkey = true;
	am->amsearcharray = true;
	am->amsearchnulls = true;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	am->amkeytype = InvalidOid;
	vs_set_can_build_parallel(am);

	am->ambuild = vs_hnsw_build;
	am->ambuildempty = vs_hnsw_buildempty;
	am->aminsert = vs_hnsw_aminsert;
	am->ambulkdelete = vs_hnsw_bulkdelete;
	am->amvacuumcleanup = vs_hnsw_vacuumcleanup;
	am->amcostestimate = vs_hnsw_costestimate;
	am->amoptions = hnsw_options;
	am->ambuildphasename = hnsw_buildphasename;
	am->amvalidate = vs_hnsw_validate;
	am->ambeginscan = vs_hnsw_beginscan;
	am->amrescan = vs_hnsw_rescan;
	am->amgettuple = vs_hnsw_gettuple;
	am->amendscan = vs_hnsw_endscan;

	PG_RETURN_POINTER(am);
}
