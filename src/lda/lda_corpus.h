/*
 * lda_corpus.h
 *		The documents of a training, as numbers of words.
 *
 * First all documents are collected, while the words are counted, into a sort
 * by a hash of their ids and words: the order in which they are sampled does
 * not depend on the order of the query.  Then the vocabulary is chosen, and the documents
 * are laid into windows: runs of documents that fit the memory there is.  If
 * there is more than one window, all are kept in a temporary file, one at a
 * time in memory.
 */
#ifndef VS_LDA_LDA_CORPUS_H
#define VS_LDA_LDA_CORPUS_H

#include "storage/buffile.h"

#include "kernel/kernel_lda.h"
#include "lda/lda_model.h"

typedef struct VsLdaCollectOptions
{
	const char *documents;		/* the query */
	Oid			config;			/* for texts */
	uint64		seed;
	double		held_out;		/* share of documents that are not trained on */
	int64		min_df;			/* documents that a word must be in, at least */
	double		max_df;			/* and at most, as a share */
	int			vocabulary_size;	/* at most so many words */
	Size		memory;			/* bytes for collecting */
} VsLdaCollectOptions;

/* The documents in memory. */
typedef struct VsLdaWindow
{
	size_t		ndocs;
	size_t		ntokens;
	VsLdaDoc   *docs;
	uint32_t   *words;			/* and VS_LDA_WORD_PAD more */
	uint16_t   *topics;
} VsLdaWindow;

typedef struct VsLdaCorpus
{
	/* of the query */
	int64		documents;		/* trained on; some may be empty now */
	int64		held;			/* held out */
	int64		forgotten;		/* rare words that did not fit the memory */

	/* after the vocabulary was chosen */
	int			words;			/* V */
	VsLdaWord  *word;			/* [V] */
	int64		rejected;		/* words left out; forgotten ones may count
								 * more than once */
	int64		rejected_tokens;
	int64		tokens;			/* of the vocabulary, in documents trained on */

	/* after the documents were laid */
	int64		trained;		/* documents with at least one token */
	int			windows;
	int			current;		/* the one in memory */
	VsLdaWindow window;

	struct VsLdaCorpusState *state;
} VsLdaCorpus;

/*
 * Run the query and collect its documents.  The result lives in the current
 * memory context.  If base is a model, its words come first and stay, and
 * only others must be frequent enough.  Errors: those of the query, no
 * documents.
 */
extern VsLdaCorpus *vs_lda_corpus_collect(const VsLdaCollectOptions *options,
										  const VsLdaModel *base);

/*
 * Choose the vocabulary: the words that are in min_df documents and in at most
 * the share max_df of them, the most frequent vocabulary_size; by falling
 * document frequency, ties by bytes.  With extend false a base's words stay
 * alone.
 */
extern void vs_lda_corpus_choose(VsLdaCorpus *corpus, bool extend);

/* Bytes of a window of all documents; bytes of the smallest possible one. */
extern Size vs_lda_corpus_size(const VsLdaCorpus *corpus);
extern Size vs_lda_corpus_least(const VsLdaCorpus *corpus);

/* Bytes that are in use until the documents are laid. */
extern Size vs_lda_corpus_in_use(const VsLdaCorpus *corpus);

/* Lay the documents into memory of that many bytes; the first window is there. */
extern void vs_lda_corpus_lay(VsLdaCorpus *corpus, void *memory, Size bytes);

/* Make a window the one in memory; topics of the one before are kept. */
extern void vs_lda_corpus_go(VsLdaCorpus *corpus, int window);

/*
 * The next document that was held out, in the current memory context; false
 * at the end, after which the first comes again.
 */
extern bool vs_lda_corpus_held(VsLdaCorpus *corpus, uint64 *key, int *n,
							   uint32 **words);

/* Drop temporary files and memory of the state. */
extern void vs_lda_corpus_end(VsLdaCorpus *corpus);

#endif							/* VS_LDA_LDA_CORPUS_H */
