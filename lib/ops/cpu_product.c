/* SPDX-License-Identifier: Apache-2.0
 * Products, on the register tile of vec/gemm.c. A task is a block of rows times a block of columns; it packs its part of
 * B and A piece by piece of K and carries the sums on in C (in f32 scratch when C is bf16). An A that serves many tasks is
 * packed once, before them.
 */
#include "ops/cpu.h"

#include <assert.h>
#include <string.h>
#include "base/mem.h"

enum {
    KC = 256,                                  /* depth of a piece: what is packed at a time */
    MC = 96,                                   /* rows of A packed at a time */
    ROWS = 288, COLS = 256,                    /* a task: its part of B, of A and of C fit the second cache, */
    LONG_ROWS = 1920, LONG_TASKS = 16,         /* or, where so many are left, B is packed for as many rows as there may be */
    MAX_PARTS = 16,                            /* pieces of K computed apart where C is small */
    SHARED_ROWS = 12, SHARED_TASKS = 4,        /* from so many rows and tasks a row on, A is packed before the tasks */
    SHARED_MAX = 64 << 20                      /* numbers of A packed at a time */
};

struct plan {
    struct cpu *c;
    const struct product *p;
    int rows, cols;                            /* of a task */
    int nrow, ncol;                            /* tasks along each side */
    int parts, depth;                          /* pieces of K, each into its own f32 C at `part` */
    float *part;
    float *a;                                  /* all of A packed, [pieces of K][m][GEMM_LDA]; NULL: by each task */
};

/* ---- one task ---- */

struct task { struct plan *pl; int worker, i0, m, j0, n, k0, k; float *c; int64_t ldc; };

static size_t elem(enum dtype t, int64_t i) { return (size_t)i * dtype_size(t); }

static void pack_b(const struct task *t, int k0, int k, float *dst)
{
    const struct product *p = t->pl->p;
    const struct vec_gemm *g = t->pl->c->v->gemm;
    const char *b = p->b;
    if (p->b_t) g->pack_t(dst, 0, b + elem(p->bt, t->j0 * p->ldb + k0), p->bt, p->ldb, t->n, k);
    else g->pack_n(dst, k, b + elem(p->bt, k0 * p->ldb + t->j0), p->bt, p->ldb, t->n, k);
}

_Static_assert((int)GEMM_LDA >= (int)KC, "a row of a piece");

/* A block of A as f32: rows, packed where they serve many columns, else in place if they are not a power of two apart
 * (which would make them push each other out of the cache); or, where A comes by columns, tiles of mr rows by columns. */
struct block { const float *a; int64_t ars, acs, tile; };

static struct block pack_a(const struct task *t, int i0, int m, int k0, int k, float *dst)
{
    const struct product *p = t->pl->p;
    const struct vec *v = t->pl->c->v;
    int mr = v->gemm->mr;
    if (t->pl->a) return (struct block){ t->pl->a + ((int64_t)(k0 / KC) * p->m + i0) * GEMM_LDA, GEMM_LDA, 1, mr * GEMM_LDA };
    const char *a = (const char *)p->a + elem(p->at, p->a_t ? k0 * p->lda + i0 : i0 * p->lda + k0);
    if (p->a_t) {
        v->gemm->pack_a(dst, a, p->at, p->lda, m, k);
        return (struct block){ dst, 1, mr, (int64_t)mr * k };
    }
    if (p->at == DT_F32 && p->lda % 1024 && t->n < COLS) return (struct block){ (const float *)a, p->lda, 1, mr * p->lda };
    v->rows->cast((struct mat){ dst, DT_F32, m, k, GEMM_LDA }, (struct mat){ (void *)a, p->at, m, k, p->lda });
    return (struct block){ dst, GEMM_LDA, 1, mr * GEMM_LDA };
}

static enum gemm_init init_of(const struct task *t, int k0)
{
    const struct product *p = t->pl->p;
    if (k0 > t->k0) return GEMM_ADD;
    if (t->pl->parts > 1) return GEMM_ZERO;
    return p->add ? GEMM_ADD : p->bias ? GEMM_BIAS : GEMM_ZERO;
}

/* Rows [i0, i0 + m) of the task, depth [k0, k0 + k). */
static void multiply(const struct task *t, struct block a, int i0, int m, int k0, int k, const float *b)
{
    const struct product *p = t->pl->p;
    const struct vec_gemm *g = t->pl->c->v->gemm;
    struct gemm_tile x = { .k = k, .ldb = g->nr, .ars = a.ars, .acs = a.acs, .ldc = t->ldc, .init = init_of(t, k0) };
    for (int j = 0; j < t->n; j += g->nr) {
        x.b = b + (int64_t)j * k;
        x.n = mem_min(g->nr, t->n - j);
        x.bias = p->bias ? p->bias + t->j0 + j : NULL;
        x.a = a.a;
        for (int i = 0; i < m; i += g->mr, x.a += a.tile) {
            x.m = mem_min(g->mr, m - i);
            x.c = t->c + (i0 - t->i0 + i) * t->ldc + j;
            g->tile(&x);
        }
    }
}

static void run_task(const struct task *t)
{
    struct cpu *c = t->pl->c;
    int nr = c->v->gemm->nr;
    size_t wide = (size_t)((t->n + nr - 1) / nr * nr);
    float *b = cpu_scratch(c, t->worker, SCRATCH_B, wide * KC * sizeof *b);
    float *a = cpu_scratch(c, t->worker, SCRATCH_A, (size_t)MC * GEMM_LDA * sizeof *a);
    if (!a || !b) return;
    for (int k0 = t->k0; k0 < t->k0 + t->k; k0 += KC) {
        int k = mem_min(KC, t->k0 + t->k - k0);
        pack_b(t, k0, k, b);
        for (int i = t->i0; i < t->i0 + t->m; i += MC) {
            int m = mem_min(MC, t->i0 + t->m - i);
            multiply(t, pack_a(t, i, m, k0, k, a), i, m, k0, k, b);
        }
    }
}

/* The sums of several pieces of K run in a dense block of scratch, which becomes C at the end: rows of C itself may be
 * a power of two apart and push each other out of the cache. */
static void product_task(void *v, int index, int worker)
{
    struct plan *pl = v;
    const struct product *p = pl->p;
    struct cpu *c = pl->c;
    int part = index / (pl->nrow * pl->ncol), i = index / pl->ncol % pl->nrow, j = index % pl->ncol;
    struct task t = { .pl = pl, .worker = worker, .i0 = i * pl->rows, .j0 = j * pl->cols, .k0 = part * pl->depth };
    t.m = mem_min(pl->rows, p->m - t.i0);
    t.n = mem_min(pl->cols, p->n - t.j0);
    t.k = mem_min(pl->depth, p->k - t.k0);
    struct mat out = { p->c, p->ct, p->m, p->n, p->ldc };
    if (pl->parts > 1) out = mat_of(pl->part + (size_t)part * (size_t)p->m * (size_t)p->n, DT_F32, p->m, p->n);
    out = mat_cols(mat_rows(out, t.i0, t.m), t.j0, t.n);
    if (out.t == DT_F32 && t.k <= KC) {
        t.c = out.p;
        t.ldc = out.ld;
        run_task(&t);
        return;
    }
    t.ldc = t.n;
    t.c = cpu_scratch(c, worker, SCRATCH_C, (size_t)t.m * (size_t)t.n * sizeof *t.c);
    if (!t.c) return;
    struct mat sum = mat_of(t.c, DT_F32, t.m, t.n);
    if (init_of(&t, t.k0) == GEMM_ADD) c->v->rows->cast(sum, out);
    run_task(&t);
    c->v->rows->cast(out, sum);
}

/* ---- the plan ---- */

static bool shares_a(const struct plan *pl) { return !pl->p->a_t && pl->p->m >= SHARED_ROWS && pl->ncol >= SHARED_TASKS; }

/* Narrow blocks when there are few rows, so that all threads have some. Where C is small against K (gradients of small
 * weights), pieces of K: these alone change the sums. */
static struct plan plan_of(struct cpu *c, const struct product *p)
{
    struct plan pl = { .c = c, .p = p, .rows = ROWS, .cols = COLS, .parts = 1, .depth = p->k };
    if (p->m <= MC) pl.cols = p->n <= 1024 ? 64 : 128;
    pl.ncol = (p->n + pl.cols - 1) / pl.cols;
    if (shares_a(&pl) && pl.ncol >= LONG_TASKS) pl.rows = LONG_ROWS;
    pl.nrow = (p->m + pl.rows - 1) / pl.rows;
    if (p->whole_k && p->ct == DT_F32 && p->add && p->ldc == p->n) {
        int want = mem_min(MAX_PARTS, mem_min(32 / (pl.nrow * pl.ncol), p->k / (2 * KC)));
        if (want > 1) {
            pl.depth = (p->k / want + KC) / KC * KC;
            pl.parts = (p->k + pl.depth - 1) / pl.depth;
        }
    }
    return pl;
}

/* A's rows [MC * i, ...) of a piece of K. */
static void share_task(void *v, int index, int worker)
{
    struct plan *pl = v;
    const struct product *p = pl->p;
    int blocks = (p->m + MC - 1) / MC, i0 = index % blocks * MC, k0 = index / blocks * KC;
    int m = mem_min(MC, p->m - i0), k = mem_min(KC, p->k - k0);
    (void)worker;
    pl->c->v->rows->cast((struct mat){ pl->a + ((int64_t)(k0 / KC) * p->m + i0) * GEMM_LDA, DT_F32, m, k, GEMM_LDA },
                         (struct mat){ (char *)(uintptr_t)p->a + elem(p->at, i0 * p->lda + k0), p->at, m, k, p->lda });
}

static int64_t shared_size(const struct product *p, int rows) { return (int64_t)((p->k + KC - 1) / KC) * rows * GEMM_LDA; }

static void one_product(struct cpu *c, const struct product *p)
{
    struct plan pl = plan_of(c, p);
    size_t n = (size_t)p->m * (size_t)p->n;
    if (shares_a(&pl)) {
        pl.a = cpu_scratch(c, 0, SCRATCH_OP_SHARED, (size_t)shared_size(p, p->m) * sizeof *pl.a);
        if (!pl.a) return;
        par_for(c->pool, (p->m + MC - 1) / MC * ((p->k + KC - 1) / KC), share_task, &pl);
    }
    if (pl.parts > 1) {
        pl.part = cpu_scratch(c, 0, SCRATCH_OP_PRODUCT, (size_t)pl.parts * n * sizeof *pl.part);
        if (!pl.part) return;
    }
    par_for(c->pool, pl.parts * pl.nrow * pl.ncol, product_task, &pl);
    if (pl.parts > 1) cpu_sum_parts(c, p->c, pl.part, n, pl.parts);
}

/* As many rows at a time as A may take memory. */
static void own_product(struct cpu *c, const struct product *p)
{
    int most = p->a_t ? p->m : (int)mem_max((int64_t)ROWS, SHARED_MAX / shared_size(p, 1) / ROWS * ROWS);
    for (int i = 0; i < p->m; i += most) {
        struct product q = *p;
        q.m = mem_min(most, p->m - i);
        if (!p->a_t) q.a = (const char *)p->a + elem(p->at, i * p->lda);
        q.c = (char *)p->c + elem(p->ct, i * p->ldc);
        one_product(c, &q);
    }
}

void cpu_product(struct cpu *c, const struct product *p)
{
    if (!p->m || !p->n) return;
    assert(p->k > 0);
    if (c->dnnl && p->at == DT_BF16 && p->bt == DT_BF16) dnnl_product(c, p);
    else if (fixed_serves(c, p)) fixed_product(c, p);
    else own_product(c, p);
}

/* ---- the ops ---- */

static void linear(struct ops *o, struct mat y, struct mat x, struct mat w, const float *bias)
{
    assert(y.rows == x.rows && y.cols == w.rows && x.cols == w.cols);
    cpu_product(cpu_of(o), &(struct product){
        .m = x.rows, .n = w.rows, .k = w.cols, .a = x.p, .at = x.t, .lda = x.ld,
        .b = w.p, .bt = w.t, .ldb = w.ld, .b_t = true, .c = y.p, .ct = y.t, .ldc = y.ld, .bias = bias });
}

static void linear_dx(struct ops *o, struct mat dx, struct mat dy, struct mat w)
{
    assert(dx.rows == dy.rows && dy.cols == w.rows && dx.cols == w.cols);
    cpu_product(cpu_of(o), &(struct product){
        .m = dy.rows, .n = w.cols, .k = w.rows, .a = dy.p, .at = dy.t, .lda = dy.ld,
        .b = w.p, .bt = w.t, .ldb = w.ld, .c = dx.p, .ct = dx.t, .ldc = dx.ld, .add = true, .whole_k = true });
}

/* db: fixed chunks of rows apart, then the chunks in order. */
struct colsum { struct cpu *c; struct mat x; float *part; };

static void colsum_task(void *v, int begin, int n, int worker)
{
    struct colsum *s = v;
    (void)worker;
    float *p = s->part + (size_t)(begin / ROWS_CHUNK) * (size_t)s->x.cols;
    memset(p, 0, (size_t)s->x.cols * sizeof *p);
    s->c->v->rows->colsum(p, mat_rows(s->x, begin, n));
}

static void colsum(struct cpu *c, float *out, struct mat x)
{
    int chunks = (x.rows + ROWS_CHUNK - 1) / ROWS_CHUNK;
    struct colsum s = { c, x, cpu_scratch(c, 0, SCRATCH_OP_SUMS, (size_t)chunks * (size_t)x.cols * sizeof *s.part) };
    if (!s.part) return;
    cpu_rows(c, x.rows, ROWS_CHUNK, colsum_task, &s);
    cpu_sum_parts(c, out, s.part, (size_t)x.cols, chunks);
}

static void linear_dw(struct ops *o, float *dw, float *db, struct mat dy, struct mat x)
{
    assert(dy.rows == x.rows);
    if (!dy.rows) return;
    if (db) colsum(cpu_of(o), db, dy);
    if (dw) cpu_product(cpu_of(o), &(struct product){
        .m = dy.cols, .n = x.cols, .k = dy.rows, .a = dy.p, .at = dy.t, .lda = dy.ld, .a_t = true,
        .b = x.p, .bt = x.t, .ldb = x.ld, .c = dw, .ct = DT_F32, .ldc = x.cols, .add = true, .whole_k = true });
}

void cpu_set_products(struct ops *o)
{
    o->linear = linear;
    o->linear_dx = linear_dx;
    o->linear_dw = linear_dw;
}
