/* SPDX-License-Identifier: Apache-2.0
 * MMMU (MMMU-Benchmark/MMMU, mmmu/utils/eval_utils.py and the two main programs; CoS's cleaning; VLMEvalKit). Multiple
 * choice is here, open questions are in mmmu_open.c. */
#include "bench/mmmu.h"

#include <string.h>

/* ---- official: multiple choice ---- */

enum { MANY_WORDS = 5 };

/* Where an option was seen; the last to begin counts. */
struct candidates { int n, best; long at; };

static void candidate(struct candidates *c, int option, long at)
{
    if (at < 0) return;
    if (!c->n++ || at > c->at) c->best = option, c->at = at;
}

static long seen_letter(struct slice s, int option, const char *form)
{
    char text[4];
    snprintf(text, sizeof text, form, 'A' + option);
    return py_rfind(s, py_text(text));
}

static int words_of(struct slice s)
{
    struct slice word;
    int n = 0;
    while (py_word(&s, &word)) n++;
    return n;
}

/* The letter in brackets, or between spaces, or, in more than five words, an option's text. */
static int find_option(const struct bench_item *it)
{
    struct slice s = it->text;
    struct candidates c = { 0, OPTION_NONE, 0 };
    for (const char *mark = ",.!?;:'"; *mark; mark++) s = py_strip_chars(s, (const char[]){ *mark, 0 });
    struct buf b = { 0 };
    buf_byte(&b, ' ');
    buf_add(&b, s.p, s.n);
    buf_byte(&b, ' ');
    s = (struct slice){ b.p, b.len };
    for (int i = 0; i < it->nchoice; i++) candidate(&c, i, seen_letter(s, i, "(%c)"));
    for (int i = 0, none = !c.n; i < it->nchoice && none; i++) candidate(&c, i, seen_letter(s, i, " %c "));
    if (!c.n && it->choice_texts && words_of(s) > MANY_WORDS) {
        struct slice low = py_lower(it->a, s);
        for (int i = 0; i < it->nchoice; i++) candidate(&c, i, py_rfind(low, py_lower(it->a, it->choice[i])));
    }
    buf_free(&b);
    return c.best;
}

/* The right answer may be several letters. */
static void letter_verdict(struct bench_item *it, int option, struct bench_verdict *v)
{
    verdict_option(it, option, it->text, v);
    for (int i = 0; i < it->ngold && option >= 0; i++) v->right |= py_same(it->gold[i], v->prediction);
}

/* By its type where the record says it, else by whether there are choices. */
static bool is_open(const struct bench_item *it)
{
    const val *type = val_path(it->root, "meta.question_type");
    return type ? !val_is_str(type, "multiple-choice") : !it->nchoice;
}

static void judge_official(struct bench_item *it, struct bench_verdict *v)
{
    if (is_open(it)) mmmu_open(it, v);
    else if (!it->has_text) verdict_none(it, v);
    else if (it->stored) verdict_letter_text(it, it->text, v);
    else letter_verdict(it, find_option(it), v);
}

/* ---- CoS, VLMEvalKit ---- */

static void judge_cos(struct bench_item *it, struct bench_verdict *v)
{
    if (is_open(it)) mmmu_open(it, v);
    else judge_clean_letter(it, v);
}

static void judge_vlmevalkit(struct bench_item *it, struct bench_verdict *v)
{
    if (is_open(it)) {
        it->choice[0] = it->gold[0];
        it->choice[1] = py_text("Other Answers");
        it->nchoice = 2;
        it->choice_texts = true;
        it->gold_choice = 0;
    }
    judge_infer(it, v);
}

/* ---- subjects ---- */

/* In the order in which the official program takes them, and so draws its random answers. */
enum domain { ART, BUSINESS, SCIENCE, HEALTH, HUMANITIES, TECH };
static const char *const domain_names[] = { "Art and Design", "Business", "Science", "Health and Medicine",
    "Humanities and Social Science", "Tech and Engineering" };
static const struct { const char *name; enum domain domain; } subjects[] = {
    { "Accounting", BUSINESS }, { "Agriculture", TECH }, { "Architecture_and_Engineering", TECH }, { "Art", ART }, { "Art_Theory", ART },
    { "Basic_Medical_Science", HEALTH }, { "Biology", SCIENCE }, { "Chemistry", SCIENCE }, { "Clinical_Medicine", HEALTH },
    { "Computer_Science", TECH }, { "Design", ART }, { "Diagnostics_and_Laboratory_Medicine", HEALTH }, { "Economics", BUSINESS },
    { "Electronics", TECH }, { "Energy_and_Power", TECH }, { "Finance", BUSINESS }, { "Geography", SCIENCE }, { "History", HUMANITIES },
    { "Literature", HUMANITIES }, { "Manage", BUSINESS }, { "Marketing", BUSINESS }, { "Materials", TECH }, { "Math", SCIENCE },
    { "Mechanical_Engineering", TECH }, { "Music", ART }, { "Pharmacy", HEALTH }, { "Physics", SCIENCE }, { "Psychology", HUMANITIES },
    { "Public_Health", HEALTH }, { "Sociology", HUMANITIES } };

/* The id without its first and last part: validation_Art_Theory_7. */
static struct slice subject_of(const struct record *r)
{
    struct slice id;
    if (!val_str(val_get(&r->root, "id"), &id.p, &id.n)) return (struct slice){ "", 0 };
    long first = py_find(id, py_text("_")), last = py_rfind(id, py_text("_"));
    return last > first ? (struct slice){ id.p + first + 1, (size_t)(last - first - 1) } : (struct slice){ "", 0 };
}

static int order(const struct record *r)
{
    struct slice s = subject_of(r);
    int i = 0;
    while (i < countof(subjects) && !py_same(s, py_text(subjects[i].name))) i++;
    return i;
}

static int groups(const struct record *r, struct arena *a, struct bench_group *out)
{
    int i = order(r), n = 0;
    (void)a;
    if (i < countof(subjects)) out[n++] = (struct bench_group){ "domain", py_text(domain_names[subjects[i].domain]) };
    struct slice s = subject_of(r);
    if (s.n) out[n++] = (struct bench_group){ "subject", s };
    return n;
}

const struct bench bench_mmmu = {
    .name = "mmmu",
    .judge = { judge_official, judge_cos, judge_vlmevalkit },
    .gold_note = { [BENCH_VLMEVALKIT] = "an open question becomes a choice between the right answer and \"Other Answers\"" },
    .groups = groups,
    .order = order };
