-- Sentences of the descriptions of all packages, and their vectors.  Variables:
-- texts, how many.  Standard input: name, source, section, description.
-- The table sentence gets rows in random order; no two have the same vector.
SET client_min_messages = warning;

CREATE TABLE description (name text, source text, section text, body text);
\copy description FROM pstdin

CREATE TABLE sentence AS
SELECT row_number() OVER (ORDER BY md5(body)) AS id, body
FROM (SELECT DISTINCT ON (lower(part)) part AS body
	FROM description, regexp_split_to_table(body, '[.!?:;]+\s+|\s+[*-]+\s+') AS part
	WHERE length(part) BETWEEN 25 AND 250
	ORDER BY lower(part), part) AS parts
ORDER BY 1
LIMIT :texts;

ALTER TABLE sentence ADD PRIMARY KEY (id), ADD embedding vector(512);
CALL embed_table('sentence', 'body', 'embedding', workers => 2);

DELETE FROM sentence
USING (SELECT id, row_number() OVER (PARTITION BY embedding ORDER BY id) AS copy
	FROM sentence) AS same
WHERE sentence.id = same.id AND copy > 1;
