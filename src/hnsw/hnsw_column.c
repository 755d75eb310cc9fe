/*
 * hnsw_column.c
 *		Images of filter columns, and the tests of a scan's keys on them.
 *
 * Every value with an order becomes an integer with the same order, so that all
 * comparisons are of integers, and no function of the type runs in a search.
 */
#include "postgres.h"

#include <math.h>

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "compat.h"
#include "hnsw/hnsw.h"

/* ------------------------------------------------------------------------
 * Types
 * ------------------------------------------------------------------------ */

static bool
integer_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = type == INT2OID ? DatumGetInt16(value) :
		type == INT4OID ? DatumGetInt32(value) : DatumGetInt64(value);
	return true;
}

/* As the server orders them: both zeros are equal, NaN comes last. */
static int64
key_of_double(double d)
{
	int64		bits;

	if (isnan(d))
		return PG_INT64_MAX;
	d = d == 0 ? 0 : d;
	memcpy(&bits, &d, sizeof(bits));
	return bits ^ ((bits >> 63) & PG_INT64_MAX);
}

static bool
float8_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = key_of_double(type == FLOAT4OID ? DatumGetFloat4(value) :
						 DatumGetFloat8(value));
	return true;
}

/* A float8 is rounded, which keeps the order. */
static bool
float4_key(Datum value, Oid type, Oid collation, int64 *key)
{
	double		d = type == FLOAT8OID ? DatumGetFloat8(value) : DatumGetFloat4(value);
	float		f = (float) d;
	int32		bits;

	if (isnan(f))
		*key = PG_INT32_MAX;
	else
	{
		f = f == 0 ? 0 : f;
		memcpy(&bits, &f, sizeof(bits));
		*key = bits ^ ((bits >> 31) & PG_INT32_MAX);
	}
	return isnan(d) || f == d;
}

static bool
numeric_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = key_of_double(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															value)));
	return false;
}

static bool
bool_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = DatumGetBool(value);
	return true;
}

/* A timestamp counts as its day. */
static bool
date_key(Datum value, Oid type, Oid collation, int64 *key)
{
	Timestamp	at = DatumGetTimestamp(value);

	if (type != TIMESTAMPOID)
	{
		*key = DatumGetDateADT(value);
		return true;
	}
	if (TIMESTAMP_NOT_FINITE(at))
	{
		*key = TIMESTAMP_IS_NOBEGIN(at) ? DATEVAL_NOBEGIN : DATEVAL_NOEND;
		return true;
	}
	*key = at / USECS_PER_DAY - (at % USECS_PER_DAY < 0);
	return at % USECS_PER_DAY == 0;
}

static bool
timestamp_key(Datum value, Oid type, Oid collation, int64 *key)
{
	int			overflow = 0;

	*key = type == DATEOID ?
		date2timestamp_opt_overflow(DatumGetDateADT(value), &overflow) :
		DatumGetTimestamp(value);
	return overflow == 0;
}

static bool
timestamptz_key(Datum value, Oid type, Oid collation, int64 *key)
{
	int			overflow = 0;

	if (type == DATEOID)
		*key = date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow);
	else if (type == TIMESTAMPOID)
		*key = timestamp2timestamptz_opt_overflow(DatumGetTimestamp(value), &overflow);
	else
		*key = DatumGetTimestampTz(value);
	return overflow == 0;
}

static bool
text_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = DatumGetInt32(DirectFunctionCall1Coll(hashtext, collation, value));
	return false;
}

static bool
bpchar_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = DatumGetInt32(DirectFunctionCall1Coll(hashbpchar, collation, value));
	return false;
}

static bool
uuid_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = DatumGetInt32(DirectFunctionCall1(uuid_hash, value));
	return false;
}

static bool
enum_key(Datum value, Oid type, Oid collation, int64 *key)
{
	*key = (int32) DatumGetObjectId(value);
	return true;
}

/* Define the support function of a type's operator class. */
#define COLUMN_TYPE(name, bytes, exact, key) \
PG_FUNCTION_INFO_V1(vs_hnsw_##name##_support); \
Datum \
vs_hnsw_##name##_support(PG_FUNCTION_ARGS) \
{ \
	static const VsHnswColumnType type = {bytes, exact, key}; \
\
	PG_RETURN_POINTER(&type); \
} \
StaticAssertDecl((bytes) <= VS_HNSW_SET_BYTES, "bytes of an image")

COLUMN_TYPE(bool, 1, true, bool_key);
COLUMN_TYPE(int2, 2, true, integer_key);
COLUMN_TYPE(int4, 4, true, integer_key);
COLUMN_TYPE(int8, 8, true, integer_key);
COLUMN_TYPE(float4, 4, true, float4_key);
COLUMN_TYPE(float8, 8, true, float8_key);
COLUMN_TYPE(numeric, 8, false, numeric_key);
COLUMN_TYPE(date, 4, true, date_key);
COLUMN_TYPE(timestamp, 8, true, timestamp_key);
COLUMN_TYPE(timestamptz, 8, true, timestamptz_key);
COLUMN_TYPE(text, 4, false, text_key);
COLUMN_TYPE(bpchar, 4, false, bpchar_key);
COLUMN_TYPE(uuid, 4, false, uuid_key);
COLUMN_TYPE(enum, 4, true, enum_key);
COLUMN_TYPE(array, VS_HNSW_SET_BYTES, false, NULL);

/* ------------------------------------------------------------------------
 * Sets
 * ------------------------------------------------------------------------ */

/*
 * An element's code is 1 to MAX_PLAIN_CODE for a small integer, the integer
 * itself, and above for all else, a hash.  The first code of an image is
 * SET_IS_MAP if the others are a bit map, for sets that have more codes.
 */
#define MAX_PLAIN_CODE	0x7FFF
#define HASHED_CODES	0x7FFF	/* from MAX_PLAIN_CODE + 1 on */
#define SET_IS_MAP		0xFFFF
#define MAP_BITS		((VS_HNSW_SET_CODES - 1) * 16)

static int
compare_int64(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

/* Sort numbers and drop those that are there twice; returns how many are left. */
static int
sort_unique(int64 *numbers, int n)
{
	int			kept = 0;

	qsort(numbers, n, sizeof(int64), compare_int64);
	for (int i = 0; i < n; i++)
		if (kept == 0 || numbers[kept - 1] != numbers[i])
			numbers[kept++] = numbers[i];
	return kept;
}

static int64
code_of_element(Datum element, TypeCacheEntry * type, Oid collation)
{
	Oid			id = type->type_id;
	int64		number = 0;
	uint32		hash;

	if (id == INT2OID || id == INT4OID || id == INT8OID)
		(void) integer_key(element, id, collation, &number);
	if (number >= 1 && number <= MAX_PLAIN_CODE)
		return number;
	hash = DatumGetUInt32(FunctionCall1Coll(&type->hash_proc_finfo, collation, element));
	return MAX_PLAIN_CODE + 1 + hash % HASHED_CODES;
}

/*
 * The codes of an array's elements, sorted, each once, and how many.  *has_null
 * tells whether any element is NULL.
 */
static int64 *
codes_of_array(Datum value, Oid collation, int *n, bool *has_null)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	TypeCacheEntry *type = lookup_type_cache(ARR_ELEMTYPE(array),
											 TYPECACHE_HASH_PROC_FINFO);
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int64	   *codes;

	if (!OidIsValid(type->hash_proc_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify a hash function for type %s",
						format_type_be(type->type_id))));
	deconstruct_array(array, type->type_id, type->typlen, type->typbyval,
					  type->typalign, &elements, &nulls, &count);
	codes = palloc(sizeof(int64) * Max(count, 1));
	*n = 0;
	*has_null = false;
	for (int i = 0; i < count; i++)
		if (nulls[i])
			*has_null = true;
		else
			codes[(*n)++] = code_of_element(elements[i], type, collation);
	*n = sort_unique(codes, *n);
	return codes;
}

static void
make_set(Datum value, Oid collation, char *image)
{
	uint16		set[VS_HNSW_SET_CODES] = {0};
	bool		has_null;
	int			n;
	int64	   *codes = codes_of_array(value, collation, &n, &has_null);

	if (n > VS_HNSW_SET_CODES)
		set[0] = SET_IS_MAP;
	for (int i = 0; i < n; i++)
	{
		int			bit = (int) (codes[i] % MAP_BITS);

		if (n > VS_HNSW_SET_CODES)
			set[1 + bit / 16] |= 1 << (bit % 16);
		else
			set[i] = (uint16) codes[i];
	}
	memcpy(image, set, sizeof(set));
}

static bool
set_may_have(const uint16 *set, int64 code)
{
	int			bit = (int) (code % MAP_BITS);

	if (set[0] == SET_IS_MAP)
		return (set[1 + bit / 16] >> (bit % 16) & 1) != 0;
	for (int i = 0; i < VS_HNSW_SET_CODES; i++)
		if (set[i] == code)
			return true;
	return false;
}

/* ------------------------------------------------------------------------
 * Images
 * ------------------------------------------------------------------------ */

static void
check_columns(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		bool		is_vector = OidIsValid(index_getprocid(rel, i + 1,
														   VS_HNSW_METRIC_PROC));

		if (is_vector == (i == 0))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 i == 0 ? errmsg("first column of hnsw index must be a vector") :
				 errmsg("hnsw index cannot have more than one vector"),
				 i == 0 ? errhint("Put the columns to filter by behind it.") :
				 errhint("Create an index for each.")));
	}
}

VsHnswColumns *
vs_hnsw_columns(Relation rel)
{
	int			n = RelationGetDescr(rel)->natts - 1;
	VsHnswColumns *columns = palloc(offsetof(VsHnswColumns, column) +
									sizeof(VsHnswColumn) * n);
	int			at = (n + 7) / 8;

	check_columns(rel);
	for (int i = 0; i < n; i++)
	{
		FmgrInfo   *support = index_getprocinfo(rel, i + 2, VS_HNSW_COLUMN_PROC);
		VsHnswColumn *column = &columns->column[i];

		column->type = (const VsHnswColumnType *)
			DatumGetPointer(FunctionCall1(support, PointerGetDatum(NULL)));
		column->value_type = rel->rd_opcintype[i + 1];
		column->collation = rel->rd_indcollation[i + 1];
		column->at = at;
		at += column->type->bytes;
	}
	columns->n = n;
	columns->bytes = INTALIGN(at);
	return columns;
}

static void
store_key(char *at, int bytes, int64 key)
{
	int8		byte = (int8) key;
	int16		two = (int16) key;
	int32		four = (int32) key;

	switch (bytes)
	{
		case 1:
			memcpy(at, &byte, 1);
			break;
		case 2:
			memcpy(at, &two, 2);
			break;
		case 4:
			memcpy(at, &four, 4);
			break;
		default:
			memcpy(at, &key, 8);
	}
}

static inline int64
load_key(const char *at, int bytes)
{
	int16		two;
	int32		four;
	int64		eight;

	switch (bytes)
	{
		case 1:
			return *(const int8 *) at;
		case 2:
			memcpy(&two, at, 2);
			return two;
		case 4:
			memcpy(&four, at, 4);
			return four;
		default:
			memcpy(&eight, at, 8);
			return eight;
	}
}

void
vs_hnsw_image_make(const VsHnswColumns *columns, const Datum *values,
				   const bool *isnull, char *image)
{
	memset(image, 0, columns->bytes);
	for (int i = 0; i < columns->n; i++)
	{
		const VsHnswColumn *column = &columns->column[i];
		int64		key;

		if (isnull[i + 1])
			image[i / 8] |= 1 << (i % 8);
		else if (column->type->key == NULL)
			make_set(values[i + 1], column->collation, image + column->at);
		else
		{
			(void) column->type->key(values[i + 1], column->value_type,
									 column->collation, &key);
			store_key(image + column->at, column->type->bytes, key);
		}
	}
}

/* ------------------------------------------------------------------------
 * Tests
 * ------------------------------------------------------------------------ */

/* Limit a range by an operator and a number that stands for its operand. */
static void
limit_range(VsHnswTest *test, StrategyNumber strategy, int64 key, bool exact)
{
	switch (strategy)
	{
		case BTLessStrategyNumber:
			if (exact && key == PG_INT64_MIN)
				test->low = PG_INT64_MAX;
			test->high = Min(test->high, exact && key > PG_INT64_MIN ? key - 1 : key);
			break;
		case BTLessEqualStrategyNumber:
			test->high = Min(test->high, key);
			break;
		case BTEqualStrategyNumber:
			test->low = Max(test->low, key);
			test->high = Min(test->high, key);
			break;
		case BTGreaterEqualStrategyNumber:
			test->low = Max(test->low, key);
			break;
		case BTGreaterStrategyNumber:
			if (exact && key == PG_INT64_MAX)
				test->high = PG_INT64_MIN;
			test->low = Max(test->low, exact && key < PG_INT64_MAX ? key + 1 : key);
			break;
		default:
			elog(ERROR, "unrecognized strategy number: %d", strategy);
	}
}

/*
 * The numbers of an array of operands, sorted, but for its NULLs.  *exact tells
 * whether all are exact.
 */
static int64 *
keys_of_array(const VsHnswColumn *column, Datum value, int *n, bool *exact)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			type = getBaseType(ARR_ELEMTYPE(array));
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int64	   *keys;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, &elements, &nulls, &count);
	keys = palloc(sizeof(int64) * Max(count, 1));
	*n = 0;
	*exact = true;
	for (int i = 0; i < count; i++)
		if (!nulls[i] &&
			!column->type->key(elements[i], type, column->collation, &keys[(*n)++]))
			*exact = false;
	*n = sort_unique(keys, *n);
	return keys;
}

/* column <operator> ANY (array): the widest operand counts, or each if equal. */
static void
test_any(VsHnswPredicate *predicate, VsHnswTest *test, const VsHnswColumn *column,
		 const ScanKeyData *key)
{
	bool		exact;
	bool		less = key->sk_strategy < BTEqualStrategyNumber;

	test->list = keys_of_array(column, key->sk_argument, &test->n, &exact);
	exact = exact && column->type->exact;
	predicate->lossy |= !exact;
	if (test->n == 0)
		predicate->never = true;
	else if (key->sk_strategy == BTEqualStrategyNumber)
		test->kind = VS_TEST_LIST;
	else
		limit_range(test, key->sk_strategy, test->list[less ? test->n - 1 : 0], exact);
}

static void
test_one(VsHnswPredicate *predicate, VsHnswTest *test, const VsHnswColumn *column,
		 const ScanKeyData *key)
{
	int64		number;
	bool		exact = column->type->key(key->sk_argument, key->sk_subtype,
										  column->collation, &number) &&
	column->type->exact;

	predicate->lossy |= !exact;
	limit_range(test, key->sk_strategy, number, exact);
}

static void
test_set(VsHnswPredicate *predicate, VsHnswTest *test, const VsHnswColumn *column,
		 const ScanKeyData *key)
{
	bool		has_null;

	test->kind = key->sk_strategy == VS_HNSW_OVERLAP ? VS_TEST_OVERLAP :
		VS_TEST_CONTAIN;
	test->list = codes_of_array(key->sk_argument, column->collation, &test->n,
								&has_null);
	predicate->lossy = true;
	if (test->kind == VS_TEST_OVERLAP ? test->n == 0 : has_null)
		predicate->never = true;
}

static void
add_test(VsHnswPredicate *predicate, const VsHnswColumns *columns,
		 const ScanKeyData *key)
{
	const VsHnswColumn *column = &columns->column[key->sk_attno - 2];
	VsHnswTest *test = &predicate->test[predicate->n++];

	memset(test, 0, sizeof(*test));
	test->column = key->sk_attno - 2;
	test->at = column->at;
	test->bytes = column->type->bytes;
	test->kind = VS_TEST_RANGE;
	test->low = PG_INT64_MIN;
	test->high = PG_INT64_MAX;
	if (key->sk_flags & SK_SEARCHNULL)
		test->kind = VS_TEST_NULL;
	else if (key->sk_flags & SK_SEARCHNOTNULL)
		test->kind = VS_TEST_NOT_NULL;
	else if (key->sk_flags & SK_ISNULL)
		predicate->never = true;
	else if (column->type->key == NULL && (key->sk_flags & SK_SEARCHARRAY))
	{
		test->kind = VS_TEST_NOT_NULL;	/* arrays of arrays are left to the
										 * executor */
		predicate->lossy = true;
	}
	else if (column->type->key == NULL)
		test_set(predicate, test, column, key);
	else if (key->sk_flags & SK_SEARCHARRAY)
		test_any(predicate, test, column, key);
	else
		test_one(predicate, test, column, key);
}

VsHnswPredicate *
vs_hnsw_predicate_make(const VsHnswColumns *columns, const ScanKeyData *keys,
					   int nkeys)
{
	VsHnswPredicate *predicate;

	if (nkeys == 0)
		return NULL;
	predicate = palloc(offsetof(VsHnswPredicate, test) + sizeof(VsHnswTest) * nkeys);
	predicate->never = predicate->lossy = false;
	predicate->n = 0;
	for (int i = 0; i < nkeys; i++)
		if (keys[i].sk_attno > 1)
			add_test(predicate, columns, &keys[i]);
		else if (keys[i].sk_flags & SK_SEARCHNULL)
			predicate->never = true;	/* no index has a row without a vector */
		else if (!(keys[i].sk_flags & SK_SEARCHNOTNULL))
			elog(ERROR, "cannot search hnsw index for a vector");
	return predicate;
}

static bool
list_has(const VsHnswTest *test, int64 key)
{
	int			low = 0;
	int			high = test->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (test->list[middle] == key)
			return true;
		if (test->list[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool
set_passes(const VsHnswTest *test, const char *at)
{
	uint16		set[VS_HNSW_SET_CODES];
	bool		all = test->kind == VS_TEST_CONTAIN;

	memcpy(set, at, sizeof(set));
	for (int i = 0; i < test->n; i++)
		if (set_may_have(set, test->list[i]) != all)
			return !all;
	return all;
}

static inline bool
test_holds(const VsHnswTest *test, const char *image)
{
	bool		is_null = (image[test->column / 8] >> (test->column % 8) & 1) != 0;
	const char *at = image + test->at;
	int64		key;

	if (is_null || test->kind == VS_TEST_NULL)
		return is_null && test->kind == VS_TEST_NULL;
	switch (test->kind)
	{
		case VS_TEST_RANGE:
			key = load_key(at, test->bytes);
			return key >= test->low && key <= test->high;
		case VS_TEST_LIST:
			return list_has(test, load_key(at, test->bytes));
		case VS_TEST_OVERLAP:
		case VS_TEST_CONTAIN:
			return set_passes(test, at);
		default:
			return true;
	}
}

bool
vs_hnsw_predicate_holds(const VsHnswPredicate *predicate, const char *image)
{
	for (int i = 0; i < predicate->n; i++)
		if (!test_holds(&predicate->test[i], image))
			return false;
	return !predicate->never;
}

/* Inlined with a constant number of bytes. */
static inline void
hold_in_range(const VsHnswTest *test, int bytes, const char *images, Size stride,
			  int n, bool *holds)
{
	int			byte = test->column / 8;
	int			bit = test->column % 8;

	for (int i = 0; i < n; i++)
	{
		const char *image = images + i * stride;
		int64		key = load_key(image + test->at, bytes);

		holds[i] &= (key >= test->low) & (key <= test->high) &
			~(image[byte] >> bit) & 1;
	}
}

void
vs_hnsw_predicate_hold(const VsHnswPredicate *predicate, const char *images,
					   Size stride, int n, bool *holds)
{
	memset(holds, !predicate->never, n);
	for (int t = 0; t < predicate->n; t++)
	{
		const VsHnswTest *test = &predicate->test[t];
		int			bytes = test->kind == VS_TEST_RANGE ? test->bytes : 0;

		if (bytes == 1)
			hold_in_range(test, 1, images, stride, n, holds);
		else if (bytes == 2)
			hold_in_range(test, 2, images, stride, n, holds);
		else if (bytes == 4)
			hold_in_range(test, 4, images, stride, n, holds);
		else if (bytes == 8)
			hold_in_range(test, 8, images, stride, n, holds);
		else
			for (int i = 0; i < n; i++)
				holds[i] = holds[i] && test_holds(test, images + i * stride);
	}
}
