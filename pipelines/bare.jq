# SPDX-License-Identifier: Apache-2.0
# Records of a model that answers directly: an answer without steps is no chain, so it is taken out of the text.
if .path.text? then .path.answer = (.path.text | capture("<.answer_start.>(?<a>.*)<.answer_end.>")? // {}).a else . end
