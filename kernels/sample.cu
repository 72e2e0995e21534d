/* SPDX-License-Identifier: Apache-2.0
 * One token from a row of logits, by the distribution and the rules of search/sample.h; a block a draw.
 *
 * Weights exp((logit - max) / t) are taken as integers in units of 2^-40 of the likeliest token's, so that sums of them do
 * not depend on the order, whatever the number of threads: a draw has the same result every time. Top-k and top-p look for
 * the logit at which the k-th token, or the wanted mass, is reached: first among buckets of equal width below the largest
 * logit, then, among those in its bucket, a digit of 8 bits at a time, from the highest, of integers that are ordered as the
 * logits are. Of equal logits at that border the lower ids stay.
 *
 * What it takes is passes over the row: one for the maximum and the sum, one for the choice; two each for top-k and top-p,
 * and one between these two.
 */
#include "gpu.h"

#include <stdlib.h>

enum { SAMPLE_BLOCK = 512, WARPS = SAMPLE_BLOCK / WARP, BUCKETS = 2048, DIGITS = 256, LISTED = 4096 };
typedef unsigned long long mass;

/* What top-k or top-p leave: logits above the border, and `ties` of those at it, which weigh `one` each. */
struct border { uint32_t key; mass ties, one; };

/* scale: buckets for a unit of logit. */
struct row_of { const float *l; int V; float top, inverse_t, scale; };

static __device__ __forceinline__ uint32_t key_of(float x)
{
    uint32_t u;
    x += 0.0f;                                 /* -0 and 0 are equal */
    memcpy(&u, &x, 4);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static __device__ __forceinline__ float logit_of(uint32_t key)
{
    uint32_t u = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &u, 4);
    return x;
}

static __device__ __forceinline__ mass weight_of(const struct row_of *r, float x)
{
    return (mass)(expf((x - r->top) * r->inverse_t) * 1099511627776.0f);
}

/* Never lower for a lower logit; the last one holds all that is far below. */
static __device__ __forceinline__ int bucket_of(const struct row_of *r, float x) { return (int)fminf((r->top - x) * r->scale, BUCKETS - 1); }

/* Eight logits, `step` apart, so that as many loads are on their way at once; behind the end -INFINITY, which weighs nothing. */
static __device__ __forceinline__ void eight(float *x, const float *l, int v, int step, int end)
{
    for (int i = 0; i < 8; i++) x[i] = v + i * step < end ? l[v + i * step] : -INFINITY;
}

static __device__ __forceinline__ mass warp_mass(mass x)
{
    for (int d = WARP / 2; d; d /= 2) x += __shfl_xor_sync(FULL_WARP, x, d);
    return x;
}

/* Of the lanes up to this one. */
static __device__ __forceinline__ mass warp_cumulated(mass x)
{
    for (int d = 1; d < WARP; d *= 2) {
        mass low = __shfl_up_sync(FULL_WARP, x, d);
        if ((int)(threadIdx.x % WARP) >= d) x += low;
    }
    return x;
}

static __device__ mass block_mass(mass x)
{
    __shared__ mass part[WARPS];
    mass sum = 0;
    x = warp_mass(x);
    if (threadIdx.x % WARP == 0) part[threadIdx.x / WARP] = x;
    __syncthreads();
    for (int w = 0; w < WARPS; w++) sum += part[w];
    __syncthreads();
    return sum;
}

/* ---- buckets, the likeliest first ---- */

/* Sums of 64 bits in two halves: shared memory adds 32 bits at once, 64 only by trying again and again. */
struct buckets { uint32_t low[BUCKETS], high[BUCKETS]; };

static __device__ void buckets_clear(struct buckets *b)
{
    for (unsigned i = threadIdx.x; i < BUCKETS; i += SAMPLE_BLOCK) b->low[i] = b->high[i] = 0;
    __syncthreads();
}

static __device__ __forceinline__ void buckets_add(struct buckets *b, int i, mass m)
{
    uint32_t low = (uint32_t)m, was = atomicAdd(&b->low[i], low), high = (uint32_t)(m >> 32) + (was + low < was);
    if (high) atomicAdd(&b->high[i], high);
}

static __device__ __forceinline__ mass bucket_mass(const struct buckets *b, int i) { return (mass)b->high[i] << 32 | b->low[i]; }

/* The bucket at which the sum reaches `want` (at least 1, at most all there is), and what of it is wanted. */
struct place { int bucket; mass want; };
static __device__ struct place buckets_find(const struct buckets *b, mass want)
{
    enum { EACH = BUCKETS / SAMPLE_BLOCK };
    __shared__ mass of_warp[WARPS];
    __shared__ struct place found;
    int i = (int)threadIdx.x * EACH;
    mass own = 0;
    for (int k = 0; k < EACH; k++) own += bucket_mass(b, i + k);
    mass sum = warp_cumulated(own), before = sum - own;
    if (threadIdx.x % WARP == WARP - 1) of_warp[threadIdx.x / WARP] = sum;
    __syncthreads();
    for (unsigned w = 0; w < threadIdx.x / WARP; w++) before += of_warp[w];
    if (before < want && want <= before + own) {
        want -= before;
        while (bucket_mass(b, i) < want) want -= bucket_mass(b, i++);
        found = { i, want };
    }
    __syncthreads();
    return found;
}

/* ---- the border ---- */

/* Sorts all tokens into buckets, by weight or (count) by number; the sum. */
static __device__ mass sort_row(const struct row_of *r, struct buckets *b, bool count)
{
    mass rest = 0, own = 0;
    buckets_clear(b);
    for (int v = (int)threadIdx.x; v < r->V; v += 8 * SAMPLE_BLOCK) {
        float x[8];
        mass m[8];
        eight(x, r->l, v, SAMPLE_BLOCK, r->V);
        for (int i = 0; i < 8; i++) m[i] = count ? (mass)(v + i * SAMPLE_BLOCK < r->V) : weight_of(r, x[i]);
        for (int i = 0; i < 8; i++) {
            int to = bucket_of(r, x[i]);
            if (to == BUCKETS - 1) rest += m[i];   /* most tokens; not one by one into the same place */
            else if (m[i]) buckets_add(b, to, m[i]);
        }
    }
    buckets_add(b, BUCKETS - 1, rest);
    __syncthreads();
    for (unsigned i = threadIdx.x; i < BUCKETS; i += SAMPLE_BLOCK) own += bucket_mass(b, (int)i);
    return block_mass(own);
}

/* The tokens of a bucket go into the list, in any order; their number, however many fit. */
static __device__ int list_bucket(const struct row_of *r, int bucket, float *list)
{
    __shared__ int listed;
    if (threadIdx.x == 0) listed = 0;
    __syncthreads();
    for (int v = (int)threadIdx.x; v < r->V; v += 8 * SAMPLE_BLOCK) {
        float x[8];
        eight(x, r->l, v, SAMPLE_BLOCK, r->V);
        for (int i = 0; i < 8; i++) {
            if (v + i * SAMPLE_BLOCK >= r->V || bucket_of(r, x[i]) != bucket) continue;
            int at = atomicAdd(&listed, 1);
            if (at < LISTED) list[at] = x[i];
        }
    }
    __syncthreads();
    return listed;
}

/* The border at which the sum over the largest logits reaches `want`, of weights or (count) of tokens; b as sorted. */
static __device__ struct border find_border(const struct row_of *r, struct buckets *b, mass want, bool count)
{
    __shared__ float list[LISTED];
    struct place p = buckets_find(b, want);
    int bucket = p.bucket, n = list_bucket(r, bucket, list);
    const float *l = list;
    uint32_t key = 0;                          /* the digits found so far */
    if (n > LISTED) { l = r->l; n = r->V; }
    for (int shift = 24; shift >= 0; shift -= 8) {
        buckets_clear(b);
        for (int v = (int)threadIdx.x; v < n; v += SAMPLE_BLOCK) {
            uint32_t k = key_of(l[v]);
            if (bucket_of(r, l[v]) == bucket && (shift == 24 || k >> (shift + 8) == key))
                buckets_add(b, DIGITS - 1 - (int)(k >> shift & (DIGITS - 1)), count ? (mass)1 : weight_of(r, l[v]));
        }
        __syncthreads();
        p = buckets_find(b, p.want);
        key = key << 8 | (uint32_t)(DIGITS - 1 - p.bucket);
    }
    mass one = weight_of(r, logit_of(key));
    return { key, count ? p.want : one ? (p.want + one - 1) / one : 1, one };
}

/* ---- the choice ---- */

/* Ids [begin, end), `each` of them for a warp, the warps' parts in order; `ties` at the border in front of begin. */
struct range { int begin, end, each; mass ties; };
static __device__ struct range range_of(int begin, int end, mass ties)
{
    return { begin, end, (end - begin + SAMPLE_BLOCK - 1) / SAMPLE_BLOCK * WARP, ties };
}

/* What stays of a range, and the ties there, by warps. */
struct tally { mass weight[WARPS], ties[WARPS]; };

static __device__ mass tally_range(const struct row_of *r, struct border b, struct range a, struct tally *t)
{
    int w = (int)(threadIdx.x / WARP), lane = (int)(threadIdx.x % WARP), begin = a.begin + w * a.each;
    int end = begin + a.each < a.end ? begin + a.each : a.end;
    mass sum = 0, ties = 0, total = 0;
    for (int v = begin + lane; v < end; v += 8 * WARP) {
        float x[8];
        eight(x, r->l, v, WARP, end);
        for (int i = 0; i < 8; i++) {
            uint32_t k = key_of(x[i]);
            mass m = weight_of(r, x[i]);
            sum += k > b.key ? m : 0;
            ties += k == b.key && v + i * WARP < end;
        }
    }
    sum = warp_mass(sum);
    ties = warp_mass(ties);
    if (lane == 0) t->ties[w] = ties;
    __syncthreads();
    for (int i = 0; i < w; i++) a.ties += t->ties[i];
    mass room = b.ties > a.ties ? b.ties - a.ties : 0;
    if (lane == 0) t->weight[w] = sum + (ties < room ? ties : room) * b.one;
    __syncthreads();
    for (int i = 0; i < WARPS; i++) total += t->weight[i];
    return total;
}

/* The token of a range of a warp at most at which the weight cumulated exceeds the target; every warp finds it. */
static __device__ int pick(const struct row_of *r, struct border b, struct range a, mass target)
{
    int v = a.begin + (int)(threadIdx.x % WARP);
    uint32_t k = v < a.end ? key_of(r->l[v]) : 0;
    bool tie = v < a.end && k == b.key;
    unsigned before = __ballot_sync(FULL_WARP, tie) & ((1u << (threadIdx.x % WARP)) - 1);
    bool stays = v < a.end && (k > b.key || (tie && a.ties + (mass)__popc(before) < b.ties));
    mass w = stays ? weight_of(r, r->l[v]) : 0, sum = warp_cumulated(w);
    return a.begin + __ffs((int)__ballot_sync(FULL_WARP, w && sum > target)) - 1;
}

/* From the whole row to the part of a warp, of that again to the part of a warp, and on. */
static __device__ int draw_token(struct row_of *r, const struct draw_how *how)
{
    __shared__ struct buckets buckets;
    __shared__ struct tally t;
    struct border b = { 0, 0, 0 };             /* below every number: all stay */
    struct range a = range_of(0, r->V, 0);
    bool cut = how->top_k > 0 && how->top_k < r->V;
    if (cut) {
        r->scale = 64;
        sort_row(r, &buckets, true);
        b = find_border(r, &buckets, (mass)how->top_k, true);
    }
    if (how->top_p < 1) {
        mass kept = cut ? tally_range(r, b, a, &t) : 0;
        r->scale = r->inverse_t * (BUCKETS / 28.0f);       /* exp(-28) is less than a unit */
        mass all = sort_row(r, &buckets, false), total = cut ? kept : all, want = (mass)ceil(how->top_p * (double)total);
        b = find_border(r, &buckets, want > total ? total : want ? want : 1, false);
    }
    mass total = tally_range(r, b, a, &t), target = (mass)(how->u * (double)total);
    if (target >= total) target = total - 1;
    for (;;) {
        int w = 0;
        for (; w < WARPS - 1 && t.weight[w] <= target; w++) {
            target -= t.weight[w];
            a.ties += t.ties[w];
        }
        int begin = a.begin + w * a.each;
        a = range_of(begin, begin + a.each < a.end ? begin + a.each : a.end, a.ties);
        if (a.end - a.begin <= WARP) return pick(r, b, a, target);
        __syncthreads();                       /* all have read the tally */
        tally_range(r, b, a, &t);
    }
}

__global__ void __launch_bounds__(SAMPLE_BLOCK, 2) draw_rows(struct view<const float> logit, const struct draw_how *how, struct drawn *out)
{
    const struct draw_how *h = &how[blockIdx.x];
    struct row_of r = { at(logit, h->row, 0), logit.cols, 0, (float)fmin(1 / h->temperature, 1e30), 0 };
    struct softmax s = { -FLT_MAX, 0 };
    float x[8], first = -INFINITY;
    for (int v = (int)threadIdx.x; v < r.V; v += 8 * SAMPLE_BLOCK) {
        eight(x, r.l, v, SAMPLE_BLOCK, r.V);
        softmax_add<8>(&s, x);
    }
    s = row_softmax(s);                        /* no sum where the row holds NaN, or no finite maximum */
    if (!(s.sum > 0 && s.sum < INFINITY)) {
        if (threadIdx.x == 0) out[blockIdx.x] = { -1, 0 };
        return;
    }
    r.top = s.top;
    int id;
    if (h->temperature > 0) id = draw_token(&r, h);
    else {
        UNROLL_BY_8 for (int v = (int)threadIdx.x; v < r.V; v += SAMPLE_BLOCK)
            if (r.l[v] == s.top) first = fmaxf(first, -(float)v);
        id = (int)-row_max(first);
    }
    if (threadIdx.x == 0) out[blockIdx.x] = { id, r.l[id] - s.top - logf(s.sum) };
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
