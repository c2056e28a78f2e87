#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# series.sh BASE PART [DIR]: the series as mails, whole files and all, in
# out/series-BASE or in DIR: 0000-cover-letter.patch and one file for each
# patch, as git send-email and b4 take them.  Prints that directory last.
#
# PART all: patch 1 takes Linux's own lock on fault out, in one piece: for git
# am the series begins at stock.  PART fixes: the fixes on Linux's own version,
# in out/series-BASE-fixes.
#
# The texts that no commit has are in patches/cover-letter or
# patches/cover-letter-fixes, in the cover-letter beside the patches (what is
# true of one base only) and in patches/baseline-message.  Whom to mail is in the kernel's
# MAINTAINERS; no address is kept here.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: series.sh BASE PART [DIR]} tree_part=${2:?usage: series.sh BASE PART [DIR]}
check_base "$base"
check_part "$tree_part"
case $tree_part in
all)	text=cover-letter dir=$OUT/series-$base ;;
fixes)	text=cover-letter-fixes dir=$OUT/series-$base-fixes ;;
esac
dir=${3:-$dir}

# Signed-off-by is a statement of whoever mails, so never a default.
who() {
	git -C "$TOP" config "user.$1" ||
		die "git does not know your user.$1, and Signed-off-by is the mailer's own: git config --global user.$1 '$2'"
}
"$TOP/harness/deps.sh" tree series
name=$(who name 'Your Name')
email=$(who email you@example.org)

"$TOP/harness/tree.sh" "$base" "$tree_part"
. "$TOP/harness/treelib.sh"
[ "$(kgit "$TREE" rev-parse HEAD)" = "$(kgit "$TREE" rev-parse "$tag")" ] ||
	note "lock-on-fault: $tree_dir has commits that are not exported; the series is the tag: make export $make_vars"
source=$(awk '$1 == "source" { print $3 }' "$STATE")
[ -e "$TREE/scripts/get_maintainer.pl" ] || die "$source has no scripts/get_maintainer.pl to say whom to mail"
lock "$base-$tag-mails"
scratch

# What is mailed: the same trees as the tags', but the removal in one piece.
chain() {
	local commit last format='%an%n%ae%n%aD'
	local -a by
	if [ "$tree_part" = fixes ]; then
		echo fixes
		return
	fi
	mapfile -t by < <(kgit "$TREE" log -1 --format="$format" baseline)
	last=$(as_author "${by[@]}" commit-tree -p stock -F "$TOP/patches/baseline-message" "baseline^{tree}")
	while read -r commit; do
		mapfile -t by < <(kgit "$TREE" log -1 --format="$format" "$commit")
		last=$(kgit "$TREE" log -1 --format=%B "$commit" | as_author "${by[@]}" commit-tree -p "$last" -F - "$commit^{tree}")
	done < <(kgit "$TREE" rev-list --reverse baseline..series)
	printf '%s\n' "$last"
}
as_author() {
	local author=$1 address=$2 date=$3
	shift 3
	GIT_AUTHOR_NAME=$author GIT_AUTHOR_EMAIL=$address GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date kgit "$TREE" "$@"
}

# addresses PATCH: "To: ..." for maintainers, "Cc: ..." for reviewers and
# lists.  By files only: a word in a test is no reason to write to the
# maintainers of an architecture.
addresses() {
	(cd "$TREE" && perl scripts/get_maintainer.pl --no-git --no-git-fallback --no-keywords --roles --no-rolestats "$1") \
		2>"$SCRATCH/err" | perl -MEncode -ne '
		chomp;
		my $to = /\((maintainer|supporter|odd fixer|chief penguin)[^()]*(\([^()]*\)[^()]*)*\)$/ ? "To" : "Cc";
		s/ \([a-z ]+(:.*)?\)$//;
		my $line = decode("UTF-8", $_);
		$line = encode("MIME-Q", $1) . $2 if $line =~ /^"?([^"<]*[^\x00-\x7f][^"<]*?)"?( <.*)$/;
		print "$to: $line\n"'
}
# headers <LINES: those addresses as two headers, one address in a line
headers() {
	awk '{ kind = $1; sub(/^(To|Cc): /, "")
		if (!seen[$0]++) list[kind] = list[kind] (list[kind] ? ",\n\t" : "") $0 }
		END { for (i = 1; i <= 2; i++) { kind = i == 1 ? "To:" : "Cc:"; if (list[kind]) print kind, list[kind] } }'
}

# add_headers PATCH: those below the headers that it has
add_headers() {
	awk -v file="$SCRATCH/headers" '
		!done && /^$/ { while ((getline line <file) > 0) print line; done = 1 }
		{ print }' "$1" >"$SCRATCH/with"
	cp "$SCRATCH/with" "$1"
}

# Who had the call and does not get it back.
architectures() {
	local lost
	lost=$(comm -23 <(tables stock) <(tables series) | xargs)
	[ -n "$lost" ] || return 0
	fmt -w 75 <<-END
	The call is wired up in the generic table and those of $(tables series | xargs | sed -E 's/ /, /g; s/, ([^,]*)$/ and \1/').  Architectures with tables of
	their own that lose their entry with patch 1, and do not have it back: ${lost// /, }${lost:+.}
	END
}
tables() {
	kgit "$TREE" grep -lE '^([0-9]+[[:space:]]+[a-z0-9]+[[:space:]]+mlock2|#define __NR_mlock2)[[:space:]]' \
		"$1" -- 'arch/*.tbl' 'arch/*unistd32.h' |
		sed -E 's%^[^:]*:arch/([^/]*)/.*%\1%' | sort -u || :
}

figures() { "$TOP/harness/figures.sh" "$base" | sed 's/[[:space:]]*$//'; }

step SERIES "$base: $(kgit "$TREE" rev-list --count "$below..$tag") patches$([ "$below" = stock ] || echo ", and the one that takes Linux's own out")"
export GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email
mkdir -p "$SCRATCH/mail"
# A blob's name is the same in every clone, if it is long enough there.
kgit "$TREE" -c core.abbrev=12 -c user.name="$name" -c user.email="$email" -c format.signature= \
	format-patch -q -o "$SCRATCH/mail" --signoff --from="$name <$email>" --no-signature --subject-prefix="PATCH $base" \
	--cover-letter --no-renames --no-ext-diff --no-textconv stock.."$(chain)"

# Who takes the series: those whose file mm/mlock.c is.
(cd "$TREE" && perl scripts/get_maintainer.pl --no-git --no-git-fallback --roles --no-rolestats -f mm/mlock.c) |
	sed -n 's/ (maintainer:.*//p' | sed 's/^/To: /' >"$SCRATCH/takers"
for patch in "$SCRATCH"/mail/*.patch; do
	[ "${patch##*/}" != 0000-cover-letter.patch ] || continue
	addresses "$patch" >"$SCRATCH/to"
	[ -s "$SCRATCH/to" ] || die "get_maintainer.pl knows nobody for ${patch##*/}: $(head -n 1 "$SCRATCH/err")"
	# some files (fs/proc) have lists and no maintainer
	grep -q '^To: ' "$SCRATCH/to" || cat "$SCRATCH/takers" >>"$SCRATCH/to"
	# every list learns of the whole
	grep '^Cc: [^<]*$' "$SCRATCH/to" >>"$SCRATCH/lists" || :
	headers <"$SCRATCH/to" >"$SCRATCH/headers"
	add_headers "$patch"
done

# The letter: its text in place of git's, whatever is measured or counted
# in place of a @WORD@.
letter=$SCRATCH/mail/0000-cover-letter.patch
cat "$SCRATCH/takers" "$SCRATCH/lists" | headers >"$SCRATCH/headers"
printf '    Linux %s.%s, %s\n' "$base" "$(kgit "$TREE" show stock:Makefile | awk '$1 == "SUBLEVEL" { print $3 }')" "$source" >"$SCRATCH/SOURCE"
[ "$tree_part" = fixes ] || architectures >"$SCRATCH/ARCHES"
[ "$tree_part" = fixes ] || figures >"$SCRATCH/FIGURES"
"$TOP/harness/style.sh" "$base" exceptions >"$SCRATCH/IGNORED"
cat "$PATCHES/cover-letter" >"$SCRATCH/BASE" 2>/dev/null || :

awk -v scratch="$SCRATCH" '
	function put(word,   line, any) {
		while ((getline line <(scratch "/" word)) > 0) { print line; any = 1 }
		return any
	}
	# a word that stands for nothing goes with the blank line below it
	FNR == NR && FNR == 1 { subject = $0; next }
	FNR == NR { text[++n] = $0; next }
	/^Subject: / { sub(/\*\*\* SUBJECT HERE \*\*\*/, subject) }
	$0 != "*** BLURB HERE ***" { print; next }
	{
		for (i = 2; i <= n; i++) {
			if (!match(text[i], /@[A-Z]+@/))
				print text[i]
			else if (!put(substr(text[i], RSTART + 1, RLENGTH - 2)))
				i++
		}
	}' "$TOP/patches/$text" "$letter" >"$SCRATCH/letter"
cp "$SCRATCH/letter" "$letter"
add_headers "$letter"

# What a mailer or a maintainer would only find out later.
for mail in "$SCRATCH"/mail/*.patch; do
	[ "$(awk '{ print length }' "$mail" | sort -n | tail -n 1)" -le 998 ] ||
		die "${mail##*/} has a line that is longer than a mail may have"
	kgit "$TREE" mailinfo "$SCRATCH/msg" "$SCRATCH/diff" <"$mail" >"$SCRATCH/info" ||
		die "${mail##*/} is no mail that git could read"
done
mkdir -p "$(dirname "$dir")"
rm -rf "$dir.new" && cp -r "$SCRATCH/mail" "$dir.new" && rm -rf "$dir" && mv "$dir.new" "$dir" ||
	die "cannot write $dir$(disk_hint "$(dirname "$dir")")"
step SERIES "to mail it: git send-email $dir/*.patch"
printf '%s\n' "$dir"
