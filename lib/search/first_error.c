/* SPDX-License-Identifier: Apache-2.0 */
#include "search/first_error.h"

#include <limits.h>

struct first_error first_error_of(int nstep, bool from_end)
{
    return (struct first_error){ 0, nstep, INT_MAX, from_end };
}

int first_error_next(const struct first_error *f)
{
    if (f->lo >= f->hi) return -1;
    return f->from_end ? f->hi - 1 : f->lo + (f->hi - f->lo) / 2;
}

void first_error_told(struct first_error *f, int step, int side)
{
    f->from_end = false;
    if (side > 0) {
        f->lo = step + 1;
        return;
    }
    f->hi = step;
    if (side < 0) f->wrong = step;
}

int first_error_side(const struct first_error *f, int step)
{
    return step < f->lo ? 1 : step >= f->wrong ? -1 : 0;
}
