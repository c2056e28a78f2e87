#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# export.sh BASE [PART]: write the commits of build/BASE/tree, or of
# build/BASE/fixes, back into patches/ and the whole files.  A patch file is written only when the stable patch id, the
# message or the author of its commit changed, so that neither another
# revision of the base nor another git rewrites what nobody edited.
#
# Nothing here is touched until all of it has been written and read back.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: export.sh BASE [PART]} tree_part=${2:-all}
check_base "$base"
check_part "$tree_part"
. "$TOP/harness/treelib.sh"
lock "$base-$(basename "$tree_dir")"
scratch
[ -e "$TREE/.git" ] && [ -r "$STATE" ] || die "there is no $tree_dir; make one: make tree $make_vars"
new=$SCRATCH/new
mkdir -p "$new"

[ -z "$(kgit "$TREE" status --porcelain -uno | head -n 1)" ] ||
	die "$tree_dir has uncommitted changes; commit them first"
new_file=$(kgit "$TREE" ls-files --others --exclude-standard | head -n 1)
[ -z "$new_file" ] ||
	die "$tree_dir: git does not know $new_file yet; git add and commit it, or remove it"
git_dir=$(kgit "$TREE" rev-parse --absolute-git-dir)
[ ! -d "$git_dir/rebase-merge" ] && [ ! -d "$git_dir/rebase-apply" ] ||
	die "$tree_dir is in the middle of a rebase; finish it first"
mapfile -t commits < <(kgit "$TREE" rev-list --reverse --first-parent stock..HEAD)
[ "$(kgit "$TREE" merge-base stock HEAD)" = "$(kgit "$TREE" rev-parse stock)" ] ||
	die "$tree_dir: the commits must stand on the tag stock"
[ -z "$(kgit "$TREE" rev-list --merges stock..HEAD)" ] ||
	die "$tree_dir has a merge; the series is a line of commits"
if [ "$tree_part" = fixes ]; then
	nr=1
else
	nr=0
	rules=$(state rules) rulesum=$(state rulesum)
	[ -n "$rules" ] || die "$tree_dir is unfinished: make tree $make_vars"
	[ "${commits[0]:-}" = "$rules" ] && [ ${#commits[@]} -ge 2 ] ||
		die "$tree_dir: the commits must stand on the rules' commit ${rules:0:12}; edit patches/baseline.rules to change that one"
	commits=("${commits[@]:1}")
fi

title() { kgit "$TREE" log -1 --format='%h ("%s")' "$1"; }

# Which files of a commit are whole files: those that it adds, unless they
# stay hunks.  The kernel's build files always do, and what the series file
# marks so.
declare -a whole plain
classify() {
	local commit=$1 status f
	whole=() plain=()
	while IFS=$'\t' read -r status f; do
		case $status:${f##*/} in
		A:Makefile | A:.gitignore | A:run_vmtests*) plain+=("$f") ;;
		A:*)
			if grep -qxF -- "$f" "$SCRATCH/hunks"; then
				plain+=("$f")
			else
				whole+=("$f")
			fi ;;
		*)	plain+=("$f") ;;
		esac
	done < <(kgit "$TREE" diff-tree -r --no-commit-id --name-status "$commit^" "$commit")
}

# diff_of COMMIT FILE: one file's diff, each hunk with as much context as it
# takes for it to fit one place only, and no more: context is what another
# revision of the base may have changed.  What moves about with the revision
# (blob ids, the function a hunk is in) is left out.
diff_of() {
	local commit=$1 f=$2 lines
	kgit "$TREE" show "$commit^:$f" >"$SCRATCH/pre" 2>/dev/null || : >"$SCRATCH/pre"
	# awk counts files by their first lines
	[ -s "$SCRATCH/pre" ] || echo >"$SCRATCH/pre"
	for lines in 01 02 03 05 08 12; do
		kgit "$TREE" diff-tree -p -U"${lines#0}" --no-color --no-ext-diff --no-textconv --no-commit-id \
			"$commit^" "$commit" -- "$f" | awk '
			/^diff --git / { head = 1 }
			head && /^index / { next }
			/^@@ / { head = 0; sub(/ @@.*/, " @@") }
			{ print }' >"$SCRATCH/diff.$lines"
	done
	sed '/^@@ /Q' "$SCRATCH/diff.01"
	awk -f "$TOP/harness/ambiguous.awk" "$SCRATCH/pre" "$SCRATCH"/diff.?? ||
		die "$f of $(title "$commit"): a hunk that fits several places"
}

# identity COMMIT: what decides whether its patch file is still right; of the
# commit that was classified last.
identity() {
	{
		[ ${#plain[@]} -eq 0 ] || kgit "$TREE" diff-tree -p -U3 --no-commit-id "$1^" "$1" -- "${plain[@]}" |
			kgit "$TREE" patch-id --stable | cut -d' ' -f1
		kgit "$TREE" log -1 --format='%an <%ae>%n%B' "$1"
	} | sha
}

write_patch() {
	local commit=$1 file=$2 f
	{
		kgit "$TREE" log -1 --format='From: %an <%ae>%nDate: %aD%nSubject: %s%n%n%b' "$commit" |
			sed -e ':a' -e '/^\n*$/{$d;N;ba' -e '}'
		if [ ${#plain[@]} -gt 0 ]; then
			printf -- '---\n\n'
			for f in "${plain[@]}"; do diff_of "$commit" "$f"; done
		fi
	} >"$file"
	# what cannot be read back must not be written
	kgit "$TREE" mailinfo -u --encoding=UTF-8 "$SCRATCH/msg" "$SCRATCH/diff" <"$file" >"$SCRATCH/info"
	{ sed -n 's/^Subject: //p' "$SCRATCH/info"; echo; cat "$SCRATCH/msg"; } | sed -e ':a' -e '/^\n*$/{$d;N;ba' -e '}' >"$SCRATCH/back"
	kgit "$TREE" log -1 --format=%B "$commit" | sed -e ':a' -e '/^\n*$/{$d;N;ba' -e '}' | cmp -s - "$SCRATCH/back" ||
		die "the message of $(title "$commit") does not survive as mail (a line that looks like a diff or '---', or a bracket at the start of the subject?)"
}

series_hunks >"$SCRATCH/hunks"
# What the files hold now, by the commits that they were made into.
declare -A old_file=() by_identity=()
while read -r kind commit file; do
	[ "$kind" = patch ] || continue
	old_file[$commit]=$file
done <"$STATE"
# Which of them a commit is that has another id now: asked only if there is one.
identify_old() {
	local commit
	[ ${#by_identity[@]} -eq 0 ] || return 0
	for commit in "${!old_file[@]}"; do
		kgit "$TREE" cat-file -e "$commit" 2>/dev/null || continue
		classify "$commit"
		by_identity[$(identity "$commit")]=${old_file[$commit]}
	done
}

declare -A whole_of=()
written=0
# what was said at the head of the series file stays
sed '/^#/!Q' "$PATCHES/series" >"$new/series"
printf 'source %s\n' "$(awk '$1 == "source" { print $2, $3 }' "$STATE")" >"$SCRATCH/state"
[ "$tree_part" = fixes ] || printf 'rules %s\n' "$rules" >>"$SCRATCH/state"
for commit in "${commits[@]}"; do
	classify "$commit"
	for f in "${whole[@]}" "${plain[@]}"; do
		[ -z "${whole_of[$f]:-}" ] ||
			die "the whole file $f belongs to $(title "${whole_of[$f]}"), and $(title "$commit") changes it too; a whole file has one commit"
	done
	for f in "${whole[@]}"; do
		[[ $f == */* ]] || die "$(title "$commit") adds $f; files at the root are the project's own"
		whole_of[$f]=$commit
	done
	if [ "$nr" = 0 ]; then
		[ ${#whole[@]} -eq 0 ] || die "the baseline's patch adds ${whole[0]}; it only takes out"
		name=baseline.patch
	else
		name=$(printf '%04d-%s.patch' "$nr" "$(kgit "$TREE" log -1 --format=%f "$commit" | cut -c1-56 | sed 's/-$//')")
		{
			printf '%s\n' "$name"
			for f in "${whole[@]}"; do printf '\t%s\n' "$f"; done
			for f in "${plain[@]}"; do
				! grep -qxF -- "$f" "$SCRATCH/hunks" || printf '\thunk %s\n' "$f"
			done
		} >>"$new/series"
	fi
	was=${old_file[$commit]:-}
	if [ -z "$was" ]; then
		identify_old
		classify "$commit"
		was=${by_identity[$(identity "$commit")]:-}
	fi
	if [ -n "$was" ] && [ -f "$PATCHES/$was" ]; then
		cp "$PATCHES/$was" "$new/$name"
	else
		write_patch "$commit" "$new/$name"
		written=$((written + 1))
		step EXPORT "$patch_dir/$name"
	fi
	for f in "${whole[@]}"; do
		mkdir -p "$new/whole/$(dirname "$f")"
		kgit "$TREE" show "$commit:$f" >"$new/whole/$f"
		case $(kgit "$TREE" ls-tree "$commit" -- "$f") in
		100755*) chmod 755 "$new/whole/$f" ;;
		120000*) die "$(title "$commit") adds the symbolic link $f; whole files are files" ;;
		esac
	done
	printf 'patch %s %s\n' "$commit" "$name" >>"$SCRATCH/state"
	nr=$((nr + 1))
done

# All of it stands.  Put it in place: the whole files, the patches, the order.
same() { cmp -s "$1" "$2" && [ "$(stat -c %A "$1" | cut -c4)" = "$(stat -c %A "$2" | cut -c4)" ]; }
for f in "${!whole_of[@]}"; do
	same "$new/whole/$f" "$TOP/$f" && continue
	mkdir -p "$TOP/$(dirname "$f")"
	cp -p "$new/whole/$f" "$TOP/$f"
	step EXPORT "$f"
	written=$((written + 1))
done
while read -r f; do
	[ -z "${whole_of[$f]:-}" ] || continue
	# another base may still add it
	! grep -qsxE "[[:space:]]+$f" "$TOP"/patches/*/series || [ "$(grep -lsxE "[[:space:]]+$f" "$TOP"/patches/*/series)" = "$PATCHES/series" ] || continue
	rm -f "${TOP:?}/$f"
	step EXPORT "$f goes"
	written=$((written + 1))
done < <(all_series_files "$PATCHES/series")
for f in "$PATCHES"/*.patch; do
	[ -e "$new/${f##*/}" ] || { rm -f "$f"; written=$((written + 1)); }
done
for f in "$new"/*.patch "$new/series"; do
	cmp -s "$f" "$PATCHES/${f##*/}" || { cp "$f" "$PATCHES/${f##*/}"; written=$((written + 1)); }
done

[ "$tree_part" = fixes ] || kgit "$TREE" tag -f baseline "${commits[0]}" >/dev/null
kgit "$TREE" tag -f "$tag" HEAD >/dev/null
inputs=$(inputs_key)
if [ "$tree_part" = all ]; then
	# Rules that were edited since the tree was made are not in it yet.
	[ "$rulesum" = "$(sha <"$RULES")" ] || inputs=stale
	printf 'rulesum %s\n' "$rulesum" >>"$SCRATCH/state"
fi
printf 'inputs %s\nhead %s\n' "$inputs" "$(kgit "$TREE" rev-parse HEAD)" >>"$SCRATCH/state"
cp "$SCRATCH/state" "$STATE.new" && mv "$STATE.new" "$STATE"
if [ "$written" = 0 ]; then
	step EXPORT "$patch_dir is what $tree_dir holds: nothing to write"
fi
