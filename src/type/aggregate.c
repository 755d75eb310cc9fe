/*
 * aggregate.c
 *		Transition and final functions of avg over vectors.
 *
 * The state is float8[] {count, sum of x[0], sum of x[1], ...}, and {0}
 * before the first vector.  It is an array, not internal, so that it can be
 * handed between parallel workers and kept by clients of the functions.
 * (sum needs nothing here: its state is a vector and its step is addition.)
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"

#include "type/vecio.h"
#include "type/vector.h"

static float8 *state_values(ArrayType *state, int *dim);
static ArrayType *new_state(int dim);

PG_FUNCTION_INFO_V1(vs_vector_accum);
Datum
vs_vector_accum(PG_FUNCTION_ARGS)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	VsVector   *v = PG_GETARG_VSVECTOR_P(1);
	int			dim;
	float8	   *old = state_values(state, &dim);
	ArrayType  *result = state;
	float8	   *sums;

	if (dim > 0)
		vs_vecio_check_typmod(dim, v->dim);

	/* only the state of a running aggregate may be changed in place */
	if (dim == 0 || !AggCheckCallContext(fcinfo, NULL))
		result = new_state(v->dim);

	sums = (float8 *) ARR_DATA_PTR(result);
	sums[0] = old[0] + 1;
	for (int i = 1; i <= v->dim; i++)
	{
		sums[i] = (dim > 0 ? old[i] : 0) + v->x[i - 1];
		if (unlikely(isinf(sums[i])))
			float_overflow_error();
	}

	PG_RETURN_ARRAYTYPE_P(result);
}

PG_FUNCTION_INFO_V1(vs_vector_combine);
Datum
vs_vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *a = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *b = PG_GETARG_ARRAYTYPE_P(1);
	int			a_dim;
	int			b_dim;
	float8	   *a_values = state_values(a, &a_dim);
	float8	   *b_values = state_values(b, &b_dim);
	ArrayType  *result;
	float8	   *sums;

	if (a_dim == 0)
		PG_RETURN_ARRAYTYPE_P(b);
	if (b_dim == 0)
		PG_RETURN_ARRAYTYPE_P(a);
	vs_vecio_check_typmod(a_dim, b_dim);

	result = new_state(a_dim);
	sums = (float8 *) ARR_DATA_PTR(result);
	for (int i = 0; i <= a_dim; i++)
	{
		sums[i] = a_values[i] + b_values[i];
		if (unlikely(isinf(sums[i])))
			float_overflow_error();
	}

	PG_RETURN_ARRAYTYPE_P(result);
}

PG_FUNCTION_INFO_V1(vs_vector_avg);
Datum
vs_vector_avg(PG_FUNCTION_ARGS)
{
	ArrayType  *state = PG_GETARG_ARRAYTYPE_P(0);
	int			dim;
	float8	   *values = state_values(state, &dim);
	VsVector   *result;

	if (values[0] == 0)
		PG_RETURN_NULL();

	vs_vecio_check_dim("vector", dim, VS_VECTOR_MAX_DIM);
	result = vs_vector_new(dim);
	for (int i = 0; i < dim; i++)
	{
		result->x[i] = (float) (values[i + 1] / values[0]);
		vs_vecio_check_element("vector", result->x[i]);
	}

	PG_RETURN_VSVECTOR_P(result);
}

/* The values of a state, dim + 1 of them.  Anyone may pass any array. */
static float8 *
state_values(ArrayType *state, int *dim)
{
	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] < 1 ||
		ARR_HASNULL(state) || ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected a transition state array")));

	*dim = ARR_DIMS(state)[0] - 1;

	return (float8 *) ARR_DATA_PTR(state);
}

/* A state of dim sums, all values zero. */
static ArrayType *
new_state(int dim)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (dim + 1);
	ArrayType  *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = dim + 1;
	ARR_LBOUND(state)[0] = 1;

	return state;
}
