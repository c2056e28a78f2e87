#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-debug.sh BASE: the selftests on two kernels that look for mistakes
# themselves: kernel/configs/lockonfault-debug.config (KASAN, lockdep, UBSAN,
# checks of memory management, kmemleak) and lockonfault-kcsan.config (data
# races).  Whatever such a kernel has to say is a failure.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: check-debug.sh BASE}
# Both sanitizers are at home on this one.
arch=x86_64
check_base "$base"
"$TOP/harness/deps.sh" tree kernel guest check "$arch"
lock "check-debug-$base"
scratch
. "$TOP/harness/testlib.sh"
. "$TOP/harness/archlib.sh"
. "$TOP/harness/treelib.sh"
# shellcheck source=checks/guest.sh
. "$TOP/harness/checks/guest.sh"
# shellcheck source=checks/selftests.sh
. "$TOP/harness/checks/selftests.sh"
began=$(date +%s)

# Everything is some times slower, and needs more memory for itself.
export MEM=${MEM:-2G} TIMEOUT=5400 LIMIT=300 APPEND="numa=fake=2"

# What the base says by itself, without anything of ours, see
# Documentation/admin-guide/mm/lock-on-fault-findings.rst.
case $base in
6.1)	export KNOWN=' hugetlb_split[+]' ;;
esac

# flavour NAME: what is built and booted from here on
flavour() { export FLAVOUR=$1 AS=series-$1; }

# KCSAN finds many races in Linux, which reads a lot without a lock and means
# to.  Ours are those in functions that the series touches.
ours() {
	"$TOP/harness/tree.sh" "$base"
	kgit "$TREE" diff -U0 baseline series -- mm fs kernel include ipc arch |
		sed -nE 's/^@@[^@]*@@ .*[^a-zA-Z0-9_]([a-z_0-9]+)[(].*/\1/p' | sort -u
}
races() { printf '(^|[ /])(%s)( |$)' "$(ours | paste -sd '|')"; }

# The races that were reported, by the two functions; not ours to judge.
races_elsewhere() {
	sed -nE 's/\r$//;s/.*BUG: KCSAN: //p' "$BUILD/$base/$arch/selftests"/results-series-kcsan-*/log |
		sort | uniq -c | sort -rn | head -n 20
}

flavour debug
t "$base $arch: series with debugging builds" builds series
if [ "$failed" = 0 ]; then
	t "$base $arch: debug: a planted use after free is reported" planted READ_AFTER_FREE "KASAN: "
	t "$base $arch: debug: a planted overrun of an array is reported" planted ARRAY_BOUNDS "array-index-out-of-bounds"
	t "$base $arch: debug: a lock that is not given back is reported" planted SPINLOCKUP "lock held when returning to user space"
	for abi in $(arch_abis "$arch"); do
		selftests_on series "$abi"
	done
fi
flavour kcsan
built=$failed
t "$base $arch: series with KCSAN builds" builds series
if [ "$failed" = "$built" ]; then
	RACES=$(races)
	export RACES
	selftests_on series x86_64
	echo "races that were reported elsewhere in Linux:"
	races_elsewhere
fi
step RAN "in $(elapsed "$began")"
verdict
