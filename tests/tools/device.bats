#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --device cuda: in builds without CUDA=1 an error, and the emulated programs (kernels/emu) against the CPU; in builds with
# CUDA=1 the device against the CPU, where there is one.
load helper

setup_file() {
    : "${COS_BIN:=$BATS_TEST_DIRNAME/../../build/cpu}"
    PATH=$(cd "$COS_BIN" && pwd):$PATH
    export PATH W="$BATS_FILE_TMPDIR"
    cd "$BATS_TEST_DIRNAME/../.."
    mkdir "$W/img"
    base64 -d > "$W/img/0.png" <<< iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAATElEQVR42mM8el2EAQacInbsW+EBYTMiSyADJgYcgImBgWHNYhM4v2mnMULilsoruESd+1mExLKpzciGLJY9h9fyp0snwTlcRx7A2QCORxWfkldA/gAAAABJRU5ErkJggg==
    jq -nc 'range(8) as $i | {id: "q/\($i)", question: "Question \($i): which colour?", answer: "red"}
        + (if $i % 2 == 0 then {images: [{ref: "0.png"}]} else {} end)
        + {path: {steps: [{name: "Look", thought: "It looks red, \($i).", reflection: "The picture shows it."}], answer: "red"}}' |
        cos-cat -fq > "$W/train.cos"
    cos-update init -q --config examples/configs/tiny.json --vocab 400 --max-tiles 1 --seed 1 --out "$W/base" < "$W/train.cos"
}

# on DEVICE PROGRAM...: the emulated program where this build has no device
on() {
    local d=$1 p=$2
    shift 2
    if [ "$d" = cuda ] && [ -x "$COS_BIN/emu/$p" ]; then p=$COS_BIN/emu/$p; fi
    "$p" "$@" --device "$d"
}

# sft DEVICE DTYPE OUT: ten steps
sft() {
    on "$1" cos-update sft -q --model "$W/base" --images "$W/img" --steps 10 --batch 4 --lr 1e-3 --clip 1 --dtype "$2" --save-dtype f32 \
        --threads 2 --log "$3.tsv" --out "$3" < "$W/train.cos"
}

# apart A.tsv B.tsv: the largest difference between two logs' losses
apart() {
    awk -F'\t' 'FNR == 1 { for (i = 1; i <= NF; i++) if ($i == "loss") c = i; next }
        NR == FNR { a[FNR] = $c; next } { d = $c - a[FNR]; if (d < 0) d = -d; if (d > m) m = d; n++ } END { if (n != 10) print "lines: " n; else printf "%.9f\n", m }' "$1" "$2"
}

@test "without a GPU, or without CUDA in the build, --device cuda is an error of the device: exit 3, one line" {
    cos-generate -h | grep -q -- '--device cpu|cuda|cuda-loose'
    fails_with 2 "device" cos-generate --model m --device gpu
    [ "$COS_DEVICE" != cuda ] || skip "this run is on a device"
    for c in "cos-generate --model m" "cos-score prm --model m" "cos-score mc --model m" "cos-update sft --model m --out o" \
        "cos-update dpo --model m --out o"; do
        # shellcheck disable=SC2086
        fails_with 3 "cuda: " $c --device cuda </dev/null
        # shellcheck disable=SC2086
        fails_with 3 "cuda: " $c --device cuda-loose </dev/null
    done
}

@test "ten steps of training: f32 losses within 1e-4 of the CPU's, bf16 within 0.03; greedy paths are the same tokens" {
    sft cpu f32 a
    sft cuda f32 b
    d=$(apart a.tsv b.tsv)
    echo "f32: $d"
    awk -v d="$d" 'BEGIN { exit !(d + 0 < 1e-4 && d != "") }'
    for arch in 80 90; do                      # of the emulation; with wgmma and without
        COS_EMU_ARCH=$arch sft cuda bf16 c$arch
        d=$(apart a.tsv c$arch.tsv)
        echo "bf16: $d"
        awk -v d="$d" 'BEGIN { exit !(d + 0 < 0.03 && d != "") }'
    done
    for d in cpu cuda; do
        on $d cos-generate -q --model a --images "$W/img" --dtype f32 --temperature 0 --max-tokens 24 --no-provenance < "$W/train.cos" > "$d.cos"
        cos-cat -q --plain < "$d.cos" | jq -c '[.id, .path.tokens]' > "$d.tokens"
    done
    cmp cpu.tokens cuda.tokens
}

@test "sampling on the device: the same bytes for any batch size; nearly always the CPU's token" {
    gen() { on "$1" cos-generate -q --model "$W/base" --images "$W/img" --dtype f32 -n 3 --top-p 0.9 --max-tokens 24 --seed 3 --no-provenance --batch "$2" < "$W/train.cos"; }
    gen cuda 64 > a
    gen cuda 5 > b
    cmp a b
    gen cpu 64 > c
    for f in a c; do cos-cat -q --plain < $f | jq -c '.path.tokens' > $f.tokens; done
    same=$(paste -d= a.tokens c.tokens | awk -F= '$1 == $2' | wc -l)
    echo "$same of 24 paths"
    [ "$same" -ge 22 ]
}

@test "--plan tells the memory by use, on both devices" {
    for d in cpu cuda; do
        on $d cos-update sft -q --model "$W/base" --images "$W/img" --batch 4 --dtype bf16 --plan --out x < "$W/train.cos" > plan
        for use in weights "master weights" gradients activations "first moments" all free; do grep -q "^$use	[0-9][0-9]*$" plan; done
        [ ! -e x ]
        on $d cos-generate -q --model "$W/base" --images "$W/img" --plan < /dev/null > plan
        for use in "kv cache" activations all free; do grep -q "^$use	[0-9][0-9]*$" plan; done
    done
}
