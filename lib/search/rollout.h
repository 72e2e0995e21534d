/* SPDX-License-Identifier: Apache-2.0
 * Monte Carlo values of steps (Math-Shepherd, arXiv 2312.08935; step labels of arXiv 2509.19003): from behind the steps
 * of a path continuations are sampled, and it is counted how many of them reach the right answer.
 *
 *     struct rollout s = { .engine = e, .io = io, .pool = pool, .rule = { .n = 16 }, .max_tokens = 1024, ... };
 *     if (rollout(&s, &stats)) ...
 *
 * - The prompt is computed once, and so is every step: the beginnings of a path are pieces of one tree (search/engine.h).
 * - The draws are keyed by the seed, the record's id and the tokens of the beginning. So a value depends on nothing else,
 *   and paths of one question that begin alike share it: it is sampled once.
 * - A continuation ends with the answer; one that comes to no answer is not right.
 * - A count may end early, once it is clear on which side of a threshold the chance is (struct rollout_rule); and instead
 *   of all steps only those may be asked that lead to the first wrong one (search/first_error.h).
 */
#ifndef SEARCH_ROLLOUT_H
#define SEARCH_ROLLOUT_H

#include "record/record.h"
#include "search/engine.h"

/* When the count of a step ends: behind n continuations; with `adaptive` as soon as
 *   - it is clear by base/stat.h's stat_side(k, so many, threshold, error) whether the chance of a continuation to be right is
 *     above the threshold: the side is the wrong one with a chance of at most `error`, whatever the number of looks; or
 *   - the continuations that are left cannot change whether k / n is above the threshold. With error 0 only this counts, and
 *     every step is on the side that n continuations would have put it on.
 * The share k / so many of a count that ended early is on its side of the threshold; as an estimate of the chance it is
 * biased away from it. */
struct rollout_rule { int n; bool adaptive; double threshold, error; };

/* After k right ones among `done` continuations: how many more there should be before the next look, 0: none. They are as
 * many as it takes before the count could end, so looking more often would not save any. */
int rollout_more(const struct rollout_rule *rule, int k, int done);

enum rollout_search { ROLLOUT_ALL, ROLLOUT_FIRST_ERROR };      /* which steps are asked */
#define ROLLOUT_SEARCHES "all|first-error"

/* of 0: not sampled, and then `side` is what follows from others: 1 above the threshold, -1 not above, 0: unknown. */
struct step_value { int right, of, side; };

struct rollout {
    struct engine *engine;
    const struct model_io *io;
    struct par *pool;
    struct rollout_rule rule;
    enum rollout_search search;
    int max_tokens;                            /* of a continuation at most */
    uint64_t seed;
    struct sampling how;
    void *arg;                                 /* of the calls below; those that return int: -1 after fail(), which ends it all */
    /* Is this the right answer to the question? NULL with *right set; or why nobody can say, a static string, and the
     * particulars by fail(): then its records are rejected. Depends on the question's record and the answer alone. */
    const char *(*judge)(void *arg, struct record *question, struct slice answer, bool *right);
    int (*read)(void *arg, struct record *r);  /* 1, or 0 at the end */
    int (*done)(void *arg, struct record *r, const struct step_value *v, int nstep);   /* in order; r may be changed */
    int (*reject)(void *arg, struct record *r, const char *why);       /* why: static; err_msg() has the particulars */
    int (*tick)(void *arg);                    /* after every round, for progress */
};

/* values: steps with a count; shared: of those, the ones that another path had asked; early: counts that ended before n;
 * fresh: rows of the model that prompt, beginning and continuation would have been if every continuation that was counted
 * for a step had been computed on its own. */
struct rollout_stats { uint64_t values, shared, early, fresh; };
/* 0, or -1. When reading fails, the records read before are finished and handed out first. */
MUST_USE int rollout(const struct rollout *s, struct rollout_stats *stats);

#endif
