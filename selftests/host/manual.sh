#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The manual, as it is installed: man finds a page for everything that the library exports, and
# uninstall takes all of them away again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
variables=(DESTDIR="$scratch/tree" prefix=/opt/pool)
installed=$scratch/tree/opt/pool/share/man

for tool in scdoc man; do
	command -v "$tool" >"$scratch/which" || { echo "1..0 # SKIP $tool is not installed: selftests/guest/packages man check"; exit 4; }
done

manual_make() {
	make --no-print-directory -s -C "$top/Documentation/man" "$@" "${variables[@]}"
}

symbols() {
	sed -nE 's/^\t\t(segpool_[a-z0-9_]+);$/\1/p' "$top/lib/libsegpool.map"
}

# shown SECTION NAME: what a reader sees.
shown() {
	MANPATH=$installed MANWIDTH=100 man -E UTF-8 "$1" "$2" 2>"$scratch/errors" | col -bx
	[[ ! -s $scratch/errors ]]
}

every_symbol_has_its_page() {
	local symbol number=0
	manual_make all install
	while read -r symbol; do
		shown 3 "$symbol" >"$scratch/page"
		sed -n '/^NAME/,/^LIBRARY/p' "$scratch/page" | grep -qw "$symbol"
		sed -n '/^SYNOPSIS/,/^DESCRIPTION/p' "$scratch/page" | grep -q "[ *]$symbol("
		number=$((number + 1))
	done < <(symbols)
	[[ $number -ge 39 ]]
}

concepts_and_device() {
	shown 7 segpool >"$scratch/page"
	grep -q 'The two numbers' "$scratch/page"
	shown 4 segpool >"$scratch/page"
	grep -q SEGPOOL_IOC_POPULATE "$scratch/page"
}

# Of each counter the headers have a line.
counters_are_listed() {
	shown 3 segpool_stat >"$scratch/page"
	grep -q '^ *retained_bytes$' "$scratch/page"
	grep -q '^ *released pages kept for the next reuse$' "$scratch/page"
	grep -q '^ *cross_class_reuses$' "$scratch/page"
	shown 3 segpool_segment_stat >"$scratch/page"
	grep -q '^ *foreign_frees$' "$scratch/page"
}

nothing_but_pages() {
	local page
	[[ -z $(find "$installed" -type f ! -perm 644) ]]
	while read -r page; do
		lexgrog "$page" >"$scratch/names" || head -n 1 "$page" | grep -q '^\.so man3/segpool_[a-z_]*\.3$'
	done < <(find "$installed" -type f)
	refute grep -r "$top" "$installed"
}

uninstall_takes_away_everything() {
	[[ $(find "$installed" -type f | wc -l) -ge 41 ]]
	manual_make uninstall
	[[ -z $(find "$installed" -type f) ]]
}

tap_run every_symbol_has_its_page concepts_and_device counters_are_listed nothing_but_pages \
	uninstall_takes_away_everything
