#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Step labels by Monte Carlo: paths are sampled, and from behind their steps rollouts; k of n come to the right answer.
#   pipelines/label.sh MODEL [OPTIONS of cos-score mc...] < questions.cos > labelled.cos
# PATHS: paths a question [4]. MAX_TOKENS: a path's length [512].
# SPEND: all         --rollouts N behind every step: k / n estimates the chance (soft targets)
#        adaptive    a step's rollouts end when it is clear on which side of --threshold T it is; at T = 0 with the first hit [this]
#        first-error the same, and only of the steps that a binary search for the first wrong one comes to; the labels of the
#                    others follow (by mc:inferred): pipelines/prm.sh ... --labels mc,mc:inferred
. "$(dirname "$0")/common.sh"
[ $# -ge 1 ] || usage 'MODEL [OPTIONS of cos-score mc...] < questions.cos > labelled.cos'
model=$1
shift
case ${SPEND:=adaptive} in
all) spend=() ;;
adaptive) spend=(--adaptive) ;;
first-error) spend=(--adaptive --search first-error) ;;
*) usage 'SPEND is all, adaptive or first-error' ;;
esac

cos-generate --model "$model" -n "${PATHS:-4}" --max-tokens "${MAX_TOKENS:-512}" "${run[@]}" |
    cos-score answer "${std[@]}" |
    cos-score mc --model "$model" --max-tokens "${MAX_TOKENS:-512}" "${spend[@]}" "${run[@]}" "$@"
