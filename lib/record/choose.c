/* SPDX-License-Identifier: Apache-2.0 */
#include "record/choose.h"

#include <stdlib.h>
#include <string.h>
#include "base/names.h"

/* ---- ranking ---- */

static int by_bytes(const struct record *a, const struct record *b)
{
    struct buf x = { 0 }, y = { 0 };
    int c = rec_pack(a, &x) || rec_pack(b, &y) ? 0 : memcmp(x.p, y.p, mem_min(x.len, y.len));
    if (!c) c = (x.len > y.len) - (x.len < y.len);
    buf_free(&x);
    buf_free(&y);
    return c;
}

int candidate_order(const struct candidate *a, const struct candidate *b)
{
    if (!a->unscored != !b->unscored) return a->unscored ? 1 : -1;
    if (!a->unscored && a->s.score != b->s.score) return a->s.score > b->s.score ? -1 : 1;
    if (a->index != b->index) return a->index < b->index ? -1 : 1;
    return a->r == b->r ? 0 : by_bytes(a->r, b->r);
}

static int ranked(const void *a, const void *b) { return candidate_order(a, b); }

struct candidate candidate_of(struct record *r, const struct reward *w)
{
    struct candidate c = { .r = r, .index = INT64_MAX, .group = -1 };
    c.unscored = reward_of(w, &r->root, &c.s);
    (void)val_i64(val_path(&r->root, "path.index"), &c.index);
    return c;
}

/* ---- groups ---- */

struct key { struct slice text; int at; };

/* The key of a path's answer in the arena; false: it has none. */
static bool key_of(struct record *r, enum answer_match how, struct arena *a, struct slice *key)
{
    const val *path = val_get(&r->root, "path");
    struct slice s;
    bool unparsed = false;
    if (val_bool(val_get(path, "unparsed"), &unparsed) && unparsed) return false;
    if (!answer_text(&r->zone, val_get(path, "answer"), &s)) return false;
    struct buf b = { 0 };
    answer_key(how, s, val_get(&r->root, "choices"), &b);
    bool some = b.len > 0;
    if (some) *key = (struct slice){ arena_str(a, b.p, b.len), b.len };
    buf_free(&b);
    return some;
}

static int by_key(const void *x, const void *y)
{
    return slice_order(((const struct key *)x)->text, ((const struct key *)y)->text);
}

static void make_groups(struct ballot *b, enum answer_match how)
{
    struct arena a = { 0 };
    struct key *key = mem_array((size_t)mem_max(b->n, 1), sizeof *key);
    int n = 0;
    for (int i = 0; i < b->n; i++)
        if (key_of(b->c[i].r, how, &a, &key[n].text)) key[n++].at = i;
    qsort(key, (size_t)n, sizeof *key, by_key);
    b->groups = 0;
    for (int i = 0; i < n; i++) {
        if (i == 0 || by_key(&key[i - 1], &key[i])) b->groups++;
        b->c[key[i].at].group = b->groups - 1;
    }
    free(key);
    arena_free(&a);
}

void ballot_make(struct ballot *b, struct record *const *r, int n, const struct reward *w, enum answer_match how)
{
    if (n > b->cap) {
        b->cap = n;
        b->c = mem_grow(b->c, (size_t)n, sizeof *b->c);
    }
    b->n = n;
    b->scored = 0;
    for (int i = 0; i < n; i++) {
        b->c[i] = candidate_of(r[i], w);
        b->scored += !b->c[i].unscored;
    }
    qsort(b->c, (size_t)n, sizeof *b->c, ranked);
    make_groups(b, how);
}

void ballot_free(struct ballot *b)
{
    free(b->c);
    *b = (struct ballot){ 0 };
}

/* ---- votes ---- */

struct party { int votes, best; double weight; };          /* best: position of its best path */

/* Does group x, numbered before y, stay ahead of it? The lower position has the higher score, or the same and the lower
 * index; only scores count here, so that equal ones are left to the order of the answers. */
static bool ahead(const struct ballot *b, const struct party *x, const struct party *y, bool weighted)
{
    if (weighted && x->weight != y->weight) return x->weight > y->weight;
    if (x->votes != y->votes) return x->votes > y->votes;
    const struct candidate *p = &b->c[x->best], *q = &b->c[y->best];
    if (!p->unscored != !q->unscored) return !p->unscored;
    return p->unscored || p->s.score >= q->s.score;
}

struct choice choose_vote(const struct ballot *b, const int *pick, int n, bool weighted)
{
    struct party *party = mem_array((size_t)b->groups + 1, sizeof *party);
    int leader = -1;
    for (int k = 0; k < n; k++) {
        int i = pick ? pick[k] : k, g = b->c[i].group;
        if (g < 0 || (weighted && b->c[i].unscored)) continue;
        if (party[g].votes++ == 0) party[g].best = i;
        party[g].weight += b->c[i].s.score;
    }
    for (int g = 0; g < b->groups; g++)
        if (party[g].votes && (leader < 0 || !ahead(b, &party[leader], &party[g], weighted))) leader = g;
    struct choice c = { pick ? pick[0] : 0, 0, n, 0 };
    if (leader >= 0) c = (struct choice){ party[leader].best, party[leader].votes, n, party[leader].weight };
    free(party);
    return leader < 0 && weighted ? choose_vote(b, pick, n, false) : c;
}
