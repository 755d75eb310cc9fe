/*
 * vector.h
 *		The type vector: a row of float32 numbers.
 *
 * The layout is that of pgvector, and other extensions read these bytes, so
 * it never changes.
 */
#ifndef VS_TYPE_VECTOR_H
#define VS_TYPE_VECTOR_H

#include "fmgr.h"

#include "compat.h"

#define VS_VECTOR_MAX_DIM	16000

/*
 * Every element is finite, and 1 <= dim <= VS_VECTOR_MAX_DIM; each function
 * that makes a vector checks this, so that no function that reads one must.
 */
typedef struct VsVector
{
	int32		vl_len_;		/* varlena header, see SET_VARSIZE */
	int16		dim;			/* number of elements */
	int16		unused;			/* always 0 */
	float		x[FLEXIBLE_ARRAY_MEMBER];
} VsVector;

StaticAssertDecl(offsetof(VsVector, x) == 8, "vector header is 8 bytes");

#define VS_VECTOR_SIZE(dim) \
	(offsetof(VsVector, x) + sizeof(float) * (Size) (dim))

/* Detoasts: the result may be a copy in the current memory context. */
static inline VsVector *
DatumGetVsVector(Datum datum)
{
	return (VsVector *) PG_DETOAST_DATUM(datum);
}

#define PG_GETARG_VSVECTOR_P(n)		DatumGetVsVector(PG_GETARG_DATUM(n))
#define PG_RETURN_VSVECTOR_P(v)		PG_RETURN_POINTER(v)

/* vector.c */

/* A vector of dim zeros; dim must be in range. */
extern VsVector *vs_vector_new(int dim);

/* The two arguments of a call, which must agree in dimensions; returns them. */
extern int	vs_vector_operands(FunctionCallInfo fcinfo, VsVector **a,
							   VsVector **b);

/* Planner support of a distance that costs so much a dimension. */
extern struct Node *vs_vector_distance_cost(struct Node *request,
											double operators_per_dim);

#endif							/* VS_TYPE_VECTOR_H */
