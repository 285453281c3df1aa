#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The structures of uapi/linux/segpool.h have the same sizes and offsets in 32
# and in 64 bits, and keep those they had: the list is uapi_layout.txt. After a
# structure was extended at its end: uapi_layout.sh --print > uapi_layout.txt
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
header=$top/uapi/linux/segpool.h

# A function that carries every size and offset into the assembler's input.
layout_source() {
	echo '#include <linux/segpool.h>'
	echo '#include <stddef.h>'
	echo '#define SHOW(name, value) __asm__ volatile("#layout " name " %c0" : : "i"(value))'
	echo 'void layout(void) {'
	awk '/^struct segpool_[a-z_]+ \{/ {
		name = $2
		printf "SHOW(\"%s sizeof\", sizeof(struct %s));\n", name, name
		next
	}
	/^};/ { name = "" }
	name != "" && /;$/ {
		member = $NF
		sub(/(\[[^]]*\])?;$/, "", member)
		printf "SHOW(\"%s %s\", offsetof(struct %s, %s));\n", name, member, name, member
	}' "$header"
	echo '}'
}

# layout COMPILER FLAG: one "structure member offset" a line. The folder of the
# kernel headers is named because a 64-bit installation hides it from -m32.
layout() {
	local triplet
	triplet=$(gcc -print-multiarch)
	layout_source > "$scratch/layout.c"
	"$1" "$2" -ffreestanding -I"$top/uapi" -idirafter "/usr/include/$triplet" -S \
		-o "$scratch/layout.s" "$scratch/layout.c"
	echo '# SPDX-License-Identifier: GPL-2.0-only'
	sed -n 's/^[[:space:]]*#layout //p' "$scratch/layout.s"
}

need() {
	command -v "$1" > "$scratch/which" || skip "$1 is not installed: apt-get install $1"
}

every_structure_is_listed() {
	local structures
	structures=$(grep -cE '^struct segpool_[a-z_]+ \{' "$header")
	[[ $structures -ge 12 ]]
	[[ $(layout gcc -m64 | grep -c ' sizeof ') -eq $structures ]]
	# Nothing that the pattern above would overlook.
	[[ $(grep -cE '^[[:space:]]*(struct|union)[^;()*]*\{' "$header") -eq $structures ]]
}

as_released() {
	layout gcc -m64 | diff "$here/uapi_layout.txt" -
}

gcc_32_bits() {
	layout gcc -m32 | diff "$here/uapi_layout.txt" -
}

clang_64_bits() {
	need clang
	layout clang -m64 | diff "$here/uapi_layout.txt" -
}

clang_32_bits() {
	need clang
	layout clang -m32 | diff "$here/uapi_layout.txt" -
}

if [[ ${1:-} == --print ]]; then
	layout gcc -m64
	exit
fi
tap_run every_structure_is_listed as_released gcc_32_bits clang_64_bits clang_32_bits
