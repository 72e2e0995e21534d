/* SPDX-License-Identifier: Apache-2.0
 * Rates of the CPU backend, medians of several runs: products in GFLOP/s and their ratio to oneDNN's plain product of
 * the same shape, attention to the best product rate, row ops in GB/s and their ratio to memcpy; all in one run.
 *     bench_ops [threads [f32 | bf16]]
 */
#include <string.h>
#include "base/mem.h"
#include "base/par.h"
#include "plain.h"

static struct ops *o;
static int threads;
static enum dtype dt;
static struct rng rng;

static struct mat random_mat(enum dtype t, int rows, int cols)
{
    size_t n = (size_t)rows * (size_t)cols;
    float *x = mem_array(n, 4);
    for (size_t i = 0; i < n; i++) x[i] = (float)(rng_next(&rng) - 0.5);
    struct mat m = mat_of(o->alloc(o, n * dtype_size(t), "bench"), t, rows, cols);
    o->cast(o, m, mat_of(x, DT_F32, rows, cols));
    free(x);
    return m;
}

static void drop(struct mat m) { o->release(o, m.p); }

/* ---- products ---- */

struct linear { struct mat x, w, y, dw; };
static void run_linear(void *v) { struct linear *l = v; o->linear(o, l->y, l->x, l->w, NULL); }
static void run_dx(void *v) { struct linear *l = v; o->linear_dx(o, l->x, l->y, l->w); }
static void run_dw(void *v) { struct linear *l = v; o->linear_dw(o, l->dw.p, NULL, l->y, l->x); }

static double best_product;                    /* of the plain ones: what attention is compared with */

static void line(const char *name, const char *shape, double sec, double rate, const char *unit, double of)
{
    printf("%-14s %-22s %10.3f ms %9.1f %-7s %6.2f\n", name, shape, sec * 1e3, rate, unit, rate / of);
    fflush(stdout);
}

static void bench_product(int T, int N, int K, bool train)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%dx%dx%d", T, N, K);
    double flop = 2e-9 * T * N * K, plain = plain_product(threads, dt, T, N, K), s;
    if (plain > best_product) best_product = plain;
    struct linear l = { random_mat(dt, T, K), random_mat(dt, N, K), random_mat(dt, T, N), random_mat(DT_F32, N, K) };
    line("oneDNN", shape, flop / plain, plain, "GFLOP/s", plain);
    s = seconds(run_linear, &l);
    line("linear", shape, s, flop / s, "GFLOP/s", plain);
    if (train) {
        o->zero(o, l.y.p, (size_t)T * (size_t)N * dtype_size(dt));      /* so that repeated sums stay finite */
        s = seconds(run_dx, &l);
        line("linear_dx", shape, s, flop / s, "GFLOP/s", plain);
        s = seconds(run_dw, &l);
        line("linear_dw", shape, s, flop / s, "GFLOP/s", plain);
    }
    drop(l.x); drop(l.w); drop(l.y); drop(l.dw);
}

/* ---- attention ---- */

struct attn { struct attn_args a; struct attn_tree_args t; struct mat d_o, dq, dk, dv; };
static void run_attn(void *v) { struct attn *a = v; o->attn(o, &a->a); }
static void run_attn_bwd(void *v) { struct attn *a = v; o->attn_bwd(o, &a->a, a->d_o, a->dq, a->dk, a->dv); }
static void run_tree(void *v) { struct attn *a = v; o->attn_tree(o, &a->t); }

static void bench_attn(int nseq, int L, int heads, int kv_heads, int D, bool causal)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%dx%d h%d/%d d%d%s", nseq, L, heads, kv_heads, D, causal ? "" : " full");
    int T = nseq * L, *start = mem_array((size_t)nseq + 1, sizeof *start);
    for (int i = 0; i <= nseq; i++) start[i] = i * L;
    struct mat q = random_mat(dt, T, heads * D), k = random_mat(dt, T, kv_heads * D), v = random_mat(dt, T, kv_heads * D);
    struct mat out = random_mat(dt, T, heads * D), lse = random_mat(DT_F32, T, heads);
    struct attn a = { { q, k, v, out, heads, kv_heads, D, 0.1f, causal, nseq, start, NULL, lse.p }, .d_o = random_mat(dt, T, heads * D) };
    a.dq = random_mat(dt, T, heads * D);
    a.dk = random_mat(dt, T, kv_heads * D);
    a.dv = random_mat(dt, T, kv_heads * D);
    double flop = 4e-9 * nseq * heads * D * (causal ? (double)L * (L + 1) / 2 : (double)L * L);
    double s = seconds(run_attn, &a);
    line("attn", shape, s, flop / s, "GFLOP/s", best_product);
    s = seconds(run_attn_bwd, &a);
    line("attn_bwd", shape, s, 2.5 * flop / s, "GFLOP/s", best_product);
    drop(q); drop(k); drop(v); drop(out); drop(lse); drop(a.d_o); drop(a.dq); drop(a.dk); drop(a.dv);
    free(start);
}

/* R paths that share `root` keys and have `own` keys each: one decoding step. */
static void bench_tree(int R, int root, int own, int heads, int kv_heads, int D)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%d rows %d+%d h%d/%d d%d", R, root, own, heads, kv_heads, D);
    struct attn a = { .t = { random_mat(dt, R, heads * D), random_mat(dt, R, heads * D), random_mat(dt, root + R * own, kv_heads * D),
                             random_mat(dt, root + R * own, kv_heads * D), heads, kv_heads, D, 0.1f, R + 1, NULL, NULL } };
    struct attn_seg *seg = mem_array((size_t)R + 1, sizeof *seg);
    int *nkey = mem_array((size_t)R, sizeof *nkey);
    seg[0] = (struct attn_seg){ 0, root, 0, 0, R };
    for (int r = 0; r < R; r++) { seg[r + 1] = (struct attn_seg){ root + r * own, own, root, r, 1 }; nkey[r] = root + own; }
    a.t.seg = seg;
    a.t.nkey = nkey;
    double flop = 4e-9 * R * heads * D * (root + own), s = seconds(run_tree, &a);
    line("attn_tree", shape, s, flop / s, "GFLOP/s", best_product);
    drop(a.t.q); drop(a.t.o); drop(a.t.k); drop(a.t.v);
    free(seg);
    free(nkey);
}

/* ---- rows ---- */

enum { T = 4096, C = 768 };
struct rows { struct mat x, y, z, u, v; float *g, *b, *stat, *m; int *pos; };
static void run_copy(void *v) { struct rows *r = v; memcpy(r->y.p, r->x.p, (size_t)T * C * dtype_size(dt)); }
static void run_norm(void *v) { struct rows *r = v; o->norm(o, NORM_RMS, r->y, r->x, r->g, NULL, 1e-5f, r->stat); }
static void run_layer(void *v) { struct rows *r = v; o->norm(o, NORM_LAYER, r->y, r->x, r->g, r->b, 1e-5f, r->stat); }
static void run_norm_bwd(void *v) { struct rows *r = v; o->norm_bwd(o, NORM_RMS, r->z, r->b, NULL, r->y, r->x, r->g, r->stat); }
static void run_gelu(void *v) { struct rows *r = v; o->act(o, ACT_GELU, r->y, r->x); }
static void run_gelu_bwd(void *v) { struct rows *r = v; o->act_bwd(o, ACT_GELU, r->z, r->y, r->x); }
static void run_glu(void *v) { struct rows *r = v; o->glu(o, ACT_SILU, r->y, r->x, r->u); }
static void run_glu_bwd(void *v) { struct rows *r = v; o->glu_bwd(o, ACT_SILU, r->z, r->v, r->y, r->x, r->u); }
static void run_add(void *v) { struct rows *r = v; o->add(o, r->z, r->x); }
static void run_residual(void *v) { struct rows *r = v; o->residual(o, r->y, r->x, r->u, NULL); }
static void run_rope(void *v) { struct rows *r = v; o->rope(o, r->y, C / 64, 64, r->pos, r->m, false); }
static void run_adamw(void *v)
{
    struct rows *r = v;
    float *p = r->m;
    size_t n = (size_t)T * C;
    o->adamw(o, &(struct adamw_args){ p, p + n, p + 2 * n, p + 3 * n, n, r->y.p, dt, 1e-4f, 0.9f, 0.99f, 1e-8f, 0.01f, 0.5f, 0.5f, 1 });
}
static void run_sumsq(void *v) { struct rows *r = v; o->sumsq(o, r->m, (size_t)T * C); }

static void bench_rows(void)
{
    static const struct { const char *name; void (*fn)(void *); double mats, floats; } list[] = {
        { "memcpy", run_copy, 2, 0 }, { "norm rms", run_norm, 2, 0 }, { "norm layer", run_layer, 2, 0 }, { "norm_bwd", run_norm_bwd, 4, 0 },
        { "act gelu", run_gelu, 2, 0 }, { "act_bwd gelu", run_gelu_bwd, 4, 0 }, { "glu silu", run_glu, 3, 0 }, { "glu_bwd silu", run_glu_bwd, 7, 0 },
        { "add", run_add, 3, 0 }, { "residual", run_residual, 3, 0 }, { "rope", run_rope, 2, 0 }, { "adamw", run_adamw, 1, 7 }, { "sumsq", run_sumsq, 0, 1 },
    };
    struct rows r = { .x = random_mat(dt, T, C), .y = random_mat(dt, T, C), .z = random_mat(dt, T, C), .u = random_mat(dt, T, C), .v = random_mat(dt, T, C) };
    struct mat g = random_mat(DT_F32, 1, C), b = random_mat(DT_F32, 1, C), stat = random_mat(DT_F32, T, 2), m = random_mat(DT_F32, 4 * T, C);
    r.g = g.p; r.b = b.p; r.stat = stat.p; r.m = m.p;
    for (size_t i = 2 * (size_t)T * C; i < 3 * (size_t)T * C; i++) r.m[i] = r.m[i] < 0 ? -r.m[i] : r.m[i];
    r.pos = mem_array(T, sizeof *r.pos);
    for (int i = 0; i < T; i++) r.pos[i] = i;
    double copy = 0;
    for (int i = 0; i < countof(list); i++) {
        double s = seconds(list[i].fn, &r), gb = 1e-9 * T * C * (list[i].mats * (double)dtype_size(dt) + 4 * list[i].floats);
        if (!i) copy = gb / s;
        line(list[i].name, "4096x768", s, gb / s, "GB/s", copy);
    }
    drop(r.x); drop(r.y); drop(r.z); drop(r.u); drop(r.v); drop(g); drop(b); drop(stat); drop(m);
    free(r.pos);
}

struct loss { struct logprob_args a; };
static void run_logprob(void *v) { struct loss *l = v; o->logprob(o, &l->a); }

static void bench_logprob(int n, int V, int width)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%dx%dx%d", n, V, width);
    struct mat dw = random_mat(DT_F32, V, width);
    struct loss l = { { random_mat(dt, n, width), random_mat(dt, V, width), NULL, mem_array((size_t)n, 4), NULL, random_mat(dt, n, width), dw.p } };
    int *target = mem_array((size_t)n, sizeof *target);
    float *dlp = mem_array((size_t)n, sizeof *dlp);
    for (int i = 0; i < n; i++) { target[i] = i % V; dlp[i] = 1e-3f; }
    l.a.target = target;
    double flop = 2e-9 * n * V * width, s = seconds(run_logprob, &l);
    line("logprob", shape, s, flop / s, "GFLOP/s", best_product);
    l.a.dlp = dlp;
    s = seconds(run_logprob, &l);
    line("logprob + bwd", shape, s, 3 * flop / s, "GFLOP/s", best_product);
    drop(l.a.x); drop(l.a.w); drop(l.a.dx); drop(dw);
    free(l.a.lp);
    free(target);
    free(dlp);
}

/* What a call costs that has nearly nothing to do. */
static void run_small(void *v) { struct linear *l = v; o->linear(o, l->y, l->x, l->w, NULL); o->add(o, l->y, l->y); }

static void bench_call(void)
{
    struct linear l = { random_mat(dt, 4, 64), random_mat(dt, 256, 64), random_mat(dt, 4, 256), { 0 } };
    double s = seconds(run_small, &l);
    printf("%-14s %-22s %10.3f us\n", "small calls", "4x256x64, 4x256", s * 1e6);
    drop(l.x); drop(l.w); drop(l.y);
}

int main(int argc, char **argv)
{
    threads = argc > 1 ? atoi(argv[1]) : par_cpus();
    rng = rng_new(1, "bench");
    if (!(o = ops_cpu(threads))) { fprintf(stderr, "bench_ops: %s\n", err_msg()); return 3; }
    dt = argc > 2 ? (!strcmp(argv[2], "bf16") ? DT_BF16 : DT_F32) : o->fast;
    printf("# %d threads, %s; last column: ratio to oneDNN's product of the shape (products), to its best (attention, logprob), to memcpy (rows)\n",
           threads, dt == DT_F32 ? "f32" : "bf16");
    static const int train[][3] = { { 4096, 256, 768 }, { 4096, 768, 3072 }, { 4096, 3072, 768 }, { 6000, 384, 128 }, { 6000, 128, 512 }, { 6000, 768, 256 } };
    static const int decode[][3] = { { 1, 768, 768 }, { 16, 768, 768 }, { 64, 768, 768 }, { 16, 3072, 768 }, { 64, 768, 3072 }, { 16, 384, 128 }, { 64, 512, 128 } };
    for (int i = 0; i < countof(train); i++) bench_product(train[i][0], train[i][1], train[i][2], true);
    for (int i = 0; i < countof(decode); i++) bench_product(decode[i][0], decode[i][1], decode[i][2], false);
    bench_attn(40, 150, 4, 4, 32, true);
    bench_attn(64, 64, 4, 4, 32, false);
    bench_attn(40, 150, 8, 2, 32, true);
    bench_attn(8, 512, 12, 4, 64, true);
    bench_attn(1, 4096, 4, 2, 64, true);
    bench_attn(4, 1025, 12, 12, 64, false);
    bench_tree(64, 300, 100, 4, 4, 32);
    bench_tree(64, 300, 100, 12, 4, 64);
    bench_tree(16, 1500, 300, 12, 4, 64);
    bench_logprob(2048, 1000, 128);
    bench_logprob(512, 32000, 768);
    bench_rows();
    bench_call();
    if (o->sync(o)) { fprintf(stderr, "bench_ops: %s\n", err_msg()); return 3; }
    o->close(o);
    return 0;
}
