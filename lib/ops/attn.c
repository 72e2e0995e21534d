/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/ops.h"

#include <assert.h>

int attn_owner(const struct attn_args *a, int s)
{
    if (!a->prefix || a->prefix[s].begin == a->prefix[s].end) return s;
    int lo = 0, hi = a->nseq - 1;
    while (lo < hi) {
        int mid = (lo + hi + 1) / 2;
        if (a->start[mid] <= a->prefix[s].begin) lo = mid;
        else hi = mid - 1;
    }
    assert(a->prefix[s].end <= a->start[lo + 1]);
    return lo;
}
