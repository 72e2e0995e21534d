/* SPDX-License-Identifier: Apache-2.0
 * The whole model against transformers: make_internvl.py wrote the checkpoints and the numbers.
 */
#include <stdlib.h>
#include <unistd.h>
#include "../unit/t.h"
#include "../unit/tiny_model.h"
#include "base/file.h"
#include "model/model.h"
#include "store/safetensors.h"

#define DIR_GOLDEN "tests/golden/internvl/"
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

static float *get_f32(const struct safetensors *g, const char *prefix, const char *name)
{
    const struct st_tensor *t = get(g, prefix, name);
    float *x = mem_array(t->n + 1, sizeof *x);
    st_get_f32(t, 0, t->n, x);
    return x;
}

static int *get_int(const struct safetensors *g, const char *prefix, const char *name, int *n)
{
    const struct st_tensor *t = get(g, prefix, name);
    int *x = mem_array(t->n + 1, sizeof *x);
    memcpy(x, t->p, t->n * sizeof *x);
    *n = (int)t->n;
    return x;
}

static double max_abs(const float *x, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++) m = fmax(m, fabs((double)x[i]));
    return m;
}

/* max |a - b| / max |b| */
static double relative(const float *a, const float *b, size_t n)
{
    double d = 0;
    for (size_t i = 0; i < n; i++) d = fmax(d, fabs((double)a[i] - (double)b[i]));
    return d / max_abs(b, n);
}

/* ---- a prompt as a packed batch ---- */
struct packed {
    int n, nseq, nimg, ntile;
    int id[4 * TOK_MAX], pos[4 * TOK_MAX], start[NPROMPT + 1], row[4 * TOK_MAX], src[4 * TOK_MAX];
    float *pixels;
    struct model_image image;                  /* all tiles */
};

static void pack(struct packed *p, const struct model_cfg *c, const struct safetensors *g, const char *prompt)
{
    char prefix[32];
    int n, two, px = 3 * c->vision.image * c->vision.image, per = cfg_tokens_per_tile(c);
    snprintf(prefix, sizeof prefix, "%s.", prompt);
    int *id = get_int(g, prefix, "ids", &n), *tiles = get_int(g, prefix, "tiles", &two);
    float *pixels = get_f32(g, "", "pixels");
    int src = p->ntile * per, add = tiles[1] - tiles[0];
    p->pixels = mem_grow(p->pixels, (size_t)(p->ntile + add) * (size_t)px + 1, sizeof(float));
    memcpy(p->pixels + (size_t)p->ntile * (size_t)px, pixels + (size_t)tiles[0] * (size_t)px, (size_t)add * (size_t)px * sizeof(float));
    p->ntile += add;
    p->image = (struct model_image){ { .n = p->ntile, .h = c->vision.image, .w = c->vision.image }, p->pixels };
    for (int i = 0; i < n; i++) {
        p->id[p->n] = id[i];
        p->pos[p->n] = i;
        if (id[i] == c->image_token_id) {
            p->row[p->nimg] = p->n;
            p->src[p->nimg++] = src++;
        }
        p->n++;
    }
    p->start[++p->nseq] = p->n;
    free(id);
    free(tiles);
    free(pixels);
}

static struct model_batch batch_of(const struct packed *p)
{
    return (struct model_batch){ .ntok = p->n, .id = p->id, .pos = p->pos, .nseq = p->nseq, .start = p->start, .nimage = p->ntile > 0,
                                 .image = &p->image, .nimg = p->nimg, .img_row = p->row, .img_src = p->src };
}

static float *logits_of(struct model *m, struct mat hidden)
{
    int *row = mem_array((size_t)hidden.rows, sizeof *row);
    for (int i = 0; i < hidden.rows; i++) row[i] = i;
    float *x = mem_array((size_t)hidden.rows * (size_t)model_config(m)->text.vocab, sizeof *x);
    T_OK(model_logits(m, hidden, row, hidden.rows, x));
    free(row);
    return x;
}

/* ---- logits ---- */
static struct model *load(const char *name, enum dtype t, int flags)
{
    char dir[128];
    snprintf(dir, sizeof dir, DIR_GOLDEN "%s", name);
    struct model *m = model_load(dir, dev, t, flags);
    if (!m) printf("# %s\n", err_msg());
    T_CHECK(m);
    return m;
}

static void open_golden(const char *name, struct safetensors *g)
{
    char path[128];
    snprintf(path, sizeof path, DIR_GOLDEN "%s/golden.safetensors", name);
    T_OK(st_open(path, g));
}

static void check(const char *what, const char *prompt, float *got, float *want, size_t n, double tol)
{
    double d = relative(got, want, n);
    if (!(d <= tol)) printf("# %s, prompt %s: relative error %.3g, at most %.3g\n", what, prompt, d, tol);
    T_CHECK(d <= tol);
    worst = fmax(worst, d);
    free(got);
    free(want);
}

static void check_packed(struct model *m, const struct safetensors *g, const char *prompt, double tol)
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
static void check_cached(struct model *m, const struct safetensors *g, const char *prompt, double tol)
{
    struct packed p = {0};
    struct mat hidden, features = {0};
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
    struct model_rows r = { p.n, node, p.id, feature, features };
    T_OK(model_extend(m, kv, &r, &hidden));
    check("prefill", prompt, logits_of(m, hidden), get_f32(g, prefix, "prefill"), (size_t)p.n * (size_t)V, tol);
    float *rows = mem_array((size_t)next * (size_t)V, sizeof *rows);
    int leaf = kv_node(kv, root), zero = 0;
    for (int i = 0; i < next; i++) {
        struct model_rows one = { 1, &leaf, &id[i], NULL, {0} };
        T_OK(model_extend(m, kv, &one, &hidden));
        T_OK(model_logits(m, hidden, &zero, 1, rows + (size_t)i * (size_t)V));
    }
    check("decode", prompt, rows, get_f32(g, prefix, "decode"), (size_t)next * (size_t)V, tol);
    kv_free(kv);
    if (features.p) dev->release(dev, features.p);
    free(id);
    free(p.pixels);
}

static void check_logits(const char *name, enum dtype t, double tol)
{
    struct safetensors g;
    struct model *m = load(name, t, 0);
    if (!m) return;
    open_golden(name, &g);
    worst = 0;
    for (int i = 0; i < NPROMPT; i++) {
        check_packed(m, &g, prompts[i], tol);
        check_cached(m, &g, prompts[i], tol);
    }
    printf("# %s in %s: largest relative error of the logits %.2g\n", name, t == DT_F32 ? "f32" : "bf16", worst);
    st_close(&g);
    model_free(m);
}

static void test_logits_qwen2(void) { check_logits("qwen2", DT_F32, TOL_F32); }
static void test_logits_llama(void) { check_logits("llama", DT_F32, TOL_F32); }
static void test_logits_from_bf16_shards(void) { check_logits("bf16", DT_F32, TOL_F32); }

/* bf16 keeps 8 bits: 2^-9 of rounding for each of some 30 roundings on the way through these layers, which add up like
 * random steps, and the largest of a thousand logits is looked at: 2^-9 * sqrt(30) * 3.5 = 0.04. */
static void test_logits_in_bf16(void)
{
    check_logits("qwen2", DT_BF16, 0.04);
    check_logits("llama", DT_BF16, 0.04);
    check_logits("bf16", DT_BF16, 0.04);
}

/* ---- training ---- */
struct training { struct packed p; int *target; float *lp, *dlp; int ntarget; };

static void training_open(struct training *t, struct model *m, const struct safetensors *g)
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

static void training_close(struct training *t)
{
    free(t->p.pixels);
    free(t->target);
    free(t->lp);
    free(t->dlp);
}

/* Loss and gradients; backward: also fills them. */
static double loss_of(struct model *m, struct training *t, bool backward)
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

static void adamw_step(struct model *m, const float *hyper, double norm, int step)
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

static double param_error(const struct param *p, const float *dev_x, const struct safetensors *g, const char *prefix, double floor)
{
    float *want = get_f32(g, prefix, p->name), *got = mem_array(p->n, sizeof *got);
    dev->download(dev, got, dev_x, p->n * sizeof *got);
    double d = 0, scale = fmax(max_abs(want, p->n), floor);
    for (size_t i = 0; i < p->n; i++) d = fmax(d, fabs((double)got[i] - (double)want[i]));
    free(want);
    free(got);
    return d / scale;
}

/* Ten steps: losses within 1e-5, gradient norms and weights within 1e-4 of theirs. */
static void check_training(struct model *m, struct training *t, const struct safetensors *g, const char *tag)
{
    char name[64];
    float *hyper = get_f32(g, "train.", "hyper");
    snprintf(name, sizeof name, "train.%sloss", tag);
    float *loss = get_f32(g, "", name);
    snprintf(name, sizeof name, "train.%snorm", tag);
    float *norm = get_f32(g, "", name);
    for (int s = 0; s < 10; s++) {
        param_zero_grads(model_params(m), dev);
        T_NEAR(loss_of(m, t, true), loss[s], 1e-5 * loss[s]);
        double gn = param_grad_norm(model_params(m), dev);
        T_NEAR(gn, norm[s], 1e-4 * norm[s]);
        adamw_step(m, hyper, gn, s + 1);
    }
    free(hyper);
    free(loss);
    free(norm);
}

static void check_weights(struct model *m, const struct safetensors *g, const char *prefix)
{
    struct params *ps = model_params(m);
    char key[256];
    worst = 0;
    for (int i = 0; i < ps->n; i++) {
        snprintf(key, sizeof key, "%s%s", prefix, ps->v[i].name);
        if (!st_find(g, key)) continue;
        double d = param_error(&ps->v[i], ps->v[i].master, g, prefix, 0);
        if (!(d <= 1e-4)) printf("# %s: relative error %.3g\n", ps->v[i].name, d);
        T_CHECK(d <= 1e-4);
        worst = fmax(worst, d);
    }
    printf("# after ten steps: largest relative error of the weights %.2g\n", worst);
}

static void check_gradients(struct model *m, struct training *t, const struct safetensors *g)
{
    struct params *ps = model_params(m);
    param_zero_grads(ps, dev);
    loss_of(m, t, true);
    worst = 0;
    /* Without rotary positions softmax takes no notice of a key's bias: the gradients of the tower's two are zero, and both
     * sides hold rounding of some 1e-8 there. All others reach 0.03, so the floor of 0.01 touches only those two. */
    for (int i = 0; i < ps->n; i++) {
        double d = param_error(&ps->v[i], ps->v[i].grad, g, "grad.", 0.01);
        if (!(d <= 1e-4)) printf("# gradient of %s: relative error %.3g\n", ps->v[i].name, d);
        T_CHECK(d <= 1e-4);
        worst = fmax(worst, d);
    }
    printf("# largest relative error of the gradients %.2g\n", worst);
}

static void train_golden(bool recompute)
{
    struct safetensors g;
    struct training t;
    struct model *m = load("qwen2", DT_F32, MODEL_TRAIN);
    if (!m) return;
    open_golden("qwen2", &g);
    model_recompute(m, recompute);
    training_open(&t, m, &g);
    check_gradients(m, &t, &g);
    check_training(m, &t, &g, "");
    check_weights(m, &g, "after.");
    training_close(&t);
    st_close(&g);
    model_free(m);
}

static void test_training(void) { train_golden(false); }
static void test_training_recomputed(void) { train_golden(true); }

static void test_training_frozen_vision(void)
{
    struct safetensors g;
    struct training t;
    struct model *m = load("qwen2", DT_F32, MODEL_TRAIN);
    if (!m) return;
    open_golden("qwen2", &g);
    struct params *ps = model_params(m);
    for (int i = 0; i < ps->n; i++) ps->v[i].frozen = ps->v[i].part == PART_VISION;
    training_open(&t, m, &g);
    check_training(m, &t, &g, "frozen.");
    check_weights(m, &g, "after.frozen.");
    training_close(&t);
    st_close(&g);
    model_free(m);
}

/* ---- the other way round ---- */
static void save_logits(struct model *m, struct packed *p, const char *dir)
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

/* A model trained here and given new tokens, in Hugging Face's hands. */
static void save_trained(const char *name, bool train, const char *dir)
{
    struct safetensors g;
    struct packed p = {0};
    struct model *m = load(name, DT_F32, MODEL_TRAIN);
    if (!m) return;
    open_golden(name, &g);
    if (train) {
        struct training t;
        float *hyper = get_f32(&g, "train.", "hyper");
        training_open(&t, m, &g);
        loss_of(m, &t, true);
        adamw_step(m, hyper, 1, 1);
        training_close(&t);
        free(hyper);
    }
    const int a[] = { 7, 8, 9 }, b[] = { 30 }, *mean[] = { a, b }, n[] = { 3, 1 };
    int vocab = model_config(m)->text.vocab;
    T_OK(model_add_tokens(m, vocab + 2, mean, n, 2));
    T_OK(dir_make(dir));
    T_OK(model_save(m, dir, DT_F32));
    pack(&p, model_config(m), &g, "several");
    p.id[p.n - 1] = vocab + 1;
    save_logits(m, &p, dir);
    free(p.pixels);
    st_close(&g);
    model_free(m);
}

static void save_text(const char *json, const char *dir)
{
    struct packed p = { .n = 20, .nseq = 1, .start = { 0, 20 } };
    struct model *m = tiny_model(json, dev, DT_F32, 0);
    for (int i = 0; i < p.n; i++) {
        p.id[i] = i * 7 % 53;
        p.pos[i] = i;
    }
    T_OK(dir_make(dir));
    T_OK(model_save(m, dir, DT_F32));
    save_logits(m, &p, dir);
    model_free(m);
}

static void test_transformers_loads_ours(void)
{
    char dir[] = "/tmp/t_internvl.XXXXXX", cmd[512], sub[4][64];
    static const char *const names[] = { "qwen2", "llama", "bf16" };
    if (!mkdtemp(dir)) { T_CHECK(!"mkdtemp"); return; }
    for (int i = 0; i < 3; i++) {
        snprintf(sub[i], sizeof sub[i], "%s/%s", dir, names[i]);
        save_trained(names[i], i == 0, sub[i]);
    }
    snprintf(sub[3], sizeof sub[3], "%s/text", dir);
    save_text(tiny_text, sub[3]);
    snprintf(cmd, sizeof cmd, "\"$COS_REF_PYTHON\" tests/golden/check_load.py %s %s %s %s >%s/log 2>&1", sub[0], sub[1], sub[2], sub[3], dir);
    int rc = system(cmd);
    if (rc) {
        snprintf(cmd, sizeof cmd, "sed 's/^/# /' %s/log", dir);
        T_CHECK(system(cmd) == 0);
    }
    T_INT(rc, 0);
    T_OK(dir_remove(dir));
}

int main(void)
{
    dev = ops_cpu(2);
    T_RUN(test_logits_qwen2);
    T_RUN(test_logits_llama);
    T_RUN(test_logits_from_bf16_shards);
    T_RUN(test_logits_in_bf16);
    T_RUN(test_training);
    T_RUN(test_training_recomputed);
    T_RUN(test_training_frozen_vision);
    if (getenv("COS_REF_PYTHON")) T_RUN(test_transformers_loads_ours);
    else printf("ok %d - test_transformers_loads_ours # SKIP COS_REF_PYTHON names no python with transformers\n", ++t_tests);
    dev->close(dev);
    return t_end();
}
