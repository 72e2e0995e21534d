/* SPDX-License-Identifier: Apache-2.0
 * AI2D as multiple choice: the authors have no scorer for this form. CoS compares with the letter but for case and white
 * space around it, and cleans nothing. */
#include "bench/bench_priv.h"

static void judge_cos(struct bench_item *it, struct bench_verdict *v)
{
    bool right = false;
    struct slice s = it->has_text ? py_lower(it->a, py_strip(it->text)) : it->text;
    for (int i = 0; i < it->ngold && it->gold_choice < 0; i++) right |= py_same(s, py_lower(it->a, py_strip(it->gold[i])));
    if (it->gold_choice >= 0) right = py_same(s, py_lower(it->a, item_letter(it->a, it->gold_choice)));
    if (it->has_text) verdict_text(it, it->text, right, v);
    else verdict_none(it, v);
}

static const struct bench_key keys[] = { { "category", "category" }, { NULL, NULL } };

const struct bench bench_ai2d = { .name = "ai2d", .judge = { NULL, judge_cos, judge_infer }, .letters = 4, .keys = keys };
