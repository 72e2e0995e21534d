#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets of a build folder, two at a time, FUZZ_TIME seconds each (60), from the goldens and from what was
# found in earlier runs (BUILD_DIR/corpus); the same inputs in the same order for a FUZZ_SEED other than 0, where that is
# empty. An input that breaks one is left beside the corpus, and its name printed.
#   tests/fuzz/run.sh BUILD_DIR [NAME...]
set -u
B=$1; shift
export B FUZZ_TIME="${FUZZ_TIME:-60}" FUZZ_SEED="${FUZZ_SEED:-0}" G=tests/golden
[ $# -gt 0 ] || set -- safetensors gguf tokenizer config forms

seed() {   # NAME FILE...: the files' first 16 kB
    name=$1; shift
    i=0
    for f in "$@"; do i=$((i + 1)); head -c 16384 "$f" >"$B/corpus/$name/seed-$i"; done
}

for n in "$@"; do mkdir -p "$B/corpus/$n" "$B/found"; done
small='{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},"__metadata__":{}}'
mkdir -p "$B/corpus/safetensors" && printf '\205\0\0\0\0\0\0\0%s0123456789abcdef' "$small" >"$B/corpus/safetensors/seed-0"
for n in "$@"; do
    case $n in
    safetensors) seed "$n" $G/internvl/qwen2/model.safetensors ;;
    gguf) seed "$n" $G/gguf/*.gguf $G/text/*/model.gguf ;;
    tokenizer) seed "$n" $G/tokenizer/*.json ;;
    config) seed "$n" $G/*/*/config.json examples/configs/*.json ;;
    forms) seed "$n" tests/fuzz/forms/*.json ;;
    esac
done

one() {
    log=$B/found/$1.log
    if "$B/tests/fuzz/fuzz_$1" -max_total_time="$FUZZ_TIME" -seed="$FUZZ_SEED" -timeout=30 -rss_limit_mb=3000 -max_len=65536 -print_final_stats=1 \
        -dict="tests/fuzz/$1.dict" -artifact_prefix="$B/found/$1-" "$B/corpus/$1" >"$log" 2>&1
    then echo "ok - fuzz_$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
    else echo "not ok - fuzz_$1"; grep -vE '^#[0-9]' "$log" | tail -n 40 | sed 's/^/# /'; return 1
    fi
}

case ${FUZZ_ONE:-} in
'') printf '%s\n' "$@" | FUZZ_ONE=1 xargs -P 2 -I{} sh "$0" "$B" {} ;;
*)  one "$1" ;;
esac
