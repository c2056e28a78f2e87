#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# selftests.sh headers BASE ARCH KERNEL ABI
#	make the headers of KERNEL, and print the directory that they are in
# selftests.sh build BASE ARCH KERNEL ABI
#	compile the selftests that the series adds against KERNEL's headers, and
#	print the directory that they are in
# selftests.sh run BASE ARCH KERNEL ABI [PROGRAM...]
#	run them (or those named) on KERNEL, in one boot; prints the directory
#	of the results last: results/PROGRAM.tap, and results/tests with a line
#	for each test: ok|FAIL|skip|n/a, program, test, reason
#
# HEADERS=KERNEL takes another kernel's headers: a kernel without lock on fault
# has none of its numbers.  IMAGE=FILE AS=NAME runs them on a kernel that is
# none of the three, and keeps the results under that name; APPEND, RACES and KNOWN
# are --append, --races and --known of guest.sh.  The kernel's messages are in results/log.
. "$(dirname "$0")/lib.sh"

verb=${1:-} base=${2:-} arch=${3:-} kernel=${4:-} abi=${5:-}
[ $# -ge 5 ] || die "usage: selftests.sh headers|build|run BASE ARCH KERNEL ABI [PROGRAM...]"
shift 5
check_base "$base"
check_arch "$arch"
check_kernel "$kernel"
headers_of=${HEADERS:-$kernel}
tree_part=$(part_of "$headers_of")
. "$TOP/harness/treelib.sh"
. "$TOP/harness/archlib.sh"
# shellcheck disable=SC2046 # a list of words
one_of ABI "$abi" $(arch_abis "$arch")
"$TOP/harness/deps.sh" kernel check "$arch"
bin=$BUILD/$base/$arch/selftests/$headers_of-$abi
scratch

# The headers that "make headers_install" would install, in the build's own
# directory: libc's know mlock2 on every kernel.  A thousand of them, by a
# shell script each, so what another kernel has installed is the start.
headers() {
	local of obj id from
	of=$(arch_abi_headers "$arch" "$abi")
	obj=$BUILD/$base/$of/headers-$headers_of
	[ -e "$TREE/.git" ] || "$TOP/harness/tree.sh" "$base" "$tree_part"
	id=$(build_id "$headers_of")
	lock "$base-$of-headers-$headers_of"
	if [ "$(cat "$obj/id" 2>/dev/null)" != "$id" ]; then
		kernel_source "$headers_of"
		step HEADERS "$base $of $headers_of"
		rm -rf "$obj"
		for from in $KERNELS; do
			[ ! -e "$obj" ] && [ -e "$BUILD/$base/$of/headers-$from/id" ] &&
				[ "$(cat "$BUILD/$base/$of/headers-$from/id")" = "$(build_id "$from")" ] &&
				kgit "$TREE" diff --quiet "$from" "$headers_of" -- '*.tbl' '*Kbuild' scripts usr || continue
			cp -a "$BUILD/$base/$of/headers-$from" "$obj"
			rm -f "$obj/id"
			forget_path "$BUILD/$base/src/$from" "$BUILD/$base/src/$headers_of" "$obj"
			# times of another source say nothing here
			kgit "$TREE" diff --name-only "$from" "$headers_of" -- ':(glob)**/include/uapi/**' |
				sed 's|.*include/uapi/|usr/include/|' | (cd "$obj" && xargs -r rm -f --)
		done
		mkdir -p "$obj"
		env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$BUILD/$base/src/$headers_of" O="$obj" \
			ARCH="$(arch_karch "$of")" -j"${JOBS:-$(nproc)}" headers >"$SCRATCH/headers" 2>&1 ||
			{ tail -n 5 "$SCRATCH/headers" >&2; die "could not make the headers of $headers_of$(disk_hint "$BUILD")"; }
		printf '%s\n' "$id" >"$obj/id"
	fi
	include=$obj/usr/include
}

build() {
	local src=$TOP/tools/testing/selftests/vm f out optimize=-O2
	local -a cc
	headers
	read -ra cc < <(arch_abi_cc "$arch" "$abi")
	lock "$base-$arch-selftests-$headers_of-$abi"
	[ "$arch" != x86_64 ] || optimize=-O0
	mkdir -p "$bin"
	for f in "$src"/*.c; do
		out=$bin/$(basename "$f" .c)
		[ -z "$(find "$src" "$include/asm/unistd.h" -newer "$out" 2>/dev/null | head -n 1)" ] && [ -e "$out" ] && continue
		step CC "$(basename "$out") ($headers_of, $abi)"
		# As the kernel's own Makefile does, without saying which libc it is,
		# and without optimizing, which takes more than twice as long; other
		# machines do that, as gcc finds more to warn of then.
		# kselftest_harness.h calls setjmp() in each test, for which gcc, where
		# it inlines, suspects locals of functions that have long returned
		"${cc[@]}" $optimize -Wall -Wextra -Wno-unused-parameter -Wno-clobbered -Werror -static -pthread \
			-isystem "$include" -I"$BUILD/$base/src/$headers_of/tools/testing/selftests/vm" \
			-o "$out.new" "$f" >&2 || die "$(basename "$f") does not compile for $abi"
		mv "$out.new" "$out"
	done
	printf '%s\n' "$bin"
}

# One line for each test, out of TAP as kselftest_harness.h prints it.
tests_of() {
	awk -v program="$1" '
		# the line of a skip has its reason, but not its name
		/^# +RUN / { running = $3 }
		/^(not )?ok [0-9]+ / {
			state = /^not / ? "FAIL" : / # SKIP/ ? "skip" : "ok"
			sub(/^(not )?ok [0-9]+ (- )?/, "")
			reason = ""
			if (match($0, / *# (SKIP)? */)) {
				reason = substr($0, RSTART + RLENGTH)
				$0 = substr($0, 1, RSTART - 1)
			}
			print state, program, ($1 == "" ? running : $1), reason
			seen = 1
		}
		END { if (!seen) print "FAIL", program, "(no_test_ran)" }'
}

# What harness/not-applicable says of this base: a test that is listed there
# has to skip.
not_applicable() {
	awk -v base="$base" -v flavour="${FLAVOUR:-}" '
		NR == FNR {
			here = $1 == base || ($1 == "plain" && flavour == "")
			if (here && $2 in regex)
				regex[$2] = regex[$2] "|^(" $3 ")$"
			else if (here)
				regex[$2] = "^(" $3 ")$"
			next
		}
		($2 in regex) && $3 ~ regex[$2] {
			if ($1 == "skip")
				$1 = "n/a"
			else
				$0 = "FAIL " $2 " " $3 " is listed in harness/not-applicable, but did not skip"
		}
		{ print }' "$TOP/harness/not-applicable" -
}

# The part of the series file whose programs are run by default.
listed() {
	if [ "$arch" = x86_64 ] || [ -n "${FULL:-}" ]; then
		cat "$TOP/patches/linux-$base/series"
	else
		awk '/^[^ \t#]/ { on = /-selftests-vm-Add-tests-for-lock-on-fault/ } on' "$TOP/patches/linux-$base/series"
	fi
}

run() {
	local image results program status
	local -a programs
	image=${IMAGE:-}
	[ -n "$image" ] || image=$("$TOP/harness/kernel.sh" "$base" "$arch" "$kernel")
	build >/dev/null
	results=$BUILD/$base/$arch/selftests/results-${AS:-$kernel}-$abi
	rm -rf "$results"
	mkdir -p "$results"
	if [ $# -gt 0 ]; then
		programs=("${@/#/$bin/}")
	else
		# what has no tests in it, such as a benchmark, is built only; so is
		# what another base's series has, and, on emulated machines other
		# than the first, what came after the design's own tests
		mapfile -t programs < <(grep -l 'kselftest_harness\.h' "$TOP"/tools/testing/selftests/vm/*.c |
			while read -r f; do
				! listed | grep -qxE "[[:space:]]+tools/testing/selftests/vm/${f##*/}" ||
					echo "$bin/$(basename "$f" .c)"
			done)
	fi
	step RUN "$base $arch $kernel: ${#programs[@]} programs, $abi"
	status=0
	"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --mem "${MEM:-2G}" --smp 2 --timeout "${TIMEOUT:-600}" \
		--append "${APPEND:-}" --races "${RACES:-}" --known "${KNOWN:-}" --log "$results/log" --each -- "${programs[@]}" >"$results/output" || status=$?
	awk -v dir="$results" '
		/^PROGRAM / { name = $2; next }
		/^STATUS / { print name, $2 >(dir "/status"); name = ""; next }
		name != "" { print >(dir "/" name ".tap") }' "$results/output"
	for program in "${programs[@]}"; do
		program=${program##*/}
		[ ! -e "$results/$program.tap" ] || tests_of "$program" <"$results/$program.tap"
		# a program that died says less than it should have
		grep -qE "^$program [01]$" "$results/status" 2>/dev/null ||
			echo "FAIL $program (ended_early) status $(awk -v p="$program" '$1 == p { print $2 }' "$results/status" 2>/dev/null)"
	done | not_applicable >"$results/tests"
	[ "$status" = 0 ] || echo "FAIL guest (the_guest_failed) status $status" >>"$results/tests"
	printf '%s\n' "$results"
}

case $verb in
headers)	headers && printf '%s\n' "$include" ;;
build)	build ;;
run)	run "$@" ;;
*)	die "selftests.sh: headers, build or run, not '$verb'" ;;
esac
