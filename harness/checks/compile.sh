# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base is the caller's
#
# Architectures that no machine here boots: what the series touches compiles.

checks_of_the_compiled() {
	local name
	for name in $("$TOP/harness/compile.sh" list); do
		t "$base $name: what the series touches compiles, not booted" "$TOP/harness/compile.sh" "$base" "$name"
	done
}
