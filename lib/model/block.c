/* SPDX-License-Identifier: Apache-2.0
 * One transformer block, forward and backward, for the vision tower and the decoder alike:
 *   x1 = x + s1 * o(attention(q, k, v)),  q, k, v of norm1(x)
 *   y  = x1 + s2 * down(h),               h = act(gate) * up or act(up), of norm2(x1)
 */
#include <math.h>
#include "model/model_priv.h"

struct mat space_mat(struct space *s, enum dtype t, int rows, int cols)
{
    struct mat m = mat_of(s->base ? s->base + s->used : NULL, t, rows, cols);
    s->used += round_up((size_t)rows * (size_t)cols * dtype_size(t), 64);
    return m;
}

float *space_f32(struct space *s, size_t n)
{
    float *p = s->base ? (float *)(void *)(s->base + s->used) : NULL;
    s->used += round_up(n * sizeof(float), 64);
    return p;
}

int space_reserve(struct space *s, struct ops *o)
{
    if (s->used > s->cap) {
        size_t want = mem_max(s->used, s->cap + s->cap / 4);
        if (s->base) o->release(o, s->base);
        s->cap = 0;
        s->base = o->alloc(o, want, "activations");
        if (!s->base) return -1;
        s->cap = want;
    }
    s->used = 0;
    return 0;
}

static bool follows(const struct mat *a, const struct mat *b)
{
    return (const uint8_t *)a->p + (size_t)a->rows * (size_t)a->cols * dtype_size(a->t) == b->p;
}

/* One product for the parameters from w on that make y's columns together; where a mapped file has them apart, one each. */
void linear_param(struct ops *o, struct mat y, struct mat x, const struct param *w, const struct param *b)
{
    for (int at = 0; at < y.cols;) {
        struct mat m = w->w;
        for (w++; at + m.rows < y.cols && follows(&m, &w->w); w++) m.rows += w->rows;
        o->linear(o, mat_cols(y, at, m.rows), x, m, b ? vec(b) + at : NULL);
        at += m.rows;
    }
}

/* dx.p NULL: not wanted. */
void linear_param_back(struct ops *o, struct mat dx, struct mat dy, struct mat x, const struct param *w, const struct param *b)
{
    if (grad(w) || grad(b)) o->linear_dw(o, grad(w), grad(b), dy, x);
    if (dx.p) o->linear_dx(o, dx, dy, mat_of(w->w.p, w->w.t, dy.cols, w->cols));
}

static int q_cols(const struct block_cfg *c) { return c->heads * c->head_dim; }
static int kv_cols(const struct block_cfg *c) { return c->kv_heads * c->head_dim; }

/* q and k as the attention sees them (behind their norms, rotated in place), and v. */
static struct mat view_qk(const struct block_cfg *c, const struct block_act *a)
{
    return c->qk_norm ? a->qk : mat_cols(a->qkv, 0, q_cols(c) + kv_cols(c));
}

const int *block_heads(struct arena *a, const struct block_cfg *c, int rows)
{
    if (c->qkv != QKV_GROUPED) return NULL;
    int H = c->heads, Hk = c->kv_heads, G = H / Hk, all = H + 2 * Hk;
    int *head = arena_alloc(a, (size_t)rows * (size_t)all * sizeof *head), *to = head;
    for (int r = 0; r < rows; r++) {
        for (int h = 0; h < H; h++) *to++ = r * all + h / G * (G + 2) + h % G;
        for (int part = 0; part < 2; part++)
            for (int h = 0; h < Hk; h++) *to++ = r * all + h * (G + 2) + G + part;
    }
    return head;
}

/* A whole matrix as rows of one head each. */
static struct mat by_head(const struct block_cfg *c, struct mat m)
{
    return mat_of(m.p, m.t, m.rows * (m.cols / c->head_dim), c->head_dim);
}

static struct mat view_v(const struct block_cfg *c, struct mat qkv) { return mat_cols(qkv, q_cols(c) + kv_cols(c), kv_cols(c)); }

void block_plan(struct space *s, const struct block_cfg *c, enum dtype t, int rows, bool keep, struct mat x1, struct block_act *a)
{
    int q = q_cols(c), kv = kv_cols(c);
    size_t n = (size_t)rows;
    a->n1 = space_mat(s, t, rows, c->hidden);
    a->n2 = keep ? space_mat(s, t, rows, c->hidden) : a->n1;
    a->qkv = space_mat(s, t, rows, q + 2 * kv);
    if (c->qk_norm) a->qk = space_mat(s, t, rows, q + kv);
    a->o = space_mat(s, t, rows, q);
    a->a = space_mat(s, t, rows, c->hidden);
    a->m = keep && c->layer_scale ? space_mat(s, t, rows, c->hidden) : a->a;
    a->x1 = keep ? space_mat(s, t, rows, c->hidden) : x1;
    a->up = space_mat(s, t, rows, c->gated ? 2 * c->mlp : c->mlp);
    a->h = space_mat(s, t, rows, c->mlp);
    if (!keep) return;
    a->stat1 = space_f32(s, 2 * n);
    a->stat2 = space_f32(s, 2 * n);
    a->lse = space_f32(s, n * (size_t)c->heads);
    if (!c->qk_norm) return;
    a->stat_q = space_f32(s, 2 * n);
    a->stat_k = space_f32(s, 2 * n);
}

void block_plan_grad(struct space *s, const struct block_cfg *c, enum dtype t, int rows, struct block_grad *g)
{
    int q = q_cols(c), kv = kv_cols(c);
    g->dn = space_mat(s, t, rows, c->hidden);
    g->dqkv = space_mat(s, t, rows, q + 2 * kv);
    if (c->qk_norm) g->dqk = space_mat(s, t, rows, q + kv);
    if (c->qkv == QKV_GROUPED) g->dgrouped = space_mat(s, t, rows, q + 2 * kv);
    g->d_o = space_mat(s, t, rows, q);
    if (c->layer_scale) g->da = space_mat(s, t, rows, c->hidden);
    g->dup = space_mat(s, t, rows, c->gated ? 2 * c->mlp : c->mlp);
    g->dh = space_mat(s, t, rows, c->mlp);
}

static struct attn_args packed(const struct block_cfg *c, const struct block_act *a, const struct attend *at)
{
    struct mat qk = view_qk(c, a);
    bool local = block_is_local(c, at->layer);
    return (struct attn_args){
        .q = mat_cols(qk, 0, q_cols(c)), .k = mat_cols(qk, q_cols(c), kv_cols(c)), .v = view_v(c, a->qkv), .o = a->o,
        .heads = c->heads, .kv_heads = c->kv_heads, .head_dim = c->head_dim, .scale = 1.0f / sqrtf((float)c->head_dim),
        .causal = c->causal, .nseq = local ? at->nwindow : at->nseq, .start = local ? at->window : at->start, .prefix = at->prefix, .lse = a->lse };
}

static void attention(struct ops *o, const struct block_cfg *c, const struct block *w, const struct block_act *a, const struct attend *at)
{
    int q = q_cols(c), kv = kv_cols(c);
    struct mat qk = view_qk(c, a);
    linear_param(o, at->head ? a->grouped : a->qkv, a->n1, w->qkv, w->qkv_b);
    if (at->head) o->gather(o, by_head(c, a->qkv), by_head(c, a->grouped), at->head);
    if (c->qk_norm) {
        o->norm(o, NORM_RMS, mat_cols(a->qk, 0, q), mat_cols(a->qkv, 0, q), vec(w->q_norm), NULL, c->qk_eps, a->stat_q);
        o->norm(o, NORM_RMS, mat_cols(a->qk, q, kv), mat_cols(a->qkv, q, kv), vec(w->k_norm), NULL, c->qk_eps, a->stat_k);
    }
    if (at->cs) o->rope(o, qk, c->heads + c->kv_heads, c->head_dim, at->pos, at->cs, false);
    if (at->kv) kv_attend(o, c, at->kv, at->layer, mat_cols(qk, 0, q), mat_cols(qk, q, kv), view_v(c, a->qkv), a->o);
    else {
        struct attn_args args = packed(c, a, at);
        o->attn(o, &args);
    }
}

void block_forward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct block_act *a,
                   struct mat x, struct mat y, const struct attend *at)
{
    o->norm(o, c->norm, a->n1, x, vec(w->norm1), vec(w->norm1_b), c->eps, a->stat1);
    attention(o, c, w, a, at);
    linear_param(o, a->a, a->o, w->o, w->o_b);
    o->residual(o, a->x1, x, a->a, vec(w->scale1));
    o->norm(o, c->norm, a->n2, a->x1, vec(w->norm2), vec(w->norm2_b), c->eps, a->stat2);
    linear_param(o, a->up, a->n2, w->up, w->up_b);
    if (c->gated) o->glu(o, c->act, a->h, mat_cols(a->up, 0, c->mlp), mat_cols(a->up, c->mlp, c->mlp));
    else o->act(o, c->act, a->h, a->up);
    linear_param(o, a->m, a->h, w->down, w->down_b);
    o->residual(o, y, a->x1, a->m, vec(w->scale2));
}

/* The gradient of what the residual adds: s * dx in scratch, or dx itself without layer scale. */
static struct mat scaled(struct ops *o, const struct block_cfg *c, const struct param *s, struct mat dx, struct mat a, const struct block_grad *g)
{
    if (!c->layer_scale) return dx;
    zero_mat(o, g->da);
    o->residual_bwd(o, g->da, grad(s), dx, a, vec(s));
    return g->da;
}

static void mlp_backward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct block_act *a,
                         struct mat dx, const struct block_grad *g)
{
    struct mat dm = scaled(o, c, w->scale2, dx, a->m, g);
    zero_mat(o, g->dh);
    linear_param_back(o, g->dh, dm, a->h, w->down, w->down_b);
    zero_mat(o, g->dup);
    if (c->gated) o->glu_bwd(o, c->act, mat_cols(g->dup, 0, c->mlp), mat_cols(g->dup, c->mlp, c->mlp), g->dh,
                             mat_cols(a->up, 0, c->mlp), mat_cols(a->up, c->mlp, c->mlp));
    else o->act_bwd(o, c->act, g->dup, g->dh, a->up);
    zero_mat(o, g->dn);
    linear_param_back(o, g->dn, g->dup, a->n2, w->up, w->up_b);
    o->norm_bwd(o, c->norm, dx, grad(w->norm2), grad(w->norm2_b), g->dn, a->x1, vec(w->norm2), a->stat2);
}

static void attention_backward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct block_act *a,
                               const struct attend *at, const struct block_grad *g)
{
    int q = q_cols(c), kv = kv_cols(c);
    struct attn_args args = packed(c, a, at);
    struct mat dqk = c->qk_norm ? g->dqk : mat_cols(g->dqkv, 0, q + kv);
    zero_mat(o, g->dqkv);
    if (c->qk_norm) zero_mat(o, g->dqk);
    o->attn_bwd(o, &args, g->d_o, mat_cols(dqk, 0, q), mat_cols(dqk, q, kv), view_v(c, g->dqkv));
    if (at->cs) o->rope(o, dqk, c->heads + c->kv_heads, c->head_dim, at->pos, at->cs, true);
    if (!c->qk_norm) return;
    o->norm_bwd(o, NORM_RMS, mat_cols(g->dqkv, 0, q), grad(w->q_norm), NULL, mat_cols(dqk, 0, q), mat_cols(a->qkv, 0, q),
                vec(w->q_norm), a->stat_q);
    o->norm_bwd(o, NORM_RMS, mat_cols(g->dqkv, q, kv), grad(w->k_norm), NULL, mat_cols(dqk, q, kv), mat_cols(a->qkv, q, kv),
                vec(w->k_norm), a->stat_k);
}

void block_backward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct block_act *a,
                    struct mat x, struct mat dx, const struct attend *at, const struct block_grad *g)
{
    mlp_backward(o, c, w, a, dx, g);
    struct mat da = scaled(o, c, w->scale1, dx, a->a, g);
    zero_mat(o, g->d_o);
    linear_param_back(o, g->d_o, da, a->o, w->o, w->o_b);
    attention_backward(o, c, w, a, at, g);
    if (at->head) o->scatter(o, by_head(c, g->dgrouped), by_head(c, g->dqkv), at->head);
    zero_mat(o, g->dn);
    linear_param_back(o, g->dn, at->head ? g->dgrouped : g->dqkv, a->n1, w->qkv, w->qkv_b);
    o->norm_bwd(o, c->norm, dx, grad(w->norm1), grad(w->norm1_b), g->dn, x, vec(w->norm1), a->stat1);
}

/* ---- a stack of blocks ---- */
void tower_plan(struct space *s, const struct block_cfg *c, enum dtype t, int rows, bool keep, bool recompute, struct tower_act *a)
{
    struct block_act shared = {0};
    struct mat grouped = {0};
    if (c->qkv == QKV_GROUPED) grouped = space_mat(s, t, rows, (c->heads + 2 * c->kv_heads) * c->head_dim);
    for (int l = 0; l <= c->layers; l++) a->x[l] = keep || l == 0 ? space_mat(s, t, rows, c->hidden) : a->x[0];
    if (!keep || recompute) block_plan(s, c, t, rows, keep, a->x[0], &shared);
    for (int l = 0; l < c->layers; l++) {
        a->act[l] = shared;
        if (keep && !recompute) block_plan(s, c, t, rows, true, a->x[0], &a->act[l]);
        a->act[l].grouped = grouped;
    }
}

void tower_forward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct tower_act *a, struct attend *at)
{
    for (at->layer = 0; at->layer < c->layers; at->layer++)
        block_forward(o, c, &w[at->layer], &a->act[at->layer], a->x[at->layer], a->x[at->layer + 1], at);
}

void tower_backward(struct ops *o, const struct block_cfg *c, const struct block *w, const struct tower_act *a, struct attend *at,
                    const struct block_grad *g, struct mat dx, bool recompute)
{
    for (at->layer = c->layers - 1; at->layer >= 0; at->layer--) {
        int l = at->layer;
        if (recompute) block_forward(o, c, &w[l], &a->act[l], a->x[l], a->x[l + 1], at);
        block_backward(o, c, &w[l], &a->act[l], a->x[l], dx, at, g);
    }
}
