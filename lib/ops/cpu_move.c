/* SPDX-License-Identifier: Apache-2.0
 * Rows moved by index, casts, patches.
 */
#include "ops/cpu.h"

#include <assert.h>
#include <string.h>
#include "base/mem.h"

struct move { struct cpu *c; struct mat y, x; const int *idx; bool add; };

static void copy_row(const struct move *m, int to, int from)
{
    assert(to < m->y.rows && from < m->x.rows);
    struct mat y = mat_rows(m->y, to, 1), x = mat_rows(m->x, from, 1);
    if (m->add) m->c->v->rows->add(y, x);
    else if (y.t != x.t) m->c->v->rows->cast(y, x);
    else memcpy(y.p, x.p, (size_t)y.cols * dtype_size(y.t));
}

static void gather_task(void *v, int at, int n, int worker)
{
    struct move *m = v;
    (void)worker;
    for (int i = at; i < at + n; i++)
        if (m->idx[i] >= 0) copy_row(m, i, m->idx[i]);
}

static void gather(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    struct move m = { cpu_of(o), y, x, idx, false };
    cpu_rows(m.c, y.rows, cpu_row_chunk(y.cols), gather_task, &m);
}

static void gather_add(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    struct move m = { cpu_of(o), y, x, idx, true };
    cpu_rows(m.c, y.rows, cpu_row_chunk(y.cols), gather_task, &m);
}

static void scatter_task(void *v, int at, int n, int worker)
{
    struct move *m = v;
    (void)worker;
    for (int i = at; i < at + n; i++)
        if (m->idx[i] >= 0) copy_row(m, m->idx[i], i);
}

static void scatter(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    struct move m = { cpu_of(o), y, x, idx, false };
    cpu_rows(m.c, x.rows, cpu_row_chunk(x.cols), scatter_task, &m);
}

/* Indices may repeat: a task owns a range of columns of all rows, and goes through them in order. */
enum { SCATTER_COLS = 64 };

static void scatter_add_task(void *v, int at, int n, int worker)
{
    struct move *m = v;
    struct move part = { m->c, mat_cols(m->y, at, n), mat_cols(m->x, at, n), m->idx, true };
    scatter_task(&part, 0, m->x.rows, worker);
}

static void scatter_add(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    struct move m = { cpu_of(o), y, x, idx, true };
    cpu_rows(m.c, x.cols, SCATTER_COLS, scatter_add_task, &m);
}

static void cast_task(void *v, int at, int n, int worker)
{
    struct move *m = v;
    (void)worker;
    m->c->v->rows->cast(mat_rows(m->y, at, n), mat_rows(m->x, at, n));
}

/* A vector is one long row: it is cut as if it were many. */
static void cast(struct ops *o, struct mat y, struct mat x)
{
    enum { WIDE = 16384 };
    assert(y.rows == x.rows && y.cols == x.cols);
    if (y.rows == 1 && y.cols > 2 * WIDE) {
        int whole = y.cols / WIDE * WIDE;
        cast(o, mat_of(mat_cols(y, 0, whole).p, y.t, whole / WIDE, WIDE), mat_of(x.p, x.t, whole / WIDE, WIDE));
        y = mat_cols(y, whole, y.cols - whole);
        x = mat_cols(x, whole, x.cols - whole);
    }
    struct move m = { .c = cpu_of(o), .y = y, .x = x };
    cpu_rows(m.c, y.rows, cpu_row_chunk(y.cols), cast_task, &m);
}

struct patches { struct cpu *c; struct mat y; const float *px; int h, w, ph, pw, frames; };

static void patch_task(void *v, int at, int n, int worker)
{
    struct patches *p = v;
    (void)worker;
    int nh = p->h / p->ph, nw = p->w / p->pw;
    for (int r = at; r < at + n; r++) {
        int img = r / (nh * nw), i = r / nw % nh, j = r % nw;
        for (int k = 0; k < 3 * p->frames; k++) {
            int ch = k / p->frames;
            const float *src = p->px + (((size_t)img * 3 + (size_t)ch) * (size_t)p->h + (size_t)(i * p->ph)) * (size_t)p->w + (size_t)(j * p->pw);
            struct mat to = mat_cols(mat_rows(p->y, r, 1), k * p->ph * p->pw, p->ph * p->pw);
            to.rows = p->ph;                   /* one channel of a patch, once: ph rows of pw, dense */
            to.cols = p->pw;
            to.ld = p->pw;
            p->c->v->rows->cast(to, (struct mat){ (void *)src, DT_F32, p->ph, p->pw, p->w });
        }
    }
}

static void patchify(struct ops *o, struct mat y, const float *px, int h, int w, int ph, int pw)
{
    assert(y.cols % (3 * ph * pw) == 0 && h >= ph && w >= pw);
    struct patches p = { cpu_of(o), y, px, h, w, ph, pw, y.cols / (3 * ph * pw) };
    cpu_rows(p.c, y.rows, cpu_row_chunk(y.cols), patch_task, &p);
}

void cpu_set_moves(struct ops *o)
{
    o->gather = gather;
    o->gather_add = gather_add;
    o->scatter = scatter;
    o->scatter_add = scatter_add;
    o->cast = cast;
    o->patchify = patchify;
}
