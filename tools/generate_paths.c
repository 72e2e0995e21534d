/* SPDX-License-Identifier: Apache-2.0
 * cos-generate: whole paths.
 */
#include "generate.h"
#include "search/generate.h"
#include "search/path_record.h"

static int write_paths(void *arg, struct record *r, const struct gen_path *path, int n)
{
    struct run *run = arg;
    if (run_begin(run, r)) return -1;
    for (int i = 0; i < n; i++) {
        path_into(r, path_record(&r->zone, &path[i], run->io, run->digest));
        if (rec_write(run->t->out, r)) return -1;
    }
    tool_count(run->t, 0, (uint64_t)n);
    tool_added(run->t, (uint64_t)n - 1);
    return 0;
}

static int tick(void *arg)
{
    struct run *run = arg;
    struct engine_stats s = engine_stats(run->engine);
    char rate[64];
    snprintf(rate, sizeof rate, ", %.0f tokens/s", (double)s.tokens / run_seconds(run));
    tool_progress(run->t, "paths", (double)s.paths, 0, rate);
    return 0;
}

int generate_paths(struct run *run)
{
    struct generate g = {
        .engine = run->engine, .io = run->io, .pool = run->pool, .n = set.n, .first_index = (uint64_t)set.first_index,
        .seed = run->t->std.seed, .max_tokens = set.max_tokens, .how = { set.temperature, set.top_k, set.top_p },
        .stop = { run->io->stop, run->io->nstop, run->stop, set.stop.n, run->io->tok },
        .arg = run, .read = run_read, .paths = write_paths, .reject = run_reject, .tick = tick };
    if (generate(&g)) return -1;
    run_note_engine(run);
    return 0;
}
