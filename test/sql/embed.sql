-- Embeddings: models of test/data/models, whose results were computed by
-- programs of others or by hand.

\set models `pwd`/test/data/models
\set bert :models/bert
\set t5 :models/t5
\set xlm :models/xlm-roberta
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_embed_owner, regress_embed_user;
CREATE ROLE regress_embed_owner IN ROLE pg_read_server_files;
CREATE ROLE regress_embed_user;
RESET client_min_messages;

-- Registration

SELECT embedding_model_register('bert', :'bert') ~ '^bert@[0-9a-f]{16}$' AS registered;
-- the same again changes nothing
SELECT embedding_model_register('bert', :'bert') = (SELECT pinned FROM embedding_models WHERE name = 'bert') AS same;
SELECT embedding_model_register('t5', :'t5') IS NOT NULL AS registered;
SELECT embedding_model_register('xlm', :'xlm') IS NOT NULL AS registered;
SELECT name, tasks, default_task, storage, bytes > 0 AS bytes, length(hash) AS hash,
		pinned = name || '@' || left(hash, 16) AS pinned, owner = current_user::regrole AS mine, users, available
	FROM embedding_models ORDER BY name;
-- a smaller storage is another model
SELECT embedding_model_register('bert8', :'bert', 'int8') <> embedding_model_register('bert', :'bert') AS differs;
SELECT storage FROM embedding_models WHERE name = 'bert8';
\set VERBOSITY sqlstate
SELECT embedding_model_register('bert', :'bert', 'float16');
SELECT embedding_model_register('bert', :'t5');
\set VERBOSITY terse
SELECT embedding_model_register('other', :'bert', 'int4');
SELECT embedding_model_register('a@b', :'bert');
SELECT embedding_model_register('', :'bert');
SELECT embedding_model_register(repeat('x', 64), :'bert');
SELECT embedding_model_register('other', 'test/data/models/bert');
SELECT embedding_model_register(NULL, :'bert');
SELECT embedding_model_register('other', NULL);
\set VERBOSITY sqlstate
SELECT embedding_model_register('other', :'models' || '/is-not-there');
\set VERBOSITY default

-- Results are those of the references

CREATE TABLE reference (model text, input text, task text, instruction text, ids integer[], vector vector);
SELECT count(embedding_model_register(name, :'models' || '/' || name)) AS registered
	FROM unnest('{distilbert,mpnet,nomic-bert,roberta,t5-gated,use-lite,xlm-roberta}'::text[]) name;
ALTER TABLE reference ALTER model SET DEFAULT 'bert';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/bert.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 'distilbert';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/distilbert.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 'mpnet';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/mpnet.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 'nomic-bert';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/nomic-bert.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 'roberta';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/roberta.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 't5';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/t5.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 't5-gated';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/t5-gated.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 'use-lite';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/use-lite.tsv'
ALTER TABLE reference ALTER model SET DEFAULT 'xlm-roberta';
\copy reference (input, task, instruction, ids, vector) from 'test/data/models/xlm-roberta.tsv'
SELECT model, count(*) >= 12 AS rows,
		count(*) FILTER (WHERE coalesce((SELECT array_agg(t.id ORDER BY ordinal)
			FROM embed_tokens(input, task, model, instruction) t), '{}') <> ids) AS other_tokens,
		max(l2_distance(embed(input, task, model, instruction), vector)) < 1e-5 AS close
	FROM reference GROUP BY model ORDER BY model;
SELECT count(embedding_model_drop(name)::text) AS dropped FROM embedding_models
	WHERE name NOT LIKE 'bert%' AND name <> 't5' AND name <> 'xlm';

-- one by one and all together are the same, whatever the array's shape
SELECT bool_and(v.one = v.together) AS same FROM (SELECT
		unnest(array_agg(embed(input, NULL, 'bert') ORDER BY input)) AS one,
		unnest(embed(array_agg(input ORDER BY input), NULL, 'bert')) AS together FROM reference) v;
SELECT embed('{{a,b},{c,NULL}}'::text[], model => 'bert')
	= ARRAY[[embed('a', model => 'bert'), embed('b', model => 'bert')], [embed('c', model => 'bert'), NULL]] AS same_shape;
SELECT embed('{}'::text[], model => 'bert'), embed(NULL::text[], model => 'bert') IS NULL AS null_array;

-- NULL, empty, long

SELECT embed(NULL, model => 'bert') IS NULL AS null_text, embed(NULL, model => 'is not there') IS NULL AS null_first,
	vector_dims(embed('', model => 'bert')) = dimensions AS empty_text,
	vector_dims(embed(repeat('word ', 2000000), model => 'bert')) = dimensions AS ten_megabytes
	FROM embedding_models WHERE name = 'bert';
SELECT count(*) = max_tokens AS cut FROM embed_tokens(repeat('word ', 10000), model => 'bert'), embedding_models
	WHERE name = 'bert' GROUP BY max_tokens;
SET vecsearch.embedding_truncate = off;
\set VERBOSITY sqlstate
SELECT embed(repeat('word ', 10000), model => 'bert');
\set VERBOSITY default
SELECT embed('short', model => 'bert') IS NOT NULL AS fits;
RESET vecsearch.embedding_truncate;

-- Which model

SELECT embed('x');
SELECT embed('x', model => 'is not there');
SELECT embed('x', model => '');
SET vecsearch.embedding_model = 'bert';
SELECT embed('x') = embed('x', model => 'bert') AS by_setting;
SELECT embed('x', model => pinned) = embed('x') AS by_pinned_name FROM embedding_models WHERE name = 'bert';

-- Which prompt: a task or an instruction, else the default task, else none

SELECT embed('x', 'query') = embed('query: x') AS prompt_before_text,
	embed('x', 'document') = embed('passage: x') AS another;
SELECT embed('x', 'is not there');
SELECT embed('x', 'query', instruction => 'y');
SELECT embedding_task_default('bert', 'query');
SELECT embed('x') = embed('x', 'query') AS default_task, embed('x', 'document') <> embed('x', 'query') AS task_wins,
	embed('x', instruction => '') <> embed('x', 'query') AS instruction_wins;
SELECT embedding_task_default('bert', 'is not there');
SELECT embedding_task_default('bert', NULL);
SELECT embed('x') = embed('x', 'query') AS default_task;
-- a prompt can be left out of pooling, an instruction is
SELECT embedding_task_set('bert', 'ask', 'query: ', true), embedding_task_set('bert', 'tell', ' query: ', false);
SELECT embed('x', 'ask') = embed('x', 'query') AS pooled, embed('x', 'tell') = embed('x', 'query') AS not_pooled,
	embed('x', 'tell') = embed('x', instruction => 'query:') AS as_instruction;
SELECT task, bool_or(NOT pooled) AS some_left_out, bool_or(pooled) AS some_pooled
	FROM (VALUES ('ask'), ('tell')) v (task), LATERAL embed_tokens('x', task) GROUP BY task ORDER BY task;
SELECT embedding_task_set('bert', 'tell', 'passage: ');
SELECT embed('x', 'tell') = embed('x', 'document') AS changed;
SELECT embedding_task_drop('bert', 'tell'), embedding_task_drop('bert', 'ask');
SELECT embedding_task_drop('bert', 'tell');
SELECT embedding_task_set('bert', '', 'x');
SELECT embedding_task_set('bert', 'x', NULL);
SELECT embedding_task_set('is not there', 'x', 'x');

-- Dimensions

SELECT vector_dims(embed('x', dimensions => 5)) AS dims, abs(vector_norm(embed('x', dimensions => 5)) - 1) < 1e-6 AS unit,
	l2_distance(embed('x', dimensions => 5), l2_normalize(subvector(embed('x'), 1, 5))) < 1e-6 AS first_ones;
\set VERBOSITY sqlstate
SELECT embed('x', dimensions => 0);
SELECT embed('x', dimensions => -1);
SELECT embed('x', dimensions => 100000);
\set VERBOSITY default

-- The immutable form

SELECT pinned AS pinned, hash FROM embedding_models WHERE name = 'bert' \gset
SELECT embed_pinned('x', :'pinned') = embed('x') AS same,
	embed_pinned('x', 'bert@' || :'hash', 'query: ') = embed('x', 'query') AS prompt,
	embed_pinned('x', :'pinned', 'query:', false) = embed('x', instruction => 'query:') AS not_pooled,
	embed_pinned('x', :'pinned', dimensions => 3) = embed('x', dimensions => 3) AS cut,
	embed_pinned(NULL, :'pinned') IS NULL AS null_text;
SELECT embed_pinned('x', 'bert');
SELECT embed_pinned('x', 'bert@0123');
\set VERBOSITY terse
SELECT embed_pinned('x', 'bert@0123456789abcdef');
\set VERBOSITY default
CREATE TABLE generated (input text, embedding vector GENERATED ALWAYS AS (embed_pinned(input, :'pinned')) STORED);
CREATE INDEX ON generated USING hnsw ((embed_pinned(input, :'pinned', dimensions => 8)::vector(8)) vector_cosine_ops);
INSERT INTO generated VALUES ('one'), ('two'), (NULL);
SELECT input, embedding = embed(input) AS right FROM generated ORDER BY input;
CREATE INDEX ON generated ((embed(input)));
DROP TABLE generated;

-- A trigger keeps a column current

CREATE TABLE item (id integer, body varchar, embedding vector, other text);
CREATE TRIGGER item_embed BEFORE INSERT OR UPDATE ON item
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('body', 'embedding', 'document', 'bert');
INSERT INTO item VALUES (1, 'one'), (2, 'two'), (3, NULL);
SELECT id, embedding = embed(body, 'document') AS right FROM item ORDER BY id;
UPDATE item SET body = 'three' WHERE id > 1;
UPDATE item SET other = 'x', embedding = NULL WHERE id = 1;
SELECT id, embedding = embed(body, 'document') AS right FROM item ORDER BY id;
UPDATE item SET body = NULL WHERE id = 2;
SELECT id, embedding = embed(body, 'document') AS right FROM item ORDER BY id;
SELECT relation, target, model FROM embedding_columns;
DROP TRIGGER item_embed ON item;
SELECT embed_trigger();
\set VERBOSITY terse
CREATE TRIGGER item_embed AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION embed_trigger('body', 'embedding');
INSERT INTO item VALUES (4, 'four');
DROP TRIGGER item_embed ON item;
CREATE TRIGGER item_embed BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION embed_trigger('body');
INSERT INTO item VALUES (4, 'four');
DROP TRIGGER item_embed ON item;
CREATE TRIGGER item_embed BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION embed_trigger('id', 'embedding');
INSERT INTO item VALUES (4, 'four');
DROP TRIGGER item_embed ON item;
CREATE TRIGGER item_embed BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION embed_trigger('body', 'other');
INSERT INTO item VALUES (4, 'four');
DROP TRIGGER item_embed ON item;
CREATE TRIGGER item_embed BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION embed_trigger('body', 'missing');
INSERT INTO item VALUES (4, 'four');
DROP TRIGGER item_embed ON item;
-- not into a column of another model
CREATE TRIGGER item_embed BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION embed_trigger('body', 'embedding', '', 't5');
INSERT INTO item VALUES (4, 'four');
DROP TRIGGER item_embed ON item;
\set VERBOSITY default

-- Questions to a column

SELECT embed_like('item', 'embedding', 'one', 'document') = (SELECT embedding FROM item WHERE id = 1) AS same;
SELECT embedding_column_reset('item', 'embedding'), embedding_column_reset('item', 'embedding');
SELECT embed_like('item', 'embedding', 'one');
SELECT embedding_column_set('item', 'embedding', 't5');
SELECT embed_like('item', 'embedding', 'one') = embed('one', model => 't5') AS same;
SELECT embed_like('item', 'missing', 'one');
ALTER TABLE item RENAME embedding TO v;
SELECT relation, target, model FROM embedding_columns;
ALTER TABLE item DROP v, ADD v vector;
SELECT relation, target, model FROM embedding_columns;

-- A table at once

INSERT INTO item SELECT i, 'text ' || i FROM generate_series(5, 300) i;
SET client_min_messages = warning;
CALL embed_table('item', 'body', 'v', batch => 50);
SELECT count(v) = count(body) AS filled, bool_and(v = embed(body)) AS right FROM item;
-- only what is NULL, by two processes
UPDATE item SET v = NULL WHERE id % 2 = 0;
CALL embed_table('item', 'body', 'v', workers => 2);
SELECT count(v) = count(body) AS filled, bool_and(v = embed(body)) AS right FROM item;
SELECT count(*) FROM embedding_progress;
RESET client_min_messages;
\set VERBOSITY terse
CALL embed_table('item', 'body', 'v', model => 't5');
CALL embed_table('item', 'body', 'v', dimensions => 4);
CALL embed_table('item', 'body', 'other');
CALL embed_table('item', 'id', 'v');
CALL embed_table('item', 'body', 'missing');
CALL embed_table('item', 'body; DROP TABLE item', 'v');
CALL embed_table('item', 'body', 'v', batch => 0);
CALL embed_table('item', 'body', 'v', workers => 0);
CALL embed_table(NULL, 'body', 'v');
CALL embed_table('embedding_models', 'name', 'hash');
BEGIN;
CALL embed_table('item', 'body', 'v');
ROLLBACK;

-- Rights

SET ROLE regress_embed_user;
SELECT embed('x') IS NOT NULL AS public_may;
SELECT embedding_model_register('mine', '/');
SELECT embedding_model_drop('bert');
SELECT embedding_task_set('bert', 'a', 'b');
SELECT embedding_model_grant('bert', 'public');
SELECT embedding_column_set('item', 'v', 'bert');
CALL embed_table('item', 'body', 'v');
DELETE FROM vecsearch_model;
RESET ROLE;
SELECT embedding_model_revoke('bert', 'public');
SET ROLE regress_embed_user;
SELECT embed('x');
SELECT embed_pinned('x', :'pinned');
RESET ROLE;
SELECT embedding_model_grant('bert', 'regress_embed_user');
SET ROLE regress_embed_user;
SELECT embed('x') IS NOT NULL AS user_may;
RESET ROLE;
SELECT embedding_model_grant('bert', 'is not there');
-- members of pg_read_server_files may register, and own what they did
SET ROLE regress_embed_owner;
SELECT embed('x');
SELECT embedding_model_register('mine', :'bert') IS NOT NULL AS registered;
SELECT embedding_model_revoke('mine', 'public');
SELECT embed('x', model => 'mine') IS NOT NULL AS owner_may;
SET ROLE regress_embed_user;
SELECT embed('x', model => 'mine');
RESET ROLE;
\set VERBOSITY default

-- Dropping

BEGIN;
SELECT embedding_model_drop('t5');
SELECT embed('x', model => 't5');
ROLLBACK;
SELECT embed('x', model => 't5') IS NOT NULL AS back;
-- two names of the same files
SELECT embedding_model_drop('mine');
SELECT embed('x') IS NOT NULL AS others_stay;
SELECT embedding_model_drop(name) FROM embedding_models;
SELECT embedding_model_drop('bert');
SELECT count(*) FROM embedding_models;
SELECT count(*) FROM vecsearch_task;
DROP TABLE item, reference;
SELECT count(*) FROM embedding_columns;
DROP ROLE regress_embed_owner, regress_embed_user;
RESET vecsearch.embedding_model;
