/* SPDX-License-Identifier: Apache-2.0 */
#include "train/objective.h"

#include <stdio.h>

int objective_reject(const char **why, const char *reason)
{
    *why = reason;
    return fail("%s", reason);
}

void settings_number(json_t *settings, const char *name, double x)
{
    char v[40];
    snprintf(v, sizeof v, "%.15g", x);
    json_object_set_new(settings, name, json_string(v));
}

int pass_logprob(const struct train_pass *p, const int *target, float *lp, const float *dlp)
{
    struct ops *o = model_ops(p->m);
    struct logprob_args a = { .x = p->hidden, .target = target, .lp = lp, .dlp = dlp };
    a.w = model_head(p->m, &a.dw);
    if (dlp) a.dx = p->dhidden;
    o->logprob(o, &a);
    return o->sync(o);
}
