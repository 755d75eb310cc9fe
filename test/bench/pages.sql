-- Pages of a query since the last reset: read of the index item_v and of its
-- table, and found in the buffers.
SELECT round(i.idx_blks_read / n, 1), round(t.heap_blks_read / n, 1),
	round(s.shared_blks_hit / n, 1)
FROM pg_statio_user_indexes i
	JOIN pg_statio_user_tables t USING (relid),
	pg_stat_statements s
	JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database(),
	LATERAL (SELECT s.calls::numeric AS n) AS calls
WHERE i.indexrelname = 'item_v' AND s.query LIKE 'SELECT id FROM item %';
