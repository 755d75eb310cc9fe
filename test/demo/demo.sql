-- What demo.sh shows.  The variables model and name are the folder and the name
-- of a model, report is the file for the picture of the topics; the
-- environment's packages and texts are the files with the packages and their
-- whole descriptions.
\set QUIET on
\pset footer off
\pset format aligned
\set VERBOSITY terse

CREATE EXTENSION vecsearch;
CREATE TABLE package (name text PRIMARY KEY, section text, description text);

\echo
\echo == loading the packages
\timing on
\copy package FROM PROGRAM 'cut -f 1,3,4 "$packages"'

\echo
\echo == registering the model
SELECT embedding_model_register(:'name', :'model') AS registered;
\timing off
ALTER DATABASE demo SET vecsearch.embedding_model = :'name';
SET vecsearch.embedding_model = :'name';
SELECT dimensions FROM embedding_models WHERE name = :'name' \gset
SELECT name, architecture, dimensions, max_tokens, pooling, storage,
	pg_size_pretty(bytes) AS size
FROM embedding_models;

\echo == embedding the descriptions
\echo 'CALL embed_table(''package'', ''description'', ''embedding'', workers => 2)'
ALTER TABLE package ADD embedding vector(:dimensions);
\timing on
CALL embed_table('package', 'description', 'embedding', workers => 2);
\timing off
VACUUM ANALYZE package;

\echo
\echo == building the index
\echo 'CREATE INDEX ON package USING hnsw (embedding vector_cosine_ops)'
\timing on
CREATE INDEX ON package USING hnsw (embedding vector_cosine_ops);
\timing off
SELECT count(embedding) AS packages,
	pg_size_pretty(pg_table_size('package')) AS "table",
	pg_size_pretty(pg_relation_size('package_embedding_idx')) AS "index"
FROM package;

\echo == searching by meaning
\set search 'FROM package ORDER BY embedding <=> embed(:''words'') LIMIT 5'

\set words 'draw a graph'
\echo 'SELECT name, description FROM package'
\echo 'ORDER BY embedding <=> embed(''draw a graph'') LIMIT 5'
\timing on
SELECT name, description :search;
\echo
\set words 'keep my passwords safe'
\echo :words
SELECT name, description :search;
\echo
\set words 'get back files that I deleted by accident'
\echo :words
SELECT name, description :search;
\echo
\set words 'learn words of a foreign language'
\echo :words
SELECT name, description :search;

\echo
\echo 'The last one among the games only: WHERE section = ''games'''
SELECT name, description FROM package WHERE section = 'games'
ORDER BY embedding <=> embed(:'words') LIMIT 5;

\echo
\echo Packages like one of them: ORDER BY embedding <=> that of postgresql
SELECT name, description FROM package
ORDER BY embedding <=> (SELECT embedding FROM package WHERE name = 'postgresql') LIMIT 5;
\timing off

\echo
\echo == learning topics
SELECT clock_timestamp() AS began \gset
CREATE TABLE article (name text PRIMARY KEY, title text, body text);
\timing on
\copy article (name, body) FROM PROGRAM 'cut -f 1,4 "$texts"'
\timing off
UPDATE article SET title = description FROM package
WHERE package.name = article.name;
VACUUM FULL ANALYZE article;
\echo 'lda_train(''packages'', ''SELECT name, body FROM article'', 150, ...)'
\pset expanded on
\timing on
SELECT topics, words, trained AS documents, tokens,
	round(perplexity::numeric, 1) AS "perplexity of the 10 % held out",
	processes
FROM lda_train('packages', 'SELECT name, body FROM article', 150,
	config => 'english', min_df => 5, max_df => .05, held_out => .1,
	workers => 2);
\timing off
\pset expanded off

\echo 'The ten most coherent topics of those with one percent of the words.'
\echo 'Words are stems, as text search has them.'
SELECT topic, round(100 * share::numeric, 1) AS "%",
	round(coherence::numeric, 2) AS coherence,
	array_to_string(words, ' ') AS words
FROM lda_topic_info('packages') WHERE share >= .01
ORDER BY coherence DESC LIMIT 10;

\echo 'The main topic of a text: lda_dominant_topic(''packages'', ''...'')'
\set words 'compare the genomes of two species'
\echo :words
\timing on
SELECT topic, round(share::numeric, 2) AS share,
	array_to_string(words, ' ') AS words
FROM lda_dominant_topic('packages', :'words');
\timing off

\echo
\echo == searching by topic
\echo 'ALTER TABLE article ADD theta vector(150) GENERATED ALWAYS AS'
\echo '  (lda_topics_pinned(''packages@...'', body)) STORED'
SELECT pinned FROM lda_models WHERE name = 'packages' \gset
\timing on
ALTER TABLE article ADD theta vector(150)
	GENERATED ALWAYS AS (lda_topics_pinned(:'pinned', body)) STORED;
\echo 'CREATE INDEX ON article USING hnsw (theta vector_hellinger_ops)'
CREATE INDEX ON article USING hnsw (theta vector_hellinger_ops);
\timing off
ANALYZE article;

\echo
\echo 'SELECT name, title FROM article'
\echo 'ORDER BY theta <^> lda_topics(''packages'', ''...'') LIMIT 5, for the text above'
\timing on
SELECT name, title FROM article
ORDER BY theta <^> lda_topics('packages', :'words') LIMIT 5;
\echo
\set words 'encrypt and sign letters with a key'
\echo :words
SELECT name, title FROM article
ORDER BY theta <^> lda_topics('packages', :'words') LIMIT 5;
\echo
\echo Packages like one of them: ORDER BY theta <^> that of gnome-chess
SELECT name, title FROM article
ORDER BY theta <^> (SELECT theta FROM article WHERE name = 'gnome-chess') LIMIT 5;
\timing off

\echo
\echo 'Two topics at once: WHERE topic_share(theta, that of games) > .1'
\echo 'AND topic_share(theta, that of networks) > .1'
SELECT topic AS game
FROM lda_dominant_topic('packages', 'a game for two players') \gset
SELECT topic AS network
FROM lda_dominant_topic('packages', 'the protocol of a network') \gset
\timing on
SELECT name, title, round(topic_share(theta, :game)::numeric, 2) AS game,
	round(topic_share(theta, :network)::numeric, 2) AS network
FROM article
WHERE topic_share(theta, :game) > .1 AND topic_share(theta, :network) > .1
ORDER BY topic_share(theta, :game) * topic_share(theta, :network) DESC LIMIT 5;

\echo
\echo 'A picture of all topics: lda_report(''packages'')'
\pset format unaligned
\pset tuples_only on
SELECT lda_report('packages') \g :report
\timing off
\pset tuples_only off
\pset format aligned
SELECT round(extract(epoch FROM clock_timestamp() - :'began')) AS seconds \gset
\echo
\echo The part about topics took :seconds s.

\echo
\echo == how the server does it
EXPLAIN (COSTS OFF)
SELECT name FROM package WHERE section = 'games'
ORDER BY embedding <=> embed('learn words') LIMIT 5;
EXPLAIN (COSTS OFF)
SELECT name FROM article
ORDER BY theta <^> lda_topics('packages', 'learn words') LIMIT 5;
