/* SPDX-License-Identifier: Apache-2.0
 * The micro-batch of an epoch whose activations take the most device memory.
 */
#ifndef TRAIN_LARGEST_H
#define TRAIN_LARGEST_H

#include "train/batch.h"

struct largest { int micro; size_t bytes; };
MUST_USE int largest_of(struct model *m, const struct batch_cfg *c, const struct plan *p, struct largest *out);

#endif
