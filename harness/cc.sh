#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# cc.sh COMPILER ARG...: a compiler through ccache, but not for assembler.
#
# There .incbin takes in a file, and ccache, which looks at what is included,
# gives the object with that file as it was last time: arm's zImage was that of
# an older kernel.  A build has few such sources.
for source; do :; done
case $source in
*.S)	exec "$@" ;;
*)	exec ccache "$@" ;;
esac
