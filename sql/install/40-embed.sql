-- Embeddings: models, and functions that turn texts into vectors with them.

-- The catalog.  It is written by the functions below only; everyone may read.

CREATE TABLE vecsearch_model (
	name text COLLATE "C" PRIMARY KEY,
	hash text COLLATE "C" NOT NULL,
	architecture text NOT NULL,
	dimensions integer NOT NULL,
	max_tokens integer NOT NULL,
	pooling text NOT NULL,
	storage text NOT NULL,
	bytes bigint NOT NULL,
	default_task text,
	owner regrole NOT NULL,
	users regrole[] NOT NULL
);
COMMENT ON TABLE vecsearch_model IS
	'registered embedding models; users are the roles that may use one, - is everyone; see the view embedding_models';

CREATE TABLE vecsearch_task (
	model text COLLATE "C",
	task text COLLATE "C",
	prompt text NOT NULL,
	include_in_pooling boolean,
	PRIMARY KEY (model, task)
);
COMMENT ON TABLE vecsearch_task IS
	'prompts of embedding models; include_in_pooling is null where the files of the model decide';

CREATE TABLE vecsearch_column (
	relation regclass,
	attnum smallint NOT NULL,
	name text COLLATE "C",
	model text COLLATE "C" NOT NULL,
	hash text COLLATE "C" NOT NULL,
	dimensions integer NOT NULL,
	PRIMARY KEY (relation, name)
);
COMMENT ON TABLE vecsearch_column IS
	'which model''s vectors a column holds; see the view embedding_columns';

CREATE UNLOGGED TABLE vecsearch_progress (
	pid integer PRIMARY KEY,
	leader integer NOT NULL,
	relation regclass NOT NULL,
	source text NOT NULL,
	target text NOT NULL,
	model text NOT NULL,
	rows_done bigint NOT NULL,
	rows_total bigint NOT NULL,
	started timestamptz NOT NULL
);
COMMENT ON TABLE vecsearch_progress IS
	'one row for each process of embed_table; see the view embedding_progress';

REVOKE ALL ON vecsearch_model, vecsearch_task, vecsearch_column, vecsearch_progress FROM PUBLIC;
GRANT SELECT ON vecsearch_model, vecsearch_task, vecsearch_column, vecsearch_progress TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('vecsearch_model', '');
SELECT pg_catalog.pg_extension_config_dump('vecsearch_task', '');
SELECT pg_catalog.pg_extension_config_dump('vecsearch_column',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');

-- Texts to vectors

CREATE FUNCTION embed(input text, task text DEFAULT NULL, model text DEFAULT NULL,
		instruction text DEFAULT NULL, dimensions integer DEFAULT NULL) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_embed'
	LANGUAGE C STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION embed(text, text, text, text, integer) IS
	'vector of a text by an embedding model, after the prompt of a task or an instruction; NULL of NULL';

CREATE FUNCTION embed(input text[], task text DEFAULT NULL, model text DEFAULT NULL,
		instruction text DEFAULT NULL, dimensions integer DEFAULT NULL) RETURNS vector[]
	AS 'MODULE_PATHNAME', 'vs_embed_array'
	LANGUAGE C STABLE PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION embed(text[], text, text, text, integer) IS
	'vectors of an array of texts, in an array of the same shape; faster than one by one';

CREATE FUNCTION embed_pinned(input text, model text, prompt text DEFAULT '',
		include_in_pooling boolean DEFAULT true, dimensions integer DEFAULT NULL) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_embed_pinned'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION embed_pinned(text, text, text, boolean, integer) IS
	'vector of a text by a model name@hash, which never changes: for generated columns and indexes';

CREATE FUNCTION embed_tokens(input text, task text DEFAULT NULL, model text DEFAULT NULL,
		instruction text DEFAULT NULL,
		OUT ordinal integer, OUT id integer, OUT piece text, OUT pooled boolean) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'vs_embed_tokens'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 ROWS 20;
COMMENT ON FUNCTION embed_tokens(text, text, text, text) IS
	'the tokens that embed makes of a text, prompt included, and whether they take part in pooling';

CREATE FUNCTION embed_like(relation regclass, target text, input text, task text DEFAULT NULL,
		instruction text DEFAULT NULL) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_embed_like'
	LANGUAGE C STABLE PARALLEL SAFE COST 10000;
COMMENT ON FUNCTION embed_like(regclass, text, text, text, text) IS
	'vector of a text by the model, and with the dimensions, of the vectors in a column; 55000 if that is not known';

-- Models

CREATE FUNCTION embedding_model_register(name text, directory text, storage text DEFAULT NULL) RETURNS text
	AS 'MODULE_PATHNAME', 'vs_embedding_model_register'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_model_register(text, text, text) IS
	'copies a model from a directory of the server, its weights as float32, float16, bfloat16 or int8; returns name@hash; for members of pg_read_server_files';

CREATE FUNCTION embedding_model_drop(name text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_embedding_model_drop'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_model_drop(text) IS
	'forgets a model, and removes its file at the end of the transaction; for its owner';

CREATE FUNCTION embedding_model_grant(model text, role text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_embedding_model_grant'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_model_grant(text, text) IS
	'lets a role, or public, use a model; for its owner';

CREATE FUNCTION embedding_model_revoke(model text, role text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_embedding_model_revoke'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_model_revoke(text, text) IS
	'takes back what embedding_model_grant gave; at first public may use a model; for its owner';

CREATE FUNCTION embedding_model_available(name text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_embedding_model_available'
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION embedding_model_available(text) IS
	'whether the file of a model is there, in its full length';

CREATE FUNCTION embedding_task_set(model text, task text, prompt text,
		include_in_pooling boolean DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_embedding_task_set'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_task_set(text, text, text, boolean) IS
	'adds a task to a model or changes it; NULL for whether the prompt is pooled takes what the model has; for its owner';

CREATE FUNCTION embedding_task_drop(model text, task text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_embedding_task_drop'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_task_drop(text, text) IS
	'removes a task of a model; for its owner';

CREATE FUNCTION embedding_task_default(model text, task text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_embedding_task_default'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_task_default(text, text) IS
	'the task of calls that name none, NULL for no prompt; for the owner of the model';

CREATE VIEW embedding_models AS
	SELECT m.name, m.architecture, m.dimensions, m.max_tokens, m.pooling,
		coalesce((SELECT jsonb_object_agg(t.task, t.prompt) FROM vecsearch_task t
			WHERE t.model = m.name), '{}') AS tasks,
		m.default_task, m.storage, m.bytes, m.hash,
		m.name || '@' || left(m.hash, 16) AS pinned,
		m.owner, m.users, embedding_model_available(m.name) AS available
	FROM vecsearch_model m;
COMMENT ON VIEW embedding_models IS
	'registered embedding models';
GRANT SELECT ON embedding_models TO PUBLIC;

-- Tables

CREATE PROCEDURE embed_table(relation regclass, source text, target text,
		task text DEFAULT NULL, model text DEFAULT NULL, instruction text DEFAULT NULL,
		dimensions integer DEFAULT NULL, batch integer DEFAULT 256, workers integer DEFAULT 1)
	AS 'MODULE_PATHNAME', 'vs_embed_table'
	LANGUAGE C;
COMMENT ON PROCEDURE embed_table(regclass, text, text, text, text, text, integer, integer, integer) IS
	'fills a column where it is NULL with vectors of the texts of another one, in batches with a commit after each';

CREATE FUNCTION embed_trigger() RETURNS trigger
	AS 'MODULE_PATHNAME', 'vs_embed_trigger'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embed_trigger() IS
	'keeps a column of embeddings current; arguments: source, target, then task, model, dimensions, which may be empty; BEFORE INSERT OR UPDATE, for each row';

CREATE FUNCTION embedding_column_set(relation regclass, target text, model text,
		dimensions integer DEFAULT NULL) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_embedding_column_set'
	LANGUAGE C VOLATILE;
COMMENT ON FUNCTION embedding_column_set(regclass, text, text, integer) IS
	'tells which model''s vectors a column holds; for the owner of the table';

CREATE FUNCTION embedding_column_reset(relation regclass, target text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_embedding_column_reset'
	LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION embedding_column_reset(regclass, text) IS
	'forgets which model''s vectors a column holds; whether that was known; for the owner of the table';

CREATE VIEW embedding_columns AS
	SELECT c.relation, a.attname AS target, c.model, c.hash, c.dimensions
	FROM vecsearch_column c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.relation AND a.attnum > 0 AND NOT a.attisdropped
	WHERE a.attname = c.name AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute d
			WHERE d.attrelid = c.relation AND d.attnum = c.attnum AND d.attisdropped)
		OR a.attnum = c.attnum AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute n
			WHERE n.attrelid = c.relation AND n.attname = c.name AND NOT n.attisdropped);
COMMENT ON VIEW embedding_columns IS
	'columns of which it is known whose vectors they hold';
GRANT SELECT ON embedding_columns TO PUBLIC;

-- A running embed_table is told by a lock that its session holds.
CREATE VIEW embedding_progress AS
	SELECT p.leader AS pid, p.relation, p.source, p.target, p.model,
		count(*) AS processes, sum(p.rows_done)::bigint AS rows_done, max(p.rows_total) AS rows_total,
		min(p.started) AS started,
		round((sum(p.rows_done) / greatest(extract(epoch FROM clock_timestamp() - min(p.started)), 0.001))::numeric, 1) AS rows_per_second
	FROM vecsearch_progress p
	WHERE EXISTS (SELECT FROM pg_catalog.pg_locks l
		WHERE l.locktype = 'relation' AND l.pid = p.leader AND l.mode = 'RowShareLock' AND l.granted
			AND l.relation = 'vecsearch_progress'::regclass
			AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
	GROUP BY p.leader, p.relation, p.source, p.target, p.model;
COMMENT ON VIEW embedding_progress IS
	'calls of embed_table that are at work';
GRANT SELECT ON embedding_progress TO PUBLIC;
