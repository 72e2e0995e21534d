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

/* ---- host arrays on their way to the device ---- */

/* Pinned host memory and device memory of the same layout; arrays are put one behind the other until the next sync, so
 * that what is copied from stays as it is until the copy has been made. */
enum { RING_BYTES = 8 << 20, RING_ALIGN = 256, RING_KNOWN = 64 };
struct sent { const void *host; size_t bytes, at; };
struct retired { void *pinned, *dev; struct retired *next; };
struct upload_ring {
    char *pinned, *dev; size_t used, cap;
    struct sent known[RING_KNOWN]; unsigned nknown;      /* the last ones, as a circle */
    struct retired *retired;                   /* smaller ones, freed at the next sync */
};

static void ring_wait(struct cuda *c)
{
    cuda_check(c, cudaStreamSynchronize(c->stream), "synchronising");
    c->ring->used = 0;
    c->ring->nknown = 0;
}

static void ring_forget(struct upload_ring *r)
{
    for (struct retired *next, *t = r->retired; t; t = next) {
        next = t->next;
        cudaFreeHost(t->pinned);
        cudaFree(t->dev);
        free(t);
    }
    r->retired = NULL;
}

static void ring_free(struct cuda *c)
{
    if (!c->ring) return;
    ring_forget(c->ring);
    if (c->ring->pinned) cudaFreeHost(c->ring->pinned);
    if (c->ring->dev) cudaFree(c->ring->dev);
    free(c->ring);
    c->ring = NULL;
}

static bool ring_make(struct cuda *c, size_t cap)
{
    struct upload_ring *r = c->ring;
    void *pinned = NULL, *dev = NULL;
    cuda_check(c, cudaMallocHost(&pinned, cap), "pinned memory");
    cuda_check(c, cudaMalloc(&dev, cap), "upload buffer");
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

const void *cuda_upload(struct cuda *c, const void *host, size_t bytes)
{
    struct upload_ring *r = c->ring;
    for (unsigned i = 0; i < r->nknown && i < RING_KNOWN; i++) {
        struct sent *u = &r->known[(r->nknown - 1 - i) % RING_KNOWN];
        if (u->host == host && u->bytes == bytes && !memcmp(r->pinned + u->at, host, bytes)) return r->dev + u->at;
    }
    size_t n = (bytes + RING_ALIGN) / RING_ALIGN * RING_ALIGN;
    if (!ring_room(c, n)) return NULL;
    size_t at = r->used;
    r->used += n;
    memcpy(r->pinned + at, host, bytes);
    r->known[r->nknown++ % RING_KNOWN] = { host, bytes, at };
    cuda_check(c, cudaMemcpyAsync(r->dev + at, r->pinned + at, bytes, cudaMemcpyHostToDevice, c->stream), "uploading indices");
    return r->dev + at;
}

/* ---- memory ---- */

static void *device_memory(size_t bytes, const char *what)
{
    void *p = NULL;
    cudaError_t e = cudaMalloc(&p, bytes ? bytes : 1);
    if (e == cudaSuccess) return p;
    fail_kind(ERR_DEVICE, "cuda: %s, %.1f MB: %s", what, (double)bytes / 1e6, cudaGetErrorString(e));
    (void)cudaGetLastError();                  /* a refused allocation does not stick to what comes behind */
    return NULL;
}

void *cuda_scratch(struct cuda *c, enum scratch which, size_t bytes)
{
    if (c->scratch[which].n >= bytes && c->scratch[which].p) return c->scratch[which].p;
    cuda_check(c, cudaStreamSynchronize(c->stream), "synchronising");
    if (c->scratch[which].p) cudaFree(c->scratch[which].p);
    size_t n = bytes + bytes / 4 + 1;
    c->scratch[which].p = device_memory(n, "work memory");
    c->scratch[which].n = c->scratch[which].p ? n : 0;
    if (!c->scratch[which].p) cuda_fail(c, "work memory", err_msg());
    return c->scratch[which].p;
}

static void *alloc(struct ops *o, size_t bytes, const char *what)
{
    struct cuda *c = cuda_of(o);
    void *p = device_memory(bytes, what);
    if (p) cuda_check(c, cudaMemsetAsync(p, 0, bytes ? bytes : 1, c->stream), what);
    return p;
}

static void release(struct ops *o, void *p)
{
    struct cuda *c = cuda_of(o);
    if (!p) return;
    cuda_check(c, cudaStreamSynchronize(c->stream), "synchronising");
    cuda_check(c, cudaFree(p), "releasing memory");
}

/* From pageable memory: the call returns when `host` may change again. */
static void upload(struct ops *o, void *dst, const void *host, size_t bytes)
{
    struct cuda *c = cuda_of(o);
    cuda_check(c, cudaMemcpyAsync(dst, host, bytes, cudaMemcpyHostToDevice, c->stream), "upload");
}

static void download(struct ops *o, void *host, const void *src, size_t bytes)
{
    struct cuda *c = cuda_of(o);
    cuda_check(c, cudaMemcpyAsync(host, src, bytes, cudaMemcpyDeviceToHost, c->stream), "download");
    cuda_check(c, cudaStreamSynchronize(c->stream), "download");
}

static void zero(struct ops *o, void *p, size_t bytes)
{
    struct cuda *c = cuda_of(o);
    if (bytes) cuda_check(c, cudaMemsetAsync(p, 0, bytes, c->stream), "zeroing");
}

static int sync_all(struct ops *o)
{
    struct cuda *c = cuda_of(o);
    ring_wait(c);
    ring_forget(c->ring);
    if (!c->failed) return 0;
    c->failed = false;
    return fail_kind(ERR_DEVICE, "cuda: %s", c->why);
}

/* ---- the table ---- */

static void close_all(struct ops *o)
{
    struct cuda *c = cuda_of(o);
    cudaStreamSynchronize(c->stream);
    cuda_end_products(c);
    ring_free(c);
    for (int i = 0; i < SCRATCH_COUNT; i++)
        if (c->scratch[i].p) cudaFree(c->scratch[i].p);
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
    o->close = close_all;
    c->ring = (struct upload_ring *)mem_alloc(sizeof *c->ring);
    cuda_set_norms(o);
    cuda_set_pointwise(o);
    cuda_set_rope(o);
    cuda_set_moves(o);
    cuda_set_attention(o);
    cuda_set_losses(o);
    if (!ring_make(c, RING_BYTES)) {
        fail_kind(ERR_DEVICE, "cuda: %s", c->why);
        close_all(o);
        return NULL;
    }
    if (!cuda_set_products(c)) return o;
    close_all(o);
    return NULL;
}
