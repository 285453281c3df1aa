#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "segpool trace" records what a known program does: every event, in an order that can have been.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"

make --no-print-directory -s -C "$top/lib" >&2
segpool=$top/build/bin/segpool
program=$scratch/tool_program
gcc -O1 -std=gnu11 -Wall -Wextra -Werror -pthread -o "$program" "$here/tool_program.c"
history=$scratch/history.gz

# record ARGUMENT...: of the program.
record() {
	rm -f "$history"
	"$segpool" trace -o "$history" -- "$program" "$@" 2>"$scratch/said"
}

# The events without their times.
events() {
	zcat "${1:-$history}" | sed '/^#/d; 1d' | cut -d ' ' -f 1,3-
}

# events_are LINE...
events_are() {
	diff <(printf '%s\n' "$@") <(events)
}

# Reading it again is the exact check: no id twice, no free of what is not there, time forwards.
replays() {
	"$segpool" replay --backend madvise --settle 0 "$history" >"$scratch/replayed"
}

every_function_and_the_limit() {
	record sizes
	events_are "a 0 4096" "f 0" "z 0 15000" "f 0" "l 0 16384 8192" "f 0" "l 0 10000 65536" "f 0" \
		"a 0 10000" "f 0" "l 0 4097 4096" "f 0"
	grep -qx "segpool: $history: 6 allocations of 4 KiB and more by 1 thread in .*" "$scratch/said"
	[[ $(zcat "$history" | head -n 2) == $'segpool-trace 1\n# program: tool_program sizes' ]]
	replays
}

realloc_chains() {
	record chain
	events_are "a 0 5000" "r 0 500000" "r 0 6000" "f 0" "a 0 7000" "f 0"
	replays
}

mappings() {
	record mappings
	events_are "m 0 40960" "r 0 36864" "r 0 110592" "r 0 28672" "f 0" \
		"m 0 16384" "r 0 12288" "m 1 4096" "r 0 8192" "r 0 4096" "f 1" "f 0"
	replays
}

# An event that is lost or comes before its cause shows in the reader.
threads_that_free_for_each_other() {
	local round
	for round in 1 2 3 4 5; do
		record threads
		[[ $(events | grep -c '^a .* 9000$') -eq 8000 ]]
		for size in 5000 5001 5002 5003; do
			[[ $(events | grep -c "^a .* $size\$") -eq 2000 ]]
		done
		[[ $(events | grep -c '^f') -eq 16000 ]]
		replays
		grep -q ' by 4 threads in ' "$scratch/replayed"
		echo "round $round"
	done
}

# 500 threads do not need 500 chunks of 64 KiB.
threads_that_come_and_go() {
	mkdir "$scratch/raw"
	SEGPOOL_TRACE_DIR=$scratch/raw LD_PRELOAD=$top/build/lib/segpool/libsegpool-trace.so \
		"$program" short_threads
	[[ $(stat -c %s "$scratch"/raw/*.0) -le $((4096 + 4 * 65536)) ]]
	record short_threads
	[[ $(events | grep -c '^a 0 4096$') -eq 500 && $(events | grep -c '^f 0$') -eq 500 ]]
	[[ $(zcat "$history" | grep -c '^t ') -eq 499 ]]
}

children_apart() {
	record children
	events_are "a 0 10000" "f 0"
	grep -qx "segpool: 2 child processes were left out; --children keeps what they did, too" "$scratch/said"
	"$segpool" trace --children -j -o "$history" -- "$program" children >"$scratch/said"
	events_are "a 0 10000" "f 0"
	jq -e 'length == 3 and .[0].file == $file and ([.[1:][].allocated_bytes] | sort) == [20000, 30000] and
		([.[].lost] | add) == 0 and ([.[].unknown] | add) == 1' --arg file "$history" "$scratch/said"
	[[ $(for child in "$history".*; do events "$child"; done | sort) == \
		$'a 0 20000\na 0 30000\nf 0\nf 0' ]]
	rm "$history".*
}

exec_goes_on() {
	record exec sizes
	[[ $(events | head -n 4) == $'a 0 12345\nf 0\nt\na 0 4096' ]]
	[[ $(events | grep -c '^f') -eq 7 ]]
	replays
}

# A remark is one line.
arguments_with_newlines() {
	"$segpool" trace -o "$history" -- bash -c $':\n\n\texec "$0" "$1"' "$program" sizes 2>"$scratch/said"
	[[ $(zcat "$history" | sed -n 2p) == "# program: bash -c : exec \"\$0\" \"\$1\" $program sizes" ]]
	replays
}

# What it had done until then.
killed() {
	local status=0
	record killed || status=$?
	[[ $status -eq 137 ]]
	events_are "a 0 11111"
	grep -q "was ended by signal 9" "$scratch/said"
}

handlers_that_map() {
	record signals
	[[ $(events | grep -c '^a .* 8000$') -eq 20000 ]]
	[[ $(events | grep -c '^m .* 12288$') -ge 1 ]]
	replays
}

# A part of what was lost is said to be lost.
no_room() {
	local kept lost
	(ulimit -f 200 && record threads)
	kept=$(events | grep -vc '^t')
	lost=$(sed -nE 's/.*: ([0-9]+) more events were lost: .*/\1/p' "$scratch/said")
	[[ $kept -gt 1000 && $kept -lt 32000 && $lost -gt 0 ]]
	[[ $((kept + lost)) -ge 31000 ]]
	replays
}

# A larger program, with another allocator below.
allocators() {
	local library
	for library in libjemalloc.so.2 libmimalloc.so.2 libtcmalloc_minimal.so.4; do
		[[ -e /usr/lib/x86_64-linux-gnu/$library ]] || continue
		LD_PRELOAD=$library record threads
		# With them comes the C++ library, which has a block for hard times.
		[[ $(events | grep '^a' | grep -vc ' 72704$') -eq 16000 && $(events | grep -c '^f') -eq 16000 ]]
		replays
	done
	"$segpool" trace -o "$history" -- gcc -O1 -c -o "$scratch/object.o" "$here/tool_program.c" 2>"$scratch/said"
}

# refused STATUS PATTERN COMMAND...: nothing is left behind either.
refused() {
	local wanted=$1 pattern=$2 status=0
	shift 2
	"$@" >"$scratch/out" 2>"$scratch/said" || status=$?
	cat "$scratch/said"
	[[ $status -eq $wanted ]]
	head -n 1 "$scratch/said" | grep -qE "^segpool: $pattern"
	[[ -z $(find "$scratch" -name '.segpool-trace-*') ]]
}

sentences() {
	local static=$scratch/static
	echo 'int main(void) { return 0; }' | gcc -static -x c -o "$static" -
	refused 2 "name a file for the history with -o" "$segpool" trace true
	refused 2 "name a program to record" "$segpool" trace -o "$history"
	refused 2 "option -o needs a value" "$segpool" trace -o
	refused 2 "there is no option -q" "$segpool" trace -q
	refused 127 "/nonexistent: No such file" "$segpool" trace -o "$history" /nonexistent
	refused 1 "/dev/null is no regular file" "$segpool" trace -o /dev/null true
	refused 1 "$scratch/no/: No such file or directory: name a file in a folder that is there" \
		"$segpool" trace -o "$scratch/no/history" true
	refused 1 "true: it allocated nothing" "$segpool" trace -o "$scratch/none" true
	refused 1 "$static: the recorder was not in it" "$segpool" trace -o "$scratch/none" "$static"
	refused 1 "the recorder /none.so: No such file .*: install the library again" \
		env SEGPOOL_RECORDER=/none.so "$segpool" trace -o "$scratch/none" true
	refused 3 "sh: it allocated nothing" "$segpool" trace -o "$scratch/none" -- sh -c 'exit 3'
	[[ ! -e $scratch/none ]]
	[[ -c /dev/null ]]
}

tap_run every_function_and_the_limit realloc_chains mappings threads_that_free_for_each_other \
	threads_that_come_and_go children_apart exec_goes_on arguments_with_newlines killed handlers_that_map no_room allocators sentences
