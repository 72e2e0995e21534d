/* SPDX-License-Identifier: Apache-2.0
 * The devices a program can run on, by name.
 *
 *     { 0, "device", DEVICE_WORDS, OPT_CHOICE, &set.device, 0, 0, DEVICE_HELP },
 *     struct ops *o = ops_open((enum device)set.device, threads);
 */
#ifndef OPS_DEVICE_H
#define OPS_DEVICE_H

#include "ops/ops.h"

/* DEVICE_CUDA_LOOSE: with loose_rows (ops.h). */
enum device { DEVICE_CPU, DEVICE_CUDA, DEVICE_CUDA_LOOSE };
#define DEVICE_WORDS "cpu|cuda|cuda-loose"
#define DEVICE_HELP "what computes; cuda: the first NVIDIA GPU; cuda-loose: the same,\nfaster, and the bytes may depend on batch sizes"

/* NULL + fail(), with ERR_DEVICE (exit 3) where this build or this machine has none. threads: of the host. */
struct ops *ops_open(enum device d, int threads);

#endif
