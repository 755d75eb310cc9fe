/*
 * model.c
 *		Mapping model files, and keeping them mapped.
 *
 * Opening a file checks all of it: its CRCs, its configuration, and that it
 * has just the tensors that the configuration wants, each where the layout
 * puts it.  So nothing has to be checked when the model is used.  No weight is
 * copied; the page cache holds one copy for all backends.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "compat.h"
#include "embed/model.h"
#include "embed/model_file.h"

/* ------------------------------------------------------------------------
 * Layout
 * ------------------------------------------------------------------------ */

char *
vs_model_path(const char *hash)
{
	return psprintf("vecsearch_models/%u/%s", MyDatabaseId, hash);
}

uint64
vs_model_scales_offset(int rows, int cols)
{
	return VS_MODEL_ALIGNED((uint64) rows * cols);
}

static uint64
table_bytes(VsWeightFormat format, int rows, int cols)
{
	if (format == VS_WEIGHT_INT8)
		return vs_model_scales_offset(rows, cols) +
			(uint64) rows * sizeof(float);
	return (uint64) rows * cols * VS_WEIGHT_WIDTH(format);
}

static uint64
tensor_bytes(const VsModelTensor *tensor)
{
	switch ((VsTensorKind) tensor->kind)
	{
		case VS_TENSOR_VECTOR:
			return (uint64) tensor->rows * tensor->cols * sizeof(float);
		case VS_TENSOR_TABLE:
			return table_bytes(tensor->format, tensor->rows, tensor->cols);
		case VS_TENSOR_LINEAR:
			return vs_nn_packed_size(tensor->format, tensor->rows,
									 tensor->cols);
	}
	elog(ERROR, "unknown kind of tensor %d", (int) tensor->kind);
	return 0;
}

VsModelTensor *
vs_model_layout(const List *specs, VsWeightFormat format, uint64 *bytes)
{
	VsModelTensor *tensors = palloc0(Max(list_length(specs), 1) *
									 sizeof(VsModelTensor));
	VsModelTensor *tensor = tensors;
	const ListCell *cell;

	*bytes = 0;
	foreach(cell, specs)
	{
		const VsTensorSpec *spec = lfirst(cell);

		tensor->role = spec->role;
		tensor->index = spec->index;
		tensor->kind = spec->kind;
		tensor->format = spec->kind == VS_TENSOR_VECTOR ? VS_WEIGHT_FLOAT32 :
			format;
		tensor->rows = spec->rows;
		tensor->cols = spec->cols;
		tensor->offset = *bytes;
		tensor->bytes = tensor_bytes(tensor);
		*bytes += VS_MODEL_ALIGNED(tensor->bytes);
		tensor++;
	}
	return tensors;
}

pg_crc32c
vs_model_header_crc(const VsModelHeader *header)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, header, offsetof(VsModelHeader, crc));
	FIN_CRC32C(crc);
	return crc;
}

/* ------------------------------------------------------------------------
 * Checks
 * ------------------------------------------------------------------------ */

VS_NORETURN static void refuse(const char *path, const char *what);

static void
refuse(const char *path, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("model file \"%s\" is damaged", path),
			 errdetail("It has %s.", what),
			 errhint("Register the model again, or copy the file from a server that has it.")));
}

/* The bytes of a section with what fills it up, which is what the CRC is of. */
static bool
section_is_sound(const VsModelSection *section, const char *map)
{
	uint64		bytes = VS_MODEL_ALIGNED(section->bytes);
	const char *data = map + section->offset;
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	while (bytes > 0)
	{
		uint64		step = Min(bytes, UINT64CONST(1) << 26);

		CHECK_FOR_INTERRUPTS();
		COMP_CRC32C(crc, data, step);
		data += step;
		bytes -= step;
	}
	FIN_CRC32C(crc);
	return EQ_CRC32C(crc, section->crc);
}

/*
 * Check header, sections and CRCs of size bytes at map.  Returns what is
 * wrong, or NULL.
 */
static const char *
find_damage(const char *map, uint64 size, const char *hash)
{
	const VsModelHeader *header = (const VsModelHeader *) map;
	uint64		at = VS_MODEL_ALIGNED(sizeof(VsModelHeader));

	if (size < sizeof(VsModelHeader))
		return "less bytes than its header should have";
	if (memcmp(header->magic, VS_MODEL_MAGIC, sizeof(header->magic)) != 0)
		return "no header of a model file";
	if (header->byte_order != VS_MODEL_BYTE_ORDER)
		return "the byte order of another processor";
	if (header->version != VS_MODEL_VERSION)
		return "the format of another version";
	if (!EQ_CRC32C(header->crc, vs_model_header_crc(header)))
		return "a header with a wrong checksum";
	if (header->bytes != size)
		return "another length than its header says";
	if (memcmp(header->hash, hash, VS_MODEL_HASH_LEN) != 0)
		return "the hash of another model";
	for (int i = 0; i < VS_SECTION_COUNT; i++)
	{
		const VsModelSection *section = &header->sections[i];

		if (section->offset != at || section->bytes > size - at ||
			VS_MODEL_ALIGNED(section->bytes) > size - at)
			return "a section out of its place";
		at += VS_MODEL_ALIGNED(section->bytes);
	}
	if (at != size)
		return "bytes after its last section";
	for (int i = 0; i < VS_SECTION_COUNT; i++)
	{
		if (!section_is_sound(&header->sections[i], map))
			return "a section with a wrong checksum";
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * Mapping
 * ------------------------------------------------------------------------ */

/* A mapping, which is taken back when the context it is in ends. */
typedef struct Mapping
{
	char	   *start;
	Size		size;
	MemoryContextCallback callback;
} Mapping;

static void
unmap(void *arg)
{
	Mapping    *mapping = arg;

	if (mapping->start != NULL)
		(void) munmap(mapping->start, mapping->size);
}

VS_NORETURN static void refuse_access(const char *path, const char *hash);

static void
refuse_access(const char *path, const char *hash)
{
	if (errno == ENOENT)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("there is no file of the model with hash %s", hash),
				 errdetail("The file is \"%s\" in the data directory.", path),
				 errhint("Register the model again; on a standby, copy the folder \"vecsearch_models\" from the primary.")));
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not open file \"%s\": %m", path)));
}

/* Map a file into the current memory context. */
static const Mapping *
map_file(const char *path, const char *hash)
{
	Mapping    *mapping = palloc0(sizeof(Mapping));
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	struct stat status;
	void	   *start;

	if (fd < 0)
		refuse_access(path, hash);
	if (fstat(fd, &status) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	if (!S_ISREG(status.st_mode) || status.st_size == 0)
		refuse(path, "no content");
	start = mmap(NULL, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (start == MAP_FAILED)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\": %m", path)));
	mapping->start = start;
	mapping->size = status.st_size;
	mapping->callback.func = unmap;
	mapping->callback.arg = mapping;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &mapping->callback);
	CloseTransientFile(fd);
	return mapping;
}

bool
vs_model_is_sound(const char *path, const char *hash)
{
	MemoryContext context;
	MemoryContext old;
	struct stat status;
	const Mapping *mapping;
	bool		sound;

	if (stat(path, &status) < 0 || !S_ISREG(status.st_mode) ||
		status.st_size == 0)
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext,
									"vecsearch model check",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	mapping = map_file(path, hash);
	sound = find_damage(mapping->start, mapping->size, hash) == NULL;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return sound;
}

/* ------------------------------------------------------------------------
 * Opening
 * ------------------------------------------------------------------------ */

static void
set_linear(VsLinear *linear, const VsModelTensor *tensor, const char *data)
{
	linear->n = tensor->rows;
	linear->k = tensor->cols;
	linear->format = tensor->format;
	linear->packed = data;
}

static void
set_table(VsTable *table, const VsModelTensor *tensor, const char *data)
{
	table->rows = tensor->rows;
	table->cols = tensor->cols;
	table->format = tensor->format;
	table->data = data;
	if (table->format == VS_WEIGHT_INT8)
		table->scales = (const float *)
			(data + vs_model_scales_offset(table->rows, table->cols));
}

/* Put a tensor of a layer in its place; false if it is none. */
static bool
set_layer_tensor(VsLayer *layer, const VsModelTensor *tensor, const char *data)
{
	const float *vector = (const float *) data;

	switch ((VsRole) tensor->role)
	{
		case VS_ROLE_QKV_WEIGHT:
			set_linear(&layer->qkv, tensor, data);
			return true;
		case VS_ROLE_QKV_BIAS:
			layer->qkv.bias = vector;
			return true;
		case VS_ROLE_OUT_WEIGHT:
			set_linear(&layer->out, tensor, data);
			return true;
		case VS_ROLE_OUT_BIAS:
			layer->out.bias = vector;
			return true;
		case VS_ROLE_RESIDUAL_WEIGHT:
			set_linear(&layer->residual, tensor, data);
			return true;
		case VS_ROLE_RESIDUAL_BIAS:
			layer->residual.bias = vector;
			return true;
		case VS_ROLE_ATTENTION_NORM_WEIGHT:
			layer->attention_norm.weight = vector;
			return true;
		case VS_ROLE_ATTENTION_NORM_BIAS:
			layer->attention_norm.bias = vector;
			return true;
		case VS_ROLE_UP_WEIGHT:
			set_linear(&layer->up, tensor, data);
			return true;
		case VS_ROLE_UP_BIAS:
			layer->up.bias = vector;
			return true;
		case VS_ROLE_GATE_WEIGHT:
			set_linear(&layer->gate, tensor, data);
			return true;
		case VS_ROLE_GATE_BIAS:
			layer->gate.bias = vector;
			return true;
		case VS_ROLE_DOWN_WEIGHT:
			set_linear(&layer->down, tensor, data);
			return true;
		case VS_ROLE_DOWN_BIAS:
			layer->down.bias = vector;
			return true;
		case VS_ROLE_FFN_NORM_WEIGHT:
			layer->ffn_norm.weight = vector;
			return true;
		case VS_ROLE_FFN_NORM_BIAS:
			layer->ffn_norm.bias = vector;
			return true;
		default:
			return false;
	}
}

static void
set_stage_tensor(VsStageWeights *stage, const VsModelTensor *tensor,
				 VsStageKind kind, const char *data)
{
	const float *vector = (const float *) data;
	bool		is_bias = tensor->role == VS_ROLE_STAGE_BIAS;

	if (kind == VS_STAGE_DENSE && is_bias)
		stage->dense.bias = vector;
	else if (kind == VS_STAGE_DENSE)
		set_linear(&stage->dense, tensor, data);
	else if (is_bias)
		stage->norm.bias = vector;
	else
		stage->norm.weight = vector;
}

static void
set_tensor(VsModel *model, const VsModelTensor *tensor, const char *data)
{
	const float *vector = (const float *) data;

	switch ((VsRole) tensor->role)
	{
		case VS_ROLE_WORD:
			set_table(&model->word, tensor, data);
			break;
		case VS_ROLE_POSITION:
			set_table(&model->position, tensor, data);
			break;
		case VS_ROLE_TYPE:
			model->type = vector;
			break;
		case VS_ROLE_EMBED_NORM_WEIGHT:
			model->embed_norm.weight = vector;
			break;
		case VS_ROLE_EMBED_NORM_BIAS:
			model->embed_norm.bias = vector;
			break;
		case VS_ROLE_RELATIVE_BIAS:
			model->relative_bias = vector;
			break;
		case VS_ROLE_FINAL_NORM_WEIGHT:
			model->final_norm.weight = vector;
			break;
		case VS_ROLE_FINAL_NORM_BIAS:
			model->final_norm.bias = vector;
			break;
		case VS_ROLE_STAGE_WEIGHT:
		case VS_ROLE_STAGE_BIAS:
			set_stage_tensor(&model->stages[tensor->index], tensor,
							 model->config.stages[tensor->index].kind, data);
			break;
		default:
			if (!set_layer_tensor(&model->layers[tensor->index], tensor, data))
				elog(ERROR, "unknown role %d of a tensor", (int) tensor->role);
	}
}

/* Folders as vs_arch_tensors wants them; the file has no names of them. */
static List *
nameless_folders(const VsModelConfig *config)
{
	List	   *folders = NIL;

	/* those of encoder and pooling come first */
	for (int i = 0; i < config->stage_count + 2; i++)
	{
		VsModelFolder *folder = palloc0(sizeof(VsModelFolder));

		folder->type = folder->path = "";
		folders = lappend(folders, folder);
	}
	return folders;
}

/* The tensors of the file must be the ones that we would write. */
static void
set_tensors(VsModel *model, const char *path, const VsModelHeader *header)
{
	const VsModelSection *directory = &header->sections[VS_SECTION_DIRECTORY];
	const VsModelSection *weights = &header->sections[VS_SECTION_WEIGHTS];
	VsModelFiles files = {.folders = nameless_folders(&model->config)};
	List	   *specs = vs_arch_tensors(&model->config, &files);
	Size		count = list_length(specs);
	uint64		bytes;
	VsModelTensor *wanted;

	if (header->format < 0 || header->format >= VS_WEIGHT_FORMAT_COUNT)
		refuse(path, "an unknown format of weights");
	wanted = vs_model_layout(specs, header->format, &bytes);
	if (directory->bytes != count * sizeof(VsModelTensor) ||
		memcmp(wanted, model->map + directory->offset, directory->bytes) != 0 ||
		weights->bytes != bytes)
		refuse(path, "other tensors than its configuration wants");
	for (Size i = 0; i < count; i++)
		set_tensor(model, &wanted[i],
				   model->map + weights->offset + wanted[i].offset);
}

/*
 * Fill in a model, in the current memory context, from its mapped file.  path
 * must live as long as the model.
 */
static VsModel *
read_model(const char *path, const char *hash)
{
	VsModel    *model = palloc0(sizeof(VsModel));
	const Mapping *mapping = map_file(path, hash);
	const char *damage = find_damage(mapping->start, mapping->size, hash);
	const VsModelHeader *header = (const VsModelHeader *) mapping->start;
	const VsModelSection *section = header->sections;

	if (damage != NULL)
		refuse(path, damage);
	strlcpy(model->hash, hash, sizeof(model->hash));
	model->map = mapping->start;
	model->map_size = mapping->size;

	if (section[VS_SECTION_CONFIG].bytes != sizeof(VsModelConfig))
		refuse(path, "a configuration of another version");
	memcpy(&model->config, model->map + section[VS_SECTION_CONFIG].offset,
		   sizeof(VsModelConfig));
	vs_arch_check(path, &model->config);
	model->layers = palloc0(Max(model->config.layers, 1) * sizeof(VsLayer));
	set_tensors(model, path, header);
	model->tokenizer =
		vs_tokenizer_open(path,
						  model->map + section[VS_SECTION_TOKENIZER].offset,
						  section[VS_SECTION_TOKENIZER].bytes,
						  model->config.vocab);
	return model;
}

VsModel *
vs_model_open(const char *path, const char *hash)
{
	MemoryContext context;
	MemoryContext old;
	VsModel    *model;

	if (strlen(hash) != VS_MODEL_HASH_LEN)
		elog(ERROR, "\"%s\" is not the hash of a model", hash);

	/* an error ends this context, and with it the mapping */
	context = AllocSetContextCreate(CurrentMemoryContext, "vecsearch model",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	model = read_model(pstrdup(path), hash);
	model->context = context;
	MemoryContextSwitchTo(old);
	return model;
}

void
vs_model_close(VsModel *model)
{
	MemoryContextDelete(model->context);
}

/* ------------------------------------------------------------------------
 * Cache
 * ------------------------------------------------------------------------ */

/* The mapped models of this backend, the one used last first. */
static VsModel *cache[VS_MODEL_CACHE];

/* The place of a hash in the cache, or VS_MODEL_CACHE. */
static int
cached_at(const char *hash)
{
	int			i = 0;

	while (i < VS_MODEL_CACHE &&
		   (cache[i] == NULL || strcmp(cache[i]->hash, hash) != 0))
		i++;
	return i;
}

VsModel *
vs_model_get(const char *hash)
{
	int			at = cached_at(hash);
	VsModel    *model;

	if (at < VS_MODEL_CACHE)
		model = cache[at];
	else
	{
		char	   *path = vs_model_path(hash);

		model = vs_model_open(path, hash);
		pfree(path);
		MemoryContextSetParent(model->context, TopMemoryContext);
		at = VS_MODEL_CACHE - 1;
		if (cache[at] != NULL)
			vs_model_close(cache[at]);
	}
	memmove(&cache[1], &cache[0], at * sizeof(cache[0]));
	cache[0] = model;
	return model;
}

void
vs_model_forget(const char *hash)
{
	int			at = cached_at(hash);

	if (at == VS_MODEL_CACHE)
		return;
	vs_model_close(cache[at]);
	memmove(&cache[at], &cache[at + 1],
			(VS_MODEL_CACHE - 1 - at) * sizeof(cache[0]));
	cache[VS_MODEL_CACHE - 1] = NULL;
}
