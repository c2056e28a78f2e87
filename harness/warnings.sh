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
scratch
lock "$base-$arch-step"
touched_warnings "$commit" "W=1 C=2"
# objects with other flags must not be what a build finds
rm -f "${objects[@]/#/$obj/}"
