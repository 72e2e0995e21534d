/* SPDX-License-Identifier: Apache-2.0
 * cos-score mc: how often the model reaches the right answer from behind each step.
 */
#include "score.h"
#include "search/rollout.h"

static struct {
    struct score_model m;
    int rollouts, max_tokens, top_k, match;
    double temperature, top_p;
    const char *as;
} set = { .m = { .batch = 64 }, .rollouts = 16, .max_tokens = 1024, .temperature = 1, .top_p = 1, .as = "mc" };

const struct opt score_mc_opts[] = {
    SCORE_MODEL_OPTS(set.m, "the model that continues the paths"),
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Rollouts" },
    { 0, "rollouts", "N", OPT_INT, &set.rollouts, 1, 65536, "continuations from behind each step" },
    { 0, "temperature", "T", OPT_FLOAT, &set.temperature, 0, 100, "0: always the likeliest token" },
    { 0, "top-p", "P", OPT_FLOAT, &set.top_p, 0, 1, "the likeliest tokens that sum to P; 1: all" },
    { 0, "top-k", "K", OPT_INT, &set.top_k, 0, 1 << 30, "the K likeliest tokens; 0: all" },
    { 0, "max-tokens", "N", OPT_INT, &set.max_tokens, 1, 1 << 24, "a continuation's length at most" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Labels" },
    { 0, "match", ANSWER_MATCHES, OPT_CHOICE, &set.match, 0, 0, "when two answers are the same (see answer -h)" },
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
    "  cos-generate --model sft -n 4 < train.cos | cos-score mc --model sft --rollouts 16 > labelled.cos";

struct run {
    struct tool *t;
    const struct score_loaded *l;
    const struct engine *engine;
    uint64_t paths, unknown;                   /* steps without a label */
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

/* The array under key without labels of our source, and with this one when it is known. */
static void put_label(msgpack_zone *z, val *map, const char *key, val label, bool known)
{
    val *old = val_get(map, key);
    int n = val_len(old), k = 0;
    val list = val_array(z, n + 1);
    for (int i = 0; i < n; i++)
        if (!val_is_str(val_get(val_at(old, i), "by"), set.as)) *val_at(&list, k++) = *val_at(old, i);
    if (known) *val_at(&list, k++) = label;
    list.via.array.size = (uint32_t)k;
    if (k) val_set(z, map, key, list);
    else val_remove(map, key);
}

static void label_answer(struct record *r, val *path)
{
    bool correct = false, parsed = false;
    const char *why = answer_check(r, (enum answer_match)set.match, &correct, &parsed);
    val label = val_map();
    val_set(&r->zone, &label, "by", val_of_cstr(&r->zone, set.as));
    val_set(&r->zone, &label, "value", val_of_i64(correct));
    put_label(&r->zone, path, "answer_labels", label, !why && parsed);
}

static int put_labels(void *arg, struct record *r, const struct step_value *v, int nstep)
{
    struct run *run = arg;
    val *path = val_get(&r->root, "path"), *steps = val_get(path, "steps");
    for (int i = 0; i < nstep; i++) {
        val label = val_map();
        val_set(&r->zone, &label, "by", val_of_cstr(&r->zone, set.as));
        val_set(&r->zone, &label, "k", val_of_i64(v[i].right));
        val_set(&r->zone, &label, "n", val_of_i64(v[i].of));
        put_label(&r->zone, val_at(steps, i), "labels", label, v[i].of > 0);
        run->unknown += v[i].of == 0;
        run->k += v[i].right;
        run->n += v[i].of;
    }
    label_answer(r, path);
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
    if (run->unknown) tool_note(run->t, "%.0f steps without a label (too long)", (double)run->unknown);
}

static int label(struct tool *t, const struct score_loaded *l, struct engine *e)
{
    struct run run = { .t = t, .l = l, .engine = e };
    struct rollout_stats stats;
    struct rollout s = {
        .engine = e, .io = l->io, .pool = l->pool, .n = set.rollouts, .max_tokens = set.max_tokens, .seed = t->std.seed,
        .how = { set.temperature, set.top_k, set.top_p }, .match = (enum answer_match)set.match, .arg = &run,
        .read = read_path, .done = put_labels, .reject = reject, .tick = tick };
    if (rollout(&s, &stats)) return -1;
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

int score_mc(struct tool *t)
{
    if (!set.as[0]) return fail_kind(ERR_USAGE, "--as: empty name");
    return score_with_model(t, &set.m, set.max_tokens, work);
}
