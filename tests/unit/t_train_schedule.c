/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include "t.h"

static void test_warm_up(void)
{
    struct schedule s = schedule_of(SCHED_COSINE, 1.0, 0, 0.1, 100);
    T_INT(s.warm, 10);
    T_NEAR(schedule_lr(&s, 0), 0.1, 1e-12);
    T_NEAR(schedule_lr(&s, 4), 0.5, 1e-12);
    T_NEAR(schedule_lr(&s, 9), 1.0, 1e-12);
    T_NEAR(schedule_lr(&s, 10), 1.0, 1e-12);
}

static void test_cosine(void)
{
    struct schedule s = schedule_of(SCHED_COSINE, 2e-3, 0, 0, 4);
    T_NEAR(schedule_lr(&s, 0), 2e-3, 1e-15);
    T_NEAR(schedule_lr(&s, 1), 2e-3 * (1 + sqrt(0.5)) / 2, 1e-15);
    T_NEAR(schedule_lr(&s, 2), 1e-3, 1e-15);
    T_NEAR(schedule_lr(&s, 3), 2e-3 * (1 - sqrt(0.5)) / 2, 1e-15);
    T_NEAR(schedule_lr(&s, 4), 0, 1e-15);
    s = schedule_of(SCHED_COSINE, 1, 0.2, 0, 2);
    T_NEAR(schedule_lr(&s, 1), 0.6, 1e-12);
}

static void test_linear_and_constant(void)
{
    struct schedule s = schedule_of(SCHED_LINEAR, 1, 0.5, 0.5, 4);
    double want[] = { 0.5, 1, 1, 0.75 };
    for (int i = 0; i < 4; i++) T_NEAR(schedule_lr(&s, i), want[i], 1e-12);
    s = schedule_of(SCHED_CONSTANT, 3, 0, 0, 10);
    for (int i = 0; i < 12; i++) T_NEAR(schedule_lr(&s, i), 3, 0);
}

static void test_edges(void)
{
    struct schedule s = schedule_of(SCHED_COSINE, 1, 0, 1, 3);       /* all warm-up */
    T_INT(s.warm, 3);
    T_NEAR(schedule_lr(&s, 2), 1, 1e-12);
    s = schedule_of(SCHED_COSINE, 1, 0, 0.03, 1);                    /* a single step */
    T_NEAR(schedule_lr(&s, 0), 1, 1e-12);
    s = schedule_of(SCHED_LINEAR, 1, 7, 0, 2);                       /* a floor above the rate is the rate */
    T_NEAR(schedule_lr(&s, 1), 1, 1e-12);
}

int main(void)
{
    T_RUN(test_warm_up);
    T_RUN(test_cosine);
    T_RUN(test_linear_and_constant);
    T_RUN(test_edges);
    return t_end();
}
