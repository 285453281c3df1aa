#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What bash completes behind "segpool": every command and option that --help has, and no other;
# values and files where these belong.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"

make --no-print-directory -s -C "$top/lib" >&2
segpool=$top/build/bin/segpool
# shellcheck source=../../lib/tools/segpool.bash-completion
. "$top/lib/tools/segpool.bash-completion"

# completed WORD...: what the last word may become, a line each.
completed() {
	COMP_WORDS=("$segpool" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_segpool
	[[ ${#COMPREPLY[@]} -eq 0 ]] || printf '%s\n' "${COMPREPLY[@]}"
}

commands() {
	"$segpool" --help | sed -nE 's/^  ([a-z]+) +[^ ].*/\1/p'
}

# Independent of how the completion reads the help: every option that a line of it begins with.
options() {
	"$segpool" "$1" --help | awk '/^ +-/ {
		for (i = 1; i <= 2; i++)
			if ($i ~ /^-/) { sub(/,$/, "", $i); print $i }
	} END { print "--help" }'
}

every_command() {
	[[ $(commands | wc -l) -ge 11 ]]
	diff <(completed '' | sort) <({ commands && printf '%s\n' help --help --version; } | sort)
	[[ $(completed mon) == monitor ]]
	diff <(completed help '' | sort) <(commands | sort)
}

every_option() {
	local command option total=0
	while read -r command; do
		diff <(completed "$command" - | sort) <(options "$command" | sort)
		total=$((total + $(options "$command" | wc -l)))
	done < <(commands)
	[[ $total -ge 50 ]]
	[[ $(completed record --out) == --output ]]
	# Each that is completed is one that the command knows: --help behind it would be its value, or ends it.
	for option in $(completed replay --); do
		refute grep -q "not known" <("$segpool" replay "$option" 1 2>&1 </dev/null)
	done
}

values() {
	diff <(completed replay --speed '') <(printf '%s\n' max real)
	diff <(completed replay --backend m) <(printf '%s\n' malloc madvise)
	diff <(completed replay --write '') <(printf '%s\n' page all)
	# A number, of which nobody knows which.
	[[ -z $(completed top --interval '') && -z $(completed monitor -n '') ]]
	# An option without a value is followed by any.
	[[ $(completed list --json --by) == --bytes ]]
}

files_and_programs() {
	mkdir "$scratch/files"
	touch "$scratch/files/history one.gz"
	[[ $(completed replay "$scratch/files/h") == "$scratch/files/history one.gz" ]]
	[[ $(completed plot -o "$scratch/files/h") == "$scratch/files/history one.gz" ]]
	completed record -o x -- ec | grep -qx echo
	# What is behind -- has options of its own.
	[[ -z $(completed trace -o x -- program --ch) && $(completed trace -o x --ch) == --children ]]
	[[ -z $(completed list x) ]]
}

as_bash_finds_it() {
	[[ $(complete -p segpool) == 'complete -o filenames -F _segpool segpool' ]]
	make --no-print-directory -s -C "$top/lib" install DESTDIR="$scratch/tree" prefix=/opt/pool >"$scratch/out"
	cmp "$scratch/tree/opt/pool/share/bash-completion/completions/segpool" "$top/lib/tools/segpool.bash-completion"
	make --no-print-directory -s -C "$top/lib" uninstall DESTDIR="$scratch/tree" prefix=/opt/pool >"$scratch/out"
	[[ -z $(find "$scratch/tree" ! -type d) ]]
}

tap_run every_command every_option values files_and_programs as_bash_finds_it
