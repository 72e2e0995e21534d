# SPDX-License-Identifier: Apache-2.0
# For bats files: `load helper`. The programs of the build under test come first in PATH; each test has a folder of its own.

setup() {
    : "${COS_BIN:=$BATS_TEST_DIRNAME/../../build/cpu}"
    PATH=$(cd "$COS_BIN" && pwd):$PATH
    cd "$BATS_TEST_TMPDIR" || return 1
}

# two FILE: a small record stream of two paths; every kind of value is in it
two() {
    cat >two.jsonl <<'EOF'
{"id":"a/1","question":"q\n\"\u00e4\u0000","path":{"index":0,"tokens":{"$u32":[1,70000]},"steps":[{"name":"x","score":0.25}]},"scores":{"prm":0.5}}
{"id":"a/1","n":[-1,1e-07,{"$float":"nan"},{"$bin":"AAEC"},true,null],"$$k":1.0,"path":{"index":1,"logprobs":{"m":{"$f32":[-0.1]}}},"scores":{"prm":0.75}}
EOF
    cos-cat -q --from-json --no-provenance <two.jsonl >"$1"
}

# fails_with STATUS TEXT COMMAND...: the command ends with the status and one line on stderr that holds the text
fails_with() {
    local want=$1 text=$2 got=0
    shift 2
    "$@" 2>stderr.txt || got=$?
    mapfile -t lines <stderr.txt
    if [ "$got" != "$want" ]; then echo "status $got, want $want: $*" "${lines[@]}" >&2; return 1; fi
    if [ "${#lines[@]}" != 1 ] || [[ ${lines[0]} != *"$text"* ]]; then echo "want one line with '$text':" "${lines[@]}" >&2; return 1; fi
}

# refuses_cuts FILE COMMAND...: the command, given the file cut at any byte (STEP=N: every Nth), ends with status 1 and
# says so in one line
refuses_cuts() {
    local file=$1 n i got
    shift
    n=$(wc -c <"$file")
    for ((i = 0; i < n; i += ${STEP:-1})); do
        head -c "$i" "$file" >cut
        got=0
        "$@" <cut >/dev/null 2>stderr.txt || got=$?
        [ "$got" = 1 ] || { echo "cut at byte $i of $n: status $got"; return 1; }
        mapfile -t lines <stderr.txt
        [ "${#lines[@]}" = 1 ] || { echo "cut at byte $i:" "${lines[@]}"; return 1; }
    done
}

sanitized() { case $COS_BIN in *san) return 0 ;; esac; return 1; }
