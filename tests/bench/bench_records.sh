#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Records: cos-cat to JSON and back against jq on the same lines, best of three; and a million records through cos-cat
# and cos-select, with the memory they took.
#   COS_BIN=build/cpu tests/bench/bench_records.sh
set -eu
cd "$(dirname "$0")/../.."
PATH="$(cd "${COS_BIN:-build/cpu}" && pwd):$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# path records with text, scores, tokens and log-probabilities, 4.1 KB each in JSON
jq -nc 'def word($k): ("the chart shows a blue bar, larger than \"any\" other; its value is read off" | split(" "))[$k % 14];
    def text($k; $n): [range($n) | word($k * 31 + . * ($k + 7))] | join(" ");
    range(12000) | . as $i | {id: "chart/\($i / 4 | floor)", question: text($i; 14), choices: ["1", "2"], answer: "42", source: "chart",
    images: [{ref: "images.zip!\($i).png"}], path: {index: ($i % 4), end: "stop", answer: "42", correct: ($i % 3 == 0), tokenizer: "abcd",
    steps: [range(4) | {name: text(. + $i; 3), thought: text(. * 3 + $i; 30), reflection: text(. * 5 + $i; 12), span: [. * 40, . * 40 + 39],
    labels: [{by: "mc", k: ($i % 16), n: 16}], score: (($i * 7919 + . * 104729) % 1000003 / 1000003)}],
    tokens: {"$u32": [range(120) | ($i * 65537 + . * 7919) % 151000]}, logprobs: {abc: {"$f32": [range(120) | -(($i * 31 + . * 17) % 997) / 331]}}},
    scores: {prm: (($i * 31) % 997 / 997), answer: 1.5}}' > "$tmp/a.jsonl"
cos-cat -q -f "$tmp/a.jsonl" > "$tmp/a.cos"
cos-cat -q --plain "$tmp/a.cos" > "$tmp/a.jsonl"

best() {   # seconds of a command, best of three
    for i in 1 2 3; do
        t0=$(date +%s.%N)
        "$@" > /dev/null
        echo "$t0 $(date +%s.%N)"
    done | awk '{ t = $2 - $1; if (NR == 1 || t < b) b = t } END { printf "%.3f", b }'
}

bytes=$(wc -c < "$tmp/a.jsonl")
jq=$(best jq -c . "$tmp/a.jsonl")
to=$(best cos-cat -q --plain "$tmp/a.cos")
from=$(best cos-cat -q -f "$tmp/a.jsonl")
awk -v b="$bytes" -v jq="$jq" -v to="$to" -v from="$from" 'BEGIN {
    printf "records: %.0f MB of JSON lines: jq %.0f MB/s, cos-cat to JSON %.0f MB/s, from JSON %.0f MB/s\n", b / 1e6, b / 1e6 / jq, b / 1e6 / to, b / 1e6 / from
    r = jq / ((to + from) / 2)
    printf "records: cos-cat to JSON and back / jq: %.1f (to %.1f, from %.1f; at least 10: %s)\n", r, jq / to, jq / from, (r >= 10 ? "met" : "MISSED") }'

# Peak memory of the process, by the kernel: VmHWM of /proc, read while the last record is still awaited.
peak() {
    name=$1; shift
    mkfifo "$tmp/in"
    "$@" < "$tmp/in" > /dev/null 2> "$tmp/err" &
    pid=$!
    exec 9> "$tmp/in"
    cat "$tmp/feed" >&9
    sleep 0.5
    kb=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
    exec 9>&-
    wait "$pid"
    rm "$tmp/in"
    echo "$name $kb $(sed 's/^[^:]*: //' "$tmp/err")"
}

jq -nc 'range(10000) | {id: "r/\(. / 4 | floor)", question: ("text " * 8), path: {index: (. % 4)}, scores: {prm: (. % 7)}}' | cos-cat -q -f > "$tmp/m.cos"
for n in 10 100; do
    i=0
    : > "$tmp/feed"
    while [ $i -lt $n ]; do cat "$tmp/m.cos" >> "$tmp/feed"; i=$((i + 1)); done
    peak "cos-cat" cos-cat --threads 2
    peak "cos-cat --json" cos-cat --json --threads 2
    peak "cos-select top" cos-select top
    peak "cos-select filter" cos-select filter --where 'scores.prm>3'
done | awk '{ line = $0; sub(/ [0-9]+ [0-9]+ in.*/, "", line); kb = $0; sub(/^[^0-9]*/, "", kb); split(kb, f, " ")
    if (line in small) printf "records: %s: %d records in %d MB, %d records in %d MB (flat: %s)\n", line, n[line], small[line] / 1024, f[2], f[1] / 1024, (f[1] < small[line] * 1.25 + 8192 ? "met" : "MISSED")
    else { small[line] = f[1]; n[line] = f[2] } }'
