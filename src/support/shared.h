/*
 * shared.h
 *		Shared memory at run time: how much there is, and locks in it.
 */
#ifndef VS_SUPPORT_SHARED_H
#define VS_SUPPORT_SHARED_H

/*
 * Whether there is dynamic shared memory of that size, tried out.  The server
 * would raise an error where it is wanted, and nothing could be done about it
 * there.  Not in parallel mode.
 */
extern bool vs_shared_memory_is_there(Size bytes);

/*
 * Bytes of dynamic shared memory that the system would give now, as far as it
 * tells; else the largest Size.
 */
extern Size vs_shared_memory_free(void);

/* The tranche of our locks, known to this process from now on. */
extern int	vs_shared_lock_tranche(void);

#endif							/* VS_SUPPORT_SHARED_H */
