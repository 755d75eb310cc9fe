/*
 * lda_document.c
 *		The words of documents.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tsearch/ts_cache.h"
#include "tsearch/ts_utils.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "compat.h"
#include "lda/lda_document.h"
#include "lda/lda_vocabulary.h"

/* Rows that are fetched at a time. */
#define FETCH_ROWS		100

typedef enum DocumentForm
{
	FORM_TEXT,
	FORM_TSVECTOR,
	FORM_ARRAYS,
} DocumentForm;

struct VsLdaDocuments
{
	Portal		portal;
	Oid			config;
	DocumentForm form;
	Oid			id_output;		/* function */
	SPITupleTable *rows;		/* that were fetched last */
	uint64		count;			/* of them */
	uint64		next;			/* to be read */
	MemoryContext context;		/* of one document */
};

/* ------------------------------------------------------------------------
 * One document
 * ------------------------------------------------------------------------ */

void
vs_lda_words_of_text(Oid config, const char *text, int len, VsLdaSink sink,
					 void *arg)
{
	ParsedText	parsed = {0};

	parsed.lenwords = Max(len / 6, 2);
	parsed.lenwords = Min(parsed.lenwords,
						  (int) (MaxAllocSize / sizeof(ParsedWord)));
	parsed.words = palloc(sizeof(ParsedWord) * parsed.lenwords);
	parsetext(config, &parsed, unconstify(char *, text), len);
	for (int i = 0; i < parsed.curwords; i++)
	{
		sink(arg, parsed.words[i].word, parsed.words[i].len, 1);
		pfree(parsed.words[i].word);
	}
	pfree(parsed.words);
}

/* A word of a tsvector at one of its positions. */
typedef struct PlacedWord
{
	int			position;
	const WordEntry *entry;
} PlacedWord;

static int
compare_places(const void *a, const void *b)
{
	const PlacedWord *x = a;
	const PlacedWord *y = b;

	if (x->position != y->position)
		return x->position < y->position ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

void
vs_lda_words_of_tsvector(TSVector vector, VsLdaSink sink, void *arg)
{
	const WordEntry *entries = ARRPTR(vector);
	Size		n = 0;
	PlacedWord *places;

	for (int i = 0; i < vector->size; i++)
		n += Max(POSDATALEN(vector, &entries[i]), 1);
	places = palloc0(sizeof(PlacedWord) * Max(n, 1));
	n = 0;
	for (int i = 0; i < vector->size; i++)
	{
		const WordEntry *entry = &entries[i];
		int			count = POSDATALEN(vector, entry);

		/* without positions: once, at no place */
		if (count == 0)
			places[n++].entry = entry;
		for (int j = 0; j < count; j++)
		{
			places[n].position = WEP_GETPOS(POSDATAPTR(vector, entry)[j]);
			places[n++].entry = entry;
		}
	}
	qsort(places, n, sizeof(PlacedWord), compare_places);
	for (Size i = 0; i < n; i++)
		sink(arg, STRPTR(vector) + places[i].entry->pos, places[i].entry->len,
			 1);
	pfree(places);
}

static int64
count_of(Datum value, Oid type)
{
	switch (getBaseType(type))
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

/* The elements of an array without NULLs. */
static int
elements_of(ArrayType *array, const char *what, Datum **elements)
{
	int16		len;
	bool		byval;
	char		align;
	int			n;
	bool	   *nulls;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the %s of a document must be a one-dimensional array",
						what)));
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &len, &byval, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), len, byval, align, elements,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the %s of a document must not contain nulls",
							what)));
	return n;
}

static void
check_word(const char *text, int len)
{
	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a word must not be empty")));
	if (len > VS_LDA_MAX_WORD)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a word is too long"),
				 errdetail("It has %d bytes; the limit is %d.", len,
						   VS_LDA_MAX_WORD)));
}

void
vs_lda_words_of_arrays(ArrayType *words, ArrayType *counts, VsLdaSink sink,
					   void *arg)
{
	Datum	   *word;
	Datum	   *count;
	int			n = elements_of(words, "words", &word);
	int64		tokens = 0;

	if (elements_of(counts, "counts", &count) != n)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the words and the counts of a document differ in number")));
	for (int i = 0; i < n; i++)
	{
		int64		c = count_of(count[i], ARR_ELEMTYPE(counts));
		text	   *w = DatumGetTextPP(word[i]);

		if (c < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the count of a word must not be negative"),
					 errdetail("It is " INT64_FORMAT ".", c)));
		if (c > VS_LDA_MAX_TOKENS || (tokens += c) > VS_LDA_MAX_TOKENS)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("a document has more than %d tokens",
							VS_LDA_MAX_TOKENS)));
		check_word(VARDATA_ANY(w), VARSIZE_ANY_EXHDR(w));
		if (c > 0)
			sink(arg, VARDATA_ANY(w), VARSIZE_ANY_EXHDR(w), c);
	}
}

/* ------------------------------------------------------------------------
 * The rows of a query
 * ------------------------------------------------------------------------ */

static void
refuse_columns(TupleDesc row)
{
	StringInfoData is;

	initStringInfo(&is);
	for (int i = 1; i <= row->natts; i++)
		appendStringInfo(&is, "%s%s", i > 1 ? ", " : "",
						 format_type_be(SPI_gettypeid(row, i)));
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("the query of documents has the wrong columns"),
			 errdetail("They are (%s).", is.data),
			 errhint("It returns (id, text), (id, tsvector) or (id, words text[], counts integer[]).")));
}

static bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* What an array is made of, below all domains; 0 for another type. */
static Oid
base_element(Oid type)
{
	Oid			element = get_element_type(getBaseType(type));

	return OidIsValid(element) ? getBaseType(element) : InvalidOid;
}

static DocumentForm
form_of(TupleDesc row)
{
	Oid			first = row->natts > 1 ? getBaseType(SPI_gettypeid(row, 2)) : InvalidOid;

	if (row->natts == 2 && is_text(first))
		return FORM_TEXT;
	if (row->natts == 2 && first == TSVECTOROID)
		return FORM_TSVECTOR;
	if (row->natts != 3 || !is_text(base_element(first)) ||
		!is_integer(base_element(SPI_gettypeid(row, 3))))
		refuse_columns(row);
	return FORM_ARRAYS;
}

/* A query that only reads: neither a command, nor one with a command in it. */
static bool
only_reads(SPIPlanPtr plan)
{
	ListCell   *source;
	ListCell   *query;

	foreach(source, SPI_plan_get_plan_sources(plan))
	{
		CachedPlanSource *s = lfirst(source);

		foreach(query, s->query_list)
		{
			const		Query *q = lfirst_node(Query, query);

			if (q->commandType != CMD_SELECT || q->hasModifyingCTE ||
				q->rowMarks != NIL)
				return false;
		}
	}
	return true;
}

static void
fetch_rows(VsLdaDocuments *d)
{
	SPI_cursor_fetch(d->portal, true, FETCH_ROWS);
	d->rows = SPI_tuptable;
	d->count = SPI_processed;
	d->next = 0;
}

VsLdaDocuments *
vs_lda_documents_open(const char *query, Oid config)
{
	VsLdaDocuments *d = palloc0(sizeof(VsLdaDocuments));
	SPIPlanPtr	plan = SPI_prepare_cursor(query, 0, NULL,
										  CURSOR_OPT_NO_SCROLL);
	bool		is_varlena;

	if (plan == NULL || !SPI_is_cursor_plan(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query of documents is not a query that returns rows")));
	if (!only_reads(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query of documents does more than read"),
				 errhint("It must be a SELECT that neither writes nor locks rows.")));
	d->portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	d->config = config;
	d->form = form_of(d->portal->tupDesc);
	getTypeOutputInfo(SPI_gettypeid(d->portal->tupDesc, 1), &d->id_output,
					  &is_varlena);
	d->context = AllocSetContextCreate(CurrentMemoryContext, "lda document",
									   ALLOCSET_DEFAULT_SIZES);
	fetch_rows(d);
	return d;
}

bool
vs_lda_documents_ordered(const VsLdaDocuments *d)
{
	return d->form != FORM_ARRAYS;
}

/* A value of the row at hand; NULL is an error that names the document. */
static Datum
value_of(VsLdaDocuments *d, HeapTuple row, int column, const char *id)
{
	TupleDesc	desc = d->portal->tupDesc;
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a document must not be null"),
				 errdetail("Column \"%s\" of the document with id %s is null.",
						   SPI_fname(desc, column), id != NULL ? id : "null"),
				 errhint("Leave it out with WHERE ... IS NOT NULL.")));
	return value;
}

static void
read_row(VsLdaDocuments *d, HeapTuple row, VsLdaSink sink, void *arg,
		 uint64 *key)
{
	bool		isnull;
	Datum		id = SPI_getbinval(row, d->portal->tupDesc, 1, &isnull);
	char	   *name = isnull ? NULL : OidOutputFunctionCall(d->id_output, id);
	Datum		value = value_of(d, row, 2, name);

	*key = name == NULL ? 0 :
		hash_bytes_extended((const unsigned char *) name, strlen(name), 0);
	if (d->form == FORM_TEXT)
	{
		text	   *t = DatumGetTextPP(value);

		vs_lda_words_of_text(d->config, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t),
							 sink, arg);
	}
	else if (d->form == FORM_TSVECTOR)
		vs_lda_words_of_tsvector(DatumGetTSVector(value), sink, arg);
	else
		vs_lda_words_of_arrays(DatumGetArrayTypeP(value),
							   DatumGetArrayTypeP(value_of(d, row, 3, name)),
							   sink, arg);
}

bool
vs_lda_documents_next(VsLdaDocuments *d, VsLdaSink sink, void *arg,
					  uint64 *key)
{
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	if (d->next == d->count && d->count == FETCH_ROWS)
	{
		SPI_freetuptable(d->rows);
		fetch_rows(d);
	}
	if (d->next == d->count)
		return false;
	old = MemoryContextSwitchTo(d->context);
	read_row(d, d->rows->vals[d->next++], sink, arg, key);
	MemoryContextSwitchTo(old);
	MemoryContextReset(d->context);
	return true;
}

void
vs_lda_documents_close(VsLdaDocuments *d)
{
	MemoryContextDelete(d->context);
	SPI_freetuptable(d->rows);
	SPI_cursor_close(d->portal);
	pfree(d);
}
