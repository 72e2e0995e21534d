#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-generate as a user types it: a tiny random model, and the same one after a little training; three pictures.

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    mkdir "$W/img"
    base64 -d > "$W/img/0.png" <<< iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAATElEQVR42mM8el2EAQacInbsW+EBYTMiSyADJgYcgImBgWHNYhM4v2mnMULilsoruESd+1mExLKpzciGLJY9h9fyp0snwTlcRx7A2QCORxWfkldA/gAAAABJRU5ErkJggg==
    base64 -d > "$W/img/1.png" <<< iVBORw0KGgoAAAANSUhEUgAAAAwAAAAICAIAAABChommAAAAUUlEQVR42mN0UWhiQAULMj4nzOBFFmGCs7a+c4UwqvlPoGljxDQJEyBMWl7SiUsR0Sadft2NXxGzz4mzbOtLCZh0zaNk0UUHBgaGneF6uBQBABnvFG7e8YGjAAAAAElFTkSuQmCC
    base64 -d > "$W/img/2.png" <<< iVBORw0KGgoAAAANSUhEUgAAABAAAAAICAIAAAB/FOjAAAAARklEQVR42mOU0dNmIAUwMZAImA7MnozM1+wyYmBg2LAvBJcGRoiTou7pL1O6SIKT0FR/e9BPmh82nJpFmoYfd1MJ+IF4AACChBFOmtGuhQAAAABJRU5ErkJggg==
    # no image, one, the same again, two; choices; questions that recur
    jq -nc 'range(24) as $i | {id: "q/\($i)", question: "Question \($i % 7): which colour?", answer: "red", extra: {k: $i}}
        + if $i % 4 == 0 then {} elif $i % 4 == 3 then {images: [{ref: "0.png"}, {ref: "\($i % 3).png"}]}
          else {images: [{ref: "\($i / 4 % 3 | floor).png"}]} end
        + if $i % 5 == 0 then {choices: ["red", "green"]} else {} end' > "$W/ask.jsonl"
    cos-cat -f < "$W/ask.jsonl" > "$W/ask.cos"
    jq -c '. + {path: {steps: [{name: "Look", thought: "It looks \(.answer).", reflection: "The picture shows it."}], answer}}' \
        "$W/ask.jsonl" | cos-cat -f > "$W/train.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --max-tiles 2 --seed 1 --out "$W/base" < "$W/train.cos"
    cos-update sft -q --model "$W/base" --images "$W/img" --epochs 40 --batch 8 --lr 1e-2 --dtype f32 --threads 1 --out "$W/sft" < "$W/train.cos"
    ask --threads 1 -n 3 < "$W/ask.cos" > "$W/want.cos"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

gen() { cos-generate --images "$W/img" --dtype f32 --max-tokens 40 --seed 5 --no-provenance "$@"; }
ask() { gen -q --model "$W/base" "$@"; }
plain() { cos-cat -q --plain "$@"; }

@test "one record a path, in order, sample fields carried through" {
    [ "$(plain < "$W/want.cos" | jq -r '"\(.id) \(.path.index)"')" = "$(jq -r 'range(3) as $i | "\(.id) \($i)"' "$W/ask.jsonl")" ]
    [ "$(plain < "$W/want.cos" | jq -c 'select(.path.index == 0) | del(.path)')" = "$(jq -c . "$W/ask.jsonl")" ]
    cos-cat --check < "$W/want.cos" > /dev/null
}

@test "tokens and log-probabilities stand side by side, under the digests" {
    plain < "$W/want.cos" | jq -e '.path | (.tokens."$u32" | length) == (.logprobs | to_entries[0].value."$f32" | length)
        and (.logprobs | keys | length == 1) and (.tokenizer | test("^[0-9a-f]{32}$")) and (.logprobs | keys[0] | test("^[0-9a-f]{32}$"))
        and ([.logprobs[]."$f32"[] <= 0] | all)' > all
    [ "$(sort -u all)" = true ]
    [ "$(wc -l < all)" = 72 ]
}

@test "the same bytes for every batch, number of threads and cache" {
    for b in 1 7 64; do
        for t in 1 2 4; do
            ask -n 3 --batch $b --threads $t < "$W/ask.cos" | cmp - "$W/want.cos"
        done
    done
    ask -n 3 --kv-tokens 320 < "$W/ask.cos" | cmp - "$W/want.cos"
}

@test "four shards put together are the whole" {
    for s in 0 1 2 3; do ask -n 3 --batch $((s * 9 + 1)) < <(cos-cat -q --skip $((s * 6)) -n 6 < "$W/ask.cos") > "s$s"; done
    cos-cat -q --no-provenance s0 s1 s2 s3 | cmp - "$W/want.cos"
    ask < "$W/ask.cos" > one
    for s in 0 1 2 3; do cos-cat -q --shard $s/4 < "$W/ask.cos" | ask --threads $((s % 2 + 1)) > "s$s"; done
    cos-cat -q --no-provenance --merge s0 s1 s2 s3 | cmp - one
    for k in 0 1 2; do ask --first-index $k < "$W/ask.cos" > "k$k"; done
    [ "$(for k in 0 1 2; do plain < "k$k"; done | jq -cS . | sort)" = "$(plain < "$W/want.cos" | jq -cS . | sort)" ]
}

@test "a trained model: chains of steps with spans, the same bytes for every batch, bf16 too" {
    gen --model "$W/sft" -n 4 --temperature 0.5 -q < "$W/ask.cos" > sft
    for b in 1 7; do gen --model "$W/sft" -n 4 --temperature 0.5 -q --batch $b --threads $((b % 2 + 1)) < "$W/ask.cos" | cmp - sft; done
    [ "$(plain < sft | jq -r .path.end | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')" = stop ]
    plain < sft | jq -c 'select(.path.end == "stop") | .path' > stop
    jq -e '.steps[0] | .name == "Look" and .span[1] > .span[0] and .span[0] >= 0' stop > /dev/null
    [ "$(jq -c '.answer' stop | sort -u)" = '"red"' ]
    jq -e '.steps[-1].span[1] < (.tokens."$u32" | length)' stop > /dev/null
    gen --model "$W/sft" -n 4 --dtype bf16 -q --batch 64 < "$W/ask.cos" > b16
    for b in 1 7; do gen --model "$W/sft" -n 4 --dtype bf16 -q --batch $b --threads $((b % 2 + 1)) < "$W/ask.cos" | cmp - b16; done
}

@test "greedy does not depend on the seed, sampling does" {
    ask --temperature 0 < "$W/ask.cos" > a
    ask --temperature 0 --seed 6 --top-p 0.5 < "$W/ask.cos" | cmp - a
    ask --seed 6 -n 3 < "$W/ask.cos" > other
    if cmp -s other "$W/want.cos"; then false; fi
    ask --top-k 1 < "$W/ask.cos" | cmp - a
}

@test "length, stop and format" {
    ask --max-tokens 3 < "$W/ask.cos" | plain | jq -e '.path | .end == "length" and (.tokens."$u32" | length) <= 3' > /dev/null
    gen --model "$W/sft" --temperature 0 --stop "It looks" -q < "$W/ask.cos" | plain > s
    jq -e '.path | .end == "format" and (.text | endswith("It looks")) and .steps == []' s > /dev/null
    gen --model "$W/sft" --temperature 0 --stop zzz --stop "<|answer_end|>" -q < "$W/ask.cos" | plain | jq -e '.path.end == "stop" and .path.answer == "red"' > /dev/null
}

@test "paths and pairs in the input are asked anew" {
    plain < "$W/want.cos" | jq -c 'select(.path.index == 0) | .scores = {answer: 1}' | cos-cat -f > again
    ask -n 3 < again | cmp - "$W/want.cos"
}

@test "questions that cannot be asked are rejected by reason, the others answered" {
    { head -2 "$W/ask.jsonl"
      echo '{"id": "a", "question": "?", "images": [{"ref": "none.png"}]}'
      echo '{"id": "b", "images": []}'
      echo '{"question": "no id"}'
      echo '{"id": "c", "question": "?", "images": [{"data": {"$bin": "iVBORw0KGgo="}, "type": "png"}]}'
      jq -nc '{id: "d", question: ("word " * 600)}'
      echo '{"id": "e", "question": "?", "images": "0.png"}'
    } | cos-cat -f > bad.cos
    run gen --model "$W/base" --rejects rej.cos --threads 1 < <(cat bad.cos)
    [ "$status" = 0 ]
    [[ "$output" == *"8 in, 2 out, 6 rejected (unreadable image 2, no question 1, no id 1, prompt too long 1, images are not a list 1)"* ]]
    [[ "$output" == *"(id a): image 1: "*none.png* ]]
    [ "$(plain < rej.cos | jq -r .meta.reject | sort -u | wc -l)" = 5 ]
}

@test "a path of full length that can never fit is refused, not waited for" {
    run gen --model "$W/base" --kv-tokens 64 < "$W/ask.cos"
    [ "$status" = 0 ]
    [[ "$output" == *"24 in, 0 out, 24 rejected (prompt too long 24)"* ]]
}

@test "images from an archive" {
    (cd "$W/img" && zip -q "$BATS_TEST_TMPDIR/i.zip" *.png)
    cos-generate --model "$W/base" --images i.zip --dtype f32 --max-tokens 40 --seed 5 --no-provenance -q -n 3 < "$W/ask.cos" | cmp - "$W/want.cos"
}

@test "provenance names the model, stream by stream" {
    cos-cat "$W/ask.cos" > other
    cat "$W/ask.cos" other | cos-generate --model "$W/base" --images "$W/img" --max-tokens 2 -q > out
    cos-cat -q --json < out > all
    jq -r 'select(.kind == "header") | .provenance[] | select(.program == "cos-generate") | "\(.program) \(.model)"' all > heads
    [ "$(wc -l < heads)" = 2 ]
    [ "$(sort -u heads | grep -cE '^cos-generate [0-9a-f]{32}$')" = 1 ]
    [ "$(cat all | jq -c 'select(.kind == "trailer") | .count' | awk '{ n += $1 } END { print n }')" = 48 ]
}

@test "empty input, cut input, foreign input" {
    cos-cat -f < /dev/null | ask | cos-cat --plain | cmp - /dev/null
    size=$(stat -c %s "$W/ask.cos")
    for n in 0 1 20 $((size / 2)) $((size - 1)); do
        head -c $n "$W/ask.cos" > cut
        run ask < cut
        [ "$status" = 1 ]
        ask < cut > part 2> /dev/null || true
        run cos-cat part
        [ "$status" = 1 ]
    done
    run ask < "$W/img/0.png"
    [ "$status" = 1 ]
}

@test "full disk and closed pipe" {
    run bash -c 'cos-generate --model "$W/base" --images "$W/img" --max-tokens 4 -q < "$W/ask.cos" > /dev/full'
    [ "$status" = 1 ]
    [[ "$output" == *"No space left"* ]]
    run bash -c 'set -o pipefail; cos-generate --model "$W/base" --images "$W/img" --max-tokens 40 -n 200 -q < "$W/ask.cos" | head -c 1 > /dev/null'
    [ "$status" = 1 ]
    [[ "$output" == *"Broken pipe"* ]]
}

@test "model folders that are none" {
    for f in config.json tokenizer.json model.safetensors preprocessor_config.json; do
        cp -r "$W/base" m
        rm "m/$f"
        run cos-generate --model m < "$W/ask.cos"
        [ "$status" = 1 ]
        [[ "$output" == "cos-generate: m"*"$f"* || "$output" == *"m: "* ]]
        rm -r m
    done
    cp -r "$W/base" m
    head -c 5000 "$W/base/model.safetensors" > m/model.safetensors
    run cos-generate --model m < "$W/ask.cos"
    [ "$status" = 1 ]
    [ "$(wc -l <<< "$output")" = 1 ]
    run cos-generate --model nowhere < "$W/ask.cos"
    [ "$status" = 1 ]
    [[ "$output" == *nowhere* ]]
}

@test "usage" {
    run cos-generate < "$W/ask.cos"
    [ "$status" = 2 ]
    [[ "$output" == *--model* ]]
    run cos-generate --model "$W/base" -n 0 < "$W/ask.cos"
    [ "$status" = 2 ]
    run cos-generate --model "$W/base" --stop "" < "$W/ask.cos"
    [ "$status" = 2 ]
    run cos-generate -h
    [ "$status" = 0 ]
    [[ "$output" == *--first-index* && "$output" == *--kv-tokens* ]]
}
