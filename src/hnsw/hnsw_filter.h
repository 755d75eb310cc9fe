/*
 * hnsw_filter.h
 *		A scan that returns some rows only: those of a bitmap.
 *
 * Pure of the executor: who scans gives a function that makes the bitmap, and
 * the scan calls it when it knows that it wants one.
 */
#ifndef VS_HNSW_HNSW_FILTER_H
#define VS_HNSW_HNSW_FILTER_H

#include "access/relscan.h"
#include "nodes/tidbitmap.h"
#include "utils/relcache.h"

#include "hnsw/hnsw_page.h"

/* How a filtered scan looks for rows. */
typedef enum VsHnswStrategy
{
	VS_FILTER_AUTO,
	VS_FILTER_PLAIN,			/* the walk of an unfiltered scan */
	VS_FILTER_GUIDED,			/* a walk whose window takes nodes of the set */
	VS_FILTER_EXACT,			/* all nodes of the set */
} VsHnswStrategy;

/*
 * What things take, in visits of a walk (some .7 us), of rows in memory: GloVe,
 * 340,000 rows, conditions from .01 to 50 %.
 */
#define VS_TIME_OF_BITMAP_ROW	0.2
#define VS_TIME_OF_ENTRY		0.004	/* of the revmap, to test its columns */
#define VS_TIME_OF_LOOK			0.35
#define VS_TIME_OF_ROW			3.0 /* that the table gives and conditions
									 * check */

/*
 * How many of so many nodes a walk is expected to visit until its window is full
 * of those that match, if these lie anywhere.
 */
static inline double
vs_hnsw_guided_visits(double nodes, double matches, double ef)
{
	return ef * nodes / Max(matches, 1);
}

/* vecsearch.filter_strategy */
extern int	vs_hnsw_filter_strategy;

/* A set of nodes: one bit for each id below size. */
typedef struct VsHnswNodeSet
{
	uint64	   *words;
	uint32		size;
	uint32		count;			/* of the bits that are set */
} VsHnswNodeSet;

static inline bool
vs_nodeset_has(const VsHnswNodeSet *set, uint32 id)
{
	return id < set->size && (set->words[id / 64] >> (id % 64) & 1) != 0;
}

/* Take an id out, if it is in. */
static inline void
vs_nodeset_remove(VsHnswNodeSet *set, uint32 id)
{
	if (vs_nodeset_has(set, id))
	{
		set->words[id / 64] &= ~(UINT64CONST(1) << (id % 64));
		set->count--;
	}
}

/* The first id of the set that is not below from, or the invalid id. */
static inline uint32
vs_nodeset_next(const VsHnswNodeSet *set, uint32 from)
{
	uint32		at = from / 64;
	uint32		end = (set->size + 63) / 64;
	uint64		word;

	if (from >= set->size)
		return VS_HNSW_INVALID_ID;
	word = set->words[at] & (~UINT64CONST(0) << (from % 64));
	while (word == 0)
	{
		if (++at == end)
			return VS_HNSW_INVALID_ID;
		word = set->words[at];
	}
	return at * 64 + __builtin_ctzll(word);
}

/* What a filtered scan did, for EXPLAIN. */
typedef struct VsHnswFilterStats
{
	bool		plain;			/* which strategies were followed */
	bool		guided;
	bool		exact;
	int64		bitmaps;		/* built */
	int64		sets;			/* of nodes that match, found */
	int64		matches;		/* nodes of the last set */
	int64		looks;			/* at nodes of the set, without walking */
	bool		beyond;			/* did a search end at the radius? */
} VsHnswFilterStats;

/*
 * What the caller of a scan gives it, and what it keeps for the next search.
 *
 * make returns the bitmap of rows that may be returned, others may be in it,
 * and the scan frees it; it is called in the memory context of the set and may
 * be slow.  The set is the same for all searches until it is dropped.  Without
 * make all rows may be returned.
 *
 * radius is a distance as SQL has it: rows that are certainly farther need not
 * be returned.  Infinite: no such limit.
 */
typedef struct VsHnswFilter
{
	double		radius;
	TIDBitmap  *(*make) (void *arg);
	void	   *arg;
	bool		eager;			/* make it at once? else if rows do not pass */
	double		expected;		/* how many rows go into the bitmap, about */
	double		wanted;			/* how many rows the caller wants, about */
	double		passing;		/* how many rows it may let pass, about */
	VsHnswStrategy forced;		/* or VS_FILTER_AUTO */
	int64		passed;			/* rows of this search that the caller's other
								 * conditions let pass; counted by the caller */
	MemoryContext context;		/* of the set */
	bool		made;
	VsHnswNodeSet set;
	VsHnswFilterStats stats;
} VsHnswFilter;

/*
 * Which share of the nodes is within a distance of a query, a vector of the
 * index's type, from a sample of them: never less than what the sample can tell.
 */
extern double vs_hnsw_share_within(Relation index, Datum query, double radius);

extern void vs_hnsw_scan_set_filter(IndexScanDesc scan, VsHnswFilter *filter);
extern void vs_hnsw_filter_drop_set(VsHnswFilter *filter);

#endif							/* VS_HNSW_HNSW_FILTER_H */
