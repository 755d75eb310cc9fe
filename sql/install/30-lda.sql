-- Topics: latent Dirichlet allocation (D. Blei, A. Ng, M. Jordan, JMLR 3, 2003).

-- The catalog.  It is written by the functions below only.  Who may use a model
-- is checked by the functions, so its words are not for everyone to read.

CREATE TABLE vecsearch_lda_model (
	name text COLLATE "C" PRIMARY KEY,
	version text COLLATE "C" NOT NULL,
	owner regrole NOT NULL,
	users regrole[] NOT NULL,
	topics integer NOT NULL,
	words integer NOT NULL,
	documents bigint NOT NULL,
	tokens bigint NOT NULL,
	alpha float8[] NOT NULL,
	beta float8 NOT NULL,
	topic_tokens float8[] NOT NULL,
	coherence float8[] NOT NULL,
	config text NOT NULL,
	method text NOT NULL,
	seed bigint NOT NULL,
	iterations integer NOT NULL,
	held_out float8 NOT NULL,
	perplexity float8,
	seconds float8 NOT NULL,
	trained timestamptz NOT NULL
);
COMMENT ON TABLE vecsearch_lda_model IS
	'topic models; users are the roles that may use one, - is everyone; see the view lda_models';

CREATE TABLE vecsearch_lda_word (
	model text COLLATE "C",
	number integer,
	word text COLLATE "C" NOT NULL,
	documents bigint NOT NULL,
	tokens bigint NOT NULL,
	topics smallint[] NOT NULL,
	counts real[] NOT NULL,
	PRIMARY KEY (model, number)
);
COMMENT ON TABLE vecsearch_lda_word IS
	'words of topic models: how many documents and tokens had one, the topics that have it, and how many of its tokens each has';

REVOKE ALL ON vecsearch_lda_model, vecsearch_lda_word FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('vecsearch_lda_model', '');
SELECT pg_catalog.pg_extension_config_dump('vecsearch_lda_word', '');

CREATE VIEW lda_models AS
	SELECT name, topics, words, documents, tokens, beta, config, method, seed,
		iterations, held_out, perplexity, seconds, trained, version,
		name || '@' || version AS pinned, owner, users
	FROM vecsearch_lda_model;
COMMENT ON VIEW lda_models IS
	'topic models: size, how they were trained, perplexity of the documents held out, version and pinned name';
GRANT SELECT ON lda_models TO PUBLIC;

-- Training

CREATE FUNCTION lda_train(model text, documents text, num_topics integer,
		alpha float8 DEFAULT NULL, beta float8 DEFAULT NULL,
		iterations integer DEFAULT NULL, optimize_interval integer DEFAULT 10,
		seed bigint DEFAULT 1, workers integer DEFAULT 1,
		held_out float8 DEFAULT 0, min_df integer DEFAULT 2,
		max_df float8 DEFAULT 1, vocabulary_size integer DEFAULT 100000,
		config regconfig DEFAULT NULL, method text DEFAULT 'gibbs',
		optimize_beta boolean DEFAULT false,
		OUT topics integer, OUT words integer, OUT trained bigint,
		OUT tokens bigint, OUT words_left_out bigint, OUT tokens_left_out bigint,
		OUT perplexity float8, OUT processes integer, OUT seconds float8)
	AS 'MODULE_PATHNAME', 'vs_lda_train_model'
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;
COMMENT ON FUNCTION lda_train(text, text, integer, float8, float8, integer, integer, bigint, integer, float8, integer, float8, integer, regconfig, text, boolean) IS
	'trains a topic model on the documents of a query that returns (id, text), (id, tsvector) or (id, words text[], counts integer[]); method gibbs: collapsed Gibbs sampling (PNAS 101 suppl. 1, 2004), online: each part of the documents once; alpha, of each topic, is learned where null, and beta, of each word, with optimize_beta (fixed point of T. Minka, 2000), null is .35 / sqrt(num_topics); tells sizes, and the perplexity of the share of documents held out';

CREATE FUNCTION lda_update(model text, documents text, iterations integer DEFAULT 20,
		seed bigint DEFAULT 1, workers integer DEFAULT 1,
		new_words boolean DEFAULT true, min_df integer DEFAULT 2,
		OUT topics integer, OUT words integer, OUT trained bigint,
		OUT tokens bigint, OUT words_left_out bigint, OUT tokens_left_out bigint,
		OUT perplexity float8, OUT processes integer, OUT seconds float8)
	AS 'MODULE_PATHNAME', 'vs_lda_update'
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;
COMMENT ON FUNCTION lda_update(text, text, integer, bigint, integer, boolean, integer) IS
	'teaches a topic model more documents (as for lda_train) without forgetting; words that are new and in at least min_df of them are added, unless new_words is false; those left out are counted; for its owner';

CREATE FUNCTION lda_drop(model text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_lda_drop'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lda_drop(text) IS
	'removes a topic model; for its owner';

CREATE FUNCTION lda_grant(model text, role text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_lda_grant'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lda_grant(text, text) IS
	'lets a role, or public, use a topic model; for its owner';

CREATE FUNCTION lda_revoke(model text, role text) RETURNS void
	AS 'MODULE_PATHNAME', 'vs_lda_revoke'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION lda_revoke(text, text) IS
	'takes back what lda_grant gave; at first public may use a model; for its owner';

CREATE FUNCTION lda_progress_rows(OUT pid integer, OUT model text, OUT phase text,
		OUT done bigint, OUT total bigint, OUT started timestamptz) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'vs_lda_progress_rows'
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 1;
COMMENT ON FUNCTION lda_progress_rows() IS
	'trainings that run in this database, for the view lda_progress';

CREATE VIEW lda_progress AS
	SELECT pid, model, phase, done, total,
		round(100.0 * done / nullif(total, 0), 1) AS percent, started
	FROM lda_progress_rows();
COMMENT ON VIEW lda_progress IS
	'topic models that are being trained or updated: the phase, and how much of it is done; of all users for members of pg_read_all_stats';
GRANT SELECT ON lda_progress TO PUBLIC;

-- Topics of documents

CREATE FUNCTION lda_topics(model text, document text) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_lda_topics'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION lda_topics(text, text) IS
	'shares of the topics of a model in a text: a vector of num_topics elements that add up to 1; fold-in with the topics fixed; words the model does not know are left out, and a text without others has the shares of the prior';

CREATE FUNCTION lda_topics(model text, document tsvector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_lda_topics'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_topics(text, tsvector) IS
	'shares of the topics of a model in a tsvector: a word counts as often as it has positions, or once if it has none';

CREATE FUNCTION lda_topics(model text, words text[], counts integer[]) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_lda_topics'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_topics(text, text[], integer[]) IS
	'shares of the topics of a model in a document given by its words and how often it has each; 2202E if the arrays differ in length';

CREATE FUNCTION lda_topics_pinned(model text, document text) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_lda_topics_pinned'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION lda_topics_pinned(text, text) IS
	'as lda_topics, by a model name@version, which never changes: for generated columns and indexes; 42704 if the model has another version';

CREATE FUNCTION lda_topics_pinned(model text, document tsvector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_lda_topics_pinned'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_topics_pinned(text, tsvector) IS
	'as lda_topics, by a model name@version, which never changes: for generated columns and indexes; 42704 if the model has another version';

CREATE FUNCTION lda_topics_pinned(model text, words text[], counts integer[]) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_lda_topics_pinned'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_topics_pinned(text, text[], integer[]) IS
	'as lda_topics, by a model name@version, which never changes: for generated columns and indexes; 42704 if the model has another version';

CREATE FUNCTION lda_dominant_topic(model text, document text,
		OUT topic integer, OUT share float8, OUT words text[])
	AS 'MODULE_PATHNAME', 'vs_lda_dominant_topic'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION lda_dominant_topic(text, text) IS
	'the topic with the largest share in a text (the first of equal ones), its share, and its ten most probable words';

CREATE FUNCTION lda_dominant_topic(model text, document tsvector,
		OUT topic integer, OUT share float8, OUT words text[])
	AS 'MODULE_PATHNAME', 'vs_lda_dominant_topic'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_dominant_topic(text, tsvector) IS
	'the topic with the largest share in a tsvector (the first of equal ones), its share, and its ten most probable words';

CREATE FUNCTION lda_dominant_topic(model text, words text[], counts integer[],
		OUT topic integer, OUT share float8, OUT top_words text[])
	AS 'MODULE_PATHNAME', 'vs_lda_dominant_topic'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_dominant_topic(text, text[], integer[]) IS
	'the topic with the largest share in a document of words and counts (the first of equal ones), its share, and its ten most probable words';

CREATE FUNCTION lda_coverage(model text, document text,
		OUT known bigint, OUT unknown bigint, OUT unknown_words text[])
	AS 'MODULE_PATHNAME', 'vs_lda_coverage'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION lda_coverage(text, text) IS
	'how many tokens of a text a topic model knows and does not know, and the unknown words, each once';

CREATE FUNCTION lda_coverage(model text, document tsvector,
		OUT known bigint, OUT unknown bigint, OUT unknown_words text[])
	AS 'MODULE_PATHNAME', 'vs_lda_coverage'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_coverage(text, tsvector) IS
	'how many tokens of a tsvector a topic model knows and does not know, and the unknown words, each once';

CREATE FUNCTION lda_coverage(model text, words text[], counts integer[],
		OUT known bigint, OUT unknown bigint, OUT unknown_words text[])
	AS 'MODULE_PATHNAME', 'vs_lda_coverage'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 500;
COMMENT ON FUNCTION lda_coverage(text, text[], integer[]) IS
	'how many tokens of a document of words and counts a topic model knows and does not know, and the unknown words, each once';

-- Topics of models

CREATE FUNCTION lda_top_words(model text, topic integer, n integer DEFAULT 10, lambda float8 DEFAULT 1,
		OUT word text, OUT probability float8, OUT relevance float8) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'vs_lda_top_words_rows'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000 ROWS 10;
COMMENT ON FUNCTION lda_top_words(text, integer, integer, float8) IS
	'the n most relevant words of a topic, best first; relevance is lambda log p(word | topic) + (1 - lambda) log(p(word | topic) / p(word)) (C. Sievert, K. Shirley, 2014)';

CREATE FUNCTION lda_topic_info(model text,
		OUT topic integer, OUT share float8, OUT tokens float8, OUT alpha float8,
		OUT coherence float8, OUT exclusivity float8, OUT unique_share float8,
		OUT words text[]) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'vs_lda_topic_info'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100000 ROWS 50;
COMMENT ON FUNCTION lda_topic_info(text) IS
	'the topics of a model: share of the training tokens, prior, coherence (NPMI of the ten top words over the documents of lda_train), exclusivity (mean over them of p(word | topic) / sum over topics), share of them that are top words of no other topic, and the words';

CREATE FUNCTION lda_perplexity(model text, documents text) RETURNS float8
	AS 'MODULE_PATHNAME', 'vs_lda_perplexity'
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;
COMMENT ON FUNCTION lda_perplexity(text, text) IS
	'perplexity of the documents of a query by document completion (H. Wallach et al., ICML 2009): topics from a random half of the tokens of a document, exp of the mean -log p of the others; of documents that were not trained on; lower is better';

CREATE FUNCTION lda_coherence(model text, documents text, measure text DEFAULT 'c_npmi', top_words integer DEFAULT 10,
		OUT topic integer, OUT coherence float8) RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'vs_lda_coherence'
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 50;
COMMENT ON FUNCTION lda_coherence(text, text, text, integer) IS
	'coherence of the top words of each topic over the documents of a query, by u_mass, c_npmi or c_v as gensim defines them (M. Roeder et al., WSDM 2015)';

CREATE FUNCTION lda_report(model text) RETURNS text
	AS 'MODULE_PATHNAME', 'vs_lda_report_page'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000000;
COMMENT ON FUNCTION lda_report(text) IS
	'a page of HTML that shows a topic model: topics on a plane by Jensen-Shannon distance, their words by relevance, sizes and quality; needs no other file';
