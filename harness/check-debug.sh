#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-debug.sh BASE [debug|kcsan]: the selftests on two kernels, or one, that
# look for mistakes themselves: kernel/configs/lockonfault-debug.config (KASAN, lockdep, UBSAN,
# checks of memory management, kmemleak) and lockonfault-kcsan.config (data
# races).  Whatever such a kernel has to say is a failure.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: check-debug.sh BASE [debug|kcsan]} only=${2:-all}
one_of "check-debug.sh: which kernel" "$only" all debug kcsan
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

# What both bases say by themselves, without anything of ours, see
# Documentation/admin-guide/mm/lock-on-fault-findings.rst.
export KNOWN=' hugetlb_split[+]'

# flavour NAME: what is built and booted from here on
flavour() {
	export FLAVOUR=$1 AS=series-$1
	# image_of() does not know of these
	rm -f "$SCRATCH/image-series"
}

# KCSAN finds many races in Linux, which reads a lot without a lock and means
# to.  Ours are those in functions that the series touches or adds.
ours() {
	"$TOP/harness/tree.sh" "$base"
	kgit "$TREE" diff -U0 baseline series -- mm fs kernel include ipc arch |
		sed -nE -e 's/^@@[^@]*@@ .*[^a-zA-Z0-9_]([a-z_0-9]+)[(].*/\1/p' \
			-e 's/^[+][a-zA-Z].*[^a-zA-Z0-9_]([a-z_0-9]+)[(].*/\1/p' | sort -u
}
races() { printf ' (%s)([.+]|$)' "$(ours | paste -sd '|')"; }

# The races that were reported, by the two functions; not ours to judge.
races_elsewhere() {
	sed -nE 's/\r$//;s/.*BUG: KCSAN: //p' "$BUILD/$base/$arch/selftests"/results-series-kcsan-*/log |
		sort | uniq -c | sort -rn | head -n 20
}

# A race is seen if the other one comes while KCSAN waits, for 80 us after 4000
# accesses if nothing else is said.  That is much for a processor, and next to
# nothing for an emulated one: a whole run of the suite saw none.  More often
# than after some thousand, and tests run out of time.
watch="kcsan.udelay_task=1000 kcsan.udelay_interrupt=100"
often="kcsan.skip_watch=1000"

# races_are_seen: a known one is reported, and is not if only others count
races_are_seen() {
	local status=0
	local -a cc
	read -ra cc < <(arch_abi_cc "$arch" x86_64)
	"${cc[@]}" -static -pthread -o "$SCRATCH/data-race" "$TOP/harness/tests/data-race.c"
	in_guest series --append "$watch $often" --races ' (task_mem)([.+]|$)' "$SCRATCH/data-race" 60 2>"$SCRATCH/err" || status=$?
	cat "$SCRATCH/err"
	[ "$status" = 125 ]
	grep -m1 'KCSAN: data-race in .*task_mem' "$SCRATCH/err"
	in_guest series --append "$watch $often" --races "$RACES" --log "$SCRATCH/log" "$SCRATCH/data-race" 60
	grep -m1 'KCSAN: data-race in .*task_mem' "$SCRATCH/log"
}

debug_kernel() {
	local abi
	flavour debug
	t "$base $arch: series with debugging builds" builds series
	[ "$failed" = 0 ] || return 0
	t "$base $arch: debug: a planted use after free is reported" planted READ_AFTER_FREE "KASAN: "
	t "$base $arch: debug: a planted overrun of an array is reported" planted ARRAY_BOUNDS "array-index-out-of-bounds"
	t "$base $arch: debug: a lock that is not given back is reported" planted SPINLOCKUP "lock held when returning to user space"
	for abi in $(arch_abis "$arch"); do
		selftests_on series "$abi"
	done
}

kcsan_kernel() {
	local before=$failed
	flavour kcsan
	t "$base $arch: series with KCSAN builds" builds series
	[ "$failed" = "$before" ] || return 0
	# Reclaim and khugepaged look at the flags of a mapping without a lock.
	# Who has just missed a new lock unmaps the page, and its next use brings
	# it back, as the comment in mlock_fixup() says, and said before.
	KNOWN+='|: data-race in mlock_fixup / try_to_unmap_one'
	# khugepaged takes a page's node, which stays, from its flags, which change.
	# The series looks at PG_mlocked there, and that is marked.
	KNOWN+='|: data-race in .*(hpage_collapse|khugepaged)_scan_file'
	RACES=$(races)
	export RACES APPEND="$APPEND $watch"
	t "$base $arch: kcsan: a data race is reported; one elsewhere in Linux is none of ours" races_are_seen
	selftests_on series x86_64
	echo "races that were reported elsewhere in Linux:"
	races_elsewhere
}

[ "$only" = kcsan ] || debug_kernel
[ "$only" = debug ] || kcsan_kernel
step RAN "in $(elapsed "$began")"
verdict
