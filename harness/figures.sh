#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# figures.sh BASE: what the cover letter says of measurements, out of what
# "make bench" left in out/bench-BASE-ARCH.json.  Without that it says so.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: figures.sh BASE}
check_base "$base"
. "$TOP/harness/treelib.sh"

none() {
	echo "No figures were measured for this letter."
	[ $# -eq 0 ] || note "lock-on-fault: $*"
	exit 0
}
shopt -s nullglob
files=("$OUT/bench-$base"-*.json)
[ ${#files[@]} -gt 0 ] || none "there are no figures for the cover letter; make bench BASE=$base measures them"

# A benchmark that knows which series it has measured says so.
id=
[ ! -d "$TREE/.git" ] || id=$(build_id series)
for file in "${files[@]}"; do
	ID=$id perl -MJSON::PP -e '
	local $/;
	my $j = decode_json(<STDIN>);
	my ($mib, $reads) = ($j->{file_mib}, $j->{reads});
	1 while $reads =~ s/^(\d+)(\d{3})/$1,$2/;
	printf "Linux %s (%s), %s:\n%s.\n", @$j{qw(base revision arch machine)};
	print "They are those of an earlier state of this series.\n" if ($j->{series} // $ENV{ID}) ne $ENV{ID};
	sub val { my ($v, $f) = @_; defined $v ? sprintf($f, $v) : "-" }
	sub ms { my ($k, $what) = @_; $k && $k->{available} ? sprintf("%.3f", $k->{$what} / 1e6) : "-" }
	if (@{$j->{strategies} // []}) {
		printf "\nA file of %s MiB in the page cache, %s random reads; milliseconds\n\n", $mib, $reads;
		printf "  %-14s %25s   %25s\n", "", "setup          ", "processing       ";
		printf "  %-14s %12s %12s   %12s %12s\n", "strategy", ("stock", "series") x 2;
		for (@{$j->{strategies}}) {
			my ($a, $b) = @$_{qw(stock series)};
			printf "  %-14s %12s %12s   %12s %12s\n", $_->{name}, ms($a, "setup_ns"), ms($b, "setup_ns"),
				ms($a, "processing_ns"), ms($b, "processing_ns");
		}
	}
	for (["lock", "stock", "With locks on fault"], ["unused", "baseline", "Where they are not used"]) {
		my ($list, $one, $title) = @$_;
		next unless @{$j->{$list} // []};
		printf "\n%s; instructions\n\n  %-37s %12s %12s %9s\n", $title, "", $one, "series", "change";
		for (@{$j->{$list}}) {
			my ($a, $b) = @$_{$one, "series"};
			printf "  %-37.37s %12s %12s %9s\n", $_->{name}, val($a, "%.1f"), val($b, "%.1f"),
				$a && defined $b ? sprintf("%+.2f %%", ($b - $a) * 100 / $a) : "-";
		}
	}
	if (my $t = $j->{text_bytes}{vmlinux}) {
		printf "\nText of the kernel: %+d bytes over baseline, of %d.\n", $t->{series} - $t->{baseline}, $t->{baseline};
	}
	print "\n";' <"$file" || die "${file#"$TOP"/} is not what make bench writes"
done | sed '$d'
