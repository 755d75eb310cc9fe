/*
 * distribution.c
 *		SQL functions of vectors that are probability distributions.
 *
 * Operands need not sum to 1: each is divided by its sum first.  All zeros are
 * no distribution, and every answer about them is NaN, as the cosine of a
 * zero vector is.  Everything is computed in double; the kernels see to it
 * that little is lost between distributions that are nearly equal.
 */
#include "postgres.h"

#include <math.h>

#include "nodes/nodes.h"
#include "utils/float.h"

#include "kernel/kernel.h"
#include "type/distribution.h"

/*
 * Cost of a dimension in units of cpu_operator_cost, as in vector.c: with
 * AVX-512 1.9 ns for Jensen-Shannon and 0.6 ns for Hellinger.
 */
#define OPERATORS_PER_DIM	0.2

/* Two distributions and the factors that turn their elements into shares. */
typedef struct Operands
{
	int			dim;
	VsVector   *a;
	VsVector   *b;
	double		scale_a;
	double		scale_b;
} Operands;

static bool get_distributions(FunctionCallInfo fcinfo, Operands *operands);

PG_FUNCTION_INFO_V1(vs_hellinger_distance);
Datum
vs_hellinger_distance(PG_FUNCTION_ARGS)
{
	Operands	o;
	double		square;

	if (!get_distributions(fcinfo, &o))
		PG_RETURN_FLOAT8(get_float8_nan());
	square = vs_kernels->root_l2sq(o.dim, o.a->x, o.b->x,
								   o.scale_a, o.scale_b) / 2;

	/* rounding may step past 1 */
	PG_RETURN_FLOAT8(sqrt(Min(square, 1)));
}

PG_FUNCTION_INFO_V1(vs_jensen_shannon_distance);
Datum
vs_jensen_shannon_distance(PG_FUNCTION_ARGS)
{
	Operands	o;
	double		divergence;

	if (!get_distributions(fcinfo, &o))
		PG_RETURN_FLOAT8(get_float8_nan());
	divergence = vs_kernels->jensen_shannon(o.dim, o.a->x, o.b->x,
											o.scale_a, o.scale_b);

	/* no term is negative; rounding may step past 1 */
	PG_RETURN_FLOAT8(sqrt(Min(divergence, 1)));
}

PG_FUNCTION_INFO_V1(vs_distribution_distance_support);
Datum
vs_distribution_distance_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(vs_vector_distance_cost((Node *) PG_GETARG_POINTER(0),
											  OPERATORS_PER_DIM));
}

PG_FUNCTION_INFO_V1(vs_topic_share);
Datum
vs_topic_share(PG_FUNCTION_ARGS)
{
	VsVector   *theta = PG_GETARG_VSVECTOR_P(0);
	int32		topic = PG_GETARG_INT32(1);
	double		sum;

	if (topic < 1 || topic > theta->dim)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic %d does not exist", topic),
				 errdetail("The topics of this distribution are 1 to %d.",
						   theta->dim)));
	sum = vs_distribution_sum(theta);
	if (sum == 0)
		PG_RETURN_FLOAT8(get_float8_nan());

	PG_RETURN_FLOAT8(theta->x[topic - 1] / sum);
}

/*
 * Negative elements are looked for in the same pass; the comparison is one
 * that a NaN, which no vector should have, fails too.
 */
double
vs_distribution_sum(const VsVector *v)
{
	double		sum = 0;

	for (int i = 0; i < v->dim; i++)
	{
		if (unlikely(!(v->x[i] >= 0)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a probability distribution cannot have a negative element"),
					 errdetail("Element %d is %g.", i + 1, v->x[i])));
		sum += v->x[i];
	}

	return sum;
}

/* Returns false if one of the arguments is all zeros. */
static bool
get_distributions(FunctionCallInfo fcinfo, Operands *operands)
{
	double		sum_a;
	double		sum_b;

	operands->dim = vs_vector_operands(fcinfo, &operands->a, &operands->b);
	sum_a = vs_distribution_sum(operands->a);
	sum_b = vs_distribution_sum(operands->b);
	if (sum_a == 0 || sum_b == 0)
		return false;
	operands->scale_a = 1 / sum_a;
	operands->scale_b = 1 / sum_b;

	return true;
}
