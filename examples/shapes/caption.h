/* SPDX-License-Identifier: Apache-2.0
 * What a model can be taught before it reasons: to say what is in an image.
 */
#ifndef SHAPES_CAPTION_H
#define SHAPES_CAPTION_H

#include "world.h"

#define CAPTION_QUESTION "What is in the image?"
/* Appends the objects cell by cell, or the bars from left to right:
 *   "top: small red circle; bottom left: large blue star"      "A: blue, 7; B: red, 3" */
void caption_write(const struct world *w, struct buf *out);

#endif
