# SPDX-License-Identifier: GPL-2.0-only
# Adds gcov's texts up: awk -v kmod=FOLDER -v least=PERCENT -f report.awk EXCEPTIONS TEXTS

# The function around a line, by the kernel's coding style: its head starts in the first column.
function find_functions(file,	path, line, number, current) {
	path = kmod "/" file
	while ((getline line <path) > 0) {
		number++
		if (line ~ /^[a-z].*\(/ && line !~ /;$/) {
			current = line
			sub(/\(.*/, "", current)
			sub(/.*[ *]/, "", current)
		}
		within[file, number] = current
	}
	close(path)
	known[file] = number > 0
}

function is_excepted(file, number,	i) {
	for (i = 1; i <= exceptions; i++) {
		if (file == except_file[i] && (except_function[i] == "*" || within[file, number] == except_function[i]) &&
		    (except_text[i] == "*" || index(text[file, number], except_text[i]))) {
			used[i]++
			return 1
		}
	}
	return 0
}

function percent(part, whole) {
	return whole ? 100 * part / whole : 100
}

# The list of exceptions comes first.
FNR == NR && FILENAME ~ /exceptions$/ {
	if (!/^#/ && NF) {
		split($0, field, /\t+/)
		exceptions++
		except_file[exceptions] = field[1]
		except_function[exceptions] = field[2]
		except_text[exceptions] = field[3]
	}
	next
}

# "-:    0:Source:path": files of the kernel, and tests, are left out.
/^ *-: *0:Source:/ {
	file = $0
	sub(/.*\//, "", file)
	if (!(file in known))
		find_functions(file)
	wanted = known[file] && file !~ /_test\./
	next
}

wanted && match($0, /^ *[^:]+: *[0-9]+:/) {
	split($0, field, ":")
	count = field[1]
	number = field[2] + 0
	gsub(/[ *]/, "", count)
	if (!number || count == "-")
		next
	text[file, number] = substr($0, RLENGTH + 1)
	executable[file, number] = 1
	if (number > last[file])
		last[file] = number
	if (count !~ /^[#=]/)
		executed[file, number] = 1
}

END {
	for (file in last) {
		for (number = 1; number <= last[file]; number++) {
			if (!((file, number) in executable))
				continue
			lines[file]++
			if ((file, number) in executed)
				done[file]++
			else if (is_excepted(file, number))
				excused[file]++
			else
				missing[file] = missing[file] sprintf("%s:%d: %s:%s\n", file, number, within[file, number], text[file, number])
		}
	}
	printf "%-16s %6s %9s %8s %9s\n", "file", "lines", "executed", "%", "excepted"
	fflush()
	sorted = "sort"
	for (file in last) {
		printf "%-16s %6d %9d %8.1f %9d\n", file, lines[file], done[file], percent(done[file], lines[file]), excused[file] | sorted
		all_lines += lines[file]
		all_done += done[file]
		all_excused += excused[file]
	}
	close(sorted)
	printf "%-16s %6d %9d %8.1f %9d\n", "total", all_lines, all_done, percent(all_done, all_lines), all_excused
	for (i = 1; i <= exceptions; i++)
		if (!used[i])
			printf "\nNot needed this time: %s, %s: %s\n", except_file[i], except_function[i], except_text[i]
	for (file in missing)
		all_missing = all_missing missing[file]
	if (all_missing != "")
		printf "\nNot executed, and not listed in selftests/coverage/exceptions:\n%s", all_missing
	if (!all_lines) {
		print "\nThere are no counts at all."
		exit 1
	}
	if (percent(all_done, all_lines) < least)
		printf "\nLess than %d %% of the lines were executed.\n", least
	exit all_missing != "" || percent(all_done, all_lines) < least
}
