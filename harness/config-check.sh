#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# config-check.sh FINAL_CONFIG FRAGMENT...
#
# Does the final .config have every symbol that the fragments ask for, with the
# value they ask for?  kconfig drops without a word what it does not know or
# whose dependencies are not met, and a kernel without userfaultfd would make
# the userfaultfd tests skip rather than fail.
#
# "# CONFIG_X is not set" is fulfilled by an absent symbol, too: what this
# base does not know is not set.  "# optional" on the line before a symbol says
# that some bases lack it; then an absent or unset symbol is fine.  The last
# fragment that names a symbol has the say: a machine may lack what the
# fragment for all of them wants.
#
# Prints one line per missing symbol; exit status 1 if there was any.

# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 2 ] || die "usage: config-check.sh FINAL_CONFIG FRAGMENT..."
for f; do
	[ -r "$f" ] && [ -f "$f" ] || die "config-check: cannot read $f"
done

awk '
# sym and val of a line; false for lines that say nothing about a symbol
function parse(line,	eq) {
	if (line ~ /^# CONFIG_[A-Za-z0-9_]+ is not set$/) {
		sym = $2
		val = "n"
		return 1
	}
	if (line ~ /^CONFIG_[A-Za-z0-9_]+=/) {
		eq = index(line, "=")
		sym = substr(line, 1, eq - 1)
		val = substr(line, eq + 1)
		return 1
	}
	return 0
}
FNR == 1 { file++; optional = 0 }
file == 1 {
	if (parse($0))
		have[sym] = val
	next
}
/^# optional$/ { optional = 1; next }
parse($0) {
	if (!(sym in want))
		order[++n] = sym
	want[sym] = val
	may_lack[sym] = optional
	from[sym] = FILENAME
}
{ optional = 0 }
END {
	for (i = 1; i <= n; i++) {
		sym = order[i]
		got = sym in have ? have[sym] : "n"
		if (got == want[sym] || (may_lack[sym] && got == "n"))
			continue
		printf "%s: %s: wanted %s, got %s\n", from[sym], sym,
			want[sym] == "n" ? "not set" : want[sym],
			got == "n" ? "not set" : got
		bad = 1
	}
	exit bad
}
' "$@"
