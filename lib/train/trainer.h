/* SPDX-License-Identifier: Apache-2.0
 * The training loop: order, accumulation, optimiser, log, checkpoints, going on after a stop.
 *
 *     struct train_cfg c = train_defaults();  c.out = "sft"; ...
 *     struct sft s;  objective_sft(&s, SFT_STEPS, false);
 *     struct train_job job = { &c, model, io, dataset, &s.base, hooks };
 *     switch (train_run(&job)) { case 0: trained; case 1: was complete already; default: err_msg() }
 *
 * OUT appears, whole, when the run is complete. Meanwhile OUT.state holds what going on needs (state.h); OUT then equals,
 * bit for bit, what the run would have made without a stop, for any number of threads.
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "train/log.h"
#include "train/optim.h"
#include "train/schedule.h"

struct train_cfg {
    const char *base, *out, *log;              /* base: the folder the model came from; log NULL: none */
    enum dtype save;                           /* of the weights written */
    double epochs; int steps;                  /* steps > 0: so many, whatever epochs says */
    int batch, micro_tokens, group, jitter;
    bool share;                                /* rows common to the examples of an image are computed once */
    uint64_t seed;
    enum sched sched; double lr, floor, warmup;/* warmup: share of the steps */
    struct optim optim;
    bool frozen[PARTS];
    bool recompute;
    int save_every;                            /* steps between two states; 0: only when stopped */
    bool keep;                                 /* and a model folder OUT-stepN with each */
    bool resume, force;                        /* go on with what is there; replace what is there */
    int threads;                               /* of the loader */
};
struct train_cfg train_defaults(void);
/* Is there something at OUT or OUT.state that neither --resume nor --force allows to touch? To be asked before long work. */
MUST_USE int train_check_out(const struct train_cfg *c);

struct train_hooks {
    void *arg;
    void (*report)(void *arg, const struct train_report *r);         /* behind every step; NULL: none */
    bool (*stop)(void *arg);                                         /* asked behind every step; NULL: never */
    void (*note)(void *arg, const char *text);                       /* a line for the user; NULL: none */
};

struct train_job {
    const struct train_cfg *cfg;
    struct model *m;                           /* loaded with MODEL_TRAIN; with MODEL_FREEZE for the parts frozen here it takes less memory */
    const struct model_io *io;
    struct dataset *ds;
    const struct objective *obj;
    struct train_hooks hooks;
};
/* 0: done, OUT is there. 1: it was there already, complete and with the same settings and data. -1: failed, or stopped
 * (the message then says how to go on). */
MUST_USE int train_run(const struct train_job *job);
/* For a model whose ops measure (ops.h): a step of the first epoch's largest micro-batch, after which the ops' usage tells
 * what a run takes. */
MUST_USE int train_measure(const struct train_job *job);

#endif
