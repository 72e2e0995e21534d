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

char *number_u64(char *p, uint64_t x)
{
    char s[20], *d = digits_before(s + sizeof s, x, 1);
    size_t n = (size_t)(s + sizeof s - d);
    memcpy(p, d, n);
    return p + n;
}

void number_put_u64(struct buf *b, uint64_t x)
{
    buf_need(b, NUMBER_TEXT);
    b->len = (size_t)(number_u64(b->p + b->len, x) - b->p);
    b->p[b->len] = 0;
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

/* The decimal of so many digits behind the point that is nearest to f / 2^s, as *near / 10^decimals: does it lie well
 * inside the interval of numbers that round to f / 2^s? low: f is a power of two, with half the distance below. */
static bool fits(uint64_t f, int s, bool low, int decimals, uint64_t *near)
{
    u128 ten = ten_to(decimals), exact = f * ten, half = s ? (u128)1 << (s - 1) : 0;
    u128 m = (exact + half) >> s, back = m << s;
    u128 off = back > exact ? back - exact : exact - back;
    *near = (uint64_t)m;
    return off * (low ? 4 : 2) < ten - (ten >> 20);
}

/* x = f / 2^s as m / 10^k with the fewest digits that round to it; f is below 2^53, s <= 69, and 1e-5 <= x < 1e15, so
 * that f * 10^22 and all else is exact in 128 bits. `most` digits always fit; of `least` at most one decimal lies in the
 * interval, and cutting its zeros gives the shortest. If d digits fit, so do d + 1: most numbers need nearly all. */
static bool shortest(double x, uint64_t f, int s, bool low, int least, int most, uint64_t *m, int *k)
{
    int whole = 1;                                           /* digits before the point; 0, -1, ... for x < 0.1, ... */
    uint64_t shorter;
    while (whole < 16 && x >= (double)pow10[whole]) whole++;
    for (double y = x; y < 1 && whole > -5; y *= 10) whole--;
    int d = most - whole;
    if (least < whole || d > 22 || !fits(f, s, low, d, m)) return false;
    for (; d > least - whole && fits(f, s, low, d - 1, &shorter); d--) *m = shorter;
    while (d > 0 && *m % 10 == 0) { *m /= 10; d--; }
    *k = d;
    return true;
}

static char *decimal(char *to, bool negative, uint64_t m, int k)      /* m / 10^k, k at most 22 */
{
    char s[48], *end = s + sizeof s, *p;
    uint64_t whole = k < 20 ? m / pow10[k] : 0;
    p = digits_before(end, k < 20 ? m % pow10[k] : m, k ? k : 1);
    *--p = '.';
    p = digits_before(p, whole, 1);
    if (negative) *--p = '-';
    memcpy(to, p, (size_t)(end - p));
    return to + (end - p);
}

/* Any finite number, slowly. Every decimal of 15 (float: 6) digits is told apart, but among the subnormal ones. */
static char *printed(char *s, double x, bool single)
{
    bool subnormal = fabs(x) < (single ? (double)FLT_MIN : DBL_MIN);
    for (int d = subnormal ? 1 : single ? 6 : 15; d <= (single ? 9 : 17); d++) {
        snprintf(s, NUMBER_TEXT, "%.*g", d, x);
        double y = strtod(s, NULL);
        if (single ? (float)y == (float)x : y == x) break;
    }
    if (!strpbrk(s, ".e")) strcat(s, ".0");
    return s + strlen(s);
}

char *number_f64(char *p, double x)
{
    uint64_t u, m;
    int k;
    memcpy(&u, &x, 8);
    double a = fabs(x);
    int s = 1075 - (int)(u >> 52 & 0x7ff);
    uint64_t frac = u & (((uint64_t)1 << 52) - 1);
    bool plain = a >= 1e-5 && a < 1e15 && shortest(a, frac | (uint64_t)1 << 52, s, frac == 0, 15, 17, &m, &k);
    return plain ? decimal(p, u >> 63, m, k) : printed(p, x, false);
}

/* m / 10^d, both exact doubles, is what a reader computes before it rounds to float. */
static bool fits32(double x, float f, int d, uint64_t *m)
{
    *m = (uint64_t)(x * (double)pow10[d] + 0.5);
    return (float)((double)*m / (double)pow10[d]) == f;
}

char *number_f32(char *p, float x)
{
    uint64_t m, shorter;
    float f = fabsf(x);
    double a = (double)f;
    int d = 9;                                 /* decimals for nine digits: that many always do, six are always told apart */
    for (double y = a; y >= 1; y /= 10) d--;
    for (double y = a * 10; y < 1 && d < 14; y *= 10) d++;
    if (!(a >= 1e-5 && a < 1e6) || !fits32(a, f, d, &m)) return printed(p, (double)x, true);
    for (int least = d - 3; d > least && fits32(a, f, d - 1, &shorter); d--) m = shorter;
    while (d > 0 && m % 10 == 0) { m /= 10; d--; }
    return decimal(p, signbit(x), m, d);
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

struct scan {
    const char *s;
    size_t i, n;
    uint64_t m;                                /* the digits as a number, cut: as far as 64 bits hold them */
    bool cut;
    int digits;                                /* how many so far, at most 19 */
    long point;                                /* of them behind the point, unless cut */
};

static size_t take_digits(struct scan *c, bool fraction)
{
    const char *s = c->s;
    size_t from = c->i, i = from, safe = mem_min(c->n, (size_t)(i + 19 - c->digits));     /* 19 digits fit into 64 bits */
    uint64_t m = c->m;
    for (; i < safe && (uint8_t)(s[i] - '0') <= 9; i++) m = m * 10 + (uint8_t)(s[i] - '0');
    for (; i < c->n && (uint8_t)(s[i] - '0') <= 9; i++) {
        unsigned d = (uint8_t)(s[i] - '0');
        if (c->cut || m > (UINT64_MAX - d) / 10) c->cut = true;
        else m = m * 10 + d;
    }
    c->m = m;
    c->i = i;
    c->digits += (int)mem_min(i - from, (size_t)(19 - c->digits));
    if (fraction) c->point = (long)(i - from);
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
