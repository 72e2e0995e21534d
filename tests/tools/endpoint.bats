#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-generate --endpoint against a server that fails in every way (tests/net): no record lost or doubled, runs resumed, secrets
# kept. Replies depend on the request alone, so runs can be compared byte by byte.

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
    jq -nc 'range(40) | {id: "q/\(.)", question: "Question \(.)?", answer: "yes", extra: {k: .}}' | cos-cat -q -f > ask.cos
    ask -n 3 < ask.cos > want.cos
}

teardown_file() { kill "$(cat "$W/pid")"; }
setup() { cd "$BATS_TEST_TMPDIR"; : > "$W/log"; }

ask() { cos-generate -q --endpoint "$URL" --model m --seed 1 --backoff 0.005 --no-provenance "$@"; }
plain() { cos-cat -q --plain "$@"; }
log() { grep -c . "$W/log" || true; }

# says "question" [MORE...]: a record whose question holds the actions
says() { jq -nc --arg q "$1" '{id: $q, question: $q, answer: "yes"}'; }

# the peak of a process's memory in kB, as far as it was seen
peak() { local k=0 x; while x=$(awk '/VmHWM/ { print $2 }' "/proc/$1/status" 2>/dev/null) && [ -n "$x" ]; do k=$x; sleep 0.02; done; echo "$k"; }

@test "one record a path, in order, sample fields carried through" {
    [ "$(plain < "$W/want.cos" | jq -r '"\(.id) \(.path.index)"')" = "$(plain < "$W/ask.cos" | jq -r 'range(3) as $i | "\(.id) \($i)"')" ]
    plain < "$W/want.cos" | jq -e '.extra.k >= 0 and .meta.segment == "cos" and .path.end == "stop" and .path.answer == "yes"
        and (.path.steps | length == 2 and .[0].name == "Look 1" and .[1].reflection == "As seen.")
        and (.path.requests.generate | test("^[0-9a-f]{32}$")) and (.path | has("tokens") or has("text") | not)' > all
    [ "$(sort -u all)" = true ]
    [ "$(plain < "$W/want.cos" | jq -r .path.requests.generate | sort -u | wc -l)" = 120 ]
    cos-cat --check < "$W/want.cos" > /dev/null
}

@test "the same bytes whatever the concurrency; the path's number is what counts" {
    for c in 1 3 64; do ask -n 3 --concurrency $c < "$W/ask.cos" | cmp - "$W/want.cos"; done
    ask -n 1 --first-index 2 < "$W/ask.cos" > third
    [ "$(plain < third)" = "$(plain < "$W/want.cos" | jq -c 'select(.path.index == 2)')" ]
    ask -n 3 --seed 2 < "$W/ask.cos" > other
    if cmp -s other "$W/want.cos"; then false; fi
}

@test "never more under way than asked for" {
    jq -nc 'range(40) | {id: "\(.)", question: "[[slow:20]] \(.)"}' | cos-cat -q -f | ask --concurrency 5 > /dev/null
    [ "$(cut -d' ' -f5 "$W/log" | sort -n | tail -1)" -le 5 ]
    [ "$(cut -d' ' -f5 "$W/log" | sort -n | tail -1)" -ge 3 ]
}

@test "what may be different the next time is tried again" {
    for a in close reset half cut short badchunk cutchunk noise html json empty array choices types error utf8 deep 408 425 429 500 502 503 504 529 599; do
        says "[[$a $a ok]] of $a"
    done > in.jsonl
    for a in chunked nolen slow:50 drip:1 bye parts; do says "[[$a]] of $a"; done >> in.jsonl
    for i in 1 2 3; do says "after bye $i"; done >> in.jsonl
    cos-cat -q -f < in.jsonl > in
    ask --concurrency 4 < in > out
    [ "$(plain < out | jq -r .id)" = "$(jq -r .id in.jsonl)" ]
    plain < out | jq -e 'select(.path.end != "stop" or .path.answer != "yes")' > bad || true
    [ ! -s bad ]
    # every question of the first kind was asked three times
    [ "$(grep -c ' 3 ok ' "$W/log")" = 26 ]
}

@test "time-outs: no reply, or one that does not come to an end" {
    { says "[[hang ok]] a"; says "[[drip:400 ok]] b"; says "[[hang hang hang]] c"; } | cos-cat -q -f > in
    run --separate-stderr cos-generate --endpoint "$URL" --model m --backoff 0.005 --timeout 0.3 --tries 3 --rejects rej < in
    [ "$status" = 0 ]
    [[ "$stderr" == *"3 in, 2 out, 1 rejected (time-out 1)"* ]]
    [ "$(plain < rej | jq -r .id)" = "[[hang hang hang]] c" ]
}

@test "what fails for good is a reject with its reason, and is kept" {
    # so often, as libcurl itself asks again where a connection that it had kept open is found dead
    while read -r action reason; do
        jq -nc --arg a "$action" --arg r "$reason" '{id: $a, question: "[[\([range(24) | $a] | join(" "))]] ?", want: $r}'
    done > in.jsonl <<'EOT'
400 HTTP 400
403 HTTP 403
413 HTTP 413
418 HTTP 4xx
500 HTTP 500
529 HTTP 529
505 HTTP 5xx
429 HTTP 429
redirect redirected
close connection broken
reset connection broken
half reply is not JSON
cut reply cut off
badchunk connection broken
noise reply is not HTTP
html reply is not JSON
deep reply is not JSON
choices reply without an answer
error error in a reply
null empty reply
refuse the model refuses
filter stopped by a content filter
huge reply too large
headers reply too large
EOT
    says "fine" >> in.jsonl
    cos-cat -q -f < in.jsonl > in
    run --separate-stderr cos-generate -n 2 --endpoint "$URL" --model m --backoff 0.005 --tries 3 --rejects rej --no-provenance < in
    [ "$status" = 0 ]
    [[ "$stderr" == *"25 in, 25 added, 2 out, 48 rejected ("* ]]
    [ "$(plain < rej | jq -r '"\(.id) \(.meta.reject)"')" = "$(jq -r 'select(.want) | "\(.id) \(.want)" | ., .' in.jsonl)" ]
    [ "$(plain < rej | jq -c '[.path.index, (.meta.error | length > 0)]' | sort -u)" = $'[0,true]\n[1,true]' ]
    cos-cat --check < rej > /dev/null
    # one try of those that will not change, three of the others; and nobody went where the redirect led
    grep -vE ' (close|reset) ' "$W/log" > tries
    [ "$(grep -cE ' (400|403|413|418|redirect|null|refuse|filter|huge|headers) ' tries)" = 20 ]
    [ "$(cut -d' ' -f2,3 tries | grep -c ' 3$')" = 24 ]
    [ "$(cut -d' ' -f2,3 tries | grep -c ' 4$' || true)" = 0 ]
    [ "$(grep -c stolen "$W/log" || true)" = 0 ]
}

@test "questions that cannot be asked are rejected by reason, the others answered" {
    { says one; echo '{"id":"a"}'; echo '{"question":"no id"}'; echo '{"id":"c","question":"q","images":[{"ref":"none.png"}]}'
      echo '{"id":"d","question":"q","images":[{"data":{"$bin":"AAAA"}}]}'; says two; } | cos-cat -q -f > in
    run --separate-stderr cos-generate -n 2 --endpoint "$URL" --model m < in
    [ "$status" = 0 ]
    [[ "$stderr" == *"6 in, 2 added, 4 out, 4 rejected (no question 1, no id 1, unreadable image 2)"* ]]
    [[ "$stderr" == *"(id c): image 1: "*none.png* ]]
}

@test "hundreds of faults at random: every path once, every reply asked for once" {
    jq -nc '["ok", "close", "reset", "cut", "short", "json", "html", "429", "500", "503", "noise", "bye", "half", "badchunk", "error", "slow:5"] as $a
        | range(200) as $i | [range($i * 7 % 5) | $a[(. * 5 + $i * 3) % 16]] as $f | {id: "\($i)", question: "[[\($f | join(" "))]] \($i)"}' > in.jsonl
    cos-cat -q -f < in.jsonl > in
    ask -n 2 --tries 8 --concurrency 32 --backoff 0.001 < in > out
    [ "$(plain < out | jq -r '"\(.id) \(.path.index) \(.path.end)"')" = "$(jq -r '"\(.id) 0 stop", "\(.id) 1 stop"' in.jsonl)" ]
    [ "$(grep -E ' (ok|bye|slow:5) ' "$W/log" | cut -d' ' -f2 | sort | uniq -d | wc -l)" = 0 ]
    ask -n 2 --tries 8 --concurrency 1 --backoff 0.001 < in | cmp - out
}

@test "Retry-After is honoured, as seconds and as a date, and nothing else is started meanwhile" {
    for after in 1 date; do
        : > "$W/log"
        { says "[[429:$after]] $after"; for i in 1 2 3 4 5; do says "$after $i"; done; } | cos-cat -q -f > in
        ask --concurrency 1 < in > out
        [ "$(plain < out | wc -l)" = 6 ]
        [ "$(awk 'NR == 1 { t = $1 } NR == 2 { print ($1 - t >= 950) }' "$W/log")" = 1 ]
        : > "$W/log"
        { says "[[503:$after]] again $after"; for i in 1 2 3 4 5 6; do says "[[slow:100]] $after $i"; done; } | cos-cat -q -f > in
        ask --concurrency 2 < in > out
        [ "$(awk 'NR == 1 { t = $1 } NR > 2 && $1 - t < 950' "$W/log" | wc -l)" = 0 ]
    done
}

@test "a rate limit" {
    ask --rate 50 --concurrency 32 < "$W/ask.cos" > out
    [ "$(plain < out | wc -l)" = 40 ]
    [ "$(awk 'NR == 1 { t = $1 } END { print ($1 - t >= 750) }' "$W/log")" = 1 ]
}

@test "replies as steps: free form, cut off, no steps; --strict rejects by reason" {
    { says "[[free]] a"; says "[[len]] b"; says "c <<just words, no answer>>"; says $'d <<<|reasoning_start|>\nbut no more>>'; says e
      says "f << >>"; } | cos-cat -q -f > in
    ask < in > out
    plain < out | jq -c '[.path.end, .meta.segment, (.path.steps | length), .path.answer, (.path.text // "" | length > 0)]' > got
    diff got - <<'EOT'
["stop","step",2,"4",false]
["length","cos",2,"yes",true]
["format","whole",1,null,true]
["format","cos",0,null,true]
["stop","cos",2,"yes",false]
["format","none",0,null,true]
EOT
    cos-cat --check < out > /dev/null
    run --separate-stderr cos-generate --strict --rejects rej --endpoint "$URL" --model m < in
    [[ "$stderr" == *"6 in, 1 out, 5 rejected (not in the step format 3, cut off at --max-tokens 1, "* ]]
    plain < rej | jq -e '.meta.reply | length > 0' > /dev/null
}

# ---- going on ----

@test "killed and resumed, again and again: the records of a run that was not" {
    jq -nc 'range(60) | {id: "\(.)", question: "[[\([range(6) | "slow:40"] | join(" "))]] \(.)"}, (select(. % 9 == 1) | {id: "b\(.)", question: "[[400 400 400 400 400 400]] \(.)"})' | cos-cat -q -f > in
    ask -n 2 < in > want
    more=()
    for k in 0 1 2 3; do
        # each is killed when it has written some more
        ( exec cos-generate -q --endpoint "$URL" --model m --seed 1 --backoff 0.005 --no-provenance -n 2 --concurrency 2 "${more[@]}" < in > r$k ) & pid=$!
        while kill -0 $pid 2> /dev/null && [ "$(cat r$k | wc -c)" -lt $((k * 6000 + 3000)) ]; do sleep 0.01; done
        kill -9 $pid
        wait $pid || [ $? = 137 ]
        more+=(--resume r$k)
        run -1 cos-cat r$k
    done
    [ "$(wc -c < r3)" -lt "$(wc -c < want)" ]
    : > "$W/log"
    ask -n 2 "${more[@]}" < in | cmp - want
    [ "$(log)" -lt 70 ]
}

@test "resumed from a stream cut at any byte" {
    size=$(wc -c < "$W/want.cos")
    for ((n = 0; n < size; n += size / ${CUTS:-25})); do
        head -c $n "$W/want.cos" > cut
        ask -n 3 --resume cut < "$W/ask.cos" | cmp - "$W/want.cos"
    done
}

@test "what is there is not asked again, what failed is" {
    ask -n 3 --resume "$W/want.cos" < "$W/ask.cos" | cmp - "$W/want.cos"
    [ "$(log)" = 0 ]
    { says a; says "[[400]] b"; says c; } | cos-cat -q -f > in
    ask < in > out
    : > "$W/log"
    ask --resume out < in > more
    [ "$(plain < more | jq -r .id)" = $'a\n[[400]] b\nc' ]
    [ "$(log)" = 1 ]
    cos-cat -q -n 10 --no-provenance < "$W/want.cos" > ten
    ask -n 3 --resume ten < "$W/ask.cos" | cmp - "$W/want.cos"
}

@test "records of another run are refused, never used" {
    for other in "--temperature 0.5" "--seed 2" "--max-tokens 7" "--stop x" "--extra {\"a\":1}"; do
        run -1 ask -n 3 $other --resume "$W/want.cos" < "$W/ask.cos"
        [[ "$output" == *"want.cos: record 1 (id q/0): made by another request"* ]]
    done
    run -1 cos-generate -n 3 --endpoint "$URL" --model other --seed 1 --resume "$W/want.cos" < "$W/ask.cos"
    [[ "$output" == *"made by another request"* ]]
    run -1 ask --resume "$W/ask.jsonl" < "$W/ask.cos"
    head -c 300 /dev/urandom > junk
    run -1 ask --resume junk < "$W/ask.cos"
    [[ "$output" == *"junk: record 1"* ]]
    { says z; } | cos-cat -q -f > in
    run -0 cos-generate -q --endpoint "$URL" --model m --resume "$W/want.cos" < in
    [[ "$output" == *"120 records are none of this run's"* ]]
}

@test "a file cannot be resumed into itself" {
    cp "$W/want.cos" same
    run -2 bash -c 'cos-generate --endpoint "$URL" --model m --resume same < "$W/ask.cos" >> same'
    [[ "$output" == *"--resume same: is the output, too"* ]]
    cmp same "$W/want.cos"
}

@test "what will not get better ends the run; --resume goes on with it" {
    for status in 401 402 404; do
        { says "$status a"; says "$status b"; says "[[$status]] c"; says d; } | cos-cat -q -f > in
        ask --concurrency 1 < in > part 2> err && false
        [ "$(cat err)" = "cos-generate: $URL/chat/completions: HTTP $status: {\"error\":{\"message\":\"not\\tnow\",\"type\":\"scripted\"}}" ]
        ask --concurrency 1 --resume part < in > out
        [ "$(plain < out | wc -l)" = 4 ]
    done
    jq -nc 'range(50) | {id: "\(.)", question: "[[\(if . < 5 then "ok" else "500 500" end)]] \(.)"}' | cos-cat -q -f > in
    ask --concurrency 2 --tries 2 --give-up 10 < in > part 2> err && false
    grep -q "10 requests in a row failed, the last with: HTTP 500: " err
    ask --concurrency 2 --resume part < in > out
    [ "$(plain < out | wc -l)" = 50 ]
}

@test "nobody there; and somebody after a while" {
    run -1 cos-generate --endpoint http://127.0.0.1:1/v1 --model m --tries 2 --backoff 0.01 --give-up 3 < "$W/ask.cos"
    [[ "$output" == *"3 requests in a row failed, the last with: no connection"* ]]
    "$COS_BIN/tests/net/server" port log 3>&- & first=$!
    while [ ! -s port ]; do sleep 0.01; done
    kill $first
    wait $first || true
    port=$(cat port)
    run -0 --separate-stderr cos-generate --endpoint "http://127.0.0.1:$port" --model m --tries 2 --backoff 0.01 --concurrency 1 < <(says a | cos-cat -q -f)
    [[ "$stderr" == *"1 rejected (no connection 1)"* ]]
}

# ---- secrets ----

@test "neither key nor password nor query come out anywhere" {
    { says "[[echo]] a"; says "[[echo 400]] b"; says "[[400]] c"; says d; } | cos-cat -f > in 2> /dev/null
    url="http://user:passw0rd-xyz@${URL#http://}?api=query-secret-9"
    export COS_API_KEY=sk-key-0123456789
    cos-generate --endpoint "$url" --model m -n 2 --rejects rej < in > out 2> err
    cos-generate --endpoint="$url" --model m -n 2 --resume out < in > out2 2>> err
    COS_API_KEY= cos-generate --endpoint "$url" --model m --seed 3 < in > out3 2>> err
    cos-generate --endpoint "$url" --model m --tries 0 < in > out4 2>> err || true
    cos-generate --endpoint "$url" --model m --resume nofile < in > out4 2>> err || true
    says "[[401]]" | cos-cat -q -f | cos-generate --endpoint "$url" --model m > out4 2>> err || true
    cos-generate --endpoint "http://user:passw0rd-xyz@127.0.0.1:1" --model m --tries 1 --give-up 1 < in > out5 2>> err || true
    cos-generate --endpoint "hppt://user:passw0rd-xyz@127.0.0.1:1" --model m < in > out6 2>> err || true
    cos-generate --endpoint "http://user:passw0rd-xyz@:x" --model m < in > out6 2>> err || true
    OTHER=sk-other-key-777 cos-generate --endpoint "$URL" --key-env OTHER --model m < in > out7 2>> err
    for f in out out2 out3 out5 out6 out7 rej; do cos-cat --json < $f > $f.json 2> /dev/null || true; done
    [ "$(grep -lE 'passw0rd|sk-key|sk-other|query-secret|dXNlcjpwYXNzdzByZC14eX' out* rej* err | wc -l)" = 0 ]
    # they did go to the server, and the echo came back without them
    grep -q 'Bearer_sk-key-0123456789 /v1/chat/completions?api=query-secret-9' "$W/log"
    grep -q 'Bearer_sk-other-key-777' "$W/log"
    grep -q 'Basic_dXNlcjpwYXNzdzByZC14eXo=' "$W/log"
    plain < out | jq -r 'select(.id == "[[echo]] a") | .path.steps[0].thought' | grep -qxF 'Bearer ***'
    plain < out3 | jq -r 'select(.id == "[[echo]] a") | .path.steps[0].thought' | grep -qxF 'Basic ***'
    grep -q '"http://\*\*\*@127.0.0.1:[0-9]*/v1?\*\*\*"' out.json
    grep -q -- '--endpoint=http://\*\*\*@127.0.0.1' out2.json
}

@test "a key with a line break is refused, a named variable has to be there" {
    COS_API_KEY=$'abc\r\nX-Evil: 1' run -1 ask < "$W/ask.cos"
    [[ "$output" == *"COS_API_KEY: holds a character that no key has"* ]]
    run -2 ask --key-env NOT_THERE < "$W/ask.cos"
    [[ "$output" == *"NOT_THERE: the variable is not set"* ]]
}

# ---- prompts and images ----

@test "prompts: what is sent is what the file says; shipped ones are sound" {
    printf 'a comment\n[user]\n{images}\ngold={answer};\n{question}\n{choices}\n' > p.txt
    { echo '{"id":"a","question":"q","answer":"17 km"}'; echo '{"id":"b","question":"q"}'; } | cos-cat -q -f > in
    run -0 --separate-stderr cos-generate --endpoint "$URL" --model m --prompt p.txt --rejects rej < in
    [[ "$stderr" == *"2 in, 1 out, 1 rejected (no right answer 1)"* ]]
    [ "$(ask --prompt p.txt < in | plain | jq -r .path.answer)" = "17 km" ]
    for p in "$BATS_TEST_DIRNAME"/../../pipelines/prompts/{reason-from-outcome,cos,numbered}.txt; do
        ask --prompt "$p" < "$W/ask.cos" > out
        [ "$(plain < out | wc -l)" = 40 ]
    done
    printf '[user]\n{question\n' > p.txt
    run -1 ask --prompt p.txt < in
    [[ "$output" == *"p.txt: line 2: a brace that begins no field"* ]]
    run -1 ask --prompt none.txt < in
    [[ "$output" == *"none.txt: No such file"* ]]
}

@test "images: of archives and folders and in the record, several or none, large ones" {
    mkdir img
    base64 -d > img/0.png <<< iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAATElEQVR42mM8el2EAQacInbsW+EBYTMiSyADJgYcgImBgWHNYhM4v2mnMULilsoruESd+1mExLKpzciGLJY9h9fyp0snwTlcRx7A2QCORxWfkldA/gAAAABJRU5ErkJggg==
    { cat img/0.png; head -c 3000000 /dev/zero; } > img/big.png
    (cd img && zip -q ../img.zip 0.png big.png)
    { echo '{"id":"a","question":"q","images":[{"ref":"0.png"}]}'; echo '{"id":"b","question":"<image> and <image>","images":[{"ref":"0.png"},{"ref":"big.png"}]}'
      jq -nc --arg b "$(base64 -w0 img/0.png)" '{id: "c", question: "q", images: [{data: {"$bin": $b}}]}'; says d; } | cos-cat -q -f > in
    ask --images img < in > out
    [ "$(plain < out | jq -r .id)" = $'a\nb\nc\nd' ]
    ask --images img.zip < in | cmp - out
    # the same bytes give the same request
    [ "$(plain < out | jq -r 'select(.id == "a" or .id == "c") | .path.steps[0].thought' | sort -u | wc -l)" = 2 ]
    [ "$(cos-cat -q --plain < in | jq -c 'select(.id == "c") | .id = "a"' | cos-cat -q -f | ask | plain | jq .path)" = "$(plain < out | jq 'select(.id == "a") | .path')" ]
}

# ---- streams ----

@test "two streams: each record under its own provenance" {
    cos-cat "$W/ask.cos" > other 2> /dev/null
    cat "$W/ask.cos" other | cos-generate -q --endpoint "$URL" --model m > out
    cos-cat -q --json < out > all
    [ "$(jq -r 'select(.kind == "trailer") | .count' all)" = $'40\n40' ]
    head -c $(($(wc -c < out) / 4 * 3)) out > cut
    cat "$W/ask.cos" other | cos-generate -q --endpoint "$URL" --model m --resume cut > out2
    [ "$(cos-cat -q --plain < out2)" = "$(cos-cat -q --plain < out)" ]
}

@test "empty input, cut input, foreign input" {
    cos-cat -q -f < /dev/null | ask | cos-cat -q --plain | cmp - /dev/null
    size=$(wc -c < "$W/ask.cos")
    for n in 0 1 20 $((size / 2)) $((size - 1)); do
        head -c $n "$W/ask.cos" > cut
        run -1 ask < cut
        ask < cut > part 2> /dev/null || true
        run -1 cos-cat part
        ask -n 3 --resume part < "$W/ask.cos" | cmp - "$W/want.cos"
    done
    run -1 ask < "$COS_BIN/cos-cat"
}

@test "full disk and closed pipe" {
    run -1 bash -c 'cos-generate -q --endpoint "$URL" --model m < "$W/ask.cos" > /dev/full'
    [[ "$output" == *"No space left"* ]]
    run -1 bash -c 'set -o pipefail; cos-generate -q --endpoint "$URL" --model m -n 100 < "$W/ask.cos" | head -c 1 > /dev/null'
    [[ "$output" == *"Broken pipe"* ]]
}

@test "a slow program before it holds nothing up" {
    { head -c -1 "$W/ask.cos"; while [ ! -e go ]; do sleep 0.1; done; tail -c 1 "$W/ask.cos"; } | { ask > out; } & pid=$!
    for ((i = 0; i < 100; i++)); do [ "$(cat out | wc -c)" -gt 1000 ] && break; sleep 0.1; done
    [ "$(wc -c < out)" -gt 1000 ]
    : > go
    wait $pid
    [ "$(plain < out | wc -l)" = 40 ]
}

@test "memory does not grow with the stream" {
    if [[ $COS_BIN == *san ]]; then skip "sanitizers keep freed memory"; fi
    for n in 300 4000; do
        jq -nc --argjson n $n 'range($n) | {id: "\(.)", question: "\(.) \("word " * 400)"}, (select(. == $n - 1) | {id: "last", question: "[[slow:500]]"})' |
            cos-cat -q -f > in
        ask < in > out & pid=$!
        peak $pid > peak.$n
        wait $pid
        [ "$(plain < out | wc -l)" = $((n + 1)) ]
    done
    [ "$(cat peak.4000)" -lt $(($(cat peak.300) + 4000)) ]
}

@test "usage" {
    run -2 cos-generate --endpoint "$URL" < "$W/ask.cos"
    [[ "$output" == *"want --model NAME"* ]]
    run -2 ask --endpoint nowhere < "$W/ask.cos"
    [[ "$output" == *"--endpoint: not an address"* ]]
    for o in "--next-step" "--search beam" "--prm x" "--batch 3" "--dtype f32" "--kv-tokens 9" "--template internvl"; do run -2 ask $o < "$W/ask.cos"; done
    for o in "--prompt x" "--resume x" "--strict" "--concurrency 3" "--rate 1" "--extra {}"; do run -2 cos-generate --model x $o < "$W/ask.cos"; done
    run -2 ask --extra '[]' < "$W/ask.cos"
    run -1 ask --extra '{' < "$W/ask.cos"
    run -0 cos-generate -h
    for o in endpoint prompt key-env extra resume concurrency rate timeout tries backoff give-up strict; do [[ "$output" == *"--$o"* ]]; done
}
