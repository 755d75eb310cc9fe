/*
 * tokenizer_trie.h
 *		A set of byte strings with a number for each, as a double array.
 *
 * A node is an index into the units.  The child of node n by byte b is at
 * units[n].base + b if the check there is n.  Where a string ends its node has
 * a child by byte 0, whose base is the number; so strings have no byte 0.
 * Node 0 is the root.  The array is used in place, and every step is checked
 * against its length: whatever it contains, nothing outside is read.
 */
#ifndef VS_EMBED_TOKENIZER_TRIE_H
#define VS_EMBED_TOKENIZER_TRIE_H

typedef struct VsTrieUnit
{
	uint32		base;
	uint32		check;
} VsTrieUnit;

#define VS_TRIE_NONE	PG_UINT32_MAX

typedef struct VsTrie
{
	const VsTrieUnit *units;
	uint32		count;
} VsTrie;

/* The child of node by byte b, or VS_TRIE_NONE. */
static inline uint32
vs_trie_step(const VsTrie *trie, uint32 node, unsigned char b)
{
	uint32		next;

	if (node >= trie->count)
		return VS_TRIE_NONE;
	next = trie->units[node].base + b;
	if (next >= trie->count || trie->units[next].check != node)
		return VS_TRIE_NONE;
	return next;
}

/* The number of the string that ends at node, or -1. */
static inline int32
vs_trie_number(const VsTrie *trie, uint32 node)
{
	uint32		leaf = vs_trie_step(trie, node, 0);

	return leaf == VS_TRIE_NONE ? -1 : (int32) trie->units[leaf].base;
}

/* The node that text leads to from node, or VS_TRIE_NONE. */
extern uint32 vs_trie_walk(const VsTrie *trie, uint32 node, const char *text, Size len);

/* The number of a text, or -1. */
extern int32 vs_trie_find(const VsTrie *trie, const char *text, Size len);

/*
 * The longest string that text begins with, going on from node: its number,
 * or -1, and its length counted from text.
 */
extern int32 vs_trie_longest(const VsTrie *trie, uint32 node, const char *text, Size len, Size *length);

/* A string to put in; must not be empty nor have a byte 0. */
typedef struct VsTrieEntry
{
	const char *text;
	uint32		len;
	int32		number;			/* not negative */
	uint32		place;			/* in the array; set by the builder */
} VsTrieEntry;

/*
 * Build the array of entries, which are sorted here; of equal strings the one
 * that came last in the array counts.  Returns palloc'd units (at least one).
 */
extern VsTrieUnit *vs_trie_build(VsTrieEntry *entries, uint32 count, uint32 *unit_count);

#endif							/* VS_EMBED_TOKENIZER_TRIE_H */
