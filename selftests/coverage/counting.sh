# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# The module with gcc's counters, and how its counts get out of a guest. For selftests/check, which has
# $top, $guest and die.
coverage_out=$top/build/coverage

coverage_begin() {
	rm -rf "$coverage_out"
	mkdir -p "$coverage_out/counts"
}

# coverage_build IMAGE
coverage_build() {
	local image=$1 release
	release=$(<"$image/release")
	make -s --no-print-directory -C "$top/kmod" KVER="$release" KDIR="$(readlink -f "$image/build")" \
		BUILD="$coverage_out/kmod" SEGPOOL_COVERAGE=y || return 1
	# The report is about what was built, whatever happens to the sources meanwhile.
	find "$coverage_out/kmod/$release" -type l \
		-exec sh -c 'cp --remove-destination "$(readlink -f "$1")" "$1"' - '{}' \;
	[[ -e $coverage_out/kmod/$release/pool.gcno ]] ||
		die "no counters were built in: does kmod/Kbuild use SEGPOOL_COVERAGE?"
}

# coverage_guest KERNEL: sets what guest/run needs for the next guest, and what must start the guest's command.
# shellcheck disable=SC2034 # for the script that sources this
coverage_guest() {
	local release module counts
	release=$(<"$("$guest/fetch" image "$1")/release")
	counts=$(mktemp -d -p "$coverage_out/counts" "$release.XXXXXX")
	coverage_options=(--module "$coverage_out/kmod/$release/segpool.ko" --get "/run/counts=$counts"
		--add "$top/selftests/coverage/collect")
	for module in "$coverage_out/kmod/$release"/*.ko; do
		[[ $module == */segpool.ko ]] || coverage_options+=(--add "$module")
	done
	coverage_command=(sh collect "$coverage_out/kmod/$release")
}
