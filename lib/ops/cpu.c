/* SPDX-License-Identifier: Apache-2.0 */
#include "../../tests/ops/ref.h"

struct ops *ops_cpu(int threads)
{
    if (threads < 1) return fail_null("threads: %d", threads);
    struct ops *o = ops_ref();
    o->name = "cpu";
    return o;
}

enum dtype ops_cpu_dtype(void) { return DT_F32; }
