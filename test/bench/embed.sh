#!/bin/bash
#
# Embeddings: how fast, how exact, and how good they are.
#
# usage: test/bench/embed.sh [--reference FILE] [kernel|torch|speed|memory|quality|accuracy]...
#
#	kernel		loops and whole encoders without a server, against the peak of the core
#	torch		the same shapes with PyTorch on one core, and the ratios
#	speed		through SQL: embed(), embed_table with one worker and with two
#	memory		of a backend that uses a model; time of its first call
#	quality		do packages of one section lie together? against TF-IDF
#	accuracy	against an independent implementation, and against FILE: a JSON
#				array of { text, ids, embedding } from the original software
#
# Without a choice: all of them.  Data is kept in
# ${VS_BENCH:-/tmp/vecsearch-bench}; the server is a private one.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"
# shellcheck source=test/model/model.sh
. "$vs_root/test/model/model.sh"

bench=${VS_BENCH:-/tmp/vecsearch-bench}
here=$vs_root/test/bench
reference=${VS_REFERENCE:-}
parts=()

read_options()
{
	while [ $# -gt 0 ]; do
		case $1 in
			--reference) reference=$2; shift ;;
			kernel | torch | speed | memory | quality | accuracy) parts+=("$1") ;;
			*) sed -n '3,18s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
		esac
		shift
	done
	if [ ${#parts[@]} -eq 0 ]; then
		parts=(kernel torch speed memory quality accuracy)
	fi
}

wants()
{
	[[ " ${parts[*]} " == *" $1 "* ]]
}

# As the Makefile compiles the loops.
bench_kernel()
{
	say "kernels"
	mkdir -p "$bench/bin"
	gcc -O3 -fno-math-errno -I"$vs_root/src" -o "$bench/bin/embed_kernel" \
		"$here/embed_kernel.c" "$vs_root"/src/kernel/*.c -lm
	"$bench/bin/embed_kernel" >"$bench/embed-kernel.tsv"
	node "$here/embed_report.js" kernel "$bench/embed-kernel.tsv"
}

# What Debian's PyTorch computes with is BLAS, and the one that comes along is
# the reference implementation in Fortran.  A comparison with that would tell
# nothing, so OpenBLAS takes its place, without being installed.
fetch_openblas()
{
	if ! compgen -G "$bench/openblas/usr/lib/*/openblas-serial/libblas.so.3" \
		>/dev/null; then
		mkdir -p "$bench/openblas/archive"
		(cd "$bench/openblas/archive" &&
			quietly apt-get -q download libopenblas0-serial) || return
		dpkg -x "$bench"/openblas/archive/*.deb "$bench/openblas"
	fi
	openblas=$(dirname "$bench"/openblas/usr/lib/*/openblas-serial/libblas.so.3)
}

bench_torch()
{
	need_packages python3-torch libgfortran5
	[ -f "$bench/embed-kernel.tsv" ] || bench_kernel
	fetch_openblas
	say "PyTorch with OpenBLAS, one thread"
	OMP_NUM_THREADS=1 LD_LIBRARY_PATH=$openblas \
		/usr/bin/python3 "$here/embed_torch.py" 1 >"$bench/embed-torch.tsv"
	node "$here/embed_report.js" torch "$bench/embed-kernel.tsv" \
		"$bench/embed-torch.tsv"
}

sql()
{
	psql -Xq -v ON_ERROR_STOP=1 -d bench "$@"
}

start_server()
{
	new_scratch embed
	trap stop_server EXIT
	say "building, in $vs_scratch"
	copy_tree
	private_server
	build_and_install "$vs_tree" >/dev/null
	cluster_init
	cat >>"$vs_scratch/data/postgresql.conf" <<-END
		shared_buffers = 1GB
		maintenance_work_mem = 1GB
		autovacuum = off
		jit = off
	END
	cluster_start
	psql -Xq -d postgres -c "CREATE DATABASE bench"
	make_model "$bench/use-lite"
	[ -f "$bench/packages" ] || debian_packages "$bench/packages"
	sql -c "CREATE EXTENSION vecsearch" -v directory="$bench/use-lite"
	sql -v directory="$bench/use-lite" >/dev/null <<-'END'
		SELECT embedding_model_register('use-lite', :'directory');
		ALTER DATABASE bench SET vecsearch.embedding_model = 'use-lite';
		CREATE TABLE package (name text PRIMARY KEY, source text, section text,
			description text);
	END
	sql -c "\\copy package FROM pstdin" <"$bench/packages"
}

stop_server()
{
	cluster_stop || true
	rm -rf "$vs_scratch"
}

# A session that stays, so that the pages of the model are shared.
bench_memory()
{
	say "first calls of new backends, and their memory"
	sql -c "SELECT embed('keeps the model mapped')" -c "SELECT pg_sleep(30)" \
		>/dev/null 2>&1 &
	sleep 2
	for _ in 1 2 3 4 5 6 7; do
		sql -At -f "$here/embed_first.sql"
	done | node "$here/embed_report.js" memory
	kill "$!" 2>/dev/null || true
	wait "$!" 2>/dev/null || true
}

bench_accuracy()
{
	need_packages python3-numpy python3-torch
	say "accuracy"
	# shellcheck disable=SC2086
	cut -f 4 "$bench/packages" | shuf -n 200 --random-source="$bench/packages" |
		/usr/bin/python3 -B "$here/embed_reference.py" "$bench/use-lite" \
			${reference:+"$reference"} >"$vs_scratch/reference"
	sql -f "$here/embed_accuracy.sql" <"$vs_scratch/reference"
}

# In a function, so that the file may change while it runs.
main()
{
	read_options "$@"
	need_packages gcc libc6-dev make
	need_npm
	mkdir -p "$bench"
	chmod 755 "$bench"
	if wants kernel; then
		bench_kernel
	fi
	if wants torch; then
		bench_torch
	fi
	if wants speed || wants memory || wants quality || wants accuracy; then
		need_server
		start_server
	fi
	if wants accuracy; then
		bench_accuracy
	fi
	if wants memory; then
		bench_memory
	fi
	if wants quality; then
		say "quality"
		sql -f "$here/embed_quality.sql"
	fi
	if wants speed; then
		say "speed through SQL"
		sql -f "$here/embed_speed.sql"
	fi
}

main "$@"
exit
