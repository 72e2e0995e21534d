#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --device: what a program says that cannot have it.
load helper

@test "without a GPU, or without CUDA in the build, --device cuda is an error of the device: exit 3, one line" {
    cos-generate -h | grep -q -- '--device cpu|cuda'
    for c in "cos-generate --model m" "cos-score prm --model m" "cos-score mc --model m" "cos-update sft --model m --out o" \
        "cos-update dpo --model m --out o"; do
        # shellcheck disable=SC2086
        fails_with 3 "cuda: " $c --device cuda </dev/null
    done
    fails_with 2 "device" cos-generate --model m --device gpu
}
