/*
 * tokenizer_block.h
 *		The compiled tokenizer, and what its parts share.
 *
 * A block is one VsTokenizerHeader followed by sections, all aligned to 8
 * bytes.  Opening it checks the header, the sections' places and the short
 * lists; what comes out of the long ones (tries, merges) is checked where it
 * is used.
 */
#ifndef VS_EMBED_TOKENIZER_BLOCK_H
#define VS_EMBED_TOKENIZER_BLOCK_H

#include "compat.h"
#include "embed/tokenizer.h"
#include "embed/tokenizer_trie.h"

#define VS_TOKENIZER_MAGIC		0x6B745356	/* "VStk" */
#define VS_TOKENIZER_VERSION	1

#define VS_TOKENIZER_MAX_VOCAB	2000000
#define VS_TOKENIZER_MAX_STEPS	16	/* normalizers, and pre-tokenizers */
#define VS_TOKENIZER_MAX_SPECIALS	64	/* round a text */
#define VS_TOKENIZER_MAX_PIECE	4096	/* bytes */

/* The numbers of all enums below are in files: never renumber. */

typedef enum VsTokenModel
{
	VS_TOKEN_WORDPIECE = 1,
	VS_TOKEN_UNIGRAM = 2,
	VS_TOKEN_BPE = 3,
} VsTokenModel;

/* Flags of the model. */
#define VS_TOKEN_BYTE_FALLBACK	(1 << 0)
#define VS_TOKEN_TFJS			(1 << 1)	/* Unigram as USE-lite has it */
#define VS_TOKEN_FUSE_UNKNOWN	(1 << 2)	/* BPE */
#define VS_TOKEN_IGNORE_MERGES	(1 << 3)	/* BPE */
#define VS_TOKEN_LOWER_CASE		(1 << 4)	/* the text, before all else */

typedef enum VsNormKindOfText
{
	VS_NORMALIZE_BERT = 1,
	VS_NORMALIZE_UNICODE = 2,	/* flags: UnicodeNormalizationForm */
	VS_NORMALIZE_LOWERCASE = 3,
	VS_NORMALIZE_STRIP_ACCENTS = 4,
	VS_NORMALIZE_STRIP = 5,
	VS_NORMALIZE_REPLACE = 6,	/* string by string */
	VS_NORMALIZE_REPLACE_RUN = 7,	/* flags or more of a character */
	VS_NORMALIZE_PREPEND = 8,
	VS_NORMALIZE_PRECOMPILED = 9,
} VsNormKindOfText;

/* Flags of VS_NORMALIZE_BERT. */
#define VS_BERT_CLEAN			(1 << 0)
#define VS_BERT_CHINESE			(1 << 1)
#define VS_BERT_STRIP_ACCENTS	(1 << 2)
#define VS_BERT_LOWERCASE		(1 << 3)

/* Flags of VS_NORMALIZE_STRIP. */
#define VS_STRIP_LEFT			(1 << 0)
#define VS_STRIP_RIGHT			(1 << 1)

typedef enum VsSplitKind
{
	VS_SPLIT_BERT = 1,			/* spaces removed, punctuation isolated */
	VS_SPLIT_WHITESPACE = 2,	/* \w+|[^\w\s]+ */
	VS_SPLIT_SPACE = 3,
	VS_SPLIT_PUNCTUATION = 4,
	VS_SPLIT_DIGITS = 5,
	VS_SPLIT_STRING = 6,
	VS_SPLIT_GPT2 = 7,			/* the pattern */
	VS_SPLIT_CLIP = 8,			/* the pattern */
	VS_SPLIT_METASPACE = 9,
	VS_SPLIT_BYTE_LEVEL = 10,
} VsSplitKind;

/* What becomes of what a splitter matches; in the low bits of the flags. */
typedef enum VsSplitBehavior
{
	VS_BEHAVIOR_REMOVED = 0,
	VS_BEHAVIOR_ISOLATED = 1,
	VS_BEHAVIOR_PREVIOUS = 2,	/* merged with the piece before */
	VS_BEHAVIOR_NEXT = 3,
	VS_BEHAVIOR_CONTIGUOUS = 4,
} VsSplitBehavior;

#define VS_BEHAVIOR_MASK		7
#define VS_SPLIT_INVERT			(1 << 3)
#define VS_SPLIT_PREFIX_ALWAYS	(1 << 4)	/* Metaspace, ByteLevel */
#define VS_SPLIT_PREFIX_FIRST	(1 << 5)
#define VS_SPLIT_CUT			(1 << 6)	/* Metaspace splits; ByteLevel
											 * uses the pattern */

/* Elements of a section from the start of the block. */
typedef struct VsSpan
{
	uint32		offset;			/* bytes, a multiple of 8 */
	uint32		count;			/* elements */
} VsSpan;

/* A normalizer or pre-tokenizer. */
typedef struct VsTokenStep
{
	int32		kind;
	uint32		flags;
	VsSpan		a;				/* bytes: the pattern; units of Precompiled */
	VsSpan		b;				/* bytes: what replaces it; texts of
								 * Precompiled */
} VsTokenStep;

/* An added token. */
typedef struct VsAddedToken
{
	int32		id;
	uint32		flags;
} VsAddedToken;

#define VS_ADDED_SINGLE_WORD	(1 << 0)
#define VS_ADDED_LSTRIP			(1 << 1)
#define VS_ADDED_RSTRIP			(1 << 2)

/* An entry of the table of merges, open addressing, a power of 2 of them. */
typedef struct VsMerge
{
	int32		left;			/* -1: free */
	int32		right;
	uint32		rank;
	int32		merged;
} VsMerge;

typedef struct VsTokenizerHeader
{
	uint32		magic;
	uint32		version;
	uint32		size;
	int32		model;			/* VsTokenModel */
	uint32		flags;
	int32		unknown;		/* id, or -1 */
	double		unknown_score;	/* Unigram */
	uint32		max_word_chars; /* WordPiece */
	uint32		longest;		/* bytes of the longest piece */
	int32		normalize_count;
	int32		split_count;
	VsTokenStep normalize[VS_TOKENIZER_MAX_STEPS];
	VsTokenStep split[VS_TOKENIZER_MAX_STEPS];
	VsSpan		prefix;			/* bytes: continuing_subword_prefix */
	VsSpan		suffix;			/* bytes: end_of_word_suffix */
	VsSpan		before;			/* int32: special tokens */
	VsSpan		after;
	VsSpan		piece_ends;		/* uint32 per id: end in piece_bytes */
	VsSpan		piece_bytes;
	VsSpan		trie;			/* VsTrieUnit: text to id */
	VsSpan		scores;			/* double per id: Unigram */
	VsSpan		byte_ids;		/* int32[256], or none: byte_fallback */
	VsSpan		merges;			/* VsMerge: BPE */
	VsSpan		added;			/* VsAddedToken */
	VsSpan		added_trie;		/* texts to added: in the text as it comes */
	VsSpan		added_normal_trie;	/* in the normalized text */
} VsTokenizerHeader;

struct VsTokenizer
{
	const char *file;
	const VsTokenizerHeader *header;
	int			vocab;			/* ids are below */
	VsTrie		trie;
	VsTrie		added_trie;
	VsTrie		added_normal_trie;
	uint32		prefix_node;	/* of the trie: after prefix */
	bool		added_start[256];	/* bytes that added tokens begin with */
	bool		added_normal_start[256];
};

/* Address of a section. */
#define VS_BLOCK_AT(header, span) \
	((const void *) ((const char *) (header) + (span).offset))

/* Bytes that grow; may become larger than a StringInfo. */
typedef struct VsBytes
{
	char	   *data;			/* NULL as long as nothing was added */
	Size		len;
	Size		room;
	Size		limit;			/* of len; 0: none of its own */
} VsBytes;

extern void vs_bytes_reserve(VsBytes *bytes, Size more);
extern void vs_bytes_add(VsBytes *bytes, const char *data, Size len);
extern void vs_bytes_add_char(VsBytes *bytes, uint32 c);

/* A BPE symbol while a word is merged, and a pair of them. */
typedef struct VsSymbol VsSymbol;
typedef struct VsMergeCandidate VsMergeCandidate;

/* How good the best way to a place in a text is, and its last piece. */
typedef struct VsLatticeNode
{
	double		score;
	int32		id;				/* -1: none as yet */
	uint32		length;			/* bytes of the piece */
} VsLatticeNode;

/* One text being tokenized. */
typedef struct VsTokenRun
{
	const VsTokenizer *tokenizer;
	int32	   *ids;
	int			count;
	int			room;
	int			limit;			/* tokens that are wanted */
	bool		full;			/* there are more */

	VsBytes		scratch[VS_TOKENIZER_MAX_STEPS];	/* one for each splitter */
	VsBytes		marks;			/* of a BPE word with prefix or suffix */
	VsLatticeNode *lattice;		/* Unigram */
	Size		lattice_room;
	int32	   *path;
	Size		path_room;
	VsSymbol   *symbols;		/* BPE */
	VsMergeCandidate *heap;
	Size		symbol_room;
	Size		heap_room;
} VsTokenRun;

/* tokenizer.c */

/* Add a token; sets full where there is no room for it. */
extern void vs_token_emit(VsTokenRun *run, int32 id);
VS_NORETURN extern void vs_tokenizer_damaged(const VsTokenizer *tokenizer, const char *what);

/* Tokens of a word, what the last splitter leaves. */
typedef void (*VsWordFunction) (VsTokenRun *run, const char *word, Size len);

/* tokenizer_wordpiece.c, tokenizer_unigram.c, tokenizer_bpe.c */
extern void vs_wordpiece_word(VsTokenRun *run, const char *word, Size len);
extern void vs_unigram_word(VsTokenRun *run, const char *word, Size len);
extern void vs_bpe_word(VsTokenRun *run, const char *word, Size len);

/* The place of a pair in a table of size entries: the first one to look at. */
static inline uint32
vs_merge_hash(int32 left, int32 right, uint32 size)
{
	uint64		h = ((uint64) (uint32) left << 32 | (uint32) right) *
	UINT64CONST(0x9E3779B97F4A7C15);

	return (uint32) (h >> 32) & (size - 1);
}

/* tokenizer_split.c */

/*
 * Split a normalized text and tokenize the words.  at_start: its first byte
 * stands for the first of the whole text.
 */
extern void vs_split_text(VsTokenRun *run, const char *text, Size len, bool at_start);

/* tokenizer_normalize.c */

/*
 * Normalize a text.  Returns bytes that are good until out is used again;
 * *kept_start tells whether the first character left stands for the first one
 * of the text.
 */
extern void vs_normalize_text(const VsTokenizerHeader *header, const char *text, Size len,
							  VsBytes *out, bool *kept_start);

/* Lower a text by the full map, as a word processor does (final sigma). */
extern void vs_lower_text(const char *text, Size len, VsBytes *out);

#endif							/* VS_EMBED_TOKENIZER_BLOCK_H */
