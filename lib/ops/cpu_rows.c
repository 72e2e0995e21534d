/* SPDX-License-Identifier: Apache-2.0
 * Ops on rows: chunks of rows handed to the loops of vec/rows.c.
 */
#include "ops/cpu.h"

#include <assert.h>
#include <string.h>
#include "base/mem.h"

struct rows_op {
    struct cpu *c;
    enum norm norm;
    enum act act;
    struct mat y, x, a, b;
    const float *g, *s;
    float eps, *stat, *part;                   /* part: per chunk, first sums then second sums */
    int heads, head_dim, period;
    const int *pos;
    const float *cs;
    bool back, second;
};

static bool same(struct mat a, struct mat b) { return a.rows == b.rows && a.cols == b.cols; }

static void run(struct rows_op *r, int rows, int cols, void (*fn)(void *, int, int, int))
{
    cpu_rows(r->c, rows, cpu_row_chunk(cols), fn, r);
}

/* Ops that also sum over rows: each chunk of ROWS_CHUNK rows into its own part, then the parts in order. */
static void run_sums(struct rows_op *r, int rows, int cols, float *first, float *second, void (*fn)(void *, int, int, int))
{
    if (!first && !second) { run(r, rows, cols, fn); return; }
    int chunks = (rows + ROWS_CHUNK - 1) / ROWS_CHUNK;
    size_t n = (size_t)chunks * (size_t)cols;
    r->part = cpu_scratch(r->c, 0, SCRATCH_OP_SUMS, 2 * n * sizeof *r->part);
    if (!r->part) return;
    memset(r->part, 0, 2 * n * sizeof *r->part);
    cpu_rows(r->c, rows, ROWS_CHUNK, fn, r);
    if (first) cpu_sum_parts(r->c, first, r->part, (size_t)cols, chunks);
    if (second) cpu_sum_parts(r->c, second, r->part + n, (size_t)cols, chunks);
}

static float *first_part(const struct rows_op *r, int begin, int cols)
{
    return r->part ? r->part + (size_t)(begin / ROWS_CHUNK) * (size_t)cols : NULL;
}

static float *second_part(const struct rows_op *r, int begin, int rows, int cols)
{
    return r->part && r->second ? r->part + (size_t)((rows + ROWS_CHUNK - 1) / ROWS_CHUNK + begin / ROWS_CHUNK) * (size_t)cols : NULL;
}

/* ---- norms ---- */

static void norm_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->norm(r->norm, mat_rows(r->y, at, n), mat_rows(r->x, at, n), r->g, r->s, r->eps, r->stat ? r->stat + 2 * at : NULL);
}

static void norm(struct ops *o, enum norm kind, struct mat y, struct mat x, const float *g, const float *b, float eps, float *stat)
{
    assert(same(y, x));
    struct rows_op r = { .c = cpu_of(o), .norm = kind, .y = y, .x = x, .g = g, .s = b, .eps = eps, .stat = stat };
    run(&r, x.rows, x.cols, norm_task);
}

static void norm_bwd_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->norm_bwd(r->norm, mat_rows(r->y, at, n), first_part(r, at, r->x.cols), second_part(r, at, r->x.rows, r->x.cols),
                            mat_rows(r->a, at, n), mat_rows(r->x, at, n), r->g, r->stat + 2 * at);
}

static void norm_bwd(struct ops *o, enum norm kind, struct mat dx, float *dg, float *db, struct mat dy, struct mat x,
                     const float *g, const float *stat)
{
    assert(same(dx, x) && same(dy, x));
    struct rows_op r = { .c = cpu_of(o), .norm = kind, .y = dx, .a = dy, .x = x, .g = g, .stat = (float *)stat, .second = db };
    run_sums(&r, x.rows, x.cols, dg, db, norm_bwd_task);
}

/* ---- activations ---- */

static void act_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->act(r->act, mat_rows(r->y, at, n), mat_rows(r->x, at, n));
}

static void act(struct ops *o, enum act a, struct mat y, struct mat x)
{
    assert(same(y, x));
    struct rows_op r = { .c = cpu_of(o), .act = a, .y = y, .x = x };
    run(&r, x.rows, x.cols, act_task);
}

static void act_bwd_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->act_bwd(r->act, mat_rows(r->y, at, n), mat_rows(r->a, at, n), mat_rows(r->x, at, n));
}

static void act_bwd(struct ops *o, enum act a, struct mat dx, struct mat dy, struct mat x)
{
    assert(same(dx, x) && same(dy, x));
    struct rows_op r = { .c = cpu_of(o), .act = a, .y = dx, .a = dy, .x = x };
    run(&r, x.rows, x.cols, act_bwd_task);
}

static void glu_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->glu(r->act, mat_rows(r->y, at, n), mat_rows(r->a, at, n), mat_rows(r->b, at, n));
}

static void glu(struct ops *o, enum act a, struct mat y, struct mat gate, struct mat up)
{
    assert(same(y, gate) && same(y, up));
    struct rows_op r = { .c = cpu_of(o), .act = a, .y = y, .a = gate, .b = up };
    run(&r, y.rows, y.cols, glu_task);
}

struct glu_bwd { struct cpu *c; enum act act; struct mat dgate, dup, dy, gate, up; };

static void glu_bwd_task(void *v, int at, int n, int worker)
{
    struct glu_bwd *r = v;
    (void)worker;
    r->c->v->rows->glu_bwd(r->act, mat_rows(r->dgate, at, n), mat_rows(r->dup, at, n), mat_rows(r->dy, at, n),
                           mat_rows(r->gate, at, n), mat_rows(r->up, at, n));
}

static void glu_bwd(struct ops *o, enum act a, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up)
{
    assert(same(dgate, dy) && same(dup, dy) && same(gate, dy) && same(up, dy));
    struct glu_bwd r = { cpu_of(o), a, dgate, dup, dy, gate, up };
    cpu_rows(r.c, dy.rows, cpu_row_chunk(dy.cols), glu_bwd_task, &r);
}

/* ---- sums ---- */

static void add_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->add(mat_rows(r->y, at, n), mat_rows(r->x, at, n));
}

static void add(struct ops *o, struct mat y, struct mat x)
{
    assert(same(y, x));
    struct rows_op r = { .c = cpu_of(o), .y = y, .x = x };
    run(&r, y.rows, y.cols, add_task);
}

static void residual_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->residual(mat_rows(r->y, at, n), mat_rows(r->x, at, n), mat_rows(r->a, at, n), r->s);
}

static void residual(struct ops *o, struct mat y, struct mat x, struct mat a, const float *s)
{
    assert(same(y, x) && same(y, a));
    struct rows_op r = { .c = cpu_of(o), .y = y, .x = x, .a = a, .s = s };
    run(&r, y.rows, y.cols, residual_task);
}

static void residual_bwd_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->residual_bwd(mat_rows(r->y, at, n), first_part(r, at, r->y.cols), mat_rows(r->b, at, n), mat_rows(r->a, at, n), r->s);
}

static void residual_bwd(struct ops *o, struct mat da, float *ds, struct mat dy, struct mat a, const float *s)
{
    assert(same(da, dy) && (!ds || same(a, dy)));
    if (!ds) a = dy;                           /* not read */
    struct rows_op r = { .c = cpu_of(o), .y = da, .b = dy, .a = a, .s = s };
    run_sums(&r, dy.rows, dy.cols, ds, NULL, residual_bwd_task);
}

static void rope_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    r->c->v->rows->rope(mat_rows(r->x, at, n), r->heads, r->head_dim, r->pos + at, r->cs, r->back);
}

static void rope(struct ops *o, struct mat x, int heads, int head_dim, const int *pos, const float *cs, bool back)
{
    assert(x.cols == heads * head_dim && head_dim % 2 == 0);
    struct rows_op r = { .c = cpu_of(o), .x = x, .heads = heads, .head_dim = head_dim, .pos = pos, .cs = cs, .back = back };
    run(&r, x.rows, x.cols, rope_task);
}

/* ---- tables added to rows ---- */

static struct mat table_row(const float *table, int row, int cols)
{
    return mat_of((void *)(table + (size_t)row * (size_t)cols), DT_F32, 1, cols);
}

static void add_rows_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    for (int i = at; i < at + n; i++)
        r->c->v->rows->add(mat_rows(r->y, i, 1), table_row(r->g, i % r->period, r->y.cols));
}

static void add_rows(struct ops *o, struct mat y, const float *table, int period)
{
    assert(period > 0);
    struct rows_op r = { .c = cpu_of(o), .y = y, .g = table, .period = period };
    run(&r, y.rows, y.cols, add_rows_task);
}

/* A task owns some rows of the table and takes what falls on them in order. */
static void add_rows_bwd_task(void *v, int at, int n, int worker)
{
    struct rows_op *r = v;
    (void)worker;
    for (int p = at; p < at + n; p++)
        for (int i = p; i < r->y.rows; i += r->period)
            r->c->v->rows->add(table_row(r->stat, p, r->y.cols), mat_rows(r->y, i, 1));
}

static void add_rows_bwd(struct ops *o, float *dtable, struct mat dy, int period)
{
    assert(period > 0);
    struct rows_op r = { .c = cpu_of(o), .y = dy, .stat = dtable, .period = period };
    cpu_rows(r.c, mem_min(period, dy.rows), mem_max(1, cpu_row_chunk(dy.cols) * period / mem_max(dy.rows, 1)), add_rows_bwd_task, &r);
}

void cpu_set_rows(struct ops *o)
{
    o->norm = norm;
    o->norm_bwd = norm_bwd;
    o->act = act;
    o->act_bwd = act_bwd;
    o->glu = glu;
    o->glu_bwd = glu_bwd;
    o->add = add;
    o->residual = residual;
    o->residual_bwd = residual_bwd;
    o->rope = rope;
    o->add_rows = add_rows;
    o->add_rows_bwd = add_rows_bwd;
}
