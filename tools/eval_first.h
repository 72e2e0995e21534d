/* SPDX-License-Identifier: Apache-2.0
 * cos-eval prm: the first wrong step of each path (ProcessBench, arXiv 2412.06559, section 3).
 */
#ifndef TOOLS_EVAL_FIRST_H
#define TOOLS_EVAL_FIRST_H

#include "eval.h"

enum { FIRST_NONE = -1 };
struct first { int truth, said, question; };   /* index of the first wrong step, or FIRST_NONE */
struct firsts { struct first *p; int n, cap; uint64_t unknown; };

/* Takes the n steps of a path: truth and score of each, NAN where unknown; a step is said to be right where its score is above
 * the threshold. What stands behind the first step that is truly wrong need not be judged, nor scored behind the first that is
 * called wrong. Paths of which more is unknown are counted and left out. */
void firsts_add(struct firsts *f, const double *truth, const double *score, int n, double threshold, int question);
/* The rows "path": first_error, no_error, first_f1. */
void firsts_put(struct table *t, const struct firsts *f, int questions, const struct boot *b);
void firsts_free(struct firsts *f);

#endif
