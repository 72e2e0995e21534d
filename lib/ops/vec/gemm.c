/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/vec/tile.h"

enum { B_AHEAD = 8 };                          /* steps of k */

/* ---- the register tile ---- */

/* With strides known when this is compiled, the addresses of A need no registers. */
enum strides { STRIDES_ANY, STRIDES_ROWS, STRIDES_TILE };

INLINE void tile_rows(const struct gemm_tile *t, float *c, int64_t ldc, const float *bias, int rows, enum strides s)
{
    vf acc[MR][NV];
    UNROLL
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < NV; j++)
            acc[i][j] = t->init == GEMM_ZERO ? (vf){ 0 } : vf_load((t->init == GEMM_BIAS ? bias : c + i * ldc) + j * VL);
    for (int i = 0; i < rows; i++)             /* the tile below is next */
        for (int j = 0; j < NR; j += 16) __builtin_prefetch(c + (i + rows) * ldc + j, 1);
    const float *a = t->a, *b = t->b;
    int64_t ars = s == STRIDES_ROWS ? GEMM_LDA : s == STRIDES_TILE ? 1 : t->ars;
    int64_t acs = s == STRIDES_ROWS ? 1 : s == STRIDES_TILE ? MR : t->acs, ldb = s ? NR : t->ldb;
    UNROLL2
    for (int k = 0; k < t->k; k++, a += acs, b += ldb) {
        vf bv[NV];
        for (int j = 0; j < NV; j++) bv[j] = vf_load(b + j * VL);
        for (int j = 0; j < NV; j++) __builtin_prefetch(b + B_AHEAD * NR + j * VL);
        UNROLL
        for (int i = 0; i < rows; i++) {
            vf av = vf_all(a[i * ars]);
            for (int j = 0; j < NV; j++) acc[i][j] += av * bv[j];
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < NV; j++) vf_store(c + i * ldc + j * VL, acc[i][j]);
}

static void tile_any(const struct gemm_tile *t, float *c, int64_t ldc, const float *bias)
{
#define CASE(rows) case rows: tile_rows(t, c, ldc, bias, rows, STRIDES_ANY); return;
    switch (t->m) { EACH_ROWS(CASE) }
#undef CASE
}

/* What most of a large product is made of. */
static void tile_whole(const struct gemm_tile *t)
{
    if (t->ldb == NR && t->ars == GEMM_LDA && t->acs == 1) tile_rows(t, t->c, t->ldc, t->bias, MR, STRIDES_ROWS);
    else if (t->ldb == NR && t->ars == 1 && t->acs == MR) tile_rows(t, t->c, t->ldc, t->bias, MR, STRIDES_TILE);
    else tile_rows(t, t->c, t->ldc, t->bias, MR, STRIDES_ANY);
}

static void tile(const struct gemm_tile *t)
{
    if (t->n == NR) {
        if (t->m == MR) tile_whole(t);
        else tile_any(t, t->c, t->ldc, t->bias);
        return;
    }
    float c[MR * NR], bias[NR] = { 0 };        /* a narrow tile: through a full one */
    size_t n = (size_t)t->n * sizeof *c;
    memset(c, 0, sizeof c);
    if (t->init == GEMM_BIAS) memcpy(bias, t->bias, n);
    for (int i = 0; t->init == GEMM_ADD && i < t->m; i++) memcpy(c + i * NR, t->c + i * t->ldc, n);
    tile_any(t, c, NR, bias);
    for (int i = 0; i < t->m; i++) memcpy(t->c + i * t->ldc, c + i * NR, n);
}

/* ---- packing ---- */

/* n <= VL rows of src[.., k] -> dst[k * NR], zeros for those that are missing. */
INLINE void transpose(float *dst, const void *src, enum dtype t, int64_t at, int64_t ld, int n, int k)
{
    const int size = t == DT_F32 ? 4 : 2, per = LINE / size;
    char line[VL * STAGE];
    for (int j = 0; j < k; j += per) {
        int d = k - j < per ? k - j : per;
        stage(line, (const char *)src + (at + j) * size, ld * size, n, d * size);
        for (int q = 0; q < d; q += PER_16(t)) {
            vf step[8];
            columns(step, line + q * size, STAGE, t);
            float *to = dst + (j + q) * NR;
            int steps = d - q < PER_16(t) ? d - q : PER_16(t);
            if (steps == PER_16(t)) for (int i = 0; i < PER_16(t); i++) vf_store(to + i * NR, step[i]);
            else for (int i = 0; i < steps; i++) vf_store(to + i * NR, step[i]);
        }
    }
}

static void pack_t(float *dst, int first, const void *src, enum dtype t, int64_t ld, int n, int k)
{
    for (int i = 0; i < n; i += VL) {
        float *to = dst + (int64_t)((first + i) / NR) * k * NR + (first + i) % NR;
        for (int r = i + VL; r < i + 2 * VL && r < n; r++) fetch(src, t, r * ld, k);
        if (t == DT_F32) transpose(to, src, DT_F32, i * ld, ld, n - i < VL ? n - i : VL, k);
        else transpose(to, src, DT_BF16, i * ld, ld, n - i < VL ? n - i : VL, k);
    }
    for (int i = (first + n + VL - 1) / VL * VL; i % NR; i += VL)       /* the rest of the last panel */
        for (int j = 0; j < k; j++) vf_store(dst + ((int64_t)(i / NR) * k + j) * NR + i % NR, (vf){ 0 });
}

INLINE void pack_n_row(float *dst, const void *src, enum dtype t, int64_t at, int n, int64_t panel)
{
    int j = 0;
    for (; j + NR <= n; j += NR, dst += panel)
        for (int v = 0; v < NR; v += VL) vf_store(dst + v, vt_load(src, t, at + j + v));
    if (j == n) return;
    for (int v = 0; v < NR; v += VL) {
        int left = n - j - v;
        vf_store(dst + v, left >= VL ? vt_load(src, t, at + j + v) : left > 0 ? vt_load_n(src, t, at + j + v, left) : (vf){ 0 });
    }
}

static void pack_n(float *dst, int depth, const void *src, enum dtype t, int64_t ld, int n, int k)
{
    enum { AHEAD = 8 };
    int64_t panel = (int64_t)depth * NR;
    for (int j = 0; j < k; j++, dst += NR) {
        if (j + AHEAD < k) fetch(src, t, (j + AHEAD) * ld, n);
        if (t == DT_F32) pack_n_row(dst, src, DT_F32, j * ld, n, panel);
        else pack_n_row(dst, src, DT_BF16, j * ld, n, panel);
    }
}

INLINE void pack_a_row(float *dst, const void *src, enum dtype t, int64_t at, int m, int64_t tile)
{
    for (int i = 0; i < m; i += MR, dst += tile)
        for (int v = 0; v < MR; v += VL) {
            int left = (m - i < MR ? m - i : MR) - v;
            if (left >= VL) vf_store(dst + v, vt_load(src, t, at + i + v));
            else if (left > 0) vt_store_n(dst + v, DT_F32, 0, left, vt_load_n(src, t, at + i + v, left));
        }
}

static void pack_a(float *dst, const void *src, enum dtype t, int64_t ld, int m, int k)
{
    enum { AHEAD = 8 };
    for (int j = 0; j < k; j++, dst += MR) {
        if (j + AHEAD < k) fetch(src, t, (j + AHEAD) * ld, m);
        if (t == DT_F32) pack_a_row(dst, src, DT_F32, j * ld, m, (int64_t)k * MR);
        else pack_a_row(dst, src, DT_BF16, j * ld, m, (int64_t)k * MR);
    }
}

const struct vec_gemm VEC(gemm) = { MR, NR, VL, tile, pack_t, pack_n, pack_a };
