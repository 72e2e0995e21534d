/* SPDX-License-Identifier: Apache-2.0
 * cos-select top: the n best records of each id by a number. Streams: of an id it holds n records and the newest.
 */
#include <stdlib.h>
#include <string.h>
#include "record/choose.h"
#include "select.h"

static struct { int n; struct reward w; } set = { 1, { .by = "scores.prm" } };

const struct opt select_top_opts[] = {
    { 'n', NULL, "N", OPT_INT, &set.n, 1, 1000000, "paths kept of each id" },
    { 0, "by", "KEY", OPT_STR, &set.w.by, 0, 0, "the number to go by, higher is better: NAME of scores, or dotted" },
    OPT_END };

/* The best records of the id being read, best first: at most set.n, and one more while it is tried. */
struct best { struct candidate *c; int n; };

static bool same_id(const struct record *a, const struct record *b)
{
    return val_equal(val_get(&a->root, "id"), val_get(&b->root, "id"));
}

static void insert(struct best *b, struct candidate c)
{
    int i = b->n++;
    for (; i > 0 && candidate_order(&c, &b->c[i - 1]) < 0; i--) b->c[i] = b->c[i - 1];
    b->c[i] = c;
}

static int put_best(struct tool *t, struct best *b)
{
    int bad = 0;
    for (int i = 0; i < b->n; i++) {
        if (!bad) bad = tool_write(t, b->c[i].r);
        rec_free(b->c[i].r);
    }
    b->n = 0;
    return bad;
}

/* Takes r over. */
static int offer(struct tool *t, struct best *b, struct record *r)
{
    const char *id;
    size_t n;
    struct candidate c = candidate_of(r, &set.w);
    const char *why = val_str(val_get(&r->root, "id"), &id, &n) ? c.unscored : "no id";
    if (why) {
        int bad = tool_reject(t, r, why);
        rec_free(r);
        return bad;
    }
    insert(b, c);
    if (b->n <= set.n) return 0;
    rec_free(b->c[--b->n].r);
    tool_drop(t, 1, "not chosen");
    return 0;
}

static int top_stream(struct tool *t, struct best *b)
{
    int got, bad = 0;
    struct record *r = rec_new();
    while (!bad && (got = tool_read(t, r)) > 0) {
        if (b->n && !same_id(b->c[0].r, r)) bad = put_best(t, b);
        if (!bad) bad = offer(t, b, r);
        else rec_free(r);
        r = rec_new();
        tool_progress(t, "records", (double)rec_reader_count(t->in), 0, NULL);
    }
    rec_free(r);
    return bad || got < 0 || put_best(t, b) ? -1 : tool_close(t);
}

int select_top(struct tool *t)
{
    if (tool_open(t)) return -1;
    struct best b = { mem_array((size_t)set.n + 1, sizeof *b.c), 0 };
    int bad = top_stream(t, &b);
    for (int i = 0; i < b.n; i++) rec_free(b.c[i].r);
    free(b.c);
    return bad;
}
