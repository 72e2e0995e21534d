/* SPDX-License-Identifier: Apache-2.0
 * Images that need no file.
 */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H

#include "../unit/t.h"
#include "media/image.h"

/* The same numbers as pattern() in make_preprocess.py. */
static inline struct image pattern(int w, int h)
{
    struct image im;
    T_OK(image_new(w, h, &im));
    uint8_t *p = im.px;
    for (uint64_t y = 0; y < (uint64_t)h; y++)
        for (uint64_t x = 0; x < (uint64_t)w; x++)
            for (uint64_t c = 0; c < 3; c++) {
                uint64_t slope = x * 3 + y * 5 + c * 40, edge = (x / 7 + y / 5 + c) % 2 * 120;
                uint64_t noise = ((x * 2654435761u + y * 40503 + c * 97) & 0xffffffff) >> 25;
                *p++ = (uint8_t)(slope / 4 % 128 + edge + noise / (1 + c));
            }
    return im;
}

#endif
