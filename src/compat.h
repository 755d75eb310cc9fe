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

#endif							/* VS_COMPAT_H */
