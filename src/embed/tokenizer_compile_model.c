/*
 * tokenizer_compile_model.c
 *		Compiling the model of a tokenizer.json: vocabulary, scores, merges.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "embed/tokenizer_compile.h"

/* Ids of USE-lite that stand for no text. */
#define TFJS_RESERVED	6

void
vs_compiler_set_piece(VsCompiler *c, int32 id, const char *text, uint32 len)
{
	if ((uint32) id >= c->piece_room)
	{
		uint32		room = Max(1024, c->piece_room);

		while (room <= (uint32) id)
			room *= 2;
		if (c->pieces == NULL)
			c->pieces = MemoryContextAllocHuge(CurrentMemoryContext,
											   sizeof(VsPiece) * (Size) room);
		else
			c->pieces = repalloc_huge(c->pieces, sizeof(VsPiece) * (Size) room);
		memset(c->pieces + c->piece_room, 0,
			   sizeof(VsPiece) * (Size) (room - c->piece_room));
		c->piece_room = room;
	}
	c->pieces[id].text = text;
	c->pieces[id].len = len;
	c->piece_count = Max(c->piece_count, (uint32) id + 1);
}

/*
 * The trie of the vocabulary.  It stays palloc'd for the rest of the
 * compilation, beside its copy in the block.
 */
static void
build_trie(VsCompiler *c, VsTrieEntry *entries, uint32 count)
{
	uint32		longest = 0;
	VsSpan		span;

	for (uint32 i = 0; i < count; i++)
		longest = Max(longest, entries[i].len);
	if (longest > VS_TOKENIZER_MAX_PIECE)
		vs_compiler_bad(c, "A piece is too long.");
	c->trie.units = vs_trie_build(entries, count, &c->trie.count);
	span = vs_compiler_add(c, c->trie.units, c->trie.count, sizeof(VsTrieUnit));
	vs_compiler_header(c)->trie = span;
	vs_compiler_header(c)->longest = longest;
}

/* The vocabulary of a model that lists pieces by name. */
static void
compile_vocab_object(VsCompiler *c, const VsJson *json)
{
	const VsJson *vocab = vs_compiler_member(c, json, "vocab", VS_JSON_OBJECT);
	VsTrieEntry *entries = MemoryContextAllocHuge(CurrentMemoryContext,
												  sizeof(VsTrieEntry) * ((Size) vocab->count + 1));
	uint32		count = 0;

	for (uint32 i = 0; i < vocab->count; i++)
	{
		const VsJson *item = &vocab->u.items[i];
		int32		id = vs_compiler_id(c, item);
		uint32		len = (uint32) strlen(item->key);

		vs_compiler_set_piece(c, id, item->key, len);
		if (len == 0)
			continue;
		entries[count].text = item->key;
		entries[count].len = len;
		entries[count++].number = id;
	}
	build_trie(c, entries, count);
	pfree(entries);
}

/* The id of a piece, which must be there. */
static int32
piece_id(VsCompiler *c, const VsJson *text)
{
	int32		id = vs_trie_find(&c->trie, text->u.string, text->count);

	if (id < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid tokenizer in \"%s\"", c->file),
				 errdetail("The vocabulary has no \"%s\".", text->u.string)));
	return id;
}

/* The string of a member, or NULL where it is missing, null or empty. */
static const VsJson *
optional_string(VsCompiler *c, const VsJson *json, const char *key)
{
	const VsJson *member = vs_json_find(json, key);

	if (member == NULL)
		return NULL;
	if (member->kind != VS_JSON_STRING)
		vs_compiler_bad(c, "A string is something else.");
	return member->count > 0 ? member : NULL;
}

/* Ids of the pieces <0x00> to <0xFF>, -1 where there is none. */
static void
compile_byte_ids(VsCompiler *c)
{
	int32		ids[256];
	VsSpan		span;

	for (int i = 0; i < 256; i++)
	{
		char		name[8];

		snprintf(name, sizeof(name), "<0x%02X>", i);
		ids[i] = vs_trie_find(&c->trie, name, strlen(name));
	}
	span = vs_compiler_add(c, ids, 256, sizeof(int32));
	vs_compiler_header(c)->byte_ids = span;
}

/* Add the prefix and the suffix of pieces within and at the end of a word. */
static void
compile_affixes(VsCompiler *c, const VsJson *prefix, const VsJson *suffix)
{
	VsSpan		span;

	if (prefix != NULL)
	{
		span = vs_compiler_add_string(c, prefix);
		vs_compiler_header(c)->prefix = span;
	}
	if (suffix != NULL)
	{
		span = vs_compiler_add_string(c, suffix);
		vs_compiler_header(c)->suffix = span;
	}
}

static void
compile_wordpiece(VsCompiler *c, const VsJson *json)
{
	static const VsJson hashes = {.kind = VS_JSON_STRING,.count = 2,.u.string = "##"};
	bool		has_prefix = vs_json_find(json, "continuing_subword_prefix") != NULL;
	const VsJson *prefix = optional_string(c, json, "continuing_subword_prefix");
	VsTokenizerHeader *header;
	int32		unknown;

	compile_vocab_object(c, json);
	compile_affixes(c, has_prefix ? prefix : &hashes, NULL);
	unknown = piece_id(c, vs_compiler_member(c, json, "unk_token", VS_JSON_STRING));
	header = vs_compiler_header(c);
	header->model = VS_TOKEN_WORDPIECE;
	header->unknown = unknown;
	header->max_word_chars = vs_json_int(c->file, json, "max_input_chars_per_word",
										 0, PG_INT32_MAX, 100);
}

/* ------------------------------------------------------------------------
 * Unigram
 * ------------------------------------------------------------------------ */

/* Read the [piece, score] pairs; returns the lowest score. */
static double
compile_scores(VsCompiler *c, const VsJson *vocab, bool tfjs)
{
	Size		count = vocab->count;
	VsTrieEntry *entries;
	double	   *scores;
	uint32		kept = 0;
	double		lowest = INFINITY;
	VsSpan		span;

	if (count > (Size) c->vocab || count > VS_TOKENIZER_MAX_VOCAB)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid tokenizer in \"%s\"", c->file),
				 errdetail("It has %u pieces for a vocabulary of %d.",
						   vocab->count, c->vocab)));
	entries = palloc(sizeof(VsTrieEntry) * (count + 1));
	scores = palloc(sizeof(double) * (count + 1));
	for (Size i = 0; i < count; i++)
	{
		const VsJson *pair = &vocab->u.items[i];
		const VsJson *text = pair->u.items;

		if (pair->kind != VS_JSON_ARRAY || pair->count != 2 ||
			text->kind != VS_JSON_STRING ||
			(text[1].kind != VS_JSON_NUMBER &&
			 !(tfjs && text[1].kind == VS_JSON_NULL)))
			vs_compiler_bad(c, "A piece is not a pair of text and score.");
		scores[i] = text[1].kind == VS_JSON_NULL ? 0 : text[1].u.number;
		lowest = Min(lowest, scores[i]);
		vs_compiler_set_piece(c, (int32) i, text->u.string, text->count);
		if (text->count == 0 || (tfjs && i < TFJS_RESERVED))
			continue;
		entries[kept].text = text->u.string;
		entries[kept].len = text->count;
		entries[kept++].number = (int32) i;
	}
	build_trie(c, entries, kept);
	span = vs_compiler_add(c, scores, (uint32) count, sizeof(double));
	vs_compiler_header(c)->scores = span;
	pfree(entries);
	pfree(scores);
	return lowest;
}

static void
compile_unigram(VsCompiler *c, const VsJson *json)
{
	const VsJson *vocab = vs_compiler_member(c, json, "vocab", VS_JSON_ARRAY);
	const char *variant = vs_json_string(c->file, json, "variant");
	bool		tfjs = variant != NULL && strcmp(variant, "tfjs") == 0;
	int			unknown = vs_json_int(c->file, json, "unk_id", 0, PG_INT32_MAX, -1);
	VsTokenizerHeader *header;
	double		lowest;

	if (variant != NULL && !tfjs)
		vs_compiler_unsupported(c, "Unigram variant", variant);
	if (unknown < 0)
		vs_compiler_unsupported(c, "Unigram model", "without unk_id");
	if ((uint32) unknown >= vocab->count)
		vs_compiler_bad(c, "The unknown piece is outside the vocabulary.");
	lowest = compile_scores(c, vocab, tfjs);
	if (vs_json_bool(c->file, json, "byte_fallback", false))
		compile_byte_ids(c);
	header = vs_compiler_header(c);
	header->model = VS_TOKEN_UNIGRAM;
	header->unknown = unknown;
	header->unknown_score = tfjs ? 0 : lowest - 10;
	header->flags |= tfjs ? VS_TOKEN_TFJS : 0;
}

/* ------------------------------------------------------------------------
 * BPE
 * ------------------------------------------------------------------------ */

/* Both sides of a merge, "a b" or ["a", "b"]. */
static void
merge_sides(VsCompiler *c, const VsJson *json, VsJson sides[2])
{
	if (json->kind == VS_JSON_ARRAY && json->count == 2 &&
		json->u.items[0].kind == VS_JSON_STRING &&
		json->u.items[1].kind == VS_JSON_STRING)
	{
		sides[0] = json->u.items[0];
		sides[1] = json->u.items[1];
	}
	else if (json->kind == VS_JSON_STRING)
	{
		const char *space = strchr(json->u.string, ' ');

		if (space == NULL || strchr(space + 1, ' ') != NULL)
			vs_compiler_bad(c, "A merge is not a pair.");
		sides[0] = sides[1] = *json;
		sides[0].u.string = pnstrdup(json->u.string, space - json->u.string);
		sides[0].count = (uint32) (space - json->u.string);
		sides[1].u.string = space + 1;
		sides[1].count = json->count - sides[0].count - 1;
	}
	else
		vs_compiler_bad(c, "A merge is not a pair.");
}

/* Put a merge in the table; of equal pairs the later one counts. */
static void
put_merge(VsMerge *table, uint32 size, VsMerge merge)
{
	uint32		place = vs_merge_hash(merge.left, merge.right, size);

	while (table[place].left >= 0 &&
		   (table[place].left != merge.left || table[place].right != merge.right))
		place = (place + 1) & (size - 1);
	table[place] = merge;
}

static void
compile_merges(VsCompiler *c, const VsJson *json, uint32 prefix_len)
{
	const VsJson *merges = vs_compiler_member(c, json, "merges", VS_JSON_ARRAY);
	uint32		size = 2;
	VsMerge    *table;
	uint32		rank = 0;
	VsSpan		span;

	if (merges->count > 8 * VS_TOKENIZER_MAX_VOCAB)
		vs_compiler_bad(c, "There are too many merges.");
	while (size < 2 * merges->count)
		size *= 2;
	table = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(VsMerge) * (Size) size);
	for (uint32 i = 0; i < size; i++)
	{
		table[i].left = table[i].right = table[i].merged = -1;
		table[i].rank = 0;
	}
	for (uint32 i = 0; i < merges->count; i++)
	{
		VsJson		sides[2];
		VsJson		whole = {.kind = VS_JSON_STRING};
		VsMerge		merge;

		if ((i & 0xFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		if (merges->u.items[i].kind == VS_JSON_STRING &&
			strncmp(merges->u.items[i].u.string, "#version", 8) == 0)
			continue;
		merge_sides(c, &merges->u.items[i], sides);
		if (sides[1].count < prefix_len)
			vs_compiler_bad(c, "The right side of a merge has no prefix.");
		whole.u.string = psprintf("%s%s", sides[0].u.string,
								  sides[1].u.string + prefix_len);
		whole.count = sides[0].count + sides[1].count - prefix_len;
		merge.left = piece_id(c, &sides[0]);
		merge.right = piece_id(c, &sides[1]);
		merge.merged = piece_id(c, &whole);
		merge.rank = rank++;
		put_merge(table, size, merge);
		pfree(unconstify(char *, whole.u.string));
	}
	span = vs_compiler_add(c, table, size, sizeof(VsMerge));
	vs_compiler_header(c)->merges = span;
	pfree(table);
}

static void
compile_bpe(VsCompiler *c, const VsJson *json)
{
	const VsJson *prefix = optional_string(c, json, "continuing_subword_prefix");
	const VsJson *suffix = optional_string(c, json, "end_of_word_suffix");
	const VsJson *unknown = optional_string(c, json, "unk_token");
	VsTokenizerHeader *header;
	int32		id;

	if (vs_json_number(c->file, json, "dropout", 0, 1, 0) != 0)
		vs_compiler_unsupported(c, "BPE option", "dropout");
	compile_vocab_object(c, json);
	compile_affixes(c, prefix, suffix);
	compile_merges(c, json, prefix ? prefix->count : 0);
	if (vs_json_bool(c->file, json, "byte_fallback", false))
		compile_byte_ids(c);
	id = unknown ? piece_id(c, unknown) : -1;
	header = vs_compiler_header(c);
	header->model = VS_TOKEN_BPE;
	header->unknown = id;
	if (vs_json_bool(c->file, json, "fuse_unk", false))
		header->flags |= VS_TOKEN_FUSE_UNKNOWN;
	if (vs_json_bool(c->file, json, "ignore_merges", false))
		header->flags |= VS_TOKEN_IGNORE_MERGES;
}

void
vs_compile_model(VsCompiler *c, const VsJson *json)
{
	const char *type = vs_json_string(c->file, json, "type");

	/* old files do not say it */
	if (type == NULL)
		type = vs_json_find(json, "merges") ? "BPE" :
			vs_json_find(json, "unk_id") ? "Unigram" : "WordPiece";
	if (strcmp(type, "WordPiece") == 0)
		compile_wordpiece(c, json);
	else if (strcmp(type, "Unigram") == 0)
		compile_unigram(c, json);
	else if (strcmp(type, "BPE") == 0)
		compile_bpe(c, json);
	else
		vs_compiler_unsupported(c, "tokenizer model", type);
}
