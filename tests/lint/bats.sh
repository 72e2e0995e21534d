#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In a bats test a failing "[ a ] && [ b ]" or "! command" does not end the test unless it is the last line: such lines
# check nothing. (TAP)
cd "$(dirname "$0")/../.." || exit 1
bad=$(grep -nE '^ *(\[.*\] && \[|! )' tests/tools/*.bats | grep -vF '||' | grep -vE '\[\[ [^]]*&&[^]]*\]\]$')
echo 1..1
if [ -z "$bad" ]; then echo 'ok 1 - every check of the bats files can fail'; exit 0; fi
echo 'not ok 1 - every check of the bats files can fail'
echo "$bad" | sed 's/^/# /'
exit 1
