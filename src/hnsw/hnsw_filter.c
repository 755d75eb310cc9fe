/*
 * hnsw_filter.c
 *		Scans of some nodes only.
 *
 * A bitmap of heap rows, and conditions on filter columns, become a set of nodes
 * through the revmap, so that neither of the two ways to search them reads the
 * table:
 *
 * - guided: the walk of hnsw_walk.c, whose window takes nodes of the set only.
 *   All others are walked over, so it visits about ef / share of the nodes.
 * - exact: a look at each node of the set, in the order of the pages.
 *
 * Guided is the faster one for a large set whose nodes are where the query is.
 * It has a budget, of no more than exact would cost; when that is used up, which
 * happens where the set lies far from the query, exact follows.  So the two
 * together cost at most about twice the cheaper one, and no row is missed.
 *
 * A scan that expects most rows to pass does without the set until it sees that
 * they do not.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "compat.h"
#include "hnsw/hnsw_scan.h"

/* ------------------------------------------------------------------------
 * From heap rows to nodes
 * ------------------------------------------------------------------------ */

#define ROW_WORDS	((MaxHeapTuplesPerPage + 1 + 63) / 64)

/* Up to so many rows of a page of the revmap are looked up one by one. */
#define FEW_ROWS	32

/* The wanted rows of the heap blocks of one page of the revmap. */
typedef struct Home
{
	VsHnsw	   *ix;
	const VsHnswPredicate *predicate;	/* or NULL */
	uint32		number;			/* of the page */
	int			nwanted;		/* rows; FEW_ROWS + 1 for more */
	VsHnswRevmapEntry wanted[FEW_ROWS]; /* the first of them, in order */
	uint64		(*rows)[ROW_WORDS]; /* all, for each block, by offset */
	VsHnswNodeSet *set;
} Home;

static void
want_row(Home *home, uint32 block, OffsetNumber offset)
{
	if (offset > MaxHeapTuplesPerPage)
		return;
	home->rows[block][offset / 64] |= UINT64CONST(1) << (offset % 64);
	if (home->nwanted < FEW_ROWS)
	{
		home->wanted[home->nwanted].block = (uint16) block;
		home->wanted[home->nwanted].offset = offset;
	}
	home->nwanted = Min(home->nwanted + 1, FEW_ROWS + 1);
}

/* All rows of the block if n is negative. */
static void
want_rows(Home *home, uint32 block, const OffsetNumber *offsets, int n)
{
	if (n < 0)
	{
		memset(home->rows[block], 0xFF, sizeof(home->rows[0]));
		home->nwanted = FEW_ROWS + 1;
	}
	for (int i = 0; i < n; i++)
		want_row(home, block, offsets[i]);
}

static void
add_to_set(VsHnswNodeSet *set, uint32 id)
{
	if (id >= set->size || vs_nodeset_has(set, id))
		return;
	set->words[id / 64] |= UINT64CONST(1) << (id % 64);
	set->count++;
}

static void
add_entry(Home *home, const VsHnswRevmapEntry *entry)
{
	if (home->predicate == NULL ||
		vs_hnsw_predicate_holds(home->predicate, vs_entry_columns(entry)))
		add_to_set(home->set, entry->node);
}

static int
compare_entries(const void *a, const void *b)
{
	uint32		x = vs_entry_key(a);
	uint32		y = vs_entry_key(b);

	return x < y ? -1 : x > y;
}

/* Put the nodes of the wanted rows of a page into the set. */
static void
take_page(Home *home, const VsHnswRevmapPage *page)
{
	const VsHnswLayout *layout = home->ix->layout;
	uint32		span = home->ix->meta->revmap_span;
	bool		few = home->nwanted <= FEW_ROWS;

	for (int i = 0; few && i < home->nwanted; i++)
	{
		const VsHnswRevmapEntry *entry = bsearch(&home->wanted[i], page->entries,
												 page->sorted,
												 vs_hnsw_entry_size(layout),
												 compare_entries);

		if (entry != NULL)
			add_entry(home, entry);
	}
	for (uint32 i = few ? page->sorted : 0; i < page->count; i++)
	{
		const VsHnswRevmapEntry *entry = vs_hnsw_entry_at(layout, page, i);

		if (entry->block < span && entry->offset <= MaxHeapTuplesPerPage &&
			(home->rows[entry->block][entry->offset / 64] >>
			 (entry->offset % 64) & 1))
			add_entry(home, entry);
	}
}

/* The same of all pages of the home, and want no rows any more. */
static void
finish_home(Home *home)
{
	VsHnswRevmapCursor cursor;
	const VsHnswRevmapPage *page;

	if (home->nwanted == 0)
		return;
	vs_hnsw_revmap_seek(&cursor, home->ix, home->number);
	while ((page = vs_hnsw_revmap_lock(&cursor)) != NULL)
	{
		take_page(home, page);
		vs_hnsw_revmap_unlock(&cursor);
	}
	home->nwanted = 0;
	memset(home->rows, 0, sizeof(home->rows[0]) * home->ix->meta->revmap_span);
}

/*
 * The nodes of the bitmap's rows that satisfy a predicate, if any.  Rows that
 * enter the index meanwhile are invisible to the scan's snapshot.
 */
static void
nodes_of_bitmap(VsHnsw *ix, TIDBitmap *bitmap, const VsHnswPredicate *predicate,
				VsHnswNodeSet *set)
{
	uint32		span = ix->meta->revmap_span;
	Home		home = {.ix = ix,.predicate = predicate,.set = set};
	VsBitmapIterator *iterator = vs_bitmap_begin(bitmap);
	VsBitmapPage page;
	OffsetNumber offsets[MaxHeapTuplesPerPage];

	home.rows = palloc0(sizeof(home.rows[0]) * span);
	while (vs_bitmap_next(iterator, &page))
	{
		BlockNumber block = vs_bitmap_block(&page);
		int			n = vs_bitmap_is_lossy(&page) ? -1 :
		(int) vs_bitmap_copy(&page, offsets, MaxHeapTuplesPerPage);

		CHECK_FOR_INTERRUPTS();
		if (block / span != home.number)
		{
			finish_home(&home);
			home.number = block / span;
		}
		if (home.number >= ix->meta->space[VS_SPACE_REVMAP].pages)
			break;				/* rows that are in no node, like all behind */
		want_rows(&home, block % span, offsets, n);
	}
	finish_home(&home);
	vs_bitmap_end(iterator);
	pfree(home.rows);
}

/* The nodes of all rows that satisfy a predicate. */
static void
nodes_of_predicate(VsHnsw *ix, const VsHnswPredicate *predicate, VsHnswNodeSet *set)
{
	uint32		homes = ix->meta->space[VS_SPACE_REVMAP].pages;
	const VsHnswRevmapPage *page;
	VsHnswRevmapCursor cursor;
	bool		holds[VS_HNSW_PAGE_SPACE / sizeof(VsHnswRevmapEntry)];

	for (uint32 home = 0; home < homes; home++)
	{
		vs_hnsw_revmap_seek(&cursor, ix, home);
		while ((page = vs_hnsw_revmap_lock(&cursor)) != NULL)
		{
			vs_hnsw_predicate_hold(predicate,
								   vs_entry_columns(vs_hnsw_entry_at(ix->layout, page, 0)),
								   vs_hnsw_entry_size(ix->layout), page->count, holds);
			for (uint32 i = 0; i < page->count; i++)
				if (holds[i])
					add_to_set(set, vs_hnsw_entry_at(ix->layout, page, i)->node);
			vs_hnsw_revmap_unlock(&cursor);
		}
	}
}

/* Make the filter's set, unless it is there from an earlier search. */
static void
make_set(VsHnswScan *state)
{
	VsHnswFilter *filter = state->filter;
	VsHnswNodeSet *set = &filter->set;
	MemoryContext old = MemoryContextSwitchTo(filter->context);
	TIDBitmap  *bitmap = filter->make != NULL ? filter->make(filter->arg) : NULL;

	vs_hnsw_refresh(state->ix);
	set->size = state->ix->meta->space[VS_SPACE_NODE].next_id;
	set->count = 0;
	set->words = MemoryContextAllocExtended(filter->context,
											(Size) (set->size / 64 + 1) * sizeof(uint64),
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (bitmap != NULL)
	{
		nodes_of_bitmap(state->ix, bitmap, state->predicate, set);
		tbm_free(bitmap);
		filter->stats.bitmaps++;
	}
	else if (state->predicate != NULL)
		nodes_of_predicate(state->ix, state->predicate, set);
	else
		for (uint32 id = 0; id < set->size; id++)
			add_to_set(set, id);
	MemoryContextSwitchTo(old);
	filter->made = true;
	filter->stats.sets++;
}

/* Forget the set, because the bitmap would be another one now. */
void
vs_hnsw_filter_drop_set(VsHnswFilter *filter)
{
	if (filter->made)
		pfree(filter->set.words);
	filter->made = false;
}

/* ------------------------------------------------------------------------
 * When to filter, and how
 * ------------------------------------------------------------------------ */

/* What it takes to make the set, in visits. */
static double
cost_of_set(const VsHnswScan *state)
{
	const VsHnswFilter *filter = state->filter;

	return filter->make != NULL ? VS_TIME_OF_BITMAP_ROW * filter->expected :
		VS_TIME_OF_ENTRY * state->ix->meta->space[VS_SPACE_NODE].next_id;
}

/*
 * Without a bitmap a scan goes on while the rows that are still wanted should
 * take less than the bitmap does, as far as those tell that were handed out.  If
 * far fewer pass than was expected, those that do lie elsewhere, where a walk from
 * here finds them badly.
 */
#define TRIAL_ROWS		2		/* times ef_search, at least */
#define FAR_FEWER		8

static bool
too_few_pass(const VsHnswScan *state)
{
	const VsHnswFilter *filter = state->filter;
	double		passed = (double) filter->passed;
	double		more = passed < filter->wanted ? filter->wanted - passed : passed;
	double		share = filter->passing / Max(state->ix->meta->space[VS_SPACE_NODE].next_id, 1);

	return state->ngiven >= TRIAL_ROWS * vs_hnsw_ef_search &&
		(VS_TIME_OF_ROW * more * (state->ngiven + 1) / (passed + 1) > cost_of_set(state) ||
		 FAR_FEWER * (passed + 1) < share * state->ngiven);
}

/* Is there nothing but a radius? */
static bool
is_of_all(const VsHnswScan *state)
{
	return state->filter->make == NULL && state->predicate == NULL;
}

/* Is it time to make the bitmap?  Asked before each batch. */
bool
vs_hnsw_filter_is_wanted(const VsHnswScan *state)
{
	const VsHnswFilter *filter = state->filter;

	if (filter == NULL || state->filtering || filter->forced == VS_FILTER_PLAIN ||
		(is_of_all(state) && isinf(filter->radius)))
		return false;
	if (filter->eager || filter->made || filter->forced != VS_FILTER_AUTO)
		return true;
	if (state->starved || vs_hnsw_scan_is_at_limit(state))
		return true;
	return filter->make != NULL && too_few_pass(state);
}

static bool
is_hungry(const VsHnswWalk *walk)
{
	return walk->nwindow < walk->ef && !vs_hnsw_walk_is_exhausted(walk);
}

/*
 * Run a walk whose window takes only rows that satisfy the scan's predicate.  It
 * ends hungry, and the scan is starved, if so few rows do that it is better to
 * find them all through the revmap.
 */
#define TRIAL_VISITS	2		/* times the width of the window */
#define PATIENCE		4		/* times what is expected */

void
vs_hnsw_filter_try_walk(VsHnswScan *state)
{
	VsHnswWalk *walk = state->walk;
	int			before = walk->nfound;
	double		need;

	vs_hnsw_scan_set_limits(state, vs_hnsw_max_scan_tuples);
	walk->max_found = Min(walk->max_found, before + TRIAL_VISITS * walk->ef);
	vs_hnsw_walk_run(walk);
	need = (double) (walk->nfound - before) / Max(walk->nwindow, 1) *
		(walk->ef - walk->nwindow);
	if (is_hungry(walk) && need <= cost_of_set(state))
	{
		walk->max_found = (int) Min(state->max_nodes, walk->nfound + PATIENCE * need);
		vs_hnsw_walk_run(walk);
	}
	state->starved = is_hungry(walk);
}

/*
 * A look at a node in the order of pages costs so much less than a visit, which
 * prices all links and comes from anywhere.
 */
#define LOOKS_A_VISIT	2

/* How many nodes a guided walk is expected to visit for a window. */
static double
expected_visits(const VsHnswScan *state, int ef)
{
	return vs_hnsw_guided_visits(state->left.size, state->left.count, ef);
}

static bool
choose_exact(const VsHnswScan *state)
{
	VsHnswStrategy forced = state->filter->forced;

	if (forced != VS_FILTER_AUTO)
		return forced == VS_FILTER_EXACT;
	return is_of_all(state) || state->left.count <= LOOKS_A_VISIT *
		expected_visits(state, vs_hnsw_ef_search);
}

/*
 * Filter from now on.  The walk without a filter ends here, and what it held
 * back is dropped: the set has it, too.
 */
void
vs_hnsw_filter_start(VsHnswScan *state)
{
	VsHnswFilter *filter = state->filter;
	Size		words;

	if (!filter->made)
		make_set(state);
	words = filter->set.size / 64 + 1;
	state->left = filter->set;
	state->left.words = MemoryContextAllocHuge(state->context, words * sizeof(uint64));
	memcpy(state->left.words, filter->set.words, words * sizeof(uint64));
	for (int i = 0; i < state->ngiven; i++)
		vs_nodeset_remove(&state->left, state->given[i]);
	state->filtering = true;
	state->exact = choose_exact(state);
	state->nlate = 0;
	filter->stats.matches = filter->set.count;
}

/* A node's rows are handed out. */
void
vs_hnsw_filter_take(VsHnswScan *state, uint32 id)
{
	if (state->filtering)
	{
		vs_nodeset_remove(&state->left, id);
		return;
	}
	if (state->ngiven == state->given_room)
	{
		state->given_room = Max(2 * state->given_room, 256);
		state->given = state->given == NULL ?
			MemoryContextAlloc(state->context, state->given_room * sizeof(uint32)) :
			repalloc_huge(state->given, (Size) state->given_room * sizeof(uint32));
	}
	state->given[state->ngiven++] = id;
}

/* ------------------------------------------------------------------------
 * Guided
 * ------------------------------------------------------------------------ */

/*
 * What a walk may visit for a window: so many times what it is expected to, for
 * in a set that is near the query or independent of it that is about enough,
 * and no more than exact costs; but this much at least, times ef_search.
 */
#define LEAST_BUDGET	4

static void
set_budget(VsHnswScan *state)
{
	double		budget = state->walk->nfound +
	PATIENCE * expected_visits(state, state->walk->ef);

	budget = Min(budget, (double) state->left.count / LOOKS_A_VISIT);
	budget = Max(budget, LEAST_BUDGET * vs_hnsw_ef_search);
	if (state->filter->forced == VS_FILTER_GUIDED)
		budget = INT_MAX / 2;
	vs_hnsw_scan_set_limits(state, budget);
}

/*
 * Walk until the window is full of nodes of the set.  Returns false if it does
 * not become so within the budget, or because no more are linked.
 */
static bool
walk_guided(VsHnswScan *state)
{
	if (state->walk != NULL && state->walk->allowed != NULL)
		vs_hnsw_scan_widen(state);
	else
		vs_hnsw_scan_start_walk(state, &state->left);
	state->filter->stats.guided = true;
	set_budget(state);
	vs_hnsw_walk_run(state->walk);
	return state->walk->nwindow == state->walk->ef &&
		state->walk->nfound < state->walk->max_found;
}

/* ------------------------------------------------------------------------
 * Exact
 * ------------------------------------------------------------------------ */

/* How many nodes are on their way while one is looked at. */
#define LOOKS_AHEAD		8

/* How many a first pass keeps, times ef_search, and how many more each next. */
#define FIRST_WIDTH		4
#define MORE_WIDTH		8

/*
 * Look at all nodes of the set, and keep the nearest in the walk's window of
 * those that do not come before floor.
 */
static void
look_at_all(VsHnswScan *state, double floor)
{
	const VsHnswNodeSet *left = &state->left;
	uint32		ahead = vs_nodeset_next(left, 0);
	int			on_way = 0;
	VsHnswFound found;

	for (uint32 id = ahead; id != VS_HNSW_INVALID_ID;
		 id = vs_nodeset_next(left, id + 1))
	{
		for (; on_way < LOOKS_AHEAD && ahead != VS_HNSW_INVALID_ID; on_way++)
		{
			vs_hnsw_prefetch_row(state->ix, ahead);
			ahead = vs_nodeset_next(left, ahead + 1);
		}
		CHECK_FOR_INTERRUPTS();
		if (vs_hnsw_walk_look(state->walk, id, &found) &&
			(isinf(floor) || vs_hnsw_scan_key(state, &found) >= floor))
			vs_hnsw_walk_offer(state->walk, &found);
		on_way--;
	}
	state->filter->stats.looks += left->count;
	state->filter->stats.exact = true;
}

/*
 * Drop those of the batch that a node which the window lost may come before;
 * bound is the lower bound of what was lost.  The next pass has them again.
 */
static void
cut_batch(VsHnswScan *state, double bound)
{
	while (state->nbatch > 1 && state->batch[state->nbatch - 1].bound > bound)
		state->nbatch--;
}

/*
 * Make a batch of the nearest of all nodes that are left.  In strict order those
 * come last that a walk should have found before what it handed out.  Returns
 * whether some may be left behind the batch.
 */
static bool
search_exact(VsHnswScan *state, bool strict)
{
	double		most = vs_hnsw_scan_max_nodes();
	bool		in_order = strict && !state->late_only;
	double		floor;
	VsHnswWalk *walk;
	VsHnswFound lost;
	bool		full;

	if (state->walk == NULL)
		vs_hnsw_scan_new_walk(state);
	walk = state->walk;
	floor = in_order ? state->last_bound : -get_float8_infinity();
	state->held_back = in_order;
	state->width = state->width == 0 ? FIRST_WIDTH * vs_hnsw_ef_search :
		MORE_WIDTH * state->width;
	state->width = Min(state->width, Max(most, 1));
	vs_hnsw_walk_reset(walk, 0, (int) Min(state->width, state->left.count + 1.0));
	look_at_all(state, floor);

	full = walk->nwindow == walk->ef;
	lost.distance = full ? walk->window[0].distance : 0;
	lost.err = walk->max_err;
	lost.residual = walk->max_residual;
	vs_hnsw_batch_from_window(state, false);
	if (full)
		cut_batch(state, vs_hnsw_scan_key(state, &lost));
	else
		state->late_only = true;
	return full || in_order;
}

/* Make the next batch.  Returns whether rows may be left behind it. */
bool
vs_hnsw_filter_next(VsHnswScan *state, bool strict)
{
	bool		full;

	if (state->exact)
		return search_exact(state, strict);
	full = walk_guided(state);
	if (!full && state->filter->forced != VS_FILTER_GUIDED)
	{
		state->exact = true;
		state->nlate = 0;
		return search_exact(state, strict);
	}
	vs_hnsw_batch_from_window(state, strict);
	return full;
}

/* ------------------------------------------------------------------------
 * Radius
 * ------------------------------------------------------------------------ */

/*
 * Drop what is certainly beyond the radius from a batch, which is in order.
 * Returns whether all that comes after is beyond it, too.  Of a walk, which finds
 * nodes at about the same distance in no order, a whole window has to be.
 */
bool
vs_hnsw_filter_is_beyond(VsHnswScan *state)
{
	const VsHnswFound *found = state->walk->found;
	double		radius = state->filter->radius;
	int			n = state->nbatch;

	if (radius == get_float8_infinity())
		return false;
	while (state->nbatch > 0 &&
		   (state->no_order ||
			vs_hnsw_lower_bound(state, &found[state->batch[state->nbatch - 1].index]) > radius))
		state->nbatch--;
	state->filter->stats.beyond = n > 0 &&
		(state->exact ? state->nbatch < n : state->nbatch == 0);
	if (state->filter->stats.beyond && state->exact && state->held_back)
	{
		state->late_only = true;	/* these are left for one more pass */
		return false;
	}
	return state->filter->stats.beyond;
}

/* How many nodes a sample has. */
#define SAMPLE	256

double
vs_hnsw_share_within(Relation index, Datum query, double radius)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw sample",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	VsHnswScan	state = {.ix = vs_hnsw_open(index),.context = context};
	uint64		nodes = state.ix->meta->space[VS_SPACE_NODE].next_id;
	uint64		n = Min(nodes, SAMPLE);
	int			looked = 0;
	double		within = 0.5;

	state.query = vs_hnsw_value_new(state.ix);
	vs_hnsw_scan_load_query(&state, query, false);
	vs_hnsw_scan_new_walk(&state);
	for (uint64 i = 0; i < n; i++)
	{
		VsHnswFound found;

		CHECK_FOR_INTERRUPTS();
		if (!vs_hnsw_walk_look(state.walk, (uint32) (i * nodes / n), &found))
			continue;
		looked++;
		within += vs_hnsw_lower_bound(&state, &found) <= radius;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return Min(within / Max(looked, 1), 1);
}
