/* SPDX-License-Identifier: Apache-2.0
 * LayerNorm and RMSNorm. A row belongs to a warp, or to a block of warps where it is wide. HELD: each thread has one pack of
 * it at most, which it keeps in registers; beyond MOST_BLOCK packs it goes through its packs again for each sum.
 */
#include "gpu.h"

enum { ROWS_A_BLOCK = 4, GRAD_PARTS = 512, GRAD_ROWS = 16 };

/* Threads of a row, by its width alone. */
static dim3 row_block(int cols, int pack)
{
    int x = div_up(div_up(cols, pack), WARP) * WARP;
    if (x > MOST_BLOCK) x = MOST_BLOCK;
    return dim3((unsigned)x, x == WARP ? ROWS_A_BLOCK : 1);
}

static bool held(int cols, int pack) { return div_up(cols, pack) <= MOST_BLOCK; }

#define BY_HELD(yes, HELD, ...) do { if (yes) { enum { HELD = 1 }; __VA_ARGS__; } else { enum { HELD = 0 }; __VA_ARGS__; } } while (0)
#define ROW_COLS(col, cols, N, HELD) \
    (unsigned col = threadIdx.x * (N); col < (unsigned)(cols); col = (HELD) ? (unsigned)(cols) : col + blockDim.x * (N))

/* Whether the row exists; all threads of a block go through the barriers of row_sum either way. */
template <class T, int N, int HELD> __global__ void __launch_bounds__(MOST_BLOCK) norm_rows(enum norm kind, struct view<T> y, struct view<const T> x, const float *g,
                                                    const float *b, float eps, float *stat)
{
    int row = (int)TILE_ROW();
    bool inside = row < x.rows;
    float v[N] = { 0 }, sum = 0, mean = 0;
    if (!inside) row = 0;
    if (HELD) for ROW_COLS(col, x.cols, N, HELD) load<T, N>(v, at(x, row, (int)col));
    if (kind == NORM_LAYER) {
        for ROW_COLS(col, x.cols, N, HELD) {
            if (!HELD) load<T, N>(v, at(x, row, (int)col));
            for (int i = 0; i < N; i++) sum += v[i];
        }
        mean = row_sum(sum) / (float)x.cols;
    }
    sum = 0;
    for ROW_COLS(col, x.cols, N, HELD) {
        if (!HELD) load<T, N>(v, at(x, row, (int)col));
        for (int i = 0; i < N; i++) sum += (v[i] - mean) * (v[i] - mean);
    }
    float rstd = 1.0f / sqrtf(row_sum(sum) / (float)x.cols + eps);
    if (!inside) return;
    for ROW_COLS(col, x.cols, N, HELD) {
        float gain[N], shift[N] = { 0 };
        if (!HELD) load<T, N>(v, at(x, row, (int)col));
        load<float, N>(gain, g + col);
        if (b) load<float, N>(shift, b + col);
        for (int i = 0; i < N; i++) v[i] = (v[i] - mean) * rstd * gain[i] + shift[i];
        store<T, N>(at(y, row, (int)col), v);
    }
    if (stat && threadIdx.x == 0) {
        stat[2 * row] = mean;
        stat[2 * row + 1] = rstd;
    }
}

static void norm(struct ops *o, enum norm kind, struct mat y, struct mat x, const float *g, const float *b, float eps, float *stat)
{
    struct cuda *c = cuda_of(o);
    assert(y.rows == x.rows && y.cols == x.cols);
    if (x.rows < 1) return;
    BY_TYPE(x.t, T, BY_PACK(sizeof(T), cuda_packs(y, x, g, b), N, BY_HELD(held(x.cols, N), HELD,
        dim3 block = row_block(x.cols, N);
        LAUNCH(c, (norm_rows<T, N, HELD>), dim3((unsigned)div_up(x.rows, (int)block.y)), block, 0,
               kind, view_of<T>(y), view_of<const T>(x), g, b, eps, stat))));
}

/* ---- backward: dx of every row; the gradients of g and b as parts, one for each block's run of rows ---- */

static __device__ __forceinline__ size_t own_part(int cols) { return (size_t)(blockIdx.x * blockDim.y + threadIdx.y) * (size_t)cols; }

/* A thread adds to its own columns of its block's part only: in registers where it has one pack, in memory (zero before)
 * where it has more. */
template <class T, int N, int HELD> __global__ void __launch_bounds__(MOST_BLOCK) norm_rows_bwd(enum norm kind, struct view<T> dx, float *dg, float *db,
                                        struct view<const T> dy, struct view<const T> x, const float *g, const float *stat, float share, int rows)
{
    int first = (int)blockIdx.x * rows, end = first + rows < x.rows ? first + rows : x.rows;
    float xs[N] = { 0 }, ds[N] = { 0 }, gain[N], gs[N] = { 0 }, bs[N] = { 0 };
    pack<T, N> to = {};                        /* as it is in memory: to have registers for the rest */
    for (int row = first + (int)threadIdx.y; row - (int)threadIdx.y < end; row += (int)blockDim.y) {
        bool inside = row < end;
        float mean = stat[2 * (inside ? row : first)], rstd = stat[2 * (inside ? row : first) + 1], m1 = 0, m2 = 0;
        for ROW_COLS(col, inside ? x.cols : 0, N, HELD) {
            load<T, N>(xs, at(x, row, (int)col));
            load<T, N>(ds, at(dy, row, (int)col));
            load<float, N>(gain, g + col);
            if (HELD) to = *(const pack<T, N> *)at(dx, row, (int)col);
            for (int i = 0; i < N; i++) { m1 += ds[i] * gain[i]; m2 += ds[i] * gain[i] * ((xs[i] - mean) * rstd); }
        }
        row_sums(&m1, &m2);
        m1 = kind == NORM_LAYER ? m1 * share : 0;
        m2 *= share;
        for ROW_COLS(col, inside ? x.cols : 0, N, HELD) {
            load<float, N>(gain, g + col);
            if (!HELD) {
                load<T, N>(xs, at(x, row, (int)col));
                load<T, N>(ds, at(dy, row, (int)col));
                to = *(const pack<T, N> *)at(dx, row, (int)col);
                if (dg) load<float, N>(gs, dg + own_part(x.cols) + col);
                if (db) load<float, N>(bs, db + own_part(x.cols) + col);
            }
            for (int i = 0; i < N; i++) {
                float xh = (xs[i] - mean) * rstd;
                from_float(&to.v[i], to_float(to.v[i]) + rstd * (ds[i] * gain[i] - m1 - xh * m2));
                gs[i] += ds[i] * xh;
                bs[i] += ds[i];
            }
            *(pack<T, N> *)at(dx, row, (int)col) = to;
            if (!HELD && dg) store<float, N>(dg + own_part(x.cols) + col, gs);
            if (!HELD && db) store<float, N>(db + own_part(x.cols) + col, bs);
        }
    }
    if (HELD) for ROW_COLS(col, x.cols, N, HELD) {
        if (dg) store<float, N>(dg + own_part(x.cols) + col, gs);
        if (db) store<float, N>(db + own_part(x.cols) + col, bs);
    }
}

static void norm_bwd(struct ops *o, enum norm kind, struct mat dx, float *dg, float *db, struct mat dy, struct mat x,
                     const float *g, const float *stat)
{
    struct cuda *c = cuda_of(o);
    assert(dx.rows == x.rows && dx.cols == x.cols && dy.rows == x.rows && dy.cols == x.cols);
    if (x.rows < 1) return;
    BY_TYPE(x.t, T, BY_PACK(sizeof(T), cuda_packs(dx, dy, x, g), N, BY_HELD(held(x.cols, N), HELD,
        dim3 block = row_block(x.cols, N);
        int rows = div_up(x.rows, GRAD_PARTS) > GRAD_ROWS ? div_up(x.rows, GRAD_PARTS) : GRAD_ROWS, blocks = div_up(x.rows, rows);
        int parts = blocks * (int)block.y;
        size_t n = (size_t)parts * (size_t)x.cols, kinds = (dg != NULL) + (db != NULL);
        float *part = kinds ? (float *)cuda_scratch(c, SCRATCH_SUMS, kinds * n * sizeof(float)) : NULL;
        if (kinds && !part) return;
        float *gpart = dg ? part : NULL, *bpart = db ? part + (dg ? n : 0) : NULL;
        if (kinds && !HELD) o->zero(o, part, kinds * n * sizeof(float));
        LAUNCH(c, (norm_rows_bwd<T, N, HELD>), dim3((unsigned)blocks), block, 0, kind, view_of<T>(dx), gpart, bpart,
               view_of<const T>(dy), view_of<const T>(x), g, stat, 1 / (float)x.cols, rows);
        if (dg) cuda_sum_parts(c, dg, gpart, x.cols, parts);
        if (db) cuda_sum_parts(c, db, bpart, x.cols, parts))));
}

void cuda_set_norms(struct ops *o)
{
    o->norm = norm;
    o->norm_bwd = norm_bwd;
}
