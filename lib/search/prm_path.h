/* SPDX-License-Identifier: Apache-2.0
 * Paths of records and the process reward model (search/prm.h): the text that it reads, the scores that come back.
 */
#ifndef SEARCH_PRM_PATH_H
#define SEARCH_PRM_PATH_H

#include "record/reward.h"

/* Puts path.steps[].score, path.answer_score and scores.NAME (w) in place of those of another model. score: of the steps,
 * then of the answer, where there is one; NULL: unknown, old ones go all the same. Returns why there is no scores.NAME
 * (a static string), NULL: there is one. */
const char *prm_path_put(struct record *r, const double *score, const struct reward *w, const char *name);

#endif
