/* SPDX-License-Identifier: Apache-2.0
 * A world as pixels: filled, outlined shapes on a light ground, or a bar chart with an axis and a tiny bitmap font.
 * Edges are smoothed by 4 x 4 samples a pixel. Jitter of tint and angle, noise and clutter come from r and l.
 */
#ifndef SHAPES_DRAW_H
#define SHAPES_DRAW_H

#include "media/image.h"
#include "world.h"

enum { SIDE_MIN = 48, SIDE_MAX = 512 };
/* im: side x side, made by the caller. */
void draw_world(const struct world *w, const struct level *l, struct rng *r, struct image *im);

#endif
