/*
 * model_write.c
 *		Writing model files: weights into the form they are used in.
 *
 * The file is written under a name of this process and renamed when it is
 * whole and on disk.  A temporary file outlives only a crash; the next build
 * removes what has no process any more.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "embed/model_write.h"
#include "kernel/kernel.h"

#define TEMPORARY_SUFFIX	".tmp"

#define BUFFER_SIZE		(256 * 1024)

/* Weights are converted in chunks of about so many numbers. */
#define CHUNK_NUMBERS	(256 * 1024)

/* A file that is being written, from front to end. */
typedef struct Writer
{
	char	   *path;
	int			fd;
	uint64		offset;			/* of the buffer in the file */
	Size		used;			/* of the buffer */
	pg_crc32c	crc;			/* of the section under way */
	char	   *buffer;
} Writer;

/* ------------------------------------------------------------------------
 * The writer
 * ------------------------------------------------------------------------ */

static void
write_at(const Writer *writer, const char *data, Size len, uint64 offset)
{
	while (len > 0)
	{
		ssize_t		done;

		CHECK_FOR_INTERRUPTS();
		errno = 0;
		done = pwrite(writer->fd, data, len, (off_t) offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
		{
			/* as the server does: a short write is one of a full disk */
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", writer->path)));
		}
		data += done;
		offset += done;
		len -= done;
	}
}

static void
flush(Writer *writer)
{
	write_at(writer, writer->buffer, writer->used, writer->offset);
	writer->offset += writer->used;
	writer->used = 0;
}

static uint64
position(const Writer *writer)
{
	return writer->offset + writer->used;
}

static void
put(Writer *writer, const void *data, Size len)
{
	const char *from = data;

	COMP_CRC32C(writer->crc, data, len);
	while (len > 0)
	{
		Size		part = Min(len, BUFFER_SIZE - writer->used);

		memcpy(writer->buffer + writer->used, from, part);
		writer->used += part;
		from += part;
		len -= part;
		if (writer->used == BUFFER_SIZE)
			flush(writer);
	}
}

/* Zeros up to the next place where something may begin. */
static void
fill_up(Writer *writer)
{
	static const char zeros[VS_MODEL_ALIGN] = {0};
	uint64		at = position(writer);

	put(writer, zeros, VS_MODEL_ALIGNED(at) - at);
}

static void
begin_section(Writer *writer, VsModelSection *section)
{
	INIT_CRC32C(writer->crc);
	section->offset = position(writer);
}

static void
end_section(Writer *writer, VsModelSection *section)
{
	section->bytes = position(writer) - section->offset;
	fill_up(writer);
	FIN_CRC32C(writer->crc);
	section->crc = writer->crc;
}

static void
put_section(Writer *writer, VsModelSection *section, const void *data, Size len)
{
	begin_section(writer, section);
	put(writer, data, len);
	end_section(writer, section);
}

/* ------------------------------------------------------------------------
 * Weights
 * ------------------------------------------------------------------------ */

/*
 * Read the rows first .. first + rows - 1 of a tensor that may have several
 * parts.  Those of a vector are measured in numbers, which makes no difference
 * if it counts as a column.
 */
static void
read_rows(const VsModelSource *source, int first, int rows, int cols, float *out)
{
	for (int i = 0; i < source->nparts && rows > 0; i++)
	{
		int			count = Min(rows, source->rows[i] - first);

		if (count <= 0)
		{
			first -= source->rows[i];
			continue;
		}
		vs_tensors_read(source->set, source->part[i],
						(uint64) first * cols, (uint64) count * cols, out);
		out += (Size) count * cols;
		rows -= count;
		first = 0;
	}
	Assert(rows == 0);
}

/* How many rows to convert at a time; a whole number of panels. */
static int
chunk_rows(int cols)
{
	int			rows = CHUNK_NUMBERS / cols;

	return Max(VS_NN_PANEL, rows - rows % VS_NN_PANEL);
}

static void
write_vector(Writer *writer, const VsModelTensor *tensor,
			 const VsModelSource *source)
{
	int			n = tensor->rows * tensor->cols;
	float	   *numbers = MemoryContextAllocHuge(CurrentMemoryContext,
												 (Size) n * sizeof(float));

	read_rows(source, 0, n, 1, numbers);
	put(writer, numbers, (Size) n * sizeof(float));
	pfree(numbers);
}

static void
write_linear(Writer *writer, const VsModelTensor *tensor,
			 const VsModelSource *source)
{
	int			step = chunk_rows(tensor->cols);
	float	   *rows = palloc((Size) step * tensor->cols * sizeof(float));
	char	   *packed = MemoryContextAllocHuge(CurrentMemoryContext,
												tensor->bytes);

	for (int first = 0; first < tensor->rows; first += step)
	{
		int			count = Min(step, tensor->rows - first);

		read_rows(source, first, count, tensor->cols, rows);
		vs_nn_pack(tensor->format, tensor->rows, tensor->cols, first, count,
				   rows, packed);
	}
	put(writer, packed, tensor->bytes);
	pfree(packed);
	pfree(rows);
}

/* Largest finite half. */
#define HALF_MAX	65504.0f

/* One row in a format; scale is set for int8 alone. */
static void
convert_row(VsWeightFormat format, int n, const float *row, void *out,
			float *scale)
{
	uint16	   *words = out;
	float		errors[2];

	switch (format)
	{
		case VS_WEIGHT_FLOAT32:
			memcpy(out, row, n * sizeof(float));
			break;
		case VS_WEIGHT_FLOAT16:
			for (int i = 0; i < n; i++)
				words[i] = vs_float_to_half(Max(-HALF_MAX, Min(HALF_MAX, row[i])));
			break;
		case VS_WEIGHT_BFLOAT16:
			for (int i = 0; i < n; i++)
				words[i] = vs_float_to_bfloat(row[i]);
			break;
		case VS_WEIGHT_INT8:
			vs_codec_encode(VS_CODEC_INT8, n, row, out, scale, errors);
			break;
	}
}

static void
write_table(Writer *writer, const VsModelTensor *tensor,
			const VsModelSource *source)
{
	int			cols = tensor->cols;
	int			step = chunk_rows(cols);
	Size		width = (Size) cols * VS_WEIGHT_WIDTH(tensor->format);
	float	   *rows = palloc((Size) step * cols * sizeof(float));
	float	   *scales = palloc(tensor->rows * sizeof(float));
	char	   *converted = palloc(step * width);

	for (int first = 0; first < tensor->rows; first += step)
	{
		int			count = Min(step, tensor->rows - first);

		read_rows(source, first, count, cols, rows);
		for (int i = 0; i < count; i++)
			convert_row(tensor->format, cols, rows + (Size) i * cols,
						converted + i * width, &scales[first + i]);
		put(writer, converted, count * width);
	}
	if (tensor->format == VS_WEIGHT_INT8)
	{
		fill_up(writer);
		put(writer, scales, tensor->rows * sizeof(float));
	}
	pfree(converted);
	pfree(scales);
	pfree(rows);
}

static void
write_tensor(Writer *writer, const VsModelTensor *tensor,
			 const VsModelSource *source)
{
	uint64		start = position(writer);

	if (tensor->kind == VS_TENSOR_VECTOR)
		write_vector(writer, tensor, source);
	else if (tensor->kind == VS_TENSOR_TABLE)
		write_table(writer, tensor, source);
	else
		write_linear(writer, tensor, source);
	if (position(writer) - start != tensor->bytes)
		elog(ERROR, "a tensor of " UINT64_FORMAT " bytes came out with "
			 UINT64_FORMAT, tensor->bytes, position(writer) - start);
	fill_up(writer);
}

/* ------------------------------------------------------------------------
 * Files
 * ------------------------------------------------------------------------ */

static void
make_folder(const char *path)
{
	if (MakePGDirectory(path) < 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", path)));
}

/* The folder of this database, under that of all models. */
static void
make_folders(const char *folder)
{
	char	   *root = pstrdup(folder);

	get_parent_directory(root);
	make_folder(root);
	make_folder(folder);
	fsync_fname(root, true);
	fsync_fname(".", true);		/* the data directory */
	pfree(root);
}

/* Whether a file is a temporary one whose process is gone. */
static bool
is_stale(const char *name)
{
	const char *dot = strchr(name, '.');
	char	   *end;
	long		pid;

	if (dot == NULL || dot - name != VS_MODEL_HASH_LEN)
		return false;
	pid = strtol(dot + 1, &end, 10);
	if (strcmp(end, TEMPORARY_SUFFIX) != 0 || pid <= 0 || pid > PG_INT32_MAX)
		return false;
	return pid == MyProcPid || (kill((pid_t) pid, 0) < 0 && errno == ESRCH);
}

static void
remove_stale(const char *folder)
{
	DIR		   *dir = AllocateDir(folder);
	struct dirent *entry;

	while ((entry = ReadDir(dir, folder)) != NULL)
	{
		char	   *path;

		if (!is_stale(entry->d_name))
			continue;
		path = psprintf("%s/%s", folder, entry->d_name);
		if (unlink(path) < 0 && errno != ENOENT)
			ereport(WARNING,
					(errcode_for_file_access(),
					 errmsg("could not remove file \"%s\": %m", path)));
		pfree(path);
	}
	FreeDir(dir);
}

/* All of the file into its temporary place. */
static void
write_content(Writer *writer, const VsModelContent *content, const char *hash)
{
	VsModelHeader header = {.magic = VS_MODEL_MAGIC};
	VsModelSection *sections = header.sections;
	uint64		bytes;
	int			count = list_length(content->specs);
	VsModelTensor *tensors = vs_model_layout(content->specs, content->format,
											 &bytes);

	/* the header's place; what it says is known only at the end */
	put(writer, &header, sizeof(header));
	fill_up(writer);
	put_section(writer, &sections[VS_SECTION_CONFIG],
				content->config, sizeof(VsModelConfig));
	put_section(writer, &sections[VS_SECTION_TOKENIZER],
				content->tokenizer->data, content->tokenizer->len);
	put_section(writer, &sections[VS_SECTION_DIRECTORY],
				tensors, count * sizeof(VsModelTensor));
	begin_section(writer, &sections[VS_SECTION_WEIGHTS]);
	for (int i = 0; i < count; i++)
		write_tensor(writer, &tensors[i], &content->sources[i]);
	end_section(writer, &sections[VS_SECTION_WEIGHTS]);
	Assert(sections[VS_SECTION_WEIGHTS].bytes == bytes);

	header.byte_order = VS_MODEL_BYTE_ORDER;
	header.version = VS_MODEL_VERSION;
	header.bytes = position(writer);
	header.format = content->format;
	memcpy(header.hash, hash, VS_MODEL_HASH_LEN);
	header.crc = vs_model_header_crc(&header);
	flush(writer);
	write_at(writer, (const char *) &header, sizeof(header), 0);
}

static void
sync_and_close(const Writer *writer)
{
	if (pg_fsync(writer->fd) != 0)
		ereport(data_sync_elevel(ERROR),
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", writer->path)));
	if (CloseTransientFile(writer->fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", writer->path)));
}

void
vs_model_write(const VsModelContent *content, const char *hash,
			   void (*before_rename) (void *arg), void *arg)
{
	char	   *path = vs_model_path(hash);
	char	   *folder = pstrdup(path);
	Writer		writer = {0};

	get_parent_directory(folder);
	make_folders(folder);
	remove_stale(folder);

	writer.path = psprintf("%s.%d%s", path, MyProcPid, TEMPORARY_SUFFIX);
	writer.buffer = palloc(BUFFER_SIZE);
	writer.fd = OpenTransientFile(writer.path,
								  O_RDWR | O_CREAT | O_EXCL | PG_BINARY);
	if (writer.fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", writer.path)));
	PG_TRY();
	{
		write_content(&writer, content, hash);
		sync_and_close(&writer);
		before_rename(arg);
		(void) durable_rename(writer.path, path, ERROR);
	}
	PG_CATCH();
	{
		/* the file itself is closed with the transaction */
		(void) unlink(writer.path);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
