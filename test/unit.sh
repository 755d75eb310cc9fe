#!/bin/bash
#
# Unit tests of what needs no server: compiles src/kernel and the layout
# planner with each test/unit/NAME_test.c, with sanitizers, and runs them all.
# Where a compiler for arm64 and qemu are installed (gcc-aarch64-linux-gnu,
# qemu-user), once more for that processor.

set -euo pipefail
cd "$(dirname "$0")/.."

built=$(mktemp -d "${VS_SCRATCH:-/tmp}/vecsearch-unit.XXXXXX")
trap 'rm -rf "$built"' EXIT

warnings=(-Wall -Wextra -Werror)
sanitizers=(-fsanitize="address,undefined" -fno-sanitize-recover=all)
read -ra prove_flags <<<"${PROVE_FLAGS:-}"

# build FOLDER COMPILER OPTION...: every test, into FOLDER
build()
{
	local folder=$1 test source objects=()
	shift

	mkdir "$folder"
	for source in src/kernel/*.c src/hnsw/hnsw_layout.c; do
		objects+=("$folder/$(basename "$source" .c).o")
		"$@" "${warnings[@]}" -Isrc -c -o "${objects[-1]}" "$source"
	done
	for test in test/unit/*_test.c; do
		"$@" "${warnings[@]}" -Isrc -Itest/unit \
			-o "$folder/$(basename "$test" .c)" "$test" "${objects[@]}" -lm
	done
}

if ! compgen -G 'test/unit/*_test.c' >/dev/null; then
	echo "no unit tests"
	exit 0
fi

build "$built/native" "${CC:-gcc}" -g -O1 "${sanitizers[@]}"
prove "${prove_flags[@]}" --exec '' "$built"/native/*_test

if command -v aarch64-linux-gnu-gcc qemu-aarch64 >/dev/null; then
	build "$built/arm64" aarch64-linux-gnu-gcc -static -O2
	prove "${prove_flags[@]}" --exec qemu-aarch64 "$built"/arm64/*_test
fi
