/*
 * tokenizer_trie.c
 *		Building double arrays, and searching them.
 *
 * The builder places the children of a node where all of them find a free
 * unit, first fit.  The search starts where it is worth while: a region that
 * was searched in vain for long is given up.  That keeps the time linear at
 * the price of some units that stay free.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "embed/tokenizer_trie.h"

uint32
vs_trie_walk(const VsTrie *trie, uint32 node, const char *text, Size len)
{
	for (Size i = 0; i < len && node != VS_TRIE_NONE; i++)
		node = text[i] == 0 ? VS_TRIE_NONE :
			vs_trie_step(trie, node, (unsigned char) text[i]);
	return node;
}

int32
vs_trie_find(const VsTrie *trie, const char *text, Size len)
{
	uint32		node = vs_trie_walk(trie, 0, text, len);

	return node == VS_TRIE_NONE ? -1 : vs_trie_number(trie, node);
}

int32
vs_trie_longest(const VsTrie *trie, uint32 node, const char *text, Size len, Size *length)
{
	int32		best = -1;

	for (Size i = 0; i < len && text[i] != 0; i++)
	{
		int32		number;

		node = vs_trie_step(trie, node, (unsigned char) text[i]);
		if (node == VS_TRIE_NONE)
			break;
		number = vs_trie_number(trie, node);
		if (number >= 0)
		{
			best = number;
			*length = i + 1;
		}
	}
	return best;
}

/* ------------------------------------------------------------------------
 * Building
 * ------------------------------------------------------------------------ */

typedef struct Builder
{
	VsTrieUnit *units;
	uint32		room;
	uint32		used;			/* one past the last unit in use */
	uint32		start;			/* of the search for free units */
} Builder;

/* A node whose children are to be placed: those of entries[first..last) */
typedef struct Pending
{
	uint32		node;
	uint32		first;
	uint32		last;
	uint32		depth;			/* bytes that lead to the node */
} Pending;

/* The check of a unit that no node has. */
#define FREE_UNIT	(PG_UINT32_MAX - 1)

/* After so many places in vain the search starts behind them from then on. */
#define MAX_TRIES	256

static int
compare_entries(const void *a, const void *b)
{
	const VsTrieEntry *x = a;
	const VsTrieEntry *y = b;
	int			order = memcmp(x->text, y->text, Min(x->len, y->len));

	if (order != 0)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* Sort by text and drop all but the last of equal texts; returns how many. */
static uint32
sort_entries(VsTrieEntry *entries, uint32 count)
{
	uint32		kept = 0;

	for (uint32 i = 0; i < count; i++)
		entries[i].place = i;
	qsort(entries, count, sizeof(VsTrieEntry), compare_entries);
	for (uint32 i = 0; i < count; i++)
	{
		bool		again = kept > 0 && entries[kept - 1].len == entries[i].len &&
		memcmp(entries[kept - 1].text, entries[i].text, entries[i].len) == 0;

		entries[again ? kept - 1 : kept++] = entries[i];
	}
	return kept;
}

/* Make units up to end exist. */
static void
reserve(Builder *b, uint64 end)
{
	uint64		room = b->room;

	if (end <= room)
		return;
	while (room < end)
		room += room / 2 + 1024;
	if (room >= FREE_UNIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many pieces in a vocabulary")));
	b->units = repalloc_huge(b->units, sizeof(VsTrieUnit) * (Size) room);
	for (uint64 i = b->room; i < room; i++)
	{
		b->units[i].base = 0;
		b->units[i].check = FREE_UNIT;
	}
	b->room = (uint32) room;
}

/* Where units for all labels (ascending, at least one) are free. */
static uint32
find_base(Builder *b, const unsigned char *labels, int count)
{
	uint32		place = Max(b->start, (uint32) labels[0] + 1);
	uint32		tries = 0;

	for (;; place++)
	{
		uint32		base = place - labels[0];
		int			fitting = 0;

		reserve(b, (uint64) base + 256);
		while (fitting < count &&
			   b->units[base + labels[fitting]].check == FREE_UNIT)
			fitting++;
		if (fitting == count)
			return base;
		if (++tries == MAX_TRIES)
			b->start = place;
	}
}

static inline unsigned char
label_of(const VsTrieEntry *entry, uint32 depth)
{
	return depth == entry->len ? 0 : (unsigned char) entry->text[depth];
}

/* Place the children of a node and add those that have children. */
static Pending *
place_children(Builder *b, const VsTrieEntry *entries, Pending node,
			   Pending *stack, int *depth, int *room)
{
	unsigned char labels[256];
	uint32		firsts[257];
	int			count = 0;
	uint32		base;

	for (uint32 i = node.first; i < node.last; i++)
	{
		unsigned char label = label_of(&entries[i], node.depth);

		if (count == 0 || labels[count - 1] != label)
		{
			labels[count] = label;
			firsts[count++] = i;
		}
	}
	firsts[count] = node.last;

	base = find_base(b, labels, count);
	b->units[node.node].base = base;
	for (int i = 0; i < count; i++)
		b->units[base + labels[i]].check = node.node;
	b->used = Max(b->used, base + labels[count - 1] + 1);
	while (b->start < b->room && b->units[b->start].check != FREE_UNIT)
		b->start++;

	if (*depth + count > *room)
	{
		*room = *room * 2 + 256;
		stack = repalloc_huge(stack, sizeof(Pending) * (Size) *room);
	}
	for (int i = count - 1; i >= 0; i--)
	{
		Pending    *child = &stack[*depth];

		if (labels[i] == 0)
		{
			b->units[base].base = (uint32) entries[firsts[i]].number;
			continue;
		}
		child->node = base + labels[i];
		child->first = firsts[i];
		child->last = firsts[i + 1];
		child->depth = node.depth + 1;
		(*depth)++;
	}
	return stack;
}

VsTrieUnit *
vs_trie_build(VsTrieEntry *entries, uint32 count, uint32 *unit_count)
{
	Builder		b = {0};
	int			room = 512;
	int			depth = 0;
	Pending    *stack = palloc(sizeof(Pending) * room);

	count = sort_entries(entries, count);
	b.units = palloc(sizeof(VsTrieUnit));
	reserve(&b, 512);
	b.units[0].check = VS_TRIE_NONE;
	b.used = b.start = 1;
	if (count > 0)
	{
		stack[depth].node = 0;
		stack[depth].first = 0;
		stack[depth].last = count;
		stack[depth].depth = 0;
		depth++;
	}
	while (depth > 0)
	{
		CHECK_FOR_INTERRUPTS();
		depth--;
		stack = place_children(&b, entries, stack[depth], stack, &depth, &room);
	}
	pfree(stack);
	*unit_count = b.used;
	return b.units;
}
