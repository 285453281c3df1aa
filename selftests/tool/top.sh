#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# "segpool top" without a terminal, with the module, as TAP: its lines and objects, to whom, and how
# it ends. Its screen is top_screen's.
set -u

segpool=$PWD/build/bin/segpool
folder=/tmp/tool-top
debugfs=/sys/kernel/debug/segpool
mkdir -p "$folder"
chmod 755 "$folder"
number=0 failures=0

# result NAME: of the command before.
result() {
	verdict=$?
	number=$((number + 1))
	if [ "$verdict" -eq 0 ]; then
		echo "ok $number $1"
	else
		head -n 20 "$folder/out" "$folder/said" | cut -c 1-300 | sed 's/^/# /'
		echo "not ok $number $1"
		failures=$((failures + 1))
	fi
}

# A program that has 512 blocks of 64 KiB, and stays for an hour.
start() {
	awk 'BEGIN {
		print "segpool-trace 1"
		for (i = 0; i < 512; i++) print "a", i + 1, i, 65536
		print "f", 3600 * 1000000, 300
	}' >"$folder/history"
	"$@" replay --backend kernel --speed real "$folder/history" >/dev/null 2>&1 &
	parent=$!
	for _ in $(seq 300); do
		# shellcheck disable=SC2012 # numbers only
		pool=$(ls "$debugfs/pool" | sort -n | tail -n 1)
		[ -z "$pool" ] || [ "$(counter physical_bytes)" != 33554432 ] || return 0
		sleep 0.1
	done
	return 1
}

counter() {
	sed -n "s/^$1 //p" "$debugfs/pool/$pool/counters"
}

stop() {
	kill -KILL "$(awk -v id="$pool" '$1 == id { print $2 }' "$debugfs/pools")"
	wait "$parent" 2>/dev/null
}

# top ARGUMENT...: what it prints and says, and how it ends, are for the others to look at.
top() {
	"$segpool" top "$@" >"$folder/out" 2>"$folder/said"
	status=$?
}

stamp='[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}'

without_a_pool() {
	top -i 1 -n 2 && [ "$(wc -l <"$folder/out")" -eq 2 ] && [ ! -s "$folder/said" ] &&
		[ "$(grep -cxE "$stamp there are no pools" "$folder/out")" -eq 2 ]
}

lines() {
	budget=$(counter physical_budget_bytes)
	top -i 10 -n 3 --bytes && [ "$(wc -l <"$folder/out")" -eq 3 ] && [ ! -s "$folder/said" ] &&
		[ "$(grep -cxE "$stamp pool $pool \(segpool\): virtual 33554432 of $(counter virtual_budget_bytes), physical \
33554432 and retained 0 of $budget" "$folder/out")" -eq 3 ] &&
		top -n 1 --pool "$pool" && grep -qE 'virtual 32\.0 MiB of ' "$folder/out"
}

# No terminal control, and nothing but lines, whatever the locale.
no_screen() {
	LC_ALL=C.UTF-8 top -n 1 && ! LC_ALL=C grep -q '[^ -~]' "$folder/out" && [ -s "$folder/out" ]
}

objects() {
	top -j -i 10 -n 3 && [ "$(wc -l <"$folder/out")" -eq 3 ] &&
		[ "$(grep -cE "^\{\"time\": [0-9.]+,\"module\": \{\"pools\": 1,\"ceiling_bytes\": [0-9]+,.*\"pools\": \[\{\"id\": $pool,.*\"physical_bytes\": 33554432,.*\]\}\$" \
			"$folder/out")" -eq 3 ]
}

# As root, and as somebody else with his own pool only.
ordinary_users() {
	cp "$segpool" "$folder/segpool"
	su -s "$folder/segpool" -- nobody top -n 1 >"$folder/out" 2>"$folder/said" &&
		grep -qxE "$stamp there are no pools" "$folder/out" &&
		[ "$(cat "$folder/said")" = "segpool: only your own pools: root sees all" ] &&
		su -s "$folder/segpool" -- nobody top -n 1 -j >"$folder/out" 2>"$folder/said" &&
		grep -qE '^\{"time": [0-9.]+,"module": null,"pools": \[\]\}$' "$folder/out"
}

# ends SIGNAL: with the lines that it had, and status 0.
ends() {
	: >"$folder/out"
	"$segpool" top -i 3600000 >"$folder/out" 2>"$folder/said" &
	watcher=$!
	for _ in $(seq 300); do
		[ ! -s "$folder/out" ] || break
		sleep 0.1
	done
	kill "-$1" "$watcher"
	wait "$watcher" && [ "$(wc -l <"$folder/out")" -eq 1 ]
}

# A shell gives its background SIGINT to be ignored; a terminal's ^C is top_screen's.
ends_when_told() {
	ends TERM && ends HUP
}

a_full_disk() {
	"$segpool" top -i 1 >/dev/full 2>"$folder/said"
	[ $? -eq 1 ] && grep -qx 'segpool: standard output cannot be written' "$folder/said"
}

# sentence STATUS SENTENCE ARGUMENT...
sentence() {
	expected=$1 text=$2
	shift 2
	top "$@"
	[ "$status" -eq "$expected" ] && [ "$(head -n 1 "$folder/said")" = "segpool: $text" ] && [ ! -s "$folder/out" ]
}

sentences() {
	sentence 2 '--interval needs milliseconds from 1 to 3600000, not "0"' -i 0 &&
		sentence 2 '--count needs a number, not "x"' -n x &&
		sentence 2 '"0" is no number of a pool' --pool 0 &&
		sentence 2 'it takes no argument: segpool top --pool 3' 3 &&
		sentence 2 'there is no option -x' -x &&
		sentence 1 'there is no pool 4000000000, or none that you may see: segpool list shows them' \
			--pool 4000000000 &&
		top --help && grep -q '^Usage: segpool top' "$folder/out"
}

: >"$folder/out"
: >"$folder/said"
echo "TAP version 13"
echo "1..8"
without_a_pool
result without_a_pool
start "$segpool"
for test in lines no_screen objects ordinary_users ends_when_told a_full_disk sentences; do
	"$test"
	result "$test"
done
stop
rm -r "$folder"
[ "$failures" -eq 0 ]
