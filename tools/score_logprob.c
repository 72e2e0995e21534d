/* SPDX-License-Identifier: Apache-2.0
 * cos-score logprob: the log-probabilities that a model gives to the tokens of paths, for preference training.
 */
#include <stdlib.h>
#include <string.h>
#include "record/path.h"
#include "score.h"
#include "search/logprob.h"
#include "search/scoring.h"
#include "text/response.h"

enum { PATH_TOKENS = 1024 };

static struct score_model set = { .batch = 64 };

const struct opt score_logprob_opts[] = {
    SCORE_MODEL_OPTS(set, "the model, usually the reference"),
    SCORE_RESOURCE_OPTS(set),
    OPT_END };

const char score_logprob_details[] =
    "Sets path.logprobs, of pairs chosen.logprobs and rejected.logprobs, under the model's digest: one number for each of\n"
    "the path's tokens, of the model's plain distribution. What is there under this digest stays as it is: a path that\n"
    "this model sampled has them already. Paths without tokens are encoded, with the token that ends a response.\n"
    "Tokens of another tokenizer than the model's end the program: they would be read as other words.\n"
    "\n"
    "  cos-select pairs --gap 0.3 < scored.cos | cos-score logprob --model sft | cos-update dpo --model sft --out dpo1";

struct run {
    struct tool *t;
    const struct score_loaded *l;
    struct logprobs *lp;
    const char *digest;
    double records;
};

static const char *const keys[] = { "path", "chosen", "rejected" };

static int rejected(const char **why, const char *reason)
{
    *why = reason;
    return fail("%s", reason);
}

/* ---- the tokens of a path ---- */

/* -1: the path's tokens are another tokenizer's. */
static int check_tokenizer(const struct run *run, const struct record *r, const char *key)
{
    const char *want = tok_digest(run->l->io->tok), *got;
    char label[128];
    size_t n;
    const val *path = val_get(&r->root, key);
    if (!val_get(path, "tokens") || !val_str(val_get(path, "tokenizer"), &got, &n)) return 0;
    if (n == strlen(want) && !memcmp(got, want, n)) return 0;
    return fail("%s: the tokens are of tokenizer %.*s, the model has %s", rec_label(r, label, sizeof label), (int)mem_min(n, 64), got, want);
}

static int read_record(void *arg, struct record *r)
{
    struct run *run = arg;
    int got = tool_read(run->t, r);
    for (int i = 0; got > 0 && i < countof(keys); i++)
        if (check_tokenizer(run, r, keys[i])) got = -1;
    return got;
}

static val span_of(msgpack_zone *z, struct span s)
{
    val v = val_array(z, 2);
    *val_at(&v, 0) = val_of_i64(s.begin);
    *val_at(&v, 1) = val_of_i64(s.end);
    return v;
}

/* Gives the path the tokens that a model would have had to sample for it. */
static int encode(const struct model_io *io, msgpack_zone *z, val *path, const char **why)
{
    struct arena a = { 0 };
    struct response r = { 0 };
    struct chain c;
    int bad = path_to_chain(path, &a, &c) ? (*why = "malformed path", -1) : c.has_answer ? 0 : rejected(why, "no tokens and no answer");
    if (!bad && response_encode(io->tok, &c, 0, &r)) bad = (*why = "text that cannot be encoded", -1);
    if (!bad) {
        if (io->end_of_turn >= 0) tok_ids_add(&r.ids, (uint32_t)io->end_of_turn, 0);
        val_set(z, path, "tokens", val_of_u32s(z, r.ids.id, r.ids.n));
        val_set(z, path, "tokenizer", val_of_cstr(z, tok_digest(io->tok)));
        for (int i = 0; i < c.nstep; i++) val_set(z, val_at(val_get(path, "steps"), i), "span", span_of(z, r.step[i]));
    }
    response_free(&r);
    arena_free(&a);
    return bad;
}

/* ---- texts ---- */

static bool has_logprobs(const struct run *run, const val *path, size_t n)
{
    const float *p;
    size_t k;
    return val_f32s(val_get(val_get(path, "logprobs"), run->digest), &p, &k) && k == n;
}

static int add_path(const struct run *run, struct score_item *x, val *path, const char **why)
{
    const struct input *in = x->prompt;
    const uint32_t *id;
    size_t n;
    if (path->type != MSGPACK_OBJECT_MAP) return rejected(why, "malformed path");
    if (!val_get(path, "tokens") && encode(run->l->io, &x->r->zone, path, why)) return -1;
    if (!val_u32s(val_get(path, "tokens"), &id, &n)) return rejected(why, "malformed path");
    if (!val_get(path, "tokenizer")) return rejected(why, "tokens without a tokenizer");
    if (has_logprobs(run, path, n)) return 0;
    if (n == 0) return rejected(why, "no tokens");
    if (n > INT32_MAX || forest_check(logprobs_forest(run->lp), in, (int)n)) return *why = "too long", -1;
    for (size_t i = 0; i < n; i++)
        if (id[i] >= (uint32_t)model_config(run->l->model)->text.vocab) return rejected(why, "a token beyond the vocabulary");
    struct score_text *t = &x->text[x->ntext++];
    *t = (struct score_text){ mem_array(n + 1, sizeof *id), (int)n, mem_array(n, sizeof(float)) };
    t->id[0] = in->id[in->n - 1];
    memcpy(t->id + 1, id, n * sizeof *id);
    return 0;
}

static int prepare(void *arg, struct score_item *x, const char **why)
{
    int found = 0;
    bool pair = rec_kind_of(x->r) == REC_PAIR;
    for (int i = pair; i < (pair ? countof(keys) : 1); i++) {
        val *path = val_get(&x->r->root, keys[i]);
        if (!path) continue;
        if (add_path(arg, x, path, why)) return -1;
        found++;
    }
    return found ? 0 : rejected(why, "no path");
}

static int put_logprobs(void *arg, struct score_item *x)
{
    struct run *run = arg;
    struct record *r = x->r;
    bool pair = rec_kind_of(r) == REC_PAIR;
    const uint32_t *id;
    size_t n;
    for (int i = pair, k = 0; k < x->ntext && i < countof(keys); i++) {
        val *path = val_get(&r->root, keys[i]);
        if (!val_u32s(val_get(path, "tokens"), &id, &n) || has_logprobs(run, path, n)) continue;
        val_set(&r->zone, val_set_map(&r->zone, path, "logprobs"), run->digest, val_of_f32s(&r->zone, x->text[k++].out, n));
    }
    tool_progress(run->t, "records", ++run->records, 0, NULL);
    return tool_write(run->t, r);
}

/* ---- the whole ---- */

static int run_logprobs(void *arg) { return logprobs_run(((struct run *)arg)->lp); }
static int reject(void *arg, struct record *r, const char *why) { return score_reject(((struct run *)arg)->t, r, why); }

static int work(struct tool *t, const struct score_loaded *l)
{
    struct run run = { .t = t, .l = l, .digest = model_digest(l->model) };
    if (!(run.lp = logprobs_new(l->model, l->pool, &(struct forest_cfg){ .kv_tokens = l->kv_tokens }))) return -1;
    struct scoring s = { .forest = logprobs_forest(run.lp), .io = l->io, .pool = l->pool, .batch = set.batch, .tail = 1, .arg = &run,
                         .read = read_record, .prepare = prepare, .run = run_logprobs, .done = put_logprobs, .reject = reject };
    int bad = scoring(&s);
    struct forest_stats f = forest_stats(s.forest);
    double sec = score_seconds(l);
    if (!bad) tool_note(t, "%.0f records in %.3f s, %.1f/s; prompts: %.0f tokens computed, %.0f shared; paths: %.0f tokens",
                        run.records, sec, run.records / sec, (double)f.prompt_rows, (double)f.shared_rows, (double)f.text_rows);
    logprobs_free(run.lp);
    return bad ? -1 : tool_close(t);
}

int score_logprob(struct tool *t) { return score_with_model(t, &set, PATH_TOKENS, work); }
