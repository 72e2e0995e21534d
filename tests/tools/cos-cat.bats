# SPDX-License-Identifier: Apache-2.0
# cos-cat as a user types it.

bats_require_minimum_version 1.5.0
load helper

@test "JSON and back: the same bytes" {
    two a
    cos-cat -q --json --no-provenance <a >j
    [ "$(wc -l <j)" = 4 ]
    cos-cat -q --from-json --no-provenance <j | cmp - a
    cos-cat -q --plain <a | cos-cat -q -f --no-provenance | cmp - a
}

@test "the text of every kind of value" {
    two a
    cos-cat -q --plain a >p
    sed 's/\\u00e4/ä/' two.jsonl | diff - p
}

@test "provenance grows, survives JSON, stays away on request" {
    two a
    cos-cat -q <a | cos-cat -q --json --seed 7 | cos-cat -q --from-json >b
    cos-cat -q --header b >h
    [ "$(jq -r '.program? // empty' <(head -n 3 h) | wc -l)" = 3 ]
    [ "$(sed -n 2p h | jq -c '[.args, .seed]')" = '[["-q","--json","--seed","7"],7]' ]
    [ "$(tail -n 1 h)" = "2 records" ]
    cos-cat -q --no-provenance <b | cmp - a
}

@test "joined streams stand each under its own provenance" {
    two a
    cos-cat -q --seed 1 a >b
    cat b b a | cos-cat -q --json >j
    [ "$(jq -c 'select(.kind == "header") | .provenance | length' j | tr '\n' ' ')" = "2 1 " ]
    [ "$(jq -c 'select(.kind == "trailer") | .count' j | tr '\n' ' ')" = "4 2 " ]
    cos-cat -q b - a <b | cos-cat -q --plain | wc -l | grep -qx 6
    cos-cat -q -f j | cos-cat -q --header | tail -n 1 | grep -qx '6 records'
}

@test "a stream cut at any byte is refused" {
    two a
    refuses_cuts a cos-cat -q
    for o in --json --shuffle --header '--check --plain'; do STEP=11 refuses_cuts a cos-cat -q $o; done
}

@test "a cut stream leaves output without a trailer" {
    two a
    cat a a >b
    head -c -1 b >cut
    fails_with 1 "stdin: record 5 at byte" sh -c 'cos-cat <cut >out'
    fails_with 1 "out: " cos-cat -q out
}

@test "JSON lines with a header, cut at any byte, are refused" {
    two a
    cos-cat -q --json <a | head -c -1 >j       # the last newline may be missing
    refuses_cuts j cos-cat -q --from-json
}

@test "JSON lines: damaged ones say line and column" {
    two a
    cos-cat -q --json <a >j
    for e in '2{s/"id":/"id"/} bad:_line_2:_column_6:_want_:' '3{s/true/tru/} bad:_line_3:_column' '2d the_trailer_counts_2_records,_there_were_1' \
        '1d a_trailer_without_a_header' '1{s/"cos":1/"cos":2/} schema_version_2' '4d no_trailer' '2{s/a/\xff/} UTF-8' '2{s/^{/{"id":1,/} key_"id"_twice'; do
        LC_ALL=C sed "${e% *}" j >bad
        fails_with 1 "$(tr _ ' ' <<<"${e##* }")" cos-cat -q -f bad >/dev/null
    done
    fails_with 1 "JSON lines? see cos-cat --from-json" cos-cat -q j
    printf '\n{"id":"x"}\n  \n{"id":"y"}' | cos-cat -f 2>&1 >/dev/null | grep -q '2 in, 2 out'
}

@test "wrong schema version, garbage, hostile msgpack" {
    h='\x82\xa3cos\x01\xa4kind\xa6header' t='\x83\xa3cos\x01\xa4kind\xa7trailer\xa5count\x01'
    try() { printf "$2" >bad; fails_with 1 "$1" cos-cat -q bad >/dev/null; }
    try "schema version 9, this program reads 1" '\x82\xa3cos\x09\xa4kind\xa6header'
    try "no header" '\x00\x01\x02'
    try "no header" 'PK\x03\x04 some other file'
    try "empty" ''
    try "larger than 256 MiB" "$h"'\xdf\xff\xff\xff\xff'
    try "larger than 256 MiB" "$h"'\x81\xa1a\xdd\xff\xff\xff\xff'
    try "larger than 256 MiB" "$h"'\x81\xa1a\xc6\xff\xff\xff\xff'
    try "cut off" "$h"'\x81\xa1a\xc6\x0f\xff\xff\xf0'
    try "nested deeper than 32" "$h\\x81\\xa1a$(printf '\\x91%.0s' $(seq 40))\\x01$t"
    try "UTF-8" "$h"'\x81\xa1a\xa2\xc3\x28'"$t"
    try "twice" "$h"'\x82\xa1a\x01\xa1a\x01'"$t"
    try "a map key that is not a string" "$h"'\x81\x01\x01'"$t"
    try "ext type 9" "$h"'\x81\xa1a\xd6\x091234'"$t"
    try "the trailer counts 1 records, there were 0" "$h$t"
    try "behind the trailer" "$h\\x80$t\\x80"
}

@test "a full disk is noticed in every form" {
    two a
    for o in '' --json --plain --shuffle --header --help; do
        fails_with 1 "stdout: No space left on device" sh -c "cos-cat -q $o <a >/dev/full"
    done
    jq -nc 'range(300) | {id: "x\(.)"}' | cos-cat -q -f >b
    fails_with 1 "no-such-folder/r: No such file or directory" cos-cat -q --rejects no-such-folder/r b
    jq -nc 'range(9) | {id: .}' | cos-cat -q -f >c
    run ! sh -c 'cos-cat -q --check --rejects /dev/full c 2>&1 >/dev/null'
    [ "${lines[-1]}" = "cos-cat: /dev/full: No space left on device" ]
}

@test "a closed pipe is noticed" {
    jq -nc 'range(20000) | {id: "x\(.)", question: "some text to fill the pipe with"}' | cos-cat -q -f >b
    for o in '' --json '--shuffle --plain'; do
        { cos-cat -q $o <b 2>err || echo $? >status; } | head -c 1 >/dev/null
        [ "$(cat status)" = 1 ]
        [ "$(cat err)" = "cos-cat: stdout: Broken pipe" ]
    done
}

@test "a missing file, usage errors" {
    two a
    fails_with 1 "no-such-file: No such file or directory" cos-cat -q a no-such-file >/dev/null
    fails_with 2 "try cos-cat -h" cos-cat --no-such-option <a
    fails_with 2 "--shard: '4/4' is not I/N" cos-cat --shard 4/4 a
    fails_with 2 "--shard: '1/2x'" cos-cat --shard 1/2x a
    fails_with 2 "--merge: want the shards" cos-cat --merge <a
    fails_with 2 "--head: 'x' is not a whole number" cos-cat --head x a
    cos-cat --version | grep -q '^cos-cat [0-9]'
    cos-cat -h >h
    for o in json from-json plain check header skip shard head sample shuffle merge help version quiet threads seed no-provenance rejects; do
        grep -q -- "--$o" h
    done
}

numbered() { jq -nc --argjson n "$1" 'range($n) | {id: "r/\(.)", k: .}' | cos-cat -q -f --no-provenance; }
keys() { cos-cat -q --plain | jq .k | tr '\n' ' '; }

@test "skip, shard, head in this order" {
    numbered 20 >a
    [ "$(cos-cat -q --skip 17 <a | keys)" = "17 18 19 " ]
    [ "$(cos-cat -q --head 3 <a | keys)" = "0 1 2 " ]
    [ "$(cos-cat -q --skip 3 --shard 1/4 --head 2 <a | keys)" = "5 9 " ]
    cos-cat --skip 3 --shard 1/4 <a 2>&1 >/dev/null | grep -q '20 in, 4 out, 3 skipped, 13 in other shards'
    cos-cat -q --plain <a | cos-cat -q -f --skip 3 --shard 1/4 --head 2 | keys | grep -qx '5 9 '
}

@test "shards merged are the stream" {
    for n in 0 1 7 8 9; do
        numbered $n >a || true
        [ "$n" = 0 ] && printf '\x82\xa3cos\x01\xa4kind\xa6header\x83\xa3cos\x01\xa4kind\xa7trailer\xa5count\x00' >a
        for i in 0 1 2 3; do cos-cat -q --shard $i/4 <a >s$i; done
        cos-cat -q --merge --no-provenance s0 s1 s2 s3 | cmp - a
    done
    fails_with 1 "not the shards of one stream" cos-cat -q --merge s1 s0 s2 s3 >/dev/null
    head -c -1 s3 >cut
    fails_with 1 "cut off" cos-cat -q --merge s0 s1 s2 cut >/dev/null
}

@test "shuffle and sample: all there, by the seed alone" {
    numbered 500 >a
    cos-cat -q --shuffle --seed 1 --threads 1 --no-provenance <a >b
    cos-cat -q --shuffle --seed 1 --threads 3 --no-provenance <a | cmp - b
    keys <b | tr ' ' '\n' | grep . | sort -n | cmp - <(seq 0 499)
    run ! cmp -s a b
    run ! cmp -s b <(cos-cat -q --shuffle --seed 2 --no-provenance <a)
    cos-cat -q --sample 50 --seed 1 <a | keys | tr ' ' '\n' | grep . >s
    [ "$(wc -l <s)" = 50 ]
    sort -n -u s | cmp - s
    cos-cat --sample 50 <a 2>&1 >/dev/null | grep -q '500 in, 50 out, 450 not drawn'
    cos-cat -q --sample 501 --no-provenance <a | cmp - a
}

@test "a sample is fair" {
    numbered 40 >a
    for s in $(seq 40); do cos-cat -q --sample 20 --plain --seed "$s" <a; done | jq .k | sort -n | uniq -c >c
    # each of 40 is drawn with probability 1/2: 20 of 40 times, standard deviation 3.2; five of those off is wrong
    awk '$1 < 4 || $1 > 36 { bad = 1 } END { exit bad || NR != 40 }' c
}

@test "the result does not depend on the number of threads" {
    numbered 30000 >a
    for o in '' --json --plain --check; do
        cos-cat -q --threads 1 --no-provenance $o <a >one
        cos-cat -q --threads 3 --no-provenance $o <a | cmp - one
    done
}

@test "--check: the record, its id and the place are named" {
    try() { printf '{"id":"ok"}\n%s\n' "$1" | cos-cat -q -f >a; fails_with 1 "$2" cos-cat -q --check a >/dev/null; }
    try '{"question":"x"}' 'a: record 2: /: no "id"'
    try '{"id":""}' 'a: record 2 (id ): /id: want at least 1 characters'
    try '{"id":"c\n\u001b[2J","question":1}' 'a: record 2 (id c??[2J): /question: want string'
    try '{"id":"c/5","question":1}' 'a: record 2 (id c/5): /question: want string'
    try '{"id":"c","choices":["a",2]}' '/choices/1: want string'
    try '{"id":"c","images":[{"ref":"a.png"},{"type":"png"}]}' '/images/1: none of 2 forms fits'
    try '{"id":"c","images":[{"data":"text"}]}' '/images/0/data: want object'
    try '{"id":"c","images":[{"data":{"$$bin":"text"}}]}' '/images/0/data: no "$bin"'
    try '{"id":"c","images":[{"data":{"$bin":""},"type":"bmp"}]}' '/images/0/type: want one of png, jpeg, webp'
    try '{"id":"c","path":{"end":"x"}}' '/path/end: want one of stop, length, format'
    try '{"id":"c","path":{"steps":[{},{"span":[1]}]}}' '/path/steps/1/span: want at least 2 items'
    try '{"id":"c","path":{"steps":[{"span":[1,-2]}]}}' '/path/steps/0/span/1: want at least 0'
    try '{"id":"c","path":{"steps":[{"labels":[{"by":"mc","k":1}]}]}}' '/path/steps/0/labels/0: none of 2 forms fits'
    try '{"id":"c","path":{"steps":[{"labels":[{"by":"mc","k":1.5,"n":2}]}]}}' '/path/steps/0/labels/0/k: want integer'
    try '{"id":"c","path":{"tokens":[1]}}' '/path/tokens: want object'
    try '{"id":"c","path":{"tokens":{"$f32":[1]}}}' '/path/tokens: no "$u32"'
    try '{"id":"c","path":{"logprobs":{"a/b":{"$u32":[1]}}}}' '/path/logprobs/a~1b: no "$f32"'
    try '{"id":"c","scores":{"prm":{"$float":"nan"}}}' '/scores/prm: want number or null'
    try '{"id":"c","chosen":{},"rejected":{"index":-1}}' '/rejected/index: want at least 0'
}

@test "--check --rejects keeps what fails and goes on" {
    printf '{"id":"a"}\n{"id":1}\n{"id":"b","x":{"$$y":[1]}}\n{"id":"c","path":[]}\n' | cos-cat -q -f >a
    cos-cat --check --rejects bad a >good 2>err
    grep -q '4 in, 2 out, 2 rejected (not as the schema wants 2)' err
    [ "$(cos-cat -q --plain bad | jq -c '[.id, .meta.reject]' | tr '\n' ' ')" = '[1,"not as the schema wants"] ["c","not as the schema wants"] ' ]
    cos-cat -q --check good >/dev/null
}

@test "memory is flat" {
    ! sanitized || skip "the sanitizer's own memory"
    jq -nc 'range(2000) | {id: "r/\(.)", question: ("text " * 40), path: {steps: [range(4) | {name: "n", thought: ("word " * 40)}]}, scores: {prm: 0.5}}' |
        cos-cat -q -f >a
    files=$(for i in $(seq 100); do echo a; done)      # 200,000 records, over 200 MB
    export MALLOC_ARENA_MAX=1
    ulimit -v 100000
    n=$(cos-cat -q $files | cos-cat -q --json | cos-cat -q -f | cos-cat -q --check --shard 0/1 --sample 10 | cos-cat -q --plain | wc -l)
    [ "$n" = 10 ]
    fails_with 1 "out of memory" sh -c "cos-cat -q --shuffle $(echo $files) >/dev/null"
}
