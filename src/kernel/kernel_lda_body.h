/*
 * kernel_lda_body.h
 *		The loops of topic models, over a vector of VS_LDA_LANES floats.
 *
 * The file that includes this has defined
 *
 *	SWEEP, FOLD				names of the functions
 *	TARGET, INLINE			what comes before functions
 *	V						a vector, of lanes 0 .. 15
 *	v_zero(), v_set1(f), v_load(p), v_store(p, x)
 *	v_add, v_sub, v_mul, v_fma(a, b, c) = a * b + c, v_abs
 *	v_only(lane, f)			f in one lane, zeros in the others
 *	v_put(x, lane, f)		x with f in one lane
 *	v_quad_prefix(x)		running sums in each quad: x0, x0+x1, (x1+x2)+x0,
 *							(x2+x3)+(x0+x1)
 *	v_quad_last(x)			the last lane of each quad in all of its lanes
 *	v_up_quads1(x), v_up_quads2(x)	lanes moved up by one or two quads, zeros in
 *	v_sum(x)				the sum of all lanes, in any order
 *	v_count_le(x, f)		how many of the lanes 0 .. 14 are <= f
 *
 * The topics of lane l are l, l + 16, l + 32 ...
 */

/*
 * Running sums of the lanes.  The order of the additions is part of the
 * result.
 */
INLINE		V
prefix(V x)
{
	V			last;
	V			below;

	x = v_quad_prefix(x);
	last = v_quad_last(x);
	below = v_up_quads1(last);
	x = v_add(x, below);
	return v_add(x, v_up_quads2(v_add(last, below)));
}

/*
 * The topic at u, in [0, 1), of the running sums that a pass has left: total
 * has the sums of the lanes, sums those of each lane.  First the lane, then the
 * place in it, by halving.
 */
INLINE int
draw(const VsLdaSampler *s, V total, float u)
{
	float		ends[VS_LDA_LANES] __attribute__((aligned(64)));
	V			end = prefix(total);
	int			rows = s->stride / VS_LDA_LANES;
	int			first = 0;
	int			topic;
	int			lane;
	float		target;
	float		before;
	const float *sums;

	v_store(ends, end);
	target = u * ends[VS_LDA_LANES - 1];
	lane = v_count_le(end, target);
	before = lane > 0 ? ends[lane - 1] : 0;
	sums = s->sums + lane;
	while (rows > 1)
	{
		int			half = rows / 2;

		first += before + sums[(first + half - 1) * VS_LDA_LANES] <= target ?
			half : 0;
		rows -= half;
	}
	topic = first * VS_LDA_LANES + lane;

	/* rounding can lead behind the last one */
	return topic < s->topics ? topic : s->topics - 1;
}

/* One pass over a row of weights, and the draw. */
INLINE int
draw_fresh(const VsLdaSampler *s, const float *row, float u)
{
	V			beta = v_set1(s->beta);
	V			sum = v_zero();

	for (int i = 0; i < s->stride; i += VS_LDA_LANES)
	{
		sum = v_fma(v_load(s->weight + i), v_add(v_load(row + i), beta), sum);
		v_store(s->sums + i, sum);
	}
	return draw(s, sum, u);
}

/*
 * The same as if one token of topic old had been taken out of all counts.
 * Nothing is written: most tokens keep their topic.
 */
INLINE int
draw_again(const VsLdaSampler *s, const float *row, int old, float u)
{
	V			beta = v_set1(s->beta);
	V			sum = v_zero();
	int			at = old / VS_LDA_LANES * VS_LDA_LANES;
	int			lane = old % VS_LDA_LANES;
	float		weight = (s->doc[old] - 1 + s->alpha[old]) /
	(float) (s->topic[old] - 1 + s->beta_sum);

	for (int i = 0; i < at; i += VS_LDA_LANES)
	{
		sum = v_fma(v_load(s->weight + i), v_add(v_load(row + i), beta), sum);
		v_store(s->sums + i, sum);
	}
	sum = v_fma(v_put(v_load(s->weight + at), lane, weight),
				v_add(v_sub(v_load(row + at), v_only(lane, 1)), beta), sum);
	v_store(s->sums + at, sum);
	for (int i = at + VS_LDA_LANES; i < s->stride; i += VS_LDA_LANES)
	{
		sum = v_fma(v_load(s->weight + i), v_add(v_load(row + i), beta), sum);
		v_store(s->sums + i, sum);
	}
	return draw(s, sum, u);
}

/* Count a token in (by = 1) or out (by = -1). */
INLINE void
count_token(const VsLdaSampler *s, float *row, int k, float by)
{
	row[k] += by;
	s->topic[k] += by;
	s->doc[k] += by;
	s->inverse[k] = 1 / (float) (s->topic[k] + s->beta_sum);
	s->weight[k] = (s->doc[k] + s->alpha[k]) * s->inverse[k];
}

INLINE void
prefetch_row(const VsLdaSampler *s, uint32_t word)
{
	const float *row = s->word_topic + (size_t) word * s->stride;

	for (int i = 0; i < s->stride; i += VS_LDA_LANES)
		__builtin_prefetch(row + i);
}

INLINE void
sweep_doc(const VsLdaSampler *s, bool fresh, uint64_t random, size_t n,
		  const uint32_t *words, uint16_t *topics)
{
	if (!fresh)
		for (size_t i = 0; i < n; i++)
			s->doc[topics[i]] += 1;
	for (int i = 0; i < s->stride; i += VS_LDA_LANES)
		v_store(s->weight + i,
				v_mul(v_add(v_load(s->doc + i), v_load(s->alpha + i)),
					  v_load(s->inverse + i)));
	for (size_t i = 0; i < n; i++)
	{
		float	   *row = s->word_topic + (size_t) words[i] * s->stride;
		float		u;
		int			k;

		prefetch_row(s, words[i + VS_LDA_WORD_PAD]);
		random += VS_LDA_GOLDEN;
		u = (float) (vs_lda_mix(random) >> 40) * 0x1p-24f;
		if (fresh)
			k = draw_fresh(s, row, u);
		else
		{
			k = draw_again(s, row, topics[i], u);
			if (k == topics[i])
				continue;
			count_token(s, row, topics[i], -1);
		}
		count_token(s, row, k, 1);
		topics[i] = (uint16_t) k;
	}
	for (size_t i = 0; i < n; i++)
		s->doc[topics[i]] = 0;
}

TARGET void
SWEEP(const VsLdaSampler *s, bool fresh, uint64_t seed, size_t ndocs,
	  const VsLdaDoc *docs, const uint32_t *words, uint16_t *topics)
{
	for (size_t d = 0; d < ndocs; d++)
		sweep_doc(s, fresh, vs_lda_mix(docs[d].key ^ seed), docs[d].length,
				  words + docs[d].start, topics + docs[d].start);
}

/*
 * For each word its count by its probability, theta . row; 0 if no topic that
 * has a share can make it: it says nothing then.
 */
INLINE void
fold_ratios(int stride, int n, const float *const *rows, const float *counts,
			const float *theta, float *ratios)
{
	for (int w = 0; w < n; w++)
	{
		V			dot = v_zero();
		float		p;

		for (int i = 0; i < stride; i += VS_LDA_LANES)
			dot = v_fma(v_load(theta + i), v_load(rows[w] + i), dot);
		p = v_sum(dot);
		ratios[w] = p > 0 ? counts[w] / p : 0;
	}
}

/* The sum over words of their ratios by their rows, at i. */
INLINE		V
fold_sum(int i, int n, const float *const *rows, const float *ratios)
{
	V			even = v_zero();
	V			odd = v_zero();
	int			w = 0;

	for (; w + 1 < n; w += 2)
	{
		even = v_fma(v_set1(ratios[w]), v_load(rows[w] + i), even);
		odd = v_fma(v_set1(ratios[w + 1]), v_load(rows[w + 1] + i), odd);
	}
	if (w < n)
		even = v_fma(v_set1(ratios[w]), v_load(rows[w] + i), even);
	return v_add(even, odd);
}

TARGET float
FOLD(int stride, const float *alpha, int n, const float *const *rows,
	 const float *counts, float tolerance, int iterations,
	 float *theta, float *ratios)
{
	float		tokens = 0;
	float		prior;
	float		total;
	V			sum = v_zero();
	V			share;

	for (int w = 0; w < n; w++)
		tokens += counts[w];
	for (int i = 0; i < stride; i += VS_LDA_LANES)
		sum = v_add(sum, v_load(alpha + i));
	prior = v_sum(sum);
	total = prior;
	share = v_set1(1 + tokens / prior);
	for (int i = 0; i < stride; i += VS_LDA_LANES)
		v_store(theta + i, v_mul(v_load(alpha + i), share));
	for (int round = 0; round < iterations && n > 0; round++)
	{
		V			change = v_zero();

		fold_ratios(stride, n, rows, counts, theta, ratios);
		sum = v_zero();
		for (int i = 0; i < stride; i += VS_LDA_LANES)
		{
			V			old = v_load(theta + i);
			V			new = v_fma(old, fold_sum(i, n, rows, ratios),
									v_load(alpha + i));

			change = v_add(change, v_abs(v_sub(new, old)));
			sum = v_add(sum, new);
			v_store(theta + i, new);
		}
		total = v_sum(sum);
		if (v_sum(change) < tolerance * (tokens + prior))
			break;
	}
	return total;
}
