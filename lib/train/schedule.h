/* SPDX-License-Identifier: Apache-2.0
 * The learning rate of each step: a linear warm-up, then constant, linear or cosine down to a floor.
 *
 *   warm-up   lr * (s + 1) / warm                                        s < warm
 *   constant  lr
 *   linear    floor + (lr - floor) * (1 - f)                             f = (s - warm) / (total - warm)
 *   cosine    floor + (lr - floor) * (1 + cos(pi f)) / 2                 (Loshchilov & Hutter 2017)
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

enum sched { SCHED_COSINE, SCHED_LINEAR, SCHED_CONSTANT };
#define SCHED_WORDS "cosine|linear|constant"

struct schedule { enum sched kind; double lr, floor; int warm, total; };

struct schedule schedule_of(enum sched kind, double lr, double floor, double warm_share,
                            int total);                          /* warm = ceil(share * total) */
double schedule_lr(const struct schedule *s, int step);          /* step 0 .. total - 1 */

#endif
