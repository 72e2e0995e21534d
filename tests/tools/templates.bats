#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --template as a user types it: a name, a file, what a trained model keeps of it, and what is refused.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    jq -nc 'range(6) as $i | {id: "q/\($i)", question: "Question \($i): which colour?", answer: "red",
        path: {answer: "red", steps: [{name: "Look", thought: "It is red.", reflection: "Yes."}]}}' | cos-cat -f > "$W/train.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --seed 1 --out "$W/base" < "$W/train.cos"
    cat > "$W/ask.json" <<'EOF'
{"user_turn": "Q: {question}\n", "answer_turn": "A: {answer}<|im_end|>\n", "image": "<img>{image}</img>", "image_token": "<IMG_CONTEXT>"}
EOF
}

score() { cos-score logprob --model "$W/base" -q --no-provenance --dtype f32 "$@" < "$W/train.cos"; }
sft() { cos-update sft -q --model "$W/base" --steps 2 --batch 2 --dtype f32 --threads 1 "$@" < "$W/train.cos"; }

@test "a name and a file change what the model is asked; the folder's is the default" {
    score > plain.cos
    score --template internvl > same.cos
    score --template qwen2 > qwen.cos
    score --template "$W/ask.json" > file.cos
    cmp plain.cos same.cos
    run ! cmp -s plain.cos qwen.cos
    run ! cmp -s plain.cos file.cos
    run ! cmp -s qwen.cos file.cos
}

@test "a model trained with a template keeps it" {
    sft --template "$W/ask.json" --out own
    [ -f own/cos_template.json ]
    sft --out without
    [ ! -e without/cos_template.json ]
    cos-score logprob --model own -q --no-provenance --dtype f32 < "$W/train.cos" > kept.cos
    cos-score logprob --model own -q --no-provenance --dtype f32 --template "$W/ask.json" < "$W/train.cos" > given.cos
    cmp kept.cos given.cos
    cos-generate --model own -q --no-provenance --dtype f32 --max-tokens 4 < "$W/train.cos" | cos-cat -q --check
    cos-update sft -q --model own --steps 1 --batch 2 --dtype f32 --threads 1 --out again < "$W/train.cos"
    cmp own/cos_template.json again/cos_template.json
}

@test "templates that are refused" {
    fails_with 1 'no chat template "nonsense" (there are internvl, ' score --template nonsense
    fails_with 1 'none.json' score --template none.json
    echo '{"user_turn": "x", "answer_turn": "{answer}</s>"}' > bad.json
    fails_with 1 'bad.json: user_turn: "x" lacks {question}' score --template bad.json
    fails_with 1 'end token of chat template llama3' score --template llama3
}
