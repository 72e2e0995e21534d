#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The original layout of InternVL, from parts to scores: cos-update init puts it together, the other programs take it.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$W"
    base64 -d > red.png <<< iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42u3NMQEAAAQAMATRP5QwSvBtBZbTHZ8qngkEAoFAIBAIBIIrC9KAAVhVsgYjAAAAAElFTkSuQmCC
    base64 -d > wide.png <<< iVBORw0KGgoAAAANSUhEUgAAABQAAAAECAIAAAABPYjBAAAAJElEQVR42mNkYGDgIRexMNgwMDBwkofgmoXIQMiapYlA7chcACi8BfCh7inlAAAAAElFTkSuQmCC
    # none, one and several pictures, one of them cut into five tiles
    jq -nc '["", "red", "wide", "red wide"] | to_entries[] | {id: "q\(.key)", question: "How many are red?", answer: "2",
        images: [.value | scan("\\w+") | {ref: "\(.).png"}], path: {index: 0, answer: "2", steps: [range(2) | {name: "Look", thought: "It is \(.).", reflection: "Seen."}]}}' |
        cos-cat -qf > paths.cos
    jq -n '{model_type: "internvl_chat", ps_version: "v2", template: "internvl2_5", force_image_size: 16, downsample_ratio: 0.5, select_layer: -1}' > frame.json
    jq '. + {vision_config: {model_type: "intern_vit_6b", hidden_size: 24, num_attention_heads: 3, num_hidden_layers: 1, intermediate_size: 32,
        image_size: 16, patch_size: 4}, llm_config: {model_type: "qwen2", hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 2,
        num_hidden_layers: 1, intermediate_size: 48, max_position_embeddings: 1024}}' frame.json > whole.json
    jq -n '{model_type: "internlm2", hidden_size: 48, num_attention_heads: 6, num_key_value_heads: 2, num_hidden_layers: 2, intermediate_size: 40,
        max_position_embeddings: 1024, bias: false, rope_scaling: {type: "dynamic", factor: 2.0}}' > text.json
    cos-update init -q --config whole.json --vocab 400 --max-tiles 6 --seed 1 --out whole < paths.cos
    cos-update init -q --config text.json --vocab 380 --seed 2 --out text < paths.cos
    cos-update init -q --config frame.json --tower whole --decoder text --max-tiles 6 --seed 3 --out joined
}

setup() { cd "$W"; }

sizes() { jq -c '[.vision_config.hidden_size, .llm_config.hidden_size, .llm_config.model_type, .llm_config.vocab_size, .max_dynamic_patch]' "$1/config.json"; }

@test "a fresh model is a whole folder without image settings of its own" {
    [ "$(sizes whole)" = "$(jq -nc "[24, 32, \"qwen2\", $(jq '.llm_config.vocab_size' whole/config.json), 6]")" ]
    [ ! -e whole/preprocessor_config.json ]
    [ -s whole/tokenizer.json ]
}

@test "parts join: the decoder's kind and vocabulary, the tower's shape" {
    v=$(jq .vocab_size text/config.json)
    [ "$(sizes joined)" = "[24,48,\"internlm2\",$v,6]" ]
    run -0 cos-score prm --model joined --images . < paths.cos
}

@test "no picture, one and several: every model samples, scores and is trained" {
    for m in whole joined; do
        cos-generate -q --model $m --images . --max-tokens 8 < paths.cos | cos-cat -q --json | jq -s -e '[.[] | select(.path)] | length == 4'
        cos-score prm -q --model $m --images . < paths.cos > one.cos
        cos-score prm -q --model $m --images . --batch 1 --threads 2 < paths.cos > two.cos
        cos-cat -q --json one.cos | jq -s -e 'map(select(.path)) | length == 4 and all(.[]; .scores.prm > 0 and .scores.prm < 1)'
        cmp <(cos-cat -q --json --plain one.cos) <(cos-cat -q --json --plain two.cos)
        cos-update sft -q --model $m --images . --epochs 1 --batch 2 --out sft.$m < paths.cos
        cmp <(jq -S '.llm_config | del(.dtype)' $m/config.json) <(jq -S '.llm_config | del(.dtype)' sft.$m/config.json)     # trained in bf16 where that is fast
        run -0 cos-generate -q --model sft.$m --images . --max-tokens 4 < paths.cos
    done
}

@test "the tokens come once; a decoder that lacks them gets them with the others" {
    run -1 cos-update init --model joined --out again
    [[ $output == *"all 17 tokens of the step format already"* ]]
    jq '.added_tokens |= map(select(.content | test("reasoning|answer|ки|к.и|im_end|img|IMG") | not))' text/tokenizer.json > t.json
    rm -rf bare && cp -r text bare && cp t.json bare/tokenizer.json
    run -0 cos-update init --config frame.json --tower whole --decoder bare --out grown
    [[ $output == *" 21 tokens added"* ]]
    [ "$(jq .llm_config.vocab_size grown/config.json)" -ge "$(jq .vocab_size bare/config.json)" ]
    run -0 cos-score prm -q --model grown --images . < paths.cos
}

@test "parts that do not fit are named" {
    jq '.vision_config = {model_type: "intern_vit_6b", hidden_size: 48, num_attention_heads: 3, num_hidden_layers: 1, intermediate_size: 32,
        image_size: 16, patch_size: 4}' frame.json > odd.json
    run -1 cos-update init --config odd.json --tower whole --decoder text --out no
    [[ $output == *"whole: tensor vision_model."*" is ["*"want ["* ]]
    run -1 cos-update init --config frame.json --decoder text --out no
    [[ $output == *"frame.json: vision_config: absent, and no tower to take it from"* ]]
    run -2 cos-update init --config frame.json --tower whole --out no
    [[ $output == *"--tower and --projector want --decoder"* ]]
    run -1 cos-update init --config frame.json --tower text --decoder text --out no
    [ ! -e no ]
}
