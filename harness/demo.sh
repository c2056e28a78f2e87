#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# demo.sh IMAGE: show lock on fault at work on a kernel.  128 MiB of memory
# are short enough for the demonstration to run out of.
. "$(dirname "$0")/lib.sh"

image=${1:?usage: demo.sh IMAGE}
arch=${ARCH:-x86_64}
. "$TOP/harness/archlib.sh"
program=$BUILD/examples/$arch/lock-on-fault
source=$TOP/examples/lock-on-fault.c

"$TOP/harness/deps.sh" guest "$arch"
lock examples
if [ ! "$program" -nt "$source" ]; then
	mkdir -p "${program%/*}"
	"$(arch_cross "$arch")gcc" -O2 -Wall -Wextra -static -o "$program.new" "$source" ||
		die "could not compile examples/lock-on-fault.c"
	mv "$program.new" "$program"
fi
exec "$TOP/harness/guest.sh" --arch "$arch" --image "$image" --mem 128M --swap 256M --smp "${SMP:-2}" \
	--timeout "${TIMEOUT:-600}" -- "$program"
