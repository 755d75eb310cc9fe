/*
 * kernel_lda_isa.h
 *		Private to src/kernel: what the files kernel_lda*.c share.
 *
 * kernel_lda_body.h is the one version of the loops.  Each file includes it
 * after having defined a vector of VS_LDA_LANES floats; the scalar one is the
 * definition.
 */
#ifndef VS_KERNEL_KERNEL_LDA_ISA_H
#define VS_KERNEL_KERNEL_LDA_ISA_H

#include "kernel/kernel_isa.h"

/* kernel_lda_scalar.c */
extern void vs_lda_scalar_sweep(const VsLdaSampler *s, bool fresh,
								uint64_t seed, size_t ndocs,
								const VsLdaDoc *docs, const uint32_t *words,
								uint16_t *topics);
extern float vs_lda_scalar_fold(int stride, const float *alpha, int n,
								const float *const *rows, const float *counts,
								float tolerance, int iterations,
								float *theta, float *ratios);

/* Each instruction set's entry, as in kernel_isa.h. */
#ifdef VS_HAVE_X86
extern void vs_kernel_lda_avx2(VsLdaKernels *lda);	/* kernel_lda_avx2.c */
extern void vs_kernel_lda_avx512(VsLdaKernels *lda);	/* kernel_lda_avx512.c */
#endif
#ifdef VS_HAVE_NEON
extern void vs_kernel_lda_neon(VsLdaKernels *lda);	/* kernel_lda_neon.c */
#endif

#endif							/* VS_KERNEL_KERNEL_LDA_ISA_H */
