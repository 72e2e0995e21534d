#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --prm-style as a user types it: a reward model trained in a style of one's own keeps it, scores with it, and steers the
# search with it; built-in styles by name; what is refused.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    jq -nc 'range(8) as $i | {id: "q/\($i)", question: "Question \($i): which colour?", answer: "red",
        path: {answer: "red", correct: true, steps: [range($i % 2 + 1) | {name: "Look", thought: "It is \(["red", "blue"][. % 2]).", reflection: "Yes.",
            labels: [{by: "mc", k: (4 - 3 * .), n: 4}]}]}}' | cos-cat -f > "$W/train.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --seed 1 --out "$W/base" < "$W/train.cos"
    cos-update sft -q --model "$W/base" --epochs 120 --batch 8 --lr 1e-2 --dtype f32 --threads 1 --out "$W/sft" < "$W/train.cos"
    cat > "$W/turns.json" <<'EOF'
{"prompt": "{bos}{system}{user}{images}{question}\n\nSteps:\n", "step": "{step}{user_end}{assistant}+{assistant_end}", "next": "{user}",
 "close": "{user}", "answer": "So {answer}{user_end}{assistant}+{assistant_end}", "tag": "{assistant}", "good": "+", "bad": "-"}
EOF
    train --model "$W/base" --prm-style "$W/turns.json" --steps 30 --lr 1e-2 --out "$W/turns"
}

train() { cos-update prm -q --batch 8 --dtype f32 --threads 1 "$@" < "$W/train.cos"; }
score() { cos-score prm -q --no-provenance --dtype f32 "$@"; }
scores() { cos-cat -q --plain | jq -c '[.id, [.path.steps[].score], .path.answer_score, .scores.prm]'; }

@test "a style of one's own is learned, kept and used; another one gives other scores" {
    [ -f "$W/turns/cos_prm.json" ]
    score --model "$W/turns" < "$W/train.cos" > kept.cos
    score --model "$W/turns" --prm-style "$W/turns.json" < "$W/train.cos" > given.cos
    cmp kept.cos given.cos
    score --model "$W/turns" --prm-style cos < "$W/train.cos" | scores > cos.txt
    scores < kept.cos > turns.txt
    run ! cmp -s turns.txt cos.txt
    cos-cat -q --plain kept.cos | jq -e '[.path.steps[0].score > 0.5, (.path.steps[1].score // 0) < 0.5] | all' > /dev/null
    [ "$(wc -l < turns.txt)" = 8 ]
}

@test "a step's score does not depend on what comes behind it, nor on batches" {
    score --model "$W/turns" < "$W/train.cos" | scores > whole.txt
    score --model "$W/turns" --batch 1 --threads 1 < "$W/train.cos" | scores > alone.txt
    cmp whole.txt alone.txt
    cos-cat -q --plain "$W/train.cos" | jq -c 'del(.path.answer) | .path.steps |= .[0:1]' | cos-cat -q -f > first.cos
    score --model "$W/turns" < first.cos | cos-cat -q --plain | jq -c '.path.steps[0].score' > first.txt
    jq -c '.[1][0]' whole.txt > begin.txt
    cmp first.txt begin.txt
}

@test "the search reads step by step what cos-score prm reads whole" {
    cos-generate --model "$W/sft" --search beam --prm "$W/turns" -n 4 --max-tokens 150 -q --no-provenance --dtype f32 < "$W/train.cos" > beam.cos
    scores < beam.cos > beam.txt
    score --model "$W/turns" < beam.cos | scores > again.txt
    cmp beam.txt again.txt
    grep -q '0\.' beam.txt
    cos-generate --model "$W/sft" --search beam --prm "$W/turns" --prm-style cos -n 4 --max-tokens 150 -q --no-provenance --dtype f32 < "$W/train.cos" | scores > cos.txt
    run ! cmp -s beam.txt cos.txt
}

@test "CoS stays what it was: by the tokens of the folder, by name" {
    train --model "$W/base" --steps 2 --out plain
    [ ! -e plain/cos_prm.json ]
    train --model "$W/base" --steps 2 --prm-style cos --out named
    cmp plain/model.safetensors named/model.safetensors
    score --model plain < "$W/train.cos" > a.cos
    score --model named --prm-style cos < "$W/train.cos" > b.cos
    cmp <(scores < a.cos) <(scores < b.cos)
}

@test "styles that are refused" {
    fails_with 1 'no PRM style "nonsense" (there are cos, ' score --model "$W/base" --prm-style nonsense < "$W/train.cos"
    fails_with 1 'lacks the tag <prm> of PRM style mm-prm' score --model "$W/base" --prm-style mm-prm < "$W/train.cos"
    fails_with 1 'lacks the tag <prm> of PRM style mm-prm' train --model "$W/base" --prm-style mm-prm --out none
    echo '{"prompt": "{question}", "step": "{step}ки"}' > bad.json
    fails_with 1 'bad.json: answer' score --model "$W/base" --prm-style bad.json < "$W/train.cos"
    fails_with 2 '--prm-style is for --search beam' cos-generate --model "$W/sft" --prm-style cos < "$W/train.cos"
}
