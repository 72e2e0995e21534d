/* SPDX-License-Identifier: Apache-2.0 */
#include "train/optim.h"

#include <math.h>

static void update(const struct optim *c, struct param *p, struct ops *o, double lr, int t, double gscale)
{
    struct adamw_args a = {
        .w = p->master, .m = p->m, .v = p->v, .g = p->grad, .n = p->n,
        .copy = p->w.p, .copy_t = p->w.t,
        .lr = (float)lr, .b1 = (float)c->b1, .b2 = (float)c->b2, .eps = (float)c->eps,
        .decay = p->decay ? (float)c->decay : 0,
        .bc1 = (float)(1 - pow(c->b1, t)), .bc2 = (float)(1 - pow(c->b2, t)),
        .gscale = (float)gscale,
    };
    o->adamw(o, &a);
}

int optim_step(const struct optim *c, struct params *ps, struct ops *o, double lr, int t, double *norm)
{
    *norm = param_grad_norm(ps, o);
    if (o->sync(o)) return -1;
    if (!isfinite(*norm)) return fail("the gradient is not finite (norm %g)", *norm);
    double gscale = c->clip > 0 && *norm > c->clip ? c->clip / *norm : 1;
    for (int i = 0; i < ps->n; i++)
        if (!ps->v[i].frozen) update(c, &ps->v[i], o, lr, t, gscale);
    param_zero_grads(ps, o);
    return o->sync(o);
}
