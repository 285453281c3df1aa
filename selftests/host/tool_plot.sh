#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "segpool plot": the pictures of a table, as SVG, PNG and text; what it says of tables that are none.
# Tables are recorded by the guest's tests (tool/record).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"

make --no-print-directory -s -C "$top/lib" >&2
segpool=$top/build/bin/segpool
mib=1048576

# Two pools, one of them with a name that CSV must quote; columns in an order of its own.
{
	echo "comm,ms,pool,retained_bytes,physical_bytes,virtual_bytes,virtual_budget_bytes,physical_budget_bytes"
	for i in 0 1 2 3 4; do
		echo "\"a,\"\"b'c\",$((100 * i)),7,$((i * mib)),$((8 * mib)),$((16 * mib)),$((32 * mib)),$((20 * mib))"
		echo "\"other\",$((100 * i)),9,0,$((4 * mib)),$((4 * mib)),$((32 * mib)),$((20 * mib))"
	done
} >"$scratch/table"

svg_has_the_pools() {
	"$segpool" plot "$scratch/table" -o "$scratch/plot.svg"
	xmllint --noout "$scratch/plot.svg"
	xmllint --xpath '//*[local-name()="text"]' "$scratch/plot.svg" >"$scratch/texts"
	# Each kind of line of each of the two.
	grep -qF "pool 7: a,\"b'c" "$scratch/texts"
	grep -qF 'pool 9: other' "$scratch/texts"
	for title in retained physical virtual 'physical budget' 'virtual budget'; do
		[[ $(grep -cF ">$title<" "$scratch/texts") -eq 2 ]]
	done
}

one_pool() {
	"$segpool" plot --pool 9 -o "$scratch/one.svg" - <"$scratch/table"
	grep -qF 'pool 9: other' "$scratch/one.svg"
	refute grep -qF 'pool 7' "$scratch/one.svg"
}

other_kinds() {
	"$segpool" plot "$scratch/table" -o "$scratch/plot.png"
	[[ $(head -c 4 "$scratch/plot.png" | tail -c 3) == PNG ]]
	"$segpool" plot --pool 9 "$scratch/table" -o "$scratch/plot.txt"
	grep -q 'pool 9: other' "$scratch/plot.txt"
	grep -q 'seconds' "$scratch/plot.txt"
}

# refused STATUS SENTENCE ARGUMENT...
refused() {
	local expected=$1 sentence=$2 status=0
	shift 2
	"$segpool" plot "$@" >"$scratch/out" 2>"$scratch/said" || status=$?
	[[ $status -eq $expected && $(head -n 1 "$scratch/said") == "segpool: $sentence" ]] ||
		{ cat "$scratch/said" && return 1; }
}

sentences() {
	refused 2 'name the table to draw' -o "$scratch/x.svg"
	refused 2 'one table at a time' a b -o "$scratch/x.svg"
	refused 2 'name a file for the picture with -o' "$scratch/table"
	refused 2 '"0" is no number of a pool' --pool 0 "$scratch/table"
	refused 1 '/nonexistent: No such file or directory' /nonexistent -o "$scratch/x.svg"
	refused 1 "$top/README.md: no column ms: is it from segpool record?" "$top/README.md" -o "$scratch/x.svg"
	refused 1 "$scratch/table: there is nothing of that pool in it" "$scratch/table" --pool 8 -o "$scratch/x.svg"
	head -n 1 "$scratch/table" >"$scratch/head"
	refused 1 "$scratch/head: there is no pool in it" "$scratch/head" -o "$scratch/x.svg"
	{ cat "$scratch/table" && echo 'x,1'; } >"$scratch/cut"
	refused 1 "$scratch/cut: line 12 is no row of the table" "$scratch/cut" -o "$scratch/x.svg"
	refused 1 "$scratch/no/x.svg: No such file or directory" "$scratch/table" -o "$scratch/no/x.svg"
}

tap_run svg_has_the_pools one_pool other_kinds sentences
