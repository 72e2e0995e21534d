#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The report of cos.mk: curves as SVG and PNG, their points as TSV, and one HTML page without outside references.
#   pipelines/report.sh [-t TITLE] OUT_DIR PATHS.cos RESULTS.json...
# PATHS: the paths to show (see page.sh); their images in $IMAGES. RESULTS: one file a seed. Needs gnuplot and jq.
# Leaves OUT_DIR/report.html, OUT_DIR/accuracy.tsv and OUT_DIR/plots.
. "$(dirname "$0")/common.sh"
here=$(dirname "$0")
title='Chain of steps'
while getopts t: o; do
    case $o in
    t) title=$OPTARG ;;
    *) usage '[-t TITLE] OUT_DIR PATHS.cos RESULTS.json...' ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 3 ] || usage '[-t TITLE] OUT_DIR PATHS.cos RESULTS.json...'
out=$1 paths=$2
shift 2
plots=$out/plots
mkdir -p "$plots"

results=("$@")
# tables WHAT [SVGS]: what report.jq makes of the results
tables() { jq -rn -L "$here" --arg what "$1" --slurpfile plots "${2:-/dev/null}" -f "$here/report.jq" "${results[@]}"; }

# draw NAME POINTS XLABEL YLABEL COLUMNS [SETTINGS]: a curve for each block of the points
draw() {
    local format term blocks
    blocks=$(grep -c '^"' "$2" || true)
    for format in svg png; do
        term=$format
        if [ $format = png ]; then term=pngcairo; fi
        gnuplot <<END
set terminal $term size 640,420 enhanced background "white"
set output "$plots/$1.$format.part"
set datafile separator "\t"
set grid; set key outside below; set xlabel "$3"; set ylabel "$4"; set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
${6:-}
plot for [i = 0:$blocks - 1] "$2" index i using $5 with yerrorlines pt 7 ps 0.6 title columnheader(1)
END
        mv -- "$plots/$1.$format.part" "$plots/$1.$format"
    done
}

curve() { into "$plots/$1.tsv" tables "$1"; draw "$1" "$plots/$1.tsv" "${@:2}"; }

curve accuracy "DPO round (0: SFT)" "accuracy, greedy" 1:2:3:4 "set xtics 1"
curve steps "DPO round (0: SFT)" "steps a path" 1:2:3:4 "set xtics 1"
curve tokens "DPO round (0: SFT)" "tokens a path" 1:2:3:4 "set xtics 1"
curve weights "weight of the steps" "accuracy, best-of-N" 1:2:3:4
curve reliability "score of a step" "share right" 1:2:3:4 "set xrange [0:1]; set yrange [0:1]"
for name in $(tables curves); do
    curve "$name" "N (paths a question), ${name#scaling-}" accuracy 1:2:3:4 "set logscale x 2"
    draw "$name-tokens" "$plots/$name.tsv" "tokens generated a question, ${name#scaling-}" accuracy 5:2:3:4 "set logscale x"
done
into "$out/accuracy.tsv" tables table

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
for svg in "$plots"/*.svg; do
    base64 -w 0 "$svg" | jq -R --arg name "$(basename "$svg" .svg)" '{($name): .}'
done | jq -s add >"$tmp/svgs"
tables page "$tmp/svgs" >"$tmp/page"
into "$out/report.html" sh "$here/page.sh" -t "$title" -b "$tmp/page" -i "${IMAGES:-.}" "$paths"
