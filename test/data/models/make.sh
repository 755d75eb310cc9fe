#!/bin/bash
#
# Makes the models of this folder and what they must give: runs make.py with
# the packages that it needs.

# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../../cluster.sh"
# shellcheck source=test/packages.sh
. "$vs_root/test/packages.sh"

need_packages python3-numpy python3-torch sentencepiece
need_npm
vs_scratch=$(mktemp -d)
trap 'rm -rf "$vs_scratch"' EXIT
npm_in "$vs_scratch" install --ignore-scripts --no-save \
	@anush008/tokenizers@0.6.0 "@anush008/tokenizers-linux-x64-gnu@0.6.0" ||
	{ cat "$vs_scratch/npm.log" >&2; exit 1; }
NODE_PATH=$vs_scratch/node_modules /usr/bin/python3 -B \
	"$vs_root/test/data/models/make.py" "$@"
