#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest that cannot be started ends at once, and with the status that says so.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
# Less than the guest would be given.
readonly no_start=120 limit=200

# The download of the guest's kernel is not to be timed.
"$top/selftests/guest/fetch" image 6.1 >"$scratch/image"

# refused WORD OPTION...: within the limit, with a message that has WORD in it.
refused() {
	local word=$1 status=0
	shift
	timeout "$limit" "$top/selftests/guest/run" --no-module "$@" -- true >"$scratch/log" 2>&1 ||
		status=$?
	cat "$scratch/log"
	[[ $status -eq $no_start ]]
	grep -q "$word" "$scratch/log"
}

memory_that_qemu_does_not_understand() { refused banana --mem banana; }
processors_that_qemu_does_not_have() { refused 99999 --smp 99999; }
kernel_that_is_not_known() { refused 5.4 --kernel 5.4; }
file_that_is_not_there() { refused banana --add "$scratch/banana"; }

tap_run memory_that_qemu_does_not_understand processors_that_qemu_does_not_have \
	kernel_that_is_not_known file_that_is_not_there
