/* SPDX-License-Identifier: Apache-2.0
 * A path as tokens that a model can go on from: whole steps, and no answer yet.
 */
#ifndef SEARCH_PARTIAL_H
#define SEARCH_PARTIAL_H

#include "model/input.h"
#include "search/engine.h"

struct partial {
    uint32_t *token; int n;
    float *logprob;                            /* [n]; NULL: not known */
    int *end, nstep;                           /* [nstep] tokens up to behind each step */
};

/* May there be a next step? Not when the path has an answer, or an end other than "step". No path (NULL): true. */
bool path_open(const val *path);
/* The whole steps of an open path: its own tokens and the log-probabilities under the model's digest, where the tokens
 * are of the model's tokenizer; else its text in tokens. NULL: no steps yet. -1 + fail(): malformed. */
MUST_USE int partial_read(const struct model_io *io, const char *model_digest, const val *path, struct partial *out);
/* p and what was sampled behind it. The steps are those of p: partial_steps looks for more. */
void partial_join(const struct partial *p, const struct gen_path *more, struct partial *out);
void partial_steps(struct partial *p, const val *path);                /* takes the spans of a path of path_record.h */
void partial_free(struct partial *p);

#endif
