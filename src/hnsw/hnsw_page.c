/*
 * hnsw_page.c
 *		Bytes on pages: addressing, checks, locks and WAL.
 *
 * No other file of the access method locks a buffer exclusively or writes to
 * a page that others can see.
 */
#include "postgres.h"

#include "access/generic_xlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/buf_internals.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "hnsw/hnsw.h"

static void check_columns(const VsHnsw *ix);
static void copy_meta(VsHnswMeta *to, const VsHnswMeta *from);
static const VsHnswMeta *check_metapage(Relation rel, Page page);

/* ------------------------------------------------------------------------
 * The metapage and its copy
 * ------------------------------------------------------------------------ */

/* The signs of the rotation, kept with the relation cache entry. */
static const float *
cached_signs(Relation rel, const VsHnswMeta *meta)
{
	if (rel->rd_amcache == NULL)
	{
		float	   *signs = MemoryContextAlloc(rel->rd_indexcxt,
											   VS_ROTATE_SIGNS(meta->layout.dims));

		vs_rotate_signs(meta->layout.dims, meta->seed, signs);
		rel->rd_amcache = signs;
	}
	return (const float *) rel->rd_amcache;
}

/*
 * Open an index for an operation, in the current memory context.
 *
 * Everything is copied, since an invalidation may free rd_amcache at any time.
 * The copy of the metapage is never wrong about pages, since the directory
 * only grows; but it may be short.  vs_hnsw_refresh brings it up to date.
 */
VsHnsw *
vs_hnsw_open(Relation rel)
{
	VsHnsw	   *ix = palloc0(sizeof(VsHnsw));

	ix->rel = rel;
	ix->metric = vs_hnsw_metric(rel);
	ix->meta = palloc0(sizeof(VsHnswMeta));
	ix->layout = &ix->meta->layout;
	ix->columns = vs_hnsw_columns(rel);
	vs_hnsw_refresh(ix);
	check_columns(ix);
	if (ix->layout->rotated)
	{
		Size		size = VS_ROTATE_SIGNS(ix->layout->dims);

		ix->signs = memcpy(palloc(size), cached_signs(rel, ix->meta), size);
	}
	return ix;
}

/* Has the index been built for the columns that it has? */
static void
check_columns(const VsHnsw *ix)
{
	if (ix->columns->bytes != ix->layout->column_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has %d bytes for its filter columns, not %d",
						RelationGetRelationName(ix->rel),
						ix->layout->column_bytes, ix->columns->bytes),
				 errhint("REINDEX it.")));
}

/* Read the metapage again.  Takes and releases its share lock. */
void
vs_hnsw_refresh(VsHnsw *ix)
{
	Buffer		buffer = ReadBuffer(ix->rel, VS_HNSW_METAPAGE);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	copy_meta(ix->meta, check_metapage(ix->rel, BufferGetPage(buffer)));
	UnlockReleaseBuffer(buffer);
}

/* Copy what is used of a metapage; the directory only where it grew. */
static void
copy_meta(VsHnswMeta *to, const VsHnswMeta *from)
{
	for (int space = 0; space < VS_SPACE_COUNT; space++)
	{
		uint32		known = to->space[space].extents;

		if (from->space[space].extents > known)
			memcpy(&to->extent[space][known], &from->extent[space][known],
				   (from->space[space].extents - known) * sizeof(VsHnswExtent));
	}
	memcpy(to, from, offsetof(VsHnswMeta, extent));
}

/* The metapage's content, after a look at whether it can be one. */
static const VsHnswMeta *
check_metapage(Relation rel, Page page)
{
	const VsHnswMeta *meta = (const VsHnswMeta *) vs_hnsw_page_data(page);
	bool		sound;

	if (PageIsNew(page) || meta->magic != VS_HNSW_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" is not a valid hnsw index",
						RelationGetRelationName(rel)),
				 errhint("REINDEX it.")));
	if (meta->version != VS_HNSW_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has format version %u, not %u",
						RelationGetRelationName(rel), meta->version,
						VS_HNSW_VERSION),
				 errhint("REINDEX it.")));

	sound = vs_hnsw_layout_is_sound(&meta->layout, VS_HNSW_PAGE_SPACE) &&
		meta->revmap_span > 0 && meta->m > 0 && meta->ef_construction > 0;
	for (int space = 0; space < VS_SPACE_COUNT; space++)
		sound = sound && meta->space[space].extents <= VS_HNSW_MAX_EXTENTS;
	if (!sound)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" has a damaged metapage",
						RelationGetRelationName(rel)),
				 errhint("REINDEX it.")));
	return meta;
}

/* Fill in the metapage of an index without rows. */
void
vs_hnsw_meta_init(VsHnswMeta *meta, const VsHnswLayout *layout, int m,
				  int ef_construction, uint32 revmap_span)
{
	memset(meta, 0, sizeof(*meta));
	meta->magic = VS_HNSW_MAGIC;
	meta->version = VS_HNSW_VERSION;
	meta->layout = *layout;
	meta->m = m;
	meta->ef_construction = ef_construction;
	meta->revmap_span = revmap_span;
	meta->seed = UINT64CONST(0x5eed0f7ec5ea4c11);
	meta->entry = VS_HNSW_INVALID_ID;
	meta->dead_head = VS_HNSW_INVALID_ID;
	for (int space = 0; space < VS_SPACE_COUNT; space++)
		meta->space[space].free_head = VS_HNSW_INVALID_ID;
}

/*
 * Write block 0 of a fork, extending it if it is empty.  The main fork is not
 * logged here, since a build logs all its pages at its end.
 */
void
vs_hnsw_write_metapage(Relation rel, ForkNumber fork, const VsHnswMeta *meta)
{
	bool		is_new = RelationGetNumberOfBlocksInFork(rel, fork) == 0;
	Buffer		buffer = ReadBufferExtended(rel, fork,
											is_new ? P_NEW : VS_HNSW_METAPAGE,
											RBM_NORMAL, NULL);
	Page		page = BufferGetPage(buffer);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	START_CRIT_SECTION();
	vs_hnsw_page_init(page, VS_HNSW_META_SPACE, 0);
	memcpy(vs_hnsw_page_data(page), meta, sizeof(*meta));
	MarkBufferDirty(buffer);
	if (fork == INIT_FORKNUM)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

/* ------------------------------------------------------------------------
 * Pages
 * ------------------------------------------------------------------------ */

void
vs_hnsw_page_init(Page page, uint16 space, uint32 page_no)
{
	VsHnswPageHead *head = vs_hnsw_page_head(page);

	PageInit(page, BLCKSZ, 0);
	head->page_no = page_no;
	head->space = space;
	head->page_id = VS_HNSW_PAGE_ID;

	/* The whole page is data: leave no hole for the WAL to skip. */
	((PageHeader) page)->pd_lower = ((PageHeader) page)->pd_upper;

	if (space == VS_SPACE_REVMAP || space == VS_SPACE_REVMAP_MORE)
		((VsHnswRevmapPage *) vs_hnsw_page_data(page))->more = VS_HNSW_INVALID_ID;
}

/* Report damage.  The caller may hold buffer locks; the abort drops them. */
void
vs_hnsw_damaged(VsHnsw *ix, BlockNumber block, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is damaged at block %u",
					RelationGetRelationName(ix->rel), block),
			 errdetail("%s", what),
			 errhint("REINDEX it.")));
}

static void
check_page(VsHnsw *ix, Buffer buffer, VsHnswSpace space, uint32 page_no)
{
	Page		page = BufferGetPage(buffer);
	const VsHnswPageHead *head = vs_hnsw_page_head(page);

	if (unlikely(PageIsNew(page)))
		vs_hnsw_damaged(ix, BufferGetBlockNumber(buffer), "The page is empty.");
	if (unlikely(head->page_id != VS_HNSW_PAGE_ID || head->space != space ||
				 head->page_no != page_no))
		vs_hnsw_damaged(ix, BufferGetBlockNumber(buffer),
						"The page is of another kind.");
	if (space == VS_SPACE_REVMAP || space == VS_SPACE_REVMAP_MORE)
	{
		const VsHnswRevmapPage *map = (VsHnswRevmapPage *) vs_hnsw_page_data(page);

		if (map->count > vs_hnsw_entries_per_page(ix->layout))
			vs_hnsw_damaged(ix, BufferGetBlockNumber(buffer),
							"The page claims more entries than it can hold.");
		if (map->sorted > map->count)
			vs_hnsw_damaged(ix, BufferGetBlockNumber(buffer),
							"The page claims more sorted entries than it has.");
	}
}

/* Block of a page that the cached directory covers. */
static BlockNumber
block_in_directory(const VsHnswMeta *meta, VsHnswSpace space, uint32 page_no)
{
	const VsHnswExtent *extent = meta->extent[space];
	uint32		low = 0;
	uint32		high = meta->space[space].extents;

	while (high - low > 1)
	{
		uint32		middle = (low + high) / 2;

		if (extent[middle].first <= page_no)
			low = middle;
		else
			high = middle;
	}
	return extent[low].start + (page_no - extent[low].first);
}

/* Report a page number that the directory does not have. */
static void
check_page_no(VsHnsw *ix, VsHnswSpace space, uint32 page_no)
{
	if (page_no >= ix->meta->space[space].pages)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" refers to page %u of space %d, which does not exist",
						RelationGetRelationName(ix->rel), page_no, space),
				 errhint("REINDEX it.")));
}

/* Block of any page; refreshes the copy of the metapage if it is short. */
static BlockNumber
block_of(VsHnsw *ix, VsHnswSpace space, uint32 page_no)
{
	if (page_no >= ix->meta->space[space].pages)
	{
		vs_hnsw_refresh(ix);
		check_page_no(ix, space, page_no);
	}
	return block_in_directory(ix->meta, space, page_no);
}

/*
 * Where blocks were found in the buffer pool, for all indexes of this backend:
 * a direct-mapped table that may be wrong, since ReadRecentBuffer looks for
 * itself.  It saves the search in the pool's hash table, and lets a page be
 * prefetched into the processor's cache before it is pinned.
 */
typedef struct MemoEntry
{
	BlockNumber block;
	Buffer		buffer;
} MemoEntry;

#define MEMO_SIZE		65536

/* How much of a slot is prefetched; the processor goes on by itself. */
#define PREFETCH_BYTES	768

static MemoEntry *memo;

/*
 * How many more entries not to believe without a look at the buffer, which may
 * have to come from memory itself.  Entries are wrong when buffers are scarce.
 */
static int	distrust;

#define DISTRUST	64

static inline MemoEntry *
memo_entry(Relation rel, BlockNumber block)
{
	if (unlikely(memo == NULL))
		memo = MemoryContextAllocZero(TopMemoryContext,
									  MEMO_SIZE * sizeof(MemoEntry));
	return &memo[(block + RelationGetRelid(rel) * 7919) % MEMO_SIZE];
}

static Buffer
read_block(Relation rel, BlockNumber block)
{
	MemoEntry  *entry = memo_entry(rel, block);

	bool		known = entry->block == block && entry->buffer != InvalidBuffer;

	if (known && vs_read_recent_buffer(rel, block, entry->buffer))
		return entry->buffer;
	if (known)
		distrust = DISTRUST;
	entry->block = block;
	entry->buffer = ReadBuffer(rel, block);
	return entry->buffer;
}

/* Is the block in the buffer of an entry, as far as one can tell at once? */
static inline bool
seems_right(const MemoEntry *entry, BlockNumber block)
{
	if (entry->block != block || entry->buffer <= 0)
		return false;
	if (likely(distrust == 0))
		return true;
	distrust--;
	return GetBufferDescriptor(entry->buffer - 1)->tag.blockNum == block;
}

/*
 * Start to load the slot of a node: into the processor's cache if its page is
 * thought to be in a known buffer, for which only an address is computed; else
 * from the disk if it is in no buffer.  Returns whether it comes from there.
 */
static bool
prefetch(VsHnsw *ix, uint32 id, int bytes)
{
	uint32		page_no = id / ix->layout->per_page;
	BlockNumber block;
	MemoEntry  *entry;
	const char *page;
	const char *slot;

	if (page_no >= ix->meta->space[VS_SPACE_NODE].pages)
		return false;
	block = block_in_directory(ix->meta, VS_SPACE_NODE, page_no);
	entry = memo_entry(ix->rel, block);
	if (!seems_right(entry, block))
	{
		PrefetchBufferResult result = PrefetchBuffer(ix->rel, MAIN_FORKNUM, block);

		if (!BufferIsValid(result.recent_buffer))
			return result.initiated_io;
		entry->block = block;
		entry->buffer = result.recent_buffer;
	}
	if (entry->buffer <= 0)
		return false;			/* a temporary table's */
	__builtin_prefetch(GetBufferDescriptor(entry->buffer - 1));
	page = (const char *) BufferGetBlock(entry->buffer);
	__builtin_prefetch(page);
	slot = page + VS_HNSW_PAGE_DATA_AT +
		(id % ix->layout->per_page) * ix->layout->slot_size;
	for (int at = 0; at < bytes; at += 64)
		__builtin_prefetch(slot + at);
	return false;
}

bool
vs_hnsw_prefetch_slot(VsHnsw *ix, uint32 id)
{
	return prefetch(ix, id, Min(ix->layout->slot_size, PREFETCH_BYTES));
}

/* The same for who needs no links. */
bool
vs_hnsw_prefetch_row(VsHnsw *ix, uint32 id)
{
	return prefetch(ix, id, Min(ix->layout->codes_at, PREFETCH_BYTES));
}

/* Read and share-lock a page. */
Buffer
vs_hnsw_read_page(VsHnsw *ix, VsHnswSpace space, uint32 page_no)
{
	Buffer		buffer = read_block(ix->rel, block_of(ix, space, page_no));

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	check_page(ix, buffer, space, page_no);
	return buffer;
}

/*
 * Copy a page, reading it with a strategy, for those who read an index whole.
 * Returns its block.
 */
BlockNumber
vs_hnsw_copy_page(VsHnsw *ix, VsHnswSpace space, uint32 page_no,
				  BufferAccessStrategy strategy, Page copy)
{
	BlockNumber block = block_of(ix, space, page_no);
	Buffer		buffer = ReadBufferExtended(ix->rel, MAIN_FORKNUM, block,
											RBM_NORMAL, strategy);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	check_page(ix, buffer, space, page_no);
	memcpy(copy, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return block;
}

/* Block of the page of a node. */
BlockNumber
vs_hnsw_node_block(VsHnsw *ix, uint32 id)
{
	return block_of(ix, VS_SPACE_NODE, id / ix->layout->per_page);
}

uint32
vs_hnsw_items_per_page(VsHnsw *ix, VsHnswSpace space)
{
	switch (space)
	{
		case VS_SPACE_NODE:
			return ix->layout->per_page;
		case VS_SPACE_CELL:
			return vs_hnsw_cells_per_page(ix->layout);
		default:
			return 1;
	}
}

/* The slot of a node in its page, checked so that its links can be followed. */
VsHnswSlot *
vs_hnsw_slot_at(VsHnsw *ix, Page page, uint32 id)
{
	const VsHnswLayout *layout = ix->layout;
	VsHnswSlot *slot = (VsHnswSlot *)
	(vs_hnsw_page_data(page) + (id % layout->per_page) * layout->slot_size);

	if (unlikely(slot->state > VS_NODE_DEAD ||
				 slot->level > layout->max_level))
		goto damaged;
	for (int level = 0; level <= slot->level; level++)
		if (unlikely(slot->nlinks[level] >
					 vs_hnsw_links_room(layout, slot->level, level)))
			goto damaged;
	return slot;

damaged:
	vs_hnsw_damaged(ix, block_of(ix, VS_SPACE_NODE, id / layout->per_page),
					"A node has impossible fields.");
}

/* Read and share-lock the page of a node.  The caller releases *buffer. */
VsHnswSlot *
vs_hnsw_read_slot(VsHnsw *ix, uint32 id, Buffer *buffer)
{
	*buffer = vs_hnsw_read_page(ix, VS_SPACE_NODE, id / ix->layout->per_page);
	return vs_hnsw_slot_at(ix, BufferGetPage(*buffer), id);
}

VsHnswCell *
vs_hnsw_cell_at(const VsHnsw *ix, Page page, uint32 id)
{
	return vs_hnsw_cell_in(ix->layout, vs_hnsw_page_data(page), id);
}

/*
 * A list with more cells than this has no end: twice what the copy of the
 * metapage knows of, for others may add cells meanwhile.
 */
Size
vs_hnsw_max_cells(const VsHnsw *ix)
{
	return (Size) ix->meta->space[VS_SPACE_CELL].next_id * 2 + 1000;
}

/* ------------------------------------------------------------------------
 * Changes
 * ------------------------------------------------------------------------ */

void
vs_hnsw_change_begin(VsHnswChange *change, VsHnsw *ix)
{
	change->ix = ix;
	change->npages = 0;
	change->state = GenericXLogStart(ix->rel);
}

/*
 * Lock a block and register it; returns the copy to write to.  With make_new
 * it becomes an empty page of the space, whatever it held.
 */
static Page
change_block(VsHnswChange *change, uint16 space, uint32 page_no,
			 BlockNumber block, bool make_new)
{
	int			n = change->npages;
	Buffer		buffer;

	if (n == MAX_GENERIC_XLOG_PAGES)
		elog(ERROR, "too many pages in one hnsw change");

	/* A broken directory would let us wait for our own lock. */
	for (int i = 0; i < n; i++)
		if (BufferGetBlockNumber(change->buffer[i]) == block)
			vs_hnsw_damaged(change->ix, block, "The block is in two places of the directory.");
	buffer = read_block(change->ix->rel, block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!make_new && space != VS_HNSW_META_SPACE)
		check_page(change->ix, buffer, space, page_no);

	change->buffer[n] = buffer;
	change->space[n] = space;
	change->page_no[n] = page_no;
	change->page[n] = GenericXLogRegisterBuffer(change->state, buffer,
												make_new ? GENERIC_XLOG_FULL_IMAGE : 0);
	change->npages++;
	if (make_new)
		vs_hnsw_page_init(change->page[n], space, page_no);
	return change->page[n];
}

/* The page of this change if it has it already, or NULL. */
static Page
known_page(VsHnswChange *change, uint16 space, uint32 page_no)
{
	for (int i = 0; i < change->npages; i++)
		if (change->space[i] == space && change->page_no[i] == page_no)
			return change->page[i];
	return NULL;
}

VsHnswMeta *
vs_hnsw_change_meta(VsHnswChange *change)
{
	Page		page = known_page(change, VS_HNSW_META_SPACE, 0);

	if (page == NULL)
	{
		page = change_block(change, VS_HNSW_META_SPACE, 0, VS_HNSW_METAPAGE, false);
		check_metapage(change->ix->rel, page);
	}
	return (VsHnswMeta *) vs_hnsw_page_data(page);
}

/* The page to write to, which the directory must cover (vs_hnsw_reserve). */
Page
vs_hnsw_change_page(VsHnswChange *change, VsHnswSpace space, uint32 page_no)
{
	Page		page = known_page(change, space, page_no);
	Page		meta = known_page(change, VS_HNSW_META_SPACE, 0);

	if (page != NULL)
		return page;

	/* With the metapage locked by us, its copy must not be read again. */
	if (meta != NULL && page_no >= change->ix->meta->space[space].pages)
	{
		copy_meta(change->ix->meta, (VsHnswMeta *) vs_hnsw_page_data(meta));
		check_page_no(change->ix, space, page_no);
	}
	return change_block(change, space, page_no,
						block_of(change->ix, space, page_no), false);
}

VsHnswSlot *
vs_hnsw_change_slot(VsHnswChange *change, uint32 id)
{
	VsHnsw	   *ix = change->ix;
	Page		page = vs_hnsw_change_page(change, VS_SPACE_NODE,
										   id / ix->layout->per_page);

	return vs_hnsw_slot_at(ix, page, id);
}

VsHnswCell *
vs_hnsw_change_cell(VsHnswChange *change, uint32 id)
{
	const VsHnsw *ix = change->ix;
	Page		page = vs_hnsw_change_page(change, VS_SPACE_CELL,
										   id / vs_hnsw_cells_per_page(ix->layout));

	return vs_hnsw_cell_at(ix, page, id);
}

static void
release_buffers(VsHnswChange *change)
{
	for (int i = 0; i < change->npages; i++)
		UnlockReleaseBuffer(change->buffer[i]);
	change->npages = 0;
}

void
vs_hnsw_change_commit(VsHnswChange *change)
{
	GenericXLogFinish(change->state);
	release_buffers(change);
}

void
vs_hnsw_change_abort(VsHnswChange *change)
{
	GenericXLogAbort(change->state);
	release_buffers(change);
}

/* ------------------------------------------------------------------------
 * Room
 * ------------------------------------------------------------------------ */

/* Add zeroed blocks in one run; the caller holds the extension lock. */
static BlockNumber
extend_by(Relation rel, uint32 blocks)
{
	BlockNumber start = InvalidBlockNumber;

	for (uint32 i = 0; i < blocks; i++)
	{
		Buffer		buffer = ReadBuffer(rel, P_NEW);

		if (i == 0)
			start = BufferGetBlockNumber(buffer);
		Assert(BufferGetBlockNumber(buffer) == start + i);
		ReleaseBuffer(buffer);
	}
	return start;
}

/*
 * How many pages to add to a space that needs at least the given number: an
 * eighth of what it has, but no more than MAX_EXTENSION, for somebody waits.
 * An extent that does not adjoin the last takes a place in the directory;
 * when half of these are used, such extents are no longer kept small.
 */
#define MAX_EXTENSION	128

static uint32
extension_size(const VsHnswSpaceInfo *info, uint32 pages, bool adjoins)
{
	uint32		add = Max(1, info->pages / 8);

	if (adjoins || info->extents < VS_HNSW_MAX_EXTENTS / 2)
		add = Min(add, MAX_EXTENSION);
	return Max(add, pages - info->pages);
}

/* Does the last extent of a space end where the file ends? */
static bool
adjoins_end(VsHnsw *ix, VsHnswSpace space)
{
	const VsHnswSpaceInfo *info = &ix->meta->space[space];

	return info->extents > 0 &&
		block_in_directory(ix->meta, space, info->pages - 1) + 1 ==
		RelationGetNumberOfBlocks(ix->rel);
}

/*
 * Make empty pages of new blocks, and log them, before the directory knows of
 * them: an empty block in it is damage, and replay makes the file as long as
 * the directory says, so that a promoted standby gives no block out twice.
 */
static void
make_pages(VsHnsw *ix, VsHnswSpace space, uint32 first, BlockNumber start,
		   uint32 blocks)
{
	for (uint32 done = 0; done < blocks;)
	{
		VsHnswChange change;

		vs_hnsw_change_begin(&change, ix);
		for (; done < blocks && change.npages < MAX_GENERIC_XLOG_PAGES; done++)
			change_block(&change, space, first + done, start + done, true);
		vs_hnsw_change_commit(&change);
	}
}

/* Enter a run of new blocks in the directory. */
static void
add_extent(VsHnsw *ix, VsHnswSpace space, BlockNumber start, uint32 blocks,
		   bool adjoins)
{
	VsHnswChange change;
	VsHnswMeta *meta;
	VsHnswSpaceInfo *info;

	vs_hnsw_change_begin(&change, ix);
	meta = vs_hnsw_change_meta(&change);
	info = &meta->space[space];
	if (!adjoins)
	{
		VsHnswExtent *extent = &meta->extent[space][info->extents++];

		extent->first = info->pages;
		extent->start = start;
	}
	info->pages += blocks;
	copy_meta(ix->meta, meta);
	vs_hnsw_change_commit(&change);
}

/*
 * Make the directory cover at least the given number of pages of a space.
 * Takes the extension lock, then the metapage; hold no buffer lock.
 *
 * A crash after the file was extended and before the directory was changed
 * leaves blocks that nobody uses, which is harmless.
 */
void
vs_hnsw_reserve(VsHnsw *ix, VsHnswSpace space, uint32 pages)
{
	const VsHnswSpaceInfo *info = &ix->meta->space[space];

	if (pages <= info->pages)
		return;
	LockRelationForExtension(ix->rel, ExclusiveLock);
	vs_hnsw_refresh(ix);
	if (pages > info->pages)
	{
		bool		adjoins = adjoins_end(ix, space);
		uint32		blocks = extension_size(info, pages, adjoins);
		BlockNumber start;

		if (!adjoins && info->extents == VS_HNSW_MAX_EXTENTS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("directory of index \"%s\" is full",
							RelationGetRelationName(ix->rel)),
					 errhint("REINDEX it.")));
		start = extend_by(ix->rel, blocks);
		make_pages(ix, space, info->pages, start, blocks);
		add_extent(ix, space, start, blocks, adjoins);
	}
	UnlockRelationForExtension(ix->rel, ExclusiveLock);
}

/* Is there an id to give out without a new page? */
static bool
has_room(VsHnsw *ix, const VsHnswMeta *meta, VsHnswSpace space)
{
	const VsHnswSpaceInfo *info = &meta->space[space];

	return info->free_head != VS_HNSW_INVALID_ID ||
		info->next_id / vs_hnsw_items_per_page(ix, space) < info->pages;
}

/*
 * Make it likely that vs_hnsw_change_new_id succeeds.  Judges by the copy of
 * the metapage, so that it costs nothing in the usual case.
 */
void
vs_hnsw_reserve_id(VsHnsw *ix, VsHnswSpace space)
{
	while (!has_room(ix, ix->meta, space))
	{
		vs_hnsw_refresh(ix);
		if (!has_room(ix, ix->meta, space))
			vs_hnsw_reserve(ix, space, ix->meta->space[space].pages + 1);
	}
}

/* Where the free list goes on behind an item, which must be free. */
static uint32
next_free(VsHnswChange *change, VsHnswSpace space, uint32 id)
{
	BlockNumber block = block_in_directory(change->ix->meta, space,
										   id / vs_hnsw_items_per_page(change->ix, space));

	if (space == VS_SPACE_NODE)
	{
		VsHnswSlot *slot = vs_hnsw_change_slot(change, id);

		if (slot->state != VS_NODE_FREE)
			vs_hnsw_damaged(change->ix, block, "A node on the free list is not free.");
		return slot->next;
	}
	else
	{
		VsHnswCell *cell = vs_hnsw_change_cell(change, id);

		Assert(space == VS_SPACE_CELL);
		if (ItemPointerIsValid(&cell->tid))
			vs_hnsw_damaged(change->ix, block, "A cell on the free list is not free.");
		return cell->next;
	}
}

/*
 * Take an id, from the free list if it has one.  The metapage becomes part of
 * the change.  Returns the invalid id, with nothing changed but the copy of
 * the metapage, if a new page must be reserved first.
 */
uint32
vs_hnsw_change_new_id(VsHnswChange *change, VsHnswSpace space)
{
	VsHnswMeta *meta = vs_hnsw_change_meta(change);
	VsHnswSpaceInfo *info = &meta->space[space];
	uint32		id;

	if (!has_room(change->ix, meta, space))
	{
		copy_meta(change->ix->meta, meta);
		return VS_HNSW_INVALID_ID;
	}
	id = info->free_head;
	if (id != VS_HNSW_INVALID_ID)
		info->free_head = next_free(change, space, id);
	else
	{
		if (info->next_id == VS_HNSW_INVALID_ID - 1)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("index \"%s\" cannot hold more rows",
							RelationGetRelationName(change->ix->rel))));
		id = info->next_id++;
	}
	return id;
}
