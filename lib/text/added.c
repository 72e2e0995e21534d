/* SPDX-License-Identifier: Apache-2.0 */
#include "text/added.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text/unicode.h"

/* Node 0 is the root. Children are a list through `sibling`; 0 ends it (no child is the root). */
struct finder_node { uint32_t child, sibling; int32_t token; uint8_t byte; };

static uint32_t new_node(struct finder *f, uint8_t byte)
{
    if (f->n == f->cap) f->node = mem_grow(f->node, f->cap = f->cap ? 2 * f->cap : 256, sizeof *f->node);
    f->node[f->n] = (struct finder_node){ .token = -1, .byte = byte };
    return f->n++;
}

static uint32_t child_of(const struct finder *f, uint32_t at, uint8_t byte)
{
    uint32_t c = f->node[at].child;
    while (c && f->node[c].byte != byte) c = f->node[c].sibling;
    return c;
}

void finder_build(struct finder *f, const struct added *a, int n, bool normalized)
{
    finder_free(f);
    new_node(f, 0);
    for (int i = 0; i < n; i++) {
        if (a[i].normalized != normalized || !a[i].npattern) continue;
        uint32_t at = 0;
        for (size_t k = 0; k < a[i].npattern; k++) {
            uint8_t byte = (uint8_t)a[i].pattern[k];
            uint32_t c = child_of(f, at, byte);
            if (!c) {
                c = new_node(f, byte);
                f->node[c].sibling = f->node[at].child;
                f->node[at].child = c;
            }
            at = c;
        }
        f->node[at].token = i;
        f->first[(uint8_t)a[i].pattern[0]] = true;
    }
}

void finder_free(struct finder *f)
{
    free(f->node);
    *f = (struct finder){0};
}

static int longest_at(const struct finder *f, const char *s, size_t n, size_t *len)
{
    int found = -1;
    uint32_t at = 0;
    for (size_t i = 0; i < n && (at = child_of(f, at, (uint8_t)s[i])); i++)
        if (f->node[at].token >= 0) found = f->node[at].token, *len = i + 1;
    return found;
}

/* ---- what stands beside a match ---- */

static bool is_word(uint32_t c)
{
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_PC:
        return true;
    default:                                   /* joiners, and the letters among the symbols */
        return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149)
            || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
    }
}

static bool is_white(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A)
        || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static size_t char_before(const char *s, size_t at)
{
    do at--; while (at && ((unsigned char)s[at] & 0xC0) == 0x80);
    return at;
}

static bool stands_alone(const char *s, size_t n, size_t begin, size_t end)
{
    int len;
    if (begin) {
        size_t b = char_before(s, begin);
        if (is_word(text_code(s + b, begin - b, &len))) return false;
    }
    return end == n || !is_word(text_code(s + end, n - end, &len));
}

static size_t white_before(const char *s, size_t from, size_t at)
{
    int len;
    while (at > from) {
        size_t b = char_before(s, at);
        if (!is_white(text_code(s + b, at - b, &len))) break;
        at = b;
    }
    return at;
}

static size_t white_behind(const char *s, size_t n, size_t at)
{
    int len;
    while (at < n && is_white(text_code(s + at, n - at, &len))) at += (size_t)len;
    return at;
}

int finder_next(const struct finder *f, const struct added *a, const char *s, size_t n, int flags, size_t from,
                size_t *at, size_t *begin, size_t *end)
{
    if (f->n < 2) return -1;
    for (size_t i = *at; i < n; i++) {
        size_t len = 0;
        if (!f->first[(uint8_t)s[i]]) continue;
        int k = longest_at(f, s + i, n - i, &len);
        if (k < 0) continue;
        size_t stop = i + len;
        bool hidden = (flags & FIND_NO_SPECIAL) && a[k].special;
        if (!hidden && !(a[k].single_word && !stands_alone(s, n, i, stop))) {
            *begin = a[k].lstrip ? white_before(s, from, i) : i;
            *end = a[k].rstrip ? white_behind(s, n, stop) : stop;
            *at = *end;
            return k;
        }
        i = stop - 1;
    }
    return -1;
}
