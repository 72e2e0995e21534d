/* SPDX-License-Identifier: Apache-2.0 */
#include "record/wire.h"

#include <stdlib.h>
#include <string.h>
#include "record/utf8.h"

/* ---- reading tokens ---- */

static uint64_t big(const uint8_t *p, int n)
{
    uint64_t x = 0;
    for (int i = 0; i < n; i++) x = x << 8 | p[i];
    return x;
}

/* A token whose body of n bytes begins at p + head. */
static int body(const uint8_t *p, size_t have, struct wire_token *t, enum wire_type type, size_t head, uint32_t n)
{
    t->type = type;
    t->n = n;
    t->p = p + head;
    t->size = head + n;
    return have >= t->size;
}

static int items(struct wire_token *t, enum wire_type type, size_t head, uint32_t n)
{
    t->type = type;
    t->n = n;
    t->size = head;
    return 1;
}

static void put_signed(struct wire_token *t, int64_t x)
{
    if (x < 0) { t->type = W_INT; t->x.i = x; }
    else { t->type = W_UINT; t->x.u = (uint64_t)x; }
}

static int number(const uint8_t *p, struct wire_token *t)
{
    switch (p[0]) {
    case 0xca: { uint32_t u = (uint32_t)big(p + 1, 4); float f; memcpy(&f, &u, 4); t->type = W_F32; t->x.f = (double)f; break; }
    case 0xcb: { uint64_t u = big(p + 1, 8); t->type = W_F64; memcpy(&t->x.f, &u, 8); break; }
    case 0xd0: put_signed(t, (int8_t)p[1]); break;
    case 0xd1: put_signed(t, (int16_t)big(p + 1, 2)); break;
    case 0xd2: put_signed(t, (int32_t)big(p + 1, 4)); break;
    case 0xd3: put_signed(t, (int64_t)big(p + 1, 8)); break;
    default: t->type = W_UINT; t->x.u = big(p + 1, 1 << (p[0] - 0xcc));
    }
    return 1;
}

static int fix(const uint8_t *p, size_t have, struct wire_token *t)   /* the length sits in the first byte */
{
    uint8_t c = p[0];
    t->size = 1;
    if (c < 0x80) { t->type = W_UINT; t->x.u = c; return 1; }
    if (c < 0x90) return items(t, W_MAP, 1, c & 15);
    if (c < 0xa0) return items(t, W_ARRAY, 1, c & 15);
    if (c < 0xc0) return body(p, have, t, W_STR, 1, c & 31);
    t->type = W_INT;
    t->x.i = (int8_t)c;
    return 1;
}

int wire_next(const uint8_t *p, size_t have, struct wire_token *t)
{
    /* bytes of the head of 0xc0 .. 0xdf, 0 for the one that msgpack leaves out */
    static const uint8_t head[32] = { 1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 2, 2, 2, 2, 2, 2, 3, 5, 3, 5, 3, 5 };
    t->size = 1;
    if (have == 0) return 0;
    uint8_t c = p[0];
    if (c < 0xc0 || c >= 0xe0) return fix(p, have, t);
    size_t h = head[c - 0xc0];
    if (!h) return -1;
    t->size = h;
    if (have < h) return 0;
    if (c == 0xc0) { t->type = W_NIL; return 1; }
    if (c <= 0xc3) { t->type = W_BOOL; t->x.b = c == 0xc3; return 1; }
    if (c <= 0xc6) return body(p, have, t, W_BIN, h, (uint32_t)big(p + 1, 1 << (c - 0xc4)));
    if (c <= 0xc9) { t->ext = (int8_t)p[h - 1]; return body(p, have, t, W_EXT, h, (uint32_t)big(p + 1, 1 << (c - 0xc7))); }
    if (c <= 0xd3) return number(p, t);
    if (c <= 0xd8) { t->ext = (int8_t)p[1]; return body(p, have, t, W_EXT, h, 1u << (c - 0xd4)); }
    if (c <= 0xdb) return body(p, have, t, W_STR, h, (uint32_t)big(p + 1, 1 << (c - 0xd9)));
    if (c <= 0xdd) return items(t, W_ARRAY, h, (uint32_t)big(p + 1, 2 << (c - 0xdc)));
    return items(t, W_MAP, h, (uint32_t)big(p + 1, 2 << (c - 0xde)));
}

/* ---- the end of a record ---- */

int wire_extent(struct wire_extent *e, const uint8_t *p, size_t n)
{
    struct wire_token t;
    do {
        int r = wire_next(p + e->at, n - e->at, &t);
        if (r < 0) return fail("byte 0x%02x is not msgpack", p[e->at]);
        if (e->at == 0 && r > 0 && t.type != W_MAP) return fail("not a map");
        bool container = r > 0 && t.type >= W_ARRAY;
        uint64_t left = container ? (uint64_t)t.n << (t.type == W_MAP) : 0;
        if (e->at + t.size + left > REC_MAX) return fail("larger than %d MiB", REC_MAX >> 20);
        e->need = e->at + t.size;
        if (r == 0) return 0;
        e->at += t.size;
        if (e->depth) e->left[e->depth - 1]--;
        if (container && e->depth == REC_DEPTH) return fail("nested deeper than %d", REC_DEPTH);
        if (container) e->left[e->depth++] = left;
        while (e->depth && !e->left[e->depth - 1]) e->depth--;
    } while (e->depth);
    return 1;
}

bool wire_is_control(const uint8_t *p, size_t n)
{
    struct wire_token map, key;
    return wire_next(p, n, &map) > 0 && map.type == W_MAP && map.n && wire_next(p + map.size, n - map.size, &key) > 0 &&
           key.type == W_STR && key.n == 3 && !memcmp(key.p, "cos", 3);
}

/* ---- the check ---- */

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

/* ---- writing tokens, each in its shortest form ---- */

static void put(struct buf *b, uint8_t c, uint64_t x, int bytes)      /* a head byte and a big-endian number */
{
    buf_need(b, 9);
    uint8_t *q = (uint8_t *)b->p + b->len;
    q[0] = c;
    for (int i = bytes; i > 0; i--, x >>= 8) q[i] = (uint8_t)x;
    b->len += 1 + (size_t)bytes;
}

void wire_put_nil(struct buf *b) { put(b, 0xc0, 0, 0); }
void wire_put_bool(struct buf *b, bool x) { put(b, x ? 0xc3 : 0xc2, 0, 0); }

void wire_put_u64(struct buf *b, uint64_t x)
{
    if (x < 0x80) put(b, (uint8_t)x, 0, 0);
    else if (x <= UINT8_MAX) put(b, 0xcc, x, 1);
    else if (x <= UINT16_MAX) put(b, 0xcd, x, 2);
    else if (x <= UINT32_MAX) put(b, 0xce, x, 4);
    else put(b, 0xcf, x, 8);
}

void wire_put_i64(struct buf *b, int64_t x)
{
    if (x >= 0) wire_put_u64(b, (uint64_t)x);
    else if (x >= -32) put(b, (uint8_t)x, 0, 0);
    else if (x >= INT8_MIN) put(b, 0xd0, (uint64_t)x, 1);
    else if (x >= INT16_MIN) put(b, 0xd1, (uint64_t)x, 2);
    else if (x >= INT32_MIN) put(b, 0xd2, (uint64_t)x, 4);
    else put(b, 0xd3, (uint64_t)x, 8);
}

void wire_put_f64(struct buf *b, double x)
{
    uint64_t u;
    memcpy(&u, &x, 8);
    put(b, 0xcb, u, 8);
}

void wire_put_f32(struct buf *b, float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    put(b, 0xca, u, 4);
}

void wire_put_str(struct buf *b, const char *s, uint32_t n)
{
    if (n < 32) put(b, (uint8_t)(0xa0 | n), 0, 0);
    else if (n <= UINT8_MAX) put(b, 0xd9, n, 1);
    else if (n <= UINT16_MAX) put(b, 0xda, n, 2);
    else put(b, 0xdb, n, 4);
    buf_add(b, s, n);
}

void wire_put_bin(struct buf *b, const void *p, uint32_t n)
{
    if (n <= UINT8_MAX) put(b, 0xc4, n, 1);
    else if (n <= UINT16_MAX) put(b, 0xc5, n, 2);
    else put(b, 0xc6, n, 4);
    buf_add(b, p, n);
}

void wire_put_ext(struct buf *b, int8_t type, const void *p, uint32_t n)
{
    if (n == 1 || n == 2 || n == 4 || n == 8 || n == 16)
        put(b, (uint8_t)(n == 1 ? 0xd4 : n == 2 ? 0xd5 : n == 4 ? 0xd6 : n == 8 ? 0xd7 : 0xd8), 0, 0);
    else if (n <= UINT8_MAX) put(b, 0xc7, n, 1);
    else if (n <= UINT16_MAX) put(b, 0xc8, n, 2);
    else put(b, 0xc9, n, 4);
    buf_byte(b, (char)type);
    buf_add(b, p, n);
}

void wire_put_array(struct buf *b, uint32_t n)
{
    if (n < 16) put(b, (uint8_t)(0x90 | n), 0, 0);
    else if (n <= UINT16_MAX) put(b, 0xdc, n, 2);
    else put(b, 0xdd, n, 4);
}

void wire_put_map(struct buf *b, uint32_t n)
{
    if (n < 16) put(b, (uint8_t)(0x80 | n), 0, 0);
    else if (n <= UINT16_MAX) put(b, 0xde, n, 2);
    else put(b, 0xdf, n, 4);
}
