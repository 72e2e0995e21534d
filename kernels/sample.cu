/* SPDX-License-Identifier: Apache-2.0
 * One token from a row of logits, by the distribution and the rules of search/sample.h; a block a draw.
 *
 * Weights exp((logit - max) / t) are taken as integers in units of 2^-40 of the likeliest token's, so that sums of them do
 * not depend on the order, whatever the number of threads: a draw has the same result every time. Top-k and top-p look for
 * the logit at which the k-th token, or the wanted mass, is reached: a digit of 8 bits at a time, from the highest, of
 * integers that are ordered as the logits are. Of equal logits at that border the lower ids stay.
 */
#include "gpu.h"

#include <stdlib.h>

enum { SAMPLE_BLOCK = 512, WARPS = SAMPLE_BLOCK / WARP, DIGITS = 256 };
typedef unsigned long long mass;

/* What top-k or top-p leave: logits above the border, and `ties` of those at it. */
struct border { uint32_t key; mass ties; };

struct row_of { const float *l; int V; float top, inverse_t; };

static __device__ __forceinline__ uint32_t key_of(float x)
{
    uint32_t u;
    x += 0.0f;                                 /* -0 and 0 are equal */
    memcpy(&u, &x, 4);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static __device__ __forceinline__ mass weight_of(const struct row_of *r, float x)
{
    float d = x - r->top;
    return d < 0 ? (mass)(expf(d * r->inverse_t) * 1099511627776.0f) : (mass)1 << 40;
}

static __device__ __forceinline__ mass warp_mass(mass x)
{
    for (int d = WARP / 2; d; d /= 2) x += __shfl_xor_sync(FULL_WARP, x, d);
    return x;
}

/* A warp's ids: [begin, end), the warps' ranges in order. */
static __device__ __forceinline__ void warp_range(int V, int *begin, int *end)
{
    int each = (V + SAMPLE_BLOCK - 1) / SAMPLE_BLOCK * WARP, w = (int)(threadIdx.x / WARP);
    *begin = w * each < V ? w * each : V;
    *end = *begin + each < V ? *begin + each : V;
}

/* The border at which the sum over the largest logits reaches `want`, of weights or (count) of tokens. */
static __device__ struct border find_border(const struct row_of *r, mass want, bool count)
{
    __shared__ mass digit[DIGITS];
    __shared__ struct border found;
    uint32_t above = 0;                        /* the digits found so far */
    for (int shift = 24; shift >= 0; shift -= 8) {
        if (threadIdx.x < DIGITS) digit[threadIdx.x] = 0;
        __syncthreads();
        for (int v = (int)threadIdx.x; v < r->V; v += SAMPLE_BLOCK) {
            uint32_t k = key_of(r->l[v]);
            if (shift == 24 || k >> (shift + 8) == above) atomicAdd(&digit[k >> shift & 255], count ? (mass)1 : weight_of(r, r->l[v]));
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int d = DIGITS - 1;
            mass left = want;
            while (d > 0 && digit[d] < left) left -= digit[d--];
            found.key = above << 8 | (uint32_t)d;
            found.ties = left;
        }
        __syncthreads();
        above = found.key;
        want = found.ties;
    }
    __syncthreads();
    if (count) return { above, want };
    float at;                                  /* the logit whose key it is */
    uint32_t u = above & 0x80000000u ? above & 0x7fffffffu : ~above;
    memcpy(&at, &u, 4);
    mass one = weight_of(r, at);
    return { above, one ? (want + one - 1) / one : 1 };
}

/* Does the warp's token v (lanes in order) stay? ties: of those at the border before these 32; goes on. */
static __device__ __forceinline__ bool stays(const struct row_of *r, struct border b, int v, int end, mass *ties)
{
    uint32_t k = v < end ? key_of(r->l[v]) : 0;
    bool tie = v < end && k == b.key;
    unsigned all = __ballot_sync(FULL_WARP, tie), before = all & ((1u << (threadIdx.x % WARP)) - 1);
    bool in = (v < end && k > b.key) || (tie && *ties + (mass)__popc(before) < b.ties);
    *ties += (mass)__popc(all);
    return in;
}

/* Ties in front of this warp's range. */
static __device__ mass ties_before(const struct row_of *r, struct border b)
{
    __shared__ mass count[WARPS];
    int begin, end;
    mass n = 0, before = 0;
    warp_range(r->V, &begin, &end);
    for (int v = begin + (int)(threadIdx.x % WARP); v < end; v += WARP) n += key_of(r->l[v]) == b.key;
    n = warp_mass(n);
    if (threadIdx.x % WARP == 0) count[threadIdx.x / WARP] = n;
    __syncthreads();
    for (unsigned w = 0; w < threadIdx.x / WARP; w++) before += count[w];
    __syncthreads();
    return before;
}

/* The weight within the border, by warps; all get it. */
static __device__ void masses(const struct row_of *r, struct border b, mass before, mass *of_warp)
{
    int begin, end;
    mass sum = 0;
    warp_range(r->V, &begin, &end);
    for (int first = begin; first < end; first += WARP) {
        int v = first + (int)(threadIdx.x % WARP);
        if (stays(r, b, v, end, &before)) sum += weight_of(r, r->l[v]);
    }
    sum = warp_mass(sum);
    if (threadIdx.x % WARP == 0) of_warp[threadIdx.x / WARP] = sum;
    __syncthreads();
}

/* The first id of the warp's range at which the weight cumulated from `cum` on exceeds the target; lane 0 writes it. */
static __device__ void pick(const struct row_of *r, struct border b, mass before, mass cum, mass target, int *id)
{
    int begin, end;
    warp_range(r->V, &begin, &end);
    for (int first = begin; first < end; first += WARP) {
        int v = first + (int)(threadIdx.x % WARP);
        mass w = stays(r, b, v, end, &before) ? weight_of(r, r->l[v]) : 0, sum = w;
        for (int d = 1; d < WARP; d *= 2) {
            mass low = __shfl_up_sync(FULL_WARP, sum, d);
            if ((int)(threadIdx.x % WARP) >= d) sum += low;
        }
        unsigned hit = __ballot_sync(FULL_WARP, w && cum + sum > target);
        if (hit) {
            if (threadIdx.x % WARP == 0) *id = first + __ffs((int)hit) - 1;
            return;
        }
        cum += __shfl_sync(FULL_WARP, sum, WARP - 1);
    }
}

static __device__ int draw_token(const struct row_of *r, const struct draw_how *how)
{
    __shared__ mass of_warp[WARPS];
    __shared__ int id;
    struct border b = { 0, 0 };                /* below every number: all stay */
    if (how->top_k > 0 && how->top_k < r->V) b = find_border(r, (mass)how->top_k, true);
    mass before = ties_before(r, b), total = 0, cum = 0;
    masses(r, b, before, of_warp);
    for (int w = 0; w < WARPS; w++) total += of_warp[w];
    if (how->top_p < 1) {
        mass want = (mass)ceil(how->top_p * (double)total);
        __syncthreads();
        b = find_border(r, want > total ? total : want ? want : 1, false);
        before = ties_before(r, b);
        masses(r, b, before, of_warp);
        total = 0;
        for (int w = 0; w < WARPS; w++) total += of_warp[w];
    }
    mass target = (mass)(how->u * (double)total);
    if (target >= total) target = total - 1;
    unsigned w = 0;
    while (w < WARPS - 1 && cum + of_warp[w] <= target) cum += of_warp[w++];
    if (threadIdx.x / WARP == w) pick(r, b, before, cum, target, &id);
    __syncthreads();
    return id;
}

__global__ void __launch_bounds__(SAMPLE_BLOCK) draw_rows(struct view<const float> logit, const struct draw_how *how, struct drawn *out)
{
    const struct draw_how *h = &how[blockIdx.x];
    struct row_of r = { at(logit, h->row, 0), logit.cols, 0, (float)fmin(1 / h->temperature, 1e30) };
    float top = -INFINITY, z = 0, first = -INFINITY;
    for (int v = (int)threadIdx.x; v < r.V; v += SAMPLE_BLOCK) top = fmaxf(top, r.l[v]);
    top = r.top = row_max(top);
    for (int v = (int)threadIdx.x; v < r.V; v += SAMPLE_BLOCK) z += expf(r.l[v] - top);
    z = row_sum(z);                            /* NaN where the row holds one, or no finite maximum */
    if (!(z < INFINITY)) {
        if (threadIdx.x == 0) out[blockIdx.x] = { -1, 0 };
        return;
    }
    int id;
    if (h->temperature > 0) id = draw_token(&r, h);
    else {
        for (int v = (int)threadIdx.x; v < r.V; v += SAMPLE_BLOCK)
            if (r.l[v] == top) first = fmaxf(first, -(float)v);
        id = (int)-row_max(first);
    }
    if (threadIdx.x == 0) out[blockIdx.x] = { id, r.l[id] - top - logf(z) };
}

static void draw(struct ops *o, struct mat logit, const struct draw_how *how, int n, struct drawn *out)
{
    struct cuda *c = cuda_of(o);
    assert(logit.t == DT_F32 && logit.cols < 1 << 24);
    if (n < 1) return;
    const struct draw_how *h = (const struct draw_how *)cuda_upload(c, how, (size_t)n * sizeof *how);
    struct drawn *to = (struct drawn *)cuda_scratch(c, SCRATCH_SUMS, (size_t)n * sizeof *to);
    if (!h || !to) return;
    LAUNCH(c, draw_rows, dim3((unsigned)n), dim3(SAMPLE_BLOCK), 0, view_of<const float>(logit), h, to);
    o->download(o, out, to, (size_t)n * sizeof *out);
}

void cuda_set_sampling(struct ops *o) { o->draw = draw; }
