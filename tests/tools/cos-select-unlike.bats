#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# cos-select filter --unlike: charts of examples/shapes as a test set, and the same charts drawn twice as large.

bats_require_minimum_version 1.5.0

setup_file() {
    export PATH=$COS_BIN:$COS_BIN/examples/shapes:$PATH W=$BATS_FILE_TMPDIR
    cd "$W"
    make() { shapes make -q --no-provenance --kind scene --difficulty 1 --questions "$@"; }
    make -n 12 --seed 3 --images test > test.cos
    make -n 12 --seed 3 --size 128 --images large > large.cos
    make -n 12 --seed 4 --images other > other.cos
    mkdir train
    cp large/*.png train/
    cp other/*.png train/
    cos-cat -q --no-provenance large.cos other.cos | cos-cat -q --no-provenance > train.cos
}

setup() { cd "$BATS_TEST_TMPDIR"; }

pack() { cos-cat -q -f --no-provenance; }
plain() { cos-cat -q --plain "$@"; }
sel() { cos-select filter --unlike "$W/test.cos" --test-images "$W/test" --images "$W/train" --no-provenance "$@"; }

@test "resized images with their questions are found, others stay, in order, all accounted for" {
    sel --rejects bad.cos < "$W/train.cos" > good.cos 2> err
    grep -qx 'cos-select: 24 in, 12 out, 12 rejected (image and question in a test set 12)' err
    grep -qx 'cos-select: compared with 12 records and 12 images of test sets' err
    cmp good.cos "$W/other.cos"
    plain bad.cos | jq -e '.meta.like.id == .id and .meta.like.bits <= 6 and .meta.reject == "image and question in a test set"' > ok
    [ "$(sort -u ok)" = true ]
    cos-cat --check -q < bad.cos > /dev/null
}

@test "spelling does not matter, another question does; --by" {
    plain "$W/large.cos" | head -4 | jq -c 'if .id == "shapes/3-0" then .question |= "<image>\n" + ascii_upcase
        elif .id == "shapes/3-1" then .question = "What is this?" else . end | .id = "t/" + .id' | pack > in.cos
    ids() { sel "$@" < in.cos 2> err | plain | jq -r .id | tr '\n' ' '; }
    [ "$(ids)" = "t/shapes/3-1 " ]
    grep -q 'rejected (image and question in a test set 3)' err
    grep -qx 'cos-select: kept, though an image of theirs is in a test set: 1' err
    [ "$(ids --by image)" = "" ]
    grep -q 'rejected (image and question in a test set 3, image in a test set 1)' err
    [ "$(ids --by question)" = "t/shapes/3-1 " ]
    # the question alone: of a test record with another image, or of none
    plain "$W/large.cos" | jq -cs '(.[0] | .images = []), (.[0].question as $q | .[1] | .question = $q)' | pack > in.cos
    [ "$(ids | wc -w)" = 2 ]
    grep -q 'kept, though a test set asks the same question: 2' err
    [ "$(ids --by question)" = "" ]
    grep -q 'rejected (question in a test set 2)' err
    [ "$(ids --by either)" = "" ]
}

@test "questions without images; several images; conditions come first" {
    jq -nc '{id: "t/1", question: "What is 2 + 3?"}, {id: "t/2", question: "What is 2 - 3?"}' | pack > text.cos
    jq -nc '{id: "a", question: "what is 2+3"}, {id: "b", question: "What is 3 + 2?"}, {id: "c"}, {id: "d", question: "?!"}' | pack > in.cos
    [ "$(cos-select filter -q --unlike text.cos in.cos | plain | jq -r .id | tr '\n' ' ')" = "b c d " ]
    plain "$W/train.cos" | jq -cs '.[0].images as $i | .[0].question as $q | .[12] | .images += $i | ., (.question = $q)' | pack > in.cos
    [ "$(sel -q < in.cos | plain | jq -r .question)" = "$(plain "$W/train.cos" | jq -rs '.[12].question')" ]
    sel -w id=shapes/4-3 < "$W/train.cos" 2>&1 > /dev/null | grep -qx 'cos-select: 24 in, 1 out, 23 not chosen'
    # two test sets, one of them empty
    cos-cat -q --no-provenance --skip 100 < text.cos > empty.cos
    [ "$(cos-select filter -q --unlike empty.cos --unlike text.cos text.cos | plain | wc -l)" = 0 ]
}

@test "the same bytes for any number of threads and order of test sets" {
    plain "$W/train.cos" | jq -c '.images += .images' | pack > in.cos
    sel -q --threads 1 --rejects r1 < in.cos > one
    for t in 2 7; do
        sel -q --threads $t --rejects r2 < in.cos | cmp - one
        cmp r1 r2
    done
    # equally near: the first of the test set
    cos-cat -q --no-provenance "$W/test.cos" "$W/test.cos" > twice.cos
    cos-select filter -q --unlike twice.cos --test-images "$W/test" --images "$W/train" --no-provenance --rejects r2 < in.cos | cmp - one
    cmp r1 r2
}

@test "what cannot be read" {
    plain "$W/train.cos" | jq -cs '(.[0] | .images[0].ref = "none.png"), (.[1] | .images = [{}]), .[20]' | pack > in.cos
    sel --rejects bad.cos < in.cos 2> err | plain | jq -r .id > out
    [ "$(cat out)" = shapes/4-8 ]
    grep -q '3 in, 1 out, 2 rejected (unreadable image 2)' err
    grep -q 'record 1 (id shapes/3-0): image 1: .*none.png' err
    # of a test set it is an error: nothing could be said
    run sel -q --test-images "$W/other" < in.cos
    [ "$status" = 1 ]
    [[ "${lines[0]}" == "cos-select: --unlike $W/test.cos: record 1 (id shapes/3-0): image 1: "* ]]
    run cos-select filter -q --unlike none.cos "$W/train.cos"
    [ "$status" = 1 ]
    [[ "$output" == "cos-select: --unlike none.cos: No such file"* ]]
    n=$(wc -c < "$W/test.cos")
    for k in 0 7 $((n / 2)) $((n - 1)); do
        head -c "$k" "$W/test.cos" > cut
        run cos-select filter -q --unlike cut --images "$W/test" "$W/train.cos"
        [ "$status" = 1 ]
        [ "${#lines[@]}" = 1 ]
    done
    for k in 0 7 $((n / 2)) $((n - 1)); do
        run bash -c 'head -c '"$k"' "$W/test.cos" | cos-select filter -q --unlike "$W/test.cos" --images "$W/test" > /dev/null'
        [ "$status" = 1 ]
        [ "${#lines[@]}" = 1 ]
    done
    run cos-select filter --unlike "$W/test.cos" --bits 16 "$W/train.cos"
    [ "$status" = 2 ]
}
