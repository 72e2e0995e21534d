/* SPDX-License-Identifier: Apache-2.0 */
#include "record/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(const void *v, size_t n, struct buf *out)
{
    const uint8_t *p = v;
    buf_need(out, n / 3 * 4 + 4);
    char *q = out->p + out->len;
    for (; n >= 3; n -= 3, p += 3, q += 4) {
        uint32_t x = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        q[0] = digits[x >> 18];
        q[1] = digits[x >> 12 & 63];
        q[2] = digits[x >> 6 & 63];
        q[3] = digits[x & 63];
    }
    if (n) {
        uint32_t x = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        q[0] = digits[x >> 18];
        q[1] = digits[x >> 12 & 63];
        q[2] = n == 2 ? digits[x >> 6 & 63] : '=';
        q[3] = '=';
        q += 4;
    }
    out->len = (size_t)(q - out->p);
    out->p[out->len] = 0;
}

static int value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_get(const char *s, size_t n, struct buf *out)
{
    if (n % 4) return fail("base64 of %zu characters: not a multiple of 4", n);
    size_t pad = n && s[n - 1] == '=' ? (s[n - 2] == '=' ? 2 : 1) : 0;
    buf_need(out, n / 4 * 3);
    for (size_t i = 0; i < n; i += 4) {
        uint32_t x = 0;
        int keep = i + 4 == n ? 3 - (int)pad : 3;
        for (int j = 0; j < 4; j++) {
            int v = j <= keep ? value(s[i + (size_t)j]) : 0;
            if (v < 0) return fail("base64: character %zu", i + (size_t)j);
            x = x << 6 | (uint32_t)v;
        }
        if (keep < 3 && (x & ((1u << (8 * (3 - keep))) - 1))) return fail("base64: bits behind the end");
        for (int j = 0; j < keep; j++) buf_byte(out, (char)(x >> (16 - 8 * j)));
    }
    return 0;
}
