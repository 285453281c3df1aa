# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # run, which sources this, sets here, guest, top and scratch
# kernel-doc: what there is, is well formed; what others call, is documented.

# Where a parameter, member or return value is not described.
kernel_doc() {
	local source
	source=$("$guest/fetch" source)
	perl "$source/scripts/kernel-doc" -none -Wall "$top"/uapi/linux/*.h "$top"/kmod/*.[ch] \
		"$top"/lib/include/*.h "$top"/lib/src/*.[ch] "$here/planted/planted_module.c" \
		>"$scratch/kernel-doc" 2>&1 || true
	judge "$scratch/kernel-doc" "'undescribed' not described" "No description found for return value"
}

# names_documented FILE...: functions and types that have a kernel-doc.
names_documented() {
	perl "$source/scripts/kernel-doc" -rst "$@" 2>/dev/null |
		sed -nE 's/^\.\. c:(function|type|struct):: (.*[ *])?(segpool_[a-z_]+)( \(.*)?$/\3/p'
}

# Each function that the library exports, each structure of the interfaces.
documented() {
	local source headers=("$top/uapi/linux/segpool.h" "$top/lib/include/segpool.h")
	source=$("$guest/fetch" source)
	{
		sed -nE 's/^\t\t(segpool_[a-z_]+);$/\1/p' "$top/lib/libsegpool.map"
		sed -nE 's/^struct (segpool_[a-z_]+) \{$/\1/p' "${headers[@]}"
		echo segpool_planted
	} | sort >"$scratch/names"
	# Far fewer would mean that the patterns above no longer fit.
	[[ $(wc -l <"$scratch/names") -ge 30 ]]
	names_documented "${headers[@]}" | sort | comm -23 "$scratch/names" - |
		sed 's/$/: no kernel-doc/' >"$scratch/undocumented"
	judge "$scratch/undocumented" segpool_planted
}
