/*
 * model_write.h
 *		Between reading a model directory and writing a model file.
 */
#ifndef VS_EMBED_MODEL_WRITE_H
#define VS_EMBED_MODEL_WRITE_H

#include "lib/stringinfo.h"

#include "embed/model_file.h"
#include "embed/safetensors.h"

/*
 * Where the numbers of a tensor come from: the parts are below one another.
 * Types and shapes have been checked.
 */
typedef struct VsModelSource
{
	VsTensorSet *set;
	int			nparts;
	const VsTensor *part[VS_SPEC_MAX_PARTS];
	int			rows[VS_SPEC_MAX_PARTS];	/* to take; of a vector: numbers */
} VsModelSource;

/* All that a model file holds. */
typedef struct VsModelContent
{
	const VsModelConfig *config;
	VsWeightFormat format;
	StringInfo	tokenizer;		/* compiled */
	List	   *specs;			/* of VsTensorSpec */
	const VsModelSource *sources;	/* one for each of them */
} VsModelContent;

/*
 * Write the file of a hash, replacing one that is there.  before_rename(arg)
 * is called when all has been read; if it raises an error, there is no file.
 */
extern void vs_model_write(const VsModelContent *content, const char *hash,
						   void (*before_rename) (void *arg), void *arg);

#endif							/* VS_EMBED_MODEL_WRITE_H */
