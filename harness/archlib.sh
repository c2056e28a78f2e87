# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the harness knows of an architecture when it builds for it; guest.sh
# has the machine's side.

# arch_karch ARCH: the kernel's own name
arch_karch() {
	case $1 in
	x86_64) echo x86_64 ;;
	mips*) echo mips ;;
	s390x) echo s390 ;;
	armhf) echo arm ;;
	riscv64) echo riscv ;;
	ppc64le) echo powerpc ;;
	*) echo "$1" ;;
	esac
}

# arch_srcarch ARCH: its directory in arch/
arch_srcarch() {
	case $1 in
	x86_64 | i386) echo x86 ;;
	*) arch_karch "$1" ;;
	esac
}

# arch_cross ARCH: prefix of the compiler, empty for the machine's own
arch_cross() {
	case $1 in
	x86_64) [ "$(uname -m)" = x86_64 ] || echo x86_64-linux-gnu- ;;
	mips64el*) echo mips64el-linux-gnuabi64- ;;
	i386) echo i686-linux-gnu- ;;
	arm64) echo aarch64-linux-gnu- ;;
	armhf) echo arm-linux-gnueabihf- ;;
	ppc64le) echo powerpc64le-linux-gnu- ;;
	*) echo "$1-linux-gnu-" ;;
	esac
}

# arch_image ARCH: what is booted, below the object directory
arch_image() {
	case $1 in
	x86_64 | i386) echo arch/x86/boot/bzImage ;;
	mips* | ppc64le) echo vmlinux ;;
	s390x) echo arch/s390/boot/bzImage ;;
	armhf) echo arch/arm/boot/zImage ;;
	*) echo "arch/$(arch_srcarch "$1")/boot/Image" ;;
	esac
}

# arch_fragments ARCH: configuration on top of tinyconfig
arch_fragments() {
	local dir
	dir=$TOP/arch/$(arch_srcarch "$1")/configs
	echo "$TOP/kernel/configs/lockonfault.config"
	case $1 in
	mips*) echo "$dir/lockonfault-malta.config" ;;
	esac
	case $1 in
	mips64el-16k) echo "$dir/lockonfault-mips64el.config" ;;
	i386) echo "$dir/lockonfault-x86_64.config" ;;
	esac
	echo "$dir/lockonfault-$1.config"
}

# arch_abis ARCH: the ABIs whose programs its kernel runs
arch_abis() {
	case $1 in
	x86_64) echo x86_64 i386 ;;
	mips64el*) echo n64 n32 o32 ;;
	mips) echo o32 ;;
	arm64) echo arm64 armhf ;;
	*) echo "$1" ;;
	esac
}

# arch_abi_cc ARCH ABI: the compiler of an ABI
arch_abi_cc() {
	case $1-$2 in
	x86_64-i386 | arm64-armhf) echo "$(arch_cross "$2")gcc" ;;
	mips64el*-n64) echo "$(arch_cross "$1")gcc -mabi=64" ;;
	mips64el*-n32) echo "$(arch_cross "$1")gcc -mabi=n32" ;;
	mips64el*-o32) echo "$(arch_cross "$1")gcc -mabi=32" ;;
	*) echo "$(arch_cross "$1")gcc" ;;
	esac
}

# arch_abi_headers ARCH ABI: the architecture whose kernel headers are for it
arch_abi_headers() {
	case $1-$2 in
	arm64-armhf) echo armhf ;;
	*) echo "$1" ;;
	esac
}

# arch_debian ARCH: Debian's name of it, if Debian has a static shell for it
arch_debian() {
	case $1 in
	x86_64) echo amd64 ;;
	mips64el*) echo mips64el ;;
	mips | riscv64) ;;
	ppc64le) echo ppc64el ;;
	*) echo "$1" ;;
	esac
}
