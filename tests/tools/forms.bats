# SPDX-License-Identifier: Apache-2.0
# The JSON of others: what is read, written and read again is the same; what a form cannot hold is counted.

bats_require_minimum_version 1.5.0
load helper
TOP=$BATS_TEST_DIRNAME/../..

# The step format in jq: cos(ANSWER; TAG; [[name, thought, reflection], ..])
COS='def cos($a; $t; $steps): "<|reasoning_start|>\n" + ([$steps[] |
    "<|reasoning_step_start|>\n<|reasoning_step_name_start|>\(.[0])<|reasoning_step_name_end|>\n<|reasoning_step_thought_start|>\(.[1])<|reasoning_step_thought_end|>\n<|reasoning_step_reflection_start|>\(.[2])<|reasoning_step_reflection_end|>\n<|reasoning_step_end|>\($t)\n"]
    | join("<|reasoning_proceed|>\n")) + "<|reasoning_end|>\nAnswer:\n<|answer_start|>\($a)<|answer_end|>\($t)";
  def two: [["Look", "Three \"bars\".\nRed, ки.", "As shown."], ["Count", "1, 2, 3", ""]];
  def talk($q; $r): [{from: "human", value: $q}, {from: "gpt", value: $r}];'
rows() { jq -n -c "$COS $1"; }

# again FORM FILE [OPTIONS of cos-segment]: reading, writing and reading gives equal records, and writing them the same rows
again() {
    local form=$1 file=$2
    shift 2
    cos-segment -q --from "$form" "$@" <"$file" >a.cos
    cos-cat --check -q a.cos >/dev/null
    cos-cat --to "$form" a.cos >b.json 2>b.err || { cat b.err >&2; return 1; }
    if grep -qE 'rejected|dropped' b.err; then cat b.err >&2; return 1; fi
    cos-segment -q --from "$form" "$@" <b.json >b.cos
    cos-cat --plain -q a.cos | jq -S -c . >a.txt
    cos-cat --plain -q b.cos | jq -S -c . >b.txt
    diff a.txt b.txt
    [ "$(wc -l <a.txt)" = "$(cos-segment --from "$form" "$@" <"$file" 2>/dev/null | cos-cat --plain -q | wc -l)" ]
    cos-cat --to "$form" -q b.cos | cmp - b.json
}

same_json() { jq -S -c . "$1" >same.a; jq -S -c . "$2" >same.b; diff same.a same.b; }

@test "cos: several images, none, system text, later turns, choices, gold, unknown keys" {
    rows '{id: "1", image: "1.png", conversations: talk("<image>\nHow many?"; cos("3"; ""; two)), source: "chartqa", answer: 3, width: 448, meta: {text: "of mine"}},
      {id: "2", image: ["a.png", "b/c.png"], conversations: talk("<image> or <image>?"; cos("a"; ""; [["", "x", ""]]))},
      {id: "3", conversations: ([{from: "system", value: "S"}] + talk("Q\nA. red\nB. blue"; cos("B"; ""; two)) + talk("Sure?"; "Yes")), choices: ["red", "blue"], answer: "B"}' >in
    again cos in
    same_json in b.json
    [ "$(cos-cat --plain -q a.cos | jq -r 'select(.id == "3") | .question')" = Q ]
}

@test "rollouts, raw, scored" {
    rows '{question_id: "7", image: "x.png", question: "<image>Q", text: cos("B"; ""; two), answer: "B"}, {question_id: "7", image: "x.png", question: "<image>Q", text: cos("C"; ""; two), answer: "B"}' >in
    again rollouts in
    same_json in b.json
    rows 'def r: [two[] | {step_name: .[0], step_thought: .[1], step_reflection: .[2]}];
      {question_id: "r/1", image: "i.png", question: "Q", reasoning: r, reason_step_num: 2, extract_answer: "4", source: "x"},
      {question_id: "r/2", image: ["i.png", "j.png"], question: "Q", reasoning: r, reason_step_num: 2, extract_answer: "5", answer: "4"}' >in
    again raw in
    same_json in b.json
    jq -c '. + {step_scores: [0.5, 1], answer_score: 0.25}' in >scored
    again scored scored
    same_json scored b.json
}

@test "prm: two copies, the second with labels" {
    rows '{id: "1", image: "i.png", conversations: talk("<image>\nQ"; cos("4"; "ки"; two) + "<|split_token|>" +
        (cos("4"; "к+и"; two) | sub("к\\+и\n<\\|reasoning_proceed"; "к-и\n<|reasoning_proceed") | sub("к\\+и$"; "ки")))}' >in
    again prm in
    same_json in b.json
    [ "$(cos-cat --plain -q a.cos | jq -c '[.path.steps[].labels[0].value, .path.answer_labels[0].value]')" = '[0,1,0.5]' ]
}

@test "dpo: pairs with one image, several, none" {
    rows '{id: "1", image: "i.png", question: "<image>\nQ", chosen: cos("4"; ""; two), rejected: cos("5"; ""; two)},
      {id: "2", image: ["i.png", "j.png"], question: "Q", chosen: cos("4"; ""; two), rejected: cos("5"; ""; two)},
      {id: "3", question: "Q", chosen: cos("4"; ""; two), rejected: cos("5"; ""; [["a", "b", "c"]]), source: "s", gap: 0.5}' >in
    again dpo in
    same_json in b.json
}

@test "llava: direct answers, kept replies, paths" {
    rows '{id: "1", image: "a.png", conversations: talk("<image>\nWhat?"; "A cat.")},
      {id: "2", conversations: (talk("Hello"; "Hi there.") + talk("And?"; "Nothing."))},
      {id: "3", image: ["a.png", "b.png"], conversations: talk("<image>\n<image>\nSame?"; "They are not, look."), answer: "no"},
      {id: "4", image: "a.png", conversations: talk("<image>\nQ"; cos("4"; ""; two))},
      {id: "5", conversations: talk("Q"; "A"), turns: ["mine"]}, {id: "6", conversations: talk("Q"; "A"), turns: [{from: "gpt", value: "a", at: 1}]}' >in
    again llava in
    same_json in b.json
    rows '{id: "5", messages: ["Q", "A", "Q2", "A2"]}, {id: "6", messages: [{role: "user", content: "Q"}, {role: "assistant", content: "A"}]}' >in
    again llava in
}

@test "trl: stepwise supervision, soft labels on request" {
    rows '{id: "1", images: ["i.png"], prompt: "<image>Q", completions: ["First,\n2 + 2", "so 4.", "The answer is: 4"], labels: [true, false, true]},
      {id: "2", prompt: "Q", completions: ["One step: the answer is 7."], labels: [false]}' >in
    again trl in
    same_json in b.json
    [ "$(cos-cat --plain -q a.cos | jq -c '[.path.answer, (.path.steps | length), (.path.answer_labels | length)]' | tr '\n' ' ')" = '["4",2,1] ["7",1,0] ' ]
    jq -c '.labels[0] = 0.25 | .labels |= map(if . == true then 1 elif . == false then 0 else . end)' in >soft
    cos-segment -q --from trl soft | cos-cat -q --to trl --target soft | same_json soft /dev/stdin
    cos-segment -q --from trl soft >soft.cos
    [ "$(cos-cat -q --to trl --threshold 0.2 soft.cos | jq -c .labels[0] | tr '\n' ' ')" = "true true " ]
    cos-cat --to trl soft.cos 2>&1 >/dev/null | grep -q 'dropped, since trl cannot hold them: labels between right and wrong 2$'
}

@test "mm-prm: soft labels" {
    rows '{id: "1", image: "i.png", conversations: talk("Question: <image>\nQ?\nProcess: Look.\nRed<prm>\n\nSo 4.<prm>\n\nThe answer is: 4<prm>"; [0.75, 0.5, 1]), answer: "4"},
      {id: "2", conversations: talk("Question: Q\nProcess: Only this.<prm>"; [0])}' >in
    again mm-prm in
    same_json in b.json
    rows '{id: 3, image: "i.png", conversations: talk("<image>\nQuestion: Q\nProcess: a<prm>"; [1])}' | cos-segment -q --from mm-prm | cos-cat --plain -q | jq -e '.question == "<image>\nQ"'
}

@test "visualprm: turns of + and -, and its data with scores" {
    rows '{id: "1", image: "i.png", conversations: (talk("### Question:\n<image>\nQ\n\n### Solution Process:\nLook."; "+") + talk("So 4."; "-"))}' >in
    cos-segment -q --from visualprm in | cos-cat -q --to visualprm >out
    jq -c '.conversations |= .[1:]' out | same_json in /dev/stdin
    jq -e '.conversations[0] | .from == "system" and (.value | startswith("You are an advanced AI assistant, designed to serve as a process supervision model."))' out
    again visualprm out
    same_json out b.json
    rows '{id: "1", image: "i.png", question: "<image>\nQ. Think.", answer: "4", question_orig: "Q", response: "Look.\n\nSo 5.\n\nDone.", num_mc_sequences: 16,
      steps_with_score: [{step: "Look.", score: 0.5, num_mc_correct: 8, num_mc_total: 16}, {step: "So 5.", score: 0.0, num_mc_correct: 0, num_mc_total: 16}, {step: "Done.", score: 0.0, num_mc_correct: 0, num_mc_total: 0}]},
      {id: "2", question: "Q", response: "Mine", steps_with_score: [{step: "a", score: 0.25}, {step: "The answer is: 4", score: 0.0, num_mc_correct: 0, num_mc_total: 0}]},
      {id: "3", question: "Q", response: "Twice", steps_with_score: [{step: "The answer is: 4", score: 0.25}, {step: "The answer is: 4", score: 0.0, num_mc_correct: 0, num_mc_total: 0}]}' >in
    again visualprm-raw in
    same_json in b.json
    [ "$(cos-cat --plain -q a.cos | jq -c '[.path.steps[].labels]' | head -1)" = '[[{"by":"mc","k":8,"n":16}],[{"by":"mc","k":0,"n":16}],null]' ]
}

# A record that has everything.
rich() {
    cat >rich.jsonl <<'END'
{"id":"r","question":"Q","choices":["x","y"],"answer":"A","source":"s","images":[{"ref":"i.png"}],"scores":{"prm":0.5,"mix":1.0},"meta":{"k":1},"extra":2,"path":{"index":0,"end":"stop","correct":true,"tokens":{"$u32":[1]},"tokenizer":"t","logprobs":{"m":{"$f32":[-1.0]}},"answer":"A","answer_score":0.5,"answer_labels":[{"by":"judge","value":1}],"steps":[{"name":"n","thought":"t","reflection":"r","score":0.5,"span":[0,1],"labels":[{"by":"mc","k":3,"n":4},{"by":"judge","value":0}]},{"name":"","thought":"u","reflection":"","score":0.5,"labels":[{"by":"mc","k":0,"n":4}]}]}}
END
    cos-cat -q -f rich.jsonl >rich.cos
}
drops() { cos-cat --to "$1" rich.cos 2>&1 >row | sed -n 's/.*cannot hold them: //p'; }

@test "what a form cannot hold is counted" {
    rich
    rest='rewards 2, ends and verdicts 1, token ids 1, log-probabilities 1'
    for f in cos rollouts llava raw; do [ "$(drops $f)" = "labels 4, step scores 3, $rest" ]; done
    [ "$(drops scored)" = "labels 4, $rest" ]
    [ "$(drops prm)" = "labels 1, labels between right and wrong 1, tries of labels 2, step scores 3, $rest" ]
    [ "$(drops mm-prm)" = "steps' names and reflections 1, labels 1, tries of labels 2, step scores 3, $rest" ]
    [ "$(drops visualprm)" = "steps' names and reflections 1, labels 1, labels between right and wrong 1, tries of labels 2, step scores 3, $rest" ]
    [ "$(drops visualprm-raw)" = "steps' names and reflections 1, labels 1, step scores 3, $rest" ]
    [ "$(drops trl)" = "steps' names and reflections 1, labels 1, labels between right and wrong 1, tries of labels 2, step scores 3, right answers 1, choices 1, sources 1, meta and other keys 1, $rest" ]
    [ "$(jq -c . row)" = '{"id":"r","images":["i.png"],"prompt":"Q\nA. x\nB. y","completions":["n\nt\nr","u","The answer is: A"],"labels":[true,false,true]}' ]
    [ -z "$(drops record)" ]
    same_json rich.jsonl row
    [ "$(cos-cat --to trl --labels judge,mc rich.cos 2>/dev/null | jq -c .labels)" = '[false,false,true]' ]
    cos-cat --to cos rich.cos 2>&1 >row | grep -q 'image marks added to 1 questions'
    [ "$(jq -r '.conversations[0].value' row)" = $'<image>\nQ\nA. x\nB. y' ]
    [ "$(cos-segment -q --from cos row | cos-cat --plain -q | jq -c '[.question, .choices]')" = '["<image>\nQ",["x","y"]]' ]
}

@test "two values of one name in meta: both are kept" {
    rows '{id: "1", conversations: (talk("Q"; "A") + talk("Sure?"; "Yes")), turns: 5, "": 6, meta: {width: 1, height: 2}, width: 3, height: 2}' >in
    again llava in
    [ "$(cos-cat --plain -q a.cos | jq -c '[.meta.turns_, .meta.width, .meta.width_, .meta.height, .meta.height_, .meta[""]]')" = '[5,1,3,2,null,6]' ]
    rows '{id: "1", conversations: talk("Q"; "A"), a: 0, meta: {a: 1, a_: 2, a__: 3, a___: 4}}' >in
    [ "$(cos-segment --from llava in 2>&1 >/dev/null)" = 'cos-segment: 1 in, 0 out, 1 rejected (too many values of one name in meta 1)' ]
}

@test "a row of a hundred thousand keys, turns or images takes no time or memory to speak of" {
    sanitized || ulimit -v 2000000
    local n='[range(100000)]'
    rows "{id: \"1\", conversations: (talk(\"Q\"; \"A\") + ($n | map({from: \"human\", value: \"q\"}))), images: ($n | map(\"i\")), meta: ($n | map({\"m\\(.)\": 1}) | add)} + ($n | map({\"k\\(.)\": 1}) | add)" >in
    timeout 60 cos-segment -q --from llava in >many.cos
    timeout 60 cos-cat -q --to llava many.cos >out
    [ "$(jq -c '[length, (.conversations, .image | length)]' out)" = '[200003,100002,100000]' ]
}

@test "a path without a label, score, answer, pair: rejected with the reason" {
    printf '%s\n' '{"id":"a","question":"Q","path":{"steps":[{"thought":"t"}],"answer":"A"}}' '{"id":"b","question":"Q","path":{"steps":[{"thought":"t"}]}}' '{"id":"c","question":"Q"}' \
        '{"id":"d","path":{"steps":[{"thought":"t"}],"answer":"A"}}' '{"id":"e","question":"Q","images":[{"data":{"$bin":"AAEC"}}],"answer":"A","path":{"steps":[{"thought":"x<|answer_end|>"}],"answer":"A"}}' | cos-cat -q -f >in
    why() { cos-cat --to "$1" --rejects bad.cos in 2>&1 >/dev/null | sed -n 's/.*rejected //p'; }
    [ "$(why cos)" = '(no answer 1, no path 1, no question 1, a marker within a step 1)' ]
    [ "$(cos-cat --plain -q bad.cos | jq -r '.id + .meta.reject' | tr '\n' ';')" = 'bno answer;cno path;dno question;ea marker within a step;' ]
    [ "$(why dpo)" = '(no pair 5)' ]
    [ "$(why scored)" = '(a step without a score 1, no answer 1, no path 1, no question 1, a marker within a step 1)' ]
    [ "$(why trl)" = '(a step without a label 4, no path 1)' ]
    [ "$(why prm)" = '(a step without a label 2, no answer 1, no path 1, a marker within a step 1)' ]
    [ "$(why visualprm-raw)" = '(no path 1, no question 1, an image in bytes, and no --tar 1)' ]
    [ "$(why llava)" = '(no answer 1, no reply 1, no question 1, a marker within a step 1)' ]
}

@test "replies that are not in the step format: written where a form can have them, else rejected" {
    printf '%s\n' '{"id":"1","question":"Q","path":{"steps":[{"thought":"t"}],"end":"format","text":"So what?"}}' \
        '{"id":"2","question":"Q","chosen":{"steps":[{"thought":"t"}],"answer":"A","text":"kept"},"rejected":{"steps":[],"text":"No."}}' | cos-cat -q -f >in
    [ "$(cos-cat --to rollouts in 2>err | jq -r .text)" = 'So what?' ]
    grep -q '1 rejected (no path 1)' err
    [ "$(cos-cat --to dpo in 2>err | jq -r .rejected)" = No. ]
    grep -q 'cannot hold them: texts as they were 1$' err
    grep -q '1 rejected (no pair 1)' err
    [ "$(cos-cat --to cos in 2>&1 | sed -n 's/.*rejected //p')" = '(no answer 1, no path 1)' ]
}

@test "rows that are not of the form: rejected with the reason" {
    why() { cos-segment --from "$1" 2>&1 >/dev/null | sed -n 's/.*rejected //p'; }
    [ "$(rows '{prompt: "Q", completions: ["a"], labels: [1, 1]}, {prompt: "Q", completions: [1], labels: [1]}, {prompt: "Q", completions: ["a"], labels: ["?"]}, {prompt: "Q", completions: ["a"], labels: [1.5]}, {prompt: "Q", completions: ["a"]}, {prompt: ["Q"], completions: ["a"], labels: [1]}, {prompt: "Q", completions: [], labels: []}' | why trl)" = '(label count differs 1, malformed step 1, malformed label 2, no labels 1, no question 1, no step 1)' ]
    [ "$(rows '{conversations: talk("Question: Q\nProcess: a<prm>"; [1, 0])}, {conversations: talk("Question: Q\nProcess: a<prm>b"; [1])}, {conversations: talk("Question: Q"; [1])}, {conversations: talk("Question: Q\nProcess: <prm>"; [1])}, {conversations: 3}' | why mm-prm)" = '(label count differs 1, text behind the last step 1, malformed conversation 2, no thought 1)' ]
    [ "$(rows '{conversations: talk("### Question:\nQ\n\n### Solution Process:\na"; "so")}, {conversations: talk("Q"; "+")}, {conversations: []}, {conversations: ["a", "b"]}' | why visualprm)" = '(malformed label 1, malformed conversation 3)' ]
    [ "$(rows '{question: "Q", steps_with_score: []}, {question: "Q", steps_with_score: [{score: 1}]}, {question: "Q", steps_with_score: [{step: "a", num_mc_correct: 3, num_mc_total: 2}]}, {question: "Q", steps_with_score: [{step: "a", score: "x"}]}' | why visualprm-raw)" = '(no step 1, malformed step 1, malformed label 2)' ]
}

@test "names of images: --images puts on and takes off" {
    mkdir pics
    touch images.zip
    rows '{id: "1", image: "d/1.png", conversations: talk("<image>\nQ"; cos("3"; ""; two))}' >in
    for i in pics images.zip; do
        cos-segment -q --images $i in | cos-cat -q --to cos --images $i | same_json in /dev/stdin
        cos-segment -q --images $i in | cos-cat -q --to record --images $i | jq -e '.images[0].ref == "d/1.png"'
    done
}

@test "the README's table has every form" {
    cos-segment -h >help
    for w in $(grep -o 'cos|rollouts.*|text' help | tr '|' ' '); do grep -q "^| \`$w\` | " "$TOP/README.md" || { echo "no $w"; return 1; }; done
}

@test "usage of --to" {
    rich
    fails_with 2 "no such form; there are cos, rollouts" cos-cat --to text rich.cos
    fails_with 2 "goes alone" cos-cat --to cos --head 3 rich.cos
    fails_with 2 "want --to" cos-cat --tar x.tar rich.cos
    fails_with 2 "labels of visualprm cannot be so" cos-cat --to visualprm --target soft rich.cos
    for p in '%s.tar' '%d%d.tar' '%' '%1234d.tar'; do fails_with 2 "want one" cos-cat --to cos --tar "$p" rich.cos; done
    run --separate-stderr sh -c 'cos-cat --to cos rich.cos >/dev/full'
    [ "$status" = 1 ]
    [[ "$stderr" == *"No space left"* ]]
    head -c -3 rich.cos >cut
    run cos-cat -q --to cos cut
    [ "$status" = 1 ]
    for i in $(seq 700); do cat rich.cos; done >many
    cos-cat -q --to trl --threads 1 many >a
    cos-cat -q --to trl --threads 4 many | cmp a -
    [ "$(wc -l <a)" = 700 ]
    cos-segment -h >help
    for w in $(grep -o 'cos|rollouts.*|text' help | tr '|' ' '); do grep -q "^  $w " help; done
}
