/* SPDX-License-Identifier: Apache-2.0
 * The figures of the CUDA backend, each as a ratio to what the same run measured: products and attention and training to
 * the rate of a large bf16 product, what is bound by memory to the driver's copy.
 *     bench_cuda [small]        small: shapes that the emulation gets through, to see that the program works; no figures
 * Counted: a product 2 N K T; attention forward 4 D a pair of query and key that see one another, backward 10 D; training
 * 6 operations a matrix weight and row that it meets, and attention as said; bytes: what an op has to read and write once.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/rng.h"
#include "model/model.h"
#include "ops/device.h"
#include "train/optim.h"

double bench_copy_rate(size_t bytes, int times);

static struct ops *o;
static bool small;
static double product_rate, copy_rate;

static void die(void) { fprintf(stderr, "bench_cuda: %s\n", err_msg()); exit(err_kind()); }

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of one fn(arg): the best of five runs of many calls, the device waited for at the end of each. */
static double seconds(void (*fn)(void *), void *arg)
{
    double best = INFINITY;
    int times = small ? 1 : 20;
    fn(arg);
    if (o->sync(o)) die();
    for (int run = 0; run < (small ? 1 : 5); run++) {
        double begin = now();
        for (int i = 0; i < times; i++) fn(arg);
        if (o->sync(o)) die();
        best = fmin(best, (now() - begin) / times);
    }
    return best;
}

static void *dev(size_t bytes)
{
    void *p = o->alloc(o, bytes, "bench");
    if (!p) die();
    return p;
}

static struct mat new_mat(enum dtype t, int rows, int cols)
{
    struct mat m = mat_of(dev((size_t)rows * (size_t)cols * dtype_size(t)), t, rows, cols);
    struct rng r = rng_new(1, "bench");
    enum { LINE = 4096 };
    float line[LINE];
    float *f = dev(LINE * sizeof *f);
    for (int i = 0; i < LINE; i++) line[i] = (float)rng_next(&r) * 2 - 1;
    o->upload(o, f, line, sizeof line);
    for (int64_t n = (int64_t)rows * cols, at = 0; at < n; at += LINE) {
        int k = (int)mem_min(n - at, (int64_t)LINE);
        o->cast(o, mat_of((char *)m.p + (size_t)at * dtype_size(t), t, 1, k), mat_of(f, DT_F32, 1, k));
    }
    o->release(o, f);
    return m;
}

static void line(const char *what, double value, const char *unit, double ratio, double want)
{
    printf("%-44s %10.1f %-9s", what, value, unit);
    if (ratio > 0) printf(" %6.3f", ratio);
    if (want > 0) printf("   at least %.2f: %s", want, small ? "-" : ratio >= want ? "met" : "MISSED");
    printf("\n");
    fflush(stdout);
}

/* ---- products ---- */

struct linear { struct mat y, x, w; float *dw; };
static void run_linear(void *v) { struct linear *l = v; o->linear(o, l->y, l->x, l->w, NULL); }
static void run_dx(void *v) { struct linear *l = v; o->linear_dx(o, l->x, l->y, l->w); }
static void run_dw(void *v) { struct linear *l = v; o->linear_dw(o, l->dw, NULL, l->y, l->x); }

static double bench_product(const char *what, enum dtype t, int T, int N, int K, bool back)
{
    struct linear l = { new_mat(t, T, N), new_mat(t, T, K), new_mat(t, N, K), dev((size_t)N * (size_t)K * 4) };
    double f = 2.0 * T * N * K, rate = f / seconds(run_linear, &l);
    char name[96];
    if (!product_rate) product_rate = rate;
    snprintf(name, sizeof name, "%s [%d, %d] x [%d, %d]", what, T, K, K, N);
    line(name, rate * 1e-12, "TFLOP/s", rate / product_rate, 0);
    o->loose_rows = false;
    double exact = f / seconds(run_linear, &l);
    o->loose_rows = true;
    line("  with rows of the same bits in any number", exact * 1e-12, "TFLOP/s", exact / product_rate, 0);
    if (back) {
        double dx = f / seconds(run_dx, &l), dw = f / seconds(run_dw, &l);
        line("  gradient of the input", dx * 1e-12, "TFLOP/s", dx / product_rate, 0);
        line("  gradient of the weight (f32)", dw * 1e-12, "TFLOP/s", dw / product_rate, 0);
    }
    o->release(o, l.y.p); o->release(o, l.x.p); o->release(o, l.w.p); o->release(o, l.dw);
    return rate;
}

/* ---- bound by memory ---- */

struct rows { struct mat a, b, c, d, e, wide; float *g, *stat, *dg; const int *idx; struct adamw_args adam; };
static void run_norm(void *v) { struct rows *r = v; o->norm(o, NORM_RMS, r->b, r->a, r->g, NULL, 1e-5f, r->stat); }
static void run_norm_bwd(void *v) { struct rows *r = v; o->norm_bwd(o, NORM_RMS, r->c, r->dg, NULL, r->b, r->a, r->g, r->stat); }
static void run_layer(void *v) { struct rows *r = v; o->norm(o, NORM_LAYER, r->b, r->a, r->g, r->g, 1e-5f, r->stat); }
static void run_layer_bwd(void *v) { struct rows *r = v; o->norm_bwd(o, NORM_LAYER, r->c, r->dg, r->dg + r->a.cols, r->b, r->a, r->g, r->stat); }
static void run_act(void *v) { struct rows *r = v; o->act(o, ACT_GELU, r->c, r->a); }
static void run_act_bwd(void *v) { struct rows *r = v; o->act_bwd(o, ACT_GELU, r->d, r->c, r->a); }
static void run_glu(void *v) { struct rows *r = v; o->glu(o, ACT_SILU, r->c, r->a, r->b); }
static void run_glu_bwd(void *v) { struct rows *r = v; o->glu_bwd(o, ACT_SILU, r->d, r->e, r->c, r->a, r->b); }
static void run_residual(void *v) { struct rows *r = v; o->residual(o, r->c, r->a, r->b, NULL); }
static void run_rope(void *v) { struct rows *r = v; o->rope(o, r->a, r->a.cols / 128, 128, r->idx, r->g, false); }
static void run_gather(void *v) { struct rows *r = v; o->gather(o, r->b, r->a, r->idx); }
static void run_cast(void *v) { struct rows *r = v; o->cast(o, r->b, r->wide); }
static void run_column_sums(void *v) { struct rows *r = v; o->linear_dw(o, NULL, r->dg, r->a, r->b); }
static void run_scatter_add(void *v) { struct rows *r = v; o->scatter_add(o, r->wide, r->a, r->idx); }
static void run_sumsq(void *v) { struct rows *r = v; o->sumsq(o, &(struct floats){ r->wide.p, (size_t)r->wide.rows * (size_t)r->wide.cols }, 1); }
static void run_adamw(void *v) { struct rows *r = v; o->adamw(o, &r->adam); }

static void bench_rows(int T, int C)
{
    size_t n = (size_t)T * (size_t)C;
    double one = 2.0 * (double)n;
    int *idx = mem_array((size_t)T, sizeof *idx);
    struct rows r = { new_mat(DT_BF16, T, C), new_mat(DT_BF16, T, C), new_mat(DT_BF16, T, C), new_mat(DT_BF16, T, C), new_mat(DT_BF16, T, C),
                      new_mat(DT_F32, T, C), new_mat(DT_F32, T, 128).p, dev((size_t)T * 8), dev((size_t)C * 8), idx, { 0 } };
    for (int i = 0; i < T; i++) idx[i] = (int)((int64_t)i * 7919 % T);
    float *w = r.wide.p, *m = new_mat(DT_F32, T, C).p, *v = dev(n * 4), *g = new_mat(DT_F32, T, C).p;
    r.adam = (struct adamw_args){ w, m, v, g, n, r.e.p, DT_BF16, 1e-4f, 0.9f, 0.95f, 1e-8f, 0.05f, 0.1f, 0.05f, 1 };
    const struct { const char *what; void (*fn)(void *); double bytes; } all[] = {
        { "rms norm", run_norm, 2 * one }, { "rms norm, gradients", run_norm_bwd, 4 * one },
        { "layer norm", run_layer, 2 * one }, { "layer norm, gradients", run_layer_bwd, 4 * one },
        { "gelu", run_act, 2 * one }, { "gelu, gradients", run_act_bwd, 4 * one }, { "silu gate", run_glu, 3 * one },
        { "silu gate, gradients", run_glu_bwd, 7 * one }, { "residual", run_residual, 3 * one },
        { "rotary positions", run_rope, 2 * one + (double)T * 512 }, { "gather", run_gather, 2 * one },
        { "f32 to bf16", run_cast, 3 * one }, { "gradient of a bias: column sums", run_column_sums, one },
        { "gradient of an embedding", run_scatter_add, 5 * one }, { "sum of squares", run_sumsq, 2 * one }, { "AdamW", run_adamw, 30.0 * (double)n },
    };
    for (int i = 0; i < countof(all); i++) {
        double rate = all[i].bytes / seconds(all[i].fn, &r);
        line(all[i].what, rate * 1e-9, "GB/s", rate / copy_rate, 0.8);
    }
    o->release(o, r.a.p); o->release(o, r.b.p); o->release(o, r.c.p); o->release(o, r.d.p); o->release(o, r.e.p); o->release(o, r.g);
    o->release(o, r.stat); o->release(o, r.dg); o->release(o, w); o->release(o, m); o->release(o, v); o->release(o, g);
    free(idx);
}

/* ---- over the vocabulary ---- */

struct logits { struct logprob_args loss; struct mat logit; struct draw_how *how; struct drawn *got; };
static void run_loss(void *v) { o->logprob(o, &((struct logits *)v)->loss); }
static void run_draw(void *v) { struct logits *l = v; o->draw(o, l->logit, l->how, l->logit.rows, l->got); }

static void bench_loss(int T, int C, int V)
{
    struct logits l = { .loss = { .x = new_mat(DT_BF16, T, C), .w = new_mat(DT_BF16, V, C), .dx = new_mat(DT_BF16, T, C), .dw = new_mat(DT_F32, V, C).p } };
    int *target = mem_array((size_t)T, sizeof *target);
    float *lp = mem_array((size_t)T, 2 * sizeof *lp), *dlp = lp + T;
    char name[96];
    for (int i = 0; i < T; i++) { target[i] = (int)((int64_t)i * 7919 % V); dlp[i] = -1.0f / (float)T; }
    l.loss.target = target; l.loss.lp = lp; l.loss.dlp = dlp;
    double rate = 6.0 * T * C * V / seconds(run_loss, &l);
    snprintf(name, sizeof name, "loss and gradients, [%d, %d] of %d tokens", T, C, V);
    line(name, rate * 1e-12, "TFLOP/s", rate / product_rate, 0);
    o->release(o, l.loss.x.p); o->release(o, l.loss.w.p); o->release(o, l.loss.dx.p); o->release(o, l.loss.dw);
    free(target); free(lp);
}

static void bench_draws(int rows, int V)
{
    static const double top_p[] = { 1, 0.95 };
    struct logits l = { .logit = new_mat(DT_F32, rows, V), .how = mem_array((size_t)rows, sizeof *l.how), .got = mem_array((size_t)rows, sizeof *l.got) };
    char name[96];
    for (int p = 0; p < countof(top_p); p++) {
        for (int i = 0; i < rows; i++) l.how[i] = (struct draw_how){ 1, top_p[p], (i + 0.5) / rows, 0, i };
        double rate = 4.0 * rows * V / seconds(run_draw, &l);
        snprintf(name, sizeof name, "%d draws of %d tokens, top-p %.2f", rows, V, top_p[p]);
        line(name, rate * 1e-9, "GB/s", rate / copy_rate, 0);
    }
    o->release(o, l.logit.p);
    free(l.how); free(l.got);
}

/* ---- attention ---- */

struct attention { struct attn_args a; struct mat d_o, dq, dk, dv; };
static void run_attn(void *v) { o->attn(o, &((struct attention *)v)->a); }
static void run_attn_bwd(void *v) { struct attention *x = v; o->attn_bwd(o, &x->a, x->d_o, x->dq, x->dk, x->dv); }

static void bench_attn(int L, int nseq, int H, int Hk, int D, bool causal)
{
    int T = L * nseq, *start = mem_array((size_t)nseq + 1, sizeof *start);
    for (int i = 0; i <= nseq; i++) start[i] = i * L;
    struct attention x = { { new_mat(DT_BF16, T, H * D), new_mat(DT_BF16, T, Hk * D), new_mat(DT_BF16, T, Hk * D), new_mat(DT_BF16, T, H * D),
                             H, Hk, D, 1 / sqrtf((float)D), causal, nseq, start, NULL, dev((size_t)T * (size_t)H * 4) },
                           new_mat(DT_BF16, T, H * D), new_mat(DT_BF16, T, H * D), new_mat(DT_BF16, T, Hk * D), new_mat(DT_BF16, T, Hk * D) };
    double pairs = (double)nseq * H * (causal ? 0.5 * L * (L + 1.0) : (double)L * L);
    double f = 4 * D * pairs / seconds(run_attn, &x), b = 10 * D * pairs / seconds(run_attn_bwd, &x);
    char name[96];
    snprintf(name, sizeof name, "attention %s, %d x %d, %d/%d heads of %d", causal ? "causal" : "full", nseq, L, H, Hk, D);
    line(name, f * 1e-12, "TFLOP/s", f / product_rate, 0.6);
    line("  backward", b * 1e-12, "TFLOP/s", b / product_rate, 0.5);
    struct mat all[] = { x.a.q, x.a.k, x.a.v, x.a.o, x.d_o, x.dq, x.dk, x.dv };
    for (int i = 0; i < countof(all); i++) o->release(o, all[i].p);
    o->release(o, x.a.lse);
    free(start);
}

/* ---- a model: of about 10^9 parameters, an InternVL with a Llama decoder ---- */

static const char large_json[] =
    "{\"model_type\": \"internvl\", \"image_token_id\": 3, \"image_seq_length\": 256, \"eos_token_id\": [1, 2], \"tie_word_embeddings\": false,"
    "\"vision_config\": {\"model_type\": \"internvl_vision\", \"hidden_size\": 1024, \"num_hidden_layers\": 24, \"num_attention_heads\": 16,"
    "\"intermediate_size\": 4096, \"image_size\": [448, 448], \"patch_size\": [14, 14], \"attention_bias\": true},"
    "\"text_config\": {\"model_type\": \"llama\", \"hidden_size\": 1536, \"num_hidden_layers\": 20, \"num_attention_heads\": 12,"
    "\"num_key_value_heads\": 4, \"head_dim\": 128, \"intermediate_size\": 6144, \"vocab_size\": 32768, \"max_position_embeddings\": 8192}}";
static const char small_json[] =
    "{\"model_type\": \"internvl\", \"image_token_id\": 3, \"image_seq_length\": 4, \"eos_token_id\": [1, 2], \"tie_word_embeddings\": false,"
    "\"vision_config\": {\"model_type\": \"internvl_vision\", \"hidden_size\": 16, \"num_hidden_layers\": 1, \"num_attention_heads\": 2,"
    "\"intermediate_size\": 24, \"image_size\": [8, 8], \"patch_size\": [2, 2]},"
    "\"text_config\": {\"model_type\": \"llama\", \"hidden_size\": 32, \"num_hidden_layers\": 2, \"num_attention_heads\": 4,"
    "\"num_key_value_heads\": 2, \"intermediate_size\": 64, \"vocab_size\": 64, \"max_position_embeddings\": 8192}}";

struct training { struct model *m; struct model_batch in; int *target; float *lp, *dlp; int t; };

static void train_step(void *v)
{
    struct training *j = v;
    struct mat hidden;
    float *grad;
    double norm;
    if (model_forward(j->m, &j->in, &hidden)) die();
    struct mat head = model_head(j->m, &grad), dh = model_dhidden(j->m);
    o->logprob(o, &(struct logprob_args){ .x = hidden, .w = head, .target = j->target, .lp = j->lp, .dlp = j->dlp, .dx = dh, .dw = grad });
    if (model_backward(j->m, &j->in, dh)) die();
    struct optim c = { .b1 = 0.9, .b2 = 0.95, .eps = 1e-8, .decay = 0.05, .clip = 1 };
    if (optim_step(&c, model_params(j->m), o, 1e-5, ++j->t, &norm)) die();
}

static double attn_flops(const struct block_cfg *b, double seqs, double len)
{
    return seqs * b->layers * b->heads * 14.0 * b->head_dim * (b->causal ? 0.5 * len * (len + 1) : len * len);
}

static double train_flops(const struct params *ps, const struct model_cfg *c, int tiles, int seqs, int len)
{
    double rows[PARTS] = { 0 }, f = 0, side = (double)c->vision.image / c->vision.patch;
    rows[PART_VISION] = tiles * side * side;
    rows[PART_PROJECTOR] = (double)tiles * cfg_tokens_per_tile(c);
    rows[PART_DECODER] = rows[PART_HEAD] = (double)seqs * len;
    for (int i = 0; i < ps->n; i++)
        if (!ps->v[i].vector) f += 6 * rows[ps->v[i].part] * (double)ps->v[i].n;
    return f + attn_flops(&c->text.blocks, seqs, len) + attn_flops(&c->vision.blocks, tiles, side * side + 1);
}

/* seqs sequences of len tokens, each with one image of one tile in front. */
static void fill(struct training *j, const struct model_cfg *c, int seqs, int len)
{
    int T = seqs * len, per = cfg_tokens_per_tile(c), side = c->vision.image;
    int *id = mem_array((size_t)T, 4), *pos = mem_array((size_t)T, 4), *start = mem_array((size_t)seqs + 1, 4);
    int *row = mem_array((size_t)(seqs * per), 4), *src = mem_array((size_t)(seqs * per), 4);
    struct model_image *image = mem_array((size_t)seqs, sizeof *image);
    float *px = mem_array((size_t)side * (size_t)side * 3, sizeof *px);
    struct rng r = rng_new(1, "bench");
    j->target = mem_array((size_t)T, 4);
    j->lp = mem_array((size_t)T, sizeof *j->lp);
    j->dlp = mem_array((size_t)T, sizeof *j->dlp);
    for (int i = 0; i < side * side * 3; i++) px[i] = (float)rng_next(&r);
    for (int i = 0; i < T; i++) {
        id[i] = (int)rng_next_below(&r, (uint32_t)c->text.vocab);
        j->target[i] = (int)rng_next_below(&r, (uint32_t)c->text.vocab);
        pos[i] = i % len;
        j->dlp[i] = -1.0f / (float)T;
    }
    for (int s = 0; s < seqs; s++) {
        start[s + 1] = (s + 1) * len;
        image[s] = (struct model_image){ { .n = 1, .h = side, .w = side, .cols = 1, .rows = 1 }, px };
        for (int k = 0; k < per; k++) { row[s * per + k] = s * len + k; src[s * per + k] = s * per + k; }
    }
    j->in = (struct model_batch){ .ntok = T, .id = id, .pos = pos, .nseq = seqs, .start = start, .nimage = seqs, .image = image,
                                  .nimg = seqs * per, .img_row = row, .img_src = src };
}

static void bench_training(void)
{
    struct model_cfg c;
    struct training j = { .m = NULL };
    int seqs = small ? 2 : 8, len = small ? 16 : 2048;
    const char *json = small ? small_json : large_json;
    if (cfg_parse(json, strlen(json), "bench", &c) || !(j.m = model_new(&c, 1, o, DT_BF16, MODEL_TRAIN))) die();
    double n = 0;
    for (int i = 0; i < model_params(j.m)->n; i++) n += (double)model_params(j.m)->v[i].n;
    fill(&j, &c, seqs, len);
    train_step(&j);
    double begin = now();
    int steps = small ? 1 : 10;
    for (int i = 0; i < steps; i++) train_step(&j);
    double s = (now() - begin) / steps, rate = train_flops(model_params(j.m), &c, seqs, seqs, len) / s;
    char name[96];
    snprintf(name, sizeof name, "training, %.2f G parameters, %d tokens a step", n * 1e-9, seqs * len);
    line(name, rate * 1e-12, "TFLOP/s", rate / product_rate, 0.5);
    line("  tokens", seqs * len / s, "tokens/s", 0, 0);
    line("  device memory at most", (double)usage_peak(o->usage) * 1e-9, "GB", 0, 0);
    model_free(j.m);
    cfg_free(&c);
}

/* Paths of one prompt: a token for each, its log-probability and the choice of the next. */
static void bench_decoding(void)
{
    struct model_cfg c;
    const char *json = small ? small_json : large_json;
    int paths = small ? 4 : 256, prompt = small ? 20 : 1024, own = small ? 4 : 128, steps = small ? 2 : 64;
    if (cfg_parse(json, strlen(json), "bench", &c)) die();
    struct model *m = model_new(&c, 1, o, DT_BF16, 0);
    struct kv *kv = m ? kv_new(m, prompt + paths * (own + steps + 64) + 64) : NULL;
    int most = mem_max(prompt, paths * own), *node = mem_array((size_t)most, 4), *id = mem_array((size_t)most, 4), *row = mem_array((size_t)paths, 4);
    struct draw_how *how = mem_array((size_t)paths, sizeof *how);
    struct drawn *got = mem_array((size_t)paths, sizeof *got);
    struct mat hidden, logits;
    if (!kv) die();
    int root = kv_node(kv, -1), *leaf = mem_array((size_t)paths, sizeof *leaf);
    for (int i = 0; i < prompt; i++) { node[i] = root; id[i] = i % c.text.vocab; }
    if (model_extend(m, kv, &(struct model_rows){ prompt, node, id, NULL, NULL }, &hidden)) die();
    for (int i = 0; i < paths; i++) {
        leaf[i] = kv_node(kv, root);
        row[i] = i;
        how[i] = (struct draw_how){ 1, 0.95, (i + 0.5) / paths, 0, i };
    }
    for (int i = 0; i < paths * own; i++) { node[i] = leaf[i / own]; id[i] = i % c.text.vocab; }
    if (model_extend(m, kv, &(struct model_rows){ paths * own, node, id, NULL, NULL }, &hidden)) die();
    for (int i = 0; i < paths; i++) { node[i] = leaf[i]; id[i] = i % c.text.vocab; }
    double begin = 0;
    for (int s = 0; s <= steps; s++) {
        if (s == 1) begin = now();
        if (model_extend(m, kv, &(struct model_rows){ paths, node, id, NULL, NULL }, &hidden) || model_logits_there(m, hidden, row, paths, &logits)) die();
        o->draw(o, logits, how, paths, got);
        if (o->sync(o)) die();
        for (int i = 0; i < paths; i++) id[i] = got[i].id;
    }
    double sec = (now() - begin) / steps, bytes = 0, kvb = 4.0 * c.text.blocks.layers * c.text.blocks.kv_heads * c.text.blocks.head_dim;
    for (int i = 0; i < model_params(m)->n; i++) {
        const struct param *p = &model_params(m)->v[i];
        if (p->part == PART_DECODER || p->part == PART_HEAD) bytes += (double)p->n * 2;
    }
    bytes += kvb * (prompt + (double)paths * (own + steps / 2.0));
    line(o->loose_rows ? "decoding, --device cuda-loose" : "decoding, paths of one prompt", paths / sec, "tokens/s", 0, 0);
    line("  bytes that had to be read", bytes / sec * 1e-9, "GB/s", bytes / sec / copy_rate, 0.6);
    kv_free(kv);
    model_free(m);
    cfg_free(&c);
    free(node); free(id); free(row); free(leaf); free(how); free(got);
}

int main(int argc, char **argv)
{
    small = argc > 1 && !strcmp(argv[1], "small");
    if (!(o = ops_open(DEVICE_CUDA, 8))) die();
    o->loose_rows = true;
    copy_rate = bench_copy_rate((size_t)(small ? 1 << 20 : 1 << 30), small ? 1 : 20);
    printf("# %s; last column: ratio to the first product, or to the copy\n", o->name);
    line("copy by the driver, read and written", copy_rate * 1e-9, "GB/s", 1, 0);
    int big = small ? 64 : 8192, T = small ? 32 : 16384;
    bench_product("bf16", DT_BF16, big, big, big, true);
    bench_product("bf16", DT_BF16, T, small ? 96 : 6144, small ? 32 : 1536, true);
    bench_product("bf16", DT_BF16, small ? 4 : 256, small ? 96 : 6144, small ? 32 : 1536, false);
    bench_product("f32", DT_F32, big / 2, big / 2, big / 2, false);
    bench_rows(T, small ? 128 : 4096);
    bench_loss(small ? 32 : 4096, small ? 32 : 1536, small ? 100 : 151936);
    bench_draws(small ? 4 : 256, small ? 100 : 151936);
    bench_attn(small ? 40 : 4096, small ? 1 : 4, small ? 4 : 16, small ? 2 : 4, 128, true);
    bench_attn(small ? 40 : 4096, small ? 1 : 4, small ? 4 : 16, small ? 2 : 4, 64, true);
    bench_attn(small ? 40 : 1024, small ? 1 : 16, small ? 2 : 16, small ? 2 : 16, 64, false);
    bench_training();
    bench_decoding();
    o->loose_rows = false;
    bench_decoding();
    o->close(o);
    return 0;
}
