/*
 * client.c
 *		What the programs that talk to a server share.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "%s: %s", what, PQerrorMessage(conn));
	exit(1);
}

PGconn *
connect_to(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "cannot connect");
	return conn;
}

PGresult *
ask(PGconn *conn, const char *sql)
{
	PGresult   *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		status != PGRES_COPY_IN)
		fail(conn, sql);
	return res;
}

void
run(PGconn *conn, const char *sql)
{
	PQclear(ask(conn, sql));
}

Oid
vector_type(PGconn *conn)
{
	PGresult   *res = ask(conn, "SELECT 'vector'::regtype::oid");
	Oid			type = (Oid) strtoul(PQgetvalue(res, 0, 0), NULL, 10);

	PQclear(res);
	return type;
}

char *
put16(char *to, int value)
{
	uint16_t	net = htons((uint16_t) value);

	memcpy(to, &net, 2);
	return to + 2;
}

char *
put32(char *to, uint32_t value)
{
	uint32_t	net = htonl(value);

	memcpy(to, &net, 4);
	return to + 4;
}

/* The binary form of a vector: dimensions, 0, elements, all big-endian. */
char *
put_vector(char *to, const float *v, size_t dim)
{
	to = put16(put16(to, (int) dim), 0);
	for (size_t i = 0; i < dim; i++)
	{
		uint32_t	bits;

		memcpy(&bits, v + i, 4);
		to = put32(to, bits);
	}
	return to;
}

double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

/* One byte through a pipe is the sign to start, or that work is done. */
static void
give_sign(int fd)
{
	if (write(fd, "", 1) != 1)
	{
		perror("pipe");
		exit(1);
	}
}

static void
await_sign(int fd)
{
	char		sign;

	if (read(fd, &sign, 1) != 1)
	{
		fprintf(stderr, "a client has ended early\n");
		exit(1);
	}
}

void
run_clients(const char *conninfo, int clients, int rounds,
			void (*prepare) (PGconn *conn, void *arg),
			VsClientWork work, void *arg, double *ms)
{
	int			start[2 * clients];
	int			done[2 * clients];

	fflush(stdout);
	for (int c = 0; c < clients; c++)
	{
		if (pipe(start + 2 * c) != 0 || pipe(done + 2 * c) != 0)
		{
			perror("pipe");
			exit(1);
		}
		if (fork() == 0)
		{
			PGconn	   *conn = connect_to(conninfo);

			prepare(conn, arg);
			give_sign(done[2 * c + 1]);
			for (int round = 0; round < rounds; round++)
			{
				await_sign(start[2 * c]);
				work(conn, c, round, arg);
				give_sign(done[2 * c + 1]);
			}
			PQfinish(conn);
			exit(0);
		}
		close(start[2 * c]);
		close(done[2 * c + 1]);
	}
	for (int c = 0; c < clients; c++)
		await_sign(done[2 * c]);
	for (int round = 0; round < rounds; round++)
	{
		double		before = now_ms();

		for (int c = 0; c < clients; c++)
			give_sign(start[2 * c + 1]);
		for (int c = 0; c < clients; c++)
			await_sign(done[2 * c]);
		ms[round] = now_ms() - before;
	}
	for (int c = 0; c < clients; c++)
	{
		close(start[2 * c + 1]);
		close(done[2 * c]);
	}
	while (wait(NULL) > 0)
		;
}
