/* SPDX-License-Identifier: Apache-2.0
 * Sums over rows: chunks of rows into parts, then the parts in order. What a part holds is fixed by the number of rows.
 */
#include "gpu.h"

enum { SUM_X = 32, SUM_Y = 8, MOST_PARTS = 512, LEAST_ROWS = 128, PARTS_Y = 16 };

/* A block takes WARP columns, each of its rows of threads every PARTS_Y-th part. */
__global__ void sum_parts(float *out, const float *part, int n, int parts)
{
    __shared__ float sum[PARTS_Y][WARP];
    int i = (int)(blockIdx.x * WARP + threadIdx.x);
    float s = 0, all = 0;
    UNROLL_BY_8 for (int p = (int)threadIdx.y; p < (i < n ? parts : 0); p += PARTS_Y) s += part[(size_t)p * (size_t)n + (size_t)i];
    sum[threadIdx.y][threadIdx.x] = s;
    __syncthreads();
    if (threadIdx.y || i >= n) return;
    for (int k = 0; k < PARTS_Y; k++) all += sum[k][threadIdx.x];
    out[i] += all;
}

void cuda_sum_parts(struct cuda *c, float *out, const float *part, int n, int parts)
{
    if (n > 0 && parts > 0) LAUNCH(c, sum_parts, dim3((unsigned)div_up(n, WARP)), dim3(WARP, PARTS_Y), 0, out, part, n, parts);
}

/* Block (b, k): columns from b * SUM_X * N on, rows of part k; each thread every SUM_Y-th row of it. */
template <class T, int N> __global__ void column_sums(float *part, struct view<const T> x, struct view<const T> y, int rows)
{
    __shared__ float sum[SUM_Y][SUM_X * N];
    unsigned col = (blockIdx.x * SUM_X + threadIdx.x) * N, mine = threadIdx.x * N;
    int first = (int)blockIdx.y * rows, end = first + rows < x.rows ? first + rows : x.rows;
    float s[N] = { 0 }, a[N], b[N];
    bool inside = col < (unsigned)x.cols;
    for (int i = 0; i < N; i++) b[i] = 1;
    UNROLL_BY_8 for (int r = first + (int)threadIdx.y; r < (inside ? end : first); r += SUM_Y) {
        load<T, N>(a, at(x, r, (int)col));
        if (y.p) load<T, N>(b, at(y, r, (int)col));
        for (int i = 0; i < N; i++) s[i] += a[i] * b[i];
    }
    for (int i = 0; i < N; i++) sum[threadIdx.y][mine + (unsigned)i] = s[i];
    __syncthreads();
    if (threadIdx.y || !inside) return;
    for (int i = 0; i < N; i++) {
        float all = 0;
        for (int k = 0; k < SUM_Y; k++) all += sum[k][mine + (unsigned)i];
        part[(size_t)blockIdx.y * (size_t)x.cols + col + (unsigned)i] = all;
    }
}

void cuda_column_sums(struct cuda *c, float *out, struct mat x, struct mat y)
{
    if (x.rows < 1 || x.cols < 1) return;
    int rows = div_up(x.rows, MOST_PARTS) > LEAST_ROWS ? div_up(x.rows, MOST_PARTS) : LEAST_ROWS, parts = div_up(x.rows, rows);
    float *part = (float *)cuda_scratch(c, SCRATCH_SUMS, (size_t)parts * (size_t)x.cols * sizeof *part);
    if (!part) return;
    BY_TYPE(x.t, T, BY_PACK(sizeof(T), cuda_packs(x, y), N,
        LAUNCH(c, (column_sums<T, N>), dim3((unsigned)div_up(x.cols, SUM_X * N), (unsigned)parts), dim3(SUM_X, SUM_Y), 0,
               part, view_of<const T>(x), view_of<const T>(y), rows)));
    cuda_sum_parts(c, out, part, x.cols, parts);
}
