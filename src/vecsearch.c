/*
 * vecsearch.c
 *		Loads the library: calls the init function of every module.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "compat.h"
#include "vecsearch.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

typedef void (*VsModuleInit) (void);

static const VsModuleInit module_init[] = {
	vs_simd_init,
	vs_hnsw_init,
	vs_filter_init,
	vs_embed_init,
	vs_lda_init,
};

void
_PG_init(void)
{
	for (Size i = 0; i < lengthof(module_init); i++)
		module_init[i] ();

	/* only now: settings of a reserved prefix cannot be defined later */
	vs_reserve_guc_prefix("vecsearch");
}
