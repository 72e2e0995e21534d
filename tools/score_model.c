/* SPDX-License-Identifier: Apache-2.0
 * The model behind a subcommand of cos-score.
 */
#include <time.h>
#include "score.h"
#include "search/engine.h"

enum { DTYPE_AUTO, DTYPE_F32, DTYPE_BF16 };

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

double score_seconds(const struct score_loaded *l) { return mem_max(now() - l->start, 1e-9); }

static int with_ops(struct tool *t, const struct score_model *s, int path_tokens, struct ops *o,
                    int (*work)(struct tool *, const struct score_loaded *))
{
    enum dtype dt = s->dtype == DTYPE_AUTO ? o->fast : s->dtype == DTYPE_BF16 ? DT_BF16 : DT_F32;
    struct score_loaded l = { .io = model_io_open(s->dir, &(struct model_io_cfg){ .images = s->images, .chat = s->chat, .prm = s->prm, .prm_style = s->style }) };
    int bad = -1;
    l.model = l.io ? model_load(s->dir, o, dt, 0) : NULL;
    l.pool = par_new(t->std.threads);
    l.start = now();
    if (l.model) {
        l.kv_tokens = s->kv_tokens ? s->kv_tokens : engine_kv_default(l.model, s->batch, path_tokens);
        t->model_digest = model_digest(l.model);
        bad = tool_open(t) || work(t, &l) ? -1 : 0;
    }
    par_free(l.pool);
    model_free(l.model);
    model_io_free(l.io);
    return bad;
}

int score_with_model(struct tool *t, const struct score_model *s, int path_tokens,
                     int (*work)(struct tool *t, const struct score_loaded *l))
{
    if (!s->dir) return fail_kind(ERR_USAGE, "want --model DIR");
    struct ops *o = ops_open((enum device)s->device, t->std.threads);
    if (!o) return -1;
    int bad = with_ops(t, s, path_tokens, o, work);
    o->close(o);
    return bad;
}

int score_reject(struct tool *t, const struct record *r, const char *why)
{
    return tool_reject_noted(t, r, why, err_msg());
}
