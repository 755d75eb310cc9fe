/*
 * tokenizer_bpe.c
 *		Byte pair encoding: the symbols of a word, merged pair by pair.
 *
 * Of all neighboring pairs that have a merge, the one of the lowest rank, and
 * of equal ones the leftmost, is merged first.  The pairs wait in a heap; one
 * whose symbols changed since is recognized when it comes up.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "embed/tokenizer_block.h"
#include "embed/unicode_tables.h"

struct VsSymbol
{
	int32		id;				/* -1: merged into the one before */
	uint32		previous;
	uint32		next;
};

struct VsMergeCandidate
{
	uint32		rank;
	uint32		place;			/* of the left symbol */
	int32		merged;
};

#define NO_SYMBOL	PG_UINT32_MAX

/* A word being merged. */
typedef struct Word
{
	VsTokenRun *run;
	const VsTokenizerHeader *header;
	Size		count;			/* symbols */
	Size		heap_count;
	bool		waiting;		/* an unknown symbol is to be added */
} Word;

/* Make room for one more element of an array. */
static void *
grow(void *array, Size count, Size *room, Size width)
{
	Size		wanted;

	if (count < *room)
		return array;
	wanted = Max(64, *room * 2);
	if (wanted >= NO_SYMBOL)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("text too long to tokenize")));
	array = array == NULL ?
		MemoryContextAllocHuge(CurrentMemoryContext, wanted * width) :
		repalloc_huge(array, wanted * width);
	*room = wanted;
	return array;
}

static void
add_symbol(Word *w, int32 id)
{
	VsTokenRun *run = w->run;
	VsSymbol   *symbol;

	run->symbols = grow(run->symbols, w->count, &run->symbol_room, sizeof(VsSymbol));
	symbol = &run->symbols[w->count];
	symbol	  ->id = id;
	symbol	  ->previous = w->count == 0 ? NO_SYMBOL : (uint32) w->count - 1;
	symbol	  ->next = NO_SYMBOL;

	if (w->count > 0)
		run->symbols[w->count - 1].next = (uint32) w->count;
	w->count++;
}

static void
add_waiting(Word *w)
{
	if (w->waiting)
		add_symbol(w, w->header->unknown);
	w->waiting = false;
}

/* The symbol, or the symbols, of a character with its prefix and suffix. */
static void
add_char(Word *w, const char *text, Size len)
{
	const VsTokenizer *tokenizer = w->run->tokenizer;
	const int32 *byte_ids = VS_BLOCK_AT(w->header, w->header->byte_ids);
	int32		id = vs_trie_find(&tokenizer->trie, text, len);
	bool		by_bytes = w->header->byte_ids.count == 256;

	if (id >= 0)
	{
		add_waiting(w);
		add_symbol(w, id);
		return;
	}
	for (Size i = 0; i < len && by_bytes; i++)
		by_bytes = byte_ids[(unsigned char) text[i]] >= 0;
	if (by_bytes)
	{
		/* an unknown symbol before goes on waiting: so does the library's */
		for (Size i = 0; i < len; i++)
			add_symbol(w, byte_ids[(unsigned char) text[i]]);
		return;
	}
	if (w->header->unknown < 0)
		return;
	if (!(w->header->flags & VS_TOKEN_FUSE_UNKNOWN))
		add_waiting(w);
	w->waiting = true;
}

static void
add_chars(Word *w, const char *word, Size len)
{
	const VsTokenizerHeader *header = w->header;
	const char *p = word;
	const char *end = word + len;
	VsBytes    *marked = &w->run->marks;

	while (p < end)
	{
		const char *start = p;
		uint32		c;
		bool		has_prefix = p > word && header->prefix.count > 0;
		bool		has_suffix;

		p += vs_utf8_get(p, end, &c);
		has_suffix = p == end && header->suffix.count > 0;
		if (!has_prefix && !has_suffix)
		{
			add_char(w, start, p - start);
			continue;
		}
		marked->len = 0;
		if (has_prefix)
			vs_bytes_add(marked, VS_BLOCK_AT(header, header->prefix),
						 header->prefix.count);
		vs_bytes_add(marked, start, p - start);
		if (has_suffix)
			vs_bytes_add(marked, VS_BLOCK_AT(header, header->suffix),
						 header->suffix.count);
		add_char(w, marked->data, marked->len);
	}
	add_waiting(w);
}

/* The merge of a pair, or NULL. */
static const VsMerge *
find_merge(const Word *w, int32 left, int32 right)
{
	const VsMerge *merges = VS_BLOCK_AT(w->header, w->header->merges);
	uint32		size = w->header->merges.count;
	uint32		place;

	if (size == 0)
		return NULL;
	place = vs_merge_hash(left, right, size);
	for (uint32 tries = 0; tries < size; tries++)
	{
		const VsMerge *merge = &merges[place];

		if (merge->left < 0)
			return NULL;
		if (merge->left == left && merge->right == right)
			return merge;
		place = (place + 1) & (size - 1);
	}
	return NULL;
}

static bool
comes_before(const VsMergeCandidate *a, const VsMergeCandidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

/* Add the pair of a symbol and the next, if it has a merge. */
static void
push_pair(Word *w, uint32 place)
{
	VsTokenRun *run = w->run;
	const VsSymbol *symbol = &run->symbols[place];
	const VsMerge *merge;
	VsMergeCandidate candidate;
	Size		at;

	if (symbol->next == NO_SYMBOL)
		return;
	merge = find_merge(w, symbol->id, run->symbols[symbol->next].id);
	if (merge == NULL)
		return;
	candidate.rank = merge->rank;
	candidate.place = place;
	candidate.merged = merge->merged;
	run->heap = grow(run->heap, w->heap_count, &run->heap_room,
					 sizeof(VsMergeCandidate));
	for (at = w->heap_count++; at > 0; at = (at - 1) / 2)
	{
		if (!comes_before(&candidate, &run->heap[(at - 1) / 2]))
			break;
		run->heap[at] = run->heap[(at - 1) / 2];
	}
	run->heap[at] = candidate;
}

static VsMergeCandidate
pop_pair(Word *w)
{
	VsMergeCandidate *heap = w->run->heap;
	VsMergeCandidate top = heap[0];
	VsMergeCandidate last = heap[--w->heap_count];
	Size		at = 0;

	for (;;)
	{
		Size		child = 2 * at + 1;

		if (child >= w->heap_count)
			break;
		if (child + 1 < w->heap_count &&
			comes_before(&heap[child + 1], &heap[child]))
			child++;
		if (!comes_before(&heap[child], &last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return top;
}

static void
merge_all(Word *w)
{
	VsSymbol   *symbols = w->run->symbols;
	uint32		pops = 0;

	for (Size i = 0; i + 1 < w->count; i++)
		push_pair(w, (uint32) i);
	while (w->heap_count > 0)
	{
		VsMergeCandidate top = pop_pair(w);
		VsSymbol   *left = &symbols[top.place];
		VsSymbol   *right;
		const VsMerge *merge;

		if ((++pops & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		if (left->id < 0 || left->next == NO_SYMBOL)
			continue;
		right = &symbols[left->next];
		merge = find_merge(w, left->id, right->id);
		if (merge == NULL || merge->merged != top.merged)
			continue;
		if (top.merged < 0)
			vs_tokenizer_damaged(w->run->tokenizer, "A merge is wrong.");

		left->id = top.merged;
		left->next = right->next;
		right->id = -1;
		if (left->next != NO_SYMBOL)
			symbols[left->next].previous = top.place;
		if (left->previous != NO_SYMBOL)
			push_pair(w, left->previous);
		push_pair(w, top.place);
	}
}

void
vs_bpe_word(VsTokenRun *run, const char *word, Size len)
{
	Word		w = {.run = run,.header = run->tokenizer->header};

	if (w.header->flags & VS_TOKEN_IGNORE_MERGES)
	{
		int32		id = vs_trie_find(&run->tokenizer->trie, word, len);

		if (id >= 0)
		{
			vs_token_emit(run, id);
			return;
		}
	}
	add_chars(&w, word, len);
	if (w.count == 0)
		return;
	merge_all(&w);
	for (uint32 i = 0; i != NO_SYMBOL && !run->full; i = run->symbols[i].next)
		vs_token_emit(run, run->symbols[i].id);
}
