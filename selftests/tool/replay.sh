#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# "segpool replay" with the module, as TAP: what it says of a pool, and that a recorded program runs
# in one. There is no jq here: the fields are looked for in the JSON's lines.
set -u

segpool=build/bin/segpool
folder=/tmp/tool-replay
mkdir -p "$folder"
number=0 failures=0

# result NAME: of the command before.
result() {
	verdict=$?
	number=$((number + 1))
	if [ "$verdict" -eq 0 ]; then
		echo "ok $number $1"
	else
		sed 's/^/# /' "$folder/said" "$folder/why" | head -n 60
		echo "not ok $number $1"
		failures=$((failures + 1))
	fi
	: >"$folder/why"
}

# field NAME: the first in the JSON.
field() {
	sed -nE "s/^ *\"$1\": \"?([^\",]*)\"?,?\$/\1/p" "$folder/json" | head -n 1
}

# holds NAME TEST VALUE
holds() {
	value=$(field "$1")
	# A word from the caller is the operator.
	if [ -n "$value" ] && test "$value" "$2" "$3"; then
		return
	fi
	echo "$1 is \"$value\", which is not $2 $3" >>"$folder/why"
	return 1
}

replay() {
	"$segpool" replay -j "$@" >"$folder/json" 2>"$folder/said"
}

make_history() {
	awk 'BEGIN {
		print "segpool-trace 1"
		for (round = 0; round < 2; round++) {
			for (i = 0; i < 512; i++) print "a", ++t, i, 65536
			for (i = 0; i < 512; i++) print "f", ++t, i
		}
	}' >"$folder/history"
}

mib=1048576

in_the_kernel() {
	replay --backend kernel --settle 0 "$folder/history" && holds backend = kernel &&
		holds wrong_pages -eq 0 && holds wrong_frees -eq 0 && holds frees -eq 1024 &&
		holds virtual_peak_bytes -eq $((32 * mib)) && holds owned_peak_bytes -eq $((32 * mib)) &&
		holds physical_peak_bytes -ge $((32 * mib)) && holds physical_peak_bytes -lt $((36 * mib))
}

# Pages come in bulk: far fewer faults than pages.
without_page_faults() {
	holds minor_faults -lt 1000
}

taken_automatically() {
	replay --settle 0 "$folder/history" && holds backend = kernel
}

# A budget of 16 MiB, 256 blocks: the kernel refuses the rest, and the program's bytes stay right.
within_a_budget() {
	replay --backend kernel --budget 16M --settle 0 "$folder/history"
	holds physical -ge 400 && holds wrong_pages -eq 0 && holds owned_peak_bytes -le $((16 * mib)) &&
		holds live_peak_bytes -le $((16 * mib)) && holds physical_peak_bytes -lt $((20 * mib))
}

# What the program does not have goes back while it sleeps: the default age is 10 s.
given_back_while_it_sleeps() {
	replay --backend kernel --settle 30 "$folder/history" &&
		holds physical_freed_bytes -ge $((8 * mib)) && holds physical_settled_bytes -lt $((8 * mib))
}

# Recorded here and replayed here.
recorded_and_replayed() {
	"$segpool" trace -o "$folder/own.gz" -- "$segpool" replay --backend malloc --settle 0 \
		"$folder/history" >"$folder/out" 2>"$folder/said" &&
		replay --compare kernel,user,malloc,madvise --settle 0 "$folder/own.gz" &&
		holds wrong_pages -eq 0 && [ "$(grep -c '"backend":' "$folder/json")" -eq 4 ]
}

make_history
: >"$folder/why"
echo "TAP version 13"
echo "1..6"
in_the_kernel
result in_the_kernel
without_page_faults
result without_page_faults
taken_automatically
result taken_automatically
within_a_budget
result within_a_budget
given_back_while_it_sleeps
result given_back_while_it_sleeps
recorded_and_replayed
result recorded_and_replayed
rm -r "$folder"
[ "$failures" -eq 0 ]
