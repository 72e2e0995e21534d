/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench_priv.h"

#include <string.h>
#include "record/path.h"
#include "text/steps.h"

const val *item_meta(const struct record *r, const char *path)
{
    const val *v = val_path(&r->root, path);
    return v ? v : val_path(val_get(&r->root, "meta"), path);
}

/* The text of a string or a number, as Python's str() gives it. */
static bool scalar(struct arena *a, const val *v, struct slice *s)
{
    int64_t i;
    double x;
    if (val_str(v, &s->p, &s->n)) return true;
    if (v && v->type != MSGPACK_OBJECT_FLOAT64 && val_i64(v, &i)) {
        char text[24];
        int n = snprintf(text, sizeof text, "%lld", (long long)i);
        *s = (struct slice){ arena_str(a, text, (size_t)n), (size_t)n };
        return true;
    }
    if (!val_f64(v, &x)) return false;
    *s = py_float_text(a, x);
    return true;
}

bool item_text_at(const struct record *r, const char *path, struct slice *s)
{
    return val_str(item_meta(r, path), &s->p, &s->n);
}

struct slice item_letter(struct arena *a, int option)
{
    char c = (char)('A' + option);
    return (struct slice){ arena_str(a, &c, 1), 1 };
}

int item_option(const struct bench_item *it, struct slice letter)
{
    int i = letter.n == 1 ? letter.p[0] - 'A' : -1;
    return i >= 0 && i < it->nchoice ? i : OPTION_NONE;
}

/* ---- choices and right answers ---- */

static int take_choices(struct bench_item *it, const struct record *r)
{
    const val *list = item_meta(r, "choices");
    int n = val_len(list);
    if (n > CHOICES_MAX) return fail("%d choices, at most %d", n, CHOICES_MAX);
    for (int i = 0; i < n; i++)
        if (!scalar(it->a, val_at(list, i), &it->choice[i])) return fail("choice %d is not text", i + 1);
    it->choice_texts = n > 0;
    it->nchoice = n ? n : it->rule->bench->letters;
    return 0;
}

/* Of multiple choice: a letter, a choice's text, or, where it is a number in the record, an index. */
static int gold_option(const struct bench_item *it, const val *v, struct slice gold)
{
    int64_t i;
    if (v && v->type == MSGPACK_OBJECT_POSITIVE_INTEGER && val_i64(v, &i)) return i < it->nchoice ? (int)i : -1;
    int letter = item_option(it, gold), text = -1;
    for (int k = 0; it->choice_texts && text < 0 && k < it->nchoice; k++)
        if (py_same(it->choice[k], gold)) text = k;
    return letter < 0 || (text >= 0 && it->rule->bench->gold_text) ? text : letter;
}

static int take_gold(struct bench_item *it, const struct record *r)
{
    const val *one = val_get(&r->root, "answer"), *list = item_meta(r, "answers");
    int n = list && list->type == MSGPACK_OBJECT_ARRAY ? val_len(list) : 0;
    if (n > GOLDS_MAX) return fail("%d right answers, at most %d", n, GOLDS_MAX);
    for (int i = 0; i < n; i++)
        if (!scalar(it->a, val_at(list, i), &it->gold[it->ngold++])) return fail("right answer %d is not text", i + 1);
    if (!n && !scalar(it->a, one, &it->gold[it->ngold++])) return fail("no right answer");
    it->gold_choice = it->nchoice ? gold_option(it, n ? NULL : one, it->gold[0]) : -1;
    return 0;
}

/* ---- the response ---- */

/* The model's own words: as they were kept, or rebuilt from steps and answer. */
static int response_of(struct bench_item *it, const val *path, struct slice *out)
{
    struct buf b = { 0 };
    if (val_str(val_get(path, "text"), &out->p, &out->n)) return 0;
    if (path_text(path, 0, &b)) return buf_free(&b), -1;
    *out = (struct slice){ arena_str(it->a, b.p ? b.p : "", b.len), b.len };
    buf_free(&b);
    return 0;
}

static int take_text(struct bench_item *it, const val *path)
{
    const struct bench_rule *rule = it->rule;
    enum bench_extract how = rule->extract;
    bool cos = rule->protocol == BENCH_COS, written = val_get(path, "text") != NULL;
    struct slice response;
    if (how == EXTRACT_STORED || (how == EXTRACT_PLAIN && !written)) {
        it->stored = how == EXTRACT_STORED;
        it->has_text = scalar(it->a, val_get(path, "answer"), &it->text);
        return 0;
    }
    if (!written && !scalar(it->a, val_get(path, "answer"), &response)) return 0;      /* cut off */
    if (response_of(it, path, &response)) return -1;
    it->marked = it->has_text = how != EXTRACT_PLAIN && how != EXTRACT_FINAL && extract_markers(response, cos, &it->text);
    if (it->has_text || how == EXTRACT_MARKERS || (how == EXTRACT_AUTO && cos)) return 0;
    it->text = how == EXTRACT_FINAL ? extract_final(response) : response;
    it->has_text = true;
    return 0;
}

int item_make(struct bench_item *it, const struct bench_rule *rule, struct record *r, struct arena *a)
{
    const val *path = val_get(&r->root, "path");
    *it = (struct bench_item){ .rule = rule, .root = &r->root, .a = a, .gold_choice = -1, .text = { "", 0 } };
    if (!path || path->type != MSGPACK_OBJECT_MAP) return fail("no path");
    return take_choices(it, r) || take_gold(it, r) || take_text(it, path) ? -1 : 0;
}

/* ---- verdicts ---- */

static void drawn_from(const struct bench_item *it, struct bench_verdict *v)
{
    v->choices = it->nchoice;
    v->gold = it->gold_choice;
}

void verdict_none(struct bench_item *it, struct bench_verdict *v)
{
    *v = (struct bench_verdict){ .prediction = { "", 0 } };
    drawn_from(it, v);
}

void verdict_text(struct bench_item *it, struct slice prediction, bool right, struct bench_verdict *v)
{
    *v = (struct bench_verdict){ .parsed = true, .right = right, .prediction = prediction };
    drawn_from(it, v);
}

void verdict_option(struct bench_item *it, int option, struct slice text, struct bench_verdict *v)
{
    if (option == OPTION_NONE) verdict_none(it, v);
    else verdict_text(it, option >= 0 ? item_letter(it->a, option) : text, option >= 0 && option == it->gold_choice, v);
}

void verdict_letter_text(struct bench_item *it, struct slice answer, struct bench_verdict *v)
{
    bool right = it->gold_choice >= 0 && py_same(answer, item_letter(it->a, it->gold_choice));
    for (int i = 0; i < it->ngold && it->gold_choice < 0; i++) right |= py_same(answer, it->gold[i]);
    verdict_text(it, answer, right, v);
}
