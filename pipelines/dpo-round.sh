#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One round of DPO: paths of the policy, scored, the best against the worst of each question, and a policy trained on them.
#   pipelines/dpo-round.sh QUESTIONS.cos POLICY REF PRM OUT [OPTIONS of cos-update dpo...]
# POLICY samples; REF is the reference. START: the model that training begins with [POLICY].
# REWARD: prm, steps and answer; answer, the PRM's answer score alone; outcome, right or wrong by the record's answer [prm].
# PAIRS: more options of cos-select pairs.
# N: paths a question [16]. GAP: least difference of scores [0.3]. STEP_WEIGHT [0.2]. MAX_TOKENS: a path's length [512].
# SCORED: paths of POLICY with scores, instead of sampling.
# Leaves OUT, OUT.paths.cos (with scores), OUT.pairs.cos, OUT.pairs.tsv and .json (diagnosis), OUT.log.tsv, and begins behind what is there.
. "$(dirname "$0")/common.sh"
[ $# -ge 5 ] || usage 'QUESTIONS.cos POLICY REF PRM OUT [OPTIONS of cos-update dpo...]'
questions=$1 policy=$2 ref=$3 prm=$4 out=$5
shift 5
paths=${SCORED:-$out.paths.cos}
read -r -a more <<<"${PAIRS:-}"
case ${REWARD:=prm} in
prm)     by=(--gap "${GAP:-0.3}" --step-weight "${STEP_WEIGHT:-0.2}" "${more[@]}") ;;
answer)  by=(--gap "${GAP:-0.3}" --by path.answer_score "${more[@]}") ;;
outcome) by=(--gap 0 --by answer --require-answer "${more[@]}") ;;
*)       usage 'REWARD is prm, answer or outcome' ;;
esac

sample() {
    cos-generate --model "$policy" -n "${N:-16}" --max-tokens "${MAX_TOKENS:-512}" "${run[@]}" <"$questions" |
        cos-score prm --model "$prm" --step-weight "${STEP_WEIGHT:-0.2}" "${run[@]}" |
        cos-score answer "${std[@]}"
}
pair() {
    cos-select pairs "${by[@]}" "${std[@]}" <"$paths" | cos-score logprob --model "$ref" "${run[@]}"
}

fresh "$paths" "$questions" "$policy/config.json" "$prm/config.json" || into "$paths" sample
fresh "$out.pairs.cos" "$paths" "$ref/config.json" || into "$out.pairs.cos" pair
fresh "$out.pairs.json" "$out.pairs.cos" || measured "$out.pairs" pairs "${std[@]}" "$out.pairs.cos"
fresh "$out/config.json" "$out.pairs.cos" || rm -rf -- "$out"
cos-update dpo --model "${START:-$policy}" --ref "$ref" --out "$out" --resume --log "$out.log.tsv" "${run[@]}" "$@" <"$out.pairs.cos"
