/* SPDX-License-Identifier: Apache-2.0 */
#include "text/question.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "text/unicode.h"

/* Bytes of an image's mark at s, "<image>" or "<image 2>"; 0: there is none. */
static size_t image_mark(const char *s, size_t n)
{
    static const char mark[] = "<image";
    size_t k = sizeof mark - 1;
    if (n <= k || memcmp(s, mark, k)) return 0;
    while (k < n && (s[k] == ' ' || (s[k] >= '0' && s[k] <= '9'))) k++;
    return k < n && s[k] == '>' ? k + 1 : 0;
}

static void without_marks(struct slice s, struct buf *out)
{
    for (size_t i = 0, k; i < s.n; i += k ? k : 1) {
        k = image_mark(s.p + i, s.n - i);
        buf_byte(out, k ? ' ' : (uint8_t)s.p[i]);
    }
}

enum part { GAP, WORD, SIGN };                 /* signs are words of their own */

static enum part part_of(uint32_t c)
{
    if (c == '-' || c == '%' || c == '/' || c == '*') return SIGN;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT: case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: case UTF8PROC_CATEGORY_MN: case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND: case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO: return WORD;
    case UTF8PROC_CATEGORY_SM: case UTF8PROC_CATEGORY_SO: return SIGN;
    default: return GAP;
    }
}

static void put_words(const char *s, size_t n, struct buf *out)
{
    enum part last = GAP;
    size_t begin = out->len;
    int len;
    for (size_t i = 0; i < n; i += (size_t)len) {
        enum part now = part_of(text_code(s + i, n - i, &len));
        if (now != GAP && (now != last || now == SIGN) && out->len > begin) buf_byte(out, ' ');
        if (now != GAP) buf_add(out, s + i, (size_t)len);
        last = now;
    }
}

void question_key(struct slice s, struct buf *out)
{
    struct buf plain = { 0 };
    utf8proc_uint8_t *folded = NULL;
    without_marks(s, &plain);
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)(plain.p ? plain.p : ""), (utf8proc_ssize_t)plain.len, &folded,
                                      UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK |
                                      UTF8PROC_IGNORE | UTF8PROC_LUMP);
    if (n >= 0) put_words((const char *)folded, (size_t)n, out);
    else buf_add(out, plain.p, plain.len);     /* not text: as it is */
    free(folded);
    buf_free(&plain);
}
