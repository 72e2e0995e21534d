/* SPDX-License-Identifier: Apache-2.0
 * Micro-batches made ahead of the computation by threads of their own, delivered in the plan's order. What a batch
 * holds depends on its place in the plan alone, never on the threads.
 *
 *     struct loader *l = loader_new(&cfg, 1);
 *     loader_start(l, &plan, 0);
 *     while ((s = loader_next(l, &batch)) > 0) ...          the batch stays valid until the next call
 */
#ifndef TRAIN_LOADER_H
#define TRAIN_LOADER_H

#include "train/batch.h"

struct loader;
struct loader *loader_new(const struct batch_cfg *c, int threads);     /* cfg and what it points to: borrowed */
void loader_free(struct loader *l);                                    /* stops; NULL is fine */
/* Begins with micro-batch `first` of the plan (borrowed until the end of the epoch). Nothing may be under way. */
MUST_USE int loader_start(struct loader *l, const struct plan *p, int first);
MUST_USE int loader_next(struct loader *l, struct batch **b);          /* 1; 0: the epoch is over; -1 */
void loader_stop(struct loader *l);                                    /* ends what is under way */

#endif
