/*
 * vector.c
 *		SQL functions of the type vector.
 *
 * Limits, checks and the text form are in vecio.c, loops over two arrays in
 * the kernels, aggregates in aggregate.c.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/heaptoast.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/varbit.h"

#include "kernel/kernel.h"
#include "type/vecio.h"
#include "type/vector.h"

static const char type_name[] = "vector";

/*
 * Costs in units of cpu_operator_cost, about 6 ns: one dimension of a
 * distance, and the fetch of a value from TOAST, which is an index scan and
 * then some work for each chunk.  Measured on PostgreSQL 15 with AVX-512 and
 * tables in memory: 0.05 ns a dimension, 2.3 us a value, 0.45 us a chunk.
 */
#define OPERATORS_PER_DIM		0.01
#define OPERATORS_PER_DETOAST	400
#define OPERATORS_PER_CHUNK		75

static VsVector *check_no_overflow(VsVector *v);
static int	compare(const VsVector *a, const VsVector *b);
static int	compare_args(FunctionCallInfo fcinfo);
static double norm(const VsVector *v);
static List *call_args(Node *call);
static int	known_dim(Node *arg);
static bool is_out_of_line(PlannerInfo *root, Node *arg, Size size);

/* Input, output and casts */

PG_FUNCTION_INFO_V1(vs_vector_in);
Datum
vs_vector_in(PG_FUNCTION_ARGS)
{
	const char *literal = PG_GETARG_CSTRING(0);
	int32		typmod = PG_GETARG_INT32(2);
	float		x[VS_VECTOR_MAX_DIM];
	int			dim;
	VsVector   *result;

	dim = vs_vecio_parse(type_name, literal, VS_VECTOR_MAX_DIM, FLT_MAX, x);
	vs_vecio_check_typmod(typmod, dim);
	result = vs_vector_new(dim);
	memcpy(result->x, x, sizeof(float) * dim);

	PG_RETURN_VSVECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vs_vector_out);
Datum
vs_vector_out(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);

	PG_RETURN_CSTRING(vs_vecio_print(v->dim, v->x));
}

PG_FUNCTION_INFO_V1(vs_vector_typmod_in);
Datum
vs_vector_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType  *modifiers = PG_GETARG_ARRAYTYPE_P(0);

	PG_RETURN_INT32(vs_vecio_typmod_in(type_name, modifiers,
									   VS_VECTOR_MAX_DIM));
}

PG_FUNCTION_INFO_V1(vs_vector_recv);
Datum
vs_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			dim = vs_vecio_recv_header(type_name, buf, typmod,
										   VS_VECTOR_MAX_DIM);
	VsVector   *result = vs_vector_new(dim);

	/* the caller refuses bytes left over */
	for (int i = 0; i < dim; i++)
	{
		result->x[i] = pq_getmsgfloat4(buf);
		vs_vecio_check_element(type_name, result->x[i]);
	}

	PG_RETURN_VSVECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vs_vector_send);
Datum
vs_vector_send(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	vs_vecio_send_header(&buf, v->dim);
	for (int i = 0; i < v->dim; i++)
		pq_sendfloat4(&buf, v->x[i]);

	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* The cast of a type to itself, which applies the type modifier. */
PG_FUNCTION_INFO_V1(vs_vector);
Datum
vs_vector(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);

	vs_vecio_check_typmod(PG_GETARG_INT32(1), v->dim);

	PG_RETURN_VSVECTOR_P(v);
}

PG_FUNCTION_INFO_V1(vs_array_to_vector);
Datum
vs_array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			dim = vs_vecio_array_dim(type_name, array, PG_GETARG_INT32(1),
										 VS_VECTOR_MAX_DIM);
	VsVector   *result = vs_vector_new(dim);

	vs_vecio_array_floats(type_name, array, result->x);

	PG_RETURN_VSVECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vs_vector_to_float4);
Datum
vs_vector_to_float4(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);
	Datum	   *elements = palloc(sizeof(Datum) * v->dim);

	for (int i = 0; i < v->dim; i++)
		elements[i] = Float4GetDatum(v->x[i]);

	PG_RETURN_ARRAYTYPE_P(construct_array(elements, v->dim, FLOAT4OID,
										  sizeof(float4), true,
										  TYPALIGN_INT));
}

/* Distances */

PG_FUNCTION_INFO_V1(vs_l2_distance);
Datum
vs_l2_distance(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);

	PG_RETURN_FLOAT8(sqrt((double) vs_kernels->l2sq(dim, a->x, b->x)));
}

/* Orders like l2_distance, without the square root. */
PG_FUNCTION_INFO_V1(vs_vector_l2_squared_distance);
Datum
vs_vector_l2_squared_distance(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);

	PG_RETURN_FLOAT8((double) vs_kernels->l2sq(dim, a->x, b->x));
}

PG_FUNCTION_INFO_V1(vs_inner_product);
Datum
vs_inner_product(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);

	PG_RETURN_FLOAT8((double) vs_kernels->dot(dim, a->x, b->x));
}

PG_FUNCTION_INFO_V1(vs_vector_negative_inner_product);
Datum
vs_vector_negative_inner_product(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);

	PG_RETURN_FLOAT8(-(double) vs_kernels->dot(dim, a->x, b->x));
}

/* The sums of the cosine in double, for vectors that float32 is too small for. */
static void
wide_cosine_sums(int dim, const float *a, const float *b, double *sums)
{
	sums[0] = sums[1] = sums[2] = 0;
	for (int i = 0; i < dim; i++)
	{
		sums[0] += (double) a[i] * b[i];
		sums[1] += (double) a[i] * a[i];
		sums[2] += (double) b[i] * b[i];
	}
}

/* Squares outside this range, or their sum, may have lost digits in float32. */
#define LEAST_SURE_SQUARE	1e-30
#define MOST_SURE_SQUARE	1e30

static inline bool
square_is_sure(float square)
{
	return square > LEAST_SURE_SQUARE && square < MOST_SURE_SQUARE;
}

PG_FUNCTION_INFO_V1(vs_cosine_distance);
Datum
vs_cosine_distance(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);
	float		sums[3];
	double		similarity;

	vs_kernels->cosine(dim, a->x, b->x, sums);
	similarity = sums[0] / sqrt((double) sums[1] * (double) sums[2]);
	if (unlikely(!square_is_sure(sums[1]) || !square_is_sure(sums[2])))
	{
		double		wide[3];

		wide_cosine_sums(dim, a->x, b->x, wide);
		similarity = wide[0] / (sqrt(wide[1]) * sqrt(wide[2]));
	}

	/* rounding may step past 1; NaN, from a zero vector, passes */
	if (similarity > 1)
		similarity = 1;
	else if (similarity < -1)
		similarity = -1;

	PG_RETURN_FLOAT8(1 - similarity);
}

/* The angle between two unit vectors, as a part of a half turn. */
PG_FUNCTION_INFO_V1(vs_vector_spherical_distance);
Datum
vs_vector_spherical_distance(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);
	double		cosine = vs_kernels->dot(dim, a->x, b->x);

	if (cosine > 1)
		cosine = 1;
	else if (cosine < -1)
		cosine = -1;

	PG_RETURN_FLOAT8(acos(cosine) / M_PI);
}

PG_FUNCTION_INFO_V1(vs_l1_distance);
Datum
vs_l1_distance(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);

	PG_RETURN_FLOAT8((double) vs_kernels->l1(dim, a->x, b->x));
}

PG_FUNCTION_INFO_V1(vs_vector_distance_support);
Datum
vs_vector_distance_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(vs_vector_distance_cost((Node *) PG_GETARG_POINTER(0),
											  OPERATORS_PER_DIM));
}

/* Parts and properties */

PG_FUNCTION_INFO_V1(vs_vector_dims);
Datum
vs_vector_dims(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);

	PG_RETURN_INT32(v->dim);
}

PG_FUNCTION_INFO_V1(vs_vector_norm);
Datum
vs_vector_norm(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);

	PG_RETURN_FLOAT8(norm(v));
}

PG_FUNCTION_INFO_V1(vs_l2_normalize);
Datum
vs_l2_normalize(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);
	VsVector   *result = vs_vector_new(v->dim);
	double		length = norm(v);

	/* no element exceeds the norm, so this cannot overflow */
	if (length > 0)
	{
		for (int i = 0; i < v->dim; i++)
			result->x[i] = (float) (v->x[i] / length);
	}

	PG_RETURN_VSVECTOR_P(result);
}

/* Elements start .. start + count - 1, those that exist, as substring does. */
PG_FUNCTION_INFO_V1(vs_subvector);
Datum
vs_subvector(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);
	int64		start = PG_GETARG_INT32(1);
	int64		count = PG_GETARG_INT32(2);
	int64		first = Max(start, 1);
	int64		last = Min(start + count - 1, v->dim);
	VsVector   *result;

	vs_vecio_check_dim(type_name, (int) Max(last - first + 1, 0),
					   VS_VECTOR_MAX_DIM);
	result = vs_vector_new((int) (last - first + 1));
	memcpy(result->x, v->x + first - 1, sizeof(float) * result->dim);

	PG_RETURN_VSVECTOR_P(result);
}

/* One bit for each element, set if it is positive; the first bit leads. */
PG_FUNCTION_INFO_V1(vs_binary_quantize);
Datum
vs_binary_quantize(PG_FUNCTION_ARGS)
{
	VsVector   *v = PG_GETARG_VSVECTOR_P(0);
	VarBit	   *result = palloc0(VARBITTOTALLEN(v->dim));
	uint8	   *bytes = VARBITS(result);

	SET_VARSIZE(result, VARBITTOTALLEN(v->dim));
	VARBITLEN(result) = v->dim;
	for (int i = 0; i < v->dim; i++)
		bytes[i / 8] |= (v->x[i] > 0) << (7 - i % 8);

	PG_RETURN_VARBIT_P(result);
}

/* Arithmetic */

PG_FUNCTION_INFO_V1(vs_vector_add);
Datum
vs_vector_add(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);
	VsVector   *result = vs_vector_new(dim);

	for (int i = 0; i < dim; i++)
		result->x[i] = a->x[i] + b->x[i];

	PG_RETURN_VSVECTOR_P(check_no_overflow(result));
}

PG_FUNCTION_INFO_V1(vs_vector_sub);
Datum
vs_vector_sub(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);
	VsVector   *result = vs_vector_new(dim);

	for (int i = 0; i < dim; i++)
		result->x[i] = a->x[i] - b->x[i];

	PG_RETURN_VSVECTOR_P(check_no_overflow(result));
}

PG_FUNCTION_INFO_V1(vs_vector_mul);
Datum
vs_vector_mul(PG_FUNCTION_ARGS)
{
	VsVector   *a;
	VsVector   *b;
	int			dim = vs_vector_operands(fcinfo, &a, &b);
	VsVector   *result = vs_vector_new(dim);

	for (int i = 0; i < dim; i++)
		result->x[i] = a->x[i] * b->x[i];

	check_no_overflow(result);
	for (int i = 0; i < dim; i++)
	{
		if (unlikely(result->x[i] == 0 && a->x[i] != 0 && b->x[i] != 0))
			float_underflow_error();
	}

	PG_RETURN_VSVECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vs_vector_concat);
Datum
vs_vector_concat(PG_FUNCTION_ARGS)
{
	VsVector   *a = PG_GETARG_VSVECTOR_P(0);
	VsVector   *b = PG_GETARG_VSVECTOR_P(1);
	VsVector   *result;

	vs_vecio_check_dim(type_name, a->dim + b->dim, VS_VECTOR_MAX_DIM);
	result = vs_vector_new(a->dim + b->dim);
	memcpy(result->x, a->x, sizeof(float) * a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(float) * b->dim);

	PG_RETURN_VSVECTOR_P(result);
}

/* Order: element by element, then the shorter first */

PG_FUNCTION_INFO_V1(vs_vector_lt);
Datum
vs_vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(vs_vector_le);
Datum
vs_vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(vs_vector_eq);
Datum
vs_vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(vs_vector_ne);
Datum
vs_vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(vs_vector_ge);
Datum
vs_vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) >= 0);
}

PG_FUNCTION_INFO_V1(vs_vector_gt);
Datum
vs_vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_args(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(vs_vector_cmp);
Datum
vs_vector_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_args(fcinfo));
}

VsVector *
vs_vector_new(int dim)
{
	Size		size = VS_VECTOR_SIZE(dim);
	VsVector   *v;

	Assert(dim >= 1 && dim <= VS_VECTOR_MAX_DIM);
	v = palloc0(size);
	SET_VARSIZE(v, size);
	v->dim = dim;

	return v;
}

int
vs_vector_operands(FunctionCallInfo fcinfo, VsVector **a, VsVector **b)
{
	*a = PG_GETARG_VSVECTOR_P(0);
	*b = PG_GETARG_VSVECTOR_P(1);
	vs_vecio_check_same_dim(type_name, (*a)->dim, (*b)->dim);

	return (*a)->dim;
}

/*
 * What a distance costs, for the planner: the answer of a support function.
 * The static COST of a function knows neither the number of dimensions nor
 * that long vectors are stored out of line, in TOAST pages that the cost of
 * the table scan does not include.
 */
Node *
vs_vector_distance_cost(Node *request, double operators_per_dim)
{
	SupportRequestCost *cost = (SupportRequestCost *) request;
	List	   *args;
	ListCell   *lc;
	int			dim = 0;
	Size		size;

	if (!IsA(request, SupportRequestCost))
		return NULL;

	/* the operands agree in dimensions, or the call fails */
	args = call_args(cost->node);
	foreach(lc, args)
		dim = Max(dim, known_dim(lfirst(lc)));
	if (dim == 0)
		return NULL;

	cost->startup = 0;
	cost->per_tuple = (1 + dim * operators_per_dim) * cpu_operator_cost;
	size = VS_VECTOR_SIZE(dim);
	foreach(lc, args)
	{
		if (is_out_of_line(cost->root, lfirst(lc), size))
			cost->per_tuple +=
				(OPERATORS_PER_DETOAST + OPERATORS_PER_CHUNK *
				 ceil((double) size / TOAST_MAX_CHUNK_SIZE)) *
				cpu_operator_cost +
				(double) size / BLCKSZ * seq_page_cost;
	}

	return request;
}

static VsVector *
check_no_overflow(VsVector *v)
{
	for (int i = 0; i < v->dim; i++)
	{
		if (unlikely(isinf(v->x[i])))
			float_overflow_error();
	}

	return v;
}

static int
compare(const VsVector *a, const VsVector *b)
{
	int			dim = Min(a->dim, b->dim);

	for (int i = 0; i < dim; i++)
	{
		if (a->x[i] < b->x[i])
			return -1;
		if (a->x[i] > b->x[i])
			return 1;
	}

	return (a->dim > b->dim) - (a->dim < b->dim);
}

/* Frees detoasted copies, since btree calls this in long-lived memory. */
static int
compare_args(FunctionCallInfo fcinfo)
{
	VsVector   *a = PG_GETARG_VSVECTOR_P(0);
	VsVector   *b = PG_GETARG_VSVECTOR_P(1);
	int			result = compare(a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);

	return result;
}

/* In double, where the squares of floats can neither overflow nor vanish. */
static double
norm(const VsVector *v)
{
	double		sum = 0;

	for (int i = 0; i < v->dim; i++)
		sum += (double) v->x[i] * v->x[i];

	return sqrt(sum);
}

static List *
call_args(Node *call)
{
	if (is_funcclause(call))
		return ((FuncExpr *) call)->args;
	if (is_opclause(call))
		return ((OpExpr *) call)->args;
	return NIL;
}

/* Dimensions of a vector expression, or 0 if only execution can tell. */
static int
known_dim(Node *arg)
{
	if (IsA(arg, Const) && !((Const *) arg)->constisnull)
		return DatumGetVsVector(((Const *) arg)->constvalue)->dim;
	return Max(exprTypmod(arg), 0);
}

/* Whether arg is a column whose values of that size are in TOAST pages. */
static bool
is_out_of_line(PlannerInfo *root, Node *arg, Size size)
{
	Var		   *var = (Var *) strip_implicit_coercions(arg);

	if (!IsA(var, Var))
		return false;

	/* statistics, if any, count the bytes inside the row: 18 for a pointer */
	if (root && var->varlevelsup == 0 && (int) var->varno > 0 &&
		(int) var->varno < root->simple_rel_array_size)
	{
		RangeTblEntry *rte = planner_rt_fetch(var->varno, root);

		if (rte->rtekind == RTE_RELATION)
		{
			int32		width = get_attavgwidth(rte->relid, var->varattno);

			if (width > 0)
				return (Size) width < size / 2;
		}
	}

	return size > TOAST_TUPLE_TARGET;
}
