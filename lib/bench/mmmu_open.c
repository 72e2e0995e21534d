/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/mmmu.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- predictions: numbers to two decimals, or lower-case texts ---- */

struct answers { struct { bool number; double x; struct slice text; } *a; int n, cap; };

static void push(struct answers *l, bool number, double x, struct slice text)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 16;
        l->a = mem_grow(l->a, (size_t)l->cap, sizeof *l->a);
    }
    l->a[l->n].number = number;
    l->a[l->n].x = x;
    l->a[l->n++].text = text;
}

/* A single character counts with a space on either side, so that it is not found in every word. */
static void add_normalised(struct arena *arena, struct answers *l, struct slice s)
{
    double x;
    s = py_strip(s);
    if (py_float(py_without(arena, s, ','), &x)) {
        push(l, true, py_round(x, 2), (struct slice){ "", 0 });
        return;
    }
    s = py_lower(arena, s);
    if (py_length(s) != 1) {
        push(l, false, 0, s);
        return;
    }
    char *around = arena_alloc(arena, s.n + 3);
    around[0] = around[s.n + 1] = ' ';
    memcpy(around + 1, s.p, s.n);
    push(l, false, 0, (struct slice){ around, s.n + 1 });
    push(l, false, 0, (struct slice){ around + 1, s.n + 1 });
}

/* ---- numbers in a text ---- */

enum { PATTERNS = 3 };
static pcre2_code *pattern[PATTERNS];          /* thousands commas; scientific; plain */

static void compile(void)
{
    static const char *const text[PATTERNS] = {
        "-?\\b\\d{1,3}(?:,\\d{3})+\\b",
        "-?\\d+(?:\\.\\d+)?[eE][+-]?\\d+",
        "-?(?:\\d+\\.\\d+|\\.\\d+|\\d+\\b)(?![eE][+-]?\\d+)(?![,\\d])" };
    int error;
    PCRE2_SIZE at;
    for (int i = 0; i < PATTERNS; i++)
        pattern[i] = pcre2_compile((PCRE2_SPTR)text[i], PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);
}

static void add_numbers(struct arena *arena, struct answers *l, struct slice s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, compile);
    for (int i = 0; i < PATTERNS; i++) {
        pcre2_match_data *m = pattern[i] ? pcre2_match_data_create_from_pattern(pattern[i], NULL) : NULL;
        size_t at = 0;
        while (m && pcre2_match(pattern[i], (PCRE2_SPTR)s.p, s.n, at, 0, m, NULL) > 0) {
            const PCRE2_SIZE *span = pcre2_get_ovector_pointer(m);
            add_normalised(arena, l, (struct slice){ s.p + span[0], span[1] - span[0] });
            at = span[1];                      /* no match is empty */
        }
        pcre2_match_data_free(m);
    }
}

/* ---- key texts ---- */

/* What stands behind the last occurrence of one of the cues, the shortest of them; an empty one gives way to the next. */
static struct slice key_of(struct slice line, bool last)
{
    static const char *const cues[] = { "could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ", "=" };
    struct slice key = { "", 0 };
    for (int i = 0; i < countof(cues) - !last; i++) {
        long at = py_rfind(line, py_text(cues[i]));
        if (at < 0) continue;
        size_t behind = (size_t)at + strlen(cues[i]);
        struct slice s = py_strip((struct slice){ line.p + behind, line.n - behind });
        if (!key.n || py_length(s) < py_length(key)) key = s;
    }
    bool mark = key.n == 1 && strchr(":,.!?;'", key.p[0]);
    return mark ? (struct slice){ "", 0 } : key;
}

static void add_key(struct answers *keys, struct slice key)
{
    if (key.n) push(keys, false, 0, key);
}

/* A key text of each line, or the whole where there is none. */
static void find_keys(struct arena *arena, struct slice response, struct answers *keys)
{
    struct slice s = py_lower(arena, py_strip_chars(py_strip(response), "."));
    struct slice rest = s;
    for (long end; (end = py_find(rest, py_text("\n"))) >= 0;) {
        add_key(keys, key_of((struct slice){ rest.p, (size_t)end }, false));
        rest = (struct slice){ rest.p + end + 1, rest.n - (size_t)end - 1 };
    }
    add_key(keys, key_of(rest, true));
    if (!keys->n) push(keys, false, 0, s);
}

/* ---- the verdict ---- */

static bool any_right(const struct answers *said, const struct answers *gold)
{
    for (int i = 0; i < said->n; i++)
        for (int k = 0; k < gold->n; k++) {
            if (said->a[i].number != gold->a[k].number) continue;
            if (said->a[i].number ? said->a[i].x == gold->a[k].x : py_find(said->a[i].text, gold->a[k].text) >= 0) return true;
        }
    return false;
}

/* All of them, for people: "36 watts | 36.0". */
static struct slice listed(struct arena *arena, const struct answers *l)
{
    struct buf b = { 0 };
    for (int i = 0; i < l->n; i++) {
        struct slice s = l->a[i].number ? py_float_text(arena, l->a[i].x) : l->a[i].text;
        if (i) buf_str(&b, " | ");
        buf_add(&b, s.p, s.n);
    }
    struct slice s = { arena_str(arena, b.p ? b.p : "", b.len), b.len };
    buf_free(&b);
    return s;
}

void mmmu_open(struct bench_item *it, struct bench_verdict *v)
{
    struct answers keys = { 0 }, said = { 0 }, gold = { 0 };
    if (!it->has_text || !py_strip(it->text).n) {
        verdict_none(it, v);
        return;
    }
    find_keys(it->a, it->text, &keys);
    for (int i = 0; i < keys.n; i++) add_normalised(it->a, &said, keys.a[i].text);
    for (int i = 0; i < keys.n; i++) add_numbers(it->a, &said, keys.a[i].text);
    for (int i = 0; i < it->ngold; i++) add_normalised(it->a, &gold, it->gold[i]);
    verdict_text(it, listed(it->a, &said), any_right(&said, &gold), v);
    free(keys.a);
    free(said.a);
    free(gold.a);
}
