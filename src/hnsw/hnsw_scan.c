/*
 * hnsw_scan.c
 *		The index scan: rows by distance, as many as are asked for.
 *
 * The first batch is a walk whose window is ef_search wide.  When it is used
 * up and the executor wants more, the walk goes on from its frontier for
 * another window, until the graph is exhausted; then a sweep over all ids
 * finds what no link leads to.  hnsw.max_scan_tuples and the memory limit end
 * it earlier.
 *
 * Rows are handed out by a lower bound of their true distance, which follows
 * from the distance to the self row and the known error of that row; the
 * executor computes the true one and settles the order (xs_recheckorderby).
 * Rows of a later batch whose bound is below one already handed out are held
 * back to the end in strict order.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/relscan.h"
#include "catalog/pg_type.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "hnsw/hnsw_scan.h"

VsHnswScanStats vs_hnsw_last_scan;

/* ------------------------------------------------------------------------
 * Bounds
 * ------------------------------------------------------------------------ */

/*
 * What float32 arithmetic may lose, in parts of the operands' norms: by sums
 * of up to 2,000 terms, which the kernels take in at least 8 parts, and by
 * the rotation.  The worst cases are below 1.6e-5 and 2.5e-6.
 */
#define SUM_SLACK		4e-5
#define ROTATION_SLACK	5e-6

/*
 * What both lose by underflow besides, whatever the norms: a few thousand
 * times half of the smallest float32; and its root, where squares are summed.
 */
#define UNDERFLOW_SLACK			1e-40
#define ROOT_UNDERFLOW_SLACK	1e-20

/*
 * How far a row's error moves the Jensen-Shannon distance, at most: it is a
 * metric of arrays of non-negative numbers, and between two of them at most
 * 1 / sqrt(2 ln 2) times the Euclidean distance of their roots.  And what the
 * rounding of two vectors of roots to float32, each of norm 1, may do.
 */
#define DIVERGENCE_OF_ROOTS		0.849322
#define ROOTS_SLACK				2e-7

/*
 * Lower bound of what the distance operator says of any row of the node: of
 * the node's own distance less the error of its self row (by the triangle or
 * the Cauchy-Schwarz inequality) and less the slack.
 */
double
vs_hnsw_lower_bound(const VsHnswScan *state, const VsHnswFound *found)
{
	double		d = found->distance;
	double		err = found->err;
	double		qn = state->query_norm;
	double		norm;

	if (!isfinite(d) || !isfinite(qn) || !isfinite(err))
		return -get_float8_infinity();
	switch (state->ix->metric->kind)
	{
		case VS_METRIC_L2:
			norm = sqrt(d);
			return Max(0, norm - err - SUM_SLACK * norm -
					   ROTATION_SLACK * (norm + 2 * qn) - ROOT_UNDERFLOW_SLACK);
		case VS_METRIC_COSINE:
			norm = Max(0, sqrt(d) - err - ROTATION_SLACK);
			return Max(0, norm * norm / 2 - SUM_SLACK);
		case VS_METRIC_L1:
			return Max(0, d - err - SUM_SLACK * d);
		case VS_METRIC_JENSEN_SHANNON:
			norm = sqrt(d);
			return Max(0, norm - DIVERGENCE_OF_ROOTS * err - SUM_SLACK * norm -
					   ROOTS_SLACK);
		case VS_METRIC_IP:
			/* the row's norm is at most |q| + |q - row| */
			norm = qn + found->residual;
			if (qn * norm > FLT_MAX / 4)
				return -get_float8_infinity();	/* SQL's sum may overflow */
			return d - err * qn - SUM_SLACK * qn * norm -
				UNDERFLOW_SLACK * (1 + qn + norm);
	}
	return -get_float8_infinity();
}

/* What SQL calls the distance to the node's row. */
static double
distance_of_row(const VsHnswScan *state, const VsHnswFound *found)
{
	switch (state->ix->metric->kind)
	{
		case VS_METRIC_L2:
		case VS_METRIC_JENSEN_SHANNON:
			return sqrt(found->distance);
		case VS_METRIC_COSINE:
			return found->distance / 2.0;
		case VS_METRIC_L1:
		case VS_METRIC_IP:
			break;
	}
	return found->distance;
}

/* By what rows are handed out. */
double
vs_hnsw_scan_key(const VsHnswScan *state, const VsHnswFound *found)
{
	return state->rerank ? vs_hnsw_lower_bound(state, found) :
		distance_of_row(state, found);
}

static int
compare_items(const void *a, const void *b)
{
	const VsHnswScanItem *x = a;
	const VsHnswScanItem *y = b;

	if (x->bound != y->bound)
		return x->bound < y->bound ? -1 : 1;
	return x->index - y->index;
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------ */

/*
 * Make a batch of visited nodes, whose candidates have indexes into found;
 * late ones are held back if asked.
 */
static void
make_batch(VsHnswScan *state, const VsHnswCandidate *visited, int n, bool strict)
{
	state->batch = repalloc_huge(state->batch,
								 sizeof(VsHnswScanItem) * (Size) Max(n, 1));
	state->nbatch = state->at = 0;
	for (int i = 0; i < n; i++)
	{
		VsHnswScanItem item;

		item.index = (int) visited[i].id;
		item.bound = vs_hnsw_scan_key(state, &state->walk->found[item.index]);
		if (!strict || item.bound >= state->last_bound)
			state->batch[state->nbatch++] = item;
		else
		{
			if (state->nlate == state->late_room)
			{
				state->late_room *= 2;
				state->late = repalloc_huge(state->late, sizeof(VsHnswScanItem) *
											(Size) state->late_room);
			}
			state->late[state->nlate++] = item;
		}
	}
	qsort(state->batch, state->nbatch, sizeof(VsHnswScanItem), compare_items);
}

static void
add_work(VsHnswWork *sum, const VsHnswWork *work)
{
	sum->hops += work->hops;
	sum->upper_hops += work->upper_hops;
	sum->links += work->links;
}

/* Turn the walk's window into a batch. */
void
vs_hnsw_batch_from_window(VsHnswScan *state, bool strict)
{
	VsHnswWalk *walk = state->walk;
	VsHnswCandidate *taken = palloc(sizeof(VsHnswCandidate) *
									Max(walk->nwindow, 1));
	int			n = vs_hnsw_walk_take_window(walk, taken);

	make_batch(state, taken, n, strict);
	pfree(taken);
}

/*
 * Visit nodes that no link led to, until the window is full or there are no
 * more.  Each may open a part of the graph, which is walked first.
 */
static void
sweep(VsHnswScan *state)
{
	VsHnswWalk *walk = state->walk;
	uint32		end = state->ix->meta->space[VS_SPACE_NODE].next_id;

	while (state->swept < end && walk->nwindow < walk->ef &&
		   walk->nfound < walk->max_found)
	{
		CHECK_FOR_INTERRUPTS();
		if (vs_hnsw_walk_visit(walk, state->swept++))
			vs_hnsw_walk_run(walk);
	}
}

/* Begin a walk, in place of the one that the scan may have. */
void
vs_hnsw_scan_new_walk(VsHnswScan *state)
{
	if (state->walk == NULL)
	{
		state->batch = palloc(sizeof(VsHnswScanItem));
		state->late_room = 64;
		state->late = palloc(sizeof(VsHnswScanItem) * state->late_room);
		state->last_bound = -get_float8_infinity();
	}
	else
		add_work(&state->stats.work, &state->walk->work);
	state->walk = vs_hnsw_walk_new(state->ix, state->query->x);
}

/*
 * The same, and bring it to where it can run on level 0.  allowed: the nodes that
 * its window takes, or NULL for all.
 */
void
vs_hnsw_scan_start_walk(VsHnswScan *state, const VsHnswNodeSet *allowed)
{
	vs_hnsw_scan_new_walk(state);
	state->walk->allowed = allowed;
	state->walk->predicate = allowed == NULL ? state->predicate : NULL;
	if (vs_hnsw_walk_descend(state->walk, 0) >= 0)
		vs_hnsw_walk_set_ef(state->walk, vs_hnsw_ef_search);
}

/*
 * What a node may cost in memory once it was visited: a place in found, whose
 * array may have twice the room, in the visited set, which is a quarter full at
 * least and for a moment exists twice, and among the losers and in a batch or
 * among the late.  What all of them must leave is for the frontier.
 */
#define BYTES_A_NODE \
	(2 * sizeof(VsHnswFound) + 6 * sizeof(uint32) + \
	 2 * sizeof(VsHnswCandidate) + sizeof(VsHnswScanItem))
#define FRONTIER_SHARE	4

/* Bytes that a scan may use after its first window. */
static double
scan_memory(void)
{
	return work_mem * 1024.0 * vs_hnsw_scan_mem_multiplier;
}

/* How many nodes they have room for. */
double
vs_hnsw_scan_max_nodes(void)
{
	return floor(scan_memory() * (FRONTIER_SHARE - 1) / FRONTIER_SHARE /
				 BYTES_A_NODE);
}

/*
 * Set the limits of a scan that goes on after its first window: of work_mem
 * and its multiplier, one part is for the frontier, which forgets what is
 * farthest, and so many nodes may be visited as the others hold, but not more
 * than most.  A few times as many candidates are enough then, each of which may
 * be there several times.
 */
#define CANDIDATES_A_VISIT	8

void
vs_hnsw_scan_set_limits(VsHnswScan *state, double most)
{
	state->max_nodes = (int) Min(vs_hnsw_scan_max_nodes(), most);
	vs_hnsw_walk_set_limits(state->walk, state->max_nodes,
							(Size) Min(scan_memory() / FRONTIER_SHARE,
									   most * CANDIDATES_A_VISIT * sizeof(VsHnswKey)));
}

/* May the scan visit no more nodes? */
bool
vs_hnsw_scan_is_at_limit(const VsHnswScan *state)
{
	return state->max_nodes > 0 && state->walk->nfound >= state->max_nodes;
}

/* Make room for the next window, twice as wide as long as many of it fit. */
void
vs_hnsw_scan_widen(VsHnswScan *state)
{
	VsHnswWalk *walk = state->walk;
	int			widest = Min(8 * vs_hnsw_ef_search, state->max_nodes / 8);

	vs_hnsw_walk_set_ef(walk, Max(vs_hnsw_ef_search, Min(2 * walk->ef, widest)));
	vs_hnsw_walk_widen(walk);
}

/* Run the walk of a scan that has no set of nodes. */
static void
run_walk(VsHnswScan *state)
{
	if (state->predicate != NULL && state->filter->forced != VS_FILTER_PLAIN)
		vs_hnsw_filter_try_walk(state);
	else
		vs_hnsw_walk_run(state->walk);
}

/*
 * Make the next batch of a scan without a set of nodes.  Returns whether there may
 * be more rows behind it.
 */
static bool
next_plain_batch(VsHnswScan *state, bool iterative, bool strict)
{
	if (state->walk == NULL)
	{
		vs_hnsw_scan_start_walk(state, NULL);
		run_walk(state);
		if (state->filter != NULL)
			state->filter->stats.plain = true;
	}
	else if (iterative)
	{
		vs_hnsw_scan_set_limits(state, vs_hnsw_max_scan_tuples);
		if (vs_hnsw_filter_is_wanted(state))
			return true;
		if (vs_hnsw_scan_is_at_limit(state))
		{
			/* who was visited but had no place in a window is the rest */
			make_batch(state, state->walk->losers, state->walk->nlosers, strict);
			state->walk->nlosers = 0;
			return false;
		}
		vs_hnsw_scan_widen(state);
		run_walk(state);
	}
	if (state->starved)
		return true;
	if (iterative && vs_hnsw_walk_is_exhausted(state->walk))
		sweep(state);
	vs_hnsw_batch_from_window(state, strict);
	return iterative && (!vs_hnsw_walk_is_exhausted(state->walk) ||
						 state->walk->nlosers > 0);
}

/* Turn what was held back into the last batch. */
static void
batch_from_late(VsHnswScan *state)
{
	VsHnswScanItem *empty = state->batch;

	state->batch = state->late;
	state->nbatch = state->nlate;
	state->at = 0;
	state->late = empty;
	state->late_room = 1;
	state->nlate = 0;
	qsort(state->batch, state->nbatch, sizeof(VsHnswScanItem), compare_items);
}

/* Make the next batch; returns false when there are no more rows. */
static bool
next_batch(VsHnswScan *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);
	bool		iterative = vs_hnsw_iterative_scan != VS_ITERATIVE_OFF ||
	state->filter != NULL;
	bool		strict = vs_hnsw_iterative_scan != VS_ITERATIVE_RELAXED &&
	iterative;
	bool		more = true;

	state->nbatch = state->at = 0;
	while (state->nbatch == 0 && more && !state->ended)
	{
		if (vs_hnsw_filter_is_wanted(state))
			vs_hnsw_filter_start(state);
		if (!state->filtering)
			more = next_plain_batch(state, iterative, strict);
		else
			state->ended = !(more = vs_hnsw_filter_next(state, strict));
		if (state->filter != NULL && vs_hnsw_filter_is_beyond(state))
			state->ended = true;
	}

	if (state->nbatch == 0 && state->nlate > 0)
		batch_from_late(state);
	MemoryContextSwitchTo(old);
	state->stats.batches += state->nbatch > 0;
	return state->nbatch > 0;
}

/* Why there are no more rows. */
static VsHnswScanEnd
why_ended(const VsHnswScan *state)
{
	if (state->filter != NULL && state->filter->stats.beyond)
		return VS_SCAN_RADIUS;
	if (state->filtering || state->walk == NULL)
		return VS_SCAN_EXHAUSTED;
	if (vs_hnsw_iterative_scan == VS_ITERATIVE_OFF && state->filter == NULL)
		return VS_SCAN_FIRST_WINDOW;
	if (state->walk->nfound >= vs_hnsw_max_scan_tuples)
		return VS_SCAN_MAX_TUPLES;
	if (vs_hnsw_scan_is_at_limit(state))
		return VS_SCAN_MEMORY;
	return VS_SCAN_EXHAUSTED;
}

/* ------------------------------------------------------------------------
 * Rows
 * ------------------------------------------------------------------------ */

/* Note a row of a node that has several, if it satisfies the predicate. */
static void
add_tid(VsHnswScan *state, const ItemPointerData *tid, const char *columns)
{
	if (state->predicate != NULL &&
		!vs_hnsw_predicate_holds(state->predicate, columns))
		return;
	if (state->ntids == state->tids_room)
	{
		state->tids_room *= 2;
		state->tids = repalloc_huge(state->tids, sizeof(ItemPointerData) *
									(Size) state->tids_room);
	}
	state->tids[state->ntids++] = *tid;
}

/*
 * Collect the heap TIDs of a slot, whose page the caller has locked.  Returns
 * false if the copy of the metapage is too short to follow them; it may not be
 * read again under the lock (README, "Locks").
 */
static bool
collect_tids(VsHnswScan *state, const VsHnswSlot *slot)
{
	VsHnsw	   *ix = state->ix;
	const VsHnswSpaceInfo *cells = &ix->meta->space[VS_SPACE_CELL];
	uint32		id = slot->cells;
	Size		nrows = 0;

	state->ntids = 0;
	add_tid(state, &slot->tid, vs_slot_columns(slot));
	while (id != VS_HNSW_INVALID_ID)
	{
		uint32		page_no = id / vs_hnsw_cells_per_page(ix->layout);
		Buffer		buffer;
		VsHnswCell *cell;

		if (page_no >= cells->pages || nrows++ > vs_hnsw_max_cells(ix))
			return false;
		buffer = vs_hnsw_read_page(ix, VS_SPACE_CELL, page_no);
		cell = vs_hnsw_cell_at(ix, BufferGetPage(buffer), id);
		add_tid(state, &cell->tid, vs_cell_columns(cell));
		id = cell->next;
		UnlockReleaseBuffer(buffer);
	}
	return true;
}

/* Inserts may add cells while we look; so often in a row they do not. */
#define MAX_TRIES	100

/*
 * Read all heap TIDs of a node that has several.  None if the node was emptied
 * since the walk was there: then its rows are dead to every snapshot.
 */
static void
read_tids(VsHnswScan *state, const VsHnswFound *found)
{
	int			tries = 0;
	bool		whole = false;

	while (!whole)
	{
		Buffer		buffer;
		VsHnswSlot *slot = vs_hnsw_read_slot(state->ix, found->id, &buffer);

		state->ntids = 0;
		if (slot->state == VS_NODE_LIVE && slot->generation == found->generation)
			whole = collect_tids(state, slot);
		else
			whole = true;
		if (!whole && ++tries == MAX_TRIES)
			vs_hnsw_damaged(state->ix, BufferGetBlockNumber(buffer),
							"The list of heap rows of a node is broken.");
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
		if (!whole)
			vs_hnsw_refresh(state->ix);
	}
}

/* Next heap row and its bound, or false at the end. */
static bool
next_row(VsHnswScan *state, ItemPointerData *tid, double *bound)
{
	for (;;)
	{
		const VsHnswFound *found;

		if (state->ntids > 0)
		{
			*tid = state->tids[--state->ntids];
			*bound = state->tids_bound;
			return true;
		}
		if (state->at == state->nbatch && !next_batch(state))
			return false;

		*bound = state->batch[state->at].bound;
		found = &state->walk->found[state->batch[state->at].index];
		state->at++;
		state->last_bound = Max(state->last_bound, *bound);
		if (state->filter != NULL)
			vs_hnsw_filter_take(state, found->id);
		if (!found->more_tids)
		{
			*tid = found->tid;
			return true;
		}
		state->tids_bound = *bound;
		read_tids(state, found);
	}
}

/* ------------------------------------------------------------------------
 * Entry points
 * ------------------------------------------------------------------------ */

IndexScanDesc
vs_hnsw_beginscan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	VsHnswScan *state = palloc0(sizeof(VsHnswScan));

	state->ix = vs_hnsw_open(index);
	state->stats.index = RelationGetRelid(index);
	state->query = vs_hnsw_value_new(state->ix);
	state->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw scan",
										   ALLOCSET_DEFAULT_SIZES);
	state->tids_room = 16;
	state->tids = palloc(sizeof(ItemPointerData) * state->tids_room);
	if (norderbys > 0)
	{
		scan->xs_orderbyvals = palloc0(sizeof(Datum) * norderbys);
		scan->xs_orderbynulls = palloc(sizeof(bool) * norderbys);
		memset(scan->xs_orderbynulls, true, sizeof(bool) * norderbys);
	}
	scan->opaque = state;
	return scan;
}

/*
 * Let the scan return rows of the filter's bitmap only, or also others if it
 * finds them first.  Call it before the first row of a search is asked for; the
 * filter must live as long as the scan.
 */
void
vs_hnsw_scan_set_filter(IndexScanDesc scan, VsHnswFilter *filter)
{
	((VsHnswScan *) scan->opaque)->filter = filter;
}

void
vs_hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys,
			   int norderbys)
{
	VsHnswScan *state = (VsHnswScan *) scan->opaque;

	state->stats = vs_hnsw_scan_stats(scan);
	if (state->filter != NULL && state->predicate != NULL)
		vs_hnsw_filter_drop_set(state->filter);
	state->predicate = NULL;
	state->starved = false;
	MemoryContextReset(state->context);
	state->walk = NULL;
	state->batch = state->late = NULL;
	state->nbatch = state->at = state->nlate = state->ntids = 0;
	state->swept = 0;
	state->max_nodes = 0;
	state->given = NULL;
	state->ngiven = state->given_room = 0;
	state->filtering = state->exact = state->ended = false;
	state->late_only = false;
	state->width = 0;
	if (state->filter != NULL)
		state->filter->passed = 0;
	if (keys && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys,
				scan->numberOfOrderBys * sizeof(ScanKeyData));
}

/* In double, for squares that a float32 cannot hold. */
static double
norm_of(int n, const float *x)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) x[i] * x[i];
	return sqrt(sum);
}

/* What the scan's keys ask of the index's columns. */
static void
load_keys(VsHnswScan *state, const IndexScanDescData * scan)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);

	state->predicate = vs_hnsw_predicate_make(state->ix->columns, scan->keyData,
											  scan->numberOfKeys);
	if (state->predicate != NULL && state->filter == NULL)
	{
		state->filter = &state->own;
		state->own.radius = get_float8_infinity();
		state->own.forced = (VsHnswStrategy) vs_hnsw_filter_strategy;
		state->own.context = state->context;
	}
	MemoryContextSwitchTo(old);
}

/* Bring the query into the index's form. */
void
vs_hnsw_scan_load_query(VsHnswScan *state, Datum query, bool isnull)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);
	int			dims = state->ix->layout->dims;

	vs_hnsw_refresh(state->ix);
	if (isnull)
	{
		memset(state->query->x, 0, sizeof(float) * dims);
		state->no_order = true;
	}
	else
		state->no_order =
			!vs_hnsw_value_load(state->ix,
								vs_hnsw_detoast(state->ix, query),
								state->query);
	state->query_norm = norm_of(dims, state->query->x);
	MemoryContextSwitchTo(old);
}

/*
 * Stop at what cannot be a heap row.  The table must not see it: to read its
 * last possible block means to extend it.
 */
static void
check_row(IndexScanDesc scan, const ItemPointerData *tid)
{
	if (!ItemPointerIsValid(tid) ||
		ItemPointerGetBlockNumberNoCheck(tid) == InvalidBlockNumber)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" refers to an impossible heap row",
						RelationGetRelationName(scan->indexRelation)),
				 errhint("REINDEX it.")));
}

/* Blocks of all kinds that this session found in memory, or read. */
static int64
blocks_hit(void)
{
	return pgBufferUsage.shared_blks_hit + pgBufferUsage.local_blks_hit;
}

static int64
blocks_read(void)
{
	return pgBufferUsage.shared_blks_read + pgBufferUsage.local_blks_read;
}

/* What a scan did until now. */
VsHnswScanStats
vs_hnsw_scan_stats(IndexScanDesc scan)
{
	const VsHnswScan *state = (const VsHnswScan *) scan->opaque;
	VsHnswScanStats stats = state->stats;

	if (state->walk != NULL)
	{
		add_work(&stats.work, &state->walk->work);
		stats.memory = vs_hnsw_walk_memory(state->walk) +
			MemoryContextMemAllocated(state->context, true);
	}
	return stats;
}

bool
vs_hnsw_gettuple(IndexScanDesc scan, ScanDirection dir)
{
	VsHnswScan *state = (VsHnswScan *) scan->opaque;
	IndexOrderByDistance distance;
	Oid			type = FLOAT8OID;
	int64		hit = blocks_hit();
	int64		read = blocks_read();
	bool		found;

	Assert(ScanDirectionIsForward(dir));
	if (state->walk == NULL)
	{
		if (scan->orderByData == NULL)
			elog(ERROR, "cannot scan hnsw index without order");
		if (!IsMVCCSnapshot(scan->xs_snapshot))
			elog(ERROR, "non-MVCC snapshots are not supported with hnsw");
		vs_count_index_scan(scan);
		vs_hnsw_scan_load_query(state, scan->orderByData->sk_argument,
								(scan->orderByData->sk_flags & SK_ISNULL) != 0);
		load_keys(state, scan);
		state->rerank = vs_hnsw_rerank;
		state->stats.searches++;
		state->stats.ef_search = vs_hnsw_ef_search;
		state->stats.end = VS_SCAN_ASKED_NO_MORE;
	}
	found = (state->predicate == NULL || !state->predicate->never) &&
		next_row(state, &scan->xs_heaptid, &distance.value);
	state->stats.blocks_hit += blocks_hit() - hit;
	state->stats.blocks_read += blocks_read() - read;
	if (!found)
	{
		state->stats.end = why_ended(state);
		return false;
	}
	state->stats.rows++;
	check_row(scan, &scan->xs_heaptid);

	distance.isnull = state->no_order;
	index_store_float8_orderby_distances(scan, &type, &distance,
										 state->rerank && !state->no_order);
	scan->xs_recheck = state->predicate != NULL && state->predicate->lossy;
	return true;
}

void
vs_hnsw_endscan(IndexScanDesc scan)
{
	VsHnswScan *state = (VsHnswScan *) scan->opaque;

	vs_hnsw_last_scan = vs_hnsw_scan_stats(scan);
	MemoryContextDelete(state->context);
	pfree(state);
	scan->opaque = NULL;
}
