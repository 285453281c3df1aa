# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # run, which sources this, sets here, guest, top and scratch
# kernel-doc: what there is, is well formed; what others call, is documented.

# What is made of the netlink specification is what the kernel's generators make of it; and its counters
# have the names and descriptions of the table that everything else has them from.
netlink_spec() {
	local made=$scratch/netlink file
	"$here/netlink-spec" "$made" >"$scratch/netlink-spec.log" 2>&1 || { cat "$scratch/netlink-spec.log" && return 1; }
	echo planted >>"$made/Documentation/netlink/segpool.rst.planted"
	for file in uapi/linux/segpool_netlink.h Documentation/netlink/segpool.rst Documentation/netlink/segpool.rst.planted; do
		diff -q "$made/$file" "$top/$file" >"$scratch/diff" 2>&1 ||
			echo "$file: not as made of the specification: run selftests/static/netlink-spec"
	done >"$scratch/netlink-spec"
	judge "$scratch/netlink-spec" "not as made of the specification"
}

# spec_counters SET: "name description" of each attribute of a set, as words.
spec_counters() {
	python3 - "$top/Documentation/netlink/specs/segpool.yaml" "$1" <<-'END'
		import sys, yaml
		sets = yaml.safe_load(open(sys.argv[1]))["attribute-sets"]
		for attribute in next(s for s in sets if s["name"] == sys.argv[2])["attributes"][1:]:
		    text = " ".join(attribute["doc"].split()).rsplit(";", 1)[0]
		    print(attribute["name"].replace("-", "_"), text[0].lower() + text[1:])
	END
}

# table_counters MACRO: the same of the header's table.
table_counters() {
	printf '#include <linux/segpool.h>\n#define ROW(id, name, kind, text) counter: name text\n%s(ROW)\n' "$1" |
		gcc -E -P -I"$top/uapi" - | grep -oE 'counter: [a-z_]+ "[^"]*"' |
		sed -E 's/counter: ([a-z_]+) "(.)(.*)"/\1 \l\2\3/'
}

netlink_counters() {
	[[ $(table_counters SEGPOOL_COUNTERS | wc -l) -ge 30 ]]
	diff <(table_counters SEGPOOL_COUNTERS) <(spec_counters counters)
	diff <(table_counters SEGPOOL_CLASS_COUNTERS) <(spec_counters class-counters)
}

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
