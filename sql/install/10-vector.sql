-- The type vector: float32 elements, 1 to 16000 of them.

CREATE TYPE vector;

CREATE FUNCTION vector_in(cstring, oid, integer) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector_in'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_in(cstring, oid, integer) IS
	'vector from text such as [1,2.5,3e-7]; 22P02 if malformed, 22003 if an element exceeds a float32';

CREATE FUNCTION vector_out(vector) RETURNS cstring
	AS 'MODULE_PATHNAME', 'vs_vector_out'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_out(vector) IS
	'text such as [1,2.5,3e-07], each element with the fewest digits that read back the same float32';

CREATE FUNCTION vector_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'vs_vector_typmod_in'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_typmod_in(cstring[]) IS
	'type modifier of vector(n), which is n itself; 22023 unless 1 <= n <= 16000';

CREATE FUNCTION vector_recv(internal, oid, integer) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector_recv'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_recv(internal, oid, integer) IS
	'vector from its binary form: int16 n, int16 0, n float4, all big-endian; 22000 if n or an element is not allowed';

CREATE FUNCTION vector_send(vector) RETURNS bytea
	AS 'MODULE_PATHNAME', 'vs_vector_send'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_send(vector) IS
	'binary form: int16 n, int16 0, n float4, all big-endian';

CREATE TYPE vector (
	INPUT = vector_in,
	OUTPUT = vector_out,
	TYPMOD_IN = vector_typmod_in,
	RECEIVE = vector_recv,
	SEND = vector_send,
	STORAGE = external
);
COMMENT ON TYPE vector IS
	'row of 1 to 16000 finite float32 numbers, 4n + 8 bytes; vector(n) holds exactly n';

-- Casts

CREATE FUNCTION vector(vector, integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector(vector, integer, boolean) IS
	'the same vector; 22000 if its dimensions differ from the second argument, -1 allows any; the third is not used';

CREATE FUNCTION array_to_vector(integer[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_array_to_vector'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(integer[], integer, boolean) IS
	'vector of the elements of a 1-D array without nulls, rounded to float32; the second argument is the number of dimensions to expect or -1, the third is not used';

CREATE FUNCTION array_to_vector(real[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_array_to_vector'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(real[], integer, boolean) IS
	'vector of the elements of a 1-D array without nulls; 22000 if one is NaN or infinite; the second argument is the number of dimensions to expect or -1, the third is not used';

CREATE FUNCTION array_to_vector(double precision[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_array_to_vector'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(double precision[], integer, boolean) IS
	'vector of the elements of a 1-D array without nulls, rounded to float32; 22000 if one is NaN or exceeds a float32; the second argument is the number of dimensions to expect or -1, the third is not used';

CREATE FUNCTION array_to_vector(numeric[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_array_to_vector'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION array_to_vector(numeric[], integer, boolean) IS
	'vector of the elements of a 1-D array without nulls, rounded to float32; 22003 if one is too large or too small for a float32, 22000 if one is NaN; the second argument is the number of dimensions to expect or -1, the third is not used';

CREATE FUNCTION vector_to_float4(vector, integer, boolean) RETURNS real[]
	AS 'MODULE_PATHNAME', 'vs_vector_to_float4'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_to_float4(vector, integer, boolean) IS
	'array of the elements; the other arguments are not used';

CREATE CAST (vector AS vector)
	WITH FUNCTION vector(vector, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (vector AS vector) IS
	'checks the number of dimensions of vector(n); 22000 if it differs';

CREATE CAST (vector AS real[])
	WITH FUNCTION vector_to_float4(vector, integer, boolean) AS IMPLICIT;
COMMENT ON CAST (vector AS real[]) IS 'exact';

CREATE CAST (integer[] AS vector)
	WITH FUNCTION array_to_vector(integer[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (integer[] AS vector) IS
	'rounds to float32, exact up to 2^24';

CREATE CAST (real[] AS vector)
	WITH FUNCTION array_to_vector(real[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (real[] AS vector) IS
	'exact; 22000 if an element is NaN or infinite';

CREATE CAST (double precision[] AS vector)
	WITH FUNCTION array_to_vector(double precision[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (double precision[] AS vector) IS
	'rounds to float32; 22000 if an element is NaN or exceeds a float32';

CREATE CAST (numeric[] AS vector)
	WITH FUNCTION array_to_vector(numeric[], integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (numeric[] AS vector) IS
	'rounds to float32; 22003 if an element is too large or too small for it, 22000 if it is NaN';

-- Distances

CREATE FUNCTION vector_distance_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_vector_distance_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_distance_support(internal) IS
	'planner support: cost of a distance from the number of dimensions, with the fetch of values stored out of line';

CREATE FUNCTION l2_distance(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_l2_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT vector_distance_support;
COMMENT ON FUNCTION l2_distance(vector, vector) IS
	'Euclidean distance, sqrt(sum (a-b)^2), summed in float32; 22000 if the dimensions differ';

CREATE FUNCTION inner_product(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_inner_product'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT vector_distance_support;
COMMENT ON FUNCTION inner_product(vector, vector) IS
	'sum a*b, summed in float32; 22000 if the dimensions differ';

CREATE FUNCTION cosine_distance(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_cosine_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT vector_distance_support;
COMMENT ON FUNCTION cosine_distance(vector, vector) IS
	'1 - cosine of the angle, 0 to 2; NaN if a vector is all zeros; 22000 if the dimensions differ';

CREATE FUNCTION l1_distance(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_l1_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT vector_distance_support;
COMMENT ON FUNCTION l1_distance(vector, vector) IS
	'taxicab distance, sum |a-b|, summed in float32; 22000 if the dimensions differ';

CREATE FUNCTION vector_l2_squared_distance(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_vector_l2_squared_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT vector_distance_support;
COMMENT ON FUNCTION vector_l2_squared_distance(vector, vector) IS
	'sum (a-b)^2, which orders like l2_distance; for operator classes; 22000 if the dimensions differ';

CREATE FUNCTION vector_negative_inner_product(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_vector_negative_inner_product'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT vector_distance_support;
COMMENT ON FUNCTION vector_negative_inner_product(vector, vector) IS
	'-sum a*b, so that the largest inner product comes first; 22000 if the dimensions differ';

CREATE FUNCTION vector_spherical_distance(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_vector_spherical_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT vector_distance_support;
COMMENT ON FUNCTION vector_spherical_distance(vector, vector) IS
	'angle between two unit vectors in half turns, 0 to 1: acos(sum a*b) / pi; for operator classes; 22000 if the dimensions differ';

-- Parts and properties

CREATE FUNCTION vector_dims(vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'vs_vector_dims'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_dims(vector) IS 'number of dimensions, 1 to 16000';

CREATE FUNCTION vector_norm(vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_vector_norm'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_norm(vector) IS
	'Euclidean norm, sqrt(sum a^2), summed in float64';

CREATE FUNCTION l2_normalize(vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_l2_normalize'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION l2_normalize(vector) IS
	'the vector divided by its Euclidean norm; all zeros stay so';

CREATE FUNCTION subvector(vector, integer, integer) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_subvector'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION subvector(vector, integer, integer) IS
	'elements from the second argument on, counted from 1, as many as the third says or as there are; 22000 if there are none';

CREATE FUNCTION binary_quantize(vector) RETURNS bit
	AS 'MODULE_PATHNAME', 'vs_binary_quantize'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION binary_quantize(vector) IS
	'one bit for each element, 1 if it is above zero';

-- Arithmetic

CREATE FUNCTION vector_add(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector_add'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_add(vector, vector) IS
	'sum, element by element; 22003 on overflow, 22000 if the dimensions differ';

CREATE FUNCTION vector_sub(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector_sub'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_sub(vector, vector) IS
	'difference, element by element; 22003 on overflow, 22000 if the dimensions differ';

CREATE FUNCTION vector_mul(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector_mul'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_mul(vector, vector) IS
	'product, element by element; 22003 on overflow or underflow, 22000 if the dimensions differ';

CREATE FUNCTION vector_concat(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector_concat'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_concat(vector, vector) IS
	'elements of the first, then of the second; 54000 if that makes more than 16000';

-- Order

CREATE FUNCTION vector_lt(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_vector_lt'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_lt(vector, vector) IS
	'whether the first comes before the second in the order of vector_cmp';

CREATE FUNCTION vector_le(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_vector_le'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_le(vector, vector) IS
	'whether the first comes before the second in the order of vector_cmp or equals it';

CREATE FUNCTION vector_eq(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_vector_eq'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_eq(vector, vector) IS
	'whether dimensions and all elements are equal; -0 equals 0';

CREATE FUNCTION vector_ne(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_vector_ne'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_ne(vector, vector) IS
	'whether dimensions or any elements differ; -0 equals 0';

CREATE FUNCTION vector_ge(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_vector_ge'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_ge(vector, vector) IS
	'whether the first comes after the second in the order of vector_cmp or equals it';

CREATE FUNCTION vector_gt(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vs_vector_gt'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_gt(vector, vector) IS
	'whether the first comes after the second in the order of vector_cmp';

CREATE FUNCTION vector_cmp(vector, vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'vs_vector_cmp'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_cmp(vector, vector) IS
	'-1, 0 or 1 as the first comes before, equals or comes after the second: by the first element that differs, then by dimensions';

-- Aggregates

CREATE FUNCTION vector_accum(double precision[], vector) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'vs_vector_accum'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_accum(double precision[], vector) IS
	'step of avg: adds a vector to the state {count, sum of each element}, {0} at the start; 22000 if the dimensions differ';

CREATE FUNCTION vector_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'vs_vector_combine'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_combine(double precision[], double precision[]) IS
	'adds two states of avg; 22000 if the dimensions differ';

CREATE FUNCTION vector_avg(double precision[]) RETURNS vector
	AS 'MODULE_PATHNAME', 'vs_vector_avg'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION vector_avg(double precision[]) IS
	'final of avg: the sums of a state divided by its count, NULL if the count is 0';

CREATE AGGREGATE avg(vector) (
	SFUNC = vector_accum,
	STYPE = double precision[],
	FINALFUNC = vector_avg,
	COMBINEFUNC = vector_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE avg(vector) IS
	'mean, element by element, summed in float64; NULL of no vectors; 22000 if the dimensions differ';

CREATE AGGREGATE sum(vector) (
	SFUNC = vector_add,
	STYPE = vector,
	COMBINEFUNC = vector_add,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sum(vector) IS
	'sum, element by element, in float32; NULL of no vectors; 22003 on overflow, 22000 if the dimensions differ';

-- Operators

CREATE OPERATOR <-> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = l2_distance,
	COMMUTATOR = <->
);
COMMENT ON OPERATOR <-> (vector, vector) IS 'l2_distance: sqrt(sum (a-b)^2)';

CREATE OPERATOR <#> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_negative_inner_product,
	COMMUTATOR = <#>
);
COMMENT ON OPERATOR <#> (vector, vector) IS
	'vector_negative_inner_product: -sum a*b';

CREATE OPERATOR <=> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);
COMMENT ON OPERATOR <=> (vector, vector) IS
	'cosine_distance: 1 - cosine of the angle; NaN if a vector is all zeros';

CREATE OPERATOR <+> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = l1_distance,
	COMMUTATOR = <+>
);
COMMENT ON OPERATOR <+> (vector, vector) IS 'l1_distance: sum |a-b|';

CREATE OPERATOR + (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (vector, vector) IS
	'vector_add: sum, element by element';

CREATE OPERATOR - (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_sub
);
COMMENT ON OPERATOR - (vector, vector) IS
	'vector_sub: difference, element by element';

CREATE OPERATOR * (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_mul,
	COMMUTATOR = *
);
COMMENT ON OPERATOR * (vector, vector) IS
	'vector_mul: product, element by element';

CREATE OPERATOR || (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_concat
);
COMMENT ON OPERATOR || (vector, vector) IS
	'vector_concat: elements of the first, then of the second';

CREATE OPERATOR < (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
COMMENT ON OPERATOR < (vector, vector) IS 'before, in the order of vector_cmp';

CREATE OPERATOR <= (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
COMMENT ON OPERATOR <= (vector, vector) IS
	'before or equal, in the order of vector_cmp';

CREATE OPERATOR = (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (vector, vector) IS
	'same dimensions and elements; -0 equals 0';

CREATE OPERATOR <> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (vector, vector) IS
	'different dimensions or elements; -0 equals 0';

CREATE OPERATOR >= (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);
COMMENT ON OPERATOR >= (vector, vector) IS
	'after or equal, in the order of vector_cmp';

CREATE OPERATOR > (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
COMMENT ON OPERATOR > (vector, vector) IS 'after, in the order of vector_cmp';

-- Operator class: sorting, DISTINCT, GROUP BY, btree indexes

CREATE OPERATOR FAMILY vector_ops USING btree;
COMMENT ON OPERATOR FAMILY vector_ops USING btree IS
	'order of vectors: by the first element that differs, then by dimensions';

CREATE OPERATOR CLASS vector_ops
	DEFAULT FOR TYPE vector USING btree FAMILY vector_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 vector_cmp(vector, vector);
COMMENT ON OPERATOR CLASS vector_ops USING btree IS
	'order of vectors: by the first element that differs, then by dimensions';
