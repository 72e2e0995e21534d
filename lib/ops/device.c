/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/device.h"

struct ops *ops_open(enum device d, int threads)
{
    static struct ops *(*const open[])(int) = { [DEVICE_CPU] = ops_cpu, [DEVICE_CUDA] = ops_cuda };
    return open[d](threads);
}
