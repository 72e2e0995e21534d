/* SPDX-License-Identifier: Apache-2.0 */
#include "train/objective.h"

int pass_logprob(const struct train_pass *p, const int *target, float *lp, const float *dlp)
{
    struct ops *o = model_ops(p->m);
    struct logprob_args a = { .x = p->hidden, .target = target, .lp = lp, .dlp = dlp };
    a.w = model_head(p->m, &a.dw);
    if (dlp) a.dx = p->dhidden;
    o->logprob(o, &a);
    return o->sync(o);
}
