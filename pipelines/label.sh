#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Step labels by Monte Carlo: paths are sampled, and from behind each of their steps rollouts; k of n come to the right answer.
#   pipelines/label.sh MODEL [OPTIONS of cos-score mc...] < questions.cos > labelled.cos
# PATHS: paths a question [4]. MAX_TOKENS: a path's length [512].
. "$(dirname "$0")/common.sh"
[ $# -ge 1 ] || usage 'MODEL [OPTIONS of cos-score mc...] < questions.cos > labelled.cos'
model=$1
shift

cos-generate --model "$model" -n "${PATHS:-4}" --max-tokens "${MAX_TOKENS:-512}" "${run[@]}" |
    cos-score answer "${std[@]}" |
    cos-score mc --model "$model" --max-tokens "${MAX_TOKENS:-512}" "${run[@]}" "$@"
