-- Looking after an hnsw index: hnsw_index_stats, hnsw_check, hnsw_recall,
-- hnsw_prewarm, hnsw_last_scan.

SET jit = off;
-- Elements from -1 to 1, the same on every machine.
CREATE FUNCTION inspect_vector(seed bigint, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8extended(d, seed) & 65535) / 32768.0 - 1 ORDER BY d)::real[]::vector
	FROM generate_series(1, dims) d
$$;

-- No rows, one row, rows that are not in the index

CREATE TABLE inspect_few (id int, v vector(3)) WITH (autovacuum_enabled = off);
CREATE INDEX inspect_few_v ON inspect_few USING hnsw (v vector_cosine_ops) WITH (m = 5, ef_construction = 20);
SELECT rows, nodes, dead_nodes, free_nodes, nodes_by_level, degree_by_level, max_degree,
	stale_links, orphans, unreachable, entry_level FROM hnsw_index_stats('inspect_few_v');
SELECT metric, dimensions, m, ef_construction, ef_search, row_format, code_bits,
	code_dimensions, link_places, slots_per_page > 20 AS many_a_page, bytes, node_bytes,
	cell_bytes, revmap_bytes, revmap_more_bytes, unused_bytes FROM hnsw_index_stats('inspect_few_v');
SELECT hnsw_check('inspect_few_v', true);
SELECT * FROM hnsw_recall('inspect_few_v');
SELECT hnsw_prewarm('inspect_few_v'), hnsw_prewarm('inspect_few_v', 'upper');
INSERT INTO inspect_few VALUES (1, '[1,2,3]'), (2, NULL), (3, '[0,0,0]');
SELECT rows, nodes, orphans, unreachable, entry_level IS NOT NULL AS entered FROM hnsw_index_stats('inspect_few_v');
SELECT hnsw_check('inspect_few_v', true);
SELECT sampled, recall, suggested_ef_search FROM hnsw_recall('inspect_few_v');
INSERT INTO inspect_few VALUES (4, '[1,2,3]'), (5, '[3,2,1]');
SELECT rows, nodes, orphans, unreachable FROM hnsw_index_stats('inspect_few_v');
SELECT hnsw_check('inspect_few_v', true);
SELECT sampled, k, ef_search, recall, suggested_ef_search FROM hnsw_recall('inspect_few_v', k => 2, ef => 7);
-- as a sequence of states: deleted, vacuumed, all gone
DELETE FROM inspect_few WHERE id = 5;
SELECT rows, nodes FROM hnsw_index_stats('inspect_few_v');
SELECT hnsw_check('inspect_few_v', true);
SELECT sampled FROM hnsw_recall('inspect_few_v');
VACUUM inspect_few;
SELECT rows, nodes, dead_nodes, free_nodes FROM hnsw_index_stats('inspect_few_v');
SELECT hnsw_check('inspect_few_v', true);
DELETE FROM inspect_few;
VACUUM inspect_few;
SELECT rows, nodes, dead_nodes, free_nodes, nodes_by_level, entry_level FROM hnsw_index_stats('inspect_few_v');
SELECT hnsw_check('inspect_few_v', true);
INSERT INTO inspect_few VALUES (6, '[1,0,3]');
SELECT rows, nodes, free_nodes FROM hnsw_index_stats('inspect_few_v');
SELECT hnsw_check('inspect_few_v', true);
DROP TABLE inspect_few;

-- Values at the end of what floats can hold

CREATE TABLE inspect_odd (v vector(24));
INSERT INTO inspect_odd SELECT array_fill(x::real, ARRAY[24])::vector
	FROM unnest(ARRAY[3.4e38, -3.4e38, 1e30, 1e-38, 1e-45, 0, -1e-45]) x;
INSERT INTO inspect_odd SELECT (array_fill(0::real, ARRAY[23]) || x::real)::vector
	FROM unnest(ARRAY[3.4e38, -3.4e38, 1e-45]) x;
CREATE INDEX inspect_odd_l2 ON inspect_odd USING hnsw (v vector_l2_ops);
CREATE INDEX inspect_odd_ip ON inspect_odd USING hnsw (v vector_ip_ops);
CREATE INDEX inspect_odd_cosine ON inspect_odd USING hnsw (v vector_cosine_ops);
CREATE INDEX inspect_odd_l1 ON inspect_odd USING hnsw (v vector_l1_ops);
INSERT INTO inspect_odd SELECT v + v FROM inspect_odd WHERE l1_distance(v, v) = 0 AND vector_norm(v) < 1e30;
SELECT c.relname, hnsw_check(c.oid, true) FROM pg_class c WHERE relname ~ '^inspect_odd_' ORDER BY 1;
DROP TABLE inspect_odd;

-- Some thousand rows of all operator classes, a partial index and one of an
-- expression, with a history

CREATE TABLE inspect_many (id int, part int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO inspect_many SELECT i, i % 4, inspect_vector(i, 16) FROM generate_series(1, 1500) i;
-- parts of a whole, for the operator classes of distributions
UPDATE inspect_many SET v = v * v;
CREATE INDEX inspect_l2 ON inspect_many USING hnsw (v vector_l2_ops);
CREATE INDEX inspect_ip ON inspect_many USING hnsw (v vector_ip_ops);
CREATE INDEX inspect_cosine ON inspect_many USING hnsw (v vector_cosine_ops);
CREATE INDEX inspect_l1 ON inspect_many USING hnsw (v vector_l1_ops) WITH (m = 4, ef_construction = 16);
CREATE INDEX inspect_hellinger ON inspect_many USING hnsw (v vector_hellinger_ops);
CREATE INDEX inspect_jensen ON inspect_many USING hnsw (v vector_jensen_shannon_ops);
CREATE INDEX inspect_part ON inspect_many USING hnsw (v vector_l2_ops) WHERE part = 1;
CREATE INDEX "inspect ""expr" ON inspect_many USING hnsw ((subvector(v, 1, 8)::vector(8)) vector_l2_ops);
INSERT INTO inspect_many SELECT 10000 + id, part, v FROM inspect_many WHERE id <= 300;
INSERT INTO inspect_many VALUES (0, 1, NULL), (-1, 1, array_fill(0, ARRAY[16])::vector);
CREATE VIEW inspect_index AS SELECT c.oid::regclass AS index, c.relname AS name
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'inspect_many'::regclass;
-- one round of every function
CREATE VIEW inspect_round AS
	SELECT name, s.rows, s.nodes <= s.rows AS fewer_nodes, s.free_nodes > 0 AS freed,
		s.nodes_by_level[1] = s.nodes AND cardinality(s.nodes_by_level) = s.entry_level + 1 AS levels,
		s.degree_by_level[1] BETWEEN 5 AND s.max_degree AND s.max_degree <= s.link_places AS degree,
		s.stale_links < 0.1 AS fresh, s.unreachable < s.nodes / 2 AS reachable,
		s.bytes = 8192 + s.node_bytes + s.cell_bytes + s.revmap_bytes + s.revmap_more_bytes + s.unused_bytes AS sums,
		s.bytes = pg_relation_size(index) AS size, r.sampled, r.recall > 0.9 AS recalls,
		r.suggested_ef_search > 0 AS suggests, hnsw_prewarm(index) * 8192 = s.bytes AS all_warm
	FROM inspect_index, hnsw_index_stats(index) s, hnsw_recall(index, 20, ef => 60, target => 0.9) r
	ORDER BY name;
SELECT * FROM inspect_round;
-- which nodes no link leads to depends on how a machine rounds
SET client_min_messages = warning;
SELECT name, hnsw_check(index, true) FROM inspect_index ORDER BY name;
DELETE FROM inspect_many WHERE id % 3 = 0;
SELECT name, hnsw_check(index, true) FROM inspect_index ORDER BY name;
VACUUM inspect_many;
SELECT name, hnsw_check(index, true) FROM inspect_index ORDER BY name;
SELECT * FROM inspect_round;
INSERT INTO inspect_many SELECT 20000 + id, part, v FROM inspect_many WHERE id <= 600;
SELECT name, hnsw_check(index, true) FROM inspect_index ORDER BY name;
SELECT * FROM inspect_round;
RESET client_min_messages;
-- more ranges of nodes than one
SET maintenance_work_mem = '1MB';
SELECT hnsw_check('inspect_l2');
RESET maintenance_work_mem;

-- A wide search finds all, and the widths that were tried lead there; equal
-- seeds give equal samples
SELECT recall, tried_ef_search[1], tried_recall[1] FROM hnsw_recall('inspect_l2', 30, ef => 1000);
SELECT a.recall = b.recall AND a.tried_recall[1] = b.tried_recall[1] AND a.suggested_ef_search = b.suggested_ef_search AS equal
	FROM hnsw_recall('inspect_l1', 30, ef => 5, seed => 7) a, hnsw_recall('inspect_l1', 30, ef => 5, seed => 7) b;
SELECT (SELECT min(e) FROM unnest(tried_ef_search, tried_recall) t (e, r) WHERE r >= target) = suggested_ef_search AS least,
	recall = tried_recall[1] AS first, index_ms > 0 AND exact_ms > 0 AS timed
	FROM hnsw_recall('inspect_l1', 30, 20, 5, 0.9);
-- all neighbors there are
SELECT k, recall FROM hnsw_recall('inspect_part', 3, 1000, 1000);
SHOW hnsw.ef_search;

-- What a scan did

SET enable_seqscan = off;
SET enable_sort = off;
CREATE TABLE inspect_asked AS SELECT id FROM inspect_many ORDER BY v <-> inspect_vector(1, 16) LIMIT 5;
SELECT index, ef_search, searches, hops BETWEEN 40 AND 400 AS hops, upper_hops > 0 AS upper_hops,
	links > hops AS links, blocks_hit + blocks_read >= hops + upper_hops AS blocks, batches, rows, memory > 0 AS memory, ended
	FROM hnsw_last_scan();
-- why a scan ends: LIMIT is not met
CREATE FUNCTION why(query text) RETURNS TABLE (n bigint, ended text, batches bool, searches bigint, rows bigint)
	LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE 'WITH q AS MATERIALIZED (' || query || ') SELECT count(*) FROM q' INTO n;
	RETURN QUERY SELECT n, s.ended, s.batches > 1, s.searches, s.rows FROM hnsw_last_scan() s;
END
$$;
SELECT * FROM why('SELECT id FROM inspect_many ORDER BY v <-> inspect_vector(1, 16) LIMIT 100000');
SET hnsw.max_scan_tuples = 200;
SELECT n BETWEEN 200 AND 300 AS n, ended, batches FROM why('SELECT id FROM inspect_many ORDER BY v <-> inspect_vector(1, 16) LIMIT 100000');
RESET hnsw.max_scan_tuples;
SET hnsw.iterative_scan = off;
SELECT n BETWEEN 40 AND 80 AS n, ended, batches FROM why('SELECT id FROM inspect_many ORDER BY v <-> inspect_vector(1, 16) LIMIT 100000');
RESET hnsw.iterative_scan;
SET hnsw.ef_search = 10;
SELECT n, ended, batches, searches FROM why('SELECT n.id FROM generate_series(1, 7) q,
	LATERAL (SELECT id FROM inspect_many ORDER BY v <-> inspect_vector(q, 16) LIMIT 3) n');
RESET hnsw.ef_search;
RESET enable_seqscan;
RESET enable_sort;
DROP TABLE inspect_asked;

-- What cannot be looked at

SELECT hnsw_index_stats('inspect_many');
SELECT hnsw_check(0);
SELECT hnsw_check(NULL);
CREATE INDEX inspect_btree ON inspect_many (id);
SELECT hnsw_check('inspect_btree');
SELECT hnsw_recall('inspect_btree');
SELECT hnsw_prewarm('inspect_btree');
DROP INDEX inspect_btree;
CREATE TABLE inspect_parted (id int, v vector(3)) PARTITION BY RANGE (id);
CREATE TABLE inspect_parted_1 PARTITION OF inspect_parted FOR VALUES FROM (0) TO (10);
CREATE INDEX inspect_parted_v ON inspect_parted USING hnsw (v vector_l2_ops);
INSERT INTO inspect_parted VALUES (1, '[1,2,3]');
SELECT hnsw_index_stats('inspect_parted_v');
SELECT rows FROM hnsw_index_stats('inspect_parted_1_v_idx');
DROP TABLE inspect_parted;
SELECT hnsw_prewarm('inspect_l2', 'some');
SELECT hnsw_recall('inspect_l2', 0);
SELECT hnsw_recall('inspect_l2', k => 0);
SELECT hnsw_recall('inspect_l2', ef => 1001);
SELECT hnsw_recall('inspect_l2', target => 1.5);
SELECT hnsw_recall('inspect_l2', target => 'NaN');
SELECT hnsw_recall('inspect_l2', k => NULL);
-- temporary and unlogged ones can
CREATE TEMP TABLE inspect_temp (v vector(2));
INSERT INTO inspect_temp VALUES ('[1,2]'), ('[2,1]');
CREATE INDEX inspect_temp_v ON inspect_temp USING hnsw (v vector_l2_ops);
SELECT rows, hnsw_check('inspect_temp_v', true), hnsw_prewarm('inspect_temp_v') FROM hnsw_index_stats('inspect_temp_v');
DROP TABLE inspect_temp;
CREATE UNLOGGED TABLE inspect_unlogged (v vector(2));
INSERT INTO inspect_unlogged VALUES ('[1,2]'), ('[2,1]');
CREATE INDEX inspect_unlogged_v ON inspect_unlogged USING hnsw (v vector_l2_ops);
SELECT rows, hnsw_check('inspect_unlogged_v', true) FROM hnsw_index_stats('inspect_unlogged_v');
DROP TABLE inspect_unlogged;
-- a failed concurrent build
CREATE TABLE inspect_failed (v vector(2));
INSERT INTO inspect_failed VALUES ('[-1,2]');
CREATE INDEX CONCURRENTLY inspect_failed_v ON inspect_failed USING hnsw (v vector_hellinger_ops);
SELECT hnsw_index_stats('inspect_failed_v');
SELECT hnsw_check('inspect_failed_v');
DROP TABLE inspect_failed;

-- Rights

CREATE ROLE regress_inspect_owner;
CREATE ROLE regress_inspect_reader;
CREATE ROLE regress_inspect_monitor IN ROLE pg_stat_scan_tables;
CREATE ROLE regress_inspect_nobody;
ALTER TABLE inspect_many OWNER TO regress_inspect_owner;
GRANT SELECT ON inspect_many TO regress_inspect_reader;
CREATE FUNCTION may(role text, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SET LOCAL ROLE ' || role;
	EXECUTE 'SELECT ' || call;
	RESET ROLE;
	RETURN 'yes';
EXCEPTION WHEN OTHERS THEN
	RESET ROLE;
	RETURN SQLERRM;
END
$$;
SELECT call, may('regress_inspect_owner', call) AS owner, may('regress_inspect_reader', call) AS reader,
	may('regress_inspect_monitor', call) AS monitor, may('regress_inspect_nobody', call) AS nobody
	FROM unnest(ARRAY['hnsw_index_stats(''inspect_l2'')', 'hnsw_check(''inspect_l2'', true)',
		'hnsw_recall(''inspect_l2'')', 'hnsw_prewarm(''inspect_l2'')', 'hnsw_last_scan()']) call;
-- row-level security is not walked around
ALTER TABLE inspect_many ENABLE ROW LEVEL SECURITY;
SELECT may('regress_inspect_owner', 'hnsw_recall(''inspect_l2'')') AS owner,
	may('regress_inspect_reader', 'hnsw_recall(''inspect_l2'')') AS reader,
	may('regress_inspect_reader', 'hnsw_index_stats(''inspect_l2'')') AS figures;
ALTER TABLE inspect_many DISABLE ROW LEVEL SECURITY;
-- the owner's expressions do not run with the caller's rights
CREATE FUNCTION inspect_spy(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE NOTICE 'run as %', current_user;
	RETURN v;
END
$$;
CREATE TABLE inspect_spied (v vector(2));
INSERT INTO inspect_spied VALUES ('[1,2]');
ALTER TABLE inspect_spied OWNER TO regress_inspect_owner;
CREATE INDEX inspect_spied_v ON inspect_spied USING hnsw ((inspect_spy(v)::vector(2)) vector_l2_ops);
SELECT hnsw_check('inspect_spied_v', true);
SELECT sampled FROM hnsw_recall('inspect_spied_v');
SELECT current_user = session_user AS as_before;
DROP TABLE inspect_spied;
DROP FUNCTION inspect_spy(vector);
DROP FUNCTION may(text, text);
DROP FUNCTION why(text);
DROP VIEW inspect_round, inspect_index;
DROP TABLE inspect_many;
DROP FUNCTION inspect_vector(bigint, int);
DROP ROLE regress_inspect_owner, regress_inspect_reader, regress_inspect_monitor, regress_inspect_nobody;
