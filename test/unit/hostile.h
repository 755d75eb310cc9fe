/*
 * hostile.h
 *		What a case of bad input may end in: for the tests of src/embed.
 *
 * Whatever the bytes, the outcome is a result or an error that names the
 * fault, never a crash nor an allocation that the input's size does not
 * explain.
 *
 * Include it after postgres.h.
 */
#ifndef VS_UNIT_HOSTILE_H
#define VS_UNIT_HOSTILE_H

#include "scratch.h"
#include "server_stub.h"
#include "tap.h"

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
