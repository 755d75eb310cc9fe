/*
 * embed_json.h
 *		A JSON text as a tree, for the files that come with a model.
 *
 * All errors are ERRCODE_DATA_CORRUPTED and name the file.  Trees live in the
 * memory context that is current when they are made.
 */
#ifndef VS_EMBED_EMBED_JSON_H
#define VS_EMBED_EMBED_JSON_H

typedef enum VsJsonKind
{
	VS_JSON_NULL,
	VS_JSON_BOOL,
	VS_JSON_NUMBER,
	VS_JSON_STRING,
	VS_JSON_ARRAY,
	VS_JSON_OBJECT,
} VsJsonKind;

typedef struct VsJson
{
	VsJsonKind	kind;
	uint32		count;			/* bytes of a string, items of an array or
								 * object */
	const char *key;			/* name of an object's member, else NULL */
	union
	{
		bool		boolean;
		double		number;
		const char *string;		/* UTF-8, NUL-terminated, without a NUL inside */
		struct VsJson *items;	/* in the order of the file */
	}			u;
} VsJson;

/* How deep arrays and objects may be nested. */
#define VS_JSON_MAX_DEPTH	64

/*
 * Parse len bytes of UTF-8.  file is for messages; the tree keeps the pointer.
 * Refuses bad JSON, bad UTF-8, too deep nesting, numbers that are not finite,
 * and an object that has a member twice.
 */
extern VsJson *vs_json_parse(const char *file, const char *text, Size len);

/* A member of an object, or NULL if there is none or it is null. */
extern const VsJson *vs_json_find(const VsJson *object, const char *key);

/*
 * A member of a given kind.  Without the member (or with null) the plain forms
 * return the default, or NULL; a member of another kind, or outside min..max,
 * is an error that names file and key.
 */
extern int	vs_json_int(const char *file, const VsJson *object, const char *key,
						int min, int max, int absent);
extern double vs_json_number(const char *file, const VsJson *object, const char *key,
							 double min, double max, double absent);
extern bool vs_json_bool(const char *file, const VsJson *object, const char *key, bool absent);
extern const char *vs_json_string(const char *file, const VsJson *object, const char *key);
extern const VsJson *vs_json_array(const char *file, const VsJson *object, const char *key);
extern const VsJson *vs_json_object(const char *file, const VsJson *object, const char *key);

#endif							/* VS_EMBED_EMBED_JSON_H */
