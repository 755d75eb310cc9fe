/*
 * lda_vocabulary.c
 *		Words and their numbers: a hash table.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "lda/lda_vocabulary.h"

typedef struct VocabularyEntry
{
	VsLdaWord	word;
	uint32		number;
	uint32		hash;
	int64		last;			/* document that was counted last */
	char		status;
} VocabularyEntry;

#define SH_PREFIX			words
#define SH_ELEMENT_TYPE		VocabularyEntry
#define SH_KEY_TYPE			VsLdaWord
#define SH_KEY				word
#define SH_HASH_KEY(t, k)	hash_bytes((const unsigned char *) (k).text, (k).len)
#define SH_EQUAL(t, a, b) \
	((a).len == (b).len && memcmp((a).text, (b).text, (a).len) == 0)
#define SH_SCOPE			static inline
#define SH_STORE_HASH
#define SH_GET_HASH(t, e)	(e)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct VsLdaVocabulary
{
	MemoryContext parent;
	MemoryContext context;		/* of the table and of copied texts */
	words_hash *table;
	uint32		next;			/* number of the next word */
};

static void
begin_table(VsLdaVocabulary *v, uint32 expected)
{
	v->context = AllocSetContextCreate(v->parent, "lda vocabulary",
									   ALLOCSET_DEFAULT_SIZES);
	v->table = words_create(v->context, expected, NULL);
}

VsLdaVocabulary *
vs_lda_vocabulary_new(MemoryContext context, uint32 expected)
{
	VsLdaVocabulary *v = MemoryContextAllocZero(context,
												sizeof(VsLdaVocabulary));

	v->parent = context;
	begin_table(v, expected);
	return v;
}

void
vs_lda_vocabulary_free(VsLdaVocabulary *v)
{
	MemoryContextDelete(v->context);
	pfree(v);
}

int64
vs_lda_vocabulary_find(const VsLdaVocabulary *v, const char *text, int len)
{
	VsLdaWord	key = {.text = text,.len = len};
	VocabularyEntry *entry = words_lookup(v->table, key);

	return entry != NULL ? (int64) entry->number : -1;
}

static VocabularyEntry *
insert_word(VsLdaVocabulary *v, const VsLdaWord *word, uint32 number)
{
	bool		found;
	VocabularyEntry *entry = words_insert(v->table, *word, &found);

	Assert(!found);
	entry->word = *word;
	entry->number = number;
	entry->last = 0;
	v->next = Max(v->next, number + 1);
	return entry;
}

void
vs_lda_vocabulary_put(VsLdaVocabulary *v, const VsLdaWord *word, uint32 number)
{
	insert_word(v, word, number);
}

static char *
copy_text(MemoryContext context, const char *text, int len)
{
	char	   *copy = MemoryContextAlloc(context, len + 1);

	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

uint32
vs_lda_vocabulary_count(VsLdaVocabulary *v, const char *text, int len,
						int64 tokens, int64 document)
{
	VsLdaWord	key = {.text = text,.len = len};
	VocabularyEntry *entry = words_lookup(v->table, key);

	if (entry == NULL)
	{
		if (v->next == PG_UINT32_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many different words")));
		key.text = copy_text(v->context, text, len);
		entry = insert_word(v, &key, v->next);
	}
	if (document == 0)
		return entry->number;
	entry->word.tokens += tokens;
	if (entry->last != document)
	{
		entry->last = document;
		entry->word.documents++;
	}
	return entry->number;
}

Size
vs_lda_vocabulary_bytes(const VsLdaVocabulary *v)
{
	return MemoryContextMemAllocated(v->context, true);
}

/* Begin a new table with the words below first and those frequent enough. */
static int64
keep_words(VsLdaVocabulary *v, uint32 first, int64 documents)
{
	VsLdaVocabulary old = *v;
	words_iterator i;
	VocabularyEntry *entry;
	int64		forgotten = 0;

	begin_table(v, 1024);
	words_start_iterate(old.table, &i);
	while ((entry = words_iterate(old.table, &i)) != NULL)
	{
		VsLdaWord	word = entry->word;

		if (entry->number >= first && word.documents < documents)
		{
			forgotten++;
			continue;
		}
		word.text = copy_text(v->context, word.text, word.len);
		insert_word(v, &word, entry->number)->last = entry->last;
	}
	v->next = old.next;
	MemoryContextDelete(old.context);
	return forgotten;
}

int64
vs_lda_vocabulary_shrink(VsLdaVocabulary *v, uint32 first, Size limit)
{
	int64		forgotten = 0;

	for (int64 documents = 2; documents < PG_INT32_MAX &&
		 vs_lda_vocabulary_bytes(v) > limit / 2; documents *= 2)
		forgotten += keep_words(v, first, documents);
	return forgotten;
}

int64
vs_lda_vocabulary_list(const VsLdaVocabulary *v, VsLdaWord **words,
					   uint32 **numbers)
{
	int64		n = 0;
	words_iterator i;
	VocabularyEntry *entry;
	MemoryContext context = CurrentMemoryContext;

	*words = MemoryContextAllocHuge(context, sizeof(VsLdaWord) *
									Max(v->table->members, 1));
	*numbers = MemoryContextAllocHuge(context, sizeof(uint32) *
									  Max(v->table->members, 1));
	words_start_iterate(v->table, &i);
	while ((entry = words_iterate(v->table, &i)) != NULL)
	{
		(*words)[n] = entry->word;
		(*numbers)[n++] = entry->number;
	}
	return n;
}
