#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh all BASE ARCH [PART]
#	measure stock, baseline and series: a table, and beside it
#	out/bench-BASE-ARCH.{txt,json,svg}; of the part fixes, which stands on
#	stock, that and fixes, out/bench-fixes-BASE-ARCH
# bench.sh quick ARCH IMAGE
#	the cover letter's strategies on one kernel, with a small file
# bench.sh native [ARG...]
#	the same on this machine and its own kernel; ARGs are mlock-bench's
# bench.sh programs ARCH
#	compile the benchmarks; prints the directory that they are in
#
# Guests run under QEMU's instruction counting: an instruction is a nanosecond,
# and nothing that differs between two runs (addresses, the time of day, disks
# that answer sooner or later) is left in the guest.  Two runs give the same
# figures, on a busy machine, too.
#
# SIZE and READS make it smaller, for the tests.
. "$(dirname "$0")/lib.sh"
. "$TOP/harness/archlib.sh"

verb=${1:-}
[ $# -gt 0 ] || die "usage: bench.sh all|quick|native|programs ..."
shift

programs=(mlock-bench mlock-cost)

# programs_of ARCH: with the machine's own headers; one program for all kernels
programs_of() {
	bin=$BUILD/bench/$1
	(compile "$1") || exit 2
}

compile() {
	local arch=$1 name source=$TOP/tools/testing/selftests/vm
	lock "bench-$arch"
	mkdir -p "$bin"
	for name in "${programs[@]}"; do
		[ -z "$(find "$source/$name.c" "$source/lock_on_fault.h" -newer "$bin/$name" 2>/dev/null)" ] &&
			[ -x "$bin/$name" ] && continue
		"$(arch_cross "$arch")gcc" -O2 -Wall -static -o "$bin/$name.new" "$source/$name.c" >&2 ||
			die "could not compile $name.c for $arch"
		mv "$bin/$name.new" "$bin/$name"
	done
}

# counted ARCH IMAGE ARG...: run something in a guest that counts instructions
counted() {
	local arch=$1 image=$2
	shift 2
	"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --icount --mem 2G --swap 0 --disk 0 \
		--append "nokaslr norandmaps" --timeout 1800 "$@"
}

quick() {
	local arch=$1 image=$2
	"$TOP/harness/deps.sh" guest "$arch"
	programs_of "$arch"
	step RUN "the benchmark, with a small file; an instruction counts as a nanosecond"
	counted "$arch" "$image" -- "$bin/mlock-bench" --quiet --dir /dev/shm --size 64 --reads 187500
}

native() {
	local limit
	"$TOP/harness/deps.sh" guest
	programs_of "$(uname -m)"
	limit=$(ulimit -l)
	if [ "$(id -u)" != 0 ] && [ "$limit" != unlimited ] && [ "$limit" -lt 262144 ]; then
		note "lock-on-fault: RLIMIT_MEMLOCK is $limit kB, less than the default file's 262144 kB: what locks all of it"
		note "lock-on-fault: will not be available. Raise it (ulimit -l), be root, or take a smaller file: BENCH=--size=$((limit / 1024))"
	fi
	"$bin/mlock-bench" "$@"
}

# scripts: what the guests run, the same in all of them: where it lies and how
# long its words are is part of what is counted.
#   lock	what locks on fault are for
#   unused	what they must not cost those who use none
scripts() {
	local f
	cat >"$dir/lock" <<-END
	echo SECTION strategies
	"$bin/mlock-bench" --format csv --quiet --dir /dev/shm --size $size --reads $reads || exit
	echo SECTION measures
	"$bin/mlock-cost" --format csv --group lock || exit
	END
	cat >"$dir/unused" <<-END
	echo SECTION measures
	"$bin/mlock-cost" --format csv --group unused || exit
	"$bin/mlock-cost" --format csv --group stream || exit
	END
	files=("$bin/mlock-bench" "$bin/mlock-cost")

	# kernbench, where the guest can run this machine's compiler: a fixed set
	# of files, which are here anyway, as they leave the preprocessor, because
	# the guest has no headers
	[ "$arch" = "$(uname -m)" ] || return 0
	rm -rf "$dir/kernbench"
	mkdir "$dir/kernbench"
	for f in harness/*.c examples/*.c tools/testing/selftests/vm/mlock-{bench,cost}.c; do
		gcc -w -E -P -o "$dir/kernbench/$(basename "$f" .c).i" "$TOP/$f" || die "could not preprocess $f"
	done
	cat >"$dir/make" <<-'END'
	for f; do
		gcc -O2 -c -o /tmp/kernbench.o "$f" || exit
	done
	END
	files+=("$dir/make" "$dir"/kernbench/*.i "$(command -v gcc)" "$(command -v as)" "$(gcc -print-prog-name=cc1)")
	echo "\"$bin/mlock-cost\" --format csv --time sh $dir/make $dir/kernbench/*.i || exit" >>"$dir/unused"
}

# measure KERNEL SCRIPT
measure() {
	local out=$dir/$1-$2.csv
	cd "$dir"
	if ! counted "$arch" "${images[$1]}" -- sh "$2" "${files[@]}" >"$out.new" 2>"$out.err"; then
		tail -n 5 "$out.new" "$out.err" >&2
		die "$1: the guest of '$2' failed"
	fi
	mv "$out.new" "$out"
}

# shellcheck disable=SC2317 # called by a trap
end_guests() {
	local pid
	for pid in "${guests[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || :
	done
	wait
}

# As many guests at a time as there are processors; they do not disturb each
# other's figures.
measure_all() {
	local began kernel script status=0 last=0
	local -a jobs=("$ours lock" "stock lock" "$ours unused" "$without unused")
	began=$(date +%s)
	guests=()
	trap end_guests EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	rm -f "$dir"/*.csv*
	while :; do
		while [ ${#jobs[@]} -gt 0 ] && [ "$(jobs -pr | wc -l)" -lt "$(nproc)" ]; do
			read -r kernel script <<<"${jobs[0]}"
			jobs=("${jobs[@]:1}")
			step MEASURE "$base $arch $kernel: $script"
			# a process group each: Ctrl-C has to end what is in it
			set -m
			measure "$kernel" "$script" </dev/null &
			set +m
			guests+=("$!")
		done
		[ -n "$(jobs -pr)" ] || break
		sleep 1
		last=$((last + 1))
		[ $((last % 20)) != 0 ] ||
			step MEASURE "$(elapsed "$began"), $(find "$dir" -name '*.csv' | wc -l) of 4 guests have ended"
	done
	for kernel in "$ours-lock" stock-lock "$ours-unused" "$without-unused"; do
		[ -s "$dir/$kernel.csv" ] || status=1
	done
	[ $status = 0 ] || die "not everything was measured"
	step MEASURED "in $(elapsed "$began")"
}

# Text of each object that the two kernels do not have alike; kernels that
# were built before sizes were kept have none.
text_sizes() {
	local kernel
	for kernel in "$without" "$ours"; do
		[ -r "${images[$kernel]%/*}/sizes" ] || return 0
		sed "s/^/$kernel,text,/" "${images[$kernel]%/*}/sizes"
	done
}

facts() {
	printf 'fact,%s,%s\n' base "$base" arch "$arch" revision "$(cat "$BUILD/$base/revision" 2>/dev/null || echo "the caller's source")" \
		machine "$("$(compgen -c qemu-system- | sort | head -n 1)" --version | sed -n '1s/^QEMU emulator version \([0-9.]*\).*/QEMU \1/p'), 1 processor, an instruction is 1 ns" \
		compiler "$(gcc --version | head -n 1)" mib "$size" reads "$reads"
	# which series: a clone whose kernels came out of the cache may have no tree
	[ "$ours" != series ] || [ ! -d "$TREE/.git" ] || printf 'fact,series,%s\n' "$(build_id series)"
}

all() {
	local kernel script out
	base=$1 arch=$2
	case ${3:-all} in
	all)	ours=series without=baseline out=bench-$base-$arch ;;
	fixes)	ours=fixes without=stock out=bench-fixes-$base-$arch ;;
	*)	die "bench.sh: no such part: $3" ;;
	esac
	declare -A images
	check_base "$base"
	check_arch "$arch"
	. "$TOP/harness/treelib.sh"
	size=${SIZE:-256} reads=${READS:-750000}
	matches SIZE "$size" '[1-9][0-9]{0,3}' "the file's size in MiB"
	matches READS "$reads" '[1-9][0-9]{0,8}' "a number of reads"
	"$TOP/harness/deps.sh" tree kernel guest "$arch" bench
	for kernel in stock "$without" "$ours"; do
		images[$kernel]=$("$TOP/harness/kernel.sh" "$base" "$arch" "$kernel") || exit 2
	done
	programs_of "$arch"
	dir=$BUILD/bench/${out#bench-}
	lock "$out"
	mkdir -p "$dir" "$OUT"
	scripts
	measure_all
	{
		facts
		for kernel in stock-lock "$ours-lock" "$without-unused" "$ours-unused"; do
			script=${kernel#*-}
			awk -v kernel="${kernel%-*}" -v script="$script" '
				/^SECTION / { section = $2; next }
				/^(strategy|group),/ { next }
				{ print kernel "," (section == "strategies" ? section : script) "," $0 }' "$dir/$kernel.csv"
		done
		text_sizes
	} >"$dir/figures"
	for script in table json plot; do
		awk -v as="$script" -v ours="$ours" -f "$TOP/harness/bench.awk" "$dir/figures" >"$dir/$script" || die "no figures"
	done
	gnuplot "$dir/plot" >"$dir/svg" 2>"$dir/plot.err" || { cat "$dir/plot.err" >&2; die "gnuplot could not make the picture"; }
	cp "$dir/table" "$OUT/$out.txt"
	cp "$dir/json" "$OUT/$out.json"
	cp "$dir/svg" "$OUT/$out.svg"
	cat "$dir/table"
	step DONE "the same in out/$out.txt, .json; a picture in out/$out.svg"
}

case $verb in
all)	all "${1:?}" "${2:?}" "${3:-all}" ;;
quick)	quick "${1:?}" "${2:?}" ;;
native)	native "$@" ;;
programs)
	programs_of "${1:?}"
	printf '%s\n' "$bin" ;;
*)	die "bench.sh: no such thing to do: $verb" ;;
esac
