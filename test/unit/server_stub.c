/*
 * server_stub.c
 *		The few parts of the server that src/embed and src/lda call, for their
 *		unit tests.
 *
 * Signatures are the server's; so are the limits of allocations, and the
 * moments at which memory is freed.  Where libpgcommon has a front-end version
 * of a function that differs in effect (palloc ends the program, unicode
 * normalisation returns memory of malloc), the one here takes its place.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/memnodes.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "server_stub.h"

/* ------------------------------------------------------------------------
 * Errors
 * ------------------------------------------------------------------------ */

sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;

static StubError error;			/* under construction, or the last one */
static int	error_level;

bool
errstart(int elevel, const char *domain)
{
	if (elevel < ERROR)
		return false;
	error_level = elevel;
	memset(&error, 0, sizeof(error));
	error.sqlstate = ERRCODE_INTERNAL_ERROR;
	return true;
}

/* Came in 14. */
bool		errstart_cold(int elevel, const char *domain);

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

void
pg_re_throw(void)
{
	if (PG_exception_stack == NULL)
	{
		printf("Bail out! error outside of stub_run: %s\n", error.message);
		exit(1);
	}
	siglongjmp(*PG_exception_stack, 1);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (error_level > ERROR)
	{
		printf("Bail out! %s:%d: %s\n", filename, lineno, error.message);
		exit(1);
	}
	pg_re_throw();
}

int
errcode(int sqlerrcode)
{
	error.sqlstate = sqlerrcode;
	return 0;
}

int
errcode_for_file_access(void)
{
	switch (errno)
	{
		case EPERM:
		case EACCES:
			return errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		case ENOENT:
			return errcode(ERRCODE_UNDEFINED_FILE);
		case EEXIST:
			return errcode(ERRCODE_DUPLICATE_FILE);
		case ENOSPC:
			return errcode(ERRCODE_DISK_FULL);
		case EIO:
			return errcode(ERRCODE_IO_ERROR);
		default:
			return errcode(ERRCODE_INTERNAL_ERROR);
	}
}

/* printf is the server's own here, which knows %m. */
#define FORMAT_INTO(field) \
	do { \
		va_list		args; \
		va_start(args, fmt); \
		vsnprintf(field, sizeof(field), fmt, args); \
		va_end(args); \
	} while (0)

int
errmsg(const char *fmt,...)
{
	FORMAT_INTO(error.message);
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	FORMAT_INTO(error.message);
	return 0;
}

int
errdetail(const char *fmt,...)
{
	FORMAT_INTO(error.detail);
	return 0;
}

int
errdetail_internal(const char *fmt,...)
{
	FORMAT_INTO(error.detail);
	return 0;
}

int
errhint(const char *fmt,...)
{
	FORMAT_INTO(error.hint);
	return 0;
}

static void
plural_into(char *field, size_t size, const char *one, const char *many,
			unsigned long n, va_list args)
{
	vsnprintf(field, size, n == 1 ? one : many, args);
}

int
errmsg_plural(const char *fmt_singular, const char *fmt_plural,
			  unsigned long n,...)
{
	va_list		args;

	va_start(args, n);
	plural_into(error.message, sizeof(error.message), fmt_singular, fmt_plural,
				n, args);
	va_end(args);
	return 0;
}

int
errdetail_plural(const char *fmt_singular, const char *fmt_plural,
				 unsigned long n,...)
{
	va_list		args;

	va_start(args, n);
	plural_into(error.detail, sizeof(error.detail), fmt_singular, fmt_plural,
				n, args);
	va_end(args);
	return 0;
}

#if PG_VERSION_NUM >= 160000
void
ExceptionalCondition(const char *condition, const char *file, int line)
#else
void
ExceptionalCondition(const char *condition, const char *type,
					 const char *file, int line)
#endif
{
	printf("Bail out! %s:%d: assertion failed: %s\n", file, line, condition);
	fflush(stdout);
	abort();
}

/* ------------------------------------------------------------------------
 * Interrupts
 * ------------------------------------------------------------------------ */

volatile sig_atomic_t InterruptPending = false;
volatile uint32 InterruptHoldoffCount = 0;
volatile uint32 QueryCancelHoldoffCount = 0;
volatile uint32 CritSectionCount = 0;

void
ProcessInterrupts(void)
{
	InterruptPending = false;
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("canceling statement due to user request")));
}

void
stub_interrupt(void)
{
	InterruptPending = true;
}

void
check_stack_depth(void)
{
}

/* ------------------------------------------------------------------------
 * Memory
 * ------------------------------------------------------------------------ */

/* What stands before each allocation; as long as malloc aligns. */
typedef struct Chunk
{
	struct Chunk *prev;
	struct Chunk *next;
	struct StubContext *context;
	Size		size;
} Chunk;

typedef struct StubContext
{
	MemoryContextData base;		/* its type, for the server's assertions */
	Chunk		chunks;			/* ring */
	struct StubContext *parent;
	struct StubContext *first_child;
	struct StubContext *next_sibling;
} StubContext;

static StubContext transaction;

static StubContext top = {
	.base = {.type = T_AllocSetContext,.name = "TopMemoryContext"},
	.chunks = {&top.chunks, &top.chunks, &top, 0},
	.first_child = &transaction,
};

static StubContext transaction = {
	.base = {.type = T_AllocSetContext,.name = "TopTransactionContext"},
	.chunks = {&transaction.chunks, &transaction.chunks, &transaction, 0},
	.parent = &top,
};

MemoryContext TopMemoryContext = &top.base;
MemoryContext TopTransactionContext = &transaction.base;
MemoryContext CurrentMemoryContext = &transaction.base;

Size		stub_largest_alloc = 0;

/* More than any test needs; a wild size ends here, not in the machine. */
#define STUB_HUGE_LIMIT		((Size) 16 << 30)

static Chunk *
chunk_of(void *pointer)
{
	return (Chunk *) pointer - 1;
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	Chunk	   *chunk = NULL;
	StubContext *owner = (StubContext *) context;

	if ((flags & MCXT_ALLOC_HUGE) == 0 && !AllocSizeIsValid(size))
		elog(ERROR, "invalid memory alloc request size %zu", size);
	stub_largest_alloc = Max(stub_largest_alloc, size);
	if (size <= STUB_HUGE_LIMIT)
		chunk = malloc(sizeof(Chunk) + size);
	if (chunk == NULL)
	{
		if (flags & MCXT_ALLOC_NO_OOM)
			return NULL;
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	chunk->context = owner;
	chunk->size = size;
	chunk->prev = &owner->chunks;
	chunk->next = owner->chunks.next;
	chunk->next->prev = chunk;
	owner->chunks.next = chunk;

	/* not zero by chance, as memory of the server would not be */
	memset(chunk + 1, flags & MCXT_ALLOC_ZERO ? 0 : 0x7f, size);
	return chunk + 1;
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return MemoryContextAllocExtended(context, size, 0);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_ZERO);
}

/* Until 16. */
extern void *MemoryContextAllocZeroAligned(MemoryContext context, Size size);

void *
MemoryContextAllocZeroAligned(MemoryContext context, Size size)
{
	return MemoryContextAllocZero(context, size);
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_HUGE);
}

void *
palloc(Size size)
{
	return MemoryContextAlloc(CurrentMemoryContext, size);
}

void *
palloc0(Size size)
{
	return MemoryContextAllocZero(CurrentMemoryContext, size);
}

void *
palloc_extended(Size size, int flags)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, size, flags);
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = chunk_of(pointer);

	chunk->prev->next = chunk->next;
	chunk->next->prev = chunk->prev;
	free(chunk);
}

static void *
move(void *pointer, Size size, int flags)
{
	Chunk	   *old = chunk_of(pointer);
	void	   *result = MemoryContextAllocExtended(&old->context->base,
													size, flags);

	memcpy(result, pointer, Min(size, old->size));
	pfree(pointer);
	return result;
}

void *
repalloc(void *pointer, Size size)
{
	return move(pointer, size, 0);
}

void *
repalloc_huge(void *pointer, Size size)
{
	return move(pointer, size, MCXT_ALLOC_HUGE);
}

/* In another header in later versions. */
extern Size add_size(Size s1, Size s2);
extern Size mul_size(Size s1, Size s2);

Size
add_size(Size s1, Size s2)
{
	if (s1 + s2 < s1)
		elog(ERROR, "requested size overflows size_t");
	return s1 + s2;
}

Size
mul_size(Size s1, Size s2)
{
	if (s1 != 0 && s2 > SIZE_MAX / s1)
		elog(ERROR, "requested size overflows size_t");
	return s1 * s2;
}

char *
MemoryContextStrdup(MemoryContext context, const char *string)
{
	Size		size = strlen(string) + 1;

	return memcpy(MemoryContextAlloc(context, size), string, size);
}

char *
pstrdup(const char *in)
{
	return MemoryContextStrdup(CurrentMemoryContext, in);
}

char *
pnstrdup(const char *in, Size len)
{
	char	   *result;

	len = strnlen(in, len);
	result = memcpy(palloc(len + 1), in, len);
	result[len] = '\0';
	return result;
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name,
							  Size minContextSize, Size initBlockSize,
							  Size maxBlockSize)
{
	StubContext *context = calloc(1, sizeof(StubContext));

	context->base.type = T_AllocSetContext;
	context->base.name = name;
	context->chunks.prev = context->chunks.next = &context->chunks;
	context->parent = parent ? (StubContext *) parent : &top;
	context->next_sibling = context->parent->first_child;
	context->parent->first_child = context;
	return &context->base;
}

static void
unlink_context(StubContext *context)
{
	StubContext **link = &context->parent->first_child;

	while (*link != context)
		link = &(*link)->next_sibling;
	*link = context->next_sibling;
}

void
MemoryContextSetParent(MemoryContext context, MemoryContext new_parent)
{
	StubContext *child = (StubContext *) context;

	unlink_context(child);
	child->parent = (StubContext *) new_parent;
	child->next_sibling = child->parent->first_child;
	child->parent->first_child = child;
}

void
MemoryContextDeleteChildren(MemoryContext context)
{
	while (((StubContext *) context)->first_child != NULL)
		MemoryContextDelete(&((StubContext *) context)->first_child->base);
}

void
MemoryContextReset(MemoryContext context)
{
	StubContext *owner = (StubContext *) context;

	MemoryContextDeleteChildren(context);
	while (owner->base.reset_cbs != NULL)
	{
		MemoryContextCallback *callback = owner->base.reset_cbs;

		owner->base.reset_cbs = callback->next;
		callback->func(callback->arg);
	}
	while (owner->chunks.next != &owner->chunks)
		pfree(owner->chunks.next + 1);
}

void
MemoryContextDelete(MemoryContext context)
{
	MemoryContextReset(context);
	unlink_context((StubContext *) context);
	free(context);
}

void
MemoryContextRegisterResetCallback(MemoryContext context,
								   MemoryContextCallback *cb)
{
	cb->next = context->reset_cbs;
	context->reset_cbs = cb;
}

/* ------------------------------------------------------------------------
 * Lists
 * ------------------------------------------------------------------------ */

static ListCell *
new_cell(List **list, NodeTag type)
{
	List	   *l = *list;

	if (l == NIL)
	{
		l = *list = palloc0(sizeof(List));
		l->type = type;
		l->max_length = 4;
		l->elements = palloc(l->max_length * sizeof(ListCell));
	}
	else if (l->length == l->max_length)
	{
		l->max_length *= 2;
		l->elements = repalloc(l->elements, l->max_length * sizeof(ListCell));
	}
	return &l->elements[l->length++];
}

List *
lappend(List *list, void *datum)
{
	new_cell(&list, T_List)->ptr_value = datum;
	return list;
}

List *
lappend_int(List *list, int datum)
{
	new_cell(&list, T_IntList)->int_value = datum;
	return list;
}

List *
list_make1_impl(NodeTag t, ListCell datum1)
{
	List	   *list = NIL;

	*new_cell(&list, t) = datum1;
	return list;
}

List *
list_concat(List *list1, const List *list2)
{
	for (int i = 0; i < list_length(list2); i++)
		*new_cell(&list1, list2->type) = list2->elements[i];
	return list1;
}

void
list_sort(List *list, list_sort_comparator cmp)
{
	if (list_length(list) > 1)
		qsort(list->elements, list->length, sizeof(ListCell),
			  (int (*) (const void *, const void *)) cmp);
}

void
list_free(List *list)
{
	if (list == NIL)
		return;
	pfree(list->elements);
	pfree(list);
}

/* ------------------------------------------------------------------------
 * Files
 * ------------------------------------------------------------------------ */

Oid			MyDatabaseId = 16384;
int			MyProcPid = 4711;

#define MAX_OPEN		2048
#define MAX_OPEN_DIRS	8

static bool is_transient[MAX_OPEN];
static DIR *open_dirs[MAX_OPEN_DIRS];

int
OpenTransientFilePerm(const char *fileName, int fileFlags, mode_t fileMode)
{
	int			fd = open(fileName, fileFlags, fileMode);

	if (fd >= 0 && fd < MAX_OPEN)
		is_transient[fd] = true;
	return fd;
}

int
OpenTransientFile(const char *fileName, int fileFlags)
{
	return OpenTransientFilePerm(fileName, fileFlags, 0600);
}

int
CloseTransientFile(int fd)
{
	if (fd < MAX_OPEN)
		is_transient[fd] = false;
	return close(fd);
}

DIR *
AllocateDir(const char *dirname)
{
	for (int i = 0; i < MAX_OPEN_DIRS; i++)
		if (open_dirs[i] == NULL)
			return open_dirs[i] = opendir(dirname);
	elog(ERROR, "too many open directories");
}

struct dirent *
ReadDirExtended(DIR *dir, const char *dirname, int elevel)
{
	struct dirent *entry;

	errno = 0;
	if (dir != NULL && (entry = readdir(dir)) != NULL)
		return entry;
	if (errno != 0)
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not read directory \"%s\": %m", dirname)));
	return NULL;
}

struct dirent *
ReadDir(DIR *dir, const char *dirname)
{
	return ReadDirExtended(dir, dirname, ERROR);
}

int
FreeDir(DIR *dir)
{
	for (int i = 0; i < MAX_OPEN_DIRS; i++)
		if (open_dirs[i] == dir)
			open_dirs[i] = NULL;
	return dir == NULL ? 0 : closedir(dir);
}

/* What the end of a transaction does; how many were open. */
static int
close_files(void)
{
	int			count = 0;

	for (int fd = 0; fd < MAX_OPEN; fd++)
		if (is_transient[fd])
		{
			CloseTransientFile(fd);
			count++;
		}
	for (int i = 0; i < MAX_OPEN_DIRS; i++)
		if (open_dirs[i] != NULL)
		{
			FreeDir(open_dirs[i]);
			count++;
		}
	return count;
}

int
MakePGDirectory(const char *directoryName)
{
	return mkdir(directoryName, 0700);
}

int
pg_fsync(int fd)
{
	return 0;
}

void
fsync_fname(const char *fname, bool isdir)
{
}

int
data_sync_elevel(int elevel)
{
	return elevel;
}

int
durable_rename(const char *oldfile, const char *newfile, int loglevel)
{
	if (rename(oldfile, newfile) == 0)
		return 0;
	ereport(loglevel,
			(errcode_for_file_access(),
			 errmsg("could not rename file \"%s\" to \"%s\": %m",
					oldfile, newfile)));
	return -1;
}

/* ------------------------------------------------------------------------
 * Text
 * ------------------------------------------------------------------------ */

int			stub_encoding = PG_UTF8;

int
GetDatabaseEncoding(void)
{
	return stub_encoding;
}

/* From LATIN1 to UTF-8; else what is given is taken to be right. */
char *
pg_server_to_any(const char *s, int len, int encoding)
{
	char	   *result;
	char	   *to;

	Assert(encoding == PG_UTF8);
	if (stub_encoding != PG_LATIN1)
		return (char *) s;
	result = to = palloc(2 * len + 1);
	for (int i = 0; i < len; i++)
	{
		unicode_to_utf8((unsigned char) s[i], (unsigned char *) to);
		to += pg_utf_mblen((unsigned char *) to);
	}
	*to = '\0';
	return result;
}

bool
pg_verify_mbstr(int encoding, const char *mbstr, int len, bool noError)
{
	return pg_encoding_verifymbstr(encoding, mbstr, len) == len;
}

/* The front end's version, which returns memory of malloc. */
extern pg_wchar *__real_unicode_normalize(UnicodeNormalizationForm form,
										  const pg_wchar *input);
extern pg_wchar *__wrap_unicode_normalize(UnicodeNormalizationForm form,
										  const pg_wchar *input);

pg_wchar *
__wrap_unicode_normalize(UnicodeNormalizationForm form, const pg_wchar *input)
{
	pg_wchar   *found = __real_unicode_normalize(form, input);
	pg_wchar   *result;
	Size		size = sizeof(pg_wchar);

	for (const pg_wchar *p = found; *p != 0; p++)
		size += sizeof(pg_wchar);
	result = memcpy(palloc(size), found, size);
	free(found);
	return result;
}

/* ------------------------------------------------------------------------
 * The harness
 * ------------------------------------------------------------------------ */

const StubError *
stub_run(void (*body) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	sigjmp_buf *outer = PG_exception_stack;
	sigjmp_buf	here;
	const StubError *result = NULL;

	if (sigsetjmp(here, 0) == 0)
	{
		PG_exception_stack = &here;
		body(arg);
	}
	else
	{
		close_files();
		result = &error;
	}
	PG_exception_stack = outer;
	CurrentMemoryContext = context;
	return result;
}

bool
stub_expect(int sqlstate, const char *part, void (*body) (void *arg), void *arg)
{
	const StubError *found = stub_run(body, arg);

	if (found == NULL && sqlstate == 0)
		return true;
	if (found == NULL)
		printf("# no error, but expected one with \"%s\"\n", part);
	else if (found->sqlstate == sqlstate && strstr(found->message, part) != NULL)
		return true;
	else
		printf("# error: %s; expected: \"%s\"\n", found->message,
			   sqlstate == 0 ? "none" : part);
	return false;
}

int
stub_reset(void)
{
	CurrentMemoryContext = TopTransactionContext;
	MemoryContextReset(TopTransactionContext);
	return close_files();
}
