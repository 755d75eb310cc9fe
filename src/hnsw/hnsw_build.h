/*
 * hnsw_build.h
 *		Private to hnsw_build*.c: the graph in memory and who works at it.
 *
 * A build is worked at by one process, or by a leader and parallel workers.
 * The graph lies in chunks that hold some number of nodes each, in private
 * memory or in segments of dynamic shared memory; VsBuildShared says which
 * there are.  README, "Build", has the method.
 */
#ifndef VS_HNSW_HNSW_BUILD_H
#define VS_HNSW_HNSW_BUILD_H

#include "access/relscan.h"
#include "port/atomics.h"
#include "storage/barrier.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"

#include "hnsw/hnsw.h"

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------ */

/*
 * What a search reads of a node, in lines of its own: the row, then this.
 * Others may read while ids are appended or replaced.
 */
typedef struct VsBuildNear
{
	float		scale;			/* of the row */
	float		norm;			/* its part of a distance; see VsBuildPlan */
	uint8		nlinks[VS_HNSW_LEVELS];
	uint32		ids[FLEXIBLE_ARRAY_MEMBER]; /* degree of them */
} VsBuildNear;

/*
 * The rest of a node: distances of the links, whether they are fillers (links
 * that the selection rule refused) and the exact row, if the near one is not.
 */
typedef struct VsBuildFar
{
	float		err;			/* |vector - exact row| */
	float		scale;			/* of the exact row */
	uint32		twins;			/* first of the further heap rows, or invalid;
								 * once cells are written, the first cell */
	ItemPointerData tid;
	uint8		level;
	uint8		unused;
	float		distances[FLEXIBLE_ARRAY_MEMBER];
} VsBuildFar;

/* A further heap row of a node, of VsBuildPlan.twin_size bytes. */
typedef struct VsBuildTwin
{
	uint32		next;
	ItemPointerData tid;
	uint16		unused;
	char		columns[FLEXIBLE_ARRAY_MEMBER]; /* image */
} VsBuildTwin;

/* A heap row and its node: what the revmap is made of. */
typedef struct VsBuildPlace
{
	ItemPointerData tid;
	uint32		node;
	uint32		twin;			/* or invalid for the node's first row */
} VsBuildPlace;

/*
 * How nodes lie in memory and how many there can be.
 *
 * A coarse search goes over rows in int8, of vectors minus a center.  With n
 * the norms, s the scales and w the weight of the dot product, the distance is
 *
 *		n_a + n_b - w s_a s_b <a, b>
 *
 * where n is |a|^2 and w = 2, or for the inner product n = -<c, a> - |c|^2/2
 * and w = 1.  Where the self row is int8 itself, it is what is searched, and
 * the center is 0.  Others than coarse search exact rows.
 */
typedef struct VsBuildPlan
{
	bool		coarse;
	bool		far_row;		/* exact rows are apart from near ones */
	float		dot_weight;
	Size		near_size;		/* bytes of a node's near part */
	Size		near_head;		/* of it, where VsBuildNear begins */
	Size		far_size;
	Size		far_fillers;	/* of it, where the fillers are */
	Size		far_row_at;		/* of it, where the exact row is */
	Size		far_columns_at; /* of it, where the image of columns is */
	Size		twin_size;
	Size		budget;			/* bytes that all chunks may take */
	double		rows;			/* that are expected */
	int			node_shift;		/* a chunk has 1 << shift nodes */
	int			twin_shift;
	uint32		max_node_chunks;
	uint32		max_twin_chunks;
} VsBuildPlan;

extern void vs_build_plan(const VsHnswLayout *layout, Size budget,
						  double rows, VsBuildPlan *plan);
extern Size vs_build_plan_memory(const VsBuildPlan *plan, double rows);

/* Chunks of equal items that are numbered from 0 without a gap. */
typedef struct VsBuildChunks
{
	int			shift;
	Size		size;			/* bytes of a chunk */
	Size		cost;			/* bytes that it takes of the budget */
	uint32		max_chunks;
	pg_atomic_uint32 used;		/* items given out */
	pg_atomic_uint32 chunks;	/* chunks there are */
	Size		handles;		/* where their handles are, from the start of
								 * VsBuildShared */
} VsBuildChunks;

/* What a process knows of them. */
typedef struct VsBuildView
{
	VsBuildChunks *chunks;
	dsm_handle *handle;
	char	  **address;		/* NULL where not attached */
	uint32		room;			/* items with an address */
} VsBuildView;

/* Locks of nodes' links; a node's is that of its id modulo this. */
#define VS_BUILD_NODE_LOCKS		1024

/* Phases of the barrier: the first is that of loading rows. */
typedef enum VsBuildPhase
{
	VS_BUILD_LOAD = 0,
	VS_BUILD_PREPARE = 1,		/* the leader: what pages there will be */
	VS_BUILD_WRITE = 2,			/* all: pages of nodes */
	VS_BUILD_FINISH = 3,		/* the leader: all other pages */
	VS_BUILD_WRITTEN = 4,		/* remaining rows are inserted */
} VsBuildPhase;

/* What the processes share; behind it the center and handles of chunks. */
typedef struct VsBuildShared
{
	/* fixed */
	Oid			heap;
	Oid			index;
	bool		parallel;
	bool		concurrent;
	VsHnswMeta	meta;			/* changed by the leader alone, while the
								 * others wait */
	VsBuildPlan plan;
	Size		center;			/* where it is, from the start of this */

	/* the graph */
	LWLock		alloc_lock;
	Size		taken;			/* of the budget; under the lock */
	bool		full;			/* there is no more memory; never unset */
	bool		short_of_shared;	/* ... because none can be shared */
	VsBuildChunks nodes;
	VsBuildChunks twins;
	LWLock		entry_lock;		/* held by who will be the entry */
	pg_atomic_uint64 entry;		/* id, and in the upper half the level */
	LWLockPadded node_lock[VS_BUILD_NODE_LOCKS];

	/* the work */
	Barrier		barrier;
	pg_atomic_uint32 next_page; /* of nodes, to be claimed */
	pg_atomic_uint64 index_tuples;
	pg_atomic_uint64 heap_tuples;	/* of all but the leader */
	bool		broken_hot_chain;
} VsBuildShared;

#define VS_BUILD_ENTRY(id, level)	((uint64) (level) << 32 | (id))
#define VS_BUILD_ENTRY_ID(entry)	((uint32) (entry))
#define VS_BUILD_ENTRY_LEVEL(entry) ((int) ((entry) >> 32))
#define VS_BUILD_NO_ENTRY			VS_BUILD_ENTRY(VS_HNSW_INVALID_ID, 0)

/* Slots of VsBuildPrices. */
typedef struct VsBuildPrice
{
	uint32		id;				/* or invalid */
	float		distance;
} VsBuildPrice;

/* The distances that a search has computed; open addressing. */
typedef struct VsBuildPrices
{
	VsBuildPrice *slot;
	uint32		size;			/* a power of two */
	uint32		used;
} VsBuildPrices;

/* A vector to which distances are wanted. */
typedef struct VsBuildProbe
{
	const int8_t *bytes;		/* if coarse */
	float		scale;
	float		norm;
	uint32		id;				/* of the node it is, or invalid */
	const float *x;				/* exact; NULL for a node not yet decoded */
} VsBuildProbe;

/* A link to be made. */
typedef struct VsBuildLink
{
	uint32		id;
	float		distance;
	bool		filler;
} VsBuildLink;

/* A process at the graph. */
typedef struct VsBuildGraph
{
	VsHnsw	   *ix;
	const VsHnswLayout *layout;
	const VsBuildPlan *plan;
	VsBuildShared *shared;
	MemoryContext context;		/* of everything here */
	MemoryContext chunk_context;	/* of private chunks */
	VsBuildView nodes;
	VsBuildView twins;
	float	   *center;

	/* the search */
	int			ef;
	VsHnswCandidate *beam;		/* the ef nearest, sorted */
	int			nbeam;
	VsBuildPrices prices;
	VsBuildLink *chosen[VS_HNSW_LEVELS];
	int			nchosen[VS_HNSW_LEVELS];
	float	   *self;			/* scratch: the probe's exact row */
	float	   *centered;		/* scratch: a row */
	int8_t	   *bytes;			/* scratch: the same in int8 */
	const int8_t **rows;		/* scratch: where rows to be priced are */
	float	   *decoded;		/* scratch: a node's exact row */
} VsBuildGraph;

/* Parts of a node. */
static inline char *
vs_build_row(const VsBuildGraph *graph, uint32 id)
{
	int			shift = graph->nodes.chunks->shift;

	return graph->nodes.address[id >> shift] +
		(id & ((1U << shift) - 1)) * graph->plan->near_size;
}

static inline VsBuildNear *
vs_build_near(const VsBuildGraph *graph, uint32 id)
{
	return (VsBuildNear *) (vs_build_row(graph, id) + graph->plan->near_head);
}

static inline VsBuildFar *
vs_build_far(const VsBuildGraph *graph, uint32 id)
{
	int			shift = graph->nodes.chunks->shift;
	Size		at = graph->plan->near_size << shift;

	return (VsBuildFar *) (graph->nodes.address[id >> shift] + at +
						   (id & ((1U << shift) - 1)) * graph->plan->far_size);
}

static inline uint8 *
vs_build_fillers(const VsBuildGraph *graph, VsBuildFar *far)
{
	return (uint8 *) far + graph->plan->far_fillers;
}

static inline VsBuildTwin *
vs_build_twin(const VsBuildGraph *graph, uint32 id)
{
	int			shift = graph->twins.chunks->shift;

	return (VsBuildTwin *) (graph->twins.address[id >> shift] +
							(id & ((1U << shift) - 1)) * graph->plan->twin_size);
}

static inline char *
vs_build_columns(const VsBuildGraph *graph, VsBuildFar *far)
{
	return (char *) far + graph->plan->far_columns_at;
}

/* The self row as its slot will have it, and its scale. */
static inline const char *
vs_build_exact_row(const VsBuildGraph *graph, uint32 id, float *scale)
{
	if (graph->plan->far_row)
	{
		const VsBuildFar *far = vs_build_far(graph, id);

		*scale = far->scale;
		return (const char *) far + graph->plan->far_row_at;
	}
	*scale = vs_build_near(graph, id)->scale;
	return vs_build_row(graph, id);
}

/* hnsw_build_memory.c: chunks */
extern Size vs_build_shared_size(const VsBuildPlan *plan, int dims);
extern void vs_build_shared_init(VsBuildShared *shared,
								 const VsHnswMeta *meta,
								 const VsBuildPlan *plan, bool parallel);
extern void vs_build_open_chunks(VsBuildGraph *graph);
extern void vs_build_close_chunks(VsBuildGraph *graph);
extern void vs_build_refresh(VsBuildGraph *graph, VsBuildView *view);
extern uint32 vs_build_take(VsBuildGraph *graph, VsBuildView *view);

static inline void
vs_build_lock(const VsBuildGraph *graph, LWLock *lock)
{
	if (graph->shared->parallel)
		LWLockAcquire(lock, LW_EXCLUSIVE);
}

static inline void
vs_build_unlock(const VsBuildGraph *graph, LWLock *lock)
{
	if (graph->shared->parallel)
		LWLockRelease(lock);
}

/* hnsw_build_graph.c: search and links */
extern VsBuildGraph *vs_build_graph_open(VsHnsw *ix, VsBuildShared *shared);
extern bool vs_build_graph_add(VsBuildGraph *graph, const VsHnswValue *value,
							   const ItemPointerData *tid);

/* hnsw_build.c: the work of any process */
typedef struct VsBuild
{
	Relation	heap;
	Relation	index;
	IndexInfo  *info;
	bool		leader;
	VsHnsw		ix;				/* meta is that of VsBuildShared */
	VsBuildShared *shared;
	VsBuildGraph *graph;		/* NULL once it is written */
	VsBuildPlace *places;		/* the leader's, sorted; while writing */
	Size		nplaces;
	VsHnswValue *value;
	MemoryContext context;
	MemoryContext row_context;
	VsHnsw	   *written;		/* the index, if rows are inserted into it */
} VsBuild;

extern void vs_build_plan_meta(Relation heap, Relation index, VsHnswMeta *meta);
extern void vs_build_open(VsBuild *build, Relation heap, Relation index,
						  IndexInfo *info, VsBuildShared *shared);
extern double vs_build_scan(VsBuild *build, TableScanDesc scan, bool progress);
extern void vs_build_finish(VsBuild *build, VsBuildPhase phase);

/* hnsw_build_parallel.c: leader and workers */
extern bool vs_build_parallel(Relation heap, Relation index, IndexInfo *info,
							  const VsHnswMeta *meta, const VsBuildPlan *plan,
							  IndexBuildResult *result);

/* hnsw_build_write.c: pages */
extern void vs_build_prepare_pages(VsBuild *build);
extern void vs_build_write_nodes(VsBuild *build);
extern void vs_build_write_rest(VsBuild *build);

#endif							/* VS_HNSW_HNSW_BUILD_H */
