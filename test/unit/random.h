/*
 * random.h
 *		Random numbers for the unit tests, the same in every run.
 */
#ifndef VS_UNIT_RANDOM_H
#define VS_UNIT_RANDOM_H

#include <stdint.h>

static uint64_t random_state = 1;

/* xorshift64* (arXiv 1402.6246) */
static inline uint64_t
random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x2545F4914F6CDD1D);
}

/* In (-1, 1). */
static inline float
random_float(void)
{
	return (float) ((int32_t) (random_bits() >> 40) - (1 << 23)) * 0x1p-23f;
}

#endif							/* VS_UNIT_RANDOM_H */
