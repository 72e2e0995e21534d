# SPDX-License-Identifier: Apache-2.0
# All tables of a run of cos.mk in one object. Input: the JSON files; $seed; $policies: names; $sizes: lines NAME=VALUE.
{$seed, policies: ($policies / " "),
 sizes: ($sizes / "\n" | map(capture("(?<key>[^=]*)=(?<value>.*)")) | from_entries),
 tables: (reduce inputs as $t ({}; . + {(input_filename | sub(".*/"; "") | rtrimstr(".json")): $t}))}
