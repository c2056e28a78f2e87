# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base and arch are the caller's
#
# What reaches the swap disk: harness/swap-proof.sh, each variant a test.

# count_variants NAME STATUS: what swap-proof.sh has said, and how it ended
count_variants() {
	local what=$1 status=$2 state name text
	while read -r state name text; do
		case $state in
		ok)	passed=$((passed + 1)) ;;
		skip)	skipped=$((skipped + 1)) ;;
		# known, and no success
		open)	;;
		*)	failed=$((failed + 1)); state=FAIL
			failures+=("$what: $name") ;;
		esac
		printf '%-5s %s: %s: %s\n' "$state" "$what" "$name" "$text"
	done <"$SCRATCH/lines"
	if [ "$status" -gt 1 ] || [ ! -s "$SCRATCH/lines" ]; then
		failed=$((failed + 1))
		failures+=("$what: it did not end well")
		printf 'FAIL  %s\n' "${failures[-1]}"
		tail -n 15 "$SCRATCH/swap.err" | sed 's/^/      /'
	fi
}

swap_proof_on() {
	local status=0
	"$TOP/harness/swap-proof.sh" "$base" "$arch" "$1" >"$SCRATCH/lines" 2>"$SCRATCH/swap.err" || status=$?
	count_variants "$base $arch $1: swap" "$status"
}

# A reclaim that does not know of locks on fault lets every secret out.
secrets_can_be_found() {
	local image
	image=$(aloud "$TOP/harness/faults.sh" "$base" "$arch" image)
	IMAGE=$image AS=faults APPEND=lof_fault=reclaim_takes_onfault LEAKS=1 \
		"$TOP/harness/swap-proof.sh" "$base" "$arch" series
}

checks_of_the_swap() {
	swap_proof_on series
	# make check-all's: that the twins are found shows already that it looks
	[ "$arch" != x86_64 ] || ! wants_baseline ||
		t "$base $arch: swap: with a fault in reclaim all secrets are found on the disk" secrets_can_be_found
}
