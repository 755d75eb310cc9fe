/*
 * lda_vocabulary.h
 *		Words and their numbers.
 */
#ifndef VS_LDA_LDA_VOCABULARY_H
#define VS_LDA_LDA_VOCABULARY_H

#include "utils/palloc.h"

#include "lda/lda_model.h"

/* Bytes of the longest word: that of a lexeme. */
#define VS_LDA_MAX_WORD		2046

typedef struct VsLdaVocabulary VsLdaVocabulary;

/* An empty one, in a memory context of its own below context. */
extern VsLdaVocabulary *vs_lda_vocabulary_new(MemoryContext context,
											  uint32 expected);

/* With all texts that it copied. */
extern void vs_lda_vocabulary_free(VsLdaVocabulary *v);

/* The number of a word, or -1. */
extern int64 vs_lda_vocabulary_find(const VsLdaVocabulary *v,
									const char *text, int len);

/* Add a word that is not there, with a number, without copying its text. */
extern void vs_lda_vocabulary_put(VsLdaVocabulary *v, const VsLdaWord *word,
								  uint32 number);

/*
 * The number of a word.  One that is not there is copied and gets the next
 * number.  Its tokens are counted for a document, of which the number is
 * given, from 1; with 0 nothing is counted.
 */
extern uint32 vs_lda_vocabulary_count(VsLdaVocabulary *v, const char *text,
									  int len, int64 tokens, int64 document);

/*
 * Forget words from number first on that are in fewer documents than most
 * are, until at most half of limit bytes are in use.  Their numbers are not
 * given again.  Returns how many were forgotten.
 */
extern int64 vs_lda_vocabulary_shrink(VsLdaVocabulary *v, uint32 first,
									  Size limit);

/* Bytes in use. */
extern Size vs_lda_vocabulary_bytes(const VsLdaVocabulary *v);

/* All words and their numbers, in no order, in the current memory context. */
extern int64 vs_lda_vocabulary_list(const VsLdaVocabulary *v,
									VsLdaWord **words, uint32 **numbers);

#endif							/* VS_LDA_LDA_VOCABULARY_H */
