/*
 * tap.h
 *		Printing TAP, for the unit tests: one file is one program.
 */
#ifndef VS_UNIT_TAP_H
#define VS_UNIT_TAP_H

#include <stdarg.h>
#include <stdio.h>

static int	tests_run;
static int	tests_failed;
static int	failures;			/* of the test under way */
static const char *subject = "";	/* what it looks at just now, if it says */

static void fail(const char *format,...) __attribute__((format(printf, 1, 2)));
static void end_test(const char *format,...) __attribute__((format(printf, 1, 2)));

/* Note a failure of the test under way; the first three are shown. */
static void
fail(const char *format,...)
{
	va_list		args;

	if (++failures > 3)
		return;
	printf("# %s%s", subject, *subject ? ": " : "");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* End the test under way and name it. */
static void
end_test(const char *format,...)
{
	va_list		args;

	printf("%sok %d - ", failures ? "not " : "", ++tests_run);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	tests_failed += failures > 0;
	failures = 0;
}

#endif							/* VS_UNIT_TAP_H */
