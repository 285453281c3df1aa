#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Would the histories notice? Each mutation of the core must be found, and for the right reason.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
mutants=$top/selftests/histories/mutants
programs=$top/build/selftests/host/histories.d

# notices NAME: what it finds is what the patch says.
notices() {
	local expected status=0
	expected=$(sed -n 's/^Finds: //p' "$mutants/$1.patch")
	"$programs/$1" 0 >"$scratch/$1" 2>&1 || status=$?
	cat "$scratch/$1"
	[[ $status -ne 0 ]]
	grep -qE "^# found: .*($expected)" "$scratch/$1"
}

tests=()
for patch in "$mutants"/*.patch; do
	name=$(basename "$patch" .patch)
	eval "$(printf '%s() { notices %s; }' "${name//-/_}" "$name")"
	tests+=("${name//-/_}")
done
tap_run "${tests[@]}"
