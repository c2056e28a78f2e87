# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the harness knows of an architecture when it builds for it; guest.sh
# has the machine's side.

# arch_karch ARCH: the kernel's own name
arch_karch() {
	case $1 in
	x86_64) echo x86_64 ;;
	esac
}

# arch_srcarch ARCH: its directory in arch/
arch_srcarch() {
	case $1 in
	x86_64) echo x86 ;;
	*) arch_karch "$1" ;;
	esac
}

# arch_cross ARCH: prefix of the compiler, empty for the machine's own
arch_cross() {
	case $1 in
	x86_64) [ "$(uname -m)" = x86_64 ] || echo x86_64-linux-gnu- ;;
	esac
}

# arch_image ARCH: what is booted, below the object directory
arch_image() {
	case $1 in
	x86_64) echo arch/x86/boot/bzImage ;;
	esac
}

# arch_fragments ARCH: configuration on top of tinyconfig
arch_fragments() {
	echo "$TOP/kernel/configs/lockonfault.config"
	case $1 in
	x86_64) echo "$TOP/arch/x86/configs/lockonfault-x86_64.config" ;;
	esac
}

# arch_abis ARCH: the ABIs whose programs its kernel runs
arch_abis() {
	case $1 in
	x86_64) echo x86_64 i386 ;;
	esac
}

# arch_abi_cc ARCH ABI: the compiler of an ABI
arch_abi_cc() {
	case $2 in
	i386) echo i686-linux-gnu-gcc ;;
	*) echo "$(arch_cross "$1")gcc" ;;
	esac
}
