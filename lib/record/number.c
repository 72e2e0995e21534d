/* SPDX-License-Identifier: Apache-2.0 */
#include "record/number.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

typedef unsigned __int128 u128;

static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
                            "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/* Writes x so that it ends before `end`, at least `least` digits; returns its first character. */
static char *digits_before(char *end, uint64_t x, int least)
{
    char *p = end;
    for (; x >= 100; x /= 100) memcpy(p -= 2, pairs + 2 * (x % 100), 2);
    if (x >= 10) memcpy(p -= 2, pairs + 2 * x, 2);
    else if (x || least) *--p = (char)('0' + x);
    while (end - p < least) *--p = '0';
    return p;
}

void number_put_u64(struct buf *b, uint64_t x)
{
    char s[20], *p = digits_before(s + sizeof s, x, 1);
    buf_add(b, p, (size_t)(s + sizeof s - p));
}

void number_put_i64(struct buf *b, int64_t x)
{
    if (x < 0) buf_byte(b, '-');
    number_put_u64(b, x < 0 ? -(uint64_t)x : (uint64_t)x);
}

/* ---- floats ---- */

static const uint64_t pow10[20] = {
    1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u, 10000000000u, 100000000000u,
    1000000000000u, 10000000000000u, 100000000000000u, 1000000000000000u, 10000000000000000u, 100000000000000000u,
    1000000000000000000u, 10000000000000000000u };

static u128 ten_to(int k) { return k < 20 ? pow10[k] : (u128)pow10[19] * pow10[k - 19]; }

/* x = f / 2^s as m / 10^k with the fewest decimals that lie well inside the interval of numbers rounding to it;
 * f is below 2^53, s <= 69, and 1e-5 <= x < 1e15, so that f * 10^22 and all else is exact in 128 bits.
 * `digits` significant ones are tried first: so few that at most one such decimal lies in the interval, and cutting
 * its zeros gives the shortest. low: f is a power of two, with half the distance below. */
static bool shortest(double x, uint64_t f, int s, bool low, int digits, int most, uint64_t *m, int *k)
{
    int whole = 1;                                           /* digits before the point; 0, -1, ... for x < 0.1, ... */
    while (whole < 16 && x >= (double)pow10[whole]) whole++;
    for (double y = x; y < 1 && whole > -5; y *= 10) whole--;
    for (int d = digits; d <= most; d++) {
        int decimals = d - whole;
        if (decimals < 0 || decimals > 22) return false;
        u128 ten = ten_to(decimals), exact = f * ten, half = s ? (u128)1 << (s - 1) : 0;
        u128 near = (exact + half) >> s, back = near << s;
        u128 off = back > exact ? back - exact : exact - back;
        if (off * (low ? 4 : 2) >= ten - (ten >> 20)) continue;
        *m = (uint64_t)near;
        *k = decimals;
        while (*k > 0 && *m % 10 == 0) { *m /= 10; --*k; }
        return true;
    }
    return false;
}

static void put_decimal(struct buf *b, bool negative, uint64_t m, int k)      /* m / 10^k, k at most 22 */
{
    char s[48], *end = s + sizeof s, *p;
    uint64_t whole = k < 20 ? m / pow10[k] : 0;
    p = digits_before(end, k < 20 ? m % pow10[k] : m, k ? k : 1);
    *--p = '.';
    p = digits_before(p, whole, 1);
    if (negative) *--p = '-';
    buf_add(b, p, (size_t)(end - p));
}

/* Any finite number, slowly. Every decimal of 15 (float: 6) digits is told apart, but among the subnormal ones. */
static void put_printed(struct buf *b, double x, bool single)
{
    char s[40];
    bool subnormal = fabs(x) < (single ? (double)FLT_MIN : DBL_MIN);
    for (int d = subnormal ? 1 : single ? 6 : 15; d <= (single ? 9 : 17); d++) {
        snprintf(s, sizeof s, "%.*g", d, x);
        double y = strtod(s, NULL);
        if (single ? (float)y == (float)x : y == x) break;
    }
    buf_str(b, s);
    if (!strpbrk(s, ".e")) buf_str(b, ".0");
}

void number_put_f64(struct buf *b, double x)
{
    uint64_t u, m;
    int k;
    memcpy(&u, &x, 8);
    double a = fabs(x);
    int s = 1075 - (int)(u >> 52 & 0x7ff);
    uint64_t frac = u & (((uint64_t)1 << 52) - 1);
    if (a >= 1e-5 && a < 1e15 && shortest(a, frac | (uint64_t)1 << 52, s, frac == 0, 15, 17, &m, &k)) put_decimal(b, u >> 63, m, k);
    else put_printed(b, x, false);
}

void number_put_f32(struct buf *b, float x)
{
    uint32_t u;
    uint64_t m;
    int k;
    memcpy(&u, &x, 4);
    float a = fabsf(x);
    int s = 150 - (int)(u >> 23 & 0xff);
    uint32_t frac = u & ((1u << 23) - 1);
    if (a >= 1e-5f && a < 8388608 && shortest((double)a, frac | 1u << 23, s, frac == 0, 6, 9, &m, &k)) put_decimal(b, u >> 31, m, k);
    else put_printed(b, (double)x, true);
}

/* ---- reading ---- */

static double slow_double(const char *s, size_t n, const char **why)
{
    char near[64], *t = n < sizeof near ? near : mem_alloc(n + 1);
    memcpy(t, s, n);
    t[n] = 0;
    double x = strtod(t, NULL);
    if (t != near) free(t);
    if (isinf(x)) *why = "a number beyond the range of double";
    return x;
}

/* m * 10^e where both are exact doubles, so that one rounding is all (Clinger 1990); else strtod. */
static double to_double(const char *s, size_t n, bool negative, uint64_t m, long e, bool cut, const char **why)
{
    static const double ten[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (cut || m > (uint64_t)1 << 53 || e < -22 || e > 22) return slow_double(s, n, why);
    double x = e < 0 ? (double)m / ten[-e] : (double)m * ten[e];
    return negative ? -x : x;
}

struct scan { const char *s; size_t i, n; uint64_t m; long point; bool cut; };    /* cut: more than 19 digits */

static size_t take_digits(struct scan *c, bool fraction)
{
    const char *s = c->s;
    size_t from = c->i, i = from, n = c->n;
    uint64_t m = c->m;
    for (; i < n && (uint8_t)(s[i] - '0') <= 9; i++) {
        unsigned d = (uint8_t)(s[i] - '0');
        if (m >= UINT64_MAX / 10 && (m > UINT64_MAX / 10 || d > UINT64_MAX % 10)) { c->cut = true; continue; }
        m = m * 10 + d;
        c->point += fraction;
    }
    c->m = m;
    c->i = i;
    return i - from;
}

static bool take_exponent(struct scan *c, long *e)
{
    size_t i = c->i + 1;
    bool minus = i < c->n && c->s[i] == '-';
    if (i < c->n && (c->s[i] == '-' || c->s[i] == '+')) i++;
    size_t from = i;
    for (; i < c->n && c->s[i] >= '0' && c->s[i] <= '9'; i++) if (*e < 100000) *e = *e * 10 + (c->s[i] - '0');
    if (minus) *e = -*e;
    c->i = i;
    return i > from;
}

size_t number_get(const char *s, size_t n, struct number *x, const char **why)
{
    bool negative = n && s[0] == '-';
    struct scan c = { .s = s, .i = negative, .n = n };
    *why = "no number";
    size_t first = c.i, whole = take_digits(&c, false);
    if (!whole || (whole > 1 && s[first] == '0')) return 0;
    bool is_float = false;
    long e = 0;
    if (c.i < n && s[c.i] == '.') {
        is_float = true;
        c.i++;
        if (!take_digits(&c, true)) return 0;
    }
    if (c.i < n && (s[c.i] == 'e' || s[c.i] == 'E')) {
        is_float = true;
        if (!take_exponent(&c, &e)) return 0;
    }
    *why = NULL;
    if (is_float || (negative && c.m == 0 && !c.cut)) {                    /* -0 is a float, too */
        x->type = NUMBER_FLOAT;
        x->f = to_double(s, c.i, negative, c.m, e - c.point, c.cut, why);
    } else if (c.cut || (negative && c.m > (uint64_t)1 << 63)) {
        *why = "an integer beyond 64 bits";
    } else if (negative) {
        x->type = NUMBER_INT;
        x->i = (int64_t)-c.m;
    } else {
        x->type = NUMBER_UINT;
        x->u = c.m;
    }
    return *why ? 0 : c.i;
}
