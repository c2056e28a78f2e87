#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh --arch ARCH --image IMAGE [OPTION...] [--] PROG [ARG...]
# guest.sh --arch ARCH --image IMAGE [OPTION...] --each [--] PROG...
# guest.sh --arch ARCH --image IMAGE [OPTION...] --shell
#
# Boots a kernel in an emulated machine, runs one program of this host in it
# as root, and ends the way the program ended: its output, its exit status
# (128 + N if signal N killed it).
#
#   --arch ARCH        architecture of the guest: one of ARCHES in lib.sh
#   --image IMAGE      the kernel
#   --mem SIZE         memory (512M, 2G; default 2G)
#   --smp N            processors (default 2)
#   --timeout SECONDS  how long before the guest counts as hung (default 600;
#                      0, and for an interactive shell by default: never)
#   --swap SIZE        swap space (default 512M; 0: none)
#   --swap-image FILE  make FILE the swap disk, and leave it there as the guest
#                      has left it
#   --disk SIZE        size of the ext2 file system on /data (default 256M;
#                      0: none)
#   --append ARGS      more arguments for the kernel
#   --icount           guest time is executed instructions, not wall time: one
#                      processor, and costs that do not depend on the host
#   --log FILE         keep the kernel's messages in FILE
#   --races REGEX      of the data races that a kernel with KCSAN reports, only
#                      those are something wrong in which a function that matches
#                      has not marked its access
#   --known REGEX      warnings of the kernel ("WARNING: ...") and data races
#                      that match are passed over
#   --each             not one program with arguments, but programs, one after
#                      the other, without a shell: what each of them prints is
#                      between a line "PROGRAM name" and a line "STATUS number"
#   --shell            an interactive shell instead of a program; if standard
#                      input is not a terminal, the commands to run
#
# PROG is found as a shell would find it and comes along with the libraries or
# the interpreter it needs, at the path it has here; so does every ARG that is
# the name of a file.  The working directory has the same name as here.  The
# rest of the guest is busybox.  Standard input is /dev/null.  Variables LOF_*
# are passed on; LOF_ACCEL=tcg or kvm says how to run the guest.
#
# If something is wrong with the guest rather than with the program (the kernel
# warned, crashed, hung, ...), one line on standard error says so, the kernel's
# messages about it follow, and the exit status is 125.  It is 2 for a wrong
# call.

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$TOP/harness/archlib.sh"

HARNESS=$TOP/harness
GUEST_FAILED=125
LOG_LINES=15

usage() {
	sed -n '3,/^$/{s/^# \{0,1\}//;p;}' "$HARNESS/guest.sh" >&2
}

# Everything that depends on the architecture.  One entry per guest:
#   qemu, machine, cpu	the emulated machine
#   host		what uname -m says where KVM could run the guest
#   kargs		kernel arguments: the console is the machine's serial
#			port, and a reboot must work to end the guest
#   virtio		how virtio devices are named: virtio-blk-$virtio
#   extra		more words for QEMU.  No ioeventfd: then a request is
#			done when the guest goes on, and the report that init
#			writes just before the reboot cannot get lost.
#   cpus		how many processors it can have, if there is a limit
#   elf			the ELF files the guest runs: class, byte order, machine
#   tty			the guest's name of the virtio console
#   clock		tsc: the clock is a counter that the guest cannot measure
arch_table() {
	extra=()
	cpus=64
	tty=hvc0
	clock=none
	case $1 in
	x86_64 | i386)
		qemu='qemu-system-x86_64'
		# qboot leaves nothing on the serial port; timers and interrupt
		# controllers of a PC, because there is no ACPI and maybe no KVM
		machine=microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on
		machine+=,x-option-roms=off
		# What programs are built for (x86-64-v2; wider vectors and
		# "fast" string instructions are slow when emulated), and the
		# protection that catches a kernel using a user's pointer.
		cpu=qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+smep,+smap
		host=x86_64
		# Without tsc=reliable an SMP guest on this processor model has
		# no clock better than the tick.  QEMU's counter is the same on
		# all processors.
		# Without no_timer_check a busy host can make it conclude that
		# its timer does not work.
		kargs="console=ttyS0 reboot=t tsc=reliable no_timer_check"
		clock=tsc
		virtio=device
		extra=(-global virtio-mmio.ioeventfd=off)
		elf="64le62 32le3 32le62"
		if [ "$1" = i386 ]; then
			cpus=8
			elf="32le3"
		fi
		;;
	mips*)
		machine=malta
		host=none
		kargs="console=ttyS0"
		virtio=pci
		extra=(-global virtio-pci.ioeventfd=off)
		case $1 in
		mips64el*)
			qemu='qemu-system-mips64el'
			cpu=MIPS64R2-generic
			cpus=1
			elf="64le8 32le8"
			;;
		mips)
			qemu='qemu-system-mips'
			cpu=P5600
			cpus=1
			# its NaNs are those of IEEE 754-2008, the programs' are not
			kargs+=" ieee754=relaxed"
			elf="32be8"
			;;
		esac
		;;
	s390x)
		qemu='qemu-system-s390x'
		machine=s390-ccw-virtio
		cpu=qemu
		host=s390x
		kargs="console=ttyS1"
		virtio=ccw
		extra=(-global virtio-blk-ccw.ioeventfd=off)
		extra+=(-global virtio-serial-ccw.ioeventfd=off)
		elf="64be22"
		;;
	arm64)
		qemu='qemu-system-aarch64'
		machine=virt,gic-version=3
		cpu=cortex-a57
		host=aarch64
		# memfd_secret() takes pages out of the kernel's own map
		kargs="console=ttyAMA0 rodata=full"
		virtio=device
		extra=(-global virtio-mmio.ioeventfd=off)
		elf="64le183 32le40"
		;;
	armhf)
		qemu='qemu-system-arm'
		machine=virt
		cpu=cortex-a15
		cpus=8
		host=none
		kargs="console=ttyAMA0"
		virtio=device
		extra=(-global virtio-mmio.ioeventfd=off)
		elf="32le40"
		;;
	riscv64)
		qemu='qemu-system-riscv64'
		machine=virt
		cpu=rv64
		host=riscv64
		kargs="console=ttyS0"
		virtio=device
		extra=(-global virtio-mmio.ioeventfd=off)
		elf="64le243"
		;;
	ppc64le)
		qemu='qemu-system-ppc64'
		# the small firmware; and no mitigations that an emulator lacks
		machine=pseries,x-vof=on,cap-cfpc=broken,cap-sbbc=broken
		machine+=,cap-ibs=broken
		cpu=power9
		cpus=32
		host=ppc64le
		# the kernel's messages are on a console of the same kind
		kargs="console=hvc0"
		tty=hvc1
		virtio=pci
		extra=(-global virtio-pci.ioeventfd=off)
		elf="64le21"
		;;
	*)
		die "--arch: no guest for '$1'; one of: $ARCHES $MORE_ARCHES"
		;;
	esac
}

# For messages only.
elf_name() {
	case $1 in
	64le62) echo x86_64 ;;
	32le62) echo x32 ;;
	32le3) echo i386 ;;
	64le183) echo arm64 ;;
	32le40) echo arm ;;
	64be22) echo s390x ;;
	64le243) echo riscv64 ;;
	64le21) echo ppc64le ;;
	64be21) echo ppc64 ;;
	32le8 | 64le8) echo "${1%8} mips" ;;
	32be8 | 64be8) echo "${1%8} mips" ;;
	*) echo "${1:0:4} machine ${1:4}" ;;
	esac
}

#
# Cleaning up.  However this script ends, QEMU ends and the files go.
#
tmp=
child=
tty_state=
# shellcheck disable=SC2317 # called by traps
cleanup() {
	# a second signal must not stop the cleaning
	trap '' INT TERM HUP
	if [ -n "$child" ]; then
		kill -TERM "$child" 2>/dev/null || :
		wait "$child" 2>/dev/null || :
	fi
	wait 2>/dev/null || :
	[ -z "$tty_state" ] || stty "$tty_state" </dev/tty || :
	[ -z "$tmp" ] || rm -rf -- "$tmp"
}

# shellcheck disable=SC2317 # called by traps
on_signal() {
	trap '' "$1"
	cleanup
	trap - EXIT "$1"
	# end by the signal itself, so that a loop around us ends, too
	kill -s "$1" $$
}

make_tmp() {
	local fd lock old

	mkdir -p "$BUILD/init" || die "cannot write in $TOP"
	# The directory of a call is locked as long as the call lives, which
	# tells those that a SIGKILL left behind from those in use.  guest.lock
	# keeps others from seeing a directory between mktemp and its lock.
	exec {lock}>"$BUILD/guest.lock"
	flock "$lock"
	for old in "$BUILD"/guest.*/lock; do
		[ -e "$old" ] || continue
		(flock -n 9 && rm -rf -- "${old%/lock}") 9<"$old" || :
	done
	trap cleanup EXIT
	trap 'on_signal INT' INT
	trap 'on_signal TERM' TERM
	trap 'on_signal HUP' HUP
	tmp=$(mktemp -d "$BUILD/guest.XXXXXX") ||
		die "cannot make a directory in $BUILD"
	exec {fd}>"$tmp/lock"
	flock "$fd"
	exec {lock}>&-
	mkdir "$tmp/root"
}

#
# What the guest gets to see of the host's files.
#
declare -A staged
root=

# Places where the guest mounts something of its own.
is_guests_own() {
	case $1/ in
	/proc/* | /sys/* | /dev/* | /data/*) return 0 ;;
	esac
	return 1
}

# stage PATH: PATH, which is absolute, and every symbolic link on the way to it
# are in the guest as they are here.
stage() {
	local rest=$1 cur='' comp next target links=0

	while [ -n "$rest" ]; do
		comp=${rest%%/*}
		[[ $rest == */* ]] && rest=${rest#*/} || rest=
		case $comp in
		'' | .) continue ;;
		..) cur=${cur%/*}; continue ;;
		esac
		next=$cur/$comp
		if [ -L "$next" ]; then
			[ $((links += 1)) -le 40 ] || die "$1: too many links"
			target=$(readlink -- "$next")
			if [ -z "${staged[$next]:-}" ]; then
				rm -f -- "$root$next"
				ln -s -- "$target" "$root$next"
				staged[$next]=1
			fi
			rest=$target/$rest
			[ "${target:0:1}" != / ] || cur=
		elif [ -d "$next" ]; then
			[ -d "$root$next" ] || mkdir -m 755 -- "$root$next"
			cur=$next
		else
			if [ -z "${staged[$next]:-}" ]; then
				# not through a link that is there already
				rm -f -- "$root$next"
				cp -p -- "$next" "$root$next" 2>/dev/null ||
					die "cannot read $next"
				staged[$next]=1
			fi
			cur=$next
		fi
	done
}

# elf_kind FILE: class, byte order and machine as in the table; false if FILE
# is not an ELF file.
elf_kind() {
	local -a h

	# shellcheck disable=SC2207 # numbers only
	h=($(od -An -v -tu1 -N20 -- "$1" 2>/dev/null))
	[ "${h[*]:0:4}" = "127 69 76 70" ] && [ ${#h[@]} -eq 20 ] || return 1
	printf '%d' $((h[4] * 32))
	if [ "${h[5]}" = 2 ]; then
		printf 'be%d' $((h[18] * 256 + h[19]))
	else
		printf 'le%d' $((h[18] + h[19] * 256))
	fi
}

# in_guest_elf KIND: does the guest run such files?
in_guest_elf() { [[ " $elf " == *" $1 "* ]]; }

# stage_libs FILE: what the dynamic ELF file FILE needs to start.  False, with
# the reason in $why, if that is not to be had.
stage_libs() {
	local interp list line name

	interp=$(readelf -lW -- "$1" 2>/dev/null |
		sed -n 's/.*Requesting program interpreter: \(.*\)]$/\1/p')
	[ -n "$interp" ] || return 0
	if [ ! -x "$interp" ]; then
		why="needs $interp, which is not on this machine (link it with -static)"
		return 1
	fi
	# What ldd does.  The guest does not get LD_LIBRARY_PATH either.
	if ! list=$(env -u LD_LIBRARY_PATH -u LD_PRELOAD \
			"$interp" --list "$1" 2>&1); then
		why="cannot be loaded here (${list//$'\n'/; })"
		return 1
	fi
	stage "$interp"
	while read -r line; do
		case $line in
		*'not found'*)
			why="needs the library ${line%% *}, which is not found"
			return 1
			;;
		*'=> /'*) name=${line#*=> } ;;
		/*) name=$line ;;
		*) continue ;;
		esac
		stage "${name% (0x*}"
	done <<<"$list"
	# where libraries outside of the usual directories are
	[ ! -r /etc/ld.so.cache ] || stage /etc/ld.so.cache
}

# stage_script FILE DEPTH: a script's interpreter
stage_script() {
	local line interp arg

	IFS= read -r line <"$1" || :
	read -r interp arg <<<"${line#\#!}" || :
	if [ -z "$interp" ]; then
		why="has an empty #! line"
		return 1
	fi
	if ! stage_program "$interp" "$2"; then
		why="is a script for $interp, which $why"
		return 1
	fi
	# "#!/usr/bin/env NAME" means the NAME in PATH
	if [ "${interp##*/}" = env ] && [[ $arg != -* && $arg != *=* ]]; then
		if ! interp=$(type -P -- "$arg"); then
			why="is a script for '$arg', which is not in PATH"
			return 1
		fi
		stage_program "$interp" "$2"
	fi
}

# stage_program FILE [DEPTH]: FILE and whatever it needs to be executed.
# False, with the reason in $why, if the guest could not execute it.
stage_program() {
	local file=$1 depth=${2:-0} kind

	why=
	if [ ! -e "$file" ]; then
		why="does not exist"
	elif [ -d "$file" ]; then
		why="is a directory"
	elif [ ! -f "$file" ]; then
		why="is not a regular file"
	elif [ ! -x "$file" ]; then
		why="is not executable"
	elif [ ! -r "$file" ]; then
		why="is not readable"
	elif is_guests_own "$file"; then
		why="is where the guest has files of its own (/proc, /sys, /dev, /data)"
	elif kind=$(elf_kind "$file"); then
		if in_guest_elf "$kind"; then
			stage_libs "$file" || :
		else
			why="is a program for $(elf_name "$kind"), the guest is $arch"
		fi
	elif [ "$(head -c 2 -- "$file" | tr -d '\0')" != '#!' ]; then
		why="is neither an ELF program nor a script with a #! line"
	elif [ "$depth" -ge 4 ]; then
		why="has too many interpreters"
	else
		stage_script "$file" $((depth + 1)) || :
	fi
	[ -z "$why" ] || return 1
	stage "$file"
}

absolute() {
	case $1 in
	/*) printf '%s' "$1" ;;
	*) printf '%s' "$PWD/$1" ;;
	esac
}

# Sets $exec to the absolute path of the program that a shell here would start.
resolve_program() {
	[ -n "$1" ] || die "the name of the program is empty"
	case $1 in
	*/*) exec=$(absolute "$1") ;;
	*) exec=$(type -P -- "$1") || die "$1 is not in PATH" ;;
	esac
	exec=$(absolute "$exec")
	stage_program "$exec" || die "$1 $why"
}

# Words that are names of files: "env prog", "sh script", "timeout 5 ./prog".
# What the guest could not execute is still a file to read.
stage_words() {
	local word path

	for word; do
		path=$(absolute "$word")
		if [ ! -f "$path" ] || is_guests_own "$path"; then
			continue
		fi
		[ -x "$path" ] && stage_program "$path" && continue
		stage "$path"
	done
}

#
# The guest's first program, compiled when there is none or it is old.
#
build_init() {
	local dir=$BUILD/init/$arch src=$HARNESS/init.c new
	local -a cc

	init=$dir/init
	[ "$init" -nt "$src" ] && return
	read -ra cc < <(arch_abi_cc "$arch" "$(arch_abis "$arch" | cut -d' ' -f1)")
	type -P "${cc[0]}" >/dev/null || die "no C compiler for $arch: ${cc[0]} is not in PATH"
	mkdir -p "$dir"
	new=$tmp/init
	"${cc[@]}" -O2 -Wall -static -o "$new" "$src" >"$tmp/cc.log" 2>&1 || {
		cat "$tmp/cc.log" >&2
		die "${cc[0]} cannot make a static program from harness/init.c"
	}
	# others may be doing the same: whole files only
	mv -f "$new" "$init"
}

# The shell and the tools of the guest.  Optional, unless a shell is asked for.
# Only a static one can be there in every guest.
find_busybox() {
	local kind

	for busybox in "$(type -P busybox)" "$CACHE/busybox/$(arch_debian "$arch")"; do
		[ -f "$busybox" ] && kind=$(elf_kind "$busybox") && in_guest_elf "$kind" || continue
		readelf -lW -- "$busybox" 2>/dev/null | grep -q ' INTERP ' || return 0
	done
	busybox=
}

skeleton() {
	local dir

	# Where /bin is a link to /usr/bin here, it is there, too: programs
	# and interpreters are found under both names.
	for dir in bin sbin lib lib32 lib64 libx32; do
		[ ! -L "/$dir" ] || stage "/$dir"
	done
	mkdir -p "$root"/{bin,sbin,etc,root,tmp,proc,sys,dev,var,run,usr/bin,usr/sbin}
	cp "$init" "$root/init"
	[ -z "$busybox" ] || cp "$busybox" "$root/bin/busybox"
	cat >"$root/etc/passwd" <<-'END'
	root:x:0:0:root:/root:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/sh
	END
	cat >"$root/etc/group" <<-'END'
	root:x:0:
	nogroup:x:65534:
	END
}

# run_conf MODE TERM [WORD...]: see init.c
run_conf() {
	local mode=$1 term=$2 name word

	shift 2
	printf '%s\0' "mode=$mode" "console=/dev/$tty" "env=TERM=$term" "env=HOME=/root" \
		"env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for name in $(compgen -A export LOF_); do
		printf '%s\0' "env=$name=${!name}"
	done
	for word; do
		printf '%s\0' "arg=$word"
	done
}

# pack ROOT FILE: not compressed, unpacking is slow where code is emulated; and
# nothing of when and where, because with --icount the guest takes another
# time to read another number
pack() {
	find "$1" -exec touch -h -d @1446681600 {} +
	(cd "$1" && find . -print0 | LC_ALL=C sort -z |
		cpio -0 -o -H newc -R 0:0 --reproducible --quiet) >"$2" ||
		die "cannot write $2"
}

#
# QEMU
#

# A value in one of QEMU's option lists
q() { printf '%s' "${1//,/,,}"; }

# clock_args ACCEL: what the guest has to know about its clock, as kernel
# arguments; see tsc-khz.c.  lpj (per tick, there are 100 of them) keeps the
# second processor from measuring for itself.  A host without such a counter
# lets the guest measure.  With --icount, measuring the local timer would take
# a quarter of a minute (waiting in a loop for a clock is what that mode is
# slowest at), and one processor is as well served by the other timer.
clock_args() {
	local boot khz new

	case $clock-$1 in
	# one instruction is one nanosecond
	tsc-icount)
		echo "tsc_early_khz=1000000 lpj=10000000 nolapic_timer"
		return
		;;
	tsc-tcg) ;;
	*) return ;;
	esac
	[ "$(uname -m)" = x86_64 ] && type -P cc >/dev/null || return 0
	boot=$(cat /proc/sys/kernel/random/boot_id)
	khz=$(sed -n "s/^$boot //p" "$BUILD/init/tsc-khz" 2>/dev/null || :)
	if [ -z "$khz" ]; then
		new=$tmp/tsc-khz
		cc -O2 -o "$new" "$HARNESS/tsc-khz.c" && khz=$("$new") || return 0
		echo "$boot $khz" >"$new"
		mv -f "$new" "$BUILD/init/tsc-khz"
	fi
	echo "tsc_early_khz=$khz lpj=${khz}0"
}

# qemu_command ACCEL INITRD LOG STATUS CONSOLE: sets $qemu_argv
qemu_command() {
	local use_cpu=$cpu args

	args="$kargs $(clock_args "$1") panic=-1 oops=panic loglevel=7"
	args+=" secretmem.enable=1 $append"
	[ "$1" != kvm ] || use_cpu=host
	# shellcheck disable=SC2054 # commas are QEMU's
	qemu_argv=("$qemu" -M "$machine" -cpu "$use_cpu" -m "$mem" -smp "$smp"
		-nodefaults -no-user-config -no-reboot -display none
		"${extra[@]}"
		-kernel "$image" -initrd "$2"
		-append "$args"
		-chardev "file,id=log,path=$(q "$3")" -serial chardev:log
		-chardev "$5,id=console" -chardev "file,id=status,path=$(q "$4")"
		-device "virtio-serial-$virtio"
		-device virtconsole,chardev=console
		-device virtserialport,chardev=status,name=lof.status)
	case $1 in
	kvm) qemu_argv+=(-accel kvm) ;;
	tcg) qemu_argv+=(-accel 'tcg,thread=multi') ;;
	icount)
		# nor may the guest see the host's time in its real-time clock
		qemu_argv+=(-accel 'tcg,thread=single'
			-icount 'shift=0,align=off,sleep=off'
			-rtc 'base=2015-11-05,clock=vm')
		;;
	esac
}

# add_disk SERIAL FILE
add_disk() {
	# what the guest writes is gone after the run: no need to sync it
	qemu_argv+=(-drive "if=none,id=$1,format=raw,cache=unsafe,file=$(q "$2")"
		-device "virtio-blk-$virtio,drive=$1,serial=$1")
}

# start_qemu SECONDS: runs $qemu_argv; standard input and output are the
# caller's.  Should this script be killed in a way it cannot catch, QEMU is
# told.  --foreground: QEMU may read the terminal.
start_qemu() {
	local guard=()

	if type -P setpriv >/dev/null; then
		guard=(setpriv --pdeathsig TERM --)
	fi
	exec "${guard[@]}" timeout --foreground -k 5 "$1" "${qemu_argv[@]}" \
		2>"$tmp/qemu.err"
}

# Does KVM boot this very image?  That /dev/kvm exists and opens says little:
# where the host is a guest itself, it may do that and never get anywhere.
# What was found holds for this boot of the host, this QEMU and this image; a
# machine on which two images did not boot, and none did, is not asked again.
kvm_works() {
	local machine key fd verdict smp=1 mem=512M

	[ "$(uname -m)" = "$host" ] && [ -r /dev/kvm ] && [ -w /dev/kvm ] ||
		return 1
	machine="$(cat /proc/sys/kernel/random/boot_id) $(
		"$qemu" --version | head -n 1 | tr -cd '[:alnum:].')"
	key="$machine $(sha256sum <"$image" | cut -d' ' -f1)"
	# one prober at a time, the others want to know what it finds
	exec {fd}>>"$BUILD/kvm-probe"
	flock "$fd"
	verdict=$(awk -v machine="$machine " -v key="$key" '
		index($0, machine) == 1 { n[$NF]++ }
		index($0, key " ") == 1 { verdict = $NF }
		END { print (verdict == "" && n["no"] >= 2 && !n["yes"] ? "no" : verdict) }' "$BUILD/kvm-probe")
	if [ -z "$verdict" ]; then
		step PROBE "whether KVM boots this kernel (10 s at most)"
		mkdir "$tmp/probe"
		cp "$init" "$tmp/probe/init"
		run_conf probe dumb >"$tmp/probe/run.conf"
		pack "$tmp/probe" "$tmp/probe.cpio"
		qemu_command kvm "$tmp/probe.cpio" "$tmp/probe.log" \
			"$tmp/probe.status" null
		start_qemu 10 </dev/null >/dev/null &
		child=$!
		wait "$child" || :
		child=
		verdict=no
		! grep -qs '^exit 0' "$tmp/probe.status" || verdict=yes
		printf '%s %s\n' "$key" "$verdict" >&"$fd"
	fi
	exec {fd}>&-
	[ "$verdict" = yes ]
}

choose_accel() {
	if [ -n "$icount" ]; then
		accel=icount
	elif [ -n "${LOF_ACCEL:-}" ]; then
		accel=$LOF_ACCEL
	elif kvm_works; then
		accel=kvm
	else
		accel=tcg
	fi
}

#
# What became of the guest
#

# guest_failed CAUSE [FIRST_LOG_LINE]: one line, and the log around it.  Who
# called whom says more than what was in the registers.
guest_failed() {
	note "lock-on-fault: guest: $1"
	if [ -n "${2:-}" ]; then
		sed -n "$2,\$p" "$log" | grep -vE \
			'^(\[.*\] )?(Code|R([A-D]X|[SD]I|[BS]P|[0-9]{2})|[FC]S|CR2|DR[0-9]|PKRU): ' |
			awk -v most="$LOG_LINES" 'NR <= most' # reads all: nobody dies of a pipe
	else
		tail -n "$LOG_LINES" "$log"
	fi | tr -d '\r' | sed 's/^/  /' >&2
	exit $GUEST_FAILED
}

# The first thing in the log that must not be there, as "LINE KIND TEXT": what
# comes after it may be its consequence.  LINE is where the message about it
# starts.  A user's program that crashes is logged, too; only the kernel's own
# oopses have a count ("[#1]").
first_complaint() {
	races=$races known=$known awk '
	BEGIN { races = ENVIRON["races"]; known = ENVIRON["known"] }
	{
		sub(/\r$/, "")
		sub(/^\[ *[0-9]+\.[0-9]+\](\[[^]]*\])? /, "")
		kind = ""
	}
	/-\[ cut here \]-/ {
		cut = NR
		next
	}
	# of a pseries, which begins with an empty one each time
	/^WARNING: nvram corruption detected: 0-length partition/ { next }
	/^(WARNING: |BUG: KCSAN: )/ && known != "" && $0 ~ known { next }
	/^WARNING: / {
		kind = "WARNING"
		sub(/^WARNING: /, "")
	}
	# who has marked its access knows what it does: the other one is wrong
	/^BUG: KCSAN: / && races != "" {
		race = NR
		title = $0
		next
	}
	race && /^(read|write|read-write) to / { plain = NR }
	race && NR == plain + 1 && (" " $1) ~ races {
		print race, "BUG", title
		exit
	}
	race && NR > race + 60 { race = 0 }
	/^BUG: / { kind = "BUG" }
	/^(watchdog: BUG: |INFO: task .* blocked for more than )/ { kind = "BUG" }
	/^INFO: trying to register non-static key/ { kind = "BUG" }
	/^(UBSAN: |kmemleak: [0-9]+ new suspected memory leaks)/ { kind = "BUG" }
	/^BUG: ([Uu]nable to handle|[Kk]ernel NULL|stack guard page)/ ||
	/(^|CPU [0-9]+ )Unable to handle kernel/ ||
	/^(kernel BUG at|Kernel bug detected|Internal error: )/ ||
	/\[#[0-9]+\]/ { kind = "oops" }
	/^Kernel panic - / { kind = "panic" }
	kind {
		print cut && NR - cut < 5 ? cut + 1 : NR, kind, $0
		exit
	}' "$log"
}

taint_names() {
	local names=(
		"proprietary module" "forced module" "out of specification"
		"forced unload" "machine check" "bad page" "user request"
		"oops or BUG" "ACPI override" "warning" "staging driver"
		"firmware workaround" "out-of-tree module" "unsigned module"
		"soft lockup" "live patch" "auxiliary" "randomized structures"
		"kernel test"
	)
	local bit list=''

	for ((bit = 0; bit < 63; bit++)); do
		(($1 >> bit & 1)) || continue
		list+="${list:+, }${names[bit]:-bit $bit}"
	done
	printf '%s' "$list"
}

# conclude QEMU_STATUS: ends this script
conclude() {
	local line kind text word number taint

	read -r line kind text < <(first_complaint) || :
	[ -z "${kind:-}" ] || guest_failed "kernel $kind: $text" "$line"

	text=$(grep -m1 '^init ' "$tmp/status" || :)
	[ -z "$text" ] || guest_failed "$text"

	# timeout's own status, or that of its last resort
	if [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; then
		guest_failed "hang: no end after $timeout seconds"
	fi
	read -r word number < <(grep -E -m1 '^(exit|signal) [0-9]+$' "$tmp/status") || :
	if [ -z "${number:-}" ]; then
		text=$(tail -n 1 "$tmp/qemu.err")
		guest_failed "died without a report${text:+; $text}"
	fi
	taint=$(sed -n 's/^taint \([0-9][0-9]*\)$/\1/p' "$tmp/status")
	# that it has tests of its own in it (bit 18) is nothing to complain of
	taint=$((${taint:-0} & ~(1 << 18)))
	# nor that it has warned, of what is known only: the log has no other
	[ -z "$known" ] || taint=$((taint & ~(1 << 9)))
	[ "$taint" = 0 ] ||
		guest_failed "kernel tainted: $taint ($(taint_names "$taint"))"
	[ "$word" = exit ] || number=$((128 + number))
	exit "$number"
}

# Commands for the shell that come from a pipe or a file: take all of them
# along.  There is no way back to the host while the guest runs that would not
# either lose bytes or wait for ever.
take_stdin() {
	local rc=0

	# in the background: bash handles no signal before a command has ended
	timeout "$timeout" cat <&0 >"$root/.stdin" &
	child=$!
	wait "$child" || rc=$?
	child=
	[ $rc -ne 124 ] ||
		die "--shell: no end of standard input after $timeout seconds"
	[ $rc -eq 0 ] || die "--shell: cannot read standard input"
}

# Through a file, because QEMU throws away what a slow reader of a pipe does
# not take at once, and sets the caller's standard output to non-blocking.
run_program() {
	local rc=0 forward

	: >"$tmp/console"
	start_qemu "$timeout" </dev/null >/dev/null &
	child=$!
	{
		# Who reads us went away: that ends a program in a pipe.
		tail -s 0.05 -c +1 -f --pid="$child" "$tmp/console" || {
			: >"$tmp/closed"
			kill "$child" 2>/dev/null
		}
	} &
	forward=$!
	wait "$child" || rc=$?
	wait "$forward" || :
	child=
	[ ! -e "$tmp/closed" ] || exit 141
	conclude "$rc"
}

run_terminal() {
	local rc=0

	tty_state=$(stty -g </dev/tty)
	note "A shell in the guest; 'exit' leaves it."
	# opened again: QEMU makes it non-blocking, the caller's must not be
	start_qemu "$timeout" </dev/tty >/dev/tty &
	child=$!
	wait "$child" || rc=$?
	child=
	stty "$tty_state" </dev/tty
	tty_state=
	conclude "$rc"
}

#
# The command line
#
size() {
	[[ $2 =~ ^[1-9][0-9]{0,5}[MG]$ ]] ||
		die "$1 '$2' is not a size such as 512M or 2G"
}
in_mib() {
	case $1 in
	*G) echo $((${1%G} * 1024)) ;;
	*) echo "${1%M}" ;;
	esac
}
number() {
	[[ $2 =~ ^[0-9]{1,7}$ ]] || die "$1 '$2' is not a number"
	[ $((10#$2)) -ge "$3" ] && [ $((10#$2)) -le "$4" ] ||
		die "$1 $2 is not between $3 and $4"
}

arch='' image='' mem=2G smp='' timeout='' swap=512M disk=256M append='' icount=''
swap_image='' races='' known='' log='' shell='' each=''
while [ $# -gt 0 ]; do
	case $1 in
	--arch | --image | --mem | --smp | --timeout | --swap | --swap-image | --disk | --append | --log | --races | --known)
		[ $# -ge 2 ] || die "$1 needs a value"
		option=${1#--}
		declare "${option/-/_}=$2"
		shift
		;;
	--icount) icount=1 ;;
	--shell) shell=1 ;;
	--each) each=1 ;;
	--help | -h) usage; exit 0 ;;
	--) shift; break ;;
	-*) die "unknown option $1 (see guest.sh --help)" ;;
	*) break ;;
	esac
	shift
done

[ -n "$arch" ] || die "--arch is missing (see guest.sh --help)"
arch_table "$arch"
[ -n "$image" ] || die "--image is missing (see guest.sh --help)"
[ -e "$image" ] || die "--image: $image does not exist"
[ -f "$image" ] && [ -r "$image" ] || die "--image: cannot read $image"
size --mem "$mem"
[ "$swap" = 0 ] || size --swap "$swap"
[ "$disk" = 0 ] || size --disk "$disk"
[ -z "$smp" ] || number --smp "$smp" 1 64
[ -z "$timeout" ] || number --timeout "$timeout" 0 9999999
if [ -n "$icount" ]; then
	[ "${smp:-1}" -eq 1 ] || die "--icount has one processor, not --smp $smp"
	smp=1
fi
smp=${smp:-2}
[ "$smp" -le "$cpus" ] || smp=$cpus
case ${LOF_ACCEL:-} in
'' | tcg | kvm) ;;
*) die "LOF_ACCEL='$LOF_ACCEL': it is tcg or kvm" ;;
esac
if [ -n "$shell" ]; then
	[ $# -eq 0 ] || die "--shell takes no program"
	[ -t 0 ] && shell=terminal || shell=pipe
	[ $shell = pipe ] || timeout=${timeout:-0}
else
	[ $# -gt 0 ] || die "no program to run (see guest.sh --help)"
fi
timeout=${timeout:-600}
type -P "$qemu" >/dev/null || die "$qemu is not in PATH"
PATH=$PATH:/usr/sbin:/sbin type -P mke2fs >/dev/null ||
	[ "$disk" = 0 ] || die "mke2fs is not in PATH"
[ -z "$log" ] || : 2>/dev/null >"$log" || die "--log: cannot write $log"
[ -z "$swap_image" ] || [ "$swap" != 0 ] || die "--swap-image: there is no swap space (--swap 0)"
# nothing of what another guest wrote
[ -z "$swap_image" ] || : 2>/dev/null >"$swap_image" || die "--swap-image: cannot write $swap_image"

make_tmp
root=$tmp/root
log=${log:-$tmp/log}
: >>"$log"
build_init
find_busybox
skeleton

# The same working directory, and whatever is to run
cwd=$PWD
is_guests_own "$cwd" && cwd=/
stage "$cwd"
console="file,path=$(q "$tmp/console")"
if [ -n "$shell" ]; then
	[ -n "$busybox" ] || die "--shell needs a static busybox for $arch"
	exec=/bin/busybox
	if [ $shell = pipe ]; then
		take_stdin
		run_conf run dumb sh >"$root/run.conf"
		printf '%s\0' stdin=/.stdin >>"$root/run.conf"
	else
		console=stdio,signal=off
		run_conf shell "${TERM:-dumb}" sh >"$root/run.conf"
		printf '%s\0' 'env=PS1=guest:\w\$ ' \
			"winsize=$(stty size </dev/tty)" >>"$root/run.conf"
	fi
elif [ -n "$each" ]; then
	programs=()
	for program; do
		resolve_program "$program"
		programs+=("$exec")
	done
	run_conf each dumb "${programs[@]}" >"$root/run.conf"
else
	resolve_program "$1"
	stage_words "${@:2}"
	run_conf run dumb "$@" >"$root/run.conf"
fi
printf '%s\0' "exec=$exec" "cwd=$cwd" >>"$root/run.conf"

used=$(du -sm "$root" | cut -f1)
[ $((used * 3)) -lt "$(in_mib "$mem")" ] ||
	die "--mem $mem is too small for the program and its files ($used MiB)"

choose_accel
pack "$root" "$tmp/initrd"
qemu_command "$accel" "$tmp/initrd" "$log" "$tmp/status" "$console"
: >"$tmp/status"
if [ "$swap" != 0 ]; then
	swap_image=${swap_image:-$tmp/swap}
	truncate -s "$swap" "$swap_image"
	add_disk swap "$swap_image"
fi
if [ "$disk" != 0 ]; then
	truncate -s "$disk" "$tmp/data"
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -F -t ext2 -b 4096 -m 0 "$tmp/data"
	add_disk data "$tmp/data"
fi

if [ "$shell" = terminal ]; then
	run_terminal
else
	run_program
fi
