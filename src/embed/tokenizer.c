/*
 * tokenizer.c
 *		Opening a compiled tokenizer, and tokenizing a text with it.
 *
 * The way of a text: added tokens are taken out of it (the special ones among
 * them: text can spell them, as in the library); what is between is
 * normalized; those added tokens are taken out that are to be found in
 * normalized text; the rest is split into words (tokenizer_split.c), and
 * the words into tokens (tokenizer_wordpiece.c and so on).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "embed/tokenizer_block.h"
#include "embed/unicode_tables.h"

/* ------------------------------------------------------------------------
 * Opening
 * ------------------------------------------------------------------------ */

void
vs_tokenizer_damaged(const VsTokenizer *tokenizer, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("compiled tokenizer in \"%s\" is damaged", tokenizer->file),
			 errdetail_internal("%s", what)));
}

static void
check(const VsTokenizer *tokenizer, bool good, const char *what)
{
	if (!good)
		vs_tokenizer_damaged(tokenizer, what);
}

static void
check_span(const VsTokenizer *tokenizer, VsSpan span, Size width)
{
	Size		size = tokenizer->header->size;

	check(tokenizer,
		  span.offset % 8 == 0 && span.offset <= size &&
		  span.count <= (size - span.offset) / width,
		  "A section is outside the block.");
}

static void
check_steps(const VsTokenizer *tokenizer)
{
	const VsTokenizerHeader *h = tokenizer->header;
	int			byte_levels = 0;

	check(tokenizer,
		  h->normalize_count >= 0 && h->normalize_count <= VS_TOKENIZER_MAX_STEPS &&
		  h->split_count >= 0 && h->split_count <= VS_TOKENIZER_MAX_STEPS,
		  "There are too many steps.");
	for (int i = 0; i < h->normalize_count; i++)
	{
		const VsTokenStep *step = &h->normalize[i];

		check(tokenizer, step->kind >= VS_NORMALIZE_BERT &&
			  step->kind <= VS_NORMALIZE_PRECOMPILED &&
			  (step->kind != VS_NORMALIZE_UNICODE || step->flags <= 3) &&
			  (step->kind != VS_NORMALIZE_REPLACE || step->a.count > 0) &&
			  (step->kind != VS_NORMALIZE_REPLACE_RUN || step->flags > 0),
			  "A normalizer is unknown.");
		check_span(tokenizer, step->a,
				   step->kind == VS_NORMALIZE_PRECOMPILED ? sizeof(uint32) : 1);
		check_span(tokenizer, step->b, 1);
	}
	for (int i = 0; i < h->split_count; i++)
	{
		const VsTokenStep *step = &h->split[i];
		bool		has_pattern = step->kind == VS_SPLIT_STRING ||
		step->kind == VS_SPLIT_METASPACE;

		check(tokenizer, step->kind >= VS_SPLIT_BERT &&
			  step->kind <= VS_SPLIT_BYTE_LEVEL &&
			  (!has_pattern || step->a.count > 0),
			  "A pre-tokenizer is unknown.");
		check_span(tokenizer, step->a, 1);
		check_span(tokenizer, step->b, 1);
		byte_levels += step->kind == VS_SPLIT_BYTE_LEVEL;
	}
	check(tokenizer, byte_levels <= 1, "ByteLevel is there twice.");
}

static void
check_ids(const VsTokenizer *tokenizer, VsSpan span, int least)
{
	const int32 *ids = VS_BLOCK_AT(tokenizer->header, span);

	for (uint32 i = 0; i < span.count; i++)
		check(tokenizer, ids[i] >= least && ids[i] < tokenizer->vocab,
			  "An id is out of range.");
}

static void
check_sections(const VsTokenizer *tokenizer)
{
	const VsTokenizerHeader *h = tokenizer->header;
	const VsAddedToken *added;

	check_span(tokenizer, h->prefix, 1);
	check_span(tokenizer, h->suffix, 1);
	check_span(tokenizer, h->before, sizeof(int32));
	check_span(tokenizer, h->after, sizeof(int32));
	check_span(tokenizer, h->piece_ends, sizeof(uint32));
	check_span(tokenizer, h->piece_bytes, 1);
	check_span(tokenizer, h->trie, sizeof(VsTrieUnit));
	check_span(tokenizer, h->scores, sizeof(double));
	check_span(tokenizer, h->byte_ids, sizeof(int32));
	check_span(tokenizer, h->merges, sizeof(VsMerge));
	check_span(tokenizer, h->added, sizeof(VsAddedToken));
	check_span(tokenizer, h->added_trie, sizeof(VsTrieUnit));
	check_span(tokenizer, h->added_normal_trie, sizeof(VsTrieUnit));

	check(tokenizer, h->before.count <= VS_TOKENIZER_MAX_SPECIALS &&
		  h->after.count <= VS_TOKENIZER_MAX_SPECIALS &&
		  (h->byte_ids.count == 0 || h->byte_ids.count == 256) &&
		  (h->merges.count & (h->merges.count - 1)) == 0 &&
		  h->longest <= VS_TOKENIZER_MAX_PIECE,
		  "A section has a wrong size.");
	check_ids(tokenizer, h->before, 0);
	check_ids(tokenizer, h->after, 0);
	check_ids(tokenizer, h->byte_ids, -1);
	added = VS_BLOCK_AT(h, h->added);
	for (uint32 i = 0; i < h->added.count; i++)
		check(tokenizer, added[i].id >= 0 && added[i].id < tokenizer->vocab,
			  "An id is out of range.");
}

static VsTrie
trie_of(const VsTokenizerHeader *header, VsSpan span)
{
	VsTrie		trie = {VS_BLOCK_AT(header, span), span.count};

	return trie;
}

static void
find_starts(const VsTrie *trie, bool *starts)
{
	for (int b = 1; b < 256; b++)
		starts[b] = vs_trie_step(trie, 0, (unsigned char) b) != VS_TRIE_NONE;
}

VsTokenizer *
vs_tokenizer_open(const char *file, const void *block, Size size, int vocab)
{
	VsTokenizer *tokenizer = palloc0(sizeof(VsTokenizer));
	const VsTokenizerHeader *h = block;

	tokenizer->file = file;
	tokenizer->header = h;
	tokenizer->vocab = vocab;
	check(tokenizer, size >= sizeof(VsTokenizerHeader) &&
		  (uintptr_t) block % 8 == 0, "It is too short.");
	check(tokenizer, h->magic == VS_TOKENIZER_MAGIC &&
		  h->version == VS_TOKENIZER_VERSION, "It has another format.");
	check(tokenizer, h->size == size, "It has another size.");
	check(tokenizer, h->model >= VS_TOKEN_WORDPIECE && h->model <= VS_TOKEN_BPE,
		  "The kind of model is unknown.");
	check(tokenizer, h->unknown >= (h->model == VS_TOKEN_BPE ? -1 : 0) &&
		  h->unknown < vocab, "An id is out of range.");
	check_steps(tokenizer);
	check_sections(tokenizer);

	tokenizer->trie = trie_of(h, h->trie);
	tokenizer->added_trie = trie_of(h, h->added_trie);
	tokenizer->added_normal_trie = trie_of(h, h->added_normal_trie);
	find_starts(&tokenizer->added_trie, tokenizer->added_start);
	find_starts(&tokenizer->added_normal_trie, tokenizer->added_normal_start);
	tokenizer->prefix_node = vs_trie_walk(&tokenizer->trie, 0,
										  VS_BLOCK_AT(h, h->prefix), h->prefix.count);
	return tokenizer;
}

void
vs_tokenizer_specials(const VsTokenizer *tokenizer, int *before, int *after)
{
	*before = (int) tokenizer->header->before.count;
	*after = (int) tokenizer->header->after.count;
}

const char *
vs_tokenizer_piece(const VsTokenizer *tokenizer, int32 id, int *len)
{
	const VsTokenizerHeader *h = tokenizer->header;
	const uint32 *ends = VS_BLOCK_AT(h, h->piece_ends);
	uint32		start;

	*len = 0;
	if (id < 0 || (uint32) id >= h->piece_ends.count)
		return NULL;
	start = id == 0 ? 0 : ends[id - 1];
	if (start > ends[id] || ends[id] > h->piece_bytes.count)
		vs_tokenizer_damaged(tokenizer, "A piece is outside the block.");
	if (start == ends[id])
		return NULL;
	*len = (int) (ends[id] - start);
	return (const char *) VS_BLOCK_AT(h, h->piece_bytes) + start;
}

/* ------------------------------------------------------------------------
 * Tokenizing
 * ------------------------------------------------------------------------ */

void
vs_token_emit(VsTokenRun *run, int32 id)
{
	if (id < 0 || id >= run->tokenizer->vocab)
		vs_tokenizer_damaged(run->tokenizer, "An id is out of range.");
	if (run->count >= run->limit)
	{
		run->full = true;
		return;
	}
	if (run->count == run->room)
	{
		run->room = (int) Min((int64) run->room * 2, PG_INT32_MAX);
		run->ids = repalloc_huge(run->ids, sizeof(int32) * (Size) run->room);
	}
	run->ids[run->count++] = id;
}

/* Added tokens to look for, and what to do with the text between them. */
typedef struct AddedSearch
{
	const VsTrie *trie;
	const bool *starts;
	void		(*between) (VsTokenRun *run, const char *text, Size len, bool at_start);
} AddedSearch;

/* The added token that a text begins with, or NULL. */
static const VsAddedToken *
added_at(const VsTokenizer *tokenizer, const VsTrie *trie, const char *text,
		 Size len, Size *length)
{
	int32		number = vs_trie_longest(trie, 0, text,
										 Min(len, VS_TOKENIZER_MAX_PIECE), length);
	const VsAddedToken *added = VS_BLOCK_AT(tokenizer->header, tokenizer->header->added);

	if (number < 0)
		return NULL;
	if ((uint32) number >= tokenizer->header->added.count)
		vs_tokenizer_damaged(tokenizer, "An added token is missing.");
	return &added[number];
}

/* The start of the last character before p, which is behind text. */
static const char *
char_before(const char *text, const char *p)
{
	do
		p--;
	while (p > text && ((unsigned char) *p & 0xC0) == 0x80);
	return p;
}

static bool
is_word_char(const char *p, const char *end)
{
	uint32		c;

	vs_utf8_get(p, end, &c);
	return (vs_char_flags(c) & VS_CHAR_WORD) != 0;
}

/* Extend a match over the spaces round it as the token says. */
static void
strip_round(const VsAddedToken *token, const char *text, const char *end,
			const char **from, const char **to)
{
	uint32		c;

	while (token->flags & VS_ADDED_LSTRIP && *from > text)
	{
		const char *before = char_before(text, *from);

		vs_utf8_get(before, *from, &c);
		if (!(vs_char_flags(c) & VS_CHAR_SPACE))
			break;
		*from = before;
	}
	while (token->flags & VS_ADDED_RSTRIP && *to < end)
	{
		int			length = vs_utf8_get(*to, end, &c);

		if (!(vs_char_flags(c) & VS_CHAR_SPACE))
			break;
		*to += length;
	}
}

/*
 * Take the added tokens out of a text: the leftmost, and of those the longest,
 * first.  A token that must be a word and is not is passed over whole.
 */
static void
take_added(VsTokenRun *run, const AddedSearch *search, const char *text,
		   Size len, bool at_start)
{
	const char *end = text + len;
	const char *done = text;
	const char *p = text;

	while (p < end && !run->full)
	{
		const VsAddedToken *token;
		const char *from;
		const char *to;
		Size		length;

		while (p < end && !search->starts[(unsigned char) *p])
			p++;
		if (p == end)
			break;
		CHECK_FOR_INTERRUPTS();
		token = added_at(run->tokenizer, search->trie, p, end - p, &length);
		if (token == NULL)
		{
			p++;
			continue;
		}
		from = p;
		p = to = p + length;
		if (token->flags & VS_ADDED_SINGLE_WORD &&
			((from > text && is_word_char(char_before(text, from), from)) ||
			 (to < end && is_word_char(to, end))))
			continue;
		strip_round(token, done < from ? done : from, end, &from, &to);
		if (done < from)
			search->between(run, done, from - done, at_start && done == text);
		if (!run->full)
			vs_token_emit(run, token->id);
		done = to;
	}
	if (done < end && !run->full)
		search->between(run, done, end - done, at_start && done == text);
}

/* What is left between the tokens taken from the raw text. */
static void
tokenize_between(VsTokenRun *run, const char *text, Size len, bool at_start)
{
	const VsTokenizer *tokenizer = run->tokenizer;
	AddedSearch search = {&tokenizer->added_normal_trie,
	tokenizer->added_normal_start, vs_split_text};
	VsBytes		normal = {0};
	bool		kept_start;

	vs_normalize_text(tokenizer->header, text, len, &normal, &kept_start);
	take_added(run, &search, normal.data, normal.len, at_start && kept_start);
	if (normal.data != NULL)
		pfree(normal.data);
}

static void
release(VsTokenRun *run)
{
	void	   *arrays[] = {run->marks.data, run->lattice, run->path,
	run->symbols, run->heap};

	for (int i = 0; i < VS_TOKENIZER_MAX_STEPS; i++)
		if (run->scratch[i].data != NULL)
			pfree(run->scratch[i].data);
	for (Size i = 0; i < lengthof(arrays); i++)
		if (arrays[i] != NULL)
			pfree(arrays[i]);
}

/* Put special tokens among those of the run, at most as many as are wanted. */
static void
emit_specials(VsTokenRun *run, VsSpan span)
{
	const int32 *ids = VS_BLOCK_AT(run->tokenizer->header, span);

	for (uint32 i = 0; i < span.count; i++)
		vs_token_emit(run, ids[i]);
}

void
vs_tokenize(const VsTokenizer *tokenizer, const char *text, Size len,
			int max_tokens, VsTokens *out)
{
	const VsTokenizerHeader *header = tokenizer->header;
	VsTokenRun	run = {.tokenizer = tokenizer};
	AddedSearch search = {&tokenizer->added_trie, tokenizer->added_start,
	tokenize_between};
	VsBytes		lowered = {0};
	int			after = (int) header->after.count;

	run.room = 64;
	run.ids = palloc(sizeof(int32) * run.room);
	run.limit = Max(max_tokens, 0);
	emit_specials(&run, header->before);
	run.limit = Max(max_tokens - after, run.count);
	run.full = false;
	if (header->flags & VS_TOKEN_LOWER_CASE)
	{
		vs_lower_text(text, len, &lowered);
		text = lowered.data;
		len = lowered.len;
	}
	take_added(&run, &search, text, len, true);
	out->truncated = run.full;
	run.limit = Max(max_tokens, 0);
	emit_specials(&run, header->after);

	out->ids = run.ids;
	out->count = run.count;
	release(&run);
	if (lowered.data != NULL)
		pfree(lowered.data);
}
