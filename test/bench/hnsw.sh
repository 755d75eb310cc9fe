#!/bin/bash
#
# More about the indexes of vecsearch and pgvector, side by side.
#
# usage: test/bench/hnsw.sh [--embeddings]
#			[build|clients|memory|growth|sizes|writes|churn]... [pgvector|vecsearch|hnswlib]...
#
#	build		seconds with and without a worker beside the leader, size, recall
#	clients		latencies at recall .95; two clients against one
#	memory		buffers of a quarter of the index: pages read, latencies
#	growth		queries a second at recall .95 against the number of rows
#	sizes		bytes of the index at several dimensions
#	writes		inserts and updates a second, one client and two
#	churn		recall, bytes and seconds while half of 50,000 rows are deleted, and
#				inserted again after VACUUM, five times
#
# Without a choice: all parts with the two extensions.  hnswlib knows growth
# only.  The data is GloVe's, or 100,000 sentences with --embeddings.  A part
# that was measured before is measured anew; the report has the latest of each.
# servers.sh tells of the server and the scratch folder.

# Parts are called by their names.
# shellcheck disable=SC2317
# shellcheck source=test/bench/servers.sh
. "$(dirname "$0")/servers.sh"

figures=$bench/hnsw
metric=cosine
mark=.95
efs=(10 15 20 30 40 55 70 90 120 160 200 250 320 400 500)
source=glove
parts=()
engines=()

read_options()
{
	while [ $# -gt 0 ]; do
		case $1 in
			--embeddings) source=embeddings ;;
			build | clients | memory | growth | sizes | writes | churn) parts+=("$1") ;;
			pgvector | vecsearch | hnswlib) engines+=("$1") ;;
			*) sed -n '3,20s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
		esac
		shift
	done
	if [ ${#parts[@]} -eq 0 ]; then
		parts=(build clients memory growth sizes writes churn)
	fi
	if [ ${#engines[@]} -eq 0 ]; then
		engines=(pgvector vecsearch)
	fi
}

# need_index ENGINE: on all rows of data, unless it is there; sets bytes
need_index()
{
	if [ "${indexed[$1]:-}" != "$data" ]; then
		new_table "$1" "$data/base.fvecs"
		VS_ALONE='' build_index "$1" "$metric" 1
		indexed[$1]=$data
	fi
	bytes=$(sql -d "$1" -c "SELECT pg_relation_size('item_v')")
}

# Every part_... prints lines of tab-separated values for one engine.

# WORKERS SECONDS BYTES, then EF RECALL of each point
part_build()
{
	local workers

	new_table "$1" "$data/base.fvecs"
	for workers in 0 1; do
		build_index "$1" "$metric" "$workers"
		printf '%s\t%s\t%s' "$workers" "$seconds" "$bytes"
		VS_ALONE='' curve "$1" "$metric" "$data" 2 40 100 | cut -f 2,3 |
			while read -r line; do
				printf '\t%s' "$line"
			done
		printf '\n'
	done
	indexed[$1]=$data
}

# "curve" and a line of ann.c; "clients" and EF CLIENTS QUERIES/S
part_clients()
{
	local line

	need_index "$1"
	while read -r line; do
		printf 'curve\t%s\n' "$line"
	done < <(curve "$1" "$metric" "$data" "$mark" "${efs[@]}" | cut -f 2- |
		tee "$figures/points")
	alone "$bench/bin/ann" clients "$(conninfo "$1")" item "$metric" \
		"$data/query.fvecs" "$data/truth-$metric.ivecs" clients \
		"$(tail -n 1 "$figures/points" | cut -f 1)" 1 2
}

# A line of ann.c, then pages a query: READ of the index, READ of the table,
# FOUND, and the MB of the index and of the buffers.  With direct I/O nothing
# but the server's buffers keeps pages.
part_memory()
{
	local all=$data few ef line buffers

	data_subset "$all" "$(rows_of "$all/base.fvecs")" 100
	need_truth "$metric"
	few=$data data=$all
	need_index "$1"
	buffers=$((bytes / 4 / 8192))
	restart_server "shared_buffers = $buffers" "debug_io_direct = data" \
		"shared_preload_libraries = pg_stat_statements"
	sql -d "$1" -c "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"
	for ef in 20 40 80 120 160 240 320 480; do
		sql -d "$1" -c "SELECT pg_stat_reset(), pg_stat_statements_reset()" \
			>/dev/null
		line=$(curve "$1" "$metric" "$few" 2 "$ef")
		# A backend tells its counts when it ends.
		sleep 1
		printf '%s\t%s\t%s\t%s\n' "$(cut -f 2- <<<"$line")" \
			"$(sql -d "$1" -F $'\t' -f "$here/pages.sql")" \
			"$((bytes / 1000000))" "$((buffers * 8192 / 1000000))"
		if reached "$line" "$mark"; then
			break
		fi
	done
	restart_server
}

# ROWS and a line of ann.c
part_growth()
{
	local all=$data all_rows rows

	all_rows=$(rows_of "$all/base.fvecs")
	for rows in 50000 100000 200000; do
		if [ "$rows" -lt "$all_rows" ]; then
			data_subset "$all" "$rows"
			need_truth "$metric"
			growth_point "$1" "$rows"
		fi
	done
	data=$all
	growth_point "$1" "$all_rows"
}

# growth_point ENGINE ROWS: the curve of data
growth_point()
{
	if [ "$1" = hnswlib ]; then
		alone "$bench/bin/yardstick" "$metric" "$data/base.fvecs" \
			"$data/query.fvecs" "$data/truth-$metric.ivecs" "${efs[@]}" |
			sed "/^build/d; s/^[a-z]*/$2/"
	else
		need_index "$1"
		curve "$1" "$metric" "$data" "$mark" "${efs[@]}" | sed "s/^[a-z]*/$2/"
	fi
}

# DIMENSIONS ROWS BYTES
part_sizes()
{
	local all=$data dim

	for dim in 100 384 512 768 1536; do
		data_random "$dim" 20000
		need_index "$1"
		printf '%s\t%s\t%s\n' "$dim" 20000 "$bytes"
	done
	data=$all
}

# KIND CLIENTS BATCH ROWS/S
part_writes()
{
	local all=$data rows=4000 next=0 clients batch

	data_subset "$all" "$(($(rows_of "$all/base.fvecs") - 4 * rows))"
	need_index "$1"
	indexed[$1]=changed
	for batch in 1 1000; do
		for clients in 1 2; do
			measure_writes "$1" insert "$next" "$rows" "$clients" "$batch"
			next=$((next + rows))
		done
	done
	# Indexes on what an update changes: each new version needs an entry.
	sql -d "$1" -c "ALTER TABLE item ADD note int NOT NULL DEFAULT 0" \
		-c "CREATE INDEX ON item (id)" -c "CREATE INDEX ON item (note)" \
		-c "ANALYZE item"
	for clients in 1 2; do
		measure_writes "$1" update $(((clients - 1) * rows)) "$rows" "$clients" 1
	done
	data=$all
}

# measure_writes ENGINE KIND FROM ROWS CLIENTS BATCH
measure_writes()
{
	sql -d "$1" -c CHECKPOINT
	printf '%s\t%s\t%s\t%s\n' "$2" "$5" "$6" \
		"$(alone "$bench/bin/writes" "$2" "$(conninfo "$1")" item \
			"$data/others.fvecs" "$3" "$4" "$5" "$6")"
}

# seconds_of ENGINE SQL
seconds_of()
{
	alone psql -XqAt -v ON_ERROR_STOP=1 -d "$(conninfo "$1")" -c '\timing on' \
		-c "$2" | awk '/^Time:/ { printf "%.1f", $2 / 1000 }'
}

# ROUND BYTES DELETE VACUUM INSERT, then EF RECALL of each point.  The rows at
# the end of a round are those at its beginning, so the exact answers stay.
part_churn()
{
	local all=$data round half

	data_subset "$all" 50000
	need_truth "$metric"
	new_table "$1" "$data/base.fvecs"
	sql -d "$1" -c "ALTER TABLE item SET (autovacuum_enabled = off)" \
		-c "CREATE TABLE source AS SELECT * FROM item"
	build_index "$1" "$metric"
	churn_point "$1" 0 0 0 0
	for round in 1 2 3 4 5; do
		half="hashint4extended(id, $round) % 2 = 0"
		sql -d "$1" -c CHECKPOINT
		churn_point "$1" "$round" \
			"$(seconds_of "$1" "DELETE FROM item WHERE $half")" \
			"$(seconds_of "$1" "VACUUM item")" \
			"$(seconds_of "$1" "INSERT INTO item SELECT * FROM source WHERE $half")"
	done
	indexed[$1]=changed
	data=$all
}

# churn_point ENGINE ROUND DELETE VACUUM INSERT
churn_point()
{
	printf '%s\t%s\t%s\t%s\t%s' "$2" \
		"$(sql -d "$1" -c "SELECT pg_relation_size('item_v')")" "$3" "$4" "$5"
	curve "$1" "$metric" "$data" 2 40 80 160 | cut -f 2,3 |
		while read -r line; do
			printf '\t%s' "$line"
		done
	printf '\n'
}

# In a function, so that the file may change while it runs.
main()
{
	local part engine to
	declare -gA indexed

	read_options "$@"
	mkdir -p "$figures"
	need_engines "${engines[@]}"
	"data_$source"
	need_truth "$metric"
	for part in "${parts[@]}"; do
		for engine in "${engines[@]}"; do
			if [ "$engine" = hnswlib ] && [ "$part" != growth ]; then
				continue
			fi
			say "$part: $engine"
			to=$figures/$part-$source-$engine
			if [ "$part" = sizes ]; then
				to=$figures/$part-random-$engine
			fi
			# Not in a pipe: what it sets is to stay.
			"part_$part" "$engine" >"$to.part"
			mv "$to.part" "$to.tsv"
			cat "$to.tsv"
		done
	done
	node "$here/hnsw_report.js" "$figures" "$here/growth.svg"
}

main "$@"
exit
