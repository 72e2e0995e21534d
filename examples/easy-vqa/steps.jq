# SPDX-License-Identifier: Apache-2.0
# easy-VQA's train questions, [[question, answer, image id], ...] -> the reference's raw-step JSON lines.
# What an image shows is put together from the answers to all its questions: "what color ..." names the colour,
# a "yes" to "is there a red shape?" too, and so does a "no" to "is there not ...?". The first step states it (as far
# as it is known), the second step holds it against the question.
def colors: ["red", "green", "blue", "black", "gray", "teal", "brown", "yellow"];
def shapes: ["circle", "rectangle", "triangle"];
def words: rtrimstr("?") / " ";
def word($list): words - (words - $list) | .[0];
def negated: words | index("not") != null or index("no") != null;
def fact: . as [$q, $a] |
    if $a != "yes" and $a != "no" then [$q, $a] | {color: map(word(colors)) | add, shape: map(word(shapes)) | add}
    elif ($a == "yes") != ($q | negated) then $q | {color: word(colors), shape: word(shapes)}
    else {} end;
def facts: map(fact) | {color: map(.color // empty)[0], shape: map(.shape // empty)[0]};
def seen: "a " + ([.color, .shape // "shape"] | map(select(.)) | join(" "));
def asked: (word(colors) // word(shapes)) as $w | (if word(colors) then "\($w) shape" else $w end) as $w |
    if test("color") then "the color" elif test("what") then "the shape"
    elif negated then "no \($w)" else "a \($w)" end;

to_entries | group_by(.value[2])[] | (map(.value) | facts | seen) as $seen | .[] | .key as $k | .value as [$q, $a, $i] |
{ question_id: "easy-vqa/train/\($k)", image: "train/images/\($i).png", question: $q,
  reasoning: [
    { step_name: "look", step_thought: $seen, step_reflection: "one shape in the image" },
    { step_name: "check", step_thought: "asked for \($q | asked)", step_reflection: "the image shows \($seen): \($a)" } ],
  reason_step_num: 2, extract_answer: $a }
