#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Shows the leak and its cure, then replays a program's history:
#   show.sh OUTPUT-FOLDER LIVE-MODE NAME HISTORY [REPLAY-OPTION]...
# Leaves demo.txt, demo.csv and churn.csv in OUTPUT-FOLDER. Uses the segpool of the running kernel.
set -u

output=$1 live=$2 name=$3 history=$4
shift 4
programs=${DEMO_PROGRAMS:-build/demo}
mkdir -p "$output" || exit 1
status=0

heading() {
	printf '\n%s\n\n' "$1" | tee -a "$output/demo.txt"
}

# Figures of the live line go to standard error, the report to demo.txt as well.
report() {
	"$@" >"$output/part.txt" || status=1
	tee -a "$output/demo.txt" <"$output/part.txt"
	rm -f "$output/part.txt"
}

: >"$output/demo.txt"
heading "1. The leak and its cure"
report "$programs/churn" "$output/churn.csv"
heading "2. The history of a real program, replayed in segpool"
report "$programs/replay" --name "$name" --live "$live" --csv "$output/demo.csv" "$@" "$history"
exit "$status"
