/* SPDX-License-Identifier: Apache-2.0
 * The device that tests of models run on: the CPU, or what COS_DEVICE names. Without CUDA=1 "cuda" is the emulated one.
 */
#ifndef TESTS_DEVICE_H
#define TESTS_DEVICE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops/device.h"

static inline struct ops *test_ops(int threads)
{
    const char *name = getenv("COS_DEVICE");
    if (!name || !strcmp(name, "cpu")) return ops_open(DEVICE_CPU, threads);
    struct ops *o = ops_open(DEVICE_CUDA, threads);
    printf("# COS_DEVICE=%s: %s\n", name, o ? o->name : err_msg());
    return o;
}

#endif
