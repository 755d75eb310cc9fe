/*
 * kernel_isa.h
 *		Private to src/kernel: the entry of each instruction set's file, and
 *		the element conversions that several files share.
 *
 * An instruction set's file exports one function, which overwrites the table
 * entries it has a better version of.  Its functions carry the instruction set
 * as a target attribute: no file needs compiler flags of its own.
 */
#ifndef VS_KERNEL_KERNEL_ISA_H
#define VS_KERNEL_KERNEL_ISA_H

#include <string.h>

#include "kernel/kernel.h"

#if defined(__x86_64__)
#define VS_HAVE_X86
#elif defined(__aarch64__)
#define VS_HAVE_NEON
#endif

#define VS_ALWAYS_INLINE	static inline __attribute__((always_inline))

/* kernel_scalar.c: complete, usable before vs_kernel_init */
extern const VsKernels vs_kernel_scalar;

#ifdef VS_HAVE_X86
extern void vs_kernel_avx2(VsKernels *k);	/* kernel_avx2.c */
extern void vs_kernel_avx512(VsKernels *k); /* kernel_avx512.c */
#endif
#ifdef VS_HAVE_NEON
extern void vs_kernel_neon(VsKernels *k);	/* kernel_neon.c */
#endif

/* A float's bits and back. */
VS_ALWAYS_INLINE uint32_t
float_bits(float f)
{
	uint32_t	u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

VS_ALWAYS_INLINE float
bits_float(uint32_t u)
{
	float		f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

/*
 * IEEE half to float.  The half's exponent and mantissa, moved to the places
 * a float has them, read as a float 2^112 times too small; denormals come out
 * right because the product is exact.  What was exponent 31 is then 2^16 or
 * more and gets the exponent of infinity; a NaN is made quiet, as the hardware
 * does.
 */
VS_ALWAYS_INLINE float
half_to_float(uint16_t h)
{
	uint32_t	magnitude = (uint32_t) (h & 0x7FFF) << 13;
	uint32_t	u = float_bits(bits_float(magnitude) * 0x1p112f);

	u |= magnitude >= 0x0F800000 ? 0x7F800000 : 0;
	u |= magnitude > 0x0F800000 ? 0x00400000 : 0;
	return bits_float(u | (uint32_t) (h & 0x8000) << 16);
}

/*
 * Float to IEEE half, to nearest even.  Below 2^-14 adding 0.5 makes the FPU
 * round at the unit of a half denormal, 2^-24.  Above, the integer addition
 * carries a rounded mantissa into the exponent.
 */
VS_ALWAYS_INLINE uint16_t
float_to_half(float f)
{
	uint32_t	u = float_bits(f);
	uint32_t	sign = u >> 16 & 0x8000;
	uint32_t	h;

	u &= 0x7FFFFFFF;
	if (u > 0x7F800000)
		h = 0x7E00 | (u >> 13 & 0x03FF);
	else if (u >= 0x477FF000)	/* rounds to 2^16 or more */
		h = 0x7C00;
	else if (u < 0x38800000)
		h = float_bits(bits_float(u) + 0.5f) - 0x3F000000;
	else
		h = (u - 0x38000000 + 0x0FFF + (u >> 13 & 1)) >> 13;
	return (uint16_t) (h | sign);
}

/*
 * Round to nearest even, for |x| < 2^22: the sum with 1.5 * 2^23 has the
 * integer in its low mantissa bits.
 */
VS_ALWAYS_INLINE int32_t
round_to_int(float x)
{
	return (int32_t) (float_bits(x + 0x1.8p23f) - 0x4B400000);
}

/* Number of elements of plane k that hold dimensions. */
VS_ALWAYS_INLINE int
plane_len(int n, int stride, int k)
{
	int			len = n - k * stride;

	return len < 0 ? 0 : len > stride ? stride : len;
}

#endif							/* VS_KERNEL_KERNEL_ISA_H */
