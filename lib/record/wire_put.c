/* SPDX-License-Identifier: Apache-2.0
 * Writing tokens, each in its shortest form. */
#include "record/wire.h"

#include <string.h>

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
