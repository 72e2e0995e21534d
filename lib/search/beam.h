/* SPDX-License-Identifier: Apache-2.0
 * Step by step: one more step of partial paths; and, with a process reward model, step-level beam search
 * (arXiv 2509.19003): n candidates for the next step are sampled, the best by the model are kept and gone on from.
 *
 *     struct beam b = { .engine = e, .io = io, .digest = .., .pool = pool, .n = 16, .prm = p, .prm_io = .., .keep = 1, ... };
 *     if (beam(&b, &stats)) ...
 *
 * - Many questions are in the works: while some wait for their scores, others fill the engine's batch.
 * - The model goes on behind the cached keys of the steps before; the reward model reads the new step alone.
 * - A candidate's draws are keyed by the seed and the record's id, its path.index and its tokens' places in the response.
 *   So with n = 1 a whole path is the one that plain sampling gives, and a search in one process gives what it gives
 *   in rounds of next step, score, best. Batches, threads and the time at which scores come change nothing.
 * - Candidates are ranked as record/choose.h has it, over steps and answer (OVER_ALL): one that ended without a new step
 *   or an answer has no score and ranks last.
 */
#ifndef SEARCH_BEAM_H
#define SEARCH_BEAM_H

#include "record/reward.h"
#include "search/engine.h"
#include "search/prm.h"

struct beam {
    struct engine *engine;
    const struct model_io *io;
    const char *digest;                        /* of the engine's model */
    struct par *pool;
    int batch;                                 /* of the engine */
    int n;                                     /* candidates of a question's first step */
    uint64_t first_index, seed;                /* candidates are numbered from first_index on, in every round anew */
    int max_tokens, max_steps;                 /* of a path; max_steps 0: no bound */
    struct sampling how;
    const struct slice *stop; int nstop;       /* further texts behind which a path ends */
    bool anew;                                 /* without prm: paths that come in are dropped; a search always does */
    struct prm *prm; const struct model_io *prm_io;    /* NULL: one step, all its candidates are handed out */
    int keep;                                  /* paths kept of a round, each with n / keep candidates for its next step */
    int agg; double step_weight;               /* what candidates are ranked by; scores.prm as in record/reward.h */
    bool cost;                                 /* meta.search holds beam and prm_tokens, too */
    void *arg;                                 /* of the calls below; each returns -1 after fail(), which ends it all */
    int (*read)(void *arg, struct record *r);  /* 1, or 0 at the end */
    int (*write)(void *arg, struct record *r, int k);  /* k = 0, 1, ..: the records that come of r, in order */
    int (*reject)(void *arg, struct record *r, const char *why);       /* why: static; err_msg() has the particulars */
    int (*tick)(void *arg);                    /* after every round of the engine, for progress */
};

/* questions: ended. rounds: of candidates. read, reread: tokens of steps and answers that were the reward model's to
 * read, and those that it had to read again because its cache was full. */
struct beam_stats { uint64_t questions, rounds, candidates, read, reread; };
/* Records go out in the order in which they came, with meta.search {n, rounds, tokens}, tokens: all that were sampled for
 * the question. Without prm: for each record its candidates; a path that may not go on comes out as it is. With prm: the
 * best path, scored. 0, or -1. When reading fails, the questions read before are finished and handed out first. */
MUST_USE int beam(const struct beam *b, struct beam_stats *stats);

#endif
