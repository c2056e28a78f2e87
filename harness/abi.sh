#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# abi.sh BASE [TAG TAG]: print the number of mlock2 and the values of its
# flags for every architecture and ABI of the base, once if the two tags
# (stock and series) agree, else their differences; exits 1 then.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: abi.sh BASE [TAG TAG]}
tags=("${2:-stock}" "${3:-series}")
. "$TOP/harness/treelib.sh"
"$TOP/harness/tree.sh" "$base"
scratch

# rows FILE...: what tables of system calls give mlock2, by ABI
rows() { awk '$1 ~ /^[0-9]+$/ && $3 == "mlock2" { print $2, $1, $4, $5 }' "$@"; }

# preprocess ARCH HEADER TEXT [OPTION]: a header as a program of that
# architecture sees it, with the generic ones where it has none of its own.
preprocess() {
	printf '%s\n#include "%s"\n' "$3" "$2" |
		gcc -E -P -nostdinc -undef "${@:4}" -I "arch/$1/include/uapi" -I include/uapi -I generic -x c -
}

# flags ARCH PREFIX: both flags, as numbers
flags() {
	local header=arch/$1/include/uapi/asm/mman.h name
	[ -e "$header" ] || header=include/uapi/asm-generic/mman.h
	preprocess "$1" "$header" '' -dM >macros || die "$header does not preprocess"
	for name in MCL_ONFAULT MLOCK_ONFAULT; do
		awk -v name=$name '$2 == name { value = $3 } END { printf " %s %s", name, value == "" ? "none" : value }' macros
	done
}

# entries ARCH HEADER: numbers of a header that lists the calls itself
entries() {
	preprocess "$1" "$2" '#define __SYSCALL(nr, call) ENTRY nr call' |
		awk '$1 == "ENTRY" && $3 == "sys_mlock2" { print $2, $3; found = 1 } END { if (!found) print "none" }'
}

describe() {
	local arch table header
	local -a tables
	cd "$1" || exit 1
	mkdir generic
	ln -s ../include/uapi/asm-generic generic/asm
	for arch in arch/*/; do
		arch=$(basename "$arch")
		# user mode Linux has the tables of the machine it runs on
		[ -d "arch/$arch/include/uapi/asm" ] && [ "$arch" != um ] || continue
		mapfile -t tables < <(find "arch/$arch" -name '*.tbl' -path '*syscall*' | sort)
		for table in "${tables[@]}"; do
			rows "$table" | grep . || echo none
		done | sort | sed "s/^/$arch /"
		[ ${#tables[@]} -gt 0 ] ||
			printf '%s generic %s\n' "$arch" "$(entries "$arch" "arch/$arch/include/uapi/asm/unistd.h")"
		header=arch/$arch/include/asm/unistd32.h
		[ ! -e "$header" ] || printf '%s compat %s\n' "$arch" "$(entries "$arch" "$header")"
		printf '%s%s\n' "$arch" "$(flags "$arch")"
	done
	# these are for names and numbers; what else they say is years old
	find tools -name '*.tbl' | sort | while read -r table; do
		rows "$table" | awk -v table="$table" '{ print table, $1, $2 }'
	done
	{ grep -rE '^#define[[:space:]]+(__NR_mlock2|MCL_ONFAULT|MLOCK_ONFAULT)[[:space:]]' tools/include || :; } |
		awk '{ sub(/:#define/, "", $1); print $1, $2, $3 }' | sort
}

for tag in "${tags[@]}"; do
	mkdir -p "$SCRATCH/$tag"
	kgit "$TREE" archive "$tag" -- ':(glob)arch/*/include/uapi/**' ':(glob)arch/*/include/asm/unistd32.h' \
		include/uapi ':(glob)**/*.tbl' tools/include | tar -x -C "$SCRATCH/$tag"
	(describe "$SCRATCH/$tag") >"$SCRATCH/abi-$tag" || exit 2
done
# nothing found anywhere would be the same, too
! grep none "$SCRATCH/abi-${tags[0]}" || die "${tags[0]} of $base has architectures without mlock2"
if ! diff -U0 "$SCRATCH/abi-${tags[0]}" "$SCRATCH/abi-${tags[1]}" >"$SCRATCH/diff"; then
	grep -E '^[-+][^-+]' "$SCRATCH/diff"
	die "${tags[0]} and ${tags[1]} of $base do not have the same numbers and flags"
fi
cat "$SCRATCH/abi-${tags[0]}"
