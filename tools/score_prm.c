/* SPDX-License-Identifier: Apache-2.0
 * cos-score prm: what a process reward model says of each step and of the answer.
 */
#include <stdlib.h>
#include "record/path.h"
#include "score.h"
#include "search/prm.h"
#include "search/prm_path.h"
#include "search/scoring.h"

enum { PATH_TOKENS = 1024, NOTES = 8 };

static struct { struct score_model m; const char *as; struct reward reward; } set = {
    .m = { .batch = 64, .prm = true }, .as = "prm", .reward = REWARD_DEFAULT };

const struct opt score_prm_opts[] = {
    SCORE_MODEL_OPTS(set.m, "process reward model"),
    { 0, "prm-style", "NAME", OPT_STR, &set.m.style, 0, 0, "how it is asked: " PRM_STYLES ",\nor a JSON file; without it the folder's" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Scores" },
    { 0, "step-weight", "W", OPT_FLOAT, &set.reward.step_weight, 0, 1, "score = W * mean(steps) + (1 - W) * answer" },
    { 0, "as", "NAME", OPT_STR, &set.as, 0, 0, "name of the score" },
    SCORE_RESOURCE_OPTS(set.m),
    OPT_END };

const char score_prm_details[] =
    "Sets path.steps[].score and path.answer_score, each the probability that the model gives to \"good\" at the tag behind\n"
    "the step or the answer, and scores.NAME. The path's text is encoded anew by the model's own tokenizer.\n"
    "A path that was cut off has scores of its whole steps, and no scores.NAME: unknown is not wrong. Such paths are\n"
    "counted and passed on. A record that cannot be asked (no path, unreadable image, ...) is rejected.\n"
    "\n"
    "  cos-generate --model sft -n 16 < test.cos | cos-score prm --model prm | cos-select best | cos-eval accuracy";

struct note { const char *why; uint64_t n; };
struct run {
    struct tool *t;
    const struct score_loaded *l;
    struct prm *prm;
    struct note note[NOTES];                   /* paths without a score */
    double paths;
};

static int read_path(void *arg, struct record *r) { return tool_read(((struct run *)arg)->t, r); }
static int read_prm(void *arg) { return prm_run(((struct run *)arg)->prm); }
static int reject(void *arg, struct record *r, const char *why) { return score_reject(((struct run *)arg)->t, r, why); }

static int rejected(const char **why, const char *reason)
{
    *why = reason;
    return -1;
}

static int encode(struct run *run, const struct chain *c, struct score_item *x, const char **why)
{
    struct prm_ids r = { 0 };
    struct slice tail = { x->prompt->tail, x->prompt->ntail };
    int bad = prm_form_encode(run->l->io->prm, tail, c, &r) ? rejected(why, "text that cannot be encoded") : 0, n = bad ? 0 : (int)r.ids.n;
    if (n > 0 && forest_check(prm_forest(run->prm), x->prompt, n)) {
        x->note = "too long";
    } else if (n > 0) {
        x->text[0] = (struct score_text){ r.ids.id, n, mem_array((size_t)c->nstep + 1, sizeof(double)) };
        r.ids.id = NULL;
        x->ntext = 1;
    }
    prm_ids_free(&r);
    return bad;
}

static int prepare(void *arg, struct score_item *x, const char **why)
{
    struct arena a = { 0 };
    struct chain c;
    const val *path = val_get(&x->r->root, "path");
    int bad = 0;
    if (!path) bad = (rejected(why, "no path"), fail("no path"));
    else if (path_to_chain(path, &a, &c)) bad = rejected(why, "malformed path");
    else bad = encode(arg, &c, x, why);
    arena_free(&a);
    return bad;
}

static void count(struct run *run, const char *why)
{
    int i = 0;
    while (i < NOTES - 1 && run->note[i].why && run->note[i].why != why) i++;
    run->note[i].why = why;
    run->note[i].n++;
}

static int put_scores(void *arg, struct score_item *x)
{
    struct run *run = arg;
    const char *why = prm_path_put(x->r, x->ntext ? x->text[0].out : NULL, &set.reward, set.as);
    if (why) count(run, x->note ? x->note : why);
    tool_progress(run->t, "paths", ++run->paths, 0, NULL);
    return tool_write(run->t, x->r);
}

static void note_work(const struct run *run)
{
    struct forest_stats s = forest_stats(prm_forest(run->prm));
    double sec = score_seconds(run->l);
    struct buf b = { 0 };
    uint64_t n = 0;
    tool_note(run->t, "%.0f paths in %.3f s, %.1f/s; prompts: %.0f tokens computed, %.0f shared; paths: %.0f tokens; images: "
              "%.0f tiles encoded, %.0f shared", run->paths, sec, run->paths / sec, (double)s.prompt_rows, (double)s.shared_rows,
              (double)s.text_rows, (double)s.tiles, (double)s.shared_tiles);
    for (int i = 0; i < NOTES && run->note[i].why; i++) {
        buf_fmt(&b, "%s%s %.0f", i ? ", " : "", run->note[i].why, (double)run->note[i].n);
        n += run->note[i].n;
    }
    if (n) tool_note(run->t, "%.0f paths without scores.%s (%s)", (double)n, set.as, b.p);
    buf_free(&b);
}

static int work(struct tool *t, const struct score_loaded *l)
{
    struct run run = { .t = t, .l = l };
    if (!(run.prm = prm_new(l->model, l->io->prm, &(struct forest_cfg){ .kv_tokens = l->kv_tokens }))) return -1;
    struct scoring s = { .forest = prm_forest(run.prm), .io = l->io, .pool = l->pool, .batch = set.m.batch, .arg = &run,
                         .read = read_path, .prepare = prepare, .run = read_prm, .done = put_scores, .reject = reject };
    int bad = scoring(&s);
    if (!bad) note_work(&run);
    prm_free(run.prm);
    return bad ? -1 : tool_close(t);
}

int score_prm(struct tool *t)
{
    if (!set.as[0]) return fail_kind(ERR_USAGE, "--as: empty name");
    return score_with_model(t, &set.m, PATH_TOKENS, work);
}
