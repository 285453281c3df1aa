#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Containers of the C++ library in segments of a pool, in plain memory.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"

command -v g++ >"$scratch/which" || { echo "1..0 # SKIP g++ is not installed: apt-get install g++"; exit 4; }
make --no-print-directory -s -C "$top/lib" >&2
cat >"$scratch/program.cpp" <<'EOF'
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>
#include <segpool_pmr.hpp>

static uint64_t live(segpool *pool)
{
	uint64_t values[SEGPOOL_NR_SEGMENT_COUNTERS] = {};

	segpool_segment_stat(pool, SEGPOOL_ALL_CLASSES, values, SEGPOOL_NR_SEGMENT_COUNTERS);
	return values[SEGPOOL_S_LIVE];
}

#define CHECK(condition) \
	do { if (!(condition)) { std::printf("line %d: %s\n", __LINE__, #condition); return 1; } } while (0)

int main()
{
	segpool_options options;
	segpool *one, *two;

	segpool_options_init(&options);
	options.backend = SEGPOOL_BACKEND_USER;
	options.flags = SEGPOOL_SET_VIRTUAL | SEGPOOL_SET_PHYSICAL;
	options.limits.virtual_budget = options.limits.physical_budget = 16 << 20;
	CHECK(!segpool_open(&options, &one) && !segpool_open(&options, &two));
	{
		segpool_resource resource(one), same(one), other(two);
		std::pmr::vector<std::pmr::string> words(&resource);

		CHECK(resource == same && resource != other && resource.pool() == one);
		CHECK(!resource.is_equal(*std::pmr::new_delete_resource()));
		for (int i = 0; i < 1000; i++)
			words.emplace_back(i % 7 ? "short" : std::string(5000, 'x').c_str());
		CHECK(words[0].size() == 5000 && words[999] == "short");
		CHECK(live(one) == 1 + 143 && live(two) == 0);
		std::pmr::vector<std::pmr::string> copy(words, &other);
		CHECK(copy == words && live(two) == 1 + 143);
		void *aligned = resource.allocate(100, 65536);
		CHECK(reinterpret_cast<uintptr_t>(aligned) % 65536 == 0);
		resource.deallocate(aligned, 100, 65536);
		resource.deallocate(resource.allocate(0), 0);
		try {
			(void)resource.allocate(32 << 20);
			CHECK(!"refused");
		} catch (const std::bad_alloc &) {
		}
	}
	CHECK(live(one) == 0 && live(two) == 0);
	segpool_close(one);
	segpool_close(two);
	std::puts("good");
}
EOF

containers() {
	g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -I"$top/uapi" -I"$top/lib/include" -o "$scratch/program" \
		"$scratch/program.cpp" "$top/build/lib/libsegpool.a" -pthread
	[[ $("$scratch/program") == good ]]
}

header_alone_and_twice() {
	local standard
	printf '#include <segpool_pmr.hpp>\n#include <segpool_pmr.hpp>\n' >"$scratch/twice.cpp"
	for standard in c++17 c++20; do
		g++ -std="$standard" -Wall -Wextra -Wpedantic -Werror -Wconversion -I"$top/uapi" \
			-I"$top/lib/include" -fsyntax-only "$scratch/twice.cpp"
	done
}

tap_run containers header_alone_and_twice
