-- The type vector: text and binary form, functions, operators, order.

SET extra_float_digits = 0;

-- Text

SELECT '[1,2,3]'::vector;
SELECT '[-1, 2.5 ,  +3]'::vector;
SELECT E' \t\n\r\x0b\f[ \t1 \n,\r2\x0b,\f3 ] \t\n'::vector;
SELECT '[.5,5.,1e3,1E-3,-0]'::vector;
-- the fewest digits that read back as the same float32, whatever
-- extra_float_digits says
SELECT '[0.1,16777217,1.23456789,3.4028235e38,1e-45,100000,1000000,1e15,0.0001,0.00001]'::vector;
-- numbers too small for a float32 become 0 or a denormal
SELECT '[1e-46,-1e-400,1e-40]'::vector;
SELECT vector_dims(('[' || repeat('1.5,', 15999) || '1.5]')::vector);

SELECT '[]'::vector;
SELECT ' [ ] '::vector;
SELECT ''::vector;
SELECT '1,2'::vector;
SELECT '{1,2}'::vector;
SELECT '['::vector;
SELECT '[1'::vector;
SELECT '[1,'::vector;
SELECT '[1,2'::vector;
SELECT '[1,]'::vector;
SELECT '[,1]'::vector;
SELECT '[1,,2]'::vector;
SELECT '[1 2]'::vector;
SELECT '[1;2]'::vector;
SELECT '[one]'::vector;
SELECT '[1,2]3'::vector;
SELECT '[1,2]]'::vector;
SELECT '[[1,2]]'::vector;
SELECT '[NaN]'::vector;
SELECT '[1,-nan]'::vector;
SELECT '[Infinity]'::vector;
SELECT '[1,-inf]'::vector;
SELECT '[1,4e38]'::vector;
SELECT '[-1e400]'::vector;
SELECT ('[' || repeat('1,', 16000) || '1]')::vector;
SELECT ('[' || repeat('1,', 16000) || 'x')::vector;

\set VERBOSITY sqlstate
SELECT '[]'::vector;
SELECT '1'::vector;
SELECT '[1,2]3'::vector;
SELECT '[NaN]'::vector;
SELECT '[Infinity]'::vector;
SELECT '[4e38]'::vector;
SELECT ('[' || repeat('1,', 16000) || '1]')::vector;
\set VERBOSITY default

-- Type modifier: the number of dimensions itself

SELECT '[1,2,3]'::vector(3);
SELECT format_type('vector'::regtype, 3);
CREATE TABLE vector_typmod (any_dims vector, three vector(3), most vector(16000));
SELECT attname, atttypmod, format_type(atttypid, atttypmod)
	FROM pg_attribute
	WHERE attrelid = 'vector_typmod'::regclass AND attnum > 0
	ORDER BY attnum;
INSERT INTO vector_typmod (any_dims, three) VALUES ('[1]', '[1,2,3]');
INSERT INTO vector_typmod (any_dims) VALUES ('[1,2]');
SELECT any_dims, three FROM vector_typmod ORDER BY any_dims;
SELECT typlen, typalign, typstorage, typtypmod, typcategory
	FROM pg_type WHERE oid = 'vector'::regtype;
-- 8 bytes and 4 for each dimension
SELECT pg_column_size('[1]'::vector), pg_column_size('[1,2,3]'::vector);

SELECT '[1,2]'::vector(3);
INSERT INTO vector_typmod (three) VALUES ('[1,2]');
INSERT INTO vector_typmod (three) SELECT any_dims FROM vector_typmod;
SELECT '[1]'::vector(0);
SELECT '[1]'::vector(-1);
SELECT '[1]'::vector(16001);
SELECT '[1]'::vector(1, 2);
SELECT '[1]'::vector('a');
\set VERBOSITY sqlstate
SELECT '[1,2]'::vector(3);
SELECT '[1]'::vector(0);
SELECT '[1]'::vector(16001);
SELECT '[1]'::vector(1, 2);
\set VERBOSITY default
DROP TABLE vector_typmod;

-- Distances

SELECT l2_distance('[0,0]', '[3,4]'), '[0,0]'::vector <-> '[3,4]';
SELECT l2_distance('[1,2,3]', '[1,2,3]');
SELECT vector_l2_squared_distance('[0,0]', '[3,4]');
SELECT inner_product('[1,2]', '[3,4]'), '[1,2]'::vector <#> '[3,4]';
SELECT vector_negative_inner_product('[1,2]', '[3,4]');
SELECT cosine_distance('[1,2]', '[2,4]'), '[1,0]'::vector <=> '[0,2]';
SELECT cosine_distance('[1,1]', '[-1,-1]');
SELECT round(cosine_distance('[1,0]', '[1,1]')::numeric, 6),
	round(cosine_distance('[1,1]', '[1.1,1.1]')::numeric, 6);
SELECT cosine_distance('[0,0]', '[1,1]'), cosine_distance('[0,0]', '[0,0]');
SELECT l1_distance('[0,0]', '[3,-4]'), '[1,2]'::vector <+> '[3,0]';
SELECT vector_spherical_distance('[1,0]', '[0,1]'),
	vector_spherical_distance('[1,0]', '[-1,0]'),
	vector_spherical_distance('[1,0]', '[1,0]'),
	vector_spherical_distance('[2,0]', '[2,0]');
-- sums are float32
SELECT l2_distance('[3e38]', '[-3e38]'), l1_distance('[3e38]', '[-3e38]'),
	inner_product('[3e38]', '[3e38]');
-- both operand orders give the same, at lengths around the width of a register
SELECT count(*) AS lengths,
	bool_and((a <-> b) = (b <-> a)) AS l2,
	bool_and((a <#> b) = (b <#> a)) AS ip,
	bool_and((a <=> b) = (b <=> a)) AS cosine,
	bool_and((a <+> b) = (b <+> a)) AS l1,
	bool_and((a <+> b) = n) AS l1_is_n,
	bool_and(vector_l2_squared_distance(a, b) = n) AS l2_is_n,
	bool_and(inner_product(a, b) = n * (n + 1) * (2 * n + 1) / 6 + n * (n + 1) / 2) AS ip_is_sum
	FROM (SELECT n, array_agg(i)::vector AS a, array_agg(i + 1)::vector AS b
		FROM generate_series(1, 70) n, generate_series(1, n) i
		GROUP BY n) v;
SELECT l2_distance(NULL, '[1]'), '[1]'::vector <=> NULL;

SELECT l2_distance('[1,2]', '[3]');
SELECT inner_product('[1,2]', '[3]');
SELECT cosine_distance('[1,2]', '[3]');
SELECT l1_distance('[1,2]', '[3]');
SELECT vector_l2_squared_distance('[1,2]', '[3]');
SELECT vector_negative_inner_product('[1,2]', '[3]');
SELECT vector_spherical_distance('[1,2]', '[3]');
\set VERBOSITY sqlstate
SELECT '[1,2]'::vector <-> '[3]';
SELECT '[1,2]'::vector <#> '[3]';
SELECT '[1,2]'::vector <=> '[3]';
SELECT '[1,2]'::vector <+> '[3]';
\set VERBOSITY default

-- Parts and properties

SELECT vector_dims('[1,2,3]'::vector);
SELECT vector_norm('[3,4]'), vector_norm('[0,0]'), vector_norm('[3e38,4e37]') > 3e38;
SELECT vector_norm('[3e-30,4e-30]') BETWEEN 4.99e-30 AND 5.01e-30;
SELECT l2_normalize('[3,4]'::vector), l2_normalize('[3,0]'::vector),
	l2_normalize('[0,0]'::vector), l2_normalize('[3e38]'::vector),
	l2_normalize('[-1e-45]'::vector);
SELECT subvector('[1,2,3,4,5]'::vector, 1, 3), subvector('[1,2,3,4,5]'::vector, 3, 2),
	subvector('[1,2,3,4,5]'::vector, 5, 1);
-- as with substring, what lies outside is left out
SELECT subvector('[1,2,3,4,5]'::vector, 3, 9), subvector('[1,2,3,4,5]'::vector, -1, 3),
	subvector('[1,2,3,4,5]'::vector, 0, 2),
	subvector('[1,2,3,4,5]'::vector, 2, 2147483647),
	subvector('[1,2,3,4,5]'::vector, -2147483645, 2147483647);
SELECT binary_quantize('[1,0,-1]'::vector), binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::vector),
	binary_quantize('[1e-45]'::vector);
SELECT length(binary_quantize(array_fill(1, ARRAY[16000])::vector));

SELECT subvector('[1,2,3]'::vector, 4, 1);
SELECT subvector('[1,2,3]'::vector, 2147483647, 2147483647);
SELECT subvector('[1,2,3]'::vector, 1, 0);
SELECT subvector('[1,2,3]'::vector, 3, -1);
SELECT subvector('[1,2,3]'::vector, -2147483648, -2147483648);
SELECT subvector('[1,2,3]'::vector, -1, 2);

-- Arithmetic

SELECT '[1,2,3]'::vector + '[4,5,6]', '[1,2,3]'::vector - '[4,5,6]',
	'[1,2,3]'::vector * '[4,5,-6]', '[1,2]'::vector || '[3]';
SELECT vector_add('[1]', '[2]'), vector_sub('[1]', '[2]'), vector_mul('[2]', '[3]'),
	vector_concat('[1]', '[2]');
SELECT '[0,0,2]'::vector * '[1e-45,3e38,0]';
SELECT vector_dims(array_fill(1, ARRAY[15999])::vector || '[1]');

SELECT '[1,2]'::vector + '[3]';
SELECT '[1,2]'::vector - '[3]';
SELECT '[1,2]'::vector * '[3]';
SELECT '[1,3e38]'::vector + '[1,3e38]';
SELECT '[1,-3e38]'::vector - '[1,3e38]';
SELECT '[1,1e20]'::vector * '[1,-1e20]';
SELECT '[1,1e-30]'::vector * '[1,1e-30]';
SELECT array_fill(1, ARRAY[16000])::vector || '[1]';
\set VERBOSITY sqlstate
SELECT '[1,2]'::vector + '[3]';
SELECT '[3e38]'::vector + '[3e38]';
SELECT '[1e20]'::vector * '[1e20]';
SELECT '[1e-30]'::vector * '[1e-30]';
SELECT array_fill(1, ARRAY[16000])::vector || '[1]';
\set VERBOSITY default

-- Order: by the first element that differs, then by dimensions

SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt,
	vector_cmp(a, b) AS cmp
	FROM (VALUES
		('[1,2]'::vector, '[1,2]'::vector),
		('[1,2]', '[1,3]'),
		('[2,1]', '[1,9]'),
		('[1]', '[1,0]'),
		('[2]', '[1,9,9]'),
		('[0]', '[-0]'),
		('[1,-1]', '[1]')) v (a, b);
SELECT vector_lt('[1]', '[2]'), vector_le('[1]', '[2]'), vector_eq('[1]', '[2]'),
	vector_ne('[1]', '[2]'), vector_ge('[1]', '[2]'), vector_gt('[1]', '[2]');

CREATE TABLE vector_order (id int, v vector);
INSERT INTO vector_order VALUES
	(1, '[2,1]'), (2, '[1]'), (3, '[1,5]'), (4, NULL), (5, '[1]'), (6, '[-1,9,9]'), (7, '[1,5]');
SELECT id, v FROM vector_order ORDER BY v, id;
SELECT id, v FROM vector_order ORDER BY v DESC, id;
SELECT DISTINCT v FROM vector_order ORDER BY v;
SELECT v, count(*) FROM vector_order GROUP BY v ORDER BY v;
SELECT a.id, b.id FROM vector_order a JOIN vector_order b ON a.v = b.v AND a.id < b.id ORDER BY 1;
SELECT id FROM vector_order WHERE v IN ('[1]', '[2,1]') ORDER BY id;
-- with an index
CREATE INDEX vector_order_idx ON vector_order (v);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM vector_order WHERE v > '[1]' AND v <= '[2,1]';
SELECT id, v FROM vector_order WHERE v > '[1]' AND v <= '[2,1]' ORDER BY id;
SELECT id, v FROM vector_order WHERE v = '[1]' ORDER BY id;
RESET enable_seqscan;
DROP INDEX vector_order_idx;
-- unique
DELETE FROM vector_order WHERE id IN (5, 7);
CREATE UNIQUE INDEX vector_order_key ON vector_order (v);
INSERT INTO vector_order VALUES (8, '[1,6]');
INSERT INTO vector_order VALUES (9, '[1,5]');
DROP TABLE vector_order;

-- Nearest first, and values stored out of line

CREATE TABLE vector_near (id int, v vector(1000));
INSERT INTO vector_near SELECT i, array_fill(i, ARRAY[1000])::vector FROM generate_series(1, 5) i;
SELECT pg_column_size(v) FROM vector_near WHERE id = 1;
SELECT id, v <+> array_fill(3, ARRAY[1000])::vector AS l1 FROM vector_near ORDER BY l1, id;
SELECT id FROM vector_near ORDER BY v <#> array_fill(1, ARRAY[1000])::vector LIMIT 2;
SELECT id FROM vector_near WHERE v = array_fill(4, ARRAY[1000])::vector;
DROP TABLE vector_near;

-- Binary: int16 n, int16 0, n float4

SELECT vector_send('[1,-2.5]');
CREATE TABLE vector_binary (id int, v vector);
INSERT INTO vector_binary VALUES (1, '[1,-2.5,1e-45]'), (2, NULL), (3, '[3.4028235e38]'),
	(4, array_fill(0.1, ARRAY[16000])::vector);
\copy vector_binary to 'results/vector_binary.tmp' (format binary)
CREATE TABLE vector_binary_copy (id int, v vector);
\copy vector_binary_copy from 'results/vector_binary.tmp' (format binary)
SELECT count(*), count(v) FROM vector_binary_copy;
SELECT count(*) AS same FROM vector_binary a JOIN vector_binary_copy b
	ON a.id = b.id AND vector_send(a.v) IS NOT DISTINCT FROM vector_send(b.v);
-- an array of vectors takes the same way
CREATE TABLE vector_binary_array (v vector[]);
INSERT INTO vector_binary_array VALUES (ARRAY['[1,2]', NULL, '[3]']::vector[]);
\copy vector_binary_array to 'results/vector_binary.tmp' (format binary)
\copy vector_binary_array from 'results/vector_binary.tmp' (format binary)
SELECT v, count(*) FROM vector_binary_array GROUP BY v;

-- A bytea column has the binary form of any bytes, so it can forge a vector.
CREATE TABLE vector_forged (v vector(2));
\copy (SELECT '\x00020000 3f800000 40000000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
SELECT v FROM vector_forged;
-- empty; cut in the header; no dimensions; a negative number of them
\copy (SELECT ''::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x000200'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x00000000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\xffff0000 3f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
-- 16001 dimensions; other dimensions than the column
\copy (SELECT '\x3e810000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x00010000 3f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
-- unused is not 0
\copy (SELECT '\x00020001 3f800000 3f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x0002ffff 3f800000 3f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
-- NaN; infinity; minus infinity
\copy (SELECT '\x00020000 3f800000 7fc00000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x00020000 3f800000 7f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x00020000 ff800000 3f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
-- elements missing; cut in an element; one byte, one element too many
\copy (SELECT '\x00020000 3f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x00020000 3f800000 3f8000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x00020000 3f800000 3f800000 00'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
\copy (SELECT '\x00020000 3f800000 3f800000 3f800000'::bytea) to 'results/vector_binary.tmp' (format binary)
\copy vector_forged from 'results/vector_binary.tmp' (format binary)
SELECT count(*) FROM vector_forged;
DROP TABLE vector_binary, vector_binary_copy, vector_binary_array, vector_forged;

-- Catalog: commutators, negators and estimators

SELECT o.oprname, o.oprcode, c.oprname AS commutator, n.oprname AS negator,
	o.oprrest AS restrict, o.oprjoin AS join, o.oprcanmerge AS merges, o.oprcanhash AS hashes
	FROM pg_operator o
	LEFT JOIN pg_operator c ON c.oid = o.oprcom AND c.oprleft = 'vector'::regtype
	LEFT JOIN pg_operator n ON n.oid = o.oprnegate
	WHERE o.oprleft = 'vector'::regtype AND o.oprright = 'vector'::regtype
	ORDER BY o.oprname COLLATE "C";
SELECT opcname, opcdefault, amvalidate(oid) FROM pg_opclass
	WHERE opcintype = 'vector'::regtype AND opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree');
