/* SPDX-License-Identifier: Apache-2.0
 * ScienceQA (lupantech/ScienceQA, models/run_gpt3.py and tools/evaluate_acc.py; CoS and InternVL; VLMEvalKit). */
#include "bench/bench_priv.h"

#include <ctype.h>
#include <string.h>

/* ---- official: exactly one "The answer is X." with any character for the full stop, line ends apart ---- */

static int said_option(const struct bench_item *it, struct slice s)
{
    static const char cue[] = "The answer is ";
    const size_t n = sizeof cue - 1;
    int found = 0, option = OPTION_NONE;
    for (size_t i = 0; i + n + 1 < s.n; i++) {
        if (memcmp(s.p + i, cue, n) || !isupper((unsigned char)s.p[i + n]) || s.p[i + n + 1] == '\n') continue;
        option = item_option(it, (struct slice){ s.p + i + n, 1 });
        found++;
        i += n + 1;
    }
    return found == 1 ? option : OPTION_NONE;
}

/* The answer of a CoS response is no sentence: it is cleaned as CoS does. */
static void judge_official(struct bench_item *it, struct bench_verdict *v)
{
    int option = OPTION_NONE;
    if (it->has_text && it->marked) option = item_option(it, clean_letter(it, py_strip_chars(py_strip_chars(it->text, "("), ")")));
    else if (it->has_text) option = it->stored ? item_option(it, it->text) : said_option(it, it->text);
    verdict_option(it, option, it->text, v);
}

/* LLaVA's script: the text is a letter, or begins as "B. "; else as above. */
static void judge_llava(struct bench_item *it, struct bench_verdict *v)
{
    struct slice s = it->text;
    int option = it->has_text ? item_option(it, s) : OPTION_NONE;
    if (option == OPTION_NONE && s.n >= 3 && s.p[1] == '.' && s.p[2] == ' ') option = item_option(it, (struct slice){ s.p, 1 });
    if (option == OPTION_NONE) judge_official(it, v);
    else verdict_option(it, option, s, v);
}

/* ---- CoS: the common cleaning, then "B." and "(B)" ---- */

static void judge_cos(struct bench_item *it, struct bench_verdict *v)
{
    if (!it->has_text) {
        verdict_none(it, v);
        return;
    }
    struct slice s = clean_letter(it, it->text);
    if (s.n > 1 && s.p[1] == '.') s.n = 1;
    else if (s.n > 2 && s.p[0] == '(' && s.p[2] == ')') s = (struct slice){ s.p + 1, 1 };
    verdict_letter_text(it, s, v);
}

/* ---- groups ---- */

static int add(struct bench_group *out, int n, const char *kind, struct slice name)
{
    out[n] = (struct bench_group){ kind, name };
    return n + 1;
}

static int groups(const struct record *r, struct arena *a, struct bench_group *out)
{
    static const struct { const char *subject, *name; } subjects[] = {
        { "natural science", "NAT" }, { "social science", "SOC" }, { "language science", "LAN" } };
    struct slice s;
    int n = 0;
    (void)a;
    if (item_text_at(r, "subject", &s))
        for (int i = 0; i < countof(subjects); i++)
            if (py_same(s, py_text(subjects[i].subject))) n = add(out, n, "subject", py_text(subjects[i].name));
    bool hint = item_text_at(r, "hint", &s) && s.n, image = val_len(val_get(&r->root, "images")) > 0;
    if (hint) n = add(out, n, "context", py_text("TXT"));
    if (image) n = add(out, n, "context", py_text("IMG"));
    if (!hint && !image) n = add(out, n, "context", py_text("NO"));
    if (item_text_at(r, "grade", &s) && py_starts(s, "grade") && s.n > 5)
        n = add(out, n, "grade", py_text(s.n == 6 && s.p[5] <= '6' ? "G1-6" : "G7-12"));
    if (item_text_at(r, "topic", &s)) n = add(out, n, "topic", s);
    return n;
}

const struct bench bench_scienceqa = {
    .name = "scienceqa",
    .judge = { judge_official, judge_cos, judge_infer, judge_llava },
    .letters = 5,
    .groups = groups };
