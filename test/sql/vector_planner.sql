-- What the planner thinks a distance costs.

-- Cost of an expression over each row of a table, beyond the bare scan.
CREATE FUNCTION cost_of(expression text, source text) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
	with_it json;
	without json;
BEGIN
	EXECUTE format('EXPLAIN (FORMAT JSON) SELECT %s FROM %s', expression, source) INTO with_it;
	EXECUTE format('EXPLAIN (FORMAT JSON) SELECT 1 FROM %s', source) INTO without;
	RETURN (with_it -> 0 -> 'Plan' ->> 'Total Cost')::double precision
		- (without -> 0 -> 'Plan' ->> 'Total Cost')::double precision;
END
$$;
SET max_parallel_workers_per_gather = 0;

CREATE TABLE vector_cost (small vector(3), middle vector(300));
INSERT INTO vector_cost
	SELECT array_fill(1, ARRAY[3]), array_fill(1, ARRAY[300]) FROM generate_series(1, 100);
CREATE TABLE vector_cost_large (large vector(3000));
INSERT INTO vector_cost_large SELECT array_fill(1, ARRAY[3000]) FROM generate_series(1, 100);
CREATE TABLE vector_cost_any (any_dims vector);
INSERT INTO vector_cost_any SELECT array_fill(1, ARRAY[300]) FROM generate_series(1, 100);
ANALYZE vector_cost, vector_cost_large, vector_cost_any;

-- more dimensions cost more
SELECT cost_of('small <-> small', 'vector_cost') < cost_of('middle <-> middle', 'vector_cost');
-- and values out of line cost much more: a fetch for each of them
SELECT cost_of('large <-> large', 'vector_cost_large') > 100 * cost_of('middle <-> middle', 'vector_cost');
-- all distances and their functions agree
SELECT cost_of('large <-> large', 'vector_cost_large') = cost_of(e, 'vector_cost_large') AS same, e
	FROM (VALUES ('large <#> large'), ('large <=> large'), ('large <+> large'),
		('l2_distance(large, large)'), ('inner_product(large, large)'),
		('cosine_distance(large, large)'), ('l1_distance(large, large)'),
		('vector_l2_squared_distance(large, large)'),
		('vector_negative_inner_product(large, large)'),
		('vector_spherical_distance(large, large)')) t (e);
-- those of distributions cost more a dimension, but as much to fetch
SELECT e, cost_of(e, 'vector_cost') > 5 * cost_of('middle <-> middle', 'vector_cost') AS more
	FROM (VALUES ('middle <^> middle'), ('middle <|> middle'), ('hellinger_distance(middle, middle)'),
		('jensen_shannon_distance(middle, middle)')) t (e);
SELECT cost_of('large <|> large', 'vector_cost_large') < 2 * cost_of('large <-> large', 'vector_cost_large') AS fetch;
-- a constant tells the dimensions of a column that does not
SELECT cost_of('any_dims <-> array_fill(1, ARRAY[300])::vector', 'vector_cost_any') =
	cost_of('middle <-> array_fill(1, ARRAY[300])::vector', 'vector_cost');
-- nothing tells them: the COST of the function
SELECT cost_of('any_dims <-> any_dims', 'vector_cost_any') = cost_of('any_dims <#> any_dims', 'vector_cost_any'),
	round((cost_of('any_dims <-> any_dims', 'vector_cost_any')
		/ (SELECT procost * current_setting('cpu_operator_cost')::float8
			FROM pg_proc WHERE oid = 'l2_distance(vector, vector)'::regprocedure)
		/ 100)::numeric, 2) AS times_static_cost;
-- columns kept in the row need no fetch
CREATE TABLE vector_cost_plain (large vector(1500));
ALTER TABLE vector_cost_plain ALTER large SET STORAGE plain;
INSERT INTO vector_cost_plain SELECT array_fill(1, ARRAY[1500]) FROM generate_series(1, 100);
CREATE TABLE vector_cost_external (large vector(1500));
INSERT INTO vector_cost_external SELECT array_fill(1, ARRAY[1500]) FROM generate_series(1, 100);
ANALYZE vector_cost_plain, vector_cost_external;
SELECT cost_of('large <-> large', 'vector_cost_plain') * 10 < cost_of('large <-> large', 'vector_cost_external');
-- no table at all
SELECT cost_of('v::vector(2) <-> ''[1,2]''', '(VALUES (''[1,2]''::vector), (''[3,4]'')) t (v)') > 0;
SELECT v::vector(2) <-> NULL FROM (VALUES ('[1,2]'::vector), ('[3,4]')) t (v);

DROP FUNCTION cost_of(text, text);
DROP TABLE vector_cost, vector_cost_large, vector_cost_any, vector_cost_plain, vector_cost_external;
