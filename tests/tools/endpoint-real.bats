#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The same programs against a real server, where COS_TEST_ENDPOINT names one (COS_TEST_MODEL its model, COS_TEST_TOKENS the
# length of replies), as llama.cpp's:
#     pip install 'llama-cpp-python[server]'; python3 -m llama_cpp.server --model FILE.gguf --port 8000
#     COS_TEST_ENDPOINT=http://localhost:8000/v1 bats tests/tools/endpoint-real.bats
# A small model seldom keeps to a form: what is checked is that every question is accounted for, and that what came is whole.

bats_require_minimum_version 1.5.0

setup() {
    : "${COS_BIN:=$BATS_TEST_DIRNAME/../../build/cpu}"
    export COS_BIN PATH="$COS_BIN:$PATH"
    [ -n "$COS_TEST_ENDPOINT" ] || skip "COS_TEST_ENDPOINT names no server"
    cd "$BATS_TEST_TMPDIR"
    prompts=$BATS_TEST_DIRNAME/../../pipelines/prompts
    common=(--endpoint "$COS_TEST_ENDPOINT" --model "${COS_TEST_MODEL:-default}" --concurrency 2 --seed 1)
    jq -nc 'range(4) | {id: "sum/\(.)", question: "What is \(. + 2) plus \(. * 3)?", answer: "\(. * 4 + 2)"}' | cos-cat -q -f > ask.cos
}

plain() { cos-cat -q --plain "$@"; }

@test "paths: every question is answered, in order; resumed from a cut the rest is asked for" {
    cos-generate "${common[@]}" --prompt "$prompts/numbered.txt" -n 2 --temperature 0.7 --max-tokens "${COS_TEST_TOKENS:-64}" < ask.cos > out.cos
    [ "$(plain < out.cos | jq -r '"\(.id) \(.path.index)"')" = "$(plain < ask.cos | jq -r '"\(.id) 0", "\(.id) 1"')" ]
    cos-cat --check < out.cos > /dev/null
    plain < out.cos | jq -r .path.end | sort | uniq -c >&3
    head -c $(($(wc -c < out.cos) / 2)) out.cos > cut
    cos-generate "${common[@]}" --prompt "$prompts/numbered.txt" -n 2 --temperature 0.7 --max-tokens "${COS_TEST_TOKENS:-64}" --resume cut < ask.cos > more.cos 2> err
    grep -qE '[1-9][0-9]* replies kept from --resume' err
    [ "$(plain < more.cos | jq -r '"\(.id) \(.path.index)"')" = "$(plain < out.cos | jq -r '"\(.id) \(.path.index)"')" ]
}

@test "judge: every path comes back, verdicts or none" {
    cos-generate -q "${common[@]}" --prompt "$prompts/numbered.txt" --max-tokens "${COS_TEST_TOKENS:-64}" < ask.cos > paths.cos
    cos-score judge "${common[@]}" --prompt "$prompts/judge.txt" --max-tokens "${COS_TEST_TOKENS:-64}" < paths.cos > judged.cos 2> err
    grep -E 'steps: |without verdicts|rejected' err >&3
    [ "$(($(plain < judged.cos | wc -l) + $(grep -oE '[0-9]+ rejected' err | cut -d' ' -f1 | paste -sd+ | sed 's/^$/0/')))" = 4 ]
}

@test "build-sft end to end: built, wrong and rejected are all questions" {
    BIN="$COS_BIN" "$prompts/../build-sft.sh" "$COS_TEST_ENDPOINT" "${COS_TEST_MODEL:-default}" data --concurrency 2 --max-tokens "${COS_TEST_TOKENS:-64}" < ask.cos 2> err
    cat err >&3
    [ "$(cat <(plain < data/built.cos) <(plain < data/wrong.cos) <(plain < data/rejects.cos) | wc -l)" = 4 ]
}
