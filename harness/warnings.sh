#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# warnings.sh BASE ARCH: compile the files that the series touches on
# baseline and on series, with every warning that gcc (W=1) and sparse know,
# and print those that only the series has.  Exits 1 if there are any.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: warnings.sh BASE ARCH} arch=${2:?}
. "$TOP/harness/treelib.sh"
. "$TOP/harness/archlib.sh"
. "$TOP/harness/buildlib.sh"
"$TOP/harness/tree.sh" "$base"
"$TOP/harness/deps.sh" kernel check
lock "$base-$arch-warnings"
scratch

for kernel in baseline series; do
	src=$BUILD/$base/src/$kernel obj=$BUILD/$base/src/$kernel/obj-$arch
	kernel_source "$kernel"
	lock "$base-$arch-$kernel" # the build shares the object directory
	{ configure "$src" && kmake "$src" prepare; } >"$SCRATCH/log" 2>&1 ||
		{ tail -n 5 "$SCRATCH/log" >&2; die "could not prepare $kernel for its warnings"; }
	# what a configuration leaves out (mm/nommu.c) has no object here
	mapfile -t objects < <(kgit "$TREE" diff --name-only --diff-filter=AM baseline series -- '*.c' ':!tools' ':!samples' | sed 's/c$/o/')
	rm -f "${objects[@]/#/$obj/}"
	kmake "$src" W=1 C=2 "${objects[@]}" >"$SCRATCH/raw" 2>&1 || { tail -n 5 "$SCRATCH/raw" >&2; die "$kernel does not compile"; }
	step WARN "$base $arch $kernel: $(grep -cE '(warning|error):' "$SCRATCH/raw" || :) warnings in ${#objects[@]} files"
	# a warning's line moves with the lines above it
	grep -E '(warning|error):' "$SCRATCH/raw" | sed -E -e "s%^(\.\./)*%%; s%^$src/%%" -e 's/:[0-9]+(:[0-9]+)?:/:/' | sort >"$SCRATCH/$kernel"
done
comm -13 "$SCRATCH/baseline" "$SCRATCH/series" | tee "$SCRATCH/new"
[ ! -s "$SCRATCH/new" ]
