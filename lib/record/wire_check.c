/* SPDX-License-Identifier: Apache-2.0
 * The check of a whole record. */
#include "record/wire.h"

#include <stdlib.h>
#include <string.h>
#include "record/utf8.h"

struct key { uint64_t start; const uint8_t *p; uint32_t n; };     /* start: the first 8 bytes, to compare at once */
struct level { uint64_t left; bool map; size_t first; };          /* first: index of its first key in the list */

struct check {
    struct level level[REC_DEPTH];
    int depth;
    struct key near[128], *key;                                   /* keys of all open maps; near until it is full */
    size_t nkey, cap;
};

static int key_order(const void *va, const void *vb)
{
    const struct key *a = va, *b = vb;
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    return memcmp(a->p, b->p, a->n);
}

static void key_push(struct check *c, const struct wire_token *t)
{
    if (c->nkey == c->cap) {
        struct key *more = mem_grow(c->key == c->near ? NULL : c->key, c->cap * 2, sizeof *more);
        if (c->key == c->near) memcpy(more, c->near, sizeof c->near);
        c->key = more;
        c->cap *= 2;
    }
    struct key k = { 0, t->p, t->n };
    memcpy(&k.start, t->p, t->n < 8 ? t->n : 8);
    c->key[c->nkey++] = k;
}

/* The keys of the map that closes: none twice. Few are compared pair by pair, many are sorted. */
static int keys_differ(struct check *c, size_t first)
{
    struct key *k = c->key + first, *twice = NULL;
    size_t n = c->nkey - first;
    c->nkey = first;
    if (n <= 16) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (k[i].start == k[j].start && !key_order(&k[i], &k[j])) twice = &k[i];
    } else {
        qsort(k, n, sizeof *k, key_order);
        for (size_t i = 1; i < n; i++) if (!key_order(&k[i - 1], &k[i])) twice = &k[i];
    }
    return twice ? fail("key \"%.*s\" twice in one map", (int)mem_min(twice->n, 64), (const char *)twice->p) : 0;
}

static int check_key(struct check *c, const struct wire_token *t, int flags)
{
    if (t->type != W_STR) return fail("a map key that is not a string");
    if (c->depth == 1 && t->n == 3 && !memcmp(t->p, "cos", 3) && !(flags & WIRE_CONTROL))
        return fail("the key \"cos\" is reserved for headers and trailers");
    key_push(c, t);
    return 0;
}

static int check_scalar(const struct wire_token *t, int *found)
{
    if (t->type == W_F32) *found |= WIRE_HAS_F32;
    if (t->type == W_STR && utf8_good(t->p, t->n) != t->n)
        return fail("a string is not valid UTF-8: \"%.*s\"...", (int)mem_min(utf8_good(t->p, t->n), 40), (const char *)t->p);
    if (t->type != W_EXT) return 0;
    *found |= WIRE_HAS_EXT;
    if (t->ext != EXT_U32 && t->ext != EXT_F32) return fail("ext type %d is unknown", t->ext);
    if (t->n % 4) return fail("ext type %d of %u bytes: not a multiple of 4", t->ext, t->n);
    return 0;
}

static int check_token(struct check *c, const struct wire_token *t, int flags, int *found)
{
    struct level *l = c->depth ? &c->level[c->depth - 1] : NULL;
    bool is_key = l && l->map && l->left % 2 == 0;
    if (!l && t->type != W_MAP) return fail("not a map");
    if (is_key && check_key(c, t, flags)) return -1;
    if (check_scalar(t, found)) return -1;
    if (l) l->left--;
    if (t->type >= W_ARRAY) {
        if (c->depth == REC_DEPTH) return fail("nested deeper than %d", REC_DEPTH);
        c->level[c->depth++] = (struct level){ (uint64_t)t->n << (t->type == W_MAP), t->type == W_MAP, c->nkey };
    }
    while (c->depth && !c->level[c->depth - 1].left) {
        struct level *end = &c->level[--c->depth];
        if (end->map && keys_differ(c, end->first)) return -1;
    }
    return 0;
}

int wire_check(const uint8_t *p, size_t n, int flags, int *found)
{
    struct check c;
    c.depth = 0;
    c.nkey = 0;
    c.cap = (size_t)countof(c.near);
    c.key = c.near;
    *found = 0;
    size_t at = 0;
    int r = 0;
    do {
        struct wire_token t;
        int got = wire_next(p + at, n - at, &t);
        if (got < 0) r = fail("byte 0x%02x is not msgpack", p[at]);
        else if (got == 0) r = fail("cut off");
        else r = check_token(&c, &t, flags, found);
        at += got > 0 ? t.size : 0;
    } while (!r && c.depth);
    if (!r && at != n) r = fail("%zu bytes behind the record", n - at);
    if (c.key != c.near) free(c.key);
    return r;
}
