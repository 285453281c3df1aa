#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# "segpool record" with the module, as TAP: the table of a program's pool, how it ends, its sentences.
set -u

segpool=build/bin/segpool
folder=/tmp/tool-record
mkdir -p "$folder"
number=0 failures=0

# result NAME: of the command before.
result() {
	verdict=$?
	number=$((number + 1))
	if [ "$verdict" -eq 0 ]; then
		echo "ok $number $1"
	else
		{ cat "$folder/said" && head -n 20 "$folder/table"; } 2>/dev/null | cut -c 1-200 | sed 's/^/# /'
		echo "not ok $number $1"
		failures=$((failures + 1))
	fi
}

# highest NAME: of a column.
highest() {
	awk -F , -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
		NR > 1 && $column + 0 > most { most = $column } END { printf "%d\n", most }' "$folder/table"
}

make_history() {
	awk 'BEGIN {
		print "segpool-trace 1"
		for (i = 0; i < 512; i++) print "a", i + 1, i, 65536
		for (i = 0; i < 512; i++) print "f", 4000000 + i, i
	}' >"$folder/history"
}

a_programs_pool() {
	"$segpool" record -o "$folder/table" -i 50 -- "$segpool" replay --backend kernel --speed real --settle 0 \
		"$folder/history" >/dev/null 2>"$folder/said" || return
	[ "$(highest virtual_bytes)" -eq 33554432 ] && [ "$(highest physical_bytes)" -eq 33554432 ] &&
		grep -qE '^segpool: /tmp/tool-record/table: [0-9]+ samples, [0-9]+ rows$' "$folder/said"
}

rows_are_complete() {
	columns=$(head -n 1 "$folder/table" | tr "," "\n" | wc -l)
	[ "$columns" -gt 40 ] && [ "$(awk -F , -v n="$columns" 'NF != n' "$folder/table" | wc -l)" -eq 0 ] &&
		[ "$(wc -l <"$folder/table")" -gt 10 ] &&
		awk -F , 'NR > 1 && ($1 + 0 < last || $4 != "\"segpool\"") { bad = 1 } { last = $1 + 0 } END { exit bad }' "$folder/table"
}

status_is_the_programs() {
	"$segpool" record -o "$folder/table" sh -c 'exit 7' 2>"$folder/said"
	[ $? -eq 7 ] || return
	"$segpool" record -o "$folder/table" /nonexistent 2>"$folder/said"
	[ $? -eq 127 ] && [ "$(cat "$folder/said")" = "segpool: /nonexistent: No such file or directory" ]
}

ends_when_told() {
	rm "$folder/table"
	"$segpool" record -o "$folder/table" -i 3600000 2>"$folder/said" &
	recorder=$!
	for _ in $(seq 100); do
		[ ! -s "$folder/table" ] || break
		sleep 0.1
	done
	kill -TERM "$recorder"
	wait "$recorder" && grep -q ': 2 samples, 0 rows$' "$folder/said"
}

# sentence STATUS SENTENCE ARGUMENT...
sentence() {
	status=$1 expected=$2
	shift 2
	"$segpool" record "$@" >"$folder/out" 2>"$folder/said"
	[ $? -eq "$status" ] && [ "$(head -n 1 "$folder/said")" = "segpool: $expected" ]
}

sentences() {
	sentence 2 'name a file for the table with -o' &&
		sentence 2 '--interval needs milliseconds from 1 to 3600000, not "0"' -i 0 &&
		sentence 1 '/no/table: No such file or directory' -o /no/table &&
		sentence 1 '/dev/full cannot be written: No space left on device' -o /dev/full true
}

make_history
echo "TAP version 13"
echo "1..5"
for test in a_programs_pool rows_are_complete status_is_the_programs ends_when_told sentences; do
	"$test"
	result "$test"
done
rm -r "$folder"
[ "$failures" -eq 0 ]
