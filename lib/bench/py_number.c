/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/py.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>
#include "text/unicode.h"

/* ---- reading ---- */

/* The value of a decimal digit: 0 .. 9 stand in order in runs of ten, one or several side by side. -1: none. */
static int digit_value(uint32_t c)
{
    if (c < 128) return c >= '0' && c <= '9' ? (int)c - '0' : -1;
    if (utf8proc_category((utf8proc_int32_t)c) != UTF8PROC_CATEGORY_ND) return -1;
    uint32_t first = c;
    while (utf8proc_category((utf8proc_int32_t)first - 1) == UTF8PROC_CATEGORY_ND) first--;
    return (int)((c - first) % 10);
}

/* ASCII for every digit, without the white space around it and the underscores between digits. NULL: an underscore or a
 * character stands where no number has it. Caller frees. */
static char *plain(struct slice s)
{
    s = py_strip(s);
    char *out = mem_alloc(s.n + 1);
    size_t k = 0;
    bool digit = false;                        /* the character before is one */
    for (bool under = false; s.n;) {
        int len, d;
        uint32_t c = text_code(s.p, s.n, &len);
        d = digit_value(c);
        if (c == '_' ? !digit : (under && d < 0) || (d < 0 && (c == 0 || c > 127))) return free(out), NULL;
        if (c != '_') out[k++] = d >= 0 ? (char)('0' + d) : (char)c;
        under = c == '_';
        digit = d >= 0;
        s.p += len, s.n -= (size_t)len;
        if (under && !s.n) return free(out), NULL;
    }
    return out;
}

static size_t digits(const char *s) { return strspn(s, "0123456789"); }

/* Is s what strtod reads, and not one of its hexadecimals and nan(...)? */
static bool is_decimal(const char *s)
{
    if (*s == '+' || *s == '-') s++;
    if (!strcasecmp(s, "inf") || !strcasecmp(s, "infinity") || !strcasecmp(s, "nan")) return true;
    size_t whole = digits(s), part = 0;
    s += whole;
    if (*s == '.') s += 1 + (part = digits(s + 1));
    if (!whole && !part) return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '+' || *s == '-') s++;
        if (!digits(s)) return false;
        s += digits(s);
    }
    return !*s;
}

bool py_float(struct slice s, double *x)
{
    char *text = plain(s);
    bool ok = text && is_decimal(text);
    if (ok) *x = strtod(text, NULL);
    free(text);
    return ok;
}

enum { INT_DIGITS = 4300 };                    /* Python reads no integers of more */

bool py_int(struct arena *a, struct slice s, struct slice *text)
{
    char *all = plain(s), *p = all;
    if (!p) return false;
    bool minus = *p == '-';
    if (*p == '-' || *p == '+') p++;
    size_t n = digits(p);
    bool ok = n && n <= INT_DIGITS && !p[n];
    if (ok) {
        while (*p == '0' && p[1]) p++, n--;
        if (minus && *p != '0') *--p = '-', n++;
        *text = (struct slice){ arena_str(a, p, n), n };
    }
    free(all);
    return ok;
}

/* ---- writing ---- */

bool py_truncate(struct arena *a, double x, struct slice *text)
{
    char s[400];
    if (!isfinite(x)) return false;
    x = trunc(x);
    int n = snprintf(s, sizeof s, "%.0f", x == 0 ? 0 : x);
    *text = (struct slice){ arena_str(a, s, (size_t)n), (size_t)n };
    return true;
}

double py_round(double x, int decimals)
{
    char s[800];
    if (!isfinite(x)) return x;
    snprintf(s, sizeof s, "%.*f", mem_min(decimals, 400), x);
    return strtod(s, NULL);
}

struct slice py_float_text(struct arena *a, double x)
{
    char s[40], out[64];
    if (!isfinite(x)) {
        const char *word = isnan(x) ? "nan" : x < 0 ? "-inf" : "inf";
        return (struct slice){ arena_str(a, word, strlen(word)), strlen(word) };
    }
    int k = 0;
    do snprintf(s, sizeof s, "%.*e", k, x); while (strtod(s, NULL) != x && ++k < 17);
    int e = atoi(strchr(s, 'e') + 1), n;
    if (e >= -4 && e < 16) n = snprintf(out, sizeof out, "%.*f", mem_max(k - e, 1), x);
    else n = snprintf(out, sizeof out, "%s", s);       /* printf's exponent has two digits at least, as Python's has */
    return (struct slice){ arena_str(a, out, (size_t)n), (size_t)n };
}
