/*
 * safetensors.c
 *		Reading the weights of a model from a safetensors file.
 *
 * Nothing in a header is believed: a range must lie in the data of its file,
 * be as long as shape and type say, and share no byte with another.  What is
 * allocated is bounded by the header's length, and that by the file's.
 */
#include "postgres.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "compat.h"
#include "embed/embed_json.h"
#include "embed/safetensors.h"
#include "kernel/kernel.h"

#define SINGLE_FILE		"model.safetensors"
#define INDEX_FILE		"model.safetensors.index.json"
#define TORCH_FILE		"pytorch_model.bin"

#define MAX_HEADER		100000000
#define MAX_INDEX		100000000

/* Every shard is an open file. */
#define MAX_SHARDS		100

/* Numbers in JSON are exact up to here. */
#define MAX_EXACT		9007199254740992.0

#define BUFFER_SIZE		(256 * 1024)

/* An open file, and how it was when it was opened. */
typedef struct WeightFile
{
	const char *name;
	char	   *path;
	int			fd;
	struct stat status;
	uint64		data;			/* where the data begins */
} WeightFile;

struct VsTensorSet
{
	int			file_count;
	WeightFile *files;			/* by name */
	int			count;
	VsTensor   *tensors;		/* by name */
	char	   *buffer;			/* of BUFFER_SIZE */
};

/* ------------------------------------------------------------------------
 * Files
 * ------------------------------------------------------------------------ */

static void
open_file(WeightFile *file, const char *path)
{
	file->path = pstrdup(path);
	/* a FIFO must not make us wait */
	file->fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (file->fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	if (fstat(file->fd, &file->status) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	if (!S_ISREG(file->status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", path)));
}

static uint64
file_size(const WeightFile *file)
{
	return (uint64) file->status.st_size;
}

/* All len bytes at offset, which the caller has found to be in the file. */
static void
read_bytes(const WeightFile *file, uint64 offset, Size len, char *out)
{
	while (len > 0)
	{
		ssize_t		got;

		CHECK_FOR_INTERRUPTS();
		got = pread(file->fd, out, Min(len, 16 * 1024 * 1024), (off_t) offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", file->path)));
		if (got == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("file \"%s\" has become shorter while it was read",
							file->path)));
		offset += got;
		out += got;
		len -= got;
	}
}

/* ------------------------------------------------------------------------
 * Headers
 * ------------------------------------------------------------------------ */

typedef struct TypeName
{
	const char *name;
	VsDtype		dtype;
	int			width;			/* bytes of an element */
} TypeName;

static const TypeName type_names[] = {
	{"F32", VS_DTYPE_F32, 4},
	{"F16", VS_DTYPE_F16, 2},
	{"BF16", VS_DTYPE_BF16, 2},
	{"BOOL", VS_DTYPE_OTHER, 1},
	{"U8", VS_DTYPE_OTHER, 1},
	{"I8", VS_DTYPE_OTHER, 1},
	{"I16", VS_DTYPE_OTHER, 2},
	{"U16", VS_DTYPE_OTHER, 2},
	{"I32", VS_DTYPE_OTHER, 4},
	{"U32", VS_DTYPE_OTHER, 4},
	{"I64", VS_DTYPE_OTHER, 8},
	{"U64", VS_DTYPE_OTHER, 8},
	{"F64", VS_DTYPE_OTHER, 8},
};

VS_NORETURN static void refuse_tensor(const WeightFile *file, const char *name,
									  const char *what);

static void
refuse_tensor(const WeightFile *file, const char *name, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("tensor \"%s\" in file \"%s\" has %s",
					name, file->path, what)));
}

/* An integer that is not negative; false if it is something else. */
static bool
get_size(const VsJson *json, uint64 *size)
{
	if (json->kind != VS_JSON_NUMBER ||
		!(json->u.number >= 0 && json->u.number <= MAX_EXACT) ||
		json->u.number != floor(json->u.number))
		return false;
	*size = (uint64) json->u.number;
	return true;
}

/* Fills in dtype; returns the width of an element, or 0 if it is not known. */
static int
read_dtype(const WeightFile *file, const VsJson *entry, VsTensor *tensor)
{
	const char *name = vs_json_string(file->path, entry, "dtype");

	if (name == NULL)
		refuse_tensor(file, tensor->name, "no dtype");
	for (int i = 0; i < (int) lengthof(type_names); i++)
	{
		if (strcmp(type_names[i].name, name) == 0)
		{
			tensor->dtype = type_names[i].dtype;
			return type_names[i].width;
		}
	}
	tensor->dtype = VS_DTYPE_OTHER;
	return 0;
}

/*
 * Fills in the shape; returns the number of elements.  A tensor with too many
 * dimensions counts as one of another type.
 */
static uint64
read_shape(const WeightFile *file, const VsJson *entry, VsTensor *tensor)
{
	const VsJson *shape = vs_json_array(file->path, entry, "shape");
	uint64		elements = 1;

	if (shape == NULL)
		refuse_tensor(file, tensor->name, "no shape");
	tensor->ndim = Min(shape->count, VS_TENSOR_MAX_DIM);
	if (shape->count > VS_TENSOR_MAX_DIM)
		tensor->dtype = VS_DTYPE_OTHER;
	for (uint32 i = 0; i < shape->count; i++)
	{
		uint64		n;

		if (!get_size(&shape->u.items[i], &n) ||
			(n != 0 && elements > (uint64) MAX_EXACT / n))
			refuse_tensor(file, tensor->name, "an impossible shape");
		elements *= n;
		if (i < VS_TENSOR_MAX_DIM)
			tensor->shape[i] = (int64) n;
	}
	return elements;
}

static void
read_entry(const WeightFile *file, int file_number, const VsJson *entry,
		   VsTensor *tensor)
{
	const VsJson *offsets;
	uint64		elements;
	uint64		begin;
	uint64		end;
	int			width;

	tensor->name = entry->key;
	tensor->file = file_number;
	if (entry->kind != VS_JSON_OBJECT)
		refuse_tensor(file, tensor->name, "no description");
	width = read_dtype(file, entry, tensor);
	elements = read_shape(file, entry, tensor);
	offsets = vs_json_array(file->path, entry, "data_offsets");
	if (offsets == NULL || offsets->count != 2 ||
		!get_size(&offsets->u.items[0], &begin) ||
		!get_size(&offsets->u.items[1], &end) ||
		begin > end || end > file_size(file) - file->data)
		refuse_tensor(file, tensor->name, "its data outside of the file");
	if (width != 0 &&
		(elements > (uint64) MAX_EXACT / width ||
		 end - begin != elements * width))
		refuse_tensor(file, tensor->name, "data of another size than its shape");
	tensor->offset = file->data + begin;
	tensor->bytes = end - begin;
}

static int
compare_places(const void *a, const void *b)
{
	const VsTensor *x = a;
	const VsTensor *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? -1 : 1;
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const VsTensor *) a)->name, ((const VsTensor *) b)->name);
}

/* tensors are all of one file; puts them in the order of their places. */
static void
check_overlaps(const WeightFile *file, VsTensor *tensors, int count)
{
	uint64		used = 0;

	qsort(tensors, count, sizeof(VsTensor), compare_places);
	for (int i = 0; i < count; i++)
	{
		if (tensors[i].bytes == 0)
			continue;
		if (tensors[i].offset < used)
			refuse_tensor(file, tensors[i].name,
						  "data that overlaps another tensor's");
		used = tensors[i].offset + tensors[i].bytes;
	}
}

/* The header as a tree; sets where the data begins. */
static const VsJson *
read_header(WeightFile *file)
{
	uint64		size = file_size(file);
	uint64		len = 0;
	const VsJson *json;
	char	   *text;

	if (size >= sizeof(len))
		read_bytes(file, 0, sizeof(len), (char *) &len);
#ifdef WORDS_BIGENDIAN
	len = pg_bswap64(len);
#endif
	if (size < sizeof(len) || len < 2 || len > MAX_HEADER ||
		len > size - sizeof(len))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is not a safetensors file, or cut short",
						file->path),
				 errdetail("Its header should have " UINT64_FORMAT
						   " bytes; the file has " UINT64_FORMAT ".",
						   len, size)));
	text = palloc(len);
	read_bytes(file, sizeof(len), len, text);
	json = vs_json_parse(file->path, text, len);
	pfree(text);
	if (json->kind != VS_JSON_OBJECT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the header of file \"%s\" is not a JSON object",
						file->path)));
	file->data = sizeof(len) + len;
	return json;
}

/* Append the tensors of a file to the set. */
static void
add_tensors(VsTensorSet *set, int file_number)
{
	WeightFile *file = &set->files[file_number];
	const VsJson *header = read_header(file);
	Size		room = (Size) set->count + header->count;
	int			first = set->count;

	if (set->tensors == NULL)
		set->tensors = palloc0(Max(room, 1) * sizeof(VsTensor));
	else
		set->tensors = repalloc(set->tensors, Max(room, 1) * sizeof(VsTensor));
	for (uint32 i = 0; i < header->count; i++)
	{
		const VsJson *entry = &header->u.items[i];
		VsTensor   *tensor = &set->tensors[set->count];

		if (strcmp(entry->key, "__metadata__") == 0)
			continue;
		memset(tensor, 0, sizeof(VsTensor));
		read_entry(file, file_number, entry, tensor);
		set->count++;
	}
	check_overlaps(file, set->tensors + first, set->count - first);
}

/* ------------------------------------------------------------------------
 * Sets
 * ------------------------------------------------------------------------ */

/* A set of the files of these names; directory is "" or ends in a slash. */
static VsTensorSet *
open_set(const char *directory, const char *const *names, int count)
{
	VsTensorSet *set = palloc0(sizeof(VsTensorSet));

	set->file_count = count;
	set->files = palloc0(count * sizeof(WeightFile));
	set->buffer = palloc(BUFFER_SIZE);
	for (int i = 0; i < count; i++)
	{
		set->files[i].name = pstrdup(names[i]);
		open_file(&set->files[i], psprintf("%s%s", directory, names[i]));
		add_tensors(set, i);
	}
	qsort(set->tensors, set->count, sizeof(VsTensor), compare_names);
	for (int i = 1; i < set->count; i++)
	{
		const VsTensor *tensor = &set->tensors[i];

		if (strcmp(tensor[-1].name, tensor->name) == 0)
			refuse_tensor(&set->files[tensor->file], tensor->name,
						  "a namesake in another file");
	}
	return set;
}

VsTensorSet *
vs_tensors_open_file(const char *path)
{
	return open_set("", &path, 1);
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The different file names of a weight_map, sorted; returns their number. */
static int
shard_names(const char *file, const VsJson *map, const char **names)
{
	const char **all = palloc(Max(map->count, 1) * sizeof(char *));
	int			count = 0;

	for (uint32 i = 0; i < map->count; i++)
	{
		const VsJson *item = &map->u.items[i];

		if (item->kind != VS_JSON_STRING || item->count == 0 ||
			item->u.string[0] == '.' || strpbrk(item->u.string, "/\\") != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("model file \"%s\" names something else than a file of its directory for tensor \"%s\"",
							file, item->key)));
		all[i] = item->u.string;
	}
	qsort(all, map->count, sizeof(char *), compare_strings);
	for (uint32 i = 0; i < map->count; i++)
	{
		if (i > 0 && strcmp(all[i], all[i - 1]) == 0)
			continue;
		if (count == MAX_SHARDS)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("model file \"%s\" names more than %d files",
							file, MAX_SHARDS)));
		names[count++] = all[i];
	}
	pfree(all);
	return count;
}

static VsTensorSet *
open_shards(const char *directory, const char *index_path)
{
	WeightFile	index = {0};
	const char *names[MAX_SHARDS];
	const VsJson *map;
	char	   *text;
	Size		len;

	open_file(&index, index_path);
	len = file_size(&index);
	if (len > MAX_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is too long", index_path)));
	text = palloc(Max(len, 1));
	read_bytes(&index, 0, len, text);
	CloseTransientFile(index.fd);
	map = vs_json_object(index_path, vs_json_parse(index_path, text, len),
						 "weight_map");
	pfree(text);
	if (map == NULL || map->count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("model file \"%s\" has no \"%s\"",
						index_path, "weight_map")));
	return open_set(directory, names, shard_names(index_path, map, names));
}

static bool
exists(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0;
}

VsTensorSet *
vs_tensors_open(const char *directory)
{
	const char *name = SINGLE_FILE;
	char	   *folder = psprintf("%s/", directory);
	char	   *index = psprintf("%s%s", folder, INDEX_FILE);

	if (exists(psprintf("%s%s", folder, name)))
		return open_set(folder, &name, 1);
	if (exists(index))
		return open_shards(folder, index);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("model directory \"%s\" has no file \"%s\"",
					directory, name),
			 exists(psprintf("%s%s", folder, TORCH_FILE)) ?
			 errhint("Convert \"%s\" to safetensors, for example by save_pretrained of the transformers library.",
					 TORCH_FILE) : 0));
	pg_unreachable();
}

void
vs_tensors_close(VsTensorSet *set)
{
	for (int i = 0; i < set->file_count; i++)
		CloseTransientFile(set->files[i].fd);
	pfree(set->buffer);
	pfree(set->tensors);
	pfree(set);
}

const VsTensor *
vs_tensors_find(const VsTensorSet *set, const char *name)
{
	VsTensor	key = {.name = name};

	return bsearch(&key, set->tensors, set->count, sizeof(VsTensor),
				   compare_names);
}

int
vs_tensors_file_count(const VsTensorSet *set)
{
	return set->file_count;
}

const char *
vs_tensors_file_name(const VsTensorSet *set, int i)
{
	return set->files[i].name;
}

uint64
vs_tensors_file_size(const VsTensorSet *set, int i)
{
	return file_size(&set->files[i]);
}

void
vs_tensors_visit(VsTensorSet *set, int i, VsTensorVisit visit, void *arg)
{
	const WeightFile *file = &set->files[i];
	uint64		size = file_size(file);

	for (uint64 at = 0; at < size; at += BUFFER_SIZE)
	{
		Size		len = Min(size - at, BUFFER_SIZE);

		read_bytes(file, at, len, set->buffer);
		visit(arg, set->buffer, len);
	}
}

void
vs_tensors_check_unchanged(const VsTensorSet *set)
{
	for (int i = 0; i < set->file_count; i++)
	{
		const WeightFile *file = &set->files[i];
		const struct stat *was = &file->status;
		struct stat is;

		if (fstat(file->fd, &is) < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not stat file \"%s\": %m", file->path)));
		if (is.st_size != was->st_size ||
			is.st_mtim.tv_sec != was->st_mtim.tv_sec ||
			is.st_mtim.tv_nsec != was->st_mtim.tv_nsec ||
			is.st_ctim.tv_sec != was->st_ctim.tv_sec ||
			is.st_ctim.tv_nsec != was->st_ctim.tv_nsec)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("file \"%s\" has changed while it was read",
							file->path)));
	}
}

/* ------------------------------------------------------------------------
 * Data
 * ------------------------------------------------------------------------ */

/* Bytes of an element as they are in the file; not those of other types. */
static int
dtype_width(VsDtype dtype)
{
	return dtype == VS_DTYPE_F32 ? 4 : 2;
}

static void
decode(VsDtype dtype, int n, const char *in, float *out)
{
	const uint16 *half = (const uint16 *) in;

	switch (dtype)
	{
		case VS_DTYPE_F32:
			memcpy(out, in, n * sizeof(float));
			break;
		case VS_DTYPE_F16:
			vs_kernels->row_decode[VS_CODEC_FLOAT16] (n, in, 1.0f, out);
			break;
		default:
			for (int i = 0; i < n; i++)
				out[i] = vs_bfloat_to_float(half[i]);
	}
}

static bool
all_finite(int n, const float *x)
{
	bool		finite = true;

	for (int i = 0; i < n; i++)
		finite &= isfinite(x[i]) != 0;
	return finite;
}

void
vs_tensors_read(VsTensorSet *set, const VsTensor *tensor,
				uint64 first, uint64 count, float *out)
{
	const WeightFile *file = &set->files[tensor->file];
	int			width = dtype_width(tensor->dtype);

	if (tensor->dtype == VS_DTYPE_OTHER)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tensor \"%s\" in file \"%s\" is not of type F32, F16 or BF16",
						tensor->name, file->path)));
	Assert(first <= tensor->bytes / width &&
		   count <= tensor->bytes / width - first);
	while (count > 0)
	{
		int			n = (int) Min(count, (uint64) BUFFER_SIZE / width);

		read_bytes(file, tensor->offset + first * width, (Size) n * width,
				   set->buffer);
		decode(tensor->dtype, n, set->buffer, out);
		if (!all_finite(n, out))
			refuse_tensor(file, tensor->name, "numbers that are not finite");
		first += n;
		count -= n;
		out += n;
	}
}
