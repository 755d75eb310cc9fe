/*
 * lda_document.h
 *		The words of documents: of texts, of tsvectors, of arrays, and of all
 *		rows of a query.
 */
#ifndef VS_LDA_LDA_DOCUMENT_H
#define VS_LDA_LDA_DOCUMENT_H

#include "tsearch/ts_type.h"
#include "utils/array.h"

/* What is called for each word; the text is not kept. */
typedef void (*VsLdaSink) (void *arg, const char *text, int len, int64 count);

/*
 * The lexemes that a text search configuration makes of a text, in their
 * order, each with count 1; a repeated word comes repeatedly.  Unlike in a
 * tsvector, positions and the size of the text have no limits.
 */
extern void vs_lda_words_of_text(Oid config, const char *text, int len,
								 VsLdaSink sink, void *arg);

/*
 * Those of a tsvector: in the order of their positions, if all have some, else
 * in the order of words.
 */
extern void vs_lda_words_of_tsvector(TSVector vector, VsLdaSink sink,
									 void *arg);

/*
 * Words with their counts: arrays of text and of a type of integer, equally
 * long.  Errors: NULL in them, negative counts, empty or too long a word, more
 * than VS_LDA_MAX_TOKENS tokens.
 */
extern void vs_lda_words_of_arrays(ArrayType *words, ArrayType *counts,
								   VsLdaSink sink, void *arg);

/* Tokens of one document. */
#define VS_LDA_MAX_TOKENS	100000000

/* The rows of a query. */
typedef struct VsLdaDocuments VsLdaDocuments;

/*
 * Run a query that returns (id, text), (id, tsvector) or (id, words, counts).
 * Between this and the close the caller is connected to SPI; the query runs
 * as the current user and may not write.  config is for texts.
 */
extern VsLdaDocuments *vs_lda_documents_open(const char *query, Oid config);

/* Whether a document tells the order of its words. */
extern bool vs_lda_documents_ordered(const VsLdaDocuments *d);

/*
 * The words of the next document, and a number that depends on its id alone,
 * which is set before the first word comes; false if there is none.
 */
extern bool vs_lda_documents_next(VsLdaDocuments *d, VsLdaSink sink, void *arg,
								  uint64 *key);
extern void vs_lda_documents_close(VsLdaDocuments *d);

#endif							/* VS_LDA_LDA_DOCUMENT_H */
