/* SPDX-License-Identifier: Apache-2.0
 * Reading tokens, and the end of a record. */
#include "record/wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

ssize_t wire_read(FILE *f, void *p, size_t n)
{
    int fd = fileno(f);
    if (fd < 0) {
        size_t r = fread(p, 1, n, f);
        return r == 0 && ferror(f) ? -1 : (ssize_t)r;
    }
    ssize_t r;
    do r = read(fd, p, n); while (r < 0 && errno == EINTR);
    return r;
}
