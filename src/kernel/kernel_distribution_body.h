/*
 * kernel_distribution_body.h
 *		The loops over probability distributions on vectors: included once by
 *		the file of each instruction set, which has defined before
 *
 *		TARGET, INLINE		attributes of functions, and of those to be inlined
 *		V, VI, VW			a vector of VW floats, one of as many uint32
 *		D, DI, DW			a vector of DW doubles, one of as many uint64
 *		v_few(n), V_ALL		the first n < VW lanes and all of them, as
 *							load_floats and load_row want to be told
 *		d_load(p, n)		n <= DW floats as doubles, the other lanes zero
 *		d_sqrt(x)
 *		v_total(x), d_total(x)	sums over the lanes
 *
 * Arithmetic is written with operators, which gcc and clang know for vectors.
 *
 * The Jensen-Shannon divergence of two shares u and w is, in bits,
 *
 *		g (u + w) / 2,  g = (b log2(b) + a log2(a)) / 2,
 *		a = 2 min(u, w) / (u + w),  b = 2 - a
 *
 * Where a is near 1 the terms of g nearly cancel.  With t = (u - w) / (u + w),
 * so that a = 1 - |t|, g is t^2 times a power series in t^2.  Both forms are
 * computed, and t^2 < 1/4 decides.  The polynomials go through Chebyshev
 * points; they add less than 1e-7 of g in float and 1e-11 in double.
 */

/* g / t^2 in t^2, for 0 .. 1/4 */
static const float near_float[] = {
	0.721347519f, 0.120225093f, 0.0480665417f, 0.0261486f, 0.0132104165f,
	0.0198391201f
};
static const double near_double[] = {
	0.7213475204444828, 0.12022458673970673, 0.04808983486198521,
	0.025762401192556315, 0.016030268689386031, 0.010923577994888869,
	0.0079940341999888698, 0.0055292057786917991, 0.0068908350568371622,
	-0.0020530394302748648, 0.011098471479077351
};

/* b log2(b) / 2 in a, for 0 .. 1/2 */
static const float far_float[] = {
	1.0f, -1.22134762f, 0.18034014f, 0.0300178056f, 0.00772555089f,
	0.00167177517f, 0.00149346541f
};
static const double far_double[] = {
	1.0, -1.2213475204470305, 0.18033688031412962, 0.030056140403738562,
	0.0075141358865779611, 0.0022533022203139732, 0.00075655045815083708,
	0.00024987131852716898, 0.00014240429743171524, -1.7092001428281977e-05,
	5.411176310886648e-05
};

/* log2(1 + f) / f in f, for sqrt(1/2) - 1 .. sqrt(2) - 1 */
static const float ratio_float[] = {
	1.442695f, -0.721347468f, 0.480910753f, -0.360693268f, 0.287903261f,
	-0.239169881f, 0.216078226f, -0.205861881f, 0.123109685f
};
static const double ratio_double[] = {
	1.4426950408862034, -0.72134752034308636, 0.48089834907279611,
	-0.36067378977100695, 0.28853876232996745, -0.24044662677727305,
	0.20610869528306625, -0.18043268521020117, 0.16018226130296026,
	-0.14252340755410017, 0.13062890256021095, -0.13478928738366042,
	0.13113743753686682, -0.068062875903905959
};

#define LENGTH(list)	((int) (sizeof(list) / sizeof((list)[0])))

/*
 * How the logarithm takes a number apart: the bits of its mantissa, those of
 * sqrt(1/2), and a number above every exponent, to keep them positive.
 * round_float and round_double are numbers whose lowest bit is worth 1, an
 * integer added to whose bits is added to their value.
 */
#define bits_float		23
#define root_float		0x3F3504F3u
#define above_float		128u
#define round_float		0x1.8p23f
#define round_bits_float	0x4B400000u
#define bits_double		52
#define root_double		UINT64_C(0x3FE6A09E667F3BCD)
#define above_double	UINT64_C(1024)
#define round_double	0x1.8p52
#define round_bits_double	UINT64_C(0x4338000000000000)

/* What keeps 0 / 0 away and shows beside nothing that is larger. */
#define least_float		0x1p-126f
#define least_double	0x1p-1022

/* The functions of an element type E, in vectors V and, for their bits, I. */
#define DIVERGENCE(E, V, I) \
INLINE V \
polynomial_##E(const E *c, int n, V x) \
{ \
	V			p = x * c[n - 1] + c[n - 2]; \
	for (int i = n - 3; i >= 0; i--) \
		p = p * x + c[i]; \
	return p; \
} \
INLINE V \
choose_##E(I condition, V x, V y) \
{ \
	return (V) (((I) x & condition) | ((I) y & ~condition)); \
} \
/* of 0 .. 1; of 0 some finite number */ \
INLINE V \
log2_##E(V x) \
{ \
	I			i = (I) x + ((above_##E << bits_##E) - root_##E); \
	I			mantissa = i << (8 * sizeof(E) - bits_##E) >> (8 * sizeof(E) - bits_##E); \
	V			f = (V) (mantissa + root_##E) - (E) 1; \
	V			exponent = (V) ((i >> bits_##E) + round_bits_##E) - \
		(round_##E + (E) above_##E); \
	return f * polynomial_##E(ratio_##E, LENGTH(ratio_##E), f) + exponent; \
} \
/* of u and w, whose difference the caller may know better */ \
INLINE V \
divergence_##E(V u, V w, V difference) \
{ \
	V			sum = u + w; \
	V			inverse = (E) 1 / (sum + least_##E); \
	V			t = difference * inverse; \
	V			square = t * t; \
	V			a = (E) 2 * choose_##E((I) (u < w), u, w) * inverse; \
	V			near = square * polynomial_##E(near_##E, LENGTH(near_##E), square); \
	V			far = polynomial_##E(far_##E, LENGTH(far_##E), a) + \
		(E) 0.5 * a * log2_##E(a); \
	return (E) 0.5 * sum * \
		choose_##E((I) (square < (E) 0.25), near, far); \
}

DIVERGENCE(float, V, VI)
DIVERGENCE(double, D, DI)

/* x and y are roots of shares */
INLINE V
root_divergence(V x, V y)
{
	return divergence_float(x * x, y * y, (x - y) * (x + y));
}

INLINE float
row_jensen_shannon(VsCodec codec, int n, const float *q, const void *row,
				   float scale)
{
	V			sum = (V) {0};
	int			i = 0;

	for (; i + VW <= n; i += VW)
		sum = sum + root_divergence(load_floats(q + i, V_ALL),
									load_row(codec, row, i, V_ALL) * scale);
	if (i < n)
		sum = sum + root_divergence(load_floats(q + i, v_few(n - i)),
									load_row(codec, row, i, v_few(n - i)) * scale);
	return v_total(sum);
}

#define ROW_JENSEN_SHANNON(name, codec) \
TARGET static float \
row_jensen_shannon_##name(int n, const float *q, const void *row, float scale) \
{ \
	return row_jensen_shannon(codec, n, q, row, scale); \
}

ROW_JENSEN_SHANNON(float32, VS_CODEC_FLOAT32)
ROW_JENSEN_SHANNON(float16, VS_CODEC_FLOAT16)
ROW_JENSEN_SHANNON(int8, VS_CODEC_INT8)

TARGET static double
jensen_shannon(int n, const float *a, const float *b, double scale_a,
			   double scale_b)
{
	D			sum = (D) {0};

	for (int i = 0; i < n; i += DW)
	{
		int			count = n - i < DW ? n - i : DW;
		D			u = d_load(a + i, count) * scale_a;
		D			w = d_load(b + i, count) * scale_b;

		sum = sum + divergence_double(u, w, u - w);
	}
	return d_total(sum);
}

TARGET static double
root_l2sq(int n, const float *a, const float *b, double scale_a,
		  double scale_b)
{
	D			sum = (D) {0};

	for (int i = 0; i < n; i += DW)
	{
		int			count = n - i < DW ? n - i : DW;
		D			difference = d_sqrt(d_load(a + i, count) * scale_a) -
		d_sqrt(d_load(b + i, count) * scale_b);

		sum = sum + difference * difference;
	}
	return d_total(sum);
}

static void
fill_distribution_entries(VsKernels *k)
{
	k->root_l2sq = root_l2sq;
	k->jensen_shannon = jensen_shannon;
	k->row_jensen_shannon[VS_CODEC_FLOAT32] = row_jensen_shannon_float32;
	k->row_jensen_shannon[VS_CODEC_FLOAT16] = row_jensen_shannon_float16;
	k->row_jensen_shannon[VS_CODEC_INT8] = row_jensen_shannon_int8;
}
