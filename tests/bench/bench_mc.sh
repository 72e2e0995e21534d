#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Step labels on shapes against the exact truth: what they cost in tokens that go through the model, and how many are right.
#   plain       16 rollouts behind every step, each computed on its own: prompt, path so far, continuation
#   shared      the same rollouts; prompts and beginnings of paths are computed once
#   adaptive    --adaptive: a step's rollouts end with the first hit
#   first-error --search first-error: only the steps that a binary search for the first wrong one comes to; both: with --adaptive
# A step's label is right if a single rollout is. Differences are paired, intervals resample questions.
#   COS_BIN=build/cpu D=build/demo tests/bench/bench_mc.sh      D: a folder of pipelines/cos.mk; what it lacks is made (some
# minutes of training: captions, then steps, for the small policy of the demo)
set -eu
cd "$(dirname "$0")/../.."
bin=${COS_BIN:-build/cpu}
d=${D:-build/bench-mc} questions=${QUESTIONS:-100} paths=${PATHS:-4} rollouts=${ROLLOUTS:-16}
make -s -f pipelines/cos.mk BIN="$bin" D="$d" SEED=1 ARGS=-q "$d/seed1/sft/config.json" "$d/seed1/held.cos" > /dev/null
PATH="$(cd "$bin" && pwd):$(cd "$bin/examples/shapes" && pwd):$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

options="--model $d/seed1/sft --images $d/seed1 --dtype f32 --max-tokens 256 --seed 1"
mc() {                                         # NAME IN OUT [OPTIONS...]
    name=$1 in=$2 out=$3
    shift 3
    cos-score mc $options --temperature 0.5 --rollouts "$rollouts" --as "$name" "$@" < "$tmp/$in" > "$tmp/$out" 2> "$tmp/$name.log" || { tail -1 "$tmp/$name.log" >&2; exit 1; }
}
cos-cat -q --head "$questions" "$d/seed1/held.cos" | cos-generate -q $options -n "$paths" | shapes truth -q > "$tmp/0"
mc shared 0 1
mc adaptive 1 2 --adaptive
mc first-error 2 3 --search first-error
mc both 3 4 --search first-error --adaptive

computed() { sed -n 's/.*cost: \([0-9]*\) tokens computed.*/\1/p' "$tmp/$1.log"; }
plain=$(sed -n 's/.*each rollout on its own: \([0-9]*\).*/\1/p' "$tmp/shared.log")
# value, low and high of the accuracy of steps, in percent
accuracy() { cos-eval prm -q --threshold 0 --seed 1 "$@" "$tmp/4" | awk -F '\t' '$1 == "step" && $2 == "accuracy" { print $3, 100 * $4, 100 * $5, 100 * $6 }'; }
row() {                                        # NAME TOKENS LABELS
    echo "$1 $2 $(accuracy --pred "$3") $(accuracy --pred "$3" --against shared)" | awk -v plain="$plain" '{
        printf "mc %-11s %9d tokens, %.3f of plain; %d labels, right: %.2f %% (%.2f to %.2f), against plain %+.2f (%+.2f to %+.2f)\n",
            $1, $2, $2 / plain, $3, $4, $5, $6, $8, $9, $10 }'
}
row plain "$plain" shared
row shared "$(computed shared)" shared
row adaptive "$(computed adaptive)" adaptive
row first-error "$(computed first-error)" first-error,first-error:inferred
row both "$(computed both)" both,both:inferred
accuracy --pred adaptive --against shared | awk -v c="$(computed adaptive)" -v plain="$plain" '{
    printf("mc adaptive and shared / plain: %.3f (at most 0.2: %s); accuracy within 1 point: %s\n", c / plain,
        c <= plain / 5 ? "met" : "MISSED", $3 >= -1 && $4 <= 1 ? "met" : "MISSED") }'
