/*
 * server_stub.h
 *		The few parts of the server that src/embed and src/lda call, for their
 *		unit tests.
 *
 * A test is compiled with the server's headers and linked with this instead
 * of a server.  Memory comes from malloc, one block for each palloc, so that
 * ASan sees every overrun; it is freed with its context.  Errors end in
 * stub_run.  Parsers, hashes and the like are the server's own, from
 * libpgcommon and libpgport.
 *
 * Include it after postgres.h.
 */
#ifndef VS_UNIT_SERVER_STUB_H
#define VS_UNIT_SERVER_STUB_H

/* What ereport(ERROR) said. */
typedef struct StubError
{
	int			sqlstate;
	char		message[1024];
	char		detail[1024];
	char		hint[1024];
} StubError;

/*
 * Run body(arg).  NULL if it returned; else the error that it ended with,
 * which stays until the next call.  The current memory context is as before
 * in both cases; after an error, transient files and directories are closed.
 */
extern const StubError *stub_run(void (*body) (void *arg), void *arg);

/*
 * Run body(arg) and compare with what is expected: an error of this code whose
 * message contains part; sqlstate 0 means no error.  Returns whether it was so,
 * and prints a TAP comment if not.
 */
extern bool stub_expect(int sqlstate, const char *part,
						void (*body) (void *arg), void *arg);

/*
 * The end of a transaction: frees the memory context in which a test starts,
 * and all below it.  Transient files that are still open are closed; their
 * number is returned.
 */
extern int	stub_reset(void);

/* The largest single allocation asked for so far; may be set to 0. */
extern Size stub_largest_alloc;

/* Of the database: PG_UTF8, or another as a test sets it. */
extern int	stub_encoding;

/* Set: the next CHECK_FOR_INTERRUPTS is an error ERRCODE_QUERY_CANCELED. */
extern void stub_interrupt(void);

#endif							/* VS_UNIT_SERVER_STUB_H */
