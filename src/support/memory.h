/*
 * memory.h
 *		Large and aligned memory.
 */
#ifndef VS_SUPPORT_MEMORY_H
#define VS_SUPPORT_MEMORY_H

#include "utils/palloc.h"

/* What vs_memory_aligned aligns to: a cache line. */
#define VS_MEMORY_ALIGN		64

/*
 * Memory of any size in a context, aligned; flags are those of
 * MemoryContextAllocExtended.  It goes with the context and cannot be freed
 * alone.  For more than a few MB large pages are asked for: to touch small
 * ones for the first time can take longer than what is done with them.
 */
extern void *vs_memory_aligned(MemoryContext context, Size bytes, int flags);

/* Ask for large pages in memory that was not touched yet. */
extern void vs_memory_ask_large(char *start, Size bytes);

#endif							/* VS_SUPPORT_MEMORY_H */
