/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>

struct schedule schedule_of(enum sched kind, double lr, double floor, double warm_share, int total)
{
    int warm = (int)ceil(warm_share * total);
    return (struct schedule){ kind, lr, floor < lr ? floor : lr, warm < total ? warm : total, total };
}

double schedule_lr(const struct schedule *s, int step)
{
    if (step < s->warm) return s->lr * (step + 1) / s->warm;
    if (step >= s->total) return s->kind == SCHED_CONSTANT ? s->lr : s->floor;
    double f = (double)(step - s->warm) / (s->total - s->warm);
    switch (s->kind) {
    case SCHED_LINEAR: return s->floor + (s->lr - s->floor) * (1 - f);
    case SCHED_COSINE: return s->floor + (s->lr - s->floor) * 0.5 * (1 + cos(acos(-1.0) * f));
    default:           return s->lr;
    }
}
