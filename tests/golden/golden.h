/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints beside numbers that another implementation computed from them (golden.safetensors): logits of prompts in one
 * packed pass, in one pass into the tree of cached keys, and token by token behind it. The scripts make_*.py describe the
 * tensors' names. A test defines GOLDEN, the folder its checkpoints lie in, and sets dev.
 */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <stdlib.h>
#include "../unit/t.h"
#include "base/file.h"
#include "model/model.h"
#include "store/safetensors.h"

static const char *const prompts[] = { "text", "one", "two", "several" };
enum { NPROMPT = 4, TOK_MAX = 128 };

/* Logits within 1e-4 of the largest |logit|: both sides sum in f32, in different orders. */
static const double TOL_F32 = 1e-4;

static struct ops *dev;
static double worst;                           /* relative error met in the running check */

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

struct packed {
    int n, nseq, nimg, ntile;
    int id[4 * TOK_MAX], pos[4 * TOK_MAX], start[NPROMPT + 1], row[4 * TOK_MAX], src[4 * TOK_MAX];
    float *pixels;
    struct model_image image;                  /* all tiles */
};

static inline void pack(struct packed *p, const struct model_cfg *c, const struct safetensors *g, const char *prompt)
{
    char prefix[32];
    int n, two, px = 3 * c->vision.image * c->vision.image, per = cfg_tokens_per_tile(c), image = image_token(c, g);
    snprintf(prefix, sizeof prefix, "%s.", prompt);
    int *id = get_int(g, prefix, "ids", &n), *tiles = get_int(g, prefix, "tiles", &two);
    int src = p->ntile * per, add = tiles[1] - tiles[0];
    p->pixels = mem_grow(p->pixels, (size_t)(p->ntile + add) * (size_t)px + 1, sizeof(float));
    if (add) st_get_f32(get(g, "", "pixels"), (size_t)tiles[0] * (size_t)px, (size_t)add * (size_t)px, p->pixels + (size_t)p->ntile * (size_t)px);
    p->ntile += add;
    p->image = (struct model_image){ { .n = p->ntile, .h = c->vision.image, .w = c->vision.image }, p->pixels };
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
    free(tiles);
}

static inline struct model_batch batch_of(const struct packed *p)
{
    return (struct model_batch){ .ntok = p->n, .id = p->id, .pos = p->pos, .nseq = p->nseq, .start = p->start, .nimage = p->ntile > 0,
                                 .image = &p->image, .nimg = p->nimg, .img_row = p->row, .img_src = p->src };
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

static inline void check_packed(struct model *m, const struct safetensors *g, const char *prompt, double tol)
{
    struct packed p = {0};
    struct mat hidden;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s.", prompt);
    pack(&p, model_config(m), g, prompt);
    struct model_batch b = batch_of(&p);
    T_OK(model_forward(m, &b, &hidden));
    check("packed", prompt, logits_of(m, hidden), get_f32(g, prefix, "prefill"), (size_t)p.n * (size_t)model_config(m)->text.vocab, tol);
    free(p.pixels);
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
    struct kv *kv = kv_new(m, 256);
    int root = kv_node(kv, -1);
    for (int i = 0; i < p.n; i++) {
        node[i] = root;
        feature[i] = -1;
    }
    for (int i = 0; i < p.nimg; i++) feature[p.row[i]] = p.src[i];
    if (p.ntile) T_OK(model_encode(m, &p.image, 1, &features));
    struct model_rows r = { p.n, node, p.id, feature, &features };
    T_OK(model_extend(m, kv, &r, &hidden));
    check("prefill", prompt, logits_of(m, hidden), get_f32(g, prefix, "prefill"), (size_t)p.n * (size_t)V, tol);
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
    free(p.pixels);
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

/* ---- the other way round ---- */
/* ours.safetensors beside the saved model, for the other implementation to compare with. */
static inline void save_logits(struct model *m, struct packed *p, const char *dir)
{
    struct mat hidden;
    struct model_batch b = batch_of(p);
    int side = model_config(m)->vision.image, V = model_config(m)->text.vocab;
    T_OK(model_forward(m, &b, &hidden));
    float *logits = logits_of(m, hidden);
    struct st_tensor v[] = {
        { .name = "ids", .t = ST_I32, .ndim = 1, .dims = { p->n } },
        { .name = "logits", .t = ST_F32, .ndim = 2, .dims = { p->n, V } },
        { .name = "pixels", .t = ST_F32, .ndim = 4, .dims = { p->ntile, 3, side, side } } };
    char *path = file_join(dir, "ours.safetensors");
    struct st_writer *w = st_create(path, v, p->ntile ? 3 : 2);
    T_CHECK(w && !st_write(w, p->id, (size_t)p->n * 4) && !st_write(w, logits, (size_t)p->n * (size_t)V * 4) &&
            (!p->ntile || !st_write(w, p->pixels, (size_t)p->ntile * 3 * (size_t)(side * side) * 4)));
    T_OK(st_finish(w));
    free(path);
    free(logits);
}

#endif
