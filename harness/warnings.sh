#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# warnings.sh BASE ARCH REV: compile the files that the series touches, as
# they are at REV, and print every warning that gcc (W=1) and sparse have of
# them, without line numbers: those move with the lines above.
#
# All revisions take their turn in one source worktree, build/BASE/src/step.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: warnings.sh BASE ARCH REV} arch=${2:?} commit=${3:?}
check_base "$base"
check_arch "$arch"
. "$TOP/harness/treelib.sh"
. "$TOP/harness/archlib.sh"
. "$TOP/harness/buildlib.sh"
src=$BUILD/$base/src/step
obj=$src/obj-$arch
scratch
lock "$base-$arch-step"
kernel_source step "$commit"
{ configure "$src" && kmake "$src" prepare; } >"$SCRATCH/log" 2>&1 ||
	{ tail -n 5 "$SCRATCH/log" >&2; die "could not prepare $commit for its warnings"; }

# One at a time: what a configuration leaves out (mm/nommu.c) has no object.
mapfile -t sources < <(kgit "$TREE" diff --name-only --diff-filter=AM baseline series -- '*.c' ':!tools' ':!samples')
objects=()
for f in "${sources[@]}"; do
	# of another architecture, or not there yet
	case $f in arch/*) [[ $f == arch/$(arch_srcarch "$arch")/* ]] || continue ;; esac
	[ ! -e "$src/$f" ] || objects+=("${f%.c}.o")
done
rm -f "${objects[@]/#/$obj/}"
kmake "$src" W=1 C=2 "${objects[@]}" >"$SCRATCH/raw" 2>&1 || {
	grep -E -A3 'error:' "$SCRATCH/raw" >&2 || tail -n 5 "$SCRATCH/raw" >&2
	die "$commit does not compile"
}
# objects with other flags must not be what a build finds
rm -f "${objects[@]/#/$obj/}"
grep -E '(warning|error):' "$SCRATCH/raw" | sed -E -e "s%^(\.\./)*%%; s%^$src/%%" -e 's/:[0-9]+(:[0-9]+)?:/:/' | sort || :
