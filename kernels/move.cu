/* SPDX-License-Identifier: Apache-2.0
 * Rows moved by index; patches of pixels.
 */
#include "gpu.h"

#include <stdlib.h>

/* Row i of one matrix and row idx[i] of the other; y is to be written, and added to where `add`. */
template <class Y, class X, int N> __global__ void move_rows(struct view<Y> y, struct view<const X> x, const int *idx, int n, bool scatter, bool add)
{
    int i = (int)TILE_ROW();
    float v[N], to[N];
    if (i >= n || idx[i] < 0) return;
    int from = scatter ? i : idx[i], row = scatter ? idx[i] : i;
    for TILE_COLS(col, y.cols, N) {
        load<X, N>(v, at(x, from, (int)col));
        if (add) {
            load<Y, N>(to, at(y, row, (int)col));
            for (int k = 0; k < N; k++) v[k] += to[k];
        }
        store<Y, N>(at(y, row, (int)col), v);
    }
}

static void move(struct ops *o, struct mat y, struct mat x, const int *idx, int n, bool scatter, bool add)
{
    struct cuda *c = cuda_of(o);
    int first = 0;
    while (first < n && idx[first] < 0) first++;
    if (first == n || y.cols < 1) return;      /* nothing moves; there may be no x */
    assert(y.cols <= x.cols);
    const int *index = cuda_ints(c, idx, (size_t)n);
    if (!index) return;
    BY_TYPE(y.t, Y, BY_TYPE(x.t, X, BY_PACK(wider(sizeof(Y), sizeof(X)), cuda_packs(y, x), N,
        struct tiling t = tile_rows(n, y.cols, N);
        LAUNCH(c, (move_rows<Y, X, N>), t.grid, t.block, 0, view_of<Y>(y), view_of<const X>(x), index, n, scatter, add))));
}

static void gather(struct ops *o, struct mat y, struct mat x, const int *idx) { move(o, y, x, idx, y.rows, false, false); }
static void gather_add(struct ops *o, struct mat y, struct mat x, const int *idx) { move(o, y, x, idx, y.rows, false, true); }
static void scatter(struct ops *o, struct mat y, struct mat x, const int *idx) { move(o, y, x, idx, x.rows, true, false); }

/* ---- sums by index ---- */

/* Rows of y that get something, in order, and the rows of x that each gets, in order: row[i] from src[first[i] ..
 * first[i + 1]). One array of ints, laid out as n row, n + 1 first, n src. */
static int *lists_of(const int *idx, int rows, int n, int *nrow)
{
    int *all = (int *)mem_array(3 * (size_t)n + 1, sizeof *all), *row = all, *first = all + n, *src = all + 2 * n + 1;
    int *at = (int *)mem_array((size_t)rows + 1, sizeof *at), used = 0, sum = 0;
    for (int i = 0; i < n; i++)
        if (idx[i] >= 0) at[idx[i]]++;
    for (int r = 0; r < rows; r++) {
        if (!at[r]) continue;
        row[used] = r;
        first[used++] = sum;
        sum += at[r];
        at[r] = sum - at[r];
    }
    first[used] = sum;
    for (int i = 0; i < n; i++)
        if (idx[i] >= 0) src[at[idx[i]]++] = i;
    free(at);
    *nrow = used;
    return all;
}

template <class Y, class X, int N> __global__ void sum_rows(struct view<Y> y, struct view<const X> x, const int *lists, int n, int nrow)
{
    int i = (int)TILE_ROW();
    const int *row = lists, *first = lists + n, *src = lists + 2 * n + 1;
    float v[N], sum[N];
    if (i >= nrow) return;
    for TILE_COLS(col, y.cols, N) {
        int end = first[i + 1];
        load<Y, N>(sum, at(y, row[i], (int)col));
        UNROLL_BY_4 for (int j = first[i]; j < end; j++) {
            load<X, N>(v, at(x, src[j], (int)col));
            for (int k = 0; k < N; k++) sum[k] += v[k];
        }
        store<Y, N>(at(y, row[i], (int)col), sum);
    }
}

static void scatter_add(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    struct cuda *c = cuda_of(o);
    int n = x.rows, nrow;
    assert(y.cols == x.cols);
    if (n < 1 || y.cols < 1) return;
    int *host = lists_of(idx, y.rows, n, &nrow);
    const int *lists = cuda_ints(c, host, 3 * (size_t)n + 1);
    free(host);
    if (!lists || !nrow) return;
    BY_TYPE(y.t, Y, BY_TYPE(x.t, X, BY_PACK(wider(sizeof(Y), sizeof(X)), cuda_packs(y, x), N,
        struct tiling t = tile_rows(nrow, y.cols, N);
        LAUNCH(c, (sum_rows<Y, X, N>), t.grid, t.block, 0, view_of<Y>(y), view_of<const X>(x), lists, n, nrow))));
}

/* ---- patches ---- */

struct patching { int h, w, ph, pw, frames; };

template <class T> __global__ void patch_rows(struct view<T> y, const float *px, struct patching p)
{
    int row = (int)TILE_ROW(), nw = p.w / p.pw, n = p.h / p.ph * nw;
    if (row >= y.rows) return;
    int image = row / n, i = row % n / nw, j = row % nw;
    for TILE_COLS(col, y.cols, 1) {
        int in = (int)col % (p.ph * p.pw), channel = (int)col / (p.ph * p.pw) / p.frames;
        size_t line = ((size_t)image * 3 + (size_t)channel) * (size_t)p.h + (size_t)(i * p.ph + in / p.pw);
        from_float(at(y, row, (int)col), px[line * (size_t)p.w + (size_t)(j * p.pw + in % p.pw)]);
    }
}

static void patchify(struct ops *o, struct mat y, const float *px, int h, int w, int ph, int pw)
{
    assert(y.cols % (3 * ph * pw) == 0 && h >= ph && w >= pw);
    struct patching p = { h, w, ph, pw, y.cols / (3 * ph * pw) };
    if (y.rows < 1) return;
    struct tiling t = tile_rows(y.rows, y.cols, 1);
    BY_TYPE(y.t, T, LAUNCH(cuda_of(o), (patch_rows<T>), t.grid, t.block, 0, view_of<T>(y), px, p));
}

void cuda_set_moves(struct ops *o)
{
    o->gather = gather;
    o->gather_add = gather_add;
    o->scatter = scatter;
    o->scatter_add = scatter_add;
    o->patchify = patchify;
}
