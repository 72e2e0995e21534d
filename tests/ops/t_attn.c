/* SPDX-License-Identifier: Apache-2.0
 * Attention over packed sequences, forward and backward, and over trees, against naive loops; and that the two agree.
 */
#include "check.h"

struct shape { int heads, kv_heads, D; bool causal; int nseq; int len[6]; int prefix_of[6]; };   /* prefix_of: -1 none, else the owner */

static const struct shape shapes[] = {
    { 1, 1, 1, true, 1, { 1 }, { -1 } },
    { 1, 1, 4, true, 1, { 5 }, { -1 } },
    { 2, 1, 8, true, 3, { 3, 17, 1 }, { -1, -1, -1 } },
    { 4, 2, 16, true, 2, { 50, 33 }, { -1, -1 } },
    { 3, 3, 24, false, 3, { 7, 40, 64 }, { -1, -1, -1 } },
    { 6, 2, 32, true, 5, { 40, 9, 1, 30, 13 }, { -1, 0, 0, -1, 3 } },
    { 2, 2, 64, true, 4, { 20, 70, 31, 8 }, { -1, 0, -1, 0 } },
    { 2, 1, 80, true, 2, { 90, 5 }, { -1, 0 } },
    { 1, 1, 40, false, 1, { 300 }, { -1 } },
    { 8, 1, 16, true, 1, { 270 }, { -1 } },
    { 64, 1, 8, true, 2, { 10, 20 }, { -1, -1 } },
    { 3, 1, 128, true, 3, { 65, 70, 40 }, { -1, 0, 0 } },
    { 14, 2, 72, false, 2, { 19, 41 }, { -1, -1 } },
};

/* Several tiles of every kernel; in bf16 with aligned rows alone. */
static const struct shape long_shapes[] = {
    { 2, 1, 128, true, 2, { 200, 90 }, { -1, 0 } },
    { 7, 1, 64, true, 3, { 140, 10, 41 }, { -1, 0, -1 } },
    { 1, 1, 104, false, 2, { 130, 257 }, { -1, -1 } },
    { 1, 1, 16, true, 1, { 420 }, { -1 } },
};

/* Columns behind the rows of q, k, v, o, and of the gradients of q, k: rows that start anywhere, or at multiples of 16 bytes. */
static const int gaps[2][6] = { { 4, 1, 0, 2, 1, 2 }, { 8, 0, 8, 16, 0, 8 } };

struct world { struct tensor q, k, v, o, lse; struct attn_args dev, ref; int start[7]; struct span prefix[6]; };

static void world_new(struct world *w, const struct shape *s, enum dtype t, const int *gap)
{
    struct ops *o = check_ops;
    bool any = false;
    for (int i = 0; i < s->nseq; i++) {
        w->start[i + 1] = w->start[i] + s->len[i];
        int own = s->prefix_of[i];
        if (own < 0) continue;
        any = true;                            /* some prefix of the owner's rows, not always all */
        int b = w->start[own] + check_below(2), e = w->start[own + 1] - check_below(3);
        w->prefix[i] = (struct span){ b, e > b ? e : b + 1 };
    }
    int T = w->start[s->nseq], qc = s->heads * s->D, kc = s->kv_heads * s->D;
    w->q = tensor_new(o, t, T, qc, gap[0], RANDOM);
    w->k = tensor_new(o, t, T, kc, gap[1], RANDOM);
    w->v = tensor_new(o, t, T, kc, gap[2], RANDOM);
    w->o = tensor_new(o, t, T, qc, gap[3], POISON);
    w->lse = tensor_new(o, DT_F32, T, s->heads, 0, POISON);
    w->dev = (struct attn_args){ w->q.dev, w->k.dev, w->v.dev, w->o.dev, s->heads, s->kv_heads, s->D, 1.7f / sqrtf((float)s->D),
                                 s->causal, s->nseq, w->start, any ? w->prefix : NULL, vec_dev(&w->lse) };
    w->ref = w->dev;
    w->ref.q = w->q.ref; w->ref.k = w->k.ref; w->ref.v = w->v.ref; w->ref.o = w->o.ref; w->ref.lse = vec_ref(&w->lse);
}

static void world_free(struct world *w)
{
    tensor_free(&w->q); tensor_free(&w->k); tensor_free(&w->v); tensor_free(&w->o); tensor_free(&w->lse);
}

/* Tensor cores take the weights in bf16 too: each is off by up to 2^-9 of itself, and a key's gradient sums over all heads
 * of its group and all queries, here up to 1280 weights, which adds about as much again as the result's own rounding. */
static double key_tol(enum dtype t, const struct shape *s) { return tol_of(t, 5e-5) * (t == DT_BF16 && s->heads / s->kv_heads > 8 ? 2 : 1); }

static void one_attn(const struct shape *s, enum dtype t, const int *gap)
{
    struct ops *o = check_ops, *f = check_ref;
    struct world w = { .start = { 0 } };
    world_new(&w, s, t, gap);
    int T = w.start[s->nseq], qc = s->heads * s->D, kc = s->kv_heads * s->D;
    o->attn(o, &w.dev);
    f->attn(f, &w.ref);
    T_TENSOR(w.o, 1e-5);
    T_TENSOR(w.lse, 1e-5);
    struct tensor d_o = tensor_new(o, t, T, qc, 0, RANDOM), dq = tensor_new(o, t, T, qc, gap[4], RANDOM);
    struct tensor dk = tensor_new(o, t, T, kc, gap[5], RANDOM), dv = tensor_new(o, t, T, kc, 0, RANDOM);
    o->attn_bwd(o, &w.dev, d_o.dev, dq.dev, dk.dev, dv.dev);
    f->attn_bwd(f, &w.ref, d_o.ref, dq.ref, dk.ref, dv.ref);
    T_TENSOR(dq, 5e-5);
    T_TENSOR_WITHIN(dk, key_tol(t, s));
    T_TENSOR_WITHIN(dv, key_tol(t, s));
    tensor_free(&d_o); tensor_free(&dq); tensor_free(&dk); tensor_free(&dv);
    world_free(&w);
}

static void test_attn(void)
{
    for (int i = 0; i < countof(shapes); i++) {
        one_attn(&shapes[i], DT_F32, gaps[0]);
        one_attn(&shapes[i], DT_BF16, gaps[0]);
        one_attn(&shapes[i], DT_BF16, gaps[1]);
    }
    for (int i = 0; i < countof(long_shapes); i++) one_attn(&long_shapes[i], DT_BF16, gaps[1]);
}

/* ---- trees ---- */

/* A tree as the cache makes it: a root with `paths` children, each in pages of `page` slots at random places. Query rows:
 * the last `tail` tokens of each path. */
enum { MAX_SEG = 400, MAX_ROWS = 80, SLOTS = 8192 };
struct tree { int nseg, rows, nkey[MAX_ROWS]; struct attn_seg seg[MAX_SEG]; };

static int next_slot;

static void add_span(struct tree *t, int pos, int len, int page, int row, int nrow)
{
    for (int i = 0; i < len; i += page) {
        t->seg[t->nseg++] = (struct attn_seg){ next_slot, mem_min(page, len - i), pos + i, row, nrow };
        next_slot += page + check_below(3);
    }
}

static void tree_new(struct tree *t, int root, int paths, int page, int tail)
{
    next_slot = check_below(5);
    *t = (struct tree){ .rows = paths * tail };
    add_span(t, 0, root, page, 0, t->rows);
    for (int p = 0; p < paths; p++) {
        int len = tail + check_below(40);
        add_span(t, root, len, page, p * tail, tail);
        for (int i = 0; i < tail; i++) t->nkey[p * tail + i] = root + len - tail + i + 1;
    }
}

static void one_tree(int heads, int kv_heads, int D, enum dtype t, int root, int paths, int page, int tail, int gap)
{
    struct ops *o = check_ops, *f = check_ref;
    struct tree tr;
    tree_new(&tr, root, paths, page, tail);
    T_CHECK(next_slot <= SLOTS && tr.nseg <= MAX_SEG);
    struct tensor q = tensor_new(o, t, tr.rows, heads * D, 0, RANDOM), out = tensor_new(o, t, tr.rows, heads * D, gap, POISON);
    struct tensor k = tensor_new(o, t, SLOTS, kv_heads * D, 0, RANDOM), v = tensor_new(o, t, SLOTS, kv_heads * D, 2 * gap, RANDOM);
    struct attn_tree_args a = { q.dev, out.dev, k.dev, v.dev, heads, kv_heads, D, 1.3f / sqrtf((float)D), tr.nseg, tr.seg, tr.nkey }, r = a;
    r.q = q.ref; r.o = out.ref; r.k = k.ref; r.v = v.ref;
    o->attn_tree(o, &a);
    f->attn_tree(f, &r);
    T_TENSOR(out, 1e-5);
    /* the next layer of the pass, and the same tree in a pass behind it */
    for (int i = 0; i < 2; i++) {
        struct tensor next = tensor_new(o, t, tr.rows, heads * D, gap, POISON);
        a.o = next.dev;
        r.o = next.ref;
        o->attn_tree(o, &a);
        f->attn_tree(f, &r);
        T_TENSOR(next, 1e-5);
        T_OK(o->sync(o));
        tensor_free(&next);
    }
    tensor_free(&q); tensor_free(&out); tensor_free(&k); tensor_free(&v);
}

static void test_tree(void)
{
    for (int t = 0; t < 2; t++) {
        enum dtype d = t ? DT_BF16 : DT_F32;
        for (int gap = 1; gap <= 8; gap += 7) {
            one_tree(1, 1, 4, d, 0, 1, 64, 1, gap);
            one_tree(2, 2, 16, d, 30, 3, 7, 5, gap);
            one_tree(4, 2, 32, d, 100, 16, 16, 1, gap);
            one_tree(6, 1, 64, d, 61, 33, 16, 1, gap);
            one_tree(3, 3, 20, d, 17, 4, 1000, 13, gap);
            one_tree(4, 2, 80, d, 530, 5, 32, 2, gap);
        }
    }
}

static bool near_bf16(struct mat a, struct mat b)
{
    for (int r = 0; r < a.rows; r++)
        for (int c = 0; c < a.cols; c++)
            if (!(fabs(ref_get(a, r, c) - ref_get(b, r, c)) <= 8e-3 * (1 + fabs(ref_get(a, r, c))))) return false;
    return true;
}

/* A causal sequence gives the same bits in training, as one prefill, and cut into odd segments; on tensor cores what agrees is
 * rounded sums. */
static void test_same_bits(void)
{
    enum { L = 150, HEADS = 4, KV = 2, D = 48 };
    struct ops *o = check_ops;
    for (int t = 0; t < 2; t++) {
        enum dtype dt = t ? DT_BF16 : DT_F32;
        struct tensor q = tensor_new(o, dt, L, HEADS * D, 0, RANDOM), k = tensor_new(o, dt, L, KV * D, 0, RANDOM);
        struct tensor v = tensor_new(o, dt, L, KV * D, 0, RANDOM), o1 = tensor_new(o, dt, L, HEADS * D, 0, POISON);
        struct tensor o2 = tensor_new(o, dt, L, HEADS * D, 0, POISON);
        int start[2] = { 0, L }, nkey[L];
        for (int i = 0; i < L; i++) nkey[i] = i + 1;
        o->attn(o, &(struct attn_args){ q.dev, k.dev, v.dev, o1.dev, HEADS, KV, D, 0.3f, true, 1, start, NULL, NULL });
        struct attn_seg seg[] = { { 0, 13, 0, 0, L }, { 13, 64, 13, 0, L }, { 77, L - 77, 77, 40, L - 40 } };
        int at[] = { 0, 40, 77, 78, L };       /* rows in several calls; rows before 40 see no key behind 77 */
        for (int i = 0; i + 1 < countof(at); i++) {
            int r = at[i], n = at[i + 1] - at[i], ns = r < 40 ? 2 : 3;
            struct attn_seg here[3];
            for (int j = 0; j < ns; j++) { here[j] = seg[j]; here[j].row = 0; here[j].nrow = n; }
            o->attn_tree(o, &(struct attn_tree_args){ mat_rows(q.dev, r, n), mat_rows(o2.dev, r, n), k.dev, v.dev, HEADS, KV, D, 0.3f, ns, here, nkey + r });
        }
        struct mat a = tensor_get(&o1), b = tensor_get(&o2);
        T_CHECK(t && !strcmp(o->name, "cuda") ? near_bf16(a, b) : !memcmp(a.p, b.p, o1.bytes));
        free(a.p); free(b.p);
        tensor_free(&q); tensor_free(&k); tensor_free(&v); tensor_free(&o1); tensor_free(&o2);
    }
}

/* A row of a tree has the same bits in a prefill of many rows, among few, and alone. */
static void test_same_rows(void)
{
    enum { L = 590, FIRST = 290, HEADS = 4, KV = 2, D = 24, SPLIT = 523 };
    struct ops *o = check_ops;
    for (int t = 0; t < 2; t++) {
        enum dtype dt = t ? DT_BF16 : DT_F32;
        int n = L - FIRST, nkey[L];
        struct tensor q = tensor_new(o, dt, n, HEADS * D, 0, RANDOM), k = tensor_new(o, dt, L, KV * D, 0, RANDOM);
        struct tensor v = tensor_new(o, dt, L, KV * D, 0, RANDOM), o1 = tensor_new(o, dt, n, HEADS * D, 0, POISON);
        struct tensor o2 = tensor_new(o, dt, n, HEADS * D, 0, POISON);
        for (int i = 0; i < n; i++) nkey[i] = FIRST + i + 1;
        struct attn_seg whole = { 0, L, 0, 0, n };
        o->attn_tree(o, &(struct attn_tree_args){ q.dev, o1.dev, k.dev, v.dev, HEADS, KV, D, 0.3f, 1, &whole, nkey });
        struct mat a = tensor_get(&o1);
        for (int r = 0, rows; r < n; r += rows + 17) {
            rows = r % 2 ? 1 : mem_min(9, n - r);
            struct attn_seg cut[2] = { { 0, SPLIT, 0, 0, rows }, { SPLIT, L - SPLIT, SPLIT, 0, rows } };
            o->attn_tree(o, &(struct attn_tree_args){ mat_rows(q.dev, r, rows), mat_rows(o2.dev, r, rows), k.dev, v.dev, HEADS, KV, D, 0.3f, 2, cut, nkey + r });
            struct mat b = tensor_get(&o2);
            size_t at = (size_t)r * HEADS * D * dtype_size(dt), bytes = (size_t)rows * HEADS * D * dtype_size(dt);
            T_CHECK(!memcmp((char *)a.p + at, (char *)b.p + at, bytes));
            free(b.p);
        }
        free(a.p);
        tensor_free(&q); tensor_free(&k); tensor_free(&v); tensor_free(&o1); tensor_free(&o2);
    }
}

static void all(void)
{
    T_RUN(test_attn);
    T_RUN(test_tree);
    T_RUN(test_same_bits);
    T_RUN(test_same_rows);
    T_OK(check_ops->sync(check_ops));
}

int main(void) { return check_backends(all); }
