/*
 * shared.c
 *		Shared memory at run time: how much there is, and locks in it.
 */
#include "postgres.h"

#include <sys/statvfs.h>

#include "access/xact.h"
#include "storage/dsm.h"
#include "storage/dsm_impl.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "support/shared.h"

/* Where the C library of Linux keeps POSIX shared memory. */
#define POSIX_FOLDER		"/dev/shm"

bool
vs_shared_memory_is_there(Size bytes)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool can = false;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		dsm_segment *segment = dsm_create(bytes, DSM_CREATE_NULL_IF_MAXSEGMENTS);

		can = segment != NULL;
		if (can)
			dsm_detach(segment);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			ReThrowError(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return can;
}

Size
vs_shared_memory_free(void)
{
	struct statvfs folder;
	const char *name = NULL;

	if (dynamic_shared_memory_type == DSM_IMPL_POSIX)
		name = POSIX_FOLDER;
	else if (dynamic_shared_memory_type == DSM_IMPL_MMAP)
		name = PG_DYNSHMEM_DIR;
	if (name == NULL || statvfs(name, &folder) != 0)
		return SIZE_MAX;
	return (Size) folder.f_bavail * folder.f_frsize;
}

/*
 * Tranches are never given back, so that the first process that wants one
 * leaves its number in shared memory.
 */
int
vs_shared_lock_tranche(void)
{
	static int	known = 0;
	int		   *shared;
	bool		found;

	if (known == 0)
	{
		LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
		shared = ShmemInitStruct("vecsearch lock tranche", sizeof(int), &found);
		if (!found)
			*shared = LWLockNewTrancheId();
		LWLockRelease(AddinShmemInitLock);
		known = *shared;
		LWLockRegisterTranche(known, "VecSearch");
	}
	return known;
}
