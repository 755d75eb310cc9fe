/*
 * hnsw_recall.c
 *		hnsw_recall: how much of the truth an index finds, and how wide a search
 *		must be to find enough.
 *
 * Rows of the table are the queries, each without itself among its answers.
 * They are sampled from the revmap by a hash of their place and the seed, so
 * that the same table and seed give the same sample, whatever its size.  One
 * pass over the table finds the true neighbors of all of them.  Then searches
 * of several widths go through the access method as the executor would make
 * them go: rows by a lower bound of their distance, until enough are known to
 * be nearer than all that is to come.
 *
 * An answer is right if it is no farther than the farthest true neighbor, so
 * that of rows at the same distance any will do.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "hnsw/hnsw_inspect.h"

/* How many widths are tried at most. */
#define MAX_TRIES		24
#define MAX_EF_SEARCH	1000

/* A row that may be sampled. */
typedef struct Ticket
{
	uint32		hash;
	ItemPointerData tid;
} Ticket;

/* The rows of lowest hash: a max-heap of them. */
typedef struct Lottery
{
	Ticket	   *tickets;
	int			n;
	int			room;
	uint64		seed;
} Lottery;

typedef struct RecallQuery
{
	Datum		value;
	ItemPointerData tid;		/* of the row itself */
	double	   *nearest;		/* true distances, ascending */
	int			n;
} RecallQuery;

typedef struct Recall
{
	VsHnswInspect *inspect;
	Snapshot	snapshot;
	int			k;
	FmgrInfo	distance;		/* function of the ordering operator */
	Oid			distance_oid;
	Oid			collation;
	float	   *x;				/* scratch: a vector */

	IndexInfo  *info;
	EState	   *estate;
	ExprContext *econtext;
	ExprState  *predicate;
	TupleTableSlot *slot;

	RecallQuery *queries;
	int			n;
	double		exact_ms;
	double	   *found;			/* scratch: distances of one search */

	int			ntries;
	int			ef[MAX_TRIES];
	double		recall[MAX_TRIES];
	double		index_ms;		/* of the first try */
} Recall;

/* Columns of hnsw_recall. */
enum
{
	COLUMN_SAMPLED,
	COLUMN_K,
	COLUMN_EF_SEARCH,
	COLUMN_RECALL,
	COLUMN_INDEX_MS,
	COLUMN_EXACT_MS,
	COLUMN_TARGET,
	COLUMN_SUGGESTED_EF_SEARCH,
	COLUMN_TRIED_EF_SEARCH,
	COLUMN_TRIED_RECALL,
	COLUMNS
};

/* ------------------------------------------------------------------------
 * Rows and distances
 * ------------------------------------------------------------------------ */

/* What the index orders by, and what is needed to compute its expression. */
static void
prepare(Recall *recall)
{
	Relation	rel = recall->inspect->rel;
	Oid			type = rel->rd_opcintype[0];
	Oid			op = get_opfamily_member(rel->rd_opfamily[0], type, type, 1);

	if (!OidIsValid(op))
		elog(ERROR, "operator family %u has no ordering operator",
			 rel->rd_opfamily[0]);
	recall->distance_oid = get_opcode(op);
	fmgr_info(recall->distance_oid, &recall->distance);
	recall->collation = rel->rd_indcollation[0];
	recall->x = palloc(sizeof(float) * recall->inspect->ix->layout->dims);
	recall->found = palloc(sizeof(double) * recall->k);
	recall->info = BuildIndexInfo(rel);
	recall->estate = CreateExecutorState();
	recall->econtext = GetPerTupleExprContext(recall->estate);
	recall->slot = table_slot_create(recall->inspect->heap, NULL);
	recall->econtext->ecxt_scantuple = recall->slot;
	recall->predicate = ExecPrepareQual(recall->info->ii_Predicate,
										recall->estate);
}

/*
 * The vector that the index has of the row in the slot, not toasted, in memory
 * of the row; false if the row does not belong in the index.
 */
static bool
value_of_row(Recall *recall, Datum *value)
{
	VsHnsw	   *ix = recall->inspect->ix;
	MemoryContext old = MemoryContextSwitchTo(recall->econtext->ecxt_per_tuple_memory);
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	bool		belongs = ExecQual(recall->predicate, recall->econtext);

	if (belongs)
	{
		FormIndexDatum(recall->info, recall->slot, recall->estate, values, nulls);
		belongs = !nulls[0];
	}
	if (belongs)
	{
		const struct varlena *datum = vs_hnsw_detoast(ix, values[0]);

		belongs = ix->metric->load(datum, recall->x);
		*value = PointerGetDatum(datum);
	}
	MemoryContextSwitchTo(old);
	return belongs;
}

/* As SQL says it; what is no number is farthest. */
static double
distance_between(Recall *recall, Datum a, Datum b)
{
	double		d = DatumGetFloat8(FunctionCall2Coll(&recall->distance,
													 recall->collation, a, b));

	return isnan(d) ? INFINITY : d;
}

/* Take a distance into the k least, which ascend. */
static void
keep_nearest(double *nearest, int *n, int k, double d)
{
	int			at;

	if (*n == k && !(d < nearest[k - 1]))
		return;
	if (*n < k)
		(*n)++;
	for (at = *n - 1; at > 0 && nearest[at - 1] > d; at--)
		nearest[at] = nearest[at - 1];
	nearest[at] = d;
}

/* ------------------------------------------------------------------------
 * The sample
 * ------------------------------------------------------------------------ */

/* Let a ticket sink from the top of the heap. */
static void
sink(Lottery *lottery, Ticket ticket)
{
	Ticket	   *t = lottery->tickets;
	int			at = 0;

	for (;;)
	{
		int			child = 2 * at + 1;

		if (child + 1 < lottery->n && t[child + 1].hash > t[child].hash)
			child++;
		if (child >= lottery->n || t[child].hash <= ticket.hash)
			break;
		t[at] = t[child];
		at = child;
	}
	t[at] = ticket;
}

static void
draw_row(const ItemPointerData *tid, uint32 node, void *arg)
{
	Lottery    *lottery = (Lottery *) arg;
	Ticket		ticket = {0, *tid};
	int			at;

	ticket.hash = (uint32) hash_bytes_extended((const unsigned char *) tid,
											   sizeof(*tid), lottery->seed);
	if (lottery->n == lottery->room)
	{
		if (ticket.hash < lottery->tickets[0].hash)
			sink(lottery, ticket);
		return;
	}
	for (at = lottery->n++; at > 0 &&
		 lottery->tickets[(at - 1) / 2].hash < ticket.hash; at = (at - 1) / 2)
		lottery->tickets[at] = lottery->tickets[(at - 1) / 2];
	lottery->tickets[at] = ticket;
}

static int
compare_tickets(const void *a, const void *b)
{
	const Ticket *x = a;
	const Ticket *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return ItemPointerCompare((ItemPointer) &x->tid, (ItemPointer) &y->tid);
}

/* Make a query of the row in the slot, if it belongs in the index. */
static void
add_query(Recall *recall)
{
	RecallQuery *query = &recall->queries[recall->n];
	Datum		value;

	ResetExprContext(recall->econtext);
	if (!value_of_row(recall, &value))
		return;
	query->value = datumCopy(value, false, -1);
	query->tid = recall->slot->tts_tid;
	query->nearest = palloc(sizeof(double) * recall->k);
	query->n = 0;
	recall->n++;
}

/*
 * Sample rows that the snapshot sees.  More are drawn than are wanted, for
 * some may be dead.
 */
static void
sample_rows(Recall *recall, int wanted, int64 seed)
{
	Lottery		lottery = {NULL, 0, 4 * wanted + 64, (uint64) seed};
	IndexFetchTableData *fetch = table_index_fetch_begin(recall->inspect->heap);

	lottery.tickets = palloc(sizeof(Ticket) * lottery.room);
	vs_hnsw_revmap_walk(recall->inspect->ix, draw_row, &lottery);
	if (lottery.n > 0)
		qsort(lottery.tickets, lottery.n, sizeof(Ticket), compare_tickets);
	recall->queries = palloc(sizeof(RecallQuery) * wanted);
	for (int i = 0; i < lottery.n && recall->n < wanted; i++)
	{
		bool		again = false;

		CHECK_FOR_INTERRUPTS();
		if (table_index_fetch_tuple(fetch, &lottery.tickets[i].tid,
									recall->snapshot, recall->slot, &again, NULL))
			add_query(recall);
	}
	table_index_fetch_end(fetch);
	ExecClearTuple(recall->slot);
	pfree(lottery.tickets);
}

/* ------------------------------------------------------------------------
 * The truth
 * ------------------------------------------------------------------------ */

/* Compare the row in the slot with all queries. */
static void
compare_row(Recall *recall)
{
	Datum		value;

	ResetExprContext(recall->econtext);
	if (!value_of_row(recall, &value))
		return;
	for (int i = 0; i < recall->n; i++)
	{
		RecallQuery *query = &recall->queries[i];

		if (!ItemPointerEquals(&query->tid, &recall->slot->tts_tid))
			keep_nearest(query->nearest, &query->n, recall->k,
						 distance_between(recall, value, query->value));
	}
}

/* Find the true neighbors of all queries in one pass over the table. */
static void
search_table(Recall *recall)
{
	TableScanDesc scan = table_beginscan_strat(recall->inspect->heap,
											   recall->snapshot, 0, NULL,
											   true, true);
	instr_time	start;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(start);
	while (table_scan_getnextslot(scan, ForwardScanDirection, recall->slot))
	{
		CHECK_FOR_INTERRUPTS();
		compare_row(recall);
	}
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	recall->exact_ms = INSTR_TIME_GET_MILLISEC(end);
	table_endscan(scan);
}

/* ------------------------------------------------------------------------
 * The index
 * ------------------------------------------------------------------------ */

/*
 * Search for a query through the index; returns how many answers are right.
 * As in the executor, a row waits until the index has nothing nearer to offer.
 */
static int
search_index(Recall *recall, IndexScanDesc scan, RecallQuery *query)
{
	ScanKeyData key;
	int			n = 0;
	int			right = 0;

	ScanKeyEntryInitialize(&key, SK_ORDER_BY, 1, 1, InvalidOid,
						   recall->collation, recall->distance_oid, query->value);
	index_rescan(scan, NULL, 0, &key, 1);
	while (index_getnext_slot(scan, ForwardScanDirection, recall->slot))
	{
		Datum		value;

		CHECK_FOR_INTERRUPTS();
		if (n == recall->k && !scan->xs_orderbynulls[0] &&
			DatumGetFloat8(scan->xs_orderbyvals[0]) >= recall->found[n - 1])
			break;
		if (ItemPointerEquals(&query->tid, &recall->slot->tts_tid))
			continue;
		ResetExprContext(recall->econtext);
		if (value_of_row(recall, &value))
			keep_nearest(recall->found, &n, recall->k,
						 distance_between(recall, value, query->value));
	}
	for (int i = 0; i < n; i++)
		right += recall->found[i] <= query->nearest[query->n - 1];
	return right;
}

/* The share of the truth that searches of a width find. */
static double
measure(Recall *recall, int ef, double *ms)
{
	IndexScanDesc scan = vs_index_beginscan(recall->inspect->heap,
											recall->inspect->rel,
											recall->snapshot, 0, 1);
	int			usual_ef = vs_hnsw_ef_search;
	int64		right = 0;
	int64		wanted = 0;
	instr_time	start;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(start);
	PG_TRY();
	{
		vs_hnsw_ef_search = ef;
		for (int i = 0; i < recall->n; i++)
		{
			if (recall->queries[i].n > 0)
				right += search_index(recall, scan, &recall->queries[i]);
			wanted += recall->queries[i].n;
		}
	}
	PG_FINALLY();
	{
		vs_hnsw_ef_search = usual_ef;
	}
	PG_END_TRY();
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	*ms = INSTR_TIME_GET_MILLISEC(end) / recall->n;
	index_endscan(scan);
	ExecClearTuple(recall->slot);
	return wanted > 0 ? (double) right / wanted : 1;
}

/* ------------------------------------------------------------------------
 * Enough
 * ------------------------------------------------------------------------ */

/* Try a width; is it enough for the target? */
static bool
is_enough(Recall *recall, int ef, double target)
{
	double		ms;
	double		found = measure(recall, ef, &ms);

	if (recall->ntries == 0)
		recall->index_ms = ms;
	recall->ef[recall->ntries] = ef;
	recall->recall[recall->ntries] = found;
	recall->ntries++;
	return found >= target;
}

/*
 * Find the least width that is enough, to a twentieth: from the given one by
 * doubling or halving, then between the last two.  Returns 0 if none is.
 */
static int
least_enough(Recall *recall, int ef, double target)
{
	int			low;			/* not enough, or 0 */
	int			high;			/* enough */

	if (is_enough(recall, ef, target))
	{
		high = ef;
		low = ef / 2;
		while (low > 0 && is_enough(recall, low, target))
		{
			high = low;
			low = high / 2;
		}
	}
	else
	{
		low = ef;
		do
		{
			if (low == MAX_EF_SEARCH)
				return 0;
			high = Min(2 * low, MAX_EF_SEARCH);
			if (is_enough(recall, high, target))
				break;
			low = high;
		} while (true);
	}
	while (high - low > Max(1, high / 20) && recall->ntries < MAX_TRIES)
	{
		int			middle = (low + high) / 2;

		if (is_enough(recall, middle, target))
			high = middle;
		else
			low = middle;
	}
	return high;
}

/* An argument must be in a range. */
static void
check_range(const char *what, double value, double least, double most)
{
	if (!(value >= least && value <= most))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be from %g to %g", what, least, most)));
}

static Datum
array_of_tries(const Recall *recall, bool recalls)
{
	Datum		elements[MAX_TRIES];

	for (int i = 0; i < recall->ntries; i++)
		elements[i] = recalls ? Float8GetDatum(recall->recall[i]) :
			Int32GetDatum(recall->ef[i]);
	return PointerGetDatum(recalls ?
						   construct_array(elements, recall->ntries, FLOAT8OID,
										   sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE) :
						   construct_array(elements, recall->ntries, INT4OID,
										   sizeof(int32), true, TYPALIGN_INT));
}

/* Sample, measure and find the width. */
static int
run(Recall *recall, int wanted, int64 seed, int ef, double target)
{
	int			suggested = 0;

	vs_hnsw_inspect_as_owner(recall->inspect);
	recall->snapshot = RegisterSnapshot(GetTransactionSnapshot());
	prepare(recall);
	sample_rows(recall, wanted, seed);
	if (recall->n > 0)
	{
		search_table(recall);
		suggested = least_enough(recall, ef, target);
	}
	ExecDropSingleTupleTableSlot(recall->slot);
	FreeExecutorState(recall->estate);
	UnregisterSnapshot(recall->snapshot);
	return suggested;
}

PG_FUNCTION_INFO_V1(vs_hnsw_recall);
Datum
vs_hnsw_recall(PG_FUNCTION_ARGS)
{
	Recall		recall = {0};
	int			wanted = PG_GETARG_INT32(1);
	int			ef = PG_ARGISNULL(3) ? vs_hnsw_ef_search : PG_GETARG_INT32(3);
	double		target = PG_GETARG_FLOAT8(4);
	int			suggested;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	for (int i = 0; i < PG_NARGS(); i++)
		if (PG_ARGISNULL(i) && i != 3)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("only ef can be null")));
	recall.k = PG_GETARG_INT32(2);
	check_range("sample", wanted, 1, 100000);
	check_range("k", recall.k, 1, 10000);
	check_range("ef", ef, 1, MAX_EF_SEARCH);
	check_range("target", target, 0, 1);
	recall.inspect = vs_hnsw_inspect_open(PG_GETARG_OID(0), VS_USE_ROWS);
	suggested = run(&recall, wanted, PG_GETARG_INT64(5), ef, target);
	vs_hnsw_inspect_close(recall.inspect);

	values[COLUMN_SAMPLED] = Int32GetDatum(recall.n);
	values[COLUMN_K] = Int32GetDatum(recall.k);
	values[COLUMN_EF_SEARCH] = Int32GetDatum(ef);
	values[COLUMN_RECALL] = Float8GetDatum(recall.recall[0]);
	values[COLUMN_INDEX_MS] = Float8GetDatum(recall.index_ms);
	values[COLUMN_EXACT_MS] = Float8GetDatum(recall.exact_ms);
	values[COLUMN_TARGET] = Float8GetDatum(target);
	values[COLUMN_SUGGESTED_EF_SEARCH] = Int32GetDatum(suggested);
	values[COLUMN_TRIED_EF_SEARCH] = array_of_tries(&recall, false);
	values[COLUMN_TRIED_RECALL] = array_of_tries(&recall, true);
	nulls[COLUMN_RECALL] = nulls[COLUMN_INDEX_MS] = nulls[COLUMN_EXACT_MS] =
		recall.n == 0;
	nulls[COLUMN_SUGGESTED_EF_SEARCH] = suggested == 0;
	return vs_hnsw_inspect_row(fcinfo, values, nulls);
}
