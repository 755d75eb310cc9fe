-- Casts to and from vector.

-- Which there are, and where they apply (i: everywhere, a: on assignment)

SELECT castsource::regtype, casttarget::regtype, castfunc::regprocedure, castcontext
	FROM pg_cast
	WHERE 'vector'::regtype IN (castsource, casttarget)
		AND castsource::regtype::text IN ('vector', 'integer[]', 'real[]', 'double precision[]', 'numeric[]')
		AND casttarget::regtype::text IN ('vector', 'real[]')
	ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

-- From arrays

SELECT ARRAY[1,2,3]::vector, '{1,2,3}'::integer[]::vector(3);
SELECT ARRAY[1.5,-2]::real[]::vector, ARRAY[1.5,-2]::double precision[]::vector,
	ARRAY[1.5,-2]::numeric[]::vector;
-- rounded to float32
SELECT ARRAY[16777217,2147483647]::vector, ARRAY[0.1::float8, 1e-50]::vector,
	ARRAY[0.1,1e-40,12345678901234567890]::vector;
SELECT vector_dims(array_fill(1, ARRAY[16000])::vector),
	vector_dims(array_fill(1.5, ARRAY[16000])::vector);
-- bounds do not matter
SELECT '[-1:1]={1,2,3}'::integer[]::vector, '[5:6]={1.5,2.5}'::real[]::vector;
-- a slice without its null is no array with nulls
SELECT ((ARRAY[1,NULL,2,3])[3:4])::vector;
SELECT array_to_vector(ARRAY[1,2], 2, true), array_to_vector(ARRAY[1,2]::real[], -1, false),
	array_to_vector(ARRAY[1,2]::float8[], 2, true), array_to_vector(ARRAY[1,2]::numeric[], -1, true);
SELECT NULL::integer[]::vector, NULL::vector::real[];

SELECT ARRAY[1,2]::vector(3);
SELECT array_to_vector(ARRAY[1,2], 3, true);
SELECT '{}'::integer[]::vector;
SELECT '{}'::real[]::vector;
SELECT '{{1,2},{3,4}}'::real[]::vector;
SELECT '{{1,2}}'::integer[]::vector;
SELECT '{1,NULL}'::integer[]::vector;
SELECT '{NULL}'::numeric[]::vector;
SELECT '{1,NaN}'::real[]::vector;
SELECT '{1,NaN}'::double precision[]::vector;
SELECT '{1,NaN}'::numeric[]::vector;
SELECT '{1,Infinity}'::real[]::vector;
SELECT '{1,-Infinity}'::double precision[]::vector;
SELECT '{1,4e38}'::double precision[]::vector;
SELECT '{1,-4e38}'::numeric[]::vector;
SELECT '{1,1e-50}'::numeric[]::vector;
SELECT array_fill(1, ARRAY[16001])::vector;
SELECT array_fill(1.5, ARRAY[16001])::vector;
SELECT ARRAY['1']::vector;
\set VERBOSITY sqlstate
SELECT ARRAY[1,2]::vector(3);
SELECT '{}'::integer[]::vector;
SELECT '{{1,2}}'::integer[]::vector;
SELECT '{1,NULL}'::integer[]::vector;
SELECT '{NaN}'::real[]::vector;
SELECT '{4e38}'::double precision[]::vector;
SELECT '{4e38}'::numeric[]::vector;
SELECT array_fill(1, ARRAY[16001])::vector;
\set VERBOSITY default

-- To real[]

SELECT '[1,2.5,-3e38]'::vector::real[], vector_to_float4('[1,2]', -1, true);
SELECT array_length(array_fill(1, ARRAY[16000])::vector::real[], 1);
SELECT unnest('[1,2]'::vector::real[]);
-- implicit: a function of real[] takes a vector
CREATE FUNCTION vector_cast_last(real[]) RETURNS real LANGUAGE sql IMMUTABLE
	AS 'SELECT $1[array_upper($1, 1)]';
SELECT vector_cast_last('[1,2]'::vector);
DROP FUNCTION vector_cast_last(real[]);

-- On assignment, without a written cast

CREATE TABLE vector_cast (v vector(2), a real[]);
INSERT INTO vector_cast (v) VALUES (ARRAY[1,2]), (ARRAY[1,2]::real[]),
	(ARRAY[1,2]::double precision[]), (ARRAY[1.0,2.0]::numeric[]);
UPDATE vector_cast SET a = v;
SELECT v, a, count(*) FROM vector_cast GROUP BY v, a;
INSERT INTO vector_cast (v) VALUES (ARRAY[1,2,3]);
-- but not in an expression
\set VERBOSITY terse
SELECT '[1,2]'::vector <-> ARRAY[1,2];
SELECT vector_norm(ARRAY[1,2]);
\set VERBOSITY default
DROP TABLE vector_cast;

-- vector to vector(n)

SELECT '[1,2]'::vector::vector(2), vector('[1,2]'::vector, -1, true), vector('[1,2]'::vector, 2, false);
SELECT '[1,2]'::vector::vector(3);
SELECT vector('[1,2]'::vector, 3, false);
