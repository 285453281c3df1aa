# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# TAP for shell tests, to be sourced. A test is a function that fails with a
# status other than 0; what it printed is shown then. Status 4 skips it, with
# what it printed as the reason.

# shellcheck disable=SC2034 # for the tests
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/segpool-host-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

SKIPPED=4

# A test says: skip "reason".
skip() {
	echo "$*"
	exit "$SKIPPED"
}

# refute COMMAND...: fails where the command succeeds; a bare ! would not end the
# test.
refute() {
	if "$@"; then
		return 1
	fi
}

# tap_run TEST...: the plan, then the tests; returns 1 if one failed.
tap_run() {
	local number=0 failures=0 status output

	printf 'TAP version 13\n1..%d\n' "$#"
	for test in "$@"; do
		number=$((number + 1))
		# Not as the condition of an if: set -e would be off in the test.
		set +e
		output=$(set -eE; trap 'echo "failed: $BASH_COMMAND" >&2' ERR; "$test" 2>&1)
		status=$?
		set -e
		case $status in
		0)
			echo "ok $number $test"
			;;
		"$SKIPPED")
			echo "ok $number $test # SKIP ${output//$'\n'/ }"
			;;
		*)
			[[ -z $output ]] || printf '%s\n' "$output" | sed 's/^/# /'
			echo "not ok $number $test"
			failures=$((failures + 1))
			;;
		esac
	done
	[[ $failures -eq 0 ]]
}
