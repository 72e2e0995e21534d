#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The op table on the emulated CUDA backend while data races are looked for (kernels/emu/race.cc), two programs at a time: a
# race ends the program with a line that names it. (TAP; tests/run.sh gives COS_BIN)
[ -d "$COS_BIN/race/tests" ] || { echo "1..0 # skip: not a part of this build"; exit 0; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
export COS_DEVICE=cuda dir
printf '%s\n' t_attn t_rows t_moves t_draw t_rowops t_linear t_races | xargs -P 2 -I UNIT sh -c '
    "$COS_BIN/race/tests/ops/UNIT" >"$dir/UNIT" 2>&1 || echo "not ok - race/tests/ops/UNIT ended with status $?" >>"$dir/UNIT"'
cat "$dir"/t_*
! grep -q '^not ok' "$dir"/t_*
