/* SPDX-License-Identifier: Apache-2.0
 * A stream of questions through the engine: read ahead, prepared on several threads, many in the engine at once, and
 * handed out in the order in which they came. Memory is bounded by a window of questions.
 *
 *     struct generate g = { .engine = e, .io = io, .pool = pool, .n = 16, ..., .read = .., .paths = .., .reject = .. };
 *     if (generate(&g)) ...
 *
 * Draws are keyed by (seed, the record's id), the path's index and the token's position.
 */
#ifndef SEARCH_GENERATE_H
#define SEARCH_GENERATE_H

#include "model/input.h"
#include "search/engine.h"

struct generate {
    struct engine *engine;
    const struct model_io *io;
    struct par *pool;
    int n;                                     /* paths a question */
    uint64_t first_index, seed;
    int max_tokens;
    struct sampling how;
    struct gen_stop stop;
    void *arg;                                 /* of the calls below; each returns -1 after fail(), which ends it all */
    int (*read)(void *arg, struct record *r);  /* 1, or 0 at the end */
    int (*paths)(void *arg, struct record *r, const struct gen_path *path, int n);     /* r may be changed */
    int (*reject)(void *arg, struct record *r, const char *why);       /* why: static; err_msg() has the particulars */
    int (*tick)(void *arg);                    /* after every round, for progress */
};
/* 0, or -1. When reading fails, the questions read before are finished and handed out first. */
MUST_USE int generate(const struct generate *g);

#endif
