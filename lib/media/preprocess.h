/* SPDX-License-Identifier: Apache-2.0
 * From an image to the vision tower's input, as transformers' GotOcr2ImageProcessor does it for InternVL: the grid of
 * tiles whose aspect is nearest to the image's, the image resized onto it and cut, a thumbnail of the whole behind
 * the tiles when there are several, then (p * rescale - mean) / std.
 *
 *     struct pre_cfg cfg;
 *     if (pre_load(&cfg, "model")) return -1;
 *     struct tiles t = pre_tiles(&cfg, im.w, im.h);
 *     float *x = mem_try(tiles_floats(&t) * sizeof *x, "tiles");
 *     if (!x || pre_run(&cfg, &im, x)) ...                 x: [t.n][3][t.h][t.w], tiles row by row, thumbnail last
 */
#ifndef MEDIA_PREPROCESS_H
#define MEDIA_PREPROCESS_H

#include <stdbool.h>
#include "media/resize.h"

enum { PRE_MAX_TILES = 1024, PRE_MAX_SIDE = 8192 };

/* What an image becomes: n tiles of h x w pixels, floats [n][3][h][w]. */
struct tiles { int n, h, w; };
static inline size_t tiles_floats(const struct tiles *t) { return (size_t)t->n * 3 * (size_t)t->h * (size_t)t->w; }

struct pre_cfg {
    int h, w;                              /* of a tile, in pixels */
    int min_tiles, max_tiles;              /* without the thumbnail */
    bool tiling;                           /* false: the whole image is the one tile */
    bool thumbnail;                        /* transformers: always true */
    double rescale;                        /* 1/255 */
    float mean[3], std[3];
    enum resample resample;
    enum resize_like like;                 /* RESIZE_TORCH unless the configuration names a "...Pil" processor */
};

struct pre_cfg pre_default(void);                        /* InternVL: 448 x 448, 1 to 12 tiles, ImageNet mean and std */
void pre_grid(const struct pre_cfg *cfg, int w, int h, int *cols, int *rows);
struct tiles pre_tiles(const struct pre_cfg *cfg, int w, int h);      /* what an image of that size gives */
MUST_USE int pre_run(const struct pre_cfg *cfg, const struct image *im, float *out);

/* Reads Hugging Face's preprocessor_config.json. `path`: that file, a processor_config.json that holds an
 * "image_processor", or a checkpoint's folder (in which transformers prefers the second; so do we). Keys that ask for
 * something this code does not do (centre crops, padding, size by an edge) are refused, not ignored. */
MUST_USE int pre_load(struct pre_cfg *cfg, const char *path);
MUST_USE int pre_save(const struct pre_cfg *cfg, const char *path);      /* writes the file `path`; transformers loads it */

#endif
