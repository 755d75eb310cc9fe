/*
 * safetensors.h
 *		Reading the weights of a model from a safetensors file.
 *
 * Format: u64 little-endian header length, a JSON header, data.  Files are
 * hostile until proven otherwise; errors are ERRCODE_DATA_CORRUPTED and name
 * file and tensor.  Files are read, never mapped.
 */
#ifndef VS_EMBED_SAFETENSORS_H
#define VS_EMBED_SAFETENSORS_H

/* Element types that can be read as floats; others are listed but unusable. */
typedef enum VsDtype
{
	VS_DTYPE_F32,
	VS_DTYPE_F16,
	VS_DTYPE_BF16,
	VS_DTYPE_OTHER,
} VsDtype;

#define VS_TENSOR_MAX_DIM	4

typedef struct VsTensor
{
	const char *name;
	VsDtype		dtype;
	int			ndim;
	int64		shape[VS_TENSOR_MAX_DIM];
	int			file;			/* index into the files of the set */
	uint64		offset;			/* in that file */
	uint64		bytes;
} VsTensor;

typedef struct VsTensorSet VsTensorSet;

/*
 * Read the headers of all weight files of the directory: model.safetensors, or
 * the shards that model.safetensors.index.json names (plain file names in the
 * same directory).  Limits: header at most 100 MB and within the file, at most
 * 100 shards; ranges must lie in the data, match shape and dtype, and not
 * overlap.  Files stay open as transient files until close or the end of the
 * transaction.
 */
extern VsTensorSet *vs_tensors_open(const char *directory);
extern void vs_tensors_close(VsTensorSet *set);

/* The same for one file, which need not be named model.safetensors. */
extern VsTensorSet *vs_tensors_open_file(const char *path);

/* NULL if there is no such tensor. */
extern const VsTensor *vs_tensors_find(const VsTensorSet *set, const char *name);

/*
 * Read count elements from element first on, as floats.  Numbers that are not
 * finite are an error.
 */
extern void vs_tensors_read(VsTensorSet *set, const VsTensor *tensor,
							uint64 first, uint64 count, float *out);

/* Files of the set, by name within the directory, in the order of the names. */
extern int	vs_tensors_file_count(const VsTensorSet *set);
extern const char *vs_tensors_file_name(const VsTensorSet *set, int i);
extern uint64 vs_tensors_file_size(const VsTensorSet *set, int i);

/* Hand all bytes of a file to visit, piece by piece, in their order. */
typedef void (*VsTensorVisit) (void *arg, const char *bytes, Size len);
extern void vs_tensors_visit(VsTensorSet *set, int i, VsTensorVisit visit, void *arg);

/*
 * An error if a file of the set has been written to since the set was opened:
 * its size, or the times of its last change, are others.
 */
extern void vs_tensors_check_unchanged(const VsTensorSet *set);

#endif							/* VS_EMBED_SAFETENSORS_H */
