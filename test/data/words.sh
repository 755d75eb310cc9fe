#!/bin/bash
#
# Makes words.tsv: the 1,200 most frequent words of three letters and more,
# elements rounded to two decimals.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

vs_scratch=$(mktemp -d)
trap 'rm -rf "$vs_scratch"' EXIT
fetch_words "$vs_scratch"
words_json "$vs_scratch" | node "$vs_root/test/data/words.js" copy |
	awk -F '\t' '$2 ~ /^[a-z][a-z][a-z]+$/' | sort -n |
	awk -F '\t' -v OFS='\t' 'NR <= 1200 {
		n = split(substr($3, 2, length($3) - 2), x, ",")
		list = ""
		for (i = 1; i <= n; i++) {
			number = sprintf("%.2f", x[i]) + 0
			sub(/^0\./, ".", number)
			sub(/^-0\./, "-.", number)
			list = list (i > 1 ? "," : "") number
		}
		print $1, $2, "[" list "]"
	}' >"$vs_root/test/data/words.tsv"
