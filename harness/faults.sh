#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# faults.sh BASE ARCH: can the selftests fail?
# faults.sh BASE ARCH matrix: which of them fail?
# faults.sh BASE ARCH image: only build the kernel, and print its path
#
# Boots one kernel that has the series and the faults of
# harness/faults/linux-BASE.patch in it, switches them on one after the other,
# and runs the tests that harness/faults/faults.list says must fail.  All of
# them must pass while no fault is on.  Prints a line for each line of the
# list; exit status 1 if any test did not do what it has to.
#
# With "matrix", runs every program under every fault until its first test
# fails, and prints which programs do; exit status 1 if no program fails under
# some fault, or any does without one.  FAULTS, a regular expression, and
# PROGRAMS, names, make it smaller.  It takes hours, so what a call has found out
# is kept: the next one, whether that ended or was stopped, runs what it lacks.
# A kernel or a program that has changed is run anew.
#
# This kernel is nobody's KERNEL=: it is built here, for this only.  It has the
# unit tests of the series in it, too.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: faults.sh BASE ARCH [matrix]} arch=${2:?usage: faults.sh BASE ARCH [matrix]}
mode=${3:-list}
one_of "faults.sh: what to run" "$mode" list matrix image
check_base "$base"
check_arch "$arch"
"$TOP/harness/deps.sh" tree kernel guest check
. "$TOP/harness/treelib.sh"
. "$TOP/harness/archlib.sh"
. "$TOP/harness/buildlib.sh"
"$TOP/harness/tree.sh" "$base"

faults=$TOP/harness/faults
patch=$faults/linux-$base.patch
here=$BUILD/$base/$arch/faults
bin=$here/tests
src=$BUILD/$base/src/faults
rows="I1 I2 I3 I4 I5 I6 M1 M2 M3 M4 M5 M6 M7 M8 M9"
scratch
mkdir -p "$bin"

# The list without its comments.  The last field may have blanks in it.
# What is for another base only goes, too.
sed -E -e 's/[[:space:]]+#.*$//' -e '/^(#|[[:space:]]*$)/d' "$faults/faults.list" |
	sed -E -e "s/^([^@[:space:]]+)@${base//./\\.}[[:space:]]/\1\t/" -e '/^[^[:space:]]*@/d' >"$SCRATCH/list"

check_list() {
	local name row program pattern
	while read -r name row program pattern; do
		[ -n "$pattern" ] || die "faults.list: not understood: $name $row $program"
		# shellcheck disable=SC2086 # the list is words
		one_of "faults.list: the row of $name" "$row" $rows
		[ -f "$TOP/tools/testing/selftests/vm/$program.c" ] ||
			die "faults.list: there is no program $program"
		grep -qE "^\+.*[^A-Z_]F\($name\)" "$patch" ||
			die "faults.list: ${patch#"$TOP"/} knows no fault $name"
	done <"$SCRATCH/list"
	for row in $rows; do
		awk -v row="$row" '$2 == row { found = 1 } END { exit !found }' "$SCRATCH/list" ||
			die "faults.list has no fault for row $row"
	done
	while read -r name; do
		awk -v name="$name" '$1 == name { found = 1 } END { exit !found }' "$SCRATCH/list" ||
			die "faults.list has no test for the fault $name"
	done < <(sed -nE 's/^\+\tF\((.*)\).*/\1/p' "$patch" | grep -vx none)
}

# The tag's source with the faults.  git knows all of the patch's files, so
# that the next checkout takes them out again.
# shellcheck disable=SC2317 # build_kernel calls it
faults_source() {
	kernel_source faults series series
	kgit "$src" apply --index "$patch" 2>"$SCRATCH/err" || {
		head -n 3 "$SCRATCH/err" >&2
		die "${patch#"$TOP"/} does not apply to series"
	}
}

# selftests.sh has the headers made; the programs here can choose their tests.
build_tests() {
	local program include source=$TOP/tools/testing/selftests/vm
	local -a cc
	include=$("$TOP/harness/selftests.sh" headers "$base" "$arch" series "$arch")
	read -ra cc < <(arch_abi_cc "$arch" "$arch")
	for program in "${programs[@]}"; do
		[ -z "$(find "$source" "$faults/select.h" "$include/asm/unistd.h" -newer "$bin/$program" 2>&1 | head -n 1)" ] && continue
		step CC "$program (faults)"
		"${cc[@]}" -static -pthread -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
			-isystem "$include" -I"$BUILD/$base/src/series/tools/testing/selftests/vm" \
			-ffile-prefix-map="$TOP/=" -include "$faults/select.h" -o "$bin/$program" "$source/$program.c" >&2 ||
			die "$program does not compile with select.h"
	done
}

# What the guest has to do: line number, fault, program, pattern; line 0 is
# all that any line asks for, without a fault.
jobs_for_guest() {
	awk '
		{
			pattern = $0
			sub(/^[^ \t]+[ \t]+[^ \t]+[ \t]+[^ \t]+[ \t]+/, "", pattern)
			if (!($3 in all))
				order[++n] = $3
			all[$3] = all[$3] ($3 in all ? "|" : "") "(" pattern ")"
			line[NR] = NR " " $1 " " $3 " " pattern
		}
		END {
			for (i = 1; i <= n; i++)
				print 0, "none", order[i], all[order[i]]
			for (i = 1; i <= NR; i++)
				print line[i]
		}' "$SCRATCH/list"
}

# verdict NUMBER FAULT ROW: what the tests of a job said, as a line
verdict() {
	awk -v number="$1" -v fault="$2" -v row="$3" '
		/^JOB / { on = $2 == number; next }
		!on { next }
		/^STATUS / {
			if ($2 > 1)
				bad = bad ", status " $2
			else if (!ran)
				bad = bad ", no test has that name"
			ran = 0
			ended = 1
			next
		}
		/^NO_FAULT/ { bad = bad ", the kernel does not know it" }
		/^ok [0-9]+ # SKIP/ { skipped++; ran = 1 }
		/^ok [0-9]+ [^#]/ { ran = 1; passed++; if (number) bad = bad ", " $3 " passes" }
		/^not ok / { ran = 1; failed++; if (!number) bad = bad ", " $4 " fails" }
		END {
			if (!ended)
				bad = bad ", it did not end"
			else if (!bad && !(number ? failed : passed))
				bad = ", all skipped"
			name = number ? fault " (" row "): " : fault ": "
			if (bad)
				print "FAIL  " name substr(bad, 3)
			else if (number)
				print "ok    " name failed " tests fail as they must"
			else
				print "ok    " name passed " tests pass without a fault" (skipped ? ", " skipped " skipped" : "")
			exit bad != ""
		}' "$here/output"
}

# in_guest NAME SCRIPT ARG...: run a script in a guest of the kernel, with the
# programs along; what it says is in $here/NAME, as it comes
in_guest() {
	local name=$1 status=0
	shift
	LOF_MODEL_SHRINK=0 "$TOP/harness/guest.sh" --arch "$arch" --image "$image" --append lof_fault=none \
		--timeout "${TIMEOUT:-600}" -- sh "$@" "$bin" "${programs[@]/#/$bin/}" >"$here/$name" || status=$?
	[ "$status" = 0 ] || { echo "FAIL  the guest: status $status"; return 1; }
}

run_list() {
	local result=0 number=0 name row
	jobs_for_guest >"$SCRATCH/jobs"
	cat >"$SCRATCH/all" <<-'END'
	fault=/sys/module/kernel/parameters/lof_fault
	while read -r number name program pattern; do
		echo "JOB $number"
		echo "$name" >$fault || echo "NO_FAULT"
		"$2/$program" "$pattern" 2>&1 </dev/null
		status=$?
		echo none >$fault
		echo "STATUS $status"
	done <"$1"
	END
	step RUN "$base $arch faults: $(wc -l <"$SCRATCH/list") lines in one boot"
	in_guest output "$SCRATCH/all" "$SCRATCH/jobs" || result=1
	verdict 0 none - || result=1
	while read -r name row _; do
		number=$((number + 1))
		verdict "$number" "$name" "$row" || result=1
	done <"$SCRATCH/list"
	step RAN "$number faults in $(elapsed "$started") (see ${here#"$TOP"/}/output)"
	return $result
}

# What the guests have found, the last ones first; of a call that was stopped,
# too.  What took too long may take less the next time.
keep_cells() {
	{ grep -h '^CELL ' "$here/matrix-0" "$here/matrix-1" 2>/dev/null || :; } | cat - "$cells" |
		awk 'NF >= 6 && $5 <= 128 && !seen[$2, $3, $4]++' | head -n 20000 >"$SCRATCH/known"
	mv "$SCRATCH/known" "$cells"
	: >"$here/matrix-0"
	: >"$here/matrix-1"
}

# Every fault and every program, in two guests at a time.  A program that takes
# longer than the limit has not failed, and is named.
run_matrix() {
	local result=0 name program half guest guests=() limit=${LIMIT:-150} cells=$CACHE/mutants/$base-$arch
	local -A key
	lock "mutants-$base-$arch" "$CACHE"
	mkdir -p "${cells%/*}"
	: >>"$cells"
	keep_cells
	for program in "${programs[@]}"; do
		key[$program]=$(cat "$image" "$bin/$program" | sha)
	done
	{ echo none; sed -nE 's/^\+\tF\((.*)\).*/\1/p' "$patch" | grep -vx none | grep -xE "${FAULTS:-.*}"; } >"$SCRATCH/names"
	while read -r name; do
		for program in "${programs[@]}"; do
			echo "$name $program ${key[$program]}"
		done
	done <"$SCRATCH/names" >"$SCRATCH/wanted"
	awk '$1 == "CELL" { known[$2, $3, $4]; next } !(($1, $2, $3) in known)' "$cells" "$SCRATCH/wanted" >"$SCRATCH/cells"
	cat >"$SCRATCH/all" <<-'END'
	fault=/sys/module/kernel/parameters/lof_fault
	while read -r name program key; do
		echo "$name" >$fault || echo "NO_FAULT $name"
		timeout -s KILL "$2" "$3/$program" . first >/tmp/cell 2>&1 </dev/null
		status=$?
		# its tests are processes of their own
		[ $status -le 128 ] || killall -q -KILL "$program"
		echo none >$fault
		echo "CELL $name $program $key $status $(grep -c '^ok [0-9]* [^#]' /tmp/cell) $(grep '^not ok' /tmp/cell | head -n 1)"
	done <"$1"
	END
	step RUN "$base $arch faults: $(wc -l <"$SCRATCH/names") faults, ${#programs[@]} programs"
	echo "$(wc -l <"$SCRATCH/cells") runs; $(($(wc -l <"$SCRATCH/wanted") - $(wc -l <"$SCRATCH/cells"))) others are known from an earlier call, of the same kernel and programs"
	for half in 0 1; do
		awk -v half="$half" '!($1 in n) { n[$1] = count++ } n[$1] % 2 == half' "$SCRATCH/cells" >"$SCRATCH/cells-$half"
	done
	for half in 0 1; do
		[ ! -s "$SCRATCH/cells-$half" ] ||
			TIMEOUT=0 in_guest "matrix-$half" "$SCRATCH/all" "$SCRATCH/cells-$half" "$limit" || exit 1 &
		guests+=("$!")
	done
	for guest in "${guests[@]}"; do
		wait "$guest" || result=1
	done
	cat "$cells" "$here/matrix-0" "$here/matrix-1" | awk -v wanted="$SCRATCH/wanted" -v names="$SCRATCH/names" -v programs="${programs[*]}" '
		# x: fails, .: passes, -: all is skipped, t: takes too long
		BEGIN {
			while ((getline line <wanted) > 0)
				ours[line]
		}
		/^CELL / {
			if (($2 " " $3 " " $4) in ours)
				cell[$2 " " $3] = / not ok / ? "x" : $5 > 128 ? "t" : $5 > 1 ? "x" : $6 ? "." : "-"
			next
		}
		/^NO_FAULT / { print "FAIL  the kernel does not know " $2; bad = 1 }
		END {
			n = split(programs, program, " ")
			for (i = 1; i <= n; i++) {
				printf "  %2d  %s\n", i, program[i]
				head = head sprintf(" %2d", i)
			}
			printf "\n  %-32s%s\n", "", head
			while ((getline fault <names) > 0) {
				caught = 0
				line = sprintf("  %-32s", fault)
				for (i = 1; i <= n; i++) {
					c = cell[fault " " program[i]]
					if (c == "")
						c = "?"
					line = line "  " c
					if (c == "?")
						lost = 1
					if (c != "x")
						continue
					caught++
					by = i
				}
				print line
				if (fault == "none") {
					if (caught) {
						print "FAIL  without a fault a program fails"
						bad = 1
					}
					continue
				}
				all++
				if (caught)
					some++
				else
					missed = missed " " fault
				for (i = 1; i <= n; i++)
					if (cell[fault " " program[i]] == "x")
						sum[i]++
				if (caught == 1)
					alone[by]++
			}
			printf "\n  x: a test fails, .: all pass, -: all are skipped, t: stopped for taking too long\n\n"
			for (i = 1; i <= n; i++)
				printf "  %-24s fails under %2d faults, alone under %d\n", program[i], sum[i], alone[i]
			printf "\n%d of %d faults are caught\n", some, all
			if (missed != "")
				print "FAIL  not caught:" missed
			if (lost)
				print "FAIL  some cells were not run"
			exit bad || lost || missed != ""
		}' || result=1
	keep_cells
	step RAN "in $(elapsed "$started")"
	return $result
}

check_list
case $mode in
matrix)	read -ra programs <<<"${PROGRAMS:-}"
	[ ${#programs[@]} -gt 0 ] || mapfile -t programs < <(grep -l 'kselftest_harness\.h' "$TOP"/tools/testing/selftests/vm/*.c | sed 's|.*/||; s|\.c$||') ;;
*)	mapfile -t programs < <(awk '{ print $3 }' "$SCRATCH/list" | sort -u) ;;
esac
fragments+=("$TOP/kernel/configs/lockonfault-kunit.config")
build_kernel faults "$({ build_id series; cat "$patch"; } | sha)" faults_source
if [ "$mode" = image ]; then
	printf '%s\n' "$image"
	exit
fi
build_tests
started=$(date +%s)
"run_$mode"
