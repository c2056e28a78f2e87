#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# figures.sh BASE: what the cover letter says of measurements.
. "$(dirname "$0")/lib.sh"
base=${1:?usage: figures.sh BASE}
check_base "$base"
echo "No figures were measured for this letter."
