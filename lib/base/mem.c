/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Memory ends for all threads at once: the first says so, the others wait for the end. */
static void out_of_memory(size_t n)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&said)) for (;;) pause();
    fprintf(stderr, "cos: out of memory (%zu bytes)\n", n);
    exit(ERR_INPUT);
}

void *mem_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p) out_of_memory(n);
    return p;
}

void *mem_array(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p) out_of_memory(n * size);
    return p;
}

void *mem_grow(void *p, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size) out_of_memory(SIZE_MAX);
    size_t bytes = n * size;
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) out_of_memory(bytes);
    return q;
}

char *mem_strn(const char *s, size_t n)
{
    char *p = mem_alloc(n + 1);
    memcpy(p, s, n);
    return p;
}

char *mem_str(const char *s) { return mem_strn(s, strlen(s)); }

char *mem_fmt(const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = mem_alloc((size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 8 << 20 };

void *mem_try(size_t n, const char *what)
{
    size_t align = n >= HUGE_FROM ? HUGE_PAGE : 64, size = (n + align - 1) / align * align;
    void *p = size >= n ? aligned_alloc(align, size ? size : align) : NULL;
    if (!p) return fail_null("out of memory: %zu bytes for %s", n, what);
    if (n >= HUGE_FROM) (void)madvise(p, size, MADV_HUGEPAGE);     /* only a hint */
    memset(p, 0, size ? size : align);
    return p;
}

void buf_need(struct buf *b, size_t more)
{
    size_t want = b->len + more + 1;
    if (want < b->len) out_of_memory(more);
    if (want <= b->cap) return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < want) cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    b->p = mem_grow(b->p, cap, 1);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    buf_need(b, n);
    if (n) memcpy(b->p + b->len, p, n);
    b->len += n;
    b->p[b->len] = 0;
}

void buf_str(struct buf *b, const char *s) { buf_add(b, s, strlen(s)); }
void buf_byte(struct buf *b, char c) { buf_add(b, &c, 1); }

void buf_fmt(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        buf_need(b, (size_t)n);
        vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->p) b->p[0] = 0;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

struct arena_block { struct arena_block *next; size_t used, cap; };   /* data follows, 16-byte aligned */
#define BLOCK_HEAD ((sizeof(struct arena_block) + 15) & ~(size_t)15)

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) out_of_memory(n);
    n = (n + 15) & ~(size_t)15;
    struct arena_block *b = a->head;
    if (!b || b->cap - b->used < n) {
        if (!a->block) a->block = 4096;
        size_t cap = n > a->block ? n : a->block;
        b = mem_alloc(BLOCK_HEAD + cap);
        b->cap = cap;
        b->next = a->head;
        a->head = b;
        if (a->block < 1 << 20) a->block *= 2;
    }
    void *p = (char *)b + BLOCK_HEAD + b->used;
    b->used += n;
    memset(p, 0, n);
    return p;
}

void *arena_dup(struct arena *a, const void *p, size_t n)
{
    void *q = arena_alloc(a, n);
    if (n) memcpy(q, p, n);
    return q;
}

char *arena_str(struct arena *a, const char *s, size_t n)
{
    char *q = arena_alloc(a, n + 1);
    if (n) memcpy(q, s, n);
    return q;
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_reset(struct arena *a)
{
    if (!a->head) return;
    free_blocks(a->head->next);
    a->head->next = NULL;
    a->head->used = 0;
}

void arena_free(struct arena *a)
{
    free_blocks(a->head);
    *a = (struct arena){0};
}
