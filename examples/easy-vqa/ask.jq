# SPDX-License-Identifier: Apache-2.0
# easy-VQA's test questions, [[question, answer, image id], ...] -> sample records as JSON lines; images in $archive.
to_entries[] | .value as [$q, $a, $i] |
{ id: "easy-vqa/test/\(.key)", question: $q, answer: $a, images: [{ ref: "\($archive)!test/images/\($i).png" }],
  source: ($q | if test("color") then "color" elif test("^what") then "shape" else "yes/no" end) }
