# SPDX-License-Identifier: GPL-2.0
#
# awk -f ambiguous.awk FILE DIFF...: print the hunks of the first DIFF, which
# changes FILE.  A hunk that would fit FILE in more than one place is replaced
# by the one that covers it in the first of the other DIFFs, which are the same
# with ever more context, where it fits one place only.

function fits(h,   start, i, n, k, text, want) {
	k = split(body[h], text, "\n")
	for (i = 1; i < k; i++)
		if (text[i] !~ /^[+\\]/)
			hunk[want++] = substr(text[i], 2)
	for (start = 1; start + want - 1 <= total; start++) {
		for (i = 0; i < want && file[start + i] == hunk[i]; i++)
			;
		if (i == want)
			n++
	}
	return n
}

FNR == 1 { part++ }
part == 1 { file[++total] = $0; next }
/^@@ / {
	split(substr($2, 2), range, ",")
	h = ++hunks[part]
	h = part SUBSEP h
	head[h] = $0
	first[h] = range[1] + 0
	last[h] = range[1] + (range[2] == "" ? 1 : range[2]) - 1
	next
}
part in hunks { body[h] = body[h] $0 "\n" }

END {
	for (n = 1; n <= hunks[2]; n++) {
		use = small = 2 SUBSEP n
		if (last[small] <= done)
			continue
		for (p = 3; fits(use) > 1; p++) {
			if (p > part)
				exit 1
			for (m = 1; m <= hunks[p]; m++)
				if (first[p, m] <= first[small] && last[p, m] >= last[small])
					use = p SUBSEP m
		}
		# what has grown may have taken in hunks before it
		while (chosen && first[list[chosen]] >= first[use])
			chosen--
		list[++chosen] = use
		done = last[use]
	}
	for (n = 1; n <= chosen; n++)
		printf "%s\n%s", head[list[n]], body[list[n]]
}
