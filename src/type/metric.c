/*
 * metric.c
 *		The table of metrics, and the support functions that hand them out.
 */
#include "postgres.h"

#include <math.h>

#include "type/distribution.h"
#include "type/metric.h"
#include "type/vector.h"

#define VECTOR_INDEX_MAX_DIMS	2000

static int
vector_dims(const struct varlena *value)
{
	return ((const VsVector *) value)->dim;
}

static bool
vector_load(const struct varlena *value, float *out)
{
	const VsVector *vector = (const VsVector *) value;

	memcpy(out, vector->x, sizeof(float) * vector->dim);
	return true;
}

static bool
vector_load_unit(const struct varlena *value, float *out)
{
	const VsVector *vector = (const VsVector *) value;
	double		sum = 0;
	double		inverse;

	for (int i = 0; i < vector->dim; i++)
		sum += (double) vector->x[i] * vector->x[i];
	inverse = sum > 0 ? 1 / sqrt(sum) : 0;
	for (int i = 0; i < vector->dim; i++)
		out[i] = (float) (vector->x[i] * inverse);
	return sum > 0;
}

/*
 * The roots of a distribution's shares, divided by the root of parts.  Their
 * Euclidean distance is sqrt(2) times the Hellinger distance, so with two
 * parts it is the Hellinger distance.
 */
static bool
load_roots(const struct varlena *value, double parts, float *out)
{
	const VsVector *vector = (const VsVector *) value;
	double		sum = vs_distribution_sum(vector);
	double		scale = sum > 0 ? 1 / (sum * parts) : 0;

	for (int i = 0; i < vector->dim; i++)
		out[i] = (float) sqrt(vector->x[i] * scale);
	return sum > 0;
}

static bool
vector_load_hellinger(const struct varlena *value, float *out)
{
	return load_roots(value, 2, out);
}

static bool
vector_load_jensen_shannon(const struct varlena *value, float *out)
{
	return load_roots(value, 1, out);
}

#define VECTOR_METRIC(kind, load) \
	{kind, "vector", VECTOR_INDEX_MAX_DIMS, vector_dims, load}

static const VsMetric vector_l2 = VECTOR_METRIC(VS_METRIC_L2, vector_load);
static const VsMetric vector_ip = VECTOR_METRIC(VS_METRIC_IP, vector_load);
static const VsMetric vector_cosine =
VECTOR_METRIC(VS_METRIC_COSINE, vector_load_unit);
static const VsMetric vector_l1 = VECTOR_METRIC(VS_METRIC_L1, vector_load);
static const VsMetric vector_hellinger =
VECTOR_METRIC(VS_METRIC_L2, vector_load_hellinger);
static const VsMetric vector_jensen_shannon =
VECTOR_METRIC(VS_METRIC_JENSEN_SHANNON, vector_load_jensen_shannon);

PG_FUNCTION_INFO_V1(vs_hnsw_vector_l2_support);
Datum
vs_hnsw_vector_l2_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_l2);
}

PG_FUNCTION_INFO_V1(vs_hnsw_vector_ip_support);
Datum
vs_hnsw_vector_ip_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_ip);
}

PG_FUNCTION_INFO_V1(vs_hnsw_vector_cosine_support);
Datum
vs_hnsw_vector_cosine_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_cosine);
}

PG_FUNCTION_INFO_V1(vs_hnsw_vector_l1_support);
Datum
vs_hnsw_vector_l1_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_l1);
}

PG_FUNCTION_INFO_V1(vs_hnsw_vector_hellinger_support);
Datum
vs_hnsw_vector_hellinger_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_hellinger);
}

PG_FUNCTION_INFO_V1(vs_hnsw_vector_jensen_shannon_support);
Datum
vs_hnsw_vector_jensen_shannon_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_jensen_shannon);
}
