/*
 * lda_catalog.c
 *		The tables of topic models: written, read, cached.
 *
 * vecsearch_lda_model has a row for each model, vecsearch_lda_word one for each
 * of its words, with the topics that have it and how many of its tokens.  They
 * are read and written directly, without SQL.
 *
 * A backend keeps the models it used.  A change of the table of models reaches
 * it as an invalidation of the table's relcache entry; then the row of a model
 * is looked at again, and all of it if its version is another.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "lda/lda.h"

/* Models that a backend keeps. */
#define MAX_LOADED		16

#define MODEL_TABLE		"vecsearch_lda_model"
#define WORD_TABLE		"vecsearch_lda_word"
#define WORD_INDEX		"vecsearch_lda_word_pkey"

enum
{
	MODEL_NAME = 1,
	MODEL_VERSION,
	MODEL_OWNER,
	MODEL_USERS,
	MODEL_TOPICS,
	MODEL_WORDS,
	MODEL_DOCUMENTS,
	MODEL_TOKENS,
	MODEL_ALPHA,
	MODEL_BETA,
	MODEL_TOPIC_TOKENS,
	MODEL_COHERENCE,
	MODEL_CONFIG,
	MODEL_METHOD,
	MODEL_SEED,
	MODEL_ITERATIONS,
	MODEL_HELD_OUT,
	MODEL_PERPLEXITY,
	MODEL_SECONDS,
	MODEL_TRAINED,
	MODEL_COLUMNS = MODEL_TRAINED
};

enum
{
	WORD_MODEL = 1,
	WORD_NUMBER,
	WORD_TEXT,
	WORD_DOCUMENTS,
	WORD_TOKENS,
	WORD_TOPICS,
	WORD_COUNTS,
	WORD_COLUMNS = WORD_COUNTS
};

typedef struct CacheEntry
{
	VsLdaLoaded *loaded;
	Oid			schema;
	uint64		generation;		/* of the tables, as it was looked at */
	uint64		used;			/* the higher, the later */
} CacheEntry;

static CacheEntry cache[MAX_LOADED];
static uint64 uses;
static uint64 generation = 1;	/* the tables may have changed since the last */
static Oid	model_table;		/* whose changes matter; 0 before first use */

static void
table_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == model_table)
		generation++;
}

void
vs_lda_catalog_init(void)
{
	CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
}

static Relation
open_models(Oid schema, LOCKMODE lock)
{
	Relation	table = vs_extension_open(schema, MODEL_TABLE, lock);

	model_table = RelationGetRelid(table);
	return table;
}

Relation
vs_lda_lock_model(Oid schema, const char *name)
{
	Relation	models = open_models(schema, RowExclusiveLock);

	/* two names with the same hash just wait for one another */
	LockDatabaseObject(RelationGetRelid(models),
					   hash_bytes((const unsigned char *) name, strlen(name)),
					   0, ExclusiveLock);
	return models;
}

/* A change of the table of models was made: tell all, and see it ourselves. */
static void
models_changed(Relation models)
{
	CacheInvalidateRelcacheByRelid(RelationGetRelid(models));
	CommandCounterIncrement();
}

VS_NORETURN void
vs_lda_no_model(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("topic model \"%s\" does not exist", name),
			 errhint("The view lda_models lists those that do.")));
}

VS_NORETURN void
vs_lda_not_owner(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of topic model \"%s\"", name)));
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------ */

static VS_NORETURN void
damaged(const char *name, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the tables of topic model \"%s\" are damaged", name),
			 errdetail_internal("%s", detail),
			 errhint("Train it again, or restore the tables vecsearch_lda_model and vecsearch_lda_word together.")));
}

/*
 * What is committed now, and what this transaction did: a model is read by one
 * such snapshot, so that its row and its words belong together.
 */
static Snapshot
take_snapshot(Relation models)
{
	return RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(models)));
}

/* The row of a model, copied; NULL if there is none. */
static HeapTuple
find_row(Relation models, const char *name, Snapshot snapshot)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, MODEL_NAME, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	scan = systable_beginscan(models, InvalidOid, false, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

static float8 *
read_floats(const char *name, Datum value, int n)
{
	ArrayType  *array = DatumGetArrayTypeP(value);

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != n || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != FLOAT8OID)
		damaged(name, "There is not one number for each topic.");
	return (float8 *) ARR_DATA_PTR(array);
}

static void
read_topics(VsLdaModel *model, const Datum *values)
{
	float8	   *alpha = read_floats(model->name, values[MODEL_ALPHA - 1],
									model->topics);
	float8	   *tokens = read_floats(model->name, values[MODEL_TOPIC_TOKENS - 1],
									 model->topics);
	float8	   *coherence = read_floats(model->name, values[MODEL_COHERENCE - 1],
										model->topics);

	model->beta = DatumGetFloat8(values[MODEL_BETA - 1]);
	if (!(model->beta > 0) || isinf(model->beta))
		damaged(model->name, "Beta is not positive.");
	for (int k = 0; k < model->topics; k++)
	{
		if (!(alpha[k] > 0) || isinf(alpha[k]) || !(tokens[k] >= 0) ||
			isinf(tokens[k]))
			damaged(model->name, "A topic has a number out of range.");
		model->topic[k].alpha = model->alpha[k] = (float) alpha[k];
		model->topic[k].tokens = tokens[k];
		model->topic[k].coherence = coherence[k];
		model->tokens += tokens[k];
	}
}

static void
read_record(VsLdaRecord *record, const Datum *values, const bool *nulls)
{
	strlcpy(record->version, TextDatumGetCString(values[MODEL_VERSION - 1]),
			sizeof(record->version));
	record->rights = vs_rights_read(values[MODEL_OWNER - 1],
									values[MODEL_USERS - 1]);
	record->config = TextDatumGetCString(values[MODEL_CONFIG - 1]);
	record->method = TextDatumGetCString(values[MODEL_METHOD - 1]);
	record->seed = DatumGetInt64(values[MODEL_SEED - 1]);
	record->iterations = DatumGetInt32(values[MODEL_ITERATIONS - 1]);
	record->documents = DatumGetInt64(values[MODEL_DOCUMENTS - 1]);
	record->held_out = DatumGetFloat8(values[MODEL_HELD_OUT - 1]);
	record->perplexity = nulls[MODEL_PERPLEXITY - 1] ? NAN :
		DatumGetFloat8(values[MODEL_PERPLEXITY - 1]);
	record->seconds = DatumGetFloat8(values[MODEL_SECONDS - 1]);
	record->trained = DatumGetTimestampTz(values[MODEL_TRAINED - 1]);
}

/* The counts of a word, into its row of phi. */
static void
read_counts(VsLdaModel *model, float *row, Datum topics, Datum counts)
{
	ArrayType  *t = DatumGetArrayTypeP(topics);
	ArrayType  *c = DatumGetArrayTypeP(counts);
	int			n = ArrayGetNItems(ARR_NDIM(t), ARR_DIMS(t));
	const int16 *topic = (int16 *) ARR_DATA_PTR(t);
	const float4 *count = (float4 *) ARR_DATA_PTR(c);

	if (ARR_ELEMTYPE(t) != INT2OID || ARR_ELEMTYPE(c) != FLOAT4OID ||
		ARR_HASNULL(t) || ARR_HASNULL(c) ||
		ArrayGetNItems(ARR_NDIM(c), ARR_DIMS(c)) != n)
		damaged(model->name, "The topics and the counts of a word do not match.");
	for (int i = 0; i < n; i++)
	{
		if (topic[i] < 1 || topic[i] > model->topics || !(count[i] >= 0) ||
			isinf(count[i]))
			damaged(model->name, "A word has a topic or a count out of range.");
		row[topic[i] - 1] = count[i];
	}
}

/* inverse is NULL if counts are wanted. */
static void
read_word(VsLdaLoaded *loaded, const Datum *values, const float *inverse)
{
	VsLdaModel *model = loaded->model;
	int			number = DatumGetInt32(values[WORD_NUMBER - 1]);
	text	   *t = DatumGetTextPP(values[WORD_TEXT - 1]);
	VsLdaWord  *word;
	char	   *copy;
	float	   *row;

	if (number < 0 || number >= model->words ||
		model->word[number].text != NULL)
		damaged(model->name, "A word's number is out of range.");
	word = &model->word[number];
	word->len = VARSIZE_ANY_EXHDR(t);
	copy = MemoryContextAlloc(model->context, word->len + 1);
	memcpy(copy, VARDATA_ANY(t), word->len);
	copy[word->len] = '\0';
	word->text = copy;
	word->documents = DatumGetInt64(values[WORD_DOCUMENTS - 1]);
	word->tokens = DatumGetInt64(values[WORD_TOKENS - 1]);
	if (vs_lda_vocabulary_find(loaded->vocabulary, word->text, word->len) >= 0)
		damaged(model->name, "A word is there twice.");
	vs_lda_vocabulary_put(loaded->vocabulary, word, number);
	row = vs_lda_model_row(model, number);
	read_counts(model, row, values[WORD_TOPICS - 1], values[WORD_COUNTS - 1]);
	if (inverse != NULL)
		vs_lda_model_normalize(model, inverse, row);
}

static SysScanDesc
scan_words(Oid schema, Relation words, const char *name, Snapshot snapshot,
		   ScanKeyData *key)
{
	ScanKeyInit(key, WORD_MODEL, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	return systable_beginscan(words, get_relname_relid(WORD_INDEX, schema),
							  true, snapshot, 1, key);
}

static void
read_words(Oid schema, VsLdaLoaded *loaded, Snapshot snapshot, bool raw)
{
	Relation	words = vs_extension_open(schema, WORD_TABLE, AccessShareLock);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "lda words",
												  ALLOCSET_DEFAULT_SIZES);
	ScanKeyData key;
	SysScanDesc scan = scan_words(schema, words, loaded->record.name,
								  snapshot, &key);
	HeapTuple	tuple;
	int			n = 0;
	float	   *inverse = raw ? NULL : vs_lda_model_inverse(loaded->model);

	/* the scan allocates in the context in which it is called */
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Datum		values[WORD_COLUMNS];
		bool		nulls[WORD_COLUMNS];
		MemoryContext old = MemoryContextSwitchTo(scratch);

		heap_deform_tuple(tuple, RelationGetDescr(words), values, nulls);
		read_word(loaded, values, inverse);
		MemoryContextSwitchTo(old);
		if (++n % 128 == 0)
		{
			MemoryContextReset(scratch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	systable_endscan(scan);
	table_close(words, AccessShareLock);
	MemoryContextDelete(scratch);
	if (n != loaded->model->words)
		damaged(loaded->record.name, "Words are missing.");
}

/* A model by its row, in a context of its own below the current one. */
static VsLdaLoaded *
load_row(Oid schema, Relation models, HeapTuple tuple, Snapshot snapshot,
		 bool raw)
{
	Datum		values[MODEL_COLUMNS];
	bool		nulls[MODEL_COLUMNS];
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "lda model",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	VsLdaLoaded *loaded;
	char	   *name;
	int			topics;
	int			words;

	heap_deform_tuple(tuple, RelationGetDescr(models), values, nulls);
	name = TextDatumGetCString(values[MODEL_NAME - 1]);
	topics = DatumGetInt32(values[MODEL_TOPICS - 1]);
	words = DatumGetInt32(values[MODEL_WORDS - 1]);
	if (topics < 1 || topics > VS_LDA_MAX_TOPICS || words < 1)
		damaged(name, "The number of topics or words is out of range.");
	loaded = vs_lda_loaded_new(context, name, topics, words);
	read_record(&loaded->record, values, nulls);
	read_topics(loaded->model, values);
	read_words(schema, loaded, snapshot, raw);
	MemoryContextSwitchTo(old);
	return loaded;
}

VsLdaLoaded *
vs_lda_load(Oid schema, const char *name, bool raw)
{
	Relation	models = open_models(schema, AccessShareLock);
	Snapshot	snapshot = take_snapshot(models);
	HeapTuple	tuple = find_row(models, name, snapshot);
	VsLdaLoaded *loaded = NULL;

	if (tuple != NULL)
		loaded = load_row(schema, models, tuple, snapshot, raw);
	UnregisterSnapshot(snapshot);
	table_close(models, AccessShareLock);
	return loaded;
}

bool
vs_lda_exists(Oid schema, const char *name)
{
	Relation	models = open_models(schema, AccessShareLock);
	HeapTuple	tuple = find_row(models, name, NULL);

	table_close(models, AccessShareLock);
	return tuple != NULL;
}

/* ------------------------------------------------------------------------
 * The cache
 * ------------------------------------------------------------------------ */

static void
forget(CacheEntry *entry)
{
	if (entry->loaded != NULL)
		MemoryContextDelete(entry->loaded->model->context);
	memset(entry, 0, sizeof(*entry));
}

static bool
is_entry_of(const CacheEntry *e, Oid schema, const char *name, int len)
{
	return e->loaded != NULL && e->schema == schema &&
		strncmp(e->loaded->record.name, name, len) == 0 &&
		e->loaded->record.name[len] == '\0';
}

/* The entry of a model, or the one whose turn it is to go. */
static CacheEntry *
find_entry(Oid schema, const char *name, int len)
{
	CacheEntry *oldest = &cache[0];

	for (int i = 0; i < MAX_LOADED; i++)
	{
		CacheEntry *e = &cache[i];

		if (is_entry_of(e, schema, name, len))
			return e;
		if (e->used < oldest->used)
			oldest = e;
	}
	return oldest;
}

/* Take what may change without a new version. */
static void
refresh_record(CacheEntry *e, Relation models, HeapTuple tuple)
{
	Datum		values[MODEL_COLUMNS];
	bool		nulls[MODEL_COLUMNS];
	MemoryContext old = MemoryContextSwitchTo(e->loaded->model->context);

	pfree(e->loaded->record.config);
	pfree(e->loaded->record.method);
	pfree(e->loaded->record.rights.users);
	heap_deform_tuple(tuple, RelationGetDescr(models), values, nulls);
	read_record(&e->loaded->record, values, nulls);
	MemoryContextSwitchTo(old);
}

static bool
same_version(const CacheEntry *e, Relation models, HeapTuple tuple)
{
	bool		isnull;
	Datum		version = heap_getattr(tuple, MODEL_VERSION,
									   RelationGetDescr(models), &isnull);

	return strcmp(TextDatumGetCString(version),
				  e->loaded->record.version) == 0;
}

/* Look at the table of models, and load what is not there. */
static void
check_entry(CacheEntry *e, Oid schema, const char *name)
{
	Relation	models = open_models(schema, AccessShareLock);
	uint64		looked = generation;
	Snapshot	snapshot = take_snapshot(models);
	HeapTuple	tuple = find_row(models, name, snapshot);

	if (tuple == NULL)
	{
		if (is_entry_of(e, schema, name, strlen(name)))
			forget(e);
		vs_lda_no_model(name);
	}
	if (is_entry_of(e, schema, name, strlen(name)) &&
		same_version(e, models, tuple))
		refresh_record(e, models, tuple);
	else
	{
		VsLdaLoaded *loaded;

		forget(e);
		loaded = load_row(schema, models, tuple, snapshot, false);
		MemoryContextSetParent(loaded->model->context, CacheMemoryContext);
		e->loaded = loaded;
		e->schema = schema;
	}
	UnregisterSnapshot(snapshot);
	table_close(models, AccessShareLock);
	e->generation = looked;
}

static void
check_version(const VsLdaLoaded *loaded, const char *digits, int len)
{
	if (len == VS_LDA_VERSION_LEN &&
		strncmp(digits, loaded->record.version, len) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("topic model \"%s\" has another version",
					loaded->record.name),
			 errdetail("It is %s@%s.", loaded->record.name,
					   loaded->record.version),
			 errhint("The column pinned of the view lda_models has it.")));
}

VsLdaLoaded *
vs_lda_use(Oid schema, const char *name, int len)
{
	const char *at = memchr(name, '@', len);
	int			bare = at != NULL ? at - name : len;
	CacheEntry *e = find_entry(schema, name, bare);

	if (e->generation != generation || !is_entry_of(e, schema, name, bare))
		check_entry(e, schema, pnstrdup(name, bare));
	e->used = ++uses;
	if (!vs_rights_may_use(&e->loaded->record.rights))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for topic model \"%s\"",
						e->loaded->record.name),
				 errhint("Its owner can allow it: lda_grant.")));
	if (at != NULL)
		check_version(e->loaded, at + 1, len - bare - 1);
	return e->loaded;
}

Oid
vs_lda_config(const VsLdaLoaded *loaded)
{
	return DatumGetObjectId(DirectFunctionCall1(regconfigin,
												CStringGetDatum(loaded->record.config)));
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------ */

static uint64
hash_more(uint64 hash, const void *data, Size len)
{
	return hash_bytes_extended(data, (int) len, hash);
}

static Datum
float8_array(const VsLdaModel *model, double (*get) (const VsLdaTopic *))
{
	Datum	   *elements = palloc(sizeof(Datum) * model->topics);

	for (int k = 0; k < model->topics; k++)
		elements[k] = Float8GetDatum(get(&model->topic[k]));
	return PointerGetDatum(construct_array(elements, model->topics, FLOAT8OID,
										   sizeof(float8), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

static double
get_alpha(const VsLdaTopic *topic)
{
	return topic->alpha;
}

static double
get_tokens(const VsLdaTopic *topic)
{
	return topic->tokens;
}

static double
get_coherence(const VsLdaTopic *topic)
{
	return topic->coherence;
}

/* The row of a word, and the hash of all before it with it. */
static HeapTuple
form_word(TupleDesc desc, const VsLdaModel *model, int number, uint64 *hash)
{
	const VsLdaWord *word = &model->word[number];
	const float *row = model->phi + (Size) number * model->stride;
	Datum		values[WORD_COLUMNS];
	bool		nulls[WORD_COLUMNS] = {false};
	Datum	   *topics = palloc(sizeof(Datum) * model->topics);
	Datum	   *counts = palloc(sizeof(Datum) * model->topics);
	int			n = 0;

	for (int k = 0; k < model->topics; k++)
		if (row[k] > 0)
		{
			topics[n] = Int16GetDatum(k + 1);
			counts[n++] = Float4GetDatum(row[k]);
		}
	*hash = hash_more(*hash, word->text, word->len);
	*hash = hash_more(*hash, row, sizeof(float) * model->topics);
	values[WORD_MODEL - 1] = CStringGetTextDatum(model->name);
	values[WORD_NUMBER - 1] = Int32GetDatum(number);
	values[WORD_TEXT - 1] =
		PointerGetDatum(cstring_to_text_with_len(word->text, word->len));
	values[WORD_DOCUMENTS - 1] = Int64GetDatum(word->documents);
	values[WORD_TOKENS - 1] = Int64GetDatum(word->tokens);
	values[WORD_TOPICS - 1] =
		PointerGetDatum(construct_array(topics, n, INT2OID, sizeof(int16),
										true, TYPALIGN_SHORT));
	values[WORD_COUNTS - 1] =
		PointerGetDatum(construct_array(counts, n, FLOAT4OID, sizeof(float4),
										true, TYPALIGN_INT));
	return heap_form_tuple(desc, values, nulls);
}

static uint64
write_words(Oid schema, const VsLdaModel *model)
{
	Relation	words = vs_extension_open(schema, WORD_TABLE,
										  RowExclusiveLock);
	CatalogIndexState indexes = CatalogOpenIndexes(words);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "lda words",
												  ALLOCSET_DEFAULT_SIZES);
	uint64		hash = hash_more(model->topics, &model->beta,
								 sizeof(model->beta));

	hash = hash_more(hash, model->alpha, sizeof(float) * model->topics);
	for (int w = 0; w < model->words; w++)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		CatalogTupleInsertWithInfo(words,
								   form_word(RelationGetDescr(words), model, w,
											 &hash),
								   indexes);
		MemoryContextSwitchTo(old);
		if (w % 64 == 0)
		{
			MemoryContextReset(scratch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	CatalogCloseIndexes(indexes);
	table_close(words, RowExclusiveLock);
	MemoryContextDelete(scratch);
	return hash;
}

static HeapTuple
form_model(TupleDesc desc, const VsLdaLoaded *loaded)
{
	const VsLdaModel *model = loaded->model;
	const VsLdaRecord *record = &loaded->record;
	Datum		values[MODEL_COLUMNS];
	bool		nulls[MODEL_COLUMNS] = {false};

	values[MODEL_NAME - 1] = CStringGetTextDatum(record->name);
	values[MODEL_VERSION - 1] = CStringGetTextDatum(record->version);
	values[MODEL_OWNER - 1] = ObjectIdGetDatum(record->rights.owner);
	values[MODEL_USERS - 1] =
		PointerGetDatum(vs_rights_users(&record->rights));
	values[MODEL_TOPICS - 1] = Int32GetDatum(model->topics);
	values[MODEL_WORDS - 1] = Int32GetDatum(model->words);
	values[MODEL_DOCUMENTS - 1] = Int64GetDatum(record->documents);
	values[MODEL_TOKENS - 1] = Int64GetDatum((int64) rint(model->tokens));
	values[MODEL_ALPHA - 1] = float8_array(model, get_alpha);
	values[MODEL_BETA - 1] = Float8GetDatum(model->beta);
	values[MODEL_TOPIC_TOKENS - 1] = float8_array(model, get_tokens);
	values[MODEL_COHERENCE - 1] = float8_array(model, get_coherence);
	values[MODEL_CONFIG - 1] = CStringGetTextDatum(record->config);
	values[MODEL_METHOD - 1] = CStringGetTextDatum(record->method);
	values[MODEL_SEED - 1] = Int64GetDatum(record->seed);
	values[MODEL_ITERATIONS - 1] = Int32GetDatum(record->iterations);
	values[MODEL_HELD_OUT - 1] = Float8GetDatum(record->held_out);
	nulls[MODEL_PERPLEXITY - 1] = isnan(record->perplexity);
	values[MODEL_PERPLEXITY - 1] = Float8GetDatum(record->perplexity);
	values[MODEL_SECONDS - 1] = Float8GetDatum(record->seconds);
	values[MODEL_TRAINED - 1] = TimestampTzGetDatum(record->trained);
	return heap_form_tuple(desc, values, nulls);
}

void
vs_lda_write(Oid schema, Relation models, VsLdaLoaded *loaded)
{
	uint64		hash = write_words(schema, loaded->model);

	/* another configuration makes other words of a text */
	hash = hash_more(hash, loaded->record.config,
					 strlen(loaded->record.config));
	snprintf(loaded->record.version, sizeof(loaded->record.version),
			 "%08x%08x", (uint32) (hash >> 32), (uint32) hash);
	CatalogTupleInsert(models, form_model(RelationGetDescr(models), loaded));
	models_changed(models);
}

static void
delete_words(Oid schema, const char *name)
{
	Relation	words = vs_extension_open(schema, WORD_TABLE,
										  RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan = scan_words(schema, words, name, NULL, &key);
	HeapTuple	tuple;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		CatalogTupleDelete(words, &tuple->t_self);
		CHECK_FOR_INTERRUPTS();
	}
	systable_endscan(scan);
	table_close(words, RowExclusiveLock);
}

void
vs_lda_remove(Oid schema, Relation models, const char *name)
{
	HeapTuple	tuple = find_row(models, name, NULL);

	if (tuple == NULL)
		vs_lda_no_model(name);
	delete_words(schema, name);
	CatalogTupleDelete(models, &tuple->t_self);
	models_changed(models);
}

/* ------------------------------------------------------------------------
 * SQL functions that change the catalog
 * ------------------------------------------------------------------------ */

/*
 * The row of a model that the current user may change, copied; the model is
 * locked to the end of the transaction.
 */
static HeapTuple
lock_for_change(FunctionCallInfo fcinfo, const char *function,
				Relation *models, char **name)
{
	Datum		values[MODEL_COLUMNS];
	bool		nulls[MODEL_COLUMNS];
	HeapTuple	tuple;
	VsRights	rights;

	PreventCommandIfReadOnly(function);
	*name = vs_arg_required_text(fcinfo, 0, "the name of a topic model");
	*models = vs_lda_lock_model(vs_extension_schema(fcinfo), *name);
	tuple = find_row(*models, *name, NULL);
	if (tuple == NULL)
		vs_lda_no_model(*name);
	heap_deform_tuple(tuple, RelationGetDescr(*models), values, nulls);
	rights = vs_rights_read(values[MODEL_OWNER - 1], values[MODEL_USERS - 1]);
	if (!vs_rights_may_change(&rights))
		vs_lda_not_owner(*name);
	return tuple;
}

PG_FUNCTION_INFO_V1(vs_lda_drop);
Datum
vs_lda_drop(PG_FUNCTION_ARGS)
{
	Relation	models;
	char	   *name;

	lock_for_change(fcinfo, "lda_drop()", &models, &name);
	vs_lda_remove(vs_extension_schema(fcinfo), models, name);
	table_close(models, NoLock);
	PG_RETURN_VOID();
}

static void
set_user(FunctionCallInfo fcinfo, const char *function, bool allow)
{
	char	   *role = vs_arg_required_text(fcinfo, 1, "the name of a role");
	Datum		values[MODEL_COLUMNS];
	bool		nulls[MODEL_COLUMNS];
	bool		replace[MODEL_COLUMNS] = {false};
	Relation	models;
	char	   *name;
	HeapTuple	tuple = lock_for_change(fcinfo, function, &models, &name);
	VsRights	rights;

	heap_deform_tuple(tuple, RelationGetDescr(models), values, nulls);
	rights = vs_rights_read(values[MODEL_OWNER - 1], values[MODEL_USERS - 1]);
	rights = vs_rights_change(&rights, role, allow);
	values[MODEL_USERS - 1] = PointerGetDatum(vs_rights_users(&rights));
	replace[MODEL_USERS - 1] = true;
	tuple = heap_modify_tuple(tuple, RelationGetDescr(models), values, nulls,
							  replace);
	CatalogTupleUpdate(models, &tuple->t_self, tuple);
	models_changed(models);
	table_close(models, NoLock);
}

PG_FUNCTION_INFO_V1(vs_lda_grant);
Datum
vs_lda_grant(PG_FUNCTION_ARGS)
{
	set_user(fcinfo, "lda_grant()", true);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(vs_lda_revoke);
Datum
vs_lda_revoke(PG_FUNCTION_ARGS)
{
	set_user(fcinfo, "lda_revoke()", false);
	PG_RETURN_VOID();
}
