# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base and arch are the caller's
#
# Tests that boot: the guest runner, the three kernels, the demonstration.

# image_of KERNEL: its image, looked for once in this job
image_of() {
	local known=$SCRATCH/image-$1
	if [ ! -s "$known" ]; then
		"$TOP/harness/kernel.sh" "$base" "$arch" "$1" >"$known.new" || return 1
		mv "$known.new" "$known"
	fi
	cat "$known"
}

# in_guest KERNEL [--each --] PROG ARG...: what make guest does, with a short
# time limit.
in_guest() {
	local kernel=$1 image
	shift
	image=$(image_of "$kernel")
	"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --mem "${MEM:-512M}" --timeout "${LIMIT:-120}" "$@"
}

builds() { aloud "$TOP/harness/kernel.sh" "$base" "$arch" "$1"; }

finished_is_reused() {
	local began
	began=$(date +%s)
	"$TOP/harness/kernel.sh" "$base" "$arch" series
	# time enough to look, none to build
	[ $(($(date +%s) - began)) -le 20 ]
}

# The front door, from make to the program's status and back.
front_door() {
	local status=0
	# shellcheck disable=SC2016 # nothing here may expand it
	[ "$(make -s guest BASE="$base" ARCH="$arch" MEM=512M RUN='echo "a  b" $HOME *' 2>/dev/null)" = 'a  b $HOME *' ]
	make -s guest BASE="$base" ARCH="$arch" MEM=512M RUN='sh -c "exit 7"' 2>"$SCRATCH/err" || status=$?
	cat "$SCRATCH/err"
	# make itself ends with 2, and says what the program ended with
	[ "$status" = 2 ] && grep -q 'Error 7' "$SCRATCH/err"
}

status_of() {
	local want=$1 status=0
	shift
	in_guest series "$@" || status=$?
	[ "$status" = "$want" ] || { echo "status $status, not $want"; return 1; }
}

programs() {
	status_of 7 sh -c 'exit 7'
	status_of 143 sh -c 'kill -TERM $$'
	cat >"$SCRATCH/hello.c" <<-END
	#include <stdio.h>
	int main(void) { puts("hello"); return 3; }
	END
	gcc -o "$SCRATCH/dynamic" "$SCRATCH/hello.c"
	gcc -static -o "$SCRATCH/static" "$SCRATCH/hello.c"
	i686-linux-gnu-gcc -static -o "$SCRATCH/i386" "$SCRATCH/hello.c"
	status_of 3 "$SCRATCH/dynamic" | grep -x hello
	status_of 3 "$SCRATCH/static" | grep -x hello
	status_of 3 "$SCRATCH/i386" | grep -x hello
}

wrong_programs() {
	says "no-such-program" in_guest series ./no-such-program
	printf '\177ELF\002\002\001\000\000\000\000\000\000\000\000\000\000\002\000\026' >"$SCRATCH/s390"
	chmod +x "$SCRATCH/s390"
	says "s390x" in_guest series "$SCRATCH/s390"
}

clean_output() {
	head -c 1048576 /dev/urandom >"$SCRATCH/random"
	in_guest series cat "$SCRATCH/random" | cmp - "$SCRATCH/random"
}

# planted WORD SAYS: LKDTM makes the kernel do it; the call must fail with
# 125 and say what it was.
planted() {
	local word=$1 text=$2 status=0
	local -a cc
	read -ra cc < <(arch_abi_cc "$arch" "$(arch_abis "$arch" | cut -d' ' -f1)")
	"${cc[@]}" -static -o "$SCRATCH/provoke" "$TOP/harness/tests/provoke.c"
	in_guest series "$SCRATCH/provoke" "$word" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
	cat "$SCRATCH/out" "$SCRATCH/err"
	[ "$status" = 125 ]
	grep -m1 '^lock-on-fault: ' "$SCRATCH/err" | grep -i -- "$text"
}

# A warning that the caller knows is none, and another is one.
warning_is_known() {
	local status=0
	in_guest series --known 'lkdtm_WARNING[+]' "$SCRATCH/provoke" WARNING
	in_guest series --known 'lkdtm_BUG[+]' "$SCRATCH/provoke" WARNING || status=$?
	[ "$status" = 125 ]
}

guest_hangs() { LIMIT=10 planted HARDLOCKUP "hang\|hung\|timeout\|did not end"; }

# A program must not be able to tell the kernels apart except by what they do.
alike() {
	local kernel
	for kernel in "${kernels[@]}"; do
		in_guest "$kernel" cat /proc/version /proc/cmdline >"$SCRATCH/version-$kernel"
		cat "$SCRATCH/version-$kernel"
		cmp "$SCRATCH/version-stock" "$SCRATCH/version-$kernel"
	done
}

# probe KERNEL: its answers to the programs of every ABI
probe() {
	local abi
	local -a cc programs=()
	for abi in $(arch_abis "$arch"); do
		read -ra cc < <(arch_abi_cc "$arch" "$abi")
		"${cc[@]}" -static -D_GNU_SOURCE -o "$SCRATCH/$abi" "$TOP/harness/tests/probe.c"
		programs+=("$SCRATCH/$abi")
	done
	in_guest "$1" --each -- "${programs[@]}" | tee "$SCRATCH/answers"
}

# answers KERNEL: what is expected comes on standard input
answers() {
	local abi want
	want=$(cat)
	probe "$1"
	for abi in $(arch_abis "$arch"); do
		printf 'PROGRAM %s\n%s\nSTATUS 0\n' "$abi" "$want"
	done | cmp - "$SCRATCH/answers"
}

answers_with_lock_on_fault() {
	answers "$1" <<-END
	mlock: ok
	munlock: ok
	mlockall(CURRENT|FUTURE): ok
	munlockall: ok
	mlockall(0): EINVAL
	mlock2(0): ok
	mlock2(ONFAULT): ok
	mlock2(2): EINVAL
	mlockall(ONFAULT): EINVAL
	mlockall(CURRENT|ONFAULT): ok
	munlockall: ok
	END
}

answers_without() {
	answers baseline <<-END
	mlock: ok
	munlock: ok
	mlockall(CURRENT|FUTURE): ok
	munlockall: ok
	mlockall(0): EINVAL
	mlock2(0): ENOSYS
	mlock2(ONFAULT): ENOSYS
	mlock2(2): ENOSYS
	mlockall(ONFAULT): EINVAL
	mlockall(CURRENT|ONFAULT): EINVAL
	munlockall: ok
	END
}

demonstration() {
	"$TOP/harness/demo.sh" "$(image_of series)" | tee "$SCRATCH/demo"
	[ "$(grep -c '^  yes: ' "$SCRATCH/demo")" = 10 ]
	! grep '^  NO: ' "$SCRATCH/demo"
}

demonstration_fails() {
	local status=0
	"$TOP/harness/demo.sh" "$(image_of baseline)" || status=$?
	[ "$status" = 2 ]
}

# What a program's end is, on machines whose programs do not run here
other_programs() {
	local -a cc
	read -ra cc < <(arch_abi_cc "$arch" "$(arch_abis "$arch" | cut -d' ' -f1)")
	printf '%s\n' '#include <stdio.h>' '#include <stdlib.h>' \
		'int main(int argc, char **argv)' \
		'{ if (argc > 2) abort(); puts(argv[1]); return 3; }' >"$SCRATCH/hello.c"
	"${cc[@]}" -static -o "$SCRATCH/static" "$SCRATCH/hello.c"
	status_of 3 "$SCRATCH/static" 'a  b' | grep -x 'a  b'
	status_of 134 "$SCRATCH/static" a b
}

# Architectures that are booted for the sake of the series: the harness's own
# ways are shown on x86_64.  What does not boot says so once.
checks_of_the_machine() {
	t "$base $arch: series builds" builds series
	[ "$failed" = 0 ] || return 0
	t "$base $arch: boots; series answers as stock does to programs of $(arch_abis "$arch" | xargs)" answers_with_lock_on_fault series
	[ "$failed" = 0 ] || return 0
	t "$base $arch: programs: words, exit and signal status" other_programs
	t "$base $arch: a planted WARN is reported" planted WARNING warning
	t "$base $arch: a planted oops is reported" planted EXCEPTION oops
	checks_of_the_selftests
	# a quarter of an hour and more, emulated
	[ -z "${FULL:-}" ] || checks_of_the_swap
}

checks_of_the_guest() {
	local kernel kernels=(stock series)
	! wants_baseline || kernels=(stock baseline series)
	for kernel in "${kernels[@]}"; do
		t "$base $arch: $kernel builds" builds "$kernel"
	done
	t "$base $arch: a finished kernel is not built again" finished_is_reused
	t "$base $arch: stock answers" answers_with_lock_on_fault stock
	t "$base $arch: series answers as stock does" answers_with_lock_on_fault series
	! wants_baseline || t "$base $arch: baseline answers as if lock on fault had never been" answers_without
	t "$base $arch: ${kernels[*]}: they say the same of themselves" alike
	t "$base $arch: make guest: words and status" front_door
	# the runner's own ways are make check-all's, as the harness's own tests are
	if wants_baseline; then
		t "$base $arch: programs: dynamic, static, 32-bit; exit and signal status" programs
		t "$base $arch: a program that is not there, or of another machine: one line" wrong_programs
		t "$base $arch: 1 MiB of random output arrives as it was" clean_output
		t "$base $arch: a planted WARN is reported" planted WARNING warning
		t "$base $arch: ... and passed over if it is known" warning_is_known
		t "$base $arch: a planted oops is reported" planted EXCEPTION oops
		t "$base $arch: a planted panic is reported" planted PANIC panic
		t "$base $arch: a planted hang is reported" guest_hangs
	fi
	t "$base $arch: the demonstration's figures" demonstration
	! wants_baseline || t "$base $arch: the demonstration fails on baseline" demonstration_fails
}
