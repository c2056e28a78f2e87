# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # base and arch are the caller's
#
# The unit tests of the helpers in include/linux/mlock.h.  They run when the
# kernel with the planted faults boots, since that is the one with KUnit.

# units FAULT: what they said, "ok NAME" or "not ok NAME"
units() {
	local image
	image=$(aloud "$TOP/harness/faults.sh" "$base" "$arch" image)
	"$TOP/harness/guest.sh" --arch "$arch" --image "$image" --append "lof_fault=$1" --log "$SCRATCH/units.log" \
		--swap 0 --disk 0 --mem 512M --timeout 120 -- true
	sed -nE '/# Subtest: mlock\r?$/,/ok [0-9]+ (- )?mlock\r?$/s/.*\] +((not )?ok) [0-9]+ (- )?([a-z_]+)\r?$/\1 \4/p' \
		"$SCRATCH/units.log" | grep -v ' mlock$' >"$SCRATCH/units"
	cat "$SCRATCH/units"
}

units_pass() {
	units none
	[ "$(grep -c '^ok ' "$SCRATCH/units")" = "$(grep -c '^	KUNIT_CASE(' "$TOP/mm/mlock_test.c")" ]
}

# units_fail FAULT TEST...: with it these tests fail, and no other
units_fail() {
	units "$1"
	[ "$(grep '^not ok ' "$SCRATCH/units")" = "$(printf 'not ok %s\n' "${@:2}")" ]
}

checks_of_the_units() {
	t "$base $arch: unit tests of the helpers" units_pass
	t "$base $arch: ... see a mode change that costs" units_fail charged_again \
		the_modifier_alone_is_no_lock a_lock_is_charged_once
	t "$base $arch: ... see a plain populate of what is on fault" units_fail plain_populate_overrides only_a_plain_lock_populates
}
