#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A model that takes images as large as they are, through the programs: the random Qwen2.5-VL of tests/golden/qwen_vl/input.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR" ROOT="$BATS_TEST_DIRNAME/../.."
    cd "$ROOT"
    mkdir "$W/img"
    cp tests/golden/preprocess/rgb.png tests/golden/preprocess/s444.jpg tests/golden/preprocess/lossless.webp "$W/img"
    jq -nc 'range(9) as $i | ["rgb.png", "s444.jpg", "lossless.webp"] as $f
        | {id: "q/\($i)", question: "Question \($i): how many?", answer: "3", images: [$f[range($i % 3)] | {ref: .}],
           path: {steps: [range(1 + $i % 2) | {name: "Look", thought: "Looked \(.) times.", reflection: "It shows it."}], answer: "3"}}' > "$W/in.jsonl"
    cos-cat -q --from-json < "$W/in.jsonl" > "$W/in.cos"
    cos-update init -q --model tests/golden/qwen_vl/input --out "$W/base"
    cos-update sft -q --model "$W/base" --images "$W/img" --dtype f32 --save-dtype f32 --freeze none --lr 0.02 --warmup 0 --batch 3 \
        --steps 200 --out "$W/sft" < "$W/in.cos"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

generate() { cos-generate -q --no-provenance --dtype f32 --model "$W/sft" --images "$W/img" --seed 3 --max-tokens 160 "$@" < "$W/in.cos"; }

@test "qwen_vl: the tokens are there, the settings of images are kept" {
    [ "$(jq .text_config.vocab_size "$W/base/config.json")" = $(( $(jq .text_config.vocab_size "$ROOT/tests/golden/qwen_vl/input/config.json") + 17 )) ]
    cmp "$ROOT/tests/golden/qwen_vl/input/preprocessor_config.json" "$W/sft/preprocessor_config.json"
}

@test "qwen_vl: paths do not depend on batches, threads and shards" {
    generate -n 3 > all
    generate -n 3 --batch 1 --threads 1 > alone
    generate -n 3 --batch 7 --kv-tokens 1024 > tight
    cmp all alone
    cmp all tight
    [ "$(cos-cat -q --json < all | jq -s 'map(select(.path.end == "stop")) | length')" -gt 5 ]
}

@test "qwen_vl: scores and beams do not depend on batches" {
    cos-score prm -q --no-provenance --dtype f32 --model "$W/sft" --images "$W/img" < "$W/in.cos" > all
    cos-score prm -q --no-provenance --dtype f32 --model "$W/sft" --images "$W/img" --batch 1 --threads 1 < "$W/in.cos" > alone
    cmp all alone
    [ "$(cos-cat -q --json < all | jq -s 'map(select(.scores.prm > 0)) | length')" = 9 ]
    generate -n 4 --search beam --prm "$W/sft" --beam 2 > beams
    generate -n 4 --search beam --prm "$W/sft" --beam 2 --batch 1 > beam
    cmp beams beam
}

@test "qwen_vl: an image too narrow is a reject" {
    local px=iVBORw0KGgoAAAANSUhEUgAAAAEAAAEsCAIAAACNMk6CAAAAEklEQVR4nGNgGAWjYBSMgqEBAASwAAHGG8dyAAAAAElFTkSuQmCC        # 1 x 300
    echo '{"id": "a", "question": "x", "images": [{"data": {"$bin": "'$px'"}}]}' | cos-cat -q --from-json > thin.cos
    run -0 --separate-stderr cos-generate --model "$W/sft" --no-provenance thin.cos
    [[ $stderr == *"1 rejected (image too narrow 1)"* ]]
}
