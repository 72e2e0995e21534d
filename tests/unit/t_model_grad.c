/* SPDX-License-Identifier: Apache-2.0
 * The whole model's gradient against finite differences, recomputation, frozen parts, and sequences that share a prefix.
 */
#include <stdlib.h>
#include "device.h"
#include "t.h"
#include "tiny_model.h"

enum { TILES = 3, PX = 3 * 8 * 8, TOKENS = 26 };
static struct ops *dev;
static float pixels[TILES * PX];
#define IMAGE(i) { { .n = 1, .h = 8, .w = 8 }, pixels + (i) * PX }
static const struct model_image images[TILES] = { IMAGE(0), IMAGE(1), IMAGE(2) };

/* Three sequences: text alone, two tiles, and one tile (shared with the second) whose sequence attends to the second. */
struct example { struct model_batch b; int id[64], pos[64], start[4], row[64], src[64], target[64]; struct span prefix[3]; float dlp[64]; };

static void image(struct example *x, int row, int tile)
{
    for (int j = 0; j < 4; j++) {
        x->row[x->b.nimg] = row + j;
        x->src[x->b.nimg++] = tile * 4 + j;
    }
}

static void example_make(struct example *x, bool vision)
{
    static const int start[] = { 0, 5, 17, TOKENS };
    struct rng r = rng_new(11, "example");
    *x = (struct example){0};
    for (int i = 0; i < TILES * PX; i++) pixels[i] = (float)(rng_next(&r) * 2 - 1);
    for (int s = 0; s < 3; s++)
        for (int t = start[s]; t < start[s + 1]; t++) {
            x->id[t] = (int)rng_next_below(&r, 53);
            x->pos[t] = t - start[s] + (s == 2 ? start[2] - start[1] : 0);
            x->target[t] = rng_next(&r) < 0.3 ? -1 : (int)rng_next_below(&r, 53);
            x->dlp[t] = (float)(rng_next(&r) - 0.8);
        }
    memcpy(x->start, start, sizeof start);
    x->prefix[2] = (struct span){ start[1], start[2] };
    x->b = (struct model_batch){ .ntok = TOKENS, .id = x->id, .pos = x->pos, .nseq = 3, .start = x->start, .prefix = x->prefix };
    if (!vision) return;
    x->b.nimage = TILES;
    x->b.image = images;
    x->b.img_row = x->row;
    x->b.img_src = x->src;
    image(x, 6, 0);
    image(x, 10, 2);
    image(x, 18, 0);
}

/* sum_t dlp[t] lp[t] */
static double objective(struct model *m, struct example *x, bool backward)
{
    float lp[TOKENS];
    struct mat hidden;
    double sum = 0;
    T_OK(model_forward(m, &x->b, &hidden));
    struct logprob_args a = { .x = hidden, .target = x->target, .lp = lp };
    a.w = model_head(m, &a.dw);
    if (backward) {
        a.dlp = x->dlp;
        a.dx = model_dhidden(m);
    }
    dev->logprob(dev, &a);
    if (backward) T_OK(model_backward(m, &x->b, a.dx));
    for (int i = 0; i < TOKENS; i++) sum += x->target[i] < 0 ? 0 : (double)x->dlp[i] * (double)lp[i];
    return sum;
}

static double along(struct model *m, struct example *x, struct param *p, const float *w, const float *d, double step)
{
    float *moved = mem_array(p->n, sizeof *moved);
    for (size_t i = 0; i < p->n; i++) moved[i] = (float)(w[i] + step * d[i]);
    dev->upload(dev, p->w.p, moved, p->n * sizeof *moved);
    free(moved);
    double y = objective(m, x, false);
    dev->upload(dev, p->w.p, w, p->n * sizeof *w);
    return y;
}

/* Fourth order in the step: the error that is left is f32's rounding of the objective (about 1e-6) over the step. */
static double difference(struct model *m, struct example *x, struct param *p, const float *w, const float *d, double h)
{
    return (8 * (along(m, x, p, w, d, h) - along(m, x, p, w, d, -h)) - (along(m, x, p, w, d, 2 * h) - along(m, x, p, w, d, -2 * h))) / (12 * h);
}

/* Along the gradient itself, and along a random direction of length 1. */
static void check_param(struct model *m, struct example *x, struct param *p)
{
    float *w = mem_array(p->n, sizeof *w), *g = mem_array(p->n, sizeof *g), *d = mem_array(p->n, sizeof *d);
    struct rng r = rng_new(13, p->name);
    double norm = 0, dot = 0;
    dev->download(dev, w, p->w.p, p->n * sizeof *w);
    dev->download(dev, g, p->grad, p->n * sizeof *g);
    for (size_t i = 0; i < p->n; i++) norm += (double)g[i] * (double)g[i];
    norm = sqrt(norm);
    for (size_t i = 0; i < p->n; i++) {
        d[i] = (rng_next(&r) < 0.5 ? -1 : 1) / sqrtf((float)p->n);
        dot += (double)d[i] * (double)g[i];
    }
    double random = difference(m, x, p, w, d, 0.02), tol = 2e-3 * norm + 2e-4;
    if (!(fabs(random - dot) <= tol)) printf("# %s: random direction %.6g, want %.6g (norm %.4g)\n", p->name, dot, random, norm);
    T_CHECK(fabs(random - dot) <= tol);
    for (size_t i = 0; i < p->n; i++) d[i] = norm > 1e-4 ? (float)(g[i] / norm) : 0;
    double own = difference(m, x, p, w, d, 0.02);
    if (!(norm <= 1e-4 || fabs(own - norm) <= tol)) printf("# %s: along itself %.6g, want %.6g\n", p->name, norm, own);
    T_CHECK(norm <= 1e-4 || fabs(own - norm) <= tol);
    free(w);
    free(g);
    free(d);
}

static void check_gradient(const char *json, bool vision, bool recompute)
{
    struct example x;
    struct model *m = tiny_model(json, dev, DT_F32, MODEL_TRAIN);
    example_make(&x, vision);
    model_recompute(m, recompute);
    objective(m, &x, true);
    T_STR(model_digest(m), "");
    struct params *ps = model_params(m);
    for (int i = 0; i < ps->n; i++) check_param(m, &x, &ps->v[i]);
    model_free(m);
}

static void test_gradient_qwen2(void) { check_gradient(tiny_qwen2, true, false); }
static void test_gradient_llama(void) { check_gradient(tiny_llama, true, true); }
static void test_gradient_chat(void) { check_gradient(tiny_chat, true, true); }
static void test_gradient_qwen_vl(void) { check_gradient(tiny_qwen_vl, true, false); }
static void test_gradient_text(void) { check_gradient(tiny_text, false, false); }

/* All gradients one after another. */
static float *gradients(struct model *m, size_t *n)
{
    struct params *ps = model_params(m);
    *n = 0;
    for (int i = 0; i < ps->n; i++) *n += ps->v[i].n;
    float *all = mem_array(*n, sizeof *all), *at = all;
    for (int i = 0; i < ps->n; at += ps->v[i++].n) dev->download(dev, at, ps->v[i].grad, ps->v[i].n * sizeof *at);
    return all;
}

static void test_recomputation_changes_no_bit(void)
{
    struct example x;
    float *g[2];
    size_t n = 0;
    example_make(&x, true);
    for (int k = 0; k < 2; k++) {
        struct model *m = tiny_model(tiny_llama, dev, DT_F32, MODEL_TRAIN);
        model_recompute(m, k);
        objective(m, &x, true);
        g[k] = gradients(m, &n);
        model_free(m);
    }
    T_CHECK(!memcmp(g[0], g[1], n * sizeof(float)));
    free(g[0]);
    free(g[1]);
}

/* Freezing a part leaves its gradient zero and the others' bits as they were. */
static void test_frozen_parts(void)
{
    struct example x;
    size_t n;
    example_make(&x, true);
    struct model *m = tiny_model(tiny_qwen2, dev, DT_F32, MODEL_TRAIN);
    objective(m, &x, true);
    float *all = gradients(m, &n);
    struct params *ps = model_params(m);
    for (int part = 0; part < PARTS; part++) {
        for (int i = 0; i < ps->n; i++) {
            ps->v[i].frozen = false;
            dev->zero(dev, ps->v[i].grad, ps->v[i].n * sizeof(float));
            ps->v[i].frozen = part == PART_PROJECTOR ? ps->v[i].part <= PART_PROJECTOR : (int)ps->v[i].part == part;
        }
        objective(m, &x, true);
        float *some = gradients(m, &n), *at = some, *want = all;
        for (int i = 0; i < ps->n; at += ps->v[i].n, want += ps->v[i].n, i++)
            for (size_t k = 0; k < ps->v[i].n; k++) T_CHECK(at[k] == (ps->v[i].frozen ? 0 : want[k]));
        free(some);
    }
    T_CHECK(part_find("vision") == PART_VISION && part_find("none") == -1 && !strcmp(part_name(PART_HEAD), "head"));
    free(all);
    model_free(m);
}

/* A sequence behind a shared prefix sees what it would see behind its own copy. */
static void check_prefix(const char *json)
{
    struct example x;
    struct mat hidden;
    float shared[9 * 24], copied[9 * 24];
    struct model *m = tiny_model(json, dev, DT_F32, 0);
    example_make(&x, true);
    T_OK(model_forward(m, &x.b, &hidden));
    dev->download(dev, shared, (float *)hidden.p + 17 * 24, sizeof shared);
    x.b.ntok = TOKENS - 5;                     /* the second and third sequence as one */
    x.b.id += 5, x.b.pos += 5, x.b.nseq = 1, x.b.prefix = NULL, x.b.start = (const int[]){ 0, TOKENS - 5 };
    for (int i = 0; i < x.b.nimg; i++) x.row[i] -= 5;
    T_OK(model_forward(m, &x.b, &hidden));
    dev->download(dev, copied, (float *)hidden.p + 12 * 24, sizeof copied);
    for (int i = 0; i < countof(copied); i++) T_NEAR(shared[i], copied[i], 1e-5);
    model_free(m);
}

static void test_prefix(void)
{
    check_prefix(tiny_qwen2);
    check_prefix(tiny_qwen_vl);
}

/* Tiles come in any number at a time; what a tile gives does not depend on its company. */
static void test_encode(void)
{
    enum { N = 400 };                          /* more than one chunk of the tower */
    struct example x;
    struct model_features all, one;
    float *px = mem_array((size_t)N * PX, sizeof *px), a[4 * 24], b[4 * 24];
    struct model *m = tiny_model(tiny_llama, dev, DT_F32, 0);
    example_make(&x, true);
    for (int i = 0; i < N * PX; i++) px[i] = pixels[i % (TILES * PX)];
    T_OK(model_encode(m, &(struct model_image){ { .n = N, .h = 8, .w = 8 }, px }, 1, &all));
    T_INT(all.x.rows, N * 4);
    for (int t = 0; t < N; t += 57) {
        T_OK(model_encode(m, &(struct model_image){ { .n = 1, .h = 8, .w = 8 }, px + (size_t)t * PX }, 1, &one));
        dev->download(dev, a, (float *)all.x.p + (size_t)t * 4 * 24, sizeof a);
        dev->download(dev, b, one.x.p, sizeof b);
        T_CHECK(!memcmp(a, b, sizeof a));
        model_features_free(m, &one);
    }
    model_features_free(m, &all);
    free(px);
    model_free(m);
}

/* Images of many sizes, one of them larger than a chunk of the tower. */
static void test_encode_sizes(void)
{
    enum { N = 40, MOST = 3 * 300 * 60 + N };
    struct model_features all, one;
    struct model_image image[N];
    float *px = mem_array(MOST, sizeof *px), a[24], b[24];
    struct model *m = tiny_model(tiny_qwen_vl, dev, DT_F32, 0);
    struct rng r = rng_new(5, "pixels");
    int row = 0;
    for (int i = 0; i < MOST; i++) px[i] = (float)(rng_next(&r) * 2 - 1);
    for (int i = 0; i < N; i++) image[i] = (struct model_image){ { .n = 1, .h = 4 * (1 + i % 7), .w = 4 * (1 + i * 5 % 13) }, px + i };
    image[20].tiles.h = 300, image[20].tiles.w = 60;       /* 4500 patches */
    T_OK(model_encode(m, image, N, &all));
    for (int i = 0; i < N; i++) {
        int n = cfg_image_tokens(model_config(m), &image[i].tiles);
        T_OK(model_encode(m, &image[i], 1, &one));
        T_INT(one.x.rows, n);
        for (int k = 0; k < n; k++) {
            dev->download(dev, a, (float *)all.x.p + (size_t)(row + k) * 24, sizeof a);
            dev->download(dev, b, (float *)one.x.p + (size_t)k * 24, sizeof b);
            T_CHECK(!memcmp(a, b, sizeof a));
            T_CHECK(!memcmp(&all.place[row + k], &one.place[k], sizeof *one.place));
        }
        T_INT(one.place[n - 1].lag, n - mem_max(image[i].tiles.h, image[i].tiles.w) / 4);
        row += n;
        model_features_free(m, &one);
    }
    T_INT(all.x.rows, row);
    model_features_free(m, &all);
    image[0].tiles.h = 6;
    T_FAIL(model_encode(m, image, 1, &one), "4x6, the vision tower takes multiples of 4");
    image[0].tiles = (struct tiles){ .n = 2, .h = 4, .w = 4 };
    T_FAIL(model_encode(m, image, 1, &one), "takes it whole");
    free(px);
    model_free(m);
}

static void test_bad_batches(void)
{
    struct example x;
    struct mat hidden;
    struct model *m = tiny_model(tiny_qwen2, dev, DT_F32, 0), *text = tiny_model(tiny_text, dev, DT_F32, 0);
    example_make(&x, true);
    T_FAIL(model_forward(text, &x.b, &hidden), "no vision tower");
    x.id[2] = 53;
    T_FAIL(model_forward(m, &x.b, &hidden), "token 53");
    x.id[2] = 0;
    x.src[0] = 12;
    T_FAIL(model_forward(m, &x.b, &hidden), "feature 12");
    x.src[0] = 0;
    x.pos[3] = 512;
    T_FAIL(model_forward(m, &x.b, &hidden), "position 512");
    x.pos[3] = 3;
    x.start[2] = 5;
    T_FAIL(model_forward(m, &x.b, &hidden), "empty");
    T_FAIL(model_backward(m, &x.b, hidden), "no forward pass");
    model_free(m);
    model_free(text);
}

int main(void)
{
    dev = test_ops(2);
    T_RUN(test_gradient_qwen2);
    T_RUN(test_gradient_llama);
    T_RUN(test_gradient_chat);
    T_RUN(test_gradient_qwen_vl);
    T_RUN(test_gradient_text);
    T_RUN(test_recomputation_changes_no_bit);
    T_RUN(test_frozen_parts);
    T_RUN(test_prefix);
    T_RUN(test_encode);
    T_RUN(test_encode_sizes);
    T_RUN(test_bad_batches);
    dev->close(dev);
    return t_end();
}
