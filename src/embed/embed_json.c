/*
 * embed_json.c
 *		A JSON text as a tree, for the files that come with a model.
 *
 * The text is read by the server's own parser; this file turns what it calls
 * out into a tree.  Values wait on one stack until the array or object they
 * belong to ends; then they are copied into an array of just their number,
 * and the array or object takes their place.
 *
 * The parser turns escapes such as \u00e9 into the encoding of the database,
 * whatever the encoding of the text.  As trees are UTF-8 in any database, such
 * escapes are turned into plain text beforehand; the parser meets only those
 * for ASCII, and wrong ones, which it refuses.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "compat.h"
#include "embed/embed_json.h"

/*
 * How many values a text may have.  The tokenizer of the largest vocabulary
 * has some 6 million.
 */
#define MAX_VALUES		10000000

/* The names of an object with more members are looked up in a hash table. */
#define FEW_MEMBERS		16

/* An array or object that has begun. */
typedef struct Frame
{
	uint32		first;			/* of its values on the stack */
	const char *key;			/* its own name, or NULL */
} Frame;

typedef struct Builder
{
	const char *file;
	const char *key;			/* of the member that comes next, or NULL */
	VsJson	   *stack;
	uint32		height;
	uint32		room;
	uint32		total;			/* values so far */
	Frame		frames[VS_JSON_MAX_DEPTH];
	int			depth;
	uint64		seed;			/* so that nobody can prepare collisions */
} Builder;

/* ------------------------------------------------------------------------
 * Names that are there twice
 * ------------------------------------------------------------------------ */

VS_NORETURN static void refuse_twice(const Builder *builder, const char *key);

static void
refuse_twice(const Builder *builder, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("model file \"%s\" has \"%s\" twice in one object",
					builder->file, key)));
}

static void
check_few_names(const Builder *builder, const VsJson *items, uint32 count)
{
	for (uint32 i = 1; i < count; i++)
		for (uint32 j = 0; j < i; j++)
			if (strcmp(items[i].key, items[j].key) == 0)
				refuse_twice(builder, items[i].key);
}

/* Open addressing; a slot holds the number of an item + 1. */
static void
check_many_names(const Builder *builder, const VsJson *items, uint32 count)
{
	uint32		mask = 64;
	uint32	   *slots;

	while (mask < 2 * count)
		mask *= 2;
	slots = palloc0(mask * sizeof(uint32));
	mask--;
	for (uint32 i = 0; i < count; i++)
	{
		const char *key = items[i].key;
		uint32		at = hash_bytes_extended((const unsigned char *) key,
											 strlen(key), builder->seed) & mask;

		while (slots[at] != 0)
		{
			if (strcmp(items[slots[at] - 1].key, key) == 0)
				refuse_twice(builder, key);
			at = (at + 1) & mask;
		}
		slots[at] = i + 1;
	}
	pfree(slots);
}

static void
check_names(const Builder *builder, const VsJson *items, uint32 count)
{
	if (count <= FEW_MEMBERS)
		check_few_names(builder, items, count);
	else
		check_many_names(builder, items, count);
}

/* ------------------------------------------------------------------------
 * What the parser calls
 * ------------------------------------------------------------------------ */

/* A new value on the stack, under the key that waits for one. */
static VsJson *
push(Builder *builder, VsJsonKind kind)
{
	VsJson	   *value;

	CHECK_FOR_INTERRUPTS();
	if (builder->total++ == MAX_VALUES)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" has more than %d values",
						builder->file, MAX_VALUES)));
	if (builder->height == builder->room)
	{
		builder->room *= 2;
		builder->stack = repalloc(builder->stack,
								  builder->room * sizeof(VsJson));
	}
	value = &builder->stack[builder->height++];
	value->kind = kind;
	value->count = 0;
	value->key = builder->key;
	builder->key = NULL;
	return value;
}

static void
begin(Builder *builder)
{
	Frame	   *frame;

	if (builder->depth == VS_JSON_MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" is nested more than %d levels deep",
						builder->file, VS_JSON_MAX_DEPTH)));
	frame = &builder->frames[builder->depth++];
	frame->first = builder->height;
	frame->key = builder->key;
	builder->key = NULL;
}

static void
end(Builder *builder, VsJsonKind kind)
{
	const Frame *frame = &builder->frames[--builder->depth];
	uint32		count = builder->height - frame->first;
	VsJson	   *items = palloc(Max(count, 1) * sizeof(VsJson));
	VsJson	   *value;

	memcpy(items, builder->stack + frame->first, count * sizeof(VsJson));
	if (kind == VS_JSON_OBJECT)
		check_names(builder, items, count);
	builder->height = frame->first;
	builder->key = frame->key;
	value = push(builder, kind);
	value->count = count;
	value->u.items = items;
}

static VsJsonActionResult
begin_container(void *state)
{
	begin(state);
	VS_JSON_ACTION_DONE;
}

static VsJsonActionResult
end_object(void *state)
{
	end(state, VS_JSON_OBJECT);
	VS_JSON_ACTION_DONE;
}

static VsJsonActionResult
end_array(void *state)
{
	end(state, VS_JSON_ARRAY);
	VS_JSON_ACTION_DONE;
}

static VsJsonActionResult
begin_member(void *state, char *name, bool isnull)
{
	((Builder *) state)->key = name;
	VS_JSON_ACTION_DONE;
}

static double
number_of(const Builder *builder, const char *token)
{
	double		number = strtod(token, NULL);

	if (!isfinite(number))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" has a number out of range",
						builder->file)));
	return number;
}

/* token is ours to keep. */
static VsJsonActionResult
scalar(void *state, char *token, JsonTokenType type)
{
	Builder    *builder = state;
	VsJson	   *value;

	switch (type)
	{
		case JSON_TOKEN_STRING:
			value = push(builder, VS_JSON_STRING);
			value->count = strlen(token);
			value->u.string = token;
			VS_JSON_ACTION_DONE;
		case JSON_TOKEN_NUMBER:
			value = push(builder, VS_JSON_NUMBER);
			value->u.number = number_of(builder, token);
			break;
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			value = push(builder, VS_JSON_BOOL);
			value->u.boolean = type == JSON_TOKEN_TRUE;
			break;
		case JSON_TOKEN_NULL:
			push(builder, VS_JSON_NULL);
			break;
		default:
			elog(ERROR, "unexpected JSON token %d", (int) type);
	}
	pfree(token);
	VS_JSON_ACTION_DONE;
}

/* ------------------------------------------------------------------------
 * Escapes
 * ------------------------------------------------------------------------ */

/* The number of "\uXXXX" at text, or -1 if that is not there. */
static int
escape_at(const char *text, const char *end)
{
	int			code = 0;

	if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++)
	{
		char		c = text[i];

		if (c >= '0' && c <= '9')
			code = code * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			code = code * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			code = code * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return code;
}

/*
 * Replace escapes of characters beyond ASCII by the characters.  An escape is
 * longer than its character, so the result fits into memory of the same size.
 */
static Size
replace_escapes(const char *text, Size len, char *out)
{
	const char *end = text + len;
	char	   *to = out;

	while (text < end)
	{
		int			code = escape_at(text, end);
		Size		used = 6;

		if (code >= 0xd800 && code <= 0xdbff)
		{
			int			low = escape_at(text + 6, end);

			/* a lone one is left to the parser */
			if (low >= 0xdc00 && low <= 0xdfff)
			{
				code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
				used = 12;
			}
		}
		if (code >= 0x80 && (code < 0xd800 || code > 0xdfff))
		{
			unicode_to_utf8(code, (unsigned char *) to);
			to += pg_utf_mblen((unsigned char *) to);
			text += used;
			continue;
		}
		/* "\\u00e9" is no escape of that kind: go past both of a pair */
		if (*text == '\\' && end - text >= 2)
			*to++ = *text++;
		*to++ = *text++;
	}
	return to - out;
}

static bool
has_escapes(const char *text, Size len)
{
	const char *end = text + len;

	while ((text = memchr(text, '\\', end - text)) != NULL)
	{
		if (escape_at(text, end) >= 0x80)
			return true;
		text++;
	}
	return false;
}

/* ------------------------------------------------------------------------
 * Parsing
 * ------------------------------------------------------------------------ */

VS_NORETURN static void refuse_text(const char *file, const JsonLexContext *lex);

static void
refuse_text(const char *file, const JsonLexContext *lex)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("model file \"%s\" is not valid JSON", file),
			 lex->token_start == NULL ?
			 errdetail("It ends too early.") :
			 errdetail("The error is in line %d, at byte %d of the file or after.",
					   lex->line_number,
					   (int) (lex->token_start - lex->input))));
}

VsJson *
vs_json_parse(const char *file, const char *text, Size len)
{
	Builder    *builder = palloc0(sizeof(Builder));
	JsonSemAction actions = {0};
	JsonLexContext *lex;
	char	   *copy = NULL;
	VsJson	   *root;

	if (!AllocSizeIsValid(len))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" is too long", file)));
	if (!pg_verify_mbstr(PG_UTF8, text, len, true))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" is not valid UTF-8", file)));
	if (has_escapes(text, len))
	{
		copy = palloc(len);
		len = replace_escapes(text, len, copy);
		text = copy;
	}

	builder->file = file;
	builder->room = 64;
	builder->stack = palloc(builder->room * sizeof(VsJson));
	if (!pg_strong_random(&builder->seed, sizeof(builder->seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	actions.semstate = builder;
	actions.object_start = begin_container;
	actions.object_end = end_object;
	actions.array_start = begin_container;
	actions.array_end = end_array;
	actions.object_field_start = begin_member;
	actions.scalar = scalar;

	lex = vs_make_json_lexer((char *) text, len);
	if (pg_parse_json(lex, &actions) != JSON_SUCCESS)
		refuse_text(file, lex);
	Assert(builder->height == 1 && builder->depth == 0);

	root = palloc(sizeof(VsJson));
	*root = builder->stack[0];
	vs_free_json_lexer(lex);
	pfree(builder->stack);
	pfree(builder);
	if (copy != NULL)
		pfree(copy);
	return root;
}

/* ------------------------------------------------------------------------
 * Members
 * ------------------------------------------------------------------------ */

const VsJson *
vs_json_find(const VsJson *object, const char *key)
{
	if (object == NULL || object->kind != VS_JSON_OBJECT)
		return NULL;
	for (uint32 i = 0; i < object->count; i++)
	{
		const VsJson *item = &object->u.items[i];

		if (strcmp(item->key, key) == 0)
			return item->kind == VS_JSON_NULL ? NULL : item;
	}
	return NULL;
}

/* A member that must be of the kind, if it is there. */
static const VsJson *
find_kind(const char *file, const VsJson *object, const char *key,
		  VsJsonKind kind)
{
	static const char *const names[] = {
		[VS_JSON_BOOL] = "true or false",
		[VS_JSON_NUMBER] = "a number",
		[VS_JSON_STRING] = "a string",
		[VS_JSON_ARRAY] = "an array",
		[VS_JSON_OBJECT] = "an object",
	};
	const VsJson *item = vs_json_find(object, key);

	if (item != NULL && item->kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" in model file \"%s\" is not %s",
						key, file, names[kind])));
	return item;
}

double
vs_json_number(const char *file, const VsJson *object, const char *key,
			   double min, double max, double absent)
{
	const VsJson *item = find_kind(file, object, key, VS_JSON_NUMBER);

	if (item == NULL)
		return absent;
	if (!(item->u.number >= min && item->u.number <= max))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" in model file \"%s\" is %g",
						key, file, item->u.number),
				 errdetail("It must lie between %g and %g.", min, max)));
	return item->u.number;
}

int
vs_json_int(const char *file, const VsJson *object, const char *key,
			int min, int max, int absent)
{
	const VsJson *item = find_kind(file, object, key, VS_JSON_NUMBER);

	if (item == NULL)
		return absent;
	if (!(item->u.number >= min && item->u.number <= max) ||
		item->u.number != floor(item->u.number))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" in model file \"%s\" is %.15g",
						key, file, item->u.number),
				 errdetail("It must be an integer between %d and %d.",
						   min, max)));
	return (int) item->u.number;
}

bool
vs_json_bool(const char *file, const VsJson *object, const char *key,
			 bool absent)
{
	const VsJson *item = find_kind(file, object, key, VS_JSON_BOOL);

	return item ? item->u.boolean : absent;
}

const char *
vs_json_string(const char *file, const VsJson *object, const char *key)
{
	const VsJson *item = find_kind(file, object, key, VS_JSON_STRING);

	return item ? item->u.string : NULL;
}

const VsJson *
vs_json_array(const char *file, const VsJson *object, const char *key)
{
	return find_kind(file, object, key, VS_JSON_ARRAY);
}

const VsJson *
vs_json_object(const char *file, const VsJson *object, const char *key)
{
	return find_kind(file, object, key, VS_JSON_OBJECT);
}
