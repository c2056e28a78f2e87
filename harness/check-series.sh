#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check-series.sh BASE ARCH: every commit of the series by itself, as somebody
# who bisects meets it.  Of each: what it compiles to and warns of, what the
# kernel that it makes answers, which tests pass on it, its style, comments
# and documentation; in the end the whole suite.  A gate of its own, since
# each commit that changes the kernel is built and booted.
. "$(dirname "$0")/lib.sh"
cd "$TOP"

base=${1:?usage: check-series.sh BASE ARCH} arch=${2:?usage: check-series.sh BASE ARCH}
check_base "$base"
check_arch "$arch"
"$TOP/harness/deps.sh" tree kernel guest check docs "$arch"
"$TOP/harness/tree.sh" "$base"
. "$TOP/harness/treelib.sh"
. "$TOP/harness/archlib.sh"
. "$TOP/harness/buildlib.sh"
lock "$base-$arch-check-series"
scratch
. "$TOP/harness/testlib.sh"
began_all=$(date +%s)
# what one lane of the work makes and the other takes
shared=$SCRATCH

srcarch=$(arch_srcarch "$arch")
at() { kgit "$TREE" grep -qE "$2" "$1" -- "${@:3}"; }
# Does a commit have the system call on this architecture, and the flags?
has_call() {
	if at stock '[[:space:]]mlock2[[:space:]]' "arch/$srcarch/*.tbl"; then
		at "$1" '[[:space:]]mlock2[[:space:]]' "arch/$srcarch/*.tbl"
	else
		at "$1" '__NR_mlock2[[:space:]]' include/uapi/asm-generic/unistd.h
	fi
}
has_flags() { at "$1" '#define[[:space:]]+MLOCK_ONFAULT' include/uapi/asm-generic/mman-common.h; }

#
# Warnings.  The files that any commit touches, at every commit; each is
# compared with its parent.
#
warnings_of() { "$TOP/harness/warnings.sh" "$base" "$arch" "$1" >"$shared/warnings-$1" 2>"$SCRATCH/warn.err" 3>&-; }
no_new_warnings() {
	local touched
	touched=$(kgit "$TREE" diff --name-only "$1^" "$1" -- ':!tools' ':!Documentation' ':!MAINTAINERS' |
		awk -F/ -v mine="$srcarch" '$1 != "arch" || $2 == mine')
	[ -n "$touched" ] || skip "touches nothing that a kernel for $arch is made of"
	warnings_of "$1" || { cat "$SCRATCH/warn.err"; return 1; }
	comm -13 "$shared/warnings-$parent" "$shared/warnings-$1" | tee "$SCRATCH/new"
	[ ! -s "$SCRATCH/new" ]
}

# The tests of a commit, as the kernel's own build system makes them.
tests_compile() {
	local src=$BUILD/$base/src/step out=$SCRATCH/vm
	local -a names
	mapfile -t names < <(kgit "$TREE" diff "$1^" "$1" -- tools/testing/selftests/vm/Makefile |
		sed -nE 's/^\+TEST_GEN_(FILES|PROGS) \+= *//p' | xargs -n1)
	[ ${#names[@]} -gt 0 ] || { echo "no test is added to the Makefile"; return 1; }
	kernel_source step "$1"
	configure "$src"
	kmake "$src" headers
	mkdir -p "$out"
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$src/tools/testing/selftests/vm" OUTPUT="$out" \
		ARCH="$(arch_karch "$arch")" CROSS_COMPILE="$(arch_cross "$arch")" KBUILD_OUTPUT="$src/obj-$arch" \
		KHDR_INCLUDES="-isystem $src/obj-$arch/usr/include" "${names[@]/#/$out/}" 2>&1 | tee "$SCRATCH/cc"
	! grep -E 'warning:|error:' "$SCRATCH/cc"
}

#
# Kernels.
#
kernel_of() {
	build_kernel step "$(build_id "$1")" kernel_source step "$1" 2>&3
	cp "$image" "$shared/image-$1"
}
guest() { "$TOP/harness/guest.sh" --arch "$arch" --image "$shared/image-$1" --mem "${MEM:-512M}" --timeout 300 -- "${@:2}" 3>&-; }

answers() {
	local call=ENOSYS onfault=ENOSYS bad=ENOSYS all=EINVAL
	! has_call "$1" || call=ok onfault=EINVAL bad=EINVAL
	! has_flags "$1" || all=ok
	[ $onfault != EINVAL ] || ! has_flags "$1" || onfault=ok
	"$(arch_cross "$arch")gcc" -static -D_GNU_SOURCE -o "$SCRATCH/probe" "$TOP/harness/tests/probe.c"
	guest "$1" "$SCRATCH/probe" | tee "$SCRATCH/answers"
	cmp - "$SCRATCH/answers" <<-END
	mlock: ok
	munlock: ok
	mlockall(CURRENT|FUTURE): ok
	munlockall: ok
	mlockall(0): EINVAL
	mlock2(0): $call
	mlock2(ONFAULT): $onfault
	mlock2(2): $bad
	mlockall(ONFAULT): EINVAL
	mlockall(CURRENT|ONFAULT): $all
	munlockall: ok
	END
}

# Plain locks, which the series must not change.
plain_locks() {
	local status=0
	"$(arch_cross "$arch")gcc" -O2 -Wall -static -o "$SCRATCH/plain-lock" "$TOP/harness/tests/plain-lock.c"
	guest "$1" "$SCRATCH/plain-lock" >"$shared/plain-$1" || status=$?
	diff "$shared/plain-$first" "$shared/plain-$1" || status=1
	[ $status = 0 ] || cat "$shared/plain-$1"
	return $status
}

# The programs that exist at a commit; before the first one that has any, its.
programs_of() {
	local at=$1
	kgit "$TREE" cat-file -e "$at:$vm/mlock2-tests.c" 2>/dev/null || at=$first_with_tests
	kgit "$TREE" grep -l 'kselftest_harness\.h' "$at" -- "$vm/*.c" | sed -E 's%.*/([^/]*)\.c$%\1%' |
		grep -xFf "$shared/ours"
}
# suite COMMIT ABI: the tests that there are at this point; the results' directory
suite() {
	local -a programs
	mapfile -t programs < <(programs_of "$1")
	IMAGE=$shared/image-$1 AS=step HEADERS=series MEM=2G \
		"$TOP/harness/selftests.sh" run "$base" "$arch" series "$2" "${programs[@]}" 2>"$SCRATCH/suite.err" 3>&- ||
		{ cat "$SCRATCH/suite.err"; return 1; }
}
count() { awk '{ n[$1]++ } END { printf "%d passed, %d failed, %d skipped", n["ok"], n["FAIL"], n["skip"] }' "$1"; }

passing() {
	local dir
	dir=$(suite "$1" "$2") || { echo "$dir"; return 1; }
	cp "$dir/tests" "$shared/suite-$1"
	! grep -q 'the_guest_failed' "$dir/tests" || { tail -n 15 "$SCRATCH/suite.err"; return 1; }
	awk '$1 == "ok" { print $2, $3 }' "$dir/tests" | sort >"$shared/passing-$1"
}
# Before the flags most tests fail.  What does not need the flags must go on
# to work, commit by commit.
nothing_lost() {
	passing "$1" "$2"
	comm -23 "$shared/passing-$parent" "$shared/passing-$1" | sed 's/^/passes on its parent only: /' | tee "$SCRATCH/lost"
	[ ! -s "$SCRATCH/lost" ]
}
all_pass() {
	local status=0
	passing "$1" "$2"
	! grep '^FAIL' "$shared/suite-$1" || status=1
	[ -s "$shared/passing-$1" ] && return $status
}
# tests_pass COMMIT ABI...
tests_pass() {
	local abi
	for abi in "${@:2}"; do
		t "$what: the tests so far pass, $abi programs" all_pass "$1" "$abi"
		printf '      %s\n' "$(count "$shared/suite-$1")"
		sed -n 's/^skip /      skip  /p' "$shared/suite-$1"
		skipped=$((skipped + $(grep -c '^skip ' "$shared/suite-$1" || :)))
	done
}
demonstration() { ARCH=$arch "$TOP/harness/demo.sh" "$shared/image-$1" 3>&-; }

#
# Comments and documentation: no complaint that the parent did not have.
#
kernel_docs_of() {
	local f
	while read -r f; do
		kgit "$TREE" cat-file -e "$1:$f" 2>/dev/null || continue
		mkdir -p "$SCRATCH/kdoc/$(dirname "$f")"
		kgit "$TREE" show "$1:$f" >"$SCRATCH/kdoc/$f"
		(cd "$SCRATCH/kdoc" && perl "$TREE/scripts/kernel-doc" -none "${wall[@]}" "$f") 2>&1 |
			sed -E 's/:[0-9]+: /: /' || :
	done | sort
}
kernel_doc() {
	local wall=()
	! grep -q -- '-Wall' "$TREE/scripts/kernel-doc" || wall=(-Wall)
	kgit "$TREE" diff --name-only --diff-filter=AM "$1^" "$1" -- '*.[ch]' ':!tools' >"$SCRATCH/files"
	kernel_docs_of "$1^" <"$SCRATCH/files" >"$SCRATCH/before"
	kernel_docs_of "$1" <"$SCRATCH/files" | comm -13 "$SCRATCH/before" - | tee "$SCRATCH/new"
	[ ! -s "$SCRATCH/new" ]
}

# Pages by themselves, so that what they refer to elsewhere is not found; that
# is as true of the baseline's.
pages_of() {
	local dir=$SCRATCH/pages-$1 f
	mkdir -p "$dir/src"
	kgit "$TREE" archive "$1" -- Documentation/conf.py Documentation/sphinx scripts/kernel-doc | tar -x -C "$dir"
	while read -r f; do
		kgit "$TREE" cat-file -e "$1:$f" 2>/dev/null || continue
		mkdir -p "$dir/src/$(dirname "${f#Documentation/}")"
		kgit "$TREE" show "$1:$f" >"$dir/src/${f#Documentation/}"
	done <"$SCRATCH/pages"
	{ printf 'Pages\n=====\n\n.. toctree::\n   :glob:\n\n   **\n'; } >"$dir/src/index.rst"
	(cd "$dir" && srctree="$dir" sphinx-build -q -b html -c Documentation -D version="$base" -D release="$base" \
		-D kerneldoc_srctree="$TREE" -D kerneldoc_bin="$dir/scripts/kernel-doc" src html) >"$SCRATCH/sphinx" 2>&1 ||
		{ tail -n 5 "$SCRATCH/sphinx"; return 1; }
	[ -e "$dir/html/index.html" ]
	grep -E '(WARNING|ERROR|SEVERE|CRITICAL):' "$SCRATCH/sphinx" | sed -E "s%^$dir/src/%%; s/:[0-9]+: /: /" | sort >"$dir/warnings" || :
}
pages() {
	kgit "$TREE" diff --name-only --diff-filter=AM baseline series -- 'Documentation/*.rst' | tee "$SCRATCH/pages"
	[ -s "$SCRATCH/pages" ] || skip "the series touches no page"
	pages_of baseline
	pages_of series
	comm -13 "$SCRATCH/pages-baseline/warnings" "$SCRATCH/pages-series/warnings" | tee "$SCRATCH/new"
	[ ! -s "$SCRATCH/new" ]
}

#
# The mails, on a Linux that has none of Debian's patches.  The revision is the
# oldest that is offered: that one's source package is on the mirror as well.
#
plain_linux() {
	local revision tarball clone=$SCRATCH/clone plain=$SCRATCH/plain tree
	[ -z "${KSRC:-}" ] || skip "KSRC is the caller's own source"
	revision=$("$TOP/harness/source.sh" "$base" offered | head -n 1)
	[ -n "$revision" ] || skip "the mirror does not answer"
	tarball=$("$TOP/harness/source.sh" "$base" plain "$revision" 2>&3) || skip "the mirror has no plain Linux ${revision%-*}"
	mkdir -p "$clone" "$plain"
	git ls-files -z -co --exclude-standard | tar --null --ignore-failed-read -T - -c 2>/dev/null | tar -x -C "$clone"
	git -C "$clone" init -q # the mailer is who git says, there as here
	git -C "$clone" config user.name "$(git config user.name || echo A Mailer)"
	git -C "$clone" config user.email "$(git config user.email || echo mailer@localhost)"
	REVISION=$revision "$clone/harness/series.sh" "$base" all "$SCRATCH/mails" 2>&3 3>&-
	tree=$clone/build/$base/tree
	# what is taken out and comes back the same does not differ in the end
	{
		kgit "$tree" diff --name-only --diff-filter=MD stock baseline
		kgit "$tree" diff --name-only --diff-filter=MD baseline series
	} | sort -u >"$SCRATCH/touched"
	mapfile -t files <"$SCRATCH/touched"
	tar -xf "$tarball" -C "$plain" --strip-components=1 --wildcards --no-wildcards-match-slash "${files[@]/#/*/}"
	# Debian does patch some of these files
	while read -r f; do
		kgit "$tree" show "stock:$f" | cmp -s - "$plain/$f" || echo "Debian's $f is another one"
	done <"$SCRATCH/touched" | tee "$SCRATCH/differ"
	[ -s "$SCRATCH/differ" ] || { echo "this is not plain Linux"; return 1; }
	kgit "$plain" init -q
	kgit "$plain" add -A -f
	kgit "$plain" -c user.name=m -c user.email=m@localhost commit -q -m "Linux ${revision%-*}"
	find "$SCRATCH/mails" -name '*.patch' ! -name '0000-*' | sort |
		xargs -d '\n' git -C "$plain" -c user.name=m -c user.email=m@localhost am
	rm -rf "$clone"
}

mapfile -t commits < <(kgit "$TREE" rev-list --reverse baseline..series)
first=$(kgit "$TREE" rev-parse "baseline^{commit}")
read -ra abis < <(arch_abis "$arch")
vm=tools/testing/selftests/vm
sed -nE "s%^[[:space:]]+$vm/(.*)\\.c$%\\1%p" "$TOP/patches/linux-$base/series" >"$shared/ours"
first_with_tests=$(kgit "$TREE" log --reverse --format=%H baseline..series -- "$vm/mlock2-tests.c" | head -n 1)

# Two lanes, as guests leave a processor idle: one compiles and reads, commit by
# commit, the other boots what has been built.  Lines of both may alternate.
lane() {
	nr=0 parent=$first
	no_tests
	SCRATCH=$shared/$1
	mkdir "$SCRATCH"
	"$1"
	keep_count "$shared/$1.result"
}
next_commit() {
	nr=$((nr + 1))
	what="$base $arch: $nr/${#commits[@]}"
}
same_kernel() { [ "$(build_id "$1")" = "$(build_id "$1^")" ]; }

compile_and_read() {
	local commit
	kernel_source step "$first" baseline
	t "$base $arch: baseline: builds" kernel_of "$parent"
	: >"$shared/built-$parent"
	t "$base $arch: baseline: compiles with W=1 and sparse" warnings_of "$parent"
	for commit in "${commits[@]}"; do
		next_commit
		step COMMIT "$nr/${#commits[@]} $(kgit "$TREE" log -1 --format=%s "$commit") ($(elapsed "$began_all") so far)"
		if same_kernel "$commit"; then
			ln -s "image-$parent" "$shared/image-$commit"
		else
			t "$what: builds" kernel_of "$commit"
		fi
		: >"$shared/built-$commit"
		t "$what: checkpatch --strict" "$TOP/harness/style.sh" "$base" "$commit"
		t "$what: kernel-doc" kernel_doc "$commit"
		t "$what: no warning that its parent does not have (W=1, sparse)" no_new_warnings "$commit"
		[ -e "$shared/warnings-$commit" ] || cp "$shared/warnings-$parent" "$shared/warnings-$commit"
		if ! kgit "$TREE" diff --quiet "$commit^" "$commit" -- tools/testing/selftests/vm/Makefile; then
			t "$what: its tests compile with the kernel's own Makefile" tests_compile "$commit"
		fi
		parent=$commit
	done
}

# built COMMIT: wait for the other lane to get there, or to end
built() {
	until [ -e "$shared/built-$1" ] || ! kill -0 "$compiler" 2>/dev/null; do
		sleep 2
	done
}

# In between the first ABI's programs, in the end those of all.
boot() {
	local commit last=${commits[-1]}
	built "$parent"
	t "$base $arch: baseline: boots, answers as if lock on fault had never been" answers "$parent"
	t "$base $arch: baseline: plain locks" plain_locks "$parent"
	t "$base $arch: baseline: what passes on it" passing "$parent" "${abis[0]}"
	for commit in "${commits[@]}"; do
		next_commit
		built "$commit"
		if ! same_kernel "$commit"; then
			t "$what: boots, answers as it has to at this point" answers "$commit"
			t "$what: plain locks work as on baseline" plain_locks "$commit"
			if has_call "$commit" && has_flags "$commit"; then
				t "$what: the demonstration" demonstration "$commit"
				tests_pass "$commit" "${abis[0]}"
			else
				t "$what: what passes on its parent passes on it" nothing_lost "$commit" "${abis[0]}"
				printf '      %s of %s tests; the others need the flags\n' \
					"$(wc -l <"$shared/passing-$commit")" "$(wc -l <"$shared/suite-$commit")"
			fi
		else
			cp "$shared/passing-$parent" "$shared/passing-$commit"
			[ "$commit" = "$last" ] || [ "$(programs_of "$commit")" = "$(programs_of "$parent")" ] ||
				tests_pass "$commit" "${abis[0]}"
		fi
		[ "$commit" != "$last" ] || tests_pass "$commit" "${abis[@]}"
		parent=$commit
	done
}

lane compile_and_read &
compiler=$!
lane boot &
wait
for lane in compile_and_read boot; do
	add_count "$shared/$lane.result" "$lane"
done
t "$base: pages in Documentation/ that the series touches render without a new warning" pages
t "$base: series: git am takes it on a plain Linux, without Debian's patches" plain_linux
step DONE "in $(elapsed "$began_all")"
verdict
