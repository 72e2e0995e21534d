# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the bash pipelines share. BIN: folder of the programs. IMAGES: folder or archive of the images. DTYPE: auto, f32, bf16.
# ARGS: standard options for all programs, as "-q --seed 1".
set -euo pipefail
export PATH=${BIN:+$BIN:}$PATH
read -ra std <<<"${ARGS:-}"
run=(--images "${IMAGES:-.}" --dtype "${DTYPE:-auto}" "${std[@]}")      # options of a program that runs or trains a model

usage() { echo "usage: ${0##*/} $1" >&2; exit 2; }

# into FILE COMMAND...: the file appears when the command is done
into() {
    local out=$1
    shift
    "$@" >"$out.part"
    mv -- "$out.part" "$out"
}

# fresh OUT INPUT...: OUT is there, and no input is newer
fresh() {
    local out=$1 in
    shift
    [ -e "$out" ] || return 1
    for in; do
        if [ "$in" -nt "$out" ]; then return 1; fi
    done
}

# measured OUT COMMAND [ARGUMENTS...]: OUT.tsv and OUT.json of a command of cos-eval
measured() {
    local out=$1 what=$2
    shift 2
    into "$out.tsv" cos-eval "$what" "$@"
    into "$out.json" cos-eval "$what" --json "$@"
}
