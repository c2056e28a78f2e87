# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Tests of the harness itself, on a copy of this clone.

COPY=$SCRATCH/clone
MINI=$SCRATCH/mini

copy_clone() {
	mkdir -p "$COPY"
	git ls-files -z -co --exclude-standard | tar --null --ignore-failed-read -T - -c 2>/dev/null | tar -x -C "$COPY"
	git -C "$COPY" init -q
	git -C "$COPY" add -A
	git -C "$COPY" -c user.name=t -c user.email=t@localhost commit -qm copy
}

# touched_files BASE: the files of stock that the rules and patches touch, and
# what a source tree is told by.
touched_files() {
	"$TOP/harness/tree.sh" "$1" >&2
	{
		kgit "$BUILD/$1/tree" diff --name-only --diff-filter=MD stock baseline
		kgit "$BUILD/$1/tree" diff --name-only --diff-filter=MD baseline series
		printf '%s\n' Makefile .gitignore
	} | sort -u
}

# mini_source BASE: these files.
mini_source() {
	[ ! -d "$MINI-$1" ] || return 0
	mkdir -p "$MINI-$1.new"
	touched_files "$1" | (cd "$BUILD/$1/tree" && xargs git archive stock --) | tar -x -C "$MINI-$1.new"
	mv "$MINI-$1.new" "$MINI-$1"
}

# says TEXT COMMAND...: the command fails, and says TEXT in one line.
says() {
	local text=$1 status=0
	shift
	"$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
	cat "$SCRATCH/out" "$SCRATCH/err"
	[ "$status" != 0 ] || { echo "it succeeded"; return 1; }
	grep '^lock-on-fault: ' "$SCRATCH/err" >"$SCRATCH/lines" || { echo "it said nothing"; return 1; }
	[ "$(wc -l <"$SCRATCH/lines")" = 1 ] || { echo "it said more than one line"; return 1; }
	grep -qF -- "$text" "$SCRATCH/lines" || { echo "it did not say: $text"; return 1; }
}

unknown_values() {
	says "BASE is one of: " make BASE=2.6 tree
	says "ARCH is one of: $ARCHES $MORE_ARCHES" make ARCH=vax kernel
	says "ARCH is one of: $ARCHES $MORE_ARCHES" make ARCH=arm check
	says "KERNEL is one of: stock baseline series fixes" make KERNEL=linus kernel
	says "PART is one of: all fixes" make PART=half series
	says "ONTO is one of: baseline stock" make ONTO=mainline series
	says "PART=fixes is made onto stock" make PART=fixes ONTO=baseline series
	says "such as 512M or 2G" make MEM=lots guest RUN=true
	says "1 to 64" make SMP=0 guest RUN=true
	says "a number of seconds" make TIMEOUT=soon guest RUN=true
	says "RUN is empty" make guest
	says "unmatched quote" make guest RUN="echo 'a"
	says "REVISION is a revision" make tree REVISION=newest
}

# Nothing is missing that the tables have to say of a machine, and the README
# knows all of them, and what is compiled only.
machines_are_complete() {
	local arch f
	for arch in $ARCHES $MORE_ARCHES; do
		while read -r f; do
			[ -r "$f" ] || { echo "$arch: $f is missing"; return 1; }
		done < <(arch_fragments "$arch")
		says "--image is missing" "$TOP/harness/guest.sh" --arch "$arch"
		grep -qF "| \`$arch\` |" README.md || { echo "$arch is not in README.md"; return 1; }
		[ -n "$(arch_debian "$arch")" ] || says "no static shell for $arch" make ARCH="$arch" shell
	done
	for arch in $("$TOP/harness/compile.sh" list); do
		grep -qE "\`$arch\`" README.md || { echo "$arch is not in README.md"; return 1; }
	done
	says "ARCH is one of: $("$TOP/harness/compile.sh" list | xargs)" "$TOP/harness/compile.sh" 6.1 vax
}

bad_sources() {
	local mini=$MINI-6.1
	mini_source 6.1
	says "does not exist" make -C "$COPY" tree KSRC=/does/not/exist
	says "is no kernel source tree" make -C "$COPY" tree KSRC="$TOP/harness"
	tar -C "$mini" -cJf "$SCRATCH/good.tar.xz" .
	head -c 20000 "$SCRATCH/good.tar.xz" >"$SCRATCH/damaged.tar.xz"
	says "no tarball, or a damaged one" make -C "$COPY" tree KSRC="$SCRATCH/damaged.tar.xz"
	mkdir "$SCRATCH/other"
	cp -r "$mini/." "$SCRATCH/other"
	sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 7/' "$SCRATCH/other/Makefile"
	says "is Linux 6.7, not 6.1" make -C "$COPY" tree KSRC="$SCRATCH/other"
	[ ! -e "$COPY/build/6.1/tree" ]
	make -C "$COPY" tree KSRC="$SCRATCH/good.tar.xz"
	rm -rf "$COPY/build"
}

no_network() {
	# a proxy that nobody is behind
	says "no network" env XDG_CACHE_HOME="$SCRATCH/cold" http_proxy=http://127.0.0.1:9 \
		https_proxy=http://127.0.0.1:9 make -C "$COPY" tree
	[ ! -e "$COPY/build/6.1/tree" ]
}

full_disk() {
	local small=$SCRATCH/small
	[ "$(id -u)" = 0 ] || skip "only root can mount a small disk"
	mkdir -p "$small"
	mount -t tmpfs -o size=8m none "$small" 2>/dev/null || skip "cannot mount a tmpfs here"
	status=0
	says "MiB are free" env XDG_CACHE_HOME="$small" make -C "$COPY" tree || status=1
	umount "$small"
	return $status
}

# a copy of the clone to change at will, with a tree of the mini source
scenario() {
	mini_source 6.1
	rm -rf "$SCRATCH/scenario"
	cp -r "$COPY" "$SCRATCH/scenario"
	cd "$SCRATCH/scenario" || exit 1
	export KSRC=$MINI-6.1
	tree=$SCRATCH/scenario/build/6.1/tree
}
in_tree() { git -C "$tree" -c user.name="A Developer" -c user.email=dev@localhost "$@"; }

broken_patch() {
	scenario
	sed -i 's/^-static int do_mlock(.*/-this line is in no kernel/' patches/linux-6.1/0001-*.patch
	says "0001-mm-mlock-Refactor" make tree
	says "does not apply to mm/mlock.c" make tree
	git checkout -q patches
	make tree
}

broken_rule() {
	scenario
	echo 'drop 1 mm : this is in no kernel' >>patches/baseline.rules
	says "matches 0 lines" make tree
	git checkout -q patches
	echo 'drop 1-2 mm/mlock.c : mlock' >>patches/baseline.rules
	says "not 1-2" make tree
	git checkout -q patches
	make tree
}

round_trip() {
	scenario
	make tree
	make export
	[ -z "$(git status --porcelain)" ] || { git status --porcelain; return 1; }
	make tree | tee /dev/stderr
	# the caller's configuration and hooks must not matter
	printf '[core]\n\tautocrlf = true\n[diff]\n\tnoprefix = true\n\tcontext = 9\n[commit]\n\tgpgsign = true\n' >"$SCRATCH/gitconfig"
	rm -rf build
	GIT_CONFIG_GLOBAL=$SCRATCH/gitconfig make tree
	GIT_CONFIG_GLOBAL=$SCRATCH/gitconfig make export
	[ -z "$(git status --porcelain)" ] || { git diff; return 1; }
}

# Edit in the middle, add a commit with a new file, reword: what comes back
# is that and nothing else, and a tree made from it is the same tree.
edits_come_back() {
	local want
	scenario
	make tree
	printf '\n/* the end */\n' >>"$tree/mm/mremap.c"
	mkdir -p "$tree/tools/testing/selftests/vm"
	printf '// SPDX-License-Identifier: GPL-2.0\n' >"$tree/tools/testing/selftests/vm/new-test.c"
	in_tree add -A
	in_tree commit -qm "$(printf 'mm: add an end\n\nA body, with a line that ends in ---.\n')"
	# shellcheck disable=SC2016 # for the inner shell
	says "not exported" env KSRC="$KSRC" bash -c 'echo >>patches/linux-6.1/series; make tree; s=$?; git checkout -q patches; exit $s'
	want=$(in_tree rev-parse "HEAD^{tree}")
	make export
	git status --porcelain -uall | sort >"$SCRATCH/changed"
	cat "$SCRATCH/changed"
	printf '%s\n' ' M patches/linux-6.1/series' "?? $(echo patches/linux-6.1/*-mm-add-an-end.patch)" \
		'?? tools/testing/selftests/vm/new-test.c' | sort | cmp - "$SCRATCH/changed"
	git add -A
	git -c user.name=t -c user.email=t@localhost commit -qm more
	rm -rf build
	make tree
	[ "$(in_tree rev-parse "series^{tree}")" = "$want" ]
	# reword one in the middle: only its file changes
	GIT_SEQUENCE_EDITOR="sed -i '2s/^pick/reword/'" GIT_EDITOR="sed -i '\$a More of it.'" in_tree rebase -q -i baseline
	make export
	git status --porcelain | tee "$SCRATCH/changed"
	[ "$(cat "$SCRATCH/changed")" = " M $(echo patches/linux-6.1/0002-*.patch)" ]
	# a whole file has one commit
	echo '/* late */' >>"$tree/include/linux/mlock.h"
	in_tree commit -qam 'mm: change a whole file'
	says "a whole file has one commit" make export
	grep -q 'Introduce VM_LOCKONFAULT.*mm: change a whole file' "$SCRATCH/lines"
	git status --porcelain | cmp - "$SCRATCH/changed"
	# what git does not know would be lost
	in_tree reset -q --hard HEAD^
	: >"$tree/mm/forgotten.c"
	says "mm/forgotten.c" make export
	rm "$tree/mm/forgotten.c"
	echo >>"$tree/mm/mlock.c"
	says "uncommitted changes" make export
}

# The same for the fixes on stock, in a worktree of their own.
fixes_come_back() {
	local want
	scenario
	make tree PART=fixes
	make export PART=fixes
	make export
	[ -z "$(git status --porcelain)" ] || { git status --porcelain; return 1; }
	tree=$SCRATCH/scenario/build/6.1/fixes
	[ -z "$(in_tree grep -l VM_LOCK_MODE stock -- mm include)" ]
	printf '\n/* the end */\n' >>"$tree/mm/mremap.c"
	in_tree commit -qam "$(printf 'mm: add an end\n\nA body.\n')"
	want=$(in_tree rev-parse "HEAD^{tree}")
	# it is no edit of the series, and does not go with another source
	make export
	[ -z "$(git status --porcelain)" ] || { git status --porcelain; return 1; }
	rm -rf "$SCRATCH/again"
	cp -r "$MINI-6.1" "$SCRATCH/again"
	says "make export BASE=6.1 PART=fixes" make tree KSRC="$SCRATCH/again"
	make export PART=fixes
	git status --porcelain -uall | tee "$SCRATCH/changed"
	printf '%s\n' ' M patches/linux-6.1-fixes/series' "?? $(echo patches/linux-6.1-fixes/*-mm-add-an-end.patch)" |
		cmp - "$SCRATCH/changed"
	make tree KSRC="$SCRATCH/again"
	[ ! -e build/6.1/fixes ]
	rm -rf build
	make tree PART=fixes
	[ "$(in_tree rev-parse "fixes^{tree}")" = "$want" ]
}

two_at_once() {
	local a b
	scenario
	make tree & a=$!
	make tree & b=$!
	wait $a && wait $b
	[ "$(in_tree rev-list --count stock..series)" -gt 5 ]
}

interrupted() {
	local n
	scenario
	for n in 1 2 3 5 8; do
		timeout -s INT "0.$n" make tree || :
	done
	make tree
	make export
	[ -z "$(git status --porcelain)" ]
}

# What differs in nothing that a compiler sees keeps its time, and only that.
times_of_headers() {
	local repo=$SCRATCH/times old f
	set -- comment.h macro.h chain.h function.h declared.h struct.h member.h static.h edited.h uses-macro.c uses-declared.c other.c
	rm -rf "$repo"
	mkdir "$repo"
	cd "$repo" || exit
	git init -q -b new
	printf '/* what\n * it is */\n#define COMMENT 1\n' >comment.h
	printf '#define MACRO (1 | \\\n\t2)\n#define SECOND 2\n' >macro.h
	printf '#define INNER 1\n#define OUTER INNER\n' >chain.h
	printf '#define FUNCTION(x) (x)\n' >function.h
	printf 'extern int declared(struct some *a,\n\tint b);\nint one(int a);\n' >declared.h
	printf 'struct s {\n\tint a;\n};\n' >struct.h
	printf 'struct m {\n\tint (*call)(int a);\n};\n' >member.h
	printf 'static inline int here(void);\n' >static.h
	printf '#define EDITED 1\n' >edited.h
	echo 'int a = SECOND;' >uses-macro.c
	echo 'int a(void) { return one(1); }' >uses-declared.c
	echo 'int a = SECONDS, b = gone();' >other.c
	git add -A
	git -c user.name=t -c user.email=t@localhost commit -qm old
	old=$(git rev-parse HEAD)
	sed -i 's/ it is/ it was/' comment.h
	sed -i 's/SECOND 2/SECOND 3/' macro.h
	sed -i 's/INNER 1/INNER 2/' chain.h
	sed -i 's/(x)$/(x + 1)/' function.h
	sed -i 's/^int one.*/int two(int a);/' declared.h
	sed -i 's/int a;/long a;/' struct.h
	sed -i 's/int a/long a/' member.h
	sed -i 's/void/int a/' static.h
	sed -i 's%1$%1 /* one */%' edited.h
	git -c user.name=t -c user.email=t@localhost commit -qam new
	git checkout -q "$old"
	# as if a fault were planted there
	sed -i 's/1$/2/' edited.h
	touch -d @1000000000 -- *
	local base=6.1
	. "$TOP/harness/treelib.sh"
	checkout_source "$repo" new
	for f; do
		[ "$(stat -c %Y "$f")" = 1000000000 ] || echo "$f"
	done | tee "$SCRATCH/touched"
	printf '%s\n' chain.h function.h struct.h member.h static.h edited.h uses-macro.c uses-declared.c | cmp - "$SCRATCH/touched"
}

# What ccache keeps of an assembler source does not know of the file in it.
assembler_is_compiled() {
	local n launcher=${1:-$TOP/harness/cc.sh}
	printf '\t.incbin\t"data"\n' >"$SCRATCH/data.S"
	for n in one two; do
		echo "$n" >"$SCRATCH/data"
		(cd "$SCRATCH" && CCACHE_DIR=$SCRATCH/ccache CCACHE_CONFIGPATH=/dev/null CCACHE_DEPEND=1 \
			"$launcher" gcc -MD -c -o "$n.o" data.S)
		grep -a "$n" "$SCRATCH/$n.o"
	done
}

checks_of_the_harness() {
	t "shell scripts: shellcheck" bash -c 'git ls-files -co --exclude-standard "*.sh" .ci/run | xargs shellcheck'
	t "wrong values of variables: one line each" unknown_values
	t "every machine is in the tables and the README" machines_are_complete
	t "no network and a cold cache: one line" no_network
	t "a full disk: one line" full_disk
	t "KSRC: missing, damaged, another version" bad_sources
	t "a rule that matches too little or too much" broken_rule
	t "a patch that does not apply: which, and to what" broken_patch
	t "tree, export: nothing changes, whatever git is configured to" round_trip
	t "edited commits come back" edits_come_back
	t "tree, export of the fixes on stock: the same, and apart from the series" fixes_come_back
	t "two makes at once" two_at_once
	t "a file that an assembler source takes in is the one of now" assembler_is_compiled
	t "a header that compiles to the same keeps its time, and no other" times_of_headers
	t "interrupted, and called again" interrupted
}
