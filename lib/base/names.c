/* SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"

#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

int slice_order(struct slice a, struct slice b)
{
    int c = memcmp(a.p, b.p, mem_min(a.n, b.n));
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* slot: index + 1, or 0; open addressing over cap slots, at most half of them taken. */
static size_t slot_of(const struct names *s, struct slice t)
{
    size_t h = hash64(t.p, t.n, 0) % s->cap;
    for (; s->slot[h]; h = (h + 1) % s->cap) {
        struct slice u = s->name[s->slot[h] - 1];
        if (u.n == t.n && (!t.n || !memcmp(u.p, t.p, t.n))) break;
    }
    return h;
}

static void grow(struct names *s)
{
    s->cap = s->cap ? 2 * s->cap : 1024;
    free(s->slot);
    s->slot = mem_array(s->cap, sizeof *s->slot);
    s->name = mem_grow(s->name, s->cap / 2, sizeof *s->name);
    for (size_t i = 0; i < s->n; i++) s->slot[slot_of(s, s->name[i])] = (uint32_t)i + 1;
}

size_t names_index(struct names *s, struct slice t)
{
    if (2 * s->n >= s->cap) grow(s);
    size_t h = slot_of(s, t);
    if (s->slot[h]) return s->slot[h] - 1;
    s->name[s->n] = (struct slice){ arena_str(&s->text, t.p, t.n), t.n };
    s->slot[h] = (uint32_t)++s->n;
    return s->n - 1;
}

long names_find(const struct names *s, struct slice t)
{
    return s->cap ? (long)s->slot[slot_of(s, t)] - 1 : -1;
}

void names_free(struct names *s)
{
    free(s->name);
    free(s->slot);
    arena_free(&s->text);
    *s = (struct names){ 0 };
}
