#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deps.sh PURPOSE...: install the distribution packages that a purpose needs
# and that are missing.  Says what it installs; never removes a package.
. "$(dirname "$0")/lib.sh"

packages() {
	case $1 in
	tree)	echo git xz-utils ca-certificates ;;
	series)	echo git perl ;;
	kernel)	echo ccache gcc make libc6-dev flex bison bc libelf-dev perl ;;
	guest)	echo cpio busybox-static e2fsprogs gcc libc6-dev ;;
	x86_64)	echo qemu-system-x86 ;;
	bench)	echo gnuplot-nox ;;
	mips64el*)	echo qemu-system-mips gcc-multilib-mips64el-linux-gnuabi64 ;;
	mips)	echo qemu-system-mips gcc-mips-linux-gnu libc6-dev-mips-cross ;;
	s390x)	echo qemu-system-misc gcc-s390x-linux-gnu libc6-dev-s390x-cross ;;
	i386)	echo qemu-system-x86 gcc-i686-linux-gnu libc6-dev-i386-cross ;;
	riscv64)	echo qemu-system-misc opensbi gcc-riscv64-linux-gnu libc6-dev-riscv64-cross ;;
	ppc64le)	echo qemu-system-ppc gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross ;;
	arm64)	echo qemu-system-arm gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross ;;
	armhf)	echo qemu-system-arm gcc-arm-linux-gnueabihf libc6-dev-armhf-cross ;;
	docs)	echo python3-sphinx python3-docutils groff-base gcc libc6-dev ;;
	check)	echo perl sparse shellcheck gcc-i686-linux-gnu libc6-dev-i386-cross libcap-dev util-linux python3-ply python3-git ;;
	compile-*)	echo "gcc-${1#compile-}" ;;
	*)	die "deps.sh: no list of packages for '$1'" ;;
	esac
}

command -v dpkg-query >/dev/null 2>&1 || {
	note "lock-on-fault: this is no Debian-like system; packages that must be there:"
	for purpose; do note "  $(packages "$purpose")"; done
	exit 0
}

wanted=$(for purpose; do packages "$purpose"; done | xargs -n1 | sort -u)
# shellcheck disable=SC2086 # the names are words
mapfile -t missing < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
	awk '$1 == "installed" { print $2 }' | sort -u | comm -13 - <(printf '%s\n' "$wanted"))
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null 2>&1 ||
		die "these packages are missing; install them, or run as root: ${missing[*]}"
	as_root=(sudo)
fi
lock packages
scratch
step INSTALL "${missing[*]}"
install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q
	--no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 "${missing[@]}")
# The lists that are there are good enough if the download works with them.
if ! "${as_root[@]}" "${install[@]}" >"$SCRATCH/apt" 2>&1; then
	step INSTALL "refreshing the package lists"
	"${as_root[@]}" apt-get update -q >"$SCRATCH/update" 2>&1 || :
	"${as_root[@]}" "${install[@]}" >"$SCRATCH/apt" 2>&1 || {
		grep -E '^(E:|W:)' "$SCRATCH/apt" "$SCRATCH/update" | cut -d: -f2- | head -n 4 >&2 || :
		die "could not install: ${missing[*]}$(disk_hint /var)"
	}
fi
