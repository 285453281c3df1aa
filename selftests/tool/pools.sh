#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# "segpool list", "show", "set", "trim" and "metrics" with the module, as TAP: what they say of pools
# against debugfs, to whom, and every sentence of what cannot be done. There is no jq here: the
# fields are looked for in the JSON's lines.
set -u

segpool=$PWD/build/bin/segpool
folder=/tmp/tool-pools
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
		sed 's/^/# /' "$folder/why" "$folder/out" "$folder/said" | head -n 60
		echo "not ok $number $1"
		failures=$((failures + 1))
	fi
	: >"$folder/why"
}

because() {
	echo "$*" >>"$folder/why"
	return 1
}

# tool ARGUMENT...: what it prints and says, and how it ends, are for the others to look at.
tool() {
	"$segpool" "$@" >"$folder/out" 2>"$folder/said"
	status=$?
	[ "$status" -lt 120 ] || because "segpool $* ended with $status"
}

# fails STATUS SENTENCE ARGUMENT...: nothing on standard output, the sentence on the other.
fails() {
	expected=$1 sentence=$2
	shift 2
	tool "$@"
	[ "$status" -eq "$expected" ] || because "segpool $* ended with $status" || return
	[ ! -s "$folder/out" ] || because "segpool $* printed something" || return
	[ "$(head -n 1 "$folder/said")" = "segpool: $sentence" ] || because "segpool $* should have said: $sentence"
}

# field NAME: the first in the JSON.
field() {
	sed -nE "s/^ *\"$1\": \"?(([^\",]|\\\\\")*)\"?,?\$/\1/p" "$folder/out" | head -n 1
}

# holds NAME TEST VALUE
holds() {
	value=$(field "$1")
	# A word from the caller is the operator.
	if [ -z "$value" ] || ! test "$value" "$2" "$3"; then
		because "$1 is \"$value\", which is not $2 $3"
	fi
}

says() {
	grep -qE -- "$1" "$folder/out" || because "it does not print $1"
}

# A program that has 512 blocks of 64 KiB, gives half of them up after a moment, and stays for an hour.
make_history() {
	awk 'BEGIN {
		print "segpool-trace 1"
		for (i = 0; i < 512; i++) print "a", i + 1, i, 65536
		for (i = 0; i < 256; i++) print "f", 5000000 + i, i
		print "f", 3600 * 1000000, 300
	}' >"$folder/history"
	chmod 644 "$folder/history"
}

newest() {
	# shellcheck disable=SC2012 # numbers only
	ls "$debugfs/pool" | sort -n | tail -n 1
}

counter() {
	sed -n "s/^$2 //p" "$debugfs/pool/$1/counters"
}

owner() {
	awk -v id="$1" '$1 == id { print $2 }' "$debugfs/pools"
}

# wait_for COUNTER VALUE: of the newest pool, if it is not that of the first program; sets pool.
wait_for() {
	for _ in $(seq 300); do
		pool=$(newest)
		[ "$pool" = "$rootly" ] || [ "$(counter "$pool" "$1")" != "$2" ] || return 0
		sleep 0.1
	done
	because "no pool has $1 $2"
}

# start PROGRAM [OPTION]...: waits until it has its blocks. Sets pool; parent, and program, its
# child, whose pool it is.
start() {
	"$@" replay --backend kernel --speed real "$folder/history" >/dev/null 2>&1 &
	parent=$!
	program=
	wait_for new_regions 16 && program=$(owner "$pool")
}

# stop PARENT PROGRAM
stop() {
	kill -KILL "$2"
	wait "$1" 2>/dev/null
}

without_a_pool() {
	tool list && [ "$status" -eq 0 ] && grep -qx 'segpool: there are no pools' "$folder/said" &&
		says '^  POOL' && tool list -j && [ "$(cat "$folder/out")" = "[]" ] &&
		tool show && [ "$status" -eq 0 ] && [ ! -s "$folder/out" ] &&
		tool metrics && says '^segpool_module_pools 0$' && ! grep -q '{' "$folder/out"
}

list_is_what_debugfs_has() {
	tool list -j || return
	for name in virtual_bytes physical_bytes retained_bytes regions_active regions_freed new_regions \
		released_regions physical_budget_bytes; do
		holds "$name" -eq "$(counter "$pool" "$name")" || return
	done
	holds id -eq "$pool" && holds pid -eq "$program" && holds comm = segpool && holds mode = strict &&
		holds region_bytes -eq 2097152 && holds virtual_bytes -ge 33554432
}

list_for_people() {
	tool list && says "^ +$pool +$program strict +32\.0 MiB .* segpool\$" && [ ! -s "$folder/said" ] &&
		tool list --bytes && says "^ +$pool +$program strict +33554432 "
}

# Each class, with the regions that debugfs has.
show_has_classes() {
	tool show -j "$pool" || return
	holds segment_bytes -eq 4096 || return
	[ "$(grep -c '"segment_bytes"' "$folder/out")" -eq "$(grep -c '^[0-9]' "$debugfs/pool/$pool/classes")" ] ||
		because "not all classes are there" || return
	sum=$(sed -nE '/"classes"/,$ s/^ *"regions_active": ([0-9]+),?$/\1/p' "$folder/out" | awk '{ s += $1 } END { print s }')
	[ "$sum" -eq "$(counter "$pool" regions_active)" ] || because "classes have $sum regions" || return
	bytes=$(sed -nE 's/^ *"active_bytes": ([0-9]+),?$/\1/p' "$folder/out" | awk '{ s += $1 } END { print s }')
	[ "$bytes" -eq $((2097152 * sum)) ] || because "classes have $bytes bytes"
}

show_for_people() {
	tool show "$pool" && says "^pool $pool of segpool \(process $program\), strict, regions of 2.0 MiB\$" &&
		says '^  refused   0 requests$' && says '^  CLASS +SEGMENT' && [ ! -s "$folder/said" ] &&
		mv "$folder/out" "$folder/one" && tool show && cmp -s "$folder/one" "$folder/out"
}

set_changes_limits() {
	tool set "$pool" --physical 24M --virtual 48M --retain 4M --age 0 --watermark 70 -j && [ "$status" -eq 0 ] &&
		holds physical_budget_bytes -eq 25165824 && holds virtual_budget_bytes -eq 50331648 &&
		holds retain_limit_bytes -eq 4194304 && holds retain_age_ms -eq 0 && holds watermark -eq 70 &&
		[ "$(counter "$pool" physical_budget_bytes)" -eq 25165824 ] &&
		[ "$(counter "$pool" retained_bytes)" -le 4194304 ] &&
		[ "$(counter "$pool" retained_bytes)" -gt 0 ] &&
		tool set "$pool" --age 2m && says 'for 120.0 s$' && says ' of 24.0 MiB;' &&
		tool set --age 0 "$pool" && says 'until somebody needs the memory$'
}

trim_gives_back() {
	before=$(counter "$pool" retained_bytes)
	tool trim "$pool" 1M -j && holds released_bytes -eq $((before - 1048576)) &&
		[ "$(counter "$pool" retained_bytes)" -eq 1048576 ] &&
		tool trim --bytes "$pool" && says "^pool $pool: 1048576 went back to the system, 0 retained\$" &&
		[ "$(counter "$pool" retained_bytes)" -eq 0 ]
}

# HELP, TYPE and a value of each counter, and the same numbers.
metrics_have_everything() {
	tool metrics || return
	label="pool=\"$pool\",pid=\"$program\",comm=\"segpool\""
	grep -qxF "segpool_pool_virtual_bytes{$label} $(counter "$pool" virtual_bytes)" "$folder/out" &&
		grep -qxF "segpool_pool_new_regions_total{$label} $(counter "$pool" new_regions)" "$folder/out" &&
		says '^# TYPE segpool_pool_virtual_bytes gauge$' &&
		says '^# TYPE segpool_pool_new_regions_total counter$' &&
		says '^segpool_module_pools 1$' && says "^segpool_class_segment_bytes\{pool=\"$pool\",class=\"0\"\} 4096\$" ||
		because "a line is missing" || return
	while read -r name _; do
		says "^segpool_pool_$name(_total)?\{" || return
	done <"$debugfs/pool/$pool/counters"
	! grep -vE '^(# (HELP|TYPE) segpool_[a-z_]+ .+|segpool_[a-z_]+(\{[^}]*\})? [0-9]+)$' "$folder/out" >>"$folder/why"
}

why_requests_were_refused() {
	"$segpool" replay --backend kernel --speed real --budget 16M "$folder/history" >/dev/null 2>&1 &
	parent=$!
	# It asks twice for each of the blocks that there is no room for.
	wait_for refused_physical 512
	program=$(owner "$pool")
	tool show "$pool" && says '^            512 physical: its budget is in use: segpool set POOL --physical SIZE$'
	verdict=$?
	tool show "$pool" -j && holds refused_physical -eq 512 && [ "$verdict" -eq 0 ]
	verdict=$?
	stop "$parent" "$program"
	return "$verdict"
}

# What a program calls itself reaches neither the terminal nor the formats as it is.
names_are_escaped() {
	odd=$(printf 'a\033[1m"\\\302\233b')
	cp "$segpool" "$folder/$odd"
	start "$folder/$odd" && tool show "$pool" && head -n 1 "$folder/out" | grep -qF 'of a\x1b[1m"\\\xc2\x9bb (' &&
		tool show "$pool" -j && grep -qF '"comm": "a\u001b[1m\"\\\u009bb",' "$folder/out" &&
		tool metrics && grep -qF 'comm="a\\x1b[1m\"\\\\\\xc2\\x9bb"' "$folder/out"
	verdict=$?
	for command in list show metrics; do
		"$segpool" "$command" | tr -d '\n' | LC_ALL=C grep -q '[^ -~]' &&
			because "$command prints bytes for a terminal" && verdict=1
	done
	stop "$parent" "$program"
	return "$verdict"
}

# Without rights: his own pools, and told so.
an_ordinary_user() {
	cp "$segpool" "$folder/segpool"
	chmod 666 /dev/segpool
	kept=$segpool
	segpool=$folder/as_nobody
	printf '#!/bin/sh\nexec su -s %s -- nobody "$@"\n' "$folder/segpool" >"$segpool"
	chmod 755 "$segpool"
	start "$segpool"
	own=$pool
	no="no permission: this needs root (CAP_SYS_ADMIN in the initial user namespace)"
	tool list -j && [ "$status" -eq 0 ] && holds id -eq "$own" && [ "$(grep -c '"id"' "$folder/out")" -eq 1 ] &&
		grep -qx 'segpool: only your own pools: root sees all' "$folder/said" &&
		tool show "$own" && [ "$status" -eq 0 ] && tool metrics && [ "$status" -eq 0 ] &&
		! grep -q segpool_module "$folder/out" && says "^segpool_pool_faults_total\{pool=\"$own\"" &&
		grep -qx 'segpool: only your own pools, and nothing of the module: root sees all' "$folder/said" &&
		fails 1 "there is no pool $rootly, or none that you may see: segpool list shows them" show "$rootly" &&
		fails 1 "$no" set "$own" --physical 1G && fails 1 "$no" trim "$own"
	verdict=$?
	segpool=$kept
	chmod 600 /dev/segpool
	stop "$parent" "$program"
	return "$verdict"
}

what_cannot_be_done() {
	none="there is no pool 4000000000, or none that you may see: segpool list shows them"
	fails 1 "$none" show 4000000000 && fails 1 "$none" trim 4000000000 &&
		fails 1 "$none" set 4000000000 --age 1s &&
		fails 1 "pool $rootly: --physical: integer out of range (Numerical result out of range)" \
			set "$rootly" --physical 9T &&
		fails 1 "pool $rootly: --age: integer out of range (Numerical result out of range)" \
			set "$rootly" --physical 1G --age 2d &&
		fails 1 "pool $rootly: --virtual: more than 2^24 regions of this pool (Numerical result out of range)" \
			set "$rootly" --virtual 64T || return
	[ "$(counter "$rootly" physical_budget_bytes)" -eq 25165824 ] || because "something was changed"
}

what_makes_no_sense() {
	fails 2 'it takes no argument: segpool show 3' list 3 && fails 2 'one pool at a time' show 1 2 &&
		fails 2 '"0" is no number of a pool' show 0 && fails 2 '"-1" is no number of a pool' show -- -1 &&
		fails 2 '"4294967296" is no number of a pool' show 4294967296 &&
		fails 2 'there is no option -x' list -x && fails 2 'name a pool: segpool list shows them' set --age 0 &&
		fails 2 'one pool at a time' set 1 2 --age 0 &&
		fails 2 'say what to set: --virtual, --physical, --retain, --age or --watermark' set 1 &&
		fails 2 '--physical needs a size such as 512M or 2G, not "2X"' set 1 --physical 2X &&
		fails 2 '--age needs a time such as 500ms, 10s or 2m, or 0, not "5"' set 1 --age 5 &&
		fails 2 '--age needs a time such as 500ms, 10s or 2m, or 0, not "50d"' set 1 --age 50d &&
		fails 2 '--watermark needs a percentage from 1 to 100, not "101"' set 1 --watermark 101 &&
		fails 2 'name a pool: segpool list shows them' trim &&
		fails 2 'what may stay is a size such as 512M, not "x"' trim 1 x &&
		fails 2 'one pool at a time' trim 1 2M 3 && fails 2 'it takes no argument' metrics 1 &&
		for command in list show set trim metrics; do
			tool "$command" --help && says "^Usage: segpool $command" && [ "$status" -eq 0 ] || return
		done
}

elsewhere() {
	unshare -n "$segpool" list >"$folder/out" 2>"$folder/said"
	[ $? -eq 1 ] && [ "$(cat "$folder/said")" = "segpool: the module is loaded, but answers in the initial \
network namespace only: nsenter --net=/proc/1/ns/net segpool ..." ]
}

a_full_disk() {
	"$segpool" metrics >/dev/full 2>"$folder/said"
	[ $? -eq 1 ] && grep -qx 'segpool: standard output cannot be written' "$folder/said"
}

without_the_module() {
	rmmod segpool || because "the module cannot be unloaded" || return
	fails 1 'the module segpool is not loaded: modprobe segpool, or insmod segpool.ko, as root' list &&
		fails 1 'the module segpool is not loaded: modprobe segpool, or insmod segpool.ko, as root' set 1 --age 0
	verdict=$?
	insmod /segpool/segpool.ko && return "$verdict"
}

rootly=
make_history
for file in why out said; do
	: >"$folder/$file"
done
echo "TAP version 13"
echo "1..16"
without_a_pool
result without_a_pool
start "$segpool"
first=$parent first_program=$program
# What it will retain is to stay.
"$segpool" set "$pool" --age 0 >"$folder/out" 2>"$folder/said"
wait_for regions_freed 7
rootly=$pool
for test in list_is_what_debugfs_has list_for_people show_has_classes show_for_people set_changes_limits \
	trim_gives_back metrics_have_everything why_requests_were_refused names_are_escaped an_ordinary_user \
	what_cannot_be_done what_makes_no_sense elsewhere a_full_disk; do
	"$test"
	result "$test"
done
stop "$first" "$first_program"
without_the_module
result without_the_module
rm -r "$folder"
[ "$failures" -eq 0 ]
