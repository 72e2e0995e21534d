#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile images and archives (tests/bad): every program that opens images rejects the record, says why, and goes on
# with the others; nothing crashes.

setup_file() {
    export PATH="$COS_BIN:$PATH" W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    "$COS_BIN/tests/bad/make_bad" -q "$W/bad" > "$W/refs"
    base64 -d > "$W/bad/good.png" <<< iVBORw0KGgoAAAANSUhEUgAAABAAAAAICAIAAAB/FOjAAAAARklEQVR42mOU0dNmIAUwMZAImA7MnozM1+wyYmBg2LAvBJcGRoiTou7pL1O6SIKT0FR/e9BPmh82nJpFmoYfd1MJ+IF4AACChBFOmtGuhQAAAABJRU5ErkJggg==
    printf 'good.png\t\n' | cat - "$W/refs" | jq -cR 'split("\t") | {id: .[0], question: "What is it?", answer: "red", images: [{ref: .[0]}],
        path: {steps: [{name: "Look", thought: "It is red.", reflection: "Seen."}], answer: "red"}}' | cos-cat -q -f > "$W/in.cos"
    bad=$(wc -l < "$W/refs")
    export bad
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --max-tiles 2 --out "$W/base" < "$W/in.cos"
}

setup() { cd "$BATS_TEST_TMPDIR"; }

# the notes of the first few rejects hold the messages that are due, in order
notes_fit() {
    grep '(id ' err > notes
    [ "$(wc -l < notes)" -ge 5 ]
    paste -d'\n' notes <(head -n "$(wc -l < notes)" "$W/refs" | cut -f2) | while read -r note && read -r want; do
        case $note in *"$want"*) ;; *) echo "'$note' lacks '$want'"; return 1 ;; esac
    done
}

@test "cos-generate rejects them all, and answers the good one" {
    cos-generate --model "$W/base" --images "$W/bad" --max-tokens 4 < "$W/in.cos" > out 2> err
    [ "$(cos-cat -q --plain < out | jq -r .id)" = good.png ]
    grep -q "$bad rejected (unreadable image $bad)" err
    notes_fit
}

@test "cos-update trains on the good one alone" {
    cos-update sft --model "$W/base" --images "$W/bad" --steps 1 --out sft < "$W/in.cos" 2> err
    grep -q "1 used, $bad rejected (unreadable image $bad)" err
    notes_fit
}

@test "cos-segment --inline rejects what it cannot read" {
    cos-cat -q --plain "$W/in.cos" | jq -c '{id, image: .images[0].ref, conversations: [{from: "human", value: "<image>\nQ"}, {from: "gpt", value: "A"}]}' > rows
    cos-segment --from llava --lenient --images "$W/bad" --inline < rows > out 2> err
    [ "$(cos-cat -q --plain < out | wc -l)" -ge 1 ]
    grep -qE "$((bad + 1)) in, " err
}
