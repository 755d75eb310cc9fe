-- What demo.sh shows once the table word is loaded.
\set QUIET on
\pset footer off
\pset format aligned
SET client_min_messages = warning;

-- About 200 words that the index will not contain serve as queries.
CREATE TABLE held_out (LIKE word);
SELECT greatest(5, count(*) / 200) AS every FROM word \gset
WITH gone AS (DELETE FROM word WHERE id % :every = 0 RETURNING *)
INSERT INTO held_out SELECT * FROM gone;
ALTER TABLE word ADD PRIMARY KEY (id);
VACUUM ANALYZE word;
SELECT count(*) AS queries FROM held_out \gset

\echo
\echo CREATE INDEX word_embedding ON word USING hnsw (embedding vector_cosine_ops)
SELECT clock_timestamp() AS start \gset
CREATE INDEX word_embedding ON word USING hnsw (embedding vector_cosine_ops);
SELECT to_char(extract(epoch FROM clock_timestamp() - :'start'), 'FM9990.0')
		AS "build, s",
	count(*) AS words,
	pg_size_pretty(pg_table_size('word')) AS "table",
	pg_size_pretty(pg_relation_size('word_embedding')) AS "index"
FROM word;

\echo The nearest words of three words, with their cosine distances
SELECT w.word, string_agg(format('%s %s', n.word, to_char(n.distance, 'FM0.00')),
		', ' ORDER BY n.distance) AS nearest
FROM (VALUES (1, 'music'), (2, 'paris'), (3, 'water')) AS asked (place, word)
	JOIN word w USING (word),
	LATERAL (SELECT o.word, o.embedding <=> w.embedding AS distance
		FROM word o ORDER BY o.embedding <=> w.embedding OFFSET 1 LIMIT 6) n
GROUP BY asked.place, w.word ORDER BY asked.place;

\echo The plan of a search
EXPLAIN (COSTS OFF)
SELECT id, word FROM word
ORDER BY embedding <=> (SELECT embedding FROM held_out LIMIT 1) LIMIT 10;

\echo :queries searches for words that are not in the table, against exact search
CREATE TEMP TABLE found (method text, query int, id int);
CREATE TEMP TABLE spent (place int, method text, ms float8);

-- One statement for all the queries, so that only searching is timed.
CREATE FUNCTION pg_temp.search_all(place int, label text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
BEGIN
	INSERT INTO found
	SELECT label, h.id, n.id
	FROM held_out h, LATERAL (SELECT w.id FROM word w
		ORDER BY w.embedding <=> h.embedding LIMIT 10) n;
	INSERT INTO spent VALUES (place, label,
		extract(epoch FROM clock_timestamp() - start) * 1000);
END $$;

SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET enable_indexscan = off;
SELECT pg_temp.search_all(0, 'exact') \g /dev/null
RESET enable_indexscan;
-- Once for nothing, to fill the cache.
SELECT pg_temp.search_all(-1, 'warm-up') \g /dev/null
DISCARD PLANS;
SET hnsw.ef_search = 40;
SELECT pg_temp.search_all(1, 'hnsw.ef_search = 40') \g /dev/null
SET hnsw.ef_search = 100;
SELECT pg_temp.search_all(2, 'hnsw.ef_search = 100') \g /dev/null
SET hnsw.ef_search = 200;
SELECT pg_temp.search_all(3, 'hnsw.ef_search = 200') \g /dev/null
SET hnsw.ef_search = 400;
SELECT pg_temp.search_all(4, 'hnsw.ef_search = 400') \g /dev/null

SELECT s.method AS search,
	to_char(count(e.id)::numeric / (:queries * 10), '0.000') AS "recall@10",
	to_char(s.ms / :queries, 'FM99990.000') AS "ms a query"
FROM spent s
	JOIN found f USING (method)
	LEFT JOIN found e ON e.method = 'exact' AND e.query = f.query AND e.id = f.id
WHERE s.place >= 0
GROUP BY s.place, s.method, s.ms ORDER BY s.place;
