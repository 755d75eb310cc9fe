/*
 * hostile.h
 *		Seeded damage to input, and what a case of it may end in: for the tests
 *		of src/embed.
 *
 * Whatever the bytes, the outcome is a result or an error that names the
 * fault, never a crash nor an allocation that the input's size does not
 * explain.
 *
 * Include it after postgres.h.
 */
#ifndef VS_UNIT_HOSTILE_H
#define VS_UNIT_HOSTILE_H

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "server_stub.h"
#include "tap.h"

/* Bytes of a file or a text; data is memory of malloc. */
typedef struct Bytes
{
	char	   *data;
	size_t		len;
} Bytes;

static size_t
random_below(size_t n)
{
	return (size_t) (random_bits() >> 16) % n;
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

/* No case here has a reason to ask for more at a time. */
#define ALLOC_LIMIT		((Size) 64 << 20)

static void
check_alloc(const char *what)
{
	if (stub_largest_alloc > ALLOC_LIMIT)
		fail("%s: an allocation of %zu bytes", what, stub_largest_alloc);
	stub_largest_alloc = 0;
}

/* The end of a case: it leaves no file open if there was no error. */
static void
end_case(const char *what)
{
	if (stub_reset() != 0)
		fail("%s: files left open", what);
	check_alloc(what);
}

static void
expect(int sqlstate, const char *part, void (*body) (void *), void *arg,
	   const char *what)
{
	if (!stub_expect(sqlstate, part, body, arg))
		fail("%s", what);
	end_case(what);
}

/* Errors that bytes of any kind may end in. */
static bool
is_fair(const StubError *error)
{
	return error == NULL ||
		error->sqlstate == ERRCODE_DATA_CORRUPTED ||
		error->sqlstate == ERRCODE_FEATURE_NOT_SUPPORTED ||
		error->sqlstate == ERRCODE_UNDEFINED_FILE;
}

static void
expect_fair(void (*body) (void *), void *arg, const char *what, int number)
{
	const StubError *error = stub_run(body, arg);

	if (!is_fair(error))
		fail("%s %d: %s", what, number, error->message);
	end_case(what);
}

#endif							/* VS_UNIT_HOSTILE_H */
