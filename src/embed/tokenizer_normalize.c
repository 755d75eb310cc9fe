/*
 * tokenizer_normalize.c
 *		Normalizers: what is done to a text before it is split.
 *
 * Each goes over the text once and writes another; two buffers take turns.
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "embed/tokenizer_block.h"
#include "embed/unicode_tables.h"

/* How many bytes to go over between two looks for interrupts. */
#define INTERRUPT_STRIDE	65536

/* ------------------------------------------------------------------------
 * Growing bytes
 * ------------------------------------------------------------------------ */

void
vs_bytes_reserve(VsBytes *bytes, Size more)
{
	Size		wanted;

	if (bytes->room - bytes->len >= more)
		return;
	if (more > MaxAllocHugeSize / 4 || bytes->len > MaxAllocHugeSize / 4 ||
		(bytes->limit > 0 && bytes->len + more > bytes->limit))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("text too long to tokenize")));
	wanted = Max(bytes->room * 2, Max(bytes->len + more, 256));
	if (bytes->data == NULL)
		bytes->data = MemoryContextAllocHuge(CurrentMemoryContext, wanted);
	else
		bytes->data = repalloc_huge(bytes->data, wanted);
	bytes->room = wanted;
}

void
vs_bytes_add(VsBytes *bytes, const char *data, Size len)
{
	if (len == 0)
		return;
	vs_bytes_reserve(bytes, len);
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

void
vs_bytes_add_char(VsBytes *bytes, uint32 c)
{
	vs_bytes_reserve(bytes, 4);
	bytes->len += vs_utf8_put(bytes->data + bytes->len, c);
}

/* ------------------------------------------------------------------------
 * Characters one by one
 * ------------------------------------------------------------------------ */

/* A text being rewritten. */
typedef struct Rewrite
{
	const VsTokenizerHeader *header;
	const VsTokenStep *step;
	const char *text;
	Size		len;
	VsBytes    *out;
	bool		lost_start;		/* the first character was dropped */
} Rewrite;

/* A function that writes what becomes of the character c, or nothing. */
typedef void (*CharFunction) (VsBytes *out, uint32 c);

/* What becomes of each ASCII character: one of them, or -1 for nothing. */
typedef struct AsciiMap
{
	int8		to[128];
	bool		simple[128];	/* it is so simple */
} AsciiMap;

static void
map_ascii(AsciiMap *map, CharFunction function)
{
	char		room[16];
	VsBytes		out = {.data = room,.room = sizeof(room)};

	for (uint32 c = 0; c < 128; c++)
	{
		out.len = 0;
		function(&out, c);
		map->simple[c] = out.len <= 1;
		map->to[c] = out.len == 0 ? -1 : (int8) room[0];
	}
}

/* Texts that are long enough get their ASCII by table. */
#define WORTH_A_MAP		256

static void
each_char(Rewrite *r, CharFunction function)
{
	const char *p = r->text;
	const char *end = p + r->len;
	const char *pause = p + INTERRUPT_STRIDE;
	AsciiMap	map = {0};

	if (r->len >= WORTH_A_MAP)
		map_ascii(&map, function);
	vs_bytes_reserve(r->out, r->len);
	while (p < end)
	{
		uint32		c;
		bool		first = p == r->text;

		if ((signed char) *p >= 0 && map.simple[(int) *p])
		{
			int8		to = map.to[(int) *p++];

			if (to >= 0)
			{
				vs_bytes_reserve(r->out, 1);
				r->out->data[r->out->len++] = to;
			}
		}
		else
		{
			p += vs_utf8_get(p, end, &c);
			function(r->out, c);
		}
		if (first && r->out->len == 0)
			r->lost_start = true;
		if (p > pause)
		{
			CHECK_FOR_INTERRUPTS();
			pause = p + INTERRUPT_STRIDE;
		}
	}
}

static void
clean_char(VsBytes *out, uint32 c)
{
	uint32		flags;

	if (c > ' ' && c < 0x7F)
	{
		vs_bytes_add_char(out, c);
		return;
	}
	flags = vs_char_flags(c);
	if (flags & VS_CHAR_CONTROL)
		return;
	vs_bytes_add_char(out, flags & VS_CHAR_SPACE ? ' ' : c);
}

/* The blocks of Chinese characters that BERT puts spaces round. */
static bool
is_chinese(uint32 c)
{
	return c >= 0x3400 &&
		(c <= 0x4DBF ||
		 (c >= 0x4E00 && c <= 0x9FFF) ||
		 (c >= 0xF900 && c <= 0xFAFF) ||
		 (c >= 0x20000 && c <= 0x2A6DF) ||
		 (c >= 0x2A700 && c <= 0x2B81F) ||
		 (c >= 0x2B920 && c <= 0x2CEAF) ||
		 (c >= 0x2F800 && c <= 0x2FA1F));
}

static void
space_chinese(VsBytes *out, uint32 c)
{
	bool		chinese = is_chinese(c);

	if (chinese)
		vs_bytes_add_char(out, ' ');
	vs_bytes_add_char(out, c);
	if (chinese)
		vs_bytes_add_char(out, ' ');
}

static void
lower_char(VsBytes *out, uint32 c)
{
	uint32		second;

	vs_bytes_add_char(out, vs_char_lower(c, &second));
	if (second != 0)
		vs_bytes_add_char(out, second);
}

static void
drop_nonspacing(VsBytes *out, uint32 c)
{
	if (c < 0x80 || !(vs_char_flags(c) & VS_CHAR_NONSPACING))
		vs_bytes_add_char(out, c);
}

static void
drop_marks(VsBytes *out, uint32 c)
{
	if (c < 0x80 || !(vs_char_flags(c) & VS_CHAR_MARK))
		vs_bytes_add_char(out, c);
}

/*
 * A capital sigma ends a word if a cased letter is before it and none behind,
 * not counting what case ignores.  Looked for no further than this.
 */
#define SIGMA_REACH		64

static bool
is_final_sigma(const char *text, const char *at, const char *behind, const char *end)
{
	const char *p = at;
	uint32		c;
	uint32		flags;

	for (int i = 0;; i++)
	{
		if (p == text || i == SIGMA_REACH)
			return false;
		do
			p--;
		while (p > text && ((unsigned char) *p & 0xC0) == 0x80);
		vs_utf8_get(p, at, &c);
		flags = vs_char_flags(c);
		if (!(flags & VS_CHAR_CASE_IGNORABLE))
			break;
	}
	if (!(flags & VS_CHAR_CASED))
		return false;
	for (int i = 0; behind < end && i < SIGMA_REACH; i++)
	{
		behind += vs_utf8_get(behind, end, &c);
		flags = vs_char_flags(c);
		if (!(flags & VS_CHAR_CASE_IGNORABLE))
			return !(flags & VS_CHAR_CASED);
	}
	return true;
}

void
vs_lower_text(const char *text, Size len, VsBytes *out)
{
	const char *p = text;
	const char *end = text + len;

	vs_bytes_reserve(out, len);
	while (p < end)
	{
		uint32		c;
		int			length = vs_utf8_get(p, end, &c);

		if (c == 0x3A3 && is_final_sigma(text, p, p + length, end))
			vs_bytes_add_char(out, 0x3C2);
		else
			lower_char(out, c);
		p += length;
	}
}

/* ------------------------------------------------------------------------
 * Unicode normalization forms
 * ------------------------------------------------------------------------ */

/*
 * The server's function sorts runs of marks by insertion and wants the whole
 * text as wide characters.  So it gets a few hundred characters at a time,
 * up to where the next one has nothing to do with those before.  A run of
 * marks that is longer than any honest one (UAX 15 thinks of 30) is cut.
 */
#define CHUNK_CHARS		512
#define CHUNK_LIMIT		1024
#define MARKS_LIMIT		256

/* May c, or what it decomposes to, combine with what is before it? */
static bool
may_combine(uint32 c)
{
	if (c < 0x300)
		return false;
	if ((c >= 0x1100 && c <= 0x11FF) || (c >= 0x3130 && c <= 0x318F) ||
		(c >= 0xA960 && c <= 0xA97F) || (c >= 0xD7B0 && c <= 0xD7FF) ||
		(c >= 0xFF9E && c <= 0xFFDC) || (c >= 0x16D60 && c <= 0x16D6F))
		return true;
	return (vs_char_flags(c) & VS_CHAR_MARK) != 0;
}

static void
normalize_chunk(UnicodeNormalizationForm form, pg_wchar *chars, int count, VsBytes *out)
{
	pg_wchar   *result;

	chars[count] = 0;
	result = unicode_normalize(form, chars);
	for (const pg_wchar *p = result; *p != 0; p++)
		vs_bytes_add_char(out, *p);
	pfree(result);
}

static void
unicode_form(Rewrite *r, UnicodeNormalizationForm form)
{
	const char *p = r->text;
	const char *end = p + r->len;
	pg_wchar	chars[CHUNK_LIMIT + 1];
	int			count = 0;
	int			marks = 0;		/* at the end of chars */

	vs_bytes_reserve(r->out, r->len);
	while (p < end)
	{
		uint32		c;
		bool		combines;
		const char *run = p;

		/* all forms leave ASCII alone, but its last may combine */
		while (run < end && (signed char) *run > 0)
			run++;
		if (run - p > 1)
		{
			normalize_chunk(form, chars, count, r->out);
			vs_bytes_add(r->out, p, run - p - 1);
			count = marks = 0;
			p = run - 1;
			CHECK_FOR_INTERRUPTS();
		}
		p += vs_utf8_get(p, end, &c);
		combines = may_combine(c);
		marks = combines ? marks + 1 : 0;
		if (count == CHUNK_LIMIT || marks == MARKS_LIMIT ||
			(count >= CHUNK_CHARS && !combines))
		{
			normalize_chunk(form, chars, count, r->out);
			count = marks = 0;
			CHECK_FOR_INTERRUPTS();
		}
		if (c == 0)
		{
			normalize_chunk(form, chars, count, r->out);
			vs_bytes_add_char(r->out, 0);
			count = 0;
		}
		else
			chars[count++] = c;
	}
	normalize_chunk(form, chars, count, r->out);
}

/* ------------------------------------------------------------------------
 * Other normalizers
 * ------------------------------------------------------------------------ */

static void
strip(Rewrite *r)
{
	const char *p = r->text;
	const char *end = p + r->len;
	const char *kept_end;
	uint32		c;

	if (r->step->flags & VS_STRIP_LEFT)
	{
		while (p < end)
		{
			int			length = vs_utf8_get(p, end, &c);

			if (!(vs_char_flags(c) & VS_CHAR_SPACE))
				break;
			p += length;
			r->lost_start = true;
		}
	}
	kept_end = end;
	while (r->step->flags & VS_STRIP_RIGHT && kept_end > p)
	{
		const char *last = kept_end - 1;

		while (last > p && ((unsigned char) *last & 0xC0) == 0x80)
			last--;
		vs_utf8_get(last, kept_end, &c);
		if (!(vs_char_flags(c) & VS_CHAR_SPACE))
			break;
		kept_end = last;
	}
	vs_bytes_add(r->out, p, kept_end - p);
}

static void
replace(Rewrite *r)
{
	const VsTokenStep *step = r->step;
	const char *pattern = VS_BLOCK_AT(r->header, step->a);
	Size		pattern_len = step->a.count;
	const char *p = r->text;
	const char *end = p + r->len;
	const char *done = p;

	vs_bytes_reserve(r->out, r->len);
	while (end - p >= (ptrdiff_t) pattern_len &&
		   (p = memchr(p, pattern[0], end - p - pattern_len + 1)) != NULL)
	{
		if (memcmp(p, pattern, pattern_len) != 0)
		{
			p++;
			continue;
		}
		vs_bytes_add(r->out, done, p - done);
		vs_bytes_add(r->out, VS_BLOCK_AT(r->header, step->b), step->b.count);
		if (p == r->text && step->b.count == 0)
			r->lost_start = true;
		p += pattern_len;
		done = p;
	}
	vs_bytes_add(r->out, done, end - done);
}

/* Runs of at least flags times the character of a, or of any space. */
static void
replace_run(Rewrite *r)
{
	const VsTokenStep *step = r->step;
	const char *pattern = VS_BLOCK_AT(r->header, step->a);
	uint32		wanted = 0;
	const char *p = r->text;
	const char *end = p + r->len;

	if (step->a.count > 0)
		vs_utf8_get(pattern, pattern + step->a.count, &wanted);
	vs_bytes_reserve(r->out, r->len);
	while (p < end)
	{
		const char *start = p;
		uint32		times = 0;
		uint32		c;

		while (p < end)
		{
			int			length = vs_utf8_get(p, end, &c);

			if (wanted != 0 ? c != wanted : !(vs_char_flags(c) & VS_CHAR_SPACE))
				break;
			p += length;
			times++;
		}
		if (times >= step->flags)
		{
			vs_bytes_add(r->out, VS_BLOCK_AT(r->header, step->b), step->b.count);
			if (start == r->text && step->b.count == 0)
				r->lost_start = true;
		}
		else
		{
			if (times == 0)
				p += vs_utf8_get(p, end, &c);
			vs_bytes_add(r->out, start, p - start);
		}
	}
}

static void
prepend(Rewrite *r)
{
	if (r->len > 0)
		vs_bytes_add(r->out, VS_BLOCK_AT(r->header, r->step->a), r->step->a.count);
	vs_bytes_add(r->out, r->text, r->len);
}

/* The bits of a unit of a Darts double array. */
#define DARTS_OFFSET(unit)		(((unit) >> 10) << (((unit) & (1U << 9)) >> 6))
#define DARTS_LABEL(unit)		((unit) & ((1U << 31) | 0xFF))
#define DARTS_HAS_LEAF(unit)	(((unit) >> 8) & 1)
#define DARTS_VALUE(unit)		((unit) & 0x7FFFFFFF)

/*
 * What the shortest rule that text begins with says, which replaces all of
 * the text; NULL if there is none.
 */
static const char *
precompiled_rule(const Rewrite *r, const char *text, Size len, Size *result_len)
{
	const uint32 *units = VS_BLOCK_AT(r->header, r->step->a);
	uint32		count = r->step->a.count;
	const char *texts = VS_BLOCK_AT(r->header, r->step->b);
	uint32		place = 0;

	if (count == 0)
		return NULL;
	place = DARTS_OFFSET(units[0]);
	for (Size i = 0; i < len; i++)
	{
		unsigned char byte = (unsigned char) text[i];
		uint32		unit;
		uint32		value;
		const char *stop;

		place ^= byte;
		if (byte == 0 || place >= count)
			return NULL;
		unit = units[place];
		if (DARTS_LABEL(unit) != byte)
			return NULL;
		place ^= DARTS_OFFSET(unit);
		if (!DARTS_HAS_LEAF(unit))
			continue;
		if (place >= count)
			return NULL;
		value = DARTS_VALUE(units[place]);
		if (value >= r->step->b.count)
			return NULL;
		stop = memchr(texts + value, 0, r->step->b.count - value);
		*result_len = (stop ? (Size) (stop - texts) : r->step->b.count) - value;
		return texts + value;
	}
	return NULL;
}

/*
 * As the tokenizers library reads a charsmap: a grapheme cluster of up to five
 * bytes as a whole first, then each character.
 */
static void
precompiled(Rewrite *r)
{
	const char *p = r->text;
	const char *end = p + r->len;
	const char *pause = p + INTERRUPT_STRIDE;

	vs_bytes_reserve(r->out, r->len);
	while (p < end)
	{
		Size		length = vs_cluster_length(p, end);
		const char *cluster_end = p + length;
		const char *rule = NULL;
		Size		rule_len;

		if (length < 6)
			rule = precompiled_rule(r, p, length, &rule_len);
		if (rule != NULL)
		{
			vs_bytes_add(r->out, rule, rule_len);
			p = cluster_end;
		}
		while (p < cluster_end)
		{
			uint32		c;
			int			char_len = vs_utf8_get(p, cluster_end, &c);

			rule = precompiled_rule(r, p, char_len, &rule_len);
			if (rule != NULL)
				vs_bytes_add(r->out, rule, rule_len);
			else
				vs_bytes_add(r->out, p, char_len);
			p += char_len;
		}
		if (p > pause)
		{
			CHECK_FOR_INTERRUPTS();
			pause = p + INTERRUPT_STRIDE;
		}
	}
}

/* ------------------------------------------------------------------------
 * The sequence of them
 * ------------------------------------------------------------------------ */

typedef void (*RewriteFunction) (Rewrite *r);

static void
clean(Rewrite *r)
{
	each_char(r, clean_char);
}

static void
chinese(Rewrite *r)
{
	each_char(r, space_chinese);
}

static void
decompose(Rewrite *r)
{
	unicode_form(r, UNICODE_NFD);
}

static void
unaccent(Rewrite *r)
{
	each_char(r, drop_nonspacing);
}

static void
lowercase(Rewrite *r)
{
	each_char(r, lower_char);
}

static void
strip_accents(Rewrite *r)
{
	each_char(r, drop_marks);
}

static void
by_form(Rewrite *r)
{
	unicode_form(r, (UnicodeNormalizationForm) r->step->flags);
}

/*
 * How many times longer a text may become, and how much besides.  NFKC makes
 * it 11 times longer at the most; hostile replacements could fill the memory.
 */
#define MAX_GROWTH		32
#define MAX_ADDED		4096

/* The text of a sequence of rewritings, in the buffers by turns. */
typedef struct Sequence
{
	Rewrite		rewrite;
	VsBytes    *buffers[2];
	int			next;
} Sequence;

static void
rewrite(Sequence *s, RewriteFunction function)
{
	VsBytes    *out = s->buffers[s->next];

	out->len = 0;
	s->rewrite.out = out;
	function(&s->rewrite);
	s->rewrite.text = out->data;
	s->rewrite.len = out->len;
	s->next = 1 - s->next;
}

static void
bert(Sequence *s)
{
	uint32		flags = s->rewrite.step->flags;

	if (flags & VS_BERT_CLEAN)
		rewrite(s, clean);
	if (flags & VS_BERT_CHINESE)
		rewrite(s, chinese);
	if (flags & VS_BERT_STRIP_ACCENTS)
	{
		rewrite(s, decompose);
		rewrite(s, unaccent);
	}
	if (flags & VS_BERT_LOWERCASE)
		rewrite(s, lowercase);
}

void
vs_normalize_text(const VsTokenizerHeader *header, const char *text, Size len,
				  VsBytes *out, bool *kept_start)
{
	VsBytes		other = {0};
	Sequence	s = {.buffers = {out, &other}};

	out->limit = other.limit = Min(len, MaxAllocHugeSize / MAX_GROWTH / 4) *
		MAX_GROWTH + MAX_ADDED;
	s.rewrite.header = header;
	s.rewrite.text = text;
	s.rewrite.len = len;
	for (int i = 0; i < header->normalize_count; i++)
	{
		static const RewriteFunction functions[] = {
			[VS_NORMALIZE_UNICODE] = by_form,
			[VS_NORMALIZE_LOWERCASE] = lowercase,
			[VS_NORMALIZE_STRIP_ACCENTS] = strip_accents,
			[VS_NORMALIZE_STRIP] = strip,
			[VS_NORMALIZE_REPLACE] = replace,
			[VS_NORMALIZE_REPLACE_RUN] = replace_run,
			[VS_NORMALIZE_PREPEND] = prepend,
			[VS_NORMALIZE_PRECOMPILED] = precompiled,
		};

		s.rewrite.step = &header->normalize[i];
		if (s.rewrite.step->kind == VS_NORMALIZE_BERT)
			bert(&s);
		else
			rewrite(&s, functions[s.rewrite.step->kind]);
	}

	/* the result belongs into out */
	if (s.rewrite.text == text)
	{
		out->len = 0;
		vs_bytes_add(out, text, len);
	}
	else if (s.next == 0)
	{
		VsBytes		swap = *out;

		*out = other;
		other = swap;
	}
	if (other.data != NULL)
		pfree(other.data);
	*kept_start = !s.rewrite.lost_start;
}
