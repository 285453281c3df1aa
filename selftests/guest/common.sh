# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the guest's scripts share: where things are, and how they speak.

# shellcheck disable=SC2034 # for the scripts that source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${SEGPOOL_CACHE:-$HOME/.cache/segpool}
# Debian's own cloud kernels; those built here from Debian's sources: plain, or with a sanitizer.
stock_kernels=(6.1 6.12)
built_kernels=(testing 6.1-kasan 6.12-kasan testing-kasan 6.1-kcsan 6.12-kcsan)
# shellcheck disable=SC2034 # for the scripts that source this
all_kernels=("${stock_kernels[@]}" "${built_kernels[@]}")

note() {
	printf '%s\n' "$*" >&2
}

die() {
	note "${0##*/}: $*"
	exit "${die_status:-1}"
}

# is_one_of WORD WORDS...
is_one_of() {
	local word=$1 other
	shift
	for other; do
		[[ $word != "$other" ]] || return 0
	done
	return 1
}

is_built_kernel() {
	is_one_of "$1" "${built_kernels[@]}"
}

# with_lock NAME COMMAND...: one process at a time, for what is shared in build/ and the cache. The
# shell's set -e has no effect in COMMAND: it must look at what fails itself.
with_lock() {
	local lock=$cache/locks/$1 fd status=0
	shift
	mkdir -p "${lock%/*}"
	exec {fd}>"$lock"
	flock "$fd"
	# The lock must not outlive us in a child that stays behind.
	"$@" {fd}>&- || status=$?
	exec {fd}>&-
	return "$status"
}

# installed_version PACKAGE: empty if it is not installed.
installed_version() {
	local state
	state=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 0
	[[ $state != installed\ * ]] || printf '%s\n' "${state#installed }"
}

# kernel_releases SERIES: releases with installed cloud headers, the newest first.
kernel_releases() {
	local release
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' "linux-headers-$1.*-cloud-amd64" 2>/dev/null |
		sed -n 's/^installed linux-headers-//p' | sort -rV |
		while read -r release; do
			[[ ! -e /lib/modules/$release/build ]] || printf '%s\n' "$release"
		done
}
