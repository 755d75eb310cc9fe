/*
 * unicode_tables.h
 *		Properties of characters that tokenizers look at, and UTF-8.
 *
 * The tables follow the parts of the tokenizers library, which are of
 * different versions of Unicode (test/data/tokenizer/unicode_tables.js).
 */
#ifndef VS_EMBED_UNICODE_TABLES_H
#define VS_EMBED_UNICODE_TABLES_H

#define VS_CHAR_SPACE			(1 << 0)	/* White_Space */
#define VS_CHAR_CONTROL			(1 << 1)	/* what BERT drops */
#define VS_CHAR_NONSPACING		(1 << 2)	/* Mn, after decomposition */
#define VS_CHAR_MARK			(1 << 3)	/* M */
#define VS_CHAR_PUNCTUATION		(1 << 4)	/* as BERT sees it */
#define VS_CHAR_LETTER			(1 << 5)	/* \p{L} of the GPT-2 pattern */
#define VS_CHAR_NUMBER			(1 << 6)	/* \p{N} of it */
#define VS_CHAR_PATTERN_SPACE	(1 << 7)	/* \s of it */
#define VS_CHAR_WORD			(1 << 8)	/* \w */
#define VS_CHAR_NUMERIC			(1 << 9)	/* Rust's char::is_numeric */
#define VS_CHAR_CASED			(1 << 10)
#define VS_CHAR_CASE_IGNORABLE	(1 << 11)
#define VS_CHAR_INDIC_CONSONANT (1 << 12)	/* Indic_Conjunct_Break */
#define VS_CHAR_INDIC_LINKER	(1 << 13)

/* What a character does at the borders of grapheme clusters. */
typedef enum VsCluster
{
	VS_CLUSTER_OTHER = 0,
	VS_CLUSTER_CONTROL,
	VS_CLUSTER_EXTEND,
	VS_CLUSTER_SPACING,
	VS_CLUSTER_PREPEND,
	VS_CLUSTER_L,
	VS_CLUSTER_V,
	VS_CLUSTER_T,
	VS_CLUSTER_LV,
	VS_CLUSTER_LVT,
	VS_CLUSTER_PICTOGRAPHIC,
	VS_CLUSTER_ZWJ,
} VsCluster;

/* Lower case of every step-th character from first to last: + delta. */
typedef struct VsUnicodeCase
{
	int32		first;
	int32		last;
	int32		step;
	int32		delta;
} VsUnicodeCase;

/* Pages of 256 characters that have an index. */
#define VS_UNICODE_PAGES		0x200

/* unicode_tables.c */
extern const uint32 vs_unicode_combinations[];
extern const uint32 vs_unicode_ascii[128];
extern const uint16 vs_unicode_pages[VS_UNICODE_PAGES + 1];
extern const uint32 vs_unicode_ranges[];
extern const int vs_unicode_range_count;
extern const VsUnicodeCase vs_unicode_cases[];
extern const int vs_unicode_case_count;

/* unicode_chars.c */

/* The combination of a character. */
extern uint32 vs_char_look_up(uint32 c);

/* The flags of a character, and its VsCluster. */
static inline uint32
vs_char_flags(uint32 c)
{
	return (c < 0x80 ? vs_unicode_ascii[c] : vs_char_look_up(c)) & 0xFFFF;
}

static inline VsCluster
vs_char_cluster(uint32 c)
{
	return (VsCluster) ((c < 0x80 ? vs_unicode_ascii[c] : vs_char_look_up(c)) >> 16);
}

/* The lower case of c; U+0130 has two characters: *second, else 0. */
extern uint32 vs_char_lower(uint32 c, uint32 *second);

/*
 * The character at p < end; returns its length, which is never more than what
 * is there.  What is no UTF-8 counts as U+FFFD, one byte long.
 */
extern int	vs_utf8_get_slow(const char *p, const char *end, uint32 *c);

static inline int
vs_utf8_get(const char *p, const char *end, uint32 *c)
{
	if ((signed char) *p >= 0)
	{
		*c = (unsigned char) *p;
		return 1;
	}
	return vs_utf8_get_slow(p, end, c);
}

/* Write c to p, which has room for 4 bytes; returns the length. */
extern int	vs_utf8_put(char *p, uint32 c);

/*
 * The length of the first extended grapheme cluster (UAX 29) of p..end, which
 * is not empty.
 */
extern Size vs_cluster_length(const char *p, const char *end);

#endif							/* VS_EMBED_UNICODE_TABLES_H */
