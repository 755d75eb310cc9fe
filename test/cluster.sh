#!/bin/bash
#
# A private PostgreSQL: a copy of the installed server that can be installed
# into without rights, and one cluster in it.  Nothing outside its scratch
# folder is touched, so several can run at once.
#
#	eval "$(test/cluster.sh start)"		build, install, start; sets PGHOST, ...
#	make installcheck
#	test/cluster.sh install			build and install again
#	test/cluster.sh stop			stop it and remove its scratch folder
#
# Other scripts source this file for its functions.  Servers refuse to run as
# root; then the user "postgres" owns the scratch folder and all that runs.

set -euo pipefail

vs_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
vs_port=54321

# What make was told on its command line is in the environment too; in
# MAKEFLAGS it would beat the PG_CONFIG of the private server.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

say()
{
	printf '== %s\n' "$*" >&2
}

# new_scratch NAME: makes a scratch folder; sets vs_scratch, vs_owner
new_scratch()
{
	vs_scratch=$(mktemp -d "${VS_SCRATCH:-/tmp}/vecsearch-$1.XXXXXX")
	vs_owner=$(id -un)
	if [ "$vs_owner" = root ]; then
		vs_owner=postgres
	fi
	chmod 755 "$vs_scratch"
	give "$vs_scratch"
	if [ "${#vs_scratch}" -gt 80 ]; then
		echo "VS_SCRATCH is too long for a socket's name" >&2
		return 1
	fi
}

# give PATH...: make the owner of the cluster own them
give()
{
	if [ "$vs_owner" != "$(id -un)" ]; then
		chown -R "$vs_owner": "$@"
	fi
}

# as_owner COMMAND...: run it as the owner of the cluster
as_owner()
{
	if [ "$vs_owner" = "$(id -un)" ]; then
		"$@"
	else
		runuser -u "$vs_owner" -- env --chdir="$vs_scratch" \
			HOME="$vs_scratch" TMPDIR="$vs_scratch" "$@"
	fi
}

# copy_tree: the sources, without what was built, to vs_scratch/tree
copy_tree()
{
	vs_tree=$vs_scratch/tree
	mkdir -p "$vs_tree"
	tar -C "$vs_root" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' --exclude=./results --exclude=./tmp_check . |
		tar -C "$vs_tree" -xf -
	give "$vs_tree"
}

# private_server: copies the server.  A PostgreSQL program finds its folders
# from where it is itself, so programs are copied and all else is linked.
private_server()
{
	local real dir to

	real=${PG_CONFIG:-pg_config}
	for dir in bindir pkglibdir sharedir includedir-server; do
		to=$vs_scratch$("$real" "--$dir")
		mkdir -p "$(dirname "$to")"
		case $dir in
			bindir) cp -r "$("$real" --bindir)" "$to" ;;
			*) cp -rs "$("$real" "--$dir")" "$to" ;;
		esac
		find "$to" -name 'vecsearch*' -prune -exec rm -rf {} +
	done
	# Headers that are not below the server's, such as libpq's.
	cp -rsn "$("$real" --includedir)" \
		"$(dirname "$vs_scratch$("$real" --includedir)")"
	PG_CONFIG=$vs_scratch$("$real" --bindir)/pg_config
	PATH=$(dirname "$PG_CONFIG"):$PATH
	export PG_CONFIG PATH
	give "$vs_scratch"
}

# cluster_init: a new cluster in vs_scratch/data; sets PGHOST and the like and
# writes all that to vs_scratch/settings, for a shell to read
cluster_init()
{
	as_owner initdb -D "$vs_scratch/data" -U postgres -A trust -E UTF8 \
		--locale=C.UTF-8 --no-sync >"$vs_scratch/initdb.log"
	cat >>"$vs_scratch/data/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$vs_scratch'
		port = $vs_port
		shared_buffers = 256MB
		max_wal_size = 4GB
		fsync = off
	END
	PGHOST=$vs_scratch PGPORT=$vs_port PGUSER=postgres
	export PGHOST PGPORT PGUSER
	unset PGDATABASE PGOPTIONS PGSERVICE PGDATA
	printf 'export %s=%q\n' VS_CLUSTER "$vs_scratch" PGHOST "$PGHOST" \
		PGPORT "$PGPORT" PGUSER "$PGUSER" PG_CONFIG "$PG_CONFIG" PATH "$PATH" \
		>"$vs_scratch/settings"
}

cluster_start()
{
	as_owner pg_ctl -D "$vs_scratch/data" -l "$vs_scratch/server.log" -w \
		start </dev/null >"$vs_scratch/pg_ctl.log" || {
		tail -n 20 "$vs_scratch/server.log" >&2
		return 1
	}
}

cluster_stop()
{
	if [ -f "$vs_scratch/data/postmaster.pid" ]; then
		as_owner pg_ctl -D "$vs_scratch/data" -m fast -w stop >/dev/null
	fi
}

# build_and_install TREE
build_and_install()
{
	as_owner make -s --no-print-directory -C "$1" -j"$(nproc)" all
	as_owner make -s --no-print-directory -C "$1" install
}

#
# What the command line can ask for.  The running cluster's folder is found
# again through VS_CLUSTER, which "start" prints among the other settings.
#
cli_start()
{
	new_scratch cluster
	{
		private_server
		copy_tree
		build_and_install "$vs_tree"
		cluster_init
		cluster_start
	} >&2
	cat "$vs_scratch/settings"
}

cli_find()
{
	vs_scratch=${VS_CLUSTER:?is not set: use eval on what start prints}
	vs_owner=$(stat -c %U "$vs_scratch")
	# shellcheck source=/dev/null
	. "$vs_scratch/settings"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	case ${1:-} in
		start)
			cli_start
			;;
		install)
			cli_find
			copy_tree
			build_and_install "$vs_tree"
			;;
		stop)
			cli_find
			cluster_stop
			rm -rf "$vs_scratch"
			;;
		*)
			echo "usage: test/cluster.sh start | install | stop" >&2
			exit 2
			;;
	esac
fi
