-- avg and sum of vectors.

CREATE TABLE vector_agg (grp int, v vector);
INSERT INTO vector_agg VALUES
	(1, '[1,2,3]'), (1, '[3,5,7]'), (1, NULL), (2, '[-1,0.5]'), (3, NULL);

SELECT grp, avg(v), sum(v), count(v) FROM vector_agg GROUP BY grp ORDER BY grp;
SELECT avg(v), sum(v) FROM vector_agg WHERE false;
SELECT avg(v), sum(v) FROM vector_agg WHERE v IS NULL;
SELECT avg(v), sum(v) FROM (VALUES ('[1,2]'::vector)) t (v);
-- sums of avg are float64, so the mean of large numbers is right
SELECT avg(v) FROM (VALUES ('[3e38,1]'::vector), ('[3e38,1]'), ('[3e38,1]')) t (v);
SELECT avg(v) FROM (VALUES ('[16777216]'::vector), ('[1]'), ('[1]')) t (v);
-- over a moving window, which keeps its state between rows
SELECT avg(v) OVER w, sum(v) OVER w
	FROM (VALUES (1, '[1,2]'::vector), (2, '[3,4]'), (3, '[5,6]')) t (i, v)
	WINDOW w AS (ORDER BY i ROWS 1 PRECEDING) ORDER BY i;
SELECT avg(v) OVER w, sum(v) OVER w
	FROM (VALUES (1, '[1,2]'::vector), (2, '[3,4]'), (3, '[5,6]')) t (i, v)
	WINDOW w AS (ORDER BY i) ORDER BY i;
SELECT avg(DISTINCT v), sum(DISTINCT v) FROM (VALUES ('[1]'::vector), ('[1]'), ('[4]')) t (v);

SELECT avg(v) FROM vector_agg;
SELECT sum(v) FROM vector_agg;
SELECT sum(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) t (v);
\set VERBOSITY sqlstate
SELECT avg(v) FROM vector_agg;
SELECT sum(v) FROM vector_agg;
SELECT sum(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) t (v);
\set VERBOSITY default

-- The steps by name

SELECT vector_accum('{0}', '[1,2,3]'), vector_accum('{1,1,2,3}', '[4,5,6]');
SELECT vector_combine('{0}', '{0}'), vector_combine('{0}', '{1,2}'), vector_combine('{1,2}', '{0}'),
	vector_combine('{2,3,4}', '{1,5,6}');
SELECT vector_avg('{2,3,5}'), vector_avg('{0}'), vector_avg('{0,0,0}');
-- a call outside an aggregate leaves its argument as it is
SELECT s, vector_accum(s, '[1]'), s FROM (SELECT '{1,1}'::double precision[] OFFSET 0) t (s);

SELECT vector_accum('{1,1,2}', '[1]');
SELECT vector_accum('{}', '[1]');
SELECT vector_accum('{{0}}', '[1]');
SELECT vector_accum('{0,NULL}', '[1]');
SELECT vector_accum('{1,1.7976931348623157e308}', '[3e38]') > '{1}';
SELECT vector_combine('{1,1,2}', '{1,1}');
SELECT vector_combine('{}', '{0}');
SELECT vector_combine('{1,1.7e308}', '{1,1.7e308}');
SELECT vector_avg('{1}');
SELECT vector_avg('{}');
SELECT vector_avg('{1,1e300}');
SELECT vector_avg('{1,NaN}');
SELECT vector_avg(array_fill(1.0::float8, ARRAY[16002]));

-- Parallel workers and one process agree

CREATE TABLE vector_agg_parallel (id int, v vector(3));
INSERT INTO vector_agg_parallel
	SELECT i, ARRAY[i, -i, 0.5]::vector FROM generate_series(1, 2000) i;
CREATE FUNCTION plan_has_partial_aggregate(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line LIKE '%Partial Aggregate%' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;
SET max_parallel_workers_per_gather = 0;
SELECT plan_has_partial_aggregate('SELECT avg(v), sum(v) FROM vector_agg_parallel');
SELECT avg(v), sum(v) FROM vector_agg_parallel;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT plan_has_partial_aggregate('SELECT avg(v), sum(v) FROM vector_agg_parallel');
SELECT avg(v), sum(v) FROM vector_agg_parallel;
-- workers that see no row at all
SELECT avg(v), sum(v) FROM vector_agg_parallel WHERE id = 7;
SELECT avg(v), sum(v) FROM vector_agg_parallel WHERE id < 0;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

DROP FUNCTION plan_has_partial_aggregate(text);
DROP TABLE vector_agg, vector_agg_parallel;
