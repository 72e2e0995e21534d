/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/device.h"

struct ops *ops_open(enum device d, int threads)
{
    struct ops *o = d == DEVICE_CPU ? ops_cpu(threads) : ops_cuda(threads);
    if (o) o->loose_rows = d == DEVICE_CUDA_LOOSE;
    return o;
}
