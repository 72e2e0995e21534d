/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/py.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "text/unicode.h"

struct slice py_text(const char *s) { return (struct slice){ s, strlen(s) }; }

bool py_same(struct slice a, struct slice b) { return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n)); }

bool py_starts(struct slice s, const char *with)
{
    size_t n = strlen(with);
    return s.n >= n && !memcmp(s.p, with, n);
}

bool py_ends(struct slice s, const char *with)
{
    size_t n = strlen(with);
    return s.n >= n && !memcmp(s.p + s.n - n, with, n);
}

long py_find(struct slice s, struct slice what)
{
    if (!what.n) return 0;
    if (s.n < what.n) return -1;
    const char *p = memmem(s.p, s.n, what.p, what.n);
    return p ? p - s.p : -1;
}

long py_rfind(struct slice s, struct slice what)
{
    for (size_t i = s.n < what.n ? 0 : s.n - what.n + 1; i-- > 0;)
        if (!what.n || !memcmp(s.p + i, what.p, what.n)) return (long)i;
    return -1;
}

long py_count(struct slice s, struct slice what)
{
    long k = 0, at;
    while ((at = py_find(s, what)) >= 0) {
        size_t behind = (size_t)at + what.n;
        s = (struct slice){ s.p + behind, s.n - behind };
        k++;
    }
    return k;
}

/* str.isspace: white space, and the separators of ASCII and Unicode. */
bool py_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static int space_at(struct slice s)            /* bytes of the white space that s begins with; 0: none */
{
    int len = 0;
    return s.n && py_is_space(text_code(s.p, s.n, &len)) ? len : 0;
}

static int space_before_end(struct slice s)
{
    size_t i = s.n;
    while (i && ((unsigned char)s.p[i - 1] & 0xc0) == 0x80) i--;
    if (!i) return 0;
    struct slice last = { s.p + i - 1, s.n - i + 1 };
    return space_at(last);
}

struct slice py_strip(struct slice s)
{
    for (int k; (k = space_at(s)) > 0;) s.p += k, s.n -= (size_t)k;
    for (int k; (k = space_before_end(s)) > 0;) s.n -= (size_t)k;
    return s;
}

static bool is_of(const char *set, char c) { return c && strchr(set, c); }

struct slice py_strip_chars(struct slice s, const char *set)
{
    while (s.n && is_of(set, s.p[0])) s.p++, s.n--;
    while (s.n && is_of(set, s.p[s.n - 1])) s.n--;
    return s;
}

size_t py_length(struct slice s)
{
    size_t k = 0;
    for (size_t i = 0; i < s.n; i++) k += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return k;
}

/* ---- case ---- */

static bool is_cased(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}

static void add_code(struct buf *b, uint32_t c)
{
    utf8proc_uint8_t out[4];
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)c, out);
    buf_add(b, out, (size_t)mem_max(n, 0));
}

static struct slice keep(struct arena *a, struct buf *b)
{
    struct slice s = { arena_str(a, b->p ? b->p : "", b->len), b->len };
    buf_free(b);
    return s;
}

/* A capital sigma that ends a word is another letter in lower case, and a dotted capital I is two code points. */
static void add_lower(struct buf *b, uint32_t c, bool behind_cased, struct slice rest)
{
    int len = 0;
    if (c == 0x3a3 && behind_cased && !(rest.n && is_cased(text_code(rest.p, rest.n, &len)))) add_code(b, 0x3c2);
    else if (c == 0x130) buf_str(b, "i\xCC\x87");
    else add_code(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
}

static struct slice recase(struct arena *a, struct slice s, bool title)
{
    struct buf b = { 0 };
    bool cased = false;
    while (s.n) {
        int len;
        uint32_t c = text_code(s.p, s.n, &len);
        s.p += len, s.n -= (size_t)len;
        if (!title || cased) add_lower(&b, c, cased, s);
        else if (c == 0xdf) buf_str(&b, "Ss");
        else add_code(&b, (uint32_t)utf8proc_totitle((utf8proc_int32_t)c));
        cased = is_cased(c);
    }
    return keep(a, &b);
}

struct slice py_lower(struct arena *a, struct slice s) { return recase(a, s, false); }
struct slice py_title(struct arena *a, struct slice s) { return recase(a, s, true); }

/* ---- pieces ---- */

struct slice py_replace(struct arena *a, struct slice s, const char *chars, char with)
{
    char *p = arena_str(a, s.p ? s.p : "", s.n);
    for (size_t i = 0; i < s.n; i++)
        if (is_of(chars, p[i])) p[i] = with;
    return (struct slice){ p, s.n };
}

struct slice py_without(struct arena *a, struct slice s, char c)
{
    char *p = arena_str(a, s.p ? s.p : "", s.n);
    size_t k = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != c) p[k++] = s.p[i];
    p[k] = 0;
    return (struct slice){ p, k };
}

bool py_word(struct slice *s, struct slice *word)
{
    for (int k; (k = space_at(*s)) > 0;) s->p += k, s->n -= (size_t)k;
    *word = (struct slice){ s->p, 0 };
    while (s->n && !space_at(*s)) {
        int len;
        (void)text_code(s->p, s->n, &len);
        s->p += len, s->n -= (size_t)len;
        word->n += (size_t)len;
    }
    return word->n > 0;
}

bool py_list(struct slice *s)
{
    struct slice in = py_strip(*s);
    if (in.n < 2 || in.p[0] != '[' || in.p[in.n - 1] != ']') return false;
    *s = py_strip((struct slice){ in.p + 1, in.n - 2 });
    return true;
}

/* A quoted text; -1: it is not closed. Escapes but \n and \t stand for the character itself. */
static long quoted(struct arena *a, struct slice s, struct slice *item)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t k = 0, i = 1;
    for (; i < s.n && s.p[i] != s.p[0]; i++) {
        bool escape = s.p[i] == '\\' && i + 1 < s.n;
        i += escape;
        out[k++] = escape && s.p[i] == 'n' ? '\n' : escape && s.p[i] == 't' ? '\t' : s.p[i];
    }
    *item = (struct slice){ out, k };
    return i < s.n ? (long)i + 1 : -1;
}

/* A number is written back as Python does, "2014.50" as 2014.5; a name is no literal. */
static bool plain_item(struct arena *a, struct slice s, struct slice *item)
{
    double x;
    s = py_strip(s);
    *item = s;
    if (py_same(s, py_text("True")) || py_same(s, py_text("False")) || py_same(s, py_text("None"))) return true;
    if (!s.n || strchr("iInN", s.p[s.n > 1 && (s.p[0] == '-' || s.p[0] == '+')])) return false;         /* float() alone knows inf and nan */
    if (py_int(a, s, item)) return true;
    if (!py_float(s, &x)) return false;
    *item = py_float_text(a, x);
    return true;
}

bool py_list_item(struct arena *a, struct slice *rest, struct slice *item)
{
    *rest = py_strip(*rest);
    if (!rest->n) return false;
    long end = rest->p[0] == '\'' || rest->p[0] == '"' ? quoted(a, *rest, item) : py_find(*rest, py_text(","));
    bool text = rest->p[0] == '\'' || rest->p[0] == '"';
    if (end < 0 && text) return false;
    if (end < 0) end = (long)rest->n;
    if (!text && !plain_item(a, (struct slice){ rest->p, (size_t)end }, item)) return false;
    struct slice behind = py_strip((struct slice){ rest->p + end, rest->n - (size_t)end });
    if (behind.n && behind.p[0] != ',') return false;
    *rest = behind.n ? (struct slice){ behind.p + 1, behind.n - 1 } : behind;
    return true;
}

static uint32_t *codes(struct slice s, size_t *n)
{
    uint32_t *c = mem_array(s.n + 1, sizeof *c);
    for (*n = 0; s.n; (*n)++) {
        int len;
        c[*n] = text_code(s.p, s.n, &len);
        s.p += len, s.n -= (size_t)len;
    }
    return c;
}

size_t py_levenshtein(struct slice x, struct slice y)
{
    size_t n, m;
    uint32_t *a = codes(x, &n), *b = codes(y, &m);
    size_t *row = mem_array(m + 1, sizeof *row);   /* distances of a[0, i) to every b[0, j) */
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]), shift = mem_min(row[j], row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = mem_min(change, shift);
        }
    }
    size_t d = row[m];
    free(a);
    free(b);
    free(row);
    return d;
}
