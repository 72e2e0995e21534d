#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-score prm, logprob and mc as a user types them: a tiny model after a little training samples paths, a random one
# of the same form scores them; three pictures.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    mkdir "$W/img"
    base64 -d > "$W/img/0.png" <<< iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAATElEQVR42mM8el2EAQacInbsW+EBYTMiSyADJgYcgImBgWHNYhM4v2mnMULilsoruESd+1mExLKpzciGLJY9h9fyp0snwTlcRx7A2QCORxWfkldA/gAAAABJRU5ErkJggg==
    base64 -d > "$W/img/1.png" <<< iVBORw0KGgoAAAANSUhEUgAAAAwAAAAICAIAAABChommAAAAUUlEQVR42mN0UWhiQAULMj4nzOBFFmGCs7a+c4UwqvlPoGljxDQJEyBMWl7SiUsR0Sadft2NXxGzz4mzbOtLCZh0zaNk0UUHBgaGneF6uBQBABnvFG7e8YGjAAAAAElFTkSuQmCC
    base64 -d > "$W/img/2.png" <<< iVBORw0KGgoAAAANSUhEUgAAABAAAAAICAIAAAB/FOjAAAAARklEQVR42mOU0dNmIAUwMZAImA7MnozM1+wyYmBg2LAvBJcGRoiTou7pL1O6SIKT0FR/e9BPmh82nJpFmoYfd1MJ+IF4AACChBFOmtGuhQAAAABJRU5ErkJggg==
    jq -nc 'range(12) as $i | {id: "q/\($i)", question: "Question \($i % 7): which colour?", answer: "red", extra: {k: $i}}
        + if $i % 4 == 0 then {} elif $i % 4 == 3 then {images: [{ref: "0.png"}, {ref: "\($i % 3).png"}]}
          else {images: [{ref: "\($i / 4 % 3 | floor).png"}]} end' > "$W/ask.jsonl"
    cos-cat -f < "$W/ask.jsonl" > "$W/ask.cos"
    jq -c '. + {path: {answer, steps: ([{name: "Look", thought: "It looks \(.answer).", reflection: "The picture shows it."},
        {name: "Say", thought: "So it is \(.answer).", reflection: "Yes."}][0:(.extra.k % 2 + 1)])}}' "$W/ask.jsonl" | cos-cat -f > "$W/train.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --max-tiles 2 --seed 1 --out "$W/base" < "$W/train.cos"
    cos-update sft -q --model "$W/base" --images "$W/img" --epochs 40 --batch 8 --lr 1e-2 --dtype f32 --threads 1 --out "$W/sft" < "$W/train.cos"
    cos-generate --model "$W/sft" --images "$W/img" --dtype f32 --max-tokens 80 --temperature 0.7 -n 4 -q --no-provenance < "$W/ask.cos" > "$W/paths.cos"
    prm < "$W/paths.cos" > "$W/prm.cos"
    mc < "$W/paths.cos" > "$W/mc.cos"
    plain < "$W/paths.cos" | jq -c 'select(.path.end == "stop")' > "$W/stop.jsonl"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

tiny() { local what=$1; shift; cos-score "$what" --images "$W/img" --dtype f32 --no-provenance "$@"; }
prm() { tiny prm --model "$W/base" -q "$@"; }
mc() { tiny mc --model "$W/sft" -q --max-tokens 60 --rollouts 5 --seed 3 "$@"; }
adaptive() { mc --rollouts 12 --adaptive --threshold 0.5 --error 0.2 "$@"; }
first_error() { mc --adaptive --search first-error "$@"; }
lp() { tiny logprob --model "$W/sft" -q "$@"; }
plain() { cos-cat -q --plain "$@"; }
pack() { cos-cat -q -f --no-provenance; }

# shards COMMAND...: the file cut into four, put together again; four interleaved shards, merged
shards() {
    local s
    for s in 0 1 2 3; do cos-cat -q --skip $((s * 13)) -n 13 < "$W/paths.cos" | "$@" --batch $((s * 9 + 1)) > "s$s"; done
    cos-cat -q --no-provenance s0 s1 s2 s3 > cat.cos
    for s in 0 1 2 3; do cos-cat -q --shard $s/4 < "$W/paths.cos" | "$@" --threads $((s % 2 + 1)) > "s$s"; done
    cos-cat -q --no-provenance --merge s0 s1 s2 s3 > merge.cos
}

# for every command: COMMAND is one of prm, mc, lp
every() { for c in prm mc lp; do "$@" "$c" || { echo "failed for $c"; return 1; }; done; }

@test "prm: a score for each step and the answer, and their weighted sum" {
    cos-cat --check -q < "$W/prm.cos" > /dev/null
    plain < "$W/prm.cos" > all
    [ "$(jq -c 'del(.path.answer_score, .path.steps[].score, .scores)' all)" = "$(plain < "$W/paths.cos" | jq -c .)" ]
    jq 'select(.path.steps != []) | [.path.steps[].score | . > 0 and . < 1] | all' all > ok
    [ "$(sort -u ok)" = true ]
    jq 'select(.path.steps != [] and .path.answer)
        | (.scores.prm - (0.2 * (.path.steps | map(.score) | add / length) + 0.8 * .path.answer_score)) | . < 1e-12 and . > -1e-12' all > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" -ge 10 ]
    [ "$(jq -c .path.answer_score all | sort -u | wc -l)" -gt 5 ]
}

@test "prm: --step-weight and --as; other scores stay, old ones of that name go" {
    plain < "$W/prm.cos" | jq -c '.scores = {prm: 1, other: 2} | .path.answer_score = 7' | pack > in.cos
    prm --as mine --step-weight 0 < in.cos | plain > all
    jq -e '.scores.prm == 1 and .scores.other == 2 and .scores.mine == .path.answer_score and .path.answer_score != 7' all > ok
    [ "$(sort -u ok)" = true ]
    pack < "$W/stop.jsonl" | prm --step-weight 1 | plain | jq -e '.scores.prm - (.path.steps | map(.score) | add / length) | . < 1e-12 and . > -1e-12' > ok
    [ "$(sort -u ok)" = true ]
    prm < in.cos | plain | jq -c 'del(.scores.other)' > again
    plain < "$W/prm.cos" | jq -c '.scores = (.scores // {})' | cmp - again
}

@test "prm: a path without an answer keeps the scores of its steps, has no score of its own, and is counted" {
    head -1 "$W/stop.jsonl" | jq -c 'del(.path.answer) | .scores.prm = 0.9, (.path.steps = [] | .path.answer = "red"),
        (.path.steps = [] | del(.path.answer)), del(.path.steps, .path.answer)' | pack > in.cos
    run --separate-stderr bash -c 'cos-score prm --model "$W/base" --images "$W/img" --no-provenance < in.cos > out.cos'
    [ "$status" = 0 ]
    [[ "$stderr" == *"4 paths without scores.prm (no answer score 1, no steps 3)"* ]]
    [[ "$stderr" == *"4 in, 4 out"* ]]
    [ "$(plain out.cos | jq -c '[(.path.steps | length > 0 and (map(has("score")) | all)), .path.answer_score != null, .scores.prm != null]' | tr '\n' ' ')" \
        = "[true,false,false] [false,true,false] [false,false,false] [false,false,false] " ]
    prm --step-weight 0 < in.cos | plain | sed -n 2p | jq -e '.scores.prm == .path.answer_score'
}

@test "prm: the text counts, not the tokens the record came with" {
    plain < "$W/paths.cos" | jq -c 'del(.path.tokens, .path.tokenizer, .path.logprobs, .path.steps[].span)' | pack | prm | plain |
        jq -c '[.id, .path.answer_score, [.path.steps[].score], .scores]' > got
    plain < "$W/prm.cos" | jq -c '[.id, .path.answer_score, [.path.steps[].score], .scores]' | cmp - got
}

@test "prm: one prompt and one image for all paths of a question" {
    run cos-score prm --model "$W/base" --images "$W/img" --batch 4 < <(plain < "$W/paths.cos" | jq -c 'select(.id == "q/5")' | pack)
    [ "$status" = 0 ]
    rows=$(grep -oE 'prompts: [0-9]+' <<< "$output" | tr -dc 0-9)
    run cos-score prm --model "$W/base" --images "$W/img" < <(plain < "$W/paths.cos" | jq -c 'select(.id == "q/5" and .path.index == 0)' | pack)
    [[ "$output" == *"prompts: $rows tokens computed, 0 shared"* ]]
}

@test "prm: too long for the model's positions is counted, not scored, not lost" {
    jq -nc '{id: "a", question: "?", path: {steps: [{name: "x", thought: ("word " * 600), reflection: ""}], answer: "1"}, scores: {prm: 1}}' | pack > in.cos
    run --separate-stderr bash -c 'cos-score prm --model "$W/base" < in.cos > out.cos'
    [ "$status" = 0 ]
    [[ "$stderr" == *"1 paths without scores.prm (too long 1)"* ]]
    [ "$(plain out.cos | jq -c '.scores')" = "{}" ]
}

@test "prm: a model whose tokenizer lacks the tags" {
    cp -r "$W/base" m
    jq -c '(.added_tokens[] | select(.content == "к+и")).content = "k+n"' "$W/base/tokenizer.json" > m/tokenizer.json
    run cos-score prm --model m --images "$W/img" < "$W/paths.cos"
    [ "$status" = 1 ]
    [[ "$output" == "cos-score: m: the tokenizer lacks the token к+и of PRM style cos" ]]
    [ "${#lines[@]}" = 1 ]
}

same_bytes() {
    "$1" < "$W/paths.cos" > want.cos
    for b in 1 7 64; do
        for t in 1 2; do "$1" --batch $b --threads $t < "$W/paths.cos" | cmp - want.cos || return 1; done
    done
    "$1" --kv-tokens 512 < "$W/paths.cos" | cmp - want.cos || return 1
    shards "$1"
    cmp cat.cos want.cos
    cmp merge.cos want.cos
}

@test "prm, logprob: the same bytes for every batch, thread, cache and shard" { same_bytes prm; same_bytes lp; }
@test "mc: the same bytes for every batch, thread, cache and shard" { same_bytes mc; }
@test "mc: the same bytes when it spends less" { same_bytes adaptive; same_bytes first_error; }

@test "bf16: the same bytes for every batch" {
    cos-score prm --model "$W/base" --images "$W/img" --dtype bf16 -q --no-provenance < "$W/paths.cos" > want.cos
    cos-score prm --model "$W/base" --images "$W/img" --dtype bf16 -q --no-provenance --batch 3 < "$W/paths.cos" | cmp - want.cos
}

@test "logprob: what cos-generate noted, bit for bit, f32 and bf16" {
    plain < "$W/paths.cos" | jq -c '[.id, .path.logprobs]' > want
    plain < "$W/paths.cos" | jq -c 'del(.path.logprobs)' | pack | lp | plain | jq -c '[.id, .path.logprobs]' | cmp - want
    cos-generate --model "$W/sft" --images "$W/img" --dtype bf16 --max-tokens 60 -n 3 -q < "$W/ask.cos" | plain > b
    jq -c 'del(.path.logprobs)' b | pack | cos-score logprob -q --model "$W/sft" --images "$W/img" --dtype bf16 | plain | jq -c .path.logprobs > got
    jq -c .path.logprobs b | cmp - got
}

@test "logprob: under the model's digest; what is there stays" {
    lp < "$W/paths.cos" | cmp - "$W/paths.cos"
    tiny logprob --model "$W/base" -q < "$W/paths.cos" | plain > both
    jq -e '.path | (.logprobs | length == 2) and ([.logprobs[]."$f32" | length] | unique | length == 1)' both > ok
    [ "$(sort -u ok)" = true ]
    [ "$(jq -c 'del(.path.logprobs)' both)" = "$(plain < "$W/paths.cos" | jq -c 'del(.path.logprobs)')" ]
}

@test "logprob: pairs, and texts without tokens" {
    plain < "$W/paths.cos" | jq -c 'select(.id == "q/2")' | jq -sc '.[0] as $a | .[1] as $b | $a | del(.path) | .chosen = ($a.path | del(.logprobs)) | .rejected = $b.path' |
        pack | lp | plain > pair
    [ "$(jq -c .chosen.logprobs pair)" = "$(plain < "$W/paths.cos" | jq -c 'select(.id == "q/2" and .path.index == 0) | .path.logprobs')" ]
    lp < "$W/train.cos" | plain > text
    jq -e '.path | (.tokens."$u32" | length) == (.logprobs[]."$f32" | length) and .steps[0].span == [2, .steps[0].span[1]] and (.tokenizer | length == 32)' text > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" = 12 ]
}

@test "logprob: tokens of another tokenizer are refused, broken ones rejected" {
    plain < "$W/paths.cos" | head -3 | jq -c '.path.tokenizer = "0123"' | pack > in.cos
    run cos-score logprob --model "$W/sft" --images "$W/img" < in.cos
    [ "$status" = 1 ]
    [[ "$output" == "cos-score: record 1 (id q/0): the tokens are of tokenizer 0123, the model has "* ]]
    [ "${#lines[@]}" = 1 ]
    head -1 "$W/stop.jsonl" | jq -c 'del(.path.logprobs) | del(.path.tokenizer), (.path.tokens."$u32"[2] = 70000), (.path.tokens."$u32" = []),
        (.path.tokens = "x"), del(.path), del(.path.tokens, .path.answer), (.path.tokens."$u32" = [range(600) | 9])' | pack > in.cos
    run --separate-stderr bash -c 'cos-score logprob --model "$W/sft" --images "$W/img" < in.cos > out.cos'
    [ "$status" = 0 ]
    [[ "$stderr" == *"7 in, 0 out, 7 rejected (tokens without a tokenizer 1, a token beyond the vocabulary 1, no tokens 1, malformed path 1, no path 1, no tokens and no answer 1, too long 1)"* ]]
}

@test "mc: k of n behind every step, the answer's own label, and what it cost" {
    cos-cat --check -q < "$W/mc.cos" > /dev/null
    plain < "$W/mc.cos" > all
    [ "$(jq -c 'del(.path.answer_labels, .path.steps[].labels)' all)" = "$(plain < "$W/paths.cos" | jq -c .)" ]
    jq -e '.path | ([.steps[].labels | length == 1 and .[0].by == "mc" and .[0].n == 5 and .[0].k >= 0 and .[0].k <= 5] | all)
        and (if .answer then .answer_labels == [{by: "mc", value: (if .answer == "red" then 1 else 0 end)}] else (has("answer_labels") | not) end)' all > ok
    [ "$(sort -u ok)" = true ]
    [ "$(jq -c '.path.steps[].labels[0].k' all | sort -u | wc -l)" -gt 2 ]
    run --separate-stderr bash -c 'cos-score mc --model "$W/sft" --images "$W/img" --max-tokens 60 < "$W/paths.cos" > /dev/null'
    [[ "$stderr" =~ "cost: "[0-9]+" tokens computed, each rollout on its own: "[0-9]+" ("([0-9]+)"." ]]
    [ "${BASH_REMATCH[1]}" -lt 33 ]
}

@test "mc: a label depends on the path up to the step, whatever comes with it" {
    plain < "$W/mc.cos" | jq -c 'select(.id == "q/1" and .path.index == 1) | .path.steps[0].labels' > want
    plain < "$W/paths.cos" | jq -c 'select(.id == "q/1" and .path.index == 1) | .path.steps = .path.steps[0:1] | .path.index = 9' | pack | mc | plain |
        jq -c '.path.steps[0].labels' | cmp - want
    plain < "$W/paths.cos" | jq -c 'select(.id == "q/1") | .id = "other"' | pack | mc | plain | jq -c '[.path.steps[].labels]' > other
    plain < "$W/mc.cos" | jq -c 'select(.id == "q/1") | [.path.steps[].labels]' > first
    if cmp -s other first; then false; fi
}

@test "mc: from a greedy path greedy rollouts go where it went" {
    cos-generate --model "$W/sft" --images "$W/img" --dtype f32 --max-tokens 80 --temperature 0 -q < "$W/ask.cos" | mc --temperature 0 | plain |
        jq 'select(.path.answer_labels) | .path | ([.steps[].labels[0].k] | unique) == [5 * .answer_labels[0].value]' > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" -ge 6 ]
}

@test "mc: greedy rollouts all agree; --seed, --as, labels of other sources" {
    mc --temperature 0 < "$W/paths.cos" | plain | jq -e '[.path.steps[].labels[0].k | . == 0 or . == 5] | all' > ok
    [ "$(sort -u ok)" = true ]
    if mc --seed 4 < "$W/paths.cos" | cmp -s - "$W/mc.cos"; then false; fi
    mc --as mc2 --seed 4 < "$W/mc.cos" | plain > two
    jq -e '[.path.steps[].labels | map(.by) == ["mc", "mc2"]] | all' two > ok
    [ "$(sort -u ok)" = true ]
    mc < "$W/mc.cos" | cmp - "$W/mc.cos"
}

# steps A B: for each step its label in A, then in B
steps() { jq -cn --slurpfile a <(plain < "$1" | jq -c '.path.steps[].labels[0]') --slurpfile b <(plain < "$2" | jq -c '.path.steps[].labels[0]') 'range($a | length) | [$a[.], $b[.]]'; }

@test "mc: --adaptive stops at the first hit, and no step changes sides" {
    mc --adaptive < "$W/paths.cos" > few.cos
    steps "$W/mc.cos" few.cos > both
    jq -e '.[0].n == 5 and (if .[0].k > 0 then .[1].k == 1 else .[1] == {by: "mc", k: 0, n: 5} end)' both > ok
    [ "$(sort -u ok)" = true ]
    [ "$(jq 'select(.[1].n < 5)' both | wc -l)" -gt 0 ]
    [ "$(jq -s 'map(.[1].n) | add' both)" -lt "$(jq -s 'map(.[0].n) | add' both)" ]
    # the others could not change it any more: of 5, 3 right ones or 3 wrong ones
    mc --adaptive --threshold 0.5 --error 0 < "$W/paths.cos" > half.cos
    steps "$W/mc.cos" half.cos | jq -e '(.[0].k > 2.5) == (.[1].k > .[1].n / 2) and ([.[1].k, .[1].n - .[1].k] | max) == 3' > ok
    [ "$(sort -u ok)" = true ]
    # --error: more doubt, fewer rollouts
    for e in 0.01 0.4; do mc --rollouts 40 --adaptive --threshold 0.5 --error $e < "$W/paths.cos" | plain | jq -s '[.[].path.steps[].labels[0].n] | add'; done > n
    [ "$(tail -1 n)" -lt "$(head -1 n)" ]
    run --separate-stderr bash -c 'cos-score mc --model "$W/sft" --images "$W/img" --max-tokens 60 --adaptive < "$W/paths.cos" > /dev/null'
    [[ "$stderr" =~ [0-9]+" counts ended before the 16th rollout" ]]
}

@test "mc: --search first-error asks some steps and infers the others" {
    jq -nc '{id: "q/2", question: "Question 2: which colour?", answer: "red", images: [{ref: "0.png"}],
        path: {answer: "red", steps: [range(7) | {name: "Look", thought: "It looks red.", reflection: "The picture shows \(.)."}]}}' > long.jsonl
    jq -c '.path.answer = "blue" | .path.index = 1' long.jsonl >> long.jsonl
    jq -c 'select(.path.index == 1) | .answer = "no such" | .id = "other"' long.jsonl >> long.jsonl
    { plain < "$W/paths.cos"; cat long.jsonl; } | pack > in.cos
    mc < in.cos > all.cos
    mc --search first-error < in.cos > some.cos
    cos-cat --check -q < some.cos > /dev/null
    # what was asked is as it is without search; what was not is right before the first wrong one, and wrong behind it
    steps all.cos some.cos | jq -e '.[1].by == "mc:inferred" or .[0] == .[1]' > ok
    [ "$(sort -u ok)" = true ]
    plain < some.cos | jq -e '[.path.steps[].labels[0] | if .n then .k > 0 else .value == 1 end] | . == (sort | reverse)' > ok
    [ "$(sort -u ok)" = true ]
    # a right answer: the last step is asked first; nothing is ever right: three steps of seven
    plain < some.cos | tail -1 | jq -e '[.path.steps[].labels[0].by] == ["mc", "mc", "mc:inferred", "mc", "mc:inferred", "mc:inferred", "mc:inferred"]'
    run --separate-stderr bash -c 'cos-score mc --model "$W/sft" --images "$W/img" --max-tokens 60 --search first-error < in.cos > /dev/null'
    [[ "$stderr" =~ [0-9]+" steps not asked, but inferred (mc:inferred)" ]]
    # labels of either source are replaced
    mc < some.cos | cmp - all.cos
    mc --search first-error < all.cos | cmp - some.cos
}

@test "mc: --bench compares by a benchmark's rule" {
    mc --bench chartqa < "$W/paths.cos" | cmp - "$W/mc.cos"             # words, here: the same
    head -1 "$W/stop.jsonl" | jq -c '.answer = "100" | .path.answer = "104"' | pack > in.cos
    [ "$(mc < in.cos | plain | jq -c .path.answer_labels)" = '[{"by":"mc","value":0}]' ]
    [ "$(mc --bench chartqa < in.cos | plain | jq -c .path.answer_labels)" = '[{"by":"mc","value":1}]' ]       # within 5 %
    head -1 "$W/stop.jsonl" | jq -c '.answer = {}' | pack > in.cos
    run --separate-stderr bash -c 'cos-score mc --model "$W/sft" --images "$W/img" --bench chartqa < in.cos > /dev/null'
    [ "$status" = 0 ]
    [[ "$stderr" == *"rejected (not what the benchmark judges 1)"* ]]
    [[ "$stderr" == *"no right answer"* ]]
    for bad in "--bench nothing" "--protocol cos" "--bench chartqa --match number" "--bench mme --protocol llava"; do
        run mc $bad < in.cos
        [ "$status" = 2 ]
        [ "${#lines[@]}" = 1 ]
    done
}

@test "mc: paths without tokens are encoded" {
    mc < "$W/train.cos" | plain | jq -e '[.path.steps[].labels[0].n == 5] | all' > ok
    [ "$(sort -u ok)" = true ]
    [ "$(wc -l < ok)" = 12 ]
}

@test "mc: what cannot be labelled" {
    head -1 "$W/stop.jsonl" | jq -c '., del(.answer), del(.path), del(.id), (.path.steps[0].span = [0, 9999]), (.path.steps = 3)' > in.jsonl
    pack < in.jsonl > in.cos
    run --separate-stderr bash -c 'cos-score mc --model "$W/sft" --images "$W/img" --rollouts 2 --max-tokens 20 --rejects rej.cos < in.cos > out.cos'
    [ "$status" = 0 ]
    [[ "$stderr" == *"6 in, 1 out, 5 rejected (no right answer 1, no path 1, no id 1, malformed path 2)"* ]]
    [ "$(plain rej.cos | jq -r .meta.reject | sort -u | wc -l)" = 4 ]
    run cos-score mc --model "$W/sft" --images "$W/img" --match choice -q < in.cos
    [ "$status" = 0 ]
    jq -nc '{id: "a", question: "?", answer: "1", path: {steps: [{name: "x", thought: ("word " * 400), reflection: ""}], answer: "1"}}' | pack > long.cos
    run --separate-stderr bash -c 'cos-score mc --model "$W/sft" < long.cos > out.cos'
    [ "$status" = 0 ]
    [[ "$stderr" == *"1 steps without a label (too long)"* ]]
    [ "$(plain out.cos | jq -c '[.path.steps[0] | has("labels")], .path.answer_labels' | tr '\n' ' ')" = '[false] [{"by":"mc","value":1}] ' ]
}

@test "records that cannot be asked are rejected by reason" {
    { head -1 "$W/stop.jsonl"
      head -1 "$W/stop.jsonl" | jq -c '.images = [{ref: "none.png"}], del(.question), del(.path)'
    } > in.jsonl
    pack < in.jsonl > in.cos
    run cos-score prm --model "$W/base" --images "$W/img" --rejects rej.cos < in.cos
    [[ "$output" == *"4 in, 1 out, 3 rejected (unreadable image 1, no question 1, no path 1)"* ]]
    [[ "$output" == *"(id q/"*"image 1: "*none.png* ]]
}

cut_input() {
    local c=$1 n
    head -2 "$W/stop.jsonl" | pack > two.cos
    n=$(stat -c %s two.cos)
    for k in $(seq 0 "$((n / 12))" "$((n - 1))") $((n - 1)); do
        head -c "$k" two.cos > cut.cos
        got=0
        "$c" < cut.cos > /dev/null 2> err || got=$?
        [ "$got" = 1 ] && [ "$(wc -l < err)" = 1 ] || { echo "cut at $k of $n: $got"; cat err; return 1; }
    done
}

@test "input cut anywhere, empty, foreign" {
    every cut_input
    cos-cat -q --no-provenance --skip 1000 < "$W/paths.cos" > empty.cos
    for c in prm mc lp; do
        "$c" < empty.cos | cmp - empty.cos
        run "$c" < "$W/img/0.png"
        [ "$status" = 1 ]
    done
}

full_disk() {
    run bash -c "$(declare -f tiny "$1"); $1 < $W/paths.cos > /dev/full"
    [ "$status" = 1 ]
    [[ "$output" == *"No space left"* ]]
}
closed_pipe() {
    run bash -c "$(declare -f tiny "$1"); set -o pipefail; for i in 1 2 3 4 5 6 7 8; do cat $W/paths.cos; done | $1 | head -c 1 > /dev/null"
    [ "$status" = 1 ]
    [[ "$output" == *"Broken pipe"* ]]
}

@test "full disk and closed pipe" { every full_disk; every closed_pipe; }

@test "provenance names the model" {
    cos-score prm --model "$W/base" --images "$W/img" -q < "$W/paths.cos" | cos-cat -q --json > all
    head -1 all | jq -e '.provenance[-2] | .program == "cos-score" and (.model | test("^[0-9a-f]{32}$"))'
}

@test "usage" {
    for c in prm mc logprob; do
        run cos-score $c < "$W/paths.cos"
        [ "$status" = 2 ]
        [[ "$output" == *--model* ]]
        run cos-score $c --model nowhere < "$W/paths.cos"
        [ "$status" = 1 ]
        [[ "$output" == *nowhere* ]]
        run cos-score $c -h
        [ "$status" = 0 ]
        [[ "$output" == *--kv-tokens* ]]
    done
    run cos-score mc --model "$W/sft" --rollouts 0 < "$W/paths.cos"
    [ "$status" = 2 ]
    run cos-score prm --model "$W/base" --as "" < "$W/paths.cos"
    [ "$status" = 2 ]
}
