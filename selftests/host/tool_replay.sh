#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "segpool replay": its numbers against those that a history must give, its JSON, its plot, its
# sentences. Where there is the module the guest's tests look (lib/tool_replay).
#
# shellcheck disable=SC2016 # jq has variables, too
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"

make --no-print-directory -s -C "$top/lib" >&2
segpool=$top/build/bin/segpool
shipped=$top/demo/traces/redis-day.trace.gz
mib=1048576

# 64 MiB in blocks of 64 KiB, given up, and once more; the last MiB is never freed.
awk 'BEGIN {
	print "segpool-trace 1\n# program: the '\''known'\'' one"
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 1024; i++) print "a", t += 10, i, 65536
		for (i = 0; i < 1024 && !(round && i >= 1008); i++) print "f", t += 10, i
	}
}' >"$scratch/known"

# replay ARGUMENT...: JSON in $scratch/json
replay() {
	"$segpool" replay --settle 0 -j "$@" >"$scratch/json"
}

# holds EXPRESSION: of the JSON.
holds() {
	jq -e --argjson mib "$mib" "$1" "$scratch/json" >"$scratch/jq" ||
		{ echo "not so: $1" && jq -c 'del(.runs[].samples)' "$scratch/json" && return 1; }
}

every_place_does_it() {
	replay --compare user,malloc,madvise "$scratch/known"
	holds '[.runs[].backend] == ["user", "malloc", "madvise"]'
	holds '.history | .allocations == 2048 and .frees == 2032 and .peak_live_bytes == 64 * $mib and
		.program == "the '\''known'\'' one" and .threads == 1'
	holds 'all(.runs[]; .allocations == 2048 and .frees == 2048 and .live_peak_bytes == 64 * $mib and
		.wrong_pages == 0 and .wrong_frees == 0 and ([.refused[]] | add) == 0)'
	# What is written is resident, whatever a place says about itself.
	holds 'all(.runs[]; .physical_peak_bytes >= 64 * $mib and .physical_peak_bytes < 90 * $mib)'
	# malloc() had a little mapped before.
	holds 'all(.runs[]; .virtual_peak_bytes >= 63 * $mib and .virtual_peak_bytes < 90 * $mib)'
	holds 'all(.runs[]; .minor_faults >= 16384 and .seconds > 0)'
	holds 'all(.runs[]; (.samples | length) > 500 and ([.samples[].live_bytes] | max) > 63 * $mib)'
	# The second round is of addresses that the first one gave up.
	holds '.runs[2] | .reuse_ratio == 0.5 and .virtual_peak_bytes == 64 * $mib'
	# These give back at once.
	holds 'all(.runs[1, 2]; .physical_freed_bytes < 4 * $mib)'
	holds '.runs[2].minor_faults >= 32768'
	holds '.runs[0].owned_peak_bytes >= 64 * $mib and .runs[1].owned_peak_bytes == null'
	holds '.runs[1].reuse_ratio == null'
}

budgets_refuse() {
	replay --compare user,malloc,madvise --budget 32M "$scratch/known"
	holds 'all(.runs[]; .live_peak_bytes <= 32 * $mib and .physical_peak_bytes <= 34 * $mib)'
	holds 'all(.runs[]; .allocations + ([.refused[]] | add) == 2048 and .allocations == .frees)'
	holds '.runs[0].refused.physical > 1000 and .runs[1].refused.virtual > 1000 and
		.runs[2].refused.physical == 1024'
	holds '.options.budget == 32 * $mib'
	replay --compare user,madvise --virtual 32M "$scratch/known"
	holds 'all(.runs[]; .virtual_peak_bytes <= 32 * $mib and .refused.virtual > 1000)'
}

rounds_repeat() {
	replay --backend madvise --rounds 3 "$scratch/known"
	holds '.runs[0] | .allocations == 6144 and .frees == 6144 and .virtual_peak_bytes == 64 * $mib'
}

every_byte_or_a_word() {
	replay --backend malloc --write page "$shipped"
	holds '.options.write == "page" and .runs[0].allocations == 11901'
	replay --backend malloc --write all "$shipped"
	holds '.options.write == "all" and .runs[0].wrong_pages == 0 and .runs[0].frees == 11901'
}

# As long as the program took, 41 ms each time, or more on a busy machine.
real_time() {
	local begin end
	begin=$(date +%s%N)
	replay --backend malloc --speed real --rounds 10 "$scratch/known"
	end=$(date +%s%N)
	[[ $(((end - begin) / 1000000)) -ge 400 ]]
	holds '.options.speed == "real" and .runs[0].samples[-1].us >= 408000'
}

kinds_and_resizes() {
	printf '%s\n' "segpool-trace 1" "z 0 0 10000" "l 0 1 5000 65536" "m 0 2 40960" "r 1 0 3000000" \
		"t 1" "r 2 1 4097" "r 3 2 28672" "r 4 0 20000" "f 5 1" >"$scratch/kinds"
	replay --compare user,malloc,madvise --rounds 50 --write all "$scratch/kinds"
	holds '.history.threads == 2 and all(.runs[]; .allocations == 150 and .resizes == 200 and
		.frees == 150 and .wrong_pages == 0 and .wrong_frees == 0)'
}

# The environment does not change what is compared; "auto" is what the library takes.
backends_are_what_was_asked_for() {
	SEGPOOL_BACKEND=kernel replay --backend user "$scratch/known"
	holds '.runs[0].backend == "user"'
	SEGPOOL_BACKEND=user replay "$scratch/known"
	holds '.runs[0].backend == "user"'
}

from_standard_input() {
	replay --backend madvise - <"$shipped"
	holds '.history.file == "-" and .history.allocations == 11901'
}

# Whatever a program is called.
names_in_json() {
	printf 'segpool-trace 1\n# program: a "b" \\ \xff\x01 \xc3\xa4 \xed\xa0\x80\na 0 0 4096\n' >"$scratch/named"
	replay --backend madvise "$scratch/named"
	holds '.history.program == "a \"b\" \\ \ufffd\u0001 \u00e4 \ufffd\ufffd\ufffd"'
}

plot_is_drawn() {
	local plot=$scratch/plot.svg
	"$segpool" replay --settle 0 --compare user,malloc,madvise --plot "$plot" "$scratch/known" >"$scratch/table"
	xmllint --noout "$plot"
	[[ $(xmllint --xpath 'count(//*[local-name()="path"])' "$plot") -gt 10 ]]
	xmllint --xpath '//*[local-name()="text"]' "$plot" | sed 's/<[^>]*>//g' | sort -u >"$scratch/texts"
	for text in user malloc madvise live "physical memory" "virtual memory" "the 'known' one"; do
		grep -qF "$text" "$scratch/texts"
	done
}

table_is_readable() {
	"$segpool" replay --settle 0 --compare madvise,malloc "$scratch/known" >"$scratch/table"
	grep -qE '^ +madvise +malloc$' "$scratch/table"
	grep -qE '^live, peak +64\.0 MiB +64\.0 MiB$' "$scratch/table"
	grep -qE '^allocations +2048 +2048$' "$scratch/table"
	grep -qE '^reuse ratio +50\.0 % +-$' "$scratch/table"
	"$segpool" replay --settle 0 --bytes --backend madvise "$scratch/known" | grep -qE '^live, peak +67108864$'
}

# refused STATUS PATTERN ARGUMENT...
refused() {
	local wanted=$1 pattern=$2 status=0
	shift 2
	"$segpool" replay --settle 0 "$@" >"$scratch/out" 2>"$scratch/said" || status=$?
	cat "$scratch/said"
	[[ $status -eq $wanted ]]
	head -n 1 "$scratch/said" | grep -qE "^segpool: $pattern"
}

sentences() {
	refused 2 "name the history to replay"
	refused 2 "one history at a time" a b
	refused 2 "\"nowhere\" is none of kernel, user" --backend nowhere x
	refused 2 "\"\" is none of kernel, user" --compare user, x
	refused 2 "--budget needs a size such as" --budget 1X x
	refused 2 "--budget needs a size such as" --budget 0 x
	refused 2 "--speed is max or real" --speed fast x
	refused 2 "--rounds needs a number from 1 to 1000" --rounds 0 x
	refused 2 "there is no option -q" -q x
	refused 1 "/nonexistent: No such file" /nonexistent
	refused 1 ".*: this is no allocation history" "$top/README.md"
	head -c 10000 "$shipped" >"$scratch/short.gz"
	refused 1 ".*: it is cut off after line [0-9]+" "$scratch/short.gz"
	refused 1 "user: .*region_size" --region 3M --backend user "$scratch/known"
	if [[ ! -e /dev/segpool ]]; then
		refused 1 "kernel: no /dev/segpool: load the module" --backend kernel "$scratch/known"
		# The others are compared all the same.
		refused 1 "kernel: no /dev/segpool" --compare kernel,malloc "$scratch/known"
		grep -q '^allocations' "$scratch/out"
	fi
	PATH=/nowhere refused_plot
	refused 1 ".*/no/plot.svg: No such file" --backend malloc --plot "$scratch/no/plot.svg" "$scratch/known"
}

# Without gnuplot.
refused_plot() {
	local status=0
	"$segpool" replay --settle 0 --backend malloc --plot "$scratch/other.svg" "$scratch/known" \
		>"$scratch/out" 2>"$scratch/said" || status=$?
	[[ $status -eq 1 && $(<"$scratch/said") == *"plots need gnuplot: apt-get install gnuplot-nox"* ]]
}

command_as_a_whole() {
	local status=0
	"$segpool" --help | grep -q '^  replay '
	"$segpool" replay --help | grep -q -- '--compare WHERE,WHERE'
	"$segpool" help trace | grep -q -- '--children'
	"$segpool" nothing 2>"$scratch/said" || status=$?
	[[ $status -eq 2 && $(<"$scratch/said") == 'segpool: there is no command "nothing": segpool --help lists them' ]]
	status=0
	"$segpool" >"$scratch/out" 2>"$scratch/said" || status=$?
	[[ $status -eq 2 && ! -s $scratch/out ]]
	status=0
	"$segpool" replay --settle 0 --backend malloc "$scratch/known" >/dev/full 2>"$scratch/said" || status=$?
	[[ $status -eq 1 && $(<"$scratch/said") == "segpool: standard output cannot be written" ]]
}

tap_run every_place_does_it budgets_refuse rounds_repeat every_byte_or_a_word real_time kinds_and_resizes \
	backends_are_what_was_asked_for from_standard_input names_in_json plot_is_drawn table_is_readable sentences \
	command_as_a_whole
