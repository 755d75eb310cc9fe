/*
 * embed_files_test.c
 *		Tests of safetensors, model directories and model files, sound ones and
 *		hostile ones, printed as TAP.
 *
 * The damage is done by code with a fixed seed, so that a case that fails is
 * the same again in the next run.
 */
#include "postgres.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "embed/encoder.h"
#include "embed/model_file.h"
#include "embed/safetensors.h"
#include "kernel/kernel.h"

#include "scratch.h"
#include "server_stub.h"

/* ------------------------------------------------------------------------
 * Safetensors
 * ------------------------------------------------------------------------ */

#define WEIGHTS		"w.safetensors"

/* Write a file of a header, said to be claimed bytes long, and some data. */
static void
put_weights(const char *path, const char *header, uint64 claimed,
			const void *data, size_t len)
{
	size_t		header_len = strlen(header);
	char	   *all = malloc(8 + header_len + len);

	memcpy(all, &claimed, 8);
	memcpy(all + 8, header, header_len);
	memcpy(all + 8 + header_len, data, len);
	put_file(path, all, 8 + header_len + len);
	free(all);
}

/* Open a file, and read all that can be read. */
static void
read_weights(void *arg)
{
	VsTensorSet *set = vs_tensors_open_file(WEIGHTS);
	const VsTensor *tensor = vs_tensors_find(set, arg ? arg : "a");

	if (tensor != NULL)
	{
		uint64		count = tensor->bytes / (tensor->dtype == VS_DTYPE_F32 ? 4 : 2);
		float	   *out = palloc(Max(count, 1) * sizeof(float));

		vs_tensors_read(set, tensor, 0, count, out);
	}
	vs_tensors_close(set);
}

/* A header with 32 bytes of data. */
static void
header_ends_in(int sqlstate, const char *part, const char *header)
{
	static const char zeros[32];

	put_weights(WEIGHTS, header, strlen(header), zeros, sizeof(zeros));
	expect(sqlstate, part, read_weights, NULL, header);
}

#define REFUSE_HEADER(part, header) \
	header_ends_in(ERRCODE_DATA_CORRUPTED, part, header)
#define TENSOR(dtype, shape, offsets) \
	"{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void
test_weights_headers(void)
{
	header_ends_in(0, "", "{}");
	header_ends_in(0, "", TENSOR("F32", "[2,4]", "[0,32]"));
	header_ends_in(0, "", TENSOR("F32", "[]", "[0,4]"));
	header_ends_in(0, "", TENSOR("BF16", "[1,1,1,2]", "[28,32]"));
	header_ends_in(0, "", TENSOR("F32", "[0,9007199254740991]", "[0,0]"));
	header_ends_in(0, "", "{\"__metadata__\":{\"format\":\"pt\"}}");
	header_ends_in(ERRCODE_FEATURE_NOT_SUPPORTED, "not of type",
				   TENSOR("I64", "[4]", "[0,32]"));
	header_ends_in(ERRCODE_FEATURE_NOT_SUPPORTED, "not of type",
				   TENSOR("NEW", "[4]", "[0,3]"));
	header_ends_in(ERRCODE_FEATURE_NOT_SUPPORTED, "not of type",
				   TENSOR("F32", "[1,1,1,1,2]", "[0,8]"));
	REFUSE_HEADER("not a JSON object", "[1,2]");
	REFUSE_HEADER("not valid JSON", "{\"a\":");
	REFUSE_HEADER("not valid UTF-8", "{\"\xff\":1}");
	REFUSE_HEADER("no description", "{\"a\":1}");
	REFUSE_HEADER("no dtype", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}");
	REFUSE_HEADER("no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}");
	REFUSE_HEADER("outside", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}");
	REFUSE_HEADER("another size", TENSOR("F32", "[2,4]", "[0,28]"));
	REFUSE_HEADER("another size", TENSOR("F16", "[2,4]", "[0,32]"));
	REFUSE_HEADER("another size",
				  TENSOR("F32", "[3000000000,3000000]", "[0,32]"));
	REFUSE_HEADER("impossible shape",
				  TENSOR("F32", "[4294967296,4294967296]", "[0,0]"));
	REFUSE_HEADER("impossible shape",
				  TENSOR("F32", "[9007199254740991,9007199254740991]", "[0,1]"));
	REFUSE_HEADER("impossible shape", TENSOR("F32", "[-1]", "[0,4]"));
	REFUSE_HEADER("impossible shape", TENSOR("F32", "[1.5]", "[0,4]"));
	REFUSE_HEADER("impossible shape", TENSOR("F32", "[1e300]", "[0,4]"));
	REFUSE_HEADER("impossible shape", TENSOR("F32", "[\"1\"]", "[0,4]"));
	REFUSE_HEADER("outside", TENSOR("F32", "[2,4]", "[4,36]"));
	REFUSE_HEADER("outside", TENSOR("F32", "[2,4]", "[32,0]"));
	REFUSE_HEADER("outside", TENSOR("F32", "[1]", "[-4,0]"));
	REFUSE_HEADER("outside", TENSOR("F32", "[1]", "[0,4,8]"));
	REFUSE_HEADER("outside", TENSOR("F32", "[1]", "[0.5,4.5]"));
	REFUSE_HEADER("outside", TENSOR("F32", "[1]",
									"[9007199254740988,9007199254740992]"));
	REFUSE_HEADER("\"a\" twice",
				  "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
				  "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}");
	REFUSE_HEADER("overlaps",
				  "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
				  "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[7,15]}}");
	REFUSE_HEADER("overlaps",
				  "{\"a\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]},"
				  "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}");
	end_test("safetensors headers");
}

static void
test_weights_lengths(void)
{
	static const uint64 lengths[] = {
		0, 1, 3, 40, 100000001, UINT64CONST(10) << 30, UINT64CONST(1) << 63,
		UINT64_MAX - 8, UINT64_MAX - 7, UINT64_MAX
	};
	static const char zeros[32];

	for (int i = 0; i < (int) lengthof(lengths); i++)
	{
		put_weights(WEIGHTS, "{}", lengths[i], zeros, sizeof(zeros));
		expect(ERRCODE_DATA_CORRUPTED, "", read_weights, NULL,
			   psprintf("header of " UINT64_FORMAT, lengths[i]));
	}
	end_test("safetensors headers of impossible lengths");
}

static void
number_ends_in(const char *dtype, uint32 bits, int sqlstate)
{
	char		header[128];

	snprintf(header, sizeof(header), "{\"a\":{\"dtype\":\"%s\","
			 "\"shape\":[1],\"data_offsets\":[0,%d]}}",
			 dtype, strcmp(dtype, "F32") == 0 ? 4 : 2);
	put_weights(WEIGHTS, header, strlen(header), &bits, 4);
	expect(sqlstate, "not finite", read_weights, NULL, dtype);
}

static void
test_weights_numbers(void)
{
	number_ends_in("F32", 0x7f7fffff, 0);
	number_ends_in("F32", 0x7f800000, ERRCODE_DATA_CORRUPTED);
	number_ends_in("F32", 0xffc00000, ERRCODE_DATA_CORRUPTED);
	number_ends_in("F16", 0x7bff, 0);
	number_ends_in("F16", 0x7c00, ERRCODE_DATA_CORRUPTED);
	number_ends_in("F16", 0xfe01, ERRCODE_DATA_CORRUPTED);
	number_ends_in("BF16", 0x7f7f, 0);
	number_ends_in("BF16", 0xff80, ERRCODE_DATA_CORRUPTED);
	number_ends_in("BF16", 0x7fc0, ERRCODE_DATA_CORRUPTED);
	end_test("safetensors numbers that are not finite");
}

/* In place, unlike put_file. */
static void
overwrite_file(const char *path, const void *data, size_t len)
{
	FILE	   *file = fopen(path, "r+b");

	if (file == NULL || fwrite(data, 1, len, file) != len || fclose(file) != 0)
		fail("could not overwrite %s", path);
}

static void
change_weights(void *arg)
{
	VsTensorSet *set = vs_tensors_open_file(WEIGHTS);
	Bytes		bytes = get_file(WEIGHTS);

	vs_tensors_check_unchanged(set);
	bytes.data[bytes.len - 1]++;
	usleep(20000);				/* times have the grain of a tick */
	overwrite_file(WEIGHTS, bytes.data, bytes.len);
	free(bytes.data);
	vs_tensors_check_unchanged(set);
}

static Bytes
sample_weights(void)
{
	static const char header[] =
	"{\"__metadata__\":{\"format\":\"pt\"},"
	"\"a\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]},"
	"\"b.weight\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[48,56]},"
	"\"c\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[56,64]}}";
	static const char data[64] = {0};

	put_weights(WEIGHTS, header, strlen(header), data, sizeof(data));
	return get_file(WEIGHTS);
}

static void
test_weights_damage(void)
{
	Bytes		original = sample_weights();

	expect(0, "", read_weights, NULL, "sample");
	expect(ERRCODE_OBJECT_IN_USE, "has changed", change_weights, NULL, "change");
	for (size_t len = 0; len < original.len; len++)
	{
		put_file(WEIGHTS, original.data, len);
		expect(ERRCODE_DATA_CORRUPTED, "", read_weights, NULL, "cut weights");
	}
	for (int i = 0; i < 6000; i++)
	{
		Bytes		bytes = copy_bytes(original);

		damage(&bytes, i % 3 == 0 ? 0 : 8, bytes.len, i % 2 == 0);
		put_file(WEIGHTS, bytes.data, bytes.len);
		expect_fair(read_weights, NULL, "damaged weights", i);
		free(bytes.data);
	}
	free(original.data);
	end_test("6,000 damaged safetensors files");
}

/* Shards */

static void
open_shards(void *arg)
{
	VsTensorSet *set = vs_tensors_open("shards");

	if (arg != NULL && vs_tensors_find(set, arg) == NULL)
		elog(ERROR, "tensor not found");
	vs_tensors_close(set);
}

static void
index_ends_in(int sqlstate, const char *part, const char *text)
{
	put_text("shards/model.safetensors.index.json", text);
	expect(sqlstate, part, open_shards, NULL, text);
}

static void
test_shards(void)
{
	char		many[8192] = "{\"weight_map\":{";
	static const char data[4];

	mkdir("shards", 0700);
	expect(ERRCODE_UNDEFINED_FILE, "has no file \"model.safetensors\"",
		   open_shards, NULL, "empty directory");
	put_text("shards/pytorch_model.bin", "x");
	if (strstr(stub_run(open_shards, NULL)->hint, "Convert") == NULL)
		fail("no hint to convert");
	put_weights("shards/1.safetensors", TENSOR("F32", "[1]", "[0,4]"),
				strlen(TENSOR("F32", "[1]", "[0,4]")), data, sizeof(data));
	put_weights("shards/2.safetensors", "{}", 2, data, 0);
	index_ends_in(0, "", "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\",\"c\":\"1.safetensors\"}}");
	expect(0, "", open_shards, "a", "tensor of a shard");
	index_ends_in(ERRCODE_DATA_CORRUPTED, "something else than a file",
				  "{\"weight_map\":{\"a\":\"../w.safetensors\"}}");
	index_ends_in(ERRCODE_DATA_CORRUPTED, "something else than a file",
				  "{\"weight_map\":{\"a\":\"/etc/passwd\"}}");
	index_ends_in(ERRCODE_DATA_CORRUPTED, "something else than a file",
				  "{\"weight_map\":{\"a\":\"..\"}}");
	index_ends_in(ERRCODE_DATA_CORRUPTED, "something else than a file",
				  "{\"weight_map\":{\"a\":7}}");
	index_ends_in(ERRCODE_DATA_CORRUPTED, "has no", "{\"weight_map\":{}}");
	index_ends_in(ERRCODE_DATA_CORRUPTED, "has no", "[]");
	index_ends_in(ERRCODE_UNDEFINED_FILE, "could not open file",
				  "{\"weight_map\":{\"a\":\"3.safetensors\"}}");
	for (int i = 0; i < 101; i++)
		sprintf(many + strlen(many), "%s\"%d\":\"x%d\"", i ? "," : "", i, i);
	strcat(many, "}}");
	index_ends_in(ERRCODE_DATA_CORRUPTED, "more than 100 files", many);
	put_weights("shards/2.safetensors", TENSOR("F32", "[1]", "[0,4]"),
				strlen(TENSOR("F32", "[1]", "[0,4]")), data, sizeof(data));
	index_ends_in(ERRCODE_DATA_CORRUPTED, "namesake",
				  "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
	mkdir("shards/model.safetensors", 0700);
	expect(ERRCODE_WRONG_OBJECT_TYPE, "not a regular file", open_shards, NULL,
		   "directory as weights");
	rmdir("shards/model.safetensors");
	mkfifo("shards/model.safetensors", 0600);
	expect(ERRCODE_WRONG_OBJECT_TYPE, "not a regular file", open_shards, NULL,
		   "FIFO as weights");
	end_test("safetensors in shards");
}

/* ------------------------------------------------------------------------
 * Model directories
 * ------------------------------------------------------------------------ */

#define MODEL_FILES		6

static const char *const model_files[MODEL_FILES] = {
	"config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json",
	"sentence_bert_config.json", "model.safetensors"
};

static Bytes originals[MODEL_FILES];

/* A copy of a tiny model of test/data, in "model". */
static void
put_model(void)
{
	remove_tree("model");
	mkdir("model", 0700);
	mkdir("model/1_Pooling", 0700);
	for (int i = 0; i < MODEL_FILES; i++)
		put_file(psprintf("model/%s", model_files[i]),
				 originals[i].data, originals[i].len);
}

static void
load_originals(void)
{
	for (int i = 0; i < MODEL_FILES; i++)
		originals[i] = get_file(psprintf("%s/test/data/models/bert/%s",
										 start_folder, model_files[i]));
}

static VsModelInfo built;

static void
build_model(void *arg)
{
	vs_model_build("model", arg ? *(int *) arg : VS_WEIGHT_AS_IS, &built);
}

/* Whether the folder of model files has a temporary one. */
static bool
has_temporary(void)
{
	return system("ls vecsearch_models/*/*.tmp >/dev/null 2>&1") == 0;
}

/* A model with one file replaced by a text. */
static void
model_ends_in(int sqlstate, const char *part, const char *name,
			  const char *text)
{
	put_model();
	put_text(psprintf("model/%s", name), text);
	expect(sqlstate, part, build_model, NULL, psprintf("%s: %s", name, text));
}

/* A model whose config.json has one text in place of another. */
static void
config_ends_in(int sqlstate, const char *part, const char *old, const char *new)
{
	const char *config = originals[0].data;
	const char *at = strstr(config, old);

	if (at == NULL)
	{
		fail("config.json has no %s", old);
		return;
	}
	model_ends_in(sqlstate, part, "config.json",
				  psprintf("%.*s%s%s", (int) (at - config), config, new,
						   at + strlen(old)));
}

/* Remove a file of the model; the error names it and has a hint. */
static void
needs_file(const char *name)
{
	const StubError *error;

	put_model();
	unlink(psprintf("model/%s", name));
	error = stub_run(build_model, NULL);
	if (error == NULL || error->sqlstate != ERRCODE_UNDEFINED_FILE ||
		strstr(error->message, name) == NULL)
		fail("without %s: %s", name, error ? error->message : "no error");
	stub_reset();
}

static void
test_directories(void)
{
	needs_file("config.json");
	needs_file("tokenizer.json");
	needs_file("model.safetensors");
	remove_tree("model");
	expect(ERRCODE_UNDEFINED_FILE, "could not open directory", build_model, NULL,
		   "no directory");
	put_text("model", "x");
	expect(ERRCODE_WRONG_OBJECT_TYPE, "not a directory", build_model, NULL,
		   "no directory");
	unlink("model");

	model_ends_in(ERRCODE_DATA_CORRUPTED, "not a JSON object", "config.json", "[]");
	model_ends_in(ERRCODE_DATA_CORRUPTED, "not a JSON array", "modules.json", "{}");
	model_ends_in(ERRCODE_DATA_CORRUPTED, "without type or path",
				  "modules.json", "[1]");
	for (int i = 0; i < 5; i++)
	{
		static const char *const paths[] = {
			"../x", "/etc", "a/b", "..", "a\\\\b"
		};

		model_ends_in(ERRCODE_DATA_CORRUPTED, "something else than a folder",
					  "modules.json",
					  psprintf("[{\"type\":\"a.Transformer\",\"path\":\"%s\"}]",
							   paths[i]));
	}
	model_ends_in(ERRCODE_FEATURE_NOT_SUPPORTED, "more than",
				  "modules.json", "[1,1,1,1,1,1,1,1,1,1,1,1]");

	put_model();
	if (truncate("model/tokenizer.json", (off_t) 1 << 40) != 0)
		fail("truncate");
	expect(ERRCODE_DATA_CORRUPTED, "too long", build_model, NULL, "1 TB of JSON");
	put_model();
	unlink("model/config.json");
	mkfifo("model/config.json", 0600);
	expect(ERRCODE_WRONG_OBJECT_TYPE, "not a regular file", build_model, NULL,
		   "FIFO as config.json");
	if (has_temporary())
		fail("a temporary file is left");
	end_test("model directories that must be refused");
}

static void
test_configs(void)
{
	config_ends_in(ERRCODE_FEATURE_NOT_SUPPORTED, "\"big\"",
				   "\"model_type\": \"bert\"", "\"model_type\": \"big\"");
	config_ends_in(ERRCODE_DATA_CORRUPTED, "vocab_size",
				   "\"vocab_size\": ", "\"vocab_size\": 99999999");
	config_ends_in(ERRCODE_DATA_CORRUPTED, "num_hidden_layers",
				   "\"num_hidden_layers\": ", "\"num_hidden_layers\": 99");
	config_ends_in(ERRCODE_DATA_CORRUPTED, "is missing",
				   "\"num_hidden_layers\": ", "\"num_hidden_layers\": 1");
	config_ends_in(ERRCODE_DATA_CORRUPTED, "wrong shape",
				   "\"max_position_embeddings\": ",
				   "\"max_position_embeddings\": 1");
	config_ends_in(ERRCODE_DATA_CORRUPTED, "wrong shape",
				   "\"intermediate_size\": ", "\"intermediate_size\": 1");
	end_test("configurations that do not go with the weights");
}

static void
compute(const char *hash, float *out)
{
	VsModel    *model = vs_model_get(hash);
	VsTokens	tokens;
	VsEncoderInput input = {0};

	vs_tokenize(model->tokenizer, "the cat sat on a mat, caf\xc3\xa9",
				strlen("the cat sat on a mat, caf\xc3\xa9"),
				model->config.max_tokens, &tokens);
	input.ids = tokens.ids;
	input.count = tokens.count;
	vs_encode(model, 1, &input, 2048, out);
}

static float results[VS_WEIGHT_FORMAT_COUNT][64];

static void
build_format(void *arg)
{
	int			format = *(int *) arg;
	VsModelInfo again;

	vs_model_build("model", format, &built);
	vs_model_build("model", format, &again);
	if (strcmp(built.hash, again.hash) != 0)
		fail("another hash of the same files");
	if ((int) built.format != format || built.config.dim > 64)
		fail("format %d became %d", format, (int) built.format);
	compute(built.hash, results[format]);
	vs_model_forget(built.hash);
}

static void
test_formats(void)
{
	/* how far a result may be from that of float32 */
	static const float tolerance[VS_WEIGHT_FORMAT_COUNT] = {
		0, 2e-3f, 2e-2f, 5e-2f
	};

	put_model();
	for (int format = 0; format < VS_WEIGHT_FORMAT_COUNT; format++)
	{
		expect(0, "", build_format, &format, "build");
		for (int i = 0; i < 24; i++)
			if (!(fabsf(results[format][i] - results[0][i]) <= tolerance[format]))
				fail("format %d: %g, not %g", format, results[format][i],
					 results[0][i]);
	}
	if (has_temporary())
		fail("a temporary file is left");
	end_test("weights in all formats");
}

static int
count_files(void)
{
	FILE	   *list = popen("ls vecsearch_models/*/* | wc -l", "r");
	int			count = -1;

	if (fscanf(list, "%d", &count) != 1)
		fail("cannot count files");
	pclose(list);
	return count;
}

static void
test_rebuild(void)
{
	char	   *path;
	char	   *stale;
	char	   *other;
	char		first[VS_MODEL_HASH_LEN + 1];
	int			files;
	struct rlimit limit;
	struct rlimit small = {20000, 0};

	put_model();
	expect(0, "", build_model, NULL, "build");
	strcpy(first, built.hash);
	path = psprintf("%s/%s", scratch_folder, vs_model_path(first));
	files = count_files();

	/* a damaged file is replaced */
	if (truncate(path, 1000) != 0)
		fail("truncate");
	expect(0, "", build_model, NULL, "build over a damaged file");
	path = vs_model_path(first);
	if (!vs_model_is_sound(path, first))
		fail("the damaged file is still there");

	/* what a dead process left goes, what a live one writes stays */
	stale = psprintf("%s.%d.tmp", path, 999999999);
	other = psprintf("%s.%d.tmp", path, (int) getppid());
	put_text(stale, "x");
	put_text(other, "x");
	truncate(path, 10) == 0 ? (void) 0 : fail("truncate");
	stub_run(build_model, NULL);
	if (access(stale, F_OK) == 0 || access(other, F_OK) != 0)
		fail("wrong temporary file removed");
	unlink(other);

	/* a disk that is full, and an interrupt: no file of either name */
	unlink(path);
	getrlimit(RLIMIT_FSIZE, &limit);
	small.rlim_max = limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	expect(ERRCODE_INTERNAL_ERROR, "could not write", build_model, NULL, "full disk");
	setrlimit(RLIMIT_FSIZE, &limit);
	path = vs_model_path(first);
	if (has_temporary() || access(path, F_OK) == 0)
		fail("a full disk leaves a file");
	stub_interrupt();
	expect(ERRCODE_QUERY_CANCELED, "", build_model, NULL, "interrupt");
	if (has_temporary() || count_files() != files - 1)
		fail("an interrupt leaves a file");

	/* one byte of any file makes another model */
	put_text("model/sentence_bert_config.json", "{\"max_seq_length\": 7}");
	expect(0, "", build_model, NULL, "build");
	if (strcmp(built.hash, first) == 0)
		fail("other files have the same hash");
	if (built.config.max_tokens != 7)
		fail("max_seq_length is not read");
	end_test("builds over what is there, and builds that fail");
}

static void
test_directory_damage(void)
{
	for (int i = 0; i < 400; i++)
	{
		int			which = (int) random_below(MODEL_FILES - 1);
		Bytes		bytes = copy_bytes(originals[which]);
		char		path[64];

		put_model();
		snprintf(path, sizeof(path), "model/%s", model_files[which]);
		damage(&bytes, 0, bytes.len, false);
		put_file(path, bytes.data, bytes.len);
		free(bytes.data);
		expect_fair(build_model, NULL, path, i);
	}
	remove_tree("vecsearch_models");
	end_test("400 damaged model directories");
}

/* ------------------------------------------------------------------------
 * Model files
 * ------------------------------------------------------------------------ */

#define MODEL_FILE	"model.file"

static char model_hash[VS_MODEL_HASH_LEN + 1];

/* Open the file, and use it if it is accepted. */
static void
open_model(void *arg)
{
	VsModel    *model = vs_model_open(MODEL_FILE, model_hash);
	const char *text = "the cat sat on a mat, caf\xc3\xa9 <s> [MASK] \xe4\xb8\xad";
	VsTokens	tokens;
	VsEncoderInput input = {0};
	float	   *out = palloc(model->config.dim * sizeof(float));

	vs_tokenize(model->tokenizer, text, strlen(text),
				model->config.max_tokens, &tokens);
	input.ids = tokens.ids;
	input.count = tokens.count;
	vs_encode(model, 1, &input, 2048, out);
	vs_model_close(model);
}

static Bytes
sample_model(void)
{
	Bytes		bytes;

	put_model();
	expect(0, "", build_model, NULL, "build");
	strcpy(model_hash, built.hash);
	bytes = get_file(vs_model_path(model_hash));
	put_file(MODEL_FILE, bytes.data, bytes.len);
	expect(0, "", open_model, NULL, "sample");
	return bytes;
}

/* Make the checksums right again, as far as the header leads anywhere. */
static void
repair(Bytes *bytes)
{
	VsModelHeader *header = (VsModelHeader *) bytes->data;

	for (int i = 0; i < VS_SECTION_COUNT; i++)
	{
		VsModelSection *section = &header->sections[i];
		pg_crc32c	crc;

		if (section->offset > bytes->len ||
			section->bytes > bytes->len - section->offset ||
			VS_MODEL_ALIGNED(section->bytes) > bytes->len - section->offset)
			continue;
		INIT_CRC32C(crc);
		COMP_CRC32C(crc, bytes->data + section->offset,
					VS_MODEL_ALIGNED(section->bytes));
		FIN_CRC32C(crc);
		section->crc = crc;
	}
	header->crc = vs_model_header_crc(header);
}

static void
model_file_ends_in(int sqlstate, const char *part, Bytes bytes,
				   const char *what)
{
	put_file(MODEL_FILE, bytes.data, bytes.len);
	expect(sqlstate, part, open_model, NULL, what);
}

static void
test_model_cuts(Bytes original)
{
	const VsModelHeader *header = (const VsModelHeader *) original.data;

	for (int i = 0; i < VS_SECTION_COUNT; i++)
		for (int delta = -1; delta <= 1; delta++)
		{
			Bytes		cut = {original.data, header->sections[i].offset + delta};

			model_file_ends_in(ERRCODE_DATA_CORRUPTED, "is damaged", cut,
							   "file cut at a section");
		}
	for (int i = 0; i < 300; i++)
	{
		Bytes		cut = {original.data, random_below(original.len)};

		model_file_ends_in(ERRCODE_DATA_CORRUPTED, "is damaged", cut, "cut file");
	}
	unlink(MODEL_FILE);
	expect(ERRCODE_UNDEFINED_FILE, model_hash, open_model, NULL, "no file");
	end_test("model files that are cut or missing");
}

static void
test_model_bits(Bytes original)
{
	Bytes		bytes = copy_bytes(original);

	/* any bit of the header, and any of a thousand elsewhere */
	for (size_t i = 0; i < sizeof(VsModelHeader) * 8 + 1000; i++)
	{
		size_t		bit = i < sizeof(VsModelHeader) * 8 ? i :
		random_below(bytes.len * 8);

		bytes.data[bit / 8] ^= 1 << bit % 8;
		model_file_ends_in(ERRCODE_DATA_CORRUPTED, "is damaged", bytes,
						   "flipped bit");
		bytes.data[bit / 8] ^= 1 << bit % 8;
	}
	bytes.data[bytes.len++] = 0;
	model_file_ends_in(ERRCODE_DATA_CORRUPTED, "is damaged", bytes, "longer file");
	free(bytes.data);
	strcpy(model_hash, "0000000000000000000000000000000000000000000000000000000000000000");
	model_file_ends_in(ERRCODE_DATA_CORRUPTED, "is damaged", original,
					   "another hash");
	strcpy(model_hash, built.hash);
	end_test("model files with one bit flipped");
}

/* Damage that the checksums do not show. */
static void
test_model_damage(Bytes original)
{
	const VsModelHeader *header = (const VsModelHeader *) original.data;
	int			accepted = 0;

	for (int i = 0; i < 5000; i++)
	{
		Bytes		bytes = copy_bytes(original);
		int			which = i % (VS_SECTION_COUNT + 1);
		const StubError *error;

		/* each section in turn, then the header */
		if (which == VS_SECTION_COUNT)
			damage(&bytes, 16, sizeof(VsModelHeader), true);
		else
			damage(&bytes, header->sections[which].offset,
				   header->sections[which].offset +
				   header->sections[which].bytes, true);
		repair(&bytes);
		put_file(MODEL_FILE, bytes.data, bytes.len);
		error = stub_run(open_model, NULL);
		if (!is_fair(error))
			fail("case %d: %s", i, error->message);
		accepted += error == NULL;
		end_case("damaged model file");
		free(bytes.data);
	}
	if (accepted == 0)
		fail("no case got as far as the encoder");
	end_test("5,000 damaged model files with right checksums");
}

static void
use_cache(void *arg)
{
	char		hashes[VS_MODEL_CACHE + 2][VS_MODEL_HASH_LEN + 1];
	VsModelInfo info;
	const VsModel *last;

	for (int i = 0; i < VS_MODEL_CACHE + 2; i++)
	{
		put_model();
		put_text("model/sentence_bert_config.json",
				 psprintf("{\"max_seq_length\": %d}", i + 3));
		vs_model_build("model", VS_WEIGHT_AS_IS, &info);
		strcpy(hashes[i], info.hash);
		if (vs_model_get(info.hash)->config.max_tokens != i + 3)
			fail("another model");
	}
	last = vs_model_get(hashes[2]);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < VS_MODEL_CACHE + 2; i++)
		{
			const VsModel *model = vs_model_get(hashes[i]);

			if (strcmp(model->hash, hashes[i]) != 0 ||
				model != vs_model_get(hashes[i]))
				fail("the cache gives another model");
		}
	last = vs_model_get(hashes[5]);
	unlink(vs_model_path(hashes[5]));
	if (vs_model_get(hashes[5]) != last ||
		vs_model_get(hashes[5])->word.rows < 1)
		fail("a removed file is not kept");
	for (int i = 0; i < VS_MODEL_CACHE + 2; i++)
		vs_model_forget(hashes[i]);
	vs_model_get(hashes[5]);
}

static void
test_cache(void)
{
	expect(ERRCODE_UNDEFINED_FILE, "there is no file of the model", use_cache,
		   NULL, "cache");
	end_test("the cache of models");
}

int
main(void)
{
	Bytes		model;

	vs_kernel_init();
	enter_scratch();

	test_weights_headers();
	test_weights_lengths();
	test_weights_numbers();
	test_weights_damage();
	test_shards();

	load_originals();
	test_directories();
	test_configs();
	test_formats();
	test_rebuild();
	test_directory_damage();

	model = sample_model();
	test_model_cuts(model);
	test_model_bits(model);
	test_model_damage(model);
	test_cache();

	free(model.data);
	for (int i = 0; i < MODEL_FILES; i++)
		free(originals[i].data);
	leave_scratch();
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
