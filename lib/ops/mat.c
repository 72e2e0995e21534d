/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/ops.h"

#include <assert.h>

struct mat mat_rows(struct mat m, int begin, int n)
{
    assert(begin >= 0 && n >= 0 && begin <= m.rows - n);
    m.p = (char *)m.p + (size_t)begin * (size_t)m.ld * dtype_size(m.t);
    m.rows = n;
    return m;
}

struct mat mat_cols(struct mat m, int begin, int n)
{
    assert(begin >= 0 && n >= 0 && begin <= m.cols - n);
    m.p = (char *)m.p + (size_t)begin * dtype_size(m.t);
    m.cols = n;
    return m;
}

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
