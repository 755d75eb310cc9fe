/*
 * tokenizer_split.c
 *		Pre-tokenizers: cutting a normalized text into words.
 *
 * The splitters of a tokenizer stand in a row: each cuts what the one before
 * leaves, and what the last one leaves goes to the model at once.  So nothing
 * is kept but the rewritten text of the splitters that rewrite it, and all
 * can stop as soon as there are tokens enough.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "embed/tokenizer_block.h"
#include "embed/unicode_tables.h"

/* A splitter at work on a text. */
typedef struct Splitter
{
	VsTokenRun *run;
	int			index;			/* of the step; the count of them: the model */
	const VsTokenStep *step;
	const char *end;			/* of the text */
} Splitter;

/*
 * The length of the next segment at p, and whether it is one of those that the
 * splitter looks for.  What is between two matches is one segment.
 */
typedef Size (*SegmentFunction) (const Splitter *s, const char *p, bool *match);

static void split_at(VsTokenRun *run, int index, const char *text, Size len, bool at_start);

/* ------------------------------------------------------------------------
 * Segments
 * ------------------------------------------------------------------------ */

/* Length of the characters from p on that have any of the flags, or none. */
static Size
run_of(const char *p, const char *end, uint32 flags, bool wanted)
{
	const char *at = p;

	while (at < end)
	{
		uint32		c;
		int			length = vs_utf8_get(at, end, &c);

		if (((vs_char_flags(c) & flags) != 0) != wanted)
			break;
		at += length;
	}
	return at - p;
}

/* Characters with a flag, one by one. */
static Size
segment_flag(const Splitter *s, const char *p, uint32 flag, bool *match)
{
	uint32		c;
	int			length = vs_utf8_get(p, s->end, &c);

	*match = (vs_char_flags(c) & flag) != 0;
	return *match ? (Size) length : run_of(p, s->end, flag, false);
}

static Size
segment_space(const Splitter *s, const char *p, bool *match)
{
	return segment_flag(s, p, VS_CHAR_SPACE, match);
}

static Size
segment_punctuation(const Splitter *s, const char *p, bool *match)
{
	return segment_flag(s, p, VS_CHAR_PUNCTUATION, match);
}

static Size
segment_digit(const Splitter *s, const char *p, bool *match)
{
	return segment_flag(s, p, VS_CHAR_NUMERIC, match);
}

/* \w+|[^\w\s]+, whose matches are what is wanted */
static Size
segment_whitespace(const Splitter *s, const char *p, bool *match)
{
	uint32		c;
	uint32		flags;

	vs_utf8_get(p, s->end, &c);
	flags = vs_char_flags(c);
	*match = (flags & (VS_CHAR_SPACE | VS_CHAR_WORD)) != VS_CHAR_SPACE;
	if (flags & VS_CHAR_WORD)
		return run_of(p, s->end, VS_CHAR_WORD, true);
	if (flags & VS_CHAR_SPACE)
		return run_of(p, s->end, VS_CHAR_SPACE, true);
	return run_of(p, s->end, VS_CHAR_WORD | VS_CHAR_SPACE, false);
}

/* The pattern of the step; also the replacement character of Metaspace. */
static Size
segment_string(const Splitter *s, const char *p, bool *match)
{
	const char *pattern = VS_BLOCK_AT(s->run->tokenizer->header, s->step->a);
	Size		len = s->step->a.count;
	const char *at = p;

	*match = (Size) (s->end - p) >= len && memcmp(p, pattern, len) == 0;
	if (*match)
		return len;
	while ((Size) (s->end - at) >= len)
	{
		at = memchr(at, pattern[0], s->end - at - len + 1);
		if (at == NULL)
			break;
		if (memcmp(at, pattern, len) == 0)
			return at - p;
		at++;
	}
	return s->end - p;
}

/* 's|'t|'re|'ve|'m|'ll|'d, or 0 */
static Size
contraction(const char *p, const char *end)
{
	if (end - p < 2 || *p != '\'')
		return 0;
	if (strchr("stmd", p[1]) != NULL && p[1] != 0)
		return 2;
	if (end - p >= 3 && (memcmp(p + 1, "re", 2) == 0 ||
						 memcmp(p + 1, "ve", 2) == 0 ||
						 memcmp(p + 1, "ll", 2) == 0))
		return 3;
	return 0;
}

#define PATTERN_ANY		(VS_CHAR_LETTER | VS_CHAR_NUMBER | VS_CHAR_PATTERN_SPACE)

/* Letters, or numbers, or neither of them nor space, whatever is at p. */
static Size
alike(const char *p, const char *end)
{
	uint32		c;
	uint32		flags;

	if (p == end)
		return 0;
	vs_utf8_get(p, end, &c);
	flags = vs_char_flags(c) & PATTERN_ANY;
	if (flags & VS_CHAR_PATTERN_SPACE)
		return 0;
	if (flags == 0)
		return run_of(p, end, PATTERN_ANY, false);
	return run_of(p, end, flags, true);
}

/*
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * Nothing is left between matches.  Of several spaces before something else
 * the last one is left to it, or stands alone.
 */
static Size
segment_gpt2(const Splitter *s, const char *p, bool *match)
{
	Size		length = contraction(p, s->end);
	const char *last;

	*match = true;
	if (length > 0)
		return length;
	length = alike(p, s->end);
	if (length > 0)
		return length;
	if (*p == ' ')
	{
		length = alike(p + 1, s->end);
		if (length > 0)
			return length + 1;
	}
	length = run_of(p, s->end, VS_CHAR_PATTERN_SPACE, true);
	if (p + length == s->end)
		return length;
	last = p + length - 1;
	while (last > p && ((unsigned char) *last & 0xC0) == 0x80)
		last--;
	return last > p ? (Size) (last - p) : length;
}

/*
 * <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|
 * [^\s\p{L}\p{N}]+
 */
static Size
segment_clip(const Splitter *s, const char *p, bool *match)
{
	static const char *const literals[] = {"<|startoftext|>", "<|endoftext|>"};
	Size		length;
	uint32		c;

	*match = true;
	for (Size i = 0; i < lengthof(literals); i++)
	{
		length = strlen(literals[i]);
		if ((Size) (s->end - p) >= length && memcmp(p, literals[i], length) == 0)
			return length;
	}
	length = contraction(p, s->end);
	if (length > 0)
		return length;
	length = vs_utf8_get(p, s->end, &c);
	if (vs_char_flags(c) & VS_CHAR_NUMBER)
		return length;
	length = alike(p, s->end);
	if (length > 0)
		return length;
	*match = false;
	return run_of(p, s->end, VS_CHAR_PATTERN_SPACE, true);
}

/* ------------------------------------------------------------------------
 * From segments to pieces
 * ------------------------------------------------------------------------ */

/* Give the pieces of a text on, as the behavior makes them from segments. */
static void
cut(Splitter *s, SegmentFunction segment, const char *text, Size len, bool at_start)
{
	VsSplitBehavior behavior = s->step->flags & VS_BEHAVIOR_MASK;
	bool		invert = (s->step->flags & VS_SPLIT_INVERT) != 0;
	const char *p = text;
	const char *piece = text;	/* begins what waits for more */
	bool		waiting_match = false;

	s->end = text + len;
	while (p < s->end && !s->run->full)
	{
		const char *start = p;
		bool match;
		bool		joins = false;

		p += segment(s, p, &match);
		match	  ^=invert;

		if (start > piece)
		{
			if (behavior == VS_BEHAVIOR_PREVIOUS)
				joins = match &&!waiting_match;

			else if (behavior == VS_BEHAVIOR_NEXT)
				joins = !match &&waiting_match;
			else if (behavior == VS_BEHAVIOR_CONTIGUOUS)
				joins = match == waiting_match;

			if (!joins)
				split_at(s->run, s->index + 1, piece, start - piece,
						 at_start && piece == text);
		}
		if (behavior == VS_BEHAVIOR_REMOVED && match)
			piece = p;
		else if (!joins)
			piece = start;
		waiting_match = match;
	}
	if (piece < s->end && !s->run->full)
		split_at(s->run, s->index + 1, piece, s->end - piece, at_start && piece == text);
}

/* Spaces removed, then punctuation isolated. */
static void
split_bert(Splitter *s, const char *text, Size len, bool at_start)
{
	const char *p = text;
	const char *end = text + len;

	while (p < end && !s->run->full)
	{
		const char *start = p;
		uint32		c;
		uint32		flags;

		p += vs_utf8_get(p, end, &c);
		flags = vs_char_flags(c) & (VS_CHAR_SPACE | VS_CHAR_PUNCTUATION);
		if (flags & VS_CHAR_SPACE)
			continue;
		if (flags == 0)
			p += run_of(p, end, VS_CHAR_SPACE | VS_CHAR_PUNCTUATION, false);
		split_at(s->run, s->index + 1, start, p - start, at_start && start == text);
	}
}

static void
split_metaspace(Splitter *s, const char *text, Size len, bool at_start)
{
	const VsTokenStep *step = s->step;
	const char *mark = VS_BLOCK_AT(s->run->tokenizer->header, step->a);
	Size		mark_len = step->a.count;
	VsBytes    *out = &s->run->scratch[s->index];
	const char *end = text + len;

	out->len = 0;
	vs_bytes_reserve(out, len + mark_len);
	if ((step->flags & VS_SPLIT_PREFIX_ALWAYS ||
		 (step->flags & VS_SPLIT_PREFIX_FIRST && at_start)) &&
		text[0] != ' ' &&
		!(len >= mark_len && memcmp(text, mark, mark_len) == 0))
		vs_bytes_add(out, mark, mark_len);
	while (text < end)
	{
		const char *space = memchr(text, ' ', end - text);
		const char *stop = space ? space : end;

		vs_bytes_add(out, text, stop - text);
		if (space)
			vs_bytes_add(out, mark, mark_len);
		text = space ? space + 1 : end;
	}
	if (step->flags & VS_SPLIT_CUT)
		cut(s, segment_string, out->data, out->len, at_start);
	else
		split_at(s->run, s->index + 1, out->data, out->len, at_start);
}

/*
 * The character that stands for a byte: printable ones of Latin 1 for
 * themselves, the others from U+0100 on.
 */
static uint32
byte_char(unsigned char byte)
{
	if (byte <= 0x20)
		return 0x100 + byte;
	if (byte >= 0x7F && byte <= 0xA0)
		return 0x121 + (byte - 0x7F);
	if (byte == 0xAD)
		return 0x143;
	return byte;
}

/* Segments of the pattern, or everything; then bytes become characters. */
static void
split_byte_level(Splitter *s, const char *text, Size len, bool at_start)
{
	const VsTokenStep *step = s->step;
	VsTokenRun *run = s->run;
	VsBytes    *out = &run->scratch[s->index];
	VsBytes		prefixed = {0};
	const char *p;

	if (step->flags & VS_SPLIT_PREFIX_ALWAYS && text[0] != ' ')
	{
		vs_bytes_reserve(&prefixed, len + 1);
		vs_bytes_add_char(&prefixed, ' ');
		vs_bytes_add(&prefixed, text, len);
		text = prefixed.data;
		len = prefixed.len;
	}
	p = text;
	s->end = text + len;
	while (p < s->end && !run->full)
	{
		bool match;
		const char *stop = step->flags & VS_SPLIT_CUT ?
		p + segment_gpt2(s, p, &match) : s->end;
		bool		first = at_start && p == text;

		out->len = 0;
		vs_bytes_reserve(out, 2 * (Size) (stop - p));
		while (p < stop)
			out->len += vs_utf8_put(out->data + out->len,
									byte_char((unsigned char) *p++));
		split_at(run, s->index + 1, out->data, out->len, first);
	}
	if (prefixed.data != NULL)
		pfree(prefixed.data);
}

/* ------------------------------------------------------------------------
 * The row of splitters
 * ------------------------------------------------------------------------ */

/* Give a text, which is not empty, to a splitter or to the model. */
static void
split_at(VsTokenRun *run, int index, const char *text, Size len, bool at_start)
{
	const VsTokenizerHeader *header = run->tokenizer->header;
	Splitter	s = {.run = run,.index = index};
	static const SegmentFunction segments[] = {
		[VS_SPLIT_WHITESPACE] = segment_whitespace,
		[VS_SPLIT_SPACE] = segment_space,
		[VS_SPLIT_PUNCTUATION] = segment_punctuation,
		[VS_SPLIT_DIGITS] = segment_digit,
		[VS_SPLIT_STRING] = segment_string,
		[VS_SPLIT_GPT2] = segment_gpt2,
		[VS_SPLIT_CLIP] = segment_clip,
	};
	static const VsWordFunction words[] = {
		[VS_TOKEN_WORDPIECE] = vs_wordpiece_word,
		[VS_TOKEN_UNIGRAM] = vs_unigram_word,
		[VS_TOKEN_BPE] = vs_bpe_word,
	};

	if (index == header->split_count)
	{
		CHECK_FOR_INTERRUPTS();
		words[header->model] (run, text, len);
		return;
	}
	s.step = &header->split[index];
	switch (s.step->kind)
	{
		case VS_SPLIT_BERT:
			split_bert(&s, text, len, at_start);
			break;
		case VS_SPLIT_METASPACE:
			split_metaspace(&s, text, len, at_start);
			break;
		case VS_SPLIT_BYTE_LEVEL:
			split_byte_level(&s, text, len, at_start);
			break;
		default:
			cut(&s, segments[s.step->kind], text, len, at_start);
			break;
	}
}

void
vs_split_text(VsTokenRun *run, const char *text, Size len, bool at_start)
{
	if (len > 0)
		split_at(run, 0, text, len, at_start);
}
