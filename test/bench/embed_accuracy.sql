-- Standard input has texts with the ids and vectors they must give.
\pset footer off
CREATE TABLE reference (origin text, text text, ids int[], embedding vector);
\copy reference FROM pstdin

CREATE TEMP TABLE compared AS
SELECT origin, text,
	ids = ARRAY(SELECT id FROM embed_tokens(text) ORDER BY ordinal) AS same_ids,
	(SELECT max(abs(a - b)) FROM unnest(embedding::real[], embed(text)::real[]) v(a, b))
		AS difference
FROM reference;

SELECT origin, count(*) AS texts, count(*) FILTER (WHERE NOT same_ids) AS "other ids",
	max(difference) AS "largest difference", bool_and(same_ids AND difference <= 1e-5) AS "<= 1e-5"
FROM compared GROUP BY origin ORDER BY origin;

\echo Where they differ
SELECT origin, left(text, 60) AS text, same_ids, difference FROM compared
WHERE NOT (same_ids AND difference <= 1e-5) LIMIT 10;
