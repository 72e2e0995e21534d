# SPDX-License-Identifier: Apache-2.0
# cos-segment --from BENCHMARK and cos-eval accuracy --bench: files as the benchmarks have them, and the table. The rules
# themselves are in tests/unit/t_bench_rules.c, the published numbers in bench-data.bats.

bats_require_minimum_version 1.5.0
load helper

plain() { cos-cat --plain -q; }
# row KIND GROUP MEASURE COLUMN...: cells of the table on stdin by the columns' names, with spaces between
row() {
    local kind=$1 group=$2 measure=$3
    shift 3
    awk -F'\t' -v k="$kind" -v g="$group" -v m="$measure" -v want="$*" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; n = split(want, w, " "); next }
        $at["kind"] == k && $at["group"] == g && $at["measure"] == m { for (i = 1; i <= n; i++) printf "%s%s", $at[w[i]], i < n ? " " : "\n" }'
}

png() { printf 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=='; }

@test "mathvista: an object of objects; extraction, response, groups; several skills count in each" {
    cat >out.json <<'EOF'
{ "7": {"question": "Q", "image": "images/7.jpg", "choices": ["a", "b"], "answer": "b", "question_type": "multi_choice", "answer_type": "text",
        "precision": null, "metadata": {"split": "testmini", "task": "T", "skills": ["x", "y"]}, "response": "I say b", "extraction": "(B)",
        "prediction": "b", "true_false": true},
  "8": {"pid": "8", "question": "Q", "choices": null, "answer": "3", "question_type": "free_form", "answer_type": "integer",
        "metadata": {"split": "test", "task": "T", "skills": ["x"]}, "response": "3", "extraction": "none"} }
EOF
    cos-segment --from mathvista --images . out.json >x 2>err
    grep -q '2 in, 2 out' err
    [ "$(plain <x | jq -r '[.id, .path.text, .path.answer, .meta.prediction, (.meta.metadata.skills | length), .images[0].ref] | map(tostring) | join(";")')" = \
      $'7;I say b;(B);b;2;./images/7.jpg\n8;3;none;null;1;null' ]
    cos-eval accuracy -q --bench mathvista --extract stored x >t
    [ "$(row skills x accuracy n unparsed correct value <t)" = "2 1 1 0.5000" ]
    [ "$(row skills y accuracy n correct <t)" = "1 1" ]
    [ "$(row total total accuracy wrong drop random <t)" = "0.5000 1.0000 0.5000" ]
    [ "$(cos-eval accuracy -q --bench mathvista x | row total total accuracy n unparsed correct)" = "2 1 1" ]
    cos-segment --from mathvista --split test out.json 2>err | plain | jq -e '.id == "8"'
    grep -q '1 of another split' err
}

@test "the protocol, what it sees and how unparsed answers count stand in every row, as TSV and JSON" {
    echo '{"id": "1", "choices": ["a", "b"], "answer": "b", "path": {"text": "?"}, "meta": {"question_type": "multi_choice"}}' | cos-cat --from-json -q >x
    cos-eval accuracy --bench mathvista --protocol cos x 2>err | tail -n 1 | cut -f 1-3 >a
    printf 'mathvista cos\tan answer is cut to its first letter only where the right answer is a letter\twrong\n' | diff - a
    grep -q '1 of 1 answers could not be read' err
    grep -q 'sees the right answer' err
    cos-eval accuracy -q --json --bench mathvista --extract plain --unparsed random:7 x | jq -e '.rows[-1] | .protocol == "mathvista official plain" and .sees_gold == "no"
      and .unparsed_as == "random:7" and .low < .high and .interval == "Wilson" and .unparsed == 1 and .wrong == 0 and .drop == null'
}

@test "--unparsed: wrong, drop and random change the value, and never the three beside it" {
    # 40 unparsed questions of two choices, 10 right ones
    jq -n -c 'range(50) | {id: "\(.)", choices: ["xx", "yy"], answer: "A", path: {text: (if . < 10 then "(A)" else "?" end)}}' | cos-cat --from-json -q >x
    for how in wrong drop random:42; do cos-eval accuracy -q --bench m3cot --unparsed $how x >t-${how%:*}; done
    [ "$(row total total accuracy n unparsed correct value <t-wrong)" = "50 40 10 0.2000" ]
    [ "$(row total total accuracy n unparsed correct value <t-drop)" = "50 40 10 1.0000" ]
    for how in wrong drop; do [ "$(row total total accuracy wrong drop random <t-$how)" = "$(row total total accuracy wrong drop random <t-random)" ]; done
    # Python: random.seed(42); sum(random.choice("AB") == "A" for _ in range(40)) is 25
    [ "$(row total total accuracy correct value <t-random)" = "35 0.7000" ]
    [ "$(cos-eval accuracy -q --bench m3cot --unparsed random:43 x | row total total accuracy correct)" != 35 ]
    fails_with 2 'want wrong, drop or random:SEED' cos-eval accuracy --bench m3cot --unparsed random x
    fails_with 2 'want a number behind random:' cos-eval accuracy --bench m3cot --unparsed random:4x x
}

@test "mmmu: options as the text of a list, answers of their own file, subjects; draws go by subject" {
    cat >q.jsonl <<'EOF'
{"id": "validation_Sociology_1", "question": "Q <image 1>", "options": "['$6', \"it's\", 'c']", "answer": "B", "question_type": "multiple-choice", "image_1": "a.png", "image_2": "b.png"}
{"id": "validation_Accounting_1", "question": "Q", "options": "['1', '2', '3']", "answer": "A", "question_type": "multiple-choice"}
{"id": "validation_Math_1", "question": "Q", "options": "[]", "answer": ["24/7", "3.429"], "question_type": "open"}
EOF
    echo '{"validation_Sociology_1": "?", "validation_Accounting_1": "?", "validation_Math_1": "so 3.43", "other": "x"}' >out.json
    cos-segment --from mmmu --outputs out.json q.jsonl >x 2>err
    grep -q '1 outputs of ids that no row has' err
    plain <x | jq -s -e '(.[0] | .choices == ["$6", "it'"'"'s", "c"] and (.images | length) == 2 and .path.text == "?") and .[2].meta.answers == ["24/7", "3.429"] and (.[2] | has("choices") | not)'
    cos-eval accuracy -q --bench mmmu --unparsed random:42 --decisions d x >t
    [ "$(row domain Science accuracy correct <t) $(row subject Math accuracy correct <t)" = "1 1" ]
    # Python: random.seed(42); of three choices C, A: Accounting comes before Sociology
    [ "$(jq -r '.drawn' d | paste -sd ' ')" = "A C null" ]
    [ "$(row total total accuracy unparsed correct <t)" = "2 1" ]
}

@test "m3cot: the last message; repeated ids count once" {
    printf '%s\n' '{"id": "a", "answer": "B", "choices": ["x", "y"], "topic": "t", "messages": ["ask", "(A)", "again", "(B)"]}' \
        '{"id": "a", "answer": "B", "choices": ["x", "y"], "topic": "t", "messages": ["ask", "(A)"]}' >m
    cos-segment -q --from m3cot m | cos-eval accuracy --bench m3cot 2>err | row total total accuracy n correct | grep -qx '1 1'
    grep -q '1 not the first of their question' err
}

@test "scienceqa: LLaVA's conversations with outputs and results; problems.json" {
    cat >gold.json <<'EOF'
[{"id": "4", "conversations": [{"from": "human", "value": "Context: N/A\nQuestion: Which?\nOptions: (A) red (B) dark (red) (C) x"}, {"from": "gpt", "value": "The answer is C."}]},
 {"id": "5", "image": "5/image.png", "conversations": [{"from": "human", "value": "Context: A hint.\nMore.\nQuestion: Q?\nOptions: (A) a (B) b"}, {"from": "gpt", "value": "B"}]}]
EOF
    echo '{"acc": 1, "results": {"4": 2, "5": -1}, "outputs": {"4": "So. The answer is C.", "5": "B"}}' >out.json
    cos-segment -q --from scienceqa --outputs out.json gold.json >x
    plain <x | jq -s -e '.[0].choices == ["red", "dark (red)", "x"] and .[0].answer == "C" and .[0].question == "Which?" and (.[0].meta.hint | not) and .[1].meta.hint == "A hint.\nMore."
      and .[0].path.answer == "C" and (.[1].path | has("answer") | not)'
    cos-eval accuracy --bench scienceqa x >t 2>err
    [ "$(row context NO accuracy correct <t) $(row context IMG accuracy correct unparsed <t) $(row context TXT accuracy n <t)" = "1 0 1 1" ]
    grep -q 'takes exactly 4241 results; here are 2' err
    [ "$(cos-eval accuracy -q --bench scienceqa --protocol llava x | row total total accuracy correct)" = 2 ]
    [ "$(cos-eval accuracy -q --bench scienceqa --extract stored x 2>/dev/null | row total total accuracy correct unparsed)" = "1 1" ]
    echo '{"3": {"question": "Q", "choices": ["a", "b"], "answer": 1, "hint": "", "image": "image.png", "subject": "natural science", "grade": "grade2", "topic": "t", "split": "test"},
           "9": {"question": "Q", "choices": ["a", "b"], "answer": 0, "hint": "h", "image": null, "split": "train"}}' >p.json
    cos-segment -q --from scienceqa --split test p.json | plain | jq -e '.id == "3" and .answer == "B" and .images[0].ref == "3/image.png" and .meta.hint == ""'
}

@test "ai2d, mmstar: options in the question, TSV with images" {
    printf 'index\tquestion\tanswer\tcategory\tl2_category\timage\n0\t"Which?\nOptions: A: red, B: blue, C: a ""b"", D: x"\tB\tmath\tgeometry\t%s\n1\tQ\tC\tmath\tgeometry\t0\n' "$(png)" >s.tsv
    cos-segment -q --from mmstar s.tsv | plain >s
    jq -s -e '.[0].meta.choices == ["red", "blue", "a \"b\"", "x"] and .[0].images[0].type == "png" and .[1].images == .[0].images and .[0].id == "0" and (.[0].question | startswith("Which?\nOptions"))' s
    jq -n -c '{question: "What?\nA. cat\nB. dog\nAnswer with the letter.", question_id: 5, answer: "B", image: "a.png"}, {question: "What?", options: ["w", "x"], answer: "1"}' >a.jsonl
    cos-segment -q --from ai2d a.jsonl | plain | jq -s -e '.[0].meta.choices == ["cat", "dog"] and .[0].id == "5" and .[1].choices == ["w", "x"] and .[1].answer == "B" and .[1].id == "a-2"'
    printf 'index\tquestion\tA\tB\tanswer\tprediction\n1\tQ\tcat\tdog\tB\tit is a dog\n' >v.tsv
    cos-segment -q --from ai2d v.tsv | cos-eval accuracy -q --bench ai2d --protocol vlmevalkit | row total total accuracy correct | grep -qx 1
}

@test "mmstar: fixed sizes, the mean of the sub-categories" {
    jq -n -c 'range(4) | {index: ., question: "q", answer: "A", category: "math", l2_category: (if . < 3 then "g" else "s" end), prediction: (if . < 3 then "A" else "B" end)}' >m
    cos-segment -q --from mmstar m | cos-eval accuracy -q --bench mmstar >t
    [ "$(row total total accuracy n missing correct value <t)" = "4 1496 3 0.0020" ]
    [ "$(row category math accuracy missing value <t)" = "246 0.0120" ]
    [ "$(row l2_category g accuracy missing value <t)" = "0 1.0000" ]
    [ "$(row mean l2_category accuracy value <t)" = "0.5000" ]
}

@test "chartqa: the file says the split; a result file with the answer beside its annotation" {
    echo '[{"imgname": "1.png", "query": "Q", "label": "14"}]' >test_human.json
    jq -n -c '{question: "Q", question_id: 0, answer: "10", annotation: "10.4"}' >chart_augmented.jsonl
    cos-segment -q --from chartqa test_human.json | plain | jq -e '.id == "test_human-1" and .answer == "14" and .meta.split == "test_human" and .images[0].ref == "1.png"'
    cos-segment -q --from chartqa chart_augmented.jsonl >x
    plain <x | jq -e '.id == "test_augmented/0" and .answer == "10.4" and .path.answer == "10"'
    [ "$(cos-eval accuracy -q --bench chartqa --protocol cos --extract plain x | row split test_augmented accuracy correct)" = 1 ]
}

@test "mme: lines of a task, pairs, scores; what does not pair is an error" {
    mkdir t
    printf 'a.jpg\tIs it? Please answer yes or no.\tYes\tyes, it is\r\na.jpg\tNot?\tNo\tNo\nb.jpg\tQ\tYes\tIt is\nb.jpg\tQ\tNo\tno\n' >t/OCR.txt
    printf '1.png\tQ "x\tYes\tyes\n1.png\tQ\tNo\tyes\n' >t/code_reasoning.txt
    cos-segment -q --from mme t/*.txt >x
    plain <x | jq -s -e '.[0].id == "OCR/0001" and .[0].path.text == "yes, it is" and .[0].images[0].ref == "OCR/a.jpg" and .[4].question == "Q \"x" and .[4].meta.category == "code_reasoning"'
    cos-eval accuracy -q --bench mme x >t.tsv
    [ "$(row perception OCR accuracy n unparsed correct <t.tsv) $(row perception OCR accuracy+ n unparsed correct value <t.tsv)" = "4 1 3 2 1 1 0.5000" ]
    [ "$(row perception OCR score value <t.tsv) $(row cognition code_reasoning score value low <t.tsv)" = "125.0000 50.0000 -" ]
    [ "$(row total perception score value <t.tsv) $(row total total score value drop <t.tsv)" = "125.0000 175.0000 250.0000" ]
    head -n 3 t/OCR.txt >t/count.txt
    cos-segment -q --from mme t/count.txt >y
    fails_with 1 'a question without a second one' cos-eval accuracy --bench mme y
    sed -i '2s/^a/c/' t/OCR.txt
    cos-segment -q --from mme t/OCR.txt >y
    fails_with 1 'its image is another' cos-eval accuracy --bench mme y
    printf 'a\tb\tc\td\te\n' >t/bad.txt
    fails_with 1 '5 fields, want 4' cos-segment --from mme t/bad.txt
    printf 'a.jpg\tQ\tYes\n' >t/scene.txt
    cos-segment -q --from mme t/scene.txt | plain | jq -e '(has("path") | not) and .images[0].ref == "scene/images/a.jpg"'
}

@test "responses in the step format: steps beside the text, every protocol reads the answer" {
    reply=$'<|reasoning_start|>\n<|reasoning_step_start|>\n<|reasoning_step_name_start|>n<|reasoning_step_name_end|>\n<|reasoning_step_thought_start|>A or B?<|reasoning_step_thought_end|>\n<|reasoning_step_reflection_start|><|reasoning_step_reflection_end|>\n<|reasoning_step_end|>\n<|reasoning_end|>\nAnswer:\n<|answer_start|>(B)<|answer_end|>'
    jq -n -c --arg r "$reply" '{question_id: "1", question: "q", choices: ["x", "y"], answer: "B", response: $r}' >in
    cos-segment -q --from m3cot in >x
    plain <x | jq -e '.path.answer == "(B)" and (.path.steps | length) == 1 and (.path.text | endswith("<|answer_end|>"))'
    cos-cat --check -q x >/dev/null
    for p in official cos vlmevalkit; do [ "$(cos-eval accuracy -q --bench m3cot --protocol $p x | row total total accuracy correct)" = 1 ]; done
    plain <x | jq -c 'del(.path.text)' | cos-cat --from-json -q >y
    for p in official cos vlmevalkit; do [ "$(cos-eval accuracy -q --bench m3cot --protocol $p y | row total total accuracy correct)" = 1 ]; done
}

@test "cos-score answer --bench: the same decisions, into the records" {
    jq -n -c '(["B", "(a)", "?", "b, c"] | to_entries[] | {id: "\(.key)", choices: ["xx", "yy"], answer: "B", path: {text: .value}})' | cos-cat --from-json -q >x
    cos-eval accuracy -q --bench m3cot --decisions d x >t
    cos-score answer -q --bench m3cot x >y
    [ "$(plain <y | jq -c '[.path.correct, .path.unparsed, .scores.answer == 1]' | paste -sd ' ')" = '[true,null,true] [false,null,false] [false,true,false] [true,null,true]' ]
    diff <(jq -c .correct d) <(plain <y | jq -c .path.correct)
    [ "$(plain <y | jq -c '.path.answer' | paste -sd ' ')" = '"B" "A" null "B"' ]
    [ "$(cos-eval accuracy -q --json y | jq -c '[.total.correct, .total.unparsed]')" = "[2,1]" ]
    cos-score answer --bench mathvista --protocol cos -h >/dev/null
    fails_with 2 'want one of' cos-score answer --bench nope x
    fails_with 2 'go with --bench' cos-score answer --protocol cos x
    echo '{"id": "1", "path": {"text": "A"}}' | cos-cat --from-json -q | cos-score answer --bench m3cot 2>err >z
    grep -q '1 rejected (not a record of the benchmark 1)' err
    grep -q 'no right answer' err
}

@test "pipelines/bench.sh: from outputs to a table; how models are asked" {
    top=$BATS_TEST_DIRNAME/../..
    jq -n '{"1": {question: "Q?", choices: ["a", "b"], answer: "b", question_type: "multi_choice", answer_type: "text", metadata: {task: "T"}, response: "x", extraction: "B"},
      "2": {question: "How long?", choices: null, unit: "g", precision: 2, answer: "1.50", question_type: "free_form", answer_type: "float", metadata: {task: "T"}, response: "x", extraction: "1.5"}}' >out.json
    ARGS=-q "$top/pipelines/bench.sh" mathvista - o out.json -- --extract stored >t
    diff t o.tsv
    [ "$(row total total accuracy n correct <t)" = "2 1" ]       # str(1.5) is "1.5", not "1.50"
    jq -e '.rows[-1].correct == 1' o.json
    asked() { cos-segment -q --from "$1" in | plain | jq -r --arg bench "$1" --arg ask "$2" -f "$top/pipelines/ask.jq"; }
    jq -c '.["1"]' out.json >in
    asked mathvista official | jq -e '.question == "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.\nQuestion: Q?\nChoices:\n(A) a\n(B) b"
      and .meta.choices == ["a", "b"] and (has("choices") | not)'
    jq -c '.["2"]' out.json >in
    asked mathvista cos | jq -e '.question | startswith("Hint: Please answer the question requiring a floating-point number with two decimal places") and
      endswith("\nQuestion: How long? (Unit: g)\nThink step-by-step first and then answer the question with a single number or an option letter.")'
    echo '{"question": "What?\nA. cat\nB. dog\nAnswer with the option'"'"'s letter from the given choices directly.", "answer": "A"}' >in
    asked ai2d cos | jq -e '.question == "What?\nA. cat\nB. dog\nThink step-by-step first and then answer with the option'"'"'s letter from the given choices directly."'
    echo '{"id": "3", "question": "Q", "hint": "H", "choices": ["a", "b"], "answer": 0}' >in
    asked scienceqa official | jq -e '.question == "H\nQ\nA. a\nB. b\nAnswer with the option'"'"'s letter from the given choices directly." and .answer == "A"'
}

@test "what is wrong with options, rows and files is said in one line" {
    echo '{"id": "1", "answer": "A", "path": {"text": "A"}}' | cos-cat --from-json -q >x
    fails_with 2 '--bench mmlu: want one of mathvista' cos-eval accuracy --bench mmlu x
    fails_with 2 'ai2d has cos, vlmevalkit' cos-eval accuracy --bench ai2d x
    fails_with 2 '--match, --by and --all do not go with --bench' cos-eval accuracy --bench m3cot --all x
    fails_with 2 'go with --bench' cos-eval accuracy --protocol cos x
    fails_with 2 '--int-text goes with' cos-eval accuracy --bench m3cot --int-text x
    fails_with 1 '--decisions /nowhere/d' cos-eval accuracy -q --bench m3cot --decisions /nowhere/d x
    fails_with 2 'are for benchmarks' cos-segment --from cos --split test x
    echo '{"id": "1", "path": {"text": "A"}}' | cos-cat --from-json -q >y
    fails_with 1 'record 1 (id 1): no right answer' cos-eval accuracy --bench m3cot y
    fails_with 1 'neither JSON nor a table' cos-segment --from mmstar <<<"a b c"
    fails_with 1 'cut off within quotes' cos-segment --from mmstar <<<$'question\tanswer\n"a\tb'
    fails_with 1 'text behind a closing quote' cos-segment --from mmstar <<<$'question\tanswer\n"a"b\tc'
    fails_with 1 'the object is not closed' cos-segment --from mathvista <<<'{"1": {"question": "q"}'
    fails_with 1 'want a colon' cos-segment --from mathvista <<<'{"1": {"question": "q"}, "2" {}}'
    fails_with 1 'text behind the object' cos-segment --from mathvista <<<'{"1": {"question": "q"}} {}'
    echo '{"a": 5}' >out.json
    fails_with 1 'out.json: a: want a text' cos-segment --from mmmu --outputs out.json <<<'{"id": "a", "question": "q"}'
    cos-segment --from m3cot <<<'{"id": "a", "question": "q", "choices": 5}' 2>err | plain >out
    grep -q '1 rejected (malformed choices 1)' err
    echo '{"a": "x"}' >out.json
    cos-segment --from m3cot --outputs out.json <<<'{"id": "b", "question": "q"}' 2>err >out
    grep -q '1 rejected (no output of this id 1)' err
}

@test "a file cut at any byte is an error in one line" {
    echo '{ "7": {"question": "Q \"x\\", "choices": ["a", "b"], "answer": "b"}, "8": {"question": "é"} }' >in
    n=$(wc -c <in)
    for ((i = 0; i < n - 2; i++)); do
        head -c $i in >cut
        got=0
        cos-segment -q --from mathvista cut >out 2>err || got=$?
        if [ "$got" != 1 ] || [ "$(wc -l <err)" != 1 ]; then echo "cut at $i: status $got"; cat err; return 1; fi
    done
}
