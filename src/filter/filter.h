/*
 * filter.h
 *		The filtered scan: an hnsw index scan and a bitmap of the rows that pass.
 *
 * filter_path.c offers it to the planner, filter_node.c runs it.
 */
#ifndef VS_FILTER_FILTER_H
#define VS_FILTER_FILTER_H

#include "nodes/extensible.h"
#include "nodes/pathnodes.h"

/* vecsearch.enable_filtered_scan */
extern bool vs_filter_enabled;

/* filter_clause.c */

/*
 * An ordered scan of ours as it is, or, if there are conditions of the table on
 * filter columns that the planner did not give it, a copy that has them.
 */
extern IndexPath *vs_filter_add_clauses(PlannerInfo *root, IndexPath *path);

/* filter_radius.c */

/*
 * The bound that the table's conditions set for the distance by which a scan is
 * ordered, or NULL.
 */
extern Expr *vs_filter_find_radius(const RelOptInfo *rel, const IndexPath *ordered);

/* A scan of ours, ordered by a distance that a condition bounds, or NULL. */
extern IndexPath *vs_filter_radius_scan(PlannerInfo *root, RelOptInfo *rel);

/* Which share of the rows is within the bound, from a sample of the index. */
extern double vs_filter_share_within(PlannerInfo *root, const IndexPath *ordered,
									 Expr *radius);

/* filter_node.c */

/* Make the node known by its name, for plans that parallel workers read. */
extern void vs_filter_register_scan(void);

/*
 * A node over an index scan of ours, which also checks all conditions, and a
 * tree of bitmap index scans or NULL.  estimates: four integers, whether to make
 * the bitmap at once, how many rows its index scans may return, how many rows the
 * query wants, and how many may pass all conditions.  radius: an expression of
 * type float8, the distance beyond which no row passes, or NULL.
 */
extern CustomScan *vs_filter_make_scan(Plan *rows, Plan *bitmap,
									   List *estimates, Expr *radius);

#endif							/* VS_FILTER_FILTER_H */
