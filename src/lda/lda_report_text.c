/*
 * lda_report_text.c
 *		Texts and numbers as they are written into a page.
 *
 * A text is in the database's encoding, which may be any.  It is turned into
 * UTF-8 once, and then into ASCII: characters of other scripts, and all that
 * mean something to HTML or JSON, are written by their numbers.  So no text
 * can end the attribute, the element or the string that it is in.
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "lda/lda_report_text.h"

/* Text in UTF-8, or in what claims to be. */
typedef struct Reader
{
	const unsigned char *at;
	const unsigned char *end;
} Reader;

#define REPLACEMENT		0xfffd

static Reader
read_text(const char *text, int len)
{
	const char *utf8 = text;
	Reader		reader;

	/* of SQL_ASCII the server could only say that it is not UTF-8 */
	if (len > 0 && GetDatabaseEncoding() != PG_SQL_ASCII)
		utf8 = pg_server_to_any(text, len, PG_UTF8);
	if (utf8 != text)
		len = strlen(utf8);
	reader.at = (const unsigned char *) utf8;
	reader.end = reader.at + len;
	return reader;
}

/*
 * The next character.  What is no character is replaced; control characters
 * are by their pictures, since HTML has no way to write most of them.
 */
static uint32
next_char(Reader *reader)
{
	uint32		c = *reader->at;
	int			len = c < 0x80 ? 1 : pg_utf_mblen(reader->at);

	if (len > reader->end - reader->at ||
		!pg_utf8_islegal(reader->at, len))
	{
		reader->at++;
		return REPLACEMENT;
	}
	c = utf8_to_unicode(reader->at);
	reader->at += len;
	if (c < 0x20)
		return 0x2400 + c;
	if (c == 0x7f)
		return 0x2421;
	return c >= 0x80 && c < 0xa0 ? REPLACEMENT : c;
}

static bool
is_plain(uint32 c)
{
	return c < 0x7f && strchr("<>&\"'\\", (int) c) == NULL;
}

/* As text of an element or value of an attribute. */
void
vs_lda_text_html(StringInfo out, const char *text, int len)
{
	Reader		reader = read_text(text, len);

	while (reader.at < reader.end)
	{
		uint32		c = next_char(&reader);

		if (is_plain(c))
			appendStringInfoCharMacro(out, (char) c);
		else
			appendStringInfo(out, "&#%u;", c);
	}
}

/* As a string of JSON, which cannot end the element it is in. */
void
vs_lda_text_json(StringInfo out, const char *text, int len)
{
	Reader		reader = read_text(text, len);

	appendStringInfoChar(out, '"');
	while (reader.at < reader.end)
	{
		uint32		c = next_char(&reader);

		if (is_plain(c))
			appendStringInfoCharMacro(out, (char) c);
		else if (c < 0x10000)
			appendStringInfo(out, "\\u%04x", c);
		else
			appendStringInfo(out, "\\u%04x\\u%04x",
							 0xd800 + ((c - 0x10000) >> 10),
							 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	appendStringInfoChar(out, '"');
}

/* JSON has no infinity nor NaN. */
void
vs_lda_text_number(StringInfo out, double number)
{
	appendStringInfo(out, "%.6g", isfinite(number) ? number : 0.0);
}

/* A whole number with commas. */
void
vs_lda_text_count(StringInfo out, double number)
{
	char		digits[64];
	int			len = snprintf(digits, sizeof(digits), "%.0f",
							   isfinite(number) ? Max(number, 0) : 0.0);

	for (int i = 0; i < len; i++)
	{
		if (i > 0 && (len - i) % 3 == 0)
			appendStringInfoChar(out, ',');
		appendStringInfoChar(out, digits[i]);
	}
}

void
vs_lda_text_percent(StringInfo out, double share)
{
	appendStringInfo(out, "%.*f&#160;%%", share < 0.1 ? 2 : 1, 100 * share);
}
