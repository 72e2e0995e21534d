#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Step-level beam search from single programs: candidates for the next step, scored, the best gone on from, until no path
# is open. Gives the records of  cos-generate --search beam  with the same options.
#   pipelines/beam.sh MODEL PRM [OPTIONS of cos-generate...] < questions.cos > paths.cos
# IMAGES: the folder or archive of images. DTYPE: auto, f32, bf16. ARGS: standard options for all of the programs.
set -eu
PATH=${BIN:+$BIN:}$PATH
[ $# -ge 2 ] || { echo "usage: beam.sh MODEL PRM [OPTIONS of cos-generate...]" >&2; exit 2; }
model=$1 prm=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# one round: from standard input to $tmp/best; a file between, since sh knows no failure in the middle of a pipe
round() {
    cos-generate --next-step --model "$model" --images "${IMAGES:-.}" --dtype "${DTYPE:-auto}" ${ARGS:-} "$@" >"$tmp/step"
    cos-score prm --model "$prm" --images "${IMAGES:-.}" --dtype "${DTYPE:-auto}" ${ARGS:-} <"$tmp/step" >"$tmp/scored"
    cos-select best --over all --agg last --unscored ${ARGS:-} <"$tmp/scored" >"$tmp/best"
}

round --anew "$@"
while :; do
    cos-select filter -q --where path.end=step <"$tmp/best" >"$tmp/open"
    cos-cat -q --plain <"$tmp/open" >"$tmp/lines"
    [ -s "$tmp/lines" ] || break
    mv "$tmp/best" "$tmp/paths"
    round "$@" <"$tmp/paths"
done
cat "$tmp/best"
