/* SPDX-License-Identifier: Apache-2.0
 * cos-generate: questions to paths, by a local model or a server.
 */
#include "generate.h"

#include <string.h>
#include "record/reward.h"

enum { DTYPE_AUTO, DTYPE_F32, DTYPE_BF16 };

struct settings set = { .n = 1, .max_tokens = 1024, .batch = BATCH, .temperature = 1, .top_p = 1, .beam = 1, .agg = AGG_LAST,
                        .step_weight = 0.2, .net = ENDPOINT_DEFAULT };

static const struct opt opts[] = {
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Model" },
    { 0, "model", "DIR", OPT_STR, &set.model, 0, 0, "checkpoint folder, as Hugging Face's (needed);\nwith --endpoint: the name that the server knows it by" },
    { 0, "images", "PATH", OPT_STR, &set.images, 0, 0, "folder or archive that image references are looked up in" },
    { 0, "template", "NAME", OPT_STR, &set.chat, 0, 0, "chat template: a name or a JSON file; without it the folder's" },
    { 0, "dtype", "auto|f32|bf16", OPT_CHOICE, &set.dtype, 0, 0, "of weights and arithmetic; auto: bf16 where the device has instructions for it" },
    { 0, "device", DEVICE_WORDS, OPT_CHOICE, &set.device, 0, 0, DEVICE_HELP },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Sampling" },
    { 'n', NULL, "N", OPT_INT, &set.n, 1, 65536, "paths a question; of a step: candidates" },
    { 0, "first-index", "K", OPT_INT, &set.first_index, 0, 1 << 30, "index of the first path: a later run adds paths K, K+1, .." },
    { 0, "temperature", "T", OPT_FLOAT, &set.temperature, 0, 100, "0: always the likeliest token" },
    { 0, "top-p", "P", OPT_FLOAT, &set.top_p, 0, 1, "the likeliest tokens that sum to P; 1: all" },
    { 0, "top-k", "K", OPT_INT, &set.top_k, 0, 1 << 30, "the K likeliest tokens; 0: all" },
    { 0, "max-tokens", "N", OPT_INT, &set.max_tokens, 1, 1 << 24, "a path's length at most" },
    { 0, "stop", "TEXT", OPT_LIST, &set.stop, 0, 0, "a path also ends behind this text (may be given again)" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Step by step" },
    { 0, "next-step", NULL, OPT_FLAG, &set.next_step, 0, 0, "one more step of the path that comes in, N candidates for it" },
    { 0, "anew", NULL, OPT_FLAG, &set.anew, 0, 0, "with --next-step: drop the paths that come in, begin with the first step" },
    { 0, "max-steps", "N", OPT_INT, &set.max_steps, 0, 1 << 20, "a path is cut off when it has more steps; 0: no bound" },
    { 0, "search", "none|beam", OPT_CHOICE, &set.search, 0, 0, "beam: step by step from the best of N candidates, judged by --prm" },
    { 0, "prm", "DIR", OPT_STR, &set.prm, 0, 0, "process reward model of the search" },
    { 0, "prm-style", "NAME", OPT_STR, &set.prm_style, 0, 0, "how it is asked: " PRM_STYLES ",\nor a JSON file; without it the folder's" },
    { 0, "beam", "B", OPT_INT, &set.beam, 1, 65536, "paths kept of each step of the search, with N / B candidates each" },
    { 0, "agg", "mean|min|product|last", OPT_CHOICE, &set.agg, 0, 0, "how the scores of steps and answer become what a path is kept for" },
    { 0, "step-weight", "W", OPT_FLOAT, &set.step_weight, 0, 1, "scores.prm = W * mean(steps) + (1 - W) * answer" },
    { 0, "search-cost", NULL, OPT_FLAG, &set.cost, 0, 0, "meta.search holds beam and prm_tokens, too" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "A server instead of a model here" },
    ENDPOINT_OPTS(set.net),
    { 0, "strict", NULL, OPT_FLAG, &set.strict, 0, 0, "a reply that is no complete chain in the step format, with names and\nreflections, is rejected, by reason" },
    { 0, NULL, NULL, OPT_GROUP, NULL, 0, 0, "Resources; the result does not depend on them" },
    { 0, "batch", "N", OPT_INT, &set.batch, 1, 4096, "paths decoded at once" },
    { 0, "plan", NULL, OPT_FLAG, &set.plan, 0, 0, "print the peak of the device's memory by use, without --search, and end" },
    { 0, "kv-tokens", "N", OPT_INT, &set.kv_tokens, 0, 1 << 30, "cache of keys and values; 0: what the batch needs, within a quarter of free memory" },
    OPT_END };

static const char details[] =
    "Reads records, writes one record for each path: the sample's fields and\n"
    "  path  {index, end, steps [{name, thought, reflection, span}], answer, tokens, logprobs {model: ..}, tokenizer}\n"
    "in order of questions, then of index. A path or pair in the input is replaced: its sample is asked anew.\n"
    "end is stop, length (cut off at --max-tokens), or format (ended by itself and is no chain of steps; see text).\n"
    "logprobs are of the model's plain distribution, whatever was sampled from. A path depends on the model, --dtype,\n"
    "--device, the sampling options, --seed, the record's id and the path's index: batches, threads and shards give the same bytes.\n"
    "\n"
    "--next-step: an open path - whole steps and no answer; a record without a path is one, too - gives -n records, each the\n"
    "path with one more step (end: step), or to its end (as above, or cut off at --max-steps). Other paths come out as they\n"
    "are. The record's tokens are gone on from where they are of this tokenizer, else its text is encoded. --max-tokens is\n"
    "of the whole path. meta.search {n, rounds, tokens} counts what was sampled for the question so far.\n"
    "--search beam: the best candidate by the reward model - of equals the lower index - is gone on from, until it ends; one\n"
    "record a question, with path.steps[].score, path.answer_score and scores.prm as cos-score prm sets them. With --beam B\n"
    "the best B are. One that ended without a new step or an answer ranks last. The same records come of the single programs:\n"
    "  cos-generate --next-step ... | cos-score prm ... | cos-select best --over all --agg last --unscored\n"
    "until no path is open (pipelines/beam.sh). -n 1 gives the paths of plain sampling, where they are chains of steps.\n"
    "\n"
    "--endpoint: one request a path. The record's path has steps, answer, index and end, and its text where end is not stop; no\n"
    "tokens, spans and log-probabilities. Replies are read in the step format, else cut as cos-segment --from text does; by\n"
    "which rule is in meta.segment. path.requests.generate is the digest of what was sent; a seed drawn from --seed, id and\n"
    "index goes with it, and --stop texts end a reply in front of them. Without --prompt the images, the question and the\n"
    "choices are sent alone.\n"
    ENDPOINT_DETAILS
    "\n"
    "  cos-generate --model sft -n 16 --images images.zip < test.cos > paths.cos\n"
    "  cos-generate --model sft --search beam --prm prm -n 16 < test.cos | cos-eval accuracy\n"
    "  cos-generate --endpoint http://localhost:8000/v1 --model qwen --prompt pipelines/prompts/cos.txt < test.cos > paths.cos";

/* ---- set-up ---- */

/* Opens the streams under the model's digest and does it all. */
static int work(struct run *run)
{
    for (int i = 0; i < set.stop.n; i++) {
        run->stop[i] = (struct slice){ set.stop.v[i], strlen(set.stop.v[i]) };
        if (!run->stop[i].n) return fail_kind(ERR_USAGE, "--stop: empty text");
    }
    run->t->model_digest = run->digest;
    run->tail = &run->head;
    run->start = run_now();
    if (tool_open(run->t)) return -1;
    int bad = set.next_step || set.search ? generate_steps(run) : generate_paths(run);
    run_end(run);
    return bad ? -1 : tool_close(run->t);
}

/* The reward model beside the policy. */
static int with_prm(struct run *run, struct ops *o, enum dtype dt)
{
    if (!set.search) return work(run);
    struct model_io *io = model_io_open(set.prm, &(struct model_io_cfg){ .images = set.images, .prm = true, .prm_style = set.prm_style });
    struct model *m = io ? model_load(set.prm, o, dt, 0) : NULL;
    if (m) {
        int tokens = set.kv_tokens ? set.kv_tokens : engine_kv_default(m, set.batch, set.max_tokens);
        run->prm = prm_new(m, io->prm, &(struct forest_cfg){ .kv_tokens = tokens });
        if (!run->prm) (void)fail_in("%s", set.prm);
    }
    run->prm_io = io;
    int bad = run->prm ? work(run) : -1;
    prm_free(run->prm);
    model_free(m);
    model_io_free(io);
    return bad;
}

static int show_memory(struct run *run, struct ops *o)
{
    struct tiles image = model_io_largest(run->io);
    FILE *out = tool_text(run->t);
    if (engine_measure(run->engine, &image)) return -1;
    usage_print(o->usage, o->room(o), out);
    return fclose(out) ? fail_errno("stdout") : 0;
}

static int with_model(struct tool *t, struct ops *o)
{
    enum dtype dt = set.dtype == DTYPE_AUTO ? o->fast : set.dtype == DTYPE_BF16 ? DT_BF16 : DT_F32;
    struct model_io *io = model_io_open(set.model, &(struct model_io_cfg){ .images = set.images, .chat = set.chat });
    struct model *m = io ? model_load(set.model, o, dt, 0) : NULL;
    struct run run = { .t = t, .io = io, .pool = par_new(t->std.threads) };
    if (m) {
        int tokens = set.kv_tokens ? set.kv_tokens : engine_kv_default(m, set.batch, set.max_tokens);
        run.digest = model_digest(m);
        run.engine = engine_new(m, run.pool, &(struct engine_cfg){ .batch = set.batch, .kv_tokens = tokens });
    }
    int bad = !run.engine ? -1 : set.plan ? show_memory(&run, o) : with_prm(&run, o, dt);
    engine_free(run.engine);
    model_free(m);
    model_io_free(io);
    par_free(run.pool);
    return bad;
}

static int check_options(void)
{
    if (!set.model) return fail_kind(ERR_USAGE, "want --model DIR");
    if (endpoint_any(&set.net) || set.strict) return fail_kind(ERR_USAGE, "--prompt, --resume and the like are for --endpoint");
    if (set.search && set.next_step) return fail_kind(ERR_USAGE, "--search and --next-step do not go together");
    if (set.search && !set.prm) return fail_kind(ERR_USAGE, "--search beam: want --prm DIR");
    if (set.prm && !set.search) return fail_kind(ERR_USAGE, "--prm is for --search beam");
    if (set.prm_style && !set.search) return fail_kind(ERR_USAGE, "--prm-style is for --search beam");
    if (set.anew && !set.next_step) return fail_kind(ERR_USAGE, "--anew is for --next-step");
    if (set.max_steps && !set.search && !set.next_step) return fail_kind(ERR_USAGE, "--max-steps is for --next-step and --search");
    if (set.search && set.beam > set.n) return fail_kind(ERR_USAGE, "--beam %d: there are only %d candidates (-n)", set.beam, set.n);
    return 0;
}

static int run(struct tool *t)
{
    if (set.net.url) return generate_endpoint(t);
    if (check_options()) return -1;
    struct ops *o = ops_open((enum device)set.device, t->std.threads);
    if (!o) return -1;
    if (set.plan) o->measure(o);
    int bad = with_model(t, o);
    o->close(o);
    return bad;
}

int main(int argc, char **argv)
{
    static const struct command cmds[] = { { NULL, NULL, opts, run, "[FILE...]", details }, { 0 } };
    return tool_main("cos-generate", "questions to paths of steps, by a local model or a server", cmds, argc, argv);
}
