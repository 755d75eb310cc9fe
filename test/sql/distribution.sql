-- Distances of vectors that are probability distributions, and their indexes.

SET jit = off;

-- Obvious answers

-- equal 0, disjoint 1, whatever the sums
SELECT a, b, round(hellinger_distance(a::vector, b::vector)::numeric, 14)::float8 AS hellinger,
	round(jensen_shannon_distance(a::vector, b::vector)::numeric, 14)::float8 AS jensen_shannon,
	(a::vector <^> b::vector) = 0 AND (a::vector <|> b::vector) = 0 AS exactly_0
	FROM (VALUES ('[1,0]', '[0,1]'), ('[1,0]', '[1,0]'), ('[1,1,2]', '[2,2,4]'), ('[3,0,0,5]', '[0,0.1,7,0]'),
		('[1e-45,1e-45]', '[3e38,3e38]'), ('[5]', '[0.3]'), ('[0,-0,1]', '[-0,0,1]')) t (a, b);
-- one half on one side: H^2 = 1 - sqrt(1/2), and the divergence 3/4 log2(4/3)
SELECT round(('[1,1]'::vector <^> '[1,0]')::numeric, 12) AS hellinger,
	round(sqrt(1 - sqrt(0.5))::numeric, 12) AS root_of_one_minus,
	round(('[1,1]'::vector <|> '[1,0]')::numeric, 12) AS jensen_shannon,
	round(sqrt(0.75 * log(2, 4 / 3.0))::numeric, 12) AS root_of_bits;
-- p = (1/4, 3/4), q = (3/4, 1/4): H^2 = 1 - sqrt(3)/2
SELECT round((('[1,3]'::vector <^> '[3,1]') ^ 2)::numeric, 12) AS hellinger,
	round((1 - sqrt(3.0) / 2)::numeric, 12) AS one_minus,
	round((('[1,3]'::vector <|> '[3,1]') ^ 2)::numeric, 12) AS jensen_shannon,
	round(0.25 * log(2, 0.5) + 0.75 * log(2, 1.5), 12) AS bits;

-- The definitions, in numeric with many digits

CREATE FUNCTION shares(v vector) RETURNS numeric[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(e::float8::numeric(80,45) / s ORDER BY n)
	FROM unnest(v::real[]) WITH ORDINALITY u (e, n), (SELECT sum(e::float8::numeric(80,45)) FROM unnest(v::real[]) u (e)) t (s)
$$;
CREATE FUNCTION hellinger(a vector, b vector) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
	SELECT sqrt(sum((sqrt(p) - sqrt(q)) ^ 2) / 2) FROM unnest(shares(a), shares(b)) u (p, q)
$$;
CREATE FUNCTION jensen_shannon(a vector, b vector) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
	SELECT sqrt(sum(CASE WHEN p > 0 THEN p * ln(2 * p / (p + q)) ELSE 0 END
		+ CASE WHEN q > 0 THEN q * ln(2 * q / (p + q)) ELSE 0 END) / 2 / ln(2.0)) FROM unnest(shares(a), shares(b)) u (p, q)
$$;
-- Shares between 0 and 1, every fourth of them 0, the same on every machine.
CREATE FUNCTION test_shares(seed bigint, dims int) RETURNS real[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(CASE WHEN hashint8extended(d, -seed) & 3 > 0 THEN power((hashint8extended(d, seed) & 65535) / 65536.0, 3) ELSE 0 END ORDER BY d)::real[]
	FROM generate_series(1, dims) d
$$;
CREATE TABLE distribution_pair AS
	SELECT i AS id, test_shares(i, i)::vector AS a, test_shares(1000 + i, i)::vector AS b FROM generate_series(4, 40) i;
SELECT count(*) AS pairs, max(abs((a <^> b) - hellinger(a, b))) < 1e-12 AS hellinger,
	max(abs((a <|> b) - jensen_shannon(a, b))) < 1e-12 AS jensen_shannon
	FROM distribution_pair;
-- distributions that differ by little: a relative error of less than 1e-7
SELECT a, b, abs((a::vector <^> b::vector) / hellinger(a::vector, b::vector) - 1) < 1e-7 AS hellinger,
	abs((a::vector <|> b::vector) / jensen_shannon(a::vector, b::vector) - 1) < 1e-7 AS jensen_shannon
	FROM (VALUES ('[1,2,3]', '[1,2,3.01]'), ('[1,2,3]', '[1,2,3.0000002]'), ('[0.5,0.5]', '[0.50000006,0.5]'),
		('[1,1e-6]', '[1,1.0001e-6]'), ('[1,0]', '[1,1e-30]'), ('[7,7,7]', '[7.01,7,6.99]')) t (a, b);
-- symmetric; each between the other's bounds; one way is not longer than two
SELECT bool_and((a <^> b) = (b <^> a) AND (a <|> b) = (b <|> a)) AS symmetric,
	bool_and((a <|> b) BETWEEN (a <^> b) AND (a <^> b) / sqrt(ln(2.0))) AS bounded,
	bool_and((a <|> b) <= (a <|> c) + (c <|> b) AND (a <^> b) <= (a <^> c) + (c <^> b)) AS metric
	FROM distribution_pair, LATERAL (SELECT a + b AS c) m;
-- every instruction set says the same
DO $$
DECLARE
	level text;
	sums double precision[];
	first double precision[];
BEGIN
	FOREACH level IN ARRAY ARRAY['scalar', 'avx2', 'avx512', 'neon'] LOOP
		BEGIN
			PERFORM set_config('vecsearch.simd', level, true);
			SELECT ARRAY[sum(a <^> b), sum(a <|> b)] INTO sums FROM distribution_pair;
			first := coalesce(first, sums);
			ASSERT abs(sums[1] / first[1] - 1) < 1e-10 AND abs(sums[2] / first[2] - 1) < 1e-10, level;
		EXCEPTION WHEN invalid_parameter_value THEN
			NULL;	-- not on this processor
		END;
	END LOOP;
END
$$;

-- No distribution: all zeros; NULL
SELECT '[0,0]'::vector <^> '[1,2]' AS hellinger, '[1,2]'::vector <|> '[0,0]' AS jensen_shannon,
	'[0,0]'::vector <|> '[0,0]' AS both, topic_share('[0,0]', 2) AS share;
SELECT '[1,0]'::vector <^> NULL AS hellinger, NULL <|> '[1,0]'::vector AS jensen_shannon,
	topic_share(NULL, 1) AS share, topic_share('[1]', NULL) AS topic;

-- Shares of topics

SELECT topic_share('[1,2,5]', i) FROM generate_series(1, 3) i;
SELECT topic_share('[3e38,3e38,3e38,3e38]', 4);
CREATE TABLE distribution_topic (id int, theta vector(3));
INSERT INTO distribution_topic VALUES (1, '[1,1,2]'), (2, '[0,1,0]'), (3, '[8,1,1]'), (4, NULL);
CREATE INDEX distribution_topic_2 ON distribution_topic (topic_share(theta, 2));
SELECT id, topic_share(theta, 2) FROM distribution_topic WHERE topic_share(theta, 2) > .2 ORDER BY id;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM distribution_topic WHERE topic_share(theta, 2) > .2;
SELECT id, topic_share(theta, 2) FROM distribution_topic WHERE topic_share(theta, 2) > .2 ORDER BY id;
RESET enable_seqscan;

-- Errors

SELECT '[1,-1]'::vector <^> '[1,1]';
SELECT '[1,1,2]'::vector <|> '[1,3,-1e-30]';
SELECT '[-1,0]'::vector <|> '[0,0]';
SELECT '[1,2]'::vector <^> '[1,2,3]';
SELECT '[1,2]'::vector <|> '[1]';
SELECT topic_share('[1,2]', 0);
SELECT topic_share('[1,2]', 3);
SELECT topic_share('[1,-2]', 1);
-- and their codes
CREATE FUNCTION code_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN others THEN
	RETURN sqlstate;
END
$$;
SELECT code_of('SELECT ''[1,-1]''::vector <^> ''[1,1]''') AS hellinger,
	code_of('SELECT ''[1,-1]''::vector <|> ''[1,1]''') AS jensen_shannon,
	code_of('SELECT topic_share(''[1,-1]'', 1)') AS negative,
	code_of('SELECT topic_share(''[1,1]'', 3)') AS topic,
	code_of('SELECT ''[1]''::vector <^> ''[1,1]''') AS dimensions;

-- Indexes

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
-- Both answers side by side: how many rows, how many of the index's are among
-- the nearest, and how many come after a farther one.
CREATE FUNCTION compared(query text, OUT by_index bigint, OUT by_heap bigint, OUT twice bigint,
		OUT found bigint, OUT unordered bigint) LANGUAGE sql AS $$
	WITH i AS MATERIALIZED (SELECT * FROM by_index(query)),
		h AS MATERIALIZED (SELECT * FROM by_heap(query)),
		o AS (SELECT distance < lag(distance) OVER (ORDER BY n) AS back FROM i)
	SELECT (SELECT count(*) FROM i), (SELECT count(*) FROM h),
		(SELECT count(*) - count(DISTINCT id) FROM i),
		(SELECT count(*) FROM i WHERE distance <= (SELECT max(distance) FROM h)),
		(SELECT count(*) FROM o WHERE back)
$$;

CREATE TABLE distribution_small (id int PRIMARY KEY, theta vector(3));
INSERT INTO distribution_small VALUES (1, '[1,0,0]'), (2, '[0,4,0]'), (3, '[0,0,0]'), (4, '[1,1,2]'),
	(5, '[2,1,1]'), (6, NULL), (7, '[0.01,0.99,0]'), (8, '[10,10,20]');
CREATE INDEX distribution_small_h ON distribution_small USING hnsw (theta vector_hellinger_ops);
CREATE INDEX distribution_small_js ON distribution_small USING hnsw (theta vector_jensen_shannon_ops);
INSERT INTO distribution_small VALUES (9, '[0,0,0]'), (10, '[3,3,3]'), (11, NULL);
SELECT name,
	(SELECT string_agg(id || ':' || round(distance::numeric, 4), ' ' ORDER BY round(distance::numeric, 12), id) FROM by_index(query)) AS by_index,
	(SELECT string_agg(id || ':' || round(distance::numeric, 4), ' ' ORDER BY round(distance::numeric, 12), id) FROM by_heap(query)) AS by_heap
	FROM (VALUES ('hellinger', 'SELECT id, theta <^> ''[1,1,2.1]'' FROM distribution_small WHERE theta <> ''[0,0,0]'' ORDER BY theta <^> ''[1,1,2.1]'' LIMIT 20'),
		('jensen_shannon', 'SELECT id, theta <|> ''[1,1,2.1]'' FROM distribution_small WHERE theta <> ''[0,0,0]'' ORDER BY theta <|> ''[1,1,2.1]'' LIMIT 20')) t (name, query);
-- the plans of users' queries
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM distribution_small ORDER BY theta <^> '[1,1,2]' LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM distribution_small ORDER BY theta <|> '[1,1,2]' LIMIT 3;
RESET enable_seqscan;
-- zeros and NULLs are in neither index; a zero query: rows in any order
SELECT array_agg(id ORDER BY id) FROM by_index('SELECT id, theta <^> ''[1,0,0]'' FROM distribution_small ORDER BY theta <^> ''[1,0,0]'' LIMIT 20');
SELECT array_agg(id ORDER BY id) FROM by_index('SELECT id, theta <|> ''[1,0,0]'' FROM distribution_small ORDER BY theta <|> ''[1,0,0]'' LIMIT 20');
SELECT count(*), count(DISTINCT id), bool_and(distance = 'NaN')
	FROM by_index('SELECT id, theta <|> ''[0,0,0]'' FROM distribution_small ORDER BY theta <|> ''[0,0,0]'' LIMIT 20');
-- a negative element is refused on insertion, in a query and by a build
INSERT INTO distribution_small VALUES (12, '[1,-2,3]');
\set SHOW_CONTEXT never
SELECT * FROM by_index('SELECT id, theta <|> ''[1,0,-1]'' FROM distribution_small ORDER BY theta <|> ''[1,0,-1]'' LIMIT 1');
\set SHOW_CONTEXT errors
DROP INDEX distribution_small_h, distribution_small_js;
INSERT INTO distribution_small VALUES (12, '[1,-2,3]');
CREATE INDEX ON distribution_small USING hnsw (theta vector_hellinger_ops);
CREATE INDEX ON distribution_small USING hnsw (theta vector_jensen_shannon_ops);

-- All rows in exact order, in every format of rows that an index chooses: the
-- executor stops with an error at a row that is nearer than the index said.
-- Among them are equal ones, nearly equal ones, of tiny and huge sums.
CREATE TABLE distribution_row (id int, dims int, theta real[]);
INSERT INTO distribution_row
	SELECT i, d, array_agg(x * CASE WHEN i % 11 = 0 THEN 1 + 1e-6 * (n % 3) WHEN i % 13 = 0 THEN 1e30
			WHEN i % 17 = 0 THEN 1e-30 ELSE 1 END ORDER BY n)
	FROM unnest(ARRAY[4, 50, 200, 1000]) d, generate_series(1, 250) i,
		unnest(test_shares(CASE WHEN i % 7 = 0 THEN i / 2 WHEN i % 11 = 0 THEN i - 1 ELSE i END, d)) WITH ORDINALITY u (x, n)
	WHERE d < 1000 OR i <= 130 GROUP BY i, d HAVING sum(x) > 0;
DO $$
DECLARE
	d int;
BEGIN
	FOREACH d IN ARRAY ARRAY[4, 50, 200, 1000] LOOP
		EXECUTE format('CREATE TABLE distribution_%s (id int, theta vector(%1$s))', d);
		EXECUTE format('INSERT INTO distribution_%s SELECT id, theta FROM distribution_row WHERE dims = %1$s AND id %% 5 < 4', d);
		EXECUTE format('CREATE INDEX ON distribution_%s USING hnsw (theta vector_hellinger_ops)', d);
		EXECUTE format('CREATE INDEX ON distribution_%s USING hnsw (theta vector_jensen_shannon_ops)', d);
		EXECUTE format('INSERT INTO distribution_%s SELECT id, theta FROM distribution_row WHERE dims = %1$s AND id %% 5 = 4', d);
	END LOOP;
END
$$;
-- all in the first window, lest one be found too late for its place
SET hnsw.ef_search = 300;
SELECT d, op, (SELECT count(*) FROM distribution_row r WHERE r.dims = d) AS rows, c.*
	FROM unnest(ARRAY[4, 50, 200, 1000]) d, unnest(ARRAY['<^>', '<|>']) op, LATERAL compared(format(
		'SELECT id, theta %s (SELECT theta FROM distribution_%s WHERE id = 10) FROM distribution_%2$s ORDER BY 2 LIMIT 1000', op, d)) c;
RESET hnsw.ef_search;
-- that was by the index (servers differ in how they write parameters)
CREATE FUNCTION distribution_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line !~ 'Disabled:' THEN
			RETURN NEXT replace(replace(line, ' (returns $0)', ''), '(InitPlan 1).col1', '$0');
		END IF;
	END LOOP;
END
$$;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT * FROM distribution_plan('SELECT id, theta <|> (SELECT theta FROM distribution_200 WHERE id = 10) FROM distribution_200 ORDER BY 2 LIMIT 1000');
RESET enable_seqscan;
RESET enable_sort;
-- the nearest are nearest
SELECT d, op, by_index, twice, found >= 9 AS found, unordered
	FROM unnest(ARRAY[4, 50, 200, 1000]) d, unnest(ARRAY['<^>', '<|>']) op, LATERAL compared(format(
		'SELECT id, theta %s (SELECT theta FROM distribution_%s WHERE id = 23) FROM distribution_%2$s ORDER BY 2 LIMIT 10', op, d)) c;

DROP TABLE distribution_pair, distribution_topic, distribution_small, distribution_row,
	distribution_4, distribution_50, distribution_200, distribution_1000;
DROP FUNCTION by_index, by_heap, compared, code_of, hellinger, jensen_shannon, shares, test_shares;
