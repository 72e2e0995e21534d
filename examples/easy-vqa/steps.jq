# SPDX-License-Identifier: Apache-2.0
# easy-VQA's train questions, [[question, answer, image id], ...] -> the reference's raw-step JSON lines.
# What an image shows is put together from the answers to all its questions: "what color ..." names the colour,
# a "yes" to "is there a red shape?" too, and so does a "no" to "is there not ...?". The first step states it (as far
# as it is known), the second step holds it against the question.
def colors: ["red", "green", "blue", "black", "gray", "teal", "brown", "yellow"];
def shapes: ["circle", "rectangle", "triangle"];
def word($list): . as $q | first($list[] | select(. as $w | $q | test("\\b" + $w + "\\b"))) // null;
def negated: test("\\b(not|no)\\b");
def facts: reduce .[] as [$q, $a, $i] ({};
    (if $a == "yes" or $a == "no" then
         if ($a == "yes") != ($q | negated) then {color: ($q | word(colors)), shape: ($q | word(shapes))} else {} end
     else {color: (($a | word(colors)) // ($q | word(colors))), shape: (($a | word(shapes)) // ($q | word(shapes)))} end)
    as $f | .[$i | tostring] |= {color: (.color // $f.color), shape: (.shape // $f.shape)});
def seen: "a " + ([.color, .shape // "shape"] | map(select(.)) | join(" "));
def asked: (word(colors) // word(shapes)) as $w | (if word(colors) then "\($w) shape" else $w end) as $w |
    if test("color") then "the color" elif test("what") then "the shape"
    elif negated then "no \($w)" else "a \($w)" end;

facts as $facts | to_entries[] | .key as $k | .value as [$q, $a, $i] | ($facts[$i | tostring] | seen) as $seen |
{ question_id: "easy-vqa/train/\($k)", image: "train/images/\($i).png", question: $q,
  reasoning: [
    { step_name: "look", step_thought: $seen, step_reflection: "one shape in the image" },
    { step_name: "check", step_thought: "asked for \($q | asked)", step_reflection: "the image shows \($seen): \($a)" } ],
  reason_step_num: 2, extract_answer: $a }
