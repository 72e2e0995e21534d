/* SPDX-License-Identifier: Apache-2.0
 * cos-eval prm: scores of steps and answers against true labels.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval_first.h"

static struct { const char *truth, *pred, *against; double threshold; bool bins, json; int resamples; } set = {
    .truth = "truth", .threshold = 0.5, .resamples = EVAL_RESAMPLES };

const struct opt eval_prm_opts[] = {
    { 0, "truth", "LIST", OPT_STR, &set.truth, 0, 0, "the labels that are true: by the first of LIST (with commas) that a step has" },
    { 0, "pred", "LIST", OPT_STR, &set.pred, 0, 0, "judge the labels by the first of LIST, as mc, instead of the scores" },
    { 0, "against", "LIST", OPT_STR, &set.against, 0, 0, "the differences instead: of what is judged, minus the labels by LIST" },
    { 0, "threshold", "T", OPT_FLOAT, &set.threshold, 0, 1, "right is predicted where the score is above T" },
    { 0, "bins", NULL, OPT_FLAG, &set.bins, 0, 0, "the reliability table instead: share of right ones in each tenth of the scores" },
    EVAL_BOOT_OPT(set.resamples),
    EVAL_JSON_OPT(set.json),
    OPT_END };

const char eval_prm_details[] =
    "Step scores (path.steps[].score) against each step's label by --truth, path.answer_score against path.answer_labels by\n"
    "--truth, else path.correct. A label is right where its value, or k / n, is above 0.5, wrong below; one of exactly 0.5 is\n"
    "neutral and left out. What has no score or no true label is left out and counted on stderr.\n"
    "  share_right   of the labels: what saying \"right\" always would reach\n"
    "  accuracy, f1_right, f1_wrong, f1_macro, kappa   at the threshold\n"
    "  auroc         chance that a right one scores above a wrong one; equal scores count half\n"
    "  brier, ece    mean squared error; expected calibration error over ten bins of equal width\n"
    "  corr_steps, corr_tokens, corr_chars             Pearson's correlation over paths of length with the mean step score,\n"
    "                and with the answer score\n"
    "  first_error, no_error   over paths with a wrong step: the first is found, and no step before it is called wrong; over\n"
    "                paths without: none is. A neutral step is not wrong\n"
    "  first_f1      the harmonic mean of the two (ProcessBench's F1)\n"
    "Intervals resample questions, since the steps of one are not independent. --against compares what both sides judge, on\n"
    "the same resamples; with the same labels on both sides the difference is 0 and so is its interval.\n\n"
    "  cos-eval prm --pred mc --threshold 0 < labelled.cos     how good the labels are, if a single hit makes a step right\n"
    "  cos-eval prm --pred few,few:inferred --against mc --threshold 0 < labelled.cos\n"
    "  cos-segment --from visualprocessbench --images DIR test.jsonl | cos-score prm --model prm | cos-eval prm";

enum target { STEP, ANSWER, TARGETS };
static const char *const target_words[TARGETS] = { "step", "answer" };
enum { LENGTHS = 3 };

/* rival: the same ones as --against judges them. */
struct judgements { struct prediction *p, *rival; int n, cap; uint64_t unknown, neutral; };
/* length: a row for each path that has a score: score, steps, tokens, chars. */
struct prm { struct judgements of[TARGETS]; struct columns length[TARGETS]; struct firsts first; struct names ids; };

/* ---- reading ---- */

/* The value in [0, 1] of the label by this source among labels; NAN: none. */
static double value_by(const val *labels, const char *source, size_t len)
{
    const char *by;
    size_t nby;
    double value = NAN, k, n;
    for (int i = 0; i < val_len(labels); i++) {
        const val *l = val_at(labels, i);
        if (!val_str(val_get(l, "by"), &by, &nby) || nby != len || memcmp(by, source, len)) continue;
        if (val_f64(val_get(l, "value"), &value)) return value;
        if (val_f64(val_get(l, "k"), &k) && val_f64(val_get(l, "n"), &n) && n > 0) return k / n;
    }
    return value;
}

static double label_value(const val *labels, const char *list)
{
    double value = NAN;
    for (const char *s = list; *s && isnan(value);) {
        size_t n = strcspn(s, ",");
        value = value_by(labels, s, n);
        s += n + (s[n] == ',');
    }
    return value;
}

static double score_at(const val *map, const char *key)
{
    double x;
    return val_f64(val_get(map, key), &x) && isfinite(x) ? x : NAN;
}

static void judge(struct judgements *j, double score, double rival, double truth, int question)
{
    if (isnan(score) || isnan(rival) || isnan(truth)) j->unknown++;
    else if (truth == 0.5) j->neutral++;
    else {
        if (j->n == j->cap) {
            j->cap = j->cap ? 2 * j->cap : 4096;
            j->p = mem_grow(j->p, (size_t)j->cap, sizeof *j->p);
            j->rival = mem_grow(j->rival, (size_t)j->cap, sizeof *j->rival);
        }
        j->p[j->n] = (struct prediction){ score, truth > 0.5, question };
        j->rival[j->n++] = (struct prediction){ rival, truth > 0.5, question };
    }
}

static void add_length(struct columns *c, double score, const val *path, int question)
{
    if (isnan(score)) return;
    double *x = columns_add(c, question);
    x[0] = score;
    x[1] = eval_steps(path);
    x[2] = eval_tokens(path);
    x[3] = eval_chars(path);
}

static int take(struct prm *m, const struct record *r)
{
    struct slice id;
    bool correct;
    const val *path = val_get(&r->root, "path"), *steps = val_get(path, "steps"), *labels = val_get(path, "answer_labels");
    if (!eval_id(r, &id)) return fail("no id");
    if (!path || path->type != MSGPACK_OBJECT_MAP) return fail("no path");
    int q = (int)names_index(&m->ids, id), n = val_len(steps);
    double sum = 0, *scores = mem_array((size_t)n + 1, sizeof *scores), *truths = mem_array((size_t)n + 1, sizeof *truths);
    for (int i = 0; i < n; i++) {
        const val *own = val_get(val_at(steps, i), "labels");
        scores[i] = set.pred ? label_value(own, set.pred) : score_at(val_at(steps, i), "score");
        truths[i] = label_value(own, set.truth);
        judge(&m->of[STEP], scores[i], set.against ? label_value(own, set.against) : 0, truths[i], q);
        sum += scores[i];
    }
    firsts_add(&m->first, truths, scores, n, set.threshold, q);
    free(scores);
    free(truths);
    double truth = label_value(labels, set.truth), score = set.pred ? label_value(labels, set.pred) : score_at(path, "answer_score");
    if (isnan(truth) && val_bool(val_get(path, "correct"), &correct)) truth = correct;
    judge(&m->of[ANSWER], score, set.against ? label_value(labels, set.against) : 0, truth, q);
    add_length(&m->length[STEP], n ? sum / n : NAN, path, q);
    add_length(&m->length[ANSWER], score, path, q);
    return 0;
}

/* ---- the table ---- */

enum { SHARE_RIGHT, ACCURACY, F1_RIGHT, F1_WRONG, F1_MACRO, KAPPA, AUROC, BRIER, ECE, MEASURES };
static const char *const measure_words[MEASURES] = {
    "share_right", "accuracy", "f1_right", "f1_wrong", "f1_macro", "kappa", "auroc", "brier", "ece" };

static void measures(const struct prediction *p, int n, const double *weight, double out[MEASURES])
{
    struct judged d;
    stat_judge(p, n, weight, set.threshold, &d, NULL);
    const double x[MEASURES] = { d.share_right, d.accuracy, d.f1_right, d.f1_wrong, d.f1_macro, d.kappa, d.auroc, d.brier, d.ece };
    memcpy(out, x, sizeof x);
}

static void judged(const void *arg, const double *weight, double *out)
{
    const struct judgements *j = arg;
    double rival[MEASURES];
    measures(j->p, j->n, weight, out);
    if (!set.against) return;
    measures(j->rival, j->n, weight, rival);
    for (int i = 0; i < MEASURES; i++) out[i] -= rival[i];
}

/* The pairs of the score and one of the lengths, where both are known. */
struct pairing { double *x, *y; int *question, n; };

static struct pairing pairing_of(const struct columns *c, int column)
{
    size_t room = (size_t)mem_max(c->n, 1);
    struct pairing p = { mem_array(room, sizeof(double)), mem_array(room, sizeof(double)), mem_array(room, sizeof(int)), 0 };
    for (int i = 0; i < c->n; i++) {
        const double *row = c->x + (size_t)i * (size_t)c->k;
        if (isnan(row[column])) continue;
        p.x[p.n] = row[0];
        p.y[p.n] = row[column];
        p.question[p.n++] = c->question[i];
    }
    return p;
}

static void correlation(const void *arg, const double *weight, double *out)
{
    const struct pairing *p = arg;
    out[0] = stat_pearson(p->x, p->y, p->question, p->n, weight);
}

static void put_correlations(struct table *t, const char *of, const struct columns *c, int questions, const struct boot *b)
{
    static const char *const words[LENGTHS] = { "corr_steps", "corr_tokens", "corr_chars" };
    for (int k = 0; k < LENGTHS; k++) {
        struct pairing p = pairing_of(c, k + 1);
        struct estimate e;
        if (p.n) {
            boot_estimate(correlation, &p, questions, 1, b, &e);
            table_word(t, of);
            table_word(t, words[k]);
            table_count(t, (uint64_t)p.n);
            table_estimate(t, &e, 4, eval_boot_name(b));
        }
        free(p.x);
        free(p.y);
        free(p.question);
    }
}

static void put_table(FILE *f, const struct prm *m, const struct boot *b)
{
    static const char *const column[] = { "of", "measure", "n", EVAL_VALUE_COLUMNS };
    struct table t;
    int questions = (int)m->ids.n;
    table_begin(&t, f, set.json, "prm", column, countof(column));
    for (int k = 0; k < TARGETS; k++) {
        struct estimate e[MEASURES];
        const struct judgements *j = &m->of[k];
        if (j->n) boot_estimate(judged, j, questions, MEASURES, b, e);
        for (int i = set.against ? ACCURACY : 0; i < MEASURES && j->n; i++) {
            table_word(&t, target_words[k]);
            table_word(&t, measure_words[i]);
            table_count(&t, (uint64_t)j->n);
            if (i <= ACCURACY && !set.against) table_rate(&t, &e[i], (uint64_t)questions, 4, eval_boot_name(b));
            else table_estimate(&t, &e[i], 4, eval_boot_name(b));
        }
        if (!set.against) put_correlations(&t, target_words[k], &m->length[k], questions, b);
    }
    if (!set.against) firsts_put(&t, &m->first, questions, b);
    table_end(&t);
}

/* The share of right ones in each bin, by resampling questions. */
static void bin_shares(const void *arg, const double *weight, double *out)
{
    const struct judgements *j = arg;
    struct judged d;
    struct bin bins[ECE_BINS];
    stat_judge(j->p, j->n, weight, set.threshold, &d, bins);
    for (int i = 0; i < ECE_BINS; i++) out[i] = bins[i].n > 0 ? bins[i].right / bins[i].n : NAN;
}

static void put_bins(FILE *f, const struct prm *m, const struct boot *b)
{
    static const char *const column[] = { "of", "from", "to", "n", "mean_score", EVAL_VALUE_COLUMNS };
    struct table t;
    int questions = (int)m->ids.n;
    double *one = mem_array((size_t)questions, sizeof *one);
    for (int i = 0; i < questions; i++) one[i] = 1;
    table_begin(&t, f, set.json, "reliability", column, countof(column));
    for (int k = 0; k < TARGETS; k++) {
        struct judged d;
        struct bin bins[ECE_BINS];
        struct estimate e[ECE_BINS];
        const struct judgements *j = &m->of[k];
        if (j->n) {
            stat_judge(j->p, j->n, one, set.threshold, &d, bins);
            boot_estimate(bin_shares, j, questions, ECE_BINS, b, e);
        }
        for (int i = 0; i < ECE_BINS && j->n; i++) {
            table_word(&t, target_words[k]);
            table_real(&t, (double)i / ECE_BINS, 1);
            table_real(&t, (double)(i + 1) / ECE_BINS, 1);
            table_count(&t, (uint64_t)bins[i].n);
            table_real(&t, bins[i].n > 0 ? bins[i].score / bins[i].n : NAN, 4);
            table_estimate(&t, &e[i], 4, eval_boot_name(b));
        }
    }
    table_end(&t);
    free(one);
}

/* ---- the program ---- */

static void note_left_out(struct tool *t, const struct prm *m)
{
    for (int k = 0; k < TARGETS; k++) {
        const struct judgements *j = &m->of[k];
        if (j->unknown || j->neutral)
            tool_note(t, "%ss left out: %" PRIu64 " without a score or a label, %" PRIu64 " neutral", target_words[k], j->unknown, j->neutral);
    }
    if (m->first.unknown) tool_note(t, "paths left out of first_error and no_error: %" PRIu64 " with a step unknown", m->first.unknown);
}

static int prm(struct tool *t, struct prm *m, struct record *r)
{
    int got;
    char label[256];
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        if (take(m, r)) return fail_in("%s", rec_label(r, label, sizeof label));
        tool_progress(t, "paths", n, 0, NULL);
    }
    if (got < 0) return -1;
    if (m->of[STEP].n + m->of[ANSWER].n == 0)
        return fail("no step and no answer has both %s and a label by '%s'", set.pred ? "a prediction" : "a score", set.truth);
    for (int k = 0; k < TARGETS; k++) {
        stat_sort_predictions(m->of[k].p, m->of[k].n);
        stat_sort_predictions(m->of[k].rival, m->of[k].n);
    }
    (set.bins ? put_bins : put_table)(out, m, &(struct boot){ set.resamples, t->std.seed, t->std.threads });
    note_left_out(t, m);
    return tool_close(t);
}

int eval_prm(struct tool *t)
{
    struct prm m = { .length = { { .k = 1 + LENGTHS }, { .k = 1 + LENGTHS } } };
    if (set.against && set.bins) return fail_kind(ERR_USAGE, "--bins is of one side, --against of two");
    struct record *r = rec_new();
    int bad = prm(t, &m, r);
    rec_free(r);
    for (int k = 0; k < TARGETS; k++) {
        free(m.of[k].p);
        free(m.of[k].rival);
        columns_free(&m.length[k]);
    }
    firsts_free(&m.first);
    names_free(&m.ids);
    return bad;
}
