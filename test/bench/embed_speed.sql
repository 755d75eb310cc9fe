-- How fast texts become vectors through SQL: one at a time, in arrays, by
-- embed_table.  The texts are the short descriptions of all packages.
\pset footer off
SET max_parallel_workers_per_gather = 0;
SET client_min_messages = warning;

CREATE TEMP TABLE spent (place int, way text, texts bigint, seconds float8);
CREATE TEMP TABLE few AS SELECT description FROM package ORDER BY md5(name) LIMIT 4000;
SELECT sum(vector_dims(embed(description))) FROM few \g /dev/null

SELECT clock_timestamp() AS start \gset
SELECT sum(vector_dims(embed(description))) FROM few \g /dev/null
INSERT INTO spent SELECT 1, 'embed(text)', 4000, extract(epoch FROM clock_timestamp() - :'start');

SELECT clock_timestamp() AS start \gset
SELECT sum(cardinality(embed(texts)))
FROM (SELECT array_agg(description) AS texts
	FROM (SELECT description, row_number() OVER () / 64 AS part FROM few) AS numbered
	GROUP BY part) AS parts \g /dev/null
INSERT INTO spent SELECT 2, 'embed(text[]) of 64', 4000, extract(epoch FROM clock_timestamp() - :'start');

-- Fresh tables, so that each run finds the same work.
SELECT count(*) AS packages FROM package \gset
CREATE TABLE one (LIKE package INCLUDING ALL, embedding vector(512));
CREATE TABLE two (LIKE package INCLUDING ALL, embedding vector(512));
INSERT INTO one SELECT * FROM package;
INSERT INTO two SELECT * FROM package;
VACUUM ANALYZE one, two;
CHECKPOINT;

SELECT clock_timestamp() AS start \gset
CALL embed_table('one', 'description', 'embedding', workers => 1);
INSERT INTO spent SELECT 3, 'embed_table, 1 worker', :packages, extract(epoch FROM clock_timestamp() - :'start');
CHECKPOINT;
SELECT clock_timestamp() AS start \gset
CALL embed_table('two', 'description', 'embedding', workers => 2);
INSERT INTO spent SELECT 4, 'embed_table, 2 workers', :packages, extract(epoch FROM clock_timestamp() - :'start');

SELECT avg(tokens) AS tokens
FROM (SELECT (SELECT count(*) FROM embed_tokens(description)) AS tokens FROM few) AS t \gset
SELECT way, texts, round(seconds::numeric, 1) AS "s",
	round((texts / seconds)::numeric) AS "texts/s",
	round((texts * :tokens / seconds)::numeric) AS "tokens/s",
	round((1000 * seconds / texts)::numeric, 2) AS "ms a text"
FROM spent ORDER BY place;
SELECT round((a.seconds / b.seconds)::numeric, 2) AS "two workers / one"
FROM spent a, spent b WHERE a.place = 3 AND b.place = 4;
SELECT count(*) AS "rows that differ" FROM one JOIN two USING (name)
WHERE one.embedding IS DISTINCT FROM two.embedding;
