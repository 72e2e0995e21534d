# SPDX-License-Identifier: Apache-2.0
# cos-select best, vote, weighted, pairs and cos-score mix as a user types them.

bats_require_minimum_version 1.5.0
load helper

stream() { cos-cat -q --from-json --no-provenance; }
ids() { cos-cat -q --plain "$@" | jq -r '"\(.id)/\(.path.index)"' | tr '\n' ' '; }

# paths ID: lines "index answer score-of-each-step.. / answer-score" on stdin; "-" is null
paths() {
    jq -Rc --arg id "$1" 'split(" / ") as [$a, $b] | ($a | split(" ")) as $w | def num: if . == "-" then null else tonumber end;
      {id: $id, question: "?", answer: "r", path: {index: ($w[0] | tonumber), end: "stop", answer: (if $w[1] == "-" then null else $w[1] end),
       correct: ($w[1] == "r"), steps: [$w[2:][] | {name: "s", thought: $w[1], score: num}], answer_score: ($b | num)}}'
}

# a: r has the best path, w the majority; b: no path has an answer score; c: nobody has an answer
some() {
    { paths a <<'X'
0 w 0.5 0.5 / 0.5
1 W. 0.25 1 / 0.5
2 r 1 0.5 / 0.875
3 - 0.5 / -
X
      paths b <<'X'
1 y 1 / -
0 x 0 / -
X
      paths c <<'X'
7 - 0.5 / 0.25
4 - 0.5 / 0.75
X
    } >some.jsonl
    stream <some.jsonl >"$1"
}

@test "best: the score of the path, questions without one are kept" {
    some a
    cos-select best --rejects rej a >out 2>err
    [ "$(ids out)" = "a/2 b/0 c/4 " ]
    grep -q '1 of 3 questions have no path with a score: of them the first path is taken' err
    grep -q '8 in, 3 out, 2 rejected (no answer score 2), 3 not chosen' err
    [ "$(ids rej)" = "a/3 b/1 " ]
    [ "$(cos-select best -q --step-weight 1 a 2>/dev/null | ids)" = "a/2 b/1 c/4 " ]
    [ "$(cos-select best -q --over all --agg last a | ids)" = "a/2 b/1 c/4 " ]
    [ "$(cos-select best -q --step-weight 1 --agg product a | ids)" = "a/2 b/1 c/4 " ]
    [ "$(cos-select best -q --step-weight 1 --agg min a | ids)" = "a/0 b/1 c/4 " ]
    [ "$(cos-select best -q --step-weight 1 --agg last a | ids)" = "a/1 b/1 c/4 " ]
    [ "$(cos-select best -q --by path.index a | ids)" = "a/3 b/1 c/7 " ]
}

@test "best: records pass unchanged; without any score it is an error" {
    some a
    jq -c 'select(.path.index == 2)' some.jsonl | stream >want
    cos-cat -q --json a | jq -c 'select(.id == "a" or .kind == null and .cos)' | stream >only
    cos-select best -q --no-provenance only | cmp - want
    fails_with 1 "no path has a score (no score): score them first" cos-select best -q --by prm a
    fails_with 1 "no path has a score" cos-select weighted -q --by prm a
    [ "$(cos-select vote -q --by prm a | ids)" = "a/0 b/0 c/4 " ]
    cos-select filter -q --where id=none a | cos-select best 2>&1 >/dev/null | grep -qx 'cos-select: 0 in, 0 out'
}

@test "vote and weighted: groups of one answer, what they had" {
    some a
    cos-select vote a 2>err >out
    [ "$(ids out)" = "a/1 b/0 c/4 " ]          # of the two the better; x before y; the better
    [ "$(cos-cat -q --plain out | jq -c .meta.vote | tr '\n' ' ')" = '{"n":2,"of":4} {"n":1,"of":2} {"n":0,"of":2} ' ]
    grep -qx 'cos-select: 8 in, 3 out, 5 not chosen' err
    # 0.5 + 0.525 against 0.85
    cos-select weighted -q a 2>/dev/null | cos-cat -q --plain | jq -c '[.path.index, .meta.vote]' >got
    printf '%s\n' '[1,{"n":2,"of":4,"weight":1.025}]' '[0,{"n":1,"of":2,"weight":0.0}]' '[4,{"n":0,"of":2,"weight":0.0}]' | jq -c . >want
    jq -c . got | diff - want
}

@test "the order of arrival never matters" {
    some a
    for cmd in best vote weighted 'pairs --gap 0.1 -n 9'; do
        cos-select $cmd -q --no-provenance a >"want" 2>/dev/null
        for k in 1 2 3 4; do
            jq -sc "group_by(.id)[] | ([.[range($k; length)], .[:$k][]] | if $k % 2 == 1 then reverse else . end)[]" some.jsonl | stream >b
            cos-select $cmd -q --no-provenance b 2>/dev/null | cmp - want
        done
    done
}

@test "an id that comes back is an error that names it" {
    some a
    for cmd in best vote weighted pairs; do
        fails_with 1 "record 9 (id a): this id came before" sh -c "cat a a | cos-select $cmd -q >/dev/null"
    done
    jq -c 'select(.id == "a" or .id == "b")' some.jsonl | jq -sc '.[0], .[4], .[1]' | stream >b
    fails_with 1 "record 3 (id a): this id came before" cos-select vote -q b
}

@test "no id, no path: rejected by name" {
    printf '%s\n' '{"id":"x"}' '{"path":{}}' '{"id":"x","path":{"index":0,"answer":"1"}}' '{"id":"x","path":[]}' | stream >a
    cos-select vote a 2>err >out
    grep -qx 'cos-select: 4 in, 1 out, 3 rejected (no path 2, no id 1)' err
}

@test "pairs: the best with the worst, the sample once, who decided" {
    some a
    cos-select pairs --gap 0.2 a >out 2>err
    grep -qx 'cos-select: questions: 1 paired, 1 one path, 1 no whole path' err
    # a: 2 with 0, 1 left over, 3 unscored; b: unscored; c: nobody has an answer, so none is to be chosen
    grep -qx 'cos-select: 8 in, 1 out, 3 rejected (no answer score 3), 1 not chosen, 1 second of a pair, 2 no whole path' err
    cos-cat --check -q out >/dev/null
    cos-cat -q --plain out >j
    jq -e '.id == "a" and .question == "?" and .path == null and .chosen.index == 2 and .rejected.index == 0' j
    jq -e '.meta.pair | (.gap - 0.35 | fabs) < 1e-12 and .decided_by == "answer" and (.step_gap - 0.05 | fabs) < 1e-12
           and (.chosen_score - 0.85 | fabs) < 1e-12 and (.rejected_score - 0.5 | fabs) < 1e-12' j
    cos-select pairs --gap 0.2 --step-weight 0.9 -q a | cos-cat -q --plain | jq -e '.meta.pair.decided_by == "step"'
    cos-select pairs --gap 0.2 --by path.answer_score -q a | cos-cat -q --plain | jq -e '.meta.pair | .gap == 0.375 and .decided_by == null'
}

@test "pairs: what is dropped, and why" {
    why() { stream | cos-select pairs "$@" 2>&1 >/dev/null | head -1; }
    two() { printf '%s\n' "$@" | paths q; }
    [ "$(two '0 r 1 / 1' '1 w 1 / 1' | why)" = "cos-select: questions: 0 paired, 1 all equal" ]
    [ "$(two '0 r 1 / 1' '1 w 0.5 / 1' | why)" = "cos-select: questions: 0 paired, 1 gap too small" ]
    [ "$(two '0 r 1 / 1' '1 r 0 / 0' | why)" = "cos-select: questions: 0 paired, 1 same text" ]
    [ "$(two '0 w 1 / 1' '1 x 0 / 0' | why --require-answer)" = "cos-select: questions: 0 paired, 1 no right path" ]
    [ "$(two '0 r 1 / 1' '1 r 0 / 0' | why --require-answer)" = "cos-select: questions: 0 paired, 1 no wrong path" ]
    [ "$(two '0 w 1 / 1' '1 r 0 / 0' | why --require-answer)" = "cos-select: questions: 0 paired, 1 gap too small" ]
    [ "$(two '0 r 1 / 1' '1 w 0 / 0' | why --require-answer)" = "cos-select: questions: 1 paired" ]
    [ "$(two '0 r 1 / 1' | why)" = "cos-select: questions: 0 paired, 1 one path" ]
    [ "$(two '0 r 1 / 1' '1 - 0 / 0' | why)" = "cos-select: questions: 1 paired" ]
    [ "$(two '0 - 1 / 1' '1 r 0 / 0' | why)" = "cos-select: questions: 0 paired, 1 gap too small" ]
    two '0 r 1 / 1' '1 w 0 / 0' | jq -c '.path.steps[0].thought |= (if . == "w" then 7 else . end)' | stream >a
    cos-select pairs a 2>&1 >/dev/null | grep -qx 'cos-select: 2 in, 0 out, 1 rejected (malformed path 1), 1 one path'
}

@test "pairs: several of a question, accounts in balance" {
    for i in 0 1 2 3 4 5 6 7; do echo "$i w$i 0.5 / 0.$i"; done | paths q | stream >a
    n() { cos-select pairs "$@" a 2>&1 >out | tail -1; }
    [ "$(n --gap 0.05 -n 4)" = "cos-select: 8 in, 4 out, 4 second of a pair" ]
    [ "$(cos-cat -q --plain out | jq -c '[.chosen.index, .rejected.index]' | tr '\n' ' ')" = "[7,0] [6,1] [5,2] [4,3] " ]
    [ "$(n --gap 0.05 -n 3)" = "cos-select: 8 in, 3 out, 2 not chosen, 3 second of a pair" ]
    [ "$(n --gap 0 -n 100 --max-per-path 100)" = "cos-select: 8 in, 20 added, 28 out" ]
    [ "$(n --gap 0 -n 3 --max-per-path 2)" = "cos-select: 8 in, 3 out, 4 not chosen, 1 second of a pair" ]
}

@test "mix: the score of the path and named rewards" {
    some a
    mix() { cos-score mix -q "$@" a | cos-cat -q --plain | jq -c '[.id, .path.index, (.scores.mix // .scores.z | . * 1e6 | round / 1e6)]' | tr '\n' ' '; }
    [ "$(mix)" = '["a",0,0.5] ["a",1,0.525] ["a",2,0.85] ["c",7,0.3] ["c",4,0.7] ' ]
    [ "$(mix --step-weight 0 --as z)" = '["a",0,0.5] ["a",1,0.5] ["a",2,0.875] ["c",7,0.25] ["c",4,0.75] ' ]
    [ "$(mix --path-weight 2 --add path.index=0.5,path.answer_score=-1)" = '["a",0,0.5] ["a",1,1.05] ["a",2,1.825] ["c",7,3.85] ["c",4,2.65] ' ]
    [ "$(cos-score answer -q a | cos-score mix --path-weight 0 --add answer=2 2>/dev/null | cos-cat -q --plain | jq -c .scores.mix | tr '\n' ' ')" = "0 0 2 0 0 0 0 0 " ] ||
    [ "$(cos-score answer -q a | cos-score mix --path-weight 0 --add answer=2 2>/dev/null | cos-cat -q --plain | jq -c .scores.mix | tr '\n' ' ')" = "0.0 0.0 2.0 0.0 0.0 0.0 0.0 0.0 " ]
    cos-score mix --add nothing=1 a 2>&1 >/dev/null | grep -qx 'cos-score: 8 in, 0 out, 8 rejected (no scores.nothing 5, no answer score 3)'
    # the two ways to the same choice
    cos-score mix -q --step-weight 0.4 --agg min a | cos-select best -q --by mix | ids >x
    [ "$(cut -d' ' -f1 x)" = "$(cos-select best -q --step-weight 0.4 --agg min a 2>/dev/null | ids | cut -d' ' -f1)" ]
    fails_with 2 "'answer' is not NAME=W" cos-score mix --add answer a
    fails_with 2 "'=1' is not NAME=W" cos-score mix --add a=1,=1 a
    fails_with 2 "leaves nothing to mix" cos-score mix --path-weight 0 a
}

@test "a stream cut at any byte is refused" {
    some a
    for cmd in 'cos-select best' 'cos-select weighted' 'cos-select pairs' 'cos-score mix'; do STEP=23 refuses_cuts a $cmd -q; done
    paths q <<<'0 r 1 / 1' | stream >b
    refuses_cuts b cos-select vote -q
    refuses_cuts b cos-select best -q
}

@test "full disk, closed pipe" {
    some a
    for cmd in best vote weighted 'pairs --gap 0'; do
        got=0
        cos-select $cmd -q a >/dev/full 2>err || got=$?
        [ "$got" = 1 ]
        tail -1 err | grep -qx 'cos-select: stdout: No space left on device'
    done
    fails_with 1 "stdout: No space left on device" sh -c 'cos-score mix -q a >/dev/full'
    for i in $(seq 4000); do printf '%s\n' "0 r$i 1 / 1" "1 w$i 0 / 0" | sed "s/^/$i /"; done |
        jq -Rc 'split(" ") | {id: .[0], path: {index: (.[1] | tonumber), answer: .[2], steps: [{thought: (.[2] * 9), score: (.[3] | tonumber)}], answer_score: (.[5] | tonumber)}}' | stream >b
    for cmd in best vote weighted pairs; do
        { cos-select $cmd -q <b 2>err || echo $? >status; } | head -c 1 >/dev/null
        [ "$(cat status)" = 1 ]
        [ "$(cat err)" = "cos-select: stdout: Broken pipe" ]
    done
}

@test "help" {
    for c in best vote weighted pairs; do cos-select $c -h | grep -q -e --step-weight; done
    cos-select pairs -h >h
    for o in '--gap T' '\[0.3\]' '-n N' '--max-per-path M' '--require-answer' '\[0.2\]'; do grep -q -e "$o" h; done
    cos-score mix -h | grep -q -e --path-weight
    fails_with 2 "--gap" cos-select pairs --gap -1 /dev/null
    fails_with 2 "step-weight" cos-select best --step-weight 2 /dev/null
}
