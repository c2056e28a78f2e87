# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base is the caller's
#
# Tests of the patches of a base, before anything boots.

tags_are_there() {
	"$TOP/harness/tree.sh" "$base"
	for tag in stock baseline series; do
		kgit "$BUILD/$base/tree" rev-parse "$tag^{tree}"
	done
}

# The phrase of the design, wherever it may hide.  The one thing of another
# kind that it finds is a flag of Intel's DMA driver, BLOCK_ON_FAULT.
traces='mlock2|LOCK_?ON_?FAULT|_ONFAULT|LOCKED\[ONFAULT\]|VM_LOCKED_CLEAR_MASK|on-fault-limit|mlock-random-test|deferred memory locking'
baseline_is_clean() {
	local tree=$BUILD/$base/tree
	! kgit "$tree" grep -IiE "$traces" baseline -- . | grep -viE 'block_on_fault'
}

exported_files() { cd "$TOP" && { find patches -type f; all_series_files "patches/linux-$base/series"; } | sort | xargs sha256sum; }
unchanged_by_export() {
	. "$TOP/harness/treelib.sh"
	exported_files >"$SCRATCH/before"
	"$TOP/harness/export.sh" "$base"
	exported_files | diff "$SCRATCH/before" -
}

# The oldest revision that the mirror offers, beside the newest that
# everything else here runs on.
oldest_revision() {
	local oldest
	[ -z "${KSRC:-}" ] || skip "KSRC is the caller's own source"
	oldest=$(apt_list_revisions | head -n 1)
	[ -n "$oldest" ] || skip "the mirror does not answer"
	git clone -q "$COPY" "$SCRATCH/clone"
	(cd "$SCRATCH/clone" && REVISION=$oldest make tree BASE="$base" && make export BASE="$base" && git status --porcelain) | tee "$SCRATCH/oldest"
	[ -z "$(cat "$SCRATCH/oldest")" ]
	rm -rf "$SCRATCH/clone"
}

apt_list_revisions() { "$TOP/harness/source.sh" "$base" offered; }

# Signed-off-by is the mailer's.  Who maintains a new file is in MAINTAINERS,
# by its directory or its name, which checkpatch does not look up.  Of the
# selftests it misreads the macros of kselftest_harness.h (braces, pointers to
# fixtures, lines between declarations), and wants names of the kernel's own
# headers; a test of a system call must name ENOSYS, and touch memory through
# volatile.
style() {
	local commit ignore
	cd "$BUILD/$base/tree" || exit 1
	while read -r commit; do
		ignore=FILE_PATH_CHANGES
		case $(kgit . log -1 --format=%s "$commit") in
		selftests:*)
			ignore+=,BRACES,SPACING,LINE_SPACING,MACRO_ARG_REUSE,MULTISTATEMENT_MACRO_USE_DO_WHILE
			ignore+=,BIT_MACRO,PREFER_BIT_MACRO,EMBEDDED_FUNCTION_NAME,ENOSYS,VOLATILE,MULTIPLE_ASSIGNMENTS ;;
		esac
		# the distribution's python has what the check of SPDX tags wants
		PATH=/usr/bin:/bin perl scripts/checkpatch.pl --strict --no-signoff --show-types --ignore "$ignore" -g "$commit"
	done < <(kgit . rev-list --reverse baseline..series) | tee "$SCRATCH/style" | grep -E -A4 '^(ERROR|WARNING|CHECK):' && return 1
	[ "$(grep -c '^total: 0 errors, 0 warnings, 0 checks' "$SCRATCH/style")" = "$(kgit . rev-list --count baseline..series)" ]
}

no_review_tags() { ! grep -nE '^(Acked|Reviewed|Tested|Fixes)[a-z-]*: ' "$TOP"/patches/linux-"$base"/*; }

# The files that the series touches, with every warning that gcc and sparse
# know: none that the baseline does not have.
no_new_warnings() {
	"$TOP/harness/warnings.sh" "$base" x86_64
}

kernel_doc() {
	cd "$BUILD/$base/tree" || exit 1
	perl scripts/kernel-doc -none -Werror include/linux/mlock.h
	perl scripts/kernel-doc -none -Werror mm/mlock.c
}

checks_of_the_patches() {
	t "$base: rules and patches apply to $(cat "$BUILD/$base/revision" 2>/dev/null || echo "the source")" tags_are_there
	t "$base: ... and to the oldest revision offered; its export changes nothing" oldest_revision
	t "$base: baseline has no trace of lock on fault" baseline_is_clean
	t "$base: export changes nothing" unchanged_by_export
	t "$base: checkpatch --strict" style
	t "$base: kernel-doc" kernel_doc
	t "$base: no review tags, no Fixes" no_review_tags
	t "$base: no new warnings (W=1, sparse)" no_new_warnings
}
