#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Training of the 100M-parameter configuration against oneDNN's plain product (bench_train.c).
#   COS_BIN=build/cpu tests/bench/bench_train.sh [THREADS]
set -eu
cd "$(dirname "$0")/../.."
PATH="$(cd "${COS_BIN:-build/cpu}" && pwd):$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo '{"id": "a", "question": "How many?", "answer": "1"}' | cos-cat -q -f |
    cos-update init -q --config examples/configs/base100m.json --vocab 1024 --out "$tmp/m"
"${COS_BIN:-build/cpu}/tests/bench/bench_train" "${1:-$(nproc)}" "$tmp/m"
