/*
 * hnsw_build_memory.c
 *		Where the graph of a build lies: chunks that come as they are needed.
 *
 * A chunk of nodes holds their near parts, then their far parts.  A build
 * alone takes chunks of private memory; processes together take segments of
 * dynamic shared memory, each of one chunk, whose handles are in a directory
 * that all of them share.  A process attaches a chunk when it first meets it.
 *
 * Chunks are a 64th of the budget, so that memory follows the rows, within
 * limits: not so small that each of them costs, nor so large that a small
 * table takes what it does not need, nor so many that segments run out.
 */
#include "postgres.h"

#include <math.h>

#include "utils/memutils.h"

#include "compat.h"
#include "hnsw/hnsw_build.h"
#include "support/memory.h"
#include "support/shared.h"

#define MIN_CHUNK		((Size) 32 * 1024)
#define LARGE_CHUNK		((Size) 64 * 1024 * 1024)
#define MANY_CHUNKS		256

/* Ids stay below this, since a search needs a bit of its own. */
#define MAX_ITEMS		((Size) 1 << 31)

/* Lines of the processor's caches. */
#define ALIGN_LINE(bytes)	TYPEALIGN(64, bytes)

/* ------------------------------------------------------------------------
 * The plan
 * ------------------------------------------------------------------------ */

/*
 * Rows of few dimensions gain nothing from int8; where it is the codec of
 * self rows it is exact.
 */
#define MIN_COARSE_DIMS		65

static bool
is_coarse(const VsHnswLayout *layout)
{
	return layout->metric != VS_METRIC_L1 &&
		layout->metric != VS_METRIC_JENSEN_SHANNON &&
		(layout->dims >= MIN_COARSE_DIMS || layout->codec == VS_CODEC_INT8);
}

static Size
chunk_target(Size budget)
{
	Size		target = Max(budget / 64, MIN_CHUNK);

	return Min(target, Max(LARGE_CHUNK, budget / MANY_CHUNKS));
}

/* How many items of a size make a chunk, as a power of two. */
static int
chunk_shift(Size item, Size target)
{
	int			shift = 0;

	while ((item << (shift + 1)) <= target && shift < 24)
		shift++;
	return shift;
}

static uint32
most_chunks(Size budget, Size item, int shift)
{
	return (uint32) Min(budget / (item << shift) + 1, MAX_ITEMS >> shift);
}

/* Plan the memory of a build. */
void
vs_build_plan(const VsHnswLayout *layout, Size budget, double rows,
			  VsBuildPlan *plan)
{
	Size		target = chunk_target(budget);

	memset(plan, 0, sizeof(*plan));
	plan->coarse = is_coarse(layout);
	plan->far_row = plan->coarse && layout->codec != VS_CODEC_INT8;
	plan->dot_weight = layout->metric == VS_METRIC_IP ? 1 : 2;
	plan->near_head = TYPEALIGN(sizeof(float), plan->coarse ? layout->dims :
								layout->row_size);
	plan->near_size = ALIGN_LINE(plan->near_head + offsetof(VsBuildNear, ids) +
								 layout->degree * sizeof(uint32));
	plan->far_fillers = offsetof(VsBuildFar, distances) +
		layout->degree * sizeof(float);
	plan->far_row_at = TYPEALIGN(sizeof(float),
								 plan->far_fillers + layout->degree);
	plan->far_columns_at = plan->far_row_at +
		(plan->far_row ? layout->row_size : 0);
	plan->far_size = MAXALIGN(plan->far_columns_at + layout->column_bytes);
	plan->twin_size = sizeof(VsBuildTwin) + layout->column_bytes;
	plan->budget = budget;
	plan->rows = rows;
	plan->node_shift = chunk_shift(plan->near_size + plan->far_size, target);
	plan->twin_shift = chunk_shift(plan->twin_size, target);
	plan->max_node_chunks = most_chunks(budget,
										plan->near_size + plan->far_size,
										plan->node_shift);
	plan->max_twin_chunks = most_chunks(budget, plan->twin_size,
										plan->twin_shift);
}

static Size
node_chunk_size(const VsBuildPlan *plan)
{
	return (plan->near_size + plan->far_size) << plan->node_shift;
}

/* Bytes that the graph of so many different rows takes. */
Size
vs_build_plan_memory(const VsBuildPlan *plan, double rows)
{
	double		chunks = ceil(rows / (1 << plan->node_shift));

	return (Size) (chunks * node_chunk_size(plan) + rows * sizeof(VsBuildPlace));
}

/* ------------------------------------------------------------------------
 * What is shared
 * ------------------------------------------------------------------------ */

static Size
center_at(void)
{
	return MAXALIGN(sizeof(VsBuildShared));
}

static Size
node_handles_at(int dims)
{
	return center_at() + MAXALIGN(sizeof(float) * dims);
}

static Size
twin_handles_at(const VsBuildPlan *plan, int dims)
{
	return node_handles_at(dims) +
		MAXALIGN(sizeof(dsm_handle) * plan->max_node_chunks);
}

Size
vs_build_shared_size(const VsBuildPlan *plan, int dims)
{
	return twin_handles_at(plan, dims) +
		sizeof(dsm_handle) * plan->max_twin_chunks;
}

/* An item takes extra bytes elsewhere in the end. */
static void
init_chunks(VsBuildChunks *chunks, int shift, Size item, uint32 max_chunks,
			Size handles)
{
	chunks->shift = shift;
	chunks->size = item << shift;
	chunks->cost = (item + sizeof(VsBuildPlace)) << shift;
	chunks->max_chunks = max_chunks;
	chunks->handles = handles;
	pg_atomic_init_u32(&chunks->used, 0);
	pg_atomic_init_u32(&chunks->chunks, 0);
}

/* Prepare an empty graph; shared has the bytes of vs_build_shared_size. */
void
vs_build_shared_init(VsBuildShared *shared, const VsHnswMeta *meta,
					 const VsBuildPlan *plan, bool parallel)
{
	int			dims = meta->layout.dims;
	int			tranche = parallel ? vs_shared_lock_tranche() : 0;

	memset(shared, 0, vs_build_shared_size(plan, dims));
	shared->parallel = parallel;
	shared->meta = *meta;
	shared->plan = *plan;
	shared->center = center_at();
	init_chunks(&shared->nodes, plan->node_shift,
				plan->near_size + plan->far_size, plan->max_node_chunks,
				node_handles_at(dims));
	init_chunks(&shared->twins, plan->twin_shift, plan->twin_size,
				plan->max_twin_chunks, twin_handles_at(plan, dims));
	pg_atomic_init_u64(&shared->entry, VS_BUILD_NO_ENTRY);
	pg_atomic_init_u32(&shared->next_page, 0);
	pg_atomic_init_u64(&shared->index_tuples, 0);
	pg_atomic_init_u64(&shared->heap_tuples, 0);
	BarrierInit(&shared->barrier, 0);
	LWLockInitialize(&shared->alloc_lock, tranche);
	LWLockInitialize(&shared->entry_lock, tranche);
	for (int i = 0; i < VS_BUILD_NODE_LOCKS; i++)
		LWLockInitialize(&shared->node_lock[i].lock, tranche);
}

/* ------------------------------------------------------------------------
 * Chunks
 * ------------------------------------------------------------------------ */

static void
open_view(VsBuildGraph *graph, VsBuildView *view, VsBuildChunks *chunks)
{
	view->chunks = chunks;
	view->handle = (dsm_handle *) ((char *) graph->shared + chunks->handles);
	view->address = MemoryContextAllocExtended(graph->context,
											   sizeof(char *) * chunks->max_chunks,
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	view->room = 0;
}

/* Have no chunks yet. */
void
vs_build_open_chunks(VsBuildGraph *graph)
{
	graph->chunk_context = AllocSetContextCreate(graph->context,
												 "hnsw build graph",
												 ALLOCSET_DEFAULT_SIZES);
	open_view(graph, &graph->nodes, &graph->shared->nodes);
	open_view(graph, &graph->twins, &graph->shared->twins);
}

static void
close_view(const VsBuildGraph *graph, VsBuildView *view)
{
	uint32		chunks = view->room >> view->chunks->shift;

	for (uint32 i = 0; i < chunks && graph->shared->parallel; i++)
		dsm_detach(dsm_find_mapping(view->handle[i]));
	view->room = 0;
}

/* Give the memory back; the other processes have to do so, too. */
void
vs_build_close_chunks(VsBuildGraph *graph)
{
	close_view(graph, &graph->nodes);
	close_view(graph, &graph->twins);
	MemoryContextDelete(graph->chunk_context);
}

static char *
attach_chunk(dsm_handle handle, Size size)
{
	dsm_segment *segment = dsm_attach(handle);

	if (segment == NULL)
		elog(ERROR, "a part of the hnsw graph is gone");
	vs_memory_ask_large(dsm_segment_address(segment), size);
	return dsm_segment_address(segment);
}

/* Learn of chunks that others have added. */
void
vs_build_refresh(VsBuildGraph *graph, VsBuildView *view)
{
	uint32		chunks = pg_atomic_read_u32(&view->chunks->chunks);

	pg_read_barrier();
	for (uint32 i = view->room >> view->chunks->shift; i < chunks; i++)
	{
		if (view->address[i] == NULL)
			view->address[i] = attach_chunk(view->handle[i],
											view->chunks->size);
		view->room = (i + 1) << view->chunks->shift;
	}
}

/* Memory for a chunk; NULL if there is none.  The allocation lock is held. */
static char *
new_chunk(VsBuildGraph *graph, VsBuildView *view, uint32 i)
{
	VsBuildShared *shared = graph->shared;
	Size		size = view->chunks->size;
	dsm_segment *segment;

	if (i >= view->chunks->max_chunks ||
		(shared->taken > 0 &&
		 shared->taken + view->chunks->cost > shared->plan.budget))
		return NULL;
	shared->taken += view->chunks->cost;
	if (!shared->parallel)
		return vs_memory_aligned(graph->chunk_context, size, 0);

	segment = vs_shared_memory_free() >= size ?
		dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS) : NULL;
	if (segment == NULL)
	{
		shared->short_of_shared = true;
		return NULL;
	}
	view->handle[i] = dsm_segment_handle(segment);
	vs_memory_ask_large(dsm_segment_address(segment), size);
	return dsm_segment_address(segment);
}

/*
 * The next item, or the invalid id if there is no memory for it.  Takes and
 * releases the allocation lock.
 */
uint32
vs_build_take(VsBuildGraph *graph, VsBuildView *view)
{
	VsBuildShared *shared = graph->shared;
	VsBuildChunks *chunks = view->chunks;
	uint32		id;
	uint32		have;

	vs_build_lock(graph, &shared->alloc_lock);
	id = pg_atomic_read_u32(&chunks->used);
	have = pg_atomic_read_u32(&chunks->chunks);
	if (id == have << chunks->shift)
	{
		char	   *address = shared->full ? NULL :
		new_chunk(graph, view, have);

		if (address == NULL)
		{
			shared->full = true;
			id = VS_HNSW_INVALID_ID;
		}
		else
		{
			view->address[have] = address;
			pg_write_barrier();
			pg_atomic_write_u32(&chunks->chunks, have + 1);
		}
	}
	if (id != VS_HNSW_INVALID_ID)
		pg_atomic_write_u32(&chunks->used, id + 1);
	vs_build_unlock(graph, &shared->alloc_lock);

	if (id != VS_HNSW_INVALID_ID && id >= view->room)
		vs_build_refresh(graph, view);
	return id;
}
