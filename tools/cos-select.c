/* SPDX-License-Identifier: Apache-2.0
 * cos-select: chooses among records. Each command is in a file of its own: select_*.c.
 */
#include "select.h"

#define SCORE_HELP \
    "The score of a path (--agg, --step-weight): W * mean(step scores) + (1 - W) * answer score; with --over all the\n" \
    "aggregate of the step scores and the answer score, where there is one, as one list; with --by any number.\n" \
    "Equal scores: the lower path.index first, then the order of the records' bytes; never the order of arrival.\n"
#define GROUP_HELP \
    "The paths of an id follow one another; an id that comes back later is an error. Holds one question in memory.\n"

static const struct command cmds[] = {
    { "best", "the path with the highest score of each question", select_best_opts, select_best, "[FILE...]",
      SCORE_HELP GROUP_HELP
      "Every question gives one path. One without a score is rejected, but where no path of a question has one, the one\n"
      "with the lowest path.index is taken; where no path at all has one, that is an error (but see --unscored).\n\n"
      "  cos-generate --model sft -n 16 < ask.cos | cos-score prm --model prm | cos-select best | cos-eval accuracy\n"
      "  cos-select best --by path.answer_score < scored.cos > by-answer.cos" },
    { "vote", "the majority answer of each question", select_vote_opts, select_vote, "[FILE...]",
      "Writes the best path of the largest group of the same answer, with meta.vote {n, of}: n of all paths gave it.\n"
      "Paths without an answer do not vote; where no path has one, the best path is taken, with n 0. Ties: more votes, then\n"
      "the higher best score, then the answers' canonical forms in the order of their bytes. Scores are not needed: paths\n"
      "without one rank last.\n" GROUP_HELP "\n"
      "  cos-generate --model sft -n 16 < ask.cos | cos-select vote --match number | cos-eval accuracy --match number" },
    { "weighted", "the answer with the largest sum of scores of each question", select_weighted_opts, select_weighted, "[FILE...]",
      SCORE_HELP GROUP_HELP
      "As vote, but a path counts as much as its score (meta.vote {n, of, weight}). Paths without a score or an answer do not\n"
      "vote; where none does, the majority is taken. Ties: more votes, then as vote." },
    { "pairs", "pairs of a better and a worse path of each question", select_pairs_opts, select_pairs, "[FILE...]",
      SCORE_HELP GROUP_HELP
      "Pairs are taken by their gap, largest first: the first is the best path with the worst. Each is the sample once with\n"
      "chosen and rejected, and meta.pair {gap, chosen_score, rejected_score, step_gap, answer_gap, decided_by}. A path that\n"
      "was cut off, is not in the step format or has no answer is never the chosen one. Two paths of one text make no pair.\n"
      "A second line on stderr counts the questions: paired, one path, all equal, no whole path, no right path, no wrong path,\n"
      "gap too small, same text.\n\n"
      "  cos-score prm --model prm < paths.cos | cos-select pairs --gap 0.3 > pairs.cos && cos-eval pairs < pairs.cos\n"
      "  cos-select pairs --gap 0 --by answer --require-answer -n 4 < graded.cos > right-and-wrong.cos" },
    { "top", "keeps the best paths of each id, best first", select_top_opts, select_top, "[FILE...]",
      "The paths of an id follow one another. Equal numbers go by path.index, then by the records' bytes. Paths without the\n"
      "number are rejected (\"no score\"): unknown is not worst. Holds N + 1 records in memory.\n\n"
      "  cos-select top -n 4 --by scores.prm < scored.cos > best4.cos\n"
      "  cos-select top --by path.answer_score < scored.cos | cos-eval accuracy" },
    { "filter", "keeps the records that meet all conditions and are in no test set", select_filter_opts, select_filter, "[FILE...]",
      "Dots lead into maps. Numbers are compared as numbers, true, false and null by those words, all else as text.\n"
      "A key that is absent meets no condition, not even !=.\n\n"
      "--unlike: a record that occurs in a test set is rejected by its reason (--rejects keeps it, with meta.like {id, bits}: the test\n"
      "record, and in how many bits their images differ). Images are the same when their perceptual hashes differ in at most\n"
      "--bits of 64: resized, recompressed and slightly changed ones are, but so are charts of one form (lib/media/phash.h);\n"
      "questions are the same when their words are, without case, accents and punctuation. With --by both a test record must\n"
      "ask the same question about the same image, or ask it without an image where the record has none; how many have one in\n"
      "common is said. Of the test sets some 100 bytes an image are held; those of the records that go through are not.\n\n"
      "  cos-select filter --where path.end=stop --where 'scores.prm > 0.5' < paths.cos > good.cos\n"
      "  cos-select filter --where '#path.steps >= 3' --has path.correct < paths.cos > long.cos\n"
      "  cos-select filter --not --where path.correct=true < paths.cos > wrong-or-unknown.cos\n"
      "  cos-select filter --unlike m3cot.cos --unlike mmstar.cos --test-images bench --images train.zip < train.cos > clean.cos" },
    { 0 } };

int main(int argc, char **argv) { return tool_main("cos-select", "chooses among records", cmds, argc, argv); }
