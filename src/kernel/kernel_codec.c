/*
 * kernel_codec.c
 *		Number formats one value at a time, and the encoding of rows.
 */
#include "kernel/kernel_isa.h"

#include <float.h>
#include <math.h>

uint16_t
vs_float_to_half(float f)
{
	return float_to_half(f);
}

float
vs_half_to_float(uint16_t h)
{
	return half_to_float(h);
}

uint16_t
vs_float_to_bfloat(float f)
{
	uint32_t	u = float_bits(f);
	uint32_t	magnitude = u & 0x7FFFFFFF;

	if (magnitude > 0x7F800000)
		return (uint16_t) (u >> 16 | 0x0040);	/* a quiet NaN */
	if (magnitude < 0x7F800000 && magnitude >= 0x7F7F8000)
		return (uint16_t) (u >> 16 & 0x8000) | 0x7F7F;
	return (uint16_t) ((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

static float
largest_magnitude(int n, const float *x)
{
	float		m = 0.0f;

	for (int i = 0; i < n; i++)
		m = fabsf(x[i]) > m ? fabsf(x[i]) : m;
	return m;
}

/*
 * The power of two above max.  2^128 is no float; then the largest half is
 * below 2 instead of below 1.
 */
static float
half_scale(float max)
{
	int			exponent;

	if (max == 0.0f)
		return 1.0f;
	(void) frexp(max, &exponent);
	return (float) ldexp(1.0, exponent < FLT_MAX_EXP ? exponent :
						 FLT_MAX_EXP - 1);
}

/*
 * max / 127 where that is a normal number.  A denormal quotient is rounded up,
 * as 127 times one rounded down can be far below max.
 */
static float
int8_scale(float max)
{
	float		scale = max / 127.0f;

	if (max == 0.0f)
		return 1.0f;
	while (scale * 127.0f < max && scale < FLT_MIN)
		scale = nextafterf(scale, FLT_MAX);
	while (scale * 127.0f > FLT_MAX)
		scale = nextafterf(scale, 0.0f);
	return scale;
}

/* The quotient fits in 16 bits as a half below 2: no overflow on decoding. */
static uint16_t
encode_half(float x, double inv_scale)
{
	uint16_t	h = float_to_half((float) (x * inv_scale));

	return (h & 0x7FFF) < 0x4000 ? h : (h & 0x8000) | 0x3FFF;
}

static int8_t
encode_int8(float x, double inv_scale)
{
	double		c = x * inv_scale;

	c = c > -127.0 ? c : -127.0;
	c = c < 127.0 ? c : 127.0;
	return (int8_t) (c + (c < 0.0 ? -0.5 : 0.5));
}

/* x as a float not below it; slack covers the roundings that led to x. */
static float
round_up(double x, double slack)
{
	double		bound = x * (1.0 + slack);
	float		f;

	if (bound > FLT_MAX)
		return INFINITY;
	f = (float) bound;
	return (double) f < bound ? nextafterf(f, INFINITY) : f;
}

void
vs_codec_encode(VsCodec codec, int n, const float *src, void *row,
				float *scale, float err[2])
{
	double		sum_squares = 0.0;
	double		sum = 0.0;
	double		slack = (n + 8.0) * DBL_EPSILON;
	double		inv_scale;

	err[0] = err[1] = 0.0f;
	*scale = 1.0f;
	if (codec == VS_CODEC_FLOAT32)
	{
		if (n > 0)
			memcpy(row, src, n * sizeof(float));
		return;
	}

	*scale = codec == VS_CODEC_FLOAT16 ?
		half_scale(largest_magnitude(n, src)) :
		int8_scale(largest_magnitude(n, src));
	inv_scale = 1.0 / *scale;
	for (int i = 0; i < n; i++)
	{
		float		value;
		double		exact;
		double		d;
		double		d_rounded;

		if (codec == VS_CODEC_FLOAT16)
		{
			uint16_t	h = encode_half(src[i], inv_scale);

			((uint16_t *) row)[i] = h;
			value = half_to_float(h);
		}
		else
		{
			int8_t		c = encode_int8(src[i], inv_scale);

			((int8_t *) row)[i] = c;
			value = c;
		}

		/*
		 * The loops may or may not round scale * value to a float before they
		 * use it: take the worse.
		 */
		exact = (double) *scale * value;
		d = fabs(src[i] - exact);
		d_rounded = fabs((double) src[i] - (float) exact);
		d = d_rounded > d ? d_rounded : d;
		sum_squares += d * d;
		sum += d;
	}
	err[0] = round_up(sqrt(sum_squares), slack);
	err[1] = round_up(sum, slack);
}

void
vs_code_decode(int n, int b, const uint8_t *code, float *levels)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			top = (1 << b) - 1;

	for (int i = 0; i < n; i++)
	{
		int			cell = code[i % stride] >> (i / stride * b) & top;

		levels[i] = (float) (2 * cell - top);
	}
}

int32_t
vs_code_planes(int n, int b, const uint8_t *code, int8_t *planes)
{
	int			stride = VS_CODE_STRIDE(n, b);
	int			top = (1 << b) - 1;
	int32_t		sum = 0;

	memset(planes, 0, VS_PLANES_LEN(n, b));
	for (int k = 0; k < VS_CODE_PLANES(b); k++)
	{
		int			width = n - k * stride < stride ? n - k * stride : stride;

		for (int j = 0; j < width; j++)
		{
			int8_t		level = (int8_t) (2 * (code[j] >> (k * b) & top) - top);

			planes[j] = level;
			sum += level;
		}
		planes += VS_PLANE_SPAN(stride);
	}
	return sum;
}
