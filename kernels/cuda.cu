/* SPDX-License-Identifier: Apache-2.0
 * The CUDA backend: device, memory, copies, errors, the table. All work goes to one stream, in the order of the calls;
 * only sync(), download() and what returns numbers to the host wait for it.
 */
#include "gpu.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- failures ---- */

void cuda_fail(struct cuda *c, const char *what, const char *why)
{
    if (c->failed) return;
    c->failed = true;
    snprintf(c->why, sizeof c->why, "%s: %s", what, why);
}

void cuda_check(struct cuda *c, cudaError_t e, const char *what)
{
    if (e != cudaSuccess) cuda_fail(c, what, cudaGetErrorString(e));
}

/* ---- memory ---- */

static void *device_memory(struct cuda *c, size_t bytes, const char *what)
{
    void *p = NULL;
    if (c->ops.measuring) return usage_reserve(c->ops.usage, bytes, what);
    cudaError_t e = cudaMalloc(&p, bytes ? bytes : 1);
    if (e == cudaSuccess) {
        usage_add(c->ops.usage, p, bytes, what);
        return p;
    }
    fail_kind(ERR_DEVICE, "cuda: %s, %.1f MB: %s", what, (double)bytes / 1e6, cudaGetErrorString(e));
    (void)cudaGetLastError();                  /* a refused allocation does not stick to what comes behind */
    return NULL;
}

static void device_free(struct cuda *c, void *p)
{
    if (!p) return;
    if (c->ops.measuring) {
        usage_release(c->ops.usage, p);
        return;
    }
    cuda_check(c, cudaStreamSynchronize(c->stream), "synchronising");
    usage_drop(c->ops.usage, p);
    cuda_check(c, cudaFree(p), "releasing memory");
}

/* ---- host arrays on their way to the device ---- */

/* Pinned host memory and device memory of the same layout; arrays are put one behind the other until the next sync, so
 * that what is copied from stays as it is until the copy has been made. */
enum { RING_BYTES = 8 << 20, RING_ALIGN = 256, RING_HEADS = 1024 };
struct sent { uint64_t hash; size_t bytes, at; int next; };
struct retired { void *pinned, *dev; struct retired *next; };
struct upload_ring {
    char *pinned, *dev; size_t used, cap;
    struct sent *known; int nknown, capknown;  /* what lies there */
    int head[RING_HEADS];                      /* by hash: the last known one, and 1 more; 0: none */
    unsigned turns;
    struct retired *retired;                   /* smaller ones, freed at the next sync */
};

static void ring_wait(struct cuda *c)
{
    cuda_check(c, cudaStreamSynchronize(c->stream), "synchronising");
    c->ring->used = 0;
    c->ring->nknown = 0;
    c->ring->turns++;
    memset(c->ring->head, 0, sizeof c->ring->head);
}

static void ring_forget(struct cuda *c)
{
    struct upload_ring *r = c->ring;
    for (struct retired *next, *t = r->retired; t; t = next) {
        next = t->next;
        cudaFreeHost(t->pinned);
        device_free(c, t->dev);
        free(t);
    }
    r->retired = NULL;
}

static void ring_free(struct cuda *c)
{
    if (!c->ring) return;
    ring_forget(c);
    if (c->ring->pinned) cudaFreeHost(c->ring->pinned);
    device_free(c, c->ring->dev);
    free(c->ring->known);
    free(c->ring);
    c->ring = NULL;
}

static bool ring_make(struct cuda *c, size_t cap)
{
    struct upload_ring *r = c->ring;
    void *pinned = NULL, *dev = device_memory(c, cap, "work memory");
    if (!dev) cuda_fail(c, "upload buffer", err_msg());
    else cuda_check(c, cudaMallocHost(&pinned, cap), "pinned memory");
    r->pinned = (char *)pinned;
    r->dev = (char *)dev;
    r->cap = pinned && dev ? cap : 0;
    return r->cap;
}

/* Room for n bytes more. The op at work may have up to two other arrays here: going round to the beginning leaves them
 * alone, as one array takes a quarter at most, and a ring that was too small stays until the next sync. */
static bool ring_room(struct cuda *c, size_t n)
{
    struct upload_ring *r = c->ring;
    if (r->used + n <= r->cap) return true;
    ring_wait(c);
    if (n <= r->cap / 4) return true;
    if (r->cap) {
        struct retired *t = (struct retired *)mem_alloc(sizeof *t);
        *t = { r->pinned, r->dev, r->retired };
        r->retired = t;
    }
    return ring_make(c, 8 * n > RING_BYTES ? 8 * n : (size_t)RING_BYTES);
}

unsigned cuda_upload_turns(const struct cuda *c) { return c->ring->turns; }

uint64_t cuda_hash(uint64_t h, const void *p, size_t n)
{
    uint64_t x;
    h += n * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < n; i += sizeof x) {
        x = 0;
        memcpy(&x, (const char *)p + i, n - i < sizeof x ? n - i : sizeof x);
        h = (h ^ x) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h;
}

/* Where it lies already, or NULL. */
static const void *ring_find(const struct upload_ring *r, const void *host, size_t bytes, uint64_t hash)
{
    for (int i = r->head[hash % RING_HEADS]; i; i = r->known[i - 1].next) {
        const struct sent *s = &r->known[i - 1];
        if (s->hash == hash && s->bytes == bytes && !memcmp(r->pinned + s->at, host, bytes)) return r->dev + s->at;
    }
    return NULL;
}

const void *cuda_upload(struct cuda *c, const void *host, size_t bytes)
{
    struct upload_ring *r = c->ring;
    if (c->ops.measuring) return r->dev;
    uint64_t hash = cuda_hash(0, host, bytes);
    const void *there = ring_find(r, host, bytes, hash);
    if (there) return there;
    size_t n = RING_ALIGN, at;                 /* powers of two: what comes behind keeps its place when this one grows a little */
    while (n < bytes) n *= 2;
    if (!ring_room(c, n)) return NULL;
    at = r->used;
    r->used += n;
    memcpy(r->pinned + at, host, bytes);
    if (r->nknown == r->capknown) r->known = (struct sent *)mem_grow(r->known, (size_t)(r->capknown = r->capknown ? 2 * r->capknown : 64), sizeof *r->known);
    r->known[r->nknown++] = { hash, bytes, at, r->head[hash % RING_HEADS] };
    r->head[hash % RING_HEADS] = r->nknown;
    cuda_check(c, cudaMemcpyAsync(r->dev + at, r->pinned + at, bytes, cudaMemcpyHostToDevice, c->stream), "uploading indices");
    return r->dev + at;
}

/* ---- the table's memory ---- */

void *cuda_scratch(struct cuda *c, enum scratch which, size_t bytes)
{
    if (c->scratch[which].n >= bytes && c->scratch[which].p) return c->scratch[which].p;
    device_free(c, c->scratch[which].p);
    size_t n = bytes + bytes / 4 + 1;
    c->scratch[which].p = device_memory(c, n, "work memory");
    c->scratch[which].n = c->scratch[which].p ? n : 0;
    if (!c->scratch[which].p) cuda_fail(c, "work memory", err_msg());
    return c->scratch[which].p;
}

static void *alloc(struct ops *o, size_t bytes, const char *what)
{
    struct cuda *c = cuda_of(o);
    void *p = device_memory(c, bytes, what);
    if (p && !o->measuring) cuda_check(c, cudaMemsetAsync(p, 0, bytes ? bytes : 1, c->stream), what);
    return p;
}

static void release(struct ops *o, void *p) { device_free(cuda_of(o), p); }

static size_t room(struct ops *o)
{
    size_t now = 0, all = 0;
    cuda_check(cuda_of(o), cudaMemGetInfo(&now, &all), "free memory");
    return now;
}

/* What was allocated when the backend opened is counted as it is. */
static void measure(struct ops *o) { o->measuring = true; }

/* From pageable memory: the call returns when `host` may change again. */
static void upload(struct ops *o, void *dst, const void *host, size_t bytes)
{
    struct cuda *c = cuda_of(o);
    if (o->measuring) return;
    cuda_check(c, cudaMemcpyAsync(dst, host, bytes, cudaMemcpyHostToDevice, c->stream), "upload");
}

static void download(struct ops *o, void *host, const void *src, size_t bytes)
{
    struct cuda *c = cuda_of(o);
    if (o->measuring) { memset(host, 0, bytes); return; }
    cuda_check(c, cudaMemcpyAsync(host, src, bytes, cudaMemcpyDeviceToHost, c->stream), "download");
    cuda_check(c, cudaStreamSynchronize(c->stream), "download");
}

static void zero(struct ops *o, void *p, size_t bytes)
{
    struct cuda *c = cuda_of(o);
    if (c->signing || c->recording) {
        cuda_sign(c, &p, sizeof p);
        cuda_sign(c, &bytes, sizeof bytes);
    }
    if (bytes && !c->signing && !o->measuring) cuda_check(c, cudaMemsetAsync(p, 0, bytes, c->stream), "zeroing");
}

static int sync_all(struct ops *o)
{
    struct cuda *c = cuda_of(o);
    ring_wait(c);
    ring_forget(c);
    if (!c->failed) return 0;
    c->failed = false;
    return fail_kind(ERR_DEVICE, "cuda: %s", c->why);
}

/* ---- the table ---- */

static void close_all(struct ops *o)
{
    struct cuda *c = cuda_of(o);
    cudaStreamSynchronize(c->stream);
    for (int i = 0; i < SCRATCH_COUNT; i++) device_free(c, c->scratch[i].p);
    o->measuring = false;                      /* what follows was allocated when the backend opened */
    cuda_end_graphs(c);
    cuda_end_attention(c);
    cuda_end_products(c);
    ring_free(c);
    usage_free(o->usage);
    cudaStreamDestroy(c->stream);
    free(c);
}

static int find_device(struct cuda *c)
{
    int n = 0;
    cudaError_t e = cudaGetDeviceCount(&n);
    if (e != cudaSuccess) return fail_kind(ERR_DEVICE, "cuda: %s", cudaGetErrorString(e));
    if (n < 1) return fail_kind(ERR_DEVICE, "cuda: this machine has no GPU");
    if ((e = cudaSetDevice(0)) != cudaSuccess || (e = cudaGetDeviceProperties(&c->device, 0)) != cudaSuccess ||
        (e = cudaStreamCreate(&c->stream)) != cudaSuccess)
        return fail_kind(ERR_DEVICE, "cuda: %s", cudaGetErrorString(e));
#if defined(GPU_WGMMA) && !defined(GPU_EMULATED)
    const int major = c->device.major, minor = c->device.minor;        /* code for sm_90a runs there alone */
    if (major != 9) return fail_kind(ERR_DEVICE, "cuda: this build is for sm_90; %s wants one with CUDA_ARCH=%d%d", c->device.name, major, minor);
#endif
    return 0;
}

struct ops *ops_cuda(int threads)
{
    struct cuda *c = (struct cuda *)mem_alloc(sizeof *c);
    struct ops *o = &c->ops;
    if (find_device(c)) {
        free(c);
        return NULL;
    }
    o->name = "cuda";
    o->threads = threads;
    o->fast = DT_BF16;
    o->ctx = c;
    o->alloc = alloc;
    o->release = release;
    o->upload = upload;
    o->download = download;
    o->zero = zero;
    o->sync = sync_all;
    o->usage = usage_new();
    o->measure = measure;
    o->room = room;
    o->close = close_all;
    c->ring = (struct upload_ring *)mem_alloc(sizeof *c->ring);
    cuda_set_norms(o);
    cuda_set_pointwise(o);
    cuda_set_rope(o);
    cuda_set_moves(o);
    cuda_set_attention(o);
    cuda_set_losses(o);
    cuda_set_sampling(o);
    cuda_set_graphs(c);
    if (!ring_make(c, RING_BYTES)) {
        fail_kind(ERR_DEVICE, "cuda: %s", c->why);
        close_all(o);
        return NULL;
    }
    if (!cuda_set_products(c)) return o;
    close_all(o);
    return NULL;
}
