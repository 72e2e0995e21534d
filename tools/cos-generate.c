/* SPDX-License-Identifier: Apache-2.0
 * cos-generate: questions to paths, by a local model.
 */
#include "common.h"

#include <stdlib.h>
#include <time.h>
#include "model/input.h"
#include "model/model.h"
#include "search/generate.h"
#include "search/path_record.h"

enum { DTYPE_AUTO, DTYPE_F32, DTYPE_BF16 };

static struct {
    const char *model, *images;
    int n, first_index, top_k, max_tokens, batch, kv_tokens, dtype;
    double temperature, top_p;
    struct opt_list stop;
} set = { .n = 1, .max_tokens = 1024, .batch = 64, .temperature = 1, .top_p = 1 };

static const struct opt opts[] = {
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Model" },
    { 0, "model", "DIR", OPT_STR, &set.model, 0, 0, "checkpoint folder, as Hugging Face's (needed)" },
    { 0, "images", "PATH", OPT_STR, &set.images, 0, 0, "folder or archive that image references are looked up in" },
    { 0, "dtype", "auto|f32|bf16", OPT_CHOICE, &set.dtype, 0, 0, "of weights and arithmetic; auto: the faster one here" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Sampling" },
    { 'n', NULL, "N", OPT_INT, &set.n, 1, 65536, "paths a question" },
    { 0, "first-index", "K", OPT_INT, &set.first_index, 0, 1 << 30, "index of the first path: a later run adds paths K, K+1, .." },
    { 0, "temperature", "T", OPT_FLOAT, &set.temperature, 0, 100, "0: always the likeliest token" },
    { 0, "top-p", "P", OPT_FLOAT, &set.top_p, 0, 1, "the likeliest tokens that sum to P; 1: all" },
    { 0, "top-k", "K", OPT_INT, &set.top_k, 0, 1 << 30, "the K likeliest tokens; 0: all" },
    { 0, "max-tokens", "N", OPT_INT, &set.max_tokens, 1, 1 << 24, "a path's length at most" },
    { 0, "stop", "TEXT", OPT_LIST, &set.stop, 0, 0, "a path also ends behind this text (may be given again)" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Resources; the result does not depend on them" },
    { 0, "batch", "N", OPT_INT, &set.batch, 1, 4096, "paths decoded at once" },
    { 0, "kv-tokens", "N", OPT_INT, &set.kv_tokens, 0, 1 << 30, "cache of keys and values; 0: what the batch needs, within a quarter of free memory" },
    OPT_END };

static const char details[] =
    "Reads records, writes one record for each path: the sample's fields and\n"
    "  path  {index, end, steps [{name, thought, reflection, span}], answer, tokens, logprobs {model: ..}, tokenizer}\n"
    "in order of questions, then of index. A path or pair in the input is replaced: its sample is asked anew.\n"
    "end is stop, length (cut off at --max-tokens), or format (ended by itself and is no chain of steps; see text).\n"
    "logprobs are of the model's plain distribution, whatever was sampled from. A path depends on the model, --dtype,\n"
    "the sampling options, --seed, the record's id and the path's index: batches, threads and shards give the same bytes.\n"
    "\n"
    "  cos-generate --model sft -n 16 --images images.zip < test.cos > paths.cos";

/* The header of a stream that began while records of the one before were still in the works: it goes out with its
 * first record. */
struct header { struct header *next; const struct record *first; struct record *header; };

struct run {
    struct tool *t;
    const struct model_io *io;
    const struct engine *engine;
    const char *digest;
    struct header *head, **tail;
    int noted;
    double start;
};

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* ---- streams ---- */

static int read_question(void *arg, struct record *r)
{
    struct run *run = arg;
    int got = tool_read(run->t, r);
    const val *h = got > 0 ? tool_new_header(run->t) : NULL;
    if (!h) return got;
    struct header *n = mem_alloc(sizeof *n);
    n->first = r;
    n->header = rec_new();
    n->header->root = val_copy(&n->header->zone, h);
    *run->tail = n;
    run->tail = &n->next;
    return got;
}

static int begin_stream(struct run *run, const struct record *r)
{
    struct header *n = run->head;
    if (!n || n->first != r) return 0;
    struct rec_prov me = tool_provenance(run->t);
    int bad = run->t->std.no_provenance ? 0 : rec_write_header_after(run->t->out, &n->header->root, &me);
    run->head = n->next;
    if (!run->head) run->tail = &run->head;
    rec_free(n->header);
    free(n);
    return bad;
}

static int write_paths(void *arg, struct record *r, const struct gen_path *path, int n)
{
    struct run *run = arg;
    if (begin_stream(run, r)) return -1;
    for (int i = 0; i < n; i++) {
        path_into(r, path_record(&r->zone, &path[i], run->io, run->digest));
        if (rec_write(run->t->out, r)) return -1;
    }
    tool_count(run->t, 0, (uint64_t)n);
    tool_added(run->t, (uint64_t)n - 1);
    return 0;
}

static int reject(void *arg, struct record *r, const char *why)
{
    enum { NOTES = 10 };
    struct run *run = arg;
    char label[128];
    if (begin_stream(run, r)) return -1;
    if (run->noted++ < NOTES) tool_note(run->t, "%s: %s", rec_label(r, label, sizeof label), err_msg());
    return tool_reject(run->t, r, why);
}

static int tick(void *arg)
{
    struct run *run = arg;
    struct engine_stats s = engine_stats(run->engine);
    char rate[64];
    snprintf(rate, sizeof rate, ", %.0f tokens/s", (double)s.tokens / mem_max(now() - run->start, 1e-9));
    tool_progress(run->t, "paths", (double)s.paths, 0, rate);
    return 0;
}

static void note_work(const struct run *run)
{
    struct engine_stats s = engine_stats(run->engine);
    double sec = mem_max(now() - run->start, 1e-9);
    tool_note(run->t, "%.0f tokens in %.3f s, %.0f/s, %.1f rows a pass; prompts: %.0f tokens computed, %.0f shared; images: "
              "%.0f tiles encoded, %.0f shared", (double)s.tokens, sec, (double)s.tokens / sec,
              (double)s.rows / mem_max(1.0, (double)s.rounds), (double)s.prompt_rows, (double)s.shared_rows, (double)s.tiles,
              (double)s.shared_tiles);
}

/* ---- set-up ---- */

static int work(struct tool *t, const struct model_io *io, struct model *m, struct engine *e, struct par *pool)
{
    struct slice stop[OPT_LIST_MAX];
    for (int i = 0; i < set.stop.n; i++) {
        stop[i] = (struct slice){ set.stop.v[i], strlen(set.stop.v[i]) };
        if (!stop[i].n) return fail_kind(ERR_USAGE, "--stop: empty text");
    }
    struct run run = { .t = t, .io = io, .engine = e, .digest = model_digest(m), .tail = &run.head, .start = now() };
    struct generate g = {
        .engine = e, .io = io, .pool = pool, .n = set.n, .first_index = (uint64_t)set.first_index, .seed = t->std.seed,
        .max_tokens = set.max_tokens, .how = { set.temperature, set.top_k, set.top_p },
        .stop = { io->stop, io->nstop, stop, set.stop.n, io->tok },
        .arg = &run, .read = read_question, .paths = write_paths, .reject = reject, .tick = tick };
    t->model_digest = run.digest;
    if (tool_open(t)) return -1;
    int bad = generate(&g);
    if (!bad) note_work(&run);
    for (struct header *n; (n = run.head); free(n)) {
        run.head = n->next;
        rec_free(n->header);
    }
    return bad ? -1 : tool_close(t);
}

static int with_model(struct tool *t, struct ops *o)
{
    enum dtype dt = set.dtype == DTYPE_AUTO ? ops_cpu_dtype() : set.dtype == DTYPE_BF16 ? DT_BF16 : DT_F32;
    struct par *pool = par_new(t->std.threads);
    struct model_io *io = model_io_load(set.model, set.images);
    struct model *m = io ? model_load(set.model, o, dt, 0) : NULL;
    struct engine *e = NULL;
    if (m) {
        int tokens = set.kv_tokens ? set.kv_tokens : engine_kv_default(m, set.batch, set.max_tokens);
        e = engine_new(m, pool, &(struct engine_cfg){ .batch = set.batch, .kv_tokens = tokens });
    }
    int bad = e ? work(t, io, m, e, pool) : -1;
    engine_free(e);
    model_free(m);
    model_io_free(io);
    par_free(pool);
    return bad;
}

static int run(struct tool *t)
{
    if (!set.model) return fail_kind(ERR_USAGE, "want --model DIR");
    struct ops *o = ops_cpu(t->std.threads);
    if (!o) return -1;
    int bad = with_model(t, o);
    o->close(o);
    return bad;
}

int main(int argc, char **argv)
{
    static const struct command cmds[] = { { NULL, NULL, opts, run, "[FILE...]", details }, { 0 } };
    return tool_main("cos-generate", "questions to paths of steps, by a local model", cmds, argc, argv);
}
