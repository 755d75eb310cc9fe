/*
 * hnsw_column.h
 *		Filter columns: what an index knows of a row besides its vector.
 *
 * A row's image has a bit for each column that is NULL, and a few bytes of
 * fixed size for each value: a number that orders as the values do, a hash, or
 * a set of codes of an array's elements.  It stands in the node's slot, in
 * cells and in the revmap, with each TID.  README, "Filter columns".
 */
#ifndef VS_HNSW_HNSW_COLUMN_H
#define VS_HNSW_HNSW_COLUMN_H

#include "access/skey.h"
#include "utils/relcache.h"

/* Support function of a filter class: returns its VsHnswColumnType. */
#define VS_HNSW_COLUMN_PROC		2

/* Strategies of operators; the first five are those of btree. */
#define VS_HNSW_OVERLAP			6
#define VS_HNSW_CONTAIN			7

/*
 * How values of a type become images.
 *
 * key turns a value, which may be of another type of the operator family, into a
 * number; if a < b, then key(a) <= key(b), or for
 * a type without order, equal values have equal numbers.  Returns false if
 * values that differ may have this number.  NULL for arrays.
 */
typedef struct VsHnswColumnType
{
	int			bytes;			/* of the image: 1, 2, 4, 8 or
								 * VS_HNSW_SET_BYTES */
	bool		exact;			/* does an image tell which value it was? */
	bool		(*key) (Datum value, Oid type, Oid collation, int64 *key);
} VsHnswColumnType;

typedef struct VsHnswColumn
{
	const VsHnswColumnType *type;
	Oid			value_type;		/* of the operator class */
	Oid			collation;
	int			at;				/* of the value in an image */
} VsHnswColumn;

typedef struct VsHnswColumns
{
	int			n;
	int			bytes;			/* of an image, a multiple of 4; 0 without
								 * columns */
	VsHnswColumn column[FLEXIBLE_ARRAY_MEMBER];
} VsHnswColumns;

/* Sets of up to so many codes are exact, larger ones are bit maps. */
#define VS_HNSW_SET_CODES		8
#define VS_HNSW_SET_BYTES		(VS_HNSW_SET_CODES * (int) sizeof(uint16))

typedef enum VsHnswTestKind
{
	VS_TEST_NULL,
	VS_TEST_NOT_NULL,
	VS_TEST_RANGE,
	VS_TEST_LIST,
	VS_TEST_OVERLAP,
	VS_TEST_CONTAIN,
} VsHnswTestKind;

typedef struct VsHnswTest
{
	VsHnswTestKind kind;
	int			column;
	int			at;				/* of the value */
	int			bytes;
	int64		low;			/* of a range, both included */
	int64		high;
	int			n;
	int64	   *list;			/* sorted numbers, or codes of a set */
} VsHnswTest;

/* What the keys of a scan ask of a row; all tests have to hold. */
typedef struct VsHnswPredicate
{
	bool		never;			/* does no row satisfy it? */
	bool		lossy;			/* may a row pass that does not satisfy it? */
	int			n;
	VsHnswTest	test[FLEXIBLE_ARRAY_MEMBER];
} VsHnswPredicate;

/*
 * The filter columns of an index, in the current memory context.  Errors if
 * its columns cannot be: the first is the vector, and the only one.
 */
extern VsHnswColumns *vs_hnsw_columns(Relation rel);

/* Write the image of a row; values and isnull are of all columns of the index. */
extern void vs_hnsw_image_make(const VsHnswColumns *columns, const Datum *values,
							   const bool *isnull, char *image);

/* The tests of a scan's keys, in the current memory context; NULL without keys. */
extern VsHnswPredicate *vs_hnsw_predicate_make(const VsHnswColumns *columns,
											   const ScanKeyData *keys, int nkeys);

extern bool vs_hnsw_predicate_holds(const VsHnswPredicate *predicate,
									const char *image);

/* The same of n images, which are stride bytes apart. */
extern void vs_hnsw_predicate_hold(const VsHnswPredicate *predicate,
								   const char *images, Size stride, int n,
								   bool *holds);

#endif							/* VS_HNSW_HNSW_COLUMN_H */
