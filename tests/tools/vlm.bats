#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Models whose images become several tiles, through the programs: the random LlavaNext and SmolVLM of tests/golden.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR" ROOT="$BATS_TEST_DIRNAME/../.."
    cd "$ROOT"
    mkdir "$W/img"
    cp tests/golden/preprocess/rgba.png tests/golden/preprocess/s444.jpg tests/golden/preprocess/lossless.webp "$W/img"
    jq -nc 'range(6) as $i | ["rgba.png", "s444.jpg", "lossless.webp"] as $f
        | {id: "q/\($i)", question: "Question \($i): how many?", answer: "3", images: [$f[range($i % 3)] | {ref: .}],
           path: {steps: [range(1 + $i % 2) | {name: "Look", thought: "Looked \(.) times.", reflection: "It shows it."}], answer: "3"}}' > "$W/in.jsonl"
    cos-cat -q --from-json < "$W/in.jsonl" > "$W/in.cos"
    for f in llava_next smolvlm; do
        cos-update init -q --model "tests/golden/$f/tools" --out "$W/$f.base"
        cos-update sft -q --model "$W/$f.base" --images "$W/img" --dtype f32 --save-dtype f32 --freeze none --lr 0.02 --warmup 0 --batch 3 \
            --steps 240 --out "$W/$f" < "$W/in.cos"
    done
}

setup() { cd "$BATS_TEST_TMPDIR"; }

same_in_any_batch() {
    local f=$1 generate="cos-generate -q --no-provenance --dtype f32 --model $W/$1 --images $W/img --seed 3 --max-tokens 160 -n 2"
    local score="cos-score prm -q --no-provenance --dtype f32 --model $W/$1 --images $W/img"
    [ "$(jq .text_config.vocab_size "$W/$f/config.json")" = $(( $(jq .text_config.vocab_size "$ROOT/tests/golden/$f/tools/config.json") + 17 )) ]
    cmp "$ROOT/tests/golden/$f/tools/preprocessor_config.json" "$W/$f/preprocessor_config.json"
    $generate < "$W/in.cos" > all
    $generate --batch 1 --threads 1 < "$W/in.cos" > alone
    cmp all alone
    [ "$(cos-cat -q --json < all | jq -s 'map(select(.path.end == "stop")) | length')" -gt 3 ]
    $score < "$W/in.cos" > scored
    $score --batch 1 --threads 1 < "$W/in.cos" > scored.alone
    cmp scored scored.alone
    [ "$(cos-cat -q --json < scored | jq -s 'map(select(.scores.prm > 0)) | length')" = 6 ]
}

@test "llava_next: trained, sampled and scored, the same in any batch" { same_in_any_batch llava_next; }

@test "smolvlm: trained, sampled and scored, the same in any batch" { same_in_any_batch smolvlm; }

@test "llava_next: an image processor that does not fit the model is refused" {
    cp -r "$ROOT/tests/golden/llava_next/tools" m
    cp "$ROOT/tests/golden/smolvlm/tools/preprocessor_config.json" m
    run -1 --separate-stderr cos-generate --model m "$W/in.cos"
    [[ $stderr == *"does not make tiles of sizes of its own"* ]]
}
