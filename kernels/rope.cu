/* SPDX-License-Identifier: Apache-2.0
 * Rotary positions, in place. The halves of a head lie D / 2 apart, so packs are of columns of a half.
 */
#include "gpu.h"

template <class T, int N> __global__ void rope_rows(struct view<T> x, int heads, int half, const int *pos, const float *cs, bool back)
{
    int row = (int)TILE_ROW();
    if (row >= x.rows) return;
    const float *angle = cs + (size_t)pos[row] * (size_t)half * 2;
    for TILE_COLS(k, heads * half, N) {        /* the k-th pair of the row */
        int head = (int)k / half, i0 = (int)k % half;
        float a[N], b[N], r[2 * N];
        T *first = at(x, row, head * 2 * half + i0);
        load<T, N>(a, first);
        load<T, N>(b, first + half);
        load<float, 2 * N>(r, angle + 2 * i0);
        for (int i = 0; i < N; i++) {
            float c = r[2 * i], s = back ? -r[2 * i + 1] : r[2 * i + 1], u = a[i];
            a[i] = u * c - b[i] * s;
            b[i] = b[i] * c + u * s;
        }
        store<T, N>(first, a);
        store<T, N>(first + half, b);
    }
}

static void rope(struct ops *o, struct mat x, int heads, int head_dim, const int *pos, const float *cs, bool back)
{
    struct cuda *c = cuda_of(o);
    int half = head_dim / 2;
    assert(x.cols == heads * head_dim && head_dim % 2 == 0);
    if (x.rows < 1 || half < 1) return;
    const int *p = cuda_ints(c, pos, (size_t)x.rows);
    if (!p) return;
    BY_TYPE(x.t, T, BY_PACK(sizeof(T), cuda_packs(x) && cuda_packs(cs) && half % 8 == 0, N,
        struct tiling t = tile_rows(x.rows, heads * half, N);
        LAUNCH(c, (rope_rows<T, N>), t.grid, t.block, 0, view_of<T>(x), heads, half, p, cs, back)));
}

void cuda_set_rope(struct ops *o) { o->rope = rope; }
