#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of one build folder and prints "N passed, N failed, N skipped" last.
#   tests/run.sh BUILD_DIR TEST...      TEST: a built unit program, a .bats file or a .sh file (TAP on stdout)
# Failed tests are shown whole; passed ones as one line a file. Exit 1 if any failed or none ran.
COS_BIN=$1; shift
case $COS_BIN in /*) ;; *) COS_BIN=$PWD/$COS_BIN ;; esac
export COS_BIN
log=$(mktemp) || exit 1
all=$(mktemp) || exit 1
trap 'rm -f "$log" "$all"' EXIT
trap 'exit 130' INT TERM

one() {   # runs a test file; a crash or a missing plan counts as a failure of its own
    case $1 in
    *.bats) bats --tap "$1" ;;
    *.sh)   sh "$1" ;;
    *)      "$1" ;;
    esac >"$log" 2>&1 </dev/null
    rc=$?
    grep -E '^(ok|not ok) ' "$log" >>"$all"
    bad=$(grep -c '^not ok ' "$log")
    if [ "$rc" != 0 ] && [ "$bad" = 0 ]; then echo "not ok - $1 ended with status $rc" | tee -a "$all" >>"$log"; bad=1; fi
    printf '%s %s: %s\n' "$([ "$bad" = 0 ] && echo PASS || echo FAIL)" "$1" "$(grep -cE '^ok ' "$log") ok, $bad failed"
    [ "$bad" = 0 ] || sed 's/^/    /' "$log" | tail -n 60
    grep -iE '^ok .*# skip' "$log" | sed 's/^ok [0-9]*/    skipped:/'
}

for t in "$@"; do one "$t"; done
skipped=$(grep -ciE '^ok .*# skip' "$all")
passed=$(( $(grep -c '^ok ' "$all") - skipped ))
failed=$(grep -c '^not ok ' "$all")
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
