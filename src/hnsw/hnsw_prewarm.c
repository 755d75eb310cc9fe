/*
 * hnsw_prewarm.c
 *		hnsw_prewarm: an index into the buffer pool, what is most used first.
 *
 * Every scan begins on the upper levels, so their nodes come first.  They are
 * found by following their links.  Blocks are asked of the system some time
 * before they are read.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/spccache.h"

#include "compat.h"
#include "hnsw/hnsw_inspect.h"

typedef struct Prewarm
{
	VsHnswInspect *inspect;
	BlockNumber blocks;			/* of the file */
	uint8	   *warm;			/* blocks that were read */
	int64		nwarm;
	int64		room;			/* how many the buffer pool holds */
	uint32		ahead;			/* how many to ask for before they are read */
} Prewarm;

/* Count a block that was read. */
static void
note_block(Prewarm *prewarm, BlockNumber block)
{
	if (block >= prewarm->blocks || vs_bits_has(prewarm->warm, block))
		return;
	vs_bits_add(prewarm->warm, block);
	prewarm->nwarm++;
}

/* Ask for a block that will be read. */
static void
ask_for_block(Prewarm *prewarm, BlockNumber block)
{
	if (block < prewarm->blocks && !vs_bits_has(prewarm->warm, block))
		(void) PrefetchBuffer(prewarm->inspect->rel, MAIN_FORKNUM, block);
}

static bool
is_full(const Prewarm *prewarm)
{
	return prewarm->nwarm >= prewarm->room;
}

/* Nodes of the upper levels that are to be read. */
typedef struct NodeList
{
	uint32	   *ids;
	uint32		n;
	uint32		room;
} NodeList;

static void
add_node(NodeList *list, uint32 id)
{
	if (list->n == list->room)
	{
		list->room = Max(256, list->room * 2);
		list->ids = list->ids == NULL ? palloc(list->room * sizeof(uint32)) :
			repalloc_huge(list->ids, (Size) list->room * sizeof(uint32));
	}
	list->ids[list->n++] = id;
}

/* Read a node; its links above level 0 that were not met yet come next. */
static void
read_node(Prewarm *prewarm, uint32 id, uint8 *met, uint32 nodes, NodeList *next)
{
	VsHnsw	   *ix = prewarm->inspect->ix;
	Buffer		buffer;
	const VsHnswSlot *slot = vs_hnsw_read_slot(ix, id, &buffer);

	note_block(prewarm, BufferGetBlockNumber(buffer));
	for (int level = 1; level <= slot->level; level++)
	{
		const uint32 *ids = vs_slot_ids(ix->layout, slot) +
		vs_hnsw_links_start(ix->layout, level);

		for (int i = 0; i < slot->nlinks[level]; i++)
			if (ids[i] < nodes && !vs_bits_has(met, ids[i]))
			{
				vs_bits_add(met, ids[i]);
				add_node(next, ids[i]);
			}
	}
	UnlockReleaseBuffer(buffer);
}

static void
read_upper_levels(Prewarm *prewarm)
{
	VsHnsw	   *ix = prewarm->inspect->ix;
	uint32		nodes = ix->meta->space[VS_SPACE_NODE].next_id;
	uint8	   *met = vs_bits_new(nodes);
	NodeList	now = {NULL, 0, 0};
	NodeList	next = {NULL, 0, 0};

	note_block(prewarm, VS_HNSW_METAPAGE);
	if (ix->meta->entry < nodes)
		add_node(&next, ix->meta->entry);
	while (next.n > 0 && !is_full(prewarm))
	{
		NodeList	done = now;

		now = next;
		next = done;
		next.n = 0;
		for (uint32 i = 0, asked = 0; i < now.n && !is_full(prewarm); i++)
		{
			CHECK_FOR_INTERRUPTS();
			for (; asked < now.n && asked - i < prewarm->ahead; asked++)
				ask_for_block(prewarm, vs_hnsw_node_block(ix, now.ids[asked]));
			read_node(prewarm, now.ids[i], met, nodes, &next);
		}
	}
	pfree(met);
}

/* The rest of the file, from its start. */
static void
read_all_blocks(Prewarm *prewarm)
{
	Relation	rel = prewarm->inspect->rel;
	BlockNumber asked = 0;

	for (BlockNumber block = 0; block < prewarm->blocks && !is_full(prewarm); block++)
	{
		CHECK_FOR_INTERRUPTS();
		for (; asked < prewarm->blocks && asked - block < prewarm->ahead; asked++)
			ask_for_block(prewarm, asked);
		if (vs_bits_has(prewarm->warm, block))
			continue;
		ReleaseBuffer(ReadBuffer(rel, block));
		note_block(prewarm, block);
	}
}

PG_FUNCTION_INFO_V1(vs_hnsw_prewarm);
Datum
vs_hnsw_prewarm(PG_FUNCTION_ARGS)
{
	char	   *what = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool		all = strcmp(what, "all") == 0;
	Prewarm		prewarm = {.room = NBuffers};

	if (!all && strcmp(what, "upper") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot read \"%s\" of an index", what),
				 errhint("Say \"all\" or \"upper\".")));
	prewarm.inspect = vs_hnsw_inspect_open(PG_GETARG_OID(0), VS_USE_STATISTICS);
	prewarm.blocks = RelationGetNumberOfBlocks(prewarm.inspect->rel);
	prewarm.warm = vs_bits_new(prewarm.blocks);
	prewarm.ahead =
		get_tablespace_maintenance_io_concurrency(prewarm.inspect->rel->rd_rel->reltablespace);
	read_upper_levels(&prewarm);
	if (all)
		read_all_blocks(&prewarm);
	vs_hnsw_inspect_close(prewarm.inspect);
	PG_RETURN_INT64(prewarm.nwarm);
}
