/*
 * hnsw_stats.c
 *		hnsw_index_stats: what an index consists of.
 *
 * Two passes over the node pages: one counts and notes the level of every
 * node, the other looks at where links lead.  Rows may come and go meanwhile;
 * the figures are then of different moments.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw_inspect.h"

/* What the first pass notes of a node: its level and whether it lives. */
#define NO_NODE		UINT8_MAX	/* a free one */
#define DEAD_MARK	0x40		/* added to the level of a dead one */
#define LEVEL_OF(note)	((note) & ~DEAD_MARK)

typedef struct Stats
{
	VsHnswInspect *inspect;
	uint32		nodes;			/* ids that were given out */
	uint8	   *note;			/* of each */
	uint8	   *pointed;		/* has a link of a living node on level 0? */

	int64		rows;
	int64		live;
	int64		dead;
	int64		free;
	int64		on_level[VS_HNSW_LEVELS];	/* living nodes */
	int64		links[VS_HNSW_LEVELS];	/* of living nodes */
	int			max_links;		/* of one on level 0 */
	int64		stale;			/* links of living nodes to no node of the
								 * level, or to the node itself */
	int64		unreached;		/* living nodes no link leads to */
	int64		unpointed;		/* living nodes without a link to them */
} Stats;

/* Columns of hnsw_index_stats. */
enum
{
	COLUMN_ROWS,
	COLUMN_NODES,
	COLUMN_DEAD_NODES,
	COLUMN_FREE_NODES,
	COLUMN_NODES_BY_LEVEL,
	COLUMN_DEGREE_BY_LEVEL,
	COLUMN_MAX_DEGREE,
	COLUMN_STALE_LINKS,
	COLUMN_ORPHANS,
	COLUMN_UNREACHABLE,
	COLUMN_ENTRY_LEVEL,
	COLUMN_METRIC,
	COLUMN_DIMENSIONS,
	COLUMN_M,
	COLUMN_EF_CONSTRUCTION,
	COLUMN_EF_SEARCH,
	COLUMN_ROW_FORMAT,
	COLUMN_CODE_BITS,
	COLUMN_CODE_DIMENSIONS,
	COLUMN_LINK_PLACES,
	COLUMN_SLOT_BYTES,
	COLUMN_SLOTS_PER_PAGE,
	COLUMN_BYTES,
	COLUMN_NODE_BYTES,
	COLUMN_CELL_BYTES,
	COLUMN_REVMAP_BYTES,
	COLUMN_REVMAP_MORE_BYTES,
	COLUMN_UNUSED_BYTES,
	COLUMNS
};

/* Count the nodes of a page, and note their levels. */
static void
count_nodes(Stats *stats, Page page, uint32 first)
{
	VsHnsw	   *ix = stats->inspect->ix;

	for (uint32 id = first;
		 id < Min(first + ix->layout->per_page, stats->nodes); id++)
	{
		const VsHnswSlot *slot = vs_hnsw_slot_at(ix, page, id);

		if (slot->state == VS_NODE_FREE)
		{
			stats->note[id] = NO_NODE;
			stats->free++;
			continue;
		}
		stats->note[id] = slot->level;
		if (slot->state == VS_NODE_DEAD)
		{
			stats->note[id] |= DEAD_MARK;
			stats->dead++;
			continue;
		}
		stats->live++;
		stats->max_links = Max(stats->max_links, slot->nlinks[0]);
		for (int level = 0; level <= slot->level; level++)
		{
			stats->on_level[level]++;
			stats->links[level] += slot->nlinks[level];
		}
	}
}

static void
read_nodes(Stats *stats)
{
	VsHnsw	   *ix = stats->inspect->ix;
	uint32		per_page = ix->layout->per_page;

	stats->nodes = ix->meta->space[VS_SPACE_NODE].next_id;
	stats->note = MemoryContextAllocHuge(CurrentMemoryContext,
										 (Size) stats->nodes + 1);
	stats->pointed = vs_bits_new(stats->nodes);
	for (uint32 first = 0; first < stats->nodes; first += per_page)
	{
		Page		page = vs_hnsw_inspect_page(stats->inspect, VS_SPACE_NODE,
												first / per_page);

		count_nodes(stats, page, first);
	}
}

/* Look at where the links of a node lead. */
static void
judge_links(uint32 id, const VsHnswSlot *slot, bool reached, void *arg)
{
	Stats	   *stats = (Stats *) arg;
	const VsHnswLayout *layout = stats->inspect->ix->layout;
	const uint32 *ids = vs_slot_ids(layout, slot);

	if (slot->state != VS_NODE_LIVE)
		return;
	stats->unreached += !reached;
	for (int level = 0; level <= slot->level; level++)
	{
		int			start = vs_hnsw_links_start(layout, level);

		for (int i = start; i < start + slot->nlinks[level]; i++)
		{
			uint32		to = ids[i];

			if (to >= stats->nodes)
				continue;		/* a node of later */
			if (to == id || stats->note[to] == NO_NODE ||
				LEVEL_OF(stats->note[to]) < level)
				stats->stale++;
			else if (level == 0)
				vs_bits_add(stats->pointed, to);
		}
	}
}

static void
read_links(Stats *stats)
{
	vs_hnsw_reach(stats->inspect, stats->nodes, judge_links, stats);
	for (uint32 id = 0; id < stats->nodes; id++)
		if (stats->note[id] < DEAD_MARK && !vs_bits_has(stats->pointed, id))
			stats->unpointed++;
}

/* Every heap row has one entry in the revmap. */
static void
count_rows(Stats *stats)
{
	const VsHnswMeta *meta = stats->inspect->ix->meta;

	for (int space = VS_SPACE_REVMAP; space <= VS_SPACE_REVMAP_MORE; space++)
		for (uint32 page_no = 0; page_no < meta->space[space].pages; page_no++)
		{
			Page		page = vs_hnsw_inspect_page(stats->inspect, space, page_no);

			stats->rows += ((VsHnswRevmapPage *) vs_hnsw_page_data(page))->count;
		}
}

/* ------------------------------------------------------------------------
 * The result
 * ------------------------------------------------------------------------ */

/* Array of a figure of each level up to the highest that has a node. */
static Datum
array_of_levels(const Stats *stats, bool degrees)
{
	Datum		elements[VS_HNSW_LEVELS];
	int			n = 0;

	for (int level = 0; level < VS_HNSW_LEVELS && stats->on_level[level] > 0; level++)
		elements[n++] = degrees ?
			Float8GetDatum((double) stats->links[level] / stats->on_level[level]) :
			Int64GetDatum(stats->on_level[level]);
	return PointerGetDatum(construct_array(elements, n,
										   degrees ? FLOAT8OID : INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* Stale links as a share of all. */
static double
stale_share(const Stats *stats)
{
	int64		links = 0;

	for (int level = 0; level < VS_HNSW_LEVELS; level++)
		links += stats->links[level];
	return links > 0 ? (double) stats->stale / links : 0;
}

static const char *
metric_name(VsMetricKind kind)
{
	switch (kind)
	{
		case VS_METRIC_L2:
			return "l2";
		case VS_METRIC_IP:
			return "inner product";
		case VS_METRIC_COSINE:
			return "cosine";
		case VS_METRIC_L1:
			return "l1";
		case VS_METRIC_JENSEN_SHANNON:
			return "jensen-shannon";
	}
	return "unknown";
}

static const char *
codec_name(VsCodec codec)
{
	switch (codec)
	{
		case VS_CODEC_FLOAT32:
			return "float32";
		case VS_CODEC_FLOAT16:
			return "float16";
		case VS_CODEC_INT8:
			return "int8";
		default:
			return "unknown";
	}
}

/* Bytes of the pages of a space. */
static Datum
bytes_of(const VsHnswMeta *meta, VsHnswSpace space)
{
	return Int64GetDatum((int64) meta->space[space].pages * BLCKSZ);
}

/* Layout and sizes, which the metapage tells. */
static void
tell_of_metapage(Relation rel, const VsHnswMeta *meta, Datum *values)
{
	const VsHnswLayout *layout = &meta->layout;
	int64		blocks = RelationGetNumberOfBlocks(rel);
	int64		used = 1;

	for (int space = 0; space < VS_SPACE_COUNT; space++)
		used += meta->space[space].pages;

	values[COLUMN_METRIC] = CStringGetTextDatum(metric_name(layout->metric));
	values[COLUMN_DIMENSIONS] = Int32GetDatum(layout->dims);
	values[COLUMN_M] = Int32GetDatum(meta->m);
	values[COLUMN_EF_CONSTRUCTION] = Int32GetDatum(meta->ef_construction);
	values[COLUMN_EF_SEARCH] = Int32GetDatum(vs_hnsw_ef_search);
	values[COLUMN_ROW_FORMAT] = CStringGetTextDatum(codec_name(layout->codec));
	values[COLUMN_CODE_BITS] = Int32GetDatum(layout->bits);
	values[COLUMN_CODE_DIMENSIONS] = Int32GetDatum(layout->code_dims);
	values[COLUMN_LINK_PLACES] = Int32GetDatum(layout->degree);
	values[COLUMN_SLOT_BYTES] = Int32GetDatum(layout->slot_size);
	values[COLUMN_SLOTS_PER_PAGE] = Int32GetDatum(layout->per_page);
	values[COLUMN_BYTES] = Int64GetDatum(blocks * BLCKSZ);
	values[COLUMN_NODE_BYTES] = bytes_of(meta, VS_SPACE_NODE);
	values[COLUMN_CELL_BYTES] = bytes_of(meta, VS_SPACE_CELL);
	values[COLUMN_REVMAP_BYTES] = bytes_of(meta, VS_SPACE_REVMAP);
	values[COLUMN_REVMAP_MORE_BYTES] = bytes_of(meta, VS_SPACE_REVMAP_MORE);
	values[COLUMN_UNUSED_BYTES] = Int64GetDatum((blocks - used) * BLCKSZ);
}

PG_FUNCTION_INFO_V1(vs_hnsw_index_stats);
Datum
vs_hnsw_index_stats(PG_FUNCTION_ARGS)
{
	VsHnswInspect *inspect = vs_hnsw_inspect_open(PG_GETARG_OID(0),
												  VS_USE_STATISTICS);
	const VsHnswMeta *meta = inspect->ix->meta;
	Stats		stats = {.inspect = inspect};
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	read_nodes(&stats);
	read_links(&stats);
	count_rows(&stats);

	values[COLUMN_ROWS] = Int64GetDatum(stats.rows);
	values[COLUMN_NODES] = Int64GetDatum(stats.live);
	values[COLUMN_DEAD_NODES] = Int64GetDatum(stats.dead);
	values[COLUMN_FREE_NODES] = Int64GetDatum(stats.free);
	values[COLUMN_NODES_BY_LEVEL] = array_of_levels(&stats, false);
	values[COLUMN_DEGREE_BY_LEVEL] = array_of_levels(&stats, true);
	values[COLUMN_MAX_DEGREE] = Int32GetDatum(stats.max_links);
	values[COLUMN_STALE_LINKS] = Float8GetDatum(stale_share(&stats));
	values[COLUMN_ORPHANS] = Int64GetDatum(stats.unpointed);
	values[COLUMN_UNREACHABLE] = Int64GetDatum(stats.unreached);
	nulls[COLUMN_ENTRY_LEVEL] = meta->entry == VS_HNSW_INVALID_ID;
	values[COLUMN_ENTRY_LEVEL] = Int32GetDatum((int32) meta->entry_level);
	tell_of_metapage(inspect->rel, meta, values);
	vs_hnsw_inspect_close(inspect);
	return vs_hnsw_inspect_row(fcinfo, values, nulls);
}
