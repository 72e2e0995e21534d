/* SPDX-License-Identifier: Apache-2.0 */
#include "group.h"

#include <stdlib.h>
#include "base/hash.h"

/* ---- ids seen ---- */

static size_t slot_of(const uint64_t *seen, size_t slots, uint64_t h)
{
    size_t i = h % slots;
    while (seen[i] && seen[i] != h) i = (i + 1) % slots;
    return i;
}

static void grow(struct group *g)
{
    size_t n = g->slots ? 2 * g->slots : 1024;
    uint64_t *to = mem_array(n, sizeof *to);
    for (size_t i = 0; i < g->slots; i++)
        if (g->seen[i]) to[slot_of(to, n, g->seen[i])] = g->seen[i];
    free(g->seen);
    g->seen = to;
    g->slots = n;
}

/* Two of a million ids share a hash with a chance of 3e-8. */
static int first_time(struct group *g, const struct record *r)
{
    const char *s;
    size_t n;
    char label[256];
    if (2 * g->nseen >= g->slots) grow(g);
    (void)val_str(val_get(&r->root, "id"), &s, &n);
    uint64_t h = mem_max(hash64(s, n, 0), 1), *slot = &g->seen[slot_of(g->seen, g->slots, h)];
    if (*slot) return fail("%s: this id came before; the paths of an id must follow one another", rec_label(r, label, sizeof label));
    *slot = h;
    g->nseen++;
    return 0;
}

/* ---- reading ---- */

static bool same_id(const struct record *a, const struct record *b)
{
    return val_equal(val_get(&a->root, "id"), val_get(&b->root, "id"));
}

static const char *flaw(const struct record *r)
{
    const char *s;
    size_t n;
    const val *path = val_get(&r->root, "path");
    if (!val_str(val_get(&r->root, "id"), &s, &n)) return "no id";
    return path && path->type == MSGPACK_OBJECT_MAP ? NULL : "no path";
}

static int next_path(struct tool *t, struct group *g)      /* into g->ahead */
{
    int got;
    char label[256];
    if (!g->ahead) g->ahead = rec_new();
    while ((got = tool_read(t, g->ahead)) > 0) {
        const char *why = flaw(g->ahead);
        tool_progress(t, "paths", (double)rec_reader_count(t->in), 0, NULL);
        if (!why) return 1;
        if (g->strict) return fail("%s: %s", rec_label(g->ahead, label, sizeof label), why);
        if (tool_reject(t, g->ahead, why)) return -1;
    }
    return got;
}

static void take_ahead(struct group *g)        /* swaps it with a record no longer used, if there is one */
{
    if (g->n == g->cap) {
        int cap = g->cap ? 2 * g->cap : 16;
        g->r = mem_grow(g->r, (size_t)cap, sizeof *g->r);
        while (g->cap < cap) g->r[g->cap++] = NULL;
    }
    struct record *spare = g->r[g->n];
    g->r[g->n++] = g->ahead;
    g->ahead = spare;
    g->has_ahead = false;
}

int group_read(struct tool *t, struct group *g)
{
    int got = 1;
    g->n = 0;
    if (g->ended) return 0;
    if (g->has_ahead) take_ahead(g);
    while ((got = next_path(t, g)) > 0) {
        g->has_ahead = g->n && !same_id(g->r[0], g->ahead);
        if (g->has_ahead) break;
        take_ahead(g);
    }
    g->ended = got == 0;
    if (got < 0 || (g->n && first_time(g, g->r[0]))) return -1;
    return g->n > 0;
}

void group_free(struct group *g)
{
    for (int i = 0; i < g->cap; i++) rec_free(g->r[i]);
    rec_free(g->ahead);
    free(g->r);
    free(g->seen);
    *g = (struct group){ 0 };
}
