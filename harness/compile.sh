#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# compile.sh BASE [ARCH...]: of architectures that are not booted here, compile
# the files that the series touches, and the table of system calls: without a
# warning (W=1) that they do not have on the baseline, and with mlock2 in the
# table on the series only.
# compile.sh list: the architectures that can be compiled
. "$(dirname "$0")/lib.sh"

# Name, the kernel's name, compiler, the object of the table, and what tinyconfig
# lacks.  sparc64 has the table for 32-bit programs, too.  Alpha has a compiler,
# but Debian's 6.1.192 as it is does not compile there: its pgtable.h passes too
# few arguments to page_table_check_pte_clear().
table() {
	cat <<-END
	arc     arc     arc-linux-gnu     arch/arc/kernel/sys.o           ISA_ARCV2=y
	m68k    m68k    m68k-linux-gnu    arch/m68k/kernel/syscalltable.o MMU=y M68KCLASSIC=y M68040=y ATARI=y
	parisc  parisc  hppa-linux-gnu    arch/parisc/kernel/syscall.o
	powerpc powerpc powerpc-linux-gnu arch/powerpc/kernel/systbl.o    PPC_BOOK3S_32=y
	sh      sh      sh4-linux-gnu     arch/sh/kernel/syscalls_32.o    CPU_SUBTYPE_SH7751R=y MMU=y
	sparc64 sparc64 sparc64-linux-gnu arch/sparc/kernel/head_64.o     64BIT=y COMPAT=y
	END
}

names() { table | awk '{ print $1 }'; }

if [ "${1:-}" = list ]; then
	names
	exit
fi
base=${1:?usage: compile.sh BASE [ARCH...]}
shift
check_base "$base"
# shellcheck disable=SC2046 # the list is words
[ $# -gt 0 ] || set -- $(names)
for arch; do
	# shellcheck disable=SC2046
	one_of ARCH "$arch" $(names)
done
"$TOP/harness/deps.sh" tree kernel
. "$TOP/harness/treelib.sh"
"$TOP/harness/tree.sh" "$base"
scratch

# What buildlib.sh asks of an architecture, from the row
arch_karch() { echo "$karch"; }
arch_srcarch() { cut -d/ -f2 <<<"$object"; }
arch_cross() { echo "$compiler-"; }
arch_image() { echo vmlinux; }
arch_fragments() { printf '%s\n' "$TOP/kernel/configs/lockonfault.config" "$SCRATCH/$arch.config"; }

# In a subshell: buildlib.sh is for one architecture.
compile() (
	arch=$1
	read -r _ karch compiler object config < <(table | awk -v name="$arch" '$1 == name')
	# shellcheck disable=SC2086 # words
	printf 'CONFIG_%s\n' $config >"$SCRATCH/$arch.config"
	"$TOP/harness/deps.sh" "compile-$compiler"
	. "$TOP/harness/buildlib.sh"
	for rev in baseline series; do
		step COMPILE "$base $arch $rev"
		touched_warnings "$rev" W=1 "$object" >"$SCRATCH/$arch-$rev"
		# arc fills its table with "no such call" first, and warns of each
		# entry that there is
		sed -i "\\|^${object%.o}\\.c: .*\\[-Woverride-init\\]\$|d" "$SCRATCH/$arch-$rev"
		"${cross}nm" -u "$obj/$object" >"$SCRATCH/$arch-$rev-table"
		[ "$rev" = "$(grep -q 'sys_mlock2$' "$SCRATCH/$arch-$rev-table" && echo series || echo baseline)" ] ||
			die "$arch: mlock2 is in baseline's table of system calls, or is not in the series'"
	done
	comm -13 "$SCRATCH/$arch-baseline" "$SCRATCH/$arch-series" >"$SCRATCH/$arch-new"
	if [ -s "$SCRATCH/$arch-new" ]; then
		cat "$SCRATCH/$arch-new"
		die "$arch: warnings that baseline does not have"
	fi
	printf '%s %s: %d objects compile without new warnings; mlock2 is in the table\n' "$base" "$arch" ${#objects[@]}
)

for arch; do
	compile "$arch"
done
