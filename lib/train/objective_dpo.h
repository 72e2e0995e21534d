/* SPDX-License-Identifier: Apache-2.0
 * Preference learning from pairs. c and r: the sums of log p over the tokens of the chosen and the rejected response (the end
 * token included), c', r' the same of the reference model, |c| and |r| the token counts, b = beta, and
 * d = (c - c') - (r - r'). A pair's loss is a weighted sum of
 *
 *   sigmoid  softplus(-b d)                                     DPO, arXiv 2305.18290 eq. 7
 *   ipo      (d' - 1 / (2 b))^2, d' = (c - c') / |c| - (r - r') / |r|
 *                                                               IPO, arXiv 2310.12036 eq. 17; by token, as TRL
 *   bco      softplus(-(b (c - c') - D)) + softplus(b (r - r') - D)
 *                                                               BCO, arXiv 2404.04656; in MPO, arXiv 2411.10442
 *   nll      -c / |c|                                           RPO, arXiv 2404.19733 eq. 1: the chosen one's, by its length
 *                                                               (TRL's rpo_alpha: mean over a batch's chosen tokens)
 *
 * part(x) = that, weight(x) = 1: a step's loss is the mean over its pairs. The paper of CoS: sigmoid 1, nll 1, beta 0.1.
 *
 * D, BCO's reward shift, is the mean over the steps before of their mean reward (over chosen and rejected), 0 in the first
 * step. TRL counts the present batch in; here every micro-batch of a step sees the same D, so that the loss does not depend
 * on the cut. D and the number of steps it stands for are the objective's state: --resume goes on with them.
 *
 * The reference's log-probabilities come from the record: chosen.logprobs and rejected.logprobs, one for each of the
 * path's tokens, under the digest of the reference model. Training holds one model.
 */
#ifndef TRAIN_OBJECTIVE_DPO_H
#define TRAIN_OBJECTIVE_DPO_H

#include "train/objective.h"

struct dpo_cfg { const char *ref; double beta, sigmoid, ipo, bco, nll; };         /* ref: digest, borrowed; weights, 0: without */

enum { DPO_SHIFT, DPO_STEPS, DPO_STATE };      /* state: D, and how many steps it is the mean of */
struct train_dpo { struct objective base; struct dpo_cfg cfg; double state[DPO_STATE]; };
void objective_dpo(struct train_dpo *d, const struct dpo_cfg *c);      /* use &d->base; d stays where it is */

enum { DPO_CHOSEN, DPO_REJECTED, DPO_SIDES };  /* sequences of an example; its `own` is the reference's sums in this order */
struct dpo_pair { double lp[DPO_SIDES], ref[DPO_SIDES]; int n[DPO_SIDES]; };
/* Loss of a pair with the shift D, and d loss / d lp. */
double dpo_pair_loss(const struct dpo_cfg *c, const struct dpo_pair *p, double shift, double grad[DPO_SIDES]);

#endif
