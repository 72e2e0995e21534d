/* SPDX-License-Identifier: Apache-2.0
 * M3CoT (LightChen233/M3CoT, utils/metric.py): the first stage that yields something decides. A letter in brackets may be
 * any, others are those of the choices; there are at most six. */
#include "bench/bench_priv.h"

#include <ctype.h>
#include <string.h>

enum { LETTERS = 6 };

static struct slice before(struct slice s, const char *mark)
{
    long at = py_find(s, py_text(mark));
    return at < 0 ? s : (struct slice){ s.p, (size_t)at };
}

/* What stands behind the last "[Answer]", up to the next heading. */
static struct slice answer_part(struct slice s)
{
    static const char mark[] = "[Answer]";
    long at = py_rfind(s, py_text(mark));
    if (at < 0) return s;
    size_t behind = (size_t)at + sizeof mark - 1;
    return before(before((struct slice){ s.p + behind, s.n - behind }, "[Rationale]"), "[Context]");
}

/* The last letter in round brackets as a capital; 0: none. */
static char bracketed(struct slice s)
{
    for (size_t i = s.n; i-- > 2;)
        if (s.p[i] == ')' && isalpha((unsigned char)s.p[i - 1]) && s.p[i - 2] == '(') return (char)toupper((unsigned char)s.p[i - 1]);
    return 0;
}

/* The last, in the order of options, whose text stands in it whatever the case. */
static int last_text(const struct bench_item *it, struct slice s)
{
    s = py_lower(it->a, s);
    for (int i = it->choice_texts ? it->nchoice : 0; i-- > 0;)
        if (py_find(s, py_lower(it->a, it->choice[i])) >= 0) return i;
    return OPTION_NONE;
}

/* The last, in the order of options, whose letter stands alone between spaces. */
static int last_word(const struct bench_item *it, struct slice s, char first)
{
    int option = OPTION_NONE;
    s = py_replace(it->a, s, "\n.,!?", ' ');
    for (size_t i = 0; i < s.n; i++) {
        bool alone = (i == 0 || s.p[i - 1] == ' ') && (i + 1 == s.n || s.p[i + 1] == ' ');
        int k = s.p[i] - first;
        if (alone && k >= 0 && k < mem_min(it->nchoice, LETTERS) && k > option) option = k;
    }
    return option;
}

static void judge_official(struct bench_item *it, struct bench_verdict *v)
{
    if (!it->has_text) {
        verdict_none(it, v);
        return;
    }
    struct slice s = answer_part(it->text);
    char letter = bracketed(s);
    int option = letter ? letter - 'A' : last_text(it, s);
    if (option == OPTION_NONE) option = last_word(it, s, 'A');
    if (option == OPTION_NONE) option = last_word(it, s, 'a');
    verdict_option(it, option, it->text, v);
}

static const struct bench_key keys[] = { { "topic", "topic" }, { "domain", "domain" }, { NULL, NULL } };

const struct bench bench_m3cot = {
    .name = "m3cot",
    .judge = { judge_official, judge_exact_letter, judge_infer },
    .keys = keys };
