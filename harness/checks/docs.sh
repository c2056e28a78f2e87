# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base and arch are the caller's
#
# Tests of the pages that the series adds to Documentation/.

pages_render() { "$TOP/harness/docs.sh" "$base"; }

on_kernel() {
	local image
	image=$("$TOP/harness/kernel.sh" "$base" "$arch" "$1")
	"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --timeout 120 -- "${@:2}"
}

code_of_the_pages() {
	local bin=$BUILD/$base/docs/bin
	[ "$(on_kernel series "$bin/recipes")" = "the recipes work" ]
	[ "$(on_kernel series "$bin/mlock2")" = "1 of 16384 pages" ]
	on_kernel series "$bin/mlockall"
	wants_baseline || return 0
	# and is about what this kernel lacks
	on_kernel baseline "$bin/recipes" >"$SCRATCH/recipes" && return 1
	cat "$SCRATCH/recipes"
	grep -q '^recipes.c:.*: secrets (errno 22)' "$SCRATCH/recipes"
}

checks_of_the_docs() {
	t "$base: our pages render without a warning, as HTML and as manual pages" pages_render
	# the programs are this machine's
	[ "$arch" != "$(uname -m)" ] ||
		t "$base $arch: the pages' recipes and examples do what is said" code_of_the_pages
}
