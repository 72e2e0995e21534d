/* SPDX-License-Identifier: Apache-2.0
 * MathVista (lupantech/MathVista, evaluation/calculate_score.py and extract_answer.py; CoS's and VLMEvalKit's variants).
 * The kind of the answer is in the record: meta.question_type, meta.answer_type, meta.precision. */
#include "bench/bench_priv.h"

#include <ctype.h>

static bool kind_is(const struct bench_item *it, const char *key, const char *word)
{
    return val_is_str(val_path(val_get(it->root, "meta"), key), word);
}

static bool is_choice(const struct bench_item *it) { return kind_is(it, "question_type", "multi_choice") && it->choice_texts; }

/* ---- official ---- */

/* The first letter in round brackets, as a capital. */
static bool bracketed(const struct bench_item *it, struct slice s, struct slice *letter)
{
    for (size_t i = 0; i + 2 < s.n; i++) {
        if (s.p[i] != '(' || !isalpha((unsigned char)s.p[i + 1]) || s.p[i + 2] != ')') continue;
        *letter = item_letter(it->a, toupper((unsigned char)s.p[i + 1]) - 'A');
        return true;
    }
    return false;
}

/* Where it is no option's letter, the choice of the smallest edit distance; of equal ones the first. */
static int nearest_choice(const struct bench_item *it, struct slice s)
{
    s = py_strip(s);
    (void)bracketed(it, s, &s);
    int best = item_option(it, s);
    if (best >= 0) return best;
    size_t least = SIZE_MAX;
    for (int i = 0; i < it->nchoice; i++) {
        size_t d = py_levenshtein(s, it->choice[i]);
        if (d < least) least = d, best = i;
    }
    return best;
}

/* The answer in the form that the right one has; false: none. */
static bool normalised(const struct bench_item *it, struct slice s, struct slice *out)
{
    double x;
    int64_t precision;
    if (is_choice(it)) {
        if (it->rule->no_guess && !py_strip(s).n) return false;
        *out = it->choice[nearest_choice(it, s)];
        return true;
    }
    if (kind_is(it, "answer_type", "integer")) {
        if (it->rule->int_text) return py_int(it->a, s, out);
        return py_float(s, &x) && py_truncate(it->a, x, out);
    }
    if (kind_is(it, "answer_type", "float")) {
        if (!val_i64(val_path(it->root, "meta.precision"), &precision) || precision < 0 || precision > 100 || !py_float(s, &x)) return false;
        *out = py_float_text(it->a, py_round(x, (int)precision));
        return true;
    }
    *out = s;
    return true;
}

/* Short responses are the answer themselves; of others only what says so: The answer is "..". */
static bool extracted(const struct bench_item *it, struct slice s, struct slice *out)
{
    double x;
    *out = s;
    if (!s.n) return true;
    for (int i = 0; is_choice(it) && i < it->nchoice; i++)
        if (py_same(s, it->choice[i])) return true;
    if (kind_is(it, "answer_type", "integer") && py_int(it->a, s, out)) return true;
    if (kind_is(it, "answer_type", "float") && py_float(s, &x)) {
        *out = py_float_text(it->a, x);
        return true;
    }
    static const char cue[] = "The answer is \"";
    long at = py_find(s, py_text(cue));
    if (at < 0) return false;
    struct slice rest = { s.p + at + sizeof cue - 1, s.n - (size_t)at - (sizeof cue - 1) };
    long line = py_find(rest, py_text("\n")), end = py_rfind((struct slice){ rest.p, line < 0 ? rest.n : (size_t)line }, py_text("\"."));
    if (end < 0) return false;
    *out = (struct slice){ rest.p, (size_t)end };
    return true;
}

/* A text that something has already extracted is not extracted again. */
static bool answer_of(const struct bench_item *it, struct slice *s)
{
    *s = it->text;
    if (!it->has_text) return false;
    return it->stored || it->marked || it->rule->extract == EXTRACT_FINAL || extracted(it, it->text, s);
}

static void judge_official(struct bench_item *it, struct bench_verdict *v)
{
    struct slice s, prediction;
    if (answer_of(it, &s) && normalised(it, s, &prediction)) verdict_text(it, prediction, py_same(prediction, it->gold[0]), v);
    else verdict_none(it, v);
}

/* ---- CoS: letters for multiple choice, else the text; the same but for case ---- */

static struct slice first_letter(struct slice s)
{
    s = py_strip(py_strip_chars(py_strip_chars(py_strip_chars(s, " "), "("), ")"));
    return s.n > 1 && s.p[0] >= 'A' && s.p[0] <= 'J' ? (struct slice){ s.p, 1 } : s;
}

static void judge_cos(struct bench_item *it, struct bench_verdict *v)
{
    if (!it->has_text) {
        verdict_none(it, v);
        return;
    }
    struct slice gold = it->gold_choice >= 0 ? item_letter(it->a, it->gold_choice) : it->gold[0], s = it->text;
    if (gold.n == 1 && gold.p[0] >= 'A' && gold.p[0] <= 'J') s = first_letter(s);
    verdict_text(it, s, py_same(py_title(it->a, s), py_title(it->a, gold)), v);
}

/* ---- VLMEvalKit: options inferred, numbers as numbers ---- */

static bool same_number(const struct bench_item *it, struct slice s, bool *parsed)
{
    double x, gold;
    struct slice a, b;
    if (kind_is(it, "answer_type", "float")) {
        *parsed = py_float(s, &x);
        return *parsed && py_float(it->gold[0], &gold) && x == gold;
    }
    *parsed = py_int(it->a, s, &a);
    return *parsed && py_int(it->a, it->gold[0], &b) && py_same(a, b);
}

static void judge_vlmevalkit(struct bench_item *it, struct bench_verdict *v)
{
    struct slice s;
    bool parsed, right;
    if (is_choice(it)) {
        judge_infer(it, v);
    } else if (!answer_of(it, &s)) {
        verdict_none(it, v);
    } else if (kind_is(it, "answer_type", "float") || kind_is(it, "answer_type", "integer")) {
        right = same_number(it, s, &parsed);
        if (parsed) verdict_text(it, py_strip(s), right, v);
        else verdict_none(it, v);
    } else {
        verdict_text(it, s, py_same(s, it->gold[0]), v);
    }
}

static const struct bench_key keys[] = { { "question_type", "question_type" }, { "answer_type", "answer_type" },
    { "language", "metadata.language" }, { "source", "metadata.source" }, { "category", "metadata.category" }, { "task", "metadata.task" },
    { "context", "metadata.context" }, { "grade", "metadata.grade" }, { "skills", "metadata.skills" }, { NULL, NULL } };

const struct bench bench_mathvista = {
    .name = "mathvista",
    .judge = { judge_official, judge_cos, judge_vlmevalkit },
    .gold_note = { [BENCH_COS] = "an answer is cut to its first letter only where the right answer is a letter" },
    .gold_text = true,
    .keys = keys };
