# SPDX-License-Identifier: Apache-2.0
# Tar shards in the way of WebDataset: rows and images side by side, in and out.

bats_require_minimum_version 1.5.0
load helper

png() { base64 -d <<<iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC; }
plain() { cos-cat --plain -q "$@"; }

# Four records: one image, two, none, bytes
some() {
    mkdir -p pics/d
    png >pics/a.png
    { png; printf more; } >pics/d/b.png
    local path='"path":{"index":0,"answer":"A","steps":[{"name":"n","thought":"t","reflection":"r"}]}'
    printf '%s\n' '{"id":"1","question":"<image>\nQ","images":[{"ref":"a.png"}],'"$path}" '{"id":"2","question":"<image>\n<image>\nQ","images":[{"ref":"d/b.png"},{"ref":"a.png"}],'"$path}" \
        '{"id":"3","question":"Q",'"$path}" '{"id":"4","question":"<image>\nQ","images":[{"data":{"$bin":"'"$(png | base64 -w 0)"'"},"type":"png"}],'"$path}" | cos-cat -q -f --no-provenance >some.cos
}

@test "out: members of tar as webdataset reads them; the same bytes for any number of threads" {
    some
    cos-cat --to cos --tar out.tar --images pics some.cos 2>err
    grep -q '4 in, 4 out' err
    [ "$(tar tf out.tar | tr '\n' ' ')" = '000000001.json 000000001.png 000000002.json 000000002.0.png 000000002.1.png 000000003.json 000000004.json 000000004.png ' ]
    tar xOf out.tar 000000002.0.png | cmp - pics/d/b.png
    tar xOf out.tar 000000002.json | jq -e '.image == ["000000002.0.png", "000000002.1.png"]'
    for n in 1 3; do cos-cat -q --to cos --tar - --images pics --threads $n some.cos | cmp - out.tar; done
    [ ! -e out.tar.part ]
}

@test "out and in again: equal records, images in the records or by reference, nothing unpacked" {
    some
    for form in record cos llava; do
        cos-cat -q --to $form --tar s.tar --images pics some.cos
        cos-segment -q --from $form --tar --inline s.tar >a.cos
        cos-cat --check -q a.cos >/dev/null
        plain a.cos | jq -r '.images[]?.data["$bin"]' | sed -n 2p | base64 -d | cmp - pics/d/b.png
        cos-cat -q --to $form --tar t.tar a.cos
        cmp s.tar t.tar
        cos-segment -q --from $form --tar --inline <t.tar >b.cos
        plain a.cos | jq -S . >a.txt
        plain b.cos | jq -S . | diff a.txt -
        cos-segment -q --from $form --tar s.tar | plain | jq -r '.images[]?.ref' >refs
        printf '%s\n' s.tar!000000001.png s.tar!000000002.0.png s.tar!000000002.1.png s.tar!000000004.png | diff - refs
        cos-segment -q --from $form --tar s.tar | cos-cat -q --to $form --tar u.tar
        cmp s.tar u.tar
    done
}

@test "shards: by count, by size; each is whole; read in order" {
    some
    for i in $(seq 25); do cat some.cos; done | cos-cat -q --to record --images pics --tar 'a-%03d.tar' --tar-count 30
    [ "$(echo a-*.tar)" = 'a-000.tar a-001.tar a-002.tar a-003.tar' ]
    cos-segment -q --from record --tar a-*.tar | plain | jq -r .id | uniq -c | awk '{print $1}' | sort -u | grep -qx 1
    [ "$(cos-segment -q --from record --tar a-*.tar | plain | wc -l)" = 100 ]
    head -c 300000 /dev/zero >zeros
    { png; cat zeros; } >pics/a.png
    for i in $(seq 4); do cat some.cos; done | cos-cat -q --to record --images pics --tar 'b-%d.tar' --tar-size 1
    [ "$(ls b-*.tar | wc -l)" = 3 ]
    for f in b-*.tar; do [ "$(wc -c <"$f")" -lt 1100000 ]; done
    [ "$(cat b-0.tar b-1.tar b-2.tar | cos-segment -q --from record --tar --inline | plain | wc -l)" = 16 ]
    cos-cat -q --skip 4 some.cos | cos-cat -q --to record --tar empty.tar
    [ "$(cos-segment --from record --tar empty.tar 2>&1 >/dev/null)" = 'cos-segment: 0 in, 0 out' ]
}

@test "in: shards that others made: compressed, in folders, other names, no names, more than one row" {
    mkdir -p w/x
    echo '{"id": "1", "image": "coco/17.jpg", "conversations": [{"from": "human", "value": "<image>Q"}, {"from": "gpt", "value": "A"}]}' >w/x/0001.json
    png >w/x/0001.png
    echo '{"id": "2", "conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}' >w/x/0002.json
    png >w/x/0002.PNG
    echo note >w/x/0002.txt
    echo '{}' >w/x/0002.more.json
    echo '{"id": "3", "image": "0003.png", "conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}' >w/x/0003.json
    png >w/x/0003.png
    png >w/x/0003.b.png
    echo hidden >w/x/._0003.png
    echo alone >w/x/0004.txt
    tar cf w.tar --sort=name -C w .
    cos-segment --from llava --tar --source S w.tar 2>err | plain | jq -c '[.id, .source, [.images[].ref]]' >out
    printf '%s\n' '["1","S",["w.tar!x/0001.png"]]' '["2","S",["w.tar!x/0002.PNG"]]' '["3","S",["w.tar!x/0003.png"]]' | diff - out
    grep -q '4 in, 3 out, 1 rejected (a sample without a row 1)' err
    gzip -k w.tar
    xz -k w.tar
    cos-segment -q --from llava --tar --inline w.tar >a
    for f in w.tar.gz w.tar.xz; do cos-segment -q --no-provenance --from llava --tar --inline $f | cmp - <(cos-cat -q --no-provenance a | cos-segment -q --no-provenance --from llava --tar --inline w.tar); done
    png >pics.png
    jq -nc '{id: "1", question: "Q", images: [{ref: "pics.png"}], answer: "x"}' >row.json
    tar cf r.tar row.json
    [ "$(cos-segment -q --from record --tar r.tar | plain | jq -r '.images[0].ref')" = pics.png ]
    [ "$(cos-segment -q --from record --tar --inline --images . r.tar | plain | jq -r '.images[0].type')" = png ]
}

@test "tar files cut at any place, damaged, too much: an error, and no trailer" {
    some
    cos-cat -q --to record --tar s.tar --images pics some.cos
    size=$(wc -c <s.tar)
    for n in $(seq 0 256 $((size - 1024))); do
        head -c "$n" s.tar >cut.tar
        run --separate-stderr sh -c 'cos-segment --from record --tar --inline cut.tar >out'
        [ "$status" = 1 ] || { echo "cut at $n of $size: $output"; return 1; }
        [ "${#stderr_lines[@]}" = 1 ]
        [[ "$stderr" == "cos-segment: cut.tar: "* ]]
    done
    echo '{"id":"x"' >bad.json
    tar cf bad.tar bad.json
    fails_with 1 "bad.tar: sample 1: column" cos-segment --from record --tar bad.tar
    tar cf twice.tar bad.json
    tar rf twice.tar bad.json
    fails_with 1 "bad.json: twice in one sample" cos-segment --from record --tar twice.tar
    head -c 600 /dev/urandom >noise.tar
    fails_with 1 "noise.tar" cos-segment --from record --tar noise.tar
    fails_with 1 "No such file" cos-segment --from record --tar none.tar
    fails_with 2 "want --inline" cos-segment --from record --tar <s.tar
}

@test "images that are not there: rejected; a shard that cannot be written leaves nothing behind" {
    some
    rm pics/a.png
    cos-cat --to record --tar s.tar --images pics --rejects bad some.cos 2>err
    grep -q '4 in, 2 out, 2 rejected (unreadable image 2)' err
    grep -q 'a.png' err
    [ "$(plain bad | jq -r .id | tr '\n' ' ')" = '1 2 ' ]
    png >pics/a.png
    fails_with 1 "nowhere/" cos-cat -q --to record --tar 'nowhere/%d.tar' --images pics some.cos
    fails_with 1 "No space left" sh -c 'cos-cat -q --to record --tar - --images pics some.cos >/dev/full'
    head -c -3 some.cos >cut
    run cos-cat -q --to record --tar x.tar --images pics cut
    [ "$status" = 1 ]
    [ ! -e x.tar ]
    [ ! -e x.tar.part ]
}
