/* SPDX-License-Identifier: Apache-2.0
 * Binary search for the first wrong step of a path (OmegaPRM, arXiv 2406.06592): if a step is good, so are those before it;
 * if one is not, nor are those behind it. So of n steps only about log2(n + 1) have to be asked.
 *
 *     struct first_error f = first_error_of(nstep, from_end);
 *     for (int i; (i = first_error_next(&f)) >= 0;) first_error_told(&f, i, side of step i);
 *     first_error_side(&f, i)                     what follows for step i, asked or not
 */
#ifndef SEARCH_FIRST_ERROR_H
#define SEARCH_FIRST_ERROR_H

#include <stdbool.h>

struct first_error {
    int lo, hi;                                /* steps before lo are good; the first wrong one is in [lo, hi), or is hi */
    int wrong;                                 /* the first step known to be wrong; INT_MAX: none */
    bool from_end;                             /* ask the last step first: where the path's answer is right, it is probably good */
};

struct first_error first_error_of(int nstep, bool from_end);
int  first_error_next(const struct first_error *f);        /* the step to ask; -1: over */
/* side: 1 good, -1 wrong, 0 nobody can say; then nobody can say of those behind it, either. */
void first_error_told(struct first_error *f, int step, int side);
int  first_error_side(const struct first_error *f, int step);

#endif
