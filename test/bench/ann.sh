#!/bin/bash
#
# vecsearch, pgvector and hnswlib side by side: build time, index size, and
# queries per second against recall@10, one client, prepared statement, binary
# parameters, warm cache.
#
# usage: test/bench/ann.sh [--data FOLDER] [--metric cosine|l2|ip]
#			[--embeddings] [--random DIMENSIONS ROWS] [--ef "EF ..."]
#			[pgvector|vecsearch|hnswlib]...
#
# Without options: all three on 340,479 GloVe vectors of 100 dimensions, with
# 1,000 more as queries.  FOLDER holds base.fvecs and query.fvecs; --embeddings
# takes 100,000 sentences in the 512 dimensions of the project's own encoder.
#
# Of an engine that is not named, the figures of an earlier run on the same data
# appear in the report.  servers.sh tells of the server and the scratch folder.

# shellcheck source=test/bench/servers.sh
. "$(dirname "$0")/servers.sh"

metric=cosine
source=(glove)
efs="10 20 30 40 60 80 120 160 240 320 400 500 640 800 1000"
engines=()

read_options()
{
	while [ $# -gt 0 ]; do
		case $1 in
			--data) source=(folder "$2"); shift ;;
			--embeddings) source=(embeddings) ;;
			--metric) metric=$2; shift ;;
			--random) source=(random "$2" "$3"); shift 2 ;;
			--ef) efs=$2; shift ;;
			pgvector | vecsearch | hnswlib) engines+=("$1") ;;
			*) sed -n '3,18s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
		esac
		shift
	done
	if [ ${#engines[@]} -eq 0 ]; then
		engines=(hnswlib pgvector vecsearch)
	fi
}

# measure ENGINE: to the files $out-ENGINE.build and .curves
measure()
{
	local to=$out-$1

	if [ "$1" = hnswlib ]; then
		say "hnswlib"
		# shellcheck disable=SC2086
		alone "$bench/bin/yardstick" "$metric" "$data/base.fvecs" \
			"$data/query.fvecs" "$data/truth-$metric.ivecs" $efs >"$to.part"
		sed -n 's/^build/hnswlib/p' "$to.part" | tee "$to.build"
		sed '/^build/d' "$to.part" | tee "$to.curves"
		rm "$to.part"
		return
	fi
	new_table "$1" "$data/base.fvecs"
	build_index "$1" "$metric"
	printf '%s\t%s\t%s\n' "$1" "$seconds" "$bytes" | tee "$to.build"
	say "$1: queries"
	# shellcheck disable=SC2086
	curve "$1" "$metric" "$data" 2 $efs | tee "$to.curves"
}

# In a function, so that the file may change while it runs.
main()
{
	local engine

	read_options "$@"
	need_engines "${engines[@]}"
	"data_${source[0]}" "${source[@]:1}"
	need_truth "$metric"
	out=$bench/$(basename "$data")-$metric
	for engine in "${engines[@]}"; do
		measure "$engine"
	done
	cat "$out"-*.build >"$out.build"
	cat "$out"-*.curves >"$out.curves"
	node "$here/report.js" "$out.build" "$out.curves" "$out.svg"
	if [ "${source[0]}" = glove ] && [ ${#engines[@]} -eq 3 ]; then
		cp "$out.svg" "$here/ann.svg"
	fi
}

main "$@"
exit
