/* SPDX-License-Identifier: Apache-2.0
 * Records as they come to cos-generate and leave it.
 */
#include <stdlib.h>
#include <time.h>
#include "generate.h"

double run_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

double run_seconds(const struct run *run) { return mem_max(run_now() - run->start, 1e-9); }

int run_read(void *arg, struct record *r)
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

int run_begin(struct run *run, const struct record *r)
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

void run_end(struct run *run)
{
    for (struct header *n; (n = run->head); free(n)) {
        run->head = n->next;
        rec_free(n->header);
    }
}

int run_reject(void *arg, struct record *r, const char *why)
{
    struct run *run = arg;
    return run_begin(run, r) ? -1 : tool_reject_noted(run->t, r, why, err_msg());
}

void run_note_engine(const struct run *run)
{
    struct engine_stats s = engine_stats(run->engine);
    double sec = run_seconds(run);
    tool_note(run->t, "%.0f tokens in %.3f s, %.0f/s, %.1f rows a pass; prompts: %.0f tokens computed, %.0f shared; images: "
              "%.0f tiles encoded, %.0f shared", (double)s.tokens, sec, (double)s.tokens / sec,
              (double)s.rows / mem_max(1.0, (double)s.rounds), (double)s.prompt_rows, (double)s.shared_rows, (double)s.tiles,
              (double)s.shared_tiles);
}
