/* SPDX-License-Identifier: Apache-2.0
 * Log-probabilities of next tokens in chunks of rows over the whole vocabulary; AdamW; sums of squares.
 */
#include "ops/cpu.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"

/* ---- log-probabilities ---- */

enum { LOGIT_FLOATS = 16 << 20, MIN_ROWS = 64, MAX_ROWS = 512 };

/* A chunk: its rows of x that have a target, gathered, and their logits. */
struct chunk {
    struct cpu *c;
    const struct logprob_args *a;
    const int *row; int n;                     /* rows of x */
    struct mat x, logit, d, dx;                /* [n, C], [n, V] f32, [n, V] in x's dtype, [n, C] f32 */
};

static void logprob_task(void *v, int i, int worker)
{
    struct chunk *k = v;
    const struct logprob_args *a = k->a;
    (void)worker;
    int t = k->row[i], V = a->w.rows;
    float *logit = mat_rows(k->logit, i, 1).p, at = logit[a->target[t]];
    struct log_sum l = k->c->v->soft->log_sum(logit, V);
    a->lp[t] = at - l.top - l.rest;
    if (!k->d.p) return;
    struct mat d = mat_rows(k->d, i, 1);
    float dlp = a->dlp[t];
    k->c->v->soft->prob(d.p, d.t, logit, V, l, -dlp);
    /* d lp / d logit[target] = 1 - p, computed without the cancellation of rounding p first */
    float one = dlp * (1 - expf(a->lp[t]));
    k->c->v->rows->cast(mat_cols(d, a->target[t], 1), mat_of(&one, DT_F32, 1, 1));
}

static void chunk_backward(struct ops *o, struct chunk *k)
{
    const struct logprob_args *a = k->a;
    if (a->dx.p) {
        memset(k->dx.p, 0, (size_t)k->n * (size_t)a->x.cols * sizeof(float));
        o->linear_dx(o, k->dx, k->d, a->w);
        o->scatter_add(o, a->dx, k->dx, k->row);
    }
    if (a->dw) o->linear_dw(o, a->dw, NULL, k->d, k->x);
}

static void run_chunk(struct ops *o, struct chunk *k)
{
    o->gather(o, k->x, k->a->x, k->row);
    o->linear(o, k->logit, k->x, k->a->w, NULL);
    if (o->measuring) return;
    par_for(k->c->pool, k->n, logprob_task, k);
    if (k->d.p) chunk_backward(o, k);
}

static int chunk_rows(int V)
{
    int n = LOGIT_FLOATS / mem_max(V, 1) / 16 * 16;
    return mem_max(MIN_ROWS, mem_min(MAX_ROWS, n));
}

static void logprob(struct ops *o, const struct logprob_args *a)
{
    struct cpu *c = cpu_of(o);
    int V = a->w.rows, C = a->w.cols, T = a->x.rows, most = mem_min(chunk_rows(V), mem_max(T, 1)), n = 0;
    bool back = a->dlp && (a->dx.p || a->dw);
    assert(a->x.cols == C);
    size_t logits = (size_t)most * (size_t)V * 4, xs = (size_t)most * (size_t)C * 4;
    char *mem = cpu_scratch(c, 0, SCRATCH_OP_LOSS, (back ? 2 : 1) * logits + 2 * xs + (size_t)mem_max(T, 1) * sizeof(int));
    if (!mem) return;
    int *row = (int *)(mem + (back ? 2 : 1) * logits + 2 * xs);
    for (int t = 0; t < T; t++) {
        assert(a->target[t] < V);
        if (a->target[t] >= 0) row[n++] = t;
        else a->lp[t] = 0;
    }
    for (int i = 0; i < n; i += most) {
        int m = mem_min(most, n - i);
        struct chunk k = {
            .c = c, .a = a, .row = row + i, .n = m, .logit = mat_of(mem, DT_F32, m, V),
            .x = mat_of(mem + (back ? 2 : 1) * logits, a->x.t, m, C), .dx = mat_of(mem + (back ? 2 : 1) * logits + xs, DT_F32, m, C),
            .d = back ? mat_of(a->x.t == DT_F32 ? mem : mem + logits, a->x.t, m, V) : (struct mat){ 0 },
        };
        run_chunk(o, &k);
    }
}

/* ---- the optimiser ---- */

struct adamw { struct cpu *c; const struct adamw_args *a; };
enum { VECTOR_CHUNK = 16384 };

static void adamw_task(void *v, int i, int worker)
{
    struct adamw *l = v;
    struct adamw_args a = *l->a;
    (void)worker;
    size_t at = (size_t)i * VECTOR_CHUNK;
    a.n = mem_min(a.n - at, (size_t)VECTOR_CHUNK);
    a.w += at;
    a.m += at;
    a.v += at;
    a.g += at;
    l->c->v->optim->adamw(&a);
    if (!a.copy || a.copy == l->a->w) return;
    int n = (int)a.n;
    l->c->v->rows->cast(mat_of((char *)a.copy + at * dtype_size(a.copy_t), a.copy_t, 1, n), mat_of(a.w, DT_F32, 1, n));
}

static int vector_chunks(size_t n) { return (int)((n + VECTOR_CHUNK - 1) / VECTOR_CHUNK); }

static void adamw(struct ops *o, const struct adamw_args *a)
{
    struct adamw l = { cpu_of(o), a };
    par_for(l.c->pool, vector_chunks(a->n), adamw_task, &l);
}

struct sumsq { struct cpu *c; const float *p; size_t n; double *part; };

static void sumsq_task(void *v, int i, int worker)
{
    struct sumsq *l = v;
    (void)worker;
    size_t at = (size_t)i * VECTOR_CHUNK;
    l->part[i] = l->c->v->optim->sumsq(l->p + at, mem_min(l->n - at, (size_t)VECTOR_CHUNK));
}

static double sumsq_of(struct ops *o, struct floats x)
{
    struct sumsq l = { cpu_of(o), x.p, x.n, NULL };
    int chunks = vector_chunks(x.n);
    double sum = 0;
    l.part = cpu_scratch(l.c, 0, SCRATCH_OP_SUMS, (size_t)mem_max(chunks, 1) * sizeof *l.part);
    if (!l.part) return 0;
    par_for(l.c->pool, chunks, sumsq_task, &l);
    for (int i = 0; i < chunks; i++) sum += l.part[i];
    return sum;
}

static double sumsq(struct ops *o, const struct floats *v, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += sumsq_of(o, v[i]);
    return sum;
}

void cpu_set_losses(struct ops *o)
{
    o->logprob = logprob;
    o->adamw = adamw;
    o->sumsq = sumsq;
}
