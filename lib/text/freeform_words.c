/* SPDX-License-Identifier: Apache-2.0
 * Lines, words and sentences of free text. */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "text/freeform_priv.h"

const char text_markup[] = "#*_> \t";

struct slice text_skip(struct slice s, const char *set)
{
    while (s.n && s.p[0] && strchr(set, s.p[0])) s.p++, s.n--;
    return s;
}

struct slice text_drop(struct slice s, const char *set)
{
    while (s.n && s.p[s.n - 1] && strchr(set, s.p[s.n - 1])) s.n--;
    return s;
}

bool text_begins(struct slice s, const char *word)
{
    size_t k = strlen(word);
    return s.n >= k && !strncasecmp(s.p, word, k);
}

struct slice text_from(struct slice s, const char *p) { return (struct slice){ p, s.n - (size_t)(p - s.p) }; }

struct slice text_line(struct slice text, const char *p, const char **next)
{
    struct slice rest = text_from(text, p);
    const char *nl = memchr(p, '\n', rest.n);
    *next = nl ? nl + 1 : text.p + text.n;
    return (struct slice){ p, nl ? (size_t)(nl - p) : rest.n };
}

int text_words(struct slice s)
{
    int words = 0, wide = 0;
    bool in = false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        wide += c >= 0xe3 && c <= 0xed;                        /* first bytes of Han, kana and Hangul */
        bool letter = isalnum(c) || c >= 0x80;
        words += letter && !in;
        in = letter || c == '\'' || c == '-';
    }
    return words + wide / 2;
}

/* ---- sentences ---- */

/* The bytes of the mark that ends a sentence here; 0: none. wide: one of scripts without blanks. */
static size_t end_mark(struct slice s, size_t i, bool *wide)
{
    static const char *const marks[] = { "\u3002", "\uff01", "\uff1f" };
    *wide = false;
    if (strchr(".!?", s.p[i]) && s.p[i]) return 1;
    for (int k = 0; k < countof(marks); k++)
        if (s.n - i >= 3 && !memcmp(s.p + i, marks[k], 3)) return *wide = true, 3;
    return 0;
}

/* The word before the full stop at i is short for something, an initial, or a number that begins a line. */
static bool abbreviated(struct slice s, size_t i)
{
    static const char *const known[] = { "e.g", "i.e", "vs", "fig", "figs", "eq", "eqs", "dr", "mr", "mrs", "ms", "prof", "st", "approx",
        "cf", "al", "jr", "sr", "resp", "ca", "vol", "sec", "ch" };
    size_t b = i;
    while (b && i - b < 16 && (isalnum((unsigned char)s.p[b - 1]) || s.p[b - 1] == '.')) b--;
    struct slice w = { s.p + b, i - b };
    if (!w.n) return false;
    if (w.n == 1 && isupper((unsigned char)w.p[0]) && b && strchr("\"'", s.p[b - 1])) return true;      /* "B. Open .." */
    if (w.n == 1 && isupper((unsigned char)w.p[0]) && b && s.p[b - 1] == ' ' && w.p[0] != 'I') {
        while (b && s.p[b - 1] == ' ') b--;    /* "option B. It": the end of a sentence; "J. Smith" is none */
        return b && isupper((unsigned char)s.p[b - 1]);
    }
    bool digits = true;
    for (size_t k = 0; k < w.n; k++) digits &= isdigit((unsigned char)w.p[k]) != 0;
    if (digits && (!b || s.p[b - 1] == '\n')) return true;
    for (int k = 0; k < countof(known); k++)
        if (w.n == strlen(known[k]) && !strncasecmp(w.p, known[k], w.n)) return true;
    bool number = i + 2 < s.n && isdigit((unsigned char)s.p[i + 2]);
    return number && w.n == 2 && !strncasecmp(w.p, "no", 2);
}

/* Can a sentence begin here? */
static bool begins_sentence(struct slice s)
{
    s = text_skip(s, " \t\r\n\"'(*_[$\\#");
    if (!s.n) return true;
    unsigned char c = (unsigned char)s.p[0];
    return isupper(c) || isdigit(c) || c >= 0x80;
}

static int bracket(char c) { return (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}'); }

struct slice text_sentence(struct slice s)
{
    int depth = 0;
    bool wide;
    for (size_t i = 0; i < s.n; i++) {
        depth = s.p[i] == '\n' ? 0 : mem_max(0, depth + bracket(s.p[i]));
        size_t n = end_mark(s, i, &wide);
        if (!n || depth || (s.p[i] == '.' && abbreviated(s, i))) continue;
        struct slice behind = text_skip((struct slice){ s.p + i + n, s.n - i - n }, ".!?\"'*_`)]");
        size_t end = s.n - behind.n;
        if (!behind.n || (!wide && !isspace((unsigned char)behind.p[0])) || !begins_sentence(behind)) continue;
        return (struct slice){ s.p, end };
    }
    return s;
}
