/*
 * tokenizer.h
 *		Text to token ids, as the tokenizers library of Hugging Face does.
 *
 * A tokenizer.json is compiled once, at registration, into one flat block
 * without pointers, which is part of the model file and used in place: all
 * backends share it.
 */
#ifndef VS_EMBED_TOKENIZER_H
#define VS_EMBED_TOKENIZER_H

#include "lib/stringinfo.h"

#include "embed/embed_json.h"

/*
 * Compile tokenizer.json (tree json, name file) into *out, whose data can be
 * copied anywhere aligned to 8 bytes.  lower_case: lower the text first
 * (do_lower_case of sentence_bert_config.json).  vocab is the number of rows
 * of the word table: every id must be below.
 *
 * A component that is not implemented is ERRCODE_FEATURE_NOT_SUPPORTED and
 * named; nonsense is ERRCODE_DATA_CORRUPTED.
 */
extern void vs_tokenizer_compile(const char *file, const VsJson *json,
								 bool lower_case, int vocab, StringInfo out);

/* A compiled tokenizer, ready for use; points into the block. */
typedef struct VsTokenizer VsTokenizer;

/*
 * Open a block in the current memory context.  Everything that is later used
 * as an offset or an id is checked here or where it is used: a damaged block
 * is ERRCODE_DATA_CORRUPTED and never a wild read.
 */
extern VsTokenizer *vs_tokenizer_open(const char *file, const void *block, Size size, int vocab);

typedef struct VsTokens
{
	int			count;
	int32	   *ids;			/* palloc'd */
	bool		truncated;		/* the text had more tokens */
} VsTokens;

/*
 * Tokens of a text (UTF-8, valid) with the special tokens of the model round
 * them; at most max_tokens of all, special ones included: the text is cut, the
 * special tokens stay.  Uses the current memory context, and checks for
 * interrupts.
 */
extern void vs_tokenize(const VsTokenizer *tokenizer, const char *text, Size len,
						int max_tokens, VsTokens *out);

/* How many special tokens come before and after a text. */
extern void vs_tokenizer_specials(const VsTokenizer *tokenizer, int *before, int *after);

/*
 * The piece of an id as the vocabulary has it (not NUL-terminated); NULL and 0
 * for an id without one.
 */
extern const char *vs_tokenizer_piece(const VsTokenizer *tokenizer, int32 id, int *len);

#endif							/* VS_EMBED_TOKENIZER_H */
