-- What demo.sh shows.  The variables model and name are the folder and the name
-- of a model; the environment's packages is the file with the packages.
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
\echo == how the server does it
EXPLAIN (COSTS OFF)
SELECT name FROM package WHERE section = 'games'
ORDER BY embedding <=> embed('learn words') LIMIT 5;
