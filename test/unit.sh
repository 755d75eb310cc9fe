#!/bin/bash
#
# Unit tests: compiles each test/unit/NAME_test.c with what it tests, with
# sanitizers, and runs them all.  Those of pure C (src/kernel and the layout
# planner) need no server; where a compiler for arm64 and qemu are installed
# (gcc-aarch64-linux-gnu, qemu-user), they run once more for that processor.
#
# A test that includes "server_stub.h" is one of src/embed or src/lda.  It is
# compiled with the server's headers and linked with server_stub.c in place of
# a server and with the server's own libpgcommon and libpgport.

set -euo pipefail
cd "$(dirname "$0")/.."

built=$(mktemp -d "${VS_SCRATCH:-/tmp}/vecsearch-unit.XXXXXX")
trap 'rm -rf "$built"' EXIT

warnings=(-Wall -Wextra -Werror -Wno-unused-parameter)
sanitizers=(-fsanitize="address,undefined" -fno-sanitize-recover=all)
read -ra prove_flags <<<"${PROVE_FLAGS:-}"

mapfile -t stub_tests < <(grep -l '"server_stub\.h"' test/unit/*_test.c)
mapfile -t pure_tests < <(grep -L '"server_stub\.h"' test/unit/*_test.c)

# build FOLDER COMPILER OPTION...: the tests of pure C, into FOLDER
build()
{
	local folder=$1 test source objects=()
	shift

	mkdir "$folder"
	for source in src/kernel/*.c src/hnsw/hnsw_layout.c; do
		objects+=("$folder/$(basename "$source" .c).o")
		"$@" "${warnings[@]}" -Isrc -c -o "${objects[-1]}" "$source"
	done
	for test in "${pure_tests[@]}"; do
		"$@" "${warnings[@]}" -Isrc -Itest/unit \
			-o "$folder/$(basename "$test" .c)" "$test" "${objects[@]}" -lm
	done
}

# build_stub FOLDER COMPILER OPTION...: the tests of src/embed and src/lda, into
# FOLDER, where "build" has left the kernel.  The SQL functions (embed.c,
# embed_*.c) need a real server, but for the JSON reader; of src/lda, what
# needs none is named.
build_stub()
{
	local folder=$1 test source objects=() libraries
	shift
	set -- "$@" "${warnings[@]}" -D_GNU_SOURCE -DUSE_ASSERT_CHECKING \
		-Isrc -Itest/unit -isystem "$(pg_config --includedir-server)"
	libraries=("$(library libpgcommon.a)" "$(library libpgport.a)")
	# what libpgcommon hashes with, if the server was built so
	read -ra libraries <<<"${libraries[*]} $(
		pg_config --libs | grep -o -- '-lcrypto' | head -n 1)"

	for source in src/embed/*.c \
		src/lda/lda_{coherence,map,report,report_page,report_text,topics}.c \
		test/unit/server_stub.c; do
		case $source in
			src/embed/embed_json.c) ;;
			src/embed/embed*.c) continue ;;
		esac
		objects+=("$folder/$(basename "$source" .c).o")
		"$@" -c -o "${objects[-1]}" "$source"
	done
	for test in "${stub_tests[@]}"; do
		"$@" -Wl,--wrap=unicode_normalize \
			-o "$folder/$(basename "$test" .c)" "$test" "${objects[@]}" \
			"$folder"/kernel*.o "${libraries[@]}" -lm
	done
}

# library NAME: path of a static library of the server
library()
{
	local folder

	for folder in "$(pg_config --pkglibdir)" "$(pg_config --libdir)"; do
		if [ -f "$folder/$1" ]; then
			echo "$folder/$1"
			return
		fi
	done
	echo "no $1: run make deps" >&2
	return 1
}

build "$built/native" "${CC:-gcc}" -g -O1 "${sanitizers[@]}"
if [ ${#stub_tests[@]} -gt 0 ]; then
	build_stub "$built/native" "${CC:-gcc}" -g -O1 "${sanitizers[@]}"
fi
prove "${prove_flags[@]}" --exec '' "$built"/native/*_test

if command -v aarch64-linux-gnu-gcc qemu-aarch64 >/dev/null; then
	build "$built/arm64" aarch64-linux-gnu-gcc -static -O2
	prove "${prove_flags[@]}" --exec qemu-aarch64 "$built"/arm64/*_test
fi
