/*
 * tokenizer_compile.h
 *		What the parts of the tokenizer compiler share.
 */
#ifndef VS_EMBED_TOKENIZER_COMPILE_H
#define VS_EMBED_TOKENIZER_COMPILE_H

#include "embed/tokenizer_block.h"

/* A piece of the vocabulary, by id; text is NULL where there is none. */
typedef struct VsPiece
{
	const char *text;
	uint32		len;
} VsPiece;

typedef struct VsCompiler
{
	const char *file;
	StringInfo	out;			/* begins with the header */
	int			start;			/* of the block in out */
	int			vocab;			/* ids must be below */
	VsPiece    *pieces;
	uint32		piece_count;	/* the highest id and 1 */
	uint32		piece_room;
	VsTrie		trie;			/* of the model's pieces */
} VsCompiler;

/* tokenizer_compile.c */

/* The header; good until something is added. */
extern VsTokenizerHeader *vs_compiler_header(VsCompiler *c);

/* Add a section. */
extern VsSpan vs_compiler_add(VsCompiler *c, const void *data, uint32 count, Size width);
extern VsSpan vs_compiler_add_string(VsCompiler *c, const VsJson *string);

/* Errors: a component that is not implemented; nonsense. */
VS_NORETURN extern void vs_compiler_unsupported(const VsCompiler *c, const char *what, const char *name);
VS_NORETURN extern void vs_compiler_bad(const VsCompiler *c, const char *what);

/* A member of an object, which must be there and of the kind. */
extern const VsJson *vs_compiler_member(const VsCompiler *c, const VsJson *object,
										const char *key, VsJsonKind kind);

/* The type of a component. */
extern const char *vs_compiler_type(const VsCompiler *c, const VsJson *component);

/* An id of the file, checked. */
extern int32 vs_compiler_id(const VsCompiler *c, const VsJson *number);

/* tokenizer_compile_steps.c: null is allowed for either */
extern void vs_compile_normalizer(VsCompiler *c, const VsJson *json);
extern void vs_compile_splitter(VsCompiler *c, const VsJson *json);

/* tokenizer_compile_model.c */
extern void vs_compile_model(VsCompiler *c, const VsJson *json);
extern void vs_compiler_set_piece(VsCompiler *c, int32 id, const char *text, uint32 len);

#endif							/* VS_EMBED_TOKENIZER_COMPILE_H */
