#!/bin/bash
#
# Rules of the tree that no compiler checks.  Prints what breaks them.

set -euo pipefail
cd "$(dirname "$0")/.."
status=0

# forbid WHY PATTERN ALLOWED PATH...: complain about lines in C files under
# PATH that match PATTERN and not ALLOWED; lines are FILE:NUMBER:TEXT
forbid()
{
	local why=$1 pattern=$2 allowed=$3 found
	shift 3

	found=$(grep -rnE --include='*.[ch]' "$pattern" "$@" |
		grep -vE "$allowed" || true)
	if [ -n "$found" ]; then
		printf '%s:\n%s\n' "$why" "$found"
		status=1
	fi
}

# Who may include whom: kernel <- type, support <- features, never back or
# sideways.
ours='#include "(kernel|type|support|hnsw|filter|lda|embed|geo|code|compat|vecsearch)[/.]'
forbid "kernel knows only itself and C" '#include "' '"kernel/' src/kernel
for folder in type support hnsw filter lda embed geo code; do
	[ -d "src/$folder" ] || continue
	case $folder in
		type) may='kernel|type' ;;
		support) may='support' ;;
		filter) may='hnsw|filter' ;;
		geo | code) may="kernel|support|$folder" ;;
		*) may="kernel|type|support|$folder" ;;
	esac
	forbid "src/$folder may include only ($may)/ and compat.h" "$ours" \
		"\"(($may)/|compat\\.h|vecsearch\\.h)" "src/$folder"
done
forbid "hnsw sees types only through type/metric.h" \
	'#include "type/' '"type/metric\.h"' src/hnsw
forbid "server versions are told apart only in compat.h" \
	'\bPG_VERSION_NUM\b' '^src/compat\.h:' src

# What would work on one machine only.
hosts='registry\.npmjs|deb\.debian|pypi\.org|crates\.io'
found=$(grep -rnIE "(^|[^[:alnum:]_.])/(work|root|home)/|$hosts" . \
	--exclude-dir=.git --exclude=.git --exclude-dir=results --exclude-dir=tmp_check \
	--exclude='*.o' --exclude='*.bc' --exclude=lint.sh || true)
if [ -n "$found" ]; then
	printf 'paths or hosts of one machine:\n%s\n' "$found"
	status=1
fi
exit $status
