#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Step data from a strong model (reasoning from outcome): question, images and right answer go to a server, steps come back;
# what is not strictly in the step format is rejected by reason, what ends in another answer than the right one is dropped.
#   pipelines/build-sft.sh URL MODEL OUT [OPTIONS of cos-generate...] < questions.cos
# OUT gets built.cos (records for pipelines/sft.sh), wrong.cos (right in form, wrong in the answer), rejects.cos (no such
# steps came, the reason is in meta.reject) and replies.cos. Run again, stopped or not, it asks for what is missing alone.
# PROMPT [prompts/reason-from-outcome.txt]; MATCH: when two answers are the same [exact]; IMAGES, ARGS as in all pipelines.
. "$(dirname "$0")/common.sh"
[ $# -ge 3 ] || usage 'URL MODEL OUT [OPTIONS of cos-generate...] < questions.cos'
url=$1 model=$2 out=$3
shift 3
prompt=${PROMPT:-$(dirname "$0")/prompts/reason-from-outcome.txt}
mkdir -p "$out"

# Replies of earlier runs, each stopped one in a file of its own: nothing that came from the server is asked for again.
resume=() k=0
for old in "$out"/replies{,.*}.cos; do
    if [ -e "$old" ]; then resume+=(--resume "$old"); fi
done
while [ -e "$out/replies.$k.cos" ]; do k=$((k + 1)); done
new=$out/replies.$k.cos

cos-generate --endpoint "$url" --model "$model" --prompt "$prompt" --images "${IMAGES:-.}" --strict "${resume[@]}" \
    --rejects "$out/rejects.cos" "${std[@]}" "$@" >"$new"

right() { cos-score answer --match "${MATCH:-exact}" "${std[@]}" <"$new" | cos-select filter --where path.correct=true "${std[@]}" "$@"; }
into "$out/wrong.cos" right --not
into "$out/built.cos" right
mv -- "$new" "$out/replies.cos"
rm -f -- "$out"/replies.*.cos
