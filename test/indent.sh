#!/bin/bash
#
# Formats the C files as PostgreSQL's are (package pg-bsd-indent).
#
# usage: test/indent.sh [--check | --typedefs]
#	--check		change nothing, show what would change, fail if anything would
#	--typedefs	write src/typedefs.list anew: it tells the formatter which
#				words are types (needs the server's headers)

set -euo pipefail
cd "$(dirname "$0")/.."

options=(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4
	-l79 -lp -lpl -nip -npro -sac -tpg -ts4 -Usrc/typedefs.list)
mapfile -t files < <(find src test -name '*.[ch]' | sort)

words()
{
	grep -ohE '[[:alpha:]_][[:alnum:]_]*' "${files[@]}" | sort -u
}

# Our own types and C's are known by their names, the server's are looked up.
typedefs()
{
	local headers

	headers=$(pg_config --includedir-server)
	{
		words | grep -E '^(Vs[A-Z].*|[a-z0-9_]+_t|__m[0-9]+[di]?|__mmask[0-9]+|FILE|bool)$'
		sed -nE 's/^\} *([[:alnum:]_]+);.*/\1/p' "${files[@]}"
		grep -rhE '^\}|^typedef' "$headers" "$(pg_config --includedir)/libpq-fe.h" |
			sed -nE 's/^\} *([[:alnum:]_]+);.*/\1/p
				s/^typedef .*\(\*([[:alnum:]_]+)\).*/\1/p
				s/^typedef [^(;]*[ *]([[:alnum:]_]+) ?(\(.*|\[.*)?;?.*/\1/p' |
			grep -xF -f <(words) || true
	} | grep -vxE 'typedef|struct|enum|union|a|b|c|i|n|color|index|uint|string|text' |
		LC_ALL=C sort -u
}

# format FILE: to standard output.  The formatter does not know hexadecimal
# floats (0x1.8p-23); they pass it as words of the same length.  And it takes
# the star of a function's return type for one of a variable.
format()
{
	perl -pe 's/\b0x([\da-f]+\.?[\da-f]*p-?\d+)/"Zx" . $1 =~ tr:.-:QM:r/gie' "$1" |
		pg_bsd_indent "${options[@]}" |
		perl -pe 's/\bZx([\da-f]+Q?[\da-f]*pM?\d+)/"0x" . $1 =~ tr:QM:.-:r/gie;
			s/^([a-z_]\S*)\s+\*$/$1 */i'
}

case ${1:-} in
	--typedefs)
		typedefs >src/typedefs.list.new
		mv src/typedefs.list.new src/typedefs.list
		;;
	--check)
		status=0
		for file in "${files[@]}"; do
			# shellcheck disable=SC2094
			format "$file" |
				diff -u --label "$file" --label formatted "$file" - || status=1
		done
		exit $status
		;;
	'')
		scratch=$(mktemp)
		trap 'rm -f "$scratch"' EXIT
		for file in "${files[@]}"; do
			format "$file" >"$scratch"
			cmp -s "$scratch" "$file" || cat "$scratch" >"$file"
		done
		;;
	*)
		sed -n '3,9s/^# \{0,1\}//p' "$0" >&2
		exit 2
		;;
esac
