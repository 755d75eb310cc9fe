-- The access method hnsw: what its scans return, next to what a sequential
-- scan and a sort return, through everything that can happen to a table.

-- Plans that are forced look dear, and compiling them takes longer than the rest.
SET jit = off;

-- Rows of a query, which returns (id, distance), by the index or without it.
CREATE FUNCTION by_index(query text) RETURNS TABLE (n bigint, id int, distance double precision)
	LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT row_number() OVER (), * FROM (%s) q', query);
END
$$;
CREATE FUNCTION by_heap(query text) RETURNS TABLE (n bigint, id int, distance double precision)
	LANGUAGE plpgsql SET enable_indexscan = off AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT row_number() OVER (), * FROM (%s) q', query);
END
$$;
-- Does the plan of a query scan this index?
CREATE FUNCTION scans(query text, index text) RETURNS bool
	LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line LIKE '%Index Scan using ' || index || ' on%' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;
-- Both answers side by side.  found counts true rows among the index's; two
-- rows at the same distance are as good as each other.  unordered counts rows
-- that are nearer than the one before.
CREATE FUNCTION compared(query text, OUT by_index bigint, OUT by_heap bigint,
		OUT twice bigint, OUT unordered bigint, OUT found bigint)
	LANGUAGE sql AS $$
	WITH i AS MATERIALIZED (SELECT * FROM by_index(query)),
		h AS MATERIALIZED (SELECT * FROM by_heap(query)),
		o AS (SELECT distance < lag(distance) OVER (ORDER BY n) AS back FROM i)
	SELECT (SELECT count(*) FROM i), (SELECT count(*) FROM h),
		(SELECT count(*) - count(DISTINCT id) FROM i),
		(SELECT count(*) FROM o WHERE back),
		(SELECT count(*) FROM i WHERE distance <= (SELECT max(distance) FROM h))
$$;
-- Elements from -1 to 1, the same on every machine.
CREATE FUNCTION test_vector(seed bigint, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8extended(d, seed) & 65535) / 32768.0 - 1 ORDER BY d)::real[]::vector
	FROM generate_series(1, dims) d
$$;

-- Operator classes on literal data

CREATE TABLE hnsw_small (id int PRIMARY KEY, v vector(2));
INSERT INTO hnsw_small VALUES (1, '[0,0]'), (2, '[1,0]'), (3, '[0,2]'), (4, '[3,3]'),
	(5, '[-4,1]'), (6, '[5,-5]'), (7, NULL), (8, '[0.5,0.1]'), (9, '[-1,-1]');
CREATE INDEX hnsw_small_l2 ON hnsw_small USING hnsw (v vector_l2_ops);
CREATE INDEX hnsw_small_ip ON hnsw_small USING hnsw (v vector_ip_ops);
CREATE INDEX hnsw_small_cosine ON hnsw_small USING hnsw (v vector_cosine_ops);
CREATE INDEX hnsw_small_l1 ON hnsw_small USING hnsw (v vector_l1_ops);

SELECT name, scans(query, 'hnsw_small_' || name) AS scanned,
	(SELECT string_agg(id || ':' || round(distance::numeric, 3), ' ' ORDER BY n) FROM by_index(query)) AS by_index,
	(SELECT string_agg(id || ':' || round(distance::numeric, 3), ' ' ORDER BY n) FROM by_heap(query)) AS by_heap
	FROM (VALUES ('l2', 'SELECT id, v <-> ''[1,0.1]'' FROM hnsw_small ORDER BY v <-> ''[1,0.1]'' LIMIT 8'),
		('ip', 'SELECT id, v <#> ''[1,0.1]'' FROM hnsw_small ORDER BY v <#> ''[1,0.1]'' LIMIT 8'),
		('cosine', 'SELECT id, v <=> ''[1,0.1]'' FROM hnsw_small WHERE id <> 1 ORDER BY v <=> ''[1,0.1]'' LIMIT 7'),
		('l1', 'SELECT id, v <+> ''[1,0.1]'' FROM hnsw_small ORDER BY v <+> ''[1,0.1]'' LIMIT 8')) t (name, query);
-- NULLs are in no index, zero vectors not in one by cosine; the order is a
-- total one all the same
SELECT count(*) FROM by_index('SELECT id, v <-> ''[1,0]'' FROM hnsw_small ORDER BY v <-> ''[1,0]'' LIMIT 20');
SELECT array_agg(id ORDER BY id) FROM by_index('SELECT id, v <=> ''[1,0]'' FROM hnsw_small ORDER BY v <=> ''[1,0]'' LIMIT 20');
-- a zero query by cosine and a NULL query: rows in any order, each once
SELECT count(*), count(DISTINCT id), bool_and(distance = 'NaN')
	FROM by_index('SELECT id, v <=> ''[0,0]'' FROM hnsw_small ORDER BY v <=> ''[0,0]'' LIMIT 20');
SET enable_seqscan = off;
SET plan_cache_mode = force_generic_plan;
PREPARE near AS SELECT id, v <-> $1 AS distance FROM hnsw_small ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (COSTS OFF) EXECUTE near ('[1,0.1]', 2);
EXECUTE near ('[1,0.1]', 2);
EXECUTE near ('[-4,1]', 1);
CREATE TABLE hnsw_prepared AS EXECUTE near (NULL, 20);
SELECT count(*), count(DISTINCT id), count(distance) FROM hnsw_prepared;
EXECUTE near ('[1,2,3]', 1);
EXECUTE near ('[3,3]', 1);
DEALLOCATE near;
RESET plan_cache_mode;
RESET enable_seqscan;
DROP TABLE hnsw_small, hnsw_prepared;

-- No rows and one row

CREATE TABLE hnsw_few (id int, v vector(3));
CREATE INDEX hnsw_few_v ON hnsw_few USING hnsw (v vector_l2_ops);
SELECT * FROM by_index('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_few ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
INSERT INTO hnsw_few VALUES (1, '[1,2,4]');
SELECT * FROM by_index('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_few ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
DELETE FROM hnsw_few;
SELECT * FROM by_index('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_few ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
VACUUM hnsw_few;
SELECT * FROM by_index('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_few ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
INSERT INTO hnsw_few VALUES (2, '[1,2,5]'), (3, NULL), (4, '[1,2,1]');
SELECT * FROM by_index('SELECT id, v <-> ''[1,2,3.1]'' FROM hnsw_few ORDER BY v <-> ''[1,2,3.1]'' LIMIT 5');
TRUNCATE hnsw_few;
SELECT * FROM by_index('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_few ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
INSERT INTO hnsw_few VALUES (5, '[1,2,3]');
SELECT * FROM by_index('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_few ORDER BY v <-> ''[1,2,3]'' LIMIT 5');
DROP TABLE hnsw_few;

-- Some thousand rows: half there when the index is built, half inserted

CREATE TABLE hnsw_many (id int, part int, v vector(24));
INSERT INTO hnsw_many SELECT i, i % 100, test_vector(i, 24) FROM generate_series(1, 1500) i;
CREATE INDEX hnsw_many_l2 ON hnsw_many USING hnsw (v vector_l2_ops);
CREATE INDEX hnsw_many_ip ON hnsw_many USING hnsw (v vector_ip_ops);
CREATE INDEX hnsw_many_cosine ON hnsw_many USING hnsw (v vector_cosine_ops);
CREATE INDEX hnsw_many_l1 ON hnsw_many USING hnsw (v vector_l1_ops);
INSERT INTO hnsw_many SELECT i, i % 100, test_vector(i, 24) FROM generate_series(1501, 3000) i;
ANALYZE hnsw_many;

CREATE VIEW hnsw_near AS
	SELECT name, q, k, format('SELECT id, v %s test_vector(%s, 24) FROM hnsw_many ORDER BY v %1$s test_vector(%2$s, 24) LIMIT %s', op, -q, k) AS query
	FROM (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) t (name, op),
		generate_series(1, 20) q, (VALUES (10), (300)) l (k);
SELECT name, k, bool_and(scans(query, 'hnsw_many_' || name)) AS scanned,
	sum(by_index) AS by_index, sum(by_heap) AS by_heap, sum(twice) AS twice,
	sum(unordered) AS unordered, avg(found) / k >= 0.9 AS near_enough
	FROM hnsw_near, compared(query) GROUP BY name, k ORDER BY name, k;
-- all rows, to the last; those that the scan meets too late for their place in
-- the order come at the end
SET hnsw.max_scan_tuples = 1000000;
SELECT name, by_index, by_heap, twice, found, unordered < 30 AS nearly_ordered
	FROM hnsw_near, compared(replace(query, 'LIMIT 10', 'LIMIT 5000')) WHERE q = 1 AND k = 10 ORDER BY name;
RESET hnsw.max_scan_tuples;
-- wide enough, the answer is exact
SET hnsw.ef_search = 1000;
SELECT name, sum(by_index) AS by_index, sum(unordered) AS unordered, sum(found) AS found
	FROM hnsw_near, compared(query) WHERE k = 10 GROUP BY name ORDER BY name;
RESET hnsw.ef_search;

-- LIMIT, OFFSET, filters and the settings of a scan

CREATE FUNCTION settings(ef int, iterative text, tuples int) RETURNS text LANGUAGE sql AS $$
	SELECT set_config('hnsw.ef_search', ef::text, false) || ' '
		|| set_config('hnsw.iterative_scan', iterative, false) || ' '
		|| set_config('hnsw.max_scan_tuples', tuples::text, false)
$$;
-- a LIMIT beyond ef_search is honoured, unless iterative_scan is off
SELECT settings(1, 'strict_order', 20000);
SELECT by_index, twice, unordered
	FROM compared('SELECT id, v <-> test_vector(-1, 24) FROM hnsw_many ORDER BY v <-> test_vector(-1, 24) LIMIT 100');
SELECT settings(40, 'strict_order', 20000);
SELECT by_index, twice, unordered
	FROM compared('SELECT id, v <-> test_vector(-1, 24) FROM hnsw_many ORDER BY v <-> test_vector(-1, 24) LIMIT 200');
SELECT settings(40, 'relaxed_order', 20000);
SELECT by_index, twice
	FROM compared('SELECT id, v <-> test_vector(-1, 24) FROM hnsw_many ORDER BY v <-> test_vector(-1, 24) LIMIT 200');
SELECT settings(40, 'off', 20000);
SELECT by_index, twice, unordered
	FROM compared('SELECT id, v <-> test_vector(-1, 24) FROM hnsw_many ORDER BY v <-> test_vector(-1, 24) LIMIT 200');
SELECT settings(1, 'off', 20000);
SELECT by_index
	FROM compared('SELECT id, v <-> test_vector(-1, 24) FROM hnsw_many ORDER BY v <-> test_vector(-1, 24) LIMIT 200');
-- a filter that one row in a hundred passes
SELECT settings(40, 'strict_order', 20000);
SELECT by_index, by_heap, twice, unordered, found
	FROM compared('SELECT id, v <-> test_vector(-2, 24) FROM hnsw_many WHERE part = 7 ORDER BY v <-> test_vector(-2, 24) LIMIT 20');
SELECT settings(40, 'relaxed_order', 20000);
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-2, 24) FROM hnsw_many WHERE part = 7 ORDER BY v <-> test_vector(-2, 24) LIMIT 20');
SELECT settings(40, 'off', 20000);
SELECT by_index < 20 AS too_few
	FROM compared('SELECT id, v <-> test_vector(-2, 24) FROM hnsw_many WHERE part = 7 ORDER BY v <-> test_vector(-2, 24) LIMIT 20');
-- max_scan_tuples ends a scan that finds nothing to return
SELECT settings(40, 'strict_order', 200);
SELECT by_index < 20 AS too_few
	FROM compared('SELECT id, v <-> test_vector(-2, 24) FROM hnsw_many WHERE part = 7 ORDER BY v <-> test_vector(-2, 24) LIMIT 20');
SELECT settings(40, 'strict_order', 1);
SELECT by_index BETWEEN 40 AND 300 AS some
	FROM compared('SELECT id, v <-> test_vector(-2, 24) FROM hnsw_many ORDER BY v <-> test_vector(-2, 24) LIMIT 2000');
SELECT settings(40, 'strict_order', 20000);
-- no row passes: the whole index is seen, then the scan ends
SELECT by_index FROM compared('SELECT id, v <-> test_vector(-2, 24) FROM hnsw_many WHERE part = 1000 ORDER BY v <-> test_vector(-2, 24) LIMIT 20');
-- OFFSET skips what LIMIT alone would have returned
SELECT count(*), bool_and(a.id = b.id)
	FROM by_index('SELECT id, v <-> test_vector(-3, 24) FROM hnsw_many ORDER BY v <-> test_vector(-3, 24) LIMIT 70') a
	JOIN by_index('SELECT id, v <-> test_vector(-3, 24) FROM hnsw_many ORDER BY v <-> test_vector(-3, 24) OFFSET 60 LIMIT 10') b
	ON a.n = b.n + 60;

-- Cursors

BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
DECLARE forward NO SCROLL CURSOR FOR SELECT id FROM hnsw_many ORDER BY v <-> (SELECT test_vector(5, 24)) LIMIT 200;
FETCH 1 FROM forward;
MOVE 150 IN forward;
MOVE ALL IN forward;
FETCH 1 FROM forward;
ROLLBACK;
BEGIN;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_sort = off;
DECLARE back SCROLL CURSOR FOR SELECT id FROM hnsw_many ORDER BY v <-> (SELECT test_vector(5, 24)) LIMIT 200;
EXPLAIN (COSTS OFF) DECLARE again SCROLL CURSOR FOR SELECT id FROM hnsw_many ORDER BY v <-> '[1,2,3]';
FETCH 1 FROM back;
MOVE 150 IN back;
FETCH FIRST FROM back;
MOVE ALL IN back;
MOVE BACKWARD 199 IN back;
FETCH BACKWARD 1 FROM back;
ROLLBACK;

-- A scan for each outer row

SET enable_seqscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF)
SELECT q, r.id FROM generate_series(1, 40) q CROSS JOIN LATERAL
	(SELECT id FROM hnsw_many ORDER BY v <-> test_vector(q, 24) LIMIT 3) r;
SELECT count(*), count(*) FILTER (WHERE q = id), count(DISTINCT q) FILTER (WHERE q = id)
	FROM generate_series(1, 40) q CROSS JOIN LATERAL
		(SELECT id FROM hnsw_many ORDER BY v <-> test_vector(q, 24) LIMIT 3) r;
-- and a NULL among them
SELECT q, count(*), count(DISTINCT id)
	FROM (VALUES (1, test_vector(1, 24)), (2, NULL), (3, test_vector(3, 24))) t (q, w) CROSS JOIN LATERAL
		(SELECT id FROM hnsw_many ORDER BY v <-> w LIMIT 50) r GROUP BY q ORDER BY q;
RESET enable_seqscan;
RESET enable_sort;
DROP VIEW hnsw_near;
DROP TABLE hnsw_many;

-- Equal vectors: all are returned, by a built index and after insertions

CREATE TABLE hnsw_twins (id int, v vector(3));
INSERT INTO hnsw_twins SELECT i, CASE WHEN i <= 300 THEN '[1,2,3]' ELSE test_vector(i, 3) END
	FROM generate_series(1, 400) i;
CREATE INDEX hnsw_twins_v ON hnsw_twins USING hnsw (v vector_l2_ops);
INSERT INTO hnsw_twins SELECT i, '[1,2,3]' FROM generate_series(401, 700) i;
SELECT by_index, by_heap, twice, unordered, found
	FROM compared('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_twins ORDER BY v <-> ''[1,2,3]'' LIMIT 600');
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> ''[0,0,0]'' FROM hnsw_twins ORDER BY v <-> ''[0,0,0]'' LIMIT 1000');
-- deleted here and there, and as a whole
DELETE FROM hnsw_twins WHERE id % 3 = 0;
VACUUM hnsw_twins;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_twins ORDER BY v <-> ''[1,2,3]'' LIMIT 1000');
DELETE FROM hnsw_twins WHERE v = '[1,2,3]';
VACUUM hnsw_twins;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_twins ORDER BY v <-> ''[1,2,3]'' LIMIT 1000');
INSERT INTO hnsw_twins SELECT i, '[1,2,3]' FROM generate_series(1001, 1050) i;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> ''[1,2,3]'' FROM hnsw_twins ORDER BY v <-> ''[1,2,3]'' LIMIT 1000');
DROP TABLE hnsw_twins;

-- The last row of a build is a twin, at every level that its place gives it,
-- with one node in a page.
CREATE FUNCTION build_ending_in_twin(rows int) RETURNS bigint LANGUAGE plpgsql
	SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
	found bigint;
BEGIN
	CREATE TEMP TABLE hnsw_last (id int, v vector(1100));
	INSERT INTO hnsw_last SELECT i, v FROM hnsw_wide WHERE i <= rows ORDER BY i;
	INSERT INTO hnsw_last SELECT 0, v FROM hnsw_last WHERE id = 1;
	CREATE INDEX ON hnsw_last USING hnsw (v vector_l2_ops);
	SELECT count(DISTINCT id) INTO found FROM
		(SELECT id FROM hnsw_last ORDER BY v <-> (SELECT v FROM hnsw_last WHERE id = 2) LIMIT 1000) t;
	DROP TABLE hnsw_last;
	RETURN found;
END
$$;
CREATE TABLE hnsw_wide AS SELECT i, test_vector(i, 1100) AS v FROM generate_series(1, 100) i;
SELECT n FROM generate_series(80, 100) n WHERE build_ending_in_twin(n) IS DISTINCT FROM n + 1;
DROP TABLE hnsw_wide;
DROP FUNCTION build_ending_in_twin(int);

-- Vectors that the index rounds to the same row: exact order all the same

CREATE TABLE hnsw_close (id int, v vector(32));
INSERT INTO hnsw_close
	SELECT i, (ARRAY[1 + i * 1e-6::float8] || array_fill(0.5::float8, ARRAY[31]))::vector
	FROM generate_series(0, 300) i;
CREATE INDEX hnsw_close_v ON hnsw_close USING hnsw (v vector_l2_ops);
INSERT INTO hnsw_close
	SELECT i, (ARRAY[1 + i * 1e-6::float8] || array_fill(0.5::float8, ARRAY[31]))::vector
	FROM generate_series(301, 600) i;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> (SELECT v FROM hnsw_close WHERE id = 0) AS d FROM hnsw_close ORDER BY d LIMIT 601');
SELECT by_index, by_heap, twice, unordered, found
	FROM compared('SELECT id, v <-> (SELECT v FROM hnsw_close WHERE id = 300) AS d FROM hnsw_close ORDER BY d LIMIT 50');
DROP TABLE hnsw_close;

-- Very large and very small elements

CREATE TABLE hnsw_range (id int, v vector(20));
INSERT INTO hnsw_range SELECT i, array_fill(power(10, i)::real, ARRAY[20])::vector FROM generate_series(-44, 38) i;
INSERT INTO hnsw_range SELECT 100 + i, array_fill(-power(10, i)::real, ARRAY[20])::vector FROM generate_series(-44, 38) i;
CREATE INDEX hnsw_range_l2 ON hnsw_range USING hnsw (v vector_l2_ops);
CREATE INDEX hnsw_range_ip ON hnsw_range USING hnsw (v vector_ip_ops);
CREATE INDEX hnsw_range_cosine ON hnsw_range USING hnsw (v vector_cosine_ops);
CREATE INDEX hnsw_range_l1 ON hnsw_range USING hnsw (v vector_l1_ops);
SELECT name, x, by_index, twice
	FROM (VALUES ('l2', '<->'), ('ip', '<#>'), ('l1', '<+>')) t (name, op), (VALUES ('1'), ('3e38'), ('1e-40')) u (x),
		compared(format('SELECT id, v %s w FROM hnsw_range, (SELECT array_fill(%s::real, ARRAY[20])::vector AS w) q ORDER BY v %1$s w LIMIT 500', op, x))
	ORDER BY name, x;
DELETE FROM hnsw_range WHERE id NOT BETWEEN -17 AND 17 AND id NOT BETWEEN 83 AND 117;
SELECT by_index, twice, unordered
	FROM compared('SELECT id, v <=> w FROM hnsw_range, (SELECT array_fill(1, ARRAY[20])::vector AS w) q ORDER BY v <=> w LIMIT 500');
DROP TABLE hnsw_range;

-- Updates: of another column (the row's versions share one entry of the
-- index) and of the vector

CREATE TABLE hnsw_update (id int, n int, v vector(8)) WITH (fillfactor = 50);
INSERT INTO hnsw_update SELECT i, 0, test_vector(i, 8) FROM generate_series(1, 300) i;
CREATE INDEX hnsw_update_v ON hnsw_update USING hnsw (v vector_l2_ops);
UPDATE hnsw_update SET n = 1;
UPDATE hnsw_update SET n = 2 WHERE id % 2 = 0;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 8) FROM hnsw_update ORDER BY v <-> test_vector(-1, 8) LIMIT 500');
SELECT sum(n) FROM (SELECT n FROM hnsw_update ORDER BY v <-> test_vector(-1, 8) LIMIT 500) t;
UPDATE hnsw_update SET v = test_vector(1000 + id, 8) WHERE id % 3 = 0;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 8) FROM hnsw_update ORDER BY v <-> test_vector(-1, 8) LIMIT 500');
SELECT id, distance FROM by_index('SELECT id, v <-> test_vector(1003, 8) FROM hnsw_update ORDER BY v <-> test_vector(1003, 8) LIMIT 1');
SELECT distance > 0 FROM by_index('SELECT id, v <-> test_vector(3, 8) FROM hnsw_update ORDER BY v <-> test_vector(3, 8) LIMIT 1');
-- a column with an index of its own: a new entry of an equal vector
CREATE INDEX ON hnsw_update (n);
UPDATE hnsw_update SET n = 3;
UPDATE hnsw_update SET n = 4;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 8) FROM hnsw_update ORDER BY v <-> test_vector(-1, 8) LIMIT 500');
VACUUM hnsw_update;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 8) FROM hnsw_update ORDER BY v <-> test_vector(-1, 8) LIMIT 500');
-- what is rolled back was never there
BEGIN;
INSERT INTO hnsw_update SELECT i, 0, test_vector(i, 8) FROM generate_series(2001, 2100) i;
UPDATE hnsw_update SET v = test_vector(id + 5000, 8);
ROLLBACK;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 8) FROM hnsw_update ORDER BY v <-> test_vector(-1, 8) LIMIT 500');
DROP TABLE hnsw_update;

-- VACUUM: dead rows go, their room is used again

CREATE TABLE hnsw_dead (id int, v vector(16));
INSERT INTO hnsw_dead SELECT i, test_vector(i, 16) FROM generate_series(1, 2000) i;
CREATE INDEX hnsw_dead_v ON hnsw_dead USING hnsw (v vector_l2_ops);
CREATE TABLE hnsw_sizes AS SELECT 0 AS round, pg_relation_size('hnsw_dead_v') AS size;
DELETE FROM hnsw_dead WHERE id % 2 = 0;
VACUUM hnsw_dead;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
INSERT INTO hnsw_dead SELECT i, test_vector(i, 16) FROM generate_series(2001, 3000) i;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
INSERT INTO hnsw_sizes SELECT 1, pg_relation_size('hnsw_dead_v');
-- all at once
DELETE FROM hnsw_dead;
VACUUM hnsw_dead;
SELECT count(*) FROM by_index('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
INSERT INTO hnsw_dead SELECT i, test_vector(i, 16) FROM generate_series(4001, 6000) i;
INSERT INTO hnsw_sizes SELECT 2, pg_relation_size('hnsw_dead_v');
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
-- the index has grown by no more than the room it takes ahead
SELECT round, size <= 1.3 * first_value(size) OVER (ORDER BY round) AS no_growth FROM hnsw_sizes;
DROP TABLE hnsw_sizes;

-- Made anew

VACUUM FULL hnsw_dead;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
REINDEX INDEX hnsw_dead_v;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
REINDEX INDEX CONCURRENTLY hnsw_dead_v;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
-- the same rows make the same index
CREATE INDEX hnsw_dead_v2 ON hnsw_dead USING hnsw (v vector_l2_ops);
SELECT pg_relation_size('hnsw_dead_v') = pg_relation_size('hnsw_dead_v2');
TRUNCATE hnsw_dead;
SELECT count(*) FROM by_index('SELECT id, v <-> test_vector(-1, 16) FROM hnsw_dead ORDER BY v <-> test_vector(-1, 16) LIMIT 3000');
DROP TABLE hnsw_dead;

-- Kinds of tables

CREATE UNLOGGED TABLE hnsw_unlogged (id int, v vector(4));
CREATE INDEX hnsw_unlogged_v ON hnsw_unlogged USING hnsw (v vector_l2_ops);
INSERT INTO hnsw_unlogged SELECT i, test_vector(i, 4) FROM generate_series(1, 200) i;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 4) FROM hnsw_unlogged ORDER BY v <-> test_vector(-1, 4) LIMIT 300');
ALTER TABLE hnsw_unlogged SET LOGGED;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 4) FROM hnsw_unlogged ORDER BY v <-> test_vector(-1, 4) LIMIT 300');
DROP TABLE hnsw_unlogged;

CREATE TEMP TABLE hnsw_temp (id int, v vector(4)) ON COMMIT DELETE ROWS;
CREATE INDEX hnsw_temp_v ON hnsw_temp USING hnsw (v vector_l2_ops);
BEGIN;
INSERT INTO hnsw_temp SELECT i, test_vector(i, 4) FROM generate_series(1, 200) i;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, v <-> test_vector(-1, 4) FROM hnsw_temp ORDER BY v <-> test_vector(-1, 4) LIMIT 300');
COMMIT;
SELECT count(*) FROM by_index('SELECT id, v <-> test_vector(-1, 4) FROM hnsw_temp ORDER BY v <-> test_vector(-1, 4) LIMIT 300');
DROP TABLE hnsw_temp;

CREATE TABLE hnsw_parts (id int, v vector(4)) PARTITION BY RANGE (id);
CREATE TABLE hnsw_parts_1 PARTITION OF hnsw_parts FOR VALUES FROM (1) TO (101);
CREATE TABLE hnsw_parts_2 PARTITION OF hnsw_parts FOR VALUES FROM (101) TO (201);
CREATE INDEX ON hnsw_parts USING hnsw (v vector_l2_ops);
INSERT INTO hnsw_parts SELECT i, test_vector(i, 4) FROM generate_series(1, 200) i;
SELECT by_index, by_heap, twice, unordered, found,
		scans('SELECT id FROM hnsw_parts ORDER BY v <-> test_vector(-1, 4) LIMIT 30', 'hnsw_parts_1_v_idx') AS scans_1,
		scans('SELECT id FROM hnsw_parts ORDER BY v <-> test_vector(-1, 4) LIMIT 30', 'hnsw_parts_2_v_idx') AS scans_2
	FROM compared('SELECT id, v <-> test_vector(-1, 4) FROM hnsw_parts ORDER BY v <-> test_vector(-1, 4) LIMIT 30');
DROP TABLE hnsw_parts;

-- Indexes on a part of the rows and on an expression

CREATE TABLE hnsw_partial (id int, kind int, a real[]);
INSERT INTO hnsw_partial SELECT i, i % 4, test_vector(i, 5)::real[] FROM generate_series(1, 400) i;
CREATE INDEX hnsw_partial_v ON hnsw_partial USING hnsw ((a::vector(5)) vector_l2_ops) WHERE kind = 1;
INSERT INTO hnsw_partial SELECT i, i % 4, test_vector(i, 5)::real[] FROM generate_series(401, 600) i;
SELECT scans('SELECT id FROM hnsw_partial WHERE kind = 1 ORDER BY a::vector(5) <-> test_vector(-1, 5) LIMIT 30', 'hnsw_partial_v'),
	scans('SELECT id FROM hnsw_partial WHERE kind = 2 ORDER BY a::vector(5) <-> test_vector(-1, 5) LIMIT 30', 'hnsw_partial_v') AS other_kind,
	scans('SELECT id FROM hnsw_partial WHERE kind = 1 ORDER BY a::vector <-> test_vector(-1, 5) LIMIT 30', 'hnsw_partial_v') AS other_expression;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, a::vector(5) <-> test_vector(-1, 5) FROM hnsw_partial WHERE kind = 1 ORDER BY a::vector(5) <-> test_vector(-1, 5) LIMIT 500');
UPDATE hnsw_partial SET kind = 1 WHERE kind = 2;
UPDATE hnsw_partial SET kind = 3 WHERE id % 4 = 1;
SELECT by_index, by_heap, twice, found
	FROM compared('SELECT id, a::vector(5) <-> test_vector(-1, 5) FROM hnsw_partial WHERE kind = 1 ORDER BY a::vector(5) <-> test_vector(-1, 5) LIMIT 500');
DROP TABLE hnsw_partial;

-- Two orders at once: the second breaks ties of the first

CREATE TABLE hnsw_ties (id int, v vector(2));
INSERT INTO hnsw_ties SELECT i, ARRAY[i / 10, 0]::vector FROM generate_series(1, 100) i;
CREATE INDEX hnsw_ties_v ON hnsw_ties USING hnsw (v vector_l2_ops);
SELECT (SELECT array_agg(id ORDER BY n) FROM by_index(q)) = (SELECT array_agg(id ORDER BY n) FROM by_heap(q)) AS same
	FROM (VALUES ('SELECT id, v <-> ''[3,0]'' FROM hnsw_ties ORDER BY v <-> ''[3,0]'', id DESC LIMIT 25')) t (q);
DROP TABLE hnsw_ties;

-- A scan leaves nothing behind for the next one, of an empty index

CREATE TABLE hnsw_before (id int, v vector(24));
INSERT INTO hnsw_before SELECT i, test_vector(i, 24) FROM generate_series(1, 500) i;
CREATE INDEX hnsw_before_v ON hnsw_before USING hnsw (v vector_l2_ops);
CREATE TABLE hnsw_after (id int, v vector(24));
CREATE INDEX hnsw_after_v ON hnsw_after USING hnsw (v vector_l2_ops);
SELECT count(*) FROM by_index('SELECT id, v <-> test_vector(1, 24) FROM hnsw_before ORDER BY v <-> test_vector(1, 24) LIMIT 10');
SELECT count(*) FROM by_index('SELECT id, v <-> test_vector(1, 24) FROM hnsw_after ORDER BY v <-> test_vector(1, 24) LIMIT 10');
DROP TABLE hnsw_before, hnsw_after;

DROP FUNCTION settings(int, text, int);
DROP FUNCTION compared(text), by_index(text), by_heap(text), scans(text, text), test_vector(bigint, int);

-- Updates that leave the vector alone: the versions of a row share its node.
-- The index on n makes every update a new version in both.
CREATE TABLE version (id int, n int, v vector(3));
INSERT INTO version SELECT i, 0, ARRAY[i, i % 7, i % 11]::vector FROM generate_series(1, 200) i;
CREATE INDEX version_n ON version (n);
CREATE INDEX version_v ON version USING hnsw (v vector_l2_ops);
DO $$
BEGIN
	FOR i IN 1 .. 20 LOOP
		UPDATE version SET n = i;
	END LOOP;
END $$;
SELECT rows, nodes, free_nodes FROM hnsw_index_stats('version_v');
VACUUM version;
SELECT rows, nodes, dead_nodes, free_nodes, node_bytes <= 131072 AS as_small
FROM hnsw_index_stats('version_v');
SELECT hnsw_check('version_v', true);
SET enable_seqscan = off;
SELECT count(*), min(n), max(n) FROM (SELECT n FROM version ORDER BY v <-> '[50,1,6]' LIMIT 200) s;
RESET enable_seqscan;
DROP TABLE version;
