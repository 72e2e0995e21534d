#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A folder of the shape of InternVL2.5-8B with random weights (16 GB): loading, and scoring one path of an image of 6 tiles.
#   COS_BIN=build/cpu tests/bench/bench_big.sh DIR      DIR/model is kept when there; remove it yourself
set -eu
[ $# = 1 ] || { echo "big: left out; it wants a folder with 16 GB of room, and 20 GB of memory"; exit 0; }
dir=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."
bin=$(cd "${COS_BIN:-build/cpu}" && pwd)
PATH="$bin:$bin/tests/bench:$PATH"

# a picture five times as wide as high: five tiles and the whole
base64 -d > "$dir/i.png" << 'PNG'
iVBORw0KGgoAAAANSUhEUgAAABQAAAAECAIAAAABPYjBAAAAJElEQVR42mNkYGDgIRexMNgwMDBwkofgmoXIQMiapYlA7chcACi8BfCh7inlAAAAAElFTkSuQmCC
PNG
jq -nc '{id: "q", question: "<image> How many are red?", answer: "5", images: [{ref: "i.png"}],
    path: {index: 0, answer: "5", steps: [range(3) | {name: "Count", thought: "Row \(.) has \(. + 1) red ones.", reflection: "Seen."}]}}' |
    cos-cat -q -f > "$dir/one.cos"
if ! [ -e "$dir/model/model.safetensors" ]; then
    rm -rf "$dir/tiny" "$dir/model"
    # a tokenizer that has seen English (and leaves the Chinese of the system text as bytes)
    jq -Rc 'select(length > 0) | {id: "\(input_line_number)", question: .}' README.md | cos-cat -q -f |
        cos-update init -q --config examples/configs/tiny.json --vocab 8000 --out "$dir/tiny"
    mkdir "$dir/model"
    cp "$dir/tiny"/tokenizer*.json "$dir/tiny/generation_config.json" "$dir/model"
    cp tests/bench/internvl2_5-8b.json "$dir/model/config.json"
    big make "$dir/model"
fi
big load "$dir/model" > /dev/null         # brings it into the cache
big run big load "$dir/model"
big run cos-score prm --dtype bf16 --model "$dir/model" --images "$dir" < "$dir/one.cos" 2>&1 > /dev/null | tail -n 2
