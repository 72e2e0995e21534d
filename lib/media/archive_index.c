/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "media/archive_priv.h"

struct slice index_name(const char *name, size_t n)
{
    while (n >= 2 && name[0] == '.' && name[1] == '/') {
        name += 2;
        n -= 2;
        while (n && name[0] == '/') name++, n--;
    }
    return (struct slice){ name, n };
}

/* The slot that holds the name, or the free one where it belongs. The table is at most half full. */
static uint32_t *slot_of(const struct index *x, const char *name, size_t n)
{
    size_t mask = x->nslot - 1, i = (size_t)hash64(name, n, 0) & mask;
    for (;; i = (i + 1) & mask) {
        if (!x->slot[i]) return &x->slot[i];
        const struct entry *e = &x->e[x->slot[i] - 1];
        if (e->nname == n && !memcmp(e->name, name, n)) return &x->slot[i];
    }
}

struct entry *index_find(const struct index *x, const char *name, size_t n)
{
    struct slice s = index_name(name, n);
    if (!x->nslot) return NULL;
    uint32_t *slot = slot_of(x, s.p, s.n);
    return *slot ? &x->e[*slot - 1] : NULL;
}

static void rehash(struct index *x)
{
    x->nslot = x->nslot ? x->nslot * 2 : 64;
    free(x->slot);
    x->slot = mem_array(x->nslot, sizeof *x->slot);
    for (size_t i = 0; i < x->n; i++) *slot_of(x, x->e[i].name, x->e[i].nname) = (uint32_t)i + 1;
}

struct entry *index_add(struct index *x, const char *name, size_t n)
{
    struct slice s = index_name(name, n);
    if (x->n >= x->max || x->n >= UINT32_MAX - 1) return fail_null("more than %zu members", x->max);
    if ((x->n + 1) * 2 > x->nslot) rehash(x);
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 32;
        x->e = mem_grow(x->e, x->cap, sizeof *x->e);
    }
    struct entry *e = &x->e[x->n];
    *e = (struct entry){ .name = arena_str(&x->names, s.p, s.n), .nname = s.n };
    *slot_of(x, s.p, s.n) = (uint32_t)++x->n;
    return e;
}

void index_free(struct index *x)
{
    for (size_t i = 0; i < x->n; i++) free(x->e[i].bytes);
    free(x->e);
    free(x->slot);
    arena_free(&x->names);
    *x = (struct index){0};
}
