/*
 * tokenizer_compile.c
 *		From tokenizer.json to a block: the frame, added tokens, special tokens.
 */
#include "postgres.h"

#include <math.h>

#include "embed/tokenizer_compile.h"

/* ------------------------------------------------------------------------
 * Shared by the parts
 * ------------------------------------------------------------------------ */

VsTokenizerHeader *
vs_compiler_header(VsCompiler *c)
{
	return (VsTokenizerHeader *) (c->out->data + c->start);
}

VsSpan
vs_compiler_add(VsCompiler *c, const void *data, uint32 count, Size width)
{
	static const char zeros[8] = {0};
	VsSpan		span;
	Size		bytes = (Size) count * width;

	appendBinaryStringInfo(c->out, zeros, -(c->out->len - c->start) & 7);
	span.offset = (uint32) (c->out->len - c->start);
	span.count = count;
	if (bytes > PG_INT32_MAX / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("tokenizer in \"%s\" is too large", c->file)));
	if (bytes > 0)
		appendBinaryStringInfo(c->out, data, (int) bytes);
	return span;
}

VsSpan
vs_compiler_add_string(VsCompiler *c, const VsJson *string)
{
	return vs_compiler_add(c, string->u.string, string->count, 1);
}

void
vs_compiler_unsupported(const VsCompiler *c, const char *what, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s \"%s\" of \"%s\" is not supported", what, name, c->file)));
}

void
vs_compiler_bad(const VsCompiler *c, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("invalid tokenizer in \"%s\"", c->file),
			 errdetail_internal("%s", what)));
}

const VsJson *
vs_compiler_member(const VsCompiler *c, const VsJson *object, const char *key,
				   VsJsonKind kind)
{
	const VsJson *member = NULL;

	if (object->kind == VS_JSON_OBJECT)
		member = vs_json_find(object, key);
	if (member == NULL || member->kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid tokenizer in \"%s\"", c->file),
				 errdetail("A component has no proper \"%s\".", key)));
	return member;
}

const char *
vs_compiler_type(const VsCompiler *c, const VsJson *component)
{
	return vs_compiler_member(c, component, "type", VS_JSON_STRING)->u.string;
}

int32
vs_compiler_id(const VsCompiler *c, const VsJson *number)
{
	if (number->kind != VS_JSON_NUMBER || number->u.number < 0 ||
		number->u.number != floor(number->u.number))
		vs_compiler_bad(c, "An id is not a number.");
	if (number->u.number >= c->vocab ||
		number->u.number >= VS_TOKENIZER_MAX_VOCAB)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid tokenizer in \"%s\"", c->file),
				 errdetail("Id %.0f is outside the vocabulary of %d.",
						   number->u.number, c->vocab)));
	return (int32) number->u.number;
}

/* ------------------------------------------------------------------------
 * Added tokens
 * ------------------------------------------------------------------------ */

/* The added tokens in the order in which the library looks for them. */
typedef struct AddedList
{
	VsAddedToken *tokens;
	VsTrieEntry *raw;			/* to be found in the text as it comes */
	VsTrieEntry *normal;
	uint32		count;
	uint32		raw_count;
	uint32		normal_count;
} AddedList;

static bool
flag_of(const VsCompiler *c, const VsJson *object, const char *key)
{
	return vs_json_bool(c->file, object, key, false);
}

static void
add_token(VsCompiler *c, AddedList *list, const VsJson *json)
{
	const VsJson *content = vs_compiler_member(c, json, "content", VS_JSON_STRING);
	const VsJson *id = vs_compiler_member(c, json, "id", VS_JSON_NUMBER);
	VsAddedToken *token;
	VsTrieEntry *entry;

	if (content->count == 0)
		return;
	if (content->count > VS_TOKENIZER_MAX_PIECE)
		vs_compiler_bad(c, "An added token is too long.");
	token = &list->tokens[list->count];
	token->id = vs_trie_find(&c->trie, content->u.string, content->count);
	if (token->id < 0)
		token->id = vs_compiler_id(c, id);
	token->flags = (flag_of(c, json, "single_word") ? VS_ADDED_SINGLE_WORD : 0) |
		(flag_of(c, json, "lstrip") ? VS_ADDED_LSTRIP : 0) |
		(flag_of(c, json, "rstrip") ? VS_ADDED_RSTRIP : 0);
	vs_compiler_set_piece(c, token->id, content->u.string, content->count);

	if (flag_of(c, json, "normalized"))
	{
		VsBytes		normal = {0};
		bool		kept_start;

		vs_normalize_text(vs_compiler_header(c), content->u.string,
						  content->count, &normal, &kept_start);
		entry = &list->normal[list->normal_count];
		entry->text = normal.data;
		entry->len = (uint32) Min(normal.len, VS_TOKENIZER_MAX_PIECE);
		list->normal_count += normal.len > 0;
	}
	else
	{
		entry = &list->raw[list->raw_count++];
		entry->text = content->u.string;
		entry->len = content->count;
	}
	entry->number = (int32) list->count++;
}

/*
 * Where two look alike the library finds the special one, else the first: so
 * they are listed the other way round, for in a trie the last one counts.
 */
static void
compile_added(VsCompiler *c, const VsJson *root)
{
	const VsJson *array = vs_json_array(c->file, root, "added_tokens");
	uint32		total = array ? array->count : 0;
	AddedList	list = {0};
	VsTrieUnit *units;
	uint32		count;
	VsSpan		span;

	list.tokens = palloc0(sizeof(VsAddedToken) * (Size) (total + 1));
	list.raw = palloc0(sizeof(VsTrieEntry) * (Size) (total + 1));
	list.normal = palloc0(sizeof(VsTrieEntry) * (Size) (total + 1));
	for (int special = 0; special <= 1; special++)
	{
		for (uint32 i = total; i-- > 0;)
		{
			const VsJson *json = &array->u.items[i];

			if (json->kind != VS_JSON_OBJECT)
				vs_compiler_bad(c, "An added token is not an object.");
			if (flag_of(c, json, "special") == (special == 1))
				add_token(c, &list, json);
		}
	}
	span = vs_compiler_add(c, list.tokens, list.count, sizeof(VsAddedToken));
	vs_compiler_header(c)->added = span;
	units = vs_trie_build(list.raw, list.raw_count, &count);
	span = vs_compiler_add(c, units, count, sizeof(VsTrieUnit));
	vs_compiler_header(c)->added_trie = span;
	units = vs_trie_build(list.normal, list.normal_count, &count);
	span = vs_compiler_add(c, units, count, sizeof(VsTrieUnit));
	vs_compiler_header(c)->added_normal_trie = span;
}

/* ------------------------------------------------------------------------
 * Post-processors: special tokens
 * ------------------------------------------------------------------------ */

/* Tokens round a text; those of before grow from its end to the front. */
typedef struct Specials
{
	int32		before[VS_TOKENIZER_MAX_SPECIALS];	/* the nearest first */
	int32		after[VS_TOKENIZER_MAX_SPECIALS];
	int			before_count;
	int			after_count;
} Specials;

static void
push_special(VsCompiler *c, int32 *ids, int *count, int32 id)
{
	if (*count == VS_TOKENIZER_MAX_SPECIALS)
		vs_compiler_bad(c, "There are too many special tokens.");
	ids[(*count)++] = id;
}

/* The ids that an entry of special_tokens stands for. */
static const VsJson *
special_ids(VsCompiler *c, const VsJson *processor, const VsJson *item)
{
	const VsJson *name = vs_compiler_member(c, item, "id", VS_JSON_STRING);
	const VsJson *all = vs_compiler_member(c, processor, "special_tokens",
										   VS_JSON_OBJECT);
	const VsJson *entry = vs_json_find(all, name->u.string);

	if (entry == NULL)
		vs_compiler_bad(c, "A template names an unknown special token.");
	return vs_compiler_member(c, entry, "ids", VS_JSON_ARRAY);
}

static void
compile_template(VsCompiler *c, const VsJson *json, Specials *specials)
{
	const VsJson *single = vs_compiler_member(c, json, "single", VS_JSON_ARRAY);
	int			sequence = -1;

	if (single->count > 2 * VS_TOKENIZER_MAX_SPECIALS)
		vs_compiler_bad(c, "There are too many special tokens.");
	for (uint32 i = 0; i < single->count; i++)
	{
		if (single->u.items[i].kind != VS_JSON_OBJECT)
			vs_compiler_bad(c, "An item of a template is not an object.");
		if (vs_json_find(&single->u.items[i], "Sequence") == NULL)
			continue;
		if (sequence >= 0)
			vs_compiler_unsupported(c, "template", "text twice");
		sequence = (int) i;
	}
	if (sequence < 0)
		vs_compiler_bad(c, "A template has no place for the text.");
	for (int i = sequence - 1; i >= 0; i--)
	{
		const VsJson *ids = special_ids(c, json,
										vs_compiler_member(c, &single->u.items[i], "SpecialToken", VS_JSON_OBJECT));

		for (uint32 j = ids->count; j-- > 0;)
			push_special(c, specials->before, &specials->before_count,
						 vs_compiler_id(c, &ids->u.items[j]));
	}
	for (uint32 i = sequence + 1; i < single->count; i++)
	{
		const VsJson *ids = special_ids(c, json,
										vs_compiler_member(c, &single->u.items[i], "SpecialToken", VS_JSON_OBJECT));

		for (uint32 j = 0; j < ids->count; j++)
			push_special(c, specials->after, &specials->after_count,
						 vs_compiler_id(c, &ids->u.items[j]));
	}
}

/* The id of ["[CLS]", 101] */
static int32
pair_id(VsCompiler *c, const VsJson *json, const char *key)
{
	const VsJson *pair = vs_compiler_member(c, json, key, VS_JSON_ARRAY);

	if (pair->count != 2)
		vs_compiler_bad(c, "A special token is not a pair.");
	return vs_compiler_id(c, &pair->u.items[1]);
}

static void
compile_processor(VsCompiler *c, const VsJson *json, Specials *specials)
{
	const char *type = vs_compiler_type(c, json);

	if (strcmp(type, "TemplateProcessing") == 0)
		compile_template(c, json, specials);
	else if (strcmp(type, "BertProcessing") == 0 ||
			 strcmp(type, "RobertaProcessing") == 0)
	{
		push_special(c, specials->before, &specials->before_count,
					 pair_id(c, json, "cls"));
		push_special(c, specials->after, &specials->after_count,
					 pair_id(c, json, "sep"));
	}
	else if (strcmp(type, "Sequence") == 0)
	{
		const VsJson *all = vs_compiler_member(c, json, "processors", VS_JSON_ARRAY);

		for (uint32 i = 0; i < all->count; i++)
			compile_processor(c, &all->u.items[i], specials);
	}
	else if (strcmp(type, "ByteLevel") != 0)
		vs_compiler_unsupported(c, "post-processor", type);
}

static void
compile_specials(VsCompiler *c, const VsJson *json)
{
	Specials	specials = {0};
	int32		before[VS_TOKENIZER_MAX_SPECIALS];
	VsSpan		span;

	if (json != NULL)
		compile_processor(c, json, &specials);
	for (int i = 0; i < specials.before_count; i++)
		before[i] = specials.before[specials.before_count - 1 - i];
	span = vs_compiler_add(c, before, specials.before_count, sizeof(int32));
	vs_compiler_header(c)->before = span;
	span = vs_compiler_add(c, specials.after, specials.after_count, sizeof(int32));
	vs_compiler_header(c)->after = span;
}

/* ------------------------------------------------------------------------
 * The whole
 * ------------------------------------------------------------------------ */

/* The texts of all ids, for those who want to see them. */
static void
compile_pieces(VsCompiler *c)
{
	uint32	   *ends = palloc(sizeof(uint32) * (Size) (c->piece_count + 1));
	StringInfoData bytes;
	VsSpan		span;

	initStringInfo(&bytes);
	for (uint32 i = 0; i < c->piece_count; i++)
	{
		if (c->pieces[i].text != NULL)
			appendBinaryStringInfo(&bytes, c->pieces[i].text, c->pieces[i].len);
		ends[i] = (uint32) bytes.len;
	}
	span = vs_compiler_add(c, ends, c->piece_count, sizeof(uint32));
	vs_compiler_header(c)->piece_ends = span;
	span = vs_compiler_add(c, bytes.data, (uint32) bytes.len, 1);
	vs_compiler_header(c)->piece_bytes = span;
	pfree(ends);
	pfree(bytes.data);
}

void
vs_tokenizer_compile(const char *file, const VsJson *json, bool lower_case,
					 int vocab, StringInfo out)
{
	VsTokenizerHeader header = {0};
	VsCompiler	c = {.file = file,.out = out,.start = out->len,.vocab = vocab};

	if (json->kind != VS_JSON_OBJECT)
		vs_compiler_bad(&c, "It is not an object.");
	header.magic = VS_TOKENIZER_MAGIC;
	header.version = VS_TOKENIZER_VERSION;
	header.unknown = -1;
	header.flags = lower_case ? VS_TOKEN_LOWER_CASE : 0;
	appendBinaryStringInfo(out, (const char *) &header, sizeof(header));

	vs_compile_normalizer(&c, vs_json_find(json, "normalizer"));
	vs_compile_splitter(&c, vs_json_find(json, "pre_tokenizer"));
	vs_compile_model(&c, vs_compiler_member(&c, json, "model", VS_JSON_OBJECT));
	compile_added(&c, json);
	compile_specials(&c, vs_json_find(json, "post_processor"));
	compile_pieces(&c);

	/* the next block may follow at once */
	vs_compiler_add(&c, NULL, 0, 1);
	vs_compiler_header(&c)->size = (uint32) (out->len - c.start);
}
