#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# swap-proof.sh BASE ARCH KERNEL
#
# Does anything that is locked on fault reach the swap disk?  Boots KERNEL with
# less memory than harness/tests/swap-secrets.c works on, and when the guest
# has ended searches the raw image of its swap disk for the secrets and for
# what the program wrote to unlocked memory beside them.  One line for each
# variant:
#
#	ok|FAIL|open|skip VARIANT what was found
#
# Secrets must not be there, not one of them, and at least half of the twins
# must, or nothing is shown.  "open" is a known leak, which has to show; so have
# the limits that the user guide names.  Exit status 1 if any line says FAIL.
#
# IMAGE=FILE AS=NAME takes a kernel that is none of the three, and APPEND has
# more arguments for it; LEAKS=1 is for one that must let every secret out.
. "$(dirname "$0")/lib.sh"

base=${1:-} arch=${2:-} kernel=${3:-}
[ $# -eq 3 ] || die "usage: swap-proof.sh BASE ARCH KERNEL"
check_base "$base"
check_arch "$arch"
check_kernel "$kernel"
. "$TOP/harness/archlib.sh"
abi=$(arch_abis "$arch" | cut -d' ' -f1)
here=$BUILD/$base/$arch/swap-proof-${AS:-$kernel}
source=$TOP/harness/tests/swap-secrets.c
program=$BUILD/$base/$arch/swap-secrets
scratch
mkdir -p "$here"

# selftests.sh makes the headers; every kernel is asked with those of series.
build() {
	local include
	local -a cc
	include=$("$TOP/harness/selftests.sh" headers "$base" "$arch" series "$abi")
	read -ra cc < <(arch_abi_cc "$arch" "$abi")
	lock "$base-$arch-swap-secrets"
	"${cc[@]}" -O2 -Wall -Wextra -Werror -static -D_GNU_SOURCE -isystem "$include" \
		-I"$TOP/tools/testing/selftests/vm" -o "$program.new" "$source" >&2 ||
		die "harness/tests/swap-secrets.c does not compile for $abi"
	mv "$program.new" "$program"
}

# What is searched for must be in the guest for one reason only.  The token is
# new in each run and the program gets it in small letters: no file, no word
# on a command line and nothing in an environment has what is in the pages.
token=$(head -c 4096 /dev/urandom | tr -dc '[:lower:]')
token=${token:0:24}

# found: of each tag in the image, whether secret or twin, of which variant
# and page, one line.  What lies between two NULs is a line to grep: zeroes
# and holes, most of the image, cost nothing, and each tag has its own.
found() {
	grep -z -a -o -E "${token^^}[ST][0-9]{2}[0-9a-f]{8}" "$1" | tr '\0' '\n' |
		cut -c$((${#token} + 1))- | sort -u || [ "${PIPESTATUS[0]}" = 1 ]
}

verdicts() {
	awk -v leaks="${LEAKS:-}" '
		FILENAME == ARGV[1] { n[substr($1, 1, 3)]++; next }
		$1 !~ /^[0-9][0-9]$/ { next }
		{ id = $1; name = $2; kind = $3 }
		kind == "skip" {
			sub(/^[^ ]+ [^ ]+ [^ ]+ /, "")
			print "skip", name, $0
			next
		}
		{
			secrets = n["S" id] + 0
			twins = n["T" id] + 0
			what = "secrets: " secrets " of " $4 " pages in the swap image, twin: " twins " of " $7
			for (i = 9; i <= NF; i++)
				what = what (i == 9 ? "; " : " ") $i
			must = kind != "kept" || leaks
			if (twins < $7 / 2)
				print "FAIL", name, what " (too few: nothing is shown)"
			else if (must && !secrets)
				print "FAIL", name, what " (a kind \"" kind "\" that has to be found there)"
			else if (!must && secrets)
				print "FAIL", name, what
			else
				print (kind == "open" && !leaks ? "open" : "ok"), name, what
		}' "$1" "$2"
}

build
image=${IMAGE:-}
[ -n "$image" ] || image=$("$TOP/harness/kernel.sh" "$base" "$arch" "$kernel")
step RUN "$base $arch ${AS:-$kernel}: secrets, and memory that is short"
began=$(date +%s)
status=0
"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --mem 256M --smp 2 --swap 1G --swap-image "$SCRATCH/swap" \
	--append "${APPEND:-}" --timeout "${TIMEOUT:-900}" -- "$program" "$token" |
	tee "$here/said" | sed -un 's/^[a-z]*: [0-9]* of [0-9]* variants/  RUN      &/p' >&2 || status=$?
found "$SCRATCH/swap" >"$here/found"
verdicts "$here/found" "$here/said" | tee "$here/lines"
step RAN "$(awk '/^pressure/' "$here/said"), $(($(du -k "$SCRATCH/swap" | cut -f1) / 1024)) MiB of the disk written, in $(elapsed "$began")"
[ "$status" = 0 ] || { tail -n 3 "$here/said" >&2; die "the guest ended with status $status"; }
# every variant has a line
[ "$(wc -l <"$here/lines")" = "$(grep -cE '^	[{] "[A-Za-z]' "$source")" ] || die "variants without a result"
! grep -q '^FAIL' "$here/lines"
