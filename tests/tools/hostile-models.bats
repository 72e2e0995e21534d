#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile model folders and GGUF files: whatever is wrong with them, a program that is given one says so in one line, names
# the file and what is wrong in it, and ends with status 1. One sound folder, damaged in one place at a time.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR" GGUF="$BATS_TEST_DIRNAME/../golden/text/llama3/model.gguf"
    echo '{"id": "a", "question": "What?", "answer": "1", "path": {"steps": [{"name": "n", "thought": "t", "reflection": "r"}], "answer": "1"}}' |
        cos-cat -q -f > "$W/one.cos"
    jq -n '{model_type: "llama", hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1,
        max_position_embeddings: 128}' > "$W/config.json"
    cos-update init -q --config "$W/config.json" --vocab 320 --out "$W/sound" < "$W/one.cos"
    # of the sound weights, the header's JSON, and the data behind it
    n=$(od -An -t u8 -N 8 "$W/sound/model.safetensors" | tr -d ' ')
    tail -c +9 "$W/sound/model.safetensors" | head -c "$n" > "$W/header"
    tail -c +$((9 + n)) "$W/sound/model.safetensors" > "$W/data"
    cos-generate -q --model "$W/sound" --dtype f32 --max-tokens 2 "$W/one.cos" > "$W/out.cos"     # or nothing below means anything
}

# try DIR: any program that loads a model
try() { cos-generate -q --model "$1" --dtype f32 --max-tokens 2 "$W/one.cos" > out.cos; }

sound() { rm -rf m && cp -r "$W/sound" m; }
refused() { fails_with 1 "$1" try m; }

# le64 N: eight bytes
le64() { local n=$1 i; for ((i = 0; i < 8; i++)); do printf "\\x$(printf %02x $((n >> 8 * i & 255)))"; done; }
# weights FILTER: the sound weights under a header changed by jq
weights() {
    sound
    jq -cj "$1" "$W/header" > h
    { le64 "$(wc -c < h)"; cat h "$W/data"; } > m/model.safetensors
}
# config FILTER, tokenizer FILTER
config() { sound; jq "$1" "$W/sound/config.json" > m/config.json; }
tokenizer() { sound; jq -c "$1" "$W/sound/tokenizer.json" > m/tokenizer.json; }
# nested N: N arrays in one another
nested() { head -c "$1" /dev/zero | tr '\0' '['; head -c "$1" /dev/zero | tr '\0' ']'; }

NORM='."model.norm.weight"'

@test "weights: the header's length lies" {
    sound
    { le64 $((1 << 62)); tail -c +9 "$W/sound/model.safetensors"; } > m/model.safetensors
    refused "header of 4611686018427387904 bytes"
    { le64 200000000; tail -c +9 "$W/sound/model.safetensors"; } > m/model.safetensors
    refused "header of 200000000 bytes"
    { le64 0; tail -c +9 "$W/sound/model.safetensors"; } > m/model.safetensors
    refused "model.safetensors: line 1"
    : > m/model.safetensors
    refused "too short"
}

@test "weights: cut anywhere" {
    sound
    size=$(wc -c < "$W/sound/model.safetensors")
    for n in 7 8 9 100 $((size / 2)) $((size - 1)); do
        head -c "$n" "$W/sound/model.safetensors" > m/model.safetensors
        refused "m/model.safetensors"
    done
    { cat "$W/sound/model.safetensors"; echo; } > m/model.safetensors
    refused "behind the last tensor"
}

@test "weights: offsets that overlap, leave gaps, run backwards or out of the file" {
    weights "$NORM.data_offsets = ${NORM}.data_offsets | $NORM.data_offsets |= map(. - 4)"; refused "tensor model"
    weights "$NORM.data_offsets |= map(. + 1000000000)"; refused "tensor model.norm.weight: data_offsets"
    weights "$NORM.data_offsets |= reverse"; refused "tensor model.norm.weight: data_offsets"
    weights "$NORM.data_offsets = [-64, 0]"; refused "tensor model.norm.weight: data_offsets"
    weights "$NORM.data_offsets = [0, 64]"; refused "overlaps"
    weights "$NORM.data_offsets = [9007199254740928, 9007199254740992]"; refused "data_offsets"
    weights "$NORM.data_offsets = [1e300, 2e300]"; refused "data_offsets"
    weights "$NORM.data_offsets = []"; refused "data_offsets"
    weights "del($NORM)"; refused "leaves a gap"
}

@test "weights: absurd shapes" {
    weights "$NORM.shape = [4294967296, 4294967296]"; refused "tensor model.norm.weight: shape"
    weights "$NORM.shape = [9007199254740992, 4096]"; refused "tensor model.norm.weight: shape"
    weights "$NORM.shape = [-16]"; refused "tensor model.norm.weight: shape"
    weights "$NORM.shape = [range(4000)]"; refused "tensor model.norm.weight: shape"
    weights "$NORM.shape = [16, 0]"; refused "the shape takes 0"
    weights "$NORM.shape = [4, 4]"; refused "tensor model.norm.weight is [4,4], want [16]"
    weights "$NORM.shape = {}"; refused "tensor model.norm.weight: shape"
}

@test "weights: wrong dtypes" {
    weights "$NORM.dtype = \"I32\""; refused "tensor model.norm.weight is I32, want F32, BF16 or F16"
    weights "$NORM.dtype = \"Q4_0\""; refused "tensor model.norm.weight: dtype"
    weights "$NORM.dtype = \"F64\""; refused "tensor model.norm.weight: data_offsets"
    weights "$NORM.dtype = 7"; refused "tensor model.norm.weight: dtype"
}

@test "weights: names" {
    weights "with_entries(if .key == \"model.norm.weight\" then .key = \"model.norm.wait\" else . end)"; refused "tensor model.norm.weight is missing"
    weights '. + {"extra": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}'; refused "tensor extra is not part of this model"
    weights 'with_entries(if .key == "model.norm.weight" then .key = "x" * 3000 else . end)'; refused "name too long"
    sound
    jq -cj . "$W/header" | sed 's/model.norm.weight/lm_head.weight/' > h
    { le64 "$(wc -c < h)"; cat h "$W/data"; } > m/model.safetensors
    refused "duplicate"
}

@test "weights: JSON nested without end, or no JSON" {
    sound
    nested 100000 > h
    { le64 "$(wc -c < h)"; cat h "$W/data"; } > m/model.safetensors
    refused "nested deeper than 64"
    head -c 1000 /dev/zero > h
    { le64 1000; cat h "$W/data"; } > m/model.safetensors
    refused "model.safetensors: line 1"
}

@test "shards: an index that points elsewhere, at itself or at nothing" {
    sound
    rm m/model.safetensors
    for f in '../sound/model.safetensors' /etc/passwd '.hidden' ''; do
        jq -n --arg f "$f" '{weight_map: {"model.norm.weight": $f}}' > m/model.safetensors.index.json
        refused "a file name beside the index"
    done
    jq -n '{weight_map: {"a": "model.safetensors.index.json"}}' > m/model.safetensors.index.json
    refused "model.safetensors.index.json"
    jq -n '{weight_map: {"a": "none.safetensors"}}' > m/model.safetensors.index.json
    refused "none.safetensors: No such file"
    jq -n '{weight_map: ([range(1100) | {key: "t\(.)", value: "f\(.).safetensors"}] | from_entries)}' > m/model.safetensors.index.json
    refused "more than 1024 files"
    mkfifo m/pipe
    jq -n '{weight_map: {"a": "pipe"}}' > m/model.safetensors.index.json
    refused "not a regular file"
}

@test "config.json: absurd, contradictory, nested, endless" {
    config '.hidden_size = 1000000000000'; refused "hidden_size"
    config '.hidden_size = -1'; refused "hidden_size"
    config '.vocab_size = 2147483647'; refused "vocab_size"
    config '.num_hidden_layers = 1000000'; refused "num_hidden_layers"
    config '.num_hidden_layers = 1000'; refused "is missing"
    config '.num_attention_heads = 3'; refused "hidden_size"
    config '.num_key_value_heads = 0'; refused "num_key_value_heads"
    config '.intermediate_size = 1048576'; refused "want [1048576,16]"
    config '.rope_scaling = {"rope_type": "llama3"}'; refused "rope_scaling: factor"
    config '.rope_theta = 1e400'; refused "rope_theta"
    config '.eos_token_id = [range(100)]'; refused "eos_token_id"
    config '.model_type = "x" * 100000'; refused "model_type"
    config '.model_type = {}'; refused "model_type"
    config '[.]'; refused "want an object"
    sound
    nested 100000 > m/config.json
    refused "nested deeper than 64"
    head -c 20000000 /dev/zero | tr '\0' ' ' > m/config.json
    refused "larger than"
    printf '{"model_type": "llama", "model_type": "llama"}' > m/config.json
    refused "duplicate"
    rm m/config.json && ln -s config.json m/config.json
    refused "m/config.json: Too many levels of symbolic links"
    rm m/config.json && mkdir m/config.json
    refused "m/config.json: Is a directory"
}

@test "tokenizer.json: ids out of range, merges of nothing, patterns that explode" {
    tokenizer '.model.vocab["x"] = 99999999999'; refused "m/tokenizer.json"
    tokenizer '.model.vocab["x"] = -1'; refused "m/tokenizer.json"
    tokenizer '.model.vocab["xyzzy"] = 0'; refused "id 0 is taken"
    tokenizer '.model.merges += [["no", "where"]]'; refused "merge"
    tokenizer '.added_tokens[0].id = 5000000'; refused "Hugging Face would give it"
    tokenizer '.pre_tokenizer = {"type": "Split", "pattern": {"Regex": "(((("}, "behavior": "Isolated", "invert": false}'; refused "pattern"
    tokenizer '.model.type = "Unigram"'; refused "Unigram"
    tokenizer 'reduce range(100) as $i (.; {"type": "Sequence", "normalizers": [.]}) | {normalizer: .}'; refused "nested deeper than 64"
    config '.vocab_size = 10'; refused "the tokenizer has ids up to"
}

@test "GGUF: cut anywhere" {
    size=$(wc -c < "$GGUF")
    for n in 4 8 23 24 100 1000 4000 $((size / 2)) $((size - 40)); do      # it ends in up to 31 bytes of padding
        head -c "$n" "$GGUF" > cut.gguf
        fails_with 1 "cut.gguf" try cut.gguf
    done
}

# patch OFFSET BYTES: the sound file with bytes changed there
patch() { cp "$GGUF" bad.gguf; printf "$2" | dd of=bad.gguf bs=1 seek="$1" conv=notrunc status=none; }
# at TEXT: the offset behind the first such text
at() { echo $(($(LC_ALL=C grep -abo -m 1 -F "$1" "$GGUF" | head -n 1 | cut -d: -f1) + ${#1})); }

@test "GGUF: counts, types, offsets and sizes that lie" {
    all='\xff\xff\xff\xff\xff\xff\xff\xff'
    patch 4 '\x09'; fails_with 1 "version 9" try bad.gguf
    patch 8 "$all"; fails_with 1 "tensors, at most" try bad.gguf
    patch 16 "$all"; fails_with 1 "keys of metadata" try bad.gguf
    patch 24 "$all"; fails_with 1 "text of" try bad.gguf
    patch "$(at llama.block_count)" '\x63'; fails_with 1 "llama.block_count" try bad.gguf
    patch $(($(at llama.block_count) + 4)) '\xff\xff\xff\xff'; fails_with 1 "llama.block_count" try bad.gguf
    patch $(($(at llama.block_count) + 4)) '\x02'; fails_with 1 "model.layers.1.input_layernorm.weight is missing" try bad.gguf
    patch $(($(at tokenizer.ggml.tokens) + 8)) "$all"; fails_with 1 "an array of" try bad.gguf
    t=$(at blk.0.attn_q.weight)
    patch "$t" '\x09'; fails_with 1 "tensor blk.0.attn_q.weight: 9 dimensions" try bad.gguf
    patch $((t + 4)) "$all"; fails_with 1 "tensor blk.0.attn_q.weight: shape" try bad.gguf
    patch $((t + 4)) '\x01\x00\x00\x00\x01'; fails_with 1 "tensor " try bad.gguf
    patch $((t + 20)) '\x0a'; fails_with 1 "ggml type 10 is not supported" try bad.gguf
    patch $((t + 20)) '\x08'; fails_with 1 "comes in blocks of 32" try bad.gguf
    patch $((t + 24)) '\x01'; fails_with 1 "tensor blk.0.attn_q.weight: data at" try bad.gguf
}
