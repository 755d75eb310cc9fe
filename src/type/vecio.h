/*
 * vecio.h
 *		What the vector types share: limits, checks, text and array forms.
 *
 * The argument type is the SQL name of the type, for messages.
 */
#ifndef VS_TYPE_VECIO_H
#define VS_TYPE_VECIO_H

#include "lib/stringinfo.h"
#include "utils/array.h"

/* vecio.c: checks, each raises an error or returns */

/* 1 <= dim <= max_dim */
extern void vs_vecio_check_dim(const char *type, int dim, int max_dim);

/* dim is what the column declares; typmod is -1 when it declares nothing */
extern void vs_vecio_check_typmod(int32 typmod, int dim);

/* two operands have the same number of dimensions */
extern void vs_vecio_check_same_dim(const char *type, int a, int b);

/* value is a finite number */
extern void vs_vecio_check_element(const char *type, float value);

/* vecio.c: conversions */

/* The type modifier (the number of dimensions) from its cstring[] form. */
extern int32 vs_vecio_typmod_in(const char *type, ArrayType *modifiers,
								int max_dim);

/*
 * Read one number at *cursor of the literal and step past it.  Numbers too
 * small for a float become 0 or a denormal; the magnitude must not exceed
 * limit, and NaN and infinities are refused.
 */
extern float vs_vecio_parse_float(const char *type, const char *literal,
								  float limit, const char **cursor);

/*
 * Read `[1,2,3]` into x, which has room for max_dim elements; returns the
 * number of elements, at least 1.  limit as above.
 */
extern int	vs_vecio_parse(const char *type, const char *literal,
						   int max_dim, float limit, float *x);

/* White space between the tokens of a literal, whatever the locale. */
extern const char *vs_vecio_skip_space(const char *cursor);

/* n floats as `[1,2,3]`, each with the fewest digits that read back equal. */
extern char *vs_vecio_print(int n, const float *x);

/*
 * The binary header, int16 dim and int16 0.  recv checks it against max_dim
 * and the typmod, and returns dim.
 */
extern int	vs_vecio_recv_header(const char *type, StringInfo buf,
								 int32 typmod, int max_dim);
extern void vs_vecio_send_header(StringInfo buf, int dim);

/*
 * A one-dimensional array of integer, real, double precision or numeric:
 * first check it and get its length, then read that many floats into x.
 */
extern int	vs_vecio_array_dim(const char *type, ArrayType *array,
							   int32 typmod, int max_dim);
extern void vs_vecio_array_floats(const char *type, ArrayType *array,
								  float *x);

#endif							/* VS_TYPE_VECIO_H */
