#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Plain decoders and records without images, as a user types it: from a config.json, and from a single GGUF file.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR" GGUF="$BATS_TEST_DIRNAME/../golden/text/llama3/model.gguf"
    jq -nc 'range(12) as $i | {id: "q/\($i)", question: "What is \($i) plus 1?", answer: "\($i + 1)",
        path: {steps: [{name: "Add", thought: "\($i) and 1 are \($i + 1).", reflection: "Yes."}], answer: "\($i + 1)"}}' > "$W/train.jsonl"
    cos-cat -f < "$W/train.jsonl" > "$W/train.cos"
    jq -c 'del(.path)' "$W/train.jsonl" | cos-cat -f > "$W/ask.cos"
}

# train FROM OUT: a few steps
train() { cos-update sft -q --model "$1" --steps 25 --batch 4 --lr 1e-2 --dtype f32 --threads 1 --out "$2" < "$W/train.cos"; }

# runs DIR: a trained folder samples paths in the step format, a reward model and the policy itself score them
runs() {
    cos-generate -q --model "$1" --dtype f32 --max-tokens 160 -n 2 --seed 1 < "$W/ask.cos" > paths.cos
    [ "$(cos-cat -q --plain < paths.cos | jq -s length)" = 24 ]
    cos-score logprob -q --model "$1" --dtype f32 < "$W/train.cos" | cos-cat -q --plain > lp
    [ "$(jq -c '.path.logprobs | length' lp | sort -u)" = 1 ]
    cos-score prm -q --model "$1" --dtype f32 < "$W/train.cos" | cos-cat -q --plain > prm
    [ "$(jq '.scores.prm | . > 0 and . < 1' prm | sort -u)" = true ]
}

family() {   # TYPE MORE: a fresh model of that type learns and runs
    jq -n --arg type "$1" --argjson more "$2" '{model_type: $type, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2,
        num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 512, initializer_range: 0.1} + $more' > config.json
    cos-update init -q --config config.json --vocab 400 --seed 1 --out base < "$W/train.cos"
    train base sft
    runs sft
}

@test "llama" { family llama '{"tie_word_embeddings": true, "rope_theta": 10000}'; }

@test "qwen2" { family qwen2 '{"head_dim": 16, "rope_parameters": {"rope_type": "default", "rope_theta": 1000000}}'; }

@test "mistral" { family mistral '{"sliding_window": 400, "head_dim": 24}'; }

@test "a GGUF file takes the tokens of the step format, learns and runs" {
    cos-update init -q --model "$GGUF" --out base
    jq -e '.vocab_size == 146 and .model_type == "llama" and .tie_word_embeddings and .rope_scaling.factor == 32' base/config.json
    jq -e '.eos_token == "<|im_end|>" and .bos_token == "<|im_start|>"' base/tokenizer_config.json
    jq -e '.eos_token_id == [128]' base/generation_config.json
    jq -e '.added_tokens | length == 20' base/tokenizer.json
    train base sft
    runs sft
}

@test "a GGUF file as it is: it answers in its own way; training wants the tokens first" {
    cos-generate -q --model "$GGUF" --dtype f32 --max-tokens 20 < "$W/ask.cos" > own.cos
    cos-generate -q --model "$GGUF" --dtype f32 --max-tokens 20 --batch 1 --threads 1 < "$W/ask.cos" | cos-cat -q --plain > one
    [ "$(cos-cat -q --plain < own.cos | tee own | jq -s 'map(.path.tokens | length > 0) | all')" = true ]
    cmp own one
    fails_with 1 "cos-update init --model adds the tokens" cos-update sft -q --model "$GGUF" --out sft < "$W/ask.cos"
}

@test "a record with an image is rejected, the others go on" {
    family llama '{}'
    { cos-cat -q --plain < "$W/ask.cos" | head -n 2; echo '{"id": "i", "question": "?", "images": [{"ref": "a.png"}]}'; } | cos-cat -q -f > mixed.cos
    cos-generate --model sft --dtype f32 --max-tokens 8 < mixed.cos > out.cos 2> err
    grep -q "1 rejected (images without a vision tower 1)" err
    [ "$(cos-cat -q --plain < out.cos | wc -l)" = 2 ]
}
