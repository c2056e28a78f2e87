#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# style.sh BASE [COMMIT...]: checkpatch --strict, for each commit of the
# series or for those named.  Exits 1, after its complaints, if it has any.
# style.sh BASE exceptions: what it is not asked about, and why, as the cover
# letter says it.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: style.sh BASE [COMMIT...]}
shift
check_base "$base"
. "$TOP/harness/treelib.sh"

# Of the selftests checkpatch misreads the macros of kselftest_harness.h:
# braces, pointers to fixtures, lines between declarations; and "enum phase phase".
misread=BRACES,SPACING,LINE_SPACING,REPEATED_WORD,MACRO_ARG_REUSE,MULTISTATEMENT_MACRO_USE_DO_WHILE,EMBEDDED_FUNCTION_NAME
# It wants names of the kernel's own headers; a test of a system call must
# name ENOSYS, and touch memory through volatile.
tests=BIT_MACRO,PREFER_BIT_MACRO,ENOSYS,VOLATILE,MULTIPLE_ASSIGNMENTS

list() { printf '%s' "$1" | sed 's/,/, /g' | fold -s -w 71 | sed 's/^/  /;s/ *$//'; }
if [ "${1:-}" = exceptions ]; then
	echo "- FILE_PATH_CHANGES: MAINTAINERS has the new files by their directories."
	echo "- In the selftests, which it takes for kernel code:"
	list "$tests"
	echo
	echo "- There too, what it misreads in the macros of kselftest_harness.h:"
	list "$misread"
	exit 0
fi

[ $# -gt 0 ] || mapfile -t commits < <(kgit "$TREE" rev-list --reverse baseline..series)
[ $# -eq 0 ] || commits=("$@")
scratch
cd "$TREE" || exit 2
parts=0
# check COMMIT IGNORE PATH...: what a commit has in these paths, if anything
check() {
	local commit=$1 ignore=$2
	shift 2
	# not -1, which takes an earlier commit if this one has nothing there
	kgit . format-patch --stdout "$commit^..$commit" -- "$@" >"$SCRATCH/part"
	[ -s "$SCRATCH/part" ] || return 0
	parts=$((parts + 1))
	# Signed-off-by is the mailer's.  The distribution's python has what the
	# check of SPDX tags wants.
	PATH=/usr/bin:/bin perl scripts/checkpatch.pl --strict --no-signoff --show-types --ignore "$ignore" "$SCRATCH/part" ||
		[ $? = 1 ] || die "checkpatch.pl did not run"
}
for commit in "${commits[@]}"; do
	check "$commit" FILE_PATH_CHANGES . ':!tools/testing/selftests'
	check "$commit" "FILE_PATH_CHANGES,$misread,$tests" tools/testing/selftests
done >"$SCRATCH/style" 2>&1
grep -E -A4 '^(ERROR|WARNING|CHECK):' "$SCRATCH/style" && exit 1
[ "$(grep -c '^total: 0 errors, 0 warnings, 0 checks' "$SCRATCH/style")" = "$parts" ] ||
	{ cat "$SCRATCH/style"; exit 1; }
