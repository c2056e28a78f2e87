# SPDX-License-Identifier: GPL-2.0
#
# The front door.  What each target does is in README.md; how, in harness/.

BASE	?= 6.1
ARCH	?= x86_64
KERNEL	?= series
PART	?= all
MEM	?= 2G
SMP	?= 2
TIMEOUT	?= 600

# Values go to the scripts as they are typed: a RUN with a $ in it is the
# guest's business, not make's.
override RUN := $(value RUN)
override BENCH := $(value BENCH)
override FAULTS := $(value FAULTS)
export BASE ARCH KERNEL PART ONTO RUN BENCH MEM SMP TIMEOUT KSRC REVISION FULL OPS SEED FAULTS PROGRAMS

TARGETS	:= run check check-all check-debug check-mutants check-series defects soak bench bench-native \
	   tree export series kernel guest shell clean
.PHONY: help $(TARGETS)
.NOTPARALLEL:

help:
	@harness/front.sh help

$(TARGETS):
	@harness/front.sh $@
