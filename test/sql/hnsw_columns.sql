-- Filter columns of hnsw indexes: every type and operator, next to a sequential
-- scan; NULLs, rows that share a node, updates, VACUUM.

SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET datestyle = iso;
SET timezone = 'Europe/Athens';
CREATE TYPE column_mood AS ENUM ('sad', 'ok', 'happy');
CREATE FUNCTION column_vector(seed bigint) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((hashint8extended(d, seed) & 65535) / 32768.0 - 1 ORDER BY d)::real[]::vector
	FROM generate_series(1, 8) d
$$;
CREATE TABLE column_item (id int, small smallint, whole int, large bigint, real_number real,
	double_number float8, exact numeric, yes bool, day date, at timestamp, at_zone timestamptz, name text,
	code varchar(10), fixed char(6), owner uuid, mood column_mood, tags int[], labels text[], few smallint[],
	v vector(8)) WITH (autovacuum_enabled = off);

-- one row in four has the vector of another
CREATE FUNCTION column_rows(first int, last int) RETURNS SETOF column_item LANGUAGE sql AS $$
	SELECT i, (i % 50 - 25)::smallint, i * 7919 % 1000 - 500, i::bigint * 10000000000 % 700000000000,
		CASE WHEN i % 97 = 0 THEN 'NaN' WHEN i % 89 = 0 THEN '-Infinity' ELSE (i % 100 / 8.0 - 5)::real END,
		CASE WHEN i % 97 = 0 THEN 'NaN' WHEN i % 89 = 0 THEN 'Infinity' WHEN i % 10 = 0 THEN '-0' ELSE (i % 100 / 7.0 - 5)::float8 END,
		CASE WHEN i % 97 = 0 THEN 'NaN' ELSE (i % 200 - 100)::numeric / 3 END,
		i % 3 = 0, '2026-01-01'::date + i % 365,
		'2026-01-01'::timestamp + i % 500 * interval '7 hours',
		'2026-01-01'::timestamptz + i % 500 * interval '7 hours',
		'name ' || i % 40, 'c' || i % 30, 'f' || i % 20, md5((i % 60)::text)::uuid,
		('{sad,ok,happy}'::column_mood[])[1 + i % 3],
		ARRAY[i % 9, i % 40000, -i], ARRAY['l' || i % 12, 'm' || i % 5],
		(SELECT array_agg(e) FROM generate_series(0, i % 14) e)::smallint[],
		column_vector(CASE WHEN i % 4 = 0 THEN i / 40 ELSE i END)
	FROM generate_series(first, last) i
$$;
INSERT INTO column_item SELECT * FROM column_rows(1, 2000);
INSERT INTO column_item (id, v) SELECT -i, column_vector(-i) FROM generate_series(1, 100) i;
INSERT INTO column_item (id, whole) SELECT -i, i FROM generate_series(101, 110) i;
CREATE INDEX column_item_v ON column_item USING hnsw (v vector_l2_ops, small, whole, large, real_number,
	double_number, exact, yes, day, at, at_zone, name, code, fixed, owner, mood, tags, labels, few);
INSERT INTO column_item SELECT * FROM column_rows(2001, 2600);
VACUUM ANALYZE column_item;
SELECT hnsw_check('column_item_v', true);

-- The k nearest that satisfy a condition, as the index and as a sort find them.
CREATE FUNCTION column_find(cond text, strategy text, k int, OUT planned bool, OUT same bool, OUT n bigint)
	LANGUAGE plpgsql SET enable_bitmapscan = on AS $$
DECLARE
	query text := format('SELECT v <-> column_vector(77) FROM column_item WHERE %s AND v IS NOT NULL ORDER BY 1 LIMIT %s', cond, k);
	got float8[];
	truth float8[];
	line text;
BEGIN
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_sort = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT array_agg(d) FROM (%s) q (d)', query) INTO truth;
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	EXECUTE format('SET LOCAL vecsearch.filter_strategy = %s', strategy);
	planned := false;
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		planned := planned OR line ~ ('Index Cond: .*' || substring(cond from '(?:NOT )?(\w+)'));
	END LOOP;
	EXECUTE format('SELECT array_agg(d) FROM (%s) q (d)', query) INTO got;
	same := got IS NOT DISTINCT FROM truth;
	n := coalesce(cardinality(got), 0);
END
$$;
CREATE TABLE column_condition (n serial, cond text);
INSERT INTO column_condition (cond) VALUES
	('small < -20'), ('small <= -20::int'), ('small = 7::bigint'), ('small >= 24'), ('small > 100000'),
	('small IN (1, 2, 3)'), ('small = ANY (ARRAY[4, 5, 5, NULL])'), ('small < ANY (ARRAY[-24, -22])'),
	('small > ANY (ARRAY[22, 21])'), ('small IS NULL'), ('whole IS NOT NULL AND whole < -490'),
	('whole BETWEEN -10 AND 10'), ('whole >= -10 AND whole < -10'), ('whole = 3::smallint'), ('whole > -600::bigint AND whole < -450'),
	('whole = NULL'), ('whole = ANY (NULL::int[])'), ('whole = ANY (''{}''::int[])'),
	('large < 90000000000'), ('large = 40'), ('large >= 690000000000'), ('large > 9223372036854775806'),
	('real_number < -4.5'), ('real_number = 1.125'), ('real_number < 1.1::float8 AND real_number >= 1::float8'), ('real_number = ''NaN'''),
	('real_number <= ''-Infinity'''), ('real_number > 7'), ('real_number < 1e300::float8 AND real_number > 7'),
	('double_number = 0'), ('double_number = ''-0'''), ('double_number > 9'), ('double_number = ''NaN'''), ('double_number >= ''Infinity'''),
	('double_number < -4.9::real'), ('exact < -33'), ('exact = 11'), ('exact = 100::numeric / 3'), ('exact > 33'), ('exact = ''NaN'''),
	('exact IN (1, 2, 2.00, 3)'), ('exact <= 1e-400 AND exact > -0.4'), ('exact > 1e400'),
	('yes'), ('NOT yes'), ('yes = false'), ('yes IS NULL'),
	('day = ''2026-03-01'''), ('day < ''2026-01-09'''), ('day > ''2026-12-20 12:00''::timestamp'), ('day < ''2026-01-09 12:00''::timestamp'),
	('day >= ''infinity'''), ('day < ''infinity''::timestamp AND day > ''2026-12-20'''),
	('at < ''2026-01-05 03:00'''), ('at = ''2026-01-01 07:00'''), ('at >= ''2026-05-20''::date'), ('at < ''infinity''::date AND at > ''2026-05-20'''),
	('at_zone < ''2026-01-03 03:00+02'''), ('at_zone >= ''2026-05-22''::date'), ('at_zone > ''2026-05-22 10:00''::timestamp'),
	('name = ''name 7'''), ('name IN (''name 1'', ''name 2'', ''none'')'), ('code = ''c7'''), ('code IN (''c1'', ''c2'')'),
	('fixed = ''f7'''), ('owner = md5(''7'')::uuid'), ('owner IN (md5(''7'')::uuid, md5(''8'')::uuid)'),
	('mood = ''happy'''), ('mood IN (''sad'', ''happy'')'), ('mood IS NULL'),
	('tags && ''{3}'''), ('tags && ''{3,32001,-5}'''), ('tags @> ''{3,-12}'''), ('tags @> ''{}'''), ('tags && ''{}'''), ('tags @> ''{NULL,3}'''),
	('tags && ''{NULL,3}'''), ('labels && ''{l3,m9}'''), ('labels @> ''{l3,m3}'''), ('few @> ''{9}'''), ('few && ''{13,14}'''), ('few @> ''{0,1,2,3,4,5,6,7,8,9,10,11}'''),
	('whole < 0 AND yes AND tags && ''{3,4}'''), ('name = ''name 7'' AND exact IS NULL'), ('mood = ''ok'' AND small IN (1, 2) AND id % 2 = 0');

-- What is there next to what is found: nothing is missing where all matches are
-- asked for, and the nearest are the nearest.
SELECT c.cond, f.planned, f.same, f.n
	FROM column_condition c, column_find(cond, 'exact', 3000) f
	ORDER BY c.n;
SELECT s AS strategy, k, count(*), bool_and(f.same) AS same
	FROM column_condition c, unnest('{auto,plain,guided,exact}'::text[]) s, unnest('{1,10,3000}'::int[]) k,
		column_find(cond, s, k) f
	WHERE c.n % 3 = 0 AND (s = 'exact' OR k = 3000) GROUP BY 1, 2 ORDER BY 1, 2;

-- rows move: new versions join their node, VACUUM takes the old ones
UPDATE column_item SET whole = whole + 1000 WHERE id % 5 = 0;
DELETE FROM column_item WHERE id % 7 = 0;
SELECT f.* FROM column_find('whole > 490', 'exact', 3000) f;
VACUUM column_item;
SELECT hnsw_check('column_item_v', true);
SELECT f.* FROM column_find('whole > 490', 'exact', 3000) f;
SELECT f.* FROM column_find('whole > 490', 'auto', 3000) f;
UPDATE column_item SET yes = NOT yes, tags = tags || 4 WHERE id % 3 = 0;
VACUUM column_item;
SELECT f.* FROM column_find('NOT yes AND tags @> ''{4}''', 'exact', 3000) f;
SELECT f.* FROM column_find('NOT yes AND tags @> ''{4}''', 'plain', 3000) f;

-- builds by several processes, and beyond the memory
ALTER TABLE column_item SET (parallel_workers = 2);
SET max_parallel_maintenance_workers = 2;
REINDEX INDEX column_item_v;
SELECT hnsw_check('column_item_v', true);
SELECT f.* FROM column_find('whole > 490', 'exact', 3000) f;
SET max_parallel_maintenance_workers = 0;
SET maintenance_work_mem = '1MB';
SET client_min_messages = warning;
REINDEX INDEX column_item_v;
RESET client_min_messages;
RESET maintenance_work_mem;
SELECT hnsw_check('column_item_v', true);
SELECT f.* FROM column_find('whole > 490', 'exact', 3000) f;
SELECT f.* FROM column_find('NOT yes AND tags @> ''{4}''', 'exact', 3000) f;

-- without the custom scan, and together with a bitmap of another index
SET vecsearch.enable_filtered_scan = off;
SELECT f.* FROM column_find('whole > 1400', 'exact', 10) f;
SELECT f.* FROM column_find('whole > 1400', 'auto', 3000) f;
RESET vecsearch.enable_filtered_scan;
CREATE INDEX column_item_id ON column_item (id);
SELECT f.* FROM column_find('whole > 0 AND id < 400', 'exact', 20) f;
SELECT f.* FROM column_find('whole > 0 AND id < 400', 'auto', 3000) f;
SET enable_seqscan = off;
SET enable_sort = off;
EXPLAIN (COSTS off) SELECT id FROM column_item WHERE whole > 0 AND id < 400 ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 5;
EXPLAIN (COSTS off) SELECT id FROM column_item WHERE yes AND whole IN (1, 2) AND id % 2 = 0 ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 5;

-- Each row of a join has its own keys; the bitmap of the other index stays.
SET vecsearch.filter_strategy = exact;
SELECT l.small, array_agg(n.id ORDER BY n.d) = l.truth AS same FROM (
		SELECT s AS small, (SELECT array_agg(id ORDER BY d) FROM (SELECT id, v <-> '[1,1,1,1,1,1,1,1]' AS d
				FROM column_item WHERE small + 0 = s AND id < 2000 AND v IS NOT NULL ORDER BY d, id LIMIT 4) q) AS truth
		FROM unnest('{1,2,3,60,4}'::int[]) s) l
	LEFT JOIN LATERAL (SELECT id, v <-> '[1,1,1,1,1,1,1,1]' AS d FROM column_item
		WHERE small = l.small AND id < 2000 ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 4) n ON true
	GROUP BY l.small, l.truth ORDER BY 1;

-- a generic plan whose array is a parameter
SET plan_cache_mode = force_generic_plan;
PREPARE of_smalls (int[], vector) AS
	SELECT count(*), bool_and(small = ANY ($1)) FROM (SELECT small FROM column_item
		WHERE small = ANY ($1) ORDER BY v <-> $2 LIMIT 30) q;
EXECUTE of_smalls ('{1,2}', column_vector(5));
EXECUTE of_smalls ('{3}', column_vector(6));
EXECUTE of_smalls (NULL, column_vector(6));
EXPLAIN (COSTS off) EXECUTE of_smalls ('{1,2}', column_vector(5));
DEALLOCATE of_smalls;
RESET plan_cache_mode;
RESET vecsearch.filter_strategy;

-- expressions as filter columns, a partial index, an unlogged table
CREATE UNLOGGED TABLE column_other (id int, name text, v vector(8));
CREATE INDEX column_other_v ON column_other USING hnsw (v vector_cosine_ops, lower(name), (id % 10)) WHERE id > 100;
INSERT INTO column_other SELECT i, 'Name' || i % 5, column_vector(i) FROM generate_series(1, 1000) i;
EXPLAIN (COSTS off) SELECT id FROM column_other WHERE id > 200 AND lower(name) = 'name3' AND id % 10 = 8
	ORDER BY v <=> '[1,2,3,4,5,6,7,8]' LIMIT 5;
SELECT count(*), bool_and(id > 200 AND name = 'Name3' AND id % 10 = 8) FROM (
	SELECT id, name FROM column_other WHERE id > 200 AND lower(name) = 'name3' AND id % 10 = 8
		ORDER BY v <=> '[1,2,3,4,5,6,7,8]' LIMIT 1000) q;

-- what cannot be
CREATE INDEX ON column_other USING hnsw (id);
CREATE INDEX ON column_other USING hnsw (id, v vector_l2_ops);
CREATE INDEX ON column_other USING hnsw (v vector_l2_ops, v vector_ip_ops);
CREATE INDEX ON column_other USING hnsw (v vector_l2_ops, (point(id, id)));
CREATE INDEX ON column_other USING hnsw (v vector_l2_ops) INCLUDE (id);

DROP FUNCTION column_find, column_rows;
DROP TABLE column_item, column_other, column_condition;
DROP FUNCTION column_vector;
DROP TYPE column_mood;
