/* SPDX-License-Identifier: Apache-2.0
 * MMStar (MMStar-Benchmark/MMStar, eval/vlmeval/evaluate/mmstar.py): the letter is looked for in a few fixed places. */
#include "bench/bench_priv.h"

/* The character, lower case, that stands where an answer has its letter. */
static int letter_at(struct bench_item *it)
{
    static const struct { const char *before; size_t at; } places[] = { { "(", 1 }, { "option ", 7 }, { "the answer is ", 14 } };
    struct slice s = py_lower(it->a, py_replace(it->a, py_strip(it->text), "\n", ' '));
    size_t at = 0;
    for (int i = 0; i < countof(places) && !at; i++)
        if (py_starts(s, places[i].before)) at = places[i].at;
    int option = at < s.n ? s.p[at] - 'a' : -1;
    return option >= 0 && option < it->nchoice ? option : OPTION_NONE;
}

static void judge_official(struct bench_item *it, struct bench_verdict *v)
{
    verdict_option(it, it->has_text ? letter_at(it) : OPTION_NONE, it->text, v);
}

static const struct bench_key keys[] = { { "category", "category" }, { "l2_category", "l2_category" }, { NULL, NULL } };

static const char *const means[] = { "l2_category", NULL };                       /* lmms-eval's number */

const struct bench bench_mmstar = {
    .name = "mmstar",
    .judge = { judge_official, judge_exact_letter, judge_infer },
    .letters = 4,
    .keys = keys,
    .means = means };
