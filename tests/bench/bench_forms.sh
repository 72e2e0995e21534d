#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SFT JSONL with a zip of images into records and back: MB of JSON a second of one core's time (user and system, so that
# a busy machine counts little), best of three; and the memory of 300,000 rows against that of 20,000.
#   COS_BIN=build/cpu tests/bench/bench_forms.sh [ROWS]
set -eu
cd "$(dirname "$0")/../.."
PATH="$(cd "${COS_BIN:-build/cpu}" && pwd):$PATH"
rows=${1:-300000}
unit=20000
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

# rows of 2.3 KB: four steps, an image of a thousand
awk -v n=$unit 'function text(k, m,    i, s) { for (i = 0; i < m; i++) s = s (i ? " " : "") word[(k * 31 + i * (k + 7)) % 14 + 1]; return s }
    function part(what, t) { return "<|reasoning_step_" what "_start|>" t "<|reasoning_step_" what "_end|>\\n" }
    function step(k) { return "<|reasoning_step_start|>\\n" part("name", text(k, 3)) part("thought", text(k * 3, 30)) part("reflection", text(k * 5, 14)) "<|reasoning_step_end|>\\n" }
    BEGIN { split("the chart shows a blue bar, larger than \\\"any\\\" other; its value is read off", word, " ")
        for (i = 0; i < n; i++) {
            steps = step(i)
            for (j = 1; j < 4; j++) steps = steps "<|reasoning_proceed|>\\n" step(i + j)
            printf "{\"id\":\"s/%d\",\"image\":\"%d.png\",\"conversations\":[{\"from\":\"human\",\"value\":\"<image>\\n%s\"},{\"from\":\"gpt\",\"value\":\"<|reasoning_start|>\\n%s<|reasoning_end|>\\nAnswer:\\n<|answer_start|>%d<|answer_end|>\"}]}\n",
                i, i % 1000, text(i, 20), steps, i % 7 } }' > sft.jsonl
mkdir pics
base64 -d > pics/0.png <<'END'
iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC
END
i=1
while [ $i -lt 1000 ]; do cp pics/0.png "pics/$i.png"; i=$((i + 1)); done
(cd pics && zip -q -0 ../images.zip -- *.png)
cos-segment -q --images images.zip < sft.jsonl > sft.cos
[ "$(cos-cat -q --to cos --tar - --images . sft.cos | tar t | wc -l)" = $((2 * unit)) ]
bytes=$(wc -c < sft.jsonl)

seconds() { awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, "m"); s += t[1] * 60 + t[2] } print s }' "$1"; }
rate() {   # NAME LEAST COMMAND...: of the time its processes took
    name=$1 least=$2
    shift 2
    best=
    for _ in 1 2 3; do
        times > before
        "$@" > /dev/null
        times > after
        best=$(awk -v b="${best:-1e9}" -v x="$(seconds before)" -v y="$(seconds after)" 'BEGIN { t = y - x; print (t < b ? t : b) }')
    done
    awk -v n="$name" -v b="$bytes" -v t="$best" -v l="$least" 'BEGIN { r = b / 1e6 / (t + 1e-9)
        printf "forms: %s: %.0f MB of JSON a second and core", n, r; if (l) printf " (at least %d: %s)", l, (r >= l ? "met" : "MISSED"); print "" }'
}
from() { cos-segment -q --images images.zip "$@" < sft.jsonl; }
rate "SFT JSONL to records" 50 from --threads 1
rate "SFT JSONL to records, two threads" 50 from --threads 2
rate "SFT JSONL to records, images inline" 50 from --inline --threads 1
rate "records to SFT JSONL" 0 cos-cat -q --to cos --threads 1 sft.cos
rate "records to PRM turns (VisualPRM's data)" 0 cos-cat -q --to visualprm-raw --threads 1 sft.cos
rate "records to a tar shard with images" 0 cos-cat -q --to cos --tar - --images . --threads 1 sft.cos

# Peak memory of the process, by the kernel: VmHWM of /proc, read while the last row is still awaited.
peak() {   # ROWS COMMAND...
    n=$1
    shift
    mkfifo in
    "$@" < in > /dev/null 2> err &
    pid=$!
    exec 9> in
    i=0
    while [ $i -lt "$n" ]; do cat sft.jsonl >&9; i=$((i + unit)); done
    sleep 0.5
    sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$pid/status"
    exec 9>&-
    wait "$pid"
    rm in
    grep -q " $n out" err || { cat err >&2; exit 1; }
}
for how in "" "--inline"; do
    small=$(peak $unit cos-segment --threads 2 --images images.zip $how)
    large=$(peak "$rows" cos-segment --threads 2 --images images.zip $how)
    awk -v s="$small" -v l="$large" -v n="$rows" -v u=$unit -v how="$how" 'BEGIN { printf "forms: cos-segment %s: %d rows in %d MB, %d rows in %d MB (flat: %s)\n",
        how, u, s / 1024, n, l / 1024, (l < s * 1.25 + 8192 ? "met" : "MISSED") }'
done
