/*
 * kernel.c
 *		Which version of each loop runs: decided once, from the processor.
 *
 * A level is the scalar table with the entries its instruction set improves
 * put over it.  The levels of one architecture build on each other: avx512
 * keeps what avx2 improved and it does not.
 */
#include "kernel/kernel_lda_isa.h"
#include "kernel/kernel_nn_isa.h"

#ifdef VS_HAVE_X86
#include <cpuid.h>
#endif

typedef enum Level
{
	LEVEL_SCALAR,
	LEVEL_NEON,
	LEVEL_AVX2,
	LEVEL_AVX512,
} Level;

#define LEVEL_COUNT		4

static const char *const level_names[LEVEL_COUNT] = {
	"scalar", "neon", "avx2", "avx512"
};

/* A table without a name is a level that cannot run here. */
static VsKernels levels[LEVEL_COUNT];

const VsKernels *vs_kernels = &vs_kernel_scalar;

#ifdef VS_HAVE_X86

/* Every bit of mask is set in value. */
#define has_all(value, mask)	(((value) & (mask)) == (mask))

/*
 * What the processor and the operating system support.  An instruction set
 * counts only if the system saves its registers, which xgetbv tells.
 */
static void
detect_x86(bool *avx2, bool *avx512)
{
	const unsigned leaf1_avx2 = 1u << 12 | 1u << 28 | 1u << 29; /* FMA, AVX, F16C */
	const unsigned leaf1_xgetbv = 1u << 27;
	const unsigned leaf7_avx2 = 1u << 5;
	const unsigned leaf7_avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;	/* F, DQ, BW, VL */
	const unsigned leaf7_vnni = 1u << 11;
	const unsigned xcr0_avx = 0x06; /* SSE and AVX registers */
	const unsigned xcr0_avx512 = 0xE6;	/* and masks, upper halves, zmm16-31 */
	unsigned	eax,
				ebx,
				ecx,
				edx,
				xcr0,
				xcr0_high;

	*avx2 = *avx512 = false;
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) ||
		!has_all(ecx, leaf1_avx2 | leaf1_xgetbv))
		return;
__asm__("xgetbv":"=a"(xcr0), "=d"(xcr0_high):"c"(0));
	(void) xcr0_high;
	if (!has_all(xcr0, xcr0_avx) ||
		!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		return;
	*avx2 = has_all(ebx, leaf7_avx2);
	*avx512 = *avx2 && has_all(xcr0, xcr0_avx512) &&
		has_all(ebx, leaf7_avx512) && has_all(ecx, leaf7_vnni);
}

#endif							/* VS_HAVE_X86 */

/* The level's table, begun as a copy of another level's. */
static VsKernels *
begin_level(Level level, Level from)
{
	levels[level] = levels[from];
	levels[level].name = level_names[level];
	return &levels[level];
}

void
vs_kernel_init(void)
{
	Level		best = LEVEL_SCALAR;

	if (levels[LEVEL_SCALAR].name)
		return;
	levels[LEVEL_SCALAR] = vs_kernel_scalar;

#ifdef VS_HAVE_X86
	{
		bool		avx2;
		bool		avx512;

		detect_x86(&avx2, &avx512);
		if (avx2)
		{
			best = LEVEL_AVX2;
			vs_kernel_avx2(begin_level(best, LEVEL_SCALAR));
			vs_kernel_nn_avx2(&levels[best].nn);
			vs_kernel_lda_avx2(&levels[best].lda);
		}
		if (avx512)
		{
			best = LEVEL_AVX512;
			vs_kernel_avx512(begin_level(best, LEVEL_AVX2));
			vs_kernel_nn_avx512(&levels[best].nn);
			vs_kernel_lda_avx512(&levels[best].lda);
		}
	}
#endif
#ifdef VS_HAVE_NEON
	best = LEVEL_NEON;			/* part of the base architecture */
	vs_kernel_neon(begin_level(best, LEVEL_SCALAR));
	vs_kernel_nn_neon(&levels[best].nn);
	vs_kernel_lda_neon(&levels[best].lda);
#endif

	vs_kernels = &levels[best];
}

const VsKernels *
vs_kernel_level(const char *name)
{
	vs_kernel_init();
	for (int i = 0; i < LEVEL_COUNT; i++)
		if (levels[i].name && strcmp(levels[i].name, name) == 0)
			return &levels[i];
	return NULL;
}

const char *
vs_kernel_level_name(int i)
{
	return i >= 0 && i < LEVEL_COUNT ? level_names[i] : NULL;
}
