/* SPDX-License-Identifier: Apache-2.0
 * JSON to packed records, in one pass: strict JSON (RFC 8259) straight to the wire. jansson, which the documents of
 * lib/store go through, builds a tree of hash tables first and is several times slower. */
#include "record/jsonl.h"

#include <math.h>
#include <string.h>
#include "record/base64.h"
#include "record/number.h"
#include "record/utf8.h"
#include "record/wire.h"

struct in {
    const char *start, *p, *end;
    struct buf *out;
    struct buf text;                           /* the string read last, when it had escapes */
    int depth;
};

static int bad(const struct in *in, const char *what)
{
    return in->p >= in->end ? fail("column %zu: cut off", (size_t)(in->end - in->start) + 1)
                            : fail("column %zu: %s", (size_t)(in->p - in->start) + 1, what);
}

static void space(struct in *in)
{
    while (in->p < in->end && (*in->p == ' ' || *in->p == '\t' || *in->p == '\n' || *in->p == '\r')) in->p++;
}

static bool take(struct in *in, char c)
{
    space(in);
    if (in->p == in->end || *in->p != c) return false;
    in->p++;
    return true;
}

/* ---- strings ---- */

static bool hex4(struct in *in, uint32_t *x)
{
    if (in->end - in->p < 4) return false;
    *x = 0;
    for (int i = 0; i < 4; i++) {
        char c = *in->p++;
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) return false;
        *x = *x << 4 | (uint32_t)d;
    }
    return true;
}

static int unicode_escape(struct in *in)       /* behind \u */
{
    uint32_t c, low;
    char utf8[4];
    if (!hex4(in, &c)) return bad(in, "want four hex digits behind \\u");
    if (c >= 0xd800 && c < 0xdc00) {
        if (in->end - in->p < 2 || in->p[0] != '\\' || in->p[1] != 'u') return bad(in, "half a surrogate pair");
        in->p += 2;
        if (!hex4(in, &low) || low < 0xdc00 || low > 0xdfff) return bad(in, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) return bad(in, "half a surrogate pair");
    buf_add(&in->text, utf8, (size_t)utf8_put(utf8, c));
    return 0;
}

static int escape(struct in *in)               /* behind the backslash */
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (in->p == in->end) return bad(in, "");
    char c = *in->p++;
    if (c == 'u') return unicode_escape(in);
    const char *k = c ? strchr(from, c) : NULL;
    if (!k) { in->p--; return bad(in, "no such escape"); }
    buf_byte(&in->text, to[k - from]);
    return 0;
}

static const char *run_end(const char *p, const char *end)     /* the first byte that is not plain text */
{
    while (end - p >= 8 && wire_plain8(p)) p += 8;
    while (p < end && (uint8_t)*p >= 0x20 && *p != '"' && *p != '\\') p++;
    return p;
}

/* The string at p. *s is borrowed from the line or from in->text until the next call. */
static int string(struct in *in, const char **s, size_t *n)
{
    if (!take(in, '"')) return bad(in, "want a string");
    const char *from = in->p;
    in->p = run_end(from, in->end);
    if (in->p < in->end && *in->p == '"') {
        *s = from;
        *n = (size_t)(in->p++ - from);
        return 0;
    }
    buf_clear(&in->text);
    for (;;) {
        buf_add(&in->text, from, (size_t)(in->p - from));
        if (in->p == in->end || (uint8_t)*in->p < 0x20) return bad(in, "a control character in a string");
        if (*in->p == '"') break;
        in->p++;
        if (escape(in)) return -1;
        from = in->p;
        in->p = run_end(from, in->end);
    }
    in->p++;
    *s = in->text.p;
    *n = in->text.len;
    return 0;
}

static int put_string(struct in *in, const char *s, size_t n)
{
    if (n > REC_MAX) return bad(in, "a string too long");
    wire_put_str(in->out, s, (uint32_t)n);
    return 0;
}

/* ---- containers: the count is known at their end; one byte is kept for the head, which is enough for 15 items ---- */

static void finish(struct buf *out, size_t head, uint32_t n, bool map)
{
    if (n < 16) { out->p[head] = (char)((map ? 0x80 : 0x90) | n); return; }
    struct buf h = {0};
    if (map) wire_put_map(&h, n);
    else wire_put_array(&h, n);
    buf_need(out, h.len);
    memmove(out->p + head + h.len, out->p + head + 1, out->len - head - 1);
    memcpy(out->p + head, h.p, h.len);
    out->len += h.len - 1;
    buf_free(&h);
}

static int value(struct in *in);

static int array(struct in *in)
{
    size_t head = in->out->len;
    uint32_t n = 0;
    buf_byte(in->out, 0);
    if (take(in, ']')) { finish(in->out, head, 0, false); return 0; }
    do {
        if (value(in)) return -1;
        n++;
    } while (take(in, ','));
    if (!take(in, ']')) return bad(in, "want , or ]");
    finish(in->out, head, n, false);
    return 0;
}

/* ---- the forms {"$...": ...} ---- */

static int number_at(struct in *in, struct number *x)
{
    const char *why;
    space(in);
    size_t n = number_get(in->p, (size_t)(in->end - in->p), x, &why);
    if (!n) return bad(in, why);
    in->p += n;
    return 0;
}

static bool named_float(const char *s, size_t n, double *x)
{
    bool minus = n == 4 && s[0] == '-';
    if (minus) { s++; n--; }
    if (n != 3 || (memcmp(s, "inf", 3) && (minus || memcmp(s, "nan", 3)))) return false;
    *x = s[0] == 'n' ? (double)NAN : minus ? -(double)INFINITY : (double)INFINITY;
    return true;
}

static int number32(struct in *in, bool single, struct buf *out)       /* one item of $u32 or $f32 */
{
    struct number x = {0};
    double f;
    space(in);
    if (single && in->p < in->end && *in->p == '"') {
        const char *s;
        size_t n;
        if (string(in, &s, &n)) return -1;
        if (!named_float(s, n, &f)) return bad(in, "want a number, nan, inf or -inf");
    } else {
        if (number_at(in, &x)) return -1;
        f = x.type == NUMBER_FLOAT ? x.f : x.type == NUMBER_INT ? (double)x.i : (double)x.u;
    }
    float f32 = (float)f;
    uint32_t u32 = (uint32_t)x.u;
    if (!single && (x.type != NUMBER_UINT || x.u > UINT32_MAX)) return bad(in, "want an integer of 32 bits");
    buf_add(out, single ? (void *)&f32 : (void *)&u32, 4);
    return 0;
}

static int form_numbers(struct in *in, bool single)
{
    struct buf b = {0};
    int r = 0;
    if (!take(in, '[')) return bad(in, "want an array");
    if (!take(in, ']')) {
        do r = number32(in, single, &b); while (!r && take(in, ','));
        if (!r && !take(in, ']')) r = bad(in, "want , or ]");
    }
    if (!r && b.len > REC_MAX) r = bad(in, "too many numbers");
    if (!r) wire_put_ext(in->out, single ? EXT_F32 : EXT_U32, b.p, (uint32_t)b.len);
    buf_free(&b);
    return r;
}

static int form_text(struct in *in, const char *name)                  /* $bin, $float, $uint */
{
    const char *s, *why;
    size_t n;
    space(in);
    if (string(in, &s, &n)) return -1;
    if (!strcmp(name, "bin")) {
        struct buf b = {0};
        int r = base64_get(s, n, &b);
        if (r) r = fail_in("column %zu", (size_t)(in->p - in->start));
        else if (b.len > REC_MAX) r = bad(in, "too many bytes");
        else wire_put_bin(in->out, b.p, (uint32_t)b.len);
        buf_free(&b);
        return r;
    }
    double f;
    struct number x;
    if (!strcmp(name, "float") && named_float(s, n, &f)) { wire_put_f64(in->out, f); return 0; }
    if (!strcmp(name, "uint") && n && number_get(s, n, &x, &why) == n && x.type == NUMBER_UINT) {
        wire_put_u64(in->out, x.u);
        return 0;
    }
    return fail("column %zu: no such $%s", (size_t)(in->p - in->start), name);
}

/* Behind the key `$name` of an object, which has to be its only one. */
static int form(struct in *in, const char *name, size_t n)
{
    static const char *const names[] = { "$bin", "$float", "$uint", "$u32", "$f32" };
    int k = 0;
    while (k < countof(names) && (strlen(names[k]) != n || memcmp(names[k], name, n))) k++;
    if (k == countof(names)) return bad(in, "a key of yours that begins with $ is written $$");
    if (!take(in, ':')) return bad(in, "want :");
    if (k < 3 ? form_text(in, names[k] + 1) : form_numbers(in, k == 4)) return -1;
    return take(in, '}') ? 0 : bad(in, "want } behind a $ form");
}

static int object(struct in *in)
{
    size_t head = in->out->len;
    uint32_t pairs = 0;
    if (take(in, '}')) { wire_put_map(in->out, 0); return 0; }
    buf_byte(in->out, 0);
    do {
        const char *s;
        size_t n;
        space(in);
        if (string(in, &s, &n)) return -1;
        bool dollar = n && s[0] == '$', twice = n > 1 && dollar && s[1] == '$';
        if (dollar && !twice) {
            if (pairs) return bad(in, "a key of yours that begins with $ is written $$");
            in->out->len = head;
            return form(in, s, n);
        }
        if (put_string(in, s + twice, n - twice)) return -1;
        if (!take(in, ':')) return bad(in, "want :");
        if (value(in)) return -1;
        pairs++;
    } while (take(in, ','));
    if (!take(in, '}')) return bad(in, "want , or }");
    finish(in->out, head, pairs, true);
    return 0;
}

/* ---- values ---- */

static int word(struct in *in, const char *w)
{
    size_t n = strlen(w);
    if ((size_t)(in->end - in->p) < n || memcmp(in->p, w, n)) return bad(in, "want a value");
    in->p += n;
    return 0;
}

static int number(struct in *in)
{
    struct number x;
    if (number_at(in, &x)) return -1;
    if (x.type == NUMBER_INT) wire_put_i64(in->out, x.i);
    else if (x.type == NUMBER_UINT) wire_put_u64(in->out, x.u);
    else wire_put_f64(in->out, x.f);
    return 0;
}

static int container(struct in *in)
{
    char c = *in->p;
    if (in->depth == REC_DEPTH) return bad(in, "nested too deep");
    in->p++;
    in->depth++;
    int r = c == '{' ? object(in) : array(in);
    in->depth--;
    return r;
}

static int value(struct in *in)
{
    const char *s;
    size_t n;
    space(in);
    if (in->p == in->end) return bad(in, "");
    switch (*in->p) {
    case '{':
    case '[': return container(in);
    case '"': return string(in, &s, &n) ? -1 : put_string(in, s, n);
    case 't': wire_put_bool(in->out, true); return word(in, "true");
    case 'f': wire_put_bool(in->out, false); return word(in, "false");
    case 'n': wire_put_nil(in->out); return word(in, "null");
    default: return number(in);
    }
}

int jsonl_get(const char *s, size_t n, struct buf *packed)
{
    struct in in = { .start = s, .p = s, .end = s + n, .out = packed };
    size_t from = packed->len;
    space(&in);
    int r = in.p < in.end && *in.p != '{' ? bad(&in, "a record is an object: want {") : value(&in);
    if (!r) {
        space(&in);
        if (in.p < in.end) r = bad(&in, "text behind the object");
        else if (((uint8_t)packed->p[from] & 0xf0) != 0x80 && ((uint8_t)packed->p[from] & 0xfe) != 0xde)
            r = fail("column 1: a record is an object, not a $ form");
    }
    buf_free(&in.text);
    return r;
}
