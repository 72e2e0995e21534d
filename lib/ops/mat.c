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
