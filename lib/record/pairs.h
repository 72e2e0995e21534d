/* SPDX-License-Identifier: Apache-2.0
 * Preference pairs from the scored paths of a question: a better path with a worse one whose gap in score exceeds a
 * threshold. Pairs are taken in the order of their gaps, largest first, so the first is the best path with the worst.
 * Equal gaps go by the ranks of the better, then of the worse path.
 */
#ifndef RECORD_PAIRS_H
#define RECORD_PAIRS_H

#include "record/choose.h"

struct pair_rule {
    double gap;                                /* a pair's gap is larger than this */
    int per_question, per_path;                /* at most: pairs of a question, pairs that one path is in */
    bool require_answer;                       /* path.correct: true of the chosen, false of the rejected one */
};
struct pair { int chosen, rejected; };         /* positions in ballot.c */

/* Why a question gave no pair: the first that applies. */
enum pair_why { PAIR_MADE, PAIR_ONE_PATH, PAIR_EQUAL, PAIR_NO_WHOLE, PAIR_NO_RIGHT, PAIR_NO_WRONG, PAIR_GAP, PAIR_SAME_TEXT, PAIR_WHYS };
extern const char *const pair_why_words[PAIR_WHYS];

/* Every candidate has a score. A path that was cut off, is not in the step format or has no answer is never chosen; it may
 * be rejected. Two paths of the same text (text[i] is a hash of that of b->c[i]) make no pair. Returns how many pairs
 * there are in out (room for per_question), and *why. */
int pairs_pick(const struct ballot *b, const uint64_t *text, const struct pair_rule *rule, struct pair *out, enum pair_why *why);
/* A hash of what the path says: its steps and answer, or its raw text where it is not in the step format.
 * -1: the path is malformed. */
MUST_USE int pair_text_hash(const struct record *r, uint64_t *hash);
/* Makes out the pair's record: the chosen one's sample once, "chosen" and "rejected" (each path with its scores), and
 * meta.pair {"gap", "chosen_score", "rejected_score", "step_gap", "answer_gap", "decided_by"}; the last three where the
 * score has two terms; the larger one decides: "step", "answer", or "both" where they are equal. */
void pair_record(struct record *out, const struct candidate *chosen, const struct candidate *rejected);

#endif
