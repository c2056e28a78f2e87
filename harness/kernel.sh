#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh BASE ARCH KERNEL: build one of the three kernels, or stock with our
# fixes, and print the path of its image.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: kernel.sh BASE ARCH KERNEL} arch=${2:?} kernel=${3:?}
check_base "$base"
check_arch "$arch"
check_kernel "$kernel"
tree_part=$(part_of "$kernel")
"$TOP/harness/deps.sh" tree kernel "$arch"
. "$TOP/harness/treelib.sh"
. "$TOP/harness/archlib.sh"
. "$TOP/harness/buildlib.sh"
check_series_files

# Which source this kernel is.  A clone that has no tree yet takes it from what
# the cache knows these inputs to become.
tree_id() {
	local id path inputs
	if [ ! -e "$TREE/.git" ]; then
		read -r id path < <("$TOP/harness/source.sh" "$base") || exit 2
		[ -n "${path:-}" ] || exit 2
		inputs=$(inputs_key)
		known=$CACHE/trees/$(printf '%s %s' "$id" "$inputs" | sha)
		if [ -r "$known" ]; then
			awk -v kernel="$kernel" '$1 == kernel { print $2 }' "$known"
			return
		fi
	fi
	"$TOP/harness/tree.sh" "$base" "$tree_part" || exit 2
	if [ "$kernel" = "$tag" ] && [ "$(kgit "$TREE" rev-parse HEAD)" != "$(kgit "$TREE" rev-parse "$tag")" ]; then
		note "lock-on-fault: $tree_dir has commits that are not exported; KERNEL=$tag is the tag: make export $make_vars"
	fi
	build_id "$kernel"
}
id=$(tree_id)
[ -n "$id" ] || exit 2

# One source worktree for each kernel: to switch one between tags would
# rebuild nearly everything.  A new one starts from what another has built: what
# includes no header that differs is there already.
its_source() {
	[ -e "$TREE/.git" ] || "$TOP/harness/tree.sh" "$base" "$tree_part" || exit 2
	# shellcheck disable=SC2086 # the list is words
	kernel_source "$kernel" "$kernel" $KERNELS
}
build_kernel "$kernel" "$id" its_source
printf '%s\n' "$image"
