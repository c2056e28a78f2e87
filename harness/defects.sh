#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# defects.sh BASE KERNEL [RESULTS]: what is wrong with Linux's own lock on fault,
# on the stock kernel and on KERNEL, which is the series, or stock with our
# fixes.  Prints a line for each defect, from a run of its tests on both
# kernels; RESULTS is the directory of a run on KERNEL that the caller has just
# made (selftests.sh run).
#
# Exit status 1 if a test of a defect fails on KERNEL; if stock does not show a
# defect that it is said to have; or, on 6.1, if it fails in anything else than
# these.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: defects.sh BASE KERNEL [RESULTS]} kernel=${2:?} ours=${3:-}
check_base "$base"
one_of KERNEL "$kernel" series fixes
scratch

# ROW; bases whose stock kernel has it, "-BASE" where it cannot; its tests, by
# their whole name; what it is.  Most tests have the row in their name.
cat >"$SCRATCH/rows" <<'END'
D1	6.1 5.10	D1_	populates what another thread unlocks meanwhile
D2	6.1 5.10	D2_|M3_(vdso|aio_ring)	prefaults mappings that cannot carry the flag
D3	6.1 5.10	D3_	... or fails because of them
D4	6.1 5.10	D4_	locked shared memory is collapsed or split, then swapped
D5	6.1 5.10	D5_	khugepaged fills the holes with locked pages
D6	6.1 5.10	D6_	MAP_POPULATE is ignored under MCL_FUTURE|MCL_ONFAULT
D7	6.1 5.10	D7_	remap_file_pages() makes a part a plain lock
D8	5.10	D8_	MREMAP_DONTUNMAP of a part: charge and lock are wrong
D9	6.1 5.10	D9_	MAP_FIXED over locked memory is charged twice
D10	6.1 -5.10	D10_	secretmem under MCL_FUTURE is charged twice, for good
D11	6.1 5.10	D11_	a length that wraps is 0 pages, and locked
D12	6.1 5.10	D12_	pages of THPs mapped by PTEs are evictable
D13	5.10 -6.1	(kinds[.]file_|files[.]).*M2_|M5_	pages of files and what GUP misses are not locked
D14	6.1 5.10	M7_every_flag	VmFlags prints ??
D15	6.1 5.10	D15_	mremap() that fails has unmapped the destination
D16	6.1	D16_	used through a TLB's old entry, and not locked
D17	6.1 -5.10	D17_	unlocked, and counted as locked for good
D18	6.1 -5.10	D18_	used when another lets go of it, and not locked
END
rows() { awk -F'\t' -v not="-$base" '{ n = split($2, has, " "); for (i = 1; i <= n; i++) if (has[i] == not) next; print }' "$SCRATCH/rows"; }

tests=$(rows | cut -f3 | paste -sd'|')
mapfile -t programs < <(
	cd "$TOP/tools/testing/selftests/vm"
	# a variant is not in the test's line; rather a program too many
	grep -lE "^TEST.*($(sed -E 's/[(]kinds[^)]*[)][.][*]//' <<<"$tests"))" ./*.c | sed 's,^[.]/,,; s,[.]c$,,')
# the same programs on both; two calls at a time keep their results apart
stock=$(HEADERS=$kernel AS=stock-beside-$kernel "$TOP/harness/selftests.sh" run "$base" x86_64 stock x86_64 "${programs[@]}")
[ -n "$ours" ] || ours=$("$TOP/harness/selftests.sh" run "$base" x86_64 "$kernel" x86_64 "${programs[@]}")

# count RESULTS REGEX: how many failed, passed, skipped, are not applicable
count() {
	awk -v regex="$2" '
		$3 ~ regex { n[$1]++ }
		END { print n["FAIL"] + 0, n["ok"] + 0, n["skip"] + 0, n["n/a"] + 0 }' "$1/tests"
}

bad=0
printf '%-4s %-58s %-22s %s\n' '' "Linux $base, x86_64" stock "$kernel"
while IFS=$'\t' read -r row has regex what; do
	if [[ " $has " == *" -$base "* ]]; then
		printf '%-4s %-58s %-22s %s\n' "$row" "$what" "not applicable" "not applicable"
		continue
	fi
	read -r failed passed skipped _ < <(count "$stock" "$regex")
	all=$((failed + passed + skipped))
	if [ "$failed" -gt 0 ]; then
		said="reproduced, $failed of $((failed + passed))"
	elif [ "$all" = 0 ]; then
		said="no test"
	elif [ "$passed" = 0 ]; then
		said="skipped"
	else
		said="not seen, $passed tests"
	fi
	if [ "$failed" = 0 ] && [ "$all" -gt 0 ] && [[ " $has " == *" $base "* ]]; then
		said="NOT $said"
		bad=1
	fi
	read -r failed passed skipped _ < <(count "$ours" "$regex")
	all=$((failed + passed + skipped))
	if [ "$failed" -gt 0 ]; then
		now="FAILS, $failed of $((failed + passed))"
		bad=1
	elif [ "$all" = 0 ]; then
		now="no test"
	elif [ "$passed" = 0 ]; then
		now="skipped"
		bad=1
	elif [[ $said == reproduced* ]]; then
		now="fixed, $passed of $passed"
	else
		now="right, $passed of $passed"
	fi
	[ "$skipped" = 0 ] || now+=", $skipped skipped"
	printf '%-4s %-58s %-22s %s\n' "$row" "$what" "$said" "$now"
done <"$SCRATCH/rows"

# On 5.10 D13 shows everywhere: pages of files are not locked.
if [ "$base" != 5.10 ] && grep '^FAIL ' "$stock/tests" | awk -v regex="$tests" '$3 !~ regex' >"$SCRATCH/others" && [ -s "$SCRATCH/others" ]; then
	sed 's/^FAIL /fails on stock, too, and has no row: /' "$SCRATCH/others"
	bad=1
fi
exit $bad
