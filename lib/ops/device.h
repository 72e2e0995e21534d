/* SPDX-License-Identifier: Apache-2.0
 * The devices a program can run on, by name.
 *
 *     { 0, "device", DEVICE_WORDS, OPT_CHOICE, &set.device, 0, 0, DEVICE_HELP },
 *     struct ops *o = ops_open((enum device)set.device, threads);
 */
#ifndef OPS_DEVICE_H
#define OPS_DEVICE_H

#include "ops/ops.h"

enum device { DEVICE_CPU, DEVICE_CUDA };
#define DEVICE_WORDS "cpu|cuda"
#define DEVICE_HELP "what computes; cuda: the first NVIDIA GPU"

/* NULL + fail(), with ERR_DEVICE (exit 3) where this build or this machine has none. threads: of the host. */
struct ops *ops_open(enum device d, int threads);

#endif
