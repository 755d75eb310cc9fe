-- Filter columns of hnsw indexes: operator classes of further key columns.

CREATE FUNCTION hnsw_bool_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_bool_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_bool_support(internal) IS
	'tells the hnsw access method how to keep a boolean beside a vector';

CREATE OPERATOR CLASS bool_ops DEFAULT FOR TYPE boolean USING hnsw AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_bool_support(internal);
COMMENT ON OPERATOR CLASS bool_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, 1 byte';

CREATE OPERATOR FAMILY integer_ops USING hnsw;
COMMENT ON OPERATOR FAMILY integer_ops USING hnsw IS
	'smallint, integer and bigint as filter columns, compared with each other';

CREATE FUNCTION hnsw_int2_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_int2_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_int2_support(internal) IS
	'tells the hnsw access method how to keep a smallint beside a vector';

CREATE OPERATOR CLASS int2_ops DEFAULT FOR TYPE smallint USING hnsw FAMILY integer_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_int2_support(internal);
COMMENT ON OPERATOR CLASS int2_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of any integer type, 2 bytes';

CREATE FUNCTION hnsw_int4_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_int4_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_int4_support(internal) IS
	'tells the hnsw access method how to keep an integer beside a vector';

CREATE OPERATOR CLASS int4_ops DEFAULT FOR TYPE integer USING hnsw FAMILY integer_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_int4_support(internal);
COMMENT ON OPERATOR CLASS int4_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of any integer type, 4 bytes';

CREATE FUNCTION hnsw_int8_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_int8_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_int8_support(internal) IS
	'tells the hnsw access method how to keep a bigint beside a vector';

CREATE OPERATOR CLASS int8_ops DEFAULT FOR TYPE bigint USING hnsw FAMILY integer_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_int8_support(internal);
COMMENT ON OPERATOR CLASS int8_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of any integer type, 8 bytes';

ALTER OPERATOR FAMILY integer_ops USING hnsw ADD
	OPERATOR 1 < (smallint, integer),
	OPERATOR 2 <= (smallint, integer),
	OPERATOR 3 = (smallint, integer),
	OPERATOR 4 >= (smallint, integer),
	OPERATOR 5 > (smallint, integer),
	OPERATOR 1 < (smallint, bigint),
	OPERATOR 2 <= (smallint, bigint),
	OPERATOR 3 = (smallint, bigint),
	OPERATOR 4 >= (smallint, bigint),
	OPERATOR 5 > (smallint, bigint),
	OPERATOR 1 < (integer, smallint),
	OPERATOR 2 <= (integer, smallint),
	OPERATOR 3 = (integer, smallint),
	OPERATOR 4 >= (integer, smallint),
	OPERATOR 5 > (integer, smallint),
	OPERATOR 1 < (integer, bigint),
	OPERATOR 2 <= (integer, bigint),
	OPERATOR 3 = (integer, bigint),
	OPERATOR 4 >= (integer, bigint),
	OPERATOR 5 > (integer, bigint),
	OPERATOR 1 < (bigint, smallint),
	OPERATOR 2 <= (bigint, smallint),
	OPERATOR 3 = (bigint, smallint),
	OPERATOR 4 >= (bigint, smallint),
	OPERATOR 5 > (bigint, smallint),
	OPERATOR 1 < (bigint, integer),
	OPERATOR 2 <= (bigint, integer),
	OPERATOR 3 = (bigint, integer),
	OPERATOR 4 >= (bigint, integer),
	OPERATOR 5 > (bigint, integer);

CREATE OPERATOR FAMILY float_ops USING hnsw;
COMMENT ON OPERATOR FAMILY float_ops USING hnsw IS
	'real and double precision as filter columns, compared with each other';

CREATE FUNCTION hnsw_float4_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_float4_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_float4_support(internal) IS
	'tells the hnsw access method how to keep a real number beside a vector';

CREATE OPERATOR CLASS float4_ops DEFAULT FOR TYPE real USING hnsw FAMILY float_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_float4_support(internal);
COMMENT ON OPERATOR CLASS float4_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of both types, 4 bytes';

CREATE FUNCTION hnsw_float8_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_float8_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_float8_support(internal) IS
	'tells the hnsw access method how to keep a double precision number beside a vector';

CREATE OPERATOR CLASS float8_ops DEFAULT FOR TYPE double precision USING hnsw FAMILY float_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_float8_support(internal);
COMMENT ON OPERATOR CLASS float8_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of both types, 8 bytes';

ALTER OPERATOR FAMILY float_ops USING hnsw ADD
	OPERATOR 1 < (real, double precision),
	OPERATOR 2 <= (real, double precision),
	OPERATOR 3 = (real, double precision),
	OPERATOR 4 >= (real, double precision),
	OPERATOR 5 > (real, double precision),
	OPERATOR 1 < (double precision, real),
	OPERATOR 2 <= (double precision, real),
	OPERATOR 3 = (double precision, real),
	OPERATOR 4 >= (double precision, real),
	OPERATOR 5 > (double precision, real);

CREATE FUNCTION hnsw_numeric_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_numeric_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_numeric_support(internal) IS
	'tells the hnsw access method how to keep a numeric beside a vector';

CREATE OPERATOR CLASS numeric_ops DEFAULT FOR TYPE numeric USING hnsw AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_numeric_support(internal);
COMMENT ON OPERATOR CLASS numeric_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL; kept as the nearest double precision number, 8 bytes, and checked again in the table';

CREATE OPERATOR FAMILY datetime_ops USING hnsw;
COMMENT ON OPERATOR FAMILY datetime_ops USING hnsw IS
	'date, timestamp and timestamptz as filter columns; a date stands for its midnight, for timestamptz in the sessions time zone';

CREATE FUNCTION hnsw_date_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_date_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_date_support(internal) IS
	'tells the hnsw access method how to keep a date beside a vector';

CREATE OPERATOR CLASS date_ops DEFAULT FOR TYPE date USING hnsw FAMILY datetime_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_date_support(internal);
COMMENT ON OPERATOR CLASS date_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of type date and timestamp, 4 bytes';

CREATE FUNCTION hnsw_timestamp_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_timestamp_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_timestamp_support(internal) IS
	'tells the hnsw access method how to keep a timestamp beside a vector';

CREATE OPERATOR CLASS timestamp_ops DEFAULT FOR TYPE timestamp USING hnsw FAMILY datetime_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_timestamp_support(internal);
COMMENT ON OPERATOR CLASS timestamp_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of type timestamp and date, 8 bytes';

CREATE FUNCTION hnsw_timestamptz_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_timestamptz_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_timestamptz_support(internal) IS
	'tells the hnsw access method how to keep a timestamptz beside a vector';

CREATE OPERATOR CLASS timestamptz_ops DEFAULT FOR TYPE timestamptz USING hnsw FAMILY datetime_ops AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 2 hnsw_timestamptz_support(internal);
COMMENT ON OPERATOR CLASS timestamptz_ops USING hnsw IS
	'filter column of an hnsw index: <, <=, =, >=, >, IN and IS NULL, with operands of type timestamptz, timestamp and date, 8 bytes';

ALTER OPERATOR FAMILY datetime_ops USING hnsw ADD
	OPERATOR 1 < (date, timestamp),
	OPERATOR 2 <= (date, timestamp),
	OPERATOR 3 = (date, timestamp),
	OPERATOR 4 >= (date, timestamp),
	OPERATOR 5 > (date, timestamp),
	OPERATOR 1 < (timestamp, date),
	OPERATOR 2 <= (timestamp, date),
	OPERATOR 3 = (timestamp, date),
	OPERATOR 4 >= (timestamp, date),
	OPERATOR 5 > (timestamp, date),
	OPERATOR 1 < (timestamptz, timestamp),
	OPERATOR 2 <= (timestamptz, timestamp),
	OPERATOR 3 = (timestamptz, timestamp),
	OPERATOR 4 >= (timestamptz, timestamp),
	OPERATOR 5 > (timestamptz, timestamp),
	OPERATOR 1 < (timestamptz, date),
	OPERATOR 2 <= (timestamptz, date),
	OPERATOR 3 = (timestamptz, date),
	OPERATOR 4 >= (timestamptz, date),
	OPERATOR 5 > (timestamptz, date);

CREATE FUNCTION hnsw_text_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_text_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_text_support(internal) IS
	'tells the hnsw access method how to keep a text beside a vector';

CREATE OPERATOR CLASS text_ops DEFAULT FOR TYPE text USING hnsw AS
	OPERATOR 3 =,
	FUNCTION 2 hnsw_text_support(internal);
COMMENT ON OPERATOR CLASS text_ops USING hnsw IS
	'filter column of an hnsw index: = and IN and IS NULL; kept as a hash of 4 bytes and checked again in the table';

CREATE FUNCTION hnsw_bpchar_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_bpchar_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_bpchar_support(internal) IS
	'tells the hnsw access method how to keep a character(n) beside a vector';

CREATE OPERATOR CLASS bpchar_ops DEFAULT FOR TYPE character USING hnsw AS
	OPERATOR 3 =,
	FUNCTION 2 hnsw_bpchar_support(internal);
COMMENT ON OPERATOR CLASS bpchar_ops USING hnsw IS
	'filter column of an hnsw index: = and IN and IS NULL; kept as a hash of 4 bytes and checked again in the table';

CREATE FUNCTION hnsw_uuid_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_uuid_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_uuid_support(internal) IS
	'tells the hnsw access method how to keep a uuid beside a vector';

CREATE OPERATOR CLASS uuid_ops DEFAULT FOR TYPE uuid USING hnsw AS
	OPERATOR 3 =,
	FUNCTION 2 hnsw_uuid_support(internal);
COMMENT ON OPERATOR CLASS uuid_ops USING hnsw IS
	'filter column of an hnsw index: = and IN and IS NULL; kept as a hash of 4 bytes and checked again in the table';

CREATE FUNCTION hnsw_enum_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_enum_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_enum_support(internal) IS
	'tells the hnsw access method how to keep an enum beside a vector';

CREATE OPERATOR CLASS enum_ops DEFAULT FOR TYPE anyenum USING hnsw AS
	OPERATOR 3 =,
	FUNCTION 2 hnsw_enum_support(internal);
COMMENT ON OPERATOR CLASS enum_ops USING hnsw IS
	'filter column of an hnsw index: = and IN and IS NULL, 4 bytes';

CREATE FUNCTION hnsw_array_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_array_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_array_support(internal) IS
	'tells the hnsw access method how to keep an array beside a vector';

CREATE OPERATOR CLASS array_ops DEFAULT FOR TYPE anyarray USING hnsw AS
	OPERATOR 6 &&,
	OPERATOR 7 @>,
	FUNCTION 2 hnsw_array_support(internal);
COMMENT ON OPERATOR CLASS array_ops USING hnsw IS
	'filter column of an hnsw index: &&, @> and IS NULL; kept as codes of up to 8 different elements or a bit map of more, 16 bytes, and checked again in the table';
