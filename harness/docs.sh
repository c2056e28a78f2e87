#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs.sh BASE: render the pages that the series adds to Documentation/, as the
# kernel's "make htmldocs" does, and the manual pages among them with rst2man
# as well; compile their C code.  Any warning about them is an error.  Prints
# the directory of what was made: html/, man/, bin/.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: docs.sh BASE}
check_base "$base"
"$TOP/harness/deps.sh" tree kernel docs
. "$TOP/harness/treelib.sh"
"$TOP/harness/tree.sh" "$base" || exit 2
lock "$base-docs"
scratch

out=$BUILD/$base/docs
src=$SCRATCH/linux
mapfile -t pages < <(all_series_files "$PATCHES/series" | grep '^Documentation/.*\.rst$')
[ ${#pages[@]} -gt 0 ] || die "patches/linux-$base/series adds no page to Documentation/"
mapfile -t dirs < <(printf '%s\n' "${pages[@]}" | sed -e 's,^Documentation/,,' -e 's,/[^/]*$,,' | sort -u)

complain() {
	sed "s,$src/,," "$1" >&2
	die "$base: $2"
}

# A copy, without the one large part that is nobody's business here.  It is not
# built from the tree itself: what renders is what is exported.
step DOCS "$base: ${dirs[*]}"
mkdir -p "$src"
kgit "$TREE" archive series -- Makefile Documentation scripts include/uapi/linux tools/include/uapi |
	tar -x -C "$src" || die "could not copy the documentation$(disk_hint "$BUILD")"
rm -rf "$out" "$src/Documentation/userspace-api/media"
for dir in "${dirs[@]}"; do
	# what the Makefile of the documentation does, see cmd_sphinx
	(cd "$src" && srctree=. BUILDDIR=$out/html PYTHONDONTWRITEBYTECODE=1 \
		sphinx-build -q -b html -c Documentation -d "$SCRATCH/doctrees/$dir" \
		-D version="$base" -D release="$base" \
		-D kerneldoc_srctree=. -D kerneldoc_bin=scripts/kernel-doc \
		"Documentation/$dir" "$out/html/$dir") >>"$SCRATCH/sphinx" 2>&1 ||
		complain "$SCRATCH/sphinx" "sphinx failed"
done

# Pages are read where they are and named in the toctree of their directory's
# index; a warning names the one or the other.
names=$(printf '%s\n' "${pages[@]}" | sed -e 's,.*/,,' -e 's,\.rst$,,' | paste -sd '|')
! grep -E "(^|[^[:alnum:]_-])($names)([^[:alnum:]_-]|\$)" "$SCRATCH/sphinx" >"$SCRATCH/warnings" ||
	complain "$SCRATCH/warnings" "sphinx warns about our pages"
for page in "${pages[@]}"; do
	# sphinx, given a part of the documentation, does not see the others
	while read -r ref; do
		[ -e "$src/$ref" ] || die "$base: $page names $ref, which is not there"
	done < <(grep -oE 'Documentation/[[:alnum:]_/-]+\.rst' "$src/$page" | sort -u)
done

# Manual pages are those that say so.
mkdir -p "$out/man" "$out/bin"
for page in "${pages[@]}"; do
	section=$(sed -n 's/^:Manual section: //p' "$src/$page")
	[ -n "$section" ] || continue
	name=$(basename "$page" .rst).$section
	rst2man --halt=2 "$src/$page" "$out/man/$name" 2>"$SCRATCH/warnings" && [ ! -s "$SCRATCH/warnings" ] ||
		complain "$SCRATCH/warnings" "rst2man warns about $page"
	groff -t -man -ww -z "$out/man/$name" 2>"$SCRATCH/warnings" && [ ! -s "$SCRATCH/warnings" ] ||
		complain "$SCRATCH/warnings" "groff warns about $name, made from $page"
	# the example is the block that has a main()
	code=$out/bin/$(basename "$page" .rst).c
	awk '/^    #/ && last ~ /^$/ && before ~ /::$/ { on = 1 }
		/^[^ ]/ { on = 0 }
		{ before = last; last = $0 }
		on { sub(/^    /, ""); block = block $0 "\n"; if (/main\(/) found = 1 }
		!on { if (found) printf "%s", block; block = ""; found = 0 }' "$src/$page" >"$code"
	[ -s "$code" ] || die "$base: $page has no example with a main()"
	gcc -Wall -Wextra -Werror -O2 -o "${code%.c}" "$code" 2>"$SCRATCH/warnings" ||
		complain "$SCRATCH/warnings" "the example of $page does not compile"
done

# The recipes are the blocks of C in the guide.
awk '/^[^ ]/ { on = 0 } /code-block:: c$/ { on = 1; next } on { sub(/^    /, ""); print }' \
	"$src/Documentation/admin-guide/mm/lock-on-fault.rst" >"$out/bin/recipes.h"
gcc -Wall -Wextra -Werror -O2 -I"$out/bin" -o "$out/bin/recipes" "$TOP/harness/tests/recipes.c" 2>"$SCRATCH/warnings" ||
	complain "$SCRATCH/warnings" "the recipes do not compile"
printf '%s\n' "$out"
