#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tree.sh BASE: make build/BASE/tree, a git repository with the tags stock,
# baseline and series, checked out on the branch "work" at the series.
# tree.sh BASE fixes: make build/BASE/fixes, a worktree of that repository on
# the branch "work-fixes": stock with our fixes by themselves, the tag fixes.
#
# Called again it does nothing, unless the patches or files here have
# changed; then the commits are made anew, but never over edits in the tree
# that have not been exported.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: tree.sh BASE [PART]} tree_part=${2:-all}
check_base "$base"
check_part "$tree_part"
"$TOP/harness/deps.sh" tree
. "$TOP/harness/treelib.sh"
check_series_files
lock "$base-$(basename "$tree_dir")"
scratch

# Both of one source.
if [ "$tree_part" = fixes ]; then
	"$TOP/harness/tree.sh" "$base" || exit 2
	read -r _ source_id source_path < <(grep '^source ' "$BUILD/$base/tree.state")
else
	read -r source_id source_path < <("$TOP/harness/source.sh" "$base") || exit 2
fi
[ -n "${source_path:-}" ] || exit 2
inputs=$(inputs_key)

# The commits of the fixes' worktree are in the repository of the tree, and go
# with it.
drop_fixes() {
	local fixes=$BUILD/$base/fixes
	[ ! -e "$fixes/.git" ] || [ ! -r "$fixes.state" ] || ! unexported "$fixes" ||
		die "build/$base/fixes has edits that are not exported, and the base is another now: make export BASE=$base PART=fixes, or remove build/$base/fixes"
	rm -rf "$fixes" "$fixes.state"
}

unpack() {
	local new=$BUILD/$base/tree.new top name
	if [ "$tree_part" = fixes ]; then
		need_space "$BUILD" 1500 "a worktree of Linux $base"
		rm -rf "$TREE" "$STATE"
		kgit "$BUILD/$base/tree" worktree prune
		step CHECKOUT "$base stock"
		kgit "$BUILD/$base/tree" worktree add -q -B "$branch" "$TREE" stock >/dev/null 2>&1 ||
			die "could not check out stock$(disk_hint "$BUILD")"
		return
	fi
	drop_fixes
	need_space "$BUILD" 4000 "a tree of Linux $base"
	rm -rf "$new" "$TREE" "$STATE"
	mkdir -p "$new"
	step UNPACK "$(basename "$source_path")"
	case $source_path in
	*.deb)
		dpkg-deb --fsys-tarfile "$source_path" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
			tar -C "$new" --strip-components=1 -xJ ;;
	*)
		if [ -d "$source_path" ]; then
			tar -C "$source_path" --exclude=./.git -cf - . | tar -C "$new" -x
		else
			# the tree may stand at the top of the tarball, or one folder down
			top=$(tar -tf "$source_path" | grep -m1 -xE '(\./)?([^/]+/)?mm/mlock\.c') || :
			name=${top%mm/mlock.c}
			name=${name#./}
			tar -C "$new" --strip-components="$(tr -cd / <<<"${top%mm/mlock.c}" | wc -c)" -xf "$source_path"
		fi ;;
	esac || die "could not unpack $(basename "$source_path")$(disk_hint "$BUILD")"
	[ -f "$new/mm/mlock.c" ] || die "$(basename "$source_path") holds no mm/mlock.c$(disk_hint "$BUILD")"
	kgit "$new" init -q -b work
	# what the caller's git writes there later need not be reproducible, but
	# must not be repacked under a worktree that builds
	kgit "$new" config gc.auto 0
	step COMMIT "stock"
	{
		# large files are written one after the other into one pack: with
		# that all are, and not each into a file of its own
		kgit "$new" -c core.bigFileThreshold=1 add -A -f . &&
			GIT_COMMITTER_DATE=2015-11-05T00:00:00Z kgit "$new" commit -q --no-verify \
				"${generated_author[@]}" -m "Linux $base: stock, as Debian packages it" &&
			kgit "$new" tag stock
	} || die "could not record the stock tree$(disk_hint "$BUILD")"
	mv -T "$new" "$TREE"
}

# Debian's .gitignore hides every new file at the top level from git, which
# suits a packaging repository, and loses a new file of whoever edits here
# (git add -A passes over it in silence).  The commits keep it as it is; the
# checked-out copy is without those lines.
unhide_new_files() {
	grep -qxF '/*' "$TREE/.gitignore" 2>/dev/null || return 0
	kgit "$TREE" update-index --skip-worktree .gitignore
	sed -i -e '/^\/\*$/d' -e '/^!\/debian\/$/d' "$TREE/.gitignore"
}

commit_all() {
	local patch
	local -a files
	[ "$tree_part" = fixes ] || commit_baseline
	while read -r patch; do
		step COMMIT "$tag: $patch"
		mapfile -t files < <(series_files "$patch")
		commit_patch "$TREE" "$PATCHES/$patch" "${files[@]}"
		printf 'patch %s %s\n' "$(kgit "$TREE" rev-parse HEAD)" "$patch" >>"$STATE.new"
	done < <(series_patches)
	checked_out "$TREE"
	kgit "$TREE" tag -f "$tag" >/dev/null
}

commit_baseline() {
	step COMMIT "baseline: the rules"
	apply_rules "$TREE"
	GIT_COMMITTER_DATE=2015-11-05T00:00:00Z kgit "$TREE" commit -q -a --no-verify --allow-empty \
		"${generated_author[@]}" -m "baseline: what patches/baseline.rules takes out" -m \
		"Made from the rules; to change it, edit the rules, not this commit."
	printf 'rules %s\nrulesum %s\n' "$(kgit "$TREE" rev-parse HEAD)" "$(sha <"$RULES")" >>"$STATE.new"
	step COMMIT "baseline: baseline.patch"
	commit_patch "$TREE" "$PATCHES/baseline.patch"
	kgit "$TREE" tag -f baseline >/dev/null
	printf 'patch %s baseline.patch\n' "$(kgit "$TREE" rev-parse HEAD)" >>"$STATE.new"
}

remember() {
	local kernel
	{
		printf 'inputs %s\nhead %s\n' "$inputs" "$(kgit "$TREE" rev-parse HEAD)"
	} >>"$STATE.new"
	mv "$STATE.new" "$STATE"
	# Which trees these inputs give: a later clone finds finished
	# kernels by that, without unpacking anything.
	[ "$source_id" != directory ] || return 0
	mkdir -p "$CACHE/trees"
	for kernel in $KERNELS $MORE_KERNELS; do
		[ "$(part_of "$kernel")" != "$tree_part" ] ||
			printf '%s %s\n' "$kernel" "$(build_id "$kernel")"
	done >"$SCRATCH/trees"
	cp "$SCRATCH/trees" "$CACHE/trees/.$$.new" &&
		mv "$CACHE/trees/.$$.new" "$CACHE/trees/$(printf '%s %s' "$source_id" "$inputs" | sha)"
}

if [ -e "$TREE/.git" ] && [ -r "$STATE" ] && kgit "$TREE" rev-parse -q --verify HEAD >/dev/null 2>&1 &&
	[ "$(state source)" = "$source_id" ] && [ "$(awk '$1 == "source" { print $3 }' "$STATE")" = "$(basename "$source_path")" ]; then
	if [ "$(state inputs)" = "$inputs" ]; then
		step TREE "$tree_dir is up to date"
		exit 0
	fi
	! unexported ||
		die "$tree_dir has edits that are not exported, and patches/ has changed too: make export $make_vars, or remove $tree_dir"
	step TREE "the patches have changed: making their commits anew"
	[ ! -e "$TREE/.gitignore" ] || kgit "$TREE" update-index --no-skip-worktree .gitignore
	kgit "$TREE" checkout -q -f -B "$branch" stock
else
	if [ -e "$TREE/.git" ] && [ -r "$STATE" ] && unexported; then
		die "$tree_dir has edits that are not exported, and the base is another now: make export $make_vars, or remove $tree_dir"
	fi
	unpack
fi
# Until the commits stand, the tree counts as unmade: no state, no shortcut.
rm -f "$STATE"
printf 'source %s %s\n' "$source_id" "$(basename "$source_path")" >"$STATE.new"
if ! (commit_all); then
	# leave a tree that the next call makes anew from stock, at no cost
	kgit "$TREE" reset -q --hard 2>/dev/null || :
	kgit "$TREE" checkout -q -f -B "$branch" stock 2>/dev/null || :
	printf 'source %s %s\ninputs none\nhead %s\n' "$source_id" "$(basename "$source_path")" \
		"$(kgit "$TREE" rev-parse HEAD)" >"$STATE"
	rm -f "$STATE.new"
	exit 2
fi
unhide_new_files
remember
if [ "$tree_part" = fixes ]; then
	step TREE "$tree_dir: tags stock, fixes"
else
	step TREE "$tree_dir: tags stock, baseline, series"
fi
