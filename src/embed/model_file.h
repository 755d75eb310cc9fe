/*
 * model_file.h
 *		The bytes of a model file: shared by model_write.c, which writes it,
 *		and model.c, which maps it.  See README.md, "Model files".
 */
#ifndef VS_EMBED_MODEL_FILE_H
#define VS_EMBED_MODEL_FILE_H

#include "port/pg_crc32c.h"

#include "embed/model.h"

#define VS_MODEL_MAGIC			"vsmodel"
#define VS_MODEL_VERSION		1
#define VS_MODEL_BYTE_ORDER		0x01020304

/* Where tensors and sections begin: multiples of this. */
#define VS_MODEL_ALIGN			64
#define VS_MODEL_ALIGNED(size) \
	(((uint64) (size) + VS_MODEL_ALIGN - 1) & ~(uint64) (VS_MODEL_ALIGN - 1))

/* In this order, one after another; the first after the header. */
typedef enum VsModelSectionKind
{
	VS_SECTION_CONFIG,			/* a VsModelConfig */
	VS_SECTION_TOKENIZER,		/* what vs_tokenizer_compile made */
	VS_SECTION_DIRECTORY,		/* VsModelTensor, one for each tensor */
	VS_SECTION_WEIGHTS,			/* the tensors' data */
} VsModelSectionKind;

#define VS_SECTION_COUNT		4

typedef struct VsModelSection
{
	uint64		offset;			/* in the file, aligned */
	uint64		bytes;			/* not counting what fills up to the next */
	uint32		crc;			/* CRC-32C, with what fills up */
	uint32		unused;			/* 0 */
} VsModelSection;

StaticAssertDecl(sizeof(VsModelSection) == 24, "VsModelSection has gaps");

typedef struct VsModelHeader
{
	char		magic[8];		/* VS_MODEL_MAGIC */
	uint32		byte_order;		/* VS_MODEL_BYTE_ORDER, as written */
	uint32		version;		/* VS_MODEL_VERSION */
	uint64		bytes;			/* of the file */
	char		hash[VS_MODEL_HASH_LEN];
	VsModelSection sections[VS_SECTION_COUNT];
	int32		format;			/* VsWeightFormat of tables and linear layers */
	uint32		crc;			/* CRC-32C of all of the above; the last field */
} VsModelHeader;

StaticAssertDecl(sizeof(VsModelHeader) == 192, "VsModelHeader has gaps");

/* The tensors are in the order of vs_arch_tensors. */
typedef struct VsModelTensor
{
	int32		role;			/* VsRole */
	int32		index;			/* layer or stage, else 0 */
	int32		kind;			/* VsTensorKind */
	int32		format;			/* VsWeightFormat */
	int32		rows;
	int32		cols;
	uint64		offset;			/* in the section of weights, aligned */
	uint64		bytes;
} VsModelTensor;

StaticAssertDecl(sizeof(VsModelTensor) == 40, "VsModelTensor has gaps");

/* The config of a model is in its file as it is. */
StaticAssertDecl(sizeof(VsModelConfig) ==
				 sizeof(char[32]) + 31 * sizeof(int32) +
				 VS_MODEL_MAX_STAGES * sizeof(VsStage),
				 "VsModelConfig has gaps or fields that VS_MODEL_VERSION does not know");

/* model.c */

/*
 * Where the tensors of a list of VsTensorSpec are, as an array; *bytes becomes
 * the length of all of their data.  The shapes are within the limits of
 * arch.h, so that nothing can overflow.
 */
extern VsModelTensor *vs_model_layout(const List *specs, VsWeightFormat format,
									  uint64 *bytes);

/* Where in the data of an int8 table the scales begin. */
extern uint64 vs_model_scales_offset(int rows, int cols);

/* The CRC over the fields of a header before its own. */
extern pg_crc32c vs_model_header_crc(const VsModelHeader *header);

/* Whether there is a file, and it is what vs_model_build wrote. */
extern bool vs_model_is_sound(const char *path, const char *hash);

#endif							/* VS_EMBED_MODEL_FILE_H */
