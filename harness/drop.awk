# SPDX-License-Identifier: GPL-2.0
#
# Print a file without the lines that match RULE (from the environment, so
# that awk does not unescape it twice), and without what these lines would
# leave of their surroundings: an empty block comment, a doubled blank line.

{ line[NR] = $0; if ($0 ~ ENVIRON["RULE"]) gone[NR] = 1 }

END {
	for (a = 1; a <= NR; a = b + 1) {
		b = a
		if (!(a in gone))
			continue
		while (b + 1 in gone)
			b++
		for (before = a - 1; before in gone; before--)
			;
		after = b + 1
		if (line[before] ~ /^[ \t]*\/\*$/ && line[after] ~ /^[ \t]*\*\/$/) {
			gone[before--] = 1
			gone[after++] = 1
		}
		if (line[before] == "" && line[after] == "" && after <= NR)
			gone[after] = 1
	}
	for (i = 1; i <= NR; i++)
		if (!(i in gone))
			print line[i]
}
