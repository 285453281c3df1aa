#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The demo in a machine of its own: as show.sh, and afterwards nothing may be left behind, neither
# in the module's counters nor in the system's free memory. Arguments as for show.sh.
set -u

output=$1
counters=/sys/kernel/debug/segpool/counters

# Free bytes of the page allocator, with caches dropped: its buddy lists and, because tens of MiB
# can sit there, its lists of each CPU.
free_bytes() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '
	FILENAME ~ /buddyinfo/ {
		size = 4096
		for (i = 5; i <= NF; i++) {
			sum += $i * size
			size *= 2
		}
	}
	FILENAME ~ /zoneinfo/ && $1 == "count:" {
		sum += $2 * 4096
	}
	END {
		printf "%.0f\n", sum
	}' /proc/buddyinfo /proc/zoneinfo
}

check_counters() {
	awk '
	BEGIN {
		split("virtual_bytes physical_bytes retained_bytes regions_active regions_freed " \
		      "pools ceiling_used_bytes", names)
		for (i in names)
			expected[names[i]] = 1
	}
	$1 in expected {
		delete expected[$1]
		zeros++
		if ($2 != 0) {
			printf "MISSED: after the end of every pool the module counts %s %s\n",
			       $1, $2
			bad = 1
		}
	}
	END {
		for (name in expected) {
			printf "MISSED: the module has no counter %s\n", name
			bad = 1
		}
		if (!bad)
			printf "  Module: %d gauges of memory, regions and pools are 0.\n", zeros
		exit bad
	}' "$counters"
}

check_memory() {
	awk -v before="$1" -v after="$2" 'BEGIN {
		change = (after - before) * 100 / before
		printf "  Free memory: %.1f MiB before, %.1f MiB after (%+.2f%%).\n",
		       before / 1048576, after / 1048576, change
		if (change < -1 || change > 1) {
			print "MISSED: free memory is not within 1% of what it was."
			exit 1
		}
	}'
}

before=$(free_bytes)
"$(dirname "$0")/show.sh" "$@"
status=$?
{
	printf '\nAfter the programs have ended:\n\n'
	check_counters || status=1
	check_memory "$before" "$(free_bytes)" || status=1
	echo "$status" >"$output/status"
} | tee -a "$output/demo.txt"
exit "$(cat "$output/status")"
