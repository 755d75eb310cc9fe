/*
 * tokenizer_test.c
 *		Tests of src/embed/tokenizer*.c: the ids of the official library
 *		(test/data/tokenizer), rules case by case, damaged blocks, broken
 *		files, long texts.  Run from the top of the tree.
 */
#include "postgres.h"

#include <stdlib.h>
#include <time.h>

#include "embed/tokenizer.h"
#include "embed/tokenizer_block.h"
#include "server_stub.h"
#include "tap.h"

#define FOLDER	"test/data/tokenizer/"
#define VOCAB	4000

static const char *const names[] = {"wordpiece", "bpe", "unigram"};

/* ------------------------------------------------------------------------
 * Tools
 * ------------------------------------------------------------------------ */

/* A file, with a NUL behind; the caller frees it. */
static char *
read_file(const char *name, Size *size)
{
	char		path[256];
	FILE	   *file;
	char	   *text;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
	{
		printf("Bail out! no %s\n", path);
		exit(1);
	}
	*size = ftell(file);
	rewind(file);
	text = malloc(*size + 1);
	if (fread(text, 1, *size, file) != *size)
		exit(1);
	text[*size] = 0;
	fclose(file);
	return text;
}

static uint64 random_state = 1;

static uint32
random_below(uint32 n)
{
	random_state = random_state * UINT64CONST(6364136223846793005) + 1442695040888963407;
	return (uint32) ((random_state >> 33) % n);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* A tokenizer and its block, which has no byte to spare. */
typedef struct Subject
{
	const char *json;			/* text to compile */
	Size		json_len;
	bool		lower_case;
	int			vocab;
	char	   *block;
	Size		block_size;
	VsTokenizer *tokenizer;
} Subject;

static void
compile(Subject *s)
{
	StringInfoData out;
	VsJson	   *json = vs_json_parse("test.json", s->json, s->json_len);

	initStringInfo(&out);
	vs_tokenizer_compile("test.json", json, s->lower_case, s->vocab, &out);
	s->block_size = out.len;
	s->block = malloc(out.len);
	memcpy(s->block, out.data, out.len);
}

static void
open_block(Subject *s)
{
	s->tokenizer = vs_tokenizer_open("test.model", s->block, s->block_size, s->vocab);
}

static void
compile_and_open(void *arg)
{
	compile(arg);
	open_block(arg);
}

static void
release(Subject *s)
{
	free(s->block);
	s->block = NULL;
	stub_reset();
}

/* The strings, as many as lines, unescaped in place. */
typedef struct Strings
{
	char	   *file;
	char	  **texts;
	int		   *lens;
	int			count;
} Strings;

static Strings strings;

static void
read_strings(void)
{
	Size		size;
	char	   *p;

	strings.file = p = read_file("strings.txt", &size);
	strings.texts = malloc(sizeof(char *) * size);
	strings.lens = malloc(sizeof(int) * size);
	while (*p)
	{
		char	   *end = strchr(p, '\n');
		char	   *to = p;

		strings.texts[strings.count] = p;
		for (; p < end; p++)
		{
			if (*p == '\\')
			{
				p++;
				*to++ = *p == 'n' ? '\n' : *p == 'r' ? '\r' : '\\';
			}
			else
				*to++ = *p;
		}
		strings.lens[strings.count] = (int) (to - strings.texts[strings.count]);
		strings.count++;
		p = end + 1;
	}
}

/* Tokens of a text that has no byte to spare. */
static void
tokenize(const VsTokenizer *tokenizer, const char *text, int len, int max, VsTokens *out)
{
	char	   *copy = palloc(len);

	memcpy(copy, text, len);
	vs_tokenize(tokenizer, copy, len, max, out);
	pfree(copy);
}

/* ------------------------------------------------------------------------
 * The official library's ids
 * ------------------------------------------------------------------------ */

static int
digit(char c)
{
	static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return (int) (strchr(digits, c) - digits);
}

/* Compare with a line of ids; returns the start of the next. */
static const char *
compare_ids(int number, const VsTokens *tokens, const char *line)
{
	for (int i = 0; i < tokens->count; i++, line += 2)
	{
		if (*line == '\n')
		{
			fail("string %d: more than %d tokens", number, i);
			break;
		}
		if (digit(line[0]) * 64 + digit(line[1]) != tokens->ids[i])
		{
			fail("string %d, token %d: %d, not %d", number, i, tokens->ids[i],
				 digit(line[0]) * 64 + digit(line[1]));
			break;
		}
	}
	if (failures == 0 && *line != '\n')
		fail("string %d: less than the right number of tokens", number);
	return strchr(line, '\n') + 1;
}

/* However few tokens are wanted, they are the first ones. */
static void
compare_cut(const VsTokenizer *tokenizer, int number, const VsTokens *all)
{
	int			before;
	int			after;
	int			max;
	VsTokens	cut;

	vs_tokenizer_specials(tokenizer, &before, &after);
	max = before + after + (int) random_below(all->count + 1);
	tokenize(tokenizer, strings.texts[number], strings.lens[number], max, &cut);
	if (cut.truncated != (all->count > max) || cut.count != Min(all->count, max))
		fail("string %d: %d of %d tokens at most %d", number, cut.count, all->count, max);
	else if (memcmp(cut.ids, all->ids, sizeof(int32) * (cut.count - after)) != 0 ||
			 memcmp(cut.ids + cut.count - after, all->ids + all->count - after,
					sizeof(int32) * after) != 0)
		fail("string %d: cut to %d tokens, they are others", number, max);
}

static void
compare_all(void *arg)
{
	Subject    *s = arg;
	char		name[64];
	Size		size;
	char	   *ids;
	const char *line;

	compile_and_open(s);
	snprintf(name, sizeof(name), "%s.ids", subject);
	line = ids = read_file(name, &size);
	for (int i = 0; i < strings.count; i++)
	{
		VsTokens	tokens;

		tokenize(s->tokenizer, strings.texts[i], strings.lens[i], PG_INT32_MAX, &tokens);
		line = compare_ids(i, &tokens, line);
		compare_cut(s->tokenizer, i, &tokens);
		pfree(tokens.ids);
	}
	if (*line)
		fail("there are more ids than strings");
	free(ids);
}

static Subject
subject_of(const char *name)
{
	Subject		s = {.vocab = VOCAB};
	char		file[64];

	snprintf(file, sizeof(file), "%s.json", name);
	s.json = read_file(file, &s.json_len);
	subject = name;
	return s;
}

static void
test_library(const char *name)
{
	Subject		s = subject_of(name);

	if (!stub_expect(0, "", compare_all, &s))
		fail("an error");
	release(&s);
	free(unconstify(char *, s.json));
	subject = "";
	end_test("%s: ids of the library for %d strings", name, strings.count);
}

/* ------------------------------------------------------------------------
 * Case by case
 * ------------------------------------------------------------------------ */

/* A file with a model; the rest goes before it. */
#define BPE_OF(vocab, more) \
	"\"model\":{\"type\":\"BPE\",\"merges\":[]," more "\"vocab\":{" vocab "}}}"
#define LETTERS	"\"a\":1,\"b\":2,\"c\":3,\"\\u2581\":4,\" \":5,\"A\":6,\"\\u0101\":7,\"e\":8"
#define SIMPLE	BPE_OF("\"?\":0," LETTERS, "\"unk_token\":\"?\",")
#define UNIGRAM(pieces, more) \
	"\"model\":{\"type\":\"Unigram\",\"unk_id\":0," more "\"vocab\":[[\"?\",0]," pieces "]}}"
#define ADDED(id, content, more) \
	"{\"id\":" #id ",\"content\":\"" content "\"," more "\"special\":true}"
#define TFJS_PIECES \
	"[\"<s>\",0],[\"</s>\",0],[\"x\",0],[\"y\",0],[\"z\",0],[\":\",null],[\"::\",-5],[\"a\",-1],[\"b\",-1],[\"ab\",-2],[\"c\",-3],[\"c\",-4]"

typedef struct Case
{
	const char *json;
	bool		lower_case;
	const char *text;
	const char *ids;			/* "1 2 3" */
} Case;

static const Case cases[] = {
	{"{" SIMPLE, false, "abd", "1 2 0"},
	{"{" SIMPLE, false, "", ""},
	{"{" SIMPLE, true, "ABC", "1 2 3"},
	{"{" SIMPLE, false, "dd", "0 0"},
	{"{" BPE_OF("\"?\":0," LETTERS, "\"unk_token\":\"?\",\"fuse_unk\":true,"), false, "dda", "0 1"},
	{"{" BPE_OF(LETTERS, ""), false, "add", "1"},
	{"{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"c\"}," SIMPLE, false, "a", "3 1"},
	{"{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"c\"}," SIMPLE, false, "", ""},
	{"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"ab\"},\"content\":\"c\"}," SIMPLE, false, "aabab", "1 3 3"},
	{"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a{2,}\"},\"content\":\"c\"}," SIMPLE, false, "abaaab", "1 2 3 2"},
	{"{\"normalizer\":{\"type\":\"NFD\"}," SIMPLE, false, "\xC4\x81", "1 0"},
	{"{\"normalizer\":{\"type\":\"NFC\"}," SIMPLE, false, "a\xCC\x84", "7"},
	{"{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":\"StripAccents\"}]}," SIMPLE, false, "\xC4\x81", "1"},
	{"{\"normalizer\":{\"type\":\"Strip\"}," SIMPLE, false, " a b ", "1 5 2"},
	{"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\"}," SIMPLE, false, "a b", "4 1 4 2"},
	{"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"never\"}," SIMPLE, false, "a b", "1 4 2"},
	{"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"add_prefix_space\":false}," SIMPLE, false, "a b", "1 4 2"},
	{"{\"added_tokens\":[" ADDED(9, "b", "") "],\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"first\"}," SIMPLE, false, "aba", "4 1 2 1"},
	{"{\"added_tokens\":[" ADDED(9, "<x>", "\"lstrip\":true,") "]," SIMPLE, false, "a <x> b", "1 9 5 2"},
	{"{\"added_tokens\":[" ADDED(9, "<x>", "\"rstrip\":true,") "]," SIMPLE, false, "a <x> b", "1 5 9 2"},
	{"{\"added_tokens\":[" ADDED(9, "bc", "\"single_word\":true,") "]," SIMPLE, false, "abc bc", "1 2 3 5 9"},
	{"{\"added_tokens\":[" ADDED(9, "ab", "") "," ADDED(10, "abc", "") "]," SIMPLE, false, "ababc", "9 10"},
	{"{\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[" ADDED(9, "AB", "\"normalized\":true,") "]," SIMPLE, false, "abAB", "9 9"},
	{"{\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[" ADDED(9, "AB", "") "]," SIMPLE, false, "abAB", "1 2 9"},
	{"{\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{\"type\":\"BertProcessing\",\"cls\":[\"a\",1],\"sep\":[\"b\",2]}]}," SIMPLE, false, "c", "1 3 2"},
	{"{" UNIGRAM("[\"a\",-1],[\"b\",-1],[\"ab\",-2]", ""), false, "ab", "3"},
	{"{" UNIGRAM("[\"a\",-1],[\"b\",-1],[\"ab\",-2.5]", ""), false, "ab", "1 2"},
	{"{" UNIGRAM("[\"a\",-1],[\"b\",-1]", ""), false, "axyb", "1 0 2"},
	{"{" UNIGRAM("[\"a\",-1],[\"<0x78>\",-1]", "\"byte_fallback\":true,"), false, "axay", "1 2 1 0"},
	/* unset is 0, null is 0, ties go to the later start, the last duplicate */
	{"{" UNIGRAM(TFJS_PIECES, "\"variant\":\"tfjs\","), false, "a:", "8 6"},
	{"{" UNIGRAM(TFJS_PIECES, "\"variant\":\"tfjs\","), false, "::", "6 6"},
	{"{" UNIGRAM(TFJS_PIECES, "\"variant\":\"tfjs\","), false, "ab", "8 9"},
	{"{" UNIGRAM(TFJS_PIECES, "\"variant\":\"tfjs\","), false, "cxy<s>", "12 0"},
};

static void
run_case(void *arg)
{
	const Case *c = arg;
	Subject		s = {.json = c->json,.json_len = strlen(c->json),
	.lower_case = c->lower_case,.vocab = 20};
	VsTokens	tokens;
	StringInfoData ids;

	compile_and_open(&s);
	tokenize(s.tokenizer, c->text, (int) strlen(c->text), 1000, &tokens);
	initStringInfo(&ids);
	for (int i = 0; i < tokens.count; i++)
		appendStringInfo(&ids, i ? " %d" : "%d", tokens.ids[i]);
	if (strcmp(ids.data, c->ids) != 0)
		fail("\"%s\" gives %s, not %s: %s", c->text, ids.data, c->ids, c->json);
	free(s.block);
}

static void
test_cases(void)
{
	for (Size i = 0; i < lengthof(cases); i++)
	{
		Case		c = cases[i];

		if (!stub_expect(0, "", run_case, &c))
			fail("an error for %s", c.json);
		stub_reset();
	}
	end_test("rules, case by case");
}

/* do_lower_case lowers a sigma by its place */
static void
test_lower(void)
{
	VsBytes		out = {0};
	const char *text = "\xCE\xA3\xCE\x91\xCE\xA3 \xCE\xA3 \xC4\xB0\xC3\x80X";
	const char *lower = "\xCF\x83\xCE\xB1\xCF\x82 \xCF\x83 i\xCC\x87\xC3\xA0x";

	vs_lower_text(text, strlen(text), &out);
	if (out.len != strlen(lower) || memcmp(out.data, lower, out.len) != 0)
		fail("%.*s", (int) out.len, out.data);
	stub_reset();
	end_test("lower case by the full map");
}

static void
find_pieces(void *arg)
{
	Subject    *s = arg;
	const char *piece;
	int			len;

	compile_and_open(s);
	piece = vs_tokenizer_piece(s->tokenizer, 2, &len);
	if (piece == NULL || len != 5 || memcmp(piece, "[CLS]", 5) != 0)
		fail("piece 2");
	if (vs_tokenizer_piece(s->tokenizer, -1, &len) != NULL ||
		vs_tokenizer_piece(s->tokenizer, VOCAB, &len) != NULL ||
		vs_tokenizer_piece(s->tokenizer, PG_INT32_MAX, &len) != NULL || len != 0)
		fail("pieces that are none");
	for (int i = 0; i < VOCAB; i++)
		if (vs_tokenizer_piece(s->tokenizer, i, &len) == NULL || len < 1)
			fail("piece %d", i);
}

static void
test_pieces(void)
{
	Subject		s = subject_of("wordpiece");

	if (!stub_expect(0, "", find_pieces, &s))
		fail("an error");
	release(&s);
	free(unconstify(char *, s.json));
	subject = "";
	end_test("pieces of ids");
}

/* ------------------------------------------------------------------------
 * What is refused
 * ------------------------------------------------------------------------ */

typedef struct Refused
{
	const char *json;
	int			sqlstate;
	const char *message;
} Refused;

#define UNSUPPORTED	ERRCODE_FEATURE_NOT_SUPPORTED
#define DAMAGED		ERRCODE_DATA_CORRUPTED
#define NORMALIZER(n)	"{\"normalizer\":" n "," SIMPLE
#define SPLITTER(n)		"{\"pre_tokenizer\":" n "," SIMPLE
#define PROCESSOR(n)	"{\"post_processor\":" n "," SIMPLE

static const Refused refused[] = {
	{NORMALIZER("{\"type\":\"Nmt\"}"), UNSUPPORTED, "normalizer \"Nmt\""},
	{NORMALIZER("{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a|b\"},\"content\":\"\"}"), UNSUPPORTED, "pattern \"a|b\""},
	{NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}"), DAMAGED, "invalid tokenizer"},
	{NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}"), DAMAGED, "invalid tokenizer"},
	{NORMALIZER("{}"), DAMAGED, "invalid tokenizer"},
	{NORMALIZER("[]"), DAMAGED, "invalid tokenizer"},
	{SPLITTER("{\"type\":\"UnicodeScripts\"}"), UNSUPPORTED, "pre-tokenizer \"UnicodeScripts\""},
	{SPLITTER("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\d+\"},\"behavior\":\"Isolated\"}"), UNSUPPORTED, "pattern \"\\d+\""},
	{SPLITTER("{\"type\":\"Metaspace\",\"replacement\":\"__\"}"), DAMAGED, "invalid tokenizer"},
	{SPLITTER("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"ByteLevel\"}]}"), DAMAGED, "invalid tokenizer"},
	{PROCESSOR("{\"type\":\"Odd\"}"), UNSUPPORTED, "post-processor \"Odd\""},
	{PROCESSOR("{\"type\":\"BertProcessing\",\"cls\":[\"a\",99],\"sep\":[\"b\",2]}"), DAMAGED, "invalid tokenizer"},
	{PROCESSOR("{\"type\":\"TemplateProcessing\",\"single\":[]}"), DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}", UNSUPPORTED, "tokenizer model \"WordLevel\""},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"vocab\":{}}}", DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"vocab\":{\"?\":20}}}", DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"?\",\"vocab\":{\"?\":0.5}}}", DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", UNSUPPORTED, "without unk_id"},
	{"{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}", DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",null]]}}", DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}}", DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b c\"]}}", DAMAGED, "invalid tokenizer"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.5}}", UNSUPPORTED, "dropout"},
	{"{\"added_tokens\":[" ADDED(20, "x", "") "]," SIMPLE, DAMAGED, "invalid tokenizer"},
	{"{}", DAMAGED, "invalid tokenizer"},
	{"[]", DAMAGED, "invalid tokenizer"},
};

static void
test_refused(void)
{
	for (Size i = 0; i < lengthof(refused); i++)
	{
		Subject		s = {.json = refused[i].json,
		.json_len = strlen(refused[i].json),.vocab = 20};

		if (!stub_expect(refused[i].sqlstate, refused[i].message, compile_and_open, &s))
			fail("%s", refused[i].json);
		release(&s);
	}
	end_test("what is refused, and how");
}

/* A replacement that would fill the memory. */
static void
grow_text(void *arg)
{
	Subject    *s = arg;
	VsTokens	tokens;

	compile_and_open(s);
	tokenize(s->tokenizer, "aaaaaaaa", 8, 10, &tokens);
}

static void
test_growth(void)
{
	StringInfoData json;
	Subject		s = {.vocab = 20};

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
	for (int i = 0; i < VS_TOKENIZER_MAX_STEPS; i++)
	{
		appendStringInfoString(&json, i ? "," : "");
		appendStringInfoString(&json, "{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"");
		for (int j = 0; j < 1000; j++)
			appendStringInfoChar(&json, 'a');
		appendStringInfoString(&json, "\"}");
	}
	appendStringInfoString(&json, "]}," SIMPLE);
	s.json = json.data;
	s.json_len = json.len;
	if (!stub_expect(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "too long", grow_text, &s))
		fail("texts grow");
	release(&s);
	end_test("replacements have a limit");
}

/* ------------------------------------------------------------------------
 * Damage
 * ------------------------------------------------------------------------ */

/* Errors that are clean: the file's fault, or too much of something. */
static void
check_error(const StubError *error, const char *what, uint32 at)
{
	if (error != NULL && error->sqlstate != DAMAGED &&
		error->sqlstate != UNSUPPORTED &&
		error->sqlstate != ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
		error->sqlstate != ERRCODE_OUT_OF_MEMORY)
		fail("%s %u: %s", what, at, error->message);
}

/* Open a block and tokenize some strings, which may end in an error. */
static void
try_block(void *arg)
{
	Subject    *s = arg;
	VsTokens	tokens;
	int			len;

	open_block(s);
	for (int i = 0; i < 8; i++)
	{
		uint32		number = random_below(strings.count);

		if (strings.lens[number] > 1000)
			continue;
		tokenize(s->tokenizer, strings.texts[number], strings.lens[number], 500, &tokens);
		for (int j = 0; j < tokens.count; j++)
			vs_tokenizer_piece(s->tokenizer, tokens.ids[j], &len);
	}
}

static void
just_compile(void *arg)
{
	compile(arg);
}

static void
test_damaged_block(const char *name)
{
	Subject		s = subject_of(name);
	Subject		short_one;

	if (!stub_expect(0, "", just_compile, &s))
		fail("an error");
	stub_reset();

	short_one = s;
	for (Size size = 0; size < s.block_size; size += 1 + random_below(2000))
	{
		short_one.block = malloc(size ? size : 1);
		short_one.block_size = size;
		memcpy(short_one.block, s.block, size);
		if (!stub_expect(DAMAGED, "damaged", try_block, &short_one))
			fail("size %zu", size);
		free(short_one.block);
		stub_reset();
	}
	for (int i = 0; i < 2000; i++)
	{
		uint32		at = random_below(i % 2 ? (uint32) s.block_size :
									  (uint32) sizeof(VsTokenizerHeader));
		char		kept = s.block[at];

		s.block[at] ^= (char) (1 << random_below(8));
		check_error(stub_run(try_block, &s), "byte", at);
		s.block[at] = kept;
		stub_reset();
	}
	release(&s);
	free(unconstify(char *, s.json));
	subject = "";
	end_test("%s: damaged blocks", name);
}

/* Change a text of JSON in one of several ways. */
static void
mutate(char *text, Size *len, Size room)
{
	Size		at = random_below((uint32) *len);
	Size		span = 1 + random_below(random_below(2) ? 4 : 200);
	static const char *const bits[] = {"null", "-1", "1e9", "\"", "[", "{",
	"}", "]", ",", "0.5", "\"\"", "[]", "{}", "true", "4000", "\\u0000"};

	/* the head and the tail are where the structure is */
	if (random_below(2))
		at = random_below(2) ? Min(at, random_below(1500)) : *len - 1 - random_below((uint32) Min(*len, 1200));
	span = Min(span, *len - at);
	switch (random_below(4))
	{
		case 0:
			memmove(text + at, text + at + span, *len - at - span);
			*len -= span;
			break;
		case 1:
			span = Min(span, room - *len);
			memmove(text + at + span, text + at, *len - at);
			*len += span;
			break;
		case 2:
			text[at] = (char) (' ' + random_below(95));
			break;
		default:
			{
				const char *bit = bits[random_below(lengthof(bits))];
				Size		bit_len = strlen(bit);

				/* in place of a number or a string, where there is one */
				while (at < *len && strchr("0123456789\"", text[at]) == NULL)
					at++;
				span = at < *len && text[at] != '"' ? strspn(text + at, "0123456789.") : 0;
				if (span == 0 && at + 1 < *len)
					span = strcspn(text + at + 1, "\"") + 2;
				span = Min(span, *len - at);
				if (*len - span + bit_len > room)
					break;
				memmove(text + at + bit_len, text + at + span, *len - at - span);
				memcpy(text + at, bit, bit_len);
				*len = *len - span + bit_len;
			}
	}
	text[*len] = 0;
}

static void
try_json(void *arg)
{
	Subject    *s = arg;

	compile(s);
	try_block(s);
}

static void
test_broken_json(const char *name)
{
	Subject		whole = subject_of(name);
	Size		room = whole.json_len + 1000;
	int			good = 0;
	Subject		s = {.vocab = VOCAB};

	for (int i = 0; i < 250; i++)
	{
		char	   *text = malloc(room + 1);
		Size		len = whole.json_len;
		const StubError *error;

		memcpy(text, whole.json, len + 1);
		for (uint32 n = 1 + random_below(3); n > 0; n--)
			mutate(text, &len, room);
		s.json = text;
		s.json_len = len;
		error = stub_run(try_json, &s);
		check_error(error, "mutation", i);
		good += error == NULL;
		release(&s);
		free(text);
	}
	free(unconstify(char *, whole.json));
	subject = "";
	printf("# %d of 250 files were good enough\n", good);
	end_test("%s: broken files", name);
}

/* ------------------------------------------------------------------------
 * Long texts
 * ------------------------------------------------------------------------ */

#define LONG	10000000
#define PATIENCE	30			/* seconds, with sanitizers, on a busy machine */

static char *long_text;

static void
tokenize_long(void *arg)
{
	Subject    *s = arg;
	VsTokens	tokens;
	double		start = seconds();

	vs_tokenize(s->tokenizer, long_text, LONG, PG_INT32_MAX, &tokens);
	if (seconds() - start > PATIENCE)
		fail("%.1f s", seconds() - start);
	if (tokens.truncated)
		fail("truncated");
	vs_tokenize(s->tokenizer, long_text, LONG, 512, &tokens);
	if (tokens.count > 512)
		fail("%d tokens", tokens.count);
}

static void
test_long(const char *name)
{
	Subject		s = subject_of(name);

	if (!stub_expect(0, "", compile_and_open, &s))
		fail("an error");
	for (int kind = 0; kind < 3; kind++)
	{
		for (int i = 0; i < LONG; i++)
			long_text[i] = kind == 0 ? 'a' : kind == 1 ? ' ' :
				"the package of a library 42 "[i % 28];
		if (!stub_expect(0, "", tokenize_long, &s))
			fail("an error");
	}
	release(&s);
	free(unconstify(char *, s.json));
	subject = "";
	end_test("%s: texts of %d bytes", name, LONG);
}

static void
interrupted(void *arg)
{
	Subject    *s = arg;
	VsTokens	tokens;

	stub_interrupt();
	vs_tokenize(s->tokenizer, "a text", 6, 100, &tokens);
}

static void
test_interrupt(void)
{
	Subject		s = subject_of("bpe");

	if (!stub_expect(0, "", compile_and_open, &s) ||
		!stub_expect(ERRCODE_QUERY_CANCELED, "", interrupted, &s))
		fail("not interrupted");
	release(&s);
	free(unconstify(char *, s.json));
	subject = "";
	end_test("interrupts");
}

int
main(void)
{
	read_strings();
	for (Size i = 0; i < lengthof(names); i++)
		test_library(names[i]);
	test_cases();
	test_lower();
	test_pieces();
	test_refused();
	test_growth();
	for (Size i = 0; i < lengthof(names); i++)
		test_damaged_block(names[i]);
	for (Size i = 0; i < lengthof(names); i++)
		test_broken_json(names[i]);
	long_text = malloc(LONG);
	for (Size i = 0; i < lengthof(names); i++)
		test_long(names[i]);
	test_interrupt();
	free(long_text);
	free(strings.file);
	free(strings.texts);
	free(strings.lens);
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
