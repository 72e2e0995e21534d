/* SPDX-License-Identifier: Apache-2.0 */
#include "record/answer.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct slice trim(struct slice s)
{
    while (s.n && isspace((unsigned char)s.p[0])) s.p++, s.n--;
    while (s.n && isspace((unsigned char)s.p[s.n - 1])) s.n--;
    return s;
}

/* Quotes, brackets, markup and marks of the sentence; not signs that belong to a value (- + % $ # / \). */
static bool is_mark(char c) { return c && strchr(".,;:!?\"'`*_~()[]{}<>", c); }

/* A leading point or a comma inside belongs to the number: ".5". */
static bool leads_number(struct slice s) { return s.n > 1 && s.p[0] == '.' && isdigit((unsigned char)s.p[1]); }

static struct slice bare(struct slice s)
{
    s = trim(s);
    while (s.n && is_mark(s.p[0]) && !leads_number(s)) s = trim((struct slice){ s.p + 1, s.n - 1 });
    while (s.n && is_mark(s.p[s.n - 1])) s = trim((struct slice){ s.p, s.n - 1 });
    return s;
}

static bool starts_with(struct slice s, const char *word)
{
    size_t n = strlen(word);
    return s.n > n && !strncasecmp(s.p, word, n) && isspace((unsigned char)s.p[n]);
}

static struct slice without_article(struct slice s)
{
    static const char *const articles[] = { "a", "an", "the" };
    for (int i = 0; i < countof(articles); i++) {
        size_t n = strlen(articles[i]);
        if (starts_with(s, articles[i])) return bare((struct slice){ s.p + n, s.n - n });
    }
    return s;
}

void answer_canonical(struct slice s, struct buf *out)
{
    s = without_article(bare(s));
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!isspace(c)) buf_byte(out, (char)(c < 128 ? tolower(c) : c));
        else if (!isspace((unsigned char)s.p[i - 1])) buf_byte(out, ' ');     /* s begins with no space */
    }
    buf_str(out, "");                          /* a NUL behind it even if it is empty */
}

static bool same_text(struct slice a, struct slice b)
{
    struct buf x = { 0 }, y = { 0 };
    answer_canonical(a, &x);
    answer_canonical(b, &y);
    bool same = x.len == y.len && (!x.len || !memcmp(x.p, y.p, x.len));
    buf_free(&x);
    buf_free(&y);
    return same;
}

static bool skip(struct slice *s, const char *sign)
{
    size_t n = strlen(sign);
    if (s->n < n || memcmp(s->p, sign, n)) return false;
    s->p += n;
    s->n -= n;
    return true;
}

/* Digits, at most one point, thousands commas in their places ("1,234,567.8"), an exponent. */
static bool plain_number(struct slice s, char *out, size_t max)
{
    size_t k = 0, digits = 0, group = 0;
    bool point = false, comma = false, exponent = false;
    for (size_t i = 0; i < s.n && k + 1 < max; i++) {
        char c = s.p[i];
        if (c == ',' && !point && !exponent && digits && (comma ? group == 3 : digits <= 3)) {
            comma = true;
            group = 0;
            continue;
        }
        bool sign = exponent && (c == '-' || c == '+') && strchr("eE", s.p[i - 1]);
        if (isdigit((unsigned char)c)) {
            digits++;
            if (!point) group++;
        } else if (c == '.' && !point && !exponent) {
            point = true;
        } else if ((c == 'e' || c == 'E') && digits && !exponent && !comma) {
            exponent = true;
        } else if (!sign) {
            return false;
        }
        out[k++] = c;
    }
    out[k] = 0;
    return digits && k + 1 < max && (!comma || group == 3);
}

bool answer_number(struct slice s, double *x)
{
    char digits[64], *end;
    s = bare(s);
    bool minus = skip(&s, "-") || skip(&s, "\xE2\x88\x92");      /* U+2212 */
    if (!minus) (void)skip(&s, "+");
    if (!skip(&s, "$") && !skip(&s, "\xE2\x82\xAC")) (void)skip(&s, "\xC2\xA3");
    s = trim(s);
    bool percent = s.n && s.p[s.n - 1] == '%';
    if (percent) s = trim((struct slice){ s.p, s.n - 1 });
    if (!plain_number(s, digits, sizeof digits)) return false;
    double v = strtod(digits, &end);
    if (*end || !isfinite(v)) return false;
    *x = (minus ? -v : v) / (percent ? 100 : 1);
    return true;
}

/* "b", "(B)", "B. blue", "b: blue": the letter's index, or -1. */
static int letter(struct slice s, int n)
{
    s = bare(s);
    if (!s.n || !isalpha((unsigned char)s.p[0])) return -1;
    int i = tolower((unsigned char)s.p[0]) - 'a';
    if (i >= n) return -1;
    return s.n == 1 || s.p[1] == '.' || s.p[1] == ')' || s.p[1] == ':' ? i : -1;
}

int answer_choice(struct slice s, const struct slice *choice, int n)
{
    for (int i = 0; i < n; i++)
        if (same_text(s, choice[i])) return i;
    return letter(s, n);
}

static bool same_number(struct slice got, struct slice gold, double tolerance, bool *numbers)
{
    double a, b;
    *numbers = answer_number(gold, &b);
    if (!*numbers || !answer_number(got, &a)) return false;
    return fabs(a - b) <= tolerance * fabs(b) * (1 + 1e-12);     /* 105 is within 5 % of 100 */
}

bool answer_equal(enum answer_match how, struct slice got, struct slice gold, const struct slice *choice, int nchoice)
{
    bool number;
    if (how == ANSWER_CHOICE) {
        int a = answer_choice(got, choice, nchoice), b = answer_choice(gold, choice, nchoice);
        if (a >= 0 && b >= 0) return a == b;
    }
    if (how == ANSWER_NUMBER) {
        bool same = same_number(got, gold, 1e-6, &number);
        if (number) return same;
    }
    if (how == ANSWER_RELAXED && same_number(got, gold, 0.05, &number)) return true;
    return same_text(got, gold);
}

bool answer_text(msgpack_zone *z, const val *v, struct slice *s)
{
    int64_t i;
    double x;
    if (val_str(v, &s->p, &s->n)) return true;
    char *text = val_i64(v, &i) ? mem_fmt("%lld", (long long)i) : val_f64(v, &x) ? mem_fmt("%.15g", x) : NULL;
    if (!text) return false;
    val t = val_of_cstr(z, text);
    free(text);
    return val_str(&t, &s->p, &s->n);
}

enum { CHOICES_MAX = 64 };

static bool named_choice(struct slice s, const val *choices, struct slice *name)
{
    struct slice choice[CHOICES_MAX];
    int n = val_len(choices);
    if (n > CHOICES_MAX) return false;
    for (int i = 0; i < n; i++)
        if (!val_str(val_at(choices, i), &choice[i].p, &choice[i].n)) return false;
    int i = answer_choice(s, choice, n);
    if (i >= 0) *name = choice[i];
    return i >= 0;
}

void answer_key(enum answer_match how, struct slice s, const val *choices, struct buf *out)
{
    struct slice name;
    double x;
    if (how == ANSWER_CHOICE && named_choice(s, choices, &name)) answer_canonical(name, out);
    else if ((how == ANSWER_NUMBER || how == ANSWER_RELAXED) && answer_number(s, &x)) buf_fmt(out, "%.12g", x == 0 ? 0 : x);
    else answer_canonical(s, out);
}

const char *answer_judge(struct record *r, enum answer_match how, struct slice got, bool *correct)
{
    struct slice gold, choice[CHOICES_MAX];
    const val *choices = val_get(&r->root, "choices");
    int n = val_len(choices);
    if (!answer_text(&r->zone, val_get(&r->root, "answer"), &gold)) return "no right answer";
    if (n > CHOICES_MAX) return "too many choices";
    for (int i = 0; i < n; i++)
        if (!answer_text(&r->zone, val_at(choices, i), &choice[i])) return "a choice is not text";
    if (how == ANSWER_CHOICE && n == 0) return "no choices";
    *correct = answer_equal(how, got, gold, choice, n);
    return NULL;
}

const char *answer_check(struct record *r, enum answer_match how, bool *correct, bool *parsed)
{
    struct slice got = { "", 0 };
    const val *path = val_get(&r->root, "path");
    if (!path || path->type != MSGPACK_OBJECT_MAP) return "no path";
    *parsed = answer_text(&r->zone, val_get(path, "answer"), &got);
    const char *why = answer_judge(r, how, got, correct);
    if (!why) *correct = *correct && *parsed;
    return why;
}
