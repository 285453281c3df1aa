# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # run, which sources this, sets here, guest, top and scratch
# The kernel's own scripts, from its source package: checkpatch, and semantic patches for Coccinelle.

# checkpatch knows what kind of header it reads by where the kernel keeps that kind.
kernel_layout() {
	local tree=$1
	mkdir -p "$tree/drivers/segpool" "$tree/include/uapi/linux" "$tree/include/trace/events"
	cp "$top"/kmod/*.[ch] "$here/planted/planted_module.c" "$tree/drivers/segpool/"
	mv "$tree/drivers/segpool/trace.h" "$tree/include/trace/events/segpool.h"
	cp "$top"/uapi/linux/*.h "$tree/include/uapi/linux/"
}

# checkpatch_exceptions_of FILE: the types that do not apply to it.
checkpatch_exceptions_of() {
	awk -F '\t+' -v file="$1" '!/^#/ && file ~ $1 { list = list "," $2 } END { print substr(list, 2) }' \
		"$here/exceptions/checkpatch"
}

checkpatch() {
	local source file ignored
	source=$("$guest/fetch" source)
	kernel_layout "$scratch/tree"
	cd "$scratch/tree" || return
	while read -r file; do
		ignored=$(checkpatch_exceptions_of "$file")
		perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse --no-summary --show-types \
			--max-line-length=100 ${ignored:+--ignore "$ignored"} --file "$file" || true
	done < <(find . -name '*.[ch]' -printf '%P\n' | sort) >"$scratch/checkpatch"
	judge "$scratch/checkpatch" SPACING OPEN_BRACE
}

# Those that are listed as not run come first in the list of exceptions: their file is "-".
semantic_patches() {
	(cd "$1" && find scripts/coccinelle -name '*.cocci' | sort) |
		grep -vxFf <(awk -F '\t+' '!/^#/ && $2 == "-" { print $1 }' "$here/exceptions/coccinelle")
}

# run_semantic_patch SOURCE SCRIPT FOLDER: prints a line for each report.
run_semantic_patch() {
	local source=$1 script=$2 folder=$3 options log
	read -r -a options < <(sed -n 's|^// *Options:||p' "$source/$script") || true
	log=$(mktemp "$folder/log.XXXXXX")
	# Seconds of its own: other tests may be using the processors.
	ulimit -t 60
	if ! spatch -D report --very-quiet --no-show-diff ${options[@]+"${options[@]}"} \
		--cocci-file "$source/$script" --dir "$folder" -I "$top/uapi" 2>"$log"; then
		echo "$script failed: $(tail -n 1 "$log")"
	fi | sed "/./s|\$| [$script]|"
}

# Reports that are known and wrong, by script and file.
without_coccinelle_exceptions() {
	awk -F '\t+' 'NR == FNR { if (!/^#/ && $2 != "-") file[++n] = $2; script[n] = $1; next }
		{ for (i = 1; i <= n; i++) if (index($0, "[" script[i] "]") && $0 ~ file[i]) next; print }' \
		"$here/exceptions/coccinelle" -
}

coccinelle() {
	local source folder=$scratch/coccinelle
	source=$("$guest/fetch" source)
	mkdir "$folder"
	cp "$top"/kmod/*.[ch] "$here/planted/planted_module.c" "$folder/"
	export -f run_semantic_patch
	export top
	# Python, which formats the reports, would leave its cache beside the scripts.
	semantic_patches "$source" |
		PYTHONDONTWRITEBYTECODE=1 xargs -P "$(nproc)" -I '{}' \
			bash -c 'run_semantic_patch "$@"' - "$source" '{}' "$folder" |
		without_coccinelle_exceptions >"$scratch/reports"
	judge "$scratch/reports" 'free/kfree\.cocci' 'locks/mini_lock\.cocci' \
		'iterators/use_after_iter\.cocci' 'null/deref_null\.cocci' 'tests/doubletest\.cocci'
}
