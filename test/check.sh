#!/bin/bash
#
# Builds a copy of the tree and runs every test there is against private
# servers.  The last line is "N passed, N failed".  The scratch folder stays
# if anything failed.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

passed=0
failed=0

# summary: stops the server, prints the closing line, sets the exit status
summary()
{
	trap - EXIT
	if [ -n "${vs_scratch:-}" ]; then
		cluster_stop || true
		if [ -n "${VS_SMALL_DISK:-}" ]; then
			as_admin umount "$VS_SMALL_DISK" || true
		fi
		if [ "$failed" -eq 0 ]; then
			rm -rf "$vs_scratch"
		else
			echo "logs and results are in $vs_scratch"
		fi
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

# shellcheck disable=SC2317
# in_tree COMMAND...: in the copy, as the owner of the servers
in_tree()
{
	as_owner env --chdir="$vs_tree" "$@" </dev/null
}

# small_disk: mounts a tmpfs for the test of a full disk, where that is allowed
small_disk()
{
	local place=$vs_scratch/small

	mkdir "$place"
	if as_admin mount -t tmpfs -o "size=5m,mode=700,uid=$(id -u "$vs_owner")" \
		vecsearch "$place" 2>/dev/null; then
		export VS_SMALL_DISK=$place
	fi
}

# suite NAME COMMAND...: runs it and counts the tests it reports, in TAP or as
# pg_regress of 13 to 15 does.  A command that reports none is one test, and
# one that fails without reporting a failure is a failed test.
suite()
{
	local name=$1 log=$vs_scratch/$1.log status=0 good bad
	shift

	say "$name"
	"$@" >"$log" 2>&1 || status=$?
	good=$(grep -cE '^ok [0-9]|^test .*\.\.\. ok ' "$log" || true)
	bad=$(grep -E '^not ok [0-9]|^test .*\.\.\. FAILED' "$log" |
		grep -cvE '# TODO' || true)
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		bad=1
	elif [ "$good" -eq 0 ] && [ "$bad" -eq 0 ] && [ "$name" != regress ] &&
		[ "$name" != isolation ] && [ "$name" != tap ]; then
		good=1
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	echo "$name: $good passed, $bad failed"
	if [ "$bad" -gt 0 ]; then
		show_failure "$log"
		return 1
	fi
}

show_failure()
{
	local file

	grep -vE '^ok [0-9]' "$1" | tail -n 100
	# What the last TAP test said is in the two newest logs: its own and that
	# of its server.
	while read -r file; do
		if [ "$file" -nt "$vs_scratch/started" ]; then
			echo "--- $file"
			tail -n 200 "$file"
		fi
	done < <(ls "$vs_tree/regression.diffs" 2>/dev/null || true
		find "$vs_tree/tmp_check/log" -type f -printf '%T@ %p\n' 2>/dev/null |
			sort -rn | head -n 2 | cut -d ' ' -f 2-)
	touch "$vs_scratch/started"
}

# In a function, so that the file may change while it runs.
main()
{
	trap '[ "$failed" -gt 0 ] || failed=1; summary' EXIT

	bash "$vs_root/test/deps.sh"
	new_scratch check
	touch "$vs_scratch/started"
	copy_tree
	private_server

	suite lint in_tree bash test/lint.sh || true
	suite indent in_tree bash test/indent.sh --check || true
	suite unit in_tree env PROVE_FLAGS=-v bash test/unit.sh || true
	suite clang in_tree make -s clang-check || true
	if suite build build_and_install "$vs_tree"; then
		cluster_init
		cluster_start
		suite regress in_tree make -s installcheck ISOLATION= || true
		suite isolation in_tree make -s isolation || true
		small_disk
		suite tap in_tree make -s tapcheck PROVE_FLAGS=-v || true
	fi
	summary
}

main "$@"
