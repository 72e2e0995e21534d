#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The whole method on shapes, from scratch to the report; stopped and run again, it goes on where it was.
#   pipelines/cos.sh OUT [VARIABLE=VALUE of cos.mk, -j2...]      pipelines/cos.sh build/cos QUICK=1
# BIN: folder of the programs [build/cpu]. The pipelines are run from the project's folder.
. "$(dirname "$0")/common.sh"
[ $# -ge 1 ] || usage 'OUT [VARIABLE=VALUE of cos.mk, -j2...]'
out=$1
shift

exec make -f "$(dirname "$0")/cos.mk" --no-print-directory BIN="${BIN:-build/cpu}" D="$out" "$@"
