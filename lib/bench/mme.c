/* SPDX-License-Identifier: Apache-2.0
 * MME (eval_tool/calculation.py of the benchmark; VLMEvalKit's yorn.py). CoS has no script for it: its protocol here is the
 * reference's extraction with the official reading behind it. */
#include "bench/bench_priv.h"

#include <ctype.h>
#include <string.h>
#include "text/unicode.h"

enum { YES, NO, OTHER };
static const char *const words[] = { "yes", "no", "other" };

/* The first four characters hold "yes", or else "no". Nothing is trimmed. */
static int read_official(struct bench_item *it)
{
    struct slice s = py_lower(it->a, it->text);
    size_t n = 0;
    for (int k = 0, len; k < 4 && n < s.n; k++, n += (size_t)len) (void)text_code(s.p + n, s.n - n, &len);
    s.n = n;
    return py_find(s, py_text("yes")) >= 0 ? YES : py_find(s, py_text("no")) >= 0 ? NO : OTHER;
}

/* ---- VLMEvalKit: a whole word, anywhere, and only one of the two ---- */

static bool has_digit_comma(struct slice s)
{
    for (size_t i = 1; i + 1 < s.n; i++)
        if (s.p[i] == ',' && isdigit((unsigned char)s.p[i - 1]) && isdigit((unsigned char)s.p[i + 1])) return true;
    return false;
}

/* Punctuation as the VQA evaluation drops it: a mark that stands beside a space somewhere goes everywhere; others become
 * spaces. Full stops go unless a digit follows, the first 32 of them. */
static struct slice without_marks(struct arena *a, struct slice text)
{
    static const char marks[] = ";/[]\"{}()=+\\_->" "<@`,?!";
    struct slice s = text;
    bool drop_all = has_digit_comma(text);
    for (const char *m = marks; *m; m++) {
        const char behind[] = { *m, ' ', 0 }, front[] = { ' ', *m, 0 }, one[] = { *m, 0 };
        bool drop = drop_all || py_find(text, py_text(behind)) >= 0 || py_find(text, py_text(front)) >= 0;
        s = drop ? py_without(a, s, *m) : py_replace(a, s, one, ' ');
    }
    char *p = arena_str(a, s.p, s.n);
    size_t k = 0, dropped = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool stop = s.p[i] == '.' && dropped < 32 && !(i + 1 < s.n && isdigit((unsigned char)s.p[i + 1]));
        if (stop) dropped++;
        else p[k++] = s.p[i];
    }
    return (struct slice){ p, k };
}

static int read_vlmevalkit(struct bench_item *it)
{
    struct slice s = without_marks(it->a, py_lower(it->a, it->text)), word;
    bool seen[2] = { false };
    while (py_word(&s, &word))
        for (int i = YES; i <= NO; i++) seen[i] |= py_same(word, py_text(words[i]));
    return seen[YES] == seen[NO] ? OTHER : seen[YES] ? YES : NO;
}

/* ---- verdicts ---- */

static void judge(struct bench_item *it, struct bench_verdict *v)
{
    struct slice gold = py_lower(it->a, it->gold[0]);
    it->nchoice = 2;
    it->gold_choice = py_same(gold, py_text(words[YES])) ? YES : py_same(gold, py_text(words[NO])) ? NO : -1;
    int said = !it->has_text ? OTHER : it->rule->protocol == BENCH_VLMEVALKIT ? read_vlmevalkit(it) : read_official(it);
    if (said == OTHER) verdict_none(it, v);
    else verdict_text(it, py_text(words[said]), said == it->gold_choice, v);
}

static int groups(const struct record *r, struct arena *a, struct bench_group *out)
{
    static const char *const cognition[] = { "commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning" };
    struct slice task;
    (void)a;
    if (!item_text_at(r, "category", &task)) return 0;
    const char *kind = "perception";
    for (int i = 0; i < countof(cognition); i++)
        if (py_same(task, py_text(cognition[i]))) kind = "cognition";
    out[0] = (struct bench_group){ kind, task };
    return 1;
}

const struct bench bench_mme = { .name = "mme", .judge = { judge, judge, judge }, .groups = groups, .total = TOTAL_PAIRS };
