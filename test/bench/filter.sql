-- What filter.sh measures with: tables of conditions and queries, and a
-- function that asks queries under a condition and counts what comes back.
-- The tables item (id, v) and place (n, geog)
-- are loaded.

-- Columns: three that are independent of the vector, each a number below
-- 10,000, and one that follows it: near is the rank by distance to one row.
ALTER TABLE item ADD r1 int, ADD r2 int, ADD r3 int, ADD near int, ADD geog geography;
UPDATE item SET r1 = m.r1, r2 = m.r2, r3 = m.r3, near = m.near, geog = m.geog
FROM (
	SELECT i.id,
		(hashint4extended(i.id, 1) & 1048575) * 10000 / 1048576 AS r1,
		(hashint4extended(i.id, 2) & 1048575) * 10000 / 1048576 AS r2,
		(hashint4extended(i.id, 3) & 1048575) * 10000 / 1048576 AS r3,
		(ntile(10000) OVER (ORDER BY i.v <=> (SELECT v FROM item WHERE id = 1000))) - 1 AS near,
		p.geog
	FROM item i JOIN place p ON p.n = i.id % (SELECT count(*) FROM place)
) m WHERE m.id = item.id;
CREATE INDEX ON item (r1);
CREATE INDEX ON item (r2);
CREATE INDEX ON item (r3);
CREATE INDEX ON item (near);
CREATE INDEX ON item USING gist (geog);

-- The conditions; near and far are of the queries that a condition is asked with.
CREATE TABLE condition (n serial, name text, cond text, queries text);
INSERT INTO condition (name, cond, queries)
SELECT 'independent ' || share || ' %', 'r1 < ' || (share * 100)::int, 'true'
FROM unnest(ARRAY[.01, .1, 1, 10, 50]) share;
INSERT INTO condition (name, cond, queries)
SELECT 'near ' || share || ' %', 'near < ' || (share * 100)::int, 'near < 2500'
FROM unnest(ARRAY[.01, .1, 1, 10, 50]) share;
INSERT INTO condition (name, cond, queries)
SELECT 'far ' || share || ' %', 'near >= ' || 10000 - (share * 100)::int, 'near < 2500'
FROM unnest(ARRAY[.01, .1, 1, 10, 50]) share;
INSERT INTO condition (name, cond, queries) VALUES
	('three of 20 %', 'r1 < 2000 AND r2 < 2000 AND r3 < 2000', 'true'),
	('within 100 km', 'ST_DWithin(geog, ''POINT(8.68 50.11)''::geography, 100000)', 'true'),
	('within 100 km, and 20 %', 'ST_DWithin(geog, ''POINT(8.68 50.11)''::geography, 100000) AND r1 < 2000', 'true'),
	('none', 'true', 'true');

-- Queries, with the rank that a row at their place would have
CREATE TABLE query (n int, v vector, near int);

-- The exact answers; sorted so that equal distances count as equal.
CREATE TABLE truth (condition int, query int, matches bigint, ids int[], worst float8);

CREATE FUNCTION find_truth(k int) RETURNS void LANGUAGE plpgsql
	SET enable_indexscan = off SET max_parallel_workers_per_gather = 2 AS $$
DECLARE
	c record;
	q record;
BEGIN
	FOR c IN SELECT * FROM condition ORDER BY n LOOP
		EXECUTE format('CREATE TEMP TABLE passing AS SELECT id, v FROM item WHERE %s', c.cond);
		FOR q IN EXECUTE format('SELECT * FROM query WHERE %s ORDER BY n LIMIT 40', c.queries) LOOP
			INSERT INTO truth SELECT c.n, q.n, (SELECT count(*) FROM passing), array_agg(id), max(d)
			FROM (SELECT id, v <=> q.v AS d FROM passing ORDER BY 2 LIMIT k) t;
		END LOOP;
		DROP TABLE passing;
	END LOOP;
END
$$;

-- Ask all queries of a condition: mean ms, the 95th percentile, recall, the
-- fewest rows of a query in parts of those that there are.  Planning counts.
CREATE FUNCTION ask(number int, k int, OUT ms float8, OUT p95 float8, OUT recall float8, OUT served float8)
	LANGUAGE plpgsql AS $$
DECLARE
	c condition;
	t record;
	ids int[];
	start timestamptz;
	times float8[] := '{}';
	hits int := 0;
	wanted int := 0;
BEGIN
	SELECT * INTO c FROM condition WHERE n = number;
	served := 1;
	FOR pass IN 1..2 LOOP
		FOR t IN SELECT q.v, truth.* FROM truth JOIN query q ON q.n = truth.query WHERE condition = number ORDER BY q.n LOOP
			start := clock_timestamp();
			EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM item WHERE %s ORDER BY v <=> $1 LIMIT %s) s', c.cond, k)
				INTO ids USING t.v;
			IF pass = 1 THEN
				CONTINUE;
			END IF;
			times := times || extract(epoch FROM clock_timestamp() - start)::float8 * 1000;
			hits := hits + (SELECT count(*) FROM unnest(ids) i WHERE i = ANY (t.ids));
			wanted := wanted + cardinality(t.ids);
			served := least(served, coalesce(cardinality(ids), 0)::float8 / cardinality(t.ids));
		END LOOP;
	END LOOP;
	SELECT avg(x), percentile_cont(.95) WITHIN GROUP (ORDER BY x) INTO ms, p95 FROM unnest(times) x;
	recall := hits::float8 / wanted;
END
$$;
