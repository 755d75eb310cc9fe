-- A corpus for topic models: once cut into words, the same for all systems.
--
-- Wants :corpus, the name of it, and :folder, where COPY goes; what is in raw
-- (name, source, body) becomes the table :corpus and the files
--
--	FOLDER/CORPUS.vocab		a word a line
--	FOLDER/CORPUS.txt		a document a line: 1 if held out, then word:count
--	FOLDER/CORPUS.seq		a document a line: all lexemes in the order of the text
--
-- A tenth is held out, by source.  Words are those in 5 documents for training
-- and more, and in half of them at most, which is what gensim's
-- filter_extremes takes; a word is what to_tsvector says.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
DROP TABLE IF EXISTS :"corpus", vocabulary, plain;

CREATE TEMP TABLE plain AS
SELECT row_number() OVER (ORDER BY name COLLATE "C")::int AS id, body,
	('x' || left(md5(source), 8))::bit(32)::bigint % 10 = 0 AS held,
	to_tsvector('english', body) AS lexemes
FROM raw;

-- Neither COPY nor the other systems should have to quote a word.
CREATE TEMP TABLE vocabulary AS
SELECT row_number() OVER (ORDER BY count(*) DESC, lexeme COLLATE "C") - 1 AS id,
	lexeme
FROM plain, unnest(lexemes)
WHERE NOT held AND lexeme !~ '[\\[:space:]]'
GROUP BY lexeme
HAVING count(*) >= 5
	AND count(*) <= (SELECT count(*) FROM plain WHERE NOT held) / 2;
CREATE UNIQUE INDEX ON vocabulary (lexeme);

CREATE TABLE :"corpus" AS
SELECT id, held, body, lexemes, w.words, w.counts, w.line
FROM plain, LATERAL (
	SELECT array_agg(lexeme ORDER BY v.id) AS words,
		array_agg(cardinality(positions) ORDER BY v.id) AS counts,
		string_agg(v.id || ':' || cardinality(positions), ' ' ORDER BY v.id) AS line
	FROM unnest(plain.lexemes) JOIN vocabulary v USING (lexeme)) AS w
WHERE w.words IS NOT NULL
ORDER BY id;
ALTER TABLE :"corpus" ADD PRIMARY KEY (id);
VACUUM ANALYZE :"corpus";

\o :folder/:corpus.vocab
COPY (SELECT lexeme FROM vocabulary ORDER BY id) TO STDOUT;
\o :folder/:corpus.txt
SELECT format('COPY (SELECT held::int || '' '' || line FROM %I ORDER BY id) TO STDOUT', :'corpus') \gexec
\o :folder/:corpus.seq
SELECT format($$COPY (
	SELECT (SELECT string_agg(lexeme, ' ' ORDER BY place, lexeme)
		FROM unnest(lexemes), unnest(positions) AS place)
	FROM %I WHERE NOT held ORDER BY id) TO STDOUT$$, :'corpus') \gexec
\o

SELECT :'corpus' AS corpus, count(*) AS documents, sum(held::int) AS held,
	(SELECT count(*) FROM vocabulary) AS words,
	sum((SELECT sum(n) FROM unnest(counts) AS n)) AS tokens,
	round(avg((SELECT sum(n) FROM unnest(counts) AS n)), 1) AS "tokens a document"
FROM :"corpus";
