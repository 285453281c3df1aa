# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # run, which sources this, sets here, guest, top and scratch
# The manual: every page is well formed; what the headers say is in it, and nothing else.

manual=$top/Documentation/man
manual_headers=("$top/lib/include/segpool.h" "$here/planted/planted_header.h")

manual_sources() {
	printf '%s\n' "$manual"/*.scd "$here/planted/planted_page.3.scd"
}

# What scdoc makes for every page, and mandoc finds superfluous, is no mistake.
manual_lint() {
	local source page
	mkdir -p "$scratch/man"
	while read -r source; do
		page=$scratch/man/$(basename "$source" .scd)
		"$manual/render" "$source" >"$page"
		[[ $page != */planted_page.3 ]] || printf '.PLANTED\ntext \\*[planted_string]\n' >>"$page"
		mandoc -T lint -W warning "$page" | grep -v 'skipping paragraph macro: PP' || true
		man --warnings=w -E UTF-8 --local-file "$page" 2>&1 >"$scratch/shown" | sed "s|^|$(basename "$page"): |"
	done < <(manual_sources) >"$scratch/manual-lint"
	judge "$scratch/manual-lint" 'planted_page.3:.*skipping unknown macro' 'planted_string'
}

# On one line each, as a person reads them: prototypes <HEADER
prototypes() {
	tr -s ' \t\n' ' ' | tr ';' '\n' | grep -oE '[a-z_0-9 ]+[ *]segpool_[a-z_0-9]+\([^)]*\)' | sed 's/^ *//'
}

# name_first: NAME: before each prototype of it.
name_first() {
	sed -E 's/^(.*[ *])(segpool_[a-z_0-9]+)\(.*$/\2: &/'
}

# Without comments: they name functions too.
declared_prototypes() {
	local header
	for header in "${manual_headers[@]}"; do
		gcc -fpreprocessed -dD -E -P "$header" | grep -v '^#' | prototypes
	done | name_first | sort
}

# synopsis SOURCE: the lines of code below SYNOPSIS.
synopsis() {
	awk '/^# / { wanted = $0 == "# SYNOPSIS" } /^```$/ { code = !code; next } wanted && code && !/^#/' "$1"
}

manual_prototypes() {
	local source
	declared_prototypes >"$scratch/declared"
	# Far fewer would mean that the pattern above no longer fits.
	[[ $(wc -l <"$scratch/declared") -ge 40 ]]
	while read -r source; do
		[[ $source != *.3.scd ]] || synopsis "$source" | prototypes
	done < <(manual_sources) | name_first | sort >"$scratch/printed"
	{
		comm -23 "$scratch/declared" "$scratch/printed" | sed 's/$/ is in no SYNOPSIS/'
		comm -13 "$scratch/declared" "$scratch/printed" | sed 's/$/ is in no header/'
	} >"$scratch/manual-prototypes"
	judge "$scratch/manual-prototypes" 'int segpool_planted\(long number\) is in no SYNOPSIS' \
		'int segpool_planted\(int number\) is in no header' 'segpool_planted_alone'
}

# NAME PAGE of all functions that a SYNOPSIS has.
described_functions() {
	local source
	while read -r source; do
		[[ $source != *.3.scd ]] || synopsis "$source" | prototypes | name_first |
			sed "s/:.*/ $(basename "$source" .scd)/"
	done < <(manual_sources) | sort
}

# A function is found by its name: in the NAME of the page, from which the links are made.
manual_names() {
	{
		sed -nE 's/^\t\t(segpool_[a-z_0-9]+);$/\1/p' "$top/lib/libsegpool.map"
		echo segpool_planted_alone
	} | sort >"$scratch/exported"
	[[ $(wc -l <"$scratch/exported") -ge 39 ]]
	described_functions >"$scratch/described"
	mapfile -t sources < <(manual_sources)
	"$manual/names" "${sources[@]}" | sed -nE 's/\.3:/ /p' | sort >"$scratch/named"
	{
		cut -d ' ' -f 1 "$scratch/named" | sort | comm -23 "$scratch/exported" - | sed 's/$/: no page/'
		comm -3 "$scratch/described" "$scratch/named" | sed 's/$/: not in both NAME and SYNOPSIS/'
	} >"$scratch/manual-names"
	judge "$scratch/manual-names" 'segpool_planted_alone: no page' 'planted_unshown .*not in both'
}

# Their names, as alternatives.
error_names() {
	echo '#include <errno.h>' | gcc -E -dM - | sed -nE 's/^#define (E[A-Z0-9]+) .*/\1/p' | sort | paste -sd '|'
}

# FUNCTION ERROR as its own description says; FUNCTION OTHER where that mentions another function.
said_in_headers() {
	awk -v errors="^($(error_names))\$" '
	/^ \* segpool_[a-z_0-9]+\(\) - / { name = $2; sub(/\(\)/, "", name) }
	/^ \*\// { name = "" }
	name {
		line = $0
		gsub(/[^A-Za-z0-9_]/, " ", line)
		n = split(line, words, " ")
		for (i = 1; i <= n; i++)
			if (words[i] ~ errors || (words[i] ~ /^segpool_/ && index($0, words[i] "()") && words[i] != name))
				print name, words[i]
	}' "${manual_headers[@]}" | sort -u
}

# FUNCTION ERROR with what it may hand on from the functions that it mentions.
possible_errors() {
	awk '
	{ pair[NR] = $1 " " $2; has[$1 " " $2] = 1 }
	END {
		do {
			more = 0
			for (at in pair) {
				split(pair[at], one, " ")
				for (key in has) {
					split(key, two, " ")
					if (one[2] == two[1] && !((one[1] " " two[2]) in has)) {
						has[one[1] " " two[2]] = 1
						more = 1
					}
				}
			}
		} while (more)
		for (key in has)
			if (key ~ / E/)
				print key
	}' "$scratch/said"
}

# errors_of PAGE: those that have a paragraph of their own below ERRORS.
errors_of() {
	awk '/^# / { wanted = $0 == "# ERRORS" } wanted && /^\*E/' "$1" | tr -d '*,' | tr ' ' '\n' | sort -u
}

# words_of PAGE...: without what marks them.
words_of() {
	sed 's/\\//g' "$@" | tr -c 'A-Za-z0-9_\n' '\n' | sed 's/^_*//; s/_*$//' | sort -u
}

# page_of NAME.SECTION: its source.
page_of() {
	sed -n "s/^$1://p" "$scratch/pages"
}

# Every error of a function's own description is on its page; below ERRORS is none that cannot be.
manual_errors() {
	local name error page possible
	mapfile -t sources < <(manual_sources)
	"$manual/names" "${sources[@]}" | while IFS=: read -r name page; do
		printf '%s:%s\n' "$name" "$(printf '%s\n' "${sources[@]}" | grep "/$page\.scd$")"
	done >"$scratch/pages"
	{
		said_in_headers
		# One page may speak of what any function on it returns.
		sed -nE 's/^(.*)\.3:(.*)$/\2 \1/p' "$scratch/pages" |
			awk '{ for (name in page) if (page[name] == $1) print $2, name "\n" name, $2; page[$2] = $1 }'
	} >"$scratch/said"
	possible=$(possible_errors)
	[[ $(grep -c ' E' "$scratch/said") -ge 60 ]]
	{
		while read -r name error; do
			page=$(page_of "$name.3")
			[[ -z $page || $error != E* ]] || words_of "$page" | grep -xe "$error" >"$scratch/shown" ||
				echo "$(basename "$page"): nothing of $error of $name()"
		done <"$scratch/said"
		for page in "${sources[@]}"; do
			[[ $page == *.3.scd ]] || continue
			comm -23 <(errors_of "$page") <(grep -wFf <(grep ":$page$" "$scratch/pages" | sed 's/\.3:.*//') \
				<<<"$possible" | cut -d ' ' -f 2 | sort -u) | sed "s|^|$(basename "$page"): nobody returns |"
		done
	} >"$scratch/manual-errors"
	judge "$scratch/manual-errors" 'planted_page.*nothing of EDOM' 'planted_page.*nobody returns ERANGE'
}

# The device's page: the errors that its header explains, its calls, the module's parameters.
manual_device() {
	local page=$manual/segpool.4.scd header=$top/uapi/linux/segpool.h
	{
		diff <(sed -nE 's/^ \*  - (E[A-Z0-9]+): .*/\1/p' "$header" | sort) <(errors_of "$page") |
			sed -nE 's/^[<>] (.*)/\1: not in both the header and ERRORS/p'
		{
			sed -nE 's/^#define (SEGPOOL_IOC_[A-Z_]+)\t_IOWR.*/\1/p' "$header"
			sed -nE 's/^module_param\(([a-z_]+),.*/\1/p' "$top"/kmod/*.c
			echo planted_parameter
		} | sort | comm -23 - <(words_of "$page") | sed "s|$|: not in $(basename "$page")|"
	} >"$scratch/manual-device"
	judge "$scratch/manual-device" planted_parameter
}

# written_names HEADER: what a program may write, constants and members of the library's structures.
written_names() {
	{
		sed -nE -e 's/^#define (SEGPOOL_[A-Z_]+[A-Z])\t.*/\1/p' -e 's/^\t(SEGPOOL_[A-Z_]+) = .*/\1/p' "$1"
		[[ $1 == */uapi/* ]] || sed -n '/^ \* struct /,/^ \*\//s/^ \* @\([a-z_0-9]*\):.*/\1/p' "$1"
	} | sort -u
}

# Flags, modes, reasons, limits and options are explained on some page.
manual_constants() {
	local header
	words_of "$manual"/*.scd >"$scratch/words"
	for header in "$top/uapi/linux/segpool.h" "${manual_headers[@]}"; do
		written_names "$header" >"$scratch/constants"
		[[ -s $scratch/constants ]]
		comm -23 "$scratch/constants" "$scratch/words" | sed "s|^|$(basename "$header"): on no page: |"
	done >"$scratch/manual-constants"
	judge "$scratch/manual-constants" SEGPOOL_PLANTED_CONSTANT planted_member
}

# What a page refers to is there.
manual_references() {
	mapfile -t sources < <(manual_sources)
	"$manual/names" "${sources[@]}" | cut -d : -f 1 | sort -u >"$scratch/there"
	grep -ohE '\*segpool[a-z_0-9]*\*\([347]\)' "${sources[@]}" | sed -E 's/\*([a-z_0-9]+)\*\(([347])\)/\1.\2/' |
		sort -u >"$scratch/referred"
	[[ $(wc -l <"$scratch/referred") -ge 15 ]]
	comm -23 "$scratch/referred" "$scratch/there" | sed 's/$/: referred to, but not there/' \
		>"$scratch/manual-references"
	judge "$scratch/manual-references" segpool_planted_nowhere.3
}
