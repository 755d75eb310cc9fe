/*
 * model_build.c
 *		A model directory into a model file: what is read, and its hash.
 *
 * The JSON files are read once, and both parsed and hashed from memory.  The
 * weights are too large for that: they are hashed first, which also tells
 * whether the model file is there already, and converted in a second pass.
 * So that both see the same bytes, the files stay open in between, and before
 * the model file gets its name they must have the size and the times of
 * change they had when they were opened (the kernel sets the time of a status
 * change, ctime, on every write, and nobody can set it back).
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "compat.h"
#include "embed/model.h"
#include "embed/model_write.h"

/* Part of every hash: model files of another content need another name. */
#define HASH_PREFIX		"vecsearch model 1"

#define MAX_JSON_FILE	(64 * 1024 * 1024)

/* A file of the directory that the model is made from. */
typedef struct SourceFile
{
	const char *name;			/* within the directory, perhaps in a folder */
	const char *text;			/* of a JSON file, else NULL */
	uint64		len;
	VsTensorSet *set;			/* of a weight file: its set and number in it */
	int			number;
} SourceFile;

/* The weights of the model itself or of a stage. */
typedef struct WeightFolder
{
	const char *folder;			/* "" of the model itself */
	VsTensorSet *set;
} WeightFolder;

typedef struct Build
{
	const char *directory;
	const char *main;			/* folder of the Transformer, "" if it is the
								 * directory itself, else with a slash */
	List	   *sources;		/* of SourceFile */
	List	   *weights;		/* of WeightFolder */
	VsModelFiles files;
	VsModelConfig config;
	const char *prefixes;
	const char *prefix;			/* that was right for a tensor already */
} Build;

/* ------------------------------------------------------------------------
 * JSON files
 * ------------------------------------------------------------------------ */

/* The whole of an open file, or an error. */
static char *
read_text(int fd, const char *path, Size *len)
{
	struct stat status;
	char	   *text;

	if (fstat(fd, &status) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	if (!S_ISREG(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", path)));
	if (status.st_size > MAX_JSON_FILE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is too long", path),
				 errdetail("JSON files of a model may have up to %d MB.",
						   MAX_JSON_FILE / (1024 * 1024))));
	text = palloc(status.st_size + 1);
	*len = 0;
	while (*len < (Size) status.st_size)
	{
		ssize_t		got = read(fd, text + *len, status.st_size - *len);

		CHECK_FOR_INTERRUPTS();
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", path)));
		if (got == 0)
			break;
		*len += got;
	}
	return text;
}

/* Parse a file and note it for the hash; NULL if there is no such file. */
static const VsJson *
read_json(Build *build, const char *name)
{
	char	   *path = psprintf("%s/%s", build->directory, name);
	SourceFile *source;
	Size		len;
	char	   *text;

	/* a FIFO must not make us wait */
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	text = read_text(fd, path, &len);
	CloseTransientFile(fd);

	source = palloc0(sizeof(SourceFile));
	source->name = pstrdup(name);
	source->text = text;
	source->len = len;
	build->sources = lappend(build->sources, source);
	return vs_json_parse(source->name, text, len);
}

/* The same for a file whose content must be an object. */
static const VsJson *
read_object(Build *build, const char *name)
{
	const VsJson *json = read_json(build, name);

	if (json != NULL && json->kind != VS_JSON_OBJECT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" is not a JSON object", name)));
	return json;
}

/* The same for a file that must be there. */
static const VsJson *
require_object(Build *build, const char *name, const char *hint)
{
	const VsJson *json = read_object(build, name);

	if (json == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("model directory \"%s\" has no file \"%s\"",
						build->directory, name),
				 errhint("%s", hint)));
	return json;
}

/* Only a folder right in the directory, "" standing for the directory. */
static void
check_folder_name(const char *name)
{
	if (name[0] == '.' || strpbrk(name, "/\\") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" names something else than a folder of its directory: \"%s\"",
						"modules.json", name)));
}

static VsModelFolder *
read_folder(Build *build, const VsJson *module)
{
	VsModelFolder *folder = palloc0(sizeof(VsModelFolder));
	const char *type = vs_json_string("modules.json", module, "type");
	const char *path = vs_json_string("modules.json", module, "path");

	if (type == NULL || path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" has a module without type or path",
						"modules.json")));
	check_folder_name(path);
	folder->type = strrchr(type, '.') ? strrchr(type, '.') + 1 : type;
	folder->path = path;
	return folder;
}

/*
 * The modules, and the config.json of each.  Where the first one, the
 * Transformer, has a folder of its own, the files of the model itself are
 * there.
 */
static void
read_modules(Build *build)
{
	const VsJson *modules = read_json(build, "modules.json");

	build->main = "";
	build->files.modules = modules;
	if (modules == NULL)
		return;
	if (modules->kind != VS_JSON_ARRAY)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" is not a JSON array",
						"modules.json")));

	/* one for the Transformer, one for the pooling, then stages */
	if (modules->count > VS_MODEL_MAX_STAGES + 2)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model file \"%s\" has more than %d modules",
						"modules.json", VS_MODEL_MAX_STAGES + 2)));
	for (uint32 i = 0; i < modules->count; i++)
	{
		VsModelFolder *folder = read_folder(build, &modules->u.items[i]);

		if (i == 0 && folder->path[0] != '\0')
			build->main = psprintf("%s/", folder->path);
		else if (folder->path[0] != '\0')
			folder->config = read_object(build, psprintf("%s/config.json",
														 folder->path));
		if (i == 0)
			folder->path = "";
		build->files.folders = lappend(build->files.folders, folder);
	}
}

/* Sentence-transformers names this file after the kind of the encoder. */
static const VsJson *
read_sentence_config(Build *build)
{
	static const char *const kinds[] = {
		"bert", "roberta", "distilbert", "camembert", "albert",
		"xlm-roberta", "xlnet"
	};
	const VsJson *json = NULL;

	for (int i = 0; i < (int) lengthof(kinds) && json == NULL; i++)
		json = read_object(build, psprintf("%ssentence_%s_config.json",
										   build->main, kinds[i]));
	return json;
}

static void
read_json_files(Build *build)
{
	VsModelFiles *files = &build->files;

	files->directory = build->directory;
	read_modules(build);
	files->config =
		require_object(build, psprintf("%sconfig.json", build->main),
					   "A model directory is what save_pretrained of the transformers or sentence-transformers library writes.");
	files->tokenizer =
		require_object(build, psprintf("%stokenizer.json", build->main),
					   "The transformers library writes it with save_pretrained of a fast tokenizer.");
	files->tokenizer_config =
		read_object(build, psprintf("%stokenizer_config.json", build->main));
	files->sentence_bert = read_sentence_config(build);
	files->sentence_transformers =
		read_object(build, "config_sentence_transformers.json");
}

/* ------------------------------------------------------------------------
 * Weights
 * ------------------------------------------------------------------------ */

/* The weights of a folder, whose files are noted for the hash. */
static VsTensorSet *
weights_of_folder(Build *build, const char *folder)
{
	WeightFolder *weights;
	ListCell   *cell;
	const char *slash = *folder ? "/" : "";

	foreach(cell, build->weights)
	{
		weights = lfirst(cell);
		if (strcmp(weights->folder, folder) == 0)
			return weights->set;
	}
	weights = palloc(sizeof(WeightFolder));
	weights->folder = folder;
	weights->set = vs_tensors_open(psprintf("%s%s%s", build->directory,
											slash, folder));
	build->weights = lappend(build->weights, weights);
	for (int i = 0; i < vs_tensors_file_count(weights->set); i++)
	{
		SourceFile *source = palloc0(sizeof(SourceFile));

		source->name = psprintf("%s%s%s", folder, slash,
								vs_tensors_file_name(weights->set, i));
		source->len = vs_tensors_file_size(weights->set, i);
		source->set = weights->set;
		source->number = i;
		build->sources = lappend(build->sources, source);
	}
	return weights->set;
}

/* The folder of the weights of the model itself. */
static const char *
main_folder(const Build *build)
{
	return *build->main ? pnstrdup(build->main, strlen(build->main) - 1) : "";
}

/*
 * The next item of a list "a|b|c" as a string of its own, or NULL at the end;
 * *list moves on, and becomes NULL behind the last.
 */
static char *
next_item(const char **list)
{
	const char *start = *list;
	const char *bar;

	if (start == NULL)
		return NULL;
	bar = strchr(start, '|');
	*list = bar ? bar + 1 : NULL;
	return bar ? pnstrdup(start, bar - start) : pstrdup(start);
}

static const VsTensor *
find_spelling(const VsTensorSet *set, const char *prefix, const char *names)
{
	char	   *name;

	while ((name = next_item(&names)) != NULL)
	{
		const VsTensor *tensor =
		vs_tensors_find(set, psprintf("%s%s", prefix, name));

		if (tensor != NULL)
			return tensor;
	}
	return NULL;
}

/*
 * Find a tensor by any of its names, with any of the prefixes.  Once a prefix
 * was right it holds for all, so that a file with two encoders gives one.
 */
static const VsTensor *
find_tensor(Build *build, const VsTensorSet *set, const char *names,
			const char *folder)
{
	const char *prefixes = build->prefix ? build->prefix : build->prefixes;
	const VsTensor *tensor = NULL;
	char	   *prefix;

	if (folder != NULL)
		tensor = find_spelling(set, "", names);
	else
	{
		while (tensor == NULL && (prefix = next_item(&prefixes)) != NULL)
		{
			tensor = find_spelling(set, prefix, names);
			if (tensor != NULL)
				build->prefix = prefix;
		}
	}
	if (tensor == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tensor \"%s\" is missing in the weights of model directory \"%s\"",
						names, build->directory)));
	return tensor;
}

static char *
shape_text(const VsTensor *tensor)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < tensor->ndim; i++)
		appendStringInfo(&text, "%s" INT64_FORMAT, i ? "," : "",
						 tensor->shape[i]);
	return text.data;
}

/*
 * A tensor must have the rows and columns; first_rows: or more rows.  One row
 * may also be a tensor of one dimension.
 */
static void
check_tensor(const VsTensor *tensor, int rows, int cols, bool first_rows)
{
	bool		fits;

	if (tensor->dtype == VS_DTYPE_OTHER)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tensor \"%s\" is not of type F32, F16 or BF16",
						tensor->name)));
	if (tensor->ndim == 1)
		fits = rows == 1 && !first_rows && tensor->shape[0] == cols;
	else
		fits = tensor->ndim == 2 && tensor->shape[1] == cols &&
			(first_rows ? tensor->shape[0] >= rows : tensor->shape[0] == rows);
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tensor \"%s\" has the wrong shape", tensor->name),
				 errdetail("It is [%s]; the configuration wants [%d,%d].",
						   shape_text(tensor), rows, cols)));
}

static void
find_source(Build *build, const VsTensorSpec *spec, VsModelSource *source)
{
	source->set = weights_of_folder(build, spec->folder ? spec->folder :
									main_folder(build));
	source->nparts = spec->nparts;
	for (int i = 0; i < spec->nparts; i++)
	{
		const VsTensor *tensor = find_tensor(build, source->set, spec->name[i],
											 spec->folder);
		int			rows = spec->nparts == 1 ? spec->rows : spec->part_rows[i];

		source->part[i] = tensor;
		if (spec->kind != VS_TENSOR_VECTOR)
		{
			check_tensor(tensor, rows, spec->cols, false);
			source->rows[i] = rows;
		}
		else if (spec->nparts == 1)
		{
			check_tensor(tensor, rows, spec->cols, spec->first_rows);
			source->rows[i] = rows * spec->cols;
		}
		else
		{
			/* one below the other, which makes a longer vector */
			check_tensor(tensor, 1, rows, false);
			source->rows[i] = rows;
		}
	}
}

static VsModelSource *
find_sources(Build *build, const List *specs)
{
	VsModelSource *sources = palloc0(Max(list_length(specs), 1) *
									 sizeof(VsModelSource));
	VsModelSource *source = sources;
	const ListCell *cell;

	build->prefixes = vs_arch_prefixes(&build->config);
	foreach(cell, specs)
		find_source(build, lfirst(cell), source++);
	return sources;
}

/* The format asked for, or that of the word table. */
static VsWeightFormat
choose_format(int format, const List *specs, const VsModelSource *sources)
{
	const ListCell *cell;
	int			i = 0;

	if (format != VS_WEIGHT_AS_IS)
		return (VsWeightFormat) format;
	foreach(cell, specs)
	{
		const VsTensorSpec *spec = lfirst(cell);
		VsDtype		dtype = sources[i++].part[0]->dtype;

		if (spec->role == VS_ROLE_WORD)
			return dtype == VS_DTYPE_F16 ? VS_WEIGHT_FLOAT16 :
				dtype == VS_DTYPE_BF16 ? VS_WEIGHT_BFLOAT16 : VS_WEIGHT_FLOAT32;
	}
	return VS_WEIGHT_FLOAT32;
}

/* Also called when all weights have been read. */
static void
check_unchanged(void *arg)
{
	const Build *build = arg;
	ListCell   *cell;

	foreach(cell, build->weights)
		vs_tensors_check_unchanged(((WeightFolder *) lfirst(cell))->set);
}

/* ------------------------------------------------------------------------
 * Hash
 * ------------------------------------------------------------------------ */

static void
hash_bytes_of(void *arg, const char *bytes, Size len)
{
	if (!vs_sha256_update((VsSha256 *) arg, bytes, len))
		elog(ERROR, "could not compute a SHA-256 hash");
}

/* A string with its end, or a number, so that nothing can run together. */
static void
hash_string(VsSha256 *sha, const char *string)
{
	hash_bytes_of(sha, string, strlen(string) + 1);
}

static int
compare_sources(const ListCell *a, const ListCell *b)
{
	return strcmp(((const SourceFile *) lfirst(a))->name,
				  ((const SourceFile *) lfirst(b))->name);
}

static void
hash_sources(VsSha256 *sha, const List *sources, VsWeightFormat format)
{
	const ListCell *cell;

	hash_string(sha, HASH_PREFIX);
	hash_string(sha, psprintf("%d", (int) format));
	foreach(cell, sources)
	{
		const SourceFile *source = lfirst(cell);

		hash_string(sha, source->name);
		hash_string(sha, psprintf(UINT64_FORMAT, source->len));
		if (source->text != NULL)
			hash_bytes_of(sha, source->text, source->len);
		else
			vs_tensors_visit(source->set, source->number, hash_bytes_of, sha);
	}
}

/* The hash of a build as hexadecimal digits. */
static void
compute_hash(Build *build, VsWeightFormat format, char *hash)
{
	static const char digits[] = "0123456789abcdef";
	uint8		result[VS_MODEL_HASH_LEN / 2];
	VsSha256   *sha = vs_sha256_create();

	list_sort(build->sources, compare_sources);
	PG_TRY();
	{
		if (!vs_sha256_init(sha))
			elog(ERROR, "could not compute a SHA-256 hash");
		hash_sources(sha, build->sources, format);
		if (!vs_sha256_final(sha, result))
			elog(ERROR, "could not compute a SHA-256 hash");
	}
	PG_FINALLY();
	{
		vs_sha256_free(sha);
	}
	PG_END_TRY();
	for (int i = 0; i < VS_MODEL_HASH_LEN / 2; i++)
	{
		hash[2 * i] = digits[result[i] >> 4];
		hash[2 * i + 1] = digits[result[i] & 15];
	}
	hash[VS_MODEL_HASH_LEN] = '\0';
}

/* ------------------------------------------------------------------------
 * The build
 * ------------------------------------------------------------------------ */

static void
check_directory(const char *directory)
{
	struct stat status;

	if (stat(directory, &status) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open directory \"%s\": %m", directory)));
	if (!S_ISDIR(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a directory", directory)));
}

/* Everything but the prompts, into *info. */
static void
build_file(Build *build, int format, VsModelInfo *info)
{
	VsModelContent content = {.config = &build->config};
	struct stat status;
	char	   *path;

	check_directory(build->directory);
	read_json_files(build);
	vs_arch_configure(&build->files, &build->config);
	content.specs = vs_arch_tensors(&build->config, &build->files);
	content.sources = find_sources(build, content.specs);
	content.format = choose_format(format, content.specs, content.sources);
	content.tokenizer = makeStringInfo();
	vs_tokenizer_compile("tokenizer.json", build->files.tokenizer,
						 build->config.lower_case, build->config.vocab,
						 content.tokenizer);

	compute_hash(build, content.format, info->hash);
	path = vs_model_path(info->hash);
	if (!vs_model_is_sound(path, info->hash))
		vs_model_write(&content, info->hash, check_unchanged, build);
	else
		check_unchanged(build);
	if (stat(path, &status) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	info->config = build->config;
	info->format = content.format;
	info->bytes = status.st_size;
}

static void
close_weights(const Build *build)
{
	ListCell   *cell;

	foreach(cell, build->weights)
		vs_tensors_close(((WeightFolder *) lfirst(cell))->set);
}

/* Prompts point into the files' trees; these do not. */
static void
copy_prompts(const Build *build, MemoryContext context, VsModelInfo *info)
{
	const char *default_task;
	List	   *prompts = vs_arch_prompts(&build->files, &default_task);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *cell;

	foreach(cell, prompts)
	{
		const VsPrompt *prompt = lfirst(cell);
		VsPrompt   *copy = palloc(sizeof(VsPrompt));

		copy->task = pstrdup(prompt->task);
		copy->text = pstrdup(prompt->text);
		info->prompts = lappend(info->prompts, copy);
	}
	info->default_task = default_task ? pstrdup(default_task) : NULL;
	MemoryContextSwitchTo(old);
}

void
vs_model_build(const char *directory, int format, VsModelInfo *info)
{
	Build		build = {.directory = directory};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "vecsearch model build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	Assert(format >= VS_WEIGHT_AS_IS && format < VS_WEIGHT_FORMAT_COUNT);
	memset(info, 0, sizeof(VsModelInfo));
	build_file(&build, format, info);
	copy_prompts(&build, old, info);
	close_weights(&build);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
