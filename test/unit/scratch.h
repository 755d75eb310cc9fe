/*
 * scratch.h
 *		A folder of files for a test, and seeded damage to their bytes.
 *
 * Include it after postgres.h, tap.h and the C library's headers.
 */
#ifndef VS_UNIT_SCRATCH_H
#define VS_UNIT_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes of a file, in memory of malloc. */
typedef struct Bytes
{
	char	   *data;
	size_t		len;
} Bytes;

static char scratch_folder[64];
static char start_folder[4096]; /* the root of the tree, as unit.sh has it */

/* Random numbers, the same in every run. */
static uint64_t scratch_random = 1;

static uint64_t
random_bits(void)
{
	scratch_random ^= scratch_random << 13;
	scratch_random ^= scratch_random >> 7;
	scratch_random ^= scratch_random << 17;
	return scratch_random * UINT64_C(0x2545F4914F6CDD1D);
}

static size_t
random_below(size_t n)
{
	return (size_t) (random_bits() >> 16) % n;
}

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

/* One more copy, with room for damage that makes it longer. */
static Bytes
copy_bytes(Bytes original)
{
	Bytes		copy = {malloc(2 * original.len + 64), original.len};

	memcpy(copy.data, original.data, original.len);
	return copy;
}

/*
 * Damage the bytes from first on, once to four times: flip a bit, set a byte,
 * put in a telling number, copy a piece over another or in between, delete a
 * piece.  keep_length leaves out the last two.
 */
static void
damage(Bytes *bytes, size_t first, size_t last, bool keep_length)
{
	static const uint64_t numbers[] = {
		0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff,
		0x80000000, UINT64_MAX, UINT64_MAX >> 1, 0x10000
	};

	for (size_t n = 1 + random_below(4); n > 0 && last > first; n--)
	{
		size_t		at = first + random_below(last - first);
		size_t		from = first + random_below(last - first);
		size_t		len = 1 + random_below(32);
		uint64_t	number = numbers[random_below(sizeof(numbers) / 8)];

		len = len < last - at ? len : last - at;
		len = len < last - from ? len : last - from;
		switch (random_below(keep_length ? 4 : 6))
		{
			case 0:
				bytes->data[at] ^= 1 << random_below(8);
				break;
			case 1:
				bytes->data[at] = (char) random_bits();
				break;
			case 2:
				memcpy(bytes->data + at, &number, len < 8 ? len : 8);
				break;
			case 3:
				memmove(bytes->data + at, bytes->data + from, len);
				break;
			case 4:
				memmove(bytes->data + at + len, bytes->data + at,
						bytes->len - at);
				memmove(bytes->data + at, bytes->data + from, len);
				bytes->len += len;
				last += len;
				break;
			case 5:
				memmove(bytes->data + at, bytes->data + at + len,
						bytes->len - at - len);
				bytes->len -= len;
				last -= len;
				break;
		}
	}
}

#endif							/* VS_UNIT_SCRATCH_H */
