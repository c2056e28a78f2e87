# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base and arch are the caller's
#
# The selftests of the series, what Linux's own tests say, and what they say
# of Linux's own lock on fault.

# selftests_on KERNEL ABI: run them all; each test counts as one.
selftests_on() {
	local kernel=$1 abi=$2 as=${AS:-$1} dir state program name reason
	if ! dir=$("$TOP/harness/selftests.sh" run "$base" "$arch" "$kernel" "$abi" 2>"$SCRATCH/selftests.err"); then
		failed=$((failed + 1))
		failures+=("$base $arch $as $abi: selftests")
		printf 'FAIL  %s\n' "$base $arch $as $abi: the selftests did not run"
		tail -n 15 "$SCRATCH/selftests.err" | sed 's/^/      /'
		return
	fi
	while read -r state program name reason; do
		case $state in
		ok)	passed=$((passed + 1)) ;;
		skip)	skipped=$((skipped + 1))
			printf 'skip  %s: %s\n' "$base $arch $as $abi: $program $name" "${reason:-it did not say why}" ;;
		n/a)	printf 'n/a   %s: this kernel has not got what it tests\n' "$base $arch $as $abi: $program $name" ;;
		*)	failed=$((failed + 1))
			failures+=("$base $arch $as $abi: $program $name")
			printf 'FAIL  %s %s\n' "$base $arch $as $abi: $program $name" "$reason"
			grep -F -A40 -- "$name" "$dir/$program.tap" 2>/dev/null | sed -n "/RUN .*$name/,/ok /p" | head -n 12 | sed 's/^/      /' || : ;;
		esac
	done <"$dir/tests"
	awk -v what="$base $arch $as $abi" '
		{ n[$2 " " $1]++; seen[$2] = 1 }
		END {
			for (p in seen)
				printf "ok    %s: %s: %d passed, %d failed, %d skipped\n", what, p,
					n[p " ok"], n[p " FAIL"], n[p " skip"]
		}' "$dir/tests" | sort | sed '/ 0 failed,/!s/^ok   /FAIL /'
}

# row_table: design row -> tests -> result, over the ABIs.
row_table() {
	local abi
	printf '\n%s\n' "$base $arch: rows of the design, and their tests in all ABIs"
	for abi in $(arch_abis "$arch"); do
		cat "$BUILD/$base/$arch/selftests/results-series-$abi/tests" 2>/dev/null || :
	done | awk '
		$1 != "n/a" {
			name = $3
			while (match(name, /[IMD][0-9]+_/)) {
				row = substr(name, RSTART, RLENGTH - 1)
				name = substr(name, RSTART + RLENGTH)
				n[row]++
				r[row " " $1]++
				if (index(where[row], $2) == 0)
					where[row] = where[row] " " $2
			}
		}
		END {
			for (row in n)
				printf "%s %d %d %d %d%s\n", row, n[row], r[row " ok"], r[row " FAIL"], r[row " skip"], where[row]
		}' | sort -k1.1,1.1 -k1.2n | awk '
		{
			programs = $6
			for (i = 7; i <= NF; i++)
				programs = programs ", " $i
			printf "  %-4s %4d tests: %4d passed, %d failed, %d skipped   %s\n", $1, $2, $3, $4, $5, programs
		}'
	echo
}

# What is wrong with Linux's own version, beside the series, which ran above.
defects() {
	"$TOP/harness/defects.sh" "$base" series "$BUILD/$base/$arch/selftests/results-series-x86_64" | tee "$SCRATCH/defects"
}

# What 5.10's own version misses of the design: it walks what is not there,
# and does not lock pages of files when they are faulted in.
stock_has_its_flaws() {
	local dir what regex
	dir=$(HEADERS=series "$TOP/harness/selftests.sh" run "$base" "$arch" stock x86_64 \
		lock-on-fault-pages lock-on-fault-vma lock-on-fault-walk)
	while read -r regex what; do
		printf '%s: %s of %s tests fail on stock, %s on series\n' "$what" \
			"$(grep -cE "^FAIL [^ ]+ $regex" "$dir/tests")" "$(grep -cE "^[^ ]+ [^ ]+ $regex" "$dir/tests")" \
			"$(grep -cE "^FAIL [^ ]+ $regex" "${dir/results-stock/results-series}/tests")"
	done <<-'END' | tee "$SCRATCH/flaws"
	cost[.] the cost of a sparse mapping
	(kinds[.]file_|files[.]).*M2_ pages of files
	(kinds[.]anon_|private[.]anon_).*M2_ anonymous and shared memory
	[^ ]*M5_ pages that are present
	END
	! grep -E ': 0 of|, [1-9][0-9]* on series' "$SCRATCH/flaws"
}

# Linux's own tests, from the stock tag and not from here: what passes on
# stock passes on the series.
oracle() {
	local out=$BUILD/$base/$arch/oracle kernel name image include
	local theirs=$BUILD/$base/src/stock/tools/testing/selftests/vm
	. "$TOP/harness/treelib.sh"
	"$TOP/harness/tree.sh" "$base"
	kernel_source stock
	include=$("$TOP/harness/selftests.sh" headers "$base" "$arch" stock x86_64)
	mkdir -p "$out"
	for name in mlock2-tests on-fault-limit mlock-random-test; do
		gcc -O2 -w -static -D_GNU_SOURCE -isystem "$include" \
			-I"$BUILD/$base/src/stock" -o "$out/$name" "$theirs/$name.c" -lcap -lrt
	done
	cat >"$SCRATCH/oracle" <<-'END'
	for p; do
		case $p in
		*/on-fault-limit) setpriv --reuid=65534 --regid=65534 --clear-groups "$p" ;;
		*) "$p" ;;
		esac
		echo "RESULT ${p##*/} $?"
	done
	END
	for kernel in stock series; do
		image=$("$TOP/harness/kernel.sh" "$base" "$arch" "$kernel")
		"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --timeout 300 -- sh "$SCRATCH/oracle" \
			"$out"/mlock2-tests "$out"/on-fault-limit "$out"/mlock-random-test "$(command -v setpriv)" |
			tee "$SCRATCH/oracle-$kernel"
	done
	grep '^RESULT .* 0$' "$SCRATCH/oracle-stock" >"$SCRATCH/must" || { echo "nothing passes on stock"; return 1; }
	while read -r line; do
		grep -qxF "$line" "$SCRATCH/oracle-series" || { echo "passes on stock only: $line"; return 1; }
	done <"$SCRATCH/must"
	[ "$(wc -l <"$SCRATCH/must")" = 3 ]
}

# Lines of ours that stock had where the baseline took them out.  What an
# interface forces is no matter of choice: the declarations of a system call,
# its name in a trace, the names that row E1 gives to two tests.
forced='^ ?(SYSCALL_DEFINE[0-9][(]mlock|__SYSCALL[(]__NR_mlock2|asmlinkage long sys_mlock2|[{]VM_LOCKONFAULT, |TEST_GEN_FILES [+]= (mlock2-tests|on-fault-limit)$)'
code_lines() {
	grep -E "^\\$1[^$1]" | cut -c2- | tr -s ' \t' ' ' | awk 'length($0) > 24' |
		grep -vE '^ ?(\*|/\*|//|#define|#include|[0-9]+ )' | sort -u
}
own_lines() {
	local tree=$BUILD/$base/tree
	. "$TOP/harness/treelib.sh"
	kgit "$tree" diff stock baseline | code_lines - >"$SCRATCH/gone"
	kgit "$tree" diff baseline series | code_lines + >"$SCRATCH/ours"
	[ -s "$SCRATCH/gone" ] && [ -s "$SCRATCH/ours" ]
	comm -12 "$SCRATCH/gone" "$SCRATCH/ours" |
		awk -v forced="$forced" '$0 !~ forced' | tee "$SCRATCH/pasted"
	[ ! -s "$SCRATCH/pasted" ]
	# and no file of ours is one of stock's
	while read -r f; do
		! kgit "$tree" cat-file -e "stock:$f" 2>/dev/null || ! kgit "$tree" show "stock:$f" | cmp -s - "$TOP/$f" || return 1
	done < <(all_series_files "$TOP/patches/linux-$base/series")
}

planted_faults() { "$TOP/harness/faults.sh" "$base" "$arch"; }

checks_of_the_selftests() {
	local abi
	for abi in $(arch_abis "$arch"); do
		selftests_on series "$abi"
	done
	# what takes other kernels is shown on one machine
	if [ "$arch" = x86_64 ]; then
		t "$base $arch: the defects of stock: there, and not on series" defects
		[ "$base" != 5.10 ] ||
			t "$base $arch: the tests of the two flaws fail on stock" stock_has_its_flaws
	fi
	row_table
	cat "$SCRATCH/defects" 2>/dev/null || :
}

# Jobs of their own: neither needs what another has found
checks_of_the_oracle() { t "$base $arch: what Linux's own tests pass on stock they pass on series" oracle; }
checks_of_the_faults() { t "$base $arch: the tests can fail: planted faults" planted_faults; }
