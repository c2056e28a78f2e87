# SPDX-License-Identifier: GPL-2.0
#
# Print a file with a blank line before (where=before) or after (where=after)
# each line that matches RULE, unless there is one.

owed && $0 != "" { print "" }
{ owed = 0 }
$0 ~ ENVIRON["RULE"] {
	if (where == "before" && last != "")
		print ""
	owed = where == "after"
}
{ print; last = $0 }
