/* SPDX-License-Identifier: Apache-2.0
 * Attention, backward. With p = exp(scale q k^T - lse), delta = sum(do * o) per row:
 *   dv += p^T do;  ds = scale * p * (do v^T - delta);  dq += ds k;  dk += ds^T q
 * A task is one key head of a sequence and of all sequences that have it as their prefix, in order; so no two tasks
 * write the same rows, and sums run in a fixed order.
 */
#include "ops/cpu_attn.h"

#include <assert.h>
#include <string.h>

struct grads { struct cpu *c; const struct attn_args *a; struct mat d_o, dq, dk, dv; const int *owner; };

/* Buffers of one sequence. Sums over keys are apart: of the prefix (in the owner's sums) and of the own rows. */
struct seq {
    const struct grads *g;
    int worker, head, group, D, dpad, width;
    int start, rows, pre, before;              /* first row, rows; first row of the prefix, its rows */
    bool causal;
    float *kt, *vt, *kn;                       /* panels: k^T, v^T, k */
    float *dk_pre, *dv_pre, *dk_own, *dv_own;  /* [keys, dpad] */
    float *s, *dp;                             /* [block, width] */
    float *q, *d_o, *o, *qn, *don, *dq;        /* [block, D], panels of q and do, [block, dpad] */
};

/* f32 keys or values of the sequence, prefix first. */
static void read_keys(const struct seq *q, struct mat m, float *dst)
{
    if (q->before) attn_read(q->g->c, dst, m, q->pre, q->before, q->head, 1, q->D);
    attn_read(q->g->c, dst + q->before * q->D, m, q->start, q->rows, q->head, 1, q->D);
}

static bool set_up(struct seq *q)
{
    struct cpu *c = q->g->c;
    const struct vec_gemm *g = c->v->gemm;
    int L = q->before + q->rows, D = q->D;
    size_t block = (size_t)attn_block_rows(c, q->group) * (size_t)q->group, wide = (size_t)attn_pad(L, g->nr), d = (size_t)q->dpad;
    q->width = L + g->nr;
    q->kt = cpu_scratch(c, q->worker, SCRATCH_A, (2 * wide * (size_t)D + (size_t)L * d) * sizeof(float));
    q->s = cpu_scratch(c, q->worker, SCRATCH_B, 2 * block * (size_t)q->width * sizeof(float));
    q->q = cpu_scratch(c, q->worker, SCRATCH_C, block * (3 * (size_t)D + 3 * d) * sizeof(float));
    float *tmp = cpu_scratch(c, q->worker, SCRATCH_F, (size_t)L * (size_t)D * sizeof *tmp);
    if (!q->kt || !q->s || !q->q || !tmp) return false;
    q->vt = q->kt + wide * (size_t)D;
    q->kn = q->vt + wide * (size_t)D;
    q->dp = q->s + block * (size_t)q->width;
    q->d_o = q->q + block * (size_t)D;
    q->o = q->d_o + block * (size_t)D;
    q->qn = q->o + block * (size_t)D;
    q->don = q->qn + block * d;
    q->dq = q->don + block * d;
    read_keys(q, q->g->a->k, tmp);
    g->pack_t(q->kt, 0, tmp, DT_F32, D, L, D);
    g->pack_n(q->kn, L, tmp, DT_F32, D, D, L);
    read_keys(q, q->g->a->v, tmp);
    g->pack_t(q->vt, 0, tmp, DT_F32, D, L, D);
    return true;
}

static int keys_of(const struct seq *q, int row) { return q->before + (q->causal ? row + 1 : q->rows); }

/* s becomes p, dp becomes ds. */
static void weights(const struct seq *q, int r0, int n, int most)
{
    const struct vec_soft *soft = q->g->c->v->soft;
    const struct attn_args *a = q->g->a;
    for (int x = 0; x < n * q->group; x++) {
        int row = r0 + x / q->group, head = q->head * q->group + x % q->group;
        float delta = soft->dot(q->d_o + x * q->D, q->o + x * q->D, q->D);
        float lse = a->lse[(int64_t)(q->start + row) * a->heads + head];
        soft->weights_bwd(q->s + (int64_t)x * q->width, q->dp + (int64_t)x * q->width, keys_of(q, row), most, a->scale, lse, delta);
    }
}

/* sums[keys, dpad] += w[block, keys [k0, k0 + n)]^T b */
static void add_keys(const struct seq *q, float *sums, const float *w, int k0, int n, int block, const float *b)
{
    if (n > 0) attn_multiply(q->g->c, &(struct attn_product){
        .a = w + k0, .ars = 1, .acs = q->width, .b = b, .c = sums, .ldc = q->dpad, .m = n, .n = q->D, .k = block, .depth = block, .init = GEMM_ADD });
}

static void block(const struct seq *q, int r0, int n)
{
    struct cpu *c = q->g->c;
    const struct vec_gemm *g = c->v->gemm;
    const struct attn_args *a = q->g->a;
    int D = q->D, m = n * q->group, most = keys_of(q, r0 + n - 1), heads = q->head * q->group;
    attn_read(c, q->q, a->q, q->start + r0, n, heads, q->group, D);
    attn_read(c, q->o, a->o, q->start + r0, n, heads, q->group, D);
    attn_read(c, q->d_o, q->g->d_o, q->start + r0, n, heads, q->group, D);
    g->pack_n(q->qn, m, q->q, DT_F32, D, D, m);
    g->pack_n(q->don, m, q->d_o, DT_F32, D, D, m);
    struct attn_product p = { .a = q->q, .ars = D, .acs = 1, .b = q->kt, .c = q->s, .ldc = q->width, .m = m, .n = most, .k = D, .depth = D };
    attn_multiply(c, &p);
    p.a = q->d_o;
    p.b = q->vt;
    p.c = q->dp;
    attn_multiply(c, &p);
    weights(q, r0, n, most);
    attn_multiply(c, &(struct attn_product){ .a = q->dp, .ars = q->width, .acs = 1, .b = q->kn, .c = q->dq, .ldc = q->dpad,
                                             .m = m, .n = D, .k = most, .depth = q->before + q->rows });
    add_keys(q, q->dk_pre, q->dp, 0, mem_min(q->before, most), m, q->qn);
    add_keys(q, q->dv_pre, q->s, 0, mem_min(q->before, most), m, q->don);
    add_keys(q, q->dk_own, q->dp, q->before, most - q->before, m, q->qn);
    add_keys(q, q->dv_own, q->s, q->before, most - q->before, m, q->don);
    for (int h = 0; h < q->group; h++)
        c->v->soft->put(mat_cols(mat_rows(q->g->dq, q->start + r0, n), (heads + h) * D, D), q->dq + h * q->dpad, q->group * q->dpad, NULL, 0, true);
}

static void add_out(const struct seq *q, struct mat out, float *sums)
{
    q->g->c->v->rows->add(mat_cols(mat_rows(out, q->start, q->rows), q->head * q->D, q->D),
                          (struct mat){ sums, DT_F32, q->rows, q->D, q->dpad });
}

/* One sequence; pre: the owner's sums (its own for the owner itself), already at the prefix's first row. */
static bool run_seq(const struct grads *g, int s, int head, int worker, float *pre_k, float *pre_v, float *own_k, float *own_v)
{
    const struct attn_args *a = g->a;
    int D = a->head_dim;
    struct span pre = a->prefix ? a->prefix[s] : (struct span){ 0, 0 };
    struct seq q = {
        .g = g, .worker = worker, .head = head, .group = a->heads / a->kv_heads, .D = D, .dpad = attn_pad(D, g->c->v->gemm->nr),
        .start = a->start[s], .rows = a->start[s + 1] - a->start[s], .pre = pre.begin, .before = pre.end - pre.begin,
        .causal = a->causal, .dk_pre = pre_k, .dv_pre = pre_v, .dk_own = own_k, .dv_own = own_v,
    };
    if (!q.rows) return true;
    if (!set_up(&q)) return false;
    int step = attn_block_rows(g->c, q.group);
    for (int r = 0; r < q.rows; r += step) block(&q, r, mem_min(step, q.rows - r));
    if (own_k != pre_k) { add_out(&q, g->dk, own_k); add_out(&q, g->dv, own_v); }
    return true;
}

static float *sums(const struct grads *g, int s, int worker, enum scratch which, size_t *each)
{
    int rows = g->a->start[s + 1] - g->a->start[s];
    *each = (size_t)rows * (size_t)attn_pad(g->a->head_dim, g->c->v->gemm->nr);
    float *p = cpu_scratch(g->c, worker, which, mem_max(*each, 1) * 2 * sizeof *p);
    if (p) memset(p, 0, *each * 2 * sizeof *p);
    return p;
}

static void bwd_task(void *v, int index, int worker)
{
    struct grads *g = v;
    const struct attn_args *a = g->a;
    int top = index / a->kv_heads, head = index % a->kv_heads, dpad = attn_pad(a->head_dim, g->c->v->gemm->nr);
    if (g->owner[top] != top) return;
    size_t n, own;
    float *k = sums(g, top, worker, SCRATCH_E, &n);
    if (!k || !run_seq(g, top, head, worker, k, k + n, k, k + n)) return;
    for (int s = 0; s < a->nseq; s++) {
        if (s == top || g->owner[s] != top) continue;
        float *mine = sums(g, s, worker, SCRATCH_D, &own);
        size_t at = (size_t)(a->prefix[s].begin - a->start[top]) * (size_t)dpad;
        if (!mine || !run_seq(g, s, head, worker, k + at, k + n + at, mine, mine + own)) return;
    }
    struct seq q = { .g = g, .start = a->start[top], .rows = a->start[top + 1] - a->start[top], .head = head, .D = a->head_dim, .dpad = dpad };
    add_out(&q, g->dk, k);
    add_out(&q, g->dv, k + n);
}

void attn_bwd(struct ops *o, const struct attn_args *a, struct mat d_o, struct mat dq, struct mat dk, struct mat dv)
{
    assert(a->lse);
    struct cpu *c = cpu_of(o);
    int *owner = cpu_scratch(c, 0, SCRATCH_OP_INDEX, (size_t)mem_max(a->nseq, 1) * sizeof *owner);
    if (!owner) return;
    for (int s = 0; s < a->nseq; s++) owner[s] = attn_owner(a, s);
    struct grads g = { c, a, d_o, dq, dk, dv, owner };
    par_for(c->pool, a->nseq * a->kv_heads, bwd_task, &g);
}
