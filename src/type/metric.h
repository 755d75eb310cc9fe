/*
 * metric.h
 *		What an index must know of a distance and of the type it measures.
 *
 * Support function 1 of an operator class returns a pointer to a constant
 * VsMetric.  The access method sees types only through it.
 */
#ifndef VS_TYPE_METRIC_H
#define VS_TYPE_METRIC_H

#include "fmgr.h"
#include "kernel/kernel.h"

typedef struct VsMetric
{
	VsMetricKind kind;
	const char *type_name;		/* for messages */
	int			max_dims;		/* in an index */

	/* Dimensions of a value that is not toasted. */
	int			(*dims) (const struct varlena *value);

	/*
	 * Put the value into out as float32, in the form that distances of the
	 * kind are taken of: of unit norm for the cosine, the roots of shares for
	 * distributions.  Returns false, with zeros in out, if the value has no
	 * such form.  May raise an error about the value.
	 */
	bool		(*load) (const struct varlena *value, float *out);
} VsMetric;

#endif							/* VS_TYPE_METRIC_H */
