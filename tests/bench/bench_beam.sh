#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a step-level beam search costs against best-of-N - sampling, then scoring by the same reward model - for each token
# sampled. Medians of three.
#   COS_BIN=build/cpu tests/bench/bench_beam.sh [CONFIG.json]      default: the small one
# The policy learns a few chains by heart, so that its paths have steps; the reward model is random.
set -eu
cd "$(dirname "$0")/../.."
PATH="$(cd "${COS_BIN:-build/cpu}" && pwd):$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
config=${1:-examples/configs/small.json} questions=${QUESTIONS:-12} ns=${N:-4 16}

base64 -d > "$tmp/i.png" << 'PNG'
iVBORw0KGgoAAAANSUhEUgAAABAAAAAICAIAAAB/FOjAAAAARklEQVR42mOU0dNmIAUwMZAImA7MnozM1+wyYmBg2LAvBJcGRoiTou7pL1O6SIKT0FR/e9BPmh82nJpFmoYfd1MJ+IF4AACChBFOmtGuhQAAAABJRU5ErkJggg==
PNG
jq -nc --argjson n "$questions" 'range($n) | {id: "q\(.)", answer: "\(. % 5)", images: [{ref: "i.png"}],
    question: "\(.) <image> How many of the things in the picture are red, and which of them is the largest?",
    path: {answer: "\(. % 5)", steps: [range(3 + . % 3) as $s | {name: "Look at part \($s)", thought: "There are \($s * 7 % 5) red things of \($s + 3).",
           reflection: "The picture shows them on the left."}]}}' > "$tmp/train.jsonl"
cos-cat -q -f < "$tmp/train.jsonl" > "$tmp/train.cos"
jq -c 'del(.path)' "$tmp/train.jsonl" | cos-cat -q -f > "$tmp/ask.cos"
cos-update init -q --config "$config" --vocab 400 --out "$tmp/prm" < "$tmp/train.cos"
cos-update sft -q --model "$tmp/prm" --images "$tmp" --epochs "${EPOCHS:-40}" --batch 8 --lr 2e-3 --out "$tmp/m" < "$tmp/train.cos"

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
options="--images $tmp --max-tokens 300 --temperature 0.7"
# tokens and seconds from what the programs say
said() { sed -n 's/^cos-[a-z]*: \([0-9]*\) [a-z]* in \([0-9.]*\) s.*/\1 \2/p' "$1"; }
for n in $ns; do
    : > "$tmp/best"
    : > "$tmp/beam"
    for i in 1 2 3; do
        cos-generate --model "$tmp/m" $options -n "$n" < "$tmp/ask.cos" 2> "$tmp/said.g" > "$tmp/paths.cos"
        cos-score prm --model "$tmp/prm" --images "$tmp" < "$tmp/paths.cos" 2> "$tmp/said.s" > /dev/null
        cos-generate --model "$tmp/m" --search beam --prm "$tmp/prm" $options -n "$n" < "$tmp/ask.cos" 2> "$tmp/said.b" > "$tmp/beam.cos"
        echo "$(said "$tmp/said.g") $(said "$tmp/said.s")" | awk '{ print ($2 + $4) / $1, $1, $2 / $1 }' >> "$tmp/best"
        said "$tmp/said.b" | awk '{ print $2 / $1, $1 }' >> "$tmp/beam"
    done
    awk -v n="$n" -v best="$(cut -d' ' -f1 "$tmp/best" | median)" -v beam="$(cut -d' ' -f1 "$tmp/beam" | median)" \
        -v tb="$(head -1 "$tmp/best" | cut -d' ' -f2)" -v ts="$(head -1 "$tmp/beam" | cut -d' ' -f2)" \
        -v whole="$(cos-cat -q --plain "$tmp/beam.cos" | jq -c 'select(.path.answer)' | wc -l)" -v q="$questions" 'BEGIN {
        printf "beam N=%d: %d tokens of best-of-N, %d of the search; %d of %d searches came to an answer\n", n, tb, ts, whole, q
        printf "beam N=%d: time a token, search / best-of-N: %.2f (at most 1.3: %s)\n", n, beam / best, beam <= 1.3 * best ? "met" : "MISSED" }'
done
