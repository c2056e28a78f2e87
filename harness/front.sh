#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# front.sh TARGET: what the targets of the Makefile do, with every variable
# looked at before anything starts.
. "$(dirname "$0")/lib.sh"
cd "$TOP"

target=${1:?usage: front.sh TARGET}
: "${BASE:=6.1}" "${ARCH:=x86_64}" "${KERNEL:=series}" "${MEM:=2G}" "${SMP:=2}" "${TIMEOUT:=600}"
check_base "$BASE"
check_arch "$ARCH"
check_kernel "$KERNEL"
# What is made of stock is made of the fixes, and of nothing else.
: "${PART:=all}"
check_part "$PART"
case $PART in all) onto=baseline ;; fixes) onto=stock ;; esac
# what is not said here is not said to a make that is called from here either
one_of ONTO "${ONTO:-$onto}" baseline stock
[ "${ONTO:-$onto}" = "$onto" ] || die "PART=$PART is made onto $onto; ONTO='$ONTO' is not"
matches MEM "$MEM" '[1-9][0-9]*[MG]' "the guest's memory, such as 512M or 2G"
matches SMP "$SMP" '[1-9]|[1-5][0-9]|6[0-4]' "the guest's number of CPUs, 1 to 64"
matches TIMEOUT "$TIMEOUT" '[1-9][0-9]{0,5}' "a number of seconds"
matches FULL "${FULL:-}" '1?' "empty or 1"

guest() {
	"$TOP/harness/deps.sh" guest "$ARCH"
	# shellcheck disable=SC2153
	"$TOP/harness/guest.sh" --arch "$ARCH" --mem "$MEM" --smp "$SMP" --timeout "$TIMEOUT" "$@"
}

# split VARIABLE VALUE: into $words as a shell would, and expand nothing
split() {
	scratch
	xargs -r printf '%s\0' >"$SCRATCH/words" 2>/dev/null <<<"$2" || die "$1='$2' has an unmatched quote"
	mapfile -d '' -t words <"$SCRATCH/words"
}

build_image() { image=$("$TOP/harness/kernel.sh" "$BASE" "$ARCH" "$KERNEL") || exit 2; }

case $target in
help)
	cat <<-END
	Lock on fault for Linux: a patch series, and all it takes to try it.

	  make run         build the patched kernel, boot it, show lock on fault at work
	  make check       the tests, on BASE and ARCH
	  make check-all   the tests, on the default base and the first architectures
	                   below; FULL=1: on all of them, and on 5.10
	  make defects     what is wrong with Linux's own version, and with the series
	  make bench       measure stock, baseline and series: a table, out/bench-*
	  make bench-native   the benchmark on this machine and its own kernel;
	                   BENCH='--size=5120 --reads=15000000' are its options

	  make tree        the kernel as a git repository: build/BASE/tree, to edit
	  make export      write edited commits of that back into patches/
	  make series      the series as mails, for git send-email: out/series-BASE
	  make check-series   each commit by itself: warnings, boot, tests, style
	  make check-debug    the selftests on kernels with KASAN, lockdep, KCSAN and more
	  make check-mutants  which tests fail under which planted fault; FAULTS=REGEX,
	                   PROGRAMS='NAME NAME': only those
	  make soak        a million random calls against the model of lock on fault;
	                   SEED=N for another million, OPS=N for another number
	  make kernel      build KERNEL; prints the image's path last
	  make guest RUN='prog args'   run a program of this machine on KERNEL
	  make shell       the same, interactive
	  make clean       remove build/ and out/ (downloads and kernels are kept in
	                   $CACHE)

	  BASE=$BASE          ${BASES// /, }
	  ARCH=$ARCH       ${ARCHES// /, },
	                    ${MORE_ARCHES// /, }
	  KERNEL=$KERNEL     ${KERNELS// /, }, ${MORE_KERNELS// /, }
	  PART=$PART          all (ONTO=baseline), or fixes (ONTO=stock): of tree, export, bench,
	                    series and defects, the fixes of Linux's own version alone
	  MEM=$MEM SMP=$SMP TIMEOUT=$TIMEOUT (seconds) are the guest's
	  KSRC=PATH         a kernel source tree or tarball to use in place of Debian's
	  REVISION=$BASE.N-M  a certain revision of Debian's package
	END
	;;
run)
	began=$(date +%s)
	"$TOP/harness/deps.sh" tree kernel guest "$ARCH"
	build_image
	"$TOP/harness/demo.sh" "$image"
	"$TOP/harness/bench.sh" quick "$ARCH" "$image"
	step DONE "in $(elapsed "$began"); your own program: make guest RUN='prog args'; a shell: make shell"
	;;
bench)		exec "$TOP/harness/bench.sh" all "$BASE" "$ARCH" "$PART" ;;
bench-native)
	split BENCH "${BENCH:-}"
	"$TOP/harness/bench.sh" native "${words[@]}" ;;
check)		exec "$TOP/harness/check.sh" "$BASE:$ARCH" ;;
check-all)
	all=()
	for arch in $ARCHES ${FULL:+$MORE_ARCHES}; do all+=("6.1:$arch"); done
	all+=("6.1:baseline" "6.1:fixes" "6.1:style" "6.1:mails" "6.1:harness")
	# most of the other machines are for the default base
	[ -z "${FULL:-}" ] || all+=("6.1:compiled" "5.10:x86_64" "5.10:mips64el" "5.10:baseline" "5.10:fixes" "5.10:style" "5.10:mails")
	exec "$TOP/harness/check.sh" "${all[@]}" ;;
tree)		exec "$TOP/harness/tree.sh" "$BASE" "$PART" ;;
export)		exec "$TOP/harness/export.sh" "$BASE" "$PART" ;;
series)		exec "$TOP/harness/series.sh" "$BASE" "$PART" ;;
defects)
	"$TOP/harness/deps.sh" tree kernel guest check
	case $PART in all) kernel=series ;; *) kernel=$PART ;; esac
	exec "$TOP/harness/defects.sh" "$BASE" "$kernel" ;;
check-mutants)	exec "$TOP/harness/faults.sh" "$BASE" "$ARCH" matrix ;;
soak)		TIMEOUT=0 exec "$TOP/harness/soak.sh" "$BASE" "$ARCH" ;;
check-series)	exec "$TOP/harness/check-series.sh" "$BASE" "$ARCH" ;;
check-debug)	exec "$TOP/harness/check-debug.sh" "$BASE" ;;
kernel)		exec "$TOP/harness/kernel.sh" "$BASE" "$ARCH" "$KERNEL" ;;
guest)
	[ -n "${RUN:-}" ] || die "RUN is empty; say what to run: make guest RUN='prog args'"
	split RUN "$RUN"
	build_image
	guest --image "$image" -- "${words[@]}"
	;;
shell)
	. "$TOP/harness/archlib.sh"
	debian=$(arch_debian "$ARCH")
	[ -n "$debian" ] ||
		die "Debian has no static shell for $ARCH; run your own program: make guest ARCH=$ARCH RUN='prog args'"
	[ "$ARCH" = "$(uname -m)" ] || "$TOP/harness/source.sh" "$BASE" busybox "$debian" >/dev/null
	build_image
	guest --image "$image" --shell
	;;
clean)
	rm -rf -- "$BUILD" "$OUT"
	;;
*)	die "no such target: $target" ;;
esac
