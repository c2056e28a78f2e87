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
	! kgit "$tree" grep -IiP "$traces" baseline -- . | grep -viE 'block_on_fault'
}

exported_files() { cd "$TOP" && { find patches -type f; all_series_files "patches/linux-$base/series"; } | sort | xargs sha256sum; }
unchanged_by_export() {
	. "$TOP/harness/treelib.sh"
	exported_files >"$SCRATCH/before"
	"$TOP/harness/export.sh" "$base"
	exported_files | diff "$SCRATCH/before" -
}

# The oldest revision that the mirror offers, beside the newest that everything
# else here runs on.  Of its files those that the patches touch, which takes a
# tenth of the time; all of them with FULL=1.
oldest_revision() {
	local oldest package
	local -a files
	[ -z "${KSRC:-}" ] || skip "KSRC is the caller's own source"
	oldest=$(apt_list_revisions | head -n 1)
	[ -n "$oldest" ] || skip "the mirror does not answer"
	git clone -q "$COPY" "$SCRATCH/clone"
	if [ -z "${FULL:-}" ]; then
		package=$(cd "$SCRATCH/clone" && REVISION=$oldest harness/source.sh "$base")
		mapfile -t files < <(touched_files "$base")
		mkdir "$SCRATCH/oldest-source"
		dpkg-deb --fsys-tarfile "${package#* }" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
			tar -C "$SCRATCH/oldest-source" --strip-components=1 -xJ --wildcards --no-wildcards-match-slash "${files[@]/#/*/}"
		export KSRC=$SCRATCH/oldest-source
	else
		export REVISION=$oldest
	fi
	(cd "$SCRATCH/clone" && make tree BASE="$base" && make export BASE="$base")
	git -C "$SCRATCH/clone" status --porcelain | tee "$SCRATCH/oldest"
	[ -z "$(cat "$SCRATCH/oldest")" ]
	rm -rf "$SCRATCH/clone" "$SCRATCH/oldest-source"
}

apt_list_revisions() { "$TOP/harness/source.sh" "$base" offered; }

style() { "$TOP/harness/style.sh" "$base"; }

# The script that runs the kernel's tests is one at each commit, and names each
# program of ours that has tests.
kernels_own_runner() {
	local tree=$BUILD/$base/tree vm=tools/testing/selftests/vm commit runner f text
	local -a files
	for commit in $(kgit "$tree" rev-list baseline..series); do
		runner=$(kgit "$tree" ls-tree --name-only "$commit" "$vm/" | grep -E '/run_vmtests(\.sh)?$')
		text=$(kgit "$tree" show "$commit:$runner")
		bash -n <<<"$text"
		mapfile -t files < <(kgit "$tree" diff --name-only --diff-filter=A baseline "$commit" -- "$vm/*.c")
		[ ${#files[@]} -gt 0 ] || continue
		while read -r f; do
			f=${f##*/}
			[[ $text$'\n' =~ [\ /]${f%.c}[[:space:]] ]] || { echo "$commit does not run ${f%.c}"; return 1; }
		done < <(kgit "$tree" grep -l 'kselftest_harness\.h' "$commit" -- "${files[@]}")
	done
}

no_review_tags() { ! grep -nE '^(Acked|Reviewed|Tested|Fixes)[a-z-]*: ' "$TOP"/patches/linux-"$base"*/*; }

# Every architecture and ABI; and it sees it where the other architectures' commit is missing.
same_numbers() {
	"$TOP/harness/abi.sh" "$base" | tee "$SCRATCH/abi"
	[ "$(grep -c ' sys_mlock2' "$SCRATCH/abi")" -ge 20 ]
	says "do not have the same numbers and flags" "$TOP/harness/abi.sh" "$base" stock "$(
		kgit "$BUILD/$base/tree" log --format=%H --grep='^arch: Wire up mlock2' baseline..series)^"
}

kernel_doc() {
	cd "$BUILD/$base/tree" || exit 1
	perl scripts/kernel-doc -none -Werror include/linux/mlock.h
	perl scripts/kernel-doc -none -Werror mm/mlock.c
}

checks_of_the_patches() {
	t "$base: rules and patches apply to $(cat "$BUILD/$base/revision" 2>/dev/null || echo "the source")" tags_are_there
	t "$base: baseline has no trace of lock on fault" baseline_is_clean
	t "$base: stock and series: the same numbers and flags everywhere" same_numbers
	t "$base: no line pasted from stock" own_lines
	t "$base: export changes nothing" unchanged_by_export
	t "$base: kernel-doc" kernel_doc
	t "$base: run_vmtests is a script and runs every test, commit by commit" kernels_own_runner
	t "$base: no review tags, no Fixes" no_review_tags
}
