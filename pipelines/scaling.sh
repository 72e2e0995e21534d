#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Accuracy against the number of paths and against tokens: pass@N, vote, weighted vote and best-of-N of one pool, and beam
# search for each N.
#   pipelines/scaling.sh QUESTIONS.cos MODEL PRM OUT [OPTIONS of cos-eval scaling...]
# NS: the Ns of beam search; the pool has as many paths as the largest ["1 2 4 8 16"]. MAX_TOKENS: a path's length [512].
# BEAM: paths kept of each step of the search, at most N [the root of N: as many as each has candidates].
# SEARCH_OPTS: more options of all sampling, as "--temperature 0.7". BEAM_OPTS: more options of the beam search, as "--agg min".
# Leaves OUT.pool.cos, OUT.beamN.cos, OUT.greedy.cos, OUT.tsv, OUT.json, and begins behind what is there.
# PART: only this one of the files: pool, greedy, beamN (several of them side by side, on several machines).
. "$(dirname "$0")/common.sh"
[ $# -ge 4 ] || usage 'QUESTIONS.cos MODEL PRM OUT [OPTIONS of cos-eval scaling...]'
questions=$1 model=$2 prm=$3 out=$4
shift 4
read -ra ns <<<"${NS:-1 2 4 8 16}"
read -ra warm <<<"${SEARCH_OPTS:-}"
read -ra search <<<"${BEAM_OPTS:-}"
case " pool greedy ${ns[*]/#/beam} " in
*" ${PART:-pool} "*) ;;
*) usage "PART is pool, greedy or beamN, N of NS" ;;
esac
most=$(printf '%s\n' "${ns[@]}" | sort -n | tail -n 1)

answers() {
    cos-generate --model "$model" --max-tokens "${MAX_TOKENS:-512}" "${run[@]}" "$@" <"$questions" | cos-score answer "${std[@]}"
}
pool() { answers -n "$most" "${warm[@]}" | cos-score prm --model "$prm" "${run[@]}"; }
kept() {
    local b=1
    while (((b + 1) * (b + 1) <= $1)); do b=$((b + 1)); done
    b=${BEAM:-$b}
    echo $((b < $1 ? b : $1))
}
beam() { answers --search beam --prm "$prm" -n "$1" --beam "$(kept "$1")" "${warm[@]}" "${search[@]}"; }

inputs=("$questions" "$model/config.json" "$prm/config.json")
# part NAME COMMAND...: OUT.NAME.cos, if it is asked for and not there
part() {
    if [ "${PART:-$1}" = "$1" ] && ! fresh "$out.$1.cos" "${inputs[@]}"; then into "$out.$1.cos" "${@:2}"; fi
}

part pool pool
part greedy answers --temperature 0
points=(--greedy "$out.greedy.cos")
for n in "${ns[@]}"; do
    part "beam$n" beam "$n"
    points+=(--beam "$out.beam$n.cos")
done
[ -n "${PART:-}" ] || measured "$out" scaling "${std[@]}" "$@" "${points[@]}" "$out.pool.cos"
