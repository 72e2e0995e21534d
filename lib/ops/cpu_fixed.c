/* SPDX-License-Identifier: Apache-2.0
 * bf16 products by 16-bit integers (vec.h, vec_fixed), for processors with VNNI and without instructions for bf16. A is
 * packed once; a task is a block of rows times a block of columns, which packs its part of B piece by piece of K and
 * carries the sums on in f32.
 */
#include "ops/cpu.h"

enum {
    MC = 96,                                   /* rows of A that stay in the second cache */
    COLS = 256, FEW_COLS = 128,                /* of a task; where there are few rows, so that all threads have some */
    ROWS = 3 * MC, LONG_ROWS = 20 * MC,        /* of a task: as many as leave each thread some, since each task packs its part of B */
    TASKS = 4,                                 /* a thread; the bits are the same however rows are cut */
    A_MAX = 256 << 20                          /* bytes of A packed at a time */
};

struct plan { struct cpu *c; const struct vec_fixed *f; const struct product *p; int rows, cols, nrow, ncol, pieces; int32_t *a; };

static int32_t *packed_a(const struct plan *pl, int row, int k0) { return pl->a + ((int64_t)(k0 / FIXED_PIECE) * pl->p->m + row) * FIXED_LDA; }

static void pack_task(void *v, int index, int worker)
{
    struct plan *pl = v;
    const struct product *p = pl->p;
    int i0 = index / pl->pieces * MC, k0 = index % pl->pieces * FIXED_PIECE;
    (void)worker;
    pl->f->pack_rows(packed_a(pl, i0, k0), (const uint16_t *)p->a + i0 * p->lda + k0, p->lda, mem_min(MC, p->m - i0), mem_min(p->k - k0, FIXED_PIECE));
}

struct block { int i0, m, j0, n; float *c; int32_t *b; };

static void piece(const struct plan *pl, const struct block *t, int k0)
{
    const struct product *p = pl->p;
    const struct vec_fixed *f = pl->f;
    struct fixed_tile x = { .k = mem_min(p->k - k0, FIXED_PIECE), .ldc = t->n };
    x.init = k0 ? GEMM_ADD : p->bias ? GEMM_BIAS : GEMM_ZERO;
    int64_t panel = (int64_t)((x.k + FIXED_K - 1) / FIXED_K) * f->block_words;
    f->pack_cols(t->b, (const uint16_t *)p->b + t->j0 * p->ldb + k0, p->ldb, t->n, x.k);
    for (int i0 = 0; i0 < t->m; i0 += MC)
        for (int j = 0; j < t->n; j += f->nr) {
            x.b = t->b + j / f->nr * panel;
            x.n = mem_min(f->nr, t->n - j);
            x.bias = p->bias ? p->bias + t->j0 + j : NULL;
            for (int i = i0; i < mem_min(i0 + MC, t->m); i += f->mr) {
                x.m = mem_min(f->mr, t->m - i);
                x.a = packed_a(pl, t->i0 + i, k0);
                x.c = t->c + (int64_t)i * t->n + j;
                f->tile(&x);
            }
        }
}

static void product_task(void *v, int index, int worker)
{
    struct plan *pl = v;
    const struct product *p = pl->p;
    struct block t = { .i0 = index / pl->ncol * pl->rows, .j0 = index % pl->ncol * pl->cols };
    t.m = mem_min(pl->rows, p->m - t.i0);
    t.n = mem_min(pl->cols, p->n - t.j0);
    t.c = cpu_scratch(pl->c, worker, SCRATCH_C, (size_t)t.m * (size_t)t.n * sizeof *t.c);
    t.b = cpu_scratch(pl->c, worker, SCRATCH_B, (size_t)(t.n / pl->f->nr + 1) * FIXED_PIECE / FIXED_K * (size_t)pl->f->block_words * sizeof *t.b);
    if (!t.b || !t.c) return;
    struct mat sum = mat_of(t.c, DT_F32, t.m, t.n), out = mat_cols(mat_rows((struct mat){ p->c, p->ct, p->m, p->n, p->ldc }, t.i0, t.m), t.j0, t.n);
    for (int k0 = 0; k0 < p->k; k0 += FIXED_PIECE) piece(pl, &t, k0);
    pl->c->v->rows->cast(out, sum);
}

static void one_product(struct cpu *c, const struct product *p)
{
    struct plan pl = { .c = c, .f = c->v->fixed, .p = p, .cols = p->m > MC ? COLS : FEW_COLS, .pieces = (p->k + FIXED_PIECE - 1) / FIXED_PIECE };
    pl.ncol = (p->n + pl.cols - 1) / pl.cols;
    int share = (int)((int64_t)p->m * pl.ncol / (TASKS * par_threads(c->pool)));
    pl.rows = mem_min(mem_max((share + MC - 1) / MC * MC, (int)ROWS), (int)LONG_ROWS);
    pl.nrow = (p->m + pl.rows - 1) / pl.rows;
    pl.a = cpu_scratch(c, 0, SCRATCH_OP_SHARED, (size_t)pl.pieces * (size_t)p->m * FIXED_LDA * sizeof *pl.a);
    if (!pl.a) return;
    par_for(c->pool, (p->m + MC - 1) / MC * pl.pieces, pack_task, &pl);
    par_for(c->pool, pl.nrow * pl.ncol, product_task, &pl);
}

bool fixed_serves(const struct cpu *c, const struct product *p)
{
    return c->v->fixed && p->at == DT_BF16 && p->bt == DT_BF16 && !p->a_t && p->b_t && !p->add;
}

void fixed_product(struct cpu *c, const struct product *p)
{
    int64_t row = (int64_t)((p->k + FIXED_PIECE - 1) / FIXED_PIECE) * FIXED_LDA * (int64_t)sizeof(int32_t);
    int most = (int)mem_max((int64_t)LONG_ROWS, A_MAX / row);
    for (int i = 0; i < p->m; i += most) {
        struct product q = *p;
        q.m = mem_min(most, p->m - i);
        q.a = (const uint16_t *)p->a + i * p->lda;
        q.c = (char *)p->c + (size_t)(i * p->ldc) * dtype_size(p->ct);
        one_product(c, &q);
    }
}
