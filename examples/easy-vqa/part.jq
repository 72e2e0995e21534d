# SPDX-License-Identifier: Apache-2.0
# The header, and the records of images $from to $to - 1; $steps: with their paths, else the questions alone.
if .images then (.images[0].ref | capture("(?<i>[0-9]+)\\.png$").i | tonumber) as $i | select($i >= $from and $i < $to)
  | if $steps then . else del(.path) end
else . end
