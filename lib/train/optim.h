/* SPDX-License-Identifier: Apache-2.0
 * One optimiser step over the parameter table: AdamW (ops.h has the formula), the gradient clipped by its global norm.
 */
#ifndef TRAIN_OPTIM_H
#define TRAIN_OPTIM_H

#include "model/param.h"

struct optim { double b1, b2, eps, decay, clip; };      /* decay: on matrices only; clip 0: never */

/* Step t = 1, 2, ... with the gradients in the table, which are zeroed behind it. *norm: before clipping. Fails, with
 * every weight as it was, when the norm is not finite. */
MUST_USE int optim_step(const struct optim *c, struct params *ps, struct ops *o, double lr, int t, double *norm);

#endif
