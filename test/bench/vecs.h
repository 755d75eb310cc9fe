/*
 * vecs.h
 *		Reading the usual exchange format of vector sets: for each row an int32
 *		count and that many 4-byte values, floats (.fvecs) or ints (.ivecs).
 */
#ifndef VS_BENCH_VECS_H
#define VS_BENCH_VECS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Row-major, without the counts. */
typedef struct VsRows
{
	size_t		n;
	size_t		dim;
	union
	{
		float	   *f;
		int32_t    *i;
	};
} VsRows;

static inline VsRows
read_rows(const char *path)
{
	VsRows		rows = {0, 0, {NULL}};
	FILE	   *file = fopen(path, "rb");
	int32_t		dim;
	size_t		room = 0;

	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	while (fread(&dim, 4, 1, file) == 1)
	{
		if (rows.dim == 0)
			rows.dim = (size_t) dim;
		if (dim < 1 || rows.dim != (size_t) dim)
		{
			fprintf(stderr, "%s: row %zu has %d values\n", path, rows.n, dim);
			exit(1);
		}
		if (rows.n == room)
		{
			room = room ? room * 2 : 1024;
			rows.f = (float *) realloc(rows.f, room * rows.dim * 4);
			if (rows.f == NULL)
			{
				perror(path);
				exit(1);
			}
		}
		if (fread(rows.f + rows.n * rows.dim, 4, rows.dim, file) != rows.dim)
		{
			fprintf(stderr, "%s: last row is cut short\n", path);
			exit(1);
		}
		rows.n++;
	}
	fclose(file);
	return rows;
}

#endif
