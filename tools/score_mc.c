/* SPDX-License-Identifier: Apache-2.0
 * cos-score mc: how often the model reaches the right answer from behind each step.
 */
#include <stdlib.h>
#include "bench/bench.h"
#include "record/answer.h"
#include "score.h"
#include "search/rollout.h"

static struct {
    struct score_model m;
    int max_tokens, top_k, match, search;
    double temperature, top_p;
    struct rollout_rule rule;
    const char *as, *bench;
    int protocol;
    char *inferred;                            /* the source of labels that follow from others; AS:inferred */
} set = { .m = { .batch = 64 }, .max_tokens = 1024, .temperature = 1, .top_p = 1, .rule = { .n = 16, .error = 0.05 }, .as = "mc" };

static struct bench_rule bench_rule;           /* of --bench */

const struct opt score_mc_opts[] = {
    SCORE_MODEL_OPTS(set.m, "the model that continues the paths"),
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Rollouts" },
    { 0, "rollouts", "N", OPT_INT, &set.rule.n, 1, 65536, "continuations from behind a step (at most)" },
    { 0, "temperature", "T", OPT_FLOAT, &set.temperature, 0, 100, "0: always the likeliest token" },
    { 0, "top-p", "P", OPT_FLOAT, &set.top_p, 0, 1, "the likeliest tokens that sum to P; 1: all" },
    { 0, "top-k", "K", OPT_INT, &set.top_k, 0, 1 << 30, "the K likeliest tokens; 0: all" },
    { 0, "max-tokens", "N", OPT_INT, &set.max_tokens, 1, 1 << 24, "a continuation's length at most" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Spending less" },
    { 0, "adaptive", NULL, OPT_FLAG, &set.rule.adaptive, 0, 0, "end a step's rollouts once it is clear whether their share of right ones is above T" },
    { 0, "search", ROLLOUT_SEARCHES, OPT_CHOICE, &set.search, 0, 0, "the steps that are asked: all, or those of a binary search for the first\none whose share is not above T" },
    { 0, "threshold", "T", OPT_FLOAT, &set.rule.threshold, 0, 1, "of both; 0: a single hit makes a step right" },
    { 0, "error", "E", OPT_FLOAT, &set.rule.error, 0, 0.5, "chance that a stop of --adaptive is on the wrong side, at most; 0: each\nstep on the side where all N rollouts would have put it" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Labels" },
    { 0, "match", ANSWER_MATCHES, OPT_CHOICE, &set.match, 0, 0, "when two answers are the same (see answer -h)" },
    { 0, "bench", "NAME", OPT_STR, &set.bench, 0, 0, "compare as this benchmark does: mathvista, chartqa, ... (see cos-eval accuracy -h)" },
    { 0, "protocol", BENCH_PROTOCOL_WORDS, OPT_CHOICE, &set.protocol, 0, 0, "of --bench: whose rules" },
    { 0, "as", "NAME", OPT_STR, &set.as, 0, 0, "the labels' source; labels that are there under this name are replaced" },
    SCORE_RESOURCE_OPTS(set.m),
    OPT_END };

const char score_mc_details[] =
    "Adds {by, k, n} to path.steps[].labels: k of n continuations came to the record's answer; and {by, value} to\n"
    "path.answer_labels: 1 or 0, whether the path's own answer is right, where it has one. A continuation without an\n"
    "answer is not right. A step that leaves no room for a continuation gets no label: unknown is not wrong.\n"
    "A label depends on the model, --dtype, the sampling options, --seed, the record's id and the path up to the step, not on\n"
    "batches, threads and shards. Paths of one question that follow one another and begin alike share the work.\n"
    "\n"
    "--bench compares by the benchmark's rule what a continuation has between its answer marks; where the rule sees the right\n"
    "answer while it parses, so does this.\n"
    "--adaptive looks at the count as it grows and stops (n is then below N) when a sequential test is sure on which side of\n"
    "T the chance of a right continuation is: that side is wrong with a chance of at most E, however often it looks (formula:\n"
    "lib/base/stat.h, stat_side); or when the rollouts that are left could not bring k / n to the other side. A step that is\n"
    "not clear behind N has the side of k / N. Such labels are meant for a threshold (cos-update prm --target hard): k / n of\n"
    "a count that stopped early leans away from T.\n"
    "--search first-error takes steps before a right one for right, and steps behind a wrong one for wrong, as OmegaPRM does.\n"
    "What follows so for a step that was not asked is a label {by: NAME:inferred, value: 1 or 0}; to use both, name both:\n"
    "cos-update prm --labels mc,mc:inferred.\n"
    "\n"
    "  cos-generate --model sft -n 4 < train.cos | cos-score mc --model sft --rollouts 16 > labelled.cos\n"
    "  cos-score mc --model sft --adaptive --search first-error < paths.cos | cos-update prm --labels mc,mc:inferred ...";

struct run {
    struct tool *t;
    const struct score_loaded *l;
    const struct engine *engine;
    struct bench_rule bench;                   /* bench NULL: --match counts */
    struct record *question;                   /* with an answer in its path, for the benchmark */
    struct arena scratch;
    uint64_t paths, inferred, unknown;         /* of steps: labels that follow from others; without any */
    double k, n;
};

static int read_path(void *arg, struct record *r) { return tool_read(((struct run *)arg)->t, r); }
static int reject(void *arg, struct record *r, const char *why) { return score_reject(((struct run *)arg)->t, r, why); }

static int tick(void *arg)
{
    struct run *run = arg;
    struct engine_stats s = engine_stats(run->engine);
    char rate[64];
    snprintf(rate, sizeof rate, ", %.0f tokens/s", (double)s.tokens / score_seconds(run->l));
    tool_progress(run->t, "rollouts", (double)s.paths, 0, rate);
    return 0;
}

/* ---- answers ---- */

/* The question's record with a path that is this answer; its values stay the question's. */
static void with_answer(const struct record *question, struct slice answer, struct record *out)
{
    const msgpack_object_map *m = &question->root.via.map;
    val path = val_map();
    rec_clear(out);
    for (uint32_t i = 0; i < m->size; i++) {
        char *key = mem_strn(m->ptr[i].key.via.str.ptr, m->ptr[i].key.via.str.size);
        val_set(&out->zone, &out->root, key, m->ptr[i].val);
        free(key);
    }
    val_set(&out->zone, &path, "answer", val_of_str(&out->zone, answer.p, answer.n));
    val_set(&out->zone, &out->root, "path", path);
}

static const char *judge(void *arg, struct record *question, struct slice answer, bool *right)
{
    struct run *run = arg;
    struct bench_verdict v;
    if (!run->bench.bench) {
        const char *why = answer_judge(question, (enum answer_match)set.match, answer, right);
        if (why) err_set(ERR_INPUT, why);
        return why;
    }
    arena_reset(&run->scratch);
    with_answer(question, answer, run->question);
    if (bench_judge(&run->bench, run->question, &run->scratch, &v)) return "not what the benchmark judges";
    *right = v.parsed && v.right;
    return NULL;
}

/* ---- labels ---- */

static bool is_ours(const val *by)
{
    return by && (val_is_str(by, set.as) || val_is_str(by, set.inferred));
}

/* The array under key without labels of our sources, and with this one (NULL: none). */
static void put_label(msgpack_zone *z, val *map, const char *key, const val *label)
{
    val *old = val_get(map, key);
    int n = val_len(old), k = 0;
    val list = val_array(z, n + 1);
    for (int i = 0; i < n; i++)
        if (!is_ours(val_get(val_at(old, i), "by"))) *val_at(&list, k++) = *val_at(old, i);
    if (label) *val_at(&list, k++) = *label;
    list.via.array.size = (uint32_t)k;
    if (k) val_set(z, map, key, list);
    else val_remove(map, key);
}

static val label_by(msgpack_zone *z, const char *source)
{
    val label = val_map();
    val_set(z, &label, "by", val_of_cstr(z, source));
    return label;
}

static void label_answer(struct run *run, struct record *r, val *path)
{
    struct slice answer;
    bool right = false, some = answer_text(&r->zone, val_get(path, "answer"), &answer);
    val label = label_by(&r->zone, set.as);
    if (some && judge(run, r, answer, &right)) some = false;
    val_set(&r->zone, &label, "value", val_of_i64(right));
    put_label(&r->zone, path, "answer_labels", some ? &label : NULL);
}

static void label_step(struct run *run, struct record *r, val *step, const struct step_value *v)
{
    val label = label_by(&r->zone, v->of ? set.as : set.inferred);
    if (v->of) {
        val_set(&r->zone, &label, "k", val_of_i64(v->right));
        val_set(&r->zone, &label, "n", val_of_i64(v->of));
    } else {
        val_set(&r->zone, &label, "value", val_of_i64(v->side > 0));
    }
    put_label(&r->zone, step, "labels", v->of || v->side ? &label : NULL);
    run->inferred += !v->of && v->side;
    run->unknown += !v->of && !v->side;
    run->k += v->right;
    run->n += v->of;
}

static int put_labels(void *arg, struct record *r, const struct step_value *v, int nstep)
{
    struct run *run = arg;
    val *path = val_get(&r->root, "path"), *steps = val_get(path, "steps");
    for (int i = 0; i < nstep; i++) label_step(run, r, val_at(steps, i), &v[i]);
    label_answer(run, r, path);
    run->paths++;
    return tool_write(run->t, r);
}

static void note_work(const struct run *run, const struct rollout_stats *c)
{
    struct engine_stats s = engine_stats(run->engine);
    double sec = score_seconds(run->l), fresh = (double)c->fresh;
    tool_note(run->t, "%.0f labels of %.0f paths (%.0f shared), %.0f rollouts, %.1f %% right; %.0f tokens in %.3f s, %.0f/s", (double)c->values,
              (double)run->paths, (double)c->shared, (double)s.paths, 100 * run->k / mem_max(run->n, 1.0), (double)s.tokens, sec,
              (double)s.tokens / sec);
    tool_note(run->t, "cost: %.0f tokens computed, each rollout on its own: %.0f (%.1f %%)", (double)s.rows, fresh,
              100 * (double)s.rows / mem_max(fresh, 1.0));
    if (c->early) tool_note(run->t, "%.0f counts ended before the %dth rollout", (double)c->early, set.rule.n);
    if (run->inferred) tool_note(run->t, "%.0f steps not asked, but inferred (%s)", (double)run->inferred, set.inferred);
    if (run->unknown) tool_note(run->t, "%.0f steps without a label (too long)", (double)run->unknown);
}

static int label(struct tool *t, const struct score_loaded *l, struct engine *e)
{
    struct run run = { .t = t, .l = l, .engine = e, .bench = bench_rule, .question = rec_new() };
    struct rollout_stats stats;
    struct rollout s = {
        .engine = e, .io = l->io, .pool = l->pool, .rule = set.rule, .search = (enum rollout_search)set.search,
        .max_tokens = set.max_tokens, .seed = t->std.seed, .how = { set.temperature, set.top_k, set.top_p }, .arg = &run, .judge = judge,
        .read = read_path, .done = put_labels, .reject = reject, .tick = tick };
    int bad = rollout(&s, &stats);
    rec_free(run.question);
    arena_free(&run.scratch);
    if (bad) return -1;
    note_work(&run, &stats);
    return tool_close(t);
}

static int work(struct tool *t, const struct score_loaded *l)
{
    struct engine *e = engine_new(l->model, l->pool, &(struct engine_cfg){ .batch = set.m.batch, .kv_tokens = l->kv_tokens });
    int bad = e ? label(t, l, e) : -1;
    engine_free(e);
    return bad;
}

static int open_bench(void)
{
    if (!set.bench) return set.protocol ? fail_kind(ERR_USAGE, "--protocol goes with --bench") : 0;
    if (set.match) return fail_kind(ERR_USAGE, "--match does not go with --bench");
    bench_rule = (struct bench_rule){ bench_find(set.bench), (enum bench_protocol)set.protocol, EXTRACT_STORED, false, false };
    return bench_rule.bench ? bench_check(&bench_rule) : -1;
}

int score_mc(struct tool *t)
{
    if (!set.as[0]) return fail_kind(ERR_USAGE, "--as: empty name");
    if (open_bench()) return -1;
    set.inferred = mem_fmt("%s:inferred", set.as);
    /* where counts grow a few at a time, nearly every path in the works stands behind a beginning of its own */
    bool alone = set.rule.adaptive || set.search == ROLLOUT_FIRST_ERROR;
    int bad = score_with_model(t, &set.m, (alone ? 2 : 1) * set.max_tokens, work);
    free(set.inferred);
    return bad;
}
