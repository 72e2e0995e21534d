# SPDX-License-Identifier: Apache-2.0
# cos-select as a user types it.

bats_require_minimum_version 1.5.0
load helper

stream() { cos-cat -q --from-json --no-provenance; }
ids() { cos-cat -q --plain | jq -r '"\(.id)/\(.path.index)"' | tr '\n' ' '; }

some() {
    stream >"$1" <<'EOF'
{"id":"a","path":{"index":0,"end":"stop","answer":"3","correct":false,"steps":[{},{}]},"scores":{"prm":0.5}}
{"id":"a","path":{"index":1,"end":"stop","answer":"4","correct":true,"steps":[{},{},{}]},"scores":{"prm":0.75}}
{"id":"a","path":{"index":2,"end":"length","steps":[]},"scores":{"prm":0.75,"x":{"$float":"nan"}}}
{"id":"b","path":{"index":1,"end":"stop","answer":"true","correct":null},"scores":{"prm":-1}}
{"id":"b","path":{"index":0,"end":"stop","answer":"\u00e4\u00f6","steps":[{}]},"scores":{"prm":-1.0},"kept":{"as":["it",1.0,{"$bin":"AA=="}]}}
{"id":"c","path":{"index":0},"scores":{"prm":null}}
{"path":{"index":0},"scores":{"prm":1}}
EOF
}

@test "top: the best of each id, ties by path.index" {
    some a
    [ "$(cos-select top -q <a | ids)" = "a/1 b/0 " ]
    [ "$(cos-select top -q -n 2 a | ids)" = "a/1 a/2 b/0 b/1 " ]
    [ "$(cos-select top -q -n 9 a | ids)" = "a/1 a/2 a/0 b/0 b/1 " ]
    [ "$(cos-select top -q --by path.index a | ids)" = "a/2 b/1 c/0 " ]
}

@test "top: every record is accounted for, rejects are kept" {
    some a
    cos-select top --rejects r a 2>err >out
    [ "$(cat err)" = "cos-select: 7 in, 2 out, 2 rejected (no score 1, no id 1), 3 not chosen" ]
    [ "$(cos-cat -q --plain r | jq -r '.meta.reject' | tr '\n' ' ')" = "no score no id " ]
    [ "$(cos-select top --by scores.x a 2>&1 >/dev/null)" = "cos-select: 7 in, 0 out, 7 rejected (no score 6, no id 1)" ]
}

@test "filter: conditions of each type" {
    some a
    sel() { cos-select filter -q "$@" a | ids; }
    [ "$(sel -w path.end=stop)" = "a/0 a/1 b/1 b/0 " ]
    [ "$(sel -w path.end!=stop)" = "a/2 " ]
    [ "$(sel -w path.correct=true)" = "a/1 " ]
    [ "$(sel -w path.correct=null)" = "b/1 " ]
    [ "$(sel -w path.answer=true)" = "b/1 " ]
    [ "$(sel -w path.answer=3)" = "a/0 " ]
    [ "$(sel -w 'scores.prm > 0.5')" = "a/1 a/2 null/0 " ]
    [ "$(sel -w 'scores.prm>=0.5' -w 'scores.prm<1')" = "a/0 a/1 a/2 " ]
    [ "$(sel -w scores.prm=-1)" = "b/1 b/0 " ]
    [ "$(sel -w 'scores.prm <= -1.0')" = "b/1 b/0 " ]
    [ "$(sel -w '#path.steps >= 2')" = "a/0 a/1 " ]
    [ "$(sel -w '#path.steps=0')" = "a/2 " ]
    [ "$(sel -w '#path.answer=2')" = "b/0 " ]
    [ "$(sel --has path.correct)" = "a/0 a/1 " ]
    [ "$(sel --has path.correct --has id --not)" = "a/2 b/1 b/0 c/0 null/0 " ]
    [ "$(sel --not -w path.correct=true)" = "a/0 a/2 b/1 b/0 c/0 null/0 " ]
    [ "$(sel -w scores.x=1)" = "" ]
    [ "$(sel -w path=1)" = "" ]
    [ "$(cos-select filter -w path.end=stop a 2>&1 >/dev/null)" = "cos-select: 7 in, 4 out, 3 not chosen" ]
}

@test "records pass unchanged, under their own provenance" {
    some a
    cos-select filter -q --no-provenance --has path <a | cmp - a
    cos-cat -q --seed 1 a >b
    cat a b a | cos-select top -q | cos-cat -q --json >j
    [ "$(jq -c 'select(.kind == "header") | [.provenance[].program]' j | tr '\n' ' ')" = \
      '["cos-select","cos-cat"] ["cos-cat","cos-select","cos-cat"] ["cos-select","cos-cat"] ' ]
    [ "$(jq -c 'select(.kind == "trailer") | .count' j | tr '\n' ' ')" = "2 2 2 " ]
}

@test "a stream cut at any byte is refused" {
    two a
    refuses_cuts a cos-select top -q
    STEP=11 refuses_cuts a cos-select filter -q --has id
}

@test "a wrong schema, a full disk, a closed pipe, a missing file" {
    two a
    printf '\x82\xa3cos\x02\xa4kind\xa6header' >bad
    fails_with 1 "schema version 2" cos-select top -q bad
    fails_with 1 "JSON lines" cos-select top -q two.jsonl
    fails_with 1 "stdout: No space left on device" sh -c 'cos-select top <a >/dev/full'
    fails_with 1 "stdout: No space left on device" sh -c 'cos-select filter --has id <a >/dev/full'
    fails_with 1 "stdout: No space left on device" sh -c 'cos-select -h >/dev/full'
    fails_with 1 "/dev/full: No space left on device" sh -c 'cos-select top -q --by no.such --rejects /dev/full a >/dev/null'
    fails_with 1 "nothing: No such file" cos-select top -q nothing
    jq -nc 'range(20000) | {id: "x\(.)", scores: {prm: .}, question: "some text to fill the pipe with"}' | stream >b
    for c in 'top' 'filter --has id'; do
        { cos-select $c <b 2>err || echo $? >status; } | head -c 1 >/dev/null
        [ "$(cat status)" = 1 ]
        [ "$(cat err)" = "cos-select: stdout: Broken pipe" ]
    done
}

@test "usage: help is complete, errors are one line" {
    two a
    cos-select -h | grep -q filter
    cos-select top -h >h
    for o in '-n N' '--by' '--threads' '--rejects' '\[scores.prm\]' '\[1\]'; do grep -q -e "$o" h; done
    cos-select filter -h | grep -q -e --where
    cos-select --version | grep -q '^cos-select '
    fails_with 2 "want a command (try cos-select -h)" cos-select
    fails_with 2 "no command 'worst'" cos-select worst
    fails_with 2 "within 1 and" cos-select top -n 0 a
    fails_with 2 "want --where, --has or --unlike (try cos-select filter -h)" cos-select filter a
    fails_with 2 "'path.end' is not KEY=VALUE" cos-select filter -w path.end a
    fails_with 2 "'x' is not a number" cos-select filter -w 'a<x' a
}

@test "memory is flat: 200,000 records, one id among them with 100,000 paths" {
    ! sanitized || skip "the sanitizer's own memory"
    jq -nc 'range(1000) | {id: "r/\(. / 4 | floor)", question: ("text " * 40), path: {index: .}, scores: {prm: (. % 7)}}' | stream >a
    jq -nc 'range(1000) | {id: "one", question: ("text " * 40), path: {index: .}, scores: {prm: (. % 7)}}' | stream >b
    files=$(for i in $(seq 100); do echo a; done; for i in $(seq 100); do echo b; done)
    export MALLOC_ARENA_MAX=1
    ulimit -v 60000
    cos-select filter --where 'scores.prm>1' $files 2>err | cos-select top -n 1 -q | cos-cat -q --plain | wc -l >n
    grep -q '200000 in, 142800 out, 57200 not chosen' err || { cat err; return 1; }
    [ "$(cat n)" = 25001 ]
}
