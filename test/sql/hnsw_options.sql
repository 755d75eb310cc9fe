-- The access method hnsw: options, settings, what it refuses, and when the
-- planner takes it.

CREATE TABLE hnsw_option (id int, n int, v vector(3), any_dims vector);
INSERT INTO hnsw_option SELECT i, i % 10, ARRAY[i, i % 7, 1]::vector, ARRAY[i, 1]::vector FROM generate_series(1, 500) i;

-- m and ef_construction

SET enable_seqscan = off;
CREATE INDEX hnsw_option_low ON hnsw_option USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
SELECT count(DISTINCT id) FROM (SELECT id FROM hnsw_option ORDER BY v <-> '[250,5,1]' LIMIT 400) t;
SELECT id FROM hnsw_option ORDER BY v <-> '[250,5,1]' LIMIT 1;
DROP INDEX hnsw_option_low;
CREATE INDEX hnsw_option_high ON hnsw_option USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000);
SELECT count(DISTINCT id) FROM (SELECT id FROM hnsw_option ORDER BY v <-> '[250,5,1]' LIMIT 400) t;
SELECT id FROM hnsw_option ORDER BY v <-> '[250,5,1]' LIMIT 1;
SELECT relname, reloptions FROM pg_class WHERE relname = 'hnsw_option_high';
RESET enable_seqscan;
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) WITH (m = 1);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) WITH (m = 101);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) WITH (ef_construction = 3);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) WITH (ef_construction = 1001);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 31);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) WITH (m = many);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) WITH (lists = 10);
-- a change counts from the next REINDEX on
ALTER INDEX hnsw_option_high SET (m = 8, ef_construction = 15);
REINDEX INDEX hnsw_option_high;
ALTER INDEX hnsw_option_high SET (m = 8, ef_construction = 16);
REINDEX INDEX hnsw_option_high;
ALTER INDEX hnsw_option_high SET (m = 200);
DROP INDEX hnsw_option_high;

-- Settings

SELECT name, setting, boot_val, min_val, max_val, enumvals, context
	FROM pg_settings WHERE name LIKE 'hnsw.%' ORDER BY name;
SET hnsw.ef_search = 0;
SET hnsw.ef_search = 1001;
SET hnsw.iterative_scan = on;
SET hnsw.max_scan_tuples = 0;
SET hnsw.scan_mem_multiplier = 0.9;
SET hnsw.scan_mem_multiplier = 1001;
SHOW hnsw.ef_search;

-- Columns that cannot be indexed

CREATE INDEX ON hnsw_option USING hnsw (any_dims vector_l2_ops);
CREATE TABLE hnsw_wide (v vector(2001), w vector(2000));
CREATE INDEX ON hnsw_wide USING hnsw (v vector_l2_ops);
CREATE INDEX ON hnsw_wide USING hnsw (w vector_l2_ops);
CREATE INDEX ON hnsw_wide USING hnsw (w vector_ip_ops) WITH (m = 100, ef_construction = 200);
CREATE INDEX ON hnsw_wide USING hnsw (w vector_cosine_ops);
CREATE INDEX ON hnsw_wide USING hnsw (w vector_l1_ops);
INSERT INTO hnsw_wide (w) SELECT (array_fill(i, ARRAY[1999]) || 1)::vector FROM generate_series(1, 20) i;
SET enable_seqscan = off;
SELECT (w::real[])[1] FROM hnsw_wide ORDER BY w <-> array_fill(7.2, ARRAY[2000])::vector LIMIT 2;
SELECT (w::real[])[1] FROM hnsw_wide ORDER BY w <#> array_fill(7.2, ARRAY[2000])::vector LIMIT 2;
SELECT (w::real[])[1] FROM hnsw_wide ORDER BY w <=> array_fill(7.2, ARRAY[2000])::vector LIMIT 2;
SELECT (w::real[])[1] FROM hnsw_wide ORDER BY w <+> array_fill(7.2, ARRAY[2000])::vector LIMIT 2;
RESET enable_seqscan;
DROP TABLE hnsw_wide;
CREATE INDEX ON hnsw_option USING hnsw (v);
CREATE INDEX ON hnsw_option USING hnsw (n vector_l2_ops);
CREATE INDEX ON hnsw_option USING hnsw (n);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops, v vector_ip_ops);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops) INCLUDE (n);
CREATE UNIQUE INDEX ON hnsw_option USING hnsw (v vector_l2_ops);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops DESC);
CREATE INDEX ON hnsw_option USING hnsw (v vector_l2_ops NULLS FIRST);
SELECT count(*) FROM pg_index WHERE indrelid = 'hnsw_option'::regclass;

-- Vectors of other dimensions

CREATE INDEX hnsw_option_v ON hnsw_option USING hnsw (v vector_l2_ops);
CREATE INDEX hnsw_option_any ON hnsw_option USING hnsw ((any_dims::vector(2)) vector_l2_ops);
INSERT INTO hnsw_option (id, v) VALUES (1000, '[1,2]');
INSERT INTO hnsw_option (id, any_dims) VALUES (1000, '[1,2,3]');
UPDATE hnsw_option SET v = '[1,2,3,4]' WHERE id = 1;
SELECT count(*), count(*) FILTER (WHERE id = 1000) FROM hnsw_option;
SET enable_seqscan = off;
SELECT id FROM hnsw_option ORDER BY v <-> '[1,2]' LIMIT 1;
SELECT id FROM hnsw_option ORDER BY any_dims::vector(2) <-> '[1,2,3]' LIMIT 1;
SELECT id FROM hnsw_option ORDER BY any_dims::vector(2) <-> '[9,1]' LIMIT 1;
RESET enable_seqscan;
-- the dimensions of the column cannot change below the index
ALTER TABLE hnsw_option ALTER v TYPE vector(4);

-- CONCURRENTLY

CREATE INDEX CONCURRENTLY hnsw_option_concurrent ON hnsw_option USING hnsw (v vector_cosine_ops);
SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = 'hnsw_option_concurrent'::regclass;
SET enable_seqscan = off;
SELECT round((v <=> '[3,3,1]')::numeric, 4), id FROM hnsw_option ORDER BY v <=> '[3,3,1]' LIMIT 1;
RESET enable_seqscan;
DROP INDEX CONCURRENTLY hnsw_option_concurrent;

-- What the access method says of itself

SELECT amname, pg_indexam_has_property(a.oid, 'can_order') AS can_order,
	pg_indexam_has_property(a.oid, 'can_unique') AS can_unique,
	pg_indexam_has_property(a.oid, 'can_multi_col') AS can_multi_col,
	pg_indexam_has_property(a.oid, 'can_exclude') AS can_exclude,
	pg_indexam_has_property(a.oid, 'can_include') AS can_include
	FROM pg_am a WHERE amname = 'hnsw';
SELECT p, pg_index_has_property('hnsw_option_v', p) AS index, pg_index_column_has_property('hnsw_option_v', 1, p) AS column
	FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan', 'orderable',
		'distance_orderable', 'returnable', 'search_array', 'search_nulls']) p;
SELECT opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON opcmethod = a.oid
	WHERE amname = 'hnsw' ORDER BY opcname;
-- and of operator classes that are wrong
CREATE OPERATOR CLASS hnsw_no_function FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops;
CREATE OPERATOR CLASS hnsw_no_operator FOR TYPE vector USING hnsw AS
	FUNCTION 1 hnsw_vector_l2_support(internal);
CREATE OPERATOR CLASS hnsw_search FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 hnsw_vector_l2_support(internal),
	OPERATOR 2 = (vector, vector);
CREATE OPERATOR CLASS hnsw_signature FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_dims(vector);
SELECT opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON opcmethod = a.oid
	WHERE amname = 'hnsw' AND opcname LIKE 'hnsw%' ORDER BY opcname;
DROP OPERATOR FAMILY hnsw_no_function USING hnsw;
DROP OPERATOR FAMILY hnsw_no_operator USING hnsw;
DROP OPERATOR FAMILY hnsw_search USING hnsw;
DROP OPERATOR FAMILY hnsw_signature USING hnsw;
CREATE INDEX hnsw_no_opclass ON hnsw_option USING hnsw (v hnsw_search);

-- The planner: by its own choice for a nearest-neighbor query

CREATE TABLE hnsw_plan (id int, n int, v vector(3));
INSERT INTO hnsw_plan SELECT i, i % 10, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 10000) i;
CREATE INDEX hnsw_plan_v ON hnsw_plan USING hnsw (v vector_l2_ops);
ANALYZE hnsw_plan;
EXPLAIN (COSTS OFF) SELECT id FROM hnsw_plan ORDER BY v <-> '[1,2,3]' LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM hnsw_plan ORDER BY '[1,2,3]' <-> v LIMIT 10;
EXPLAIN (COSTS OFF) SELECT id FROM hnsw_plan WHERE n = 3 ORDER BY v <-> '[1,2,3]' LIMIT 10;
-- all rows: a sort, for the scan would end at hnsw.max_scan_tuples
EXPLAIN (COSTS OFF) SELECT id FROM hnsw_plan ORDER BY v <-> '[1,2,3]';
-- never without an order that it can follow, whatever else is forbidden (18
-- marks what is)
CREATE FUNCTION hnsw_plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line !~ '^ *Disabled: true$' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END
$$;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT hnsw_plan_of($$SELECT count(*) FROM hnsw_plan$$);
SELECT hnsw_plan_of($$SELECT id FROM hnsw_plan WHERE v = '[1,2,3]'$$);
SELECT hnsw_plan_of($$SELECT id FROM hnsw_plan WHERE v <-> '[1,2,3]' < 5$$);
SELECT hnsw_plan_of($$SELECT id FROM hnsw_plan ORDER BY v <-> '[1,2,3]' DESC LIMIT 10$$);
SELECT hnsw_plan_of($$SELECT id FROM hnsw_plan ORDER BY v <=> '[1,2,3]' LIMIT 10$$);
SELECT hnsw_plan_of($$SELECT id FROM hnsw_plan ORDER BY v LIMIT 10$$);
SELECT hnsw_plan_of($$SELECT id FROM hnsw_plan ORDER BY (v <-> '[1,2,3]') * 2 LIMIT 10$$);
SELECT count(*) FROM hnsw_plan;
SELECT id FROM hnsw_plan WHERE v = '[21,0,1]';
SELECT id FROM hnsw_plan ORDER BY v <-> '[0,0,1]' DESC LIMIT 1;
RESET enable_seqscan;
RESET enable_sort;

DROP FUNCTION hnsw_plan_of(text);
DROP TABLE hnsw_option, hnsw_plan;

-- vecsearch.rerank off: the order of the index's own rows, whose rounding shows
-- where vectors differ by little
CREATE FUNCTION options_noise(seed bigint) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8extended(d, seed) & 65535) / 32768.0 - 1 ORDER BY d)::real[]::vector
	FROM generate_series(1, 600) d
$$;
CREATE TABLE hnsw_rerank (id int, v vector(600));
INSERT INTO hnsw_rerank SELECT i, options_noise(0) + options_noise(i) *
	(SELECT array_agg(0.003) FROM generate_series(1, 600))::real[]::vector FROM generate_series(1, 200) i;
CREATE INDEX hnsw_rerank_v ON hnsw_rerank USING hnsw (v vector_l2_ops);
SET enable_seqscan = off;
CREATE TABLE hnsw_order AS SELECT true AS reranked, id, row_number() OVER () AS n, d FROM (
	SELECT id, v <-> options_noise(0) AS d FROM hnsw_rerank ORDER BY v <-> options_noise(0) LIMIT 200) q;
SET vecsearch.rerank = off;
INSERT INTO hnsw_order SELECT false, id, row_number() OVER () AS n, d FROM (
	SELECT id, v <-> options_noise(0) AS d FROM hnsw_rerank ORDER BY v <-> options_noise(0) LIMIT 200) q;
RESET vecsearch.rerank;
RESET enable_seqscan;
SELECT reranked, count(DISTINCT id), bool_and(d >= before) AS ordered, max(before - d) < 0.02 AS nearly_ordered
	FROM (SELECT *, lag(d) OVER (PARTITION BY reranked ORDER BY n) AS before FROM hnsw_order) o
	GROUP BY 1 ORDER BY 1;
DROP TABLE hnsw_rerank, hnsw_order;
DROP FUNCTION options_noise;
