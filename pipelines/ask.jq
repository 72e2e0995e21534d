# SPDX-License-Identifier: Apache-2.0
# How a model is asked a benchmark's questions: the instruction goes into the question, and so do the choices, which are kept
# in meta.choices for the scorer. $bench: the benchmark; $ask: "cos" or "official". Records of a benchmark's files in, and out.

def letter: [65 + .] | implode;
def lines(open; close): to_entries | map("\n" + open + (.key | letter) + close + .value) | add // "";
def kind: .meta.answer_type;

# MathVista: a hint, the question with its unit, the choices
def hint:
    if (.choices | length) > 0 then "Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end."
    elif kind == "integer" then "Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the end."
    elif kind == "float" and .meta.precision == 1 then "Please answer the question requiring a floating-point number with one decimal place and provide the final value, e.g., 1.2, 1.3, 1.4, at the end."
    elif kind == "float" then "Please answer the question requiring a floating-point number with two decimal places and provide the final value, e.g., 1.23, 1.34, 1.45, at the end."
    else "Please answer the question requiring a Python list as an answer and provide the final list, e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end." end;
def mathvista:
    "Hint: " + hint + "\nQuestion: " + .question + (if .meta.unit then " (Unit: " + .meta.unit + ")" else "" end) +
    (if (.choices | length) > 0 then "\nChoices:" + (.choices | lines("("; ") ")) else "" end);

# The others: a hint where there is one, the question, lines of options
def hinted: (if ((.meta.hint // "") != "") then .meta.hint + "\n" else "" end) + .question;
def optioned: . as $r | hinted + ($r.choices // [] | lines(""; ". "));
# what some files say behind the question already
def bare: sub("\\s*Answer with the option's letter from the given choices directly\\.\\s*$"; "");

def instruction:
    if $bench == "mathvista" then { cos: "Think step-by-step first and then answer the question with a single number or an option letter.", official: "" }
    elif $bench == "chartqa" then { cos: "Think step-by-step first and then answer the question with a single number, word, or phrase.",
        official: "Answer the question using a single word or phrase." }
    elif $bench == "mme" then { cos: "Think step-by-step first and then answer with yes or no.", official: "" }
    elif $bench == "mmmu" and .meta.question_type != "multiple-choice" then { cos: "Think step-by-step first and then answer the question with a single number.",
        official: "Answer the question using a single word or phrase." }
    else { cos: "Think step-by-step first and then answer with the option's letter from the given choices directly.",
        official: "Answer with the option's letter from the given choices directly." } end | .[$ask];

instruction as $say
| (if $bench == "mathvista" then mathvista elif $bench == "mme" or $bench == "chartqa" then .question else (optioned | bare) end) as $text
| .question = $text + (if $say == "" then "" else "\n" + $say end)
| if .choices then .meta.choices = .choices | del(.choices) else . end
