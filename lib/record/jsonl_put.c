/* SPDX-License-Identifier: Apache-2.0
 * Records to JSON. */
#include "record/jsonl.h"

#include <math.h>
#include <string.h>
#include "record/base64.h"
#include "record/number.h"
#include "record/wire.h"

/* Control characters, the quote and the backslash need an escape; everything else is copied in runs. */
static void put_escape(uint8_t c, struct buf *out)
{
    static const char hex[] = "0123456789abcdef", named[] = "btn?fr";
    if (c == '"' || c == '\\') { buf_byte(out, '\\'); buf_byte(out, (char)c); return; }
    if (c >= 8 && c <= 13 && c != 11) { buf_byte(out, '\\'); buf_byte(out, named[c - 8]); return; }
    buf_add(out, "\\u00", 4);
    buf_byte(out, hex[c >> 4]);
    buf_byte(out, hex[c & 15]);
}

static void put_chars(const char *s, size_t n, struct buf *out)
{
    size_t i = 0;
    while (i < n) {
        size_t from = i;
        while (i + 8 <= n && wire_plain8(s + i)) i += 8;
        while (i < n && (uint8_t)s[i] >= 0x20 && s[i] != '"' && s[i] != '\\') i++;
        buf_add(out, s + from, i - from);
        if (i < n) put_escape((uint8_t)s[i++], out);
    }
}

static void put_str(const char *s, size_t n, bool key, struct buf *out)
{
    buf_byte(out, '"');
    if (key && n && s[0] == '$') buf_byte(out, '$');
    put_chars(s, n, out);
    buf_byte(out, '"');
}

static const char *name_of(double x) { return isnan(x) ? "\"nan\"" : x < 0 ? "\"-inf\"" : "\"inf\""; }

static void put_float(double x, struct buf *out)
{
    if (isfinite(x)) {
        buf_need(out, NUMBER_TEXT);
        out->len = (size_t)(number_f64(out->p + out->len, x) - out->p);
        return;
    }
    buf_str(out, "{\"$float\":");
    buf_str(out, name_of(x));
    buf_byte(out, '}');
}

static void put_uint(uint64_t x, struct buf *out)
{
    if (x <= INT64_MAX) { number_put_u64(out, x); return; }
    buf_str(out, "{\"$uint\":\"");
    number_put_u64(out, x);
    buf_str(out, "\"}");
}

static char *float_text(char *p, float f)
{
    if (isfinite(f)) return number_f32(p, f);
    const char *name = name_of((double)f);
    size_t n = strlen(name);
    memcpy(p, name, n);
    return p + n;
}

static void put_ext(const val *v, struct buf *out)
{
    const char *from = v->via.ext.ptr, *end = from + v->via.ext.size / 4 * 4;
    bool single = v->via.ext.type == EXT_F32;
    buf_str(out, single ? "{\"$f32\":[" : "{\"$u32\":[");
    for (const char *q = from; q < end; q += 4) {
        buf_need(out, NUMBER_TEXT + 1);
        char *p = out->p + out->len;
        uint32_t u;
        float f;
        memcpy(&u, q, 4);
        memcpy(&f, q, 4);
        if (q > from) *p++ = ',';
        p = single ? float_text(p, f) : number_u64(p, u);
        out->len = (size_t)(p - out->p);
    }
    buf_str(out, "]}");
}

static void put_bin(const val *v, struct buf *out)
{
    buf_str(out, "{\"$bin\":\"");
    base64_put(v->via.bin.ptr, v->via.bin.size, out);
    buf_str(out, "\"}");
}

static void put_array(const val *v, struct buf *out)
{
    buf_byte(out, '[');
    for (uint32_t i = 0; i < v->via.array.size; i++) {
        if (i) buf_byte(out, ',');
        jsonl_put(&v->via.array.ptr[i], out);
    }
    buf_byte(out, ']');
}

static void put_map(const val *v, struct buf *out)
{
    buf_byte(out, '{');
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        const msgpack_object_kv *kv = &v->via.map.ptr[i];
        if (i) buf_byte(out, ',');
        put_str(kv->key.via.str.ptr, kv->key.via.str.size, true, out);
        buf_byte(out, ':');
        jsonl_put(&kv->val, out);
    }
    buf_byte(out, '}');
}

void jsonl_put(const val *v, struct buf *out)
{
    switch (v->type) {
    case MSGPACK_OBJECT_NIL: buf_str(out, "null"); break;
    case MSGPACK_OBJECT_BOOLEAN: buf_str(out, v->via.boolean ? "true" : "false"); break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: put_uint(v->via.u64, out); break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: number_put_i64(out, v->via.i64); break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: put_float(v->via.f64, out); break;
    case MSGPACK_OBJECT_STR: put_str(v->via.str.ptr, v->via.str.size, false, out); break;
    case MSGPACK_OBJECT_BIN: put_bin(v, out); break;
    case MSGPACK_OBJECT_EXT: put_ext(v, out); break;
    case MSGPACK_OBJECT_ARRAY: put_array(v, out); break;
    case MSGPACK_OBJECT_MAP: put_map(v, out); break;
    }
}
