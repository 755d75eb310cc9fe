/*
 * vecsearch.c
 *		Loads the library: calls the init function of every module.
 */
#include "postgres.h"

#include "fmgr.h"

#include "vecsearch.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static void (*const module_init[]) (void) = {
	vs_simd_init,
	vs_hnsw_init,
};

void
_PG_init(void)
{
	for (Size i = 0; i < lengthof(module_init); i++)
		module_init[i] ();
}
