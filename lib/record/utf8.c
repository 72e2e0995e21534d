/* SPDX-License-Identifier: Apache-2.0 */
#include "record/utf8.h"

#include <string.h>

/* The length that the first byte announces, and the range allowed for the second; 0 for a byte that starts nothing. */
static int lead(uint8_t c, uint8_t *lo, uint8_t *hi)
{
    *lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (c >= 0xc2 && c <= 0xdf) return 2;
    if (c >= 0xe0 && c <= 0xef) return 3;
    if (c >= 0xf0 && c <= 0xf4) return 4;
    return 0;
}

/* How many bytes at p are a right beginning of one multi-byte character; *whole: it is complete. */
static size_t take(const uint8_t *p, size_t n, bool *whole)
{
    uint8_t lo, hi;
    size_t len = (size_t)lead(p[0], &lo, &hi), i = 1;
    if (len && n > 1 && p[1] >= lo && p[1] <= hi)
        for (i = 2; i < len && i < n && (p[i] & 0xc0) == 0x80; ) i++;
    *whole = len && i == len;
    return i;
}

size_t utf8_good(const void *v, size_t n)
{
    const uint8_t *p = v;
    size_t i = 0;
    while (i < n) {
        uint64_t w;
        while (i + 8 <= n && (memcpy(&w, p + i, 8), !(w & 0x8080808080808080u))) i += 8;
        while (i < n && p[i] < 0x80) i++;
        if (i == n) break;
        bool whole;
        size_t k = take(p + i, n - i, &whole);
        if (!whole) return i;
        i += k;
    }
    return n;
}

size_t utf8_bad_run(const void *v, size_t n)
{
    bool whole;
    return take(v, n, &whole);
}

int utf8_put(char out[4], uint32_t c)
{
    if (c < 0x80) { out[0] = (char)c; return 1; }
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}
