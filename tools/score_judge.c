/* SPDX-License-Identifier: Apache-2.0
 * cos-score judge: what a model behind a server says of each step.
 */
#include <stdlib.h>
#include <string.h>
#include "endpoint.h"
#include "net/verdict.h"
#include "record/path.h"
#include "score.h"

enum { REASONS = 32, NOTES = 10 };

static struct {
    struct endpoint_opts net;
    const char *model, *images, *as;
    int max_tokens;
    double temperature;
} set = { .net = ENDPOINT_DEFAULT, .max_tokens = 1024 };

const struct opt score_judge_opts[] = {
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "The judge" },
    { 0, "model", "NAME", OPT_STR, &set.model, 0, 0, "the name that the server knows it by (needed)" },
    { 0, "as", "NAME", OPT_STR, &set.as, 0, 0, "labels are by judge:NAME; without it judge:MODEL. Those that are there under\n"
      "this name are replaced" },
    { 0, "images", "PATH", OPT_STR, &set.images, 0, 0, "folder or archive that image references are looked up in" },
    { 0, "temperature", "T", OPT_FLOAT, &set.temperature, 0, 100, "0: always the likeliest token" },
    { 0, "max-tokens", "N", OPT_INT, &set.max_tokens, 1, 1 << 24, "a reply's length at most" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Server" },
    ENDPOINT_OPTS(set.net),
    OPT_END };

const char score_judge_details[] =
    "Adds {by: \"judge:NAME\", value} to path.steps[].labels, and to path.answer_labels where the reply judges the answer:\n"
    "1 for Good, 0.5 for Neutral, 0 for Bad; and why, where the reply says it. Several judges stand side by side.\n"
    "One request a path; --endpoint and --prompt are needed. The reply may begin as it likes and ends with\n"
    "  Verdicts:\n"
    "  Step 1: Good\n"
    "  Step 2: Bad - the bar stands at 40\n"
    "  Answer: Neutral\n"
    "a line for each step in order, \"Answer\" only if it was asked for. Anything else is no verdict: the path is passed on without\n"
    "labels of this judge, and so are those that got no reply. Unknown is not wrong; it is counted by reason.\n"
    "path.requests[\"judge:NAME\"] is the digest of what was sent. A path that cannot be asked about is rejected.\n"
    ENDPOINT_DETAILS
    "\n"
    "  cos-score judge --endpoint https://HOST/v1 --model big --prompt pipelines/prompts/judge.txt < paths.cos > judged.cos";

struct unknown { const char *why; uint64_t n; };
struct judge {
    struct tool *t;
    char *by;                                  /* judge:NAME */
    struct unknown unknown[REASONS];
    uint64_t noted, counts[3];                 /* of verdicts on steps */
};

/* ---- labels ---- */

/* The array under key without labels of ours; with this one behind it, if there is one. */
static void put_label(const struct judge *j, struct record *r, val *map, const char *key, const struct verdict_line *v)
{
    msgpack_zone *z = &r->zone;
    const val *old = val_get(map, key);
    struct val_list list = { 0 };
    for (int i = 0; i < val_len(old); i++)
        if (!val_is_str(val_get(val_at(old, i), "by"), j->by)) val_push(z, &list, *val_at(old, i));
    if (v) {
        val label = val_map();
        val_set(z, &label, "by", val_of_cstr(z, j->by));
        val_set(z, &label, "value", v->verdict == VERDICT_NEUTRAL ? val_of_f64(0.5) : val_of_i64(v->verdict == VERDICT_GOOD));
        if (v->why.n) val_set(z, &label, "why", val_of_str(z, v->why.p, v->why.n));
        val_push(z, &list, label);
    }
    if (list.n) val_set(z, map, key, val_of_list(&list));
    else val_remove(map, key);
}

/* v NULL: unknown. */
static void put_labels(struct judge *j, struct record *r, const struct verdicts *v)
{
    val *path = val_get(&r->root, "path"), *steps = val_get(path, "steps");
    for (int i = 0; i < val_len(steps); i++) {
        put_label(j, r, val_at(steps, i), "labels", v ? &v->step[i] : NULL);
        if (v) j->counts[v->step[i].verdict]++;
    }
    put_label(j, r, path, "answer_labels", v && v->has_answer ? &v->answer : NULL);
}

static void count_unknown(struct judge *j, const struct record *r, const char *why, const char *detail)
{
    char label[256];
    int i = 0;
    while (i < REASONS - 1 && j->unknown[i].why && strcmp(j->unknown[i].why, why)) i++;
    j->unknown[i].why = i < REASONS - 1 ? why : "other reasons";
    j->unknown[i].n++;
    if (j->noted++ < NOTES) tool_note(j->t, "%s: %s", rec_label(r, label, sizeof label), detail ? detail : why);
}

/* ---- records ---- */

static const char *path_reason(const struct record *r)
{
    struct arena a = {0};
    struct chain c;
    const val *path = val_get(&r->root, "path");
    const char *why = !path ? "no path" : path_to_chain(path, &a, &c) ? "malformed path" : c.nstep ? NULL : "no step";
    if (why && strcmp(why, "malformed path")) fail("%s", why);
    arena_free(&a);
    return why;
}

static int prepare(struct endpoint *e, struct ask_item *x)
{
    const struct judge *j = e->arg;
    const char *why = path_reason(x->r);
    int64_t index = -1;
    if (why) return endpoint_cannot(x, why), 0;
    endpoint_fill(e, x);
    val_i64(val_path(&x->r->root, "path.index"), &index);
    return x->why ? 0 : endpoint_add(e, x, mem_max(index, 0), index, j->by);
}

static int judged(struct judge *j, struct record *r, const struct ask_one *o)
{
    struct arena a = {0};
    struct verdicts v;
    val *path = val_get(&r->root, "path"), *requests = val_get(path, "requests");
    const char *why = o->why;
    if (!why && o->reply.cut) why = "reply cut off at --max-tokens";
    if (!why) why = verdicts_read((struct slice){ o->reply.text.p, o->reply.text.len }, val_len(val_get(path, "steps")), &a, &v);
    put_labels(j, r, why ? NULL : &v);
    if (requests) val_remove(requests, j->by);
    if (why) count_unknown(j, r, why, o->detail);
    else resume_mark(r, j->by, o->digest);
    arena_free(&a);
    return tool_write(j->t, r);
}

static int done(struct endpoint *e, struct ask_item *x)
{
    if (x->why) return tool_reject_noted(e->t, x->r, x->why, x->detail);
    return x->one[0].kept ? tool_write(e->t, x->one[0].kept) : judged(e->arg, x->r, &x->one[0]);
}

/* ---- the run ---- */

static int end(struct judge *j)
{
    struct buf b = {0};
    uint64_t n = 0;
    for (int i = 0; i < REASONS && j->unknown[i].why; i++) {
        buf_fmt(&b, "%s%s %.0f", i ? ", " : "", j->unknown[i].why, (double)j->unknown[i].n);
        n += j->unknown[i].n;
    }
    tool_note(j->t, "steps: %.0f good, %.0f neutral, %.0f bad", (double)j->counts[VERDICT_GOOD], (double)j->counts[VERDICT_NEUTRAL],
              (double)j->counts[VERDICT_BAD]);
    if (n) tool_note(j->t, "%.0f paths without verdicts (%s)", (double)n, b.p);
    buf_free(&b);
    return tool_close(j->t);
}

int score_judge(struct tool *t)
{
    if (!set.net.url || !set.net.prompt) return fail_kind(ERR_USAGE, "want --endpoint URL and --prompt FILE");
    if (set.as && !*set.as) return fail_kind(ERR_USAGE, "--as: empty name");
    struct judge j = { .t = t, .by = mem_fmt("judge:%s", set.as ? set.as : set.model ? set.model : "") };
    struct endpoint e = { .o = &set.net, .prepare = prepare, .done = done, .arg = &j,
                          .chat = { .model = set.model, .temperature = set.temperature, .top_p = 1, .max_tokens = set.max_tokens } };
    int bad = endpoint_open(&e, t, set.images) || tool_open(t) || endpoint_run(&e) || end(&j) ? -1 : 0;
    endpoint_close(&e);
    free(j.by);
    return bad;
}
