/*
 * ann.c
 *		One client asking for nearest neighbours: how fast, and how right.
 *
 * ann load CONNINFO TABLE BASE.fvecs
 *		Creates TABLE (id int, v vector(n)) and fills it; the id of a row is
 *		its number in the file, from 0.
 *
 * ann run CONNINFO TABLE METRIC QUERY.fvecs TRUTH.ivecs NAME EF...
 *		For each EF sets hnsw.ef_search and asks all queries once to warm up
 *		and then a few times with a watch.  Of the fastest pass it prints
 *		tab-separated
 *		NAME EF RECALL@10 QUERIES/S MEDIAN_MS P95_MS P99_MS.
 *
 * Works with any server that has the type "vector" in pgvector's binary form.
 */
#include <arpa/inet.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "vecs.h"

#define K 10					/* neighbours asked for */
#define PASSES 3				/* timed ones; the fastest counts */

static void
fail(PGconn *conn, const char *what)
{
	fprintf(stderr, "ann: %s: %s", what, PQerrorMessage(conn));
	exit(1);
}

static PGresult *
ask(PGconn *conn, const char *sql)
{
	PGresult   *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		status != PGRES_COPY_IN)
		fail(conn, sql);
	return res;
}

static void
run(PGconn *conn, const char *sql)
{
	PQclear(ask(conn, sql));
}

static PGconn *
connect_to(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		fail(conn, "cannot connect");
	return conn;
}

static char *
put16(char *to, int value)
{
	uint16_t	net = htons((uint16_t) value);

	memcpy(to, &net, 2);
	return to + 2;
}

static char *
put32(char *to, uint32_t value)
{
	uint32_t	net = htonl(value);

	memcpy(to, &net, 4);
	return to + 4;
}

/* The binary form of a vector: dimensions, 0, elements, all big-endian. */
static char *
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

static void
load(PGconn *conn, const char *table, const char *path)
{
	VsRows		base = read_rows(path);
	size_t		vector_size = 4 + 4 * base.dim;
	char	   *row = malloc(14 + vector_size);
	char		sql[256];

	snprintf(sql, sizeof(sql), "DROP TABLE IF EXISTS %s", table);
	run(conn, sql);
	snprintf(sql, sizeof(sql), "CREATE TABLE %s (id int, v vector(%zu))",
			 table, base.dim);
	run(conn, sql);
	snprintf(sql, sizeof(sql), "COPY %s FROM STDIN (FORMAT binary)", table);
	run(conn, sql);
	if (PQputCopyData(conn, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19) != 1)
		fail(conn, "COPY");
	for (size_t r = 0; r < base.n; r++)
	{
		char	   *to = put16(row, 2);

		to = put32(put32(to, 4), (uint32_t) r);
		to = put32(to, (uint32_t) vector_size);
		to = put_vector(to, base.f + r * base.dim, base.dim);
		if (PQputCopyData(conn, row, (int) (to - row)) != 1)
			fail(conn, "COPY");
	}
	put16(row, -1);
	if (PQputCopyData(conn, row, 2) != 1 || PQputCopyEnd(conn, NULL) != 1)
		fail(conn, "COPY");
	for (PGresult *res; (res = PQgetResult(conn)) != NULL; PQclear(res))
	{
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fail(conn, "COPY");
	}
	snprintf(sql, sizeof(sql), "VACUUM (FREEZE, ANALYZE) %s", table);
	run(conn, sql);
	free(row);
	free(base.f);
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Asks one query; returns how many of the K true answers came back. */
static int
ask_one(PGconn *conn, const char *packed, int size, const int32_t *truth)
{
	int			binary = 1;
	int			right = 0;
	PGresult   *res = PQexecPrepared(conn, "nearest", 1, &packed, &size,
									 &binary, 1);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
		fail(conn, "query");
	for (int r = 0; r < PQntuples(res); r++)
	{
		uint32_t	id;

		memcpy(&id, PQgetvalue(res, r, 0), 4);
		for (int t = 0; t < K; t++)
			right += truth[t] == (int32_t) ntohl(id);
	}
	PQclear(res);
	return right;
}

static void
check_plan(PGconn *conn, const float *v, size_t dim)
{
	char	   *sql = malloc(64 + 32 * dim);
	char	   *to = sql + sprintf(sql, "EXPLAIN EXECUTE nearest('");
	PGresult   *res;

	for (size_t i = 0; i < dim; i++)
		to += sprintf(to, "%c%.9g", i == 0 ? '[' : ',', v[i]);
	strcpy(to, "]')");
	res = ask(conn, sql);
	free(sql);

	for (int r = 0; r < PQntuples(res); r++)
	{
		if (strstr(PQgetvalue(res, r, 0), "Index Scan") != NULL)
		{
			PQclear(res);
			return;
		}
	}
	fprintf(stderr, "ann: the plan does not use an index\n");
	exit(1);
}

/*
 * Asks all queries once; fills ms, sorted, and returns the milliseconds of it
 * all.  right counts the true answers.
 */
static double
ask_all(PGconn *conn, const char *packed, size_t size, const VsRows *truth,
		size_t nqueries, double *ms, long *right)
{
	double		start = now_ms();
	double		total;

	*right = 0;
	for (size_t q = 0; q < nqueries; q++)
	{
		double		before = now_ms();

		*right += ask_one(conn, packed + q * size, (int) size,
						  truth->i + q * truth->dim);
		ms[q] = now_ms() - before;
	}
	total = now_ms() - start;
	qsort(ms, nqueries, sizeof(double), compare_doubles);
	return total;
}

static const char *
operator_of(const char *metric)
{
	if (strcmp(metric, "l2") == 0)
		return "<->";
	if (strcmp(metric, "ip") == 0)
		return "<#>";
	return "<=>";
}

static void
run_queries(PGconn *conn, char **argv)
{
	const char *table = argv[0];
	const char *operator = operator_of(argv[1]);
	VsRows		query = read_rows(argv[2]);
	VsRows		truth = read_rows(argv[3]);
	size_t		size = 4 + 4 * query.dim;
	char	   *packed = malloc(query.n * size);
	double	   *ms = malloc(query.n * sizeof(double));
	double	   *best_ms = malloc(query.n * sizeof(double));
	PGresult   *res;
	Oid			type;
	char		sql[256];

	if (query.n > truth.n || truth.dim < K)
	{
		fprintf(stderr, "ann: queries and answers do not fit together\n");
		exit(1);
	}
	for (size_t q = 0; q < query.n; q++)
		put_vector(packed + q * size, query.f + q * query.dim, query.dim);

	res = ask(conn, "SELECT 'vector'::regtype::oid");
	type = (Oid) strtoul(PQgetvalue(res, 0, 0), NULL, 10);
	PQclear(res);
	run(conn, "SET enable_seqscan = off");
	snprintf(sql, sizeof(sql), "SELECT id FROM %s ORDER BY v %s $1 LIMIT %d",
			 table, operator, K);
	PQclear(PQprepare(conn, "nearest", sql, 1, &type));
	check_plan(conn, query.f, query.dim);

	for (char **ef = argv + 5; *ef != NULL; ef++)
	{
		double		best = INFINITY;
		long		right;

		snprintf(sql, sizeof(sql), "SET hnsw.ef_search = %s", *ef);
		run(conn, sql);
		ask_all(conn, packed, size, &truth, query.n, ms, &right);
		for (int pass = 0; pass < PASSES; pass++)
		{
			double		total = ask_all(conn, packed, size, &truth, query.n,
										ms, &right);

			if (total < best)
			{
				double	   *swap = best_ms;

				best = total;
				best_ms = ms;
				ms = swap;
			}
		}
		printf("%s\t%s\t%.4f\t%.1f\t%.3f\t%.3f\t%.3f\n", argv[4], *ef,
			   (double) right / (double) (query.n * K),
			   (double) query.n * 1e3 / best, best_ms[query.n / 2],
			   best_ms[query.n * 95 / 100], best_ms[query.n * 99 / 100]);
		fflush(stdout);
	}
	free(packed);
	free(ms);
	free(best_ms);
	free(query.f);
	free(truth.i);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn;

	if (argc == 5 && strcmp(argv[1], "load") == 0)
	{
		conn = connect_to(argv[2]);
		load(conn, argv[3], argv[4]);
	}
	else if (argc >= 9 && strcmp(argv[1], "run") == 0)
	{
		conn = connect_to(argv[2]);
		run_queries(conn, argv + 3);
	}
	else
	{
		fprintf(stderr, "usage: ann load CONNINFO TABLE BASE.fvecs\n"
				"       ann run CONNINFO TABLE cosine|l2|ip QUERY.fvecs "
				"TRUTH.ivecs NAME EF...\n");
		return 2;
	}
	PQfinish(conn);
	return 0;
}
