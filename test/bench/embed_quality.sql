-- Of the 10 nearest of each package, how many are of its own section?  Over the
-- packages that are named as their source, one for each text, at most 150 of a
-- section and only sections with 40.  By exact search.
\pset footer off
SET max_parallel_workers_per_gather = 0;
SET work_mem = '256MB';

CREATE TABLE sample (id int PRIMARY KEY, section text, description text, embedding vector(512));
-- Rows of this size would be stored out of line, and fetched for each distance.
ALTER TABLE sample ALTER embedding SET STORAGE PLAIN;
INSERT INTO sample
SELECT row_number() OVER (ORDER BY md5(name)), section, description
FROM (SELECT *, row_number() OVER (PARTITION BY section ORDER BY md5(name)) AS place,
		count(*) OVER (PARTITION BY section) AS size
	FROM (SELECT DISTINCT ON (description) name, section, description
		FROM package WHERE name = source ORDER BY description, md5(name)) AS one_each) AS placed
WHERE place <= 150 AND size >= 40;
UPDATE sample SET embedding = embed(description);
ANALYZE sample;

-- TF-IDF: (1 + ln tf) * ln(packages / packages with the word), cosine.
CREATE TABLE word_of AS
SELECT id, word, (1 + ln(count(*))) * idf AS weight
FROM sample, regexp_matches(lower(description), '\w\w+', 'g') AS m, unnest(m) AS word
	JOIN (SELECT w AS word, ln((SELECT count(*) FROM package)::float8 / count(*)) AS idf
		FROM (SELECT DISTINCT name, m[1] AS w
			FROM package, regexp_matches(lower(description), '\w\w+', 'g') AS m) AS uses
		GROUP BY w) AS known USING (word)
GROUP BY id, word, idf;
UPDATE word_of w SET weight = weight / length
FROM (SELECT id, sqrt(sum(weight ^ 2)) AS length FROM word_of GROUP BY id) AS l
WHERE l.id = w.id;
ANALYZE word_of;

CREATE TABLE nearest (method text, id int, neighbor int, place bigint);
INSERT INTO nearest
SELECT 'TF-IDF', s.id, n.*
FROM sample s, LATERAL (
	SELECT b.id, row_number() OVER (ORDER BY sum(a.weight * b.weight) DESC, b.id)
	FROM word_of a JOIN word_of b USING (word)
	WHERE a.id = s.id AND b.id <> s.id
	GROUP BY b.id ORDER BY 2 LIMIT 10) AS n;
INSERT INTO nearest
SELECT 'use-lite', s.id, n.*
FROM sample s, LATERAL (
	SELECT t.id, row_number() OVER ()
	FROM (SELECT id FROM sample t WHERE t.id <> s.id
		ORDER BY t.embedding <=> s.embedding LIMIT 10) AS t) AS n;

SELECT count(DISTINCT section) AS sections, count(*) AS texts,
	round(avg((SELECT count(*) - 1 FROM sample o WHERE o.section = s.section))
		/ (count(*) - 1), 3) AS chance
FROM sample s;
SELECT method,
	to_char(count(*) FILTER (WHERE s.section = n.section)
		/ (10.0 * (SELECT count(*) FROM sample)), '0.0000') AS "same section@10",
	to_char(count(*) FILTER (WHERE s.section = n.section AND place = 1)
		/ (1.0 * (SELECT count(*) FROM sample)), '0.0000') AS "@1"
FROM nearest JOIN sample s USING (id) JOIN sample n ON n.id = neighbor
GROUP BY method ORDER BY method;
