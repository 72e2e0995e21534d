/* SPDX-License-Identifier: Apache-2.0
 * ChartQA's relaxed accuracy (Masry et al. 2022, section 5.1). As written down, and in lmms-eval, the right answer is the
 * target, of which 5 % are allowed: "official" here. CoS, InternVL and VLMEvalKit call the same function the other way
 * round: 5 % of the model's answer. VLMEvalKit reads a right answer that looks like a list as alternatives. */
#include "bench/bench_priv.h"

#include <math.h>

/* "12%" is 0.12; false: no number. */
static bool number(struct slice s, double *x)
{
    if (!py_ends(s, "%")) return py_float(s, x);
    while (py_ends(s, "%")) s.n--;
    if (!py_float(s, x)) return false;
    *x /= 100;
    return true;
}

bool relaxed_match(struct arena *a, struct slice target, struct slice prediction)
{
    double t, p;
    if (number(prediction, &p) && number(target, &t) && t != 0) return fabs(p - t) / fabs(t) <= 0.05;
    return py_same(py_lower(a, prediction), py_lower(a, target));
}

/* Python's eval has to make a list of it: "[Italy, Spain]" is none. */
static bool is_list(struct arena *a, struct slice s)
{
    struct slice item;
    if (!py_list(&s)) return false;
    while (py_list_item(a, &s, &item)) {}
    return !s.n;
}

static bool matches_gold(struct bench_item *it, struct slice answer, struct slice gold)
{
    struct slice rest = gold, item;
    if (it->rule->protocol != BENCH_VLMEVALKIT || !is_list(it->a, gold)) return relaxed_match(it->a, answer, gold);
    (void)py_list(&rest);
    while (py_list_item(it->a, &rest, &item))
        if (relaxed_match(it->a, answer, item)) return true;
    return false;
}

static void judge(struct bench_item *it, struct bench_verdict *v)
{
    if (!it->has_text) {
        verdict_none(it, v);
        return;
    }
    struct slice answer = py_strip(it->text);
    bool right = false;
    for (int i = 0; i < it->ngold; i++)
        right |= it->rule->protocol == BENCH_OFFICIAL ? relaxed_match(it->a, it->gold[i], answer) : matches_gold(it, answer, it->gold[i]);
    verdict_text(it, answer, right, v);
}

static const struct bench_key keys[] = { { "split", "split" }, { "type", "type" }, { NULL, NULL } };

static const char *const means[] = { "split", "type", NULL };

const struct bench bench_chartqa = { .name = "chartqa", .judge = { judge, judge, judge }, .keys = keys, .means = means };
