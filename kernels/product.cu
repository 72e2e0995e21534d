/* SPDX-License-Identifier: Apache-2.0
 * Products by cuBLASLt, in float: f32 without TF32; bf16 summed in f32, bias added before the result is rounded.
 *
 * Our matrices are row-major, cuBLAS's column-major: what is computed is y^T [N, T] = w [N, K] x^T, the row-major w and x
 * being the column-major w^T and x^T.
 *
 * Row independence. linear() takes one algorithm for every number of rows: the heuristics are asked once for (N, K, types,
 * alignment), at ROWS_ASKED rows (decoding asks for products of few rows more often than a prompt does for many), with splitting of
 * K over blocks excluded; a kernel without it sums every element of the result over K in the same order, wherever the row stands. That this holds for the algorithms of a device is what
 * tests/ops/t_rows.c checks there. With loose_rows, and for the gradients' products, the heuristics are asked for the number
 * of rows at hand.
 */
#include "gpu.h"

#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include "lt.h"

enum { WORKSPACE = 32 << 20, ROWS_ASKED = 256, CACHE = 1024, WAYS = 4 };

/* D [m, n] = op(A) op(B) + beta D (+ bias), column-major. */
struct product {
    int m, n, k;
    struct mat a, b, d;                        /* row-major as given: rows are cuBLAS's columns */
    bool ta, tb;
    float beta;
    const void *bias;                          /* [m] of d's type */
    bool any_rows;                             /* one algorithm for every n */
};

struct key { int m, n, k, lda, ldb, ldd; unsigned char ta, tb, types, bias, beta, align[3]; };
struct known { struct key key; bool used; cublasLtMatmulAlgo_t algo; };

struct products {
    const struct lt *lt;
    cublasLtHandle_t handle;
    void *workspace;
    struct known known[CACHE];
};

static cudaDataType_t type_of(enum dtype t) { return t == DT_F32 ? CUDA_R_32F : CUDA_R_16BF; }

/* The largest power of two up to 16 that divides the address of every row, so that it does not depend on the row a view
 * begins at. */
static uint32_t alignment(struct mat m)
{
    uint32_t a = 16;
    while (((uintptr_t)m.p | (uintptr_t)((size_t)m.ld * dtype_size(m.t))) % a) a /= 2;
    return a;
}

static struct key key_of(const struct product *p)
{
    struct key k;
    memset(&k, 0, sizeof k);                   /* compared as bytes */
    k.m = p->m; k.n = p->any_rows ? 0 : p->n; k.k = p->k;
    k.lda = (int)p->a.ld; k.ldb = (int)p->b.ld; k.ldd = (int)p->d.ld;
    k.ta = p->ta; k.tb = p->tb; k.bias = p->bias != NULL; k.beta = p->beta != 0;
    k.types = (unsigned char)(p->a.t | p->b.t << 1 | p->d.t << 2);
    const struct mat all[] = { p->a, p->b, p->d };
    for (int i = 0; i < 3; i++) k.align[i] = (unsigned char)alignment(all[i]);
    return k;
}

static struct known *lookup(struct products *s, const struct key *k)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < sizeof *k; i++) h = (h ^ ((const unsigned char *)k)[i]) * 1099511628211u;
    struct known *set = &s->known[h % (CACHE / WAYS) * WAYS];
    for (int i = 0; i < WAYS; i++)
        if (set[i].used && !memcmp(&set[i].key, k, sizeof *k)) return &set[i];
    for (int i = 0; i < WAYS; i++)
        if (!set[i].used) return &set[i];
    return &set[h / CACHE % WAYS];             /* an older one makes room; it would be found again by the same question */
}

/* ---- descriptors of one call ---- */

struct call { cublasLtMatmulDesc_t desc; cublasLtMatrixLayout_t a, b, d; };

static bool call_make(struct products *s, const struct product *p, int n, struct call *k)
{
    const struct lt *lt = s->lt;
    cublasOperation_t ta = p->ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb = p->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtEpilogue_t bias = CUBLASLT_EPILOGUE_BIAS;
    *k = {};
    int brows = p->tb ? p->k : n;
    bool ok = !lt->DescCreate(&k->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F)
           && !lt->DescSet(k->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta)
           && !lt->DescSet(k->desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb)
           && !lt->LayoutCreate(&k->a, type_of(p->a.t), (uint64_t)p->a.cols, (uint64_t)p->a.rows, p->a.ld)
           && !lt->LayoutCreate(&k->b, type_of(p->b.t), (uint64_t)p->b.cols, (uint64_t)brows, p->b.ld)
           && !lt->LayoutCreate(&k->d, type_of(p->d.t), (uint64_t)p->m, (uint64_t)n, p->d.ld);
    if (ok && p->bias)
        ok = !lt->DescSet(k->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &bias, sizeof bias)
          && !lt->DescSet(k->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p->bias, sizeof p->bias);
    return ok;
}

static void call_free(struct products *s, struct call *k)
{
    if (k->desc) s->lt->DescDestroy(k->desc);
    if (k->a) s->lt->LayoutDestroy(k->a);
    if (k->b) s->lt->LayoutDestroy(k->b);
    if (k->d) s->lt->LayoutDestroy(k->d);
}

/* ---- the choice of an algorithm ---- */

static bool ask(struct products *s, const struct product *p, const struct call *k, cublasLtMatmulAlgo_t *algo)
{
    static const cublasLtMatmulPreferenceAttributes_t align[] = { CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES };
    const struct lt *lt = s->lt;
    const struct mat all[] = { p->a, p->b, p->d, p->d };
    cublasLtMatmulPreference_t pref = NULL;
    cublasLtMatmulHeuristicResult_t r;
    size_t most = WORKSPACE;
    uint32_t scheme = p->any_rows ? CUBLASLT_REDUCTION_SCHEME_NONE : CUBLASLT_REDUCTION_SCHEME_MASK;
    int got = 0;
    bool ok = !lt->PreferenceCreate(&pref) && !lt->PreferenceSet(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof most)
           && !lt->PreferenceSet(pref, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme, sizeof scheme);
    for (int i = 0; ok && i < 4; i++) {
        uint32_t n = alignment(all[i]);
        ok = !lt->PreferenceSet(pref, align[i], &n, sizeof n);
    }
    ok = ok && !lt->Heuristic(s->handle, k->desc, k->a, k->b, k->d, k->d, pref, 1, &r, &got) && got > 0;
    if (ok) *algo = r.algo;
    if (pref) lt->PreferenceDestroy(pref);
    return ok;
}

static bool choose(struct products *s, const struct product *p, const struct call *k, struct known *to, const struct key *key)
{
    struct call asked = *k;
    bool ok = true;
    if (p->any_rows) ok = call_make(s, p, ROWS_ASKED, &asked);
    ok = ok && ask(s, p, &asked, &to->algo);
    if (p->any_rows) call_free(s, &asked);
    to->used = ok;
    to->key = *key;
    return ok;
}

static void run(struct cuda *c, const struct product *p)
{
    struct products *s = c->products;
    struct key key = key_of(p);
    struct known *known = lookup(s, &key);
    struct call k;
    float one = 1;
    if (c->signing || c->recording) {
        const void *at[] = { p->a.p, p->b.p, p->d.p, p->bias };
        cuda_sign(c, &key, sizeof key);
        cuda_sign(c, &p->n, sizeof p->n);
        cuda_sign(c, at, sizeof at);
    }
    if (c->signing || c->ops.measuring) return;
    bool ok = call_make(s, p, p->n, &k);
    if (ok && !(known->used && !memcmp(&known->key, &key, sizeof key))) ok = choose(s, p, &k, known, &key);
    ok = ok && !s->lt->Matmul(s->handle, k.desc, &one, p->a.p, k.a, p->b.p, k.b, &p->beta, p->d.p, k.d, p->d.p, k.d,
                              &known->algo, s->workspace, WORKSPACE, c->stream);
    if (!ok) {
        char what[96];
        snprintf(what, sizeof what, "product [%d, %d] x [%d, %d]", p->n, p->k, p->k, p->m);
        cuda_fail(c, what, "cuBLASLt refused it");
    }
    call_free(s, &k);
}

/* ---- the ops ---- */

template <class T> __global__ void to_type(T *y, const float *x, int n)
{
    int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) from_float(&y[i], x[i]);
}

/* cuBLASLt wants a bias of the result's type. */
static const void *bias_of(struct cuda *c, const float *bias, int n, enum dtype t)
{
    if (!bias || t == DT_F32) return bias;
    struct bf16 *b = (struct bf16 *)cuda_scratch(c, SCRATCH_BIAS, (size_t)n * sizeof *b);
    if (b) LAUNCH(c, to_type<struct bf16>, dim3((unsigned)div_up(n, BLOCK)), dim3(BLOCK), 0, b, bias, n);
    return b;
}

static void linear(struct ops *o, struct mat y, struct mat x, struct mat w, const float *bias)
{
    struct cuda *c = cuda_of(o);
    assert(x.cols == w.cols && y.cols == w.rows && y.rows == x.rows);
    if (y.rows < 1) return;
    const void *b = bias_of(c, bias, y.cols, y.t);
    if (bias && !b) return;
    struct product p = { w.rows, x.rows, x.cols, w, x, y, true, false, 0, b, !o->loose_rows };
    run(c, &p);
}

static void linear_dx(struct ops *o, struct mat dx, struct mat dy, struct mat w)
{
    struct cuda *c = cuda_of(o);
    assert(dy.cols == w.rows && dx.cols == w.cols && dx.rows == dy.rows);
    if (dx.rows < 1) return;
    struct product p = { w.cols, dy.rows, w.rows, w, dy, dx, false, false, 1, NULL, false };
    run(c, &p);
}

static void linear_dw(struct ops *o, float *dw, float *db, struct mat dy, struct mat x)
{
    struct cuda *c = cuda_of(o);
    assert(dy.rows == x.rows);
    if (dy.rows < 1) return;
    if (db) cuda_column_sums(c, db, dy, mat{});
    if (!dw) return;
    struct product p = { x.cols, dy.cols, dy.rows, x, dy, mat_of(dw, DT_F32, dy.cols, x.cols), false, true, 1, NULL, false };
    run(c, &p);
}

int cuda_set_products(struct cuda *c)
{
    struct products *s = c->products = (struct products *)mem_alloc(sizeof *s);
    if (!(s->lt = lt_open())) return -1;
    if (s->lt->Create(&s->handle)) return fail_kind(ERR_DEVICE, "cuda: cuBLASLt does not start");
    if (!(s->workspace = c->ops.alloc(&c->ops, WORKSPACE, "work memory"))) return -1;
    c->ops.linear = linear;
    c->ops.linear_dx = linear_dx;
    c->ops.linear_dw = linear_dw;
    return 0;
}

void cuda_end_products(struct cuda *c)
{
    struct products *s = c->products;
    if (!s) return;
    if (s->workspace) c->ops.release(&c->ops, s->workspace);
    if (s->handle) s->lt->Destroy(s->handle);
    free(s);
    c->products = NULL;
}
