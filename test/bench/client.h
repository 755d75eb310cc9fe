/*
 * client.h
 *		What the programs that talk to a server share: asking, failing, vectors
 *		in their binary form, a watch.
 */
#ifndef VS_BENCH_CLIENT_H
#define VS_BENCH_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

/* The bytes of a vector in binary form. */
#define VECTOR_SIZE(dim) (4 + 4 * (dim))

extern void fail(PGconn *conn, const char *what);
extern PGconn *connect_to(const char *conninfo);
extern PGresult *ask(PGconn *conn, const char *sql);
extern void run(PGconn *conn, const char *sql);
extern Oid	vector_type(PGconn *conn);

extern char *put16(char *to, int value);
extern char *put32(char *to, uint32_t value);
extern char *put_vector(char *to, const float *v, size_t dim);

extern double now_ms(void);

/* What one of several clients does in a round; arg is the caller's. */
typedef void (*VsClientWork) (PGconn *conn, int client, int round, void *arg);

/*
 * Runs clients processes, each with a connection of its own, on which prepare
 * runs first.  In every round all start work together; ms[round] becomes the
 * time until the last has finished.
 */
extern void run_clients(const char *conninfo, int clients, int rounds,
						void (*prepare) (PGconn *conn, void *arg),
						VsClientWork work, void *arg, double *ms);

#endif
