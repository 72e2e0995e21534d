/* SPDX-License-Identifier: Apache-2.0 */
#include "train/trainer.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "store/json.h"
#include "train/folder.h"
#include "train/largest.h"
#include "train/loader.h"
#include "train/state.h"

struct trainer {
    const struct train_job *job;
    const struct train_cfg *c;
    struct params *ps;
    struct ops *o;
    struct plan_cfg plan_cfg;
    struct schedule sched;
    int epoch_steps, steps, done;
    char *out, *state_dir;
    json_t *settings;
    struct loader *loader;
    struct train_log *log;
};

struct train_cfg train_defaults(void)
{
    return (struct train_cfg){
        .save = DT_F32, .epochs = 1, .batch = 128, .micro_tokens = 16384, .group = 4, .share = true,
        .sched = SCHED_COSINE, .lr = 5e-6, .warmup = 0.03,
        .optim = { .b1 = 0.9, .b2 = 0.999, .eps = 1e-8, .decay = 0.05, .clip = 1 },
        .save_every = 200, .threads = 1,
    };
}

static void note(const struct trainer *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(const struct trainer *t, const char *fmt, ...)
{
    if (!t->job->hooks.note) return;
    char s[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s, sizeof s, fmt, ap);
    va_end(ap);
    t->job->hooks.note(t->job->hooks.arg, s);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* ---- the settings that decide the weights, as text: what --resume compares ---- */

static void set_frozen(json_t *s, const bool *frozen)
{
    struct buf b = { 0 };
    for (int i = 0; i < PARTS; i++)
        if (frozen[i]) buf_fmt(&b, "%s%s", b.len ? "," : "", part_name(i));
    json_object_set_new(s, "freeze", json_string(b.len ? b.p : "nothing"));
    buf_free(&b);
}

static json_t *settings_of(const struct train_job *job)
{
    const struct train_cfg *c = job->cfg;
    const struct params *ps = model_params(job->m);
    static const char *const sched[] = { "cosine", "linear", "constant" };
    json_t *s = json_object();
    char data[HASH_HEX];
    dataset_digest(job->ds, data);
    json_object_set_new(s, "objective", json_string(job->obj->name));
    if (job->obj->settings) job->obj->settings(job->obj, s);
    json_object_set_new(s, "model", json_string(model_digest(job->m)));
    json_object_set_new(s, "data", json_string(data));
    settings_number(s, "examples", dataset_count(job->ds));
    const struct { const char *name; double x; } num[] = {
        { "epochs", c->epochs }, { "steps", c->steps }, { "batch", c->batch }, { "micro-tokens", c->micro_tokens },
        { "group-images", c->group }, { "jitter", c->jitter }, { "lr", c->lr }, { "min-lr", c->floor },
        { "warmup", c->warmup }, { "beta1", c->optim.b1 }, { "beta2", c->optim.b2 }, { "eps", c->optim.eps },
        { "decay", c->optim.decay }, { "clip", c->optim.clip },
    };
    for (int i = 0; i < countof(num); i++) settings_number(s, num[i].name, num[i].x);
    char seed[32];
    snprintf(seed, sizeof seed, "%" PRIu64, c->seed);
    json_object_set_new(s, "seed", json_string(seed));
    json_object_set_new(s, "share", json_string(c->share ? "yes" : "no"));
    json_object_set_new(s, "recompute", json_string(c->recompute ? "yes" : "no"));
    json_object_set_new(s, "schedule", json_string(sched[c->sched]));
    json_object_set_new(s, "save-dtype", json_string(c->save == DT_F32 ? "f32" : "bf16"));
    bool bf16 = false;
    for (int i = 0; i < ps->n; i++) bf16 |= ps->v[i].w.t == DT_BF16;
    json_object_set_new(s, "dtype", json_string(bf16 ? "bf16" : "f32"));
    if (strcmp(model_ops(job->m)->name, "cpu")) json_object_set_new(s, "device", json_string(model_ops(job->m)->name));
    set_frozen(s, c->frozen);
    return s;
}

/* ---- what is there already ---- */

static char *plain_dir(const char *dir)                    /* without slashes at the end; caller frees */
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    return mem_strn(dir, n);
}

int train_check_out(const struct train_cfg *c)
{
    if (c->resume || c->force) return 0;
    if (file_exists(c->out)) return fail("%s exists (--resume accepts it if it is this run's result, --force replaces it)", c->out);
    char *out = plain_dir(c->out), *state = mem_fmt("%s.state", out);
    free(out);
    int r = file_exists(state) ? fail("%s holds a run that was stopped (--resume goes on with it, --force starts anew)", state) : 0;
    free(state);
    return r;
}

static int find_out(struct trainer *t)                     /* 1: complete; 0: not there; -1 */
{
    if (t->c->force || !file_exists(t->out)) return 0;
    char *made = file_join(t->out, TRAINING_JSON);
    bool is_ours = file_exists(made);
    free(made);
    int step;
    if (!is_ours) return fail("%s exists, and no training made it (--force replaces it)", t->out);
    if (training_check(t->out, t->settings, &step)) return -1;
    if (file_exists(t->state_dir) && dir_remove(t->state_dir)) return -1;      /* killed just before the end */
    return 1;
}

static struct state_numbers numbers_of(const struct trainer *t)
{
    return (struct state_numbers){ t->job->obj->state, t->job->obj->nstate };
}

static int find_state(struct trainer *t)
{
    if (!file_exists(t->state_dir)) return 0;
    if (t->c->force) return dir_remove(t->state_dir);
    if (training_check(t->state_dir, t->settings, &t->done)) return -1;
    if (t->done > t->steps) return fail("%s: step %d of a run of %d", t->state_dir, t->done, t->steps);
    if (state_load(t->state_dir, t->ps, t->o, numbers_of(t))) return -1;
    note(t, "going on behind step %d of %d", t->done, t->steps);
    return 0;
}

/* ---- writing ---- */

static int save_model(struct trainer *t, const char *out)
{
    struct dir_tmp d;
    if (dir_begin(&d, out)) return -1;
    int bad = folder_copy_rest(t->c->base, d.tmp, true) || model_save(t->job->m, d.tmp, t->c->save)
           || training_save(d.tmp, t->done, t->steps, t->settings);
    if (!bad && t->job->io->own_chat) bad = chat_save(t->job->io->chat, d.tmp);
    if (!bad && t->job->io->own_prm) bad = prm_style_save(&t->job->io->prm->style, d.tmp);
    if (!bad) return dir_commit(&d);
    dir_abandon(&d);
    return -1;
}

static int save_state(struct trainer *t)
{
    if (state_save(t->state_dir, t->ps, t->o, numbers_of(t), t->done, t->steps, t->settings)) return -1;
    if (!t->c->keep) return 0;
    char *kept = mem_fmt("%s-step%d", t->out, t->done);
    int r = save_model(t, kept);
    free(kept);
    return r;
}

static int finish(struct trainer *t)
{
    if (save_model(t, t->out)) return -1;
    return file_exists(t->state_dir) ? dir_remove(t->state_dir) : 0;
}

/* ---- a step ---- */

static int compute(struct trainer *t, const struct batch *b, double total, struct train_sum *sum)
{
    struct train_pass p = { .m = t->job->m, .b = b, .total = total };
    if (model_forward(p.m, &b->in, &p.hidden)) return -1;
    p.dhidden = model_dhidden(p.m);
    if (t->job->obj->loss(t->job->obj, &p, sum)) return -1;
    return model_backward(p.m, &b->in, p.dhidden);
}

static double total_weight(const struct trainer *t, const struct plan *p, int step)
{
    double w = 0;
    int first = step * t->c->batch, end = mem_min(p->n - first, t->c->batch) + first;
    for (int i = first; i < end; i++) w += t->job->obj->weight(t->job->obj, dataset_at(t->job->ds, p->order[i]));
    return w;
}

static int one_step(struct trainer *t, const struct plan *p, int step, struct train_report *r)
{
    double start = now(), total = total_weight(t, p, step);
    struct train_sum sum = { 0 };
    struct batch *b;
    for (int i = plan_first(p, step); i < p->nmicro && p->micro[i].step == step; i++) {
        if (loader_next(t->loader, &b) < 0 || compute(t, b, total, &sum)) return -1;
        r->examples += b->examples;
        r->tokens += b->tokens;
        r->rows += b->in.ntok;
    }
    if (!isfinite(sum.loss)) return fail("the loss is not finite (%g)", sum.loss);
    r->lr = schedule_lr(&t->sched, t->done);
    if (optim_step(&t->c->optim, t->ps, t->o, r->lr, t->done + 1, &r->norm)) return -1;
    r->step = ++t->done;
    r->steps = t->steps;
    r->epoch = (double)t->done / t->epoch_steps;
    r->loss = sum.loss;
    for (int i = 0; i < TRAIN_METRICS; i++) r->metric[i] = sum.count[i] > 0 ? sum.metric[i] / sum.count[i] : NAN;
    if (t->job->obj->stepped) t->job->obj->stepped(t->job->obj, r->metric);
    r->seconds = now() - start;
    return 0;
}

static int after_step(struct trainer *t, const struct train_report *r)
{
    const struct train_hooks *h = &t->job->hooks;
    if (train_log_line(t->log, r)) return -1;
    if (h->report) h->report(h->arg, r);
    if (t->done == t->steps) return 0;
    bool stop = h->stop && h->stop(h->arg);
    if (stop || (t->c->save_every && t->done % t->c->save_every == 0))
        if (save_state(t)) return -1;
    return stop ? fail("stopped behind step %d of %d; the same command with --resume goes on", t->done, t->steps) : 0;
}

/* ---- memory ---- */

static struct batch_cfg batch_cfg_of(const struct trainer *t)
{
    return (struct batch_cfg){ t->job->ds, t->job->io, t->c->share, t->c->jitter, t->c->seed };
}

/* Room for the activations of every micro-batch of the epoch that comes, before its first step. */
static int reserve(struct trainer *t, const struct plan *p, struct largest *largest)
{
    struct batch_cfg bc = batch_cfg_of(t);
    if (largest_of(t->job->m, &bc, p, largest)) return -1;
    size_t room = t->o->room(t->o);
    if (!model_reserve(t->job->m, largest->bytes)) return 0;
    return fail_kind(ERR_DEVICE, "the activations of %d rows take %.2f GB, and %.2f GB are free: smaller --micro-tokens, or --recompute, need less",
                     p->micro[largest->micro].rows, (double)largest->bytes * 1e-9, (double)room * 1e-9);
}

/* A step of the largest micro-batch alone. */
static int measured_step(struct trainer *t, const struct plan *p)
{
    struct batch_cfg bc = batch_cfg_of(t);
    struct batch b = { 0 };
    struct train_sum sum = { 0 };
    struct largest l;
    double norm;
    if (reserve(t, p, &l)) return -1;
    const struct micro *m = &p->micro[l.micro];
    int bad = batch_build(&b, &bc, p->order + m->first, m->n, 0) || compute(t, &b, 1, &sum)
           || optim_step(&t->c->optim, t->ps, t->o, 0, 1, &norm);
    batch_free(&b);
    return bad ? -1 : 0;
}

/* ---- an epoch ---- */

static int one_epoch(struct trainer *t)
{
    struct plan p;
    struct largest l;
    plan_make(&p, t->job->ds, &t->plan_cfg, t->done / t->epoch_steps);
    int step = t->done % t->epoch_steps, bad = reserve(t, &p, &l) || loader_start(t->loader, &p, plan_first(&p, step));
    for (; !bad && step < p.steps && t->done < t->steps; step++) {
        struct train_report r = { 0 };
        bad = one_step(t, &p, step, &r) ? fail_in("step %d", t->done + 1) : after_step(t, &r);
    }
    loader_stop(t->loader);
    plan_free(&p);
    return bad;
}

/* ---- a run ---- */

static int freeze(struct trainer *t)
{
    bool any = false;
    for (int i = 0; i < t->ps->n; i++) {
        struct param *p = &t->ps->v[i];
        p->frozen = p->idle || !p->grad || t->c->frozen[p->part];     /* without a gradient: frozen when it was loaded */
        any |= !p->frozen;
    }
    return any ? 0 : fail("all parts are frozen: nothing to train");
}

static int prepare(struct trainer *t)
{
    const struct train_cfg *c = t->c;
    int n = dataset_count(t->job->ds);
    if (!n) return fail("no examples to train on");
    t->epoch_steps = plan_steps(n, c->batch);
    double steps = c->steps ? c->steps : ceil(c->epochs * t->epoch_steps);
    if (!(steps >= 1 && steps < 1 << 30)) return fail("%g steps", steps);
    t->steps = (int)steps;
    t->sched = schedule_of(c->sched, c->lr, c->floor, c->warmup, t->steps);
    t->plan_cfg = (struct plan_cfg){ c->batch, c->micro_tokens, c->group, c->share, c->seed };
    model_recompute(t->job->m, c->recompute);
    return freeze(t);
}

static int train(struct trainer *t)
{
    struct batch_cfg bc = batch_cfg_of(t);
    t->loader = loader_new(&bc, t->c->threads);
    t->log = train_log_open(t->c->log, t->done, t->job->obj);
    int bad = !t->log;
    while (!bad && t->done < t->steps) bad = one_epoch(t);
    loader_free(t->loader);
    if (bad) train_log_abandon(t->log);
    else bad = train_log_close(t->log);
    return bad ? -1 : finish(t);
}

static int run_locked(struct trainer *t)
{
    int r = prepare(t) ? -1 : find_out(t);
    return r ? r : find_state(t) ? -1 : train(t);
}

int train_run(const struct train_job *job)
{
    if (train_check_out(job->cfg)) return -1;
    struct trainer t = { .job = job, .c = job->cfg, .ps = model_params(job->m), .o = model_ops(job->m) };
    t.out = plain_dir(job->cfg->out);
    int lock = state_lock(t.out), r = -1;
    if (lock >= 0) {
        t.state_dir = mem_fmt("%s.state", t.out);
        t.settings = settings_of(job);
        r = run_locked(&t);
        state_unlock(t.out, lock);
    }
    json_decref(t.settings);
    free(t.state_dir);
    free(t.out);
    return r;
}

int train_measure(const struct train_job *job)
{
    struct trainer t = { .job = job, .c = job->cfg, .ps = model_params(job->m), .o = model_ops(job->m) };
    struct plan p;
    assert(t.o->measuring);
    if (prepare(&t)) return -1;
    plan_make(&p, job->ds, &t.plan_cfg, 0);
    int bad = measured_step(&t, &p);
    plan_free(&p);
    return bad;
}
