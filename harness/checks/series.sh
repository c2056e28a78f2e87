# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base is the caller's
#
# Tests of the mails that make series writes.

# Somebody else's name: Signed-off-by is whose git it is, From: is not.
mailer() {
	printf '[user]\n\tname = A Mailer\n\temail = mailer@localhost\n[format]\n\tsubjectPrefix = XXX\n[diff]\n\tnoprefix = true\n' >"$SCRATCH/mailer"
	GIT_CONFIG_GLOBAL=$SCRATCH/mailer GIT_CONFIG_COUNT=2 \
		GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0='A Mailer' \
		GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=mailer@localhost "$@"
}

# In all of these PART is all or fixes, and its mails are in $SCRATCH/PART.
no_mailer() { says "git config --global user.name" env GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 "$COPY/harness/series.sh" "$base" "$1"; }

tag_of() { if [ "$1" = fixes ]; then echo fixes; else echo series; fi; }

series_is_written() {
	local part=$1 commits
	mailer "$TOP/harness/series.sh" "$base" "$part" "$SCRATCH/$part"
	ls "$SCRATCH/$part"
	case $part in
	all)	commits=$((1 + $(kgit "$BUILD/$base/tree" rev-list --count baseline..series))) ;;
	fixes)	commits=$(kgit "$BUILD/$base/tree" rev-list --count stock..fixes) ;;
	esac
	[ "$(find "$SCRATCH/$part" -name '*.patch' | wc -l)" = $((1 + commits)) ]
}

# am_on DIR PART: the mails as a maintainer takes them; prints the tree's id.
am_on() {
	# what git does not do by itself is not asked for: no -3, no --whitespace
	find "$SCRATCH/$2" -name '*.patch' ! -name '0000-*' | sort | xargs -d '\n' git -C "$1" -c user.name=A -c user.email=m@localhost am -q >&2
	git -C "$1" rev-parse 'HEAD^{tree}'
}

# A checkout of the files that matter, and an index of all of them.
applies_to_stock() {
	local part=$1 tree=$BUILD/$base/tree am=$SCRATCH/am-$1 tag
	tag=$(tag_of "$part")
	kgit "$tree" worktree prune
	kgit "$tree" worktree add -q --no-checkout --detach "$am" stock
	kgit "$tree" diff --name-only stock "$tag" | sed 's%^%/%' | kgit "$am" sparse-checkout set --no-cone --stdin
	kgit "$am" checkout -q
	[ "$(am_on "$am" "$part")" = "$(kgit "$tree" rev-parse "$tag^{tree}")" ]
	# who wrote it is in the mail's text
	! kgit "$am" log stock..HEAD --format='%an' | grep -x 'A Mailer' || return 1
	kgit "$tree" worktree remove --force "$am"
}

mails_are_mails() {
	local part=$1 mail subject tags
	for mail in "$SCRATCH/$part"/*.patch; do
		subject=$(kgit . mailinfo "$SCRATCH/msg" "$SCRATCH/diff" <"$mail" | sed -n 's/^Subject: //p')
		[ -n "$subject" ] || { echo "$mail has no subject"; return 1; }
		echo "$subject"
		[ "$(awk '{ print length }' "$mail" | sort -n | tail -n 1)" -le 998 ]
		# the text, without what a diff or a diffstat is as wide as
		! sed '/^---$/Q; /^[^ ].* ([0-9]*):$/Q' "$mail" | grep -vE '^(From|To|Cc|Subject|Signed-off-by|[[:space:]])' |
			grep -E '.{76}' || { echo "${mail##*/} has a line of more than 75 columns"; return 1; }
		[ "$(sed '/^$/Q' "$mail" | grep -cE '^(To|Cc): .*@')" = 2 ] || { echo "${mail##*/} has no To or no Cc"; return 1; }
		tags=$(grep -cE '^(Acked|Reviewed|Tested|Reported|Suggested|Co-developed|Fixes)[a-z-]*: ' "$mail") || :
		[ "$tags" = 0 ]
		grep -cxF 'Signed-off-by: A Mailer <mailer@localhost>' "$mail" || :
	done | tee "$SCRATCH/mails"
	# once in each patch, and not in the letter
	[ "$(grep -cx 1 "$SCRATCH/mails")" = $(($(find "$SCRATCH/$part" -name '*.patch' | wc -l) - 1)) ]
	[ "$(grep -cx 0 "$SCRATCH/mails")" = 1 ]
	# bash does not take a failed "! grep" for an error but in the last line
	if grep -hE '@[A-Z]+@|\*\*\*|localhost' "$SCRATCH/$part"/0000-* | grep -vE '^From: A Mailer '; then return 1; fi
	if grep -F -- "$TOP/" "$SCRATCH/$part"/*; then return 1; fi
	# figures are measured or not there
	[ "$part" = fixes ] || grep -q '^Figures$' "$SCRATCH/$part"/0000-*
}

# The patch that no commit is, as the others are checked.
removal_style() {
	mailer "$TOP/harness/series.sh" "$base" all "$SCRATCH/all"
	cd "$BUILD/$base/tree" || exit 1
	# the line that says who wrote it is as long as it is
	awk 'text && /^From: / { next } /^$/ { text = 1 } { print }' "$SCRATCH"/all/0001-* >"$SCRATCH/0001.patch"
	PATH=/usr/bin:/bin perl scripts/checkpatch.pl --strict --show-types --ignore FILE_PATH_CHANGES,NO_AUTHOR_SIGN_OFF \
		"$SCRATCH/0001.patch"
}

# The letter has the figures that were measured, and none if none were.
figures_are_measured() {
	local clone=$SCRATCH/figures
	cp -r "$COPY" "$clone"
	rm -rf "$clone/out" "$clone/build"
	"$clone/harness/figures.sh" "$base" >"$SCRATCH/letter"
	grep -x 'No figures were measured for this letter.' "$SCRATCH/letter"
	! grep '[0-9]' "$SCRATCH/letter" || return 1
	mkdir "$clone/out"
	cat >"$clone/out/bench-$base-x86_64.json" <<-END
	{"base": "$base", "arch": "x86_64", "revision": "$base.1-1", "machine": "a machine", "file_mib": 256, "reads": 750000,
	 "strategies": [{"name": "onfault",
	  "stock": {"available": true, "setup_ns": 1234567, "processing_ns": 77000000},
	  "series": {"available": false, "reason": "none"}}],
	 "lock": [{"name": "munlock", "per": "call", "stock": 2000, "series": 1000.5}],
	 "unused": [{"name": "fork", "per": "call", "baseline": null, "series": 5}]}
	END
	"$clone/harness/figures.sh" "$base" | tee "$SCRATCH/letter"
	grep -qF "Linux $base ($base.1-1), x86_64:" "$SCRATCH/letter"
	tr -s ' ' <"$SCRATCH/letter" | grep -x ' onfault 1.235 - 77.000 -'
	tr -s ' ' <"$SCRATCH/letter" | grep -x ' munlock 2000.0 1000.5 -49.98 %'
	tr -s ' ' <"$SCRATCH/letter" | grep -x ' fork - 5.0 -'
	! grep -E '.{76}' "$SCRATCH/letter" || return 1
	echo 'no figures' >"$clone/out/bench-$base-x86_64.json"
	says "is not what make bench writes" "$clone/harness/figures.sh" "$base"
}

fixes_style() {
	local -a commits
	mapfile -t commits < <(kgit "$BUILD/$base/tree" rev-list --reverse stock..fixes)
	"$TOP/harness/style.sh" "$base" "${commits[@]}"
}

# What each of them is about the letter says by its number.
letter_has_all_fixes() {
	local commits
	commits=$(kgit "$BUILD/$base/tree" rev-list --count stock..fixes)
	[ "$(grep -cE '^ ?[0-9]+  [^ ]' "$SCRATCH"/fixes/0000-*)" = "$commits" ]
	# no file of theirs has a name that stock has
	! kgit "$BUILD/$base/tree" ls-tree -r --name-only stock | grep -xFf <(. "$TOP/harness/treelib.sh"
		all_series_files "$TOP/patches/linux-$base-fixes/series")
}

fixes_unchanged_by_export() {
	find "$TOP/patches/linux-$base-fixes" "$TOP/include" "$TOP/tools" -type f | sort | xargs sha256sum >"$SCRATCH/before"
	"$TOP/harness/export.sh" "$base" fixes
	find "$TOP/patches/linux-$base-fixes" "$TOP/include" "$TOP/tools" -type f | sort | xargs sha256sum | diff "$SCRATCH/before" -
}

has_fixes() { [ -d "$TOP/patches/linux-$base-fixes" ]; }
# The fixes by themselves, on Linux's own version.
defects_fixed_on_stock() { "$TOP/harness/defects.sh" "$base" fixes | tee "$SCRATCH/defects"; }
checks_of_the_fixes() {
	t "$base: fixes: a letter and all patches" series_is_written fixes
	t "$base: fixes: the letter knows all of them; they take no name of stock's" letter_has_all_fixes
	t "$base: fixes: as mails: headers, widths, one Signed-off-by, no review tags" mails_are_mails fixes
	t "$base: fixes: git am on stock gives the tag's tree" applies_to_stock fixes
	t "$base: fixes: export changes nothing" fixes_unchanged_by_export
	t "$base x86_64: the defects of stock: there, and not with the fixes alone" defects_fixed_on_stock
	cat "$SCRATCH/defects" 2>/dev/null || :
}

checks_of_the_style() {
	t "$base: checkpatch --strict" style
	t "$base: series: checkpatch --strict of the patch that takes Linux's own out" removal_style
	! has_fixes || t "$base: fixes: checkpatch --strict" fixes_style
}

checks_of_the_mails() {
	t "$base: series: without a name for Signed-off-by: one line" no_mailer all
	t "$base: series: a letter and all patches" series_is_written all
	t "$base: series: as mails: headers, widths, one Signed-off-by, no review tags" mails_are_mails all
	t "$base: series: figures are those of make bench, or none" figures_are_measured
	t "$base: series: git am on stock gives the tag's tree" applies_to_stock all
	t "$base: series: applies to the oldest revision offered; its export changes nothing" oldest_revision
}
