# SPDX-License-Identifier: Apache-2.0
# cos-eval scaling, prm, length, pairs, compare: small cases by hand, and agreement between the programs.

bats_require_minimum_version 1.5.0
load helper

stream() { cos-cat -q --from-json --no-provenance; }

# row FILE KEYS...: the cells from `value` on of the row that begins with KEYS, without the method of the interval
row() { local f=$1 k; shift; k=$(printf '%s\t' "$@"); grep -F "$k" "$f" | awk -F'\t' -v OFS=' ' -v n=$# '{ print $(n + 1), $(n + 2), $(n + 3), $(n + 4) }'; }

# pool N M: N questions of M paths each; scores and answers by a fixed rule
pool() {
    jq -nc --argjson q "$1" --argjson m "$2" 'range($q) as $i | range($m) as $j | (($i * 7919 + $j * 104729 + $i * $j * 31) % 1000) as $x |
      {id: "q/\($i)", answer: "r", path: {index: $j, end: "stop", answer: (if $x % 11 == 0 then null elif $x % 5 < 2 then "r" else "w\($x % 3)" end),
       steps: [range(1 + $x % 4) | {name: "s", thought: "t\($x)", score: (($x * 13 % 97) / 97)}], answer_score: (($x * 7 % 89) / 89 + (if $x % 5 < 2 then 0.3 else 0 end)),
       tokens: {"$u32": [range(10 + $x % 7)]}}}' | stream | cos-score answer -q --no-provenance
}

@test "scaling: by hand" {
    # q: ranked wrong, right, wrong, wrong; p: all right
    printf '%s\n' '0 w 0.9' '1 r 0.8' '2 w 0.1' '3 v 0.05' | jq -Rc 'split(" ") | {id: "q", path: {index: (.[0] | tonumber), answer: .[1], correct: (.[1] == "r"),
      tokens: {"$u32": [1, 2]}}, scores: {s: (.[2] | tonumber)}}' >j
    jq -nc 'range(4) | {id: "p", path: {index: ., answer: "r", correct: true, tokens: {"$u32": [1, 2, 3, 4]}}, scores: {s: .}}' >>j
    stream <j >a
    cos-eval scaling --by s a >out 2>err
    grep -qx 'cos-eval: 8 in, 8 used' err
    [ "$(head -1 out)" = "$(printf 'method\tN\tn\tvalue\tlow\thigh\tinterval\ttokens\ttokens_low\ttokens_high')" ]
    v() { row out "$1" "$2" | cut -d' ' -f2; }
    [ "$(v pass 1)" = 0.6250 ]      # (1/4 + 1) / 2
    [ "$(v pass 2)" = 0.7500 ]      # (1 - C(3,2) / C(4,2) + 1) / 2
    [ "$(v pass 4)" = 1.0000 ]
    [ "$(v best 1)" = 0.6250 ]
    [ "$(v best 2)" = 0.6667 ]      # of 6 subsets of q two have r as their best
    [ "$(v best 4)" = 0.5000 ]
    [ "$(v vote 1)" = 0.6250 ]
    [ "$(v vote 4)" = 0.5000 ]
    [ "$(v weighted 4)" = 0.5000 ]
    [ "$(awk -F'\t' '$1 == "best" { printf "%s ", $8 }' out)" = "3.0 6.0 12.0 " ]
    # subsets of two: of q's the better one decides; over many draws the mean is near 2/6
    cos-eval scaling --by s -q --draws 10000 a | awk -F'\t' '$1 == "vote" && $2 == 2 { exit !($4 > 0.66 && $4 < 0.673) }'
}

@test "scaling: all paths give what cos-select and cos-eval accuracy give" {
    pool 40 8 >a
    cos-eval scaling -q a >out
    for m in best vote weighted; do
        want=$(cos-select $m -q a | cos-eval accuracy -q | awk -F'\t' '$1 == "total" { print $6 }')
        [ "$(row out $m 8 | cut -d' ' -f2)" = "$want" ]
    done
    all=$(cos-eval accuracy -q --all a | awk -F'\t' '$1 == "total" { print $6 }')
    for m in pass best vote weighted; do [ "$(row out $m 1 | cut -d' ' -f2)" = "$all" ]; done
    cos-eval scaling -q a | cmp - out
    run bash -c "cos-eval scaling -q --seed 1 a | cmp -s - out"
    [ "$status" != 0 ]
    cos-eval scaling -q --match exact a | cmp - out
    # other scores leave the subsets of the votes as they are, but for ties; pass never changes
    cos-eval scaling -q --step-weight 1 a | grep ^pass | cmp - <(grep ^pass out)
}

@test "scaling: points of other files, the same questions" {
    pool 6 4 >a
    cos-select best -q a | cos-cat -q --plain | jq -c '.meta.search = {n: 4, tokens: 100}' | stream >b
    cos-select top -q -n 1 --by path.index a >g
    cos-eval scaling --beam b --greedy g a >out 2>err
    grep -qx 'cos-eval: 36 in, 36 used' err
    [ "$(awk -F'\t' '$1 == "beam" { print $2, $3, $4, $7, $8 }' out)" = "4 6 $(row out best 4 | cut -d' ' -f2) Wilson 100.0" ]
    [ "$(awk -F'\t' '$1 == "greedy" { print $2, $3 }' out)" = "1 6" ]
    cos-eval scaling -q --json --beam b a | jq -e '.table == "scaling" and ([.rows[] | select(.method == "beam")] | length == 1) and .rows[0].N == 1 and (.rows[0].value | type == "number")'
    cos-cat -q --head 5 b >few
    fails_with 1 "few: answers 5 of the pool's 6 questions" cos-eval scaling -q --beam few a
    pool 7 1 >more
    fails_with 1 "more: record 7 (id q/6): this question is not in the pool" cos-eval scaling -q --beam more a
    fails_with 1 "a: record 2 (id q/0): a second path of this question" cos-eval scaling -q --greedy a a
}

@test "scaling: pools without scores, of unequal size, out of order" {
    pool 5 4 >a
    cos-cat -q --plain a | jq -c 'del(.path.answer_score) | select(.id != "q/3" or .path.index < 2)' | stream >b
    cos-eval scaling b >out 2>err
    grep -q 'no path has a score: no best, no weighted vote' err
    [ "$(cut -f1,2 out | tr '\t\n' '  ')" = "method N pass 1 pass 2 vote 1 vote 2 " ]
    fails_with 1 "record 21 (id q/0): this id came before" sh -c 'cat a a | cos-eval scaling -q'
    cos-cat -q --plain a | jq -c "del(.path.correct)" | cos-cat --from-json -q >unjudged
    fails_with 1 "no path.correct" cos-eval scaling -q unjudged
}

labelled() {
    # 6 steps in 2 questions: scores and truths by hand; one neutral, one without a score
    jq -nc '[["a", [[0.9, 1], [0.6, 0], [0.4, 1]], 0.8, 1], ["a", [[0.2, 0], [0.7, 0.5]], 0.3, 0], ["b", [[0.1, 0], [null, 1], [1, 1]], 0.6, 0]] | to_entries[] |
      .key as $k | .value | {id: .[0], path: {index: $k, steps: [.[1][] | {thought: "abc", score: .[0], labels: [{by: "truth", value: .[1]}, {by: "mc", k: (if .[1] == 1 then 3 else 1 end), n: 16}]}],
      answer: "x", answer_score: .[2], answer_labels: [{by: "truth", value: .[3]}]}}' | stream
}

@test "prm: by hand" {
    labelled >a
    cos-eval prm a >out 2>err
    grep -qx 'cos-eval: steps left out: 1 without a score or a label, 1 neutral' err
    v() { row out "$1" "$2" | cut -d' ' -f1,2; }
    # right: .9 .4 1, wrong: .6 .2 .1; at 0.5 two mistakes; of 9 pairs only (.4, .6) is wrong
    [ "$(v step share_right)" = "6 0.5000" ]
    [ "$(v step accuracy)" = "6 0.6667" ]
    [ "$(v step f1_right)" = "6 0.6667" ]
    [ "$(v step f1_wrong)" = "6 0.6667" ]
    [ "$(v step f1_macro)" = "6 0.6667" ]
    [ "$(v step kappa)" = "6 0.3333" ]
    [ "$(v step auroc)" = "6 0.8889" ]
    [ "$(v step brier)" = "6 0.1300" ]      # (.01 + .36 + .36 + .04 + .01 + 0) / 6
    [ "$(v step ece)" = "6 0.2667" ]        # bins: 9: (.9, 1) and (1, 1): |1.9 - 2|; .6; .6; .2; .1: 1.6 / 6
    [ "$(v answer accuracy)" = "3 0.6667" ]
    [ "$(v answer auroc)" = "3 1.0000" ]
    [ "$(v step corr_steps | cut -d' ' -f1)" = 2 ]    # the third path has a step without a score
    [ "$(v answer corr_chars | cut -d' ' -f1)" = 3 ]
    run ! grep -q corr_tokens out
    # first wrong steps 1, 0, 0; said to be 2, 0, 0
    [ "$(v path first_error)" = "3 0.6667" ]
    [ "$(v path no_error)" = "0 -" ]
    [ "$(v path first_f1)" = "3 -" ]
}

# score_by JQ: sets each step's score by an expression of the step's number $i and the record
score_by() { cos-cat --plain -q | jq -c '. as $r | .path.steps |= (to_entries | map(.key as $i | .value + {score: ('"$1"')}))' | cos-cat --from-json -q; }

@test "prm: ProcessBench and VisualProcessBench, from their files to F1" {
    jq -nc '[["a", 3, -1], ["b", 3, 1], ["c", 4, 0], ["d", 2, -1]][] | {id: .[0], generator: "g", problem: "Q", steps: [range(.[1]) | "step \(.)"], final_answer_correct: (.[2] < 0), label: .[2]}' >pb.jsonl
    cos-segment -q --from processbench pb.jsonl >x
    cos-cat --plain -q x | jq -s -e '[.[] | [.path.steps[].labels[0].value]] == [[1, 1, 1], [1, 0, null], [0, null, null, null], [1, 1]] and .[1].question == "Q" and .[1].meta.generator == "g"'
    # the judge calls step 1 wrong, and nothing else: b is found, c is not; a is called wrong, d is too
    score_by 'if $i == 1 then 0.2 else 0.8 end' <x | cos-eval prm -q >out
    [ "$(row out path first_error | cut -d" " -f1,2) $(row out path no_error | cut -d" " -f1,2) $(row out path first_f1 | cut -d" " -f1,2)" = "2 0.5000 2 0.0000 4 0.0000" ]
    # an index for each: right on b, c and d: 2 / 2 and 1 / 2: F1 = 2 * 1 * .5 / 1.5
    score_by 'if $i == ({"a": 2, "b": 1, "c": 0, "d": 9}[$r.id]) then 0.2 else 0.8 end' <x | cos-eval prm -q >out
    [ "$(row out path first_f1 | cut -d" " -f1,2) $(row out step accuracy | cut -d" " -f1,2)" = "4 0.6667 8 0.8750" ]
    jq -nc '{image: ["a.png"], question: "Q", answer: "4", policy_model: "m", data_source: "s", response: {steps: ["x", "y", "z"], process_correctness: [1, 0, -1]}}' >v.jsonl
    cos-segment -q --from visualprocessbench v.jsonl >x
    cos-cat --check -q x >/dev/null
    cos-cat --plain -q x | jq -e '[.path.steps[].labels[0].value] == [1, 0.5, 0] and .answer == "4" and .images[0].ref == "a.png" and .meta.policy_model == "m"'
    score_by '[0.9, 0.9, 0.1][$i]' <x | cos-eval prm -q >out
    [ "$(row out step f1_right | cut -d" " -f1,2) $(row out step f1_wrong | cut -d" " -f2) $(row out step f1_macro | cut -d" " -f2) $(row out path first_error | cut -d" " -f2)" = "2 1.0000 1.0000 1.0000 1.0000" ]
    cos-segment --from processbench <<<'{"id": "a", "problem": "Q", "steps": ["x"], "label": 1}' 2>err >out
    grep -q '1 rejected (malformed label 1)' err
    cos-segment --from visualprocessbench <<<'{"question": "Q", "response": {"steps": ["x"], "process_correctness": [1, 1]}}' 2>err >out
    grep -q '1 rejected (judgement count differs 1)' err
}

@test "prm: labels instead of scores, thresholds, bins, JSON" {
    labelled >a
    cos-eval prm -q --pred mc a >out
    [ "$(row out step accuracy | cut -d' ' -f1,2)" = "7 0.4286" ]      # nothing is above one half: 3 of 7 are wrong
    cos-eval prm -q --pred mc --threshold 0.1 a >out
    [ "$(row out step accuracy | cut -d' ' -f1,2)" = "7 1.0000" ]      # 3 / 16 against 1 / 16
    run ! grep -q ^answer.accuracy out
    cos-eval prm -q --bins a >out
    [ "$(grep -c . out)" = 21 ]
    [ "$(awk -F'\t' '$1 == "step" && $2 == "0.9" { print $4, $5, $6 }' out)" = "2 0.9500 1.0000" ]
    [ "$(awk -F'\t' '$1 == "step" && $2 == "0.3" { print $4, $5, $6 }' out)" = "0 - -" ]
    cos-eval prm -q --json a | jq -e '.table == "prm" and (.rows | map(select(.of == "step" and .measure == "auroc"))[0].value * 9 | round) == 8'
    fails_with 1 "no step and no answer has both a score and a label by 'judge'" cos-eval prm -q --truth judge a
}

@test "prm: --against, differences on what both judge; lists of labels; threads" {
    labelled >a
    cos-eval prm -q --against mc --threshold 0.1 a >out
    [ "$(row out step accuracy | cut -d' ' -f1,2)" = "6 -0.3333" ]     # .6 and .2 are above 0.1; the labels have all six
    [ "$(row out step auroc | cut -d' ' -f1,2)" = "6 -0.1111" ]
    run ! grep -q share_right out
    cos-eval prm -q --pred mc --against mc a >out
    [ "$(awk -F'\t' '$2 == "accuracy" { print $3, $4, $5, $6 }' out)" = "7 0.0000 0.0000 0.0000" ]
    cos-eval prm -q --pred mc --threshold 0.1 a >one
    cos-eval prm -q --pred none,mc --truth none,truth --threshold 0.1 a | cmp - one
    for t in 1 2 5; do cos-eval prm -q --threads $t --against mc a | md5sum; done | uniq >sums
    [ "$(grep -c . sums)" = 1 ]
    fails_with 2 "--bins is of one side" cos-eval prm -q --bins --against mc a
}

@test "length: by source, paths as they are" {
    labelled | cos-cat -q --plain | jq -c '.source = (if .id == "a" then "x" else "w" end) | .path.end = "stop" | .path.tokens = {"$u32": [1, 2, 3, 4, 5, 6]}' | stream >a
    cos-eval length -q a >out
    [ "$(awk -F'\t' '{ print $1 }' out | uniq | tr '\n' ' ')" = "source w x total " ]
    [ "$(row out x steps | cut -d' ' -f1,2)" = "2 2.50" ]
    [ "$(row out total steps | cut -d' ' -f1,2)" = "3 2.67" ]
    [ "$(row out total tokens | cut -d' ' -f1,2)" = "3 6.0" ]
    [ "$(row out x tokens_per_step | cut -d' ' -f1,2)" = "2 2.5" ]
    [ "$(row out x chars | cut -d' ' -f1,2)" = "2 8.5" ]      # 3 x 3 + 1, 2 x 3 + 1
    [ "$(row out total ends | cut -d' ' -f1,2)" = "3 1.0000" ]
    awk -F'\t' '$1 == "total" && $2 == "ends" { exit !($5 < 1 && $6 == 1 && $7 == "Wilson over questions") }' out    # all is not certain
    [ "$(row out total cut_off | cut -d' ' -f1,2)" = "3 0.0000" ]
    [ "$(row out w steps)" = "1 3.00 - -" ]                   # one question: no interval
    cos-eval length -q --by id a | grep -q '^a	steps	2	2.50'
}

@test "pairs: from the paths to the diagnosis" {
    pool 30 6 >a
    cos-select pairs -q --gap 0.1 -n 2 a >p
    cos-eval pairs p >out 2>err
    n=$(cos-cat -q --plain p | wc -l)
    grep -qx "cos-eval: $n in, $n used" err
    cos-cat -q --plain p | jq -s 'def chars: ([.steps[] | .name, .thought] + [.answer // ""] | map(length) | add); length as $n | def mean(f): map(f) | add / $n;
      [mean(.meta.pair.gap), mean((.chosen.steps | length) - (.rejected.steps | length)), mean(if (.chosen | chars) > (.rejected | chars) then 1 else 0 end),
       mean(if .meta.pair.decided_by == "answer" then 1 else 0 end), mean(if .chosen.correct then 1 else 0 end),
       mean((.chosen.tokens["$u32"] | length) - (.rejected.tokens["$u32"] | length))] | .[]' >want
    i=0
    for m in gap steps_difference chars_longer decided_by_answer chosen_right tokens_difference; do
        i=$((i + 1))
        awk -v a="$(sed -n ${i}p want)" -v b="$(row out $m | cut -d' ' -f2)" 'BEGIN { d = a - b; exit !(b != "" && d < 0.051 && d > -0.051) }'
        awk -F'\t' -v m=$m '$1 == m { exit !($4 <= $3 && $3 <= $5 && $6 ~ /^bootstrap by question/) }' out
    done
    grep -q '^gap_p50	' out
    cos-select pairs -q --gap 0.1 a | cos-eval pairs -q --json | jq -e '.rows[] | select(.measure == "chosen_right") | .interval == "Wilson"'
    # pairs from elsewhere have no scores
    cos-cat -q --plain p | jq -c 'del(.meta)' | stream | cos-eval pairs -q | cut -f1 >m
    grep -qx chars_longer m
    run ! grep -qx gap m
    fails_with 1 "record 1 (id q/0): not a pair" cos-eval pairs -q a
}

@test "compare: the four cells, McNemar, the same questions" {
    mk() { jq -Rnc --arg s "$1" '$s / "" | to_entries[] | {id: "q/\(.key)", path: {index: 0, answer: "x", correct: (.value == "1")}}' | stream; }
    mk 1110000011 >a
    mk 0001111111 >b
    cos-eval compare a b >out 2>err
    grep -qx 'cos-eval: 20 in, 20 used' err
    v() { row out "$1" | cut -d' ' -f1,2; }
    [ "$(v a)" = "10 0.5000" ]
    [ "$(v b)" = "10 0.7000" ]
    [ "$(v difference)" = "10 0.2000" ]
    [ "$(v only_a_right)" = "10 0.3000" ]
    [ "$(v only_b_right)" = "10 0.5000" ]
    [ "$(v both_right)" = "10 0.2000" ]
    [ "$(v none_right)" = "10 0.0000" ]
    [[ "$(v p_mcnemar)" = "8 0.72656"* ]]    # 2 (1 + 8 + 28 + 56) / 256
    [ "$(cos-eval compare -q b a | awk -F'\t' '$1 == "difference" { print $3 }')" = "-0.2000" ]
    [ "$(cos-eval compare -q - b <a | awk -F'\t' '$1 == "difference" { print $3 }')" = "0.2000" ]
    [ "$(cos-eval compare -q a - <b | awk -F'\t' '$1 == "difference" { print $3 }')" = "0.2000" ]
    mk 111 >c
    fails_with 1 "7 questions are only in a, 0 only in c, as q/3" cos-eval compare -q a c
    fails_with 1 "0 questions are only in c, 7 only in a, as q/3" cos-eval compare -q c a
    cos-eval compare --common a c 2>&1 >out | grep -qx 'cos-eval: 13 in, 6 used, 7 on one side only'
    [ "$(v difference)" = "3 0.0000" ]
    cat a a >twice
    fails_with 1 "twice: record 11 (id q/0): the same path.index as another path of its id" cos-eval compare -q twice b
    fails_with 2 "want two files" cos-eval compare -q a
    fails_with 2 "want two files" cos-eval compare -q a a
}

@test "cut input, full disk, nothing to measure" {
    labelled >a
    pool 2 2 >b
    cos-select pairs -q --gap 0 b >p
    STEP=17 refuses_cuts a cos-eval prm -q
    STEP=17 refuses_cuts a cos-eval length -q
    STEP=17 refuses_cuts b cos-eval scaling -q
    STEP=17 refuses_cuts p cos-eval pairs -q
    STEP=17 refuses_cuts b cos-eval compare -q a -
    cos-select filter -q -w id=none b >none
    for c in 'prm a' 'length a' 'scaling b' 'pairs p' "scaling --json b"; do
        fails_with 1 "stdout: No space left on device" sh -c "cos-eval ${c% *} -q ${c##* } >/dev/full"
        fails_with 1 "no " cos-eval ${c% *} -q none
    done
    head -c 100 b >few
    fails_with 1 "few:" cos-eval scaling -q --beam few b
    for c in prm length scaling pairs compare; do cos-eval $c -h | grep -q -e --json; done
}
