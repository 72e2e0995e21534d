# SPDX-License-Identifier: Apache-2.0
# cos-eval accuracy: the counts add up, and no question leaves the denominator.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR"
    PATH=$COS_BIN:$PATH
    # 7 questions in two sources, 3 paths each; path j of question i is right if i % 3 > j; question 6's first has no answer
    jq -n -c 'range(7) as $i | range(3) as $j | {id: "q/\($i)", source: (if $i < 4 then "b" else "a" end), answer: "yes", meta: {k: ($i % 2)},
      path: {index: (2 - $j), steps: [range($j + 1) | {name: "s"}], answer: (if $i == 6 and $j == 2 then null elif $i % 3 > 2 - $j then "Yes" else "no" end),
      tokens: {"$u32": [range(10 * ($i + 1))]}}}' | cos-cat --from-json -q >plain
    cos-score answer -q <plain >scored
}

@test "first paths: rows, total, interval" {
    cos-eval accuracy scored >out 2>err
    # index 0 of question i is right if i % 3 > 0: of b: 1, 2; of a: 4, 5; question 6's is unparsed
    printf 'source\tn\tpaths\tcorrect\tunparsed\taccuracy\tlow\thigh\tsteps\ttokens\n' >want
    printf 'a\t3\t3\t2\t1\t0.6667\t0.2077\t0.9385\t3.00\t60.0\n' >>want
    printf 'b\t4\t4\t2\t0\t0.5000\t0.1500\t0.8500\t3.00\t25.0\n' >>want
    printf 'total\t7\t7\t4\t1\t0.5714\t0.2505\t0.8418\t3.00\t40.0\n' >>want
    diff want out
    grep -q '21 in, 7 used, 14 not the first of their question' err
}

@test "the order of the records does not matter" {
    cos-eval accuracy -q scored >a
    cos-cat --json -q scored | jq -c 'select(.id)' | sort -r | cos-cat --from-json -q | cos-eval accuracy -q >b
    cmp a b
}

@test "--match compares anew and agrees; unscored paths are an error" {
    cos-eval accuracy -q scored >a
    cos-eval accuracy -q --match exact <plain >b
    cmp a b
    run cos-eval accuracy -q plain
    [ "$status" = 1 ]
    [[ "$output" == *"record 1 (id q/0): no path.correct"* ]]
}

@test "--all: the mean over all paths, JSON, another key" {
    cos-eval accuracy -q --json --all --by meta.k scored >out
    jq -e '.by == "meta.k" and .paths == "all" and ([.rows[].name] == ["0", "1"]) and .total.n == 7 and .total.paths == 21
      and ([.rows[].correct] | add) == .total.correct and ([.rows[].n] | add) == .total.n and ([.rows[].unparsed] | add) == .total.unparsed' out
    # right paths: 0 1 2 0 1 2 0 of three
    jq -e '.total.correct == 6 and (.total.accuracy - 2 / 7 | fabs) < 1e-6 and .total.low < .total.accuracy and .total.low >= 0' out
}

@test "records that cannot be counted end the program" {
    run sh -c 'jq -n -c "{id: \"a\", answer: \"x\"}" | cos-cat --from-json -q | cos-eval accuracy'
    [ "$status" = 1 ]
    [[ "$output" == *"no path"* ]]
    run sh -c 'jq -n -c "{id: \"a\", path: {correct: null}}" | cos-cat --from-json -q | cos-eval accuracy'
    [ "$status" = 1 ]
    run sh -c 'jq -n -c "{id: \"a\", path: {correct: true}}" | cos-cat --from-json -q | cos-eval accuracy'
    [ "$status" = 1 ]
    [[ "$output" == *"without an answer"* ]]
    run sh -c 'jq -n -c "{id: \"a\", source: (\"x\", \"y\"), path: {answer: \"x\", correct: true}}" | cos-cat --from-json -q | cos-eval accuracy'
    [ "$status" = 1 ]
    [[ "$output" == *"another source"* ]]
    run sh -c 'cos-cat --from-json -q </dev/null | cos-eval accuracy'
    [ "$status" = 1 ]
    run sh -c 'cos-eval accuracy </dev/null'
    [ "$status" = 1 ]
    run sh -c 'head -c 700 scored | cos-eval accuracy'
    [ "$status" = 1 ]
    run sh -c 'cos-eval accuracy scored >/dev/full'
    [ "$status" = 1 ]
}

@test "the same path twice is said" {
    run --separate-stderr sh -c 'cat scored scored | cos-eval accuracy'
    [ "$status" = 0 ]
    [[ "$stderr" == *"have the id and the index of another path"* ]]
    [[ "$output" == *"total	7	7"* ]]
}

@test "a text in a name cannot break the table" {
    jq -n -c '{id: "a", source: "x\ty\n\"z\"", path: {answer: "x", correct: true}}' | cos-cat --from-json -q >in
    [ "$(cos-eval accuracy -q in | wc -l)" = 3 ]
    [ "$(cos-eval accuracy -q --json in | jq -r '.rows[0].name')" = "$(printf 'x\ty\n"z"')" ]
}
