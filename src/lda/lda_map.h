/*
 * lda_map.h
 *		Topics as points of a plane, near where they are alike.
 */
#ifndef VS_LDA_LDA_MAP_H
#define VS_LDA_LDA_MAP_H

#include "lda/lda_model.h"

typedef struct VsLdaMap
{
	double	   *x;				/* [K], mean 0 */
	double	   *y;				/* [K], mean 0 */
	double		explained[2];	/* share of the sum of squared distances that
								 * each axis accounts for */
} VsLdaMap;

/* Where the topics of a model lie. */
extern void vs_lda_map(const VsLdaModel *model, VsLdaMap *map);

/*
 * The Jensen-Shannon divergences between topics, in nats: squares of the
 * distances that are shown.  square is [K][K].  What the topics have beyond
 * their most_words words is taken together; see the head of lda_map.c.
 */
extern void vs_lda_divergences(const VsLdaModel *model, int most_words,
							   double *square);

/*
 * Classical scaling of n points, of which square, [n][n], has the squared
 * distances.  It is overwritten.
 */
extern void vs_lda_scale(double *square, int n, VsLdaMap *map);

#endif							/* VS_LDA_LDA_MAP_H */
