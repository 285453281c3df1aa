#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Both public headers compile alone, twice included, in C and C++, and the
# library without a warning, with gcc and with clang.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
# Not -Wshadow: in C++ segpool_stat() hides the constructor of its structure, as
# stat() does.
warnings=(-Wall -Wextra -Wpedantic -Werror -Wconversion)
includes=(-I"$top/uapi" -I"$top/lib/include")

make --no-print-directory -s -C "$top/lib" >&2

need() {
	command -v "$1" > "$scratch/which" || skip "$1 is not installed: apt-get install $2"
}

# headers LANGUAGE COMPILER STANDARD...
headers() {
	local language=$1 compiler=$2 standard header
	shift 2
	for standard in "$@"; do
		for header in linux/segpool.h linux/segpool_netlink.h segpool.h; do
			printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
				"$compiler" -x "$language" -std="$standard" "${warnings[@]}" \
					"${includes[@]}" -fsyntax-only -
		done
	done
}

# The counters' enumerators, the handle macros and the calls, as every C++ takes them.
use_in_cxx() {
	local standard
	cat >"$scratch/program.cpp" <<-'EOF'
		#include <cstring>
		#include <segpool.h>
		static_assert(SEGPOOL_HANDLE_INDEX((7ULL << 32) | 5) == 5, "index");
		static_assert(SEGPOOL_HANDLE_GENERATION((7ULL << 32) | 5) == 7, "generation");
		int open_it(segpool **pool)
		{
			segpool_options options;
			segpool_options_init(&options);
			options.mode = SEGPOOL_MODE_PINNABLE;
			return segpool_open(&options, pool);
		}
		const char *name() { return segpool_counter_name(SEGPOOL_C_VIRTUAL_BYTES); }
		int main()
		{
			segpool *pool;
			if (open_it(&pool))
				return 1;
			char *segment = static_cast<char *>(segpool_alloc(pool, 1000));
			if (!segment || std::strcmp(name(), "virtual_bytes"))
				return 2;
			std::memset(segment, 1, segpool_usable_size(pool, segment));
			int error = segpool_free(pool, segment);
			segpool_close(pool);
			return error;
		}
	EOF
	for standard in c++11 c++14 c++17 c++20; do
		"$1" -std="$standard" "${warnings[@]}" "${includes[@]}" -o "$scratch/program" \
			"$scratch/program.cpp" "$top/build/lib/libsegpool.a" -pthread
		SEGPOOL_BACKEND=user "$scratch/program"
	done
}

# library COMPILER FLAG...: every source, as strictly as the compiler can.
library() {
	local compiler=$1 source
	shift
	for source in "$top"/lib/src/*.c; do
		"$compiler" -std=gnu11 -O2 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
			-Wmissing-prototypes "$@" "${includes[@]}" -c -o "$scratch/object" "$source"
	done
}

c_with_gcc() { headers c gcc c99 c11 gnu17; }
c_with_clang() { need clang clang; headers c clang c99 c11 gnu17; }
cxx_with_gcc() { need g++ g++; headers c++ g++ c++11 c++14 c++17 c++20; use_in_cxx g++; }
cxx_with_clang() { need clang++ clang; headers c++ clang++ c++11 c++14 c++17 c++20; use_in_cxx clang++; }
library_with_gcc() { library gcc; }
library_with_gcc_analyzer() { library gcc -fanalyzer; }
library_with_clang() { need clang clang; library clang; }

library_in_32_bits() {
	echo '#include <stdio.h>' | gcc -m32 -fsyntax-only -x c - 2> "$scratch/errors" ||
		skip "no 32-bit C library headers: apt-get install gcc-multilib"
	library gcc -m32
}

tap_run c_with_gcc c_with_clang cxx_with_gcc cxx_with_clang library_with_gcc \
	library_with_gcc_analyzer library_with_clang library_in_32_bits
