#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# "segpool monitor" with the module, as TAP: what it prints of what happens, and that it notices
# what it has lost.
set -u

segpool=build/bin/segpool
folder=/tmp/tool-monitor
debugfs=/sys/kernel/debug/segpool
mkdir -p "$folder"
number=0 failures=0

# result NAME: of the command before.
result() {
	verdict=$?
	number=$((number + 1))
	if [ "$verdict" -eq 0 ]; then
		echo "ok $number $1"
	else
		sed 's/^/# /' "$folder/why" "$folder/events" "$folder/said" | cut -c 1-300 | head -n 60
		echo "not ok $number $1"
		failures=$((failures + 1))
	fi
	: >"$folder/why"
}

because() {
	echo "$*" >>"$folder/why"
	return 1
}

# wait_for PATTERN: until an event has it.
wait_for() {
	for _ in $(seq 300); do
		! grep -qE -- "$1" "$folder/events" || return 0
		sleep 0.1
	done
	because "there is no event $1"
}

# listen [OPTION]...: sets monitor.
listen() {
	: >"$folder/events"
	"$segpool" monitor "$@" >"$folder/events" 2>"$folder/said" &
	monitor=$!
}

# finish SIGNAL: its status.
finish() {
	kill "-$1" "$monitor"
	wait "$monitor"
}

make_history() {
	awk 'BEGIN {
		print "segpool-trace 1"
		for (i = 0; i < 512; i++) print "a", i + 1, i, 65536
		for (i = 0; i < 512; i++) print "f", 1000 + i, i
	}' >"$folder/history"
}

newest() {
	# shellcheck disable=SC2012 # numbers only
	ls "$debugfs/pool" | sort -n | tail -n 1
}

# Whether its program is at rest: what it has released is retained.
wait_for_pool() {
	for _ in $(seq 300); do
		pool=$(newest)
		[ -z "$pool" ] || [ "$(sed -n 's/^released_regions //p' "$debugfs/pool/$pool/counters")" -lt 7 ] || return 0
		sleep 0.1
	done
	because "there is no pool"
}

# A pool comes, is refused memory, is changed, goes.
a_pools_life() {
	listen
	listeners
	"$segpool" replay --backend kernel --budget 16M --settle 3600 "$folder/history" >/dev/null 2>&1 &
	program=$!
	wait_for_pool && wait_for 'pool [0-9]+ \(segpool\): added: ' &&
		wait_for "pool $pool \(segpool\): pressure begins: " &&
		wait_for "pool $pool \(segpool\): refused: [0-9]+ for physical; virtual 16.0 MiB of .* \(and [0-9]+ more\)\$" &&
		"$segpool" set "$pool" --retain 2M >/dev/null && wait_for "pool $pool \(segpool\): changed: " &&
		wait_for "pool $pool \(segpool\): pressure ends: " &&
		kill "$(awk -v id="$pool" '$1 == id { print $2 }' "$debugfs/pools")" &&
		wait_for "pool $pool \(segpool\): gone: virtual 16.0 MiB of "
	verdict=$?
	kill "$(awk -v id="$pool" '$1 == id { print $2 }' "$debugfs/pools")" 2>/dev/null
	wait "$program" 2>/dev/null
	finish INT && [ "$verdict" -eq 0 ] && ! grep -q lost "$folder/events"
}

# Until somebody hears them, there are no events.
listeners() {
	for _ in $(seq 100); do
		awk '$2 == 16 && $4 != "00000000" { found = 1 } END { exit !found }' /proc/net/netlink && return
		sleep 0.1
	done
	because "nobody listens"
}

# One object a line, each with its event and its counters.
as_json() {
	listen -j -n 2
	listeners
	"$segpool" replay --backend kernel --settle 0 "$folder/history" >/dev/null 2>&1
	wait "$monitor" || because "it ended with an error" || return
	[ "$(wc -l <"$folder/events")" -eq 2 ] && grep -q '"event": *"added"' "$folder/events" &&
		[ "$(grep -cE '^\{"time": [0-9]+\.[0-9]+,"event": "[a-z]+","pool": [0-9]+,"pid": [0-9]+,"comm": "segpool","seq": [0-9]+,.*"counters": \{"virtual_bytes": [0-9]+,.*"word_reuses": [0-9]+\}\}$' "$folder/events")" -eq 2 ]
}

summaries() {
	listen --summaries
	listeners
	"$segpool" replay --backend kernel --settle 5 "$folder/history" >/dev/null 2>&1 &
	program=$!
	wait_for ': summary: virtual'
	verdict=$?
	wait "$program"
	finish TERM && [ "$verdict" -eq 0 ]
}

# It stands still while more happens than there is room for, and tells of it when it goes on.
losses() {
	"$segpool" replay --backend kernel --settle 3600 "$folder/history" >/dev/null 2>&1 &
	program=$!
	wait_for_pool
	listen --buffer 1
	listeners && wait_for ': state: ' || return
	kill -STOP "$monitor"
	for i in $(seq 60); do
		"$segpool" set "$pool" --retain "${i}M" >/dev/null
		usleep 150000
	done
	kill -CONT "$monitor"
	wait_for ' events were lost: they came faster than they were read; this is the state now$' &&
		wait_for "pool $pool \(segpool\): state: "
	"$segpool" set "$pool" --retain 1M >/dev/null
	wait_for "pool $pool \(segpool\): [0-9]+ events were lost before this one"
	verdict=$?
	lost=$(sed -nE 's/.*: ([0-9]+) events were lost before.*/\1/p' "$folder/events" | awk '{ s += $1 } END { print s + 0 }')
	told=$(grep -c ': changed: ' "$folder/events")
	kill "$(awk -v id="$pool" '$1 == id { print $2 }' "$debugfs/pools")"
	wait "$program" 2>/dev/null
	finish INT && [ "$verdict" -eq 0 ] && [ "$lost" -gt 0 ] && [ "$told" -gt 0 ] &&
		[ $((lost + told)) -le 61 ] && grep -qx "segpool: $lost events were lost" "$folder/said"
}

not_for_everybody() {
	su -s "$PWD/$segpool" -- nobody monitor >"$folder/events" 2>"$folder/said"
	[ $? -eq 1 ] && [ ! -s "$folder/events" ] && grep -qx 'segpool: no permission: this needs root (CAP_SYS_ADMIN in the initial user namespace)' "$folder/said"
}

make_history
for file in why events said; do
	: >"$folder/$file"
done
echo "TAP version 13"
echo "1..5"
for test in a_pools_life as_json summaries losses not_for_everybody; do
	"$test"
	result "$test"
done
rm -r "$folder"
[ "$failures" -eq 0 ]
