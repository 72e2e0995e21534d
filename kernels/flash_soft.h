/* SPDX-License-Identifier: Apache-2.0
 * The softmax of attention forward over tiles of scores as tensor cores leave them (mma.h's D: of 16-row tile m a lane holds
 * the rows own_row(m, 0) and own_row(m, 2)), shared by the kernels on mma.sync and on wgmma.
 */
#ifndef KERNELS_FLASH_SOFT_H
#define KERNELS_FLASH_SOFT_H

#include "flash.h"

/* [dev] nitem; part, ml, sums: of trees that are worked on unit by unit. */
struct flash {
    flash_in q, k, v;
    flash_out o;
    struct heads h;
    const int *nitem; const struct item *item;
    const int *nkey; const struct run *run;
    float *lse;                                /* or NULL */
    const int *part;                           /* [R] */
    float *ml, *sums;                          /* [parts, H, 2] highest score, sum of weights; [parts, H, D]; NULL: o is written */
};

/* What a lane holds of its rows: the highest score, its own share of the sum of weights (of the whole: all of it), and
 * weighted sums of values. */
template <int DP, int M> struct soft { float top[M][2], sum[M][2], acc[M][DP / 8][4]; };

template <int DP, int M> static __device__ __forceinline__ void soft_begin(struct soft<DP, M> *x)
{
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) { x->top[m][i] = -INFINITY; x->sum[m][i] = 0; }
    zero_sums<M, DP / 8>(x->acc);
}

/* Scores of the 8 N positions from `begin` on become weights. The sums of values so far are scaled to the new highest score, or,
 * where products still add to them, shrink gets what they are to be scaled by. whole: all rows see all of the positions. */
template <int DP, int M, int N> static __device__ __forceinline__ void weigh(struct soft<DP, M> *x, float (*s)[N][4], const int (*limit)[2], int begin,
                                                                            float scale2, bool whole, float (*shrink)[2])
{
    int col = begin + (int)(threadIdx.x % 4) * 2;
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) {
            float top = x->top[m][i], high = top, sum = 0;
            if (!whole)
                UNROLL for (int n = 0; n < N; n++)
                    UNROLL for (int j = 0; j < 2; j++)
                        if (col + n * 8 + j >= limit[m][i]) s[m][n][2 * i + j] = -INFINITY;
            UNROLL for (int n = 0; n < N; n++)
                UNROLL for (int j = 0; j < 2; j++) high = fmaxf(high, s[m][n][2 * i + j]);
            high = quad_max(high);
            float base = high == -INFINITY ? 0 : high * scale2, by = top == high ? 1 : exp2_fast((top - high) * scale2);
            UNROLL for (int n = 0; n < N; n++)
                UNROLL for (int j = 0; j < 2; j++) {
                    s[m][n][2 * i + j] = exp2_fast(fmaf(s[m][n][2 * i + j], scale2, -base));
                    sum += s[m][n][2 * i + j];
                }
            x->top[m][i] = high;
            x->sum[m][i] = fmaf(x->sum[m][i], by, sum);
            if (shrink) { shrink[m][i] = by; continue; }
            UNROLL for (int d = 0; d < DP / 8; d++)
                UNROLL for (int j = 0; j < 2; j++) x->acc[m][d][2 * i + j] *= by;
        }
}

/* Rows of the stack from x0 on: to o and lse, or to the parts. x->sum complete. */
template <int DP, int M> static __device__ __forceinline__ void put_rows(const struct flash *f, const struct soft<DP, M> *x, struct item it, int kh, int x0)
{
    int t = (int)(threadIdx.x % 4), D = f->h.D;
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) {
            int s = x0 + own_row(m, 2 * i);
            if (s >= it.nrow * f->h.group) continue;
            int row = it.row + s / f->h.group, head = kh * f->h.group + s % f->h.group;
            size_t part = f->sums ? (size_t)(f->part[row] + it.begin / UNIT) * (size_t)f->h.n + (size_t)head : 0;
            float inv = 1 / x->sum[m][i];
            UNROLL for (int d = 0; d < DP / 8; d++) {
                int col = d * 8 + t * 2;
                if (col >= D) continue;
                if (f->sums) store<float, 2>(f->sums + part * (size_t)D + (size_t)col, x->acc[m][d] + 2 * i);
                else *(uint32_t *)at(f->o, row, head * D + col) = two_bf16(x->acc[m][d][2 * i] * inv, x->acc[m][d][2 * i + 1] * inv);
            }
            if (t) continue;
            if (f->sums) { f->ml[2 * part] = x->top[m][i]; f->ml[2 * part + 1] = x->sum[m][i]; }
            else if (f->lse) f->lse[(size_t)row * (size_t)f->h.n + (size_t)head] = fmaf(x->top[m][i], f->h.scale, logf(x->sum[m][i]));
        }
}

#endif
