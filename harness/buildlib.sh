# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How a kernel is built and kept, whatever its source: one of the three, a
# commit of the series, or the series with planted faults.  The caller has
# sourced lib.sh, set base and arch, and sourced treelib.sh and archlib.sh.

: "${base:?}" "${arch:?}"
cross=$(arch_cross "$arch")
mapfile -t fragments < <(arch_fragments "$arch")
target=$(arch_image "$arch")

# FLAVOUR=NAME: the same kernels with one fragment more, kept beside the others.
flavour=${FLAVOUR:-}
suffix=${flavour:+-$flavour}
if [ -n "$flavour" ]; then
	fragments+=("$TOP/kernel/configs/lockonfault-$flavour.config")
	[ -r "${fragments[-1]}" ] || die "FLAVOUR='$flavour': there is no ${fragments[-1]#"$TOP"/}"
fi

# Compilers go through ccache, which looks at a source and at the headers that it
# included last time.  To look at the preprocessed source would find more, as
# kernels of a base differ in a few lines of headers that every file includes, but
# makes a first build a seventh longer; make itself is told of those lines, see
# keep_times().  Headers may be newer than the build that they are made in.
export CCACHE_DIR=$CACHE/ccache CCACHE_CONFIGPATH=/dev/null CCACHE_DEPEND=1
export CCACHE_SLOPPINESS=include_file_mtime,include_file_ctime CCACHE_MAXSIZE=4G
launcher=
! command -v ccache >/dev/null 2>&1 || launcher="$TOP/harness/cc.sh "

# One more than there are processors: make often waits for a single one.
make_jobs=${JOBS:-$(($(nproc) + 1))}

# kmake SRC ARG...: make in SRC's object directory of this architecture.
# That lies in SRC: then the compiler gets relative paths, the same in every
# source.  Nothing in the kernel says which one it is, or when and where it
# was built: a program in the guest can tell kernels apart only by what they
# do.
#
# Whether an exported symbol is local is asked of each object, by a shell script,
# which takes an eighth of the build.  No module is built here, and without
# those nothing is exported.
kmake() {
	local src=$1
	shift
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u KBUILD_OUTPUT -u KCFLAGS \
		make -s -C "$src" O="obj-$arch$suffix" ARCH="$(arch_karch "$arch")" CROSS_COMPILE="$cross" \
		CC="$launcher${cross}gcc" HOSTCC="${launcher}gcc" LOCALVERSION= cmd_check_local_export=: \
		KBUILD_BUILD_TIMESTAMP='Thu Nov  5 00:00:00 UTC 2015' KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_USER=user KBUILD_BUILD_HOST=host -j"$make_jobs" "$@"
}

# configure SRC: tinyconfig and our fragments, and what the compiler can do.
# Kconfig asks the compiler a hundred questions each time, so what was configured
# from the same is left alone, and what has fragments besides is merged with
# those; and asks them of the compiler itself, up to the last time, which make
# remembers.
configure() {
	local src=$1 obj=$1/obj-$arch$suffix from has n=0
	from=$(configured_from "$src")
	has=$(cat "$obj/configured-from" 2>/dev/null) || :
	[ "$has" != "$from" ] || return 0
	mkdir -p "$obj"
	rm -f "$obj/configured-from"
	[ -z "$has" ] || [[ $from != "$has"$'\n'* ]] || n=$(($(wc -l <<<"$has") - 1))
	{ [ "$n" != 0 ] || kmake "$src" CC="${cross}gcc" tinyconfig; } &&
		"$src/scripts/kconfig/merge_config.sh" -m -O "$obj" "$obj/.config" "${fragments[@]:n}" &&
		kmake "$src" CC="${cross}gcc" olddefconfig && kmake "$src" syncconfig &&
		printf '%s\n' "$from" >"$obj/configured-from"
}

# configured_from SRC: what its configuration depends on, a line, and a line for
# each fragment
configured_from() {
	local fragment
	{
		echo "$launcher" "$arch" "$suffix"
		"${cross}gcc" --version | head -n 1
		"${cross}ld" --version | head -n 1
		(cd "$1" && kgit . ls-files -z -- '*Kconfig*' '*/configs/*tiny*' scripts/kconfig Makefile 'arch/*/Makefile' |
			xargs -0 cat --)
	} | sha
	for fragment in "${fragments[@]}"; do
		sha <"$fragment"
	done
}

# make_kernel SOURCE...: what build_kernel does if no kernel is kept, with its
# variables.  In a subshell, whose locks and scratch files end with it.
make_kernel() (
	need_space "$BUILD" 3000 "a build of Linux $base"
	mkdir -p "$here"
	scratch
	# One after the other: two at a time would both compile what the
	# second finds in ccache else, or finds built.
	lock kernels "$CACHE"
	[ ! -f "$kept/complete" ] || exit 0
	"$@" || exit 2
	step CONFIG "$base $arch $name"
	configure "$src" >"$log" 2>&1 || {
		tail -n 5 "$log" >&2
		die "could not configure $base $arch $name (see ${log#"$TOP"/})$(disk_hint "$BUILD")"
	}
	"$TOP/harness/config-check.sh" "$obj/.config" "${fragments[@]}" || exit 2

	began=$(date +%s)
	step BUILD "$base $arch $name with $make_jobs jobs"
	kmake "$src" KBUILD_VERBOSE=0 quiet=quiet_ "${target##*/}" >>"$log" 2>&1 &
	maker=$!
	# shellcheck disable=SC2064 # this build's
	trap "kill $maker 2>/dev/null; wait; rm -rf -- '$SCRATCH'" EXIT
	while sleep 2; kill -0 "$maker" 2>/dev/null; do
		[ $((($(date +%s) - began) / 2 % 15)) = 0 ] || continue
		step BUILD "$base $arch $name: $(elapsed "$began"), $(find "$obj" -name '*.o' | wc -l) objects"
	done
	if ! wait "$maker"; then
		grep -m 3 -E '(error|Error|undefined reference|No space)' "$log" >&2 || tail -n 5 "$log" >&2
		die "the build of $base $arch $name failed (see ${log#"$TOP"/})$(disk_hint "$BUILD")"
	fi
	step BUILT "$base $arch $name in $(elapsed "$began")"

	new=$CACHE/kernels/.new.$$
	# shellcheck disable=SC2064
	trap "rm -rf -- '$SCRATCH' '$new'" EXIT
	rm -rf "$new"
	mkdir -p "$new" &&
		cp "$obj/$target" "$new/" && cp "$obj/System.map" "$new/" && cp "$obj/.config" "$new/config" &&
		grep -E 'warning:' "$log" >"$new/warnings" || [ $? = 1 ] || die "could not keep the kernel$(disk_hint "$CACHE")"
	# text of each object, for the benchmark
	(cd "$obj" && find vmlinux arch block drivers fs init ipc kernel lib mm -name '*.o' ! -path '*/boot/*' -o -path vmlinux |
		LC_ALL=C sort | xargs "${cross}size" | awk 'NR > 1 { print $6 "," $1 }') >"$new/sizes" &&
	: >"$new/complete" || die "could not keep the kernel$(disk_hint "$CACHE")"
	rm -rf "$kept"
	mv -T "$new" "$kept" 2>/dev/null || [ -f "$kept/complete" ] || die "could not keep the kernel in $CACHE"
)

# touched_warnings REV FLAGS [OBJECT...]: compile the files that the series
# touches, as they are at REV, and the objects that are named, with FLAGS for
# make; print the warnings, without line numbers: those move with the lines
# above.  What was compiled is left in $objects, below $obj.
#
# All revisions take their turn in one source worktree, build/BASE/src/step.
touched_warnings() {
	local rev=$1 flags=$2 src=$BUILD/$base/src/step f
	shift 2
	obj=$src/obj-$arch
	kernel_source step "$rev"
	{ configure "$src" && kmake "$src" prepare; } >"$SCRATCH/log" 2>&1 ||
		{ tail -n 5 "$SCRATCH/log" >&2; die "could not prepare $rev for its warnings"; }

	# One at a time: what a configuration leaves out (mm/nommu.c) has no object.
	objects=("$@")
	while read -r f; do
		# of another architecture, or not there yet
		case $f in
		arch/*) [[ $f == arch/$(arch_srcarch "$arch")/* ]] || continue ;;
		mm/hugetlb.c) grep -q '^CONFIG_HUGETLBFS=y' "$obj/.config" || continue ;;
		mm/huge_memory.c | mm/khugepaged.c)
			grep -q '^CONFIG_TRANSPARENT_HUGEPAGE=y' "$obj/.config" || continue ;;
		kernel/events/uprobes.c) grep -q '^CONFIG_UPROBES=y' "$obj/.config" || continue ;;
		esac
		[ ! -e "$src/$f" ] || objects+=("${f%.c}.o")
	done < <(kgit "$TREE" diff --name-only --diff-filter=AM baseline series -- '*.c' ':!tools' ':!samples')
	rm -f "${objects[@]/#/$obj/}"
	# The unit tests are configured into a kernel of their own only.
	# shellcheck disable=SC2086 # flags are words
	kmake "$src" $flags CONFIG_MLOCK_KUNIT_TEST=y "${objects[@]}" >"$SCRATCH/raw" 2>&1 || {
		grep -E -A3 'error:' "$SCRATCH/raw" >&2 || tail -n 5 "$SCRATCH/raw" >&2
		die "$rev does not compile"
	}
	# W=1 has the same of every system call, and what a header says it says
	# of each file that includes it.
	grep -E '(warning|error):' "$SCRATCH/raw" | sed -E -e "s%^(\.\./)*%%; s%^$src/%%" -e 's/:[0-9]+(:[0-9]+)?:/:/' \
		-e '/ no previous prototype for /s/(__[a-z0-9]+_sys_)[a-z0-9_]+/\1*/' | sort | awk '!/^[^:]*\.h:/ || !seen[$0]++' || :
}

# build_kernel NAME ID SOURCE...: the kernel of what ID stands for, in
# build/BASE/ARCH/NAME; the path of its image is left in $image.  SOURCE is a
# command that gets the source into build/BASE/src/NAME; it is called only if
# no kernel of ID is kept.
#
# A finished kernel is kept in the cache under a key made of everything that
# it is built from: the source, the configuration fragments, the compiler.
build_kernel() {
	local name=$1$suffix id=$2 here=$BUILD/$base/$arch/$1$suffix src=$BUILD/$base/src/$1
	local obj=$src/obj-$arch$suffix log=$here/build.log key kept new began maker recipe=6
	shift 2
	image=$here/$(basename "$target")
	# The build's own habits are part of the key: raise recipe when they change.
	key=$({
		echo "$recipe $id $arch"
		cat "${fragments[@]}"
		"${cross}gcc" --version | head -n 1
		"${cross}ld" --version | head -n 1
	} | sha)
	kept=$CACHE/kernels/$key
	lock "$base-$arch-$name"
	[ -f "$kept/complete" ] || make_kernel "$@" || exit 2
	if [ "$(cat "$here/key" 2>/dev/null)" != "$key" ] || [ ! -f "$image" ]; then
		mkdir -p "$here"
		rm -f "$here/key"
		cp "$kept"/* "$here/" || die "could not copy the kernel$(disk_hint "$BUILD")"
		printf '%s\n' "$key" >"$here/key"
	fi
}
