/*
 * extension.h
 *		The extension's own objects, and arguments of its functions.
 *
 * Objects are found through the schema of the function that was called, never
 * through search_path.
 */
#ifndef VS_SUPPORT_EXTENSION_H
#define VS_SUPPORT_EXTENSION_H

#include "fmgr.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

/* Characters in the name of an object of the extension. */
#define VS_MAX_NAME		63

/* The schema of the function that is being called. */
extern Oid	vs_extension_schema(FunctionCallInfo fcinfo);

/* The extension's type vector. */
extern Oid	vs_extension_vector_type(Oid schema);

/* A table of the extension, opened. */
extern Relation vs_extension_open(Oid schema, const char *name, LOCKMODE lock);

/* Argument n, a text, as a string; or NULL. */
extern char *vs_arg_text(FunctionCallInfo fcinfo, int n);

/* The same; NULL is the error "WHAT must not be null". */
extern char *vs_arg_required_text(FunctionCallInfo fcinfo, int n,
								  const char *what);

/* A name of an object must have 1 to VS_MAX_NAME characters and no @. */
extern void vs_check_name(const char *what, const char *name);

/*
 * Begin the result of a function that returns a set: the rows put into the
 * tuplestore, with the columns of *desc, are returned.
 */
extern Tuplestorestate *vs_rows_begin(FunctionCallInfo fcinfo,
									  TupleDesc *desc);

#endif							/* VS_SUPPORT_EXTENSION_H */
