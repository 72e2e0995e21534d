#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What N paths a question cost against one, and what sharing the prompt saves; n = 1 and 16 are medians of three.
#   COS_BIN=build/cpu tests/bench/bench_generate.sh [MODEL.json...]     default: the small and the 100M-parameter config
# The models are random, so nearly every path has the full length.
set -eu
cd "$(dirname "$0")/../.."
PATH="$(cd "${COS_BIN:-build/cpu}" && pwd):$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
[ $# -gt 0 ] || set -- examples/configs/small.json examples/configs/base100m.json
tokens=${TOKENS:-32} questions=${QUESTIONS:-4}

base64 -d > "$tmp/i.png" << 'PNG'
iVBORw0KGgoAAAANSUhEUgAAABAAAAAICAIAAAB/FOjAAAAARklEQVR42mOU0dNmIAUwMZAImA7MnozM1+wyYmBg2LAvBJcGRoiTou7pL1O6SIKT0FR/e9BPmh82nJpFmoYfd1MJ+IF4AACChBFOmtGuhQAAAABJRU5ErkJggg==
PNG
# each question with its image; a word in front of the image keeps the images of different questions apart
jq -nc --argjson n "$questions" 'range($n) | {id: "q\(.)", question: "\(.) <image> How many of the things in the picture are red, and which of them is the largest?",
    images: [{ref: "i.png"}]}' > "$tmp/ask.jsonl"
cos-cat -q -f < "$tmp/ask.jsonl" > "$tmp/ask.cos"
# the same work with nothing shared: every path is a question of its own
jq -nc --argjson n "$questions" 'range($n * 16) | {id: "q\(.)", question: "\(.) <image> How many of the things in the picture are red, and which of them is the largest?",
    images: [{ref: "i.png"}]}' | cos-cat -q -f > "$tmp/alone.cos"

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# seconds and tokens of one run: FILE N
run() { cos-generate --model "$tmp/m" --images "$tmp" -n "$2" --max-tokens "$tokens" < "$1" 2>&1 > /dev/null |
    sed -n 's/^cos-generate: \([0-9]*\) tokens in \([0-9.]*\) s.*/\2 \1/p'; }

for config in "$@"; do
    name=$(basename "$config" .json)
    rm -rf "$tmp/m"
    cos-update init -q --config "$config" --vocab 400 --out "$tmp/m" < "$tmp/ask.cos"
    for i in 1 2 3; do
        for n in 1 16; do run "$tmp/ask.cos" $n >> "$tmp/$name.$n"; done
    done
    run "$tmp/ask.cos" 64 > "$tmp/$name.64"
    run "$tmp/alone.cos" 1 > "$tmp/$name.alone"
    for n in 1 16 64 alone; do
        cut -d' ' -f1 "$tmp/$name.$n" | median > "$tmp/sec.$n"
        awk '{ print $2 / $1 }' "$tmp/$name.$n" | median > "$tmp/rate.$n"
    done
    awk -v m="$name" -v q="$questions" -v t="$tokens" -v s1="$(cat "$tmp/sec.1")" -v s16="$(cat "$tmp/sec.16")" -v s64="$(cat "$tmp/sec.64")" \
        -v sa="$(cat "$tmp/sec.alone")" -v r1="$(cat "$tmp/rate.1")" -v r16="$(cat "$tmp/rate.16")" -v r64="$(cat "$tmp/rate.64")" 'BEGIN {
        printf "generate %s: %d questions, %d tokens: n=1 %.0f tokens/s, n=16 %.0f, n=64 %.0f\n", m, q, t, r1, r16, r64
        printf "generate %s: time of n=16 / n=1: %.2f (at most 4: %s); n=64 / n=1: %.2f\n", m, s16 / s1, s16 <= 4 * s1 ? "met" : "MISSED", s64 / s1
        printf "generate %s: 16 paths of a question each / n=16, nothing shared against shared: %.2f\n", m, sa / s16 }'
done
