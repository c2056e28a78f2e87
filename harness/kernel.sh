#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh BASE ARCH KERNEL: build one of the three kernels and print the
# path of its image.
#
# A finished kernel is kept in the cache under a key made of everything that
# it is built from: the git tree, the configuration fragments, the compiler.
# It is built only when there is none for its key.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: kernel.sh BASE ARCH KERNEL} arch=${2:?} kernel=${3:?}
check_base "$base"
check_arch "$arch"
check_kernel "$kernel"
"$TOP/harness/deps.sh" tree kernel "$arch"
. "$TOP/harness/treelib.sh"
. "$TOP/harness/archlib.sh"
check_series_files

here=$BUILD/$base/$arch/$kernel
image=$here/$(basename "$(arch_image "$arch")")
mapfile -t fragments < <(arch_fragments "$arch")
cross=$(arch_cross "$arch")

# Which source this kernel is.  A clone that has no tree yet takes it from what
# the cache knows these inputs to become.
tree_id() {
	local id path inputs
	if [ ! -d "$TREE/.git" ]; then
		read -r id path < <("$TOP/harness/source.sh" "$base") || exit 2
		[ -n "${path:-}" ] || exit 2
		inputs=$(inputs_key)
		known=$CACHE/trees/$(printf '%s %s' "$id" "$inputs" | sha)
		if [ -r "$known" ]; then
			awk -v tag="$kernel" '$1 == tag { print $2 }' "$known"
			return
		fi
	fi
	"$TOP/harness/tree.sh" "$base" || exit 2
	if [ "$kernel" = series ] && [ "$(kgit "$TREE" rev-parse HEAD)" != "$(kgit "$TREE" rev-parse series)" ]; then
		note "lock-on-fault: build/$base/tree has commits that are not exported; KERNEL=series is the tag: make export BASE=$base"
	fi
	build_id "$kernel"
}
id=$(tree_id)
[ -n "$id" ] || exit 2

# The build's own habits are part of the key: raise it when they change.
recipe=1
key=$({
	echo "$recipe $id $arch"
	cat "${fragments[@]}"
	"${cross}gcc" --version | head -n 1
	"${cross}ld" --version | head -n 1
} | sha)
kept=$CACHE/kernels/$key

hand_over() {
	mkdir -p "$here"
	if [ "$(cat "$here/key" 2>/dev/null)" != "$key" ] || [ ! -f "$image" ]; then
		rm -f "$here/key"
		cp "$kept"/* "$here/" || die "could not copy the kernel$(disk_hint "$BUILD")"
		printf '%s\n' "$key" >"$here/key"
	fi
	printf '%s\n' "$image"
}

if [ -f "$kept/complete" ]; then
	lock "$base-$arch-$kernel"
	hand_over
	exit 0
fi

lock "$base-$arch-$kernel"
# somebody else may have built it while we waited
if [ -f "$kept/complete" ]; then
	hand_over
	exit 0
fi
[ -d "$TREE/.git" ] || "$TOP/harness/tree.sh" "$base" || exit 2
need_space "$BUILD" 3000 "a build of Linux $base"
scratch

# One source worktree and one object directory for each kernel: to switch a
# worktree between tags would rebuild nearly everything.
src=$BUILD/$base/src/$kernel
obj=$here/obj
log=$here/build.log
mkdir -p "$here"
kernel_source "$kernel"

jobs=${JOBS:-$(nproc)}
# Nothing in the kernel says which of the three it is, or when and where it
# was built: a program in the guest can tell them apart only by what they do.
kmake() {
	make -s -C "$src" O="$obj" ARCH="$(arch_karch "$arch")" CROSS_COMPILE="$cross" LOCALVERSION= \
		KBUILD_BUILD_TIMESTAMP='Thu Nov  5 00:00:00 UTC 2015' KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_USER=user KBUILD_BUILD_HOST=host -j"$jobs" "$@"
}
unset MAKEFLAGS MFLAGS MAKELEVEL KBUILD_OUTPUT KCFLAGS || :

step CONFIG "$base $arch $kernel"
mkdir -p "$obj"
{
	kmake tinyconfig &&
		"$src/scripts/kconfig/merge_config.sh" -m -O "$obj" "$obj/.config" "${fragments[@]}" &&
		kmake olddefconfig
} >"$log" 2>&1 || {
	tail -n 5 "$log" >&2
	die "could not configure $base $arch $kernel (see ${log#"$TOP"/})$(disk_hint "$BUILD")"
}
"$TOP/harness/config-check.sh" "$obj/.config" "${fragments[@]}" || exit 2

began=$(date +%s)
step BUILD "$base $arch $kernel with $jobs jobs"
target=$(arch_image "$arch")
make_image() { kmake KBUILD_VERBOSE=0 quiet=quiet_ "${target##*/}"; }
make_image >>"$log" 2>&1 &
maker=$!
trap 'kill $maker 2>/dev/null; wait; rm -rf -- "$SCRATCH"' EXIT
while sleep 2; kill -0 $maker 2>/dev/null; do
	[ $((($(date +%s) - began) / 2 % 15)) = 0 ] || continue
	step BUILD "$base $arch $kernel: $(elapsed "$began"), $(find "$obj" -name '*.o' | wc -l) objects"
done
if ! wait $maker; then
	grep -m 3 -E '(error|Error|undefined reference|No space)' "$log" >&2 || tail -n 5 "$log" >&2
	die "the build of $base $arch $kernel failed (see ${log#"$TOP"/})$(disk_hint "$BUILD")"
fi
step BUILT "$base $arch $kernel in $(elapsed "$began")"

new=$CACHE/kernels/.new.$$
trap 'rm -rf -- "$SCRATCH" "$new"' EXIT
rm -rf "$new"
mkdir -p "$new" &&
	cp "$obj/$target" "$new/" && cp "$obj/System.map" "$new/" && cp "$obj/.config" "$new/config" &&
	grep -E 'warning:' "$log" >"$new/warnings" || [ $? = 1 ] || die "could not keep the kernel$(disk_hint "$CACHE")"
: >"$new/complete" || die "could not keep the kernel$(disk_hint "$CACHE")"
rm -rf "$kept"
mv -T "$new" "$kept" 2>/dev/null || [ -f "$kept/complete" ] || die "could not keep the kernel in $CACHE"
hand_over
