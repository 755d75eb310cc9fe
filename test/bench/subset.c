/*
 * subset.c
 *		COUNT rows of a vector set, spread evenly over it, and the others.
 *
 * usage: subset COUNT IN.fvecs OUT.fvecs [OTHERS.fvecs]
 */
#include "vecs.h"

static FILE *
open_out(const char *path)
{
	FILE	   *out = fopen(path, "wb");

	if (out == NULL)
	{
		perror(path);
		exit(1);
	}
	return out;
}

int
main(int argc, char **argv)
{
	VsRows		rows;
	size_t		count;
	size_t		taken = 0;
	FILE	   *out;
	FILE	   *others;
	int			status;

	if (argc != 4 && argc != 5)
	{
		fprintf(stderr, "usage: subset COUNT IN OUT [OTHERS]\n");
		return 2;
	}
	count = strtoul(argv[1], NULL, 10);
	rows = read_rows(argv[2]);
	if (count > rows.n)
	{
		fprintf(stderr, "subset: there are only %zu rows\n", rows.n);
		return 1;
	}
	out = open_out(argv[3]);
	others = open_out(argc == 5 ? argv[4] : "/dev/null");
	for (size_t r = 0; r < rows.n; r++)
	{
		size_t		due = (r + 1) * count / rows.n;
		FILE	   *to = due > taken ? out : others;
		int32_t		dim = (int32_t) rows.dim;

		taken = due;
		fwrite(&dim, 4, 1, to);
		fwrite(rows.f + r * rows.dim, 4, rows.dim, to);
	}
	status = fclose(out) != 0;
	return fclose(others) != 0 || status;
}
