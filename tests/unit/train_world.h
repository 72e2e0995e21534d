/* SPDX-License-Identifier: Apache-2.0
 * The world that tests of training share: a tiny model, a dozen records with pictures, gradients of one step, quick runs.
 */
#ifndef TESTS_TRAIN_WORLD_H
#define TESTS_TRAIN_WORLD_H

#include <stdlib.h>
#include <unistd.h>
#include "device.h"
#include "media/image.h"
#include "t.h"
#include "train/assemble.h"
#include "train/trainer.h"

enum { RECORDS = 12, IMAGES = 3, SIDE = 32 };

static char root[] = "/tmp/t_train.XXXXXX";
static char *base, *out;                       /* folders */
static struct ops *ops;
static struct model_io *io;

/* ---- the world: an image's colour is asked for, in several phrasings ---- */

static const uint8_t colour[IMAGES][3] = { { 220, 30, 30 }, { 30, 200, 40 }, { 40, 60, 210 } };
static const char *const name[IMAGES] = { "red", "green", "blue" };

static inline val image_of(msgpack_zone *z, int k)
{
    struct image im;
    struct buf png = { 0 };
    T_OK(image_new(SIDE, SIDE, &im));
    for (int i = 0; i < SIDE * SIDE; i++)
        for (int c = 0; c < 3; c++) im.px[3 * i + c] = (uint8_t)(colour[k][c] + (i / SIDE + i % SIDE) % 16);
    T_OK(image_write_png(&im, &png));
    image_free(&im);
    val images = val_array(z, 1), entry = val_map();
    val_set(z, &entry, "data", val_of_bin(z, png.p, png.len));
    *val_at(&images, 0) = entry;
    buf_free(&png);
    return images;
}

static inline void make_record(struct record *r, int i)
{
    int k = i % IMAGES;
    msgpack_zone *z = &r->zone;
    rec_clear(r);
    r->number = (uint64_t)i + 1;
    char *q = mem_fmt("Question %d: what colour is the picture?", i);
    char *thought = mem_fmt("I look at it %d times, and it is %s.", i + 2, name[k]);
    val_set(z, &r->root, "question", val_of_cstr(z, q));
    val_set(z, &r->root, "answer", val_of_cstr(z, name[k]));
    val_set(z, &r->root, "images", image_of(z, k));
    val *path = val_set_map(z, &r->root, "path");
    val steps = val_array(z, 1), step = val_map();
    val_set(z, &step, "name", val_of_cstr(z, "Look"));
    val_set(z, &step, "thought", val_of_cstr(z, thought));
    val_set(z, &step, "reflection", val_of_cstr(z, "The picture shows it."));
    *val_at(&steps, 0) = step;
    val_set(z, path, "steps", steps);
    val_set(z, path, "answer", val_of_cstr(z, name[k]));
    free(q);
    free(thought);
}

static inline void make_world(void)
{
    T_CHECK(mkdtemp(root) != NULL);
    base = file_join(root, "base");
    out = file_join(root, "out");
    ops = test_ops(1);
    T_CHECK(ops != NULL);
    struct tok_trainer *tr = tok_trainer_new();
    struct record *r = rec_new();
    for (int i = 0; i < RECORDS; i++) {
        make_record(r, i);
        T_OK(assemble_learn(tr, r));
    }
    rec_free(r);
    struct assemble_fresh f = { "examples/configs/tiny.json", assemble_learned(tr, 400), 7, 1 };
    T_CHECK(f.tok != NULL);
    T_OK(assemble_fresh(&f, ops, base));
    tok_free(f.tok);
    io = model_io_load(base, NULL);
    if (!io) printf("# %s\n", err_msg());
    T_CHECK(io != NULL);
}

static void (*dress)(struct record *, int i);      /* adds to record i what a test's objective needs; NULL: nothing */

static inline struct dataset *load(const struct objective *obj, int n)
{
    struct dataset *ds = dataset_new(out);
    struct record *r = rec_new();
    struct draft d;
    const char *why = "";
    for (int i = 0; i < n; i++) {
        make_record(r, i);
        if (dress) dress(r, i);
        if (obj->encode(obj, io, r, &d, &why)) printf("# record %d: %s: %s\n", i, why, err_msg()), t_bad++;
        else T_OK(dataset_add(ds, &d));
        draft_free(&d);
    }
    rec_free(r);
    return ds;
}

static inline void end_world(void)
{
    model_io_free(io);
    ops->close(ops);
    free(base);
    free(out);
    T_CHECK(dir_remove(root) == 0);
}

static inline struct model *open_model(void)
{
    struct model *m = model_load(base, ops, DT_F32, MODEL_TRAIN);
    if (!m) printf("# %s\n", err_msg()), exit(1);
    return m;
}

/* ---- losses and gradients of one step ---- */

/* The loss of all examples as one step, in micro-batches of at most micro_tokens; gradients stay in the table. */
static inline double gradient(struct model *m, struct dataset *ds, const struct objective *obj, int micro_tokens, bool share, int *rows)
{
    struct plan p;
    struct plan_cfg c = { .batch = 1000, .micro_tokens = micro_tokens, .group = 100, .share = share };
    struct batch_cfg bc = { .ds = ds, .io = io, .share = share };
    struct batch b = { 0 };
    struct train_sum sum = { 0 };
    double total = 0;
    plan_make(&p, ds, &c, 0);
    for (int i = 0; i < p.n; i++) total += obj->weight(obj, dataset_at(ds, i));
    param_zero_grads(model_params(m), ops);
    *rows = 0;
    for (int i = 0; i < p.nmicro; i++) {
        T_OK(batch_build(&b, &bc, p.order + p.micro[i].first, p.micro[i].n, 0));
        struct train_pass pass = { .m = m, .b = &b, .total = total };
        T_OK(model_forward(m, &b.in, &pass.hidden));
        pass.dhidden = model_dhidden(m);
        T_OK(obj->loss(obj, &pass, &sum));
        T_OK(model_backward(m, &b.in, pass.dhidden));
        *rows += b.in.ntok;
        T_INT(b.in.ntok, p.micro[i].rows);
    }
    batch_free(&b);
    plan_free(&p);
    return sum.loss;
}

static inline float *grads_of(struct model *m, size_t *n)
{
    struct params *ps = model_params(m);
    *n = 0;
    for (int i = 0; i < ps->n; i++) *n += ps->v[i].n;
    float *g = mem_array(*n, sizeof *g), *at = g;
    for (int i = 0; i < ps->n; at += ps->v[i++].n) ops->download(ops, at, ps->v[i].grad, ps->v[i].n * sizeof *at);
    T_OK(ops->sync(ops));
    return g;
}

/* |a - b| / |a| */
static inline double distance(const float *a, const float *b, size_t n)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += (double)a[i] * a[i];
    }
    return sqrt(d / s);
}

/* Both computations add the same products in another order: f32 rounding, 2^-24 a product, leaves relative errors of
 * about 1e-6; 1e-5 is far below what one example lost or doubled would make (1 / 12). */
static inline void compare_ways(const struct objective *obj, int micro_b, bool share_b, bool fewer_rows)
{
    struct dataset *ds = load(obj, RECORDS);
    struct model *m = open_model();
    size_t n;
    int ra, rb;
    double a = gradient(m, ds, obj, 1 << 20, false, &ra);
    float *ga = grads_of(m, &n);
    double b = gradient(m, ds, obj, micro_b, share_b, &rb);
    float *gb = grads_of(m, &n);
    T_CHECK(a > 0.1);
    T_NEAR(b / a, 1, 1e-6);
    T_CHECK(distance(ga, gb, n) < 1e-5);
    T_CHECK(fewer_rows ? rb < ra : rb == ra);
    free(ga);
    free(gb);
    model_free(m);
    dataset_free(ds);
}

/* ---- runs ---- */

struct seen { int steps, stop_at; double first, last, metric[TRAIN_METRICS]; };
static inline void see(void *arg, const struct train_report *r)
{
    struct seen *s = arg;
    if (!s->steps++) s->first = r->loss;
    s->last = r->loss;
    memcpy(s->metric, r->metric, sizeof s->metric);
}
static inline bool stop(void *arg) { struct seen *s = arg; return s->stop_at && s->steps >= s->stop_at; }

static inline struct train_cfg quick(void)
{
    struct train_cfg c = train_defaults();
    c.base = base;
    c.out = out;
    c.batch = 4;
    c.epochs = 2;
    c.micro_tokens = 200;
    c.lr = 1e-2;
    c.warmup = 0.1;
    c.threads = 1;
    c.jitter = 1;
    c.save_every = 0;
    return c;
}

static inline char *weights(const char *dir)
{
    char *path = file_join(dir, "model.safetensors");
    static char hex[HASH_HEX];
    struct buf b = { 0 };
    T_OK(file_read(path, 1 << 30, &b));
    hash_hex(b.p, b.len, hex);
    buf_free(&b);
    free(path);
    return mem_str(hex);
}

#endif
