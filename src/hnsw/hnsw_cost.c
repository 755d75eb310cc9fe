/*
 * hnsw_cost.c
 *		What an index scan costs (amcostestimate).
 *
 * The walk does its work before the first row comes out, so nearly all of the
 * cost is startup.  It visits about ef_search nodes on level 0, more where the
 * other conditions of the query will reject rows, and a few on the way down;
 * each visit is a page and the arithmetic of its links.
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

/* How many nodes a scan that must return rows rows of the table visits. */
static double
expected_visits(PlannerInfo *root, IndexPath *path, double tuples)
{
	double		pass = path->indexinfo->rel->rows /
	Max(path->indexinfo->rel->tuples, 1);
	double		limit = root->limit_tuples > 0 ? root->limit_tuples : 0;
	double		visits;

	pass = Min(1, Max(pass, 1e-9));
	visits = Max(vs_hnsw_ef_search, limit / pass);
	if (vs_hnsw_iterative_scan == VS_ITERATIVE_OFF)
		visits = vs_hnsw_ef_search;
	else
		visits = Min(visits, Max(vs_hnsw_max_scan_tuples, vs_hnsw_ef_search));
	visits += DESCENT_VISITS * floor(log(Max(tuples, 1)) / log(16));
	return Min(visits, Max(tuples, 1));
}

void
vs_hnsw_costestimate(PlannerInfo *root, IndexPath *path, double loop_count,
					 Cost *startup, Cost *total, Selectivity *selectivity,
					 double *correlation, double *pages)
{
	GenericCosts costs;
	double		tuples = path->indexinfo->tuples;
	double		visits;
	double		random_page;

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

	visits = expected_visits(root, path, tuples);
	get_tablespace_page_costs(path->indexinfo->reltablespace, &random_page, NULL);
	MemSet(&costs, 0, sizeof(costs));
	costs.numIndexTuples = visits;
	genericcostestimate(root, path, loop_count, &costs);

	*startup = visits * (COLD_SHARE * random_page +
						 OPERATORS_PER_VISIT * cpu_operator_cost);
	*total = *startup + (costs.indexTotalCost > *startup ?
						 tuples * cpu_index_tuple_cost : 0);
	*selectivity = costs.indexSelectivity;
	*correlation = 0;
	*pages = visits;
}
