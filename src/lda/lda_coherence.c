/*
 * lda_coherence.c
 *		Topic coherence: do the top words of a topic occur together?
 *
 * Three measures of Roeder, Both, Hinneburg: Exploring the Space of Topic
 * Coherence Measures (WSDM 2015), as gensim's CoherenceModel computes them,
 * so that figures can be compared, and one more.  With p the share of the windows, or of the
 * documents, that have a word or both words, and e = 1e-12:
 *
 *	u_mass	the mean over pairs (i, j), j before i in the list, of
 *			log((p(i,j) + e) / p(j)), over documents; a pair whose p(j) is 0
 *			counts as 0
 *	c_npmi	the mean over pairs of npmi(i,j) = log((p(i,j) + e) / (p(i) p(j)))
 *			/ -log(p(i,j) + e), over windows of 10 words
 *	npmi	that of c_npmi, over documents
 *	c_v		each word i has the vector of npmi(i,j) for all words j of the
 *			list, itself included; the mean of the cosines of those with their
 *			sum; over windows of 110 words
 *
 * What gensim does at the edges is done here too:
 *
 * - A document shorter than the window is one window.  One without any words
 *	 has no window here, while gensim fails; u_mass counts it as a document.
 * - Words that are in no list keep their place in the windows.
 * - A word that occurs twice in a window is taken to be gone when the first of
 *	 its occurrences leaves on the left, until another one enters on the right.
 * - A word of a list that occurs nowhere has p = 0: c_npmi of its topic is
 *	 infinity, and c_v is NaN.
 * - A topic with one word has no pairs: u_mass and c_npmi are NaN, c_v is 1.
 *	 A topic without words, which gensim refuses, is NaN.
 *
 * Only words of some list are counted ("slots"), and pairs of them that are in
 * one list.  A window is not looked at one by one: when a word leaves, it and
 * its pairs gain the number of windows since they came.  So a document costs
 * a look at each of its words, and one at the partners of those in a list.
 */
#include "postgres.h"

#include <math.h>

#include "lda/lda_coherence.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define EPSILON		1e-12
#define ABSENT		(-1)

/* A word that is in a list, and its windows in the document under way. */
typedef struct VsLdaSlot
{
	int64		count;			/* windows, or documents, that had it */
	int64		since;			/* the window it came with, or ABSENT */
	Size		first_partner;	/* its partners end where the next one's start */
} VsLdaSlot;

typedef struct VsLdaPartner
{
	int			slot;
	Size		pair;			/* of the two */
} VsLdaPartner;

/* An occurrence in the document under way. */
typedef struct VsLdaPlace
{
	int			position;
	int			slot;
} VsLdaPlace;

struct VsLdaCoherence
{
	/* settled at the start */
	MemoryContext context;		/* everything is in it */
	VsLdaMeasure measure;
	int			window;			/* words; 0: the document */
	int			topics;
	int			top_n;
	int			vocabulary;
	int			slots;
	Size		pairs;
	int		   *slot_of;		/* [vocabulary], or ABSENT */
	int		   *top_slots;		/* [topics][top_n], or ABSENT */
	uint64	   *pair_key;		/* [pairs], ascending */
	VsLdaPartner *partner;		/* [2 * pairs] */

	/* counted */
	VsLdaSlot  *slot;			/* [slots + 1] */
	int64	   *pair_count;		/* [pairs] */
	int64		windows;		/* or documents */

	/* of the document under way */
	VsLdaPlace *place;
	int			places;
	int			max_places;
};

static void assign_slots(VsLdaCoherence *coherence, const int *top_words);
static void list_pairs(VsLdaCoherence *coherence);
static void list_partners(VsLdaCoherence *coherence);
static uint64 key_of(int a, int b);
static int	compare_keys(const void *a, const void *b);
static void find_places(VsLdaCoherence *coherence, int n, const int *ids);
static void slide(VsLdaCoherence *coherence, int width, int64 windows);
static void enter(VsLdaCoherence *coherence, int slot, int64 window);
static void leave(VsLdaCoherence *coherence, int slot, int64 window);
static int	words_of(const VsLdaCoherence *coherence, int topic, int *words);
static int64 together(const VsLdaCoherence *coherence, int a, int b);
static double npmi(const VsLdaCoherence *coherence, int a, int b);
static double mean_log_conditional(const VsLdaCoherence *coherence,
								   int n, const int *words);
static double mean_npmi(const VsLdaCoherence *coherence,
						int n, const int *words);
static double mean_cosine(const VsLdaCoherence *coherence,
						  int n, const int *words);

VsLdaCoherence *
vs_lda_coherence_begin(MemoryContext context, VsLdaMeasure measure,
					   int topics, int top_n, const int *top_words,
					   int vocabulary)
{
	MemoryContext own = AllocSetContextCreate(context, "topic coherence",
											  ALLOCSET_DEFAULT_SIZES);
	VsLdaCoherence *coherence;

	coherence = MemoryContextAllocZero(own, sizeof(VsLdaCoherence));
	coherence->context = own;
	coherence->measure = measure;
	coherence->topics = topics;
	coherence->top_n = top_n;
	coherence->vocabulary = vocabulary;
	switch (measure)
	{
		case VS_LDA_U_MASS:
		case VS_LDA_NPMI:
			coherence->window = 0;
			break;
		case VS_LDA_C_NPMI:
			coherence->window = 10;
			break;
		case VS_LDA_C_V:
			coherence->window = 110;
			break;
	}
	assign_slots(coherence, top_words);
	list_pairs(coherence);
	list_partners(coherence);
	return coherence;
}

void
vs_lda_coherence_add(VsLdaCoherence *coherence, int n, const int *ids)
{
	int			width = coherence->window;
	int64		windows = 1;

	CHECK_FOR_INTERRUPTS();
	if (width == 0 || n < width)
		width = n;
	else
		windows = n - width + 1;
	if (n == 0 && coherence->window > 0)
		return;
	find_places(coherence, n, ids);
	slide(coherence, width, windows);
	coherence->windows += windows;
}

void
vs_lda_coherence_end(VsLdaCoherence *coherence, double *per_topic)
{
	int		   *words;

	words = MemoryContextAlloc(coherence->context,
							   sizeof(int) * Max(coherence->top_n, 1));
	for (int topic = 0; topic < coherence->topics; topic++)
	{
		int			n = words_of(coherence, topic, words);

		CHECK_FOR_INTERRUPTS();
		switch (coherence->measure)
		{
			case VS_LDA_U_MASS:
				per_topic[topic] = mean_log_conditional(coherence, n, words);
				break;
			case VS_LDA_C_NPMI:
			case VS_LDA_NPMI:
				per_topic[topic] = mean_npmi(coherence, n, words);
				break;
			case VS_LDA_C_V:
				per_topic[topic] = mean_cosine(coherence, n, words);
				break;
		}
	}
	MemoryContextDelete(coherence->context);
}

/* Number the words that are in a list. */
static void
assign_slots(VsLdaCoherence *coherence, const int *top_words)
{
	Size		listed = (Size) coherence->topics * coherence->top_n;

	coherence->slot_of =
		MemoryContextAllocHuge(coherence->context,
							   sizeof(int) * Max(coherence->vocabulary, 1));
	for (int word = 0; word < coherence->vocabulary; word++)
		coherence->slot_of[word] = ABSENT;
	coherence->top_slots = MemoryContextAllocHuge(coherence->context,
												  sizeof(int) * Max(listed, 1));
	for (Size i = 0; i < listed; i++)
	{
		int			word = top_words[i];

		Assert(word >= -1 && word < coherence->vocabulary);
		coherence->top_slots[i] = ABSENT;
		if (word < 0)
			continue;
		if (coherence->slot_of[word] == ABSENT)
			coherence->slot_of[word] = coherence->slots++;
		coherence->top_slots[i] = coherence->slot_of[word];
	}
	coherence->slot =
		MemoryContextAllocHuge(coherence->context,
							   sizeof(VsLdaSlot) * (coherence->slots + 1));
	for (int slot = 0; slot <= coherence->slots; slot++)
		coherence->slot[slot] = (VsLdaSlot)
	{
		.since = ABSENT
	};
}

/* All pairs that are in one list, each once. */
static void
list_pairs(VsLdaCoherence *coherence)
{
	int			top_n = coherence->top_n;
	Size		most = (Size) coherence->topics * top_n * Max(top_n - 1, 0) / 2;
	Size		n = 0;
	uint64	   *key;

	key = MemoryContextAllocHuge(coherence->context,
								 sizeof(uint64) * Max(most, 1));
	for (int topic = 0; topic < coherence->topics; topic++)
	{
		const int  *words = coherence->top_slots + (Size) topic * top_n;

		for (int i = 1; i < top_n; i++)
			for (int j = 0; j < i; j++)
				if (words[i] != ABSENT && words[j] != ABSENT)
					key[n++] = key_of(words[i], words[j]);
	}
	qsort(key, n, sizeof(uint64), compare_keys);
	coherence->pairs = 0;
	for (Size i = 0; i < n; i++)
		if (i == 0 || key[i] != key[i - 1])
			key[coherence->pairs++] = key[i];
	coherence->pair_key = key;
	coherence->pair_count =
		MemoryContextAllocHuge(coherence->context,
							   sizeof(int64) * Max(coherence->pairs, 1));
	memset(coherence->pair_count, 0, sizeof(int64) * coherence->pairs);
}

/* For each slot those that it makes a pair with. */
static void
list_partners(VsLdaCoherence *coherence)
{
	VsLdaSlot  *slot = coherence->slot;
	Size	   *filled;

	coherence->partner =
		MemoryContextAllocHuge(coherence->context,
							   sizeof(VsLdaPartner) *
							   Max(coherence->pairs * 2, 1));
	for (Size pair = 0; pair < coherence->pairs; pair++)
	{
		slot[(coherence->pair_key[pair] >> 32) + 1].first_partner++;
		slot[(uint32) coherence->pair_key[pair] + 1].first_partner++;
	}
	for (int i = 0; i < coherence->slots; i++)
		slot[i + 1].first_partner += slot[i].first_partner;

	filled = MemoryContextAllocHuge(coherence->context,
									sizeof(Size) * (coherence->slots + 1));
	for (int i = 0; i < coherence->slots; i++)
		filled[i] = slot[i].first_partner;
	for (Size pair = 0; pair < coherence->pairs; pair++)
	{
		int			a = coherence->pair_key[pair] >> 32;
		int			b = (uint32) coherence->pair_key[pair];

		coherence->partner[filled[a]++] = (VsLdaPartner)
		{
			b, pair
		};
		coherence->partner[filled[b]++] = (VsLdaPartner)
		{
			a, pair
		};
	}
	pfree(filled);
}

static uint64
key_of(int a, int b)
{
	return (uint64) Max(a, b) << 32 | (uint64) Min(a, b);
}

static int
compare_keys(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return (left > right) - (left < right);
}

/* The words of the document that are in a list. */
static void
find_places(VsLdaCoherence *coherence, int n, const int *ids)
{
	VsLdaPlace *place;

	if (n > coherence->max_places)
	{
		if (coherence->place != NULL)
			pfree(coherence->place);
		coherence->place = MemoryContextAllocHuge(coherence->context,
												  sizeof(VsLdaPlace) * n);
		coherence->max_places = n;
	}
	place = coherence->place;
	for (int position = 0; position < n; position++)
	{
		Assert(ids[position] < coherence->vocabulary);
		if (ids[position] >= 0 && coherence->slot_of[ids[position]] != ABSENT)
		{
			place->position = position;
			place->slot = coherence->slot_of[ids[position]];
			place++;
		}
	}
	coherence->places = place - coherence->place;
}

/*
 * Move a window of that width over the places.  Window w holds positions w to
 * w + width - 1; from one to the next a word leaves first, then one enters.
 */
static void
slide(VsLdaCoherence *coherence, int width, int64 windows)
{
	const VsLdaPlace *entering = coherence->place;
	const VsLdaPlace *leaving = coherence->place;
	const VsLdaPlace *end = coherence->place + coherence->places;

	for (; entering < end; entering++)
	{
		int64		window = Max(entering->position - width + 1, 0);

		for (; leaving->position + 1 <= window; leaving++)
			leave(coherence, leaving->slot, leaving->position + 1);
		enter(coherence, entering->slot, window);
	}
	for (; leaving < end && leaving->position + 1 < windows; leaving++)
		leave(coherence, leaving->slot, leaving->position + 1);
	for (; leaving < end; leaving++)
		leave(coherence, leaving->slot, windows);
}

static void
enter(VsLdaCoherence *coherence, int slot, int64 window)
{
	if (coherence->slot[slot].since == ABSENT)
		coherence->slot[slot].since = window;
}

/* Unless it is gone already; this window is the first without it. */
static void
leave(VsLdaCoherence *coherence, int slot, int64 window)
{
	VsLdaSlot  *self = &coherence->slot[slot];
	const VsLdaPartner *partner = coherence->partner + self->first_partner;
	const VsLdaPartner *end = coherence->partner + self[1].first_partner;

	if (self->since == ABSENT)
		return;
	self->count += window - self->since;
	for (; partner < end; partner++)
	{
		int64		since = coherence->slot[partner->slot].since;

		if (since != ABSENT)
			coherence->pair_count[partner->pair] +=
				window - Max(since, self->since);
	}
	self->since = ABSENT;
}

/* The slots of a topic's words; returns how many there are. */
static int
words_of(const VsLdaCoherence *coherence, int topic, int *words)
{
	const int  *top = coherence->top_slots + (Size) topic * coherence->top_n;
	int			n = 0;

	for (int i = 0; i < coherence->top_n; i++)
		if (top[i] != ABSENT)
			words[n++] = top[i];
	return n;
}

/* How many windows had both. */
static int64
together(const VsLdaCoherence *coherence, int a, int b)
{
	uint64		key = key_of(a, b);
	const uint64 *found;

	if (a == b)
		return coherence->slot[a].count;
	found = bsearch(&key, coherence->pair_key, coherence->pairs,
					sizeof(uint64), compare_keys);
	Assert(found != NULL);
	return coherence->pair_count[found - coherence->pair_key];
}

static double
npmi(const VsLdaCoherence *coherence, int a, int b)
{
	double		windows = coherence->windows;
	double		both = together(coherence, a, b) / windows + EPSILON;
	double		p_a = coherence->slot[a].count / windows;
	double		p_b = coherence->slot[b].count / windows;

	return log(both / (p_a * p_b)) / -log(both);
}

static double
mean_log_conditional(const VsLdaCoherence *coherence, int n, const int *words)
{
	double		documents = coherence->windows;
	double		sum = 0;
	int			pairs = 0;

	for (int i = 1; i < n; i++)
		for (int j = 0; j < i; j++, pairs++)
		{
			int64		before = coherence->slot[words[j]].count;
			int64		both = together(coherence, words[i], words[j]);

			if (before > 0)
				sum += log((both / documents + EPSILON) /
						   (before / documents));
		}
	return pairs > 0 ? sum / pairs : NAN;
}

static double
mean_npmi(const VsLdaCoherence *coherence, int n, const int *words)
{
	double		sum = 0;
	int			pairs = 0;

	for (int i = 1; i < n; i++)
		for (int j = 0; j < i; j++, pairs++)
			sum += npmi(coherence, words[i], words[j]);
	return pairs > 0 ? sum / pairs : NAN;
}

static double
mean_cosine(const VsLdaCoherence *coherence, int n, const int *words)
{
	double	   *vectors;		/* [n][n] */
	double	   *total;			/* [n] */
	double		total_square = 0;
	double		sum = 0;

	if (n == 0)
		return NAN;
	vectors = MemoryContextAllocHuge(coherence->context,
									 sizeof(double) * n * (n + 1));
	total = vectors + (Size) n * n;
	for (int j = 0; j < n; j++)
		total[j] = 0;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
		{
			vectors[i * n + j] = npmi(coherence, words[i], words[j]);
			total[j] += vectors[i * n + j];
		}
	for (int j = 0; j < n; j++)
		total_square += total[j] * total[j];
	for (int i = 0; i < n; i++)
	{
		const double *vector = vectors + (Size) i * n;
		double		square = 0;
		double		dot = 0;

		for (int j = 0; j < n; j++)
		{
			square += vector[j] * vector[j];
			dot += vector[j] * total[j];
		}
		sum += dot / (sqrt(square) * sqrt(total_square));
	}
	pfree(vectors);
	return sum / n;
}
