# SPDX-License-Identifier: Apache-2.0
# examples/shapes: the generator, the truth labels against recounts by jq, and the page.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH=$COS_BIN:$COS_BIN/examples/shapes:$PATH
    page=$BATS_TEST_DIRNAME/../../pipelines/page.sh
}

records() { cos-cat --json -q | jq -c 'select(.id)'; }

@test "the same bytes for every number of threads; another seed, other worlds" {
    shapes make -n 60 --seed 4 --no-provenance -q --threads 1 >one
    shapes make -n 60 --seed 4 --no-provenance -q --threads 3 >three
    cmp one three
    shapes make -n 60 --seed 5 --no-provenance -q | records | jq -c .meta.world | sort >b
    records <one | jq -c .meta.world | sort >a
    [ "$(wc -l <a)" = 60 ]
    [ -z "$(comm -12 a b)" ]
}

@test "record i does not depend on how many follow" {
    shapes make -n 20 -q | records >few
    shapes make -n 40 -q | records | head -n 20 | cmp - few
}

@test "records and labels meet the schemas" {
    shapes make -n 40 -q | cos-cat --check -q
    shapes make -n 40 -q --questions | cos-cat --check -q
    shapes make -n 40 -q | shapes truth -q | cos-score answer -q | cos-cat --check -q
}

@test "captions name every object and every bar, and nothing else" {
    shapes make -n 60 --ask caption -q >c
    cos-cat --check -q <c >/dev/null
    records <c | jq -e -s 'all(.question == "What is in the image?" and .path == {steps: [], answer: .answer, index: 0, end: "stop"})'
    records <c | jq -e -s 'map(select(.source == "chart/caption")) | length > 10 and all(.answer
        == (.meta.world.bars | map("\(.label): \(.colour), \(.value)") | join("; ")))'
    records <c | jq -e -s 'map(select(.source == "scene/caption")) | length > 10 and all((.answer | split("; ") | map(sub("^[a-z ]*: "; "")) | sort)
        == (.meta.world.objects | map("\(.size) \(.colour) \(.shape)") | sort))'
}

@test "images inline, in a tar and in a folder are the same" {
    shapes make -n 12 -q | records | jq -r '.images[0].data["$bin"]' >inline
    shapes make -n 12 -q --images i.tar | records | jq -r '.images[0].ref' >refs
    mkdir out && tar -xf i.tar -C out
    sed 's/^i.tar!//' refs | while read -r f; do base64 -w 0 "out/$f"; echo; done | cmp - inline
    shapes make -n 12 -q --images folder | records | jq -r '.images[0].ref' | while read -r f; do base64 -w 0 "folder/$f"; echo; done | cmp - inline
}

@test "answers agree with a recount of the world by jq" {
    shapes make -n 3000 -q --source scene/count --source scene/more --source chart/sum --source chart/rank --images i.tar | records >r
    cat >recount.jq <<'END'
def sel: split(" ") as $w | {size: ($w[] | select(. == "small" or . == "large"))} // {} | . as $s
  | ($w | last | gsub("(?<x>cross)es$|s$"; .x // "")) as $noun
  | ($w - ["small", "large"])[:-1] as $colour
  | $s + (if $noun == "object" then {} else {shape: $noun} end) + (if $colour == [] then {} else {colour: $colour[0]} end);
def count($s): [.meta.world.objects[] | . as $o | select(all($s | to_entries[]; $o[.key] == .value))] | length;
def value($l): .meta.world.bars[] | select(.label == $l) | .value;
. as $r | (.question
  | if test("^How many more") then capture("^How many more (?<a>.*) than (?<b>.*) are there") | (.a | sel) as $a | (.b | sel) as $b | $r | (count($a) - count($b)) | tostring
    elif test("^(How many|What is the number)") then capture("^(How many|What is the number of) (?<a>.*?)( are there)?\\?$") | (.a | sel) as $a | $r | count($a) | tostring
    elif test("sum") then [scan("\\b[A-H]\\b")] as $l | $r | [value($l[])] | add | tostring
    else capture("the (?<rank>.*)\\?").rank as $k | $r | .meta.world.bars | sort_by(.value) | map(.label)
      | {highest: .[-1], lowest: .[0], "second highest": .[-2], "second lowest": .[1]}[$k] end) as $want
| select($want != .answer) | [.id, .question, .answer, $want]
END
    run jq -c -f recount.jq r
    [ "$status" = 0 ]
    [ -z "$output" ]
    [ "$(wc -l <r)" = 3000 ]
}

@test "truth: reference paths are right, one changed number is wrong at its step" {
    shapes make -n 300 -q --seed 2 >good
    run --separate-stderr shapes truth <good
    [[ "$stderr" == *"0 false, 0 irrelevant, 0 unparsed; answers: 300 of 300 right"* ]]
    # The second step's numbers go up by one, where it has any.
    records <good | jq -c 'if (.path.steps[1].thought | test("= [0-9]+$|reaches [0-9]+$"))
      then .meta.broken = true | .path.steps[1].thought |= sub("(?<n>[0-9]+)$"; (.n | tonumber + 1 | tostring)) else . end' \
      | cos-cat --from-json -q | shapes truth -q | records >out
    jq -e -s '[.[] | select(.meta.broken)] | length > 60' out
    jq -e -s 'all(.[]; [.path.steps[].labels[0].value] == (.path.steps | [range(length)] | map(1)) or .meta.broken)' out
    jq -e -s 'all(.[] | select(.meta.broken); .path.steps[1].labels[0] == {by: "truth", value: 0, why: "false"}
      and ([.path.steps[].labels[0].value] | add) == (.path.steps | length) - 1)' out
    jq -e -s 'all(.[]; .path.correct and .path.answer_labels == [{by: "truth", value: 1}])' out
}

@test "--slip: authors take that share of the bars in crowded charts for the one beside" {
    shapes make -n 1500 -q --seed 3 --slip 0.6 --difficulty 2 --kind chart | shapes truth -q | records >out
    # where one bar is named it happens or not, so the share shows
    jq -e -s '[.[] | select(.source == "chart/read" and (.question | test("bar [A-H]")) and (.meta.world.bars | length) >= 4)]
      | length > 60 and ((map(select(.meta.slip)) | length) / length | . > 0.5 and . < 0.7)' out
    # the bar read is the one right of the bar asked for, or left of the last one
    jq -e -s '[.[] | select(.source == "chart/read" and .meta.slip)] | length > 30 and all(.[];
      [.meta.world.bars[].label] as $bars | (.question | capture("bar (?<l>[A-H])").l) as $asked | ($bars | index($asked)) as $i
      | $bars[if $i + 1 < ($bars | length) then $i + 1 else $i - 1 end] as $beside
      | (.path.answer | tonumber) == (.meta.world.bars[] | select(.label == $beside).value))' out
    # a slip is a step that this question does not need, and only slips are wrong
    jq -e -s 'map(select(.meta.slip)) | length > 200 and all(.[]; any(.path.steps[]; .labels[0].why == "irrelevant"))
      and (map(select(.path.correct)) | length) < length / 4' out
    jq -e -s 'all(.[] | select(.meta.slip | not); .path.correct and all(.path.steps[]; .labels[0].value == 1))' out
    # without the option, and where only questions are made, nobody slips, and the worlds are the same
    what='[.id, .question, .answer, .meta.world]'
    shapes make -n 50 -q --slip 1 | records | jq -c "$what" >a
    shapes make -n 50 -q | records | jq -c "$what" | cmp - a
    [ -z "$(shapes make -n 50 -q | records | jq -c 'select(.meta.slip)')" ]
    [ -z "$(shapes make -n 50 -q --slip 1 --questions | records | jq -c 'select(.meta.slip)')" ]
}

@test "truth: keeps the labels of others, replaces its own, judges wrong answers and texts" {
    shapes make -n 20 -q | records | jq -c '.path.steps[0].labels = [{by: "mc", k: 3, n: 4}, {by: "truth", value: 0}]
      | .path.steps[1].reflection = "as anyone can see" | .path.answer = "42"' | cos-cat --from-json -q | shapes truth -q | records >out
    jq -e -s 'all(.[]; .path.steps[0].labels == [{by: "mc", k: 3, n: 4}, {by: "truth", value: 1}]
      and .path.steps[1].labels == [{by: "truth", value: 0, why: "unparsed"}] and .path.correct == false
      and .path.answer_labels == [{by: "truth", value: 0, why: "false"}])' out
}

@test "truth: what cannot be judged is rejected with its reason" {
    shapes make -n 5 -q | records | jq -c '(if .id == "shapes/0-0" then del(.path) elif .id == "shapes/0-1" then .meta = {}
      elif .id == "shapes/0-2" then .question = "Why?" elif .id == "shapes/0-3" then .answer = "nobody" else . end)' | cos-cat --from-json -q >in
    run --separate-stderr shapes truth --rejects rejects <in
    [ "$status" = 0 ]
    [[ "$stderr" == *"5 in, 1 out, 4 rejected (no path 1, no world 1, question not understood 1, answer is not the world's 1)"* ]]
    [ "$(records <rejects | jq -r .meta.reject | head -n 1)" = "no path" ]
}

@test "train and test share nothing, whatever the seeds" {
    what='[.question, .answer, (.meta.world | (.bars // (.objects | map({shape, colour, size}))))]'
    for k in 1 2; do shapes make -n 1500 -q --difficulty 1 --kind chart --split train --seed $k | records | jq -c "$what"; done | sort -u >train
    shapes make -n 600 -q --difficulty 1 --kind chart --split test --seed 1 | records | jq -c "$what" | sort -u >test
    [ -z "$(comm -12 train test)" ]
}

@test "no constant answer gets far in any source" {
    shapes make -n 4000 -q --questions --seed 8 --images i.tar | records | jq -r '[.source, .answer] | @tsv' >answers
    awk -F'\t' '{ n[$1]++; if (++k[$1 FS $2] > top[$1]) { top[$1] = k[$1 FS $2]; best[$1] = $2 } }
      END { for (s in n) { p = top[s] / n[s]; printf "# %-14s %4d  always \"%s\": %.3f\n", s, n[s], best[s], p; bad += p > 0.35 } exit bad > 0 }' answers >&3
    [ "$(cut -f 1 answers | sort -u | wc -l)" = 11 ]
}

@test "bad options and a full disk" {
    run shapes make --source scene/nothing
    [ "$status" = 2 ]
    run shapes make --kind chart --source scene/odd
    [ "$status" = 2 ]
    run shapes make --size 7
    [ "$status" = 2 ]
    run sh -c 'shapes make -n 50 >/dev/full'
    [ "$status" = 1 ]
    [[ "$output" == *"No space left"* ]]
    run sh -c 'shapes make -n 50 --images nowhere/i.tar >/dev/null'
    [ "$status" != 0 ]
    run sh -c 'shapes make -n 9 -q | head -c 5000 | shapes truth >/dev/null'
    [ "$status" = 1 ]
}

@test "the page: complete, nothing from outside, texts escaped" {
    shapes make -n 60 -q | records | jq -c 'if .id == "shapes/0-3" then .path.answer = "<script>&" | .source = "scene/<b>" else . end' \
      | cos-cat --from-json -q | shapes truth -q | cos-score answer -q >p.cos
    sh "$page" -n 100 -t 'A <title>' -k 'Model=x & y' p.cos >r.html
    [ "$(grep -c '<article>' r.html)" = 60 ]
    [ "$(grep -o 'data:image/png;base64,iVBOR' r.html | wc -l)" = 60 ]
    grep -q '<title>A &lt;title&gt;</title>' r.html
    grep -q 'x &amp; y' r.html
    grep -q '&lt;script&gt;&amp;' r.html
    run ! grep -qE '<script|https?://|<link|scene/<b>' r.html
    grep -q '59 of 59' r.html
    shapes make -n 30 -q --images i.tar | shapes truth -q | cos-score answer -q >q.cos
    sh "$page" -n 5 -i i.tar q.cos >s.html
    [ "$(grep -o 'data:image/png;base64,iVBOR' s.html | wc -l)" = 5 ]
    run sh "$page" nothing.cos
    [ "$status" != 0 ]
}
