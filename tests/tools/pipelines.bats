#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The pipelines end to end, in the smallest form: the whole method on questions that a tiny model learns in seconds.

bats_require_minimum_version 1.5.0

setup_file() {
    : "${COS_BIN:=$BATS_TEST_DIRNAME/../../build/cpu}"
    export BIN="$COS_BIN" PATH="$COS_BIN:$PATH"
    cd "$BATS_TEST_DIRNAME/../.."
    [ -x "$BIN/examples/shapes/shapes" ] || make -s FLAVOUR="$(basename "$BIN")" examples
}

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    if [[ $COS_BIN == *san ]]; then skip "slow with sanitizers; each program has tests of its own"; fi
}

# whole OUT [VARIABLE=VALUE]...
whole() {
    pipelines/cos.sh "$1" QUICK=1 CONFIG=examples/configs/tiny.json WORLD="--difficulty 1 --source chart/read" CAPTIONS=24 KEEP=12 TRAIN=240 LABEL=6 ASK=16 HELD=6 TEST=16 \
        PRE_OPTS="--batch 12 --lr 1e-3" SFT_OPTS="--epochs 8 --batch 12 --lr 1e-2" N=4 ASK_N=4 ROLLOUTS="--rollouts 2" PATHS=2 NS="1 2" MAX_TOKENS=96 GAP=0 ROUNDS=2 SEARCHED="sft dpo2" WEIGHTS="0 0.5 1" \
        PRM_OPTS="--steps 2 --batch 8 --lr 1e-3" DPO_OPTS="--steps 1 --batch 8 --lr 1e-4" DTYPE=f32 ARGS="-q --threads 1" "${@:2}"
}

@test "the whole method, killed again and again, ends with the numbers and models of a run that was not" {
    whole "$BATS_FILE_TMPDIR/straight" >"$BATS_TEST_TMPDIR/log" 2>&1 || { tail -n 20 "$BATS_TEST_TMPDIR/log"; return 1; }
    kills=0
    for file in sft.log.tsv prm.log.tsv dpo1.paths.cos sft.scaling.pool.cos; do
        setsid bash -c "$(declare -f whole); whole '$BATS_FILE_TMPDIR/killed' -j2" >"$BATS_TEST_TMPDIR/out" 2>&1 & pid=$!
        while kill -0 $pid 2>/dev/null && [ ! -e "$BATS_FILE_TMPDIR/killed/seed1/$file" ]; do sleep 0.01; done
        if kill -9 -- -$pid 2>/dev/null; then kills=$((kills + 1)); fi
        wait $pid || true
    done
    [ "$kills" -ge 3 ]
    whole "$BATS_FILE_TMPDIR/killed" SEED="1 2" >"$BATS_TEST_TMPDIR/out" 2>&1
    cmp "$BATS_FILE_TMPDIR/straight/seed1/results.json" "$BATS_FILE_TMPDIR/killed/seed1/results.json"
    for model in direct sft prm dpo1 dpo2 answer1 outcome1; do
        cmp "$BATS_FILE_TMPDIR"/{straight,killed}/seed1/$model/model.safetensors
    done
}

@test "scaling.sh by itself: what cos.mk makes of its parts, side by side" {
    w=$BATS_FILE_TMPDIR/killed/seed1
    export IMAGES=$w DTYPE=f32 MAX_TOKENS=96 NS="1 2" SEARCH_OPTS="--temperature 0.7" ARGS="-q --threads 1 --seed 1"
    cd "$BATS_TEST_TMPDIR"
    "$BATS_TEST_DIRNAME/../../pipelines/scaling.sh" "$w/test.cos" "$w/sft" "$w/prm" all
    for p in pool beam1 beam2; do cmp <(cos-cat -q --json --plain all.$p.cos) <(cos-cat -q --json --plain "$w/sft.scaling.$p.cos"); done
    cmp all.tsv "$w/sft.scaling.tsv"
    PART=beam2 "$BATS_TEST_DIRNAME/../../pipelines/scaling.sh" "$w/test.cos" "$w/sft" "$w/prm" one
    [ "$(echo one.*)" = one.beam2.cos ]
    PART=beam3 run -2 "$BATS_TEST_DIRNAME/../../pipelines/scaling.sh" "$w/test.cos" "$w/sft" "$w/prm" none
    [[ $output == *"PART is pool, greedy or beamN"* ]]
}

@test "several seeds: each has its results, and what is missing of one is made again" {
    cd "$BATS_FILE_TMPDIR/killed"
    run ! cmp -s seed1/sft/model.safetensors seed2/sft/model.safetensors
    [ "$(cut -f 1 accuracy.tsv | sort -u | paste -sd ' ')" = "1 2 seed" ]
    rm seed2/sft.accuracy.json
    cd "$BATS_TEST_DIRNAME/../.."
    whole "$BATS_FILE_TMPDIR/killed" SEED="1 2" >"$BATS_TEST_TMPDIR/out" 2>&1
    [ -s "$BATS_FILE_TMPDIR/killed/seed2/sft.accuracy.json" ]
}

@test "a run that is complete does nothing more, and leaves no part behind" {
    run -0 whole "$BATS_FILE_TMPDIR/straight"
    [[ $output == *"Nothing to be done"* || $output == *"is up to date"* ]]
    [ -z "$(find "$BATS_FILE_TMPDIR/straight" -name '*.part' -o -name '*.state')" ]
}

@test "another value of a variable: what depends on it is made anew, and nothing else" {
    run -0 whole "$BATS_FILE_TMPDIR/straight" GAP=0.0001
    [[ $output == *"dpo-round.sh"* && $output != *"sft.sh"* && $output != *"prm.sh"* && $output != *"label.sh"* ]]
    jq -e '.sizes.GAP == "0.0001"' "$BATS_FILE_TMPDIR/straight/seed1/results.json"
}

@test "the page has every table and curve, and no outside reference" {
    page=$BATS_FILE_TMPDIR/straight/report.html
    for h in "Against the paper" Models "Reward model" "against tokens" "Weight of the steps" "What is rewarded" Pairs Sizes Paths; do grep -q "<h2>.*$h" "$page"; done
    [ "$(grep -o 'data:image/svg+xml;base64' "$page" | wc -l)" = 9 ]
    run ! grep -qE '(src|href)="?(https?:|//|[a-z]*/)' "$page"
    for name in accuracy steps tokens weights reliability scaling-{sft,dpo2}-seed1{,-tokens}; do
        [ "$(head -c 5 "$BATS_FILE_TMPDIR/straight/plots/$name.svg")" = "<?xml" ]
        [ "$(head -c 4 "$BATS_FILE_TMPDIR/straight/plots/$name.png" | tail -c 3)" = PNG ]
    done
    # the numbers of the run, not others
    jq -e '[.tables["sft.scaling", "dpo2.scaling"].rows | map(select(.method == "beam")) | length] == [2, 2]' "$BATS_FILE_TMPDIR/straight/seed1/results.json"
    jq -e '.tables["sft.accuracy"].total.n == 16' "$BATS_FILE_TMPDIR/straight/seed1/results.json"
}

@test "bench.sh: a benchmark's file, a model, a table" {
    model=$BATS_FILE_TMPDIR/straight/seed1/sft
    [ -e "$model/config.json" ] || skip "the model of the first test is not there"
    cd "$BATS_TEST_TMPDIR"
    here=$BATS_TEST_DIRNAME/../../pipelines
    jq -nc 'range(3) | {index: ., question: "Which?", A: "red", B: "blue", answer: "A", category: "math", l2_category: "geometry"}' >mmstar.jsonl
    MAX_TOKENS=24 DTYPE=f32 ARGS="-q --threads 1" "$here/bench.sh" mmstar "$model" o mmstar.jsonl >t
    diff t o.tsv
    [ "$(tail -n 1 t | cut -f 1,7)" = "mmstar official	3" ]
    cos-cat --plain -q o.questions.cos | jq -s -e 'all(.question == "Which?\nA. red\nB. blue\nThink step-by-step first and then answer with the option'"'"'s letter from the given choices directly.")'
    before=$(stat -c %Y o.answers.cos)
    PROTOCOL=cos MAX_TOKENS=24 DTYPE=f32 ARGS="-q --threads 1" "$here/bench.sh" mmstar "$model" o mmstar.jsonl -- --unparsed drop >t
    [ "$(stat -c %Y o.answers.cos) $(tail -n 1 t | cut -f 1,3)" = "$before mmstar cos	drop" ]
}

@test "wrong arguments: usage and status 2; a failed program's status is kept" {
    for p in sft label prm dpo-round scaling bench cos report; do
        run -2 "pipelines/$p.sh"
        [[ $output == "usage: $p.sh "* ]]
    done
    REWARD=luck run -2 pipelines/dpo-round.sh q p r m o
    cd "$BATS_TEST_TMPDIR"
    here=$BATS_TEST_DIRNAME/../../pipelines
    run -1 "$here/label.sh" no-model </dev/null
    SPEND=little run -2 "$here/label.sh" no-model </dev/null
    run -1 "$here/sft.sh" no-model out </dev/null
    run -2 "$here/prm.sh" no-model out --no-such-option </dev/null
    echo bad >questions.cos
    run ! "$here/dpo-round.sh" questions.cos no no no out
    [ ! -e out.paths.cos ]
    run ! "$here/scaling.sh" questions.cos no no out
    [ ! -e out.pool.cos ]
}
