/* SPDX-License-Identifier: Apache-2.0
 * cos-generate --next-step and --search: paths step by step.
 */
#include "generate.h"

static int write_record(void *arg, struct record *r, int k)
{
    struct run *run = arg;
    if ((k == 0 && run_begin(run, r)) || rec_write(run->t->out, r)) return -1;
    tool_count(run->t, 0, 1);
    tool_added(run->t, k > 0);
    return 0;
}

static int tick(void *arg)
{
    struct run *run = arg;
    char rate[64];
    snprintf(rate, sizeof rate, ", %.0f tokens/s", (double)engine_stats(run->engine).tokens / run_seconds(run));
    tool_progress(run->t, "questions", (double)run->search.questions, 0, rate);
    return 0;
}

static void note_search(const struct run *run)
{
    const struct beam_stats *s = &run->search;
    struct forest_stats f = forest_stats(prm_forest(run->prm));
    tool_note(run->t, "search: %.0f rounds, %.0f candidates; reward model: prompts: %.0f tokens computed, %.0f shared; steps and "
              "answers: %.0f tokens, %.0f read again; images: %.0f tiles encoded, %.0f shared", (double)s->rounds,
              (double)s->candidates, (double)f.prompt_rows, (double)f.shared_rows, (double)s->read, (double)s->reread,
              (double)f.tiles, (double)f.shared_tiles);
}

int generate_steps(struct run *run)
{
    struct beam b = {
        .engine = run->engine, .io = run->io, .digest = run->digest, .pool = run->pool, .batch = set.batch, .n = set.n,
        .first_index = (uint64_t)set.first_index, .seed = run->t->std.seed, .max_tokens = set.max_tokens, .max_steps = set.max_steps,
        .how = { set.temperature, set.top_k, set.top_p }, .stop = run->stop, .nstop = set.stop.n, .anew = set.anew,
        .prm = run->prm, .prm_io = run->prm_io, .keep = run->prm ? set.beam : 1, .agg = set.agg, .step_weight = set.step_weight,
        .cost = set.cost, .arg = run, .read = run_read, .write = write_record, .reject = run_reject, .tick = tick };
    if (beam(&b, &run->search)) return -1;
    run_note_engine(run);
    if (run->prm) note_search(run);
    return 0;
}
