#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What sharing saves: scoring 64 paths of one image against scoring each on its own, and Monte Carlo labels against
# rollouts on their own.
#   COS_BIN=build/cpu tests/bench/bench_score.sh [MODEL.json]      default: the 100M-parameter config
set -eu
cd "$(dirname "$0")/../.."
PATH="$(cd "${COS_BIN:-build/cpu}" && pwd):$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
config=${1:-examples/configs/base100m.json}
name=$(basename "$config" .json)

# a wide picture: 12 tiles and the whole
base64 -d > "$tmp/i.png" << 'PNG'
iVBORw0KGgoAAAANSUhEUgAAADAAAAAECAIAAABHiytrAAAAI0lEQVR42mNkYGBgHUyIhcGGgYGBcfAguIOYBglCdhDzYEAAYxQCw/GcEWkAAAAASUVORK5CYII=
PNG
# paths QUESTIONS PATHS: three steps and an answer each; a word in front of the image keeps questions apart
paths() { jq -nc --argjson q "$1" --argjson n "$2" 'range($q) as $i | range($n) as $k | {id: "q\($i)", question: "\($i) <image> How many are red?", answer: "\($i % 5)",
    images: [{ref: "i.png"}], path: {index: $k, answer: "\($k % 5)", steps: [range(3) | {name: "Count", thought: "Row \(.) of \($k) has \($i) red ones.",
    reflection: "Seen."}]}}' | cos-cat -q -f; }
score() { cos-score prm --model "$tmp/m" --images "$tmp" "$@" 2>&1 > /dev/null | sed -n 's/.* paths in \([0-9.]*\) s.*/\1/p'; }

paths 1 64 > "$tmp/one.cos"
paths 8 1 > "$tmp/alone.cos"         # an eighth of them stands for all
cos-update init -q --config "$config" --vocab 400 --max-tiles 12 --out "$tmp/m" < "$tmp/one.cos"
score < "$tmp/one.cos" > "$tmp/shared"
score --batch 1 < "$tmp/alone.cos" > "$tmp/each"
awk -v m="$name" -v s="$(cat "$tmp/shared")" -v e="$(cat "$tmp/each")" 'BEGIN {
    e *= 8
    printf "score %s: 64 paths of one image in %.2f s, one by one in %.2f s (8 of them, times 8): %.3f (at most 0.125: %s)\n",
        m, s, e, s / e, s / e <= 0.125 ? "met" : "MISSED" }'

# labels: a model that has learned the form, 4 paths of each question
paths 24 1 > "$tmp/train.cos"
cos-update init -q --config examples/configs/tiny.json --vocab 400 --max-tiles 12 --out "$tmp/t" < "$tmp/train.cos"
cos-update sft -q --model "$tmp/t" --images "$tmp" --epochs 120 --batch 8 --lr 1e-2 --dtype f32 --out "$tmp/sft" < "$tmp/train.cos"
cos-generate -q --model "$tmp/sft" --images "$tmp" -n 4 --max-tokens 200 < "$tmp/train.cos" > "$tmp/paths.cos"
for n in 1 4; do
    cos-cat -q --plain < "$tmp/paths.cos" | jq -c --argjson n $n 'select(.path.index < $n)' | cos-cat -q -f > "$tmp/in.cos"
    cos-score mc --model "$tmp/sft" --images "$tmp" --max-tokens 200 < "$tmp/in.cos" 2>&1 > /dev/null |
        sed -n "s/.*cost: \([0-9]*\) tokens computed, each rollout on its own: \([0-9]*\).*/\1 \2/p" |
        awk -v n=$n '{ printf "mc: %d paths a question: %d tokens, each rollout on its own %d: %.3f (at most 0.333: %s)\n", n, $1, $2, $1 / $2, 3 * $1 <= $2 ? "met" : "MISSED" }'
done
