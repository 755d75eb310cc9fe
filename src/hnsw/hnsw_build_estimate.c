/*
 * hnsw_build_estimate.c
 *		What building an index will take.
 *
 * Memory is that of the chunks, the size that of the planned pages.  For the
 * time a graph of random rows is built in memory, and what a row takes is
 * scaled by a power of the number of rows: steps of the search grow with its
 * logarithm, and the share of rows that no cache holds grows.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "commands/defrem.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

#include "compat.h"
#include "hnsw/hnsw_build.h"

/* The trial: this long, or this many rows. */
#define TRIAL_SECONDS	0.7
#define TRIAL_ROWS		20000

/*
 * How what a row takes grows with the number of rows: fitted to 20,000,
 * 100,000 and 340,479 GloVe vectors of 100 dimensions.
 */
#define GROWTH			0.25

/* The metric of an operator class of hnsw, by its name. */
static const VsMetric *
metric_of_opclass(text * name)
{
	Oid			opclass = get_opclass_oid(get_index_am_oid("hnsw", false),
										  textToQualifiedNameList(name), false);
	Oid			type = get_opclass_input_type(opclass);
	Oid			support = get_opfamily_proc(get_opclass_family(opclass), type,
											type, VS_HNSW_METRIC_PROC);

	if (!OidIsValid(support))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("operator class \"%s\" is not of vectors",
						text_to_cstring(name))));
	return (const VsMetric *)
		DatumGetPointer(OidFunctionCall1(support, PointerGetDatum(NULL)));
}

static void
check_range(const char *what, int64 value, int64 least, int64 most)
{
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %lld and %lld", what,
						(long long) least, (long long) most)));
}

/* A row of unit norm; the same sequence each time. */
static void
random_row(uint64 *state, const VsHnswLayout *layout, VsHnswValue *value)
{
	float		err[2];
	float		norm;

	for (int i = 0; i < layout->dims; i++)
	{
		*state = *state * UINT64CONST(6364136223846793005) +
			UINT64CONST(1442695040888963407);
		value->x[i] = (float) (*state >> 40) / (1 << 24);
		if (layout->metric != VS_METRIC_JENSEN_SHANNON)
			value->x[i] -= 0.5f;
	}
	norm = sqrtf(vs_kernels->dot(layout->dims, value->x, value->x));
	for (int i = 0; i < layout->dims && norm > 0; i++)
		value->x[i] /= norm;
	vs_codec_encode((VsCodec) layout->codec, layout->dims, value->x,
					value->row, &value->scale, err);
	value->err = err[0];
}

/* Build a small graph; returns its rows, and the seconds that it took. */
static double
try_build(const VsMetric *metric, VsHnswMeta *meta, double rows,
		  double *seconds)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw build trial",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	VsHnsw		ix = {.metric = metric,.meta = meta,.layout = &meta->layout};
	VsHnswValue *value = vs_hnsw_value_new(&ix);
	VsBuildPlan plan;
	VsBuildShared *shared;
	VsBuildGraph *graph;
	instr_time	start;
	instr_time	now;
	uint64		state = 1;
	int			n = 0;

	vs_build_plan(&meta->layout, (Size) maintenance_work_mem * 1024, rows,
				  &plan);
	shared = palloc(vs_build_shared_size(&plan, meta->layout.dims));
	vs_build_shared_init(shared, meta, &plan, false);
	graph = vs_build_graph_open(&ix, shared);
	INSTR_TIME_SET_CURRENT(start);
	do
	{
		ItemPointerData tid;

		CHECK_FOR_INTERRUPTS();
		ItemPointerSet(&tid, n / 100, n % 100 + 1);
		random_row(&state, &meta->layout, value);
		if (!vs_build_graph_add(graph, value, &tid))
			break;
		n++;
		INSTR_TIME_SET_CURRENT(now);
		INSTR_TIME_SUBTRACT(now, start);
		*seconds = INSTR_TIME_GET_DOUBLE(now);
	} while (n < Min(rows, TRIAL_ROWS) && *seconds < TRIAL_SECONDS);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n;
}

/* Bytes of the pages of so many different rows. */
static double
index_bytes(const VsHnswLayout *layout, double rows)
{
	double		nodes = ceil(rows / layout->per_page);
	double		revmap = ceil(rows / (0.75 * vs_hnsw_entries_per_page(layout)));

	return (1 + nodes + revmap) * BLCKSZ;
}

PG_FUNCTION_INFO_V1(vs_hnsw_build_estimate);
Datum
vs_hnsw_build_estimate(PG_FUNCTION_ARGS)
{
	int64		rows = PG_GETARG_INT64(0);
	int			dims = PG_GETARG_INT32(1);
	int			m = PG_GETARG_INT32(2);
	int			ef_construction = PG_GETARG_INT32(3);
	const VsMetric *metric = metric_of_opclass(PG_GETARG_TEXT_PP(4));
	VsHnswMeta *meta = palloc(sizeof(VsHnswMeta));
	VsHnswLayout layout;
	VsBuildPlan plan;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};
	double		tried;
	double		seconds = 0;

	check_range("rows", rows, 1, PG_INT32_MAX);
	check_range("dims", dims, 1, metric->max_dims);
	check_range("m", m, VS_HNSW_MIN_M, VS_HNSW_MAX_M);
	check_range("ef_construction", ef_construction,
				Max(VS_HNSW_MIN_EF_CONSTRUCTION, 2 * m),
				VS_HNSW_MAX_EF_CONSTRUCTION);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!vs_hnsw_plan_layout(dims, metric->kind, m, 0, VS_HNSW_PAGE_SPACE, &layout))
		elog(ERROR, "no page layout for %d dimensions", dims);
	vs_hnsw_meta_init(meta, &layout, m, ef_construction, 1);

	vs_build_plan(&layout, (Size) maintenance_work_mem * 1024, rows, &plan);
	tried = try_build(metric, meta, rows, &seconds);
	if (tried > 0)
		seconds *= rows / tried * pow(rows / tried, GROWTH);
	values[0] = Int64GetDatum((int64) vs_build_plan_memory(&plan, rows));
	values[1] = Int64GetDatum((int64) index_bytes(&layout, rows));
	values[2] = Float8GetDatum(seconds);
	values[3] = BoolGetDatum(vs_build_plan_memory(&plan, rows) <= plan.budget);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
