/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints beside numbers that another implementation computed from them (golden.safetensors): logits of prompts in one
 * packed pass, in one pass into the tree of cached keys, and token by token behind it. The scripts make_*.py describe the
 * tensors' names. A test defines GOLDEN, the folder its checkpoints lie in, and sets dev.
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdlib.h>
#include <unistd.h>
#include "../unit/t.h"
#include "pattern.h"
#include "base/file.h"
#include "model/model.h"
#include "store/safetensors.h"

static const char *const prompts[] = { "text", "one", "two", "several" };
enum { NPROMPT = 4, TOK_MAX = 512 };

/* Logits within 1e-4 of the largest |logit|: both sides sum in f32, in different orders. */
static const double TOL_F32 = 1e-4;

static struct ops *dev;
static double worst;                           /* relative error met in the running check */
static char golden_dir[128];                   /* of the checkpoint at work */

/* ---- reading the numbers ---- */
static const struct st_tensor *get(const struct safetensors *g, const char *prefix, const char *name)
{
    char key[256];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    const struct st_tensor *t = st_find(g, key);
    if (!t) printf("# no %s\n", key);
    T_CHECK(t);
    return t;
}

static inline float *get_f32(const struct safetensors *g, const char *prefix, const char *name)
{
    const struct st_tensor *t = get(g, prefix, name);
    float *x = mem_array(t->n + 1, sizeof *x);
    st_get_f32(t, 0, t->n, x);
    return x;
}

static inline int *get_int(const struct safetensors *g, const char *prefix, const char *name, int *n)
{
    const struct st_tensor *t = get(g, prefix, name);
    int *x = mem_array(t->n + 1, sizeof *x);
    memcpy(x, t->p, t->n * sizeof *x);
    *n = (int)t->n;
    return x;
}

static inline double max_abs(const float *x, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++) m = fmax(m, fabs((double)x[i]));
    return m;
}

/* max |a - b| / max |b| */
static inline double relative(const float *a, const float *b, size_t n)
{
    double d = 0;
    for (size_t i = 0; i < n; i++) d = fmax(d, fabs((double)a[i] - (double)b[i]));
    return d / max_abs(b, n);
}

/* ---- a prompt as a packed batch ---- */
/* The token of image places, which internvl_chat's configuration does not say. */
static inline int image_token(const struct model_cfg *c, const struct safetensors *g)
{
    const struct st_tensor *t = st_find(g, "image_token");
    int id = c->image_token_id;
    if (t) memcpy(&id, t->p, sizeof id);
    return id;
}

enum { IMAGES_MAX = 8 };
struct packed {
    int n, nseq, nimg, nimage, nfeature;
    int id[4 * TOK_MAX], pos[4 * TOK_MAX], start[NPROMPT + 1], row[4 * TOK_MAX], src[4 * TOK_MAX];
    struct model_image image[IMAGES_MAX];
    float *pixels[IMAGES_MAX];                 /* what the images show; owned */
};

static inline void packed_free(struct packed *p)
{
    for (int i = 0; i < p->nimage; i++) free(p->pixels[i]);
}

/* The image whose pixels begin at `first` in the golden's. */
static inline void add_image(struct packed *p, const struct model_cfg *c, const struct safetensors *g, struct tiles t, size_t first)
{
    float *px = mem_array(tiles_floats(&t), sizeof *px);
    st_get_f32(get(g, "", "pixels"), first, tiles_floats(&t), px);
    p->nfeature += cfg_image_tokens(c, &t);
    p->pixels[p->nimage] = px;
    p->image[p->nimage++] = (struct model_image){ t, px };
}

/* "P.sizes": [images, 2] of width and height: pictures of pattern.h, cut by the checkpoint's own image processor. */
static inline void add_pictures(struct packed *p, const struct model_cfg *c, const struct safetensors *g, const char *key)
{
    struct pre_cfg pre;
    int n, *v = get_int(g, key, "", &n);
    T_OK(pre_load(&pre, golden_dir));
    for (int i = 0; i < n; i += 2) {
        struct image im = pattern(v[i], v[i + 1]);
        struct tiles t = pre_tiles(&pre, im.w, im.h);
        float *px = mem_array(tiles_floats(&t), sizeof *px);
        T_OK(pre_run(&pre, &im, px));
        p->nfeature += cfg_image_tokens(c, &t);
        p->pixels[p->nimage] = px;
        p->image[p->nimage++] = (struct model_image){ t, px };
        image_free(&im);
    }
    free(v);
}

/* "P.images": [images, 3] of h, w and where the image begins in pixels; else "P.tiles": the first and the last + 1. */
static inline void add_images(struct packed *p, const struct model_cfg *c, const struct safetensors *g, const char *prompt)
{
    char key[64];
    int n, side = c->vision.image;
    snprintf(key, sizeof key, "%s.sizes", prompt);
    if (st_find(g, key)) {
        add_pictures(p, c, g, key);
        return;
    }
    snprintf(key, sizeof key, "%s.images", prompt);
    bool sized = st_find(g, key) != NULL;
    if (!sized && !side) return;
    if (!sized) snprintf(key, sizeof key, "%s.tiles", prompt);
    int *v = get_int(g, key, "", &n);
    for (int i = 0; sized && i < n; i += 3) add_image(p, c, g, (struct tiles){ .n = 1, .h = v[i], .w = v[i + 1] }, (size_t)v[i + 2]);
    if (!sized && v[1] > v[0])
        add_image(p, c, g, (struct tiles){ .n = v[1] - v[0], .h = side, .w = side }, (size_t)v[0] * 3 * (size_t)side * (size_t)side);
    free(v);
}

static inline void pack(struct packed *p, const struct model_cfg *c, const struct safetensors *g, const char *prompt)
{
    char prefix[32];
    int n, image = image_token(c, g), src = p->nfeature;
    snprintf(prefix, sizeof prefix, "%s.", prompt);
    int *id = get_int(g, prefix, "ids", &n);
    if (c->has_vision) add_images(p, c, g, prompt);
    for (int i = 0; i < n; i++) {
        p->id[p->n] = id[i];
        p->pos[p->n] = i;
        if (id[i] == image) {
            p->row[p->nimg] = p->n;
            p->src[p->nimg++] = src++;
        }
        p->n++;
    }
    p->start[++p->nseq] = p->n;
    free(id);
}

static inline struct model_batch batch_of(const struct packed *p)
{
    return (struct model_batch){ .ntok = p->n, .id = p->id, .pos = p->pos, .nseq = p->nseq, .start = p->start, .nimage = p->nimage,
                                 .image = p->image, .nimg = p->nimg, .img_row = p->row, .img_src = p->src };
}

static inline float *logits_of(struct model *m, struct mat hidden)
{
    int *row = mem_array((size_t)hidden.rows, sizeof *row);
    for (int i = 0; i < hidden.rows; i++) row[i] = i;
    float *x = mem_array((size_t)hidden.rows * (size_t)model_config(m)->text.vocab, sizeof *x);
    T_OK(model_logits(m, hidden, row, hidden.rows, x));
    free(row);
    return x;
}

/* ---- logits ---- */
static inline struct model *load(const char *name, enum dtype t, int flags)
{
    char dir[128];
    snprintf(dir, sizeof dir, GOLDEN "%s", name);
    struct model *m = model_load(dir, dev, t, flags);
    if (!m) printf("# %s\n", err_msg());
    T_CHECK(m);
    return m;
}

static inline void open_golden(const char *name, struct safetensors *g)
{
    char path[128];
    snprintf(golden_dir, sizeof golden_dir, GOLDEN "%s", name);
    snprintf(path, sizeof path, GOLDEN "%s/golden.safetensors", name);
    T_OK(st_open(path, g));
}

static inline void check(const char *what, const char *prompt, float *got, float *want, size_t n, double tol)
{
    double d = relative(got, want, n);
    if (!(d <= tol)) printf("# %s, prompt %s: relative error %.3g, at most %.3g\n", what, prompt, d, tol);
    T_CHECK(d <= tol);
    worst = fmax(worst, d);
    free(got);
    free(want);
}

/* All rows of the prompt, or those named by "P.rows". */
static inline void check_prefill(struct model *m, const struct safetensors *g, const char *what, const char *prompt, struct mat hidden, double tol)
{
    char prefix[32], key[64];
    int n = hidden.rows, *row = NULL;
    size_t V = (size_t)model_config(m)->text.vocab;
    float *all = logits_of(m, hidden);
    snprintf(prefix, sizeof prefix, "%s.", prompt);
    snprintf(key, sizeof key, "%s.rows", prompt);
    if (st_find(g, key)) row = get_int(g, key, "", &n);
    for (int i = 0; i < n && row; i++) memmove(all + (size_t)i * V, all + (size_t)row[i] * V, V * sizeof *all);
    check(what, prompt, all, get_f32(g, prefix, "prefill"), (size_t)n * V, tol);
    free(row);
}

static inline void check_packed(struct model *m, const struct safetensors *g, const char *prompt, double tol)
{
    struct packed p = {0};
    struct mat hidden;
    pack(&p, model_config(m), g, prompt);
    struct model_batch b = batch_of(&p);
    T_OK(model_forward(m, &b, &hidden));
    check_prefill(m, g, "packed", prompt, hidden, tol);
    packed_free(&p);
}

/* Prefill into the tree, then one token at a time. */
static inline void check_cached(struct model *m, const struct safetensors *g, const char *prompt, double tol)
{
    struct packed p = {0};
    struct mat hidden;
    struct model_features features = {0};
    char prefix[32];
    int next, node[TOK_MAX], feature[TOK_MAX], V = model_config(m)->text.vocab;
    snprintf(prefix, sizeof prefix, "%s.", prompt);
    pack(&p, model_config(m), g, prompt);
    int *id = get_int(g, prefix, "next", &next);
    struct kv *kv = kv_new(m, 2 * TOK_MAX);
    int root = kv_node(kv, -1);
    for (int i = 0; i < p.n; i++) {
        node[i] = root;
        feature[i] = -1;
    }
    for (int i = 0; i < p.nimg; i++) feature[p.row[i]] = p.src[i];
    if (p.nimage) T_OK(model_encode(m, p.image, p.nimage, &features));
    struct model_rows r = { p.n, node, p.id, feature, &features };
    T_OK(model_extend(m, kv, &r, &hidden));
    check_prefill(m, g, "prefill", prompt, hidden, tol);
    float *rows = mem_array((size_t)next * (size_t)V, sizeof *rows);
    int leaf = kv_node(kv, root), zero = 0;
    for (int i = 0; i < next; i++) {
        struct model_rows one = { 1, &leaf, &id[i], NULL, NULL };
        T_OK(model_extend(m, kv, &one, &hidden));
        T_OK(model_logits(m, hidden, &zero, 1, rows + (size_t)i * (size_t)V));
    }
    check("decode", prompt, rows, get_f32(g, prefix, "decode"), (size_t)next * (size_t)V, tol);
    kv_free(kv);
    model_features_free(m, &features);
    free(id);
    packed_free(&p);
}

static inline void check_logits(const char *name, enum dtype t, double tol)
{
    struct safetensors g;
    struct model *m = load(name, t, 0);
    if (!m) return;
    open_golden(name, &g);
    worst = 0;
    for (int i = 0; i < NPROMPT; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s.ids", prompts[i]);
        if (!st_find(&g, key)) continue;
        check_packed(m, &g, prompts[i], tol);
        check_cached(m, &g, prompts[i], tol);
    }
    T_CHECK(worst > 0);
    printf("# %s in %s: largest relative error of the logits %.2g\n", name, t == DT_F32 ? "f32" : "bf16", worst);
    st_close(&g);
    model_free(m);
}

/* ---- training: a packed batch of all prompts, the loss the mean of -log p over the marked targets ---- */
struct training { struct packed p; int *target; float *lp, *dlp; int ntarget; };

static inline void training_open(struct training *t, struct model *m, const struct safetensors *g)
{
    *t = (struct training){0};
    for (int i = 0; i < NPROMPT; i++) pack(&t->p, model_config(m), g, prompts[i]);
    t->target = mem_array((size_t)t->p.n, sizeof *t->target);
    t->lp = mem_array((size_t)t->p.n, sizeof *t->lp);
    t->dlp = mem_array((size_t)t->p.n, sizeof *t->dlp);
    for (int s = 0; s < NPROMPT; s++) {
        int n, *mask = get_int(g, "train.mask.", prompts[s], &n), begin = t->p.start[s];
        for (int i = 0; i <= n; i++) {
            bool is = i < n && mask[i];
            t->target[begin + i] = is ? t->p.id[begin + i + 1] : -1;
            t->ntarget += is;
        }
        free(mask);
    }
    for (int i = 0; i < t->p.n; i++) t->dlp[i] = -1.0f / (float)t->ntarget;
}

static inline void training_close(struct training *t)
{
    packed_free(&t->p);
    free(t->target);
    free(t->lp);
    free(t->dlp);
}

/* Loss and gradients; backward: also fills them. */
static inline double loss_of(struct model *m, struct training *t, bool backward)
{
    struct model_batch b = batch_of(&t->p);
    struct mat hidden;
    double loss = 0;
    T_OK(model_forward(m, &b, &hidden));
    struct logprob_args a = { .x = hidden, .target = t->target, .lp = t->lp };
    a.w = model_head(m, &a.dw);
    if (backward) {
        a.dlp = t->dlp;
        a.dx = model_dhidden(m);
    }
    dev->logprob(dev, &a);
    T_OK(dev->sync(dev));
    if (backward) T_OK(model_backward(m, &b, a.dx));
    for (int i = 0; i < t->p.n; i++) loss -= (double)t->lp[i] / t->ntarget;
    return loss;
}

static inline void adamw_step(struct model *m, const float *hyper, double norm, int step)
{
    struct params *ps = model_params(m);
    float clip = hyper[5] / ((float)norm + 1e-6f);
    for (int i = 0; i < ps->n; i++) {
        struct param *p = &ps->v[i];
        if (p->frozen) continue;
        struct adamw_args a = { .w = p->master, .m = p->m, .v = p->v, .g = p->grad, .n = p->n, .copy = p->w.p, .copy_t = p->w.t,
            .lr = hyper[0], .b1 = hyper[1], .b2 = hyper[2], .eps = hyper[3], .decay = p->decay ? hyper[4] : 0,
            .bc1 = 1 - powf(hyper[1], (float)step), .bc2 = 1 - powf(hyper[2], (float)step), .gscale = clip < 1 ? clip : 1 };
        dev->adamw(dev, &a);
    }
    T_OK(dev->sync(dev));
}

static inline double param_error(const struct param *p, const float *dev_x, const struct safetensors *g, const char *prefix, double floor)
{
    float *want = get_f32(g, prefix, p->name), *got = mem_array(p->n, sizeof *got);
    dev->download(dev, got, dev_x, p->n * sizeof *got);
    double d = 0, scale = fmax(max_abs(want, p->n), floor);
    for (size_t i = 0; i < p->n; i++) d = fmax(d, fabs((double)got[i] - (double)want[i]));
    free(want);
    free(got);
    return d / scale;
}

/* The loss, and the gradients that the golden has: `least` of them at least. */
static inline void check_golden_gradients(const char *name, bool recompute, int least)
{
    struct safetensors g;
    struct training t;
    struct model *m = load(name, DT_F32, MODEL_TRAIN);
    int n = 0;
    if (!m) return;
    open_golden(name, &g);
    model_recompute(m, recompute);
    training_open(&t, m, &g);
    float *loss = get_f32(&g, "train.", "loss");
    struct params *ps = model_params(m);
    T_NEAR(loss_of(m, &t, true), loss[0], 1e-5 * loss[0]);
    worst = 0;
    for (int i = 0; i < ps->n; i++) {
        char key[128];
        snprintf(key, sizeof key, "grad.%s", ps->v[i].name);
        if (!st_find(&g, key)) continue;
        double d = param_error(&ps->v[i], ps->v[i].grad, &g, "grad.", 0.01);     /* the floor: see t_internvl.c */
        if (!(d <= 1e-4)) printf("# %s: gradient of %s: relative error %.3g\n", name, ps->v[i].name, d);
        T_CHECK(d <= 1e-4);
        worst = fmax(worst, d);
        n++;
    }
    printf("# %s: largest relative error of %d gradients %.2g\n", name, n, worst);
    T_CHECK(n >= least);
    free(loss);
    training_close(&t);
    st_close(&g);
    model_free(m);
}

/* ---- the other way round ---- */
/* ours.safetensors beside the saved model, for the other implementation to compare with. */
static inline void save_logits(struct model *m, struct packed *p, const char *dir)
{
    struct mat hidden;
    struct model_batch b = batch_of(p);
    int V = model_config(m)->text.vocab;
    static const char *const names[IMAGES_MAX] = { "pixels.0", "pixels.1", "pixels.2", "pixels.3", "pixels.4", "pixels.5", "pixels.6", "pixels.7" };
    T_OK(model_forward(m, &b, &hidden));
    float *logits = logits_of(m, hidden);
    int sizes[IMAGES_MAX][2];
    struct st_tensor v[3 + IMAGES_MAX] = {
        { .name = "ids", .t = ST_I32, .ndim = 1, .dims = { p->n } },
        { .name = "logits", .t = ST_F32, .ndim = 2, .dims = { p->n, V } },
        { .name = "sizes", .t = ST_I32, .ndim = 2, .dims = { p->nimage, 2 } } };
    for (int i = 0; i < p->nimage; i++) {
        const struct tiles *t = &p->image[i].tiles;
        sizes[i][0] = t->image_h;
        sizes[i][1] = t->image_w;
        v[3 + i] = (struct st_tensor){ .name = names[i], .t = ST_F32, .ndim = 4, .dims = { t->n, 3, t->h, t->w } };
    }
    char *path = file_join(dir, "ours.safetensors");
    struct st_writer *w = st_create(path, v, p->nimage ? 3 + p->nimage : 2);
    T_CHECK(w && !st_write(w, p->id, (size_t)p->n * 4) && !st_write(w, logits, (size_t)p->n * (size_t)V * 4));
    if (p->nimage) T_OK(st_write(w, sizes, (size_t)p->nimage * sizeof *sizes));
    for (int i = 0; i < p->nimage && w; i++) T_OK(st_write(w, p->pixels[i], tiles_floats(&p->image[i].tiles) * sizeof(float)));
    T_OK(st_finish(w));
    free(path);
    free(logits);
}
/* Saves a checkpoint with two new tokens, behind a step of training where its golden has one, and its logits beside it. */
static inline void save_changed(const char *name, bool train, const char *dir)
{
    struct safetensors g;
    struct packed p = {0};
    struct model *m = load(name, DT_F32, MODEL_TRAIN);
    if (!m) return;
    open_golden(name, &g);
    if (train) {
        struct training t;
        const float hyper[] = { 3e-3f, 0.9f, 0.95f, 1e-5f, 0.1f, 1 };
        training_open(&t, m, &g);
        loss_of(m, &t, true);
        adamw_step(m, hyper, 1, 1);
        training_close(&t);
    }
    const int a[] = { 7, 8, 9 }, b[] = { 30 }, *mean[] = { a, b }, n[] = { 3, 1 };
    int vocab = model_config(m)->text.vocab;
    T_OK(model_add_tokens(m, vocab + 2, mean, n, 2));
    T_OK(dir_make(dir));
    T_OK(model_save(m, dir, DT_F32));
    pack(&p, model_config(m), &g, "several");
    p.id[p.n - 1] = vocab + 1;
    save_logits(m, &p, dir);
    packed_free(&p);
    st_close(&g);
    model_free(m);
}

/* Everything below dir, in transformers' hands. */
static inline void check_load(const char *dir)
{
    char cmd[256];
    snprintf(cmd, sizeof cmd, "\"$COS_REF_PYTHON\" tests/golden/check_load.py %s/*/ >%s.log 2>&1", dir, dir);
    int rc = system(cmd);
    if (rc) {
        snprintf(cmd, sizeof cmd, "sed 's/^/# /' %s.log", dir);
        T_CHECK(system(cmd) == 0);
    }
    T_INT(rc, 0);
    snprintf(cmd, sizeof cmd, "%s.log", dir);
    T_CHECK(unlink(cmd) == 0);
}

#endif
