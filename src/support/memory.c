/*
 * memory.c
 *		Large and aligned memory.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "utils/memutils.h"

#include "support/memory.h"

/* The size of a large page, on most machines. */
#define LARGE_PAGE		(2 * 1024 * 1024)

/* It is no more than advice: what the system makes of it does not matter. */
void
vs_memory_ask_large(char *start, Size bytes)
{
#ifdef MADV_HUGEPAGE
	char	   *from = (char *) TYPEALIGN(LARGE_PAGE, start);
	char	   *to = (char *) TYPEALIGN_DOWN(LARGE_PAGE, start + bytes);

	if (from < to)
		(void) madvise(from, to - from, MADV_HUGEPAGE);
#endif
}

void *
vs_memory_aligned(MemoryContext context, Size bytes, int flags)
{
	char	   *p = MemoryContextAllocExtended(context,
											   bytes + VS_MEMORY_ALIGN,
											   MCXT_ALLOC_HUGE |
											   (flags & ~MCXT_ALLOC_ZERO));
	char	   *aligned = (char *) TYPEALIGN(VS_MEMORY_ALIGN, p);

	/* before it is touched */
	vs_memory_ask_large(aligned, bytes);
	if (flags & MCXT_ALLOC_ZERO)
		memset(aligned, 0, bytes);
	return aligned;
}
