# SPDX-License-Identifier: Apache-2.0
# cos-segment: each form of input, what is rejected and why, broken input and output.

bats_require_minimum_version 1.5.0
load helper
TOP=$BATS_TEST_DIRNAME/../..

plain() { cos-cat --plain -q; }

# A response in the step format: cos_text ANSWER TAG STEP...   (a step is "name|thought|reflection")
cos_text() {
    local answer=$1 tag=$2 first=1 s
    shift 2
    printf '<|reasoning_start|>\n'
    for s; do
        [ $first = 1 ] || printf '<|reasoning_proceed|>\n'
        first=0
        IFS='|' read -r name thought reflection <<<"$s"
        printf '<|reasoning_step_start|>\n<|reasoning_step_name_start|>%s<|reasoning_step_name_end|>\n<|reasoning_step_thought_start|>%s<|reasoning_step_thought_end|>\n<|reasoning_step_reflection_start|>%s<|reasoning_step_reflection_end|>\n<|reasoning_step_end|>%s\n' "$name" "$thought" "$reflection" "$tag"
    done
    printf '<|reasoning_end|>\nAnswer:\n<|answer_start|>%s<|answer_end|>%s' "$answer" "$tag"
}

# One conversation a line: sft ID IMAGE QUESTION REPLY
sft() { jq -n -c --arg i "$1" --arg m "$2" --arg q "$3" --arg r "$4" '{id: $i, image: $m, conversations: [{from: "human", value: $q}, {from: "gpt", value: $r}]}'; }

@test "cos: steps, answer, image, unknown keys in meta" {
    sft chart/1 1.png $'<image>\nHow many bars?' "$(cos_text 3 '' 'Look|Three bars.|As shown.' 'Count|1, 2, 3|')" | jq -c '. + {width: 448, source: "chartqa", meta: {split: "train"}}' >in
    touch images.zip
    cos-segment --from cos --images images.zip <in 2>err | plain >out
    [ "$(jq -r '[.id, .source, .question, .images[0].ref, .path.answer, .path.steps[1].name, .path.steps[0].reflection, .path.index, .meta.width, .meta.split] | map(tostring) | join(";")' out)" = $'chart/1;chartqa;<image>\nHow many bars?;images.zip!1.png;3;Count;As shown.;0;448;train' ]
    grep -q "1 in, 1 out" err
    cos-segment --from cos --images images.zip -q <in | cos-cat --check -q >/dev/null
}

@test "cos: the strict filter counts reasons, --rejects keeps the replies, --lenient takes white space" {
    good=$(cos_text 3 '' 'a|b|c')
    { sft 1 '' Q "$good"
      sft 2 '' Q "The answer is 3."
      sft 3 '' Q "$good and more"
      sft 4 '' Q "${good/Three/}x"
      sft 5 '' Q "$(printf '%s' "$good" | tr '\n' ' ')"
      sft 6 '' Q "${good%<|answer_start|>*}"
      sft 7 '' '<image> Q' "$good"
      sft 8 '' ' ' "$good"
      echo '{"id": 9, "conversations": [{"from": "human", "value": "Q"}]}'
      echo '{"id": 10, "conversations": "none"}'
      echo '{"id": 11, "conversations": [{"from": "robot", "value": "Q"}]}'; } >in
    cos-segment --from cos --rejects bad <in 2>err >out
    grep -q '11 in, 1 out, 10 rejected (no reasoning start 1, text behind the answer 2, white space differs from the format 1, no answer 1, more image marks than images 1, no question 1, no reply 1, malformed conversation 2)' err
    [ "$(cos-cat --plain -q bad | jq -r 'select(.id == "2") | .meta.reject + "/" + .meta.reply')" = "no reasoning start/The answer is 3." ]
    [ "$(cos-cat --plain -q bad | wc -l)" = 10 ]
    cos-segment --from cos --lenient <in 2>&1 >/dev/null | grep -q '11 in, 2 out'
}

@test "cos: rollouts, several paths of a question, ids made up" {
    t=$(cos_text B '' 'a|b|c')
    jq -n -c --arg t "$t" '(range(3) | {question_id: 7, question: "Q", image: "x.png", text: $t, answer: "B"}), {question_id: 8, question: "Q", image: "x.png", text: $t, answer: "B"}, {question: "no id", text: $t}' >in
    cos-segment --from cos -q <in | plain | jq -r '"\(.id) \(.path.index) \(.answer) \(.images[0].ref)"' >out
    printf '7 0 B x.png\n7 1 B x.png\n7 2 B x.png\n8 0 B x.png\nline-5 0 null null\n' | cmp - out
    cos-segment --from cos -q in in | plain | jq -r .id | grep -c in-5 | grep -qx 2
}

@test "cos: several turns and images" {
    t=$(cos_text B '' 'a|b|c')
    jq -n -c --arg t "$t" '{id: 1, images: ["a.png", {path: "b.png"}], conversations: [{from: "system", value: "S"}, {from: "human", value: "<image> or <image>?"}, {from: "gpt", value: $t}, {from: "human", value: "Sure?"}, {from: "gpt", value: "Yes"}]}' |
        cos-segment --from cos -q | plain >out
    [ "$(jq -r '[.question, .images[1].ref, .meta.system, .meta.turns[1].value] | join(";")' out)" = '<image> or <image>?;b.png;S;Yes' ]
}

@test "llava: a plain reply is the answer, a step reply a path" {
    { sft 1 a.png $'<image>\nWhat?' ' A cat. '; sft 2 a.png 'What?' "$(cos_text cat '' 'a|b|c')"; sft 3 a.png 'What?' '<|reasoning_start|>'; } >in
    cos-segment --from llava <in 2>err | plain | jq -r '"\(.id) \(.answer) \(.path.answer)"' >out
    printf '1 A cat. null\n2 null cat\n' | cmp - out
    grep -q '3 in, 2 out, 1 rejected (cut off 1)' err
}

@test "raw: steps, scores; missing pieces and markers inside are rejected" {
    jq -n -c '
      def s($n; $t; $r): {step_name: $n, step_thought: $t, step_reflection: $r};
      {question_id: "r/1", image: "i.png", question: "Q", reasoning: [s("A"; "B"; "C"), s("D"; "E"; "F")], reason_step_num: 2, extract_answer: "4", step_scores: [0.5, 1], answer_score: 0.25},
      {question_id: "r/2", question: "Q", reasoning: [s("A"; "B"; "C")], reason_step_num: 2, extract_answer: "4"},
      {question_id: "r/3", question: "Q", reasoning: [s("A"; " "; "C")], extract_answer: "4"},
      {question_id: "r/4", question: "Q", reasoning: [{step_name: "A", step_thought: "B"}], extract_answer: "4"},
      {question_id: "r/5", question: "Q", reasoning: [s("A"; "x<|answer_start|>y"; "C")], extract_answer: "4"},
      {question_id: "r/6", question: "Q", reasoning: [s("A"; "B"; "C")]},
      {question_id: "r/7", question: "Q", reasoning: [], extract_answer: "4"},
      {question_id: "r/8", question: "Q", reasoning: [s("A"; "B"; "C")], extract_answer: "4", step_scores: [1, 2]},
      {question_id: "r/9", question: "Q", reasoning: [s("A"; 5; "C")], extract_answer: 4}' >in
    cos-segment --from raw <in 2>err | plain >out
    [ "$(jq -c '[.id, .path.steps[0].score, .path.steps[1].score, .path.answer_score, .path.answer]' out)" = '["r/1",0.5,1,0.25,"4"]' ]
    grep -q '9 in, 1 out, 8 rejected (step count differs 1, no thought 1, no reflection 1, a marker within a step 1, no answer 1, no step 1, score count differs 1, malformed step 1)' err
    cos-segment --from raw --lenient <in 2>&1 >/dev/null | grep -q '9 in, 2 out'
}

@test "prm: labels in place, behind the split token, and as a list" {
    plain_text=$(cos_text 4 ки 'a|b|c' 'd|e|f')
    inline=$(cos_text 4 к+и 'a|b|c' 'd|e|f' | sed '0,/<|reasoning_step_end|>к+и/s//<|reasoning_step_end|>к-и/')
    neutral=${inline/<|answer_end|>к+и/<|answer_end|>ки}
    { sft 1 '' Q "$inline"; sft 2 '' Q "$plain_text<|split_token|>$neutral"; sft 3 '' Q "$plain_text" | jq -c '. + {labels: ["-", 1, true]}'
      sft 4 '' Q "$plain_text" | jq -c '. + {labels: [0]}'; sft 5 '' Q "$plain_text"; sft 6 '' Q "$plain_text" | jq -c '. + {labels: [0, "?"]}'; } >in
    cos-segment --from prm <in 2>err | plain | jq -c '[.id, (.path.steps[] | .labels[0].value), .path.answer_labels[0].value]' >out
    printf '["1",0,1,1]\n["2",0,1,0.5]\n["3",0,1,1]\n' | cmp - out
    grep -q '6 in, 3 out, 3 rejected (label count differs 1, no labels 1, malformed label 1)' err
    cos-segment --from prm -q <in | cos-cat --check -q >/dev/null
    [ "$(cos-segment --from prm -q <in | plain | jq -r 'select(.id == "1") | .path.steps[0].labels[0].by')" = prm-json ]
}

@test "dpo: pairs" {
    jq -n -c --arg c "$(cos_text 4 '' 'a|b|c')" --arg r "$(cos_text 5 '' 'a|x|c')" '{image: "i.png", question: "<image>Q", chosen: $c, rejected: $r}, {question: "Q", chosen: $c, rejected: "no"}, {question: "Q", chosen: $c}' >in
    cos-segment --from dpo <in 2>err | plain >out
    [ "$(jq -c '[.id, .chosen.answer, .rejected.steps[0].thought, .meta]' out)" = '["line-1","4","x",null]' ]
    grep -q '3 in, 1 out, 2 rejected (no reasoning start 1, no rejected reply 1)' err
}

@test "text: each rule" {
    jq -n -c '
      {id: "tags", question: "Q", text: "<SUMMARY>Plan.</SUMMARY>\n<CAPTION>A chart.</CAPTION><REASONING>1 + 1</REASONING>\n<CONCLUSION>The answer is **2**.</CONCLUSION>"},
      {id: "step", question: "Q", text: "Let me see.\n\n**Step 1: Look**\nRed.\n### Step 2\nBlue.\nStep 3: So it is B.\n\nFinal Answer: (B)."},
      {id: "heading", question: "Q", text: "## Look\nred\n\n**Think:**\nblue\n\n\\boxed{\\text{7}}"},
      {id: "number", question: "Q", text: "1. **Look**: red, 2. is not a step\n2. blue\n   more\n(3) The answer is 3.5. Done."},
      {id: "paragraph", question: "Q", text: "First this.\n\nThen that.\n\n\nAnswer:\n\n  D\n</s>"},
      {id: "given", question: "Q", text: "Only this.", extract_answer: "x"},
      {id: "last", messages: ["Q", "Thoughts come first here.", "Which?", "(C)</s>"]}, {id: "bare", question: "Q", text: "B"},
      {id: "none", question: "Q", text: "No idea."}, {id: "empty", question: "Q", text: " "}, {id: "marker", question: "Q", text: "<|answer_end|>"}' >in
    cos-segment --from text <in 2>err | plain | jq -r '[.id, .meta.segment, .path.answer, (.path.steps | length), (.path.steps | map(.name + "=" + .thought) | join(" / "))] | map(tostring) | join(";")' >out
    cat >want <<'END'
tags;llava-cot;2;3;Summary=Plan. / Caption=A chart. / Reasoning=1 + 1
step;step;(B);4;=Let me see. / Look=Red. / =Blue. / =So it is B.
heading;heading;7;2;Look=red / Think=blue

\boxed{\text{7}}
number;numbered;3.5;3;Look=red, 2. is not a step / =blue
   more / =The answer is 3.5. Done.
paragraph;paragraph;D;2;=First this. / =Then that.
given;whole;x;1;=Only this.
last;whole;(C);1;=Thoughts come first here.
bare;answer;B;0;
END
    cmp want out
    grep -q '11 in, 8 out, 3 rejected (no answer 1, empty text 1, no reasoning start 1)' err
    grep -q 'cut by llava-cot 1 (3.0 steps), step 1 (4.0 steps), heading 1 (2.0 steps), numbered 1 (3.0 steps), paragraph 1 (2.0 steps), whole 2 (1.0 steps), answer 1 (0.0 steps)$' err
    grep -q 'answers from text 6, field 1, later reply 1$' err
    [ "$(cos-segment --from text --unanswered <in 2>/dev/null | plain | jq -c 'select(.id == "none") | [(.path.steps | length), .path.answer]')" = '[1,null]' ]
}

@test "text: a later reply, and choices, help to find the answer" {
    jq -n -c '["red ball", "blue ball", "no ball"] as $c |
      {id: "again", choices: $c, messages: ["Q", "It is one of these.</s>", "Which?", "It is one of these. So the answer is (B)."]},
      {id: "on", choices: $c, messages: ["Q", "Here are two of them.", "Which?", "One is big and red. That makes it (A) red ball, as I think."]},
      {id: "bare", choices: $c, messages: ["Q", "Here are two of them. One is red.", "Which?", "(C) no ball</s>"]},
      {id: "direct", choices: $c, messages: ["Q", "(A) red ball"]},
      {id: "words", choices: $c, question: "Q", text: "There are some here. It must be the Blue Ball then."},
      {id: "two", choices: $c, question: "Q", text: "There are some here. Either (A) or (B) it is."},
      {id: "none", question: "Q", text: "There are some here, or not.", extraction: "N/A"}' >in
    cos-segment --from text <in 2>err | plain | jq -c '[.id, .meta.segment, .meta.answer_from, .path.answer, (.path.steps | map(.thought))]' >out
    cat >want <<'END'
["again","sentence","later reply","(B)",["It is one of these.","So the answer is (B)."]]
["on","turns","named choice","(A)",["Here are two of them.","One is big and red.","That makes it (A) red ball, as I think."]]
["bare","whole","later reply","(C) no ball",["Here are two of them. One is red."]]
["direct","answer","text","(A) red ball",[]]
["words","sentence","named choice","blue ball",["There are some here.","It must be the Blue Ball then."]]
END
    diff want out
    grep -q '7 in, 5 out, 2 rejected (no answer 2)' err
    cos-segment -q --from text <in | cos-cat --check -q >/dev/null
    cos-segment -q --from text <in | plain | jq -s -e 'map(select(.id == "on"))[0].meta | .followup[1].from == "gpt" and (has("turns") | not)'
}

@test "a JSON array, also on several lines, gives the same as JSON lines" {
    jq -n -c '{question: "a [\"{", text: "x\n\nAnswer: 1", id: "1"}, {question: "b", text: "y\n\nAnswer: 2", id: "2"}' >lines
    jq -s . lines >array
    printf '\357\273\277' | cat - lines >bom
    cos-segment --from text -q --no-provenance <lines >a
    cos-segment --from text -q --no-provenance <array | cmp a -
    cos-segment --from text -q --no-provenance <bom | cmp a -
    echo '[]' | cos-segment --from text 2>&1 >/dev/null | grep -q '0 in, 0 out'
}

@test "choices, number ids, gold answers of every kind" {
    jq -n -c '{question_id: 12, question: "Q", options: {A: "x", B: 2}, answer: 1.5, text: "Answer: B"}, {question: "Q", choices: [["x"]], text: "Answer: B"}, {id: 3, question: "Q", answer: ["a", "b"], text: "Answer: B\nsince it is"}' >in
    cos-segment --from text <in 2>err | plain | jq -c '[.id, .choices, .answer, .meta.answer]' >out
    printf '["12",["x","2"],1.5,null]\n["3",null,null,["a","b"]]\n' | cmp - out
    grep -q '3 in, 2 out, 1 rejected (malformed choices 1)' err
}

@test "images: folder, archive, inline" {
    mkdir pics
    base64 -d >pics/a.png <<'END'
iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC
END
    (cd pics && zip -q ../pics.zip a.png)
    sft 1 a.png Q "$(cos_text 1 '' 'a|b|c')" >in
    [ "$(cos-segment -q --images pics <in | plain | jq -r '.images[0].ref')" = pics/a.png ]
    [ "$(cos-segment -q --images pics.zip <in | plain | jq -r '.images[0].ref')" = pics.zip!a.png ]
    for from in pics pics.zip; do
        cos-segment -q --images $from --inline <in | plain >out
        [ "$(jq -r '.images[0].type' out)" = png ]
        jq -r '.images[0].data["$bin"]' out | base64 -d | cmp - pics/a.png
    done
    sft 2 none.png Q "$(cos_text 1 '' 'a|b|c')" >>in
    sft 3 ../pics/a.png Q "$(cos_text 1 '' 'a|b|c')" >>in
    cos-segment --images pics --inline <in 2>&1 >/dev/null | grep -q '3 in, 1 out, 2 rejected (unreadable image 2)'
    run --separate-stderr cos-segment --images nowhere <in
    [ "$status" = 1 ]
    [[ "$stderr" == *"nowhere: no such file"* ]]
}

@test "--tokenizer: spans of steps" {
    sft 1 '' Q "$(cos_text 42 '' 'a|b|c' 'd|e|f')" >in
    cos-segment -q --tokenizer "$TOP/tests/golden/tokenizer/qwen2.json" <in | plain >out
    [ "$(jq -r '.path | (.tokens["$u32"] | length) as $n | [.steps[].span] | [.[0][0] > 0, .[0][1] < .[1][0], .[1][1] < $n] | all' out)" = true ]
    cos-segment --tokenizer "$TOP/tests/golden/tokenizer/gpt2.json" <in 2>&1 >/dev/null | grep -q 'the tokenizer cannot encode it 1'
}

@test "input that is not JSON or cut off: status 1, the line said, no trailer" {
    jq -n -c 'range(3) | {id: "\(.)", question: "Q", text: "Answer: x\n\nfor reasons"}' >lines
    jq -s -c . lines >array
    for n in $(seq 1 7 $(($(wc -c <array) - 2))); do
        run --separate-stderr sh -c "head -c $n array | cos-segment --from text | cos-cat >/dev/null"
        [ "$status" = 1 ]
    done
    for n in 5 30 70; do
        run --separate-stderr sh -c "head -c $n lines | cos-segment --from text"
        [ "$status" = 1 ]
        [[ "$stderr" == *"stdin: line"*"column"* ]]
    done
    for bad in '' '{"id": 1,}' '[{"id": 1},]' '[1]' '"x"' '{"id": 1} {"id": 2}' '[{}] x' '[{} {}]' '{"a": 1, "a": 2}' '{"a": "\ud800"}'; do
        run --separate-stderr sh -c "printf '%s' '$bad' | cos-segment --from text >out"
        [ "$status" = 1 ]
        [[ "$stderr" == "cos-segment: stdin"* ]]
        run cos-cat -q out
        [ "$status" = 1 ]
    done
    run cos-segment nothere.jsonl
    [ "$status" = 1 ]
}

@test "the output's faults are seen: full disk, closed pipe" {
    sft 1 '' Q "$(cos_text 1 '' 'a|b|c')" >in
    run --separate-stderr sh -c 'cos-segment <in >/dev/full'
    [ "$status" = 1 ]
    [[ "$stderr" == *"No space left"* ]]
    for i in $(seq 3000); do cat in; done >many
    run --separate-stderr bash -c 'set -o pipefail; cos-segment -q <many | head -c 100 >/dev/null'
    [ "$status" = 1 ]
}

@test "threads do not change a byte; usage errors" {
    for i in $(seq 300); do sft $i $i.png Q "$(cos_text $i '' 'a|b|c' 'd|e|f')"; done >in
    cos-segment -q --no-provenance --threads 1 <in >a
    cos-segment -q --no-provenance --threads 5 <in | cmp a -
    run cos-segment --from nonsense
    [ "$status" = 2 ]
    cos-segment -h | grep -q -- '--from cos|rollouts|raw|scored|prm|dpo|llava|trl|mm-prm'
}

# Rows in = paths of each rule + rejects, for each file; every chain's text is in its steps.
real() {
    local rule
    cos-segment --from text --rejects bad <"$1" 2>err >out
    cos-cat --check -q <out >/dev/null
    in=$(sed -n 's/^cos-segment: \([0-9]*\) in.*/\1/p' err) out=$(plain <out | wc -l) bad=$(plain <bad | wc -l)
    [ "$in" = $((out + bad)) ]
    [ "$(plain <bad | jq -r .meta.reject | sort -u)" = 'no answer' ]
    [ "$(cos-segment --from text --unanswered <"$1" 2>/dev/null | plain | wc -l)" = "$in" ]
    plain <out | jq -r .meta.segment | sort | uniq -c >rules
    cat rules
}

@test "real free-form chains (M3CoT), where the data is" {
    data=${COS_SHARED_DATA:+$COS_SHARED_DATA/benchmarks/m3cot.tar.xz}
    [ -n "$data" ] && [ -e "$data" ] || skip "COS_SHARED_DATA names no folder with benchmarks/m3cot.tar.xz"
    for kind in cot ccot direct dsp; do
        tar -xOf "$data" m3cot/llava-7b.$kind.jsonl >$kind
        real $kind
        [ "$in" = 2318 ]
    done
    real cot
    [ "$bad" -le 160 ]
    [ "$(awk '$2 == "whole" {print $1}' rules)" -le 230 ]
    [ "$(awk '$2 == "numbered" {print $1}' rules)" -ge 240 ]
}

@test "real solutions (MathVista), where the data is" {
    data=${COS_SHARED_DATA:+$COS_SHARED_DATA/benchmarks/mathvista.tar.xz}
    [ -n "$data" ] && [ -e "$data" ] || skip "COS_SHARED_DATA names no folder with benchmarks/mathvista.tar.xz"
    tar -xOf "$data" mathvista/output_chatgpt_2shot_solution.json | jq -c '.[] | . + {id: .pid}' >rows
    real rows
    [ "$in" = 1000 ]
    [ "$(awk '$2 == "paragraph" {print $1}' rules)" -ge 650 ]
}
