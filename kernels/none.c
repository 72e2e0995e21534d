/* SPDX-License-Identifier: Apache-2.0
 * In place of the CUDA backend, in builds without it.
 */
#include "ops/ops.h"

struct ops *ops_cuda(int threads)
{
    (void)threads;
    fail_kind(ERR_DEVICE, "cuda: this build is without it (make CUDA=1 makes one with it)");
    return NULL;
}
