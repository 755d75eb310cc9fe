/*
 * tokenizer_compile_steps.c
 *		Compiling the normalizers and pre-tokenizers of a tokenizer.json.
 */
#include "postgres.h"

#include "common/unicode_norm.h"

#include "embed/tokenizer_compile.h"
#include "embed/unicode_tables.h"

static bool
is(const char *type, const char *name)
{
	return strcmp(type, name) == 0;
}

/* ------------------------------------------------------------------------
 * Patterns
 * ------------------------------------------------------------------------ */

/* What a pattern may be. */
typedef struct Pattern
{
	const VsJson *literal;		/* a string to be found as it is, or NULL */
	const VsJson *regex;		/* else: the regular expression */
	uint32		least;			/* regex is a run: of so many characters */
	const char *character;		/* this one, of length */
	int			length;			/* 0: any white space */
} Pattern;

#define REGEX_META	".^$*+?()[]{}|\\"

/* Is the regular expression X+ or X{n,}, with X a character or \s? */
static bool
read_run(Pattern *pattern)
{
	const char *p = pattern->regex->u.string;
	const char *end = p + pattern->regex->count;
	uint32		c;

	pattern->character = p;
	if (strncmp(p, "\\s", 2) == 0)
		p += 2;
	else if (p < end && strchr(REGEX_META, *p) == NULL)
		p += pattern->length = vs_utf8_get(p, end, &c);
	else
		return false;
	if (is(p, "+"))
		pattern->least = 1;
	else if (p[0] == '{' && p[1] >= '1' && p[1] <= '9' && is(p + 2, ",}"))
		pattern->least = p[1] - '0';
	return pattern->least > 0;
}

static void
read_pattern(VsCompiler *c, const VsJson *component, Pattern *pattern)
{
	const VsJson *json = vs_compiler_member(c, component, "pattern", VS_JSON_OBJECT);
	const VsJson *regex = vs_json_find(json, "Regex");

	memset(pattern, 0, sizeof(*pattern));
	if (regex == NULL)
		pattern->literal = vs_compiler_member(c, json, "String", VS_JSON_STRING);
	else if (regex->kind != VS_JSON_STRING)
		vs_compiler_bad(c, "A pattern is not a string.");
	else if (strpbrk(regex->u.string, REGEX_META) == NULL)
		pattern->literal = regex;
	else
	{
		pattern->regex = regex;
		read_run(pattern);
	}
	if (pattern->literal != NULL && pattern->literal->count == 0)
		vs_compiler_unsupported(c, "pattern", "");
}

/* ------------------------------------------------------------------------
 * Normalizers
 * ------------------------------------------------------------------------ */

static void
add_normalizer(VsCompiler *c, VsNormKindOfText kind, uint32 flags, VsSpan a, VsSpan b)
{
	VsTokenizerHeader *header = vs_compiler_header(c);
	VsTokenStep *step;

	if (header->normalize_count == VS_TOKENIZER_MAX_STEPS)
		vs_compiler_bad(c, "There are too many normalizers.");
	step = &header->normalize[header->normalize_count++];
	step->kind = kind;
	step->flags = flags;
	step->a = a;
	step->b = b;
}

static void
add_plain_normalizer(VsCompiler *c, VsNormKindOfText kind, uint32 flags)
{
	VsSpan		none = {0};

	add_normalizer(c, kind, flags, none, none);
}

static void
compile_bert(VsCompiler *c, const VsJson *json)
{
	bool		lower = vs_json_bool(c->file, json, "lowercase", true);
	uint32		flags = lower ? VS_BERT_LOWERCASE : 0;

	if (vs_json_bool(c->file, json, "clean_text", true))
		flags |= VS_BERT_CLEAN;
	if (vs_json_bool(c->file, json, "handle_chinese_chars", true))
		flags |= VS_BERT_CHINESE;
	if (vs_json_bool(c->file, json, "strip_accents", lower))
		flags |= VS_BERT_STRIP_ACCENTS;
	add_plain_normalizer(c, VS_NORMALIZE_BERT, flags);
}

static void
compile_replace(VsCompiler *c, const VsJson *json)
{
	const VsJson *content = vs_compiler_member(c, json, "content", VS_JSON_STRING);
	Pattern		pattern;
	VsSpan		a;
	VsSpan		b = vs_compiler_add_string(c, content);

	read_pattern(c, json, &pattern);
	if (pattern.literal != NULL)
	{
		a = vs_compiler_add_string(c, pattern.literal);
		add_normalizer(c, VS_NORMALIZE_REPLACE, 0, a, b);
	}
	else if (pattern.least > 0)
	{
		a = vs_compiler_add(c, pattern.character, pattern.length, 1);
		add_normalizer(c, VS_NORMALIZE_REPLACE_RUN, pattern.least, a, b);
	}
	else
		vs_compiler_unsupported(c, "pattern", pattern.regex->u.string);
}

/* Decode base64 with padding; returns the number of bytes, or -1. */
static int64
decode_base64(const char *text, uint32 len, unsigned char *out)
{
	static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32		bits = 0;
	int64		count = 0;
	uint32		i;

	if (len % 4 != 0)
		return -1;
	for (i = 0; i < len && text[i] != '='; i++)
	{
		const char *digit = strchr(digits, text[i]);

		if (digit == NULL || text[i] == 0)
			return -1;
		bits = bits << 6 | (uint32) (digit - digits);
		if (i % 4 != 0)
			out[count++] = (unsigned char) (bits >> (6 - i % 4 * 2));
	}
	if (len - i > 2 || (i < len && text[len - 1] != '='))
		return -1;
	return count;
}

static void
compile_precompiled(VsCompiler *c, const VsJson *json)
{
	const VsJson *text = vs_json_find(json, "precompiled_charsmap");
	unsigned char *map;
	int64		len;
	uint32		trie_bytes;
	VsSpan		units;
	VsSpan		texts;

	if (text == NULL)
		return;
	if (text->kind != VS_JSON_STRING)
		vs_compiler_bad(c, "A charsmap is not a string.");
	map = palloc((Size) text->count + 4);
	len = decode_base64(text->u.string, text->count, map);
	if (len == 0)
		return;
	if (len < 4)
		vs_compiler_bad(c, "A charsmap is not in base64.");
	trie_bytes = map[0] | map[1] << 8 | map[2] << 16 | (uint32) map[3] << 24;
	if (trie_bytes > len - 4 || trie_bytes % 4 != 0)
		vs_compiler_bad(c, "A charsmap is cut off.");
	/* little-endian on disk and in all processors we run on */
	units = vs_compiler_add(c, map + 4, trie_bytes / 4, 4);
	texts = vs_compiler_add(c, map + 4 + trie_bytes, (uint32) (len - 4 - trie_bytes), 1);
	add_normalizer(c, VS_NORMALIZE_PRECOMPILED, 0, units, texts);
	pfree(map);
}

static void
compile_strip(VsCompiler *c, const VsJson *json)
{
	uint32		flags = 0;

	if (vs_json_bool(c->file, json, "strip_left", true))
		flags |= VS_STRIP_LEFT;
	if (vs_json_bool(c->file, json, "strip_right", true))
		flags |= VS_STRIP_RIGHT;
	add_plain_normalizer(c, VS_NORMALIZE_STRIP, flags);
}

void
vs_compile_normalizer(VsCompiler *c, const VsJson *json)
{
	const char *type;

	if (json == NULL)
		return;
	type = vs_compiler_type(c, json);
	if (is(type, "Sequence"))
	{
		const VsJson *all = vs_compiler_member(c, json, "normalizers", VS_JSON_ARRAY);

		for (uint32 i = 0; i < all->count; i++)
			vs_compile_normalizer(c, &all->u.items[i]);
	}
	else if (is(type, "BertNormalizer"))
		compile_bert(c, json);
	else if (is(type, "NFC"))
		add_plain_normalizer(c, VS_NORMALIZE_UNICODE, UNICODE_NFC);
	else if (is(type, "NFD"))
		add_plain_normalizer(c, VS_NORMALIZE_UNICODE, UNICODE_NFD);
	else if (is(type, "NFKC"))
		add_plain_normalizer(c, VS_NORMALIZE_UNICODE, UNICODE_NFKC);
	else if (is(type, "NFKD"))
		add_plain_normalizer(c, VS_NORMALIZE_UNICODE, UNICODE_NFKD);
	else if (is(type, "Lowercase"))
		add_plain_normalizer(c, VS_NORMALIZE_LOWERCASE, 0);
	else if (is(type, "StripAccents"))
		add_plain_normalizer(c, VS_NORMALIZE_STRIP_ACCENTS, 0);
	else if (is(type, "Strip"))
		compile_strip(c, json);
	else if (is(type, "Replace"))
		compile_replace(c, json);
	else if (is(type, "Prepend"))
	{
		VsSpan		none = {0};
		VsSpan		text = vs_compiler_add_string(c,
												  vs_compiler_member(c, json, "prepend", VS_JSON_STRING));

		add_normalizer(c, VS_NORMALIZE_PREPEND, 0, text, none);
	}
	else if (is(type, "Precompiled"))
		compile_precompiled(c, json);
	else
		vs_compiler_unsupported(c, "normalizer", type);
}

/* ------------------------------------------------------------------------
 * Pre-tokenizers
 * ------------------------------------------------------------------------ */

static void
add_splitter(VsCompiler *c, VsSplitKind kind, uint32 flags, VsSpan pattern)
{
	VsTokenizerHeader *header = vs_compiler_header(c);
	VsTokenStep *step;

	if (header->split_count == VS_TOKENIZER_MAX_STEPS)
		vs_compiler_bad(c, "There are too many pre-tokenizers.");
	step = &header->split[header->split_count++];
	step->kind = kind;
	step->flags = flags;
	step->a = pattern;
}

static void
add_plain_splitter(VsCompiler *c, VsSplitKind kind, uint32 flags)
{
	VsSpan		none = {0};

	add_splitter(c, kind, flags, none);
}

static VsSplitBehavior
read_behavior(VsCompiler *c, const VsJson *json, const char *absent)
{
	static const char *const names[] = {
		[VS_BEHAVIOR_REMOVED] = "Removed",
		[VS_BEHAVIOR_ISOLATED] = "Isolated",
		[VS_BEHAVIOR_PREVIOUS] = "MergedWithPrevious",
		[VS_BEHAVIOR_NEXT] = "MergedWithNext",
		[VS_BEHAVIOR_CONTIGUOUS] = "Contiguous",
	};
	const char *name = vs_json_string(c->file, json, "behavior");

	if (name == NULL)
		name = absent;
	for (Size i = 0; i < lengthof(names); i++)
		if (is(name, names[i]))
			return (VsSplitBehavior) i;
	vs_compiler_unsupported(c, "split behavior", name);
}

static const char gpt2_pattern[] =
"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
static const char clip_pattern[] =
"<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

static void
compile_split(VsCompiler *c, const VsJson *json)
{
	VsSplitBehavior behavior = read_behavior(c, json, "");
	uint32		flags = behavior |
	(vs_json_bool(c->file, json, "invert", false) ? VS_SPLIT_INVERT : 0);
	Pattern		pattern;

	read_pattern(c, json, &pattern);
	if (pattern.literal != NULL)
		add_splitter(c, VS_SPLIT_STRING, flags,
					 vs_compiler_add_string(c, pattern.literal));
	else if (is(pattern.regex->u.string, gpt2_pattern))
		add_plain_splitter(c, VS_SPLIT_GPT2, flags);
	else if (is(pattern.regex->u.string, clip_pattern))
		add_plain_splitter(c, VS_SPLIT_CLIP, flags);
	else if (pattern.least == 1 && pattern.length == 0 &&
			 flags == VS_BEHAVIOR_REMOVED)
		add_plain_splitter(c, VS_SPLIT_SPACE, flags);
	else if (pattern.least == 1 && pattern.length == 0 &&
			 (flags == VS_BEHAVIOR_ISOLATED || flags == VS_BEHAVIOR_CONTIGUOUS))
		add_plain_splitter(c, VS_SPLIT_SPACE, VS_BEHAVIOR_CONTIGUOUS);
	else
		vs_compiler_unsupported(c, "pattern", pattern.regex->u.string);
}

/* The old form has only add_prefix_space, the new one only prepend_scheme. */
static void
compile_metaspace(VsCompiler *c, const VsJson *json)
{
	const VsJson *mark = vs_compiler_member(c, json, "replacement", VS_JSON_STRING);
	const char *scheme = vs_json_string(c->file, json, "prepend_scheme");
	bool		old_form = vs_json_bool(c->file, json, "add_prefix_space", true);
	uint32		flags = VS_BEHAVIOR_NEXT;
	uint32		character;

	if (mark->count == 0 ||
		(uint32) vs_utf8_get(mark->u.string, mark->u.string + mark->count,
							 &character) != mark->count)
		vs_compiler_bad(c, "The replacement of Metaspace is not one character.");
	if (scheme == NULL)
		scheme = old_form ? "always" : "never";
	if (is(scheme, "always"))
		flags |= VS_SPLIT_PREFIX_ALWAYS;
	else if (is(scheme, "first"))
		flags |= VS_SPLIT_PREFIX_FIRST;
	else if (!is(scheme, "never"))
		vs_compiler_unsupported(c, "Metaspace scheme", scheme);
	if (vs_json_bool(c->file, json, "split", true))
		flags |= VS_SPLIT_CUT;
	add_splitter(c, VS_SPLIT_METASPACE, flags, vs_compiler_add_string(c, mark));
}

static void
compile_byte_level(VsCompiler *c, const VsJson *json)
{
	uint32		flags = 0;

	if (vs_json_bool(c->file, json, "add_prefix_space", true))
		flags |= VS_SPLIT_PREFIX_ALWAYS;
	if (vs_json_bool(c->file, json, "use_regex", true))
		flags |= VS_SPLIT_CUT;
	for (int i = 0; i < vs_compiler_header(c)->split_count; i++)
		if (vs_compiler_header(c)->split[i].kind == VS_SPLIT_BYTE_LEVEL)
			vs_compiler_bad(c, "ByteLevel is there twice.");
	add_plain_splitter(c, VS_SPLIT_BYTE_LEVEL, flags);
}

void
vs_compile_splitter(VsCompiler *c, const VsJson *json)
{
	const char *type;

	if (json == NULL)
		return;
	type = vs_compiler_type(c, json);
	if (is(type, "Sequence"))
	{
		const VsJson *all = vs_compiler_member(c, json, "pretokenizers", VS_JSON_ARRAY);

		for (uint32 i = 0; i < all->count; i++)
			vs_compile_splitter(c, &all->u.items[i]);
	}
	else if (is(type, "BertPreTokenizer"))
		add_plain_splitter(c, VS_SPLIT_BERT, 0);
	else if (is(type, "Whitespace"))
		add_plain_splitter(c, VS_SPLIT_WHITESPACE, VS_BEHAVIOR_REMOVED | VS_SPLIT_INVERT);
	else if (is(type, "WhitespaceSplit"))
		add_plain_splitter(c, VS_SPLIT_SPACE, VS_BEHAVIOR_REMOVED);
	else if (is(type, "Punctuation"))
		add_plain_splitter(c, VS_SPLIT_PUNCTUATION, read_behavior(c, json, "Isolated"));
	else if (is(type, "Digits"))
		add_plain_splitter(c, VS_SPLIT_DIGITS,
						   vs_json_bool(c->file, json, "individual_digits", false) ?
						   VS_BEHAVIOR_ISOLATED : VS_BEHAVIOR_CONTIGUOUS);
	else if (is(type, "Split"))
		compile_split(c, json);
	else if (is(type, "Metaspace"))
		compile_metaspace(c, json);
	else if (is(type, "ByteLevel"))
		compile_byte_level(c, json);
	else
		vs_compiler_unsupported(c, "pre-tokenizer", type);
}
