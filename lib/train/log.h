/* SPDX-License-Identifier: Apache-2.0
 * The run's log: one line a step, tab-separated, each line flushed and checked. Going on with a stopped run first drops
 * the lines behind the step it goes on from.
 */
#ifndef TRAIN_LOG_H
#define TRAIN_LOG_H

#include <stdio.h>
#include "train/objective.h"

struct train_report {                          /* one step */
    int step, steps;                           /* 1 .. steps */
    double epoch;                              /* done so far, 1.5: half of the second */
    double lr, loss, norm;                     /* norm: of the gradient, before clipping */
    double metric[TRAIN_METRICS];
    int examples; long tokens, rows;           /* tokens of the sequences; rows computed after sharing */
    double seconds;                            /* of this step */
};

struct train_log;
/* path NULL: a log that keeps nothing. done: steps whose lines are kept from an earlier run. NULL + fail(). */
struct train_log *train_log_open(const char *path, int done, const struct objective *obj);
MUST_USE int train_log_line(struct train_log *l, const struct train_report *r);
MUST_USE int train_log_close(struct train_log *l);         /* 0 or -1; frees */
void train_log_abandon(struct train_log *l);               /* after a failure, whose message it leaves; NULL is fine; frees */

#endif
