/*
 * distribution.h
 *		Vectors as discrete probability distributions.
 *
 * A distribution is a vector without a negative element; its shares are the
 * elements divided by their sum.  Only all zeros have no shares.
 */
#ifndef VS_TYPE_DISTRIBUTION_H
#define VS_TYPE_DISTRIBUTION_H

#include "type/vector.h"

/* distribution.c */

/* Sum of the elements; an error if one is negative. */
extern double vs_distribution_sum(const VsVector *v);

#endif							/* VS_TYPE_DISTRIBUTION_H */
