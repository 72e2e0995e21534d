#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Supervised fine-tuning on step paths; stopped and run again, it goes on where it was.
#   pipelines/sft.sh MODEL OUT [OPTIONS of cos-update sft...] < paths.cos
# Direct answers, for comparison: --response answer. The 17 tokens are added to a MODEL that lacks them by
#   cos-update init --model MODEL --out BASE
. "$(dirname "$0")/common.sh"
[ $# -ge 2 ] || usage 'MODEL OUT [OPTIONS of cos-update sft...] < paths.cos'
model=$1 out=$2
shift 2

cos-update sft --model "$model" --out "$out" --resume --log "$out.log.tsv" "${run[@]}" "$@"
