# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script of the harness shares: where things are, how it speaks,
# which values the variables of the front door take, locks, and work that is
# either finished or not there.  Sourced, never run.

set -Eeuo pipefail
export LC_ALL=C
umask 022

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$TOP/build
OUT=$TOP/out
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/lock-on-fault
export TOP BUILD OUT CACHE

BASES="6.1 5.10"
# What make check-all boots, and what it boots besides with FULL=1
ARCHES="x86_64 mips64el mips s390x"
MORE_ARCHES="i386 arm64 armhf riscv64 ppc64le mips64el-16k"
KERNELS="stock baseline series"
# ... and what is built on stock: our fixes of its defects, by themselves
MORE_KERNELS="fixes"

# Messages go to standard error: standard output is for what a command is
# asked to print (an image's path, a guest's output).
note() { printf '%s\n' "$*" >&2; }
step() { printf '  %-8s %s\n' "$1" "${*:2}" >&2; }
die() { printf 'lock-on-fault: %s\n' "$*" >&2; exit 2; }

# one_of VARIABLE VALUE ALLOWED...: the one line for a wrong variable.
one_of() {
	local var=$1 value=$2 allowed
	shift 2
	for allowed; do
		[ "$value" = "$allowed" ] && return
	done
	die "$var='$value' is not known; $var is one of: $*"
}

# matches VARIABLE VALUE REGEX MEANING
matches() {
	[[ $2 =~ ^($3)$ ]] || die "$1='$2' is not valid; $1 is $4"
}

# shellcheck disable=SC2086 # the lists are words
check_base() { one_of BASE "$1" $BASES; }
# shellcheck disable=SC2086
check_arch() { one_of ARCH "$1" $ARCHES $MORE_ARCHES; }
# shellcheck disable=SC2086
check_kernel() { one_of KERNEL "$1" $KERNELS $MORE_KERNELS; }
check_part() { one_of PART "$1" all fixes; }
# part_of KERNEL: which part of the patches makes it
part_of() { if [ "$1" = fixes ]; then echo fixes; else echo all; fi; }

# Files made for the time of one call.  One directory, removed however the
# call ends; scripts that start something add to on_exit.
SCRATCH=
SCRATCH_OF=
scratch() {
	# a subshell has its own: its end must not remove what others work in
	[ "$SCRATCH_OF" != "$BASHPID" ] || return 0
	SCRATCH_OF=$BASHPID
	mkdir -p "$BUILD" 2>/dev/null || die "cannot write in $TOP"
	SCRATCH=$(mktemp -d "$BUILD/tmp.XXXXXX") ||
		die "cannot make a directory in $BUILD$(disk_hint "$TOP")"
	trap 'rm -rf -- "$SCRATCH"' EXIT
	# without these, bash does not run the EXIT trap for a signal
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# lock NAME: one make at a time does what NAME stands for; held until exit.
# lock NAME DIR: the same for all clones that share DIR.
lock() {
	local fd dir=${2:-$BUILD}
	mkdir -p "$dir" 2>/dev/null || die "cannot write in ${2:-$TOP}"
	exec {fd}>"$dir/.$1.lock" || die "cannot write in $dir"
	if ! flock -n "$fd"; then
		step WAIT "another make works on $1"
		flock "$fd"
	fi
}

# disk_hint DIR: ", the disk of DIR is full" if that is why something failed.
disk_hint() {
	local free
	free=$(df -Pk -- "$1" 2>/dev/null | awk 'NR == 2 { print $4 }')
	[ "${free:-99999}" -lt 20480 ] && printf ': the disk that holds %s is full' "$1"
	return 0
}

# need_space DIR MIB WHAT: say before the work, not half-way, that it won't fit.
need_space() {
	local dir=$1 free
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	free=$(df -Pm -- "$dir" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "$3 needs $2 MiB of disk in $1, but only $free MiB are free"
}

sha() { sha256sum | cut -d' ' -f1; }
elapsed() { printf '%dm%02ds' $((($(date +%s) - $1) / 60)) $((($(date +%s) - $1) % 60)); }

# kgit TREE ARGS: git with fixed options.  No user or system configuration
# and no hooks: what a tree becomes must depend on this repository alone.
kgit() {
	local tree=$1
	shift
	env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE -u GIT_OBJECT_DIRECTORY \
		GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat \
		git -C "$tree" -c core.hooksPath=/dev/null -c core.autocrlf=false \
		-c core.quotePath=false -c core.fsync=none -c core.compression=0 \
		-c gc.auto=0 -c maintenance.auto=false -c advice.detachedHead=false \
		-c commit.gpgSign=false -c commit.cleanup=verbatim \
		-c i18n.commitEncoding=UTF-8 -c i18n.logOutputEncoding=UTF-8 \
		-c apply.whitespace=nowarn -c diff.algorithm=default \
		-c diff.renames=false -c diff.noprefix=false \
		-c diff.mnemonicPrefix=false -c diff.interHunkContext=0 \
		-c diff.indentHeuristic=true "$@"
}
