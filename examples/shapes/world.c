/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <math.h>
#include <string.h>

const char *const shape_words[SHAPES] = { "circle", "square", "triangle", "star", "cross", "diamond" };
const char *const colour_words[COLOURS] = { "red", "blue", "green", "yellow", "purple", "orange", "cyan", "pink" };
const char *const size_words[SIZES] = { "small", "large" };

const struct level levels[LEVELS] = {
    /* objects shapes colours  place  tint  noise clutter  bars  top tick labels */
    { 2, 4,    3,     4,       0.02,  0.02, 0.01, 0,       3, 4, 8,  1,   false },
    { 3, 5,    4,     5,       0.05,  0.05, 0.02, 1,       3, 5, 10, 2,   false },
    { 3, 7,    5,     6,       0.08,  0.08, 0.03, 2,       3, 5, 10, 2,   false },
    { 4, 8,    6,     8,       0.09,  0.10, 0.05, 4,       4, 6, 10, 2,   true },
    { 5, 9,    6,     8,       0.10,  0.12, 0.08, 6,       4, 6, 20, 5,   true },
};

bool sel_match(struct sel s, const struct object *o)
{
    return (s.shape < 0 || s.shape == o->shape) && (s.colour < 0 || s.colour == o->colour) && (s.size < 0 || s.size == o->size);
}

unsigned sel_cells(const struct world *w, struct sel s)
{
    unsigned m = 0;
    for (int i = 0; i < w->nobject; i++)
        if (sel_match(s, &w->object[i])) m |= 1u << object_cell(&w->object[i]);
    return m;
}

int bits(unsigned mask)
{
    int n = 0;
    for (; mask; mask &= mask - 1) n++;
    return n;
}

int object_cell(const struct object *o) { return (int)(o->y * GRID) * GRID + (int)(o->x * GRID); }

const struct object *world_at(const struct world *w, int cell)
{
    for (int i = 0; i < w->nobject; i++)
        if (object_cell(&w->object[i]) == cell) return &w->object[i];
    return NULL;
}

const struct bar *world_bar(const struct world *w, int label)
{
    for (int i = 0; i < w->nbar; i++)
        if (w->bar[i].label == label) return &w->bar[i];
    return NULL;
}

int rand_in(struct rng *r, int lo, int hi) { return lo + (int)rng_next_below(r, (uint32_t)(hi - lo + 1)); }

static double spread(struct rng *r, double by) { return (2 * rng_next(r) - 1) * by; }

static struct object any_object(struct rng *r, const struct level *l, struct sel s)
{
    return (struct object){
        .shape = s.shape >= 0 ? s.shape : rand_in(r, 0, l->shapes - 1),
        .colour = s.colour >= 0 ? s.colour : rand_in(r, 0, l->colours - 1),
        .size = s.size >= 0 ? s.size : rand_in(r, 0, SIZES - 1) };
}

/* An object that meets none of want[]; half the time a near miss of want[0]. */
static bool other_object(struct rng *r, const struct level *l, const struct sel *want, int nwant, struct object *o)
{
    for (int try = 0; try < 60; try++) {
        struct sel near = SEL_ANY;
        if (nwant && rand_in(r, 0, 1)) {
            int keep = rand_in(r, 0, 2);
            if (keep == 0) near.shape = want[0].shape;
            if (keep == 1) near.colour = want[0].colour;
            if (keep == 2) near.size = want[0].size;
        }
        *o = any_object(r, l, near);
        bool met = false;
        for (int i = 0; i < nwant; i++) met = met || sel_match(want[i], o);
        if (!met) return true;
    }
    return false;
}

/* Within its cell (jitter stays below half a cell) and within the image. */
static double centre(struct rng *r, double jitter, int at, double radius)
{
    double x = (at + 0.5) / GRID + spread(r, jitter), edge = radius + 0.02;
    return x < edge ? edge : x > 1 - edge ? 1 - edge : x;
}

static void place(struct object *o, struct rng *r, const struct level *l, int cell)
{
    o->r = (o->size == LARGE ? 0.145 : 0.085) * (1 + spread(r, 0.1));
    o->x = centre(r, l->place, cell % GRID, o->r);
    o->y = centre(r, l->place, cell / GRID, o->r);
}

bool scene_make(struct world *w, struct rng *r, const struct level *l, int n, const struct sel *want, const int *count, int nwant)
{
    int cells[CELLS];
    *w = (struct world){ .nobject = 0 };
    for (int i = 0; i < CELLS; i++) cells[i] = i;
    for (int k = 0; k < nwant; k++)
        for (int j = 0; j < count[k]; j++) {
            if (w->nobject >= n) return false;
            w->object[w->nobject++] = any_object(r, l, want[k]);
        }
    while (w->nobject < n) {
        if (!other_object(r, l, want, nwant, &w->object[w->nobject])) return false;
        w->nobject++;
    }
    rng_shuffle(r, w->object, (size_t)n, sizeof w->object[0]);      /* the order says nothing, nor who covers whom */
    rng_shuffle(r, cells, CELLS, sizeof cells[0]);
    for (int i = 0; i < n; i++) place(&w->object[i], r, l, cells[i]);
    return true;
}

void chart_make(struct world *w, struct rng *r, const struct level *l)
{
    int labels[LABELS], colours[COLOURS];
    for (int i = 0; i < LABELS; i++) labels[i] = i;
    for (int i = 0; i < COLOURS; i++) colours[i] = i;
    if (l->any_labels) rng_shuffle(r, labels, LABELS, sizeof labels[0]);
    rng_shuffle(r, colours, (size_t)mem_max(l->colours, BARS_MAX), sizeof colours[0]);
    *w = (struct world){ .chart = true, .nbar = rand_in(r, l->bars_min, l->bars_max), .top = l->top, .tick = l->tick };
    int value[l->top];                                   /* bars differ: one taken for another shows */
    for (int i = 0; i < l->top; i++) value[i] = i + 1;
    rng_shuffle(r, value, (size_t)l->top, sizeof value[0]);
    for (int i = 0; i < w->nbar; i++)
        w->bar[i] = (struct bar){ .label = labels[i], .value = value[i], .colour = colours[i] };
}

/* ---- the record's form ---- */

static val label_val(msgpack_zone *z, int label)
{
    char s = (char)('A' + label);
    return val_of_str(z, &s, 1);
}

static double round4(double x) { return round(x * 1e4) / 1e4; }

val world_to_val(msgpack_zone *z, const struct world *w)
{
    val m = val_map();
    val_set(z, &m, "kind", val_of_cstr(z, w->chart ? "chart" : "scene"));
    val list = val_array(z, w->chart ? w->nbar : w->nobject);
    for (int i = 0; i < val_len(&list); i++) {
        val e = val_map();
        if (w->chart) {
            val_set(z, &e, "label", label_val(z, w->bar[i].label));
            val_set(z, &e, "value", val_of_i64(w->bar[i].value));
            val_set(z, &e, "colour", val_of_cstr(z, colour_words[w->bar[i].colour]));
        } else {
            const struct object *o = &w->object[i];
            val_set(z, &e, "shape", val_of_cstr(z, shape_words[o->shape]));
            val_set(z, &e, "colour", val_of_cstr(z, colour_words[o->colour]));
            val_set(z, &e, "size", val_of_cstr(z, size_words[o->size]));
            val_set(z, &e, "x", val_of_f64(round4(o->x)));
            val_set(z, &e, "y", val_of_f64(round4(o->y)));
            val_set(z, &e, "r", val_of_f64(round4(o->r)));
        }
        *val_at(&list, i) = e;
    }
    if (w->chart) {
        val_set(z, &m, "top", val_of_i64(w->top));
        val_set(z, &m, "tick", val_of_i64(w->tick));
    }
    val_set(z, &m, w->chart ? "bars" : "objects", list);
    return m;
}

/* The index of the word under key, or -1. */
static int word_of(const val *map, const char *key, const char *const *words, int n)
{
    const val *v = val_get(map, key);
    for (int i = 0; i < n; i++)
        if (v && val_is_str(v, words[i])) return i;
    return -1;
}

static bool int_of(const val *map, const char *key, int lo, int hi, int *x)
{
    int64_t v;
    if (!val_i64(val_get(map, key), &v) || v < lo || v > hi) return false;
    *x = (int)v;
    return true;
}

static bool part_of(const val *map, const char *key, double *x)
{
    return val_f64(val_get(map, key), x) && *x >= 0 && *x < 1;
}

static int bars_from(const val *v, struct world *w)
{
    const val *list = val_get(v, "bars");
    int n = val_len(list);
    if (n < 1 || n > BARS_MAX) return fail("world: %d bars, want 1 to %d", n, BARS_MAX);
    if (!int_of(v, "top", 1, VALUE_MAX, &w->top) || !int_of(v, "tick", 1, w->top, &w->tick)) return fail("world: bad axis");
    for (int i = 0; i < n; i++) {
        const val *e = val_at(list, i);
        struct bar b = { .colour = word_of(e, "colour", colour_words, COLOURS) };
        const char *s;
        size_t len;
        if (b.colour < 0 || !int_of(e, "value", 0, w->top, &b.value) || !val_str(val_get(e, "label"), &s, &len) || len != 1)
            return fail("world: bar %d is malformed", i);
        b.label = s[0] - 'A';
        if (b.label < 0 || b.label >= LABELS || world_bar(w, b.label)) return fail("world: bar %d: bad or repeated label", i);
        w->bar[w->nbar++] = b;
    }
    return 0;
}

static int objects_from(const val *v, struct world *w)
{
    const val *list = val_get(v, "objects");
    int n = val_len(list);
    if (n < 1 || n > CELLS) return fail("world: %d objects, want 1 to %d", n, CELLS);
    for (int i = 0; i < n; i++) {
        const val *e = val_at(list, i);
        struct object o = { word_of(e, "shape", shape_words, SHAPES), word_of(e, "colour", colour_words, COLOURS),
                            word_of(e, "size", size_words, SIZES), 0, 0, 0 };
        if (o.shape < 0 || o.colour < 0 || o.size < 0 || !part_of(e, "x", &o.x) || !part_of(e, "y", &o.y) || !part_of(e, "r", &o.r))
            return fail("world: object %d is malformed", i);
        if (world_at(w, object_cell(&o))) return fail("world: object %d: its cell is taken", i);
        w->object[w->nobject++] = o;
    }
    return 0;
}

int world_from_val(const val *v, struct world *w)
{
    *w = (struct world){ .nobject = 0 };
    const val *kind = v ? val_get(v, "kind") : NULL;
    if (!kind) return fail("no world");
    w->chart = val_is_str(kind, "chart");
    if (!w->chart && !val_is_str(kind, "scene")) return fail("world: unknown kind");
    return w->chart ? bars_from(v, w) : objects_from(v, w);
}
