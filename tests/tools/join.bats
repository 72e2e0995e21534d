#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-update init: models out of towers and decoders that were made apart. The towers are those of tests/golden under the names
# that CLIP and SigLIP checkpoints have; COS_REF_PYTHON: a python with transformers, which then loads the results.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR" G="$BATS_TEST_DIRNAME/../golden"
    cd "$W"
    jq -nc 'range(3) | {id: "q\(.)", question: "How many are red?", answer: "2", images: [range(.) | {ref: "rgba.png"}],
        path: {index: 0, answer: "2", steps: [range(2) | {name: "Look", thought: "It is \(.).", reflection: "Seen."}]}}' | cos-cat -qf > paths.cos
    mkdir clip siglip
    jq '.vision_config | {model_type, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, image_size, patch_size, hidden_act}' \
        "$G/llava_next/tools/config.json" > clip/config.json
    cp "$G/llava_next/tools/model.safetensors" "$G/llava_next/tools/preprocessor_config.json" clip
    # of SiglipVisionConfig what differs from its defaults
    jq '.vision_config | {model_type: "siglip_vision_model", hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, image_size, patch_size}' \
        "$G/smolvlm/tools/config.json" > siglip/config.json
    cp "$G/smolvlm/tools/model.safetensors" siglip
    jq -n '{model_type: "qwen2", hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: 2, intermediate_size: 40,
        max_position_embeddings: 2048, tie_word_embeddings: true}' > text.json
    cos-update init -q --config text.json --vocab 380 --seed 2 --out text < paths.cos
    echo '{"model_type": "llava_next"}' > llava.json
    echo '{"model_type": "smolvlm", "scale_factor": 3}' > smolvlm.json
    cos-update init -q --config llava.json --tower clip --decoder text --max-tiles 4 --out llava
    cos-update init -q --config smolvlm.json --tower siglip --decoder text --max-tiles 4 --out smolvlm
}

setup() { cd "$W"; }

works() {
    run -0 cos-score prm -q --model $1 --images "$G/preprocess" < paths.cos
    cos-generate -q --model $1 --images "$G/preprocess" --max-tokens 8 < paths.cos | cos-cat -q --json | jq -s -e 'map(select(.path)) | length == 3'
    run -0 cos-update sft -q --model $1 --images "$G/preprocess" --epochs 1 --batch 2 --out sft.$1 < paths.cos
    cmp <(jq -S .vision_config $1/config.json) <(jq -S .vision_config sft.$1/config.json)
}

@test "a CLIP tower and a Qwen2 decoder are a llava_next" {
    [ "$(jq -c '[.vision_config.model_type, .text_config.model_type, .tie_word_embeddings, .image_token_index]' llava/config.json)" = \
      "[\"clip_vision_model\",\"qwen2\",true,$(jq '.added_tokens[] | select(.content == "<image>").id' llava/tokenizer.json)]" ]
    [ "$(jq '.image_grid_pinpoints | length' llava/preprocessor_config.json)" = 8 ]
    works llava
}

@test "a SigLIP tower and a Qwen2 decoder are a smolvlm, with tokens for tiles" {
    [ "$(jq -c '[.vision_config.model_type, .vision_config.patch_size, .image_token_id]' smolvlm/config.json)" = \
      "[\"smolvlm_vision\",4,$(jq '.added_tokens[] | select(.content == "<image>").id' smolvlm/tokenizer.json)]" ]
    jq -e '[.added_tokens[].content] | index("<row_2_col_2>") and (index("<row_3_col_1>") | not)' smolvlm/tokenizer.json
    works smolvlm
}

@test "fresh models of these families are whole folders too" {
    jq '. + {vision_config: input, text_config: input}' llava.json clip/config.json text.json > f.json
    run -0 cos-update init --config f.json --vocab 380 --max-tiles 4 --out fresh < paths.cos
    works fresh
    jq '{model_type, scale_factor, vision_config: (input | .model_type = "smolvlm_vision"), text_config: input}' smolvlm.json siglip/config.json text.json > s.json
    run -0 cos-update init --config s.json --vocab 380 --max-tiles 4 --out fresh2 < paths.cos
    works fresh2
}

@test "the tokens come once; a tower of another family and a GGUF file are refused" {
    run -1 cos-update init --model llava --out again
    [[ $output == *"all 17 tokens of the step format already"* ]]
    run -1 cos-update init --config smolvlm.json --tower clip --decoder text --out no
    [[ $output == *"vision_config: model_type: \"clip_vision_model\" is not supported"* ]]
    run -1 cos-update init --config llava.json --tower siglip --decoder text --out no
    [[ $output == *"is not supported (clip_vision_model is)"* ]]
    run -1 cos-update init --config llava.json --tower clip --decoder "$G/gguf/spm.gguf" --out no
    [[ $output == *"a GGUF file is no folder"* ]]
    echo '{"model_type": "qwen2_vl"}' > q.json
    run -1 cos-update init --config q.json --tower clip --decoder text --out no
    [[ $output == *"not \"qwen2_vl\""* ]]
    [ ! -e no ]
}

@test "transformers loads the results, nothing missing and nothing left over" {
    [ -n "${COS_REF_PYTHON:-}" ] || skip "COS_REF_PYTHON names no python with transformers"
    "$COS_REF_PYTHON" - llava smolvlm << 'PY'
import sys
from transformers import AutoModelForImageTextToText
for d in sys.argv[1:]:
    m, info = AutoModelForImageTextToText.from_pretrained(d, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], (d, info)
PY
}
