/*
 * ann.c
 *		Clients asking for nearest neighbours: how fast, and how right.
 *
 * ann load CONNINFO TABLE BASE.fvecs
 *		Creates TABLE (id int, v vector(n)) and fills it; the id of a row is
 *		its number in the file, from 0.
 *
 * ann dump CONNINFO SELECT OUT.fvecs
 *		Writes the vectors that SELECT gives as its only column.
 *
 * ann run CONNINFO TABLE METRIC QUERY.fvecs TRUTH.ivecs NAME EF...
 *		For each EF sets hnsw.ef_search and asks all queries once to warm up
 *		and then a few times with a watch.  Of the fastest pass it prints
 *		tab-separated
 *		NAME EF RECALL@10 QUERIES/S MEDIAN_MS P95_MS P99_MS.
 *
 * ann clients CONNINFO TABLE METRIC QUERY.fvecs TRUTH.ivecs NAME EF CLIENTS...
 *		For each number of CLIENTS lets as many ask all queries at once, in
 *		the same way, and prints NAME EF CLIENTS QUERIES/S of them all.
 *
 * Works with any server that has the type "vector" in pgvector's binary form.
 */
#include <arpa/inet.h>
#include <math.h>
#include <string.h>

#include "client.h"
#include "vecs.h"

#define K 10					/* neighbours asked for */
#define PASSES 3				/* timed ones; the fastest counts */

static void
load(PGconn *conn, const char *table, const char *path)
{
	VsRows		base = read_rows(path);
	size_t		vector_size = VECTOR_SIZE(base.dim);
	char	   *row = malloc(14 + vector_size);
	char		sql[256];

	run(conn, "SET client_min_messages = warning");
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

/* Of a vector in binary form the elements are what follows four bytes. */
static void
write_vector(FILE *out, const char *packed, int size)
{
	int32_t		dim = (size - VECTOR_SIZE(0)) / 4;

	fwrite(&dim, 4, 1, out);
	for (int32_t i = 0; i < dim; i++)
	{
		uint32_t	bits;

		memcpy(&bits, packed + VECTOR_SIZE(i), 4);
		bits = ntohl(bits);
		fwrite(&bits, 4, 1, out);
	}
}

static void
dump(PGconn *conn, const char *sql, const char *path)
{
	FILE	   *out = fopen(path, "wb");
	PGresult   *res = NULL;

	if (out == NULL)
	{
		perror(path);
		exit(1);
	}
	if (PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 1) != 1 ||
		PQsetSingleRowMode(conn) != 1)
		fail(conn, sql);
	for (; (res = PQgetResult(conn)) != NULL; PQclear(res))
	{
		if (PQresultStatus(res) == PGRES_SINGLE_TUPLE)
			write_vector(out, PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0));
		else if (PQresultStatus(res) != PGRES_TUPLES_OK)
			fail(conn, sql);
	}
	if (fclose(out) != 0)
	{
		perror(path);
		exit(1);
	}
}

/* What is asked, and the right answers. */
typedef struct Questions
{
	const char *table;
	const char *operator;
	const char *name;
	VsRows		query;
	VsRows		truth;
	char	   *packed;			/* all queries in binary form */
	int			size;			/* of one */
	const char *ef;
} Questions;

static const char *
operator_of(const char *metric)
{
	if (strcmp(metric, "l2") == 0)
		return "<->";
	if (strcmp(metric, "ip") == 0)
		return "<#>";
	return "<=>";
}

/* argv: TABLE METRIC QUERY.fvecs TRUTH.ivecs NAME */
static Questions
read_questions(char **argv)
{
	Questions	all = {0};

	all.table = argv[0];
	all.operator = operator_of(argv[1]);
	all.query = read_rows(argv[2]);
	all.truth = read_rows(argv[3]);
	all.name = argv[4];
	if (all.query.n > all.truth.n || all.truth.dim < K)
	{
		fprintf(stderr, "ann: queries and answers do not fit together\n");
		exit(1);
	}
	all.size = (int) VECTOR_SIZE(all.query.dim);
	all.packed = malloc(all.query.n * (size_t) all.size);
	for (size_t q = 0; q < all.query.n; q++)
		put_vector(all.packed + q * (size_t) all.size,
				   all.query.f + q * all.query.dim, all.query.dim);
	return all;
}

static void
free_questions(Questions *all)
{
	free(all->query.f);
	free(all->truth.i);
	free(all->packed);
}

static void
set_ef(PGconn *conn, const char *ef)
{
	char		sql[64];

	snprintf(sql, sizeof(sql), "SET hnsw.ef_search = %s", ef);
	run(conn, sql);
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
ask_one(PGconn *conn, const Questions *all, size_t q)
{
	const char *packed = all->packed + q * (size_t) all->size;
	const int32_t *truth = all->truth.i + q * all->truth.dim;
	int			binary = 1;
	int			right = 0;
	PGresult   *res = PQexecPrepared(conn, "nearest", 1, &packed, &all->size,
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

static void
prepare_question(PGconn *conn, void *arg)
{
	const Questions *all = arg;
	Oid			type = vector_type(conn);
	char		sql[256];

	run(conn, "SET enable_seqscan = off");
	snprintf(sql, sizeof(sql), "SELECT id FROM %s ORDER BY v %s $1 LIMIT %d",
			 all->table, all->operator, K);
	PQclear(PQprepare(conn, "nearest", sql, 1, &type));
	check_plan(conn, all->query.f, all->query.dim);
	if (all->ef != NULL)
		set_ef(conn, all->ef);
}

/*
 * Asks all queries once; fills ms, sorted, and returns the milliseconds of it
 * all.  right counts the true answers.
 */
static double
ask_all(PGconn *conn, const Questions *all, double *ms, long *right)
{
	double		start = now_ms();
	double		total;

	*right = 0;
	for (size_t q = 0; q < all->query.n; q++)
	{
		double		before = now_ms();

		*right += ask_one(conn, all, q);
		ms[q] = now_ms() - before;
	}
	total = now_ms() - start;
	qsort(ms, all->query.n, sizeof(double), compare_doubles);
	return total;
}

static void
run_queries(PGconn *conn, char **argv)
{
	Questions	all = read_questions(argv);
	size_t		n = all.query.n;
	double	   *ms = malloc(n * sizeof(double));
	double	   *best_ms = malloc(n * sizeof(double));

	prepare_question(conn, &all);
	for (char **ef = argv + 5; *ef != NULL; ef++)
	{
		double		best = INFINITY;
		long		right;

		set_ef(conn, *ef);
		ask_all(conn, &all, ms, &right);
		for (int pass = 0; pass < PASSES; pass++)
		{
			double		total = ask_all(conn, &all, ms, &right);

			if (total < best)
			{
				double	   *swap = best_ms;

				best = total;
				best_ms = ms;
				ms = swap;
			}
		}
		printf("%s\t%s\t%.4f\t%.1f\t%.3f\t%.3f\t%.3f\n", all.name, *ef,
			   (double) right / (double) (n * K), (double) n * 1e3 / best,
			   best_ms[n / 2], best_ms[n * 95 / 100], best_ms[n * 99 / 100]);
		fflush(stdout);
	}
	free(ms);
	free(best_ms);
	free_questions(&all);
}

/* Each client begins elsewhere, so that they do not go the same way at once. */
static void
ask_from(PGconn *conn, int client, int round, void *arg)
{
	const Questions *all = arg;

	(void) round;
	for (size_t q = 0; q < all->query.n; q++)
		ask_one(conn, all, (q + (size_t) client * 331) % all->query.n);
}

static void
run_many(const char *conninfo, char **argv)
{
	Questions	all = read_questions(argv);

	all.ef = argv[5];
	for (char **number = argv + 6; *number != NULL; number++)
	{
		int			clients = atoi(*number);
		double		ms[1 + PASSES];
		double		best = INFINITY;

		run_clients(conninfo, clients, 1 + PASSES, prepare_question, ask_from,
					&all, ms);
		for (int pass = 1; pass <= PASSES; pass++)
			best = fmin(best, ms[pass]);
		printf("%s\t%s\t%d\t%.1f\n", all.name, all.ef, clients,
			   (double) all.query.n * clients * 1e3 / best);
		fflush(stdout);
	}
	free_questions(&all);
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
	else if (argc == 5 && strcmp(argv[1], "dump") == 0)
	{
		conn = connect_to(argv[2]);
		dump(conn, argv[3], argv[4]);
	}
	else if (argc >= 9 && strcmp(argv[1], "run") == 0)
	{
		conn = connect_to(argv[2]);
		run_queries(conn, argv + 3);
	}
	else if (argc >= 10 && strcmp(argv[1], "clients") == 0)
	{
		run_many(argv[2], argv + 3);
		return 0;
	}
	else
	{
		fprintf(stderr, "usage: ann load CONNINFO TABLE BASE.fvecs\n"
				"       ann dump CONNINFO SELECT OUT.fvecs\n"
				"       ann run CONNINFO TABLE cosine|l2|ip QUERY.fvecs "
				"TRUTH.ivecs NAME EF...\n"
				"       ann clients CONNINFO TABLE cosine|l2|ip QUERY.fvecs "
				"TRUTH.ivecs NAME EF CLIENTS...\n");
		return 2;
	}
	PQfinish(conn);
	return 0;
}
