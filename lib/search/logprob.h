/* SPDX-License-Identifier: Apache-2.0
 * The log-probabilities that a model gives to texts, token by token: of its plain distribution, and in f32 the same bits
 * that search/engine.h notes while it samples them.
 *
 *     struct logprobs *l = logprobs_new(model, pool, &(struct forest_cfg){ .kv_tokens = 8192 });
 *     struct place *q = forest_prompt(logprobs_forest(l), &in, in.n - 1);          the last token comes with the text
 *     struct place *a = logprobs_text(l, q, id, n, lp);                            id[0]: that token; id[1 .. n]: the text
 *     if (logprobs_run(l)) ...                                                     lp[i] = log p(id[i + 1] | .., id[i])
 */
#ifndef SEARCH_LOGPROB_H
#define SEARCH_LOGPROB_H

#include "base/par.h"
#include "search/forest.h"

struct logprobs;
struct logprobs *logprobs_new(struct model *m, struct par *pool, const struct forest_cfg *c);      /* NULL + fail() */
void logprobs_free(struct logprobs *l);        /* when all places have been dropped; NULL is fine */
struct forest *logprobs_forest(struct logprobs *l);

/* As forest_text: id[0, n) are read, id[1, n] are looked up in what the model expects. lp [n] is set by logprobs_run. */
struct place *logprobs_text(struct logprobs *l, struct place *behind, const uint32_t *id, int n, float *lp);
MUST_USE int logprobs_run(struct logprobs *l);

#endif
