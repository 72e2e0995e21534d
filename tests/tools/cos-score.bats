# SPDX-License-Identifier: Apache-2.0
# cos-score answer.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH=$COS_BIN:$PATH
}

# Records of answer<TAB>path answer lines; a path answer "-" is none.
paths() { jq -R -c 'split("\t") | {id: "q/\(input_line_number)", answer: .[0], path: (if .[1] == "-" then {steps: []} else {steps: [], answer: .[1]} end)}' | cos-cat --from-json -q; }
results() { cos-cat --json -q | jq -r 'select(.id) | [.path.correct, .scores.answer, .path.unparsed] | map(tostring) | join(" ")'; }

@test "exact: right, wrong, unparsed" {
    printf 'red\tThe Red.\nred\tblue\n3\t-\n3\t3.0\n' | paths | cos-score answer | results >out
    printf 'true 1 null\nfalse 0 null\nfalse 0 true\nfalse 0 null\n' | cmp - out
}

@test "number and relaxed" {
    printf '3\t3.0\n100\t104\n100\t106\n' | paths >in
    [ "$(cos-score answer --match number -q <in | results | cut -d' ' -f 1 | tr '\n' ' ')" = "true false false " ]
    [ "$(cos-score answer --match relaxed -q <in | results | cut -d' ' -f 1 | tr '\n' ' ')" = "true true false " ]
}

@test "choice: letters and texts; without choices rejected" {
    jq -n -c '{id: "a", answer: "B", choices: ["cat", "dog"], path: {steps: [], answer: "Dog"}},
      {id: "b", answer: "cat", choices: ["cat", "dog"], path: {steps: [], answer: "(B)"}}, {id: "c", answer: "B", path: {steps: [], answer: "B"}}' | cos-cat --from-json -q >in
    run --separate-stderr sh -c 'cos-score answer --match choice <in >out'
    [ "$status" = 0 ]
    [[ "$stderr" == *"3 in, 2 out, 1 rejected (no choices 1)"* ]]
    [ "$(results <out | tr '\n' ' ')" = "true 1 null false 0 null " ]
}

@test "no right answer, no path: rejected, kept with the reason" {
    jq -n -c '{id: "a", path: {answer: "x"}}, {id: "b", answer: "x"}, {id: "c", answer: "x", path: {answer: "x"}}' | cos-cat --from-json -q >in
    run --separate-stderr sh -c 'cos-score answer --rejects bad <in >out'
    [[ "$stderr" == *"3 in, 1 out, 2 rejected (no right answer 1, no path 1)"* ]]
    [ "$(cos-cat --json -q bad | jq -r 'select(.id) | .meta.reject' | tr '\n' ' ')" = "no right answer no path " ]
}

@test "unknown keys and other scores stay; scoring again changes nothing" {
    jq -n -c '{id: "a", answer: 7, path: {answer: 7, unparsed: true, mine: [1]}, scores: {prm: 0.5}, other: {x: null}}' | cos-cat --from-json -q >in
    cos-score answer -q --no-provenance <in >one
    cos-score answer -q --no-provenance <one >two
    cmp one two
    cos-cat --json -q one | jq -e -s '.[] | select(.id) | .path.mine == [1] and .path.correct and (.path | has("unparsed") | not)
      and .scores == {prm: 0.5, answer: 1} and .other == {x: null}'
}

@test "cut input at any byte, a full disk, wrong options" {
    printf 'red\tred\nblue\tred\n' | paths >in
    n=$(wc -c <in)
    for k in $(seq 0 7 $((n - 1))); do
        run sh -c "head -c $k in | cos-score answer >/dev/null"
        [ "$status" = 1 ]
    done
    run sh -c 'cos-score answer <in >/dev/full'
    [ "$status" = 1 ]
    run cos-score answer --match fuzzy
    [ "$status" = 2 ]
    run cos-score
    [ "$status" = 2 ]
    cos-score answer -h | grep -q 'match exact|relaxed|number|choice'
}
