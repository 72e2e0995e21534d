#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-score judge against the scripted server, and the pipeline that builds step data with it.

bats_require_minimum_version 1.5.0

setup_file() {
    : "${COS_BIN:=$BATS_TEST_DIRNAME/../../build/cpu}"
    export COS_BIN PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR" no_proxy=127.0.0.1
    unset COS_API_KEY
    cd "$W"
    "$COS_BIN/tests/net/server" port log 3>&- & echo $! > pid
    while [ ! -s port ]; do sleep 0.01; done
    URL=http://127.0.0.1:$(cat port)/v1
    export URL
    printf '[user]\n{images}\n{question}\n{steps}\ncount={step_count};\n' > judge.txt
    jq -nc 'range(30) as $i | range(2) as $k | {id: "q/\($i)", question: "Question \($i)?", answer: "yes", path: {index: $k, steps:
        [range(1 + $i % 3) | {name: "n\(.)", thought: "t\(.) \($k)", reflection: "r", labels: [{by: "mc", k: 3, n: 4}]}], answer: "yes"}}' |
        cos-cat -q -f > paths.cos
    judge < paths.cos > want.cos
}

teardown_file() { kill "$(cat "$W/pid")"; }
setup() { cd "$BATS_TEST_TMPDIR"; : > "$W/log"; }

judge() { cos-score judge -q --endpoint "$URL" --model m --prompt "$W/judge.txt" --backoff 0.005 --no-provenance "$@"; }
plain() { cos-cat -q --plain "$@"; }
path() { jq -nc --arg q "$1" '{id: $q, question: $q, path: {index: 0, steps: [{name: "n", thought: "t"}, {name: "m", thought: "u"}], answer: "yes"}}'; }

@test "labels beside others, for steps and answer; all else as it was" {
    plain < "$W/want.cos" > got
    jq -e '[.path.steps[].labels[1] | .by == "judge:m" and (.value | . == 0 or . == 0.5 or . == 1)] | all' got > all
    [ "$(sort -u all)" = true ]
    [ "$(jq -c '.path.answer_labels' got | sort -u)" = '[{"by":"judge:m","value":1,"why":"it is so"}]' ]
    [ "$(jq -c '.path.steps[].labels[1].value' got | sort -u | wc -l)" = 3 ]
    jq -c 'del(.path.answer_labels, .path.requests, .path.steps[].labels[1])' got | diff - <(plain < "$W/paths.cos")
    cos-cat --check < "$W/want.cos" > /dev/null
}

@test "several judges side by side; one that comes again replaces its own" {
    judge --as other --seed 9 < "$W/want.cos" > two
    [ "$(plain < two | jq -c '[.path.steps[0].labels[].by], [.path.answer_labels[].by], (.path.requests | keys)' | sort -u)" = \
      $'["judge:m","judge:other"]\n["mc","judge:m","judge:other"]' ]
    [ "$(plain < two | jq -c 'del(.path.requests["judge:other"]) | del(.path.steps[].labels[2], .path.answer_labels[1])')" = "$(plain < "$W/want.cos" | jq -c .)" ]
    judge < "$W/want.cos" | cmp - "$W/want.cos"
    judge < two > again
    [ "$(plain < again | jq -c '[.path.steps[0].labels[].by]' | sort -u)" = '["mc","judge:other","judge:m"]' ]
}

@test "what is no verdict is unknown: passed on without labels, counted by reason" {
    { path $'<<Verdicts:\nStep 1: Good\nStep 2: bad - no>>'; path $'<<Step 1: Good\nStep 2: Good>>'; path $'<<Verdicts:\nStep 1: Good>>'
      path $'<<Verdicts:\nStep 1: Fine\nStep 2: Good>>'; path $'<<Verdicts:\nStep 2: Good\nStep 1: Good>>'; path "[[400]] a"
      path "[[500 500]] b"; path "[[hang hang]] c"; path "[[null]] d"; path "[[len]] e"; path "f"; } > in.jsonl
    cos-cat -q -f < in.jsonl > in
    run --separate-stderr cos-score judge --endpoint "$URL" --model m --prompt "$W/judge.txt" --backoff 0.005 --tries 2 --timeout 0.5 < in
    [ "$status" = 0 ]
    [[ "$stderr" == *"9 paths without verdicts (no verdicts 1, verdicts missing 1, malformed verdict 1, verdicts out of order 1, HTTP 400 1, HTTP 500 1, time-out 1, empty reply 1, reply cut off at --max-tokens 1)"* ]]
    [[ "$stderr" == *"11 in, 11 out"* ]]
    judge < in > out
    [ "$(plain < out | jq -r .id)" = "$(jq -r .id in.jsonl)" ]
    [ "$(plain < out | jq -c 'select(.path.requests) | [.path.steps[].labels[0].value]' | head -1)" = '[1,0]' ]
    # a verdict from before does not stay where there is none now
    plain < out | jq -c 'select(.id | startswith("<<Step") or startswith("[[400")) | .path.steps[].labels = [{by: "judge:m", value: 1}] | .path.requests = {"judge:m": "x"}' |
        cos-cat -q -f | judge | plain > stale
    [ "$(jq -c 'select(.id | startswith("<<Step")) | [.path.steps[].labels, .path.requests]' stale)" = '[null,null,{}]' ]
}

@test "paths that cannot be asked about are rejected" {
    { path ok; echo '{"id":"a","question":"q"}'; echo '{"id":"b","question":"q","path":{"steps":[]}}'; echo '{"id":"c","question":"q","path":{"steps":3}}'
      echo '{"id":"d","path":{"steps":[{"thought":"t"}]}}'; echo '{"question":"q","path":{"steps":[{"thought":"t"}]}}'
      echo '{"id":"e","question":"q","images":[{"ref":"no.png"}],"path":{"steps":[{"thought":"t"}]}}'; } | cos-cat -q -f > in
    run --separate-stderr cos-score judge --endpoint "$URL" --model m --prompt "$W/judge.txt" --rejects rej < in
    [ "$status" = 0 ]
    [[ "$stderr" == *"7 in, 1 out, 6 rejected (no path 1, no step 1, malformed path 1, no question 1, no id 1, unreadable image 1)"* ]]
    [ "$(plain < rej | wc -l)" = 6 ]
}

@test "resumed from a stream cut at any byte; what got no verdict is asked again" {
    size=$(wc -c < "$W/want.cos")
    for ((n = 0; n < size; n += size / ${CUTS:-15})); do
        head -c $n "$W/want.cos" > cut
        judge --resume cut < "$W/paths.cos" | cmp - "$W/want.cos"
    done
    : > "$W/log"
    judge --resume "$W/want.cos" < "$W/paths.cos" | cmp - "$W/want.cos"
    [ ! -s "$W/log" ]
    { path a; path "[[400]] b"; path c; } | cos-cat -q -f > in
    judge < in > out
    : > "$W/log"
    judge --resume out < in > more
    [ "$(grep -c . "$W/log")" = 1 ]
    [ "$(plain < more | jq -c '.path.requests | length' | paste -sd' ')" = "1 1 1" ]
    run -1 judge --resume "$W/want.cos" --temperature 1 < "$W/paths.cos"
    [[ "$output" == *"made by another request"* ]]
}

@test "a reward model is trained on the labels of a judge" {
    cos-update init -q --config "$BATS_TEST_DIRNAME/../../examples/configs/tiny.json" --vocab 400 --out base < "$W/paths.cos"
    cos-update prm --model base --labels judge:m --steps 1 --dtype f32 --threads 1 --out prm < "$W/want.cos" 2> err
    grep -q '60 in, 60 used' err
    cos-update prm --model base --labels judge:other --steps 1 --dtype f32 --threads 1 --out none < "$W/want.cos" 2> err && false
    [ ! -e none ]
}

@test "the shipped prompt: image, question, choices, right answer and steps are sent" {
    { path one; path two | jq -c '. + {answer: "yes", choices: ["a", "b"]}'; } | cos-cat -q -f > in
    cos-score judge -q --endpoint "$URL" --model m --prompt "$BATS_TEST_DIRNAME/../../pipelines/prompts/judge.txt" < in > out
    [ "$(plain < out | wc -l)" = 2 ]
}

@test "usage, cut input, full disk" {
    run -2 cos-score judge --model m --prompt "$W/judge.txt" < "$W/paths.cos"
    [[ "$output" == *"want --endpoint URL and --prompt FILE"* ]]
    run -2 cos-score judge --endpoint "$URL" --model m < "$W/paths.cos"
    run -2 cos-score judge --endpoint "$URL" --prompt "$W/judge.txt" < "$W/paths.cos"
    run -2 judge --as "" < "$W/paths.cos"
    run -1 judge < <(head -c 1000 "$W/paths.cos")
    run -1 bash -c 'cos-score judge -q --endpoint "$URL" --model m --prompt "$W/judge.txt" < "$W/paths.cos" > /dev/full'
    [[ "$output" == *"No space left"* ]]
    run -0 cos-score judge -h
    for o in endpoint prompt key-env resume as; do [[ "$output" == *"--$o"* ]]; done
    run -0 cos-score -h
    [[ "$output" == *judge* ]]
}

# ---- pipelines/build-sft.sh ----

build() { BIN="$COS_BIN" "$BATS_TEST_DIRNAME/../../pipelines/build-sft.sh" "$URL" m "$1" --backoff 0.005 --tries 2 < in; }

@test "build-sft: strict in form, right in the answer, the others counted; run again it asks for what is missing alone" {
    jq -nc '{id: "a", question: "gold=4;", answer: "4"}, {id: "b", question: "gold=5;", answer: "4"}, {id: "c", question: "[[free]]", answer: "4"},
        {id: "d", question: "[[500 500]]", answer: "yes"}, {id: "e", question: "[[400]]", answer: "yes"}, {id: "f", question: "no gold"},
        {id: "g", question: "gold=Seven;", answer: "seven."}' | cos-cat -q -f > in
    build data 2> err
    grep -q 'cos-generate: 7 in, 3 out, 4 rejected (not in the step format 1, HTTP 500 1, HTTP 400 1, no right answer 1)' err
    [ "$(plain < data/built.cos | jq -r .id | paste -sd' ')" = "a g" ]
    [ "$(plain < data/wrong.cos | jq -r .id)" = b ]
    [ "$(plain < data/rejects.cos | jq -r '"\(.id) \(.meta.reject)"' | sort)" = $'c not in the step format\nd HTTP 500\ne HTTP 400\nf no right answer' ]
    [ "$(ls data | paste -sd' ')" = "built.cos rejects.cos replies.cos wrong.cos" ]
    : > "$W/log"
    build data 2> /dev/null
    [ "$(cut -d' ' -f4 "$W/log" | sort | paste -sd' ')" = "ok ok ok" ]
    # what the server does now for the three that failed is in it
    [ "$(plain < data/built.cos | jq -r .id | paste -sd' ')" = "a d e g" ]
}

@test "build-sft killed and run again: the data of a run that was not" {
    jq -nc 'range(40) | {id: "\(.)", question: "[[\([range(6) | "slow:60"] | join(" "))]] gold=\(. % 3); \(.)", answer: "1"}' | cos-cat -q -f > in
    build straight 2> /dev/null
    for k in 0 1; do
        BIN="$COS_BIN" setsid "$BATS_TEST_DIRNAME/../../pipelines/build-sft.sh" "$URL" m killed --concurrency 2 < in 2> /dev/null & pid=$!
        while [ "$(cat killed/replies.$k.cos 2> /dev/null | wc -c)" -lt $((4000 * k + 3000)) ] && kill -0 $pid; do sleep 0.01; done
        kill -9 -- -$pid
        wait $pid || [ $? = 137 ]
    done
    [ ! -e killed/built.cos ]
    build killed 2> err
    grep -qE 'replies kept from --resume' err
    [ "$(plain < killed/built.cos)" = "$(plain < straight/built.cos)" ]
    [ "$(plain < killed/built.cos | wc -l)" = 13 ]
}
