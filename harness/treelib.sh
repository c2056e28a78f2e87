# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The tree of a base and the files that it is made from, as tree.sh and
# export.sh both know them.
#
#   patches/baseline.rules             what single lines and words can take out
#   patches/linux-$base/baseline.patch the rest of the baseline
#   patches/linux-$base/series         the commits of the series, in order:
#       0003-some-subject.patch        a patch; the lines indented below it
#           include/linux/some.h       are the whole files its commit adds, or
#           hunk mm/other.c            a new file that stays in the patch
#
# A tree's history is stock, the rules' commit, the baseline patch's, and
# then one commit for each patch.
#
# tree_part=fixes: the fixes of stock's defects by themselves, in
# patches/linux-$base-fixes.  Their history is stock, and then one commit for
# each patch; they are edited in a worktree of that tree.

: "${base:?}" "${tree_part:=all}"
RULES=$TOP/patches/baseline.rules
# Where the patches and the tree are, what make has to be told, the tag of what
# the patches are made on and the one of what they make, and the branch.
# shellcheck disable=SC2034 # for those that source this
if [ "$tree_part" = fixes ]; then
	patch_dir=patches/linux-$base-fixes tree_dir=build/$base/fixes make_vars="BASE=$base PART=fixes"
	below=stock tag=fixes branch=work-fixes
else
	patch_dir=patches/linux-$base tree_dir=build/$base/tree make_vars="BASE=$base"
	below=baseline tag=series branch=work
fi
PATCHES=$TOP/$patch_dir
export TREE=$TOP/$tree_dir
STATE=$TREE.state

# Whoever makes a tree gets the same commits: commits of ours that have no
# author of their own, and every committer, are these.
export GIT_COMMITTER_NAME="lock on fault" GIT_COMMITTER_EMAIL="tree@localhost"
# shellcheck disable=SC2034 # tree.sh's
generated_author=("--author=lock on fault <tree@localhost>" "--date=2015-11-05T00:00:00Z")

series_patches() { grep -vE '^([[:space:]]|#|$)' "$PATCHES/series" || :; }

# series_files PATCH: the whole files of a patch's commit.
series_files() {
	awk -v patch="$1" '/^[^ \t#]/ { on = $1 == patch }
		/^[ \t]/ && on && $1 != "hunk" { print $1 }' "$PATCHES/series"
}
series_hunks() { awk '/^[ \t]/ && $1 == "hunk" { print $2 }' "$PATCHES/series" 2>/dev/null || :; }
all_series_files() { awk '/^[ \t]/ && $1 != "hunk" { print $1 }' "$1"; }

check_series_files() {
	local f
	[ "$tree_part" = all ] || [ -d "$PATCHES" ] ||
		die "there are no fixes for stock Linux $base by themselves: no $patch_dir"
	[ -r "$PATCHES/series" ] && { [ "$tree_part" = fixes ] || [ -r "$PATCHES/baseline.patch" ]; } ||
		die "$patch_dir lacks series or baseline.patch"
	while read -r f; do
		[ -f "$PATCHES/$f" ] || die "$patch_dir/series names $f, which is not there"
	done < <(series_patches)
	while read -r f; do
		case $f in
		*/*) ;;
		*) die "$patch_dir/series names $f; files at the root are the project's own" ;;
		esac
		[ -f "$TOP/$f" ] || die "$patch_dir/series names the whole file $f, which is not there"
	done < <(all_series_files "$PATCHES/series")
}

# inputs_key: what a tree is made from, besides the source.
inputs_key() {
	local f
	local -a made_of files
	made_of=("$patch_dir/series")
	[ "$tree_part" = fixes ] || made_of+=("${RULES#"$TOP"/}" "$patch_dir/baseline.patch")
	mapfile -t -O ${#made_of[@]} made_of < <(series_patches | sed "s|^|$patch_dir/|")
	mapfile -t files < <(all_series_files "$PATCHES/series")
	{
		(cd "$TOP" && sha256sum -- "${made_of[@]}" "${files[@]}")
		for f in "${files[@]}"; do
			[ ! -x "$TOP/$f" ] || printf 'x %s\n' "$f"
		done
	} | sha
}

# apply_rules TREE: carry out baseline.rules in TREE, which is clean.
apply_rules() {
	local tree=$1 line nr=0 verb count rest spec regex text lo hi n f
	local -a specs files
	while IFS= read -r line || [ -n "$line" ]; do
		nr=$((nr + 1))
		case $line in '' | '#'*) continue ;; esac
		verb=${line%% *}
		rest=${line#* }
		if [ "$verb" = delete ]; then
			[ -f "$tree/$rest" ] || die "baseline.rules:$nr: $rest is not in Linux $base"
			rm -- "$tree/$rest"
			continue
		fi
		count=${rest%% *}
		rest=${rest#* }
		spec=${rest%% : *}
		regex=${rest#* : }
		[ "$spec" != "$rest" ] && [[ $count =~ ^[0-9]+(-[0-9]+)?$ ]] ||
			die "baseline.rules:$nr: not understood: $line"
		text=
		if [ "$verb" = word ]; then
			text=${regex#* => }
			[ "$text" != "$regex" ] || die "baseline.rules:$nr: a word rule needs =>"
			regex=${regex% => *}
		fi
		lo=${count%-*} hi=${count#*-}
		read -ra specs <<<"$spec"
		mapfile -t files < <(kgit "$tree" grep -lIE -e "$regex" -- "${specs[@]}")
		n=0
		[ ${#files[@]} -eq 0 ] || n=$(cd "$tree" && cat -- "${files[@]}" | grep -cE -e "$regex")
		[ "$n" -ge "$lo" ] && [ "$n" -le "$hi" ] ||
			die "baseline.rules:$nr: matches $n lines of Linux $base, not $count: $line"
		for f in "${files[@]}"; do
			case $verb in
			drop) RULE=$regex awk -f "$TOP/harness/drop.awk" "$tree/$f" >"$SCRATCH/edited" ;;
			blank-*) RULE=$regex awk -v where="${verb#blank-}" -f "$TOP/harness/blank.awk" "$tree/$f" >"$SCRATCH/edited" ;;
			word) sed -E "s%$regex%$text%g" "$tree/$f" >"$SCRATCH/edited" ;;
			*) die "baseline.rules:$nr: no such rule: $verb" ;;
			esac
			# cat keeps the file's mode
			cat "$SCRATCH/edited" >"$tree/$f"
		done
	done <"$RULES"
}

# commit_patch TREE PATCH [WHOLE FILE...]: one commit from a patch in mail
# form and the whole files beside it.  git apply knows no fuzz: context
# matches, at whatever line it stands, or the patch does not apply.
#
# It is made in the index alone: git looks at all of the files that are checked
# out, once for each command, if they are part of it.  checked_out() brings
# those in line when the last commit is made.
commit_patch() {
	local tree=$1 patch=$2 f name email subject date commit
	shift 2
	kgit "$tree" mailinfo -u --encoding=UTF-8 "$SCRATCH/msg" "$SCRATCH/diff" <"$patch" >"$SCRATCH/info" 2>"$SCRATCH/err" ||
		die "${patch#"$TOP"/} is not a patch in mail form"
	name=$(sed -n 's/^Author: //p' "$SCRATCH/info")
	email=$(sed -n 's/^Email: //p' "$SCRATCH/info")
	subject=$(sed -n 's/^Subject: //p' "$SCRATCH/info")
	date=$(sed -n 's/^Date: //p' "$SCRATCH/info")
	[ -n "$name" ] && [ -n "$email" ] && [ -n "$subject" ] && [ -n "$date" ] ||
		die "${patch#"$TOP"/} lacks From, Date or Subject"
	if grep -q '^diff --git ' "$SCRATCH/diff"; then
		kgit "$tree" apply --cached "$SCRATCH/diff" 2>"$SCRATCH/err" || {
			f=$(sed -nE 's/^error: (patch failed: )?([^:]+):.*/\2/p' "$SCRATCH/err" | sort -u | xargs)
			die "${patch#"$TOP"/} does not apply to ${f:-Linux $base} of $(tree_source)"
		}
	fi
	if [ $# -gt 0 ]; then
		f=$(kgit "$tree" ls-files -- "$@" | head -n 1)
		[ -z "$f" ] || die "${patch#"$TOP"/}: the whole file $f is in the tree already"
		for f; do
			printf '%s %s\t%s\n' "$([ -x "$TOP/$f" ] && echo 100755 || echo 100644)" \
				"$(kgit "$tree" hash-object -w --no-filters "$TOP/$f")" "$f"
		done | kgit "$tree" update-index --add --index-info
	fi
	{ printf '%s\n\n' "$subject"; cat "$SCRATCH/msg"; } | sed -e '$!b' -e '/^$/d' >"$SCRATCH/message"
	commit=$(GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date \
		kgit "$tree" commit-tree "$(kgit "$tree" write-tree)" -p HEAD -F "$SCRATCH/message") &&
		kgit "$tree" update-ref HEAD "$commit"
}

# checked_out TREE: the files of HEAD, after commit_patch
checked_out() {
	local tree=$1
	kgit "$tree" reset -q --hard
}

# build_id TAG: what of a tag's tree goes into a kernel's image.  A change of
# the documentation or of the selftests must not rebuild anything.
# A commit's is worked out once.
build_id() {
	local commit known=$BUILD/$base/build-ids id
	commit=$(kgit "$TREE" rev-parse "$1^{commit}") || return 1
	id=$(awk -v commit="$commit" '$1 == commit { print $2; exit }' "$known" 2>/dev/null) || :
	if [ -z "$id" ]; then
		id=$(kgit "$TREE" ls-tree -r "$commit" |
			grep -vE $'\t(Documentation|samples|LICENSES|tools/testing|tools/perf)/|\t(MAINTAINERS|CREDITS|COPYING|README)$' | sha)
		printf '%s %s\n' "$commit" "$id" >>"$known"
	fi
	printf '%s\n' "$id"
}

# What no kernel here is made of: two thirds of what a checkout writes.  Kconfig
# reads all of its files, and make looks into directories where it builds
# nothing, so those stay.
unused_files() {
	cat <<-'END'
	/*
	!/Documentation/
	!/arch/arm/boot/dts/
	!/arch/arm64/boot/dts/
	!/drivers/gpu/
	/drivers/gpu/vga/
	!/drivers/iio/
	!/drivers/infiniband/
	!/drivers/media/
	!/drivers/net/
	!/drivers/staging/
	!/sound/
	!/tools/perf/
	Kconfig*
	Makefile*
	Kbuild*
	END
}

# compiled: what a compiler sees of a header on stdin: no comments, no empty lines
compiled() { gcc -fpreprocessed -dD -E -P -x c - 2>/dev/null || echo "not understood, $BASHPID"; }

# keep_times SRC OLD: make goes by the times of files, and one header that every
# file includes is all that a kernel's objects need to be made again.  So where
# nothing but comments differs from what it was at OLD, it gets back the time that
# it had then; and where nothing but whole macros and declarations of functions
# does, those files are new that have a word for them in place of those that
# include it.  Times are on stdin.
keep_times() {
	local src=$1 old=$2 header time names differs rest
	while read -r time header; do
		differs=$(diff <(kgit "$src" show "$old:$header" | compiled) <(compiled <"$src/$header") || :)
		names=$(sed -nE -e '/^[<>] #define [A-Za-z0-9_]+ [^\\]*$/ { s/^..#define ([A-Za-z0-9_]+).*/\1/p; d }' \
			-e '/^[<>] [a-z][A-Za-z0-9_ *]*[ *][a-z_][a-z0-9_]*\([^()]*\);$/ { /^..(static|typedef)/!{ s/^[^(]*[ *]([a-z0-9_]+)\(.*/\1/p; d } }' \
			-e '/^[<>]/ s/.*/-/p' <<<"$differs" | sort -u)
		# more than that
		! grep -qx -e - <<<"$names" || continue
		# or the rest of it has a word for them, a macro for one
		rest=$(compiled <"$src/$header" | grep -vxFf <(sed -n 's/^> //p' <<<"$differs") || :)
		[ -z "$names" ] || ! grep -qwFf <(echo "$names") <<<"$rest" || continue
		touch -d "$time" "$src/$header"
		[ -n "$names" ] || continue
		kgit "$src" grep -lwFz -f <(printf '%s\n' "$names") -- '*.[chS]' ":!$header" |
			(cd "$src" && xargs -0r touch -c --) || : # nobody has
	done
	kgit "$src" update-index -q --refresh || :
}

# checkout_source SRC COMMIT: the files of a commit in a worktree to build in
checkout_source() {
	local src=$1 info old
	info=$(kgit "$src" rev-parse --absolute-git-dir)/info
	mkdir -p "$info"
	unused_files >"$info/sparse-checkout"
	old=$(kgit "$src" rev-parse HEAD)
	kgit "$src" diff --name-only --diff-filter=M "$old" "$2" -- '*.h' >"$info/headers"
	# What is built with sanitizers knows the lines of headers; and a file that
	# faults are planted in is not what it was at OLD.
	[ ! -s "$info/headers" ] || compgen -G "$src/obj-*-debug" >/dev/null || compgen -G "$src/obj-*-kcsan" >/dev/null || {
		kgit "$src" diff --name-only HEAD >"$info/edited"
		(cd "$src" && grep -vxFf "$info/edited" "$info/headers" | xargs -r stat -c '@%.Y %n' 2>/dev/null) >"$info/times" || :
	}
	kgit "$src" -c core.sparseCheckout=true -c core.sparseCheckoutCone=false checkout -q -f --detach "$2" || return
	[ ! -s "$info/times" ] || keep_times "$src" "$old" <"$info/times"
	rm -f "$info/headers" "$info/edited" "$info/times"
}

# kernel_source NAME [REV [SEED...]]: check REV, or the tag NAME, out in
# build/BASE/src/NAME, for building.  A source that is new is copied from that of
# the first SEED that is built, with what is built there: then make builds only
# what differs.
kernel_source() (
	worktree=$1 rev=${2:-$1} src=$BUILD/$base/src/$1
	shift $(($# < 2 ? $# : 2))
	lock "$base-src-$worktree" # the architectures share the source
	mkdir -p "$BUILD/$base/src"
	if [ ! -e "$src/.git" ] || ! kgit "$src" rev-parse HEAD >/dev/null 2>&1; then
		need_space "$BUILD" 2000 "the source of Linux $base $worktree"
		rm -rf "$src"
		kgit "$TREE" worktree prune
		seed=
		for from; do
			[ -n "$seed" ] || [ ! -e "$BUILD/$base/src/$from/obj-${arch:-}${suffix:-}/vmlinux" ] || seed=$from
		done
		if [ -n "$seed" ]; then
			copy_source "$BUILD/$base/src/$seed" "$src" "obj-$arch${suffix:-}"
		else
			step CHECKOUT "$base $worktree"
			kgit "$TREE" worktree add -q -f --no-checkout --detach "$src" "$rev" >/dev/null 2>&1
		fi || die "could not check out $worktree$(disk_hint "$BUILD")"
	fi
	checkout_source "$src" "$(kgit "$TREE" rev-parse "$rev^{commit}")" ||
		die "could not check out $worktree$(disk_hint "$BUILD")"
)

# forget_path FROM TO DIR: the kernel's own tools are built with whole paths, and a
# new objtool makes every object again
forget_path() {
	[ ! -d "$3" ] || find "$3" -name '.*.cmd' -exec sed -i "s|$1/|$2/|g" {} +
}

# copy_source FROM TO OBJ: a worktree with one of its object directories.  Times
# are kept, so that make finds built what is built; git has to see that the files
# are the same, or the next checkout writes all of them anew.
copy_source() {
	local from=$1 to=$2
	lock "$base-src-${from##*/}"
	step COPY "$base ${from##*/} to ${to##*/}"
	kgit "$TREE" worktree add -q -f --no-checkout --detach "$to" "$(kgit "$from" rev-parse HEAD)" >/dev/null 2>&1 &&
		find "$from" -mindepth 1 -maxdepth 1 ! -name .git ! -name 'obj-*' -exec cp -a -t "$to" {} + &&
		cp -a "$from/$3" "$to/" &&
		forget_path "$from" "$to" "$to/$3/tools" &&
		cp "$(kgit "$from" rev-parse --absolute-git-dir)/index" "$(kgit "$to" rev-parse --absolute-git-dir)/index" &&
		kgit "$to" update-index -q --refresh
}

state() { awk -v key="$1" '$1 == key { print $2; exit }' "${2:-$TREE}.state" 2>/dev/null; }

# Where a tree's own work stands: HEAD, and whether files differ from it.
unexported() {
	local tree=${1:-$TREE}
	[ "$(kgit "$tree" rev-parse HEAD)" != "$(state head "$tree")" ] ||
		[ -n "$(kgit "$tree" status --porcelain -uno | head -n 1)" ]
}

tree_source() { awk '$1 == "source" { print $3; exit }' "$STATE.new" "$STATE" 2>/dev/null; }
