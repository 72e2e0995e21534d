/* SPDX-License-Identifier: Apache-2.0
 * The order of one epoch: a pure function of (data, seed, epoch, settings). Examples of one image set come together, at
 * most `group` of them, the groups in random order; every `batch` examples are one optimiser step (the last step of an
 * epoch may have fewer); a step is cut into micro-batches of at most `micro_tokens` rows, which are computed one after
 * the other. A single example longer than that is a micro-batch of its own.
 */
#ifndef TRAIN_PLAN_H
#define TRAIN_PLAN_H

#include "base/rng.h"
#include "train/dataset.h"

struct plan_cfg { int batch, micro_tokens, group; bool share; uint64_t seed; };
struct micro { int step, first, n, rows; };    /* examples order[first .. first + n) */

struct plan {
    int epoch, n, *order;
    int nmicro; struct micro *micro;
    int steps;
};
void plan_make(struct plan *p, const struct dataset *ds, const struct plan_cfg *c, int epoch);
void plan_free(struct plan *p);
int  plan_steps(int examples, int batch);      /* steps of an epoch */
int  plan_first(const struct plan *p, int step);   /* the first micro-batch of a step */

/* A run of examples whose sequences share their leading tokens (images included): `lcp` rows that are computed once.
 * Feed examples in order; run_rows tells the rows of the run so far. */
struct run { const struct example *head; int nseq, lcp, total; };
bool run_takes(const struct run *run, const struct example *x);           /* same images (without images: never) */
void run_add(struct run *run, const struct example *x);
int  run_prefix(const struct run *run, bool share);                       /* rows shared; 0: sharing does not pay */
int  run_rows(const struct run *run, bool share);

#endif
