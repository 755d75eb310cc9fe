/*
 * hnsw.h
 *		The nouns of the hnsw access method and who defines what.
 *
 * See the README of this folder for the algorithms, the lock order and the
 * crash argument.
 */
#ifndef VS_HNSW_HNSW_H
#define VS_HNSW_HNSW_H

#include "access/amapi.h"
#include "access/generic_xlog.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "utils/relcache.h"

#include "compat.h"
#include "hnsw/hnsw_column.h"
#include "hnsw/hnsw_filter.h"
#include "hnsw/hnsw_frontier.h"
#include "hnsw/hnsw_page.h"
#include "type/metric.h"

/* Support function of an operator class that returns its VsMetric. */
#define VS_HNSW_METRIC_PROC				1

#define VS_HNSW_DEFAULT_M				16
#define VS_HNSW_MIN_M					2
#define VS_HNSW_MAX_M					100
#define VS_HNSW_DEFAULT_EF_CONSTRUCTION	64
#define VS_HNSW_MIN_EF_CONSTRUCTION		4
#define VS_HNSW_MAX_EF_CONSTRUCTION		1000

/* Width of the walk on the levels above 0. */
#define VS_HNSW_UPPER_EF				2

/* Heavyweight page lock that orders changes of the entry node. */
#define VS_HNSW_ENTRY_LOCK				0

/* ProgressCommand phases of a build; 1 is the server's "initializing". */
#define VS_HNSW_PHASE_LOAD				2
#define VS_HNSW_PHASE_WRITE				3
#define VS_HNSW_PHASE_INSERT			4

typedef struct VsHnswOptions
{
	int32		vl_len_;
	int			m;
	int			ef_construction;
} VsHnswOptions;

typedef enum VsHnswIterative
{
	VS_ITERATIVE_OFF,
	VS_ITERATIVE_RELAXED,
	VS_ITERATIVE_STRICT,
} VsHnswIterative;

/* An index as an operation sees it. */
typedef struct VsHnsw
{
	Relation	rel;
	const VsMetric *metric;
	const VsHnswColumns *columns;
	VsHnswMeta *meta;			/* copy of the metapage; see vs_hnsw_refresh */
	const VsHnswLayout *layout; /* inside meta */
	const float *signs;			/* of the rotation, or NULL */
} VsHnsw;

/*
 * A change of up to MAX_GENERIC_XLOG_PAGES pages, logged as one record.
 * Buffers are locked exclusively in the order in which they are asked for;
 * the lock order is in the README.
 */
typedef struct VsHnswChange
{
	VsHnsw	   *ix;
	GenericXLogState *state;
	int			npages;
	Buffer		buffer[MAX_GENERIC_XLOG_PAGES];
	Page		page[MAX_GENERIC_XLOG_PAGES];
	uint32		page_no[MAX_GENERIC_XLOG_PAGES];
	uint16		space[MAX_GENERIC_XLOG_PAGES];
} VsHnswChange;

/* A row in the form the index works with. */
typedef struct VsHnswValue
{
	float	   *x;				/* rotated if rows are */
	void	   *row;			/* x in the self codec */
	float		scale;			/* of row */
	float		err;			/* |x - row| in the metric's norm */
	char	   *columns;		/* image of the filter columns */
} VsHnswValue;

/* hnsw.c: settings */
extern int	vs_hnsw_ef_search;
extern int	vs_hnsw_iterative_scan;
extern int	vs_hnsw_max_scan_tuples;
extern double vs_hnsw_scan_mem_multiplier;
extern bool vs_hnsw_rerank;

extern const VsMetric *vs_hnsw_metric(Relation rel);
extern int	vs_hnsw_option_m(Relation rel);
extern int	vs_hnsw_option_ef_construction(Relation rel);

/* hnsw_page.c: bytes on pages, locks, WAL */
extern VsHnsw *vs_hnsw_open(Relation rel);
extern void vs_hnsw_refresh(VsHnsw *ix);
extern void vs_hnsw_meta_init(VsHnswMeta *meta, const VsHnswLayout *layout,
							  int m, int ef_construction, uint32 revmap_span);
extern void vs_hnsw_write_metapage(Relation rel, ForkNumber fork,
								   const VsHnswMeta *meta);
extern void vs_hnsw_page_init(Page page, uint16 space, uint32 page_no);
extern Buffer vs_hnsw_read_page(VsHnsw *ix, VsHnswSpace space, uint32 page_no);
extern BlockNumber vs_hnsw_copy_page(VsHnsw *ix, VsHnswSpace space,
									 uint32 page_no,
									 BufferAccessStrategy strategy, Page copy);
extern BlockNumber vs_hnsw_node_block(VsHnsw *ix, uint32 id);
extern Size vs_hnsw_max_cells(const VsHnsw *ix);
extern bool vs_hnsw_prefetch_slot(VsHnsw *ix, uint32 id);
extern bool vs_hnsw_prefetch_row(VsHnsw *ix, uint32 id);
extern VsHnswSlot *vs_hnsw_slot_at(VsHnsw *ix, Page page, uint32 id);
extern VsHnswSlot *vs_hnsw_read_slot(VsHnsw *ix, uint32 id, Buffer *buffer);
extern VsHnswCell *vs_hnsw_cell_at(const VsHnsw *ix, Page page, uint32 id);
extern uint32 vs_hnsw_items_per_page(VsHnsw *ix, VsHnswSpace space);
VS_NORETURN extern void vs_hnsw_damaged(VsHnsw *ix, BlockNumber block,
										const char *what);

extern void vs_hnsw_change_begin(VsHnswChange *change, VsHnsw *ix);
extern VsHnswMeta *vs_hnsw_change_meta(VsHnswChange *change);
extern Page vs_hnsw_change_page(VsHnswChange *change, VsHnswSpace space,
								uint32 page_no);
extern VsHnswSlot *vs_hnsw_change_slot(VsHnswChange *change, uint32 id);
extern VsHnswCell *vs_hnsw_change_cell(VsHnswChange *change, uint32 id);
extern void vs_hnsw_change_commit(VsHnswChange *change);
extern void vs_hnsw_change_abort(VsHnswChange *change);
extern void vs_hnsw_reserve(VsHnsw *ix, VsHnswSpace space, uint32 pages);
extern void vs_hnsw_reserve_id(VsHnsw *ix, VsHnswSpace space);
extern uint32 vs_hnsw_change_new_id(VsHnswChange *change, VsHnswSpace space);

/* hnsw_revmap.c: from heap rows to nodes */
typedef struct VsHnswRevmapPlace
{
	VsHnswSpace space;
	uint32		page_no;
	uint16		block;			/* of the entry to add */
} VsHnswRevmapPlace;

typedef void (*VsHnswRevmapVisit) (const ItemPointerData *tid, uint32 node,
								   void *arg);

/* A reader of the pages of some heap blocks. */
typedef struct VsHnswRevmapCursor
{
	VsHnsw	   *ix;
	VsHnswSpace space;			/* of the next page */
	uint32		page_no;		/* invalid at the end */
	uint32		steps;
	Buffer		buffer;			/* of the page that is read */
} VsHnswRevmapCursor;

extern void vs_hnsw_revmap_seek(VsHnswRevmapCursor *cursor, VsHnsw *ix,
								uint32 home);
extern const VsHnswRevmapPage *vs_hnsw_revmap_lock(VsHnswRevmapCursor *cursor);
extern void vs_hnsw_revmap_unlock(VsHnswRevmapCursor *cursor);
extern uint32 vs_hnsw_revmap_span(Relation heap, const VsHnswLayout *layout);
extern VsHnswRevmapPlace vs_hnsw_revmap_room(VsHnsw *ix, BlockNumber block);
extern bool vs_hnsw_revmap_add(VsHnswChange *change,
							   const VsHnswRevmapPlace *place,
							   const ItemPointerData *tid, uint32 node,
							   const char *columns);
extern void vs_hnsw_revmap_walk(VsHnsw *ix, VsHnswRevmapVisit visit,
								void *arg);
extern void vs_hnsw_revmap_remove(VsHnsw *ix, ItemPointerData *dead, Size ndead);

/* hnsw_slot.c: values, rows and link codes */
extern const struct varlena *vs_hnsw_detoast(VsHnsw *ix, Datum value);
extern VsHnswValue *vs_hnsw_value_new(VsHnsw *ix);
extern bool vs_hnsw_value_load(VsHnsw *ix, const struct varlena *datum,
							   VsHnswValue *value);
extern int	vs_hnsw_level_of(VsHnsw *ix, const ItemPointerData *tid);
extern float vs_hnsw_distance(const VsHnswLayout *layout, VsCodec codec,
							  const float *x, const void *row, float scale);
extern void vs_hnsw_slot_init(VsHnsw *ix, VsHnswSlot *slot, int level,
							  const VsHnswValue *value,
							  const ItemPointerData *tid);
extern bool vs_hnsw_row_load(VsHnsw *ix, const Datum *values,
							 const bool *isnull, VsHnswValue *value);
extern void vs_hnsw_set_link(const VsHnsw *ix, VsHnswSlot *slot, int place,
							 uint32 id, const float *self, const float *other,
							 float *scratch);
extern bool vs_hnsw_same_links(const VsHnswLayout *layout,
							   const VsHnswSlot *slot,
							   const VsHnswSlot *copy, int level);
extern void vs_hnsw_copy_link(const VsHnswLayout *layout, VsHnswSlot *to,
							  int to_place, const VsHnswSlot *from,
							  int from_place);

/* hnsw_walk.c: walking over the graph on pages */

/* A node to go to, with the estimate of its distance. */
typedef struct VsHnswCandidate
{
	float		distance;
	uint32		id;
} VsHnswCandidate;

/* A node that was visited. */
typedef struct VsHnswFound
{
	uint32		id;
	float		distance;		/* to its self row */
	float		residual;		/* |q - row| */
	float		err;			/* as in its slot */
	float		scale;			/* of its row */
	uint16		generation;
	bool		live;
	bool		more_tids;		/* has cells? */
	ItemPointerData tid;		/* if live */
} VsHnswFound;

typedef struct VsHnswIdSet
{
	uint32	   *ids;			/* open addressing, power of two */
	uint32		size;
	uint32		used;
} VsHnswIdSet;

/* What walks did. */
typedef struct VsHnswWork
{
	int64		hops;			/* nodes visited on level 0 */
	int64		upper_hops;		/* and above */
	int64		links;			/* priced */
} VsHnswWork;

typedef struct VsHnswWalk
{
	VsHnsw	   *ix;
	MemoryContext context;		/* of the arrays; see vs_hnsw_walk_new */
	const float *q;				/* where the walk leads to */
	const float *coded_q;		/* the same as codes have it */
	int			level;
	int			ef;				/* width of the window */

	VsHnswIdSet visited;
	VsHnswFound *found;			/* all visited nodes of this level */
	int			nfound;
	int			found_room;
	char	   *rows;			/* their rows, if keep_rows */
	Size		rows_size;
	bool		keep_rows;

	VsHnswFrontier frontier;	/* where to go next */
	VsHnswCandidate *window;	/* max-heap of the ef best; id is an index
								 * into found */
	int			nwindow;
	int			window_room;
	VsHnswCandidate *losers;	/* visited nodes that the window lost; id as
								 * in window */
	int			nlosers;
	int			loser_room;
	int			max_found;		/* visit no more than this */
	const VsHnswNodeSet *allowed;	/* who may be in the window of level 0, or
									 * NULL for all */
	const VsHnswPredicate *predicate;	/* what its rows have to satisfy, or
										 * NULL */
	float		max_err;		/* of all nodes that were looked at */
	float		max_residual;
	bool		seek_twin;		/* end at a living node whose row is q? */
	uint32		twin;			/* that node, or invalid */
	VsHnswWork	work;

	float	   *v;				/* scratch: the node's row */
	float	   *p;				/* scratch: q - v */
	int8_t	   *planes;			/* scratch: p for the code kernels */
} VsHnswWalk;

extern VsHnswWalk *vs_hnsw_walk_new(VsHnsw *ix, const float *q);
extern void vs_hnsw_walk_reset(VsHnswWalk *walk, int level, int ef);
extern void vs_hnsw_walk_set_ef(VsHnswWalk *walk, int ef);
extern void vs_hnsw_walk_seed(VsHnswWalk *walk, uint32 id, float distance);
extern void vs_hnsw_walk_run(VsHnswWalk *walk);
extern bool vs_hnsw_walk_visit(VsHnswWalk *walk, uint32 id);
extern bool vs_hnsw_walk_look(VsHnswWalk *walk, uint32 id, VsHnswFound *found);
extern void vs_hnsw_walk_offer(VsHnswWalk *walk, const VsHnswFound *found);
extern int	vs_hnsw_walk_descend(VsHnswWalk *walk, int to_level);
extern void vs_hnsw_walk_step_down(VsHnswWalk *walk, int ef);
extern void vs_hnsw_walk_widen(VsHnswWalk *walk);
extern int	vs_hnsw_walk_take_window(VsHnswWalk *walk, VsHnswCandidate *out);
extern bool vs_hnsw_walk_is_exhausted(const VsHnswWalk *walk);
extern void vs_hnsw_walk_set_limits(VsHnswWalk *walk, int max_found,
									Size frontier);
extern Size vs_hnsw_walk_memory(const VsHnswWalk *walk);

/* hnsw_graph.c: which neighbors a node keeps */

/*
 * How much nearer to a neighbor than to a new node, as a factor of the
 * (squared) distance, refuses a candidate.
 */
#define VS_HNSW_SHADOW	1.1f

/* A factor says nothing about inner products, which have no zero. */
static inline float
vs_hnsw_shadow(const VsHnswLayout *layout)
{
	return layout->metric == VS_METRIC_IP ? 1 : VS_HNSW_SHADOW;
}

/* A node that may become a neighbor. */
typedef struct VsHnswNeighbor
{
	float		distance;		/* to the node that looks for neighbors */
	float		scale;			/* of row */
	uint32		id;
	const void *row;			/* in the codec given to the functions below */
} VsHnswNeighbor;

extern int	vs_hnsw_select(const VsHnswLayout *layout, VsCodec codec,
						   VsHnswNeighbor *neighbor, int n, int want,
						   float *scratch);
extern void vs_hnsw_sort_neighbors(VsHnswNeighbor *neighbor, int n);
extern bool vs_hnsw_add_backlink(VsHnsw *ix, uint32 id, int level,
								 uint32 new_id, const float *other, bool force);

/* hnsw_scan.c, hnsw_explain.c: what a scan did */

/* Why a scan has no more rows. */
typedef enum VsHnswScanEnd
{
	VS_SCAN_ASKED_NO_MORE,		/* the executor did not ask for more */
	VS_SCAN_EXHAUSTED,			/* there are none */
	VS_SCAN_RADIUS,				/* others are farther than the radius */
	VS_SCAN_FIRST_WINDOW,		/* iterative_scan is off */
	VS_SCAN_MAX_TUPLES,
	VS_SCAN_MEMORY,
} VsHnswScanEnd;

/* Of all searches of one scan; the last three of the last search. */
typedef struct VsHnswScanStats
{
	Oid			index;
	int64		searches;
	VsHnswWork	work;
	int64		blocks_hit;		/* found in the buffer pool */
	int64		blocks_read;
	int64		batches;
	int64		rows;			/* handed out */
	int			ef_search;
	Size		memory;
	VsHnswScanEnd end;
} VsHnswScanStats;

/* The last scan of this session that ended. */
extern VsHnswScanStats vs_hnsw_last_scan;

extern void vs_hnsw_explain_init(void);

/* hnsw_build.c, hnsw_insert.c, hnsw_scan.c, hnsw_vacuum.c, hnsw_cost.c,
 * hnsw_validate.c: the access method's entry points */
extern IndexBuildResult *vs_hnsw_build(Relation heap, Relation index,
									   IndexInfo *info);
extern void vs_hnsw_buildempty(Relation index);
extern void vs_hnsw_insert_row(VsHnsw *ix, const VsHnswValue *value,
							   const ItemPointerData *tid);
extern bool vs_hnsw_aminsert(Relation index, Datum *values, bool *isnull,
							 ItemPointer tid, Relation heap,
							 IndexUniqueCheck check_unique,
							 VS_INDEX_UNCHANGED_ARG IndexInfo *info);
extern IndexScanDesc vs_hnsw_beginscan(Relation index, int nkeys, int norderbys);
extern void vs_hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
						   ScanKey orderbys, int norderbys);
extern bool vs_hnsw_gettuple(IndexScanDesc scan, ScanDirection dir);
extern void vs_hnsw_endscan(IndexScanDesc scan);
extern VsHnswScanStats vs_hnsw_scan_stats(IndexScanDesc scan);
extern IndexBulkDeleteResult *vs_hnsw_bulkdelete(IndexVacuumInfo *info,
												 IndexBulkDeleteResult *stats,
												 IndexBulkDeleteCallback callback,
												 void *callback_state);
extern IndexBulkDeleteResult *vs_hnsw_vacuumcleanup(IndexVacuumInfo *info,
													IndexBulkDeleteResult *stats);
extern void vs_hnsw_costestimate(struct PlannerInfo *root,
								 struct IndexPath *path, double loop_count,
								 Cost *startup, Cost *total,
								 Selectivity *selectivity, double *correlation,
								 double *pages);
extern bool vs_hnsw_validate(Oid opclass);

/* hnsw_cost.c: for who builds paths with scans of ours */
struct IndexOptInfo;

extern bool vs_hnsw_is_ours(const struct IndexOptInfo *index);
extern Cost vs_hnsw_filtered_search_cost(const struct IndexOptInfo *index,
										 double matches);

#endif							/* VS_HNSW_HNSW_H */
