# SPDX-License-Identifier: Apache-2.0
# The records of images $from to $to - 1; $steps: with their paths, else the questions and right answers alone.
(.images[0].ref | capture("(?<i>[0-9]+)\\.png$").i | tonumber) as $i | select($i >= $from and $i < $to)
| if $steps then . else .answer = .path.answer | del(.path) end
