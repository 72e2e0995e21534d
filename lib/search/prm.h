/* SPDX-License-Identifier: Apache-2.0
 * The process reward model: a score for each step and for the answer (arXiv 2509.19003).
 *
 * A path is read with a tag behind every step and the answer (text/prm_form.h; in CoS ки). The model's logits AT a tag's
 * place say what the step before it is worth:
 *
 *     score = P(good) = exp(l[good]) / (exp(l[good]) + exp(l[bad]))                    in CoS к+и and к-и
 *
 *     struct prm *p = prm_new(model, io->prm, &(struct forest_cfg){ .kv_tokens = 8192 });
 *     struct place *q = forest_prompt(prm_forest(p), &input, input.n);
 *     prm_form_encode(io->prm, tail, &chain, &r);
 *     struct place *a = prm_text(p, q, r.ids.id, (int)r.ids.n, score);             a whole path: nstep + 1 scores
 *     if (prm_run(p)) ...
 *
 * Step by step the same numbers come out, bit for bit: a partial path is a place, and its next step goes behind it.
 *
 *     struct span s = prm_ids_step(&r, i);                                         of a chain without an answer, too
 *     struct place *b = prm_text(p, a, r.ids.id + s.begin, s.end - s.begin, &one);
 */
#ifndef SEARCH_PRM_H
#define SEARCH_PRM_H

#include "search/forest.h"
#include "text/prm_form.h"

struct prm;
/* NULL + fail(): the model has no row for one of the tokens, ... form is borrowed. */
struct prm *prm_new(struct model *m, const struct prm_form *form, const struct forest_cfg *c);
void prm_free(struct prm *p);                  /* when all places have been dropped; NULL is fine */
struct forest *prm_forest(struct prm *p);      /* for prompts, and to drop places */

/* As forest_text. score: one number for each tag in id, in order, set by prm_run. */
struct place *prm_text(struct prm *p, struct place *behind, const uint32_t *id, int n, double *score);
MUST_USE int prm_run(struct prm *p);

#endif
