#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Token ids of 100,000 lines of mixed text against Hugging Face tokenizers and sentencepiece, for each tokenizer of the goldens and
# whatever tokenizer.json or SentencePiece models are named (each file by a name of its own). sentencepiece should be of the version
# that cos is linked with: 0.2 breaks ties in Unigram models (no model's here) otherwise than 0.1.97 of Debian 12 and 0.1.99:
#   make build/cpu/tests/golden/t_lines
#   COS_REF_PYTHON=python tests/golden/compare_lines.sh [FILE...]        COS_BIN: the build folder, LINES: how many lines
set -eu
[ -n "${COS_REF_PYTHON:-}" ] || { echo "COS_REF_PYTHON: want a python with tokenizers and sentencepiece" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT TERM
for f in "$here"/tokenizer/*.json "$here"/tokenizer/*.model; do
    case $f in */cases.json) ;; *) set -- "$@" "$f" ;; esac
done
"$COS_REF_PYTHON" "$here/make_lines.py" "${LINES:-100000}" "$out" "$@" > /dev/null
bin=$(cd "${COS_BIN:-build/cpu}" && pwd)
cd "$here/../.."
COS_LINES=$out "$bin/tests/golden/t_lines"
