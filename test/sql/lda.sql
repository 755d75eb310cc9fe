-- Topic models: trained, asked, judged and searched.  Documents are small and
-- their topics obvious.

SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_lda_owner, regress_lda_user;
CREATE ROLE regress_lda_owner;
CREATE ROLE regress_lda_user;
RESET client_min_messages;

-- 60 texts about animals, 40 about money; each has four of the six words
CREATE TABLE note AS
	SELECT i AS id, (SELECT string_agg(word, ' and the ' ORDER BY n) FROM unnest(CASE WHEN i % 5 < 3
			THEN '{cats,dog,fur,paws,tail,whiskers}' ELSE '{banks,coin,debts,loan,price,tax}' END::text[])
			WITH ORDINALITY u (word, n) WHERE (i + n) % 3 > 0) AS body
	FROM generate_series(1, 100) i;
SELECT body FROM note WHERE id IN (1, 3) ORDER BY id;
-- words are the cells of a square, topics its 5 rows and 5 columns; documents
-- mix them in shares drawn evenly from all there are
CREATE FUNCTION uniform(n bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS
	'SELECT ((hashint8extended(n, 1) & 9007199254740991) + .5) / 9007199254740992';
CREATE TABLE square AS
	WITH mixture AS (SELECT id, array_agg(upto / total ORDER BY b) AS upto FROM (SELECT id, b, sum(x) OVER (PARTITION BY id ORDER BY b) AS upto,
			sum(x) OVER (PARTITION BY id) AS total FROM (SELECT id, b, -ln(uniform(id * 10 + b)) AS x
				FROM generate_series(1, 500) id, generate_series(0, 9) b) u) s GROUP BY id),
	token AS (SELECT id, width_bucket(uniform(-n - 1000 * id), upto) % 10 AS b, floor(uniform(n + 1000 * id) * 5)::int AS cell
		FROM mixture, generate_series(1, 100) n),
	word AS (SELECT id, 'c' || CASE WHEN b < 5 THEN b * 5 + cell ELSE cell * 5 + b - 5 END AS word, count(*)::int AS n
		FROM token GROUP BY 1, 2)
	SELECT id, array_agg(word ORDER BY word) AS words, array_agg(n ORDER BY word) AS counts FROM word GROUP BY id;
SELECT count(*), sum((SELECT sum(n) FROM unnest(counts) n)) AS tokens FROM square;

-- Training

SELECT topics, words, trained, tokens, words_left_out, tokens_left_out, perplexity, processes, seconds >= 0 AS seconds
	FROM lda_train('note', 'SELECT id, body FROM note', 2, config => 'english');
SELECT name, topics, words, documents, tokens, beta > 0 AS beta, config, method, seed, iterations, held_out, perplexity,
		seconds >= 0 AS seconds, trained <= now() + '1 minute' AS trained, version ~ '^[0-9a-f]{16}$' AS version,
		pinned = name || '@' || version AS pinned, owner = current_user::regrole AS mine, users
	FROM lda_models;
SELECT topic, round(share::numeric, 2) AS share, round(tokens) AS tokens, alpha > 0 AS alpha, coherence BETWEEN -1 AND 0 AS coherence,
		(SELECT array_agg(w ORDER BY w) FROM unnest(words[1:6]) w) AS words FROM lda_topic_info('note');
-- the same documents in other forms make the same model
SELECT count(lda_train('of_' || form, format('SELECT id, %s FROM note', columns), 2)) FROM (VALUES
	('varchar', 'body::varchar(200)'), ('tsvector', 'to_tsvector(body)'),
	('arrays', 'tsvector_to_array(to_tsvector(body)), array_fill(1, ARRAY[4])'),
	('smallint', 'tsvector_to_array(to_tsvector(body))::varchar[], array_fill(1::smallint, ARRAY[4])'),
	('bigint', 'tsvector_to_array(to_tsvector(body)), array_fill(1::bigint, ARRAY[4])')) v (form, columns);
CREATE DOMAIN lda_body AS text;
CREATE DOMAIN lda_words AS text[];
CREATE DOMAIN lda_word AS text;
CREATE DOMAIN lda_count AS integer CHECK (value >= 0);
SELECT count(lda_train('of_' || form, format('SELECT id, %s FROM note', columns), 2)) FROM (VALUES
	('domain', 'body::lda_body'), ('char', 'body::char(100)'),
	('domain_arrays', 'tsvector_to_array(to_tsvector(body))::lda_words, array_fill(1, ARRAY[4])'),
	('arrays_of_domain', 'tsvector_to_array(to_tsvector(body))::lda_word[], array_fill(1, ARRAY[4])::lda_count[]')) v (form, columns);
SELECT count(*), count(DISTINCT version) AS versions FROM lda_models WHERE config = 'pg_catalog.english';
-- a word of a tsvector counts as often as it has positions, or once
SELECT tokens FROM lda_train('positions', $$SELECT id, to_tsvector('simple', body || ' ' || body) FROM note$$, 2);
SELECT tokens FROM lda_train('stripped', $$SELECT id, strip(to_tsvector('simple', body || ' ' || body)) FROM note$$, 2);
-- ids of any type; they are what the order of documents comes from
SELECT count(lda_train('id_' || n, format('SELECT %s, body FROM note', id), 2)) FROM (VALUES
	(1, 'id::text'), (2, 'id::numeric'), (3, $$md5(id::text)::uuid$$), (4, 'ROW(id, id)'), (5, 'NULL')) v (n, id);
SELECT count(DISTINCT version) AS versions FROM lda_models WHERE name IN ('note', 'id_1', 'id_2');
-- the square
SELECT topics, words, trained FROM lda_train('square', 'SELECT * FROM square', 10);
CREATE VIEW found AS
	SELECT model, topic, b, sum(probability * (cell / 5 = b OR cell % 5 + 5 = b)::int)
		/ sqrt(sum(probability ^ 2) * 5) AS cosine
	FROM (SELECT name AS model FROM lda_models WHERE topics = 10) m, generate_series(1, 10) topic, generate_series(0, 9) b,
		LATERAL (SELECT substr(word, 2)::int AS cell, probability FROM lda_top_words(model, topic, 25)) w
	GROUP BY model, topic, b;
SELECT count(DISTINCT topic) AS topics, min(cosine) > .95 AS good FROM found WHERE cosine > .9;
-- the other method
SELECT topics, words, trained FROM lda_train('square_online', 'SELECT * FROM square', 10, method => 'online', iterations => 50);
SELECT method, iterations FROM lda_models WHERE name = 'square_online';
SELECT lda_drop('square_online');
-- options
SELECT topics FROM lda_train('options', 'SELECT id, body FROM note', 3, alpha => .125, beta => .25, iterations => 7, seed => -5);
SELECT beta, (SELECT array_agg(DISTINCT alpha) FROM lda_topic_info(name)) AS alpha, iterations, seed FROM lda_models WHERE name = 'options';
SELECT topics FROM lda_train('learned', 'SELECT id, body FROM note', 2, optimize_beta => true);
SELECT beta > 0 AND beta <> (SELECT beta FROM lda_models WHERE name = 'note') AS learned FROM lda_models WHERE name = 'learned';
SELECT topics FROM lda_train('fixed', 'SELECT id, body FROM note', 4, optimize_interval => 0);
SELECT (SELECT count(DISTINCT alpha) FROM lda_topic_info(name)) AS alphas FROM lda_models WHERE name = 'fixed';
SELECT words, words_left_out, tokens_left_out FROM lda_train('size', 'SELECT id, body FROM note', 2, vocabulary_size => 7);
SELECT array_agg(word ORDER BY word) AS words FROM lda_top_words('size', 1, 100);
SELECT words, words_left_out FROM lda_train('df', $$SELECT id, body || ' all n' || id / 3 FROM note$$, 2, min_df => 4, max_df => .5);
SELECT trained, perplexity FROM lda_train('held', 'SELECT id, body FROM note', 2, held_out => .2) \gset
SELECT documents = :trained AS same, documents BETWEEN 70 AND 90 AS most, held_out, perplexity = :perplexity AS same, perplexity BETWEEN 4 AND 8 AS good
	FROM lda_models WHERE name = 'held';
-- documents without words of the vocabulary are not trained on
SELECT words, trained, tokens FROM lda_train('empty', $$SELECT id, body FROM note UNION ALL SELECT 1000, '' UNION ALL SELECT 1001, 'the and'$$, 2);
SELECT lda_drop(name) FROM lda_models WHERE name <> 'note' AND name <> 'square' ORDER BY name COLLATE "C";

-- The seed decides, the order of rows does not

CREATE FUNCTION version_of(query text, seed bigint DEFAULT 1, workers int DEFAULT 1, topics int DEFAULT 10, OUT version text)
	LANGUAGE plpgsql AS $$
BEGIN
	PERFORM lda_train('version', query, topics, seed => version_of.seed, workers => version_of.workers, iterations => 30);
	SELECT m.version INTO version_of.version FROM lda_models m WHERE name = 'version';
	PERFORM lda_drop('version');
END $$;
SET client_min_messages = warning;
SELECT version_of('SELECT * FROM square ORDER BY id') AS version \gset
SELECT version_of('SELECT * FROM square ORDER BY id DESC') = :'version' AS backward,
	version_of('SELECT * FROM square ORDER BY hashint4(id)') = :'version' AS mixed,
	version_of('SELECT * FROM square', 2) = :'version' AS other_seed,
	version_of('SELECT * FROM square', -1) = version_of('SELECT * FROM square', -1) AS negative_seed;
SELECT version_of('SELECT * FROM square', 1, 2) AS version2 \gset
SELECT version_of('SELECT * FROM square ORDER BY id DESC', 1, 2) = :'version2' AS two_processes,
	:'version' = :'version2' AS as_one;
SELECT version_of('SELECT * FROM square', 1, 3) = version_of('SELECT * FROM square', 1, 3) AS three_parts;
-- documents with the same id, or none
SELECT version_of('SELECT 1, words, counts FROM square ORDER BY id') = version_of('SELECT 1, words, counts FROM square ORDER BY id DESC') AS same_id,
	version_of('SELECT NULL, words, counts FROM square ORDER BY id') = version_of('SELECT NULL, words, counts FROM square ORDER BY id DESC') AS no_id;
RESET client_min_messages;

-- Topics of documents

SELECT lda_topics('note', 'my dog and other cats') = v AS same, vector_dims(v) AS dims, topic_share(v, 1) > .9 AS animals,
		abs((SELECT sum(x) FROM unnest(v::real[]) x) - 1) < 1e-6 AS sum
	FROM lda_topics('note', 'my dog and other cats') v;
SELECT bool_and(lda_topics('note', body) = lda_topics('note', to_tsvector('english', body))) AS tsvectors,
	bool_and(lda_topics('note', body) = lda_topics('note', tsvector_to_array(to_tsvector('english', body)), '{1,1,1,1}')) AS arrays,
	bool_and(lda_topics('note', body) = lda_topics('note', body::varchar)) AS varchars,
	bool_and(abs((SELECT sum(x) FROM unnest(lda_topics('note', body)::real[]) x) - 1) < 1e-6) AS sums,
	bool_and((lda_dominant_topic('note', body)).topic = CASE WHEN id % 5 < 3 THEN 1 ELSE 2 END) AS dominant
	FROM note;
SELECT hellinger_distance(lda_topics('note', 'dog dog dog tax'), lda_topics('note', '{dog,tax}', '{3,1}')) < 1e-6 AS counts,
	hellinger_distance(lda_topics('note', '{dog,dog,tax,dog}', '{1,1,1,1}'), lda_topics('note', '{tax,dog,fur}', '{1,3,0}')) < 1e-6 AS repeated,
	topic_share(lda_topics('note', 'dog dog dog tax'), 1) BETWEEN .6 AND .8 AS three_quarters;
-- no words, or unknown ones: the prior
SELECT bool_and(abs(topic_share(v, topic) - alpha / total) < 1e-6) AS prior
	FROM (SELECT topic, alpha, sum(alpha) OVER () AS total FROM lda_topic_info('square')) i,
		(VALUES (lda_topics('square', '')), (lda_topics('square', 'nothing known')), (lda_topics('square', ''::tsvector)),
			(lda_topics('square', '{}', '{}'::int[])), (lda_topics('square', '{c1}', '{0}'))) d (v);
-- unknown words do not matter, but are counted
SELECT lda_topics('note', 'a dog in Prague, Vienna or Prague') = lda_topics('note', 'dog') AS same;
SELECT * FROM lda_coverage('note', 'a dog in Prague, Vienna or Prague');
SELECT * FROM lda_coverage('note', to_tsvector('a dog in Prague, Vienna or Prague, or Prague'));
SELECT * FROM lda_coverage('note', 'cats');
SELECT * FROM lda_coverage('note', '');
-- the dominant topic
SELECT topic, share > .9 AS share, (SELECT array_agg(w ORDER BY w) FROM unnest(words[1:6]) w) AS words FROM lda_dominant_topic('note', 'a loan of the bank');
SELECT lda_dominant_topic('note', 'a loan of the bank') = lda_dominant_topic('note', to_tsvector('english', 'a loan of the bank')) AS same;
SELECT topic, round(share::numeric, 3) AS share FROM lda_dominant_topic('note', 'unknown');
-- NULL
SELECT lda_topics(NULL, 'x') IS NULL AS a, lda_topics('note', NULL::text) IS NULL AS b, lda_topics('note', NULL::tsvector) IS NULL AS c,
	lda_topics('note', NULL, '{1}') IS NULL AS d, lda_topics('note', '{dog}', NULL) IS NULL AS e,
	lda_topics_pinned('note', NULL::text) IS NULL AS f, (lda_dominant_topic('note', NULL::text)).topic IS NULL AS g,
	(lda_coverage('note', NULL::text)).known IS NULL AS h, lda_report(NULL) IS NULL AS i;
SELECT count(*) FROM lda_top_words(NULL, 1), lda_topic_info(NULL);
-- large documents
SELECT vector_dims(lda_topics('note', repeat('dog tax ', 500000))) AS megabytes,
	topic_share(lda_topics('note', '{dog}', '{100000000}'), 1) > .99 AS count,
	(SELECT known FROM lda_coverage('note', repeat('dog tax ', 100000))) AS known;
-- errors
\set VERBOSITY terse
SELECT lda_topics('unknown', 'dog');
SELECT lda_topics('', 'dog');
SELECT lda_topics('note@', 'dog');
SELECT lda_topics('note', '{dog,NULL}', '{1,1}');
SELECT lda_topics('note', '{dog}', '{NULL}');
SELECT lda_topics('note', '{dog,tax}', '{1}');
SELECT lda_topics('note', '{{dog},{tax}}', '{1,1}');
SELECT lda_topics('note', '{dog,tax}', '{{1},{1}}');
SELECT lda_topics('note', '{dog}', '{-1}');
SELECT lda_topics('note', '{dog}', '{100000001}');
SELECT lda_topics('note', '{dog,tax}', '{100000000,1}');
SELECT lda_topics('note', '{""}', '{1}');
SELECT lda_topics('note', ARRAY[repeat('x', 2047)], '{1}');
\set VERBOSITY default
SELECT lda_topics('note', ARRAY[repeat('x', 2046)], '{1}') = lda_topics('note', '') AS longest;
-- after an error the model is as it was
SELECT lda_topics('note', 'dog') = lda_topics('note', '{dog}', '{1}') AS same;

-- Topics of models

SELECT array_agg(word ORDER BY word) AS words, bool_and(probability BETWEEN .15 AND .18) AS about_a_sixth FROM lda_top_words('note', 1, 6);
SELECT topic, count(*), round(sum(probability)::numeric, 4) AS sum, bool_and(probability > 0) AS positive
	FROM generate_series(1, 10) topic, lda_top_words('square', topic, 1000) GROUP BY topic ORDER BY topic;
-- by relevance, which is what it is said to be; ties by probability and word
CREATE VIEW word_share AS SELECT word, tokens::float8 / sum(tokens) OVER () AS share FROM vecsearch_lda_word WHERE model = 'square';
SELECT lambda, bool_and(abs(relevance - (lambda * ln(probability) + (1 - lambda) * ln(probability / share))) < 1e-5) AS right,
		bool_and(relevance <= coalesce(before, 'infinity')) AS ordered, count(*)
	FROM unnest('{0,0.5,1}'::float8[]) lambda, LATERAL (SELECT *, lag(relevance) OVER (ORDER BY n) AS before
		FROM lda_top_words('square', 3, 25, lambda) WITH ORDINALITY t (word, probability, relevance, n)) t
	JOIN word_share USING (word) GROUP BY lambda ORDER BY lambda;
DROP VIEW word_share;
SELECT count(*) FROM lda_top_words('note', 1);
\set VERBOSITY terse
SELECT lda_top_words('note', 0);
SELECT lda_top_words('note', 3);
SELECT lda_top_words('note', -1);
SELECT lda_top_words('note', 1, 0);
SELECT lda_top_words('note', 1, 10000001);
SELECT lda_top_words('note', 1, 3, 1.5);
SELECT lda_top_words('note', 1, 3, -.1);
SELECT lda_top_words('note', 1, 3, 'nan');
SELECT lda_top_words('unknown', 1);
SELECT lda_topic_info('unknown');
\set VERBOSITY default
SELECT abs(sum(share) - 1) < 1e-9 AS shares, bool_and(share <= coalesce(before, 1)) AS sorted,
		abs(sum(i.tokens) - max(m.tokens)) <= 1 AS tokens, bool_and(abs(share - i.tokens / total) < 1e-9) AS share_of_tokens,
		bool_and(exclusivity > 0 AND exclusivity <= 1) AS exclusivity, bool_and(unique_share BETWEEN 0 AND 1) AS unique_share,
		bool_and(array_length(words, 1) = 10) AS words, array_agg(topic ORDER BY topic) AS topics
	FROM (SELECT *, lag(share) OVER (ORDER BY topic) AS before, sum(tokens) OVER () AS total FROM lda_topic_info('square')) i,
		(SELECT tokens FROM lda_models WHERE name = 'square') m;
SELECT bool_and(i.words = (SELECT array_agg(word ORDER BY n) FROM lda_top_words('square', topic) WITH ORDINALITY t (word, p, r, n))) AS same_words
	FROM lda_topic_info('square') i;
SELECT bool_and(coherence BETWEEN -1 AND 1) AS coherence FROM lda_topic_info('square');

-- Perplexity

-- six words in a topic: about 6, and nearly 12 without topics
SELECT round(exp(-sum(share * ln(share)))::numeric, 2) AS unigram FROM (SELECT tokens::float8 / sum(tokens) OVER () AS share
	FROM vecsearch_lda_word WHERE model = 'note') w;
SELECT lda_perplexity('note', 'SELECT id, body FROM note') AS perplexity \gset
SELECT :perplexity BETWEEN 4 AND 8 AS good, lda_perplexity('note', 'SELECT id, body FROM note') = :perplexity AS again,
	abs(lda_perplexity('note', 'SELECT id, body FROM note ORDER BY id DESC') - :perplexity) < 1e-9 AS backward,
	abs(lda_perplexity('note', 'SELECT id, to_tsvector(body) FROM note') - :perplexity) < 1e-9 AS tsvectors,
	abs(lda_perplexity(pinned, 'SELECT id, tsvector_to_array(to_tsvector(body)), ARRAY[1,1,1,1] FROM note') - :perplexity) < 1e-9 AS arrays,
	abs(lda_perplexity('note', $$SELECT id, body || ' unknown' FROM note$$) - :perplexity) < 1e-9 AS unknown_words
	FROM lda_models WHERE name = 'note';
SELECT lda_perplexity('note', 'SELECT id, substr(body, 100) FROM note');
SELECT lda_perplexity('note', 'SELECT id, body FROM note WHERE false');
\set VERBOSITY terse
SELECT lda_perplexity('unknown', 'SELECT id, body FROM note');
SELECT lda_perplexity(NULL, 'SELECT id, body FROM note');
SELECT lda_perplexity('note', NULL);
SELECT lda_perplexity('note', 'SELECT id FROM note');
SELECT lda_perplexity('note', 'SELECT id, 1 / (50 - id), body FROM note');
SELECT lda_perplexity('note', $$SELECT id, CASE WHEN 1 / (50 - id) >= 0 THEN body END FROM note ORDER BY id$$);
\set VERBOSITY default

-- Coherence

-- of 5 documents, cat is in 4, dog in 2, both in 2; tax and coin are in 1 each
CREATE TABLE pair (id int, body text);
INSERT INTO pair VALUES (1, 'cat dog'), (2, 'dog cat'), (3, 'cat tax'), (4, 'cat coin'), (5, 'price');
SELECT (lda_train('pair', $$SELECT i, w, c FROM (VALUES (1, '{cat,dog}'::text[], '{9,7}'::int[]), (2, '{cat,dog}', '{8,7}'),
	(3, '{tax,coin}', '{5,4}'), (4, '{tax,coin}', '{5,4}')) v (i, w, c)$$, 2, config => 'simple')).topics;
SELECT topic, words[1:2] FROM lda_topic_info('pair');
SELECT topic, round(coherence::numeric, 6) AS coherence, round(CASE topic WHEN 1 THEN ln(2. / 4) ELSE ln(1e-12 / (1. / 5)) END, 6) AS by_hand
	FROM lda_coherence('pair', 'SELECT id, body FROM pair', 'u_mass', 2);
SELECT topic, round(coherence::numeric, 6) AS coherence,
		round(CASE topic WHEN 1 THEN ln((2. / 5) / ((4. / 5) * (2. / 5))) / -ln(2. / 5) ELSE ln(1e-12 / (1. / 25)) / -ln(1e-12) END, 6) AS by_hand
	FROM lda_coherence('pair', 'SELECT id, body FROM pair', top_words => 2);
-- a word has the vector of its npmi with each word, itself included: cosines with their sum
SELECT topic, round(coherence::numeric, 6) AS coherence, round(((a * (a + b) + b * (b + c)) / sqrt(a * a + b * b) / sqrt((a + b) ^ 2 + (b + c) ^ 2)
		+ (b * (a + b) + c * (b + c)) / sqrt(b * b + c * c) / sqrt((a + b) ^ 2 + (b + c) ^ 2)) / 2, 6) AS by_hand
	FROM lda_coherence('pair', 'SELECT id, body FROM pair', 'c_v', 2)
	JOIN (VALUES (1, 1, ln((2. / 5) / ((4. / 5) * (2. / 5))) / -ln(2. / 5), 1), (2, 1, ln(1e-12 / (1. / 25)) / -ln(1e-12), 1)) v (topic, a, b, c) USING (topic);
SELECT bool_and(abs(a.coherence - b.coherence) < 1e-9) AS arrays FROM lda_coherence('square', 'SELECT * FROM square', 'u_mass') a
	JOIN lda_coherence('square', $$SELECT id, array_to_string(words, ' ') FROM square$$, 'u_mass') b USING (topic);
-- words that occur nowhere
SELECT * FROM lda_coherence('pair', $$SELECT 1, 'other words'$$, 'u_mass', 2);
SELECT * FROM lda_coherence('pair', $$SELECT 1, 'other words'$$, 'c_npmi', 2);
SELECT * FROM lda_coherence('pair', $$SELECT 1, 'other words'$$, 'c_v', 2);
SELECT * FROM lda_coherence('pair', 'SELECT id, body FROM pair WHERE false');
\set VERBOSITY terse
SELECT lda_coherence('square', 'SELECT * FROM square', 'c_v');
SELECT lda_coherence('square', 'SELECT * FROM square');
SELECT lda_coherence('note', 'SELECT id, body FROM note', 'c_uci');
SELECT lda_coherence('note', 'SELECT id, body FROM note', NULL);
SELECT lda_coherence('note', 'SELECT id, body FROM note', 'u_mass', 1);
SELECT lda_coherence('note', 'SELECT id, body FROM note', 'u_mass', 1001);
SELECT lda_coherence('unknown', 'SELECT id, body FROM note');
SELECT lda_coherence('note', 'SELECT 1');
\set VERBOSITY default
SELECT count(*) FROM lda_coherence('note', 'SELECT id, body FROM note', 'u_mass', NULL);

-- The report

SELECT (lda_train('<b>&"note"', 'SELECT id, body FROM note', 2)).topics;
SELECT page LIKE '<!DOCTYPE html>%</html>%' AS html, page LIKE '%&#60;b&#62;&#38;&#34;note&#34;%' AS name, page NOT LIKE '%<b>%' AS escaped,
	page LIKE '%whisker%' AS words, page !~ 'https?://(?!www.w3.org)' AS alone, page = lda_report('<b>&"note"') AS same
	FROM lda_report('<b>&"note"') page;
SELECT lda_drop('<b>&"note"');

-- Search

SELECT pinned, pinned AS old FROM lda_models WHERE name = 'note' \gset
CREATE TABLE topical (id int, body text, topics vector(2) GENERATED ALWAYS AS (lda_topics_pinned(:'pinned', body)) STORED);
INSERT INTO topical SELECT id, body FROM note;
INSERT INTO topical VALUES (101, NULL), (102, ''), (103, 'a dog tax');
SELECT count(*), count(topics), bool_and(topics = lda_topics('note', body)) AS right FROM topical;
UPDATE topical SET body = 'a tax' WHERE id = 103;
SELECT topics = lda_topics('note', 'tax') AS right FROM topical WHERE id = 103;
SELECT lda_topics_pinned(:'pinned', to_tsvector('english', 'a dog')) = lda_topics('note', 'dog') AS tsvectors,
	lda_topics_pinned(:'pinned', '{dog}', '{1}') = lda_topics('note', 'dog') AS arrays,
	lda_topics(:'pinned', 'dog') = lda_topics('note', 'dog') AS not_pinned;
CREATE INDEX topical_hellinger ON topical USING hnsw (topics vector_hellinger_ops);
CREATE INDEX topical_jensen_shannon ON topical USING hnsw (topics vector_jensen_shannon_ops);
CREATE INDEX topical_share ON topical ((topic_share(topics, 2)));
SET enable_seqscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM topical ORDER BY topics <^> lda_topics('note', 'a dog and a tax') LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM topical ORDER BY topics <|> lda_topics('note', 'a dog and a tax') LIMIT 5;
SELECT bool_and(body LIKE '%tail%' OR body LIKE '%dog%' OR body LIKE '%cats%') AS animals, count(*) FROM
	(SELECT body FROM topical ORDER BY topics <^> lda_topics('note', 'dog fur paws') LIMIT 20) t;
SELECT bool_and(id = 103 OR id % 5 > 2) AS money, count(*) FROM
	(SELECT id FROM topical ORDER BY topics <|> lda_topics('note', 'tax tax loan') LIMIT 20) t;
SELECT id FROM topical ORDER BY topics <^> lda_topics('note', '') LIMIT 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM topical WHERE topic_share(topics, 2) > .9;
SELECT count(*) FROM topical WHERE topic_share(topics, 2) > .9;
SELECT id FROM topical WHERE topic_share(topics, 2) < .9 ORDER BY topics <^> lda_topics('note', 'tax') LIMIT 1;
RESET enable_seqscan;
RESET enable_sort;
\set VERBOSITY terse
SELECT lda_topics_pinned('note', 'dog');
SELECT lda_topics_pinned('note@0123456789abcdef', to_tsvector('dog'));
SELECT lda_topics_pinned('note@0123', '{dog}', '{1}');
SELECT lda_topics_pinned(:'pinned' || '0', 'dog');
SELECT lda_topics_pinned('unknown@0123456789abcdef', 'dog');
CREATE INDEX ON topical ((topic_share(lda_topics('note', body), 1)));
\set VERBOSITY default

-- Update

CREATE TABLE more AS SELECT 1000 + i AS id, 'dog and lions and a tiger, and fur' AS body FROM generate_series(1, 30) i
	UNION ALL SELECT 1100 + i, 'banks and interest and a tax' FROM generate_series(1, 20) i UNION ALL SELECT 1200, 'once';
-- with the words that it has
SELECT topics, words, trained, tokens, words_left_out, tokens_left_out FROM lda_update('note', 'SELECT id, body FROM more', new_words => false);
SELECT words, documents, tokens, version <> split_part(:'pinned', '@', 2) AS changed FROM lda_models WHERE name = 'note';
SELECT * FROM lda_coverage('note', 'tiger tax');
-- what was pinned is another model
\set VERBOSITY terse
INSERT INTO topical VALUES (104, 'dog');
\set VERBOSITY default
SELECT count(*) FROM topical;
-- with others
SELECT topics, words, trained, tokens, words_left_out, tokens_left_out FROM lda_update('note', 'SELECT id, body FROM more');
SELECT * FROM lda_coverage('note', 'tiger tax interest once');
-- topics keep their numbers, and learned the words
SELECT topic, share > .9 AS sure FROM unnest('{cat,tiger,lion,bank,interest}'::text[]) w, lda_dominant_topic('note', w);
SELECT words, documents, tokens, method FROM lda_models WHERE name = 'note';
SELECT array_agg(word ORDER BY number) AS new FROM vecsearch_lda_word WHERE model = 'note' AND number > 11;
SELECT bool_and(coherence BETWEEN -1 AND 1) AS coherence FROM lda_topic_info('note');
-- the same update of the same model is the same
SELECT version AS updated FROM lda_models WHERE name = 'note' \gset
SELECT lda_drop('note');
SELECT (lda_train('note', 'SELECT id, body FROM note', 2, config => 'english')).topics;
SELECT pinned = :'pinned' AS same FROM lda_models WHERE name = 'note';
SELECT topics = lda_topics_pinned(:'pinned', body) AS right FROM topical WHERE id = 1;
SELECT (lda_update('note', 'SELECT id, body FROM more ORDER BY id DESC', new_words => false)).topics;
SELECT (lda_update('note', 'SELECT id, body FROM more ORDER BY random()')).topics;
SELECT version = :'updated' AS same FROM lda_models WHERE name = 'note';
SELECT processes >= 1 AS processes FROM lda_update('square', 'SELECT * FROM square', 5, workers => 2);
SELECT count(DISTINCT topic) AS topics, min(cosine) > .95 AS good FROM found WHERE cosine > .9;
\set VERBOSITY terse
SELECT lda_update('unknown', 'SELECT id, body FROM more');
SELECT lda_update(NULL, 'SELECT id, body FROM more');
SELECT lda_update('note', NULL);
SELECT lda_update('note', 'SELECT id, body FROM more', iterations => 0);
SELECT lda_update('note', 'SELECT id, body FROM more', iterations => NULL);
SELECT lda_update('note', 'SELECT id, body FROM more', seed => NULL);
SELECT lda_update('note', 'SELECT id, body FROM more', workers => 0);
SELECT lda_update('note', 'SELECT id, body FROM more', new_words => NULL);
SELECT lda_update('note', 'SELECT id, body FROM more', min_df => 0);
SELECT lda_update('note', 'SELECT id, body FROM more WHERE false');
SELECT lda_update('note', 'DELETE FROM more');
SELECT lda_update('note', 'SELECT id, NULL::text FROM more');
\set VERBOSITY default
SELECT lda_update('note', $$SELECT 1, 'once'$$);
SELECT lda_update('note', $$SELECT id, 'often' FROM more$$, new_words => false);
SELECT lda_update('note', $$SELECT id, '' FROM more$$);
SELECT version = :'updated' AS unchanged, words FROM lda_models WHERE name = 'note';

-- Bad input: a message, and nothing changes

CREATE VIEW everything AS SELECT count(*) AS models, md5(string_agg(m::text, ' ' ORDER BY name)) AS models_are,
	(SELECT count(*) FROM vecsearch_lda_word) AS words FROM vecsearch_lda_model m;
CREATE TABLE before AS SELECT * FROM everything;
SELECT lda_train('bad', 'SELECT id, body FROM note WHERE false', 2);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, held_out => .9999999);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, min_df => 1000);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, min_df => 50, max_df => .3);
SELECT lda_train('bad', $$SELECT id, 'the and' FROM note$$, 2, config => 'english');
SELECT lda_train('bad', 'SELECT id, body FROM note', 13, config => 'english');
SELECT lda_train('bad', $$SELECT 1, '{dog,cat}'::text[], '{1,2,3}'::int[]$$, 2);
SELECT lda_train('bad', 'SELECT id FROM note', 2);
SELECT lda_train('bad', 'SELECT id, id FROM note', 2);
SELECT lda_train('bad', 'SELECT id, body, body FROM note', 2);
SELECT lda_train('bad', 'SELECT id, words, ARRAY[1.5] FROM square', 2);
SELECT lda_train('bad', $$SELECT 1, ARRAY[1], ARRAY[1]$$, 2);
SELECT lda_train('bad', $$SELECT id, NULLIF(body, 'tail') FROM (VALUES (1, 'dog'), (2, 'tail')) v (id, body)$$, 2);
SELECT lda_train('bad', $$SELECT 7, NULL, NULL::int[]$$, 2);
SELECT lda_train('bad', $$SELECT NULL, NULL::text[], '{1}'::int[]$$, 2);
SELECT lda_train('bad', $$SELECT 7, '{dog}'::text[], NULL::int[]$$, 2);
SELECT lda_train('bad', 'INSERT INTO note VALUES (1000, ''bad'') RETURNING id, body', 2);
SELECT lda_train('bad', 'WITH d AS (DELETE FROM note RETURNING id, body) SELECT * FROM d', 2);
SELECT lda_train('bad', 'SELECT id, body FROM note FOR UPDATE', 2);
\set VERBOSITY terse
SELECT lda_train('bad', 'INSERT INTO note VALUES (1000, ''bad'')', 2);
SELECT lda_train('bad', 'UPDATE note SET body = ''bad'' RETURNING id, body', 2);
SELECT lda_train('bad', 'CREATE TABLE bad (id int)', 2);
SELECT lda_train('bad', 'SELECT id, body INTO bad FROM note', 2);
SELECT lda_train('bad', 'SELECT id, body FROM note; SELECT id, body FROM note', 2);
SELECT lda_train('bad', 'SELECT id, body FROM note; DROP TABLE note', 2);
SELECT lda_train('bad', 'SELEC id, body FROM note', 2);
SELECT lda_train('bad', 'SELECT id, missing FROM note', 2);
SELECT lda_train('bad', 'SELECT id, body FROM note WHERE id = $1', 2);
SELECT lda_train('bad', 'COPY note TO STDOUT', 2);
SELECT lda_train('bad', 'COMMIT', 2);
SELECT lda_train('bad', 'EXPLAIN SELECT id, body FROM note', 2);
SELECT lda_train('bad', '', 2);
SELECT lda_train('bad', ' ; ', 2);
SELECT lda_train('bad', NULL, 2);
SELECT lda_train('bad', 'SELECT id, CASE WHEN 1 / (50 - id) >= 0 THEN body END FROM note ORDER BY id', 2);
SELECT lda_train('bad', $$SELECT 1, '{dog,NULL}'::text[], '{1,1}'::int[]$$, 2);
SELECT lda_train('bad', $$SELECT 1, '{dog,cat}'::text[], '{1,NULL}'::int[]$$, 2);
SELECT lda_train('bad', $$SELECT 1, '{{dog},{cat}}'::text[], '{1,1}'::int[]$$, 2);
SELECT lda_train('bad', $$SELECT 1, '{dog,cat}'::text[], '{1,-1}'::bigint[]$$, 2);
SELECT lda_train('bad', $$SELECT 1, '{dog,""}'::text[], '{1,1}'::int[]$$, 2);
SELECT lda_train('bad', $$SELECT 1, ARRAY[repeat('x', 2047)], ARRAY[1]$$, 2);
SELECT lda_train('bad', $$SELECT 1, '{dog}'::text[], '{100000001}'::int[]$$, 2);
SELECT lda_train('bad', $$SELECT 1, '{dog}'::text[], '{9223372036854775807}'::bigint[]$$, 2);
SELECT lda_train('bad', $$SELECT 1, '{dog,cat}'::text[], '{100000000,100000000}'::bigint[]$$, 2);
SELECT lda_train('bad', $$SELECT i, '{dog,cat}'::text[], '{9000000,1}'::bigint[] FROM generate_series(1, 2) i$$, 2);
-- arguments out of range
SELECT lda_train('bad', 'SELECT id, body FROM note', 1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 0);
SELECT lda_train('bad', 'SELECT id, body FROM note', -1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 10001);
SELECT lda_train('bad', 'SELECT id, body FROM note', NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, alpha => 0);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, alpha => -1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, alpha => 'nan');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, alpha => 'infinity');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, alpha => 1e300);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, alpha => 1e-300);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, beta => 0);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, beta => -.1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, beta => 'nan');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, beta => '-infinity');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, beta => 1e300);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, iterations => 0);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, iterations => -1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, iterations => 100001);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, optimize_interval => -1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, optimize_interval => NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, seed => NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, workers => 0);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, workers => 1000);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, workers => NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, held_out => 1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, held_out => -1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, held_out => 'nan');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, held_out => NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, min_df => 0);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, min_df => NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, max_df => 0);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, max_df => 2);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, max_df => 'nan');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, vocabulary_size => 1);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, vocabulary_size => NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, config => 'klingon');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, config => '123456789');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, method => 'vb');
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, method => NULL);
SELECT lda_train('bad', 'SELECT id, body FROM note', 2, optimize_beta => NULL);
-- names
SELECT lda_train('note', 'SELECT id, body FROM note', 2);
SELECT lda_train('note', 'SELECT 1 / 0, body FROM note', 2);
SELECT lda_train('', 'SELECT id, body FROM note', 2);
SELECT lda_train(repeat('x', 64), 'SELECT id, body FROM note', 2);
SELECT lda_train('a@b', 'SELECT id, body FROM note', 2);
SELECT lda_train(NULL, 'SELECT id, body FROM note', 2);
SELECT lda_drop('unknown');
SELECT lda_drop(NULL);
SELECT lda_drop('note@0123456789abcdef');
SELECT lda_grant('unknown', 'public');
SELECT lda_grant('note', 'is not there');
SELECT lda_grant('note', NULL);
SELECT lda_revoke('note', 'is not there');
\set VERBOSITY default
SELECT count(*) AS unchanged FROM before JOIN everything USING (models, models_are, words);
SELECT count(*) FROM note;
DROP TABLE before;
DROP VIEW everything;
-- the longest name, in any characters
SELECT (lda_train(repeat('ü', 63), 'SELECT id, body FROM note', 2)).topics;
SELECT lda_topics(pinned, 'dog') IS NOT NULL AS asked FROM lda_models WHERE name LIKE 'ü%';
SELECT lda_drop(repeat('ü', 63));

-- Rights

GRANT SELECT ON note TO regress_lda_owner;
SET ROLE regress_lda_owner;
SELECT (lda_train('theirs', 'SELECT id, body FROM note', 2)).topics;
SELECT owner, users FROM lda_models WHERE name = 'theirs';
RESET ROLE;
\set VERBOSITY terse
SET ROLE regress_lda_user;
SELECT lda_topics('theirs', 'dog') IS NOT NULL AS public_may;
SELECT lda_train('theirs', 'SELECT id, body FROM note', 2);
SELECT lda_train('mine', 'SELECT id, body FROM note', 2);
SELECT lda_perplexity('theirs', 'SELECT id, body FROM note');
SELECT lda_update('theirs', $$SELECT 1, 'dog'$$);
SELECT lda_drop('theirs');
SELECT lda_grant('theirs', 'regress_lda_user');
SELECT lda_revoke('theirs', 'public');
SELECT * FROM vecsearch_lda_word;
DELETE FROM vecsearch_lda_model;
SET ROLE regress_lda_owner;
SELECT lda_revoke('theirs', 'public');
SET ROLE regress_lda_user;
SELECT lda_topics('theirs', 'dog');
SELECT lda_topics_pinned(pinned, 'dog') FROM lda_models WHERE name = 'theirs';
SELECT lda_dominant_topic('theirs', 'dog');
SELECT lda_coverage('theirs', 'dog');
SELECT lda_top_words('theirs', 1);
SELECT lda_topic_info('theirs');
SELECT lda_perplexity('theirs', $$SELECT 1, 'dog dog dog'$$);
SELECT lda_coherence('theirs', $$SELECT 1, 'dog dog dog'$$);
SELECT lda_report('theirs');
SET ROLE regress_lda_owner;
SELECT lda_topics('theirs', 'dog') IS NOT NULL AS owner_may;
SELECT lda_grant('theirs', 'regress_lda_user');
SET ROLE regress_lda_user;
SELECT lda_topics('theirs', 'dog') IS NOT NULL AS user_may;
SELECT lda_update('theirs', $$SELECT 1, 'dog'$$);
RESET ROLE;
SELECT users FROM lda_models WHERE name = 'theirs';
SELECT lda_revoke('theirs', 'regress_lda_user');
SELECT users FROM lda_models WHERE name = 'theirs';
-- who may do all, but the owner stays
SELECT (lda_update('theirs', 'SELECT id, body FROM note')).topics;
SELECT owner, users FROM lda_models WHERE name = 'theirs';
-- members of the owner
GRANT regress_lda_owner TO regress_lda_user;
SET ROLE regress_lda_user;
SELECT (lda_update('theirs', $$SELECT 1, 'dog'$$)).topics;
SELECT lda_drop('theirs');
RESET ROLE;
\set VERBOSITY default

-- Transactions

BEGIN;
SELECT (lda_train('gone', 'SELECT id, body FROM note', 2)).topics;
SELECT lda_topics('gone', 'dog') IS NOT NULL AS seen, (SELECT count(*) FROM lda_models WHERE name = 'gone') AS listed;
ROLLBACK;
SELECT lda_topics('gone', 'dog');
SELECT count(*) FROM vecsearch_lda_word WHERE model = 'gone';
BEGIN;
SELECT version AS before FROM lda_models WHERE name = 'note' \gset
SELECT lda_topics('note', 'dog dog tax') AS topics \gset
SAVEPOINT a;
SELECT (lda_update('note', 'SELECT id, body FROM note')).topics;
SELECT version = :'before' AS same FROM lda_models WHERE name = 'note';
SELECT lda_topics('note', 'dog dog tax') = :'topics' AS same;
ROLLBACK TO a;
SELECT lda_topics('note', 'dog dog tax') = :'topics' AS same;
SELECT lda_drop('note');
SAVEPOINT b;
SELECT lda_topics('note', 'dog');
ROLLBACK TO b;
SELECT (lda_train('note', 'SELECT id, body FROM note', 3)).topics;
SELECT vector_dims(lda_topics('note', 'dog')) AS dims;
ROLLBACK TO a;
SELECT (lda_train('second', 'SELECT id, body FROM note', 4, workers => 2)).topics;
SELECT 1 / 0;
ROLLBACK TO a;
SELECT lda_topics('note', 'dog dog tax') = :'topics' AS same;
COMMIT;
SELECT version = :'before' AS same, (SELECT count(*) FROM lda_models WHERE name = 'second') AS second FROM lda_models WHERE name = 'note';
-- an error is caught in the transaction
DO $$
BEGIN
	BEGIN
		PERFORM lda_train('caught', 'SELECT id, CASE WHEN 1 / (50 - id) >= 0 THEN body END FROM note ORDER BY id', 2);
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'caught';
	END;
	PERFORM lda_train('after', 'SELECT id, body FROM note', 2, workers => 2);
	PERFORM lda_drop('after');
END $$;
SELECT count(*) FROM lda_progress;
BEGIN TRANSACTION READ ONLY;
SELECT lda_topics('note', 'dog') IS NOT NULL AS asked;
SAVEPOINT a;
SELECT lda_train('bad', 'SELECT id, body FROM note', 2);
ROLLBACK TO a;
SELECT lda_update('note', 'SELECT id, body FROM note');
ROLLBACK TO a;
SELECT lda_drop('note');
ROLLBACK TO a;
SELECT lda_grant('note', 'public');
ROLLBACK TO a;
COMMIT;
-- documents that are made with another model, or the same
SELECT lda_perplexity('note', $$SELECT id, CASE WHEN lda_topics('square', 'c1') IS NOT NULL
	AND lda_topics('note', body) IS NOT NULL THEN body END FROM note$$) > 1 AS perplexity;
-- more models than are kept
SELECT count(lda_train('m' || i, 'SELECT id, body FROM note', 2 + i % 7, iterations => 5)) FROM generate_series(1, 20) i;
SELECT bool_and(vector_dims(lda_topics('m' || i, 'dog')) = 2 + i % 7) AS right FROM generate_series(1, 3) again, generate_series(1, 20) i;
SELECT count(lda_drop(name)::text) AS dropped FROM lda_models;
SELECT (SELECT count(*) FROM vecsearch_lda_model) AS models, (SELECT count(*) FROM vecsearch_lda_word) AS words;

DROP FUNCTION version_of, uniform;
DROP VIEW found;
DROP TABLE note, square, pair, topical, more;
DROP DOMAIN lda_body, lda_words, lda_word, lda_count;
DROP ROLE regress_lda_owner, regress_lda_user;
