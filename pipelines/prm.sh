#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The process reward model; stopped and run again, it goes on where it was.
#   pipelines/prm.sh MODEL OUT [OPTIONS of cos-update prm...] < labelled.cos
. "$(dirname "$0")/common.sh"
[ $# -ge 2 ] || usage 'MODEL OUT [OPTIONS of cos-update prm...] < labelled.cos'
model=$1 out=$2
shift 2

cos-update prm --model "$model" --out "$out" --resume --log "$out.log.tsv" "${run[@]}" "$@"
