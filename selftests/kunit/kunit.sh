#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The KUnit tests of the module's core, as TAP: each of their cases is a test here.

module=/segpool/segpool_kunit.ko

skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

[ -d /sys/kernel/debug/kunit ] || skip_all "the kernel has no KUnit (CONFIG_KUNIT and CONFIG_KUNIT_DEBUGFS)"
[ -e "$module" ] || skip_all "segpool_kunit.ko was not built for this kernel"

# From the kernel's log: what 6.1 keeps in debugfs is cut off where a case has much to say.
mark="segpool_kunit begins $$"
echo "<6>$mark" >/dev/kmsg
if ! insmod "$module"; then
	echo "1..1"
	echo "not ok 1 insmod"
	exit 1
fi
rmmod segpool_kunit

# A suite's lines are indented once, its cases' verdicts among them; everything else is a comment.
dmesg | sed 's/^\[[^]]*\] //' | awk -v mark="$mark" '
	$0 == mark { begun = 1; next }
	!begun { next }
	/^    # Subtest: segpool_/ { suite = $NF }
	/^    1\.\.[0-9]+$/ { planned += substr($1, 4) }
	/^    (not )?ok [0-9]+ / {
		verdict = $1 == "not" ? "not ok" : "ok"
		failed += $1 == "not"
		sub(/^    (not )?ok [0-9]+ (- )?/, "")
		print verdict, ++cases, suite "." $0
		next
	}
	{ print "# " $0 }
	END {
		print "1.." planned + 0
		exit failed || planned != cases
	}'
