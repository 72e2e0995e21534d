#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-update as a user types it: a tiny model, three pictures, two dozen paths.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    export CONFIG="$PWD/examples/configs/tiny.json"
    mkdir "$W/img"
    base64 -d > "$W/img/red.png" <<< iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42u3NMQEAAAQAMATRP5QwSvBtBZbTHZ8qngkEAoFAIBAIBIIrC9KAAVhVsgYjAAAAAElFTkSuQmCC
    base64 -d > "$W/img/green.png" <<< iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAALElEQVR42u3NMQEAMAgAIF0Qb/unMNZK6AcFyJqOSy+OCQQCgUAgEAgEgi0fWIwBTi8ZXYsAAAAASUVORK5CYII=
    base64 -d > "$W/img/blue.png" <<< iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAALElEQVR42u3NQQEAQAQAMC6NEPoHkOhK8NsKLKsnLr04JhAIBAKBQCAQCLZ8PLoBdiKh9HcAAAAASUVORK5CYII=
    jq -nc 'range(24) as $i | ["red", "green", "blue"][$i % 3] as $c
        | {id: "t/\($i)", question: "Question \($i): which colour is it?", answer: $c, images: [{ref: "\($c).png"}],
           path: {steps: [{name: "Look", thought: ("Looked \($i) times, it is \($c)." + ["", " I am sure of it."][$i % 2]), reflection: "The picture shows it."}], answer: $c}}' > "$W/train.jsonl"
    cos-cat -f < "$W/train.jsonl" > "$W/train.cos"
    cos-update init -q --config "$CONFIG" --vocab 400 --seed 1 --out "$W/base" < "$W/train.cos"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

sft() { cos-update sft --model "$W/base" --images "$W/img" --batch 4 --lr 1e-2 --micro-tokens 300 --threads 1 "$@"; }
begin() { ( exec cos-update sft --model "$W/base" --images "$W/img" --batch 4 --lr 1e-2 --micro-tokens 300 --threads 1 "$@" ) <&0 & pid=$!; }
same() { cmp "$1/model.safetensors" "$2/model.safetensors"; }

@test "init writes a whole folder" {
    for f in config.json model.safetensors tokenizer.json tokenizer_config.json preprocessor_config.json generation_config.json; do
        [ -s "$W/base/$f" ]
    done
    n=$(jq '.text_config.vocab_size' "$W/base/config.json")
    [ "$n" -le 400 ]
    [ "$n" -gt 280 ]
    jq -e --argjson n "$n" '.image_token_id < $n' "$W/base/config.json"
    jq -e '[.added_tokens[].content] | (index("<|answer_end|>") and index("ки") and index("<IMG_CONTEXT>"))' "$W/base/tokenizer.json"
}

@test "init is a function of its seed and input" {
    cos-update init -q --config "$CONFIG" --vocab 400 --seed 1 --threads 2 --out a < "$W/train.cos"
    cos-update init -q --config "$CONFIG" --vocab 400 --seed 2 --out b < "$W/train.cos"
    diff -r a "$W/base"
    cmp a/tokenizer.json b/tokenizer.json
    run ! cmp -s a/model.safetensors b/model.safetensors
}

@test "init with a tokenizer given reads no records" {
    cos-update init -q --config "$CONFIG" --tokenizer "$W/base/tokenizer.json" --seed 1 --out a < /dev/null
    cmp a/tokenizer.json "$W/base/tokenizer.json"
}

@test "init refuses to add the tokens twice, and to replace a folder unasked" {
    run cos-update init --model "$W/base" --out a
    [ "$status" = 1 ]
    [[ "$output" == *"has all 17 tokens of the step format already"* ]]
    [ ! -e a ]
    run cos-update init --model "$W/base" --out "$W/base"
    [ "$status" = 1 ]
    [[ "$output" == *"exists"* ]]
}

@test "init adds to an existing model what it lacks" {
    cp -r "$W/base" old
    jq '.added_tokens |= map(select(.content | test("reasoning|answer|к") | not))' "$W/base/tokenizer.json" > old/tokenizer.json
    echo text > old/LICENSE
    run cos-update init --model old --out new
    [ "$status" = 0 ]
    [[ "$output" == *"17 tokens added"* ]]
    jq -S .added_tokens new/tokenizer.json > got
    jq -S .added_tokens "$W/base/tokenizer.json" > want
    cmp got want
    cmp new/LICENSE old/LICENSE
    [ "$(jq .text_config.vocab_size new/config.json)" = "$(jq .text_config.vocab_size "$W/base/config.json")" ]
    cmp new/model.safetensors "$W/base/model.safetensors"      # the same means in the rows that were there
}

@test "init: bad configurations and wrong use" {
    run cos-update init --vocab 400 --out a
    [ "$status" = 2 ]
    run cos-update init --config "$CONFIG" --out a
    [ "$status" = 2 ]
    [[ "$output" == *"--vocab"* ]]
    run cos-update init --config nosuch.json --vocab 400 --out a < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"nosuch.json"* ]]
    echo '{"model_type": "internvl"' > cut.json
    run cos-update init --config cut.json --vocab 400 --out a < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"cut.json"* ]]
    jq '.text_config.hidden_size = 33' "$CONFIG" > odd.json
    run cos-update init --config odd.json --vocab 400 --out a < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"hidden_size"* ]]
    jq '.text_config = 7' "$CONFIG" > odd.json
    run cos-update init --config odd.json --vocab 400 --out a < "$W/train.cos"
    [ "$status" = 1 ]
    [ ! -e a ]
    run cos-update init -q --config "${CONFIG%examples/*}tests/golden/qwen_vl/input/config.json" --vocab 400 --out a < "$W/train.cos"
    [ $status = 1 ]; [[ $output == *"is of family internvl"* ]]
}

@test "sft trains, counts, logs, and writes nothing to stdout" {
    sft --epochs 4 --log log.tsv --out a < "$W/train.cos" > stdout 2> stderr
    [ ! -s stdout ]
    grep -q '24 in, 24 used' stderr
    [ "$(wc -l < log.tsv)" = 25 ]
    first=$(sed -n 2p log.tsv | cut -f4) last=$(tail -n 1 log.tsv | cut -f4)
    awk -v a="$first" -v b="$last" 'BEGIN { exit !(b < a / 3) }'
    for f in config.json tokenizer.json preprocessor_config.json generation_config.json training.json; do [ -s "a/$f" ]; done
    [ ! -e a.state ]
}

@test "sft: what cannot be used is rejected and counted by reason" {
    { head -n 6 "$W/train.jsonl"
      sed -n 7p "$W/train.jsonl" | jq -c 'del(.path)'
      sed -n 8p "$W/train.jsonl" | jq -c '.images[0].ref = "nosuch.png"'
      sed -n 9p "$W/train.jsonl" | jq -c '.path.steps[0].thought *= 60'
    } | cos-cat -f > mixed.cos
    sft --max-tokens 400 --out a --rejects rejects.cos < mixed.cos 2> stderr
    grep -q '9 in, 6 used, 3 rejected (no path 1, unreadable image 1, too long 1)' stderr
    cos-cat -p < rejects.cos | jq -r .meta.reject | sort > got
    printf '%s\n' 'no path' 'too long' 'unreadable image' | cmp - got
    run sft --max-tokens 20 --out b < mixed.cos
    [ "$status" = 1 ]
    [[ "$output" == *"no examples"* ]]
    [ ! -e b ]
}

@test "sft: the answer alone; means over tokens and over examples" {
    sft -q --response answer --epochs 10 --log log.tsv --out a < "$W/train.cos"
    awk 'END { exit !($4 < 0.5) }' log.tsv
    sft -q --loss token --out t < "$W/train.cos"
    sft -q --loss example --out e < "$W/train.cos"
    run ! cmp -s t/model.safetensors e/model.safetensors
}

@test "sft: the same bytes with one thread and two" {
    sft -q --jitter 2 --out a < "$W/train.cos"
    sft -q --jitter 2 --out b --threads 2 < "$W/train.cos"
    same a b
}

@test "sft killed at random moments and resumed: the same bytes" {
    before=$EPOCHREALTIME
    sft -q --epochs 10 --jitter 1 --out a < "$W/train.cos"
    took=$(jq -n "$EPOCHREALTIME - $before")
    hits=0
    for i in 1 2 3 4 5 6 7 8; do
        begin -q --epochs 10 --jitter 1 --save-every 1 --resume --out b --log "b$i.tsv" < "$W/train.cos"
        while kill -0 $pid && [ ! -s "b$i.tsv" ]; do sleep 0.01; done
        sleep "$(jq -n "$took * $RANDOM / 65536")"
        kill -9 $pid 2> /dev/null || true
        wait $pid || true
        if [ -e b ]; then break; fi
        hits=$((hits + 1))
    done
    [ "$hits" -gt 0 ]
    sft -q --epochs 10 --jitter 1 --save-every 7 --resume --out b < "$W/train.cos"   # another interval is no other run
    same a b
    [ ! -e b.state ]
    [ ! -e b.lock ]
}

@test "sft interrupted: a state, a word on how to go on, and the same bytes" {
    sft -q --epochs 40 --out a < "$W/train.cos"
    begin --epochs 40 --out b --log b.tsv < "$W/train.cos" 2> stderr
    while kill -0 $pid && ! grep -qs '^5' b.tsv; do sleep 0.01; done
    run sft --epochs 40 --out b --resume < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"another process"* ]]
    kill -TERM $pid
    status=0; wait $pid || status=$?
    [ "$status" = 1 ]
    grep -q 'with --resume goes on' stderr
    [ ! -e b ]
    [ -s b.state/state.safetensors ]
    run sft --epochs 40 --out b < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"--resume goes on"* ]]
    run sft --epochs 40 --out b --resume --lr 1e-3 < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"lr was 0.01, and is now 0.001"* ]]
    run sft --epochs 40 --out b --resume < <(head -n 23 "$W/train.jsonl" | cos-cat -f)
    [ "$status" = 1 ]
    [[ "$output" == *"data was"* ]]
    sft -q --epochs 40 --out b --resume < "$W/train.cos"
    same a b
    run sft --epochs 40 --out b --resume < "$W/train.cos"
    [ "$status" = 0 ]
    [[ "$output" == *"nothing to do"* ]]
}

@test "sft: a trained model trains on" {
    sft -q --out a < "$W/train.cos"
    cos-update sft -q --model a --images "$W/img" --batch 4 --freeze vision,projector --out b < "$W/train.cos"
    run ! cmp -s a/model.safetensors b/model.safetensors
    run cos-update sft --model a --freeze eyes --out c < "$W/train.cos"
    [ "$status" = 2 ]
    [[ "$output" == *"no part 'eyes'"* ]]
}

@test "sft: broken input, full disk, wrong places" {
    size=$(stat -c %s "$W/train.cos")
    for n in 0 1 10 $((size / 2)) $((size - 1)); do
        run sft --out a < <(head -c "$n" "$W/train.cos")
        [ "$status" = 1 ]
        [ ! -e a ]
    done
    run sft --log /dev/full --out a < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"/dev/full: No space left"* ]]
    [ ! -e a ]
    run sft --out nosuch/a < "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"nosuch/a"* ]]
    run sft --out /dev/full < "$W/train.cos"
    [ "$status" = 1 ]
    # no file may grow beyond 64 kB: the weights do not fit
    run bash -c "trap '' XFSZ; ulimit -f 64; cos-update sft -q --model '$W/base' --images '$W/img' --out a < '$W/train.cos'"
    [ "$status" = 1 ]
    [[ "$output" == *"File too large"* ]]
    [ ! -e a ]
    run sft < "$W/train.cos"
    [ "$status" = 2 ]
}
