# SPDX-License-Identifier: Apache-2.0
# Real outputs of models with published scores, which a scorer has to give exactly. They are not part of this project:
# COS_SHARED_DATA names a folder that has them as benchmarks/{mathvista,m3cot,mmmu,chartqa,scienceqa,mme}.tar.xz; without it
# the tests skip.

bats_require_minimum_version 1.5.0
load helper

# data NAME: unpacks benchmarks/NAME.tar.xz here
data() {
    if [ -z "${COS_SHARED_DATA:-}" ]; then skip "COS_SHARED_DATA is not set: no model outputs with published scores"; fi
    if ! [ -e "$COS_SHARED_DATA/benchmarks/$1.tar.xz" ]; then skip "no $COS_SHARED_DATA/benchmarks/$1.tar.xz"; fi
    tar -xJf "$COS_SHARED_DATA/benchmarks/$1.tar.xz"
}

# cells KIND MEASURE COLUMN: "group value" lines of the table on stdin, sorted
cells() {
    awk -F'\t' -v k="$1" -v m="$2" -v c="$3" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["kind"] == k && $at["measure"] == m { print $at["group"] " " $at[c] }' | LC_ALL=C sort
}
total() { cells total accuracy "$1" | cut -d ' ' -f 2; }

# MathVista: all cells of the published scores, and each record's prediction and decision. mathvista NAME OPTION...
mathvista() {
    local name=$1
    shift
    cos-segment -q --from mathvista "mathvista/output_$name.json" >x
    cos-eval accuracy -q --json --bench mathvista --extract stored --decisions d "$@" x >t
    jq -r '.rows[] | [.kind, .group, .correct, .n] | @tsv' t | sort >got
    jq -r 'to_entries[] | if .key == "average" then ["total", "total", .value.correct, .value.total] else .key as $k | .value | to_entries[] | [$k, .key, .value.correct, .value.total] end | @tsv' \
        "mathvista/scores_$name.json" | sort >want
    [ "$(wc -l <want)" = 75 ]                  # 74 and the average
    diff want got
    jq -r '.[] | [.pid, .prediction // "(none)", .true_false] | @tsv' "mathvista/output_$name.json" | sort >want
    jq -r '[.id, .prediction // "(none)", .correct] | @tsv' d | sort >got
    [ "$(wc -l <want)" = 1000 ]
    diff want got
}

@test "MathVista, gpt4: 261, all cells, every prediction" {
    data mathvista
    mathvista gpt4
    [ "$(jq -r '.rows[-1].correct' t)" = 261 ]
}

@test "MathVista, chatgpt 2-shot: 268, all cells, every prediction with integers as text; else 8 predictions differ, no decision" {
    data mathvista
    mathvista chatgpt_2shot_solution --int-text
    [ "$(jq -r '.rows[-1].correct' t)" = 268 ]
    cp d text
    cos-eval accuracy -q --bench mathvista --extract stored --decisions d x | total correct | grep -qx 268
    [ "$(jq -n --slurpfile a text --slurpfile b d '[range(1000) | select($a[.].prediction != $b[.].prediction)] | length')" = 8 ]
    [ "$(jq -n --slurpfile a text --slurpfile b d '[range(1000) | select($a[.].correct != $b[.].correct)] | length')" = 0 ]
}

# m3cot NAME NINE-TOPICS TOTAL CORRECT: percentages; topics by name
m3cot() {
    cos-segment -q --from m3cot "m3cot/llava-7b.$1.jsonl" | cos-cat --plain -q | jq -c 'if .id == "social-commonsense-1274" then .answer = "A" else . end' |
        cos-cat --from-json -q | cos-eval accuracy -q --bench m3cot >t
    [ "$(cells topic accuracy value <t | awk '{ printf "%s %.2f ", $1, 100 * $2 }')" = "$2" ]
    [ "$(total value <t | awk '{ printf "%.2f", 100 * $1 }') $(total correct <t) $(total n <t)" = "$3 $4 2318" ]
}

@test "M3CoT, llava-7b: four runs of 2318" {
    data m3cot
    m3cot cot "algebra 29.29 geometry 16.25 language-science 38.86 natural-science 33.59 physical-commonsense 71.11 social-commonsense 65.29 social-science 25.48 temporal-commonsense 39.02 theory 4.76 " 35.81 830
    m3cot direct "algebra 22.14 geometry 35.00 language-science 43.13 natural-science 37.16 physical-commonsense 66.67 social-commonsense 58.26 social-science 26.43 temporal-commonsense 30.89 theory 14.29 " 36.63 849
    m3cot dsp "algebra 24.29 geometry 31.25 language-science 34.12 natural-science 32.18 physical-commonsense 65.56 social-commonsense 57.85 social-science 25.32 temporal-commonsense 41.46 theory 28.57 " 34.43 798
    m3cot ccot "algebra 29.29 geometry 31.25 language-science 26.54 natural-science 35.50 physical-commonsense 62.22 social-commonsense 55.79 social-science 28.66 temporal-commonsense 44.72 theory 9.52 " 35.72 828
}

@test "MMMU, llava1.5_13b: 330 with the two random answers, 329 without, domains, 847 letters; eval only" {
    data mmmu
    out=mmmu/example_outputs/llava1.5_13b
    cos-segment -q --from mmmu $out/*/output.json >x
    cos-eval accuracy -q --bench mmmu --unparsed random:42 --decisions d x >t
    [ "$(total correct <t) $(total unparsed <t) $(total value <t)" = "330 2 0.3667" ]
    [ "$(cos-eval accuracy -q --bench mmmu x | total correct)" = 329 ]
    [ "$(paste -d ' ' <(cells domain accuracy correct <t) <(cells domain accuracy n <t) | awk '{ printf "%.3f ", $(NF / 2) / $NF }')" = "0.525 0.227 0.387 0.550 0.293 0.310 " ]
    jq -n -r --slurpfile want $out/total_val_output.json --slurpfile q <(cos-cat --plain -q x) --slurpfile d d \
        '[range(900) | select($q[.].choices) | [$d[.].prediction // $d[.].drawn, $want[0][$d[.].id]]] | "\(length) \(map(select(.[0] == .[1])) | length)"' >letters
    [ "$(cat letters)" = "847 847" ]
    cos-segment -q --from mmmu --outputs mmmu/example_outputs/llava1.5_13b_val.json mmmu/answer_dict_val.json | cos-eval accuracy -q --bench mmmu --extract stored | total value | grep -qx 0.3600
}

@test "ChartQA, InternVL2-8B: 2500 by VLMEvalKit's rule, by CoS's, and with the right answer as target" {
    data chartqa
    cos-segment -q --from chartqa chartqa/InternVL2-8B.jsonl >x
    for p in "vlmevalkit 892 0.7136 0.9272 0.8204" "cos 889 0.7112 0.9272 0.8192" "official 889 0.7112 0.9272 0.8192"; do
        read -r protocol human values <<<"$p"
        cos-eval accuracy -q --bench chartqa --protocol "$protocol" --extract plain x >t
        [ "$(cells split accuracy correct <t | paste -sd ' ')" = "test_augmented 1159 test_human $human" ]
        [ "$(cells split accuracy value <t | LC_ALL=C sort -r | cut -d ' ' -f 2 | paste -sd ' ') $(cells mean accuracy value <t | cut -d ' ' -f 2)" = "$values" ]
    done
}

@test "ScienceQA, LLaVA-13B: 4241, from the stored indices and from the text" {
    data scienceqa
    cos-segment -q --from scienceqa --outputs scienceqa/test_sqa_llava_13b_v0.json scienceqa/llava_test_CQM-A.json >x
    cos-eval accuracy -q --bench scienceqa --extract stored x >t
    [ "$(cells context accuracy value <t | paste -sd ' ') $(total value <t) $(total correct <t)" = "IMG 0.8800 NO 0.9066 TXT 0.8949 0.9092 3856" ]
    for p in official llava; do [ "$(cos-eval accuracy -q --bench scienceqa --protocol $p x | total correct)" = 3855 ]; done
}

@test "ScienceQA, Qwen2.5-VL-3B: 2016 of 2017 decided by option inference, 1645 right, each as stored; 1646 with the judge's" {
    data scienceqa
    cos-segment -q --from scienceqa scienceqa/Qwen2.5-VL-3B.image-test.jsonl >x
    cos-eval accuracy -q --bench scienceqa --protocol vlmevalkit --decisions d x >t
    [ "$(total n <t) $(total unparsed <t) $(total correct <t)" = "2017 1 1645" ]
    jq -n -r --slurpfile d d --slurpfile x <(cos-cat --plain -q x) '[range(2017) | select($d[.].parsed) | select($d[.].correct == ($x[.].meta.hit == 1))] | length' | grep -qx 2016
    cos-cat --plain -q x | jq -s 'map(.meta.hit) | add' | grep -qx 1646
}

@test "MME, LaVIN: 14 tasks, perception 963.6114, cognition 249.6429" {
    data mme
    cos-segment -q --from mme mme/LaVIN/*.txt >x
    cos-eval accuracy -q --bench mme x >t
    [ "$(total n <t)" = 2374 ]
    [ "$(cells perception score value <t | awk '{ printf "%s %.2f ", $1, $2 }')" = "OCR 107.50 artwork 87.25 celebrity 47.35 color 75.00 count 88.33 existence 185.00 landmark 93.50 position 63.33 posters 79.59 scene 136.75 " ]
    [ "$(cells cognition score value <t | awk '{ printf "%s %.2f ", $1, $2 }')" = "code_reasoning 50.00 commonsense_reasoning 87.14 numerical_calculation 65.00 text_translation 47.50 " ]
    [ "$(cells total score value <t | paste -sd ' ')" = "cognition 249.6429 perception 963.6114 total 1213.2543" ]
}
