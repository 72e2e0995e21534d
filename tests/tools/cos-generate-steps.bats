#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-generate --next-step and --search beam, and pipelines/beam.sh, as a user types them: a tiny random model, the same
# after a little training, a reward model with a tokenizer of its own; three pictures.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR" ROOT="$BATS_TEST_DIRNAME/../.."
    cd "$ROOT"
    mkdir "$W/img"
    base64 -d > "$W/img/0.png" <<< iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAATElEQVR42mM8el2EAQacInbsW+EBYTMiSyADJgYcgImBgWHNYhM4v2mnMULilsoruESd+1mExLKpzciGLJY9h9fyp0snwTlcRx7A2QCORxWfkldA/gAAAABJRU5ErkJggg==
    base64 -d > "$W/img/1.png" <<< iVBORw0KGgoAAAANSUhEUgAAAAwAAAAICAIAAABChommAAAAUUlEQVR42mN0UWhiQAULMj4nzOBFFmGCs7a+c4UwqvlPoGljxDQJEyBMWl7SiUsR0Sadft2NXxGzz4mzbOtLCZh0zaNk0UUHBgaGneF6uBQBABnvFG7e8YGjAAAAAElFTkSuQmCC
    base64 -d > "$W/img/2.png" <<< iVBORw0KGgoAAAANSUhEUgAAABAAAAAICAIAAAB/FOjAAAAARklEQVR42mOU0dNmIAUwMZAImA7MnozM1+wyYmBg2LAvBJcGRoiTou7pL1O6SIKT0FR/e9BPmh82nJpFmoYfd1MJ+IF4AACChBFOmtGuhQAAAABJRU5ErkJggg==
    jq -nc 'range(12) as $i | {id: "q/\($i)", question: "Question \($i % 7): which colour?", answer: "red", extra: {k: $i}}
        + if $i % 4 == 0 then {} elif $i % 4 == 3 then {images: [{ref: "0.png"}, {ref: "\($i % 3).png"}]}
          else {images: [{ref: "\($i / 4 % 3 | floor).png"}]} end
        + if $i % 5 == 0 then {meta: {split: "test"}, scores: {old: 1}} else {} end' > "$W/ask.jsonl"
    cos-cat -f < "$W/ask.jsonl" > "$W/ask.cos"
    jq -c '. + {path: {answer, steps: ([{name: "Look", thought: "It looks \(.answer).", reflection: "The picture shows it."},
        {name: "Say", thought: "So it is \(.answer).", reflection: "Yes."}, {name: "Check", thought: "Still \(.answer).", reflection: ""}]
        [0:(.extra.k % 3 + 1)])}}' "$W/ask.jsonl" | cos-cat -f > "$W/train.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --max-tiles 2 --seed 1 --out "$W/base" < "$W/train.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 320 --max-tiles 1 --seed 2 --out "$W/other" < "$W/train.cos"
    cos-update sft -q --model "$W/base" --images "$W/img" --epochs 40 --batch 8 --lr 1e-2 --dtype f32 --threads 1 --out "$W/sft" < "$W/train.cos"
    search -n 4 < "$W/ask.cos" > "$W/search.cos"
    search -n 6 --beam 2 --search-cost < "$W/ask.cos" > "$W/two.cos"
    step -n 3 --anew < "$W/ask.cos" > "$W/first.cos"
    shift_on < "$W/first.cos" > "$W/open.cos"
    step -n 3 < "$W/open.cos" > "$W/second.cos"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

gen() { cos-generate --images "$W/img" --dtype f32 --max-tokens 120 --temperature 0.7 --seed 5 --no-provenance "$@"; }
step() { gen -q --model "$W/sft" --next-step "$@"; }
search() { gen -q --model "$W/sft" --search beam --prm "$W/base" "$@"; }
loop() {
    local m=$1 p=$2
    shift 2
    IMAGES="$W/img" DTYPE="${DTYPE:-f32}" ARGS="-q --no-provenance" sh "$ROOT/pipelines/beam.sh" "$m" "$p" --max-tokens 120 --temperature 0.7 --seed 5 "$@"
}
prm() { cos-score prm -q --no-provenance --images "$W/img" --dtype f32 "$@"; }
plain() { cos-cat -q --plain "$@"; }
pack() { cos-cat -q -f --no-provenance; }
shift_on() { plain | jq -c 'select(.path.index == 1 or (.path.index == 2 and .path.end != "step"))' | jq -sc 'unique_by(.id) | sort_by(.extra.k) | .[]' | pack; }

@test "next step: candidates of one step each, in order; what was sampled so far" {
    cos-cat --check -q < "$W/first.cos" > /dev/null
    plain < "$W/first.cos" > all
    [ "$(jq -r '"\(.id) \(.path.index)"' all)" = "$(jq -r 'range(3) as $i | "\(.id) \($i)"' "$W/ask.jsonl")" ]
    [ "$(jq -c 'select(.path.index == 0) | del(.path, .meta.search) | if .meta == {} then del(.meta) else . end' all)" = "$(jq -c 'del(.scores)' "$W/ask.jsonl")" ]
    jq -e '(.path.steps | length) == 1 and (.path | has("answer") | not) and .path.steps[0].span[1] == (.path.tokens."$u32" | length)' \
        <(jq -c 'select(.path.end == "step")' all) > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" -ge 20 ]
    jq -sc 'group_by(.id)[] | (map(.path.tokens."$u32" | length) | add) as $n | map(.meta.search == {n: 3, rounds: 1, tokens: $n}) | all' all > ok
    [ "$(sort -u ok)" = true ]
}

@test "next step: the second goes on from the first" {
    plain < "$W/open.cos" > one
    plain < "$W/second.cos" > two
    jq -nc --slurpfile a one --slurpfile b two '$a[] | select(.path.end == "step") as $x | ($b | map(select(.id == $x.id)))
        | [length == 3, (map(.path.tokens."$u32"[0:($x.path.tokens."$u32" | length)] == $x.path.tokens."$u32") | all),
           (map((.path.logprobs | to_entries[0].value."$f32" | length) == (.path.tokens."$u32" | length)) | all),
           (map(.path.steps[0] == $x.path.steps[0]) | all), (map(.meta.search.rounds == 2) | all),
           (map(.meta.search.tokens)[0] == $x.meta.search.tokens + (map((.path.tokens."$u32" | length) - ($x.path.tokens."$u32" | length)) | add))] | all' > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" -ge 8 ]
    jq -c 'select(.path.end != "step")' one > closed
    [ "$(jq -c --slurpfile c closed 'select(.id as $id | $c | map(.id) | index([$id]))' two)" = "$(cat closed)" ]
}

@test "with one candidate, step by step is plain sampling" {
    gen -q --model "$W/sft" --first-index 2 < "$W/ask.cos" | plain > want
    search -n 1 --first-index 2 < "$W/ask.cos" | plain | jq -c 'del(.meta.search, .scores, .path.answer_score, .path.steps[].score)' > got
    [ "$(jq -r .path.end want | grep -c stop)" -ge 3 ]
    jq -c 'select(.path.end == "stop") | .path' want > stop
    jq -nc --slurpfile a want --slurpfile b got 'range($a | length) as $i | select($a[$i].path.end == "stop") | $b[$i].path' | cmp - <(jq -nc --slurpfile s stop '$s[]')
}

@test "next step: text alone is gone on from; broken paths are rejected, ended ones passed on" {
    head -4 "$W/ask.jsonl" | jq -c '.path = {steps: [{name: "Look", thought: "It looks red.", reflection: "The picture shows it."}]}' > in
    step -n 2 < <(pack < in) | plain > out
    jq -e '(.path.steps[0] | del(.span)) == {name: "Look", thought: "It looks red.", reflection: "The picture shows it."} and (.path | has("logprobs") | not)' out > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" = 8 ]
    plain < "$W/open.cos" | jq -c 'select(.path.end == "step")' | head -1 > one
    jq -c '.path.steps = 7, (.path.steps += .path.steps), (.path.tokens."$u32" = [1, 2]), (.path.tokenizer = "x" | del(.path.end)), .path.answer = "red", .path.end = "length"' one | pack > in.cos
    gen --model "$W/sft" --next-step -n 2 < in.cos 2> err | plain > out
    grep -q "6 in, 1 added, 4 out, 3 rejected (malformed path 3)" err
    [ "$(tail -2 out)" = "$(plain < in.cos | tail -2)" ]
    jq -e '.path | has("logprobs") | not' <(head -1 out)
}

@test "the loop of single programs gives the same records: trained, random, other tokenizer" {
    loop "$W/sft" "$W/base" -n 4 < "$W/ask.cos" | cmp - "$W/search.cos"
    search -n 7 --prm "$W/other" --first-index 3 --top-p 0.9 < "$W/ask.cos" > want
    loop "$W/sft" "$W/other" -n 7 --first-index 3 --top-p 0.9 < "$W/ask.cos" | cmp - want
    search -n 3 --model "$W/base" --prm "$W/sft" --max-tokens 30 < "$W/ask.cos" > want
    loop "$W/base" "$W/sft" -n 3 --max-tokens 30 < "$W/ask.cos" | cmp - want
    search -n 5 --max-steps 1 --prm "$W/sft" < "$W/ask.cos" > want
    loop "$W/sft" "$W/sft" -n 5 --max-steps 1 < "$W/ask.cos" | cmp - want
}

@test "the loop fails when one of its programs does" {
    run loop "$W/sft" "$W/nowhere" -n 2 < "$W/ask.cos"
    [ "$status" = 1 ]
    [[ "$output" == *nowhere* ]]
    head -c 700 "$W/ask.cos" > cut
    run loop "$W/sft" "$W/base" -n 2 < cut
    [ "$status" = 1 ]
}

@test "search: one record a question, with steps, and scores as cos-score prm sets them" {
    cos-cat --check -q < "$W/search.cos" > /dev/null
    plain < "$W/search.cos" > all
    [ "$(jq -r .id all)" = "$(jq -r .id "$W/ask.jsonl")" ]
    [ "$(jq -c 'select(.path.end == "stop" and .path.answer_score and .scores.prm and (.path.steps | map(has("score")) | all))' all | wc -l)" -ge 5 ]
    [ "$(jq -c 'select(.path.end == "step")' all)" = "" ]
    prm --model "$W/base" < "$W/search.cos" | cmp - "$W/search.cos"
    prm --model "$W/base" < "$W/two.cos" | cmp - "$W/two.cos"
    [ "$(jq -c 'select(.meta.search.n != 4 or .scores.old)' all)" = "" ]
    [ "$(jq -c 'select(.meta.split) | .extra.k' all | tr '\n' ' ')" = "0 5 10 " ]
}

@test "search: the candidate kept is the best of its round" {
    plain < "$W/search.cos" | jq -c 'select(.path.steps | length > 0)' | head -4 > won
    step -n 4 --anew < "$W/ask.cos" | prm --model "$W/base" | plain > first
    jq -nc --slurpfile w won --slurpfile f first '$w[] | . as $x | ($f | map(select(.id == $x.id and .path.end == "step") | .path.steps[0].score) | max) == $x.path.steps[0].score' > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" = 4 ]
}

@test "a candidate without a new step or an answer ranks last, and may be all there is" {
    jq -nc '{id: "a", path: ({index: 0, end: "format", steps: [{score: 0.9}]}, {index: 1, end: "step", steps: [{score: 0.9}, {score: 0.1}]},
        {index: 2, end: "stop", steps: [{score: 0.9}], answer: "x", answer_score: 0.2})}' | pack > in.cos
    [ "$(cos-select best -q --over all --agg last < in.cos | plain | jq .path.index)" = 2 ]
    plain < in.cos | head -1 | pack > one.cos
    cos-select best -q --over all --agg last --unscored --no-provenance < one.cos | cmp - one.cos
    run cos-select best -q --over all --agg last < one.cos
    [ "$status" = 1 ]
}

@test "search: --step-weight, --agg, --search-cost" {
    search -n 4 --step-weight 1 < "$W/ask.cos" | plain | jq -e 'select(.scores.prm) | .scores.prm - (.path.steps | map(.score) | add / length) | . < 1e-12 and . > -1e-12' > ok
    [ "$(sort -u ok)" = true ]
    search -n 6 --beam 2 --agg min < "$W/ask.cos" > min.cos
    if cmp -s min.cos <(search -n 6 --beam 2 < "$W/ask.cos"); then false; fi
    plain < "$W/two.cos" | jq -e '.meta.search | .beam == 2 and .n == 6 and .prm_tokens > 0 and .tokens > 0' > ok
    [ "$(sort -u ok)" = true ]
    [ "$(plain < "$W/two.cos" | jq -c 'del(.meta.search.beam, .meta.search.prm_tokens)')" = "$(search -n 6 --beam 2 < "$W/ask.cos" | plain | jq -c .)" ]
}

@test "the same bytes for every batch, thread and cache" {
    for b in 1 7 64; do
        for t in 1 2; do
            step -n 3 --batch $b --threads $t < "$W/open.cos" | cmp - "$W/second.cos"
            search -n 4 --batch $b --threads $t < "$W/ask.cos" | cmp - "$W/search.cos"
            search -n 6 --beam 2 --search-cost --batch $b --threads $t < "$W/ask.cos" | cmp - "$W/two.cos"
        done
    done
    step -n 3 --kv-tokens 320 < "$W/open.cos" | cmp - "$W/second.cos"
    gen --model "$W/sft" --search beam --prm "$W/base" -n 6 --beam 2 --search-cost --kv-tokens 320 < "$W/ask.cos" 2> err | cmp - "$W/two.cos"
    grep -qE 'answers: [0-9]+ tokens, [1-9][0-9]* read again' err
}

@test "four shards put together are the whole" {
    for s in 0 1 2 3; do cos-cat -q --skip $((s * 3)) -n 3 < "$W/ask.cos" | search -n 4 --batch $((s * 9 + 1)) > "s$s"; done
    cos-cat -q --no-provenance s0 s1 s2 s3 | cmp - "$W/search.cos"
    for s in 0 1 2 3; do cos-cat -q --shard $s/4 < "$W/ask.cos" | search -n 6 --beam 2 --search-cost --threads $((s % 2 + 1)) > "s$s"; done
    cos-cat -q --no-provenance --merge s0 s1 s2 s3 | cmp - "$W/two.cos"
    for s in 0 1 2 3; do cos-cat -q --skip $((s * 3)) -n 3 < "$W/open.cos" | step -n 3 > "s$s"; done
    cos-cat -q --no-provenance s0 s1 s2 s3 | cmp - "$W/second.cos"
}

@test "bf16: the same bytes for every batch, and as the loop" {
    search -n 3 --dtype bf16 < "$W/ask.cos" > want
    search -n 3 --dtype bf16 --batch 5 < "$W/ask.cos" | cmp - want
    DTYPE=bf16 loop "$W/sft" "$W/base" -n 3 < "$W/ask.cos" | cmp - want
}

@test "only new steps are read, one prompt a question; greedy ties go to the lower index" {
    run gen --model "$W/sft" --search beam --prm "$W/base" -n 4 --temperature 0 < "$W/ask.cos"
    [ "$status" = 0 ]
    [[ "$output" == *" 0 read again"* ]]
    search -n 4 --temperature 0 < "$W/ask.cos" | plain | jq -c '.path.index' | sort -u | grep -qx 0
    gen --model "$W/sft" --search beam --prm "$W/base" -n 8 < "$W/ask.cos" 2> err > /dev/null
    rows=$(grep -oE 'reward model: prompts: [0-9]+' err | tr -dc 0-9)
    run cos-score prm --model "$W/base" --images "$W/img" < <(pack < <(jq -c '.path = {steps: [{name: "a", thought: "b", reflection: "c"}]}' "$W/ask.jsonl"))
    [[ "$output" == *"prompts: $rows tokens computed"* ]]
}

@test "--max-steps and --max-tokens cut off" {
    search -n 3 --max-steps 1 < "$W/ask.cos" | plain | jq -e '(.path.steps | length) <= 2 and ((.path.steps | length) < 2 or .path.end == "length")' > ok
    [ "$(sort -u ok)" = true ]
    search -n 3 --max-tokens 26 < "$W/ask.cos" | plain | jq -e '(.path.tokens."$u32" | length) <= 26 and .path.end != "step" and .scores == null' > ok
    [ "$(sort -u ok)" = true ]
}

@test "questions that cannot be asked are rejected by reason" {
    { head -2 "$W/ask.jsonl"
      echo '{"id": "a", "question": "?", "images": [{"ref": "none.png"}]}'
      echo '{"question": "no id"}'
      jq -nc '{id: "d", question: ("word " * 600)}'
    } | pack > bad.cos
    gen --model "$W/sft" --search beam --prm "$W/base" -n 2 --rejects rej.cos < bad.cos 2> err > out.cos
    grep -q "5 in, 2 out, 3 rejected (unreadable image 1, no id 1, prompt too long 1)" err
    grep -q "(id a): image 1: .*none.png" err
    gen --model "$W/sft" --next-step -n 2 < bad.cos 2> err > out.cos
    grep -q "5 in, 2 added, 4 out, 3 rejected (unreadable image 1, no id 1, prompt too long 1)" err
    gen --model "$W/sft" --search beam --prm "$W/base" -n 2 --kv-tokens 64 < "$W/ask.cos" 2> err > out.cos
    grep -q "12 rejected (prompt too long 12)" err
}

@test "models that do not fit" {
    cp -r "$W/base" m
    jq -c '(.added_tokens[] | select(.content == "к+и")).content = "k+n"' "$W/base/tokenizer.json" > m/tokenizer.json
    run search --prm m -n 2 < "$W/ask.cos"
    [ "$status" = 1 ]
    [[ "$output" == "cos-generate: m: the tokenizer lacks the token к+и of PRM style cos" ]]
    [ "${#lines[@]}" = 1 ]
    jq -c '(.added_tokens[] | select(.content == "<|reasoning_step_end|>")).content = "<|x|>"' "$W/sft/tokenizer.json" > m/tokenizer.json
    cp "$W/sft/config.json" "$W/sft/model.safetensors" m
    run step --model m < "$W/ask.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"lacks the special token <|reasoning_step_end|>"* ]]
    run search --prm nowhere -n 2 < "$W/ask.cos"
    [ "$status" = 1 ]
    [[ "$output" == *nowhere* ]]
}

@test "provenance names the model, stream by stream" {
    cos-cat -q "$W/ask.cos" > again
    cat "$W/ask.cos" again | cos-generate --model "$W/sft" --search beam --prm "$W/base" --images "$W/img" --max-tokens 20 -n 2 -q > out
    cos-cat -q --json < out | jq -r 'select(.kind == "header") | .provenance[] | select(.program == "cos-generate") | "\(.program) \(.model)"' > heads
    [ "$(wc -l < heads)" = 2 ]
    [ "$(sort -u heads | grep -cE '^cos-generate [0-9a-f]{32}$')" = 1 ]
}

@test "empty input, cut input, full disk, closed pipe" {
    cos-cat -f < /dev/null | search -n 2 | plain | cmp - /dev/null
    size=$(stat -c %s "$W/ask.cos")
    for n in 0 20 $((size / 2)) $((size - 1)); do
        head -c $n "$W/ask.cos" > cut
        for c in search "step --anew"; do
            run $c --max-tokens 20 < cut
            [ "$status" = 1 ]
            $c --max-tokens 20 < cut > part 2> /dev/null || true
            run cos-cat part
            [ "$status" = 1 ]
        done
    done
    for c in search step; do
        run bash -c "$(declare -f gen search step); $c -n 2 --max-tokens 20 < $W/ask.cos > /dev/full"
        [ "$status" = 1 ]
        [[ "$output" == *"No space left"* ]]
    done
    run bash -c "$(declare -f gen step); set -o pipefail; step -n 400 --max-tokens 40 < $W/ask.cos | head -c 1 > /dev/null"
    [ "$status" = 1 ]
    [[ "$output" == *"Broken pipe"* ]]
}

@test "usage" {
    for a in "--search beam" "--prm x" "--anew" "--max-steps 2" "--search beam --prm x --next-step" "--search beam --prm x -n 2 --beam 3" "--search x"; do
        run cos-generate --model "$W/sft" $a < "$W/ask.cos"
        [ "$status" = 2 ]
        [ "${#lines[@]}" -le 2 ]
    done
    run cos-generate -h
    [ "$status" = 0 ]
    [[ "$output" == *--next-step* && "$output" == *--prm* && "$output" == *"--beam B"* ]]
}
