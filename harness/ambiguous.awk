# SPDX-License-Identifier: GPL-2.0
#
# awk -f ambiguous.awk FILE DIFF: exit 1 if a hunk of DIFF, which changes
# FILE, would fit FILE in more than one place.

function places(   start, i, n) {
	if (!want)
		return
	for (start = 1; start + want - 1 <= total; start++) {
		for (i = 0; i < want && file[start + i] == hunk[i]; i++)
			;
		if (i == want)
			n++
	}
	if (n > 1)
		twice = 1
	want = 0
}

NR == FNR { file[++total] = $0; next }
/^@@ / { places(); body = 1; next }
!body || /^[+\\]/ { next }
{ hunk[want++] = substr($0, 2) }
END { places(); exit twice }
