/*
 * vecio.c
 *		What the vector types share: limits, checks, text and array forms.
 *
 * The messages and their SQLSTATEs are those of pgvector, because client
 * libraries compare them.
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "type/vecio.h"

static void fail_syntax(const char *type, const char *literal,
						const char *detail);
static void read_numerics(ArrayType *array, float *x);

void
vs_vecio_check_dim(const char *type, int dim, int max_dim)
{
	if (dim < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s must have at least 1 dimension", type)));
	if (dim > max_dim)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s cannot have more than %d dimensions",
						type, max_dim)));
}

void
vs_vecio_check_typmod(int32 typmod, int dim)
{
	if (typmod != -1 && typmod != dim)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dim)));
}

void
vs_vecio_check_same_dim(const char *type, int a, int b)
{
	if (a != b)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different %s dimensions %d and %d", type, a, b)));
}

void
vs_vecio_check_element(const char *type, float value)
{
	if (isnan(value))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in %s", type)));
	if (isinf(value))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in %s", type)));
}

int32
vs_vecio_typmod_in(const char *type, ArrayType *modifiers, int max_dim)
{
	int			count;
	int32	   *values = ArrayGetIntegerTypmods(modifiers, &count);

	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier")));
	if (values[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s must be at least 1", type)));
	if (values[0] > max_dim)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d",
						type, max_dim)));

	return values[0];
}

const char *
vs_vecio_skip_space(const char *cursor)
{
	while (*cursor == ' ' || (*cursor >= '\t' && *cursor <= '\r'))
		cursor++;
	return cursor;
}

/*
 * strtof and not strtod, which would round twice.  The decimal point is a
 * dot: the server runs with LC_NUMERIC set to C.
 */
float
vs_vecio_parse_float(const char *type, const char *literal, float limit,
					 const char **cursor)
{
	const char *start = *cursor;
	char	   *end;
	float		value;

	errno = 0;
	value = strtof(start, &end);
	if (end == start)
		fail_syntax(type, literal, NULL);

	/* only an overflow sets errno here, not a written infinity */
	if (isinf(value) ? errno == ERANGE : fabsf(value) > limit)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for type %s",
						pnstrdup(start, end - start), type)));
	vs_vecio_check_element(type, value);

	*cursor = end;
	return value;
}

int
vs_vecio_parse(const char *type, const char *literal, int max_dim,
			   float limit, float *x)
{
	const char *cursor = vs_vecio_skip_space(literal);
	int			dim = 0;

	if (*cursor != '[')
		fail_syntax(type, literal, "Vector contents must start with \"[\".");
	cursor = vs_vecio_skip_space(cursor + 1);
	if (*cursor == ']')
		vs_vecio_check_dim(type, 0, max_dim);

	for (;;)
	{
		vs_vecio_check_dim(type, dim + 1, max_dim);
		cursor = vs_vecio_skip_space(cursor);
		x[dim++] = vs_vecio_parse_float(type, literal, limit, &cursor);
		cursor = vs_vecio_skip_space(cursor);
		if (*cursor == ']')
			break;
		if (*cursor != ',')
			fail_syntax(type, literal, NULL);
		cursor++;
	}

	cursor = vs_vecio_skip_space(cursor + 1);
	if (*cursor != '\0')
		fail_syntax(type, literal, "Junk after closing right brace.");

	return dim;
}

char *
vs_vecio_print(int n, const float *x)
{
	/* a number and its comma; brackets and the final zero */
	char	   *text = palloc((Size) FLOAT_SHORTEST_DECIMAL_LEN * n + 3);
	char	   *end = text;

	*end++ = '[';
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			*end++ = ',';
		end += float_to_shortest_decimal_bufn(x[i], end);
	}
	*end++ = ']';
	*end = '\0';

	return text;
}

int
vs_vecio_recv_header(const char *type, StringInfo buf, int32 typmod,
					 int max_dim)
{
	/* both are signed on the wire */
	int16		dim = (int16) pq_getmsgint(buf, sizeof(int16));
	int16		unused = (int16) pq_getmsgint(buf, sizeof(int16));

	vs_vecio_check_dim(type, dim, max_dim);
	vs_vecio_check_typmod(typmod, dim);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused)));

	return dim;
}

void
vs_vecio_send_header(StringInfo buf, int dim)
{
	pq_sendint16(buf, dim);
	pq_sendint16(buf, 0);
}

int
vs_vecio_array_dim(const char *type, ArrayType *array, int32 typmod,
				   int max_dim)
{
	int			dim;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D")));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));

	dim = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	vs_vecio_check_dim(type, dim, max_dim);
	vs_vecio_check_typmod(typmod, dim);

	return dim;
}

void
vs_vecio_array_floats(const char *type, ArrayType *array, float *x)
{
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	void	   *data = ARR_DATA_PTR(array);

	/* without nulls, elements of fixed width lie side by side */
	switch (ARR_ELEMTYPE(array))
	{
		case FLOAT4OID:
			memcpy(x, data, sizeof(float) * n);
			break;
		case FLOAT8OID:
			for (int i = 0; i < n; i++)
				x[i] = (float) ((float8 *) data)[i];
			break;
		case INT4OID:
			for (int i = 0; i < n; i++)
				x[i] = (float) ((int32 *) data)[i];
			break;
		case NUMERICOID:
			read_numerics(array, x);
			break;
		default:
			elog(ERROR, "unsupported array type %u", ARR_ELEMTYPE(array));
	}

	for (int i = 0; i < n; i++)
		vs_vecio_check_element(type, x[i]);
}

static void
read_numerics(ArrayType *array, float *x)
{
	Datum	   *elements;
	int			n;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &n);
	for (int i = 0; i < n; i++)
		x[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4,
												  elements[i]));
	pfree(elements);
}

static void
fail_syntax(const char *type, const char *literal, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", type, literal),
			 detail ? errdetail("%s", detail) : 0));
}
