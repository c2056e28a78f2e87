#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# soak.sh BASE ARCH: the model of lock on fault and a million random calls
#
# The same program that "make check" runs with 10,000 calls, in two guests at a
# time.  OPS is how many calls in all, SEED that of the first sequence: another
# one, another million.  A sequence that finds a difference ends its guest, and
# is left in out/soak-BASE-ARCH-N.ops, for mlock-model --file.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: soak.sh BASE ARCH} arch=${2:?usage: soak.sh BASE ARCH}
check_base "$base"
check_arch "$arch"
: "${OPS:=1000000}" "${SEED:=1000}" "${TIMEOUT:=0}"
matches OPS "$OPS" '[1-9][0-9]{0,9}' "a number of calls"
matches SEED "$SEED" '[0-9]{1,9}' "the number of the first sequence"
"$TOP/harness/deps.sh" kernel guest check "$arch"
. "$TOP/harness/archlib.sh"
scratch
mkdir -p "$OUT"

read -r abi _ < <(arch_abis "$arch")
image=$("$TOP/harness/kernel.sh" "$base" "$arch" series)
bin=$("$TOP/harness/selftests.sh" build "$base" "$arch" series "$abi")

cat >"$SCRATCH/guest" <<'END'
model=$1
shift
"$model" "$@" --write=/tmp/ops
status=$?
[ ! -e /tmp/ops ] || sed 's/^/OPS /' /tmp/ops
exit $status
END

# Seeds far apart: a sequence has one of its own in each profile
soak() {
	"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --mem "${MEM:-2G}" --smp 2 --timeout "$TIMEOUT" \
		-- sh "$SCRATCH/guest" "$bin/mlock-model" --ops=$((OPS / 2)) --seed=$((SEED + $1 * 1000000)) \
		>"$SCRATCH/output-$1" || return
}

began=$(date +%s)
step SOAK "$base $arch: $OPS calls from seed $SEED"
soak 1 &
other=$!
result=0
soak 0 || result=1
wait "$other" || result=1
for half in 0 1; do
	grep -v '^OPS ' "$SCRATCH/output-$half"
	sed -n 's/^OPS //p' "$SCRATCH/output-$half" >"$SCRATCH/ops"
	[ ! -s "$SCRATCH/ops" ] || cp "$SCRATCH/ops" "$OUT/soak-$base-$arch-$half.ops"
done
[ "$result" = 0 ] && echo "$OPS calls, no difference to the model but those named, in $(elapsed "$began")"
exit $result
