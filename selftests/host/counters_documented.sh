#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Documentation/ABI/testing/debugfs-segpool describes every counter of the ABI
# header, and none that does not exist.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
header=$top/uapi/linux/segpool.h
document=$top/Documentation/ABI/testing/debugfs-segpool

# counters MACRO: the names in one table of the header, as the compiler sees them.
counters() {
	printf '#include <linux/segpool.h>\n#define NAME(id, name, kind, text) counter: name\n%s(NAME)\n' "$1" |
		gcc -E -P -I"$top/uapi" - | grep -oE 'counter: [a-z_]+' | sed 's/counter: //'
}

# Counters of the module as a whole: those that debugfs.c prints beside the table.
module_counters() {
	sed -nE 's/.*seq_printf\(seq, "([a-z_]+) %l*u\\n".*/\1/p' "$top/kmod/debugfs.c"
}

# documented FILE: names behind "What: .../FILE:".
documented() {
	sed -nE "s|^What:[[:space:]]+/sys/kernel/debug/segpool/(.*)[:] ([a-z_]+)\$|\1 \2|p" "$document" |
		awk -v file="$1" '$1 ~ file { print $2 }' | sort -u
}

the_table_is_found() {
	[[ $(counters SEGPOOL_COUNTERS | wc -l) -ge 30 ]]
	[[ $(counters SEGPOOL_CLASS_COUNTERS | wc -l) -ge 8 ]]
	[[ $(counters SEGPOOL_COUNTERS | sort | uniq -d | wc -l) -eq 0 ]]
	[[ $(module_counters | wc -l) -ge 4 ]]
	grep -q '^#define SEGPOOL_COUNTERS' "$header"
}

pool_counters_are_documented() {
	diff <(counters SEGPOOL_COUNTERS | sort) <(documented 'pool/<id>/counters')
}

class_counters_are_documented() {
	diff <(counters SEGPOOL_CLASS_COUNTERS | sort) <(documented 'pool/<id>/classes')
}

module_counters_are_documented() {
	local name
	for name in $(module_counters); do
		documented 'counters' | grep -qx "$name"
	done
}

every_entry_has_its_three_lines() {
	[[ $(grep -c '^What:' "$document") -eq $(grep -c '^Date:' "$document") ]]
	[[ $(grep -c '^What:' "$document") -eq $(grep -c '^Description:[[:space:]]*[A-Z0-9]' "$document") ]]
}

tap_run the_table_is_found pool_counters_are_documented class_counters_are_documented \
	module_counters_are_documented every_entry_has_its_three_lines
