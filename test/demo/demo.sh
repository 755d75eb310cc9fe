#!/bin/bash
#
# Shows vecsearch on the packages of Debian: builds it, starts a private server
# that stays up, makes the default model, and runs demo.sql, which embeds the
# short descriptions of all packages and searches them by meaning, and finds the
# topics of the whole descriptions.  Installs the packages that are missing.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"
# shellcheck source=test/model/model.sh
. "$vs_root/test/model/model.sh"

# prepare_model: the folder of a model, in model; its name, in model_name
prepare_model()
{
	model=$vs_scratch/use-lite
	model_name=use-lite
	if ! make_model "$model"; then
		say "showing the steps with a tiny model instead; what that finds means nothing"
		model=$vs_tree/test/data/models/use-lite
		model_name=tiny
	fi
}

# prepare_texts: the whole descriptions in texts, or else the short ones
prepare_texts()
{
	texts=$vs_scratch/texts
	if ! debian_texts "$texts"; then
		say "no whole descriptions: the topics are those of the short ones"
		texts=$packages
	fi
}

# In a function, so that the file may change while it runs.
main()
{
	local start=$SECONDS

	say "packages"
	need_server
	need_packages gcc libc6-dev make
	need_npm
	new_scratch demo
	say "building, in $vs_scratch"
	copy_tree
	private_server
	build_and_install "$vs_tree" >/dev/null
	packages=$vs_scratch/packages
	report=$vs_scratch/topics.html
	export packages texts
	debian_packages "$packages" || {
		echo "the lists of Debian's packages cannot be fetched" >&2
		return 1
	}
	prepare_texts
	prepare_model
	cluster_init
	cat >>"$vs_scratch/data/postgresql.conf" <<-END
		shared_buffers = 1GB
		maintenance_work_mem = 1GB
	END
	say "starting a server"
	cluster_start
	psql -Xq -d postgres -c "CREATE DATABASE demo"
	psql -Xq -d demo -v ON_ERROR_STOP=1 -v model="$model" \
		-v name="$model_name" -v report="$report" <"$vs_root/test/demo/demo.sql"

	cat <<END
That took $((SECONDS - start)) s in all.  To see all topics, open in a browser:
  $report
The server is still up.  To go on:
  psql -h $PGHOST -p $PGPORT -U $PGUSER demo
To stop it and remove all its files:
  VS_CLUSTER=$vs_scratch test/cluster.sh stop
END
}

main "$@"
exit
