/* SPDX-License-Identifier: Apache-2.0
 * cuBLASLt's calls by a plain product: D = op(A) op(B) + beta C + bias in columns, as cuBLAS lays matrices out. Sums are
 * in float and go through K in order, so a column of D has the same bits whatever stands beside it. What the library asks
 * of its callers is checked: fitting sizes, leading dimensions, alignments that were promised when the algorithm was chosen.
 */
#include "cublasLt.h"

#include <stdio.h>
#include <stdlib.h>
#include <vector>

struct emu_lt { int unused; };
struct emu_lt_desc { int ta, tb, epilogue; const void *bias; };
struct emu_lt_layout { cudaDataType_t t; uint64_t rows, cols; int64_t ld; };
struct emu_lt_pref { size_t workspace; uint32_t scheme, align[4]; };

static float element(const void *p, cudaDataType_t t, size_t i)
{
    if (t == CUDA_R_32F) return ((const float *)p)[i];
    uint32_t u = (uint32_t)((const uint16_t *)p)[i] << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void put(void *p, cudaDataType_t t, size_t i, float f)
{
    if (t == CUDA_R_32F) { ((float *)p)[i] = f; return; }
    uint32_t u;
    memcpy(&u, &f, 4);
    ((uint16_t *)p)[i] = (uint16_t)(f != f ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) { *h = new emu_lt(); return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) { delete h; return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t, cudaDataType_t)
{
    *d = new emu_lt_desc{ CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL };
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t a, const void *v, size_t n)
{
    if (a == CUBLASLT_MATMUL_DESC_BIAS_POINTER) memcpy(&d->bias, v, n);
    else memcpy(a == CUBLASLT_MATMUL_DESC_TRANSA ? &d->ta : a == CUBLASLT_MATMUL_DESC_TRANSB ? &d->tb : &d->epilogue, v, n);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) { delete d; return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType_t t, uint64_t rows, uint64_t cols, int64_t ld)
{
    *l = new emu_lt_layout{ t, rows, cols, ld };
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) { delete l; return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
    *p = new emu_lt_pref{ 0, CUBLASLT_REDUCTION_SCHEME_MASK, { 256, 256, 256, 256 } };
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t a, const void *v, size_t n)
{
    if (a == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) memcpy(&p->workspace, v, n);
    else if (a == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) memcpy(&p->scheme, v, n);
    else memcpy(&p->align[a - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], v, n);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) { delete p; return CUBLAS_STATUS_SUCCESS; }

static bool fits(cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t to)
{
    uint64_t m = d->ta ? a->cols : a->rows, k = d->ta ? a->rows : a->cols, k2 = d->tb ? b->cols : b->rows, n = d->tb ? b->rows : b->cols;
    const cublasLtMatrixLayout_t all[] = { a, b, c, to };
    for (cublasLtMatrixLayout_t l : all)
        if (!l->rows || !l->cols || l->ld < (int64_t)l->rows) return false;
    return k == k2 && to->rows == m && to->cols == n && c->rows == m && c->cols == n && c->t == to->t && a->t == b->t
        && (to->t == CUDA_R_32F || a->t == to->t);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t to, cublasLtMatmulPreference_t p, int, cublasLtMatmulHeuristicResult_t *r, int *got)
{
    *got = 0;
    if (!fits(d, a, b, c, to)) return CUBLAS_STATUS_NOT_SUPPORTED;
    *r = {};
    r->algo.made = 1;
    memcpy(r->algo.align, p->align, sizeof p->align);
    *got = 1;
    return CUBLAS_STATUS_SUCCESS;
}

static std::vector<float> dense(const void *p, const struct emu_lt_layout *l, bool transposed)      /* [cols][rows], or [rows][cols] */
{
    std::vector<float> v((size_t)l->rows * l->cols);
    for (size_t j = 0; j < l->cols; j++)
        for (size_t i = 0; i < l->rows; i++) v[transposed ? i * l->cols + j : j * l->rows + i] = element(p, l->t, j * (size_t)l->ld + i);
    return v;
}

static void product(const struct emu_lt_desc *d, float alpha, const void *a, const struct emu_lt_layout *la, const void *b,
                    const struct emu_lt_layout *lb, float beta, const void *c, const struct emu_lt_layout *lc, void *to, const struct emu_lt_layout *lto)
{
    size_t m = lto->rows, n = lto->cols, k = d->ta ? la->rows : la->cols;
    std::vector<float> av = dense(a, la, d->ta), bv = dense(b, lb, !d->tb), sum(m);    /* av [k][m], bv [k][n] */
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i < m; i++) sum[i] = 0;
        for (size_t x = 0; x < k; x++)
            for (size_t i = 0; i < m; i++) sum[i] += av[x * m + i] * bv[x * n + j];
        for (size_t i = 0; i < m; i++) {
            float v = alpha * sum[i];
            if (beta != 0) v += beta * element(c, lc->t, j * (size_t)lc->ld + i);
            if (d->epilogue == CUBLASLT_EPILOGUE_BIAS) v += element(d->bias, lto->t, i);
            put(to, lto->t, j * (size_t)lto->ld + i, v);
        }
    }
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void *alpha, const void *a, cublasLtMatrixLayout_t la,
    const void *b, cublasLtMatrixLayout_t lb, const void *beta, const void *c, cublasLtMatrixLayout_t lc, void *to, cublasLtMatrixLayout_t lto,
    const cublasLtMatmulAlgo_t *algo, void *, size_t, cudaStream_t)
{
    if (!fits(d, la, lb, lc, lto) || !algo || !algo->made) return CUBLAS_STATUS_NOT_SUPPORTED;
    const void *at[] = { a, b, c, to };
    for (int i = 0; i < 4; i++)
        if ((uintptr_t)at[i] % algo->align[i]) {
            fprintf(stderr, "emulated cublasLtMatmul: matrix %c is not aligned to %u bytes as promised\n", "ABCD"[i], algo->align[i]);
            abort();
        }
    struct emu_lt_layout A = *la, B = *lb, C = *lc, D = *lto;
    struct emu_lt_desc desc = *d;
    float al = *(const float *)alpha, be = *(const float *)beta;
    emu_do([=] { product(&desc, al, a, &A, b, &B, be, c, &C, to, &D); });
    return CUBLAS_STATUS_SUCCESS;
}
