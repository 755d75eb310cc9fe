/*
 * unicode_chars.c
 *		Looking up characters, UTF-8, and grapheme clusters.
 */
#include "postgres.h"

#include "embed/unicode_tables.h"

uint32
vs_char_look_up(uint32 c)
{
	uint32		page = c >> 8;
	int			low = 0;
	int			high = vs_unicode_range_count;

	if (page < VS_UNICODE_PAGES)
	{
		low = vs_unicode_pages[page];
		high = vs_unicode_pages[page + 1] + 1;
	}
	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		if (vs_unicode_ranges[middle] >> 8 <= c)
			low = middle;
		else
			high = middle;
	}
	return vs_unicode_combinations[vs_unicode_ranges[low] & 0xFF];
}

uint32
vs_char_lower(uint32 c, uint32 *second)
{
	int			low = 0;
	int			high = vs_unicode_case_count;
	const VsUnicodeCase *run;

	*second = 0;
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + 32 : c;
	if (c == 0x130)
	{
		*second = 0x307;
		return 'i';
	}
	while (high - low > 1)
	{
		int			middle = (low + high) / 2;

		if ((uint32) vs_unicode_cases[middle].first <= c)
			low = middle;
		else
			high = middle;
	}
	run = &vs_unicode_cases[low];
	if (c < (uint32) run->first || c > (uint32) run->last ||
		(c - run->first) % run->step != 0)
		return c;
	return c + run->delta;
}

int
vs_utf8_get_slow(const char *p, const char *end, uint32 *c)
{
	const unsigned char *s = (const unsigned char *) p;
	Size		room = end - p;
	int			length;
	uint32		least;

	if (s[0] < 0x80)
	{
		*c = s[0];
		return 1;
	}
	if ((s[0] & 0xE0) == 0xC0)
	{
		length = 2;
		least = 0x80;
		*c = s[0] & 0x1F;
	}
	else if ((s[0] & 0xF0) == 0xE0)
	{
		length = 3;
		least = 0x800;
		*c = s[0] & 0x0F;
	}
	else
	{
		length = 4;
		least = (s[0] & 0xF8) == 0xF0 ? 0x10000 : PG_UINT32_MAX;
		*c = s[0] & 0x07;
	}
	for (int i = 1; i < length && least != PG_UINT32_MAX; i++)
	{
		if ((Size) i >= room || (s[i] & 0xC0) != 0x80)
			least = PG_UINT32_MAX;
		else
			*c = *c << 6 | (s[i] & 0x3F);
	}
	if (*c < least || *c > 0x10FFFF || (*c >= 0xD800 && *c < 0xE000))
	{
		*c = 0xFFFD;
		return 1;
	}
	return length;
}

int
vs_utf8_put(char *p, uint32 c)
{
	if (c < 0x80)
	{
		p[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		p[0] = (char) (0xC0 | c >> 6);
		p[1] = (char) (0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000)
	{
		p[0] = (char) (0xE0 | c >> 12);
		p[1] = (char) (0x80 | (c >> 6 & 0x3F));
		p[2] = (char) (0x80 | (c & 0x3F));
		return 3;
	}
	p[0] = (char) (0xF0 | (c >> 18 & 0x07));
	p[1] = (char) (0x80 | (c >> 12 & 0x3F));
	p[2] = (char) (0x80 | (c >> 6 & 0x3F));
	p[3] = (char) (0x80 | (c & 0x3F));
	return 4;
}

/* What of a cluster so far decides whether it goes on. */
typedef struct ClusterState
{
	VsCluster	last;
	bool		after_pictograph;	/* pictograph, extenders */
	bool		joined;			/* the same and a joiner */
	bool		after_consonant;	/* Indic consonant, extenders */
	bool		linked;			/* the same, with a linker among them */
} ClusterState;

static bool
is_border(const ClusterState *state, VsCluster next, uint32 next_flags)
{
	switch (next)
	{
		case VS_CLUSTER_EXTEND:
		case VS_CLUSTER_SPACING:
		case VS_CLUSTER_ZWJ:
			return state->last == VS_CLUSTER_CONTROL;
		case VS_CLUSTER_CONTROL:
			return true;
		case VS_CLUSTER_L:
		case VS_CLUSTER_LV:
		case VS_CLUSTER_LVT:
			if (state->last == VS_CLUSTER_L)
				return false;
			break;
		case VS_CLUSTER_V:
			if (state->last == VS_CLUSTER_L || state->last == VS_CLUSTER_V ||
				state->last == VS_CLUSTER_LV)
				return false;
			break;
		case VS_CLUSTER_T:
			if (state->last == VS_CLUSTER_V || state->last == VS_CLUSTER_T ||
				state->last == VS_CLUSTER_LV || state->last == VS_CLUSTER_LVT)
				return false;
			break;
		case VS_CLUSTER_PICTOGRAPHIC:
			if (state->joined)
				return false;
			break;
		default:
			if (state->linked && next_flags & VS_CHAR_INDIC_CONSONANT)
				return false;
			break;
	}
	return state->last != VS_CLUSTER_PREPEND;
}

static void
advance(ClusterState *state, VsCluster next, uint32 next_flags)
{
	bool		extends = next == VS_CLUSTER_EXTEND || next == VS_CLUSTER_ZWJ;

	state->joined = state->after_pictograph && next == VS_CLUSTER_ZWJ;
	state->after_pictograph = next == VS_CLUSTER_PICTOGRAPHIC ||
		(state->after_pictograph && next == VS_CLUSTER_EXTEND);
	if (state->after_consonant && next_flags & VS_CHAR_INDIC_LINKER)
		state->linked = true;
	else if (!extends)
		state->linked = false;
	state->after_consonant = next_flags & VS_CHAR_INDIC_CONSONANT ||
		(state->after_consonant && extends);
	state->last = next;
}

/*
 * Flags, pairs of regional indicators, are left as two clusters: whoever asks
 * looks at clusters of up to five bytes only, and theirs have eight.
 */
Size
vs_cluster_length(const char *p, const char *end)
{
	const char *at = p;
	ClusterState state = {0};
	uint32		c;
	uint32		previous;

	/* two ASCII characters in a row: the usual case */
	if ((signed char) p[0] >= 0 && p[0] != '\r' &&
		(p + 1 == end || (signed char) p[1] >= 0))
		return 1;

	at += vs_utf8_get(at, end, &c);
	advance(&state, vs_char_cluster(c), vs_char_flags(c));
	while (at < end)
	{
		int			length;
		VsCluster	next;
		uint32		flags;

		previous = c;
		length = vs_utf8_get(at, end, &c);
		next = vs_char_cluster(c);
		flags = vs_char_flags(c);
		if (!(previous == '\r' && c == '\n') &&
			is_border(&state, next, flags))
			break;
		advance(&state, next, flags);
		at += length;
	}
	return at - p;
}
