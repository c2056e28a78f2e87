#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# faults.sh BASE ARCH: can the selftests fail?
# faults.sh BASE ARCH image: only build the kernel, and print its path
#
# Boots one kernel that has the series and the faults of
# harness/faults/linux-BASE.patch in it, switches them on one after the other,
# and runs the tests that harness/faults/faults.list says must fail.  All of
# them must pass while no fault is on.  Prints a line for each line of the
# list; exit status 1 if any test did not do what it has to.
#
# This kernel is nobody's KERNEL=: it is built here, for this only.  It has the
# unit tests of the series in it, too.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: faults.sh BASE ARCH} arch=${2:?usage: faults.sh BASE ARCH}
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
	kernel_source faults series
	kgit "$src" apply --index "$patch" 2>"$SCRATCH/err" || {
		head -n 3 "$SCRATCH/err" >&2
		die "${patch#"$TOP"/} does not apply to series"
	}
}

# selftests.sh has the headers made; the programs here can choose their tests.
build_tests() {
	local program source=$TOP/tools/testing/selftests/vm
	local include=$BUILD/$base/$arch/headers-series/usr/include
	local -a cc
	"$TOP/harness/selftests.sh" build "$base" "$arch" series "$arch" >/dev/null
	read -ra cc < <(arch_abi_cc "$arch" "$arch")
	for program in "${programs[@]}"; do
		[ -z "$(find "$source" "$faults/select.h" "$include/asm/unistd.h" -newer "$bin/$program" 2>&1 | head -n 1)" ] && continue
		step CC "$program (faults)"
		"${cc[@]}" -O2 -static -pthread -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
			-isystem "$include" -I"$BUILD/$base/src/series/tools/testing/selftests/vm" \
			-include "$faults/select.h" -o "$bin/$program" "$source/$program.c" >&2 ||
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
		}' "$SCRATCH/output"
}

check_list
mapfile -t programs < <(awk '{ print $3 }' "$SCRATCH/list" | sort -u)
fragments+=("$TOP/kernel/configs/lockonfault-kunit.config")
build_kernel faults "$({ build_id series; cat "$patch"; } | sha)" faults_source
if [ "${3:-}" = image ]; then
	printf '%s\n' "$image"
	exit
fi
build_tests
jobs_for_guest >"$SCRATCH/jobs"

cat >"$SCRATCH/all" <<'END'
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
began=$(date +%s)
step RUN "$base $arch faults: $(wc -l <"$SCRATCH/list") lines in one boot"
status=0
"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --append lof_fault=none --timeout "${TIMEOUT:-600}" \
	-- sh "$SCRATCH/all" "$SCRATCH/jobs" "$bin" "${programs[@]/#/$bin/}" >"$SCRATCH/output" || status=$?
cp "$SCRATCH/output" "$here/output"

result=0
[ "$status" = 0 ] || { echo "FAIL  the guest: status $status"; result=1; }
verdict 0 none - || result=1
number=0
while read -r name row _; do
	number=$((number + 1))
	verdict "$number" "$name" "$row" || result=1
done <"$SCRATCH/list"
step RAN "$number faults in $(elapsed "$began") (see ${here#"$TOP"/}/output)"
exit $result
