/* SPDX-License-Identifier: Apache-2.0
 * The two worlds: scenes of coloured shapes on a 3 x 3 grid, and bar charts. A world is the complete description of
 * an image: everything a question can ask follows from it. In a record it is meta.world:
 *
 *   {"kind": "scene", "objects": [{"shape": "star", "colour": "red", "size": "small", "x": 0.2, "y": 0.5, "r": 0.08}]}
 *   {"kind": "chart", "top": 10, "tick": 2, "bars": [{"label": "A", "value": 7, "colour": "blue"}]}
 *
 * x, y: the object's centre, r: its radius, in parts of the image's side, y downwards. An object is in the grid cell its
 * centre is in, and no two share a cell.
 */
#ifndef SHAPES_WORLD_H
#define SHAPES_WORLD_H

#include <stdbool.h>
#include "base/rng.h"
#include "record/record.h"

enum { GRID = 3, CELLS = GRID * GRID, BARS_MAX = 6, LABELS = 8, VALUE_MAX = 60 };
enum shape { CIRCLE, SQUARE, TRIANGLE, STAR, CROSS, DIAMOND, SHAPES };
enum colour { RED, BLUE, GREEN, YELLOW, PURPLE, ORANGE, CYAN, PINK, COLOURS };
enum size { SMALL, LARGE, SIZES };
extern const char *const shape_words[SHAPES], *const colour_words[COLOURS], *const size_words[SIZES];

struct object { int shape, colour, size; double x, y, r; };
struct bar { int label, value, colour; };      /* label 0: A */
struct world {
    bool chart;
    int nobject;
    struct object object[CELLS];
    int nbar, top, tick;                       /* the axis runs from 0 to top with a line every `tick` */
    struct bar bar[BARS_MAX];
};

/* A description some objects meet; -1: any. */
struct sel { int shape, colour, size; };
#define SEL_ANY ((struct sel){ -1, -1, -1 })
bool sel_match(struct sel s, const struct object *o);
unsigned sel_cells(const struct world *w, struct sel s);     /* bit c: cell c holds a matching object */
int bits(unsigned mask);                                     /* how many are set */

int object_cell(const struct object *o);                     /* row * GRID + column */
const struct object *world_at(const struct world *w, int cell);     /* NULL: the cell is empty */
const struct bar *world_bar(const struct world *w, int label);      /* NULL: no such bar */

/* How hard a world is; one row per --difficulty. */
struct level {
    int objects_min, objects_max, shapes, colours;
    double place, tint, noise;                 /* jitter of place and colour, background noise */
    int clutter;                               /* grey lines and dots that are no objects */
    int bars_min, bars_max, top, tick;
    bool any_labels;                           /* labels drawn from A..H instead of A, B, C, ... */
};
enum { LEVELS = 5 };
extern const struct level levels[LEVELS];      /* levels[k - 1] for --difficulty k */

int rand_in(struct rng *r, int lo, int hi);    /* [lo, hi] */

/* A scene of n objects: count[i] of them meet want[i], the rest meet none. want[] must exclude each other. Half of
 * the rest share one attribute with want[0], so that it takes every attribute to tell them apart.
 * false if the draw failed (try again). */
bool scene_make(struct world *w, struct rng *r, const struct level *l, int n, const struct sel *want, const int *count, int nwant);
void chart_make(struct world *w, struct rng *r, const struct level *l);

val  world_to_val(msgpack_zone *z, const struct world *w);
MUST_USE int world_from_val(const val *v, struct world *w);   /* -1: not a world, or out of bounds */

#endif
