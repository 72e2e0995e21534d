/* SPDX-License-Identifier: Apache-2.0
 * JSON lines: lossless both ways, strict on the way in. */
#include <stdlib.h>
#include "base/rng.h"
#include "record/base64.h"
#include "record/jsonl.h"
#include "record/number.h"
#include "record/utf8.h"
#include "t.h"

/* ---- numbers ---- */

static int digits_of(const char *s)            /* significant ones */
{
    int n = 0, zeros = 0;
    for (; *s && *s != 'e'; s++) {
        if (*s < '0' || *s > '9' || (*s == '0' && n == 0)) continue;
        n++;
        zeros = *s == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

static void check_double(double x)
{
    struct buf b = {0};
    char best[40];
    buf_need(&b, NUMBER_TEXT);
    b.len = (size_t)(number_f64(b.p, x) - b.p);
    b.p[b.len] = 0;
    for (int d = 1; d <= 17; d++) {
        snprintf(best, sizeof best, "%.*e", d - 1, x);
        if (strtod(best, NULL) == x) break;
    }
    struct number y;
    const char *why;
    T_INT(number_get(b.p, b.len, &y, &why), b.len);
    bool same = y.type == NUMBER_FLOAT && !memcmp(&y.f, &x, 8), shortest = digits_of(b.p) <= digits_of(best);
    if (!same || !shortest) { t_bad++; printf("# %.17g: \"%s\", best \"%s\"\n", x, b.p, best); }
    buf_free(&b);
}

static void check_float(float x)
{
    struct buf b = {0};
    char best[40];
    buf_need(&b, NUMBER_TEXT);
    b.len = (size_t)(number_f32(b.p, x) - b.p);
    b.p[b.len] = 0;
    for (int d = 1; d <= 9; d++) {
        snprintf(best, sizeof best, "%.*e", d - 1, (double)x);
        if (strtof(best, NULL) == x) break;
    }
    struct number y;
    const char *why;
    T_INT(number_get(b.p, b.len, &y, &why), b.len);
    float back = (float)y.f;
    bool same = !memcmp(&back, &x, 4) && strtof(b.p, NULL) == x;
    if (!same || digits_of(b.p) > digits_of(best)) { t_bad++; printf("# %.9g: \"%s\", best \"%s\"\n", (double)x, b.p, best); }
    buf_free(&b);
}

static void doubles(void)
{
    struct rng r = rng_new(1, "doubles");
    static const double edge[] = { 0.0, -0.0, 1, -1, 0.1, 0.3, 1e-5, 9.999999999999999e-6, 1e15, 999999999999999.9, 1e16, 5e-324,
        1.7976931348623157e308, 2.2250738585072014e-308, 0.5, 0.0009765625, 9007199254740993.0, 123456789012345680.0, 4503599627370496.5 };
    for (int i = 0; i < countof(edge); i++) check_double(edge[i]);
    for (int e = -20; e < 60; e++) for (int d = -1; d <= 1; d++) {       /* powers of two and their neighbours */
        double x = ldexp(1, e);
        check_double(d < 0 ? nextafter(x, 0) : d > 0 ? nextafter(x, 1e300) : x);
    }
    for (int i = 0; i < 60000 && !t_bad; i++) {
        uint32_t o[4];
        rng_block(r.key, 7, (uint64_t)i, o);
        uint64_t u = (uint64_t)o[0] << 32 | o[1];
        double any;
        memcpy(&any, &u, 8);
        if (isfinite(any)) check_double(any);                            /* any bits */
        check_double(rng_next(&r));                                      /* probabilities */
        check_double((double)(float)(-20 * rng_next(&r)));               /* widened floats */
        check_double(rng_next_below(&r, 100000) / 1000.0);               /* few decimals */
        check_double(ldexp(rng_next(&r), (int)rng_next_below(&r, 80) - 20));
    }
}

static void floats(void)
{
    for (uint64_t i = 0; i < 60000 && !t_bad; i++) {
        uint32_t o[4];
        rng_block(rng_key(2, "floats", 6), 0, i, o);
        float any;
        memcpy(&any, o, 4);
        if (isfinite(any)) check_float(any);
        check_float((float)(o[1] * -0x1p-29));
    }
    for (int e = -30; e < 30; e++) { check_float(ldexpf(1, e)); check_float(nextafterf(ldexpf(1, e), 0)); }
}

static void number_grammar(void)
{
    static const struct { const char *s; int n; } good[] = { { "0", 1 }, { "-1", 2 }, { "10,", 2 }, { "1.50]", 4 }, { "1e5", 3 },
        { "-0.1E-2", 7 }, { "18446744073709551615", 20 }, { "-9223372036854775808", 20 }, { "0.00000000000000000000000001", 28 },
        { "123456789012345678901234567890.0", 32 } };
    static const char *const wrong[] = { "", "-", "01", "1.", ".5", "1e", "1e+", "+1", "18446744073709551616",
        "-9223372036854775809", "1e400", "nan", "x" };
    struct number x;
    const char *why;
    for (int i = 0; i < countof(good); i++) T_INT(number_get(good[i].s, strlen(good[i].s), &x, &why), good[i].n);
    for (int i = 0; i < countof(wrong); i++) T_INT(number_get(wrong[i], strlen(wrong[i]), &x, &why), 0);
    T_CHECK(number_get("-0", 2, &x, &why) == 2 && x.type == NUMBER_FLOAT && signbit(x.f));
    T_CHECK(number_get("-9223372036854775808", 20, &x, &why) == 20 && x.type == NUMBER_INT && x.i == INT64_MIN);
}

static void base64_forms(void)
{
    static const char *const text[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };     /* RFC 4648, 10 */
    static const char *const wrong[] = { "Z", "Zg=", "Zg===", "Z===", "Zh==", "Zm9=", "Zm 9", "=m9v", "Zm9v=m9v", "Zg==Zg==" };
    for (int i = 0; i < countof(text); i++) {
        struct buf b = {0}, back = {0};
        base64_put("foobar", (size_t)i, &b);
        T_STR(b.p, text[i]);
        T_OK(base64_get(b.p, b.len, &back));
        T_CHECK(back.len == (size_t)i && !memcmp(back.p, "foobar", back.len));
        buf_free(&b);
        buf_free(&back);
    }
    for (int i = 0; i < countof(wrong); i++) {
        struct buf b = {0};
        T_FAIL(base64_get(wrong[i], strlen(wrong[i]), &b), "base64");
        buf_free(&b);
    }
}

/* ---- records ---- */

/* Text -> wire -> value -> text: `want` comes out (NULL: the same). */
static void check_text(const char *text, const char *want)
{
    struct buf packed = {0}, out = {0};
    struct record *r = rec_new();
    T_OK(jsonl_get(text, strlen(text), &packed));
    T_OK(rec_unpack(r, packed.p, packed.len));
    jsonl_put(&r->root, &out);
    T_STR(out.p, want ? want : text);
    struct buf again = {0};
    T_OK(jsonl_get(out.p, out.len, &again));
    T_CHECK(again.len == packed.len && !memcmp(again.p, packed.p, again.len));
    rec_free(r);
    buf_free(&packed);
    buf_free(&out);
    buf_free(&again);
}

static int parse(const char *s, size_t n)
{
    struct buf b = {0};
    int r = jsonl_get(s, n, &b);
    if (!r) r = rec_check_packed(b.p, b.len);
    buf_free(&b);
    return r;
}

static void texts(void)
{
    check_text("{}", NULL);
    check_text("{\"id\":\"a/1\",\"n\":[1,-2,3.0,0.25,1e-07,-0.0,true,false,null,{},[]]}", NULL);
    check_text(" { \"a\" : [ 1 , 2 ] ,\t\"b\" : { \"c\" : 1.50 } } ", "{\"a\":[1,2],\"b\":{\"c\":1.5}}");
    check_text("{\"s\":\"\\u0000\\u001f\\b\\t\\n\\f\\r\\\"\\\\/ \xc3\xa4\xf0\x9f\x98\x80 and a long tail of text\"}", NULL);
    check_text("{\"s\":\"\\u00e4\\ud83d\\ude00\\/\"}", "{\"s\":\"\xc3\xa4\xf0\x9f\x98\x80/\"}");
    check_text("{\"b\":{\"$bin\":\"AAEC/w==\"},\"u\":{\"$u32\":[0,4294967295]},\"f\":{\"$f32\":[0.1,-1e-07,\"nan\",\"inf\",\"-inf\",3.0]}}", NULL);
    check_text("{\"e\":[{\"$bin\":\"\"},{\"$u32\":[]},{\"$f32\":[]}]}", NULL);
    check_text("{\"x\":[{\"$float\":\"nan\"},{\"$float\":\"-inf\"},{\"$uint\":\"18446744073709551615\"}]}", NULL);
    check_text("{\"x\":[18446744073709551615,9223372036854775807,-9223372036854775808]}",
               "{\"x\":[{\"$uint\":\"18446744073709551615\"},9223372036854775807,-9223372036854775808]}");
    check_text("{\"$$bin\":\"mine\",\"$$\":1,\"$$$\":2}", NULL);
    check_text("{\"f\":{\"$f32\":[1,2.5]}}", "{\"f\":{\"$f32\":[1.0,2.5]}}");
}

static void wide_containers(void)              /* the head grows from 1 to 3 and 5 bytes after the items are there */
{
    static const int size[] = { 15, 16, 65535, 65536 };
    for (int i = 0; i < countof(size); i++) {
        struct buf b = {0};
        buf_str(&b, "{\"a\":[");
        for (int k = 0; k < size[i]; k++) buf_fmt(&b, "%s%d", k ? "," : "", k % 10);
        buf_str(&b, "],\"m\":{");
        for (int k = 0; k < size[i] / 8; k++) buf_fmt(&b, "%s\"k%d\":[]", k ? "," : "", k);
        buf_str(&b, "}}");
        check_text(b.p, NULL);
        buf_free(&b);
    }
}

static void refused(void)
{
    static const struct { const char *text, *why; } bad[] = {
        { "", "column 1: cut off" }, { "[]", "want {" }, { "1", "want {" }, { "{\"a\":1", "column 7: cut off" }, { "{\"a\" 1}", "want :" },
        { "{\"a\":1,}", "want a string" }, { "{a:1}", "want a string" }, { "{\"a\":[1,]}", "no number" }, { "{\"a\":tru}", "want a value" },
        { "{\"a\":1} x", "text behind" }, { "{\"a\":\"\n\"}", "control character" }, { "{\"a\":\"\\x\"}", "no such escape" },
        { "{\"a\":\"\\u12g4\"}", "hex" }, { "{\"a\":\"\\ud800\"}", "surrogate" }, { "{\"a\":\"\\ude00\"}", "surrogate" },
        { "{\"a\":\"\\ud800\\u0041\"}", "surrogate" }, { "{\"a\":01}", "no number" }, { "{\"a\":1e999}", "beyond the range" },
        { "{\"a\":99999999999999999999}", "beyond 64 bits" }, { "{\"a\":1,\"a\":2}", "key \"a\" twice" }, { "{\"a\":\"\xff\"}", "UTF-8" },
        { "{\"$bin\":\"\"}", "not a $ form" }, { "{\"a\":{\"$bin\":\"x\"}}", "base64" }, { "{\"a\":{\"$bin\":\"\",\"b\":1}}", "want }" },
        { "{\"a\":{\"b\":1,\"$bin\":\"\"}}", "written $$" }, { "{\"a\":{\"$x\":1}}", "written $$" }, { "{\"a\":{\"$u32\":[-1]}}", "32 bits" },
        { "{\"a\":{\"$u32\":[4294967296]}}", "32 bits" }, { "{\"a\":{\"$u32\":[1.5]}}", "32 bits" }, { "{\"a\":{\"$f32\":[\"x\"]}}", "nan" },
        { "{\"a\":{\"$float\":\"-nan\"}}", "no such $float" }, { "{\"a\":{\"$uint\":\"-1\"}}", "no such $uint" }, { "{\"b\":1,\"cos\":1}", "reserved" },
    };
    for (int i = 0; i < countof(bad); i++) T_FAIL(parse(bad[i].text, strlen(bad[i].text)), bad[i].why);
    struct buf deep = {0};
    buf_str(&deep, "{\"a\":");
    for (int i = 0; i < 100000; i++) buf_byte(&deep, '[');
    T_FAIL(parse(deep.p, deep.len), "nested too deep");
    buf_free(&deep);
}

static void any_bytes(void)                    /* a text with bytes changed or cut: an error or a valid record, never more */
{
    const char *text = "{\"id\":\"\\u00e4x\",\"a\":[1,-2.5e3,true,{\"$f32\":[0.5,\"nan\"]}],\"b\":{\"$bin\":\"AAEC\"},\"$$c\":null}";
    size_t n = strlen(text);
    int accepted = 0;
    for (size_t i = 0; i < n; i++) {
        char *s = mem_strn(text, n);
        for (int c = 0; c < 256; c++) { s[i] = (char)c; accepted += parse(s, n) == 0; }
        free(s);
        char *cut = mem_alloc(i);              /* exactly as long as it says, for the sanitizer */
        memcpy(cut, text, i);
        T_INT(parse(cut, i), -1);
        free(cut);
    }
    T_CHECK(accepted > 100);
}

static FILE *text_file(const char *s)
{
    FILE *f = tmpfile();
    if (!f || fputs(s, f) < 0 || fflush(f)) abort();
    rewind(f);
    return f;
}

static int read_lines(const char *s, int *n)
{
    FILE *f = text_file(s);
    struct jsonl_reader *in = jsonl_reader_new(f, "in");
    const char *p;
    size_t len;
    int r;
    for (*n = 0; (r = jsonl_read(in, &p, &len)) > 0; ) ++*n;
    jsonl_reader_free(in);
    fclose(f);
    return r;
}

#define H "{\"cos\":1,\"kind\":\"header\"}\n"
#define T(n) "{\"cos\":1,\"kind\":\"trailer\",\"count\":" n "}\n"

static void line_streams(void)
{
    int n;
    T_INT(read_lines("{}\n\n  \n{\"a\":1}", &n), 0);
    T_INT(n, 2);
    T_INT(read_lines(H "{}\n" T("1") H T("0"), &n), 0);
    T_INT(n, 1);
    T_INT(read_lines("{}\n" H "{}\n" T("1"), &n), 0);
    T_INT(n, 2);
    T_FAIL(read_lines(H "{}\n", &n), "cut off after line 2: no trailer");
    T_FAIL(read_lines(H "{}\n" T("2"), &n), "line 3: the trailer counts 2 records, there were 1");
    T_FAIL(read_lines(H H, &n), "line 2: a header inside");
    T_FAIL(read_lines(H T("0") "{}\n", &n), "behind the trailer");
    T_FAIL(read_lines(T("0"), &n), "a trailer without a header");
    T_FAIL(read_lines("", &n), "empty");
    T_FAIL(read_lines("{ \"cos\": 9, \"kind\": \"header\"}\n", &n), "schema version 9");
    T_FAIL(read_lines("{\"cos\":1}\n", &n), "reserved");
}

static void utf8_tables(void)
{
    static const struct { const char *s; int good, run; } t[] = {
        { "abc", 3, 0 }, { "\xc3\xa4", 2, 0 }, { "12345678\xe2\x82\xac", 11, 0 }, { "\xf4\x8f\xbf\xbf", 4, 0 }, { "\xf4\x90\x80\x80", 0, 1 },
        { "\xc0\x80", 0, 1 }, { "\xe0\x9f\xbf", 0, 1 }, { "\xed\xa0\x80", 0, 1 }, { "a\xe2\x82", 1, 2 }, { "\xf0\x9f\x98", 0, 3 }, { "\x80", 0, 1 } };
    for (int i = 0; i < countof(t); i++) {
        size_t n = strlen(t[i].s);
        T_INT(utf8_good(t[i].s, n), t[i].good);
        if (t[i].run) T_INT(utf8_bad_run(t[i].s + t[i].good, n - (size_t)t[i].good), t[i].run);
    }
}

int main(void)
{
    T_RUN(doubles);
    T_RUN(floats);
    T_RUN(number_grammar);
    T_RUN(base64_forms);
    T_RUN(utf8_tables);
    T_RUN(texts);
    T_RUN(wide_containers);
    T_RUN(refused);
    T_RUN(any_bytes);
    T_RUN(line_streams);
    return t_end();
}
