/*
 * lda_corpus.c
 *		The documents of a training: collected, sorted, laid into windows.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "compat.h"
#include "lda/lda_corpus.h"
#include "lda/lda_document.h"
#include "lda/lda_progress.h"
#include "lda/lda_vocabulary.h"

/* Look at the memory of the vocabulary after so many documents. */
#define SHRINK_EVERY	1024

/* The sort gets this part of the memory; it keeps it while windows are laid. */
#define SORT_PART		8

/* Bytes of a token in a window: its word and its topic. */
#define TOKEN_BYTES		(sizeof(uint32_t) + sizeof(uint16_t))

/* For alignment of a window's parts. */
#define WINDOW_SLACK	(4 * VS_LDA_ALIGN + VS_LDA_WORD_PAD * sizeof(uint32_t))

/* Columns of the sort. */
enum
{
	SORT_HELD = 1,				/* documents to be trained on come first */
	SORT_KEY,
	SORT_WORDS,
	SORT_COLUMNS = SORT_WORDS
};

/* Where a window is in the file. */
typedef struct WindowPlace
{
	size_t		ndocs;
	size_t		ntokens;
	int			file;
	off_t		offset;
} WindowPlace;

struct VsLdaCorpusState
{
	VsLdaCollectOptions options;
	const VsLdaModel *base;
	int			base_words;
	MemoryContext context;		/* of all this */
	Size		left;			/* bytes that were not used for the sort */

	/* collecting */
	VsLdaVocabulary *vocabulary;
	int64		tokens;			/* of documents to be trained on */
	int64		document;		/* that is being read, from 1 */
	uint64		key;			/* of its id */
	uint64		content;		/* a hash of its words */
	bool		is_held;
	uint32	   *ids;			/* of its words */
	int			n;
	int			room;
	Tuplesortstate *sort;
	TupleTableSlot *slot;

	/* laying */
	uint32		mapped;			/* numbers below it may be in map */
	int32	   *map;			/* from number to word, or -1 */
	int			longest;		/* document, in tokens */
	size_t		room_docs;
	size_t		room_tokens;
	BufFile    *file;
	WindowPlace *places;
	int			places_room;

	/* held-out documents: key, n, words */
	BufFile    *held;
	bool		reading;
};

/* ------------------------------------------------------------------------
 * Collecting
 * ------------------------------------------------------------------------ */

static void
add_id(struct VsLdaCorpusState *s, uint32 id, int64 count)
{
	if (count > VS_LDA_MAX_TOKENS - s->n)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a document has more than %d tokens",
						VS_LDA_MAX_TOKENS)));
	if (s->n + count > s->room)
	{
		s->room = Max(s->room * 2, s->n + (int) count);
		s->ids = repalloc_huge(s->ids, sizeof(uint32) * s->room);
	}
	for (int64 i = 0; i < count; i++)
		s->ids[s->n++] = id;
}

/* Whether a document is held out depends on its id and the seed alone. */
static bool
is_held_out(const VsLdaCollectOptions *o, uint64 key)
{
	uint64		mixed = vs_lda_mix(key ^ vs_lda_mix(o->seed ^ 0x68656C64));

	return (mixed >> 11) * 0x1p-53 < o->held_out;
}

/*
 * The words of documents that are held out get numbers, but do not count.
 */
static void
collect_word(void *arg, const char *text, int len, int64 count)
{
	struct VsLdaCorpusState *s = arg;

	if (s->n == 0)
		s->is_held = is_held_out(&s->options, s->key);
	s->content = hash_bytes_extended((const unsigned char *) text, len,
									 s->content + count);
	add_id(s, vs_lda_vocabulary_count(s->vocabulary, text, len, count,
									  s->is_held ? 0 : s->document), count);
}

static void
begin_sort(struct VsLdaCorpusState *s)
{
	TupleDesc	desc = CreateTemplateTupleDesc(SORT_COLUMNS);
	AttrNumber	columns[] = {SORT_HELD, SORT_KEY, SORT_WORDS};
	Oid			types[] = {BOOLOID, INT8OID, BYTEAOID};
	Oid			operators[SORT_COLUMNS];
	Oid			collations[SORT_COLUMNS] = {0};
	bool		nulls_first[SORT_COLUMNS] = {false};

	for (int i = 0; i < SORT_COLUMNS; i++)
	{
		TupleDescInitEntry(desc, i + 1, "", types[i], -1, 0);
		operators[i] = lookup_type_cache(types[i], TYPECACHE_LT_OPR)->lt_opr;
	}
	s->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	s->sort = tuplesort_begin_heap(desc, SORT_COLUMNS, columns, operators,
								   collations, nulls_first,
								   (int) Max(Min(s->options.memory / SORT_PART / 1024,
												 MAX_KILOBYTES), 64),
								   NULL, false);
}

/*
 * Where a document comes in the order, and what its random numbers come from.
 * Its words count too: ids may be all the same, or null.
 */
static uint64
document_key(const struct VsLdaCorpusState *s)
{
	return vs_lda_mix(s->key ^ s->options.seed ^ vs_lda_mix(s->content));
}

/* Put the document that was read into the sort. */
static void
keep_document(struct VsLdaCorpusState *s, uint64 key, MemoryContext scratch)
{
	MemoryContext old = MemoryContextSwitchTo(scratch);
	Size		bytes = sizeof(uint32) * s->n;
	bytea	   *words;

	if (bytes > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a document has too many tokens")));
	words = palloc(VARHDRSZ + bytes);
	SET_VARSIZE(words, VARHDRSZ + bytes);
	memcpy(VARDATA(words), s->ids, bytes);
	ExecClearTuple(s->slot);
	s->slot->tts_values[SORT_HELD - 1] = BoolGetDatum(s->is_held);
	s->slot->tts_values[SORT_KEY - 1] = Int64GetDatum((int64) key);
	s->slot->tts_values[SORT_WORDS - 1] = PointerGetDatum(words);
	memset(s->slot->tts_isnull, false, SORT_COLUMNS);
	ExecStoreVirtualTuple(s->slot);
	tuplesort_puttupleslot(s->sort, s->slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
}

static void
begin_vocabulary(struct VsLdaCorpusState *s)
{
	s->vocabulary = vs_lda_vocabulary_new(s->context, 1024);
	if (s->base == NULL)
		return;
	s->base_words = s->base->words;
	for (int w = 0; w < s->base->words; w++)
	{
		VsLdaWord	word = s->base->word[w];

		word.documents = word.tokens = 0;
		vs_lda_vocabulary_put(s->vocabulary, &word, w);
	}
}

static void
read_documents(VsLdaCorpus *corpus)
{
	struct VsLdaCorpusState *s = corpus->state;
	MemoryContext scratch = AllocSetContextCreate(s->context, "lda document",
												  ALLOCSET_DEFAULT_SIZES);
	VsLdaDocuments *documents;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	documents = vs_lda_documents_open(s->options.documents, s->options.config);
	s->document = 1;
	while (vs_lda_documents_next(documents, collect_word, s, &s->key))
	{
		s->is_held = is_held_out(&s->options, s->key);
		keep_document(s, document_key(s), scratch);
		if (s->is_held)
			corpus->held++;
		else
		{
			corpus->documents++;
			s->tokens += s->n;
		}
		s->n = 0;
		s->content = 0;
		s->document++;
		if (s->document % SHRINK_EVERY == 0 &&
			vs_lda_vocabulary_bytes(s->vocabulary) > s->options.memory / 2)
			corpus->forgotten += vs_lda_vocabulary_shrink(s->vocabulary,
														  s->base_words,
														  s->options.memory / 2);
		vs_lda_progress_update("reading documents", s->document - 1, 0);
	}
	vs_lda_documents_close(documents);
	SPI_finish();
	MemoryContextDelete(scratch);
}

VsLdaCorpus *
vs_lda_corpus_collect(const VsLdaCollectOptions *options,
					  const VsLdaModel *base)
{
	VsLdaCorpus *corpus = palloc0(sizeof(VsLdaCorpus));
	struct VsLdaCorpusState *s = palloc0(sizeof(struct VsLdaCorpusState));

	corpus->state = s;
	corpus->current = -1;
	s->options = *options;
	s->base = base;
	s->context = AllocSetContextCreate(CurrentMemoryContext, "lda corpus",
									   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(s->context);
	s->room = 1024;
	s->ids = palloc(sizeof(uint32) * s->room);
	begin_vocabulary(s);
	begin_sort(s);
	read_documents(corpus);
	MemoryContextSwitchTo(MemoryContextGetParent(s->context));
	if (corpus->documents == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no documents"),
				 corpus->held > 0 ?
				 errdetail("All " INT64_FORMAT " documents were held out.",
						   corpus->held) :
				 errdetail("The query of documents returned no rows.")));
	return corpus;
}

/* ------------------------------------------------------------------------
 * The vocabulary
 * ------------------------------------------------------------------------ */

/* A word that may be chosen, with its number. */
typedef struct Choice
{
	VsLdaWord	word;
	uint32		number;
} Choice;

static int
compare_choices(const void *a, const void *b)
{
	const VsLdaWord *x = &((const Choice *) a)->word;
	const VsLdaWord *y = &((const Choice *) b)->word;
	int			order;

	if (x->documents != y->documents)
		return x->documents > y->documents ? -1 : 1;
	order = memcmp(x->text, y->text, Min(x->len, y->len));
	return order != 0 ? order : x->len - y->len;
}

/*
 * Split words into those of the base, at the places of their numbers, and
 * those that may be chosen, which are returned.
 */
static Choice *
list_choices(VsLdaCorpus *corpus, bool extend, int64 *nchoices)
{
	struct VsLdaCorpusState *s = corpus->state;
	VsLdaWord  *words;
	uint32	   *numbers;
	int64		n = vs_lda_vocabulary_list(s->vocabulary, &words, &numbers);
	int64		chosen = 0;
	double		most = s->options.max_df * corpus->documents;
	Choice	   *choices = MemoryContextAllocHuge(s->context,
												 sizeof(Choice) * Max(n, 1));

	corpus->word = MemoryContextAllocHuge(s->context,
										  sizeof(VsLdaWord) * Max(n, 1));
	for (int64 i = 0; i < n; i++)
	{
		if (numbers[i] < (uint32) s->base_words)
			corpus->word[numbers[i]] = words[i];
		else if (extend && words[i].documents >= s->options.min_df &&
				 words[i].documents <= most)
		{
			choices[chosen].word = words[i];
			choices[chosen++].number = numbers[i];
		}
		else
			corpus->rejected++;
	}
	pfree(words);
	pfree(numbers);
	*nchoices = chosen;
	return choices;
}

static void
make_map(VsLdaCorpus *corpus, const Choice *choices, int64 n)
{
	struct VsLdaCorpusState *s = corpus->state;

	s->mapped = s->base_words;
	for (int64 i = 0; i < n; i++)
		s->mapped = Max(s->mapped, choices[i].number + 1);
	s->map = MemoryContextAllocHuge(s->context, sizeof(int32) *
									Max((Size) s->mapped, 1));
	memset(s->map, 0xFF, sizeof(int32) * (Size) s->mapped);
	for (int w = 0; w < s->base_words; w++)
		s->map[w] = w;
	for (int64 i = 0; i < n; i++)
	{
		s->map[choices[i].number] = s->base_words + (int32) i;
		corpus->word[s->base_words + i] = choices[i].word;
	}
}

static const char *
copy_word(MemoryContext context, const VsLdaWord *word)
{
	char	   *copy = MemoryContextAllocZero(context, word->len + 1);

	memcpy(copy, word->text, word->len);
	return copy;
}

void
vs_lda_corpus_choose(VsLdaCorpus *corpus, bool extend)
{
	struct VsLdaCorpusState *s = corpus->state;
	int64		n;
	Choice	   *choices = list_choices(corpus, extend, &n);
	int64		taken;

	qsort(choices, n, sizeof(Choice), compare_choices);
	taken = Min(n, Max(s->options.vocabulary_size - s->base_words, 0));
	corpus->rejected += n - taken + corpus->forgotten;
	make_map(corpus, choices, taken);
	corpus->words = s->base_words + (int) taken;
	corpus->tokens = 0;
	for (int w = 0; w < corpus->words; w++)
		corpus->tokens += corpus->word[w].tokens;
	corpus->rejected_tokens = s->tokens - corpus->tokens;
	pfree(choices);

	/* the other words, and the table of them, are not needed any more */
	for (int w = 0; w < corpus->words; w++)
		corpus->word[w].text = copy_word(s->context, &corpus->word[w]);
	vs_lda_vocabulary_free(s->vocabulary);
	s->vocabulary = NULL;
}

/* ------------------------------------------------------------------------
 * Windows
 * ------------------------------------------------------------------------ */

static Size
window_bytes(size_t docs, size_t tokens)
{
	return sizeof(VsLdaDoc) * docs + TOKEN_BYTES * tokens + WINDOW_SLACK;
}

Size
vs_lda_corpus_size(const VsLdaCorpus *corpus)
{
	return window_bytes(corpus->documents, corpus->tokens);
}

Size
vs_lda_corpus_least(const VsLdaCorpus *corpus)
{
	return Min(vs_lda_corpus_size(corpus), 1024 * 1024);
}

Size
vs_lda_corpus_in_use(const VsLdaCorpus *corpus)
{
	return MemoryContextMemAllocated(corpus->state->context, true);
}

/*
 * Divide memory.  If not all fits, a sixteenth of it is for documents: those of
 * 60 tokens fill it as tokens fill the rest.
 */
static void
divide_memory(VsLdaCorpus *corpus, char *memory, Size bytes)
{
	struct VsLdaCorpusState *s = corpus->state;
	VsLdaWindow *w = &corpus->window;

	s->room_docs = corpus->documents;
	s->room_tokens = corpus->tokens;
	if (window_bytes(s->room_docs, s->room_tokens) > bytes)
	{
		s->room_docs = Min(s->room_docs,
						   bytes / 16 / sizeof(VsLdaDoc) + 1);
		s->room_tokens = (bytes - window_bytes(s->room_docs, 0)) / TOKEN_BYTES;
	}
	w->docs = (VsLdaDoc *) TYPEALIGN(VS_LDA_ALIGN, memory);
	w->words = (uint32_t *) TYPEALIGN(VS_LDA_ALIGN, w->docs + s->room_docs);
	w->topics = (uint16_t *) TYPEALIGN(VS_LDA_ALIGN, w->words + s->room_tokens +
									   VS_LDA_WORD_PAD);
}

static void
read_words(BufFile *file, void *data, Size bytes)
{
	if (BufFileRead(file, data, bytes) != bytes)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read from a temporary file")));
}

/* Note and write out the window that was filled, and begin the next. */
static void
finish_window(VsLdaCorpus *corpus)
{
	struct VsLdaCorpusState *s = corpus->state;
	VsLdaWindow *w = &corpus->window;
	WindowPlace *place;

	if (s->file == NULL)
		s->file = BufFileCreateTemp(false);
	if (corpus->windows == s->places_room)
	{
		s->places_room = Max(s->places_room * 2, 16);
		s->places = s->places == NULL ?
			palloc(sizeof(WindowPlace) * s->places_room) :
			repalloc(s->places, sizeof(WindowPlace) * s->places_room);
	}
	place = &s->places[corpus->windows++];
	place->ndocs = w->ndocs;
	place->ntokens = w->ntokens;
	BufFileTell(s->file, &place->file, &place->offset);
	memset(w->topics, 0, sizeof(uint16_t) * w->ntokens);
	BufFileWrite(s->file, w->topics, sizeof(uint16_t) * w->ntokens);
	BufFileWrite(s->file, w->docs, sizeof(VsLdaDoc) * w->ndocs);
	BufFileWrite(s->file, w->words, sizeof(uint32_t) * w->ntokens);
	w->ndocs = w->ntokens = 0;
}

static void
no_room(size_t tokens)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a document of %zu tokens does not fit the memory of lda_train",
					tokens),
			 errhint("Raise maintenance_work_mem.")));
}

/* The words of a document that are in the vocabulary, into ids. */
static int
map_words(struct VsLdaCorpusState *s, const bytea *words)
{
	const char *data = VARDATA_ANY(words);
	int			n = VARSIZE_ANY_EXHDR(words) / sizeof(uint32);

	s->n = 0;
	for (int i = 0; i < n; i++)
	{
		uint32		id;

		memcpy(&id, data + sizeof(uint32) * i, sizeof(uint32));
		if (id < s->mapped && s->map[id] >= 0)
			s->ids[s->n++] = (uint32) s->map[id];
	}
	return s->n;
}

static void
lay_document(VsLdaCorpus *corpus, uint64 key)
{
	struct VsLdaCorpusState *s = corpus->state;
	VsLdaWindow *w = &corpus->window;
	VsLdaDoc   *doc;
	size_t		n = s->n;

	if (n == 0)
		return;
	if (n > s->room_tokens)
		no_room(n);
	if (w->ndocs == s->room_docs || w->ntokens + n > s->room_tokens)
		finish_window(corpus);
	doc = &w->docs[w->ndocs++];
	doc->key = key;
	doc->start = w->ntokens;
	doc->length = n;
	memcpy(w->words + w->ntokens, s->ids, sizeof(uint32_t) * n);
	w->ntokens += n;
	corpus->trained++;
}

static void
hold_document(struct VsLdaCorpusState *s, uint64 key)
{
	if (s->held == NULL)
		s->held = BufFileCreateTemp(false);
	BufFileWrite(s->held, &key, sizeof(key));
	BufFileWrite(s->held, &s->n, sizeof(s->n));
	BufFileWrite(s->held, s->ids, sizeof(uint32) * s->n);
}

void
vs_lda_corpus_lay(VsLdaCorpus *corpus, void *memory, Size bytes)
{
	struct VsLdaCorpusState *s = corpus->state;
	MemoryContext old = MemoryContextSwitchTo(s->context);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(s->slot->tts_tupleDescriptor,
													&TTSOpsMinimalTuple);

	divide_memory(corpus, memory, bytes);
	tuplesort_performsort(s->sort);
	while (tuplesort_gettupleslot(s->sort, true, false, slot, NULL))
	{
		uint64		key;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		key = (uint64) DatumGetInt64(slot->tts_values[SORT_KEY - 1]);
		map_words(s, (bytea *) DatumGetPointer(slot->tts_values[SORT_WORDS - 1]));
		if (DatumGetBool(slot->tts_values[SORT_HELD - 1]))
			hold_document(s, key);
		else
			lay_document(corpus, key);
	}
	ExecDropSingleTupleTableSlot(slot);
	ExecDropSingleTupleTableSlot(s->slot);
	tuplesort_end(s->sort);
	s->sort = NULL;
	pfree(s->map);
	s->map = NULL;
	if (s->file != NULL)
	{
		finish_window(corpus);
		vs_lda_corpus_go(corpus, 0);
	}
	else
	{
		corpus->windows = 1;
		corpus->current = 0;
	}
	memset(corpus->window.words + corpus->window.ntokens, 0,
		   sizeof(uint32_t) * VS_LDA_WORD_PAD);
	MemoryContextSwitchTo(old);
}

static void
seek(BufFile *file, const WindowPlace *place)
{
	if (BufFileSeek(file, place->file, place->offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in a temporary file")));
}

void
vs_lda_corpus_go(VsLdaCorpus *corpus, int window)
{
	struct VsLdaCorpusState *s = corpus->state;
	VsLdaWindow *w = &corpus->window;
	const WindowPlace *place;

	if (window == corpus->current)
		return;
	if (corpus->current >= 0)
	{
		seek(s->file, &s->places[corpus->current]);
		BufFileWrite(s->file, w->topics, sizeof(uint16_t) * w->ntokens);
	}
	place = &s->places[window];
	w->ndocs = place->ndocs;
	w->ntokens = place->ntokens;
	seek(s->file, place);
	read_words(s->file, w->topics, sizeof(uint16_t) * w->ntokens);
	read_words(s->file, w->docs, sizeof(VsLdaDoc) * w->ndocs);
	read_words(s->file, w->words, sizeof(uint32_t) * w->ntokens);
	memset(w->words + w->ntokens, 0, sizeof(uint32_t) * VS_LDA_WORD_PAD);
	corpus->current = window;
}

bool
vs_lda_corpus_held(VsLdaCorpus *corpus, uint64 *key, int *n, uint32 **words)
{
	struct VsLdaCorpusState *s = corpus->state;

	if (s->held == NULL)
		return false;
	if (!s->reading && BufFileSeek(s->held, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in a temporary file")));
	s->reading = BufFileRead(s->held, key, sizeof(*key)) == sizeof(*key);
	if (!s->reading)
		return false;
	read_words(s->held, n, sizeof(*n));
	*words = palloc_extended(sizeof(uint32) * Max(*n, 1), MCXT_ALLOC_HUGE);
	read_words(s->held, *words, sizeof(uint32) * *n);
	return true;
}

void
vs_lda_corpus_end(VsLdaCorpus *corpus)
{
	struct VsLdaCorpusState *s = corpus->state;

	if (s->file != NULL)
		BufFileClose(s->file);
	if (s->held != NULL)
		BufFileClose(s->held);
	MemoryContextDelete(s->context);
	pfree(s);
}
