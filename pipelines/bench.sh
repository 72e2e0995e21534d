#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A benchmark from its released files to a table: questions, one answer of a model to each, scores by the benchmark's rules.
#   pipelines/bench.sh NAME MODEL OUT FILE... [-- OPTIONS of cos-eval accuracy]
# NAME: mathvista, mmstar, mmmu, m3cot, ai2d, chartqa, scienceqa, mme. MODEL: a folder as Hugging Face's; or "-": FILE... are a
# model's outputs already. FILE: the benchmark's files (cos-segment -h); parquet files become JSON lines as said there.
# ASK: how the model is asked, "cos" (think step by step, then answer) or "official" [cos]; pipelines/ask.jq has the words.
# PROTOCOL: whose rules [official, or cos where there is none]. SPLIT: the rows that say so alone. OUTPUTS: with "-", a file of
# outputs by id. IMAGES: where the images are. MAX_TOKENS [4000], GENERATE: more options of cos-generate, as "--batch 32".
# Leaves OUT.questions.cos, OUT.answers.cos, OUT.tsv, OUT.json, and begins behind what is there.
#
#   IMAGES=data pipelines/bench.sh mathvista sft out/mathvista data/testmini.json
#   pipelines/bench.sh mathvista - out/gpt4 results/gpt4/output_gpt4.json -- --extract stored
. "$(dirname "$0")/common.sh"
[ $# -ge 4 ] || usage 'NAME MODEL|- OUT FILE... [-- OPTIONS of cos-eval accuracy]'
name=$1 model=$2 dest=$3
shift 3
files=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do files+=("$1"); shift; done
[ $# = 0 ] || shift
protocol=${PROTOCOL:-$([ "$name" = ai2d ] && echo cos || echo official)}
ask=$(dirname "$0")/ask.jq

read_files() { cos-segment --from "$name" "${std[@]}" ${SPLIT:+--split "$SPLIT"} "$@" "${files[@]}"; }
questions() {
    read_files | cos-cat --plain "${std[@]}" | jq -c --arg bench "$name" --arg ask "${ASK:-cos}" -f "$ask" | cos-cat --from-json "${std[@]}"
}
answers() {
    read -ra more <<<"${GENERATE:-}"
    cos-generate --model "$model" --max-tokens "${MAX_TOKENS:-4000}" --temperature 0 "${run[@]}" "${more[@]}" <"$dest.questions.cos"
}

if [ "$model" = - ]; then
    fresh "$dest.answers.cos" "${files[@]}" || into "$dest.answers.cos" read_files ${OUTPUTS:+--outputs "$OUTPUTS"}
else
    fresh "$dest.questions.cos" "${files[@]}" "$ask" || into "$dest.questions.cos" questions
    fresh "$dest.answers.cos" "$dest.questions.cos" "$model/config.json" || into "$dest.answers.cos" answers
fi
measured "$dest" accuracy --bench "$name" --protocol "$protocol" "${std[@]}" "$@" "$dest.answers.cos"
cat "$dest.tsv"
