/*
 * scratch.h
 *		A folder of files for a test.
 *
 * Include it after postgres.h.
 */
#ifndef VS_UNIT_SCRATCH_H
#define VS_UNIT_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostile.h"

static char scratch_folder[64];
static char start_folder[4096]; /* the root of the tree, as unit.sh has it */

/* Work in a new folder from here on. */
static void
enter_scratch(void)
{
	strcpy(scratch_folder, "/tmp/vecsearch-test.XXXXXX");
	if (getcwd(start_folder, sizeof(start_folder)) == NULL ||
		mkdtemp(scratch_folder) == NULL || chdir(scratch_folder) != 0)
	{
		perror(scratch_folder);
		exit(1);
	}
}

static int
remove_one(const char *path, const struct stat *status, int type,
		   struct FTW *place)
{
	return remove(path);
}

static void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
leave_scratch(void)
{
	if (chdir(start_folder) != 0)
		perror(start_folder);
	remove_tree(scratch_folder);
}

/* A new file: file systems take care, and time, where one is overwritten. */
static void
put_file(const char *path, const void *data, size_t len)
{
	FILE	   *file;

	unlink(path);
	file = fopen(path, "wb");

	if (file == NULL || fwrite(data, 1, len, file) != len || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

static void
put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static Bytes
get_file(const char *path)
{
	Bytes		bytes;
	FILE	   *file = fopen(path, "rb");
	struct stat status;

	if (file == NULL || fstat(fileno(file), &status) != 0)
	{
		perror(path);
		exit(1);
	}
	bytes.len = status.st_size;
	bytes.data = malloc(bytes.len + 1);
	if (fread(bytes.data, 1, bytes.len, file) != bytes.len)
	{
		perror(path);
		exit(1);
	}
	bytes.data[bytes.len] = '\0';
	fclose(file);
	return bytes;
}

#endif							/* VS_UNIT_SCRATCH_H */
