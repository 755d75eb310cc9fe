-- Looking after an hnsw index: what it consists of, whether it is sound, how
-- much it finds, what a scan of it did.

CREATE FUNCTION hnsw_index_stats(index regclass,
		OUT rows bigint, OUT nodes bigint, OUT dead_nodes bigint, OUT free_nodes bigint,
		OUT nodes_by_level bigint[], OUT degree_by_level float8[], OUT max_degree integer,
		OUT stale_links float8, OUT orphans bigint, OUT unreachable bigint,
		OUT entry_level integer,
		OUT metric text, OUT dimensions integer, OUT m integer,
		OUT ef_construction integer, OUT ef_search integer,
		OUT row_format text, OUT code_bits integer, OUT code_dimensions integer,
		OUT link_places integer, OUT slot_bytes integer, OUT slots_per_page integer,
		OUT bytes bigint, OUT node_bytes bigint, OUT cell_bytes bigint,
		OUT revmap_bytes bigint, OUT revmap_more_bytes bigint, OUT unused_bytes bigint)
	AS 'MODULE_PATHNAME', 'vs_hnsw_index_stats'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 1000000;
COMMENT ON FUNCTION hnsw_index_stats(regclass) IS
	'what an hnsw index consists of, by reading all of it. rows: heap rows, dead ones too until VACUUM. nodes: those that live; equal vectors share one. dead_nodes: without rows, which an interrupted VACUUM left. free_nodes: places to be used again. nodes_by_level, degree_by_level: living nodes of each level from 0 on, and their mean number of links; max_degree: the most on level 0. stale_links: share of links that lead to no node of their level any more. orphans: nodes without a link to them on level 0; unreachable: nodes to which no links lead from the entry, whose rows a scan returns last. entry_level: where walks start, null without a row. metric, dimensions, m, ef_construction: of the index; ef_search: the setting now. row_format, code_bits, code_dimensions, link_places, slot_bytes, slots_per_page: how a node is stored. bytes: of the file, 8 kB of them the metapage; node_bytes, cell_bytes (further rows of nodes), revmap_bytes and revmap_more_bytes (from heap rows to nodes): of the kinds of pages; unused_bytes: of blocks that a crash left. Needs SELECT on the table, its ownership or pg_stat_scan_tables (42501)';

CREATE FUNCTION hnsw_check(index regclass, heapallindexed boolean DEFAULT false) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_hnsw_check'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 1000000;
COMMENT ON FUNCTION hnsw_check(regclass, boolean) IS
	'raises XX002 with block and node if an hnsw index is damaged: a page of another kind, a field that cannot be, a broken list, a node that the map of heap rows does not know, or the reverse; with heapallindexed also if a row of the table is missing, and tells how many nodes no link leads to. Queries, INSERT, UPDATE and DELETE go on meanwhile; VACUUM waits (SHARE UPDATE EXCLUSIVE lock on the table). During recovery only the pages by themselves are checked. Needs what VACUUM of the table needs (42501)';

CREATE FUNCTION hnsw_recall(index regclass, sample integer DEFAULT 100, k integer DEFAULT 10,
		ef integer DEFAULT NULL, target float8 DEFAULT 0.95, seed bigint DEFAULT 0,
		OUT sampled integer, OUT k integer, OUT ef_search integer,
		OUT recall float8, OUT index_ms float8, OUT exact_ms float8,
		OUT target float8, OUT suggested_ef_search integer,
		OUT tried_ef_search integer[], OUT tried_recall float8[])
	AS 'MODULE_PATHNAME', 'vs_hnsw_recall'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000000;
COMMENT ON FUNCTION hnsw_recall(regclass, integer, integer, integer, float8, bigint) IS
	'how many of the true k nearest rows an hnsw index finds, measured with sampled rows of the table as queries, each without itself among the answers, against one pass over the table; and the least hnsw.ef_search that finds the share target of them. sample (1 to 100,000) rows are chosen by seed, k is 1 to 10,000, ef (null: the setting) 1 to 1,000. sampled: how many rows were found to sample; recall: the share found with ef_search, an answer at the same distance as a true one counting as right; index_ms: mean milliseconds of a search, exact_ms: milliseconds of the pass over the table; suggested_ef_search: null if 1,000 does not reach target; tried_ef_search, tried_recall: what was measured on the way. Other hnsw settings hold as for a query. Needs SELECT on the table, and no row-level security that applies to the caller (42501)';

CREATE FUNCTION hnsw_prewarm(index regclass, what text DEFAULT 'all') RETURNS bigint
	AS 'MODULE_PATHNAME', 'vs_hnsw_prewarm'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 1000000;
COMMENT ON FUNCTION hnsw_prewarm(regclass, text) IS
	'reads an hnsw index into shared buffers: upper, the nodes above level 0, where every search begins; all, these and then the file from its start, until it is read or as many blocks are as shared buffers hold; returns how many blocks. 22023 for another word. Needs SELECT on the table, its ownership or pg_stat_scan_tables (42501)';

CREATE FUNCTION hnsw_last_scan(
		OUT index regclass, OUT ef_search integer, OUT searches bigint,
		OUT hops bigint, OUT upper_hops bigint, OUT links bigint,
		OUT blocks_hit bigint, OUT blocks_read bigint, OUT batches bigint,
		OUT rows bigint, OUT memory bigint, OUT ended text)
	AS 'MODULE_PATHNAME', 'vs_hnsw_last_scan_row'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION hnsw_last_scan() IS
	'what the last scan of an hnsw index in this session did, once it has ended; nulls before the first. searches: how often it was started with a query, more than once inside of a join; the sums over them of hops (nodes visited on level 0), upper_hops (above), links (neighbors priced), blocks_hit and blocks_read, batches (windows of ef_search nodes) and rows (handed to the executor, before its filters); of the last search ef_search, memory in bytes, and why it ended: enough (no more rows were wanted), exhausted (there are no more), first window (hnsw.iterative_scan is off), max_scan_tuples or memory (a limit was met)';
