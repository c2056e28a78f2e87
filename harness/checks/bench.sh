# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base and arch are the caller's
#
# Tests of the benchmark: that it measures, says what it could not, and says
# the same when asked again.  Small files; the figures are make bench's.

# benched KERNEL ARG...: mlock-bench in a guest that counts instructions
benched() {
	local image bin
	image=$("$TOP/harness/kernel.sh" "$base" "$arch" "$1")
	bin=$("$TOP/harness/bench.sh" programs "$arch")
	shift
	"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --icount --mem 512M --swap 0 --disk 0 \
		--append "nokaslr norandmaps" --timeout 120 -- "$@" "$bin/mlock-bench" "$bin/mlock-cost"
}

# What the two programs are named is in the words that bring them along.
# shellcheck disable=SC2016 # the guest's shell
small='"$1" --quiet --dir /dev/shm --size 16 --reads 200 --format json && "$2" --group lock --rounds 2 --format csv'

same_figures() {
	benched series sh -c "$small" sh >"$SCRATCH/one"
	benched series sh -c "$small" sh >"$SCRATCH/two"
	diff "$SCRATCH/one" "$SCRATCH/two"
	sed '/^group,/,$d' "$SCRATCH/one" >"$SCRATCH/json"
	# all of them; and on fault: more than nothing locked, and not all of it
	perl -MJSON::PP -0777 -ne '
		my %s = map { $_->{name} => $_ } @{decode_json($_)->{strategies}};
		for (qw(none mlock mlock-each handler-1 handler-8 handler-16 onfault)) {
			die "$_ is not available: $s{$_}{reason}\n" unless $s{$_}{available};
			die "$_ took no time\n" unless $s{$_}{processing}{mean_ns} > 0;
		}
		my ($all, $some) = ($s{mlock}, $s{onfault});
		printf "%s: %d kB\n", $_->{name}, $_->{mlocked_kb} for @s{sort keys %s};
		die "mlock\n" unless $all->{locked_kb} == 16384 && $all->{mlocked_kb} == 16384;
		die "onfault\n" unless $some->{locked_kb} > 0 && $some->{locked_kb} < 16384 &&
			$some->{locked_kb} == $some->{present_kb} && $some->{locked_kb} == $some->{mlocked_kb};
		die "none\n" if $s{none}{locked_kb} || $s{none}{mlocked_kb};
	' "$SCRATCH/json"
	# the other program: a figure for everything
	[ "$(sed '1,/^group,/d' "$SCRATCH/one" | grep -cE '^lock,[^,]+,[a-z]+(,[0-9]+\.[0-9]+){3},$')" = 15 ]
}

without_lock_on_fault() {
	benched baseline sh -c "$small" sh | tee "$SCRATCH/one"
	grep -q '"onfault", "available": false, "reason": ".*has no lock on fault"' "$SCRATCH/one"
	grep -q '"mlock", "available": true' "$SCRATCH/one"
	grep -q '^lock,16 GiB unused: mlock2,.*has no lock on fault' "$SCRATCH/one"
	grep -q '^lock,mmap + munmap (locked),.*has no lock on fault' "$SCRATCH/one"
	grep -qE '^lock,mmap \+ munmap \(not locked\),pair,[0-9]' "$SCRATCH/one"
}

too_many_mappings() {
	# shellcheck disable=SC2016 # the guest's shell
	benched series sh -c 'f=/proc/sys/vm/max_map_count
		run() { "$0" -q -d /dev/shm -s 16 -n 2000 -t handler-1 "$@"; }
		echo 200 >$f; run; run --raise-map-count; cat $f' | tee "$SCRATCH/one"
	grep -q '^handler-1 *not available: mprotect.*vm.max_map_count is 200; root may say' "$SCRATCH/one"
	grep -qE '^handler-1 +[0-9.]+ +[0-9.]+' "$SCRATCH/one"
	[ "$(tail -n 1 "$SCRATCH/one")" = 200 ]
}

# What costs more than it may is marked: in the median round and the cheapest.
marked() {
	cat >"$SCRATCH/figures" <<-END
	fact,base,$base
	baseline,unused,unused,a little,call,1000.000,1000.000,1000.000,
	baseline,unused,unused,by luck,call,1000.000,1000.000,1000.000,
	baseline,unused,unused,too much,call,1000.000,1000.000,1000.000,
	series,unused,unused,a little,call,1000.900,1000.900,1000.900,
	series,unused,unused,by luck,call,1002.000,1000.000,1002.000,
	series,unused,unused,too much,call,1001.100,1001.100,1001.100,
	END
	awk -v as=table -f "$TOP/harness/bench.awk" "$SCRATCH/figures" | tee "$SCRATCH/table"
	[ "$(grep -c ' !$' "$SCRATCH/table")" = 1 ]
	grep -q '^too much .* !$' "$SCRATCH/table"
	echo "what is this" >>"$SCRATCH/figures"
	! awk -v as=table -f "$TOP/harness/bench.awk" "$SCRATCH/figures"
}

# What measures the fixes names them, and what they stand on; in JSON, too.
fixes_are_named() {
	local as
	cat >"$SCRATCH/figures" <<-END
	fact,base,$base
	stock,strategies,none,1,2,3,4,5,6,7,8,
	fixes,strategies,none,1,2,3,4,5,6,7,8,
	stock,lock,lock,a lock,call,1000.000,1000.000,1000.000,
	fixes,lock,lock,a lock,call,500.000,500.000,500.000,
	stock,unused,unused,nothing,call,1000.000,1000.000,1000.000,
	fixes,unused,unused,nothing,call,1000.000,1000.000,1000.000,
	stock,text,vmlinux,1000
	fixes,text,vmlinux,2000
	END
	for as in table json plot; do
		awk -v as=$as -v ours=fixes -f "$TOP/harness/bench.awk" "$SCRATCH/figures" | tee "$SCRATCH/$as"
		if grep 'series\|baseline\|not available' "$SCRATCH/$as"; then return 1; fi
	done
	# shellcheck disable=SC2016 # it is perl
	perl -MJSON::PP -0777 -ne 'my $j = decode_json($_);
		exit !($j->{text_bytes}{vmlinux}{fixes} == 2000 && $j->{unused}[0]{stock} == 1000)' <"$SCRATCH/json"
}

checks_of_the_bench() {
	t "bench: what costs too much is marked" marked
	t "bench: the fixes and stock are named" fixes_are_named
	t "$base $arch: bench: all strategies; two runs, the same figures" same_figures
	! wants_baseline || t "$base $arch: bench: a kernel without lock on fault" without_lock_on_fault
	t "$base $arch: bench: vm.max_map_count" too_many_mappings
}
