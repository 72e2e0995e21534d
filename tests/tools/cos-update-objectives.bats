#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-update prm and dpo as a user types them: a tiny model, labelled paths, pairs of paths it sampled itself.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    mkdir "$W/img"
    base64 -d > "$W/img/red.png" <<< iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42u3NMQEAAAQAMATRP5QwSvBtBZbTHZ8qngkEAoFAIBAIBIIrC9KAAVhVsgYjAAAAAElFTkSuQmCC
    base64 -d > "$W/img/green.png" <<< iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAALElEQVR42u3NMQEAMAgAIF0Qb/unMNZK6AcFyJqOSy+OCQQCgUAgEAgEgi0fWIwBTi8ZXYsAAAAASUVORK5CYII=
    # half of the paths say a wrong colour, and are labelled so
    jq -nc 'range(24) as $i | ["red", "green"][$i % 2] as $c | (if $i % 4 < 2 then $c else "blue" end) as $said
      | (if $i % 3 == 0 then 8 else 16 end) as $n
        | {id: "t/\($i)", question: "Question \($i): which colour is it?", answer: $c, images: [{ref: "\($c).png"}],
           path: {steps: [{name: "Look", thought: "It is \($said).", reflection: "Seen.",
                           labels: [{by: "mc", k: (if $said == $c then $n - 1 else 2 end), n: $n}, {by: "judge", value: (if $said == $c then 1 else 0 end)}]}],
                  answer: $said, correct: ($said == $c)}}' > "$W/labelled.jsonl"
    cos-cat -f < "$W/labelled.jsonl" > "$W/labelled.cos"
    jq -c 'select(.path.correct)' "$W/labelled.jsonl" | cos-cat -f > "$W/right.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --seed 1 --out "$W/base" < "$W/labelled.cos"
    cos-update sft -q --model "$W/base" --images "$W/img" --batch 4 --lr 1e-2 --epochs 12 --dtype f32 --out "$W/sft" < "$W/right.cos"
    # of two sampled paths of a question, the longer one is chosen
    cos-cat -p < "$W/labelled.cos" | jq -c 'del(.path)' | cos-cat -f > "$W/ask.cos"
    cos-generate -q --model "$W/sft" --images "$W/img" -n 2 --max-tokens 40 --dtype f32 < "$W/ask.cos" > "$W/paths.cos"
    cos-cat -p < "$W/paths.cos" | jq -cs '[range(0; length; 2) as $i | [.[$i], .[$i + 1]] | sort_by(.path.tokens["$u32"])
        | (.[1] | del(.path)) + {chosen: .[1].path, rejected: .[0].path} | select(.chosen.tokens != .rejected.tokens)][]' > "$W/pairs.jsonl"
    cos-cat -f < "$W/pairs.jsonl" > "$W/pairs.cos"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

prm() { cos-update prm --model "$W/base" --images "$W/img" --batch 4 --lr 1e-2 --micro-tokens 300 --threads 1 --dtype f32 "$@"; }
dpo() { cos-update dpo --model "$W/sft" --images "$W/img" --batch 4 --lr 1e-3 --micro-tokens 300 --threads 1 --dtype f32 "$@"; }
column() { awk -F'\t' -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } NR > 1 { print $c }' "$1"; }
first() { column "$1" "$2" | head -n 1; }
last() { column "$1" "$2" | tail -n 1; }
holds() { awk "BEGIN { exit !($*) }"; }
same() { cmp "$1/model.safetensors" "$2/model.safetensors"; }

# killed_runs FILE COMMAND...: begins the command anew with --resume, and kills it at a random moment, some times
killed_runs() {
    local file=$1 hits=0
    shift
    for i in 1 2 3 4 5 6; do
        ( exec "$@" -q --save-every 1 --resume --log "k$i.tsv" < "$file" ) & pid=$!
        while kill -0 $pid && [ ! -s "k$i.tsv" ]; do sleep 0.01; done
        sleep "0.0$((RANDOM % 90 + 10))"
        kill -9 $pid 2> /dev/null || true
        wait $pid && break
        hits=$((hits + 1))
    done 2> /dev/null
    [ "$hits" -gt 0 ]
}

@test "prm learns to tell right from wrong; the vision tower stays" {
    prm --epochs 16 --log log.tsv --out a < "$W/labelled.cos" > stdout 2> stderr
    [ ! -s stdout ]
    grep -q '24 in, 24 used' stderr
    grep -q 'labels by mc: 24 of 24 steps, 24 of 24 answers' stderr
    holds "$(last log.tsv loss) < $(first log.tsv loss) / 3"
    holds "$(last log.tsv p_good) > $(last log.tsv p_bad) + 0.5"
    jq -e '.settings.objective == "prm" and .settings.freeze == "vision" and .settings.labels == "mc"' a/training.json
    prm -q --epochs 16 --dtype bf16 --log bf16.tsv --out c < "$W/labelled.cos"
    holds "$(last bf16.tsv loss) < $(first bf16.tsv loss) / 3"
    # what is frozen by default moves with --freeze none
    prm -q --epochs 1 --freeze none --out b < "$W/labelled.cos"
    jq -e '.settings.freeze == "nothing"' b/training.json
}

@test "prm: targets, sources and answers are choices that matter" {
    for how in "--target hard" "--target soft" "--target count" "--threshold 0.01" "--labels judge,mc --merge mean --target soft" "--answer none" \
               "--answer correct --labels judge"; do
        prm -q --epochs 1 --out "a$how" $how < "$W/labelled.cos"
        cat "a$how/model.safetensors" | cksum
    done > sums
    # judge and mc agree when made hard
    [ "$(sort -u sums | wc -l)" = 6 ]
    same "a--target hard" "a--answer correct --labels judge"
}

@test "prm: what cannot be used is rejected and counted by reason" {
    { head -n 4 "$W/labelled.jsonl"
      sed -n 5p "$W/labelled.jsonl" | jq -c 'del(.path)'
      sed -n 6p "$W/labelled.jsonl" | jq -c '.path.steps[0].labels[0].k = 17'
      sed -n 7p "$W/labelled.jsonl" | jq -c 'del(.path.steps[0].labels, .path.correct)'
      sed -n 8p "$W/labelled.jsonl" | jq -c '.path.steps[0].labels = [{by: "mc", value: null}] | .path.correct = null'
      sed -n 9p "$W/labelled.jsonl" | jq -c '.images[0].ref = "nosuch.png"'
      sed -n 10p "$W/labelled.jsonl" | jq -c 'del(.path.steps[0].labels)'
    } | cos-cat -f > mixed.cos
    prm --out a --rejects rejects.cos < mixed.cos 2> stderr
    grep -q '10 in, 5 used, 5 rejected (no path 1, malformed label 1, no label of these sources 2, unreadable image 1)' stderr
    [ "$(cos-cat -p < rejects.cos | jq -r .meta.reject | wc -l)" = 5 ]
    run prm --labels nobody --answer labels --out b < "$W/labelled.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"no label of these sources 24"* ]]
    [[ "$output" == *"no examples"* ]]
    # answers alone are learned: to be known even with -q
    prm -q --labels nobody --steps 1 --out b < "$W/labelled.cos" 2> stderr
    grep -q 'labels by nobody: 0 of 24 steps, 24 of 24 answers' stderr
    rm -r b
    run prm --labels "" --out b < "$W/labelled.cos"
    [ "$status" = 2 ]
    [ ! -e b ]
}

@test "prm: the same bytes with two threads, and after kill -9 at random moments" {
    prm -q --epochs 10 --target soft --out a < "$W/labelled.cos"
    prm -q --epochs 10 --target soft --threads 2 --out b < "$W/labelled.cos"
    same a b
    killed_runs "$W/labelled.cos" cos-update prm --model "$W/base" --images "$W/img" --batch 4 --lr 1e-2 --micro-tokens 300 --threads 1 --dtype f32 \
        --epochs 10 --target soft --out c
    prm -q --epochs 10 --target soft --resume --out c < "$W/labelled.cos"
    same a c
    run prm --epochs 10 --target hard --resume --out c < "$W/labelled.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"target was soft, and is now hard"* ]]
}

@test "dpo begins at the reference, and moves away from it" {
    n=$(wc -l < "$W/pairs.jsonl")
    [ "$n" -ge 16 ]
    dpo --nll 0 --epochs 8 --warmup 0 --log log.tsv --out a < "$W/pairs.cos" > stdout 2> stderr
    [ ! -s stdout ]
    grep -q "$n in, $n used" stderr
    # sampling's log-probabilities are those of training: the margin of the first step is 0, its loss log 2
    holds "$(first log.tsv loss) - log(2) < 1e-4 && log(2) - $(first log.tsv loss) < 1e-4"
    holds "$(first log.tsv margin) < 1e-3 && $(first log.tsv margin) > -1e-3"
    holds "$(last log.tsv loss) < $(first log.tsv loss) * 0.8"
    holds "$(last log.tsv margin) > 0.2 && $(last log.tsv accuracy) > 0.7"
    jq -e '.settings.objective == "dpo" and .settings.beta == "0.1"' a/training.json
}

@test "dpo on pairs that came as MMPR rows, without tokens and log-probabilities" {
    # complete paths: what the form holds of a path are its steps and its answer
    jq -c 'select(.path.correct)' "$W/labelled.jsonl" | jq -c '.path as $p | del(.path) + {chosen: ($p | del(.correct)),
        rejected: ($p | del(.correct) | .steps[0].thought = "It is blue." | .answer = "blue")}' | cos-cat -f > pairs.cos
    n=$(cos-cat -p < pairs.cos | wc -l)
    cos-cat -q --to dpo pairs.cos > rows.jsonl
    cos-segment -q --from dpo < rows.jsonl > came.cos
    run --separate-stderr cos-update dpo --model "$W/sft" --images "$W/img" --dtype f32 --out a < came.cos
    [ "$status" = 1 ]
    [[ "$stderr" == *"cos-score logprob"* ]]
    cos-score logprob -q --model "$W/sft" --images "$W/img" --dtype f32 < came.cos > known.cos
    dpo --nll 0 --epochs 4 --warmup 0 --log log.tsv --out a < known.cos 2> stderr
    grep -q "$n in, $n used" stderr
    # at the reference the loss is log 2, and then less
    holds "$(first log.tsv loss) > 0.6931 - 0.001 && $(first log.tsv loss) < 0.6932 + 0.001"
    holds "$(last log.tsv loss) < 0.6"
}

@test "dpo: a stale reference is refused, the right one named" {
    dpo -q --out a < "$W/pairs.cos"
    # the pairs' log-probabilities are sft's
    run cos-update dpo --model a --images "$W/img" --dtype f32 --out b < "$W/pairs.cos"
    [ "$status" = 1 ]
    [[ "$output" == *"log-probabilities of another model $(wc -l < "$W/pairs.jsonl")"* ]]
    [[ "$output" == *"no examples"* ]]
    [ ! -e b ]
    cos-update dpo -q --model a --images "$W/img" --dtype f32 --ref "$W/sft" --out b < "$W/pairs.cos"
    digest=$(jq -r '.settings.ref' b/training.json)
    [ "$digest" = "$(jq -r '.chosen.logprobs | keys[0]' "$W/pairs.jsonl" | head -n 1)" ]
    cos-update dpo -q --model a --images "$W/img" --dtype f32 --ref "$digest" --out c < "$W/pairs.cos"
    same b c
    run dpo --ref nosuch --out d < "$W/pairs.cos"
    [ "$status" = 2 ]
    [[ "$output" == *"nosuch is neither a folder nor a digest"* ]]
    run dpo --ref "$W/img" --out d < "$W/pairs.cos"
    [ "$status" = 1 ]
}

@test "dpo: what cannot be used is rejected and counted by reason" {
    { head -n 4 "$W/pairs.jsonl"
      sed -n 1p "$W/labelled.jsonl"
      sed -n 5p "$W/pairs.jsonl" | jq -c 'del(.rejected.tokens)'
      sed -n 6p "$W/pairs.jsonl" | jq -c '.chosen.logprobs = {}'
      sed -n 7p "$W/pairs.jsonl" | jq -c '.chosen.logprobs |= map_values(.["$f32"] |= .[1:])'
      sed -n 8p "$W/pairs.jsonl" | jq -c '.chosen.tokenizer = "x"'
      sed -n 9p "$W/pairs.jsonl" | jq -c '.rejected = .chosen'
      sed -n 10p "$W/pairs.jsonl" | jq -c 'del(.question)'
    } | cos-cat -f > mixed.cos
    dpo --out a < mixed.cos 2> stderr
    grep -q '11 in, 4 used, 7 rejected (not a pair 1, no tokens (cos-score logprob adds them) 1, no log-probabilities (cos-score logprob adds them) 1, malformed log-probabilities 1, tokens of another tokenizer 1, chosen and rejected are the same 1, no question 1)' stderr
    run dpo --sigmoid 0 --nll 0 --out b < "$W/pairs.cos"
    [ "$status" = 2 ]
    [ ! -e b ]
}

@test "dpo: the mix of terms is a choice that matters" {
    for how in "" "--nll 0" "--beta 0.5" "--sigmoid 0 --ipo 1" "--sigmoid 0.8 --bco 0.2"; do
        dpo -q --out "a$how" $how < "$W/pairs.cos"
        cat "a$how/model.safetensors" | cksum
    done > sums
    [ "$(sort -u sums | wc -l)" = 5 ]
}

@test "dpo: the same bytes with two threads, and after kill -9 at random moments" {
    dpo -q --epochs 6 --bco 0.5 --out a < "$W/pairs.cos"
    dpo -q --epochs 6 --bco 0.5 --threads 2 --out b < "$W/pairs.cos"
    same a b
    killed_runs "$W/pairs.cos" cos-update dpo --model "$W/sft" --images "$W/img" --batch 4 --lr 1e-3 --micro-tokens 300 --threads 1 --dtype f32 \
        --epochs 6 --bco 0.5 --out c
    dpo -q --epochs 6 --bco 0.5 --resume --out c < "$W/pairs.cos"
    same a c
    [ ! -e c.state ]
}

@test "prm, dpo: broken input and a full disk" {
    for what in prm:labelled dpo:pairs; do
        file="$W/${what#*:}.cos" cmd=${what%:*}
        size=$(stat -c %s "$file")
        for n in 0 1 10 $((size / 2)) $((size - 1)); do
            run "$cmd" --out a < <(head -c "$n" "$file")
            [ "$status" = 1 ]
            [ ! -e a ]
        done
        run "$cmd" --log /dev/full --out a < "$file"
        [ "$status" = 1 ]
        [[ "$output" == *"/dev/full: No space left"* ]]
        [ ! -e a ]
        run bash -c "trap '' XFSZ; ulimit -f 64; cos-update $cmd -q --model '$W/sft' --images '$W/img' --dtype f32 --out a < '$file'"
        [ "$status" = 1 ]
        [[ "$output" == *"File too large"* ]]
        [ ! -e a ]
        run "$cmd" < "$file"
        [ "$status" = 2 ]
    done
}
