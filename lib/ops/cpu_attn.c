/* SPDX-License-Identifier: Apache-2.0
 * Attention, forward: packed sequences and trees of cached keys by the same code. For a block of query rows all scores
 * are computed first, at the key's position; then the weights of each row; then the weighted sum of the values, in order
 * of position. So a row has the same bits in any block, in any cut into segments, in training and in decoding.
 */
#include "ops/cpu_attn.h"

#include <assert.h>

enum { TASK_QUERIES = 256, TREE_FEW = 512, TREE_QUERIES = 128, TREE_FEW_QUERIES = 32, FEW = 32 };

void attn_multiply(struct cpu *c, const struct attn_product *p)
{
    const struct vec_gemm *g = c->v->gemm;
    struct gemm_tile t = { .k = p->k, .ars = p->ars, .acs = p->acs, .ldc = p->ldc, .n = g->nr, .init = p->init, .ldb = g->nr };
    for (int j = 0; j < p->n; j += g->nr) {
        t.b = p->b + (int64_t)j * p->depth;
        for (int i = 0; i < p->m; i += g->mr) {
            t.m = mem_min(g->mr, p->m - i);
            t.a = p->a + i * p->ars;
            t.c = p->c + i * p->ldc + j;
            g->tile(&t);
        }
    }
}

/* One worker's piece: query rows [row, row + n) against the keys of one head. */
struct attend {
    struct cpu *c;
    int worker;
    struct mat q, k, v, o;
    int heads, group, head_dim, head;          /* head: of the keys */
    float scale;
    int row, n;
    const int *nkey;                           /* [n] keys of each query row */
    const struct attn_seg *seg;                /* rows counted as in q */
    int nseg;
    float *lse;
};

/* Consecutive segments of the same query rows and adjoining positions, packed as one; all but the last a whole number of
 * vectors. Rows relative to attend.row. */
struct run { int seg, nseg, pos, len, begin, end; bool in_place; size_t k, v; };

struct packed { struct run *run; int n; float *mem; };

static bool joins(const struct run *r, const struct attn_seg *a, const struct attn_seg *b, int lanes)
{
    return a->row == b->row && a->nrow == b->nrow && b->pos == r->pos + r->len && r->len % lanes == 0;
}

/* Lists the runs that touch the piece's rows; returns the floats that their panels need. Where the rows are few, packing does
 * not pay: keys and values are used where they are. */
static size_t list_runs(const struct attend *t, struct packed *p)
{
    const struct vec_gemm *g = t->c->v->gemm;
    size_t size = 0;
    int D = t->head_dim;
    for (int i = 0; i < t->nseg; i++) {
        const struct attn_seg *s = &t->seg[i];
        int begin = mem_max(s->row - t->row, 0), end = mem_min(s->row + s->nrow - t->row, t->n);
        if (begin >= end || s->len <= 0) continue;
        struct run *r = p->n ? &p->run[p->n - 1] : NULL;
        if (r && r->seg + r->nseg == i && joins(r, s - 1, s, g->lanes)) { r->nseg++; r->len += s->len; continue; }
        p->run[p->n++] = (struct run){ .seg = i, .nseg = 1, .pos = s->pos, .len = s->len, .begin = begin, .end = end };
    }
    for (struct run *r = p->run; r < p->run + p->n; r++) {
        r->in_place = (r->end - r->begin) * t->group <= FEW && (size_t)D * dtype_size(t->k.t) % 16 == 0;
        if (r->in_place) continue;
        r->k = size;
        size += (size_t)attn_pad(r->len, g->nr) * (size_t)D;
        r->v = size;
        size += (size_t)attn_pad(D, g->nr) * (size_t)r->len;
    }
    return size;
}

static struct mat head_of(const struct attend *t, struct mat m, const struct attn_seg *s)
{
    return mat_rows(mat_cols(m, t->head * t->head_dim, t->head_dim), s->slot, s->len);
}

/* Keys as panels of keys over D, values as panels of D over keys. */
static void pack_run(const struct attend *t, const struct run *r, float *mem)
{
    const struct vec_gemm *g = t->c->v->gemm;
    int D = t->head_dim;
    for (const struct attn_seg *s = t->seg + r->seg; s < t->seg + r->seg + r->nseg; s++) {
        int at = s->pos - r->pos;
        struct mat k = head_of(t, t->k, s), v = head_of(t, t->v, s);
        g->pack_t(mem + r->k, at, k.p, k.t, k.ld, s->len, D);
        g->pack_n(mem + r->v + (int64_t)at * g->nr, r->len, v.p, v.t, v.ld, D, s->len);
    }
}

static int most_keys(const struct attend *t, int begin, int end)
{
    int most = 0;
    for (int i = begin; i < end; i++) most = mem_max(most, t->nkey[i]);
    return most;
}

/* Calls step(..) for each tile of stacked rows of the run within query rows [b0, b1), with the keys the tile needs. */
struct block { const struct attend *t; const struct packed *p; int b0, b1, width, dpad; float *q, *s, *o; };

static void scores(const struct block *b, const struct run *r, int x0, int m, int keys)
{
    const struct attend *t = b->t;
    const float *q = b->q + x0 * t->head_dim;
    float *s = b->s + (int64_t)x0 * b->width + r->pos;
    if (!r->in_place) {
        attn_multiply(t->c, &(struct attn_product){
            .a = q, .ars = t->head_dim, .acs = 1, .b = b->p->mem + r->k, .c = s, .ldc = b->width,
            .m = m, .n = keys, .k = t->head_dim, .depth = t->head_dim, .init = GEMM_ZERO });
        return;
    }
    const struct attn_seg *g = t->seg + r->seg;
    for (int at = 0, n; at < keys; at += n, g++) {
        n = mem_min(g->len, keys - at);
        t->c->v->attn->scores(s + at, b->width, q, m, mat_rows(head_of(t, t->k, g), 0, n));
    }
}

static void values(const struct block *b, const struct run *r, int x0, int m, int keys)
{
    const struct attend *t = b->t;
    const float *w = b->s + (int64_t)x0 * b->width + r->pos;
    float *o = b->o + x0 * b->dpad;
    if (!r->in_place) {
        attn_multiply(t->c, &(struct attn_product){
            .a = w, .ars = b->width, .acs = 1, .b = b->p->mem + r->v, .c = o, .ldc = b->dpad,
            .m = m, .n = t->head_dim, .k = keys, .depth = r->len, .init = r->pos ? GEMM_ADD : GEMM_ZERO });
        return;
    }
    const struct attn_seg *g = t->seg + r->seg;
    for (int at = 0, n; at < keys; at += n, g++) {
        n = mem_min(g->len, keys - at);
        t->c->v->attn->values(o, b->dpad, w + at, b->width, m, mat_rows(head_of(t, t->v, g), 0, n), r->pos + at > 0);
    }
}

static void each_tile(const struct block *b, void (*step)(const struct block *, const struct run *, int, int, int))
{
    int group = b->t->group, mr = b->t->c->v->gemm->mr;
    for (const struct run *r = b->p->run; r < b->p->run + b->p->n; r++) {
        int x = (mem_max(r->begin, b->b0) - b->b0) * group, end = (mem_min(r->end, b->b1) - b->b0) * group;
        for (; x < end; x += mr) {
            int m = mem_min(mr, end - x);
            int most = most_keys(b->t, b->b0 + x / group, b->b0 + (x + m - 1) / group + 1);
            if (most > r->pos) step(b, r, x, m, mem_min(r->len, most - r->pos));
        }
    }
}

static void weigh_rows(const struct block *b, int most)
{
    const struct attend *t = b->t;
    for (int x = 0; x < (b->b1 - b->b0) * t->group; x++) {
        int i = b->b0 + x / t->group, head = t->head * t->group + x % t->group, n = t->nkey[i];
        float *lse = t->lse ? t->lse + (int64_t)(t->row + i) * t->heads + head : NULL;
        float sum = t->c->v->soft->weights(b->s + (int64_t)x * b->width, n, most, t->scale, lse);
        b->q[x] = 1 / sum;                     /* the queries themselves are not needed any more */
    }
}

static void write_rows(const struct block *b)
{
    const struct attend *t = b->t;
    int D = t->head_dim, group = t->group;
    struct mat rows = mat_rows(t->o, t->row + b->b0, b->b1 - b->b0);
    for (int g = 0; g < group; g++)
        t->c->v->soft->put(mat_cols(rows, (t->head * group + g) * D, D), b->o + g * b->dpad, group * b->dpad, b->q + g, group, false);
}

static void attend(const struct attend *t)
{
    struct cpu *c = t->c;
    int step = attn_block_rows(c, t->group), D = t->head_dim, nr = c->v->gemm->nr;
    struct packed p = { cpu_scratch(c, t->worker, SCRATCH_E, (size_t)mem_max(t->nseg, 1) * sizeof *p.run), 0, NULL };
    if (!p.run) return;
    size_t need = list_runs(t, &p);
    struct block b = { .t = t, .p = &p, .width = most_keys(t, 0, t->n) + nr, .dpad = attn_pad(D, nr) };
    size_t rows = (size_t)step * (size_t)t->group;
    p.mem = cpu_scratch(c, t->worker, SCRATCH_A, need * sizeof *p.mem);
    b.s = cpu_scratch(c, t->worker, SCRATCH_B, rows * (size_t)b.width * sizeof *b.s);
    b.q = cpu_scratch(c, t->worker, SCRATCH_C, rows * (size_t)D * sizeof *b.q);
    b.o = cpu_scratch(c, t->worker, SCRATCH_D, rows * (size_t)b.dpad * sizeof *b.o);
    if ((need && !p.mem) || !b.s || !b.q || !b.o) return;
    for (int i = 0; i < p.n; i++)
        if (!p.run[i].in_place) pack_run(t, &p.run[i], p.mem);
    for (b.b0 = 0; b.b0 < t->n; b.b0 = b.b1) {
        b.b1 = mem_min(b.b0 + step, t->n);
        attn_read(c, b.q, t->q, t->row + b.b0, b.b1 - b.b0, t->head * t->group, t->group, D);
        each_tile(&b, scores);
        weigh_rows(&b, most_keys(t, b.b0, b.b1));
        each_tile(&b, values);
        write_rows(&b);
    }
}

/* ---- packed sequences ---- */

struct piece { int seq, row, n; };
struct sequences { struct cpu *c; const struct attn_args *a; struct piece *piece; };

static void attn_task(void *v, int index, int worker)
{
    struct sequences *l = v;
    const struct attn_args *a = l->a;
    struct piece p = l->piece[index / a->kv_heads];
    int start = a->start[p.seq], end = a->causal ? p.row + p.n : a->start[p.seq + 1];
    struct span pre = a->prefix ? a->prefix[p.seq] : (struct span){ 0, 0 };
    int before = pre.end - pre.begin, nkey[TASK_QUERIES];
    for (int i = 0; i < p.n; i++) nkey[i] = before + (a->causal ? p.row + i + 1 : end) - start;
    struct attn_seg seg[2] = { { pre.begin, before, 0, p.row, p.n }, { start, end - start, before, p.row, p.n } };
    attend(&(struct attend){
        .c = l->c, .worker = worker, .q = a->q, .k = a->k, .v = a->v, .o = a->o, .heads = a->heads, .group = a->heads / a->kv_heads,
        .head_dim = a->head_dim, .head = index % a->kv_heads, .scale = a->scale, .row = p.row, .n = p.n, .nkey = nkey,
        .seg = seg, .nseg = 2, .lse = a->lse });
}

static void attn(struct ops *o, const struct attn_args *a)
{
    assert(a->heads % a->kv_heads == 0 && a->q.cols == a->heads * a->head_dim && a->k.cols == a->kv_heads * a->head_dim);
    struct sequences l = { cpu_of(o), a, NULL };
    int most = a->nseq + a->q.rows / TASK_QUERIES + 1, n = 0;
    l.piece = cpu_scratch(l.c, 0, SCRATCH_OP_INDEX, (size_t)most * sizeof *l.piece);
    if (!l.piece) return;
    for (int s = 0; s < a->nseq; s++)
        for (int r = a->start[s]; r < a->start[s + 1]; r += TASK_QUERIES)
            l.piece[n++] = (struct piece){ s, r, mem_min(TASK_QUERIES, a->start[s + 1] - r) };
    par_for(l.c->pool, n * a->kv_heads, attn_task, &l);
}

/* ---- trees ---- */

struct tree { struct cpu *c; const struct attn_tree_args *a; int rows; };

static void tree_task(void *v, int index, int worker)
{
    struct tree *l = v;
    const struct attn_tree_args *a = l->a;
    int row = index / a->kv_heads * l->rows;
    attend(&(struct attend){
        .c = l->c, .worker = worker, .q = a->q, .k = a->k, .v = a->v, .o = a->o, .heads = a->heads, .group = a->heads / a->kv_heads,
        .head_dim = a->head_dim, .head = index % a->kv_heads, .scale = a->scale, .row = row, .n = mem_min(l->rows, a->q.rows - row),
        .nkey = a->nkey + row, .seg = a->seg, .nseg = a->nseg });
}

static void attn_tree(struct ops *o, const struct attn_tree_args *a)
{
    assert(a->heads % a->kv_heads == 0 && a->q.cols == a->heads * a->head_dim && a->k.cols == a->kv_heads * a->head_dim);
    struct tree l = { cpu_of(o), a, a->q.rows > TREE_FEW ? TREE_QUERIES : TREE_FEW_QUERIES };
    par_for(l.c->pool, (a->q.rows + l.rows - 1) / l.rows * a->kv_heads, tree_task, &l);
}

void cpu_set_attention(struct ops *o)
{
    o->attn = attn;
    o->attn_bwd = attn_bwd;
    o->attn_tree = attn_tree;
}
