/* SPDX-License-Identifier: Apache-2.0
 * Monte Carlo values of steps (Math-Shepherd, arXiv 2312.08935; step labels of arXiv 2509.19003): from behind every step
 * of a path n continuations are sampled, and it is counted how many of them reach the right answer.
 *
 *     struct rollout s = { .engine = e, .io = io, .pool = pool, .n = 16, .max_tokens = 1024, .how = { 1, 0, 1 }, ... };
 *     if (rollout(&s, &stats)) ...
 *
 * - The prompt is computed once, and so is every step: the beginnings of a path are pieces of one tree (search/engine.h).
 * - The draws are keyed by the seed, the record's id and the tokens of the beginning. So a value depends on nothing else,
 *   and paths of one question that begin alike share it: it is sampled once.
 * - A continuation ends with the answer; one that comes to no answer is not right.
 */
#ifndef SEARCH_ROLLOUT_H
#define SEARCH_ROLLOUT_H

#include "record/answer.h"
#include "search/engine.h"

struct step_value { int right, of; };          /* of 0: unknown, the step leaves no room for a continuation */

struct rollout {
    struct engine *engine;
    const struct model_io *io;
    struct par *pool;
    int n, max_tokens;                         /* continuations of a beginning; tokens of one at most */
    uint64_t seed;
    struct sampling how;
    enum answer_match match;
    void *arg;                                 /* of the calls below; each returns -1 after fail(), which ends it all */
    int (*read)(void *arg, struct record *r);  /* 1, or 0 at the end */
    int (*done)(void *arg, struct record *r, const struct step_value *v, int nstep);   /* in order; r may be changed */
    int (*reject)(void *arg, struct record *r, const char *why);       /* why: static; err_msg() has the particulars */
    int (*tick)(void *arg);                    /* after every round, for progress */
};

/* fresh: rows of the model that prompt, beginning and continuation would have been if every one of the n continuations
 * of every step had been computed on its own. */
struct rollout_stats { uint64_t values, shared, fresh; };
/* 0, or -1. When reading fails, the records read before are finished and handed out first. */
MUST_USE int rollout(const struct rollout *s, struct rollout_stats *stats);

#endif
