/* SPDX-License-Identifier: Apache-2.0
 * The process reward model: a score for each step and for the answer (arXiv 2509.19003).
 *
 * A path is read in its text form with the tag ки behind every step and the answer (text/steps.h). The model's logits AT
 * a tag's place say what the step before it is worth:
 *
 *     score = P(good) = exp(l[к+и]) / (exp(l[к+и]) + exp(l[к-и]))
 *
 *     struct prm *p = prm_new(model, io->tok, &(struct forest_cfg){ .kv_tokens = 8192 });
 *     struct place *q = forest_prompt(prm_forest(p), &input, input.n);
 *     response_encode(io->tok, &chain, STEPS_TAGS, &r);
 *     struct place *a = prm_text(p, q, r.ids.id, (int)r.ids.n, score);             a whole path: nstep + 1 scores
 *     if (prm_run(p)) ...
 *
 * Step by step the same numbers come out, bit for bit: a partial path is a place, and its next step goes behind it.
 *
 *     struct span s = prm_step(&r, i);                                             of a chain encoded with STEPS_OPEN, too
 *     struct place *b = prm_text(p, a, r.ids.id + s.begin, s.end - s.begin, &one);
 */
#ifndef SEARCH_PRM_H
#define SEARCH_PRM_H

#include "search/forest.h"
#include "text/response.h"

struct prm;
/* NULL + fail(): the tokenizer lacks one of the tags, the model has no room for them, ... */
struct prm *prm_new(struct model *m, const struct tokenizer *tok, const struct forest_cfg *c);
void prm_free(struct prm *p);                  /* when all places have been dropped; NULL is fine */
struct forest *prm_forest(struct prm *p);      /* for prompts, and to drop places */

/* As forest_text. score: one number for each tag in id, in order, set by prm_run. */
struct place *prm_text(struct prm *p, struct place *behind, const uint32_t *id, int n, double *score);
MUST_USE int prm_run(struct prm *p);

/* The tokens that are new with step i, from behind the tag before it to its own tag; i = r->nstep: with the answer. r was
 * encoded with STEPS_TAGS. The spans of a path follow one another without a gap, and start at token 0. */
struct span prm_step(const struct response *r, int i);

#endif
