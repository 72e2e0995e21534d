/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/usage.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/mem.h"

struct block { const void *p; size_t bytes; int use; bool reserved; };
struct usage {
    pthread_mutex_t lock;
    struct use *use; int nuse;
    struct block *block; int nblock, cap;
    size_t now, peak;
};

struct usage *usage_new(void)
{
    struct usage *u = mem_alloc(sizeof *u);
    pthread_mutex_init(&u->lock, NULL);
    return u;
}

void usage_free(struct usage *u)
{
    if (!u) return;
    for (int i = 0; i < u->nblock; i++)
        if (u->block[i].reserved) munmap((void *)(uintptr_t)u->block[i].p, u->block[i].bytes);
    pthread_mutex_destroy(&u->lock);
    free(u->use);
    free(u->block);
    free(u);
}

static int use_of(struct usage *u, const char *what)
{
    int i = 0;
    while (i < u->nuse && strncmp(u->use[i].what, what, sizeof u->use[i].what - 1)) i++;
    if (i < u->nuse) return i;
    u->use = mem_grow(u->use, (size_t)u->nuse + 1, sizeof *u->use);
    u->use[u->nuse] = (struct use){ .now = 0 };
    snprintf(u->use[u->nuse].what, sizeof u->use[u->nuse].what, "%s", what);
    return u->nuse++;
}

static void add(struct usage *u, const void *p, size_t bytes, const char *what, bool reserved)
{
    pthread_mutex_lock(&u->lock);
    int use = use_of(u, what);
    struct use *s = &u->use[use];
    if (u->nblock == u->cap) u->block = mem_grow(u->block, (size_t)(u->cap = u->cap ? 2 * u->cap : 32), sizeof *u->block);
    u->block[u->nblock++] = (struct block){ p, bytes, use, reserved };
    s->now += bytes;
    s->peak = mem_max(s->peak, s->now);
    u->now += bytes;
    u->peak = mem_max(u->peak, u->now);
    pthread_mutex_unlock(&u->lock);
}

static struct block drop(struct usage *u, const void *p)
{
    struct block b = { 0 };
    pthread_mutex_lock(&u->lock);
    int i = u->nblock - 1;
    while (i >= 0 && u->block[i].p != p) i--;
    assert(i >= 0);
    b = u->block[i];
    u->block[i] = u->block[--u->nblock];
    u->use[b.use].now -= b.bytes;
    u->now -= b.bytes;
    pthread_mutex_unlock(&u->lock);
    return b;
}

void usage_add(struct usage *u, const void *p, size_t bytes, const char *what) { add(u, p, bytes, what, false); }
void usage_drop(struct usage *u, const void *p) { if (p) (void)drop(u, p); }

void *usage_reserve(struct usage *u, size_t bytes, const char *what)
{
    size_t n = bytes ? bytes : 1;
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        fail_errno("%s: no address space for %zu bytes", what, bytes);
        return NULL;
    }
    add(u, p, n, what, true);
    return p;
}

void usage_release(struct usage *u, void *p)
{
    if (!p) return;
    struct block b = drop(u, p);
    munmap(p, b.bytes);
}

size_t usage_peak(const struct usage *u) { return u->peak; }
int usage_uses(const struct usage *u) { return u->nuse; }
struct use usage_use(const struct usage *u, int i) { return u->use[i]; }

void usage_print(const struct usage *u, size_t room, FILE *f)
{
    for (int i = 0; i < u->nuse; i++) fprintf(f, "%s\t%zu\n", u->use[i].what, u->use[i].peak);
    fprintf(f, "all\t%zu\nfree\t%zu\n", u->peak, room);
}
