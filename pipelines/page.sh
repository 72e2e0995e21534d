#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One HTML page without outside references: the accuracy table, the steps against the truth, and some paths with their
# pictures. PATHS: scored paths (cos-score answer), better with truth labels (shapes truth).
#   pipelines/page.sh [-t TITLE] [-n PATHS_SHOWN] [-i IMAGES] [-k 'NAME=VALUE']... [-b HTML] PATHS.cos > report.html
# IMAGES: the folder or tar that references point into. -k adds a fact to the top of the page, -b a
# file of HTML before the table. Needs jq, and cos-cat and cos-eval in $BIN or in PATH.
set -eu
PATH=${BIN:+$BIN:}$PATH
title='Chains of steps' shown=24 images=. facts='[]' before=/dev/null
while getopts t:n:i:k:b: o; do
    case $o in
    t) title=$OPTARG ;;
    n) shown=$OPTARG ;;
    i) images=$OPTARG ;;
    k) facts=$(jq -nc --argjson f "$facts" --arg k "${OPTARG%%=*}" --arg v "${OPTARG#*=}" '$f + [[$k, $v]]') ;;
    b) before=$OPTARG ;;
    *) echo "usage: page.sh [-t TITLE] [-n N] [-i IMAGES] [-k NAME=VALUE]... [-b HTML] PATHS.cos" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# = 1 ] || { echo "page.sh: want one file of paths" >&2; exit 2; }
here=$(dirname "$0")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

cos-eval accuracy -q --json "$1" >"$tmp/table"
cos-cat --json "$1" >"$tmp/all"

# What the statistics and the choice need, without the images: one small object a path.
jq -c 'select(.kind != "header" and .kind != "trailer" and has("path"))
  | {n: input_line_number, source, correct: .path.correct,
     truth: [.path.steps[]? | [.labels[]? | select(.by == "truth")] | last | select(. != null) | {right: (.value >= 0.5), why}]}' \
  "$tmp/all" >"$tmp/small"

jq -sc '[.[].truth | to_entries[] | {place: (.key + 1)} + .value] as $s
  | {steps: ($s | length), right: ([$s[] | select(.right)] | length),
     by_place: ($s | group_by(.place) | map({place: .[0].place, n: length, right: map(select(.right)) | length})),
     why: ([$s[] | select(.why != null)] | group_by(.why) | map({why: .[0].why, n: length})),
     correct: ([.[] | select(.correct and .truth != [])] | length),
     clean: ([.[] | select(.correct and .truth != [] and all(.truth[]; .right))] | length)}' "$tmp/small" >"$tmp/steps"

# Lines to show: from every source in turn one with a right and one with a wrong answer, the first kind alternating.
jq -sr --argjson shown "$shown" 'group_by(.source) | to_entries
  | [.[] | .key as $k | .value | [map(select(.correct)), map(select(.correct | not))] | if $k % 2 == 1 then . else reverse end]
  | . as $g | [range(0; [([.[][] | length] | max // 0), $shown] | min) as $i | (0, 1) as $side | $g[][$side][$i] | select(. != null) | .n]
  | .[:$shown] | .[]' "$tmp/small" >"$tmp/lines"

# A referenced PNG, into a file; inline ones are in the record already.
picture() {
    case $1 in
    *!*) base=$images; [ -d "$images" ] && base=$images/${1%%!*}; tar -xOf "$base" -- "${1#*!}" ;;
    *)   cat -- "$images/$1" ;;
    esac >"$tmp/png"
}
while read -r n; do
    sed -n "${n}{p;q;}" "$tmp/all" >"$tmp/one"
    ref=$(jq -r '.images[0]?.ref // empty' "$tmp/one")
    : >"$tmp/png"
    if [ -n "$ref" ]; then picture "$ref"; fi
    base64 -w 0 "$tmp/png" >"$tmp/base64"
    jq -c --rawfile png "$tmp/base64" 'if $png != "" then .images[0].inline = $png else . end' "$tmp/one"
done <"$tmp/lines" >"$tmp/show"

header=$(head -n 1 "$tmp/all" | jq -c 'select(.kind == "header")')
jq -rn --arg title "$title" --argjson facts "$facts" --argjson table "$(cat "$tmp/table")" --argjson steps "$(cat "$tmp/steps")" \
  --argjson header "${header:-null}" --rawfile before "$before" -L "$here" -f "$here/page.jq" "$tmp/show"
