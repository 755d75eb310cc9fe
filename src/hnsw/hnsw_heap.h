/*
 * hnsw_heap.h
 *		Binary heaps of candidates, for the innermost loops of walk and build.
 *
 * The server's binaryheap and pairingheap call a comparison function for each
 * step; these compare in line, which a walk feels.
 */
#ifndef VS_HNSW_HNSW_HEAP_H
#define VS_HNSW_HNSW_HEAP_H

#include "hnsw/hnsw.h"

static inline VsHnswKey
vs_candidate_key(const VsHnswCandidate *c)
{
	return vs_hnsw_key(c->distance, c->id);
}

static inline bool
vs_nearer(const VsHnswCandidate *a, const VsHnswCandidate *b)
{
	return vs_candidate_key(a) < vs_candidate_key(b);
}

static inline void
vs_min_heap_push(VsHnswCandidate *heap, int *n, VsHnswCandidate c)
{
	int			at = (*n)++;

	while (at > 0 && vs_nearer(&c, &heap[(at - 1) / 2]))
	{
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = c;
}

static inline VsHnswCandidate
vs_min_heap_pop(VsHnswCandidate *heap, int *n)
{
	VsHnswCandidate top = heap[0];
	VsHnswCandidate last = heap[--(*n)];
	int			at = 0;

	for (;;)
	{
		int			child = 2 * at + 1;

		if (child >= *n)
			break;
		if (child + 1 < *n && vs_nearer(&heap[child + 1], &heap[child]))
			child++;
		if (!vs_nearer(&heap[child], &last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return top;
}

static inline void
vs_max_heap_replace(VsHnswCandidate *heap, int n, VsHnswCandidate c)
{
	int			at = 0;

	for (;;)
	{
		int			child = 2 * at + 1;

		if (child >= n)
			break;
		if (child + 1 < n && vs_nearer(&heap[child], &heap[child + 1]))
			child++;
		if (!vs_nearer(&c, &heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = c;
}

static inline void
vs_max_heap_push(VsHnswCandidate *heap, int *n, VsHnswCandidate c)
{
	int			at = (*n)++;

	while (at > 0 && vs_nearer(&heap[(at - 1) / 2], &c))
	{
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = c;
}

#endif							/* VS_HNSW_HNSW_HEAP_H */
