/* SPDX-License-Identifier: Apache-2.0
 * cos-eval pairs: what tells the chosen from the rejected paths, before a model is trained on it.
 */
#include <math.h>
#include <stdlib.h>
#include "eval.h"

static struct { bool json; int resamples; } set = { .resamples = EVAL_RESAMPLES };

const struct opt eval_pairs_opts[] = { EVAL_BOOT_OPT(set.resamples), EVAL_JSON_OPT(set.json), OPT_END };

const char eval_pairs_details[] =
    "Reads pair records. Means over pairs, differences as chosen - rejected:\n"
    "  gap, chosen_score, rejected_score, step_gap, answer_gap   from meta.pair, as cos-select pairs writes it\n"
    "  decided_by_step, decided_by_answer                        share of pairs in which that term is the larger\n"
    "  chosen_right, rejected_wrong                              by path.correct, where it is known\n"
    "  steps_, tokens_, chars_ chosen, rejected, difference      length; tokens where both paths have them\n"
    "  ..._shorter, ..._longer                                   share of pairs whose chosen path is shorter, longer\n"
    "gap_p05, p25, p50, p75, p95 are points of the distribution of gaps, without an interval. Where\n"
    "nearly every chosen path is the longer one, length alone tells the pairs apart, and a model will learn length.\n"
    "Intervals resample questions; shares with one pair a question have Wilson's.\n\n"
    "  cos-select pairs --gap 0.3 < scored.cos | tee pairs.cos | cos-eval pairs";

/* For each of steps, tokens, chars: chosen, rejected, difference, chosen shorter, chosen longer */
enum { LENGTHS = 3, PER_LENGTH = 5 };
enum { GAP, CHOSEN, REJECTED, STEP_GAP, ANSWER_GAP, BY_STEP, BY_ANSWER, CHOSEN_RIGHT, REJECTED_WRONG, LENGTH,
       MEASURES = LENGTH + LENGTHS * PER_LENGTH };
static const struct { const char *name; int decimals; bool share; } measure[MEASURES] = {
    { "gap", 4, false }, { "chosen_score", 4, false }, { "rejected_score", 4, false }, { "step_gap", 4, false }, { "answer_gap", 4, false },
    { "decided_by_step", 4, true }, { "decided_by_answer", 4, true }, { "chosen_right", 4, true }, { "rejected_wrong", 4, true },
#define LENGTH_NAMES(what, decimals) \
    { what "_chosen", decimals, false }, { what "_rejected", decimals, false }, { what "_difference", decimals, false }, \
    { what "_shorter", 4, true }, { what "_longer", 4, true }
    LENGTH_NAMES("steps", 2), LENGTH_NAMES("tokens", 1), LENGTH_NAMES("chars", 1)
};

static double number(const val *map, const char *key)
{
    double x;
    return val_f64(val_get(map, key), &x) ? x : NAN;
}

static double correct_is(const val *path, bool want)
{
    bool b;
    return val_bool(val_get(path, "correct"), &b) ? b == want : NAN;
}

static void lengths(double *x, double chosen, double rejected)
{
    bool both = !isnan(chosen) && !isnan(rejected);
    x[0] = both ? chosen : NAN;
    x[1] = both ? rejected : NAN;
    x[2] = chosen - rejected;
    x[3] = both ? chosen < rejected : NAN;
    x[4] = both ? chosen > rejected : NAN;
}

static int take(struct columns *c, struct names *ids, const struct record *r)
{
    struct slice id;
    const val *chosen = val_get(&r->root, "chosen"), *rejected = val_get(&r->root, "rejected"), *pair = val_path(&r->root, "meta.pair");
    if (!eval_id(r, &id)) return fail("no id");
    if (!chosen || !rejected || chosen->type != MSGPACK_OBJECT_MAP || rejected->type != MSGPACK_OBJECT_MAP) return fail("not a pair");
    const val *by = val_get(pair, "decided_by");
    double *x = columns_add(c, (int)names_index(ids, id));
    x[GAP] = number(pair, "gap");
    x[CHOSEN] = number(pair, "chosen_score");
    x[REJECTED] = number(pair, "rejected_score");
    x[STEP_GAP] = number(pair, "step_gap");
    x[ANSWER_GAP] = number(pair, "answer_gap");
    x[BY_STEP] = by ? val_is_str(by, "step") : NAN;
    x[BY_ANSWER] = by ? val_is_str(by, "answer") : NAN;
    x[CHOSEN_RIGHT] = correct_is(chosen, true);
    x[REJECTED_WRONG] = correct_is(rejected, false);
    lengths(x + LENGTH, eval_steps(chosen), eval_steps(rejected));
    lengths(x + LENGTH + PER_LENGTH, eval_tokens(chosen), eval_tokens(rejected));
    lengths(x + LENGTH + 2 * PER_LENGTH, eval_chars(chosen), eval_chars(rejected));
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void put_quantiles(struct table *t, const struct columns *c)
{
    static const struct { const char *name; double p; } points[] = {
        { "gap_p05", 0.05 }, { "gap_p25", 0.25 }, { "gap_p50", 0.5 }, { "gap_p75", 0.75 }, { "gap_p95", 0.95 } };
    double *gap = mem_array((size_t)c->n, sizeof *gap);
    int n = 0;
    for (int i = 0; i < c->n; i++)
        if (!isnan(c->x[(size_t)i * MEASURES + GAP])) gap[n++] = c->x[(size_t)i * MEASURES + GAP];
    qsort(gap, (size_t)n, sizeof *gap, ascending);
    for (int i = 0; i < countof(points) && n; i++) {
        table_word(t, points[i].name);
        table_count(t, (uint64_t)n);
        table_estimate(t, &(struct estimate){ stat_quantile(gap, n, points[i].p), { NAN, NAN } }, 4, "-");
    }
    free(gap);
}

static void put_table(FILE *f, const struct columns *c, int questions, const struct boot *b)
{
    static const char *const column[] = { "measure", "n", EVAL_VALUE_COLUMNS };
    struct estimate e[MEASURES];
    uint64_t count[MEASURES];
    struct table t;
    columns_means(c, questions, b, e, count);
    table_begin(&t, f, set.json, "pairs", column, countof(column));
    for (int j = 0; j < MEASURES; j++) {
        if (!count[j]) continue;
        table_word(&t, measure[j].name);
        table_count(&t, count[j]);
        if (measure[j].share && c->n == questions) table_share(&t, e[j].value, count[j], measure[j].decimals);
        else if (measure[j].share) table_rate(&t, &e[j], (uint64_t)questions, measure[j].decimals, eval_boot_name(b));
        else table_estimate(&t, &e[j], measure[j].decimals, eval_boot_name(b));
        if (j == GAP) put_quantiles(&t, c);
    }
    table_end(&t);
}

static int pairs(struct tool *t, struct columns *c, struct names *ids, struct record *r)
{
    int got;
    char label[256];
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        if (take(c, ids, r)) return fail_in("%s", rec_label(r, label, sizeof label));
        tool_progress(t, "pairs", n, 0, NULL);
    }
    if (got < 0) return -1;
    if (c->n == 0) return fail("no pairs to measure");
    put_table(out, c, (int)ids->n, &(struct boot){ set.resamples, t->std.seed, t->std.threads });
    return tool_close(t);
}

int eval_pairs(struct tool *t)
{
    struct columns c = { .k = MEASURES };
    struct names ids = { 0 };
    struct record *r = rec_new();
    int bad = pairs(t, &c, &ids, r);
    rec_free(r);
    columns_free(&c);
    names_free(&ids);
    return bad;
}
