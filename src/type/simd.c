/*
 * simd.c
 *		The setting vecsearch.simd, which chooses the kernels.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "kernel/kernel.h"
#include "vecsearch.h"

static char *simd_setting;

/* The table of a level, or NULL if it is not to be had here. */
static const VsKernels *
level_table(const char *name)
{
	if (strcmp(name, "auto") == 0)
	{
		const VsKernels *best = NULL;
		const char *level;

		for (int i = 0; (level = vs_kernel_level_name(i)) != NULL; i++)
			if (vs_kernel_level(level) != NULL)
				best = vs_kernel_level(level);
		return best;
	}
	return vs_kernel_level(name);
}

static bool
check_simd(char **value, void **extra, GucSource source)
{
	if (level_table(*value) != NULL)
		return true;
	GUC_check_errdetail("This processor or this build does not have that level.");
	GUC_check_errhint("Levels are auto, scalar, avx2, avx512 and neon.");
	return false;
}

static void
assign_simd(const char *value, void *extra)
{
	vs_kernels = level_table(value);
}

void
vs_simd_init(void)
{
	vs_kernel_init();
	DefineCustomStringVariable("vecsearch.simd",
							   "Sets the instruction set of the distance kernels.",
							   "auto takes the best the processor has; scalar, avx2, avx512 and neon force one.",
							   &simd_setting, "auto", PGC_USERSET, 0,
							   check_simd, assign_simd, NULL);
}
