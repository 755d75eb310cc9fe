# vecsearch: builds with PGXS.  "make help" lists what can be made.

EXTENSION = vecsearch
MODULE_big = vecsearch

# The control file is the only home of the version.
VS_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" vecsearch.control)

SRCS := $(sort $(wildcard src/*.c src/*/*.c))
OBJS := $(SRCS:.c=.o)
VS_HEADERS := $(wildcard src/*.h src/*/*.h)

SQL_PARTS := $(sort $(wildcard sql/install/*.sql))
DATA_built = sql/$(EXTENSION)--$(VS_VERSION).sql
DATA := $(sort $(wildcard sql/upgrade/*.sql))

# What pg_regress may and may not be told, in servers 13 to 18: never
# --expecteddir (13 to 15 refuse it), never --outputdir (13 to 15 would look
# there for the expected files).  The isolation driver, on the other hand,
# needs --outputdir to find them at all.
names_of = $(sort $(basename $(notdir $(wildcard $(1)))))
REGRESS := $(call names_of,test/sql/*.sql)
REGRESS_OPTS = --inputdir=test --load-extension=$(EXTENSION)
# "make installcheck REGRESS=vector" runs just that one test.
ifneq ($(origin REGRESS),command line)
ISOLATION := $(call names_of,test/specs/*.spec)
endif
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)
PROVE_TESTS = $(sort $(wildcard test/t/*.pl))
EXTRA_CLEAN = results tmp_check output_iso tmp_check_iso \
	regression.diffs regression.out

# Callbacks have the parameters that the server wants, used or not.  The
# server's own headers do not pass -Wextra, hence -isystem for them (a folder
# named by both -I and -isystem counts as a system folder).  WERROR= builds
# with a compiler that knows warnings we have not met.
WERROR ?= -Werror
WARNINGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter
PG_CFLAGS = $(WARNINGS)
PG_CPPFLAGS = -I$(srcdir)/src -isystem $(includedir_server) \
	-DVS_VERSION='"$(VS_VERSION)"'
SHLIB_LINK = -lm

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
# Debian has PGXS in the package of the client: the headers are what tells.
SERVER_HEADER := $(wildcard $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h)

# Debian's 13 comes without the driver of isolation tests.
ifeq ($(wildcard $(dir $(PGXS))../test/isolation/pg_isolation_regress),)
ifneq ($(filter installcheck isolation,$(MAKECMDGOALS)),)
$(info This server has no driver for isolation tests; they are left out.)
endif
ISOLATION :=
endif

# These goals are scripts.  They need no server headers, install what is
# missing, and call make again for the rest.  PGXS stays out while one of them
# is made, for it has a "check" of its own.
SCRIPT_GOALS = help deps check demo model bench bench-hnsw bench-embed bench-lda lint \
	unitcheck indent indent-check
WANTED_SCRIPTS := $(filter $(SCRIPT_GOALS),$(MAKECMDGOALS))

ifneq ($(WANTED_SCRIPTS),)

.PHONY: $(MAKECMDGOALS)
.NOTPARALLEL:

help:
	@sed -n 's/^#: //p' Makefile

#: all (the default)   build the library and the install script
#: install             put them where the server finds them
#: installcheck        SQL tests and isolation tests against a running server
#: isolation           the isolation tests alone
#: tapcheck            TAP tests; they start servers of their own
#: clang-check         compile every file with the server's clang
deps: ;         @bash test/deps.sh
#: deps                install the Debian packages that building and testing need
check: ;        @bash test/check.sh
#: check               build and run every test on private servers
demo: ;         @bash test/demo/demo.sh
#: demo                embed the packages of Debian, find their topics, search them
model: ;        @bash test/model/model.sh $(MODEL_FOLDER)
#: model               fetch an embedding model and register it as use-lite
#:                     (in the database psql connects to; MODEL_FOLDER=... keeps it)
bench: ;        @bash test/bench/ann.sh
#: bench               vectors and indexes: compare with pgvector and hnswlib
bench-hnsw: ;   @bash test/bench/hnsw.sh
#: bench-hnsw          indexes: builds, clients, little memory, growth, sizes, writes
bench-embed: ;  @bash test/bench/embed.sh
#: bench-embed         embeddings: speed, exactness, quality; compare with PyTorch
bench-lda: ;    @bash test/bench/lda.sh
#: bench-lda           topic models: quality, speed; compare with gensim, scikit-learn
lint: ;         @bash test/lint.sh
#: lint                layering and portability rules
unitcheck: ;    @bash test/unit.sh
#: unitcheck           unit tests of the pure C parts, with sanitizers
indent: ;       @bash test/indent.sh
#: indent              format the C files
indent-check: ; @bash test/indent.sh --check
#: indent-check        fail if "make indent" would change anything

OTHER_GOALS := $(filter-out $(SCRIPT_GOALS),$(MAKECMDGOALS))
ifneq ($(OTHER_GOALS),)
$(OTHER_GOALS): ; @$(MAKE) --no-print-directory $@
endif

else ifeq ($(and $(PGXS),$(SERVER_HEADER)),)

$(or $(MAKECMDGOALS),all):
	@echo "the PostgreSQL server headers are missing; run: make deps" >&2
	@exit 1

else

include $(PGXS)

# Only loops over arrays gain from these.  Nothing here lets the compiler
# reassociate sums: kernel files do that by hand where it is meant.
src/kernel/%.o: override CFLAGS += -O3 -fno-math-errno \
	$(CFLAGS_VECTOR) $(CFLAGS_VECTORIZE) $(CFLAGS_UNROLL_LOOPS)

# PGXS tracks no headers on Debian.
$(OBJS) $(OBJS:.o=.bc): $(VS_HEADERS) vecsearch.control

$(DATA_built): $(SQL_PARTS) vecsearch.control
	cat $(SQL_PARTS) > $@

.PHONY: isolation tapcheck clang-check

isolation: submake
ifneq ($(ISOLATION),)
	$(pg_isolation_regress_installcheck) $(ISOLATION_OPTS) $(ISOLATION)
endif

tapcheck: PG_PROVE_FLAGS += -I $(srcdir)/test/lib
tapcheck:
	$(if $(PROVE_TESTS),$(prove_installcheck))

clang-check:
	set -e; for f in $(SRCS); do \
		$(CLANG) $(BITCODE_CFLAGS) -fPIC $(WARNINGS) $(CPPFLAGS) \
			-c -o /dev/null $$f; \
	done

endif
