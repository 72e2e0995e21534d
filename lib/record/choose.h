/* SPDX-License-Identifier: Apache-2.0
 * Choosing among the paths of a question. Nothing depends on the order in which the paths came: candidates are ranked by
 *   score (higher first, unscored last), path.index (lower first, absent last), then the record's bytes
 * and sums are taken in that order.
 */
#ifndef RECORD_CHOOSE_H
#define RECORD_CHOOSE_H

#include "record/answer.h"
#include "record/reward.h"

struct candidate {
    struct record *r;                          /* borrowed */
    struct path_score s;                       /* zeros when unscored */
    const char *unscored;                      /* why it has no score; NULL: it has one */
    int64_t index;                             /* path.index; INT64_MAX: none */
    int group;                                 /* paths of one group have the same answer; -1: no answer */
};
struct ballot {
    struct candidate *c;                       /* n, best first */
    int n, cap, groups, scored;                /* groups are numbered in the order of their keys' bytes */
};

/* Takes the paths of one question; how: what the same answer is. Ballots are zero-initialised and used again. */
void ballot_make(struct ballot *b, struct record *const *r, int n, const struct reward *w, enum answer_match how);
void ballot_free(struct ballot *b);
struct candidate candidate_of(struct record *r, const struct reward *w);   /* group -1 */
/* Less than 0: a ranks before b. 0 only for records of the same bytes. */
int  candidate_order(const struct candidate *a, const struct candidate *b);

/* winner: the best path of the winning group (index into ballot.c). votes: paths of that group among `of` paths. */
struct choice { int winner, votes, of; double weight; };
/* Majority of answers, or, weighted, the largest sum of scores (weight). pick: NULL for all, or positions in b->c of
 * those who vote, ascending, n of them (n >= 1).
 *   - Paths without an answer do not vote; where no path has one, the best path wins with no votes.
 *   - Weighted: paths without a score do not vote either; where none votes, the majority decides.
 *   - Ties: by (more votes,) the higher best score, then the order of the answers' keys. */
struct choice choose_vote(const struct ballot *b, const int *pick, int n, bool weighted);

#endif
