#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Layers: an include of lib/ may only point to a layer further right, tools and examples to any, and names the folder.
#     search, train > model > ops > record > media, text > store > base       kernels implement ops.h; search > bench > record
#     net > record: what servers say does not come into the engine
cd "$(dirname "$0")/../.." || exit 1

below() {   # the layers that one may include, itself apart
    case $1 in
    base)   echo ;;
    store)  echo base ;;
    text)   echo store base ;;
    media)  echo store base ;;
    record) echo media text store base ;;
    net)    echo record media text store base ;;
    ops)    echo record media text store base ;;
    bench)  echo record media text store base ;;
    model)  echo ops record media text store base ;;
    train)  echo model ops record media text store base ;;
    search) echo model ops bench record media text store base ;;
    *)      echo "$1: a folder without a place among the layers" >&2; return 1 ;;
    esac
}

# FILE:LINE TARGET of each include in quotes
includes() { grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.[chS]' --include='*.cu' --include='*.cuh' "$1" |
    sed -E 's/^([^:]*:[0-9]+):[^"]*"([^"]*)".*/\1 \2/'; }

check() {   # reversed and nameless includes of one layer
    allowed=" $1 $(below "$1") " || return 1
    includes "lib/$1" | while read -r where target; do
        case $target in
        */*) case $allowed in *" ${target%%/*} "*) ;; *) echo "$where: \"$target\" points from $1 to ${target%%/*}" ;; esac ;;
        *)   echo "$where: \"$target\" names no folder" ;;
        esac
    done
}

# A planted fault has to be found, or the check proves nothing.
plant=$(mktemp -d) || exit 1
trap 'rm -rf "$plant"' EXIT
mkdir -p "$plant/lib/base"
printf '#include "record/record.h"\n#include "mem.h"\n#include "base/mem.h"\n' >"$plant/lib/base/x.c"
found=$(cd "$plant" && check base | wc -l)

status=0
result() {   # NUMBER NAME FAULTS: a line of TAP, the faults behind it
    if [ -z "$3" ]; then echo "ok $1 - $2"; return; fi
    echo "not ok $1 - $2"
    echo "$3" | sed 's/^/# /'
    status=1
}

echo "1..3"
result 1 "reversed and nameless includes are found" "$([ "$found" = 2 ] || echo "$found of 2")"
bad=$(for d in lib/*/; do check "$(basename "$d")" || echo "lib/$(basename "$d"): no such layer"; done)
result 2 "no include points to a higher layer" "$bad"
bad=$(find lib tools kernels examples tests -name '*.[chS]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.sh' -o -name '*.bats' -o -name '*.bash' 2>/dev/null |
    while read -r f; do head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"; done)
result 3 "every source file states its licence" "$bad"
exit $status
