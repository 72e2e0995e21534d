/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>


/* Length of the character at s if valid; else minus the length of its longest valid start (at least 1). */
static int char_len(const unsigned char *s, size_t n)
{
    unsigned char c = s[0], lo = 0x80, hi = 0xBF;
    int want;
    if (c < 0x80) return 1;
    if (c >= 0xC2 && c <= 0xDF) want = 2;
    else if ((c & 0xF0) == 0xE0) {
        want = 3;
        if (c == 0xE0) lo = 0xA0;
        if (c == 0xED) hi = 0x9F;
    } else if (c >= 0xF0 && c <= 0xF4) {
        want = 4;
        if (c == 0xF0) lo = 0x90;
        if (c == 0xF4) hi = 0x8F;
    } else return -1;
    for (int i = 1; i < want; i++, lo = 0x80, hi = 0xBF)
        if ((size_t)i >= n || s[i] < lo || s[i] > hi) return -i;
    return want;
}

size_t text_valid(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= 8 && (memcpy(&eight, s + i, 8), !(eight & 0x8080808080808080u))) {
            i += 8;
            continue;
        }
        int len = char_len((const unsigned char *)s + i, n - i);
        if (len < 0) return i;
        i += (size_t)len;
    }
    return n;
}

void text_repair(const char *s, size_t n, struct buf *out)
{
    while (n) {
        size_t good = text_valid(s, n);
        buf_add(out, s, good);
        s += good, n -= good;
        if (!n) return;
        size_t bad = (size_t)-char_len((const unsigned char *)s, n);
        buf_add(out, "\xEF\xBF\xBD", 3);
        s += bad, n -= bad;
    }
}

uint32_t text_code(const char *s, size_t n, int *len)
{
    const unsigned char *u = (const unsigned char *)s;
    *len = char_len(u, n);
    switch (*len) {
    case 1: return u[0];
    case 2: return (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
    case 3: return (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
    case 4: return (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3F) << 12 | (uint32_t)(u[2] & 0x3F) << 6
                   | (u[3] & 0x3F);
    default: *len = -*len; return 0xFFFD;
    }
}

/* ---- normal forms ---- */

/* Characters that no composed form changes or joins to the one before; a cheap test for most text. */
static bool stays_composed(uint32_t c)
{
    return c < 0x300 || (c >= 0x400 && c < 0x483) || (c >= 0x3041 && c <= 0x3096) || (c >= 0x30A1 && c <= 0x30FA)
        || (c >= 0x3400 && c < 0xA000) || (c >= 0xAC00 && c < 0xD7A4);
}

static bool needs_work(enum text_form form, const char *s, size_t n)
{
    if (form != FORM_NFC) return true;
    for (size_t i = 0; i < n;) {
        int len;
        if (!stays_composed(text_code(s + i, n - i, &len))) return true;
        i += (size_t)len;
    }
    return false;
}

/* `tokenizers` normalises by the tables of Unicode 9: to it, characters that came later neither decompose, nor move, nor
 * join. These are the later ones (up to Unicode 15) for which that makes a difference. */
static const uint32_t later[][2] = {
    { 0x7FD, 0x7FD }, { 0x898, 0x89F }, { 0x8CA, 0x8D3 }, { 0x9FE, 0x9FE }, { 0xC3C, 0xC3C }, { 0xD3B, 0xD3C },
    { 0xEBA, 0xEBA }, { 0xECE, 0xECE }, { 0x1715, 0x1715 }, { 0x1ABF, 0x1ACE }, { 0x1DF6, 0x1DFA }, { 0x32FF, 0x32FF },
    { 0xA7F2, 0xA7F4 }, { 0xA82C, 0xA82C }, { 0xAB69, 0xAB69 }, { 0x10781, 0x107BA }, { 0x10D24, 0x10D27 },
    { 0x10EAB, 0x10EAC }, { 0x10EFD, 0x10EFF }, { 0x10F46, 0x10F50 }, { 0x10F82, 0x10F85 }, { 0x11070, 0x11070 },
    { 0x1133B, 0x1133B }, { 0x1145E, 0x1145E }, { 0x11839, 0x1183A }, { 0x11930, 0x11930 }, { 0x11938, 0x11938 },
    { 0x1193D, 0x1193E }, { 0x11943, 0x11943 }, { 0x119E0, 0x119E0 }, { 0x11A34, 0x11A34 }, { 0x11A47, 0x11A47 },
    { 0x11A99, 0x11A99 }, { 0x11D42, 0x11D45 }, { 0x11D97, 0x11D97 }, { 0x11F41, 0x11F42 }, { 0x16FF0, 0x16FF1 },
    { 0x1E030, 0x1E06D }, { 0x1E08F, 0x1E08F }, { 0x1E130, 0x1E136 }, { 0x1E2AE, 0x1E2AE }, { 0x1E2EC, 0x1E2EF },
    { 0x1E4EC, 0x1E4EF }, { 0x1F16C, 0x1F16C }, { 0x1FBF0, 0x1FBF9 } };

static bool came_later(uint32_t c)
{
    int lo = 0, hi = countof(later);
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (c > later[mid][1]) lo = mid + 1;
        else hi = mid;
    }
    return lo < countof(later) && c >= later[lo][0];
}

static int form_options(enum text_form form)
{
    switch (form) {
    case FORM_NFD:  return UTF8PROC_DECOMPOSE;
    case FORM_NFKC: return UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    case FORM_NFKD: return UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
    default:        return UTF8PROC_COMPOSE;
    }
}

void text_map_add(struct text_map *m, size_t from, size_t at, size_t len, bool changed)
{
    if (m->n && !changed && !m->run[m->n - 1].changed) {
        m->run[m->n - 1].len += len;
        return;
    }
    if (m->n == m->cap) m->run = mem_grow(m->run, m->cap = m->cap ? m->cap * 2 : 16, sizeof *m->run);
    m->run[m->n++] = (struct text_run){ from, at, len, changed };
}

/* The next run, to be normalised by itself. ASCII never joins to what stands before: a run is ASCII up to the last
 * character before something else (plain: nothing to do), or an ASCII character with all that is not ASCII behind it.
 * Characters that came later stand alone. */
static size_t run_len(const char *s, size_t n, bool *plain)
{
    size_t i = 0;
    int len;
    while (i < n && !(s[i] & 0x80)) i++;
    *plain = i == n || i > 1;
    if (i == n) return n;
    if (i > 1) return i - 1;
    for (size_t start = i; i < n && (s[i] & 0x80); i += (size_t)len) {
        if (!came_later(text_code(s + i, n - i, &len))) continue;
        if (i > start || start) return i;
        *plain = true;
        return (size_t)len;
    }
    return i;
}

static int normalise_run(enum text_form form, const char *s, size_t n, struct buf *out, bool *changed)
{
    utf8proc_uint8_t *r = NULL;
    utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &r,
                                        (utf8proc_option_t)(form_options(form) | UTF8PROC_STABLE));
    if (len < 0) return fail("text cannot be normalised: %s", utf8proc_errmsg(len));
    *changed = (size_t)len != n || memcmp(r, s, n) != 0;
    buf_add(out, r, (size_t)len);
    free(r);
    return 0;
}

int text_normalise(enum text_form form, const char *s, size_t n, struct buf *out, struct text_map *m)
{
    bool any = false, plain, changed;
    size_t start = out->len;
    if (form == FORM_NONE || !needs_work(form, s, n)) return 0;
    for (size_t i = 0, len; i < n; i += len) {
        size_t from = out->len - start;
        len = run_len(s + i, n - i, &plain);
        changed = false;
        if (plain) buf_add(out, s + i, len);
        else if (normalise_run(form, s + i, len, out, &changed)) return -1;
        any |= changed;
        text_map_add(m, from, i, len, changed);
    }
    if (any) return 1;
    out->len = start;
    m->n = 0;
    return 0;
}

size_t text_origin(const struct text_map *m, size_t offset, size_t *hint)
{
    if (!m->n) return offset;
    size_t i = *hint;
    while (i + 1 < m->n && m->run[i + 1].from <= offset) i++;
    *hint = i;
    size_t in = offset - m->run[i].from;
    return m->run[i].at + (in < m->run[i].len ? in : m->run[i].len);
}

void text_map_free(struct text_map *m)
{
    free(m->run);
    *m = (struct text_map){0};
}
