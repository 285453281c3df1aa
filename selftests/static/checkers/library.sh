# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # run, which sources this, sets here, guest, top and scratch
# Analysers of the library and its samples, and of the tests' common code.

planted_program=$here/planted/planted_program.c
includes=(-I"$top/uapi" -I"$top/lib/include")

# analyzed FILE [OPTION]...
analyzed() {
	gcc -std=gnu11 -O1 -Wall -Wextra -fanalyzer -fno-diagnostics-show-caret "${includes[@]}" \
		-c -o "$scratch/analyzed.o" "$@" 2>&1 | grep -E '(warning|error):' || true
}

# Functions that nobody calls in this one file are looked at all the same.
analyzed_test_headers() {
	local source
	source=$("$guest/fetch" source)
	(cd "$top/selftests" && printf '#include "%s"\n' testing*.h) >"$scratch/headers.c"
	analyzed "$scratch/headers.c" -fkeep-static-functions -fkeep-inline-functions \
		-Wno-unused-parameter -Wno-unused-function -I"$top/selftests" -isystem "$source/tools/testing/selftests"
}

analyzer() {
	local file
	for file in "$top"/lib/src/*.c "$top"/samples/*.c "$planted_program"; do
		analyzed "$file"
	done >"$scratch/analyzer"
	analyzed_test_headers >>"$scratch/analyzer"
	judge "$scratch/analyzer" Wanalyzer-double-free Wanalyzer-file-leak Wanalyzer-null-dereference
}

clang_tidy() {
	clang-tidy --quiet --config-file="$here/clang-tidy" "$top"/lib/src/*.c "$top"/samples/*.c \
		"$planted_program" -- -std=gnu11 "${includes[@]}" >"$scratch/clang-tidy.log" 2>&1 ||
		refute grep -E 'error:|unable to' "$scratch/clang-tidy.log"
	grep -E '(warning|error):' "$scratch/clang-tidy.log" >"$scratch/clang-tidy" || true
	judge "$scratch/clang-tidy" bugprone-sizeof-expression clang-analyzer-unix.Malloc \
		bugprone-suspicious-string-compare
}

cppcheck() {
	local suppressed
	suppressed=$(awk -F '\t+' '!/^#/ { list = list " --suppress=" $1 } END { print list }' "$here/exceptions/cppcheck")
	# shellcheck disable=SC2086 # one word an exception
	command cppcheck --quiet --std=c11 --library=posix --inconclusive $suppressed \
		--enable=warning,style,performance,portability --template='{file}:{line}: {message} [{id}]' \
		"${includes[@]}" "$top/lib" "$top/samples" "$planted_program" 2>"$scratch/cppcheck"
	judge "$scratch/cppcheck" '\[doubleFree\]' '\[resourceLeak\]' '\[nullPointer\]'
}
