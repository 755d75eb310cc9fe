-- Which plan a filtered search gets, and filtered scans below and above other
-- nodes.  No plan here changes if a cost constant is a quarter larger or smaller.

SET jit = off;
SET max_parallel_workers_per_gather = 0;
-- Elements from -1 to 1, the same on every machine.
CREATE FUNCTION plan_vector(seed bigint) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8extended(d, seed) & 65535) / 32768.0 - 1 ORDER BY d)::real[]::vector
	FROM generate_series(1, 8) d
$$;

-- n is each number once, in no order.  ANALYZE reads all rows.
CREATE TABLE plan_item (id int PRIMARY KEY, n int, cat int, v vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO plan_item SELECT i, i * 7919::bigint % 20000, i % 20, plan_vector(i) FROM generate_series(1, 20000) i;
CREATE INDEX plan_item_v ON plan_item USING hnsw (v vector_l2_ops);
CREATE INDEX plan_item_n ON plan_item (n);
-- five rows for each vector
CREATE TABLE plan_tie (id int PRIMARY KEY, n int, v vector(8)) WITH (autovacuum_enabled = off);
INSERT INTO plan_tie SELECT i, i / 5 * 7919 % 2000, plan_vector(30000 + i / 5) FROM generate_series(0, 9999) i;
CREATE INDEX plan_tie_v ON plan_tie USING hnsw (v vector_l2_ops);
CREATE INDEX plan_tie_n ON plan_tie (n);
CREATE TABLE plan_parts (id int, part int, cat int, v vector(8)) PARTITION BY LIST (part);
CREATE TABLE plan_part1 PARTITION OF plan_parts FOR VALUES IN (1) WITH (autovacuum_enabled = off);
CREATE TABLE plan_part2 PARTITION OF plan_parts FOR VALUES IN (2) WITH (autovacuum_enabled = off);
CREATE TABLE plan_part3 PARTITION OF plan_parts FOR VALUES IN (3) WITH (autovacuum_enabled = off);
INSERT INTO plan_parts SELECT id, 1 + id % 3, cat, v FROM plan_item WHERE id <= 3000;
CREATE INDEX ON plan_parts USING hnsw (v vector_l2_ops);
CREATE INDEX ON plan_parts (cat);
VACUUM ANALYZE plan_item, plan_tie, plan_parts;

-- Plans by the share of rows that pass, and with parts of the planner switched off

-- the node below LIMIT, and when it makes its bitmap
CREATE FUNCTION plan_of(query text, off text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text;
BEGIN
	PERFORM set_config(off, 'off', true) WHERE off <> 'nothing';
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		plan := coalesce(plan || ', bitmap ' || substring(line, 'Bitmap: (.*)'), plan,
			substring(line, '->  (?:Custom Scan \()?(\w+(?: Scan)?)'));
	END LOOP;
	PERFORM set_config(off, 'on', true) WHERE off <> 'nothing';
	RETURN plan;
END
$$;
SELECT off, share, plan_of(format('SELECT id FROM plan_item WHERE n < %s ORDER BY v <-> plan_vector(-1) LIMIT 10',
		(share * 200)::int), off) AS plan
	FROM (VALUES (1, 'nothing'), (2, 'enable_seqscan'), (3, 'enable_bitmapscan'),
			(4, 'enable_indexscan'), (5, 'vecsearch.enable_filtered_scan')) s (i, off),
		(VALUES (0.01), (0.1), (1), (10), (50), (100)) p (share)
	ORDER BY i, share;

-- Shapes of queries

CREATE FUNCTION use_indexes(use bool, forced bool) RETURNS void LANGUAGE sql AS $$
	SELECT set_config(name, (use OR NOT off)::text, true)
	FROM (VALUES ('enable_indexscan', true), ('enable_indexonlyscan', true), ('enable_bitmapscan', true)) s (name, off);
	SELECT set_config(name, (NOT (use AND forced))::text, true)
	FROM (VALUES ('enable_seqscan'), ('enable_sort')) s (name);
	SELECT set_config('vecsearch.filter_strategy', CASE WHEN forced THEN 'exact' ELSE 'auto' END, true)
$$;
-- How many filtered scans a query has, how many ids it returns, and whether it
-- returns the same ids in the same order without indexes.  First as planned,
-- then with the plan forced and by the exact strategy.
CREATE FUNCTION shape(query text, OUT scans int, OUT n int, OUT same bool, OUT forced_scans int, OUT forced_same bool)
	LANGUAGE plpgsql AS $$
DECLARE
	ids text := format('SELECT array_agg(id) FROM (%s) q', query);
	got int[];
	forced int[];
	truth int[];
	line text;
BEGIN
	scans := 0;
	forced_scans := 0;
	PERFORM use_indexes(true, true);
	FOR line IN EXECUTE 'EXPLAIN ' || ids LOOP
		forced_scans := forced_scans + (line LIKE '%FilteredVectorScan%')::int;
	END LOOP;
	EXECUTE ids INTO forced;
	PERFORM use_indexes(true, false);
	FOR line IN EXECUTE 'EXPLAIN ' || ids LOOP
		scans := scans + (line LIKE '%FilteredVectorScan%')::int;
	END LOOP;
	EXECUTE ids INTO got;
	PERFORM use_indexes(false, false);
	EXECUTE ids INTO truth;
	PERFORM use_indexes(true, false);
	n := coalesce(cardinality(truth), 0);
	same := got IS NOT DISTINCT FROM truth;
	forced_same := forced IS NOT DISTINCT FROM truth;
END
$$;
CREATE TABLE plan_shape (i int GENERATED ALWAYS AS IDENTITY, shape text, query text);
INSERT INTO plan_shape (shape, query) VALUES
	('as it comes', 'SELECT id FROM plan_item WHERE n < 200 ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('no limit', 'SELECT id FROM plan_item WHERE n < 2000 ORDER BY v <-> plan_vector(-2)'),
	('limit 0', 'SELECT id FROM plan_item WHERE n < 200 ORDER BY v <-> plan_vector(-2) LIMIT 0'),
	('limit null', 'SELECT id FROM plan_item WHERE n < 2000 ORDER BY v <-> plan_vector(-2) LIMIT NULL'),
	('limit beyond', 'SELECT id FROM plan_item WHERE n < 2000 ORDER BY v <-> plan_vector(-2) LIMIT 5000'),
	('offset', 'SELECT id FROM plan_item WHERE n < 2000 ORDER BY v <-> plan_vector(-2) LIMIT 10 OFFSET 1995'),
	('offset beyond', 'SELECT id FROM plan_item WHERE n < 2000 ORDER BY v <-> plan_vector(-2) LIMIT 10 OFFSET 2000'),
	('with ties', 'SELECT id FROM (SELECT id FROM plan_tie WHERE n < 20 ORDER BY v <-> plan_vector(-2)
		FETCH FIRST 7 ROWS WITH TIES) q ORDER BY id'),
	('distinct on', 'SELECT DISTINCT ON (v <-> plan_vector(-2)) id / 5 AS id FROM plan_tie WHERE n < 20
		ORDER BY v <-> plan_vector(-2) LIMIT 7'),
	('distinct on, above', 'SELECT DISTINCT ON (cat) id FROM (SELECT id, cat, v <-> plan_vector(-2) AS d
		FROM plan_item WHERE n < 200 ORDER BY d LIMIT 50) q ORDER BY cat, d'),
	('window', 'SELECT id * 1000 + rank() OVER (ORDER BY v <-> plan_vector(-2)) AS id FROM plan_item
		WHERE n < 200 LIMIT 10'),
	('window, above', 'SELECT id * 1000 + rank() OVER (PARTITION BY cat ORDER BY d) AS id FROM (
		SELECT id, cat, v <-> plan_vector(-2) AS d FROM plan_item WHERE n < 200 ORDER BY d LIMIT 50) q ORDER BY 1'),
	('union all', '(SELECT id FROM plan_item WHERE n < 200 ORDER BY v <-> plan_vector(-2) LIMIT 10) UNION ALL
		(SELECT id FROM plan_item WHERE n >= 19800 ORDER BY v <-> plan_vector(-3) LIMIT 10)'),
	('union all, merged', 'SELECT id FROM (SELECT id, n, v FROM plan_item UNION ALL SELECT -id / 5, n, v FROM plan_tie) u
		WHERE n < 20 ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('group by', 'SELECT cat * 1000 + count(*) AS id FROM (
		SELECT cat FROM plan_item WHERE n < 200 ORDER BY v <-> plan_vector(-2) LIMIT 50) q GROUP BY cat ORDER BY 1'),
	('exists', 'SELECT id FROM plan_item i WHERE n < 200 AND EXISTS (SELECT FROM plan_tie t WHERE t.id = i.cat)
		ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('exists or', 'SELECT id FROM plan_item i WHERE n < 200 AND (cat = 1 OR EXISTS (SELECT FROM plan_tie t
		WHERE t.id = i.cat AND t.n < 1000)) ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	-- a condition that is about no row
	('exists, of no row', 'SELECT id FROM plan_item WHERE n < 200 AND EXISTS (SELECT FROM plan_tie WHERE n = 7)
		ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('in', 'SELECT id FROM plan_item WHERE n < 200 AND cat IN (SELECT id FROM plan_tie WHERE n < 1000)
		ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('not in', 'SELECT id FROM plan_item WHERE n < 200 AND cat NOT IN (SELECT id FROM plan_tie WHERE n < 1000)
		ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('in, of the bitmap', 'SELECT id FROM plan_item WHERE n = ANY (ARRAY(SELECT id FROM plan_tie WHERE n < 20))
		ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('query of a subquery', 'SELECT id FROM plan_item WHERE n < 200
		ORDER BY v <-> (SELECT v FROM plan_tie WHERE id = 7) LIMIT 10'),
	('lateral', 'SELECT s.id FROM generate_series(1, 9) q, LATERAL (SELECT id FROM plan_item WHERE n BETWEEN q * 900 AND q * 1000
		ORDER BY v <-> plan_vector(-q) LIMIT q % 4) s');
SELECT s.shape, f.* FROM plan_shape s, shape(query) f ORDER BY i;

-- Partitions that are left out when the query is planned, when it begins, and
-- for each row of a join

CREATE FUNCTION pruned(query text, OUT plan text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	FOR plan IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) ' || query LOOP
		plan := substring(plan, 'Subplans Removed: \d+|FilteredVectorScan.*');
		plan := regexp_replace(plan, ' plan_parts(_\d)?| \(actual .*|\)(?= on)', '', 'g');
		IF plan IS NOT NULL THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
BEGIN;
SELECT use_indexes(true, true);
SELECT pruned('SELECT id FROM plan_parts WHERE cat = 3 ORDER BY v <-> plan_vector(-2) LIMIT 5');
SELECT pruned('SELECT id FROM plan_parts WHERE part = 2 AND cat = 3 ORDER BY v <-> plan_vector(-2) LIMIT 5');
SELECT pruned('SELECT id FROM plan_parts WHERE part IN (1, 3) AND cat = 3 ORDER BY v <-> plan_vector(-2) LIMIT 5');
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE plan_generic (int, int) AS SELECT id FROM plan_parts WHERE part BETWEEN $1 AND $2 AND cat = 3
	ORDER BY v <-> plan_vector(-2) LIMIT 5;
SELECT pruned('EXECUTE plan_generic (2, 3)');
SELECT pruned('EXECUTE plan_generic (3, 3)');
EXECUTE plan_generic (4, 5);
CREATE TEMPORARY TABLE plan_got ON COMMIT DROP AS EXECUTE plan_generic (2, 3);
SELECT use_indexes(false, false);
SELECT count(*) FROM plan_got JOIN (SELECT id FROM plan_parts WHERE part BETWEEN 2 AND 3 AND cat = 3
	ORDER BY v <-> plan_vector(-2) LIMIT 5) t USING (id);
SELECT use_indexes(true, true);
SELECT pruned('SELECT s.id FROM generate_series(2, 3) q, LATERAL (SELECT id FROM plan_parts
	WHERE part = q AND cat = 3 ORDER BY v <-> plan_vector(-2) LIMIT 5) s');
SELECT pruned('SELECT s.id FROM generate_series(2, 3) q, LATERAL (SELECT id FROM plan_parts
	WHERE part < q AND cat = q ORDER BY v <-> plan_vector(-2) LIMIT 5) s');
SELECT pruned('SELECT id FROM plan_parts WHERE part = (SELECT id FROM plan_tie WHERE id = 3) AND cat = 3
	ORDER BY v <-> plan_vector(-2) LIMIT 5');
COMMIT;
TRUNCATE plan_shape;
INSERT INTO plan_shape (shape, query) VALUES
	('all', 'SELECT id FROM plan_parts WHERE cat = 3 ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('two of three', 'SELECT id FROM plan_parts WHERE part IN (1, 3) AND cat = 3 ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('by a subquery', 'SELECT id FROM plan_parts WHERE part = (SELECT id FROM plan_tie WHERE id = 3) AND cat = 3
		ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('by a join', 'SELECT s.id FROM generate_series(0, 4) q, LATERAL (SELECT id FROM plan_parts
		WHERE part = q AND cat = 3 ORDER BY v <-> plan_vector(-2) LIMIT 10) s'),
	('by a join, other bitmaps', 'SELECT s.id FROM generate_series(0, 9) q, LATERAL (SELECT id FROM plan_parts
		WHERE part = 1 + q * 7 % 3 AND cat = q ORDER BY v <-> plan_vector(q) LIMIT 10) s'),
	('by a join, more and more', 'SELECT s.id FROM generate_series(0, 4) q, LATERAL (SELECT id FROM plan_parts
		WHERE part < q AND cat = q % 2 ORDER BY v <-> plan_vector(q) LIMIT 100) s');
SELECT s.shape, f.n, f.same, f.forced_scans, f.forced_same FROM plan_shape s, shape(query) f ORDER BY i;

-- Cursors

-- ids by a cursor to and fro
CREATE FUNCTION to_and_fro(query text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	id int;
	ids int[] := '{}';
BEGIN
	OPEN c SCROLL FOR EXECUTE query;
	FOR i IN 1 .. 4 LOOP
		FETCH c INTO id;
		ids := ids || id;
	END LOOP;
	FOR i IN 1 .. 4 LOOP
		FETCH BACKWARD FROM c INTO id;
		ids := ids || id;
	END LOOP;
	FETCH ABSOLUTE 7 FROM c INTO id;
	ids := ids || id;
	FETCH RELATIVE -2 FROM c INTO id;
	ids := ids || id;
	FETCH LAST FROM c INTO id;
	ids := ids || id;
	FETCH PRIOR FROM c INTO id;
	ids := ids || id;
	MOVE FORWARD ALL FROM c;
	FETCH BACKWARD FROM c INTO id;
	RETURN ids || id;
END
$$;
SELECT (shape(format('SELECT unnest(to_and_fro(%L)) AS id', query))).* FROM (VALUES
	('SELECT id FROM plan_item WHERE n < 200 ORDER BY v <-> plan_vector(-2) LIMIT 10'),
	('SELECT id FROM plan_item WHERE n < 200 ORDER BY v <-> plan_vector(-2)')) q (query);
BEGIN;
SELECT use_indexes(true, true);
SELECT plan_of('DECLARE c SCROLL CURSOR FOR SELECT id FROM plan_item WHERE n < 200
	ORDER BY v <-> plan_vector(-2)', 'nothing');
-- a scan does not go backward by itself
DECLARE c CURSOR FOR SELECT n < 200 AS passed FROM plan_item WHERE n < 200 ORDER BY v <-> plan_vector(-2);
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
ROLLBACK;

DEALLOCATE plan_generic;
DROP TABLE plan_shape, plan_item, plan_tie, plan_parts;
DROP FUNCTION to_and_fro, pruned, shape, use_indexes, plan_of, plan_vector;
