#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The library exports what its header declares and its map lists, no more.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
library=$top/build/lib/libsegpool.so.0
archive=$top/build/lib/libsegpool.a

make --no-print-directory -s -C "$top/lib" >&2

# Without comments: they name functions too.
declared() {
	gcc -fpreprocessed -dD -E -P "$top/lib/include/segpool.h" |
		grep -oE '\bsegpool_[a-z0-9_]+\(' | tr -d '(' | sort -u
}

listed() {
	sed -nE 's/^\t\t(segpool_[a-z0-9_]+);$/\1/p' "$top/lib/libsegpool.map" | sort
}

exported() {
	nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort
}

map_is_the_header() {
	[[ $(declared | wc -l) -ge 26 ]]
	diff <(declared) <(listed)
}

exports_are_the_map() {
	diff <(listed) <(exported)
}

every_export_has_a_version() {
	nm -D --defined-only "$library" | awk '$2 != "A" && $3 !~ /@@LIBSEGPOOL_[0-9.]+$/ { print; bad = 1 }
		END { exit bad }'
}

archive_keeps_to_its_names() {
	nm -g --defined-only "$archive" | awk 'NF == 3 && $3 !~ /^segpool_/ { print; bad = 1 } END { exit bad }'
	diff <(listed) <(nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort |
		comm -12 - <(listed))
}

system_calls_in_one_file() {
	local others
	others=$(for object in "$top"/build/lib/obj/*.o; do
		[[ $object == */syscall.o ]] || nm -u "$object"
	done)
	refute grep -wE 'open|openat|close|ioctl|mmap|mmap64|munmap|madvise|mprotect|munlock|sysconf|sched_yield|syscall|getpid|poll|read|write' <<< "$others"
}

soname_and_needs() {
	readelf -d "$library" > "$scratch/dynamic"
	grep -q 'SONAME.*\[libsegpool\.so\.0\]' "$scratch/dynamic"
	# The C library, and its loader for the thread-local record.
	grep NEEDED "$scratch/dynamic" > "$scratch/needed"
	refute grep -vE '\[(libc\.so\.6|ld-linux[^]]*)\]' "$scratch/needed"
	refute grep TEXTREL "$scratch/dynamic"
}

tap_run map_is_the_header exports_are_the_map every_export_has_a_version \
	archive_keeps_to_its_names system_calls_in_one_file soname_and_needs
