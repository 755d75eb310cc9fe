-- Filtered scans of hnsw indexes: conditions of every index type, by every
-- strategy, next to a sequential scan and a sort.

SET jit = off;
SET max_parallel_workers_per_gather = 0;
-- Elements from -1 to 1, the same on every machine.
CREATE FUNCTION filter_vector(seed bigint, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8extended(d, seed) & 65535) / 32768.0 - 1 ORDER BY d)::real[]::vector
	FROM generate_series(1, dims) d
$$;

CREATE TABLE filter_item (id int, cat int, price int, tags int[], at point, day int, name text, v vector(16))
	WITH (autovacuum_enabled = off);
INSERT INTO filter_item
	SELECT i, i % 100, i * 7919 % 1000, ARRAY[i % 10, 10 + i % 7],
		point(i % 64, i / 64), i / 50, 'n' || i % 300, filter_vector(i, 16)
	FROM generate_series(1, 6000) i;
CREATE INDEX filter_item_v ON filter_item USING hnsw (v vector_l2_ops);
CREATE INDEX filter_item_cat ON filter_item (cat);
CREATE INDEX filter_item_price ON filter_item (price);
CREATE INDEX filter_item_tags ON filter_item USING gin (tags);
CREATE INDEX filter_item_at ON filter_item USING gist (at);
CREATE INDEX filter_item_day ON filter_item USING brin (day) WITH (pages_per_range = 4);
CREATE INDEX filter_item_name ON filter_item USING hash (name);
CREATE INDEX filter_item_part ON filter_item (id) WHERE cat = 5;
VACUUM ANALYZE filter_item;

-- The plan of a query, without costs and what not every server says
CREATE FUNCTION filter_plan(query text, analyzed bool DEFAULT false) RETURNS SETOF text
	LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (COSTS off, TIMING off, SUMMARY off, ANALYZE %s) ',
			CASE WHEN analyzed THEN 'on' ELSE 'off' END) || query LOOP
		IF line !~ 'Buffers:|Heap Blocks|Index Pages|Index Searches|Order By|HNSW:|Disabled:|^ *Planning:' THEN
			RETURN NEXT regexp_replace(regexp_replace(regexp_replace(line, ' \(actual .*', ''),
				'Visited: [1-9]\d*|Compared: [1-9]\d{3,}|Filter: \d{4,}', 'many nodes'), '''\[.*\]''::vector', 'q');
		END IF;
	END LOOP;
END
$$;

-- The k nearest that satisfy a condition, by a strategy and by sorting all:
-- how many come, whether all satisfy it and each comes once, whether as many
-- come as there are, and how many of them are among the true ones.
CREATE FUNCTION filtered(cond text, k int, strategy text, seed bigint,
		OUT n bigint, OUT satisfied bool, OUT complete bool, OUT recall numeric, OUT plan_ok bool)
	LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id, v <-> filter_vector(%s, 16) AS d FROM filter_item WHERE (%s) ORDER BY v <-> filter_vector(%s, 16) LIMIT %s', seed, cond, seed, k);
	got int[];
	truth int[];
	line text;
BEGIN
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_sort = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT array_agg(id) FROM (%s) q', query) INTO truth;
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	EXECUTE format('SET LOCAL vecsearch.filter_strategy = %s', strategy);
	plan_ok := false;
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		plan_ok := plan_ok OR line LIKE '%FilteredVectorScan%';
	END LOOP;
	EXECUTE format('SELECT array_agg(id) FROM (%s) q', query) INTO got;
	SET LOCAL vecsearch.filter_strategy = auto;
	EXECUTE format('SELECT count(*), coalesce(bool_and(%s), true) FROM filter_item WHERE id = ANY ($1)', cond)
		INTO n, satisfied USING got;
	complete := cardinality(coalesce(got, '{}')) = cardinality(coalesce(truth, '{}')) AND n = cardinality(coalesce(got, '{}'));
	SELECT round(CASE WHEN truth IS NULL THEN 1 ELSE count(*)::numeric / cardinality(truth) END, 3) INTO recall
		FROM unnest(got) g WHERE g = ANY (truth);
END
$$;

-- The plan

SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5', true);
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE price < 150 AND cat IN (1, 2, 3) AND tags @> ARRAY[1] ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE price < 900 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5', true);
-- with parallel plans in question, and in a worker
RESET max_parallel_workers_per_gather;
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
SELECT count(set_config(name, 'on', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT count(*), bool_and(cat = 3) AS satisfied FROM (
	SELECT cat FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5) q;
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET max_parallel_workers_per_gather = 0;
-- no conditions, or none that an index knows of
SELECT * FROM filter_plan('SELECT id FROM filter_item ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE price % 7 = 1 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
-- switched off, by each of the settings that say so
SET enable_bitmapscan = off;
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
RESET enable_bitmapscan;
SET enable_indexscan = off;
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
RESET enable_indexscan;
SET vecsearch.enable_filtered_scan = off;
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5');
RESET vecsearch.enable_filtered_scan;
SET vecsearch.filter_strategy = wrong;

-- Conditions of all index types, by all strategies.  The exact one finds what
-- sorting finds; of the others only what is certain is shown.

CREATE TABLE filter_cond (cond text);
INSERT INTO filter_cond VALUES ('cat = 7'), ('cat = 1000'), ('cat = 7 AND price = -1'),
	('price BETWEEN 100 AND 110'), ('price < 300'), ('price < 700'), ('price >= 0'),
	('tags @> ARRAY[3, 12]'), ('tags && ARRAY[3, 4]'), ('at <@ box ''(10,10),(20,20)'''),
	('at <@ circle ''<(30,30),3>'''), ('day = 17'), ('day BETWEEN 10 AND 60'),
	('name = ''n77'''), ('cat = 5 AND id < 3000'), ('cat = 1 OR price = 77'),
	('cat IN (1, 2, 3) AND price < 500 AND tags && ARRAY[1, 2]'),
	('price < 500 AND id % 3 = 0'), ('cat < 50 AND price % 50 = 0 AND name <> ''n1''');
SELECT cond, f.n, satisfied, complete, recall, plan_ok
	FROM filter_cond, filtered(cond, 10, 'exact', -1) f;
SELECT strategy, k, bool_and(satisfied) AS satisfied, bool_and(complete) AS complete,
		avg(recall) >= 0.95 AS recalled, bool_and(plan_ok) AS planned
	FROM filter_cond, (VALUES ('auto'), ('exact'), ('guided')) s (strategy),
		(VALUES (1), (10), (100), (1000)) l (k), filtered(cond, k, strategy, -2)
	GROUP BY 1, 2 ORDER BY 1, 2;

-- Rows that come and go

UPDATE filter_item SET price = price + 1 WHERE id % 5 = 0;
UPDATE filter_item SET v = filter_vector(id + 10000, 16) WHERE id % 11 = 0;
DELETE FROM filter_item WHERE id % 13 = 0;
INSERT INTO filter_item SELECT id + 6000, cat, price, tags, at, day, name, v FROM filter_item WHERE id <= 300;
SELECT strategy, bool_and(satisfied) AS satisfied, bool_and(complete) AS complete,
		avg(recall) >= 0.95 AS recalled
	FROM filter_cond, (VALUES ('auto'), ('exact')) s (strategy), filtered(cond, 20, strategy, -3)
	GROUP BY 1 ORDER BY 1;
VACUUM (INDEX_CLEANUP on) filter_item;
INSERT INTO filter_item SELECT id + 20000, cat, price, tags, at, day, name, filter_vector(id + 20000, 16)
	FROM filter_item WHERE id BETWEEN 1000 AND 1500;
SELECT strategy, bool_and(satisfied) AS satisfied, bool_and(complete) AS complete,
		avg(recall) >= 0.95 AS recalled
	FROM filter_cond, (VALUES ('auto'), ('exact')) s (strategy), filtered(cond, 20, strategy, -4)
	GROUP BY 1 ORDER BY 1;

-- Order: rows by distance, whatever the width of the first pass

SET hnsw.ef_search = 1;
SELECT bool_and(complete) AS complete, bool_and(recall > 0.99) AS exact
	FROM filter_cond, filtered(cond, 300, 'exact', -5);
SET enable_seqscan = off;
SET enable_sort = off;
SET vecsearch.filter_strategy = exact;
SELECT count(*), count(*) FILTER (WHERE d < before) AS unordered FROM (
	SELECT d, lag(d) OVER () AS before FROM (
		SELECT v <-> filter_vector(-6, 16) AS d FROM filter_item WHERE price < 400
		ORDER BY v <-> filter_vector(-6, 16) LIMIT 1500) q) r;
RESET vecsearch.filter_strategy;
RESET hnsw.ef_search;

-- A bitmap that does not fit into work_mem has whole pages

SET work_mem = '64kB';
SELECT bool_and(satisfied) AS satisfied, bool_and(complete) AS complete, avg(recall) >= 0.95 AS recalled
	FROM filter_cond, filtered(cond, 10, 'auto', -7);
RESET work_mem;

-- An estimate that is wrong: nearly all rows pass, it says; near the query none do

CREATE TABLE filter_far (id int, near bool, kind int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO filter_far SELECT i, i % 8 <> 0, 1, CASE WHEN i % 8 <> 0 THEN filter_vector(i, 16)
		ELSE filter_vector(i, 16) + ('[' || repeat('9,', 15) || '9]')::vector END
	FROM generate_series(1, 6000) i;
CREATE INDEX filter_far_v ON filter_far USING hnsw (v vector_l2_ops);
CREATE INDEX filter_far_kind ON filter_far (kind);
ANALYZE filter_far;
UPDATE filter_far SET kind = 2 WHERE near;
SELECT * FROM filter_plan('SELECT id FROM filter_far WHERE kind = 1 ORDER BY v <-> filter_vector(-1, 16) LIMIT 5', true);
SELECT count(*), bool_and(kind = 1) AS satisfied FROM (
	SELECT kind FROM filter_far WHERE kind = 1 ORDER BY v <-> filter_vector(-1, 16) LIMIT 700) q;

-- A radius: the scan ends where no row can be within it

SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE v <-> filter_vector(-1, 16) < 1.2 ORDER BY v <-> filter_vector(-1, 16) LIMIT 50', true);
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE 1.2 >= filter_vector(-1, 16) <-> v AND cat < 50 ORDER BY v <-> filter_vector(-1, 16) LIMIT 50', true);
-- not a radius: a lower bound, another distance, another query
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE v <-> filter_vector(-1, 16) > 1.2 ORDER BY v <-> filter_vector(-1, 16) LIMIT 50');
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE v <=> filter_vector(-1, 16) < 0.2 ORDER BY v <-> filter_vector(-1, 16) LIMIT 50');
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE v <-> filter_vector(-2, 16) < 1.2 ORDER BY v <-> filter_vector(-1, 16) LIMIT 50');
CREATE TABLE filter_radius (name text, op text, class text);
INSERT INTO filter_radius VALUES ('l2', '<->', 'vector_l2_ops'), ('ip', '<#>', 'vector_ip_ops'),
	('cosine', '<=>', 'vector_cosine_ops'), ('l1', '<+>', 'vector_l1_ops');
-- by every metric and for many radii: as many rows as there are within, none beyond
CREATE FUNCTION within(op text, seed bigint, share float8, extra text, ordered bool, OUT satisfied bool, OUT got int, OUT wanted int, OUT ended bool)
	LANGUAGE plpgsql AS $$
DECLARE
	q text := quote_literal(filter_vector(seed, 16)) || '::vector';
	r float8;
	line text;
	query text;
BEGIN
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT percentile_disc(%s) WITHIN GROUP (ORDER BY v %s %s) FROM filter_item WHERE v IS NOT NULL', share, op, q) INTO r;
	EXECUTE format('SELECT count(*) FROM filter_item WHERE v %s %s <= %L::float8 %s', op, q, r, extra) INTO wanted;
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	query := format('SELECT v %s %s AS d FROM filter_item WHERE v %1$s %2$s <= %3$L::float8 %4$s', op, q, r, extra)
		|| CASE WHEN ordered THEN format(' ORDER BY v %s %s', op, q) ELSE '' END;
	EXECUTE format('SELECT count(*), coalesce(bool_and(d <= %L::float8), true) FROM (%s) s', r, query) INTO got, satisfied;
	ended := false;
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off) ' || query LOOP
		ended := ended OR line LIKE '%Ended: at the radius%';
	END LOOP;
END
$$;
DO $$
DECLARE
	metric record;
BEGIN
	FOR metric IN SELECT * FROM filter_radius LOOP
		EXECUTE format('CREATE INDEX filter_item_%s ON filter_item USING hnsw (v %s)', metric.name, metric.class);
	END LOOP;
END
$$;
SET hnsw.ef_search = 100;
SELECT name, extra, ordered, bool_and(satisfied) AS satisfied, bool_and(got <= wanted) AS none_beyond,
		sum(got)::float8 / sum(wanted) >= 0.95 AS recalled, bool_and(ended) AS ended
	FROM filter_radius, (VALUES (0.0005), (0.005), (0.05)) s (share), (VALUES (''), ('AND price < 300')) e (extra),
		(VALUES (true), (false)) o (ordered), generate_series(-20, -16) seed, within(op, seed, share, extra, ordered)
	WHERE ordered OR extra = ''
	GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- none is missing if all nodes are looked at, by force or at the end of what a scan may visit
SET vecsearch.filter_strategy = exact;
SELECT name, ordered, bool_and(satisfied) AS satisfied, bool_and(got = wanted) AS all_found
	FROM filter_radius, (VALUES (0.0005), (0.05), (0.9), (1)) s (share), (VALUES (true), (false)) o (ordered),
		generate_series(-20, -18) seed, within(op, seed, share, '', ordered)
	GROUP BY 1, 2 ORDER BY 1, 2;
RESET vecsearch.filter_strategy;
SET hnsw.max_scan_tuples = 200;
SELECT name, ordered, bool_and(satisfied) AS satisfied, bool_and(got = wanted) AS all_found
	FROM filter_radius, (VALUES (0.9), (1)) s (share), (VALUES (true), (false)) o (ordered),
		generate_series(-20, -18) seed, within(op, seed, share, '', ordered)
	GROUP BY 1, 2 ORDER BY 1, 2;
RESET hnsw.max_scan_tuples;
RESET hnsw.ef_search;
DROP INDEX filter_item_l2, filter_item_ip, filter_item_cosine, filter_item_l1;
-- without ORDER BY: not for what is changed, nor where a bitmap has fewer rows
SET enable_seqscan = off;
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE filter_vector(-1, 16) <-> v < 1.2');
SELECT * FROM filter_plan('DELETE FROM filter_item WHERE v <-> filter_vector(-1, 16) < 1.2');
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE v <-> filter_vector(-1, 16) < 1.2 AND cat = 5 AND price < 5');
SELECT * FROM filter_plan('SELECT q.i, count(*) FROM generate_series(1, 3) q (i) JOIN filter_item n ON n.cat = q.i WHERE v <-> filter_vector(-1, 16) < 1.2 GROUP BY 1');
SELECT count(*) FROM filter_item WHERE v <-> NULL < 1.2;
SELECT count(*) FROM filter_item WHERE v <-> '[1,2]' < 1.2;
RESET enable_seqscan;
-- NULL, NaN and infinity as radius; a radius that is a parameter of a rescan
PREPARE filter_radius_query (float8) AS SELECT count(*) FROM (SELECT id FROM filter_item
	WHERE v <-> filter_vector(-1, 16) < $1 ORDER BY v <-> filter_vector(-1, 16) LIMIT 30) q;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_sort = off;
EXECUTE filter_radius_query (NULL);
EXECUTE filter_radius_query ('NaN');
EXECUTE filter_radius_query ('Infinity');
EXECUTE filter_radius_query ('-Infinity');
SELECT r.radius, count(n.d), max(n.d) < r.radius AS within FROM (VALUES (1.2::float8), (1.5), (2)) r (radius)
	LEFT JOIN LATERAL (SELECT v <-> filter_vector(-1, 16) AS d FROM filter_item
		WHERE v <-> filter_vector(-1, 16) < r.radius ORDER BY v <-> filter_vector(-1, 16) LIMIT 25) n ON true
	GROUP BY 1 ORDER BY 1;
RESET plan_cache_mode;

-- Parameters: a generic plan, LATERAL, LIMIT and OFFSET as parameters

PREPARE filter_query (int, vector, int, int) AS
	SELECT id FROM filter_item WHERE cat = $1 ORDER BY v <-> $2 LIMIT $3 OFFSET $4;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM filter_plan('EXECUTE filter_query (3, filter_vector(-1, 16), 2, 1)');
CREATE TABLE filter_got AS EXECUTE filter_query (3, filter_vector(-1, 16), 3, 2);
SET enable_indexscan = off;
SET enable_seqscan = on;
SET enable_sort = on;
SELECT count(*) FROM filter_got JOIN (SELECT id FROM filter_item WHERE cat = 3
	ORDER BY v <-> filter_vector(-1, 16) LIMIT 3 OFFSET 2) t USING (id);
RESET enable_indexscan;
RESET plan_cache_mode;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT * FROM filter_plan('SELECT q.i, n.id FROM generate_series(1, 3) q (i), LATERAL (
	SELECT id FROM filter_item WHERE cat = q.i ORDER BY v <-> filter_vector(q.i, 16) LIMIT 2) n');
SELECT q.i, count(*), bool_and(n.cat = q.i) AS satisfied FROM generate_series(1, 5) q (i), LATERAL (
	SELECT id, cat FROM filter_item WHERE cat = q.i ORDER BY v <-> filter_vector(q.i, 16) LIMIT 20) n
	GROUP BY 1 ORDER BY 1;
-- the bitmap serves all searches if its conditions do not change
SELECT * FROM filter_plan('SELECT q.i, n.id FROM generate_series(1, 4) q (i), LATERAL (
	SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(q.i, 16) LIMIT 2) n', true);

-- Cursors, views, row security, row locks, partitions

BEGIN;
DECLARE filter_cursor SCROLL CURSOR WITH HOLD FOR
	SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 4;
FETCH 3 FROM filter_cursor;
FETCH BACKWARD 2 FROM filter_cursor;
COMMIT;
FETCH 2 FROM filter_cursor;
CLOSE filter_cursor;
-- Some servers (13.16, 18.6) lose the ctid of rows whose order the executor
-- settles, and cannot lock them, here as with their own indexes.
SET vecsearch.rerank = off;
SELECT count(*) FROM (SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 4 FOR UPDATE) q;
RESET vecsearch.rerank;
CREATE TABLE filter_polygon (p polygon);
INSERT INTO filter_polygon SELECT polygon(3, circle(point(i * 37 % 100 + 10, i * 61 % 100 + 10), 1 + i % 7))
	FROM generate_series(1, 1000) i;
CREATE INDEX ON filter_polygon USING gist (p);
CREATE FUNCTION filter_locked(query text) RETURNS bigint
	LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (%s LIMIT 4 FOR UPDATE) q', query) INTO n;
	RETURN n;
EXCEPTION WHEN internal_error THEN
	RETURN NULL;
END
$$;
SELECT filter_locked('SELECT id FROM filter_item WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16)')
	IS NOT DISTINCT FROM filter_locked('SELECT p FROM filter_polygon ORDER BY p <-> point(0,0)') AS as_with_gist;
DROP TABLE filter_polygon;
CREATE VIEW filter_view WITH (security_barrier) AS SELECT * FROM filter_item WHERE price < 500;
SELECT * FROM filter_plan('SELECT id FROM filter_view WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 4');
CREATE ROLE filter_reader;
GRANT SELECT ON filter_item, filter_cond TO filter_reader;
ALTER TABLE filter_item ENABLE ROW LEVEL SECURITY;
CREATE POLICY filter_policy ON filter_item TO filter_reader USING (cat < 10);
SET ROLE filter_reader;
SELECT * FROM filter_plan('SELECT id FROM filter_item WHERE price < 100 ORDER BY v <-> filter_vector(-1, 16) LIMIT 4');
SELECT count(*), max(cat) < 10 AS allowed FROM (
	SELECT cat FROM filter_item WHERE price < 100 ORDER BY v <-> filter_vector(-1, 16) LIMIT 40) q;
RESET ROLE;
CREATE TABLE filter_parts (id int, cat int, v vector(16)) PARTITION BY RANGE (id);
CREATE TABLE filter_part1 PARTITION OF filter_parts FOR VALUES FROM (0) TO (1000);
CREATE TABLE filter_part2 PARTITION OF filter_parts FOR VALUES FROM (1000) TO (2000);
INSERT INTO filter_parts SELECT id, cat, v FROM filter_item WHERE id < 2000;
CREATE INDEX ON filter_parts USING hnsw (v vector_l2_ops);
CREATE INDEX ON filter_parts (cat);
VACUUM ANALYZE filter_parts;
SELECT * FROM filter_plan('SELECT id FROM filter_parts WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 4');
SELECT count(*), bool_and(cat = 3) AS satisfied FROM (
	SELECT cat FROM filter_parts WHERE cat = 3 ORDER BY v <-> filter_vector(-1, 16) LIMIT 15) q;

-- Equal vectors share a node; each row is tested

CREATE TABLE filter_same (id int, cat int, v vector(3)) WITH (autovacuum_enabled = off);
INSERT INTO filter_same SELECT i, i % 4, ARRAY[i % 5, 1, 2]::vector FROM generate_series(1, 400) i;
CREATE INDEX filter_same_v ON filter_same USING hnsw (v vector_cosine_ops);
CREATE INDEX filter_same_cat ON filter_same (cat);
SELECT count(*), bool_and(cat = 2) AS satisfied FROM (
	SELECT cat FROM filter_same WHERE cat = 2 ORDER BY v <=> '[1,1,1]' LIMIT 1000) q;
SET vecsearch.filter_strategy = exact;
SELECT count(*), bool_and(cat = 2) AS satisfied FROM (
	SELECT cat FROM filter_same WHERE cat = 2 ORDER BY v <=> '[1,1,1]' LIMIT 1000) q;
SET vecsearch.filter_strategy = guided;
SELECT count(*), bool_and(cat = 2) AS satisfied FROM (
	SELECT cat FROM filter_same WHERE cat = 2 ORDER BY v <=> '[1,1,1]' LIMIT 1000) q;
RESET vecsearch.filter_strategy;
-- NULL as query: all rows tie
SELECT count(*) FROM (SELECT id FROM filter_same WHERE cat = 2 ORDER BY v <=> NULL::vector LIMIT 1000) q;
-- an empty table
CREATE TABLE filter_none (cat int, v vector(3));
CREATE INDEX ON filter_none USING hnsw (v vector_l2_ops);
CREATE INDEX ON filter_none (cat);
SELECT count(*) FROM (SELECT cat FROM filter_none WHERE cat = 1 ORDER BY v <-> '[1,2,3]' LIMIT 10) q;

DROP OWNED BY filter_reader;
DROP ROLE filter_reader;
DROP VIEW filter_view;
DROP FUNCTION within;
DROP TABLE filter_radius, filter_item, filter_cond, filter_far, filter_got, filter_parts, filter_same, filter_none;
DROP FUNCTION filtered, filter_plan, filter_vector;
