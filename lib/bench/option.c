/* SPDX-License-Identifier: Apache-2.0
 * Options in answers: VLMEvalKit's inference, and the letters of the CoS reference. */
#include "bench/bench_priv.h"

#include <string.h>

/* ---- VLMEvalKit ---- */

static int infer_letter(const struct bench_item *it, struct slice text)
{
    struct slice rest = py_replace(it->a, text, ".()[],:;!*#{}", ' '), word;
    bool seen[CHOICES_MAX] = { false }, z = false;
    int option = OPTION_NONE, n = 0;
    while (py_word(&rest, &word)) {
        int i = item_option(it, word);
        z |= word.n == 1 && word.p[0] == 'Z';
        if (i < 0 || seen[i]) continue;
        seen[i] = true;
        option = i;
        n++;
    }
    return n == 1 ? option : n == 0 && z ? OPTION_OTHER : OPTION_NONE;
}

static int infer_text(const struct bench_item *it, struct slice text)
{
    int option = OPTION_NONE, n = 0;
    if (!it->choice_texts) return OPTION_NONE;
    text = py_lower(it->a, text);
    for (int i = 0; i < it->nchoice; i++)
        if (py_find(text, py_lower(it->a, it->choice[i])) >= 0) option = i, n++;
    return n == 1 ? option : OPTION_NONE;
}

int option_infer(const struct bench_item *it, struct slice text)
{
    static const char *const refusals[] = { "Sorry, I can't help with images of people yet.", "I can't process this file.",
        "I'm sorry, but without the image provided", "Cannot determine the answer" };
    if (py_find(text, py_text("Failed to obtain answer via API")) >= 0) return OPTION_NONE;
    for (int i = 0; i < countof(refusals); i++)
        if (py_find(text, py_text(refusals[i])) >= 0) return OPTION_OTHER;
    int option = infer_letter(it, text);
    return option == OPTION_NONE ? infer_text(it, text) : option;
}

void judge_infer(struct bench_item *it, struct bench_verdict *v)
{
    verdict_option(it, it->has_text ? option_infer(it, it->text) : OPTION_NONE, py_text("Z"), v);
}

/* ---- the CoS reference ---- */

void judge_exact_letter(struct bench_item *it, struct bench_verdict *v)
{
    if (it->has_text) verdict_letter_text(it, it->text, v);
    else verdict_none(it, v);
}

struct slice clean_letter(const struct bench_item *it, struct slice s)
{
    s = py_strip(s);
    if (py_length(s) <= 1) return s;
    int option = item_option(it, (struct slice){ s.p, 1 });
    for (int i = 0; i < it->nchoice && it->choice_texts && option < 0; i++)
        if (py_find(s, it->choice[i]) >= 0) option = i;
    return option >= 0 ? item_letter(it->a, option) : s;
}

void judge_clean_letter(struct bench_item *it, struct bench_verdict *v)
{
    if (it->has_text) verdict_letter_text(it, clean_letter(it, it->text), v);
    else verdict_none(it, v);
}
