/*
 * hnsw_cost.c
 *		What an index scan costs (amcostestimate).
 *
 * The walk visits about ef_search nodes on level 0, and a few on the way down,
 * before the first row comes out; that is the startup cost.  Every further row
 * costs another visit.  The planner takes the part of the run cost that a LIMIT
 * and the selectivity of other conditions ask for, so that both the cheap
 * LIMIT and the dear full drain come out right.  A visit is a page and the
 * arithmetic of its links.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "nodes/pathnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "compat.h"
#include "hnsw/hnsw.h"

/* Visits per level above 0. */
#define DESCENT_VISITS		8

/* Arithmetic of a visit in units of cpu_operator_cost. */
#define OPERATORS_PER_VISIT	40

/* Share of the visited pages that are not in the cache. */
#define COLD_SHARE			0.25

/* How many nodes a scan visits above level 0. */
static double
descent_visits(double tuples)
{
	double		levels = floor(log(Max(tuples, 1)) / log(16));

	return DESCENT_VISITS * Min(levels, VS_HNSW_LEVELS - 1);
}

/*
 * A look at a node of a set, in the order of the pages, costs so much less than
 * a visit, which is thought to come from the disk at times.
 */
#define LOOKS_A_COLD_VISIT	8

/* What a visit costs, to which pages of a tablespace come at random. */
static Cost
visit_cost(Oid tablespace)
{
	double		random_page;

	get_tablespace_page_costs(tablespace, &random_page, NULL);
	return COLD_SHARE * random_page + OPERATORS_PER_VISIT * cpu_operator_cost;
}

/*
 * What it costs to find the nearest of so many nodes, when they are known
 * (hnsw_filter.c): the cheaper of a walk, whose window takes these nodes only,
 * and a look at each of them.
 */
Cost
vs_hnsw_filtered_search_cost(const IndexOptInfo *index, double matches)
{
	double		walked = vs_hnsw_guided_visits(Max(index->tuples, 1), matches,
											   vs_hnsw_ef_search);
	double		visits = Min(walked, matches / LOOKS_A_COLD_VISIT);

	return visits * visit_cost(index->reltablespace);
}

/*
 * What it costs to find the nearest of the nodes whose filter columns satisfy
 * conditions (vs_hnsw_filter_try_walk): the cheaper of a walk, and a test of all
 * entries of the revmap before a search among those that match.
 */
static Cost
predicate_search_cost(const IndexOptInfo *index, double matches)
{
	double		tuples = Max(index->tuples, 1);
	double		walked = vs_hnsw_guided_visits(tuples, matches, vs_hnsw_ef_search);
	double		pages = tuples * sizeof(VsHnswRevmapEntry) * 2 / BLCKSZ;

	return Min(walked * visit_cost(index->reltablespace),
			   pages * seq_page_cost + tuples * cpu_operator_cost +
			   vs_hnsw_filtered_search_cost(index, matches));
}

/* Is the index of this access method? */
bool
vs_hnsw_is_ours(const IndexOptInfo *index)
{
	return (void *) index->amcostestimate == (void *) vs_hnsw_costestimate;
}

void
vs_hnsw_costestimate(PlannerInfo *root, IndexPath *path, double loop_count,
					 Cost *startup, Cost *total, Selectivity *selectivity,
					 double *correlation, double *pages)
{
	GenericCosts costs;
	double		tuples = path->indexinfo->tuples;
	double		matches;
	double		visits;
	Cost		visit;

	/* Without an order to follow the scan cannot run. */
	if (path->indexorderbys == NIL)
	{
		*startup = get_float8_infinity();
		*total = get_float8_infinity();
		*selectivity = 0;
		*correlation = 0;
		*pages = 0;
		vs_disable_path(&path->path);
		return;
	}

	MemSet(&costs, 0, sizeof(costs));
	genericcostestimate(root, path, loop_count, &costs);
	visit = visit_cost(path->indexinfo->reltablespace);
	matches = Min(tuples, costs.indexSelectivity * path->indexinfo->rel->tuples);
	visits = Min(descent_visits(tuples) + vs_hnsw_ef_search, Max(tuples, 1));

	*startup = visits * visit;
	if (path->indexclauses != NIL)
		*startup = descent_visits(tuples) * visit +
			predicate_search_cost(path->indexinfo, matches);
	*total = *startup + Max(matches - visits, 0) * visit;
	*selectivity = costs.indexSelectivity;
	*correlation = 0;
	*pages = visits;
}
