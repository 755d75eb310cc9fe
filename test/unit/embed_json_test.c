/*
 * embed_json_test.c
 *		Tests of embed_json.c, printed as TAP: sound texts and hostile ones.
 *
 * The damage is done by code with a fixed seed, so that a case that fails is
 * the same again in the next run.
 */
#include "postgres.h"

#include "embed/embed_json.h"

#include "hostile.h"
#include "server_stub.h"

static const VsJson *parsed;

static void
parse_bytes(void *arg)
{
	const Bytes *bytes = arg;
	char	   *exact = palloc(Max(bytes->len, 1));

	/* so that ASan sees a read past its end */
	memcpy(exact, bytes->data, bytes->len);
	parsed = vs_json_parse("x.json", exact, bytes->len);
}

static void
refuses_json(const char *text, size_t len, const char *part)
{
	Bytes		bytes = {(char *) text, len};

	expect(ERRCODE_DATA_CORRUPTED, part, parse_bytes, &bytes, part);
}

static const VsJson *
accepts_json(const char *text)
{
	Bytes		bytes = {(char *) text, strlen(text)};

	parsed = NULL;
	if (!stub_expect(0, "", parse_bytes, &bytes))
		fail("%s", text);
	return parsed;
}

static void
string_becomes(const char *text, const char *wanted)
{
	const VsJson *json = accepts_json(text);

	if (json != NULL && (json->kind != VS_JSON_STRING ||
						 json->count != strlen(wanted) ||
						 strcmp(json->u.string, wanted) != 0))
		fail("%s became \"%s\"", text, json->u.string);
	stub_reset();
}

static void
test_json_values(void)
{
	const VsJson *json =
	accepts_json("{\"a\": [1, -2.5e3, true, false, null, \"x\", []],"
				 " \"b\": {\"c\": {}}, \"d\": null}");

	if (json != NULL)
	{
		const VsJson *a = vs_json_array("f", json, "a");

		if (json->count != 3 || a->count != 7 || a->u.items[1].u.number != -2500 ||
			!a->u.items[2].u.boolean || a->u.items[3].u.boolean ||
			a->u.items[4].kind != VS_JSON_NULL ||
			strcmp(a->u.items[5].u.string, "x") != 0 ||
			a->u.items[6].count != 0 || strcmp(json->u.items[1].key, "b") != 0 ||
			vs_json_object("f", vs_json_find(json, "b"), "c")->count != 0 ||
			vs_json_find(json, "d") != NULL || vs_json_find(json, "e") != NULL)
			fail("wrong tree");
		if (vs_json_int("f", json, "d", 0, 1, 42) != 42)
			fail("null is not absent");
	}
	end_case("values");
	string_becomes("\"\\u0041\\n\\\"\"", "A\n\"");
	string_becomes("\"\\u00e9\\u2581\\uD83D\\ude00\"",
				   "\xc3\xa9\xe2\x96\x81\xf0\x9f\x98\x80");
	string_becomes("\"\\\\u00e9\"", "\\u00e9");
	string_becomes("\"\\\\\\u00e9\"", "\\\xc3\xa9");
	end_test("JSON values and escapes");
}

static void
int_member(void *arg)
{
	const char *key = arg;

	vs_json_int("f", accepts_json("{\"i\":7,\"f\":1.5,\"h\":1e12,\"s\":\"x\"}"),
				key, 0, 100, 0);
}

static void
test_json_members(void)
{
	expect(0, "", int_member, "i", "int");
	expect(0, "", int_member, "absent", "absent");
	expect(ERRCODE_DATA_CORRUPTED, "is 1.5", int_member, "f", "fraction");
	expect(ERRCODE_DATA_CORRUPTED, "is 1000000000000", int_member, "h", "range");
	expect(ERRCODE_DATA_CORRUPTED, "not a number", int_member, "s", "kind");
	end_test("JSON members of the wrong kind or size");
}

#define REFUSE(text, part)	refuses_json(text, sizeof(text) - 1, part)

static void
test_json_refusals(void)
{
	REFUSE("", "not valid JSON");
	REFUSE("{\"a\":", "not valid JSON");
	REFUSE("{} {}", "not valid JSON");
	REFUSE("\xef\xbb\xbf{}", "not valid JSON");
	REFUSE("[NaN]", "not valid JSON");
	REFUSE("[-Infinity]", "not valid JSON");
	REFUSE("[01]", "not valid JSON");
	REFUSE("[\"\\u0000\"]", "not valid JSON");
	REFUSE("[\"\\ud800\"]", "not valid JSON");
	REFUSE("[\"\\ude00\\ud800\"]", "not valid JSON");
	REFUSE("[\"\\ud800\\u0041\"]", "not valid JSON");
	REFUSE("[\"\\u12\"]", "not valid JSON");
	REFUSE("[\"\\u00e", "not valid JSON");
	REFUSE("[\"\\", "not valid JSON");
	REFUSE("[1e999]", "out of range");
	REFUSE("[-1e999]", "out of range");
	REFUSE("{}\0", "not valid UTF-8");
	REFUSE("[\"\xff\"]", "not valid UTF-8");
	REFUSE("[\"\xc0\x80\"]", "not valid UTF-8");
	REFUSE("[\"\xed\xa0\x80\"]", "not valid UTF-8");
	REFUSE("[\"\xf5\x80\x80\x80\"]", "not valid UTF-8");
	REFUSE("[\"\xe2\x96", "not valid UTF-8");
	REFUSE("{\"a\":1,\"b\":2,\"a\":3}", "\"a\" twice");
	REFUSE("{\"a\":1,\"\\u0061\":3}", "\"a\" twice");
	REFUSE("{\"\xc3\xa9\":1,\"\\u00e9\":3}", "twice");
	end_test("JSON that must be refused");
}

/* depth times open, then depth times close */
static Bytes
nested(const char *open, const char *close, int depth)
{
	Bytes		bytes = {malloc(depth * (strlen(open) + strlen(close)) + 2), 0};

	for (int i = 0; i < depth; i++)
		bytes.len += sprintf(bytes.data + bytes.len, "%s", open);
	bytes.len += sprintf(bytes.data + bytes.len, "1");
	for (int i = 0; i < depth; i++)
		bytes.len += sprintf(bytes.data + bytes.len, "%s", close);
	return bytes;
}

static void
test_json_depth(void)
{
	for (int depth = 63; depth <= 100000; depth = depth < 66 ? depth + 1 : depth * 50)
	{
		Bytes		arrays = nested("[", "]", depth);
		Bytes		objects = nested("{\"a\":", "}", depth);
		int			sqlstate = depth <= VS_JSON_MAX_DEPTH ? 0 :
		ERRCODE_DATA_CORRUPTED;

		expect(sqlstate, "64 levels", parse_bytes, &arrays, "arrays");
		expect(sqlstate, "64 levels", parse_bytes, &objects, "objects");
		free(arrays.data);
		free(objects.data);
	}
	end_test("JSON up to 100,000 levels deep");
}

/* An object of n members; the last has the name of member twin. */
static Bytes
vocabulary(int n, int twin)
{
	Bytes		bytes = {malloc((size_t) n * 40 + 2), 0};

	for (int i = 0; i < n; i++)
		bytes.len += sprintf(bytes.data + bytes.len, "%c\"word%d\":%d",
							 i ? ',' : '{', i == n - 1 ? twin : i, i);
	bytes.len += sprintf(bytes.data + bytes.len, "}");
	return bytes;
}

static void
test_json_many(void)
{
	static const int sizes[] = {2, 15, 16, 17, 18, 33, 1000, 250000};

	for (int i = 0; i < (int) lengthof(sizes); i++)
	{
		int			n = sizes[i];
		Bytes		sound = vocabulary(n, n - 1);
		Bytes		doubled = vocabulary(n, (int) random_below(n - 1));

		expect(0, "", parse_bytes, &sound, "vocabulary");
		expect(ERRCODE_DATA_CORRUPTED, "twice", parse_bytes, &doubled,
			   "vocabulary with a name twice");
		free(sound.data);
		free(doubled.data);
	}
	end_test("JSON objects of up to 250,000 members");
}

static void
test_json_damage(void)
{
	static const char text[] =
	"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"\\u2581a\", -1.5],"
	" [\"\xc3\xa9\\n\\\\\", 2e-3], [\"\\ud83d\\ude00\", null]], \"x\": {}},"
	" \"added\": [{\"id\": 0, \"special\": true, \"content\": \"<s>\"}]}";
	Bytes		original = {(char *) text, sizeof(text) - 1};

	for (size_t len = 0; len < original.len; len++)
	{
		Bytes		cut = {original.data, len};

		expect(ERRCODE_DATA_CORRUPTED, "", parse_bytes, &cut, "cut JSON");
	}
	for (int i = 0; i < 10000; i++)
	{
		Bytes		bytes = copy_bytes(original);

		damage(&bytes, 0, bytes.len, false);
		expect_fair(parse_bytes, &bytes, "damaged JSON", i);
		free(bytes.data);
	}
	end_test("10,000 damaged JSON texts");
}

int
main(void)
{
	test_json_values();
	test_json_members();
	test_json_refusals();
	test_json_depth();
	test_json_many();
	test_json_damage();
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
