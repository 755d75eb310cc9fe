/*
 * writes.c
 *		Clients that write into a table with an index: rows a second.
 *
 * writes insert CONNINFO TABLE ROWS.fvecs FROM COUNT CLIENTS BATCH
 *		Inserts COUNT rows of the file, from its row FROM on, with one
 *		prepared statement for each, BATCH rows in a transaction; each of the
 *		CLIENTS has its share.  Ids lie above those of the table's own rows.
 *
 * writes update CONNINFO TABLE ROWS.fvecs FROM COUNT CLIENTS BATCH
 *		The same with UPDATE: rows FROM and on, by their ids, get another
 *		value of the column note, and no other vector.
 *
 * Prints the rows a second of all clients together.  Commits do not wait for
 * the disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "vecs.h"

#define FIRST_ID 10000000		/* of inserted rows */

typedef struct Writes
{
	int			inserts;		/* else updates */
	const char *table;
	VsRows		rows;
	size_t		from;
	size_t		count;
	size_t		clients;
	size_t		batch;
} Writes;

static void
prepare_write(PGconn *conn, void *arg)
{
	const Writes *writes = arg;
	Oid			types[2] = {23, vector_type(conn)};
	char		sql[256];

	run(conn, "SET synchronous_commit = off");
	snprintf(sql, sizeof(sql), writes->inserts ?
			 "INSERT INTO %s (id, v) VALUES ($1, $2)" :
			 "UPDATE %s SET note = note + 1 WHERE id = $1", writes->table);
	PQclear(PQprepare(conn, "write", sql, writes->inserts ? 2 : 1, types));
}

static void
write_row(PGconn *conn, const Writes *writes, size_t row, char *packed)
{
	char		id[4];
	const char *values[2] = {id, packed};
	int			sizes[2] = {4, (int) VECTOR_SIZE(writes->rows.dim)};
	int			binary[2] = {1, 1};
	PGresult   *res;

	put32(id, (uint32_t) (row + (writes->inserts ? FIRST_ID : 0)));
	if (writes->inserts)
		put_vector(packed, writes->rows.f + row * writes->rows.dim,
				   writes->rows.dim);
	res = PQexecPrepared(conn, "write", writes->inserts ? 2 : 1, values, sizes,
						 binary, 1);
	if (PQresultStatus(res) != PGRES_COMMAND_OK ||
		strcmp(PQcmdTuples(res), "1") != 0)
		fail(conn, "write");
	PQclear(res);
}

static void
write_share(PGconn *conn, int client, int round, void *arg)
{
	const Writes *writes = arg;
	char	   *packed = malloc(VECTOR_SIZE(writes->rows.dim));
	size_t		done = 0;

	(void) round;
	for (size_t i = (size_t) client; i < writes->count; i += writes->clients)
	{
		if (writes->batch > 1 && done % writes->batch == 0)
			run(conn, done == 0 ? "BEGIN" : "COMMIT; BEGIN");
		write_row(conn, writes, writes->from + i, packed);
		done++;
	}
	if (writes->batch > 1 && done > 0)
		run(conn, "COMMIT");
	free(packed);
}

int
main(int argc, char **argv)
{
	Writes		writes;
	double		ms;

	if (argc != 9 || (strcmp(argv[1], "insert") != 0 &&
					  strcmp(argv[1], "update") != 0))
	{
		fprintf(stderr, "usage: writes insert|update CONNINFO TABLE "
				"ROWS.fvecs FROM COUNT CLIENTS BATCH\n");
		return 2;
	}
	writes.inserts = strcmp(argv[1], "insert") == 0;
	writes.table = argv[3];
	writes.rows = read_rows(argv[4]);
	writes.from = strtoul(argv[5], NULL, 10);
	writes.count = strtoul(argv[6], NULL, 10);
	writes.clients = strtoul(argv[7], NULL, 10);
	writes.batch = strtoul(argv[8], NULL, 10);
	if (writes.from + writes.count > writes.rows.n || writes.clients == 0)
	{
		fprintf(stderr, "writes: there are no such rows\n");
		return 1;
	}
	run_clients(argv[2], (int) writes.clients, 1, prepare_write, write_share,
				&writes, &ms);
	printf("%.1f\n", (double) writes.count * 1e3 / ms);
	free(writes.rows.f);
	return 0;
}
