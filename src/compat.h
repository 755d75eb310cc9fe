/*
 * compat.h
 *		Differences between the server versions 13 to 18, in one place.
 *
 * Every test of PG_VERSION_NUM in vecsearch lives here.  Include it after
 * postgres.h, from the .c files and headers that need something of it.
 */
#ifndef VS_COMPAT_H
#define VS_COMPAT_H

#if PG_VERSION_NUM < 130000
#error "vecsearch needs PostgreSQL 13 or later"
#endif

/* VARSIZE and its relatives left postgres.h in 16. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* The mark of functions that do not return moved to the front in 18. */
#if PG_VERSION_NUM >= 180000
#define VS_NORETURN		pg_noreturn
#else
#define VS_NORETURN		__attribute__((noreturn))
#endif

/* aminsert got another argument in 14. */
#if PG_VERSION_NUM >= 140000
#define VS_INDEX_UNCHANGED_ARG	bool index_unchanged,
#else
#define VS_INDEX_UNCHANGED_ARG
#endif

/* Pinning a buffer that held a block lately, without a look-up, came in 14. */
#if PG_VERSION_NUM >= 160000
#define vs_read_recent_buffer(rel, block, buffer) \
	ReadRecentBuffer((rel)->rd_locator, MAIN_FORKNUM, block, buffer)
#elif PG_VERSION_NUM >= 140000
#define vs_read_recent_buffer(rel, block, buffer) \
	ReadRecentBuffer((rel)->rd_node, MAIN_FORKNUM, block, buffer)
#else
#define vs_read_recent_buffer(rel, block, buffer)	false
#endif

/* Settings of a reserved prefix that nobody defined are refused since 15. */
#if PG_VERSION_NUM >= 150000
#define vs_reserve_guc_prefix(prefix)	MarkGUCPrefixReserved(prefix)
#else
#define vs_reserve_guc_prefix(prefix)	EmitWarningsOnPlaceholders(prefix)
#endif

/* The planner's clauses want to know of the query since 14. */
#if PG_VERSION_NUM >= 140000
#define vs_make_restrictinfo(root, clause) \
	make_simple_restrictinfo(root, clause)
#else
#define vs_make_restrictinfo(root, clause)	make_simple_restrictinfo(clause)
#endif

/* Outer joins are no concern of classes of equal expressions since 16. */
#if PG_VERSION_NUM >= 160000
#define vs_get_eclass_for_sort_expr(root, expr, families, type) \
	get_eclass_for_sort_expr(root, expr, families, type, InvalidOid, 0, NULL, true)
#else
#define vs_get_eclass_for_sort_expr(root, expr, families, type) \
	get_eclass_for_sort_expr(root, expr, NULL, families, type, InvalidOid, 0, \
							 NULL, true)
#endif

/* vacuum_delay_point tells ANALYZE from VACUUM since 18. */
#if PG_VERSION_NUM >= 180000
#define vs_vacuum_delay_point()		vacuum_delay_point(false)
#else
#define vs_vacuum_delay_point()		vacuum_delay_point()
#endif

/* Index searches are counted for EXPLAIN since 18. */
#if PG_VERSION_NUM >= 180000
#define vs_count_index_scan(scan) \
	do { \
		pgstat_count_index_scan((scan)->indexRelation); \
		if ((scan)->instrument) \
			(scan)->instrument->nsearches++; \
	} while (0)
#else
#define vs_count_index_scan(scan)	pgstat_count_index_scan((scan)->indexRelation)
#endif

/* A path that must not be chosen is marked beside its cost since 18. */
#if PG_VERSION_NUM >= 180000
#define vs_disable_path(path)	((path)->disabled_nodes = 2)
#else
#define vs_disable_path(path)	((void) (path))
#endif

/* What a path is made of may be disabled, which is counted since 18. */
#if PG_VERSION_NUM >= 180000
#define vs_inherit_disabled(path, of) \
	((path)->disabled_nodes = (of)->disabled_nodes)
#else
#define vs_inherit_disabled(path, of)	((void) 0)
#endif

/* Custom paths are asked whether they project since 15. */
#if PG_VERSION_NUM >= 150000
#define VS_CUSTOMPATH_PROJECTS	CUSTOMPATH_SUPPORT_PROJECTION
#else
#define VS_CUSTOMPATH_PROJECTS	0
#endif

/* The server's roles got their present names in 14. */
#if PG_VERSION_NUM >= 140000
#define VS_ROLE_READ_SERVER_FILES	ROLE_PG_READ_SERVER_FILES
#define VS_ROLE_READ_ALL_STATS		ROLE_PG_READ_ALL_STATS
#define VS_ROLE_STAT_SCAN_TABLES	ROLE_PG_STAT_SCAN_TABLES
#else
#define VS_ROLE_READ_SERVER_FILES	DEFAULT_ROLE_READ_SERVER_FILES
#define VS_ROLE_READ_ALL_STATS		DEFAULT_ROLE_READ_ALL_STATS
#define VS_ROLE_STAT_SCAN_TABLES	DEFAULT_ROLE_STAT_SCAN_TABLES
#endif

/* Checks of rights became general functions in 16. */
#if PG_VERSION_NUM >= 160000
#define vs_owns_relation(relid, role) \
	object_ownercheck(RelationRelationId, relid, role)
#else
#define vs_owns_relation(relid, role)	pg_class_ownercheck(relid, role)
#endif

/* Others than the owner may be let run VACUUM since 17. */
#if PG_VERSION_NUM >= 170000
#define vs_may_maintain(relid, role) \
	(pg_class_aclcheck(relid, role, ACL_MAINTAIN) == ACLCHECK_OK)
#else
#define vs_may_maintain(relid, role)	vs_owns_relation(relid, role)
#endif

/* Maintenance runs with a safe search_path since 17. */
#if PG_VERSION_NUM >= 170000
#define vs_restrict_search_path()	RestrictSearchPath()
#else
#define vs_restrict_search_path()	((void) 0)
#endif

/*
 * Libraries can add to what EXPLAIN says of a node of a plan since 18, when the
 * functions to do so moved to other headers, too.
 */
#if PG_VERSION_NUM >= 180000
#define VS_HAVE_EXPLAIN_HOOK
#endif

/* Index scans can be counted since 18. */
#if PG_VERSION_NUM >= 180000
#define vs_begin_scan_of_node(node) \
	index_beginscan((node)->ss.ss_currentRelation, (node)->iss_RelationDesc, \
					(node)->ss.ps.state->es_snapshot, &(node)->iss_Instrument, \
					(node)->iss_NumScanKeys, (node)->iss_NumOrderByKeys)
#define vs_index_beginscan(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, norderbys)
#else
#define vs_begin_scan_of_node(node) \
	index_beginscan((node)->ss.ss_currentRelation, (node)->iss_RelationDesc, \
					(node)->ss.ps.state->es_snapshot, \
					(node)->iss_NumScanKeys, (node)->iss_NumOrderByKeys)
#define vs_index_beginscan(heap, index, snapshot, nkeys, norderbys) \
	index_beginscan(heap, index, snapshot, nkeys, norderbys)
#endif

/* Scans of a range of row addresses came in 14. */
#if PG_VERSION_NUM >= 140000
#define VS_HAVE_TID_RANGE	true
#else
#define VS_HAVE_TID_RANGE	false
#endif

/* Reading a bitmap of rows took another form in 18. */
#include "nodes/tidbitmap.h"
#if PG_VERSION_NUM >= 180000
typedef TBMPrivateIterator VsBitmapIterator;
typedef TBMIterateResult VsBitmapPage;
#define vs_bitmap_begin(bitmap)			tbm_begin_private_iterate(bitmap)
#define vs_bitmap_next(iterator, page)	tbm_private_iterate(iterator, page)
#define vs_bitmap_end(iterator)			tbm_end_private_iterate(iterator)
#define vs_bitmap_block(page)			((page)->blockno)
#define vs_bitmap_is_lossy(page)		((page)->lossy)
#define vs_bitmap_copy(page, offsets, room) \
	tbm_extract_page_tuple(page, offsets, room)
#else
typedef TBMIterator VsBitmapIterator;
typedef TBMIterateResult * VsBitmapPage;
#define vs_bitmap_begin(bitmap)			tbm_begin_iterate(bitmap)
#define vs_bitmap_next(iterator, page)	((*(page) = tbm_iterate(iterator)) != NULL)
#define vs_bitmap_end(iterator)			tbm_end_iterate(iterator)
#define vs_bitmap_block(page)			((*(page))->blockno)
#define vs_bitmap_is_lossy(page)		((*(page))->ntuples < 0)
#define vs_bitmap_copy(page, offsets, room) \
	(memcpy(offsets, (*(page))->offsets, \
			sizeof(OffsetNumber) * (*(page))->ntuples), (*(page))->ntuples)
#endif

/* SHA-256 got a common interface in 14. */
#if PG_VERSION_NUM >= 140000
#include "common/cryptohash.h"
typedef pg_cryptohash_ctx VsSha256;
#define vs_sha256_create()			pg_cryptohash_create(PG_SHA256)
#define vs_sha256_init(ctx)			(pg_cryptohash_init(ctx) >= 0)
#define vs_sha256_update(ctx, data, len) \
	(pg_cryptohash_update(ctx, (const uint8 *) (data), len) >= 0)
#define vs_sha256_final(ctx, out)	(pg_cryptohash_final(ctx, out, 32) >= 0)
#define vs_sha256_free(ctx)			pg_cryptohash_free(ctx)
#else
/*
 * common/sha2.h of 13 includes headers of OpenSSL, which the server's do not
 * bring along.  OpenSSL's context has 112 bytes, the server's own 104.
 */
typedef struct VsSha256
{
	uint64		room[16];
} VsSha256;
extern void pg_sha256_init(VsSha256 *ctx);
extern void pg_sha256_update(VsSha256 *ctx, const uint8 *data, size_t len);
extern void pg_sha256_final(VsSha256 *ctx, uint8 *out);
#define vs_sha256_create()			((VsSha256 *) palloc(sizeof(VsSha256)))
#define vs_sha256_init(ctx)			(pg_sha256_init(ctx), true)
#define vs_sha256_update(ctx, data, len) \
	(pg_sha256_update(ctx, (const uint8 *) (data), len), true)
#define vs_sha256_final(ctx, out)	(pg_sha256_final(ctx, out), true)
#define vs_sha256_free(ctx)			pfree(ctx)
#endif

/*
 * How many parallel workers an index build should have.  The server works it
 * out for any access method that says that it can since 17; before, for btree
 * alone, but there is nothing special about that.
 */
#if PG_VERSION_NUM >= 170000
#define vs_set_can_build_parallel(am)	((am)->amcanbuildparallel = true)
#define vs_build_workers(heap, index, info)		((info)->ii_ParallelWorkers)
#else
#define vs_set_can_build_parallel(am)	((void) (am))
#define vs_build_workers(heap, index, info) \
	plan_create_index_workers(RelationGetRelid(heap), RelationGetRelid(index))
#endif

/* What the JSON parser calls returns whether to go on since 16. */
#if PG_VERSION_NUM >= 160000
#define VsJsonActionResult			JsonParseErrorType
#define VS_JSON_ACTION_DONE			return JSON_SUCCESS
#else
#define VsJsonActionResult			void
#define VS_JSON_ACTION_DONE			return
#endif

/* The JSON lexer can be on the stack since 17, and has its own end. */
#if PG_VERSION_NUM >= 170000
#define vs_make_json_lexer(text, len) \
	makeJsonLexContextCstringLen(NULL, text, len, PG_UTF8, true)
#define vs_free_json_lexer(lex)		freeJsonLexContext(lex)
#else
#define vs_make_json_lexer(text, len) \
	makeJsonLexContextCstringLen(text, len, PG_UTF8, true)
#define vs_free_json_lexer(lex)		pfree(lex)
#endif

#endif							/* VS_COMPAT_H */
