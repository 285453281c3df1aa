# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # run, which sources this, sets here, guest, top and scratch
# What the compiler with W=1, and sparse, say about the module.

# module_log KERNEL SPARSE: builds with SPARSE=2, or without sparse with 0. In a folder of its own: the
# planted file must not get into a module that is used.
module_log() {
	local image work=$scratch/module-$1
	image=$("$guest/fetch" image "$1")
	mkdir "$work"
	cp "$top"/kmod/*.[ch] "$top/kmod/Kbuild" "$here/planted/planted_module.c" "$work/"
	echo 'obj-m += planted_module.o' >>"$work/Kbuild"
	if ! make -C "$image/build" M="$work" SEGPOOL_TOP="$top" W=1 C="$2" \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$work/log" 2>&1; then
		cat "$work/log"
		return 1
	fi
	# kbuild prints problems of headers with their paths.
	grep -iE '(warning|error):' "$work/log" >"$scratch/module-$1.reports" || true
}

by_compiler="no previous prototype for .planted_without_prototype"
by_sparse=("dereference of noderef expression" "context imbalance in 'planted_imbalance'")

module_6_1() {
	module_log 6.1 2
	judge "$scratch/module-6.1.reports" "$by_compiler" "${by_sparse[@]}"
}

module_6_12() {
	module_log 6.12 2
	judge "$scratch/module-6.12.reports" "$by_compiler" "${by_sparse[@]}"
}

# This kernel refuses the sparse of Debian 12 as too old.
module_testing() {
	module_log testing 0
	judge "$scratch/module-testing.reports" "$by_compiler"
}
