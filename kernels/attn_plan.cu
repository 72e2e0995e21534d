/* SPDX-License-Identifier: Apache-2.0
 * How the query rows of a tree are cut into items. Neighbouring rows that have the same slots in a unit of positions share
 * an item there, so that a prefix is read once for its group; where rows part inside a unit, each takes that unit for
 * itself. Prefill, whose rows have all their keys in common and are many, is not cut by units.
 */
#include "attn.h"

#include <stdlib.h>
#include <string.h>

enum { ITEM_INTS = sizeof(struct item) / sizeof(int), RUN_INTS = sizeof(struct run) / sizeof(int), NEVER = INT32_MAX };

struct rows { const struct attn_tree_args *a; int R, *first, *apart; struct run *run; };

/* The position from which on row r has other slots than the row before it. */
static int parts_at(const struct rows *t, int r)
{
    const struct run *x = t->run + t->first[r - 1], *y = t->run + t->first[r], *xe = y, *ye = t->run + t->first[r + 1];
    while (x < xe && y < ye && !memcmp(x, y, sizeof *x)) { x++; y++; }
    if (x == xe && y == ye) return NEVER;
    int px = x < xe ? x->pos : NEVER, py = y < ye ? y->pos : NEVER;
    return px < py ? px : py;
}

static int units(int nkey) { return div_up(nkey, UNIT); }

/* Items of one unit (unit < 0: of all): runs of neighbours, cut to `most` rows. to NULL: only counts. */
static int cut(const struct rows *t, int unit, int most, struct item *to)
{
    const int *nkey = t->a->nkey;
    int n = 0, begin = unit < 0 ? 0 : unit * UNIT, stop = unit < 0 ? NEVER : begin + UNIT;
    for (int r = 0, end; r < t->R; r = end) {
        end = r + 1;
        if (nkey[r] <= begin) continue;
        int keys = nkey[r];
        while (end < t->R && end - r < most && nkey[end] > begin && t->apart[end] >= stop) {
            if (nkey[end] > keys) keys = nkey[end];
            end++;
        }
        if (to) to[n] = { r, end - r, t->first[r], begin, keys < stop ? keys : stop };
        n++;
    }
    return n;
}

unsigned plan_rounded(int n)
{
    unsigned r = 16;
    while (r < (unsigned)n) r *= 2;
    return r;
}

/* The runs of each row: its segments, which come in order of position. */
static void list_runs(struct rows *t, int *used)
{
    const struct attn_tree_args *a = t->a;
    for (int i = 0; i < a->nseg; i++)
        for (int r = a->seg[i].row; r < a->seg[i].row + a->seg[i].nrow; r++)
            t->run[t->first[r] + used[r]++] = { a->seg[i].slot, a->seg[i].len, a->seg[i].pos };
    for (int r = 1; r < t->R; r++) t->apart[r] = parts_at(t, r);
}

static struct plan make_plan(const struct attn_tree_args *a, int rows_a_block, int few_blocks)
{
    int R = a->q.rows, most = 0;
    int *host = (int *)mem_array(3 * (size_t)R + 1, sizeof *host);
    struct rows t = { a, R, host, host + R + 1, NULL };
    for (int i = 0; i < a->nseg; i++)
        for (int r = a->seg[i].row; r < a->seg[i].row + a->seg[i].nrow; r++) t.first[r + 1]++;
    for (int r = 0; r < R; r++) {
        t.first[r + 1] += t.first[r];
        if (a->nkey[r] > most) most = a->nkey[r];
    }
    t.run = (struct run *)mem_array((size_t)t.first[R] + 1, sizeof *t.run);
    list_runs(&t, host + 2 * R + 1);
    int n = cut(&t, -1, rows_a_block, NULL);
    bool full = (int64_t)n * rows_a_block <= 2 * (int64_t)R && (int64_t)n * a->kv_heads >= few_blocks;
    struct plan p = {};
    p.whole = most <= UNIT || full;
    if (!p.whole) for (int u = n = 0; u < units(most); u++) n += cut(&t, u, rows_a_block, NULL);
    p.nitem = n;
    p.nkey = 1;
    p.part = p.nkey + (size_t)R;
    p.item = p.part + (size_t)R;
    p.run = p.item + (size_t)plan_rounded(n) * ITEM_INTS;
    p.n = p.run + (size_t)t.first[R] * RUN_INTS;
    p.host = (int *)mem_array(p.n, sizeof *p.host);
    p.host[0] = n;
    for (int r = 0; r < R; r++) {
        p.host[p.nkey + (size_t)r] = a->nkey[r];
        p.host[p.part + (size_t)r] = p.parts;
        p.parts += units(a->nkey[r]);
    }
    memcpy(p.host + p.run, t.run, (size_t)t.first[R] * sizeof *t.run);
    struct item *to = (struct item *)(p.host + p.item);
    if (p.whole) cut(&t, -1, rows_a_block, to);
    else for (int u = 0; u < units(most); u++) to += cut(&t, u, rows_a_block, to);
    free(t.run);
    free(host);
    return p;
}

/* ---- the last plan ---- */

struct tree_of { int R, nseg, kv_heads, rows_a_block, few_blocks; };
struct tree_plan {
    struct tree_of of; struct attn_seg *seg; int *nkey;        /* what it was made of */
    struct plan p;
    const int *dev; unsigned turns;                            /* of the ring, when it was sent */
};

static bool is_of(const struct tree_plan *t, const struct tree_of *of, const struct attn_tree_args *a)
{
    return t->nkey && !memcmp(&t->of, of, sizeof *of) && !memcmp(t->seg, a->seg, (size_t)of->nseg * sizeof *t->seg)
        && !memcmp(t->nkey, a->nkey, (size_t)of->R * sizeof *t->nkey);
}

static void clear(struct tree_plan *t)
{
    free(t->seg);
    free(t->nkey);
    free(t->p.host);
    *t = {};
}

static void remake(struct tree_plan *t, const struct tree_of *of, const struct attn_tree_args *a)
{
    clear(t);
    t->of = *of;
    t->seg = (struct attn_seg *)mem_array((size_t)of->nseg + 1, sizeof *t->seg);
    t->nkey = (int *)mem_array((size_t)of->R + 1, sizeof *t->nkey);
    memcpy(t->seg, a->seg, (size_t)of->nseg * sizeof *t->seg);
    memcpy(t->nkey, a->nkey, (size_t)of->R * sizeof *t->nkey);
    t->p = make_plan(a, of->rows_a_block, of->few_blocks);
}

const struct plan *plan_tree(struct cuda *c, const struct attn_tree_args *a, int rows_a_block, int few_blocks, const int **dev)
{
    struct tree_of of = { a->q.rows, a->nseg, a->kv_heads, rows_a_block, few_blocks };
    if (!c->tree) c->tree = (struct tree_plan *)mem_alloc(sizeof *c->tree);
    struct tree_plan *t = c->tree;
    if (!is_of(t, &of, a)) remake(t, &of, a);
    if (!t->dev || t->turns != cuda_upload_turns(c)) {
        t->dev = cuda_ints(c, t->p.host, t->p.n);
        t->turns = cuda_upload_turns(c);
    }
    *dev = t->dev;
    return t->dev ? &t->p : NULL;
}

void cuda_end_attention(struct cuda *c)
{
    if (c->tree) clear(c->tree);
    free(c->tree);
    c->tree = NULL;
}
