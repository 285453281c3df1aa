# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # run, which sources this, sets here, guest, top and scratch
# The repository's own rules: scripts, licences, and the README's program.

library=$top/build/lib/libsegpool.a

# Our own files, committed or not.
list_files() {
	(cd "$top" && find . \( -path ./.git -o -path ./build \) -prune -o -type f -print)
}

list_scripts() {
	local file
	list_files | while read -r file; do
		[[ $file != *.sh ]] && ! head -n 1 "$top/$file" | grep -qaE '^#!.*(ba)?sh$' || printf '%s\n' "$file"
	done
}

# shellcheck disable=SC2016 # the planted script is not for this shell
scripts() {
	local names
	mapfile -t names < <(list_scripts | grep -vx ./selftests/guest/init)
	printf '#!/bin/bash\nrm $1\n' >"$scratch/planted.sh"
	cd "$top" || return
	{
		shellcheck --format=gcc --external-sources --source-path=SCRIPTDIR "${names[@]}" "$scratch/planted.sh" || true
		# This version does not know busybox by name.
		shellcheck --format=gcc --shell=dash selftests/guest/init || true
	} >"$scratch/shellcheck" 2>&1
	judge "$scratch/shellcheck" SC2086
}

# On the first line, or on the second where the first names the interpreter.
has_licence_line() {
	head -n 2 "$1" | grep -qa 'SPDX-License-Identifier: '
}

licence_lines() {
	local file
	cd "$top" || return
	echo 'no licence' >"$scratch/planted.txt"
	{ list_files && echo "$scratch/planted.txt"; } | while read -r file; do
		case $file in
		./LICENSES/* | *.gz | *.svg | *.png) ;;
		*) has_licence_line "$file" || echo "$file: no SPDX-License-Identifier" ;;
		esac
	done >"$scratch/licences"
	judge "$scratch/licences" "no SPDX-License-Identifier"
}

# The program that the README prints, as printed.
readme_program() {
	awk '/^```c$/ { copy = 1; next } /^```$/ { if (copy) exit } copy' "$top/README.md" >"$scratch/readme.c"
	grep -q 'main(' "$scratch/readme.c"
	gcc -std=gnu11 -Wall -Wextra -Werror -I"$top/uapi" -I"$top/lib/include" \
		-o "$scratch/readme" "$scratch/readme.c" "$library" -pthread
}
